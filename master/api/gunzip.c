/* SPDX-License-Identifier: MIT */
#include "master/api/gunzip.h"
#include "common/mem.h"
#include <stdlib.h>
#include <zlib.h>

#define OUT_BYTES    (32u << 10)
#define GZIP_ONLY    (16 + MAX_WBITS)
#define IN_BYTES_MAX (1u << 30)

struct gunzip {
    z_stream z;
    bool ended, full;
    char out[OUT_BYTES];
};

struct gunzip *gunzip_create(void)
{
    struct gunzip *g = mem_zalloc(sizeof(*g));
    REQUIRE(inflateInit2(&g->z, GZIP_ONLY) == Z_OK);
    return g;
}

void gunzip_destroy(struct gunzip **zp)
{
    if (!*zp)
        return;
    inflateEnd(&(*zp)->z);
    free(*zp);
    *zp = NULL;
}

bool gunzip_whole(const struct gunzip *g)
{
    return g->ended;
}

enum err gunzip_next(struct gunzip *g, const char **p, size_t *n, const char **out, size_t *out_len)
{
    *out = g->out;
    *out_len = 0;
    if (*n == 0 && !g->full)
        return ERR_NONE;
    if (g->ended) { /* a further member: gzip files may be joined */
        if (inflateReset(&g->z) != Z_OK)
            return ERR_INVALID;
        g->ended = false;
    }
    uInt in = *n < IN_BYTES_MAX ? (uInt)*n : IN_BYTES_MAX;
    g->z.next_in = (Bytef *)(uintptr_t)*p;
    g->z.avail_in = in;
    g->z.next_out = (Bytef *)g->out;
    g->z.avail_out = OUT_BYTES;
    int rc = inflate(&g->z, Z_NO_FLUSH);
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
        return ERR_INVALID;
    g->ended = rc == Z_STREAM_END;
    g->full = !g->ended && g->z.avail_out == 0;
    *p += in - g->z.avail_in;
    *n -= in - g->z.avail_in;
    *out_len = OUT_BYTES - g->z.avail_out;
    return ERR_NONE;
}
