/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "common/digest.h"
#include "tests/master/schedule/schedule_rig.h"

START_TEST(test_targets_have_key_spec_and_host)
{
    taken("{\"name\":\"web\",\"every\":\"30s\",\"defaults\":{\"timeout_ms\":5000,\"expect\":{"
          "\"max_total_ms\":900}},\"targets\":[\" HTTPS://A.Test/x \",{\"url\":\"https://a.test/\","
          "\"timeout_ms\":20000,\"user_id\":\"r1\"},{\"dns\":\"b.test\",\"type\":\"MX\"},"
          "\"dns:.?type=NS\",\"dns://1.1.1.1/b.test\"]}");
    ck_assert_uint_eq(list.n, 5);
    ck_assert_str_eq(list.items[0].key, "HTTPS://A.Test/x");
    ck_assert_str_eq(list.items[0].spec, "{\"url\":\"HTTPS://A.Test/x\",\"timeout_ms\":5000,"
                                         "\"expect\":{\"max_total_ms\":900}}");
    ck_assert_uint_eq(list.items[0].spec_len, strlen(list.items[0].spec));
    ck_assert_str_eq(list.items[0].host, "a.test");
    ck_assert_uint_eq(list.items[0].host_hash, hash64("a.test", 6));
    ck_assert_ptr_null(list.items[0].user_id);
    ck_assert_str_eq(list.items[1].key, "https://a.test/");
    ck_assert_str_eq(list.items[1].user_id, "r1");
    ck_assert_str_eq(list.items[2].key, "dns:b.test?type=MX");
    ck_assert_str_eq(list.items[2].host, "b.test");
    ck_assert_str_eq(list.items[3].host, ".");
    ck_assert_str_eq(list.items[4].host, "1.1.1.1:53");
    ck_assert_int_eq(got->timeout_ms_max, 20000);
    done();
}
END_TEST

START_TEST(test_one_uri_twice_needs_user_ids)
{
    taken(OF("\"https://a.test/\",{\"url\":\"https://a.test/\",\"user_id\":\"b\"},"
             "{\"url\":\"https://a.test/\",\"user_id\":\"a\"},\"https://b.test/\""));
    ck_assert_str_eq(list.items[0].key, "https://a.test/");
    ck_assert_str_eq(list.items[1].key, "https://a.test/ b");
    ck_assert_str_eq(list.items[2].key, "https://a.test/ a");
    ck_assert_str_eq(list.items[3].key, "https://b.test/");
    done();
    refused(OF("\"https://a.test/\",\"https://b.test/\",\"https://a.test/\""), "targets[2]",
            "'https://a.test/' is there twice, here and as targets[0]");
    refused(OF("{\"url\":\"https://a.test/\",\"user_id\":\"x\"},{\"url\":\"https://a.test/\","
               "\"user_id\":\"x\"}"),
            "targets[1]", "user_id 'x' is there twice");
    taken(OF("{\"dns\":\"b.test\",\"type\":\"MX\"},{\"dns\":\"b.test\",\"type\":\"TXT\"}"));
    done();
    refused(OF("{\"dns\":\"b.test\",\"type\":\"MX\"},\"dns:b.test?type=MX\""), "targets[1]",
            "twice");
}
END_TEST

START_TEST(test_what_is_wrong_with_a_target_says_which)
{
    refused(OF("\"https://a.test/\",\"b.test\""), "targets[1]", "https://b.test/");
    refused(OF("\"https://a.test/\",7"), "targets[1]", "a URI or an object");
    refused(OF("{\"url\":\"https://a.test/\",\"tmeout_ms\":1}"), "targets[0]",
            "did you mean 'timeout_ms'?");
    refused(OF("\"https://b.test/\",{\"url\":\"https://a.test/\",\"count\":2}"), "targets[1].count",
            "'agents' of the schedule");
    refused(OF("{\"url\":\"https://a.test/\",\"agents\":{}}"), "targets[0].agents", "once");
    ck_assert_int_eq(list.n, 0);
}
END_TEST

START_TEST(test_a_key_has_a_bound)
{
    char text[CHECK_KEY_MAX + 200], path[CHECK_KEY_MAX + 1];
    size_t head = strlen("https://a.test/");
    memset(path, 'x', sizeof(path));
    path[CHECK_KEY_MAX - head] = '\0';
    snprintf(text, sizeof(text), OF("\"https://a.test/%s\""), path);
    taken(text);
    done();
    snprintf(text, sizeof(text), OF("\"https://a.test/%sx\""), path);
    refused(text, "targets[0]", "2305 bytes");
}
END_TEST

#define HTTP(options)  OF("{\"url\":\"http://a.test/\"," options "}")
#define HTTPS(options) OF("{\"url\":\"https://a.test/\"," options "}")
#define DNS(options)   OF("{\"dns\":\"a.test\",\"type\":\"A\",\"expect\":{" options "}}")
#define CNAME(options) OF("{\"dns\":\"a.test\",\"type\":\"CNAME\",\"expect\":{" options "}}")

