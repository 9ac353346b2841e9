/* SPDX-License-Identifier: MIT */
#include "agent/policy/policy.h"
#include "tests/support/check_main.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static struct ip ip_of(const char *text)
{
    struct ip ip;
    ck_assert_msg(ip_parse(text, &ip) == ERR_NONE, "bad address in test: %s", text);
    return ip;
}

static struct cidr cidr_of(const char *text)
{
    struct cidr c;
    ck_assert_msg(cidr_parse(text, &c) == ERR_NONE, "bad prefix in test: %s", text);
    return c;
}

static enum cause verdict(struct policy *p, const char *addr)
{
    struct ip ip = ip_of(addr);
    return policy_check(p, &ip, 80);
}

static void denied(struct policy *p, const char *addr)
{
    ck_assert_msg(verdict(p, addr) == CAUSE_policy_address, "%s is not denied", addr);
}

static void allowed(struct policy *p, const char *addr)
{
    ck_assert_msg(verdict(p, addr) == CAUSE_NONE, "%s is not allowed", addr);
}

static struct policy *default_policy(void)
{
    struct policy_config c = {0};
    return policy_create(&c);
}

static struct policy *policy_with(const char *allow, const char *deny, bool dev)
{
    struct cidr a = {0}, d = {0};
    struct policy_config c = {.allow = &a, .deny = &d, .dev = dev};
    if (allow) {
        a = cidr_of(allow);
        c.n_allow = 1;
    }
    if (deny) {
        d = cidr_of(deny);
        c.n_deny = 1;
    }
    return policy_create(&c);
}

/* Of each range: the last address before it, its first, its last, the first behind it; NULL where a
 * neighbour is denied for its own reasons. */
