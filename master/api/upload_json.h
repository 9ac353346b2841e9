/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/strbuf.h"
#include "proto/limits.h"
#include <stdbool.h>
#include <stdint.h>

/*
 * upload_json - splits the JSON of a batch into its options and the elements of 'targets' while the
 * bytes still come.
 *
 * Pure; owned by one thread. It finds where values begin and end and checks that brackets match;
 * whether an element or the options are good JSON is for json_parse to say. Memory: one element,
 * and the options.
 */
#define SPLIT_ELEMENT_MAX TASK_MAX_BYTES
#define SPLIT_KEY_MAX     1024
#define SPLIT_DEPTH_MAX   64

enum split_event {
    SPLIT_MORE,     /* all bytes are used up */
    SPLIT_TARGETS,  /* 'targets' begins; what came before it is in the head */
    SPLIT_ELEMENT,  /* element.data, element.len */
    SPLIT_TOO_LONG, /* an element over the bound was passed over */
    SPLIT_BAD       /* why, with the place in `offset`; no further call */
};
struct split {
    int state, after_value; /* private */
    bool skip_members;      /* set before the first byte: the head is known already */
    bool targets_last; /* set at any time: a member behind 'targets' is bad (and `misplaced`) */
    bool targets_seen, misplaced;
    struct strbuf key, head, element;
    uint64_t offset, n_elements;
    uint64_t brackets; /* of the value under way: 1 for '{', 0 for '[' */
    unsigned depth;
    bool in_string, escaped, scalar;
    const char *why;
};
void split_init(struct split *s, size_t head_max);
void split_fini(struct split *s);
/* Goes on to the next event; *used says how many bytes are done with. */
enum split_event split_next(struct split *s, const char *p, size_t n, size_t *used);
bool split_whole(const struct split *s); /* the object is closed */
/* The options as the text of one object; no split_next() after it unless skip_members. */
const char *split_head(struct split *s, size_t *len);
