"""What trains also scores: one reader, so each form of a table gives the same rows."""

import bz2
import gzip
import lzma
import zipfile

import polars as pl
import pytest

from evenflow.errors import DataError, RecipeError
from evenflow.prepare.explore import explore
from evenflow.prepare.features import Preprocessor
from evenflow.recipe import Recipe
from evenflow.runtime.records import read_records
from evenflow.text.raw import Findings

from .reading import load_file as load

N = 40
HEADER = "dur,proto,is_long,pkts,zone,label"
CLEAN = "\n".join(
    [HEADER]
    + [
        f"{i / 4},{'tcp' if i % 3 else 'udp'},{'true' if i % 2 else 'false'},{i},"
        f"{'süd' if i % 5 else 'nord'},{'benign' if i % 4 else 'scan – fast'}"
        for i in range(N)
    ]
    + [""]
)


def scored(path, schema):
    """Return the rows that a model of the schema is given, and the reader's notes."""
    findings = Findings()
    batches = list(read_records(path, schema, findings=findings))
    assert not [bad for batch in batches for bad in batch.bad]
    return pl.concat([batch.table.frame for batch in batches]), findings


def with_blank_lines(text):
    lines = text.splitlines()
    lines[3:3] = ["", "  ", ",,,,,", " , ,,, ,"]
    return "\n".join(["", *lines, "", ",,,,,", ""])


def repeated_header(text):
    lines = text.splitlines()
    return "\n".join([*lines[:9], lines[0], *lines[9:], ""])


FORMS = {
    "cp1252": (lambda t: t.encode("cp1252"), "Windows-1252"),
    "utf16": (lambda t: t.encode("utf-16"), "UTF-16"),
    "utf16_no_mark": (lambda t: t.encode("utf-16-le"), "UTF-16"),
    "utf16_be": (lambda t: b"\xfe\xff" + t.encode("utf-16-be"), "UTF-16"),
    "mark": (lambda t: b"\xef\xbb\xbf" + t.encode(), ""),
    "crlf": (lambda t: t.replace("\n", "\r\n").encode(), ""),
    "cr": (lambda t: t.replace("\n", "\r").encode(), ""),
    "cr_cp1252": (lambda t: t.replace("\n", "\r").encode("cp1252"), "Windows-1252"),
    "no_end": (lambda t: t.rstrip("\n").encode(), ""),
    "gzip": (lambda t: gzip.compress(t.encode()), ""),
    "gzip_cp1252": (lambda t: gzip.compress(t.encode("cp1252")), "Windows-1252"),
    "semicolon": (lambda t: t.replace(",", ";").encode(), ""),
    "bar": (lambda t: t.replace(",", "|").encode(), ""),
    "tab": (lambda t: t.replace(",", "\t").encode(), ""),
    "sep": (lambda t: ("sep=;\r\n" + t.replace(",", ";")).encode(), ""),
    "blank": (lambda t: with_blank_lines(t).encode(), "skipped"),
    "blank_crlf": (
        lambda t: with_blank_lines(t).replace("\n", "\r\n").encode(), "skipped"
    ),
    "header_again": (lambda t: repeated_header(t).encode(), "repeat the header"),
    "trailing": (lambda t: t.replace("\n", ",\n").encode(), "ends in a separator"),
    "trailing_rows": (
        lambda t: t.replace("\n", ",\n").replace("label,", "label").encode(), ""
    ),
    "trailing_header": (lambda t: t.replace("label", "label,").encode(), "separator"),
    "blank_names": (
        lambda t: t.replace(HEADER, " dur , proto,is_long ,pkts, zone, label").encode(),
        "",
    ),
    "quoted": (
        lambda t: t.replace(HEADER, '"dur","proto","is_long","pkts","zone","label"')
        .replace("nord", '"nord"').encode(), ""
    ),
    "True": (
        lambda t: t.replace("true", "True").replace("false", "FALSE").encode(), ""
    ),
    "t_f": (lambda t: t.replace("true", "T").replace("false", "F").encode(), ""),
}  # fmt: skip


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    path = tmp_path_factory.mktemp("clean") / "clean.csv"
    path.write_text(CLEAN)
    return load(path)[0]


