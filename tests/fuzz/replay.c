/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/*
 * replay - the main() of a fuzz target that is built without a fuzzer: runs it over every file of
 * the directories given. A directory that is missing or empty is a failure, so that no corpus gets
 * lost unnoticed.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PATH_TEXT_MAX 4096

static int replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    if (f == NULL || fstat(fileno(f), &st) != 0) {
        perror(path);
        if (f != NULL)
            fclose(f);
        return -1;
    }
    size_t size = (size_t)st.st_size;
    uint8_t *data =
        malloc(size + (size == 0)); /* exact, so that a sanitizer sees one byte too many */
    size_t got = data != NULL ? fread(data, 1, size, f) : 0;
    fclose(f);
    int rc = data != NULL && got == size ? LLVMFuzzerTestOneInput(data, size) : -1;
    free(data);
    if (rc != 0)
        fprintf(stderr, "%s: failed\n", path);
    return rc;
}

/* How many files were run, or -1. */
static int replay_directory(const char *path)
{
    DIR *dir = opendir(path);
    if (dir == NULL) {
        perror(path);
        return -1;
    }
    int count = 0, rc = 0;
    char file[PATH_TEXT_MAX];
    for (struct dirent *e; rc == 0 && (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
        rc = replay_file(file);
        count++;
    }
    closedir(dir);
    if (count == 0)
        fprintf(stderr, "%s: no files\n", path);
    return rc == 0 && count > 0 ? count : -1;
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc; i++) {
        int n = replay_directory(argv[i]);
        if (n < 0)
            return EXIT_FAILURE;
        total += n;
    }
    if (total == 0)
        fprintf(stderr, "usage: %s CORPUS_DIRECTORY...\n", argv[0]);
    else
        printf("%d inputs replayed\n", total);
    return total > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
