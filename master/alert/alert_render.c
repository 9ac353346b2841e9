/* SPDX-License-Identifier: MIT */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/digest.h"
#include "common/mem.h"
#include "common/require.h"
#include "master/alert/alert_impl.h"

/*
 * What each service wants to read, from its own description:
 *
 *   slack         incoming webhooks: {text}
 *   dingtalk      custom robots: {msgtype, markdown}; timestamp and sign in the address
 *   wecom         group robots: {msgtype, markdown: {content}}, at most 4,096 bytes
 *   feishu        custom bots: {msg_type, content: {text}}; timestamp and sign in the body
 *   pagerduty     Events API v2: one event with a dedup_key
 *   alertmanager  API v2: a list of one alert; endsAt ends it
 *   email         RFC 5322, one part of plain UTF-8 text
 */
#define PAGERDUTY_URL       "https://events.pagerduty.com/v2/enqueue"
#define WORDS_MAX           4000 /* title and text: what WeCom takes of them, at most */
#define BASE64_SHA_MAX      (4 * ((SHA256_BYTES + 2) / 3) + 1)
#define MESSAGE_HEADERS_MAX 24
#define HEADER_LINE_MAX     2048
#define SAYS_MAX            96 /* of an answer: its code, and few words */

struct render {
    const struct alert_channel *c;
    const struct json_node *facts;
    const char *text, *dedup; /* text: of the facts */
    struct wall now;
    struct alert_message *out;
    struct json_out w;
};

static void fact(const struct render *r, const char *name, char out[ALERT_FACT_MAX])
{
    REQUIRE(alert_fact(r->facts, name, r->dedup, out));
}

static void add_header(struct alert_message *m, const char *name, const char *value)
{
    char line[HEADER_LINE_MAX];
    REQUIRE(m->n_headers < MESSAGE_HEADERS_MAX);
    snprintf(line, sizeof(line), "%s: %s", name, value);
    if (m->headers == NULL)
        m->headers = mem_array(MESSAGE_HEADERS_MAX, sizeof(*m->headers));
    m->headers[m->n_headers++] = mem_strdup(line);
}

/* It is over, as far as the event says: pagers and Alertmanager close theirs. */
static bool is_over(const struct render *r)
{
    char event[ALERT_FACT_MAX];
    fact(r, "event", event);
    return strcmp(event, "resolved") == 0 || strcmp(event, "withdrawn") == 0;
}

/* By which a service takes all that is told of one incident for one. */
static void thread_key(const struct render *r, char out[ALERT_FACT_MAX])
{
    char incident[ALERT_FACT_MAX];
    fact(r, "incident", incident);
    if (incident[0] != '\0')
        snprintf(out, ALERT_FACT_MAX, "incident %.32s", incident);
    else
        snprintf(out, ALERT_FACT_MAX, "%s", r->dedup);
}

static void sign(const char *key, size_t key_len, const char *text, char out[BASE64_SHA_MAX])
{
    uint8_t sum[SHA256_BYTES];
    struct hmac *h = hmac_create(key, key_len);
    hmac_sum(h, text, strlen(text), sum);
    hmac_destroy(&h);
    EVP_EncodeBlock((unsigned char *)out, sum, sizeof(sum));
}

/* ---- webhook */

static void put_webhook(struct render *r)
{
    struct strbuf *body = &r->out->body;
    const char *template = alert_text(r->c, "template");
    const char *secret = alert_text(r->c, "secret");
    if (template != NULL)
        alert_template_put(template, r->facts, r->dedup, body);
    else
        strbuf_puts(body, r->text);
    if (secret == NULL || body->overflow)
        return;
    /* The time is signed too, so that an old message cannot be sent again by somebody else. */
    char stamp[32], hex[SHA256_HEX_MAX + 8];
    uint8_t sum[SHA256_BYTES];
    struct strbuf signed_text;
    snprintf(stamp, sizeof(stamp), "%lld", (long long)(r->now.us / 1000000));
    strbuf_init(&signed_text, ALERT_BODY_MAX + sizeof(stamp) + 1);
    strbuf_puts(&signed_text, stamp);
    strbuf_putc(&signed_text, '.');
    strbuf_append(&signed_text, body->data, body->len);
    struct hmac *h = hmac_create(secret, strlen(secret));
    hmac_sum(h, signed_text.data, signed_text.len, sum);
    hmac_destroy(&h);
    strbuf_fini(&signed_text);
    memcpy(hex, "sha256=", 7);
    hex_encode(sum, sizeof(sum), hex + 7);
    add_header(r->out, "X-Sonde-Timestamp", stamp);
    add_header(r->out, "X-Sonde-Signature", hex);
}

