"""Whatever a file holds, reading it costs little time and memory and ends in words.

The files are read in a child whose memory is bounded; the child measures each. Known
attacks come first, then random files of each format.
"""

import functools
import gzip
import io
import json
import random
import subprocess
import sys

import polars as pl
import pytest

MOST_S, MOST_MB = 5.0, 400
"""Processor seconds and megabytes that one file may cost; most take a hundredth."""
CHILD = """
import json, resource, sys, time
from pathlib import Path
resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30))
from evenflow.errors import EvenflowError
from evenflow.runtime.limits import Limits
from evenflow.runtime.records import read_records
from evenflow.schema import Column, Schema
schema = Schema(
    name="two",
    columns=(Column(name="a", kind="numeric"), Column(name="b", kind="category")),
    classes=("benign", "attack"),
)
def peak_mb():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
for line in sys.stdin:
    path, rows, unpacked = json.loads(line)
    limits = rows and Limits(rows=rows, unpacked_bytes=unpacked)
    Path("/proc/self/clear_refs").write_text("5")
    before, began, scored, bad, error = peak_mb(), time.process_time(), 0, 0, ""
    try:
        for batch in read_records(Path(path), schema, name="it", limits=limits):
            batch.given.write_csv()
            batch.given.write_ndjson()
            scored += len(batch.table)
            bad += sum(len(str(b).encode() + b.text.encode()) > 0 for b in batch.bad)
    except EvenflowError as problem:
        error = str(problem)
    seconds, mb = time.process_time() - began, peak_mb() - before
    print(json.dumps([scored, bad, error, seconds, mb]), flush=True)
"""
LIMITS = {
    "request": (10_000, 64 * 2**20),
    "upload": (5_000_000, 2**32),
    "own": (None, 0),
}
GOOD = b'{"a":1,"b":"x"}\n'
OPEN = GOOD[:-2]


pytestmark = pytest.mark.slow


def packed(*parts, level=1):
    """Return each part as a gzip member."""
    return b"".join(gzip.compress(part, level) for part in parts)


def parquet(values):
    out, n = io.BytesIO(), len(values)
    frame = pl.DataFrame({"a": range(n), "b": ["x"] * n, "more": values})
    frame.write_parquet(out)
    return out.getvalue()


def many(line, n):
    return b"".join(map(line, range(n)))


def layered(data, n):
    for _ in range(n):
        data = gzip.compress(data, 1)
    return data


def shared_text(nest):
    """Return a column in which many values are one long text."""
    long = pl.Series(["y" * 2**16]).gather([0] * 5000)
    return parquet(nest(long))


