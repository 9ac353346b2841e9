/* SPDX-License-Identifier: MIT */
#include "agent/link/warden.h"

#include <errno.h>
#include <semaphore.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/support/check_main.h"

#define LIMIT_MS 1000
#define TICK_US  20000

static _Atomic int64_t ticked;
static sem_t go;

static void *ticks(void *arg)
{
    for (int64_t us = 0; us < 2000 * LIMIT_MS; us += TICK_US) {
        atomic_store(&ticked, mono_now().ns);
        usleep(TICK_US);
    }
    return NULL;
}

static void *stands(void *arg)
{
    atomic_store(&ticked, mono_now().ns);
    while (sem_wait(&go) != 0)
        ck_assert_int_eq(errno, EINTR);
    return NULL;
}

static void *sleeps(void *arg)
{
    usleep(2000 * LIMIT_MS);
    return NULL;
}

START_TEST(a_thread_that_ticks_to_its_end_is_joined)
{
    pthread_t t;
    ck_assert_int_eq(pthread_create(&t, NULL, ticks, NULL), 0);
    ck_assert(warden_wait(t, &ticked, LIMIT_MS));
}
END_TEST

START_TEST(a_thread_that_stands_is_told)
{
    pthread_t t;
    sem_init(&go, 0, 0);
    struct mono began = mono_now();
    ck_assert_int_eq(pthread_create(&t, NULL, stands, NULL), 0);
    ck_assert(!warden_wait(t, &ticked, LIMIT_MS));
    ck_assert_int_ge(mono_diff_ms(mono_now(), began), LIMIT_MS);
    sem_post(&go);
    ck_assert(warden_wait(t, &ticked, LIMIT_MS));
}
END_TEST

/* Its loop may not run yet: no tick, no verdict. */
START_TEST(before_the_first_tick_nothing_stands)
{
    pthread_t t;
    atomic_store(&ticked, 0);
    ck_assert_int_eq(pthread_create(&t, NULL, sleeps, NULL), 0);
    ck_assert(warden_wait(t, &ticked, LIMIT_MS));
}
END_TEST

TESTS(warden, a_thread_that_ticks_to_its_end_is_joined, a_thread_that_stands_is_told,
      before_the_first_tick_nothing_stands)
CHECK_MAIN("warden", warden)
