/* SPDX-License-Identifier: MIT */
#include "agent/outbox/outbox.h"
#include "proto/limits.h"
#include "tests/support/check_main.h"
#include <stdio.h>
#include <string.h>

static struct outbox *o;

static void setup(size_t results, size_t bytes)
{
    o = outbox_create(results, bytes);
}
static void teardown(void)
{
    outbox_destroy(&o);
}
static void put(uint64_t task)
{
    char record[32];
    snprintf(record, sizeof(record), "{\"n\":%d}", (int)task);
    ck_assert_int_eq(outbox_reserve(o), ERR_NONE);
    ck_assert_int_eq(outbox_push(o, task, "1.2.3.ab", record, strlen(record)), ERR_NONE);
}
static uint64_t take(void)
{
    struct outbox_item i;
    if (!outbox_peek(o, &i))
        return 0;
    outbox_sent(o);
    return i.task;
}
static struct outbox_stats stats(void)
{
    struct outbox_stats s;
    outbox_stats(o, &s);
    return s;
}

START_TEST(offers_in_order_of_arrival)
{
    setup(10, 1 << 20);
    put(3);
    put(1);
    put(2);
    ck_assert_uint_eq(take(), 3);
    ck_assert_uint_eq(take(), 1);
    ck_assert_uint_eq(take(), 2);
    ck_assert_uint_eq(take(), 0);
    teardown();
}
END_TEST

START_TEST(the_record_and_ticket_come_back_as_given)
{
    setup(10, 1 << 20);
    put(7);
    struct outbox_item i;
    ck_assert(outbox_peek(o, &i));
    ck_assert_str_eq(i.ticket, "1.2.3.ab");
    ck_assert_str_eq(i.record, "{\"n\":7}");
    ck_assert_uint_eq(i.record_len, 7);
    teardown();
}
END_TEST

START_TEST(what_comes_after_all_was_offered_is_offered)
{
    setup(10, 1 << 20);
    put(1);
    ck_assert_uint_eq(take(), 1);
    put(2);
    ck_assert_uint_eq(take(), 2);
    teardown();
}
END_TEST

START_TEST(rewind_offers_the_unacknowledged_again)
{
    setup(10, 1 << 20);
    put(1);
    put(2);
    put(3);
    while (take())
        ;
    ck_assert(outbox_ack(o, 2));
    outbox_rewind(o);
    ck_assert_uint_eq(take(), 1);
    ck_assert_uint_eq(take(), 3);
    ck_assert_uint_eq(take(), 0);
    teardown();
}
END_TEST

START_TEST(an_ack_of_the_next_one_moves_the_offer_on)
{
    setup(10, 1 << 20);
    put(1);
    put(2);
    ck_assert(outbox_ack(o, 1));
    ck_assert_uint_eq(take(), 2);
    teardown();
}
END_TEST

START_TEST(an_unknown_or_doubled_ack_is_told)
{
    setup(10, 1 << 20);
    put(1);
    ck_assert(!outbox_ack(o, 9));
    ck_assert(outbox_ack(o, 1));
    ck_assert(!outbox_ack(o, 1));
    ck_assert_uint_eq(stats().bytes, 0);
    teardown();
}
END_TEST

START_TEST(reserve_refuses_beyond_max_results)
{
    setup(2, 1 << 20);
    put(1);
    ck_assert_int_eq(outbox_reserve(o), ERR_NONE);
    ck_assert_int_eq(outbox_reserve(o), ERR_FULL);
    outbox_unreserve(o);
    ck_assert_int_eq(outbox_reserve(o), ERR_NONE);
    teardown();
}
END_TEST

START_TEST(reserve_refuses_beyond_max_bytes)
{
    setup(1000, 3 * 4096);
    ck_assert_uint_eq(stats().free_places, 3);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(outbox_reserve(o), ERR_NONE);
    ck_assert_int_eq(outbox_reserve(o), ERR_FULL);
    teardown();
}
END_TEST

START_TEST(a_reserved_result_finds_room_however_large)
{
    static char big[RESULT_MAX_BYTES];
    memset(big, 'x', sizeof(big));
    setup(10, 8192);
    ck_assert_int_eq(outbox_reserve(o), ERR_NONE);
    ck_assert_int_eq(outbox_push(o, 1, "t", big, sizeof(big)), ERR_NONE);
    ck_assert_uint_eq(stats().free_places, 0);
    ck_assert(outbox_ack(o, 1));
    ck_assert_uint_eq(stats().free_places, 2);
    teardown();
}
END_TEST

START_TEST(a_second_result_of_a_task_is_dropped_and_returns_its_place)
{
    setup(10, 1 << 20);
    put(1);
    ck_assert_int_eq(outbox_reserve(o), ERR_NONE);
    ck_assert_int_eq(outbox_push(o, 1, "t", "{}", 2), ERR_EXISTS);
    ck_assert_uint_eq(stats().reserved, 0);
    ck_assert_uint_eq(stats().results, 1);
    teardown();
}
END_TEST

START_TEST(clear_keeps_reservations)
{
    setup(10, 1 << 20);
    put(1);
    put(2);
    ck_assert_int_eq(outbox_reserve(o), ERR_NONE);
    ck_assert_uint_eq(outbox_clear(o), 2);
    ck_assert_uint_eq(stats().results, 0);
    ck_assert_uint_eq(stats().reserved, 1);
    ck_assert_uint_eq(take(), 0);
    teardown();
}
END_TEST

static void add_up(void *arg, const struct outbox_item *i)
{
    uint64_t *sum = arg;
    *sum = *sum * 10 + i->task;
}

START_TEST(each_walks_offered_and_waiting_oldest_first)
{
    setup(10, 1 << 20);
    uint64_t sum = 0;
    put(4);
    put(5);
    put(6);
    (void)take();
    outbox_each(o, add_up, &sum);
    ck_assert_uint_eq(sum, 456);
    teardown();
}
END_TEST

TESTS(offering, offers_in_order_of_arrival, the_record_and_ticket_come_back_as_given,
      what_comes_after_all_was_offered_is_offered, rewind_offers_the_unacknowledged_again,
      an_ack_of_the_next_one_moves_the_offer_on, an_unknown_or_doubled_ack_is_told,
      each_walks_offered_and_waiting_oldest_first)
TESTS(bounds, reserve_refuses_beyond_max_results, reserve_refuses_beyond_max_bytes,
      a_reserved_result_finds_room_however_large,
      a_second_result_of_a_task_is_dropped_and_returns_its_place, clear_keeps_reservations)
CHECK_MAIN("outbox", offering, bounds)
