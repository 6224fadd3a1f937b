#include "io/properties.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/suggest.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERRSTR_BYTES 512
#define KEY_SHOWN_BYTES 80 /* of a wrong key in a message */

void properties_init(struct properties *p)
{
    *p = (struct properties){0};
}

static void drop_entries_from(struct properties *p, size_t first)
{
    for (size_t i = first; i < p->count; i++) {
        mem_free(p->entries[i].key);
        mem_free(p->entries[i].value);
        mem_free(p->entries[i].where);
    }
    p->count = first;
}

void properties_deinit(struct properties *p)
{
    drop_entries_from(p, 0);
    mem_free(p->entries);
    properties_init(p);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static struct slice trimmed(struct slice s)
{
    while (s.len > 0 && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

static char *slice_dup(struct slice s)
{
    char *copy = mem_alloc(s.len + 1);
    if (s.len > 0)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return copy;
}

/* Append one `key=value`; the error text lacks the place, the caller puts it in front. */
static int add_assignment(struct properties *p, struct slice text, const char *where,
                          struct err *err)
{
    const char *equals = text.len > 0 ? memchr(text.ptr, '=', text.len) : NULL;
    if (!equals)
        return err_set(err, ERR_PARSE, "no '=' in \"%.*s\": write key=value",
                       text.len > KEY_SHOWN_BYTES ? KEY_SHOWN_BYTES : (int)text.len, text.ptr);
    const size_t key_len = (size_t)(equals - text.ptr);
    const struct slice key = trimmed((struct slice){text.ptr, key_len});
    const struct slice value = trimmed((struct slice){equals + 1, text.len - key_len - 1});
    if (key.len == 0)
        return err_set(err, ERR_PARSE, "no key before '='");
    if (p->count >= PROPERTIES_MAX_ENTRIES)
        return err_set(err, ERR_TOO_LARGE, "more than %d properties", PROPERTIES_MAX_ENTRIES);
    p->entries = mem_realloc(p->entries, (p->count + 1) * sizeof(p->entries[0]));
    p->entries[p->count++] = (struct property){slice_dup(key), slice_dup(value), mem_strdup(where)};
    return 0;
}

static int parse_line(struct properties *p, const char *name, size_t line_number, struct slice line,
                      struct err *err)
{
    line = trimmed(line);
    if (line.len == 0 || line.ptr[0] == '#')
        return 0;
    char where[512];
    snprintf(where, sizeof(where), "%.480s:%zu", name, line_number);
    if (memchr(line.ptr, '\0', line.len))
        return err_set(err, ERR_PARSE, "%s: a NUL byte; is this a text file?", where);
    if (add_assignment(p, line, where, err) == 0)
        return 0;
    return err_prefix(err, "%s", where);
}

int properties_parse(struct properties *p, const char *name, struct slice text, struct err *err)
{
    static const char byte_order_mark[] = "\xEF\xBB\xBF"; /* what some editors put in front */
    const size_t mark_len = sizeof(byte_order_mark) - 1;
    const size_t count_before = p->count;

    if (text.len > PROPERTIES_MAX_BYTES)
        return err_set(err, ERR_TOO_LARGE, "%s: larger than %d bytes", name, PROPERTIES_MAX_BYTES);
    if (text.len >= mark_len && memcmp(text.ptr, byte_order_mark, mark_len) == 0) {
        text.ptr += mark_len;
        text.len -= mark_len;
    }
    for (size_t line_number = 1; text.len > 0; line_number++) {
        const char *newline = memchr(text.ptr, '\n', text.len);
        const size_t line_len = newline ? (size_t)(newline - text.ptr) : text.len;
        if (parse_line(p, name, line_number, (struct slice){text.ptr, line_len}, err)) {
            drop_entries_from(p, count_before);
            return err->code;
        }
        const size_t used = newline ? line_len + 1 : line_len;
        text.ptr += used;
        text.len -= used;
    }
    return 0;
}

static int open_error(const char *path, struct err *err)
{
    const int code = errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND
                     : errno == EACCES || errno == EPERM ? ERR_PERMISSION
                     : errno == EISDIR                   ? ERR_CONFIG
                                                         : ERR_IO;
    return err_set(err, code, "cannot read %s: %s", path, strerror(errno));
}

/* The path with a leading `~/` resolved, owned; NULL and ERR_CONFIG without $HOME. */
static char *expand_home(const char *path, struct err *err)
{
    if (strncmp(path, "~/", 2) != 0)
        return mem_strdup(path);
    const char *home = getenv("HOME");
    if (!home || !*home) {
        err_set(err, ERR_CONFIG, "cannot read %s: HOME is not set", path);
        return NULL;
    }
    const size_t size = strlen(home) + strlen(path); /* '~' gives its place to the NUL */
    char *full = mem_alloc(size);
    snprintf(full, size, "%s%s", home, path + 1);
    return full;
}

static int parse_stream(struct properties *p, const char *path, FILE *file, struct err *err)
{
    char *text = mem_alloc(PROPERTIES_MAX_BYTES + 1); /* one more tells "larger" */
    const size_t len = fread(text, 1, PROPERTIES_MAX_BYTES + 1, file);
    const int code = ferror(file) ? open_error(path, err)
                                  : properties_parse(p, path, (struct slice){text, len}, err);
    mem_free(text);
    return code;
}

int properties_load(struct properties *p, const char *path, struct err *err)
{
    char *full_path = expand_home(path, err);
    if (!full_path)
        return err->code;
    FILE *file = fopen(full_path, "re");
    const int code = file ? parse_stream(p, path, file, err) : open_error(path, err);
    if (file)
        fclose(file);
    mem_free(full_path);
    return code;
}

int properties_add(struct properties *p, const char *where, const char *assignment, struct err *err)
{
    if (add_assignment(p, slice_of(assignment), where, err) == 0)
        return 0;
    err_prefix(err, "%s", where);
    err->code = ERR_USAGE;
    return err->code;
}

const char *properties_get(const struct properties *p, const char *key)
{
    for (size_t i = p->count; i > 0; i--)
        if (strcmp(p->entries[i - 1].key, key) == 0)
            return p->entries[i - 1].value;
    return NULL;
}

/* ---- secrets ---- */

static bool is_secret(const char *key)
{
    static const char *const parts[] = {"password", "secret",      "token",
                                        "jaas",     "ssl.key.pem", "oauthbearer.config"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (strstr(key, parts[i]))
            return true;
    return false;
}

int properties_print_redacted(const struct properties *p, struct buf *out)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct property *entry = &p->entries[i];
        if (properties_get(p, entry->key) != entry->value)
            continue; /* a later one wins */
        const int code =
            buf_printf(out, "%s=%s\n", entry->key, is_secret(entry->key) ? "***" : entry->value);
        if (code)
            return code;
    }
    return 0;
}

/* ---- "did you mean" ---- */

#define KNOWN_MAX 1024 /* librdkafka 2.0 has about 200 */

/* librdkafka prints its properties as a table, one `name | ...` a line. Owned; free(). NULL where
 * the system has no memory stream for us. */
static char *known_property_table(void)
{
    char *table = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&table, &size);
    if (!stream)
        return NULL;
    rd_kafka_conf_properties_show(stream);
    if (fclose(stream) == 0)
        return table;
    free(table);
    return NULL;
}

/* Length of the property name that a line of the table begins with; 0 for headings and rules. */
static size_t name_len(const char *line)
{
    const size_t len = strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789._");
    return line[len + strspn(line + len, " ")] == '|' ? len : 0;
}

/* The names in `table`, cut out in place. */
static size_t known_names(char *table, const char *names[KNOWN_MAX])
{
    size_t count = 0;
    for (char *line = table; line && *line && count < KNOWN_MAX;) {
        char *newline = strchr(line, '\n');
        const size_t len = name_len(line);
        if (len > 0) {
            line[len] = '\0';
            names[count++] = line;
        }
        line = newline ? newline + 1 : NULL;
    }
    return count;
}

static int unknown_key_error(const struct property *entry, struct err *err)
{
    static const char spark_prefix[] = "kafka."; /* Spark's way of writing them */
    const size_t prefix_len = sizeof(spark_prefix) - 1;
    const bool has_prefix = strncmp(entry->key, spark_prefix, prefix_len) == 0;
    const char *names[KNOWN_MAX];
    char *table = known_property_table();
    const char *nearest = suggest_near(slice_of(entry->key + (has_prefix ? prefix_len : 0)), names,
                                       known_names(table, names));
    if (nearest)
        err_set(err, ERR_CONFIG, "%s: unknown property \"%.*s\"; did you mean \"%s\"?",
                entry->where, KEY_SHOWN_BYTES, entry->key, nearest);
    else
        err_set(err, ERR_CONFIG, "%s: unknown property \"%.*s\"; see librdkafka's CONFIGURATION.md",
                entry->where, KEY_SHOWN_BYTES, entry->key);
    free(table);
    return err->code;
}

/* ---- onto librdkafka's configuration ---- */

static const struct properties_owned *find_owned(const struct properties_owned *owned,
                                                 const char *key)
{
    for (; owned && owned->key; owned++)
        if (strcmp(owned->key, key) == 0)
            return owned;
    return NULL;
}

static int apply_entry(const struct property *entry, rd_kafka_conf_t *conf, struct err *err)
{
    char errstr[ERRSTR_BYTES];
    switch (rd_kafka_conf_set(conf, entry->key, entry->value, errstr, sizeof(errstr))) {
    case RD_KAFKA_CONF_OK:
        return 0;
    case RD_KAFKA_CONF_UNKNOWN:
        return unknown_key_error(entry, err);
    case RD_KAFKA_CONF_INVALID:
        break;
    }
    /* librdkafka quotes the value in its reason. */
    return err_set(err, ERR_CONFIG, "%s: %s: %s", entry->where, entry->key,
                   is_secret(entry->key) && strstr(errstr, entry->value) ? "not a valid value"
                                                                         : errstr);
}

int properties_apply(const struct properties *p, rd_kafka_conf_t *conf,
                     const struct properties_owned *owned, struct err *err)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct property *entry = &p->entries[i];
        const struct properties_owned *reason = find_owned(owned, entry->key);
        if (!reason) {
            if (apply_entry(entry, conf, err))
                return err->code;
        } else if (properties_get(p, entry->key) == entry->value) { /* one warning a key */
            LOG_WARN("property_ignored", LOG_STR("key", entry->key), LOG_STR("at", entry->where),
                     LOG_STR("reason", reason->why));
        }
    }
    return 0;
}
