/* SPDX-License-Identifier: MIT */
#include "common/digest.h"
#include "tests/master/alert/channels.h"

static const struct wall now = {INT64_C(1767226000000000)}; /* 2026-01-01T00:06:40Z */
static struct alert_message m;
static char body[ALERT_BODY_MAX + 1];

static void render(const char *json, const char *facts, const char *dedup)
{
    struct alert_channel *c = channel(json);
    alert_message_fini(&m);
    ck_assert_msg(alert_render(c, facts, dedup, now, &m, why) == ERR_NONE, "%s", why);
    snprintf(body, sizeof(body), "%.*s", (int)m.body.len, m.body.data);
    alert_channel_free(&c);
}

static void has(const char *part)
{
    ck_assert_msg(strstr(body, part) != NULL, "'%s' is not in: %s", part, body);
}

static const char *header(const char *name)
{
    for (unsigned i = 0; i < m.n_headers; i++)
        if (strncmp(m.headers[i], name, strlen(name)) == 0)
            return m.headers[i] + strlen(name) + 2;
    return NULL;
}

static void is_json(void)
{
    struct json_doc *d = must_parse(body);
    json_free(&d);
}

START_TEST(test_the_facts_are_what_a_webhook_gets)
{
    render("{\"kind\":\"webhook\",\"url\":\"http://w.example/\"}", facts_of(INCIDENT_DID_CONFIRM),
           "incident 17 confirmed");
    is_json();
    has("\"event\":\"confirmed\"");
    has("\"title\":\"DOWN: shop.example, connect_refused\"");
    has("\"since\":\"2026-01-01T00:00:00.000000Z\"");
    has("\"first_agent\":\"bj-1\"");
    has("\"id\":\"17\"");
    ck_assert_str_eq(m.url, "http://w.example/");
    ck_assert_ptr_null(header("X-Sonde-Signature"));
}
END_TEST

START_TEST(test_a_signature_covers_time_and_body)
{
    char text[ALERT_BODY_MAX + 32], hex[SHA256_HEX_MAX];
    uint8_t sum[SHA256_BYTES];
    render("{\"kind\":\"webhook\",\"url\":\"http://w.example/\",\"secret\":\"key\"}",
           facts_of(INCIDENT_DID_CONFIRM), "d");
    ck_assert_str_eq(header("X-Sonde-Timestamp"), "1767226000");
    snprintf(text, sizeof(text), "1767226000.%s", body);
    struct hmac *h = hmac_create("key", 3);
    hmac_sum(h, text, strlen(text), sum);
    hmac_destroy(&h);
    hex_encode(sum, sizeof(sum), hex);
    ck_assert_str_eq(header("X-Sonde-Signature") + strlen("sha256="), hex);
    ck_assert_int_eq(strncmp(header("X-Sonde-Signature"), "sha256=", 7), 0);
}
END_TEST

START_TEST(test_a_template_stays_json_whatever_the_facts_hold)
{
    render(
        "{\"kind\":\"webhook\",\"url\":\"http://w.example/\",\"template\":"
        "\"{\\\"what\\\":\\\"{{target}} is {{state}}\\\",\\\"n\\\":\\\"{{not_up}}/{{checks}}\\\","
        "\\\"id\\\":\\\"{{incident}}\\\",\\\"gone\\\":\\\"{{days_left}}\\\"}\"}",
        facts_of(INCIDENT_DID_CONFIRM), "d");
    is_json();
    ck_assert_str_eq(body, "{\"what\":\"https://shop.example/\\\"cart\\\" is confirmed\","
                           "\"n\":\"3/3\",\"id\":\"17\",\"gone\":\"\"}");
}
END_TEST

START_TEST(test_chats)
{
    const char *facts = facts_of(INCIDENT_DID_RESOLVE);
    render("{\"kind\":\"slack\",\"url\":\"https://s.example/x\"}", facts, "d");
    is_json();
    has("{\"text\":\"*UP again: shop.example, after 12m05s*\\n");
    render("{\"kind\":\"wecom\",\"url\":\"https://s.example/x\"}", facts, "d");
    is_json();
    has("{\"msgtype\":\"markdown\",\"markdown\":{\"content\":\"**UP again");
    has("after 12m05s**\\n\\n");
    render(
        "{\"kind\":\"dingtalk\",\"url\":\"https://s.example/x?access_token=t\",\"secret\":\"SEC\"}",
        facts, "d");
    is_json();
    has("{\"msgtype\":\"markdown\",\"markdown\":{\"title\":\"UP again");
    has("\"text\":\"**UP again: shop.example, after 12m05s**\\n\\n");
    /* openssl: printf '1767226000000\nSEC' | openssl dgst -sha256 -hmac SEC -binary | base64 */
    ck_assert_str_eq(m.url, "https://s.example/x?access_token=t&timestamp=1767226000000&sign="
                            "ToUXxquGallVqrsI%2FO2b65%2By0rXdDdw8MaMXaf4ye%2FY%3D");
    render("{\"kind\":\"feishu\",\"url\":\"https://s.example/x\",\"secret\":\"SEC\"}", facts, "d");
    is_json();
    /* openssl: printf '' | openssl dgst -sha256 -hmac $'1767226000\nSEC' -binary | base64 */
    has("\"timestamp\":\"1767226000\",\"sign\":\"tR6+ltCuCtxe8K4PLu9ph3gbmvXvJdQ/U5+gVP0ys4g=\"");
    has("\"msg_type\":\"text\",\"content\":{\"text\":\"UP again: shop.example, after 12m05s\\n");
}
END_TEST

