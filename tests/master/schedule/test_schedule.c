/* SPDX-License-Identifier: MIT */
#include "master/schedule/schedule.h"

#include <stdio.h>

#include "tests/master/schedule/schedule_rig.h"

#define BASE "{\"name\":\"web\",\"every\":\"30s\""

/* The canonical document of a definition with these members. */
static void canonical(const char *text, const char *doc)
{
    ck_assert_str_eq(taken(text)->doc, doc);
    done();
}
#define SAME(a, doc)                                                                               \
    canonical(EVERY(a), BASE "," doc "}");                                                         \
    canonical(EVERY(doc), BASE "," doc "}")

static const char *lane_of(const char *text)
{
    static char text_of[SCHEDULE_LANE_MAX + 1];
    struct strbuf b;
    strbuf_init(&b, SCHEDULE_LANE_MAX);
    schedule_lane(taken(text), &b);
    ck_assert(!b.overflow);
    snprintf(text_of, sizeof(text_of), "%s", b.data);
    strbuf_fini(&b);
    done();
    return text_of;
}

START_TEST(test_the_least_definition_has_the_defaults)
{
    struct schedule *s = taken(DEF("\"every\":\"30s\""));
    ck_assert_str_eq(s->name, "web");
    ck_assert_int_eq(s->rule.kind, RULE_EVERY);
    ck_assert_int_eq(s->rule.every_ms, 30000);
    ck_assert_str_eq(zone_name(s->zone), "UTC");
    ck_assert_uint_eq(s->rule.windows.n + s->maintenance.n, 0);
    ck_assert_ptr_null(s->agents);
    ck_assert_uint_eq(s->count, 1);
    ck_assert_int_eq(s->per_host, PER_HOST_DEFAULT);
    ck_assert_double_eq(s->per_host_rate, 0);
    ck_assert_uint_eq(s->confirm, 1);
    ck_assert(!s->has_goal && !s->paused);
    ck_assert_uint_eq(s->n_cert_days, 5);
    ck_assert_uint_eq(s->cert_days[0], 30);
    ck_assert_uint_eq(s->n_alerts, 0);
    ck_assert(s->labels == NULL && s->owner == NULL);
    ck_assert_int_eq(s->timeout_ms_max, HTTP_TIMEOUT_MS);
    ck_assert_str_eq(s->doc, BASE "}");
    done();
}
END_TEST

START_TEST(test_every_member_comes_back)
{
    static const char text[] =
        "{\"owner\":\"team\",\"labels\":{\"b\":\"2\",\"a\":\"1\"},\"alerts\":[\"slack\",\"mail\"],"
        "\"cert_days\":[7,30],\"goal\":{\"availability\":99.95,\"period\":\"7d\",\"degraded\":"
        "\"bad\"},\"confirm\":2,\"per_host_rate\":0.5,\"per_host\":3,\"agents\":{\"count\":2,"
        "\"tags\":{\"site\":\"bj\"},\"names\":[\"b\",\"a\",\"c\"]},\"maintenance\":[{\"days\":"
        "\"sun\",\"from\":\"23:00\",\"to\":\"01:00\"}],\"windows\":[{\"days\":[\"wed\",\"mon-tue\"]"
        ","
        "\"from\":\"9:00\",\"to\":\"17:30\"}],\"spread\":\"10s\",\"zone\":\"Europe/Berlin\","
        "\"cron\":\"*/5  9-16 * *\\tMON\",\"name\":\"web\",\"paused\":true," TARGETS "}";
    static const char doc[] =
        "{\"name\":\"web\",\"cron\":\"*/5 9-16 * * mon\",\"zone\":\"Europe/Berlin\",\"spread\":"
        "\"10s\",\"windows\":[{\"days\":\"mon-wed\",\"from\":\"09:00\",\"to\":\"17:30\"}],"
        "\"maintenance\":[{\"days\":\"sun\",\"from\":\"23:00\",\"to\":\"01:00\"}],\"agents\":{"
        "\"names\":[\"a\",\"b\",\"c\"],\"tags\":{\"site\":\"bj\"},\"count\":2},\"per_host\":3,"
        "\"per_host_rate\":0.5,\"confirm\":2,\"goal\":{\"availability\":99.95,\"period\":\"7d\","
        "\"degraded\":\"bad\"},\"cert_days\":[30,7],\"alerts\":[\"mail\",\"slack\"],\"labels\":{"
        "\"a\":\"1\",\"b\":\"2\"},\"owner\":\"team\"}";
    struct schedule *s = taken(text);
    ck_assert_str_eq(s->doc, doc);
    ck_assert_int_eq(s->rule.spread_ms, 10000);
    ck_assert_uint_eq(s->rule.windows.w[0].days, 0x0e);
    ck_assert_ptr_eq(s->rule.windows.zone, s->zone);
    ck_assert_ptr_eq(s->maintenance.zone, s->zone);
    ck_assert_str_eq(s->agents, "{\"names\":[\"a\",\"b\",\"c\"],\"tags\":{\"site\":\"bj\"}}");
    ck_assert_uint_eq(s->count, 2);
    ck_assert_uint_eq(s->goal.ppm, 999500);
    ck_assert_uint_eq(s->goal.period_hours, 168);
    ck_assert(s->goal.degraded_is_bad && s->has_goal && s->paused);
    ck_assert_str_eq(s->labels, "{\"a\":\"1\",\"b\":\"2\"}");
    ck_assert_str_eq(s->alerts[0], "mail");

    char why[SCHEDULE_WHY_MAX] = "";
    struct schedule *loaded = NULL;
    ck_assert_msg(schedule_load("web", s->doc, true, &loaded, why) == ERR_NONE, "%s", why);
    ck_assert_str_eq(loaded->doc, doc);
    ck_assert(loaded->paused);
    ck_assert_int_eq(loaded->timeout_ms_max, TIMEOUT_MS_MAX);
    ck_assert_mem_eq(&loaded->rule.cron, &s->rule.cron, sizeof(struct cron));
    schedule_free(&loaded);
    done();
}
END_TEST

