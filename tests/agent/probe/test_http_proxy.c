/* SPDX-License-Identifier: MIT */
#include "agent/probe/http_impl.h"

#include "mini_server.h"
#include "probe_run.h"
#include "tests/support/check_main.h"
#include "tests/support/dns_server.h"
#include "tests/support/mini_proxy.h"

/* HTTP probes through a proxy. */

#define DAY_S 86400L

static struct mini plain, secure;
static struct mini_ca ca;
static struct mini_proxy proxy;
static struct dns_server dns;
static struct probe_run run;

static void answer(struct mini_conn *c)
{
    char text[300];
    if (!strncmp(c->request, "GET /r ", 7)) {
        snprintf(text, sizeof(text), "HTTP/1.1 302 R\r\nLocation: https://127.0.0.1:%u/ok\r\n\r\n",
                 secure.port);
        mini_puts(c, text);
    } else if (!strncmp(c->request, "GET /private ", 13)) {
        mini_puts(c, "HTTP/1.1 302 R\r\nLocation: http://10.0.0.1/\r\n\r\n");
    } else if (!strncmp(c->request, "GET /silent ", 12)) {
        mini_hang(c);
    } else {
        mini_puts(c, "HTTP/1.1 200 OK\r\n\r\n");
        mini_puts(c, c->request);
    }
}

static void use_resolver(struct probe_run *r)
{
    char servers[32];
    snprintf(servers, sizeof(servers), "127.0.0.1:%u", dns.port);
    resolver_destroy(&r->env.resolver);
    r->env.resolver = resolver_create(r->env.loop, &(struct resolver_config){.servers = servers});
}

static void setup(void)
{
    mini_init();
    mini_ca_init(&ca);
    plain = secure = (struct mini){.answer = answer};
    secure.tls = mini_tls(&ca, "IP:127.0.0.1,DNS:home.test", -DAY_S, DAY_S);
    mini_start(&plain);
    mini_start(&secure);
    proxy = (struct mini_proxy){.port = 0};
    mini_proxy_start(&proxy);
    dns_server_start(&dns);
    probe_run_init(&run, ca.file, true);
    use_resolver(&run);
}

static void teardown(void)
{
    probe_run_fini(&run);
    dns_server_stop(&dns);
    mini_ca_fini(&ca);
}

static struct target *target(const char *scheme, const char *host, uint16_t port, const char *path,
                             const char *proxy_text, const char *options)
{
    char json[1000];
    snprintf(json, sizeof(json),
             "{\"url\":\"%s://%s:%u%s\",\"keep_body\":1000,\"proxy\":\"%s:%u\"%s}", scheme, host,
             port, path, proxy_text, proxy.port, options);
    return probe_run_target(json);
}

static struct result *probe_host(const char *scheme, const char *host, const char *path,
                                 const char *proxy_text, const char *options)
{
    bool tls = !strcmp(scheme, "https");
    struct target *t =
        target(scheme, host, tls ? secure.port : plain.port, path, proxy_text, options);
    struct result *r = probe_run_go(&run, t, false);
    target_destroy(&t);
    return r;
}

static struct result *probe(const char *path, const char *proxy_text, const char *options)
{
    return probe_host("http", "127.0.0.1", path, proxy_text, options);
}

static void is(const struct result *r, enum cause want, const char *words)
{
    const char *message = r->message ? r->message : "ok";
    ck_assert_msg(r->cause == want && strstr(message, words), "%s: %s",
                  r->cause ? cause_word(r->cause) : "none", message);
}

static double sum(const struct result_timings *t)
{
    const double all[] = {t->dns_ms,  t->connect_ms, t->proxy_ms,   t->tls_ms,
                          t->send_ms, t->wait_ms,    t->download_ms};
    double s = 0;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        s += all[i] > 0 ? all[i] : 0;
    return s;
}

static void adds_up(const struct result_timings *t)
{
    ck_assert_double_eq_tol(sum(t), t->total_ms, 0.01);
}

static const char *text_of(const char *fmt, uint16_t port)
{
    static char text[2][64];
    static unsigned turn;
    turn = !turn;
    snprintf(text[turn], sizeof(text[turn]), fmt, port);
    return text[turn];
}

