/* SPDX-License-Identifier: MIT */
#include "proto/target_flags.h"
#include "proto/target.h"
#include "tests/support/flags_given.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char why[512];

/* The words behind the command; the object that they make, or NULL with `why`. */
static char *object_of(const char *const *words)
{
    struct flags_given g;
    struct strbuf b;
    char *out = NULL;
    flags_give(&g, words);
    strbuf_init(&b, 1u << 18);
    if (target_flags_encode(&g.f, g.target, &b, why, sizeof(why)) == ERR_NONE)
        out = strbuf_take(&b, NULL);
    strbuf_fini(&b);
    flags_drop(&g);
    return out;
}

static void makes_words(const char *wanted, const char *const *words)
{
    char *got = object_of(words);
    ck_assert_msg(got != NULL, "%s", why);
    ck_assert_str_eq(got, wanted);
    free(got);
}
#define MAKES(wanted, ...) makes_words(wanted, (const char *const[]){__VA_ARGS__, NULL})

static void fails_words(const char *sentence, const char *const *words)
{
    char *got = object_of(words);
    ck_assert_msg(got == NULL, "no failure: %s", got);
    ck_assert_str_eq(why, sentence);
}
#define FAILS(sentence, ...) fails_words(sentence, (const char *const[]){__VA_ARGS__, NULL})

/* What the validator says of the object, as the user gets to see it. */
static void judged_words(const char *sentence, const char *const *words)
{
    struct flags_given g;
    struct strbuf b;
    struct json_doc *d = NULL;
    struct target *t = NULL;
    struct target_problem p = {.code = NULL};
    strbuf_init(&b, 1u << 18);
    flags_give(&g, words);
    ck_assert_msg(target_flags_encode(&g.f, g.target, &b, why, sizeof(why)) == ERR_NONE, "%s", why);
    ck_assert_int_eq(json_parse(b.data, b.len, &d, why, sizeof(why)), ERR_NONE);
    enum err e = target_from_json(json_root(d), NULL, &t, &p);
    if (sentence == NULL) {
        ck_assert_msg(e == ERR_NONE, "%s", p.detail);
    } else {
        ck_assert_int_ne(e, ERR_NONE);
        target_flags_explain(&g.f, p.detail, why, sizeof(why));
        ck_assert_str_eq(why, sentence);
    }
    target_destroy(&t);
    json_free(&d);
    strbuf_fini(&b);
    flags_drop(&g);
}
#define JUDGED(sentence, ...) judged_words(sentence, (const char *const[]){__VA_ARGS__, NULL})

#define U "https://a.example/"

START_TEST(test_uri_alone)
{
    MAKES("{\"url\":\"https://a.example/\"}", U);
    MAKES("{\"dns\":\"DNS:a?type=MX\"}", "DNS:a?type=MX");
    MAKES("{\"url\":\"nonsense\"}", "nonsense");
}
END_TEST

START_TEST(test_bare_name_beside_a_type)
{
    MAKES("{\"dns\":\"dns:a.example?type=MX\"}", "a.example", "--type", "MX");
    MAKES("{\"dns\":\"dns:a.example\",\"type\":\"MX\"}", "dns:a.example", "-t", "MX");
    JUDGED("--type is an option of dns targets, and this is an http target", U, "--type", "MX");
    JUDGED("--type contradicts the type in the URI: leave one out", "dns:a?type=A", "-t", "MX");
}
END_TEST

START_TEST(test_http_flags)
{
    MAKES(
        "{\"url\":\"https://a.example/\",\"resolver\":\"1.1.1.1\",\"method\":\"PUT\","
        "\"http_version\":\"1.1\",\"ip_version\":6,\"follow_redirects\":false,\"max_redirects\":2,"
        "\"verify_tls\":false,\"proxy\":\"http://"
        "p\",\"sni\":\"b\",\"compression\":false,\"body_limit\":5,\"keep_body\":6,"
        "\"wire_limit\":7}",
        U, "--dns-server", "1.1.1.1", "-X", "PUT", "--http-version", "1.1", "-6", "--no-follow",
        "--max-redirects", "2", "-k", "-x", "http://p", "--sni", "b", "--no-compression",
        "--body-limit", "5", "--keep-body", "6", "--wire-limit", "7");
    MAKES("{\"url\":\"https://a.example/\",\"ip_version\":4}", U, "--ipv4");
}
END_TEST

