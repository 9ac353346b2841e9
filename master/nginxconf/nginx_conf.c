/* SPDX-License-Identifier: MIT */
#include "master/nginxconf/nginx_conf.h"
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "common/require.h"
#include "common/strbuf.h"

/*
 * A dump is the text of files, each under a line "# configuration file NAME:"; the first one is the
 * main file, and the names in its includes are relative to its directory.
 */
#define DUMP_MARK  "# configuration file "
#define NGINX_SAYS "nginx: " /* what nginx -T says of itself, if both of its outputs are here */
#define LUA_BLOCK  "_by_lua_block"

struct source {
    char *name;
    const char *text;
    size_t len;
};

struct nginx_conf {
    struct source *files;
    unsigned n_files, n_nodes, unread;
    bool is_dump;
    size_t scanned;
    struct nginx_node *root, *newest;
};

enum token { TOKEN_WORD, TOKEN_SEMICOLON, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_END, TOKEN_BAD };

struct reader {
    struct nginx_conf *conf;
    const struct source *file;
    const char *p, *end;
    unsigned line, includes; /* within so many */
    struct strbuf word;
    char *why;
    size_t why_max;
};

static enum err read_file(struct nginx_conf *c, const struct source *file, struct nginx_node *into,
                          unsigned includes, char *why, size_t why_max);

/* ---- what is wrong */

