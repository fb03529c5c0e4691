"""Promises about the pages of models: every figure with its protocol, nothing run."""

import hashlib
import json
import shutil
import time
from itertools import permutations
from urllib.parse import quote

import numpy as np
import polars as pl
import pytest
from markupsafe import escape

import evenflow
from evenflow import Recipe
from evenflow.web.models import markdown
from evenflow.web.store.tables import Audit

HOSTILE = "<img src=x onerror=alert(1)>"


def edited(settings, name, file="report.json", change=lambda text: text):
    """Copy the small bundle under a name, one of its files changed and summed anew."""
    folder = settings.home / "bundles" / name
    shutil.copytree(settings.home / "bundles" / "small", folder)
    path = folder / file
    path.write_text(change(path.read_text()))
    sums = folder / "SHA256SUMS"
    names = [line.split("  ", 1)[1] for line in sums.read_text().splitlines()]
    found = {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in names}
    sums.write_text("".join(f"{sha256}  {n}\n" for n, sha256 in found.items()))
    return name


def with_report(**changes):
    return lambda text: json.dumps(json.loads(text) | changes)


def test_the_list_shows_figures_with_their_protocol_and_what_is_made_up(viewer):
    page = viewer.get("/models").text
    assert "small" in page
    assert "official" in page
    assert "synthetic" in page
    assert ">active<" in page


@pytest.mark.parametrize("key", ["name", "accuracy", "size", "made_at", "model"])
def test_the_list_is_sorted_both_ways(viewer, settings, key):
    def worse(text):
        report = json.loads(text)
        report["binary"]["accuracy"] = 0.01
        return json.dumps(report)

    low = edited(settings, "aaa")
    edited(settings, "zzz", change=worse)
    up = viewer.get(f"/models?sort={key}").text
    down = viewer.get(f"/models?sort=-{key}").text
    for page in (up, down):
        assert f">{low}</a>" in page
    if key == "name":
        assert up.index(">aaa</a>") < up.index(">zzz</a>")
        assert down.index(">zzz</a>") < down.index(">aaa</a>")
    if key == "accuracy":
        assert up.index(">zzz</a>") < up.index(">aaa</a>")
        assert down.index(">aaa</a>") < down.index(">zzz</a>")


def test_an_unknown_order_is_no_error(viewer):
    assert viewer.get("/models?sort=%00evil").status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("report.json", lambda _: "not json"),
        ("report.json", lambda _: "{}"),
        ("report.json", with_report(binary=None)),
        ("report.json", with_report(binary={"accuracy": "high"})),
        ("report.json", with_report(curves=[])),
        ("report.json", with_report(confusion={"labels": ["a"], "matrix": [[1, 2]]})),
        ("report.json", with_report(attacks=[{"type": "x"}])),
        ("report.json", with_report(leaks=[1])),
        ("report.json", with_report(training=[1])),
        ("report.json", with_report(training={"history": [{"number": "x"}]})),
        ("report.json", with_report(calibration={"bins": "x", "ece": 1, "brier": 1})),
        ("report.json", with_report(intervals={"level": 0.95})),
        ("report.json", with_report(dataset={"a": 1}, notes=3)),
        ("recipe.json", lambda _: "[]"),
        ("recipe.json", lambda _: '{"model": 3, "title": ["x"]}'),
        ("manifest.json", lambda _: '{"format": 1}'),
        ("card.md", lambda _: "|\n- \n> \n#\n||\n|-|\n" * 3),
    ],
)
def test_whatever_a_bundle_holds_no_page_of_it_fails(viewer, settings, file, change):
    name = edited(settings, "odd", file, change)
    views = [f"?view={view}" for view in ("figures", "classes", "training", "card")]
    files = ["/report.html", "/tables.tex", "/recipe.toml"]
    of_it = [f"/models/{name}{more}" for more in (*views, *files)]
    for url in ("/models", f"/models/compare?a=small&b={name}", *of_it):
        assert viewer.get(url).status_code < 500, url


