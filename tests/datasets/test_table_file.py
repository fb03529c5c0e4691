"""A user's own file: guessed aloud, described by a few lines, refused with reasons."""

import gzip

import numpy as np
import polars as pl
import pytest

from evenflow import conform, datasets
from evenflow.cli import options
from evenflow.datasets import _guess
from evenflow.errors import DataError, RecipeError
from evenflow.prepare import suspects
from evenflow.prepare.features import Preprocessor
from evenflow.recipe import Recipe

from .reading import load_file as load

CSV = """src_ip,dst_port,proto,duration,bytes,is_tls,timestamp,attack_cat,label
10.0.0.1,80,tcp,0.5,100,1,2024-01-01 00:00:00,Normal,0
10.0.0.2,443,tcp,NaN,200,1,2024-01-01 00:00:01,Normal,0
10.0.0.3,53,udp,inf,30,0,2024-01-01 00:00:02,Normal,0
10.0.0.9,22,tcp,9.5,,0,2024-01-01 00:00:03, Brute Force ,1
10.0.0.9,22, tcp ,8.5,40,0,2024-01-01 00:00:04,Brute Force,1
10.0.0.8,80,?,0.1,90,0,2024-01-01 00:00:05,DoS,1
10.0.0.8,80,tcp,0.1,90,0,2024-01-01 00:00:06,DoS,1
"""


@pytest.fixture
def file(write):
    return write("mine.csv", CSV)


def test_everything_is_guessed_and_every_guess_is_told(file):
    table, told = load(file)
    assert table.schema.names == ("proto", "duration", "bytes", "is_tls")
    assert [c.kind for c in table.schema.columns] == ["category"] + ["numeric"] * 3
    assert table.schema.classes == ("benign", "brute force", "dos")
    assert table.y.tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert table.extra.columns == ["src_ip", "dst_port", "timestamp", "label"]
    for fact in (
        "the label is the column 'attack_cat'", "label also reveals the label",
        "benign is Normal", "numbers: duration, bytes, is_tls", "categories: proto",
        "src_ip (its name",
    ):  # fmt: skip
        assert fact in told


def test_missing_and_infinite_values_survive(file):
    table, _ = load(file)
    assert np.isnan(table.frame["duration"][1])
    assert np.isinf(table.frame["duration"][2])
    assert np.isnan(table.frame["bytes"][3])
    expected = ["tcp", "tcp", "udp", "tcp", "tcp", None, "tcp"]
    assert table.frame["proto"].to_list() == expected


def test_whole_numbers_are_known_as_such(file):
    columns = {c.name: c for c in load(file)[0].schema.columns}
    assert columns["is_tls"].step == 1
    assert columns["bytes"].step == 1
    assert columns["duration"].step is None


@pytest.mark.parametrize("kind", ["gz", "parquet", "semicolon", "tsv"])
def test_every_form_of_the_file_holds_the_same_rows(file, tmp_path, kind, write):
    if kind == "gz":
        path = write("other.csv.gz", gzip.compress(CSV.encode()))
    elif kind == "parquet":
        path = tmp_path / "other.parquet"
        pl.read_csv(file, null_values=["NaN", "?", ""]).write_parquet(path)
    else:
        path = tmp_path / "other.csv"
        path.write_text(CSV.replace(",", ";" if kind == "semicolon" else "\t"))
    here, there = load(file)[0], load(path)[0]
    assert here.frame.equals(there.frame)
    assert here.y.tolist() == there.y.tolist()
    assert here.schema.columns == there.schema.columns


def test_a_small_toml_says_it_instead(file, write):
    config = write(
        "mine.toml",
        'label = "attack_cat"\nbenign = ["Normal"]\ndrop = ["label", "timestamp"]\n'
        'extra = ["is_tls"]\n[columns]\ndst_port = "category"\nsrc_ip = "extra"\n'
        '[families]\n"DoS" = "attack"\n"Brute Force" = "attack"\n',
    )
    table, told = load(file, config=str(config))
    assert table.schema.names == ("dst_port", "proto", "duration", "bytes")
    assert table.schema.classes == ("benign", "attack")
    assert set(table.attack) == {"benign", "dos", "brute force"}
    assert table.schema.class_of("dos") == "attack"
    assert table.frame["dst_port"][0] == "80"
    assert "the label is" not in told
    assert "timestamp" not in table.extra.columns


