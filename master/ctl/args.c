/* SPDX-License-Identifier: MIT */
#include "master/ctl/args.h"
#include "common/mem.h"
#include "common/strbuf.h"
#include "master/ctl/verbs.h"
#include "proto/limits.h"
#include <stdlib.h>
#include <string.h>

#define AT(field)   OPTION_FIELD(struct ctl_options, field)
#define FLAGS_MAX   (80 + TARGET_FLAGS_MAX)
#define USAGE_MAX   8192
#define VERB_WORDS  2 /* "schedule list" */
#define VERB_MAX    64
#define USAGE_WORDS 22 /* columns of a verb with its operands */
#define DEFAULT_URL "http://127.0.0.1:8700"

enum {
    SUBMIT = 1 << 0,
    PROBE = 1 << 1,
    BATCHES = 1 << 2,
    STATUS = 1 << 3,
    RESULTS = 1 << 4,
    CANCEL = 1 << 5,
    AGENTS = 1 << 6,
    HELP = 1 << 7,
    PAUSE = 1 << 8,
    RESUME = 1 << 9,
    RETRY = 1 << 10,
    TASK = 1 << 11,
    EVENTS = 1 << 12,
    DIAGNOSE = 1 << 13,
    APPLY = 1 << 14,
    SCHEDULES = 1 << 15,
    SHOW = 1 << 16,
    REMOVE = 1 << 17,
    CHECKS = 1 << 18,
    CHECK = 1 << 19,
    INCIDENTS = 1 << 20,
    DELIVERIES = 1 << 21,
    OVERVIEW = 1 << 22,
    PLAIN = 1 << 23, /* no flags but those of all */
    ANY = ~0
};

#define BATCH_REF "BATCH is an id, a unique beginning of one, or 'latest'."

