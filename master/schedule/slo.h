/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/schedule/rollup.h"

/*
 * slo - uptime, and availability against a goal: what is left of the error budget, and how fast it
 * burns.
 *
 * Time counts, not runs. Up is good, down is bad, degraded is what the goal says. Unknown is
 * neither: it is left out of both sides, and told beside them, so that silence never looks like
 * "up" and is not taken for an outage either.
 *
 * Burn rates are those of Google's "The Site Reliability Workbook", chapter 5 "Alerting on SLOs",
 * alternative 6 (multiwindow, multi-burn-rate): the rate is the bad part of a window over the part
 * that the goal allows. It burns when it passes the threshold in a long window (it matters) and in
 * one of a twelfth of it (it goes on); the threshold is that share of the period's budget which the
 * long window may take:
 *
 *      long    short    budget    threshold for 30 days    severity
 *      1 h     5 min      2 %     14.4                     page
 *      6 h     30 min     5 %      6                       page
 *      3 d     6 h       10 %      1                       ticket
 *
 * Pure; any thread.
 */
#define SLO_PPM          1000000
#define SLO_PERIOD_HOURS 720 /* 30 days: the workbook's */

struct slo_goal {
    uint32_t ppm;          /* of good time: 999000 is 99.9 %; 1 to SLO_PPM - 1 */
    uint32_t period_hours; /* of the budget; ≥ 1 */
    bool degraded_is_bad;
};

struct slo_time { /* what was seen of a window */
    int64_t up_ms, degraded_ms, down_ms, unknown_ms;
};
void slo_add_rollup(struct slo_time *t, const struct rollup *r);
/* The state held in [from, to), of which the part in [begin, end) is the window's: for the short
 * windows, which hours are too coarse for. */
void slo_add_span(struct slo_time *t, enum verdict_state s, struct wall from, struct wall to,
                  struct wall begin, struct wall end);

/* Up and degraded, in parts of what is known, 0 to 1; negative: nothing is known. */
double slo_uptime(const struct slo_time *t);
/* The good part by the goal; the same otherwise. */
double slo_availability(const struct slo_time *t, const struct slo_goal *g);

struct slo_budget {
    int64_t total_ms, spent_ms;
    int64_t left_ms;  /* negative: overdrawn */
    double left_part; /* of the total: 1 is untouched */
};
/* t: of the period. Time that is not known spends nothing. */
struct slo_budget slo_budget(const struct slo_time *t, const struct slo_goal *g);

/* 1: the budget would last exactly the period. 0 when nothing is known. */
double slo_burn(const struct slo_time *t, const struct slo_goal *g);

enum slo_severity { SLO_QUIET, SLO_TICKET, SLO_PAGE };
struct slo_rule {
    int64_t long_ms, short_ms;
    uint32_t budget_ppm;
    enum slo_severity severity;
};
#define SLO_RULES 3
extern const struct slo_rule slo_rules[SLO_RULES]; /* the table above, in its order */

double slo_threshold(const struct slo_rule *rule, const struct slo_goal *g);

struct slo_burning {
    double long_rate, short_rate, threshold;
    bool burns;
};
/* Of each rule its two windows; the greatest severity of those that burn. out may be NULL. */
enum slo_severity slo_judge(const struct slo_time longs[SLO_RULES],
                            const struct slo_time shorts[SLO_RULES], const struct slo_goal *g,
                            struct slo_burning out[SLO_RULES]);
