/* SPDX-License-Identifier: MIT */
#include "proto/ticket.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "common/require.h"

#define MAC_BYTES                                                                                  \
    16 /* of 32: 128 bits are beyond guessing, and a ticket rides on every task and result */
#define MAC_HEX     (2 * MAC_BYTES)
#define PART_MAX    255 /* its length is one byte */
#define MESSAGE_MAX (2 * (1 + PART_MAX) + 3 * (1 + 8))
#define NUMBER_TEXT 20 /* digits of the largest 64-bit number */

struct ring_key {
    uint32_t id;
    struct hmac *mac; /* keyed once: setting the key costs more than the sum */
};
struct ticket_ring {
    struct ring_key keys[TICKET_KEYS_MAX];
    size_t n;
};

/* The fields of the text before the MAC. */
struct ticket_text {
    uint64_t key_id;
    struct lease_no lease;
    const char *mac;
};

struct ticket_ring *ticket_ring_create(const struct ticket_key *keys, size_t n)
{
    REQUIRE(n >= 1 && n <= TICKET_KEYS_MAX);
    struct ticket_ring *r = mem_zalloc(sizeof(*r));
    for (size_t i = 0; i < n; i++)
        r->keys[i] =
            (struct ring_key){keys[i].id, hmac_create(keys[i].bytes, sizeof(keys[i].bytes))};
    r->n = n;
    return r;
}

void ticket_ring_destroy(struct ticket_ring **rp)
{
    if (*rp == NULL)
        return;
    for (size_t i = 0; i < (*rp)->n; i++)
        hmac_destroy(&(*rp)->keys[i].mac);
    free(*rp);
    *rp = NULL;
}

static uint8_t *put_part(uint8_t *p, const void *bytes, size_t n)
{
    REQUIRE(n <= PART_MAX);
    *p++ = (uint8_t)n;
    memcpy(p, bytes, n);
    return p + n;
}

static uint8_t *put_number(uint8_t *p, uint64_t v)
{
    uint8_t be[8];
    for (int i = 0; i < 8; i++)
        be[i] = (uint8_t)(v >> (56 - 8 * i));
    return put_part(p, be, sizeof(be));
}

static void sign(struct hmac *key, const char *batch_uuid, uint64_t task, const char *agent,
                 struct lease_no lease, uint8_t mac[SHA256_BYTES])
{
    uint8_t message[MESSAGE_MAX], *p = message;
    p = put_part(p, batch_uuid, strlen(batch_uuid));
    p = put_number(p, task);
    p = put_part(p, agent, strlen(agent));
    p = put_number(p, lease.epoch);
    p = put_number(p, lease.counter);
    hmac_sum(key, message, (size_t)(p - message), mac);
}

static char *put_decimal(char *p, uint64_t v)
{
    char digits[NUMBER_TEXT];
    size_t n = 0;
    do
        digits[n++] = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    while (n > 0)
        *p++ = digits[--n];
    *p++ = '.';
    return p;
}

void ticket_make(struct ticket_ring *r, const char *batch_uuid, uint64_t task, const char *agent,
                 struct lease_no lease, char out[TICKET_TEXT_MAX])
{
    _Static_assert(10 + 1 + 2 * (NUMBER_TEXT + 1) + MAC_HEX < TICKET_TEXT_MAX, "a ticket fits");
    const struct ring_key *newest = &r->keys[r->n - 1];
    uint8_t mac[SHA256_BYTES];
    sign(newest->mac, batch_uuid, task, agent, lease, mac);
    char *p = put_decimal(out, newest->id);
    p = put_decimal(p, lease.epoch);
    p = put_decimal(p, lease.counter);
    hex_encode(mac, MAC_BYTES, p);
}

/* Steps over digits and the dot behind them. */
static bool read_number(const char **p, uint64_t *out)
{
    size_t n = strspn(*p, "0123456789");
    if ((*p)[n] != '.' || u64_parse(*p, n, out) != ERR_NONE)
        return false;
    *p += n + 1;
    return true;
}

static bool read_text(const char *text, struct ticket_text *t)
{
    const char *p = text;
    if (strnlen(text, TICKET_TEXT_MAX) == TICKET_TEXT_MAX)
        return false;
    if (!read_number(&p, &t->key_id) || !read_number(&p, &t->lease.epoch) ||
        !read_number(&p, &t->lease.counter))
        return false;
    t->mac = p;
    return strspn(p, "0123456789abcdef") == MAC_HEX && p[MAC_HEX] == '\0';
}

enum err ticket_peek(const char *text, struct lease_no *lease)
{
    struct ticket_text t;
    if (!read_text(text, &t))
        return ERR_INVALID;
    *lease = t.lease;
    return ERR_NONE;
}

const char *ticket_proof(const char *text)
{
    size_t n = strnlen(text, TICKET_TEXT_MAX);
    _Static_assert(TICKET_PROOF_LEN == MAC_HEX, "it is the MAC");
    REQUIRE(n > MAC_HEX && n < TICKET_TEXT_MAX);
    return text + n - MAC_HEX;
}

static struct hmac *find_key(const struct ticket_ring *r, uint64_t id)
{
    for (size_t i = r->n; i > 0; i--)
        if (r->keys[i - 1].id == id)
            return r->keys[i - 1].mac;
    return NULL;
}

enum err ticket_verify(struct ticket_ring *r, const char *text, const char *batch_uuid,
                       uint64_t task, const char *agent, struct lease_no *lease)
{
    struct ticket_text t;
    uint8_t given[MAC_BYTES], mac[SHA256_BYTES];
    if (!read_text(text, &t) || !hex_decode(t.mac, MAC_HEX, given))
        return ERR_INVALID;
    struct hmac *key = find_key(r, t.key_id);
    if (key == NULL)
        return ERR_DENIED;
    sign(key, batch_uuid, task, agent, t.lease, mac);
    if (!bytes_equal(given, mac, MAC_BYTES))
        return ERR_DENIED;
    *lease = t.lease;
    return ERR_NONE;
}
