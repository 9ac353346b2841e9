/* SPDX-License-Identifier: MIT */
#include "master/schedule/slo.h"

#define MINUTE_MS (60 * INT64_C(1000))
#define US_PER_MS 1000

const struct slo_rule slo_rules[SLO_RULES] = {
    {60 * MINUTE_MS, 5 * MINUTE_MS, 20000, SLO_PAGE},
    {360 * MINUTE_MS, 30 * MINUTE_MS, 50000, SLO_PAGE},
    {4320 * MINUTE_MS, 360 * MINUTE_MS, 100000, SLO_TICKET},
};

static void add(struct slo_time *t, enum verdict_state s, int64_t ms)
{
    switch (s) {
    case VERDICT_UP:
        t->up_ms += ms;
        return;
    case VERDICT_DEGRADED:
        t->degraded_ms += ms;
        return;
    case VERDICT_DOWN:
        t->down_ms += ms;
        return;
    case VERDICT_UNKNOWN:
        t->unknown_ms += ms;
        return;
    }
    UNREACHABLE("a state that verdict.h does not have");
}

void slo_add_rollup(struct slo_time *t, const struct rollup *r)
{
    for (unsigned s = 0; s < VERDICT_STATES; s++)
        add(t, (enum verdict_state)s, r->state_ms[s]);
}

void slo_add_span(struct slo_time *t, enum verdict_state s, struct wall from, struct wall to,
                  struct wall begin, struct wall end)
{
    int64_t a = from.us > begin.us ? from.us : begin.us, b = to.us < end.us ? to.us : end.us;
    if (b > a)
        add(t, s, b / US_PER_MS - a / US_PER_MS);
}

static int64_t known_ms(const struct slo_time *t)
{
    return t->up_ms + t->degraded_ms + t->down_ms;
}

static int64_t bad_ms(const struct slo_time *t, const struct slo_goal *g)
{
    REQUIRE(g->ppm > 0 && g->ppm < SLO_PPM && g->period_hours > 0);
    return t->down_ms + (g->degraded_is_bad ? t->degraded_ms : 0);
}

static double good_part(int64_t bad, int64_t known)
{
    return known > 0 ? (double)(known - bad) / (double)known : -1;
}

double slo_uptime(const struct slo_time *t)
{
    return good_part(t->down_ms, known_ms(t));
}

double slo_availability(const struct slo_time *t, const struct slo_goal *g)
{
    return good_part(bad_ms(t, g), known_ms(t));
}

struct slo_budget slo_budget(const struct slo_time *t, const struct slo_goal *g)
{
    int64_t spent = bad_ms(t, g);
    int64_t total = ROLLUP_HOUR_MS * g->period_hours / SLO_PPM * (SLO_PPM - g->ppm) +
                    ROLLUP_HOUR_MS * g->period_hours % SLO_PPM * (SLO_PPM - g->ppm) / SLO_PPM;
    double left = total > 0 ? (double)(total - spent) / (double)total : spent > 0 ? -1 : 1;
    return (struct slo_budget){total, spent, total - spent, left};
}

double slo_burn(const struct slo_time *t, const struct slo_goal *g)
{
    int64_t bad = bad_ms(t, g), known = known_ms(t);
    return known > 0 ? (double)bad / (double)known * SLO_PPM / (SLO_PPM - g->ppm) : 0;
}

double slo_threshold(const struct slo_rule *rule, const struct slo_goal *g)
{
    return (double)rule->budget_ppm / SLO_PPM * (double)(ROLLUP_HOUR_MS * g->period_hours) /
           (double)rule->long_ms;
}

enum slo_severity slo_judge(const struct slo_time longs[SLO_RULES],
                            const struct slo_time shorts[SLO_RULES], const struct slo_goal *g,
                            struct slo_burning out[SLO_RULES])
{
    enum slo_severity worst = SLO_QUIET;
    for (unsigned i = 0; i < SLO_RULES; i++) {
        struct slo_burning b = {slo_burn(&longs[i], g), slo_burn(&shorts[i], g),
                                slo_threshold(&slo_rules[i], g), false};
        b.burns = b.long_rate > b.threshold && b.short_rate > b.threshold;
        if (b.burns && slo_rules[i].severity > worst)
            worst = slo_rules[i].severity;
        if (out != NULL)
            out[i] = b;
    }
    return worst;
}
