/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/log.h"
#include "common/mem.h"
#include "master/api/api.h"
#include "master/auth/tokens.h"
#include "proto/result.h"
#include "tests/support/check_main.h"
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * world - a real daemon over a real store, and a small core on a thread of its own: it knows which
 * batches are open, and ends all tasks of one with "ok" when somebody waits for it. And a blocking
 * HTTP client.
 */
#define FAKE_BATCHES 64
#define FAKE_TICK_MS 2

struct world {
    char dir[32], token[TOKEN_TEXT_MAX], read_token[TOKEN_TEXT_MAX], submit_token[TOKEN_TEXT_MAX];
    struct store *store;
    struct api *api;
    struct mailbox *box;
    pthread_t core;
    bool hub_hangs; /* its last tick was long ago */
    bool overloaded;
    int64_t retention_bytes; /* set before world_start() */
    struct api_config more;  /* likewise: of its members, those about schedules and alerts */
    unsigned n_open;
    struct {
        uint32_t num;
        uint64_t total;
        _Atomic uint64_t ok; /* ended while it is open, as a test has stored them */
        bool ended, marked, paused;
    } open[FAKE_BATCHES];
};
static struct world w;

/* ---- the small core */

static void results_stored(struct store_req *s)
{
    struct core_req *r = s->arg;
    ck_assert_int_eq(s->err, ERR_NONE);
    r->found = true;
    store_req_destroy(&s);
    r->done(r);
}

static void end_batch(struct core_req *r, uint32_t num, uint64_t total)
{
    static const char record[] = "{\"outcome\":\"ok\",\"cause\":null,\"message\":null,"
                                 "\"timings\":{\"total_ms\":1.5},\"http\":{\"status\":200}}";
    struct store_req *s = store_req_create(STORE_RESULTS, results_stored, r);
    s->results.items = mem_array(total, sizeof(*s->results.items));
    for (uint64_t i = 0; i < total; i++)
        s->results.items[s->results.n++] = (struct store_result){
            .task = task_id(num, (uint32_t)i),
            .agent = "a1",
            .attempt = 1,
            .outcome = OUTCOME_OK,
            .cause = "",
            .record = record,
            .record_len = sizeof(record) - 1,
        };
    ck_assert_int_eq(store_post(w.store, s), ERR_NONE);
}

static void core_serve(struct core_req *r)
{
    unsigned i = 0;
    while (i < w.n_open && w.open[i].num != r->batch)
        i++;
    if (r->op == REQ_WATCH && r->wait_ms > 0)
        usleep(FAKE_TICK_MS * 1000);
    if (r->op == REQ_BATCH_OPENED) {
        const struct batch_info *b = r->opened;
        w.open[w.n_open].num = b->num;
        w.open[w.n_open++].total = b->total;
    } else if (r->op == REQ_AGENTS) {
        r->n_views = 0;
    } else if (r->op == REQ_DIAGNOSE) {
        r->found = true;
        r->n_views = 1;
        r->views = mem_zalloc(sizeof(*r->views));
        r->views[0] = (struct agent_view){
            .name = mem_strdup("a1"), .trouble = mem_strdup("no resolver"), .away_ms = -1};
        r->stuck = mem_zalloc(sizeof(*r->stuck));
        r->n_stuck = 1;
        r->stuck[0] = (struct core_stuck){.counts = {.waits = WAITS_PAUSED}, .still_ms = 40000};
        snprintf(r->stuck[0].uuid, sizeof(r->stuck[0].uuid), "0193-paused");
    } else if (r->op == REQ_TASK) {
        r->found = false;
    } else if (i == w.n_open || w.open[i].ended) {
        r->found = r->op == REQ_WAIT;
    } else if (r->op == REQ_WAIT) {
        w.open[i].ended = true;
        end_batch(r, r->batch, w.open[i].total);
        return;
    } else {
        w.open[i].marked |= r->op == REQ_CANCEL;
        r->found = r->op != REQ_PAUSE || !w.open[i].marked;
        if (r->op == REQ_PAUSE && r->found)
            w.open[i].paused = r->pause;
        r->counts = (struct core_counts){.total = w.open[i].total,
                                         .queued = w.open[i].total - w.open[i].ok - 1,
                                         .running = 1,
                                         .ended = {[OUTCOME_OK] = w.open[i].ok},
                                         .eta_s = -1,
                                         .waits_for = "no agent is connected",
                                         .marked = w.open[i].marked,
                                         .paused = w.open[i].paused};
    }
    r->done(r);
}

static void *core_run(void *arg)
{
    struct list got;
    while (!mailbox_finished(w.box)) {
        list_init(&got);
        mailbox_wait(w.box, &got, -1);
        for (struct list_node *n; (n = list_pop_front(&got)) != NULL;)
            core_serve(CONTAINER_OF(n, struct core_req, letter.node));
    }
    return arg;
}

static enum err ask_core(void *arg, struct core_req *r)
{
    return mailbox_post(arg, &r->letter);
}

static struct mono last_tick(void *arg)
{
    return mono_add_ms(mono_now(), w.hub_hangs ? -20000 : 0);
}

static bool overloaded(void *arg)
{
    return w.overloaded;
}

/* ---- start and stop */

static void on_swept(void *arg, uint32_t b, enum outcome o, uint64_t n, bool finished)
{
}

static void on_room(void *arg)
{
    api_on_room(w.api);
}

