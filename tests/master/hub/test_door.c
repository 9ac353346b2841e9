/* SPDX-License-Identifier: MIT */
#include "master/hub/door.h"
#include <string.h>
#include "tests/support/check_main.h"

/* Places at the agents' port: who is pushed out for whom. */

#define AGENTS 2
#define PLACES (AGENTS + DOOR_SPARE)
#define SEATS  (PLACES + 2 * DOOR_LEAVING_MAX)

static struct door door;
static struct door_seat seats[SEATS];
static struct mono now;

static void setup(void)
{
    door_init(&door, AGENTS);
    now = (struct mono){NS_PER_SEC};
    memset(seats, 0, sizeof(seats));
}

static void enter(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        door_enter(&door, &seats[i], now);
}

static struct door_seat *knock(void)
{
    struct door_seat *out;
    ck_assert(door_knock(&door, &out));
    return out;
}

static bool is_shut(void)
{
    struct door_seat *out;
    bool in = door_knock(&door, &out);
    ck_assert(in || out == NULL);
    return !in;
}

START_TEST(test_with_places_left_nobody_must_go)
{
    enter(0, PLACES - 1);
    ck_assert_ptr_null(knock());
}
END_TEST

START_TEST(test_strangers_do_not_fill_all_that_is_free)
{
    static struct door_seat many[DOOR_STRANGERS_MAX];
    memset(many, 0, sizeof(many));
    door_init(&door, 2 * DOOR_STRANGERS_MAX);
    for (unsigned i = 0; i < DOOR_STRANGERS_MAX; i++)
        door_enter(&door, &many[i], now);
    ck_assert_ptr_eq(knock(), &many[0]);
    door_upgraded(&door, &many[0]);
    ck_assert_ptr_null(knock());
}
END_TEST

START_TEST(test_the_oldest_stranger_goes_first)
{
    enter(0, PLACES);
    ck_assert_ptr_eq(knock(), &seats[0]);
    door_send_off(&door, &seats[0]);
    enter(PLACES, PLACES + 1);
    ck_assert_ptr_eq(knock(), &seats[1]);
}
END_TEST

START_TEST(test_a_guest_goes_only_when_there_is_no_stranger)
{
    enter(0, PLACES);
    for (unsigned i = 0; i < PLACES - 1; i++)
        door_upgraded(&door, &seats[i]);
    ck_assert_ptr_eq(knock(), &seats[PLACES - 1]);
    door_upgraded(&door, &seats[PLACES - 1]);
    ck_assert_ptr_eq(knock(), &seats[0]);
}
END_TEST

START_TEST(test_who_is_known_is_never_pushed_out)
{
    enter(0, PLACES);
    for (unsigned i = 0; i < PLACES; i++) {
        door_upgraded(&door, &seats[i]);
        door_known(&door, &seats[i]);
    }
    ck_assert(is_shut());
    door_leave(&door, &seats[7]);
    ck_assert_ptr_null(knock());
}
END_TEST

START_TEST(test_who_waits_for_a_turn_is_pushed_out_only_after_it)
{
    enter(0, PLACES);
    for (unsigned i = 0; i < PLACES; i++)
        door_upgraded(&door, &seats[i]);
    door_waits(&door, &seats[0]);
    ck_assert_ptr_eq(knock(), &seats[1]);
    for (unsigned i = 1; i < PLACES; i++)
        door_waits(&door, &seats[i]);
    ck_assert(is_shut());
    door_called(&door, &seats[5]); /* and is not known: it may have said anything */
    ck_assert_ptr_eq(knock(), &seats[5]);
    door_known(&door, &seats[5]);
    ck_assert(is_shut());
    door_leave(&door, &seats[6]); /* in the line */
    ck_assert_ptr_null(knock());
    ck_assert_uint_eq(door.taken, PLACES - 1);
}
END_TEST

START_TEST(test_a_stranger_cannot_be_known)
{
    enter(0, PLACES);
    door_known(&door, &seats[0]);
    ck_assert_ptr_eq(knock(), &seats[0]);
}
END_TEST

START_TEST(test_too_many_who_leave_shut_it_until_they_are_gone)
{
    enter(0, PLACES);
    for (unsigned i = 0; i < DOOR_LEAVING_MAX; i++) {
        struct door_seat *out = knock();
        ck_assert_ptr_eq(out, &seats[i]);
        door_send_off(&door, out);
        enter(PLACES + i, PLACES + i + 1);
    }
    ck_assert(is_shut());
    door_leave(&door, &seats[0]);
    ck_assert(!is_shut());
}
END_TEST

START_TEST(test_sent_off_is_sent_off_once_and_stays_so)
{
    enter(0, 2);
    door_send_off(&door, &seats[0]);
    door_send_off(&door, &seats[0]);
    door_upgraded(&door, &seats[0]); /* what it had sent before arrives still */
    ck_assert_uint_eq(door.leaving, 1);
    ck_assert_uint_eq(door.guests.count, 0);
    door_leave(&door, &seats[0]);
    ck_assert_uint_eq(door.leaving + door.strangers.count, 1);
    ck_assert_uint_eq(door.taken, 1);
}
END_TEST

START_TEST(test_a_strangers_time_is_over_a_guests_is_not)
{
    enter(0, 2);
    door_upgraded(&door, &seats[0]);
    now = mono_add_ms(now, DOOR_STRANGER_MS - 1);
    enter(2, 3);
    ck_assert_ptr_null(door_overdue(&door, now));
    now = mono_add_ms(now, 1);
    ck_assert_ptr_eq(door_overdue(&door, now), &seats[1]);
    door_send_off(&door, &seats[1]);
    ck_assert_ptr_null(door_overdue(&door, now));
}
END_TEST

TESTS(places, test_strangers_do_not_fill_all_that_is_free,
      test_a_strangers_time_is_over_a_guests_is_not, test_with_places_left_nobody_must_go,
      test_the_oldest_stranger_goes_first, test_a_guest_goes_only_when_there_is_no_stranger,
      test_who_is_known_is_never_pushed_out, test_who_waits_for_a_turn_is_pushed_out_only_after_it,
      test_a_stranger_cannot_be_known, test_too_many_who_leave_shut_it_until_they_are_gone,
      test_sent_off_is_sent_off_once_and_stays_so)

static TCase *all(void)
{
    TCase *tc = places();
    tcase_add_checked_fixture(tc, setup, NULL);
    return tc;
}
CHECK_MAIN("door", all)
