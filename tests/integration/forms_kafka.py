#!/usr/bin/env python3
"""Every form of message, and every way to be malformed, through a real Apache Kafka.

Each case is one message of hand-written bytes and what must come of each of its
rows: windowed, or a reason with the original bytes in the side output. A good
message follows each bad one, so that harm to a neighbour would show. Expectations
are written by hand here, not computed.
"""
import base64
import csv
import io
import json
import pathlib
import subprocess
import sys

import harness

MIB = 1024 * 1024


def row(n, station="Main St", entries="3", exits="4", date="07-22-24", ts="2024-07-22 21:10:01"):
    """The n-th good row as text; n makes it unique."""
    return f"A001,R001,02-00-00,{station},456NQR,BMT,{date},21:10:01,REGULAR,{entries},{exits},id-{n},{ts}"


def as_json(text):
    return json.dumps(text).encode()


HEADER = "C/A,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS,ID,TIMESTAMP"
SWAPPED = "TIMESTAMP,ID,EXITS,ENTRIES,DESC,TIME,DATE,DIVISION,LINENAME,STATION,SCP,UNIT,CA"


def swapped(n):
    return ",".join(reversed(row(n).split(",")))


# (name, message or None, expected rows: "ok", or a reason, or (reason, original bytes)).
# A plain reason means that the original bytes are the whole message.
CASES = [
    ("bare row", row(1).encode(), ["ok"]),
    ("JSON string", as_json(row(2)), ["ok"]),
    ("JSON escapes", b'"' + row(3).replace("Main", "M\\u0061in\\/\\\\x").encode() + b'"', ["ok"]),
    ("JSON surrogate pair", b'"' + row(4).replace("Main", "\\ud83d\\ude87").encode() + b'"', ["ok"]),
    ("header and row", (HEADER + "\n" + row(5)).encode(), ["ok"]),
    ("header and row in JSON", as_json(HEADER + "\n" + row(6)), ["ok"]),
    ("header in another order", (SWAPPED + "\r\n" + swapped(7)).encode(), ["ok"]),
    ("three rows, CRLF", (row(8) + "\r\n" + row(9) + "\r\n" + row(10) + "\r\n").encode(), ["ok"] * 3),
    ("quoted comma", row(11, station='"Main, St"').encode(), ["ok"]),
    ("quoted newline", row(12, station='"Main\nSt"').encode(), ["ok"]),
    ("quoted quote", row(13, station='"Main ""St"""').encode(), ["ok"]),
    ("quoted fields in JSON", as_json(row(14, station='"Main, ""St"""')), ["ok"]),
    ("every field quoted", ",".join(f'"{f}"' for f in row(15).split(",")).encode(), ["ok"]),
    ("lenient date", row(16, date="7-22-24").encode(), ["ok"]),
    ("good rows around a bad one", (row(17) + "\n" + "a,b,c" + "\n" + row(18)).encode(),
     ["ok", ("columns", b"a,b,c"), "ok"]),
    ("empty value", b"", ["columns"]),
    ("blank lines only", b"\n\n", ["columns"]),
    ("header only", HEADER.encode(), ["columns"]),
    ("seed's C# form: header and row without TIMESTAMP",
     as_json("A/C,UNIT,SCP,STATION,LINENAME,DIVISION,DATE,TIME,DESC,ENTRIES,EXITS\n"
             "A001,R001,02-00-00,Main St,456NQR,BMT,07-22-24,21:10:01,REGULAR,500,600,id-x"),
     ["columns"]),
    ("tombstone", None, ["tombstone"]),
    ("a column missing", row(20).rsplit(",", 1)[0].encode(), ["columns"]),
    ("a column too many", (row(21) + ",more").encode(), ["columns"]),
    ("letters for a number", row(22, entries="many").encode(), ["type"]),
    ("no number", row(23, exits="").encode(), ["type"]),
    ("a decimal", row(24, exits="1.5").encode(), ["type"]),
    ("over int32", row(25, entries="2147483648").encode(), ["range"]),
    ("far over int64", row(26, entries="9" * 40).encode(), ["range"]),
    ("least int32", row(27, entries="-2147483648").encode(), ["ok"]),
    ("timestamp with a T", row(28, ts="2024-07-22T21:10:01").encode(), ["timestamp"]),
    ("30 February", row(29, ts="2024-02-30 21:10:01").encode(), ["timestamp"]),
    ("24 o'clock", row(30, ts="2024-07-22 24:00:00").encode(), ["timestamp"]),
    ("no timestamp", row(31, ts="").encode(), ["timestamp"]),
    ("a date that is none", row(32, date="13-45-24").encode(), ["date"]),
    ("ten years ahead", row(33, ts="2044-07-22 21:10:01").encode(), ["future"]),
    ("unterminated quote", row(34, station='"Main').encode(), ["quote"]),
    ("text after a quote", row(35, station='"Main"x').encode(), ["quote"]),
    ("quote inside a field", row(36, station='Ma"in').encode(), ["quote"]),
    ("bad JSON escape", b'"' + row(37, station="Ma\\qin").encode() + b'"', ["json"]),
    ("lone surrogate", b'"' + row(38, station="\\ud800").encode() + b'"', ["json"]),
    ("NUL byte", row(39, station="Ma\0in").encode(), ["nul"]),
    ("NUL in JSON", b'"' + row(40, station="Ma\\u0000in").encode() + b'"', ["nul"]),
    ("invalid UTF-8", row(41).encode().replace(b"Main", b"M\xff\xfein"), ["utf8"]),
    ("100,000 columns", b",".join([b"x"] * 100000), ["oversized"]),
    ("a field of 100 KiB", row(42, station="x" * 100 * 1024).encode(), ["oversized"]),
    ("a field of 10 MiB", row(43, station="x" * 10 * MIB).encode(), ["oversized"]),
    ("late", row(44, ts="2024-07-20 21:10:01").encode(), ["late"]),
    ("duplicate of the first", row(1).encode(), ["duplicate"]),
]


