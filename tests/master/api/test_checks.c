/* SPDX-License-Identifier: MIT */
#include "tests/master/api/schedule_world.h"

#define HOUR_US (3600 * INT64_C(1000000))

static const char two[] = "{\"every\":\"30s\",\"targets\":[\"http://a.test/\",\"http://b.test/\"]}";

/* The world with two checks; returns the id of the first. */
static uint64_t start_with_two(void)
{
    schedule_world_start();
    expect(put("/api/v1/schedules/shop", two), 201, NULL);
    ck_assert_uint_eq(fk.n_checks, 2);
    return fk.checks[0].id;
}

static struct answer of_check(uint64_t id, const char *more)
{
    char path[240];
    snprintf(path, sizeof(path), "/api/v1/checks/%llu%s", (unsigned long long)id, more);
    return get(path);
}

START_TEST(test_the_list_is_filtered_and_paged)
{
    char path[80];
    uint64_t id = start_with_two();
    struct answer a = get("/api/v1/checks?limit=1");
    ck_assert_int_eq(a.status, 200);
    ck_assert_msg(has(&a,
                      "\"schedule\":\"shop\",\"target\":\"http://a.test/\",\"host\":\"a.test\","
                      "\"state\":\"up\",\"since\":\"2023-11-14T22:13:20.000000Z\",\"cause\":null,"
                      "\"confirmed\":true,\"flapping\":false"),
                  "%s", a.body);
    ck_assert(has(&a, "\"certificate\":{\"not_after\":\"2100-01-01T00:00:00.000000Z\""));
    ck_assert(has(&a, "\"last\":null"));
    ck_assert(!has(&a, "b.test"));
    answer_free(&a);
    snprintf(path, sizeof(path), "/api/v1/checks?limit=1&cursor=%llu", (unsigned long long)id);
    expect(get(path), 200, "\"target\":\"http://b.test/\"");
    expect(get(path), 200, "\"next_cursor\":null");
    expect(get("/api/v1/checks?state=down"), 200, "{\"checks\":[],");
    expect(get("/api/v1/checks?schedule=other"), 200, "{\"checks\":[],");
    expect(get("/api/v1/checks?host=A.test&schedule=shop&state=up"), 200, "http://b.test/");
    expect(get("/api/v1/checks?state=fine"), 400, "up, degraded, down or unknown");
    expect(get("/api/v1/checks?host="), 400, "'host'");
    schedule_world_stop();
}
END_TEST

START_TEST(test_one_check_shows_its_newest_changes_and_misses)
{
    uint64_t id = start_with_two();
    sk.recent[0] = 9;
    sk.recent[1] = 8;
    fk.n_transitions = 1;
    fk.transitions[0] = (struct store_transition){.at = {1700000000000000},
                                                  .from = VERDICT_UP,
                                                  .to = VERDICT_DOWN,
                                                  .cause = CAUSE_connect_refused,
                                                  .slot = 12,
                                                  .task = 9,
                                                  .advice = ""};
    struct answer a = of_check(id, "");
    ck_assert_int_eq(a.status, 200);
    ck_assert_msg(has(&a, "\"recent\":[\"9\",\"8\"]"), "%s", a.body);
    ck_assert(has(&a, "\"last\":{\"total_ms\":41.5,\"task\":\"9\"}"));
    ck_assert_msg(has(&a,
                      "\"from\":\"up\",\"to\":\"down\",\"cause\":\"connect_refused\",\"slot\":12,"
                      "\"task\":\"9\""),
                  "%s", a.body);
    ck_assert(has(&a, "\"missed\":[{\"reason\":\"no_agent\""));
    ck_assert(has(&a, "\"count\":3,\"first_slot\":7"));
    answer_free(&a);
    expect(of_check(4711, ""), 404, "no_such_check");
    expect(get("/api/v1/checks/one"), 404, "no_such_check");
    schedule_world_stop();
}
END_TEST

