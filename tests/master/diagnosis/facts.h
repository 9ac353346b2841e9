/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/require.h"
#include "master/diagnosis/diagnosis.h"
#include "tests/support/check_main.h"
#include <stdio.h>
#include <string.h>

/* facts - a master that is well with three agents, for tests to spoil; and how a verdict is looked
 * at. Not every test uses all of it. */
#define GIB    (1ll << 30)
#define UNUSED __attribute__((unused))

static struct agent_view fleet[40];
static struct core_stuck stuck[CORE_STUCK_MAX];
static struct diag_facts facts;
static struct diagnosis *found;

UNUSED static void agent(unsigned i, const char *name)
{
    fleet[i] = (struct agent_view){.name = (char *)name,
                                   .state = AGENT_ALIVE,
                                   .has_hb = true,
                                   .heartbeat_age_ms = 3000,
                                   .connected_ms = 60000,
                                   .away_ms = -1,
                                   .hb = {.lag_ms = 1,
                                          .slots = 256,
                                          .running = 10,
                                          .oldest_ms = 2000,
                                          .load1 = 0.5,
                                          .fds_used = 100,
                                          .fds_max = 10000,
                                          .time_wait = 10,
                                          .ephemeral_ports = 28000,
                                          .recvq_bytes = 0}};
}

UNUSED static void well(void)
{
    static const char *const names[] = {"a1", "a2", "a3"};
    memset(&facts, 0, sizeof(facts));
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        agent(i, names[i]);
    facts.host.dir = "/data";
    facts.host.disk_bytes = 100 * GIB;
    facts.host.disk_free_bytes = 50 * GIB;
    facts.host.inodes = 1000000;
    facts.host.inodes_free = 900000;
    facts.host.cpu_percent = 20;
    facts.host.busiest_percent = 10;
    snprintf(facts.host.busiest, sizeof(facts.host.busiest), "hub");
    facts.host.load1 = 1.5;
    facts.host.cpus = 4;
    facts.host.mem_bytes = 16 * GIB;
    facts.host.mem_available_bytes = 8 * GIB;
    facts.host.rss_bytes = GIB / 8;
    facts.host.fds_used = 100;
    facts.host.fds_max = 12000;
    facts.host.time_wait = 100;
    facts.host.ephemeral_ports = 28000;
    facts.host.sync = SYNC_YES;
    facts.store.writable = true;
    facts.store.commit_p99_ms = 5;
    facts.store.commit_ms_max = 1000;
    facts.store.open_tasks = 1000;
    facts.store.open_tasks_max = 10000000;
    facts.store.n_queues = 2;
    facts.store.queues[0] = (struct diag_queue){"store-writer", 10, 1000, 100, 10000, 0, true};
    facts.store.queues[1] = (struct diag_queue){"store-reader", 10, 1000, 100, 0, 0, false};
    facts.hub.lag_ms = 2;
    facts.hub.silent_ms = 100;
    facts.hub.sessions = 3;
    facts.hub.sessions_max = 10000;
    facts.has_core = true;
    facts.agents = fleet;
    facts.n_agents = ARRAY_LEN(names);
    facts.stuck = stuck;
}

/* n agents, all well. */
UNUSED static void many(unsigned n)
{
    static char names_of[ARRAY_LEN(fleet)][8];
    REQUIRE(n <= ARRAY_LEN(fleet));
    well();
    for (unsigned i = 0; i < n; i++) {
        snprintf(names_of[i], sizeof(names_of[i]), "b%u", i);
        agent(i, names_of[i]);
    }
    facts.n_agents = n;
    facts.hub.sessions = n;
}

/* This check says so, and every other one says ok: none judges another's facts. */
UNUSED static const struct diag_finding *only(enum diag_check check, enum diag_state state)
{
    free(found);
    found = diagnosis_make(&facts);
    for (unsigned c = 0; c < DIAG_CHECKS; c++) {
        const struct diag_finding *f = &found->findings[c];
        enum diag_state wanted = c == (unsigned)check ? state : DIAG_OK;
        ck_assert_msg(f->state == wanted, "%s is %s, not %s: %s", diag_check_word(f->check),
                      diag_state_word(f->state), diag_state_word(wanted), f->evidence);
    }
    return &found->findings[check];
}

UNUSED static void says(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "'%s' does not say '%s'", text, part);
}

/* The item of that name, which says that. */
UNUSED static void names(const struct diag_finding *f, const char *name, const char *part)
{
    for (unsigned i = 0; i < f->n_items; i++)
        if (strcmp(f->items[i].name, name) == 0) {
            says(f->items[i].evidence, part);
            return;
        }
    ck_abort_msg("%s does not name %s", diag_check_word(f->check), name);
}

UNUSED static double figure(const struct diag_finding *f, const char *name)
{
    for (unsigned i = 0; i < f->n_figures; i++)
        if (strcmp(f->figures[i].name, name) == 0)
            return f->figures[i].value;
    ck_abort_msg("%s has no figure %s", diag_check_word(f->check), name);
    return 0;
}
