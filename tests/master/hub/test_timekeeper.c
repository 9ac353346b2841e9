/* SPDX-License-Identifier: MIT */
#include "tests/master/hub/edge.h"

#include "master/hub/timekeeper.h"

/* The scheduler's edge beside a core to which no agent comes, and a real store. */

static struct timekeeper t;
static _Atomic bool overloaded;
static unsigned n_done;

/* A schedule of n targets in the store: its id. */
static uint64_t stored(const char *name, const char *doc, size_t n)
{
    uint64_t id = 0;
    fx_open();
    tt_schedule(name, n);
    tt_sql("UPDATE schedules SET doc = '%s' WHERE name = '%s'", doc, name);
    fx_close();
    char sql[96];
    snprintf(sql, sizeof(sql), "SELECT id FROM schedules WHERE name = '%s'", name);
    id = (uint64_t)edge_count(sql);
    return id;
}

static void boot(void)
{
    edge_boot();
    timekeeper_init(&t, core, &courier, &overloaded, NULL, NULL);
    courier.on_answer = timekeeper_answer;
    courier.on_result = timekeeper_result;
    courier.lane_arg = &t;
    timekeeper_load(&t, &fx_boot.timetable);
    courier_start(&courier, fx);
}

static void turn(void)
{
    courier_take(&courier, mono_now());
    timekeeper_take(&t);
    (void)timekeeper_run(&t);
    timekeeper_tick(&t);
    timekeeper_flush(&t);
    courier_flush(&courier);
}

static void wait_until(bool (*ready)(void))
{
    struct mono until = mono_add_ms(mono_now(), FIXTURE_WAIT_S * 1000);
    while (!ready()) {
        turn();
        ck_assert_msg(mono_before(mono_now(), until), "waited in vain");
        usleep(500);
    }
}

static bool stopped(void)
{
    return timekeeper_stopped(&t);
}

static void end(bool orderly)
{
    if (orderly) {
        timekeeper_stop(&t);
        wait_until(stopped);
    }
    timekeeper_close(&t);
    edge_close_store();
    timekeeper_fini(&t);
    edge_destroy_core();
}

static void on_done(struct schedule_req *r)
{
    n_done++;
    if (r->arg != NULL)
        *(unsigned *)r->arg = n_done;
}

static void ask(struct schedule_req *r)
{
    r->done = on_done;
    ck_assert_int_eq(timekeeper_post(&t, r), ERR_NONE);
}

/* All answered that were asked in all. */
static unsigned wanted;
static bool answered(void)
{
    return n_done >= wanted;
}

static void wait_done(unsigned n)
{
    wanted = n;
    wait_until(answered);
    ck_assert_uint_eq(n_done, n);
}

static struct scheduler_view view_of(const char *name, bool *there)
{
    struct schedule_req *r = mem_zalloc(sizeof(*r));
    struct scheduler_view v = {0};
    r->op = SREQ_SCHEDULES;
    snprintf(r->from, sizeof(r->from), "%s", name);
    snprintf(r->to, sizeof(r->to), "%s", name);
    ask(r);
    wait_done(n_done + 1);
    *there = r->n_views == 1;
    if (*there)
        v = r->views[0];
    schedule_req_free(&r);
    return v;
}

static struct schedule *definition(const char *name, const char *doc)
{
    char why[SCHEDULE_WHY_MAX];
    struct schedule *s = NULL;
    ck_assert_msg(schedule_load(name, doc, false, &s, why) == ERR_NONE, "%s", why);
    return s;
}

static void setup(void)
{
    edge_make_dir();
}

static void teardown(void)
{
    edge_remove_dir();
}

START_TEST(a_slot_without_an_agent_is_a_miss_and_the_stop_keeps_all)
{
    stored("s", "{\"every\":\"1s\"}", 2);
    boot();
    bool there;
    struct mono until = mono_add_ms(mono_now(), FIXTURE_WAIT_S * 1000);
    while (view_of("s", &there).missed[PLAN_MISS_no_agent] < 4)
        ck_assert(mono_before(mono_now(), until));
    end(true);
    ck_assert_int_eq(edge_count("SELECT count(*) FROM snapshots"), 1);
    int64_t missed = edge_count("SELECT sum(count) FROM misses");
    ck_assert_int_ge(missed, 4);
    boot();
    ck_assert_uint_eq(fx_boot.timetable.n_saved, 2);
    uint64_t last = fx_boot.timetable.saved[0].last.seq + fx_boot.timetable.saved[1].last.seq;
    ck_assert_uint_ge(last, 4);
    end(true);
    fx_check_green();
}
END_TEST

