/* SPDX-License-Identifier: MIT */
#include "agent/outbox/spool_dir.h"
#include "common/clock.h"
#include "common/ids.h"
#include "common/log.h"
#include "common/mem.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX     ".spool"
#define ASIDE      "foreign-"
#define FILES_MAX  65536              /* each of a spool's files holds a result that waits */
#define READ_BYTES (16 * 1024 * 1024) /* of one file: several times what one may hold */

static void file_path(char out[SPOOL_PATH_MAX], const char *dir, uint64_t number)
{
    snprintf(out, SPOOL_PATH_MAX, "%s/%010llu" SUFFIX, dir, (unsigned long long)number);
}

/* ---- at start */

/* "0000000007.spool" → 7; numbers that would not fit a rising counter are not ours. */
static bool parse_name(const char *name, uint64_t *number)
{
    size_t len = strcspn(name, ".");
    const char *digits = name;
    while (*digits == '0' && len > 1) {
        digits++;
        len--;
    }
    return strcmp(name + strcspn(name, "."), SUFFIX) == 0 &&
           u64_parse(digits, len, number) == ERR_NONE && *number > 0 && *number < UINT64_MAX / 2;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* How many numbers were found, or −1. */
static ssize_t list_files(const char *dir, uint64_t **out)
{
    DIR *d = opendir(dir);
    if (!d)
        return errno == ENOENT ? 0 : -1;
    size_t n = 0, cap = 0;
    for (struct dirent *e; n < FILES_MAX && (e = readdir(d)) != NULL;) {
        uint64_t number;
        if (!parse_name(e->d_name, &number))
            continue;
        if (n == cap) {
            cap = cap ? cap * 2 : 64;
            *out = mem_realloc(*out, cap * sizeof(**out));
        }
        (*out)[n++] = number;
    }
    closedir(d);
    if (n > 0)
        qsort(*out, n, sizeof(**out), by_number);
    return (ssize_t)n;
}

static bool read_all(int fd, char *p, size_t n)
{
    for (size_t got = 0; got < n;) {
        ssize_t r = pread(fd, p + got, n - got, (off_t)got);
        if (r < 0 && errno == EINTR)
            continue;
        if (r == 0)
            errno = EIO;
        if (r <= 0)
            return false;
        got += (size_t)r;
    }
    return true;
}

/* NULL and errno when it cannot be read. */
static char *read_file(const char *path, size_t *n)
{
    struct stat st;
    char *p = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return NULL;
    bool good = fstat(fd, &st) == 0;
    if (good && (!S_ISREG(st.st_mode) || st.st_size > READ_BYTES)) {
        errno = EFBIG;
        good = false;
    }
    if (good) {
        *n = (size_t)st.st_size;
        p = mem_alloc(*n + 1);
        good = read_all(fd, p, *n);
    }
    int e = errno;
    close(fd);
    if (good)
        return p;
    free(p);
    errno = e;
    return NULL;
}

void spool_dir_read(const char *dir, spool_dir_found_f *fn, void *arg)
{
    uint64_t *numbers = NULL;
    ssize_t count = list_files(dir, &numbers);
    if (count < 0)
        LOG(LOG_WARN, "spool", "cannot_read", LS("path", dir), LS("problem", strerror(errno)));
    for (ssize_t i = 0; i < count; i++) {
        char path[SPOOL_PATH_MAX];
        size_t n = 0;
        file_path(path, dir, numbers[i]);
        char *p = read_file(path, &n);
        if (!p)
            LOG(LOG_WARN, "spool", "cannot_read", LS("path", path), LS("problem", strerror(errno)),
                LS("effect", "its results are not sent; the master has their tasks run again"));
        fn(arg, numbers[i], p, n);
        free(p);
    }
    free(numbers);
}

/* ---- set aside */

struct aside { /* the oldest file of all that are set aside, and their sum */
    char path[SPOOL_PATH_MAX + 600], name[256];
    size_t bytes;
};

/* Names begin with the time, so that the smallest is the oldest. */
static void look_into(const char *dir, struct aside *a)
{
    DIR *d = opendir(dir);
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        struct stat st;
        if (e->d_name[0] == '.' || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISREG(st.st_mode))
            continue;
        a->bytes += (size_t)st.st_size;
        if (a->name[0] && strcmp(a->name, e->d_name) <= 0)
            continue;
        snprintf(a->name, sizeof(a->name), "%s", e->d_name);
        snprintf(a->path, sizeof(a->path), "%s/%s", dir, e->d_name);
    }
    closedir(d);
}

