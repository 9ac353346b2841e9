/* SPDX-License-Identifier: MIT */
#include "agent/link/session_core.h"
#include "common/log.h"
#include "common/mem.h"
#include <stdio.h>
#include <stdlib.h>

/*
 * What the log is told of a result between its task's end and the master's acknowledgement. The
 * outbox knows no traces, so those that are wanted are kept here, and of the others nothing: each
 * has its result in the outbox, which bounds them. What a former process left in the spool goes
 * untold.
 */
static struct followed *find(const struct session *s, uint64_t task)
{
    struct followed *f = NULL;
    if (s->followed)
        HASH_FIND(hh, s->followed, &task, sizeof(task), f);
    return f;
}

static void drop(struct session *s, struct followed *f)
{
    HASH_DELETE(hh, s->followed, f);
    free(f);
}

void session_follow(struct session *s, const struct held *h)
{
    if ((!h->log && !log_enabled(LOG_DEBUG)) || find(s, h->task))
        return;
    struct followed *f = mem_zalloc(sizeof(*f));
    f->task = h->task;
    f->asked = h->log;
    snprintf(f->trace, sizeof(f->trace), "%s", h->trace);
    HASH_ADD(hh, s->followed, task, sizeof(f->task), f);
}

void session_tell_sent(struct session *s, uint64_t task)
{
    const struct followed *f = find(s, task);
    if (f)
        LOG_ASKED(f->asked, LOG_DEBUG, "task", "result_sent", LS("trace", f->trace),
                  LU("task", task), LS("session", s->session_id));
}

static const char *verdict_word(enum ack_verdict v)
{
    switch (v) {
    case ACK_STORED:
        return "stored";
    case ACK_DUPLICATE:
        return "duplicate";
    case ACK_REJECTED:
        return "rejected";
    }
    UNREACHABLE("an ack has three verdicts");
}

void session_tell_ack(struct session *s, uint64_t task, enum ack_verdict v)
{
    struct followed *f = find(s, task);
    if (v == ACK_REJECTED)
        LOG(LOG_WARN, "task", "result_rejected", LS("trace", f ? f->trace : NULL),
            LU("task", task));
    if (!f)
        return;
    LOG_ASKED(f->asked, LOG_DEBUG, "task", "acknowledged", LS("trace", f->trace), LU("task", task),
              LS("as", verdict_word(v)));
    drop(s, f);
}

void session_unfollow_all(struct session *s)
{
    struct followed *f, *tmp;
    HASH_ITER(hh, s->followed, f, tmp)
    drop(s, f);
}
