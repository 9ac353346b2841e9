/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/require.h"
#include "common/utf8.h"
#include "master/alert/alert.h"
#include "master/alert/alert_impl.h"

/*
 * A channel from a user, with its template, and what a service answers:
 * {"channel": {…}, "schedule": "…", "target": "…", "answer": "…"}.
 *
 * What is taken loads to the same document, reads back without secrets, and as that is taken again
 * for the same; every message of it is JSON (a mail: lines with CRLF) and has no line break in a
 * header. What is refused says why in valid UTF-8. What is no JSON is a template.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUT_MAX (1u << 20)
#define NAME    "ops"
#define DEDUP   "incident 17 confirmed"

static void check_why(const char *why)
{
    REQUIRE(why[0] != '\0' && utf8_valid(why, strlen(why)));
}

/* Two members of a template may get the same name, which is JSON all the same. */
static void check_json(const char *text, size_t n)
{
    struct json_doc *d = NULL;
    struct strbuf b;
    if (json_parse(text, n, &d, NULL, 0) != ERR_NONE) {
        strbuf_init(&b, OUT_MAX + 16);
        strbuf_puts(&b, "{\"body\":");
        strbuf_append(&b, text, n);
        strbuf_putc(&b, '}');
        REQUIRE(json_is_object(b.data, b.len));
        strbuf_fini(&b);
    }
    json_free(&d);
}

/* As it is shown: without the name, and with the secrets that are there. */
static void check_shown(const struct alert_channel *c)
{
    static const char name[] = "{\"name\":\"" NAME "\",";
    char why[ALERT_WHY_MAX];
    struct alert_channel *again = NULL;
    struct json_doc *d = NULL;
    struct strbuf b;
    strbuf_init(&b, OUT_MAX);
    alert_channel_put_json(c, &b);
    REQUIRE(!b.overflow && b.len > sizeof(name) && memcmp(b.data, name, sizeof(name) - 1) == 0);
    b.data[sizeof(name) - 2] = '{';
    REQUIRE(json_parse(b.data + sizeof(name) - 2, b.len - sizeof(name) + 2, &d, NULL, 0) ==
            ERR_NONE);
    REQUIRE(alert_channel_parse(NAME, json_root(d), c->doc, &again, why) == ERR_NONE);
    REQUIRE(strcmp(again->doc, c->doc) == 0);
    alert_channel_free(&again);
    json_free(&d);
    strbuf_fini(&b);
}

static void check_line(const char *line)
{
    REQUIRE(strpbrk(line, "\r\n") == NULL);
}

static void check_mail(const struct alert_message *m)
{
    REQUIRE(m->n_to > 0 && m->from != NULL);
    for (size_t i = 0; i < m->body.len; i++)
        REQUIRE(m->body.data[i] != '\n' || (i > 0 && m->body.data[i - 1] == '\r'));
}

static void check_message(const struct alert_channel *c, const char *facts)
{
    char why[ALERT_WHY_MAX] = "";
    struct alert_message m;
    enum err e = alert_render(c, facts, DEDUP, (struct wall){INT64_C(1790000000000000)}, &m, why);
    (void)alert_channel_wants(c, facts);
    if (e != ERR_NONE) {
        REQUIRE(e == ERR_TOO_BIG);
        check_why(why);
        return;
    }
    check_line(m.url);
    for (unsigned i = 0; i < m.n_headers; i++) {
        check_line(m.headers[i]);
        REQUIRE(strstr(m.headers[i], ": ") != NULL);
    }
    if (c->kind == ALERT_email)
        check_mail(&m);
    else
        check_json(m.body.data, m.body.len);
    alert_message_fini(&m);
}

static const char *text_of(const struct json_node *root, const char *name)
{
    const struct json_node *n = alert_member(root, name);
    return n != NULL && json_type(n) == JSON_STRING ? json_node_str(n) : "";
}

static void check_facts(const struct alert_channel *c, const struct json_node *root, bool test,
                        const struct incident *i, enum incident_action_kind action)
{
    char schedule[65], target[2305]; /* as long as they may be */
    struct strbuf b;
    snprintf(schedule, sizeof(schedule), "%.16s", text_of(root, "schedule"));
    snprintf(target, sizeof(target), "%s", text_of(root, "target"));
    if (!utf8_valid(schedule, strlen(schedule)))
        schedule[0] = '\0';
    if (!utf8_valid(target, strlen(target)))
        target[0] = '\0';
    strbuf_init(&b, OUT_MAX);
    alert_facts_put(
        &(struct alert_facts){
            .action = action, .incident = i, .schedule = schedule, .target = target, .test = test},
        &b);
    check_json(b.data, b.len);
    strbuf_putc(&b, '\0');
    check_message(c, b.data);
    strbuf_fini(&b);
}

static void check_answer(const struct alert_channel *c, const char *answer)
{
    char why[ALERT_WHY_MAX];
    if (!alert_accepted(c, 200, answer, strlen(answer), why))
        check_why(why);
    REQUIRE(c->kind == ALERT_email || !alert_accepted(c, 500, answer, strlen(answer), why));
}

static void check(const struct alert_channel *c, const struct json_node *root)
{
    struct incident i = {.id = 17,
                         .host = "shop.example",
                         .causes = {CAUSE_connect_refused},
                         .n_causes = 1,
                         .since = {INT64_C(1790000000000000)}};
    check_shown(c);
    check_facts(c, root, true, NULL, INCIDENT_DID_OPEN);
    check_facts(c, root, false, NULL, INCIDENT_DID_OPEN);
    for (int a = 0; a < INCIDENT_ACTIONS; a++)
        check_facts(c, root, false, &i, (enum incident_action_kind)a);
    check_answer(c, text_of(root, "answer"));
}

static void check_template(const uint8_t *data, size_t size)
{
    static const char facts_text[] = "{\"title\":\"a \\\"b\\\" \\\\\",\"event\":\"test\"}";
    char why[ALERT_WHY_MAX] = "", *text = malloc(size + 1);
    struct json_doc *facts = NULL;
    struct strbuf b;
    REQUIRE(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    REQUIRE(json_parse(facts_text, strlen(facts_text), &facts, NULL, 0) == ERR_NONE);
    strbuf_init(&b, OUT_MAX);
    if (!utf8_valid(text, strlen(text))) {
        /* what is no text was refused before, with the channel */
    } else if (alert_template_check(text, why) == ERR_NONE) {
        alert_template_put(text, json_root(facts), DEDUP, &b);
        if (!b.overflow)
            check_json(b.data, b.len);
    } else {
        check_why(why);
    }
    strbuf_fini(&b);
    json_free(&facts);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[ALERT_WHY_MAX] = "";
    struct json_doc *d = NULL;
    struct alert_channel *c = NULL;
    check_template(data, size);
    if (json_parse((const char *)data, size, &d, NULL, 0) != ERR_NONE)
        return 0;
    const struct json_node *root = json_root(d);
    const struct json_node *channel =
        json_type(root) == JSON_OBJECT ? alert_member(root, "channel") : NULL;
    if (alert_channel_parse(NAME, channel, NULL, &c, why) == ERR_NONE)
        check(c, root);
    else
        check_why(why);
    alert_channel_free(&c);
    json_free(&d);
    return 0;
}
