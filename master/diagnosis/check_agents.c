/* SPDX-License-Identifier: MIT */
#include "master/diagnosis/checks.h"
#include "proto/limits.h"
#include <stdio.h>
#include <stdlib.h>

/* The fleet, as the master sees it and as each agent told in its last heartbeat. */

#define LOST_MS        3600000 /* who is away for longer is no news */
#define PROBE_GRACE_MS 5000    /* beyond the longest time-out */
#define LAG_WARN_MS    500
#define LAG_BAD_MS     5000
#define USED_WARN      80 /* percent of a limit */
#define USED_BAD       95
#define PORTS_WARN     50
#define PORTS_BAD      90
/* Sockets in CLOSE_WAIT beyond one for each probe that runs, which it may have for a moment. */
#define CLOSE_WAIT_WARN 32
#define CLOSE_WAIT_BAD  256
#define COMMON_CLOCK_MS 1000 /* clocks that differ by so little from each other tell one time */

void check_agents(const struct diag_facts *f, struct diag_finding *out)
{
    unsigned n = diag_count_connected(f);
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
        if (diag_connected(v) || v->left || v->away_ms < 0 || v->away_ms > LOST_MS)
            continue;
        diag_item(
            out, DIAG_WARN, v->name, "away for %s: %s", human_duration(v->away_ms / 1000, age),
            v->last_end.cause != END_NONE ? end_text(v->last_end.cause) : "no cause is known");
    }
    unsigned n = diag_items(out), of = n + diag_count_connected(f);
    bool bulk = diag_is_bulk(n, of);
    diag_figure(out, "lost", n);
    diag_say(out, bulk ? DIAG_BAD : DIAG_OK, "%u of %u in the last hour%s", n, of,
             bulk ? ": too many for a chance" : "");
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
    for (unsigned i = 0; i < f->n_agents; i++)
        stalled(&f->agents[i], out);
    unsigned n = diag_items(out), of = diag_count_connected(f);
    diag_figure(out, "stalled", n);
    diag_say(out, diag_is_bulk(n, of) ? DIAG_BAD : DIAG_OK, "%u of %u connected stand still", n,
             of);
}

void check_stuck_probes(const struct diag_facts *f, struct diag_finding *out)
{
    char age[HUMAN_MAX];
    int64_t oldest_ms = -1;
    for (unsigned i = 0; i < f->n_agents; i++) {
        const struct agent_view *v = &f->agents[i];
        if (!diag_tells(v))
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
        if (diag_connected(v) && v->trouble && v->trouble[0])
            diag_item(out, DIAG_WARN, v->name, "%s", v->trouble);
    }
    diag_say(out, DIAG_OK, "%u of %u connected have some", diag_items(out),
             diag_count_connected(f));
}

void check_agent_lag(const struct diag_facts *f, struct diag_finding *out)
{
    double worst = -1;
    for (unsigned i = 0; i < f->n_agents; i++) {
        const struct agent_view *v = &f->agents[i];
        if (!diag_tells(v))
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
        struct share s = diag_tells(v) ? of(&v->hb) : (struct share){-1, -1};
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

/* ---- what leaks, and what is told wrongly */

void check_agent_close_wait(const struct diag_facts *f, struct diag_finding *out)
{
    int64_t worst = -1;
    for (unsigned i = 0; i < f->n_agents; i++) {
        const struct agent_view *v = &f->agents[i];
        int64_t n = diag_tells(v) ? v->hb.close_wait : -1;
        int64_t runs = v->hb.running > 0 ? v->hb.running : 0;
        worst = n > worst ? n : worst;
        enum diag_state s = diag_over((double)(n - runs), CLOSE_WAIT_WARN, CLOSE_WAIT_BAD);
        if (n >= 0 && s > DIAG_UNKNOWN)
            diag_item(out, s, v->name, "%lld sockets in CLOSE_WAIT, %lld probes run", (long long)n,
                      (long long)runs);
    }
    diag_figure(out, "most", (double)worst);
    if (worst < 0)
        diag_say(out, DIAG_OK, "no agent has told yet");
    else
        diag_say(out, DIAG_OK, "at most %lld sockets of an agent in CLOSE_WAIT", (long long)worst);
}

static const char *clock_text(int64_t clock_ms, char buf[64])
{
    snprintf(buf, 64, "%.1f s %s", (double)llabs(clock_ms) / 1000,
             clock_ms < 0 ? "behind" : "ahead of");
    return buf;
}

/* Of at least two, all but the last digit the same: then it is the one clock that they share. */
static bool all_off_alike(const struct diag_facts *f, unsigned n_off, unsigned n_told)
{
    int64_t least = INT64_MAX, most = INT64_MIN;
    for (unsigned i = 0; i < f->n_agents; i++) {
        const struct agent_view *v = &f->agents[i];
        if (!diag_tells(v) || !v->hb.has_clock)
            continue;
        least = v->hb.clock_ms < least ? v->hb.clock_ms : least;
        most = v->hb.clock_ms > most ? v->hb.clock_ms : most;
    }
    return n_off >= 2 && n_off == n_told && most - least <= COMMON_CLOCK_MS;
}

void check_agent_clock(const struct diag_facts *f, struct diag_finding *out)
{
    char text[64];
    unsigned told = 0;
    int64_t worst = 0;
    for (unsigned i = 0; i < f->n_agents; i++) {
        const struct agent_view *v = &f->agents[i];
        if (!diag_tells(v) || !v->hb.has_clock)
            continue;
        told++;
        worst = llabs(v->hb.clock_ms) > llabs(worst) ? v->hb.clock_ms : worst;
        if (v->clock_off)
            diag_item(out, DIAG_WARN, v->name, "its clock is %s the master's; round trip %.1f ms",
                      clock_text(v->hb.clock_ms, text), v->hb.rtt_ms);
    }
    unsigned n = diag_items(out);
    diag_figure(out, "off", n);
    if (told > 0)
        diag_figure(out, "worst_s", (double)worst / 1000);
    if (told == 0)
        diag_say(out, DIAG_OK, "no agent has told yet");
    else if (all_off_alike(f, n, told))
        diag_say(out, DIAG_WARN,
                 "all %u agree with each other, and not with the master: its clock "
                 "is off",
                 told);
    else
        diag_say(out, DIAG_OK, "%u of %u that tell are off by more than %d s", n, told,
                 CLOCK_SKEW_MS / 1000);
}
