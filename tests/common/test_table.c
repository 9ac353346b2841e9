/* SPDX-License-Identifier: MIT */
#include "common/table.h"
#include "common/require.h"
#include "common/text.h"
#include "tests/support/check_main.h"

static const struct table_column columns[] = {{.title = "NAME", .least = 8},
                                              {.title = "N", .right = true},
                                              {.title = "EXTRA", .drop = 1},
                                              {.title = "MORE", .drop = 2}};

/* One row, laid out; the caller frees. */
static char *laid_out(const char *name, size_t width, bool colour)
{
    const char *cells[] = {name, "12", "extra", "more"};
    struct table_style style = {.width = width, .colour = colour};
    struct strbuf out;
    size_t len;
    text_init();
    strbuf_init(&out, 65536);
    struct table *t = table_create(columns, ARRAY_LEN(columns));
    table_row(t, cells, 1, TONE_BAD);
    table_print(t, &style, &out);
    table_destroy(&t);
    return strbuf_take(&out, &len);
}

START_TEST(test_columns_line_up)
{
    char *s = laid_out("abcdef", 0, false);
    ck_assert_str_eq(s, "NAME     N  EXTRA  MORE\nabcdef  12  extra  more\n");
    free(s);
}
END_TEST

START_TEST(test_wide_characters_line_up)
{
    char *s = laid_out("例え", 0, false);
    ck_assert_str_eq(s, "NAME   N  EXTRA  MORE\n例え  12  extra  more\n");
    free(s);
}
END_TEST

START_TEST(test_flexible_column_shrinks_first)
{
    char *s = laid_out("abcdefghijklmnop", 27, false);
    ck_assert_str_eq(s, "NAME         N  EXTRA  MORE\nabcde…mnop  12  extra  more\n");
    free(s);
}
END_TEST

START_TEST(test_column_with_highest_drop_goes_next)
{
    char *s = laid_out("abcdefghijklmnop", 20, false);
    ck_assert_ptr_null(strstr(s, "MORE"));
    ck_assert_ptr_nonnull(strstr(s, "EXTRA"));
    free(s);
}
END_TEST

START_TEST(test_no_line_is_wider_than_the_terminal)
{
    for (size_t width = 14; width < 60; width++) {
        char *s = laid_out("a name that is longer than the terminal is wide", width, false),
             *rest = s, *line;
        while ((line = strsep(&rest, "\n")) != NULL)
            ck_assert_uint_le(text_width(line), width);
        free(s);
    }
}
END_TEST

START_TEST(test_without_a_width_nothing_is_cut)
{
    char name[301];
    memset(name, 'x', 300);
    name[300] = '\0';
    char *s = laid_out(name, 0, false);
    ck_assert_ptr_nonnull(strstr(s, name));
    free(s);
}
END_TEST

START_TEST(test_colour_only_when_asked)
{
    char *plain = laid_out("a", 0, false), *bright = laid_out("a", 0, true);
    ck_assert_ptr_null(strchr(plain, 0x1b));
    ck_assert_ptr_nonnull(strstr(bright, "\x1b[31m12\x1b[0m"));
    free(plain);
    free(bright);
}
END_TEST

START_TEST(test_cells_are_cleaned)
{
    char *s = laid_out("a\x1b[2J\nb", 0, false);
    ck_assert_ptr_null(strchr(s, 0x1b));
    ck_assert_ptr_nonnull(strstr(s, "a [2J b"));
    free(s);
}
END_TEST

START_TEST(test_empty_cell_shows_a_dash)
{
    char *s = laid_out("", 0, false);
    ck_assert_ptr_nonnull(strstr(s, "\n-   "));
    free(s);
}
END_TEST

START_TEST(test_note_stands_under_its_row_and_is_cut)
{
    const char *cells[] = {"a", "1", "e", "m"};
    struct table_style style = {.width = 24};
    struct strbuf out;
    text_init();
    strbuf_init(&out, 65536);
    struct table *t = table_create(columns, ARRAY_LEN(columns));
    table_row(t, cells, 0, TONE_PLAIN);
    table_note(t, "the target refused the connection");
    table_print(t, &style, &out);
    ck_assert_ptr_nonnull(strstr(out.data, "\n    the target refused …\n"));
    table_destroy(&t);
    strbuf_fini(&out);
}
END_TEST

TESTS(layout, test_columns_line_up, test_wide_characters_line_up,
      test_flexible_column_shrinks_first, test_column_with_highest_drop_goes_next,
      test_no_line_is_wider_than_the_terminal, test_without_a_width_nothing_is_cut,
      test_colour_only_when_asked, test_cells_are_cleaned, test_empty_cell_shows_a_dash,
      test_note_stands_under_its_row_and_is_cut)
CHECK_MAIN("table", layout)
