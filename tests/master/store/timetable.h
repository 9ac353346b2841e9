/* SPDX-License-Identifier: MIT */
#pragma once
#include "tests/master/store/fixture.h"

/* timetable - what the tests of schedules share beside fixture.h: definitions to put, and the rows
 * of lanes as they would be there. */

#define TT_HOUR_US (3600 * INT64_C(1000000))
#define TT_DOC     "{\"every\":\"60s\"}"

struct tt_target {
    const char *key, *spec, *user_id, *host;
};

/* The targets are freed with `to`, which outlives the request. */
static FIXTURE_UNUSED struct store_req *tt_put_req(const char *name, const char *doc,
                                                   const struct tt_target *targets, size_t n,
                                                   struct schedule_target **to)
{
    struct store_req *r = fx_req(STORE_SCHEDULE_PUT);
    *to = mem_array(n + 1, sizeof(**to));
    for (size_t i = 0; i < n; i++)
        (*to)[i] = (struct schedule_target){.key = (char *)targets[i].key,
                                            .spec = (char *)targets[i].spec,
                                            .spec_len = strlen(targets[i].spec),
                                            .user_id = (char *)targets[i].user_id,
                                            .host = (char *)targets[i].host,
                                            .host_hash = 17};
    r->put.name = name;
    r->put.doc = doc;
    r->put.targets = *to;
    r->put.n_targets = n;
    return r;
}

/* n targets "http://h-N/" of one schedule; the id of the first, the others follow it. */
static FIXTURE_UNUSED uint64_t tt_schedule(const char *name, size_t n)
{
    struct store_req *r = fx_req(STORE_SCHEDULE_PUT);
    struct schedule_target *targets = mem_array(n, sizeof(*targets));
    char(*texts)[2][48] = mem_array(n, sizeof(*texts));
    for (size_t i = 0; i < n; i++) {
        snprintf(texts[i][0], 48, "http://h-%zu/", i);
        snprintf(texts[i][1], 48, "{\"url\":\"http://h-%zu/\"}", i);
        targets[i] = (struct schedule_target){.key = texts[i][0],
                                              .spec = texts[i][1],
                                              .spec_len = strlen(texts[i][1]),
                                              .host = texts[i][0] + strlen("http://")};
    }
    r->put.name = name;
    r->put.doc = TT_DOC;
    r->put.targets = targets;
    r->put.n_targets = n;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    uint64_t first = r->put.ids[0];
    ck_assert_uint_eq(r->put.ids[n - 1], first + n - 1);
    store_req_destroy(&r);
    free(targets);
    free(texts);
    return first;
}

static FIXTURE_UNUSED void tt_sql(const char *fmt, ...)
{
    char *sql;
    va_list ap;
    va_start(ap, fmt);
    sql = sqlite3_vmprintf(fmt, ap);
    va_end(ap);
    fx_sql(sql);
    sqlite3_free(sql);
}

/* The schedule and its checks are as old as that. */
static FIXTURE_UNUSED void tt_born(int64_t at_us)
{
    tt_sql("UPDATE checks SET created_at = %lld; UPDATE schedules SET created_at = %lld, "
           "changed_at = %lld; UPDATE meta SET value = %lld WHERE key = 'rolled_until'",
           at_us, at_us, at_us, at_us - at_us % TT_HOUR_US);
}

/*
 * A lane that has ended: of each of the checks from `check` on, rounds runs, one a minute from
 * first_us on, every one of them ok but those of a round that `failed` divides. The store is
 * closed.
 */
