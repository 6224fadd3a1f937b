"""Runs test programs under valgrind.

usage: ctest --show-only=json-v1 ... | valgrind.py JOBS

Each test's own command, in its own directory; any error or definite leak fails it.
"""
import concurrent.futures
import json
import subprocess
import sys
import time

SKIPPED = 77
FOUND = 99
TIMEOUT_S = 900
VALGRIND = ["valgrind", "--quiet", f"--error-exitcode={FOUND}", "--leak-check=full",
            "--errors-for-leak-kinds=definite", "--track-fds=no"]


def properties(test):
    return {item["name"]: item["value"] for item in test.get("properties", [])}


def run(test):
    began = time.monotonic()
    try:
        done = subprocess.run(VALGRIND + test["command"], capture_output=True, text=True,
                              errors="replace", timeout=TIMEOUT_S, stdin=subprocess.DEVNULL,
                              cwd=properties(test).get("WORKING_DIRECTORY"), check=False)
        code, output = done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        code, output = -1, f"not done after {TIMEOUT_S} s"
    return test["name"], code, output, time.monotonic() - began


def main():
    tests = [test for test in json.load(sys.stdin)["tests"] if test.get("command")]
    if not tests:
        sys.exit("valgrind: there are no tests")
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(int(sys.argv[1])) as pool:
        for name, code, output, seconds in pool.map(run, tests):
            good = code in (0, SKIPPED)
            failed += not good
            print(f"{'pass' if good else 'FAIL'}  {name}  {seconds:.1f} s", flush=True)
            if not good:
                print(output[-4000:])
    print(f"valgrind: {len(tests) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
