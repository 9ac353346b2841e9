/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/strbuf.h"
#include "proto/limits.h"
#include "proto/ticket.h"

/*
 * segment - the bytes of one file of the spool: a head, then records, each with its length and the
 * checksum of what it holds.
 *
 * Pure. A file is only ever appended to, by one process, and never again after that process has
 * ended. So damage is what a kill, a power cut or a bad disk left, and what follows it cannot be
 * told apart from it: a reader stops there.
 *
 *     head    "SondeSpl" version:4 bytes:4 number:8 store:72 instance:40 agent:72 zeros crc:4
 *     result  crc:4 length:4 kind:1 ticket length:1 zero:2 task:8, then ticket and record
 *     acks    crc:4 length:4 kind:1 zero:1 zero:2 zero:8, then the tasks, 8 bytes each
 *
 * Numbers are little endian; a crc is zlib's CRC-32, of the whole head before it, or of all of the
 * record that follows it.
 */
#define SEGMENT_HEAD_BYTES   256
#define SEGMENT_RECORD_BYTES 20 /* of each record, before ticket and text */
#define SEGMENT_ACKS_MAX     4096

struct segment_head {
    uint64_t number;                /* of the file, rising */
    char store[MESSAGE_ID_MAX + 1]; /* whose results they are */
    char instance[INSTANCE_ID_LEN + 1], agent[AGENT_NAME_MAX + 1];
};
void segment_put_head(struct strbuf *b, const struct segment_head *h);
void segment_put_result(struct strbuf *b, uint64_t task, const char *ticket, const char *record,
                        size_t len);
/* These results need not be sent again. At most SEGMENT_ACKS_MAX. */
void segment_put_acks(struct strbuf *b, const uint64_t *tasks, size_t n);

/* ERR_CORRUPT; ERR_VERSION: another release wrote it. */
MUST_USE enum err segment_read_head(const char *p, size_t n, struct segment_head *out);
/* It holds no record, whosever it is: a head alone, or the part of one that a kill left. */
bool segment_is_empty(const char *p, size_t n);

struct segment_item {
    enum segment_kind { SEGMENT_RESULT = 1, SEGMENT_ACKS = 2 } kind;
    uint64_t task; /* of a result */
    char ticket[TICKET_TEXT_MAX];
    const char *record; /* JSON, of one line; points into the bytes */
    size_t record_len, n_acks;
    const char *acks; /* segment_ack() reads them */
};
struct segment_cursor { /* set up with at = SEGMENT_HEAD_BYTES */
    const char *p;
    size_t n, at;
};
/* ERR_NOT_FOUND: the end. ERR_CORRUPT: nothing from c->at on can be read. */
MUST_USE enum err segment_next(struct segment_cursor *c, struct segment_item *out);
uint64_t segment_ack(const struct segment_item *i, size_t n);