def test_a_changed_file_is_told_and_the_others_are_still_listed(viewer, settings):
    shutil.copytree(settings.home / "bundles" / "small", settings.home / "bundles/bad")
    (settings.home / "bundles/bad/card.md").write_text("changed")
    page = viewer.get("/models").text
    assert "Cannot be used" in page
    assert "card.md was changed" in page
    assert "/models/small" in page
    shown = viewer.get("/models/bad").text
    assert "cannot be read" in shown
    assert str(settings.home) not in page + shown


def test_a_folder_without_a_manifest_and_an_unfinished_training(viewer, settings):
    (settings.home / "bundles" / "empty").mkdir()
    (settings.home / "bundles" / "new.partial").mkdir()
    page = viewer.get("/models").text
    assert "empty" in page
    assert "new.partial" not in page


def test_a_name_that_is_markup_is_shown_and_not_run(settings, admin):
    name = edited(settings, '<b onclick="x">\'"&')
    quoted = quote(name, safe="")
    for more in ("", f"/{quoted}", f"/compare?more=small&more={quoted}"):
        url = f"/models{more}"
        answer = admin.get(url, expect=200)
        assert "<b onclick" not in answer.text
        assert str(escape(name)) in answer.text


def test_a_name_that_is_no_text_is_listed(viewer, settings):
    raw = bytes(settings.home / "bundles") + b"/odd-\xff"
    shutil.copytree(bytes(settings.home / "bundles" / "small"), raw)
    answer = viewer.get("/models", expect=200)
    assert "odd-?" in answer.text


def test_class_names_that_are_markup_are_shown_and_not_run(viewer, settings):
    def change(text):
        report = json.loads(text.replace('"dos"', json.dumps(HOSTILE)))
        counts = json.loads(text)["training"]["class_counts"]
        report["training"]["class_counts"] = counts  # the classes of the manifest
        return json.dumps(report)

    edited(settings, "hostile", change=change)
    for view in ("figures", "classes", "training"):
        page = viewer.get(f"/models/hostile?view={view}").text
        assert "<img src=x" not in page
    assert str(escape(HOSTILE)) in viewer.get("/models/hostile?view=classes").text
    compared = viewer.get("/models/compare?a=small&b=hostile").text
    assert "<img src=x" not in compared


def test_a_card_that_holds_markup_is_shown_and_not_run(viewer, settings):
    edited(settings, "card", "card.md", lambda t: f"{t}\n\n{HOSTILE}\n<script>x\n")
    page = viewer.get("/models/card?view=card").text
    assert "<img src=x" not in page
    assert "<script>x" not in page
    assert str(escape(HOSTILE)) in page


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("# One\n\ntwo **three**", "<h2>One</h2>\n<p>two <strong>three</strong></p>"),
        ("- a\n  b\n- `c`", "<ul>\n<li>a\nb</li>\n<li><code>c</code></li>\n</ul>"),
        ("> **!**", "<blockquote>\n<p><strong>!</strong></p>\n</blockquote>"),
        ("> <x>", "<blockquote>\n<p>&lt;x&gt;</p>\n</blockquote>"),
        ("a &lt;b> [c](javascript:d)", "<p>a &lt;b&gt; [c](javascript:d)</p>"),
        ("**<b>**", "<p><strong>&lt;b&gt;</strong></p>"),
        ("{0} %s {{ x }}", "<p>{0} %s {{ x }}</p>"),
    ],
)
def test_markdown_becomes_markup_in_which_nothing_runs(text, wanted):
    assert markdown.to_html(text).strip() == wanted


def test_a_markdown_table_keeps_its_cells():
    html = markdown.to_html("| a | b |\n| --- | --- |\n| 1 \\| 2 | <x> |\n")
    assert '<th scope="col">a</th>' in html
    assert '<th scope="row">1 | 2</th>\n<td>&lt;x&gt;</td>' in html
    assert 'aria-label=", table 1"' in html


