/* SPDX-License-Identifier: MIT */
#include "tests/master/api/schedule_world.h"
#include "common/random.h"
#include "master/api/http.h"
#include <semaphore.h>
#include <zlib.h>

#define SHOP "/api/v1/schedules/shop"
#define SECRET                                                                                     \
    "{\"every\":\"30s\",\"targets\":[{\"url\":\"http://a.test/"                                    \
    "\",\"headers\":{\"X-Key\":\"hush\"},"                                                         \
    "\"auth\":{\"bearer\":\"hush\"},\"proxy\":\"http://me:hush@p.test:3128\"}]}"

static const char two[] = "{\"every\":\"30s\",\"targets\":[\"http://a.test/\",\"http://b.test/\"]}";

START_TEST(test_a_put_creates_then_replaces_and_says_what_changes)
{
    schedule_world_start();
    struct answer a = put(SHOP, two);
    ck_assert_msg(a.status == 201, "%d %s", a.status, a.body);
    ck_assert_ptr_nonnull(strstr(a.head, "Location: " SHOP));
    ck_assert_msg(has(&a, "\"name\":\"shop\",\"version\":1,"), "%s", a.body);
    ck_assert(has(&a, "\"created\":true,\"checks\":2,\"new\":2,\"changed\":0,\"removed\":0,"
                      "\"unchanged\":0"));
    answer_free(&a);
    expect(put(SHOP, two), 200, "\"version\":1,");
    expect(put(SHOP, two), 200, "\"new\":0,\"changed\":0,\"removed\":0,\"unchanged\":2");
    expect(put(SHOP,
               "{\"every\":\"60s\",\"targets\":[{\"url\":\"http://a.test/\",\"timeout_ms\":5000},"
               "\"http://c.test/\",\"http://d.test/\"]}"),
           200, "\"version\":2,");
    ck_assert_uint_eq(sk.n_log, 4);
    ck_assert_int_eq(sk.log[3].op, SREQ_PUT);
    ck_assert_uint_eq(sk.log[3].changed, 3);
    ck_assert_uint_eq(sk.log[3].removed, 1);
    schedule_world_stop();
}
END_TEST

START_TEST(test_a_dry_run_shows_the_difference_and_writes_nothing)
{
    schedule_world_start();
    expect(put(SHOP "?dry_run=1", two), 200, "\"created\":true");
    ck_assert_uint_eq(fk.n_schedules, 0);
    expect(put(SHOP, two), 201, NULL);
    struct answer a = put(SHOP "?dry_run=1", "{\"every\":\"1m\",\"paused\":true,\"goal\":"
                                             "{\"availability\":99.9},\"targets\":"
                                             "[\"http://a.test/\",\"http://c.test/\"]}");
    ck_assert_int_eq(a.status, 200);
    ck_assert_msg(has(&a, "{\"field\":\"every\",\"from\":\"30s\",\"to\":\"1m\"}"), "%s", a.body);
    ck_assert_msg(has(&a, "{\"field\":\"paused\",\"from\":false,\"to\":true}"), "%s", a.body);
    ck_assert_msg(has(&a, "{\"field\":\"goal\",\"from\":null,"), "%s", a.body);
    ck_assert(has(&a, "\"targets\":[{\"key\":\"http://c.test/\",\"what\":\"new\"},"
                      "{\"key\":\"http://b.test/\",\"what\":\"removed\"}]"));
    answer_free(&a);
    expect(get(SHOP), 200, "\"every\":\"30s\"");
    ck_assert_uint_eq(sk.n_log, 1);
    schedule_world_stop();
}
END_TEST

START_TEST(test_if_match_holds_a_change_to_the_version_that_was_seen)
{
    schedule_world_start();
    expect(ask_as(w.token, "PUT", SHOP, "If-Match: \"1\"\r\n", two, strlen(two)), 412,
           "version_mismatch");
    expect(put(SHOP, two), 201, NULL);
    expect(ask_as(w.token, "PUT", SHOP, "If-Match: \"1\"\r\n", two, strlen(two)), 200, NULL);
    expect(ask_as(w.token, "PUT", SHOP, "If-Match: 2\r\n", two, strlen(two)), 412, "version 2");
    expect(ask_as(w.token, "PUT", SHOP, "If-Match: *\r\n", two, strlen(two)), 400, "bad_version");
    expect(ask_as(w.token, "PUT", SHOP, "If-Match: \"\r\n", two, strlen(two)), 400, "bad_version");
    schedule_world_stop();
}
END_TEST

