/* SPDX-License-Identifier: MIT */
#include "master/ctl/confirm.h"
#include "common/text.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ANSWER_MAX 16

static bool is_yes(FILE *tty)
{
    char line[ANSWER_MAX] = "";
    bool got = fgets(line, sizeof(line), tty) != NULL;
    line[strcspn(line, "\r\n")] = '\0';
    return got && (strcasecmp(line, "y") == 0 || strcasecmp(line, "yes") == 0);
}

int confirm_removal(const struct ctl *c, const char *what)
{
    struct strbuf clean;
    if (c->o.yes)
        return EXIT_ALL_OK;
    FILE *tty = fopen("/dev/tty", "r+e");
    if (!tty)
        return ctl_fail(EXIT_USAGE,
                        "this removes %s, and there is no terminal to ask on: add --yes", what);
    strbuf_init(&clean, 4 * TEXT_CELL_MAX);
    text_clean(&clean, what);
    fprintf(tty, "Remove %s? [y/N] ", clean.data);
    fflush(tty);
    bool yes = is_yes(tty);
    strbuf_fini(&clean);
    fclose(tty);
    return yes ? EXIT_ALL_OK : ctl_fail(EXIT_SOME_FAILED, "nothing was changed");
}
