#!/usr/bin/env python3
"""scripts/kafka.sh with each Kafka that it knows, and Debian's librdkafka against it;
the service scripts; and what is said where Java, Maven or a right jar is missing.

`test_kafka_sh.py Kafka3 | Kafka4 | Services | Missing` runs one class.
"""

import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

import harness

SCRIPTS = harness.ROOT / "scripts"
LIMIT_S = 700  # the first start downloads
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]  # in the order of their numbers in a batch
ROW = ("A001,R002,02-00-00,Test-Station1,456NQR,BMT,07-22-24,21:10:01,REGULAR,9,10,"
       "id-{},2024-07-22 21:10:01\n")


def run(*arguments, data=None, env=None):
    return subprocess.run([str(a) for a in arguments], input=data, env=env, text=True,
                          stdin=subprocess.DEVNULL if data is None else None,
                          capture_output=True, timeout=LIMIT_S, check=False)


def codecs_of(segment):
    """The codecs of the record batches of a Kafka log file (format version 2)."""
    log = segment.read_bytes()
    found, at = set(), 0
    while at + 61 <= len(log):
        length, = struct.unpack_from(">i", log, at + 8)
        magic, = struct.unpack_from(">b", log, at + 16)
        attributes, = struct.unpack_from(">h", log, at + 21)
        if magic != 2 or length <= 0:
            break
        found.add(CODECS[attributes & 7])
        at += 12 + length
    return found


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kafka-test."))
        self.addCleanup(shutil.rmtree, self.folder)

    def good(self, *arguments, **options):
        done = run(*arguments, **options)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout


class Kafka:
    """What every version must do; Kafka3 and Kafka4 are the test cases."""

    version = None

    def setUp(self):
        super().setUp()
        self.dir = self.folder / "kafka"
        self.addCleanup(self.kafka, "kill")
        self.servers = self.start()

    def kafka(self, command, *arguments):
        return run(SCRIPTS / "kafka.sh", command, "--dir", self.dir, *arguments)

    def start(self):
        done = self.kafka("start", "--version", self.version)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"^bootstrap\.servers=127\.0\.0\.1:\d+\n$")
        return done.stdout.split("=")[1].strip()

    def topic(self, *arguments):
        done = self.kafka("topic", *arguments)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def kcat(self, *arguments, data=None):
        return self.good("kcat", "-b", self.servers, *arguments, data=data)

    def test_every_compression_arrives_and_comes_back(self):
        rows = "".join(ROW.format(n) for n in range(2000))
        for codec in CODECS:
            self.topic("create", f"t-{codec}", "--partitions", "1")
            self.kcat("-P", "-t", f"t-{codec}", "-z", codec, "-X", "linger.ms=100", data=rows)
            self.assertEqual(self.kcat("-C", "-t", f"t-{codec}", "-o", "beginning", "-e", "-q"), rows)
            segment = self.dir / "data" / f"t-{codec}-0" / "00000000000000000000.log"
            self.assertEqual(codecs_of(segment), {codec})
        self.assertEqual(self.kcat("-G", "g", "-X", "auto.offset.reset=earliest", "-X",
                                   "session.timeout.ms=3500", "-e", "-q", "t-zstd"), rows)

    def test_life(self):
        self.assertEqual(self.kafka("status").returncode, 0)
        self.assertEqual(self.kafka("start").returncode, 1)  # it runs
        self.topic("create", "kept", "--partitions", "3", "--config", "retention.ms=3600000")
        self.kcat("-P", "-t", "kept", "-p", "2", data="a message\n")
        self.assertEqual(self.topic("list").split(), ["kept"])
        self.assertRegex(self.topic("describe", "kept"), r"PartitionCount: 3\s.*retention.ms=3600000")
        for how in ("stop", "kill"):
            self.assertEqual(self.kafka(how).returncode, 0)
            self.assertEqual(self.kafka("status").returncode, 3)
            self.assertEqual(self.kafka("topic", "list").returncode, 3)
            before = self.servers
            self.servers = self.start()
            self.assertEqual(self.servers, before)
            self.assertEqual(self.kcat("-C", "-t", "kept", "-o", "beginning", "-e", "-q"), "a message\n")
        self.topic("delete", "kept")
        self.assertNotIn("kept", self.topic("list"))

    def test_an_unknown_topic_is_not_made(self):
        done = run("kcat", "-b", self.servers, "-P", "-t", "mistyped", "-X", "message.timeout.ms=3000",
                   data="x\n")
        self.assertNotEqual(done.returncode, 0)
        self.assertNotIn("mistyped", self.topic("list"))


class Kafka3(Kafka, Case):
    version = "3"


class Kafka4(Kafka, Case):
    version = "4"


