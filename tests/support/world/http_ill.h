/* SPDX-License-Identifier: MIT */
#pragma once
#include "tests/support/world/conn.h"

/*
 * http_ill - answers that no honest server gives: bombs, floods, drips, lies about lengths,
 * Locations that lead nowhere good. All under /ill/; the table in http_ill.c lists them.
 */

/* False: no such path. */
bool http_ill_do(struct conn *c, char *path);
