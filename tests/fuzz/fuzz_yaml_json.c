/* SPDX-License-Identifier: MIT */
#include "common/json.h"
#include "common/require.h"
#include "common/yaml_json.h"

/* A file of a user as YAML: what is taken is good JSON, whose every value has its mark; what is
 * refused says why. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUT_MAX (1u << 20)

static void check_marks(const struct yaml_marks *m, const struct json_node *n)
{
    size_t at, len, line, column;
    json_node_span(n, &at, &len);
    REQUIRE(yaml_marks_find(m, at, &line, &column) && line > 0 && column > 0);
    if (json_type(n) != JSON_ARRAY && json_type(n) != JSON_OBJECT)
        return;
    for (const struct json_node *i = json_first(n); i != NULL; i = json_next(i))
        check_marks(m, i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct strbuf out;
    struct yaml_marks *marks = NULL;
    struct json_doc *d = NULL;
    char why[YAML_WHY_MAX] = "", problem[200];
    strbuf_init(&out, OUT_MAX);
    if (yaml_to_json((const char *)data, size, &out, &marks, why) != ERR_NONE)
        REQUIRE(why[0] != '\0' && marks == NULL);
    else if (json_parse(out.data, out.len, &d, problem, sizeof(problem)) == ERR_NONE)
        check_marks(marks, json_root(d)); /* else: a number that is too long, or not finite */
    json_free(&d);
    yaml_marks_free(&marks);
    strbuf_fini(&out);
    return 0;
}
