"""oracle.py -- what the lake must hold, computed from what is in the topic.

Written against the documented rules, sharing no code with the programs: reads
messages (partition, offset, timestamp, value), judges every row of every
partition in offset order, and says which mini-batches and side rows must exist
and how many rows have which outcome. Slow and plain on purpose.

Knows the default schema and the case where everything is read in one go and
flushed: punctuations then stand behind the last row and change nothing.
"""
import base64
import csv
import datetime
import io
import json
import re
from collections import defaultdict

COLUMNS = ("CA UNIT SCP STATION LINENAME DIVISION DATE TIME DESC ENTRIES EXITS ID TIMESTAMP").split()
ALIASES = {"C/A": "CA", "A/C": "CA", "AC": "CA"}
HEADER = ["", "CA", "UNIT", "SCP", "STATION", "LINENAME", "DIVISION", "DATE", "TIME", "DESC",
          "ENTRIES", "EXITS"]
MAX_MESSAGE = 1024 * 1024
EPOCH = datetime.datetime(1970, 1, 1)

JSON_STRING = re.compile(r'[ \t\r\n]*"(?:[^"\\]|\\.)*"[ \t\r\n]*', re.S)
INTEGER = re.compile(r"[ \t]*[+-]?[0-9]+[ \t]*")
STAMP = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})")
DATE = re.compile(r"([0-9]{1,2})-([0-9]{1,2})-([0-9]{2})")


class Reject(Exception):
    """A row that does not fit; the argument is the reason."""


def split_row(line):
    """The fields of one CSV line, or Reject('quote')."""
    if '"' not in line:
        return line.split(",")
    try:
        rows = list(csv.reader(io.StringIO(line, newline=""), strict=True))
    except csv.Error:
        raise Reject("quote") from None
    for field in re.split(r',(?=(?:[^"]*"[^"]*")*[^"]*$)', line):
        if '"' in field and not (field.startswith('"') and field.endswith('"') and len(field) > 1):
            raise Reject("quote")
    return rows[0]


def whole_text(value):
    """The CSV text of a message, JSON undone."""
    if value is None:
        raise Reject("tombstone")
    if len(value) > MAX_MESSAGE:
        raise Reject("oversized")
    if b"\0" in value:
        raise Reject("nul")
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise Reject("utf8") from None
    if not JSON_STRING.fullmatch(text):
        return text
    try:
        text = json.loads(text.strip(" \t\r\n"))
    except ValueError:
        raise Reject("json") from None
    if "\0" in text:
        raise Reject("nul")
    return text


def typed(fields):
    """A dict of the row's values, or Reject."""
    if len(fields) != len(COLUMNS):
        raise Reject("columns")
    row = dict(zip(COLUMNS, fields))
    m = DATE.fullmatch(row["DATE"])
    try:
        year = int(m[3]) + (1900 if int(m[3]) >= 69 else 2000)
        row["DATE"] = datetime.date(year, int(m[1]), int(m[2])).strftime("%m/%d/%Y")
    except (TypeError, ValueError):
        raise Reject("date") from None
    for name in ("ENTRIES", "EXITS"):
        if not INTEGER.fullmatch(row[name]):
            raise Reject("type")
        row[name] = int(row[name])
        if not -2**31 <= row[name] < 2**31:
            raise Reject("range")
    m = STAMP.fullmatch(row["TIMESTAMP"])
    try:
        moment = datetime.datetime(*(int(g) for g in m.groups()))
    except (AttributeError, TypeError, ValueError):
        raise Reject("timestamp") from None
    row["event"] = int((moment - EPOCH).total_seconds())
    return row


def rows_of(value):
    """[(row number, reason or None, row or None, original bytes)] of a one-row message."""
    try:
        text = whole_text(value)
        lines = [x for x in re.split(r"[\r\n]+", text)] if '"' not in text else [text]
        lines = [x for x in lines if x] if '"' not in text else lines
        if len(lines) == 0:
            raise Reject("columns")
        if len(lines) > 1:
            raise AssertionError("the oracle reads one row a message")
        return [(0, None, typed(split_row(lines[0])), value)]
    except Reject as r:
        return [(0, r.args[0], None, value)]


