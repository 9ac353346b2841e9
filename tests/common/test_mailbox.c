/* SPDX-License-Identifier: MIT */
#include "common/mailbox.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

#include "common/mem.h"
#include "tests/support/check_main.h"

#define SENDERS      4
#define LETTERS_EACH 20000
#define FOREVER      (-1)

static struct mailbox *box;
static struct list got;
static struct letter letters[8];
static _Atomic int wakes;

static void count_wake(void *arg)
{
    atomic_fetch_add((_Atomic int *)arg, 1);
}

static void setup(void)
{
    box = mailbox_create("test", 3, 100, count_wake, &wakes);
    list_init(&got);
}

static void teardown(void)
{
    mailbox_take_all(box, &got);
    mailbox_destroy(&box);
    ck_assert_ptr_null(box);
}

START_TEST(test_letters_come_out_in_order)
{
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(mailbox_post(box, &letters[i]), ERR_NONE);
    ck_assert_uint_eq(mailbox_take_all(box, &got), 3);
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_eq(list_pop_front(&got), &letters[i].node);
}
END_TEST

START_TEST(test_take_from_an_empty_box_is_zero)
{
    ck_assert_uint_eq(mailbox_take_all(box, &got), 0);
    ck_assert_uint_eq(mailbox_wait(box, &got, 0), 0);
    ck_assert_uint_eq(mailbox_wait(box, &got, 1), 0);
}
END_TEST

START_TEST(test_take_appends_to_what_the_list_has)
{
    list_push_back(&got, &letters[7].node);
    ck_assert_int_eq(mailbox_post(box, &letters[0]), ERR_NONE);
    ck_assert_uint_eq(mailbox_take_all(box, &got), 1);
    ck_assert_uint_eq(got.count, 2);
    ck_assert_ptr_eq(list_last(&got), &letters[0].node);
}
END_TEST

START_TEST(test_full_by_count_leaves_the_letter)
{
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(mailbox_post(box, &letters[i]), ERR_NONE);
    ck_assert_int_eq(mailbox_post(box, &letters[3]), ERR_FULL);
    ck_assert(!list_linked(&letters[3].node));
}
END_TEST

START_TEST(test_full_by_bytes_leaves_the_letter)
{
    letters[0].weight_bytes = 60;
    letters[1].weight_bytes = 41;
    letters[2].weight_bytes = 40;
    ck_assert_int_eq(mailbox_post(box, &letters[0]), ERR_NONE);
    ck_assert_int_eq(mailbox_post(box, &letters[1]), ERR_FULL);
    ck_assert_int_eq(mailbox_post(box, &letters[2]), ERR_NONE);
}
END_TEST

START_TEST(test_weight_that_would_wrap_is_full)
{
    letters[0].weight_bytes = 60;
    letters[1].weight_bytes = SIZE_MAX - 10;
    ck_assert_int_eq(mailbox_post(box, &letters[0]), ERR_NONE);
    ck_assert_int_eq(mailbox_post(box, &letters[1]), ERR_FULL);
}
END_TEST

START_TEST(test_taking_frees_the_room)
{
    letters[0].weight_bytes = letters[1].weight_bytes = 100;
    ck_assert_int_eq(mailbox_post(box, &letters[0]), ERR_NONE);
    mailbox_take_all(box, &got);
    ck_assert_int_eq(mailbox_post(box, &letters[1]), ERR_NONE);
}
END_TEST

START_TEST(test_reply_passes_the_bounds_and_posts_then_do_not)
{
    letters[0].weight_bytes = 101;
    ck_assert_int_eq(mailbox_post_reply(box, &letters[0]), ERR_NONE);
    ck_assert_int_eq(mailbox_post(box, &letters[1]), ERR_FULL);
    ck_assert_int_eq(mailbox_post_reply(box, &letters[2]), ERR_NONE);
}
END_TEST

START_TEST(test_replies_of_a_list_come_in_order_past_the_bounds_with_one_wake)
{
    struct list many;
    list_init(&many);
    for (int i = 0; i < 5; i++) {
        letters[i].weight_bytes = 40;
        list_push_back(&many, &letters[i].node);
    }
    ck_assert_int_eq(mailbox_post_replies(box, &many), ERR_NONE);
    ck_assert(list_empty(&many));
    ck_assert_int_eq(atomic_load(&wakes), 1);
    struct mailbox_stats s;
    mailbox_stats(box, &s);
    ck_assert_uint_eq(s.bytes, 200);
    ck_assert_uint_eq(s.posted, 5);
    ck_assert_uint_eq(mailbox_take_all(box, &got), 5);
    for (int i = 0; i < 5; i++)
        ck_assert_ptr_eq(list_pop_front(&got), &letters[i].node);
}
END_TEST

START_TEST(test_closed_box_leaves_a_list_of_replies)
{
    struct list many;
    list_init(&many);
    list_push_back(&many, &letters[0].node);
    mailbox_close(box);
    ck_assert_int_eq(mailbox_post_replies(box, &many), ERR_CLOSED);
    ck_assert_uint_eq(many.count, 1);
}
END_TEST

START_TEST(test_wake_only_when_the_box_stops_being_empty)
{
    ck_assert_int_eq(mailbox_post(box, &letters[0]), ERR_NONE);
    ck_assert_int_eq(mailbox_post(box, &letters[1]), ERR_NONE);
    ck_assert_int_eq(atomic_load(&wakes), 1);
    mailbox_take_all(box, &got);
    ck_assert_int_eq(mailbox_post(box, &letters[2]), ERR_NONE);
    ck_assert_int_eq(atomic_load(&wakes), 2);
}
END_TEST

