/* SPDX-License-Identifier: MIT */
#include "agent/outbox/outbox.h"
#include "tests/support/check_main.h"
#include "tests/support/sim_disk.h"
#include <stdio.h>
#include <string.h>

#define MIB      (1024 * 1024)
#define INSTANCE "5f0c9e8d7b6a4f3e2d1c0b9a88776655"
#define STORE    "store-a"

static struct sim_disk disk;
static struct outbox *o;
static struct mono now;
static struct rng rng;
static struct outbox_loaded loaded; /* of the last file that was */
static char text[RESULT_MAX_BYTES];

static void start_as(const char *agent, const char *instance)
{
    o = outbox_create(100000, 64 * MIB);
    outbox_keep_in(o, sim_disk_open(&disk, agent, instance));
    for (unsigned i = 0; i < disk.n_files; i++)
        outbox_load(o, disk.files[i].number, disk.files[i].bytes.data, disk.files[i].bytes.len,
                    &loaded);
    if (spool_store(disk.spool)[0] == '\0')
        spool_set_store(disk.spool, STORE);
}
static void start(void)
{
    start_as("bj-1", INSTANCE);
}
/* kill -9: what the disk has is what is left. */
static void die(void)
{
    outbox_destroy(&o);
    sim_disk_cut(&disk, &rng);
}
static void setup(void)
{
    disk = (struct sim_disk){.max_bytes = MIB};
    now = (struct mono){1000 * NS_PER_SEC};
    rng_init(&rng, 1);
    start();
}
static void teardown(void)
{
    die();
    sim_disk_free(&disk);
}

static size_t record_of(uint64_t task, size_t len)
{
    int head = snprintf(text, sizeof(text), "{\"task\":%llu,\"pad\":\"", (unsigned long long)task);
    size_t n = (size_t)head;
    while (n + 2 < len)
        text[n++] = (char)('a' + task % 26);
    memcpy(text + n, "\"}", 3);
    return n + 2;
}
static void put_large(uint64_t task, size_t len)
{
    size_t n = record_of(task, len);
    ck_assert_int_eq(outbox_reserve(o), ERR_NONE);
    ck_assert_int_eq(outbox_push(o, task, "1.2.3.ab", text, n), ERR_NONE);
}
static void put(uint64_t task)
{
    put_large(task, 0);
}
static struct spool_stats stats(void)
{
    struct spool_stats s;
    spool_stats(disk.spool, &s);
    return s;
}
static size_t free_places(void)
{
    struct outbox_stats s;
    outbox_stats(o, &s);
    return s.free_places;
}
static size_t results(void)
{
    struct outbox_stats s;
    outbox_stats(o, &s);
    return s.results;
}
/* The disk does all that there is to do. */
static void settle(void)
{
    for (int quiet = 0; quiet < 50; quiet++) {
        unsigned busy = disk.busy;
        now = mono_add_ms(now, 100);
        sim_disk_turn(&disk, &rng, now);
        if (busy || disk.busy)
            quiet = 0;
    }
}
/* One job at once, as it is due; false: none is. */
static bool job(int errnum)
{
    if (!spool_next(disk.spool, &disk.job, now))
        return false;
    if (errnum == 0)
        sim_disk_run(&disk, disk.job.n_ends, disk.job.bytes.len);
    spool_done(disk.spool, errnum, now);
    return true;
}
static void check_order(const uint64_t *tasks, size_t n)
{
    struct outbox_item i;
    outbox_rewind(o);
    for (size_t k = 0; k < n; k++) {
        ck_assert(outbox_peek(o, &i));
        ck_assert_uint_eq(i.task, tasks[k]);
        outbox_sent(o);
    }
    ck_assert(!outbox_peek(o, &i));
}

START_TEST(results_outlive_the_process_in_their_order)
{
    static const uint64_t tasks[] = {3, 1, 2};
    struct outbox_item i;
    for (int k = 0; k < 3; k++)
        put(tasks[k]);
    settle();
    die();
    start();
    check_order(tasks, 3);
    outbox_rewind(o);
    ck_assert(outbox_peek(o, &i));
    ck_assert_str_eq(i.ticket, "1.2.3.ab");
    ck_assert_uint_eq(i.record_len, record_of(3, 0));
    ck_assert_str_eq(i.record, text);
    ck_assert_str_eq(spool_store(disk.spool), STORE);
}
END_TEST

START_TEST(what_is_acknowledged_before_its_turn_is_never_written)
{
    put(1);
    put(2);
    ck_assert(outbox_ack(o, 1));
    ck_assert(outbox_ack(o, 2));
    settle();
    ck_assert_uint_eq(disk.n_files, 0);
    ck_assert_uint_eq(stats().written, 0);
}
END_TEST

