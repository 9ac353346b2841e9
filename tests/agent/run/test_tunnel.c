/* SPDX-License-Identifier: MIT */
#include "agent/run/tunnel.h"

#include "tests/support/check_main.h"
#include "tests/support/dns_server.h"
#include "tests/support/mini_proxy.h"

#include <string.h>
#include <unistd.h>

/* Where the proxy of these tests never connects to: it answers by itself. */
#define TARGET      "127.0.0.7"
#define TARGET_PORT 443

static struct mini_proxy proxy;
static struct dns_server dns;
static char host[64], user[] = "ann", password[] = "pa55", wrong[] = "wr0ng";
static struct target_proxy to; /* the proxy as a target names it */
static struct probe_env env;
static struct tunnel tunnel;
static unsigned calls;
static bool starting;

static void on_done(struct tunnel *t)
{
    ck_assert(!starting && !tunnel_under_way(t));
    calls++;
    loop_stop(env.loop);
}

static void use_policy(const char *deny)
{
    struct cidr denied;
    policy_destroy(&env.policy);
    if (deny)
        ck_assert_int_eq(cidr_parse(deny, &denied), ERR_NONE);
    env.policy = policy_create(
        &(struct policy_config){.dev = true, .deny = &denied, .n_deny = deny != NULL});
}

static void setup(void)
{
    char servers[32];
    proxy = (struct mini_proxy){.ways = {.first_bytes = "hello"}};
    mini_proxy_start(&proxy);
    dns_server_start(&dns);
    snprintf(servers, sizeof(servers), "127.0.0.1:%u", dns.port);
    snprintf(host, sizeof(host), "127.0.0.1");
    to = (struct target_proxy){.kind = PROXY_HTTP, .host = host, .port = proxy.port};
    env = (struct probe_env){.loop = loop_create(NULL, NULL)};
    env.resolver = resolver_create(env.loop, &(struct resolver_config){.servers = servers});
    use_policy(NULL);
    tunnel = (struct tunnel){.done = on_done};
    calls = 0;
}

static void teardown(void)
{
    resolver_destroy(&env.resolver);
    loop_destroy(&env.loop);
    policy_destroy(&env.policy);
    dns_server_stop(&dns);
}

static void start(const char *const *addrs, unsigned n, int timeout_ms)
{
    struct ip ips[RESOLVE_ADDRS_MAX];
    for (unsigned i = 0; i < n; i++)
        ck_assert_int_eq(ip_parse(addrs[i], &ips[i]), ERR_NONE);
    starting = true;
    tunnel_start(
        &tunnel, &env,
        &(struct tunnel_to){&to, ips, n, TARGET_PORT, mono_add_ms(mono_now(), timeout_ms)});
    starting = false;
}

static void run(void)
{
    loop_run(env.loop);
    ck_assert_uint_eq(calls, 1);
    ck_assert_int_eq(tunnel.fd >= 0, tunnel.cause == CAUSE_NONE && !tunnel.cancelled);
    ck_assert_int_eq(tunnel.detail[0] != '\0', tunnel.cause != CAUSE_NONE);
    calls = 0;
}

static void go(const char *const *addrs, unsigned n)
{
    start(addrs, n, 5000);
    run();
}

static void go_one(void)
{
    go((const char *const[]){TARGET}, 1);
}

static void ends(enum cause want, const char *words)
{
    char name[PROXY_NAME_MAX];
    ck_assert_msg(tunnel.cause == want, "%s (%s)", tunnel.cause ? cause_word(tunnel.cause) : "none",
                  tunnel.detail);
    ck_assert_msg(strstr(tunnel.detail, words) != NULL, "%s", tunnel.detail);
    ck_assert_msg(strstr(tunnel.detail, target_proxy_name(&to, name)) != NULL, "%s", tunnel.detail);
}

