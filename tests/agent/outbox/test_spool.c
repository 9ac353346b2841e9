/* SPDX-License-Identifier: MIT */
#include "tests/agent/outbox/spool_rig.h"

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
    ck_assert_ptr_nonnull(strstr(spool_trouble(&s, now, why), "No space left on device"));
    ck_assert(!job(0)); /* not at once */
    now = mono_add_ms(now, SPOOL_RETRY_MS);
    ck_assert(job(0));
    s = stats();
    ck_assert_str_eq(spool_trouble(&s, now, why), "");
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

START_TEST(a_disk_that_does_not_answer_is_told)
{
    char why[SPOOL_TROUBLE_MAX];
    put(1);
    ck_assert(spool_next(disk.spool, &disk.job, now));
    put(2);
    now = mono_add_ms(now, SPOOL_SLOW_MS - 1);
    struct spool_stats s = stats();
    ck_assert_str_eq(spool_trouble(&s, now, why), "");
    now = mono_add_ms(now, 1);
    ck_assert_str_eq(spool_trouble(&s, now, why),
                     "the disk of the data directory has not answered for 5 s: 2 results live in "
                     "memory alone");
    spool_done(disk.spool, 0, now);
    s = stats();
    ck_assert_str_eq(spool_trouble(&s, now, why), "");
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
    ck_assert_str_eq(spool_trouble(&s, now, why), "");
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
    ck_assert_ptr_nonnull(strstr(spool_trouble(&s, now, why), "--spool-bytes"));
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

/* A disk that failed before the first WELCOME was tried with a head that names no store. */
START_TEST(a_file_without_a_result_is_nobodys_and_goes)
{
    struct strbuf head;
    strbuf_init(&head, SEGMENT_HEAD_BYTES);
    segment_put_head(&head, &(struct segment_head){.number = 1, .agent = "bj-1"});
    die();
    start();
    outbox_load(o, 1, head.data, head.len, &loaded);
    strbuf_fini(&head);
    ck_assert(!loaded.foreign);
    now = mono_add_ms(now, SPOOL_RETRY_MS);
    (void)spool_next(disk.spool, &disk.job, now); /* it waits for company */
    now = mono_add_ms(now, SPOOL_NOTES_MS);
    ck_assert(spool_next(disk.spool, &disk.job, now));
    ck_assert_uint_eq(disk.job.n_ends, 1);
    ck_assert(!disk.job.ends[0].aside);
    spool_done(disk.spool, 0, now);
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

TESTS(spool, results_outlive_the_process_in_their_order,
      what_is_acknowledged_before_its_turn_is_never_written,
      what_is_acknowledged_is_not_sent_again_after_a_kill,
      an_ack_that_was_not_noted_costs_one_result_sent_again,
      an_ack_while_the_write_is_under_way_is_noted, a_note_is_only_of_what_was_written_before_it,
      of_two_results_of_a_task_the_later_is_taken,
      a_file_goes_when_all_its_results_are_acknowledged, nothing_is_left_behind_at_an_orderly_end,
      an_orderly_end_keeps_what_is_not_acknowledged, a_failed_write_is_tried_again_in_another_file,
      a_disk_that_does_not_answer_is_told, only_a_write_shows_that_the_disk_is_well,
      what_is_acknowledged_after_a_failed_write_is_forgotten, a_full_spool_stops_the_reservations,
      results_over_the_bound_wait_in_memory, a_job_ends_where_the_bound_is,
      another_store_sets_the_files_aside, another_store_while_a_write_is_under_way,
      another_agents_files_are_set_aside, another_instances_files_are_set_aside,
      a_file_without_a_result_is_nobodys_and_goes, a_damaged_file_gives_what_precedes_the_damage,
      a_file_that_cannot_be_read_stays_and_its_number_is_not_used)
static TCase *spool_fixed(void)
{
    TCase *tc = spool();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("spool", spool_fixed)
