/* SPDX-License-Identifier: MIT */
#include "master/ctl/batches.h"
#include "master/ctl/ask.h"
#include "master/ctl/verbs.h"
#include <inttypes.h>

static const struct list_column columns[] = {
    {{.title = "ID"}, "id", CELL_TEXT},
    {{.title = "NAME", .least = 8, .drop = 4}, "name", CELL_TEXT},
    {{.title = "STATE"}, "state", CELL_TEXT},
    {{.title = "TOTAL", .right = true}, "counts.total", CELL_COUNT},
    {{.title = "OK", .right = true}, "counts.ok", CELL_COUNT},
    {{.title = "FAILED", .right = true}, "counts.failed", CELL_COUNT},
    {{.title = "UNDETERMINED", .right = true, .drop = 7}, "counts.undetermined", CELL_COUNT},
    {{.title = "REFUSED", .right = true, .drop = 8}, "counts.refused", CELL_COUNT},
    {{.title = "EXPIRED", .right = true, .drop = 6}, "counts.expired", CELL_COUNT},
    {{.title = "CANCELLED", .right = true, .drop = 5}, "counts.cancelled", CELL_COUNT},
    {{.title = "RUNNING", .right = true, .drop = 2}, "counts.running", CELL_COUNT},
    {{.title = "QUEUED", .right = true, .drop = 1}, "counts.queued", CELL_COUNT},
    {{.title = "CREATED", .drop = 3}, "created_at", CELL_WHEN},
};

static enum table_tone tone(const struct json_node *row)
{
    const char *state = node_str(row, "state");
    if (!state || strcmp(state, "ended") != 0)
        return TONE_WARN;
    return node_count(row, "counts.ok") == node_count(row, "counts.total") ? TONE_GOOD : TONE_PLAIN;
}

const struct list_kind batches_list = {
    .columns = columns, .n_columns = ARRAY_LEN(columns), .toned = 2, .tone = tone};

static void name_list(struct ctl *c, const char *cursor, uint64_t rows)
{
    char limit[24];
    snprintf(limit, sizeof(limit), "%" PRIu64, rows);
    client_path(c->client, API "/batches");
    client_query(c->client, "limit", limit);
    client_query(c->client, "cursor", cursor);
    client_query(c->client, "state", c->o.state);
    for (size_t i = 0; i < c->o.labels.count; i++)
        client_query(c->client, "label", c->o.labels.items[i]);
}

/* A page may be short, or empty, while there are more: the master looks at so many at once. */
static int list_all(struct ctl *c, struct answer *a, struct listing *l)
{
    char cursor[24] = "";
    uint64_t most = (uint64_t)c->o.limit;
    int code = EXIT_ALL_OK;
    do {
        name_list(c, cursor[0] ? cursor : NULL, most - l->n_rows);
        code = ask_get(c, a);
        if (code != EXIT_ALL_OK)
            return code;
        for (const struct json_node *b = node_first(answer_root(a), "batches"); b; b = json_next(b))
            listing_add(l, b);
        const char *next = node_str(answer_root(a), "next_cursor");
        snprintf(cursor, sizeof(cursor), "%s", next ? next : "");
    } while (cursor[0] && l->n_rows < most);
    return code;
}

static bool is_filtered(const struct ctl *c)
{
    return c->o.state != NULL || c->o.labels.count > 0;
}

int batches_run(struct ctl *c)
{
    struct answer a;
    struct listing l;
    int code;
    answer_init(&a);
    if (c->form == FORM_JSON) {
        name_list(c, NULL, (uint64_t)c->o.limit);
        code = ask_get(c, &a);
        code = code == EXIT_ALL_OK ? ask_print(&a) : code;
    } else {
        listing_init(&l, &batches_list, c->form);
        code = list_all(c, &a, &l);
        if (code == EXIT_ALL_OK && l.n_rows == 0 && c->form == FORM_TABLE)
            ctl_say(is_filtered(c) ? "there is no such batch"
                                   : "there is no batch yet; 'sonde submit FILE' makes one");
        int printed = ask_finish(&l);
        code = code == EXIT_ALL_OK ? printed : code;
    }
    answer_fini(&a);
    return code;
}
