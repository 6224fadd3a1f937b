#!/usr/bin/env python3
"""Two members of one group on a real Apache Kafka: the older keeps the topic, a
--once beside it says so and ends instead of waiting for ever, and when the owner
has left the next --once has its turn."""
import signal
import subprocess
import sys

import harness


def main():
    wrong = []
    with harness.Work() as w:
        config = w.properties(w.kafka())
        w.topic("t", 4)
        harness.produce(["--topic", "t", "--config", config, "--count", 2000, "--rate", 0, "--turnstiles", 50,
                         "--start", "2024-07-22 06:00:00", "--step", "5s"])
        args = ["--topic", "t", "--group", "g", "--config", config, "--lake", w.dir / "lake", "--duration", "60"]
        log = w.dir / "owner.log"
        with open(log, "wb") as err:
            owner = subprocess.Popen([harness.binary("turnstile-consumer"), *map(str, args)], stderr=err)
        w.processes.append(owner)
        harness.wait_until(lambda: "event=reading" in log.read_text())
        code, stderr = harness.consume([*args, "--once", "--connect-timeout", "1s"], timeout=60, check=False)
        if code != 75 or "another member of the group has the topic" not in stderr:
            wrong.append(f"--once beside an owner: exit {code}: {stderr[-400:]}")
        owner.send_signal(signal.SIGTERM)
        if owner.wait(30) != 0:
            wrong.append(f"the owner: exit {owner.returncode}")
        code, stderr = harness.consume([*args, "--once", "--flush"], timeout=60, check=False)
        if code != 0:
            wrong.append(f"--once when the owner has left: exit {code}: {stderr[-400:]}")
    print("\n".join(wrong) or "the owner kept the topic, --once said so, and had its turn afterwards")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
