/* SPDX-License-Identifier: MIT */
#pragma once
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * own_net - a network of its own for the process of one test: at first a loopback that is down and
 * no route at all.
 *
 * Needs no root where the kernel gives user namespaces to everyone, but a single thread. False: not
 * to be had here (said on stderr); the test is to return then.
 */
static inline bool own_net_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* commands: for ip(8), up to NULL. */
static inline bool own_net_enter(const char *const *commands)
{
    char map[32], line[200];
    snprintf(map, sizeof(map), "0 %u 1", getuid());
    bool ok = unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 &&
              own_net_write("/proc/self/setgroups", "deny") &&
              own_net_write("/proc/self/uid_map", map);
    for (; ok && *commands; commands++) {
        snprintf(line, sizeof(line), "PATH=$PATH:/sbin:/usr/sbin ip %s", *commands);
        ok = system(line) == 0;
    }
    if (!ok)
        fprintf(stderr, "skipped: no network namespace, or no ip(8), to be had here\n");
    return ok;
}