class Services(Case):
    def setUp(self):
        super().setUp()
        self.env = dict(os.environ, TURNSTILE_SERVICES=str(self.folder / "services"),
                        TURNSTILE_BIN=str(pathlib.Path(harness.binary("turnstile-sandbox")).parent))
        self.addCleanup(self.script, "stop_services.sh")

    def script(self, name, *arguments):
        return run(SCRIPTS / name, *arguments, env=self.env)

    def round_trip(self, *start):
        done = self.script("start_services.sh", *start)
        self.assertEqual(done.returncode, 0, done.stderr)
        values = dict(line.split("=", 1) for line in done.stdout.splitlines())
        again = self.script("start_services.sh", *start)
        self.assertEqual((again.returncode, again.stdout), (0, done.stdout))
        self.assertIn("runs already", again.stderr)
        made = self.script("start_producer.sh", "--rate", "0", "--count", "500", "--seed", "1",
                           "--start", "2026-11-02 06:00:00", "--step", "3s")
        self.assertEqual(made.returncode, 0, made.stderr)
        read = self.script("start_consumer.sh", "--duration", "10", "--slide=10", "--once", "--flush")
        self.assertEqual(read.returncode, 0, read.stderr)
        batches = sorted(pathlib.Path(values["dir"], "lake", "turnstile").glob("*.csv.gz"))
        self.assertEqual([b.name[-22:-7] for b in batches],
                         ["20261102_061000", "20261102_062000", "20261102_063000"])
        self.assertEqual(self.script("stop_services.sh").returncode, 0)
        self.assertEqual(self.script("stop_services.sh").stdout, "nothing runs\n")

    def test_the_sandbox(self):
        self.round_trip()
        self.round_trip()  # a new broker has a new lake

    def test_nothing_runs(self):
        for name in ("start_producer.sh", "start_consumer.sh"):
            done = self.script(name)
            self.assertEqual(done.returncode, 69)
            self.assertIn("start_services.sh", done.stderr)


class ServicesKafka(Services):
    def test_the_sandbox(self):
        self.round_trip("--kafka", "--version", "4")


class Missing(Case):
    """Runs kafka.sh with a PATH of our making and an empty cache."""

    TOOLS = ("awk bash cat comm dirname env flock grep head mkdir mv realpath rm sed sha256sum sort "
             "tail timeout tr").split()

    def setUp(self):
        super().setUp()
        self.bin = self.folder / "bin"
        self.bin.mkdir()
        for tool in self.TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.cache = self.folder / "cache"

    def tool(self, name, text):
        path = self.bin / name
        path.write_text("#!/bin/bash\n" + text)
        path.chmod(0o755)

    def java(self, version="17"):
        self.tool("java", f"echo '    java.specification.version = {version}' >&2\n")

    def kafka(self, *arguments):
        env = {"PATH": str(self.bin), "HOME": str(self.folder), "XDG_CACHE_HOME": str(self.cache)}
        done = run(SCRIPTS / "kafka.sh", *arguments, env=env)
        return done.returncode, done.stderr

    def start(self):
        return self.kafka("start", "--dir", self.folder / "kafka")

    def test_no_java(self):
        code, said = self.start()
        self.assertEqual(code, 77)
        self.assertIn("java is missing", said)

    def test_old_java(self):
        self.java("1.8")
        code, said = self.start()
        self.assertEqual(code, 77)
        self.assertIn("needs java 17", said)

    def test_no_maven(self):
        self.java()
        code, said = self.start()
        self.assertEqual(code, 77)
        self.assertIn("mvn is missing", said)

    def test_no_network(self):
        self.java()
        self.tool("mvn", "echo '[ERROR] Unknown host'; exit 1\n")
        code, said = self.start()
        self.assertEqual(code, 77)
        self.assertIn("Unknown host", said)
        self.assertIn("is there a network?", said)

    def test_a_wrong_jar_is_not_used(self):
        self.java()
        sums = (SCRIPTS / "kafka/3.9.2.sha256").read_text(encoding="ascii").split()[1::2]
        self.tool("mvn", 'for a in "$@"; do case $a in -DoutputDirectory=*) d=${a#*=};; esac; done\n'
                  + "".join(f'echo wrong > "$d/{jar}"\n' for jar in sums))
        code, said = self.start()
        self.assertEqual(code, 1)
        self.assertIn("is not what it was", said)
        self.assertFalse((self.cache / "turnstile/kafka-3.9.2").exists())

    def test_a_jar_too_many_is_not_used(self):
        real = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
        real = real / "turnstile/kafka-3.9.2"
        if not real.is_dir():
            self.skipTest("Kafka 3.9.2 is not in the cache")
        (self.bin / "cp").symlink_to(shutil.which("cp"))
        self.java()
        self.tool("mvn", 'for a in "$@"; do case $a in -DoutputDirectory=*) d=${a#*=};; esac; done\n'
                  f'cp {real}/*.jar "$d"; echo more > "$d/zz.jar"\n')
        code, said = self.start()
        self.assertEqual(code, 1)
        self.assertIn("not listed: zz.jar", said)

    def test_wrong_use(self):
        self.java()
        for arguments in ([], ["fly"], ["start"], ["start", "--dir", self.folder, "--version", "5"],
                          ["start", "--dir", self.folder, "more"], ["start", "--what"],
                          ["topic", "--dir", self.folder], ["topic", "--dir", self.folder, "create"],
                          ["topic", "--dir", self.folder, "fly"]):
            self.assertEqual(self.kafka(*arguments)[0], 2, arguments)


def main():
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    if wanted.startswith("Kafka") or wanted.startswith("ServicesK"):
        if not shutil.which("kcat"):
            harness.skip("kcat is not installed")
        version = wanted[5:] if wanted.startswith("Kafka") else "4"
        done = run(SCRIPTS / "kafka.sh", "fetch", "--version", version)
        if done.returncode == harness.SKIP or not shutil.which("java"):
            harness.skip("no real Kafka here: " + (done.stderr.strip() or "java is missing"))
        if done.returncode:
            sys.exit(done.stderr)
    unittest.main(verbosity=2)


if __name__ == "__main__":
    main()
