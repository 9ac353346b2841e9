/* SPDX-License-Identifier: MIT */
#include "master/schedule/check.h"

#include <string.h>

#include "common/random.h"
#include "tests/support/check_main.h"

#define EVERY_MS 30000

static struct check c;
static struct check_now now;
static struct check_change change;
static uint64_t slot;

static void setup(void)
{
    now = (struct check_now){{1000 * NS_PER_SEC}, {1790000000000000}};
    memset(&change, 0, sizeof(change));
    slot = 0;
    check_init(&c, now);
}

static void pass(int64_t ms)
{
    now.mono = mono_add_ms(now.mono, ms);
    now.wall.us += ms * 1000;
}

static struct verdict verdict(enum verdict_state s)
{
    return (struct verdict){.state = s,
                            .confirmed = true,
                            .ok = s == VERDICT_UP || s == VERDICT_DEGRADED,
                            .failed = s == VERDICT_DOWN || s == VERDICT_DEGRADED,
                            .cause = s > VERDICT_UP ? CAUSE_connect_timeout : CAUSE_NONE};
}

static bool says(enum verdict_state s)
{
    struct verdict v = verdict(s);
    return check_verdict(&c, slot, &v, now, EVERY_MS, &change);
}

/* An interval later, the next slot's verdict. */
static bool next(enum verdict_state s)
{
    pass(EVERY_MS);
    slot++;
    return says(s);
}

static bool tick(void)
{
    return check_tick(&c, now, &change);
}

START_TEST(test_begins_unknown_and_stays_so_without_news)
{
    ck_assert_int_eq(c.state, VERDICT_UNKNOWN);
    ck_assert(!mono_is_set(check_due(&c)));
    for (int i = 0; i < 10; i++) {
        ck_assert(!next(VERDICT_UNKNOWN));
        ck_assert(!tick());
    }
    ck_assert_int_eq(c.state, VERDICT_UNKNOWN);
    ck_assert_int_eq(c.since.us, 1790000000000000);
}
END_TEST

START_TEST(test_since_is_when_the_state_came)
{
    ck_assert(next(VERDICT_UP));
    ck_assert(change.from == VERDICT_UNKNOWN && change.to == VERDICT_UP);
    struct wall since = now.wall;
    ck_assert(!next(VERDICT_UP));
    ck_assert_int_eq(c.since.us, since.us);
    ck_assert(next(VERDICT_DOWN));
    ck_assert_int_eq(c.since.us, since.us + 2 * EVERY_MS * 1000);
    ck_assert_int_eq(c.cause, CAUSE_connect_timeout);
    ck_assert(next(VERDICT_DEGRADED));
    ck_assert(change.from == VERDICT_DOWN && change.to == VERDICT_DEGRADED);
    ck_assert(next(VERDICT_UP));
    ck_assert_int_eq(c.cause, CAUSE_NONE);
}
END_TEST

START_TEST(test_silence_is_unknown_after_two_intervals)
{
    next(VERDICT_UP);
    struct mono due = check_due(&c);
    ck_assert_int_eq(mono_diff_ms(due, now.mono), 2 * EVERY_MS);
    pass(2 * EVERY_MS - 1);
    ck_assert(!tick());
    pass(1);
    ck_assert(tick());
    ck_assert(change.from == VERDICT_UP && change.to == VERDICT_UNKNOWN);
    ck_assert_int_eq(c.since.us, now.wall.us);
    ck_assert(!mono_is_set(check_due(&c)));
    ck_assert(!tick());
}
END_TEST

START_TEST(test_what_nobody_measured_does_not_keep_it_alive)
{
    next(VERDICT_DOWN);
    next(VERDICT_UNKNOWN);
    ck_assert_int_eq(c.state, VERDICT_DOWN);
    ck_assert(!tick());
    next(VERDICT_UNKNOWN);
    ck_assert(tick());
    ck_assert_int_eq(c.state, VERDICT_UNKNOWN);
}
END_TEST

START_TEST(test_a_failure_without_witness_is_neither_up_nor_down)
{
    struct verdict alone = {
        .state = VERDICT_UNKNOWN, .ask = 1, .failed = 1, .cause = CAUSE_connect_refused};
    next(VERDICT_UP);
    for (int i = 0; i < 2; i++) {
        pass(EVERY_MS);
        ck_assert(!check_verdict(&c, ++slot, &alone, now, EVERY_MS, &change));
        ck_assert(!c.confirmed && c.cause == CAUSE_connect_refused);
    }
    ck_assert(tick()); /* it was up two intervals ago: not any more */
    ck_assert_int_eq(c.state, VERDICT_UNKNOWN);
}
END_TEST

START_TEST(test_a_slot_may_think_better_of_it)
{
    next(VERDICT_UP);
    next(VERDICT_UP);
    ck_assert(says(VERDICT_DOWN)); /* confirmed in the same slot */
    ck_assert_int_eq(c.state, VERDICT_DOWN);
    ck_assert_uint_eq(c.changes, 1);
    ck_assert(says(VERDICT_UP));
    ck_assert_uint_eq(c.changes, 0);
}
END_TEST

START_TEST(test_an_older_slot_says_nothing)
{
    next(VERDICT_UP);
    next(VERDICT_UP);
    slot--;
    ck_assert(!says(VERDICT_DOWN));
    ck_assert_int_eq(c.state, VERDICT_UP);
}
END_TEST

