/* SPDX-License-Identifier: MIT */
#include "agent/probe/http_impl.h"
#include "common/utf8.h"

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

/* The leaf's issuer is a certificate that ends before it; both are sent. */
static SSL_CTX *with_intermediate(EVP_PKEY *leaf_key, unsigned copies)
{
    EVP_PKEY *key = EVP_EC_gen("P-384");
    X509 *middle = mini_cert(key, "mini middle", NULL, -DAY_S, 5 * DAY_S, ca.cert, ca.key);
    X509 *leaf = mini_cert(leaf_key, "mini leaf", GOOD_SAN, -DAY_S, 10 * DAY_S, middle, key);
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    ck_assert_int_eq(SSL_CTX_use_certificate(ctx, leaf), 1);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey(ctx, leaf_key), 1);
    for (unsigned i = 0; i < copies; i++)
        ck_assert_int_eq(SSL_CTX_add1_chain_cert(ctx, middle), 1);
    X509_free(leaf);
    X509_free(middle);
    EVP_PKEY_free(key);
    EVP_PKEY_free(leaf_key);
    return ctx;
}

static struct result *probe_context(SSL_CTX *ctx)
{
    struct mini *s = calloc(1, sizeof(*s));
    s->answer = answer;
    s->tls = ctx;
    struct result *r = probe_server(s, "");
    ck_assert_msg(r->outcome == OUTCOME_OK, "%s", r->message);
    return r;
}

START_TEST(test_chain_is_told_as_it_was_sent)
{
    struct result *r = probe_context(with_intermediate(EVP_EC_gen("P-256"), 1));
    const struct result_tls *t = r->http->tls;
    ck_assert_uint_eq(t->sent_chain, 2);
    ck_assert_uint_eq(t->n_chain, 2);
    ck_assert_str_eq(t->chain[0].subject, "CN=mini leaf");
    ck_assert_str_eq(t->chain[0].issuer, "CN=mini middle");
    ck_assert_str_eq(t->chain[1].subject, "CN=mini middle");
    ck_assert_str_eq(t->chain[1].issuer, "CN=mini root");
    ck_assert_int_eq(t->chain[0].not_after.us, t->not_after.us);
    ck_assert_int_lt(t->chain[1].not_after.us, t->not_after.us);
    ck_assert_int_lt(t->chain[1].not_before.us, wall_now().us);
    result_destroy(&r);
}
END_TEST

START_TEST(test_long_chain_is_cut_and_counted)
{
    struct result *r = probe_context(with_intermediate(EVP_EC_gen("P-256"), 14));
    ck_assert_uint_eq(r->http->tls->sent_chain, 15);
    ck_assert_uint_eq(r->http->tls->n_chain, RESULT_CHAIN_MAX);
    result_destroy(&r);
}
END_TEST

START_TEST(test_chain_of_a_failed_handshake_is_told_too)
{
    struct result *r = probe(&stranger, GOOD_SAN, -DAY_S, DAY_S, "");
    ck_assert_uint_eq(r->http->tls->n_chain, 1);
    ck_assert_str_eq(r->http->tls->chain[0].issuer, "CN=mini root");
    ck_assert_int_eq(r->http->tls->staple, STAPLE_UNKNOWN);
    result_destroy(&r);
}
END_TEST

START_TEST(test_kinds_and_sizes_of_keys)
{
    const struct {
        EVP_PKEY *key;
        const char *type, *signature;
        int bits;
    } kinds[] = {{EVP_EC_gen("P-256"), "EC", "ecdsa-with-SHA256", 256},
                 {EVP_RSA_gen(2048), "RSA", "ecdsa-with-SHA256", 2048}};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct result *r = probe_context(with_intermediate(kinds[i].key, 1));
        ck_assert_str_eq(r->http->tls->key_type, kinds[i].type);
        ck_assert_int_eq(r->http->tls->key_bits, kinds[i].bits);
        ck_assert_str_eq(r->http->tls->signature, kinds[i].signature);
        result_destroy(&r);
    }
}
END_TEST

static int select_http_1_1(SSL *ssl, const unsigned char **out, unsigned char *n,
                           const unsigned char *in, unsigned in_n, void *arg)
{
    *out = (const unsigned char *)"http/1.1";
    *n = 8;
    return SSL_TLSEXT_ERR_OK;
}

START_TEST(test_alpn_is_what_was_agreed_on)
{
    SSL_CTX *ctx = with_intermediate(EVP_EC_gen("P-256"), 1);
    SSL_CTX_set_alpn_select_cb(ctx, select_http_1_1, NULL);
    struct result *r = probe_context(ctx);
    ck_assert_str_eq(r->http->tls->alpn, "http/1.1");
    result_destroy(&r);
    r = probe_context(with_intermediate(EVP_EC_gen("P-256"), 1));
    ck_assert_ptr_null(r->http->tls->alpn);
    result_destroy(&r);
}
END_TEST

