/* SPDX-License-Identifier: MIT */
#include "common/heap.h"

#include <signal.h>

#include "common/random.h"
#include "common/require.h"
#include "tests/support/check_main.h"

#define MANY 500

static struct heap h;
static struct heap_node nodes[MANY];

static void setup(void)
{
    heap_init(&h);
}

static void teardown(void)
{
    heap_fini(&h);
}

static struct heap_node *pop(void)
{
    struct heap_node *n = heap_min(&h);
    if (n)
        heap_remove(&h, n);
    return n;
}

START_TEST(test_empty_heap_has_no_min)
{
    ck_assert_ptr_null(heap_min(&h));
}
END_TEST

START_TEST(test_smallest_key_is_min)
{
    heap_insert(&h, &nodes[0], 5);
    heap_insert(&h, &nodes[1], INT64_MIN);
    heap_insert(&h, &nodes[2], INT64_MAX);
    ck_assert_ptr_eq(heap_min(&h), &nodes[1]);
}
END_TEST

START_TEST(test_linked_follows_insert_and_remove)
{
    ck_assert(!heap_linked(&nodes[0]));
    heap_insert(&h, &nodes[0], 1);
    ck_assert(heap_linked(&nodes[0]));
    heap_remove(&h, &nodes[0]);
    ck_assert(!heap_linked(&nodes[0]));
}
END_TEST

START_TEST(test_equal_keys_leave_in_order_of_entry)
{
    for (int i = 0; i < 100; i++)
        heap_insert(&h, &nodes[i], i % 3);
    for (int key = 0; key < 3; key++) {
        for (int i = key; i < 100; i += 3)
            ck_assert_ptr_eq(pop(), &nodes[i]);
    }
}
END_TEST

START_TEST(test_random_keys_leave_sorted)
{
    struct rng r;
    rng_init(&r, 1);
    for (int i = 0; i < MANY; i++)
        heap_insert(&h, &nodes[i], (int64_t)rng_below(&r, 100) - 50);
    struct heap_node *last = pop();
    for (struct heap_node *n; (n = pop()); last = n)
        ck_assert(last->key < n->key || (last->key == n->key && last->seq < n->seq));
    ck_assert_uint_eq(h.count, 0);
}
END_TEST

static void check_order(void)
{
    for (size_t i = 1; i <= h.count; i++) {
        ck_assert_uint_eq(h.nodes[i - 1]->pos, i);
        ck_assert(i == 1 || h.nodes[i / 2 - 1]->key <= h.nodes[i - 1]->key);
    }
}

START_TEST(test_order_holds_under_random_inserts_and_removes)
{
    struct rng r;
    rng_init(&r, 2);
    for (int step = 0; step < 5000; step++) {
        struct heap_node *n = &nodes[rng_below(&r, MANY)];
        if (heap_linked(n))
            heap_remove(&h, n);
        else
            heap_insert(&h, n, (int64_t)rng_below(&r, 50));
        if (step % 50 == 0)
            check_order();
    }
}
END_TEST

START_TEST(test_inserting_twice_aborts)
{
    heap_insert(&h, &nodes[0], 1);
    heap_insert(&h, &nodes[0], 2);
}
END_TEST

START_TEST(test_removing_a_stranger_aborts)
{
    struct heap_node stranger = {.pos = 1};
    heap_insert(&h, &nodes[0], 1);
    heap_remove(&h, &stranger);
}
END_TEST

TESTS(order, test_empty_heap_has_no_min, test_smallest_key_is_min,
      test_linked_follows_insert_and_remove, test_equal_keys_leave_in_order_of_entry,
      test_random_keys_leave_sorted, test_order_holds_under_random_inserts_and_removes)

static TCase *heaps(void)
{
    TCase *tc = order();
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test_raise_signal(tc, test_inserting_twice_aborts, SIGABRT);
    tcase_add_test_raise_signal(tc, test_removing_a_stranger_aborts, SIGABRT);
    return tc;
}

CHECK_MAIN("heap", heaps)
