/* SPDX-License-Identifier: MIT */
#include "master/hub/entry.h"
#include <stdlib.h>
#include "common/mem.h"
#include "master/alert/alert.h"

#define FACTS_MAX (16u * 1024)

static char *dup_or_null(const char *s)
{
    return s != NULL && s[0] != '\0' ? mem_strdup(s) : NULL;
}

static void copy_alerts(struct store_entry *to, const char *const *alerts, unsigned n)
{
    if (n == 0)
        return;
    to->alerts = mem_array(n, sizeof(*to->alerts));
    for (to->n_alerts = 0; to->n_alerts < n; to->n_alerts++)
        to->alerts[to->n_alerts] = mem_strdup(alerts[to->n_alerts]);
}

/* What the channels are told, as it is known now. */
static void put_facts(struct store_entry *to, const struct scheduler_entry *e)
{
    struct strbuf b;
    struct alert_facts f = {.schedule = e->schedule, .target = e->key};
    if (to->n_alerts == 0)
        return;
    if (e->kind == ENTRY_INCIDENT) {
        f.action = e->incident.action;
        f.incident = e->incident.incident;
    } else {
        f.days_left = e->certificate.days_left;
        f.not_after = e->certificate.not_after;
    }
    strbuf_init(&b, FACTS_MAX);
    alert_facts_put(&f, &b);
    strbuf_putc(&b, '\0');
    REQUIRE(!b.overflow);
    to->delivery = mem_strdup(b.data);
    strbuf_fini(&b);
}

static void copy_kind(struct store_entry *to, const struct scheduler_entry *e)
{
    switch (e->kind) {
    case ENTRY_TRANSITION:
        to->from = e->transition.from;
        to->to = e->transition.to;
        to->cause = e->transition.cause;
        to->slot = e->transition.slot;
        to->task = e->transition.task;
        to->flapping = e->transition.flapping;
        to->advice = dup_or_null(e->transition.advice);
        break;
    case ENTRY_GAP:
        to->gap = e->gap;
        break;
    case ENTRY_INCIDENT:
        to->action = e->incident.action;
        to->incident = *e->incident.incident;
        copy_alerts(to, e->incident.alerts, e->incident.n_alerts);
        break;
    case ENTRY_CERTIFICATE:
        to->days_left = e->certificate.days_left;
        to->threshold = e->certificate.threshold;
        to->not_after = e->certificate.not_after;
        copy_alerts(to, e->certificate.alerts, e->certificate.n_alerts);
        break;
    }
}

void entry_copy(const struct scheduler_entry *e, struct store_entry *out)
{
    *out = (struct store_entry){.kind = e->kind,
                                .at = e->at,
                                .check = e->check,
                                .schedule = dup_or_null(e->schedule),
                                .key = dup_or_null(e->key)};
    copy_kind(out, e);
    put_facts(out, e);
}
