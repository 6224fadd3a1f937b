#!/usr/bin/env python3
"""turnstile-consumer against the sandbox's broker: what it puts into the lake is
what oracle.py says, whatever happens on the way: SIGTERM, kill -9, a lake that is
away, a second process that takes over."""
import datetime
import json
import random
import re
import shutil
import signal
import subprocess
import threading
import unittest

import fake_lake
import harness
import oracle

TOPIC = "turnstiles"
PARTITIONS = 2
DURATION_S = 600
PUT_DELAY_S = 0.05  # slows the lake down, so that a kill lands between two objects


def feed(seed, rows=1500):
    """Messages (key, value): disordered, some twice, some malformed, some late."""
    rng = random.Random(seed)
    start = datetime.datetime(2024, 7, 22, 6, 0, 0)
    messages = []
    for i in range(rows):
        late_s = 7200 if rng.random() < 0.01 and i > rows // 2 else rng.randrange(240)
        at = start + datetime.timedelta(seconds=10 * i - late_s)
        row = (f"A{rng.randrange(3):03d},R001,02-00-00,Station {rng.randrange(2)},456NQR,BMT,"
               f"{at:%m-%d-%y},{at:%H:%M:%S},REGULAR,{rng.randrange(50)},{rng.randrange(50)},"
               f"id-{i},{at:%Y-%m-%d %H:%M:%S}")
        if rng.random() < 0.01:
            row = rng.choice(["garbage", row + ",more", row.replace("REGULAR,", "REGULAR,x"),
                              row.replace(" 0", " 99")])
        value = json.dumps(row) if rng.random() < 0.5 else row
        messages.append((f"id-{i}", value))
        if rng.random() < 0.05:
            messages.append((f"id-{i}", value))
    return messages


def produce(servers, messages):
    text = "".join(f"{key}\t{value}\n" for key, value in messages)
    subprocess.run(["kcat", "-P", "-b", servers, "-t", TOPIC, "-K", "\t"], input=text.encode(),
                   check=True, timeout=60)


class Consumer:
    """A consumer that runs beside the test; its log is collected line by line."""

    def __init__(self, args):
        self.process = subprocess.Popen([harness.binary("turnstile-consumer"), *map(str, args)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        stdin=subprocess.DEVNULL, text=True)
        self.lines = []
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self.collect, daemon=True)
        self.reader.start()

    def collect(self):
        for line in self.process.stderr:
            with self.changed:
                self.lines.append(line)
                self.changed.notify_all()

    def log(self):
        with self.changed:
            return "".join(self.lines)

    def wait_for(self, pattern, count=1, timeout=60):
        """Until `count` lines match."""
        def seen():
            return sum(1 for line in self.lines if re.search(pattern, line)) >= count
        with self.changed:
            if not self.changed.wait_for(seen, timeout):
                raise AssertionError(f"no {pattern} within {timeout} s:\n{''.join(self.lines)}")

    def end(self, signum=None, timeout=60):
        """Send the signal; returns (exit code, log)."""
        if signum is not None:
            self.process.send_signal(signum)
        code = self.process.wait(timeout)
        self.reader.join(timeout)
        return code, self.log()


