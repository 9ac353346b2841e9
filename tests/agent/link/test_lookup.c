/* SPDX-License-Identifier: MIT */
#include "agent/link/lookup.h"
#include "common/clock.h"
#include "tests/support/check_main.h"
#include <semaphore.h>
#include <time.h>

static sem_t woken;

static void wake(void *arg)
{
    sem_post(arg);
}

static struct lookup_result resolve(const char *host)
{
    struct lookup_result r = {0};
    struct timespec until = {.tv_sec = time(NULL) + 30};
    sem_init(&woken, 0, 0);
    struct lookup *l = lookup_start(host, wake, &woken);
    ck_assert_ptr_nonnull(l);
    ck_assert_int_eq(sem_timedwait(&woken, &until), 0);
    ck_assert(lookup_take(&l, &r));
    ck_assert_ptr_null(l);
    sem_destroy(&woken);
    return r;
}

START_TEST(a_literal_is_its_own_answer)
{
    char text[IP_TEXT_MAX];
    struct lookup_result r = resolve("192.0.2.7");
    ck_assert_uint_eq(r.n, 1);
    ck_assert_str_eq(ip_format(&r.ips[0], text), "192.0.2.7");
}
END_TEST

START_TEST(a_name_that_cannot_exist_says_why)
{
    struct lookup_result r = resolve("a..b");
    ck_assert_uint_eq(r.n, 0);
    ck_assert_str_ne(r.problem, "");
}
END_TEST

START_TEST(an_abandoned_lookup_does_not_wake_a_dead_owner)
{
    for (int i = 0; i < 50; i++) {
        sem_init(&woken, 0, 0);
        struct lookup *l = lookup_start("192.0.2.7", wake, &woken);
        ck_assert_ptr_nonnull(l);
        lookup_abandon(&l);
        ck_assert_ptr_null(l);
        sem_destroy(&woken);
    }
}
END_TEST

START_TEST(abandoning_nothing_is_fine)
{
    struct lookup *l = NULL;
    lookup_abandon(&l);
}
END_TEST

TESTS(lookup, a_literal_is_its_own_answer, a_name_that_cannot_exist_says_why,
      an_abandoned_lookup_does_not_wake_a_dead_owner, abandoning_nothing_is_fine)
CHECK_MAIN("lookup", lookup)
