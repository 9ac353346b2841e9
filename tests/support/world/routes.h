/* SPDX-License-Identifier: MIT */
#pragma once
#include "tests/support/world/conn.h"

/* routes - what the paths of the test world's HTTP servers do; the table in routes.c lists them. */
void routes_do(struct conn *c, const char *method, char *path);
