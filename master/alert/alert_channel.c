/* SPDX-License-Identifier: MIT */
#include "common/mem.h"
#include "common/require.h"
#include "common/utf8.h"
#include "master/alert/alert_impl.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * A channel is its document: checked once against the table below, written anew in the table's
 * order, and asked for its members when a message is made.
 */
#define URL_MAX             2048
#define SECRET_MAX          512
#define CHANNEL_HEADERS_MAX 16
#define HEADER_MAX          1024
#define HEADER_NAME_MAX     256
#define TO_MAX              32
#define ADDRESS_MAX         254 /* RFC 5321 §4.5.3.1.3, without the brackets */
#define TEMPLATE_MAX        (16u * 1024)
#define CA_MAX              (64u * 1024)
#define DOC_MAX             (256u * 1024)
#define SET                 "(set)"

static const char *const kind_names[ALERT_KIND_COUNT] = {
#define X(name) #name,
    ALERT_KINDS(X)
#undef X
};

#define BIT(kind)     (1u << ALERT_##kind)
#define ALL           ((1u << ALERT_KIND_COUNT) - 1)
#define HTTP          (ALL & ~BIT(email))
#define URL_IS_SECRET (BIT(slack) | BIT(dingtalk) | BIT(wecom) | BIT(feishu))

typedef void check_f(struct json_cur *c, const char *name, const char *text);
static check_f check_url, check_smtp, check_address, check_template, check_line;

enum field_type { FIELD_TEXT, FIELD_TEXTS, FIELD_PAIRS, FIELD_INT, FIELD_BOOL };
struct field {
    const char *name;
    enum field_type type;
    unsigned kinds, needed, secret; /* of which kinds */
    int64_t min, max;               /* of an int; of a text: its bytes */
    check_f *check;                 /* of each text; NULL = any */
};
static const struct field fields[] = {
    {"url", FIELD_TEXT, HTTP, HTTP & ~BIT(pagerduty), URL_IS_SECRET, 0, URL_MAX, check_url},
    {"secret", FIELD_TEXT, BIT(webhook) | BIT(dingtalk) | BIT(feishu), 0, ALL, 0, SECRET_MAX,
     check_line},
    {"headers", FIELD_PAIRS, BIT(webhook) | BIT(alertmanager), 0, ALL, 0, HEADER_MAX, check_line},
    {"routing_key", FIELD_TEXT, BIT(pagerduty), BIT(pagerduty), ALL, 0, SECRET_MAX, check_line},
    {"template", FIELD_TEXT, BIT(webhook), 0, 0, 0, TEMPLATE_MAX, check_template},
    {"smtp", FIELD_TEXT, BIT(email), BIT(email), 0, 0, URL_MAX, check_smtp},
    {"user", FIELD_TEXT, BIT(email), 0, 0, 0, SECRET_MAX, check_line},
    {"password", FIELD_TEXT, BIT(email), 0, ALL, 0, SECRET_MAX, check_line},
    {"from", FIELD_TEXT, BIT(email), BIT(email), 0, 0, ADDRESS_MAX, check_address},
    {"to", FIELD_TEXTS, BIT(email), BIT(email), 0, 0, ADDRESS_MAX, check_address},
    {"send", FIELD_TEXTS, ALL, 0, 0, 0, 32, NULL},
    {"tls_verify", FIELD_BOOL, ALL, 0, 0, 0, 0, NULL},
    {"ca", FIELD_TEXT, ALL, 0, 0, 0, CA_MAX, NULL},
    {"timeout_ms", FIELD_INT, ALL, 0, 0, 1000, 30000, NULL},
};

void alert_say(char why[ALERT_WHY_MAX], const char *before, const char *text)
{
    int n = snprintf(why, ALERT_WHY_MAX, "%.*s", ALERT_WHY_MAX / 2, before);
    char *clean = utf8_sanitized(text, strlen(text), ALERT_WHY_MAX - 1 - (size_t)n);
    snprintf(why + n, ALERT_WHY_MAX - (size_t)n, "%s", clean);
    free(clean);
}

/* ---- one text */

static bool is_plain(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text <= ' ' || *text == 0x7f)
            return false;
    return true;
}

static void check_line(struct json_cur *c, const char *name, const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            json_cur_fail(c, "'%s' must be one line of text", name);
}

