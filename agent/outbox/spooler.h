/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/outbox/spool.h"

/*
 * spooler - carries the spool's jobs to the disk on a thread of its own, so that a slow, full or
 * sick disk holds up no one.
 *
 * The link thread pumps; at most one job is under way. A disk that hangs in a call hangs that
 * thread alone: results then live in memory, as while a disk is full.
 */
struct spooler;

/* wake: from the thread, when spooler_pump() is to be called. NULL: there is no thread to be had
 * (logged). */
struct spooler *spooler_start(struct spool *s, const char *dir, void (*wake)(void *arg), void *arg);

/* After anything that may have changed the spool: takes what is done, gives what is next. */
void spooler_pump(struct spooler *p, struct mono now);

/* Writes or removes what is left to be, for two seconds at most, and ends the thread. A disk that
 * hangs keeps it, and what it holds, until the process ends. */
void spooler_stop(struct spooler **pp);