START_TEST(test_closed_box_refuses_posts_and_replies)
{
    mailbox_close(box);
    ck_assert_int_eq(mailbox_post(box, &letters[0]), ERR_CLOSED);
    ck_assert_int_eq(mailbox_post_reply(box, &letters[0]), ERR_CLOSED);
    ck_assert(!list_linked(&letters[0].node));
}
END_TEST

START_TEST(test_close_keeps_letters_and_finishes_when_drained)
{
    ck_assert_int_eq(mailbox_post(box, &letters[0]), ERR_NONE);
    ck_assert(!mailbox_finished(box));
    mailbox_close(box);
    ck_assert(!mailbox_finished(box));
    ck_assert_uint_eq(mailbox_wait(box, &got, FOREVER), 1);
    ck_assert(mailbox_finished(box));
}
END_TEST

START_TEST(test_closing_twice_wakes_once)
{
    mailbox_close(box);
    mailbox_close(box);
    ck_assert_int_eq(atomic_load(&wakes), 1);
    ck_assert_uint_eq(mailbox_wait(box, &got, FOREVER), 0);
}
END_TEST

START_TEST(test_stats_count_posts_and_refusals)
{
    struct mailbox_stats s;
    for (int i = 0; i < 4; i++) {
        letters[i].weight_bytes = 10;
        enum err e = mailbox_post(box, &letters[i]);
        ck_assert_int_eq(e, i < 3 ? ERR_NONE : ERR_FULL);
    }
    mailbox_stats(box, &s);
    ck_assert_uint_eq(s.letters, 3);
    ck_assert_uint_eq(s.bytes, 30);
    ck_assert_uint_eq(s.max_letters, 3);
    ck_assert_uint_eq(s.max_bytes, 100);
    ck_assert_uint_eq(s.posted, 3);
    ck_assert_uint_eq(s.refused, 1);
}
END_TEST

START_TEST(test_destroying_a_box_with_letters_aborts)
{
    ck_assert_int_eq(mailbox_post(box, &letters[0]), ERR_NONE);
    mailbox_destroy(&box);
}
END_TEST

START_TEST(test_destroy_accepts_null)
{
    struct mailbox *none = NULL;
    mailbox_destroy(&none);
}
END_TEST

/* ---- threads */

struct parcel {
    struct letter letter;
    int sender, number;
};

struct sender {
    pthread_t thread;
    struct mailbox *to;
    int id;
};

/* Posts its letters in order; while the box is full it yields to the receiver. */
static void *send_all(void *arg)
{
    struct sender *s = arg;
    for (int i = 0; i < LETTERS_EACH; i++) {
        struct parcel *p = mem_zalloc(sizeof(*p));
        p->letter.weight_bytes = sizeof(*p);
        p->sender = s->id;
        p->number = i;
        while (mailbox_post(s->to, &p->letter) == ERR_FULL)
            sched_yield();
    }
    return NULL;
}

static void receive_all(struct mailbox *m, int next[SENDERS])
{
    for (int left = SENDERS * LETTERS_EACH; left > 0;) {
        struct list in;
        list_init(&in);
        mailbox_wait(m, &in, FOREVER);
        for (struct list_node *n; (n = list_pop_front(&in)); left--) {
            struct parcel *p = CONTAINER_OF(n, struct parcel, letter.node);
            ck_assert_int_eq(p->number, next[p->sender]++);
            free(p);
        }
    }
}

START_TEST(test_every_letter_of_every_sender_arrives_in_its_order)
{
    struct mailbox *m = mailbox_create("many", 64, 1 << 20, count_wake, &wakes);
    struct sender senders[SENDERS];
    int next[SENDERS] = {0};
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.to = m, .id = i};
        PTOK(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]));
    }
    receive_all(m, next);
    for (int i = 0; i < SENDERS; i++) {
        PTOK(pthread_join(senders[i].thread, NULL));
        ck_assert_int_eq(next[i], LETTERS_EACH);
    }
    mailbox_close(m);
    ck_assert(mailbox_finished(m));
    mailbox_destroy(&m);
}
END_TEST

static void *wait_forever(void *arg)
{
    struct list in;
    list_init(&in);
    return (void *)(uintptr_t)mailbox_wait(arg, &in, FOREVER);
}

START_TEST(test_close_wakes_a_waiting_receiver)
{
    pthread_t receiver;
    void *taken = &receiver;
    PTOK(pthread_create(&receiver, NULL, wait_forever, box));
    mailbox_close(box);
    PTOK(pthread_join(receiver, &taken));
    ck_assert_ptr_null(taken);
}
END_TEST

TESTS(one_thread, test_letters_come_out_in_order, test_take_from_an_empty_box_is_zero,
      test_take_appends_to_what_the_list_has, test_full_by_count_leaves_the_letter,
      test_full_by_bytes_leaves_the_letter, test_weight_that_would_wrap_is_full,
      test_taking_frees_the_room, test_reply_passes_the_bounds_and_posts_then_do_not,
      test_replies_of_a_list_come_in_order_past_the_bounds_with_one_wake,
      test_closed_box_leaves_a_list_of_replies, test_wake_only_when_the_box_stops_being_empty,
      test_closed_box_refuses_posts_and_replies, test_close_keeps_letters_and_finishes_when_drained,
      test_closing_twice_wakes_once, test_stats_count_posts_and_refusals, test_destroy_accepts_null)
TESTS(many_threads, test_every_letter_of_every_sender_arrives_in_its_order,
      test_close_wakes_a_waiting_receiver)

static TCase *alone(void)
{
    TCase *tc = one_thread();
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test_raise_signal(tc, test_destroying_a_box_with_letters_aborts, SIGABRT);
    return tc;
}

static TCase *together(void)
{
    TCase *tc = many_threads();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}

CHECK_MAIN("mailbox", alone, together)
