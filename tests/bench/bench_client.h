/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

/*
 * bench_client - what the bare clients of the benches share: the process's own CPU, numbers from
 * the command line, and a way to give up.
 */

/* The names that target_server answers with 127.0.0.1 and that its certificate covers. */
#define BENCH_NAME "n%ld.ok.test"

static inline double bench_cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static inline double bench_seconds_since(struct mono start)
{
    return mono_diff_ms_f(mono_now(), start) / 1000;
}

_Noreturn static inline void bench_fail(const char *program, const char *why)
{
    fprintf(stderr, "%s: %s\n", program, why);
    exit(1);
}

/* A whole number from 1 to max, or the end of the program. */
static inline long bench_number(const char *program, const char *text, long max)
{
    char *end;
    long v = strtol(text, &end, 10);
    if (*end || v < 1 || v > max) {
        fprintf(stderr, "%s: '%s' is not a number from 1 to %ld\n", program, text, max);
        exit(2);
    }
    return v;
}