/* The master starts, the others run, and the next definition brings all of its targets. */
START_TEST(a_schedule_that_cannot_be_read_waits_for_a_new_definition)
{
    bool there;
    uint64_t bad = stored("bad", "{\"every\":\"now and then\"}", 3);
    stored("good", TT_DOC, 2);
    boot();
    ck_assert_uint_eq(view_of("good", &there).checks, 2);
    view_of("bad", &there);
    ck_assert(!there);
    uint8_t what[3] = {PUT_SAME, PUT_CHANGED, PUT_SAME};
    uint64_t ids[3] = {1, 2, 3};
    struct wall createds[3] = {{1}, {1}, {1}};
    char keys[3][16] = {"http://h-0/", "http://h-1/", "http://h-2/"}, spec[] = "{}";
    struct schedule_target targets[3];
    for (unsigned i = 0; i < 3; i++)
        targets[i] = (struct schedule_target){.key = keys[i],
                                              .spec = spec,
                                              .spec_len = strlen(spec),
                                              .host = keys[i] + strlen("http://")};
    struct store_put p = {.name = "bad",
                          .id = bad,
                          .targets = targets,
                          .n_targets = 3,
                          .ids = ids,
                          .what = what,
                          .createds = createds};
    struct schedule_req r = {.op = SREQ_PUT, .schedule = definition("bad", TT_DOC), .put = &p};
    ask(&r);
    wait_done(n_done + 1);
    ck_assert_uint_eq(view_of("bad", &there).checks, 3);
    what[1] = PUT_SAME; /* now it has them */
    struct schedule_req again = {.op = SREQ_PUT, .schedule = definition("bad", TT_DOC), .put = &p};
    ask(&again);
    wait_done(n_done + 1);
    ck_assert_uint_eq(view_of("bad", &there).checks, 3);
    struct schedule_req gone = {.op = SREQ_REMOVE, .id = bad};
    ask(&gone);
    wait_done(n_done + 1);
    ck_assert(gone.found);
    end(true);
}
END_TEST

static void put_again(const char *doc)
{
    struct store_put p = {.name = "s", .id = 1};
    struct schedule_req r = {.op = SREQ_PUT, .schedule = definition("s", doc), .put = &p};
    ask(&r);
    wait_done(n_done + 1);
}

static size_t expected(const char *doc)
{
    struct schedule *s = definition("s", doc);
    size_t n = lanes_expect(&t.lanes, s, mono_now())->schedules;
    schedule_free(&s);
    return n;
}

START_TEST(a_schedule_expects_the_lane_of_its_last_definition)
{
    static const char other[] = "{\"every\":\"60s\",\"agents\":{\"names\":[\"a\"]}}";
    stored("s", TT_DOC, 1);
    boot();
    ck_assert(expected(TT_DOC) == 1 && expected(other) == 0);
    put_again(TT_DOC);
    ck_assert(expected(TT_DOC) == 1 && expected(other) == 0);
    put_again(other);
    ck_assert(expected(TT_DOC) == 0 && expected(other) == 1);
    struct schedule_req gone = {.op = SREQ_REMOVE, .id = 1};
    ask(&gone);
    wait_done(n_done + 1);
    ck_assert(gone.found && expected(TT_DOC) == 0 && expected(other) == 0);
    end(true);
}
END_TEST

