/* SPDX-License-Identifier: MIT */
#include "agent/probe/http_impl.h"

#include "mini_server.h"
#include "probe_run.h"
#include "tests/support/check_main.h"

#define DAY_S 86400L

static struct mini_ca ca, stranger;
static struct probe_run run;

static void answer(struct mini_conn *c)
{
    mini_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

static void setup(void)
{
    mini_init();
    mini_ca_init(&ca);
    mini_ca_init(&stranger);
    probe_run_init(&run, ca.file, true);
}

static void teardown(void)
{
    probe_run_fini(&run);
    mini_ca_fini(&ca);
    mini_ca_fini(&stranger);
}

static struct result *probe_server(struct mini *s, const char *options)
{
    char json[512];
    mini_start(s);
    snprintf(json, sizeof(json), "{\"url\":\"https://127.0.0.1:%u/\"%s}", s->port, options);
    struct target *t = probe_run_target(json);
    struct result *r = probe_run_go(&run, t, false);
    target_destroy(&t);
    return r;
}

/* The server lives as long as the test's process. */
static struct result *probe(const struct mini_ca *issuer, const char *san, long from_s, long to_s,
                            const char *options)
{
    struct mini *s = calloc(1, sizeof(*s));
    s->answer = answer;
    s->tls = mini_tls(issuer, san, from_s, to_s);
    return probe_server(s, options);
}

#define GOOD_SAN "IP:127.0.0.1,DNS:a.test"

START_TEST(test_good_certificate_is_verified_with_its_facts)
{
    struct result *r = probe(&ca, GOOD_SAN, -DAY_S, 10 * DAY_S, "");
    ck_assert_msg(r->outcome == OUTCOME_OK, "%s", r->message);
    const struct result_tls *t = r->http->tls;
    ck_assert(t->verified);
    ck_assert_str_eq(t->version, "TLSv1.3");
    ck_assert_ptr_nonnull(t->cipher);
    ck_assert_str_eq(t->subject, "CN=mini leaf");
    ck_assert_str_eq(t->issuer, "CN=mini root");
    ck_assert_uint_eq(t->n_alt_names, 2);
    ck_assert_str_eq(t->alt_names[0], "127.0.0.1");
    ck_assert_str_eq(t->alt_names[1], "a.test");
    ck_assert_uint_eq(strlen(t->fingerprint_sha256), 64);
    ck_assert_int_gt(t->not_after.us, wall_now().us + 9 * DAY_S * 1000000);
    ck_assert(r->t.tls_ms > 0);
    result_destroy(&r);
}
END_TEST

static void fails(const struct mini_ca *issuer, const char *san, long from_s, long to_s,
                  enum cause want)
{
    struct result *r = probe(issuer, san, from_s, to_s, "");
    ck_assert_msg(r->cause == want, "got %s: %s", r->cause ? cause_word(r->cause) : "ok",
                  r->message ? r->message : "");
    ck_assert_ptr_nonnull(r->http->tls);
    ck_assert(!r->http->tls->verified);
    ck_assert_ptr_nonnull(r->http->tls->verify_error);
    ck_assert_str_eq(r->http->tls->subject, "CN=mini leaf"); /* facts of the bad one too */
    ck_assert_int_eq(r->http->status, 0);
    result_destroy(&r);
}

START_TEST(test_expired)
{
    fails(&ca, GOOD_SAN, -10 * DAY_S, -DAY_S, CAUSE_tls_expired);
}
END_TEST

START_TEST(test_not_yet_valid)
{
    fails(&ca, GOOD_SAN, DAY_S, 10 * DAY_S, CAUSE_tls_not_yet_valid);
}
END_TEST

START_TEST(test_unknown_authority)
{
    fails(&stranger, GOOD_SAN, -DAY_S, DAY_S, CAUSE_tls_untrusted);
}
END_TEST

START_TEST(test_self_signed)
{
    fails(NULL, GOOD_SAN, -DAY_S, DAY_S, CAUSE_tls_untrusted);
}
END_TEST

START_TEST(test_name_mismatch)
{
    fails(&ca, "DNS:other.test", -DAY_S, DAY_S, CAUSE_tls_name_mismatch);
}
END_TEST

static void unverified(const struct mini_ca *issuer, const char *san, long from_s, long to_s)
{
    struct result *r = probe(issuer, san, from_s, to_s, ",\"verify_tls\":false");
    ck_assert_msg(r->outcome == OUTCOME_OK, "%s", r->message);
    ck_assert(!r->http->tls->verified);
    ck_assert_ptr_nonnull(r->http->tls->verify_error);
    result_destroy(&r);
}

START_TEST(test_without_verification_faults_are_told_but_do_not_fail)
{
    unverified(&ca, GOOD_SAN, -10 * DAY_S, -DAY_S);
    unverified(NULL, GOOD_SAN, -DAY_S, DAY_S);
    unverified(&ca, "DNS:other.test", -DAY_S, DAY_S);
}
END_TEST

/* The certificate was told to be no matter: what ended the handshake is something else. */
START_TEST(test_without_verification_a_failed_handshake_is_not_untrusted)
{
    struct tls_seen s = {.verify = false, .error = X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT};
    ck_assert_int_eq(tls_cause(&s), CAUSE_tls_handshake);
    s.verify = true;
    ck_assert_int_eq(tls_cause(&s), CAUSE_tls_untrusted);
}
END_TEST

START_TEST(test_certificate_that_expires_soon)
{
    struct result *r =
        probe(&ca, GOOD_SAN, -DAY_S, 10 * DAY_S, ",\"expect\":{\"tls_min_days\":30}");
    ck_assert_int_eq(r->cause, CAUSE_cert_expires_soon);
    result_destroy(&r);
}
END_TEST

static void mode_fails(int mode, const char *options, enum cause want)
{
    struct mini s = {.mode = mode};
    struct result *r = probe_server(&s, options);
    ck_assert_msg(r->cause == want, "got %s: %s", cause_word(r->cause), r->message);
    ck_assert_ptr_null(r->http->tls);
    ck_assert(r->t.tls_ms >= 0);
    ck_assert(r->t.send_ms < 0);
    result_destroy(&r);
}

START_TEST(test_silence_in_the_handshake)
{
    mode_fails(MINI_HANG, ",\"timeout_ms\":150", CAUSE_tls_timeout);
}
END_TEST

START_TEST(test_close_in_the_handshake)
{
    mode_fails(MINI_CLOSE, "", CAUSE_tls_handshake);
}
END_TEST

START_TEST(test_reset_in_the_handshake)
{
    mode_fails(MINI_RESET, "", CAUSE_reset_after_connect);
}
END_TEST

START_TEST(test_no_tls_spoken)
{
    struct mini s = {.mode = MINI_SERVE, .answer = answer}; /* plain HTTP on this port */
    struct result *r = probe_server(&s, "");
    ck_assert_int_eq(r->cause, CAUSE_tls_handshake);
    result_destroy(&r);
}
END_TEST

START_TEST(test_missing_ca_file_is_refused)
{
    ck_assert_ptr_null(tls_store_create("/nonexistent.pem"));
}
END_TEST

#define FIXTURE_TESTS(group, ...)                                                                  \
    TESTS(group##_bare, __VA_ARGS__)                                                               \
    static TCase *group(void)                                                                      \
    {                                                                                              \
        TCase *tc = group##_bare();                                                                \
        tcase_add_checked_fixture(tc, setup, teardown);                                            \
        return tc;                                                                                 \
    }

FIXTURE_TESTS(verification, test_good_certificate_is_verified_with_its_facts, test_expired,
              test_not_yet_valid, test_unknown_authority, test_self_signed, test_name_mismatch,
              test_without_verification_faults_are_told_but_do_not_fail,
              test_without_verification_a_failed_handshake_is_not_untrusted,
              test_certificate_that_expires_soon, test_missing_ca_file_is_refused)
FIXTURE_TESTS(handshake, test_silence_in_the_handshake, test_close_in_the_handshake,
              test_reset_in_the_handshake, test_no_tls_spoken)
CHECK_MAIN("tls", verification, handshake)
