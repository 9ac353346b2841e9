/* SPDX-License-Identifier: MIT */
#include "master/check_nginx.h"
#include <string.h>
#include "common/file_text.h"
#include "common/screen.h"
#include "common/text.h"
#include "master/nginxconf/nginx_judge.h"

#define INDENT   4
#define WORD_COL 4 /* "why ", "do  " */

static void put_line(struct strbuf *out, const char *word, const char *text, size_t width)
{
    text_pad(out, INDENT);
    strbuf_puts(out, word);
    text_pad(out, WORD_COL - strlen(word));
    text_wrap(out, text, width, INDENT + WORD_COL, INDENT + WORD_COL);
    strbuf_putc(out, '\n');
}

/* What is from the file is made clean. */
static void put_finding(struct strbuf *out, const struct nginx_finding *f, size_t width)
{
    struct strbuf line, clean;
    strbuf_init(&line, out->max);
    strbuf_init(&clean, out->max);
    strbuf_printf(&line, "%s:%u: %s %s: %s", f->file, f->line, nginx_grade_word(f->grade),
                  nginx_rule_word(f->rule), f->what);
    text_clean(&clean, line.data);
    text_wrap(out, clean.data, width, 0, INDENT);
    strbuf_putc(out, '\n');
    if (f->grade != NGINX_NOTE) {
        put_line(out, "why", nginx_rule_why(f->rule), width);
        put_line(out, "do", nginx_rule_fix(f->rule), width);
    }
    strbuf_fini(&line);
    strbuf_fini(&clean);
}

static void put_sum(struct strbuf *out, const struct nginx_report *r)
{
    unsigned ill = r->count[NGINX_BAD] + r->count[NGINX_WARN];
    if (r->left_out > 0)
        strbuf_printf(out, "%u more are not shown\n", r->left_out);
    strbuf_printf(out, "places judged: %u for agents, %u for the API; %d rules: ", r->agents,
                  r->api, (int)NGINX_RULES);
    if (ill == 0)
        strbuf_puts(out, "all is well\n");
    else
        strbuf_printf(out, "%u bad, %u to be warned of\n", r->count[NGINX_BAD],
                      r->count[NGINX_WARN]);
}

static bool say(const struct nginx_report *r, FILE *to)
{
    struct strbuf out;
    size_t width = screen_style(to).width;
    text_init();
    strbuf_init(&out, 4 * NGINX_TEXT_MAX);
    for (unsigned i = 0; i < r->n; i++)
        put_finding(&out, &r->findings[i], width);
    put_sum(&out, r);
    bool written = fwrite(out.data, 1, out.len, to) == out.len && fflush(to) == 0;
    strbuf_fini(&out);
    return written;
}

bool check_nginx(const struct master_options *o, const char *file, FILE *to, bool *well, char *why,
                 size_t why_max)
{
    struct nginx_master m = {.api = o->listen, .agents = o->agents_listen, .body_max = o->body_max};
    struct nginx_conf *conf = NULL;
    struct nginx_report r;
    struct strbuf text;
    strbuf_init(&text, NGINX_TEXT_MAX);
    bool judged =
        file_text(file, &text, why, why_max) == ERR_NONE &&
        nginx_conf_parse(text.data ? text.data : "", text.len,
                         strcmp(file, "-") == 0 ? "stdin" : file, &conf, why, why_max) == ERR_NONE;
    if (judged) {
        nginx_judge(conf, &m, &r);
        *well = r.count[NGINX_BAD] + r.count[NGINX_WARN] == 0;
        judged = say(&r, to);
        if (!judged)
            snprintf(why, why_max, "what was found could not be printed");
        nginx_report_fini(&r);
    }
    nginx_conf_destroy(&conf);
    strbuf_fini(&text);
    return judged;
}
