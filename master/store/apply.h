/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/store/ledger.h"

/*
 * apply - one request's part of the transaction under way.
 *
 * Writer thread only, between sqlite_begin() and its end. What is wrong with the request itself (an
 * unknown upload, a uuid that is taken) goes into r->err and has written nothing; an error that is
 * returned dooms the whole transaction.
 */
struct apply {
    struct sqlite_db *db;
    struct ledger *ledger;
    struct wall now;
    struct wall patient; /* by which is judged how old something is that is to go */
};

MUST_USE enum err apply_request(struct apply *a, struct store_req *r);
/* Sets the times at which it opens, and ends at last, from its deadline_s. */
void apply_opens_now(const struct apply *a, struct batch_info *info);
/* Sets x->verdict. */
MUST_USE enum err apply_result(struct apply *a, struct store_result *x);
/* What a request adds to the rows of a commit. */
unsigned apply_rows(const struct store_req *r);
