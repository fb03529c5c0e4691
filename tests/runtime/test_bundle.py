"""A bundle decides as it did where it was made, or does not load at all."""

import dataclasses
import io
import json
import os
import re
import shutil
import subprocess
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import polars as pl
import pytest

from evenflow.conform import conform
from evenflow.errors import BundleError, DataError, StorageError
from evenflow.prepare.features import Preprocessor
from evenflow.runtime import _model
from evenflow.runtime import bundle as bundles
from evenflow.runtime._arrays import pack, unpack
from evenflow.runtime.folder import LIMITS, sha256
from evenflow.runtime.verify import verify
from evenflow.schema import Table

MANIFEST, PREPARE, DECIDE = "manifest.json", "preprocessor.json", "decision.json"
REPORT = "report.json"


@pytest.fixture
def copy(saved, tmp_path):
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def write(folder, name, content):
    """Write a file and its sum, as somebody who changes a bundle on purpose would."""
    data = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(data)
    names = sorted(p.name for p in folder.iterdir() if p.name != "SHA256SUMS")
    lines = [f"{sha256((folder / n).read_bytes())}  {n}\n" for n in names]
    (folder / "SHA256SUMS").write_text("".join(lines))


def refused(folder, message):
    with pytest.raises(BundleError, match=message):
        bundles.load(folder)


def change_json(path, **changes):
    value = json.loads(path.read_text())
    write(path.parent, path.name, json.dumps(value | changes))


def test_a_loaded_bundle_scores_as_the_parts_it_was_made_of(bundle, parts, small_table):
    X = parts["preprocessor"].transform(small_table)
    expected = parts["decision"].apply(bundle.log_proba(X))
    scores = bundle.decide(small_table)
    np.testing.assert_array_equal(scores.proba, expected.proba)
    np.testing.assert_array_equal(scores.code, expected.code)
    accuracy = (scores.code == small_table.labels).mean()
    assert accuracy > 0.85, "the stand-in detector should have learnt something"
    assert bundle.schema == parts["schema"]
    assert bundle.recipe == parts["recipe"]
    assert bundle.report == parts["report"]
    assert bundle.card == parts["card"]
    assert bundle.fingerprint.tolist() == [0, 1, 2, 3, 4]


def test_rows_kept_in_a_bundle_come_back_exactly(parts, small_table, tmp_path):
    words = [None, "", "naïve ", "a,b", "", "日本"]
    numbers = [float("nan"), float("inf"), 1 / 3, 0.0, -0.0, 9e99]
    frame = small_table.frame[:30].with_columns(
        pl.Series("service", words * 5), pl.Series("duration_s", numbers * 5)
    )
    rows = Table(schema=small_table.schema, frame=frame)
    bundles.save(tmp_path / "b", **parts | {"reference": rows})
    again = bundles.load(tmp_path / "b").reference.frame
    assert again.equals(frame, null_equal=True)


def test_golden_rows_keep_their_classes(bundle, parts, tmp_path):
    np.testing.assert_array_equal(bundle.golden.labels, parts["golden"].labels)
    assert len(set(bundle.golden.labels.tolist())) > 1
    without = dataclasses.replace(parts["golden"], y=None)
    bundles.save(tmp_path / "b", **parts | {"golden": without})
    assert bundles.load(tmp_path / "b").golden.y is None


@pytest.mark.parametrize(
    "code",
    [
        np.zeros(39, dtype=np.int64),
        np.zeros((40, 1), dtype=np.int64),
        np.zeros(40),
        np.full(40, 5),
        np.full(40, -1),
        np.full(40, "dos"),
    ],
    ids=["too few", "a matrix", "no whole numbers", "no class", "below", "words"],
)
def test_classes_that_cannot_be_the_golden_rows_are_refused(copy, code):
    arrays = unpack((copy / "golden.npz").read_bytes(), source="golden.npz")
    write(copy, "golden.npz", pack(arrays | {"code": code}))
    refused(copy, "class codes")


