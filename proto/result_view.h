/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/node.h"
#include "common/table.h"

/*
 * result_view - one result in full, from its JSON record, as a page for people: why it failed, what
 * was expected of it, a waterfall of the phases of every hop, certificate, headers or DNS sections.
 *
 * Pure; everything foreign is cleaned. What is longer than the width goes on under itself, so that
 * nothing is lost. Members that are absent or of another type are passed over.
 */
void result_view_put(const struct json_node *result, const struct table_style *style,
                     struct strbuf *out);

/* The sentence of the cause, and the details of the agent when they say more. */
void result_view_reason(const struct json_node *result, struct strbuf *out);
enum table_tone result_view_tone(const struct json_node *result);
