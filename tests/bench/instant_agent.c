/* SPDX-License-Identifier: MIT */
#include "agent/link/session.h"
#include "common/backoff.h"
#include "common/ids.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/random.h"
#include "common/signals.h"
#include "common/ws/ws_loop.h"
#include "tests/bench/bench_client.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

/*
 * instant_agent - many agents in one process, on one loop, that answer each task at once with a
 * record of 400 bytes: the real session of the agent behind an empty pool. With no work it is a
 * fleet of idle agents that heartbeat as the master asks.
 *
 *     instant_agent --master PORT --token-file FILE [--agents N] [--places N] [--connecting N]
 *                   [--first N] [--reconnect]
 *
 * Prints `ready agents=N seconds=S` when the master has welcomed all of them, `lost …` for each one
 * that goes, and ends on SIGTERM with its own figures. With --reconnect those that were lost come
 * back each for itself, with the backoff of the agent, and `back agents=N seconds=S tries=N
 * busiest_second=N busiest_tenth=N` is said when all are welcome again, S seconds after the first
 * was lost: by the moments for which they meant to come, so many of them in one second, or tenth.
 */
#define ME            "instant_agent"
#define AGENTS_MAX    100000
#define RECORD_BYTES  400
#define TICK_MS       50
#define FEW_AGENTS    100 /* so many are ticked as the agent does, every 100 ms … */
#define FEW_SLICES    2
#define SLICES        20 /* … and more of them once a second, some at each tick */
#define RX_BUFFER     FRAME_COALESCE_BYTES /* as the agent does */
#define OUTBOX_BYTES  (64u << 20)
#define TOKEN_LINE    (TOKEN_MAX + 2)
#define FD_SPARE      64
#define CONNECT_TRIES 5
/* Of agent/link/link.c */
#define BACKOFF_BASE_MS  1000
#define BACKOFF_CAP_MS   30000
#define BACKOFF_FLOOR_MS 100

struct fleet;
struct agent {
    struct fleet *fleet;
    struct session *session;
    struct lws *wsi, *trying;
    bool up, welcome, resting; /* resting: it connects anew at retry_at */
    int tries;
    struct backoff backoff;
    struct mono retry_at;
    uint64_t *todo; /* admitted in this frame, answered after it */
    size_t n_todo;
};

struct fleet {
    long port, n, first, places, connecting_max;
    const char *token_file;
    char token[TOKEN_LINE];
    struct ws_loop *loop;
    struct agent *agents;
    struct strbuf frame;
    unsigned char *out;
    long next, connecting, welcome, slice, slices;
    uint64_t answered, frames_in, frames_out;
    uint64_t *todo;                  /* room shared by all: only one agent reads at a time */
    struct mono started_at, lost_at; /* lost_at: the first, since all were welcome */
    uint64_t retries;
    bool ending, failed, reconnect;
    char record[RECORD_BYTES];
    uv_poll_t signals;
    int signal_fd;
};

static void usage(void)
{
    fprintf(stderr, "usage: instant_agent --master PORT --token-file FILE [--agents N] "
                    "[--places N] [--connecting N] [--first N] [--reconnect]\n");
    exit(2);
}

static void read_options(struct fleet *f, int argc, char **argv)
{
    static const struct option options[] = {
        {"master", 1, NULL, 'm'}, {"token-file", 1, NULL, 't'}, {"agents", 1, NULL, 'n'},
        {"places", 1, NULL, 'p'}, {"connecting", 1, NULL, 'c'}, {"reconnect", 0, NULL, 'r'},
        {"first", 1, NULL, 'f'},  {NULL, 0, NULL, 0},
    };
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'm':
            f->port = bench_number(ME, optarg, UINT16_MAX);
            break;
        case 't':
            f->token_file = optarg;
            break;
        case 'n':
            f->n = bench_number(ME, optarg, AGENTS_MAX);
            break;
        case 'p':
            f->places = bench_number(ME, optarg, CREDIT_TASKS_MAX);
            break;
        case 'c':
            f->connecting_max = bench_number(ME, optarg, AGENTS_MAX);
            break;
        case 'f':
            f->first = bench_number(ME, optarg, AGENTS_MAX);
            break;
        case 'r':
            f->reconnect = true;
            break;
        default:
            usage();
        }
    }
    if (f->port == 0 || !f->token_file || optind != argc)
        usage();
}