/* The tunnel stands, and its first bytes are there to the last. */
static void stands(const char *first)
{
    char bytes[64];
    size_t n = 0, want = strlen(first);
    ck_assert_msg(tunnel.cause == CAUSE_NONE, "%s", tunnel.detail);
    while (n < want) {
        ssize_t k = recv(tunnel.fd, bytes + n, sizeof(bytes) - n, MSG_DONTWAIT);
        ck_assert(k != 0);
        n += k > 0 ? (size_t)k : 0;
    }
    ck_assert_uint_eq(n, want);
    ck_assert_mem_eq(bytes, first, want);
    ck_assert(mono_before(tunnel.resolved_at, tunnel.connected_at));
    ck_assert(mono_before(tunnel.connected_at, tunnel.ready_at));
    close(tunnel.fd);
}

static void says(const char *words)
{
    mini_proxy_behave(&proxy, &(struct mini_proxy_ways){.says = words});
}

START_TEST(test_http_tunnel_with_its_first_bytes)
{
    go_one();
    stands("hello");
    ck_assert_str_eq(mini_proxy_asked(&proxy, 0), TARGET ":443");
    ck_assert_uint_eq(tunnel.ip.bytes[3], 7);
    ck_assert(!mini_proxy_saw(&proxy, "Authorization"));
}
END_TEST

START_TEST(test_socks_tunnel_with_its_first_bytes)
{
    to.kind = PROXY_SOCKS5;
    go_one();
    stands("hello");
    ck_assert_str_eq(mini_proxy_asked(&proxy, 0), TARGET ":443");
    go((const char *const[]){"::1"}, 1);
    stands("hello");
    ck_assert_str_eq(mini_proxy_asked(&proxy, 1), "[::1]:443");
}
END_TEST

START_TEST(test_reply_that_drips)
{
    mini_proxy_behave(&proxy, &(struct mini_proxy_ways){.drips = true, .first_bytes = "hello"});
    go_one();
    stands("hello");
    to.kind = PROXY_SOCKS5;
    go_one();
    stands("hello");
}
END_TEST

START_TEST(test_who_asks_is_told)
{
    to.user = user;
    to.password = password;
    go_one();
    stands("hello");
    ck_assert(mini_proxy_saw(&proxy, "\r\nProxy-Authorization: Basic YW5uOnBhNTU=\r\n"));
    to.kind = PROXY_SOCKS5;
    mini_proxy_behave(&proxy, &(struct mini_proxy_ways){.user = user, .first_bytes = "hello"});
    go_one();
    stands("hello");
    to.password = wrong;
    go_one();
    ends(CAUSE_proxy_refused, "neither this user nor this password");
    ck_assert_ptr_null(strstr(tunnel.detail, "wr0ng"));
    to.user = to.password = NULL;
    go_one();
    ends(CAUSE_proxy_refused, "give 'proxy' a user and a password");
}
END_TEST

START_TEST(test_name_of_the_proxy_is_asked_of_the_agents_resolver)
{
    snprintf(host, sizeof(host), "home.test");
    go_one();
    stands("hello");
    snprintf(host, sizeof(host), "nx.test");
    go_one();
    ck_assert_int_eq(tunnel.cause, CAUSE_proxy_unreachable);
    ck_assert_ptr_nonnull(strstr(tunnel.detail, "proxy nx.test: the name does not exist"));
    ck_assert(!mono_is_set(tunnel.resolved_at) && tunnel.ip.family == 0);
}
END_TEST

START_TEST(test_nobody_listens)
{
    shutdown(proxy.fd, SHUT_RDWR);
    close(proxy.fd);
    go_one();
    ends(CAUSE_proxy_unreachable, "Connection refused");
    ck_assert(mono_is_set(tunnel.resolved_at) && !mono_is_set(tunnel.connected_at));
}
END_TEST

