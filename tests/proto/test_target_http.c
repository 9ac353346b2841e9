/* SPDX-License-Identifier: MIT */
#include "tests/proto/target_given.h"

#define URL(rest)    "{\"url\":\"http://a/\"," rest "}"
#define EXPECT(rest) URL("\"expect\":{" rest "}")
#define BASIC(user, password)                                                                      \
    URL("\"auth\":{\"basic\":{\"user\":" user ",\"password\":" password "}}")
#define JSON_IS(item) EXPECT("\"json\":[" item "]")

START_TEST(test_basic_auth)
{
    good(BASIC("\"ann\"", "\"p:\xc3\xa9\""));
    ck_assert_int_eq(t->http.auth.kind, AUTH_BASIC);
    ck_assert_str_eq(t->http.auth.user, "ann");
    ck_assert_str_eq(t->http.auth.secret, "p:\xc3\xa9");
    good(BASIC("\"key\"", "\"\""));
}
END_TEST

START_TEST(test_bearer_auth)
{
    good(URL("\"auth\":{\"bearer\":\"abc.DEF-1_2~+/=\"}"));
    ck_assert_int_eq(t->http.auth.kind, AUTH_BEARER);
    ck_assert_str_eq(t->http.auth.secret, "abc.DEF-1_2~+/=");
    good(URL("\"auth\":null"));
    ck_assert_int_eq(t->http.auth.kind, AUTH_NONE);
}
END_TEST

START_TEST(test_bad_auth_is_refused)
{
    static const struct bad bad[] = {
        {URL("\"auth\":\"ann:s3cret\""), "bad_value", "'auth' must be {"},
        {URL("\"auth\":{}"), "bad_value", "'auth' must be {"},
        {URL("\"auth\":{\"digest\":{}}"), "bad_value", "'auth' must be {"},
        {URL("\"auth\":{\"basic\":{},\"bearer\":\"x\"}"), "bad_value", "'auth' must be {"},
        {URL("\"auth\":{\"basic\":{\"user\":\"ann\"}}"), "bad_value", "'auth' must be {"},
        {URL("\"auth\":{\"basic\":{\"user\":\"ann\",\"secret\":\"s3cret\"}}"), "bad_value",
         "'auth' must be {"},
        {BASIC("\"ann\"", "53"), "bad_value", "'auth' must be {"},
        {BASIC("\"\"", "\"s3cret\""), "bad_value", "'user' in 'auth'"},
        {BASIC("\"a:b\"", "\"s3cret\""), "bad_value", "'user' in 'auth'"},
        {BASIC("\"ann\"", "\"s3cret\\n\""), "bad_value", "'password' in 'auth'"},
        {URL("\"auth\":{\"bearer\":\"s3cret x\"}"), "bad_value", "'bearer' in 'auth'"},
        {URL("\"auth\":{\"bearer\":\"\"}"), "bad_value", "'bearer' in 'auth'"},
        {URL("\"auth\":{\"bearer\":\"s3cret\\r\\nX: y\"}"), "bad_value", "'bearer' in 'auth'"},
        {URL("\"auth\":{\"bearer\":\"x\"},\"headers\":{\"authorization\":\"s3cret\"}"), "bad_value",
         "contradict"},
        {"{\"dns\":\"dns:a\",\"auth\":{\"bearer\":\"x\"}}", "unknown_field",
         "'auth' is an option of http targets"},
    };
    REFUSE_ALL(bad);
}
END_TEST

START_TEST(test_no_problem_quotes_a_credential)
{
    static const char *const given[] = {
        URL("\"auth\":\"s3cret\""),
        URL("\"auth\":{\"s3cret\":1}"),
        URL("\"auth\":{\"bearer\":[\"s3cret\"]}"),
        URL("\"auth\":{\"bearer\":\"s3cret s3cret\"}"),
        BASIC("\"ann\"", "\"s3cret\\u0001\""),
        BASIC("\"s3cret:\"", "\"x\""),
        URL("\"auth\":{\"basic\":{\"user\":\"x\",\"s3cret\":\"s3cret\"}}"),
    };
    for (size_t i = 0; i < ARRAY_LEN(given); i++) {
        ck_assert_int_eq(json(given[i]), ERR_INVALID);
        ck_assert_msg(strstr(p.detail, "s3cret") == NULL, "%s", p.detail);
    }
}
END_TEST