static FIXTURE_UNUSED void tt_lane(unsigned num, uint64_t check, unsigned checks, unsigned rounds,
                                   int64_t first_us, unsigned failed)
{
    unsigned n = checks * rounds, bad = failed ? (rounds + failed - 1) / failed * checks : 0;
    int64_t end = first_us + rounds * INT64_C(60000000);
    tt_sql("INSERT INTO batches(num, state, uuid, trace, cls, deadline_s, per_host, created_at, "
           "opened_at, ended_at, total, ok, failed, low_water, last_seq, lane) VALUES(%u, 2, "
           "printf('0190b5f0-0000-7000-8000-%%012d', %u), '4bf92f3577b34da6a3ce929d0e0e4736', 1, "
           "60, 8, %lld, %lld, %lld, %u, %u, %u, %u, %u, '{}')",
           num, num, first_us, first_us, end, n, n - bad, bad, n, n);
    tt_sql("INSERT INTO tasks(task, host, spec, run_check, run_seq, run_at) WITH RECURSIVE c(i) AS "
           "(SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i + 1 < %u) SELECT (%u << 32) + i, 1, "
           "'', %llu + i %% %u, 1 + i / %u, %lld + i / %u * 60000000 + i %% %u FROM c",
           n, num, check, checks, checks, first_us, checks, checks);
    tt_sql("INSERT INTO results(task, seq, batch, attempt, outcome, agent, cause, record) "
           "SELECT task, (task & 4294967295) + 1, %u, 1, %s, 'a1', %s, "
           "printf('{\"outcome\":\"ok\",\"timings\":{\"dns_ms\":null,\"total_ms\":%%d.5}}', "
           "run_check - %llu + 10) FROM tasks WHERE task >= %u << 32 AND task < %u << 32",
           num, failed ? "(run_seq - 1) % 2 = 0" : "0",
           failed ? "CASE (run_seq - 1) % 2 WHEN 0 THEN 'http_5xx' ELSE '' END" : "''", check, num,
           num + 1);
    if (failed)
        tt_sql("INSERT INTO causes VALUES(%u, 'http_5xx', %u)", num, bad);
}

/* The current hour less n. */
static FIXTURE_UNUSED int64_t tt_hours_ago(int64_t n)
{
    int64_t now = wall_now().us;
    return now - now % TT_HOUR_US - n * TT_HOUR_US;
}

static FIXTURE_UNUSED struct store_entry
tt_transition(uint64_t check, int64_t at_us, enum verdict_state from, enum verdict_state to)
{
    return (struct store_entry){.kind = ENTRY_TRANSITION,
                                .at = {at_us},
                                .check = check,
                                .schedule = mem_strdup("s"),
                                .key = mem_strdup("http://h-0/"),
                                .from = from,
                                .to = to,
                                .cause = to == VERDICT_DOWN ? CAUSE_connect_refused : CAUSE_NONE,
                                .slot = 9,
                                .task = 77};
}

static FIXTURE_UNUSED struct store_entry tt_gap(uint64_t check, enum plan_miss why, uint64_t seq,
                                                uint64_t count, int64_t at_us)
{
    return (struct store_entry){
        .kind = ENTRY_GAP,
        .at = {at_us},
        .check = check,
        .gap = {.why = why,
                .first_seq = seq,
                .count = count,
                .first_at = {at_us},
                .last = {seq + count - 1, {at_us + ((int64_t)count - 1) * INT64_C(60000000)}}}};
}

static FIXTURE_UNUSED struct store_entry tt_incident(uint64_t id, enum incident_state state,
                                                     enum incident_action_kind action,
                                                     uint64_t check)
{
    struct store_entry e = {.kind = ENTRY_INCIDENT,
                            .at = {5000000},
                            .schedule = mem_strdup("s"),
                            .key = mem_strdup("http://h-0/"),
                            .action = action,
                            .delivery = mem_strdup("{\"text\":\"down\"}")};
    e.incident = (struct incident){.id = id,
                                   .state = state,
                                   .host = "h-0/",
                                   .causes = {CAUSE_connect_refused},
                                   .n_causes = 1,
                                   .since = {4000000},
                                   .checks = 1,
                                   .not_up = 1,
                                   .first = {.check = check,
                                             .result = 5,
                                             .agent = "a1",
                                             .cause = CAUSE_connect_refused,
                                             .at = {4000000}},
                                   .last = {.check = check, .agent = ""},
                                   .note = "caf\xc3"}; /* cut in the middle of a letter */
    if (state >= INCIDENT_RESOLVED)
        e.incident.ended_at = (struct wall){9000000};
    e.alerts = mem_array(2, sizeof(*e.alerts));
    e.alerts[0] = mem_strdup("ops");
    e.alerts[1] = mem_strdup("nobody");
    e.n_alerts = 2;
    return e;
}

/* How many deliveries were queued with it. */
static FIXTURE_UNUSED unsigned tt_journal(const struct store_entry *entries, unsigned n)
{
    struct store_req *r = fx_req(STORE_JOURNAL);
    r->journal.items = mem_dup(entries, n * sizeof(*entries));
    r->journal.n = n;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    unsigned queued = r->journal.queued;
    store_req_destroy(&r);
    return queued;
}