static const struct verb verbs[] = {
    {"submit", "FILE|-", 1, 1, "submits a batch of targets",
     "FILE holds one target a line (http, https or dns URIs, # comments), or one JSON\n"
     "object a line (.ndjson), or a table with a header row (.csv: url, timeout_ms,\n"
     "user_id, ...), or a whole batch (.json); without such an ending its first bytes\n"
     "tell. The id of the batch goes to standard output, what there is to\n"
     "say to standard error.",
     SUBMIT, submit_run},
    {"probe", "TARGET", 1, 1, "probes one target now and shows every phase",
     "TARGET is a URL, a DNS question like 'dns:example.com?type=AAAA', a bare name beside\n"
     "--type, or an object of the API like '{\"url\":\"https://example.com/\",\"retries\":1}';\n"
     "flags replace what an object says.",
     PROBE, probe_run},
    {"batches", "", 0, 0, "lists the batches, newest first", NULL, BATCHES, batches_run},
    {"status", "[BATCH]", 0, 1, "shows a batch, or the master and its agents", BATCH_REF, STATUS,
     status_run},
    {"results", "BATCH", 1, 1, "shows the results of a batch, or exports them all",
     BATCH_REF " With -o ndjson or\n"
               "-o csv all results are exported; the last line states their count.",
     RESULTS, results_run},
    {"cancel", "BATCH", 1, 1, "cancels what has not ended of a batch", BATCH_REF, CANCEL,
     cancel_run},
    {"pause", "BATCH", 1, 1, "holds back what has not started of a batch",
     BATCH_REF "\nWhat agents have already goes on to its end, and so does the deadline.", PAUSE,
     pause_run},
    {"resume", "BATCH", 1, 1, "lets a paused batch go on", BATCH_REF, RESUME, resume_run},
    {"retry", "BATCH", 1, 1, "probes once more what failed in a batch that has ended",
     BATCH_REF "\nA new batch of the same targets, options and agents; the old one stays as it is.",
     RETRY, retry_run},
    {"task", "ID", 1, 1, "shows what a task went through, step by step",
     "ID is the number that results name. Steps of the clock \"agent\" are told by the agent's\n"
     "own clock.",
     TASK, task_run},
    {"agents", "[NAME]", 0, 1, "shows the agents, or one with its figures",
     "With -o json, ndjson or csv every figure is there.", AGENTS, agents_run},
    {"events", "", 0, 0, "shows what happened to the agents and the master",
     "Who connected, how each session ended and why, who was refused, what piles up; the newest\n"
     "last. The store keeps the newest 100,000, over restarts.",
     EVENTS, events_run},
    {"diagnose", "", 0, 0, "tells what is not well, what it means and what to do",
     "Ends with 0: all is well, 1: warnings, 2: something is bad, 3: the master could not be\n"
     "asked, whatever kept it. Takes half a second: the master measures meanwhile.",
     DIAGNOSE, diagnose_run},
    {"schedule apply", "FILE|-", 1, 1, "makes the schedules what a file says",
     "FILE is YAML or JSON: 'owner: TEXT', 'schedules:' with a list of definitions as the API has\n"
     "them, and 'alerts:' with channels by name. The master checks all schedules before anything "
     "is\n"
     "written, and a channel when it is written, before any schedule. What is there already as "
     "the\n"
     "file says stays untouched. With --dry-run it ends with 0: there is nothing to do,\n"
     "1: something would change.",
     APPLY, apply_run},
    {"schedule list", "", 0, 0, "lists the schedules", NULL, SCHEDULES, schedule_list_run},
    {"schedule show", "NAME", 1, 1, "shows a schedule and its definition", NULL, SHOW,
     schedule_show_run},
    {"schedule pause", "NAME", 1, 1, "lets nothing of a schedule be due",
     "Its checks are unknown until it is resumed.", PLAIN, schedule_pause_run},
    {"schedule resume", "NAME", 1, 1, "lets a paused schedule go on", NULL, PLAIN,
     schedule_resume_run},
    {"schedule remove", "NAME", 1, 1, "removes a schedule and its checks",
     "What runs ends; the history stays until it is old.", REMOVE, schedule_remove_run},
    {"checks", "", 0, 0, "lists the checks of schedules with their states", NULL, CHECKS,
     checks_run},
    {"check", "ID", 1, 1, "shows a check: state, uptime by day, runs, what was missed and why",
     "ID is the number that 'sonde checks' shows.", CHECK, check_run},
    {"overview", "", 0, 0, "shows the uptime of all checks, the worst first",
     "Absent time is unknown time: what nobody measured is neither up nor down.", OVERVIEW,
     overview_run},
    {"incidents", "", 0, 0, "lists what is or was broken, newest first", NULL, INCIDENTS,
     incidents_run},
    {"incident", "ID", 1, 1, "shows an incident with its evidence and who was told", NULL, PLAIN,
     incident_run},
    {"ack", "ID [NOTE]", 1, 2, "says that somebody works at an incident",
     "NOTE is one word to the shell: put it in quotes.", PLAIN, ack_run},
    {"alert list", "", 0, 0, "lists the alert channels", NULL, PLAIN, alert_list_run},
    {"alert show", "NAME", 1, 1, "shows an alert channel", "What is a secret shows as (set).",
     PLAIN, alert_show_run},
    {"alert set", "NAME FILE|-", 2, 2, "makes an alert channel what a file says",
     "FILE is YAML or JSON, as the API has it. \"(set)\" keeps a secret as it is.", PLAIN,
     alert_set_run},
    {"alert test", "NAME", 1, 1, "sends a message through a channel now",
     "Ends with 1 when it was not delivered.", PLAIN, alert_test_run},
    {"alert remove", "NAME", 1, 1, "removes an alert channel", NULL, REMOVE, alert_remove_run},
    {"deliveries", "", 0, 0, "lists the messages to alert channels, newest first", NULL, DELIVERIES,
     deliveries_run},
    {"help", "[VERB]", 0, VERB_WORDS, "explains a verb", NULL, HELP, help_run},
};

struct verb_flag {
    unsigned verbs;
    struct option option;
};

#define SECTION(mask, text)                                                                        \
    {                                                                                              \
        mask,                                                                                      \
        {                                                                                          \
            .kind = OPT_SECTION, .help = text                                                      \
        }                                                                                          \
    }
#define TEXT(mask, flag, field, value, about)                                                      \
    {                                                                                              \
        mask,                                                                                      \
        {                                                                                          \
            .name = flag, .kind = OPT_STRING, .offset = AT(field), .value_name = value,            \
            .help = about, .cli_only = true                                                        \
        }                                                                                          \
    }
