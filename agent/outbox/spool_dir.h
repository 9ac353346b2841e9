/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/outbox/spool.h"

/*
 * spool_dir - the spool's directory: NUMBER.spool are its files, foreign-STORE/ what was set aside.
 *
 * It blocks on the disk: for the main thread before anything runs, and for the spooler's own.
 * Nothing is synced. What is written survives the end of the process, not that of the machine; what
 * a power cut takes was not acknowledged, so the master has it run again.
 */
#define SPOOL_PATH_MAX 4200

/* Tells every file in the order of their numbers; p is NULL when it cannot be read (logged).
 * A directory that cannot be read (logged) or is not there holds nothing. */
typedef void spool_dir_found_f(void *arg, uint64_t number, const char *p, size_t n);
void spool_dir_read(const char *dir, spool_dir_found_f *fn, void *arg);

/* 0, or errno. What was set aside is kept up to aside_max bytes: beyond it the oldest goes. */
int spool_dir_run(const char *dir, size_t aside_max, const struct spool_job *j);
