"""harness.py -- the real programs, a real broker, a real lake, for the tests in
Python. Standard library only. Everything started here is ended here, by process
id; ports are free ones; nothing leaves loopback."""
import gzip
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIP = 77


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIP)


def binary(name):
    """A program of the build under test: TURNSTILE_BIN, set by ctest."""
    folder = os.environ.get("TURNSTILE_BIN") or str(ROOT / "build/release/bin")
    path = pathlib.Path(folder) / name
    if not path.exists():
        sys.exit(f"{path} is not there: build first, or set TURNSTILE_BIN")
    return str(path)


def data_folder():
    """Where real weekly files would be."""
    return pathlib.Path(os.environ.get("TURNSTILE_DATA") or ROOT / "../shared/data")


def data_files():
    """The real weekly files, or a skip."""
    folder = data_folder()
    files = sorted(folder.glob("*.csv.gz"))
    if not files:
        skip(f"no weekly files in {folder} (set TURNSTILE_DATA)")
    return [str(f) for f in files]


def python_with(package, version):
    """A Python that has the package in this version, made once in the cache; or a skip."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    folder = cache / "turnstile" / f"{package}-{version}"
    python = folder / "bin/python"
    probe = [str(python), "-c", f"import {package}; assert {package}.__version__ == '{version}'"]
    if python.exists() and subprocess.run(probe, stderr=subprocess.DEVNULL, check=False).returncode == 0:
        return str(python)
    make = [[sys.executable, "-m", "venv", "--clear", str(folder)],
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
             "--only-binary", ":all:", f"{package}=={version}"]]
    for command in make:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            skip(f"{package} {version} cannot be installed here: {done.stdout.strip()[-200:]}")
    return str(python)


class Work:
    """A folder and the processes of one test; `with Work() as w:` ends both."""

    def __enter__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="turnstile-test-"))
        self.processes = []
        self.kafka_dir = None
        return self

    def __exit__(self, kind, value, trace):
        for p in reversed(self.processes):
            if p.poll() is None:
                p.send_signal(signal.SIGTERM)
                try:
                    p.wait(20)
                except subprocess.TimeoutExpired:
                    p.kill()
                    p.wait()
        if self.kafka_dir:
            subprocess.run([ROOT / "scripts/kafka.sh", "stop", "--dir", self.kafka_dir],
                           stdout=subprocess.DEVNULL, check=False)
        if kind is None or os.environ.get("CI"):
            shutil.rmtree(self.dir, ignore_errors=True)
        else:
            print(f"left for a look: {self.dir}", file=sys.stderr)

    def sandbox(self, *topics):
        """Start turnstile-sandbox; returns (bootstrap.servers, lake.url)."""
        folder = self.dir / f"sandbox{len(self.processes)}"
        args = [binary("turnstile-sandbox"), "--dir", str(folder)]
        for t in topics:
            args += ["--topic", t]
        p = subprocess.Popen(args, stdout=subprocess.PIPE, text=True)
        self.processes.append(p)
        said = {}
        for line in p.stdout:
            if line.strip() == "ready":
                break
            key, _, value = line.strip().partition("=")
            said[key] = value
        else:
            raise RuntimeError("the sandbox ended before it was ready")
        self.lake_dir = folder / "lake"
        return said["bootstrap.servers"], said["lake.url"]

    def kafka(self, version=None, config=()):
        """Start a real Apache Kafka, with these broker settings; returns bootstrap.servers."""
        self.kafka_dir = str(self.dir / "kafka")
        args = [str(ROOT / "scripts/kafka.sh"), "start", "--dir", self.kafka_dir]
        if version:
            args += ["--version", version]
        for setting in config:
            args += ["--config", setting]
        done = subprocess.run(args, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode == SKIP:
            self.kafka_dir = None
            skip("no real Kafka can be started here")
        done.check_returncode()
        return re.search(r"bootstrap\.servers=(\S+)", done.stdout)[1]

    def topic(self, name, partitions):
        subprocess.run([str(ROOT / "scripts/kafka.sh"), "topic", "--dir", self.kafka_dir, "create", name,
                        "--partitions", str(partitions)], check=True, stdout=subprocess.DEVNULL)

    def grow(self, name, partitions):
        subprocess.run([str(ROOT / "scripts/kafka.sh"), "topic", "--dir", self.kafka_dir, "alter", name,
                        "--partitions", str(partitions)], check=True, stdout=subprocess.DEVNULL)

    def delete(self, name):
        subprocess.run([str(ROOT / "scripts/kafka.sh"), "topic", "--dir", self.kafka_dir, "delete", name],
                       check=True, stdout=subprocess.DEVNULL)

    def properties(self, servers, **more):
        """A properties file; underscores in the names of `more` stand for dots."""
        path = self.dir / "client.properties"
        lines = [f"bootstrap.servers={servers}"]
        lines += [f"{k.replace('_', '.')}={v}" for k, v in more.items()]
        path.write_text("\n".join(lines) + "\n")
        return str(path)


def produce(args, timeout=300):
    """Run turnstile-producer to its end; returns its last line as {key: int}."""
    done = subprocess.run([binary("turnstile-producer"), *map(str, args)], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=timeout, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"producer: exit {done.returncode}: {done.stderr[-2000:]}")
    both = done.stdout + done.stderr
    found = [line for line in both.splitlines() if "acknowledged=" in line]
    return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", found[-1])} if found else {}


def consume(args, timeout=300, check=True):
    """Run turnstile-consumer to its end; returns (exit code, stderr)."""
    code, stderr, _ = measure(args, timeout)
    if check and code != 0:
        raise RuntimeError(f"consumer: exit {code}: {stderr[-3000:]}")
    return code, stderr


def measure(args, timeout=300):
    """Run turnstile-consumer to its end; returns (exit code, stderr, peak resident KiB)."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        p = subprocess.Popen([binary("turnstile-consumer"), *map(str, args)], stdin=subprocess.DEVNULL, stdout=out,
                             stderr=err)
        peak, deadline = 0, time.monotonic() + timeout
        while p.poll() is None:
            peak = max(peak, resident_peak(p.pid))
            if time.monotonic() > deadline:
                p.kill()
            time.sleep(0.01)
        err.seek(0)
        return p.returncode, err.read().decode(errors="replace"), peak


