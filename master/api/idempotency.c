/* SPDX-License-Identifier: MIT */
#include "master/api/idempotency.h"
#include "common/digest.h"
#include "common/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * NEW ──look_up──► ASKED ──┬─ not there ─► FIRST ──record──► upload, COMMIT
 *                          └─ there ─────► REPEAT ──check──► the same answer
 */
enum state { NEW, ASKED, FIRST, REPEAT };

struct idempotency {
    struct http_req *req;
    struct list_node node; /* in api->idempotent */
    enum state state;
    struct sha256 *sum;     /* NULL once it is done */
    struct store_req *kept; /* of a repeat: what the store has */
    struct store_idempotency mine;
};
_Static_assert(TOKEN_ID_MAX <= IDEMPOTENCY_ID_MAX, "the store keeps the id of a token whole");
_Static_assert(SHA256_BYTES == IDEMPOTENCY_DIGEST, "and the whole digest");

static bool key_valid(const char *key)
{
    size_t n = strlen(key);
    for (size_t i = 0; i < n; i++)
        if (key[i] <= ' ' || key[i] > '~')
            return false;
    return n > 0 && n <= IDEMPOTENCY_KEY_MAX;
}

static bool under_way(struct http_req *r, const char *key)
{
    LIST_EACH (&r->api->idempotent, n) {
        const struct idempotency *i = CONTAINER_OF(n, struct idempotency, node);
        if (strcmp(i->mine.token, r->token_id) == 0 && strcmp(i->mine.key, key) == 0)
            return true;
    }
    return false;
}

enum step idempotency_begin(struct http_req *r, struct idempotency **out)
{
    const char *key = http_header(r, "Idempotency-Key");
    *out = NULL;
    if (!key)
        return STEP_MORE;
    if (!key_valid(key))
        return reply_problem(r, MHD_HTTP_BAD_REQUEST, "bad_idempotency_key",
                             "the Idempotency-Key must be 1 to %d printable ASCII characters "
                             "without spaces, got \"%.60s\"",
                             IDEMPOTENCY_KEY_MAX, key);
    if (under_way(r, key))
        return reply_problem(r, MHD_HTTP_CONFLICT, "idempotency_conflict",
                             "an upload with the Idempotency-Key '%.60s' is under way; wait for "
                             "its answer, or repeat this one then",
                             key);
    struct idempotency *i = mem_zalloc(sizeof(*i));
    i->req = r;
    i->sum = sha256_create();
    snprintf(i->mine.token, sizeof(i->mine.token), "%s", r->token_id);
    snprintf(i->mine.key, sizeof(i->mine.key), "%s", key);
    list_push_back(&r->api->idempotent, &i->node);
    *out = i;
    return STEP_MORE;
}

void idempotency_stored(struct idempotency *i)
{
    REQUIRE(i->state == FIRST);
    if (list_linked(&i->node))
        list_remove(&i->req->api->idempotent, &i->node);
}

void idempotency_destroy(struct idempotency **ip)
{
    struct idempotency *i = *ip;
    uint8_t unused[SHA256_BYTES];
    if (!i)
        return;
    if (list_linked(&i->node))
        list_remove(&i->req->api->idempotent, &i->node);
    if (i->sum)
        sha256_final(&i->sum, unused);
    if (i->kept)
        store_req_destroy(&i->kept);
    free(i);
    *ip = NULL;
}

void idempotency_hash(struct idempotency *i, const void *p, size_t n)
{
    REQUIRE(i->sum != NULL);
    if (n > 0)
        sha256_update(i->sum, p, n);
}

static enum step ask(struct idempotency *i)
{
    struct store_req *s = http_store_req(i->req, STORE_IDEMPOTENCY_GET);
    s->idempotency.first = mem_dup(&i->mine, sizeof(i->mine));
    s->idempotency.at = anchor_patient(i->req->api->started);
    i->state = ASKED;
    return http_ask_store(i->req, s);
}

enum step idempotency_look_up(struct idempotency *i)
{
    struct http_req *r = i->req;
    if (i->state == NEW)
        return ask(i);
    if (i->state != ASKED)
        return STEP_MORE;
    REQUIRE(r->sreq && r->sreq->op == STORE_IDEMPOTENCY_GET);
    if (r->sreq->err != ERR_NONE && r->sreq->err != ERR_NOT_FOUND)
        return reply_store_error(r, r->sreq->err, r->sreq->why);
    if (r->sreq->err == ERR_NOT_FOUND) {
        i->state = FIRST;
        return STEP_MORE;
    }
    i->state = REPEAT;
    i->kept = r->sreq;
    r->sreq = NULL;
    return STEP_MORE;
}

bool idempotency_is_repeat(const struct idempotency *i)
{
    return i->state == REPEAT;
}

static void sum_up(struct idempotency *i)
{
    if (i->sum)
        sha256_final(&i->sum, i->mine.digest);
}

enum step idempotency_check(struct idempotency *i)
{
    REQUIRE(i->state == REPEAT);
    sum_up(i);
    if (bytes_equal(i->mine.digest, i->kept->idempotency.first->digest, SHA256_BYTES))
        return STEP_MORE;
    return reply_problem(i->req, MHD_HTTP_UNPROCESSABLE_CONTENT, "idempotency_mismatch",
                         "the Idempotency-Key '%.60s' was used for batch %s with another body or "
                         "other options; use a new key for a new batch",
                         i->mine.key, i->kept->idempotency.uuid);
}

uint32_t idempotency_batch(const struct idempotency *i)
{
    REQUIRE(i->state == REPEAT);
    return i->kept->idempotency.batch;
}

const char *idempotency_uuid(const struct idempotency *i)
{
    REQUIRE(i->state == REPEAT);
    return i->kept->idempotency.uuid;
}

const char *idempotency_answer(const struct idempotency *i)
{
    REQUIRE(i->state == REPEAT);
    return i->kept->idempotency.first->answer;
}

struct store_idempotency *idempotency_record(struct idempotency *i)
{
    REQUIRE(i->state == FIRST && i->mine.answer == NULL);
    sum_up(i);
    return mem_dup(&i->mine, sizeof(i->mine));
}
