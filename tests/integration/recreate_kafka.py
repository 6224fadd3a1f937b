#!/usr/bin/env python3
"""A topic is deleted and made again while it is read, on a real Apache Kafka. The
new log is soon longer than what was read of the old one, so that the old offset
says nothing: the new log must be read from its start.

    recreate_kafka.py
"""
import subprocess
import sys
import time

import harness

DEADLINE_S = 60


def fill(w, rows, start):
    harness.produce(["--topic", "again", "--config", w.config, "--rate", "0", "--count", str(rows), "--turnstiles", "40",
                     "--start", start, "--step", "5s", "--seed", "1", "--quiet"])


def wait_for(w, log, end):
    """Until the mini-batch of the window that ends then is in the lake."""
    deadline = time.monotonic() + DEADLINE_S
    while not list(w.lake_dir.rglob(f"batch_*_{end}.csv.gz")):
        if time.monotonic() > deadline:
            sys.exit(f"no window {end}\n{log.read_text()}")
        time.sleep(0.05)


def main():
    with harness.Work() as w:
        w.config = w.properties(w.kafka(config=["group.min.session.timeout.ms=1000"]))
        w.lake_dir = w.dir / "lake"
        w.topic("again", 1)
        fill(w, 300, "2026-11-18 08:00:00")
        log = w.dir / "log"
        with open(log, "wb") as err:
            p = subprocess.Popen([harness.binary("turnstile-consumer"), "--topic", "again", "--group", "again",
                                  "--config", w.config, "--lake", str(w.lake_dir)],
                                 stderr=err, stdin=subprocess.DEVNULL)
        w.processes.append(p)
        wait_for(w, log, "20261118_081500")
        w.delete("again")
        w.topic("again", 1)
        fill(w, 900, "2026-11-18 10:00:00")
        wait_for(w, log, "20261118_110500")
        p.terminate()
        code = p.wait(DEADLINE_S)
        first = list(w.lake_dir.rglob("batch_*_20261118_100500.csv.gz"))
        print(f"exit {code}; the new log's first window is {'there' if first else 'LOST'}")
        return 0 if code == 0 and first else 1


if __name__ == "__main__":
    sys.exit(main())
