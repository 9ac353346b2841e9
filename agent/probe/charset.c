/* SPDX-License-Identifier: MIT */
#include "agent/probe/charset.h"

#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "common/mem.h"
#include "common/utf8.h"

#define META_SCAN_BYTES 1024        /* as far as browsers look */
#define JUDGE_BYTES     (64 * 1024) /* enough to tell UTF-8 from what is not */
#define CHUNK_BYTES     4096
#define FAULTS_MAX      1000
#define REPLACEMENT     "\xef\xbf\xbd"

struct charset {
    const char *label;
    const char *iconv; /* NULL = UTF-8 */
};

/* Labels in lower case. Where the standard says that a name means a larger set, so does this. */
static const struct charset charsets[] = {
    {"utf-8", NULL},
    {"utf8", NULL},
    {"windows-1252", "CP1252"},
    {"cp1252", "CP1252"},
    {"iso-8859-1", "CP1252"},
    {"iso8859-1", "CP1252"},
    {"iso_8859-1", "CP1252"},
    {"latin1", "CP1252"},
    {"latin-1", "CP1252"},
    {"l1", "CP1252"},
    {"us-ascii", "CP1252"},
    {"ascii", "CP1252"},
    {"gbk", "GB18030"},
    {"x-gbk", "GB18030"},
    {"gb2312", "GB18030"},
    {"gb_2312-80", "GB18030"},
    {"gb18030", "GB18030"},
    {"cp936", "GB18030"},
    {"big5", "BIG5-HKSCS"},
    {"big5-hkscs", "BIG5-HKSCS"},
    {"x-x-big5", "BIG5-HKSCS"},
    {"shift_jis", "CP932"},
    {"shift-jis", "CP932"},
    {"sjis", "CP932"},
    {"x-sjis", "CP932"},
    {"ms_kanji", "CP932"},
    {"windows-31j", "CP932"},
    {"cp932", "CP932"},
    {"euc-jp", "EUC-JP-MS"},
    {"x-euc-jp", "EUC-JP-MS"},
    {"iso-2022-jp", "ISO-2022-JP"},
    {"euc-kr", "CP949"},
    {"ks_c_5601-1987", "CP949"},
    {"windows-949", "CP949"},
    {"cp949", "CP949"},
    {"iso-8859-2", "ISO-8859-2"},
    {"iso8859-2", "ISO-8859-2"},
    {"latin2", "ISO-8859-2"},
    {"iso-8859-3", "ISO-8859-3"},
    {"iso-8859-4", "ISO-8859-4"},
    {"iso-8859-5", "ISO-8859-5"},
    {"iso-8859-6", "ISO-8859-6"},
    {"iso-8859-7", "ISO-8859-7"},
    {"iso-8859-8", "ISO-8859-8"},
    {"iso-8859-8-i", "ISO-8859-8"},
    {"iso-8859-9", "CP1254"},
    {"latin5", "CP1254"},
    {"iso-8859-10", "ISO-8859-10"},
    {"iso-8859-11", "CP874"},
    {"iso-8859-13", "ISO-8859-13"},
    {"iso-8859-14", "ISO-8859-14"},
    {"iso-8859-15", "ISO-8859-15"},
    {"iso8859-15", "ISO-8859-15"},
    {"latin9", "ISO-8859-15"},
    {"iso-8859-16", "ISO-8859-16"},
    {"windows-1250", "CP1250"},
    {"cp1250", "CP1250"},
    {"windows-1251", "CP1251"},
    {"cp1251", "CP1251"},
    {"windows-1253", "CP1253"},
    {"windows-1254", "CP1254"},
    {"windows-1255", "CP1255"},
    {"windows-1256", "CP1256"},
    {"windows-1257", "CP1257"},
    {"windows-1258", "CP1258"},
    {"windows-874", "CP874"},
    {"tis-620", "CP874"},
    {"koi8-r", "KOI8-R"},
    {"koi8-u", "KOI8-U"},
    {"ibm866", "CP866"},
    {"cp866", "CP866"},
    {"macintosh", "MACINTOSH"},
    {"utf-16le", "UTF-16LE"},
    {"utf-16", "UTF-16LE"},
    {"utf-16be", "UTF-16BE"},
};

