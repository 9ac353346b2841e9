/* SPDX-License-Identifier: MIT */
#include "master/store/snapshot.h"
#include "tests/master/store/timetable.h"

/* The journal and the snapshots, and what a start makes of both and of the rows of runs. */

static uint64_t first; /* of ten checks */

static void setup(void)
{
    fx_setup();
    first = tt_schedule("s", 10);
}

static const struct scheduler_saved *saved(uint64_t check)
{
    for (size_t i = 0; i < fx_boot.timetable.n_saved; i++)
        if (fx_boot.timetable.saved[i].check == check)
            return &fx_boot.timetable.saved[i];
    return NULL;
}

static struct scheduler_saved item(uint64_t check, uint64_t seq, int64_t at_us)
{
    return (struct scheduler_saved){.check = check,
                                    .last = {seq, {at_us}},
                                    .since = {at_us - 1000},
                                    .state = VERDICT_UP,
                                    .state_since = {at_us - 500},
                                    .slot = seq};
}

static void put_snapshot(const struct scheduler_saved *items, unsigned n, int64_t at_us)
{
    struct store_req *r = fx_req(STORE_SNAPSHOT);
    r->snapshot.items = mem_dup(items, n * sizeof(*items));
    r->snapshot.n = n;
    r->snapshot.chunk = items[0].check / SCHEDULER_CHUNK;
    r->snapshot.at = (struct wall){at_us};
    ck_assert_int_eq(fx_run_free(r), ERR_NONE);
}

/* ---- bytes */

START_TEST(a_snapshot_comes_back_as_it_was)
{
    struct scheduler_saved in[2] = {item(5, 7, 1000000), {.check = 4000}}, out[SCHEDULER_CHUNK];
    in[0].gap = (struct plan_gap){PLAN_MISS_no_agent, 3, 5, {999999}, {7, {2000000}}};
    in[0].cause = CAUSE_http_5xx;
    in[0].incident = 12;
    in[0].cert_warned = 30;
    in[0].cert_not_after = 1900000000;
    struct strbuf b;
    size_t n = 0;
    strbuf_init(&b, SNAPSHOT_BYTES_MAX);
    snapshot_encode(in, 2, (struct wall){1000000}, &b);
    ck_assert_int_eq(snapshot_decode(b.data, b.len, (struct wall){1000000}, out, &n), ERR_NONE);
    ck_assert_uint_eq(n, 2);
    ck_assert_mem_eq(in, out, sizeof(in));
    for (size_t cut = 0; cut < b.len; cut++)
        ck_assert_int_ne(snapshot_decode(b.data, cut, (struct wall){1000000}, out, &n), ERR_NONE);
    b.data[0] = 9;
    ck_assert_int_eq(snapshot_decode(b.data, b.len, (struct wall){1}, out, &n), ERR_VERSION);
    strbuf_fini(&b);
}
END_TEST

START_TEST(marks_come_back_as_they_were)
{
    struct snapshot_mark in[2] = {{3, 0}, {9, UINT64_C(1) << 32}}, *out = NULL;
    struct strbuf b;
    size_t n = 0;
    strbuf_init(&b, 1000);
    snapshot_marks_encode(in, 2, &b);
    ck_assert_int_eq(snapshot_marks_decode(b.data, b.len, &out, &n), ERR_NONE);
    ck_assert_uint_eq(n, 2);
    ck_assert_uint_eq(out[1].batch, 9);
    ck_assert_uint_eq(out[1].tasks, UINT64_C(1) << 32);
    free(out);
    for (size_t cut = 0; cut < b.len; cut++)
        ck_assert_int_ne(snapshot_marks_decode(b.data, cut, &out, &n), ERR_NONE);
    strbuf_fini(&b);
}
END_TEST

/* ---- a start */

START_TEST(a_start_gets_the_snapshot)
{
    struct scheduler_saved in[2] = {item(first, 7, 1000000), item(first + 3, 9, 1000000)};
    tt_born(1);
    put_snapshot(in, 2, 1000000);
    fx_reopen();
    ck_assert_uint_eq(fx_boot.timetable.n_saved, 2);
    ck_assert_mem_eq(saved(first), &in[0], sizeof(in[0]));
    ck_assert_mem_eq(saved(first + 3), &in[1], sizeof(in[1]));
    fx_check_green();
}
END_TEST

