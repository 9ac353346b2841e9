/* SPDX-License-Identifier: MIT */
#include "master/hub/hub.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "common/hostinfo.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/random.h"
#include "master/hub/hub_impl.h"

#define TICK_MS     TOKENS_POLL_MS
#define SCAN_MS     1000 /* those that close, and our own CPU, are looked at this often */
#define HANDSHAKE_S 10   /* lws cuts by then who is still a stranger; door.h does it before */
/* Between turns while there are no descriptors: lws, which cannot stop accepting, would spin. Far
 * below what an agent's link notices. */
#define BREATH_MS        10
#define CALL_UP_MS       10   /* 20 turns to say HELLO, while agents wait for one */
#define PARTING_MS       2000 /* for GOAWAY and close frames to go out */
#define RECONNECT_MS     1000 /* agents come back after this and a jitter of as much */
#define AGENTS_PORT      8701
#define FRAME_BUFFER_MAX (LWS_PRE + FRAME_COALESCE_BYTES + LINE_MAX_BYTES)

_Static_assert(STORE_EVENTS_BOOT == EVENTS_KEPT + 1, "the log is full, and knows what precedes it");

static const char *const state_words[] = {"created", "running",  "draining",
                                          "parting", "stopping", "stopped"};

static void hub_enter(struct hub *h, enum hub_state to, const char *why)
{
    REQUIRE(to == h->state + 1 || (h->state == HUB_CREATED && to == HUB_STOPPED));
    LOG(LOG_INFO, "hub", "state", LS("from", state_words[h->state]), LS("to", state_words[to]),
        LS("why", why));
    h->state = to;
}

/* ---- the loop */

static void on_handle_closed(uv_handle_t *handle)
{
    struct hub *h = handle->data;
    ws_loop_stop(h->loop);
}

static void begin_drain(struct hub *h, struct mono now)
{
    hub_enter(h, HUB_DRAINING, "asked to stop");
    core_drain(h->core, now);
    timekeeper_stop(&h->timekeeper);
    h->phase_until = mono_add_ms(now, DRAIN_MS - PARTING_MS);
}

static bool drained(struct hub *h)
{
    return core_drained(h->core) && timekeeper_stopped(&h->timekeeper);
}

static void begin_parting(struct hub *h, struct mono now)
{
    bool late = !drained(h);
    hub_enter(h, HUB_PARTING, late ? "the store took too long" : "all is stored");
    core_goodbye(h->core, RECONNECT_MS, now);
    conn_close_all(h, CLOSE_GOING_AWAY, "the master stops", now);
    h->phase_until = mono_add_ms(now, PARTING_MS);
}

static void begin_stop(struct hub *h)
{
    bool late = conn_any_closing(h);
    hub_enter(h, HUB_STOPPING, late ? "some agents did not take their leave" : "all agents left");
    uv_close((uv_handle_t *)&h->callup, NULL);
    uv_close((uv_handle_t *)&h->clock, NULL);
    uv_close((uv_handle_t *)&h->turn, on_handle_closed); /* the last */
}

static void step_down(struct hub *h, struct mono now)
{
    bool due = !mono_before(now, h->phase_until);
    if (h->state == HUB_RUNNING && atomic_load(&h->stop_asked))
        begin_drain(h, now);
    else if (h->state == HUB_DRAINING && (drained(h) || due))
        begin_parting(h, now);
    else if (h->state == HUB_PARTING && (!conn_any_closing(h) || due))
        begin_stop(h);
}

/* Can this process open anything? What is asked of the kernel, the kernel answers. */
static void note_descriptors(struct hub *h)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    bool out_of = fd < 0 && (errno == EMFILE || errno == ENFILE);
    if (fd >= 0)
        close(fd);
    if (out_of == h->out_of_descriptors)
        return;
    h->out_of_descriptors = out_of;
    if (out_of)
        LOG(LOG_ERROR, "hub", "out_of_descriptors",
            LS("meaning", "no agent and no client can connect; those that are there stay"),
            LS("fix", "raise LimitNOFILE (ulimit -n), or lower --max-agents"));
    else
        LOG(LOG_INFO, "hub", "descriptors_again");
}

static void breathe(const struct hub *h)
{
    if (h->out_of_descriptors)
        nanosleep(&(struct timespec){.tv_nsec = BREATH_MS * NS_PER_MS}, NULL);
}

static void on_call_up(uv_timer_t *timer)
{
    struct hub *h = timer->data;
    REQUIRE(h != NULL);
    conn_call_up(h, mono_now());
}

