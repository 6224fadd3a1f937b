/* turnstile-sandbox: an embedded Kafka and an HTTP lake on loopback, for a first run, the demo and
 * the tests. */
#include "base/base.h"
#include "base/err.h"
#include "sandbox/broker.h"
#include "sandbox/lake_server.h"
#include "sandbox/store.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define MAX_TOPICS 64
#define MAX_PARTITIONS 1000
#define TOPIC_BYTES 249 /* Kafka's own limit of a topic's name */
#define DEFAULT_TOPIC "mta-turnstile"
#define DEFAULT_PARTITIONS 2
#define OPEN_FILES 4096 /* two for each connection of the lake, and the broker's */

struct topic {
    char name[TOPIC_BYTES + 1];
    int partitions;
};

struct options {
    const char *dir;
    struct topic topics[MAX_TOPICS];
    size_t topic_count;
    uint64_t max_object_bytes;
    bool until_eof;
};

enum { OPTION_DIR = 256, OPTION_TOPIC, OPTION_MAX_OBJECT, OPTION_UNTIL_EOF };

static const char HELP[] =
    "Usage: turnstile-sandbox --dir DIR [--topic NAME:PARTITIONS]...\n"
    "\n"
    "An embedded Kafka broker and an HTTP lake on loopback, to try Turnstile and to test it.\n"
    "Prints `bootstrap.servers=HOST:PORT`, `lake.url=URL` and `ready`, one a line, and serves\n"
    "until SIGTERM or SIGINT.\n"
    "\n"
    "  --dir DIR                  keep the lake's objects in DIR/lake (DIR is made)\n"
    "  --topic NAME:PARTITIONS    create this topic; may be given again\n"
    "                             (default mta-turnstile:2)\n"
    "  --max-object BYTES         refuse larger objects (default 1073741824)\n"
    "  --until-eof                also stop when standard input ends\n"
    "  --version, --help\n"
    "\n"
    "The broker is librdkafka's mock cluster. It keeps 5 MiB (about 37,000 turnstile rows) of a\n"
    "partition, then drops the oldest; it forgets every topic, message and commit on exit, while\n"
    "the lake stays: begin each run with an empty DIR. It needs session.timeout.ms above 3000,\n"
    "makes a group's first member wait 3 s, makes a topic of 4 partitions when an unknown one is\n"
    "asked for, and knows no transactions, TLS, SASL or admin requests. For these:\n"
    "scripts/kafka.sh. The lake takes PUT (with If-None-Match: *), GET and HEAD below /lake/.\n"
    "\n"
    "Exit: 0 stopped; 1 failed; 2 wrong use; 77 no permission.\n";

static int parse_number(const char *text, uint64_t max, uint64_t *number)
{
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value == 0 || value > max)
        return ERR_USAGE;
    *number = value;
    return 0;
}

static bool is_topic_name(const char *name, size_t len)
{
    const bool is_dots = strncmp(name, "..", len) == 0; /* "." and ".." */
    if (len == 0 || len > TOPIC_BYTES || is_dots)
        return false;
    const size_t known = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789._-");
    return known >= len;
}

static int add_topic(struct options *o, const char *text, struct err *err)
{
    const char *colon = strrchr(text, ':');
    const size_t len = colon ? (size_t)(colon - text) : strlen(text);
    uint64_t partitions = 1;
    if (!is_topic_name(text, len) ||
        (colon && parse_number(colon + 1, MAX_PARTITIONS, &partitions) != 0))
        return err_set(err, ERR_USAGE, "--topic %s: say NAME:PARTITIONS, with 1 to %d partitions",
                       text, MAX_PARTITIONS);
    for (size_t i = 0; i < o->topic_count; i++) {
        if (strlen(o->topics[i].name) == len && strncmp(o->topics[i].name, text, len) == 0)
            return err_set(err, ERR_USAGE, "--topic %s is given twice", text);
    }
    if (o->topic_count == MAX_TOPICS)
        return err_set(err, ERR_USAGE, "more than %d topics", MAX_TOPICS);
    struct topic *topic = &o->topics[o->topic_count++];
    memcpy(topic->name, text, len);
    topic->name[len] = '\0';
    topic->partitions = (int)partitions;
    return 0;
}

