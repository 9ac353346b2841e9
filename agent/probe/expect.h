/* SPDX-License-Identifier: MIT */
#pragma once
#include "proto/result.h"
#include "proto/target.h"

/*
 * expect - holds an answer against what the target's `expect` asks. All expectations are evaluated
 * and reported as checks; the first that does not hold gives the cause.
 *
 * A header or a path of `json` that holds has its name as the detail of its check.
 * Pure but for the clock that bounds hostile regular expressions. Worker thread.
 */
struct expect_facts {
    int status;
    const char *body; /* the decoded body, whole when something is expected of it */
    size_t body_len;
    const struct result_header *headers;
    unsigned n_headers;
    bool headers_cut; /* there were more than were kept */
    double total_ms;
    bool has_cert;
    int64_t cert_days_left;
};

/* Adds the checks to r and ends it (result_end): CAUSE_NONE when all hold. */
void expect_http(const struct target *t, const struct expect_facts *f, struct result *r);

/* Does the pattern match anywhere? EXPECT_GAVE_UP: over its time or its memory. */
enum expect_match { EXPECT_NO_MATCH, EXPECT_MATCH, EXPECT_GAVE_UP };
enum expect_match expect_regex(const char *pattern, const char *text, size_t len);
