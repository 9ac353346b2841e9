/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/node.h"
#include "common/strbuf.h"
#include "common/table.h"

/* incident_page - one incident for people: what broke, the evidence, who was told. Pure; root is
 * the answer of GET /incidents/{id}. */
void incident_page_put(struct strbuf *out, const struct json_node *root,
                       const struct table_style *style);

/* "connect_timeout, reset_after_connect" */
void incident_page_causes(struct strbuf *out, const struct json_node *incident);
enum table_tone incident_page_tone(const char *state);
/* Of a message to a channel. */
enum table_tone incident_page_delivery_tone(const char *state);