@pytest.mark.parametrize(
    ("form", "name"),
    [*((form, "x.csv") for form in FORMS), ("gzip", "x.txt"), ("gzip", "x.parquet"),
     ("utf16", "x.gz"), ("cr", "x.pq"), ("cp1252", "x")],
)  # fmt: skip
def test_each_form_trains_and_scores_the_same_rows(tmp_path, clean, form, name):
    write, noted = FORMS[form]
    path = tmp_path / name
    path.write_bytes(write(CLEAN))
    table, notes = load(path)
    assert table.frame.equals(clean.frame)
    assert table.schema.columns == clean.schema.columns
    assert table.schema.classes == clean.schema.classes == ("benign", "scan - fast")
    assert table.y.tolist() == clean.y.tolist()
    assert noted in notes
    rows, findings = scored(path, clean.schema)
    assert rows.equals(clean.frame)
    if noted and "separator" not in noted:
        assert noted in " ".join(findings.notes())


def test_true_and_false_are_one_column_in_csv_and_parquet(tmp_path, clean, write):
    path = write("x.csv", CLEAN)
    typed = pl.read_csv(path)
    assert typed["is_long"].dtype == pl.Boolean
    typed.write_parquet(tmp_path / "x.parquet")
    table, _ = load(tmp_path / "x.parquet")
    assert table.schema.columns == clean.schema.columns
    for trained in (table, clean):
        for file in ("x.csv", "x.parquet"):
            assert scored(tmp_path / file, trained.schema)[0].equals(clean.frame)


def test_parquet_is_known_by_content(tmp_path, clean, write):
    source = write("x.csv", CLEAN)
    pl.read_csv(source).write_parquet(tmp_path / "table.csv.gz")
    assert load(tmp_path / "table.csv.gz")[0].frame.equals(clean.frame)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_column_name_that_comes_again_has_one_number_everywhere(
    tmp_path, suffix, write
):
    text = CLEAN.replace(HEADER, "dur,pkts, is_long,pkts,pkts ,label")
    path = write("x.csv", text)
    if suffix == "parquet":
        frame = pl.read_csv(path, has_header=False, skip_rows=1, infer_schema=False)
        frame.columns = ["dur", "pkts", " is_long", "pkts.1", "pkts ", "label"]
        path = tmp_path / "x.parquet"
        frame.write_parquet(path)
    table, notes = load(path)
    assert table.schema.names == ("dur", "pkts", "is_long", "pkts.1", "pkts.2")
    assert ("pkts.1, pkts.2" in notes) == (suffix == "csv")
    assert scored(path, table.schema)[0].equals(table.frame)


def xz(path):
    path.write_bytes(lzma.compress(CLEAN.encode()))


def zipped(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.csv", CLEAN)


def line(n, text):
    def write(path):
        lines = CLEAN.splitlines()
        lines[n - 1] = text
        path.write_text("\n".join(lines) + "\n")

    return write


def start(text):
    return lambda path: path.write_bytes(
        text if isinstance(text, bytes) else text.encode()
    )


NAMED = {
    "zip": (zipped, "found a zip archive"),
    "xz": (xz, "found xz data.*xz -d"),
    "bzip2": (start(bz2.compress(CLEAN.encode())), "found bzip2 data"),
    "zstd": (start(b"\x28\xb5\x2f\xfd" + b"x" * 99), "found zstd data"),
    "arff": (start("% made by Weka\n\n@RELATION x\n@data\n1,2\n"), "an ARFF file"),
    "html": (start("<!DOCTYPE html><html>404</html>\n"), "a page of HTML"),
    "pcap": (start(b"\xd4\xc3\xb2\xa1" + b"\0" * 99), "a packet capture.*flows first"),
    "zeek": (start("#separator \\x09\n#fields\tts\tuid\n1\t2\n"), "a Zeek log"),
    "lfs": (start("version https://git-lfs.github.com/spec/v1\noid x\n"), "Git LFS"),
    "too_many": (line(9, "1,tcp,true,3,süd,benign,9,9"), "line 9: found 8 fields.* 6"),
    "too_few": (line(9, "1,tcp"), "line 9: found 2 fields, expected 6"),
    "comment": (line(9, "# the second day"), "line 9: found a comment"),
    "neither": (
        start(CLEAN.encode() + b"1,\x81,true,3,x,benign\n"), "0x81 on line 42"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NAMED)
@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz"])
def test_what_cannot_be_read_is_named_in_training_and_in_scoring(
    tmp_path, clean, case, name
):
    write, message = NAMED[case]
    path = tmp_path / name
    write(path)
    with pytest.raises(DataError, match=message) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    if case in ("too_many", "too_few", "comment"):
        (batch,) = read_records(path, clean.schema)
        assert [b.line for b in batch.bad] == [9]
        assert len(batch.table) == N - 1
        return
    if case == "pcap":  # scoring reads captures, for models of connections
        message = "the model reads columns that connections do not give"
    with pytest.raises(DataError, match=message):
        list(read_records(path, clean.schema))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# made on Monday\n" + CLEAN, "line 1: found a comment"),
        ("words only\nmore words\n", "is one field"),
        ('{"dur": 1, "label": "x"}\n', "found JSON"),
        ("[1, 2]\n", "found JSON"),
        (CLEAN.split("\n", 1)[1], "line 1: found values .'0.0'.*header = "),
        ("0.5,tcp,-,attack\n0.5,udp,1,label\n", "line 1: found values"),
        ("1,label\n2,class\n", "line 1: found values"),
    ],
)
def test_a_first_line_that_names_no_columns_is_named_for_what_it_is(
    text, message, write
):
    with pytest.raises(DataError, match=message):
        load(write("x.csv", text))


