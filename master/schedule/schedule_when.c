/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/human.h"
#include "master/schedule/schedule_parts.h"

/* When: every, cron, zone, spread, windows and maintenance. */

#define SPAN_TEXT_MAX 32
#define DAYS_GIVEN    128 /* bytes of a list of days */
#define WEEK          7

static const struct {
    const char *abbreviation, *full;
} days[WEEK] = {{"sun", "sunday"},   {"mon", "monday"}, {"tue", "tuesday"}, {"wed", "wednesday"},
                {"thu", "thursday"}, {"fri", "friday"}, {"sat", "saturday"}};

/* ---- texts */

/* The week begins on Monday, so that mon-sun is one range. */
char *schedule_days_text(uint8_t set, char buf[DAYS_TEXT_MAX])
{
    size_t at = 0;
    buf[0] = '\0';
    for (int i = 0; i < WEEK; i++) {
        int first = i;
        if (!(set >> (i + 1) % WEEK & 1))
            continue;
        while (i + 1 < WEEK && set >> (i + 2) % WEEK & 1)
            i++;
        at += (size_t)snprintf(buf + at, DAYS_TEXT_MAX - at, "%s%s%s%s", at > 0 ? "," : "",
                               days[(first + 1) % WEEK].abbreviation, i > first ? "-" : "",
                               i > first ? days[(i + 1) % WEEK].abbreviation : "");
    }
    return buf;
}

char *schedule_clock_text(unsigned minute, char buf[CLOCK_TEXT_MAX])
{
    snprintf(buf, CLOCK_TEXT_MAX, "%02u:%02u", minute / 60 % 100, minute % 60);
    return buf;
}

/* ---- days */

static int day_of(const char *s, size_t n)
{
    for (int i = 0; i < WEEK; i++)
        if ((n == strlen(days[i].abbreviation) && strncasecmp(s, days[i].abbreviation, n) == 0) ||
            (n == strlen(days[i].full) && strncasecmp(s, days[i].full, n) == 0))
            return i;
    return -1;
}

/* "mon", "fri-mon". */
static bool add_range(const char *s, size_t n, uint8_t *set)
{
    const char *dash = memchr(s, '-', n);
    size_t head = dash != NULL ? (size_t)(dash - s) : n;
    int first = day_of(s, head);
    int last = dash != NULL ? day_of(dash + 1, n - head - 1) : first;
    if (first < 0 || last < 0)
        return false;
    for (int d = first;; d = (d + 1) % WEEK) {
        *set |= (uint8_t)(1u << d);
        if (d == last)
            return true;
    }
}

static bool add_days(const char *text, uint8_t *set)
{
    for (;;) {
        size_t skip = strspn(text, " ");
        size_t n = strcspn(text + skip, ",");
        size_t end = n;
        while (end > 0 && text[skip + end - 1] == ' ')
            end--;
        if (!add_range(text + skip, end, set))
            return false;
        if (text[skip + n] == '\0')
            return true;
        text += skip + n + 1;
    }
}

static void bad_days(struct json_cur *c, const char *text)
{
    json_cur_fail(
        c,
        "'days' must be days like \"mon-fri\", \"sat,sun\" or [\"mon\", \"wed-fri\"], got "
        "\"%.40s\"",
        text);
}

static uint8_t read_days(struct json_cur *c)
{
    uint8_t set = 0;
    const struct json_node *n = json_get(c, "days");
    if (n == NULL || json_type(n) == JSON_NULL)
        return WINDOW_DAYS_ALL;
    bool list = json_type(n) == JSON_ARRAY;
    if (list ? json_count(n) == 0 : json_type(n) != JSON_STRING)
        bad_days(c, json_type_name(json_type(n)));
    for (const struct json_node *i = list ? json_first(n) : n; i != NULL && c->err == ERR_NONE;
         i = list ? json_next(i) : NULL) {
        const char *text = json_type(i) == JSON_STRING ? json_node_str(i) : "";
        if (strlen(text) > DAYS_GIVEN || !add_days(text, &set))
            bad_days(c, text);
    }
    return set;
}

