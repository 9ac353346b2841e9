/* SPDX-License-Identifier: MIT */
#include "master/schedule/verdict.h"

#include <string.h>

#include "tests/support/check_main.h"

/*
 * Each of four agents is one of these: all combinations are tried, with the states that stand in a
 * table written by hand, and with what must hold whatever the table says.
 */
enum { OK, FAILED, FAILED_TWICE, UNDETERMINED, FAULT, MISSING, KINDS };
#define AGENTS_MAX 4

static const char *const names[AGENTS_MAX + VERDICT_CONFIRM_MAX] = {
    "bj-1", "bj-2", "fra-1", "nyc-1", "x-1", "x-2", "x-3", "x-4"};

static struct verdict_vote vote(unsigned i, unsigned what)
{
    static const enum verdict_vote_kind kinds[KINDS] = {
        VERDICT_VOTE_OK,           VERDICT_VOTE_FAILED,      VERDICT_VOTE_FAILED,
        VERDICT_VOTE_UNDETERMINED, VERDICT_VOTE_AGENT_FAULT, VERDICT_VOTE_MISSING};
    bool failed = what == FAILED || what == FAILED_TWICE;
    return (struct verdict_vote){.agent = names[i],
                                 .kind = kinds[what],
                                 .cause = failed ? CAUSE_connect_refused : CAUSE_NONE,
                                 .tries = what == FAILED_TWICE ? 2 : failed};
}

/* ok, failed once, failed twice: state (? u g d) and how many are asked, with confirm 1. Who could
 * not measure does not stand in it. */
static const struct {
    unsigned ok, once, twice;
    char state;
    unsigned ask;
} table[] = {
    {0, 0, 0, '?', 0}, {1, 0, 0, 'u', 0}, {2, 0, 0, 'u', 0}, {3, 0, 0, 'u', 0}, {4, 0, 0, 'u', 0},
    {0, 1, 0, '?', 1}, {1, 1, 0, 'u', 1}, {2, 1, 0, 'u', 0}, {3, 1, 0, 'u', 0}, {0, 0, 1, 'd', 0},
    {1, 0, 1, 'g', 0}, {2, 0, 1, 'g', 0}, {3, 0, 1, 'g', 0}, {0, 2, 0, 'd', 0}, {1, 2, 0, 'd', 0},
    {2, 2, 0, 'g', 0}, {0, 1, 1, 'd', 0}, {1, 1, 1, 'd', 0}, {2, 1, 1, 'g', 0}, {0, 0, 2, 'd', 0},
    {1, 0, 2, 'd', 0}, {2, 0, 2, 'g', 0}, {0, 3, 0, 'd', 0}, {1, 3, 0, 'd', 0}, {0, 2, 1, 'd', 0},
    {1, 2, 1, 'd', 0}, {0, 1, 2, 'd', 0}, {1, 1, 2, 'd', 0}, {0, 0, 3, 'd', 0}, {1, 0, 3, 'd', 0},
    {0, 4, 0, 'd', 0}, {0, 3, 1, 'd', 0}, {0, 2, 2, 'd', 0}, {0, 1, 3, 'd', 0}, {0, 0, 4, 'd', 0},
};

static char letter(enum verdict_state s)
{
    return "?ugd"[s];
}

typedef void combination_f(const unsigned *what, const struct verdict_vote *votes, unsigned n);
static void each_combination(combination_f *f)
{
    for (unsigned n = 0, all = 1; n <= AGENTS_MAX; n++, all *= KINDS)
        for (unsigned number = 0; number < all; number++) {
            struct verdict_vote votes[AGENTS_MAX];
            unsigned what[AGENTS_MAX] = {0}, rest = number;
            for (unsigned i = 0; i < n; i++, rest /= KINDS) {
                what[i] = rest % KINDS;
                votes[i] = vote(i, what[i]);
            }
            f(what, votes, n);
        }
}

static void as_in_the_table(const unsigned *what, const struct verdict_vote *votes, unsigned n)
{
    unsigned k[KINDS] = {0}, rows = 0;
    for (unsigned i = 0; i < n; i++)
        k[what[i]]++;
    struct verdict v = verdict_of(votes, n, 1);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (table[i].ok != k[OK] || table[i].once != k[FAILED] || table[i].twice != k[FAILED_TWICE])
            continue;
        rows++;
        ck_assert_msg(letter(v.state) == table[i].state && v.ask == table[i].ask,
                      "%u ok, %u once, %u twice: %c asks %u", k[OK], k[FAILED], k[FAILED_TWICE],
                      letter(v.state), v.ask);
    }
    ck_assert_uint_eq(rows, 1);
    ck_assert_uint_eq(v.ok, k[OK]);
    ck_assert_uint_eq(v.failed, k[FAILED] + k[FAILED_TWICE]);
    ck_assert_uint_eq(v.undetermined + v.agent_fault + v.missing,
                      k[UNDETERMINED] + k[FAULT] + k[MISSING]);
}