START_TEST(what_is_acknowledged_is_not_sent_again_after_a_kill)
{
    put(1);
    put(2);
    settle();
    ck_assert(outbox_ack(o, 1));
    settle();
    die();
    start();
    ck_assert_uint_eq(results(), 1);
    ck_assert(outbox_has(o, 2));
}
END_TEST

START_TEST(an_ack_that_was_not_noted_costs_one_result_sent_again)
{
    put(1);
    settle();
    ck_assert(outbox_ack(o, 1));
    die();
    start();
    ck_assert(outbox_has(o, 1));
}
END_TEST

START_TEST(an_ack_while_the_write_is_under_way_is_noted)
{
    put(1);
    put(2);
    ck_assert(spool_next(disk.spool, &disk.job, now));
    ck_assert(outbox_ack(o, 1));
    sim_disk_run(&disk, disk.job.n_ends, disk.job.bytes.len);
    spool_done(disk.spool, 0, now);
    settle();
    die();
    start();
    ck_assert_uint_eq(results(), 1);
    ck_assert(outbox_has(o, 2));
}
END_TEST

/* A task may come again after its first result was refused. */
START_TEST(a_note_is_only_of_what_was_written_before_it)
{
    put(1);
    settle();
    ck_assert(outbox_ack(o, 1));
    put(1);
    settle();
    die();
    start();
    ck_assert(outbox_has(o, 1));
    ck_assert_uint_eq(results(), 1);
}
END_TEST

START_TEST(of_two_results_of_a_task_the_later_is_taken)
{
    struct outbox_item i;
    put(1);
    settle();
    ck_assert(outbox_ack(o, 1));
    die(); /* without the note */
    start();
    ck_assert(outbox_ack(o, 1));
    put_large(1, 500);
    ck_assert(job(0));
    die();
    start();
    ck_assert_uint_eq(results(), 1);
    ck_assert(outbox_peek(o, &i));
    ck_assert_uint_eq(i.record_len, 500);
    ck_assert(outbox_ack(o, 1));
    settle();
    die();
    start();
    ck_assert_uint_eq(results(), 0);
}
END_TEST

START_TEST(a_file_goes_when_all_its_results_are_acknowledged)
{
    for (uint64_t task = 1; task <= 200; task++)
        put_large(task, 2000);
    settle();
    unsigned before = disk.n_files;
    ck_assert_uint_ge(before, 4);
    for (uint64_t task = 1; task <= 199; task++)
        ck_assert(outbox_ack(o, task));
    settle();
    ck_assert_uint_eq(disk.n_files, 1);
    ck_assert_uint_le(stats().bytes, MIB / 8);
}
END_TEST

START_TEST(nothing_is_left_behind_at_an_orderly_end)
{
    for (uint64_t task = 1; task <= 200; task++)
        put_large(task, 2000);
    settle();
    for (uint64_t task = 1; task <= 200; task++)
        ck_assert(outbox_ack(o, task));
    spool_close(disk.spool);
    while (job(0))
        ;
    ck_assert_uint_eq(disk.n_files, 0);
}
END_TEST

START_TEST(an_orderly_end_keeps_what_is_not_acknowledged)
{
    put(1);
    settle();
    put(2);
    put(3);
    ck_assert(outbox_ack(o, 1));
    ck_assert(outbox_ack(o, 3));
    spool_close(disk.spool);
    while (job(0))
        ;
    die();
    start();
    ck_assert_uint_eq(results(), 1);
    ck_assert(outbox_has(o, 2));
}
END_TEST

START_TEST(a_failed_write_is_tried_again_in_another_file)
{
    static const uint64_t tasks[] = {1, 2, 3};
    char why[SPOOL_TROUBLE_MAX];
    put(1);
    ck_assert(job(0));
    put(2);
    put(3);
    ck_assert(job(ENOSPC));
    struct spool_stats s = stats();
    ck_assert_int_eq(s.errnum, ENOSPC);
    ck_assert_uint_eq(s.waiting, 2);
    ck_assert_ptr_nonnull(strstr(spool_trouble(&s, why), "No space left on device"));
    ck_assert(!job(0)); /* not at once */
    now = mono_add_ms(now, SPOOL_RETRY_MS);
    ck_assert(job(0));
    s = stats();
    ck_assert_str_eq(spool_trouble(&s, why), "");
    ck_assert_uint_eq(disk.n_files, 2);
    die();
    start();
    check_order(tasks, 3);
}
END_TEST

