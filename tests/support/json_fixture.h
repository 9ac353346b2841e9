/* SPDX-License-Identifier: MIT */
#pragma once
#include <string.h>
#include "common/json.h"
#include "tests/support/check_main.h"

/* json_fixture - a writer into one buffer, and texts that are parsed or refused. */
static struct strbuf buf;

static inline struct json_out writer(void)
{
    struct json_out w;
    strbuf_fini(&buf);
    strbuf_init(&buf, 1 << 20);
    json_out_init(&w, &buf);
    return w;
}

static inline enum err parse(const char *text, char *why)
{
    struct json_doc *d = NULL;
    enum err e = json_parse(text, strlen(text), &d, why, 200);
    json_free(&d);
    return e;
}

static inline struct json_doc *must_parse(const char *text)
{
    struct json_doc *d = NULL;
    char why[200] = "";
    ck_assert_msg(json_parse(text, strlen(text), &d, why, sizeof(why)) == ERR_NONE, "%s: %s", text,
                  why);
    return d;
}