START_TEST(test_all_combinations_are_as_in_the_table)
{
    each_combination(as_in_the_table);
}
END_TEST

/* In the order of bad news; unknown is not among them. */
static int badness(enum verdict_state s)
{
    return s == VERDICT_UP ? 1 : s == VERDICT_DEGRADED ? 2 : 3;
}

/* An agent more that fails never makes it better, one that is ok never worse; one that could not
 * measure changes nothing but its own count. */
static void one_more(const unsigned *what, const struct verdict_vote *votes, unsigned n)
{
    struct verdict_vote more[AGENTS_MAX + 1];
    if (n > 0)
        memcpy(more, votes, n * sizeof(*votes));
    for (unsigned confirm = 0; confirm <= VERDICT_CONFIRM_MAX; confirm++) {
        struct verdict v = verdict_of(votes, n, confirm);
        for (unsigned k = 0; k < KINDS; k++) {
            more[n] = vote(n, k);
            struct verdict w = verdict_of(more, n + 1, confirm);
            if (k >= UNDETERMINED)
                ck_assert(w.state == v.state && w.ask == v.ask && w.cause == v.cause);
            else if (v.state == VERDICT_UNKNOWN || w.state == VERDICT_UNKNOWN)
                continue;
            else if (k == OK)
                ck_assert_int_le(badness(w.state), badness(v.state));
            else
                ck_assert_int_ge(badness(w.state), badness(v.state));
        }
    }
}

START_TEST(test_one_more_vote_moves_it_the_right_way)
{
    each_combination(one_more);
}
END_TEST

static void down_has_witnesses(const unsigned *what, const struct verdict_vote *votes, unsigned n)
{
    for (unsigned confirm = 0; confirm <= VERDICT_CONFIRM_MAX; confirm++) {
        unsigned tries = 0, failed = 0, ok = 0;
        for (unsigned i = 0; i < n; i++) {
            tries += what[i] == FAILED ? 1 : what[i] == FAILED_TWICE ? 2 : 0;
            failed += what[i] == FAILED || what[i] == FAILED_TWICE;
            ok += what[i] == OK;
        }
        struct verdict v = verdict_of(votes, n, confirm);
        if (v.state == VERDICT_DOWN)
            ck_assert(tries >= confirm + 1 && failed > ok);
        if (v.state == VERDICT_DEGRADED)
            ck_assert(tries >= confirm + 1 && failed > 0 && ok > 0);
        ck_assert(v.state != VERDICT_UP || ok > 0);
        ck_assert(v.cause == (failed > 0 ? CAUSE_connect_refused : CAUSE_NONE));
    }
}

START_TEST(test_nothing_is_down_without_witnesses)
{
    each_combination(down_has_witnesses);
}
END_TEST

/* The votes, and `failing` more agents that fail. */
static enum verdict_state with(const struct verdict_vote *votes, unsigned n, unsigned failing,
                               unsigned confirm)
{
    struct verdict_vote more[AGENTS_MAX + VERDICT_CONFIRM_MAX + 1];
    if (n > 0)
        memcpy(more, votes, n * sizeof(*votes));
    for (unsigned i = 0; i < failing; i++)
        more[n + i] = vote(0, FAILED);
    return verdict_of(more, n + failing, confirm).state;
}

/* What is asked for is just enough to be sure; where nothing is asked, so few could not make it
 * down. */
static void asks_what_it_needs(const unsigned *what, const struct verdict_vote *votes, unsigned n)
{
    for (unsigned confirm = 0; confirm <= VERDICT_CONFIRM_MAX; confirm++) {
        struct verdict v = verdict_of(votes, n, confirm);
        ck_assert(v.ask == 0 || (!v.confirmed && v.ask <= confirm));
        if (v.ask > 0) {
            ck_assert_int_eq(with(votes, n, v.ask, confirm), VERDICT_DOWN);
            ck_assert_int_eq(with(votes, n, v.ask - 1, confirm), v.state);
        }
        for (unsigned k = 1; v.ask == 0 && !v.confirmed && k < VERDICT_CONFIRM_MAX; k++)
            if (with(votes, n, k, confirm) != v.state) { /* confirmed now: */
                ck_assert_int_eq(with(votes, n, k, confirm), VERDICT_DEGRADED);
                break;
            }
    }
}

START_TEST(test_it_asks_for_as_many_as_it_needs)
{
    each_combination(asks_what_it_needs);
}
END_TEST

static void order_is_nothing(const unsigned *what, const struct verdict_vote *votes, unsigned n)
{
    struct verdict_vote turned[AGENTS_MAX];
    struct verdict v = verdict_of(votes, n, 1);
    for (unsigned by = 1; by < n; by++) {
        for (unsigned i = 0; i < n; i++)
            turned[i] = votes[(i + by) % n];
        struct verdict w = verdict_of(turned, n, 1);
        ck_assert(v.state == w.state && v.ask == w.ask && v.confirmed == w.confirmed);
    }
}

