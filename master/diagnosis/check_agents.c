/* SPDX-License-Identifier: MIT */
#include "master/diagnosis/checks.h"
#include "proto/limits.h"

/* The fleet, as the master sees it and as each agent told in its last heartbeat. */

#define LATE_MS          (HEARTBEAT_MS * 3 / 2) /* without a heartbeat; suspect comes later */
#define LOST_MS          3600000                /* who is away for longer is no news */
#define CUT_NEWS_MS      600000                 /* who was cut for being slow is news for so long */
#define BULK_LEAST       3                      /* so many at once, and … */
#define BULK_PERCENT     30    /* … this share of all: one cause, and not theirs */
#define RECVQ_WARN_BYTES 65536 /* unread: an agent that reads never has so much */
#define PROBE_GRACE_MS   5000  /* beyond the longest time-out */
#define LAG_WARN_MS      500
#define LAG_BAD_MS       5000
#define USED_WARN        80 /* percent of a limit */
#define USED_BAD         95
#define PORTS_WARN       50
#define PORTS_BAD        90

static bool connected(const struct agent_view *v)
{
    return v->state != AGENT_ORPHANED && v->state != AGENT_GONE;
}

/* It is connected, and its figures are of this session. */
static bool tells(const struct agent_view *v)
{
    return connected(v) && v->has_hb;
}

static unsigned count_connected(const struct diag_facts *f)
{
    unsigned n = 0;
    for (unsigned i = 0; i < f->n_agents; i++)
        n += connected(&f->agents[i]);
    return n;
}

static bool is_bulk(unsigned n, unsigned of)
{
    return n >= BULK_LEAST && diag_percent(n, of) >= BULK_PERCENT;
}

void check_agents(const struct diag_facts *f, struct diag_finding *out)
{
    unsigned n = count_connected(f);
    diag_figure(out, "connected", n);
    diag_figure(out, "known", f->n_agents);
    if (n > 0)
        diag_say(out, DIAG_OK, "%u of %u known are connected", n, f->n_agents);
    else
        diag_say(out, f->store.open_tasks > 0 ? DIAG_BAD : DIAG_WARN,
                 "none is connected, %u known; tasks that wait: %lld", f->n_agents,
                 (long long)f->store.open_tasks);
}

void check_agents_lost(const struct diag_facts *f, struct diag_finding *out)
{
    char age[HUMAN_MAX];
    for (unsigned i = 0; i < f->n_agents; i++) {
        const struct agent_view *v = &f->agents[i];
        if (connected(v) || v->left || v->away_ms < 0 || v->away_ms > LOST_MS)
            continue;
        diag_item(
            out, DIAG_WARN, v->name, "away for %s: %s", human_duration(v->away_ms / 1000, age),
            v->last_end.cause != END_NONE ? end_text(v->last_end.cause) : "no cause is known");
    }
    unsigned n = diag_items(out), of = n + count_connected(f);
    bool bulk = is_bulk(n, of);
    diag_figure(out, "lost", n);
    diag_say(out, bulk ? DIAG_BAD : DIAG_OK, "%u of %u in the last hour%s", n, of,
             bulk ? ": too many for a chance" : "");
}

static void half_open(const struct agent_view *v, struct diag_finding *out)
{
    char age[HUMAN_MAX];
    int64_t silent_ms = v->has_hb ? v->heartbeat_age_ms : v->connected_ms;
    if (!connected(v) || silent_ms < LATE_MS)
        return;
    diag_item(out, DIAG_WARN, v->name, "%s for %s%s; %llu tasks there",
              v->has_hb ? "no heartbeat" : "connected, and no heartbeat",
              human_duration(silent_ms / 1000, age), v->state == AGENT_SUSPECT ? ", suspect" : "",
              (unsigned long long)v->leases);
}