static void read_token(struct fleet *f)
{
    FILE *file = fopen(f->token_file, "re");
    if (!file || !fgets(f->token, sizeof(f->token), file))
        bench_fail(ME, "the file of --token-file holds no token");
    f->token[strcspn(f->token, "\r\n")] = '\0';
    fclose(file);
}

static void make_record(struct fleet *f)
{
    static const char form[] =
        "{\"outcome\":\"ok\",\"cause\":null,\"message\":null,\"started_at\":\"2026-11-22T04:05:06."
        "123456Z\",\"queue_ms\":0.1,\"timings\":{\"dns_ms\":1.9,\"connect_ms\":12,\"tls_ms\":null,"
        "\"send_ms\":0.1,\"wait_ms\":40.2,\"download_ms\":0.6,\"total_ms\":54.8},\"http\":{"
        "\"status\":200,\"version\":\"1.1\",\"ip\":\"192.0.2.1\",\"port\":80,\"size\":1256,"
        "\"redirects\":[],\"headers\":{},\"title\":\"%.*s\"},\"dns\":null,\"checks\":[]}";
    static const char title[] =
        "a title that is long enough to fill the record to the size that it shall have";
    struct strbuf text;
    strbuf_init(&text, 2 * RECORD_BYTES);
    strbuf_printf(&text, form, 0, title);
    size_t missing = RECORD_BYTES - text.len;
    REQUIRE(text.len < RECORD_BYTES && missing < sizeof(title));
    strbuf_reset(&text);
    strbuf_printf(&text, form, (int)missing, title);
    REQUIRE(text.len == RECORD_BYTES);
    memcpy(f->record, text.data, RECORD_BYTES);
    strbuf_fini(&text);
}

/* ---- the session's hands */

static enum err op_admit(void *arg, const struct session_task *t)
{
    struct agent *a = arg;
    struct target *target = t->target;
    if (a->n_todo == (size_t)a->fleet->places)
        return ERR_FULL;
    a->todo[a->n_todo++] = t->task;
    target_destroy(&target);
    return ERR_NONE;
}

static void op_cancel(void *arg, uint64_t task)
{
    /* All are answered within the frame that brought them: there is nothing to stop. */
}

static void op_release_waiting(void *arg)
{
}

static unsigned op_free_places(void *arg)
{
    struct agent *a = arg;
    return (unsigned)(a->fleet->places - (long)a->n_todo);
}

static void op_deny(void *arg, const struct cidr *deny, size_t n)
{
}

static void op_figures(void *arg, struct msg_heartbeat *hb, struct mono now)
{
    struct agent *a = arg;
    hb->lag_ms = ws_loop_lag_ms(a->fleet->loop);
    hb->queue = hb->running = 0;
    hb->slots = a->fleet->places;
    hb->probes = (int64_t)a->fleet->answered;
}

