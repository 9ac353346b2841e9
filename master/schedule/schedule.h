/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/json.h"
#include "common/strbuf.h"
#include "master/schedule/rule.h"
#include "master/schedule/slo.h"
#include "master/schedule/verdict.h"
#include "proto/target.h"

/*
 * schedule - what a user asks to be probed again and again: its definition, from JSON and back.
 *
 * Everything of a definition is checked here, once, at the edge: unknown members, cron that never
 * fires, unknown zones, intervals under a second, expectations that cannot hold, targets twice.
 * Pure; one thread at a time. A definition in JSON:
 *
 * - name: 1 to SCHEDULE_NAME_MAX of A-Z a-z 0-9 . _ - (not dots alone)
 * - every: "30s", "5m", "1h30m" (1 s to 1 day); exactly one of every and cron
 * - cron: five fields or @daily … (cron.h)
 * - zone: IANA name, for cron, windows and maintenance; default "UTC"
 * - spread: of cron: "0s" to "59s"; default "6s"
 * - windows: [{days: "mon-fri" | ["mon", "wed-fri"], from: "09:00", to: "17:30"}]: it runs only in
 *   them; what is left out of one is the whole week, or the whole day
 * - maintenance: likewise; incidents that begin in them are muted
 * - targets: [URI or {url | dns, …}] as in a batch (target.h), 1 to SCHEDULE_TARGETS_MAX
 * - defaults: options for all of them, as in a batch. They are merged into the targets and not kept
 * - agents: {names: […], tags: {…}, count: n | "all"}; as in a batch, but that count stands here
 * and not at each target. Default: one, any
 * - per_host, per_host_rate: as in a batch
 * - confirm: 0 to VERDICT_CONFIRM_MAX; default 1 (verdict.h)
 * - goal: {availability: 99.9, period: "30d", degraded: "good" | "bad"}; default none, and of its
 *   members 30 days and good
 * - cert_days: [30, 14, 7, 3, 1]: warn so many days before a certificate ends; [] = never
 * - alerts: names of alert channels; default none
 * - labels: {key: value}; owner: text, e.g. the file or team that it belongs to
 * - paused: true: nothing of it is due
 */
#define SCHEDULE_NAME_MAX    64
#define SCHEDULE_TARGETS_MAX 100000 /* of all schedules of a master together, too */
#define SCHEDULES_MAX        10000
#define SCHEDULE_ALERTS_MAX  16
#define SCHEDULE_CERT_MAX    8
#define SCHEDULE_DOC_MAX     (64u << 20)
#define SCHEDULE_WHY_MAX     320

/* A check's name within its schedule: the URI as the user gave it, trimmed, with the type behind it
 * if a DNS target has that apart ("dns:example.com?type=MX"); two targets with one URI need
 * different user_ids, and then it is "URI user_id". At most CHECK_KEY_MAX bytes. */
#define CHECK_KEY_MAX 2304
struct schedule_target {
    char *key;  /* owned */
    char *spec; /* canonical (target_encode), defaults merged; owned */
    size_t spec_len;
    char *user_id;      /* NULL = none; owned */
    char *host;         /* for people and incidents, lower case; owned */
    uint64_t host_hash; /* of politeness, as a batch's rows have it */
};

struct schedule { /* all owned */
    char name[SCHEDULE_NAME_MAX + 1];
    struct rule rule; /* its zone belongs to this struct */
    struct zone *zone;
    struct windows maintenance; /* n 0: none */
    char *agents;   /* {"names":[…],"tags":{…}} as in store's batch_info, NULL = any */
    uint32_t count; /* agents of a run; 0 = all that match at its moment */
    int64_t per_host;
    double per_host_rate;
    unsigned confirm;
    bool has_goal;
    struct slo_goal goal;
    uint16_t cert_days[SCHEDULE_CERT_MAX]; /* descending */
    unsigned n_cert_days;
    char *alerts[SCHEDULE_ALERTS_MAX];
    unsigned n_alerts;
    char *labels, *owner; /* labels: JSON object text; NULL = none */
    bool paused;
    int64_t timeout_ms_max; /* the longest of its targets: how long a probe may take; of a loaded
                               one, the longest that any target may have */
    /* Canonical JSON of all but targets, defaults and paused: a fixed order of members, sets
     * sorted, what has its default left out. Equal texts, equal meaning. */
    char *doc;
};
/* Targets of a definition; freed by schedule_targets_free. */
struct schedule_targets {
    struct schedule_target *items;
    size_t n;
};

struct schedule_problem {
    char field[64]; /* "targets[17].expect.status" (from 0), "cron"; "" = the whole */
    char why[SCHEDULE_WHY_MAX];
};

/* From a user. name_or_null: the name in the address; a `name` inside must be the same. ERR_INVALID
 * with the first problem; ERR_DENIED: per_host 0 without admin. */
MUST_USE enum err schedule_parse(const struct json_node *obj, const char *name_or_null, bool admin,
                                 int64_t now_s, struct schedule **out,
                                 struct schedule_targets *targets, struct schedule_problem *p);
/* From doc, as the store has it: targets stay apart. ERR_CORRUPT. */
MUST_USE enum err schedule_load(const char *name, const char *doc, bool paused,
                                struct schedule **out, char why[SCHEDULE_WHY_MAX]);
void schedule_free(struct schedule **sp);
void schedule_targets_free(struct schedule_targets *t);

/* The same place in the fleet: schedules of one lane share a batch of runs. Text of agents, count,
 * per_host and rate; equal for equal ones. At most SCHEDULE_LANE_MAX. */
#define SCHEDULE_LANE_MAX 8192 /* definitions whose agents would take more are refused */
void schedule_lane(const struct schedule *s, struct strbuf *out);
