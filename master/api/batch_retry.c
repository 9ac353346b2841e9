/* SPDX-License-Identifier: MIT */
#include "common/mem.h"
#include "master/api/batches.h"
#include "master/api/handlers.h"
#include "master/api/idempotency.h"
#include "master/api/upload.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * POST /batches/{id}/retry-failed: a new batch of the tasks that ended so. They are read in pages
 * and go into the store as an upload does: memory does not grow with them, and all of it or nothing
 * is there.
 *
 * BEGIN ──► LOOK_UP (of an Idempotency-Key) ──► FOUND ──► PAGE ◄──► PUMP ──all read──► FINISH
 */
enum { RETRY_BEGIN, RETRY_LOOK_UP, RETRY_FOUND, RETRY_PAGE, RETRY_PUMP, RETRY_FINISH };

#define OUTCOME_BIT(o) (1u << (o))
#define OUTCOMES_USUAL                                                                             \
    (OUTCOME_BIT(OUTCOME_FAILED) | OUTCOME_BIT(OUTCOME_UNDETERMINED) | OUTCOME_BIT(OUTCOME_EXPIRED))
#define OUTCOMES_TEXT_MAX 128

struct retry {
    unsigned outcomes;
    struct idempotency *idempotency; /* NULL = without a key */
    struct upload *upload;
    struct batch_info of; /* without its strings */
    uint64_t next;        /* ordinal to read on from */
    bool exhausted, kept;
};

static void retry_free(void *state)
{
    struct retry *x = state;
    upload_destroy(&x->upload);
    idempotency_destroy(&x->idempotency);
    free(x);
}

/* ---- what is asked for */

static void take_outcome(struct query *q, const char *word, size_t len, unsigned *outcomes)
{
    char text[32];
    enum outcome o;
    snprintf(text, sizeof(text), "%.*s", (int)(len < sizeof(text) ? len : sizeof(text) - 1), word);
    if (outcome_parse(text, &o) == ERR_NONE)
        *outcomes |= OUTCOME_BIT(o);
    else
        query_fail(q,
                   "query parameter 'outcomes' must be of ok, failed, undetermined, refused, "
                   "expired and cancelled with commas between them, got \"%.40s\"",
                   text);
}

static unsigned take_outcomes(struct query *q)
{
    unsigned outcomes = 0;
    const char *word = query_str(q, "outcomes");
    if (!word)
        return OUTCOMES_USUAL;
    for (;; word++) {
        size_t n = strcspn(word, ",");
        take_outcome(q, word, n, &outcomes);
        word += n;
        if (*word == '\0')
            return outcomes;
    }
}

static enum step begin(struct http_req *r)
{
    char text[ROUTE_PARAM_MAX + 64];
    if (!upload_may_begin(r))
        return STEP_DONE;
    struct retry *x = mem_zalloc(sizeof(*x));
    r->state = x;
    r->state_free = retry_free;
    x->outcomes = take_outcomes(&r->query);
    if (query_end(&r->query) != ERR_NONE)
        return reply_bad_query(r);
    if (idempotency_begin(r, &x->idempotency) == STEP_DONE)
        return STEP_DONE;
    int n = snprintf(text, sizeof(text), "retry-failed %s outcomes=%u", r->param, x->outcomes);
    if (x->idempotency)
        idempotency_hash(x->idempotency, text, (size_t)n);
    r->phase = RETRY_LOOK_UP;
    return STEP_MORE;
}

/* ---- answers */

static enum step repeat_reply(struct http_req *r, const struct retry *x)
{
    if (idempotency_check(x->idempotency) == STEP_DONE)
        return STEP_DONE;
    reply_accepted(r, idempotency_uuid(x->idempotency));
    strbuf_puts(&r->reply.body, idempotency_answer(x->idempotency));
    return STEP_DONE;
}

static enum step retry_reply(struct http_req *r, const struct retry *x)
{
    struct json_out w;
    reply_accepted(r, upload_info(x->upload)->uuid);
    json_out_init(&w, &r->reply.body);
    json_obj_begin(&w);
    upload_put(x->upload, &w);
    json_obj_end(&w);
    return STEP_DONE;
}

static enum step nothing_to_retry(struct http_req *r, unsigned outcomes)
{
    char text[OUTCOMES_TEXT_MAX] = "";
    for (int o = 0; o < OUTCOME_COUNT; o++) {
        size_t n = strlen(text);
        if (outcomes & OUTCOME_BIT(o))
            snprintf(text + n, sizeof(text) - n, "%s%s", n ? " or " : "",
                     outcome_word((enum outcome)o));
    }
    return reply_problem(r, MHD_HTTP_UNPROCESSABLE_CONTENT, "nothing_to_retry",
                         "no task of batch %s ended %s; ?outcomes= chooses others", r->param, text);
}

