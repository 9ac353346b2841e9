/* SPDX-License-Identifier: MIT */
#include "master/nginxconf/nginx_conf.h"
#include <stdio.h>
#include <string.h>
#include "common/mem.h"
#include "common/strbuf.h"
#include "master/nginxconf/nginx_value.h"
#include "tests/support/check_main.h"

static struct nginx_conf *conf;
static char why[512];

static enum err parse(const char *text)
{
    nginx_conf_destroy(&conf);
    why[0] = '\0';
    return nginx_conf_parse(text, strlen(text), "FILE", &conf, why, sizeof(why));
}

/* The tree as text: words in brackets, blocks in braces. */
static void put(struct strbuf *out, const struct nginx_node *block)
{
    for (const struct nginx_node *n = block->first; n; n = n->next) {
        for (unsigned i = 0; i < n->n_words; i++)
            strbuf_printf(out, "[%s]", n->words[i]);
        if (!n->is_block)
            continue;
        strbuf_putc(out, '{');
        put(out, n);
        strbuf_putc(out, '}');
    }
}

static void reads(const char *text, const char *tree)
{
    struct strbuf out;
    ck_assert_msg(parse(text) == ERR_NONE, "%s", why);
    strbuf_init(&out, 1 << 20);
    put(&out, nginx_conf_root(conf));
    ck_assert_str_eq(out.data ? out.data : "", tree);
    strbuf_fini(&out);
}

static void refuses(const char *text, const char *sentence)
{
    ck_assert_int_ne(parse(text), ERR_NONE);
    ck_assert_str_eq(why, sentence);
}

START_TEST(directives_and_blocks)
{
    reads("", "");
    reads("a;b c\td;\n", "[a][b][c][d]");
    reads("a{b;}", "[a]{[b]}");
    reads("http {\n server { listen 80; }\n server {}\n}",
          "[http]{[server]{[listen][80]}[server]{}}");
    nginx_conf_destroy(&conf);
}
END_TEST

START_TEST(comments_are_no_words_and_hashes_within_words_are)
{
    reads("# a { ;\na; # b\nc#d;", "[a][c#d]");
    reads("#", "");
    nginx_conf_destroy(&conf);
}
END_TEST

START_TEST(quotes_and_escapes)
{
    reads("a \"b ; { } #c\" 'd \"e';", "[a][b ; { } #c][d \"e]");
    reads("a \"\\\"\\\\\\t\\d\" b\\;c;", "[a][\"\\\t\\d][b\\;c]");
    reads("a '';", "[a][]");
    nginx_conf_destroy(&conf);
}
END_TEST

START_TEST(variables_may_have_braces)
{
    reads("a ${b}c $d;", "[a][${b}c][$d]");
    reads("if ($x = \"\") { return 426; }", "[if][($x][=][][)]{[return][426]}");
    reads("location /a{b;}", "[location][/a]{[b]}");
    nginx_conf_destroy(&conf);
}
END_TEST

START_TEST(lines_are_those_of_the_first_word)
{
    ck_assert_int_eq(parse("a;\n\n\nb\n c;\n"), ERR_NONE);
    const struct nginx_node *b = nginx_conf_root(conf)->last;
    ck_assert_uint_eq(b->line, 4);
    ck_assert_str_eq(b->file, "FILE");
    nginx_conf_destroy(&conf);
}
END_TEST

START_TEST(what_is_wrong_is_named_with_its_line)
{
    refuses("a;\nb c\n}", "FILE:3: 'b' of line 2 is not ended by ';'");
    refuses("a", "FILE:1: 'a' of line 1 is not ended by ';'");
    refuses("a {\n", "FILE:2: the block 'a' of line 1 is not closed by '}'");
    refuses("a;}", "FILE:1: unexpected '}'");
    refuses("\n;", "FILE:2: unexpected ';'");
    refuses("{", "FILE:1: unexpected '{'");
    refuses("a \"b\n", "FILE:2: the quote \" of line 1 is never closed");
    refuses("a 'b'c;", "FILE:1: after a closing quote comes a blank, ';' or '{', not 'c'");
    nginx_conf_destroy(&conf);
}
END_TEST

START_TEST(lua_is_passed_over)
{
    reads("x { a_by_lua_block { if a == '\"' then b = {1} end } c; }",
          "[x]{[a_by_lua_block]{}[c]}");
    refuses("a_by_lua_block { {", "FILE:1: a block of Lua is never closed");
    nginx_conf_destroy(&conf);
}
END_TEST

#define DUMP                                                                                       \
    "nginx: configuration file /e/n.conf test is successful\n"                                     \
    "# configuration file /e/n.conf:\nhttp {\n include conf.d/*.conf;\n include p;\n}\n\n"

