/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/human.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "master/schedule/schedule_parts.h"

/* From a definition, or from its document, to a schedule. */

#define CERT_DAYS_MAX     3650
#define GOAL_PERIOD_MAX_H (366 * 24)
#define GOAL_TEXT_MAX     32

enum err schedule_problem(struct schedule_problem *p, const char *field, const char *fmt, ...)
{
    char text[2 * SCHEDULE_WHY_MAX];
    struct strbuf b;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    strbuf_init(&b, SCHEDULE_WHY_MAX);
    utf8_sanitize(&b, text, strlen(text), SCHEDULE_WHY_MAX - 1);
    snprintf(p->why, sizeof(p->why), "%s", b.data);
    snprintf(p->field, sizeof(p->field), "%s", field);
    strbuf_fini(&b);
    return ERR_INVALID;
}

void schedule_at(struct schedule_reader *r, const char *field)
{
    if (r->c.err == ERR_NONE)
        r->field = field;
}

static void read_name(struct schedule_reader *r, const char *expected)
{
    schedule_at(r, "name");
    const char *name = json_get_str(&r->c, "name", SCHEDULE_NAME_MAX, expected);
    if (r->c.err != ERR_NONE)
        return;
    if (name == NULL)
        json_cur_fail(&r->c, "'name' is missing");
    else if (!schedule_name_ok(name))
        json_cur_fail(&r->c, "'name' must be 1 to %d letters, digits, . _ or -, got \"%.80s\"",
                      SCHEDULE_NAME_MAX, name);
    else if (expected != NULL && strcmp(name, expected) != 0)
        json_cur_fail(&r->c,
                      "'name' is \"%s\", but the address says \"%s\": leave it out, or make "
                      "them equal",
                      name, expected);
    else
        snprintf(r->s->name, sizeof(r->s->name), "%s", name);
}

static void read_rates(struct schedule_reader *r)
{
    struct schedule *s = r->s;
    schedule_at(r, "per_host");
    s->per_host = json_get_int(&r->c, "per_host", 0, PER_HOST_MAX, PER_HOST_DEFAULT);
    schedule_at(r, "per_host_rate");
    s->per_host_rate = json_get_num(&r->c, "per_host_rate", 0, PER_HOST_RATE_MAX, 0);
    if (s->per_host_rate > 0 && s->per_host_rate < PER_HOST_RATE_MIN)
        json_cur_fail(&r->c, "'per_host_rate' must be 0 (no limit) or at least %g a second",
                      PER_HOST_RATE_MIN);
    schedule_at(r, "confirm");
    s->confirm =
        (unsigned)json_get_int(&r->c, "confirm", 0, VERDICT_CONFIRM_MAX, SCHEDULE_CONFIRM_DEFAULT);
}

/* ---- goal */

static uint32_t read_availability(struct json_cur *c)
{
    double percent = json_get_num(c, "availability", 0, 100, -1);
    double ppm = round(percent * (SLO_PPM / 100.0));
    if (percent < 0)
        json_cur_fail(c, "'availability' is missing: give the per cent of good time, like 99.9");
    else if (ppm < 1 || ppm > SLO_PPM - 1)
        json_cur_fail(c, "'availability' must be over 0 and under 100: 100 would leave no budget");
    else if (fabs(percent * (SLO_PPM / 100.0) - ppm) > 1e-6)
        json_cur_fail(c, "'availability' can have four decimals at most");
    return c->err == ERR_NONE ? (uint32_t)ppm : 0;
}

static uint32_t read_period(struct json_cur *c)
{
    int64_t s;
    const char *text = json_get_str(c, "period", GOAL_TEXT_MAX, NULL);
    if (text == NULL)
        return SCHEDULE_GOAL_PERIOD_DEFAULT;
    if (human_parse_duration(text, &s) == ERR_NONE && s % 3600 == 0 &&
        s / 3600 <= GOAL_PERIOD_MAX_H)
        return (uint32_t)(s / 3600);
    json_cur_fail(c, "'period' must be whole hours up to %dd, like \"30d\" or \"12h\", got \"%s\"",
                  GOAL_PERIOD_MAX_H / 24, text);
    return 0;
}

static void read_goal(struct schedule_reader *r)
{
    struct json_cur in;
    schedule_at(r, "goal");
    const struct json_node *obj = json_get_obj(&r->c, "goal");
    if (obj == NULL)
        return;
    json_cur_init(&in, obj);
    r->s->has_goal = true;
    r->s->goal.ppm = read_availability(&in);
    r->s->goal.period_hours = read_period(&in);
    const char *degraded = json_get_str(&in, "degraded", GOAL_TEXT_MAX, "good");
    r->s->goal.degraded_is_bad = strcmp(degraded, "bad") == 0;
    if (!r->s->goal.degraded_is_bad && strcmp(degraded, "good") != 0)
        json_cur_fail(&in, "'degraded' must be \"good\" or \"bad\", got \"%s\"", degraded);
    if (json_cur_end(&in) != ERR_NONE)
        json_cur_fail(&r->c, "in 'goal': %s", in.problem);
}

/* ---- cert_days */

static int descending(const void *a, const void *b)
{
    return (int)*(const uint16_t *)b - (int)*(const uint16_t *)a;
}

