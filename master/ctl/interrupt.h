/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdbool.h>

/*
 * interrupt - while armed, SIGINT and SIGTERM only raise a flag. One thread; a second signal ends
 * the program as if it had never been armed.
 */
void interrupt_arm(void);
bool interrupt_seen(void);