/* A timer for the whole line, and none while there is no line. */
static void watch_line(struct hub *h)
{
    bool wanted = h->state == HUB_RUNNING && core_waiting(h->core) > 0;
    bool runs = uv_is_active((uv_handle_t *)&h->callup);
    if (wanted && !runs)
        uv_timer_start(&h->callup, on_call_up, CALL_UP_MS, CALL_UP_MS);
    else if (!wanted && runs)
        uv_timer_stop(&h->callup);
}

/* The end of each turn of the loop: what it gathered for the store goes out in one request. */
static void on_turn(uv_prepare_t *turn)
{
    struct hub *h = turn->data;
    REQUIRE(h != NULL);
    courier_flush(&h->courier);
    timekeeper_flush(&h->timekeeper);
    annals_flush(&h->annals);
    breathe(h);
    watch_line(h);
    if (atomic_load_explicit(&h->stop_asked, memory_order_relaxed))
        step_down(h, mono_now());
}

static void on_clock(uv_timer_t *clock)
{
    struct hub *h = clock->data;
    int wait_ms = timekeeper_run(&h->timekeeper);
    uv_timer_start(clock, on_clock, (uint64_t)wait_ms, 0);
}

static void on_wake(void *arg)
{
    struct hub *h = arg;
    struct mono now = mono_now();
    courier_take(&h->courier, now);
    desk_take(&h->desk, now);
    if (timekeeper_take(&h->timekeeper))
        on_clock(&h->clock);
}

bool hub_poll_tokens(struct hub *h, struct mono now)
{
    if (!tokens_poll(h->tokens))
        return false;
    conn_close_revoked(h, now);
    return true;
}

/* The part of a core that this thread used since it was last asked. */
static void note_cpu(struct hub *h, struct mono now)
{
    struct timespec ts;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) != 0)
        return;
    int64_t used = ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
    if (mono_is_set(h->cpu_at) && now.ns > h->cpu_at.ns)
        h->cpu = (double)(used - h->cpu_used_ns) / (double)(now.ns - h->cpu_at.ns);
    h->cpu_used_ns = used;
    h->cpu_at = now;
}

/* What the loop lost since the last tick: it came late, or waited for a CPU again and again. */
static double lost_ms(struct hub *h, struct mono now)
{
    bool first = !mono_is_set(h->ticked_at);
    double late_ms = first ? 0 : mono_diff_ms_f(now, h->ticked_at) - TICK_MS;
    int64_t waited_ns = hostinfo_thread_waited_ns();
    double waited_ms = first ? 0 : (double)(waited_ns - h->waited_ns) / (double)NS_PER_MS;
    h->ticked_at = now;
    h->waited_ns = waited_ns;
    return late_ms > waited_ms ? late_ms : waited_ms;
}

/* Before the loop is so late that an agent could seem silent, no new work is taken. */
static void judge_load(struct hub *h, double lag_ms, struct mono now)
{
    char detail[EVENT_DETAIL_MAX];
    struct mono since = h->load.since;
    if (!load_tick(&h->load, lost_ms(h, now), now))
        return;
    atomic_store(&h->overloaded, h->load.overloaded);
    if (h->load.overloaded)
        snprintf(detail, sizeof(detail),
                 "for seconds its loop has waited for a CPU more than half of the time, or was "
                 "late (by up to %.0f ms): uploads and probes are answered 429",
                 lag_ms);
    else
        snprintf(detail, sizeof(detail), "it keeps up again, after %lld s",
                 (long long)mono_diff_ms(now, since) / 1000);
    journal_event(h->journal, h->load.overloaded ? "master_overloaded" : "master_overload_over",
                  NULL, detail);
}

static void on_tick(void *arg, struct mono now)
{
    struct hub *h = arg;
    double lag_ms = ws_loop_lag_ms(h->loop);
    atomic_store_explicit(&h->lag_us, (int64_t)(lag_ms * 1000), memory_order_relaxed);
    note_descriptors(h);
    judge_load(h, lag_ms, now);
    courier_retry(&h->courier);
    timekeeper_tick(&h->timekeeper);
    on_wake(h);
    core_tick(h->core, lag_ms, now);
    desk_tick(&h->desk, now);
    hub_poll_tokens(h, now);
    conn_cut_strangers(h, now);
    if (mono_diff_ms(now, h->scanned_at) < SCAN_MS)
        return;
    h->scanned_at = now;
    note_cpu(h, now);
    conn_tick(h, now);
}