static enum err wrong(struct reader *r, enum err e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static enum err wrong(struct reader *r, enum err e, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    snprintf(r->why, r->why_max, "%s:%u: %s", r->file->name, r->line, text);
    return e;
}

/* ---- words */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static char take(struct reader *r)
{
    char c = *r->p++;
    r->line += c == '\n';
    return c;
}

static void skip_blanks(struct reader *r)
{
    while (r->p < r->end && (is_blank(*r->p) || *r->p == '#')) {
        bool comment = *r->p == '#';
        while (comment && r->p < r->end && *r->p != '\n')
            r->p++;
        if (r->p < r->end)
            take(r);
    }
}

/* After a backslash. Only these mean something else than both characters. */
static void take_escaped(struct reader *r)
{
    static const char from[] = "\"'\\trn", to[] = "\"'\\\t\r\n";
    if (r->p == r->end) {
        strbuf_putc(&r->word, '\\');
        return;
    }
    char c = take(r);
    const char *at = c != '\0' ? strchr(from, c) : NULL;
    if (at == NULL)
        strbuf_putc(&r->word, '\\');
    strbuf_putc(&r->word, at != NULL ? to[at - from] : c);
}

static enum token take_quoted(struct reader *r)
{
    char quote = take(r);
    unsigned began = r->line;
    while (r->p < r->end && *r->p != quote) {
        char c = take(r);
        if (c == '\\')
            take_escaped(r);
        else
            strbuf_putc(&r->word, c);
    }
    if (r->p == r->end) {
        (void)wrong(r, ERR_INVALID, "the quote %c of line %u is never closed", quote, began);
        return TOKEN_BAD;
    }
    take(r);
    if (r->p < r->end && !is_blank(*r->p) && strchr(";{)", *r->p) == NULL) {
        (void)wrong(r, ERR_INVALID, "after a closing quote comes a blank, ';' or '{', not '%.1s'",
                    r->p);
        return TOKEN_BAD;
    }
    return TOKEN_WORD;
}

/* A brace after '$' belongs to the variable. */
static enum token take_plain(struct reader *r)
{
    bool variable = false;
    while (r->p < r->end && !is_blank(*r->p) && *r->p != ';' && (*r->p != '{' || variable)) {
        char c = take(r);
        variable = c == '$';
        if (c == '\\')
            take_escaped(r);
        else
            strbuf_putc(&r->word, c);
    }
    return TOKEN_WORD;
}

static enum token next_token(struct reader *r)
{
    strbuf_reset(&r->word);
    skip_blanks(r);
    if (r->p == r->end)
        return TOKEN_END;
    switch (*r->p) {
    case ';':
        r->p++;
        return TOKEN_SEMICOLON;
    case '{':
        r->p++;
        return TOKEN_OPEN;
    case '}':
        r->p++;
        return TOKEN_CLOSE;
    case '"':
    case '\'':
        return take_quoted(r);
    default:
        return take_plain(r);
    }
}

/* ---- directives */

static struct nginx_node *make_node(struct reader *r)
{
    struct nginx_node *n = mem_zalloc(sizeof(*n));
    n->file = r->file->name;
    n->line = r->line;
    n->made_before = r->conf->newest;
    r->conf->newest = n;
    r->conf->n_nodes++;
    return n;
}

static void attach(struct nginx_node *parent, struct nginx_node *n)
{
    n->parent = parent;
    if (parent->last != NULL)
        parent->last->next = n;
    else
        parent->first = n;
    parent->last = n;
}

static enum err add_word(struct reader *r, struct nginx_node **np)
{
    if (*np == NULL) {
        if (r->conf->n_nodes >= NGINX_DIRECTIVES_MAX)
            return wrong(r, ERR_TOO_BIG, "more than %d directives", NGINX_DIRECTIVES_MAX);
        *np = make_node(r);
    }
    struct nginx_node *n = *np;
    if (n->n_words >= NGINX_WORDS_MAX)
        return wrong(r, ERR_TOO_BIG, "a directive of more than %d words", NGINX_WORDS_MAX);
    if ((n->n_words & (n->n_words - 1)) == 0) /* a power of two: it is full */
        n->words = mem_realloc(n->words, (n->n_words ? 2 * n->n_words : 1) * sizeof(*n->words));
    n->words[n->n_words++] = mem_strndup(r->word.data ? r->word.data : "", r->word.len);
    return ERR_NONE;
}

/* Of its words up to ';' or '{'. *np NULL: the block, or the file, has ended instead. */
static enum err read_words(struct reader *r, struct nginx_node **np, enum token *end)
{
    *np = NULL;
    for (;;) {
        *end = next_token(r);
        if (*end == TOKEN_BAD)
            return ERR_INVALID;
        if (*end != TOKEN_WORD)
            break;
        enum err e = add_word(r, np);
        if (e != ERR_NONE)
            return e;
    }
    bool ends_block = *end == TOKEN_CLOSE || *end == TOKEN_END;
    if (*np != NULL && ends_block)
        return wrong(r, ERR_INVALID, "'%.64s' of line %u is not ended by ';'", (*np)->words[0],
                     (*np)->line);
    if (*np == NULL && !ends_block)
        return wrong(r, ERR_INVALID, "unexpected '%c'", *end == TOKEN_OPEN ? '{' : ';');
    return ERR_NONE;
}

/* The program in another language is passed over, by its braces. */
static enum err skip_program(struct reader *r)
{
    for (unsigned depth = 1; depth > 0;) {
        if (r->p == r->end)
            return wrong(r, ERR_INVALID, "a block of Lua is never closed");
        char c = take(r);
        depth += c == '{';
        depth -= c == '}';
    }
    return ERR_NONE;
}

static bool is_program(const struct nginx_node *n)
{
    size_t len = strlen(n->words[0]), tail = strlen(LUA_BLOCK);
    return len > tail && strcmp(n->words[0] + len - tail, LUA_BLOCK) == 0;
}

/* ---- includes */

static void full_pattern(const struct nginx_conf *c, const char *pattern, struct strbuf *out)
{
    const char *main_file = c->files[0].name, *slash = strrchr(main_file, '/');
    if (pattern[0] != '/' && slash != NULL)
        strbuf_append(out, main_file, (size_t)(slash - main_file) + 1);
    strbuf_puts(out, pattern);
}

static enum err include(struct reader *r, const struct nginx_node *n)
{
    struct nginx_conf *c = r->conf;
    struct strbuf pattern;
    enum err e = ERR_NONE;
    unsigned found = 0;
    if (n->n_words != 2)
        return wrong(r, ERR_INVALID, "'include' takes one name");
    if (r->includes >= NGINX_DEPTH_MAX)
        return wrong(r, ERR_TOO_BIG, "includes within includes, more than %d deep",
                     NGINX_DEPTH_MAX);
    strbuf_init(&pattern, NGINX_TEXT_MAX);
    full_pattern(c, n->words[1], &pattern);
    for (unsigned i = 0; c->is_dump && e == ERR_NONE && i < c->n_files; i++) {
        if (fnmatch(pattern.data, c->files[i].name, FNM_PATHNAME | FNM_PERIOD) != 0)
            continue;
        found++;
        e = read_file(c, &c->files[i], n->parent, r->includes + 1, r->why, r->why_max);
    }
    strbuf_fini(&pattern);
    c->unread += found == 0 && !c->is_dump;
    return e;
}

/* ---- blocks */

static unsigned depth_of(const struct nginx_node *n)
{
    unsigned depth = 0;
    for (; n->parent != NULL; n = n->parent)
        depth++;
    return depth;
}

/* *into: the block that the next directive is in. */
static enum err take_directive(struct reader *r, struct nginx_node *n, enum token end,
                               struct nginx_node **into)
{
    attach(*into, n);
    if (end == TOKEN_SEMICOLON)
        return nginx_node_is(n, "include") ? include(r, n) : ERR_NONE;
    n->is_block = true;
    if (is_program(n))
        return skip_program(r);
    if (depth_of(n) > NGINX_DEPTH_MAX)
        return wrong(r, ERR_TOO_BIG, "blocks within blocks, more than %d deep", NGINX_DEPTH_MAX);
    *into = n;
    return ERR_NONE;
}

static enum err read_directives(struct reader *r, struct nginx_node *top)
{
    struct nginx_node *into = top, *n;
    enum token end;
    for (;;) {
        enum err e = read_words(r, &n, &end);
        if (e == ERR_NONE && n != NULL)
            e = take_directive(r, n, end, &into);
        if (e != ERR_NONE)
            return e;
        if (n != NULL)
            continue;
        if (end == TOKEN_END && into == top)
            return ERR_NONE;
        if (end == TOKEN_END)
            return wrong(r, ERR_INVALID, "the block '%.64s' of line %u is not closed by '}'",
                         into->words[0], into->line);
        if (into == top)
            return wrong(r, ERR_INVALID, "unexpected '}'");
        into = into->parent;
    }
}

static enum err read_file(struct nginx_conf *c, const struct source *file, struct nginx_node *into,
                          unsigned includes, char *why, size_t why_max)
{
    struct reader r = {.conf = c,
                       .file = file,
                       .p = file->text,
                       .end = file->text + file->len,
                       .line = 1,
                       .includes = includes,
                       .why = why,
                       .why_max = why_max};
    c->scanned += file->len + 1;
    if (c->scanned > NGINX_SCAN_MAX)
        return wrong(&r, ERR_TOO_BIG, "the files include each other too often");
    strbuf_init(&r.word, NGINX_TEXT_MAX);
    enum err e = read_directives(&r, into);
    strbuf_fini(&r.word);
    return e;
}

/* ---- the files of a dump */

static void add_file(struct nginx_conf *c, const char *name, size_t name_len, const char *text)
{
    if ((c->n_files & (c->n_files - 1)) == 0)
        c->files = mem_realloc(c->files, (c->n_files ? 2 * c->n_files : 1) * sizeof(*c->files));
    c->files[c->n_files++] = (struct source){.name = mem_strndup(name, name_len), .text = text};
}

/* The name in a line that begins a file of a dump, or NULL. */
static const char *mark_of(const char *line, size_t len, size_t *name_len)
{
    size_t mark = strlen(DUMP_MARK);
    while (len > 0 && is_blank(line[len - 1]))
        len--;
    if (len < mark + 2 || memcmp(line, DUMP_MARK, mark) != 0 || line[len - 1] != ':')
        return NULL;
    *name_len = len - mark - 1;
    return line + mark;
}

static bool is_preface(const char *line, size_t len)
{
    size_t says = strlen(NGINX_SAYS);
    while (len > 0 && is_blank(line[len - 1]))
        len--;
    return len == 0 || (len >= says && memcmp(line, NGINX_SAYS, says) == 0);
}

/* False: it is no dump. Each file ends where the next one begins. */
static bool split_dump(struct nginx_conf *c, const char *text, size_t len)
{
    const char *end = text + len;
    for (const char *line = text, *next; line < end; line = next) {
        const char *eol = memchr(line, '\n', (size_t)(end - line));
        size_t name_len;
        next = eol != NULL ? eol + 1 : end;
        const char *name = mark_of(line, (size_t)(next - line), &name_len);
        if (name == NULL && c->n_files == 0 && !is_preface(line, (size_t)(next - line)))
            return false;
        if (name == NULL || c->n_files == NGINX_FILES_MAX)
            continue;
        if (c->n_files > 0)
            c->files[c->n_files - 1].len = (size_t)(line - c->files[c->n_files - 1].text);
        add_file(c, name, name_len, next);
    }
    if (c->n_files > 0)
        c->files[c->n_files - 1].len = (size_t)(end - c->files[c->n_files - 1].text);
    return c->n_files > 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct source *)a)->name, ((const struct source *)b)->name);
}

