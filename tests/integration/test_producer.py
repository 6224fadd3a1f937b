#!/usr/bin/env python3
"""turnstile-producer against the sandbox's broker, read back with kcat: what is in
the topic is what was asked for and what was said.

    test_producer.py [CLASS...]
"""
import collections
import csv
import datetime
import gzip
import http.server
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import unittest

import harness

COLUMNS = 13
UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-[48][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")


def run(*args, **more):
    return subprocess.run([harness.binary("turnstile-producer"), *map(str, args)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False,
                          **more)


def start(*args):
    return subprocess.Popen([harness.binary("turnstile-producer"), *map(str, args)],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def counts(line):
    return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", line)}


def said(stdout, first):
    """The counts of the last line that begins with this word."""
    return counts([line for line in stdout.splitlines() if line.startswith(first + " ")][-1])


def read_topic(servers, topic):
    """[(partition, offset, key, value or None)] in the order of each partition."""
    raw = subprocess.run(["kcat", "-b", servers, "-C", "-t", topic, "-o", "beginning", "-e", "-q",
                          "-f", "%p %o %K %S\n%k%s"], stdout=subprocess.PIPE, check=True,
                         timeout=120).stdout
    messages, at = [], 0
    while at < len(raw):
        end = raw.index(b"\n", at)
        partition, offset, key_size, size = (int(x) for x in raw[at:end].split())
        at = end + 1
        key = raw[at:at + key_size]
        at += key_size
        value = raw[at:at + size] if size >= 0 else None
        at += max(size, 0)
        messages.append((partition, offset, key, value))
    return sorted(messages, key=lambda m: m[:2])


def row_of(value):
    """The 13 fields of a clean message, or None."""
    try:
        line = json.loads(value)
        rows = list(csv.reader([line], strict=True))
        datetime.datetime.strptime(rows[0][12], "%Y-%m-%d %H:%M:%S")
        datetime.datetime.strptime(rows[0][6], "%m-%d-%y")
        wrong = len(rows[0]) != COLUMNS or "\0" in line or not 0 <= int(rows[0][9]) < 2**31
        return None if wrong else rows[0]
    except (TypeError, ValueError, IndexError, csv.Error):
        return None


class Sandbox(unittest.TestCase):
    TOPICS = ()

    def setUp(self):
        self.work = harness.Work()
        self.work.__enter__()
        self.servers, _ = self.work.sandbox(*self.TOPICS)

    def tearDown(self):
        self.work.__exit__(None, None, None)

    def produce(self, topic, *args):
        done = run("-t", topic, "-b", self.servers, *args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode()


class Feed(Sandbox):
    TOPICS = ("three:3", "one:1", "other:1")

    def test_disturbed_feed_is_what_it_says(self):
        record = self.work.dir / "record.jsonl"
        out = self.produce("three", "--rate", 0, "--count", 5000, "--seed", 7, "--start",
                           "2024-07-22 00:00:00", "--step", "500ms", "--disorder", 60,
                           "--duplicates", "5%", "--malformed", "2%", "--late", "1%",
                           "--record", record)
        totals = said(out, "produced")
        messages = read_topic(self.servers, "three")
        self.assertEqual(totals["rows"], 5000)
        self.assertEqual(totals["acknowledged"], len(messages))
        self.assertEqual(totals["failed"], 0)
        self.assertEqual(len(messages), sum(totals[k] for k in
                                            ("rows", "duplicates", "malformed", "late")))
        self.check_record(record, messages)
        good = [(m, row_of(m[3])) for m in messages]
        self.assertEqual(sum(row is None for _, row in good), totals["malformed"])
        good = [(m, row) for m, row in good if row]
        for message, row in good:
            self.assertEqual(message[2].decode(), row[11])
            self.assertRegex(row[11], UUID)
        copies = len(good) - len({m[2:] for m, _ in good})
        self.assertEqual(copies, totals["duplicates"])
        self.check_lateness(good, totals["late"])

    def check_record(self, path, messages):
        told = {}
        for line in path.read_text().splitlines():
            m = json.loads(line)
            value = m.get("value")
            if "value_base64" in m:
                import base64
                value = base64.b64decode(m["value_base64"])
            elif value is not None:
                value = value.encode()
            told[m["partition"], m["offset"]] = (m["key"].encode(), value)
        self.assertEqual(told, {m[:2]: m[2:] for m in messages})

    def check_lateness(self, good, late):
        newest, behind = {}, 0
        for message, row in good:
            event = datetime.datetime.fromisoformat(row[12])
            if event.day == 21:
                behind += 1
                continue
            lag = newest.setdefault(message[0], event) - event
            self.assertLessEqual(lag.total_seconds(), 60)
            newest[message[0]] = max(newest[message[0]], event)
        self.assertEqual(behind, late)

    def test_same_seed_same_messages(self):
        for topic in ("one", "other"):
            self.produce(topic, "--rate", 0, "--count", 300, "--seed", 5, "--start",
                         "2024-07-22 00:00:00", "--disorder", 30, "--duplicates", 0.1,
                         "--malformed", 0.1, "--late", 0.1)
        self.assertEqual(read_topic(self.servers, "one"), read_topic(self.servers, "other"))

    def test_keyed_by_turnstile_in_csv(self):
        self.produce("three", "--rate", 0, "--count", 600, "--turnstiles", 60, "--key",
                     "turnstile", "--format", "csv", "--seed", 1)
        places = collections.defaultdict(set)
        for partition, _, key, value in read_topic(self.servers, "three"):
            row = value.decode().split(",")
            self.assertEqual(key.decode(), ",".join(row[:3]))
            places[key].add(partition)
        self.assertEqual(len(places), 60)
        self.assertTrue(all(len(p) == 1 for p in places.values()))

    def test_a_full_queue_waits(self):
        out = self.produce("one", "--rate", 0, "--count", 3000, "-X",
                           "queue.buffering.max.messages=10")
        self.assertEqual(said(out, "produced")["acknowledged"], 3000)
        self.assertEqual(len(read_topic(self.servers, "one")), 3000)

    def test_properties_file_and_environment(self):
        config = self.work.properties(self.servers, linger_ms=1)
        done = run("--count", 2, "--rate", 0,
                   env=dict(os.environ, TURNSTILE_TOPIC="one", TURNSTILE_CONFIG=config))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(read_topic(self.servers, "one")), 2)


class Life(Sandbox):
    TOPICS = ("one:1",)

    def test_default_feed_prints_and_stops_at_ctrl_c(self):
        p = start("--topic", "one", "-b", self.servers)
        first, second = p.stdout.readline(), p.stdout.readline()
        p.send_signal(signal.SIGINT)
        rest, err = p.communicate(timeout=30)
        self.assertEqual(p.returncode, 0, err)
        key = re.match(r"Record (\S+) produced to one \[0\] at offset 0$", first)[1]
        line = re.match(r"Sent message: (.*)$", second)[1]
        self.assertEqual(said(rest, "produced")["acknowledged"], 1)
        [(_, _, sent_key, value)] = read_topic(self.servers, "one")
        self.assertEqual(sent_key.decode(), key)
        self.assertEqual(value.decode(), json.dumps(line))
        now, event = datetime.datetime.now(), datetime.datetime.fromisoformat(line.split(",")[12])
        self.assertLess(abs((now - event).total_seconds()), 120)

    def test_sigterm_at_full_speed_loses_nothing(self):
        p = start("-t", "one", "-b", self.servers, "--rate", 0, "--disorder", 10, "--record",
                  self.work.dir / "record")
        while not (self.work.dir / "record").exists() or \
                (self.work.dir / "record").stat().st_size == 0:
            self.assertIsNone(p.poll())
            time.sleep(0.01)
        p.send_signal(signal.SIGTERM)
        out, err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, 0, err)
        totals = said(out, "produced")
        self.assertGreater(totals["rows"], 0)
        self.assertEqual(totals["acknowledged"], totals["rows"])

    def test_lost_broker_is_counted_and_fails(self):
        p = start("-t", "one", "-b", self.servers, "--rate", 0.4, "-X", "message.timeout.ms=1500",
                  "--count", 2)
        p.stdout.readline()
        broker = self.work.processes[0]
        broker.terminate()
        broker.wait(30)
        out, err = p.communicate(timeout=60)
        totals = said(out, "produced")
        self.assertEqual(p.returncode, 1, err)
        self.assertEqual((totals["rows"], totals["acknowledged"], totals["failed"]), (2, 1, 1))
        self.assertNotIn("Sent message", out.split("\n", 1)[1])
        self.assertIn("were not acknowledged", err)

    def test_exit_codes(self):
        good = ("-t", "one", "-b", self.servers)
        examples = [
            (2, "unknown option", (*good, "--colour")),
            (2, "--topic is missing", ("-b", self.servers)),
            (2, "does not begin with http", (*good, "--poll", "ftp://me:hush@x")),
            (69, "no answer from Kafka", ("-t", "one", "-b", "127.0.0.1:1", "--connect-timeout",
                                          "300ms")),
            (78, "No such file", ("-t", "one", "--config", self.work.dir / "none")),
            (78, "No such file", (*good, "--replay", self.work.dir / "none")),
            (78, "no header", (*good, "--replay", __file__)),
            (78, "acks", (*good, "-X", "acks=many")),
        ]
        for code, text, args in examples:
            with self.subTest(args=args):
                done = run(*args)
                last = done.stderr.decode().strip().splitlines()[-1]
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(text, last)
                self.assertNotIn("hush", last)
                self.assertTrue(last.startswith("turnstile-producer: "))

    def test_help_and_version(self):
        self.assertIn(b"--replay FILE...", run("--help").stdout)
        self.assertRegex(run("--version").stdout, rb"^turnstile-producer \d+\.\d+\.\d+\n$")


HEADER = ["CA", "UNIT", "SCP", "STATION", "LINENAME", "DIVISION", "DATE", "TIME", "DESC", "ENTRIES",
          "EXITS"]
MAX_STEP = 10000


def step(down, before, now):
    """(what it is, passages or None): docs/producer.md in Python."""
    forward = before - now if down else now - before
    if forward > MAX_STEP:
        return "jumps", None
    if forward >= 0:
        return ("countdowns" if down and forward else "up"), forward
    if not down and now <= MAX_STEP and now < before // 2:
        return "resets", now
    return "backward", None


def runs_down(values):
    steps = [b - a for a, b in zip(values, values[1:]) if 0 < abs(b - a) <= MAX_STEP]
    return sum(s < 0 for s in steps) > sum(s > 0 for s in steps)


def read_week(path, gates, n):
    """Add the file's readings to gates[CA, UNIT, SCP]."""
    with gzip.open(path, "rt", newline="") as f:
        names = [{"C/A": "CA"}.get(c.strip(), c.strip()) for c in f.readline().split(",")]
        for fields in csv.reader(f):
            r = dict(zip(names, (x.strip() for x in fields)))
            month, day, year = r["DATE"].split("/")
            at = datetime.datetime.fromisoformat(f"{year}-{month}-{day} {r['TIME']}")
            gates[r["CA"], r["UNIT"], r["SCP"]].append((at, n["readings"], r))
            n["readings"] += 1


def expected(paths):
    """(rows as tuples, counts) of weekly files."""
    gates = collections.defaultdict(list)
    n = collections.Counter()
    for path in paths:
        read_week(path, gates, n)
    rows = []
    for list_ in gates.values():
        best = {}
        for at, _, r in sorted(list_, key=lambda x: x[:2]):
            if at in best:
                n["same_time"] += 1
                if best[at]["DESC"] == "REGULAR" or r["DESC"] != "REGULAR":
                    continue
            best[at] = r
        times = sorted(best)
        for run_ in runs(times):
            n["baselines"] += 1
            rows += difference(best, run_, n)
    return rows, n


def runs(times):
    """Stretches without a break of more than 7 days."""
    out = [[times[0]]]
    for before, now in zip(times, times[1:]):
        if now - before > datetime.timedelta(days=7):
            out.append([])
        out[-1].append(now)
    return out


def difference(best, times, n):
    down = {c: runs_down([int(best[t][c]) for t in times]) for c in ("ENTRIES", "EXITS")}
    rows = []
    for before, now in zip(times, times[1:]):
        r, delta = best[now], {}
        for c in ("ENTRIES", "EXITS"):
            verdict, delta[c] = step(down[c], int(best[before][c]), int(r[c]))
            n[verdict] += 1
        if None in delta.values():
            n["dropped"] += 1
            continue
        n["rows"] += 1
        n["gaps"] += now - before > datetime.timedelta(hours=6)
        n["recovered"] += r["DESC"] == "RECOVR AUD"
        rows.append((*(r[c] for c in HEADER[:6]), now.strftime("%m-%d-%y"),
                     now.strftime("%H:%M:%S"), r["DESC"], str(delta["ENTRIES"]),
                     str(delta["EXITS"]), now.strftime("%Y-%m-%d %H:%M:%S")))
    return rows


class Replay(Sandbox):
    TOPICS = ("one:1",)

    def test_odd_text_is_as_json_dumps_has_it(self):
        odd = ['Caf\u00e9', '"quoted", with comma', "back\\slash", "\U0001f687 tunnel",
               "tab\there", "\u007f", "\u2028"]
        text = io.StringIO()
        out = csv.writer(text, lineterminator="\n")
        out.writerow(HEADER)
        for i, name in enumerate(odd):
            for hour, value in (("00", 0), ("04", 7)):
                out.writerow(["A", "R", f"00-00-0{i}", name, "L", "D", "12/30/2023",
                              f"{hour}:00:00", "REGULAR", value, value])
        path = self.work.dir / "odd.csv"
        path.write_text(text.getvalue(), encoding="utf-8")
        self.produce("one", "--replay", path)
        names = set()
        for _, _, _, value in read_topic(self.servers, "one"):
            line = json.loads(value)
            self.assertEqual(value.decode("ascii"), json.dumps(line))
            [row] = csv.reader([line])
            again = io.StringIO()
            csv.writer(again, lineterminator="").writerow(row)
            self.assertEqual(again.getvalue(), line)
            names.add(row[3])
        self.assertEqual(names, set(odd))


class RealWeeks(Sandbox):
    TOPICS = ("wide:64",)  # the sandbox keeps 5 MiB of a partition

    def test_rows_and_counts(self):
        folder = pathlib.Path(os.environ.get("TURNSTILE_DATA") or harness.ROOT / "../shared/data")
        files = sorted(folder.glob("*.csv.gz"))
        if not files:
            self.skipTest(f"no weekly files in {folder} (set TURNSTILE_DATA)")
        rows, n = expected(files)
        out = self.produce("wide", "--replay", *files)
        told = said(out, "replayed")
        self.assertEqual({k: told[k] for k in told if k not in ("files", "malformed")},
                         {k: n[k] for k in told if k not in ("files", "malformed")})
        self.assertEqual(told["malformed"], 0)
        messages = read_topic(self.servers, "wide")
        got = collections.Counter()
        for _, _, key, value in messages:
            [row] = csv.reader([json.loads(value)])
            self.assertEqual(row[11], key.decode())
            got[tuple(row[:11] + row[12:])] += 1
        self.assertEqual(len({m[2] for m in messages}), len(rows))
        self.assertEqual(got, collections.Counter(rows))


class Endpoint(http.server.BaseHTTPRequestHandler):
    """Serves server.answers one after the other, the last for ever; each is a status and a body."""

    def do_GET(self):
        s = self.server
        with s.lock:
            status, body = s.answers[min(len(s.seen), len(s.answers) - 1)]
            tag = f'"{hash(body)}"'
            if status == 200 and self.headers.get("If-None-Match") == tag:
                status, body = 304, b""
            s.seen.append(status)
            s.changed.notify_all()
        self.send_response(status)
        if status == 200:
            self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Poll(Sandbox):
    TOPICS = ("one:1",)

    def serve(self, answers):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
        server.answers, server.seen = answers, []
        server.lock = threading.RLock()
        server.changed = threading.Condition(server.lock)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def test_only_what_is_new(self):
        def row(i):
            return (f"A001,R001,02-00-00,S,L,D,07-22-24,21:10:0{i},REGULAR,5,6,id-{i},"
                    f"2024-07-22 21:10:0{i}\n").encode()
        server = self.serve([(500, b"no"), (200, row(1) + row(2)), (200, row(1) + row(2)),
                             (200, b"not,a,row\n" + row(2) + row(3)), (200, row(3) + row(4))])
        p = start("-t", "one", "-b", self.servers, "--poll",
                  f"http://127.0.0.1:{server.server_port}/feed.csv", "--every", "100ms")
        with server.lock:
            self.assertTrue(server.changed.wait_for(lambda: len(server.seen) >= 8, timeout=60))
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, 0, err)
        self.assertEqual(server.seen[:6], [500, 200, 304, 200, 200, 304])
        self.assertEqual([m[2].decode() for m in read_topic(self.servers, "one")],
                         ["id-1", "id-2", "id-3", "id-4"])
        self.assertIn("HTTP status 500", err)
        told = said(out, "polled")
        self.assertEqual((told["failed"], told["skipped"]), (1, 1))
        self.assertGreaterEqual(told["unchanged"], 2)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]])