START_TEST(test_equal_meanings_have_equal_texts)
{
    canonical(DEF("\"every\":\"90s\""), "{\"name\":\"web\",\"every\":\"1m30s\"}");
    canonical(DEF("\"every\":\"24h\""), "{\"name\":\"web\",\"every\":\"1d\"}");
    canonical(EVERY("\"zone\":\"UTC\",\"per_host\":8,\"per_host_rate\":0,\"confirm\":1"), BASE "}");
    canonical(EVERY("\"cert_days\":[1,3,7,14,30,30],\"alerts\":[],\"labels\":{},\"agents\":{}"),
              BASE "}");
    canonical(EVERY("\"windows\":[],\"agents\":{\"names\":[],\"tags\":{},\"count\":1}"), BASE "}");
    canonical(DEF("\"cron\":\"@Daily\",\"spread\":\"6s\""),
              "{\"name\":\"web\",\"cron\":\"@daily\"}");
    SAME("\"cert_days\":[]", "\"cert_days\":[]");
    SAME("\"agents\":{\"count\":\"all\"}", "\"agents\":{\"count\":\"all\"}");
    SAME("\"agents\":{\"names\":[\"b\",\"a\",\"b\"]}", "\"agents\":{\"names\":[\"a\",\"b\"]}");
    SAME("\"alerts\":[\"x\",\"a\",\"x\"]", "\"alerts\":[\"a\",\"x\"]");
    SAME("\"goal\":{\"availability\":99.90,\"period\":\"720h\",\"degraded\":\"good\"}",
         "\"goal\":{\"availability\":99.9}");
}
END_TEST

START_TEST(test_windows_are_sorted_and_their_days_short)
{
#define WINDOW(days, from, to) "{\"days\":\"" days "\",\"from\":\"" from "\",\"to\":\"" to "\"}"
    SAME("\"windows\":[{\"days\":\"sat,sun\"}]",
         "\"windows\":[" WINDOW("sat-sun", "00:00", "24:00") "]");
    SAME("\"windows\":[{\"from\":\"22:00\",\"to\":\"02:00\"},{\"days\":\"Friday, Monday\",\"from\":"
         "\"1:00\"}]",
         "\"windows\":[" WINDOW("mon,fri", "01:00", "24:00") "," WINDOW("mon-sun", "22:00",
                                                                        "02:00") "]");
    SAME("\"windows\":[{\"days\":\"fri-mon\",\"to\":\"12:00\"}]",
         "\"windows\":[" WINDOW("mon,fri-sun", "00:00", "12:00") "]");
    SAME("\"windows\":[{\"days\":[\"sun\",\"tue-thu\"]},{\"days\":\"sun,tue,wed,thu\"}]",
         "\"windows\":[" WINDOW("tue-thu,sun", "00:00", "24:00") "]");
}
END_TEST

