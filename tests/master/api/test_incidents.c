/* SPDX-License-Identifier: MIT */
#include "tests/master/api/schedule_world.h"

static void add_incident(uint64_t id, enum incident_state state)
{
    struct incident *i = &fk.incidents[fk.n_incidents++];
    *i = (struct incident){.id = id,
                           .state = state,
                           .host = "a.test",
                           .causes = {CAUSE_connect_refused, CAUSE_connect_timeout},
                           .n_causes = 2,
                           .since = {1700000000000000},
                           .checks = 3,
                           .not_up = 2,
                           .first = {.check = 5,
                                     .result = 9,
                                     .agent = "a1",
                                     .cause = CAUSE_connect_refused,
                                     .at = {1700000000000000}}};
}

static void start(void)
{
    schedule_world_start();
    add_incident(3, INCIDENT_CONFIRMED);
    add_incident(2, INCIDENT_RESOLVED);
    add_incident(1, INCIDENT_WITHDRAWN);
}

START_TEST(test_incidents_are_listed_newest_first_by_state)
{
    start();
    struct answer a = get("/api/v1/incidents");
    ck_assert_int_eq(a.status, 200);
    ck_assert_msg(has(&a,
                      "{\"incidents\":[{\"id\":\"3\",\"kind\":\"target\",\"state\":\"confirmed\","
                      "\"schedule\":\"shop\",\"host\":\"a.test\",\"causes\":[\"connect_refused\","
                      "\"connect_timeout\"],\"since\":\"2023-11-14T22:13:20.000000Z\""),
                  "%s", a.body);
    ck_assert(has(&a, "\"evidence\":{\"first\":{\"check\":\"5\",\"task\":\"9\",\"agent\":\"a1\""));
    ck_assert(has(&a, "\"acked\":null"));
    answer_free(&a);
    expect(get("/api/v1/incidents?limit=2"), 200, "\"next_cursor\":\"2\"");
    expect(get("/api/v1/incidents?cursor=2"), 200, "{\"incidents\":[{\"id\":\"1\"");
    expect(get("/api/v1/incidents?state=current"), 200, "\"id\":\"3\"");
    expect(get("/api/v1/incidents?state=resolved"), 200, "{\"incidents\":[{\"id\":\"2\"");
    expect(get("/api/v1/incidents?state=over"), 400, "or current");
    schedule_world_stop();
}
END_TEST

START_TEST(test_one_incident_is_told_with_its_deliveries)
{
    start();
    fk.n_deliveries = 2;
    fk.deliveries[0] = (struct store_delivery){.id = 8,
                                               .channel = (char *)(uintptr_t) "ops",
                                               .facts = (char *)(uintptr_t) "{\"n\":1}",
                                               .dedup = (char *)(uintptr_t) "incident 3 confirm",
                                               .state = DELIVERY_FAILED,
                                               .attempts = 4,
                                               .status = 502,
                                               .error = (char *)(uintptr_t) "bad gateway"};
    fk.deliveries[1] = (struct store_delivery){.id = 7,
                                               .channel = (char *)(uintptr_t) "mail",
                                               .dedup = (char *)(uintptr_t) "incident 3 confirm",
                                               .state = DELIVERY_DONE};
    expect(get("/api/v1/incidents/3"), 200,
           "\"deliveries\":[{\"id\":\"8\",\"channel\":\"ops\",\"state\":\"failed\",\"about\":"
           "\"incident 3 confirm\",\"facts\":{\"n\":1},\"attempts\":4,\"status\":502,\"error\":"
           "\"bad gateway\"");
    expect(get("/api/v1/incidents/9"), 404, "no_such_incident");
    expect(get("/api/v1/incidents/x"), 404, "no_such_incident");
    expect(get("/api/v1/deliveries?state=delivered"), 200, "{\"deliveries\":[{\"id\":\"7\"");
    expect(get("/api/v1/deliveries?channel=ops"), 200, "{\"deliveries\":[{\"id\":\"8\"");
    expect(get("/api/v1/deliveries?state=gone"), 400, "pending, delivered, failed or skipped");
    schedule_world_stop();
}
END_TEST

