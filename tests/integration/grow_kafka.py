#!/usr/bin/env python3
"""A topic gets partitions while one member owns it and another stands by, on a
real Apache Kafka. The owner is ended: the other must take over all partitions,
not those that there were when it started.

    grow_kafka.py
"""
import pathlib
import re
import subprocess
import sys
import time

import harness

BEFORE, AFTER = 2, 4
DEADLINE_S = 60


class Member:
    def __init__(self, w, name):
        self.log = pathlib.Path(w.dir / f"{name}.log")
        args = ["--topic", "grows", "--group", "grow", "--config", w.config, "--lake", str(w.dir / "lake"),
                "-X", "session.timeout.ms=3000", "-X", "topic.metadata.refresh.interval.ms=500"]
        with open(self.log, "wb") as err:
            self.process = subprocess.Popen([harness.binary("turnstile-consumer"), *args], stderr=err,
                                            stdin=subprocess.DEVNULL)
        w.processes.append(self.process)

    def wait_for(self, what):
        """Until the log's last line of these events says so."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            lines = [line for line in self.log.read_text().splitlines()
                     if re.search(r"event=(assigned|standby|revoked|failed)\b", line)]
            if lines and re.search(what, lines[-1]):
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        sys.exit(f"{self.log.name}: waited in vain for {what}\n{self.log.read_text()}")


def main():
    with harness.Work() as w:
        w.config = w.properties(w.kafka(config=["group.min.session.timeout.ms=1000"]))
        w.topic("grows", BEFORE)
        first = Member(w, "first")
        first.wait_for(f"assigned.* partitions={BEFORE} ")
        second = Member(w, "second")
        second.wait_for("standby")
        w.grow("grows", AFTER)
        first.wait_for(f"assigned.* partitions={AFTER} ")
        second.wait_for("standby")
        first.process.terminate()
        code = first.process.wait(DEADLINE_S)
        second.wait_for("assigned")
        took_over = f" partitions={AFTER} " in second.log.read_text()
        print(f"the owner ended with {code}; the other took over {'all' if took_over else 'NOT all'} partitions")
        return 0 if code == 0 and took_over else 1


if __name__ == "__main__":
    sys.exit(main())