def test_equal_parts_give_equal_bytes(saved, parts, tmp_path):
    bundles.save(tmp_path / "again", **parts)
    assert {p.name for p in saved.iterdir()} == {*LIMITS, "SHA256SUMS"}
    for path in saved.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_sha256sum_accepts_the_sums(saved):
    done = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=saved, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b": OK") == len(LIMITS)


def test_a_bundle_may_be_moved_and_zipped(saved, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "b"), "zip", saved)
    shutil.unpack_archive(archive, tmp_path / "elsewhere")
    assert bundles.load(tmp_path / "elsewhere").schema.name == "small"


@pytest.mark.slow
def test_verify_says_what_it_checked(saved):
    checks = verify(saved)
    assert any("40 golden rows" in check for check in checks)
    assert any("SHA-256" in check for check in checks)


def test_no_rows_give_no_scores_and_never_reach_the_model(bundle, small_table):
    class Fatal:  # ONNX Runtime ends the process at a convolution over no rows
        def run(self, *_):
            raise AssertionError

    careful = dataclasses.replace(bundle, session=Fatal())
    scores = careful.decide(small_table.take(np.arange(0)))
    assert scores.proba.shape == (0, len(bundle.schema.classes))
    assert scores.code.shape == scores.is_attack.shape == (0,)


def test_scores_do_not_depend_on_the_number_of_threads(bundle):
    rng = np.random.default_rng(0)
    X = rng.random((5_000, bundle.preprocessor.layout.n_features), np.float32)
    several = dataclasses.replace(bundle, threads=3)
    np.testing.assert_array_equal(several.log_proba(X), bundle.log_proba(X))


def test_scoring_reports_to_nobody(saved, tmp_path, monkeypatch, python):
    """ONNX Runtime would leave a device number and a queue of reports in the cache."""
    words = "import sys, evenflow; evenflow.load_bundle(sys.argv[1])"
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    python("-c", words, saved, env=home)
    assert not list(tmp_path.iterdir())


def test_one_record_scores_as_in_a_table(bundle, small_table):
    some = small_table.take(np.arange(200))
    scores = bundle.decide(some)
    for i, record in enumerate(some.frame.to_dicts()):
        verdict = bundle.decide_record(record)
        assert verdict.label == bundle.schema.classes[scores.code[i]]
        assert verdict.is_attack == scores.is_attack[i]
        found = list(verdict.classes.values())
        np.testing.assert_allclose(found, scores.proba[i], rtol=1e-4, atol=1e-7)


def test_one_record_is_read_as_a_file_would_be(bundle):
    record = {
        " Duration_S ": " 0.5", "protocol": "tcp", "service": None, "fwd_bytes": "-",
        "logged_in": True, "error_rate": "", "count": "NaN", "constant": 0, "more": 1,
    }  # fmt: skip
    frame = pl.DataFrame(
        [{k: None if v is None else str(v) for k, v in record.items()}]
    )
    table, bad = conform(bundle.schema, frame.with_columns(logged_in=pl.lit("1")))
    assert not bad
    verdict = bundle.decide_record(record)
    assert verdict.classes == pytest.approx(
        dict(zip(bundle.schema.classes, bundle.decide(table).proba[0], strict=True))
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fwd_bytes": "many"}, "column fwd_bytes: found 'many', expected a number"),
        ({"fwd_bytes": -1}, "column fwd_bytes: found -1"),
        ({"error_rate": 1.5}, "expected a number from 0 to 1"),
        ({"count": [3]}, "column count: found [3]"),
        ({"count": "1_0"}, "column count: found '1_0'"),
        ({"protocol": ["tcp"]}, "for a category, expected a word"),
        ({"protocol": {"a": "tcp"}}, "for a category, expected a word"),
    ],
)  # fmt: skip
def test_a_bad_value_in_a_record_is_named(bundle, small_table, change, message):
    record = small_table.frame.row(0, named=True) | change
    with pytest.raises(DataError, match=re.escape(message)):
        bundle.decide_record(record)


