/* SPDX-License-Identifier: MIT */
#include "tests/agent/outbox/spool_rig.h"

/* A spool's random life against a plain model of it: pushes, acks, slow, torn and full disks,
 * kills. */
#define TASKS 3000
#define STEPS 4000

enum life { UNBORN, WAITS, ACKED };
static enum life life[TASKS];
static bool durable[TASKS]; /* its write was done */

static void live_push(void)
{
    uint64_t task = rng_below(&rng, TASKS);
    if (life[task] != UNBORN || free_places() == 0)
        return;
    put_large(task, rng_below(&rng, 50) ? rng_below(&rng, 3000) : rng_below(&rng, 100000));
    life[task] = WAITS;
}
static void live_ack(void)
{
    struct outbox_item i;
    outbox_rewind(o);
    for (uint64_t skip = rng_below(&rng, 4); skip > 0 && outbox_peek(o, &i); skip--)
        outbox_sent(o);
    if (!outbox_peek(o, &i))
        return;
    uint64_t task = i.task;
    ck_assert(outbox_ack(o, task));
    life[task] = ACKED;
}
static void note_durable(void)
{
    struct segment_cursor c = {disk.job.bytes.data, disk.job.bytes.len, SEGMENT_HEAD_BYTES};
    struct segment_item i;
    struct strbuf whole;
    strbuf_init(&whole, SPOOL_JOB_MAX + SEGMENT_HEAD_BYTES);
    if (!disk.job.fresh) { /* the cursor begins behind a head */
        static const char head[SEGMENT_HEAD_BYTES];
        strbuf_append(&whole, head, sizeof(head));
        strbuf_append(&whole, disk.job.bytes.data, disk.job.bytes.len);
        c.p = whole.data;
        c.n = whole.len;
    }
    while (disk.job.number && segment_next(&c, &i) == ERR_NONE)
        if (i.kind == SEGMENT_RESULT)
            durable[i.task] = true;
    strbuf_fini(&whole);
}
static void live_disk(void)
{
    now = mono_add_ms(now, (int64_t)rng_below(&rng, 300));
    bool due = disk.busy && !mono_before(now, disk.done_at) && !disk.sick;
    if (due)
        note_durable();
    sim_disk_turn(&disk, &rng, now);
    sim_disk_audit(&disk);
}
static void live_die(void)
{
    struct outbox_item i;
    die();
    start();
    outbox_rewind(o);
    for (; outbox_peek(o, &i); outbox_sent(o)) {
        size_t n = record_of(i.task, i.record_len);
        ck_assert(i.record_len == n && memcmp(i.record, text, n) == 0);
        ck_assert_int_ne(life[i.task], UNBORN);
        life[i.task] = WAITS; /* perhaps once more */
        durable[i.task] = true;
    }
    for (uint64_t task = 0; task < TASKS; task++) {
        if (life[task] != WAITS || outbox_has(o, task))
            continue;
        ck_assert_msg(!durable[task], "task %d was on the disk", (int)task);
        life[task] = UNBORN; /* it would be run again */
    }
}

START_TEST(whatever_happens_what_was_written_and_not_acknowledged_comes_back)
{
    memset(life, 0, sizeof(life));
    memset(durable, 0, sizeof(durable));
    rng_init(&rng, (uint64_t)_i);
    for (int i = 0; i < STEPS; i++) {
        uint64_t dice = rng_below(&rng, 200);
        if (dice < 80)
            live_push();
        else if (dice < 130)
            live_ack();
        else if (dice < 196)
            live_disk();
        else if (dice < 198)
            disk.sick = !disk.sick;
        else
            live_die();
    }
    while (results() > 0)
        live_ack();
    disk.sick = false;
    settle();
    ck_assert_uint_le(disk.n_files, 1);
    die();
    start();
    ck_assert_uint_eq(results(), 0);
}
END_TEST

static TCase *storm(void)
{
    TCase *tc = tcase_create("storm");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, whatever_happens_what_was_written_and_not_acknowledged_comes_back, 1,
                        31);
    return tc;
}
CHECK_MAIN("spool_life", storm)