def test_the_names_of_a_file_without_a_header_are_given(clean, write):
    path = write("x.csv", CLEAN.split("\n", 1)[1])
    table, _ = load(path, header=HEADER.split(","))
    assert table.frame.equals(clean.frame)
    assert scored(path, table.schema)[0].equals(clean.frame)
    config = write("c.toml", f"header = {HEADER.split(',')}\n")
    assert load(path, config=str(config))[0].frame.equals(clean.frame)
    with pytest.raises(DataError, match="6 fields and header has 2 names"):
        load(path, header=["a", "b"])


def test_a_number_among_the_names_of_columns_is_a_name(clean, write):
    path = write("x.csv", CLEAN.replace("pkts", "443"))
    assert load(path)[0].schema.names == ("dur", "proto", "is_long", "443", "zone")


def test_parquet_inside_gzip_is_named(tmp_path, clean):
    path = tmp_path / "x.parquet"
    clean.frame.write_parquet(path)
    path.write_bytes(gzip.compress(path.read_bytes()))
    for read in (load, lambda path: list(read_records(path, clean.schema))):
        with pytest.raises(DataError, match="Parquet inside gzip"):
            read(path)


def test_names_that_count_are_a_header_and_the_label_may_be_one(clean, write):
    path = write("x.csv", CLEAN.replace(HEADER, "0,1,2,3,4,5"))
    table, _ = load(path, label=5)
    assert table.schema.names == ("0", "1", "2", "3", "4")
    assert len(table) == N
    table, _ = load(path, label=5, drop=[0, "4"])
    assert table.schema.names == ("1", "2", "3")
    dataset = {"name": "table_file", "path": str(path), "label": 5}
    recipe = Recipe.from_dict({"dataset": dataset, "model": "dnn"})
    assert recipe.dataset.params["label"] in (5, "5")


KDD = (
    "0,tcp,http,SF,215,45076,0,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0,1,1,0.00,0.00,0.00,0.00,"
    "1.00,0.00,0.00,0,0,0.00,0.00,0.00,0.00,0.00,0.00,0.00,0.00,{}\n"
)
UNSW = (
    "192.0.2.1,{port},198.51.100.6,{port},udp,CON,0.001055,132,164,31,29,0,0,dns,"
    "500473.9,621800.9,2,2,0,0,0,0,66,82,0,0,0,0,1421927414,1421927414,0.017,0.013,"
    "0,0,0,0,0,{n},{n},{n},3,7,1,3,1,1,1,{cat},{label}\r\n"
)


@pytest.mark.parametrize("tail", ["", ",21"])
@pytest.mark.parametrize("dot", ["", "."])
def test_kdd_and_nsl_kdd_need_no_header(write, tail, dot):
    labels = ["land", "normal", "smurf"] * 2  # land is also the name of a column
    text = "".join(KDD.format(f"{w}{dot}{tail}") for w in labels)
    path = write("kdd.data", text)
    table, notes = load(path)
    assert "KDD Cup 99 or NSL-KDD" in notes
    assert table.counts() == {"benign": 2, "land": 2, "smurf": 2}
    assert len(table.schema.names) == 41
    assert table.schema.names[:2] == ("duration", "protocol_type")
    assert scored(path, table.schema)[0].equals(table.frame)


def test_the_difficulty_of_nsl_kdd_is_no_feature_under_any_name(write):
    rows = "".join(map(KDD.format, ["normal,21", "smurf,3"] * 2))
    for name in ("difficulty", "level", "Difficulty Level", "difficulty_level"):
        header = ",".join(f"f{i}" for i in range(41)) + f",attack,{name}\n"
        table, _ = load(write("kdd.csv", header + rows))
        assert table.schema.names == tuple(f"f{i}" for i in range(41))


