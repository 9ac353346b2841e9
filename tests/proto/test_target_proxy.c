/* SPDX-License-Identifier: MIT */
#include "tests/proto/target_given.h"
#include <stdio.h>

#define URL(rest)   "{\"url\":\"https://a/\"," rest "}"
#define PROXY(text) URL("\"proxy\":\"" text "\"")
#define WANTED      "'proxy' must be http://"
#define BAD_PLACE   "'proxy' has no usable host, or no port"
#define BAD_USER    "the user of 'proxy' must have 1 to 255 bytes"

static void is(const char *given, enum proxy_kind kind, const char *name, const char *user,
               const char *password)
{
    char buf[PROXY_NAME_MAX];
    good(given);
    const struct target_proxy *x = &t->http.proxy;
    ck_assert_int_eq(x->kind, kind);
    ck_assert_str_eq(target_proxy_name(x, buf), name);
    ck_assert_pstr_eq(x->user, user);
    ck_assert_pstr_eq(x->password, password);
}

START_TEST(test_there_is_none_by_default)
{
    good("https://a/");
    ck_assert_int_eq(t->http.proxy.kind, PROXY_NONE);
    ck_assert_ptr_null(t->http.proxy.host);
    good(URL("\"proxy\":null"));
    ck_assert_int_eq(t->http.proxy.kind, PROXY_NONE);
    good(PROXY(""));
    ck_assert_int_eq(t->http.proxy.kind, PROXY_NONE);
}
END_TEST

START_TEST(test_forms)
{
    is(PROXY("http://p.test:8080"), PROXY_HTTP, "p.test:8080", NULL, NULL);
    is(PROXY("http://p.test"), PROXY_HTTP, "p.test:3128", NULL, NULL);
    is(PROXY("HTTP://P.Test./"), PROXY_HTTP, "p.test:3128", NULL, NULL);
    is(PROXY("socks5://10.0.0.1"), PROXY_SOCKS5, "10.0.0.1:1080", NULL, NULL);
    is(PROXY("socks5://[2001:DB8::1]:9"), PROXY_SOCKS5, "[2001:db8::1]:9", NULL, NULL);
    is(PROXY("http://b\xc3\xbc"
             "cher.test:1"),
       PROXY_HTTP, "xn--bcher-kva.test:1", NULL, NULL);
    is(PROXY("http://0x7f.1:1"), PROXY_HTTP, "127.0.0.1:1", NULL, NULL);
}
END_TEST

START_TEST(test_credentials_are_decoded)
{
    is(PROXY("http://ann:s3cret@p.test"), PROXY_HTTP, "p.test:3128", "ann", "s3cret");
    is(PROXY("socks5://ann@p.test:1"), PROXY_SOCKS5, "p.test:1", "ann", "");
    is(PROXY("http://ann:@p.test"), PROXY_HTTP, "p.test:3128", "ann", "");
    is(PROXY("http://a%40b:p%3A%2f%25:x@p.test"), PROXY_HTTP, "p.test:3128", "a@b", "p:/%:x");
    is(PROXY("http://ann:a@b@p.test"), PROXY_HTTP, "p.test:3128", "ann", "a@b");
    is(PROXY("socks5://a%3Ab:c@p.test"), PROXY_SOCKS5, "p.test:1080", "a:b", "c");
}
END_TEST

START_TEST(test_bad_ones_are_refused)
{
    static const struct bad bad[] = {
        {URL("\"proxy\":5"), "bad_value", "'proxy' must be a string"},
        {URL("\"proxy\":{\"url\":\"http://p\"}"), "bad_value", "'proxy' must be a string"},
        {PROXY("p.test:3128"), "bad_value", WANTED},
        {PROXY("https://p.test"), "bad_value", WANTED},
        {PROXY("socks5h://p.test"), "bad_value", WANTED},
        {PROXY("socks4://p.test"), "bad_value", WANTED},
        {PROXY("http:p.test"), "bad_value", WANTED},
        {PROXY("http://"), "bad_value", BAD_PLACE},
        {PROXY("http://:3128"), "bad_value", BAD_PLACE},
        {PROXY("http://ann:b@"), "bad_value", BAD_PLACE},
        {PROXY("http://p.test:0"), "bad_value", BAD_PLACE},
        {PROXY("http://p.test:65536"), "bad_value", BAD_PLACE},
        {PROXY("http://p test"), "bad_value", BAD_PLACE},
        {PROXY("http://p.test\\n"), "bad_value", BAD_PLACE},
        {PROXY("http://1.2.3.4.5"), "bad_value", BAD_PLACE},
        {PROXY("http://::1"), "bad_value", BAD_PLACE},
        {PROXY("http://[::1"), "bad_value", BAD_PLACE},
        {PROXY("http://[fe80::1%25eth0]"), "bad_value", BAD_PLACE},
        {PROXY("http://p.test/x"), "bad_value", "nothing may follow the host and the port"},
        {PROXY("http://p.test?"), "bad_value", "nothing may follow the host and the port"},
        {PROXY("http://a:b/c@p.test"), "bad_value", "must be percent-encoded: %2F, %3F, %23"},
        {PROXY("http://a:b#c@p.test"), "bad_value", "must be percent-encoded: %2F, %3F, %23"},
        {PROXY("http://@p.test"), "bad_value", BAD_USER},
        {PROXY("http://:pw@p.test"), "bad_value", BAD_USER},
        {PROXY("http://a%0ab:c@p.test"), "bad_value", BAD_USER},
        {PROXY("http://a:b%00@p.test"), "bad_value", BAD_USER},
        {PROXY("http://a:b%4@p.test"), "bad_value", BAD_USER},
        {PROXY("http://a:b%zz@p.test"), "bad_value", BAD_USER},
        {PROXY("http://a%3ab:c@p.test"), "bad_value", "cannot hold a ':'"},
        {"{\"dns\":\"dns:a\",\"proxy\":\"http://p\"}", "unknown_field",
         "'proxy' is an option of http"},
    };
    REFUSE_ALL(bad);
}
END_TEST

