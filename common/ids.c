/* SPDX-License-Identifier: MIT */
#include "common/ids.h"

#include <string.h>

#include "common/digest.h"

#define UUID_BYTES      16
#define UUID_TIME_BYTES 6
#define UUID_TEXT_LEN   (UUID_TEXT_MAX - 1)
#define TRACE_BYTES     16
#define TRACE_TEXT_LEN  (TRACE_TEXT_MAX - 1)

static bool is_dash_place(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

static bool is_lower_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

void uuid7_format(struct wall now, const uint8_t random[10], char out[UUID_TEXT_MAX])
{
    REQUIRE(now.us >= 0);
    uint8_t u[UUID_BYTES];
    uint64_t ms = (uint64_t)now.us / 1000;
    for (int i = UUID_TIME_BYTES - 1; i >= 0; i--, ms >>= 8)
        u[i] = (uint8_t)ms;
    memcpy(u + UUID_TIME_BYTES, random, UUID_BYTES - UUID_TIME_BYTES);
    u[6] = (uint8_t)(0x70 | (u[6] & 0x0f)); /* version 7 */
    u[8] = (uint8_t)(0x80 | (u[8] & 0x3f)); /* the RFC's variant */

    char hex[2 * UUID_BYTES + 1];
    hex_encode(u, UUID_BYTES, hex);
    const char *from = hex;
    for (size_t i = 0; i < UUID_TEXT_LEN; i++)
        out[i] = is_dash_place(i) ? '-' : *from++;
    out[UUID_TEXT_LEN] = '\0';
}

bool uuid_valid(const char *text)
{
    REQUIRE(text != NULL);
    for (size_t i = 0; i < UUID_TEXT_LEN; i++) {
        bool ok = is_dash_place(i) ? text[i] == '-' : is_lower_hex(text[i]);
        if (!ok) /* the terminator included */
            return false;
    }
    return text[UUID_TEXT_LEN] == '\0';
}

void trace_format(const uint8_t random[16], char out[TRACE_TEXT_MAX])
{
    hex_encode(random, TRACE_BYTES, out);
    if (!trace_valid(out)) /* all zero means "no trace": once in 2^128, or a test's random source */
        out[TRACE_TEXT_LEN - 1] = '1';
}

bool trace_valid(const char *text)
{
    REQUIRE(text != NULL);
    bool zero = true;
    for (size_t i = 0; i < TRACE_TEXT_LEN; i++) {
        if (!is_lower_hex(text[i]))
            return false;
        zero = zero && text[i] == '0';
    }
    return !zero && text[TRACE_TEXT_LEN] == '\0';
}

/* The fields of "VV-TRACE-PARENT-FF", each as wide in every version. */
#define PARENT_AT_TRACE  3
#define PARENT_AT_PARENT (PARENT_AT_TRACE + TRACE_TEXT_LEN + 1)
#define PARENT_AT_FLAGS  (PARENT_AT_PARENT + 17)
#define PARENT_LEN       (PARENT_AT_FLAGS + 2)

static bool is_parent_dash(size_t i)
{
    return i == PARENT_AT_TRACE - 1 || i == PARENT_AT_PARENT - 1 || i == PARENT_AT_FLAGS - 1;
}

bool trace_of_parent(const char *text, char out[TRACE_TEXT_MAX])
{
    REQUIRE(text != NULL && out != NULL);
    bool parent = false; /* an id of zeros is none */
    for (size_t i = 0; i < PARENT_LEN; i++) {
        bool ok = is_parent_dash(i) ? text[i] == '-' : is_lower_hex(text[i]);
        if (!ok) /* the terminator included */
            return false;
        parent |= i >= PARENT_AT_PARENT && i < PARENT_AT_FLAGS - 1 && text[i] != '0';
    }
    bool first = memcmp(text, "00", 2) == 0;
    char end = text[PARENT_LEN];
    if (!parent || memcmp(text, "ff", 2) == 0 || (end != '\0' && (first || end != '-')))
        return false;
    char trace[TRACE_TEXT_MAX];
    memcpy(trace, text + PARENT_AT_TRACE, TRACE_TEXT_LEN);
    trace[TRACE_TEXT_LEN] = '\0';
    if (!trace_valid(trace))
        return false;
    memcpy(out, trace, sizeof(trace));
    return true;
}

enum err u64_parse(const char *text, size_t len, uint64_t *out)
{
    REQUIRE(text != NULL && out != NULL);
    if (len == 0 || (len > 1 && text[0] == '0'))
        return ERR_INVALID;
    uint64_t v = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return ERR_INVALID;
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit, &v))
            return ERR_INVALID;
    }
    *out = v;
    return ERR_NONE;
}

enum err i64_parse(const char *text, size_t len, int64_t *out)
{
    REQUIRE(out != NULL);
    uint64_t v;
    if (u64_parse(text, len, &v) != ERR_NONE || v > INT64_MAX)
        return ERR_INVALID;
    *out = (int64_t)v;
    return ERR_NONE;
}