/* 0, 1 when help or version was printed, or ERR_USAGE. */
static int parse_options(struct options *o, int argc, char **argv, struct err *err)
{
    static const struct option OPTIONS[] = {
        {"dir", required_argument, NULL, OPTION_DIR},
        {"topic", required_argument, NULL, OPTION_TOPIC},
        {"max-object", required_argument, NULL, OPTION_MAX_OBJECT},
        {"until-eof", no_argument, NULL, OPTION_UNTIL_EOF},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0}};
    *o = (struct options){.max_object_bytes = LAKE_SERVER_MAX_OBJECT_BYTES};
    for (;;) {
        const int option = getopt_long(argc, argv, "hV", OPTIONS, NULL);
        if (option == -1)
            break;
        int rc = 0;
        switch (option) {
        case OPTION_DIR:
            o->dir = optarg;
            break;
        case OPTION_TOPIC:
            rc = add_topic(o, optarg, err);
            break;
        case OPTION_MAX_OBJECT:
            if (parse_number(optarg, LAKE_SERVER_MAX_OBJECT_BYTES, &o->max_object_bytes) != 0)
                rc = err_set(err, ERR_USAGE, "--max-object %s: a number from 1 to %" PRIu64, optarg,
                             LAKE_SERVER_MAX_OBJECT_BYTES);
            break;
        case OPTION_UNTIL_EOF:
            o->until_eof = true;
            break;
        case 'h':
            fputs(HELP, stdout);
            return 1;
        case 'V':
            puts("turnstile-sandbox " TURNSTILE_VERSION);
            return 1;
        default: /* getopt_long has said what is wrong */
            return err_set(err, ERR_USAGE, "see turnstile-sandbox --help");
        }
        if (rc)
            return rc;
    }
    if (optind < argc)
        return err_set(err, ERR_USAGE, "unexpected argument %s", argv[optind]);
    if (!o->dir || !*o->dir)
        return err_set(err, ERR_USAGE, "--dir is required; see turnstile-sandbox --help");
    if (o->topic_count == 0) {
        strncpy(o->topics[0].name, DEFAULT_TOPIC, TOPIC_BYTES);
        o->topics[0].partitions = DEFAULT_PARTITIONS;
        o->topic_count = 1;
    }
    return 0;
}

/* SIGTERM and SIGINT as a descriptor; before any thread exists, so that all inherit the mask. */
static int catch_signals(int *fd, struct err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is answered with 507 */
    *fd = signalfd(-1, &set, SFD_CLOEXEC);
    if (*fd < 0)
        return err_set(err, ERR_FATAL, "signalfd: %s", strerror(errno));
    return 0;
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= OPEN_FILES)
        return;
    limit.rlim_cur = limit.rlim_max < OPEN_FILES ? limit.rlim_max : OPEN_FILES;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* What the caller waits for. ERR_IO where nobody can read it. */
static int announce(const struct broker *broker, const struct lake_server *lake, struct err *err)
{
    printf("bootstrap.servers=%s\nlake.url=http://127.0.0.1:%u" LAKE_SERVER_ROOT "\nready\n",
           broker_bootstrap_servers(broker), (unsigned)lake_server_port(lake));
    if (fflush(stdout) != 0)
        return err_set(err, ERR_IO, "standard output: %s", strerror(errno));
    return 0;
}

/* True while standard input has not ended. */
static bool drain_stdin(void)
{
    char bytes[4096];
    const ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));
    return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

static int wait_for_stop(int signal_fd, bool until_eof, struct err *err)
{
    struct pollfd fds[2] = {{.fd = signal_fd, .events = POLLIN},
                            {.fd = until_eof ? STDIN_FILENO : -1, .events = POLLIN}};
    for (;;) {
        if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
            return err_set(err, ERR_FATAL, "poll: %s", strerror(errno));
        if (fds[0].revents)
            return 0;
        if (fds[1].revents && !drain_stdin())
            return 0;
    }
}

static int run(const struct options *o, struct err *err)
{
    struct store store;
    struct broker *broker = NULL;
    struct lake_server *lake = NULL;
    int signal_fd;
    int rc = catch_signals(&signal_fd, err);
    if (rc)
        return rc;
    raise_file_limit();
    rc = store_open(&store, o->dir, err);
    if (rc) {
        close(signal_fd);
        return rc;
    }
    rc = broker_start(&broker, err);
    for (size_t i = 0; rc == 0 && i < o->topic_count; i++)
        rc = broker_create_topic(broker, o->topics[i].name, o->topics[i].partitions, err);
    if (rc == 0)
        rc = lake_server_start(&store, o->max_object_bytes, &lake, err);
    if (rc == 0)
        rc = announce(broker, lake, err);
    if (rc == 0)
        rc = wait_for_stop(signal_fd, o->until_eof, err);
    lake_server_stop(lake);
    broker_stop(broker);
    store_close(&store);
    close(signal_fd);
    return rc;
}

int main(int argc, char **argv)
{
    static struct options options;
    struct err err = {0};
    int rc = parse_options(&options, argc, argv, &err);
    if (rc == 1)
        return 0;
    if (rc == 0)
        rc = run(&options, &err);
    if (rc)
        fprintf(stderr, "turnstile-sandbox: %s\n", err.text);
    return err_exit_code(rc);
}
