/* SPDX-License-Identifier: MIT */
#include "master/api/upload_json.h"

/*
 * START ─{─► KEY_OR_END ─"─► KEY ─"─► COLON ─:─► VALUE ──► IN_VALUE ──► AFTER_VALUE ─,─► NEED_KEY
 * ─"─► KEY }│                                │targets [                   │} ▼ ▼ ▼ DONE
 * ELEMENT_OR_END ──► IN_ELEMENT ──► AFTER_ELEMENT   DONE ]└──► AFTER_VALUE  ◄─]──────────┘ └─,─►
 * NEED_ELEMENT
 */
enum {
    START,
    KEY_OR_END,
    NEED_KEY,
    KEY,
    COLON,
    VALUE,
    IN_VALUE,
    AFTER_VALUE,
    ELEMENT_OR_END,
    NEED_ELEMENT,
    IN_ELEMENT,
    AFTER_ELEMENT,
    DONE
};
#define TARGETS_KEY "\"targets\""

void split_init(struct split *s, size_t head_max)
{
    *s = (struct split){.state = START};
    strbuf_init(&s->key, SPLIT_KEY_MAX);
    strbuf_init(&s->head, head_max);
    strbuf_init(&s->element, SPLIT_ELEMENT_MAX);
}

void split_fini(struct split *s)
{
    strbuf_fini(&s->key);
    strbuf_fini(&s->head);
    strbuf_fini(&s->element);
}

bool split_whole(const struct split *s)
{
    return s->state == DONE;
}

const char *split_head(struct split *s, size_t *len)
{
    if (s->head.len == 0)
        strbuf_putc(&s->head, '{');
    strbuf_putc(&s->head, '}');
    *len = s->head.len;
    return s->head.data;
}

