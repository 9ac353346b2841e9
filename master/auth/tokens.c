/* SPDX-License-Identifier: MIT */
#include "master/auth/tokens.h"
#include "common/digest.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/random.h"
#include "common/strbuf.h"
#include "proto/message.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOKEN_PREFIX    "sonde_"
#define TOKEN_RANDOM    32
#define TOKENS_FILE_MAX (8u << 20) /* TOKENS_MAX lines with long lists of names */
#define TOKEN_NAMES_MAX 1024
#define TOKEN_FIELDS    5
#define TOKEN_ID_RANDOM 4
#define ANY_NAME        "-"

/* A line of the file: id, scope, names or "-", time of creation, SHA-256 in hex; one blank between.
 */
struct token {
    char id[TOKEN_ID_MAX];
    enum token_scope scope;
    char *agents;
    char created[WALL_TEXT_MAX];
    uint8_t hash[SHA256_BYTES];
};
struct table {
    struct token *items;
    unsigned n;
};
struct stamp { /* tells one version of the file from another: a rename always brings a new inode or
                  time */
    ino_t ino;
    off_t size;
    struct timespec mtime;
    bool there;
};
struct tokens {
    char path[PATH_MAX];
    struct stamp stamp;
    struct table table;
    bool warned;
};

static const struct {
    const char *word;
    enum token_scope scope;
} scopes[] = {
    {"read", SCOPE_READ}, {"submit", SCOPE_SUBMIT}, {"admin", SCOPE_ADMIN}, {"agent", SCOPE_AGENT}};

static enum err fail(char *why, size_t why_max, enum err e, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static enum err fail(char *why, size_t why_max, enum err e, const char *fmt, ...)
{
    REQUIRE(e != ERR_NONE);
    va_list ap;
    va_start(ap, fmt);
    if (why && why_max)
        vsnprintf(why, why_max, fmt, ap);
    va_end(ap);
    return e;
}

static enum err errno_err(void)
{
    switch (errno) {
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_DENIED;
    case ENOSPC:
    case EDQUOT:
        return ERR_NO_SPACE;
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    default:
        return ERR_IO;
    }
}

static void path_in(char out[PATH_MAX], const char *dir, const char *name)
{
    REQUIRE(dir != NULL && name != NULL);
    int n = snprintf(out, PATH_MAX, "%s/%s", dir, name);
    if (n < 0 || n >= PATH_MAX)
        out[0] = '\0'; /* no such file: the caller's open says so */
}

/* ---- the table */

static void table_fini(struct table *t)
{
    for (unsigned i = 0; i < t->n; i++)
        free(t->items[i].agents);
    free(t->items);
    *t = (struct table){NULL, 0};
}

static struct token *table_add(struct table *t)
{
    REQUIRE(t->n < TOKENS_MAX);
    t->items = mem_realloc(t->items, (t->n + 1) * sizeof(*t->items));
    t->items[t->n] = (struct token){.id = ""};
    return &t->items[t->n++];
}

static bool names_valid(const char *names)
{
    char copy[TOKEN_NAMES_MAX + 1], *rest = copy, *name;
    if (strlen(names) > TOKEN_NAMES_MAX || names[0] == '\0')
        return false;
    snprintf(copy, sizeof(copy), "%s", names);
    while ((name = strsep(&rest, ",")) != NULL)
        if (!agent_name_valid(name))
            return false;
    return true;
}

/* Splits in place; false when the line is none of ours. */
static bool line_read(char *line, struct token *out)
{
    char *field[TOKEN_FIELDS];
    unsigned n = 0;
    for (char *rest = line, *f; n < TOKEN_FIELDS && (f = strsep(&rest, " ")) != NULL;)
        field[n++] = f;
    struct wall when;
    if (n != TOKEN_FIELDS || field[0][0] == '\0' || strlen(field[0]) >= sizeof(out->id) ||
        token_scope_parse(field[1], &out->scope) != ERR_NONE ||
        wall_parse(field[3], &when) != ERR_NONE || strlen(field[4]) != SHA256_HEX_MAX - 1 ||
        !hex_decode(field[4], SHA256_HEX_MAX - 1, out->hash))
        return false;
    if (strcmp(field[2], ANY_NAME) != 0 && !names_valid(field[2]))
        return false;
    snprintf(out->id, sizeof(out->id), "%s", field[0]);
    wall_format(when, out->created);
    out->agents = strcmp(field[2], ANY_NAME) ? mem_strdup(field[2]) : NULL;
    return true;
}

static void line_write(const struct token *t, struct strbuf *b)
{
    char hex[SHA256_HEX_MAX];
    hex_encode(t->hash, SHA256_BYTES, hex);
    strbuf_printf(b, "%s %s %s %s %s\n", t->id, token_scope_word(t->scope),
                  t->agents ? t->agents : ANY_NAME, t->created, hex);
}

/* The text is cut up. Empty lines and comments are skipped. */
static enum err table_read(char *text, const char *path, struct table *out, char *why, size_t max)
{
    struct table t = {NULL, 0};
    unsigned line_no = 0;
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;) {
        line_no++;
        if (line[0] == '\0' || line[0] == '#')
            continue;
        bool full = t.n == TOKENS_MAX;
        if (full || !line_read(line, table_add(&t))) {
            table_fini(&t);
            return fail(why, max, full ? ERR_TOO_BIG : ERR_CORRUPT,
                        full ? "%s:%u: more tokens than fit in one table; revoke some"
                             : "%s:%u: not a line that 'token add' wrote; remove it",
                        path, line_no);
        }
    }
    *out = t;
    return ERR_NONE;
}

