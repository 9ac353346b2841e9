/* SPDX-License-Identifier: MIT */
#include "tests/support/check_main.h"
#include "agent/link/canary.h"
#include <string.h>

static enum vital vital_of_text(const char *text)
{
    enum vital v = VITAL_NONE;
    char why[400];
    ck_assert_msg(canary_check(text, &v, why, sizeof(why)) == ERR_NONE, "%s: %s", text, why);
    return v;
}

START_TEST(a_canary_is_of_the_network_of_its_address)
{
    ck_assert_int_eq(vital_of_text("http://198.51.100.1/"), VITAL_V4);
    ck_assert_int_eq(vital_of_text("https://10.0.0.1:8443/x"), VITAL_V4_PRIVATE);
    ck_assert_int_eq(vital_of_text("dns://[2001:db8::1]/.?type=NS"), VITAL_V6);
    ck_assert_int_eq(vital_of_text("dns://[fd00::1]:5353/a.test"), VITAL_V6_PRIVATE);
    ck_assert_int_eq(vital_of_text("dns:example.com?type=A"), VITAL_RESOLVER);
}
END_TEST

START_TEST(a_canary_that_shows_nothing_is_refused)
{
    static const char *const bad[] = {"http://example.com/", "http://127.0.0.1/",
                                      "dns://[::1]/a.test",  "example.com",
                                      "ftp://198.51.100.1/", ""};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        enum vital v;
        char why[400] = "";
        ck_assert_msg(canary_check(bad[i], &v, why, sizeof(why)) == ERR_INVALID, "%s", bad[i]);
        ck_assert_msg(why[0] != '\0', "%s", bad[i]);
    }
}
END_TEST

START_TEST(the_resolver_has_one_in_any_case)
{
    const char *const net[] = {"http://198.51.100.1/"}, *const own[] = {"dns:a.test"};
    struct canaries c;
    canaries_init(&c, net, 1);
    ck_assert_uint_eq(canaries_covered(&c), 1u << VITAL_V4 | 1u << VITAL_RESOLVER);
    ck_assert_str_eq(c.list[1].text, "dns:.?type=NS");
    canaries_fini(&c);
    canaries_init(&c, own, 1);
    ck_assert_uint_eq(c.n, 1);
    canaries_fini(&c);
}
END_TEST

TESTS(all, a_canary_is_of_the_network_of_its_address, a_canary_that_shows_nothing_is_refused,
      the_resolver_has_one_in_any_case)
CHECK_MAIN("canary", all)
