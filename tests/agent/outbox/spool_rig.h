/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/outbox/outbox.h"
#include "tests/support/check_main.h"
#include "tests/support/sim_disk.h"
#include <stdio.h>
#include <string.h>

/*
 * spool_rig - an outbox and its spool on a disk in memory, in virtual time: processes die, the disk
 * stays.
 */
#define MIB      (1024 * 1024)
#define INSTANCE "5f0c9e8d7b6a4f3e2d1c0b9a88776655"
#define STORE    "store-a"

static struct sim_disk disk;
static struct outbox *o;
static struct mono now;
static struct rng rng;
static struct outbox_loaded loaded; /* of the last file that was */
static char text[RESULT_MAX_BYTES];

static inline void start_as(const char *agent, const char *instance)
{
    o = outbox_create(100000, 64 * MIB);
    outbox_keep_in(o, sim_disk_open(&disk, agent, instance));
    for (unsigned i = 0; i < disk.n_files; i++)
        outbox_load(o, disk.files[i].number, disk.files[i].bytes.data, disk.files[i].bytes.len,
                    &loaded);
    if (spool_store(disk.spool)[0] == '\0')
        spool_set_store(disk.spool, STORE);
}
static inline void start(void)
{
    start_as("bj-1", INSTANCE);
}
/* kill -9: what the disk has is what is left. */
static inline void die(void)
{
    outbox_destroy(&o);
    sim_disk_cut(&disk, &rng);
}
static inline void setup(void)
{
    disk = (struct sim_disk){.max_bytes = MIB};
    now = (struct mono){1000 * NS_PER_SEC};
    rng_init(&rng, 1);
    start();
}
static inline void teardown(void)
{
    die();
    sim_disk_free(&disk);
}

static inline size_t record_of(uint64_t task, size_t len)
{
    int head = snprintf(text, sizeof(text), "{\"task\":%llu,\"pad\":\"", (unsigned long long)task);
    size_t n = (size_t)head;
    while (n + 2 < len)
        text[n++] = (char)('a' + task % 26);
    memcpy(text + n, "\"}", 3);
    return n + 2;
}
static inline void put_large(uint64_t task, size_t len)
{
    size_t n = record_of(task, len);
    ck_assert_int_eq(outbox_reserve(o), ERR_NONE);
    ck_assert_int_eq(outbox_push(o, task, "1.2.3.ab", text, n), ERR_NONE);
}
static inline void put(uint64_t task)
{
    put_large(task, 0);
}
static inline struct spool_stats stats(void)
{
    struct spool_stats s;
    spool_stats(disk.spool, &s);
    return s;
}
static inline size_t free_places(void)
{
    struct outbox_stats s;
    outbox_stats(o, &s);
    return s.free_places;
}
static inline size_t results(void)
{
    struct outbox_stats s;
    outbox_stats(o, &s);
    return s.results;
}
/* The disk does all that there is to do. */
static inline void settle(void)
{
    for (int quiet = 0; quiet < 50; quiet++) {
        unsigned busy = disk.busy;
        now = mono_add_ms(now, 100);
        sim_disk_turn(&disk, &rng, now);
        if (busy || disk.busy)
            quiet = 0;
    }
}