static enum step may_retry(struct http_req *r, const struct retry *x)
{
    const struct batch_info *b = &r->sreq->batch_get.info;
    uint64_t left = b->total - batch_info_ended(b), n = 0;
    if (!batch_is_users(r, b))
        return STEP_DONE;
    for (int o = 0; o < OUTCOME_COUNT; o++)
        n += x->outcomes & OUTCOME_BIT(o) ? b->ended[o] : 0;
    if (!batch_is_ended(b))
        return reply_problem(r, MHD_HTTP_CONFLICT, "batch_not_ended",
                             "%" PRIu64 " of the %" PRIu64
                             " tasks of batch %s have not ended; wait for its end, or cancel it "
                             "first",
                             left, b->total, r->param);
    if (b->purged_at.us != 0)
        return batch_purged(r, b);
    if (n == 0)
        return nothing_to_retry(r, x->outcomes);
    if (b->per_host == 0 &&
        !token_grant_allows(&(struct token_grant){.scope = r->scope}, SCOPE_ADMIN))
        return reply_problem(r, MHD_HTTP_FORBIDDEN, "scope",
                             "batch %s has no per_host limit, which takes a token of scope admin: "
                             "retry it with one",
                             r->param);
    return STEP_MORE;
}

/* ---- the way of the tasks */

static enum step look_up(struct http_req *r, struct retry *x)
{
    enum step s = x->idempotency ? idempotency_look_up(x->idempotency) : STEP_MORE;
    if (s != STEP_MORE)
        return s;
    if (x->idempotency && idempotency_is_repeat(x->idempotency))
        return repeat_reply(r, x);
    r->phase = RETRY_FOUND;
    return batch_ask(r);
}

static enum step ask_page(struct http_req *r, const struct retry *x)
{
    struct store_req *s = http_store_req(r, STORE_ENDED_TASKS);
    s->ended_tasks.batch = x->of.num;
    s->ended_tasks.after = x->next;
    s->ended_tasks.outcomes = x->outcomes;
    s->ended_tasks.limit = STORE_COMMIT_ROWS;
    r->phase = RETRY_PAGE;
    return http_ask_store(r, s);
}

static enum step found(struct http_req *r, struct retry *x)
{
    if (batch_answer(r) == STEP_DONE || may_retry(r, x) == STEP_DONE)
        return STEP_DONE;
    const struct batch_info *b = &r->sreq->batch_get.info;
    x->of = *b;
    x->of.name = x->of.labels = x->of.agents = NULL;
    x->upload = upload_create(r, false);
    upload_options_of(x->upload, b);
    return ask_page(r, x);
}

static enum step take_page(struct http_req *r, struct retry *x)
{
    struct store_req *s = r->sreq;
    if (s->err == ERR_NOT_FOUND) /* meanwhile */
        return batch_purged(r, &x->of);
    if (s->err != ERR_NONE)
        return reply_store_error(r, s->err, s->why);
    x->next = s->ended_tasks.next;
    x->exhausted = s->ended_tasks.exhausted;
    upload_add_rows(x->upload, s);
    r->phase = RETRY_PUMP;
    return STEP_MORE;
}

static enum step pump(struct http_req *r, struct retry *x)
{
    enum step s = upload_pump_rows(x->upload);
    if (s != STEP_MORE)
        return s;
    if (!x->exhausted)
        return ask_page(r, x);
    r->phase = RETRY_FINISH;
    return STEP_MORE;
}

static enum step finish(struct http_req *r, struct retry *x)
{
    if (x->idempotency && !x->kept)
        upload_keep_answer(x->upload, idempotency_record(x->idempotency));
    x->kept = true;
    enum step s = upload_finish(x->upload);
    if (s != STEP_MORE)
        return s;
    if (x->idempotency)
        idempotency_stored(x->idempotency);
    return retry_reply(r, x);
}

static enum step retry_step(struct http_req *r)
{
    switch (r->phase) {
    case RETRY_BEGIN:
        return begin(r);
    case RETRY_LOOK_UP:
        return look_up(r, r->state);
    case RETRY_FOUND:
        return found(r, r->state);
    case RETRY_PAGE:
        return take_page(r, r->state);
    case RETRY_PUMP:
        return pump(r, r->state);
    case RETRY_FINISH:
        return finish(r, r->state);
    }
    UNREACHABLE("a retry has six phases");
}

enum step batches_retry(struct http_req *r)
{
    enum step s;
    while ((s = retry_step(r)) == STEP_MORE)
        ;
    return s;
}
