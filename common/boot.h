/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdint.h>

/*
 * boot - the time since this host was booted, sleep included. Nobody can set it, and while the id
 * is the same another process can go on with it: so a deadline outlives a restart without the time
 * of day. Any thread.
 */
#define BOOT_ID_MAX 40 /* a UUID; with its NUL */

struct boot {
    char id[BOOT_ID_MAX]; /* "" = not known */
    int64_t us;
};
void boot_read(struct boot *b);
