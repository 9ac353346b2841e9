/* SPDX-License-Identifier: MIT */
#include "master/ctl/source.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/node.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define TYPE_TEXT   "text/plain"
#define TYPE_JSON   "application/json"
#define TYPE_NDJSON "application/x-ndjson"
#define TYPE_CSV    "text/csv"

enum err source_open(struct source *s, const char *name)
{
    struct stat st;
    *s = (struct source){.name = name};
    s->file = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
    s->os_errno = errno;
    if (!s->file)
        return ERR_IO;
    if (fstat(fileno(s->file), &st) == 0 && S_ISDIR(st.st_mode)) {
        s->os_errno = EISDIR;
        source_close(s);
        return ERR_IO;
    }
    s->head = mem_alloc(SOURCE_HEAD_MAX);
    s->head_len = fread(s->head, 1, SOURCE_HEAD_MAX, s->file);
    s->os_errno = errno;
    if (!ferror(s->file))
        return ERR_NONE;
    source_close(s);
    return ERR_IO;
}

void source_close(struct source *s)
{
    if (s->file && s->file != stdin)
        fclose(s->file);
    free(s->head);
    s->file = NULL;
    s->head = NULL;
}

static bool ends_with(const char *name, const char *ending)
{
    size_t n = strlen(name), e = strlen(ending);
    return n > e && strcasecmp(name + n - e, ending) == 0;
}

/* A first line that is a whole object without "targets" is a target: one a line. */
static const char *type_of_object(const char *line, size_t len)
{
    struct json_doc *d = NULL;
    const char *type = TYPE_JSON;
    if (json_parse(line, len, &d, NULL, 0) != ERR_NONE)
        return TYPE_JSON;
    if (node_at(json_root(d), "url") || node_at(json_root(d), "dns"))
        type = TYPE_NDJSON;
    json_free(&d);
    return type;
}

/* No list of targets begins with a column's name and a comma or the end of the line. */
static bool is_csv_header(const char *head, size_t len)
{
    static const char *const names[] = {"url", "target", "\"url\"", "\"target\""};
    if (len > 3 && memcmp(head, "\xef\xbb\xbf", 3) == 0) {
        head += 3;
        len -= 3;
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        size_t n = strlen(names[i]);
        if (len > n && memcmp(head, names[i], n) == 0 && strchr(",\r\n", head[n]) && head[n])
            return true;
    }
    return false;
}

const char *source_type_of(const char *name, const char *head, size_t len)
{
    static const struct {
        const char *ending, *type;
    } endings[] = {{".json", TYPE_JSON},
                   {".ndjson", TYPE_NDJSON},
                   {".jsonl", TYPE_NDJSON},
                   {".txt", TYPE_TEXT},
                   {".csv", TYPE_CSV}};
    for (size_t i = 0; i < ARRAY_LEN(endings); i++)
        if (ends_with(name, endings[i].ending))
            return endings[i].type;
    while (len > 0 && strchr(" \t\r\n", *head) && *head != '\0') {
        head++;
        len--;
    }
    if (is_csv_header(head, len))
        return TYPE_CSV;
    if (len == 0 || (*head != '{' && *head != '"' && *head != '['))
        return TYPE_TEXT;
    if (*head == '"')
        return TYPE_NDJSON;
    const char *end = memchr(head, '\n', len);
    return type_of_object(head, end ? (size_t)(end - head) : len);
}

const char *source_type(const struct source *s)
{
    return source_type_of(s->name, s->head, s->head_len);
}

ssize_t source_read(void *arg, char *buf, size_t max)
{
    struct source *s = arg;
    REQUIRE(s != NULL && s->head != NULL && s->at <= s->head_len);
    size_t n = s->head_len - s->at;
    if (n > 0) {
        n = n < max ? n : max;
        memcpy(buf, s->head + s->at, n);
        s->at += n;
        return (ssize_t)n;
    }
    n = fread(buf, 1, max, s->file);
    s->beyond |= n > 0;
    if (n > 0 || !ferror(s->file))
        return (ssize_t)n;
    s->os_errno = errno;
    return -1;
}

bool source_rewind(struct source *s)
{
    if (s->beyond && fseek(s->file, (long)s->head_len, SEEK_SET) != 0)
        return false;
    s->at = 0;
    s->beyond = false;
    clearerr(s->file);
    return true;
}
