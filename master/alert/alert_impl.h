/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/alert/alert.h"

/* alert_impl - what the files of master/alert share; nobody else. */

#define ALERT_KINDS(X)                                                                             \
    X(webhook)                                                                                     \
    X(slack)                                                                                       \
    X(dingtalk)                                                                                    \
    X(wecom)                                                                                       \
    X(feishu)                                                                                      \
    X(pagerduty)                                                                                   \
    X(alertmanager)                                                                                \
    X(email)

enum alert_kind {
#define X(name) ALERT_##name,
    ALERT_KINDS(X)
#undef X
        ALERT_KIND_COUNT
};

struct alert_channel {
    char name[ALERT_NAME_MAX + 1];
    enum alert_kind kind;
    char *doc;             /* canonical, with its secrets */
    struct json_doc *json; /* of doc */
};

/* Of the channel's document; NULL: not given. */
const struct json_node *alert_field(const struct alert_channel *c, const char *name);
const char *alert_text(const struct alert_channel *c, const char *name);

/* A sentence of ours and what others say, of which as much as there is room for, as valid UTF-8. */
void alert_say(char why[ALERT_WHY_MAX], const char *before, const char *text);

/* The member of an object, NULL when absent. */
const struct json_node *alert_member(const struct json_node *obj, const char *name);

/* ---- facts, flat: what templates name */
#define ALERT_FACT_MAX 1024
/* False: there is no such fact. Numbers are written out; what is not known is "". */
bool alert_fact(const struct json_node *facts, const char *name, const char *dedup,
                char out[ALERT_FACT_MAX]);
bool alert_fact_known(const char *name);

/* ---- templates: JSON with {{name}} in its strings */
MUST_USE enum err alert_template_check(const char *text, char why[ALERT_WHY_MAX]);
void alert_template_put(const char *text, const struct json_node *facts, const char *dedup,
                        struct strbuf *out);
