/* SPDX-License-Identifier: MIT */
#include "master/schedule/verdict.h"

/* Names in one line; the rest is a number. */
#define NAMES_SHOWN 3

const char *verdict_word(enum verdict_state s)
{
    static const char *const words[VERDICT_STATES] = {
        [VERDICT_UNKNOWN] = "unknown",
        [VERDICT_UP] = "up",
        [VERDICT_DEGRADED] = "degraded",
        [VERDICT_DOWN] = "down",
    };
    REQUIRE((unsigned)s < VERDICT_STATES);
    return words[s];
}

enum verdict_vote_kind verdict_vote_kind(enum cause cause)
{
    switch (cause_outcome(cause)) {
    case OUTCOME_OK:
        return VERDICT_VOTE_OK;
    case OUTCOME_FAILED:
        return VERDICT_VOTE_FAILED;
    case OUTCOME_UNDETERMINED:
        return cause_where(cause) == WHERE_AGENT ? VERDICT_VOTE_AGENT_FAULT
                                                 : VERDICT_VOTE_UNDETERMINED;
    case OUTCOME_EXPIRED:
        return VERDICT_VOTE_MISSING;
    case OUTCOME_REFUSED:
    case OUTCOME_CANCELLED:
        return VERDICT_VOTE_UNDETERMINED;
    }
    UNREACHABLE("an outcome without a vote");
}

static unsigned *counter(struct verdict *v, enum verdict_vote_kind kind)
{
    switch (kind) {
    case VERDICT_VOTE_OK:
        return &v->ok;
    case VERDICT_VOTE_FAILED:
        return &v->failed;
    case VERDICT_VOTE_UNDETERMINED:
        return &v->undetermined;
    case VERDICT_VOTE_AGENT_FAULT:
        return &v->agent_fault;
    case VERDICT_VOTE_MISSING:
        return &v->missing;
    }
    UNREACHABLE("a kind of vote without a counter");
}

static enum cause most_frequent(const struct verdict_vote *votes, size_t n)
{
    unsigned count[CAUSE_COUNT] = {0};
    enum cause best = CAUSE_NONE;
    for (size_t i = 0; i < n; i++)
        if (votes[i].kind == VERDICT_VOTE_FAILED)
            count[votes[i].cause]++;
    for (size_t i = 0; i < n; i++)
        if (count[votes[i].cause] > count[best])
            best = votes[i].cause;
    return best;
}

/* Counts, and returns the failed tries; more than are needed are as good as enough. */
static unsigned count(struct verdict *v, const struct verdict_vote *votes, size_t n,
                      unsigned needed)
{
    unsigned witnesses = 0;
    for (size_t i = 0; i < n; i++) {
        (*counter(v, votes[i].kind))++;
        if (votes[i].kind != VERDICT_VOTE_FAILED)
            continue;
        REQUIRE(votes[i].tries > 0 && (unsigned)votes[i].cause < CAUSE_COUNT);
        witnesses += votes[i].tries < needed ? votes[i].tries : needed;
    }
    return witnesses;
}

struct verdict verdict_of(const struct verdict_vote *votes, size_t n, unsigned confirm)
{
    REQUIRE(n <= VERDICT_VOTES_MAX && confirm <= VERDICT_CONFIRM_MAX);
    struct verdict v = {.state = VERDICT_UNKNOWN, .confirmed = true};
    unsigned witnesses = count(&v, votes, n, confirm + 1);
    if (v.failed == 0) {
        v.state = v.ok > 0 ? VERDICT_UP : VERDICT_UNKNOWN;
        return v;
    }
    v.cause = most_frequent(votes, n);
    v.confirmed = witnesses > confirm;
    if (v.confirmed) {
        v.state = v.failed > v.ok ? VERDICT_DOWN : VERDICT_DEGRADED;
        return v;
    }
    unsigned ask = confirm + 1 - witnesses;
    v.state = v.ok > 0 ? VERDICT_UP : VERDICT_UNKNOWN;
    v.ask = v.failed + ask > v.ok ? ask : 0;
    return v;
}

static void put_failed(const struct verdict *v, const struct verdict_vote *votes, size_t n,
                       struct strbuf *out)
{
    unsigned shown = 0;
    strbuf_puts(out, "down from ");
    for (size_t i = 0; i < n && shown < NAMES_SHOWN; i++) {
        if (votes[i].kind != VERDICT_VOTE_FAILED)
            continue;
        strbuf_puts(out, shown == 0 ? "" : shown + 1 == v->failed ? " and " : ", ");
        strbuf_puts(out, votes[i].agent);
        shown++;
    }
    if (shown < v->failed)
        strbuf_printf(out, " and %u more", v->failed - shown);
    if (v->ok > 0 && v->failed == 1)
        strbuf_puts(out, " only");
    if (!v->confirmed)
        strbuf_puts(out, ", not confirmed");
}

static void put_silent(const struct verdict *v, const struct verdict_vote *votes, size_t n,
                       struct strbuf *out)
{
    unsigned silent = v->undetermined + v->agent_fault + v->missing;
    if (silent == n) {
        strbuf_puts(out, "no agent measured");
        return;
    }
    if (silent > 1) {
        strbuf_printf(out, "%u of %zu agents could not measure", silent, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (votes[i].kind != VERDICT_VOTE_OK && votes[i].kind != VERDICT_VOTE_FAILED)
            strbuf_printf(out, "%s could not measure", votes[i].agent);
}

void verdict_advice(const struct verdict *v, const struct verdict_vote *votes, size_t n,
                    struct strbuf *out)
{
    bool failed = v->failed > 0 && (v->ok > 0 || !v->confirmed);
    bool silent = v->ok + v->failed < n;
    if (failed)
        put_failed(v, votes, n, out);
    if (failed && silent)
        strbuf_puts(out, "; ");
    if (silent)
        put_silent(v, votes, n, out);
}
