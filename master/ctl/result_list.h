/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/ctl/listing.h"

/* result_list - results as rows: outcome, answer, target and phases; under what is not ok, why. */
extern const struct list_kind result_list;
