/* SPDX-License-Identifier: MIT */
#include "common/log.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/utf8.h"

/*
 * A line is at most PIPE_BUF long, up to which a write(2) into a pipe does not mix with others'. A
 * value is cut after VALUE_MAX_BYTES of escaped text and then ends in "...". TAIL_BYTES are kept
 * free of fields for what ends a line.
 */
#define LINES_PER_SECOND 10
#define LINE_MAX_BYTES   4096
#define VALUE_MAX_BYTES  1024
#define TAIL_BYTES       64

static _Atomic int min_level = LOG_INFO;
static _Atomic int line_format = LOG_TEXT;
static _Atomic int log_fd = STDERR_FILENO;
static _Atomic bool may_block; /* the descriptor's reader may be one who stands still */
static _Atomic uint64_t suppressed_all, unwritten;
static _Atomic uint64_t untold; /* of the unwritten: no line has said so yet */
static _Atomic bool torn; /* the last write was cut short: the next line first ends that one */

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_init(enum log_level level, enum log_format format, int fd)
{
    REQUIRE((size_t)level < ARRAY_LEN(level_names) && fd >= 0);
    atomic_store(&min_level, (int)level);
    atomic_store(&line_format, (int)format);
    atomic_store(&log_fd, fd);
    atomic_store(&torn, false);
    atomic_store(&untold, 0);
    struct stat st;
    bool known = fstat(fd, &st) == 0;
    atomic_store(&may_block, known && !S_ISREG(st.st_mode));
}

enum err log_level_parse(const char *text, enum log_level *out)
{
    REQUIRE(text != NULL && out != NULL);
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return ERR_NONE;
        }
    }
    return ERR_INVALID;
}

uint64_t log_suppressed(void)
{
    return atomic_load_explicit(&suppressed_all, memory_order_relaxed);
}

uint64_t log_unwritten(void)
{
    return atomic_load_explicit(&unwritten, memory_order_relaxed);
}

uint64_t log_untold(void)
{
    return atomic_load_explicit(&untold, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&min_level, memory_order_relaxed);
}

/*
 * Without a lock, and never more than the limit: the winner of a new second takes off only the
 * lines that it saw before, so a race can count a line of another thread into the new second but
 * cannot forget one.
 */
static bool site_admits(struct log_site *site, int64_t second)
{
    int64_t seen = atomic_load(&site->second);
    unsigned lines = atomic_load(&site->lines);
    if (seen < second && atomic_compare_exchange_strong(&site->second, &seen, second))
        atomic_fetch_sub(&site->lines, lines);
    if (atomic_fetch_add(&site->lines, 1) < (site->most ? site->most : LINES_PER_SECOND))
        return true;
    atomic_fetch_add(&site->suppressed, 1);
    return false;
}

/* A line under construction. What does not fit sets `full`, and the field is then taken back whole.
 */
struct line {
    char text[LINE_MAX_BYTES];
    size_t len, max;
    bool json, full;
};

static void put(struct line *l, const char *p, size_t n)
{
    if (l->full || n > l->max - l->len) {
        l->full = true;
        return;
    }
    memcpy(l->text + l->len, p, n);
    l->len += n;
}

static void puts_line(struct line *l, const char *s)
{
    put(l, s, strlen(s));
}

static void __attribute__((format(printf, 2, 3))) putf(struct line *l, const char *fmt, ...)
{
    char text[64];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    REQUIRE(n >= 0 && (size_t)n < sizeof(text));
    put(l, text, (size_t)n);
}

/* The length of the character at p, or 0 if it is not UTF-8 or could move the cursor, break the
 * line or turn the direction of the text (C0, DEL, C1, U+2028 to U+202E). */
static size_t harmless(const char *p, size_t n)
{
    unsigned char lead = (unsigned char)p[0];
    if (lead < 0x80)
        return lead >= 0x20 && lead != 0x7f;
    size_t len = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (len > n || !utf8_valid(p, len))
        return 0;
    unsigned char second = (unsigned char)p[1];
    if (len == 2 && lead == 0xc2 && second < 0xa0)
        return 0;
    bool mark = lead == 0xe2 && second == 0x80 && (unsigned char)p[2] >= 0xa8 &&
                (unsigned char)p[2] <= 0xae;
    return mark ? 0 : len;
}

static bool is_plain(const char *s, size_t n)
{
    for (size_t i = 0, len; i < n; i += len) {
        len = harmless(s + i, n - i);
        if (len == 0 || s[i] == ' ' || s[i] == '"' || s[i] == '\\')
            return false;
    }
    return n > 0;
}

/* One harmful byte: JSON has no form for a byte that is not a character, so it takes the byte's
 * value there. */
static void put_escape(struct line *l, unsigned char c)
{
    if (c == '\n')
        puts_line(l, "\\n");
    else if (c == '\t')
        puts_line(l, "\\t");
    else if (c == '\r')
        puts_line(l, "\\r");
    else
        putf(l, l->json ? "\\u%04x" : "\\x%02x", c);
}

static void put_quoted(struct line *l, const char *s, size_t n)
{
    size_t end = l->len + VALUE_MAX_BYTES;
    put(l, "\"", 1);
    for (size_t i = 0, len; i < n; i += len) {
        if (l->len >= end) {
            puts_line(l, "...");
            break;
        }
        len = harmless(s + i, n - i);
        if (len == 0) {
            put_escape(l, (unsigned char)s[i]);
            len = 1;
            continue;
        }
        if (s[i] == '"' || s[i] == '\\')
            put(l, "\\", 1);
        put(l, s + i, len);
    }
    put(l, "\"", 1);
}

