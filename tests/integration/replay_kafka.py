#!/usr/bin/env python3
"""The main job on real input: each weekly file is replayed through a real Apache
Kafka, with duplicates, disorder and malformed rows, and the lake is compared row
for row with oracle.py; every row of input must be accounted for.

    replay_kafka.py [--files N] [--keys id,turnstile] [--formats json,csv] [--partitions N]

The consumer's peak resident memory is held to RESIDENT_MAX_MIB.
"""
import argparse
import os
import sys
import time

import harness
import oracle

WINDOWS = [("tumbling 240", 240, 240), ("sliding 60/15", 60, 15)]  # name, duration, slide in minutes
DISORDER_S = 3000  # within the smallest delay, 60 minutes
RESIDENT_MAX_MIB = 128


def fill(w, servers, topic, path, key, form, partitions):
    """Replay a file into a new topic; returns what the producer says it did."""
    w.topic(topic, partitions)
    return harness.produce(["--topic", topic, "--config", w.config, "--replay", path, "--key", key,
                            "--format", form, "--duplicates", "5%", "--malformed", "1%",
                            "--disorder", f"{DISORDER_S}s", "--late", "0.2%", "--seed", "7", "-X", "linger.ms=20",
                            "-X", "compression.type=lz4"])


def run(w, topic, duration, slide, messages):
    """One run of the consumer against the oracle; returns the number of differences."""
    _, url = w.sandbox()
    started = time.monotonic()
    code, stderr, resident = harness.measure(["--topic", topic, "--group", f"g-{topic}-{duration}-{slide}",
                                 "--client", "test", "--config", w.config, "--duration", duration,
                                 "--slide", slide, "--lake", url, "--once", "--flush"])
    took = time.monotonic() - started
    if code != 0:
        raise RuntimeError(f"consumer: exit {code}: {stderr[-3000:]}")
    want = oracle.judge(messages, duration * 60, slide * 60, duration * 60)
    lake = harness.read_lake(w.lake_dir)
    wrong = oracle.compare(want, lake, duration * 60, slide * 60, topic)
    wrong += account(harness.totals(stderr), want)
    if resident > RESIDENT_MAX_MIB * 1024 and not os.environ.get("TURNSTILE_SANITIZE"):
        wrong.append(f"{resident // 1024} MiB resident, more than {RESIDENT_MAX_MIB}")
    rows = sum(o["rows"] for o in want.outcome.values())
    print(f"  {duration}/{slide} min: {rows} rows, {len(want.windows)} mini-batches, "
          f"{sum(o['duplicate'] for o in want.outcome.values())} duplicate, "
          f"{sum(o['late'] for o in want.outcome.values())} late, "
          f"{sum(o['rejected'] for o in want.outcome.values())} rejected, {took:.1f} s, {resident // 1024} MiB: "
          f"{'as the oracle says' if not wrong else str(len(wrong)) + ' DIFFERENCES'}", flush=True)
    for line in wrong[:5]:
        print("    " + line)
    return len(wrong)


def account(said, want):
    """The consumer's totals against the oracle's, and against themselves."""
    wrong = []
    for partition, outcome in want.outcome.items():
        got = said.get(partition, {})
        if got.get("rows") != sum(got.get(k, 0) for k in
                                  ("windowed", "duplicate", "late", "rejected", "suppressed")):
            wrong.append(f"totals of partition {partition} do not add up: {got}")
        for k in ("rows", "windowed", "duplicate", "late", "rejected"):
            if got.get(k) != outcome[k]:
                wrong.append(f"totals of partition {partition}: {k} {got.get(k)} instead of {outcome[k]}")
    return wrong


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--files", type=int, default=2)
    ap.add_argument("--keys", default="id,turnstile")
    ap.add_argument("--formats", default="json,csv")
    ap.add_argument("--partitions", type=int, default=4)
    ap.add_argument("--kafka", default=None, help="version, as scripts/kafka.sh takes it")
    a = ap.parse_args()
    files = harness.data_files()[:a.files]
    wrong = 0
    with harness.Work() as w:
        servers = w.kafka(a.kafka)
        w.config = w.properties(servers)
        for n, path in enumerate(files):
            for key in a.keys.split(","):
                for form in a.formats.split(","):
                    topic = f"week{n}-{key}-{form}"
                    said = fill(w, servers, topic, path, key, form, a.partitions)
                    messages = harness.read_topic(servers, topic)
                    sent = sum(len(log) for log in messages.values())
                    print(f"{topic}: {sent} messages in {len(messages)} partitions", flush=True)
                    if sent != said["acknowledged"]:
                        wrong += 1
                        print(f"    {sent} in the topic, {said['acknowledged']} acknowledged")
                    for _, duration, slide in WINDOWS:
                        wrong += run(w, topic, duration, slide, messages)
    print(f"{wrong} differences")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
