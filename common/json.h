/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/err.h"
#include "common/strbuf.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * json - RFC 8259: a writer into a strbuf, and a strict reader with sticky-error cursors. What is
 * read becomes a document of cJSON, which is asked for its values; the text itself is read by a
 * scan of ours, because cJSON's parser accepts more than RFC 8259.
 *
 * Pure; a document or a writer belongs to one thread. Writer and reader know only UTF-8.
 */

/*
 * ---- writer: commas are placed by it; the caller balances begin and end. Invalid UTF-8 is a bug
 * of the caller.
 */
struct json_out {
    struct strbuf *b;
    bool comma;
};
void json_out_init(struct json_out *w, struct strbuf *b);
void json_obj_begin(struct json_out *w);
void json_obj_end(struct json_out *w);
void json_arr_begin(struct json_out *w);
void json_arr_end(struct json_out *w);
void json_key(struct json_out *w, const char *key);     /* key is a literal of ours: not escaped */
void json_key_str(struct json_out *w, const char *key); /* key from outside: escaped */
void json_put_str(struct json_out *w, const char *s);   /* NULL writes null */
void json_put_strn(struct json_out *w, const char *s, size_t n);
void json_put_int(struct json_out *w, int64_t v);
void json_put_u64(struct json_out *w, uint64_t v);
void json_put_id(struct json_out *w, uint64_t v); /* a decimal string: "812" */
/* At most 3 decimals; negative writes null (never happened). */
void json_put_ms(struct json_out *w, double v);
void json_put_num(struct json_out *w, double v); /* shortest that reads back */
void json_put_bool(struct json_out *w, bool v);
void json_put_null(struct json_out *w);
void json_put_raw(struct json_out *w, const char *json, size_t n); /* already JSON */

/* key + value in one call */
void json_str(struct json_out *w, const char *key, const char *s);
void json_int(struct json_out *w, const char *key, int64_t v);
void json_u64(struct json_out *w, const char *key, uint64_t v);
void json_id(struct json_out *w, const char *key, uint64_t v);
void json_ms(struct json_out *w, const char *key, double v);
void json_bool(struct json_out *w, const char *key, bool v);
void json_null(struct json_out *w, const char *key);
void json_raw(struct json_out *w, const char *key, const char *json, size_t n);

/* ---- reader */
#define JSON_DEPTH_MAX 16

struct json_doc;
struct json_node; /* borrowed from its document */

/*
 * Parses exactly one value, of less than 4 GiB. ERR_INVALID: not JSON, trailing text, depth over
 * JSON_DEPTH_MAX, bad UTF-8, NUL (raw or \u0000), a duplicate key, a raw control character, a
 * number that is not finite or longer than 63 characters. The reason, with its byte offset where
 * known, goes into why[why_max] (may be NULL).
 */
MUST_USE enum err json_parse(const char *text, size_t len, struct json_doc **out, char *why,
                             size_t why_max);
/* Whether text is an object to json_parse, but for duplicate keys; a tree is not built. */
bool json_is_object(const char *text, size_t len);
void json_free(struct json_doc **dp);
const struct json_node *json_root(const struct json_doc *d);

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };
enum json_type json_type(const struct json_node *n);
const char *json_type_name(enum json_type t);         /* "a string", … for messages */
const char *json_node_str(const struct json_node *n); /* n is a string */
double json_node_num(const struct json_node *n);      /* n is a number */
bool json_node_bool(const struct json_node *n);
const char *json_node_key(const struct json_node *n); /* member name, or NULL */
/* Its bytes in the text that was parsed: for storing a part of a message exactly as it came. */
void json_node_span(const struct json_node *n, size_t *at, size_t *len);
const struct json_node *json_first(const struct json_node *container); /* NULL if empty */
const struct json_node *json_next(const struct json_node *n);
size_t json_count(const struct json_node *container);
/* Prints n as compact JSON. */
void json_print(struct json_out *w, const struct json_node *n);

/*
 * The object cursor. Fields are asked for by name; the first thing wrong is kept in `err` and
 * `problem` ("'timeout_ms' must be an integer from 1 to 30000, got \"soon\""), later calls answer
 * defaults. json_cur_end() also refuses fields that nobody asked for, naming the field ("unknown
 * field 'tmeout_ms'").
 */
#define JSON_CUR_FIELDS  64
#define JSON_PROBLEM_MAX 240
struct json_cur {
    const struct json_node *obj, *next; /* next: behind what was found last */
    const char *asked[JSON_CUR_FIELDS];
    unsigned n_asked;
    enum err err;
    char problem[JSON_PROBLEM_MAX];
};
/* n may be NULL or not an object: then the cursor starts in error. */
void json_cur_init(struct json_cur *c, const struct json_node *n);
/* The raw member, or NULL when absent; null counts as absent in all the calls below. */
const struct json_node *json_get(struct json_cur *c, const char *name);
const char *json_get_str(struct json_cur *c, const char *name, size_t max_len, const char *dflt);
const char *json_need_str(struct json_cur *c, const char *name, size_t max_len); /* "" on error */
int64_t json_get_int(struct json_cur *c, const char *name, int64_t min, int64_t max, int64_t dflt);
int64_t json_need_int(struct json_cur *c, const char *name, int64_t min, int64_t max);
double json_get_num(struct json_cur *c, const char *name, double min, double max, double dflt);
bool json_get_bool(struct json_cur *c, const char *name, bool dflt);
uint64_t json_need_id(struct json_cur *c, const char *name); /* a decimal string */
uint64_t json_get_id(struct json_cur *c, const char *name, uint64_t dflt);
const struct json_node *json_get_obj(struct json_cur *c, const char *name); /* NULL when absent */
const struct json_node *json_get_arr(struct json_cur *c, const char *name, size_t max_items);
void json_cur_fail(struct json_cur *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
enum err json_cur_end(struct json_cur *c);         /* unknown fields refused */
enum err json_cur_end_lenient(struct json_cur *c); /* unknown fields allowed (wire messages) */

/*
 * The same of a top-level member's value, without a document: inside the text of an object that
 * json_parse accepted. False if absent.
 */
bool json_member_span(const char *text, size_t len, const char *name, const char **start,
                      size_t *span_len);
