/* SPDX-License-Identifier: MIT */
#include "master/store/dirlock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static enum err err_of(int errnum)
{
    switch (errnum) {
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_DENIED;
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case ENOSPC:
    case EDQUOT:
        return ERR_NO_SPACE;
    default:
        return ERR_IO;
    }
}

static enum err make_dir(const char *dir, char *why, size_t why_max)
{
    struct stat st;
    if (mkdir(dir, 0700) == 0)
        return ERR_NONE;
    int errnum = errno;
    if (errnum == EEXIST && stat(dir, &st) == 0 && S_ISDIR(st.st_mode))
        return ERR_NONE;
    if (errnum == EEXIST)
        errnum = ENOTDIR;
    snprintf(why, why_max,
             "data directory %s cannot be made: %s%s; make it, or choose another with --data", dir,
             strerror(errnum), errnum == ENOENT ? " (its parent comes first)" : "");
    return err_of(errnum);
}

/* "" when the holder has not written it yet. */
static void read_pid(int fd, char pid[16])
{
    ssize_t n = pread(fd, pid, 15, 0);
    pid[n > 0 ? n : 0] = '\0';
    pid[strspn(pid, "0123456789")] = '\0';
}

static enum err busy(int fd, const char *dir, char *why, size_t why_max)
{
    char pid[16];
    read_pid(fd, pid);
    snprintf(why, why_max,
             "data directory %s is in use by another sonde-master%s%s: stop that one, or give "
             "another --data directory",
             dir, pid[0] ? ", pid " : "", pid);
    return ERR_BUSY;
}

static enum err write_pid(int fd, const char *path, char *why, size_t why_max)
{
    char pid[16];
    int n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == 0 && pwrite(fd, pid, (size_t)n, 0) == n)
        return ERR_NONE;
    int errnum = errno;
    enum err e = err_of(errnum);
    snprintf(why, why_max, "%s cannot be written: %s%s", path, strerror(errnum),
             e == ERR_NO_SPACE ? "; make room on that disk, or give another --data directory" : "");
    return e;
}

enum err dirlock_take(const char *dir, int *out, char *why, size_t why_max)
{
    REQUIRE(dir != NULL && out != NULL);
    enum err e = make_dir(dir, why, why_max);
    if (e)
        return e;
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/lock", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        int errnum = errno;
        snprintf(why, why_max,
                 "data directory %s is not writable: %s: %s; give it to this user, or choose "
                 "another with --data",
                 dir, path, strerror(errnum));
        return err_of(errnum);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        e = errno == EWOULDBLOCK ? busy(fd, dir, why, why_max) : ERR_IO;
    if (e == ERR_IO)
        snprintf(why, why_max, "%s cannot be locked: %s", path, strerror(errno));
    if (!e)
        e = write_pid(fd, path, why, why_max);
    if (e)
        close(fd);
    else
        *out = fd;
    return e;
}
