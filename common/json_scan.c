/* SPDX-License-Identifier: MIT */
#include "common/json_scan.h"
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "common/utf8.h"

/* No number that anybody means is longer; a double holds 17 digits. */
#define NUMBER_TEXT_MAX 63
/* Integers of so many digits and powers of ten up to so high are exact as doubles. */
#define EXACT_DIGITS 15
#define EXACT_POWER  22
/* Far beyond every exponent of a finite number in NUMBER_TEXT_MAX characters. */
#define EXPONENT_MAX 100000
/* Up to so many names are told apart by one bit of each hash, and compared where two have the same;
 * beyond, all are sorted: a peer chooses the number, and could choose the hashes. */
#define BY_BITS_MAX 64
#define SEEN_BITS   10 /* two of 40 names share one of 1,024 as often as not */
#define EVERY_BYTE  UINT64_C(0x0101010101010101)
#define HIGH_BITS   (EVERY_BYTE * 0x80)

static bool fail(struct json_scan *s, const char *why)
{
    s->why = why;
    return false;
}

static inline int peek(const struct json_scan *s)
{
    return s->p < s->end ? (unsigned char)*s->p : -1;
}

static inline bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

/* The same byte of the document's own text: a decoded string is never longer than it was. */
static char *own_text(const struct json_scan *s, const char *p)
{
    REQUIRE(s->doc != NULL && s->start == s->doc->text);
    return s->doc->text + (p - s->start);
}

static bool no_memory(struct json_scan *s)
{
    s->no_memory = true;
    return fail(s, "no memory");
}

/* As cJSON keeps its lists: the first item's prev is the last. */
static inline void append(cJSON *container, cJSON *item)
{
    cJSON *first = container->child;
    if (first == NULL) {
        container->child = item;
        item->prev = item;
        return;
    }
    item->prev = first->prev;
    first->prev->next = item;
    first->prev = item;
}

/* The last in container, unless that is NULL. Without a document all values share one node, which
 * nobody reads. */
static struct json_node *add_node(struct json_scan *s, struct json_node *container)
{
    if (s->doc == NULL)
        return &s->unread;
    struct json_node *n = json_tree_add(s->doc);
    if (n == NULL)
        (void)no_memory(s);
    else if (container != NULL)
        append(&container->item, &n->item);
    return n;
}

/* ---- strings */