void check_half_open(const struct diag_facts *f, struct diag_finding *out)
{
    for (unsigned i = 0; i < f->n_agents; i++)
        half_open(&f->agents[i], out);
    unsigned n = diag_items(out), of = count_connected(f);
    diag_figure(out, "silent", n);
    diag_say(out, is_bulk(n, of) ? DIAG_BAD : DIAG_OK, "%u of %u connected are silent", n, of);
}

static void slow_consumer(const struct agent_view *v, struct diag_finding *out)
{
    char a[HUMAN_MAX], b[HUMAN_MAX];
    if (!tells(v))
        return;
    const struct msg_heartbeat *h = &v->hb;
    if (h->recvq_bytes >= RECVQ_WARN_BYTES || (v->slow && h->recvq_bytes > 0))
        diag_item(out, DIAG_WARN, v->name, "in its Recv-Q: %s unread; %llu tasks not received",
                  human_bytes((uint64_t)h->recvq_bytes, a), (unsigned long long)v->untaken);
    else if (v->slow)
        diag_item(out, DIAG_WARN, v->name,
                  "on the way: %llu tasks, %s not received, and its Recv-Q is %s",
                  (unsigned long long)v->untaken, human_bytes(v->untaken_bytes, b),
                  h->recvq_bytes < 0 ? "not known" : "empty");
}

/* It may be back, and read well for the moment: the cause is not gone by that. */
static bool cut_while_slow(const struct agent_view *v, struct diag_finding *out)
{
    char age[HUMAN_MAX];
    bool slow = v->last_end.cause == END_slow_consumer || v->last_end.cause == END_write_stalled;
    if (!slow || v->last_end.ago_ms > CUT_NEWS_MS)
        return false;
    diag_item(out, DIAG_WARN, v->name, "cut %s ago as %s: %s",
              human_duration(v->last_end.ago_ms / 1000, age), end_word(v->last_end.cause),
              v->last_end.detail ? v->last_end.detail : "");
    return true;
}

void check_slow_consumers(const struct diag_facts *f, struct diag_finding *out)
{
    unsigned full = 0, cut = 0;
    for (unsigned i = 0; i < f->n_agents; i++) {
        slow_consumer(&f->agents[i], out);
        cut += cut_while_slow(&f->agents[i], out);
        const struct msg_heartbeat *h = &f->agents[i].hb;
        full += tells(&f->agents[i]) && h->slots > 0 && h->running >= h->slots;
    }
    unsigned slow = diag_items(out) - cut;
    diag_figure(out, "slow", slow);
    diag_figure(out, "cut_while_slow", cut);
    diag_figure(out, "full_pools", full);
    diag_say(out, DIAG_OK, "%u of %u connected%s; %u with all slots in use", slow,
             count_connected(f), cut > 0 ? ", others were cut for it" : "", full);
}

static void stalled(const struct agent_view *v, struct diag_finding *out)
{
    char age[HUMAN_MAX];
    if (v->state != AGENT_STALLED)
        return;
    if (v->hb.overdue_ms >= STALLED_OVERDUE_MS)
        diag_item(out, DIAG_WARN, v->name, "a probe is %s over its time-out",
                  human_duration(v->hb.overdue_ms / 1000, age));
    else
        diag_item(out, DIAG_WARN, v->name, "%lld tasks wait, and for %s none started or ended",
                  (long long)v->hb.queue, human_duration(v->hb.still_ms / 1000, age));
}

void check_agents_stalled(const struct diag_facts *f, struct diag_finding *out)
{
    if (!can_ask(f, out))
        return;
    for (unsigned i = 0; i < f->n_agents; i++)
        stalled(&f->agents[i], out);
    unsigned n = diag_items(out), of = count_connected(f);
    diag_figure(out, "stalled", n);
    diag_say(out, is_bulk(n, of) ? DIAG_BAD : DIAG_OK, "%u of %u connected stand still", n, of);
}

