"""A published file is found in any form and used only when it is the published one."""

import gzip
import hashlib
from dataclasses import replace

import polars as pl
import pytest

from evenflow.datasets import _remote
from evenflow.datasets._remote import RemoteFile
from evenflow.errors import ChecksumError, DataError

TEXT = b"1,2\n3,4\n"
FILE = RemoteFile(
    name="rows+.csv",
    folder="my-set",
    sha256=hashlib.sha256(TEXT).hexdigest(),
    size=len(TEXT),
    parquet="rows+.parquet",
)


def put(path, data=TEXT):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("folder", ["my-set/raw", "my-set", "my_set", "my_set/raw", ""])
@pytest.mark.parametrize("name", ["rows+.csv", "rows+.csv.gz"])
def test_a_file_is_found_in_every_known_layout(tmp_path, folder, name):
    path = put(tmp_path / folder / name)
    place, source = _remote.content(FILE, [tmp_path])
    assert place.path == path
    assert (source if isinstance(source, bytes) else source.read_bytes()) == TEXT


def test_the_first_folder_that_has_the_file_wins(tmp_path):
    put(tmp_path / "b/my-set/rows+.csv")
    first = put(tmp_path / "a/my-set/rows+.csv")
    place, _ = _remote.content(FILE, [tmp_path / name for name in ("none", "a", "b")])
    assert place.path == first


def test_published_bytes_are_preferred_to_our_parquet_copy(tmp_path):
    text = put(tmp_path / "my-set/raw/rows+.csv.gz")
    put(tmp_path / "my-set/rows+.parquet", b"whatever")
    assert _remote.content(FILE, [tmp_path])[0].path == text


@pytest.mark.parametrize("name", ["rows+.csv", "rows+.csv.gz"])
def test_a_changed_file_is_never_used(tmp_path, name):
    path = put(tmp_path / "my-set" / name, b"1,2\n3,5\n")
    with pytest.raises(ChecksumError, match="is not the published") as caught:
        _remote.content(FILE, [tmp_path])
    assert str(path) in str(caught.value)
    assert FILE.sha256 in str(caught.value)


def test_a_changed_file_is_not_passed_over_for_a_sound_one_elsewhere(tmp_path):
    put(tmp_path / "a/my-set/rows+.csv", b"changed\n")
    put(tmp_path / "b/my-set/rows+.csv")
    with pytest.raises(ChecksumError):
        _remote.content(FILE, [tmp_path / "a", tmp_path / "b"])


def test_a_parquet_copy_is_held_against_its_own_checksum(tmp_path):
    path = tmp_path / "my-set/rows+.parquet"
    path.parent.mkdir()
    pl.DataFrame({"a": [1]}).write_parquet(path)
    sound = replace(FILE, parquet_sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    assert _remote.content(sound, [tmp_path])[0].form == "parquet"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ChecksumError, match="truncated or changed"):
        _remote.content(sound, [tmp_path])


@pytest.mark.parametrize("cut", [1, 8, 15])
def test_a_gzip_file_cut_short_is_named_so(tmp_path, cut):
    path = put(tmp_path / "my-set/rows+.csv.gz")
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(DataError, match="truncated"):
        _remote.content(FILE, [tmp_path])


def test_a_file_that_only_claims_to_be_gzip_is_refused(tmp_path):
    put(tmp_path / "my-set/rows+.csv").rename(tmp_path / "my-set/rows+.csv.gz")
    with pytest.raises(DataError, match="not a valid gzip file"):
        _remote.content(FILE, [tmp_path])


def test_a_gzip_file_that_unpacks_to_too_much_is_stopped(tmp_path):
    put(tmp_path / "my-set/rows+.csv.gz", b"0" * 10_000_000)
    with pytest.raises(ChecksumError, match="more than 8 bytes"):
        _remote.content(FILE, [tmp_path])


def test_a_missing_file_says_what_to_put_where(tmp_path):
    with pytest.raises(DataError) as caught:
        _remote.content(FILE, [tmp_path], page="https://publisher.example")
    for word in (
        "my-set/rows+.csv", FILE.sha256, str(tmp_path), "https://publisher.example",
    ):  # fmt: skip
        assert word in str(caught.value)


def test_a_file_without_a_known_checksum_is_read_as_it_is(tmp_path):
    put(tmp_path / "my-set/rows+.csv", b"other\n")
    unknown = replace(FILE, sha256=None, size=None)
    assert _remote.content(unknown, [tmp_path])[0].form == "text"


def test_a_folder_of_the_files_name_is_no_file(tmp_path):
    (tmp_path / "my-set/rows+.csv").mkdir(parents=True)
    assert _remote.find(FILE, [tmp_path]) is None


@pytest.mark.parametrize("name", ["rows+.csv", "rows+.csv.gz"])
def test_size_alone_tells_another_file(tmp_path, name):
    place = _remote.find(FILE, [put(tmp_path / name).parent])
    assert _remote.fits(place, FILE)
    assert not _remote.fits(place, replace(FILE, size=9))
    assert not _remote.fits(place, replace(FILE, least_size=9, size=None))
