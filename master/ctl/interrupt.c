/* SPDX-License-Identifier: MIT */
#include "master/ctl/interrupt.h"
#include "common/require.h"
#include <signal.h>

static volatile sig_atomic_t seen;

static void on_signal(int sig)
{
    seen = 1;
}

void interrupt_arm(void)
{
    struct sigaction a = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&a.sa_mask);
    REQUIRE(sigaction(SIGINT, &a, NULL) == 0 && sigaction(SIGTERM, &a, NULL) == 0);
}

bool interrupt_seen(void)
{
    return seen != 0;
}
