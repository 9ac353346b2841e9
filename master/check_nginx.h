/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdio.h>
#include "master/master_options.h"

/*
 * check_nginx - the command 'check-nginx FILE': whether an nginx fits this master.
 *
 * Main thread of a process that does nothing else; blocks. FILE "-" is the standard input, which
 * may be what 'nginx -T' prints. Each finding with its place, why it matters and what to do goes to
 * `to`. False: the text could not be judged, and why says what is wrong with it; else *well tells
 * whether nothing but notes was found.
 */
bool check_nginx(const struct master_options *o, const char *file, FILE *to, bool *well, char *why,
                 size_t why_max);
