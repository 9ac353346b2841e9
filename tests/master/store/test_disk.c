/* SPDX-License-Identifier: MIT */
#include "tests/master/store/timetable.h"

#include <limits.h>
#include <sys/syscall.h>

/* What the disk does to SQLite's writes and syncs; set by the tests, read by the store's threads.
 */
static _Atomic int write_errno, sync_errno;

static ssize_t failing_pwrite(int fd, const void *p, size_t n, off_t at)
{
    if (write_errno) {
        errno = write_errno;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, p, n, at);
}

/* Found before libc's by the dynamic linker. */
int fdatasync(int fd)
{
    if (sync_errno) {
        errno = sync_errno;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

static void take_over_writes(void)
{
    sqlite3_initialize();
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    sqlite3_syscall_ptr f = (sqlite3_syscall_ptr)(void (*)(void))failing_pwrite;
    vfs->xSetSystemCall(vfs, "pwrite", f);
    vfs->xSetSystemCall(vfs, "pwrite64", f);
}

static void setup(void)
{
    take_over_writes();
    fx_setup();
}

static void wait_disk_full(int64_t wanted)
{
    for (int i = 0; i < 6000 && gauge_get(&store_stats(fx)->disk_full) != wanted; i++)
        usleep(10000);
    ck_assert_int_eq(gauge_get(&store_stats(fx)->disk_full), wanted);
}

/* ---- full */

START_TEST(full_disk_refuses_rows_and_takes_them_again_later)
{
    uint32_t num = fx_begin(CLASS_BULK);
    fx_rows(num, 0, 100);
    write_errno = ENOSPC;
    struct store_req *r = fx_rows_req(num, 100, 100);
    ck_assert_int_eq(fx_run(r), ERR_NO_SPACE);
    ck_assert_ptr_nonnull(strstr(r->why, "full"));
    store_req_destroy(&r);
    ck_assert(!store_writable(fx));
    ck_assert_int_eq(fx_run_free(fx_rows_req(num, 100, 100)), ERR_NO_SPACE);
    write_errno = 0;
    wait_disk_full(0);
    ck_assert(store_writable(fx));
    fx_rows(num, 100, 100);
    ck_assert_int_eq(fx_end_upload(num, STORE_UPLOAD_COMMIT), ERR_NONE);
    ck_assert_uint_eq(fx_info(num).total, 200);
    fx_check_green();
}
END_TEST

START_TEST(quota_counts_as_full)
{
    write_errno = EDQUOT;
    ck_assert_int_eq(fx_run_free(fx_begin_req(CLASS_BULK)), ERR_NO_SPACE);
    write_errno = 0;
    wait_disk_full(0);
    fx_batch(10);
    fx_check_green();
}
END_TEST

START_TEST(full_disk_keeps_results_and_marks_until_there_is_room)
{
    uint32_t num = fx_batch(1000), marked = fx_batch(500);
    unsigned answered = 0;
    write_errno = ENOSPC;
    struct store_req *r = fx_results_req(num, 0, 1000, CAUSE_NONE), *m = fx_req(STORE_MARK);
    m->mark.batch = marked;
    m->mark.mark = MARK_CANCEL;
    m->mark.cause = CAUSE_cancelled_by_user;
    r->arg = m->arg = &answered;
    ck_assert_int_eq(store_post(fx, r), ERR_NONE);
    ck_assert_int_eq(store_post(fx, m), ERR_NONE);
    wait_disk_full(1);
    ck_assert_int_eq(fx_run_free(fx_begin_req(CLASS_BULK)), ERR_NO_SPACE);
    ck_assert_uint_eq(answered, 0);
    write_errno = 0;
    fx_wait(&answered, 2);
    ck_assert_int_eq(r->err, ERR_NONE);
    for (unsigned i = 0; i < 1000; i++)
        ck_assert_int_eq(r->results.items[i].verdict, ACK_STORED);
    fx_wait(&fx_swept.finished, 1);
    ck_assert_uint_eq(fx_swept.count, 500);
    store_req_destroy(&r);
    store_req_destroy(&m);
    fx_check_green();
}
END_TEST

START_TEST(full_disk_in_mid_sweep_loses_nothing)
{
    uint32_t num = fx_batch(60000);
    ck_assert_int_eq(fx_mark(num, MARK_EXPIRE, CAUSE_deadline), ERR_NONE);
    fx_wait(&fx_swept.calls, 2);
    write_errno = ENOSPC;
    wait_disk_full(1);
    write_errno = 0;
    fx_wait(&fx_swept.finished, 1);
    ck_assert_uint_eq(fx_swept.count, 60000);
    fx_check_green();
}
END_TEST

/* What is rolled back gave ids and counts away: they are given again. */
START_TEST(full_disk_keeps_lanes_and_runs_until_there_is_room)
{
    uint32_t num = fx_lane(1);
    fx_checks(100);
    fx_runs(num, 1, 50, 1);
    write_errno = ENOSPC;
    unsigned answered = 0;
    struct store_req *opened = fx_lane_req(1), *more = fx_runs_req(num, 51, 50, 1),
                     *closed = fx_req(STORE_LANE_CLOSE);
    closed->lane.info.num = num;
    opened->arg = more->arg = closed->arg = &answered;
    ck_assert_int_eq(store_post(fx, opened), ERR_NONE);
    ck_assert_int_eq(store_post(fx, more), ERR_NONE);
    ck_assert_int_eq(store_post(fx, closed), ERR_NONE);
    wait_disk_full(1);
    ck_assert_uint_eq(answered, 0);
    write_errno = 0;
    fx_wait(&answered, 3);
    ck_assert(!opened->err && !more->err && !closed->err);
    ck_assert_uint_eq(more->runs.items[0].first, task_id(num, 50));
    ck_assert_uint_eq(fx_runs(opened->lane.info.num, 1, 10, 1), task_id(opened->lane.info.num, 0));
    ck_assert_uint_eq(fx_info(num).total, 100);
    ck_assert(!fx_info(num).growing);
    store_req_destroy(&opened);
    store_req_destroy(&more);
    store_req_destroy(&closed);
    ck_assert_uint_eq(fx_results(num, 0, 100, CAUSE_NONE, ACK_STORED), 100);
    ck_assert(fx_info(num).ended_at.us != 0);
    fx_check_green();
}
END_TEST

START_TEST(full_disk_lets_readers_read)
{
    uint32_t num = fx_batch(10);
    write_errno = ENOSPC;
    ck_assert_int_eq(fx_run_free(fx_begin_req(CLASS_BULK)), ERR_NO_SPACE);
    ck_assert_uint_eq(fx_info(num).total, 10);
    write_errno = 0;
    wait_disk_full(0);
}
END_TEST

/* People are told at once; what happened is kept, and stands there once. */
START_TEST(full_disk_refuses_definitions_and_keeps_the_journal)
{
    uint64_t check = tt_schedule("s", 3);
    unsigned answered = 0;
    write_errno = ENOSPC;
    struct store_req *j = fx_req(STORE_JOURNAL), *p = fx_req(STORE_SCHEDULE_PAUSE);
    j->journal.items = mem_array(1, sizeof(*j->journal.items));
    j->journal.items[j->journal.n++] = tt_transition(check, 5000000, VERDICT_UP, VERDICT_DOWN);
    j->arg = &answered;
    snprintf(p->name.name, sizeof(p->name.name), "s");
    p->name.paused = true;
    ck_assert_int_eq(store_post(fx, j), ERR_NONE);
    wait_disk_full(1);
    ck_assert_int_eq(fx_run_free(p), ERR_NO_SPACE);
    ck_assert_uint_eq(answered, 0);
    write_errno = 0;
    fx_wait(&answered, 1);
    ck_assert_int_eq(j->err, ERR_NONE);
    store_req_destroy(&j);
    struct store_req *r = fx_req(STORE_TRANSITIONS);
    r->transitions.limit = 10;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->transitions.n, 1);
    store_req_destroy(&r);
    fx_reopen();
    ck_assert(!fx_boot.timetable.schedules[0].paused);
    fx_check_green();
}
END_TEST

START_TEST(upload_can_be_given_up_on_a_full_disk)
{
    uint32_t num = fx_begin(CLASS_BULK);
    fx_rows(num, 0, 100);
    write_errno = ENOSPC;
    ck_assert_int_eq(fx_run_free(fx_rows_req(num, 100, 100)), ERR_NO_SPACE);
    ck_assert_int_eq(fx_end_upload(num, STORE_UPLOAD_ABORT), ERR_NONE);
    write_errno = 0;
    wait_disk_full(0);
    fx_check_green();
}
END_TEST

START_TEST(close_on_a_full_disk_answers_and_loses_nothing_committed)
{
    uint32_t num = fx_batch(100);
    fx_results(num, 0, 50, CAUSE_NONE, ACK_STORED);
    write_errno = ENOSPC;
    unsigned answered = 0;
    struct store_req *r = fx_results_req(num, 50, 50, CAUSE_NONE);
    r->arg = &answered;
    ck_assert_int_eq(store_post(fx, r), ERR_NONE);
    wait_disk_full(1);
    fx_close();
    ck_assert_uint_eq(answered, 1);
    ck_assert_int_eq(r->err, ERR_NO_SPACE);
    store_req_destroy(&r);
    write_errno = 0;
    fx_open();
    ck_assert_uint_eq(fx_results(num, 0, 100, CAUSE_NONE, ACK_DUPLICATE), 50);
    fx_check_green();
}
END_TEST

/* ---- broken */

/* The exit code of a process that opens the store and writes to it on such a disk. */
static int exit_of_writer(int write_error, int sync_error)
{
    fx_close();
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        fx_open();
        write_errno = write_error;
        sync_errno = sync_error;
        struct store_req *r = fx_begin_req(CLASS_BULK);
        unsigned answered = 0;
        r->arg = &answered;
        if (store_post(fx, r))
            _exit(99);
        fx_wait(&answered, 1);
        _exit(98); /* it was acknowledged */
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    fx_open();
    fx_check_green();
    return WEXITSTATUS(status);
}

START_TEST(failed_fsync_ends_the_process_unacknowledged)
{
    ck_assert_int_eq(exit_of_writer(0, EIO), 3);
}
END_TEST

START_TEST(failed_write_ends_the_process_unacknowledged)
{
    ck_assert_int_eq(exit_of_writer(EIO, 0), 3);
}
END_TEST

static off_t log_bytes(void)
{
    char path[PATH_MAX];
    struct stat st = {0};
    snprintf(path, sizeof(path), "%s/sonde.db-wal", fx_dir);
    ck_assert_int_eq(stat(path, &st), 0);
    return st.st_size;
}

/* A later sync of the log would not say that an earlier one had failed. */
START_TEST(what_a_dead_process_left_in_the_log_is_settled_by_the_next_start)
{
    fx_close();
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        fx_open();
        fx_batch(5000);
        sync_errno = EIO;
        (void)fx_run(fx_begin_req(CLASS_BULK));
        _exit(98);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(WEXITSTATUS(status), 3);
    ck_assert_int_gt(log_bytes(), 256 * 1024);
    fx_open(); /* its own commits leave a few pages in the new log */
    ck_assert_int_lt(log_bytes(), 256 * 1024);
    fx_check_green();
}
END_TEST

/* ---- kill -9 */

struct ack { /* what the child was told to be committed */
    uint32_t num;
    unsigned from, n;
};
#define LOAD_CHUNK 50
#define LOAD_TASKS 2000

static void tell(int fd, uint32_t num, unsigned from, unsigned n)
{
    struct ack a = {num, from, n};
    if (write(fd, &a, sizeof(a)) != sizeof(a))
        _exit(1);
}

/* Batches and their results for ever, an unfinished upload beside them; every third batch is
 * cancelled. */
static void load_for_ever(int fd)
{
    fx_open();
    for (;;) {
        fx_rows(fx_begin(CLASS_BULK), 0, 500);
        uint32_t num = fx_batch(LOAD_TASKS);
        tell(fd, num, 0, 0);
        for (unsigned from = 0; from < LOAD_TASKS; from += LOAD_CHUNK) {
            if (num % 3 == 0 && from == LOAD_TASKS / 2)
                (void)fx_mark(num, MARK_CANCEL, CAUSE_cancelled_by_user);
            fx_results(num, from, LOAD_CHUNK, CAUSE_NONE, ACK_STORED);
            tell(fd, num, from, LOAD_CHUNK);
        }
    }
}

/* A lane that grows and is answered, each time a part of it behind; then another one. */
static void grow_for_ever(int fd)
{
    fx_open();
    for (;;) {
        uint32_t num = fx_lane(1);
        for (unsigned from = 0; from < LOAD_TASKS; from += LOAD_CHUNK) {
            fx_runs(num, 1, LOAD_CHUNK, 1);
            if (from == 0)
                continue;
            fx_results(num, from - LOAD_CHUNK, LOAD_CHUNK, CAUSE_NONE, ACK_STORED);
            tell(fd, num, from - LOAD_CHUNK, LOAD_CHUNK);
        }
        (void)fx_lane_close(num);
    }
}

/* Kills the loader once it was told of so many commits; the last ones it told of go to acks. */
static unsigned kill_loader(void (*load)(int fd), unsigned after, struct ack *acks)
{
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        close(fds[0]);
        load(fds[1]);
    }
    close(fds[1]);
    unsigned n = 0;
    while (n < after && read(fds[0], &acks[n], sizeof(*acks)) == sizeof(*acks))
        n++;
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    close(fds[0]);
    ck_assert_uint_eq(n, after);
    return n;
}

