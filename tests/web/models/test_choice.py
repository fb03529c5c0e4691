"""Which model scores is a choice; models are imported, titled, retired, deleted."""

import io
import shutil
import warnings
import zipfile

import pytest

from evenflow.web.record_form.form import RecordForm
from evenflow.web.store.tables import Audit, Job, Record


@pytest.fixture
def second(settings):
    """The name of a second model, not active."""
    bundles = settings.home / "bundles"
    shutil.copytree(bundles / "small", bundles / "second")
    return "second"


@pytest.fixture
def filled(bundle):
    """The fields of a record, as the form sends them."""
    values = RecordForm.of(bundle).defaults()
    return {"do": "form"} | {f"v-{name}": value for name, value in values.items()}


def packed(folder, prefix="", change=None, extra=None):
    """Return a zip file of a bundle."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            data = path.read_bytes()
            if path.name == change:
                data += b" "
            archive.writestr(f"{prefix}{path.name}", data)
        for name, data in (extra or {}).items():
            archive.writestr(name, data)
    return out.getvalue()


def bring(client, data, name="theirs.zip"):
    return client.send(
        "/models/import",
        {"file": (io.BytesIO(data), name)},
        content_type="multipart/form-data",
    )


# ---------------------------------------------------------------- a choice


def test_the_form_scores_by_the_model_that_was_chosen(viewer, second, filled, stored):
    assert f'value="{second}"' in viewer.get("/record").text
    page = viewer.get(f"/record?model={second}", expect=200).text
    assert f'name="model" value="{second}"' in page
    viewer.send("/record", {**filled, "model": second}, expect=303)
    viewer.send("/record", filled, expect=303)
    assert [r.bundle for r in stored.all(Record)] == [second, "small"]


def test_an_upload_is_scored_by_the_model_that_was_chosen(viewer, second, rows, stored):
    data = rows["test"].frame.head(5).write_csv().encode()
    assert f'value="{second}"' in viewer.get("/uploads").text
    file = {"file": (io.BytesIO(data), "x.csv"), "bundle": second}
    viewer.send("/uploads", file, content_type="multipart/form-data", expect=303)
    begun = viewer.post(
        "/uploads/parts",
        json={"name": "y.csv", "size": len(data), "bundle": second},
        headers={"X-CSRFToken": viewer.csrf()},
        expect=201,
    ).json
    headers = {"X-CSRFToken": viewer.csrf()}
    viewer.put(f"{begun['url']}?offset=0", data=data, headers=headers, expect=200)
    viewer.post(begun["finish"], headers=headers, expect=200)
    assert [job.payload["bundle"] for job in stored.all(Job)] == [second, second]


def test_all_models_stand_side_by_side_for_a_record(
    viewer, people, second, filled, stored, lab_live
):
    viewer.send("/record", {**filled, "model": second}, expect=303)
    [record] = stored.all(Record)
    page = viewer.get(f"/records/{record.id}/models", expect=200).text
    assert "of 2 models call it an attack" in page
    assert f'href="/models/{second}"' in page
    assert "lab-live" in page  # it reads other columns, and says so
    people("viewer").get(f"/records/{record.id}/models", expect=404)
    assert stored.count(Record) == 1


def test_a_retired_model_is_not_offered_and_keeps_its_verdicts(
    viewer, admin, second, filled, stored
):
    viewer.send("/record", {**filled, "model": second}, expect=303)
    admin.send(f"/models/{second}/retire", {"retired": "1"}, expect=303)
    assert f'value="{second}"' not in viewer.get("/record").text
    assert "is retired" in viewer.get(f"/record?model={second}").text
    file = {"file": (io.BytesIO(b"a\n1\n"), "x.csv"), "bundle": second}
    answer = viewer.send("/uploads", file, content_type="multipart/form-data")
    assert answer.status_code == 422
    [record] = stored.all(Record)
    assert second in viewer.get(f"/records/{record.id}", expect=200).text
    assert "retired" in viewer.get("/models").text
    admin.send(f"/models/{second}/retire", {"retired": "0"}, expect=303)
    viewer.get(f"/record?model={second}", expect=200)


# ---------------------------------------------------------------- what admins do


def test_an_imported_model_is_there_and_checked(admin, saved_bundle, settings, stored):
    answer = bring(admin, packed(saved_bundle, prefix="folder/"))
    assert answer.location == "/models/theirs"
    page = admin.get("/models/theirs", expect=200).text
    assert "was imported and checked" in page
    assert [a.object for a in stored.all(Audit, Audit.action == "bundle.import")] == [
        "theirs"
    ]
    hidden = [p for p in (settings.home / "bundles").iterdir() if p.name[0] == "."]
    assert hidden == []


def test_a_model_travels_as_a_zip_file(admin, settings):
    sent = admin.get("/models/small/bundle.zip", expect=200).data
    assert bring(admin, sent, "copy.zip").location == "/models/copy"
    sums = [settings.home / "bundles" / n / "SHA256SUMS" for n in ("small", "copy")]
    assert sums[0].read_bytes() == sums[1].read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"change": "model.onnx"}, "was changed"),
        ({"extra": {"evil.py": b"x"}}, "evil.py"),
        ({"extra": {"../x/card.md": b"x"}}, "2 folders"),
        ({"extra": {f"d{k}/card.md": b"x" for k in range(70)}}, "files"),
    ],
)
def test_what_is_no_bundle_is_refused(admin, saved_bundle, settings, change, message):
    before = sorted(p.name for p in (settings.home / "bundles").iterdir())
    answer = admin.get(bring(admin, packed(saved_bundle, **change)).location)
    assert message in answer.text
    assert sorted(p.name for p in (settings.home / "bundles").iterdir()) == before


def test_an_archive_that_unpacks_to_too_much_is_refused(build, settings, people):
    app = build(settings.model_copy(update={"max_unpacked_mb": 1}))
    admin = people("admin", app=app)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.onnx", bytes(5 * 2**20))
    answer = admin.get(bring(admin, out.getvalue()).location)
    assert "bytes unpacked" in answer.text


def zipped(compression, *names):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the same name twice
        for name in names:
            archive.writestr(name, b"a card " * 99)
    return out.getvalue()


def broken():
    """A zip file whose compressed bytes are damaged."""
    data = bytearray(zipped(zipfile.ZIP_DEFLATED, "card.md"))
    data[37:41] = b"\xff" * 4
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"nothing", "no readable zip file"),
        (broken(), "no readable zip file"),
        (zipped(zipfile.ZIP_DEFLATED, "card.md", "card.md"), "the file"),
        (zipped(zipfile.ZIP_LZMA, "card.md"), "unusual kind of compression"),
    ],
)
def test_no_zip_file_is_refused(admin, data, message):
    assert message in admin.get(bring(admin, data, "...zip").location).text


def test_a_title_stands_beside_the_name(admin, viewer, second):
    admin.send(f"/models/{second}/title", {"title": "Campus <b>"}, expect=303)
    for url in ("/models", f"/models/{second}", "/record"):
        assert "Campus &lt;b&gt;" in viewer.get(url).text


def test_a_model_that_is_not_in_use_is_deleted_and_its_verdicts_stay(
    admin, viewer, second, filled, stored, settings
):
    viewer.send("/record", {**filled, "model": second}, expect=303)
    admin.send(f"/models/{second}/delete", expect=303)
    assert sorted(p.name for p in (settings.home / "bundles").iterdir()) == ["small"]
    [record] = stored.all(Record)
    assert "deleted" in viewer.get(f"/records/{record.id}", expect=200).text
    assert stored.all(Audit, Audit.action == "bundle.delete")[0].object == second


def test_a_model_in_use_is_neither_deleted_nor_retired(admin, second, rows, settings):
    for url in ("/models/small/delete", "/models/small/retire"):
        answer = admin.send(url, {"retired": "1"}, follow_redirects=True)
        assert "is active" in answer.text
    data = rows["test"].frame.head(5).write_csv().encode()
    file = {"file": (io.BytesIO(data), "x.csv"), "bundle": second}
    admin.send("/uploads", file, content_type="multipart/form-data", expect=303)
    answer = admin.send(f"/models/{second}/delete", follow_redirects=True)
    assert "a job uses" in answer.text.lower()
    assert (settings.home / "bundles" / second).is_dir()


@pytest.mark.parametrize("role", ["viewer", "analyst"])
def test_others_change_no_model(people, second, role):
    person = people(role)
    for act in ("title", "retire", "delete"):
        assert person.send(f"/models/{second}/{act}").status_code == 403
    assert bring(person, b"x").status_code == 403
    assert "Manage it" not in person.get(f"/models/{second}").text