static void goes_through(const char *scheme, const char *proxy_text)
{
    bool tls = !strcmp(scheme, "https");
    uint16_t port = tls ? secure.port : plain.port;
    struct result *r = probe_host(scheme, "127.0.0.1", "/ok", proxy_text, "");
    is(r, CAUSE_NONE, "ok");
    ck_assert_str_eq(r->http->ip, "127.0.0.1");
    ck_assert_uint_eq(r->http->port, port);
    ck_assert_str_eq(r->http->proxy, text_of("127.0.0.1:%u", proxy.port));
    ck_assert_str_eq(mini_proxy_asked(&proxy, 0), text_of("127.0.0.1:%u", port));
    ck_assert(r->t.dns_ms < 0 && r->t.connect_ms >= 0 && r->t.proxy_ms > 0);
    ck_assert_int_eq(r->t.tls_ms > 0, tls);
    adds_up(&r->t);
    if (tls)
        ck_assert(r->http->tls->verified);
    /* The request is as without a proxy. */
    ck_assert(!strncmp(r->http->body, "GET /ok HTTP/1.1\r\n", 18));
    ck_assert_ptr_null(strstr(r->http->body, "Proxy-"));
    result_destroy(&r);
}

START_TEST(test_http_through_an_http_proxy)
{
    goes_through("http", "http://127.0.0.1");
}
END_TEST

START_TEST(test_https_through_an_http_proxy)
{
    goes_through("https", "http://127.0.0.1");
}
END_TEST

START_TEST(test_http_through_socks)
{
    goes_through("http", "socks5://127.0.0.1");
}
END_TEST

START_TEST(test_https_through_socks)
{
    goes_through("https", "socks5://127.0.0.1");
}
END_TEST

START_TEST(test_reply_that_drips)
{
    mini_proxy_behave(&proxy, &(struct mini_proxy_ways){.drips = true});
    goes_through("https", "http://127.0.0.1");
}
END_TEST

START_TEST(test_without_a_proxy_there_is_no_such_phase)
{
    char json[100];
    snprintf(json, sizeof(json), "\"http://127.0.0.1:%u/ok\"", plain.port);
    struct target *t = probe_run_target(json);
    struct result *r = probe_run_go(&run, t, false);
    ck_assert(r->t.proxy_ms < 0);
    ck_assert_ptr_null(r->http->proxy);
    target_destroy(&t);
    result_destroy(&r);
}
END_TEST

/* The credentials are for the proxy alone. */
START_TEST(test_credentials_are_for_the_proxy)
{
    struct result *r = probe("/ok", "http://ann:pa55@127.0.0.1", "");
    is(r, CAUSE_NONE, "ok");
    ck_assert(mini_proxy_saw(&proxy, "Proxy-Authorization: Basic YW5uOnBhNTU="));
    ck_assert_ptr_null(strstr(r->http->body, "YW5uOnBhNTU"));
    result_destroy(&r);
}
END_TEST

/* The name is ours to resolve, whatever the proxy takes it for. */
START_TEST(test_proxy_is_asked_for_the_address_that_was_checked)
{
    struct result *r = probe_host("https", "home.test", "/ok", "http://home.test", "");
    is(r, CAUSE_NONE, "ok");
    ck_assert_str_eq(mini_proxy_asked(&proxy, 0), text_of("127.0.0.1:%u", secure.port));
    ck_assert(!mini_proxy_saw(&proxy, "home.test"));
    ck_assert_str_eq(r->http->proxy, text_of("home.test:%u", proxy.port));
    ck_assert(r->http->tls->verified && r->t.dns_ms > 0);
    ck_assert_ptr_nonnull(strstr(r->http->body, "Host: home.test"));
    adds_up(&r->t);
    result_destroy(&r);
}
END_TEST

START_TEST(test_names_of_either_side_have_a_phase)
{
    struct result *r = probe("/ok", "http://home.test", "");
    ck_assert(r->t.dns_ms > 0);
    adds_up(&r->t);
    result_destroy(&r);
    r = probe_host("http", "home.test", "/ok", "http://127.0.0.1", "");
    ck_assert(r->t.dns_ms > 0);
    adds_up(&r->t);
    result_destroy(&r);
}
END_TEST

START_TEST(test_resolver_of_the_target_is_not_the_proxys)
{
    struct result *r = probe("/ok", "http://home.test", ",\"resolver\":\"127.0.0.1:9\"");
    is(r, CAUSE_NONE, "ok");
    result_destroy(&r);
}
END_TEST