#define LIST(mask, flag, field, value, about)                                                      \
    {                                                                                              \
        mask,                                                                                      \
        {                                                                                          \
            .name = flag, .kind = OPT_LIST, .offset = AT(field), .value_name = value,              \
            .help = about, .cli_only = true                                                        \
        }                                                                                          \
    }
#define FLAG(mask, flag, letter, field, about)                                                     \
    {                                                                                              \
        mask,                                                                                      \
        {                                                                                          \
            .name = flag, .short_name = letter, .kind = OPT_FLAG, .offset = AT(field),             \
            .help = about, .cli_only = true                                                        \
        }                                                                                          \
    }
#define NUMBER(mask, flag, field, value, low, high, given, about)                                  \
    {                                                                                              \
        mask,                                                                                      \
        {                                                                                          \
            .name = flag, .kind = OPT_INT, .offset = AT(field), .value_name = value,               \
            .dflt = given, .min = low, .max = high, .help = about, .cli_only = true                \
        }                                                                                          \
    }

static const struct verb_flag flags[] = {
    SECTION(SUBMIT | RETRY, "Watching"),
    FLAG(SUBMIT | RETRY, "watch", 'w', watch,
         "shows the progress until the batch has ended, then its results"),
    TEXT(SUBMIT | RETRY, "wait", wait, "TIME",
         "watches for this long at most (like 90s, 5m), then ends with 5"),
    NUMBER(SUBMIT | RETRY, "results", rows, "N", 0, 10000, "20",
           "rows of results shown at the end, failures first"),
    SECTION(SUBMIT | RETRY, "The batch"),
    TEXT(SUBMIT, "name", name, "TEXT", "a name for people"),
    TEXT(SUBMIT, "deadline", deadline, "TIME",
         "what has not ended by then expires (like 90s, 15m, 2h, 7d)"),
    TEXT(SUBMIT, "deadline-s", deadline_s, "SECONDS", "the same in seconds"),
    TEXT(SUBMIT, "per-host", per_host, "N",
         "probes in flight per host of the URLs; 0 = no limit (admins)"),
    TEXT(SUBMIT, "per-host-rate", per_host_rate, "N",
         "probes started per second and host, like 0.5; 0 = no limit"),
    LIST(SUBMIT, "label", labels, "KEY=VALUE", "a label of yours on the batch"),
    TEXT(SUBMIT, "priority", priority, "CLASS", "interactive or bulk"),
    TEXT(RETRY, "outcomes", outcomes, "WORD,…", "what to retry (failed,undetermined,expired)"),
    FLAG(SUBMIT, "strict", 0, strict, "any bad line refuses all"),
    TEXT(SUBMIT | RETRY, "idempotency-key", idempotency_key, "KEY",
         "the same key and request again give the same batch (24 h)"),
    SECTION(SUBMIT | PROBE, "Agents and probes"),
    LIST(SUBMIT | PROBE, "agent", agents, "NAME", "only this agent"),
    LIST(SUBMIT | PROBE, "tag", tags, "KEY=VALUE", "only agents with this tag"),
    TEXT(SUBMIT | PROBE, "count", count, "N|all",
         "from so many different agents, or from all that match"),
    FLAG(SUBMIT | PROBE, "log-tasks", 0, log_tasks,
         "each step of each task is logged, by the master and by its agent"),
    NUMBER(SUBMIT, "timeout-ms", timeout_ms, "N", 1, TIMEOUT_MS_MAX, NULL,
           "time-out of each probe"),
    SECTION(RESULTS, "Selection"),
    TEXT(RESULTS, "outcome", outcome, "WORD",
         "ok, failed, undetermined, refused, expired or cancelled"),
    TEXT(RESULTS, "cause", cause, "WORD", "like connect_timeout"),
    LIST(RESULTS, "agent", agents, "NAME", "measured by this agent"),
    TEXT(RESULTS, "host", host, "HOST", "of targets on this host"),
    NUMBER(RESULTS, "limit", limit, "N", 1, 100000, "100", "rows of the table"),
    SECTION(BATCHES, "Selection"),
    TEXT(BATCHES, "state", state, "WORD", "running, paused, cancelling, expiring or ended"),
    LIST(BATCHES, "label", labels, "KEY=VALUE", "with this label"),
    NUMBER(BATCHES, "limit", limit, "N", 1, 500, "20", "how many"),
    SECTION(EVENTS, "Selection"),
    FLAG(EVENTS, "follow", 'f', follow, "goes on with what comes, until it is interrupted"),
    TEXT(EVENTS, "agent", agent, "NAME", "of this agent"),
    TEXT(EVENTS, "kind", kind, "WORD", "like agent_disconnected or proxy_timeout"),
    NUMBER(EVENTS, "limit", limit, "N", 1, 1000, "50", "how many"),
    SECTION(APPLY | REMOVE, "What is changed"),
    FLAG(APPLY, "dry-run", 'n', dry_run, "shows what would change; ends with 1 if anything would"),
    FLAG(APPLY, "prune", 0, prune, "removes what the same owner has and the file does not"),
    FLAG(APPLY | REMOVE, "yes", 'y', yes, "removes without asking"),
    SECTION(SHOW, "The definition"),
    FLAG(SHOW, "targets", 0, targets, "with its targets"),
    SECTION(SCHEDULES | CHECKS | CHECK | OVERVIEW | INCIDENTS | DELIVERIES, "Selection"),
    TEXT(SCHEDULES, "owner", schedule_owner, "TEXT", "of this owner"),
    TEXT(SCHEDULES, "label", label, "KEY=VALUE", "with this label"),
    TEXT(CHECKS | OVERVIEW, "schedule", schedule, "NAME", "of this schedule"),
    TEXT(CHECKS, "state", state, "WORD", "up, degraded, down or unknown"),
    TEXT(CHECKS, "host", host, "HOST", "of targets on this host"),
    TEXT(INCIDENTS, "state", state, "WORD", "current, open, confirmed, resolved or withdrawn"),
    TEXT(DELIVERIES, "channel", channel, "NAME", "to this channel"),
    TEXT(DELIVERIES, "state", state, "WORD", "pending, delivered or failed"),
    NUMBER(CHECK, "days", days, "N", 1, 90, "30", "of history"),
    NUMBER(OVERVIEW, "days", days, "N", 1, 90, "7", "of history"),
    NUMBER(SCHEDULES | CHECKS | INCIDENTS | DELIVERIES, "limit", limit, "N", 1, 100000, "100",
           "how many"),
    NUMBER(OVERVIEW, "limit", limit, "N", 1, 100000, "50", "rows of the table"),
    SECTION(DIAGNOSE, "The findings"),
    FLAG(DIAGNOSE, "all", 'a', all, "also what is well"),
    FLAG(DIAGNOSE, "json", 0, json, "the same as --output json"),
    SECTION(ANY, "The master"),
    {ANY,
     {.name = "url",
      .kind = OPT_STRING,
      .offset = AT(url),
      .value_name = "URL",
      .dflt = DEFAULT_URL,
      .help = "where the master is; also SONDE_URL, also unix:PATH"}},
    {ANY,
     {.name = "token-file",
      .kind = OPT_STRING,
      .offset = AT(token_file),
      .value_name = "FILE",
      .help = "holds the token; also SONDE_TOKEN_FILE, or the token itself in SONDE_TOKEN"}},
    {ANY,
     {.name = "ca-file",
      .kind = OPT_STRING,
      .offset = AT(ca_file),
      .value_name = "FILE",
      .help = "CAs that the master's certificate may be of; also SONDE_CA_FILE"}},
    SECTION(ANY, "General"),
    {ANY,
     {.name = "output",
      .short_name = 'o',
      .kind = OPT_STRING,
      .offset = AT(output),
      .value_name = "FORM",
      .dflt = "table",
      .help = "table, json, ndjson or csv",
      .cli_only = true}},
    FLAG(ANY, "version", 0, version, "prints the version"),
    FLAG(ANY, "help", 'h', help, "prints this"),
};

