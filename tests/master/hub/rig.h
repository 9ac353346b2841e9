/* SPDX-License-Identifier: MIT */
#pragma once
#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/strbuf.h"
#include "master/auth/tokens.h"
#include "master/hub/hub.h"
#include "tests/support/check_main.h"

/*
 * rig - a hub with a real store and real tokens in a directory of its own, and a WebSocket client
 * on a bare socket that can send what no library would.
 */
#define PATIENCE_MS 20000 /* the deadline of every wait for a condition */

struct rig {
    char dir[64], why[512];
    struct store *store;
    struct store_boot boot;
    struct hub *hub;
    char agent_token[TOKEN_TEXT_MAX], admin_token[TOKEN_TEXT_MAX];
    char last_batch[UUID_TEXT_MAX];
};
static struct rig rig;
static unsigned rig_hello_rate, rig_hello_burst; /* of the hub; 0 = as ever */

static void rig_on_swept(void *arg, uint32_t batch, enum outcome o, uint64_t n, bool finished)
{
    ck_assert_ptr_nonnull(rig.hub); /* no batch is marked at a start here */
    hub_on_swept(rig.hub, batch, o, n, finished);
}

static void rig_open(int64_t max_agents)
{
    struct store_config sc = {.dir = rig.dir, .on_swept = rig_on_swept};
    struct hub_config hc = {.listen = "127.0.0.1:0",
                            .dir = rig.dir,
                            .boot = &rig.boot,
                            .max_agents = max_agents,
                            .hello_rate = rig_hello_rate,
                            .hello_burst = rig_hello_burst};
    ck_assert_int_eq(store_open(&sc, &rig.store, &rig.boot, rig.why, sizeof(rig.why)), ERR_NONE);
    ck_assert_int_eq(hub_create(&hc, &rig.hub, rig.why, sizeof(rig.why)), ERR_NONE);
    store_boot_fini(&rig.boot);
    hub_start(rig.hub, rig.store);
}

