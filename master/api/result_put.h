/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/json.h"
#include "master/store/store.h"

/*
 * result_put - one result as JSON (DESIGN §7) or as a line of CSV (RFC 4180). Pure.
 *
 * Of the spec only the target's URI is shown: headers and bodies of requests, where credentials
 * live, never appear in reads.
 */
void result_put_json(struct json_out *w, const struct store_result_row *row, const char *batch,
                     const char *trace);
void result_put_csv_head(struct strbuf *b);
void result_put_csv(struct strbuf *b, const struct store_result_row *row, const char *batch);
/* The URI, as the JSON string of the spec. "target":… */
void result_put_target(struct json_out *w, const char *spec, size_t spec_len);

void csv_put(struct strbuf *b, const char *field, size_t n); /* quoted when it must be */