static void op_close(void *arg, uint16_t code, const char *reason)
{
    struct agent *a = arg;
    fprintf(stderr, "%s: the session closes with %u: %s\n", ME, code, reason);
    a->fleet->failed |= !a->fleet->ending && !a->fleet->reconnect;
    if (a->wsi)
        lws_set_timeout(a->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}

static struct wall op_wall(void *arg)
{
    return wall_now();
}

static const struct session_ops ops = {
    .admit = op_admit,
    .cancel = op_cancel,
    .release_waiting = op_release_waiting,
    .free_places = op_free_places,
    .deny = op_deny,
    .figures = op_figures,
    .wall = op_wall,
    .close = op_close,
};

/* ---- the links */

static void kick(struct agent *a, struct mono now)
{
    if (a->up && session_wants_write(a->session, now))
        lws_callback_on_writable(a->wsi);
}

static void answer(struct agent *a, struct mono now)
{
    struct fleet *f = a->fleet;
    size_t n = a->n_todo;
    a->n_todo = 0;
    for (size_t i = 0; i < n; i++)
        session_on_end(a->session, a->todo[i], SESSION_DONE, f->record, RECORD_BYTES, now);
    f->answered += n;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Most of the n moments, in order, that lie within so many milliseconds. */
static long busiest(const int64_t *at_ns, long n, int64_t window_ms)
{
    long most = 0;
    for (long first = 0, last = 0; last < n; last++) {
        while (at_ns[last] - at_ns[first] > window_ms * 1000000)
            first++;
        if (last - first + 1 > most)
            most = last - first + 1;
    }
    return most;
}

static void say_all_back(const struct fleet *f)
{
    int64_t *at_ns = mem_array((size_t)f->n, sizeof(*at_ns));
    for (long i = 0; i < f->n; i++)
        at_ns[i] = f->agents[i].retry_at.ns;
    qsort(at_ns, (size_t)f->n, sizeof(*at_ns), by_time);
    printf("back agents=%ld seconds=%.2f tries=%llu busiest_second=%ld busiest_tenth=%ld\n", f->n,
           bench_seconds_since(f->lost_at), (unsigned long long)f->retries,
           busiest(at_ns, f->n, 1000), busiest(at_ns, f->n, 100));
    free(at_ns);
}

static void say_all_welcome(struct fleet *f)
{
    if (mono_is_set(f->lost_at))
        say_all_back(f);
    else
        printf("ready agents=%ld seconds=%.2f\n", f->n, bench_seconds_since(f->started_at));
    fflush(stdout);
    f->lost_at = (struct mono){0};
}

static void note_welcome(struct agent *a)
{
    struct fleet *f = a->fleet;
    struct session_info i;
    session_info(a->session, &i);
    if (a->welcome || i.state != SESSION_READY)
        return;
    a->welcome = true;
    f->connecting--;
    backoff_reset(&a->backoff);
    if (++f->welcome == f->n)
        say_all_welcome(f);
}

static int on_receive(struct agent *a, struct lws *wsi, const char *in, size_t len)
{
    struct mono now = mono_now();
    bool final = lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0;
    a->fleet->frames_in += final;
    session_on_bytes(a->session, in, len, final, now);
    answer(a, now);
    if (!a->welcome)
        note_welcome(a);
    kick(a, now);
    return 0;
}

static int on_writeable(struct agent *a, struct lws *wsi)
{
    struct fleet *f = a->fleet;
    struct mono now = mono_now();
    if (!a->up)
        return 0;
    strbuf_reset(&f->frame);
    session_produce(a->session, &f->frame, now);
    if (f->frame.len == 0)
        return 0;
    memcpy(f->out + LWS_PRE, f->frame.data, f->frame.len);
    if (lws_write(wsi, f->out + LWS_PRE, f->frame.len, LWS_WRITE_TEXT) < 0)
        return -1;
    f->frames_out++;
    kick(a, now);
    return 0;
}

static int on_established(struct agent *a, struct lws *wsi)
{
    struct mono now = mono_now();
    a->wsi = wsi;
    a->up = true;
    session_on_connected(a->session, now);
    kick(a, now);
    return 0;
}

static void rest(struct agent *a, struct mono now)
{
    a->resting = true;
    a->retry_at = mono_add_ms(now, backoff_next_ms(&a->backoff, random_u64()));
}

static void on_closed(struct agent *a)
{
    struct fleet *f = a->fleet;
    a->wsi = NULL;
    a->up = false;
    session_on_disconnected(a->session, mono_now());
    if (a->welcome)
        f->welcome--;
    else
        f->connecting--;
    a->welcome = false;
    if (f->ending)
        return;
    if (f->reconnect) {
        if (!mono_is_set(f->lost_at))
            f->lost_at = mono_now();
        rest(a, mono_now());
        return;
    }
    f->failed = true;
    printf("lost agent=%ld\n", (long)(a - f->agents));
    fflush(stdout);
}

static void connect_one(struct agent *a)
{
    struct fleet *f = a->fleet;
    struct lws_client_connect_info info = {
        .context = ws_loop_context(f->loop),
        .address = "127.0.0.1",
        .port = (int)f->port,
        .path = "/ws",
        .host = "127.0.0.1",
        .protocol = PROTO_SUBPROTOCOL,
        .local_protocol_name = PROTO_SUBPROTOCOL,
        .opaque_user_data = a,
        .pwsi = &a->trying,
    };
    f->connecting++;
    a->trying = NULL;
    (void)lws_client_connect_via_info(&info); /* a failure is told by CONNECTION_ERROR … */
}

static void on_refused(struct agent *a, const char *why)
{
    struct fleet *f = a->fleet;
    f->connecting--;
    if (f->ending)
        return;
    if (f->reconnect) {
        rest(a, mono_now());
        return;
    }
    if (++a->tries == CONNECT_TRIES) {
        fprintf(stderr, "%s: the master cannot be reached: %s\n", ME, why ? why : "no answer");
        exit(1);
    }
    connect_one(a);
}

/* … or, when the master's end goes just then, by nothing but this. */
static void on_destroy(struct agent *a, struct lws *wsi)
{
    if (a != NULL && wsi == a->trying && !a->up && !a->resting && a->fleet->reconnect)
        on_refused(a, NULL);
}

static int add_token(struct fleet *f, struct lws *wsi, unsigned char **p, size_t len)
{
    char value[TOKEN_LINE + 16];
    int n = snprintf(value, sizeof(value), "Bearer %s", f->token);
    return lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, (unsigned char *)value,
                                        n, p, *p + len);
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len)
{
    struct agent *a = lws_get_opaque_user_data(wsi);
    switch (reason) {
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        return add_token(a->fleet, wsi, in, len);
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        on_refused(a, in);
        return 0;
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        return on_established(a, wsi);
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return on_receive(a, wsi, in, len);
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return on_writeable(a, wsi);
    case LWS_CALLBACK_CLIENT_CLOSED:
        if (a->up)
            on_closed(a);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        on_destroy(a, wsi);
        return 0;
    default:
        return 0;
    }
}

/* ---- the loop */

static void reconnect_due(struct fleet *f, struct mono now)
{
    for (long i = 0; f->reconnect && i < f->next; i++) {
        struct agent *a = &f->agents[i];
        if (!a->resting || mono_before(now, a->retry_at))
            continue;
        a->resting = false;
        f->retries++;
        connect_one(a);
    }
}

static void on_tick(void *arg, struct mono now)
{
    struct fleet *f = arg;
    if (f->ending)
        return;
    reconnect_due(f, now);
    while (f->next < f->n && f->connecting < f->connecting_max)
        connect_one(&f->agents[f->next++]);
    for (long i = f->slice; i < f->n; i += f->slices) {
        struct agent *a = &f->agents[i];
        if (a->up)
            session_on_tick(a->session, now);
        kick(a, now);
    }
    f->slice = (f->slice + 1) % f->slices;
}

static void on_wake(void *arg)
{
}

static void on_signal(uv_poll_t *p, int status, int events)
{
    struct fleet *f = p->data;
    if (signals_read(f->signal_fd) == 0 || f->ending)
        return;
    f->ending = true;
    uv_close((uv_handle_t *)&f->signals, NULL);
    ws_loop_stop(f->loop);
}

static void open_loop(struct fleet *f)
{
    static const struct lws_protocols protocols[] = {
        {.name = PROTO_SUBPROTOCOL,
         .callback = on_lws,
         .rx_buffer_size = RX_BUFFER,
         .tx_packet_size = FRAME_COALESCE_BYTES},
        {0},
    };
    static const struct ws_loop_callbacks callbacks = {.on_wake = on_wake, .on_tick = on_tick};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN, .protocols = protocols, .user = f};
    if (ws_loop_create(&info, TICK_MS, &callbacks, f, &f->loop) != ERR_NONE)
        bench_fail(ME, "no loop");
    f->signal_fd = signals_open_fd();
    f->signals.data = f;
    REQUIRE(uv_poll_init(ws_loop_uv(f->loop), &f->signals, f->signal_fd) == 0);
    REQUIRE(uv_poll_start(&f->signals, UV_READABLE, on_signal) == 0);
}

