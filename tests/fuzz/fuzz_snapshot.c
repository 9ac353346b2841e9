/* SPDX-License-Identifier: MIT */
#include "common/mem.h"
#include "master/store/incident_doc.h"
#include "master/store/snapshot.h"

#include <stdlib.h>

/* What is decoded can be encoded, and is decoded again as the same; so are marks and incidents. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_snapshot(const uint8_t *data, size_t size)
{
    static struct scheduler_saved items[SCHEDULER_CHUNK], again[SCHEDULER_CHUNK];
    const struct wall at = {INT64_C(1789992000000000)};
    size_t n = 0, m = 0;
    struct strbuf b;
    if (snapshot_decode(data, size, at, items, &n) != ERR_NONE)
        return;
    strbuf_init(&b, SNAPSHOT_BYTES_MAX);
    snapshot_encode(items, n, at, &b);
    REQUIRE(!b.overflow && snapshot_decode(b.data, b.len, at, again, &m) == ERR_NONE);
    REQUIRE(m == n && memcmp(items, again, n * sizeof(*items)) == 0);
    strbuf_fini(&b);
}

static void try_marks(const uint8_t *data, size_t size)
{
    struct snapshot_mark *marks = NULL;
    size_t n = 0;
    if (snapshot_marks_decode(data, size, &marks, &n) == ERR_NONE)
        free(marks);
}

static void try_incident(const uint8_t *data, size_t size)
{
    struct incident i, again;
    struct strbuf b;
    if (incident_doc_read((const char *)data, size, &i) != ERR_NONE)
        return;
    strbuf_init(&b, INCIDENT_DOC_MAX);
    incident_doc_put(&i, &b);
    REQUIRE(!b.overflow && incident_doc_read(b.data, b.len, &again) == ERR_NONE);
    REQUIRE(again.id == i.id && again.state == i.state && again.n_causes == i.n_causes);
    strbuf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_snapshot(data, size);
    try_marks(data, size);
    try_incident(data, size);
    return 0;
}
