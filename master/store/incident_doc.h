/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/strbuf.h"
#include "master/schedule/incident.h"

/*
 * incident_doc - an incident as the JSON text that the store keeps, and back.
 *
 * Pure. Words and not numbers stand for causes, so that releases can differ; a member that is not
 * known is left.
 */
#define INCIDENT_DOC_MAX 8192

void incident_doc_put(const struct incident *i, struct strbuf *b);
/* ERR_CORRUPT: not what incident_doc_put() writes. */
MUST_USE enum err incident_doc_read(const char *text, size_t len, struct incident *out);
