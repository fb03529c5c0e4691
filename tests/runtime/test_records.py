"""Every format gives the same records; every damage is named by its line."""

import csv
import gzip
import io
import json
import re
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from evenflow import conform, datasets
from evenflow.errors import DataError
from evenflow.runtime import _json_lines
from evenflow.runtime.records import read_records
from evenflow.schema import Column, Schema
from evenflow.text import delimited, form
from evenflow.text.blocks import CHUNK, Block, lines, plain
from evenflow.text.header import Dialect
from evenflow.text.raw import Findings

SCHEMA = Schema(
    name="tiny",
    columns=(
        Column(name="proto", kind="category"),
        Column(name="bytes", low=0),
        Column(name="rate", low=0, high=1),
    ),
    classes=("benign", "attack"),
    layout=("proto", "bytes", "rate", "label", "difficulty"),
)
ROWS = [("tcp", 1.0, 0.5), ("udp", 2.0, 0.0), ("icmp", 30.0, 1.0)]
CSV = b"proto,bytes,rate\ntcp,1,0.5\nudp,2,0\nicmp,30,1\n"


def read(data, schema=SCHEMA, **options):
    return list(read_records(io.BytesIO(data), schema, **options))


def rows(batches):
    return [row for batch in batches for row in batch.table.frame.rows()]


def where(batches):
    return [line for batch in batches for line in batch.lines.tolist()]


def bad_of(batches):
    return [b for batch in batches for b in batch.bad]


@pytest.mark.parametrize(
    "data",
    [
        CSV,
        CSV.removesuffix(b"\n"),
        CSV.replace(b"\n", b"\r\n"),
        CSV.replace(b"\n", b"\r"),
        CSV.replace(b"\n", b"\r").removesuffix(b"\r"),
        CSV.replace(b"\n", b"\r\r\n"),
        CSV.replace(b",", b";"),
        CSV.replace(b",", b"\t"),
        CSV.replace(b",", b"|"),
        CSV.replace(b"\n", b",\n"),
        CSV.replace(b"1\n", b"1,\n").replace(b"0\n", b"0,\n"),
        CSV.replace(b"rate\n", b"rate,\n"),
        CSV.decode().encode("utf-16"),
        CSV.decode().encode("utf-16-le"),
        CSV.decode().encode("utf-16-be"),
        CSV.decode().encode("utf-32"),
        b"\xff\xfe" + CSV.replace(b"\n", b"\r\n").decode().encode("utf-16-le"),
        b"\xef\xbb\xbf" + CSV,
        gzip.compress(CSV, mtime=0),
        gzip.compress(b"\xef\xbb\xbf" + CSV, mtime=0),
        gzip.compress(CSV[:20], mtime=0)
        + gzip.compress(CSV[20:], mtime=0)
        + b"\0" * 512,
        CSV.replace(b"proto,bytes", b'"Proto ", BYTES'),
        CSV.replace(b"tcp,1", b'"tcp","1"'),
    ],
)
def test_a_delimited_text_is_read_however_it_is_written(data):
    found = read(data)
    assert rows(found) == ROWS
    assert where(found) == [2, 3, 4]


@pytest.mark.parametrize("tail", ["", ",neptune", ",neptune,21"])
def test_the_published_order_needs_no_header(tail):
    data = "".join(f"{p},{b:g},{r}{tail}\n" for p, b, r in ROWS).encode()
    found = read(data)
    assert rows(found) == ROWS
    assert where(found) == [1, 2, 3]


def test_json_lines_are_read():
    records = [dict(zip(SCHEMA.names, row, strict=True)) for row in ROWS]
    text = "\n\n".join(json.dumps(r | {"label": "x"}) for r in records).encode()
    found = read(b"\n" + text)
    assert rows(found) == ROWS
    assert where(found) == [2, 4, 6]
    assert rows(read(gzip.compress(text, mtime=0))) == ROWS


def test_json_null_is_missing_and_absence_is_a_bad_row():
    data = (
        b'{"proto": "tcp", "bytes": null, "rate": 1}\n'
        b'{"proto": "tcp", "rate": 1}\n'
        b'{"proto": null, "bytes": "7", "rate": true}\n'
        b"[1]\n"
        b'{"proto": "tcp"\n'
        b'{"proto": "tcp", "bytes": {"a": 1}, "rate": 1}\n'
        b'{"proto": "tcp", "bytes": ' + b"9" * 400 + b', "rate": 1}\n'
    )
    found = read(data)
    assert where(found) == [1, 3, 7]
    bad = [(b.line, b.column) for b in bad_of(found)]
    assert bad == [(2, "bytes"), (4, ""), (5, ""), (6, "bytes")]
    assert found[0].bad[0].text == '{"proto": "tcp", "rate": 1}'