START_TEST(test_refusals_and_rubbish)
{
    says("HTTP/1.1 403 Forbidden\r\n\r\n");
    go_one();
    ends(CAUSE_proxy_refused, "was asked for 127.0.0.7:443: it said 'HTTP/1.1 403 Forbidden'");
    says("SSH-2.0-OpenSSH\r\n");
    go_one();
    ends(CAUSE_proxy_protocol, "no HTTP");
    mini_proxy_behave(&proxy, &(struct mini_proxy_ways){.says = "HTTP/1.1 200", .hangs_up = true});
    go_one();
    ends(CAUSE_proxy_protocol, "closed the connection before its reply was over");
    mini_proxy_behave(&proxy, &(struct mini_proxy_ways){.says = "", .hangs_up = true});
    go_one();
    ends(CAUSE_proxy_protocol, "closed the connection before its reply was over");
    to.kind = PROXY_SOCKS5;
    says("HTTP/1.1 400 Bad Request\r\n\r\n");
    go_one();
    ends(CAUSE_proxy_protocol, "does not speak SOCKS5");
}
END_TEST

START_TEST(test_silence_is_a_time_out)
{
    atomic_store(&proxy.silences, 100);
    start((const char *const[]){TARGET}, 1, 60);
    run();
    ends(CAUSE_proxy_timeout, "was asked for 127.0.0.7:443 and has not answered");
    to.kind = PROXY_SOCKS5;
    start((const char *const[]){TARGET}, 1, 60);
    run();
    ends(CAUSE_proxy_timeout, "has not answered");
}
END_TEST

/* Loopback has no sign of life, so only the resolver's can be seen here. */
START_TEST(test_what_a_failure_casts_doubt_on)
{
    snprintf(host, sizeof(host), "servfail.test");
    go_one();
    ck_assert_int_eq(tunnel.cause, CAUSE_proxy_unreachable);
    ck_assert_uint_eq(tunnel.doubt.vital, VITAL_RESOLVER);
    ck_assert(mono_is_set(tunnel.doubt.since));
    snprintf(host, sizeof(host), "nx.test");
    go_one();
    ck_assert_uint_eq(tunnel.doubt.vital, VITAL_NONE);
}
END_TEST

static const char *const many[] = {"127.0.0.11", "127.0.0.12", "127.0.0.13",
                                   "127.0.0.14", "127.0.0.15", "127.0.0.16"};

START_TEST(test_next_address_when_the_proxy_could_not_reach_the_last)
{
    mini_proxy_behave(&proxy, &(struct mini_proxy_ways){}); /* works, but finds nobody there */
    go(many, 6);
    ends(CAUSE_proxy_failed, "was asked for 127.0.0.14:443: it said 'HTTP/1.1 502 Bad Gateway'");
    ck_assert_int_eq(atomic_load(&proxy.requests), TUNNEL_ADDRS_MAX);
    ck_assert_str_eq(mini_proxy_asked(&proxy, 0), "127.0.0.11:443");
    ck_assert_str_eq(mini_proxy_asked(&proxy, 3), "127.0.0.14:443");
    to.kind = PROXY_SOCKS5;
    go(many, 1);
    ends(CAUSE_proxy_failed, "it said 4, host unreachable");
}
END_TEST

START_TEST(test_next_address_after_silence)
{
    atomic_store(&proxy.silences, 100);
    start(many, 4, 400);
    run();
    ends(CAUSE_proxy_timeout, "was asked for 127.0.0.14:443");
    ck_assert_int_ge(mono_diff_ms(mono_now(), tunnel.connected_at), 300); /* the first of them */
    ck_assert_int_eq(atomic_load(&proxy.requests), 4);
}
END_TEST

START_TEST(test_refused_proxy_is_not_asked_again)
{
    says("HTTP/1.1 407 Who are you\r\n\r\n");
    go(many, 4);
    ends(CAUSE_proxy_refused, "407 Who are you");
    ck_assert_int_eq(atomic_load(&proxy.requests), 1);
}
END_TEST

/* One address is silent, the other cannot be reached: the target may be well. */
START_TEST(test_failed_is_only_what_failed_everywhere)
{
    mini_proxy_behave(&proxy, &(struct mini_proxy_ways){});
    atomic_store(&proxy.silences, 1);
    start(many, 2, 400);
    run();
    ends(CAUSE_proxy_timeout, "127.0.0.11");
    ck_assert_int_eq(atomic_load(&proxy.requests), 2);
}
END_TEST

