/* log.h -- one structured line an event, on stderr.
 *
 * logfmt (`time=... level=info event=stored object=... rows=12`) or JSON lines.
 * Values are escaped, cut to LOG_VALUE_BYTES, and never hold a payload. Called on
 * the loop thread and, serialised by a mutex, from librdkafka's log callback. The
 * core does not include this. Repeats of one event name are limited to
 * LOG_BURST a minute; what was held back is counted in the next line's `repeated`.
 *
 *     LOG_INFO("stored", LOG_STR("object", name), LOG_INT("rows", n));  */
#ifndef TURNSTILE_BASE_LOG_H
#define TURNSTILE_BASE_LOG_H

#include "base/base.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define LOG_VALUE_BYTES 512 /* of one value; longer ones end in "..." */
#define LOG_BURST 60 /* lines of one event name and level a minute; errors are never held back */

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

struct log_field {
    const char *key;
    const char *text; /* NULL: number counts */
    int64_t number;
};

#define LOG_STR(key_, text_) ((struct log_field){.key = (key_), .text = (text_)})
#define LOG_INT(key_, number_) ((struct log_field){.key = (key_), .number = (int64_t)(number_)})

/* Before any other thread exists. */
void log_configure(enum log_level level, enum log_format format);
bool log_enabled(enum log_level level);

/* False: not a level / format name. */
bool log_level_parse(const char *name, enum log_level *level) MUST_CHECK;
bool log_format_parse(const char *name, enum log_format *format) MUST_CHECK;

void log_write(enum log_level level, const char *event, const struct log_field *fields,
               size_t count);

/* Likewise, but never held back: for lines that are few and must not be missed (the accounting at
 * exit). */
void log_write_always(enum log_level level, const char *event, const struct log_field *fields,
                      size_t count);

#define LOG_AT(level, event, ...)                                         \
    do {                                                                  \
        const struct log_field log_fields_[] = {__VA_ARGS__};             \
        log_write((level), (event), log_fields_, ARRAY_LEN(log_fields_)); \
    } while (0)
#define LOG_DEBUG(event, ...) LOG_AT(LOG_LEVEL_DEBUG, event, __VA_ARGS__)
#define LOG_INFO(event, ...) LOG_AT(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define LOG_WARN(event, ...) LOG_AT(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define LOG_ERROR(event, ...) LOG_AT(LOG_LEVEL_ERROR, event, __VA_ARGS__)

#endif