ATTACKS = {
    # structure that a parser would make a type of
    "objects 600 deep": lambda: (
        OPEN + b',"x":' + b'{"a":' * 600 + b"1" + b"}" * 600 + b"}\n"
    ),
    "lists 900 deep": lambda: OPEN + b',"x":' + b"[" * 900 + b"]" * 900 + b"}\n",
    "lists 300,000 deep": lambda: OPEN + b',"x":' + b"[" * 300_000 + b"}\n",
    "many paths": lambda: many(
        lambda i: OPEN + b',"x":{"a%d":{"b%d":1}}}\n' % (i % 170, i % 171), 9000
    ),
    "lists of objects": lambda: many(
        lambda i: OPEN + b',"x":[{"a%d":1},[{"b%d":[]}]]}\n' % (i % 170, i % 171), 9000
    ),
    "an object in several lines": lambda: (OPEN + b',"x":\n{"a":\n{"b":1}}}\n') * 2000,
    "two objects in a line": lambda: (OPEN + b"}" + GOOD) * 2000,
    "many keys": lambda: many(lambda i: OPEN + b',"k%d":1}\n' % i, 9000),
    "few keys, each in few lines": lambda: many(
        lambda i: OPEN + b',"k%d":1}\n' % (i % 1000), 20_000
    ),
    "one line of many keys": lambda: (
        OPEN + many(lambda i: b',"k%d":1' % i, 1000) + b"}\n" + GOOD * 20_000
    ),
    "a text of quotes without end": lambda: OPEN[:-1] + b'\\"' * 400_000 + b"}\n",
    "half a pair": lambda: OPEN + b',"x":"\\ud800"}\n' + GOOD,
    "half a pair as a key": lambda: OPEN + b',"\\udfff":1}\n' + GOOD,
    "half a pair within": lambda: OPEN + b',"x":{"y":["\\ud83d"]}}\n' + GOOD,
    # work without a result
    "empty members packed twice": lambda: packed(packed(b"") * 500_000),
    "empty members": lambda: packed(b"") * 300_000,
    "a member for each row": lambda: packed(b"a,b\n") + packed(b"1,x\n") * 9000,
    "900 layers": lambda: layered(b"a,b\n1,x\n", 900),
    "blank lines": lambda: packed(b"a,b\n1,x\n" + b"\n" * 2**24 + b"1,x\n"),
    "blank lines first": lambda: packed(b"\n" * 2**22 + b"a,b\n1,x\n"),
    "blank lines between objects": lambda: packed(GOOD + b"\n" * 2**24 + GOOD),
    "lines of a space": lambda: packed(GOOD + b" \n" * 2**20 + GOOD),
    "blank lines and quotes": lambda: packed(
        b"a,b\n" + (b'1,"x"\n' + b"\n" * 2**18) * 8
    ),
    "bad lines": lambda: packed(b"a,b\n" + b"x\n" * 60_000),
    "bad objects": lambda: packed(GOOD + b"x\n" * 60_000),
    "empty objects": lambda: packed(GOOD + b"{}\n" * 60_000),
    "a quote without end": lambda: packed(b'a,b\n1,"' + b"\n" * 2**22),
    "a record without end": lambda: packed(b"a,b\n" + (b'"\n",' * 100) * 100_000),
    # types that a writer cannot hold
    "nested columns": lambda: parquet(pl.Series([[[1]], None, [[]]])),
}
SHARED = {
    "text": lambda s: s,
    "bytes": lambda s: s.cast(pl.Binary),
    "lists": lambda s: s.to_frame("y").select(pl.concat_list("y")).to_series(),
    "structs": lambda s: s.to_frame("y").to_struct(),
    "categories": lambda s: s.cast(pl.Categorical),
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Return a function that lets the child read a file under some limits."""
    path = tmp_path_factory.mktemp("files") / "file"
    child, pipes = [], dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)

    def read(data, limits):
        if not child:
            words = [sys.executable, "-c", CHILD]
            child.append(subprocess.Popen(words, text=True, **pipes))
        path.write_bytes(data)
        [process] = child
        print(json.dumps([str(path), *LIMITS[limits]]), file=process.stdin, flush=True)
        answer = process.stdout.readline()
        if not answer:
            child.clear()
            _, said = process.communicate()
            pytest.fail(f"the reader died of it: {said[-2000:]}")
        scored, bad, error, seconds, megabytes = json.loads(answer)
        assert seconds < MOST_S
        assert megabytes < MOST_MB
        assert "bug" not in error
        assert not error or error.startswith("it")
        return scored, bad, error

    yield read
    for process in child:
        process.communicate("")


@pytest.fixture(scope="module")
def attacked(measured):
    """Return a function that lets the child read an attack, once for all tests."""
    return functools.cache(lambda attack, limits: measured(ATTACKS[attack](), limits))


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_costs_little_and_is_answered(attacked, attack, limits):
    scored, bad, error = attacked(attack, limits)
    assert scored or bad or error


@pytest.mark.parametrize(
    ("attack", "limits", "said"),
    [
        ("many keys", "own", "different keys"),
        ("empty members", "upload", "65,536 gzip members"),
        ("900 layers", "own", "gzip data inside gzip data"),
        ("blank lines", "request", "more than 160,000 lines"),
        ("bad lines", "request", "more than 1"),
        ("few keys, each in few lines", "request", "more than 10,000 records"),
        ("a record without end", "own", "a record over 1048576"),
    ],
)
def test_a_limit_that_is_passed_is_named(attacked, attack, limits, said):
    assert said in attacked(attack, limits)[2]


@pytest.mark.parametrize(
    ("attack", "scored", "bad"),
    [
        ("objects 600 deep", 0, 1),
        ("many paths", 9000, 0),
        ("an object in several lines", 0, 6000),
        ("half a pair", 1, 1),
        ("half a pair as a key", 1, 1),
        ("half a pair within", 1, 1),
        ("blank lines", 2, 0),
        ("blank lines between objects", 2, 0),
        ("blank lines and quotes", 8, 0),
        ("a member for each row", 9000, 0),
        ("bad lines", 0, 60_000),
        ("nested columns", 3, 0),
    ],
)
def test_what_can_be_scored_is_scored(attacked, attack, scored, bad):
    assert attacked(attack, "upload") == (scored, bad, "")


@pytest.mark.parametrize("kind", SHARED)
def test_a_text_that_many_values_share_counts_for_each_of_them(measured, kind):
    data = shared_text(SHARED[kind])
    assert len(data) < 2**18
    assert "in the 5000 rows from row 1 on" in measured(data, "upload")[2]


WORDS = [
    b'"', b"'", b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\n", b"\n\n", b"\r\n",
    b" ", b"\t", b";", b"a", b"b", b"1", b"-1", b"1e999", b"NaN", b"null", b"true",
    b'"a":1', b'"b":"x"', b'"\\ud800"', b"\\u0000", b"\xef\xbb\xbf", "é".encode(),
    b"\xff", b"\x00", b"9" * 400, b'{"a":', b"[[", b'""', b'"\n"', b"1,x\n", GOOD,
]  # fmt: skip


def text(rng, start):
    """Return a text of repeated odds and ends: a repeated one is what costs work."""
    parts = [start]
    for _ in range(rng.randrange(1, 12)):
        some = [rng.choice(WORDS) for _ in range(rng.randrange(1, 6))]
        parts.append(b"".join(some) * int(10 ** rng.uniform(0, 4)))
    return b"".join(parts)[: 2**21]


def any_json(rng):
    def value(depth):
        kind = rng.randrange(4 if depth else 8)
        if kind == 0:
            return {f"k{rng.randrange(30)}": value(depth - 1) for _ in range(depth)}
        if kind == 1:
            return [value(depth - 1) for _ in range(rng.randrange(4) if depth else 0)]
        return rng.choice([1, -1.5, "x", None, True, "\ud83d", "\U0001f600", 10**30])

    records = [
        {"a": 1, "b": "x"} | {f"e{k}": value(3) for k in range(rng.randrange(3))}
        for _ in range(rng.randrange(1, 200))
    ]
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def any_parquet(rng):
    kinds = [
        pl.Date, pl.Datetime("ms"), pl.Datetime("us", "Europe/Berlin"), pl.Time,
        pl.Duration("us"), pl.Int8, pl.UInt64, pl.Float32,
    ]  # fmt: skip
    numbers = [rng.choice([0, 1, 2**62, -(2**62), 2**31 - 1, None]) for _ in range(50)]
    whole = pl.Series(numbers, dtype=pl.Int64)
    kind = rng.choice(kinds)
    small = whole.cast(pl.Int32, strict=False) if kind == pl.Date else whole
    column = small.cast(kind, strict=False)
    if rng.random() < 0.5:
        column = column.to_frame("x").select(pl.concat_list("x", "x")).to_series()
    if rng.random() < 0.3:
        column = column.to_frame("x").to_struct("s")
    data = bytearray(parquet(column))
    for _ in range(rng.choice([0, 0, 1, 4])):
        data[rng.randrange(4, len(data) - 4)] = rng.randrange(256)
    return bytes(data)


def any_gzip(rng):
    data = bytearray(packed(*(text(rng, b"") for _ in range(rng.randrange(1, 4)))))
    for _ in range(rng.choice([0, 0, 1, 4])):
        data[rng.randrange(2, len(data))] = rng.randrange(256)
    return bytes(data) * rng.choice([1, 1, 20])


FORMATS = {
    "JSON lines": any_json,
    "odd JSON lines": lambda rng: text(rng, GOOD),
    "delimited": lambda rng: text(rng, b"a,b\n1,x\n"),
    "gzip": any_gzip,
    "Parquet": any_parquet,
}


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("form", FORMATS)
def test_a_random_file_costs_little_and_is_answered(measured, form, seed):
    rng = random.Random(f"{form} {seed}")
    for _ in range(3):
        data = FORMATS[form](rng)
        for limits in LIMITS:
            measured(data, limits)
