/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/ctl/listing.h"

/* batches - batches as rows. */
extern const struct list_kind batches_list;
