#!/usr/bin/env python3
"""turnstile-consumer --raw against the sandbox's broker: the raw layer holds every
message of the topic, byte for byte what kcat reads, in objects that end where they
are said to end, however often the consumer was killed on the way."""
import base64
import datetime
import json
import re
import shutil
import signal
import subprocess
import unittest

import fake_lake
import harness
import test_consumer_sandbox as sandbox

TOPIC = sandbox.TOPIC
CHUNK = 100
NAME = re.compile(rf"raw/{TOPIC}/(\d{{4}}/\d\d/\d\d)/(\d+)-(\d+)\.jsonl\.gz")
END = b"\x1e"  # of a message, on kcat's input


def produce_odd(servers, partition):
    """Keys and values of every kind: none, empty, binary, with all that JSON must escape."""
    every_byte = bytes(b for b in range(256) if bytes([b]) not in (END, b"\t"))
    keys = [b"", b"id-1", b"\xff\xfe", b'k"\\\n', "Caf\u00e9".encode()]
    values = [b"", b"x", every_byte, b"a\0b", b'{"a":"\\u00e9\n\r\x7f"}', "\u2028\U0001f687".encode()]
    with_key = END.join(k + b"\t" + v for k in keys for v in values) + END
    without = END.join(v for v in values if v) + END
    common = ["kcat", "-P", "-b", servers, "-t", TOPIC, "-p", str(partition), "-D", END.decode()]
    for more, data in (["-K", "\t"], with_key), (["-K", "\t", "-Z"], with_key), ([], without):
        subprocess.run(common + more, input=data, check=True, timeout=60)


def read_messages(servers):
    """{partition: [(offset, timestamp_ms, key or None, value or None)]}, read with kcat."""
    raw = subprocess.run(["kcat", "-b", servers, "-C", "-t", TOPIC, "-o", "beginning", "-e", "-q",
                          "-f", "%p %o %T %K %S\n%k%s\n"], stdout=subprocess.PIPE, check=True,
                         timeout=300).stdout
    messages, at = {}, 0
    while at < len(raw):
        line_end = raw.index(b"\n", at)
        partition, offset, stamp, *sizes = (int(x) for x in raw[at:line_end].split())
        at = line_end + 1
        parts = []
        for size in sizes:
            parts.append(raw[at:at + size] if size >= 0 else None)
            at += max(size, 0)
        at += 1
        messages.setdefault(partition, []).append((offset, stamp, *parts))
    for log in messages.values():
        log.sort()
    return messages


def part(line, name):
    """The bytes of a key or value."""
    if name + "_base64" in line:
        assert name not in line
        return base64.b64decode(line[name + "_base64"], validate=True)
    return None if line[name] is None else line[name].encode()


