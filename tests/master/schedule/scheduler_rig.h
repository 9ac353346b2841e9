/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/digest.h"
#include "master/schedule/scheduler.h"
#include "tests/master/schedule/zones.h"
#include "tests/support/schedule_fixture.h"
#include <string.h>

/*
 * scheduler_rig - for tests: a scheduler under clocks that only the test moves, with a store that
 * commits at once and agents that answer as the test says.
 */
#define RIG_AGENTS  8
#define RIG_RUNS    4096
#define RIG_ENTRIES 65536
#define RIG_GAPS    4096

typedef enum cause rig_sees_f(unsigned agent, uint64_t check);

struct rig_run {
    uint64_t check, seq, first;
    struct wall at;
    unsigned n, n_shun;
    bool confirms;
    int64_t deadline_ms;
    uint64_t shun[SCHEDULER_SHUN_MAX];
};
struct rig_entry {
    enum scheduler_entry_kind kind;
    struct wall at;
    uint64_t check;
    enum verdict_state from, to;
    enum cause cause;
    uint64_t slot, task;
    bool flapping;
    char advice[128], alert[32], schedule[32];
    enum incident_action_kind action;
    struct incident incident;
    struct plan_gap gap;
    int threshold, days_left;
};
static struct {
    struct scheduler *x;
    struct check_now now;
    unsigned n_agents; /* named a0, a1 … */
    rig_sees_f *sees;
    enum plan_miss room;
    bool hold;                     /* what is asked waits */
    struct rig_run runs[RIG_RUNS]; /* waiting */
    size_t n_runs, asked, confirms;
    uint64_t next_task;
    unsigned turn; /* of the agents */
    struct rig_entry *log;
    size_t n_log;
    unsigned did[INCIDENT_ACTIONS];
    struct plan_gap gaps[RIG_GAPS]; /* of all checks, by check and first_seq */
    uint64_t gap_check[RIG_GAPS];
    size_t n_gaps, gap_entries;
    struct scheduler_saved *saved;
    size_t n_saved;
} rig;

static void rig_on_run(void *arg, const struct scheduler_run *r)
{
    REQUIRE(rig.n_runs < RIG_RUNS && r->n_shun <= SCHEDULER_SHUN_MAX && r->spec_len > 0);
    struct rig_run *q = &rig.runs[rig.n_runs++];
    *q = (struct rig_run){.check = r->check,
                          .seq = r->seq,
                          .at = r->at,
                          .n = r->n,
                          .n_shun = r->n_shun,
                          .confirms = r->confirms,
                          .deadline_ms = r->deadline_ms};
    memcpy(q->shun, r->shun, r->n_shun * sizeof(r->shun[0]));
    rig.asked += !r->confirms;
    rig.confirms += r->confirms;
}

static enum plan_miss rig_on_room(void *arg, const struct schedule *s, unsigned *agents)
{
    *agents = rig.n_agents;
    return rig.room;
}

static void rig_book(uint64_t check, const struct plan_gap *g)
{
    size_t i = 0;
    while (i < rig.n_gaps && (rig.gap_check[i] != check || rig.gaps[i].first_seq != g->first_seq))
        i++;
    REQUIRE(i < RIG_GAPS);
    rig.n_gaps += i == rig.n_gaps;
    rig.gap_check[i] = check;
    rig.gaps[i] = *g;
    rig.gap_entries++;
}

static void rig_on_journal(void *arg, const struct scheduler_entry *e)
{
    REQUIRE(rig.n_log < RIG_ENTRIES);
    struct rig_entry *l = &rig.log[rig.n_log++];
    *l = (struct rig_entry){.kind = e->kind,
                            .at = e->at,
                            .check = e->check,
                            .from = e->transition.from,
                            .to = e->transition.to,
                            .cause = e->transition.cause,
                            .slot = e->transition.slot,
                            .task = e->transition.task,
                            .flapping = e->transition.flapping,
                            .gap = e->gap,
                            .threshold = e->certificate.threshold,
                            .days_left = e->certificate.days_left};
    snprintf(l->schedule, sizeof(l->schedule), "%s", e->schedule != NULL ? e->schedule : "");
    if (e->kind == ENTRY_TRANSITION)
        snprintf(l->advice, sizeof(l->advice), "%s", e->transition.advice);
    if (e->kind == ENTRY_GAP)
        rig_book(e->check, &e->gap);
    if (e->kind != ENTRY_INCIDENT)
        return;
    rig.did[e->incident.action]++;
    l->action = e->incident.action;
    l->incident = *e->incident.incident;
    if (e->incident.n_alerts > 0)
        snprintf(l->alert, sizeof(l->alert), "%s", e->incident.alerts[0]);
}

static const struct scheduler_ops rig_ops = {rig_on_run, rig_on_room, rig_on_journal};

static inline void rig_start(const char *at)
{
    memset(&rig, 0, sizeof(rig));
    rig.log = mem_array(RIG_ENTRIES, sizeof(*rig.log));
    rig.now = (struct check_now){{1000 * NS_PER_SEC}, {utc_at(at) * 1000000}};
    rig.n_agents = 2;
    rig.next_task = 1000;
    rig.x = scheduler_create(&rig_ops, NULL, 0, rig.now);
    scheduler_loaded(rig.x, rig.now);
}

