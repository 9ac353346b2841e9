/* SPDX-License-Identifier: MIT */
#include "fixture.h"

/* ---- marks */

START_TEST(mark_ends_every_task_without_a_result)
{
    uint32_t num = fx_batch(3000);
    fx_results(num, 100, 500, CAUSE_NONE, ACK_STORED);
    ck_assert_int_eq(fx_mark(num, MARK_CANCEL, CAUSE_cancelled_by_user), ERR_NONE);
    fx_wait(&fx_swept.finished, 1);
    ck_assert_uint_eq(fx_swept.batch, num);
    ck_assert_int_eq(fx_swept.outcome, OUTCOME_CANCELLED);
    ck_assert_uint_eq(fx_swept.count, 2500);
    struct batch_info info = fx_info(num);
    ck_assert_int_ne(info.ended_at.us, 0);
    ck_assert_uint_eq(info.ended[OUTCOME_OK], 500);
    ck_assert_uint_eq(info.ended[OUTCOME_CANCELLED], 2500);
    ck_assert_int_eq(info.mark, MARK_CANCEL);
    ck_assert_int_eq(info.mark_cause, CAUSE_cancelled_by_user);
    fx_check_green();
}
END_TEST

START_TEST(results_that_race_a_sweep_count_once)
{
    enum { N = 20000 };
    uint32_t num = fx_batch(N);
    unsigned answered = 0, posted = 0, stored = 0;
    struct store_req *reqs[200];
    struct store_req *m = fx_req(STORE_MARK);
    m->mark.batch = num;
    m->mark.mark = MARK_EXPIRE;
    m->mark.cause = CAUSE_deadline;
    m->arg = &answered;
    ck_assert_int_eq(store_post(fx, m), ERR_NONE);
    for (unsigned from = N; from > 0; from -= 200) { /* from the end, where the sweep comes last */
        struct store_req *r = reqs[posted++] = fx_results_req(num, from - 200, 200, CAUSE_NONE);
        r->arg = &answered;
        ck_assert_int_eq(store_post(fx, r), ERR_NONE);
    }
    fx_wait(&answered, posted + 1);
    fx_wait(&fx_swept.finished, 1);
    for (unsigned i = 0; i < posted; i++) {
        for (unsigned k = 0; k < 200; k++)
            stored += reqs[i]->results.items[k].verdict == ACK_STORED;
        store_req_destroy(&reqs[i]);
    }
    store_req_destroy(&m);
    ck_assert_uint_eq(stored + fx_swept.count, N);
    struct batch_info info = fx_info(num);
    ck_assert_uint_eq(info.ended[OUTCOME_OK], stored);
    ck_assert_uint_eq(info.ended[OUTCOME_EXPIRED], fx_swept.count);
    fx_check_green();
}
END_TEST

START_TEST(second_mark_does_not_change_the_first)
{
    uint32_t num = fx_batch(3000);
    unsigned answered = 0;
    struct store_req *reqs[2];
    for (int i = 0; i < 2; i++) {
        reqs[i] = fx_req(STORE_MARK);
        reqs[i]->mark.batch = num;
        reqs[i]->mark.mark = i ? MARK_EXPIRE : MARK_CANCEL;
        reqs[i]->mark.cause = i ? CAUSE_deadline : CAUSE_cancelled_by_user;
        reqs[i]->arg = &answered;
        ck_assert_int_eq(store_post(fx, reqs[i]), ERR_NONE);
    }
    fx_wait(&answered, 2);
    fx_wait(&fx_swept.finished, 1);
    struct batch_info info = fx_info(num);
    ck_assert_int_eq(info.mark, MARK_CANCEL);
    ck_assert_uint_eq(info.ended[OUTCOME_CANCELLED], 3000);
    ck_assert_uint_eq(info.ended[OUTCOME_EXPIRED], 0);
    for (int i = 0; i < 2; i++)
        store_req_destroy(&reqs[i]);
    fx_check_green();
}
END_TEST

