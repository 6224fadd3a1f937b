#!/usr/bin/env python3
"""The files are what the warehouse behind the replaced job reads: DuckDB as the
second, independent CSV reader runs the shapes of its external table (types
detected, and types given) and of its staging query over a lake made by the
programs, a weekly file beside it where there is one.
"""
import json
import pathlib
import shutil
import subprocess
import sys

import harness

DUCKDB = "1.5.6"

# Types as the external table detects them, and as its explicit form gives them.
DETECTED = """
SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM read_csv('{files}'))
"""
TYPES = {"CA": "VARCHAR", "UNIT": "VARCHAR", "SCP": "VARCHAR", "STATION": "VARCHAR", "LINENAME": "VARCHAR",
         "DIVISION": "VARCHAR", "DATE": "DATE", "TIME": "TIME", "DESC": "VARCHAR", "ENTRIES": "BIGINT",
         "EXITS": "BIGINT"}
TABLE = """
CREATE OR REPLACE VIEW ext_turnstile AS SELECT * FROM read_csv('{files}', header=true, skip=0,
  dateformat='%m/%d/%Y', columns={{'int64_field_0': 'BIGINT', 'CA': 'VARCHAR', 'UNIT': 'VARCHAR', 'SCP': 'VARCHAR',
  'STATION': 'VARCHAR', 'LINENAME': 'VARCHAR', 'DIVISION': 'VARCHAR', 'DATE': 'DATE', 'TIME': 'TIME',
  'DESC': 'VARCHAR', 'ENTRIES': 'BIGINT', 'EXITS': 'BIGINT'}})
"""
# One row per CA, UNIT, SCP, DATE, TIME is kept, which one is not said: so there must be one only.
STAGING = """
WITH numbered AS (
  SELECT *, row_number() OVER (PARTITION BY CA, UNIT, SCP, "DATE", "TIME") AS rn FROM ext_turnstile)
SELECT count(*), sum(ENTRIES), sum(EXITS), count(DISTINCT CA || UNIT || SCP),
       min(CAST("DATE" || ' ' || "TIME" AS TIMESTAMP))::VARCHAR,
       max(CAST("DATE" || ' ' || "TIME" AS TIMESTAMP))::VARCHAR
FROM numbered WHERE rn = 1
"""
RAW = "SELECT count(*), sum(ENTRIES), sum(EXITS) FROM ext_turnstile"
# Each file counts its own rows from 0.
NUMBERS = """
SELECT count(*) FROM (SELECT filename, count(*) AS n, min(column00) AS low, max(column00) AS high,
  count(DISTINCT column00) AS different FROM read_csv('{files}', filename=true) GROUP BY filename)
WHERE low <> 0 OR high <> n - 1 OR different <> n
"""


def query(files, statements):
    """Rows of the last statement."""
    code = ("import duckdb, json, sys\nc = duckdb.connect()\nfor s in json.load(sys.stdin):\n    r = c.execute(s)\n"
            "print(json.dumps(r.fetchall()))")
    done = subprocess.run([harness.python_with("duckdb", DUCKDB), "-c", code], text=True, check=True,
                          input=json.dumps([s.format(files=files) for s in statements]), stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def expect(what, got, want):
    print(f"{what}: {got}{'' if got == want else f'  WRONG, expected {want}'}")
    return got != want


def main():
    with harness.Work() as w:
        servers, _ = w.sandbox("mta-turnstile:4")
        config = w.properties(servers, session_timeout_ms=3500)
        harness.produce(["--topic", "mta-turnstile", "--config", config, "--count", 12000, "--rate", 0, "--seed", 3,
                         "--turnstiles", 150, "--start", "2024-07-22 06:00:00", "--step", "4s",
                         "--duplicates", "5%", "--malformed", "1%", "--disorder", "60s"])
        messages = harness.read_topic(servers, "mta-turnstile")
        lake = w.dir / "lake"
        _, stderr = harness.consume(["--topic", "mta-turnstile", "--group", "warehouse", "--config", config,
                                     "--duration", 60, "--lake", lake, "--once", "--flush"])
        said = harness.totals(stderr)
        windowed = sum(t["windowed"] for t in said.values())
        entries, exits = truth(messages)
        files = f"{lake}/turnstile/*.csv.gz"
        wrong = expect("columns as detected", dict(query(files, [DETECTED])), {"column00": "BIGINT", **TYPES})
        raw = query(files, [TABLE, RAW])[0]
        staged = query(files, [TABLE, STAGING])[0]
        wrong += expect("windowed rows", windowed, 12000)
        wrong += expect("sums in the table", raw[1:3], [entries, exits])
        wrong += expect("rows and sums after staging", staged[:3], raw)
        wrong += expect("turnstiles", staged[3], 150)
        wrong += expect("first and last time", staged[4:], ["2024-07-22 07:00:00", "2024-07-22 20:00:00"])
        wrong += expect("files whose row numbers are not 0..n-1", query(files, [NUMBERS])[0][0], 0)
        wrong += beside_a_weekly_file(lake, files, raw)
        return 1 if wrong else 0


def truth(messages):
    """Sums over the distinct well-formed rows, straight from the topic."""
    import oracle
    seen, entries, exits = set(), 0, 0
    for log in messages.values():
        for _, _, value in log:
            for _, reason, row, _ in oracle.rows_of(value):
                if reason is None and row["ID"] not in seen:
                    seen.add(row["ID"])
                    entries += row["ENTRIES"]
                    exits += row["EXITS"]
    return entries, exits


def beside_a_weekly_file(lake, files, raw):
    """Both kinds of file live in one table."""
    folder = pathlib.Path(harness.data_folder())
    weekly = sorted(folder.glob("24*.csv.gz"))
    if not weekly:
        print(f"no weekly file in {folder}: not read beside one")
        return 0
    shutil.copy(weekly[0], pathlib.Path(lake) / "turnstile" / "240106.csv.gz")
    both = query(files, [TABLE, RAW])[0]
    return expect("rows with a weekly file in the same table", both[0] > raw[0] + 200000, True)


if __name__ == "__main__":
    sys.exit(main())