static void check_authority(struct json_cur *c, const char *name, const char *after_scheme)
{
    size_t n = strcspn(after_scheme, "/?#");
    if (n == 0 || !is_plain(after_scheme))
        json_cur_fail(c, "'%s' must name a host, and hold no blanks", name);
    else if (memchr(after_scheme, '@', n) != NULL)
        json_cur_fail(c, "'%s' must not hold a user or password: they have members of their own",
                      name);
}

static void check_schemes(struct json_cur *c, const char *name, const char *text,
                          const char *const schemes[2])
{
    for (int i = 0; i < 2; i++) {
        size_t n = strlen(schemes[i]);
        if (strncmp(text, schemes[i], n) == 0) {
            check_authority(c, name, text + n);
            return;
        }
    }
    json_cur_fail(c, "'%s' must begin with %s or %s", name, schemes[1], schemes[0]);
}

static void check_url(struct json_cur *c, const char *name, const char *text)
{
    check_schemes(c, name, text, (const char *const[]){"http://", "https://"});
}

static void check_smtp(struct json_cur *c, const char *name, const char *text)
{
    check_schemes(c, name, text, (const char *const[]){"smtp://", "smtps://"});
}

static void check_address(struct json_cur *c, const char *name, const char *text)
{
    const char *at = strchr(text, '@');
    if (!is_plain(text) || at == NULL || at == text || at[1] == '\0' ||
        strpbrk(text, "<>,;\"") != NULL)
        json_cur_fail(c, "'%s' must be an address like ops@example.com, got \"%.60s\"", name, text);
}

static void check_template(struct json_cur *c, const char *name, const char *text)
{
    char why[ALERT_WHY_MAX];
    if (alert_template_check(text, why) != ERR_NONE)
        json_cur_fail(c, "'%s': %.180s", name, why);
}

/* ---- one member */

const struct json_node *alert_member(const struct json_node *obj, const char *name)
{
    for (const struct json_node *n = obj != NULL ? json_first(obj) : NULL; n; n = json_next(n))
        if (strcmp(json_node_key(n), name) == 0)
            return n;
    return NULL;
}

struct reading {
    struct json_cur cur;
    struct json_out out;
    const struct json_node *old; /* where "(set)" stands; NULL: nowhere */
    unsigned kind;               /* its bit */
};

static void put_text(struct reading *r, const struct field *f, const char *key,
                     const struct json_node *n, const struct json_node *old)
{
    if (json_type(n) != JSON_STRING) {
        json_cur_fail(&r->cur, "'%s' must hold strings, got %s", f->name,
                      json_type_name(json_type(n)));
        return;
    }
    const char *text = json_node_str(n);
    if ((f->secret & r->kind) && strcmp(text, SET) == 0) {
        if (old == NULL || json_type(old) != JSON_STRING)
            json_cur_fail(&r->cur, "'%s' is \"" SET "\", and nothing was set before: give it",
                          f->name);
        else
            text = json_node_str(old);
    }
    if (text[0] == '\0' || strlen(text) > (size_t)f->max)
        json_cur_fail(&r->cur, "'%s' must be 1 to %lld bytes long", f->name, (long long)f->max);
    else if (f->check != NULL)
        f->check(&r->cur, f->name, text);
    if (key != NULL)
        json_key_str(&r->out, key);
    json_put_str(&r->out, text);
}

static void put_texts(struct reading *r, const struct field *f, const struct json_node *n)
{
    if (json_type(n) != JSON_ARRAY || json_count(n) == 0 || json_count(n) > TO_MAX) {
        json_cur_fail(&r->cur, "'%s' must be a list of 1 to %d strings", f->name, TO_MAX);
        return;
    }
    json_key(&r->out, f->name);
    json_arr_begin(&r->out);
    for (const struct json_node *x = json_first(n); x; x = json_next(x))
        put_text(r, f, NULL, x, NULL);
    json_arr_end(&r->out);
}

/* RFC 9110 §5.6.2, token. */
static bool is_token(const char *s)
{
    return s[0] != '\0' &&
           s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                       "!#$%&'*+-.^_`|~")] == '\0';
}

