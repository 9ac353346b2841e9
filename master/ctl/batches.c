/* SPDX-License-Identifier: MIT */
#include "master/ctl/batches.h"
#include "master/ctl/pages.h"
#include "master/ctl/verbs.h"

#define LIST_PAGE 500

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

int batches_run(struct ctl *c)
{
    bool filtered = c->o.state || c->o.labels.count > 0;
    const struct pages p = {.path = "/batches",
                            .member = "batches",
                            .kind = &batches_list,
                            .query = {{"state", c->o.state}},
                            .labels = &c->o.labels,
                            .page_max = LIST_PAGE,
                            .none = filtered
                                        ? "there is no such batch"
                                        : "there is no batch yet; 'sonde submit FILE' makes one"};
    return pages_run(c, &p);
}
