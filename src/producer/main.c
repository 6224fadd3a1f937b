/* main.c -- turnstile-producer: options in, exit code out. */
#include "producer/run.h"

#include <stdio.h>

static int print_help(void)
{
    struct buf text;
    buf_init(&text, 64 * 1024);
    ASSERT(options_help(&text) == 0);
    const size_t written = fwrite(text.data, 1, text.len, stdout);
    const int rc = written == text.len && fflush(stdout) == 0 ? 0 : 1;
    buf_deinit(&text);
    return rc;
}

int main(int argc, char **argv)
{
    struct options options;
    struct err err;
    int rc = options_parse(&options, argc, argv, &err);
    int exit_code = 0;
    if (rc == 0 && options.command == OPTIONS_HELP)
        exit_code = print_help();
    else if (rc == 0 && options.command == OPTIONS_VERSION)
        printf("turnstile-producer %s\n", TURNSTILE_VERSION);
    else if (rc == 0)
        rc = run(&options, &err);
    if (rc != 0) {
        fprintf(stderr, "turnstile-producer: %s\n", err.text);
        exit_code = err_exit_code(rc);
    }
    options_deinit(&options);
    return exit_code;
}
