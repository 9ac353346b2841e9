/* SPDX-License-Identifier: MIT */
#include "common/mem.h"
#include "master/api/http.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG     1024
#define UNIX_PREFIX "unix:"

static enum err failed(const char *where, char *why, size_t why_max)
{
    int error = errno;
    bool busy = error == EADDRINUSE;
    snprintf(why, why_max, "cannot listen on %s: %s%s", where,
             busy ? "the address is in use" : strerror(error),
             busy ? " by another process; stop it or choose another with --listen" : "");
    if (busy)
        return ERR_BUSY;
    return error == EACCES || error == EPERM ? ERR_DENIED : ERR_SYSTEM;
}

/* A socket file that nobody listens on is what a killed master left behind. */
static void remove_stale(const struct sockaddr_un *sun)
{
    struct stat st;
    if (lstat(sun->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) != 0 && errno == ECONNREFUSED)
        unlink(sun->sun_path);
    close(fd);
}

static bool address_of(struct api *a, const char *where, struct sockaddr_storage *ss,
                       socklen_t *len)
{
    struct ip ip;
    uint16_t port;
    if (strncmp(where, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0) {
        struct sockaddr_un *sun = (struct sockaddr_un *)ss;
        const char *path = where + strlen(UNIX_PREFIX);
        *sun = (struct sockaddr_un){.sun_family = AF_UNIX};
        if (path[0] == '\0' || strlen(path) >= sizeof(sun->sun_path))
            return false;
        memcpy(sun->sun_path, path, strlen(path) + 1);
        *len = sizeof(*sun);
        remove_stale(sun);
        a->unix_path = mem_strdup(path);
        return true;
    }
    if (addr_parse(where, 0, &ip, &port) != ERR_NONE)
        return false;
    ip_to_sockaddr(&ip, port, ss, len);
    return true;
}

static int bound_port(int fd)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    struct ip ip;
    uint16_t port;
    if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0 ||
        !ip_from_sockaddr((struct sockaddr *)&ss, &ip, &port))
        return -1;
    return port;
}

enum err http_listen(struct api *a, const char *where, int *fd_out, char *why, size_t why_max)
{
    struct sockaddr_storage ss;
    socklen_t len;
    int one = 1;
    if (!address_of(a, where, &ss, &len)) {
        snprintf(why, why_max, "'%s' is no address to listen on; write ADDR:PORT or unix:PATH",
                 where);
        return ERR_INVALID;
    }
    int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return failed(where, why, why_max);
    if (!a->unix_path)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&ss, len) != 0 || listen(fd, BACKLOG) != 0) {
        enum err e = failed(where, why, why_max);
        close(fd);
        free(a->unix_path); /* it is another's: not ours to remove */
        a->unix_path = NULL;
        return e;
    }
    a->port = bound_port(fd);
    *fd_out = fd;
    return ERR_NONE;
}

void http_unlisten(struct api *a)
{
    if (a->unix_path)
        unlink(a->unix_path);
    free(a->unix_path);
    a->unix_path = NULL;
}