static size_t select_flags(unsigned verb_bits, struct option table[FLAGS_MAX])
{
    size_t n = 0;
    REQUIRE(ARRAY_LEN(flags) + TARGET_FLAGS_MAX <= FLAGS_MAX);
    bool target = verb_bits & PROBE; /* its flags stand before those of all verbs */
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (target && flags[i].verbs == (unsigned)ANY) {
            n += target_flags_options(table + n, TARGET_FLAGS_MAX, AT(target));
            target = false;
        }
        if (flags[i].verbs & verb_bits)
            table[n++] = flags[i].option;
    }
    return n;
}

const struct verb *args_find(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (strcmp(verbs[i].word, word) == 0)
            return &verbs[i];
    return NULL;
}

/* Whether the flag in this word takes the next word as its value; only flags of all verbs stand
 * before the verb. */
static bool takes_next(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        const struct option *t = &flags[i].option;
        if (t->kind == OPT_SECTION || t->kind == OPT_FLAG)
            continue;
        if (strncmp(word, "--", 2) == 0 ? strcmp(word + 2, t->name) == 0
                                        : t->short_name && word[1] == t->short_name && !word[2])
            return true;
    }
    return false;
}

/* The length of the group's name, if the word is one of a verb of two words; else 0. */
static size_t group_len(const char *word)
{
    size_t n = strcspn(word, " ");
    return word[n] == ' ' ? n : 0;
}

