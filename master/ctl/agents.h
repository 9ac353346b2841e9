/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/ctl/listing.h"

/* agents - agents as rows, and one with all its figures. */
extern const struct list_kind agents_list;
bool agents_is_alive(const struct json_node *agent);
