/* SPDX-License-Identifier: MIT */
#include "agent/probe/http_impl.h"

#include "mini_server.h"
#include "probe_run.h"
#include "tests/support/check_main.h"

/* What `sni`, `ca`, `client_cert` and a Host header do on the wire. */

#define DAY_S 86400L
#define SAN   "DNS:inner.test"

static struct mini_ca ca, stranger;
static struct mini secure, other, mutual;
static struct probe_run run;

static void redirect(struct mini_conn *c, uint16_t port)
{
    char text[200];
    snprintf(text, sizeof(text),
             "HTTP/1.1 302 R\r\nLocation: https://127.0.0.1:%u/\r\nContent-Length: 0\r\n\r\n",
             port);
    mini_puts(c, text);
}

/* The name that was asked for, the certificate that was shown, and the request. */
static void answer(struct mini_conn *c)
{
    char text[20000], shown[100] = "none";
    const char *sni = SSL_get_servername(c->ssl, TLSEXT_NAMETYPE_host_name);
    X509 *peer = SSL_get0_peer_certificate(c->ssl);
    if (!strncmp(c->request, "GET /cross ", 11)) {
        redirect(c, other.port);
        return;
    }
    if (!strncmp(c->request, "GET /same ", 10)) {
        redirect(c, c->server->port);
        return;
    }
    if (peer)
        X509_NAME_oneline(X509_get_subject_name(peer), shown, sizeof(shown));
    snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\n\r\n[sni %s][shown %s]%s", sni ? sni : "none",
             shown, c->request);
    mini_puts(c, text);
}

/* Asks for a certificate of our authority; required: and hangs up without one. */
static SSL_CTX *asking(const char *san, bool required)
{
    SSL_CTX *ctx = mini_tls(&ca, san, -DAY_S, DAY_S);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca.cert);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       NULL);
    return ctx;
}

static void setup(void)
{
    mini_init();
    mini_ca_init(&ca);
    mini_ca_init(&stranger);
    secure = other = mutual = (struct mini){.answer = answer};
    secure.tls = asking(SAN, false);
    other.tls = asking("IP:127.0.0.1", false);
    mutual.tls = asking(SAN ",IP:127.0.0.1", true);
    mini_start(&secure);
    mini_start(&other);
    mini_start(&mutual);
    probe_run_init(&run, ca.file, true);
}

static void teardown(void)
{
    probe_run_fini(&run);
    mini_ca_fini(&ca);
    mini_ca_fini(&stranger);
}

static struct result *probe(const struct mini *s, const char *path, const char *options)
{
    static char json[32768];
    snprintf(json, sizeof(json),
             "{\"url\":\"https://127.0.0.1:%u%s\",\"keep_body\":9000,\"retries\":0%s}", s->port,
             path, options);
    struct target *t = probe_run_target(json);
    struct result *r = probe_run_go(&run, t, false);
    target_destroy(&t);
    return r;
}

static void ends(const struct mini *s, const char *options, enum cause want, const char *words)
{
    struct result *r = probe(s, "/", options);
    const char *message = r->message ? r->message : "ok";
    ck_assert_msg(r->cause == want && strstr(message, words), "%s: %s", cause_word(r->cause),
                  message);
    result_destroy(&r);
}

static void sees(const struct mini *s, const char *path, const char *options, const char *text,
                 bool want)
{
    struct result *r = probe(s, path, options);
    ck_assert_msg(r->cause == CAUSE_NONE, "%s", r->message);
    ck_assert_msg((strstr(r->http->body, text) != NULL) == want, "%s", r->http->body);
    result_destroy(&r);
}

/* As it stands in a string of JSON. */
static void in_json(BIO *bio, char *out, size_t max)
{
    char *pem;
    size_t n = (size_t)BIO_get_mem_data(bio, &pem), at = 0;
    for (size_t i = 0; i < n && at + 3 < max; i++) {
        if (pem[i] == '\n')
            out[at++] = '\\';
        out[at++] = (char)(pem[i] == '\n' ? 'n' : pem[i]);
    }
    out[at] = '\0';
    BIO_free(bio);
}

static const char *cert_text(X509 *x)
{
    static char text[2][4096];
    static unsigned turn;
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, x);
    turn = !turn;
    in_json(bio, text[turn], sizeof(text[turn]));
    return text[turn];
}

static const char *key_text(EVP_PKEY *key)
{
    static char text[4096];
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    in_json(bio, text, sizeof(text));
    return text;
}

static const char *trusting(const struct mini_ca *authority, const char *more)
{
    static char text[12000];
    snprintf(text, sizeof(text), ",\"ca\":\"%s\"%s", cert_text(authority->cert), more);
    return text;
}

static char last_key[4096];