static bool is_of(const struct verb *v, const char *group)
{
    size_t n = group_len(v->word);
    return n > 0 && n == strlen(group) && strncmp(v->word, group, n) == 0;
}

static bool is_group(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (is_of(&verbs[i], word))
            return true;
    return false;
}

/* Where the words of the verb stand in argv, two of them behind a group's name; how many there
 * are. */
static unsigned find_verb(int argc, char **argv, int at[VERB_WORDS])
{
    unsigned n = 0;
    for (int i = 1; i < argc && n < VERB_WORDS; i++) {
        if (argv[i][0] == '-' && argv[i][1] != '\0') {
            i += takes_next(argv[i]);
            continue;
        }
        at[n++] = i;
        if (n == 1 && !is_group(argv[i]))
            break;
    }
    return n;
}

enum err args_form(const char *word, enum form *out)
{
    static const char *const words[] = {
        [FORM_TABLE] = "table", [FORM_JSON] = "json", [FORM_NDJSON] = "ndjson", [FORM_CSV] = "csv"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcmp(word, words[i]) != 0)
            continue;
        *out = (enum form)i;
        return ERR_NONE;
    }
    return ERR_INVALID;
}

static enum err check(struct ctl *c, char *why, size_t why_max)
{
    if (c->o.help || c->o.version)
        return ERR_NONE;
    if (args_form(c->o.output, &c->form) != ERR_NONE) {
        snprintf(why, why_max, "--output must be table, json, ndjson or csv, got '%s'",
                 c->o.output);
        return ERR_INVALID;
    }
    if (!c->verb)
        snprintf(why, why_max, "a verb is missing; 'sonde help' lists them");
    else if (c->n_words < c->verb->least)
        snprintf(why, why_max, "%s is missing; usage: sonde %s %s [options]", c->verb->operands,
                 c->verb->word, c->verb->operands);
    else
        return ERR_NONE;
    return ERR_INVALID;
}

/* The words without those of the verb; the caller frees the array. */
static char **without_verb(int argc, char **argv, const int at[VERB_WORDS], unsigned n, int *left)
{
    char **rest = mem_array((size_t)argc + 1, sizeof(*rest));
    *left = 0;
    for (int i = 0; i < argc; i++) {
        bool verb = (n > 0 && i == at[0]) || (n > 1 && i == at[1]);
        if (!verb)
            rest[(*left)++] = argv[i];
    }
    return rest;
}

/* "schedule: apply, list, …" */
static void list_group(struct strbuf *b, const char *group)
{
    const char *gap = "";
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (!is_of(&verbs[i], group))
            continue;
        strbuf_printf(b, "%s%s", gap, verbs[i].word + strlen(group) + 1);
        gap = ", ";
    }
}

