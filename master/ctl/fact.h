/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/strbuf.h"

/* fact - the lines of a page about one thing: a label, and what there is to say. Pure. */
#define FACT_LABEL 12 /* columns */
#define FACT_WIDTH 80 /* sentences are wrapped as for the narrowest terminal */

/* The label alone, padded. */
void fact_label(struct strbuf *out, const char *label);
/* A line of cleaned text, or several; NULL and "" write nothing. */
void fact_put(struct strbuf *out, const char *label, const char *text);
void fact_printf(struct strbuf *out, const char *label, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* "2026-11-28 10:00:00", or "" when it is no time. Returns buf. */
#define FACT_TIME_MAX 24
const char *fact_time(const char *rfc3339, char buf[FACT_TIME_MAX]);