static void *hub_main(void *arg)
{
    struct hub *h = arg;
    REQUIRE(h->state == HUB_RUNNING);
    pthread_setname_np(pthread_self(), "hub");
    uv_prepare_init(ws_loop_uv(h->loop), &h->turn);
    h->turn.data = h;
    uv_prepare_start(&h->turn, on_turn);
    uv_timer_init(ws_loop_uv(h->loop), &h->clock);
    h->clock.data = h;
    uv_timer_start(&h->clock, on_clock, 0, 0);
    uv_timer_init(ws_loop_uv(h->loop), &h->callup);
    h->callup.data = h;
    ws_loop_wake(h->loop);
    journal_started(h->journal);
    ws_loop_run(h->loop);
    journal_stopped(h->journal);
    annals_close(&h->annals);
    desk_close(&h->desk);
    timekeeper_close(&h->timekeeper);
    hub_enter(h, HUB_STOPPED, "the loop has ended");
    return NULL;
}

/* ---- building */

static void on_committed(void *arg, void *waiter)
{
    struct hub *h = arg;
    desk_on_committed(&h->desk, waiter);
}

/* Also after the loop has ended, from store threads that still answer: it is there, and deaf. */
static void wake_hub(void *arg)
{
    struct hub *h = arg;
    if (h->loop != NULL)
        ws_loop_wake(h->loop);
}

static enum err listen_on(struct hub *h, const char *listen, char *why, size_t why_max)
{
    static const struct ws_loop_callbacks callbacks = {.on_wake = on_wake, .on_tick = on_tick};
    static const char unix_prefix[] = "unix:";
    struct lws_context_creation_info info = {.protocols = hub_protocols,
                                             .user = h,
                                             .gid = (gid_t)-1,
                                             .uid = (uid_t)-1,
                                             .timeout_secs = HANDSHAKE_S,
                                             .timeout_secs_ah_idle = HANDSHAKE_S,
                                             /* One for each socket: without one a stranger
                                              * would wait for others. Made when needed. */
                                             .max_http_header_pool2 =
                                                 DOOR_STRANGERS_MAX + DOOR_LEAVING_MAX};
    char text[IP_TEXT_MAX];
    struct ip ip;
    uint16_t port = 0;
    if (strncmp(listen, unix_prefix, sizeof(unix_prefix) - 1) == 0) {
        h->iface = mem_strdup(listen + sizeof(unix_prefix) - 1);
        info.options = LWS_SERVER_OPTION_UNIX_SOCK;
    } else if (addr_parse(listen, AGENTS_PORT, &ip, &port) == ERR_NONE) {
        h->iface = mem_strdup(ip_format(&ip, text));
    } else {
        snprintf(why, why_max, "agents-listen must be ADDR:PORT or unix:PATH, got '%s'", listen);
        return ERR_INVALID;
    }
    info.iface = h->iface;
    info.port = port;
    return ws_loop_create(&info, TICK_MS, &callbacks, h, &h->loop);
}

static enum err open_port(struct hub *h, const char *listen, char *why, size_t why_max)
{
    enum err e = listen_on(h, listen, why, why_max);
    if (e == ERR_BUSY)
        snprintf(why, why_max,
                 "the agents' address %s is in use by another program; stop it, or choose another "
                 "with --agents-listen",
                 listen);
    else if (e == ERR_SYSTEM)
        snprintf(why, why_max,
                 "cannot listen on %s for agents (the line above says why); choose another address "
                 "with --agents-listen",
                 listen);
    if (e == ERR_NONE)
        h->port = strncmp(listen, "unix:", 5) == 0
                      ? -1
                      : lws_get_vhost_listen_port(
                            lws_get_vhost_by_name(ws_loop_context(h->loop), "default"));
    return e;
}

