/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/ctl/ctl.h"

/*
 * confirm - before something is removed: asks on the terminal, whatever standard input is. One
 * thread; blocks.
 *
 * 0: yes, or --yes was given. Without a terminal it is refused, with a sentence that names --yes; a
 * no ends with 1.
 */
int confirm_removal(const struct ctl *c, const char *what);
