/* SPDX-License-Identifier: MIT */
#include "agent/outbox/segment.h"
#include "common/json.h"
#include <endian.h>
#include <string.h>
#include <zlib.h>

#define MAGIC       "SondeSpl"
#define VERSION     1
#define STORE_SIZE  72
#define ID_SIZE     40
#define AGENT_SIZE  72
#define AT_NUMBER   16
#define AT_STORE    24
#define AT_INSTANCE (AT_STORE + STORE_SIZE)
#define AT_AGENT    (AT_INSTANCE + ID_SIZE)
#define AT_CRC      (SEGMENT_HEAD_BYTES - 4)
#define CRC_BYTES   4
#define ACK_BYTES   8
#define PAYLOAD_MAX (TICKET_TEXT_MAX + RESULT_MAX_BYTES)

_Static_assert(MESSAGE_ID_MAX < STORE_SIZE && INSTANCE_ID_LEN < ID_SIZE &&
                   AGENT_NAME_MAX < AGENT_SIZE && AT_AGENT + AGENT_SIZE <= AT_CRC,
               "the fields of the head end with a zero and do not overlap");
_Static_assert(SEGMENT_ACKS_MAX *ACK_BYTES <= PAYLOAD_MAX, "acks pass a reader");

static void set32(char *at, uint32_t v)
{
    v = htole32(v);
    memcpy(at, &v, sizeof(v));
}

static void set64(char *at, uint64_t v)
{
    v = htole64(v);
    memcpy(at, &v, sizeof(v));
}

static uint32_t get32(const char *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof(v));
    return le32toh(v);
}

static uint64_t get64(const char *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof(v));
    return le64toh(v);
}

static uint32_t crc_of(const char *p, size_t n)
{
    return (uint32_t)crc32_z(0, (const unsigned char *)p, n);
}

void segment_put_head(struct strbuf *b, const struct segment_head *h)
{
    char head[SEGMENT_HEAD_BYTES] = MAGIC;
    set32(head + 8, VERSION);
    set32(head + 12, SEGMENT_HEAD_BYTES);
    set64(head + AT_NUMBER, h->number);
    memcpy(head + AT_STORE, h->store, strlen(h->store));
    memcpy(head + AT_INSTANCE, h->instance, strlen(h->instance));
    memcpy(head + AT_AGENT, h->agent, strlen(h->agent));
    set32(head + AT_CRC, crc_of(head, AT_CRC));
    strbuf_append(b, head, sizeof(head));
}

/* The crc covers what is appended after this until end_record(). */
static size_t begin_record(struct strbuf *b, enum segment_kind kind, size_t ticket_len,
                           uint64_t task, size_t payload)
{
    size_t at = b->len;
    char head[SEGMENT_RECORD_BYTES] = {0};
    REQUIRE(payload <= PAYLOAD_MAX && ticket_len < TICKET_TEXT_MAX);
    set32(head + 4, (uint32_t)payload);
    head[8] = (char)kind;
    head[9] = (char)ticket_len;
    set64(head + 12, task);
    strbuf_append(b, head, sizeof(head));
    return at;
}

static void end_record(struct strbuf *b, size_t at)
{
    REQUIRE(!b->overflow);
    set32(b->data + at, crc_of(b->data + at + CRC_BYTES, b->len - at - CRC_BYTES));
}

void segment_put_result(struct strbuf *b, uint64_t task, const char *ticket, const char *record,
                        size_t len)
{
    size_t ticket_len = strlen(ticket);
    size_t at = begin_record(b, SEGMENT_RESULT, ticket_len, task, ticket_len + len);
    strbuf_append(b, ticket, ticket_len);
    strbuf_append(b, record, len);
    end_record(b, at);
}

void segment_put_acks(struct strbuf *b, const uint64_t *tasks, size_t n)
{
    REQUIRE(n > 0 && n <= SEGMENT_ACKS_MAX);
    size_t at = begin_record(b, SEGMENT_ACKS, 0, 0, n * ACK_BYTES);
    for (size_t i = 0; i < n; i++) {
        char text[ACK_BYTES];
        set64(text, tasks[i]);
        strbuf_append(b, text, sizeof(text));
    }
    end_record(b, at);
}