START_TEST(what_was_journalled_since_is_on_it)
{
    struct scheduler_saved in[] = {item(first, 7, 1000000), item(first + 2, 50, 1000000)};
    tt_born(1);
    struct store_entry old[] = {tt_transition(first, 900000, VERDICT_UP, VERDICT_DEGRADED),
                                tt_gap(first + 2, PLAN_MISS_no_agent, 2, 3, 900000)};
    tt_journal(old, 2);
    put_snapshot(in, 2, 1000000);
    struct store_entry since[] = {tt_transition(first, 2000000, VERDICT_UP, VERDICT_DOWN),
                                  tt_gap(first, PLAN_MISS_overloaded, 8, 3, 3000000),
                                  tt_gap(first + 1, PLAN_MISS_no_agent, 1, 2, 3000000),
                                  {.kind = ENTRY_CERTIFICATE,
                                   .at = {2000000},
                                   .check = first,
                                   .days_left = 13,
                                   .threshold = 14,
                                   .not_after = {INT64_C(1900000000000000)}}};
    tt_journal(since, 4);
    fx_reopen();
    const struct scheduler_saved *s = saved(first);
    ck_assert_int_eq(s->state, VERDICT_DOWN);
    ck_assert_int_eq(s->state_since.us, 2000000);
    ck_assert_int_eq(s->cause, CAUSE_connect_refused);
    ck_assert_uint_eq(s->slot, 9);
    ck_assert_uint_eq(s->last.seq, 10);
    ck_assert_int_eq(s->gap.why, PLAN_MISS_overloaded);
    ck_assert_uint_eq(s->gap.count, 3);
    ck_assert_uint_eq(s->cert_warned, 14);
    ck_assert_int_eq(s->cert_not_after, 1900000000);
    ck_assert_uint_eq(saved(first + 1)->last.seq, 2);
    ck_assert_int_eq(saved(first + 1)->state, VERDICT_UNKNOWN);
    ck_assert_uint_eq(saved(first + 2)->last.seq, 50); /* an old gap says nothing new */
    fx_check_green();
}
END_TEST

START_TEST(a_gap_that_grows_is_one_record)
{
    for (uint64_t n = 1; n <= 4; n++) {
        struct store_entry e = tt_gap(first, PLAN_MISS_no_agent, 5, n, 1000000);
        tt_journal(&e, 1);
    }
    struct store_req *r = fx_req(STORE_MISSES);
    r->misses.check = first;
    r->misses.limit = 10;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->misses.n, 1);
    ck_assert_uint_eq(r->misses.items[0].gap.count, 4);
    ck_assert_uint_eq(r->misses.items[0].gap.last.seq, 8);
    ck_assert_int_eq(r->misses.items[0].gap.why, PLAN_MISS_no_agent);
    store_req_destroy(&r);
    fx_check_green();
}
END_TEST

/* A lane that is open: four tasks of two runs of `first`, of which one has a result. */
static void open_lane(void)
{
    tt_sql("INSERT INTO batches(num, state, uuid, trace, cls, deadline_s, per_host, created_at, "
           "opened_at, deadline_at, total, ok, low_water, last_seq, growing, lane) VALUES(1, 1, "
           "'0190b5f0-0000-7000-8000-000000000001', '4bf92f3577b34da6a3ce929d0e0e4736', 1, 86400, "
           "8, 1, 1, 900000000000000000, 4, 1, 1, 1, 1, '{}')");
    tt_sql("INSERT INTO tasks(task, host, spec, slot, run_check, run_seq, run_at) VALUES"
           "((1 << 32) + 0, 1, '', 0, %llu, 8, 3000000), "
           "((1 << 32) + 1, 1, '', 1, %llu, 8, 3000000), "
           "((1 << 32) + 2, 1, '', 0, %llu, 1, 3000001), "
           "((1 << 32) + 3, 1, '', 0, 4000, 1, 3000001)",
           first, first, first + 1);
    tt_sql("INSERT INTO results(task, seq, batch, attempt, outcome, agent, cause, record) VALUES"
           "((1 << 32) + 0, 1, 1, 1, 0, 'a1', '', '{}')");
}

START_TEST(runs_since_the_snapshot_are_known)
{
    struct scheduler_saved in = item(first, 7, 1000000);
    tt_born(1);
    put_snapshot(&in, 1, 1000000);
    fx_close();
    open_lane();
    fx_open();
    ck_assert_uint_eq(saved(first)->last.seq, 8);
    ck_assert_int_eq(saved(first)->last.at.us, 3000000);
    ck_assert_uint_eq(saved(first + 1)->last.seq, 1);
    ck_assert_uint_eq(fx_boot.timetable.n_saved, 2);
}
END_TEST

