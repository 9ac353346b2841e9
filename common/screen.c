/* SPDX-License-Identifier: MIT */
#include "common/screen.h"
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_DEFAULT 80

bool screen_is_terminal(FILE *f)
{
    return isatty(fileno(f)) == 1;
}

static size_t width_of(FILE *f)
{
    struct winsize w;
    if (ioctl(fileno(f), TIOCGWINSZ, &w) != 0 || w.ws_col == 0)
        return WIDTH_DEFAULT;
    return w.ws_col;
}

struct table_style screen_style(FILE *f)
{
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    if (!screen_is_terminal(f))
        return (struct table_style){.width = 0};
    bool dumb = !term || strcmp(term, "dumb") == 0;
    return (struct table_style){.width = width_of(f),
                                .colour = !dumb && !(no_colour && *no_colour)};
}

/* C0 but newline, DEL, and C1 in its UTF-8 form C2 80 to C2 9F. */
static bool is_control(unsigned char c, unsigned char before)
{
    return (c < 0x20 && c != '\n') || c == 0x7f || (before == 0xc2 && c >= 0x80 && c < 0xa0);
}

bool screen_put(FILE *f, const char *bytes, size_t n, unsigned char *last)
{
    if (!screen_is_terminal(f))
        return fwrite(bytes, 1, n, f) == n;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i];
        bool dos_end = c == '\r' && (i + 1 == n || bytes[i + 1] == '\n');
        if (!dos_end)
            putc(is_control(c, *last) ? '?' : c, f);
        *last = c;
    }
    return !ferror(f);
}