/* Everything was acknowledged from memory: that the disk takes nothing is said all the same. */
START_TEST(only_a_write_shows_that_the_disk_is_well)
{
    put(1);
    ck_assert(job(ENOSPC));
    ck_assert(outbox_ack(o, 1));
    for (int k = 0; k < 3; k++) {
        ck_assert(!job(ENOSPC));
        now = mono_add_ms(now, SPOOL_RETRY_MS);
        ck_assert(job(ENOSPC));
        ck_assert_int_eq(stats().errnum, ENOSPC);
    }
    now = mono_add_ms(now, SPOOL_RETRY_MS);
    ck_assert(job(0));
    ck_assert_int_eq(stats().errnum, 0);
    settle();
    ck_assert_uint_le(disk.n_files, 1);
}
END_TEST

START_TEST(what_is_acknowledged_after_a_failed_write_is_forgotten)
{
    put(1);
    put(2);
    ck_assert(job(EIO));
    ck_assert(outbox_ack(o, 1));
    settle();
    die();
    start();
    ck_assert_uint_eq(results(), 1);
    ck_assert(outbox_has(o, 2));
}
END_TEST

/* The results are in memory, and no new task is promised a place. */
START_TEST(a_full_spool_stops_the_reservations)
{
    uint64_t task = 0;
    char why[SPOOL_TROUBLE_MAX];
    while (free_places() > 0) {
        put_large(++task, 3000);
        settle();
        ck_assert_uint_le(stats().bytes, MIB);
    }
    ck_assert_uint_gt(task, 300);
    ck_assert_int_eq(outbox_reserve(o), ERR_FULL);
    for (uint64_t k = 1; k <= task; k++)
        ck_assert(outbox_ack(o, k));
    settle();
    ck_assert_uint_gt(free_places(), 200);
    struct spool_stats s = stats();
    ck_assert_str_eq(spool_trouble(&s, why), "");
}
END_TEST

/* Reserved before, larger than thought: they wait in memory, and the first acks make room. */
START_TEST(results_over_the_bound_wait_in_memory)
{
    char why[SPOOL_TROUBLE_MAX];
    for (int k = 0; k < 20; k++)
        ck_assert_int_eq(outbox_reserve(o), ERR_NONE);
    for (uint64_t task = 1; task <= 20; task++) {
        size_t n = record_of(task, 100000);
        ck_assert_int_eq(outbox_push(o, task, "1.2.3.ab", text, n), ERR_NONE);
        settle();
    }
    struct spool_stats s = stats();
    ck_assert(s.full);
    ck_assert_uint_le(s.bytes, MIB);
    ck_assert_uint_eq(s.waiting, 10);
    ck_assert_ptr_nonnull(strstr(spool_trouble(&s, why), "--spool-bytes"));
    ck_assert_uint_eq(free_places(), 0);
    ck_assert(outbox_ack(o, 10)); /* alone in the file that is written to */
    settle();
    ck_assert_uint_eq(stats().waiting, 9);
    for (uint64_t task = 1; task <= 9; task++)
        ck_assert(outbox_ack(o, task));
    settle();
    ck_assert(!stats().full);
    ck_assert_uint_eq(stats().waiting, 0);
    die();
    start();
    ck_assert_uint_eq(results(), 10);
    ck_assert(outbox_has(o, 20));
}
END_TEST

START_TEST(a_job_ends_where_the_bound_is)
{
    for (int k = 0; k < 200; k++)
        ck_assert_int_eq(outbox_reserve(o), ERR_NONE);
    for (uint64_t task = 1; task <= 200; task++) {
        size_t n = record_of(task, 6000);
        ck_assert_int_eq(outbox_push(o, task, "1.2.3.ab", text, n), ERR_NONE);
    }
    settle();
    ck_assert_uint_le(stats().bytes, MIB);
    ck_assert_uint_gt(stats().bytes, MIB - 6000 - 400);
}
END_TEST

/* ---- whose they are */

START_TEST(another_store_sets_the_files_aside)
{
    put(1);
    settle();
    put(2);
    spool_set_store(disk.spool, "store-b");
    ck_assert_uint_eq(outbox_clear(o), 2);
    put(3);
    now = mono_add_ms(now, SPOOL_NOTES_MS);
    ck_assert(spool_next(disk.spool, &disk.job, now));
    ck_assert_uint_eq(disk.job.n_ends, 1);
    ck_assert(disk.job.ends[0].aside);
    ck_assert_str_eq(disk.job.ends[0].store, STORE);
    sim_disk_run(&disk, 0, disk.job.bytes.len); /* killed before the first file was moved */
    spool_done(disk.spool, 0, now);
    die();
    start();
    ck_assert_uint_eq(loaded.set_aside, 1);
    ck_assert_uint_eq(results(), 1);
    ck_assert(outbox_has(o, 3));
    ck_assert_str_eq(spool_store(disk.spool), "store-b");
}
END_TEST

