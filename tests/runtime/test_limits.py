"""A stranger's file is refused before it unpacks to more than the limits."""

import gzip
import json

import numpy as np
import polars as pl
import pytest

from evenflow.errors import DataError
from evenflow.runtime import _parquet_guard
from evenflow.runtime._thrift import ThriftError, struct
from evenflow.runtime.limits import Limits
from evenflow.runtime.records import read_records
from evenflow.schema import Column, Schema
from evenflow.text.raw import MAX_COLUMNS

SCHEMA = Schema(
    name="two",
    columns=(Column(name="a", kind="numeric"), Column(name="b", kind="category")),
    classes=("benign", "attack"),
)
LIMITS = Limits(rows=1000, unpacked_bytes=2**20)


def read(path, limits=LIMITS):
    batches = read_records(path, SCHEMA, name="mine", limits=limits)
    return sum(len(batch.table) for batch in batches)


def frame(n):
    return pl.DataFrame({"a": np.arange(n), "b": ["tcp"] * n})


def refused(path, limits=LIMITS):
    with pytest.raises(DataError) as caught:
        read(path, limits)
    assert "mine" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_file_at_the_limit_is_read_and_one_row_more_is_refused(
    tmp_path, suffix, save
):
    path = tmp_path / f"x.{suffix}"
    save(frame(1000), path)
    assert read(path) == 1000
    save(frame(1001), path)
    assert "more than 1,000 records" in refused(path)


def test_a_gzip_bomb_is_refused_when_it_passes_the_limit(tmp_path):
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb") as stream:
        stream.write(b"a,b\n")
        for _ in range(200):
            stream.write((b"1," + b"x" * 500_000 + b"\n") * 2)
    assert path.stat().st_size < 2**20 < 200_000_000
    assert "more than 1 MiB when unpacked" in refused(path)


def test_a_parquet_file_of_few_bytes_and_many_rows_is_refused(tmp_path):
    path = tmp_path / "bomb.parquet"
    pl.select(a=pl.repeat(1, 5_000_000), b=pl.repeat("tcp", 5_000_000)).write_parquet(
        path
    )
    assert path.stat().st_size < 100_000
    assert "more than 1,000 records" in refused(path)


def test_a_page_that_unpacks_to_too_much_is_refused_unread(tmp_path):
    path = tmp_path / "bomb.parquet"
    text = pl.Series("b", ["x" * 2**21])
    pl.DataFrame({"a": [1], "b": text}).write_parquet(path, compression="zstd")
    assert path.stat().st_size < 5000
    assert "more than 1 MiB when unpacked" in refused(path)


def test_a_text_that_many_rows_share_counts_for_each_of_them(tmp_path):
    path = tmp_path / "bomb.parquet"
    shared = pl.Series("b", ["x" * 2**18, "y"]).gather([0] * 100)
    pl.DataFrame({"a": range(100), "b": shared}).write_parquet(path)
    assert path.stat().st_size < 5000
    _parquet_guard.inspect(path, LIMITS, name="mine")  # its pages are small
    assert "more than 1 MiB when unpacked" in refused(path)


def varint(value):
    value, out = value << 1, b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def test_a_footer_that_claims_other_rows_than_its_parts_is_refused(tmp_path):
    path = tmp_path / "x.parquet"
    frame(999).write_parquet(path)
    number = varint(999)
    data = path.read_bytes()
    footer = data[-8 - int.from_bytes(data[-8:-4], "little") :]
    for at in range(len(footer)):  # each place where the number stands, lied about
        if footer[at : at + 2] == number:
            lie = footer[:at] + varint(1000) + footer[at + 2 :]
            path.write_bytes(data[: -len(footer)] + lie)
            try:
                assert read(path) <= 1000
            except DataError as error:
                assert "mine" in str(error)  # noqa: PT017
    head = footer.index(number)
    path.write_bytes(
        data[: -len(footer)] + footer[:head] + varint(998) + footer[head + 2 :]
    )
    assert "do not sum" in refused(path)


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_parquet_file_is_refused_in_words_or_read(tmp_path, seed):
    path, rng = tmp_path / "x.parquet", np.random.default_rng(seed)
    frame(500).write_parquet(path)
    whole = path.read_bytes()
    for _ in range(60):
        data = bytearray(whole)
        for at in rng.integers(4, len(data) - 4, size=rng.integers(1, 6)):
            data[at] = rng.integers(256)
        path.write_bytes(data)
        try:
            _parquet_guard.inspect(path, LIMITS, name="mine")
        except DataError as error:
            assert str(error).startswith("mine")  # noqa: PT017


def test_a_column_in_another_file_is_refused(tmp_path):
    path = tmp_path / "x.parquet"
    frame(10).write_parquet(path)
    data = path.read_bytes()
    n = int.from_bytes(data[-8:-4], "little")
    # a list of two columns: before field 2 of the first, give field 1, file_path
    footer = data[-8 - n : -8].replace(
        b"\x19\x2c\x26", b"\x19\x2c\x18\x0b/etc/passwd\x16"
    )
    assert len(footer) == n + 13
    path.write_bytes(
        data[: -8 - n] + footer + len(footer).to_bytes(4, "little") + data[-4:]
    )
    assert "other files" in refused(path)


def test_text_packed_by_shared_prefixes_is_refused():
    head = {1: 0, 2: 100, 3: 50, 5: {1: 10, 2: 7}}
    with pytest.raises(DataError, match="DELTA_BYTE_ARRAY"):
        _parquet_guard._values(head, 100, "mine")


def test_a_header_of_too_many_names_is_refused(tmp_path):
    path = tmp_path / "x.csv"
    names = ",".join(["a", "b", *map(str, range(MAX_COLUMNS))])
    path.write_text(f"{names}\n1\n")
    assert f"expected at most {MAX_COLUMNS}" in refused(path)


def test_json_lines_of_ever_new_keys_are_refused(tmp_path):
    path = tmp_path / "x.jsonl"
    lines = [
        json.dumps({"a": 1, "b": "x"} | {f"k{i}\\{j}": 0 for j in range(50)})
        for i in range(100)
    ]
    path.write_text("\n".join(lines))
    assert "different keys" in refused(path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x15",
        b"\x1c" * 100,  # structs in structs
        b"\x19\xfc\xff\xff\xff\xff\x0f",  # a list of four billion
        b"\x18\xff\xff\xff\xff\x0f",  # a text of four billion bytes
        b"\x1d\x00",
        b"\x16" + b"\xff" * 11,
    ],
)
def test_a_struct_that_is_none_is_told(data):
    with pytest.raises(ThriftError):
        struct(data, 0)
