/* SPDX-License-Identifier: MIT */
#include "agent/run/connector.h"

#include "tests/support/check_main.h"
#include "tests/support/closed_port.h"
#include "tests/support/own_net.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* A listener on loopback. */
static int listen_on(const char *addr, uint16_t *port)
{
    struct ip ip;
    struct sockaddr_storage sa;
    socklen_t len;
    ck_assert_int_eq(ip_parse(addr, &ip), ERR_NONE);
    ip_to_sockaddr(&ip, 0, &sa, &len);
    int fd = socket(ip.family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, len), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    len = sizeof(sa);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    ck_assert(ip_from_sockaddr((struct sockaddr *)&sa, &ip, port));
    return fd;
}

struct run {
    struct loop *l;
    struct policy *p;
    struct connector c;
    unsigned calls;
    bool starting;
};

static void on_done(struct connector *c)
{
    struct run *r = c->arg;
    ck_assert(!r->starting);
    r->calls++;
    loop_stop(r->l);
}

static void setup(struct run *r, bool dev)
{
    *r = (struct run){.l = loop_create(NULL, NULL)};
    r->p = policy_create(&(struct policy_config){.dev = dev});
    r->c.done = on_done;
    r->c.arg = r;
}

static void go(struct run *r, const char *const *addrs, unsigned n, uint16_t port, int deadline_ms)
{
    struct ip ips[RESOLVE_ADDRS_MAX];
    for (unsigned i = 0; i < n; i++)
        ck_assert_int_eq(ip_parse(addrs[i], &ips[i]), ERR_NONE);
    r->starting = true;
    connector_start(&r->c, r->l, r->p, ips, n, port, mono_add_ms(mono_now(), deadline_ms));
    r->starting = false;
}

static void teardown(struct run *r)
{
    ck_assert_uint_eq(r->calls, 1);
    if (r->c.fd >= 0)
        close(r->c.fd);
    policy_destroy(&r->p);
    loop_destroy(&r->l);
}

static void ends_with(const char *const *addrs, unsigned n, uint16_t port, bool dev,
                      enum cause want)
{
    struct run r;
    setup(&r, dev);
    go(&r, addrs, n, port, 5000);
    loop_run(r.l);
    ck_assert_int_eq(r.c.cause, want);
    ck_assert_int_eq(r.c.fd >= 0, want == CAUSE_NONE);
    ck_assert_int_eq(r.c.detail[0] != '\0', want != CAUSE_NONE);
    teardown(&r);
}

START_TEST(test_connects)
{
    uint16_t port;
    int fd = listen_on("127.0.0.1", &port);
    ends_with((const char *const[]){"127.0.0.1"}, 1, port, true, CAUSE_NONE);
    close(fd);
}
END_TEST

START_TEST(test_refusal_is_connect_refused)
{
    ends_with((const char *const[]){"127.0.0.1"}, 1, closed_port(), true, CAUSE_connect_refused);
}
END_TEST

START_TEST(test_next_address_wins_after_a_refusal)
{
    uint16_t port;
    int fd = listen_on("127.0.0.1", &port);
    ends_with((const char *const[]){"127.0.0.2", "127.0.0.1"}, 2, port, true, CAUSE_NONE);
    close(fd);
}
END_TEST

START_TEST(test_denied_address_is_policy_address)
{
    uint16_t port;
    int fd = listen_on("127.0.0.1", &port);
    ends_with((const char *const[]){"127.0.0.1", "10.0.0.1"}, 2, port, false, CAUSE_policy_address);
    ck_assert_int_lt(accept(fd, NULL, NULL), 0); /* nothing arrived */
    ck_assert_int_eq(errno, EAGAIN);
    close(fd);
}
END_TEST

START_TEST(test_denied_address_is_skipped_for_an_allowed_one)
{
    uint16_t port;
    int fd = listen_on("127.0.0.1", &port);
    ends_with((const char *const[]){"10.0.0.1", "127.0.0.1"}, 2, port, true, CAUSE_NONE);
    close(fd);
}
END_TEST

/* On the port of another listener. */
static int listen_beside(const char *addr, uint16_t port)
{
    struct ip ip;
    struct sockaddr_storage sa;
    socklen_t len;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ck_assert_int_eq(ip_parse(addr, &ip), ERR_NONE);
    ip_to_sockaddr(&ip, port, &sa, &len);
    ck_assert(fd >= 0 && bind(fd, (struct sockaddr *)&sa, len) == 0 && listen(fd, 8) == 0);
    return fd;
}

static void nobody_came(int fd)
{
    ck_assert_int_lt(accept(fd, NULL, NULL), 0);
    ck_assert_int_eq(errno, EAGAIN);
    close(fd);
}