START_TEST(test_expectations_that_cannot_be)
{
    static const struct {
        const char *text, *field, *says;
    } all[] = {
        {HTTP("\"timeout_ms\":500,\"expect\":{\"max_total_ms\":500}"), "max_total_ms",
         "could never fail"},
        {HTTP("\"expect\":{\"status\":[\"1xx\",101]}"), "status", "only 1xx"},
        {HTTP("\"method\":\"HEAD\",\"expect\":{\"body_regex\":\"x\"}"), "body_regex", "no body"},
        {HTTP("\"expect\":{\"status\":[204],\"json\":[{\"path\":\"$.a\"}]}"), "json", "no body"},
        {HTTP("\"follow_redirects\":false,\"expect\":{\"tls_min_days\":3}"), "tls_min_days",
         "write https"},
        {HTTP("\"max_redirects\":0,\"expect\":{\"tls_min_days\":3}"), "tls_min_days", "https"},
        {DNS("\"rcode\":\"NXDOMAIN\",\"min_answers\":1"), "rcode", "no answers come"},
        {DNS("\"rcode\":\"REFUSED\",\"answers\":{\"regex\":\"x\"}"), "rcode", "no answers come"},
        {DNS("\"min_answers\":2,\"answers\":{\"equals\":[\"1.1.1.1\"]}"), "min_answers",
         "'answers.equals' lists"},
        {DNS("\"answers\":{\"equals\":[],\"regex\":\"x\"}"), "answers", "'equals' is empty"},
        {DNS("\"answers\":{\"equals\":[\"1.1.1.1\"],\"contains\":[\"1.1.1.1\",\"2.2.2.2\"]}"),
         "answers", "'contains' asks for more"},
        {CNAME("\"min_answers\":2"), "min_answers", "at most"},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        char field[64];
        snprintf(field, sizeof(field), "targets[0].expect.%s", all[i].field);
        refused(all[i].text, field, all[i].says);
    }
}
END_TEST

START_TEST(test_expectations_that_may_hold)
{
    static const char *const all[] = {
        HTTP("\"timeout_ms\":501,\"expect\":{\"max_total_ms\":500}"),
        HTTP("\"expect\":{\"status\":[\"1xx\",200]}"),
        HTTP("\"method\":\"HEAD\",\"expect\":{\"status\":[200],\"body_not_regex\":\"x\"}"),
        HTTP("\"expect\":{\"status\":[204,200],\"json\":[{\"path\":\"$.a\"}]}"),
        HTTP("\"expect\":{\"status\":[204],\"json\":[{\"path\":\"$.a\",\"exists\":false}]}"),
        HTTP("\"expect\":{\"tls_min_days\":3}"),
        HTTPS("\"follow_redirects\":false,\"expect\":{\"tls_min_days\":3}"),
        DNS("\"rcode\":\"NXDOMAIN\",\"min_answers\":0"),
        DNS("\"rcode\":\"NXDOMAIN\",\"answers\":{\"equals\":[]}"),
        DNS("\"min_answers\":1,\"answers\":{\"equals\":[\"1.1.1.1\"]}"),
        CNAME("\"min_answers\":1"),
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        taken(all[i]);
    done();
}
END_TEST

START_TEST(test_as_many_as_fit)
{
    struct strbuf b;
    strbuf_init(&b, SCHEDULE_DOC_MAX);
    strbuf_puts(&b, "{\"name\":\"web\",\"every\":\"60s\",\"targets\":[");
    for (int i = 0; i < SCHEDULE_TARGETS_MAX; i++)
        strbuf_printf(&b,
                      "%s{\"url\":\"https://host-%d.example.com/path\",\"expect\":{\"status\":"
                      "[200]}}",
                      i > 0 ? "," : "", i);
    strbuf_puts(&b, "]}");
    taken(b.data);
    ck_assert_uint_eq(list.n, SCHEDULE_TARGETS_MAX);
    ck_assert_str_eq(list.items[99999].key, "https://host-99999.example.com/path");
    done();
    b.data[b.len - 2] = ',';
    strbuf_truncate(&b, b.len - 1);
    strbuf_puts(&b, "\"https://host-5.example.com/path\"]}");
    refused(b.data, "targets", "at most 100000 items, got 100001");
    strbuf_fini(&b);
}
END_TEST

TESTS(targets, test_targets_have_key_spec_and_host, test_one_uri_twice_needs_user_ids,
      test_what_is_wrong_with_a_target_says_which, test_a_key_has_a_bound,
      test_expectations_that_cannot_be, test_expectations_that_may_hold, test_as_many_as_fit)
CHECK_MAIN("schedule targets", targets)
