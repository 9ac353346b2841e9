/* SPDX-License-Identifier: MIT */
#include "common/ids.h"
#include "master/schedule/scheduler.h"
#include "tests/support/schedule_fixture.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/*
 * bench_scheduler - the machine of schedules with N checks (100,000) every 60 s, specs of 200
 * bytes, a host for each four, in ten schedules, one agent each. One line of figures: the CPU to
 * load them with what was saved of them, the bytes that they take, and CPU a slot and a result
 * while it goes on for five minutes, looked at every 100 ms; then the same with half of the
 * fleet's targets down, a snapshot, and the views of all schedules.
 */
#define CHECKS_DEFAULT 100000
#define CHECKS_MAX     1000000
#define SCHEDULES      10
#define HOST_OF        4
#define GO_ON_MS       300000
#define LOOK_MS        100
#define SPEC_BYTES     200
#define AGENTS         20
#define START_US       (INT64_C(1790000000) * 1000000)

struct asked {
    uint64_t check, seq;
    unsigned n;
};
struct bench {
    struct scheduler *x;
    struct check_now now;
    uint64_t checks;
    struct asked *asked;
    size_t n_asked;
    uint64_t task, entries, results;
    bool ill; /* every second target is down */
    double tick_ms, result_ms;
    uint64_t slots;
};

/* CPU of this process: others share the machine. */
static struct mono cpu_now(void)
{
    struct timespec t;
    REQUIRE(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
    return (struct mono){t.tv_sec * NS_PER_SEC + t.tv_nsec};
}

static double since_ms(struct mono start)
{
    return mono_diff_ms_f(cpu_now(), start);
}

static void on_run(void *arg, const struct scheduler_run *r)
{
    struct bench *b = arg;
    REQUIRE(b->n_asked < b->checks);
    b->asked[b->n_asked++] = (struct asked){r->check, r->seq, r->n};
    b->slots += !r->confirms;
}

static enum plan_miss on_room(void *arg, const struct schedule *s, unsigned *agents)
{
    *agents = AGENTS;
    return PLAN_MISS_NONE;
}

static void on_journal(void *arg, const struct scheduler_entry *e)
{
    ((struct bench *)arg)->entries++;
}

static const struct scheduler_ops ops = {on_run, on_room, on_journal};

static void load_check(struct bench *b, uint64_t i, const char *spec)
{
    char key[96], host[64];
    snprintf(key, sizeof(key), "https://host-%llu.example.com/path/%llu",
             (unsigned long long)(i / HOST_OF), (unsigned long long)i);
    snprintf(host, sizeof(host), "host-%llu.example.com", (unsigned long long)(i / HOST_OF));
    struct scheduler_check c = {.id = i,
                                .key = key,
                                .spec = spec,
                                .spec_len = SPEC_BYTES,
                                .host = host,
                                .host_hash = i / HOST_OF,
                                .created = {START_US - 86400 * INT64_C(1000000)}};
    struct scheduler_saved saved = {.check = i,
                                    .last = {1000, {START_US - 60 * INT64_C(1000000)}},
                                    .state = VERDICT_UP,
                                    .state_since = c.created,
                                    .slot = 1000};
    scheduler_load_check(b->x, 1 + i % SCHEDULES, &c, &saved);
}

static double load(struct bench *b)
{
    char spec[SPEC_BYTES + 1], name[16];
    memset(spec, 'x', SPEC_BYTES);
    spec[SPEC_BYTES] = '\0';
    struct mono start = cpu_now();
    b->x = scheduler_create(&ops, b, 0, b->now);
    for (uint64_t id = 1; id <= SCHEDULES; id++) {
        snprintf(name, sizeof(name), "s%llu", (unsigned long long)id);
        scheduler_load_schedule(b->x, id, schedule_every(name, 60000, 1), (struct wall){1});
    }
    for (uint64_t i = 1; i <= b->checks; i++)
        load_check(b, i, spec);
    scheduler_loaded(b->x, b->now);
    return since_ms(start);
}

/* What was asked is committed and answered at once. */
static void answer(struct bench *b)
{
    struct mono start = cpu_now();
    for (size_t i = 0; i < b->n_asked; i++) { /* grows while confirmations are asked for */
        struct asked a = b->asked[i];
        uint64_t first = b->task + 1;
        b->task += a.n;
        scheduler_began(b->x, a.check, a.seq, first, a.n, b->now);
        for (unsigned k = 0; k < a.n; k++, b->results++) {
            char agent[16];
            snprintf(agent, sizeof(agent), "agent-%llu",
                     (unsigned long long)((first + k) % AGENTS));
            struct scheduler_result r = {.task = first + k,
                                         .agent = agent,
                                         .cause = b->ill && a.check % 2 ? CAUSE_connect_timeout
                                                                        : CAUSE_NONE,
                                         .total_ms = 10};
            scheduler_result(b->x, &r, b->now);
        }
    }
    b->n_asked = 0;
    b->result_ms += since_ms(start);
}

static void go_on(struct bench *b)
{
    b->slots = b->results = b->entries = 0;
    b->tick_ms = b->result_ms = 0;
    for (int ms = 0; ms < GO_ON_MS; ms += LOOK_MS) {
        b->now.mono = mono_add_ms(b->now.mono, LOOK_MS);
        b->now.wall.us += LOOK_MS * 1000;
        struct mono start = cpu_now();
        scheduler_tick(b->x, b->now);
        b->tick_ms += since_ms(start);
        answer(b);
    }
}

static void on_saved(void *arg, const struct scheduler_saved *items, size_t n)
{
    *(uint64_t *)arg += n;
}

static double ns_each(double ms, uint64_t n)
{
    return ms * 1e6 / (double)(n ? n : 1);
}

static void bench(uint64_t n)
{
    struct bench b = {.checks = n, .now = {{NS_PER_SEC}, {START_US}}};
    struct scheduler_view *views;
    uint64_t saved = 0;
    b.asked = mem_array(n, sizeof(*b.asked));
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    double load_ms = load(&b);
    size_t bytes = (mallinfo2().uordblks + mallinfo2().hblkhd - before) / n;
    go_on(&b);
    printf("scheduler checks=%llu load_ms=%.0f bytes=%zu slots=%llu tick_ns=%.0f result_ns=%.0f",
           (unsigned long long)n, load_ms, bytes, (unsigned long long)b.slots,
           ns_each(b.tick_ms, b.slots), ns_each(b.result_ms, b.results));
    b.ill = true;
    go_on(&b);
    printf(" ill_tick_ns=%.0f ill_result_ns=%.0f ill_entries=%llu", ns_each(b.tick_ms, b.slots),
           ns_each(b.result_ms, b.results), (unsigned long long)b.entries);
    struct mono start = cpu_now();
    scheduler_snapshot(b.x, on_saved, &saved);
    double snapshot_ms = since_ms(start);
    start = cpu_now();
    size_t n_views = scheduler_views(b.x, NULL, NULL, &views);
    printf(" snapshot_ms=%.1f views_ms=%.1f\n", snapshot_ms, since_ms(start));
    REQUIRE(saved == n && n_views == SCHEDULES);
    free(views);
    scheduler_destroy(&b.x);
    free(b.asked);
}

int main(int argc, char **argv)
{
    uint64_t n = CHECKS_DEFAULT;
    if (argc > 1 && (u64_parse(argv[1], strlen(argv[1]), &n) || n == 0 || n > CHECKS_MAX)) {
        fprintf(stderr, "usage: bench_scheduler [CHECKS]\n");
        return EXIT_FAILURE;
    }
    bench(n);
    return EXIT_SUCCESS;
}
