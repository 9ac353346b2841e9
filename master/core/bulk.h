/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/clock.h"

/*
 * bulk - many agents suspect or lost at once: whose fault is it, and what is to be withheld.
 *
 * Pure, without knowledge of the core: figures in, a verdict and a state out. One struct bulk per
 * core, embedded; it holds no memory. struct bulk_groups lives for one verdict and is bounded by
 * BULK_KEYS_MAX.
 */
#define BULK_LEAST     3     /* fewer agents in trouble are their own affair, each … */
#define BULK_PERCENT   30    /* … and so is a smaller part of the fleet */
#define BULK_WINDOW_MS 30000 /* trouble that began within this belongs together */
/* Heartbeats come every 5 s: by then whoever was cut at the same moment is suspect, too. */
#define BULK_SETTLE_MS 6000
#define BULK_FREEZE_MS 60000 /* no verdict is withheld for longer */
/* When the first are back, so are the rest: agents that hold tasks wait for 5 s at most between two
 * tries, and one under way is heard, or over, 4 s later. */
#define BULK_RETURN_MS 10000
#define BULK_PACE_S    10 /* a lost group's tasks are queued again over so many seconds */

enum bulk_class {
    BULK_SINGLE,          /* too few to belong together */
    BULK_MASTER_OVERLOAD, /* we were late ourselves */
    BULK_HANDLER_SLOW,    /* they spoke, and we have not read it */
    BULK_NETWORK_GROUP,   /* a part of the fleet, others are fine */
    BULK_NETWORK_ALL      /* everything: our own edge, more likely than all of them */
};
const char *bulk_word(enum bulk_class c);

struct bulk_figures {
    unsigned agents;      /* there, or in trouble since less than the window */
    unsigned troubled;    /* of them: suspect, or lost and not back */
    unsigned sockets;     /* of the troubled: with a connection */
    unsigned unread;      /* of those: with bytes that the kernel holds for us */
    int64_t overslept_ms; /* the longest that our loop stood within the window */
    double lag_ms;        /* of our loop, lately */
    double cpu;           /* part of a core that our loop used lately, negative: not known */
    int64_t commit_ms;    /* since when the store has committed nothing of what waits */
};

/* True: so many that they belong together. */
bool bulk_is_many(unsigned troubled, unsigned agents);
enum bulk_class bulk_classify(const struct bulk_figures *f);

/* ---- what the lost have in common: an address, a prefix, a tag */
#define BULK_KEY_MAX  96
#define BULK_KEYS_MAX 4096 /* different ones that are counted; more are left out */
struct bulk_groups;
struct bulk_groups *bulk_groups_create(void);
void bulk_groups_destroy(struct bulk_groups **gp);
/* First for each key of an agent in trouble … */
void bulk_groups_lost(struct bulk_groups *g, const char *key);
/* … then for each of one that is fine. */
void bulk_groups_well(struct bulk_groups *g, const char *key);
struct bulk_group {
    char key[BULK_KEY_MAX]; /* "" = nothing in common */
    unsigned lost, well;
};
/* The key that most of the lost have and few others. lost: how many there are. */
void bulk_groups_best(const struct bulk_groups *g, unsigned lost, struct bulk_group *out);

/* The verdict with its evidence, for people. group NULL: not looked for. */
#define BULK_TEXT_MAX 320
void bulk_tell(enum bulk_class c, const struct bulk_figures *f, const struct bulk_group *group,
               char *out, size_t max);

/* ---- what the lost say of it when they are back: their own lag, and what waited with them */
#define BULK_STORY_TEXT_MAX 320
struct bulk_story {
    uint64_t no;       /* counts from 1; agents of it bear this number */
    struct mono since; /* unset: nobody is listened for */
    enum bulk_class cls;
    unsigned lost, back;
    unsigned stood; /* of those that are back: their own loop did, for a heartbeat and longer */
    double worst_ms;
    uint64_t waited; /* tasks and results that were with them */
};
void bulk_story_hear(struct bulk_story *s, double lag_ms, int64_t waiting);
/* Most of them stood themselves: neither the network nor the master was it. */
bool bulk_story_corrects(const struct bulk_story *s);
void bulk_story_tell(const struct bulk_story *s, char *out, size_t max);

/* ---- the course of one
 *
 *   QUIET ──many──► SETTLING ──6 s, or our own fault──► STANDING ──few──► QUIET
 *                      └──────────────few──────────────────────────────────┘
 *   STANDING ──60 s──► SPENT ──15 s, or few──► QUIET
 *
 * While it settles and, but for a group, while it stands nothing is queued again; nor in the time
 * in which the rest follows the first that are back.
 */
enum bulk_state { BULK_QUIET, BULK_SETTLING, BULK_STANDING, BULK_SPENT };
struct bulk {
    enum bulk_state state;
    enum bulk_class cls;
    struct mono since;
    struct mono eased_at;     /* from a freeze, before its time; unset: from none */
    unsigned worst;           /* most that were in trouble at once */
    struct bulk_figures seen; /* when they last were many: what FOUND is told with */
};
enum bulk_news {
    BULK_NO_NEWS,
    BULK_FOUND, /* tell it, once: with b->cls */
    BULK_OVER   /* after FOUND: they are back, or the freeze is over */
};
/* Trouble that began before this is not of this one. */
struct mono bulk_window(const struct bulk *b, struct mono now);
/* With each scan. */
enum bulk_news bulk_step(struct bulk *b, const struct bulk_figures *f, struct mono now);
/* Silent sessions are not closed: it is we who do not hear. */
bool bulk_holds_deaths(const struct bulk *b);
/* Leases of agents that are away longer than the grace: so many agents' may end with this scan. */
unsigned bulk_may_requeue(const struct bulk *b, struct mono now);