static void open_core(struct hub *h, const struct hub_config *c)
{
    struct mono now = mono_now();
    struct core_config config = {
        .store_id = c->boot->store_id,
        .boot_epoch = c->boot->boot_epoch,
        .keys = c->boot->keys,
        .n_keys = c->boot->n_keys,
        .holders = (const char *const *)c->boot->holders,
        .n_holders = c->boot->n_holders,
        .seed = random_u64(),
        .deny = c->deny,
        .n_deny = c->n_deny,
        .tell_steps = log_enabled(LOG_DEBUG),
        .max_agents = (unsigned)c->max_agents,
        .hello_rate = c->hello_rate,
        .hello_burst = c->hello_burst,
    };
    h->desk.journal = h->journal = journal_create(c->boot->boot_epoch, now);
    journal_load(h->journal, c->boot->events, c->boot->n_events);
    journal_keep(h->journal, annals_add, &h->annals);
    h->desk.look = hub_look;
    h->desk.look_arg = h;
    h->core = core_create(&config, &hub_core_ops, h, now);
    h->courier.core = h->desk.core = h->core;
    for (unsigned i = 0; i < c->boot->n_open; i++)
        desk_open_batch(h->core, &c->boot->open[i], true, now);
    timekeeper_init(&h->timekeeper, h->core, &h->courier, &h->overloaded, wake_hub, h);
    h->timekeeper.outgoing.on_alerts = c->on_alerts;
    h->timekeeper.outgoing.alerts_arg = c->alerts_arg;
    h->courier.on_result = timekeeper_result;
    h->courier.on_answer = timekeeper_answer;
    h->courier.lane_arg = &h->timekeeper;
    timekeeper_load(&h->timekeeper, &c->boot->timetable);
}

enum err hub_create(const struct hub_config *c, struct hub **out, char *why, size_t why_max)
{
    REQUIRE(c != NULL && c->boot != NULL && c->max_agents > 0 && c->n_deny <= DENY_MAX);
    struct hub *h = mem_zalloc(sizeof(*h));
    h->max_agents = c->max_agents;
    h->cpu = -1;
    door_init(&h->door, (size_t)c->max_agents);
    list_init(&h->conns);
    list_init(&h->closing);
    idmap_init(&h->sessions);
    strbuf_init(&h->frame, FRAME_BUFFER_MAX);
    courier_init(&h->courier, wake_hub, h);
    h->courier.on_committed = on_committed;
    h->courier.arg = h;
    annals_init(&h->annals);
    desk_init(&h->desk, wake_hub, h);
    enum err e = tokens_open(c->dir, &h->tokens, why, why_max);
    if (e == ERR_NONE)
        e = open_port(h, c->listen, why, why_max);
    if (e != ERR_NONE) {
        hub_destroy(&h);
        return e;
    }
    open_core(h, c);
    *out = h;
    return ERR_NONE;
}

void hub_on_swept(void *hub, uint32_t batch, enum outcome outcome, uint64_t count, bool finished)
{
    struct hub *h = hub;
    REQUIRE(h != NULL);
    courier_on_swept(&h->courier, batch, outcome, count, finished);
}

void hub_start(struct hub *h, struct store *s)
{
    hub_enter(h, HUB_RUNNING, "start");
    courier_start(&h->courier, s);
    annals_start(&h->annals, s);
    PTOK(pthread_create(&h->thread, NULL, hub_main, h));
}

enum err hub_post(struct hub *h, struct core_req *r)
{
    return desk_post(&h->desk, r);
}

enum err hub_post_schedule(struct hub *h, struct schedule_req *r)
{
    return timekeeper_post(&h->timekeeper, r);
}

void hub_stop(struct hub *h)
{
    REQUIRE(!atomic_load(&h->stop_asked));
    atomic_store(&h->stop_asked, true);
    ws_loop_wake(h->loop);
    PTOK(pthread_join(h->thread, NULL));
}

/* The loop goes last of what the store's threads may still wake: they have ended when this runs. */
void hub_destroy(struct hub **hp)
{
    struct hub *h = *hp;
    if (h == NULL)
        return;
    *hp = NULL;
    REQUIRE(h->state == HUB_CREATED || h->state == HUB_STOPPED);
    desk_close(&h->desk);
    ws_loop_destroy(&h->loop);
    courier_fini(&h->courier);
    desk_fini(&h->desk);
    if (h->core != NULL)
        timekeeper_fini(&h->timekeeper);
    core_destroy(&h->core);
    journal_destroy(&h->journal);
    annals_fini(&h->annals);
    tokens_close(&h->tokens);
    strbuf_fini(&h->frame);
    idmap_fini(&h->sessions);
    free(h->iface);
    free(h);
}

struct core_stats *hub_core_stats(struct hub *h)
{
    return core_stats(h->core);
}

struct scheduler_stats *hub_schedule_stats(struct hub *h)
{
    return scheduler_stats(h->timekeeper.scheduler);
}

double hub_lag_ms(struct hub *h)
{
    return (double)atomic_load_explicit(&h->lag_us, memory_order_relaxed) / 1000.0;
}

bool hub_overloaded(struct hub *h)
{
    return atomic_load(&h->overloaded);
}

struct mono hub_last_tick(struct hub *h)
{
    return ws_loop_last_tick(h->loop);
}

int hub_port(struct hub *h)
{
    return h->port;
}