START_TEST(test_each_hop_has_a_tunnel_of_its_own)
{
    struct result *r = probe("/r", "http://127.0.0.1", "");
    is(r, CAUSE_NONE, "ok");
    ck_assert_uint_eq(r->http->n_hops, 1);
    ck_assert(r->http->hops[0].t.proxy_ms > 0 && r->t.proxy_ms > 0 && r->t.tls_ms > 0);
    adds_up(&r->http->hops[0].t);
    ck_assert_str_eq(mini_proxy_asked(&proxy, 0), text_of("127.0.0.1:%u", plain.port));
    ck_assert_str_eq(mini_proxy_asked(&proxy, 1), text_of("127.0.0.1:%u", secure.port));
    ck_assert_int_eq(atomic_load(&proxy.requests), 2);
    result_destroy(&r);
}
END_TEST

START_TEST(test_redirect_into_a_private_network_is_refused)
{
    struct result *r = probe("/private", "http://127.0.0.1", "");
    is(r, CAUSE_policy_address, "10.0.0.1:80: it is in 10.0.0.0/8 (private)");
    ck_assert_int_eq(atomic_load(&proxy.requests), 1);
    ck_assert_uint_eq(r->http->n_hops, 1);
    result_destroy(&r);
}
END_TEST

static void refused_is(const char *host, const char *words)
{
    struct target *t = target("http", host, 80, "/", "http://127.0.0.1", "");
    struct result *r = probe_run_go(&run, t, false);
    is(r, CAUSE_policy_address, words);
    ck_assert_int_eq(r->outcome, OUTCOME_REFUSED);
    ck_assert(r->t.connect_ms < 0 && r->t.proxy_ms < 0 && r->http == NULL);
    ck_assert_int_eq(atomic_load(&proxy.requests), 0);
    target_destroy(&t);
    result_destroy(&r);
}

START_TEST(test_denied_target_is_not_asked_for)
{
    refused_is("10.0.0.1", "10.0.0.1:80: it is in 10.0.0.0/8 (private)");
    refused_is("any.test", "192.0.2.1:80: it is in 192.0.2.0/24 (");
    refused_is("[::ffff:169.254.169.254]", "it embeds one of 169.254.0.0/16");
}
END_TEST

/* The target could be reached, were the wall only around it. */
START_TEST(test_denied_proxy_is_not_connected)
{
    struct target *t = probe_run_target("{\"url\":\"http://home.test/\","
                                        "\"proxy\":\"http://10.0.0.1:3128\"}");
    struct result *r = probe_run_go(&run, t, false);
    is(r, CAUSE_policy_address,
       "proxy 10.0.0.1:3128 at 10.0.0.1:3128: it is in 10.0.0.0/8 (private)");
    ck_assert(r->t.dns_ms > 0 && r->t.connect_ms < 0 && r->t.proxy_ms < 0);
    target_destroy(&t);
    result_destroy(&r);
}
END_TEST

static void says(const char *words)
{
    mini_proxy_behave(&proxy, &(struct mini_proxy_ways){.says = words});
}

START_TEST(test_causes)
{
    says("HTTP/1.1 403 No\r\n\r\n");
    struct result *r = probe("/ok", "http://127.0.0.1", "");
    is(r, CAUSE_proxy_refused, "HTTP/1.1 403 No");
    ck_assert_int_eq(r->outcome, OUTCOME_UNDETERMINED);
    ck_assert(r->t.connect_ms >= 0 && r->t.proxy_ms > 0 && r->t.send_ms < 0);
    adds_up(&r->t);
    ck_assert_str_eq(r->http->ip, "127.0.0.1");
    ck_assert_int_eq(r->http->status, 0);
    result_destroy(&r);
    says("nonsense");
    r = probe("/ok", "http://127.0.0.1", "");
    is(r, CAUSE_proxy_protocol, "'nonsense'");
    result_destroy(&r);
    mini_proxy_behave(&proxy, &(struct mini_proxy_ways){});
    atomic_store(&proxy.failures, 1);
    r = probe("/ok", "http://127.0.0.1", "");
    is(r, CAUSE_proxy_failed, "the proxy could not reach the target: 127.0.0.1:");
    ck_assert_int_eq(r->outcome, OUTCOME_FAILED);
    result_destroy(&r);
    atomic_store(&proxy.silences, 1);
    r = probe("/ok", "http://127.0.0.1", ",\"timeout_ms\":80");
    is(r, CAUSE_proxy_timeout, "has not answered");
    adds_up(&r->t);
    result_destroy(&r);
    r = probe("/silent", "http://127.0.0.1", ",\"timeout_ms\":80");
    is(r, CAUSE_response_timeout, "");
    result_destroy(&r);
}
END_TEST