static uint32_t this_hour(void)
{
    return (uint32_t)(wall_now().us / HOUR_US);
}

START_TEST(test_history_by_day_adds_hours_up)
{
    uint64_t id = start_with_two();
    uint32_t day = (this_hour() / 24 - 3) * 24;
    fk_hour(id, day, VERDICT_UP);
    fk_hour(id, day + 1, VERDICT_UP);
    fk_hour(id, day + 2, VERDICT_DOWN);
    fk_hour(id, day + 24, VERDICT_UP);
    struct answer a = of_check(id, "/history");
    ck_assert_int_eq(a.status, 200);
    ck_assert_msg(has(&a, "\"by\":\"day\",\"uptime\":0.75,\"availability\":0.75,\"up_ms\":10800000,"
                          "\"degraded_ms\":0,\"down_ms\":3600000"),
                  "%s", a.body);
    ck_assert(has(&a, "\"goal\":null"));
    ck_assert(has(&a, "\"runs\":{\"ok\":3,\"failed\":1,"));
    ck_assert(has(&a, "\"total\":{\"p50\":40"));
    ck_assert(has(&a, "\"connect\":null"));
    ck_assert(has(&a, "\"up_ms\":7200000,\"degraded_ms\":0,\"down_ms\":3600000,\"unknown_ms\":0,"
                      "\"runs\":3,\"missed\":0,\"p50_ms\":40"));
    ck_assert_uint_eq(fk.asked_history, 1);
    answer_free(&a);
    schedule_world_stop();
}
END_TEST

START_TEST(test_history_by_hour_takes_a_stretch)
{
    char path[160], from[WALL_TEXT_MAX], to[WALL_TEXT_MAX];
    uint64_t id = start_with_two();
    uint32_t day = (this_hour() / 24 - 3) * 24;
    for (uint32_t h = 0; h < 5; h++)
        fk_hour(id, day + h, h == 1 ? VERDICT_DEGRADED : VERDICT_UP);
    wall_format((struct wall){(day + 1) * HOUR_US}, from);
    wall_format((struct wall){(day + 3) * HOUR_US}, to);
    snprintf(path, sizeof(path), "/history?by=hour&from=%s&to=%s", from, to);
    struct answer a = of_check(id, path);
    ck_assert_msg(has(&a, "\"by\":\"hour\",\"uptime\":1,"), "%s", a.body);
    ck_assert(has(&a, from) && has(&a, to));
    char *first = strstr(a.body, "\"p50_ms\"");
    ck_assert_ptr_nonnull(first);
    char *second = strstr(first + 1, "\"p50_ms\"");
    ck_assert(second != NULL && strstr(second + 1, "\"p50_ms\"") == NULL);
    answer_free(&a);
    snprintf(path, sizeof(path), "/history?from=%s&to=%s", to, from);
    expect(of_check(id, path), 400, "'from' must be before 'to'");
    expect(of_check(id, "/history?from=yesterday"), 400, "2026-11-22T04:00:00Z");
    expect(of_check(id, "/history?by=week"), 400, "hour or day");
    expect(of_check(id, "/history?by=hour&from=2020-01-01T00:00:00Z"), 400, "31 days");
    schedule_world_stop();
}
END_TEST

