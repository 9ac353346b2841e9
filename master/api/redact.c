/* SPDX-License-Identifier: MIT */
#include "master/api/redact.h"
#include <string.h>

/* "http://USER:PASSWORD@HOST": the last '@' ends the credentials, for they are percent-encoded. */
static void put_proxy(struct json_out *w, const struct json_node *value)
{
    const char *text = json_type(value) == JSON_STRING ? json_node_str(value) : NULL;
    const char *at = text ? strrchr(text, '@') : NULL;
    const char *scheme = text ? strstr(text, "://") : NULL;
    if (!at) {
        json_print(w, value);
        return;
    }
    struct strbuf b;
    strbuf_init(&b, strlen(text) + sizeof(REDACTED));
    if (scheme && scheme < at)
        strbuf_append(&b, text, (size_t)(scheme + 3 - text));
    strbuf_puts(&b, REDACTED);
    strbuf_puts(&b, at);
    json_put_strn(w, b.data, b.len);
    strbuf_fini(&b);
}

/* only NULL: each value of it. */
static void put_hidden(struct json_out *w, const struct json_node *obj, const char *only)
{
    if (json_type(obj) != JSON_OBJECT) {
        json_put_str(w, REDACTED);
        return;
    }
    json_obj_begin(w);
    for (const struct json_node *n = json_first(obj); n; n = json_next(n)) {
        json_key_str(w, json_node_key(n));
        if (only && strcmp(json_node_key(n), only) != 0)
            json_print(w, n);
        else
            json_put_str(w, REDACTED);
    }
    json_obj_end(w);
}

static void put_option(struct json_out *w, const char *name, const struct json_node *value)
{
    if (json_type(value) == JSON_NULL)
        json_put_null(w);
    else if (strcmp(name, "headers") == 0)
        put_hidden(w, value, NULL);
    else if (strcmp(name, "client_cert") == 0)
        put_hidden(w, value, "key");
    else if (strcmp(name, "body") == 0 || strcmp(name, "auth") == 0)
        json_put_str(w, REDACTED);
    else if (strcmp(name, "proxy") == 0)
        put_proxy(w, value);
    else
        json_print(w, value);
}

void redact_options(struct json_out *w, const struct json_node *options)
{
    if (json_type(options) != JSON_OBJECT) {
        json_print(w, options);
        return;
    }
    json_obj_begin(w);
    for (const struct json_node *n = json_first(options); n; n = json_next(n)) {
        json_key_str(w, json_node_key(n));
        put_option(w, json_node_key(n), n);
    }
    json_obj_end(w);
}