/* ---- the file */

static struct stamp stamp_of(const struct stat *st)
{
    return (struct stamp){st->st_ino, st->st_size, st->st_mtim, true};
}

static bool stamp_equal(const struct stamp *a, const struct stamp *b)
{
    return a->there == b->there && a->ino == b->ino && a->size == b->size &&
           a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec;
}

static enum err read_all(int fd, struct strbuf *b)
{
    char chunk[16384];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof(chunk))) > 0)
        strbuf_append(b, chunk, (size_t)n);
    if (n < 0)
        return errno_err();
    return b->overflow ? ERR_TOO_BIG : ERR_NONE;
}

/* No file is an empty table. */
static enum err file_load(const char *path, struct table *out, struct stamp *stamp, char *why,
                          size_t max)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        *out = (struct table){NULL, 0};
        *stamp = (struct stamp){.there = false};
        return ERR_NONE;
    }
    if (fd < 0 || fstat(fd, &st) != 0) {
        int saved = errno;
        if (fd >= 0)
            close(fd);
        errno = saved;
        return fail(why, max, errno_err(), "%s: cannot be read: %s", path, strerror(saved));
    }
    struct strbuf b;
    strbuf_init(&b, TOKENS_FILE_MAX);
    enum err e = read_all(fd, &b);
    close(fd);
    e = e ? fail(why, max, e, "%s: cannot be read: %s", path, err_text(e))
          : table_read(b.data, path, out, why, max);
    strbuf_fini(&b);
    if (e == ERR_NONE)
        *stamp = stamp_of(&st);
    return e;
}

static bool write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return false;
        p += w;
        n -= (size_t)w;
    }
    return true;
}

static bool sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool ok = fsync(fd) == 0;
    close(fd);
    return ok;
}

/* Whole or not at all: a new file beside it, on disk, then renamed over it. */
static enum err file_replace(const char *dir, const char *name, const char *text, size_t len,
                             char *why, size_t max)
{
    char path[PATH_MAX], fresh[PATH_MAX], fresh_name[64];
    snprintf(fresh_name, sizeof(fresh_name), "%s.%ld.new", name, (long)getpid());
    path_in(path, dir, name);
    path_in(fresh, dir, fresh_name);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(why, max, errno_err(), "%s: cannot be written: %s", fresh, strerror(errno));
    bool ok = fchmod(fd, 0600) == 0 && write_all(fd, text, len) && fsync(fd) == 0;
    int saved = errno;
    close(fd);
    if (ok && rename(fresh, path) == 0 && sync_dir(dir))
        return ERR_NONE;
    errno = ok ? errno : saved;
    enum err e = errno_err();
    fail(why, max, e, "%s: cannot be written: %s", path, strerror(errno));
    unlink(fresh);
    return e;
}

static enum err table_save(const char *dir, const struct table *t, char *why, size_t max)
{
    struct strbuf b;
    strbuf_init(&b, TOKENS_FILE_MAX);
    for (unsigned i = 0; i < t->n; i++)
        line_write(&t->items[i], &b);
    enum err e = b.overflow ? fail(why, max, ERR_TOO_BIG,
                                   "%s: the table of tokens is full; revoke some", dir)
                            : file_replace(dir, "tokens", b.data, b.len, why, max);
    strbuf_fini(&b);
    return e;
}

/* The lock is a file of its own: the one that it guards is replaced by each change. */
static enum err lock_dir(const char *dir, int *fd_out, char *why, size_t max)
{
    char path[PATH_MAX];
    path_in(path, dir, "tokens.lock");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(why, max, errno_err(), "%s: cannot be opened: %s", path, strerror(errno));
    while (flock(fd, LOCK_EX) != 0)
        if (errno != EINTR) {
            close(fd);
            return fail(why, max, ERR_SYSTEM, "%s: cannot be locked: %s", path, strerror(errno));
        }
    *fd_out = fd;
    return ERR_NONE;
}

