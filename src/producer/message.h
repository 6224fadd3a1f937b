/* message.h -- from a row to what goes into the topic: key and value.
 *
 * Clean, or wrong in one of the ways that a consumer has to survive. */
#ifndef TURNSTILE_PRODUCER_MESSAGE_H
#define TURNSTILE_PRODUCER_MESSAGE_H

#include "producer/row.h"

#define MESSAGE_MAX_BYTES (512 * 1024) /* below the brokers' usual limit of 1 MiB */

enum message_format { MESSAGE_JSON, MESSAGE_CSV };
enum message_key { MESSAGE_KEY_ID, MESSAGE_KEY_TURNSTILE };

enum message_kind {
    MESSAGE_ROW,
    MESSAGE_DUPLICATE,
    MESSAGE_MALFORMED,
    MESSAGE_LATE,
    MESSAGE_KINDS
};

/* X(name, text): ways to be malformed, in the order in which --malformed goes round them. */
#define MESSAGE_FAULT_TABLE(X)                \
    X(FAULT_COLUMN_MISSING, "column missing") \
    X(FAULT_COLUMN_EXTRA, "extra column")     \
    X(FAULT_LETTERS, "letters in ENTRIES")    \
    X(FAULT_OVERFLOW, "int32 overflow")       \
    X(FAULT_TIMESTAMP, "bad timestamp")       \
    X(FAULT_DATE, "bad date")                 \
    X(FAULT_QUOTE, "broken quote")            \
    X(FAULT_UTF8, "invalid UTF-8")            \
    X(FAULT_NUL, "NUL byte")                  \
    X(FAULT_JSON_ESCAPE, "bad JSON escape")   \
    X(FAULT_EMPTY, "empty value")             \
    X(FAULT_TOMBSTONE, "tombstone")

enum message_fault {
#define FAULT_ENUM(name, text) name,
    MESSAGE_FAULT_TABLE(FAULT_ENUM)
#undef FAULT_ENUM
        MESSAGE_FAULTS
};

struct message {
    enum message_kind kind;
    struct slice key, value;
    struct slice csv; /* the row before it was wrapped, for people */
    bool tombstone;   /* no value at all, which is not an empty one */
};

/* Renders into buffers of its own; a message is valid until the next call with the same writer. */
struct message_writer {
    enum message_format format;
    enum message_key key_by;
    struct buf key, value, csv;
};

void message_writer_init(struct message_writer *w, enum message_format format,
                         enum message_key key_by);
void message_writer_deinit(struct message_writer *w);

/* 0, or ERR_TOO_LARGE: the row does not fit into MESSAGE_MAX_BYTES. */
int message_write(struct message_writer *w, const struct row *row, enum message_kind kind,
                  struct message *message) MUST_CHECK;
int message_write_malformed(struct message_writer *w, const struct row *row,
                            enum message_fault fault, struct message *message) MUST_CHECK;

#endif