START_TEST(test_a_bad_definition_names_the_field_and_nothing_is_stored)
{
    schedule_world_start();
    expect(put(SHOP, "{"), 400, "\"code\":\"bad_json\"");
    expect(put(SHOP, ""), 400, "\"code\":\"bad_json\"");
    expect(put(SHOP, "{\"every\":\"30s\",\"targets\":[\"nonsense\"]}"), 422,
           "\"field\":\"targets[0]");
    expect(put(SHOP, "{\"evry\":\"30s\",\"targets\":[\"http://a.test/\"]}"), 422,
           "\"code\":\"invalid_schedule\"");
    expect(put(SHOP, "{\"name\":\"other\",\"every\":\"30s\",\"targets\":[\"http://a.test/\"]}"),
           422, "\"field\":\"name\"");
    expect(put(SHOP "?dryrun=1", two), 400, "dryrun");
    expect(send_as(w.submit_token, "PUT", SHOP,
                   "{\"every\":\"30s\",\"per_host\":0,\"targets\":[\"http://a.test/\"]}"),
           403, "\"field\":\"per_host\"");
    expect(send_as(w.read_token, "PUT", SHOP, two), 403, "submit");
    ck_assert_uint_eq(fk.n_schedules + sk.n_log, 0);
    fk.check_limit = 1;
    expect(put(SHOP, two), 422, "too_many_checks");
    fk.check_limit = 0;
    fk.err = ERR_NO_SPACE;
    expect(put(SHOP, two), 507, "no_space");
    schedule_world_stop();
}
END_TEST

START_TEST(test_an_alert_channel_that_is_not_there_is_refused)
{
    schedule_world_start();
    static const char body[] =
        "{\"every\":\"30s\",\"alerts\":[\"ops\"],\"targets\":[\"http://a.test/\"]}";
    expect(put(SHOP, body), 422, "\"field\":\"alerts[0]\"");
    expect(put("/api/v1/alerts/ops", "{\"kind\":\"webhook\",\"url\":\"https://h.test/\"}"), 201,
           NULL);
    expect(put(SHOP, body), 201, NULL);
    schedule_world_stop();
}
END_TEST

START_TEST(test_secrets_of_targets_are_never_shown)
{
    schedule_world_start();
    expect(put(SHOP, SECRET), 201, NULL);
    struct answer a = get(SHOP "?targets=1");
    ck_assert_int_eq(a.status, 200);
    ck_assert_msg(!has(&a, "hush"), "%s", a.body);
    ck_assert_msg(has(&a, "\"headers\":{\"X-Key\":\"(set)\"}"), "%s", a.body);
    ck_assert(has(&a, "\"auth\":\"(set)\""));
    ck_assert(has(&a, "\"proxy\":\"http://(set)@p.test:3128\""));
    ck_assert_int_eq(a.body[a.body_len - 1], '}');
    answer_free(&a);
    a = get(SHOP);
    ck_assert(has(&a, "\"definition\":{\"name\":\"shop\"") && !has(&a, "targets"));
    answer_free(&a);
    schedule_world_stop();
}
END_TEST

