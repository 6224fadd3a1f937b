#!/usr/bin/env python3
"""mutants.py -- removes one sentence of the rule at a time from the real core, and expects the
simulation to notice.

    mutants.py --build-dir DIR [--only NAME] [--seeds N] -- COMPILER LINK-ARGUMENTS...

Each mutant is one or more exact replacements in src/core. A text that is not there exactly once
is an error, so that the list cannot rot. Exit 0: every mutant was caught, and the core as it is
was not. LINK-ARGUMENTS name the objects and libraries of `simulate`; the mutated objects come
before them, so that the linker does not take the library's.
"""
import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))

# name, what it removes, [(file in src/core, text, replacement), ...]
MUTANTS = [
    ("no-u", "U is not kept: rows of durable windows are windowed again", [
        ("pipeline.c", "p->stage.frontier_ms = frontier_of(e->assigned.partitions, p->count,"
         " p->stage.fingerprint);",
         "p->stage.frontier_ms = p->count > 99 ? frontier_of(e->assigned.partitions, p->count, 0)"
         " : WATERMARK_NONE;")]),
    ("u-of-one-record", "U is taken from the first record instead of the largest", [
        ("pipeline.c", "            r.fingerprint == fingerprint && r.frontier_ms > frontier_ms)",
         "            i == 0 && r.fingerprint == fingerprint && r.frontier_ms > frontier_ms)")]),
    ("no-w", "W at L is not kept", [
        ("partition.c", "    p->watermark_ms = r->watermark_ms;\n", "")]),
    ("w-after-the-message", "W in the record is the one after the message at L", [
        ("partition.c", "    r->watermark_ms = floor.watermark_ms;",
         "    r->watermark_ms = p->watermark_ms;")]),
    ("floor-open-only", "L ignores windows that are closed but not durable", [
        ("panes.c", "    for (size_t i = 0; i < ps->count; i++)\n"
         "        if (ps->panes[i].origin.offset < lowest->offset)",
         "    for (size_t i = ps->closed; i < ps->count; i++)\n"
         "        if (ps->panes[i].origin.offset < lowest->offset)")]),
    ("floor-first-pane", "L looks at the earliest pane only, not at the earliest offset", [
        ("panes.c", "    for (size_t i = 0; i < ps->count; i++)\n"
         "        if (ps->panes[i].origin.offset < lowest->offset)",
         "    for (size_t i = 0; i < ps->count && i < 1; i++)\n"
         "        if (ps->panes[i].origin.offset < lowest->offset)")]),
    ("commit-before-durable", "U passes a window when it is emitted, not when it is stored", [
        ("pipeline.c", "s->merge.emitted_ms < lowest_end ? s->merge.emitted_ms : lowest_end - 1;",
         "s->merge.emitted_ms < lowest_end ? s->merge.emitted_ms : s->merge.emitted_ms;")]),
    ("u-at-the-undurable-end", "U reaches the end of a window that is not durable", [
        ("pipeline.c", "s->merge.emitted_ms : lowest_end - 1;", "s->merge.emitted_ms : lowest_end;")]),
    ("merge-at-emission", "a window is contributed later than when W passes its end", [
        ("partition.c", "    return p->watermark_ms > p->contributed_ms;",
         "    return p->watermark_ms > p->contributed_ms + 5000;")]),
    ("no-intent", "a punctuation is acted on without having been committed", [
        ("committer.c", "    c->punctuates = true;\n    c->unsure = false;\n    c->cut = *cut;\n"
         "    send(p, now_ms);", "    UNUSED(now_ms);\n    partition_punctuate(p, cut);")]),
    ("idle-before-end", "a partition that is only behind is taken for idle", [
        ("punctuate.c", "timeout_ms != PIPELINE_OFF && p->at_end && !p->stopped &&",
         "timeout_ms != PIPELINE_OFF && !p->stopped &&")]),
    ("read-before-ack", "the partition is read on while its punctuation is being committed", [
        ("pipeline.c", "p->draining || part->commit.punctuates ||", "p->draining ||"),
        ("pipeline.c", "ASSERT(p->reading && !part->commit.punctuates && ", "ASSERT(p->reading && "),
        ("partition.c", "    ASSERT(cut->offset <= p->position && p->next_cut == p->cut_count);\n", "")]),
    ("read-while-owing", "a partition is read on before what a punctuation closed is contributed", [
        ("pipeline.c", "    if (partition_owes(part))\n        return true;\n", ""),
        ("pipeline.c", "ASSERT(p->reading && !part->commit.punctuates && !part->needs_first_record &&\n"
         "               !partition_owes(part));", "ASSERT(p->reading);")]),
    ("ignore-unknown", "a punctuation whose answer was lost is dropped instead of retried", [
        ("committer.c", "        c->unsure = true;\n",
         "        c->punctuates = c->punctuates && p->needs_first_record;\n")]),
    ("refused-in-doubt", "a refusal drops a punctuation whose earlier try was not answered", [
        ("committer.c", "c->punctuates && (c->unsure || p->needs_first_record);",
         "c->punctuates && p->needs_first_record;")]),
    ("suppress-before-late", "a late row of a durable window is suppressed instead of reported", [
        ("partition.c", "    if (last_end_ms <= p->watermark_ms) {",
         "    if (last_end_ms <= p->watermark_ms && last_end_ms > p->stage->frontier_ms) {")]),
    ("no-suppression", "rows of durable windows are windowed again", [
        ("partition.c", "    } else if (last_end_ms <= p->stage->frontier_ms) {",
         "    } else if (last_end_ms <= p->stage->frontier_ms - INT64_C(99999999)) {")]),
    ("side-not-in-floor", "L ignores side rows that are not durable", [
        ("partition.c", "    if (side_first(&p->side, &side) && side.offset < floor.offset)\n"
         "        floor = side;\n", "    UNUSED(side);\n")]),
    ("side-cut-by-batch", "a side object is cut by how the rows came in instead of by W", [
        ("partition.c", "    if (slide_cell(p) != cell || side_is_full(&p->side))\n"
         "        cut_side(p);\n", "    UNUSED(cell);\n"),
        ("partition.c", "    p->last_offset = records[count - 1].offset;",
         "    cut_side(p);\n    p->last_offset = records[count - 1].offset;")]),
    ("side-uncut-by-punctuation", "a punctuation of a replay does not cut the side object", [
        ("partition.c", "        partition_raise(p, p->cuts[p->next_cut].watermark_ms);\n"
         "        cut_side(p);\n", "        partition_raise(p, p->cuts[p->next_cut].watermark_ms);\n")]),
    ("side-below-s", "rows below S are written to the side output again", [
        ("side.c", "    if (origin->offset < s->durable_offset)\n        return;\n", "")]),
    ("s-falls", "S may fall on replay", [
        ("partition.c", "    if (first.offset > p->side.durable_offset)\n        p->side",
         "    p->side")]),
    ("s-before-durable", "S passes side objects that are handed out but not durable", [
        ("side.c", "    if (pending_first(&s->pending, first)) /* what is open lies above them */\n"
         "        return true;\n", "")]),
    ("pending-in-no-order", "L and S look at the last object that is not durable, not at the first", [
        ("pending.c", "        if (i == 0 || p->objects[i].origin.offset < first->offset)\n", "")]),
    ("punctuations-not-kept", "a record leaves out the punctuations that are still above L", [
        ("partition.c", "        if (p->cuts[i].offset >= r->floor && r->cut_count < COMMIT_MAX_CUTS)",
         "        if (p->cuts[i].offset > r->floor + 1 && r->cut_count < COMMIT_MAX_CUTS)")]),
    ("punctuation-after-the-record", "a punctuation applies after the record at its offset", [
        ("partition.c", "    partition_apply_cuts(p, record->offset);\n",
         "    partition_apply_cuts(p, record->offset - 1);\n"),
        ("partition.c", "        cut_side(p);\n    partition_apply_cuts(p, p->position);\n",
         "        cut_side(p);\n    partition_apply_cuts(p, p->position - 1);\n")]),
    ("record-while-punctuating", "another record may be sent before the punctuation's answer", [
        ("committer.c", "    if (c->in_flight)\n        return true;\n", "")]),
    ("read-before-first-record", "a new group reads before its first records are committed", [
        ("pipeline.c", "!p->partitions[i].stopped)\n            return;\n    p->reading = true;",
         "p->count > 99)\n            return;\n    p->reading = true;"),
        ("pipeline.c", "part->commit.punctuates ||\n        part->needs_first_record)",
         "part->commit.punctuates)"),
        ("pipeline.c", "!part->commit.punctuates && !part->needs_first_record &&\n",
         "!part->commit.punctuates &&\n")]),
    ("latecomer-at-once", "a partition that appears later does not wait for the others", [
        ("pipeline.c", "        if (!part->awaits_others && (part->stopped || part->position < part->once_end))\n"
         "            return;\n", "        UNUSED(part);\n")]),
    ("latecomer-without-punctuation", "a partition that appears later starts without W", [
        ("committer.c", "    if (p->stage->merge.emitted_ms != INT64_MIN) {",
         "    if (p->stage->merge.emitted_ms == INT64_MAX) {")]),
    ("once-reads-on", "--once skips what was written after it began", [
        ("partition.c", "    if (p->stage->config->once && offset > p->once_end)\n"
         "        offset = p->once_end;", "    if (p->stage->config->once && offset < 0)\n"
         "        offset = p->once_end;")]),
    ("once-forgets", "--once is done when its assignment is lost", [
        ("pipeline.c", "    p->draining = p->told_to_drain;", "    p->draining = p->draining;")]),
    ("once-leaves-side", "--once ends with a side object open", [
        ("punctuate.c", "(closing && p->side.rows > 0)", "(closing && p->side.rows > 1000000)")]),
    ("once-leaves-raw", "--once ends with a raw chunk open", [
        ("punctuate.c", "(silent && p->raw.rows > 0)", "(silent && p->raw.rows > 1000000)")]),
    ("raw-not-in-floor", "L ignores raw chunks that are not durable", [
        ("partition.c", "    if (raw_first(&p->raw, &chunk) && chunk.offset < floor.offset)\n"
         "        floor = chunk;\n", "    UNUSED(chunk);\n")]),
    ("raw-floor-of-the-open-chunk", "L ignores raw chunks that are handed out but not durable", [
        ("raw.c", "    if (pending_first(&r->pending, first)) /* what is open lies above them */\n"
         "        return true;\n", "")]),
    ("raw-floor-in-the-chunk", "R lies in the middle of the open raw chunk", [
        ("raw.c", "    if (r->rows > 0)\n        *first = r->origin;\n",
         "    if (r->rows > 0) {\n        *first = r->origin;\n"
         "        first->offset += (int64_t)r->rows - 1;\n    }\n")]),
    ("r-falls", "R may fall on replay", [
        ("partition.c", "    if (chunk.offset > p->raw.durable_offset)\n        p->raw", "    p->raw")]),
    ("raw-below-r", "messages below R are written to the raw layer again", [
        ("partition.c", "    if (record->offset < p->raw.durable_offset)\n        return;\n", ""),
        ("raw.c", "record->offset >= r->durable_offset && ", "")]),
    ("raw-cut-by-batch", "a raw chunk is cut by how the messages came in", [
        ("partition.c", "    p->last_offset = records[count - 1].offset;",
         "    cut_raw(p);\n    p->last_offset = records[count - 1].offset;")]),
    ("raw-counts-messages", "a raw chunk ends after as many messages instead of at a multiple", [
        ("raw.c", "record->offset - record->offset % chunk_records;", "record->offset;")]),
    ("raw-uncut-by-punctuation", "a punctuation of a replay does not cut the raw chunk", [
        ("partition.c", "        cut_side(p);\n        cut_raw(p);\n", "        cut_side(p);\n")]),
    ("raw-cut-uncommitted", "silence cuts a raw chunk without a committed punctuation", [
        ("punctuate.c", "        const bool cuts = wants_cut(p, c, closing, now_ms) &&",
         "        if (wants_cut(p, c, closing, now_ms) && !p->commit.in_flight)\n"
         "            partition_apply_cuts(p, INT64_MIN);\n"
         "        const bool cuts = wants_cut(p, c, closing, now_ms) &&"),
        ("partition.c", "    for (; p->next_cut < p->cut_count && p->cuts[p->next_cut].offset",
         "    if (upto_offset == INT64_MIN)\n        cut_raw(p);\n"
         "    for (; p->next_cut < p->cut_count && p->cuts[p->next_cut].offset")]),
    ("short-memory-waits-for-the-done", "short of memory, --once waits for partitions that it is done with", [
        ("pipeline.c", "other->at_end || (p->config.once && partition_is_done(other));", "other->at_end;")]),
    ("stop-does-not-hold", "a stopped partition does not hold the windows back", [
        ("pipeline.c", "        if (!p->partitions[i].awaits_others && p->partitions[i].contributed_ms < front_ms)",
         "        if (!p->partitions[i].awaits_others && !p->partitions[i].stopped &&\n"
         "            p->partitions[i].contributed_ms < front_ms)")]),
    ("failed-store-is-durable", "an object that could not be stored counts as durable", [
        ("pipeline.c", "    const struct outbox_store *store = outbox_find_store(&p->stage.outbox, object_id);\n"
         "    char text", "    const struct outbox_store *store = outbox_find_store(&p->stage.outbox, object_id);\n"
         "    if (store)\n        on_stored(p, object_id);\n    store = NULL;\n    char text")]),
    ("side-full-by-batch", "a full side object is cut when a batch ends, not a message", [
        ("partition.c", "    if (slide_cell(p) != cell || side_is_full(&p->side))",
         "    if (slide_cell(p) != cell)"),
        ("partition.c", "    p->last_offset = records[count - 1].offset;",
         "    if (side_is_full(&p->side))\n        cut_side(p);\n"
         "    p->last_offset = records[count - 1].offset;")]),
    ("not-repeatable", "something besides the events decides", [
        ("committer.c", "    p->commit.pace_ms = now_ms + COMMITTER_PACE_MS;",
         "    static int calls;\n    p->commit.pace_ms = now_ms + COMMITTER_PACE_MS + calls++ % 7;")]),
    ("unsorted", "rows of a mini-batch are not sorted", [
        ("pipeline.c", "        groups_sort(o->groups);\n", "")]),
    ("no-dedup", "copies are summed", [
        ("partition.c", "!dedup_add(p->panes.dedup, pane->set, row->key)) {",
         "!dedup_add(p->panes.dedup, pane->set, row->key) && row->offset < 0) {")]),
    ("dedup-by-a-few-bits", "the dedup key is looked at in part", [
        ("dedup.c", "    const struct dedup_entry entry = {key[0], (key[1] & ~DEDUP_SET_MASK) | set};",
         "    const struct dedup_entry entry = {key[0] & 255, set};")]),
    ("late-by-first-window", "a row is late as soon as one of its windows is closed", [
        ("partition.c", "window_last_end(&p->stage->shape, row->event_ms);",
         "window_first_end(&p->stage->shape, row->event_ms);")]),
    ("late-after", "a row whose last window ends exactly at W is not late", [
        ("partition.c", "    if (last_end_ms <= p->watermark_ms) {",
         "    if (last_end_ms < p->watermark_ms) {"),
        ("panes.c", "    ASSERT(i >= ps->closed && (", "    ASSERT((")]),
    ("w-by-first-row", "W advances with the first row of a message only", [
        ("partition.c", "    partition_raise(p, row->event_ms - c->delay_ms);",
         "    if (row->number == 0)\n        partition_raise(p, row->event_ms - c->delay_ms);")]),
    ("w-by-rejected", "a rejected row advances W", [
        ("partition.c", "        p->counters.rejected[reject]++;",
         "        p->counters.rejected[reject]++;\n"
         "        partition_raise(p, p->watermark_ms + (p->watermark_ms > 0 ? 5000 : 0));")]),
    ("late-answers-count", "an answer for an object of an earlier assignment is taken for a new one", [
        ("outbox.c", "    object->id = ++o->last_id;", "    object->id = 1 + o->store_count;")]),
    ("forget-early", "a pane is forgotten with the first of its windows", [
        ("panes.c", "    while (n < ps->count && window_last_end(&ps->shape, ps->panes[n].start_ms)"
         " <= frontier_ms)", "    while (n < ps->count && window_first_end(&ps->shape,"
         " ps->panes[n].start_ms) <= frontier_ms)")]),
    ("emit-early", "a window is emitted when the first partition has passed it", [
        ("pipeline.c", "p->partitions[i].contributed_ms < front_ms)",
         "(front_ms == INT64_MAX || p->partitions[i].contributed_ms > front_ms))"),
        ("merge.c", "    ASSERT(end_ms > m->emitted_ms);\n", "")]),
]
# Not here, for it needs the shell: a commit of a dead process that lands after its successor's.