def test_the_binary_label_can_be_chosen(file):
    table, told = load(file, label="label", benign="0", drop=["attack_cat"])
    assert table.schema.classes == ("benign", "1")
    assert table.counts() == {"benign": 3, "1": 4}
    assert "guessed: the label" not in told


def test_a_file_is_also_looked_for_in_the_data_folders(file, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    table, _ = load("mine.csv", folders=[tmp_path])
    assert len(table) == 7


@pytest.mark.parametrize("benign", [0, 0.0, False, "0", [0, 7]])
@pytest.mark.parametrize("kind", ["csv", "float", "bool"])
def test_a_benign_number_is_found_however_it_is_written(tmp_path, save, benign, kind):
    path = tmp_path / ("mine.csv" if kind == "csv" else "mine.parquet")
    marks = pl.Series("label", [0, 1, 0, 1, 7, 7])
    if kind == "float":
        marks = marks.cast(pl.Float64)
    if kind == "bool":
        marks = (marks > 0).alias("label")
        benign = 0 if isinstance(benign, list) else benign
    save(pl.DataFrame([pl.Series("bytes", range(6)), marks]), path)
    table, _ = load(path, label="label", benign=benign)
    expected = {0} if not isinstance(benign, list) else {0, 7}
    assert [k == 0 for k in table.y] == [v in expected for v in marks]


def test_the_command_line_takes_a_number_for_benign(file):
    recipe = options.load(
        "table_file/lightgbm-none", [f"dataset.path={file}", "dataset.benign=0"]
    )
    assert recipe.dataset.params["benign"] == 0


def test_a_row_without_a_label_is_named_by_its_line(file):
    lines = file.read_text().splitlines()
    lines[3] = lines[3].removesuffix(",Normal,0") + ",,"
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match="line 4: found no value in the label"):
        load(file)


def test_a_count_that_was_small_in_training_may_grow(file):
    table, _ = load(file)
    later = table.frame.with_columns(is_tls=pl.lit(2.0))
    _, bad = conform.conform(table.schema, later)
    assert not bad


def test_a_second_file_judges(file, write):
    other = write("later.csv", "\n".join(CSV.splitlines()[:5]) + "\n")
    table, _ = load(file, test=str(other), split="test")
    assert table.schema.classes == ("benign", "brute force", "dos")
    assert table.counts() == {"benign": 3, "brute force": 1, "dos": 0}


def test_without_a_second_file_the_official_split_says_what_to_write(file):
    with pytest.raises(DataError, match="stratified"):
        load(file, split="test")


def test_a_test_file_may_hold_a_new_class_but_lacks_no_column(file, write):
    new = write("new.csv", CSV.replace("DoS", "Worm"))
    table, told = load(file, test=str(new), split="test")
    assert table.counts() == {"benign": 3, "brute force": 2, "dos": 0, "worm": 2}
    assert "attack types not in training: worm" in told
    new.write_text(CSV.replace("duration", "time_taken"))
    with pytest.raises(DataError, match="1 column is missing: duration"):
        load(file, test=str(new), split="test")