static inline void rig_end(void)
{
    scheduler_destroy(&rig.x);
    free(rig.log);
    free(rig.saved);
    rig.log = NULL;
}

/* n checks from `first` on; host NULL: each has its own. */
static inline void rig_put_since(uint64_t id, struct schedule *s, uint64_t first, size_t n,
                                 const char *host)
{
    struct scheduler_check *checks = mem_array(n + 1, sizeof(*checks));
    char(*text)[2][64] = mem_array(n + 1, sizeof(*text));
    for (size_t i = 0; i < n; i++) {
        snprintf(text[i][0], sizeof(text[i][0]), "https://h%llu.example/",
                 (unsigned long long)(first + i));
        snprintf(text[i][1], sizeof(text[i][1]), "h%llu.example", (unsigned long long)(first + i));
        checks[i] = (struct scheduler_check){.id = first + i,
                                             .key = text[i][0],
                                             .spec = "{}",
                                             .spec_len = 2,
                                             .host = host != NULL ? host : text[i][1],
                                             .host_hash = first + i,
                                             .created = rig.now.wall};
    }
    scheduler_put(rig.x, id, s, checks, n, NULL, 0, rig.now);
    free(checks);
    free(text);
}

static inline const char *rig_agent(unsigned i, char name[16])
{
    snprintf(name, 16, "a%u", i);
    return name;
}

static bool rig_shunned(const struct rig_run *r, unsigned agent)
{
    char name[16];
    rig_agent(agent, name);
    for (unsigned i = 0; i < r->n_shun; i++)
        if (r->shun[i] == hash64(name, strlen(name)))
            return true;
    return false;
}

/* An agent that is not shunned and has none of this run yet, if there is one. */
static unsigned rig_choose(const struct rig_run *r, unsigned used)
{
    for (unsigned k = 0; k < rig.n_agents; k++) {
        unsigned a = rig.turn++ % rig.n_agents;
        if (!(used >> a & 1) && !rig_shunned(r, a))
            return a;
    }
    return rig.turn++ % rig.n_agents;
}

static inline void rig_say(uint64_t task, unsigned agent, enum cause cause)
{
    char name[16];
    struct scheduler_result r = {
        .task = task, .agent = rig_agent(agent, name), .cause = cause, .total_ms = 12};
    scheduler_result(rig.x, &r, rig.now);
}

static inline void rig_begin(struct rig_run *r)
{
    r->first = rig.next_task;
    rig.next_task += r->n;
    scheduler_began(rig.x, r->check, r->seq, r->first, r->n, rig.now);
}

static inline void rig_pump(void)
{
    while (!rig.hold && rig.n_runs > 0) {
        struct rig_run r = rig.runs[0];
        memmove(&rig.runs[0], &rig.runs[1], --rig.n_runs * sizeof(r));
        rig_begin(&r);
        for (unsigned i = 0, used = 0; i < r.n; i++) {
            unsigned a = rig_choose(&r, used);
            used |= 1u << a;
            rig_say(r.first + i, a, rig.sees != NULL ? rig.sees(a, r.check) : CAUSE_NONE);
        }
    }
}

static inline void rig_skip(int64_t ms)
{
    rig.now.mono = mono_add_ms(rig.now.mono, ms);
    rig.now.wall.us += ms * 1000;
}

static inline void rig_tick(void)
{
    scheduler_tick(rig.x, rig.now);
    rig_pump();
}

static inline void rig_pass(int s)
{
    for (int i = 0; i < s; i++) {
        rig_skip(1000);
        rig_tick();
    }
}

static inline struct scheduler_check_view rig_view(uint64_t check)
{
    struct scheduler_filter f = {.only = check, .state = -1, .limit = 1};
    struct scheduler_check_view *v, out;
    uint64_t last;
    bool more;
    REQUIRE(scheduler_checks(rig.x, &f, &v, &last, &more) == 1);
    out = v[0];
    scheduler_check_views_free(v, 1);
    return out;
}

static inline enum verdict_state rig_state(uint64_t check)
{
    return rig_view(check).state;
}

static inline size_t rig_count(enum scheduler_entry_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < rig.n_log; i++)
        n += rig.log[i].kind == kind;
    return n;
}

static inline uint64_t rig_missed(enum plan_miss why)
{
    uint64_t n = 0;
    for (size_t i = 0; i < rig.n_gaps; i++)
        n += rig.gaps[i].why == why ? rig.gaps[i].count : 0;
    return n;
}

static void rig_keep(void *arg, const struct scheduler_saved *items, size_t n)
{
    rig.saved = mem_realloc(rig.saved, (rig.n_saved + n) * sizeof(*items));
    memcpy(&rig.saved[rig.n_saved], items, n * sizeof(*items));
    rig.n_saved += n;
}

static inline void rig_snapshot(void)
{
    rig.n_saved = 0;
    scheduler_snapshot(rig.x, rig_keep, NULL);
}