static void put_pairs(struct reading *r, const struct field *f, const struct json_node *n)
{
    const struct json_node *old = alert_member(r->old, f->name);
    if (json_type(n) != JSON_OBJECT || json_count(n) > CHANNEL_HEADERS_MAX) {
        json_cur_fail(&r->cur, "'%s' must be an object of at most %d members", f->name,
                      CHANNEL_HEADERS_MAX);
        return;
    }
    json_key(&r->out, f->name);
    json_obj_begin(&r->out);
    for (const struct json_node *x = json_first(n); x; x = json_next(x)) {
        if (!is_token(json_node_key(x)) || strlen(json_node_key(x)) > HEADER_NAME_MAX)
            json_cur_fail(&r->cur, "'%.40s' in '%s' is no name of a header", json_node_key(x),
                          f->name);
        put_text(r, f, json_node_key(x), x, alert_member(old, json_node_key(x)));
    }
    json_obj_end(&r->out);
}

static void read_field(struct reading *r, const struct field *f)
{
    const struct json_node *n = json_get(&r->cur, f->name);
    if (n == NULL || json_type(n) == JSON_NULL) {
        if (f->needed & r->kind)
            json_cur_fail(&r->cur, "'%s' is missing", f->name);
        return;
    }
    if (!(f->kinds & r->kind)) {
        json_cur_fail(&r->cur, "'%s' does not belong to this kind of channel", f->name);
        return;
    }
    switch (f->type) {
    case FIELD_TEXT:
        put_text(r, f, f->name, n, alert_member(r->old, f->name));
        break;
    case FIELD_TEXTS:
        put_texts(r, f, n);
        break;
    case FIELD_PAIRS:
        put_pairs(r, f, n);
        break;
    case FIELD_INT:
        json_int(&r->out, f->name, json_get_int(&r->cur, f->name, f->min, f->max, f->min));
        break;
    case FIELD_BOOL:
        json_bool(&r->out, f->name, json_get_bool(&r->cur, f->name, true));
        break;
    }
}

static void check_send(struct json_cur *c, const struct json_node *send)
{
    for (const struct json_node *n = send ? json_first(send) : NULL; n; n = json_next(n)) {
        const char *word = json_type(n) == JSON_STRING ? json_node_str(n) : "";
        bool known = strcmp(word, "certificate") == 0;
        for (int i = 0; i < INCIDENT_ACTIONS && !known; i++)
            known = strcmp(word, incident_action_word((enum incident_action_kind)i)) == 0;
        if (!known)
            json_cur_fail(
                c, "'send' holds \"%.40s\", which is nothing that happens: %s, %s, …, certificate",
                word, incident_action_word(INCIDENT_DID_CONFIRM),
                incident_action_word(INCIDENT_DID_RESOLVE));
    }
}

/* ---- the whole */

static bool parse_kind(struct json_cur *c, enum alert_kind *out)
{
    const char *word = json_need_str(c, "kind", 32);
    for (int i = 0; i < ALERT_KIND_COUNT; i++)
        if (strcmp(word, kind_names[i]) == 0) {
            *out = (enum alert_kind)i;
            return true;
        }
    json_cur_fail(c,
                  "'kind' must be one of webhook, slack, dingtalk, wecom, feishu, pagerduty, "
                  "alertmanager, email, got \"%.32s\"",
                  word);
    return false;
}

static bool name_valid(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n <= ALERT_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == n;
}

/* Into a document of its own; ERR_INVALID. */
static enum err read_all(struct reading *r, enum alert_kind *kind)
{
    json_obj_begin(&r->out);
    if (!parse_kind(&r->cur, kind))
        return ERR_INVALID;
    r->kind = 1u << *kind;
    json_str(&r->out, "kind", kind_names[*kind]);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        read_field(r, &fields[i]);
    check_send(&r->cur, json_get(&r->cur, "send"));
    json_obj_end(&r->out);
    return json_cur_end(&r->cur);
}

enum err alert_channel_parse(const char *name, const struct json_node *obj, const char *old_doc,
                             struct alert_channel **out, char why[ALERT_WHY_MAX])
{
    struct reading r = {.old = NULL};
    struct json_doc *old = NULL;
    struct strbuf doc;
    enum alert_kind kind = ALERT_webhook;
    if (!name_valid(name)) {
        snprintf(why, ALERT_WHY_MAX, "the name of a channel must be 1 to %d of A-Z a-z 0-9 . _ -",
                 ALERT_NAME_MAX);
        return ERR_INVALID;
    }
    if (old_doc != NULL && json_parse(old_doc, strlen(old_doc), &old, NULL, 0) == ERR_NONE)
        r.old = json_root(old);
    strbuf_init(&doc, DOC_MAX);
    json_out_init(&r.out, &doc);
    json_cur_init(&r.cur, obj);
    enum err e = read_all(&r, &kind);
    json_free(&old);
    if (e) {
        alert_say(why, "", r.cur.problem); /* what it quotes may be cut */
        strbuf_fini(&doc);
        return ERR_INVALID;
    }
    strbuf_putc(&doc, '\0');
    REQUIRE(!doc.overflow);
    e = alert_channel_load(name, doc.data, out, why);
    strbuf_fini(&doc);
    return e;
}