START_TEST(test_the_list_joins_what_is_stored_with_what_the_scheduler_knows)
{
    schedule_world_start();
    expect(put(SHOP, "{\"every\":\"30s\",\"owner\":\"web\",\"labels\":{\"team\":\"a\"},\"targets\":"
                     "[\"http://a.test/\"]}"),
           201, NULL);
    expect(put("/api/v1/schedules/mail", "{\"cron\":\"0 3 * * *\",\"zone\":\"Europe/Berlin\","
                                         "\"targets\":[\"http://b.test/\"]}"),
           201, NULL);
    struct answer a = get("/api/v1/schedules");
    ck_assert_msg(
        has(&a, "\"when\":{\"every\":null,\"cron\":\"0 3 * * *\",\"zone\":\"Europe/Berlin\"}"),
        "%s", a.body);
    ck_assert(has(&a, "\"states\":{\"up\":1,\"degraded\":0,\"down\":0,\"unknown\":0}"));
    ck_assert(has(&a, "\"missed\":{\"no_agent\":2}"));
    ck_assert(has(&a, "\"next_cursor\":null"));
    ck_assert(strstr(a.body, "\"mail\"") < strstr(a.body, "\"shop\""));
    answer_free(&a);
    expect(get("/api/v1/schedules?limit=1"), 200, "\"next_cursor\":\"mail\"");
    expect(get("/api/v1/schedules?limit=1&cursor=mail"), 200, "{\"schedules\":[{\"name\":\"shop\"");
    ck_assert_uint_eq(sk.n_views, 1); /* no more is asked than the page has */
    expect(get("/api/v1/schedules?cursor=shop"), 200, "{\"schedules\":[],\"next_cursor\":null}");
    expect(get("/api/v1/schedules?label=team:a"), 200, "{\"schedules\":[{\"name\":\"shop\"");
    expect(get("/api/v1/schedules?label=team:b"), 200, "{\"schedules\":[],");
    expect(get("/api/v1/schedules?owner=web"), 200, "{\"schedules\":[{\"name\":\"shop\"");
    expect(get("/api/v1/schedules?label=team"), 400, "KEY:VALUE");
    schedule_world_stop();
}
END_TEST

START_TEST(test_pause_resume_and_delete_are_stored_then_told)
{
    schedule_world_start();
    expect(put(SHOP, two), 201, NULL);
    expect(send_as(w.token, "POST", SHOP "/pause", ""), 200, "{\"name\":\"shop\",\"paused\":true}");
    expect(get(SHOP), 200, "\"paused\":true");
    expect(send_as(w.token, "POST", SHOP "/resume", ""), 200, "\"paused\":false");
    expect(send_as(w.token, "DELETE", SHOP, NULL), 204, NULL);
    expect(get(SHOP), 404, "no_such_schedule");
    expect(send_as(w.token, "DELETE", SHOP, NULL), 404, "no_such_schedule");
    expect(send_as(w.token, "POST", SHOP "/pause", ""), 404, "no_such_schedule");
    expect(send_as(w.token, "DELETE",
                   "/api/v1/schedules/"
                   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                   NULL),
           404, "no_such_schedule");
    expect(send_as(w.read_token, "DELETE", SHOP, NULL), 403, "submit");
    static const enum schedule_req_op ops[] = {SREQ_PUT, SREQ_PAUSE, SREQ_PAUSE, SREQ_REMOVE};
    ck_assert_uint_eq(sk.n_log, ARRAY_LEN(ops));
    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        ck_assert_int_eq(sk.log[i].op, ops[i]);
    ck_assert(sk.log[1].pause && !sk.log[2].pause);
    ck_assert_uint_eq(sk.log[3].id, sk.log[0].id);
    schedule_world_stop();
}
END_TEST

static void *put_one(void *arg)
{
    char body[200];
    snprintf(body, sizeof(body), "{\"every\":\"%ds\",\"targets\":[\"http://a.test/\"]}",
             10 + (int)(intptr_t)arg);
    struct answer a = put(SHOP, body);
    ck_assert_msg(a.status == 200 || a.status == 201, "%d %s", a.status, a.body);
    answer_free(&a);
    return NULL;
}

/* Each is another definition, so each has a version of its own. */
START_TEST(test_changes_reach_the_scheduler_in_the_order_of_their_commits)
{
    enum { N = 12 };
    pthread_t threads[N];
    sk.slow_ms = 20;
    schedule_world_start();
    for (intptr_t i = 0; i < N; i++)
        PTOK(pthread_create(&threads[i], NULL, put_one, (void *)i));
    for (int i = 0; i < N; i++)
        PTOK(pthread_join(threads[i], NULL));
    ck_assert_uint_eq(sk.n_log, N);
    for (unsigned i = 0; i < N; i++)
        ck_assert_uint_eq(sk.log[i].version, i + 1);
    ck_assert_uint_eq(sk.changing_most, 1);
    sk.slow_ms = 0;
    schedule_world_stop();
}
END_TEST