def resident_peak(pid):
    """KiB. The kernel's own high-water mark; that of wait4() would count this process before exec too."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+)", status)
    return int(found[1]) if found else 0


def wait_until(holds, deadline_s=60):
    """Poll until `holds()` is true; an error after the deadline."""
    deadline = time.monotonic() + deadline_s
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError("waited in vain")
        time.sleep(0.02)


def totals(stderr):
    """{partition: {outcome: rows}} from the consumer's `totals` lines."""
    out = {}
    for line in stderr.splitlines():
        if re.search(r"\bevent=totals\b", line):
            fields = dict(re.findall(r"(\w+)=(\d+)", line))
            out[int(fields.pop("partition"))] = {k: int(v) for k, v in fields.items()}
    return out


def read_topic(servers, topic):
    """{partition: [(offset, timestamp_ms, value or None)]}, read with kcat."""
    raw = subprocess.run(["kcat", "-b", servers, "-C", "-t", topic, "-o", "beginning", "-e", "-q",
                          "-f", "%p %o %T %S\n%s\n"], stdout=subprocess.PIPE, check=True,
                         timeout=300).stdout
    messages, at = {}, 0
    while at < len(raw):
        line_end = raw.index(b"\n", at)
        partition, offset, stamp, size = (int(x) for x in raw[at:line_end].split())
        at = line_end + 1
        value = None
        if size >= 0:
            value = raw[at:at + size]
            at += size
        at += 1
        messages.setdefault(partition, []).append((offset, stamp, value))
    for log in messages.values():
        log.sort()
    return messages


def read_lake(folder):
    """{name: plain bytes} of every object below the folder."""
    folder = pathlib.Path(folder)
    return {str(f.relative_to(folder)): gzip.decompress(f.read_bytes())
            for f in folder.rglob("*.gz") if f.is_file()}


def lake_path(url):
    return urllib.parse.urlsplit(url).path