START_TEST(test_denied_target_is_never_asked_for)
{
    go((const char *const[]){"10.0.0.1", "192.168.0.1"}, 2);
    ck_assert_int_eq(tunnel.cause, CAUSE_policy_address);
    ck_assert_ptr_nonnull(
        strstr(tunnel.detail, "192.168.0.1:443: it is in 192.168.0.0/16 (private)"));
    ck_assert_int_eq(atomic_load(&proxy.requests), 0);
    go((const char *const[]){"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", TARGET}, 5);
    stands("hello"); /* what is denied takes no place */
    ck_assert_str_eq(mini_proxy_asked(&proxy, 0), TARGET ":443");
}
END_TEST

START_TEST(test_what_the_master_denies_meanwhile_is_not_asked_for)
{
    struct cidr denied;
    ck_assert_int_eq(cidr_parse(TARGET "/32", &denied), ERR_NONE);
    start((const char *const[]){TARGET}, 1, 5000);
    policy_set_master_deny(env.policy, &denied, 1);
    run();
    ck_assert_int_eq(tunnel.cause, CAUSE_policy_address);
    ck_assert_int_eq(atomic_load(&proxy.requests), 0);
}
END_TEST

START_TEST(test_denied_proxy_is_not_connected)
{
    use_policy("127.0.0.1/32");
    go_one();
    ends(CAUSE_policy_address, "--deny 127.0.0.1/32");
    ck_assert_int_eq(atomic_load(&proxy.requests), 0);
}
END_TEST

START_TEST(test_denied_address_does_not_hide_what_the_proxy_said)
{
    mini_proxy_behave(&proxy, &(struct mini_proxy_ways){});
    go((const char *const[]){"10.0.0.1", TARGET}, 2);
    ends(CAUSE_proxy_failed, "502");
}
END_TEST

static void cancelled(void)
{
    tunnel_cancel(&tunnel);
    ck_assert_uint_eq(calls, 0);
    run();
    ck_assert(tunnel.cancelled);
    ck_assert_int_eq(tunnel.fd, -1);
}

static void on_later(struct timer *t, struct mono now)
{
    tunnel_cancel(&tunnel);
    tunnel_cancel(&tunnel); /* twice is once */
}

START_TEST(test_cancel_in_every_state_calls_back_once)
{
    struct timer later = {0};
    start((const char *const[]){"10.0.0.1"}, 1, 5000); /* at its end already */
    cancelled();
    start((const char *const[]){TARGET}, 1, 5000); /* resolving a literal */
    cancelled();
    snprintf(host, sizeof(host), "silent.test");
    start((const char *const[]){TARGET}, 1, 5000);
    cancelled();
    snprintf(host, sizeof(host), "127.0.0.1");
    atomic_store(&proxy.silences, 100);
    start((const char *const[]){TARGET}, 1, 5000);
    timer_arm(loop_timers(env.loop), &later, mono_add_ms(mono_now(), 50), on_later);
    loop_run(env.loop);
    ck_assert_uint_eq(calls, 1);
    ck_assert(tunnel.cancelled);
    ck_assert_int_eq(tunnel.fd, -1);
    ck_assert_int_eq(atomic_load(&proxy.requests), 1);
}
END_TEST

TESTS(tunnels_bare, test_http_tunnel_with_its_first_bytes, test_socks_tunnel_with_its_first_bytes,
      test_reply_that_drips, test_who_asks_is_told,
      test_name_of_the_proxy_is_asked_of_the_agents_resolver, test_nobody_listens,
      test_refusals_and_rubbish, test_silence_is_a_time_out, test_what_a_failure_casts_doubt_on,
      test_next_address_when_the_proxy_could_not_reach_the_last, test_next_address_after_silence,
      test_refused_proxy_is_not_asked_again, test_failed_is_only_what_failed_everywhere,
      test_denied_target_is_never_asked_for, test_what_the_master_denies_meanwhile_is_not_asked_for,
      test_denied_proxy_is_not_connected, test_denied_address_does_not_hide_what_the_proxy_said,
      test_cancel_in_every_state_calls_back_once)

static TCase *tunnels(void)
{
    TCase *tc = tunnels_bare();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("tunnel", tunnels)
