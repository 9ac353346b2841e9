/* SPDX-License-Identifier: MIT */
#include "master/core/state.h"
#include <string.h>
#include "common/human.h"
#include "common/utf8.h"

/*
 * Why a session ends: the first cause that is noted is the one; what the socket says later of a
 * session that was already given up is its echo. Details may hold what a peer wrote: they are made
 * fit to be shown here.
 */

void ending_note(struct session *s, enum end cause, const char *detail)
{
    REQUIRE(cause != END_NONE && detail != NULL);
    if (s->end != END_NONE)
        return;
    s->end = cause;
    char *clean = utf8_sanitized(detail, strlen(detail), sizeof(s->end_detail) - 1);
    snprintf(s->end_detail, sizeof(s->end_detail), "%s", clean);
    free(clean);
}

/* A proxy that cannot write to the agent gives up, and so does the kernel: the network's word for
 * it is an echo of the agent's. What it had not taken at its own last word tells them apart. */
void ending_note_socket(struct session *s, enum end cause, const char *detail)
{
    char said[END_DETAIL_MAX], unread[HUMAN_MAX], queue[HUMAN_MAX] = "not known";
    bool cut = end_may_be_proxy(cause) || cause == END_connection_timeout;
    if (s->end != END_NONE || !cut || !s->agent || s->untaken_ms < SLOW_CUT_MS) {
        ending_note(s, cause, detail);
        return;
    }
    const struct msg_heartbeat *h = &s->agent->hb;
    if (h->recvq_bytes >= 0)
        human_bytes((uint64_t)h->recvq_bytes, queue);
    uint64_t bytes = s->sent.bytes > h->received.bytes ? s->sent.bytes - h->received.bytes : 0;
    snprintf(said, sizeof(said),
             "%llu of %llu tasks received, %s not; at its last heartbeat the oldest of them waited "
             "for %.1f s, its Recv-Q was %s; heartbeats %.1f s apart; %s%s%s",
             (unsigned long long)s->taken, (unsigned long long)s->sent.count,
             human_bytes(bytes, unread), (double)s->untaken_ms / 1000, queue,
             (double)s->agent->hb_gap_max_ms / 1000, end_word(cause), detail[0] ? ": " : "",
             detail);
    ending_note(s, END_slow_consumer, said);
}

static void remember(struct agent *a, const struct session *s, struct mono now)
{
    a->last_end.cause = s->end;
    a->last_end.age_ms = mono_diff_ms(now, s->began_at);
    a->last_end.at = now;
    snprintf(a->last_end.detail, sizeof(a->last_end.detail), "%s", s->end_detail);
}

void ending_tell(struct core *c, struct session *s, struct mono now)
{
    struct agent *a = s->agent;
    REQUIRE(s->end != END_NONE);
    if (s->end_told)
        return;
    s->end_told = true;
    struct core_session_end e = {
        .id = s->id,
        .peer = s->peer,
        .cause = s->end,
        .detail = s->end_detail,
        .age_ms = mono_diff_ms(now, s->began_at),
        .silent_ms = mono_diff_ms(now, s->last_rx),
        .rtt_ms = -1,
        .sent_tasks = s->sent.count,
    };
    if (a) {
        remember(a, s, now);
        e.agent = a->name;
        e.rtt_ms = a->rtt_ms;
        e.heartbeat_gap_max_ms = a->hb_gap_max_ms;
        e.received_tasks = s->taken;
        e.untaken_ms = s->untaken_ms;
        e.leases = a->leases.count;
    }
    counter_add(&c->stats.ends[s->end], 1);
    c->ops.session_ended(c->arg, &e);
}
