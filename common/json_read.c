/* SPDX-License-Identifier: MIT */
#include "common/json.h"
#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/json_scan.h"
#include "common/mem.h"

/* Up to here names that look alike are compared pair by pair; beyond, all are sorted: a peer
 * chooses the number. */
#define PAIRWISE_MAX   12
#define NAME_SHOWN_MAX 60

/*
 * cJSON asks for three pieces of memory a member. They come from the document's chunks, which go
 * together: with malloc for each, memory was a fifth of what the master's hub thread did.
 */
#define CHUNK_MIN    1024
#define CHUNK_MAX    65536
#define BYTES_FACTOR 6 /* what a document takes, in lengths of its text, as a first guess */
#define PIECE_ALIGN  16

struct chunk {
    struct chunk *next;
    size_t used, size;
    _Alignas(PIECE_ALIGN) char bytes[];
};

struct json_doc {
    cJSON *root;
    struct chunk *chunks;
};

/* The document that this thread is parsing: cJSON's hooks have no argument. */
static _Thread_local struct json_doc *parsing;
static _Thread_local size_t chunk_guess;

static struct chunk *add_chunk(struct json_doc *d, size_t size)
{
    struct chunk *c = mem_try(sizeof(*c) + size);
    if (c == NULL)
        return NULL;
    *c = (struct chunk){.next = d->chunks, .size = size};
    d->chunks = c;
    return c;
}

static void *take_piece(size_t n)
{
    REQUIRE(parsing != NULL);
    struct chunk *c = parsing->chunks;
    n = (n + PIECE_ALIGN - 1) & ~(size_t)(PIECE_ALIGN - 1);
    if (c == NULL || c->size - c->used < n)
        c = add_chunk(parsing, n > chunk_guess ? n : chunk_guess);
    if (c == NULL)
        return NULL;
    void *p = c->bytes + c->used;
    c->used += n;
    return p;
}

static void leave_piece(void *p)
{
    /* It goes with its document. */
}

static void set_hooks(void)
{
    cJSON_Hooks hooks = {.malloc_fn = take_piece, .free_fn = leave_piece};
    cJSON_InitHooks(&hooks);
}

static void build(struct json_doc *d, const char *text, size_t len)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    PTOK(pthread_once(&once, set_hooks));
    REQUIRE(parsing == NULL);
    size_t guess = len > CHUNK_MAX / BYTES_FACTOR ? CHUNK_MAX : len * BYTES_FACTOR;
    chunk_guess = guess < CHUNK_MIN ? CHUNK_MIN : guess;
    parsing = d;
    d->root = cJSON_ParseWithLengthOpts(text, len, NULL, false);
    parsing = NULL;
}

static const cJSON *item_of(const struct json_node *n)
{
    REQUIRE(n != NULL);
    return (const cJSON *)(const void *)n;
}

static const struct json_node *node_of(const cJSON *item)
{
    return (const struct json_node *)(const void *)item;
}

/* Whether two names may be the same: one bit of 64 for each, by its beginning. */
static bool names_look_alike(const cJSON *object)
{
    uint64_t seen = 0;
    for (const cJSON *m = object->child; m != NULL; m = m->next) {
        const char *s = m->string;
        unsigned h = (unsigned char)s[0];
        for (int i = 0; i < 3 && s[i] != '\0'; i++)
            h = h * 31 + (unsigned char)s[i + 1];
        uint64_t bit = UINT64_C(1) << ((h * UINT32_C(2654435769)) >> 26);
        if (seen & bit)
            return true;
        seen |= bit;
    }
    return false;
}