/* ---- chats */

/* Its title and its text, with what marks them. */
static void put_words(struct render *r, const char *key, const char *before, const char *between)
{
    struct strbuf b;
    char title[ALERT_FACT_MAX], text[ALERT_FACT_MAX];
    fact(r, "title", title);
    fact(r, "text", text);
    strbuf_init(&b, WORDS_MAX);
    strbuf_printf(&b, "%s%s%s%s", before, title, between, text);
    strbuf_putc(&b, '\0');
    REQUIRE(!b.overflow);
    json_str(&r->w, key, b.data);
    strbuf_fini(&b);
}

static void put_slack(struct render *r)
{
    json_obj_begin(&r->w);
    put_words(r, "text", "*", "*\n");
    json_obj_end(&r->w);
}

static void put_dingtalk(struct render *r)
{
    char title[ALERT_FACT_MAX];
    fact(r, "title", title);
    json_obj_begin(&r->w);
    json_str(&r->w, "msgtype", "markdown");
    json_key(&r->w, "markdown");
    json_obj_begin(&r->w);
    json_str(&r->w, "title", title);
    put_words(r, "text", "**", "**\n\n");
    json_obj_end(&r->w);
    json_obj_end(&r->w);
}

static void put_wecom(struct render *r)
{
    json_obj_begin(&r->w);
    json_str(&r->w, "msgtype", "markdown");
    json_key(&r->w, "markdown");
    json_obj_begin(&r->w);
    put_words(r, "content", "**", "**\n\n");
    json_obj_end(&r->w);
    json_obj_end(&r->w);
}

static void put_feishu(struct render *r)
{
    const char *secret = alert_text(r->c, "secret");
    json_obj_begin(&r->w);
    if (secret != NULL) { /* the key is the text, and the message is empty: so they want it */
        char stamp[32], key[32 + 1024], sum[BASE64_SHA_MAX];
        snprintf(stamp, sizeof(stamp), "%lld", (long long)(r->now.us / 1000000));
        snprintf(key, sizeof(key), "%s\n%s", stamp, secret);
        sign(key, strlen(key), "", sum);
        json_str(&r->w, "timestamp", stamp);
        json_str(&r->w, "sign", sum);
    }
    json_str(&r->w, "msg_type", "text");
    json_key(&r->w, "content");
    json_obj_begin(&r->w);
    put_words(r, "text", "", "\n");
    json_obj_end(&r->w);
    json_obj_end(&r->w);
}

/* + and / and = of base64 mean something else in a query. */
static void put_query(struct strbuf *b, const char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '+' || *text == '/' || *text == '=')
            strbuf_printf(b, "%%%02X", (unsigned char)*text);
        else
            strbuf_putc(b, *text);
}

static char *dingtalk_url(const struct render *r)
{
    const char *url = alert_text(r->c, "url"), *secret = alert_text(r->c, "secret");
    char text[32 + 1024], sum[BASE64_SHA_MAX];
    struct strbuf b;
    if (secret == NULL)
        return mem_strdup(url);
    long long stamp = r->now.us / 1000;
    snprintf(text, sizeof(text), "%lld\n%s", stamp, secret);
    sign(secret, strlen(secret), text, sum);
    strbuf_init(&b, 8192);
    strbuf_printf(&b, "%s%ctimestamp=%lld&sign=", url, strchr(url, '?') ? '&' : '?', stamp);
    put_query(&b, sum);
    strbuf_putc(&b, '\0');
    return strbuf_take(&b, NULL);
}

/* ---- pagers */

