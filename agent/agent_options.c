/* SPDX-License-Identifier: MIT */
#include "agent/agent_options.h"
#include "agent/link/canary.h"
#include "agent/link/master_url.h"
#include "agent/link/token_file.h"
#include "agent/page/page.h"
#include "common/ids.h"
#include "common/mem.h"
#include "common/utf8.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define USAGE                                                                                      \
    "sonde-agent --master URL --name NAME --token-file FILE [options]\n"                           \
    "       sonde-agent probe TARGET [options]"
#define WORKERS_MAX 64
/* Of less, the files of a spool would be smaller than a result may be; of more, the number of
 * results that a HELLO can tell is reached long before. */
#define SPOOL_BYTES_MIN (1024 * 1024)
#define SPOOL_BYTES_MAX (4LL * 1024 * 1024 * 1024)
#define SLOTS_MAX       8192
/* A probe holds two sockets while two addresses race, and its share of the resolver's. */
#define FDS_PER_SLOT 3
#define FDS_SPARE    256
/* lws allocates 16 bytes for each descriptor that the limit allows. */
#define FDS_SANE 1048576
#define WHY_MAX  1024

#define AT(field) offsetof(struct agent_options, field)
static const struct option table[] = {
    {.kind = OPT_SECTION, .help = "Connection"},
    {.name = "master",
     .kind = OPT_STRING,
     .offset = AT(master),
     .value_name = "URL",
     .help = "where the master is: ws[s]://HOST[:PORT]/ws"},
    {.name = "name",
     .kind = OPT_STRING,
     .offset = AT(name),
     .value_name = "NAME",
     .help = "this agent's name, unique in the fleet"},
    {.name = "token-file",
     .kind = OPT_STRING,
     .offset = AT(token_file),
     .value_name = "FILE",
     .help = "holds the token (scope agent); read again at each connect"},
    {.name = "tag",
     .kind = OPT_LIST,
     .offset = AT(tag_texts),
     .value_name = "K=V",
     .help = "a tag that batches can select by"},
    {.name = "ca-file",
     .kind = OPT_STRING,
     .offset = AT(ca_file),
     .value_name = "FILE",
     .help =
         "PEM file of trusted authorities, for the master and for probes, instead of the system's"},
    {.name = "data",
     .kind = OPT_STRING,
     .offset = AT(data),
     .value_name = "DIR",
     .help = "keeps the instance id and the spool; default /var/lib/sonde-agent/NAME for root, "
             "else ~/.local/share/sonde-agent/NAME"},
    {.name = "spool-bytes",
     .kind = OPT_INT,
     .offset = AT(spool_bytes),
     .value_name = "N",
     .dflt = "134217728",
     .min = 0,
     .max = SPOOL_BYTES_MAX,
     .help = "results that wait for the master, at most, in memory and in DIR/spool, where they "
             "outlive the process; 0 = 128 MiB in memory alone"},
    {.kind = OPT_SECTION, .help = "Probes"},
    {.name = "workers",
     .kind = OPT_INT,
     .offset = AT(workers),
     .value_name = "N",
     .dflt = "0",
     .min = 0,
     .max = WORKERS_MAX,
     .help = "threads that run probes; 0 = one for each core"},
    {.name = "slots",
     .kind = OPT_INT,
     .offset = AT(slots),
     .value_name = "N",
     .dflt = "256",
     .min = 1,
     .max = SLOTS_MAX,
     .help = "probes in flight in each worker"},
    {.name = "resolver",
     .kind = OPT_STRING,
     .offset = AT(resolver),
     .value_name = "ADDR[:PORT]",
     .help = "the agent's own DNS servers, separated by commas, instead of those of "
             "/etc/resolv.conf; --dns-server is one target's"},
    {.name = "canary",
     .kind = OPT_LIST,
     .offset = AT(canary_texts),
     .value_name = "TARGET",
     .help = "always answers, and is asked when everything is silent: http://ADDR/ or "
             "dns://ADDR/NAME for the network, dns:NAME for the resolver"},
    {.kind = OPT_SECTION,
     .help = "Policy (private, loopback and special addresses are denied by default)"},
    {.name = "allow",
     .kind = OPT_LIST,
     .offset = AT(policy.allow),
     .value_name = "CIDR",
     .help = "addresses that may be probed though they are denied by default"},
    {.name = "deny",
     .kind = OPT_LIST,
     .offset = AT(policy.deny),
     .value_name = "CIDR",
     .help = "addresses that must not be probed; beats --allow"},
    {.name = "deny-port",
     .kind = OPT_LIST,
     .offset = AT(policy.deny_ports),
     .value_name = "PORT[-PORT]",
     .help = "ports that must not be reached; beats --allow-port"},
    {.name = "allow-port",
     .kind = OPT_LIST,
     .offset = AT(policy.allow_ports),
     .value_name = "PORT[-PORT]",
     .help = "when given, only these may be reached"},
    {.name = "deny-method",
     .kind = OPT_LIST,
     .offset = AT(policy.deny_methods),
     .value_name = "METHOD",
     .help = "a method of HTTP that must not be used; beats --allow-method"},
    {.name = "allow-method",
     .kind = OPT_LIST,
     .offset = AT(policy.allow_methods),
     .value_name = "METHOD",
     .help = "when given, only these may be used; TRACE and TRACK only if they are among them"},
    {.name = "deny-resolver",
     .kind = OPT_LIST,
     .offset = AT(policy.deny_resolvers),
     .value_name = "CIDR|all",
     .help = "resolvers that no target may name; beats --allow-resolver"},
    {.name = "allow-resolver",
     .kind = OPT_LIST,
     .offset = AT(policy.allow_resolvers),
     .value_name = "CIDR|all",
     .help = "when given, targets may name only these, if their addresses are allowed"},
    {.name = "dev", .kind = OPT_FLAG, .offset = AT(policy.dev), .help = "loopback may be probed"},
    {.kind = OPT_SECTION, .help = "General"},
    {.name = "config",
     .kind = OPT_STRING,
     .offset = AT(config),
     .value_name = "FILE",
     .cli_only = true,
     .help = "YAML file with the names of these flags"},
    {.name = "metrics-listen",
     .kind = OPT_STRING,
     .offset = AT(metrics_listen),
     .value_name = "ADDR:PORT",
     .help = "where /metrics (Prometheus) and /healthz are answered, without a token: loopback, "
             "like 127.0.0.1:8702; not given: nowhere"},
    {.name = "log-level",
     .kind = OPT_STRING,
     .offset = AT(log_level_text),
     .value_name = "LEVEL",
     .dflt = "info",
     .help = "debug, info, warn or error"},
    {.name = "log-format",
     .kind = OPT_STRING,
     .offset = AT(log_format_text),
     .value_name = "FORMAT",
     .dflt = "text",
     .help = "text or json"},
    {.name = "print-config",
     .kind = OPT_FLAG,
     .offset = AT(print_config),
     .cli_only = true,
     .help = "print the configuration as YAML and end"},
    {.name = "version",
     .kind = OPT_FLAG,
     .offset = AT(version),
     .cli_only = true,
     .help = "print the version and end"},
    {.name = "help",
     .short_name = 'h',
     .kind = OPT_FLAG,
     .offset = AT(help),
     .cli_only = true,
     .help = "print this and end"},
    {.kind = OPT_SECTION, .help = "The command 'probe': one probe here and now, without a master"},
    {.name = "json",
     .kind = OPT_FLAG,
     .offset = AT(json),
     .cli_only = true,
     .help = "print the result as JSON on one line"},
};
static struct option all_flags[ARRAY_LEN(table) + TARGET_FLAGS_MAX]; /* and those of the target */