def compile_command(build_dir, source):
    with open(os.path.join(build_dir, "compile_commands.json"), encoding="utf-8") as f:
        for entry in json.load(f):
            if os.path.realpath(entry["file"]) == os.path.realpath(source):
                words = shlex.split(entry["command"])
                return entry["directory"], [w for w in words if os.path.basename(w) != "ccache"]
    sys.exit(f"mutants: {source} is not in {build_dir}/compile_commands.json")


def mutate(name, edits, folder):
    """Writes the mutated files; returns {file: path}."""
    texts = {}
    for file, old, new in edits:
        if file not in texts:
            with open(os.path.join(ROOT, "src", "core", file), encoding="utf-8") as f:
                texts[file] = f.read()
        if texts[file].count(old) != 1:
            sys.exit(f"mutants: {name}: its text is {texts[file].count(old)} times in {file}; adapt it:\n{old}")
        texts[file] = texts[file].replace(old, new)
    paths = {}
    for file, text in texts.items():
        paths[file] = os.path.join(folder, file)
        with open(paths[file], "w", encoding="utf-8") as f:
            f.write(text)
    return paths


def build(name, edits, build_dir, link, folder):
    objects = []
    for file, path in mutate(name, edits, folder).items():
        directory, words = compile_command(build_dir, os.path.join(ROOT, "src", "core", file))
        output = path + ".o"
        words[words.index("-o") + 1] = output
        words = [path if w.endswith("src/core/" + file) else w for w in words]
        words = [w for w in words if not w.startswith("-Werror")] + ["-w"]
        subprocess.run(words, cwd=directory, check=True)
        objects.append(output)
    program = os.path.join(folder, "simulate")
    subprocess.run([link[0], "-o", program] + objects + link[1:], check=True)
    return program


