/* SPDX-License-Identifier: MIT */
#include "master/diagnosis/diagnosis.h"
#include "common/node.h"
#include "tests/master/api/world.h"

static struct json_doc *doc;
static const struct json_node *root;

static void ask(void)
{
    char why[200];
    struct answer a = get("/api/v1/diagnosis");
    ck_assert_msg(a.status == 200, "%d %s", a.status, a.body);
    ck_assert_msg(json_parse(a.body, a.body_len, &doc, why, sizeof(why)) == ERR_NONE, "%s", why);
    root = json_root(doc);
    answer_free(&a);
}

static const struct json_node *finding(const char *check)
{
    const struct json_node *n = node_first(root, "findings");
    while (n && strcmp(node_str(n, "check"), check) != 0)
        n = json_next(n);
    ck_assert_msg(n != NULL, "no finding %s", check);
    return n;
}

static void is(const char *check, const char *state)
{
    const struct json_node *n = finding(check);
    ck_assert_msg(strcmp(node_str(n, "state"), state) == 0, "%s: %s, %s", check,
                  node_str(n, "state"), node_str(n, "evidence"));
}

static void named(const char *check, const char *name)
{
    const struct json_node *item = node_first(finding(check), "items");
    ck_assert_ptr_nonnull(item);
    ck_assert_str_eq(node_str(item, "name"), name);
}

START_TEST(test_every_check_is_told_with_all_its_members)
{
    world_start();
    ask();
    unsigned n = 0;
    for (const struct json_node *f = node_first(root, "findings"); f; f = json_next(f), n++) {
        static const char *const members[] = {"check",    "about",   "state",
                                              "evidence", "meaning", "fix"};
        for (size_t i = 0; i < ARRAY_LEN(members); i++)
            ck_assert_ptr_nonnull(node_str(f, members[i]));
        ck_assert_int_eq(json_type(node_at(f, "figures")), JSON_OBJECT);
        ck_assert_int_eq(json_type(node_at(f, "items")), JSON_ARRAY);
    }
    ck_assert_uint_eq(n, DIAG_CHECKS);
    ck_assert_uint_eq(node_count(root, "counts.checks"), DIAG_CHECKS);
    ck_assert_uint_eq(node_count(root, "counts.ok") + node_count(root, "counts.unknown") +
                          node_count(root, "counts.warn") + node_count(root, "counts.bad"),
                      DIAG_CHECKS);
    json_free(&doc);
    world_stop();
}
END_TEST

START_TEST(test_what_the_core_tells_is_judged)
{
    world_start();
    ask();
    is("agents", "ok");
    is("agent_trouble", "warn");
    named("agent_trouble", "a1");
    is("batch_paused", "warn");
    named("batch_paused", "0193-paused");
    is("batch_hosts", "ok");
    json_free(&doc);
    world_stop();
}
END_TEST

START_TEST(test_what_the_host_tells_is_there)
{
    world_start();
    ask();
    ck_assert_double_gt(node_num(finding("disk"), "figures.total_bytes", -1), 0);
    ck_assert_double_gt(node_num(finding("memory"), "figures.rss_bytes", -1), 0);
    ck_assert_double_gt(node_num(finding("descriptors"), "figures.used", -1), 3);
    ck_assert_double_ge(node_num(finding("cpu"), "figures.process_percent", -1), 0);
    ck_assert_double_ge(node_num(finding("close_wait"), "figures.close_wait", -1), 0);
    is("store", "ok");
    is("store_latency", "ok");
    is("queues", "ok");
    json_free(&doc);
    world_stop();
}
END_TEST

START_TEST(test_a_hub_that_hangs_is_found_and_not_asked)
{
    world_start();
    w.hub_hangs = true;
    ask();
    is("loop_lag", "bad");
    is("agents", "unknown");
    w.hub_hangs = false;
    json_free(&doc);
    world_stop();
}
END_TEST

START_TEST(test_a_hub_that_refuses_is_not_waited_for)
{
    world_start();
    mailbox_close(w.box); /* asked, it refuses */
    ask();
    is("agents", "unknown");
    is("batch_no_agent", "unknown");
    is("store", "ok");
    json_free(&doc);
    world_stop();
}
END_TEST

START_TEST(test_query_and_token_are_checked)
{
    world_start();
    struct answer a = get("/api/v1/diagnosis?all=1");
    ck_assert_int_eq(a.status, 400);
    ck_assert(has(&a, "'all'"));
    answer_free(&a);
    a = ask_as("wrong", "GET", "/api/v1/diagnosis", "", NULL, 0);
    ck_assert_int_eq(a.status, 401);
    answer_free(&a);
    a = ask_as(w.read_token, "GET", "/api/v1/diagnosis", "", NULL, 0);
    ck_assert_int_eq(a.status, 200);
    answer_free(&a);
    world_stop();
}
END_TEST

TESTS(diagnosis, test_every_check_is_told_with_all_its_members, test_what_the_core_tells_is_judged,
      test_what_the_host_tells_is_there, test_a_hub_that_hangs_is_found_and_not_asked,
      test_a_hub_that_refuses_is_not_waited_for, test_query_and_token_are_checked)
CHECK_MAIN("api diagnosis", diagnosis)