enum err alert_channel_load(const char *name, const char *doc, struct alert_channel **out,
                            char why[ALERT_WHY_MAX])
{
    struct json_doc *json = NULL;
    struct json_cur cur;
    enum alert_kind kind = ALERT_webhook;
    enum err e = json_parse(doc, strlen(doc), &json, why, ALERT_WHY_MAX);
    if (e)
        return ERR_CORRUPT;
    json_cur_init(&cur, json_root(json));
    if (!parse_kind(&cur, &kind)) {
        snprintf(why, ALERT_WHY_MAX, "%s", cur.problem);
        json_free(&json);
        return ERR_CORRUPT;
    }
    struct alert_channel *c = mem_zalloc(sizeof(*c));
    snprintf(c->name, sizeof(c->name), "%s", name);
    c->kind = kind;
    c->doc = mem_strdup(doc);
    c->json = json;
    *out = c;
    return ERR_NONE;
}

void alert_channel_free(struct alert_channel **cp)
{
    struct alert_channel *c = *cp;
    if (c == NULL)
        return;
    *cp = NULL;
    json_free(&c->json);
    explicit_bzero(c->doc, strlen(c->doc));
    free(c->doc);
    free(c);
}

const char *alert_channel_doc(const struct alert_channel *c)
{
    return c->doc;
}

const struct json_node *alert_field(const struct alert_channel *c, const char *name)
{
    return alert_member(json_root(c->json), name);
}

const char *alert_text(const struct alert_channel *c, const char *name)
{
    const struct json_node *n = alert_field(c, name);
    return n != NULL && json_type(n) == JSON_STRING ? json_node_str(n) : NULL;
}

/* ---- what people see */

static bool is_secret(const struct alert_channel *c, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (strcmp(fields[i].name, name) == 0)
            return (fields[i].secret & (1u << c->kind)) != 0;
    return false;
}

void alert_channel_put_json(const struct alert_channel *c, struct strbuf *out)
{
    struct json_out w;
    json_out_init(&w, out);
    json_obj_begin(&w);
    json_str(&w, "name", c->name);
    for (const struct json_node *n = json_first(json_root(c->json)); n; n = json_next(n)) {
        json_key_str(&w, json_node_key(n));
        if (!is_secret(c, json_node_key(n))) {
            json_print(&w, n);
            continue;
        }
        if (json_type(n) == JSON_STRING) {
            json_put_str(&w, SET);
            continue;
        }
        json_obj_begin(&w);
        for (const struct json_node *x = json_first(n); x; x = json_next(x)) {
            json_key_str(&w, json_node_key(x));
            json_put_str(&w, SET);
        }
        json_obj_end(&w);
    }
    json_obj_end(&w);
}

/* ---- who is told of what */

static const char *const by_default[] = {"confirmed", "resolved", "unmuted", "system_event",
                                         "certificate"};

bool alert_channel_wants(const struct alert_channel *c, const char *facts)
{
    struct json_doc *doc = NULL;
    bool wants = false;
    if (json_parse(facts, strlen(facts), &doc, NULL, 0) != ERR_NONE)
        return false;
    const struct json_node *event = alert_member(json_root(doc), "event");
    const char *word = event != NULL && json_type(event) == JSON_STRING ? json_node_str(event) : "";
    const struct json_node *send = alert_field(c, "send");
    for (const struct json_node *n = send ? json_first(send) : NULL; n && !wants; n = json_next(n))
        wants = strcmp(json_node_str(n), word) == 0;
    for (size_t i = 0; send == NULL && i < ARRAY_LEN(by_default) && !wants; i++)
        wants = strcmp(by_default[i], word) == 0;
    wants |= strcmp(word, "test") == 0;
    json_free(&doc);
    return wants;
}
