/* SPDX-License-Identifier: MIT */
#include "tests/proto/target_given.h"
#include <stdio.h>

#define URL(rest)    "{\"url\":\"https://a/\"," rest "}"
#define CERT         "-----BEGIN CERTIFICATE-----\\nMIIBq83v+/==\\n-----END CERTIFICATE-----\\n"
#define KEY          "-----BEGIN PRIVATE KEY-----\\ns3cret\\n-----END PRIVATE KEY-----\\n"
#define CLIENT(c, k) URL("\"client_cert\":{\"cert\":\"" c "\",\"key\":\"" k "\"}")
#define BAD_CA       "'ca' must be certificates in PEM"
#define BAD_PAIR     "'client_cert' must be {"
#define BAD_CERT     "'cert' in 'client_cert'"
#define BAD_KEY      "'key' in 'client_cert'"

START_TEST(test_nothing_is_given_by_default)
{
    good("https://a/");
    const struct target_tls *s = &t->http.tls;
    ck_assert(s->sni == NULL && s->ca == NULL && s->cert == NULL && s->key == NULL);
    good(URL("\"sni\":null,\"ca\":null,\"client_cert\":null"));
    s = &t->http.tls;
    ck_assert(s->sni == NULL && s->ca == NULL && s->cert == NULL && s->key == NULL);
}
END_TEST

START_TEST(test_sni_is_ascii_and_lower_case)
{
    good(URL("\"sni\":\"WWW.B\xc3\xbc"
             "cher.Example.\""));
    ck_assert_str_eq(t->http.tls.sni, "www.xn--bcher-kva.example");
    ck_assert_str_eq(t->http.host, "a");
}
END_TEST

START_TEST(test_bad_sni_is_refused)
{
    static const struct bad bad[] = {
        {URL("\"sni\":5"), "bad_value", "'sni' must be a string"},
        {URL("\"sni\":\"\""), "bad_value", "'sni' must be the name of a host"},
        {URL("\"sni\":\"a b\""), "bad_value", "' ' cannot stand in the host"},
        {URL("\"sni\":\"a\\nb\""), "bad_value", "'sni' must be the name of a host"},
        {URL("\"sni\":\"a..b\""), "bad_value", "empty part between dots"},
        {URL("\"sni\":\"a:443\""), "bad_value", "':' cannot stand in the host"},
        {URL("\"sni\":\"192.0.2.1\""), "bad_value", "'192.0.2.1' is an address"},
        {URL("\"sni\":\"::1\""), "bad_value", "':' cannot stand in the host"},
        {URL("\"sni\":\"*.a.test\""), "bad_value", "'*' cannot stand in the host"},
        {"{\"dns\":\"dns:a\",\"sni\":\"b\"}", "unknown_field", "'sni' is an option of http"},
    };
    REFUSE_ALL(bad);
}
END_TEST

START_TEST(test_ca_is_kept_as_it_was_given)
{
    good(URL("\"ca\":\"# root\\r\\n" CERT "and more\\n" CERT "\""));
    ck_assert_ptr_nonnull(strstr(t->http.tls.ca, "# root\r\n-----BEGIN CERTIFICATE-----\nMIIB"));
}
END_TEST

START_TEST(test_bad_ca_is_refused)
{
    static const struct bad bad[] = {
        {URL("\"ca\":[]"), "bad_value", "'ca' must be a string"},
        {URL("\"ca\":\"\""), "bad_value", BAD_CA},
        {URL("\"ca\":\"/etc/ssl/ca.pem\""), "bad_value", BAD_CA},
        {URL("\"ca\":\"-----BEGIN CERTIFICATE-----\\nMIIB\""), "bad_value", BAD_CA},
        {URL("\"ca\":\"-----BEGIN CERTIFICATE-----\\nM!IB\\n-----END CERTIFICATE-----\""),
         "bad_value", BAD_CA},
        {URL("\"ca\":\"-----BEGIN CERTIFICATE-----\\nMIIB\\n-----END CERTIFICAT-----\""),
         "bad_value", BAD_CA},
        {URL("\"ca\":\"" CERT "-----BEGIN \""), "bad_value", BAD_CA},
        {URL("\"ca\":\"" CERT KEY "\""), "bad_value", BAD_CA},
        {"{\"dns\":\"dns:a\",\"ca\":\"" CERT "\"}", "unknown_field", "'ca' is an option of http"},
    };
    REFUSE_ALL(bad);
}
END_TEST

