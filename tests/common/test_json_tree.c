/* SPDX-License-Identifier: MIT */
#include "tests/support/check_main.h"
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/json_tree.h"

#define TEXT_MAX (1u << 20)

/* What cJSON reads of a text and what the scan makes of it are the same, field by field. */

static void same_items(const cJSON *ours, const cJSON *theirs);

static void same_value(const cJSON *ours, const cJSON *theirs)
{
    ck_assert_int_eq(ours->type & 0xff, theirs->type & 0xff);
    ck_assert_int_eq(ours->valueint, theirs->valueint);
    ck_assert_mem_eq(&ours->valuedouble, &theirs->valuedouble, sizeof(double));
    ck_assert_pstr_eq(ours->valuestring, theirs->valuestring);
    ck_assert_pstr_eq(ours->string, theirs->string);
    same_items(ours->child, theirs->child);
}

static void same_items(const cJSON *ours, const cJSON *theirs)
{
    const cJSON *first = ours, *last = NULL;
    for (; ours != NULL && theirs != NULL; ours = ours->next, theirs = theirs->next) {
        ck_assert(ours == first || ours->prev == last);
        same_value(ours, theirs);
        last = ours;
    }
    ck_assert(ours == NULL && theirs == NULL);
    ck_assert(first == NULL || first->prev == last);
}

static void same_print(const cJSON *ours, const cJSON *theirs)
{
    char *a = cJSON_PrintUnformatted(ours), *b = cJSON_PrintUnformatted(theirs);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_nonnull(b);
    ck_assert_str_eq(a, b);
    cJSON_free(a);
    cJSON_free(b);
}

/* False: no text of ours, and so nothing to compare. */
static bool same_document(const char *text, size_t len)
{
    struct json_doc *d = NULL;
    if (json_parse(text, len, &d, NULL, 0) != ERR_NONE)
        return false;
    cJSON *theirs = cJSON_ParseWithLength(text, len);
    ck_assert_msg(theirs != NULL, "cJSON refuses %.*s", (int)len, text);
    ck_assert(cJSON_Compare(&d->root->item, theirs, true));
    same_value(&d->root->item, theirs);
    same_print(&d->root->item, theirs);
    cJSON_Delete(theirs);
    json_free(&d);
    return true;
}

START_TEST(test_documents_are_those_of_cjson)
{
    static const char *const texts[] = {
        "null",
        "true",
        " false ",
        "\"\"",
        "-0",
        "[]",
        "{}",
        "[[],{},[[]],{\"\":{}}]",
        "[0,-0,-0.0,0e0,0e999,1,-1,0.1,1.50,1E2,1e+2,1e-2,123456789012345,1234567890123456]",
        "[2147483646,2147483647,2147483648,-2147483647,-2147483648,-2147483649,1e300,-1e300]",
        "[1e22,1e23,1e-22,1e-23,9007199254740993,5e-324,2e-324,1.7976931348623157e308]",
        "[0.000000000000000000000000000000000000000000000000000000000001]",
        "{\"a\":1,\"b\":[true,false,null],\"c\":{\"d\":\"e\",\"f\":{\"g\":[1,2,3]}},\"A\":2}",
        ("{\"\\u0061\\n\":\"\\\"\\\\\\/"
         "\\b\\f\\n\\r\\t\",\"\xc3\xa9\":\"\\u00e9\\u20ac\\ud83d\\ude00\"}"),
        "\t{ \"a\" : [ 1 , 2 ] ,\r\n \"b\" : \"x\" }\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        ck_assert_msg(same_document(texts[i], strlen(texts[i])), "refused: %s", texts[i]);
}
END_TEST

static bool same_file(const char *dir, const char *name)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    char *text = malloc(TEXT_MAX);
    size_t n = fread(text, 1, TEXT_MAX, f);
    bool read = same_document(text, n);
    free(text);
    fclose(f);
    return read;
}

START_TEST(test_corpus_is_read_as_by_cjson)
{
    char path[512];
    const char *source = getenv("SONDE_SOURCE");
    snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/json", source != NULL ? source : ".");
    DIR *dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    int n = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        n += e->d_name[0] != '.' && same_file(path, e->d_name);
    closedir(dir);
    ck_assert_int_ge(n, 5);
}
END_TEST

/* ---- numbers */

static uint64_t random_state;

/* splitmix64 */
static uint64_t random_u64(void)
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Of 1 to 19 digits, with a point in front, within or behind, and exponents small, near the bound
 * of what is exact, and up to the least and greatest doubles. */
static void put_number(struct strbuf *b)
{
    static const int spans[] = {0, 3, 25, 45, 330};
    uint64_t r = random_u64();
    unsigned digits = 1 + (unsigned)(r % 19), point = (unsigned)(r >> 8) % 24;
    char all[24], exponent[16] = "";
    snprintf(all, sizeof(all), "%019" PRIu64, random_u64() % UINT64_C(10000000000000000000));
    all[digits] = '\0';
    int span = spans[(r >> 16) % ARRAY_LEN(spans)];
    int power = (int)((r >> 24) % (uint64_t)(2 * span + 1)) - span;
    if (span > 0)
        snprintf(exponent, sizeof(exponent), "%c%d", (r >> 40 & 1) != 0 ? 'e' : 'E',
                 power > 280 ? 280 : power);
    strbuf_puts(b, (r >> 41 & 1) != 0 ? "-" : "");
    if (point == 0) {
        strbuf_puts(b, "0.");
        strbuf_puts(b, all);
    } else {
        if (all[0] == '0')
            all[0] = '1';
        strbuf_append(b, all, point < digits ? point : digits);
        strbuf_puts(b, point < digits ? "." : "");
        strbuf_puts(b, point < digits ? all + point : "");
    }
    strbuf_puts(b, exponent);
}

static void same_numbers(const char *text, size_t len)
{
    struct json_doc *d = NULL;
    ck_assert_int_eq(json_parse(text, len, &d, NULL, 0), ERR_NONE);
    for (const struct json_node *n = json_first(json_root(d)); n != NULL; n = json_next(n)) {
        double expected = strtod(text + n->at, NULL), got = json_node_num(n);
        if (memcmp(&got, &expected, sizeof(got)) != 0)
            ck_abort_msg("%.*s is %a, read as %a", (int)n->len, text + n->at, expected, got);
    }
    json_free(&d);
}

START_TEST(test_numbers_are_those_of_strtod)
{
    random_state = 1;
    struct strbuf b;
    strbuf_init(&b, TEXT_MAX);
    for (int round = 0; round < 300; round++) {
        strbuf_truncate(&b, 0);
        for (int i = 0; i < 1000; i++) {
            strbuf_putc(&b, i == 0 ? '[' : ',');
            put_number(&b);
        }
        strbuf_putc(&b, ']');
        same_numbers(b.data, b.len);
    }
    strbuf_fini(&b);
}
END_TEST

TESTS(json_tree, test_documents_are_those_of_cjson, test_corpus_is_read_as_by_cjson,
      test_numbers_are_those_of_strtod)
CHECK_MAIN("json_tree", json_tree)