/* client_cert of a client whom this authority knows. */
static const char *client(const struct mini_ca *authority, const char *more)
{
    static char text[12000];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = mini_cert(key, "mini client", "DNS:client.test", -DAY_S, DAY_S, authority->cert,
                        authority->key);
    snprintf(last_key, sizeof(last_key), "%s", key_text(key));
    snprintf(text, sizeof(text), ",\"client_cert\":{\"cert\":\"%s\",\"key\":\"%s\"}%s",
             cert_text(x), last_key, more);
    X509_free(x);
    EVP_PKEY_free(key);
    return text;
}

#define SNI ",\"sni\":\"inner.test\""

START_TEST(test_sni_is_asked_for_and_verified)
{
    ends(&secure, "", CAUSE_tls_name_mismatch, "");
    sees(&secure, "/", SNI, "[sni inner.test]", true);
    ends(&secure, ",\"sni\":\"outer.test\"", CAUSE_tls_name_mismatch, "outer.test");
    struct result *r = probe(&secure, "/", SNI);
    ck_assert(r->http->tls->verified);
    result_destroy(&r);
}
END_TEST

START_TEST(test_sni_is_judged_without_verification_too)
{
    struct result *r = probe(&secure, "/", SNI ",\"verify_tls\":false");
    ck_assert(r->http->tls->verified);
    result_destroy(&r);
    r = probe(&secure, "/", ",\"verify_tls\":false,\"sni\":\"outer.test\"");
    ck_assert_int_eq(r->cause, CAUSE_NONE);
    ck_assert(!r->http->tls->verified);
    result_destroy(&r);
}
END_TEST

START_TEST(test_sni_leaves_host_and_record_alone)
{
    char host[64], url[64];
    snprintf(host, sizeof(host), "\r\nHost: 127.0.0.1:%u\r\n", secure.port);
    snprintf(url, sizeof(url), "https://127.0.0.1:%u/same", secure.port);
    sees(&secure, "/", SNI, host, true);
    sees(&secure, "/", SNI, "Host: inner.test", false);
    struct result *r = probe(&secure, "/same", SNI);
    ck_assert_int_eq(r->cause, CAUSE_NONE);
    ck_assert_str_eq(r->http->hops[0].url, url);
    ck_assert_ptr_nonnull(strstr(r->http->body, "[sni inner.test]"));
    result_destroy(&r);
}
END_TEST

START_TEST(test_sni_stays_within_its_origin)
{
    sees(&secure, "/cross", SNI, "[sni none]", true);
}
END_TEST

/* Carriers are used again: what one probe set must not reach the next. */
START_TEST(test_sni_does_not_reach_the_next_probe)
{
    sees(&secure, "/", SNI, "[sni inner.test]", true);
    sees(&other, "/", "", "[sni none]", true);
    struct http_state *s = run.env.state[TARGET_HTTP];
    ck_assert_uint_eq(s->carriers, 1);
}
END_TEST

START_TEST(test_host_header_replaces_ours)
{
    sees(&other, "/", ",\"headers\":{\"host\":\"virtual.test\"}", "Host: virtual.test\r\n", true);
    sees(&other, "/", ",\"headers\":{\"host\":\"virtual.test\"}", "127.0.0.1", false);
    sees(&secure, "/", SNI ",\"headers\":{\"Host\":\"virtual.test\"}", "Host: virtual.test\r\n",
         true);
    sees(&secure, "/", SNI ",\"headers\":{\"Host\":\"virtual.test\"}", "Host: 127.0.0.1", false);
    sees(&secure, "/cross", SNI ",\"headers\":{\"Host\":\"virtual.test\"}", "virtual.test", false);
}
END_TEST

START_TEST(test_ca_replaces_the_agents_store)
{
    probe_run_fini(&run);
    probe_run_init(&run, stranger.file, true);
    ends(&other, "", CAUSE_tls_untrusted, "");
    ends(&other, trusting(&ca, ""), CAUSE_NONE, "");
    ends(&secure, trusting(&ca, SNI), CAUSE_NONE, "");
    struct result *r = probe(&secure, "/cross", trusting(&ca, SNI));
    ck_assert_int_eq(r->cause, CAUSE_NONE);
    result_destroy(&r);
    ends(&other, "", CAUSE_tls_untrusted, "");
}
END_TEST

START_TEST(test_agents_authorities_do_not_count_beside_ca)
{
    ends(&other, trusting(&stranger, ""), CAUSE_tls_untrusted, "");
}
END_TEST

#define NO_CERT "-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICATE-----\\n"
#define NO_KEY  "-----BEGIN PRIVATE KEY-----\\nMIIB\\n-----END PRIVATE KEY-----\\n"

START_TEST(test_unreadable_ca_is_told)
{
    char text[9000];
    ends(&other, ",\"ca\":\"" NO_CERT "\"", CAUSE_bad_tls_option, "certificate of ca");
    snprintf(text, sizeof(text), ",\"ca\":\"%s%s\"", cert_text(ca.cert), NO_CERT);
    ends(&other, text, CAUSE_bad_tls_option, "certificate of ca");
    struct result *r = probe(&other, "/", text);
    ck_assert_int_eq(r->outcome, OUTCOME_REFUSED);
    ck_assert(r->t.dns_ms < 0 && r->t.connect_ms < 0 && r->t.tls_ms < 0 && r->http == NULL);
    result_destroy(&r);
}
END_TEST

