/* SPDX-License-Identifier: MIT */
#include "tests/agent/link/session_rig.h"
#include "tests/support/sim_disk.h"

#define RESULTS  5000
#define INSTANCE "00000000000000000000000000000001"

static struct sim_disk disk;
static struct rng rng;

static void start(void)
{
    struct outbox_loaded l;
    sess_spool = sim_disk_open(&disk, "bj-1", INSTANCE);
    open_with(RESULTS);
    for (unsigned i = 0; i < disk.n_files; i++) {
        session_load(sess, disk.files[i].number, disk.files[i].bytes.data, disk.files[i].bytes.len,
                     &l);
        ck_assert(!l.foreign && !l.damaged_at);
    }
}
static void die(void)
{
    teardown();
    sim_disk_cut(&disk, &rng);
}
static void spool_setup(void)
{
    disk = (struct sim_disk){.max_bytes = 1 << 20};
    rng_init(&rng, 1);
    start();
}
static void spool_teardown(void)
{
    die();
    sim_disk_free(&disk);
}
/* All jobs that are due within a second, and how they end. */
static void write_all(int errnum)
{
    for (int k = 0; k < 10; k++, pass_ms(100))
        while (spool_next(sess_spool, &disk.job, now)) {
            if (!errnum)
                sim_disk_run(&disk, disk.job.n_ends, disk.job.bytes.len);
            spool_done(sess_spool, errnum, now);
        }
}
static void results(uint64_t first, uint64_t last)
{
    for (uint64_t task = first; task <= last; task++) {
        send_task(task);
        done(task);
    }
}

START_TEST(the_next_process_tells_what_the_last_one_left)
{
    make_ready();
    results(1, 3);
    ack(2, ACK_STORED, 1000);
    write_all(0);
    die();
    start();
    ck_assert_uint_eq(info().results, 2);
    session_on_connected(sess, now);
    hear();
    ck_assert(heard("\"store_id\":\"store-a\""));
    ck_assert(heard("\"outbox_results\":2"));
    ck_assert_uint_eq(count("\"state\":\"done\""), 2);
    welcome_as("store-a", 1000, 1 << 20);
    verdict(1, true);
    verdict(3, true);
    verdicts_end();
    hear();
    ck_assert_uint_eq(count("\"type\":\"result\""), 2);
    ack(1, ACK_STORED, 1000);
    ack(3, ACK_DUPLICATE, 1000);
    write_all(0);
    die();
    start();
    ck_assert_uint_eq(info().results, 0);
}
END_TEST

START_TEST(a_result_is_offered_before_it_is_written)
{
    make_ready();
    results(1, 1);
    hear();
    ck_assert_uint_eq(count("\"type\":\"result\""), 1);
    ck_assert_uint_eq(disk.n_files, 0);
}
END_TEST

START_TEST(what_the_master_does_not_want_leaves_the_disk)
{
    make_ready();
    results(1, 2);
    write_all(0);
    die();
    start();
    session_on_connected(sess, now);
    hear();
    welcome_as("store-a", 1000, 1 << 20);
    verdict(1, false);
    verdict(2, true);
    verdicts_end();
    write_all(0);
    die();
    start();
    ck_assert_uint_eq(info().results, 1);
}
END_TEST

START_TEST(results_for_another_store_are_not_sent)
{
    make_ready();
    results(1, 3);
    write_all(0);
    die();
    start();
    session_on_connected(sess, now);
    hear();
    welcome_as("store-b", 1000, 1 << 20);
    for (uint64_t task = 1; task <= 3; task++)
        verdict(task, true);
    verdicts_end();
    hear();
    ck_assert_uint_eq(count("\"type\":\"result\""), 0);
    ck_assert_uint_eq(info().results, 0);
    results(4, 4);
    write_all(0);
    ck_assert_uint_eq(disk.n_files, 1); /* the first is out of the way */
    die();
    start();
    ck_assert_uint_eq(info().results, 1);
    ck_assert_str_eq(info().store_id, "store-b");
}
END_TEST

START_TEST(the_heartbeat_tells_of_the_spool)
{
    make_ready();
    results(1, 2);
    write_all(0);
    pass_ms(5000);
    hear();
    ck_assert(heard("\"spool_bytes\":"));
    ck_assert(!heard("\"spool_bytes\":0"));
    ck_assert(!heard("\"trouble\""));
    results(3, 3);
    write_all(ENOSPC);
    pass_ms(5000);
    hear();
    ck_assert(
        heard("\"trouble\":\"the spool in the data directory cannot be written (No space left "
              "on device): 1 results live in memory alone\""));
    write_all(0);
    say("{\"type\":\"heartbeat_ack\",\"seq\":2,\"lag_ms\":0,\"results\":{\"count\":1000,\"bytes\":"
        "1000}}");
    pass_ms(5000);
    hear();
    ck_assert(heard("\"type\":\"heartbeat\""));
    ck_assert(!heard("\"trouble\""));
}
END_TEST

/* 1 MiB and 4 KiB for each reservation: the credit ends where the spool would. */
START_TEST(the_credit_is_bounded_by_what_the_spool_has_room_for)
{
    places = 4096;
    make_ready();
    uint64_t credit = info().credit.count;
    ck_assert_uint_ge(credit, 250);
    ck_assert_uint_le(credit, 256);
    static char record[RESULT_MAX_BYTES / 2] = "{\"outcome\":\"ok\",\"pad\":\"";
    memset(record + strlen(record), 'x', sizeof(record) - strlen(record) - 2);
    memcpy(record + sizeof(record) - 2, "\"}", 2);
    for (uint64_t task = 1; task <= 15; task++) {
        send_task(task);
        session_on_end(sess, task, SESSION_DONE, record, sizeof(record), now);
    }
    write_all(0);
    pass_ms(1000);
    ck_assert_uint_eq(info().credit.count, credit); /* it has not risen behind what came */
    for (uint64_t task = 1; task <= 15; task++)
        ack(task, ACK_STORED, 1000);
    write_all(0);
    pass_ms(1000);
    hear();
    ck_assert_uint_ge(info().credit.count, 15 + 235);
}
END_TEST

TESTS(spooled, the_next_process_tells_what_the_last_one_left,
      a_result_is_offered_before_it_is_written, what_the_master_does_not_want_leaves_the_disk,
      results_for_another_store_are_not_sent, the_heartbeat_tells_of_the_spool,
      the_credit_is_bounded_by_what_the_spool_has_room_for)
static TCase *spooled_fixed(void)
{
    TCase *tc = spooled();
    tcase_add_checked_fixture(tc, spool_setup, spool_teardown);
    return tc;
}
CHECK_MAIN("session_spool", spooled_fixed)