static void put_text(struct line *l, const char *s)
{
    size_t n = strnlen(s, LINE_MAX_BYTES);
    if (!l->json && n <= VALUE_MAX_BYTES && is_plain(s, n))
        put(l, s, n);
    else
        put_quoted(l, s, n);
}

static void put_key(struct line *l, const char *key)
{
    putf(l, l->json ? ",\"%.48s\":" : " %.48s=", key);
}

static bool is_shown(const struct log_field *f)
{
    if (f->kind == LOG_F_STR)
        return f->s != NULL;
    return f->kind != LOG_F_MS || isfinite(f->ms);
}

static void put_field(struct line *l, const struct log_field *f)
{
    put_key(l, f->key);
    switch (f->kind) {
    case LOG_F_STR:
        put_text(l, f->s);
        return;
    case LOG_F_INT:
        putf(l, "%lld", (long long)f->i);
        return;
    case LOG_F_U64:
        putf(l, "%llu", (unsigned long long)f->u);
        return;
    case LOG_F_MS:
        putf(l, "%.15g", round(f->ms * 1000) / 1000);
        return;
    case LOG_F_END:
        break;
    }
    UNREACHABLE("a field of no kind");
}

static void put_fields(struct line *l, const struct log_field *fields)
{
    bool cut = false;
    l->max = sizeof(l->text) - TAIL_BYTES;
    for (const struct log_field *f = fields; f->kind != LOG_F_END; f++) {
        if (!is_shown(f))
            continue;
        size_t before = l->len;
        put_field(l, f);
        if (l->full) {
            l->len = before;
            l->full = false;
            cut = true;
        }
    }
    l->max = sizeof(l->text);
    if (cut)
        puts_line(l, l->json ? ",\"cut\":true" : " cut=true");
}

static void put_head(struct line *l, enum log_level level, const char *area, const char *event)
{
    char ts[WALL_TEXT_MAX];
    wall_format(wall_now(), ts);
    if (l->json) {
        putf(l, "{\"ts\":\"%s\",\"level\":\"%s\"", ts, level_names[level]);
        putf(l, ",\"area\":\"%.40s\"", area);
        putf(l, ",\"event\":\"%.40s\"", event);
    } else {
        putf(l, "%s %s", ts, level_names[level]);
        putf(l, " %.40s", area);
        putf(l, " %.40s", event);
    }
}

/*
 * A pipe whose reader stands still must not stop the thread that logs. Who is told that there is
 * room may find it taken by another thread's line; then it waits, but only behind a reader that
 * has just read.
 */
static bool has_room(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    return !atomic_load(&may_block) || poll(&p, 1, 0) != 0;
}

static bool write_line(const struct line *l)
{
    int fd = atomic_load(&log_fd);
    ssize_t n;
    if (!has_room(fd))
        return false;
    do {
        n = write(fd, l->text, l->len);
    } while (n < 0 && errno == EINTR);
    if (n > 0 && n < (ssize_t)l->len)
        atomic_store(&torn, true);
    return n == (ssize_t)l->len;
}

static void line_begin(struct line *l, enum log_level level, const char *area, const char *event)
{
    l->len = 0;
    l->max = sizeof(l->text);
    l->full = false;
    l->json = atomic_load(&line_format) == LOG_JSON;
    if (atomic_exchange(&torn, false))
        put(l, "\n", 1);
    put_head(l, level, area, event);
}

static bool line_end(struct line *l)
{
    puts_line(l, l->json ? "}\n" : "\n");
    REQUIRE(!l->full);
    return write_line(l);
}

/* What could not be written is said before all else. False: nothing can be written still. */
static bool tell_unwritten(void)
{
    uint64_t n = atomic_exchange(&untold, 0);
    if (n == 0)
        return true;
    struct line l;
    line_begin(&l, LOG_WARN, "log", "lines_lost");
    put_fields(&l, (const struct log_field[]){
                       LU("lines", n),
                       LS("meaning", "they could not be written: a full disk, or a reader that was "
                                     "gone or stood still"),
                       {.kind = LOG_F_END}});
    if (line_end(&l))
        return true;
    atomic_fetch_add(&untold, n);
    return false;
}

static void note_unwritten(void)
{
    atomic_fetch_add(&unwritten, 1);
    atomic_fetch_add(&untold, 1);
}

void log_write(struct log_site *site, enum log_level level, const char *area, const char *event,
               const struct log_field *fields)
{
    REQUIRE(site != NULL && area != NULL && event != NULL && fields != NULL);
    REQUIRE((size_t)level < ARRAY_LEN(level_names));
    if (!site_admits(site, mono_now().ns / NS_PER_SEC)) {
        atomic_fetch_add(&suppressed_all, 1);
        return;
    }
    int saved_errno = errno;
    bool works = tell_unwritten();
    struct line l;
    line_begin(&l, level, area, event);
    put_fields(&l, fields);
    unsigned suppressed = atomic_exchange(&site->suppressed, 0);
    if (suppressed > 0)
        putf(&l, l.json ? ",\"suppressed\":%u" : " suppressed=%u", suppressed);
    if (!works || !line_end(&l))
        note_unwritten();
    errno = saved_errno;
}