class Sandbox(unittest.TestCase):
    partitions = PARTITIONS
    scope = "topic"

    def setUp(self):
        self.work = harness.Work()
        self.work.__enter__()
        self.addCleanup(self.work.__exit__, None, None, None)
        self.servers, self.url = self.work.sandbox(f"{TOPIC}:{self.partitions}")
        for process in self.work.processes:
            self.addCleanup(process.stdout.close)

    def args(self, lake, *more, group="g"):
        return ["--topic", TOPIC, "--group", group, "-b", self.servers, "-X",
                "session.timeout.ms=3500", "--duration", f"{DURATION_S}s", "--lake", lake, "--scope", self.scope,
                *more]

    def start(self, lake, *more, **kinds):
        consumer = Consumer(self.args(lake, *more, **kinds))
        self.addCleanup(self.kill, consumer)
        return consumer

    @staticmethod
    def kill(consumer):
        if consumer.process.poll() is None:
            consumer.process.kill()
        consumer.process.wait()
        consumer.reader.join()
        consumer.process.stderr.close()

    def run_once(self, lake, *more, **kinds):
        code, log = self.start(lake, "--once", *more, **kinds).end(timeout=120)
        self.assertEqual(code, 0, log)
        return log

    def check_lake(self, objects):
        """Against the oracle; returns what it wants."""
        messages = harness.read_topic(self.servers, TOPIC)
        want = oracle.judge(messages, DURATION_S, DURATION_S, DURATION_S, scope=self.scope)
        self.assertGreater(len(want.windows), 10)
        wrong = oracle.compare(want, objects, DURATION_S, DURATION_S, TOPIC)
        self.assertEqual(wrong, [])
        return want

    def check_totals(self, log, want=None):
        said = harness.totals(log)
        self.assertEqual(len(said), self.partitions, log)
        for partition, t in said.items():
            self.assertEqual(t["rows"], t["windowed"] + t["duplicate"] + t["late"] +
                             t["rejected"] + t["suppressed"])
            self.assertEqual(t["rejected"],
                             sum(n for name, n in t.items() if name.startswith("rejected_")))
            for name in ("rows", "windowed", "duplicate", "late", "rejected") if want else ():
                self.assertEqual(t[name], want.outcome[partition][name], f"{partition} {name}")


class Once(Sandbox):
    def test_rows_in_mini_batches_out(self):
        produce(self.servers, feed(1))
        log = self.run_once(self.url, "--flush")
        want = self.check_lake(harness.read_lake(self.work.lake_dir))
        self.check_totals(log, want)
        before = harness.read_lake(self.work.lake_dir)
        again = self.run_once(self.url, "--flush", "--log-format", "json")
        self.assertEqual(harness.read_lake(self.work.lake_dir), before)
        events = [json.loads(line) for line in again.splitlines()]
        self.assertEqual([e["rows"] for e in events if e["event"] == "totals"], [0] * PARTITIONS)
        self.assertEqual(events[-1]["event"], "stopped")

    def test_without_flush_the_open_windows_wait(self):
        messages = feed(2)
        produce(self.servers, messages[:700])
        self.run_once(self.url)
        first = harness.read_lake(self.work.lake_dir)
        produce(self.servers, messages[700:])
        self.run_once(self.url, "--flush")
        lake = harness.read_lake(self.work.lake_dir)
        self.check_lake(lake)
        self.assertLess(len(first), len(lake))
        self.assertEqual(first, {name: lake[name] for name in first})

    def test_another_content_under_a_name_stops_it(self):
        produce(self.servers, feed(3))
        with fake_lake.FakeLake() as lake:
            self.run_once(lake.url, "--flush")
            name = sorted(n for n in lake.objects if n.startswith("turnstile/"))[3]
            other = lake.objects.pop(name)
            lake.objects.clear()
            lake.objects[name] = other[:-8]  # not even whole
            code, log = self.start(lake.url, "--once", "--flush", group="g2").end()
            self.assertEqual(code, 1, log)
            stops = [line for line in log.splitlines() if "event=partition_stopped" in line]
            self.assertTrue(stops and all(name in line for line in stops), log)
            self.assertEqual(lake.objects[name], other[:-8])

    def test_other_settings_are_refused(self):
        produce(self.servers, feed(4))
        self.run_once(self.url, "--flush")
        before = harness.read_lake(self.work.lake_dir)
        code, log = self.start(self.url, "--once", "--delay", "20m").end()
        self.assertEqual(code, 78, log)
        self.assertIn("event=partition_stopped", log)
        self.assertEqual(harness.read_lake(self.work.lake_dir), before)