START_TEST(test_client_cert)
{
    good(CLIENT(CERT CERT, KEY));
    ck_assert_ptr_nonnull(strstr(t->http.tls.cert, "MIIB"));
    ck_assert_ptr_nonnull(strstr(t->http.tls.key, "s3cret"));
    good(CLIENT(CERT, "-----BEGIN EC PARAMETERS-----\\nBg\\n-----END EC PARAMETERS-----\\n"
                      "-----BEGIN EC PRIVATE KEY-----\\nMH\\n-----END EC PRIVATE KEY-----"));
    good(CLIENT(CERT, "-----BEGIN RSA PRIVATE KEY-----\\nMH\\n-----END RSA PRIVATE KEY-----"));
}
END_TEST

START_TEST(test_bad_client_cert_is_refused)
{
    static const struct bad bad[] = {
        {URL("\"client_cert\":\"" CERT KEY "\""), "bad_value", BAD_PAIR},
        {URL("\"client_cert\":{\"cert\":\"" CERT "\"}"), "bad_value", BAD_PAIR},
        {URL("\"client_cert\":{\"cert\":\"" CERT "\",\"key\":5}"), "bad_value", BAD_PAIR},
        {URL("\"client_cert\":{\"cert\":\"" CERT "\",\"key\":\"" KEY "\",\"x\":1}"), "bad_value",
         BAD_PAIR},
        {CLIENT("", KEY), "bad_value", BAD_CERT},
        {CLIENT(CERT KEY, KEY), "bad_value", BAD_CERT},
        {CLIENT(CERT, CERT), "bad_value", BAD_KEY},
        {CLIENT(CERT, KEY KEY), "bad_value", BAD_KEY},
        {CLIENT(CERT, "-----BEGIN EC PARAMETERS-----\\nBg\\n-----END EC PARAMETERS-----\\n"),
         "bad_value", BAD_KEY},
        {CLIENT(CERT, "-----BEGIN ENCRYPTED PRIVATE KEY-----\\nMH\\n"
                      "-----END ENCRYPTED PRIVATE KEY-----"),
         "bad_value", "without a passphrase"},
        {CLIENT(CERT, "-----BEGIN RSA PRIVATE KEY-----\\nProc-Type: 4,ENCRYPTED\\n\\nMH\\n"
                      "-----END RSA PRIVATE KEY-----"),
         "bad_value", "without a passphrase"},
    };
    REFUSE_ALL(bad);
}
END_TEST

START_TEST(test_no_problem_quotes_a_key)
{
    static const char *const given[] = {
        URL("\"client_cert\":\"s3cret\""),
        URL("\"client_cert\":{\"s3cret\":\"s3cret\"}"),
        URL("\"client_cert\":{\"cert\":\"" CERT "\",\"key\":[\"s3cret\"]}"),
        URL("\"ca\":\"" KEY "\""),
        CLIENT(KEY, CERT),
        CLIENT(CERT, "s3cret"),
        CLIENT(CERT, KEY "s3cret" KEY),
    };
    for (size_t i = 0; i < ARRAY_LEN(given); i++) {
        ck_assert_int_eq(json(given[i]), ERR_INVALID);
        ck_assert_msg(strstr(p.detail, "s3cret") == NULL, "%s", p.detail);
    }
}
END_TEST