START_TEST(test_auth_at_its_bounds)
{
    char *s =
        repeat("{\"url\":\"http://a/\",\"auth\":{\"bearer\":\"", 'x', AUTH_SECRET_MAX, "\"}}");
    good(s);
    free(s);
    s = repeat("{\"url\":\"http://a/\",\"auth\":{\"bearer\":\"", 'x', AUTH_SECRET_MAX + 1, "\"}}");
    ck_assert_int_eq(json(s), ERR_INVALID);
    free(s);
}
END_TEST

START_TEST(test_auth_and_header_of_the_defaults_give_way)
{
    ck_assert_int_eq(defaults("{\"auth\":{\"bearer\":\"old\"}}"), ERR_NONE);
    good("http://a/");
    ck_assert_str_eq(t->http.auth.secret, "old");
    good(URL("\"headers\":{\"Authorization\":\"new\"}"));
    ck_assert_int_eq(t->http.auth.kind, AUTH_NONE);
    ck_assert_int_eq(defaults("{\"headers\":{\"Authorization\":\"old\",\"B\":\"1\"}}"), ERR_NONE);
    good(BASIC("\"ann\"", "\"x\""));
    ck_assert_int_eq(t->http.auth.kind, AUTH_BASIC);
    ck_assert_uint_eq(t->http.n_headers, 1);
    ck_assert_str_eq(t->http.headers[0].name, "B");
}
END_TEST

START_TEST(test_wire_limit_and_compression)
{
    good("http://a/");
    ck_assert(t->http.compression);
    ck_assert_int_eq(target_wire_limit(&t->http),
                     BODY_LIMIT_BYTES + BODY_LIMIT_BYTES / 8 + WIRE_SPARE_BYTES);
    good(URL("\"wire_limit\":2000,\"compression\":false"));
    ck_assert(!t->http.compression);
    ck_assert_int_eq(target_wire_limit(&t->http), 2000);
    static const struct bad bad[] = {
        {URL("\"wire_limit\":0"), "bad_value", "'wire_limit' must be an integer from 1 to"},
        {URL("\"wire_limit\":67108865"), "bad_value", "'wire_limit'"},
        {URL("\"compression\":\"gzip\""), "bad_value", "'compression' must be true or false"},
    };
    REFUSE_ALL(bad);
}
END_TEST

START_TEST(test_expected_headers)
{
    good(EXPECT("\"header\":{\"Content-Type\":\"^text/html\",\"X\":\"\"}"));
    ck_assert_uint_eq(t->http.expect.n_headers, 2);
    ck_assert_str_eq(t->http.expect.headers[0].name, "Content-Type");
    ck_assert_str_eq(t->http.expect.headers[0].regex, "^text/html");
    static const struct bad bad[] = {
        {EXPECT("\"header\":[]"), "bad_value", "'header' must be an object"},
        {EXPECT("\"header\":{\"a b\":\"x\"}"), "bad_value", "'a b' cannot be the name of a header"},
        {EXPECT("\"header\":{\"a\":\"x\",\"A\":\"y\"}"), "bad_value", "'A' is given twice"},
        {EXPECT("\"header\":{\"a\":null}"), "bad_value", "in a string, not null"},
        {EXPECT("\"header\":{\"a\":\"(\"}"), "bad_value", "'a' is not a regular expression"},
        {EXPECT("\"header\":{\"1\":\"\",\"2\":\"\",\"3\":\"\",\"4\":\"\",\"5\":\"\",\"6\":\"\","
                "\"7\":\"\",\"8\":\"\",\"9\":\"\"}"),
         "bad_value", "at most 8 members"},
    };
    REFUSE_ALL(bad);
}
END_TEST