START_TEST(a_run_under_way_comes_with_all_its_tasks)
{
    tt_born(1);
    fx_close();
    open_lane();
    fx_open();
    const struct store_open_task *t = fx_boot.timetable.tasks;
    ck_assert_uint_eq(fx_boot.timetable.n_tasks, 3);
    ck_assert_uint_eq(t[0].check, first);
    ck_assert_uint_eq(t[0].seq, 8);
    ck_assert_uint_eq(t[0].task, UINT64_C(1) << 32);
    ck_assert_int_eq(t[0].outcome, OUTCOME_OK);
    ck_assert_str_eq(t[0].agent, "a1");
    ck_assert_int_eq(t[1].outcome, -1);
    ck_assert_uint_eq(t[2].check, first + 1);
}
END_TEST

START_TEST(rows_that_the_snapshot_has_seen_are_not_read_again)
{
    tt_born(1);
    fx_close();
    open_lane();
    fx_open();
    struct scheduler_saved in = item(first, 8, 3000000);
    put_snapshot(&in, 1, 4000000);
    fx_reopen();
    /* That of the other check lies before the mark. */
    ck_assert_uint_eq(fx_boot.timetable.n_saved, 1);
    ck_assert_uint_eq(fx_boot.timetable.n_tasks, 3);
}
END_TEST

START_TEST(a_former_life_does_not_count)
{
    struct scheduler_saved in = item(first, 700, 1000000);
    tt_born(1);
    put_snapshot(&in, 1, 1000000);
    tt_sql("UPDATE checks SET created_at = 900000000 WHERE id = %llu", first);
    fx_reopen();
    ck_assert_ptr_null(saved(first));
}
END_TEST

START_TEST(a_resumed_schedule_has_no_slots_before)
{
    struct scheduler_saved in = item(first, 7, 1000000);
    tt_born(1);
    put_snapshot(&in, 1, 1000000);
    fx_sql("UPDATE schedules SET changed_at = 5000000");
    fx_reopen();
    ck_assert_int_eq(saved(first)->since.us, 5000000);
}
END_TEST

/* ---- incidents */

START_TEST(an_incident_that_is_open_comes_with_its_checks)
{
    struct scheduler_saved in = item(first, 7, 1000000);
    in.incident = 3; /* has ended meanwhile */
    tt_born(1);
    put_snapshot(&in, 1, 1000000);
    struct store_entry e[] = {tt_incident(3, INCIDENT_RESOLVED, INCIDENT_DID_RESOLVE, first),
                              tt_transition(first, 2000000, VERDICT_UP, VERDICT_DOWN),
                              tt_incident(4, INCIDENT_OPEN, INCIDENT_DID_OPEN, first),
                              tt_transition(first + 1, 2000000, VERDICT_UP, VERDICT_DOWN)};
    tt_journal(e, 4);
    fx_sql("UPDATE checks SET host = 'h-0/' WHERE host = 'h-2/'");
    fx_reopen();
    ck_assert_uint_eq(fx_boot.timetable.n_incidents, 1);
    ck_assert_uint_eq(fx_boot.timetable.incidents[0].id, 4);
    ck_assert_uint_eq(fx_boot.timetable.last_incident, 4);
    ck_assert_uint_eq(saved(first)->incident, 4);
    ck_assert_uint_eq(saved(first + 1)->incident, 0); /* another host */
    fx_check_green();
}
END_TEST

START_TEST(incidents_come_back_whole_by_state)
{
    struct store_entry e[] = {tt_incident(1, INCIDENT_RESOLVED, INCIDENT_DID_RESOLVE, first),
                              tt_incident(2, INCIDENT_OPEN, INCIDENT_DID_OPEN, first),
                              tt_incident(2, INCIDENT_CONFIRMED, INCIDENT_DID_CONFIRM, first)};
    tt_journal(e, 3);
    static const struct {
        int state;
        uint64_t before, only;
        unsigned n;
        uint64_t id;
    } asks[] = {{-1, 0, 0, 2, 2},
                {STORE_INCIDENTS_NOT_ENDED, 0, 0, 1, 2},
                {INCIDENT_RESOLVED, 0, 0, 1, 1},
                {-1, 2, 0, 1, 1},
                {-1, 0, 1, 1, 1}};
    for (unsigned i = 0; i < ARRAY_LEN(asks); i++) {
        struct store_req *r = fx_req(STORE_INCIDENTS);
        r->incidents.state = asks[i].state;
        r->incidents.before = asks[i].before;
        r->incidents.only = asks[i].only;
        r->incidents.limit = 10;
        ck_assert_int_eq(fx_run(r), ERR_NONE);
        ck_assert_uint_eq(r->incidents.n, asks[i].n);
        ck_assert_uint_eq(r->incidents.items[0].id, asks[i].id);
        ck_assert_str_eq(r->incidents.schedules[0], "s");
        const struct incident *in = &r->incidents.items[0];
        ck_assert_str_eq(in->host, "h-0/");
        ck_assert_uint_eq(in->n_causes, 1);
        ck_assert_int_eq(in->causes[0], CAUSE_connect_refused);
        ck_assert_uint_eq(in->first.check, first);
        ck_assert_str_eq(in->first.agent, "a1");
        ck_assert_str_eq(in->note, "caf");
        ck_assert_int_eq(in->since.us, 4000000);
        store_req_destroy(&r);
    }
    fx_check_green();
}
END_TEST