/* ---- windows */

static bool clock_parse(const char *s, uint16_t *minute)
{
    size_t n = strspn(s, "0123456789");
    if (n < 1 || n > 2 || s[n] != ':' || strspn(s + n + 1, "0123456789") != 2 || s[n + 3] != '\0')
        return false;
    unsigned h = (unsigned)(s[0] - '0'), m = (unsigned)(s[n + 1] - '0') * 10 + s[n + 2] - '0';
    h = n == 2 ? h * 10 + (unsigned)(s[1] - '0') : h;
    if (m > 59 || h * 60 + m > WINDOW_DAY_MIN)
        return false;
    *minute = (uint16_t)(h * 60 + m);
    return true;
}

static uint16_t read_clock(struct json_cur *c, const char *name, uint16_t dflt)
{
    uint16_t minute = dflt;
    const char *text = json_get_str(c, name, SPAN_TEXT_MAX, NULL);
    if (text != NULL && !clock_parse(text, &minute))
        json_cur_fail(c, "'%s' must be a time of day from 00:00 to 24:00, got \"%s\"", name, text);
    return minute;
}

static int by_beginning(const void *a, const void *b)
{
    const struct week_window *x = a, *y = b;
    int d = (int)x->from_min - y->from_min;
    d = d != 0 ? d : (int)x->to_min - y->to_min;
    return d != 0 ? d : (int)x->days - y->days;
}

/* Their union counts, so their order says nothing. */
static void sort_windows(struct windows *ws)
{
    size_t kept = 0;
    qsort(ws->w, ws->n, sizeof(ws->w[0]), by_beginning);
    for (size_t i = 0; i < ws->n; i++)
        if (kept == 0 || by_beginning(&ws->w[kept - 1], &ws->w[i]) != 0)
            ws->w[kept++] = ws->w[i];
    ws->n = kept;
}

static struct week_window read_window(struct schedule_reader *r, const struct json_node *n,
                                      size_t number)
{
    struct json_cur c;
    json_cur_init(&c, n);
    struct week_window w = {.days = read_days(&c)};
    w.from_min = read_clock(&c, "from", 0);
    w.to_min = read_clock(&c, "to", WINDOW_DAY_MIN);
    if (c.err == ERR_NONE && json_count(n) == 0)
        json_cur_fail(&c, "it is empty: give days, from and to");
    if (json_cur_end(&c) != ERR_NONE)
        json_cur_fail(&r->c, "window %zu: %s", number, c.problem);
    return w;
}

static void read_windows(struct schedule_reader *r, const char *name, struct windows *out)
{
    char why[WINDOW_WHY_MAX];
    schedule_at(r, name);
    const struct json_node *list = json_get_arr(&r->c, name, WINDOWS_MAX);
    if (list == NULL)
        return;
    out->zone = r->s->zone;
    for (const struct json_node *n = json_first(list); n != NULL; n = json_next(n)) {
        out->w[out->n] = read_window(r, n, out->n + 1);
        out->n++;
    }
    if (r->c.err == ERR_NONE && window_check(out, why) != ERR_NONE)
        json_cur_fail(&r->c, "%s", why);
    sort_windows(out);
}

/* ---- the rule */

static void read_zone(struct schedule_reader *r)
{
    char why[ZONE_WHY_MAX];
    schedule_at(r, "zone");
    const char *name = json_get_str(&r->c, "zone", ZONE_NAME_MAX, "UTC");
    if (r->c.err == ERR_NONE && zone_open(name, &r->s->zone, why) != ERR_NONE)
        json_cur_fail(&r->c, "%s", why);
}

