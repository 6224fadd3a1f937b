/* base.h -- the few macros that every file may use.
 *
 * ASSERT marks a bug of ours, never bad input; it stays on in release, because
 * an abort is safe (a restart replays from the commit records) and a wrong
 * object in the lake is not. */
#ifndef TURNSTILE_BASE_BASE_H
#define TURNSTILE_BASE_BASE_H

#include <stddef.h>
#include <stdint.h>

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define MUST_CHECK __attribute__((warn_unused_result))
#define FORMAT_PRINTF(fmt_index, first_arg) __attribute__((format(printf, fmt_index, first_arg)))
#define NORETURN __attribute__((noreturn))
#define UNUSED(x) ((void)(x))

/* Prints the failed condition and its place to stderr and aborts. */
#define ASSERT(condition) \
    ((condition) ? (void)0 : base_assert_failed(#condition, __FILE__, __LINE__, __func__))

NORETURN void base_assert_failed(const char *condition, const char *file, int line,
                                 const char *function);

#endif
