/* SPDX-License-Identifier: MIT */
#include "master/commands.h"
#include <stdlib.h>
#include <string.h>
#include "master/auth/tokens.h"
#include "master/check_nginx.h"
#include "master/store/store.h"

#define WHY_MAX 512

static int usage(const char *sentence)
{
    fprintf(stderr, "sonde-master: %s\n", sentence);
    return EXIT_USAGE;
}

static int failed(const char *why)
{
    fprintf(stderr, "sonde-master: %s\n", why);
    return EXIT_FAILURE;
}

/* ---- token */

static int token_add_cmd(const struct master_options *o, const char *word)
{
    char token[TOKEN_TEXT_MAX], why[WHY_MAX];
    enum token_scope scope;
    if (word != NULL)
        return usage("'token add' takes no argument, only --data, --scope and --name");
    if (o->scope == NULL || token_scope_parse(o->scope, &scope) != ERR_NONE)
        return usage("'token add' needs --scope agent, read, submit or admin");
    if (o->name != NULL && scope != SCOPE_AGENT)
        return usage("--name binds a token of scope agent; other scopes have none");
    enum err e = token_add(master_options_data(o), scope, o->name, token, why, sizeof(why));
    if (e != ERR_NONE)
        return e == ERR_INVALID ? usage(why) : failed(why);
    printf("%s\n", token);
    explicit_bzero(token, sizeof(token));
    return fflush(stdout) == 0 ? EXIT_SUCCESS : failed("the token could not be printed");
}

static int token_list_cmd(const struct master_options *o, const char *word)
{
    char why[WHY_MAX];
    if (word != NULL)
        return usage("'token list' takes no argument, only --data");
    if (token_list(master_options_data(o), stdout, why, sizeof(why)) != ERR_NONE)
        return failed(why);
    return EXIT_SUCCESS;
}

static int token_revoke_cmd(const struct master_options *o, const char *id)
{
    char why[WHY_MAX];
    if (id == NULL)
        return usage("'token revoke' needs the token's id, as 'token list' shows it");
    if (token_revoke(master_options_data(o), id, why, sizeof(why)) != ERR_NONE)
        return failed(why);
    return EXIT_SUCCESS;
}

static const struct {
    const char *word;
    int (*run)(const struct master_options *o, const char *argument);
} token_commands[] = {
    {"add", token_add_cmd}, {"list", token_list_cmd}, {"revoke", token_revoke_cmd}};

static int run_token(const struct master_options *o, const char *const *words, size_t n)
{
    if (n > 3)
        return usage("too many arguments: a token command takes at most one");
    for (size_t i = 0; n > 1 && i < ARRAY_LEN(token_commands); i++)
        if (strcmp(words[1], token_commands[i].word) == 0)
            return token_commands[i].run(o, n > 2 ? words[2] : NULL);
    return usage("'token' is followed by add, list or revoke");
}

/* ---- the others */

static int run_check(const struct master_options *o, size_t n)
{
    if (n > 1)
        return usage("'check' takes no argument, only --data");
    if (!store_check(master_options_data(o), stdout))
        return EXIT_FAILURE;
    printf("%s: every task is accounted for\n", master_options_data(o));
    return EXIT_SUCCESS;
}

static int run_check_nginx(const struct master_options *o, const char *const *words, size_t n)
{
    char why[WHY_MAX];
    bool well = false;
    if (n != 2)
        return usage("'check-nginx' takes one argument: a file, or - for what 'nginx -T' prints");
    if (!check_nginx(o, words[1], stdout, &well, why, sizeof(why)))
        return usage(why);
    return well ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool run_flag(const struct master_options *o)
{
    if (o->help)
        master_options_help(o, stdout);
    else if (o->version)
        printf("sonde-master %s\n", SONDE_VERSION);
    else if (o->print_config)
        options_print(o->options, stdout);
    else if (o->check_config)
        printf("the configuration is good\n");
    else
        return false;
    return true;
}

static int unknown(const char *word)
{
    fprintf(stderr,
            "sonde-master: unknown command '%s'; there are serve, token, check and "
            "check-nginx\n",
            word);
    return EXIT_USAGE;
}

bool command_run(const struct master_options *o, const char *const *words, size_t n, int *rc)
{
    const char *word = n > 0 ? words[0] : "serve";
    *rc = EXIT_SUCCESS;
    if (run_flag(o))
        return true;
    if (strcmp(word, "serve") == 0 && n < 2)
        return false;
    if (strcmp(word, "token") == 0)
        *rc = run_token(o, words, n);
    else if (strcmp(word, "check") == 0)
        *rc = run_check(o, n);
    else if (strcmp(word, "check-nginx") == 0)
        *rc = run_check_nginx(o, words, n);
    else if (strcmp(word, "serve") == 0)
        *rc = usage("'serve' takes no argument, only flags");
    else
        *rc = unknown(word);
    return true;
}
