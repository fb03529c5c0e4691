"""Named arrays as bytes and back: plain ``.npz`` files, trusted in nothing.

Equal arrays give equal bytes. Reading allocates nothing a header merely claims:
members are stored uncompressed, so what an array needs is what the file holds.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow.errors import BundleError

Arrays = dict[str, NDArray[Any]]

KINDS = "biufU"
"""Kinds of dtype that hold plain values: no objects, hence no pickle."""
MAX_MEMBERS = 1024


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the arrays as an uncompressed ``.npz`` without times or pickles."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            array = np.ascontiguousarray(arrays[name]).reshape(arrays[name].shape)
            np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o644 << 16
            archive.writestr(info, member.getvalue())
    return out.getvalue()


def unpack(data: bytes, *, source: str) -> Arrays:
    """Return the arrays that :func:`pack` wrote.

    Raises
    ------
    BundleError
        The bytes are no such file: damaged, compressed, pickled, or a header claims
        more than the file holds.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) > MAX_MEMBERS:
                raise _refusal(source, f"{len(members)} members", "a few arrays")
            held = 0
            for info in members:
                held += info.file_size
                if info.compress_type != zipfile.ZIP_STORED or held > len(data):
                    raise _refusal(
                        source, f"the packed member {info.filename!r}", "plain arrays"
                    )
            return {
                info.filename.removesuffix(".npy"): _array(
                    archive.read(info), f"{source}: {info.filename}"
                )
                for info in members
            }
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError) as error:
        raise _refusal(source, f"a damaged archive ({error})", "an .npz file") from None
    except RuntimeError as error:  # an encrypted member
        raise _refusal(source, str(error), "an .npz file") from None


def _array(data: bytes, source: str) -> NDArray[Any]:
    stream = io.BytesIO(data)
    try:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError("an array format of another version")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    except (ValueError, SyntaxError, TypeError) as error:
        raise _refusal(source, f"a damaged header ({error})", "an array") from None
    if dtype.kind not in KINDS or fortran:
        raise _refusal(source, f"an array of {dtype}", "numbers or text, no objects")
    size, rest = math.prod(shape) * dtype.itemsize, len(data) - stream.tell()
    if min(shape, default=0) < 0 or size != rest:
        raise _refusal(source, f"{rest} bytes for shape {shape} of {dtype}", f"{size}")
    if not size:
        return np.zeros(shape, dtype)
    return np.frombuffer(data, dtype, offset=stream.tell()).reshape(shape)


def _refusal(source: str, found: str, expected: str) -> BundleError:
    return BundleError(
        f"{source}: found {found}, expected {expected}. The bundle is damaged or was "
        "not made by evenflow; get it again from where it was trained"
    )