START_TEST(test_dns_flags)
{
    MAKES("{\"dns\":\"dns:a\",\"timeout_ms\":7,\"retries\":1,\"transport\":\"tcp\",\"recursion\":"
          "false,\"dnssec\":true,\"edns_size\":0}",
          "dns:a", "--timeout-ms", "7", "--retries", "1", "--tcp", "--norecurse", "--dnssec",
          "--edns", "0");
}
END_TEST

START_TEST(test_body_is_posted_unless_a_method_is_given)
{
    MAKES("{\"url\":\"https://a.example/\",\"body\":\"x=1\",\"method\":\"POST\"}", U, "-d", "x=1");
    MAKES("{\"url\":\"https://a.example/\",\"method\":\"PUT\",\"body\":\"x=1\"}", U, "-d", "x=1",
          "-X", "PUT");
    MAKES("{\"url\":\"https://a.example/\",\"method\":\"PUT\",\"body\":\"x\"}",
          "{\"url\":\"https://a.example/\",\"method\":\"PUT\"}", "-d", "x");
    JUDGED("--body is an option of http targets, and this is a dns target", "dns:a", "-d", "x");
}
END_TEST

START_TEST(test_headers)
{
    MAKES("{\"url\":\"https://a.example/\",\"headers\":{\"A\":\"b: c\",\"D\":\"\"}}", U, "-H",
          "A:  b: c", "--header", "D:");
    FAILS("--header must be 'NAME: VALUE', got 'nonsense'", U, "-H", "nonsense");
    FAILS("--header must be 'NAME: VALUE', got ': x'", U, "-H", ": x");
    FAILS("--header names 'a' twice", U, "-H", "A: 1", "-H", "a: 2");
}
END_TEST

START_TEST(test_credentials)
{
    MAKES("{\"url\":\"https://a.example/"
          "\",\"auth\":{\"basic\":{\"user\":\"u\",\"password\":\"p:q\"}}}",
          U, "-u", "u:p:q");
    MAKES("{\"url\":\"https://a.example/\",\"auth\":{\"bearer\":\"t\"}}", U, "--bearer", "t");
    FAILS("--user must be NAME:PASSWORD, or @FILE that holds it", U, "--user", "u");
    FAILS("--user and --bearer contradict: leave one out", U, "--user", "u:p", "--bearer", "t");
    JUDGED("'bearer' in --bearer must be 1 to 4096 visible ASCII characters", U, "--bearer", "a b");
}
END_TEST

/* A file for the time of a test. */
static char *file_with(const char *bytes)
{
    static char arg[] = "@/tmp/sonde-target-flags-XXXXXX";
    snprintf(arg, sizeof(arg), "@/tmp/sonde-target-flags-XXXXXX");
    int fd = mkstemp(arg + 1);
    ck_assert(fd >= 0 && write(fd, bytes, strlen(bytes)) == (ssize_t)strlen(bytes));
    close(fd);
    return arg;
}

START_TEST(test_values_from_files)
{
    char *arg = file_with("line\n\"two\"\n");
    MAKES("{\"url\":\"https://a.example/\",\"body\":\"line\\n\\\"two\\\"\\n\",\"method\":\"POST\"}",
          U, "-d", arg);
    unlink(arg + 1);
    arg = file_with("u:secret\n");
    MAKES("{\"url\":\"https://a.example/\",\"auth\":{\"basic\":{\"user\":\"u\",\"password\":"
          "\"secret\"}}}",
          U, "-u", arg);
    unlink(arg + 1);
    FAILS("--body: '/nonexistent' cannot be read: No such file or directory", U, "-d",
          "@/nonexistent");
    FAILS("--cacert: '/nonexistent' cannot be read: No such file or directory", U, "--cacert",
          "/nonexistent");
}
END_TEST