def run(program, seeds):
    """(caught, what it said)"""
    try:
        done = subprocess.run([program, "--seeds", str(seeds)], capture_output=True, timeout=600, check=False)
    except subprocess.TimeoutExpired:
        return True, "it does not come to an end"
    text = (done.stdout + done.stderr).decode("utf-8", "replace")
    lines = [line for line in text.splitlines() if "VIOLATION" in line or line.startswith("bug:")]
    return done.returncode != 0, (lines or [f"exit code {done.returncode}"])[0][:110]


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    ap.add_argument("--build-dir", required=True)
    ap.add_argument("--only", default="")
    ap.add_argument("--seeds", type=int, default=4000)
    ap.add_argument("link", nargs="+")
    a = ap.parse_args()
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        if not a.only:
            caught, said = run(build("none", [], a.build_dir, a.link, folder), a.seeds)
            print(f"{'the core as it is':32} {'NOT ACCEPTED: ' + said if caught else 'accepted'}", flush=True)
            if caught:
                return 1
        for name, what, edits in MUTANTS:
            if a.only and a.only != name:
                continue
            program = build(name, edits, a.build_dir, a.link, folder)
            caught, said = run(program, a.seeds)
            print(f"{name:32} {'caught: ' + said if caught else 'NOT CAUGHT: ' + what}", flush=True)
            if not caught:
                missed.append(name)
    if missed:
        print("not caught:", ", ".join(missed))
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