START_TEST(kill_9_loses_nothing_acknowledged)
{
    static struct ack acks[256];
    unsigned after = 7 + 41 * (unsigned)_i;
    fx_close();
    unsigned n = kill_loader(load_for_ever, after, acks);
    fx_open();
    for (unsigned i = 0; i < n; i++) {
        ck_assert_uint_eq(fx_info(acks[i].num).total, LOAD_TASKS);
        if (acks[i].n > 0)
            ck_assert_uint_eq(
                fx_results(acks[i].num, acks[i].from, acks[i].n, CAUSE_NONE, ACK_DUPLICATE),
                acks[i].n);
    }
    fx_check_green();
}
END_TEST

START_TEST(kill_9_loses_no_run_of_a_lane)
{
    static struct ack acks[256];
    fx_checks(LOAD_CHUNK);
    fx_close();
    unsigned n = kill_loader(grow_for_ever, 5 + 37 * (unsigned)_i, acks);
    fx_open();
    fx_check_green();
    uint32_t last = acks[n - 1].num;
    for (unsigned i = 0; i < n; i++)
        ck_assert_uint_eq(
            fx_results(acks[i].num, acks[i].from, acks[i].n, CAUSE_NONE, ACK_DUPLICATE), acks[i].n);
    struct batch_info b = fx_info(last);
    ck_assert_uint_ge(b.total, acks[n - 1].from + 2 * LOAD_CHUNK);
    if (b.growing) /* it goes on where the rows end */
        ck_assert_uint_eq(fx_runs(last, 1, 1, 1), task_id(last, (uint32_t)b.total));
    fx_check_green();
}
END_TEST

static void teardown(void)
{
    write_errno = 0;
    fx_teardown();
}

TESTS(disk_tests, full_disk_refuses_rows_and_takes_them_again_later, quota_counts_as_full,
      full_disk_keeps_results_and_marks_until_there_is_room,
      full_disk_keeps_lanes_and_runs_until_there_is_room, full_disk_in_mid_sweep_loses_nothing,
      full_disk_lets_readers_read, full_disk_refuses_definitions_and_keeps_the_journal,
      upload_can_be_given_up_on_a_full_disk,
      close_on_a_full_disk_answers_and_loses_nothing_committed,
      failed_fsync_ends_the_process_unacknowledged, failed_write_ends_the_process_unacknowledged,
      what_a_dead_process_left_in_the_log_is_settled_by_the_next_start)

static TCase *disk(void)
{
    TCase *tc = disk_tests();
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, kill_9_loses_nothing_acknowledged, 0, 6);
    tcase_add_loop_test(tc, kill_9_loses_no_run_of_a_lane, 0, 6);
    return tc;
}
CHECK_MAIN("store disk", disk)
