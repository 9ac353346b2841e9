/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "proto/target_parts.h"

/* "expect.answers" of a DNS target: lists of record data, and a regular expression. */

static void free_list(struct dns_data_list *l)
{
    for (unsigned i = 0; i < l->n; i++)
        free(l->data[i]);
    free(l->data);
    *l = (struct dns_data_list){0};
}

static void copy_list(struct dns_data_list *to, const struct dns_data_list *from)
{
    *to = (struct dns_data_list){.set = from->set};
    if (from->n > 0)
        to->data = mem_array(from->n, sizeof(*to->data));
    for (; to->n < from->n; to->n++)
        to->data[to->n] = mem_strdup(from->data[to->n]);
}

void target_answers_free(struct dns_answers *a)
{
    free_list(&a->contains);
    free_list(&a->equals);
    free(a->regex);
    a->regex = NULL;
}

void target_answers_copy(struct dns_answers *to, const struct dns_answers *from)
{
    copy_list(&to->contains, &from->contains);
    copy_list(&to->equals, &from->equals);
    to->regex = mem_strdup(from->regex);
}

void target_answers_read(struct json_cur *c, const char *name, struct dns_data_list *out)
{
    const struct json_node *list = json_get_arr(c, name, ANSWERS_MAX);
    if (list == NULL)
        return;
    struct dns_data_list l = {.set = true};
    l.data = mem_array(ANSWERS_MAX, sizeof(*l.data));
    for (const struct json_node *n = json_first(list); n != NULL; n = json_next(n)) {
        const char *text = json_type(n) == JSON_STRING ? json_node_str(n) : "";
        if (*text == '\0' || strlen(text) > ANSWER_DATA_MAX) {
            json_cur_fail(c, "'%s' must hold strings of 1 to %d bytes", name, ANSWER_DATA_MAX);
            break;
        }
        l.data[l.n++] = mem_strdup(text);
    }
    free_list(out);
    *out = l;
}

static void put_list(struct json_out *w, const char *name, const struct dns_data_list *l)
{
    if (!l->set)
        return;
    json_key(w, name);
    json_arr_begin(w);
    for (unsigned i = 0; i < l->n; i++)
        json_put_str(w, l->data[i]);
    json_arr_end(w);
}

bool target_answers_given(const struct dns_answers *a)
{
    return a->contains.set || a->equals.set || a->regex != NULL;
}

void target_answers_put(struct json_out *w, const struct dns_answers *a)
{
    REQUIRE(target_answers_given(a));
    json_key(w, "answers");
    json_obj_begin(w);
    put_list(w, "contains", &a->contains);
    put_list(w, "equals", &a->equals);
    if (a->regex != NULL)
        json_str(w, "regex", a->regex);
    json_obj_end(w);
}