static void random_hex(char out[INSTANCE_ID_LEN + 1])
{
    snprintf(out, INSTANCE_ID_LEN + 1, "%016llx%016llx", (unsigned long long)random_u64(),
             (unsigned long long)random_u64());
}

static void make_agent(struct fleet *f, long i)
{
    struct agent *a = &f->agents[i];
    char name[32], instance[INSTANCE_ID_LEN + 1], run_id[INSTANCE_ID_LEN + 1];
    snprintf(name, sizeof(name), "bench-%ld", f->first + i);
    random_hex(instance);
    random_hex(run_id);
    struct session_config c = {.agent = name,
                               .instance = instance,
                               .run_id = run_id,
                               .version = SONDE_VERSION,
                               .slots = f->places,
                               .workers = 1,
                               .outbox_results = (size_t)f->places * 8,
                               .outbox_bytes = OUTBOX_BYTES};
    a->fleet = f;
    a->todo = f->todo;
    backoff_init(&a->backoff, BACKOFF_BASE_MS, BACKOFF_CAP_MS, BACKOFF_FLOOR_MS);
    a->session = session_create(&c, &ops, a);
}

static void raise_descriptors(const struct fleet *f)
{
    struct rlimit r;
    rlim_t most = (rlim_t)(f->n * (f->reconnect ? 2 : 1) + FD_SPARE); /* old ones close late */
    if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_max < most)
        bench_fail(ME, "too many agents for the limit of descriptors (ulimit -Hn)");
    r.rlim_cur = most;
    if (setrlimit(RLIMIT_NOFILE, &r) < 0)
        bench_fail(ME, strerror(errno));
}

