"""A file that is sent is read however it is written, as training reads it."""

import gzip

import polars as pl
import pytest

from evenflow.web.store.tables import Alert


def _records(rows):
    return rows["test"].frame.head(60).write_csv()


FORMS = {
    "utf16": lambda t: t.encode("utf-16"),
    "carriage_returns": lambda t: t.replace("\n", "\r").encode(),
    "bars": lambda t: t.replace(",", "|").encode(),
    "trailing": lambda t: t.replace("\n", ",\n").encode(),
    "blank": lambda t: t.replace("\n", "\n\n").encode(),
    "packed": lambda t: gzip.compress(t.encode("utf-16")),
    "windows_1252": lambda t: t.replace("\n", ",süd\n").encode("cp1252"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_row_is_scored_however_the_file_is_written(app, rows, desk, form, viewer):
    text = _records(rows)
    job_id = desk.id_of(desk.send(viewer, FORMS[form](text), name="flows.csv"))
    desk.work_off(app)
    page = viewer.get(f"/uploads/{job_id}").text
    assert "no row was rejected" in page
    assert ">60<" in page.replace("\n", "").replace(" ", "")
    noted = {"utf16": "UTF-16", "blank": "skipped", "windows_1252": "Windows-1252"}
    assert noted.get(form, "") in page


def test_a_line_with_too_many_fields_is_set_aside_and_named(app, rows, desk, viewer):
    lines = _records(rows).splitlines()
    lines[9] += ",9,9"
    data = "\n".join(lines).encode()
    job_id = desk.id_of(desk.send(viewer, data, name="flows.csv"))
    desk.work_off(app)
    assert (
        "1 of 60 rows are invalid and were rejected"
        in viewer.get(f"/uploads/{job_id}").text
    )
    assert "10" in viewer.get(f"/uploads/{job_id}/rejected").text


@pytest.mark.parametrize("name", ["*", "^.*$", "place", "truth", "event_time"])
def test_a_column_of_any_name_is_a_column(app, rows, desk, viewer, stored, name):
    frame = rows["test"].frame.head(60)
    seen = [f"value-{k}" for k in range(60)]
    data = frame.select(pl.Series(name, seen), pl.all()).write_csv().encode()
    job_id = desk.id_of(desk.send(viewer, data, name="flows.csv"))
    desk.work_off(app)
    page = viewer.get(f"/uploads/{job_id}?sort=probability&down=1", expect=200)
    assert "value-59" in viewer.get(f"/uploads/{job_id}?page=2", expect=200).text
    alert = stored.all(Alert)[0]
    assert alert.values[name] == f"value-{alert.line - 2}"
    assert alert.values[name] in page.text
    sent = pl.read_csv(viewer.get(f"/uploads/{job_id}/download/csv", expect=200).data)
    assert sent[name].to_list() == seen
    viewer.get(f"/uploads/{job_id}/rows/2", expect=200)
