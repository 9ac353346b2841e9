/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <string.h>
#include "common/require.h"
#include "common/strbuf.h"
#include "master/nginxconf/nginx_judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define AGAIN_MAX (64u << 20)

static void put_word(struct strbuf *out, const char *word)
{
    strbuf_puts(out, " \"");
    for (; *word != '\0'; word++) {
        if (*word == '"' || *word == '\\')
            strbuf_putc(out, '\\');
        strbuf_putc(out, *word);
    }
    strbuf_putc(out, '"');
}

/* All words quoted. Includes have been put where they stand, and must not be once more. */
static void put(struct strbuf *out, const struct nginx_node *block)
{
    for (const struct nginx_node *n = block->first; n != NULL; n = n->next) {
        strbuf_puts(out, nginx_node_is(n, "include") ? " \"x\"" : "");
        for (unsigned i = 0; i < n->n_words; i++)
            put_word(out, n->words[i]);
        strbuf_puts(out, n->is_block ? " {" : ";\n");
        put(out, n);
        strbuf_puts(out, n->is_block ? "}\n" : "");
    }
}

static void judged(const struct nginx_conf *c)
{
    static const struct nginx_master m = {
        .api = "127.0.0.1:8700", .agents = "127.0.0.1:8701", .body_max = 1 << 30};
    struct nginx_report r;
    nginx_judge(c, &m, &r);
    for (unsigned i = 0; i < r.n; i++)
        REQUIRE(r.findings[i].file != NULL && r.findings[i].line > 0 && r.findings[i].what[0]);
    nginx_report_fini(&r);
}

/* Whether a tree can be told as text again: a block in Lua is empty here, and was not there. */
static bool is_plain(const struct nginx_conf *c)
{
    for (const struct nginx_node *n = nginx_conf_root(c); n; n = nginx_node_after(n))
        if (n->n_words > 0 && strstr(n->words[0], "_by_lua_block") != NULL)
            return false;
    return true;
}

/* What was read can be written down, read again, and is the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nginx_conf *c = NULL, *again = NULL;
    struct strbuf one, two;
    char why[256] = "";
    if (size > NGINX_TEXT_MAX || memchr(data, '\0', size) != NULL)
        return 0; /* the file is text: common/file_text */
    if (nginx_conf_parse((const char *)data, size, "FILE", &c, why, sizeof(why)) != ERR_NONE) {
        REQUIRE(c == NULL && why[0] != '\0');
        return 0;
    }
    judged(c);
    strbuf_init(&one, AGAIN_MAX);
    strbuf_init(&two, AGAIN_MAX);
    put(&one, nginx_conf_root(c));
    if (one.len > 0 && one.len <= NGINX_TEXT_MAX && is_plain(c)) {
        REQUIRE(nginx_conf_parse(one.data, one.len, "FILE", &again, why, sizeof(why)) == ERR_NONE);
        put(&two, nginx_conf_root(again));
        REQUIRE(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
    }
    nginx_conf_destroy(&c);
    nginx_conf_destroy(&again);
    strbuf_fini(&one);
    strbuf_fini(&two);
    return 0;
}