START_TEST(test_documents_that_are_none)
{
    static const struct {
        const char *name, *doc, *says;
    } all[] = {{"web", "", ""},
               {"web", "[]", "must be an object"},
               {"web", BASE, ""},
               {"other", BASE "}", "\"web\""},
               {"web", BASE ",\"evry\":1}", "unknown field 'evry'; did you mean 'every'?"},
               {"web", BASE "," TARGETS "}", "unknown field 'targets'"},
               {"web", BASE ",\"zone\":\"Nowhere/Else\"}", "Nowhere/Else"}};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        char why[SCHEDULE_WHY_MAX] = "";
        struct schedule *s = NULL;
        ck_assert_int_eq(schedule_load(all[i].name, all[i].doc, false, &s, why), ERR_CORRUPT);
        ck_assert_ptr_null(s);
        ck_assert_msg(why[0] != '\0' && strstr(why, all[i].says) != NULL, "%zu: %s", i, why);
    }
}
END_TEST

START_TEST(test_per_host_0_is_for_admins)
{
    ck_assert_int_eq(parse_as(EVERY("\"per_host\":0"), NULL, false), ERR_DENIED);
    ck_assert_str_eq(problem.field, "per_host");
    ck_assert_ptr_nonnull(strstr(problem.why, "'admin'"));
    ck_assert_int_eq(parse_as(EVERY("\"per_host\":0"), NULL, true), ERR_NONE);
    ck_assert_str_eq(got->doc, BASE ",\"per_host\":0}");
    char why[SCHEDULE_WHY_MAX];
    struct schedule *loaded = NULL;
    ck_assert_int_eq(schedule_load("web", got->doc, false, &loaded, why), ERR_NONE);
    schedule_free(&loaded);
    done();
}
END_TEST

START_TEST(test_a_name_in_the_address)
{
    static const char anonymous[] = "{\"every\":\"30s\"," TARGETS "}";
    ck_assert_int_eq(parse_as(anonymous, "x.1", false), ERR_NONE);
    ck_assert_str_eq(got->name, "x.1");
    done();
    ck_assert_int_eq(parse_as(EVERY("\"confirm\":0"), "web", false), ERR_NONE);
    done();
    ck_assert_int_eq(parse_as(EVERY("\"confirm\":0"), "api", false), ERR_INVALID);
    ck_assert_str_eq(problem.field, "name");
    ck_assert_ptr_nonnull(strstr(problem.why, "\"web\""));
    ck_assert_int_eq(parse_as(anonymous, "..", false), ERR_INVALID);
}
END_TEST

START_TEST(test_lanes_are_equal_for_equal_places)
{
    static char first[SCHEDULE_LANE_MAX + 1];
    snprintf(first, sizeof(first), "%s",
             lane_of(EVERY("\"agents\":{\"tags\":{\"b\":\"2\",\"a\":\"1\"},\"count\":2}")));
    ck_assert_str_eq(first, "{\"agents\":{\"tags\":{\"a\":\"1\",\"b\":\"2\"}},\"count\":2,"
                            "\"per_host\":8,\"per_host_rate\":0}");
    ck_assert_str_eq(first, lane_of(DEF("\"cron\":\"@daily\",\"confirm\":0,\"agents\":{\"count\":2,"
                                        "\"tags\":{\"a\":\"1\",\"b\":\"2\"}}")));
    ck_assert_str_ne(first, lane_of(EVERY("\"agents\":{\"tags\":{\"a\":\"1\",\"b\":\"2\"}}")));
    ck_assert_str_eq(lane_of(EVERY("\"per_host_rate\":0.5")),
                     "{\"count\":1,\"per_host\":8,\"per_host_rate\":0.5}");
}
END_TEST

START_TEST(test_free_takes_what_is_none)
{
    struct schedule *none = NULL;
    struct schedule_targets empty = {0};
    schedule_free(&none);
    schedule_targets_free(&empty);
}
END_TEST

TESTS(schedule, test_the_least_definition_has_the_defaults, test_every_member_comes_back,
      test_equal_meanings_have_equal_texts, test_windows_are_sorted_and_their_days_short,
      test_documents_that_are_none, test_per_host_0_is_for_admins, test_a_name_in_the_address,
      test_lanes_are_equal_for_equal_places, test_free_takes_what_is_none)
CHECK_MAIN("schedule", schedule)
