/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "common/human.h"
#include "master/schedule/schedule_parts.h"

/* The canonical document: members in a fixed order, what has its default left out, sets sorted. */

const uint16_t schedule_cert_days[SCHEDULE_CERT_DEFAULTS] = {30, 14, 7, 3, 1};

static void put_windows(struct json_out *w, const char *name, const struct windows *ws)
{
    char days[DAYS_TEXT_MAX], clock[CLOCK_TEXT_MAX];
    if (ws->n == 0)
        return;
    json_key(w, name);
    json_arr_begin(w);
    for (size_t i = 0; i < ws->n; i++) {
        json_obj_begin(w);
        json_str(w, "days", schedule_days_text(ws->w[i].days, days));
        json_str(w, "from", schedule_clock_text(ws->w[i].from_min, clock));
        json_str(w, "to", schedule_clock_text(ws->w[i].to_min, clock));
        json_obj_end(w);
    }
    json_arr_end(w);
}

static void put_when(struct json_out *w, const struct schedule *s, const char *cron)
{
    char span[HUMAN_MAX];
    if (s->rule.kind == RULE_EVERY)
        json_str(w, "every", human_span(s->rule.every_ms / 1000, span));
    else
        json_str(w, "cron", cron);
    if (strcmp(zone_name(s->zone), "UTC") != 0)
        json_str(w, "zone", zone_name(s->zone));
    if (s->rule.kind == RULE_CRON && s->rule.spread_ms != RULE_SPREAD_DEFAULT_MS)
        json_str(w, "spread", human_span(s->rule.spread_ms / 1000, span));
    put_windows(w, "windows", &s->rule.windows);
    put_windows(w, "maintenance", &s->maintenance);
}

/* s->agents, and the count as one more member of it. */
static void put_agents(struct json_out *w, const struct schedule *s)
{
    if (s->agents == NULL && s->count == 1)
        return;
    if (s->count == 1) {
        json_raw(w, "agents", s->agents, strlen(s->agents));
        return;
    }
    struct strbuf b;
    struct json_out in;
    strbuf_init(&b, SCHEDULE_TEXT_MAX);
    json_out_init(&in, &b);
    json_obj_begin(&in);
    if (s->agents != NULL) {
        strbuf_append(&b, s->agents + 1, strlen(s->agents) - 2);
        in.comma = true;
    }
    if (s->count == 0)
        json_str(&in, "count", "all");
    else
        json_int(&in, "count", s->count);
    json_obj_end(&in);
    json_raw(w, "agents", b.data, b.len);
    strbuf_fini(&b);
}

static void put_rates(struct json_out *w, const struct schedule *s)
{
    if (s->per_host != PER_HOST_DEFAULT)
        json_int(w, "per_host", s->per_host);
    if (s->per_host_rate > 0) {
        json_key(w, "per_host_rate");
        json_put_num(w, s->per_host_rate);
    }
    if (s->confirm != SCHEDULE_CONFIRM_DEFAULT)
        json_int(w, "confirm", s->confirm);
}

static void put_goal(struct json_out *w, const struct schedule *s)
{
    char span[HUMAN_MAX];
    if (!s->has_goal)
        return;
    json_key(w, "goal");
    json_obj_begin(w);
    json_key(w, "availability");
    json_put_num(w, s->goal.ppm / 10000.0);
    if (s->goal.period_hours != SCHEDULE_GOAL_PERIOD_DEFAULT)
        json_str(w, "period", human_span(s->goal.period_hours * INT64_C(3600), span));
    if (s->goal.degraded_is_bad)
        json_str(w, "degraded", "bad");
    json_obj_end(w);
}

static void put_cert_days(struct json_out *w, const struct schedule *s)
{
    if (s->n_cert_days == SCHEDULE_CERT_DEFAULTS &&
        memcmp(s->cert_days, schedule_cert_days, sizeof(schedule_cert_days)) == 0)
        return;
    json_key(w, "cert_days");
    json_arr_begin(w);
    for (unsigned i = 0; i < s->n_cert_days; i++)
        json_put_int(w, s->cert_days[i]);
    json_arr_end(w);
}

static void put_alerts(struct json_out *w, const struct schedule *s)
{
    if (s->n_alerts == 0)
        return;
    json_key(w, "alerts");
    json_arr_begin(w);
    for (unsigned i = 0; i < s->n_alerts; i++)
        json_put_str(w, s->alerts[i]);
    json_arr_end(w);
}

char *schedule_doc(const struct schedule *s, const char *cron)
{
    struct strbuf b;
    struct json_out w;
    strbuf_init(&b, SCHEDULE_TEXT_MAX);
    json_out_init(&w, &b);
    json_obj_begin(&w);
    json_str(&w, "name", s->name);
    put_when(&w, s, cron);
    put_agents(&w, s);
    put_rates(&w, s);
    put_goal(&w, s);
    put_cert_days(&w, s);
    put_alerts(&w, s);
    if (s->labels != NULL)
        json_raw(&w, "labels", s->labels, strlen(s->labels));
    if (s->owner != NULL)
        json_str(&w, "owner", s->owner);
    json_obj_end(&w);
    REQUIRE(!b.overflow); /* the parts are bounded */
    return strbuf_take(&b, NULL);
}