def test_a_record_without_a_column_is_refused(bundle, small_table):
    record = small_table.frame.row(0, named=True)
    del record["count"], record["service"]
    with pytest.raises(DataError, match="2 columns are missing: service .*, count"):
        bundle.decide_record(record)


def test_rows_of_another_schema_are_refused(bundle, small_table):
    columns = small_table.schema.columns[:-1]
    schema = dataclasses.replace(small_table.schema, columns=columns)
    other = Table(schema=schema, frame=small_table.frame[:, :-1])
    with pytest.raises(DataError, match="which small was trained on"):
        bundle.decide(other)


# --- writing ---


def test_a_folder_that_is_no_bundle_is_never_touched(parts, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("years of work")
    with pytest.raises(StorageError, match="is not a bundle"):
        bundles.save(tmp_path / "home", **parts, overwrite=True)
    assert (tmp_path / "home" / "thesis.txt").read_text() == "years of work"
    assert [p.name for p in tmp_path.iterdir()] == ["home"]


def test_an_existing_bundle_is_kept_unless_told(copy, parts):
    before = {p.name: p.read_bytes() for p in copy.iterdir()}
    with pytest.raises(StorageError, match="already a bundle"):
        bundles.save(copy, **parts | {"card": "new"})
    assert {p.name: p.read_bytes() for p in copy.iterdir()} == before
    bundles.save(copy, **parts | {"card": "new"}, overwrite=True)
    assert bundles.load(copy).card == "new"
    assert [p.name for p in copy.parent.iterdir()] == ["copy"], "nothing beside it"


def test_a_write_that_fails_leaves_nothing(parts, tmp_path, monkeypatch):
    full = Mock(side_effect=OSError(28, "No space left on device"))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        bundles.save(tmp_path / "b", **parts)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("golden", lambda table: table.take(np.arange(0)), "no golden rows"),
        (
            "preprocessor",
            lambda fitted: dataclasses.replace(fitted, categories={}),
            "by the columns and classes in manifest",
        ),
        (
            "decision",
            lambda fitted: dataclasses.replace(fitted, temperature=5000.0),
            "temperature",
        ),
    ],
)
def test_parts_that_would_not_load_are_refused_before_writing(
    parts, tmp_path, name, change, message
):
    with pytest.raises(BundleError, match=message):
        bundles.save(tmp_path / "b", **parts | {name: change(parts[name])})
    assert list(tmp_path.iterdir()) == []


# --- hostile and damaged ---


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_one_changed_byte_is_found(copy, name):
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    refused(copy, rf"{re.escape(name)} was changed")


@pytest.mark.parametrize("name", [*sorted(LIMITS), "SHA256SUMS"])
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    refused(copy, re.escape(name))


def test_an_unlisted_file_is_refused(copy):
    (copy / "run_me.sh").write_text("echo")
    refused(copy, r"'run_me\.sh' not listed")


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a/b", "x", ""])
def test_a_name_that_leaves_the_folder_is_refused(copy, name):
    with (copy / "SHA256SUMS").open("a") as stream:
        stream.write(f"{'0' * 64}  {name}\n")
    refused(copy, "line 11")


def test_a_link_or_a_pipe_is_refused_without_waiting_for_it(copy, tmp_path):
    card = (copy / "card.md").rename(tmp_path / "secret")
    (copy / "card.md").symlink_to(card)
    refused(copy, r"card\.md: found a link")
    (copy / "card.md").unlink()
    os.mkfifo(copy / "card.md")
    refused(copy, "special file")


@pytest.mark.parametrize("name", ["decision.json", "model.onnx"])
def test_a_giant_file_is_refused_before_it_is_read(copy, name, monkeypatch):
    with (copy / name).open("wb") as stream:
        stream.truncate(2**40)  # sparse: a terabyte that costs nothing
    opened, real = [], os.open
    monkeypatch.setattr(
        os, "open", lambda path, *how: (opened.append(path), real(path, *how))[1]
    )
    refused(copy, rf"{re.escape(name)}: found more than")
    assert copy / name not in opened


