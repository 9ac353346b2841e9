/* SPDX-License-Identifier: MIT */
#include "agent/probe/dns_check.h"
#include "agent/probe/dns_answers.h"
#include <stdarg.h>
#include <stdio.h>

#define RCODE_FORMERR  1
#define RCODE_NXDOMAIN 3
#define RCODE_NOTIMP   4
#define DETAIL_MAX     512

struct verdict {
    enum cause cause; /* the first that failed */
    char detail[DETAIL_MAX];
};

static void note(struct verdict *v, struct result *r, const char *check, enum cause c,
                 const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* check NULL: not asked for by the user, so it is no check of the result. */
static void note(struct verdict *v, struct result *r, const char *check, enum cause c,
                 const char *fmt, ...)
{
    char detail[DETAIL_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(detail, sizeof(detail), fmt, ap);
    va_end(ap);
    if (check)
        result_check_add(r, check, c == CAUSE_NONE, c == CAUSE_NONE ? NULL : "%s", detail);
    if (c == CAUSE_NONE || v->cause != CAUSE_NONE)
        return;
    v->cause = c;
    snprintf(v->detail, sizeof(v->detail), "%s", detail);
}

static const char *rcode_word(int rcode, char buf[24])
{
    const char *name = rcode_text(rcode);
    if (name)
        snprintf(buf, 24, "%s", name);
    else
        snprintf(buf, 24, "rcode %d", rcode);
    return buf;
}

static enum cause cause_of_rcode(int rcode)
{
    switch (rcode) {
    case 0:
        return CAUSE_NONE;
    case 2:
        return CAUSE_dns_servfail;
    case RCODE_NXDOMAIN:
        return CAUSE_dns_nxdomain;
    case 5:
        return CAUSE_dns_refused;
    default:
        return CAUSE_rcode_mismatch;
    }
}

/* " (DNSSEC Bogus: signature expired)", or nothing; of the first extended error. */
static void ede_words(const struct result_edns *e, char *buf, size_t max)
{
    buf[0] = '\0';
    if (e == NULL || e->n_ede == 0)
        return;
    char number[24];
    const char *name = ede_text(e->ede[0].code), *text = e->ede[0].text;
    snprintf(number, sizeof(number), "extended error %u", e->ede[0].code);
    snprintf(buf, max, " (%s%s%s)", name ? name : number, text ? ": " : "", text ? text : "");
}

/* Servers from before EDNS answer it so (RFC 6891 §7). */
static const char *edns_hint(const struct target *t, const struct dns_message *m)
{
    bool unknown = m->rcode == RCODE_FORMERR || m->rcode == RCODE_NOTIMP;
    if (!unknown || t->dns.edns_size == 0 || m->edns != NULL)
        return "";
    return "; it may not know EDNS: see if it answers with edns_size 0";
}

static void check_rcode(struct verdict *v, const struct target *t, const struct dns_message *m,
                        struct result *r)
{
    char got[24], want[24];
    char why[2 * DNS_EDE_TEXT_MAX];
    rcode_word(m->rcode, got);
    ede_words(m->edns, why, sizeof(why));
    if (t->dns.expect_rcode < 0) {
        note(v, r, NULL, cause_of_rcode(m->rcode), "the server answered %s%s%s", got, why,
             edns_hint(t, m));
        return;
    }
    rcode_word(t->dns.expect_rcode, want);
    note(v, r, "rcode", m->rcode == t->dns.expect_rcode ? CAUSE_NONE : CAUSE_rcode_mismatch,
         "the server answered %s%s, %s is expected", got, why, want);
}

/* "equals": [] */
static bool expects_none(const struct dns_answers *a)
{
    return a->equals.set && a->equals.n == 0;
}

static void check_count(struct verdict *v, const struct target *t, const struct dns_message *m,
                        struct result *r)
{
    char type[RRTYPE_TEXT_MAX];
    rrtype_format(t->dns.type, type);
    int min = t->dns.expect_min_answers;
    if (min >= 0)
        note(v, r, "min_answers",
             m->n_matching >= (unsigned)min ? CAUSE_NONE : CAUSE_answer_mismatch,
             "%u %s record%s in the answer, at least %d expected", m->n_matching, type,
             m->n_matching == 1 ? "" : "s", min);
    else if (m->tc && m->n_matching == 0) /* over TCP: it has been asked there for that */
        note(v, r, NULL, CAUSE_dns_malformed, "the answer is truncated over TCP too");
    else if (m->rcode == 0 && m->n_matching == 0 && !expects_none(&t->dns.expect_answers))
        note(v, r, NULL, CAUSE_dns_nodata, "no %s record in the answer%s", type,
             m->n_answers > 0 ? ", only an alias without one" : "");
}

static void note_answers(struct verdict *v, struct result *r, const char *check, const char *why)
{
    note(v, r, check, why == NULL ? CAUSE_NONE : CAUSE_answer_mismatch, "%s",
         why == NULL ? "" : why);
}

static void check_answers(struct verdict *v, const struct target_dns *d,
                          const struct dns_message *m, struct result *r)
{
    char why[160];
    const struct dns_answers *a = &d->expect_answers;
    if (a->contains.set)
        note_answers(v, r, "answers.contains", dns_answers_contain(d, m, why, sizeof(why)));
    if (a->equals.set)
        note_answers(v, r, "answers.equals", dns_answers_equal(d, m, why, sizeof(why)));
    if (a->regex != NULL)
        note_answers(v, r, "answers.regex", dns_answers_match(d, m, why, sizeof(why)));
}

static void check_time(struct verdict *v, const struct target *t, double total_ms, struct result *r)
{
    if (t->max_total_ms < 0)
        return;
    note(v, r, "max_total_ms", total_ms <= (double)t->max_total_ms ? CAUSE_NONE : CAUSE_too_slow,
         "it took %.1f ms, at most %lld are allowed", total_ms, (long long)t->max_total_ms);
}

/* Not an expectation: it says that the sections of the result are not the whole reply. */
static void note_cut(const struct dns_message *m, struct result *r)
{
    unsigned kept = m->n_sections[0] + m->n_sections[1] + m->n_sections[2];
    if (kept < m->n_records)
        result_check_add(r, "records_kept", true, "%u of %u records are kept", kept, m->n_records);
}

void dns_check(const struct target *t, const struct dns_message *m, double total_ms,
               struct result *r)
{
    REQUIRE(t->kind == TARGET_DNS && r->n_checks == 0);
    struct verdict v = {.cause = CAUSE_NONE};
    check_rcode(&v, t, m, r);
    check_count(&v, t, m, r);
    check_answers(&v, &t->dns, m, r);
    check_time(&v, t, total_ms, r);
    note_cut(m, r);
    if (v.cause == CAUSE_NONE)
        result_end(r, CAUSE_NONE, NULL);
    else
        result_end(r, v.cause, "%s", v.detail);
}