static const char *find_nocase(const char *p, const char *end, const char *what)
{
    size_t n = strlen(what);
    for (; (size_t)(end - p) >= n; p++)
        if (!strncasecmp(p, what, n))
            return p;
    return NULL;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && is_space(*p))
        p++;
    return p;
}

static void copy_label(const char *p, const char *end, char out[CHARSET_LABEL_MAX])
{
    size_t n = 0;
    if (p < end && (*p == '"' || *p == '\''))
        p++;
    for (; p < end && (isalnum((unsigned char)*p) || strchr("-_.:+", *p)) && *p; p++) {
        if (n == CHARSET_LABEL_MAX - 1) { /* none that we know is as long */
            n = 0;
            break;
        }
        out[n++] = (char)tolower((unsigned char)*p);
    }
    out[n] = '\0';
}

void charset_label(const char *text, size_t n, char out[CHARSET_LABEL_MAX])
{
    char label[CHARSET_LABEL_MAX] = "";
    const char *end = text + n;
    for (const char *p = text; !label[0] && (p = find_nocase(p, end, "charset"));) {
        p = skip_space(p + strlen("charset"), end);
        if (p < end && *p == '=')
            copy_label(skip_space(p + 1, end), end, label);
    }
    memcpy(out, label, sizeof(label));
}

static const struct charset *find(const char *label)
{
    for (size_t i = 0; i < ARRAY_LEN(charsets); i++)
        if (!strcmp(charsets[i].label, label))
            return &charsets[i];
    return NULL;
}

static const struct charset *by_mark(const unsigned char *p, size_t n)
{
    if (n >= 3 && !memcmp(p, "\xef\xbb\xbf", 3))
        return find("utf-8");
    if (n >= 2 && !memcmp(p, "\xff\xfe", 2))
        return find("utf-16le");
    return n >= 2 && !memcmp(p, "\xfe\xff", 2) ? find("utf-16be") : NULL;
}

/* A page whose <meta> could be read as ASCII is not in UTF-16, whatever it says. */
static const struct charset *of_meta(const char *tag, size_t n)
{
    char label[CHARSET_LABEL_MAX];
    charset_label(tag, n, label);
    return find(strncmp(label, "utf-16", 6) ? label : "utf-8");
}

static const struct charset *by_meta(const char *html, size_t n)
{
    const char *end = html + (n < META_SCAN_BYTES ? n : META_SCAN_BYTES);
    for (const char *p = html; (p = memchr(p, '<', (size_t)(end - p)));) {
        size_t left = (size_t)(end - p);
        if (left >= 4 && !memcmp(p, "<!--", 4)) {
            p = memmem(p + 2, left - 2, "-->", 3); /* "<!-->" is one, too */
            if (!p)
                return NULL;
            continue;
        }
        bool meta = left > 5 && !strncasecmp(p, "<meta", 5) && (is_space(p[5]) || p[5] == '/');
        const char *close = meta ? memchr(p, '>', left) : NULL;
        const struct charset *c = close ? of_meta(p, (size_t)(close - p)) : NULL;
        if (c)
            return c;
        p = close ? close : p + 1;
    }
    return NULL;
}

/* The bytes that the first one of a sequence announces; 0 = it begins none. */
static size_t announced(unsigned char lead)
{
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    return lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
}

static bool continues(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return false;
    return true;
}

static bool looks_like_utf8(const unsigned char *p, size_t n)
{
    size_t good = 0, bad = 0;
    n = n < JUDGE_BYTES ? n : JUDGE_BYTES;
    if (utf8_valid((const char *)p, n) || memchr(p, '\0', n))
        return true;
    for (size_t i = 0; i < n; i++) {
        size_t len = announced(p[i]);
        if (p[i] < 0x80)
            continue;
        if (len > n - i && n - i > 1)
            break; /* cut there, as likely as not */
        bool whole = len > 0 && len <= n - i && continues(p + i + 1, len - 1);
        good += whole;
        bad += !whole;
        i += whole ? len - 1 : 0;
    }
    return bad <= good;
}

