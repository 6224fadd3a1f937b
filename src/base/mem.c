#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

NORETURN static void out_of_memory(size_t bytes)
{
    fprintf(stderr, "out of memory: %zu bytes; nothing is lost, a restart continues\n", bytes);
    abort();
}

void *mem_alloc(size_t bytes)
{
    return mem_realloc(NULL, bytes);
}

void *mem_calloc(size_t count, size_t bytes)
{
    void *ptr = calloc(count ? count : 1, bytes ? bytes : 1);
    if (ptr == NULL)
        out_of_memory(bytes);
    return ptr;
}

void *mem_realloc(void *ptr, size_t bytes)
{
    void *moved = realloc(ptr, bytes ? bytes : 1);
    if (moved == NULL)
        out_of_memory(bytes);
    return moved;
}

char *mem_strdup(const char *text)
{
    return mem_dup(text, strlen(text) + 1);
}

void *mem_dup(const void *ptr, size_t bytes)
{
    void *copy = mem_alloc(bytes);
    if (bytes > 0)
        memcpy(copy, ptr, bytes);
    return copy;
}

void mem_free(void *ptr)
{
    free(ptr);
}
