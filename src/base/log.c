#include "base/log.h"

#include "base/log_line.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The one global of the program: a log that had to be passed along would be in every signature. */
static struct {
    pthread_mutex_t mutex;
    enum log_level level;
    enum log_format format;
    struct log_limit limit;
} logger = {.mutex = PTHREAD_MUTEX_INITIALIZER, .level = LOG_LEVEL_INFO};

void log_configure(enum log_level level, enum log_format format)
{
    logger.level = level;
    logger.format = format;
}

bool log_enabled(enum log_level level)
{
    return level >= logger.level;
}

bool log_level_parse(const char *name, enum log_level *level)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_format_parse(const char *name, enum log_format *format)
{
    if (strcmp(name, "logfmt") == 0)
        *format = LOG_FORMAT_LOGFMT;
    else if (strcmp(name, "json") == 0)
        *format = LOG_FORMAT_JSON;
    else
        return false;
    return true;
}

static int64_t clock_read_ms(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) != 0)
        return 0;
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* One write a line, so that lines of processes that share a stderr do not mix. A log that cannot be
 * written must not stop the work: then the line is lost. */
static void write_all(const char *bytes, size_t len)
{
    while (len > 0) {
        const ssize_t n = write(STDERR_FILENO, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        bytes += n;
        len -= (size_t)n;
    }
}

static void write_line(enum log_level level, const char *event, const struct log_field *fields,
                       size_t count, bool limited)
{
    if (!log_enabled(level))
        return;
    uint64_t repeated = 0;
    struct buf line;
    buf_init(&line, LOG_LINE_MAX_BYTES);
    pthread_mutex_lock(&logger.mutex);
    if (!limited ||
        log_limit_admit(&logger.limit, level, event, clock_read_ms(CLOCK_MONOTONIC), &repeated)) {
        log_line(&line, logger.format, clock_read_ms(CLOCK_REALTIME), level, event, fields, count,
                 repeated);
        write_all(line.data, line.len);
    }
    pthread_mutex_unlock(&logger.mutex);
    buf_deinit(&line);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields,
               size_t count)
{
    write_line(level, event, fields, count, true);
}

void log_write_always(enum log_level level, const char *event, const struct log_field *fields,
                      size_t count)
{
    write_line(level, event, fields, count, false);
}
