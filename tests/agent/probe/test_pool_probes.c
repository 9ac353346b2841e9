/* SPDX-License-Identifier: MIT */
#include "agent/probe/http_impl.h"
#include "agent/run/pool.h"

#include "mini_server.h"
#include "tests/support/check_main.h"

/* The pool with the real kinds, against peers that never answer. */
#define JOBS  24
#define CROWD 3000
#define CROWD_MS_MIN                                                                               \
    100 /* 84 batches of 32 wait for 2 ms each, less what a slow turn has used up */

static struct mini silent, hung;
static int dead_dns;
static uint16_t dns_port;
static struct policy *policy;
static struct pool *pool;

static void no_answer(struct mini_conn *c)
{
    mini_hang(c);
}

static void on_done(void *arg)
{
}

static char resolver[32]; /* borrowed by the pool */

static void pool_open(unsigned workers, unsigned slots)
{
    struct pool_config c = {.workers = workers,
                            .slots = slots,
                            .policy = policy,
                            .resolver = resolver,
                            .kinds = {&probe_http, &probe_dns},
                            .on_done = on_done};
    ck_assert_int_eq(pool_create(&c, &pool), ERR_NONE);
}

static void setup(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(sa);
    mini_init();
    silent = (struct mini){.answer = no_answer};
    hung = (struct mini){.mode = MINI_HANG};
    mini_start(&silent);
    mini_start(&hung);
    dead_dns = socket(AF_INET, SOCK_DGRAM, 0);
    ck_assert_int_eq(bind(dead_dns, (struct sockaddr *)&sa, sizeof(sa)), 0);
    ck_assert_int_eq(getsockname(dead_dns, (struct sockaddr *)&sa, &len), 0);
    dns_port = ntohs(sa.sin_port);
    snprintf(resolver, sizeof(resolver), "127.0.0.1:%u", dns_port);
    policy = policy_create(&(struct policy_config){.dev = true});
    pool_open(2, JOBS);
}

static void teardown(void)
{
    pool_destroy(&pool);
    policy_destroy(&policy);
    close(dead_dns);
}

static void submit(uint64_t task, const char *uri)
{
    struct target *t = NULL;
    struct target_problem problem;
    struct mono now = mono_now();
    ck_assert_int_eq(target_from_text(uri, strlen(uri), NULL, &t, &problem), ERR_NONE);
    struct job *j = job_create(task, "t", CLASS_INTERACTIVE, t, now, mono_add_ms(now, 60000));
    ck_assert_int_eq(pool_submit(pool, j, now), ERR_NONE);
}

/* Every place where a probe can wait: for the name, the answer, the handshake, the DNS reply. */
static void submit_all(void)
{
    char uris[4][64];
    snprintf(uris[0], sizeof(uris[0]), "http://a.test:%u/", silent.port);
    snprintf(uris[1], sizeof(uris[1]), "http://127.0.0.1:%u/", silent.port);
    snprintf(uris[2], sizeof(uris[2]), "https://127.0.0.1:%u/", hung.port);
    snprintf(uris[3], sizeof(uris[3]), "dns://127.0.0.1:%u/a.test", dns_port);
    for (uint64_t task = 0; task < JOBS; task++)
        submit(task, uris[task % 4]);
}

static double longest_queue_ms; /* of what take_until() took */

static size_t take_until(size_t want)
{
    struct list done;
    struct mono until = mono_add_ms(mono_now(), 20000);
    size_t n = 0;
    while (n < want && mono_before(mono_now(), until)) {
        list_init(&done);
        pool_take_done(pool, &done, mono_now());
        for (struct list_node *node; (node = list_pop_front(&done)); n++) {
            struct job *j = CONTAINER_OF(node, struct job, letter.node);
            ck_assert_int_eq(j->end, JOB_CANCELLED);
            if (j->result->queue_ms > longest_queue_ms)
                longest_queue_ms = j->result->queue_ms;
            job_destroy(&j);
        }
        usleep(1000);
    }
    return n;
}

START_TEST(test_cancel_ends_probes_in_every_phase)
{
    submit_all();
    for (uint64_t task = 0; task < JOBS; task++)
        ck_assert(pool_cancel(pool, task));
    ck_assert_uint_eq(take_until(JOBS), JOBS);
}
END_TEST

START_TEST(test_cancel_ends_probes_under_way)
{
    submit_all();
    usleep(50000); /* so that they get to their phases; right at any speed */
    for (uint64_t task = 0; task < JOBS; task++)
        ck_assert(pool_cancel(pool, task));
    ck_assert_uint_eq(take_until(JOBS), JOBS);
}
END_TEST

START_TEST(test_destroy_ends_probes_under_way)
{
    submit_all();
    usleep(50000);
    pool_destroy(&pool);
    ck_assert_ptr_null(pool);
}
END_TEST

/* 256 names can be asked for at once; what is over starts by and by, although nothing is ever
 * answered. */
START_TEST(test_starts_are_paced_while_names_wait_but_go_on)
{
    pool_destroy(&pool);
    pool_open(1, CROWD);
    for (uint64_t task = 0; task < CROWD; task++)
        submit(task, "http://a.test/");
    for (uint64_t task = 0; task < CROWD; task++)
        ck_assert(pool_cancel(pool, task));
    ck_assert_uint_eq(take_until(CROWD), CROWD);
    ck_assert_double_ge(longest_queue_ms, CROWD_MS_MIN);
}
END_TEST

TESTS(ends_bare, test_cancel_ends_probes_in_every_phase, test_cancel_ends_probes_under_way,
      test_destroy_ends_probes_under_way, test_starts_are_paced_while_names_wait_but_go_on)
static TCase *ends(void)
{
    TCase *tc = ends_bare();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("pool_probes", ends)
