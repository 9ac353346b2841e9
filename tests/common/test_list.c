/* SPDX-License-Identifier: MIT */
#include "common/list.h"

#include <signal.h>

#include "tests/support/check_main.h"

struct item {
    int value;
    struct list_node node;
};

static struct list l;
static struct item items[5];

static void fill(int n)
{
    list_init(&l);
    for (int i = 0; i < n; i++) {
        items[i] = (struct item){.value = i};
        list_push_back(&l, &items[i].node);
    }
}

/* The values in order as one decimal number: 0,1,2 is 12; 2,1,0 is 210. */
static int digits(const struct list *in)
{
    int v = 0;
    LIST_EACH (in, n)
        v = v * 10 + CONTAINER_OF(n, struct item, node)->value;
    return v;
}

START_TEST(test_empty_list_has_no_ends)
{
    fill(0);
    ck_assert(list_empty(&l));
    ck_assert_ptr_null(list_first(&l));
    ck_assert_ptr_null(list_last(&l));
    ck_assert_ptr_null(list_pop_front(&l));
}
END_TEST

START_TEST(test_push_back_keeps_order)
{
    fill(4);
    ck_assert_int_eq(digits(&l), 123);
    ck_assert_uint_eq(l.count, 4);
}
END_TEST

START_TEST(test_push_front_goes_first)
{
    fill(3);
    items[4] = (struct item){.value = 4};
    list_push_front(&l, &items[4].node);
    ck_assert_int_eq(digits(&l), 4012);
}
END_TEST

START_TEST(test_insert_after_goes_between)
{
    fill(3);
    items[4] = (struct item){.value = 4};
    list_insert_after(&l, &items[1].node, &items[4].node);
    ck_assert_int_eq(digits(&l), 142);
}
END_TEST

START_TEST(test_removed_node_is_unlinked)
{
    fill(3);
    list_remove(&l, &items[1].node);
    ck_assert(!list_linked(&items[1].node));
    ck_assert_int_eq(digits(&l), 2);
    ck_assert_uint_eq(l.count, 2);
}
END_TEST

START_TEST(test_only_node_is_linked)
{
    fill(1);
    ck_assert(list_linked(&items[0].node));
    ck_assert_ptr_eq(list_first(&l), list_last(&l));
}
END_TEST

START_TEST(test_pop_front_is_first_in_first_out)
{
    fill(3);
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_eq(list_pop_front(&l), &items[i].node);
    ck_assert(list_empty(&l));
}
END_TEST

START_TEST(test_each_safe_may_remove_all)
{
    fill(4);
    LIST_EACH_SAFE (&l, n, next)
        list_remove(&l, n);
    ck_assert(list_empty(&l));
}
END_TEST

START_TEST(test_splice_appends_and_empties_the_source)
{
    fill(2);
    struct list from;
    list_init(&from);
    for (int i = 2; i < 4; i++) {
        items[i] = (struct item){.value = i};
        list_push_back(&from, &items[i].node);
    }
    list_splice_back(&l, &from);
    ck_assert_int_eq(digits(&l), 123);
    ck_assert_uint_eq(l.count, 4);
    ck_assert(list_empty(&from));
}
END_TEST

START_TEST(test_splice_of_nothing_and_into_nothing)
{
    fill(3);
    struct list other;
    list_init(&other);
    list_splice_back(&l, &other);
    ck_assert_uint_eq(l.count, 3);
    list_splice_back(&other, &l);
    ck_assert_int_eq(digits(&other), 12);
    ck_assert_ptr_eq(list_last(&other), &items[2].node);
}
END_TEST

START_TEST(test_linking_twice_aborts)
{
    fill(2);
    list_push_back(&l, &items[0].node);
}
END_TEST

START_TEST(test_removing_an_unlinked_node_aborts)
{
    fill(2);
    items[4] = (struct item){.value = 4};
    list_remove(&l, &items[4].node);
}
END_TEST

TESTS(lists, test_empty_list_has_no_ends, test_push_back_keeps_order, test_push_front_goes_first,
      test_insert_after_goes_between, test_removed_node_is_unlinked, test_only_node_is_linked,
      test_pop_front_is_first_in_first_out, test_each_safe_may_remove_all,
      test_splice_appends_and_empties_the_source, test_splice_of_nothing_and_into_nothing)

static TCase *aborts(void)
{
    TCase *tc = tcase_create("aborts");
    tcase_add_test_raise_signal(tc, test_linking_twice_aborts, SIGABRT);
    tcase_add_test_raise_signal(tc, test_removing_an_unlinked_node_aborts, SIGABRT);
    return tc;
}

CHECK_MAIN("list", lists, aborts)
