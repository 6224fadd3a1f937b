#!/usr/bin/env python3
"""Writes encode_batch.csv with Python's csv module, which pandas' to_csv writes with: what
test_encode.c must produce for the same rows. Run it again when the rows there change."""
import csv
import pathlib

HEADER = ["", "CA", "LINENAME", "DATE", "TIME", "DESC", "ENTRIES", "EXITS", "FARE", "ROWS", "START"]
END, START = "00:05:00", "2024-07-21 23:55:00"
# CA, LINENAME, DATE, DESC, then sums as the test adds them up; FARE has two digits behind the point
ROWS = [
    ("", "", "07/22/2024", "", 0, 0, 0, 1),
    (" A001 ", "456NQR", "07/22/2024", "REGULAR", 9, -10, 1234, 1),
    ('A"002"', "a,b", "07/22/2024", "two\nlines", 2**63 - 1, -(2**63), -5, 1),
    ("A003", "'", "07/23/2024", "caf\u00e9; tab\t", 3 * (2**63 - 1), -3 * 2**63, 100, 3),
    ("A004", "\\", "07/23/2024", '"', 1, 2, -100, 1),
    ("A005", "=1+1", "07/23/2024", "NA", 10**18, 0, 7, 1),
]


def fixed_point(hundredths):
    sign = "-" if hundredths < 0 else ""
    return f"{sign}{abs(hundredths) // 100}.{abs(hundredths) % 100:02d}"


def main():
    path = pathlib.Path(__file__).with_suffix(".csv")
    with open(path, "w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
        writer.writerow(HEADER)
        for n, (ca, line, date, desc, entries, exits, fare, rows) in enumerate(ROWS):
            writer.writerow([n, ca, line, date, END, desc, entries, exits, fixed_point(fare), rows,
                             START])


if __name__ == "__main__":
    main()
