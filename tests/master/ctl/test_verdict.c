/* SPDX-License-Identifier: MIT */
#include "master/ctl/client.h"
#include "tests/support/check_main.h"
#include <curl/curl.h>

START_TEST(test_good_answers_end_with_0)
{
    ck_assert_int_eq(client_exit_code(200), EXIT_ALL_OK);
    ck_assert_int_eq(client_exit_code(202), EXIT_ALL_OK);
}
END_TEST

START_TEST(test_bad_input_ends_with_2)
{
    static const long all[] = {400, 404, 405, 409, 413, 415, 422};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        ck_assert_int_eq(client_exit_code(all[i]), EXIT_USAGE);
}
END_TEST

START_TEST(test_a_busy_or_absent_master_ends_with_3)
{
    ck_assert_int_eq(client_exit_code(429), EXIT_UNREACHABLE);
    ck_assert_int_eq(client_exit_code(502), EXIT_UNREACHABLE);
    ck_assert_int_eq(client_exit_code(503), EXIT_UNREACHABLE);
}
END_TEST

START_TEST(test_token_trouble_ends_with_4)
{
    ck_assert_int_eq(client_exit_code(401), EXIT_AUTH);
    ck_assert_int_eq(client_exit_code(403), EXIT_AUTH);
}
END_TEST

START_TEST(test_a_passed_time_ends_with_5)
{
    ck_assert_int_eq(client_exit_code(504), EXIT_DEADLINE);
}
END_TEST

START_TEST(test_a_fault_of_the_master_ends_with_1)
{
    ck_assert_int_eq(client_exit_code(500), EXIT_SOME_FAILED);
    ck_assert_int_eq(client_exit_code(507), EXIT_SOME_FAILED);
}
END_TEST

START_TEST(test_waiting_helps_only_when_the_master_is_away)
{
    struct client_reply r = {.status = 503};
    ck_assert(client_is_away(&r));
    r = (struct client_reply){.curl = CURLE_COULDNT_CONNECT};
    ck_assert(client_is_away(&r));
    r = (struct client_reply){.status = 404};
    ck_assert(!client_is_away(&r));
    r = (struct client_reply){.curl = CURLE_PEER_FAILED_VERIFICATION};
    ck_assert(!client_is_away(&r));
    r = (struct client_reply){.curl = CURLE_ABORTED_BY_CALLBACK, .interrupted = true};
    ck_assert(!client_is_away(&r));
}
END_TEST

/* The exit code that a client made of this URL gets. */
static int create_code(const char *url)
{
    struct ctl c = {.o = {.url = (char *)url}};
    int code = -1;
    struct client *cl = client_create(&c, &code);
    client_destroy(&cl);
    return code;
}

START_TEST(test_a_url_without_a_scheme_is_refused)
{
    unsetenv("SONDE_TOKEN");
    ck_assert_int_eq(create_code("ftp://master/"), EXIT_USAGE);
    ck_assert_int_eq(create_code("master:8700"), EXIT_USAGE);
    ck_assert_int_eq(create_code("http://master:8700/"), EXIT_ALL_OK);
    ck_assert_int_eq(create_code("unix:/run/sonde"), EXIT_ALL_OK);
}
END_TEST

START_TEST(test_a_token_cannot_smuggle_a_header)
{
    setenv("SONDE_TOKEN", "abc\r\nX-Evil: 1", 1);
    ck_assert_int_eq(create_code("http://master"), EXIT_AUTH);
}
END_TEST

START_TEST(test_a_missing_token_file_ends_with_4)
{
    struct ctl c = {
        .o = {.url = (char *)"http://master", .token_file = (char *)"/nonexistent/token"}};
    int code = -1;
    unsetenv("SONDE_TOKEN");
    ck_assert_ptr_null(client_create(&c, &code));
    ck_assert_int_eq(code, EXIT_AUTH);
}
END_TEST

TESTS(codes, test_good_answers_end_with_0, test_bad_input_ends_with_2,
      test_a_busy_or_absent_master_ends_with_3, test_token_trouble_ends_with_4,
      test_a_passed_time_ends_with_5, test_a_fault_of_the_master_ends_with_1,
      test_waiting_helps_only_when_the_master_is_away)
TESTS(client, test_a_url_without_a_scheme_is_refused, test_a_token_cannot_smuggle_a_header,
      test_a_missing_token_file_ends_with_4)
CHECK_MAIN("ctl verdict", codes, client)
