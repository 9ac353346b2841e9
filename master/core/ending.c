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
    s->end_detail = utf8_sanitized(detail, strlen(detail), END_DETAIL_MAX - 1);
}

/* ---- slow consumers */

/* For how long its socket has taken nothing of what is to be written. */
static int64_t blocked_ms(const struct session *s, struct mono now)
{
    return s->asked ? mono_diff_ms(now, s->asked_at) : 0;
}

/* By its own last word, or because bytes are left over at this end already. A master that overslept
 * wrote nothing itself. */
static bool cut_while_slow(const struct core *c, const struct session *s, enum end cause,
                           struct mono now)
{
    bool overslept = mono_diff_ms(now, c->last_tick) > OWN_LAG_MS;
    if (s->end != END_NONE || s->agent == NULL || overslept)
        return false;
    if (end_may_be_proxy(cause))
        return s->untaken_ms >= SLOW_CUT_MS || blocked_ms(s, now) >= SLOW_CUT_MS;
    return cause == END_connection_timeout && s->untaken_ms >= SLOW_CUT_MS;
}

/* An empty Recv-Q says something only of what was on its way for a while then. */
static const char *slow_side(const struct session *s)
{
    const struct agent *a = s->agent;
    if (a->has_hb && a->hb.recvq_bytes > 0)
        return "it does not read";
    if (a->has_hb && a->hb.recvq_bytes == 0 && s->untaken_ms >= SLOW_CUT_MS)
        return "the way to it";
    return "it or the way to it";
}

/* A proxy that cannot write to the agent gives up, and so does the kernel: then the network's word
 * for the end is an echo of the agent's doing. */
void ending_note_socket(struct core *c, struct session *s, enum end cause, const char *detail,
                        struct mono now)
{
    char said[END_DETAIL_MAX], unread[HUMAN_MAX], queue[HUMAN_MAX] = "not known";
    if (!cut_while_slow(c, s, cause, now)) {
        ending_note(s, cause, detail);
        return;
    }
    const struct agent *a = s->agent;
    uint64_t taken = a->has_hb ? a->hb.received.bytes : 0;
    if (a->has_hb && a->hb.recvq_bytes >= 0)
        human_bytes((uint64_t)a->hb.recvq_bytes, queue);
    snprintf(
        said, sizeof(said),
        "%s: %llu of %llu tasks received, %s not, for %.1f s by its last heartbeat, its Recv-Q "
        "then %s; the socket took nothing for %.1f s; silent for %.1f s; %s%s%s",
        slow_side(s), (unsigned long long)s->taken, (unsigned long long)s->sent.count,
        human_bytes(s->sent.bytes > taken ? s->sent.bytes - taken : 0, unread),
        (double)s->untaken_ms / 1000, queue, (double)blocked_ms(s, now) / 1000,
        (double)mono_diff_ms(now, s->last_rx) / 1000, end_word(cause), detail[0] ? ": " : "",
        detail);
    ending_note(s, END_slow_consumer, said);
}

/* ---- what is told */

static void remember(struct agent *a, const struct session *s, struct mono now)
{
    a->last_end.cause = s->end;
    a->last_end.age_ms = mono_diff_ms(now, s->began_at);
    a->last_end.at = now;
    if (s->end != END_bye) {
        a->cuts = a->cuts ? a->cuts : mem_zalloc(sizeof(*a->cuts));
        cuts_add(a->cuts, s->end, now);
    }
    free(a->last_end.detail);
    a->last_end.detail = s->end_detail ? mem_strdup(s->end_detail) : NULL;
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
        .detail = s->end_detail ? s->end_detail : "",
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
