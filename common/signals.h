/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * signals - SIGTERM, SIGINT and SIGHUP become data; SIGPIPE is ignored.
 *
 * signals_block() runs first in main, before any thread exists, so that every thread inherits the
 * mask.
 */
void signals_block(void);

/* A signalfd (non-blocking, close-on-exec) of the blocked signals; aborts when there is none to be
 * had. */
int signals_open_fd(void);

/* The next signal number from that descriptor, or 0 when there is none. */
int signals_read(int fd);