CHANGED = {
    "a newer format": (MANIFEST, {"format": 3}, "format 3, expected format 2. Upgrade"),
    **{
        f"the format {value!r}": (MANIFEST, {"format": value}, "expected format 2")
        for value in ("1", None, 0, -3, False)
    },
    "a bias of two classes": (
        DECIDE, {"bias": [0.0, 0.0]}, "does not match the columns and classes"
    ),
    "a high threshold": (DECIDE, {"threshold": 30.0}, "golden rows get other scores"),
    "a low threshold": (DECIDE, {"threshold": -30.0}, "golden rows get other scores"),
    "bands that leave out scores": (
        REPORT, {"bands": [{"from": None, "to": 0.0, "rows": 2, "attacks": 1,
                            "share": 0.5, "low": 0.1, "high": 0.9}]}, "do not join"
    ),
    "bands of words": (REPORT, {"bands": [{"from": "all"}]}, r"report\.json: .?bands"),
    "a preprocessor of another contract": (
        PREPARE, {"schema": "other"}, r"preprocessor\.json does not match"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGED)
def test_a_part_that_does_not_fit_the_others_is_refused(copy, case):
    assert bundles.load(copy).golden_decided.any()
    name, change, message = CHANGED[case]
    change_json(copy / name, **change)
    refused(copy, message)


def test_changed_scaling_is_found_by_the_golden_rows(copy):
    fill = json.loads((copy / "preprocessor.json").read_text())["scaler"]
    fill["center"] = [c + 0.5 for c in fill["center"]]
    change_json(copy / "preprocessor.json", scaler=fill)
    refused(copy, "golden rows get other scores")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("manifest.json", b"[]"),
        ("manifest.json", b"{" + b'"a":{' * 100_000),
        ("manifest.json", b"\xff\xfe"),
        ("manifest.json", b'{"format": 2}'),
        ("preprocessor.json", b"{}"),
        ("decision.json", b'{"temperature": "hot"}'),
        ("decision.json", b'{"temperature": ' + b"9" * 100_000 + b"}"),
        ("report.json", b"null"),
        ("card.md", b"\xff"),
        ("golden.npz", b"PK"),
        ("golden.npz", b""),
        ("model.onnx", b""),
        ("model.onnx", b"\xff" * 100),
        ("model.onnx", b"\x08\x08"),
        ("fingerprint.npz", b"no zip"),
    ],
)
def test_nonsense_in_a_file_is_a_bundle_error(copy, name, data):
    write(copy, name, data)
    with pytest.raises(BundleError):
        bundles.load(copy)


def npz(descr, shape, *, body=b"", deflate=False):
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"
    text = text.ljust(117) + "\n"
    head = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()
    out = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("rows.npy", head + body)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        npz("'<f8'", "(10**12,)"),
        npz("'<f8'", "(999999999999,)"),
        npz("'<f8'", "(-1,)", body=b"x" * 8),
        npz("'|O'", "(1,)", body=b"x" * 8),
        npz("'<M8[s]'", "(1,)", body=b"x" * 8),
        npz("__import__('os').abort()", "(1,)"),
        npz("'<U999999999'", "(1,)"),
        npz("[('a', '<f8')]", "(0,)"),
        npz("'<U0'", "(100000000,)"),
        npz("'<U0'", "()"),
        npz("'<f0'", "(3,)"),
        npz("'<f5'", "(1,)", body=b"x" * 5),
        npz("'<f8'", "(0, 4294967296)"),
        npz("'<f8'", "(0, -1)"),
        npz("'<f8'", "(" + "1, " * 40 + ")", body=b"x" * 8),
        npz("'<f8'", "(" + "(" * 5000 + ")" * 5000 + ")"),
        npz("-" * 9000, "()"),
        npz("'>f8'", "(1,)", body=b"x" * 8),
        npz("'<f8'", "(2,)", body=b"x" * 16, deflate=True),
    ],
)
def test_a_hostile_array_is_refused_before_memory_is_taken(data):
    tracemalloc.start()
    try:
        with pytest.raises(BundleError, match="expected"):
            unpack(data, source="golden.npz")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_arrays_of_one_name_are_refused():
    out = io.BytesIO(pack({"a": np.arange(3)}))
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("a.npy", archive.read("a.npy"))
    with pytest.raises(BundleError, match="two members of one name"):
        unpack(out.getvalue(), source="golden.npz")