/* Only 127.0.0.2 is allowed; all listen. */
static void mixed(const char *const *addrs, unsigned n, bool allowed_listens)
{
    struct run r;
    uint16_t port;
    struct cidr allow;
    int first = listen_on("127.0.0.1", &port), third = listen_beside("127.0.0.3", port);
    int second = allowed_listens ? listen_beside("127.0.0.2", port) : -1;
    ck_assert_int_eq(cidr_parse("127.0.0.2", &allow), ERR_NONE);
    setup(&r, false);
    policy_destroy(&r.p);
    r.p = policy_create(&(struct policy_config){.allow = &allow, .n_allow = 1});
    go(&r, addrs, n, port, 5000);
    loop_run(r.l);
    ck_assert_int_eq(r.c.cause, allowed_listens ? CAUSE_NONE : CAUSE_connect_refused);
    if (allowed_listens)
        ck_assert_int_eq(r.c.ip.bytes[3], 2);
    teardown(&r);
    nobody_came(first);
    nobody_came(third);
    if (second >= 0)
        close(second);
}

START_TEST(test_denied_addresses_of_a_mixed_list_are_never_connected)
{
    mixed((const char *const[]){"127.0.0.1", "127.0.0.2", "127.0.0.3"}, 3, true);
    mixed((const char *const[]){"127.0.0.2", "127.0.0.1"}, 2, true);
    mixed((const char *const[]){"127.0.0.1", "127.0.0.3", "127.0.0.2"}, 3, true);
    mixed((const char *const[]){"127.0.0.1", "127.0.0.2", "127.0.0.3"}, 3, false);
}
END_TEST

START_TEST(test_refusal_names_the_address_and_the_rule)
{
    struct run r;
    setup(&r, false);
    go(&r, (const char *const[]){"10.0.0.1"}, 1, 80, 5000);
    loop_run(r.l);
    ck_assert_str_eq(r.c.detail, "10.0.0.1:80: it is in 10.0.0.0/8 (private)");
    teardown(&r);
}
END_TEST

START_TEST(test_denied_port_is_never_connected)
{
    struct run r;
    uint16_t port;
    int fd = listen_on("127.0.0.1", &port);
    struct port_range never = {port, port};
    setup(&r, true);
    policy_destroy(&r.p);
    r.p = policy_create(
        &(struct policy_config){.dev = true, .deny_ports = &never, .n_deny_ports = 1});
    go(&r, (const char *const[]){"127.0.0.1"}, 1, port, 5000);
    loop_run(r.l);
    ck_assert_int_eq(r.c.cause, CAUSE_policy_port);
    teardown(&r);
    nobody_came(fd);
}
END_TEST

START_TEST(test_failure_of_the_target_outweighs_policy)
{
    ends_with((const char *const[]){"127.0.0.1", "10.0.0.1"}, 2, closed_port(), true,
              CAUSE_connect_refused);
}
END_TEST

/* Its queue is full from now on: it does not answer the SYN. */
static void fill_listener(int fd, const char *addr, uint16_t port, int fill[2])
{
    struct ip ip;
    struct sockaddr_storage sa;
    socklen_t len;
    ck_assert_int_eq(listen(fd, 0), 0);
    ck_assert_int_eq(ip_parse(addr, &ip), ERR_NONE);
    ip_to_sockaddr(&ip, port, &sa, &len);
    for (int i = 0; i < 2; i++) {
        fill[i] = socket(ip.family, SOCK_STREAM | (i ? SOCK_NONBLOCK : 0), 0);
        int rc = connect(fill[i], (struct sockaddr *)&sa, len);
        ck_assert(rc == 0 || errno == EINPROGRESS);
    }
}

START_TEST(test_silence_is_connect_timeout)
{
    struct run r;
    uint16_t port;
    int fill[2], fd = listen_on("127.0.0.1", &port);
    fill_listener(fd, "127.0.0.1", port, fill);
    setup(&r, true);
    go(&r, (const char *const[]){"127.0.0.1"}, 1, port, 60);
    loop_run(r.l);
    ck_assert_int_eq(r.c.cause, CAUSE_connect_timeout);
    teardown(&r);
    close(fd);
    close(fill[0]);
    close(fill[1]);
}
END_TEST

START_TEST(test_silent_address_does_not_hold_up_the_next)
{
    struct run r;
    uint16_t port;
    /* The number is looked for where others have theirs; beside it it is free. */
    int fill[2], good = listen_on("127.0.0.1", &port), fd = listen_beside("127.0.0.2", port);
    fill_listener(fd, "127.0.0.2", port, fill);
    setup(&r, true);
    go(&r, (const char *const[]){"127.0.0.2", "127.0.0.1"}, 2, port, 5000);
    loop_run(r.l);
    ck_assert_int_eq(r.c.cause, CAUSE_NONE);
    ck_assert_int_eq(r.c.ip.bytes[3], 1);
    teardown(&r);
    close(fd);
    close(good);
    close(fill[0]);
    close(fill[1]);
}
END_TEST