static atomic_bool ticking;
static void *tick(void *arg)
{
    while (atomic_load(&ticking)) {
        api_tick(w.api);
        usleep(5000);
    }
    return NULL;
}

START_TEST(test_what_is_committed_takes_effect_when_the_scheduler_is_full_at_first)
{
    pthread_t t;
    schedule_world_start();
    atomic_store(&ticking, true);
    PTOK(pthread_create(&t, NULL, tick, NULL));
    atomic_store(&sk.full, 3);
    expect(put(SHOP, two), 201, NULL);
    ck_assert_uint_eq(sk.n_log, 1);
    atomic_store(&sk.full, 1);
    expect(get("/api/v1/checks"), 503, "\"code\":\"busy\"");
    atomic_store(&ticking, false);
    PTOK(pthread_join(t, NULL));
    schedule_world_stop();
}
END_TEST

/* Over SCHEDULE_READ_HERE, so it is read on a thread of its own. */
static char *large(unsigned targets, size_t *len)
{
    struct strbuf b;
    strbuf_init(&b, 64 << 20);
    strbuf_puts(&b, "{\"every\":\"60s\",\"targets\":[");
    for (unsigned i = 0; i < targets; i++)
        strbuf_printf(&b, "%s\"http://h%u.test/%080u\"", i ? "," : "", i, i);
    strbuf_puts(&b, "]}");
    return strbuf_take(&b, len);
}

static char *gzipped(const char *p, size_t n, size_t *len)
{
    uLong max = compressBound(n) + 64;
    char *out = mem_alloc(max);
    z_stream z = {.next_in = (Bytef *)(uintptr_t)p, .avail_in = (uInt)n};
    ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)max;
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    *len = z.total_out;
    deflateEnd(&z);
    return out;
}

START_TEST(test_a_large_definition_is_taken_plain_and_as_gzip)
{
    size_t len, zipped;
    schedule_world_start();
    char *body = large(5000, &len), *gz = gzipped(body, len, &zipped);
    expect(ask_as(w.token, "PUT", SHOP, "", body, len), 201, "\"checks\":5000,\"new\":5000");
    expect(ask_as(w.token, "PUT", SHOP, "Content-Encoding: gzip\r\n", gz, zipped), 200,
           "\"unchanged\":5000");
    expect(ask_as(w.token, "PUT", SHOP, "Content-Encoding: gzip\r\n", gz, zipped - 9), 400,
           "bad_gzip");
    expect(ask_as(w.token, "PUT", SHOP, "Content-Encoding: br\r\n", gz, zipped), 415,
           "unsupported_encoding");
    struct answer a = get(SHOP "?targets=1");
    ck_assert_int_eq(a.status, 200);
    ck_assert(has(&a, "http://h4999.test/"));
    answer_free(&a);
    body[len / 2] = '\0';
    expect(ask_as(w.token, "PUT", SHOP, "", body, len), 400, "bad_json");
    free(body);
    free(gz);
    schedule_world_stop();
}
END_TEST

START_TEST(test_a_definition_over_its_bound_is_refused_while_it_is_sent)
{
    size_t len = SCHEDULE_DOC_MAX + 100, zipped;
    char *zeroes = mem_zalloc(len);
    schedule_world_start();
    char *gz = gzipped(zeroes, len, &zipped);
    expect(ask_as(w.token, "PUT", SHOP, "Content-Encoding: gzip\r\n", gz, zipped), 413,
           "body_too_large");
    expect(put(SHOP, two), 201, NULL);
    free(zeroes);
    free(gz);
    schedule_world_stop();
}
END_TEST