REFUSED = {
    "empty": ("", "is empty"),
    "blank": ("\n\n", "is empty"),
    "header only": (CSV.splitlines()[0] + "\n", "no rows"),
    "no label": (CSV.replace("attack_cat", "x1").replace("label", "x2"), "label = "),
    "one class": (CSV.replace("Brute Force", "Normal").replace("DoS", "Normal")
                  .replace(",1\n", ",0\n"),
                  "every row is benign"),
    "a column without values": (
        CSV.replace("NaN", "").replace(",inf,", ",,").replace(",0.5,", ",,")
        .replace(",9.5,", ",,").replace(",8.5,", ",,").replace(",0.1,", ",,"),
        r'drop = \["duration"\]',
    ),
    "a row without a label": (CSV.replace(",DoS,", ",,"), "line 7: found no value"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_cannot_train_is_refused_with_the_reason(case, write):
    text, reason = REFUSED[case]
    path = write("bad.csv", text)
    with pytest.raises(DataError, match=reason) as caught:
        load(path)
    assert "bad.csv" in str(caught.value) or "no column looks" in str(caught.value)


def test_a_class_of_one_row_is_taken_and_named(write):
    path = write("mine.csv", CSV.rsplit("10.0.0.8", 1)[0])
    table, told = load(path)
    assert table.counts() == {"benign": 3, "brute force": 2, "dos": 1}
    assert "classes of one row: dos" in told


def test_a_row_with_a_word_among_numbers_is_set_aside_as_score_rejects_it(write):
    rows = [f"{i},{'benign' if i % 2 else 'dos'}" for i in range(20)]
    rows[7] = "many,worm"
    path = write("bad.csv", "\n".join(["pkts,label", *rows]) + "\n")
    table, told = load(path)
    assert "rows rejected, as score rejects them: 1 of 20 (line 9)" in told
    assert "pkts: 1, first on line 9: 'many', expected a number" in told
    assert table.schema.column("pkts").kind == "numeric"
    assert (len(table), table.n_rejected) == (19, 1)
    assert table.schema.classes == ("benign", "dos"), "no row of worm is left"
    _, bad = conform.conform(table.schema, pl.read_csv(path, infer_schema=False))
    assert [b.found for b in bad] == ["'many'"]


def test_a_table_whose_rows_are_mostly_impossible_is_refused(write):
    names = [f"c{i}" for i in range(12)]
    rows = [
        ["x" if k % 20 == i else str(k) for i in range(12)]
        + ["dos" if k % 3 else "benign"]
        for k in range(100)
    ]
    lines = [",".join(row) for row in [[*names, "label"], *rows]]
    with pytest.raises(DataError, match=r"60 rows of 100 .*first: line 2, column c0"):
        load(write("bad.csv", "\n".join([*lines, ""])))


def test_a_column_of_words_is_no_column_of_numbers_whatever_the_toml_says(write):
    text = "pkts,x,label\n1,a,benign\ntwo,b,benign\nthree,c,dos\n4,d,dos\n"
    path = write("bad.csv", text)
    config = write("c.toml", '[columns]\npkts = "numeric"\n')
    with pytest.raises(DataError, match="pkts: found 2 values .*line 3: .two"):
        load(path, config=str(config))


def test_a_parquet_file_cut_short_is_named(file, tmp_path):
    path = tmp_path / "cut.parquet"
    pl.read_csv(file).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="truncated or damaged"):
        load(path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_file_that_may_not_be_read_is_not_called_damaged(file, monkeypatch, suffix):
    def refuse(*_args, **_more):
        raise PermissionError(13, "Permission denied")

    path = file.rename(file.with_suffix(suffix))
    for name in ("read_csv", "read_parquet"):
        monkeypatch.setattr(pl, name, refuse)
    with pytest.raises(DataError, match="Permission denied.*may read"):
        load(path)


def test_a_gzip_file_cut_short_is_named(write):
    with pytest.raises(DataError, match="truncated"):
        load(write("cut.csv.gz", gzip.compress(CSV.encode())[:-9]))


def test_a_binary_file_is_no_table(write):
    with pytest.raises(DataError):
        load(write("capture.csv", bytes(range(256)) * 40))


def test_nested_columns_are_refused(tmp_path):
    path = tmp_path / "nested.parquet"
    pl.DataFrame({"a": [[1], [2]], "label": ["benign", "x"]}).write_parquet(path)
    with pytest.raises(DataError, match="column a"):
        load(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match="nothere.csv does not exist"):
        load(tmp_path / "nothere.csv")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('lable = "x"', "label"),
        ("label = ", "not TOML"),
        ('[columns]\nproto = "word"', "'category'"),
        ('label = "nope"', "no column 'nope'"),
        ('drop = ["protoo"]', "proto"),
        ('benign = "Nrmal"', "Normal"),
        ('[families]\n"DoSS" = "x"', "DoS"),
        ('[families]\n"Normal" = "x"', "means benign"),
    ],
)
def test_a_mistake_in_the_toml_is_named(file, text, reason, write):
    config = write("c.toml", text)
    with pytest.raises((RecipeError, DataError), match=reason):
        load(file, config=str(config))