START_TEST(test_the_order_of_agents_is_nothing)
{
    each_combination(order_is_nothing);
}
END_TEST

START_TEST(test_the_cause_is_the_most_frequent_one)
{
    struct verdict_vote votes[] = {vote(0, OK), vote(1, FAILED), vote(2, FAILED), vote(3, FAILED)};
    votes[1].cause = CAUSE_connect_timeout;
    ck_assert_int_eq(verdict_of(votes, 4, 1).cause, CAUSE_connect_refused);
    votes[2].cause = CAUSE_dns_timeout;
    ck_assert_int_eq(verdict_of(votes, 4, 1).cause, CAUSE_connect_timeout); /* the first */
}
END_TEST

START_TEST(test_hundreds_of_agents)
{
    static struct verdict_vote votes[VERDICT_VOTES_MAX];
    for (unsigned i = 0; i < VERDICT_VOTES_MAX; i++)
        votes[i] = vote(0, i < VERDICT_VOTES_MAX / 2 ? OK : FAILED);
    ck_assert_int_eq(verdict_of(votes, VERDICT_VOTES_MAX, 4).state, VERDICT_DEGRADED);
    votes[0].kind = VERDICT_VOTE_MISSING;
    ck_assert_int_eq(verdict_of(votes, VERDICT_VOTES_MAX, 4).state, VERDICT_DOWN);
    votes[VERDICT_VOTES_MAX - 1].tries = UINT32_MAX;
    ck_assert_int_eq(verdict_of(votes, VERDICT_VOTES_MAX, 4).state, VERDICT_DOWN);
}
END_TEST

START_TEST(test_causes_are_votes_by_whose_fault_they_are)
{
    ck_assert_int_eq(verdict_vote_kind(CAUSE_NONE), VERDICT_VOTE_OK);
    ck_assert_int_eq(verdict_vote_kind(CAUSE_dns_nxdomain), VERDICT_VOTE_FAILED);
    ck_assert_int_eq(verdict_vote_kind(CAUSE_status_mismatch), VERDICT_VOTE_FAILED);
    ck_assert_int_eq(verdict_vote_kind(CAUSE_agent_network_down), VERDICT_VOTE_AGENT_FAULT);
    ck_assert_int_eq(verdict_vote_kind(CAUSE_agent_lost), VERDICT_VOTE_AGENT_FAULT);
    ck_assert_int_eq(verdict_vote_kind(CAUSE_no_agent), VERDICT_VOTE_MISSING);
    ck_assert_int_eq(verdict_vote_kind(CAUSE_policy_address), VERDICT_VOTE_UNDETERMINED);
    ck_assert_int_eq(verdict_vote_kind(CAUSE_cancelled_by_user), VERDICT_VOTE_UNDETERMINED);
    for (int c = CAUSE_NONE + 1; c < CAUSE_COUNT; c++) /* only a failure of the target's counts */
        ck_assert((verdict_vote_kind(c) == VERDICT_VOTE_FAILED) ==
                  (cause_outcome(c) == OUTCOME_FAILED));
}
END_TEST

static void advises(const char *kinds, const char *want)
{
    struct verdict_vote votes[8];
    struct strbuf b;
    unsigned n = 0;
    for (const char *p = kinds; *p != '\0'; p++, n++)
        votes[n] = vote(n, (unsigned)(strchr("of2uam", *p) - "of2uam"));
    struct verdict v = verdict_of(votes, n, 1);
    strbuf_init(&b, 1000);
    strbuf_puts(&b, "");
    verdict_advice(&v, votes, n, &b);
    ck_assert_str_eq(b.len > 0 ? b.data : "", want);
    strbuf_fini(&b);
}

START_TEST(test_advice)
{
    advises("o", "");
    advises("ooo", "");
    advises("ff", "");
    advises("2", "");
    advises("", "");
    advises("f", "down from bj-1, not confirmed");
    advises("of", "down from bj-2 only, not confirmed");
    advises("o2", "down from bj-2 only");
    advises("offo", "down from bj-2 and fra-1");
    advises("fofff", "down from bj-1, fra-1, nyc-1 and 1 more");
    advises("offf", "down from bj-2, fra-1 and nyc-1");
    advises("fu", "down from bj-1, not confirmed; bj-2 could not measure");
    advises("oa", "bj-2 could not measure");
    advises("omu", "2 of 3 agents could not measure");
    advises("m", "no agent measured");
    advises("uam", "no agent measured");
    advises("ffm", "fra-1 could not measure");
}
END_TEST

TESTS(all_of_four, test_all_combinations_are_as_in_the_table,
      test_one_more_vote_moves_it_the_right_way, test_nothing_is_down_without_witnesses,
      test_it_asks_for_as_many_as_it_needs, test_the_order_of_agents_is_nothing)
TESTS(words, test_the_cause_is_the_most_frequent_one, test_hundreds_of_agents,
      test_causes_are_votes_by_whose_fault_they_are, test_advice)
CHECK_MAIN("verdict", all_of_four, words)