def test_arrays_come_back(tmp_path):
    arrays = {
        "a": np.arange(6.0).reshape(2, 3),
        "b": np.array(["x", "日本"]),
        "c": np.zeros((0, 4)),
        "d": np.array(3),
        "e": np.arange(6.0).reshape(2, 3).T,
        "f": np.array([True]),
    }
    again = unpack(pack(arrays), source="test")
    assert set(again) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array)
    with np.load(io.BytesIO(pack(arrays)), allow_pickle=False) as plain:
        np.testing.assert_array_equal(plain["e"], arrays["e"])


def test_a_folder_that_is_not_there_says_so(tmp_path):
    refused(tmp_path / "none", "found nothing, expected a bundle")
    (tmp_path / "file").write_text("")
    refused(tmp_path / "file", "found a file")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "SHA256SUMS")


# --- meaning ---


def deep_change(value, path, new):
    for step in path[:-1]:
        value = value[step]
    if new is DROP:
        del value[path[-1]]
    else:
        value[path[-1]] = new


DROP = ...
CLASSES = ("schema", "classes")
COLUMN = ("schema", "columns", 0)
NONSENSE: list[tuple[str, tuple[Any, ...], Any]] = [
    *[(DECIDE, ("temperature",), v) for v in (1e-320, 0, -1, 1e9, "1", None, True)],
    *[(DECIDE, ("temperature",), v) for v in (float("nan"), float("inf"), [1.0])],
    *[(DECIDE, ("bias", 0), v) for v in (1e308, -1e308, float("inf"), "0", None)],
    *[(DECIDE, ("bias",), v) for v in ([], 0.5, {}, None, [[0.0]])],
    *[(DECIDE, ("threshold",), v) for v in (float("-inf"), 1e300, "0", DROP)],
    (DECIDE, ("false_alarm_budget",), 2.0),
    (DECIDE, ("threshold_probability",), "0.5"),
    (DECIDE, ("surprise",), 1),
    (MANIFEST, (*CLASSES, 1), "benign"),
    (MANIFEST, (*CLASSES, 1), "Benign "),
    (MANIFEST, (*CLASSES, 0), "attack"),
    *[(MANIFEST, (*CLASSES, 1), v) for v in (1, None, [], {}, "", "x" * 501)],
    *[(MANIFEST, (*CLASSES, 1), v) for v in ("a\x1b[2J", "a\n", "\ud800", "\u202e")],
    *[(MANIFEST, CLASSES, v) for v in (["benign"], [], "benign", None, DROP)],
    (MANIFEST, CLASSES, ["benign", *map(str, range(2000))]),
    *[(MANIFEST, (*COLUMN, "low"), v) for v in ("0", True, float("nan"), [0])],
    *[(MANIFEST, (*COLUMN, "aliases"), v) for v in (3, ["a", 3], "ab", None)],
    *[(MANIFEST, (*COLUMN, "description"), v) for v in ({}, 3, "x" * 10**5)],
    *[(MANIFEST, (*COLUMN, "name"), v) for v in ("protocol", 3, "a\tb", "\x07", DROP)],
    (MANIFEST, (*COLUMN, "kind"), "text"),
    (MANIFEST, (*COLUMN, "step"), 0),
    (MANIFEST, (*COLUMN, "surprise"), 1),
    *[(MANIFEST, ("n_golden",), v) for v in (DROP, "40", 39, -1, 40.5, 10**30)],
    *[(MANIFEST, ("n_classes",), v) for v in (DROP, 4)],
    *[(MANIFEST, ("n_fingerprint",), v) for v in (DROP, 6)],
    *[(MANIFEST, ("evenflow",), v) for v in (DROP, 1, "1\x1b]0;x\x07", "x" * 999)],
    *[(MANIFEST, ("recipe_sha256",), v) for v in (DROP, "0" * 63, 3)],
    *[(MANIFEST, ("schema",), v) for v in (DROP, [], None, 3)],
    *[(MANIFEST, ("schema", "families"), v) for v in (["a"], {"a": 1}, None)],
    *[(MANIFEST, ("schema", "is_synthetic"), v) for v in ("no", 1, None)],
    *[(PREPARE, ("scaler", "scale", 0), v) for v in (0, -1, "1", float("inf"))],
    *[(PREPARE, ("scaler", "kind"), v) for v in ("log", 3, DROP)],
    (PREPARE, ("scaler", "kind"), "quantile"),
    *[(PREPARE, ("fill",), v) for v in ([], 3, DROP)],
    *[(PREPARE, ("numeric",), v) for v in ([], "count", ["count", "count"])],
    *[(PREPARE, ("low", 0), v) for v in (1e300, "0")],
    *[(PREPARE, ("categories", "protocol"), v) for v in ([], ["tcp"], "tcp", 3)],
    (PREPARE, ("categories",), []),
    *[(MANIFEST, (*COLUMN, "thousands"), v) for v in ("1", "-", "..", 0)],
    (MANIFEST, ("schema", "families"), {"smurf": "flood"}),
    *[("recipe.json", ("dataset",), v) for v in ("small", 3, None, {}, DROP)],
    *[("recipe.json", ("model", "name"), v) for v in (3, "", None, DROP)],
    *[("recipe.json", (k,), 3) for k in ("title", "reference", "target", "split")],
    *[("recipe.json", ("training",), v) for v in ([], {"epochs": [3]}, "fast")],
    *[("recipe.json", (k,), {"a": {}}) for k in ("prepare", "decide", "balance")],
    *[("recipe.json", ("seed",), v) for v in (-1, 2**32, 1.5, True, None, DROP)],
    ("recipe.json", ("surprise",), 1),
    ("recipe.json", ("dataset", "name"), "\x1b[31m"),
    ("recipe.json", ("seed",), "7"),
    ("report.json", ("protocol",), "\x1b[2J"),
    ("report.json", ("binary", "f1"), float("nan")),
    ("report.json", ("binary", "f1"), 10**400),
    ("report.json", ("binary", "\udc80"), 1),
]