def test_json_without_a_column_throughout_names_it():
    with pytest.raises(DataError, match="1 column is missing: bytes"):
        read(b'{"proto": "tcp", "rate": 1}\n' * 3)


def test_parquet_is_read_slice_by_slice(tmp_path, monkeypatch):
    monkeypatch.setattr("evenflow.runtime._parquet.SLICE_ROWS", 2)
    frame = pl.DataFrame(ROWS, schema=list(SCHEMA.names), orient="row")
    frame = frame.with_columns(pl.col("bytes").cast(pl.Int32))
    frame.with_columns(label=pl.lit("x")).write_parquet(tmp_path / "a.bin")
    found = list(read_records(tmp_path / "a.bin", SCHEMA))
    assert [len(batch.table) for batch in found] == [2, 1]
    assert rows(found) == ROWS
    assert where(found) == [1, 2, 3]


def test_a_bad_row_of_parquet_is_named_by_row(tmp_path):
    frame = pl.DataFrame({"proto": ["a", "b"], "bytes": [1, -1], "rate": [0, 0]})
    frame.write_parquet(tmp_path / "a.parquet")
    (batch,) = read_records(tmp_path / "a.parquet", SCHEMA)
    assert str(batch.bad[0]).startswith("row 2, column bytes: found -1")
    assert json.loads(batch.bad[0].text) == {"proto": "b", "bytes": -1, "rate": 0}


def test_ragged_lines_are_bad_rows_even_when_they_even_out():
    data = CSV + b"tcp,1\nudp,1,0.5,9\n\nicmp,1,0\n"
    found = read(data)
    assert where(found) == [2, 3, 4, 8]
    bad = bad_of(found)
    assert [str(b) for b in bad] == [
        "line 5: found 2 fields, expected 3",
        "line 6: found 4 fields, expected 3",
    ]
    assert [b.text for b in bad] == ["tcp,1", "udp,1,0.5,9"]


def test_a_quoted_newline_is_one_record_and_lines_stay_right():
    data = b'proto,bytes,rate\n"t\ncp",1,1\nudp,x,0\n"u""dp",2,0\nudp,3,0\n'
    found = read(data)
    assert rows(found) == [("t\ncp", 1.0, 1.0), ('u"dp', 2.0, 0.0), ("udp", 3.0, 0.0)]
    assert where(found) == [2, 5, 6]
    assert str(found[0].bad[0]).startswith("line 4, column bytes")


def test_a_record_may_cross_blocks(monkeypatch):
    monkeypatch.setattr("evenflow.text.blocks.CHUNK", 4096)
    n = 2000
    body = b"".join(b'"a\nb",%d,0.5\n' % i for i in range(n))
    found = read(b"proto,bytes,rate\n" + body)
    sizes = [len(batch.table) for batch in found]
    assert len(sizes) > 5
    assert max(sizes) < n / 3, "a batch stays a block's size"
    assert not any(batch.bad for batch in found)
    table = pl.concat([batch.table.frame for batch in found])
    assert table["bytes"].to_list() == list(range(n))
    assert where(found) == list(range(2, 2 + 2 * n, 2))


def test_a_repeated_column_is_numbered_and_the_first_counts():
    (batch,) = read(b"proto,bytes,rate,bytes\ntcp,1,0.5,9\n")
    assert batch.table.frame["bytes"].to_list() == [1.0]
    assert batch.given.columns == ["proto", "bytes", "rate", "bytes.1"]


