"""Named arrays as bytes and back: plain ``.npz`` files, trusted in nothing.

Equal arrays give equal bytes. Reading allocates nothing a header merely claims:
members are stored uncompressed, so what an array needs is what the file holds.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenflow.conform import shown
from evenflow.errors import BundleError

Arrays = dict[str, NDArray[Any]]

HEADER = re.compile(
    rb"\{'descr': '([<|][biufU][1-9]\d{0,8})', 'fortran_order': False, "
    rb"'shape': \(((?:\d{1,18}, ?)*(?:\d{1,18})?)\), \} *\n"
)
"""What NumPy writes before plain values: no objects, hence no pickle."""
MAGIC = b"\x93NUMPY\x01\x00"
DAMAGED = (
    zipfile.BadZipFile, zipfile.LargeZipFile, OSError, EOFError, NotImplementedError,
    RuntimeError, ValueError, struct.error,
)  # fmt: skip
"""Errors of ``zipfile`` for bytes that are not an archive, or an encrypted one."""
MAX_MEMBERS = 1024
MAX_AXIS = 2**31
"""Longest axis of an array; an array without values may state any."""


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
        The bytes are not a valid file: damaged, compressed, pickled, or a header claims
        more than the file holds.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) > MAX_MEMBERS:
                raise _refusal(source, f"{len(members)} members", "a few arrays")
            if len({info.filename for info in members}) < len(members):
                raise _refusal(source, "two members of one name", "a few arrays")
            held = 0
            for info in members:
                held += info.file_size
                if info.compress_type != zipfile.ZIP_STORED or held > len(data):
                    raise _refusal(
                        source, f"the packed member {info.filename!r}", "plain arrays"
                    )
            return {
                info.filename.removesuffix(".npy"): _array(
                    archive.read(info), f"{source}: {shown(info.filename)}"
                )
                for info in members
            }
    except BundleError:
        raise
    except DAMAGED as error:
        raise _refusal(source, f"a damaged archive ({error})", "an .npz file") from None


def _array(data: bytes, source: str) -> NDArray[Any]:
    start = len(MAGIC) + 2
    end = start + int.from_bytes(data[len(MAGIC) : start], "little")
    header = HEADER.fullmatch(data, start, end)
    if not data.startswith(MAGIC) or header is None or end > len(data):
        raise _refusal(source, "another header", "plain numbers or text")
    try:
        dtype = np.dtype(header[1].decode())
    except TypeError:  # '<f5'
        raise _refusal(source, "another header", "plain numbers or text") from None
    shape = tuple(int(size) for size in header[2].split(b",") if size.strip())
    size, rest = math.prod(shape) * dtype.itemsize, len(data) - end
    if size != rest or max(shape, default=0) > MAX_AXIS or len(shape) > 4:
        found = f"{rest} bytes for shape {shape} of {dtype}"
        raise _refusal(source, found, f"{size} bytes")
    if not size:
        return np.zeros(shape, dtype)
    return np.frombuffer(data, dtype, offset=end).reshape(shape)


def _refusal(source: str, found: str, expected: str) -> BundleError:
    return BundleError(
        f"{source}: found {found}, expected {expected}. The bundle is damaged or was "
        "not made by evenflow; get it again from where it was trained"
    )