def test_raw_unsw_nb15_needs_no_header(write):
    rows = [
        ("1390", "", 0), ("0x000b", "", 0), ("-", "", 0), ("53", " Fuzzers ", 1),
        ("53", "Fuzzers", 1), ("53", "Backdoors", 1), ("53", "Backdoor", 1),
    ]  # fmt: skip
    text = "".join(
        UNSW.format(port=p, cat=c, label=n, n=" " if i % 2 else "0")
        for i, (p, c, n) in enumerate(rows)
    )
    path = write("UNSW-NB15_1.csv", b"\xef\xbb\xbf" + text.encode())
    table, _ = load(path)
    assert table.counts() == {"benign": 3, "backdoor": 2, "fuzzers": 2}
    assert table.extra["srcip"][0] == "192.0.2.1"
    assert table.extra["sport"].to_list() == ["1390", "11", None, *["53"] * 4]
    assert {"Label", "Stime", "Ltime", "dstip", "dsport"} <= set(table.extra.columns)
    assert table.frame["ct_ftp_cmd"].is_nan().arg_true().to_list() == [1, 3, 5]
    assert scored(path, table.schema)[0].equals(table.frame)


EUROPEAN = CLEAN.replace(",", ";")
for _i in range(N):
    EUROPEAN = EUROPEAN.replace(f"\n{_i / 4};", f"\n{_i / 4:.2f};".replace(".", ","))
EUROPEAN = EUROPEAN.replace("\n9,75;", "\n1.009,75;")


def test_decimal_commas_are_read_where_asked_for_and_refused_with_the_way(write):
    path = write("x.csv", EUROPEAN)
    with pytest.raises(DataError, match="x.csv.*line 2, column dur.*'0,00'.*decimal ="):
        load(path)
    table, _ = load(path, decimal=",")
    assert table.frame["dur"].to_list() == [*(i / 4 for i in range(39)), 1009.75]
    assert scored(path, table.schema)[0].equals(table.frame)
    plain = write("plain.csv", CLEAN)
    (batch,) = read_records(plain, table.schema)
    assert len(batch.bad) == N, "0.25 is no number there, rather than 25"


def labelled(name, values):
    """Return a text of one column and a label."""
    lines = [f"{x},{'scan' if i % 4 else 'benign'}" for i, x in enumerate(values)]
    return "\n".join([f"{name},label", *lines, ""])


def test_marks_between_thousands_are_read_where_asked_for(write):
    big = [f'"{1_000 * (i + 1):,}"' for i in range(N)]
    path = write("x.csv", labelled("bytes", big))
    with pytest.raises(DataError, match='thousands = "," makes it 1000'):
        load(path)
    table, _ = load(path, thousands=",")
    assert table.frame["bytes"].to_list() == [1_000 * (i + 1) for i in range(N)]
    assert scored(path, table.schema)[0].equals(table.frame)
    with pytest.raises(RecipeError, match="are both"):
        load(path, thousands=",", decimal=",")


def test_a_message_about_marks_says_which_were_named(write):
    path = write("x.csv", labelled("rate", [f"{i}.25" for i in range(N)]))
    with pytest.raises(DataError, match=r"the decimal mark ',' and the mark '\.' betw"):
        load(path, decimal=",")


def test_a_few_numbers_with_marks_are_never_set_aside_in_silence(write):
    path = write("x.csv", labelled("bytes", [*range(N - 1), "9.999.999"]))
    with pytest.raises(DataError, match=f"line {N + 1}.*'9.999.999'"):
        load(path)


def test_a_row_with_an_address_among_byte_counts_is_set_aside(write):
    rows = ["35,-,T,0,normal", "0,dns,-,1,scan", "0.0.0.0,-,F,1,scan", "7,-,-,0,normal"]
    path = write("ton.csv", "\n".join(["src_bytes,service,AA,label,type", *rows, ""]))
    table, notes = load(path)
    assert "1 of 4 (line 4). src_bytes: 1, first on line 4: '0.0.0.0'" in notes
    assert [c.kind for c in table.schema.columns] == ["numeric", "category", "numeric"]
    assert table.frame["service"].to_list() == [None, "dns", None]
    (batch,) = read_records(path, table.schema)
    assert [(b.line, b.column) for b in batch.bad] == [(4, "src_bytes")]


@pytest.mark.parametrize("given", ["pkts", "proto", "label"])
@pytest.mark.parametrize("name", ["__row", "n", "count", "row", "value", "attack_"])
def test_a_column_may_have_a_name_that_we_use_inside(given, name, write):
    path = write("x.csv", CLEAN.replace(given, name))
    table, _ = load(path, label=name if given == "label" else "label")
    prepared = Preprocessor.fit(table)
    rows = scored(path, table.schema)[0]
    assert rows.equals(table.frame)
    assert prepared.transform(table).shape[0] == N
    assert explore(table, split="train").to_text()
