/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/schedule/check.h"
#include "master/schedule/window.h"

/*
 * incident - what is broken, told once: changes of checks come in, and for each failure that people
 * have to know of one incident comes out, as a list of actions.
 *
 *      a check goes down         30 s, still not up         all its checks up for 3 min
 *      ────────────────► OPEN ──────────────────► CONFIRMED ──────────────────► RESOLVED
 *                          ├── all its checks up for 3 min ─────────────────────────▲
 *                          └── it was the fleet, or one agent ──► WITHDRAWN
 *
 * OPEN is the time in which a failure of our own shows itself as one; alerts begin with CONFIRMED.
 * Only down opens an incident. Degraded opens none, but is not up; unknown says nothing: a target
 * that nobody measures neither breaks nor recovers. A check that flaps is not up until it has
 * calmed down, so a flapping check holds one incident open and never makes a second.
 *
 * Which one a check joins: that of its host and cause. Another cause on the same host joins, too,
 * within INCIDENT_JOIN_MS of the beginning: a host that dies refuses, then resets, then times out,
 * and that is one death. Later it is an incident of its own, because who already works at the first
 * would not hear of it. A check that is in an incident stays there, whatever its next cause is.
 *
 * A system event is an incident without a host, which takes the place of all that are OPEN:
 *
 * Of the fleet: hosts with most of their checks down, INCIDENT_MANY_LEAST and
 * INCIDENT_FLEET_PERCENT of those that had a verdict within INCIDENT_SETTLE_MS; or more than
 * INCIDENTS_MAX incidents.
 *
 * Of an agent: hosts down by its word alone, as many, and INCIDENT_AGENT_PERCENT of those that only
 * it measured in that time; or all that would make one of the fleet.
 *
 * While it stands, checks that go down join it: all of them, or those of that agent. What is still
 * not up INCIDENT_SETTLE_MS after INCIDENT_BACK_PERCENT are back was not of it, and opens incidents
 * of its own.
 *
 * Maintenance mutes, and hides nothing: the incident is recorded, each action says `muted`. It
 * mutes while the windows of the check that opened it are open and nobody without maintenance has
 * joined. When it ends before the incident does, INCIDENT_UNMUTED says so: it is time to alert.
 *
 * Pure; owned by one thread; time comes in with each call. Memory: INCIDENTS_MAX incidents,
 * INCIDENT_CHECKS_MAX checks in all of them together, each zone of a maintenance once, and actions
 * until they are taken.
 */
#define INCIDENT_SETTLE_MS     30000  /* at 60 s half of what is lost has shown by then */
#define INCIDENT_JOIN_MS       60000  /* a dying host changes its cause within an interval or two */
#define INCIDENT_CALM_MS       180000 /* longer than a restart between two attempts at a deploy */
#define INCIDENT_MANY_LEAST    5      /* fewer hosts are their own affair, like BULK_LEAST */
#define INCIDENT_FLEET_PERCENT 30     /* as of agents in bulk.h */
#define INCIDENT_AGENT_PERCENT 80     /* a prober that is ill sees next to nothing well */
#define INCIDENT_BACK_PERCENT  90     /* of a system event's checks: it is over */

#define INCIDENTS_MAX       4096   /* more at once nobody reads: it is a system event */
#define INCIDENT_CHECKS_MAX 131072 /* followed, in all; those over it are counted (untracked) */
#define INCIDENT_CAUSES_MAX 4      /* kept; more are left out */
#define INCIDENT_HOST_MAX   256    /* a DNS name; with its NUL */
#define INCIDENT_WHO_MAX    65     /* with its NUL; longer ones are cut */
#define INCIDENT_NOTE_MAX   257

enum incident_kind { INCIDENT_TARGET, INCIDENT_FLEET, INCIDENT_AGENT };
enum incident_state { INCIDENT_OPEN, INCIDENT_CONFIRMED, INCIDENT_RESOLVED, INCIDENT_WITHDRAWN };
#define INCIDENT_STATES 4
const char *incident_state_word(enum incident_state s);

struct incident_evidence {
    uint64_t check, result;
    char agent[AGENT_NAME_MAX + 1]; /* "": several */
    enum cause cause;
    struct wall at;
};