DAMAGE = {
    "empty": (b"", "is empty"),
    "blank": (b" \n\n", "is empty"),
    "header": (b"proto,bytes,rate\n", "a header and no rows"),
    "no_json": (b'{"a": 1}\n', "3 columns are missing"),
    "array": (b'[{"proto": 1}]', "a JSON array"),
    "strange": (b"x,y\n1,2\n", "none is the name of a column of tiny"),
    "columns": (b"proto,rate\ntcp,1\n", "1 column is missing: bytes"),
    "nul": (CSV + b"t\0p,1,1\n", "a NUL byte on line 5"),
    "neither": (CSV + b"caf\x81,1,1\n", "the byte 0x81 on line 5, expected text in"),
    "cut_utf16": (CSV.decode().encode("utf-16")[:-1], "damaged UTF-16 text"),
    "long": (CSV + b"x" * (CHUNK + 1), "a line over 1048576 bytes at line 5"),
    "quote": (CSV + b'"tcp,1,1\n', "line 5: found a quoted field without end"),
    "short_gz": (gzip.compress(CSV * 9, mtime=0)[:-9], "ends too early"),
    "shorter_gz": (gzip.compress(CSV, mtime=0)[:6], "ends too early"),
    "bad_gz": (gzip.compress(CSV, mtime=0)[:10] + b"\xff" * 30, "damaged gzip"),
    "bad_crc": (gzip.compress(CSV, mtime=0)[:-8] + b"\0" * 8, "damaged gzip"),
    "bomb": (gzip.compress(b"0" * 64 * CHUNK, mtime=0), "a line over"),
    "parquet": (b"PAR1" + CSV, "Parquet on a pipe"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_a_clear_error(name, tmp_path):
    data, message = DAMAGE[name]
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read(data)
    assert "standard input" in str(caught.value)
    if name != "parquet":
        (tmp_path / "in.dat").write_bytes(data)
        with pytest.raises(DataError, match=re.escape(message)):
            list(read_records(tmp_path / "in.dat", SCHEMA))


def parquet(n):
    """Return the bytes of a Parquet file of ``n`` records."""
    out = io.BytesIO()
    frame = pl.DataFrame({"proto": ["a"] * n, "bytes": range(n), "rate": [0.5] * n})
    frame.write_parquet(out)
    return out.getvalue()


WHOLE, DAMAGED = parquet(9999), "a Parquet file that cannot be read"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        *[(WHOLE[:cut], DAMAGED) for cut in (4, 50, -3)],
        (WHOLE[:40] + b"\xff" * 3960 + WHOLE[4000:], DAMAGED),
        (parquet(0), "columns and no rows"),
    ],
    ids=["4 bytes", "50 bytes", "without its end", "damaged in the middle", "no rows"],
)
def test_a_damaged_or_empty_parquet_file_is_a_clear_error(write, data, message):
    with pytest.raises(DataError, match=message):
        list(read_records(write("a.parquet", data), SCHEMA))


def test_a_file_that_is_not_there_or_is_a_folder_is_a_clear_error(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            list(read_records(path, SCHEMA))


def test_the_share_read_grows_to_one(tmp_path):
    (tmp_path / "a.csv").write_bytes(CSV[:17] + b"tcp,1,0.5\n" * (CHUNK // 4))
    shares = [batch.share for batch in read_records(tmp_path / "a.csv", SCHEMA)]
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] == 1
    assert read(CSV)[0].share is None


@pytest.mark.data
def test_the_published_file_reads_as_its_parquet_copy(data_folders):
    schema = datasets.get("nsl_kdd").schema
    folder = data_folders[0] / "nsl-kdd"
    text = rows(list(read_records(folder / "raw" / "KDDTest+.txt.gz", schema)))
    table = rows(list(read_records(folder / "KDDTest+.parquet", schema)))
    assert len(text) == 22_544
    assert text == table


# --- properties ---

field = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=5
)  # fmt: skip
records = st.lists(st.lists(field, min_size=1, max_size=4), min_size=1, max_size=8)


def reference(text):
    """Return the rows of three fields and the number of others, by ``csv`` alone.

    A record without a value is none, and empty fields past the third are nothing.
    """
    found = csv.reader(io.StringIO(text, newline=""), strict=True)
    cut = [r[:3] if not any(r[3:]) else r for r in found]
    given = [r for r in cut if any(f.strip(conform.SPACE) for f in r)]
    return [r for r in given if len(r) == 3], sum(len(r) != 3 for r in given)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(records, st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_any_csv_reads_as_pythons_own_reader_says(given_, quoting):
    out = io.StringIO(newline="")
    csv.writer(out, quoting=quoting, lineterminator="\n").writerows(given_)  # type: ignore[arg-type]
    words = replace(
        SCHEMA, columns=tuple(Column(name=n, kind="category") for n in SCHEMA.names)
    )
    good, n_bad = reference(out.getvalue())
    data = b"proto,bytes,rate\n" + out.getvalue().encode()
    try:
        found = read(data, words)
    except DataError:
        assert not good
        assert not n_bad
        return
    expected = [tuple(f.strip() or None for f in r) for r in good]
    got = [
        tuple(None if f is None else f.strip() or None for f in row)
        for row in rows(found)
    ]
    assert got == expected
    assert sum(len(batch.bad) for batch in found) == n_bad


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_at_all_make_it_stumble(data):
    for start in (b"", CSV, b"\x1f\x8b", b'{"proto": 1'):
        try:
            found = read(start + data)
        except DataError:
            continue
        for batch in found:
            assert len(batch.table) == len(batch.lines) == batch.given.height


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_fast_and_careful_reading_agree(data):
    cell = st.sampled_from(["tcp", "", "1", " 2", "0.5", "-", "é", "'", "#", "NULL"])
    n = data.draw(st.integers(1, 6))
    table = [[data.draw(cell) for _ in range(3)] for _ in range(n)]
    text = "".join(",".join(row) + "\n" for row in table).encode()
    block = Block(data=text, first_line=2, n_lines=n)
    dialect = Dialect(delimiter=",", names=SCHEMA.names, has_header=True)
    fast = delimited._fast(block, dialect)
    careful, rest = delimited._careful(
        block, lambda: None, dialect, Findings(), name="test"
    )
    assert rest is None
    assert fast is not None
    fast = delimited._records(fast, (), Findings())
    assert fast.frame.equals(careful.frame)
    assert fast.lines.tolist() == careful.lines.tolist()
    for i in range(fast.frame.height):
        assert fast.text(i) == careful.text(i)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=300), st.lists(st.integers(1, 40), max_size=20))