START_TEST(test_client_cert_is_shown_to_who_asks)
{
    sees(&mutual, "/", client(&ca, ""), "[shown /CN=mini client]", true);
    sees(&secure, "/", client(&ca, SNI), "[shown /CN=mini client]", true);
    sees(&secure, "/same", client(&ca, SNI), "[shown /CN=mini client]", true);
    sees(&secure, "/", SNI, "[shown none]", true);
}
END_TEST

START_TEST(test_client_cert_stays_within_its_origin)
{
    sees(&secure, "/cross", client(&ca, SNI), "[shown none]", true);
}
END_TEST

/* TLS 1.3 has the server's refusal come after the client's end of the handshake. */
START_TEST(test_refusal_of_the_client_is_a_failed_handshake)
{
    ends(&mutual, "", CAUSE_tls_handshake, "");
    ends(&mutual, client(&stranger, ""), CAUSE_tls_handshake, "");
    SSL_CTX_set_max_proto_version(mutual.tls, TLS1_2_VERSION);
    ends(&mutual, "", CAUSE_tls_handshake, "");
    ends(&mutual, client(&ca, ""), CAUSE_NONE, "");
}
END_TEST

START_TEST(test_unusable_client_cert_is_told)
{
    char text[9000];
    EVP_PKEY *weak = EVP_RSA_gen(1024);
    X509 *x = mini_cert(weak, "weak", "DNS:a", -DAY_S, DAY_S, ca.cert, ca.key);
    const char *form = ",\"client_cert\":{\"cert\":\"%s\",\"key\":\"%s\"}";
    snprintf(text, sizeof(text), form, NO_CERT, key_text(ca.key));
    ends(&mutual, text, CAUSE_bad_tls_option, "the certificate of client_cert cannot be read");
    snprintf(text, sizeof(text), form, cert_text(ca.cert), NO_KEY);
    ends(&mutual, text, CAUSE_bad_tls_option, "the key of client_cert cannot be read");
    snprintf(text, sizeof(text), form, cert_text(ca.cert), key_text(stranger.key));
    ends(&mutual, text, CAUSE_bad_tls_option, "is not that of its first certificate");
    snprintf(text, sizeof(text), form, cert_text(x), key_text(weak));
    ends(&mutual, text, CAUSE_bad_tls_option, "too weak");
    X509_free(x);
    EVP_PKEY_free(weak);
}
END_TEST

START_TEST(test_intermediates_of_the_client_are_sent)
{
    char text[16000];
    EVP_PKEY *middle_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
    X509 *middle = mini_cert(middle_key, "middle", NULL, -DAY_S, DAY_S, ca.cert, ca.key);
    X509 *leaf = mini_cert(key, "far client", "DNS:c", -DAY_S, DAY_S, middle, middle_key);
    const char *first = cert_text(leaf), *second = cert_text(middle);
    snprintf(text, sizeof(text), ",\"client_cert\":{\"cert\":\"%s%s\",\"key\":\"%s\"}", first,
             second, key_text(key));
    sees(&mutual, "/", text, "[shown /CN=far client]", true);
    X509_free(middle);
    X509_free(leaf);
    EVP_PKEY_free(middle_key);
    EVP_PKEY_free(key);
}
END_TEST

START_TEST(test_record_holds_no_key)
{
    struct strbuf b;
    struct result *r = probe(&mutual, "/", client(&ca, ""));
    const char *body = strstr(last_key, "\\n") + 2;
    char some[33];
    snprintf(some, sizeof(some), "%s", body + 8);
    strbuf_init(&b, RESULT_MAX_BYTES);
    result_encode(r, wall_now(), &b);
    ck_assert_ptr_null(strstr(b.data, some));
    ck_assert_ptr_null(strstr(b.data, "PRIVATE KEY"));
    strbuf_fini(&b);
    result_destroy(&r);
}
END_TEST

TESTS(bare, test_sni_is_asked_for_and_verified, test_sni_is_judged_without_verification_too,
      test_sni_leaves_host_and_record_alone, test_sni_stays_within_its_origin,
      test_sni_does_not_reach_the_next_probe, test_host_header_replaces_ours,
      test_ca_replaces_the_agents_store, test_agents_authorities_do_not_count_beside_ca,
      test_unreadable_ca_is_told, test_client_cert_is_shown_to_who_asks,
      test_client_cert_stays_within_its_origin, test_refusal_of_the_client_is_a_failed_handshake,
      test_unusable_client_cert_is_told, test_intermediates_of_the_client_are_sent,
      test_record_holds_no_key)
static TCase *options(void)
{
    TCase *tc = bare();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("http_tls", options)
