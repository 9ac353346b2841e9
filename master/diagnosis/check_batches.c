/* SPDX-License-Identifier: MIT */
#include "master/diagnosis/checks.h"
#include <stdio.h>

/* Batches of which nothing ends: what they wait for is the core's word; one check for each. */

typedef bool waits_f(const struct diag_facts *f, const struct core_stuck *s);

static void item(const struct core_stuck *s, struct diag_finding *out)
{
    char still[HUMAN_MAX], left[HUMAN_MAX], queued[HUMAN_MAX];
    diag_item(out, DIAG_WARN, s->uuid,
              "nothing ended for %s; %s queued, %llu running; %u agents match, %u of them able; "
              "deadline in %s",
              human_duration(s->still_ms / 1000, still), human_count(s->counts.queued, queued),
              (unsigned long long)s->counts.running, s->matching, s->able,
              human_duration(s->deadline_in_ms > 0 ? s->deadline_in_ms / 1000 : 0, left));
}

static void stand_still(const struct diag_facts *f, struct diag_finding *out, waits_f *waits)
{
    for (unsigned i = 0; i < f->n_stuck; i++)
        if (waits(f, &f->stuck[i]))
            item(&f->stuck[i], out);
    unsigned n = diag_items(out), all = f->n_stuck + f->more_stuck;
    diag_figure(out, "batches", n);
    if (all == 0)
        diag_say(out, DIAG_OK, "no batch stands still");
    else
        diag_say(out, DIAG_OK, "%s%u of %u that stand still", f->more_stuck ? "at least " : "", n,
                 all);
}

static bool no_agent(const struct diag_facts *f, const struct core_stuck *s)
{
    return s->counts.waits == WAITS_NO_AGENT;
}

void check_batch_no_agent(const struct diag_facts *f, struct diag_finding *out)
{
    stand_still(f, out, no_agent);
}

static bool agents_unable(const struct diag_facts *f, const struct core_stuck *s)
{
    return s->counts.waits == WAITS_UNABLE || s->counts.waits == WAITS_CREDIT;
}

void check_batch_agents_unable(const struct diag_facts *f, struct diag_finding *out)
{
    stand_still(f, out, agents_unable);
}

static bool more_agents(const struct diag_facts *f, const struct core_stuck *s)
{
    return s->counts.waits == WAITS_MORE_AGENTS;
}

void check_batch_more_agents(const struct diag_facts *f, struct diag_finding *out)
{
    stand_still(f, out, more_agents);
}

static bool alone(const struct diag_facts *f, const struct core_stuck *s)
{
    return s->counts.waits == WAITS_ALONE;
}

void check_batch_alone(const struct diag_facts *f, struct diag_finding *out)
{
    stand_still(f, out, alone);
}

static bool hosts(const struct diag_facts *f, const struct core_stuck *s)
{
    return s->counts.waits == WAITS_HOSTS;
}

void check_batch_hosts(const struct diag_facts *f, struct diag_finding *out)
{
    stand_still(f, out, hosts);
}

static bool paused(const struct diag_facts *f, const struct core_stuck *s)
{
    return s->counts.waits == WAITS_PAUSED;
}

void check_batch_paused(const struct diag_facts *f, struct diag_finding *out)
{
    stand_still(f, out, paused);
}

/* A result counts as running until it is stored. */
static bool running(const struct core_stuck *s)
{
    return s->counts.waits == WAITS_NONE && s->counts.running > 0;
}

static bool by_store(const struct diag_facts *f, const struct core_stuck *s)
{
    enum waits_for w = s->counts.waits;
    return w == WAITS_STORE || w == WAITS_ENDING || (running(s) && !f->store.writable);
}

void check_batch_store(const struct diag_facts *f, struct diag_finding *out)
{
    stand_still(f, out, by_store);
}

static bool at_agents(const struct diag_facts *f, const struct core_stuck *s)
{
    return running(s) && f->store.writable;
}

void check_batch_running(const struct diag_facts *f, struct diag_finding *out)
{
    stand_still(f, out, at_agents);
}