/* ---- scopes and grants */

enum err token_scope_parse(const char *word, enum token_scope *out)
{
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++)
        if (strcmp(scopes[i].word, word) == 0) {
            *out = scopes[i].scope;
            return ERR_NONE;
        }
    return ERR_INVALID;
}

const char *token_scope_word(enum token_scope s)
{
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++)
        if (scopes[i].scope == s)
            return scopes[i].word;
    UNREACHABLE("a scope is one of the table");
}

bool token_grant_allows(const struct token_grant *g, enum token_scope needed)
{
    switch (g->scope) {
    case SCOPE_ADMIN:
        return needed != SCOPE_AGENT;
    case SCOPE_SUBMIT:
        return needed == SCOPE_SUBMIT || needed == SCOPE_READ;
    case SCOPE_READ:
    case SCOPE_AGENT:
        return needed == g->scope;
    }
    UNREACHABLE("a grant has one scope of the table");
}

/* ---- a thread's view */

enum err tokens_open(const char *dir, struct tokens **out, char *why, size_t why_max)
{
    struct tokens *t = mem_zalloc(sizeof(*t));
    path_in(t->path, dir, "tokens");
    enum err e = file_load(t->path, &t->table, &t->stamp, why, why_max);
    if (e != ERR_NONE) {
        free(t);
        return e;
    }
    *out = t;
    return ERR_NONE;
}

void tokens_close(struct tokens **tp)
{
    REQUIRE(tp != NULL);
    if (*tp == NULL)
        return;
    table_fini(&(*tp)->table);
    free(*tp);
    *tp = NULL;
}

/* A file that cannot be looked at counts as changed, so that its loading says why. */
static bool changed(const struct tokens *t)
{
    struct stat st;
    struct stamp now = {.there = false};
    if (stat(t->path, &st) == 0)
        now = stamp_of(&st);
    else if (errno != ENOENT)
        return true;
    return !stamp_equal(&now, &t->stamp);
}

bool tokens_poll(struct tokens *t)
{
    struct table fresh;
    struct stamp stamp;
    char why[256];
    if (!changed(t))
        return false;
    if (file_load(t->path, &fresh, &stamp, why, sizeof(why)) != ERR_NONE) {
        if (!t->warned)
            LOG(LOG_ERROR, "auth", "tokens_kept", LS("why", why));
        t->warned = true;
        return false;
    }
    table_fini(&t->table);
    t->table = fresh;
    t->stamp = stamp;
    t->warned = false;
    return true;
}

bool tokens_check(const struct tokens *t, const char *token, size_t len, struct token_grant *out)
{
    uint8_t hash[SHA256_BYTES];
    const struct token *hit = NULL;
    if (len > TOKEN_MAX)
        return false;
    sha256(token, len, hash);
    for (unsigned i = 0; i < t->table.n; i++) /* always to the end */
        if (bytes_equal(t->table.items[i].hash, hash, sizeof(hash)))
            hit = &t->table.items[i];
    if (!hit)
        return false;
    *out = (struct token_grant){.scope = hit->scope, .agents = hit->agents};
    snprintf(out->id, sizeof(out->id), "%s", hit->id);
    return true;
}

bool tokens_has(const struct tokens *t, const char *id)
{
    for (unsigned i = 0; i < t->table.n; i++)
        if (strcmp(t->table.items[i].id, id) == 0)
            return true;
    return false;
}

/* ---- changes */

static void base64url(const uint8_t *p, size_t n, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < n; i++) {
        bits = bits << 8 | p[i];
        for (have += 8; have >= 6; have -= 6)
            *out++ = digits[bits >> (have - 6) & 63];
    }
    if (have)
        *out++ = digits[bits << (6 - have) & 63];
    *out = '\0';
}

static void token_make(struct token *t, enum token_scope scope, const char *names,
                       char text[TOKEN_TEXT_MAX])
{
    uint8_t secret[TOKEN_RANDOM], id[TOKEN_ID_RANDOM];
    char hex[2 * TOKEN_ID_RANDOM + 1], body[(TOKEN_RANDOM * 8 + 5) / 6 + 1];
    random_bytes(secret, sizeof(secret));
    random_bytes(id, sizeof(id));
    base64url(secret, sizeof(secret), body);
    snprintf(text, TOKEN_TEXT_MAX, TOKEN_PREFIX "%s", body);
    hex_encode(id, sizeof(id), hex);
    snprintf(t->id, sizeof(t->id), "t-%s", hex);
    t->scope = scope;
    t->agents = mem_strdup(names);
    wall_format(wall_now(), t->created);
    sha256(text, strlen(text), t->hash);
    explicit_bzero(secret, sizeof(secret));
    explicit_bzero(body, sizeof(body));
}