static void rig_start(int64_t max_agents)
{
    char why[256];
    memset(&rig, 0, sizeof(rig));
    log_init(LOG_ERROR, LOG_TEXT, STDERR_FILENO);
    snprintf(rig.dir, sizeof(rig.dir), "/tmp/test_hub.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(rig.dir));
    ck_assert_int_eq(token_add(rig.dir, SCOPE_AGENT, NULL, rig.agent_token, why, sizeof(why)), 0);
    ck_assert_int_eq(token_add(rig.dir, SCOPE_ADMIN, NULL, rig.admin_token, why, sizeof(why)), 0);
    rig_open(max_agents);
}

static void rig_close(void)
{
    hub_stop(rig.hub);
    store_close(&rig.store);
    hub_destroy(&rig.hub);
}

static int rig_unlink(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    return remove(path);
}

static void rig_stop(void)
{
    rig_close();
    nftw(rig.dir, rig_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- a bare socket */

static int sock_open(void)
{
    struct sockaddr_in sin = {.sin_family = AF_INET,
                              .sin_port = htons((uint16_t)hub_port(rig.hub)),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
    return fd;
}

/* What the peer does not take any more is its answer too. */
static void sock_send(int fd, const void *p, size_t n)
{
    for (const char *at = p; n > 0;) {
        ssize_t w = send(fd, at, n, MSG_NOSIGNAL);
        if (w <= 0)
            return;
        at += w;
        n -= (size_t)w;
    }
}

/* Up to n bytes into buf; fewer when the peer closed. */
static size_t sock_read(int fd, void *buf, size_t n)
{
    size_t have = 0;
    while (have < n) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ck_assert_msg(poll(&p, 1, PATIENCE_MS) > 0, "the hub says nothing");
        ssize_t got = recv(fd, (char *)buf + have, n - have, 0);
        if (got <= 0)
            break;
        have += (size_t)got;
    }
    return have;
}

/* Sends a request and reads to the end; returns the HTTP status, 0 when there was no answer. */
__attribute__((unused)) static int ask(const char *request, size_t len, char *answer, size_t max)
{
    int fd = sock_open();
    sock_send(fd, request, len);
    shutdown(fd, SHUT_WR);
    size_t n = sock_read(fd, answer, max - 1);
    answer[n] = '\0';
    close(fd);
    return n > 12 && strncmp(answer, "HTTP/1.1 ", 9) == 0 ? (int)strtol(answer + 9, NULL, 10) : 0;
}

/* ---- a WebSocket client */

struct peer {
    int fd;
    struct line_buf in;
    uint64_t window, sent; /* bytes of results: what was told, and what went */
    int close_code;
    char close_reason[128];
};

static void upgrade_request(char out[512], const char *token)
{
    snprintf(out, 512,
             "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
             "Sec-WebSocket-Protocol: sonde.v1\r\nAuthorization: Bearer %s\r\n\r\n",
             token);
}

static int peer_open_with(struct peer *p, const char *token)
{
    char request[512], answer[4096];
    size_t n = 0;
    *p = (struct peer){.fd = sock_open()};
    line_buf_init(&p->in);
    upgrade_request(request, token);
    sock_send(p->fd, request, strlen(request));
    while (n < sizeof(answer) - 1 && sock_read(p->fd, answer + n, 1) == 1) {
        answer[++n] = '\0';
        if (n >= 4 && memcmp(answer + n - 4, "\r\n\r\n", 4) == 0)
            break;
    }
    ck_assert_uint_gt(n, 12);
    return (int)strtol(answer + 9, NULL, 10);
}

static void peer_open(struct peer *p)
{
    ck_assert_int_eq(peer_open_with(p, rig.agent_token), 101);
}

static void peer_close(struct peer *p)
{
    close(p->fd);
    line_buf_fini(&p->in);
}

/* One masked frame with this first byte (FIN and opcode). */
static void peer_frame(struct peer *p, unsigned char first, const void *data, size_t n)
{
    unsigned char head[14] = {first};
    size_t h = 2;
    if (n < 126) {
        head[1] = (unsigned char)(0x80 | n);
    } else if (n < 65536) {
        head[1] = 0x80 | 126;
        head[h++] = (unsigned char)(n >> 8);
        head[h++] = (unsigned char)n;
    } else {
        head[1] = 0x80 | 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            head[h++] = (unsigned char)((uint64_t)n >> shift);
    }
    h += 4; /* the mask is zero */
    sock_send(p->fd, head, h);
    sock_send(p->fd, data, n);
}

static void peer_say(struct peer *p, const char *text)
{
    peer_frame(p, 0x81, text, strlen(text));
}

/* The last result window that a frame tells. */
static void peer_note_window(struct peer *p, const char *text)
{
    static const char mark[] = "\"results\":{\"count\":";
    while ((text = strstr(text, mark)) != NULL) {
        const char *bytes = strstr(text, "\"bytes\":");
        ck_assert_ptr_nonnull(bytes);
        p->window = strtoull(bytes + strlen("\"bytes\":"), NULL, 10);
        text = bytes;
    }
}

/* The next frame into the line buffer; false when it was a close frame or the connection ended. */
static bool peer_hear(struct peer *p)
{
    unsigned char head[2], ext[8];
    if (sock_read(p->fd, head, 2) < 2)
        return false;
    size_t n = head[1] & 127, more = n == 126 ? 2 : n == 127 ? 8 : 0;
    ck_assert_uint_eq(sock_read(p->fd, ext, more), more);
    if (more > 0)
        n = 0;
    for (size_t i = 0; i < more; i++)
        n = n << 8 | ext[i];
    char *data = mem_alloc(n + 1);
    ck_assert_uint_eq(sock_read(p->fd, data, n), n);
    bool is_close = (head[0] & 15) == 8;
    if (is_close && n >= 2) {
        p->close_code = (unsigned char)data[0] << 8 | (unsigned char)data[1];
        snprintf(p->close_reason, sizeof(p->close_reason), "%.*s", (int)n - 2, data + 2);
    } else if (!is_close) {
        data[n] = '\0';
        peer_note_window(p, data);
        ck_assert_int_eq(line_buf_feed(&p->in, data, n), ERR_NONE);
    }
    free(data);
    return !is_close;
}

/* Waits for a line of this type; NULL when the session ended first. The line lives until the next.
 */
__attribute__((unused)) static const char *peer_wait(struct peer *p, const char *type)
{
    static char line[LINE_MAX_BYTES + 1];
    char mark[64];
    snprintf(mark, sizeof(mark), "\"type\":\"%s\"", type);
    for (;;) {
        size_t len;
        const char *got;
        while ((got = line_buf_next(&p->in, &len)) != NULL) {
            memcpy(line, got, len);
            line[len] = '\0';
            if (strstr(line, mark) != NULL)
                return line;
        }
        if (!peer_hear(p))
            return NULL;
    }
}

/* Reads until the session ends; the close code, 0 when there was no close frame. */
__attribute__((unused)) static int peer_wait_close(struct peer *p)
{
    while (peer_hear(p))
        strbuf_reset(&p->in.b), p->in.taken = p->in.tail = 0;
    return p->close_code;
}

#define HELLO_AS(name, run)                                                                        \
    "{\"type\":\"hello\",\"proto_min\":1,\"proto_max\":1,\"agent\":\"" name                        \
    "\",\"instance\":\"i1\",\"run_id\":\"" run "\",\"version\":\"1\",\"slots\":8}\n"
#define HELLO        HELLO_AS("a1", "r1")
#define INFLIGHT_END "{\"type\":\"inflight_end\"}\n"
#define CREDIT       "{\"type\":\"credit\",\"tasks\":100,\"bytes\":100000}\n"

__attribute__((unused)) static void peer_join(struct peer *p)
{
    peer_open(p);
    peer_say(p, HELLO INFLIGHT_END);
    ck_assert_ptr_nonnull(peer_wait(p, "verdict_end"));
    peer_say(p, CREDIT);
}

/* ---- requests of the store and of the core, waited for */

struct wait {
    pthread_mutex_t lock;
    pthread_cond_t come;
    bool done;
};
#define WAIT_INIT                                                                                  \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false                                 \
    }

static void wait_done(struct wait *w)
{
    PTOK(pthread_mutex_lock(&w->lock));
    w->done = true;
    PTOK(pthread_cond_signal(&w->come));
    PTOK(pthread_mutex_unlock(&w->lock));
}

static void wait_for(struct wait *w)
{
    PTOK(pthread_mutex_lock(&w->lock));
    while (!w->done)
        PTOK(pthread_cond_wait(&w->come, &w->lock));
    PTOK(pthread_mutex_unlock(&w->lock));
}

static void on_store_done(struct store_req *r)
{
    wait_done(r->arg);
}

static void on_core_done(struct core_req *r)
{
    wait_done(r->arg);
}

static void store_ask(struct store_req *r)
{
    struct wait w = WAIT_INIT;
    r->arg = &w;
    ck_assert_int_eq(store_post(rig.store, r), ERR_NONE);
    wait_for(&w);
    ck_assert_msg(r->err == ERR_NONE, "%s", r->why);
}

/* True when the hub took and answered it. */
static bool core_ask(struct core_req *r)
{
    struct wait w = WAIT_INIT;
    r->done = on_core_done;
    r->arg = &w;
    if (hub_post(rig.hub, r) != ERR_NONE)
        return false;
    wait_for(&w);
    return true;
}

__attribute__((unused)) static struct core_counts counts_of(uint32_t batch)
{
    struct core_req r = {.op = REQ_BATCH_COUNTS, .batch = batch};
    ck_assert(core_ask(&r));
    return r.counts;
}

static void upload_step(enum store_op op, struct batch_info *info, unsigned n_rows)
{
    static const char spec[] = "{\"url\":\"http://192.0.2.1/\"}";
    struct store_req *r = store_req_create(op, on_store_done, NULL);
    r->upload.info = *info;
    if (n_rows > 0)
        r->upload.rows = mem_array(n_rows, sizeof(struct store_row));
    r->upload.n_rows = n_rows;
    for (unsigned i = 0; i < n_rows; i++)
        r->upload.rows[i] =
            (struct store_row){.spec = spec, .spec_len = sizeof(spec) - 1, .host_hash = i + 1};
    store_ask(r);
    *info = r->upload.info;
    memset(&r->upload.info, 0, sizeof(r->upload.info)); /* its strings are the caller's */
    store_req_destroy(&r);
}

/* A committed batch of n tasks, in the core; agents: its selection or NULL. */
static uint32_t submit_for(unsigned n, const char *agents)
{
    static unsigned serial;
    struct batch_info info = {.cls = CLASS_BULK,
                              .deadline_s = 600,
                              .per_host = 0,
                              .created_at = wall_now(),
                              .agents = mem_strdup(agents)};
    snprintf(info.uuid, sizeof(info.uuid), "00000000-0000-7000-8000-%06d%06u", (int)getpid(),
             serial++);
    snprintf(info.trace, sizeof(info.trace), "%032d", 1);
    upload_step(STORE_UPLOAD_BEGIN, &info, 0);
    upload_step(STORE_UPLOAD_ROWS, &info, n);
    upload_step(STORE_UPLOAD_COMMIT, &info, 0);
    struct core_req r = {.op = REQ_BATCH_OPENED, .opened = &info};
    ck_assert(core_ask(&r));
    uint32_t num = info.num;
    snprintf(rig.last_batch, sizeof(rig.last_batch), "%s", info.uuid);
    batch_info_fini(&info);
    return num;
}

/* What the store has committed of the last one. */
__attribute__((unused)) static enum batch_mark committed_mark(void)
{
    struct store_req *r = store_req_create(STORE_BATCH_GET, on_store_done, NULL);
    memcpy(r->batch_get.uuid, rig.last_batch, sizeof(rig.last_batch));
    store_ask(r);
    enum batch_mark mark = r->batch_get.info.mark;
    store_req_destroy(&r);
    return mark;
}

__attribute__((unused)) static uint32_t submit(unsigned n)
{
    return submit_for(n, NULL);
}

/* The value of a string member in a line of ours. */
static char *member(const char *line, const char *name, char *out, size_t max)
{
    char mark[64];
    snprintf(mark, sizeof(mark), "\"%s\":\"", name);
    const char *at = strstr(line, mark);
    ck_assert_msg(at != NULL, "no %s in %s", name, line);
    at += strlen(mark);
    snprintf(out, max, "%.*s", (int)strcspn(at, "\""), at);
    return out;
}

/* Answers a TASK line with a good result, once the window has room for it. */
__attribute__((unused)) static void peer_answer(struct peer *p, const char *task_line)
{
    static const char record[] = "{\"outcome\":\"ok\",\"cause\":null,"
                                 "\"started_at\":\"2026-01-01T00:00:00.000000Z\"}";
    char task[32], ticket[128], out[512];
    snprintf(out, sizeof(out),
             "{\"type\":\"result\",\"task\":\"%s\",\"ticket\":\"%s\",\"record\":%s}\n",
             member(task_line, "task", task, sizeof(task)),
             member(task_line, "ticket", ticket, sizeof(ticket)), record);
    while (p->sent >= p->window)
        ck_assert(peer_hear(p));
    p->sent += sizeof(record) - 1;
    peer_say(p, out);
}
