"""The gates of scripts/check.sh that read the tree itself.

usage: tree.py GATE FILE...      (from the top of the tree; FILE: all files of it)

Each gate prints one line per finding, `file:line: what`, and exits 1 if it found any.
"""
import fnmatch
import os
import re
import subprocess
import sys

# Strictly downward: a layer may include itself and those after it. A program may
# include its own folder, but no program includes another.
LAYERS = ["program", "io", "core", "base"]
PROGRAMS = ["consumer", "producer", "sandbox"]
# The core has no clock, no I/O and no threads; base has no network.
FORBIDDEN_HEADERS = {
    "core": r"uv(/.*)?\.h|librdkafka/.*|curl/.*|microhttpd\.h|unistd\.h|time\.h|pthread\.h|"
            r"threads\.h|fcntl\.h|signal\.h|poll\.h|sys/.*|netinet/.*|arpa/.*",
    "base": r"uv(/.*)?\.h|librdkafka/.*|curl/.*|microhttpd\.h|netinet/.*|arpa/.*",
}

MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 80

# In every C file: functions that cannot be used safely, with what to use instead.
BANNED_CALLS = {
    "alloca": "a buffer with a maximum", "atof": "strtod with a check",
    "atoi": "strtol with a check", "atol": "strtol with a check",
    "atoll": "strtoll with a check", "asctime": "base/timefmt.h", "ctime": "base/timefmt.h",
    "gets": "getline", "gmtime": "base/timefmt.h", "localtime": "base/timefmt.h",
    "mktemp": "mkstemp", "rand": "a seeded generator of one's own", "scanf": "fgets and strtol",
    "sprintf": "snprintf", "srand": "a seeded generator of one's own",
    "strcpy": "buf or memcpy", "strtok": "memchr", "tmpnam": "mkstemp", "vsprintf": "vsnprintf",
}
# In the programs only: no shell has a place there.
BANNED_CALLS_SRC = {"popen": "nothing", "sscanf": "strtol with a check", "strcat": "buf",
                    "strncat": "buf", "system": "nothing"}

# Not for a public tree: paths of somebody's machine, package mirrors, private
# addresses, and what a merge or an editor leaves behind.
WORDS = [
    (r"(?<![\w.])/(home|Users)/[a-z][\w.-]*/", "a path of somebody's home"),
    (r"(?<![\w.$}])/(root|work|workspace)/[\w.]", "a path of a build machine"),
    (r"https?://[\w.-]*(artifactory|nexus|registry|mirror|pypi|npmjs|repo1?\.maven)[\w.-]*\.\w",
     "a package registry's host"),
    (r"\b[\w-]+\.(pkg\.dev|gcr\.io|jfrog\.io)\b", "a package registry's host"),
    (r"https?://(10\.\d+|192\.168|172\.(1[6-9]|2\d|3[01]))\.\d+\.\d+", "a private address"),
    (r"^(<{7}|>{7}|\|{7}) ", "a conflict marker"),
    (r"\b(FIXME|XXX|DO NOT MERGE|NOCOMMIT)\b", "an unfinished note"),
    (r"-----BEGIN [A-Z ]*PRIVATE KEY-----", "a private key"),
    (r"\bAKIA[0-9A-Z]{16}\b", "an access key"),
]
WORDS_EXEMPT = ["scripts/check/tree.py", "scripts/check/self_test.sh"]

findings = 0


def find(path, line, text):
    global findings
    findings += 1
    print(f"{path}:{line}: {text}")


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def code_only(text):
    """C without comments and literals; line numbers stay."""
    def blank(match):
        return "\n" * match.group(0).count("\n") or " "
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, blank, text, flags=re.S)


def is_c(path):
    return path.endswith((".c", ".h"))


def layer_of(folder):
    return "program" if folder in PROGRAMS else folder


