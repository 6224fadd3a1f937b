#!/usr/bin/env python3
"""--scope partition on a real Apache Kafka: several processes begin a group at the
same moment and share a week; one after the other is killed with kill -9 and
started again, so that partitions move all the time. In the end the lake must be
what oracle.py says of each partition by itself. Then a partition is added to the
topic: it must be refused, and nothing written for it.

    share_kafka.py [--kills N] [--processes N] [--seed N]
"""
import argparse
import random
import signal
import subprocess
import sys
import time

import crash_kafka
import harness
import oracle
import replay_kafka

DURATION, SLIDE, PARTITIONS = 60, 15, 6
SESSION_MS = 1500
PATIENCE_S = 4  # a kill comes then at the latest, whatever has reached the lake


def start(w, url, log, *more):
    args = ["--topic", "week", "--group", "share", "--config", w.config, "--duration", DURATION, "--slide", SLIDE,
            "--lake", url, "--scope", "partition", "-X", f"session.timeout.ms={SESSION_MS}", "-X",
            "heartbeat.interval.ms=300", *more]
    with open(log, "ab") as err:
        p = subprocess.Popen([harness.binary("turnstile-consumer"), *map(str, args)], stderr=err,
                             stdin=subprocess.DEVNULL)
    w.processes.append(p)
    return p


def run_once(w, url, name):
    log = w.dir / f"{name}.log"
    code = start(w, url, log, "--once", "--flush").wait(120)
    return code, log.read_text()


def wait_started(log, times, deadline_s=30):
    """Until the process has said so: before, a signal meets no handler."""
    deadline = time.monotonic() + deadline_s
    while log.read_text().count("event=started") < times:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{log} does not tell of start {times}")
        time.sleep(0.01)


def kill_all_over(w, url, a, rng):
    """Returns how many were alive when they were killed."""
    log = [w.dir / f"member{n}.log" for n in range(a.processes)]
    members = [start(w, url, path) for path in log]
    starts = [1] * a.processes
    kills = 0
    for n in range(a.kills):
        goal = crash_kafka.objects(w.lake_dir) + rng.choice([1, 20, 100, 400])
        deadline = time.monotonic() + rng.uniform(0.1, PATIENCE_S)
        while time.monotonic() < deadline and crash_kafka.objects(w.lake_dir) < goal:
            time.sleep(0.005)
        victim = rng.randrange(a.processes)
        wait_started(log[victim], starts[victim])
        kills += members[victim].poll() is None
        members[victim].kill()
        members[victim].wait()
        print(f"kill {n}: process {victim}, {crash_kafka.objects(w.lake_dir)} objects in the lake", flush=True)
        members[victim] = start(w, url, log[victim])
        starts[victim] += 1
    for path, n in zip(log, starts):
        wait_started(path, n)
    # Far enough that their last records lie behind the start, whatever was killed before its first.
    goal = crash_kafka.objects(w.lake_dir) + 1000
    harness.wait_until(lambda: crash_kafka.objects(w.lake_dir) >= goal)
    for member in members:
        member.send_signal(signal.SIGTERM)
    codes = [member.wait(60) for member in members]
    print(f"asked to stop, they ended with {codes}")
    for path in log:
        for line in path.read_text().splitlines():
            if "level=error" in line:
                print("  " + line)
    return kills if codes == [0] * a.processes else 0


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--kills", type=int, default=6)
    ap.add_argument("--processes", type=int, default=3)
    ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    path = harness.data_files()[0]
    with harness.Work() as w:
        servers = w.kafka(config=["group.min.session.timeout.ms=1000"])
        w.config = w.properties(servers)
        replay_kafka.fill(w, servers, "week", path, "turnstile", "csv", PARTITIONS)
        messages = harness.read_topic(servers, "week")
        _, url = w.sandbox()
        kills = kill_all_over(w, url, a, random.Random(a.seed))
        code, said = run_once(w, url, "last")
        want = oracle.judge(messages, DURATION * 60, SLIDE * 60, DURATION * 60, scope="partition")
        lake = harness.read_lake(w.lake_dir)
        wrong = oracle.compare(want, lake, DURATION * 60, SLIDE * 60, "week")
        rows = sum(len(log) for log in messages.values())
        reread = sum(t["rows"] for t in harness.totals(said).values())
        print(f"{kills} kills; the last run read {reread} of {rows} rows; exit {code}; "
              f"{len(lake)} objects, {len(wrong)} differences")
        for line in wrong[:5]:
            print("  " + line)

        w.grow("week", PARTITIONS + 1)
        refusal, said = run_once(w, url, "grown")
        named = f"partition {PARTITIONS} was added to week" in said
        same = harness.read_lake(w.lake_dir) == lake
        print(f"with a partition more: exit {refusal}, {'' if named else 'NOT '}named, the lake "
              f"{'as it was' if same else 'CHANGED'}")
        if not named:
            print(said[-3000:])
        right = code == 0 and not wrong and reread < rows and kills == a.kills
        return 0 if right and refusal == 78 and named and same else 1


if __name__ == "__main__":
    sys.exit(main())