/* A field that is not ended by a zero is no text of ours. */
static bool get_text(const char *at, size_t size, char *out, size_t out_size)
{
    size_t len = strnlen(at, size);
    if (len >= out_size)
        return false;
    memcpy(out, at, len);
    out[len] = '\0';
    return true;
}

enum err segment_read_head(const char *p, size_t n, struct segment_head *out)
{
    struct segment_head h;
    if (n < SEGMENT_HEAD_BYTES || memcmp(p, MAGIC, strlen(MAGIC)) != 0)
        return ERR_CORRUPT;
    if (get32(p + 8) != VERSION)
        return ERR_VERSION;
    if (get32(p + 12) != SEGMENT_HEAD_BYTES || get32(p + AT_CRC) != crc_of(p, AT_CRC) ||
        !get_text(p + AT_STORE, STORE_SIZE, h.store, sizeof(h.store)) ||
        !get_text(p + AT_INSTANCE, ID_SIZE, h.instance, sizeof(h.instance)) ||
        !get_text(p + AT_AGENT, AGENT_SIZE, h.agent, sizeof(h.agent)))
        return ERR_CORRUPT;
    h.number = get64(p + AT_NUMBER);
    *out = h;
    return ERR_NONE;
}

bool segment_is_empty(const char *p, size_t n)
{
    struct segment_head h;
    return n < SEGMENT_HEAD_BYTES ||
           (n == SEGMENT_HEAD_BYTES && segment_read_head(p, n, &h) == ERR_NONE);
}

/* A checksum cannot be wrong by chance twice; but what is sent must never make a line that the
 * master refuses, for it would be sent again for ever. */
static bool one_line_object(const char *p, size_t n)
{
    struct json_doc *d = NULL;
    bool good = memchr(p, '\n', n) == NULL && json_parse(p, n, &d, NULL, 0) == ERR_NONE &&
                json_type(json_root(d)) == JSON_OBJECT;
    json_free(&d);
    return good;
}

static bool read_result(const char *p, size_t n, size_t ticket_len, struct segment_item *out)
{
    if (out->task > INT64_MAX || ticket_len == 0 || ticket_len >= sizeof(out->ticket) ||
        ticket_len > n)
        return false;
    for (size_t i = 0; i < ticket_len; i++)
        if (p[i] <= ' ' || p[i] > '~')
            return false;
    memcpy(out->ticket, p, ticket_len);
    out->ticket[ticket_len] = '\0';
    out->record = p + ticket_len;
    out->record_len = n - ticket_len;
    return out->record_len <= RESULT_MAX_BYTES - RESULT_ENVELOPE_MAX &&
           one_line_object(out->record, out->record_len);
}

static bool read_acks(const char *p, size_t n, struct segment_item *out)
{
    out->acks = p;
    out->n_acks = n / ACK_BYTES;
    return n % ACK_BYTES == 0;
}

enum err segment_next(struct segment_cursor *c, struct segment_item *out)
{
    REQUIRE(c->at >= SEGMENT_HEAD_BYTES && c->at <= c->n);
    const char *p = c->p + c->at;
    size_t left = c->n - c->at;
    if (left == 0)
        return ERR_NOT_FOUND;
    if (left < SEGMENT_RECORD_BYTES)
        return ERR_CORRUPT;
    size_t payload = get32(p + 4);
    if (payload > PAYLOAD_MAX || payload > left - SEGMENT_RECORD_BYTES ||
        get32(p) != crc_of(p + CRC_BYTES, SEGMENT_RECORD_BYTES - CRC_BYTES + payload))
        return ERR_CORRUPT;
    struct segment_item i = {.kind = (enum segment_kind)p[8], .task = get64(p + 12)};
    const char *body = p + SEGMENT_RECORD_BYTES;
    bool good = i.kind == SEGMENT_RESULT ? read_result(body, payload, (unsigned char)p[9], &i)
                                         : i.kind == SEGMENT_ACKS && read_acks(body, payload, &i);
    if (!good)
        return ERR_CORRUPT;
    c->at += SEGMENT_RECORD_BYTES + payload;
    *out = i;
    return ERR_NONE;
}

uint64_t segment_ack(const struct segment_item *i, size_t n)
{
    REQUIRE(i->kind == SEGMENT_ACKS && n < i->n_acks);
    return get64(i->acks + n * ACK_BYTES);
}
