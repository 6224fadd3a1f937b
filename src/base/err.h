/* err.h -- operational failures: a code from one table, and a text for people.
 *
 * Functions that can fail return 0 or a negative code. Where a person will read
 * the reason they also take a `struct err *`, which must not be NULL; its text
 * says what is wrong and what to do. Verdicts on data (a late row, a malformed
 * one) are not errors and do not come through here. */
#ifndef TURNSTILE_BASE_ERR_H
#define TURNSTILE_BASE_ERR_H

#include "base/base.h"

#include <stdarg.h>

/* X(name, value, process exit code, short text). Exit codes follow sysexits.h where it has one. */
#define ERR_TABLE(X)                               \
    X(ERR_FATAL, -1, 1, "fatal")                   \
    X(ERR_USAGE, -2, 2, "wrong use")               \
    X(ERR_UNREACHABLE, -3, 69, "unreachable")      \
    X(ERR_IO, -4, 1, "input/output error")         \
    X(ERR_TIMEOUT, -5, 75, "timed out")            \
    X(ERR_PERMISSION, -6, 77, "permission denied") \
    X(ERR_CONFIG, -7, 78, "configuration")         \
    X(ERR_PARSE, -8, 78, "malformed")              \
    X(ERR_TOO_LARGE, -9, 78, "too large")          \
    X(ERR_CONFLICT, -10, 1, "conflict")            \
    X(ERR_CANCELED, -11, 1, "canceled")            \
    X(ERR_NOT_FOUND, -12, 78, "not found")

enum err_code {
    ERR_OK = 0,
#define ERR_ENUM(name, value, exit_code, text) name = value,
    ERR_TABLE(ERR_ENUM)
#undef ERR_ENUM
};

#define ERR_TEXT_BYTES 1024

struct err {
    int code;                  /* 0 or one of enum err_code */
    char text[ERR_TEXT_BYTES]; /* NUL-terminated; longer texts are cut */
};

/* Set code and text; returns code, so that `return err_set(...)` reads well. */
int err_set(struct err *err, int code, const char *format, ...) FORMAT_PRINTF(3, 4);

/* Put "<prefix>: " before the text. Returns err->code. */
int err_prefix(struct err *err, const char *format, ...) FORMAT_PRINTF(2, 3);

/* Short text of a code, never NULL. */
const char *err_name(int code);

/* The process exit code that DESIGN documents for a code; 0 for ERR_OK. */
int err_exit_code(int code);

#endif
