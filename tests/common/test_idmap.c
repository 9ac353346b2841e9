/* SPDX-License-Identifier: MIT */
#include "common/idmap.h"

#include <stdbool.h>

#include "common/random.h"
#include "tests/support/check_main.h"

#define KEYS 4096

static int values[KEYS];
static uint64_t keys[KEYS];
static bool in[KEYS];

static void is_as_noted(const struct idmap *m)
{
    size_t n = 0;
    for (int i = 0; i < KEYS; i++) {
        ck_assert_ptr_eq(idmap_find(m, keys[i]), in[i] ? &values[i] : NULL);
        n += in[i];
    }
    ck_assert_uint_eq(m->count, n);
    for (size_t at = 0; idmap_next(m, &at) != NULL;)
        n--;
    ck_assert_uint_eq(n, 0);
}

/* Adds and removes at random; each key must be found as long as it is in, whatever moved. */
static void churn(uint64_t seed)
{
    struct idmap m;
    struct rng r;
    rng_init(&r, seed);
    idmap_init(&m);
    for (int i = 0; i < KEYS; i++)
        in[i] = false;
    for (int step = 0; step < 40000; step++) {
        int i = (int)(rng_next(&r) % KEYS);
        bool grows = step % 8000 < 5000;
        if (!in[i] && grows)
            idmap_add(&m, keys[i], &values[i]);
        else if (in[i] && !grows)
            idmap_remove(&m, keys[i]);
        else
            continue;
        in[i] = grows;
        if (step % 1000 == 0)
            is_as_noted(&m);
    }
    is_as_noted(&m);
    idmap_fini(&m);
}

START_TEST(dense_numbers_of_many_batches)
{
    for (int i = 0; i < KEYS; i++)
        keys[i] = (uint64_t)(i % 7 + 1) << 32 | (uint64_t)(i / 7);
    churn(1);
}
END_TEST

START_TEST(random_numbers)
{
    struct rng r;
    rng_init(&r, 2);
    for (int i = 0; i < KEYS; i++)
        keys[i] = rng_next(&r);
    churn(3);
}
END_TEST

/* All of the same home: one long run, which also goes over the end of the table. */
START_TEST(numbers_that_collide)
{
    for (int i = 0; i < KEYS; i++)
        keys[i] = UINT64_MAX - (uint64_t)i * 8;
    keys[0] = 0;
    churn(4);
}
END_TEST

START_TEST(what_is_gone_is_not_found)
{
    struct idmap m;
    idmap_init(&m);
    ck_assert_ptr_null(idmap_find(&m, 0));
    idmap_add(&m, 0, &values[0]);
    idmap_remove(&m, 0);
    ck_assert_ptr_null(idmap_find(&m, 0));
    ck_assert_uint_eq(m.count, 0);
    idmap_fini(&m);
}
END_TEST

TESTS(idmap_tests, dense_numbers_of_many_batches, random_numbers, numbers_that_collide,
      what_is_gone_is_not_found)
CHECK_MAIN("idmap", idmap_tests)