/* Under the lock. */
static enum err add_locked(const char *dir, enum token_scope scope, const char *names,
                           char out[TOKEN_TEXT_MAX], char *why, size_t max)
{
    struct table t;
    struct stamp stamp;
    char path[PATH_MAX], text[TOKEN_TEXT_MAX];
    path_in(path, dir, "tokens");
    enum err e = file_load(path, &t, &stamp, why, max);
    if (e != ERR_NONE)
        return e;
    if (t.n == TOKENS_MAX) {
        table_fini(&t);
        return fail(why, max, ERR_FULL, "%s: holds %d tokens already; revoke some", path,
                    TOKENS_MAX);
    }
    token_make(table_add(&t), scope, names, text);
    e = table_save(dir, &t, why, max);
    table_fini(&t);
    if (e == ERR_NONE)
        memcpy(out, text, TOKEN_TEXT_MAX);
    return e;
}

enum err token_add(const char *dir, enum token_scope scope, const char *names,
                   char out[TOKEN_TEXT_MAX], char *why, size_t why_max)
{
    int fd;
    if (names && scope != SCOPE_AGENT)
        return fail(why, why_max, ERR_INVALID, "only a token of scope agent is bound to names");
    if (names && !names_valid(names))
        return fail(why, why_max, ERR_INVALID,
                    "'%s' is no comma-separated list of agent names (letters, digits, . _ -, at "
                    "most %d characters each)",
                    names, AGENT_NAME_MAX);
    enum err e = lock_dir(dir, &fd, why, why_max);
    if (e != ERR_NONE)
        return e;
    e = add_locked(dir, scope, names, out, why, why_max);
    close(fd);
    return e;
}

static enum err revoke_locked(const char *dir, const char *id, char *why, size_t max)
{
    struct table t;
    struct stamp stamp;
    char path[PATH_MAX];
    path_in(path, dir, "tokens");
    enum err e = file_load(path, &t, &stamp, why, max);
    if (e != ERR_NONE)
        return e;
    unsigned at = 0;
    while (at < t.n && strcmp(t.items[at].id, id) != 0)
        at++;
    if (at == t.n) {
        table_fini(&t);
        return fail(why, max, ERR_NOT_FOUND,
                    "there is no token with the id '%s'; see 'sonde-master token list'", id);
    }
    free(t.items[at].agents);
    memmove(&t.items[at], &t.items[at + 1], (t.n - at - 1) * sizeof(*t.items));
    t.n--;
    e = table_save(dir, &t, why, max);
    table_fini(&t);
    return e;
}

enum err token_revoke(const char *dir, const char *id, char *why, size_t why_max)
{
    int fd;
    enum err e = lock_dir(dir, &fd, why, why_max);
    if (e != ERR_NONE)
        return e;
    e = revoke_locked(dir, id, why, why_max);
    close(fd);
    return e;
}

enum err token_list(const char *dir, FILE *to, char *why, size_t why_max)
{
    struct table t;
    struct stamp stamp;
    char path[PATH_MAX];
    path_in(path, dir, "tokens");
    if (access(dir, R_OK | X_OK) != 0) /* no tokens yet is one thing, no directory another */
        return fail(why, why_max, errno_err(),
                    "%s: cannot be read: %s; name the master's data directory with --data", dir,
                    strerror(errno));
    enum err e = file_load(path, &t, &stamp, why, why_max);
    if (e != ERR_NONE)
        return e;
    fprintf(to, "%-12s %-7s %-28s %s\n", "ID", "SCOPE", "CREATED", "AGENTS");
    for (unsigned i = 0; i < t.n; i++) {
        const struct token *k = &t.items[i];
        const char *names = k->scope == SCOPE_AGENT ? "any" : "";
        fprintf(to, "%-12s %-7s %-28s %s\n", k->id, token_scope_word(k->scope), k->created,
                k->agents ? k->agents : names);
    }
    table_fini(&t);
    return ERR_NONE;
}

enum err token_first_admin(const char *dir, char *why, size_t why_max)
{
    char path[PATH_MAX], token[TOKEN_TEXT_MAX + 1];
    path_in(path, dir, "admin.token");
    if (access(path, F_OK) == 0)
        return ERR_NONE;
    enum err e = token_add(dir, SCOPE_ADMIN, NULL, token, why, why_max);
    if (e != ERR_NONE)
        return e;
    size_t n = strlen(token);
    token[n] = '\n';
    e = file_replace(dir, "admin.token", token, n + 1, why, why_max);
    explicit_bzero(token, sizeof(token));
    return e;
}