static enum err no_verb(char **argv, const int at[VERB_WORDS], unsigned n, char *why,
                        size_t why_max)
{
    struct strbuf all;
    if (!is_group(argv[at[0]])) {
        snprintf(why, why_max, "unknown verb '%s'; 'sonde help' lists the verbs", argv[at[0]]);
        return ERR_INVALID;
    }
    strbuf_init(&all, USAGE_MAX);
    list_group(&all, argv[at[0]]);
    if (n == 1)
        snprintf(why, why_max, "'sonde %s' does nothing alone; one of these follows: %s",
                 argv[at[0]], all.data);
    else
        snprintf(why, why_max, "unknown verb '%s %s'; there are: %s", argv[at[0]], argv[at[1]],
                 all.data);
    strbuf_fini(&all);
    return ERR_INVALID;
}

static const struct verb *verb_at(char **argv, const int at[VERB_WORDS], unsigned n)
{
    char word[VERB_MAX];
    if (n == 0)
        return NULL;
    snprintf(word, sizeof(word), "%s%s%s", argv[at[0]], n > 1 ? " " : "", n > 1 ? argv[at[1]] : "");
    return args_find(word);
}

enum err args_parse(struct ctl *c, int argc, char **argv, char *why, size_t why_max)
{
    int at[VERB_WORDS], left;
    REQUIRE(c->owner == NULL && argc > 0);
    unsigned words = find_verb(argc, argv, at);
    c->verb = verb_at(argv, at, words);
    c->table = mem_array(FLAGS_MAX, sizeof(*c->table));
    size_t n = select_flags(c->verb ? c->verb->bit : HELP, c->table);
    c->owner = options_create(c->table, n, &c->o);
    c->group = words == 1 && is_group(argv[at[0]]) ? argv[at[0]] : NULL;
    if (words > 0 && !c->verb && !c->group)
        return no_verb(argv, at, words, why, why_max);
    char **rest = without_verb(argc, argv, at, words, &left);
    size_t most = c->verb ? c->verb->most : 0;
    REQUIRE(most <= CTL_WORDS_MAX);
    enum err e = options_load(c->owner, left, rest, c->words, most, &c->n_words, why, why_max);
    free(rest);
    if (e == ERR_NONE && c->group && !c->o.help && !c->o.version)
        return no_verb(argv, at, words, why, why_max);
    return e != ERR_NONE ? e : check(c, why, why_max);
}

void args_fini(struct ctl *c)
{
    options_destroy(&c->owner);
    free(c->table);
    c->table = NULL;
}

/* All of them, or a group's. */
static void help_list(const char *group, FILE *to)
{
    struct strbuf usage;
    struct option table[FLAGS_MAX];
    struct ctl_options none = {.url = NULL};
    strbuf_init(&usage, USAGE_MAX);
    strbuf_printf(&usage, "sonde %s%sVERB [options]\n\n", group ? group : "", group ? " " : "");
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        char line[VERB_MAX + USAGE_WORDS];
        if (group && !is_of(&verbs[i], group))
            continue;
        snprintf(line, sizeof(line), "%s %s", verbs[i].word, verbs[i].operands);
        strbuf_printf(&usage, "  %-*s %s\n", USAGE_WORDS, line, verbs[i].summary);
    }
    strbuf_puts(&usage, "\n'sonde help VERB' explains one. Options of all verbs:");
    struct options *o = options_create(table, select_flags(HELP, table), &none);
    options_help(o, usage.data, to);
    options_destroy(&o);
    strbuf_fini(&usage);
    fputs("\nends with 0: all ok, 1: some failed, 2: wrong usage, 3: the master is unreachable,\n"
          "          4: no token or a wrong one, 5: a deadline or --wait has passed\n",
          to);
}

static void help_verb(const struct verb *v, FILE *to)
{
    char usage[160];
    struct option table[FLAGS_MAX];
    struct ctl_options none = {.url = NULL};
    struct options *o = options_create(table, select_flags(v->bit, table), &none);
    snprintf(usage, sizeof(usage), "sonde %s %s%s[options]\n\n%s", v->word, v->operands,
             *v->operands ? " " : "", v->summary);
    options_help(o, usage, to);
    options_destroy(&o);
    if (v->about)
        fprintf(to, "\n%s\n", v->about);
}

bool args_help(const char *word, FILE *to)
{
    const struct verb *v = word ? args_find(word) : NULL;
    if (v)
        help_verb(v, to);
    else if (!word || is_group(word))
        help_list(word, to);
    else
        return false;
    return true;
}
