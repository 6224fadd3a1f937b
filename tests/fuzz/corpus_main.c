/* Runs a fuzz target over every file of a directory, and over every prefix of each: a parser must
 * stand an input that is cut anywhere. Fails when there is no file, so that it cannot pass idly. */
#include "base/base.h"
#include "base/mem.h"
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE_BYTES (4L * 1024 * 1024)
#define MAX_PREFIX_BYTES 4096 /* longer files are cut only at these first places */

/* A copy of its own size, so that a sanitizer sees a read past the end. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = mem_dup(data, size);
    LLVMFuzzerTestOneInput(copy, size);
    mem_free(copy);
}

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    uint8_t *data = mem_alloc(MAX_FILE_BYTES);
    const size_t size = fread(data, 1, MAX_FILE_BYTES, file);
    fclose(file);
    for (size_t cut = 0; cut < size && cut < MAX_PREFIX_BYTES; cut++)
        run(data, cut);
    run(data, size);
    mem_free(data);
}

int main(int argc, char **argv)
{
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    if (dir == NULL) {
        fprintf(stderr, "usage: %s CORPUS-DIRECTORY (that exists)\n", argv[0]);
        return 1;
    }
    int files = 0;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
        run_file(path);
        files++;
    }
    closedir(dir);
    printf("%d files\n", files);
    return files > 0 ? 0 : 1;
}