START_TEST(test_certificates)
{
    char *arg = file_with("PEM");
    MAKES(
        "{\"url\":\"https://a.example/\",\"ca\":\"PEM\",\"client_cert\":{\"cert\":\"PEM\",\"key\":"
        "\"PEM\"}}",
        U, "--cert", arg + 1, "--key", arg + 1, "--cacert", arg + 1);
    JUDGED(
        "--cacert must be certificates in PEM: -----BEGIN CERTIFICATE----- and so on, and nothing "
        "else in this form",
        U, "--cacert", arg + 1);
    JUDGED("--cert in 'client_cert' must be certificates in PEM, your own first, of at most 16384 "
           "bytes",
           U, "--cert", arg + 1, "--key", arg + 1);
    FAILS("--cert needs --key beside it", U, "--cert", arg + 1);
    FAILS("--key needs --cert beside it", U, "--key", arg + 1);
    unlink(arg + 1);
}
END_TEST

START_TEST(test_expectations_of_http)
{
    MAKES("{\"url\":\"https://a.example/"
          "\",\"expect\":{\"max_total_ms\":9,\"status\":[200,\"3xx\",404],"
          "\"header\":{\"A\":\"^b\"},\"body_regex\":\"x\",\"body_not_regex\":\"y\",\"tls_min_"
          "days\":3}}",
          U, "--expect-status", "200,3xx", "--expect-status", "404", "--expect-header", "A: ^b",
          "--expect-body", "x", "--expect-not-body", "y", "--max-total-ms", "9", "--tls-min-days",
          "3");
}
END_TEST

START_TEST(test_expectations_of_dns)
{
    MAKES("{\"dns\":\"dns:a\",\"expect\":{\"rcode\":\"NXDOMAIN\",\"min_answers\":2,\"answers\":{"
          "\"contains\":[\"10.0.0.1\",\"10.0.0.2\"],\"equals\":[\"10.0.0.3\"],\"regex\":\"^10\"}}}",
          "dns:a", "--expect-rcode", "NXDOMAIN", "--expect-answer", "10.0.0.1", "--expect-answer",
          "10.0.0.2", "--expect-only-answer", "10.0.0.3", "--expect-answer-regex", "^10",
          "--min-answers", "2");
}
END_TEST

START_TEST(test_expectations_of_json)
{
    MAKES(
        "{\"url\":\"https://a.example/\",\"expect\":{\"json\":["
        "{\"path\":\"$.a\"},{\"path\":\"$.a\",\"equals\":5},{\"path\":\"$.a\",\"equals\":\"up=1\"},"
        "{\"path\":\"$.a\",\"equals\":\"5\"},{\"path\":\"$['x=~]y'].b\",\"regex\":\"^a=b\"},"
        "{\"path\":\"$.a\",\"equals\":\"\"},{\"path\":\"$.b\",\"exists\":false}]}}",
        U, "--expect-json", "$.a", "--expect-json", "$.a=5", "--expect-json", "$.a=up=1",
        "--expect-json", "$.a=\"5\"", "--expect-json", "$['x=~]y'].b~^a=b", "--expect-json",
        "$.a=", "--expect-json", "!$.b");
}
END_TEST

START_TEST(test_flags_replace_members_of_an_object_and_join_its_lists_of_names)
{
    MAKES(
        "{\"url\":\"https://a.example/\",\"user_id\":\"u\",\"method\":\"HEAD\",\"headers\":{\"A\":"
        "\"1\",\"b\":\"3\"},\"expect\":{\"body_regex\":\"x\",\"status\":[200]}}",
        "{\"url\":\"https://a.example/"
        "\",\"method\":\"GET\",\"user_id\":\"u\",\"headers\":{\"A\":\"1\","
        "\"B\":\"2\"},\"expect\":{\"status\":[404],\"body_regex\":\"x\"}}",
        "-X", "HEAD", "-H", "b: 3", "--expect-status", "200");
    MAKES("{\"url\":\"https://a.example/\",\"expect\":{\"status\":[200]}}",
          " {\"url\":\"https://a.example/\",\"expect\":7}", "--expect-status", "200");
    MAKES("{\"dns\":\"a\",\"type\":\"MX\"}", "{\"dns\":\"a\"}", "-t", "MX");
}
END_TEST

