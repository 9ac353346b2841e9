/* SPDX-License-Identifier: MIT */
#include "agent/link/master_url.h"
#include "tests/support/check_main.h"
#include <string.h>

static struct master_url u;
static char why[512];

START_TEST(port_and_path_have_defaults)
{
    ck_assert_int_eq(master_url_parse("wss://sonde.example.com", &u, why, sizeof(why)), ERR_NONE);
    ck_assert(u.tls);
    ck_assert_uint_eq(u.port, 443);
    ck_assert_str_eq(u.path, "/ws");
    ck_assert_str_eq(u.authority, "sonde.example.com");
}
END_TEST

START_TEST(port_and_path_are_taken)
{
    ck_assert_int_eq(master_url_parse("ws://127.0.0.1:8701/a/b", &u, why, sizeof(why)), ERR_NONE);
    ck_assert(!u.tls);
    ck_assert_str_eq(u.host, "127.0.0.1");
    ck_assert_uint_eq(u.port, 8701);
    ck_assert_str_eq(u.path, "/a/b");
    ck_assert_str_eq(u.authority, "127.0.0.1:8701");
}
END_TEST

START_TEST(ipv6_stands_in_brackets)
{
    ck_assert_int_eq(master_url_parse("ws://[::1]:9/ws", &u, why, sizeof(why)), ERR_NONE);
    ck_assert_str_eq(u.host, "::1");
    ck_assert_str_eq(u.authority, "[::1]:9");
}
END_TEST

static const char *const refused[] = {"",
                                      "http://a/ws",
                                      "ws://",
                                      "ws:///ws",
                                      "ws://a:0/ws",
                                      "ws://a:65536/ws",
                                      "ws://a:x/ws",
                                      "ws://a:/ws",
                                      "ws://user:pw@a/ws",
                                      "ws://a/ws?token=x",
                                      "ws://a b/ws",
                                      "ws://[::1/ws",
                                      "ws://[::1]x/ws",
                                      "ws://[zz]/ws",
                                      "ws://a%20b/ws",
                                      "ws://a:1:2/ws"};

START_TEST(nonsense_is_refused_with_the_way_to_write_it)
{
    why[0] = '\0';
    ck_assert_int_eq(master_url_parse(refused[_i], &u, why, sizeof(why)), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(why, "wss://sonde.example.com/ws"));
}
END_TEST

START_TEST(a_long_host_is_refused)
{
    char text[1024] = "ws://";
    memset(text + 5, 'a', 600);
    ck_assert_int_eq(master_url_parse(text, &u, why, sizeof(why)), ERR_INVALID);
}
END_TEST

TESTS(good, port_and_path_have_defaults, port_and_path_are_taken, ipv6_stands_in_brackets)
TESTS(bad, a_long_host_is_refused)
static TCase *bad_each(void)
{
    TCase *tc = bad();
    tcase_add_loop_test(tc, nonsense_is_refused_with_the_way_to_write_it, 0,
                        (int)(sizeof(refused) / sizeof(refused[0])));
    return tc;
}
CHECK_MAIN("master_url", good, bad_each)
