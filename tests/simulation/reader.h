/* reader.h -- small readers of our own for what the core writes: CSV and the JSON
 * lines of side output and raw layer. Strict: what they do not expect is a failure. They
 * share no code with the core's writers. */
#ifndef TURNSTILE_SIMULATION_READER_H
#define TURNSTILE_SIMULATION_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define READER_FIELD_BYTES 128  /* the feed's fields are shorter */
#define READER_VALUE_BYTES 2048 /* as are its messages */

struct reader {
    const char *at, *end;
};

struct reader_side_row {
    unsigned partition;
    int64_t offset;
    unsigned row;
    char reason[16];
    bool is_null;
    size_t len;
    char value[READER_VALUE_BYTES];
};

#define READER_KEY_BYTES 64

struct reader_raw_row {
    unsigned partition;
    int64_t offset;
    bool has_timestamp, has_key, has_value;
    int64_t timestamp_ms;
    size_t key_len, value_len;
    char key[READER_KEY_BYTES], value[READER_VALUE_BYTES];
};

/* The next field of the line, unquoted and NUL-terminated; *ends_line: a newline came after it. */
bool reader_csv_field(struct reader *r, char out[READER_FIELD_BYTES], bool *ends_line);

/* One line of a side object with its newline. */
bool reader_side_line(struct reader *r, const char *topic, struct reader_side_row *row);

/* One line of a raw object with its newline. */
bool reader_raw_line(struct reader *r, const char *topic, struct reader_raw_row *row);

#endif
