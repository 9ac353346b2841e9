/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/page/page.h"
#include "common/strbuf.h"

/* page_text - the figures as Prometheus text, and the verdict of /healthz. Pure. */

#define PAGE_TEXT_MAX (64 * 1024)

struct page_process { /* what the process knows of itself; negative = not known */
    double cpu_s, started_at_s;
    uint64_t log_suppressed, log_unwritten;
};

/* age_ms: of the figures; < 0 = there are none yet, and then only what the process knows is told.
 */
void page_text_metrics(struct strbuf *b, const char *agent, const struct page_figures *f,
                       const struct page_process *p, int64_t age_ms);

/* False with one sentence: a loop is silent. since_start_ms counts while there are no figures. */
bool page_text_alive(const struct page_figures *f, int64_t age_ms, int64_t since_start_ms,
                     char *why, size_t why_max);
