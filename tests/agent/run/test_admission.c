/* SPDX-License-Identifier: MIT */
#include "agent/run/admission.h"

#include "tests/support/check_main.h"

#define PER_CLASS 64

struct waiter {
    struct list_node node;
    enum task_class cls;
    int number;
};
static struct waiter waiters[TASK_CLASSES][PER_CLASS];

static void fill(struct admission *a)
{
    admission_init(a);
    for (int c = 0; c < TASK_CLASSES; c++)
        for (int i = 0; i < PER_CLASS; i++) {
            waiters[c][i] = (struct waiter){.cls = (enum task_class)c, .number = i};
            admission_push(a, &waiters[c][i].node, (enum task_class)c);
        }
}

static struct waiter *pop(struct admission *a, unsigned classes)
{
    struct list_node *n = admission_pop(a, classes);
    return n ? CONTAINER_OF(n, struct waiter, node) : NULL;
}

static void count(struct admission *a, unsigned classes, int pops, int out[TASK_CLASSES])
{
    for (int c = 0; c < TASK_CLASSES; c++)
        out[c] = 0;
    for (int i = 0; i < pops; i++) {
        struct waiter *w = pop(a, classes);
        ck_assert_ptr_nonnull(w);
        out[w->cls]++;
    }
}

START_TEST(test_empty_gives_nothing)
{
    struct admission a;
    admission_init(&a);
    ck_assert_ptr_null(admission_pop(&a, ADMIT_ALL));
}
END_TEST

START_TEST(test_classes_share_by_weight)
{
    struct admission a;
    int n[TASK_CLASSES];
    fill(&a);
    count(&a, ADMIT_ALL, 26, n);
    ck_assert_int_eq(n[CLASS_INTERACTIVE], 16);
    ck_assert_int_eq(n[CLASS_SCHEDULE], 8);
    ck_assert_int_eq(n[CLASS_BULK], 2);
}
END_TEST

START_TEST(test_order_within_a_class_is_arrival)
{
    struct admission a;
    fill(&a);
    for (int i = 0; i < PER_CLASS; i++)
        ck_assert_int_eq(pop(&a, ADMIT_CLASS(CLASS_BULK))->number, i);
    ck_assert_ptr_null(pop(&a, ADMIT_CLASS(CLASS_BULK)));
}
END_TEST

START_TEST(test_mask_keeps_bulk_back)
{
    struct admission a;
    int n[TASK_CLASSES];
    fill(&a);
    count(&a, ADMIT_NOT_BULK, 2 * PER_CLASS, n);
    ck_assert_int_eq(n[CLASS_BULK], 0);
    ck_assert_ptr_null(pop(&a, ADMIT_NOT_BULK));
    ck_assert_uint_eq(a.n_waiting, PER_CLASS);
}
END_TEST

START_TEST(test_class_kept_back_does_not_save_up_turns)
{
    struct admission a;
    int n[TASK_CLASSES];
    fill(&a);
    count(&a, ADMIT_NOT_BULK, 24, n);
    count(&a, ADMIT_ALL, 13, n);
    ck_assert_int_eq(n[CLASS_BULK], 1);
}
END_TEST

START_TEST(test_removed_one_is_never_popped)
{
    struct admission a;
    fill(&a);
    admission_remove(&a, &waiters[CLASS_BULK][0].node, CLASS_BULK);
    ck_assert_int_eq(pop(&a, ADMIT_CLASS(CLASS_BULK))->number, 1);
}
END_TEST

START_TEST(test_queue_is_a_quarter_but_at_least_eight)
{
    ck_assert_uint_eq(admission_queue_max(512), 128);
    ck_assert_uint_eq(admission_queue_max(4), 8);
}
END_TEST

START_TEST(test_reserve_is_a_sixteenth_but_leaves_one_slot_for_bulk)
{
    ck_assert_uint_eq(admission_reserve(512), 32);
    ck_assert_uint_eq(admission_reserve(4), 1);
    ck_assert_uint_eq(admission_reserve(1), 0);
}
END_TEST

TESTS(turns, test_empty_gives_nothing, test_classes_share_by_weight,
      test_order_within_a_class_is_arrival, test_mask_keeps_bulk_back,
      test_class_kept_back_does_not_save_up_turns, test_removed_one_is_never_popped)
TESTS(sizes, test_queue_is_a_quarter_but_at_least_eight,
      test_reserve_is_a_sixteenth_but_leaves_one_slot_for_bulk)
CHECK_MAIN("admission", turns, sizes)