START_TEST(test_flapping_begins_and_ends_apart)
{
    next(VERDICT_UP);
    for (int i = 1; i < CHECK_FLAP_BEGIN; i++) {
        next(i % 2 ? VERDICT_DOWN : VERDICT_UP);
        ck_assert(!c.flapping);
    }
    ck_assert(next(VERDICT_UP));
    ck_assert(c.flapping && change.flapping_began);
    ck_assert_int_eq(c.flapping_since.us, now.wall.us);
    int quiet = 0;
    while (c.flapping) {
        bool changed = next(VERDICT_UP);
        ck_assert_int_eq(changed, !c.flapping);
        quiet++;
    }
    ck_assert(change.flapping_ended && change.from == VERDICT_UP && change.to == VERDICT_UP);
    /* all but two of the changes are older than 20 slots */
    ck_assert_int_eq(quiet, CHECK_FLAP_SLOTS - CHECK_FLAP_END);
}
END_TEST

START_TEST(test_one_long_outage_does_not_flap)
{
    next(VERDICT_UP);
    for (int outage = 0; outage < 10; outage++) {
        for (int i = 0; i < 10; i++)
            next(VERDICT_DOWN);
        for (int i = 0; i < 10; i++)
            next(VERDICT_UP);
        ck_assert(!c.flapping);
    }
}
END_TEST

START_TEST(test_silence_between_is_no_change)
{
    next(VERDICT_UP);
    for (int i = 0; i < 20; i++) {
        pass(3 * EVERY_MS);
        tick();
        ck_assert_int_eq(c.state, VERDICT_UNKNOWN);
        ck_assert(next(VERDICT_UP));
    }
    ck_assert(!c.flapping);
    ck_assert_uint_eq(c.changes, 0);
}
END_TEST

START_TEST(test_another_process_goes_on)
{
    struct wall since = {now.wall.us - 5000000};
    check_restore(&c, VERDICT_DOWN, since, 41, now, EVERY_MS);
    ck_assert(c.state == VERDICT_DOWN && c.since.us == since.us);
    slot = 41;
    ck_assert(!next(VERDICT_DOWN));
    ck_assert_int_eq(c.since.us, since.us);
    check_restore(&c, VERDICT_UP, since, 42, now, EVERY_MS);
    pass(2 * EVERY_MS);
    ck_assert(tick());
    check_restore(&c, VERDICT_UNKNOWN, since, 42, now, EVERY_MS);
    ck_assert(!mono_is_set(check_due(&c)));
}
END_TEST

START_TEST(test_a_pause_is_unknown_and_forgets)
{
    for (int i = 0; i < 10; i++)
        next(i % 2 ? VERDICT_DOWN : VERDICT_UP);
    ck_assert(c.flapping);
    ck_assert(check_pause(&c, now, &change));
    ck_assert(change.to == VERDICT_UNKNOWN && change.flapping_ended);
    ck_assert(!mono_is_set(check_due(&c)) && c.changes == 0);
    ck_assert(!check_pause(&c, now, &change));
    ck_assert(next(VERDICT_UP));
    ck_assert(!c.flapping);
}
END_TEST

/* Flapping and staleness against the whole history, looked through from its beginning each time. */
#define LONG 400
static bool flaps_by_history(const enum verdict_state *seen, unsigned n)
{
    bool flaps = false;
    for (unsigned end = 1; end <= n; end++) {
        int changes = 0;
        for (unsigned i = end > CHECK_FLAP_SLOTS ? end - CHECK_FLAP_SLOTS : 1; i < end; i++)
            changes += seen[i] != seen[i - 1];
        flaps = flaps ? changes > 2 : changes >= 6;
    }
    return flaps;
}

START_TEST(test_a_long_life_is_what_its_history_says)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        enum verdict_state seen[LONG];
        struct rng r;
        int64_t silent_ms = 0;
        unsigned n = 0;
        rng_init(&r, seed);
        setup();
        while (n < LONG) {
            enum verdict_state s = rng_below(&r, 4) ? (n ? seen[n - 1] : VERDICT_UP)
                                                    : (enum verdict_state)rng_below(&r, 4);
            next(s);
            if (s != VERDICT_UNKNOWN)
                seen[n++] = s;
            silent_ms = s != VERDICT_UNKNOWN ? 0 : silent_ms + EVERY_MS;
            tick();
            ck_assert_int_eq(c.state,
                             n == 0 || silent_ms >= 2 * EVERY_MS ? VERDICT_UNKNOWN : seen[n - 1]);
            ck_assert_int_eq(c.flapping, flaps_by_history(seen, n));
        }
    }
}
END_TEST

static TCase *states(void)
{
    const TTest *const tests[] = {
        test_begins_unknown_and_stays_so_without_news,
        test_since_is_when_the_state_came,
        test_silence_is_unknown_after_two_intervals,
        test_what_nobody_measured_does_not_keep_it_alive,
        test_a_failure_without_witness_is_neither_up_nor_down,
        test_a_slot_may_think_better_of_it,
        test_an_older_slot_says_nothing,
        test_flapping_begins_and_ends_apart,
        test_one_long_outage_does_not_flap,
        test_silence_between_is_no_change,
        test_another_process_goes_on,
        test_a_pause_is_unknown_and_forgets,
        test_a_long_life_is_what_its_history_says,
    };
    TCase *tc = tcase_create("states");
    tcase_add_checked_fixture(tc, setup, NULL);
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        tcase_add_test(tc, tests[i]);
    return tc;
}
CHECK_MAIN("check", states)