def gate_layers(paths):
    for path in (p for p in paths if is_c(p) and p.startswith("src/")):
        folder = path.split("/")[1]
        layer = layer_of(folder)
        if layer not in LAYERS:
            find(path, 1, f"'{folder}' is no layer; scripts/check/tree.py names them")
            continue
        for number, line in enumerate(read(path).splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', line)
            if not match:
                continue
            own, system = match.groups()
            if own:
                check_own_include(path, number, folder, own)
            elif re.fullmatch(FORBIDDEN_HEADERS.get(layer, r"(?!)"), system):
                find(path, number, f"{folder} must not include <{system}>")


def check_own_include(path, number, folder, header):
    other = header.split("/")[0]
    if "/" not in header or ".." in header or layer_of(other) not in LAYERS:
        find(path, number, f'"{header}" does not say its layer')
    elif other != folder and LAYERS.index(layer_of(other)) <= LAYERS.index(layer_of(folder)):
        find(path, number, f'{folder} must not include "{header}": it is not below it')
    elif not os.path.exists("src/" + header):
        find(path, number, f'"{header}" does not exist')


def gate_sizes(paths):
    for path in paths:
        if not path.endswith((".c", ".h", ".py", ".sh")):
            continue
        lines = read(path).split("\n")
        if len(lines) - 1 > MAX_FILE_LINES:
            find(path, 1, f"{len(lines) - 1} lines; at most {MAX_FILE_LINES}")
        if not path.endswith(".c"):
            continue
        start = None  # of the body: clang-format puts its braces, and no others, alone in column 0
        for number, line in enumerate(lines, 1):
            if line == "{":
                start = number
            elif line == "}" and start:
                if number - start - 1 > MAX_FUNCTION_LINES:
                    find(path, start, f"a function of {number - start - 1} lines; "
                         f"at most {MAX_FUNCTION_LINES}")
                start = None


def gate_banned(paths):
    for path in filter(is_c, paths):
        calls = dict(BANNED_CALLS)
        if path.startswith("src/"):
            calls.update(BANNED_CALLS_SRC)
        pattern = re.compile(r"(?<![\w.>])(" + "|".join(calls) + r")\s*\(")
        text = read(path)
        for number, line in enumerate(code_only(text).split("\n"), 1):
            for match in pattern.finditer(line):
                find(path, number, f"{match[1]}() is banned: use {calls[match[1]]}")
        if path.endswith(".h") and not re.search(r"^#ifndef TURNSTILE_\w+_H$", text, re.M):
            find(path, 1, "no include guard TURNSTILE_..._H")


def gate_words(paths):
    for path in paths:
        if path in WORDS_EXEMPT or "/corpus/" in path:
            continue
        text = read(path)
        if "\0" in text:
            continue
        for number, line in enumerate(text.split("\n"), 1):
            for pattern, what in WORDS:
                if re.search(pattern, line):
                    find(path, number, f"{what}: {line.strip()[:80]}")


def slug(heading):
    """A heading's anchor as the usual renderers make it."""
    text = re.sub(r"[`*]|\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def without_fences(text):
    return re.sub(r"^(```|~~~).*?^\1", lambda m: "\n" * m[0].count("\n"), text, flags=re.S | re.M)


def gate_docs(paths):
    programs = set()
    for program in PROGRAMS:
        lists = f"src/{program}/CMakeLists.txt"
        if os.path.exists(lists):
            programs.update(re.findall(r"turnstile_program\(\s*([\w-]+)", read(lists)))
    known = set(paths)
    for path in (p for p in paths if p.endswith(".md")):
        text = read(path)
        prose = without_fences(text)
        for number, line in enumerate(prose.split("\n"), 1):
            for target in re.findall(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)",
                                     re.sub(r"`[^`]*`", "", line)):
                check_link(path, number, target)
        for number, line in enumerate(text.split("\n"), 1):
            check_commands(path, number, line, known, programs)


def check_link(path, number, target):
    if re.match(r"[a-z]+:", target):
        return
    name, _, anchor = target.partition("#")
    file = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
    if not os.path.exists(file):
        find(path, number, f"the link to {target} leads nowhere")
    elif anchor and file.endswith(".md"):
        headings = re.findall(r"^#+\s+(.*)$", without_fences(read(file)), re.M)
        if anchor not in map(slug, headings):
            find(path, number, f"{file} has no heading for #{anchor}")


def check_commands(path, number, line, known, programs):
    for script in re.findall(r"(?<![\w/.-])(?:\./)?((?:scripts|tests|bench|\.ci)/[\w./-]*\w)", line):
        if not os.path.exists(script) and not any(k.startswith(script) for k in known):
            find(path, number, f"{script} does not exist")
        elif script.startswith("scripts/") and script.endswith(".sh") \
                and script != "scripts/lib.sh" and not os.access(script, os.X_OK):
            find(path, number, f"{script} cannot be run")
    if path == "README.md":
        for program in re.findall(r"(?<![\w/-])turnstile-(?:consumer|producer|sandbox)\b", line):
            if program not in programs:
                find(path, number, f"nothing builds {program}")


def gate_symbols(paths):
    """paths: libturnstile_core.a, libturnstile_base.a, the allow list.

    Follows what the core asks for into the members of base that define it, so that
    a clock read on the core's behalf is found too."""
    core, base, allow = paths
    allowed = allow_list(allow)
    base_members = members(base)
    defined_in = {name: member for member, (defines, _) in base_members.items() for name in defines}
    todo = [("core", member, *names) for member, names in members(core).items()]
    own = {name for _, _, defines, _ in todo for name in defines}
    pulled = set()
    while todo:
        layer, member, _, asks = todo.pop()
        for name in sorted(asks - own):
            provider = defined_in.get(name)
            if provider and provider not in pulled:
                pulled.add(provider)
                todo.append(("base", provider, *base_members[provider]))
            elif not provider and not any(fnmatch.fnmatchcase(name, p) for p in allowed[layer]):
                find(f"{layer}/{member}", 0, f"asks for {name}(), which {allow} does not allow")
    dump = subprocess.run(["objdump", "-t", core], check=True, capture_output=True, text=True)
    for line in dump.stdout.splitlines():
        match = re.match(r"\S+ .{7} (\.t?data(?!\.rel\.ro)\S*|\.t?bss\S*|\*COM\*)\t\S+ (\S+)$", line)
        if match and match[2] != match[1]:
            find(core, 0, f"the core has a variable outside any function's frame: {match[2]}")


def allow_list(path):
    """The patterns for the core, and for the members of base that it pulls in."""
    allowed = {"core": [], "base": []}
    layers = ["core", "base"]
    for line in read(path).splitlines():
        if line == "[base]":
            layers = ["base"]
        elif line.strip() and not line.startswith("#"):
            for layer in layers:
                allowed[layer].append(line.strip())
    return allowed


def members(archive):
    """{member: (names that it defines, names that it asks for)}"""
    output = subprocess.run(["nm", "-P", archive], check=True, capture_output=True, text=True)
    found, member = {}, None
    for line in output.stdout.splitlines():
        header = re.match(r".*\[(.*)\]:$", line)
        if header:
            member = found.setdefault(header[1], (set(), set()))
            continue
        name, kind = line.split()[:2]
        member[1 if kind in "Uw" else 0].add(name)
    return found


def main():
    gates = {name[5:]: gate for name, gate in globals().items() if name.startswith("gate_")}
    if len(sys.argv) < 2 or sys.argv[1] not in gates:
        sys.exit(f"usage: tree.py {'|'.join(gates)} FILE...")
    files = sys.argv[2:]
    if files == ["-"]:
        files = [name for name in sys.stdin.read().split("\0") if os.path.isfile(name)]
    gates[sys.argv[1]](files)
    sys.exit(1 if findings else 0)


main()