static void put_fact(struct render *r, const char *key, const char *name)
{
    char value[ALERT_FACT_MAX];
    fact(r, name, value);
    if (value[0] != '\0')
        json_str(&r->w, key, value);
}

static const char *pagerduty_action(const struct render *r)
{
    char event[ALERT_FACT_MAX];
    fact(r, "event", event);
    if (is_over(r))
        return "resolve";
    return strcmp(event, "acknowledged") == 0 ? "acknowledge" : "trigger";
}

static void put_pagerduty(struct render *r)
{
    char event[ALERT_FACT_MAX], host[ALERT_FACT_MAX], key[ALERT_FACT_MAX];
    thread_key(r, key);
    fact(r, "event", event);
    fact(r, "host", host);
    json_obj_begin(&r->w);
    json_str(&r->w, "routing_key", alert_text(r->c, "routing_key"));
    json_str(&r->w, "event_action", pagerduty_action(r));
    json_str(&r->w, "dedup_key", key);
    json_key(&r->w, "payload");
    json_obj_begin(&r->w);
    put_fact(r, "summary", "title");
    json_str(&r->w, "source", host[0] ? host : "sonde");
    json_str(&r->w, "severity",
             strcmp(event, "certificate") == 0 ? "warning"
             : strcmp(event, "test") == 0      ? "info"
                                               : "critical");
    json_str(&r->w, "component", "sonde");
    put_fact(r, "group", "schedule");
    put_fact(r, "class", "cause");
    json_raw(&r->w, "custom_details", r->text, strlen(r->text));
    json_obj_end(&r->w);
    json_obj_end(&r->w);
}

static void put_alertmanager(struct render *r)
{
    char event[ALERT_FACT_MAX], key[ALERT_FACT_MAX], at[WALL_TEXT_MAX];
    thread_key(r, key);
    fact(r, "event", event);
    json_arr_begin(&r->w);
    json_obj_begin(&r->w);
    json_key(&r->w, "labels");
    json_obj_begin(&r->w);
    json_str(&r->w, "alertname",
             strcmp(event, "certificate") == 0 ? "SondeCertificate"
             : strcmp(event, "test") == 0      ? "SondeTest"
                                               : "SondeDown");
    put_fact(r, "host", "host");
    put_fact(r, "schedule", "schedule");
    json_str(&r->w, "sonde", key); /* what makes it one alert, from its begin to its end */
    json_obj_end(&r->w);
    json_key(&r->w, "annotations");
    json_obj_begin(&r->w);
    put_fact(r, "summary", "title");
    put_fact(r, "description", "text");
    put_fact(r, "cause", "cause");
    put_fact(r, "target", "target");
    json_obj_end(&r->w);
    put_fact(r, "startsAt", "since");
    if (is_over(r))
        json_str(&r->w, "endsAt", wall_format(r->now, at));
    json_obj_end(&r->w);
    json_arr_end(&r->w);
}

/* POST URL/api/v2/alerts, unless the URL says so itself. */
static char *alertmanager_url(const struct render *r)
{
    static const char path[] = "/api/v2/alerts";
    const char *url = alert_text(r->c, "url");
    size_t n = strlen(url);
    struct strbuf b;
    if (strstr(url, path) != NULL)
        return mem_strdup(url);
    strbuf_init(&b, 8192);
    strbuf_append(&b, url, url[n - 1] == '/' ? n - 1 : n);
    strbuf_puts(&b, path);
    strbuf_putc(&b, '\0');
    return strbuf_take(&b, NULL);
}

/* ---- mail */

/* RFC 2047 §4.1: as base64 words, each at most 75 characters, and cut between characters. */
#define WORD_BYTES 42

static void put_subject(struct strbuf *b, const char *text)
{
    char coded[4 * ((WORD_BYTES + 2) / 3) + 1];
    size_t left = strlen(text);
    while (left > 0) {
        size_t n = left < WORD_BYTES ? left : WORD_BYTES;
        while (n < left && ((unsigned char)text[n] & 0xc0) == 0x80)
            n--;
        EVP_EncodeBlock((unsigned char *)coded, (const unsigned char *)text, (int)n);
        strbuf_printf(b, "=?UTF-8?B?%s?=", coded);
        text += n;
        left -= n;
        if (left > 0)
            strbuf_puts(b, "\r\n ");
    }
}

