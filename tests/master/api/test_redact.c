/* SPDX-License-Identifier: MIT */
#include "master/api/redact.h"
#include "tests/support/check_main.h"
#include <string.h>

static void shows(const char *spec, const char *shown)
{
    struct json_doc *d = NULL;
    struct strbuf b;
    struct json_out w;
    strbuf_init(&b, 4096);
    json_out_init(&w, &b);
    ck_assert_int_eq(json_parse(spec, strlen(spec), &d, NULL, 0), ERR_NONE);
    redact_options(&w, json_root(d));
    ck_assert_str_eq(b.data, shown);
    json_free(&d);
    strbuf_fini(&b);
}

START_TEST(test_what_may_be_a_credential_is_hidden)
{
    shows("{\"url\":\"http://a.test/\",\"headers\":{\"A\":\"x\",\"B\":\"y\"}}",
          "{\"url\":\"http://a.test/\",\"headers\":{\"A\":\"(set)\",\"B\":\"(set)\"}}");
    shows("{\"body\":\"x\",\"auth\":{\"basic\":{\"user\":\"u\",\"password\":\"p\"}}}",
          "{\"body\":\"(set)\",\"auth\":\"(set)\"}");
    shows("{\"client_cert\":{\"cert\":\"PEM\",\"key\":\"PEM\"}}",
          "{\"client_cert\":{\"cert\":\"PEM\",\"key\":\"(set)\"}}");
    shows("{\"proxy\":\"http://u:p@p.test:1\"}", "{\"proxy\":\"http://(set)@p.test:1\"}");
}
END_TEST

START_TEST(test_the_rest_is_shown_as_it_is)
{
    static const char plain[] = "{\"url\":\"http://a.test/\",\"timeout_ms\":5,\"proxy\":\"\","
                                "\"expect\":{\"status\":[200]},\"ca\":\"PEM\"}";
    shows(plain, plain);
    shows("{\"proxy\":\"socks5://p.test\",\"headers\":null,\"body\":null}",
          "{\"proxy\":\"socks5://p.test\",\"headers\":null,\"body\":null}");
    shows("\"http://a.test/\"", "\"http://a.test/\"");
}
END_TEST

START_TEST(test_what_is_not_as_it_should_be_is_hidden_too)
{
    shows("{\"headers\":\"Key: x\"}", "{\"headers\":\"(set)\"}");
    shows("{\"client_cert\":\"PEM\"}", "{\"client_cert\":\"(set)\"}");
    shows("{\"proxy\":\"u:p@p.test\"}", "{\"proxy\":\"(set)@p.test\"}");
}
END_TEST

TESTS(redact, test_what_may_be_a_credential_is_hidden, test_the_rest_is_shown_as_it_is,
      test_what_is_not_as_it_should_be_is_hidden_too)
CHECK_MAIN("redact", redact)