/* The first stays open behind its first two MiB; when it goes, so does its claim. */
START_TEST(test_of_large_bodies_one_is_read_at_a_time)
{
    char head[256];
    size_t len = 3 << 20;
    char *spaces = mem_alloc(len);
    memset(spaces, ' ', len);
    schedule_world_start();
    int fd = dial();
    int n = snprintf(head, sizeof(head),
                     "PUT " SHOP " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                     "Content-Length: %zu\r\n\r\n",
                     w.token, len);
    send_all(fd, head, (size_t)n);
    send_all(fd, spaces, len - 1);
    struct answer a;
    for (int tries = 0; tries < 500; tries++) { /* until what was sent has been read */
        a = ask_as(w.token, "PUT", SHOP, "", spaces, len);
        if (a.status == 429)
            break;
        answer_free(&a);
        usleep(10000);
    }
    expect(a, 429, "another body over 1 MiB");
    expect(put(SHOP, two), 201, NULL);
    close(fd);
    for (int tries = 0; tries < 500; tries++) {
        a = ask_as(w.token, "PUT", SHOP, "", spaces, len);
        if (a.status == 400)
            break;
        answer_free(&a);
        usleep(10000);
    }
    expect(a, 400, "bad_json");
    free(spaces);
    schedule_world_stop();
}
END_TEST

/* As if so many clients were slow to read theirs. */
START_TEST(test_few_definitions_are_read_at_once_with_all_their_targets)
{
    schedule_world_start();
    expect(put(SHOP, two), 201, NULL);
    atomic_store(&w.api->definitions, 3);
    expect(get(SHOP "?targets=1"), 200, "\"http://b.test/\"");
    for (int tries = 0; atomic_load(&w.api->definitions) != 3; tries++) {
        ck_assert_int_lt(tries, 500);
        usleep(10000);
    }
    atomic_store(&w.api->definitions, 4);
    expect(get(SHOP "?targets=1"), 429, "4 definitions");
    expect(get(SHOP), 200, NULL);
    schedule_world_stop();
}
END_TEST

START_TEST(test_a_master_without_a_scheduler_says_so)
{
    world_start();
    expect(put(SHOP, two), 503, "no_scheduler");
    expect(get("/api/v1/schedules"), 503, "no_scheduler");
    expect(get("/api/v1/checks/1/history"), 503, "no_scheduler");
    expect(get("/api/v1/incidents"), 503, "no_scheduler");
    expect(get("/api/v1/deliveries"), 503, "no_scheduler");
    expect(send_as(w.token, "POST", SHOP "/pause", ""), 503, "no_scheduler");
    expect(send_as(w.token, "POST", "/api/v1/alerts/ops/test", ""), 503, "no_alerts");
    world_stop();
}
END_TEST

static struct scheduler_stats stats;
START_TEST(test_metrics_tell_sums_and_the_series_that_are_asked_for)
{
    w.more.check_metrics = 1;
    w.more.schedule_stats = &stats;
    gauge_set(&stats.checks, 2);
    gauge_set(&stats.checks_by_state[VERDICT_UP], 2);
    counter_add(&stats.missed[PLAN_MISS_overloaded], 4);
    schedule_world_start();
    expect(put(SHOP, two), 201, NULL);
    struct answer a = get("/metrics");
    ck_assert_int_eq(a.status, 200);
    ck_assert_msg(has(&a, "\nsonde_checks{state=\"up\"} 2\n"), "%s", a.body);
    ck_assert(has(&a, "\nsonde_schedule_missed_total{reason=\"overloaded\"} 4\n"));
    ck_assert(has(&a, "\nsonde_check_state{schedule=\"shop\",target=\"http://a.test/\"} 0\n"));
    ck_assert(
        has(&a, "\nsonde_check_total_ms{schedule=\"shop\",target=\"http://a.test/\"} 41.5\n"));
    ck_assert(has(&a, "\nsonde_checks_without_series 1\n"));
    ck_assert(!has(&a, "target=\"http://b.test/\""));
    answer_free(&a);
    schedule_world_stop();
}
END_TEST

static unsigned lines_of(const struct answer *a, const char *begin)
{
    unsigned n = 0;
    for (const char *p = a->body, *end = p + a->body_len, *nl; p < end; p = nl ? nl + 1 : end) {
        nl = memchr(p, '\n', (size_t)(end - p));
        n += strncmp(p, begin, strlen(begin)) == 0;
    }
    return n;
}

