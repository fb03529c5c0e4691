"""A report in every format: whole, escaped, marked, offline."""

import base64
import dataclasses
import hashlib
import html.parser
import json
import re

import numpy as np
import pytest

from evenflow.datasets import Dataset
from evenflow.errors import DataError, StorageError
from evenflow.judge.pages import page
from evenflow.judge.pages import report as render
from evenflow.judge.pages.card import model_card
from evenflow.judge.report import Report
from evenflow.judge.tables import grid as grids
from evenflow.judge.tables import report as figures
from evenflow.prepare.split import Protocol

from ..judging import judged  # noqa: TID252 (tests are not a package)

HOSTILE = "<script>alert('x')</script>&\"|_{}$"
TRAINING = {
    "recipe": {"model": {"name": "cnn"}, "balance": {"name": "smote"}, "seed": 7},
    "recipe_sha256": "ab" * 32,
    "protocol": "official",
    "rows_shared_with_test": 12,
    "rows": {"fit": 900, "balanced": 1500},
    "class_counts": {
        "before": {"benign": 500, "dos": 300, "u2r": 3},
        "after": {"benign": 500, "dos": 500, "u2r": 500},
    },
    "history": [
        {"number": k, "loss": 1 / k, "valid_loss": 1.2 / k, "valid_macro_f1": 1 - 1 / k}
        for k in (1, 2, 3)
    ],
    "seconds": {"fit": 1.5},
    "notes": ["u2r has 3 rows: 2 neighbours"],
    "machine": {"cores": 2},
    "n_parameters": 1234,
}
VOID = {"meta", "link", "br", "img", "hr", "input"}


def make(table, unseen=("perl",), **more):
    return judged(table, **{"unseen_attacks": unseen, "training": TRAINING} | more)


@pytest.fixture(scope="module")
def report(small_table):
    return make(small_table)


@pytest.fixture(scope="module")
def written(report):
    return render.html(report)


@pytest.fixture(scope="module")
def marked(report):
    return dataclasses.replace(
        report, is_optimistic=True, is_synthetic=True, protocol="stratified"
    )


@pytest.fixture(scope="module")
def hostile(small_table):
    """A report whose every name is an attack on the page."""
    schema = small_table.schema
    classes = (*schema.classes[:3], HOSTILE, "u2r")
    renamed = dataclasses.replace(
        schema, name=HOSTILE, classes=classes, families={}, taxonomy=HOSTILE
    )
    names = small_table.attack.replace({"perl": HOSTILE})
    table = dataclasses.replace(small_table, schema=renamed, attack=names)
    training = {
        **TRAINING,
        "recipe": {"model": {"name": HOSTILE}, "balance": {"name": HOSTILE}},
        "notes": [HOSTILE],
        "class_counts": {"before": {HOSTILE: 3}, "after": {HOSTILE: 4}},
    }
    del training["rows_shared_with_test"]
    protocol = Protocol(name="x", description=HOSTILE)
    return make(table, (HOSTILE,), protocol=protocol, training=training)


