/* SPDX-License-Identifier: MIT */
#include "agent/link/token_file.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum err token_file_read(const char *path, char out[TOKEN_MAX + 1], char *why, size_t why_max)
{
    char line[TOKEN_MAX + 3] = "";
    FILE *f = fopen(path, "re");
    if (!f) {
        snprintf(why, why_max, "the token file %s cannot be read: %s", path, strerror(errno));
        return ERR_IO;
    }
    char *got = fgets(line, sizeof(line), f);
    fclose(f);
    size_t n = got ? strcspn(line, "\r\n") : 0;
    bool printable = n > 0;
    for (size_t i = 0; i < n; i++)
        printable &= line[i] > ' ' && line[i] < 127;
    if (!printable || n > TOKEN_MAX) {
        snprintf(why, why_max,
                 "the token file %s does not hold a token in its first line; 'sonde-master token "
                 "add --scope agent' prints one",
                 path);
        return ERR_INVALID;
    }
    memcpy(out, line, n);
    out[n] = '\0';
    return ERR_NONE;
}