@pytest.mark.parametrize(("name", "path", "value"), NONSENSE, ids=repr)
def test_a_part_that_means_nothing_is_refused_in_words(copy, name, path, value):
    content = json.loads((copy / name).read_text())
    deep_change(content, path, value)
    write(copy, name, json.dumps(content))
    with pytest.raises(BundleError, match=str(copy)) as found:
        bundles.load(copy)
    message = str(found.value)
    assert "Get the bundle again" in message
    assert message.isprintable()
    assert len(message) < 1000


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (DECIDE, '{"temperature": 1e400}'),
        (DECIDE, '{"temperature": Infinity}'),
        (DECIDE, '{"temperature": 1.0, "temperature": 2.0}'),
        (MANIFEST, '{"format": 2}'),
        (MANIFEST, '{"format": true}'),
        (MANIFEST, '{"format": "\\u001b[2J"}'),
        ("report.json", "[" * 100_000),
        ("report.json", '{"a":' * 40 + "0" + "}" * 40),
        ("recipe.json", '{"a": ' + "[" * 40 + "]" * 40 + "}"),
        ("report.json", '{"a": ' + "9" * 5000 + "}"),
        ("report.json", '{"a": -' + "9" * 20 + "}"),
        ("report.json", '{"a": [' + "0," * 2_000_001 + "0]}"),
    ],
    ids=lambda v: v[:40],
)
def test_json_that_no_program_can_pass_on_is_refused(copy, name, text):
    write(copy, name, text)
    with pytest.raises(BundleError, match="expected|Field required") as found:
        bundles.load(copy)
    assert str(found.value).isprintable()
    assert "sys." not in str(found.value)


