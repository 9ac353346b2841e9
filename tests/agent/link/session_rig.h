/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/link/session.h"
#include "tests/support/check_main.h"
#include <stdio.h>
#include <string.h>

/*
 * session_rig - one session with a fake pool, in virtual time; what it says is kept line by line.
 */
static struct session *sess;
static struct spool *sess_spool; /* set before open_with(): what it keeps results in */
static struct mono now;
static struct wall clock_now; /* the agent's time of day */
static unsigned places;
static bool admit_full;
static uint64_t admitted[256], cancelled[256];
static unsigned n_admitted, n_cancelled, n_release_calls, n_denied;
static uint16_t close_code;
static struct strbuf said, frame, peer;

static enum err op_admit(void *arg, const struct session_task *t)
{
    if (admit_full)
        return ERR_FULL;
    struct target *target = t->target;
    admitted[n_admitted++ % 256] = t->task;
    target_destroy(&target);
    return ERR_NONE;
}
static inline void op_cancel(void *arg, uint64_t task)
{
    cancelled[n_cancelled++ % 256] = task;
}
static inline void op_release_waiting(void *arg)
{
    n_release_calls++;
}
static inline unsigned op_free_places(void *arg)
{
    return places;
}
static inline void op_deny(void *arg, const struct cidr *deny, size_t n)
{
    n_denied = (unsigned)n;
}
static inline void op_figures(void *arg, struct msg_heartbeat *hb, struct mono at)
{
    hb->lag_ms = 1.5;
    hb->running = 3;
    hb->queue = 2;
    hb->slots = 8;
    hb->probes = 77;
    hb->trouble = "";
}
static inline struct wall op_wall(void *arg)
{
    return clock_now;
}
static inline void op_close(void *arg, uint16_t code, const char *reason)
{
    close_code = code;
}
static const struct session_ops ops = {.admit = op_admit,
                                       .cancel = op_cancel,
                                       .release_waiting = op_release_waiting,
                                       .free_places = op_free_places,
                                       .deny = op_deny,
                                       .figures = op_figures,
                                       .wall = op_wall,
                                       .close = op_close};

static inline void open_with(size_t outbox_results)
{
    struct session_config c = {.agent = "bj-1",
                               .instance = "00000000000000000000000000000001",
                               .run_id = "00000000000000000000000000000002",
                               .version = "0.1.0",
                               .tags = {{"site", "bj"}},
                               .n_tags = 1,
                               .slots = 8,
                               .workers = 1,
                               .queue = 8,
                               .outbox_results = outbox_results,
                               .outbox_bytes = 64 << 20,
                               .spool = sess_spool};
    now = (struct mono){1000 * NS_PER_SEC};
    places = 8;
    sess = session_create(&c, &ops, NULL);
    strbuf_init(&said, 16 << 20);
    strbuf_init(&frame, SESSION_FRAME_MAX);
    strbuf_init(&peer, 4 << 20);
}
static inline void setup(void)
{
    open_with(100);
}
static inline void teardown(void)
{
    session_destroy(&sess);
    strbuf_fini(&said);
    strbuf_fini(&frame);
    strbuf_fini(&peer);
}

/* All that the session wants to say now replaces `said`; returns the number of frames. */
static inline unsigned hear(void)
{
    unsigned frames = 0;
    strbuf_reset(&said);
    while (session_wants_write(sess, now)) {
        strbuf_reset(&frame);
        session_produce(sess, &frame, now);
        strbuf_append(&said, frame.data, frame.len);
        if (frame.len == 0)
            break;
        frames++;
        ck_assert_uint_lt(frames, 10000);
    }
    return frames;
}
static inline bool heard(const char *text)
{
    return said.len > 0 && strstr(said.data, text) != NULL;
}
static inline unsigned count(const char *text)
{
    unsigned n = 0;
    for (const char *p = said.len ? strstr(said.data, text) : NULL; p; p = strstr(p + 1, text))
        n++;
    return n;
}
static inline size_t position(const char *text)
{
    ck_assert_msg(heard(text), "'%s' was not said", text);
    return (size_t)(strstr(said.data, text) - said.data);
}

static inline void say(const char *line)
{
    session_on_bytes(sess, line, strlen(line), true, now);
}
static inline void flush(void)
{
    session_on_bytes(sess, peer.data, peer.len, true, now);
    strbuf_reset(&peer);
}
static inline void welcome_as(const char *store, uint64_t results, uint64_t bytes)
{
    struct msg_welcome m = {.proto = 1,
                            .session = "s1",
                            .store_id = store,
                            .heartbeat_ms = 5000,
                            .timeout_ms = 15000,
                            .results = {results, bytes},
                            .deny = {"10.0.0.0/8"},
                            .n_deny = 1,
                            .time = {1}};
    msg_put_welcome(&peer, &m);
    flush();
}
static inline void verdicts_end(void)
{
    msg_put_verdict_end(&peer);
    flush();
}
static inline void verdict(uint64_t task, bool keep)
{
    struct msg_verdict m = {task, keep};
    msg_put_verdict(&peer, &m);
    flush();
}
static inline void make_ready(void)
{
    session_on_connected(sess, now);
    hear();
    welcome_as("store-a", 1000, 1 << 20);
    verdicts_end();
    hear();
}
static inline void lose(void)
{
    session_on_disconnected(sess, now);
}
static inline void send_spec(uint64_t task, const char *ticket, const char *spec)
{
    struct msg_task m = {.task = task,
                         .ticket = ticket,
                         .trace = "4bf92f3577b34da6a3ce929d0e0e4736",
                         .cls = CLASS_BULK,
                         .deadline_in_ms = 60000,
                         .spec_text = spec,
                         .spec_len = strlen(spec)};
    msg_put_task(&peer, &m);
    flush();
}
static inline void send_task(uint64_t task)
{
    send_spec(task, "1.1.1.aa", "{\"url\":\"http://example.com/\"}");
}
static inline void ack(uint64_t task, enum ack_verdict v, uint64_t results)
{
    struct msg_ack a = {task, v};
    struct msg_results_ack m = {.acks = &a, .n = 1, .results = {results, 1 << 20}};
    msg_put_results_ack(&peer, &m);
    flush();
}
static inline void done(uint64_t task)
{
    session_on_end(sess, task, SESSION_DONE, "{\"outcome\":\"ok\"}", 16, now);
}
static inline struct session_info info(void)
{
    struct session_info i;
    session_info(sess, &i);
    return i;
}
static inline void pass_ms(int64_t ms)
{
    for (; ms > 0; ms -= 500) {
        now = mono_add_ms(now, ms < 500 ? ms : 500);
        session_on_tick(sess, now);
    }
}

/* Every group of tests has a session of its own for each test. */
#define FIXTURE(group)                                                                             \
    static TCase *group##_fixed(void)                                                              \
    {                                                                                              \
        TCase *tc = group();                                                                       \
        tcase_add_checked_fixture(tc, setup, teardown);                                            \
        return tc;                                                                                 \
    }
