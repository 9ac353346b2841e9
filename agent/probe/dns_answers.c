/* SPDX-License-Identifier: MIT */
#include "agent/probe/dns_answers.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include "agent/probe/expect.h"
#include "common/clock.h"

#define TYPE_ANY 255
/* All answers together: a worker's loop waits meanwhile. */
#define REGEX_ALL_MS 50
/* Of a datum that a sentence quotes. */
#define QUOTED_MAX 60

static bool is_one_of(const char *type, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(type, words[i]) == 0)
            return true;
    return false;
}

/* Data that is a name, or numbers and then a name. */
static bool ends_in_name(const char *type)
{
    static const char *const types[] = {"NS", "CNAME", "DNAME", "PTR", "MX", "SRV"};
    return is_one_of(type, types, ARRAY_LEN(types));
}

static bool is_text(const char *type)
{
    static const char *const types[] = {"TXT", "SPF"};
    return is_one_of(type, types, ARRAY_LEN(types));
}

static size_t without_last_dot(const char *s)
{
    size_t n = strlen(s);
    return n > 1 && s[n - 1] == '.' && s[n - 2] != ' ' ? n - 1 : n;
}

static bool names_equal(const char *a, const char *b)
{
    size_t n = without_last_dot(a);
    return n == without_last_dot(b) && strncasecmp(a, b, n) == 0;
}

static bool addresses_equal(int family, const char *a, const char *b)
{
    uint8_t x[16] = {0}, y[16] = {0};
    return inet_pton(family, a, x) == 1 && inet_pton(family, b, y) == 1 &&
           memcmp(x, y, sizeof(x)) == 0;
}

/* The next octet of quoted strings in presentation form, across their ends; -1 at the last. */
static int next_octet(const char **sp)
{
    const char *s = *sp;
    while (s[0] == '"' && s[1] == ' ' && s[2] == '"')
        s += 3;
    if (s[0] == '\0' || (s[0] == '"' && s[1] == '\0'))
        return -1;
    int v = (uint8_t)s[0], n = 1;
    if (s[0] == '\\' && s[1] >= '0' && s[1] <= '9') { /* our own form: three digits follow */
        v = (s[1] - '0') * 100 + (s[2] - '0') * 10 + (s[3] - '0');
        n = 4;
    } else if (s[0] == '\\') {
        v = (uint8_t)s[1];
        n = 2;
    }
    *sp = s + n;
    return v;
}

static bool text_equals(const char *got, const char *want)
{
    REQUIRE(got[0] == '"'); /* put there by dns_text_rdata() */
    for (got++; *want != '\0'; want++)
        if (next_octet(&got) != (uint8_t)*want)
            return false;
    return next_octet(&got) < 0;
}

bool dns_answers_data_equal(const char *type, const char *got, const char *want)
{
    if (strcmp(got, want) == 0)
        return true;
    if (got[0] == '\\' && got[1] == '#')
        return false; /* of another class, in the form of RFC 3597 */
    if (is_text(type))
        return text_equals(got, want);
    if (strcmp(type, "A") == 0)
        return addresses_equal(AF_INET, got, want);
    if (strcmp(type, "AAAA") == 0)
        return addresses_equal(AF_INET6, got, want);
    return ends_in_name(type) && names_equal(got, want);
}

/* The next kept answer of the type asked for, from *i on; NULL at the end. */
static const struct result_rr *next_answer(const struct target_dns *d, const struct dns_message *m,
                                           unsigned *i)
{
    char type[RRTYPE_TEXT_MAX];
    rrtype_format(d->type, type);
    while (*i < m->n_sections[0]) {
        const struct result_rr *rr = &m->sections[0][(*i)++];
        if (d->type == TYPE_ANY || strcmp(rr->type, type) == 0)
            return rr;
    }
    return NULL;
}

/* The first datum of the list that no answer has; NULL: all are there. */
static const char *missing(const struct target_dns *d, const struct dns_message *m,
                           const struct dns_data_list *l)
{
    for (unsigned k = 0; k < l->n; k++) {
        const struct result_rr *rr;
        unsigned i = 0;
        while ((rr = next_answer(d, m, &i)) != NULL)
            if (dns_answers_data_equal(rr->type, rr->data, l->data[k]))
                break;
        if (rr == NULL)
            return l->data[k];
    }
    return NULL;
}

static bool listed(const struct dns_data_list *l, const struct result_rr *rr)
{
    for (unsigned k = 0; k < l->n; k++)
        if (dns_answers_data_equal(rr->type, rr->data, l->data[k]))
            return true;
    return false;
}

static const char *not_there(const char *datum, char *why, size_t max)
{
    snprintf(why, max, "'%.*s' is not among the answers", QUOTED_MAX, datum);
    return why;
}

const char *dns_answers_contain(const struct target_dns *d, const struct dns_message *m, char *why,
                                size_t max)
{
    const char *absent = missing(d, m, &d->expect_answers.contains);
    return absent == NULL ? NULL : not_there(absent, why, max);
}

const char *dns_answers_equal(const struct target_dns *d, const struct dns_message *m, char *why,
                              size_t max)
{
    const struct dns_data_list *l = &d->expect_answers.equals;
    const char *absent = missing(d, m, l);
    const struct result_rr *rr;
    unsigned seen = 0;
    if (absent != NULL)
        return not_there(absent, why, max);
    for (unsigned i = 0; (rr = next_answer(d, m, &i)) != NULL; seen++) {
        if (listed(l, rr))
            continue;
        snprintf(why, max, "the answer '%.*s' is not expected", QUOTED_MAX, rr->data);
        return why;
    }
    if (seen >= m->n_matching)
        return NULL;
    snprintf(why, max, "only %u of %u answers were kept to be compared", seen, m->n_matching);
    return why;
}

const char *dns_answers_match(const struct target_dns *d, const struct dns_message *m, char *why,
                              size_t max)
{
    struct mono until = mono_add_ms(mono_now(), REGEX_ALL_MS);
    const struct result_rr *rr;
    for (unsigned i = 0; (rr = next_answer(d, m, &i)) != NULL;) {
        switch (expect_regex(d->expect_answers.regex, rr->data, strlen(rr->data))) {
        case EXPECT_MATCH:
            return NULL;
        case EXPECT_NO_MATCH:
            if (mono_before(mono_now(), until))
                continue;
            break;
        case EXPECT_GAVE_UP:
            break;
        }
        snprintf(why, max, "the pattern took too long on these answers and was given up");
        return why;
    }
    snprintf(why, max, "no answer matches the pattern");
    return why;
}