/* Down since half an hour, which 99.9 % of 30 days (43 minutes) bear for a short while only. */
START_TEST(test_history_with_a_goal_tells_the_budget_and_how_fast_it_burns)
{
    uint64_t id = start_with_two();
    struct wall now = wall_now();
    sk.has_goal = true;
    sk.goal = (struct slo_goal){.ppm = 999000, .period_hours = 720};
    fk_hour(id, this_hour() - 30, VERDICT_UP);
    fk_hour(id, this_hour() - 3, VERDICT_UP);
    fk.n_transitions = 1;
    fk.transitions[0] = (struct store_transition){.at = {now.us - HOUR_US / 2},
                                                  .from = VERDICT_UP,
                                                  .to = VERDICT_DOWN,
                                                  .cause = CAUSE_connect_refused};
    struct answer a = of_check(id, "/history");
    ck_assert_int_eq(a.status, 200);
    ck_assert_msg(has(&a,
                      "\"goal\":{\"availability\":99.9,\"period\":\"30d\",\"degraded\":\"good\","
                      "\"availability_of_period\":1,\"budget_ms\":2592000,\"spent_ms\":0,"
                      "\"budget_left\":1,\"severity\":\"page\",\"burn\":[{\"long\":\"1h\","
                      "\"short\":\"5m\",\"rate\":500"),
                  "%s", a.body);
    ck_assert(
        has(&a, "\"short_rate\":1000,\"threshold\":14.4,\"severity\":\"page\",\"burns\":true}"));
    ck_assert(has(&a, "{\"long\":\"3d\",\"short\":\"6h\",\"rate\":0,"));
    answer_free(&a);
    sk.goal.period_hours = 36; /* as the definition has it */
    expect(of_check(id, "/history"), 200, "\"period\":\"1d12h\"");
    sk.has_goal = false;
    schedule_world_stop();
}
END_TEST

START_TEST(test_history_of_a_check_that_is_gone_is_kept)
{
    start_with_two();
    fk_hour(4711, this_hour() - 30, VERDICT_UP);
    expect(of_check(4711, "/history"), 200, "\"schedule\":null,\"target\":null,");
    expect(of_check(4712, "/history"), 404, "no_such_check");
    fk.err = ERR_IO;
    expect(of_check(4711, "/history"), 500, "store_error");
    schedule_world_stop();
}
END_TEST

static void next_cursor(const struct answer *a, char out[64])
{
    const char *at = strstr(a->body, "\"next_cursor\":\"");
    out[0] = '\0';
    if (at)
        snprintf(out, 64, "%.*s", (int)strcspn(at + 15, "\""), at + 15);
}

/* Each run once, newest first, whatever the size of the page. */
static void walk(uint64_t id, unsigned limit)
{
    char path[160], cursor[64] = "";
    uint64_t last = UINT64_MAX;
    unsigned seen = 0;
    do {
        snprintf(path, sizeof(path), "/runs?limit=%u%s%s", limit, cursor[0] ? "&cursor=" : "",
                 cursor);
        struct answer a = of_check(id, path);
        ck_assert_msg(a.status == 200, "%d %s", a.status, a.body);
        for (char *p = a.body; (p = strstr(p, "{\"task\":\"")) != NULL; p++, seen++) {
            uint64_t task = strtoull(p + 9, NULL, 10);
            ck_assert_msg(task < last, "%llu after %llu", (unsigned long long)task,
                          (unsigned long long)last);
            last = task;
        }
        next_cursor(&a, cursor);
        answer_free(&a);
    } while (cursor[0]);
    ck_assert_msg(seen == 23, "%u runs by pages of %u", seen, limit);
}

START_TEST(test_runs_are_told_once_and_newest_first_in_pages_of_any_size)
{
    uint64_t id = start_with_two(), batch = task_id(77, 0);
    for (unsigned i = 0; i < 20; i++)
        fk.runs[fk.n_runs++] = batch + 20 - i;
    fk.runs_page = 6;
    for (unsigned i = 0; i < 5; i++) /* three that no hour has yet, and two that one has */
        sk.recent[i] = batch + 23 - i;
    for (unsigned limit = 1; limit < 30; limit++)
        walk(id, limit);
    expect(of_check(id, "/runs"), 200,
           "\"batch\":null,\"target\":\"http://a.test/\",\"agent\":\"a1\"");
    expect(of_check(id, "/runs?cursor=7"), 400, "next_cursor");
    memset(sk.recent, 0, sizeof(sk.recent));
    fk.n_runs = 0;
    expect(of_check(4711, "/runs"), 404, "no_such_check");
    expect(of_check(id, "/runs"), 200, "\"results\":[],\"next_cursor\":null");
    schedule_world_stop();
}
END_TEST

