/* SPDX-License-Identifier: MIT */
#include "agent/outbox/outbox.h"
#include "agent/outbox/spool_dir.h"
#include "agent/outbox/spooler.h"
#include "common/log.h"
#include "tests/support/check_main.h"
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESULTS    2000
#define PATIENCE_S 20

static char top[64], dir[128];
static struct spool *spool;
static struct spooler *spooler;
static struct outbox *o;
static atomic_int woken;

static void wake(void *arg)
{
    atomic_fetch_add(&woken, 1);
}
static void on_file(void *arg, uint64_t number, const char *p, size_t n)
{
    struct outbox_loaded l;
    outbox_load(o, number, p, n, &l);
    ck_assert(p && !l.foreign && !l.damaged_at);
}
static void start(void)
{
    spool = spool_create(64 << 20, "bj-1", "00000000000000000000000000000001");
    spooler = spooler_start(spool, dir, wake, NULL);
    ck_assert_ptr_nonnull(spooler);
    o = outbox_create(100000, 64 << 20);
    outbox_keep_in(o, spool);
    spool_dir_read(dir, on_file, NULL);
    spool_set_store(spool, "store-a");
}
static void stop(void)
{
    spooler_stop(&spooler);
    outbox_destroy(&o);
    spool_destroy(&spool);
}
static void setup(void)
{
    log_init(LOG_ERROR, LOG_TEXT, STDERR_FILENO);
    snprintf(top, sizeof(top), "/tmp/sonde-spool-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(top));
    snprintf(dir, sizeof(dir), "%s/spool", top);
    start();
}
static void teardown(void)
{
    char command[160];
    stop();
    snprintf(command, sizeof(command), "rm -rf '%s'", top);
    ck_assert_int_eq(system(command), 0);
}

static void put(uint64_t task)
{
    char text[64];
    snprintf(text, sizeof(text), "{\"task\":%d}", (int)task);
    ck_assert_int_eq(outbox_reserve(o), ERR_NONE);
    ck_assert_int_eq(outbox_push(o, task, "1.2.3.ab", text, strlen(text)), ERR_NONE);
}
static struct spool_stats stats(void)
{
    struct spool_stats s;
    spool_stats(spool, &s);
    return s;
}
static size_t results(void)
{
    struct outbox_stats s;
    outbox_stats(o, &s);
    return s.results;
}
static void wait_until(bool (*condition)(void))
{
    struct mono until = mono_add_ms(mono_now(), PATIENCE_S * 1000);
    while (!condition()) {
        ck_assert_msg(mono_before(mono_now(), until), "waited in vain");
        usleep(1000);
        spooler_pump(spooler, mono_now());
    }
}
static bool all_written(void)
{
    return stats().waiting == 0 && stats().written > 0;
}
static bool is_sick(void)
{
    return stats().errnum != 0;
}

START_TEST(what_is_pumped_is_on_disk_and_acks_leave_it)
{
    for (uint64_t task = 1; task <= RESULTS; task++) {
        put(task);
        spooler_pump(spooler, mono_now());
        if (task % 3 == 0)
            ck_assert(outbox_ack(o, task / 3));
    }
    wait_until(all_written);
    ck_assert_int_gt(atomic_load(&woken), 0);
    stop();
    start();
    ck_assert_uint_eq(results(), RESULTS - RESULTS / 3);
}
END_TEST

START_TEST(the_end_writes_what_waits)
{
    for (uint64_t task = 1; task <= RESULTS; task++)
        put(task);
    stop();
    start();
    ck_assert_uint_eq(results(), RESULTS);
    for (uint64_t task = 1; task <= RESULTS; task++)
        ck_assert(outbox_ack(o, task));
    stop();
    ck_assert_int_eq(rmdir(dir), 0); /* nothing is in it */
    start();
}
END_TEST

START_TEST(a_disk_that_heals_takes_what_waited)
{
    log_init(LOG_ERROR, LOG_TEXT, open("/dev/null", O_WRONLY));
    int fd = open(dir, O_WRONLY | O_CREAT, 0600); /* a file in the directory's place */
    ck_assert_int_ge(fd, 0);
    close(fd);
    put(1);
    wait_until(is_sick);
    put(2);
    ck_assert_uint_eq(stats().waiting, 2);
    ck_assert_int_eq(unlink(dir), 0);
    wait_until(all_written);
    ck_assert_int_eq(stats().errnum, 0);
    stop();
    start();
    ck_assert_uint_eq(results(), 2);
}
END_TEST

/* The open of a FIFO that nobody reads never returns: as a disk that hangs. */
START_TEST(a_disk_that_hangs_holds_up_neither_the_link_nor_the_end)
{
    char path[256];
    log_init(LOG_ERROR, LOG_TEXT, open("/dev/null", O_WRONLY));
    ck_assert_int_eq(mkdir(dir, 0700), 0);
    snprintf(path, sizeof(path), "%s/0000000001.spool", dir);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    struct mono began = mono_now();
    for (uint64_t task = 1; task <= RESULTS; task++) {
        put(task);
        spooler_pump(spooler, mono_now());
    }
    ck_assert_int_lt(mono_diff_ms(mono_now(), began), 1000);
    for (uint64_t task = 1; task <= RESULTS; task++)
        ck_assert(outbox_ack(o, task));
    began = mono_now();
    spooler_stop(&spooler);
    ck_assert_int_lt(mono_diff_ms(mono_now(), began), 10000);
    int before = atomic_load(&woken), fd = open(path, O_RDONLY); /* it returns after all */
    char byte;
    ck_assert_int_eq(read(fd, &byte, 1), 0); /* nothing can be written to it at an offset */
    close(fd);
    for (int ms = 0; ms < 50; ms++, usleep(1000)) /* nobody is there to be woken any more */
        ck_assert_int_eq(atomic_load(&woken), before);
}
END_TEST

TESTS(disk, what_is_pumped_is_on_disk_and_acks_leave_it, the_end_writes_what_waits,
      a_disk_that_heals_takes_what_waited, a_disk_that_hangs_holds_up_neither_the_link_nor_the_end)
static TCase *disk_fixed(void)
{
    TCase *tc = disk();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("spooler", disk_fixed)
