/* turnstile-consumer: options, then the daemon. */
#include "base/log.h"
#include "consumer/app.h"
#include "consumer/options.h"
#include "consumer/setup.h"

#include <stdio.h>
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <uv.h>

#define OUTPUT_MAX_BYTES ((size_t)1 << 20) /* of --help and --print-config */

/* One line, whatever it quotes. */
static int complain(const struct err *err)
{
    fputs("turnstile-consumer: ", stderr);
    for (const char *p = err->text; *p != '\0'; p++)
        fputc((unsigned char)*p < ' ' || *p == 0x7f ? '?' : *p, stderr);
    fputc('\n', stderr);
    return err_exit_code(err->code);
}

/* To stdout; 1 when it cannot be written (a full disk). */
static int show(const struct buf *text)
{
    const bool written = fwrite(text->data, 1, text->len, stdout) == text->len;
    return fflush(stdout) == 0 && written ? 0 : 1;
}

static int run(struct setup *setup)
{
    const struct options *o = &setup->options;
    struct err err;
    if (app_check_lake(o->lake, &err) != 0)
        return complain(&err);
    if (!o->print_config && !o->check_config)
        return app_run(setup);
    struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    int rc = o->print_config ? setup_print(setup, &text)
                             : buf_append_str(&text, "the configuration is valid\n");
    rc = rc == 0 ? show(&text) : complain(&(struct err){rc, "too much to print"});
    buf_deinit(&text);
    return rc;
}

static int load_and_run(const struct options *options)
{
    struct setup setup;
    struct err err;
    log_configure(options->log_level, options->log_format);
    const int exit_code = setup_load(&setup, options, &err) == 0 ? run(&setup) : complain(&err);
    setup_deinit(&setup);
    return exit_code;
}

static int help(void)
{
    struct buf text;
    buf_init(&text, OUTPUT_MAX_BYTES);
    const int rc = options_print_help(&text);
    ASSERT(rc == 0);
    const int exit_code = show(&text);
    buf_deinit(&text);
    return exit_code;
}

static int version(void)
{
    printf("turnstile-consumer %s (librdkafka %s, libuv %s)\n", TURNSTILE_VERSION,
           rd_kafka_version_str(), uv_version_string());
    return fflush(stdout) == 0 ? 0 : 1;
}

static const char *environment(const char *name)
{
    return getenv(name);
}

/* glibc's heap keeps what many threads gave back, in an arena each, and its thresholds grow with
 * what is freed: resident memory then passes --memory-limit though little is in use. */
static void give_memory_back(void)
{
#ifdef __GLIBC__
    mallopt(M_ARENA_MAX, 2); /* loop and workers hand objects to each other */
    mallopt(M_MMAP_THRESHOLD,
            128 * 1024); /* larger blocks go back when freed; setting it fixes it */
    mallopt(M_TRIM_THRESHOLD, 128 * 1024);
#endif
}

int main(int argc, char **argv)
{
    give_memory_back();
    struct options options;
    struct err err;
    if (options_parse(&options, argc, argv, environment, &err) != 0)
        return complain(&err);
    int exit_code = 0;
    switch (options.command) {
    case OPTIONS_RUN:
        exit_code = load_and_run(&options);
        break;
    case OPTIONS_HELP:
        exit_code = help();
        break;
    case OPTIONS_VERSION:
        exit_code = version();
        break;
    }
    options_deinit(&options);
    return exit_code;
}