START_TEST(test_object_that_is_none)
{
    FAILS("the target is not valid UTF-8", "\xff");
    char *got = object_of((const char *const[]){"{\"url\":", NULL});
    ck_assert_ptr_null(got);
    ck_assert_ptr_eq(strstr(why, "the target begins like an object, but is not JSON: "), why);
}
END_TEST

START_TEST(test_validator_speaks_of_flags)
{
    JUDGED("--max-redirects must be an integer from 0 to 5, got 9", U, "--max-redirects", "9");
    JUDGED("--max-redirects must be an integer from 0 to 5, got \"two\"", U, "--max-redirects",
           "two");
    JUDGED("--method must be 1 to 16 capital letters, like GET or POST", U, "-X", "get");
    JUDGED("--http-version must be \"auto\", \"1.1\" or \"2\"", U, "--http-version", "3");
    JUDGED("--expect-status must hold codes from 100 to 599 and classes like \"2xx\"", U,
           "--expect-status", "700");
    JUDGED("--expect-rcode is an option of dns targets, and this is an http target", U,
           "--expect-rcode", "NOERROR");
    JUDGED("--expect-body is not a regular expression: missing closing parenthesis at byte 1", U,
           "--expect-body", "(");
    JUDGED(
        "--expect-answer-regex is not a regular expression: missing closing parenthesis at byte 1",
        "dns:a", "--expect-answer-regex", "(");
    JUDGED("in --expect-json, item 1: 'path': a path begins with '$', which is missing at byte 1",
           U, "--expect-json", "a");
    JUDGED("--dns-server must be an IP address, with a port or without, like \"1.1.1.1:53\"", U,
           "--dns-server", "localhost");
    JUDGED("--edns must be 0 (no EDNS) or from 512 to 4096", "dns:a", "--edns", "5");
}
END_TEST

START_TEST(test_members_of_an_object_keep_their_names)
{
    JUDGED("'retries' must be an integer from 0 to 5, got 9",
           "{\"url\":\"https://a.example/\",\"retries\":9}", "--method", "GET");
}
END_TEST

START_TEST(test_two_flags_for_one_member_contradict)
{
    FAILS("--ipv4 and --ipv6 contradict: leave one out", U, "-4", "-6");
}
END_TEST

START_TEST(test_given_flag_is_named)
{
    struct flags_given g;
    flags_give(&g, (const char *const[]){U, NULL});
    ck_assert_ptr_null(target_flags_given(&g.f));
    flags_drop(&g);
    flags_give(&g, (const char *const[]){"--expect-status", "200", NULL});
    ck_assert_str_eq(target_flags_given(&g.f), "expect-status");
    flags_drop(&g);
}
END_TEST

START_TEST(test_too_long_a_target_is_refused)
{
    struct flags_given g;
    struct strbuf b;
    flags_give(&g, (const char *const[]){U, NULL});
    strbuf_init(&b, 10);
    ck_assert_int_eq(target_flags_encode(&g.f, U, &b, why, sizeof(why)), ERR_INVALID);
    ck_assert_str_eq(why, "the target is longer than 10 bytes");
    strbuf_fini(&b);
    flags_drop(&g);
}
END_TEST

TESTS(objects, test_uri_alone, test_bare_name_beside_a_type, test_http_flags, test_dns_flags,
      test_body_is_posted_unless_a_method_is_given, test_headers, test_credentials,
      test_values_from_files, test_certificates, test_expectations_of_http,
      test_expectations_of_dns, test_expectations_of_json,
      test_flags_replace_members_of_an_object_and_join_its_lists_of_names)
TESTS(problems, test_object_that_is_none, test_validator_speaks_of_flags,
      test_members_of_an_object_keep_their_names, test_two_flags_for_one_member_contradict,
      test_given_flag_is_named, test_too_long_a_target_is_refused)
CHECK_MAIN("target_flags", objects, problems)