class Raw(sandbox.Sandbox):
    def check_raw(self, objects, cuts=()):
        """Every message in the one object where it belongs; objects end at multiples and at `cuts`,
        {partition: offsets}, or anywhere above the multiple where none are given."""
        messages = read_messages(self.servers)
        got = {p: [] for p in messages}
        raw = {name: data for name, data in objects.items() if name.startswith("raw/")}
        for name, data in raw.items():
            day, partition, first = NAME.fullmatch(name).groups()
            lines = [json.loads(line) for line in data.splitlines()]
            self.assertTrue(all(l["topic"] == TOPIC and l["partition"] == int(partition) for l in lines))
            offsets = [l["offset"] for l in lines]
            self.assertEqual(offsets[0], int(first))
            self.assertEqual(len({o // CHUNK for o in offsets}), 1, name)
            at = datetime.datetime.fromtimestamp(lines[0]["timestamp_ms"] / 1000, datetime.timezone.utc)
            self.assertEqual(at.strftime("%Y/%m/%d"), day)
            if cuts:
                begins = int(first) % CHUNK == 0 or int(first) in cuts[int(partition)]
                ends = (offsets[-1] + 1) % CHUNK == 0 or offsets[-1] + 1 in cuts[int(partition)]
                self.assertTrue(begins and ends, name)
            got[int(partition)] += [(l["offset"], l["timestamp_ms"], part(l, "key"), part(l, "value"))
                                    for l in lines]
        for partition, log in messages.items():
            self.assertEqual(sorted(got[partition], key=lambda m: m[0]), log)
        return messages, raw

    def ends(self):
        return {p: [log[-1][0] + 1] for p, log in read_messages(self.servers).items()}

    def raw_args(self, *more):
        return ["--raw", "--batch-size", str(CHUNK), *more]

    def test_every_message_byte_for_byte(self):
        for partition in range(sandbox.PARTITIONS):
            produce_odd(self.servers, partition)
        messages = sandbox.feed(21)
        sandbox.produce(self.servers, messages[:700])
        cuts = self.ends()
        self.run_once(self.url, *self.raw_args())
        log, first = self.check_raw(harness.read_lake(self.work.lake_dir), cuts)
        self.assertGreater(len(first), 8)
        for kind in (lambda m: m[2] is None, lambda m: m[2] == b"", lambda m: m[3] is None,
                     lambda m: m[3] == b"", lambda m: m[3] and b"\0" in m[3]):
            self.assertTrue(any(kind(m) for m in log[0]))

        self.run_once(self.url, *self.raw_args(), group="g2")  # the same names, the same bytes
        self.assertEqual(self.check_raw(harness.read_lake(self.work.lake_dir), cuts)[1], first)

        sandbox.produce(self.servers, messages[700:])
        for partition, ends in self.ends().items():
            cuts[partition] += ends
        self.run_once(self.url, *self.raw_args("--flush"))
        lake = harness.read_lake(self.work.lake_dir)
        _, second = self.check_raw(lake, cuts)
        self.assertEqual(first, {name: second[name] for name in first})

        code, log = self.start(self.url, "--once").end()  # R would stand still
        self.assertEqual(code, 78, log)
        code, log = self.start(self.url, "--once", "--raw").end()  # other names
        self.assertEqual(code, 78, log)
        self.assertEqual(harness.read_lake(self.work.lake_dir), lake)

    def test_another_prefix_has_its_own(self):
        sandbox.produce(self.servers, sandbox.feed(22)[:300])
        self.run_once(self.url, "--raw", "--prefix", "feeds/mta")
        names = [n for n in harness.read_lake(self.work.lake_dir) if n.startswith("raw/")]
        self.assertTrue(names)
        self.assertTrue(all(n.startswith(f"raw/feeds/mta/{TOPIC}/") for n in names), names)

    def test_partitions_on_their_own(self):
        sandbox.produce(self.servers, sandbox.feed(25)[:500])
        self.run_once(self.url, *self.raw_args("--scope", "partition"))
        self.check_raw(harness.read_lake(self.work.lake_dir), self.ends())

    def test_silence_ends_a_file(self):
        sandbox.produce(self.servers, sandbox.feed(23)[:250])
        consumer = self.start(self.url, *self.raw_args("--idle-close", "300ms"))
        for partition, ends in self.ends().items():
            first = (ends[0] - 1) // CHUNK * CHUNK
            consumer.wait_for(rf"event=stored .*raw/.*/{partition}-{first}\.jsonl\.gz")
        code, log = consumer.end(signal.SIGTERM)
        self.assertEqual(code, 0, log)
        self.check_raw(harness.read_lake(self.work.lake_dir), self.ends())

    def test_kill_9_again_and_again(self):
        sandbox.produce(self.servers, sandbox.feed(24))
        with fake_lake.FakeLake() as lake:
            lake.delay_s = sandbox.PUT_DELAY_S
            for objects in (1, 8, 20):
                consumer = self.start(lake.url, *self.raw_args("--log-level", "debug"))
                enough = lake.wait(lambda l, n=objects: len(l.objects) >= n)
                self.assertTrue(enough, consumer.log())
                consumer.process.kill()
                consumer.process.wait()
            lake.delay_s = 0
            log = self.run_once(lake.url, *self.raw_args("--flush"))
            self.assertRegex(log, r"event=assigned .*without_record=0")
            self.check_raw(lake.plain())
            self.check_lake({n: d for n, d in lake.plain().items() if not n.startswith("raw/")})


if __name__ == "__main__":
    if shutil.which("kcat") is None:
        harness.skip("kcat is not installed")
    unittest.main(verbosity=2)
