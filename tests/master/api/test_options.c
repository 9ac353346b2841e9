/* SPDX-License-Identifier: MIT */
#include "tests/master/api/world.h"

/* The options of a batch: in JSON and in the query. */

#define GOOD "http://a.test/1\n"

static void expect(struct answer a, int status, const char *text)
{
    ck_assert_msg(a.status == status, "%d %s", a.status, a.body ? a.body : "");
    ck_assert_msg(text == NULL || has(&a, text), "no %s in %s", text, a.body);
    answer_free(&a);
}

START_TEST(test_per_host_0_is_for_admins)
{
    world_start();
    static const char body[] = "{\"per_host\":0,\"targets\":[\"http://a.test/\"]}";
    expect(ask_as(w.submit_token, "POST", "/api/v1/batches", "Content-Type: application/json\r\n",
                  body, strlen(body)),
           403, "per_host");
    expect(post("/api/v1/batches", "application/json", body), 202, NULL);
    world_stop();
}
END_TEST

START_TEST(test_per_host_rate_takes_decimals)
{
    world_start();
    expect(post("/api/v1/batches", "application/json",
                "{\"per_host_rate\":0.5,\"targets\":[\"http://a.test/\"]}"),
           202, NULL);
    expect(get("/api/v1/batches"), 200, "\"per_host_rate\":0.5");
    expect(post("/api/v1/batches?per_host_rate=2.25", "text/plain", GOOD), 202, NULL);
    expect(get("/api/v1/batches"), 200, "\"per_host_rate\":2.25");
    expect(post("/api/v1/batches?per_host_rate=fast", "text/plain", GOOD), 422, "per_host_rate");
    expect(post("/api/v1/batches?per_host_rate=0.001", "text/plain", GOOD), 422, "at least 0.01");
    expect(post("/api/v1/batches?per_host_rate=-1", "text/plain", GOOD), 422, "per_host_rate");
    world_stop();
}
END_TEST

START_TEST(test_a_target_for_several_agents_is_several_tasks)
{
    world_start();
    expect(post("/api/v1/batches", "application/json",
                "{\"agents\":{\"count\":3},\"targets\":[\"http://a.test/\",\"http://b.test/\"]}"),
           202,
           "\"accepted\":2,\"rejected\":0,\"duplicates\":0,\"duplicates_exact\":true,\"tasks\":6");
    struct answer a = get("/api/v1/batches");
    ck_assert_msg(has(&a, "\"total\":6") && has(&a, "\"count\":3"), "%s", a.body);
    answer_free(&a);
    expect(post("/api/v1/batches?count=256", "text/plain", GOOD GOOD GOOD GOOD GOOD), 202,
           "\"accepted\":5,");
    expect(post("/api/v1/batches?count=all", "text/plain", GOOD), 422, "no agent that matches");
    expect(post("/api/v1/batches?count=257", "text/plain", GOOD), 422, "from 1 to 256");
    expect(post("/api/v1/batches?count=many", "text/plain", GOOD), 422, "many");
    expect(post("/api/v1/batches?count=0", "text/plain", GOOD), 422, "from 1 to 256");
    world_stop();
}
END_TEST

TESTS(options, test_per_host_0_is_for_admins, test_per_host_rate_takes_decimals,
      test_a_target_for_several_agents_is_several_tasks)
CHECK_MAIN("options", options)
