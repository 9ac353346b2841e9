/* SPDX-License-Identifier: MIT */
#include "master/diagnosis/diagnosis.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "common/mem.h"
#include "common/utf8.h"
#include "master/diagnosis/checks.h"

#define RAW_MAX      1024 /* of a sentence before it is cleaned and cut */
#define BULK_LEAST   3    /* so many agents at once, and … */
#define BULK_PERCENT 30   /* … this share of all: one cause, and not theirs */

enum about { ABOUT_MASTER, ABOUT_STORE, ABOUT_AGENTS, ABOUT_BATCHES };

struct row {
    const char *word, *meaning, *fix;
    enum about about;
    void (*run)(const struct diag_facts *f, struct diag_finding *out);
};
static const struct row rows[DIAG_CHECKS] = {
#define CHECK(name, where, means, help)                                                            \
    [DIAG_##name] = {#name, means, help, ABOUT_##where, check_##name},
#include "master/diagnosis/checks.def"
#undef CHECK
};

/* ---- how a check says what it found */

static void put_clean(char *to, size_t max, const char *raw)
{
    struct strbuf b;
    strbuf_init(&b, max + 1);
    utf8_sanitize(&b, raw, strlen(raw), max);
    memcpy(to, b.data, b.len + 1);
    strbuf_fini(&b);
}

void diag_say(struct diag_finding *out, enum diag_state s, const char *fmt, ...)
{
    char raw[RAW_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(raw, sizeof(raw), fmt, ap);
    va_end(ap);
    put_clean(out->evidence, DIAG_EVIDENCE_MAX, raw);
    if (s > out->state)
        out->state = s;
}

void diag_figure(struct diag_finding *out, const char *name, double value)
{
    REQUIRE(out->n_figures < DIAG_FIGURES_MAX);
    out->figures[out->n_figures++] = (struct diag_figure){name, value};
}

/* Its place, behind those that are as bad; NULL: there is none, it is only counted. */
static struct diag_item *place(struct diag_finding *out, enum diag_state s)
{
    unsigned at = out->n_items;
    while (at > 0 && out->items[at - 1].state < s)
        at--;
    if (out->n_items == DIAG_ITEMS_MAX)
        out->more_items++;
    else
        out->n_items++;
    if (at == DIAG_ITEMS_MAX)
        return NULL;
    memmove(&out->items[at + 1], &out->items[at], (out->n_items - 1 - at) * sizeof(out->items[0]));
    return &out->items[at];
}

void diag_item(struct diag_finding *out, enum diag_state s, const char *name, const char *fmt, ...)
{
    char raw[RAW_MAX];
    if (s > out->state)
        out->state = s;
    struct diag_item *i = place(out, s);
    if (i == NULL)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(raw, sizeof(raw), fmt, ap);
    va_end(ap);
    i->state = s;
    put_clean(i->name, DIAG_NAME_MAX, name);
    put_clean(i->evidence, DIAG_EVIDENCE_MAX, raw);
}

unsigned diag_items(const struct diag_finding *out)
{
    return out->n_items + out->more_items;
}

double diag_percent(int64_t part, int64_t whole)
{
    return part < 0 || whole <= 0 ? -1 : 100.0 * (double)part / (double)whole;
}

enum diag_state diag_over(double value, double warn, double bad)
{
    return value < 0 ? DIAG_UNKNOWN : value >= bad ? DIAG_BAD : value >= warn ? DIAG_WARN : DIAG_OK;
}

/* ---- agents */

bool diag_connected(const struct agent_view *v)
{
    return v->state != AGENT_ORPHANED && v->state != AGENT_GONE;
}

bool diag_tells(const struct agent_view *v)
{
    return diag_connected(v) && v->has_hb;
}

unsigned diag_count_connected(const struct diag_facts *f)
{
    unsigned n = 0;
    for (unsigned i = 0; i < f->n_agents; i++)
        n += diag_connected(&f->agents[i]);
    return n;
}

bool diag_is_bulk(unsigned n, unsigned of)
{
    return n >= BULK_LEAST && diag_percent(n, of) >= BULK_PERCENT;
}

/* ---- all of them */

/* What is about agents and batches judges the core's views: without these there is no verdict. */
static void run(const struct row *r, const struct diag_facts *f, struct diag_finding *out)
{
    bool of_core = r->about == ABOUT_AGENTS || r->about == ABOUT_BATCHES;
    if (of_core && !f->has_core)
        diag_say(out, DIAG_UNKNOWN, "the hub could not be asked");
    else
        r->run(f, out);
}

struct diagnosis *diagnosis_make(const struct diag_facts *f)
{
    struct diagnosis *d = mem_zalloc(sizeof(*d));
    for (unsigned c = 0; c < DIAG_CHECKS; c++) {
        struct diag_finding *found = &d->findings[c];
        found->check = (enum diag_check)c;
        run(&rows[c], f, found);
        REQUIRE(found->evidence[0] != '\0');
        d->count[found->state]++;
        if (found->state > d->state && found->state != DIAG_UNKNOWN)
            d->state = found->state;
    }
    return d;
}

/* ---- words */

const char *diag_state_word(enum diag_state s)
{
    static const char *const words[DIAG_STATES] = {"ok", "unknown", "warn", "bad"};
    REQUIRE((unsigned)s < DIAG_STATES);
    return words[s];
}

static const struct row *row_of(enum diag_check c)
{
    REQUIRE((unsigned)c < DIAG_CHECKS);
    return &rows[c];
}

const char *diag_check_word(enum diag_check c)
{
    return row_of(c)->word;
}

const char *diag_check_about(enum diag_check c)
{
    static const char *const words[] = {"master", "store", "agents", "batches"};
    return words[row_of(c)->about];
}

const char *diag_check_meaning(enum diag_check c)
{
    return row_of(c)->meaning;
}

const char *diag_check_fix(enum diag_check c)
{
    return row_of(c)->fix;
}