LONG = {
    "a rule that is none": "|a|\n|" + "-" * 90_000 + "x",
    "rules that are none": ("|a|\n|" + "-" * 900 + "x\n\n") * 4_000,
    "bars": "|" * 4_000_000,
    "tables under a long heading": f"# {'h' * 2_000}\n" + "\n|a|\n|-|\n" * 300_000,
    "a table under a long heading": f"# {'h' * 2_000}\n\n" + "|a|\n|-|\n" * 300_000,
    "stars": "*" * 4_000_000,
    "half-open strong": "**a " * 1_000_000,
    "half-open code": "`a" * 2_000_000,
    "quotes": "> " * 2_000_000,
    "points": "- a\n" * 1_000_000,
    "headings": "# a\n" * 1_000_000,
    "entities": "&#" * 2_000_000,
    "backslashes": "|\\" * 1_300_000,
    "lines": "\n" * 4_000_000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG.keys())
def test_no_card_takes_long_or_becomes_large(text):
    started = time.process_time()
    html = markdown.to_html(text)
    assert time.process_time() - started < 2
    assert len(html) < 5_000_000


def test_a_card_that_is_cut_says_so_and_a_short_one_is_whole():
    assert "The card goes on" in markdown.to_html("a" * 50_001)
    assert "The card goes on" not in markdown.to_html("a" * 50_000)
    assert "The card goes on" in markdown.to_html("|" * 10_001)
    assert "The card goes on" not in markdown.to_html("| a | b |\n" * 3_000)


def test_a_model_shows_intervals_protocol_and_the_synthetic_mark(viewer):
    page = viewer.get("/models/small").text
    assert "Synthetic rows" in page
    assert "attacks found" in page
    assert " · official" in page
    classes = viewer.get("/models/small?view=classes").text
    assert "recall, 95% interval" in classes
    assert "Attack types not in training" in classes
    assert 'class="spec"' in classes


def test_an_optimistic_protocol_is_marked_everywhere(viewer, settings):
    edited(settings, "rosy", change=with_report(is_optimistic=True, protocol="random"))
    assert "optimistic" in viewer.get("/models").text
    assert "Optimistic protocol" in viewer.get("/models/rosy").text
    assert "random, optimistic" in viewer.get("/models/rosy").text


@pytest.mark.parametrize(
    ("file", "holds"),
    [
        ("report.html", b"<!doctype html>"),
        ("report.json", b'"protocol"'),
        ("card.md", b"# Model card"),
        ("tables.md", b"| class |"),
        ("tables.tex", rb"\begin{table}"),
        ("recipe.toml", b'name = "synthetic"'),
        ("recipe.json", b'"dataset"'),
    ],
)
def test_downloads_are_kept_and_never_opened_as_ours(viewer, file, holds):
    answer = viewer.get(f"/models/small/{file}", expect=200)
    assert holds in answer.data
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    assert answer.headers["Content-Security-Policy"].startswith("sandbox")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["..", ".", "none", "%2e%2e", "..%2f..", ".hidden"])
def test_no_name_reaches_outside_the_models(viewer, name):
    for url in (f"/models/{name}", f"/models/{name}/report.json"):
        assert viewer.get(url).status_code in (301, 302, 308, 404)


def test_two_models_stand_side_by_side_with_a_word_on_the_difference(viewer, settings):
    edited(settings, "twin")
    page = viewer.get("/models/compare?a=small&b=twin").text
    assert ">intervals overlap<" in page
    assert "+0.00" in page
    assert "The recipes are the same" in page
    assert "as published" in page
    assert "not comparable" not in page


def test_the_keys_in_which_recipes_differ_are_listed(viewer, settings):
    def other(text):
        return text.replace('"seed": 7', '"seed": 8')

    edited(settings, "other", "recipe.json", other)
    page = viewer.get("/models/compare?a=small&b=other").text
    assert "Where the recipes differ" in page
    assert '<th scope="row" class="code">seed</th>' in page


def test_figures_of_two_protocols_are_never_subtracted(viewer, settings):
    edited(settings, "rosy", change=with_report(is_optimistic=True, protocol="random"))
    page = viewer.get("/models/compare?a=small&b=rosy").text
    assert "under different protocols" in page
    assert "not comparable" in page
    assert ">intervals overlap<" not in page


def test_figures_on_other_data_are_never_subtracted(viewer, settings):
    edited(settings, "other", change=with_report(dataset="nsl_kdd"))
    page = viewer.get("/models/compare?a=small&b=other").text
    assert "on different data sets" in page
    assert "not comparable" in page
    assert "Accuracy beside the published systems" not in page
    turned = viewer.get("/models/compare?a=other&b=small").text
    assert "Accuracy beside the published systems" in turned