START_TEST(mark_of_an_ended_batch_reports_that_nothing_is_left)
{
    uint32_t num = fx_batch(3);
    fx_results(num, 0, 3, CAUSE_NONE, ACK_STORED);
    ck_assert_int_eq(fx_mark(num, MARK_CANCEL, CAUSE_cancelled_by_user), ERR_NONE);
    fx_wait(&fx_swept.finished, 1);
    ck_assert_uint_eq(fx_swept.count, 0);
    ck_assert_int_eq(fx_info(num).mark, MARK_NONE);
    fx_check_green();
}
END_TEST

START_TEST(sweep_goes_on_after_a_restart)
{
    uint32_t num = fx_batch(50000);
    ck_assert_int_eq(fx_mark(num, MARK_EXPIRE, CAUSE_no_agent), ERR_NONE);
    fx_reopen(); /* in the midst of the sweep, or not: both must end well */
    fx_wait(&fx_swept.finished, 1);
    ck_assert_uint_eq(fx_info(num).ended[OUTCOME_EXPIRED], 50000);
    fx_check_green();
}
END_TEST

static void pause_batch(uint32_t num, bool paused)
{
    struct store_req *r = fx_req(STORE_PAUSE);
    r->pause.batch = num;
    r->pause.paused = paused;
    ck_assert_int_eq(fx_run_free(r), ERR_NONE);
}

START_TEST(pause_is_known_after_a_restart_and_outlives_results)
{
    uint32_t num = fx_batch(10), other = fx_batch(10);
    pause_batch(num, true);
    ck_assert_uint_eq(fx_results(num, 0, 3, CAUSE_NONE, ACK_STORED), 3);
    fx_reopen();
    ck_assert_uint_eq(fx_boot.n_open, 2);
    ck_assert(fx_boot.open[0].paused && fx_boot.open[0].num == num);
    ck_assert(!fx_boot.open[1].paused && fx_boot.open[1].num == other);
    pause_batch(num, false);
    ck_assert(!fx_info(num).paused);
    fx_check_green();
}
END_TEST

START_TEST(pause_of_an_ended_batch_changes_nothing)
{
    uint32_t num = fx_batch(1);
    ck_assert_uint_eq(fx_results(num, 0, 1, CAUSE_NONE, ACK_STORED), 1);
    pause_batch(num, true);
    pause_batch(999, true);
    ck_assert(!fx_info(num).paused);
}
END_TEST

START_TEST(close_answers_everything)
{
    uint32_t num = fx_begin(CLASS_BULK);
    unsigned answered = 0;
    struct store_req *reqs[50];
    for (unsigned i = 0; i < 50; i++) {
        reqs[i] = fx_rows_req(num, i * 100, 100);
        reqs[i]->arg = &answered;
        ck_assert_int_eq(store_post(fx, reqs[i]), ERR_NONE);
    }
    fx_close();
    ck_assert_uint_eq(answered, 50);
    for (unsigned i = 0; i < 50; i++) {
        ck_assert_int_eq(reqs[i]->err, ERR_NONE);
        store_req_destroy(&reqs[i]);
    }
    fx_open();
}
END_TEST