static void report(const struct fleet *f, double cpu_s)
{
    printf("answered=%llu frames_in=%llu frames_out=%llu cpu_s=%.2f\n",
           (unsigned long long)f->answered, (unsigned long long)f->frames_in,
           (unsigned long long)f->frames_out, cpu_s);
}

int main(int argc, char **argv)
{
    struct fleet f = {.n = 4, .places = 512, .connecting_max = 200};
    signals_block();
    log_init(LOG_ERROR, LOG_TEXT, STDERR_FILENO);
    read_options(&f, argc, argv);
    read_token(&f);
    f.slices = f.n <= FEW_AGENTS ? FEW_SLICES : SLICES;
    make_record(&f);
    raise_descriptors(&f);
    strbuf_init(&f.frame, SESSION_FRAME_MAX);
    f.out = mem_alloc(LWS_PRE + SESSION_FRAME_MAX);
    f.todo = mem_array((size_t)f.places, sizeof(*f.todo));
    f.agents = mem_array((size_t)f.n, sizeof(*f.agents));
    open_loop(&f);
    for (long i = 0; i < f.n; i++)
        make_agent(&f, i);
    f.started_at = mono_now();
    ws_loop_run(f.loop);
    report(&f, bench_cpu_s());
    ws_loop_destroy(&f.loop);
    for (long i = 0; i < f.n; i++)
        session_destroy(&f.agents[i].session);
    close(f.signal_fd);
    strbuf_fini(&f.frame);
    free(f.out);
    free(f.todo);
    free(f.agents);
    return f.failed ? 1 : 0;
}
