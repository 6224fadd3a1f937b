#include "core/split.h"

#include "base/mem.h"

#include <csv.h>
#include <stdint.h>

/* What a byte means to a row that has no quote so far. */
enum byte_class { BYTE_PLAIN, BYTE_HIGH, BYTE_NUL, BYTE_COMMA, BYTE_NEWLINE, BYTE_QUOTE };

static const unsigned char CLASS_OF[256] = {
    ['\0'] = BYTE_NUL,  [','] = BYTE_COMMA, ['\n'] = BYTE_NEWLINE, ['\r'] = BYTE_NEWLINE,
    ['"'] = BYTE_QUOTE,
#define HIGH8(n)                                                                    \
    [n] = BYTE_HIGH, [n + 1] = BYTE_HIGH, [n + 2] = BYTE_HIGH, [n + 3] = BYTE_HIGH, \
    [n + 4] = BYTE_HIGH, [n + 5] = BYTE_HIGH, [n + 6] = BYTE_HIGH, [n + 7] = BYTE_HIGH
    HIGH8(0x80),        HIGH8(0x88),        HIGH8(0x90),           HIGH8(0x98),
    HIGH8(0xa0),        HIGH8(0xa8),        HIGH8(0xb0),           HIGH8(0xb8),
    HIGH8(0xc0),        HIGH8(0xc8),        HIGH8(0xd0),           HIGH8(0xd8),
    HIGH8(0xe0),        HIGH8(0xe8),        HIGH8(0xf0),           HIGH8(0xf8),
#undef HIGH8
};

struct splitter {
    const char *at, *end; /* what is left of the text */
    bool libcsv_only;
    struct csv_parser parser;
    char *unquoted; /* fields of the current row, when libcsv decoded it */
    size_t unquoted_len, unquoted_cap;
    size_t count;   /* fields of the current row, also those beyond the limit */
    bool oversized; /* the current row */
    struct slice fields[SPLIT_MAX_COLUMNS];
};

static int no_byte_is_blank(unsigned char byte)
{
    UNUSED(byte);
    return 0;
}

/* Strict: an error is better than a guess. Blanks at the ends of fields are kept. */
static void parser_init(struct csv_parser *parser)
{
    const int rc = csv_init(parser, CSV_STRICT | CSV_STRICT_FINI);
    ASSERT(rc == 0);
    csv_set_space_func(parser, no_byte_is_blank);
    csv_set_realloc_func(parser, mem_realloc);
    csv_set_free_func(parser, mem_free);
}

struct splitter *splitter_new(bool libcsv_only)
{
    struct splitter *s = mem_calloc(1, sizeof(*s));
    s->libcsv_only = libcsv_only;
    parser_init(&s->parser);
    return s;
}

void splitter_free(struct splitter *s)
{
    if (s == NULL)
        return;
    csv_free(&s->parser);
    mem_free(s->unquoted);
    mem_free(s);
}

size_t splitter_memory_bytes(const struct splitter *s)
{
    return sizeof(*s) + s->unquoted_cap + s->parser.entry_size;
}

void splitter_start(struct splitter *s, struct slice text)
{
    s->at = text.len > 0 ? text.ptr : "";
    s->end = s->at + text.len;
}

static void add_field(struct splitter *s, const char *start, size_t len)
{
    if (s->count < SPLIT_MAX_COLUMNS && len <= SPLIT_MAX_FIELD_BYTES)
        s->fields[s->count] = (struct slice){start, len};
    else
        s->oversized = true;
    s->count++;
}

static void row_begin(struct splitter *s, struct split_row *row)
{
    s->count = 0;
    s->oversized = false;
    *row = (struct split_row){.fields = s->fields};
}

static void row_end(struct splitter *s, struct split_row *row, const char *end)
{
    row->text.ptr = s->at;
    row->text.len = (size_t)(end - s->at);
    row->field_count = s->count;
    row->oversized = s->oversized;
    s->at = end;
}

/* ---- rows without a quote ---- */

#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The next eight bytes, the first one lowest; fewer at the end, filled up with bytes that mean
 * nothing. */
