/* SPDX-License-Identifier: MIT */
#include "master/api/metrics_schedules.h"
#include "common/mem.h"
#include "master/api/metrics_rows.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE              1000
#define FAMILY_MAX        (10u << 20) /* of three, within a reply; a check's line is about 150 bytes */
#define SERIES_LABELS_MAX (CHECK_KEY_MAX * 2 + SCHEDULE_NAME_MAX + 64)
#define SERIES_VALUE_MAX  128 /* name and value */
#define DAY_SECONDS       86400.0

/* ---- sums */

static void put_states(struct strbuf *b, struct scheduler_stats *s)
{
    static const char name[] = "sonde_checks";
    metrics_head(b, name, "gauge", "Checks, by their state");
    for (int v = 0; v < VERDICT_STATES; v++) {
        char label[40];
        snprintf(label, sizeof(label), "state=\"%s\"", verdict_word((enum verdict_state)v));
        metrics_sample(b, name, label, (double)gauge_get(&s->checks_by_state[v]));
    }
}

static void put_missed(struct strbuf *b, struct scheduler_stats *s)
{
    static const char name[] = "sonde_schedule_missed_total";
    metrics_head(b, name, "counter", "Slots that were missed, by reason");
    for (int m = PLAN_MISS_NONE + 1; m < PLAN_MISS_COUNT; m++) {
        char label[48];
        snprintf(label, sizeof(label), "reason=\"%s\"", plan_miss_name((enum plan_miss)m));
        metrics_sample(b, name, label, (double)counter_get(&s->missed[m]));
    }
}

void metrics_put_schedules(struct strbuf *b, struct scheduler_stats *s)
{
    const struct metrics_row rows[] = {
        GAUGE("schedules", "Schedules, those that are paused too", s->schedules),
        GAUGE("checks_flapping", "Checks that change their state again and again", s->flapping),
        GAUGE("checks_running", "Checks with a run under way", s->running),
        GAUGE("incidents_current", "Incidents that have not ended", s->incidents),
        COUNTER("schedule_runs_total", "Slots that were run", s->runs),
        COUNTER("schedule_confirms_total", "Further tries that were to confirm a failure",
                s->confirms),
        COUNTER("schedule_runs_lost_total", "Runs given up, because what ends them never came",
                s->lost),
        COUNTER("check_transitions_total", "Changes of the state of a check", s->transitions),
        COUNTER("incidents_opened_total", "Incidents opened", s->incidents_opened),
    };
    metrics_put_rows(b, rows, ARRAY_LEN(rows));
    put_states(b, s);
    put_missed(b, s);
    metrics_histogram(b, "sonde_schedule_start_lag_ms",
                      "From the time of a slot to the commit of its run", &s->start_lag_ms);
}

void metrics_put_alerts(struct strbuf *b, struct sender_stats *s)
{
    const struct metrics_row rows[] = {
        COUNTER("alerts_delivered_total", "Messages that a channel has taken", s->delivered),
        COUNTER("alerts_failed_total", "Messages given up", s->failed),
        COUNTER("alerts_retried_total", "Tries that failed and are repeated", s->retried),
        COUNTER("alerts_skipped_total", "Messages that their channel did not ask for", s->skipped),
        GAUGE("alerts_active", "Messages on their way", s->active),
        GAUGE("alerts_waiting", "Messages that wait, 256 at most", s->waiting),
    };
    metrics_put_rows(b, rows, ARRAY_LEN(rows));
    metrics_histogram(b, "sonde_alert_delivery_ms", "How long tries to deliver took", &s->took_ms);
}

/* ---- series of checks */

/* A family's samples stand together in the page, so each is gathered apart. */
struct series {
    struct strbuf state, total, certificate;
    uint64_t after, told;
    bool whole, failed;
};

/* A line is whole or not there: each family has room for one more of any length. */
static bool has_room(const struct series *x)
{
    const struct strbuf *const families[] = {&x->state, &x->total, &x->certificate};
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        if (families[i]->len + SERIES_LABELS_MAX + SERIES_VALUE_MAX > FAMILY_MAX)
            return false;
    return true;
}