START_TEST(test_a_pager_is_told_the_beginning_and_the_end_of_one_thing)
{
    const char *channel_json = "{\"kind\":\"pagerduty\",\"routing_key\":\"R\"}";
    render(channel_json, facts_of(INCIDENT_DID_CONFIRM), "incident 17 confirmed");
    is_json();
    has("\"event_action\":\"trigger\",\"dedup_key\":\"incident 17\"");
    has("\"source\":\"shop.example\",\"severity\":\"critical\"");
    render(channel_json, facts_of(INCIDENT_DID_ACK), "incident 17 acknowledged");
    has("\"event_action\":\"acknowledge\",\"dedup_key\":\"incident 17\"");
    render(channel_json, facts_of(INCIDENT_DID_RESOLVE), "incident 17 resolved");
    has("\"event_action\":\"resolve\",\"dedup_key\":\"incident 17\"");
}
END_TEST

START_TEST(test_alertmanager)
{
    const char *channel_json = "{\"kind\":\"alertmanager\",\"url\":\"http://am.example:9093/\"}";
    render(channel_json, facts_of(INCIDENT_DID_CONFIRM), "incident 17 confirmed");
    is_json();
    ck_assert_str_eq(m.url, "http://am.example:9093/api/v2/alerts");
    has("\"alertname\":\"SondeDown\",\"host\":\"shop.example\",\"schedule\":\"shop\"");
    has("\"startsAt\":\"2026-01-01T00:00:00.000000Z\"");
    ck_assert_ptr_null(strstr(body, "endsAt"));
    render(channel_json, facts_of(INCIDENT_DID_RESOLVE), "incident 17 resolved");
    has("\"endsAt\":\"2026-01-01T00:06:40.000000Z\"");
}
END_TEST

START_TEST(test_a_mail)
{
    render("{\"kind\":\"email\",\"smtp\":\"smtp://m.example\",\"from\":\"sonde@a.example\","
           "\"to\":[\"x@b.example\",\"y@c.example\"]}",
           facts_of(INCIDENT_DID_CONFIRM), "incident 17");
    ck_assert_str_eq(m.url, "smtp://m.example");
    ck_assert_uint_eq(m.n_to, 2);
    ck_assert_str_eq(m.to[1], "y@c.example");
    has("From: Sonde <sonde@a.example>\r\nTo: x@b.example,\r\n y@c.example\r\nSubject: =?UTF-8?B?");
    has("\r\nDate: Thu, 01 Jan 2026 00:06:40 +0000\r\n");
    has("Content-Transfer-Encoding: base64\r\n");
    for (const char *line = body; (line = strstr(line, "\r\n")) != NULL;) {
        line += 2;
        ck_assert_uint_le(strcspn(line, "\r\n"), 78);
    }
}
END_TEST

START_TEST(test_which_answers_are_a_yes)
{
    struct alert_channel *ding = channel("{\"kind\":\"dingtalk\",\"url\":\"https://s.example/\"}");
    struct alert_channel *hook = channel("{\"kind\":\"webhook\",\"url\":\"https://s.example/\"}");
    ck_assert(alert_accepted(hook, 204, "", 0, why));
    ck_assert(!alert_accepted(hook, 301, "", 0, why));
    ck_assert(!alert_accepted(hook, 500, "", 0, why));
    ck_assert_str_eq(why, "it answered 500");
    ck_assert(alert_accepted(ding, 200, "{\"errcode\":0}", 13, why));
    const char *no = "{\"errcode\":310000,\"errmsg\":\"sign not match\"}";
    ck_assert(!alert_accepted(ding, 200, no, strlen(no), why));
    ck_assert_str_eq(why, "it answered errcode 310000: sign not match");
    alert_channel_free(&ding);
    alert_channel_free(&hook);
}
END_TEST

START_TEST(test_certificates_and_tests_have_words_too)
{
    struct strbuf b;
    strbuf_init(&b, 4096);
    alert_facts_put(
        &(struct alert_facts){
            .target = "https://a.example/", .schedule = "s", .days_left = 1, .not_after = now},
        &b);
    strbuf_putc(&b, '\0');
    ck_assert_ptr_nonnull(strstr(b.data, "Certificate of https://a.example/ ends in 1 day\""));
    ck_assert_ptr_nonnull(strstr(b.data, "\"days_left\":1"));
    strbuf_reset(&b);
    alert_facts_put(&(struct alert_facts){.test = true}, &b);
    strbuf_putc(&b, '\0');
    ck_assert_ptr_nonnull(strstr(b.data, "\"event\":\"test\""));
    strbuf_fini(&b);
}
END_TEST

START_TEST(test_a_long_name_is_cut_between_characters)
{
    char target[4000], *at = target;
    struct strbuf b;
    for (int i = 0; i < 1000; i++)
        at += snprintf(at, 4, "\xe4\xb8\xad");
    strbuf_init(&b, 65536);
    alert_facts_put(&(struct alert_facts){.target = target, .days_left = 1, .not_after = now}, &b);
    ck_assert(!b.overflow);
    struct json_doc *d = NULL;
    ck_assert(json_parse(b.data, b.len, &d, why, sizeof(why)) == ERR_NONE);
    json_free(&d);
    strbuf_fini(&b);
}
END_TEST

TESTS(rendering, test_the_facts_are_what_a_webhook_gets, test_a_signature_covers_time_and_body,
      test_a_template_stays_json_whatever_the_facts_hold, test_chats,
      test_a_pager_is_told_the_beginning_and_the_end_of_one_thing, test_alertmanager, test_a_mail,
      test_which_answers_are_a_yes, test_certificates_and_tests_have_words_too,
      test_a_long_name_is_cut_between_characters)
CHECK_MAIN("alert_render", rendering)