static void read_cert_days(struct schedule_reader *r)
{
    struct schedule *s = r->s;
    unsigned kept = 0;
    schedule_at(r, "cert_days");
    const struct json_node *list = json_get_arr(&r->c, "cert_days", SCHEDULE_CERT_MAX);
    if (list == NULL) {
        memcpy(s->cert_days, schedule_cert_days, SCHEDULE_CERT_DEFAULTS * sizeof(uint16_t));
        s->n_cert_days = SCHEDULE_CERT_DEFAULTS;
        return;
    }
    for (const struct json_node *n = json_first(list); n != NULL; n = json_next(n)) {
        double v = json_type(n) == JSON_NUMBER ? json_node_num(n) : -1;
        if (!(v >= 1 && v <= CERT_DAYS_MAX) || v != floor(v)) {
            json_cur_fail(&r->c, "'cert_days' must hold whole days from 1 to %d", CERT_DAYS_MAX);
            return;
        }
        s->cert_days[s->n_cert_days++] = (uint16_t)v;
    }
    qsort(s->cert_days, s->n_cert_days, sizeof(uint16_t), descending);
    for (unsigned i = 0; i < s->n_cert_days; i++)
        if (i == 0 || s->cert_days[i] != s->cert_days[kept - 1])
            s->cert_days[kept++] = s->cert_days[i];
    s->n_cert_days = kept;
}

/* ---- the whole */

/* What a document holds; the caller ends the cursor. */
static void read_members(struct schedule_reader *r, const char *name)
{
    read_name(r, name);
    schedule_read_when(r);
    schedule_read_who(r);
    read_rates(r);
    read_goal(r);
    read_cert_days(r);
}

static void end(struct schedule_reader *r)
{
    schedule_at(r, "");
    json_cur_end(&r->c);
}

static enum err read_list(const struct json_node *list, const struct json_node *defaults,
                          struct schedule *s, struct schedule_targets *out,
                          struct schedule_problem *p)
{
    struct target_defaults *d = NULL;
    struct target_problem tp;
    enum err e = ERR_NONE;
    if (defaults != NULL && target_defaults_parse(defaults, &d, &tp) != ERR_NONE)
        return schedule_problem(p, "defaults", "%s", tp.detail);
    e = schedule_read_targets(list, d, out, &s->timeout_ms_max, p);
    target_defaults_destroy(&d);
    return e;
}

static enum err read_all(struct schedule_reader *r, const char *name, bool admin,
                         struct schedule_targets *targets, struct schedule_problem *p)
{
    read_members(r, name);
    schedule_at(r, "paused");
    r->s->paused = json_get_bool(&r->c, "paused", false);
    schedule_at(r, "defaults");
    const struct json_node *defaults = json_get_obj(&r->c, "defaults");
    schedule_at(r, "targets");
    const struct json_node *list = json_get_arr(&r->c, "targets", SCHEDULE_TARGETS_MAX);
    if (r->c.err == ERR_NONE && (list == NULL || json_count(list) == 0))
        json_cur_fail(&r->c, "'targets' is %s: give at least one",
                      list == NULL ? "missing" : "empty");
    end(r);
    if (r->c.err != ERR_NONE)
        return schedule_problem(p, r->field, "%s", r->c.problem);
    if (r->s->per_host == 0 && !admin) {
        (void)schedule_problem(p, "per_host",
                               "'per_host': 0 (no limit) needs a token of scope "
                               "'admin'; give 1 or more");
        return ERR_DENIED;
    }
    return read_list(list, defaults, r->s, targets, p);
}

enum err schedule_parse(const struct json_node *obj, const char *name_or_null, bool admin,
                        int64_t now_s, struct schedule **out, struct schedule_targets *targets,
                        struct schedule_problem *p)
{
    struct schedule *s = mem_zalloc(sizeof(*s));
    struct schedule_targets list = {0};
    struct schedule_reader r = {.field = "", .s = s, .now_s = now_s};
    json_cur_init(&r.c, obj);
    enum err e = read_all(&r, name_or_null, admin, &list, p);
    if (e != ERR_NONE) {
        schedule_free(&s);
        return e;
    }
    s->doc = schedule_doc(s, r.cron);
    *out = s;
    *targets = list;
    return ERR_NONE;
}

enum err schedule_load(const char *name, const char *doc, bool paused, struct schedule **out,
                       char why[SCHEDULE_WHY_MAX])
{
    struct json_doc *d = NULL;
    if (json_parse(doc, strlen(doc), &d, why, SCHEDULE_WHY_MAX) != ERR_NONE)
        return ERR_CORRUPT;
    struct schedule *s = mem_zalloc(sizeof(*s));
    struct schedule_reader r = {.field = "", .s = s};
    json_cur_init(&r.c, json_root(d));
    read_members(&r, name);
    end(&r);
    s->paused = paused;
    s->timeout_ms_max = TIMEOUT_MS_MAX;
    if (r.c.err == ERR_NONE) {
        s->doc = schedule_doc(s, r.cron);
        *out = s;
    } else {
        snprintf(why, SCHEDULE_WHY_MAX, "%s", r.c.problem);
        schedule_free(&s);
    }
    json_free(&d);
    return r.c.err == ERR_NONE ? ERR_NONE : ERR_CORRUPT;
}
