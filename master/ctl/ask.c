/* SPDX-License-Identifier: MIT */
#include "master/ctl/ask.h"
#include "master/ctl/listing.h"
#include "common/screen.h"
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#define BUSY_WAIT_S     2 /* when the master does not say */
#define BUSY_WAIT_MAX_S 30
#define PREFIX_PAGE     "500"
#define PREFIX_PAGES    8 /* a beginning is sought among the newest 4,000 batches */
#define PREFIX_LEAST    4
#define PREFIX_LETTERS  "0123456789abcdef-"

void answer_init(struct answer *a)
{
    client_reply_init(&a->reply);
    a->doc = NULL;
}

void answer_fini(struct answer *a)
{
    json_free(&a->doc);
    client_reply_fini(&a->reply);
}

const struct json_node *answer_root(const struct answer *a)
{
    REQUIRE(a->doc != NULL);
    return json_root(a->doc);
}

int ask_parse(struct ctl *c, struct answer *a)
{
    char why[JSON_PROBLEM_MAX];
    int code = client_verdict(c->client, &a->reply);
    json_free(&a->doc);
    if (code != EXIT_ALL_OK)
        return code;
    if (json_parse(a->reply.body.data, a->reply.body.len, &a->doc, why, sizeof(why)) != ERR_NONE)
        return ctl_fail(
            EXIT_UNREACHABLE,
            "%s did not answer as a Sonde master does (%s); is --url or SONDE_URL right?",
            client_url(c->client), why);
    return EXIT_ALL_OK;
}

int ask_get(struct ctl *c, struct answer *a)
{
    client_get(c->client, &a->reply);
    return ask_parse(c, a);
}

int ask_print(const struct answer *a)
{
    unsigned char last = 0;
    const struct strbuf *b = &a->reply.body;
    bool ended = b->len > 0 && b->data[b->len - 1] == '\n';
    if (!screen_put(stdout, b->data, b->len, &last) || (!ended && putchar('\n') == EOF))
        return ctl_unwritten(errno);
    return EXIT_ALL_OK;
}

int ask_finish(struct listing *l)
{
    if (listing_finish(l) != ERR_NONE)
        return ctl_unwritten(errno);
    return EXIT_ALL_OK;
}

int ask_row(const struct answer *a, const struct list_kind *kind, enum form form)
{
    struct listing l;
    if (form == FORM_JSON)
        return ask_print(a);
    listing_init(&l, kind, form);
    listing_add(&l, answer_root(a));
    return ask_finish(&l);
}

void ask_wait(const struct client_reply *r)
{
    int64_t wait = r->retry_after_s > 0 ? r->retry_after_s : BUSY_WAIT_S;
    wait = wait < BUSY_WAIT_MAX_S ? wait : BUSY_WAIT_MAX_S;
    ctl_say("the master is busy; trying again in %" PRId64 " s", wait);
    poll(NULL, 0, (int)(wait * 1000));
}

/* ---- batch ids */

struct search {
    const char *ref;
    size_t len;
    char found[UUID_TEXT_MAX];
    unsigned n;
};

static void search_page(struct search *s, const struct json_node *root)
{
    for (const struct json_node *b = node_first(root, "batches"); b; b = json_next(b)) {
        const char *id = node_str(b, "id");
        if (!id || strncmp(id, s->ref, s->len) != 0)
            continue;
        snprintf(s->found, sizeof(s->found), "%s", id);
        s->n++;
    }
}

static int search_all(struct ctl *c, struct search *s)
{
    struct answer a;
    char cursor[24] = "";
    int code = EXIT_ALL_OK;
    answer_init(&a);
    for (int page = 0; page < PREFIX_PAGES && code == EXIT_ALL_OK; page++) {
        client_path(c->client, API "/batches");
        client_query(c->client, "limit", PREFIX_PAGE);
        client_query(c->client, "cursor", cursor[0] ? cursor : NULL);
        code = ask_get(c, &a);
        if (code != EXIT_ALL_OK)
            break;
        search_page(s, answer_root(&a));
        const char *next = node_str(answer_root(&a), "next_cursor");
        if (!next)
            break;
        snprintf(cursor, sizeof(cursor), "%s", next);
    }
    answer_fini(&a);
    return code;
}

static int latest(struct ctl *c, char id[UUID_TEXT_MAX])
{
    struct answer a;
    answer_init(&a);
    client_path(c->client, API "/batches");
    client_query(c->client, "limit", "1");
    int code = ask_get(c, &a);
    const char *got =
        code == EXIT_ALL_OK ? node_str(node_first(answer_root(&a), "batches"), "id") : NULL;
    if (got)
        snprintf(id, UUID_TEXT_MAX, "%s", got);
    else if (code == EXIT_ALL_OK)
        code = ctl_fail(EXIT_USAGE, "there is no batch yet; 'sonde submit FILE' makes one");
    answer_fini(&a);
    return code;
}

int ask_batch_id(struct ctl *c, const char *ref, char id[UUID_TEXT_MAX])
{
    struct search s = {.ref = ref, .len = strlen(ref)};
    if (strcmp(ref, "latest") == 0)
        return latest(c, id);
    if (uuid_valid(ref)) {
        snprintf(id, UUID_TEXT_MAX, "%s", ref);
        return EXIT_ALL_OK;
    }
    if (s.len < PREFIX_LEAST || s.len >= UUID_TEXT_MAX || ref[strspn(ref, PREFIX_LETTERS)] != '\0')
        return ctl_fail(EXIT_USAGE,
                        "'%s' is not the id of a batch, nor the first %d letters or more of one; "
                        "'sonde batches' lists them",
                        ref, PREFIX_LEAST);
    int code = search_all(c, &s);
    if (code != EXIT_ALL_OK)
        return code;
    if (s.n == 0)
        return ctl_fail(EXIT_USAGE, "no batch begins with '%s'; 'sonde batches' lists them", ref);
    if (s.n > 1)
        return ctl_fail(EXIT_USAGE, "%u batches begin with '%s'; give more of the id", s.n, ref);
    snprintf(id, UUID_TEXT_MAX, "%s", s.found);
    return EXIT_ALL_OK;
}
