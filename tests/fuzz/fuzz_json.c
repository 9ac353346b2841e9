/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "common/json_tree.h"
#include "common/strbuf.h"

#define OUTPUT_MAX (64u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every way to look at a document must hold for each document that the parser accepts. */
static void ask_everything(const struct json_node *root)
{
    struct json_cur c;
    json_cur_init(&c, root);
    json_get_str(&c, "s", 8, NULL);
    json_get_id(&c, "id", 0);
    json_get_num(&c, "n", -1, 1, 0);
    json_get_int(&c, "i", INT64_MIN, INT64_MAX, 0);
    json_get_bool(&c, "b", false);
    json_get_arr(&c, "a", 3);
    json_get_obj(&c, "o");
    REQUIRE(json_cur_end(&c) == c.err);
}

/* The bytes of a member, parsed alone, must be JSON again. */
static void check_span(const char *text, size_t len, const struct json_node *root)
{
    if (json_type(root) != JSON_OBJECT || json_first(root) == NULL)
        return;
    const char *start = NULL;
    size_t n = 0;
    struct json_doc *part = NULL;
    REQUIRE(json_member_span(text, len, json_node_key(json_first(root)), &start, &n));
    REQUIRE(json_parse(start, n, &part, NULL, 0) == ERR_NONE);
    size_t at, node_len;
    json_node_span(json_first(root), &at, &node_len);
    REQUIRE(text + at == start && node_len == n);
    json_free(&part);
}

/* What is printed reads back and prints the same again. */
static void check_print(const struct json_node *root)
{
    struct strbuf first, second;
    struct json_out w;
    struct json_doc *again = NULL;
    strbuf_init(&first, OUTPUT_MAX);
    strbuf_init(&second, OUTPUT_MAX);
    json_out_init(&w, &first);
    json_print(&w, root);
    REQUIRE(json_parse(first.data, first.len, &again, NULL, 0) == ERR_NONE);
    json_out_init(&w, &second);
    json_print(&w, json_root(again));
    REQUIRE(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    json_free(&again);
    strbuf_fini(&first);
    strbuf_fini(&second);
}

/* cJSON accepts more texts, but reads those that we accept the same. */
static void check_cjson(const char *text, size_t len, const struct json_node *root)
{
    cJSON *theirs = cJSON_ParseWithLength(text, len);
    REQUIRE(theirs != NULL && cJSON_Compare(&root->item, theirs, true));
    cJSON_Delete(theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct json_doc *d = NULL;
    char why[120] = "";
    const char *start = NULL;
    size_t n = 0;
    (void)json_member_span(text, size, "a", &start, &n);
    enum err e = json_parse(text, size, &d, why, sizeof(why));
    REQUIRE(e == ERR_NONE || (e == ERR_INVALID && why[0] != '\0'));
    if (e != ERR_NONE)
        return 0;
    ask_everything(json_root(d));
    check_span(text, size, json_root(d));
    check_print(json_root(d));
    check_cjson(text, size, json_root(d));
    json_free(&d);
    return 0;
}