START_TEST(test_proxy_that_is_not_there)
{
    struct target *t = probe_run_target("{\"url\":\"http://127.0.0.1:9/\",\"proxy\":"
                                        "\"http://nx.test\"}");
    struct result *r = probe_run_go(&run, t, false);
    is(r, CAUSE_proxy_unreachable, "proxy nx.test: the name does not exist");
    ck_assert(r->http == NULL && r->t.connect_ms < 0 && r->t.dns_ms > 0);
    adds_up(&r->t);
    target_destroy(&t);
    result_destroy(&r);
    t = probe_run_target("{\"url\":\"http://127.0.0.1:80/\",\"proxy\":\"http://127.0.0.1:9\"}");
    r = probe_run_go(&run, t, false);
    is(r, CAUSE_proxy_unreachable, "proxy 127.0.0.1:9 at 127.0.0.1:9: Connection refused");
    ck_assert(r->http == NULL && r->t.proxy_ms < 0 && r->t.connect_ms >= 0);
    target_destroy(&t);
    result_destroy(&r);
}
END_TEST

START_TEST(test_retries_begin_at_the_proxy)
{
    atomic_store(&proxy.failures, 1);
    struct result *r = probe("/ok", "http://127.0.0.1", ",\"retries\":2");
    is(r, CAUSE_NONE, "ok");
    ck_assert_uint_eq(r->n_tries, 1);
    ck_assert_int_eq(r->tries[0].cause, CAUSE_proxy_failed);
    result_destroy(&r);
    atomic_store(&proxy.silences, 1);
    r = probe("/ok", "http://127.0.0.1", ",\"retries\":1,\"timeout_ms\":2500");
    is(r, CAUSE_NONE, "ok");
    ck_assert_int_eq(r->tries[0].cause, CAUSE_proxy_timeout);
    result_destroy(&r);
}
END_TEST

struct late_cancel {
    struct timer t;
    struct probe *p;
};

static void cancel_now(struct timer *t, struct mono now)
{
    probe_http.cancel(CONTAINER_OF(t, struct late_cancel, t)->p);
}

static void cancel_after(const char *proxy_text, int ms)
{
    struct late_cancel late = {0};
    struct target *t = target("http", "127.0.0.1", plain.port, "/silent", proxy_text, "");
    struct result *r = result_create(1, NULL);
    run.calls = 0;
    late.p = probe_http.start(&run.env, t, r, mono_add_ms(mono_now(), 5000), probe_run_done, &run);
    timer_arm(loop_timers(run.env.loop), &late.t, mono_add_ms(mono_now(), ms), cancel_now);
    loop_run(run.env.loop);
    ck_assert_uint_eq(run.calls, 1);
    ck_assert_int_eq(r->cause, CAUSE_cancelled_by_user);
    result_destroy(&r);
    target_destroy(&t);
}

START_TEST(test_cancel_ends_once)
{
    cancel_after("http://silent.test", 30); /* while the proxy's name is asked for */
    atomic_store(&proxy.silences, 1);
    cancel_after("http://127.0.0.1", 50);   /* in the talk */
    cancel_after("socks5://127.0.0.1", 50); /* in the transfer through the tunnel */
    for (int i = 0; i < 2; i++) {
        struct target *t =
            target("http", i ? "10.0.0.1" : "127.0.0.1", 80, "/", "http://127.0.0.1", "");
        struct result *r = probe_run_go(&run, t, true);
        is(r, CAUSE_cancelled_by_user, "");
        target_destroy(&t);
        result_destroy(&r);
    }
}
END_TEST

TESTS(proxied_bare, test_http_through_an_http_proxy, test_https_through_an_http_proxy,
      test_http_through_socks, test_https_through_socks, test_reply_that_drips,
      test_without_a_proxy_there_is_no_such_phase, test_credentials_are_for_the_proxy,
      test_proxy_is_asked_for_the_address_that_was_checked, test_names_of_either_side_have_a_phase,
      test_resolver_of_the_target_is_not_the_proxys, test_each_hop_has_a_tunnel_of_its_own,
      test_redirect_into_a_private_network_is_refused, test_denied_target_is_not_asked_for,
      test_denied_proxy_is_not_connected, test_causes, test_proxy_that_is_not_there,
      test_retries_begin_at_the_proxy, test_cancel_ends_once)

static TCase *proxied(void)
{
    TCase *tc = proxied_bare();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("http_proxy", proxied)