/* Seconds; < 0 with the problem. "0s" is for those who may say it. */
static int64_t read_span(struct json_cur *c, const char *name, const char *text, bool zero)
{
    int64_t s;
    size_t n = strlen(text);
    if (zero && (strcmp(text, "0s") == 0 || strcmp(text, "0") == 0))
        return 0;
    if (n > 0 && !isdigit((unsigned char)text[n - 1]) && human_parse_duration(text, &s) == ERR_NONE)
        return s;
    json_cur_fail(c,
                  "'%s' must be a duration with its unit, like \"30s\", \"5m\" or \"1h30m\", got "
                  "\"%s\"",
                  name, text);
    return -1;
}

static void read_every(struct schedule_reader *r, const char *text)
{
    int64_t s = read_span(&r->c, "every", text, false);
    r->s->rule.kind = RULE_EVERY;
    /* Over the bound it is refused by the rule; far over, it would not fit. */
    r->s->rule.every_ms = s > RULE_EVERY_MAX_MS ? INT64_MAX : s * 1000;
}

/* One blank between fields, small letters. */
static void read_cron(struct schedule_reader *r, const char *text)
{
    char why[CRON_WHY_MAX];
    size_t at = 0;
    r->s->rule.kind = RULE_CRON;
    r->s->rule.zone = r->s->zone;
    if (cron_parse(text, &r->s->rule.cron, why) != ERR_NONE)
        json_cur_fail(&r->c, "%s", why);
    for (text += strspn(text, " \t"); *text != '\0'; text += strspn(text, " \t")) {
        if (at > 0)
            r->cron[at++] = ' ';
        for (; *text != '\0' && *text != ' ' && *text != '\t'; text++)
            r->cron[at++] = (char)tolower((unsigned char)*text);
    }
    r->cron[at] = '\0';
}

static void read_spread(struct schedule_reader *r)
{
    schedule_at(r, "spread");
    const char *text = json_get_str(&r->c, "spread", SPAN_TEXT_MAX, NULL);
    r->s->rule.spread_ms = r->s->rule.kind == RULE_CRON ? RULE_SPREAD_DEFAULT_MS : 0;
    if (text == NULL || r->c.err != ERR_NONE)
        return;
    if (r->s->rule.kind == RULE_EVERY) {
        json_cur_fail(&r->c, "'spread' is for cron: what runs every so often is spread over its "
                             "whole interval; leave it out");
        return;
    }
    int64_t s = read_span(&r->c, "spread", text, true);
    r->s->rule.spread_ms = s > RULE_SPREAD_MAX_MS ? INT64_MAX : s * 1000;
}

static void read_rule(struct schedule_reader *r)
{
    schedule_at(r, "cron");
    const char *cron = json_get_str(&r->c, "cron", CRON_TEXT_MAX, NULL);
    schedule_at(r, "every");
    const char *every = json_get_str(&r->c, "every", SPAN_TEXT_MAX, NULL);
    if (r->c.err != ERR_NONE)
        return;
    if (every != NULL && cron != NULL) {
        json_cur_fail(&r->c, "'every' and 'cron' contradict: leave one out");
    } else if (every != NULL) {
        read_every(r, every);
    } else if (cron != NULL) {
        schedule_at(r, "cron");
        read_cron(r, cron);
    } else {
        json_cur_fail(&r->c,
                      "when is missing: give 'every', like \"30s\", or 'cron', like \"*/5 * * "
                      "* *\"");
    }
}

void schedule_read_when(struct schedule_reader *r)
{
    char why[RULE_WHY_MAX];
    read_zone(r);
    read_rule(r);
    read_spread(r);
    read_windows(r, "windows", &r->s->rule.windows);
    read_windows(r, "maintenance", &r->s->maintenance);
    schedule_at(r, r->s->rule.kind == RULE_EVERY ? "every" : "cron");
    if (r->c.err == ERR_NONE && rule_check(&r->s->rule, r->now_s, why) != ERR_NONE)
        json_cur_fail(&r->c, "%s", why);
}