static void series_free(void *state)
{
    struct series *x = state;
    strbuf_fini(&x->state);
    strbuf_fini(&x->total);
    strbuf_fini(&x->certificate);
    free(x);
}

static struct series *series_create(void)
{
    struct series *x = mem_zalloc(sizeof(*x));
    strbuf_init(&x->state, FAMILY_MAX);
    strbuf_init(&x->total, FAMILY_MAX);
    strbuf_init(&x->certificate, FAMILY_MAX);
    return x;
}

/* As a number that alerts can compare: what is worse is greater. */
static double state_value(enum verdict_state s)
{
    switch (s) {
    case VERDICT_UP:
        return 0;
    case VERDICT_DEGRADED:
        return 1;
    case VERDICT_DOWN:
        return 2;
    case VERDICT_UNKNOWN:
        return -1;
    }
    UNREACHABLE("a state that verdict.h does not have");
}

static void take_check(struct series *x, const struct scheduler_check_view *c, struct wall now)
{
    struct strbuf labels;
    strbuf_init(&labels, SERIES_LABELS_MAX);
    metrics_label(&labels, "schedule", c->schedule);
    metrics_label(&labels, "target", c->key);
    if (labels.overflow) { /* a target of thousands of quotes */
        strbuf_fini(&labels);
        return;
    }
    metrics_sample(&x->state, "sonde_check_state", labels.data, state_value(c->state));
    if (c->total_ms >= 0)
        metrics_sample(&x->total, "sonde_check_total_ms", labels.data, c->total_ms);
    if (c->cert_not_after != 0)
        metrics_sample(&x->certificate, "sonde_check_certificate_days", labels.data,
                       ((double)c->cert_not_after - (double)now.us / 1e6) / DAY_SECONDS);
    strbuf_fini(&labels);
    x->told++;
}

static void take_page(struct http_req *r, struct series *x, uint64_t max)
{
    const struct schedule_req *q = r->qreq;
    struct wall now = wall_now();
    x->failed = !r->schedule_ok;
    x->whole = x->failed;
    if (x->failed)
        return;
    for (size_t i = 0; i < q->n_checks && x->told < max && has_room(x); i++)
        take_check(x, &q->checks[i], now);
    x->after = q->last;
    x->whole = !q->more || x->told >= max || !has_room(x);
}

enum step metrics_ask_checks(struct http_req *r)
{
    struct api_config *c = &r->api->conf;
    uint64_t max = c->check_metrics > 0 ? (uint64_t)c->check_metrics : 0;
    struct series *x = r->state;
    if (max == 0 || !c->ask_schedule)
        return STEP_MORE;
    if (x)
        take_page(r, x, max);
    else
        x = series_create();
    r->state = x;
    r->state_free = series_free;
    if (x->whole)
        return STEP_MORE;
    struct schedule_req *q = http_schedule_req(r, SREQ_CHECKS);
    q->filter.after = x->after;
    q->filter.limit = max - x->told < PAGE ? (unsigned)(max - x->told) : PAGE;
    return http_ask_schedule(r, q);
}

static void put_family(struct strbuf *b, const struct strbuf *samples, const char *name,
                       const char *help)
{
    metrics_head(b, name, "gauge", help);
    strbuf_append(b, samples->data, samples->len);
}

/* Those without series are all that the scheduler has less those told: a page that is cut short
 * says so. */
void metrics_put_checks(struct http_req *r)
{
    struct series *x = r->state;
    struct scheduler_stats *s = r->api->conf.schedule_stats;
    struct strbuf *b = &r->reply.body;
    if (!x || x->failed)
        return;
    int64_t left = s ? gauge_get(&s->checks) - (int64_t)x->told : 0;
    metrics_head(b, "sonde_checks_without_series", "gauge",
                 "Checks beyond --check-metrics, of which there are no series");
    metrics_sample(b, "sonde_checks_without_series", NULL, left > 0 ? (double)left : 0);
    put_family(b, &x->state, "sonde_check_state",
               "State of a check: 0 up, 1 degraded, 2 down, -1 unknown");
    put_family(b, &x->total, "sonde_check_total_ms", "Time of the last probe of a check");
    put_family(b, &x->certificate, "sonde_check_certificate_days",
               "Days until the certificate of a check's target ends");
}
