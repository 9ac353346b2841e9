/* SPDX-License-Identifier: MIT */
#include "master/api/host_filter.h"
#include "proto/target.h"
#include "tests/support/check_main.h"
#include <string.h>

static bool finds(const char *host, const char *uri)
{
    uint64_t hashes[HOST_HASHES_MAX];
    struct target *t = NULL;
    struct target_problem p;
    ck_assert_int_eq(target_from_text(uri, strlen(uri), NULL, &t, &p), ERR_NONE);
    uint64_t wanted = target_host_hash(t);
    target_destroy(&t);
    bool found = false;
    for (unsigned i = host_filter_hashes(host, hashes); i > 0; i--)
        found |= hashes[i - 1] == wanted;
    return found;
}

START_TEST(test_a_name_finds_its_urls_and_questions_about_it)
{
    ck_assert(finds("a.test", "https://A.test:8443/x?y"));
    ck_assert(finds("A.TEST", "http://a.test/"));
    ck_assert(finds("a.test", "dns:a.test?type=MX"));
    ck_assert(finds("m\xc3\xbcnchen.test", "http://xn--mnchen-3ya.test/"));
    ck_assert(!finds("a.test", "http://b.test/"));
    ck_assert(!finds("a.test", "http://www.a.test/"));
}
END_TEST

START_TEST(test_an_address_finds_its_urls_and_questions_to_it)
{
    ck_assert(finds("192.0.2.1", "http://192.0.2.1:81/"));
    ck_assert(finds("192.0.2.1", "dns://192.0.2.1/a.test"));
    ck_assert(finds("192.0.2.1:5353", "dns://192.0.2.1:5353/a.test"));
    ck_assert(!finds("192.0.2.1", "dns://192.0.2.1:5353/a.test"));
    ck_assert(finds("2001:db8::1", "http://[2001:db8::1]/"));
    ck_assert(finds("[2001:db8::1]", "http://[2001:db8::1]/"));
    ck_assert(finds("2001:db8::1", "dns://[2001:db8::1]/a.test"));
}
END_TEST

START_TEST(test_what_is_no_host_finds_nothing)
{
    static const char *const bad[] = {"",         "http://a.test/", "a.test/x", "a b",
                                      "u@a.test", "a.test:80",      "[",        "]",
                                      ":",        "::::",           "a..test"};
    uint64_t hashes[HOST_HASHES_MAX];
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(host_filter_hashes(bad[i], hashes) == 0, "'%s'", bad[i]);
}
END_TEST

TESTS(host_filter, test_a_name_finds_its_urls_and_questions_about_it,
      test_an_address_finds_its_urls_and_questions_to_it, test_what_is_no_host_finds_nothing)
CHECK_MAIN("host_filter", host_filter)
