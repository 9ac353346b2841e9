/* SPDX-License-Identifier: MIT */
#include "agent/instance.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/random.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DIR_MAX       4000
#define LOCK_WAIT_MS  3000
#define LOCK_RETRY_MS 50

enum err instance_default_dir(const char *name, char *out, size_t max)
{
    const char *xdg = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    int n;
    if (geteuid() == 0)
        n = snprintf(out, max, "/var/lib/sonde-agent/%s", name);
    else if (xdg && xdg[0] == '/')
        n = snprintf(out, max, "%s/sonde-agent/%s", xdg, name);
    else if (home && home[0] == '/')
        n = snprintf(out, max, "%s/.local/share/sonde-agent/%s", home, name);
    else
        return ERR_NOT_FOUND;
    return n > 0 && (size_t)n < max ? ERR_NONE : ERR_TOO_BIG;
}

static bool make_dirs(const char *dir)
{
    char path[DIR_MAX + 1];
    snprintf(path, sizeof(path), "%s", dir);
    for (char *p = path + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        (void)mkdir(path, 0755); /* what matters is whether the last one works */
        *p = '/';
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

/* A new or damaged file gets a new id. */
static bool read_or_make(int fd, char id[INSTANCE_ID_LEN + 1])
{
    uint8_t random[INSTANCE_ID_LEN / 2];
    char text[INSTANCE_ID_LEN + 1] = "";
    ssize_t n = pread(fd, text, INSTANCE_ID_LEN, 0);
    bool whole = n == INSTANCE_ID_LEN && hex_decode(text, INSTANCE_ID_LEN, random);
    if (!whole) {
        random_bytes(random, sizeof(random));
        hex_encode(random, sizeof(random), text);
        char line[INSTANCE_ID_LEN + 2];
        int len = snprintf(line, sizeof(line), "%s\n", text);
        if (ftruncate(fd, 0) != 0 || pwrite(fd, line, (size_t)len, 0) != len || fsync(fd) != 0)
            return false;
    }
    memcpy(id, text, INSTANCE_ID_LEN + 1);
    return true;
}

static enum err fail(char *why, size_t why_max, const char *what, const char *path)
{
    snprintf(why, why_max, "%s %s: %s; make it writable or choose another with --data", what, path,
             strerror(errno));
    return ERR_IO;
}

/* The process before this one may still be dying. */
static bool lock_soon(int fd)
{
    const struct timespec pause = {.tv_nsec = LOCK_RETRY_MS * NS_PER_MS};
    for (int waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; waited_ms += LOCK_RETRY_MS) {
        if (waited_ms >= LOCK_WAIT_MS)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

enum err instance_open(const char *dir, char id[INSTANCE_ID_LEN + 1], char *why, size_t why_max)
{
    char path[DIR_MAX + 16];
    REQUIRE(dir != NULL && id != NULL);
    if (strlen(dir) > DIR_MAX) {
        errno = ENAMETOOLONG;
        return fail(why, why_max, "cannot use the data directory", dir);
    }
    if (!make_dirs(dir))
        return fail(why, why_max, "cannot make the data directory", dir);
    snprintf(path, sizeof(path), "%s/instance", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(why, why_max, "cannot open", path);
    if (!lock_soon(fd)) {
        close(fd);
        snprintf(why, why_max,
                 "another sonde-agent runs with the data directory %s; give this one its own "
                 "--name or --data",
                 dir);
        return ERR_BUSY;
    }
    if (!read_or_make(fd, id)) {
        enum err e = fail(why, why_max, "cannot write", path);
        close(fd);
        return e;
    }
    return ERR_NONE; /* fd stays open: it is the lock */
}
