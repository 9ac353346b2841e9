/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/ctl/node.h"
#include "master/ctl/table.h"

/*
 * probe_view - one result in full: verdict, a waterfall of the phases, redirects, certificate,
 * headers or DNS sections, expectations. Pure; everything foreign is cleaned.
 */
void probe_view_put(const struct json_node *result, const struct table_style *style,
                    struct strbuf *out);