def test_classes_in_another_order_than_the_model_learnt_are_refused(parts, tmp_path):
    counts = dict.fromkeys(parts["schema"].classes, 9)
    report = {"training": {"class_counts": {"before": counts, "after": counts}}}
    bundles.save(tmp_path / "b", **parts | {"report": report})
    bundles.load(tmp_path / "b")
    content = json.loads((tmp_path / "b" / MANIFEST).read_text())
    first, *attacks = content["schema"]["classes"]
    content["schema"]["classes"] = [first, *reversed(attacks)]
    change_json(tmp_path / "b" / MANIFEST, schema=content["schema"])
    refused(tmp_path / "b", r"report\.json does not match the columns")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("fingerprint.npz", {"rows": None}),
        ("fingerprint.npz", {"rows": np.zeros(5)}),
        ("fingerprint.npz", {"rows": np.zeros((5, 1), np.uint64)}),
        ("golden.npz", {"log_proba": None}),
        ("golden.npz", {"log_proba": np.zeros((40, 9))}),
        ("golden.npz", {"log_proba": np.full((40, 3), np.nan)}),
        ("golden.npz", {"decided": None}),
        ("golden.npz", {"decided": np.zeros(39, np.int64)}),
        ("golden.npz", {"numeric": np.zeros((0, 6))}),
        ("golden.npz", {"category_000": np.zeros(40)}),
        ("golden.npz", {"category_000": np.array(["tcp."] * 39)}),
        ("golden.npz", {"category_000": np.array([["tcp."]] * 40)}),
        ("reference.npz", {"numeric": np.zeros((20_000, 6))}),
        ("reference.npz", {"category_001": None}),
        ("reference.npz", {"baseline_rows_counts": None}),
        ("reference.npz", {"baseline_rows_counts": np.zeros(9, np.int64)}),
        ("reference.npz", {"baseline_rows_scores": np.full(1024, np.nan)}),
        ("reference.npz", {"baseline_rows_scores": np.zeros(3)}),
        ("reference.npz", {"baseline_rows_n": np.array([1, 1])}),
        ("reference.npz", {"baseline_rows_n": np.array([5, 1, 2])}),
        ("reference.npz", {"baseline_n_edges": np.array([9_999])}),
        ("reference.npz", {"baseline_n_levels": np.array([-1, 1])}),
        ("reference.npz", {"baseline_levels": np.zeros(2)}),
        ("reference.npz", {"baseline_confusion": np.zeros((2, 2), np.int64)}),
    ],
    ids=repr,
)
def test_arrays_that_are_not_those_of_a_bundle_are_refused(copy, name, change):
    arrays = unpack((copy / name).read_bytes(), source=name) | change
    write(copy, name, pack({k: v for k, v in arrays.items() if v is not None}))
    refused(copy, "expected")


def test_a_category_may_have_any_value_that_a_record_has(
    parts, small_table, softmax_regression, tmp_path
):
    odd = ["a\x1b[2J", "\u202e", "\r"] * (len(small_table) // 3)
    odd += ["x"] * (len(small_table) - len(odd))
    table = dataclasses.replace(
        small_table, frame=small_table.frame.with_columns(pl.Series("service", odd))
    )
    preprocessor = Preprocessor.fit(table)
    width = preprocessor.layout.n_features
    n_classes = len(table.schema.classes)
    model = softmax_regression(preprocessor.transform(table), table.labels, n_classes)
    bundles.save(
        tmp_path / "b",
        **parts
        | {"preprocessor": preprocessor, "model": model}
        | {"golden": table.take(np.arange(40)), "reference": table.take([0, 1])},
    )
    found = bundles.load(tmp_path / "b")
    assert found.preprocessor.layout.n_features == width


def test_memory_that_runs_out_blames_no_bundle(saved, monkeypatch):
    said = "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION: bad allocation"
    monkeypatch.setattr(_model, "open_session", Mock(side_effect=RuntimeError(said)))
    with pytest.raises(MemoryError, match="bad allocation"):
        bundles.load(saved)