def test_a_recipe_can_name_a_users_file(file):
    given = {"name": "table_file", "path": str(file)}
    recipe = Recipe.from_dict({"dataset": given | {"label": "label"}, "model": "dnn"})
    assert recipe.dataset.params["label"] == "label"
    with pytest.raises(RecipeError, match="benign"):
        Recipe.from_dict({"dataset": given | {"bening": 1}, "model": "dnn"})


IDENTIFIERS = (
    "id", "flow_id", "Src IP", "src_ip", "Dst Port", "Source Port", "saddr", "dport",
    "pkSeqID", "Timestamp", "stime", "id.orig_h", "IPV4_SRC_ADDR", "Unnamed: 0",
    "src_mac", "start_time", "sport",
)  # fmt: skip
FEATURES = (
    "duration", "bytes", "src_bytes", "flag", "rate", "dst_host_count", "proto",
    "service", "idle_mean", "support", "timeout", "ttl", "valid", "strip",
)  # fmt: skip


@pytest.mark.parametrize("name", [*IDENTIFIERS, *FEATURES])
def test_identifiers_are_known_by_name_and_features_not_taken_for_them(name):
    kind = "extra" if name in IDENTIFIERS else "numeric"
    assert _guess.kind_of(pl.Series(name, [1, 2, 3])).kind == kind


@pytest.mark.parametrize("value", ["10.1.2.3", "fe80::1", "aa:bb:cc:dd:ee:ff"])
def test_addresses_are_known_by_value(value):
    assert _guess.kind_of(pl.Series("peer", [value] * 5)).kind == "extra"


def test_a_column_of_very_many_words_is_no_feature():
    words = pl.Series("url", [f"/page/x{i}" for i in range(500)])
    assert _guess.kind_of(words).kind == "extra"


def test_a_dash_is_a_missing_value(write):
    text = "bytes,service,label\n-,-,benign\n1,-,benign\n2,dns,x\n3,dns,x\n"
    table, _ = load(write("zeek.csv", text))
    assert np.isnan(table.frame["bytes"][0])
    assert table.frame["service"].to_list() == [None, None, "dns", "dns"]


def test_a_quoted_name_may_hold_the_separator(write):
    text = '"bytes, all",label\n1,benign\n2,benign\n3,"x, y"\n4,"x, y"\n'
    table, _ = load(write("quoted.csv", text))
    assert table.schema.names == ("bytes, all",)
    assert table.schema.classes == ("benign", "x, y")


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_file_scored_as_it_is_gives_the_matrix_that_trained(file, tmp_path, kind):
    table, _ = load(file)
    raw = pl.read_csv(file, infer_schema=False)
    if kind == "parquet":
        raw = pl.read_csv(file, null_values=["NaN", "?", ""])
    rows, bad = conform.conform(table.schema, raw)
    prepared = Preprocessor.fit(table, min_category_rows=1)
    assert not bad
    np.testing.assert_array_equal(prepared.transform(rows), prepared.transform(table))


def labelled(n=1_200, **columns):
    """Return a frame of flows with a label of words and further columns."""
    rng = np.random.default_rng(0)
    label = rng.choice(["Normal", "ddos", "scan"], n, p=[0.6, 0.25, 0.15])
    frame = pl.DataFrame(
        {"dur": rng.exponential(size=n), "bytes": rng.lognormal(6, 1, n)}
    )
    made = {name: make(label, rng) for name, make in columns.items()}
    return frame.with_columns(Label=pl.Series(label), **made)


