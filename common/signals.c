/* SPDX-License-Identifier: MIT */
#include "common/signals.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "common/require.h"

static void fill(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

void signals_block(void)
{
    sigset_t set;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    fill(&set);
    PTOK(pthread_sigmask(SIG_BLOCK, &set, NULL));
    REQUIRE(sigaction(SIGPIPE, &ignore, NULL) == 0);
}

int signals_open_fd(void)
{
    sigset_t set;
    fill(&set);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    REQUIRE(fd >= 0);
    return fd;
}

int signals_read(int fd)
{
    struct signalfd_siginfo info;
    ssize_t n;
    do {
        n = read(fd, &info, sizeof(info));
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        REQUIRE(errno == EAGAIN);
        return 0;
    }
    REQUIRE(n == (ssize_t)sizeof(info));
    return (int)info.ssi_signo;
}