/* What people see of it; a plain value. */
struct incident {
    uint64_t id; /* from 1, never reused: alerts are deduplicated by it */
    enum incident_kind kind;
    enum incident_state state;
    char host[INCIDENT_HOST_MAX]; /* "" for system events */
    enum cause causes[INCIDENT_CAUSES_MAX];
    unsigned n_causes;
    struct wall since, confirmed_at, ended_at;
    unsigned checks, not_up; /* that have joined; of them now */
    unsigned untracked;      /* failures over INCIDENT_CHECKS_MAX: they do not hold it open */
    unsigned relapses;       /* checks that were up again and fell again */
    struct incident_evidence first, last;
    bool muted;
    char agent[AGENT_NAME_MAX + 1]; /* all failed by its word alone; "": several */
    uint64_t cause_id;              /* WITHDRAWN: the system event */
    struct wall acked_at;           /* 0: nobody has */
    char acked_by[INCIDENT_WHO_MAX], note[INCIDENT_NOTE_MAX];
};

enum incident_action_kind {
    INCIDENT_DID_OPEN,     /* to record */
    INCIDENT_DID_CONFIRM,  /* to alert */
    INCIDENT_DID_GROW,     /* its checks have doubled */
    INCIDENT_DID_ACK,      /* a person has it: to stop reminders */
    INCIDENT_DID_MUTE,     /* maintenance began in the middle of it */
    INCIDENT_UNMUTED,      /* to alert, if it is confirmed */
    INCIDENT_DID_RESOLVE,  /* to tell whom confirmed was told; never confirmed: to record */
    INCIDENT_DID_WITHDRAW, /* it was no incident: the system event was */
    INCIDENT_SYSTEM_EVENT  /* opened and confirmed at once */
};
#define INCIDENT_ACTIONS 9
const char *incident_action_word(enum incident_action_kind k);
struct incident_action {
    enum incident_action_kind kind;
    struct incident incident; /* as it was then */
};

/* A change of a check (check.h), or of its flapping. Strings are borrowed for the call. */
struct incident_change {
    uint64_t check;
    const char *host; /* checked: 1 to INCIDENT_HOST_MAX - 1 bytes, folded to lower case */
    enum verdict_state state;
    enum cause cause; /* of down and degraded */
    bool flapping;
    uint64_t result;
    const char *agent;     /* the only one that speaks of this check; NULL: several do */
    unsigned host_checks;  /* the host's, this one included */
    unsigned hosts_judged; /* hosts with a verdict within INCIDENT_SETTLE_MS */
    unsigned agent_hosts;  /* of them: measured by `agent` alone */
    const struct windows *maintenance; /* checked; NULL or no window: none. Copied */
};

struct incidents;
/* last_id: the greatest that was ever used. */
struct incidents *incidents_create(uint64_t last_id);
void incidents_destroy(struct incidents **xp);

/*
 * After a start: one that had not ended is taken up under its id, and then each of its checks. What
 * was told is not told again. Its counts of checks begin anew with those that come; one of which
 * none comes has nothing broken left and is resolved in time.
 */
void incidents_restore(struct incidents *x, const struct incident *i, struct check_now now);
/* c: as the check is now. False: no such incident, or the check is in one already. */
bool incidents_restore_check(struct incidents *x, uint64_t id, const struct incident_change *c,
                             struct check_now now);

void incidents_change(struct incidents *x, const struct incident_change *c, struct check_now now);
/* The check is paused or gone: it holds nothing open any more. */
void incidents_forget(struct incidents *x, uint64_t check, struct check_now now);
/* Once a second. */
void incidents_tick(struct incidents *x, struct check_now now);
/* ERR_NOT_FOUND: unknown or ended; ERR_EXISTS: somebody already has, who stays. */
MUST_USE enum err incidents_ack(struct incidents *x, uint64_t id, const char *who, const char *note,
                                struct check_now now);
/* The next action, in order; false: none is left. */
bool incidents_take(struct incidents *x, struct incident_action *out);
/* The one that a check is in; 0 = none. */
uint64_t incidents_of(const struct incidents *x, uint64_t check);
/* NULL: unknown or ended. Valid until the next call that is not a find. */
const struct incident *incidents_find(const struct incidents *x, uint64_t id);
size_t incidents_count(const struct incidents *x); /* not ended */