static const char *duplicate_pairwise(const cJSON *object)
{
    if (!names_look_alike(object))
        return NULL;
    for (const cJSON *a = object->child; a != NULL; a = a->next)
        for (const cJSON *b = a->next; b != NULL; b = b->next)
            if (a->string[0] == b->string[0] && strcmp(a->string, b->string) == 0)
                return a->string;
    return NULL;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum err duplicate_sorted(const cJSON *object, size_t n, const char **name)
{
    const char **names = mem_try(n * sizeof(*names));
    if (names == NULL)
        return ERR_NOMEM;
    size_t i = 0;
    for (const cJSON *m = object->child; m != NULL; m = m->next)
        names[i++] = m->string;
    REQUIRE(i == n);
    qsort(names, n, sizeof(*names), compare_names);
    for (i = 1; i < n && *name == NULL; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            *name = names[i];
    free(names);
    return ERR_NONE;
}

/* Sets *name to a name that some object below holds twice. */
static enum err find_duplicate(const cJSON *item, const char **name)
{
    enum err e = ERR_NONE;
    if (cJSON_IsObject(item)) {
        size_t n = json_count(node_of(item));
        if (n <= PAIRWISE_MAX)
            *name = duplicate_pairwise(item);
        else
            e = duplicate_sorted(item, n, name);
    }
    for (const cJSON *c = item->child; c != NULL && e == ERR_NONE && *name == NULL; c = c->next)
        if (c->child != NULL)
            e = find_duplicate(c, name);
    return e;
}

static void explain(char *why, size_t why_max, const struct json_scan *s)
{
    if (why != NULL)
        snprintf(why, why_max, "%s at byte %zu", s->why, (size_t)(s->p - s->start));
}

static void explain_duplicate(char *why, size_t why_max, const char *name)
{
    if (why == NULL)
        return;
    struct strbuf shown;
    strbuf_init(&shown, 4 * NAME_SHOWN_MAX);
    struct json_out w;
    json_out_init(&w, &shown);
    size_t n = strnlen(name, NAME_SHOWN_MAX);
    while (n > 0 && ((unsigned char)name[n] & 0xc0) == 0x80)
        n--; /* never half a character */
    json_put_strn(&w, name, n);
    snprintf(why, why_max, "duplicate name %s", shown.data);
    strbuf_fini(&shown);
}

enum err json_parse(const char *text, size_t len, struct json_doc **out, char *why, size_t why_max)
{
    REQUIRE(out != NULL);
    struct json_scan s;
    json_scan_init(&s, text, len);
    if (!json_scan_document(&s)) {
        explain(why, why_max, &s);
        return ERR_INVALID;
    }
    const char *name = NULL;
    struct json_doc *d = mem_zalloc(sizeof(*d));
    build(d, text, len);
    enum err e = d->root == NULL ? ERR_NOMEM : find_duplicate(d->root, &name);
    if (e == ERR_NONE && name != NULL) {
        explain_duplicate(why, why_max, name);
        e = ERR_INVALID;
    } else if (e != ERR_NONE && why != NULL) {
        snprintf(why, why_max, "%s", err_text(e));
    }
    if (e != ERR_NONE) {
        json_free(&d);
        return e;
    }
    *out = d;
    return ERR_NONE;
}

void json_free(struct json_doc **dp)
{
    if (*dp == NULL)
        return;
    for (struct chunk *c = (*dp)->chunks, *next; c != NULL; c = next) {
        next = c->next;
        free(c);
    }
    free(*dp);
    *dp = NULL;
}

const struct json_node *json_root(const struct json_doc *d)
{
    REQUIRE(d != NULL);
    return node_of(d->root);
}

enum json_type json_type(const struct json_node *n)
{
    switch (item_of(n)->type & 0xff) {
    case cJSON_NULL:
        return JSON_NULL;
    case cJSON_True:
    case cJSON_False:
        return JSON_BOOL;
    case cJSON_Number:
        return JSON_NUMBER;
    case cJSON_String:
        return JSON_STRING;
    case cJSON_Array:
        return JSON_ARRAY;
    case cJSON_Object:
        return JSON_OBJECT;
    }
    UNREACHABLE("a type that the parser never makes");
}

const char *json_type_name(enum json_type t)
{
    static const char *const names[] = {
        [JSON_NULL] = "null",       [JSON_BOOL] = "a boolean", [JSON_NUMBER] = "a number",
        [JSON_STRING] = "a string", [JSON_ARRAY] = "an array", [JSON_OBJECT] = "an object",
    };
    REQUIRE((size_t)t < ARRAY_LEN(names));
    return names[t];
}

const char *json_node_str(const struct json_node *n)
{
    REQUIRE(json_type(n) == JSON_STRING);
    return item_of(n)->valuestring;
}

double json_node_num(const struct json_node *n)
{
    REQUIRE(json_type(n) == JSON_NUMBER);
    return item_of(n)->valuedouble;
}

bool json_node_bool(const struct json_node *n)
{
    REQUIRE(json_type(n) == JSON_BOOL);
    return cJSON_IsTrue(item_of(n));
}

const char *json_node_key(const struct json_node *n)
{
    return item_of(n)->string;
}

const struct json_node *json_first(const struct json_node *container)
{
    return node_of(item_of(container)->child);
}

const struct json_node *json_next(const struct json_node *n)
{
    return node_of(item_of(n)->next);
}

size_t json_count(const struct json_node *container)
{
    size_t n = 0;
    for (const cJSON *c = item_of(container)->child; c != NULL; c = c->next)
        n++;
    return n;
}

static void print_container(struct json_out *w, const struct json_node *n, bool object)
{
    (object ? json_obj_begin : json_arr_begin)(w);
    for (const struct json_node *c = json_first(n); c != NULL; c = json_next(c)) {
        if (object)
            json_key_str(w, json_node_key(c));
        json_print(w, c);
    }
    (object ? json_obj_end : json_arr_end)(w);
}

void json_print(struct json_out *w, const struct json_node *n)
{
    switch (json_type(n)) {
    case JSON_NULL:
        json_put_null(w);
        break;
    case JSON_BOOL:
        json_put_bool(w, json_node_bool(n));
        break;
    case JSON_NUMBER:
        json_put_num(w, json_node_num(n));
        break;
    case JSON_STRING:
        json_put_str(w, json_node_str(n));
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        print_container(w, n, json_type(n) == JSON_OBJECT);
        break;
    }
}

/* Whether a member name as it stands in the text (quotes included) says `name`. */
static bool raw_name_is(const char *raw, size_t n, const char *name)
{
    if (memchr(raw, '\\', n) == NULL)
        return n == strlen(name) + 2 && memcmp(raw + 1, name, n - 2) == 0;
    struct json_doc *d = NULL;
    if (json_parse(raw, n, &d, NULL, 0) != ERR_NONE)
        return false;
    bool same = strcmp(json_node_str(json_root(d)), name) == 0;
    json_free(&d);
    return same;
}

bool json_member_span(const char *text, size_t len, const char *name, const char **start,
                      size_t *span_len)
{
    struct json_scan s;
    json_scan_init(&s, text, len);
    json_scan_space(&s);
    if (!json_scan_char(&s, '{', "object expected"))
        return false;
    for (json_scan_space(&s); s.p < s.end && *s.p == '"'; json_scan_space(&s)) {
        const char *key = s.p;
        if (!json_scan_string(&s))
            return false;
        bool found = raw_name_is(key, (size_t)(s.p - key), name);
        json_scan_space(&s);
        if (!json_scan_char(&s, ':', "':' expected"))
            return false;
        json_scan_space(&s);
        const char *value = s.p;
        if (!json_scan_value(&s))
            return false;
        if (found) {
            *start = value;
            *span_len = (size_t)(s.p - value);
            return true;
        }
        json_scan_space(&s);
        if (s.p < s.end && *s.p == ',')
            s.p++;
    }
    return false;
}