static void put_date(struct strbuf *b, struct wall now)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t s = (time_t)(now.us / 1000000);
    struct tm tm;
    gmtime_r(&s, &tm); /* names of C's locale, whatever ours is: RFC 5322 §3.3 */
    strbuf_printf(b, "Date: %s, %02d %s %d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday], tm.tm_mday,
                  months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void put_recipients(struct render *r)
{
    const struct json_node *to = alert_field(r->c, "to");
    struct alert_message *m = r->out;
    m->to = mem_array(json_count(to), sizeof(*m->to));
    for (const struct json_node *n = json_first(to); n; n = json_next(n)) {
        strbuf_printf(&m->body, "%s%s", m->n_to ? ",\r\n " : "To: ", json_node_str(n));
        m->to[m->n_to++] = mem_strdup(json_node_str(n));
    }
    strbuf_puts(&m->body, "\r\n");
}

static void put_base64_lines(struct strbuf *b, const char *text, size_t n)
{
    char line[80];
    for (size_t at = 0; at < n; at += 57) { /* 76 characters: RFC 2045 §6.8 */
        size_t part = n - at < 57 ? n - at : 57;
        EVP_EncodeBlock((unsigned char *)line, (const unsigned char *)text + at, (int)part);
        strbuf_printf(b, "%s\r\n", line);
    }
}

static void put_email(struct render *r)
{
    struct strbuf *b = &r->out->body, words;
    char title[ALERT_FACT_MAX], text[ALERT_FACT_MAX], event[ALERT_FACT_MAX];
    char key[ALERT_FACT_MAX];
    uint8_t id[SHA256_BYTES];
    char hex[SHA256_HEX_MAX];
    fact(r, "title", title);
    fact(r, "text", text);
    fact(r, "event", event);
    r->out->from = mem_strdup(alert_text(r->c, "from"));
    strbuf_printf(b, "From: Sonde <%s>\r\n", r->out->from);
    put_recipients(r);
    strbuf_puts(b, "Subject: ");
    put_subject(b, title);
    strbuf_puts(b, "\r\n");
    put_date(b, r->now);
    /* The same at each try: what arrives twice is seen to be one. */
    sha256(r->text, strlen(r->text), id);
    hex_encode(id, sizeof(id), hex);
    const char *at = strchr(r->out->from, '@');
    strbuf_printf(b, "Message-ID: <%.32s.%s%s>\r\n", hex, event, at);
    thread_key(r, key);
    sha256(key, strlen(key), id);
    hex_encode(id, sizeof(id), hex);
    strbuf_printf(b, "References: <%.32s%s>\r\n", hex, at); /* one thread for one incident */
    strbuf_puts(b, "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                   "Content-Transfer-Encoding: base64\r\nAuto-Submitted: auto-generated\r\n\r\n");
    strbuf_init(&words, ALERT_BODY_MAX);
    strbuf_printf(&words, "%s\r\n\r\n%s\r\n", title, text);
    put_base64_lines(b, words.data, words.len);
    strbuf_fini(&words);
}

/* ---- the whole */

static void put_headers(struct render *r)
{
    const struct json_node *headers = alert_field(r->c, "headers");
    add_header(r->out, "Content-Type", "application/json; charset=utf-8");
    if (r->c->kind == ALERT_webhook) /* what arrives twice is seen to be one */
        add_header(r->out, "X-Sonde-Delivery", r->dedup);
    for (const struct json_node *n = headers ? json_first(headers) : NULL; n; n = json_next(n))
        add_header(r->out, json_node_key(n), json_node_str(n));
}

static char *url_of(const struct render *r)
{
    const char *url = alert_text(r->c, r->c->kind == ALERT_email ? "smtp" : "url");
    if (r->c->kind == ALERT_dingtalk)
        return dingtalk_url(r);
    if (r->c->kind == ALERT_alertmanager)
        return alertmanager_url(r);
    return mem_strdup(url != NULL ? url : PAGERDUTY_URL);
}

static void put_body(struct render *r)
{
    static void (*const puts[ALERT_KIND_COUNT])(struct render *) = {
        [ALERT_webhook] = put_webhook,
        [ALERT_slack] = put_slack,
        [ALERT_dingtalk] = put_dingtalk,
        [ALERT_wecom] = put_wecom,
        [ALERT_feishu] = put_feishu,
        [ALERT_pagerduty] = put_pagerduty,
        [ALERT_alertmanager] = put_alertmanager,
        [ALERT_email] = put_email,
    };
    puts[r->c->kind](r);
}

enum err alert_render(const struct alert_channel *c, const char *facts, const char *dedup,
                      struct wall now, struct alert_message *out, char why[ALERT_WHY_MAX])
{
    struct json_doc *doc = NULL;
    enum err e = json_parse(facts, strlen(facts), &doc, why, ALERT_WHY_MAX);
    if (e)
        return ERR_CORRUPT;
    *out = (struct alert_message){.url = NULL};
    strbuf_init(&out->body, ALERT_BODY_MAX);
    struct render r = {
        .c = c, .facts = json_root(doc), .text = facts, .dedup = dedup, .now = now, .out = out};
    json_out_init(&r.w, &out->body);
    if (c->kind != ALERT_email)
        put_headers(&r);
    put_body(&r);
    out->url = url_of(&r);
    json_free(&doc);
    if (!out->body.overflow)
        return ERR_NONE;
    snprintf(why, ALERT_WHY_MAX, "the message is longer than %u bytes: make its template shorter",
             ALERT_BODY_MAX);
    alert_message_fini(out);
    return ERR_TOO_BIG;
}

void alert_message_fini(struct alert_message *m)
{
    for (unsigned i = 0; i < m->n_headers; i++)
        free(m->headers[i]);
    for (unsigned i = 0; i < m->n_to; i++)
        free(m->to[i]);
    free(m->headers);
    free(m->to);
    free(m->from);
    free(m->url);
    strbuf_fini(&m->body);
    *m = (struct alert_message){.url = NULL};
}

/* ---- the answer */

/* Chats answer 200 and say in the body that they took nothing. */
static bool refused_in_body(const struct alert_channel *c, const struct json_node *answer,
                            char why[ALERT_WHY_MAX])
{
    static const struct {
        unsigned kinds;
        const char *code, *text;
    } says[] = {
        {1u << ALERT_dingtalk | 1u << ALERT_wecom, "errcode", "errmsg"},
        {1u << ALERT_feishu, "code", "msg"},
        {1u << ALERT_feishu, "StatusCode", "StatusMessage"},
    };
    for (size_t i = 0; i < ARRAY_LEN(says); i++) {
        const struct json_node *code = alert_member(answer, says[i].code);
        if (!(says[i].kinds & (1u << c->kind)) || code == NULL || json_type(code) != JSON_NUMBER ||
            json_node_num(code) == 0)
            continue;
        const struct json_node *text = alert_member(answer, says[i].text);
        char before[SAYS_MAX];
        snprintf(before, sizeof(before), "it answered %s %.0f: ", says[i].code,
                 json_node_num(code));
        alert_say(why, before,
                  text != NULL && json_type(text) == JSON_STRING ? json_node_str(text) : "");
        return true;
    }
    return false;
}

bool alert_accepted(const struct alert_channel *c, long status, const char *body, size_t len,
                    char why[ALERT_WHY_MAX])
{
    struct json_doc *doc = NULL;
    why[0] = '\0';
    if (c->kind == ALERT_email)
        return status >= 200 && status < 300;
    if (status < 200 || status > 299) {
        snprintf(why, ALERT_WHY_MAX, "it answered %ld", status);
        return false;
    }
    bool chat = c->kind == ALERT_dingtalk || c->kind == ALERT_wecom || c->kind == ALERT_feishu;
    if (!chat || json_parse(body, len, &doc, NULL, 0) != ERR_NONE)
        return true;
    bool refused =
        json_type(json_root(doc)) == JSON_OBJECT && refused_in_body(c, json_root(doc), why);
    json_free(&doc);
    return !refused;
}
