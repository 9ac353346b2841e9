/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/clock.h"
#include <stdatomic.h>
#include <stdint.h>

/*
 * log - one line per event to a descriptor, `key=value` or JSON.
 *
 * Any thread; a line is one write(2), so lines never mix. Each place (macro call site) writes at
 * most 10 lines a second, or 1,000 of what a user asked to see; what it suppressed is counted and
 * told in its next line as suppressed=N. A descriptor that fails (full disk, EPIPE, a pipe that
 * nobody reads) never stops the program: lost lines are counted, and the first one that can be
 * written again is preceded by their number.
 * Values are escaped; nothing a peer sends can forge a line. Credentials are never given to this
 * module.
 */
enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

void log_init(enum log_level level, enum log_format format, int fd);
MUST_USE enum err log_level_parse(const char *text,
                                  enum log_level *out); /* debug info warn error */
/* Lines since the start: beyond the limit of their place; that could not be written; of these, that
 * no line has told of yet: not 0 = it cannot be written still. */
uint64_t log_suppressed(void);
uint64_t log_unwritten(void);
uint64_t log_untold(void);

struct log_field {
    const char *key;
    enum { LOG_F_END, LOG_F_STR, LOG_F_INT, LOG_F_U64, LOG_F_MS } kind;
    union {
        const char *s; /* NULL is left out */
        int64_t i;
        uint64_t u;
        double ms;
    };
};
#define LS(k, v)   ((struct log_field){.key = (k), .kind = LOG_F_STR, .s = (v)})
#define LI(k, v)   ((struct log_field){.key = (k), .kind = LOG_F_INT, .i = (int64_t)(v)})
#define LU(k, v)   ((struct log_field){.key = (k), .kind = LOG_F_U64, .u = (uint64_t)(v)})
#define LMS(k, v)  ((struct log_field){.key = (k), .kind = LOG_F_MS, .ms = (v)})
#define LERR(k, v) LS(k, err_text(v))

#define LOG_ASKED_PER_SECOND 1000 /* a hundredth of a core; more than that nobody reads */
struct log_site {
    unsigned most; /* lines a second; 0 = 10 */
    _Atomic int64_t second;
    _Atomic unsigned lines;
    _Atomic unsigned suppressed;
};

/* LOG(LOG_INFO, "link", "connected", LS("master", url), LI("attempt", 3)); area and event are one
 * word each. */
#define LOG(level, area, event, ...)                                                               \
    do {                                                                                           \
        static struct log_site site_;                                                              \
        if (log_enabled(level))                                                                    \
            log_write(&site_, (level), (area), (event),                                            \
                      (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){.kind = LOG_F_END}});  \
    } while (0)

/* LOG_ASKED(asked, LOG_DEBUG, "task", "leased", …): as LOG, but what was asked for is written at
 * info, and with room for one line of each of many tasks. */
#define LOG_ASKED(asked, level, area, event, ...)                                                  \
    do {                                                                                           \
        static struct log_site site_, asked_site_ = {.most = LOG_ASKED_PER_SECOND};                \
        bool asked_ = (asked);                                                                     \
        enum log_level level_ = log_asked_level(asked_, (level));                                  \
        if (log_enabled(level_))                                                                   \
            log_write(asked_ ? &asked_site_ : &site_, level_, (area), (event),                     \
                      (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){.kind = LOG_F_END}});  \
    } while (0)

static inline enum log_level log_asked_level(bool asked, enum log_level level)
{
    return asked && level < LOG_INFO ? LOG_INFO : level;
}
bool log_enabled(enum log_level level);
void log_write(struct log_site *site, enum log_level level, const char *area, const char *event,
               const struct log_field *fields);