class Signals(Sandbox):
    def test_sigterm_drains_and_the_next_start_goes_on(self):
        messages = feed(5)
        produce(self.servers, messages[:900])
        consumer = self.start(self.url)
        consumer.wait_for("event=stored .*batch_", count=10)
        code, log = consumer.end(signal.SIGTERM)
        self.assertEqual(code, 0, log)
        self.assertIn("event=draining", log)
        self.check_totals(log)
        produce(self.servers, messages[900:])
        self.run_once(self.url, "--flush")
        self.check_lake(harness.read_lake(self.work.lake_dir))

    def test_sigint_before_anything_happened(self):
        consumer = self.start(self.url)
        consumer.wait_for("event=started")
        code, log = consumer.end(signal.SIGINT)
        self.assertEqual(code, 0, log)
        self.assertIn("event=stopped exit_code=0", log.splitlines()[-1])

    def test_a_drain_that_cannot_end(self):
        produce(self.servers, feed(6))
        with fake_lake.FakeLake() as lake:
            lake.delay_s = PUT_DELAY_S
            consumer = self.start(lake.url, "--drain-timeout", "300ms")
            self.assertTrue(lake.wait(lambda l: len(l.objects) >= 2), consumer.log())
            lake.answer = 503
            code, log = consumer.end(signal.SIGTERM)
            self.assertEqual(code, 75, log)
            self.assertIn("event=drain_timed_out", log)

            lake.answer, seen = None, lake.puts
            consumer = self.start(lake.url)
            self.assertTrue(lake.wait(lambda l: l.puts > seen + 2), consumer.log())
            lake.answer = 503
            consumer.process.send_signal(signal.SIGTERM)
            consumer.wait_for("event=draining")
            code, log = consumer.end(signal.SIGTERM)
            self.assertEqual(code, 128 + signal.SIGTERM, log)
            self.assertIn("event=stopped_at_once", log)

            lake.answer = None
            self.run_once(lake.url, "--flush")
            self.check_lake(lake.plain())


class Crash(Sandbox):
    def test_kill_9_again_and_again(self):
        produce(self.servers, feed(7))
        with fake_lake.FakeLake() as lake:
            lake.delay_s = PUT_DELAY_S
            for objects in (1, 8, 20):
                consumer = self.start(lake.url, "--log-level", "debug")
                enough = lake.wait(lambda l, n=objects: len(l.objects) >= n)
                self.assertTrue(enough, consumer.log())
                consumer.process.kill()
                consumer.process.wait()
            lake.delay_s = 0
            log = self.run_once(lake.url, "--flush")
            self.assertRegex(log, r"event=assigned .*without_record=0")
            self.check_lake(lake.plain())


class LakeAway(Sandbox):
    def test_for_a_while(self):
        produce(self.servers, feed(8))
        with fake_lake.FakeLake() as lake:
            lake.delay_s = PUT_DELAY_S / 5
            consumer = self.start(lake.url, "--once", "--flush")
            self.assertTrue(lake.wait(lambda l: len(l.objects) >= 3), consumer.log())
            lake.answer = 503
            seen = lake.puts
            self.assertTrue(lake.wait(lambda l: l.puts >= seen + 25), consumer.log())
            lake.answer = None
            code, log = consumer.end(timeout=120)
            self.assertEqual(code, 0, log)
            self.assertRegex(log, r"event=store_failing .*503")
            self.assertIn("event=store_recovered", log)
            want = self.check_lake(lake.plain())
            self.check_totals(log, want)

    def test_at_the_start(self):
        with fake_lake.FakeLake() as lake:
            url = lake.url
            lake.answer = 403
            code, log = self.start(url).end()
            self.assertEqual(code, 77, log)
            lake.answer = 503
            code, log = self.start(url, "--connect-timeout", "1s").end()
            self.assertEqual(code, 69, log)
        code, log = self.start(url, "--connect-timeout", "1s").end()  # nobody listens any more
        self.assertEqual(code, 69, log)
        self.assertIn(url.rstrip("/"), [x for x in log.splitlines() if "event=failed" in x][0])


