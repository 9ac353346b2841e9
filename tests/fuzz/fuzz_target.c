/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "common/json.h"
#include "common/mem.h"
#include "common/require.h"
#include "common/strbuf.h"
#include "common/utf8.h"
#include "proto/target.h"

/*
 * What a user sends as a target, as text and as JSON. A target that is taken has a clean host, and
 * its spec reads back to the same spec; one that is refused says why in valid UTF-8.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_problem(const struct target_problem *p)
{
    REQUIRE(p->code != NULL && p->detail[0] != '\0');
    REQUIRE(utf8_valid(p->detail, strlen(p->detail)));
}

static void check_host(const struct target *t)
{
    const char *s = t->kind == TARGET_HTTP ? t->http.host : t->dns.name;
    REQUIRE(s != NULL && strlen(s) <= 253 && (t->kind == TARGET_DNS || *s != '\0'));
    for (; *s != '\0'; s++)
        REQUIRE(*s > ' ' && *s < 0x7f && *s != '@' && !(*s >= 'A' && *s <= 'Z'));
}

static void encode(const struct target *t, struct strbuf *b)
{
    strbuf_reset(b);
    if (target_encode(t, b) != ERR_NONE)
        strbuf_reset(b);
}

static void check_target(const struct target *t)
{
    struct strbuf first, second;
    struct json_doc *doc = NULL;
    struct target *again = NULL;
    struct target_problem p;
    check_host(t);
    strbuf_init(&first, SPEC_MAX_BYTES);
    strbuf_init(&second, SPEC_MAX_BYTES);
    encode(t, &first);
    if (first.len > 0) {
        REQUIRE(json_parse(first.data, first.len, &doc, NULL, 0) == ERR_NONE);
        REQUIRE(target_from_json(json_root(doc), NULL, &again, &p) == ERR_NONE);
        REQUIRE(target_host_hash(again) == target_host_hash(t));
        encode(again, &second);
        REQUIRE(strcmp(first.data, second.data) == 0);
    }
    target_destroy(&again);
    json_free(&doc);
    strbuf_fini(&first);
    strbuf_fini(&second);
}

static void finish(enum err e, struct target *t, const struct target_problem *p)
{
    if (e == ERR_NONE)
        check_target(t);
    else
        check_problem(p);
    target_destroy(&t);
}

static void try_json(const char *text, size_t size)
{
    struct json_doc *doc = NULL;
    struct target_defaults *d = NULL;
    struct target *t = NULL;
    struct target_problem p = {0};
    if (json_parse(text, size, &doc, NULL, 0) != ERR_NONE)
        return;
    enum err e = target_from_json(json_root(doc), NULL, &t, &p);
    finish(e, t, &p);
    if (target_defaults_parse(json_root(doc), &d, &p) != ERR_NONE) {
        check_problem(&p);
    } else {
        t = NULL;
        e = target_from_text("http://example.com/", 19, d, &t, &p);
        finish(e, t, &p);
        t = NULL;
        e = target_from_text("dns:example.com", 15, d, &t, &p);
        finish(e, t, &p);
    }
    target_defaults_destroy(&d);
    json_free(&doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct target *t = NULL;
    struct target_problem p = {0};
    enum err e = target_from_text((const char *)data, size, NULL, &t, &p);
    finish(e, t, &p);
    try_json((const char *)data, size);
    return 0;
}
