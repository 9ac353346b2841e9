/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/api/http.h"
#include "master/diagnosis/diagnosis.h"
#include <sys/types.h>

/*
 * host_facts - what the process and its host use, for the diagnosis: /proc, statvfs, sysinfo and
 * the kernel's table of sockets. Some milliseconds on the api thread; nothing here waits for
 * another thread. What is a rate is measured between a sample and the facts.
 */
#define HOST_THREADS_MAX 64 /* the master has seven */

struct host_thread {
    pid_t tid;
    int64_t cpu_ns;
    char name[DIAG_THREAD_NAME_MAX];
};
struct host_sample {
    struct mono at;
    unsigned n_threads;
    struct host_thread threads[HOST_THREADS_MAX];
    struct mailbox_stats writer, reader;
};
void host_sample(struct api *a, struct host_sample *out);

/* Fills f->host and f->store; before: the sample at the beginning. */
void host_facts(struct api *a, const struct host_sample *before, struct diag_facts *f);