START_TEST(what_is_asked_of_schedules_keeps_its_order_behind_a_lane)
{
    unsigned at[3] = {0};
    struct store_put p = {.name = "s", .id = 1};
    boot();
    courier.store = NULL; /* the lane's opening waits */
    struct schedule_req put = {
        .op = SREQ_PUT, .schedule = definition("s", TT_DOC), .put = &p, .arg = &at[0]};
    struct schedule_req pause = {.op = SREQ_PAUSE, .id = 1, .pause = true, .arg = &at[1]};
    struct schedule_req look = {.op = SREQ_SCHEDULES, .arg = &at[2]};
    ask(&put);
    ask(&pause);
    ask(&look);
    for (int i = 0; i < 10; i++)
        turn();
    ck_assert_uint_eq(n_done, 1);
    ck_assert(at[2] == 1 && look.n_views == 0);
    courier.store = fx;
    wait_done(3);
    ck_assert(at[0] == 2 && at[1] == 3 && pause.found);
    free(look.views);
    end(true);
}
END_TEST

/* With incident 7, which is open. */
static void boot_with_incident(void)
{
    stored("s", TT_DOC, 1);
    fx_open();
    struct store_entry e = tt_incident(7, INCIDENT_CONFIRMED, INCIDENT_DID_CONFIRM, 1);
    e.incident.note[0] = '\0';
    tt_journal(&e, 1);
    fx_close();
    boot();
    ck_assert_uint_eq(fx_boot.timetable.n_incidents, 1);
}

static struct schedule_req ack(uint64_t incident)
{
    struct schedule_req r = {.op = SREQ_ACK, .incident = incident};
    snprintf(r.who, sizeof(r.who), "me");
    return r;
}

START_TEST(an_acknowledgement_is_answered_once_it_is_committed)
{
    boot_with_incident();
    struct schedule_req nobody = ack(8), mine = ack(7), late = ack(7);
    ask(&nobody);
    wait_done(1);
    ck_assert_int_eq(nobody.err, ERR_NOT_FOUND);
    courier.store = NULL;
    ask(&mine);
    for (int i = 0; i < 10; i++)
        turn();
    ck_assert_uint_eq(n_done, 1);
    courier.store = fx;
    wait_done(2);
    ck_assert_int_eq(mine.err, ERR_NONE);
    ck_assert_int_eq(edge_count("SELECT doc LIKE '%\"me\"%' FROM incidents WHERE id = 7"), 1);
    ask(&late);
    wait_done(3);
    ck_assert_int_eq(late.err, ERR_EXISTS);
    end(true);
}
END_TEST

START_TEST(the_end_answers_all_that_is_asked)
{
    boot_with_incident();
    struct store_put p = {.name = "new", .id = 2};
    struct schedule_req mine = ack(7);
    struct schedule_req put = {
        .op = SREQ_PUT,
        .schedule = definition("new", "{\"every\":\"60s\",\"agents\":{\"names\":[\"a\"]}}"),
        .put = &p};
    courier.store = NULL;
    ask(&mine);
    ask(&put);
    turn();
    ck_assert_uint_eq(n_done, 0);
    end(false);
    ck_assert_uint_eq(n_done, 2);
    ck_assert_int_eq(mine.err, ERR_CLOSED);
}
END_TEST

START_TEST(a_stop_during_the_start_keeps_what_there_is)
{
    stored("s", TT_DOC, 2);
    boot();
    timekeeper_stop(&t); /* no lane is open yet */
    wait_until(stopped);
    timekeeper_close(&t);
    struct schedule_req r = {.op = SREQ_SCHEDULES, .done = on_done};
    ck_assert_int_eq(timekeeper_post(&t, &r), ERR_CLOSED);
    edge_close_store();
    timekeeper_fini(&t);
    edge_destroy_core();
    ck_assert_int_eq(edge_count("SELECT count(*) FROM snapshots"), 1);
    fx_check_green();
}
END_TEST

TESTS(timekeeper_tests, a_slot_without_an_agent_is_a_miss_and_the_stop_keeps_all,
      a_schedule_that_cannot_be_read_waits_for_a_new_definition,
      a_schedule_expects_the_lane_of_its_last_definition,
      what_is_asked_of_schedules_keeps_its_order_behind_a_lane,
      an_acknowledgement_is_answered_once_it_is_committed, the_end_answers_all_that_is_asked,
      a_stop_during_the_start_keeps_what_there_is)
static TCase *all(void)
{
    TCase *tc = timekeeper_tests();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("timekeeper", all)
