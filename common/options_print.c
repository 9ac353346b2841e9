/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "common/json.h"
#include "common/options_impl.h"

#define WIDTH       80
#define HELP_COLUMN 30
#define TEXT_MAX    2048
#define VALUE_MAX   (1u << 20)

/* Columns of UTF-8 text: bytes that start a character. */
static size_t columns(const char *p, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)p[i] & 0xc0) != 0x80;
    return count;
}

/* Words from `column` on, continued under HELP_COLUMN. */
static void wrap(FILE *to, const char *text, size_t column)
{
    if (column + 1 > HELP_COLUMN) {
        fputc('\n', to);
        column = 0;
    }
    fprintf(to, "%*s", (int)(HELP_COLUMN - column), "");
    column = HELP_COLUMN;
    for (const char *p = text; *p != '\0';) {
        size_t n = strcspn(p, " "), wide = columns(p, n);
        if (column > HELP_COLUMN && column + 1 + wide > WIDTH) {
            fprintf(to, "\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        }
        fprintf(to, "%s%.*s", column > HELP_COLUMN ? " " : "", (int)n, p);
        column += wide + (column > HELP_COLUMN);
        p += n;
        p += strspn(p, " ");
    }
    fputc('\n', to);
}

static void help_option(const struct option *t, FILE *to)
{
    char left[160], text[TEXT_MAX];
    const char *value = t->value_name != NULL ? t->value_name : "VALUE";
    char brief[8] = "    ";
    if (t->short_name != 0)
        snprintf(brief, sizeof(brief), "-%c, ", t->short_name);
    snprintf(left, sizeof(left), "  %s--%s%s%s", brief, t->name, t->kind == OPT_FLAG ? "" : " ",
             t->kind == OPT_FLAG ? "" : value);
    bool show_default = t->dflt != NULL && t->kind != OPT_FLAG && !t->secret;
    snprintf(text, sizeof(text), "%s%s%s%s%s", t->help != NULL ? t->help : "",
             t->kind == OPT_LIST ? " (repeatable)" : "", show_default ? " (default " : "",
             show_default ? t->dflt : "", show_default ? ")" : "");
    fputs(left, to);
    wrap(to, text, columns(left, strlen(left)));
}

static const char *heading(const struct option *section)
{
    return section->name != NULL ? section->name : section->help;
}

void options_help(const struct options *o, const char *usage, FILE *to)
{
    fprintf(to, "usage: %s\n", usage);
    if (o->n > 0 && o->table[0].kind != OPT_SECTION)
        fputc('\n', to);
    for (size_t i = 0; i < o->n; i++) {
        if (o->table[i].kind == OPT_SECTION)
            fprintf(to, "\n%s:\n", heading(&o->table[i]));
        else
            help_option(&o->table[i], to);
    }
}

static bool is_unset(const struct options *o, size_t i)
{
    switch (o->table[i].kind) {
    case OPT_STRING:
        return *(char **)options_field(o, i) == NULL;
    case OPT_LIST:
        return ((struct option_list *)options_field(o, i))->count == 0;
    case OPT_INT:
    case OPT_FLAG:
        return o->source[i] == SOURCE_NONE;
    case OPT_SECTION:
        break;
    }
    UNREACHABLE("a section has no value");
}

/* JSON's forms of values are YAML's too. */
static void print_value(const struct options *o, size_t i, struct json_out *w)
{
    const void *field = options_field(o, i);
    switch (o->table[i].kind) {
    case OPT_STRING:
        json_put_str(w, *(char *const *)field);
        return;
    case OPT_INT:
        json_put_int(w, *(const int64_t *)field);
        return;
    case OPT_FLAG:
        json_put_bool(w, *(const bool *)field);
        return;
    case OPT_LIST:
        json_arr_begin(w);
        for (size_t k = 0; k < ((const struct option_list *)field)->count; k++)
            json_put_str(w, ((const struct option_list *)field)->items[k]);
        json_arr_end(w);
        return;
    case OPT_SECTION:
        break;
    }
    UNREACHABLE("a section has no value");
}

static void print_option(const struct options *o, size_t i, FILE *to)
{
    const struct option *t = &o->table[i];
    if (is_unset(o, i)) {
        fprintf(to, "# %s:\n", t->name);
        return;
    }
    if (t->secret) {
        fprintf(to, "# %s: (set)\n", t->name);
        return;
    }
    struct strbuf b;
    struct json_out w;
    strbuf_init(&b, VALUE_MAX);
    json_out_init(&w, &b);
    print_value(o, i, &w);
    fprintf(to, "%s: %s\n", t->name, b.data);
    strbuf_fini(&b);
}

/* Does the section at i hold anything that a file may have? */
static bool has_keys(const struct options *o, size_t i)
{
    for (i++; i < o->n && o->table[i].kind != OPT_SECTION; i++)
        if (!o->table[i].cli_only)
            return true;
    return false;
}

void options_print(const struct options *o, FILE *to)
{
    for (size_t i = 0; i < o->n; i++) {
        if (o->table[i].kind == OPT_SECTION && has_keys(o, i))
            fprintf(to, "%s# %s\n", i > 0 ? "\n" : "", heading(&o->table[i]));
        else if (o->table[i].kind != OPT_SECTION && !o->table[i].cli_only)
            print_option(o, i, to);
    }
}
