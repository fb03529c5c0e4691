"""A file that is sent is read however it is written, as training reads it."""

import gzip

import pytest


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