static size_t join_flags(void)
{
    memcpy(all_flags, table, sizeof(table));
    return ARRAY_LEN(table) +
           target_flags_options(all_flags + ARRAY_LEN(table), TARGET_FLAGS_MAX, AT(target));
}

struct why {
    char text[WHY_MAX];
};

static bool fail(struct why *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool fail(struct why *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(w->text, sizeof(w->text), fmt, ap);
    va_end(ap);
    return false;
}

static bool take_command(struct agent_options *o, const char **words, size_t n, struct why *w)
{
    if (n == 0)
        return true;
    if (strcmp(words[0], "probe") != 0)
        return fail(w,
                    "unknown command '%s'; the only one is 'probe TARGET', and without a command "
                    "the agent runs",
                    words[0]);
    if (n == 1)
        return fail(w, "'probe' needs a target: sonde-agent probe https://example.com/");
    o->probe_target = words[1];
    return true;
}

static bool take_log(struct agent_options *o, struct why *w)
{
    if (log_level_parse(o->log_level_text, &o->log_level) != ERR_NONE)
        return fail(w, "--log-level must be debug, info, warn or error, not '%s'",
                    o->log_level_text);
    bool json = strcmp(o->log_format_text, "json") == 0;
    if (!json && strcmp(o->log_format_text, "text") != 0)
        return fail(w, "--log-format must be text or json, not '%s'", o->log_format_text);
    o->log_format = json ? LOG_JSON : LOG_TEXT;
    return true;
}

static bool take_tag(struct agent_options *o, char *text, struct why *w)
{
    char *eq = strchr(text, '=');
    if (!eq || eq == text)
        return fail(w, "--tag must be K=V, like site=berlin, not '%s'", text);
    if (eq - text > TAG_KEY_MAX || strlen(eq + 1) > TAG_VALUE_MAX ||
        !utf8_valid(text, strlen(text)))
        return fail(
            w,
            "--tag '%.40s…' is too long or not UTF-8: at most %d bytes before '=' and %d behind it",
            text, TAG_KEY_MAX, TAG_VALUE_MAX);
    *eq = '\0';
    for (unsigned i = 0; i < o->n_tags; i++)
        if (strcmp(o->tags[i].key, text) == 0)
            return fail(w, "--tag %s is given twice; a tag has one value", text);
    o->tags[o->n_tags++] = (struct msg_tag){text, eq + 1};
    return true;
}

static bool take_tags(struct agent_options *o, struct why *w)
{
    if (o->tag_texts.count > TAGS_MAX)
        return fail(w, "more than %d --tag are given", TAGS_MAX);
    for (size_t i = 0; i < o->tag_texts.count; i++)
        if (!take_tag(o, o->tag_texts.items[i], w))
            return false;
    return true;
}

static bool check_resolver(const char *text, struct why *w)
{
    char one[ADDR_TEXT_MAX];
    struct ip ip;
    uint16_t port;
    for (const char *p = text; p; p = *p ? p + 1 : NULL) {
        size_t n = strcspn(p, ",");
        if (n < sizeof(one)) {
            memcpy(one, p, n);
            one[n] = '\0';
        }
        if (n >= sizeof(one) || addr_parse(one, 53, &ip, &port) != ERR_NONE)
            return fail(
                w, "--resolver must be ADDR or ADDR:PORT, like 1.1.1.1 or [::1]:5353, not '%s'",
                text);
        p += n;
        if (*p == '\0')
            break;
    }
    return true;
}

static bool check_canaries(const struct agent_options *o, struct why *w)
{
    char why[WHY_MAX - 64];
    enum vital vital;
    if (o->canary_texts.count >= CANARIES_MAX)
        return fail(w, "more than %d --canary are given", CANARIES_MAX - 1);
    for (size_t i = 0; i < o->canary_texts.count; i++)
        if (canary_check(o->canary_texts.items[i], &vital, why, sizeof(why)) != ERR_NONE)
            return fail(w, "--canary %.80s: %s", o->canary_texts.items[i], why);
    return true;
}

static bool check_files(const struct agent_options *o, struct why *w)
{
    if (o->ca_file && access(o->ca_file, R_OK) != 0)
        return fail(w, "--ca-file %s cannot be read: %s", o->ca_file, strerror(errno));
    return !o->resolver || check_resolver(o->resolver, w);
}

/* What only an agent with a master needs. */
static bool check_agent(const struct agent_options *o, struct why *w)
{
    struct master_url url;
    char token[TOKEN_MAX + 1];
    if (!o->master)
        return fail(
            w, "--master is missing: the address of the master, like wss://sonde.example.com/ws");
    if (master_url_parse(o->master, &url, w->text, sizeof(w->text)) != ERR_NONE)
        return false;
    if (!o->name)
        return fail(w,
                    "--name is missing: a name for this agent, unique in the fleet, like berlin-1");
    if (!agent_name_valid(o->name))
        return fail(w,
                    "--name must be 1 to %d letters, digits and . _ -, beginning with a letter or "
                    "digit, not '%.80s'",
                    AGENT_NAME_MAX, o->name);
    if (!o->token_file)
        return fail(w, "--token-file is missing: 'sonde-master token add --scope agent' prints a "
                       "token to put into it");
    if (o->spool_bytes != 0 && o->spool_bytes < SPOOL_BYTES_MIN)
        return fail(w, "--spool-bytes must be 0 or at least %d, not %lld", SPOOL_BYTES_MIN,
                    (long long)o->spool_bytes);
    if (o->metrics_listen &&
        page_address_check(o->metrics_listen, w->text, sizeof(w->text)) != ERR_NONE)
        return false;
    enum err e = token_file_read(o->token_file, token, w->text, sizeof(w->text));
    explicit_bzero(token, sizeof(token));
    return e == ERR_NONE;
}

/* What only a probe here and now has. */
static bool check_probe(const struct agent_options *o, struct why *w)
{
    const char *flag = o->json ? "json" : target_flags_given(&o->target);
    if (o->probe_target || !flag)
        return true;
    return fail(w, "--%s belongs to a probe here and now: sonde-agent probe TARGET --%s", flag,
                flag);
}

static bool check_all(struct agent_options *o, const char **words, size_t n_words, struct why *w)
{
    if (!take_command(o, words, n_words, w) || !take_log(o, w) || !take_tags(o, w) ||
        !check_files(o, w) || !check_canaries(o, w) || !check_probe(o, w))
        return false;
    if (o->workers == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        o->workers = cores < 1 ? 1 : cores > WORKERS_MAX ? WORKERS_MAX : cores;
    }
    if (policy_options_read(&o->policy, &o->rules, w->text, sizeof(w->text)) != ERR_NONE)
        return false;
    return o->probe_target || check_agent(o, w);
}

/* --help, --version and --print-config; true when one of them was asked for. */
static bool answered(const struct agent_options *o)
{
    if (o->help)
        options_help(o->owner, USAGE, stdout);
    else if (o->version)
        printf("sonde-agent %s\n", SONDE_VERSION);
    else if (o->print_config)
        options_print(o->owner, stdout);
    return o->help || o->version || o->print_config;
}

bool agent_options_load(struct agent_options *o, int argc, char **argv, int *exit_code)
{
    const char *words[2];
    size_t n_words = 0;
    struct why w = {""};
    *o = (struct agent_options){0};
    o->owner = options_create(all_flags, join_flags(), o);
    enum err e = options_load(o->owner, argc, argv, words, ARRAY_LEN(words), &n_words, w.text,
                              sizeof(w.text));
    if (e == ERR_NONE && answered(o)) {
        *exit_code = 0;
        return false;
    }
    if (e == ERR_NONE && check_all(o, words, n_words, &w))
        return true;
    fprintf(stderr, "sonde-agent: %s\n", w.text);
    *exit_code = 2;
    return false;
}

void agent_options_fini(struct agent_options *o)
{
    policy_options_free(&o->rules);
    options_destroy(&o->owner);
}

struct policy *agent_options_policy(const struct agent_options *o)
{
    return policy_create(&o->rules);
}

enum err agent_options_raise_limits(const struct agent_options *o, char *why, size_t why_max)
{
    struct rlimit lim;
    rlim_t need = (rlim_t)(o->workers * o->slots) * FDS_PER_SLOT + FDS_SPARE;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &lim) == 0);
    if (lim.rlim_cur >= need && lim.rlim_cur <= FDS_SANE)
        return ERR_NONE;
    rlim_t hard = lim.rlim_max;
    lim.rlim_cur = need;
    if (hard < need)
        lim.rlim_max = need; /* root may */
    if (setrlimit(RLIMIT_NOFILE, &lim) == 0)
        return ERR_NONE;
    snprintf(why, why_max,
             "%ld workers with %ld slots need %lu file descriptors, but the limit is %lu: lower "
             "--workers or --slots, or "
             "raise the limit (ulimit -n, LimitNOFILE=)",
             (long)o->workers, (long)o->slots, (unsigned long)need, (unsigned long)hard);
    return ERR_SYSTEM;
}
