/* SPDX-License-Identifier: MIT */
#include "tests/master/alert/channels.h"

static char *shown(const struct alert_channel *c)
{
    struct strbuf b;
    strbuf_init(&b, 65536);
    alert_channel_put_json(c, &b);
    strbuf_putc(&b, '\0');
    return strbuf_take(&b, NULL);
}

START_TEST(test_a_webhook_with_all_that_it_may_have)
{
    struct alert_channel *c =
        channel("{\"kind\":\"webhook\",\"url\":\"https://ops.example/hook\",\"secret\":\"s3cret\","
                "\"headers\":{\"X-Team\":\"blue\"},\"template\":\"{\\\"t\\\":\\\"{{title}}\\\"}\","
                "\"send\":[\"confirmed\"],\"tls_verify\":false,\"timeout_ms\":2000}");
    char *text = shown(c);
    ck_assert_ptr_nonnull(strstr(text, "\"url\":\"https://ops.example/hook\""));
    ck_assert_ptr_nonnull(strstr(text, "\"secret\":\"(set)\""));
    ck_assert_ptr_nonnull(strstr(text, "\"X-Team\":\"(set)\""));
    ck_assert_ptr_null(strstr(text, "s3cret"));
    ck_assert_ptr_null(strstr(text, "blue"));
    ck_assert_ptr_nonnull(strstr(alert_channel_doc(c), "s3cret"));
    free(text);
    alert_channel_free(&c);
}
END_TEST

START_TEST(test_the_address_of_a_chat_is_a_secret)
{
    static const char *const kinds[] = {"slack", "dingtalk", "wecom", "feishu"};
    for (size_t i = 0; i < 4; i++) {
        char json[200];
        snprintf(json, sizeof(json), "{\"kind\":\"%s\",\"url\":\"https://chat.example/T0KEN\"}",
                 kinds[i]);
        struct alert_channel *c = channel(json);
        char *text = shown(c);
        ck_assert_ptr_null(strstr(text, "T0KEN"));
        ck_assert_ptr_nonnull(strstr(text, "(set)"));
        free(text);
        alert_channel_free(&c);
    }
}
END_TEST

START_TEST(test_what_reads_as_set_stays_what_it_was)
{
    const char *old = "{\"kind\":\"webhook\",\"url\":\"https://a.example/\",\"secret\":\"old\","
                      "\"headers\":{\"X-Key\":\"k1\"}}";
    struct alert_channel *c =
        channel_over("{\"kind\":\"webhook\",\"url\":\"https://b.example/\",\"secret\":\"(set)\","
                     "\"headers\":{\"X-Key\":\"(set)\"}}",
                     old);
    ck_assert_msg(c != NULL, "%s", why);
    ck_assert_ptr_nonnull(strstr(alert_channel_doc(c), "\"secret\":\"old\""));
    ck_assert_ptr_nonnull(strstr(alert_channel_doc(c), "\"X-Key\":\"k1\""));
    ck_assert_ptr_nonnull(strstr(alert_channel_doc(c), "https://b.example/"));
    alert_channel_free(&c);
    refused("{\"kind\":\"webhook\",\"url\":\"https://b.example/\",\"secret\":\"(set)\"}",
            "nothing was set before");
}
END_TEST

START_TEST(test_what_cannot_be_is_refused_and_named)
{
    refused("{\"url\":\"https://x.example/\"}", "'kind'");
    refused("{\"kind\":\"sms\"}", "webhook, slack");
    refused("{\"kind\":\"webhook\"}", "'url' is missing");
    refused("{\"kind\":\"webhook\",\"url\":\"ftp://x.example/\"}", "https://");
    refused("{\"kind\":\"webhook\",\"url\":\"https:///x\"}", "name a host");
    refused("{\"kind\":\"webhook\",\"url\":\"https://u:p@x.example/\"}", "user or password");
    refused("{\"kind\":\"webhook\",\"url\":\"https://x.example/\",\"routing_key\":\"a\"}",
            "does not belong");
    refused("{\"kind\":\"webhook\",\"url\":\"https://x.example/\",\"uri\":1}", "'uri'");
    refused("{\"kind\":\"webhook\",\"url\":\"https://x.example/\",\"headers\":{\"A b\":\"c\"}}",
            "no name of a header");
    refused(
        "{\"kind\":\"webhook\",\"url\":\"https://x.example/\",\"headers\":{\"A\":\"b\\r\\nC: d\"}}",
        "one line");
    refused("{\"kind\":\"webhook\",\"url\":\"https://x.example/\",\"send\":[\"confirm\"]}",
            "\"confirm\"");
    refused("{\"kind\":\"webhook\",\"url\":\"https://x.example/\",\"timeout_ms\":5}",
            "'timeout_ms'");
    refused("{\"kind\":\"webhook\",\"url\":\"https://x.example/"
            "\",\"template\":\"{\\\"a\\\":\\\"{{nme}}\\\"}\"}",
            "{{nme}}");
    refused("{\"kind\":\"webhook\",\"url\":\"https://x.example/\",\"template\":\"{{title}}\"}",
            "JSON");
    refused("{\"kind\":\"pagerduty\"}", "'routing_key' is missing");
    refused("{\"kind\":\"email\",\"smtp\":\"smtp://m.example\",\"from\":\"a@b.example\",\"to\":[]}",
            "'to'");
    refused("{\"kind\":\"email\",\"smtp\":\"smtp://"
            "m.example\",\"from\":\"a\",\"to\":[\"c@d.example\"]}",
            "'from'");
    refused("{\"kind\":\"email\",\"smtp\":\"smtp://m.example\",\"from\":\"a@b.example\","
            "\"to\":[\"c@d.example>\\r\\nBcc: x@y.example\"]}",
            "'to'");
}
END_TEST

START_TEST(test_whom_is_told_of_what)
{
    struct alert_channel *all = channel("{\"kind\":\"slack\",\"url\":\"https://s.example/\"}");
    struct alert_channel *some =
        channel("{\"kind\":\"slack\",\"url\":\"https://s.example/\",\"send\":[\"opened\"]}");
    ck_assert(alert_channel_wants(all, facts_of(INCIDENT_DID_CONFIRM)));
    ck_assert(alert_channel_wants(all, facts_of(INCIDENT_DID_RESOLVE)));
    ck_assert(!alert_channel_wants(all, facts_of(INCIDENT_DID_OPEN)));
    ck_assert(!alert_channel_wants(all, facts_of(INCIDENT_DID_GROW)));
    ck_assert(alert_channel_wants(some, facts_of(INCIDENT_DID_OPEN)));
    ck_assert(!alert_channel_wants(some, facts_of(INCIDENT_DID_CONFIRM)));
    ck_assert(alert_channel_wants(some, "{\"event\":\"test\"}"));
    alert_channel_free(&all);
    alert_channel_free(&some);
}
END_TEST

START_TEST(test_a_document_that_the_disk_spoiled)
{
    struct alert_channel *c = NULL;
    ck_assert_int_eq(alert_channel_load("x", "{\"kind\":\"web", &c, why), ERR_CORRUPT);
    ck_assert_int_eq(alert_channel_load("x", "{\"kind\":\"fax\"}", &c, why), ERR_CORRUPT);
    ck_assert_ptr_null(c);
}
END_TEST

TESTS(channels, test_a_webhook_with_all_that_it_may_have, test_the_address_of_a_chat_is_a_secret,
      test_what_reads_as_set_stays_what_it_was, test_what_cannot_be_is_refused_and_named,
      test_whom_is_told_of_what, test_a_document_that_the_disk_spoiled)
CHECK_MAIN("alert_channel", channels)
