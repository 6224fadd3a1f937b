"""Adds up ctest's JUnit files: names every skip with its reason, prints one line.

usage: results.py FILE.xml...

A test skips as a whole with exit code 77, or in part as cmocka and unittest report
it; the reason is what it printed. With CI=true in the environment a skip is a failure,
unless the reason says that the test needs what no set-up can install: the
weekly files, root, a kernel that lets it mount. A Kafka or a package that could not be
fetched is a failure there.
"""
import os
import re
import sys
import xml.etree.ElementTree as ElementTree

CANNOT = re.compile(r"TURNSTILE_DATA|\broot\b|privilege|cannot be mounted", re.I)
IN_PART = [re.compile(r"\[  SKIPPED \] (.*)"), re.compile(r"\.\.\. skipped ['\"](.*)['\"]")]


def output_of(case):
    texts = [case.findtext("system-out") or "", case.findtext("system-err") or ""]
    return "\n".join(texts)


def reason_of(output):
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    saying = [line for line in lines if re.search(r"skip", line, re.I)]
    return (saying or lines or ["no reason given"])[-1]


def skips_in(case):
    """(as a whole, reason) for each skip of a test case."""
    output = output_of(case)
    if case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
        return [(True, reason_of(output))]
    reasons = []
    for line in output.splitlines():
        reasons += [match[1] for match in (p.search(line) for p in IN_PART) if match]
    return [(False, reason) for reason in dict.fromkeys(reasons)]


def main():
    passed = failed = skipped = refused = runs = 0
    for path in sys.argv[1:]:
        if not os.path.exists(path):
            continue
        runs += 1
        run = os.path.basename(path).removesuffix(".xml")
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            skips = skips_in(case)
            whole = any(whole for whole, _ in skips)
            bad = case.find("failure") is not None or case.find("error") is not None
            bad = bad or case.get("status") == "fail"
            passed, failed, skipped = passed + (not bad and not whole), failed + bad, skipped + whole
            for whole_skip, reason in skips:
                allowed = CANNOT.search(reason) or os.environ.get("CI") != "true"
                refused += not allowed
                print(f"{'skipped' if whole_skip else 'skipped in part'}: {run}/{case.get('name')}: "
                      f"{reason}{'' if allowed else '  <- a failure in CI'}")
    ending = f", {refused} of the skips not allowed in CI" if refused else ""
    print(f"{passed} passed, {failed} failed, {skipped} skipped in {runs} runs{ending}")
    sys.exit(1 if failed or refused or not runs else 0)


main()