class Standby(Sandbox):
    def test_takes_over(self):
        messages = feed(9)
        produce(self.servers, messages[:700])
        first = self.start(self.url)
        first.wait_for("event=stored .*batch_", count=5)
        second = self.start(self.url)
        second.wait_for("event=standby|event=assigned")
        both = (first, second)
        # Kafka may give partition 0 to either: whoever owns it now is killed.
        owner = first if "event=standby" in second.log() else second
        other = both[1 - both.index(owner)]
        owner.process.kill()
        owner.process.wait()
        other.wait_for("event=reading", count=2 if owner is second else 1)
        produce(self.servers, messages[700:])
        expected = len(messages) * 10 // DURATION_S // 2
        other.wait_for("event=stored .*batch_", count=expected)
        code, log = other.end(signal.SIGTERM)
        self.assertEqual(code, 0, log)
        self.run_once(self.url, "--flush")
        self.check_lake(harness.read_lake(self.work.lake_dir))


class Share(Sandbox):
    """--scope partition: objects of each partition's own, partitions shared out."""
    partitions = 4
    scope = "partition"

    def test_each_partition_has_its_own_objects(self):
        messages = feed(10)
        produce(self.servers, messages[:700])
        self.run_once(self.url)
        first = harness.read_lake(self.work.lake_dir)
        produce(self.servers, messages[700:])
        log = self.run_once(self.url, "--flush")
        lake = harness.read_lake(self.work.lake_dir)
        self.check_lake(lake)
        self.check_totals(log)
        self.assertEqual(first, {name: lake[name] for name in first})
        for partition in range(self.partitions):
            self.assertTrue([n for n in first if n.endswith(f"_p{partition}.csv.gz")], sorted(first))

    @staticmethod
    def batches(lake, partition):
        return sum(name.endswith(f"_p{partition}.csv.gz") for name in lake.objects)

    def all_reach(self, lake, batches):
        """Until each partition has so many mini-batches in the lake."""
        return lake.wait(lambda l: all(self.batches(l, p) >= batches
                                       for p in range(self.partitions)))

    def test_two_processes_share_and_one_takes_over(self):
        messages = feed(11, rows=2400)
        produce(self.servers, messages[:800])
        with fake_lake.FakeLake() as lake:
            first = self.start(lake.url)
            self.assertTrue(self.all_reach(lake, 3), first.log())
            second = self.start(lake.url)
            for consumer in (first, second):
                consumer.wait_for(r"event=assigned .*partitions=2\b")
                consumer.wait_for(r"event=reading .*partitions=2\b")
            produce(self.servers, messages[800:1600])
            self.assertTrue(self.all_reach(lake, 18), first.log() + second.log())
            second.process.kill()
            second.process.wait()
            first.wait_for(r"event=reading .*partitions=4\b", count=2)
            self.assertRegex(first.log(), r"event=assigned .*partitions=4 without_record=0")
            produce(self.servers, messages[1600:])
            self.assertTrue(self.all_reach(lake, 32), first.log())
            code, log = first.end(signal.SIGTERM)
            self.assertEqual(code, 0, log)
            self.check_totals(log[log.rindex("event=assigned"):])
            self.run_once(lake.url, "--flush")
            self.check_lake(lake.plain())

    def test_a_silent_partition_closes_by_itself(self):
        produce(self.servers, feed(12))
        messages = harness.read_topic(self.servers, TOPIC)
        want = oracle.judge(messages, DURATION_S, DURATION_S, DURATION_S, scope="partition")
        with fake_lake.FakeLake() as lake:
            consumer = self.start(lake.url, "--idle-close", "1s")
            enough = lake.wait(lambda l: sum("/batch_" in n for n in l.objects) >= len(want.windows))
            self.assertTrue(enough, consumer.log())
            code, log = consumer.end(signal.SIGTERM)
            self.assertEqual(code, 0, log)
            self.check_lake(lake.plain())

    def test_the_other_scope_is_refused(self):
        produce(self.servers, feed(13, rows=50))
        self.run_once(self.url)
        self.scope = "topic"
        code, log = self.start(self.url, "--once").end()
        self.assertEqual(code, 78, log)
        self.assertIn("scope", log)


if __name__ == "__main__":
    if shutil.which("kcat") is None:
        harness.skip("kcat is not installed")
    unittest.main(verbosity=2)