static const struct {
    const char *before, *first, *last, *after;
} v4_ranges[] = {
    {NULL, "0.0.0.0", "0.255.255.255", "1.0.0.0"},
    {"9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
    {"100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"},
    {"126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"},
    {"168.63.129.15", "168.63.129.16", "168.63.129.16", "168.63.129.17"},
    {"169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"},
    {"172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"},
    {"191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"},
    {"192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"},
    {"192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"},
    {"192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"},
    {"198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"},
    {"198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"},
    {"203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"},
    {"223.255.255.255", "224.0.0.0", "239.255.255.255", NULL},
    {NULL, "240.0.0.0", "255.255.255.255", NULL},
};

START_TEST(test_v4_ranges_end_where_they_end)
{
    struct policy *p = default_policy();
    for (size_t i = 0; i < ARRAY_LEN(v4_ranges); i++) {
        denied(p, v4_ranges[i].first);
        denied(p, v4_ranges[i].last);
        if (v4_ranges[i].before)
            allowed(p, v4_ranges[i].before);
        if (v4_ranges[i].after)
            allowed(p, v4_ranges[i].after);
    }
    policy_destroy(&p);
}
END_TEST

static const struct {
    const char *before, *first, *last, *after;
} v6_ranges[] = {
    {NULL, "::", "::", NULL},
    {NULL, "::1", "::1", NULL},
    {"64:ff9b:0:ffff:ffff:ffff:ffff:ffff", "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
     "64:ff9b:2::"},
    {"ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "100::", "100::ffff:ffff:ffff:ffff", "100:0:0:1::"},
    {"2001:1:ffff:ffff:ffff:ffff:ffff:ffff", "2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff",
     "2001:2:1::"},
    {"2001:f:ffff:ffff:ffff:ffff:ffff:ffff", "2001:10::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff",
     "2001:30::"},
    {"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
     "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"},
    {"3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
     "3fff:1000::"},
    {"5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
     "5f01::"},
    {"fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
     "fe00::"},
    {"fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
     NULL},
    {NULL, "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
    {NULL, "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL},
};

START_TEST(test_v6_ranges_end_where_they_end)
{
    struct policy *p = default_policy();
    for (size_t i = 0; i < ARRAY_LEN(v6_ranges); i++) {
        denied(p, v6_ranges[i].first);
        denied(p, v6_ranges[i].last);
        if (v6_ranges[i].before)
            allowed(p, v6_ranges[i].before);
        if (v6_ranges[i].after)
            allowed(p, v6_ranges[i].after);
    }
    policy_destroy(&p);
}
END_TEST

START_TEST(test_public_addresses_are_allowed)
{
    struct policy *p = default_policy();
    static const char *const good[] = {
        "1.1.1.1",     "8.8.8.8", "93.184.216.34", "2606:4700::1111", "2001:4860:4860::8888",
        "2a00:1450::1"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        allowed(p, good[i]);
    policy_destroy(&p);
}
END_TEST

START_TEST(test_metadata_services_are_denied)
{
    struct policy *p = default_policy();
    static const char *const bad[] = {"169.254.169.254", "100.100.100.200", "192.0.0.192",
                                      "168.63.129.16",   "fd00:ec2::254",   "169.254.170.2"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        denied(p, bad[i]);
    policy_destroy(&p);
}
END_TEST

/* Pairs: the form around 127.0.0.1 or 10.0.0.1 is denied, around 8.8.8.8 it is not. */
static const struct {
    const char *form, *bad, *good;
} embedded[] = {
    {"mapped", "::ffff:127.0.0.1", "::ffff:8.8.8.8"},
    {"mapped, hex", "::ffff:a00:1", "::ffff:808:808"},
    {"compatible", "::127.0.0.1", "::8.8.8.8"},
    {"translated", "::ffff:0:10.0.0.1", "::ffff:0:8.8.8.8"},
    {"nat64", "64:ff9b::10.0.0.1", "64:ff9b::8.8.8.8"},
    {"nat64, metadata", "64:ff9b::169.254.169.254", "64:ff9b::169.255.0.0"},
    {"6to4", "2002:7f00:1::1", "2002:808:808::1"},
    {"6to4, private", "2002:c0a8:101::", "2002:c0a9:101::"},
    {"teredo server", "2001:0:a00:1::f7f7:f7f7", "2001:0:808:808::f7f7:f7f7"},
    {"teredo client", "2001:0:808:808::f5ff:fffe", "2001:0:808:808::f7f7:f7f7"},
    {"isatap", "2a00:1450::5efe:10.0.0.1", "2a00:1450::5efe:8.8.8.8"},
    {"isatap, unique", "2a00:1450::200:5efe:10.0.0.1", "2a00:1450::200:5efe:8.8.8.8"},
    {"isatap in 6to4", "2002:808:808::5efe:10.0.0.1", "2002:808:808::5efe:8.8.8.8"},
};

START_TEST(test_embedded_forms_are_unwrapped)
{
    struct policy *p = default_policy();
    for (size_t i = 0; i < ARRAY_LEN(embedded); i++) {
        ck_assert_msg(verdict(p, embedded[i].bad) == CAUSE_policy_address, "%s: %s passed",
                      embedded[i].form, embedded[i].bad);
        ck_assert_msg(verdict(p, embedded[i].good) == CAUSE_NONE, "%s: %s was denied",
                      embedded[i].form, embedded[i].good);
    }
    policy_destroy(&p);
}
END_TEST

START_TEST(test_every_denied_v4_range_is_denied_in_every_form)
{
    struct policy *p = default_policy();
    for (size_t i = 0; i < ARRAY_LEN(v4_ranges); i++) {
        struct ip v4 = ip_of(v4_ranges[i].last);
        const uint8_t *b = v4.bytes;
        char text[6][80];
        snprintf(text[0], 80, "::ffff:%s", v4_ranges[i].last);
        snprintf(text[1], 80, "64:ff9b::%s", v4_ranges[i].last);
        snprintf(text[2], 80, "2002:%02x%02x:%02x%02x::", b[0], b[1], b[2], b[3]);
        snprintf(text[3], 80, "2001:0:%02x%02x:%02x%02x::f7f7:f7f7", b[0], b[1], b[2], b[3]);
        snprintf(text[4], 80, "2001:0:808:808::%02x%02x:%02x%02x", b[0] ^ 255, b[1] ^ 255,
                 b[2] ^ 255, b[3] ^ 255);
        snprintf(text[5], 80, "2a00::5efe:%s", v4_ranges[i].last);
        for (size_t k = 0; k < ARRAY_LEN(text); k++)
            denied(p, text[k]);
    }
    policy_destroy(&p);
}
END_TEST

START_TEST(test_dev_allows_loopback_only)
{
    struct policy *p = policy_with(NULL, NULL, true);
    allowed(p, "127.0.0.1");
    allowed(p, "127.255.255.255");
    allowed(p, "::1");
    allowed(p, "::ffff:127.0.0.1");
    denied(p, "10.0.0.1");
    denied(p, "169.254.169.254");
    denied(p, "fe80::1");
    denied(p, "::");
    policy_destroy(&p);
}
END_TEST

START_TEST(test_allow_lifts_its_prefix_only)
{
    struct policy *p = policy_with("10.1.0.0/16", NULL, false);
    allowed(p, "10.1.0.0");
    allowed(p, "10.1.255.255");
    denied(p, "10.0.255.255");
    denied(p, "10.2.0.0");
    policy_destroy(&p);
}
END_TEST

START_TEST(test_allow_of_v4_lifts_its_embedded_forms)
{
    struct policy *p = policy_with("10.1.0.0/16", NULL, false);
    allowed(p, "::ffff:10.1.2.3");
    allowed(p, "64:ff9b::10.1.2.3");
    denied(p, "::ffff:10.2.2.3");
    policy_destroy(&p);
}
END_TEST

START_TEST(test_allow_of_v4_does_not_lift_a_denied_v6_prefix)
{
    struct policy *p = policy_with("10.1.0.0/16", NULL, false);
    denied(p, "fe80::5efe:10.1.2.3");
    policy_destroy(&p);
}
END_TEST

START_TEST(test_one_allowed_embedded_address_does_not_cover_the_other)
{
    struct policy *p = policy_with("10.1.0.0/16", NULL, false);
    denied(p, "2001:0:a01:1::80ff:fffe"); /* Teredo: server 10.1.0.1, client 127.0.0.1 */
    policy_destroy(&p);
}
END_TEST

START_TEST(test_allow_of_v6_prefix_covers_what_it_embeds)
{
    struct policy *p = policy_with("64:ff9b:1::/48", NULL, false);
    allowed(p, "64:ff9b:1::10.0.0.1");
    denied(p, "64:ff9b::10.0.0.1");
    policy_destroy(&p);
}
END_TEST

START_TEST(test_deny_beats_allow)
{
    struct policy *p = policy_with("10.0.0.0/8", "10.1.0.0/16", false);
    allowed(p, "10.2.0.1");
    denied(p, "10.1.0.1");
    policy_destroy(&p);
}
END_TEST

START_TEST(test_deny_reaches_embedded_forms)
{
    struct policy *p = policy_with(NULL, "8.8.8.0/24", false);
    denied(p, "8.8.8.8");
    denied(p, "::ffff:8.8.8.8");
    denied(p, "64:ff9b::8.8.8.8");
    denied(p, "2002:808:808::1");
    allowed(p, "8.8.9.8");
    policy_destroy(&p);
}
END_TEST

START_TEST(test_deny_reaches_local_nat64_at_every_length)
{
    struct cidr a = cidr_of("64:ff9b:1::/48"), d = cidr_of("8.8.8.0/24");
    struct policy_config c = {.allow = &a, .n_allow = 1, .deny = &d, .n_deny = 1};
    struct policy *p = policy_create(&c);
    denied(p, "64:ff9b:1:808:8:800::");   /* /48 */
    denied(p, "64:ff9b:1:8:8:808::");     /* /56 */
    denied(p, "64:ff9b:1:0:8:808:800:0"); /* /64 */
    denied(p, "64:ff9b:1::808:808");      /* /96 */
    allowed(p, "64:ff9b:1::808:908");
    policy_destroy(&p);
}
END_TEST

START_TEST(test_deny_beats_dev)
{
    struct policy *p = policy_with(NULL, "127.0.0.2", true);
    denied(p, "127.0.0.2");
    allowed(p, "127.0.0.1");
    policy_destroy(&p);
}
END_TEST

START_TEST(test_master_deny_beats_allow)
{
    struct policy *p = policy_with("10.0.0.0/8", NULL, false);
    struct cidr d = cidr_of("10.3.0.0/16");
    policy_set_master_deny(p, &d, 1);
    denied(p, "10.3.0.1");
    allowed(p, "10.4.0.1");
    policy_destroy(&p);
}
END_TEST

START_TEST(test_master_deny_is_replaced_not_added)
{
    struct policy *p = default_policy();
    struct cidr one = cidr_of("8.8.8.0/24"), two = cidr_of("9.9.9.0/24");
    policy_set_master_deny(p, &one, 1);
    policy_set_master_deny(p, &two, 1);
    allowed(p, "8.8.8.8");
    denied(p, "9.9.9.9");
    policy_set_master_deny(p, NULL, 0);
    allowed(p, "9.9.9.9");
    policy_destroy(&p);
}
END_TEST

START_TEST(test_master_cannot_lift_a_default)
{
    struct policy *p = default_policy();
    policy_set_master_deny(p, NULL, 0);
    denied(p, "10.0.0.1");
    policy_destroy(&p);
}
END_TEST

struct reader {
    struct policy *policy;
    atomic_bool stop;
};

static void *read_until_stopped(void *arg)
{
    struct reader *r = arg;
    struct ip always = ip_of("8.8.8.8"), other = ip_of("9.9.9.9");
    uintptr_t wrong = 0;
    while (!atomic_load(&r->stop)) {
        wrong += policy_check(r->policy, &always, 80) != CAUSE_policy_address;
        (void)policy_check(r->policy, &other, 80);
    }
    return (void *)wrong;
}

START_TEST(test_readers_never_see_half_a_table)
{
    struct reader r = {.policy = default_policy()};
    struct cidr tables[2][2] = {{cidr_of("8.8.8.0/24"), cidr_of("9.0.0.0/8")},
                                {cidr_of("1.0.0.0/8"), cidr_of("8.8.8.8")}};
    policy_set_master_deny(r.policy, tables[0], 2);
    pthread_t t;
    PTOK(pthread_create(&t, NULL, read_until_stopped, &r));
    for (int i = 0; i < 2000; i++)
        policy_set_master_deny(r.policy, tables[i % 2], 2);
    atomic_store(&r.stop, true);
    void *wrong;
    PTOK(pthread_join(t, &wrong));
    ck_assert_uint_eq((uintptr_t)wrong, 0);
    policy_destroy(&r.policy);
}
END_TEST

TESTS(defaults, test_v4_ranges_end_where_they_end, test_v6_ranges_end_where_they_end,
      test_public_addresses_are_allowed, test_metadata_services_are_denied)
TESTS(embedding, test_embedded_forms_are_unwrapped,
      test_every_denied_v4_range_is_denied_in_every_form)
TESTS(configured, test_dev_allows_loopback_only, test_allow_lifts_its_prefix_only,
      test_allow_of_v4_lifts_its_embedded_forms, test_allow_of_v4_does_not_lift_a_denied_v6_prefix,
      test_one_allowed_embedded_address_does_not_cover_the_other,
      test_allow_of_v6_prefix_covers_what_it_embeds, test_deny_beats_allow,
      test_deny_reaches_embedded_forms, test_deny_reaches_local_nat64_at_every_length,
      test_deny_beats_dev)
TESTS(master, test_master_deny_beats_allow, test_master_deny_is_replaced_not_added,
      test_master_cannot_lift_a_default, test_readers_never_see_half_a_table)
CHECK_MAIN("policy", defaults, embedding, configured, master)