def test_lines_do_not_depend_on_how_bytes_arrive(data, sizes):
    data = data.replace(b"\0", b"").replace(b"\r", b"")
    data = data.decode("utf-8", "ignore").encode()
    assume(not any(data.startswith(magic) for magic, _, _ in form.MAGIC))
    parts, at = [], 0
    for size in sizes:
        parts.append(data[at : at + size])
        at += size
    parts = [part for part in [*parts, data[at:]] if part]
    blocks = list(lines(plain(iter(parts), name="test"), name="test")) if data else []
    text = b"".join(block.data for block in blocks)
    expected = data.removeprefix(b"\xef\xbb\xbf")
    assert text == expected + (b"\n" if expected and expected[-1:] != b"\n" else b"")
    number = 1
    for block in blocks:
        assert block.first_line == number
        number += block.n_lines


def test_a_tables_own_csv_comes_back(small_table, tmp_path):
    small_table.frame.write_csv(tmp_path / "a.csv")
    found = list(read_records(tmp_path / "a.csv", small_table.schema))
    assert pl.concat([b.table.frame for b in found]).equals(small_table.frame)


LIKE = b'{"proto":"tcp","bytes":7,"rate":0.5,"a_long_name_of_a_key":"x"}\n'
UNLIKE = [
    b'{"bytes":7,"proto":"tcp","rate":0.5,"a_long_name_of_a_key":"x"}',
    b'{"proto":"tcp","bytes":7,"rate":0.5,"a_long_name_of_b_key":"x"}',
    b'{"proto":"tcp","bytes":7,"rate":0.5,"b_long_name_of_a_key":"x"}',
    b'{"proto":"tcp","bytes":7,"rate":0.5,"a_longname_of_a_key":"x"}',
    b'{"proto":"tcp","bytes":7,"rate" :0.5,"a_long_name_of_a_key":"x"}',
    b'{"proto":"tcp","bytes":7,"bytes":8,"rate":0.5,"a_long_name_of_a_key":"x"}',
    b'{"proto":"tcp","bytes":7,"rate":0.5,"bytes":8}',
    b'{"proto":"tcp","bytes":7,"rate":0.5}',
    b'{"proto":"tcp","bytes":7,"rate":0.5,"a_long_name_of_a_key":":x"}',
    b'{"proto":"tcp","bytes":7,"rate":0.5,"a_long_name_of_a_key":"\\":"}',
    b'{"proto":"tcp","bytes":7,"rate":0.5,"a_long_name_of_a_key":"\\ud800"}',
    b'{"proto":"tcp","bytes":7,"rate":0.5,"a_long_name_of_a_key":{}}',
    b'{"proto":"tcp","bytes":7,"rate":0.5,"a_long_name_of_a_key":[]}',
    b'{"proto":"tcp","bytes":7,"rate":0.5,"\\u0061_long_name_of_a_key":"x"}',
    b' {"proto":"tcp","bytes":7,"rate":0.5,"a_long_name_of_a_key":"x"}',
    b'{ "proto":"tcp","bytes":7,"rate":0.5,"a_long_name_of_a_key":"x"}',
    b"",
    b"7",
]