def load_frame(frame, folder, **params):
    frame.write_csv(folder / "t.csv")
    return load(folder / "t.csv", **params)


def is_attack(label, _rng):
    return (label != "Normal").astype(int)


TWINS = [
    is_attack,
    lambda label, rng: np.where(label == "Normal", "fine", "bad"),
    lambda label, rng: np.char.add("the ", label.astype(str)),
]


@pytest.mark.parametrize("name", [
    "Attack_label", "is_anomaly", "binary_label", "label_binary", "Label.1",
    "label (2)", "Attempted Category", "difficulty", "level", "Traffic", "isMalicious",
])  # fmt: skip
@pytest.mark.parametrize("given", [None, "Label"])
def test_a_second_label_by_name_is_no_feature(tmp_path, name, given):
    frame = labelled(90, **{name: lambda label, rng: rng.integers(0, 2, 90)})
    table, told = load_frame(frame, tmp_path, label=given)
    assert table.schema.names == ("dur", "bytes")
    assert f"{name} also reveals the label, so it is not used as a feature" in told
    assert name in table.extra.columns


@pytest.mark.parametrize("twin", [
    *TWINS, lambda label, rng: (label != "Normal") * rng.integers(1, 9, len(label)),
])  # fmt: skip
def test_a_second_label_by_its_values_is_no_feature(tmp_path, twin):
    table, told = load_frame(labelled(vibe=twin), tmp_path)
    assert table.schema.names == ("dur", "bytes")
    assert "vibe alone tells attack from benign" in told
    assert "name it under [columns]" in told
    assert table.extra.columns == ["vibe"]


@pytest.mark.parametrize("n", [50, 90, 999])
@pytest.mark.parametrize("twin", TWINS)
def test_a_second_label_in_few_rows_stays_with_a_warning(tmp_path, twin, n):
    path, told = tmp_path / "t.csv", []
    labelled(n, vibe=twin).write_csv(path)
    table = datasets.load("table_file", "train", path=str(path), on_event=told.append)
    assert table.schema.names == ("dur", "bytes", "vibe")
    (warning,) = [note.text for note in told if note.is_warning]
    assert f"In all {n} rows vibe tells attack from benign as a label does" in warning
    assert 'drop = ["vibe"]' in warning
    assert 'drop = ["vibe"]' in suspects.warnings(table)["single columns"]


@pytest.mark.parametrize("column", [
    lambda label, rng: rng.permutation(len(label)),
    lambda label, rng: (label != "Normal") ^ (np.arange(len(label)) == 3),
    lambda label, rng: np.where(label == "Normal", 0, np.arange(len(label)) + 1),
])  # fmt: skip
def test_a_column_with_an_error_or_of_single_values_is_no_second_label(
    tmp_path, column
):
    path, told = tmp_path / "t.csv", []
    labelled(90, vibe=column).write_csv(path)
    table = datasets.load("table_file", "train", path=str(path), on_event=told.append)
    assert "vibe" in table.schema.names
    assert not [note for note in told if note.is_warning]


def test_a_column_that_the_user_names_stays_a_feature(tmp_path, write):
    config = write("t.toml", '[columns]\nlevel = "numeric"\n')
    frame = labelled(level=lambda label, rng: rng.integers(0, 5, len(label)))
    table, _ = load_frame(frame, tmp_path, config=str(config))
    assert table.schema.names == ("dur", "bytes", "level")


def test_a_table_of_label_twins_only_is_refused(tmp_path):
    frame = labelled(vibe=is_attack).select("vibe", "Label")
    with pytest.raises(DataError, match="no other feature is left"):
        load_frame(frame, tmp_path)


@pytest.mark.parametrize("name", ["ts", "No.", "frame.time_epoch", "", "Unnamed: 0"])
def test_identifiers_of_usual_tools_are_no_features(tmp_path, name):
    frame = labelled(90, k=lambda label, rng: rng.random(90)).rename({"k": name})
    table, told = load_frame(frame, tmp_path)
    assert table.schema.names == ("dur", "bytes")
    assert "its name is that of an identifier" in told
