#!/usr/bin/env python3
"""turnstile-consumer's command line: every wrong use ends with one clear line and
the documented exit code; help, environment and printed configuration agree."""
import os
import re
import subprocess
import tempfile
import unittest

import harness

CONSUMER = harness.binary("turnstile-consumer")
NEEDED = ["--topic", "t", "--group", "g", "-b", "127.0.0.1:1", "--lake", "/tmp/lake"]


def run(args, env=None, timeout=60):
    """(exit code, stdout, stderr), with nothing of ours in the environment."""
    clean = {k: v for k, v in os.environ.items()
             if not k.startswith("TURNSTILE_") and not k.startswith("OUTPUT_")}
    clean.update(env or {})
    done = subprocess.run([CONSUMER, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, env=clean, timeout=timeout, check=False,
                          stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


class CommandLine(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="turnstile-test-")
        self.addCleanup(folder.cleanup)
        self.dir = folder.name

    def file(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def refused(self, code, says, args, env=None):
        got, out, err = run(args, env)
        self.assertEqual(got, code, f"{args}: {err}")
        self.assertEqual(out, "", args)
        self.assertEqual(err.count("\n"), 1, f"{args}: not one line: {err!r}")
        self.assertTrue(err.startswith("turnstile-consumer: "), err)
        self.assertIn(says, err)

    def test_wrong_use_is_2(self):
        for says, args in [
                ("missing: --topic TOPIC, --group GROUP, --lake URL", []),
                ("missing: --lake URL", ["--topic", "t", "--group", "g", "-b", "h"]),
                ("no broker", ["--topic", "t", "--group", "g", "--lake", "/l"]),
                ("did you mean --duration?", NEEDED + ["--duratoin", "5"]),
                ("did you mean --memory-limit?", NEEDED + ["--memory_limit=1GiB"]),
                ("unknown option -z", NEEDED + ["-z"]),
                ("could be --client, --clientid, --config", NEEDED + ["--clie", "x", "--c"]),
                ("'more' belongs to no option", NEEDED + ["more"]),
                ("--slide needs a value", NEEDED + ["--slide"]),
                ("--flush takes no value", NEEDED + ["--flush=1"]),
                ("'5 minutes' is not a time", NEEDED + ["--duration", "5 minutes"]),
                ("--slide 10m is longer than --duration 5m", NEEDED + ["--slide", "10"]),
                ("--flush works with --once only", NEEDED + ["--flush"]),
                ("out of range", NEEDED + ["--memory-limit", "1KiB"]),
                ("is not one topic's name", NEEDED + ["--topic", "a\nb\x1b[31m"]),
                ("is not KEY=VALUE", NEEDED + ["-X", "x"])]:
            self.refused(2, says, args)

    def test_bad_configuration_is_78(self):
        broken = self.file("broken.json", '{"columns": 3}')
        no_json = self.file("no.json", "hello")
        typo = self.file("typo.properties", "# a comment\nbootstrap.server=h:1\n")
        no_equals = self.file("line.properties", "bootstrap.servers=h:1\n\nnonsense\n")
        empty = self.file("empty.properties", "# nothing\n")
        for says, args in [
                ("/nowhere/x.json", NEEDED + ["--schema", "/nowhere/x.json"]),
                ("broken.json", NEEDED + ["--schema", broken]),
                ("no.json", NEEDED + ["--schema", no_json]),
                ("/nowhere/p", NEEDED + ["--config", "/nowhere/p"]),
                ("Is a directory", NEEDED + ["--schema", self.dir]),
                ("Is a directory", NEEDED + ["--config", self.dir]),
                ("bootstrap.servers", NEEDED + ["--config", typo]),
                ("typo.properties:2", NEEDED + ["--config", typo]),
                ("line.properties:3", NEEDED + ["--config", no_equals]),
                ("has no bootstrap.servers", ["-t", "t", "-G", "g", "--lake", "/l", "-F", empty]),
                ("session.timeout.ms", NEEDED + ["-X", "session.timeout.ms=soon"]),
                ("did you mean", NEEDED + ["-X", "sesion.timeout.ms=5"]),
                ("ftp", NEEDED + ["--lake", "ftp://host/x"]),
                ("with both slashes", NEEDED + ["--lake", "http:user:secret@host/x"])]:
            self.refused(78, says, args)

    def test_a_bad_variable_is_78(self):
        for says, env in [
                ("TURNSTILE_DURATION: 'x' is not a time", {"TURNSTILE_DURATION": "x"}),
                ("TURNSTILE_ONCE: 'maybe'", {"TURNSTILE_ONCE": "maybe"}),
                ("TURNSTILE_CLIENT is empty", {"TURNSTILE_CLIENT": ""})]:
            self.refused(78, says, NEEDED, env)

    def test_nobody_there_is_69(self):
        code, _, err = run(NEEDED + ["--connect-timeout", "300ms", "--lake", self.dir])
        self.assertEqual(code, 69, err)
        failed = [line for line in err.splitlines() if "event=failed" in line]
        self.assertEqual(len(failed), 1, err)
        self.assertIn("127.0.0.1:1", failed[0])
        self.assertIn("exit_code=69", failed[0])

    def test_a_lake_that_cannot_be_written(self):
        path = self.file("a-file", "")
        code, _, err = run(NEEDED + ["--lake", path + "/lake", "--connect-timeout", "2s"])
        self.assertIn(code, (77, 78), err)
        self.assertIn("a-file/lake", [x for x in err.splitlines() if "event=failed" in x][0])

    def test_help_names_every_option(self):
        code, out, err = run(["--help"])
        self.assertEqual((code, err), (0, ""))
        self.assertLess(out.index("Examples:"), out.index("--duration"))
        code, printed, _ = run(NEEDED + ["--print-config"])
        self.assertEqual(code, 0)
        names = re.findall(r"^([a-z-]+)=.*  # (?:flag|default)$", printed, re.M)
        self.assertGreater(len(names), 20)
        for name in names + ["property", "help", "version"]:
            self.assertIn(f"--{name}", out)
        for exit_code in ("0", "1", "2", "69", "75", "77", "78"):
            self.assertRegex(out, rf"(?m)^  {exit_code}  ")

    def test_version(self):
        code, out, _ = run(["--version"])
        self.assertEqual(code, 0)
        self.assertRegex(out, r"^turnstile-consumer \d+\.\d+\.\d+ ")

    def test_flag_over_environment_over_file(self):
        path = self.file("p.properties",
                         "bootstrap.servers=file:1\nclient.id=f\nsasl.password=hush\n")
        env = {"TURNSTILE_TOPIC": "env", "TURNSTILE_DURATION": "7", "TURNSTILE_CONFIG": path,
               "TURNSTILE_GROUP": "env", "OUTPUT_DIR": "http://u:hush@h/l",
               "TURNSTILE_PROPERTY": "sasl.username=me\nssl.key.password=hush"}
        code, out, err = run(["--topic", "flag", "-b", "flag:1", "--print-config"], env)
        self.assertEqual((code, err), (0, ""))
        for line in ("topic=flag  # flag", "group=env  # environment",
                     "duration=7m  # environment", "slide=7m  # default", "delay=7m  # default",
                     "lake=http://***@h/l  # OUTPUT_DIR", "prefix=turnstile  # default"):
            self.assertIn(line + "\n", out)
        self.assertIn("sasl.username=me", out)
        self.assertGreater(out.rindex("bootstrap.servers=flag:1"),
                           out.find("bootstrap.servers=file:1"))
        self.assertNotIn("hush", out)

    def test_check_config(self):
        code, out, err = run(NEEDED + ["--check-config"])
        self.assertEqual((code, out, err), (0, "the configuration is valid\n", ""))
        lake = os.path.join(self.dir, "not-made")
        self.assertEqual(run(NEEDED + ["--check-config", "--lake", lake])[0], 0)
        self.assertFalse(os.path.exists(lake))

    def test_what_recovery_owns_is_left_out_with_a_word(self):
        code, _, err = run(NEEDED + ["--check-config", "-X", "enable.auto.commit=true"])
        self.assertEqual(code, 0, err)
        self.assertIn("enable.auto.commit", err)
        self.assertIn("level=warn", err)

    def test_a_full_disk_is_seen(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([CONSUMER, "--help"], stdout=full, stderr=subprocess.PIPE,
                                  check=False)
        self.assertEqual(done.returncode, 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
