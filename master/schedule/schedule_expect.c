/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "master/schedule/schedule_parts.h"

/*
 * Expectations that can never hold make a check that is down for ever, and those that can never
 * fail one that says nothing. A batch shows it at once; a schedule would alert on it at night. Only
 * what is certain whatever the target answers is refused.
 */

#define RCODE_NXDOMAIN 3
#define RCODE_REFUSED  5
#define TYPE_CNAME     5
#define TYPE_SOA       6
#define TYPE_DNAME     39

static bool no(const char **field, const char *name, char *why, const char *text)
{
    *field = name;
    snprintf(why, SCHEDULE_WHY_MAX, "%s", text);
    return false;
}

static bool time_possible(const struct target *t, const char **field, char *why)
{
    if (t->max_total_ms < t->timeout_ms)
        return true;
    *field = "expect.max_total_ms";
    snprintf(
        why, SCHEDULE_WHY_MAX,
        "'max_total_ms' is %lld, but a probe ends after 'timeout_ms' %d in any case, so it could "
        "never fail: lower it, or raise 'timeout_ms'",
        (long long)t->max_total_ms, t->timeout_ms);
    return false;
}

/* ---- http */

/* Interim answers (RFC 9110 §15.2) are never the last one. */
static bool status_possible(const struct status_set *s)
{
    bool some = (s->classes & ~(1u << 1)) != 0;
    for (unsigned i = 0; i < s->n_codes; i++)
        some |= s->codes[i] >= 200;
    return some;
}

/* 204 and 304 have no body (RFC 9110 §6.4.1), nor has any answer to HEAD. */
static bool body_possible(const struct target_http *h)
{
    bool some = !h->expect_status_set || (h->expect_status.classes & ~(1u << 1)) != 0;
    for (unsigned i = 0; i < h->expect_status.n_codes; i++)
        some |= h->expect_status.codes[i] != 204 && h->expect_status.codes[i] != 304;
    return some && strcmp(h->method, "HEAD") != 0;
}

static bool asks_for_json(const struct target_http *h)
{
    for (unsigned i = 0; i < h->expect.n_json; i++)
        if (h->expect.json[i].exists)
            return true;
    return false;
}

static bool http_possible(const struct target_http *h, const char **field, char *why)
{
    bool redirects = h->follow_redirects && h->max_redirects > 0;
    if (h->expect_status_set && !status_possible(&h->expect_status))
        return no(field, "expect.status", why,
                  "'status' holds only 1xx, which is never the last answer: expect 2xx or above");
    if (!body_possible(h) && (h->expect_body_regex != NULL || asks_for_json(h)))
        return no(
            field, h->expect_body_regex != NULL ? "expect.body_regex" : "expect.json", why,
            "no body can come (method HEAD, or only status 204 and 304 expected), so it could "
            "never hold: use GET, or leave it out");
    if (h->tls_min_days >= 0 && !h->https && !redirects)
        return no(
            field, "expect.tls_min_days", why,
            "'tls_min_days' looks at a certificate, and this is http without redirects: write "
            "https, or leave it out");
    return true;
}

/* ---- dns */

static bool is_expected(const struct dns_data_list *all, const char *data)
{
    for (unsigned i = 0; i < all->n; i++)
        if (strcasecmp(all->data[i], data) == 0)
            return true;
    return false;
}

static bool lists_possible(const struct target_dns *d, const char **field, char *why)
{
    const struct dns_answers *a = &d->expect_answers;
    if (!a->equals.set)
        return true;
    if (d->expect_min_answers > (int)a->equals.n)
        return no(field, "expect.min_answers", why,
                  "'min_answers' asks for more than 'answers.equals' lists: leave one out");
    if (a->equals.n == 0 && (a->contains.set || a->regex != NULL))
        return no(field, "expect.answers", why,
                  "'equals' is empty, so nothing can be contained or match: leave one out");
    for (unsigned i = 0; i < a->contains.n && a->contains.n > a->equals.n; i++)
        if (!is_expected(&a->equals, a->contains.data[i]))
            return no(field, "expect.answers", why,
                      "'contains' asks for more than 'equals' lists: leave one out");
    return true;
}

/* One record at most has each name of these (RFC 1035, RFC 2181 §10.1, RFC 6672 §2.4). */
static bool is_single(uint16_t type)
{
    return type == TYPE_SOA || type == TYPE_CNAME || type == TYPE_DNAME;
}

static bool dns_possible(const struct target_dns *d, const char **field, char *why)
{
    const struct dns_answers *a = &d->expect_answers;
    bool some =
        d->expect_min_answers > 0 || a->contains.n > 0 || a->equals.n > 0 || a->regex != NULL;
    if (some && d->expect_rcode > 0 && d->expect_rcode <= RCODE_REFUSED)
        return no(
            field, "expect.rcode", why,
            "with this 'rcode' no answers come, so what is expected of them could never hold: "
            "leave one out");
    if (is_single(d->type) && d->expect_min_answers > 1)
        return no(field, "expect.min_answers", why,
                  "a name has one record of this type at most: expect 1");
    return lists_possible(d, field, why);
}

bool schedule_expect_possible(const struct target *t, const char **field,
                              char why[SCHEDULE_WHY_MAX])
{
    if (!time_possible(t, field, why))
        return false;
    return t->kind == TARGET_HTTP ? http_possible(&t->http, field, why)
                                  : dns_possible(&t->dns, field, why);
}
