/* SPDX-License-Identifier: MIT */
#include "master/core/state.h"

/*
 * Tasks that were passed over because their host is busy. A host keeps a short queue in memory
 * (polite.c); what comes behind it stays in the store, and only where the first and the last of
 * them lie is remembered, by batch and host. When the queue runs low that stretch is read on, for
 * this host alone, in turns with the reading of the batch itself. So the hosts behind a busy one
 * are reached whatever lies between, and no index is needed: ids are read in order, and rows of
 * other hosts are passed over by the hash that stands before the spec.
 *
 *   queue full ──► noted ──queue low──► wanted ──asked──► answered ──► noted (more is left) | gone
 */

/* More in memory for a host while what waits of its batch is less than one in so many of what the
 * batch may have there. */
#define WAITING_ROOMY 2

struct skip {
    struct batch *batch;
    struct host *host;
    uint64_t first, last; /* every task of it that is not in memory lies between, both included */
    uint64_t again;       /* asked: passed over once more meanwhile, the lowest; 0 = none */
    bool asked;
    struct list_node wanted; /* in batch->wanted */
    struct list_node turn;   /* in host->skips: the next batch to read for it */
    struct list_node recent; /* in batch->recent: where the reading passes now, first */
    UT_hash_handle hh;
};

static size_t queue_max(const struct core *c, const struct batch *b)
{
    if (c->window_tasks + c->refill_rows_max >= c->window_tasks_max ||
        c->window_bytes > c->window_bytes_max)
        return 1;
    return b->waiting < c->window_batch_max / WAITING_ROOMY ? c->host_queue_most
                                                            : c->host_queue_least;
}

bool skip_due(const struct core *c, const struct batch *b, const struct host *h)
{
    return h->waiting.count >= queue_max(c, b);
}

bool skip_note(struct core *c, struct batch *b, struct host *h, uint64_t id)
{
    struct skip *s = NULL;
    HASH_FIND(hh, b->skips, &h->hash, sizeof(h->hash), s);
    if (!s && skip_is_full(c, b))
        return false;
    if (!s) {
        s = mem_zalloc(sizeof(*s));
        s->batch = b;
        s->host = h;
        s->first = s->last = id;
        HASH_ADD_KEYPTR(hh, b->skips, &h->hash, sizeof(h->hash), s);
        list_push_back(&h->skips, &s->turn);
    } else {
        list_remove(&b->recent, &s->recent);
    }
    list_push_front(&b->recent, &s->recent);
    uint64_t *low = s->asked ? &s->again : &s->first;
    if (*low == 0 || id < *low)
        *low = id;
    if (id > s->last)
        s->last = id;
    return true;
}

static void skip_free(struct core *c, struct skip *s)
{
    struct batch *b = s->batch;
    struct host *h = s->host;
    if (list_linked(&s->wanted))
        list_remove(&b->wanted, &s->wanted);
    list_remove(&b->recent, &s->recent);
    list_remove(&h->skips, &s->turn);
    HASH_DEL(b->skips, s);
    free(s);
    skip_host_moved(c, h); /* the turn of another batch */
    polite_settle(c, h);
}

void skip_host_moved(struct core *c, struct host *h)
{
    struct list_node *n = list_first(&h->skips);
    struct skip *s = n ? CONTAINER_OF(n, struct skip, turn) : NULL;
    if (!s || s->asked || list_linked(&s->wanted) || h->waiting.count > queue_max(c, s->batch) / 2)
        return;
    list_push_back(&s->batch->wanted, &s->wanted);
    batch_refill(c, s->batch, c->last_tick);
}

/* ---- reading */

static size_t room(const struct core *c, const struct skip *s)
{
    size_t max = queue_max(c, s->batch), n = s->host->waiting.count;
    return max > n ? max - n : 1;
}

static void ask(struct batch *b, struct core_refill *q, struct skip *s)
{
    list_remove(&b->wanted, &s->wanted);
    s->asked = true;
    if (s->last > q->to)
        q->to = s->last;
    b->asked_skips[q->n_hosts] = s;
    q->hosts[q->n_hosts++] = s->host->hash;
}

