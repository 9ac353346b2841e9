/* SPDX-License-Identifier: MIT */
#include "agent/outbox/outbox.h"
#include "proto/message.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is offered to the master is a line that it can read. */
static void check_line(const struct outbox_item *i)
{
    struct strbuf b;
    struct message m;
    char why[256];
    strbuf_init(&b, LINE_MAX_BYTES);
    msg_put_result(&b, &(struct msg_result){.task = i->task,
                                            .ticket = i->ticket,
                                            .record_text = i->record,
                                            .record_len = i->record_len});
    REQUIRE(!b.overflow && b.len <= RESULT_MAX_BYTES);
    REQUIRE(memchr(b.data, '\n', b.len) == b.data + b.len - 1);
    enum err e = message_decode(b.data, b.len - 1, &m, why, sizeof(why));
    REQUIRE(e == ERR_NONE && m.type == MSG_RESULT && m.result.task == i->task);
    message_fini(&m);
    strbuf_fini(&b);
}

static void load(const char *p, size_t n)
{
    struct segment_head h = {.agent = "a", .instance = "i"};
    struct outbox_loaded l;
    struct outbox_item i;
    (void)!segment_read_head(p, n, &h);
    struct spool *s = spool_create(64 << 20, h.agent, h.instance);
    struct outbox *o = outbox_create(100, 64 << 20);
    outbox_keep_in(o, s);
    outbox_load(o, 1, p, n, &l);
    REQUIRE(l.damaged_at < n || l.damaged_at == 0);
    for (; outbox_peek(o, &i); outbox_sent(o))
        check_line(&i);
    outbox_destroy(&o);
    spool_destroy(&s);
}

static uint32_t crc_of(const char *p, size_t n)
{
    return (uint32_t)crc32_z(0, (const unsigned char *)p, n);
}

/* Checksums made good, as far as lengths lead: else no fuzzer gets past them. */
static void sign(char *p, size_t n)
{
    uint32_t crc, len;
    size_t at = SEGMENT_HEAD_BYTES;
    if (n < at)
        return;
    crc = crc_of(p, at - 4);
    memcpy(p + at - 4, &crc, 4);
    for (; n - at >= SEGMENT_RECORD_BYTES; at += SEGMENT_RECORD_BYTES + len) {
        memcpy(&len, p + at + 4, 4);
        if (len > n - at - SEGMENT_RECORD_BYTES)
            return;
        crc = crc_of(p + at + 4, SEGMENT_RECORD_BYTES - 4 + len);
        memcpy(p + at, &crc, 4);
    }
}

/* A file of the spool, as it is and with good checksums. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *p = calloc(1, size + (size == 0));
    if (size > 0)
        memcpy(p, data, size);
    load(p, size);
    sign(p, size);
    load(p, size);
    free(p);
    return 0;
}
