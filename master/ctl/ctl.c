/* SPDX-License-Identifier: MIT */
#include "master/ctl/ctl.h"
#include "master/ctl/args.h"
#include "master/ctl/client.h"
#include "common/text.h"
#include "master/ctl/verbs.h"
#include <errno.h>
#include <signal.h>
#include <string.h>

#define WHY_MAX       512
#define HELP_WORD_MAX 64

__attribute__((format(printf, 2, 0))) static void say(const char *lead, const char *fmt, va_list ap)
{
    struct strbuf raw, clean;
    strbuf_init(&raw, 2 * TEXT_CELL_MAX);
    strbuf_init(&clean, 8 * TEXT_CELL_MAX);
    strbuf_vprintf(&raw, fmt, ap);
    text_clean(&clean, raw.data);
    fprintf(stderr, "%s%s\n", lead, clean.data);
    strbuf_fini(&raw);
    strbuf_fini(&clean);
}

void ctl_say(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say("", fmt, ap);
    va_end(ap);
}

int ctl_fail(int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say("sonde: ", fmt, ap);
    va_end(ap);
    return code;
}

int ctl_unwritten(int errnum)
{
    if (errnum == EPIPE)
        return EXIT_SOME_FAILED;
    return ctl_fail(EXIT_SOME_FAILED, "standard output cannot be written: %s", strerror(errnum));
}

static int run(struct ctl *c)
{
    int code = EXIT_ALL_OK;
    if (c->o.help) {
        (void)args_help(c->verb ? c->verb->word : c->group, stdout);
        return EXIT_ALL_OK;
    }
    if (c->o.version) {
        printf("sonde %s\n", SONDE_VERSION);
        return EXIT_ALL_OK;
    }
    if (c->verb->run != help_run && (c->client = client_create(c, &code)) == NULL)
        return code;
    code = c->verb->run(c);
    client_destroy(&c->client);
    return code;
}

/* The codes of a verb that grades what it found are taken: what kept it from that is one more. */
static int not_graded(const struct ctl *c, int code)
{
    bool grades = c->verb != NULL && c->verb->run == diagnose_run;
    if (!grades || c->graded || code == EXIT_ALL_OK || code == EXIT_INTERRUPTED)
        return code;
    return EXIT_UNREACHABLE;
}

int ctl_main(int argc, char **argv)
{
    struct ctl c = {.owner = NULL};
    char why[WHY_MAX] = "";
    REQUIRE(argc > 0);
    signal(SIGPIPE, SIG_IGN); /* a reader that goes away is an error of writing, said once */
    text_init();
    enum err e = args_parse(&c, argc, argv, why, sizeof(why));
    int code = e == ERR_NONE ? run(&c) : ctl_fail(EXIT_USAGE, "%s", why);
    code = not_graded(&c, code);
    args_fini(&c);
    if (code == EXIT_ALL_OK && (fflush(stdout) != 0 || ferror(stdout)))
        code = ctl_unwritten(errno);
    return code;
}

int help_run(struct ctl *c)
{
    char word[HELP_WORD_MAX];
    const char *second = c->n_words > 1 ? c->words[1] : "";
    snprintf(word, sizeof(word), "%s%s%s", c->n_words > 0 ? c->words[0] : "", *second ? " " : "",
             second);
    if (!args_help(c->n_words > 0 ? word : NULL, stdout))
        return ctl_fail(EXIT_USAGE, "unknown verb '%s'; 'sonde help' lists the verbs", word);
    return EXIT_ALL_OK;
}