/* From the first of the host whose turn it is; of others, what lies behind that comes along. */
bool skip_ask(struct core *c, struct batch *b, struct core_refill *q)
{
    struct list_node *head = list_first(&b->wanted);
    if (!head)
        return false;
    uint64_t from = CONTAINER_OF(head, struct skip, wanted)->first;
    size_t limit = 0;
    LIST_EACH_SAFE (&b->wanted, n, tmp) {
        struct skip *s = CONTAINER_OF(n, struct skip, wanted);
        if (s->first < from)
            continue;
        limit += room(c, s);
        ask(b, q, s);
        if (q->n_hosts == CORE_REFILL_HOSTS)
            break;
    }
    q->only = true;
    q->after = from - 1;
    size_t most = c->window_bytes > c->window_bytes_max ? CORE_REFILL_LARGE : c->refill_rows_max;
    most = most < q->limit ? most : q->limit;
    q->limit = (unsigned)(limit < most ? limit : most);
    b->n_asked_skips = q->n_hosts;
    return true;
}

void skip_leave_out(struct core *c, struct batch *b, struct core_refill *q)
{
    b->cursor_asked = q->after;
    LIST_EACH (&b->recent, n) {
        struct skip *s = CONTAINER_OF(n, struct skip, recent);
        if (q->n_hosts == CORE_REFILL_HOSTS)
            break;
        if (!skip_due(c, b, s->host))
            continue;
        b->asked_skips[q->n_hosts] = s;
        q->hosts[q->n_hosts++] = s->host->hash;
    }
    b->n_asked_skips = q->n_hosts;
}

/* It was left out from `after` on. The cursor may have gone back behind its first. */
static void passed_over(struct skip *s, uint64_t after, uint64_t last)
{
    if (last == 0)
        return;
    if (last > s->last)
        s->last = last;
    if (after + 1 < s->first)
        s->first = after + 1;
}

/* True: nothing of it is left behind `last`. */
static bool read_up_to(struct skip *s, uint64_t last)
{
    uint64_t again = s->again;
    bool done = s->last <= last && again == 0;
    s->asked = false;
    s->again = 0;
    if (s->first <= last)
        s->first = last + 1;
    if (again != 0 && again < s->first)
        s->first = again;
    return done;
}

void skip_answered(struct core *c, struct batch *b, const struct core_refilled *r)
{
    unsigned n = b->n_asked_skips;
    b->n_asked_skips = 0;
    for (unsigned i = 0; i < n; i++) {
        struct skip *s = b->asked_skips[i];
        struct host *h = s->host;
        if (!s->asked) {
            passed_over(s, b->cursor_asked, r->passed[i]);
        } else if (read_up_to(s, r->last)) {
            skip_free(c, s);
            continue;
        } else { /* the others' turn */
            list_remove(&h->skips, &s->turn);
            list_push_back(&h->skips, &s->turn);
        }
        skip_host_moved(c, h);
    }
}

/* ---- what lies behind the cursor is read anyway */

void skip_cut(struct core *c, struct batch *b)
{
    LIST_EACH_SAFE (&b->recent, n, tmp) {
        struct skip *s = CONTAINER_OF(n, struct skip, recent);
        REQUIRE(!s->asked);
        if (s->first > b->cursor)
            skip_free(c, s);
        else if (s->last > b->cursor)
            s->last = b->cursor;
    }
}

void skip_clear(struct core *c, struct batch *b, bool pass)
{
    b->n_asked_skips = 0;
    LIST_EACH_SAFE (&b->recent, n, tmp) {
        struct skip *s = CONTAINER_OF(n, struct skip, recent);
        if (pass)
            pause_pass(b, s->first);
        if (pass && s->again)
            pause_pass(b, s->again);
        skip_free(c, s);
    }
}

bool skip_is_full(const struct core *c, const struct batch *b)
{
    return HASH_COUNT(b->skips) >= c->skipped_hosts_max;
}