START_TEST(test_expected_json)
{
    good(JSON_IS("{\"path\":\"$.a\",\"equals\":\"x\\\"\"},{\"path\":\"$[-1]\",\"regex\":\"y\"},"
                 "{\"path\":\"$\"},{\"path\":\"$.b\",\"exists\":false},"
                 "{\"path\":\"$.n\",\"equals\":null}"));
    const struct expect_json *j = t->http.expect.json;
    ck_assert_uint_eq(t->http.expect.n_json, 5);
    ck_assert_str_eq(j[0].equals, "\"x\\\"\"");
    ck_assert(j[0].regex == NULL && j[0].exists);
    ck_assert_str_eq(j[1].regex, "y");
    ck_assert(j[2].equals == NULL && j[2].regex == NULL && j[2].exists);
    ck_assert(!j[3].exists);
    ck_assert_str_eq(j[4].equals, "null");
}
END_TEST

START_TEST(test_bad_expected_json_is_refused)
{
    static const struct bad bad[] = {
        {EXPECT("\"json\":{}"), "bad_value", "'json' must be an array"},
        {JSON_IS("\"$.a\""), "bad_value", "item 1: must be an object"},
        {JSON_IS("{}"), "bad_value", "'path' is missing"},
        {JSON_IS("{\"path\":\"a\"}"), "bad_value", "begins with '$'"},
        {JSON_IS("{\"path\":\"$\"},{\"path\":\"$..a\"}"), "bad_value",
         "item 2: 'path': only single"},
        {JSON_IS("{\"path\":\"$\",\"equals\":[]}"), "bad_value", "null, not an array"},
        {JSON_IS("{\"path\":\"$\",\"regex\":\"(\"}"), "bad_value", "not a regular expression"},
        {JSON_IS("{\"path\":\"$\",\"exists\":1}"), "bad_value", "'exists' must be true or false"},
        {JSON_IS("{\"path\":\"$\",\"exists\":false,\"equals\":1}"), "bad_value",
         "'exists' is false"},
        {JSON_IS("{\"path\":\"$\",\"equal\":1}"), "bad_value", "unknown field 'equal'"},
    };
    REFUSE_ALL(bad);
    char *s = repeat("{\"url\":\"http://a/\",\"expect\":{\"json\":[{\"path\":\"$\",\"equals\":\"",
                     'x', REGEX_MAX + 1, "\"}]}}");
    ck_assert_int_eq(json(s), ERR_INVALID);
    free(s);
}
END_TEST

START_TEST(test_lists_of_the_target_replace_those_of_the_defaults)
{
    ck_assert_int_eq(defaults("{\"expect\":{\"header\":{\"a\":\"\",\"b\":\"\"},"
                              "\"json\":[{\"path\":\"$.a\"},{\"path\":\"$.b\"}]}}"),
                     ERR_NONE);
    good("http://a/");
    ck_assert(t->http.expect.n_headers == 2 && t->http.expect.n_json == 2);
    good(EXPECT("\"header\":{\"c\":\"\"},\"json\":[]"));
    ck_assert(t->http.expect.n_headers == 1 && t->http.expect.n_json == 0);
    ck_assert_str_eq(t->http.expect.headers[0].name, "c");
}
END_TEST

TESTS(http, test_basic_auth, test_bearer_auth, test_bad_auth_is_refused,
      test_no_problem_quotes_a_credential, test_auth_at_its_bounds,
      test_auth_and_header_of_the_defaults_give_way, test_wire_limit_and_compression,
      test_expected_headers, test_expected_json, test_bad_expected_json_is_refused,
      test_lists_of_the_target_replace_those_of_the_defaults)

static TCase *all(void)
{
    TCase *tc = http();
    tcase_add_checked_fixture(tc, NULL, teardown);
    return tc;
}
CHECK_MAIN("target_http", all)