class Tags(html.parser.HTMLParser):
    """Collects what a browser would see as elements and attributes."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.unbalanced, self.text = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"script", "style"}:
            self.text.append(data)


def specs(text):
    found = re.findall(
        r'<script type="application/json" class="spec">(.*?)</script>', text
    )
    return [json.loads(s) for s in found]


def test_the_page_is_well_formed_and_closes_every_element(written):
    tags = Tags(written)
    assert tags.unbalanced == []
    assert tags.open == []


def test_the_page_fetches_nothing_from_anywhere(written):
    for tag, attributes in Tags(written).seen:
        assert tag not in {"link", "img", "iframe", "object"}
        assert "src" not in attributes
        assert str(attributes.get("href", "#")).startswith("#")
    assert "@import" not in written.split("</style>")[0]
    assert "default-src 'none'" in written


def test_the_policy_names_exactly_the_scripts_of_the_page(written):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', written)[1]
    named = set(re.findall(r"'(sha256-[^']+)'", policy))
    bodies = re.findall(r"<script>(.*?)</script>", written, flags=re.DOTALL)
    hashed = {
        "sha256-" + base64.b64encode(hashlib.sha256(b.encode()).digest()).decode()
        for b in bodies
    }
    assert named == hashed
    assert len(named) == 2
    assert "unsafe-eval" not in policy
    assert "script-src 'unsafe-inline'" not in policy


def test_charts_are_specified_for_any_width_and_any_theme(written):
    found = specs(written)
    assert len(found) >= 9
    for spec in found:
        assert spec["width"] == "container"
        assert "config" not in spec
        assert spec["description"]


def test_markup_in_names_is_shown_and_not_run(hostile):
    tags = Tags(render.html(hostile))
    assert tags.unbalanced == []
    scripts = [a for tag, a in tags.seen if tag == "script"]
    plain = [a for a in scripts if not a]
    assert len(plain) == 2  # the library and the page's own
    assert HOSTILE in "".join(tags.text)
    assert not any(name.startswith("on") for _, a in tags.seen for name in a)


def test_markup_in_names_is_escaped_in_markdown_and_card(hostile):
    for text in (render.markdown(hostile), model_card(hostile)):
        assert "<script" not in text
        assert "&lt;script" in text


def test_names_with_special_characters_survive_latex(hostile):
    text = render.latex(hostile)
    assert HOSTILE not in text
    assert r"\&" in text
    assert r"\_\{\}\$" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}")


def test_an_optimistic_or_synthetic_report_says_so_in_every_format(marked):
    page_ = render.html(marked)
    assert "<title>SYNTHETIC ROWS · OPTIMISTIC PROTOCOL" in page_
    assert page_.index('class="banner"') < page_.index("<h1>")
    for spec in re.findall(r"<figcaption>.*?</figcaption>", page_)[:7]:
        assert "OPTIMISTIC" in spec
    for text in (render.text(marked), render.markdown(marked), model_card(marked)):
        first = "\n".join(text.splitlines()[:8])
        assert "Optimistic protocol" in first
        assert "Synthetic rows" in first
    for caption in re.findall(r"\\caption\{.*", render.latex(marked)):
        assert "OPTIMISTIC PROTOCOL" in caption


def test_an_honest_report_carries_no_banner(report, written):
    assert 'class="banner"' not in written
    assert figures.marks(report) == []


def test_every_figure_of_the_tables_is_the_reports_own(report):
    text = render.text(report)
    for name in ("detection_rate", "false_alarm_rate", "accuracy", "f1"):
        assert figures.percent(report.binary[name]) in text
    for value in report.multiclass["recall"].values():
        assert figures.percent(value) in text
    assert f"{report.binary['roc_auc']:.4f}" in text


def test_undefined_figures_are_called_undefined(small_table):
    benign = small_table.take(np.flatnonzero(small_table.labels == 0))
    report = make(benign, unseen=())
    for text in (render.text(report), render.markdown(report), model_card(report)):
        assert "nan" not in text.lower().replace("finance", "")
        assert "None" not in text
        assert "undefined" in text
    assert "undefined here" in render.html(report)


@pytest.mark.slow
@pytest.mark.parametrize("kept", ["benign", "attacks"])
def test_rows_of_one_side_are_reported_in_every_form(small_table, tmp_path, kept):
    is_kept = (small_table.labels == 0) == (kept == "benign")
    report = make(small_table.take(np.flatnonzero(is_kept)), unseen=())
    lines = [line for line in render.text(report).splitlines() if "undefined" in line]
    rate = "false alarm rate" if kept == "attacks" else "detection rate"
    assert any(line.startswith(rate) for line in lines)
    assert any(line.startswith("F1") for line in lines)
    assert "undefined" in render.latex(report)
    assert len(render.png(report, tmp_path)) >= 5


def test_a_report_without_a_training_is_drawn_too(small_table, tmp_path):
    report = make(small_table, training=None)
    assert "A model evaluated on small" in render.html(report)
    assert "A model evaluated on small" in render.text(report)
    assert "A detector" not in model_card(report).splitlines()[0]


def test_every_chart_is_a_valid_specification(report):
    for name, chart, alt in render.pictures(report):
        assert chart.to_dict(validate=True)["$schema"], name
        assert alt.endswith(".")


@pytest.mark.slow
def test_every_chart_becomes_a_picture(report, tmp_path):
    paths = render.png(report, tmp_path / "png", scale=1)
    assert {p.stem for p in paths} >= {
        "confusion_matrix", "roc", "precision_recall", "recall", "attack_types",
        "balancing", "training_loss", "training_macro_f1", "reliability",
    }  # fmt: skip
    for path in paths:
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size > 2_000
    assert len(list((tmp_path / "png").iterdir())) == len(paths)


def test_writing_chooses_the_format_by_ending(report, tmp_path):
    for name in ("r.json", "r.html", "r.md", "r.tex", "r.txt"):
        render.write(report, tmp_path / name)
    value = json.loads((tmp_path / "r.json").read_text())
    assert Report.from_dict(value) == report
    with pytest.raises(DataError, match=r"'\.docx'; expected one of \.json, \.html"):
        render.write(report, tmp_path / "r.docx")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        render.write(report, tmp_path / "file" / "r.html")


def test_the_card_tells_what_the_model_must_not_be_used_for(report):
    card = model_card(report)
    for words in ("Intended use", "Not intended", "## Limits", "official", "smote",
                  "recipe SHA-256", "u2r has 3 rows"):  # fmt: skip
        assert words in card


def test_the_card_names_source_terms_and_faults_of_the_data(report):
    source = Dataset(
        name="small", title="Small", load=lambda split, folders: None,
        splits=("train",), citation="A. Nobody", terms="free for research",
        caveats=("labels of May are wrong",),
    )  # fmt: skip
    card = model_card(report, source)
    for words in ("free for research", "A. Nobody", "Known fault: labels of May"):
        assert words in card


def test_the_card_finds_the_data_set_of_its_recipe(report):
    recipe = TRAINING["recipe"] | {"dataset": {"name": "nsl_kdd"}}
    training = TRAINING | {"recipe": recipe}
    found = model_card(dataclasses.replace(report, training=training))
    assert "Terms of use" in found
    assert "Known fault" in found


def compared(**grid):
    """Return the page of a comparison with one table and no chart."""
    made = grids.Grid(columns=grids.text("<h>"), rows=(("<c>",),), **grid)
    return page.render(
        "comparison.html", title='"><i>', marks=["<m>: <n>"], side_by_side=(),
        others=(), measured=[made], published=(),
    )  # fmt: skip


def test_every_place_of_a_page_escapes_what_is_no_markup():
    text = compared(title='"<t>', note="<n>")
    assert Tags(text).unbalanced == []
    for name in ("h", "c", "i", "m", "n", "t"):
        assert f"<{name}>" not in text
        assert f"&lt;{name}&gt;" in text
    assert 'aria-label="&#34;&lt;t&gt;"' in text


def test_a_page_without_charts_carries_no_script():
    text = compared(title="Plain")
    assert "<script" not in text
    assert "script-src 'none'" in text
    assert len(text) < 20_000


def test_the_contents_list_leads_to_every_section(written):
    tags = Tags(written)
    _main, *links = [a["href"][1:] for tag, a in tags.seen if tag == "a"]
    names = [a["id"] for tag, a in tags.seen if tag == "h2"]
    assert links == names
    assert len(names) == 7