static void world_start_with(int64_t body_max, const char *proxies)
{
    struct store_boot boot;
    char why[200];
    log_init(LOG_ERROR, LOG_TEXT, 2);
    snprintf(w.dir, sizeof(w.dir), "/tmp/test_api.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(w.dir));
    ck_assert_int_eq(token_add(w.dir, SCOPE_ADMIN, NULL, w.token, why, sizeof(why)), 0);
    ck_assert_int_eq(token_add(w.dir, SCOPE_READ, NULL, w.read_token, why, sizeof(why)), 0);
    ck_assert_int_eq(token_add(w.dir, SCOPE_SUBMIT, NULL, w.submit_token, why, sizeof(why)), 0);
    struct store_config sc = {.dir = w.dir,
                              .on_swept = on_swept,
                              .on_room = on_room,
                              .retention_bytes = w.retention_bytes};
    ck_assert_msg(store_open(&sc, &w.store, &boot, why, sizeof(why)) == 0, "%s", why);
    store_boot_fini(&boot);
    w.box = mailbox_create("core", 1000, SIZE_MAX, NULL, NULL);
    PTOK(pthread_create(&w.core, NULL, core_run, NULL));
    struct api_config c = {.listen = "127.0.0.1:0",
                           .dir = w.dir,
                           .store = w.store,
                           .ask_core = ask_core,
                           .ask_arg = w.box,
                           .hub_last_tick = last_tick,
                           .overloaded = overloaded,
                           .ask_schedule = w.more.ask_schedule,
                           .schedule_arg = w.more.schedule_arg,
                           .schedule_stats = w.more.schedule_stats,
                           .test_alert = w.more.test_alert,
                           .alert_arg = w.more.alert_arg,
                           .check_metrics = w.more.check_metrics,
                           .body_max_bytes = body_max,
                           .trusted_proxies = proxies};
    ck_assert_msg(api_create(&c, &w.api, why, sizeof(why)) == 0, "%s", why);
}

static inline void world_start(void)
{
    world_start_with(0, NULL);
}

static inline void world_stop(void)
{
    api_destroy(&w.api);
    mailbox_close(w.box);
    PTOK(pthread_join(w.core, NULL));
    mailbox_destroy(&w.box);
    store_close(&w.store);
    ck_assert(store_check(w.dir, stderr));
    char cmd[64];
    snprintf(cmd, sizeof(cmd), "rm -rf %s", w.dir);
    ck_assert_int_eq(system(cmd), 0);
}

/* ---- the client */

struct answer {
    int status;
    char *head, *body;
    size_t body_len;
};

static int dial(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)api_port(w.api))};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static void send_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
        if (k <= 0)
            return; /* the other side said enough: its answer tells */
        p += k;
        n -= (size_t)k;
    }
}

/* Chunks are taken apart in place. */
static size_t unchunk(char *body)
{
    char *in = body, *out = body, *end;
    for (size_t n; (n = strtoul(in, &end, 16)) > 0; in = end + 2 + n + 2) {
        memmove(out, end + 2, n);
        out += n;
    }
    *out = '\0';
    return (size_t)(out - body);
}

/* Until the other side closes; the request asked for that. */
static struct answer receive(int fd)
{
    struct strbuf b;
    char part[8192];
    ssize_t n;
    strbuf_init(&b, 256u << 20);
    while ((n = recv(fd, part, sizeof(part), 0)) > 0)
        strbuf_append(&b, part, (size_t)n);
    close(fd);
    struct answer a = {0};
    char *gap = strstr(b.data, "\r\n\r\n");
    if (gap && sscanf(b.data, "HTTP/1.1 %d", &a.status) == 1) {
        a.head = mem_strndup(b.data, (size_t)(gap - b.data));
        a.body_len = b.len - (size_t)(gap + 4 - b.data);
        a.body = mem_alloc(a.body_len + 1);
        memcpy(a.body, gap + 4, a.body_len + 1);
        if (strstr(a.head, "chunked"))
            a.body_len = unchunk(a.body);
    }
    strbuf_fini(&b);
    return a;
}

static inline void answer_free(struct answer *a)
{
    free(a->head);
    free(a->body);
}

/* extra: further header lines, each with its CRLF. token NULL: none. */
static struct answer ask_as(const char *token, const char *method, const char *path,
                            const char *extra, const char *body, size_t len)
{
    char head[1024];
    int fd = dial();
    int n = snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n",
                     method, path);
    if (token)
        n += snprintf(head + n, sizeof(head) - (size_t)n, "Authorization: Bearer %s\r\n", token);
    if (body)
        n += snprintf(head + n, sizeof(head) - (size_t)n, "Content-Length: %zu\r\n", len);
    n += snprintf(head + n, sizeof(head) - (size_t)n, "%s\r\n", extra);
    send_all(fd, head, (size_t)n);
    if (body)
        send_all(fd, body, len);
    return receive(fd);
}

static inline struct answer get(const char *path)
{
    return ask_as(w.token, "GET", path, "", NULL, 0);
}

static inline struct answer post(const char *path, const char *type, const char *body)
{
    char extra[128];
    snprintf(extra, sizeof(extra), "Content-Type: %s\r\n", type);
    return ask_as(w.token, "POST", path, extra, body, strlen(body));
}

static inline bool has(const struct answer *a, const char *text)
{
    return a->body && strstr(a->body, text);
}

/* The id of a 202; its answer is freed. */
static inline void id_of(struct answer *a, char id[UUID_TEXT_MAX])
{
    ck_assert_msg(a->status == 202, "%d %s", a->status, a->body);
    const char *at = strstr(a->body, "\"id\":\"");
    ck_assert_ptr_nonnull(at);
    snprintf(id, UUID_TEXT_MAX, "%.36s", at + 6);
    answer_free(a);
}