void check_stuck_probes(const struct diag_facts *f, struct diag_finding *out)
{
    char age[HUMAN_MAX];
    int64_t oldest_ms = -1;
    for (unsigned i = 0; i < f->n_agents; i++) {
        const struct agent_view *v = &f->agents[i];
        if (!tells(v))
            continue;
        oldest_ms = v->hb.oldest_ms > oldest_ms ? v->hb.oldest_ms : oldest_ms;
        bool told = v->state == AGENT_STALLED; /* by agents_stalled */
        if (v->hb.oldest_ms > TIMEOUT_MS_MAX + PROBE_GRACE_MS && !told)
            diag_item(out, DIAG_WARN, v->name, "its oldest probe runs for %s",
                      human_duration(v->hb.oldest_ms / 1000, age));
    }
    diag_figure(out, "oldest_ms", (double)oldest_ms);
    if (oldest_ms < 0)
        diag_say(out, DIAG_OK, "no probe runs");
    else
        diag_say(out, DIAG_OK, "the oldest probe runs for %s",
                 human_duration(oldest_ms / 1000, age));
}

void check_agent_trouble(const struct diag_facts *f, struct diag_finding *out)
{
    for (unsigned i = 0; i < f->n_agents; i++) {
        const struct agent_view *v = &f->agents[i];
        if (connected(v) && v->trouble && v->trouble[0])
            diag_item(out, DIAG_WARN, v->name, "%s", v->trouble);
    }
    diag_say(out, DIAG_OK, "%u of %u connected have some", diag_items(out), count_connected(f));
}

void check_agent_lag(const struct diag_facts *f, struct diag_finding *out)
{
    double worst = -1;
    for (unsigned i = 0; i < f->n_agents; i++) {
        const struct agent_view *v = &f->agents[i];
        if (!tells(v))
            continue;
        worst = v->hb.lag_ms > worst ? v->hb.lag_ms : worst;
        enum diag_state s = diag_over(v->hb.lag_ms, LAG_WARN_MS, LAG_BAD_MS);
        if (s > DIAG_UNKNOWN)
            diag_item(out, s, v->name, "%.0f ms late; load %.1f", v->hb.lag_ms, v->hb.load1);
    }
    diag_figure(out, "worst_ms", worst);
    if (worst < 0)
        diag_say(out, DIAG_OK, "no agent has told yet");
    else
        diag_say(out, DIAG_OK, "at most %.0f ms", worst);
}

/* ---- limits of their hosts */

struct share { /* of a limit at one agent */
    int64_t used, limit;
};

static void shares(const struct diag_facts *f, struct diag_finding *out,
                   struct share (*of)(const struct msg_heartbeat *h), double warn, double bad,
                   const char *what)
{
    double worst = -1;
    for (unsigned i = 0; i < f->n_agents; i++) {
        const struct agent_view *v = &f->agents[i];
        struct share s = tells(v) ? of(&v->hb) : (struct share){-1, -1};
        double percent = diag_percent(s.used, s.limit);
        worst = percent > worst ? percent : worst;
        enum diag_state state = diag_over(percent, warn, bad);
        if (state > DIAG_UNKNOWN)
            diag_item(out, state, v->name, "%lld of %lld %s (%.0f %%)", (long long)s.used,
                      (long long)s.limit, what, percent);
    }
    diag_figure(out, "worst_percent", worst);
    if (worst < 0)
        diag_say(out, DIAG_OK, "no agent has told yet");
    else
        diag_say(out, DIAG_OK, "at most %.0f %% of %s", worst, what);
}

static struct share descriptors_of(const struct msg_heartbeat *h)
{
    return (struct share){h->fds_used, h->fds_max};
}

void check_agent_descriptors(const struct diag_facts *f, struct diag_finding *out)
{
    shares(f, out, descriptors_of, USED_WARN, USED_BAD, "descriptors");
}

static struct share ports_of(const struct msg_heartbeat *h)
{
    return (struct share){h->time_wait, h->ephemeral_ports};
}

void check_agent_ports(const struct diag_facts *f, struct diag_finding *out)
{
    shares(f, out, ports_of, PORTS_WARN, PORTS_BAD, "local ports in TIME_WAIT");
}
