/* SPDX-License-Identifier: MIT */
#include "tests/master/api/world.h"
#include <poll.h>
#include <sys/time.h>

#define DEADLINE_S  10
#define STREAM_MAX  (64u << 20)
#define STREAMS_MAX API_STREAMS_MAX

/* An open stream, and what came of it (with the marks of its chunks). */
struct viewer {
    int fd;
    struct strbuf got;
};

static void view(struct viewer *v, const char *token, const char *id, const char *query,
                 const char *extra)
{
    char head[1024];
    struct timeval limit = {.tv_sec = DEADLINE_S};
    v->fd = dial();
    strbuf_init(&v->got, STREAM_MAX);
    ck_assert_int_eq(setsockopt(v->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    int n = snprintf(head, sizeof(head),
                     "GET /api/v1/batches/%s/events%s HTTP/1.1\r\nHost: x\r\n"
                     "Authorization: Bearer %s\r\n%s\r\n",
                     id, query, token, extra);
    send_all(v->fd, head, (size_t)n);
}

static void leave(struct viewer *v)
{
    close(v->fd);
    strbuf_fini(&v->got);
}

/* False: it has ended, or nothing came for so long. */
static bool read_more(struct viewer *v)
{
    char part[65536];
    ssize_t n = recv(v->fd, part, sizeof(part), 0);
    if (n > 0)
        strbuf_append(&v->got, part, (size_t)n);
    return n > 0;
}

static unsigned count(const struct viewer *v, const char *text)
{
    unsigned n = 0;
    for (const char *p = v->got.len ? v->got.data : ""; (p = strstr(p, text)) != NULL; p++)
        n++;
    return n;
}

static void see(struct viewer *v, const char *text, unsigned times)
{
    while (count(v, text) < times)
        ck_assert_msg(read_more(v), "no %u times '%s' in %s", times, text,
                      v->got.len ? v->got.data : "");
}

static void see_all(struct viewer *v)
{
    see(v, "\r\n0\r\n\r\n", 1);
}

/* The n-th id, from 1 on. */
static uint64_t id_at(const struct viewer *v, unsigned n)
{
    const char *p = v->got.data;
    for (; n > 0; n--) {
        p = strstr(p, "id: ");
        ck_assert_ptr_nonnull(p);
        p += 4;
    }
    return strtoull(p, NULL, 10);
}

/* Each id once, rising. */
static void ids_rise(const struct viewer *v, unsigned n, uint64_t above)
{
    const char *p = v->got.data;
    ck_assert_uint_eq(count(v, "id: "), n);
    for (unsigned i = 1; i <= n; i++) {
        p = strstr(p, "id: ") + strlen("id: ");
        uint64_t id = strtoull(p, NULL, 10);
        ck_assert_uint_gt(id, above);
        above = id;
    }
}

/* ---- batches */

static void submit(unsigned n, char id[UUID_TEXT_MAX])
{
    struct strbuf b;
    strbuf_init(&b, STREAM_MAX);
    for (unsigned i = 0; i < n; i++)
        strbuf_printf(&b, "http://h%u.test/\n", i);
    struct answer a = post("/api/v1/batches", "text/plain", b.data);
    id_of(&a, id);
    strbuf_fini(&b);
}

static void submit_ended(unsigned n, char id[UUID_TEXT_MAX])
{
    char path[128];
    submit(n, id);
    snprintf(path, sizeof(path), "/api/v1/batches/%s?wait=20s", id);
    struct answer a = get(path);
    ck_assert_msg(has(&a, "\"ended\""), "%s", a.body);
    answer_free(&a);
}

static void was_stored(struct store_req *s)
{
    ck_assert_int_eq(s->err, ERR_NONE);
    atomic_bool *done = s->arg;
    store_req_destroy(&s);
    atomic_store(done, true);
}

/* Committed, then counted by the core: of the batch opened last. */
static void store_some(unsigned from, unsigned n, const char *record, size_t len)
{
    unsigned at = w.n_open - 1;
    atomic_bool done = false;
    struct store_req *s = store_req_create(STORE_RESULTS, was_stored, &done);
    s->results.items = mem_array(n, sizeof(*s->results.items));
    for (unsigned i = 0; i < n; i++)
        s->results.items[s->results.n++] =
            (struct store_result){.task = task_id(w.open[at].num, from + i),
                                  .agent = "a1",
                                  .attempt = 1,
                                  .outcome = OUTCOME_OK,
                                  .cause = "",
                                  .record = record,
                                  .record_len = (uint32_t)len};
    ck_assert_int_eq(store_post(w.store, s), ERR_NONE);
    while (!atomic_load(&done))
        usleep(1000);
    w.open[at].ok += n;
}

#define RECORD "{\"outcome\":\"ok\",\"cause\":null}"

static void end_rest(const char *id)
{
    char path[128];
    snprintf(path, sizeof(path), "/api/v1/batches/%s?wait=20s", id);
    struct answer a = get(path);
    ck_assert_msg(has(&a, "\"ended\""), "%s", a.body);
    answer_free(&a);
}

/* ---- what is said */

START_TEST(test_an_ended_batch_says_all_and_the_stream_closes)
{
    char id[UUID_TEXT_MAX];
    struct viewer v;
    world_start();
    submit_ended(300, id);
    view(&v, w.read_token, id, "?results=1", "");
    see_all(&v);
    const char *head[] = {"HTTP/1.1 200", "text/event-stream", "X-Accel-Buffering: no",
                          "Cache-Control: no-store", "retry: "};
    for (size_t i = 0; i < ARRAY_LEN(head); i++)
        ck_assert_msg(count(&v, head[i]) == 1, "%s in %s", head[i], v.got.data);
    ids_rise(&v, 300, 0);
    ck_assert_uint_eq(count(&v, "event: progress"), 1);
    ck_assert_uint_eq(count(&v, "event: end\ndata: {\"id\":"), 1);
    ck_assert_ptr_nonnull(strstr(strstr(v.got.data, "event: end"), "\"ok\":300"));
    leave(&v);
    world_stop();
}
END_TEST

START_TEST(test_without_results_there_are_none)
{
    char id[UUID_TEXT_MAX];
    struct viewer v;
    world_start();
    submit_ended(3, id);
    view(&v, w.token, id, "", "");
    see_all(&v);
    ck_assert_uint_eq(count(&v, "id: "), 0);
    ck_assert_uint_eq(count(&v, "event: end"), 1);
    leave(&v);
    world_stop();
}
END_TEST

START_TEST(test_results_come_as_they_are_stored_and_each_once)
{
    char id[UUID_TEXT_MAX];
    struct viewer v;
    world_start();
    submit(50, id);
    view(&v, w.token, id, "?results=1", "");
    see(&v, "event: progress", 1);
    ck_assert_uint_eq(count(&v, "id: "), 0);
    for (unsigned i = 0; i < 40; i += 10) {
        store_some(i, 10, RECORD, strlen(RECORD));
        see(&v, "id: ", i + 10);
    }
    end_rest(id);
    see_all(&v);
    ids_rise(&v, 50, 0);
    ck_assert_uint_eq(count(&v, "event: end"), 1);
    leave(&v);
    world_stop();
}
END_TEST

START_TEST(test_last_event_id_resumes_without_loss_or_doubling)
{
    char id[UUID_TEXT_MAX], extra[64], query[64];
    struct viewer v, rest;
    world_start();
    submit_ended(100, id);
    view(&v, w.token, id, "?results=1", "");
    see_all(&v);
    snprintf(extra, sizeof(extra), "Last-Event-ID: %llu\r\n", (unsigned long long)id_at(&v, 37));
    view(&rest, w.token, id, "?results=1&last_event_id=1", extra); /* the header is newer */
    see_all(&rest);
    ids_rise(&rest, 63, id_at(&v, 37));
    leave(&rest);
    snprintf(query, sizeof(query), "?results=1&last_event_id=%llu",
             (unsigned long long)id_at(&v, 100));
    view(&rest, w.token, id, query, "");
    see_all(&rest);
    ids_rise(&rest, 0, 0);
    ck_assert_uint_eq(count(&rest, "event: end"), 1);
    leave(&rest);
    leave(&v);
    world_stop();
}
END_TEST

START_TEST(test_progress_is_said_twice_a_second_at_most)
{
    char id[UUID_TEXT_MAX];
    struct viewer v;
    world_start();
    submit(1000, id);
    view(&v, w.token, id, "", "");
    see(&v, "event: progress", 1);
    struct mono begun = mono_now();
    while (count(&v, "event: progress") < 4) {
        w.open[0].ok += 3;
        struct pollfd p = {.fd = v.fd, .events = POLLIN};
        if (poll(&p, 1, 5) > 0)
            ck_assert(read_more(&v));
    }
    ck_assert_int_ge(mono_diff_ms(mono_now(), begun), 3 * 450);
    unsigned seen = count(&v, "event: progress");
    see(&v, "event: progress", seen); /* unchanged: said no more */
    struct pollfd p = {.fd = v.fd, .events = POLLIN};
    while (poll(&p, 1, 1200) > 0)
        ck_assert(read_more(&v));
    ck_assert_uint_le(count(&v, "event: progress"), seen + 1);
    leave(&v);
    world_stop();
}
END_TEST

START_TEST(test_line_breaks_of_a_record_do_not_break_the_event)
{
    char id[UUID_TEXT_MAX];
    struct viewer v;
    static const char record[] = "{\"outcome\":\"ok\",\r\n\n\"cause\":null}";
    world_start();
    submit(2, id);
    store_some(0, 1, record, strlen(record));
    view(&v, w.token, id, "?results=1", "");
    see(&v, "event: result", 1);
    see(&v, "\"cause\":null", 1);
    ck_assert_ptr_null(strstr(v.got.data, "\n\"cause\""));
    leave(&v);
    world_stop();
}
END_TEST

/* ---- who may not, and how it ends early */

static void refused(const char *token, const char *id, const char *query, const char *extra,
                    const char *status, const char *text)
{
    struct viewer v;
    view(&v, token, id, query, extra);
    see(&v, status, 1);
    see(&v, text, 1);
    leave(&v);
}

START_TEST(test_bad_requests_are_told_why)
{
    char id[UUID_TEXT_MAX];
    world_start();
    submit(2, id);
    refused(w.token, id, "?last_event_id=x", "", " 400 ", "last event id");
    refused(w.token, id, "", "Last-Event-ID: 1e3\r\n", " 400 ", "last event id");
    refused(w.token, id, "?colour=red", "", " 400 ", "colour");
    refused(w.token, "01930000-0000-7000-8000-000000000000", "", "", " 404 ", "no_such_batch");
    refused("nobody", id, "", "", " 401 ", "bad_token");
    world_stop();
}
END_TEST

START_TEST(test_too_many_streams_are_refused_in_words_until_one_leaves)
{
    char id[UUID_TEXT_MAX];
    static struct viewer v[STREAMS_MAX];
    world_start();
    submit(2, id);
    for (unsigned i = 0; i < STREAMS_MAX; i++)
        view(&v[i], w.token, id, "", "");
    for (unsigned i = 0; i < STREAMS_MAX; i++)
        see(&v[i], "event: progress", 1);
    refused(w.token, id, "", "", " 503 ", "Retry-After: ");
    refused(w.token, id, "", "", " 503 ", "200 streams of events are open");
    struct answer a = get("/metrics");
    ck_assert(has(&a, "sonde_api_streams 200\n"));
    ck_assert(has(&a, "sonde_api_streams_refused_total 2\n"));
    answer_free(&a);
    for (unsigned i = 0; i < STREAMS_MAX; i++)
        leave(&v[i]);
    struct mono begun = mono_now();
    bool none = false;
    while (!none) {
        ck_assert_int_lt(mono_diff_ms(mono_now(), begun), DEADLINE_S * 1000);
        a = get("/metrics");
        none = has(&a, "sonde_api_streams 0\n");
        answer_free(&a);
    }
    view(&v[0], w.token, id, "", "");
    see(&v[0], "event: progress", 1);
    leave(&v[0]);
    world_stop();
}
END_TEST

START_TEST(test_a_revoked_token_ends_its_streams)
{
    char id[UUID_TEXT_MAX], why[200], token_id[TOKEN_ID_MAX] = "";
    struct viewer v, other;
    struct tokens *t = NULL;
    struct token_grant g;
    world_start();
    submit(2, id);
    view(&v, w.read_token, id, "", "");
    view(&other, w.token, id, "", "");
    see(&v, "event: progress", 1);
    ck_assert_int_eq(tokens_open(w.dir, &t, why, sizeof(why)), ERR_NONE);
    ck_assert(tokens_check(t, w.read_token, strlen(w.read_token), &g));
    snprintf(token_id, sizeof(token_id), "%s", g.id);
    tokens_close(&t);
    ck_assert_int_eq(token_revoke(w.dir, token_id, why, sizeof(why)), ERR_NONE);
    struct mono begun = mono_now();
    while (read_more(&v))
        ;
    ck_assert_int_lt(mono_diff_ms(mono_now(), begun), 3000);
    w.open[0].ok = 1;
    see(&other, "\"ok\":1", 1);
    leave(&v);
    leave(&other);
    world_stop();
}
END_TEST

START_TEST(test_the_end_of_the_master_ends_streams)
{
    char id[UUID_TEXT_MAX];
    struct viewer v;
    world_start();
    submit(2, id);
    view(&v, w.token, id, "?results=1", "");
    see(&v, "event: progress", 1);
    struct mono begun = mono_now();
    world_stop();
    ck_assert_int_lt(mono_diff_ms(mono_now(), begun), 4000);
    while (read_more(&v))
        ;
    ck_assert_uint_eq(count(&v, "event: end"), 0);
    leave(&v);
}
END_TEST

/* ---- a reader that does not read */

static uint64_t events_written(void)
{
    struct answer a = get("/metrics");
    const char *at = strstr(a.body, "\nsonde_api_stream_events_total ");
    ck_assert_ptr_nonnull(at);
    uint64_t n = strtoull(strchr(at, ' '), NULL, 10);
    answer_free(&a);
    return n;
}

static void alive(void)
{
    struct answer a = get("/healthz");
    ck_assert_int_eq(a.status, 200);
    answer_free(&a);
}

START_TEST(test_who_does_not_read_stands_still_and_holds_nobody_up)
{
    enum { LARGE = 64000, ROWS = 600 };
    char id[UUID_TEXT_MAX];
    char *record = mem_alloc(LARGE + 64);
    struct viewer v;
    world_start();
    submit(ROWS + 1, id);
    int n = snprintf(record, LARGE + 64, "{\"outcome\":\"ok\",\"filler\":\"%0*d\"}", LARGE, 7);
    for (unsigned i = 0; i < ROWS; i += 100)
        store_some(i, 100, record, (size_t)n);
    view(&v, w.token, id, "?results=1", "");
    uint64_t before = 0, now = events_written();
    while (now == 0 || now != before) { /* until the sockets are full */
        before = now;
        usleep(300000);
        now = events_written();
    }
    ck_assert_uint_lt(now, ROWS);
    struct mono begun = mono_now();
    for (unsigned i = 0; i < 50; i++)
        alive();
    ck_assert_int_lt(mono_diff_ms(mono_now(), begun), 2000);
    while (v.got.len < 100 * (size_t)LARGE) /* it reads again: nothing was left out so far */
        ck_assert(read_more(&v));
    ids_rise(&v, count(&v, "id: "), 0);
    leave(&v);
    free(record);
    world_stop();
}
END_TEST

TESTS(said, test_an_ended_batch_says_all_and_the_stream_closes, test_without_results_there_are_none,
      test_results_come_as_they_are_stored_and_each_once,
      test_last_event_id_resumes_without_loss_or_doubling,
      test_progress_is_said_twice_a_second_at_most,
      test_line_breaks_of_a_record_do_not_break_the_event)
TESTS(ends, test_bad_requests_are_told_why,
      test_too_many_streams_are_refused_in_words_until_one_leaves,
      test_a_revoked_token_ends_its_streams, test_the_end_of_the_master_ends_streams)
TESTS(slow, test_who_does_not_read_stands_still_and_holds_nobody_up)
CHECK_MAIN("events", said, ends, slow)