START_TEST(test_a_run_names_the_batch_that_it_ran_in)
{
    uint64_t id = start_with_two();
    char uuid[UUID_TEXT_MAX], text[80];
    struct answer a = post("/api/v1/batches", "text/plain", "http://a.test/\n");
    id_of(&a, uuid);
    sk.recent[0] = task_id(w.open[0].num, 0);
    snprintf(text, sizeof(text), "\"batch\":\"%s\"", uuid);
    expect(of_check(id, "/runs"), 200, text);
    sk.recent[0] = 0;
    schedule_world_stop();
}
END_TEST

static void many(char *body, size_t max, unsigned n)
{
    size_t len = (size_t)snprintf(body, max, "{\"every\":\"60s\",\"targets\":[");
    for (unsigned i = 0; i < n; i++)
        len += (size_t)snprintf(body + len, max - len, "%s\"http://h%u.test/\"", i ? "," : "", i);
    snprintf(body + len, max - len, "]}");
}

static unsigned count_ids(const struct answer *a)
{
    unsigned n = 0;
    for (char *p = a->body; (p = strstr(p, "{\"id\":\"")) != NULL; p++)
        n++;
    return n;
}

START_TEST(test_an_overview_tells_each_check_once_whatever_the_slices)
{
    char *body = mem_alloc(1 << 20), cursor[64], path[200];
    schedule_world_start();
    many(body, 1 << 20, 1300);
    expect(put("/api/v1/schedules/big", body), 201, NULL);
    expect(put("/api/v1/schedules/shop", two), 201, NULL);
    fk_hour(0, this_hour() / 24 * 24, VERDICT_UP);
    struct answer a = get("/api/v1/overview?limit=10000");
    ck_assert_msg(a.status == 200, "%d", a.status);
    ck_assert_uint_eq(count_ids(&a), 1302);
    ck_assert(has(&a, "\"next_cursor\":null"));
    ck_assert(has(&a, "\"target\":\"http://h7.test/\",\"state\":\"up\",\"uptime\":1,"
                      "\"availability\":1,\"down_ms\":0,\"unknown_ms\":0,\"runs\":1,\"missed\":0"));
    ck_assert_uint_eq(fk.asked_overview, 3);
    answer_free(&a);
    fk.overview_page = 170;
    a = get("/api/v1/overview?limit=10000");
    ck_assert_uint_eq(count_ids(&a), 1302);
    ck_assert(!has(&a, "\"uptime\":null"));
    answer_free(&a);
    a = get("/api/v1/overview?limit=800&schedule=big");
    ck_assert_uint_eq(count_ids(&a), 800);
    next_cursor(&a, cursor);
    answer_free(&a);
    snprintf(path, sizeof(path), "/api/v1/overview?limit=800&schedule=big&cursor=%s", cursor);
    a = get(path);
    ck_assert_uint_eq(count_ids(&a), 500);
    answer_free(&a);
    expect(get("/api/v1/overview?schedule=none"), 404, "no_such_schedule");
    expect(get("/api/v1/overview?days=0"), 400, "'days'");
    schedule_world_stop();
    free(body);
}
END_TEST

TESTS(lists, test_the_list_is_filtered_and_paged,
      test_one_check_shows_its_newest_changes_and_misses)
TESTS(histories, test_history_by_day_adds_hours_up, test_history_by_hour_takes_a_stretch,
      test_history_with_a_goal_tells_the_budget_and_how_fast_it_burns,
      test_history_of_a_check_that_is_gone_is_kept)
TESTS(runs, test_runs_are_told_once_and_newest_first_in_pages_of_any_size,
      test_a_run_names_the_batch_that_it_ran_in)
TESTS(overviews, test_an_overview_tells_each_check_once_whatever_the_slices)
CHECK_MAIN("checks", lists, histories, runs, overviews)
