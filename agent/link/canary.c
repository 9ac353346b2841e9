/* SPDX-License-Identifier: MIT */
#include "agent/link/canary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

#define ROOT_NS           "dns:.?type=NS" /* any living resolver has it in its cache */
#define CANARY_TIMEOUT_MS 2000
#define CANARY_WAIT_MS    5000 /* for a slot, and the probe itself */
/* Task ids end below 2^63. */
#define CANARY_TASK_FIRST (UINT64_C(1) << 63)

static enum vital vital_of_address(const char *text, uint16_t default_port)
{
    struct ip ip;
    uint16_t port;
    return addr_parse(text, default_port, &ip, &port) == ERR_NONE ? vital_of(&ip) : VITAL_NONE;
}

static enum vital vital_of_target(const struct target *t)
{
    if (t->kind == TARGET_HTTP)
        return vital_of_address(t->http.host, 0);
    return t->dns.resolver ? vital_of_address(t->dns.resolver, 0) : VITAL_RESOLVER;
}

enum err canary_check(const char *text, enum vital *vital, char *why, size_t why_max)
{
    struct target *t = NULL;
    struct target_problem problem;
    if (target_from_text(text, strlen(text), NULL, &t, &problem) != ERR_NONE) {
        snprintf(why, why_max, "%s", problem.detail);
        return ERR_INVALID;
    }
    *vital = vital_of_target(t);
    target_destroy(&t);
    if (*vital != VITAL_NONE)
        return ERR_NONE;
    snprintf(why, why_max,
             "it must name an address beyond this host, like http://192.0.2.1/ or "
             "dns://192.0.2.1/.?type=NS, or be a question to the agent's own resolver, like "
             "dns:example.com");
    return ERR_INVALID;
}

static void add(struct canaries *c, const char *text)
{
    char why[JSON_PROBLEM_MAX];
    struct canary *new = &c->list[c->n++];
    REQUIRE(c->n <= CANARIES_MAX);
    enum err e = canary_check(text, &new->vital, why, sizeof(why));
    REQUIRE(e == ERR_NONE);
    new->text = mem_strdup(text);
}

void canaries_init(struct canaries *c, const char *const *texts, unsigned n)
{
    REQUIRE(n < CANARIES_MAX);
    *c = (struct canaries){.n = 0};
    for (unsigned i = 0; i < n; i++)
        add(c, texts[i]);
    if (!(canaries_covered(c) & 1u << VITAL_RESOLVER))
        add(c, ROOT_NS);
}

void canaries_fini(struct canaries *c)
{
    for (unsigned i = 0; i < c->n; i++)
        free(c->list[i].text);
    c->n = 0;
}

unsigned canaries_covered(const struct canaries *c)
{
    unsigned covered = 0;
    for (unsigned i = 0; i < c->n; i++)
        covered |= 1u << c->list[i].vital;
    return covered;
}

static void start(struct canaries *c, unsigned i, struct pool *p, struct mono now)
{
    struct target *t = NULL;
    struct target_problem problem;
    enum err e = target_from_text(c->list[i].text, strlen(c->list[i].text), NULL, &t, &problem);
    REQUIRE(e == ERR_NONE);
    t->timeout_ms = CANARY_TIMEOUT_MS;
    struct job *j = job_create(CANARY_TASK_FIRST + i, NULL, CLASS_INTERACTIVE, t, now,
                               mono_add_ms(now, CANARY_WAIT_MS));
    e = pool_submit(p, j, now);
    REQUIRE(e == ERR_NONE); /* places are kept for us */
    c->pending[c->list[i].vital]++;
}

void canaries_start(struct canaries *c, struct pool *p, enum vital vital, struct mono now)
{
    REQUIRE(c->pending[vital] == 0);
    c->asked[vital] = c->answered[vital] = false;
    for (unsigned i = 0; i < c->n; i++)
        if (c->list[i].vital == vital)
            start(c, i, p, now);
    REQUIRE(c->pending[vital] > 0);
}

/* Whether anybody at all was there. A resolver that knows nothing is as good as none. */
static bool answered(const struct result *r, enum vital vital)
{
    if (vital == VITAL_RESOLVER)
        return r->cause == CAUSE_NONE || r->cause == CAUSE_dns_nxdomain ||
               r->cause == CAUSE_dns_nodata;
    return r->doubt.vital == VITAL_NONE;
}

/* It came to nothing by policy, or by a lack of our own: that says nothing about the network. */
static bool was_asked(const struct job *j)
{
    enum cause c = j->result->cause;
    if (j->end != JOB_DONE || j->result->outcome == OUTCOME_REFUSED)
        return false;
    return c == CAUSE_NONE || cause_where(c) != WHERE_AGENT || c == CAUSE_agent_network_down ||
           c == CAUSE_agent_resolver_down;
}

bool canaries_take(struct canaries *c, const struct job *j, enum vital *vital, bool *over)
{
    if (j->task < CANARY_TASK_FIRST)
        return false;
    REQUIRE(j->task - CANARY_TASK_FIRST < c->n);
    const struct canary *it = &c->list[j->task - CANARY_TASK_FIRST];
    REQUIRE(c->pending[it->vital] > 0);
    if (was_asked(j)) {
        bool own = j->result->cause && cause_where(j->result->cause) == WHERE_AGENT;
        c->asked[it->vital] = true;
        c->answered[it->vital] |= !own && answered(j->result, it->vital);
    }
    *vital = it->vital;
    *over = --c->pending[it->vital] == 0;
    return true;
}