START_TEST(another_store_while_a_write_is_under_way)
{
    put(1);
    ck_assert(spool_next(disk.spool, &disk.job, now));
    spool_set_store(disk.spool, "store-b");
    ck_assert_uint_eq(outbox_clear(o), 1);
    put(2);
    sim_disk_run(&disk, disk.job.n_ends, disk.job.bytes.len);
    spool_done(disk.spool, 0, now);
    ck_assert(job(0));
    ck_assert_uint_eq(disk.job.n_ends, 1);
    ck_assert(disk.job.ends[0].aside && disk.job.fresh);
    die();
    start();
    ck_assert_uint_eq(results(), 1);
    ck_assert(outbox_has(o, 2));
}
END_TEST

static void check_foreign(const char *agent, const char *instance)
{
    put(1);
    settle();
    die();
    start_as(agent, instance);
    ck_assert(loaded.foreign);
    ck_assert_uint_eq(results(), 0);
    now = mono_add_ms(now, SPOOL_RETRY_MS);
    (void)spool_next(disk.spool, &disk.job, now); /* it waits for company */
    now = mono_add_ms(now, SPOOL_NOTES_MS);
    ck_assert(spool_next(disk.spool, &disk.job, now));
    ck_assert_uint_eq(disk.job.n_ends, 1);
    ck_assert(disk.job.ends[0].aside);
    spool_done(disk.spool, 0, now);
}

START_TEST(another_agents_files_are_set_aside)
{
    check_foreign("bj-2", INSTANCE);
}
END_TEST

START_TEST(another_instances_files_are_set_aside)
{
    check_foreign("bj-1", "00000000000000000000000000000001");
}
END_TEST

START_TEST(a_damaged_file_gives_what_precedes_the_damage)
{
    for (uint64_t task = 1; task <= 3; task++)
        put(task);
    settle();
    struct strbuf *b = &disk.files[0].bytes;
    size_t at = (size_t)((char *)memmem(b->data, b->len, "\"task\":2", 8) - b->data);
    b->data[at] ^= 1;
    die();
    start();
    ck_assert_uint_gt(loaded.damaged_at, SEGMENT_HEAD_BYTES);
    ck_assert_uint_lt(loaded.damaged_at, at);
    ck_assert_uint_eq(results(), 1);
    ck_assert(outbox_ack(o, 1));
    settle();
    ck_assert_uint_eq(disk.n_files, 0);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_stays_and_its_number_is_not_used)
{
    put(1);
    settle();
    uint64_t number = disk.files[0].number;
    die();
    o = outbox_create(10, MIB);
    outbox_keep_in(o, sim_disk_open(&disk, "bj-1", INSTANCE));
    outbox_load(o, number, NULL, 0, &loaded);
    ck_assert(!loaded.foreign);
    spool_set_store(disk.spool, STORE);
    put(2);
    settle();
    ck_assert_uint_eq(disk.n_files, 2);
    ck_assert_uint_gt(disk.files[1].number, number);
}
END_TEST

/* ---- a random life */

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

TESTS(spool, results_outlive_the_process_in_their_order,
      what_is_acknowledged_before_its_turn_is_never_written,
      what_is_acknowledged_is_not_sent_again_after_a_kill,
      an_ack_that_was_not_noted_costs_one_result_sent_again,
      an_ack_while_the_write_is_under_way_is_noted, a_note_is_only_of_what_was_written_before_it,
      of_two_results_of_a_task_the_later_is_taken,
      a_file_goes_when_all_its_results_are_acknowledged, nothing_is_left_behind_at_an_orderly_end,
      an_orderly_end_keeps_what_is_not_acknowledged, a_failed_write_is_tried_again_in_another_file,
      only_a_write_shows_that_the_disk_is_well,
      what_is_acknowledged_after_a_failed_write_is_forgotten, a_full_spool_stops_the_reservations,
      results_over_the_bound_wait_in_memory, a_job_ends_where_the_bound_is,
      another_store_sets_the_files_aside, another_store_while_a_write_is_under_way,
      another_agents_files_are_set_aside, another_instances_files_are_set_aside,
      a_damaged_file_gives_what_precedes_the_damage,
      a_file_that_cannot_be_read_stays_and_its_number_is_not_used)
static TCase *spool_fixed(void)
{
    TCase *tc = spool();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
static TCase *storm(void)
{
    TCase *tc = tcase_create("storm");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, whatever_happens_what_was_written_and_not_acknowledged_comes_back, 1,
                        31);
    return tc;
}
CHECK_MAIN("spool", spool_fixed, storm)
