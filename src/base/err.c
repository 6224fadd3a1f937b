#include "base/err.h"

#include <stdio.h>
#include <string.h>

int err_set(struct err *err, int code, const char *format, ...)
{
    ASSERT(code < 0);
    err->code = code;
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    return code;
}

int err_prefix(struct err *err, const char *format, ...)
{
    char text[ERR_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (n < 0)
        return err->code;
    size_t used = (size_t)n < sizeof(text) - 3 ? (size_t)n : sizeof(text) - 3;
    memcpy(text + used, ": ", 3);
    used += 2;
    size_t rest = strlen(err->text);
    if (rest > sizeof(text) - 1 - used)
        rest = sizeof(text) - 1 - used;
    memcpy(text + used, err->text, rest);
    text[used + rest] = '\0';
    memcpy(err->text, text, used + rest + 1);
    return err->code;
}

const char *err_name(int code)
{
    switch (code) {
    case ERR_OK:
        return "ok";
#define ERR_NAME(name, value, exit_code, text) \
    case name:                                 \
        return text;
        ERR_TABLE(ERR_NAME)
#undef ERR_NAME
    default:
        return "unknown error";
    }
}

int err_exit_code(int code)
{
    switch (code) {
    case ERR_OK:
        return 0;
#define ERR_EXIT(name, value, exit_code, text) \
    case name:                                 \
        return exit_code;
        ERR_TABLE(ERR_EXIT)
#undef ERR_EXIT
    default:
        return 1;
    }
}