START_TEST(test_cancel_calls_back_once)
{
    struct run r;
    uint16_t port;
    int fill[2], fd = listen_on("127.0.0.1", &port);
    fill_listener(fd, "127.0.0.1", port, fill);
    setup(&r, true);
    go(&r, (const char *const[]){"127.0.0.1"}, 1, port, 5000);
    connector_cancel(&r.c);
    ck_assert_uint_eq(r.calls, 0);
    loop_run(r.l);
    ck_assert(r.c.cancelled);
    ck_assert_int_eq(r.c.fd, -1);
    teardown(&r);
    close(fd);
    close(fill[0]);
    close(fill[1]);
}
END_TEST

START_TEST(test_no_descriptors_is_the_agents_fault)
{
    struct run r;
    struct rlimit old, none;
    uint16_t port = closed_port();
    setup(&r, true);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 3;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    go(&r, (const char *const[]){"127.0.0.1"}, 1, port, 5000);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    loop_run(r.l);
    ck_assert_int_eq(r.c.cause, CAUSE_agent_fd_exhausted);
    teardown(&r);
}
END_TEST

#define TEST_NET_4 "198.18.0.1"
#define TEST_NET_6 "2001:2::1"

/* As ends_with(), in a network of its own where these test networks are no matter of policy. */
static void ends_in_own_net(const char *const *commands, const char *const *addrs, unsigned n,
                            uint16_t port, enum cause want)
{
    struct run r;
    struct cidr allow[2];
    if (!own_net_enter(commands))
        return;
    ck_assert_int_eq(cidr_parse("0.0.0.0/0", &allow[0]), ERR_NONE);
    ck_assert_int_eq(cidr_parse("::/0", &allow[1]), ERR_NONE);
    setup(&r, true);
    policy_destroy(&r.p);
    r.p = policy_create(&(struct policy_config){.allow = allow, .n_allow = 2});
    go(&r, addrs, n, port, 5000);
    loop_run(r.l);
    ck_assert_msg(r.c.cause == want, "%s (%s)", r.c.cause ? cause_word(r.c.cause) : "none",
                  r.c.detail);
    teardown(&r);
}

START_TEST(test_no_route_at_all_is_the_agents_fault)
{
    ends_in_own_net((const char *const[]){"link set lo up", NULL},
                    (const char *const[]){TEST_NET_6, TEST_NET_4}, 2, 80, CAUSE_agent_network_down);
}
END_TEST

START_TEST(test_ipv6_switched_off_is_the_agents_fault)
{
    if (!own_net_enter((const char *const[]){"link set lo up", NULL}) ||
        !own_net_write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1"))
        return;
    ends_with((const char *const[]){"2600::1"}, 1, 80, true, CAUSE_agent_network_down);
}
END_TEST

START_TEST(test_no_route_to_this_target_alone_is_unreachable)
{
    ends_in_own_net((const char *const[]){"link set lo up", "route add default dev lo",
                                          "route add throw 198.18.0.0/15", NULL},
                    (const char *const[]){TEST_NET_4}, 1, 80, CAUSE_unreachable);
}
END_TEST

START_TEST(test_answer_of_the_other_family_outweighs_a_missing_route)
{
    ends_in_own_net((const char *const[]){"link set lo up", NULL},
                    (const char *const[]){TEST_NET_6, "127.0.0.1", TEST_NET_6}, 3, 9,
                    CAUSE_connect_refused);
}
END_TEST

START_TEST(test_no_local_port_is_the_agents_fault)
{
    struct sockaddr_in sa = {
        .sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fds[3];
    if (!own_net_enter((const char *const[]){"link set lo up", NULL}))
        return;
    ck_assert(own_net_write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40001"));
    for (int i = 0; i < 3; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (i == 0)
            ck_assert(bind(fds[0], (struct sockaddr *)&sa, sizeof(sa)) == 0 &&
                      listen(fds[0], 8) == 0);
        else
            ck_assert_int_eq(connect(fds[i], (struct sockaddr *)&sa, sizeof(sa)), 0);
    }
    ends_with((const char *const[]){"127.0.0.1"}, 1, 80, true, CAUSE_agent_ports_exhausted);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}
END_TEST

TESTS(racing, test_connects, test_refusal_is_connect_refused,
      test_next_address_wins_after_a_refusal, test_silence_is_connect_timeout,
      test_silent_address_does_not_hold_up_the_next, test_cancel_calls_back_once)
TESTS(wall, test_denied_address_is_policy_address,
      test_denied_address_is_skipped_for_an_allowed_one,
      test_denied_addresses_of_a_mixed_list_are_never_connected,
      test_refusal_names_the_address_and_the_rule, test_denied_port_is_never_connected,
      test_failure_of_the_target_outweighs_policy, test_no_descriptors_is_the_agents_fault)
TESTS(own_faults, test_no_route_at_all_is_the_agents_fault,
      test_ipv6_switched_off_is_the_agents_fault, test_no_route_to_this_target_alone_is_unreachable,
      test_answer_of_the_other_family_outweighs_a_missing_route,
      test_no_local_port_is_the_agents_fault)
CHECK_MAIN("connector", racing, wall, own_faults)