START_TEST(a_dump_has_its_includes_where_they_stand)
{
    reads(DUMP "# configuration file /e/conf.d/b.conf:\nb;\n\n"
               "# configuration file /e/conf.d/a.conf:\n\na { include p; }\n\n"
               "# configuration file /e/p:\np;\n",
          "[http]{[include][conf.d/*.conf][a]{[include][p][p]}[b][include][p][p]}");
    const struct nginx_node *a = nginx_conf_root(conf)->first->first->next;
    ck_assert_str_eq(a->file, "/e/conf.d/a.conf");
    ck_assert_uint_eq(a->line, 2);
    ck_assert_uint_eq(nginx_conf_unread(conf), 0);
    refuses(DUMP "# configuration file /e/p:\n\nq", "/e/p:2: 'q' of line 2 is not ended by ';'");
    nginx_conf_destroy(&conf);
}
END_TEST

START_TEST(a_single_file_counts_what_it_includes)
{
    reads("include a; x { include b; }", "[include][a][x]{[include][b]}");
    ck_assert_uint_eq(nginx_conf_unread(conf), 2);
    nginx_conf_destroy(&conf);
}
END_TEST

START_TEST(everything_is_bounded)
{
    struct strbuf b;
    strbuf_init(&b, NGINX_TEXT_MAX);
    for (int i = 0; i <= NGINX_DEPTH_MAX; i++)
        strbuf_puts(&b, "a{");
    refuses(b.data, "FILE:1: blocks within blocks, more than 32 deep");
    strbuf_reset(&b);
    for (int i = 0; i <= NGINX_WORDS_MAX; i++)
        strbuf_puts(&b, "a ");
    refuses(b.data, "FILE:1: a directive of more than 4096 words");
    strbuf_reset(&b);
    for (int i = 0; i <= NGINX_DIRECTIVES_MAX; i++)
        strbuf_puts(&b, "a;");
    refuses(b.data, "FILE:1: more than 65536 directives");
    strbuf_fini(&b);
    refuses("# configuration file /e/n:\ninclude n;",
            "/e/n:1: includes within includes, more than 32 deep");
    nginx_conf_destroy(&conf);
}
END_TEST

START_TEST(times_and_sizes)
{
    static const struct {
        const char *text;
        int64_t ms;
    } times[] = {{"60", 60000},
                 {"60s", 60000},
                 {"1m30s", 90000},
                 {"1m 30s", 90000},
                 {"500ms", 500},
                 {"2h", 7200000},
                 {"0", 0},
                 {"1d", 86400000},
                 {"", -1},
                 {"s", -1},
                 {"60x", -1},
                 {"$t", -1},
                 {"99999999999999999999", -1},
                 {"1000000000000w", -1}};
    static const struct {
        const char *text;
        int64_t bytes;
    } sizes[] = {{"1m", 1 << 20}, {"64K", 65536}, {"1g", 1 << 30}, {"0", 0},
                 {"12", 12},      {"", -1},       {"1x", -1},      {"9999999999999", -1}};
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        int64_t ms = -1;
        enum err e = nginx_time_ms(times[i].text, &ms);
        ck_assert_msg((e == ERR_NONE) == (times[i].ms >= 0) && ms == times[i].ms, "%s",
                      times[i].text);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        int64_t bytes = -1;
        enum err e = nginx_size(sizes[i].text, &bytes);
        ck_assert_msg((e == ERR_NONE) == (sizes[i].bytes >= 0) && bytes == sizes[i].bytes, "%s",
                      sizes[i].text);
    }
}
END_TEST

START_TEST(what_is_inherited_and_what_is_not)
{
    ck_assert_int_eq(
        parse("t 1; h { proxy_set_header A 1; s { t 2; t 3; l { proxy_set_header B 2; } m {} } }"),
        ERR_NONE);
    const struct nginx_node *s = nginx_conf_root(conf)->last->last, *m = s->last;
    const struct nginx_node *l = nginx_own(s, "l");
    ck_assert_str_eq(nginx_argument(nginx_effective(m, "t"), "x"), "3");
    ck_assert_str_eq(nginx_argument(nginx_effective(m, "u"), "x"), "x");
    ck_assert_ptr_null(nginx_header(l, "a"));
    ck_assert_str_eq(nginx_header(l, "b")->words[2], "2");
    ck_assert_str_eq(nginx_header(m, "a")->words[2], "1");
    nginx_conf_destroy(&conf);
}
END_TEST

TESTS(syntax, directives_and_blocks, comments_are_no_words_and_hashes_within_words_are,
      quotes_and_escapes, variables_may_have_braces, lines_are_those_of_the_first_word,
      what_is_wrong_is_named_with_its_line, lua_is_passed_over)
TESTS(files, a_dump_has_its_includes_where_they_stand, a_single_file_counts_what_it_includes,
      everything_is_bounded)
TESTS(values, times_and_sizes, what_is_inherited_and_what_is_not)
CHECK_MAIN("nginx_conf", syntax, files, values)
