#!/usr/bin/env python3
"""kill -9, again and again, on a real Apache Kafka: a week is read by a consumer
that is killed whenever some more objects have reached the lake, and started again
each time. In the end the lake must be what oracle.py says, as if nothing had
happened, and a stopped run must have resumed from its commit records.

    crash_kafka.py [--kills N] [--seed N]
"""
import argparse
import pathlib
import random
import subprocess
import sys
import time

import harness
import oracle
import replay_kafka

DURATION, SLIDE = 60, 15
SESSION_MS = 1500  # a killed member is missed this long before the next one owns the topic


def start(w, url, log, *more):
    args = ["--topic", "week", "--group", "crash", "--config", w.config, "--duration", DURATION, "--slide", SLIDE,
            "--lake", url, "-X", f"session.timeout.ms={SESSION_MS}", "-X", "heartbeat.interval.ms=300", *more]
    with open(log, "wb") as err:
        return subprocess.Popen([harness.binary("turnstile-consumer"), *map(str, args)], stderr=err,
                                stdin=subprocess.DEVNULL)


def objects(folder):
    return sum(1 for _ in pathlib.Path(folder).rglob("*.gz"))


def kill_when(p, w, more_objects, deadline_s=60):
    """kill -9 once that many more objects are in the lake; False: it ended before."""
    goal = objects(w.lake_dir) + more_objects
    deadline = time.monotonic() + deadline_s
    while p.poll() is None and time.monotonic() < deadline and objects(w.lake_dir) < goal:
        time.sleep(0.002)
    alive = p.poll() is None
    p.kill()
    p.wait()
    return alive


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--kills", type=int, default=12)
    ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    rng = random.Random(a.seed)
    path = harness.data_files()[0]
    with harness.Work() as w:
        servers = w.kafka(config=["group.min.session.timeout.ms=1000"])
        w.config = w.properties(servers)
        replay_kafka.fill(w, servers, "week", path, "id", "json", 4)
        messages = harness.read_topic(servers, "week")
        _, url = w.sandbox()
        kills = 0
        for n in range(a.kills):
            log = w.dir / f"run{n}.log"
            p = start(w, url, log, "--once")
            if kill_when(p, w, rng.choice([1, 5, 20, 100, 200, 300])):
                kills += 1
            print(f"run {n}: killed with {objects(w.lake_dir)} objects in the lake", flush=True)
        # One that is asked to stop: its last records lie behind the start, whatever the others came to.
        calm = start(w, url, w.dir / "calm.log", "--once")
        goal = objects(w.lake_dir) + 50
        harness.wait_until(lambda: calm.poll() is not None or objects(w.lake_dir) >= goal)
        calm.terminate()
        calm.wait(60)
        last = start(w, url, w.dir / "last.log", "--once", "--flush")
        code = last.wait(120)
        said = harness.totals((w.dir / "last.log").read_text())
        want = oracle.judge(messages, DURATION * 60, SLIDE * 60, DURATION * 60)
        wrong = oracle.compare(want, harness.read_lake(w.lake_dir), DURATION * 60, SLIDE * 60, "week")
        rows = sum(len(log) for log in messages.values())
        reread = sum(t["rows"] for t in said.values())
        print(f"{kills} kills; the last run read {reread} of {rows} rows; exit {code}; {len(wrong)} differences")
        for line in wrong[:5]:
            print("  " + line)
        resumed = 0 < reread < rows
        if not resumed:
            print("the last run did not resume from the commit records")
        return 0 if code == 0 and not wrong and resumed and kills > a.kills // 2 else 1


if __name__ == "__main__":
    sys.exit(main())