enum err nginx_conf_parse(const char *text, size_t len, const char *name, struct nginx_conf **out,
                          char *why, size_t why_max)
{
    REQUIRE(len <= NGINX_TEXT_MAX && name != NULL && why_max > 0);
    struct nginx_conf *c = mem_zalloc(sizeof(*c));
    c->is_dump = split_dump(c, text, len);
    if (!c->is_dump) {
        add_file(c, name, strlen(name), text);
        c->files[0].len = len;
    }
    if (c->n_files > 1) /* as nginx reads what a pattern matches */
        qsort(c->files + 1, c->n_files - 1, sizeof(*c->files), by_name);
    c->root = mem_zalloc(sizeof(*c->root));
    c->root->is_block = true;
    c->root->file = c->files[0].name;
    c->root->line = 1;
    enum err e = read_file(c, &c->files[0], c->root, 0, why, why_max);
    if (e == ERR_NONE)
        *out = c;
    else
        nginx_conf_destroy(&c);
    return e;
}

void nginx_conf_destroy(struct nginx_conf **cp)
{
    struct nginx_conf *c = *cp;
    if (c == NULL)
        return;
    for (struct nginx_node *n = c->newest, *before; n != NULL; n = before) {
        before = n->made_before;
        for (unsigned i = 0; i < n->n_words; i++)
            free(n->words[i]);
        free(n->words);
        free(n);
    }
    for (unsigned i = 0; i < c->n_files; i++)
        free(c->files[i].name);
    free(c->files);
    free(c->root);
    free(c);
    *cp = NULL;
}

/* ---- looking at it */

const struct nginx_node *nginx_conf_root(const struct nginx_conf *c)
{
    return c->root;
}

unsigned nginx_conf_unread(const struct nginx_conf *c)
{
    return c->unread;
}

const struct nginx_node *nginx_node_after(const struct nginx_node *n)
{
    if (n->first != NULL)
        return n->first;
    while (n != NULL && n->next == NULL)
        n = n->parent;
    return n != NULL ? n->next : NULL;
}

bool nginx_node_is(const struct nginx_node *n, const char *directive)
{
    return n->n_words > 0 && strcmp(n->words[0], directive) == 0;
}