static struct answer ack(const char *id, const char *body)
{
    char path[80];
    snprintf(path, sizeof(path), "/api/v1/incidents/%s/ack", id);
    return send_as(w.submit_token, "POST", path, body);
}

START_TEST(test_an_acknowledgement_carries_its_author_and_note)
{
    start();
    expect(ack("3", "{\"note\":\"on it\"}"), 200, "\"note\":\"on it\"");
    ck_assert_str_eq(sk.note, "on it");
    ck_assert_str_ne(sk.acked_by, "");
    expect(ack("3", ""), 200, "\"note\":null");
    expect(ack("3", "{\"notes\":1}"), 422, "notes");
    expect(ack("3", "{"), 400, "bad_json");
    sk.ack = ERR_EXISTS;
    expect(ack("3", "{}"), 409, "already_acked");
    sk.ack = ERR_NOT_FOUND;
    expect(ack("2", "{}"), 409, "incident_ended");
    expect(ack("9", "{}"), 404, "no_such_incident");
    sk.ack = ERR_NONE;
    expect(send_as(w.read_token, "POST", "/api/v1/incidents/3/ack", "{}"), 403, "submit");
    schedule_world_stop();
}
END_TEST

#define HOOK(secret) "{\"kind\":\"webhook\",\"url\":\"https://h.test/\",\"secret\":\"" secret "\"}"

START_TEST(test_a_channels_secret_is_kept_and_never_shown)
{
    schedule_world_start();
    struct answer a = put("/api/v1/alerts/ops", HOOK("hush"));
    ck_assert_int_eq(a.status, 201);
    ck_assert_ptr_nonnull(strstr(a.head, "Location: /api/v1/alerts/ops"));
    ck_assert(!has(&a, "hush"));
    answer_free(&a);
    expect(put("/api/v1/alerts/ops", HOOK("(set)")), 200, NULL);
    ck_assert_ptr_nonnull(strstr(fk.channels[0].doc, "\"secret\":\"hush\""));
    expect(get("/api/v1/alerts"), 200,
           "{\"alerts\":[{\"name\":\"ops\",\"definition\":{\"name\":\"ops\",\"kind\":\"webhook\"");
    expect(get("/api/v1/alerts/ops"), 200, "\"secret\":\"(set)\"");
    expect(get("/api/v1/alerts/dev"), 404, "no_such_channel");
    expect(put("/api/v1/alerts/a%20b", HOOK("x")), 422, "invalid_channel");
    expect(put("/api/v1/alerts/ops", "{\"kind\":\"pigeon\"}"), 422, "invalid_channel");
    expect(put("/api/v1/alerts/ops", "{"), 400, "bad_json");
    expect(send_as(w.submit_token, "PUT", "/api/v1/alerts/ops", HOOK("x")), 403, "admin");
    expect(send_as(w.token, "DELETE", "/api/v1/alerts/ops", NULL), 204, NULL);
    expect(send_as(w.token, "DELETE", "/api/v1/alerts/ops", NULL), 404, "no_such_channel");
    schedule_world_stop();
}
END_TEST

START_TEST(test_a_test_says_what_came_of_it)
{
    schedule_world_start();
    expect(send_as(w.token, "POST", "/api/v1/alerts/ops/test", ""), 200,
           "{\"delivered\":false,\"status\":500,\"error\":\"the service said no\",\"took_ms\":12}");
    expect(send_as(w.token, "POST", "/api/v1/alerts/dev/test", ""), 404, "no_such_channel");
    expect(send_as(w.submit_token, "POST", "/api/v1/alerts/ops/test", ""), 403, "admin");
    schedule_world_stop();
}
END_TEST

TESTS(incidents, test_incidents_are_listed_newest_first_by_state,
      test_one_incident_is_told_with_its_deliveries,
      test_an_acknowledgement_carries_its_author_and_note)
TESTS(alerts, test_a_channels_secret_is_kept_and_never_shown, test_a_test_says_what_came_of_it)
CHECK_MAIN("incidents", incidents, alerts)