static int hex_value(int c)
{
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits behind \u. */
static bool scan_hex4(struct json_scan *s, unsigned *out)
{
    unsigned v = 0;
    for (int i = 0; i < 4; i++, s->p++) {
        int digit = hex_value(peek(s));
        if (digit < 0)
            return fail(s, "bad \\u escape");
        v = v << 4 | (unsigned)digit;
    }
    *out = v;
    return true;
}

/* Behind "\u": one code point, which may be a surrogate pair. */
static bool scan_unicode_escape(struct json_scan *s, unsigned *point)
{
    unsigned unit, low;
    if (!scan_hex4(s, &unit))
        return false;
    *point = unit;
    if (unit == 0)
        return fail(s, "\\u0000 in a string");
    if (unit < 0xd800 || unit > 0xdfff)
        return true;
    if (unit > 0xdbff || s->end - s->p < 2 || s->p[0] != '\\' || s->p[1] != 'u')
        return fail(s, "lone surrogate in a string");
    s->p += 2;
    if (!scan_hex4(s, &low))
        return false;
    *point = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    return low >= 0xdc00 && low <= 0xdfff ? true : fail(s, "lone surrogate in a string");
}

static bool scan_escape(struct json_scan *s, unsigned *point)
{
    static const char marks[] = "\"\\/bfnrtu", meanings[] = "\"\\/\b\f\n\r\t";
    s->p++;
    int c = peek(s);
    const char *mark = c > 0 ? strchr(marks, c) : NULL;
    if (mark == NULL)
        return fail(s, "bad escape in a string");
    s->p++;
    if (c == 'u')
        return scan_unicode_escape(s, point);
    *point = (unsigned char)meanings[mark - marks];
    return true;
}

/* Nonzero: one of eight bytes is a quote, a backslash or a control character. May also say so of
 * the byte behind such a one. */
static inline uint64_t special_bytes(uint64_t w)
{
    uint64_t quote = w ^ (EVERY_BYTE * '"'), slash = w ^ (EVERY_BYTE * '\\');
    uint64_t found = (w - EVERY_BYTE * 0x20) & ~w;
    found |= (quote - EVERY_BYTE) & ~quote;
    found |= (slash - EVERY_BYTE) & ~slash;
    return found & HIGH_BITS;
}

static inline bool is_special(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\';
}

/* Over what stands for itself; *seen gets the bits of all of it. */
static void skip_plain(struct json_scan *s, uint64_t *seen)
{
    uint64_t w;
    while (s->end - s->p >= 8) {
        memcpy(&w, s->p, sizeof(w));
        if (special_bytes(w) != 0)
            break;
        *seen |= w;
        s->p += sizeof(w);
    }
    while (s->p < s->end && !is_special((unsigned char)*s->p))
        *seen |= (unsigned char)*s->p++;
}

/* Behind the opening quote, to the closing one; *to gets the decoded text, unless it is NULL. */
static bool scan_chars(struct json_scan *s, char **to, uint64_t *seen)
{
    for (;;) {
        const char *from = s->p;
        unsigned point = 0;
        skip_plain(s, seen);
        size_t n = (size_t)(s->p - from);
        if (*to != NULL && *to != from)
            memmove(*to, from, n);
        if (*to != NULL)
            *to += n;
        int c = peek(s);
        if (c == '"' || c < 0)
            return true;
        if (c != '\\')
            return fail(s, c == 0 ? "NUL byte in a string" : "control character in a string");
        if (!scan_escape(s, &point))
            return false;
        if (*to != NULL)
            *to += utf8_put(*to, point);
    }
}

/* p stands at the opening quote. *text: decoded, when there is a document. */
static bool scan_string(struct json_scan *s, char **text)
{
    const char *open = s->p++;
    uint64_t seen = 0;
    char *to = s->doc != NULL ? own_text(s, s->p) : NULL;
    *text = to;
    if (!scan_chars(s, &to, &seen))
        return false;
    if (s->p >= s->end) {
        s->p = open;
        return fail(s, "string without an end");
    }
    const char *last = to != NULL ? to : s->p, *first = to != NULL ? *text : open;
    if ((seen & HIGH_BITS) != 0 && !utf8_valid(first, (size_t)(last - first))) {
        s->p = open;
        return fail(s, "bad UTF-8 in a string");
    }
    if (to != NULL)
        *to = '\0';
    s->p++;
    return true;
}

bool json_scan_string(struct json_scan *s)
{
    char *text;
    return scan_string(s, &text);
}

/* ---- numbers and words */

/* What the characters of a number say: mantissa * 10^power, while digits tells that the mantissa
 * holds them all. */
struct decimal {
    uint64_t mantissa;
    int power;
    unsigned digits; /* from the first that is not 0 */
};

static bool scan_digits(struct json_scan *s, struct decimal *d)
{
    if (!is_digit(peek(s)))
        return fail(s, "bad number");
    for (int c; is_digit(c = peek(s)); s->p++) {
        d->mantissa = d->mantissa * 10 + (unsigned)(c - '0');
        d->digits += d->digits > 0 || c != '0';
    }
    return true;
}

static bool scan_fraction(struct json_scan *s, struct decimal *d)
{
    const char *from = ++s->p;
    if (!scan_digits(s, d))
        return false;
    ptrdiff_t n = s->p - from;
    d->power = n < EXPONENT_MAX ? -(int)n : -EXPONENT_MAX;
    return true;
}

static bool scan_exponent(struct json_scan *s, struct decimal *d)
{
    s->p++;
    bool minus = peek(s) == '-';
    if (minus || peek(s) == '+')
        s->p++;
    if (!is_digit(peek(s)))
        return fail(s, "bad number");
    int power = 0;
    for (int c; is_digit(c = peek(s)); s->p++)
        power = power < EXPONENT_MAX ? power * 10 + (c - '0') : power;
    d->power += minus ? -power : power;
    return true;
}

/*
 * Clinger, "How to read floating point numbers accurately" (1990): the quotient or product of two
 * exact doubles is rounded once, and so is what strtod gives.
 */
static double exact_value(const struct decimal *d)
{
    static const double powers[EXACT_POWER + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    double mantissa = (double)d->mantissa;
    return d->power < 0 ? mantissa / powers[-d->power] : mantissa * powers[d->power];
}

static double value_by_strtod(const char *from, size_t n)
{
    char text[NUMBER_TEXT_MAX + 1];
    REQUIRE(n < sizeof(text));
    memcpy(text, from, n);
    text[n] = '\0';
    return strtod(text, NULL);
}

/* valueint saturates, as cJSON has it. */
static void set_number(cJSON *item, double v)
{
    item->valuedouble = v;
    if (v >= INT_MAX)
        item->valueint = INT_MAX;
    else
        item->valueint = v <= INT_MIN ? INT_MIN : (int)v;
}

static bool scan_number(struct json_scan *s, cJSON *item)
{
    const char *from = s->p;
    struct decimal d = {0};
    bool minus = peek(s) == '-';
    if (minus)
        s->p++;
    if (peek(s) == '0')
        s->p++; /* a digit behind it is then found to be out of place */
    else if (!scan_digits(s, &d))
        return false;
    if (peek(s) == '.' && !scan_fraction(s, &d))
        return false;
    if ((peek(s) == 'e' || peek(s) == 'E') && !scan_exponent(s, &d))
        return false;
    size_t n = (size_t)(s->p - from);
    if (n > NUMBER_TEXT_MAX)
        return fail(s, "number with too many digits");
    double v;
    if (FLT_EVAL_METHOD == 0 && d.digits <= EXACT_DIGITS && abs(d.power) <= EXACT_POWER)
        v = minus ? -exact_value(&d) : exact_value(&d);
    else
        v = value_by_strtod(from, n);
    if (!isfinite(v))
        return fail(s, "number out of range");
    set_number(item, v);
    return true;
}

static bool scan_word(struct json_scan *s, const char *word, size_t n)
{
    if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
        return fail(s, "unknown word");
    s->p += n;
    return true;
}

/* ---- names that stand twice in one object */

static uint32_t hash_name(const char *name)
{
    uint32_t h = 0;
    while (*name != '\0')
        h = (h ^ (unsigned char)*name++) * UINT32_C(0x9e3779b1);
    return h;
}

static const char *duplicate_before(cJSON *first, cJSON *last)
{
    uint32_t hash = json_tree_node(last)->key_hash;
    for (cJSON *m = first; m != last; m = m->next)
        if (json_tree_node(m)->key_hash == hash && strcmp(m->string, last->string) == 0)
            return last->string;
    return NULL;
}

/* A name whose bit is free stands for the first time; one whose bit is taken is looked up. */
static const char *duplicate_by_bits(cJSON *first)
{
    uint64_t seen[(1 << SEEN_BITS) / 64] = {0};
    for (cJSON *m = first; m != NULL; m = m->next) {
        uint32_t slot = json_tree_node(m)->key_hash >> (32 - SEEN_BITS);
        uint64_t bit = UINT64_C(1) << slot % 64;
        const char *twice = seen[slot / 64] & bit ? duplicate_before(first, m) : NULL;
        if (twice != NULL)
            return twice;
        seen[slot / 64] |= bit;
    }
    return NULL;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool check_sorted(struct json_scan *s, const cJSON *first, size_t n)
{
    const char **names = mem_try(n * sizeof(*names));
    if (names == NULL)
        return no_memory(s);
    size_t i = 0;
    for (const cJSON *m = first; m != NULL; m = m->next)
        names[i++] = m->string;
    REQUIRE(i == n);
    qsort(names, n, sizeof(*names), compare_names);
    for (i = 1; i < n && s->duplicate == NULL; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            s->duplicate = names[i];
    free(names);
    return s->duplicate == NULL;
}

static bool check_names(struct json_scan *s, cJSON *first, size_t n)
{
    if (s->doc == NULL)
        return true;
    if (n > BY_BITS_MAX)
        return check_sorted(s, first, n);
    s->duplicate = duplicate_by_bits(first);
    return s->duplicate == NULL;
}

/* ---- containers */

static bool scan_array(struct json_scan *s, struct json_node *array)
{
    s->p++;
    json_scan_space(s);
    if (peek(s) == ']') {
        s->p++;
        return true;
    }
    for (;;) {
        struct json_node *n = add_node(s, array);
        if (n == NULL || !json_scan_value(s, n))
            return false;
        json_scan_space(s);
        if (peek(s) != ',')
            return json_scan_char(s, ']', "',' or ']' expected");
        s->p++;
        json_scan_space(s);
    }
}

static bool scan_member(struct json_scan *s, struct json_node *n)
{
    if (peek(s) != '"')
        return fail(s, s->p < s->end ? "member name expected" : "text ends too early");
    if (!scan_string(s, &n->item.string))
        return false;
    n->item.type = cJSON_StringIsConst;
    n->key_hash = n->item.string != NULL ? hash_name(n->item.string) : 0;
    json_scan_space(s);
    if (!json_scan_char(s, ':', "':' expected"))
        return false;
    json_scan_space(s);
    return json_scan_value(s, n);
}

static bool scan_object(struct json_scan *s, struct json_node *object)
{
    size_t count = 0;
    s->p++;
    json_scan_space(s);
    if (peek(s) == '}') {
        s->p++;
        return true;
    }
    for (;; count++) {
        struct json_node *n = add_node(s, object);
        if (n == NULL || !scan_member(s, n))
            return false;
        json_scan_space(s);
        if (peek(s) != ',')
            break;
        s->p++;
        json_scan_space(s);
    }
    return json_scan_char(s, '}', "',' or '}' expected") &&
           check_names(s, object->item.child, count + 1);
}

static bool scan_container(struct json_scan *s, struct json_node *n, bool object)
{
    if (s->depth == JSON_DEPTH_MAX)
        return fail(s, "nested too deep");
    s->depth++;
    n->item.type |= (object ? cJSON_Object : cJSON_Array) | cJSON_IsReference;
    bool ok = object ? scan_object(s, n) : scan_array(s, n);
    s->depth--;
    return ok;
}

void json_scan_init(struct json_scan *s, const char *text, size_t len)
{
    REQUIRE(text != NULL || len == 0);
    *s = (struct json_scan){.p = text, .start = text, .end = text + len};
}

void json_scan_init_doc(struct json_scan *s, struct json_doc *d, size_t len)
{
    json_scan_init(s, d->text, len);
    s->doc = d;
}

void json_scan_space(struct json_scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
        s->p++;
}

bool json_scan_char(struct json_scan *s, char c, const char *why)
{
    if (peek(s) != (unsigned char)c)
        return fail(s, s->p < s->end ? why : "text ends too early");
    s->p++;
    return true;
}

static bool scan_any(struct json_scan *s, struct json_node *n)
{
    int c = peek(s);
    switch (c) {
    case -1:
        return fail(s, "text ends too early");
    case '{':
    case '[':
        return scan_container(s, n, c == '{');
    case '"':
        n->item.type |= cJSON_String | cJSON_IsReference;
        return scan_string(s, &n->item.valuestring);
    case 't':
        n->item.type |= cJSON_True;
        n->item.valueint = 1; /* as cJSON has it */
        return scan_word(s, "true", 4);
    case 'f':
        n->item.type |= cJSON_False;
        return scan_word(s, "false", 5);
    case 'n':
        n->item.type |= cJSON_NULL;
        return scan_word(s, "null", 4);
    default:
        n->item.type |= cJSON_Number;
        return c == '-' || is_digit(c) ? scan_number(s, &n->item) : fail(s, "value expected");
    }
}

bool json_scan_value(struct json_scan *s, struct json_node *n)
{
    const char *from = s->p;
    bool ok = scan_any(s, n);
    n->at = (uint32_t)(from - s->start);
    n->len = (uint32_t)(s->p - from);
    return ok;
}

bool json_scan_document(struct json_scan *s)
{
    struct json_node *root = add_node(s, NULL);
    if (root == NULL)
        return false;
    json_scan_space(s);
    if (!json_scan_value(s, root))
        return false;
    json_scan_space(s);
    if (s->p != s->end)
        return fail(s, "text after the value");
    if (s->doc != NULL)
        s->doc->root = root;
    return true;
}
