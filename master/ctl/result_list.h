/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/ctl/listing.h"

/* result_list - results as rows: outcome, answer, target and phases; under what is not ok, why. */
extern const struct list_kind result_list;

/* The sentence of the cause, and the details of the agent when they say more. */
void result_reason(const struct json_node *result, struct strbuf *out);
enum table_tone result_tone(const struct json_node *result);
