/* mem.h -- allocation that aborts when memory is out.
 *
 * A restart replays from the commit records, so the abort is a tested path and
 * recoverable out-of-memory would be hundreds of untested ones. Sizes that come
 * from outside must be bounded by a named maximum before they get here. */
#ifndef TURNSTILE_BASE_MEM_H
#define TURNSTILE_BASE_MEM_H

#include "base/base.h"

#include <stddef.h>

/* Never NULL; mem_alloc(0) is valid to free. Free with mem_free(). */
void *mem_alloc(size_t bytes);
void *mem_calloc(size_t count, size_t bytes); /* zeroed; the product is checked */
void *mem_realloc(void *ptr, size_t bytes);   /* NULL is mem_alloc */
char *mem_strdup(const char *text);
void *mem_dup(const void *ptr, size_t bytes);
void mem_free(void *ptr); /* NULL is a no-op */

#endif