static enum err of_length(const char *head, const char *label, size_t n, const char *tail)
{
    char first[400];
    char last[400];
    snprintf(first, sizeof(first), "%s-----BEGIN %s-----", head, label);
    snprintf(last, sizeof(last), "-----END %s-----%s", label, tail);
    size_t frame = 2 * strlen(label) + strlen("-----BEGIN -----") + strlen("-----END -----");
    char *s = repeat(first, 'A', n - frame, last);
    enum err e = json(s);
    free(s);
    return e;
}

START_TEST(test_pem_at_its_bounds)
{
    static const char ca[] = "{\"url\":\"https://a/\",\"ca\":\"";
    static const char cert[] =
        "{\"url\":\"https://a/\",\"client_cert\":{\"key\":\"" KEY "\",\"cert\":\"";
    static const char key[] =
        "{\"url\":\"https://a/\",\"client_cert\":{\"cert\":\"" CERT "\",\"key\":\"";
    ck_assert_int_eq(of_length(ca, "CERTIFICATE", CA_PEM_MAX, "\"}"), ERR_NONE);
    ck_assert_int_eq(of_length(ca, "CERTIFICATE", CA_PEM_MAX + 1, "\"}"), ERR_INVALID);
    ck_assert_int_eq(of_length(cert, "CERTIFICATE", CERT_PEM_MAX, "\"}}"), ERR_NONE);
    ck_assert_int_eq(of_length(cert, "CERTIFICATE", CERT_PEM_MAX + 1, "\"}}"), ERR_INVALID);
    ck_assert_int_eq(of_length(key, "PRIVATE KEY", KEY_PEM_MAX, "\"}}"), ERR_NONE);
    ck_assert_int_eq(of_length(key, "PRIVATE KEY", KEY_PEM_MAX + 1, "\"}}"), ERR_INVALID);
}
END_TEST

START_TEST(test_target_takes_those_of_the_defaults_or_its_own)
{
    ck_assert_int_eq(defaults("{\"sni\":\"old.test\",\"ca\":\"" CERT "\"}"), ERR_NONE);
    good("https://a/");
    ck_assert_str_eq(t->http.tls.sni, "old.test");
    ck_assert_ptr_nonnull(t->http.tls.ca);
    good(URL("\"sni\":\"new.test\",\"ca\":\"new " CERT "\""));
    ck_assert_str_eq(t->http.tls.sni, "new.test");
    ck_assert(strncmp(t->http.tls.ca, "new ", 4) == 0);
    ck_assert_int_eq(defaults("{\"client_cert\":{\"cert\":\"" CERT "\",\"key\":\"" KEY "\"}}"),
                     ERR_NONE);
    good(CLIENT("new " CERT, "new " KEY));
    ck_assert(strncmp(t->http.tls.cert, "new ", 4) == 0 &&
              strncmp(t->http.tls.key, "new ", 4) == 0);
}
END_TEST

START_TEST(test_spec_reads_back_to_the_same_target)
{
    static const char spec[] =
        URL("\"sni\":\"b.test\",\"ca\":\"" CERT "\",\"client_cert\":{\"cert\":\"" CERT
            "\",\"key\":\"" KEY "\"}");
    struct strbuf b;
    strbuf_init(&b, SPEC_MAX_BYTES + 1);
    good(spec);
    ck_assert_int_eq(target_encode(t, &b), ERR_NONE);
    ck_assert_str_eq(b.data, spec);
    strbuf_fini(&b);
}
END_TEST

TESTS(bare, test_nothing_is_given_by_default, test_sni_is_ascii_and_lower_case,
      test_bad_sni_is_refused, test_ca_is_kept_as_it_was_given, test_bad_ca_is_refused,
      test_client_cert, test_bad_client_cert_is_refused, test_no_problem_quotes_a_key,
      test_pem_at_its_bounds, test_target_takes_those_of_the_defaults_or_its_own,
      test_spec_reads_back_to_the_same_target)

static TCase *all(void)
{
    TCase *tc = bare();
    tcase_add_checked_fixture(tc, NULL, teardown);
    return tc;
}
CHECK_MAIN("target_tls", all)
