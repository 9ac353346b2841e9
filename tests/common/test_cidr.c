/* SPDX-License-Identifier: MIT */
#include "tests/support/check_main.h"
#include <string.h>
#include <sys/un.h>
#include "common/cidr.h"

static struct ip ip(const char *text)
{
    struct ip v;
    ck_assert_msg(ip_parse(text, &v) == ERR_NONE, "%s", text);
    return v;
}

static bool contains(const char *prefix, const char *address)
{
    struct cidr c;
    struct ip v = ip(address);
    ck_assert_msg(cidr_parse(prefix, &c) == ERR_NONE, "%s", prefix);
    return cidr_contains(&c, &v);
}

START_TEST(test_addresses_survive_a_round_trip)
{
    static const char *const all[] = {
        "0.0.0.0", "192.0.2.7", "::", "::1", "2001:db8::f", "::ffff:1.2.3.4"};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        char text[IP_TEXT_MAX];
        struct ip v = ip(all[i]);
        ck_assert_str_eq(ip_format(&v, text), all[i]);
    }
}
END_TEST

START_TEST(test_odd_addresses_are_refused)
{
    static const char *const bad[] = {"",      "1.2.3",    "1.2.3.4.5", "256.1.1.1", "0x7f.1",
                                      "127.1", "01.2.3.4", " 1.2.3.4",  "1.2.3.4 ",  "fe80::1%eth0",
                                      "[::1]", ":::",      "2130706433"};
    struct ip v;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(ip_parse(bad[i], &v) == ERR_INVALID, "accepted %s", bad[i]);
}
END_TEST

START_TEST(test_how_far_away_an_address_can_be)
{
    static const struct {
        const char *text;
        enum ip_scope scope;
    } all[] = {
        {"127.0.0.1", IP_LOOPBACK},
        {"127.255.0.1", IP_LOOPBACK},
        {"::1", IP_LOOPBACK},
        {"::ffff:127.0.0.1", IP_LOOPBACK},
        {"10.1.2.3", IP_PRIVATE},
        {"172.16.0.1", IP_PRIVATE},
        {"172.31.255.1", IP_PRIVATE},
        {"172.32.0.1", IP_GLOBAL},
        {"192.168.1.1", IP_PRIVATE},
        {"192.169.1.1", IP_GLOBAL},
        {"100.64.0.1", IP_PRIVATE},
        {"100.128.0.1", IP_GLOBAL},
        {"169.254.1.1", IP_PRIVATE},
        {"198.51.100.1", IP_GLOBAL},
        {"fd00::1", IP_PRIVATE},
        {"fe80::1", IP_PRIVATE},
        {"febf::1", IP_PRIVATE},
        {"fec0::1", IP_GLOBAL},
        {"::ffff:10.0.0.1", IP_PRIVATE},
        {"2001:db8::1", IP_GLOBAL},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct ip v = ip(all[i].text);
        ck_assert_msg(ip_scope(&v) == all[i].scope, "%s", all[i].text);
    }
}
END_TEST

START_TEST(test_prefix_holds_its_addresses_only)
{
    ck_assert(contains("10.0.0.0/8", "10.255.0.1"));
    ck_assert(!contains("10.0.0.0/8", "11.0.0.0"));
    ck_assert(contains("100.64.0.0/10", "100.127.255.255"));
    ck_assert(!contains("100.64.0.0/10", "100.128.0.0"));
    ck_assert(contains("fc00::/7", "fdff::1"));
    ck_assert(!contains("fc00::/7", "fe00::"));
}
END_TEST

START_TEST(test_empty_and_full_prefixes)
{
    ck_assert(contains("0.0.0.0/0", "255.1.2.3"));
    ck_assert(contains("::/0", "ffff::"));
    ck_assert(contains("1.2.3.4/32", "1.2.3.4"));
    ck_assert(contains("::1", "::1"));
    ck_assert(!contains("::1", "::2"));
}
END_TEST

START_TEST(test_families_do_not_mix)
{
    ck_assert(!contains("0.0.0.0/0", "::ffff:1.2.3.4"));
    ck_assert(!contains("::/0", "1.2.3.4"));
}
END_TEST

START_TEST(test_odd_prefixes_are_refused)
{
    static const char *const bad[] = {
        "10.0.0.1/8",   "10.0.0.0/33", "::/129", "10.0.0.0/",      "10.0.0.0/-1", "10.0.0.0/08",
        "10.0.0.0/8/8", "/8",          "",       "2001:db8::1/64", "10.0.0.0/ 8", "10.128.0.0/8"};
    struct cidr c;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(cidr_parse(bad[i], &c) == ERR_INVALID, "accepted %s", bad[i]);
}
END_TEST

static void addr_is(const char *text, const char *expected)
{
    struct ip v;
    uint16_t port;
    char out[ADDR_TEXT_MAX];
    ck_assert_msg(addr_parse(text, 53, &v, &port) == ERR_NONE, "%s", text);
    ck_assert_str_eq(addr_format(&v, port, out), expected);
}

START_TEST(test_addr_with_and_without_port)
{
    addr_is("1.2.3.4", "1.2.3.4:53");
    addr_is("1.2.3.4:8053", "1.2.3.4:8053");
    addr_is("[::1]:99", "[::1]:99");
    addr_is("[::1]", "[::1]:53");
    addr_is("::1", "[::1]:53");
}
END_TEST

START_TEST(test_odd_addrs_are_refused)
{
    static const char *const bad[] = {"",           ":53",          "1.2.3.4:",    "1.2.3.4:65536",
                                      "1.2.3.4:-1", "[1.2.3.4]:5",  "[::1",        "[::1]x",
                                      "[::1]:",     "localhost:53", "1.2.3.4:5:6", "1.2.3.4:5x"};
    struct ip v;
    uint16_t port;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(addr_parse(bad[i], 53, &v, &port) == ERR_INVALID, "accepted %s", bad[i]);
}
END_TEST

START_TEST(test_sockaddr_round_trip)
{
    static const char *const all[] = {"192.0.2.7", "2001:db8::f"};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct sockaddr_storage ss;
        socklen_t len;
        struct ip in = ip(all[i]), out;
        uint16_t port = 0;
        ip_to_sockaddr(&in, 4711, &ss, &len);
        ck_assert(ip_from_sockaddr((struct sockaddr *)&ss, &out, &port));
        ck_assert(ip_equal(&in, &out));
        ck_assert_uint_eq(port, 4711);
    }
}
END_TEST

START_TEST(test_other_sockaddrs_are_no_ip)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    struct ip v;
    uint16_t port;
    ck_assert(!ip_from_sockaddr((struct sockaddr *)&sun, &v, &port));
}
END_TEST

TESTS(addresses, test_addresses_survive_a_round_trip, test_odd_addresses_are_refused,
      test_addr_with_and_without_port, test_odd_addrs_are_refused, test_sockaddr_round_trip,
      test_other_sockaddrs_are_no_ip)
TESTS(prefixes, test_how_far_away_an_address_can_be, test_prefix_holds_its_addresses_only,
      test_empty_and_full_prefixes, test_families_do_not_mix, test_odd_prefixes_are_refused)
CHECK_MAIN("cidr", addresses, prefixes)
