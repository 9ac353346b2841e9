/* SPDX-License-Identifier: MIT */
#include "master/api/host_filter.h"
#include "proto/target.h"
#include <stdio.h>
#include <string.h>

#define HOST_MAX 255

/* The target that this URI is tells, if it is one. */
static unsigned add(const char *before, const char *host, const char *behind, unsigned n,
                    uint64_t out[HOST_HASHES_MAX])
{
    char uri[HOST_MAX + 32];
    struct target *t = NULL;
    struct target_problem p;
    REQUIRE(n < HOST_HASHES_MAX);
    int len = snprintf(uri, sizeof(uri), "%s%s%s", before, host, behind);
    REQUIRE(len > 0 && (size_t)len < sizeof(uri));
    if (target_from_text(uri, (size_t)len, NULL, &t, &p) != ERR_NONE)
        return n;
    out[n] = target_host_hash(t);
    target_destroy(&t);
    return n + 1;
}

unsigned host_filter_hashes(const char *host, uint64_t out[HOST_HASHES_MAX])
{
    unsigned n = 0;
    size_t len = strlen(host);
    if (len == 0 || len > HOST_MAX || strpbrk(host, "/?#@% \t\r\n"))
        return 0;
    const char *colon = strchr(host, ':');
    bool bracketed = host[0] == '[' && host[len - 1] == ']';
    bool bare_v6 = colon && strchr(colon + 1, ':') && host[0] != '[';
    if (bare_v6)
        n = add("http://[", host, "]/", n, out);
    else if (!colon || bracketed)
        n = add("http://", host, "/", n, out);
    if (!colon)
        n = add("dns:", host, "", n, out);
    return bare_v6 ? add("dns://[", host, "]/x", n, out) : add("dns://", host, "/x", n, out);
}