START_TEST(foreign_lock_on_the_file_delays_and_loses_nothing)
{
    uint32_t num = fx_batch(10);
    char path[96];
    snprintf(path, sizeof(path), "%s/sonde.db", fx_dir);
    sqlite3 *c = NULL;
    ck_assert_int_eq(sqlite3_open(path, &c), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(c, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    unsigned answered = 0;
    struct store_req *r = fx_results_req(num, 0, 10, CAUSE_NONE);
    r->arg = &answered;
    ck_assert_int_eq(store_post(fx, r), ERR_NONE);
    ck_assert_uint_eq(fx_info(num).ended[OUTCOME_OK], 0);
    ck_assert_int_eq(sqlite3_exec(c, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(c);
    fx_wait(&answered, 1);
    ck_assert_int_eq(r->err, ERR_NONE);
    ck_assert_int_eq(r->results.items[9].verdict, ACK_STORED);
    store_req_destroy(&r);
    fx_check_green();
}
END_TEST

/* ---- bounds */

static struct {
    pthread_mutex_t m;
} gate = {PTHREAD_MUTEX_INITIALIZER};

static void stop_at_gate(struct store_req *r)
{
    PTOK(pthread_mutex_lock(&gate.m));
    PTOK(pthread_mutex_unlock(&gate.m));
    fx_done(r);
}

/* Posts a request that stops the writer at the gate, so that what follows waits together. */
static struct store_req *stop_writer(uint32_t up, unsigned *answered)
{
    PTOK(pthread_mutex_lock(&gate.m));
    struct store_req *held = store_req_create(STORE_UPLOAD_ROWS, stop_at_gate, answered);
    held->upload.info.num = up;
    ck_assert_int_eq(store_post(fx, held), ERR_NONE);
    return held;
}

START_TEST(uploads_are_refused_at_half_of_the_bound_and_results_are_not)
{
    uint32_t num = fx_batch(10), up = fx_begin(CLASS_BULK);
    unsigned answered = 0, posted = 0;
    struct store_req *held = stop_writer(up, &answered);
    static struct store_req *reqs[STORE_WRITER_LETTERS];
    enum err e = ERR_NONE;
    while (!e && posted < STORE_WRITER_LETTERS) {
        struct store_req *r = fx_rows_req(up, posted, 1);
        r->arg = &answered;
        e = store_post(fx, r);
        if (e)
            store_req_destroy(&r);
        else
            reqs[posted++] = r;
    }
    ck_assert_int_eq(e, ERR_FULL);
    ck_assert(!store_writer_has_room(fx));
    ck_assert_uint_le(posted, STORE_WRITER_LETTERS / 2);
    struct store_req *r = fx_results_req(num, 0, 10, CAUSE_NONE);
    r->arg = &answered;
    ck_assert_int_eq(store_post(fx, r), ERR_NONE);
    PTOK(pthread_mutex_unlock(&gate.m));
    fx_wait(&answered, posted + 2);
    while (!store_writer_has_room(fx))
        usleep(1000);
    ck_assert_uint_ge(fx_rooms, 1);
    for (unsigned i = 0; i < posted; i++)
        store_req_destroy(&reqs[i]);
    store_req_destroy(&held);
    store_req_destroy(&r);
}
END_TEST

struct order { /* arg of a request: counts, and notes when it came */
    unsigned answered;
    unsigned *place;
};
static unsigned places;

static void note_place(struct store_req *r)
{
    struct order *o = r->arg;
    *o->place = places++;
    r->arg = &o->answered;
    fx_done(r);
}

/* The place in the order of answers that `one` gets among `n` requests like `many`, all waiting at
 * once. */
static unsigned place_among(uint32_t up, struct store_req *one, struct store_req **many, unsigned n)
{
    unsigned held_answered = 0, place = 0, ignored;
    struct order *orders = mem_array(n + 1, sizeof(*orders));
    struct store_req *held = stop_writer(up, &held_answered);
    for (unsigned i = 0; i <= n; i++) {
        struct store_req *r = i < n ? many[i] : one;
        orders[i].place = i < n ? &ignored : &place;
        r->done = note_place;
        r->arg = &orders[i];
        ck_assert_int_eq(store_post(fx, r), ERR_NONE);
    }
    PTOK(pthread_mutex_unlock(&gate.m));
    for (unsigned i = 0; i <= n; i++)
        fx_wait(&orders[i].answered, 1);
    fx_wait(&held_answered, 1);
    for (unsigned i = 0; i < n; i++)
        store_req_destroy(&many[i]);
    store_req_destroy(&one);
    store_req_destroy(&held);
    free(orders);
    return place;
}

START_TEST(result_overtakes_bulk_rows)
{
    uint32_t num = fx_batch(1), up = fx_begin(CLASS_BULK);
    struct store_req *many[20];
    for (unsigned i = 0; i < 20; i++)
        many[i] = fx_rows_req(up, i * 1000, 1000);
    /* One request of rows may have been in work when the gate fell. */
    ck_assert_uint_le(place_among(up, fx_results_req(num, 0, 1, CAUSE_NONE), many, 20), 1);
}
END_TEST

START_TEST(interactive_upload_overtakes_bulk_rows)
{
    uint32_t up = fx_begin(CLASS_BULK);
    struct store_req *many[20];
    for (unsigned i = 0; i < 20; i++)
        many[i] = fx_rows_req(up, i * 1000, 1000);
    ck_assert_uint_le(place_among(up, fx_begin_req(CLASS_INTERACTIVE), many, 20), 1);
}
END_TEST

START_TEST(bulk_rows_are_not_starved_by_results)
{
    uint32_t num = fx_batch(40000), up = fx_begin(CLASS_BULK);
    struct store_req *many[40];
    for (unsigned i = 0; i < 40; i++)
        many[i] = fx_results_req(num, i * 1000, 1000, CAUSE_NONE);
    ck_assert_uint_le(place_among(up, fx_rows_req(up, 0, 1000), many, 40), 4);
    fx_check_green();
}
END_TEST

static void free_it(struct store_req *r)
{
    store_req_destroy(&r);
}

static void *close_in_thread(void *arg)
{
    fx_close();
    return NULL;
}

/* A reader's box that is closed refuses; until then the question is answered. */
static void wait_readers_closed(struct store *s)
{
    for (enum err e = ERR_NONE; e != ERR_CLOSED;) {
        struct store_req *question = store_req_create(STORE_BATCH_LIST, free_it, NULL);
        e = store_post(s, question);
        if (e)
            store_req_destroy(&question);
    }
}

static enum err late_post;

static void ask_a_reader(struct store_req *r)
{
    struct store_req *question = store_req_create(STORE_BATCH_LIST, free_it, NULL);
    late_post = store_post(r->arg, question);
    if (late_post)
        store_req_destroy(&question);
    store_req_destroy(&r);
}

START_TEST(question_from_an_answer_while_closing_is_refused)
{
    struct store *s = fx; /* fx_close() takes fx away */
    unsigned answered = 0;
    struct store_req *held = stop_writer(fx_begin(CLASS_BULK), &answered);
    struct store_req *r = fx_begin_req(CLASS_BULK);
    r->done = ask_a_reader;
    r->arg = fx;
    ck_assert_int_eq(store_post(fx, r), ERR_NONE);
    late_post = ERR_NONE;
    pthread_t closer;
    PTOK(pthread_create(&closer, NULL, close_in_thread, NULL));
    wait_readers_closed(s);
    PTOK(pthread_mutex_unlock(&gate.m));
    PTOK(pthread_join(closer, NULL));
    ck_assert_int_eq(late_post, ERR_CLOSED);
    store_req_destroy(&held);
    fx_open();
}
END_TEST

static TCase *fixed(TCase *tc)
{
    tcase_add_checked_fixture(tc, fx_setup, fx_teardown);
    return tc;
}

TESTS(mark_tests, mark_ends_every_task_without_a_result, results_that_race_a_sweep_count_once,
      second_mark_does_not_change_the_first, mark_of_an_ended_batch_reports_that_nothing_is_left,
      sweep_goes_on_after_a_restart, pause_is_known_after_a_restart_and_outlives_results,
      pause_of_an_ended_batch_changes_nothing)
TESTS(bound_tests, close_answers_everything, question_from_an_answer_while_closing_is_refused,
      foreign_lock_on_the_file_delays_and_loses_nothing,
      uploads_are_refused_at_half_of_the_bound_and_results_are_not, result_overtakes_bulk_rows,
      interactive_upload_overtakes_bulk_rows, bulk_rows_are_not_starved_by_results)

static TCase *marks(void)
{
    return fixed(mark_tests());
}
static TCase *bounds(void)
{
    return fixed(bound_tests());
}
CHECK_MAIN("store writer", marks, bounds)
