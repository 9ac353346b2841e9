/* SPDX-License-Identifier: MIT */
#include "tests/master/api/world.h"

static void expect(struct answer a, int status, const char *text)
{
    ck_assert_msg(a.status == status && has(&a, text), "%d %s, wanted %d and %s", a.status, a.body,
                  status, text);
    answer_free(&a);
}

static void expect_of(const char *method, const char *id, const char *call, int status,
                      const char *text)
{
    char path[120];
    snprintf(path, sizeof(path), "/api/v1/batches/%s%s", id, call);
    expect(ask_as(w.token, method, path, "", "", 0), status, text);
}

/* A batch that has ended and was purged, for the store may hold next to nothing. */
static void start_purged(char id[UUID_TEXT_MAX])
{
    w.retention_bytes = 1;
    world_start();
    struct answer a = post("/api/v1/batches", "text/plain", "http://a.test/\nhttp://b.test/\n");
    id_of(&a, id);
    expect_of("GET", id, "?wait=30s", 200, "\"state\":\"ended\"");
    for (int ms = 0; counter_get(&store_stats(w.store)->batches_purged) == 0; ms++) {
        ck_assert_int_lt(ms, 60000);
        usleep(1000);
    }
}

START_TEST(test_a_purged_batch_still_tells_its_counts)
{
    char id[UUID_TEXT_MAX];
    start_purged(id);
    expect_of("GET", id, "", 200, "\"state\":\"ended\"");
    expect_of("GET", id, "", 200, "\"total\":2,\"queued\":0,\"running\":0,\"ok\":2");
    expect_of("GET", id, "", 200, "\"purged_at\":\"20");
    expect(get("/api/v1/batches"), 200, "\"purged_at\":\"20");
    expect(get("/metrics"), 200, "sonde_store_batches_purged_total 1\n");
    expect(get("/metrics"), 200, "sonde_store_tasks_purged_total 2\n");
    world_stop();
}
END_TEST

START_TEST(test_what_was_purged_is_gone_and_says_so)
{
    char id[UUID_TEXT_MAX], path[64];
    start_purged(id);
    expect_of("GET", id, "/results", 410, "\"code\":\"purged\"");
    expect_of("GET", id, "/results", 410, "its counts are kept");
    expect_of("GET", id, "/results.ndjson", 410, "--retention-days");
    expect_of("GET", id, "/results.csv", 410, "purged");
    expect_of("POST", id, "/retry-failed?outcomes=ok", 410, "\"code\":\"purged\"");
    expect_of("POST", id, "/cancel", 200, "ended");
    snprintf(path, sizeof(path), "/api/v1/tasks/%llu", 1ull << 32);
    expect(get(path), 410, "\"code\":\"purged\"");
    world_stop();
}
END_TEST

TESTS(purged, test_a_purged_batch_still_tells_its_counts, test_what_was_purged_is_gone_and_says_so)
CHECK_MAIN("purged", purged)