static int staple_something(SSL *ssl, void *arg)
{
    unsigned char *answer_bytes = OPENSSL_zalloc(5);
    SSL_set_tlsext_status_ocsp_resp(ssl, answer_bytes, 5);
    return SSL_TLSEXT_ERR_OK;
}

static enum result_staple staple_of(SSL_CTX *ctx, int version)
{
    SSL_CTX_set_max_proto_version(ctx, version);
    struct result *r = probe_context(ctx);
    enum result_staple staple = r->http->tls->staple;
    result_destroy(&r);
    return staple;
}

START_TEST(test_stapled_answer_is_asked_for_and_seen)
{
    const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        SSL_CTX *ctx = with_intermediate(EVP_EC_gen("P-256"), 1);
        ck_assert_int_eq(staple_of(ctx, versions[i]), STAPLE_NONE);
        ctx = with_intermediate(EVP_EC_gen("P-256"), 1);
        SSL_CTX_set_tlsext_status_cb(ctx, staple_something);
        ck_assert_int_eq(staple_of(ctx, versions[i]), STAPLE_SEEN);
    }
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
    fails(NULL, GOOD_SAN, -DAY_S, DAY_S, CAUSE_tls_self_signed);
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
    ck_assert_int_eq(tls_cause(&s), CAUSE_tls_self_signed);
}
END_TEST

START_TEST(test_each_reason_has_its_cause)
{
    static const struct {
        int error;
        enum cause cause;
    } all[] = {
        {X509_V_ERR_CERT_HAS_EXPIRED, CAUSE_tls_expired},
        {X509_V_ERR_CERT_NOT_YET_VALID, CAUSE_tls_not_yet_valid},
        {X509_V_ERR_HOSTNAME_MISMATCH, CAUSE_tls_name_mismatch},
        {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, CAUSE_tls_self_signed},
        {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, CAUSE_tls_untrusted},
        {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, CAUSE_tls_untrusted},
        {X509_V_ERR_CERT_SIGNATURE_FAILURE, CAUSE_tls_untrusted},
        {X509_V_ERR_EE_KEY_TOO_SMALL, CAUSE_tls_weak},
        {X509_V_ERR_CA_KEY_TOO_SMALL, CAUSE_tls_weak},
        {X509_V_ERR_CA_MD_TOO_WEAK, CAUSE_tls_weak},
        {X509_V_ERR_INVALID_PURPOSE, CAUSE_tls_wrong_purpose},
        {X509_V_ERR_INVALID_CA, CAUSE_tls_bad_chain},
        {X509_V_ERR_PATH_LENGTH_EXCEEDED, CAUSE_tls_bad_chain},
        {X509_V_ERR_OUT_OF_MEM, CAUSE_agent_memory},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct tls_seen s = {.verify = true, .error = all[i].error};
        ck_assert_int_eq(tls_cause(&s), all[i].cause);
        s.no_version = true;
        ck_assert_int_eq(tls_cause(&s), CAUSE_tls_version);
    }
}
END_TEST

/* A certificate can be as eloquent as it likes. */
START_TEST(test_words_about_a_certificate_are_bounded)
{
    char name[65] = "";
    for (int i = 0; i < 32; i++)
        memcpy(name + 2 * i, "\xc3\xbc", 2);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *root = mini_cert(key, name, NULL, -DAY_S, DAY_S, NULL, NULL);
    for (int i = 0; i < 5; i++)
        X509_NAME_add_entry_by_txt(X509_get_subject_name(root), "OU", MBSTRING_UTF8,
                                   (unsigned char *)name, -1, -1, 0);
    struct mini_ca wordy = {.cert = root, .key = key};
    struct result *r = probe(&wordy, GOOD_SAN, -DAY_S, DAY_S, "");
    ck_assert_int_eq(r->cause, CAUSE_tls_untrusted);
    const char *words = r->http->tls->verify_error;
    ck_assert_ptr_nonnull(strstr(words, "local issuer certificate: OU="));
    ck_assert_uint_lt(strlen(words), TLS_ERROR_TEXT_MAX);
    ck_assert_uint_gt(strlen(words), TLS_ERROR_TEXT_MAX - 8);
    ck_assert(utf8_valid(words, strlen(words)));
    result_destroy(&r);
    X509_free(root);
    EVP_PKEY_free(key);
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
              test_each_reason_has_its_cause, test_words_about_a_certificate_are_bounded,
              test_certificate_that_expires_soon, test_missing_ca_file_is_refused)
FIXTURE_TESTS(facts, test_chain_is_told_as_it_was_sent, test_long_chain_is_cut_and_counted,
              test_chain_of_a_failed_handshake_is_told_too, test_kinds_and_sizes_of_keys,
              test_alpn_is_what_was_agreed_on, test_stapled_answer_is_asked_for_and_seen)
FIXTURE_TESTS(handshake, test_silence_in_the_handshake, test_close_in_the_handshake,
              test_reset_in_the_handshake, test_no_tls_spoken)
CHECK_MAIN("tls", verification, facts, handshake)