class Expected:
    def __init__(self):
        # (end, partition or None for all together) -> group -> sums
        self.windows = defaultdict(lambda: defaultdict(lambda: [0, 0]))
        self.side = {}                                        # (p, offset, row) -> (reason, bytes)
        self.outcome = defaultdict(lambda: defaultdict(int))  # partition -> outcome -> rows


def judge(messages, duration, slide, delay, skew=86400, scope="topic"):
    """messages: {partition: [(offset, timestamp_ms, value)]} in offset order; times in seconds."""
    want = Expected()
    for partition, log in messages.items():
        watermark = None
        seen = set()
        outcome = want.outcome[partition]
        for offset, stamp_ms, value in log:
            for number, reason, row, original in rows_of(value):
                outcome["rows"] += 1
                if reason is None and row["event"] * 1000 > stamp_ms + skew * 1000:
                    reason = "future"
                if reason is not None:
                    outcome["rejected"] += 1
                    outcome["rejected_" + reason] += 1
                    want.side[(partition, offset, number)] = (reason, original)
                    continue
                event = row["event"]
                newest = event - event % slide
                ends = [start + duration for start in range(newest, event - duration, -slide)
                        if start <= event < start + duration]
                live = [end for end in ends if watermark is None or end > watermark]
                key = (row["ID"], row["STATION"], event)
                if not live:
                    outcome["late"] += 1
                    want.side[(partition, offset, number)] = ("late", original)
                elif key in seen:
                    outcome["duplicate"] += 1
                else:
                    outcome["windowed"] += 1
                    seen.add(key)
                    group = tuple(row[c].encode() for c in
                                  ("CA", "UNIT", "SCP", "STATION", "LINENAME", "DIVISION", "DATE", "DESC"))
                    for end in live:
                        sums = want.windows[(end, partition if scope == "partition" else None)][group]
                        sums[0] += row["ENTRIES"]
                        sums[1] += row["EXITS"]
                if watermark is None or event - delay > watermark:
                    watermark = event - delay
    return want


def batch_name(end, partition, duration, slide, prefix="turnstile"):
    stamp = (EPOCH + datetime.timedelta(seconds=end)).strftime("%Y%m%d_%H%M%S")
    return f"{prefix}/batch_{(end - duration) // slide}_{stamp}{'' if partition is None else f'_p{partition}'}.csv.gz"


def batch_rows(end, groups):
    """The data rows of a mini-batch as lists of text, sorted as the file has them."""
    time = (EPOCH + datetime.timedelta(seconds=end)).strftime("%H:%M:%S")
    out = []
    for number, (group, sums) in enumerate(sorted(groups.items())):
        g = [x.decode() for x in group]
        out.append([str(number), *g[:7], time, g[7], str(sums[0]), str(sums[1])])
    return out


def compare(want, lake, duration, slide, topic, prefix="turnstile"):
    """lake: {name: plain bytes}. A list of differences, empty when the lake is right."""
    wrong = []
    names = {batch_name(*key, duration, slide, prefix): key for key in want.windows}
    got = {n for n in lake if n.startswith(prefix + "/")}
    wrong += [f"missing object {n}" for n in sorted(set(names) - got)]
    wrong += [f"object nobody asked for: {n}" for n in sorted(got - set(names))]
    for name in sorted(set(names) & got):
        rows = list(csv.reader(io.StringIO(lake[name].decode("utf-8"), newline="")))
        expected = [HEADER] + batch_rows(names[name][0], want.windows[names[name]])
        if rows != expected:
            wrong.append(f"{name}: {len(rows) - 1} rows, expected {len(expected) - 1}; first difference: "
                         + next((f"{a} instead of {b}" for a, b in zip(rows, expected) if a != b), "length"))
    found = {}
    for name in sorted(n for n in lake if n.startswith("rejected/")):
        for line in lake[name].decode("utf-8").splitlines():
            item = json.loads(line)
            key = (item["partition"], item["offset"], item["row"])
            if key in found:
                wrong.append(f"side row {key} stands twice")
            if item["topic"] != topic:
                wrong.append(f"side row {key} names topic {item['topic']}")
            if "value_base64" in item:
                value = base64.b64decode(item["value_base64"])
            else:
                value = None if item["value"] is None else item["value"].encode()
            found[key] = (item["reason"], value)
    for key in sorted(set(found) | set(want.side)):
        if found.get(key) != want.side.get(key):
            wrong.append(f"side row {key}: {found.get(key)} instead of {want.side.get(key)}")
    return wrong
