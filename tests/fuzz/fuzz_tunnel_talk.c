/* SPDX-License-Identifier: MIT */
#include "agent/run/tunnel_talk.h"
#include "common/require.h"
#include "common/utf8.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char host[] = "p.test", user[] = "ann", password[] = "pa55";

static bool over(const struct tunnel_talk *t)
{
    return t->state == TALK_STANDS || t->state == TALK_ENDED;
}

static void check(const struct tunnel_talk *t)
{
    REQUIRE((t->state == TALK_ENDED) == (t->cause != CAUSE_NONE));
    REQUIRE((t->state == TALK_ENDED) == (t->words[0] != '\0'));
    REQUIRE(memchr(t->words, '\0', sizeof(t->words)) != NULL);
    REQUIRE(utf8_valid(t->words, strlen(t->words)));
    for (const char *c = t->words; *c; c++)
        REQUIRE((unsigned char)*c >= ' ' && *c != 0x7f);
}

/* How many bytes of data the talk took for itself. */
static size_t talk(struct tunnel_talk *t, const struct target_proxy *x, const uint8_t *data,
                   size_t size, size_t piece)
{
    size_t used = 0;
    struct ip ip = {.family = AF_INET, .bytes = {192, 0, 2, 1}};
    tunnel_talk_begin(t, x, &ip, 443);
    while (used < size && !over(t)) {
        tunnel_talk_sent(t, t->out_len);
        size_t n = size - used < piece ? size - used : piece;
        size_t took = tunnel_talk_take(t, data + used, n);
        REQUIRE(took > 0 && took <= n && (took == n || over(t) || t->out_len > 0));
        used += took;
    }
    check(t);
    return used;
}

/* The first byte chooses the proxy, the rest is what it says. How it is cut into pieces changes
 * nothing but how much of rubbish is quoted. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tunnel_talk whole, bytes;
    struct target_proxy x = {.host = host, .port = 1};
    if (size == 0)
        return 0;
    x.kind = data[0] & 1 ? PROXY_SOCKS5 : PROXY_HTTP;
    x.user = data[0] & 2 ? user : NULL;
    x.password = data[0] & 2 ? password : NULL;
    size_t used = talk(&whole, &x, data + 1, size - 1, size);
    REQUIRE(used == talk(&bytes, &x, data + 1, size - 1, 1));
    REQUIRE(whole.state == bytes.state && whole.cause == bytes.cause);
    REQUIRE(x.kind == PROXY_SOCKS5 ? used <= 4 + TALK_REPLY_MAX : used <= TALK_HEAD_MAX + 1);
    if (!over(&whole))
        tunnel_talk_closed(&whole, "closed");
    tunnel_talk_fini(&whole);
    return 0;
}