static enum split_event bad(struct split *s, const char *why)
{
    s->why = why;
    return SPLIT_BAD;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* ---- a value of any kind, whose end alone is looked for */

static enum split_event value_start(struct split *s, char c, int state)
{
    if (c == ',' || c == ':' || c == ']' || c == '}')
        return bad(s, "a value is missing");
    s->depth = 0;
    s->brackets = 0;
    s->in_string = s->escaped = false;
    s->scalar = c != '"' && c != '{' && c != '[';
    s->state = state;
    return SPLIT_MORE;
}

static bool open_bracket(struct split *s, char c)
{
    if (s->depth == SPLIT_DEPTH_MAX)
        return false;
    s->brackets = s->brackets << 1 | (c == '{');
    s->depth++;
    return true;
}

static bool close_bracket(struct split *s, char c)
{
    if (s->depth == 0 || (s->brackets & 1) != (c == '}'))
        return false;
    s->brackets >>= 1;
    s->depth--;
    return true;
}

/* One character of a value that is no scalar. `ended` is set behind its last one. */
static bool value_char(struct split *s, char c, bool *ended)
{
    if (s->in_string) {
        if (s->escaped)
            s->escaped = false;
        else if (c == '\\')
            s->escaped = true;
        else if (c == '"')
            s->in_string = false;
        *ended = !s->in_string && s->depth == 0;
        return true;
    }
    if (c == '"')
        s->in_string = true;
    else if (c == '{' || c == '[')
        return open_bracket(s, c);
    else if (c == '}' || c == ']') {
        if (!close_bracket(s, c))
            return false;
        *ended = s->depth == 0;
    }
    return true;
}

static bool ends_scalar(char c)
{
    return is_space(c) || c == ',' || c == ']' || c == '}' || c == ':';
}

/* Appends what belongs to the value to `to`. False: brackets do not match. */
static bool value_run(struct split *s, struct strbuf *to, const char *p, size_t n, size_t *used,
                      bool *ended)
{
    size_t i = 0;
    *ended = false;
    if (s->scalar) {
        while (i < n && !ends_scalar(p[i]))
            i++;
        *ended = i < n;
    } else {
        while (i < n && !*ended)
            if (!value_char(s, p[i++], ended))
                return false;
    }
    if (to)
        strbuf_append(to, p, i);
    *used = i;
    return true;
}

/* ---- the states */

static enum split_event member_begin(struct split *s, char c)
{
    if (s->targets_last && s->targets_seen) {
        s->misplaced = true;
        return bad(s, "a member stands behind 'targets'");
    }
    if (value_start(s, c, IN_VALUE) == SPLIT_BAD)
        return SPLIT_BAD;
    if (s->skip_members)
        return SPLIT_MORE;
    strbuf_putc(&s->head, s->head.len ? ',' : '{');
    strbuf_append(&s->head, s->key.data, s->key.len);
    strbuf_putc(&s->head, ':');
    return SPLIT_MORE;
}

/* True when c was stepped over. */
static enum split_event value_begin(struct split *s, char c, bool *step)
{
    bool targets =
        s->key.len == sizeof(TARGETS_KEY) - 1 && memcmp(s->key.data, TARGETS_KEY, s->key.len) == 0;
    if (!targets)
        return member_begin(s, c);
    if (s->targets_seen)
        return bad(s, "'targets' is there twice");
    if (c != '[')
        return bad(s, "'targets' must be an array");
    s->targets_seen = true;
    s->state = ELEMENT_OR_END;
    *step = true;
    return SPLIT_TARGETS;
}

static enum split_event element_begin(struct split *s, char c)
{
    strbuf_reset(&s->element);
    return value_start(s, c, IN_ELEMENT);
}

/* A character between values, no white space. */
static enum split_event between(struct split *s, char c, bool *step)
{
    *step = true;
    switch (s->state) {
    case START:
        s->state = KEY_OR_END;
        return c == '{' ? SPLIT_MORE : bad(s, "the body must be an object with 'targets'");
    case KEY_OR_END:
    case NEED_KEY:
        if (c == '}' && s->state == KEY_OR_END) {
            s->state = DONE;
            return SPLIT_MORE;
        }
        strbuf_reset(&s->key);
        strbuf_putc(&s->key, '"');
        s->escaped = false;
        s->state = KEY;
        return c == '"' ? SPLIT_MORE : bad(s, "a member name in quotes is missing");
    case COLON:
        s->state = VALUE;
        return c == ':' ? SPLIT_MORE : bad(s, "':' is missing");
    case AFTER_VALUE:
        s->state = c == ',' ? NEED_KEY : DONE;
        return c == ',' || c == '}' ? SPLIT_MORE : bad(s, "',' or '}' is missing");
    case AFTER_ELEMENT:
        s->state = c == ',' ? NEED_ELEMENT : AFTER_VALUE;
        return c == ',' || c == ']' ? SPLIT_MORE : bad(s, "',' or ']' is missing");
    case ELEMENT_OR_END:
        if (c == ']') {
            s->state = AFTER_VALUE;
            return SPLIT_MORE;
        }
        *step = false;
        return element_begin(s, c);
    case NEED_ELEMENT:
        *step = false;
        return element_begin(s, c);
    case VALUE:
        *step = false;
        return value_begin(s, c, step);
    default:
        return bad(s, "there is text behind the end of the object");
    }
}

static enum split_event in_key(struct split *s, char c)
{
    strbuf_putc(&s->key, c);
    if (s->key.overflow)
        return bad(s, "a member name is too long");
    if (s->escaped)
        s->escaped = false;
    else if (c == '\\')
        s->escaped = true;
    else if (c == '"')
        s->state = COLON;
    return SPLIT_MORE;
}

static enum split_event in_value(struct split *s, const char *p, size_t n, size_t *used)
{
    bool element = s->state == IN_ELEMENT, ended;
    struct strbuf *to = element ? &s->element : s->skip_members ? NULL : &s->head;
    if (!value_run(s, to, p, n, used, &ended))
        return bad(s, "brackets do not match, or are too deep");
    if (!element && to && to->overflow)
        return bad(s, "the options are too long");
    if (!ended)
        return SPLIT_MORE;
    s->state = element ? AFTER_ELEMENT : AFTER_VALUE;
    if (!element)
        return SPLIT_MORE;
    s->n_elements++;
    return s->element.overflow ? SPLIT_TOO_LONG : SPLIT_ELEMENT;
}

enum split_event split_next(struct split *s, const char *p, size_t n, size_t *used)
{
    enum split_event e = SPLIT_MORE;
    size_t i = 0;
    while (i < n && e == SPLIT_MORE) {
        size_t step = 1;
        bool stepped = true;
        if (s->state == IN_VALUE || s->state == IN_ELEMENT)
            e = in_value(s, p + i, n - i, &step);
        else if (s->state == KEY)
            e = in_key(s, p[i]);
        else if (!is_space(p[i])) {
            e = between(s, p[i], &stepped);
            step = stepped;
        }
        if (e == SPLIT_BAD)
            break;
        i += step;
    }
    s->offset += i;
    *used = i;
    return e;
}
