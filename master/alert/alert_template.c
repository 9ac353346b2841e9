/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "master/alert/alert_impl.h"

/*
 * A template is the text of one JSON value; {{name}} in its strings becomes the fact of that name,
 * escaped as a string wants it. So what comes out is JSON whenever the template is.
 */
#define NAME_MAX_HERE 32

/* The name between {{ and }}; NULL: there is none here. *end: behind it. */
static const char *next_hole(const char *from, char name[NAME_MAX_HERE], const char **end)
{
    const char *hole = strstr(from, "{{");
    if (hole == NULL)
        return NULL;
    const char *close = strstr(hole, "}}");
    size_t n = close != NULL ? (size_t)(close - hole) - 2 : 0;
    if (close == NULL || n == 0 || n >= NAME_MAX_HERE) {
        name[0] = '\0';
        *end = hole + 2;
        return hole;
    }
    memcpy(name, hole + 2, n);
    name[n] = '\0';
    *end = close + 2;
    return hole;
}

/* {{ outside of strings is no JSON: the parser finds it. */
enum err alert_template_check(const char *text, char why[ALERT_WHY_MAX])
{
    struct json_doc *doc = NULL;
    char name[NAME_MAX_HERE], problem[200];
    const char *end = text;
    for (const char *from = text; next_hole(from, name, &end) != NULL; from = end) {
        if (alert_fact_known(name))
            continue;
        snprintf(why, ALERT_WHY_MAX,
                 "{{%s}} is no fact: there are event, title, text, schedule, target, host, state, "
                 "cause, since, ended_at, checks, not_up, agent, incident, dedup, days_left, "
                 "not_after and some more (sonde(1))",
                 name);
        return ERR_INVALID;
    }
    if (json_parse(text, strlen(text), &doc, problem, sizeof(problem)) != ERR_NONE) {
        snprintf(why, ALERT_WHY_MAX, "it must be JSON, with {{name}} inside of its strings: %s",
                 problem);
        return ERR_INVALID;
    }
    json_free(&doc);
    return ERR_NONE;
}

/* As a string's inside: without the quotes. */
static void put_escaped(struct strbuf *out, const char *value)
{
    struct strbuf quoted;
    struct json_out w;
    strbuf_init(&quoted, ALERT_FACT_MAX * 6 + 3);
    json_out_init(&w, &quoted);
    json_put_str(&w, value);
    strbuf_append(out, quoted.data + 1, quoted.len - 2);
    strbuf_fini(&quoted);
}

void alert_template_put(const char *text, const struct json_node *facts, const char *dedup,
                        struct strbuf *out)
{
    char name[NAME_MAX_HERE], value[ALERT_FACT_MAX];
    const char *end = text, *from = text, *hole;
    for (; (hole = next_hole(from, name, &end)) != NULL; from = end) {
        strbuf_append(out, from, (size_t)(hole - from));
        if (alert_fact(facts, name, dedup, value))
            put_escaped(out, value);
    }
    strbuf_puts(out, from);
}