static uint64_t load(const char *at, const char *end)
{
    uint64_t word = EACH_BYTE('x');
    if (end - at >= 8)
        memcpy(&word, at, 8);
    else
        memcpy(&word, at, (size_t)(end - at));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* The top bit of each byte that is a comma or less, or not ASCII: all that can mean something is
 * among them, and in a row of letters and digits little else. No sum carries into the next byte:
 * 0x7f + 0x7f - ',' < 0x100. */
static uint64_t marks_in(uint64_t word)
{
    const uint64_t low_bits = word & EACH_BYTE(0x7f);
    const uint64_t above_comma = low_bits + EACH_BYTE(0x7f - ',');
    return (~above_comma | word) & EACH_BYTE(0x80);
}

/* One pass: fields and the end of the row. False when there is a quote before the row ends; nothing
 * is consumed then. */
static bool next_plain(struct splitter *s, struct split_row *row)
{
    const char *const end = s->end;
    const char *field = s->at;
    const char *stop = end;
    for (const char *block = s->at; block < end && stop == end; block += 8) {
        uint64_t marks = marks_in(load(block, end));
        for (; marks != 0 && stop == end; marks &= marks - 1) {
            const char *at = block + __builtin_ctzll(marks) / 8;
            switch ((enum byte_class)CLASS_OF[(unsigned char)*at]) {
            case BYTE_PLAIN:
                break;
            case BYTE_COMMA:
                add_field(s, field, (size_t)(at - field));
                field = at + 1;
                break;
            case BYTE_HIGH:
                row->has_high = true;
                break;
            case BYTE_NUL:
                row->has_nul = true;
                break;
            case BYTE_QUOTE:
                return false;
            case BYTE_NEWLINE:
                stop = at;
                break;
            }
        }
    }
    add_field(s, field, (size_t)(stop - field));
    row_end(s, row, stop);
    return true;
}

/* ---- rows with quotes ---- */

static bool is_newline(char c)
{
    return c == '\n' || c == '\r';
}

static const char *line_end(const char *at, const char *end)
{
    while (at < end && !is_newline(*at))
        at++;
    return at;
}

/* The byte after the quote that closes the field whose first byte is at, or NULL. */
static const char *quoted_end(const char *at, const char *end)
{
    at++;
    while (at < end) {
        const char *quote = memchr(at, '"', (size_t)(end - at));
        if (quote == NULL)
            return NULL;
        if (quote + 1 == end || quote[1] != '"')
            return quote + 1;
        at = quote + 2; /* "" */
    }
    return NULL;
}

/* The end of the row that starts at `at`. */
static const char *measure_row(const char *at, const char *end, bool *malformed)
{
    *malformed = false;
    for (;;) { /* a field each */
        if (at < end && *at == '"') {
            at = quoted_end(at, end);
            if (at == NULL) {
                *malformed = true;
                return end;
            }
        } else {
            while (at < end && CLASS_OF[(unsigned char)*at] < BYTE_COMMA)
                at++;
        }
        if (at == end || is_newline(*at))
            return at;
        if (*at != ',') {
            *malformed = true;
            return line_end(at, end);
        }
        at++;
    }
}

static void on_field(void *bytes, size_t len, void *context)
{
    struct splitter *s = context;
    ASSERT(len <= s->unquoted_cap - s->unquoted_len); /* unquoting never adds bytes */
    char *copy = s->unquoted + s->unquoted_len;
    if (len > 0)
        memcpy(copy, bytes, len);
    s->unquoted_len += len;
    add_field(s, copy, len);
}

static void on_row(int terminator, void *context)
{
    UNUSED(terminator);
    UNUSED(context);
}

/* Fields of one row that measure_row() found well-formed. False when libcsv does not think so. */
static bool decode_with_libcsv(struct splitter *s, struct slice text)
{
    if (s->unquoted_cap < text.len) {
        mem_free(s->unquoted); /* the row before is gone */
        s->unquoted = mem_alloc(text.len);
        s->unquoted_cap = text.len;
    }
    s->unquoted_len = 0;
    const bool ok = csv_parse(&s->parser, text.ptr, text.len, on_field, on_row, s) == text.len &&
                    csv_fini(&s->parser, on_field, on_row, s) == 0;
    if (!ok) { /* its state would spoil the next row */
        csv_free(&s->parser);
        parser_init(&s->parser);
    }
    return ok;
}

static bool has_high_byte(struct slice text)
{
    unsigned char all = 0;
    for (size_t i = 0; i < text.len; i++)
        all |= (unsigned char)text.ptr[i];
    return all >= 0x80;
}

static void next_with_libcsv(struct splitter *s, struct split_row *row)
{
    row_begin(s, row);
    const char *const end = measure_row(s->at, s->end, &row->malformed);
    const struct slice text = {s->at, (size_t)(end - s->at)};
    if (!row->malformed)
        row->malformed = !decode_with_libcsv(s, text);
    row_end(s, row, end);
    row->oversized = row->oversized && !row->malformed;
    row->has_nul = memchr(text.ptr, '\0', text.len) != NULL;
    row->has_high = has_high_byte(text);
}

bool splitter_next(struct splitter *s, struct split_row *row)
{
    while (s->at < s->end && is_newline(*s->at))
        s->at++; /* the end of the last row, and empty lines */
    if (s->at == s->end)
        return false;
    row_begin(s, row);
    if (s->libcsv_only || !next_plain(s, row))
        next_with_libcsv(s, row);
    return true;
}