/* 5,500 lines of 2,000 characters are more than a family of series may take. */
START_TEST(test_series_that_find_no_room_are_left_out_whole)
{
    char key[2000], rest[64];
    w.more.check_metrics = 20000;
    w.more.schedule_stats = &stats;
    gauge_set(&stats.checks, 5500);
    schedule_world_start();
    for (unsigned i = 1; i <= 5500; i++) {
        snprintf(key, sizeof(key), "http://h%u.test/%01950u", i, 0u);
        sk.checks[sk.n_checks++] =
            (struct fk_check){i, 1, mem_strdup(key), mem_strdup(""), mem_strdup("big")};
    }
    struct answer a = get("/metrics");
    unsigned told = lines_of(&a, "sonde_check_state{");
    ck_assert_uint_gt(told, 5000);
    ck_assert_uint_lt(told, 5500);
    ck_assert_uint_eq(lines_of(&a, "sonde_check_total_ms{"), told);
    ck_assert_uint_eq(lines_of(&a, "sonde_check_certificate_days{"), told);
    snprintf(rest, sizeof(rest), "sonde_checks_without_series %u\n", 5500 - told);
    ck_assert_uint_eq(lines_of(&a, rest), 1);
    ck_assert_int_eq(a.body[a.body_len - 1], '\n');
    answer_free(&a);
    schedule_world_stop();
}
END_TEST

static void stored(struct store_req *s)
{
    sem_post(s->arg);
}

/* Nobody but the master opens one. */
static void open_lane(char uuid[UUID_TEXT_MAX])
{
    uint8_t random[16];
    sem_t done;
    PTOK(sem_init(&done, 0, 0));
    random_bytes(random, sizeof(random));
    struct store_req *s = store_req_create(STORE_LANE_OPEN, stored, &done);
    uuid7_format(wall_now(), random, s->lane.info.uuid);
    trace_format(random, s->lane.info.trace);
    snprintf(uuid, UUID_TEXT_MAX, "%s", s->lane.info.uuid);
    s->lane.info.cls = CLASS_SCHEDULE;
    s->lane.info.deadline_s = 3600;
    s->lane.lane = mem_strdup("any");
    ck_assert_int_eq(store_post(w.store, s), ERR_NONE);
    while (sem_wait(&done) != 0)
        ;
    ck_assert_int_eq(s->err, ERR_NONE);
    store_req_destroy(&s);
    PTOK(sem_destroy(&done));
}

START_TEST(test_a_lane_is_read_as_a_batch_and_changed_by_its_schedules_alone)
{
    static const char *const verbs[] = {"cancel", "pause", "resume", "retry-failed"};
    char uuid[UUID_TEXT_MAX], path[100];
    schedule_world_start();
    open_lane(uuid);
    snprintf(path, sizeof(path), "/api/v1/batches/%s", uuid);
    expect(get(path), 200, "\"state\":\"running\",\"priority\":\"schedule\"");
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        snprintf(path, sizeof(path), "/api/v1/batches/%s/%s", uuid, verbs[i]);
        expect(send_as(w.token, "POST", path, ""), 409, "\"code\":\"lane\"");
    }
    schedule_world_stop();
}
END_TEST

TESTS(puts_, test_a_put_creates_then_replaces_and_says_what_changes,
      test_a_dry_run_shows_the_difference_and_writes_nothing,
      test_if_match_holds_a_change_to_the_version_that_was_seen,
      test_a_bad_definition_names_the_field_and_nothing_is_stored,
      test_an_alert_channel_that_is_not_there_is_refused)
TESTS(large_ones, test_a_large_definition_is_taken_plain_and_as_gzip,
      test_a_definition_over_its_bound_is_refused_while_it_is_sent,
      test_of_large_bodies_one_is_read_at_a_time)
TESTS(order, test_changes_reach_the_scheduler_in_the_order_of_their_commits,
      test_what_is_committed_takes_effect_when_the_scheduler_is_full_at_first)
TESTS(reads, test_secrets_of_targets_are_never_shown,
      test_few_definitions_are_read_at_once_with_all_their_targets,
      test_the_list_joins_what_is_stored_with_what_the_scheduler_knows,
      test_pause_resume_and_delete_are_stored_then_told,
      test_a_lane_is_read_as_a_batch_and_changed_by_its_schedules_alone,
      test_a_master_without_a_scheduler_says_so,
      test_metrics_tell_sums_and_the_series_that_are_asked_for,
      test_series_that_find_no_room_are_left_out_whole)
CHECK_MAIN("schedules", puts_, large_ones, order, reads)
