/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/ctl/listing.h"

/* agents - agents as rows, and one with all its figures. */
extern const struct list_kind agents_list;
bool agents_is_alive(const struct json_node *agent);
bool agents_is_stalled(const struct json_node *agent); /* its link lives, its work stands */
#define AGENTS_STALLED_TEXT "its work stands still: no new tasks, and those it had went to others"
#define AGENTS_STALLED_FIX                                                                         \
    "it ends itself within half a minute, and systemd starts it anew; without systemd start it "   \
    "yourself; its log says at 'stalled' what stood"
