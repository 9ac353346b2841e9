/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/human.h"
#include "common/require.h"
#include "master/diagnosis/diagnosis.h"

/* checks - what the files of checks share, and nobody else: one function for each row of
 * checks.def, and how it says what it found. */
#define CHECK(word, about, meaning, fix)                                                           \
    void check_##word(const struct diag_facts *f, struct diag_finding *out);
#include "master/diagnosis/checks.def"
#undef CHECK

/* State and evidence of the whole. Items raise the state further, never lower it. */
void diag_say(struct diag_finding *out, enum diag_state s, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void diag_figure(struct diag_finding *out, const char *name, double value);
/* One that is not well. Foreign text in it is made clean. */
void diag_item(struct diag_finding *out, enum diag_state s, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
unsigned diag_items(const struct diag_finding *out); /* all, also those only counted */

/* ---- of agents */
bool diag_connected(const struct agent_view *v);
bool diag_tells(const struct agent_view *v); /* it is, and its figures are of this session */
unsigned diag_count_connected(const struct diag_facts *f);
bool diag_is_bulk(unsigned n, unsigned of); /* too many at once for a chance */

/* Shares of a whole, in percent; −1 when one of the two is not known. */
double diag_percent(int64_t part, int64_t whole);
/* More is worse. */
enum diag_state diag_over(double value, double warn, double bad);