@pytest.mark.parametrize("line", UNLIKE)
@pytest.mark.parametrize("before", [0, 1, 150])
def test_lines_of_other_keys_are_never_taken_for_the_same(line, before):
    same = _json_lines.same_keys(LIKE * 300, 300)
    assert same is not None
    assert list(same) == ["proto", "bytes", "rate", "a_long_name_of_a_key"]
    data = LIKE * before + line + b"\n" + LIKE * 150
    assert _json_lines.same_keys(data, before + 151) is None


def test_keys_that_even_out_over_lines_are_not_the_same():
    pair = b'{"a":1,"b":2,"a":3}\n{"b":4}\n'
    assert _json_lines.same_keys(b'{"a":1,"b":2}\n' + pair * 9, 19) is None


CELL = st.sampled_from(
    ["1", "-2.5", "1e3", "null", "true", "false", '"tcp"', '" 7 "', '"-"', '""', '"x"',
     '"true"', "6.0", "9" * 30, "9" * 400, "1e400", "[1]", '{"a":1}', '"\\u00e9"']
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_line_of_json_means_the_same_whatever_lines_stand_beside(data):
    lines = [
        f'{{"proto":{data.draw(CELL)},"bytes":{data.draw(CELL)},'
        f'"rate":{data.draw(CELL)},"more":{data.draw(CELL)}}}'
        for _ in range(data.draw(st.integers(1, 6)))
    ]

    def meaning(text, *, all_columns):
        found = read(text.encode(), format="jsonl", all_columns=all_columns)
        good = zip(where(found), map(repr, rows(found)), strict=True)
        bad = [(b.line, b.column) for batch in found for b in batch.bad]
        return sorted([*good, *bad])

    alone = [meaning(line, all_columns=False) for line in lines]
    expected = [(k, said) for k, ((_, said),) in enumerate(alone, 1)]
    for all_columns in (False, True):
        assert meaning("\n".join(lines), all_columns=all_columns) == expected


def test_a_key_twice_in_a_line_is_told_with_the_line():
    twice = LIKE.replace(b'"bytes":7', b'"bytes":7,"bytes":9')
    found = read(LIKE * 200 + twice + LIKE * 200)
    assert sum(len(batch.table) for batch in found) == 400
    (bad,) = bad_of(found)
    assert (bad.line, bad.found) == (201, "the key 'bytes' twice")


@pytest.mark.parametrize("all_columns", [False, True])
@pytest.mark.parametrize(
    "value", [rb'"\ud83d"', rb'{"y":["\ud83d"]}', rb'{"\udfff":1}']
)
def test_half_a_surrogate_pair_at_any_depth_is_a_bad_row(value, all_columns):
    odd = LIKE.replace(b'"bytes":7', b'"bytes":7,"x":' + value)
    found = read(LIKE + odd + LIKE, all_columns=all_columns)
    (bad,) = bad_of(found)
    assert bad.line == 2
    assert "half a surrogate pair" in bad.found


@pytest.mark.parametrize("shuffled", [False, True])
def test_unknown_keys_are_named_and_make_no_column(shuffled):
    more = {f"k{i}": i for i in range(900)}
    record = dict(zip(SCHEMA.names, ROWS[0], strict=True))
    texts = [json.dumps(record | more)] * 50
    if shuffled:
        texts[7] = json.dumps(more | record)
    (batch,) = read(("\n".join(texts) + "\n").encode())
    assert len(batch.table) == 50
    assert set(batch.given.columns) == set(SCHEMA.names)
    assert set(batch.unused) == set(more)
    (batch,) = read(("\n".join(texts) + "\n").encode(), all_columns=True)
    assert set(batch.given.columns) == {*more, *SCHEMA.names}
    assert set(batch.unused) == set(more)


def test_an_absent_value_is_not_null_where_all_other_lines_are_alike():
    null, absent = LIKE.replace(b"7", b"null"), LIKE.replace(b'"bytes":7,', b"")
    found = read(LIKE * 50 + null + absent + LIKE * 50)
    assert where(found)[49:52] == [50, 51, 53]
    assert [b.line for b in bad_of(found)] == [52]