def send(w, servers, topic, n, value):
    """One message; kcat sends a file as one message."""
    path = pathlib.Path(w.dir) / f"message{n}"
    path.write_bytes(value or b"")
    base = ["kcat", "-b", servers, "-P", "-t", topic, "-p", "0", "-X", "message.max.bytes=20000000"]
    if value:
        subprocess.run([*base, str(path)], check=True, timeout=60)
    else:  # an empty or null value: a line with only a key and its delimiter
        subprocess.run([*base, "-K", "\t", *(["-Z"] if value is None else [])], input=b"key\t\n", check=True,
                       timeout=60)


def main():
    with harness.Work() as w:
        servers = w.kafka(config=["message.max.bytes=20000000", "replica.fetch.max.bytes=20000000"])
        _, url = w.sandbox()
        config = w.properties(servers, fetch_message_max_bytes=20000000, receive_message_max_bytes=30000000)
        w.topic("forms", 1)
        expected, offset, ok_rows, duplicates = {}, 0, 0, 0
        for n, (name, value, rows) in enumerate(CASES):
            send(w, servers, "forms", n, value)
            for number, want in enumerate(rows):
                if want == "ok":
                    ok_rows += 1
                elif want == "duplicate":
                    duplicates += 1
                else:
                    reason, original = want if isinstance(want, tuple) else (want, value)
                    expected[(offset, number)] = (name, reason, original)
            offset += 1
            send(w, servers, "forms", f"{n}-good", row(f"after-{n}").encode())
            ok_rows += 1
            offset += 1
        _, stderr = harness.consume(["--topic", "forms", "--group", "forms", "--config", config, "--delay", "60",
                                     "--lake", url, "--once", "--flush"])
        return check(harness.read_lake(w.lake_dir), harness.totals(stderr)[0], expected, ok_rows, duplicates)


def check(lake, said, expected, ok_rows, duplicates):
    wrong = []
    found = {}
    for name in (n for n in lake if n.startswith("rejected/")):
        for line in lake[name].decode().splitlines():
            item = json.loads(line)
            value = base64.b64decode(item["value_base64"]) if "value_base64" in item else item["value"]
            value = value.encode() if isinstance(value, str) else value
            found[(item["offset"], item["row"])] = (item["reason"], value)
    for key, (name, reason, original) in expected.items():
        got = found.pop(key, None)
        if got != (reason, original):
            short = (got[0], got[1][:80] if got[1] else got[1]) if got else None
            wrong.append(f"{name}: {short} instead of {reason}")
    wrong += [f"nobody expected {key}: {value[0]}" for key, value in found.items()]
    entries = 0
    for name in (n for n in lake if n.startswith("turnstile/")):
        for r in list(csv.reader(io.StringIO(lake[name].decode(), newline="")))[1:]:
            entries += int(r[10])
    want_entries = 3 * (ok_rows - 1) - 2147483648
    if entries != want_entries:
        wrong.append(f"ENTRIES add up to {entries}, not {want_entries}")
    if (said["windowed"], said["duplicate"]) != (ok_rows, duplicates):
        wrong.append(f"windowed, duplicate: {said['windowed']}, {said['duplicate']}, not {ok_rows}, {duplicates}")
    print(f"{len(CASES)} forms, {ok_rows} rows windowed, {len(expected)} in the side output, {len(wrong)} wrong")
    for line in wrong:
        print("  " + line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