static void look_aside(const char *dir, struct aside *a)
{
    DIR *d = opendir(dir);
    *a = (struct aside){.bytes = 0};
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char path[SPOOL_PATH_MAX];
        int len = snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        if (strncmp(e->d_name, ASIDE, strlen(ASIDE)) == 0 && len < (int)sizeof(path))
            look_into(path, a);
    }
    closedir(d);
}

static void prune_aside(const char *dir, size_t max)
{
    struct aside a;
    for (look_aside(dir, &a); a.bytes > max; look_aside(dir, &a)) {
        LOG(LOG_WARN, "spool", "foreign_removed", LS("path", a.path),
            LS("why", "more was set aside than --spool-bytes"));
        if (unlink(a.path) != 0)
            return;
        char *slash = strrchr(a.path, '/');
        *slash = '\0';
        (void)rmdir(a.path); /* if that was its last */
    }
}

/* A store's name came from a master: only what cannot mean anything in a path is kept of it. */
static void aside_dir(char out[SPOOL_PATH_MAX], const char *dir, const char *store)
{
    int len = snprintf(out, SPOOL_PATH_MAX, "%s/" ASIDE "%s", dir, store);
    for (char *p = out + len - strlen(store); *p; p++)
        if (!strchr("0123456789-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", *p))
            *p = '_';
}

static int set_aside(const char *dir, const char *path, const struct spool_end *e)
{
    char to_dir[SPOOL_PATH_MAX], to[SPOOL_PATH_MAX + 64];
    aside_dir(to_dir, dir, e->store);
    if (mkdir(to_dir, 0700) != 0 && errno != EEXIST)
        return errno;
    snprintf(to, sizeof(to), "%s/%015lld-%010llu" SUFFIX, to_dir, (long long)wall_now().us / 1000,
             (unsigned long long)e->number);
    if (rename(path, to) != 0)
        return errno;
    LOG(LOG_WARN, "spool", "set_aside", LS("path", to));
    return 0;
}

/* A job that failed half-way is done again: what is gone already is well. */
static int end_file(const char *dir, const struct spool_end *e)
{
    char path[SPOOL_PATH_MAX];
    file_path(path, dir, e->number);
    int rc = e->aside ? set_aside(dir, path, e) : unlink(path) == 0 ? 0 : errno;
    return rc == ENOENT ? 0 : rc;
}

/* ---- writing */

static int write_all(int fd, const struct strbuf *b, uint64_t offset)
{
    for (size_t done = 0; done < b->len;) {
        ssize_t n = pwrite(fd, b->data + done, b->len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : EIO;
        done += (size_t)n;
    }
    return 0;
}

static int write_file(const char *dir, const struct spool_job *j)
{
    char path[SPOOL_PATH_MAX];
    file_path(path, dir, j->number);
    if (j->fresh && mkdir(dir, 0700) != 0 && errno != EEXIST)
        return errno;
    int fd =
        open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | (j->fresh ? O_CREAT | O_TRUNC : 0), 0600);
    if (fd < 0)
        return errno;
    int e = write_all(fd, &j->bytes, j->offset);
    /* What a reader would find behind the records that count. */
    if (e != 0 && (j->fresh ? unlink(path) : ftruncate(fd, (off_t)j->offset)) != 0)
        LOG(LOG_DEBUG, "spool", "left_behind", LS("path", path), LS("problem", strerror(errno)));
    if (close(fd) != 0 && e == 0)
        e = errno;
    return e;
}

int spool_dir_run(const char *dir, size_t aside_max, const struct spool_job *j)
{
    int e = 0;
    bool aside = false;
    for (unsigned i = 0; i < j->n_ends && e == 0; i++) {
        e = end_file(dir, &j->ends[i]);
        aside |= j->ends[i].aside;
    }
    if (aside)
        prune_aside(dir, aside_max);
    return e == 0 && j->number ? write_file(dir, j) : e;
}