START_TEST(the_number_of_an_incident_is_never_used_again)
{
    struct store_entry e = tt_incident(41, INCIDENT_RESOLVED, INCIDENT_DID_RESOLVE, first);
    tt_journal(&e, 1);
    fx_sql("DELETE FROM incidents");
    fx_reopen();
    ck_assert_uint_eq(fx_boot.timetable.last_incident, 41);
}
END_TEST

/* ---- reading */

START_TEST(transitions_are_read_newest_first)
{
    for (unsigned i = 0; i < 5; i++) {
        struct store_entry e = tt_transition(first + i % 2, 1000000 + i, VERDICT_UP, VERDICT_DOWN);
        e.advice = mem_strdup("down from a1 only");
        tt_journal(&e, 1);
    }
    struct store_req *r = fx_req(STORE_TRANSITIONS);
    r->transitions.check = first;
    r->transitions.limit = 2;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->transitions.n, 2);
    ck_assert(r->transitions.more);
    const struct store_transition *t = &r->transitions.items[0];
    ck_assert_int_eq(t->at.us, 1000004);
    ck_assert_int_eq(t->from, VERDICT_UP);
    ck_assert_int_eq(t->to, VERDICT_DOWN);
    ck_assert_int_eq(t->cause, CAUSE_connect_refused);
    ck_assert_uint_eq(t->slot, 9);
    ck_assert_uint_eq(t->task, 77);
    ck_assert_str_eq(t->advice, "down from a1 only");
    ck_assert_str_eq(t->schedule, "s");
    ck_assert_str_eq(t->key, "http://h-0/");
    uint64_t before = r->transitions.items[1].id;
    store_req_destroy(&r);
    r = fx_req(STORE_TRANSITIONS);
    r->transitions.before = before;
    r->transitions.limit = 10;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->transitions.n, 2);
    ck_assert_int_eq(r->transitions.items[0].at.us, 1000001);
    ck_assert(!r->transitions.more);
    store_req_destroy(&r);
}
END_TEST

START_TEST(damage_is_found_and_a_start_refuses_it)
{
    struct scheduler_saved in = item(first, 7, 1000000);
    char text[4096] = "";
    tt_born(1);
    put_snapshot(&in, 1, 1000000);
    struct store_entry e[] = {tt_gap(first, PLAN_MISS_no_agent, 5, 3, 1000000),
                              tt_incident(1, INCIDENT_OPEN, INCIDENT_DID_OPEN, first)};
    tt_journal(e, 2);
    fx_sql("UPDATE misses SET count = 9; UPDATE incidents SET state = 2;"
           "UPDATE snapshots SET saved = X'0102'");
    ck_assert(!fx_check(text, sizeof(text)));
    ck_assert_ptr_nonnull(strstr(text, "the slots missed from 5 on are damaged"));
    ck_assert_ptr_nonnull(strstr(text, "incident 1: is damaged"));
    ck_assert_ptr_nonnull(strstr(text, "the saved state of checks"));
    fx_close();
    ck_assert_int_eq(fx_try_open(fx_dir, &fx, &fx_boot), ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(fx_why, "saved state"));
    fx_sql("DELETE FROM snapshots");
    fx_open();
}
END_TEST

TESTS(pure, a_snapshot_comes_back_as_it_was, marks_come_back_as_they_were)
TESTS(each, a_start_gets_the_snapshot, what_was_journalled_since_is_on_it,
      a_gap_that_grows_is_one_record, runs_since_the_snapshot_are_known,
      a_run_under_way_comes_with_all_its_tasks, rows_that_the_snapshot_has_seen_are_not_read_again,
      a_former_life_does_not_count, a_resumed_schedule_has_no_slots_before,
      an_incident_that_is_open_comes_with_its_checks, incidents_come_back_whole_by_state,
      the_number_of_an_incident_is_never_used_again, transitions_are_read_newest_first,
      damage_is_found_and_a_start_refuses_it)

static TCase *all(void)
{
    TCase *tc = each();
    tcase_add_checked_fixture(tc, setup, fx_teardown);
    tcase_set_timeout(tc, 60);
    return tc;
}
CHECK_MAIN("journal", pure, all)