START_TEST(test_no_problem_quotes_a_password)
{
    static const char *const given[] = {
        PROXY("s3cret"),
        PROXY("http//ann:s3cret@p.test"),
        PROXY("ann:s3cret@p.test:3128"),
        PROXY("http://s3cret"
              "%zz@p.test"),
        PROXY("http://ann:s3cret/x@p.test"),
        PROXY("http://ann:s3cret@p.test:s3cret"),
        PROXY("http://ann:s3cret"),
        PROXY("http://s3cret_!"),
        PROXY("http://ann:s3cret@p.test/s3cret"),
        URL("\"proxy\":[\"s3cret\"]"),
    };
    for (size_t i = 0; i < ARRAY_LEN(given); i++) {
        ck_assert_int_eq(json(given[i]), ERR_INVALID);
        ck_assert_msg(strstr(p.detail, "s3cret") == NULL, "%s", p.detail);
    }
}
END_TEST

static enum err of_length(const char *head, size_t n, const char *tail)
{
    char *s = repeat(head, 'a', n, tail);
    enum err e = json(s);
    free(s);
    return e;
}

START_TEST(test_credentials_at_their_bounds)
{
    static const char user[] = "{\"url\":\"https://a/\",\"proxy\":\"socks5://";
    static const char password[] = "{\"url\":\"https://a/\",\"proxy\":\"http://u:";
    ck_assert_int_eq(of_length(user, PROXY_SECRET_MAX, ":p@p.test\"}"), ERR_NONE);
    ck_assert_int_eq(of_length(user, PROXY_SECRET_MAX + 1, ":p@p.test\"}"), ERR_INVALID);
    ck_assert_int_eq(of_length(password, PROXY_SECRET_MAX, "@p.test\"}"), ERR_NONE);
    ck_assert_int_eq(of_length(password, PROXY_SECRET_MAX + 1, "@p.test\"}"), ERR_INVALID);
}
END_TEST

START_TEST(test_target_takes_that_of_the_defaults_or_its_own)
{
    ck_assert_int_eq(defaults("{\"proxy\":\"http://u:p@old.test\"}"), ERR_NONE);
    is("https://a/", PROXY_HTTP, "old.test:3128", "u", "p");
    is(PROXY("socks5://new.test"), PROXY_SOCKS5, "new.test:1080", NULL, NULL);
    good(PROXY(""));
    ck_assert_int_eq(t->http.proxy.kind, PROXY_NONE);
}
END_TEST

static void encodes(const char *given, const char *spec)
{
    struct strbuf b;
    strbuf_init(&b, SPEC_MAX_BYTES + 1);
    good(given);
    ck_assert_int_eq(target_encode(t, &b), ERR_NONE);
    ck_assert_str_eq(b.data, spec);
    good(spec);
    strbuf_reset(&b);
    ck_assert_int_eq(target_encode(t, &b), ERR_NONE);
    ck_assert_str_eq(b.data, spec);
    strbuf_fini(&b);
}

START_TEST(test_spec_reads_back_to_the_same_target)
{
    encodes(PROXY("HTTP://P.test/"), PROXY("http://p.test:3128"));
    encodes(PROXY("socks5://a%3ab%40:@[::1]"), PROXY("socks5://a%3Ab%40:@[::1]:1080"));
    encodes(PROXY("http://u:%ff%2F~@p.test:1"), PROXY("http://u:%FF%2F~@p.test:1"));
    encodes(PROXY(""), "{\"url\":\"https://a/\"}");
}
END_TEST

START_TEST(test_targets_of_one_proxy_have_one_peer)
{
    ck_assert_int_eq(defaults("{\"proxy\":\"http://u:p@p.test\"}"), ERR_NONE);
    good("https://a/");
    uint64_t a = target_peer_hash(t), host = target_host_hash(t);
    good("http://b/");
    ck_assert_uint_eq(target_peer_hash(t), a);
    ck_assert_uint_ne(target_host_hash(t), host);
    good(PROXY(""));
    ck_assert_uint_eq(target_peer_hash(t), host);
    good("dns:a");
    ck_assert_uint_eq(target_peer_hash(t), target_host_hash(t));
}
END_TEST

TESTS(bare, test_there_is_none_by_default, test_forms, test_credentials_are_decoded,
      test_bad_ones_are_refused, test_no_problem_quotes_a_password,
      test_credentials_at_their_bounds, test_target_takes_that_of_the_defaults_or_its_own,
      test_spec_reads_back_to_the_same_target, test_targets_of_one_proxy_have_one_peer)

static TCase *all(void)
{
    TCase *tc = bare();
    tcase_add_checked_fixture(tc, NULL, teardown);
    return tc;
}
CHECK_MAIN("target_proxy", all)