const struct charset *charset_of(const char *label, const char *p, size_t n, bool html)
{
    REQUIRE(label != NULL && (p != NULL || n == 0));
    const struct charset *c = by_mark((const unsigned char *)p, n);
    if (!c && label[0])
        c = find(label);
    if (!c && html)
        c = by_meta(p, n);
    if (!c && n > 0 && !looks_like_utf8((const unsigned char *)p, n))
        c = find("windows-1252");
    return c && c->iconv ? c : NULL;
}

/* Without what an end in the middle of a character left of it. */
static size_t without_tail(const unsigned char *p, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        const unsigned char *at = p + n - back;
        if (*at >= 0x80 && announced(*at) > back && continues(at + 1, back - 1))
            return n - back;
    }
    return n;
}

static void decode_utf8(const char *p, size_t n, struct strbuf *out, size_t max_bytes)
{
    if (by_mark((const unsigned char *)p, n) && p[0] == '\xef') {
        p += 3;
        n -= 3;
    }
    utf8_sanitize_text(out, p, without_tail((const unsigned char *)p, n), max_bytes);
}

struct decoder {
    iconv_t cd;
    const char *in;
    size_t left, unit; /* unit: bytes that are skipped after a fault */
    struct strbuf *out;
    size_t room;
    bool full; /* nothing more fits */
};

static void put(struct decoder *d, const char *p, size_t n)
{
    size_t before = d->out->len;
    utf8_sanitize_text(d->out, p, n, d->room);
    size_t added = d->out->len - before;
    d->room -= added;
    /* While there was room for any character, everything went in. */
    d->full = d->room < 4 || d->out->overflow;
}

/* One piece of at most CHUNK_BYTES. 0, or why it ended there: E2BIG, EILSEQ, EINVAL. in NULL: what
 * the decoder still holds. */
static int step(struct decoder *d, bool flush)
{
    char chunk[CHUNK_BYTES], *to = chunk, *from = (char *)d->in; /* iconv does not write there */
    size_t room = sizeof(chunk);
    size_t rc = iconv(d->cd, flush ? NULL : &from, flush ? NULL : &d->left, &to, &room);
    int error = rc == (size_t)-1 ? errno : 0;
    d->in = from;
    put(d, chunk, (size_t)(to - chunk));
    return error;
}

static void skip_fault(struct decoder *d)
{
    size_t skip = d->left < d->unit ? d->left : d->unit;
    put(d, REPLACEMENT, strlen(REPLACEMENT));
    d->in += skip;
    d->left -= skip;
}

static void decode_all(struct decoder *d)
{
    for (unsigned faults = 0; d->left > 0 && !d->full;) {
        int error = step(d, false);
        if (error == 0 || error == EINVAL)
            break;
        if (error != EILSEQ)
            continue; /* the chunk was full */
        skip_fault(d);
        if (++faults == FAULTS_MAX) {
            decode_utf8(d->in, d->left, d->out, d->room);
            return;
        }
    }
    if (!d->full)
        step(d, true);
}

void charset_decode(const struct charset *c, const char *p, size_t n, struct strbuf *out,
                    size_t max_bytes)
{
    REQUIRE(out != NULL && (p != NULL || n == 0));
    iconv_t cd = c ? iconv_open("UTF-8", c->iconv) : (iconv_t)-1;
    if (cd == (iconv_t)-1) { /* UTF-8, or a system without this table */
        decode_utf8(p, n, out, max_bytes);
        return;
    }
    bool wide = !strncmp(c->iconv, "UTF-16", 6), marked = wide && by_mark((const void *)p, n) == c;
    struct decoder d = {
        .cd = cd, .in = p, .left = n, .unit = wide ? 2 : 1, .out = out, .room = max_bytes};
    d.in += marked ? 2 : 0;
    d.left -= marked ? 2 : 0;
    decode_all(&d);
    iconv_close(cd);
}