def test_trees_on_the_same_rows_are_set_beside_as_a_baseline(viewer, settings):
    def forest(text):
        return text.replace("logistic_regression", "random_forest")

    edited(settings, "twin")
    edited(settings, "forest", "recipe.json", forest)
    page = viewer.get("/models/compare?a=small&b=twin").text
    assert "(baseline)" in page
    asked = viewer.get("/models/compare?a=small&b=forest").text
    assert "(baseline)" not in asked


def test_at_most_six_are_compared_and_strangers_are_left_out(viewer, settings):
    for k in range(7):
        edited(settings, f"m{k}")
    asked = "&".join(f"more=m{k}" for k in range(7))
    page = viewer.get(f"/models/compare?{asked}&a=nonsense").text
    assert "Only the first 6" in page
    assert "nonsense cannot be read as a model" in page


def test_only_an_administrator_puts_a_model_to_use(
    people, settings, stored, admin, web
):
    edited(settings, "twin")
    for role in ("viewer", "analyst"):
        people(role).send("/models/twin/activate", expect=403)
    admin.post("/models/twin/activate", expect=400)  # no token
    assert web.detectors.active_name() == "small"
    admin.send("/models/twin/activate", expect=303)
    assert web.detectors.active_name() == "twin"
    said = stored.all(Audit, Audit.action == "bundle.activate")[-1]
    assert (said.object, said.detail) == ("twin", {"before": "small"})
    assert said.actor == admin.email


def test_a_model_that_does_not_load_is_not_put_to_use(settings, admin, web):
    edited(settings, "bad", "decision.json", lambda t: "{}")
    answer = admin.send("/models/bad/activate", follow_redirects=True)
    assert "cannot be used" in answer.text
    assert str(settings.home) not in answer.text
    assert web.detectors.active_name() == "small"
    assert admin.send("/models/none/activate").status_code == 404


@pytest.fixture(scope="module")
def one_sided(tmp_path_factory):
    """Return bundles judged on benign rows only, on attacks only, on a new type."""
    folder = tmp_path_factory.mktemp("one-sided")
    days = {"quiet": ["normal"], "attacks": ["dos"], "new": ["normal", "ransom"]}
    for name, labels in ({"train": ["normal", "dos", "scan"]} | days).items():
        rng = np.random.default_rng(len(name))
        rows = np.repeat(np.arange(len(labels)), 60)
        frame = {
            "dur": rng.normal(4 * rows, 1),
            "bytes": rng.normal(-3 * rows, 1),
            "label": [labels[k] for k in rows],
        }
        pl.DataFrame(frame).write_csv(folder / f"{name}.csv")
    for name in days:
        recipe = Recipe.from_dict(
            {
                "dataset": {
                    "name": "table_file",
                    "path": str(folder / "train.csv"),
                    "test": str(folder / f"{name}.csv"),
                },
                "model": {"name": "random_forest", "n_estimators": 3},
                "split": "official",
            }
        )
        evenflow.train(recipe, folder / name)
    return folder


@pytest.mark.slow
def test_models_judged_on_one_side_or_on_a_new_type_are_shown_and_compared(
    viewer, settings, one_sided
):
    names = ["quiet", "attacks", "new"]
    for name in names:
        shutil.copytree(one_sided / name, settings.home / "bundles" / name)
    viewer.get("/models", expect=200)
    pages = {name: viewer.get(f"/models/{name}", expect=200).text for name in names}
    for name, lacking in (("quiet", "attack"), ("attacks", "benign")):
        assert "undefined here" in pages[name]
        assert f"There are no {lacking} test rows" in pages[name]
    assert "Attack types not in training: ransom" in pages["new"]
    for one, other in permutations(names, 2):
        viewer.get(f"/models/compare?a={one}&b={other}", expect=200)
    for file in ("report.html", "tables.md", "tables.tex", "card.md"):
        assert "undefined" in viewer.get(f"/models/quiet/{file}").text
