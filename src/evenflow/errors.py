"""Every error evenflow raises on purpose, in one tree.

::

    EvenflowError
    ├── DataError (ValueError)         rows, columns or files are not as expected
    │   └── ChecksumError              a published file is not the published file
    ├── RecipeError (ValueError)       an experiment asks for what is not there
    ├── BundleError (ValueError)       a bundle is damaged, foreign, hostile or too new
    ├── LeakError (ValueError)         a figure would rest on training rows
    ├── StorageError (OSError)         a disk or permission stands in the way
    │   └── BusyError                  another run writes the same folder
    └── MissingExtraError (ImportError)  an optional part of evenflow is not installed

A message has three parts: what was found, what was expected, what to do. A wrong
*call* by a programmer stays a plain ``TypeError`` or ``ValueError``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class EvenflowError(Exception):
    """Parent of every error raised on purpose; the message is for the user."""


class DataError(EvenflowError, ValueError):
    """Rows, columns or files are not what was expected."""


class ChecksumError(DataError):
    """A file is not the published file of that name."""


class RecipeError(EvenflowError, ValueError):
    """An experiment asks for something that does not exist or cannot be."""


class BundleError(EvenflowError, ValueError):
    """A bundle is damaged, foreign, hostile or written by a newer evenflow."""


class LeakError(EvenflowError, ValueError):
    """A figure would rest on rows that trained the model."""


class StorageError(EvenflowError, OSError):
    """A disk is full, a folder is not writable, a path is not what it should be."""


class BusyError(StorageError):
    """Another run is writing the same folder."""


class MissingExtraError(EvenflowError, ImportError):
    """An optional part of evenflow is not installed."""


@contextmanager
def of_extra(needed: str, instead: str = "") -> Iterator[None]:
    """Import a package of the extra ``train`` inside.

    Raises
    ------
    MissingExtraError
        It is not installed; ``needed`` says what needs it, ``instead`` what else to do.
    """
    try:
        yield
    except ImportError as error:
        raise MissingExtraError(
            f"{needed}, which is not installed; expected the extra 'train'. Install "
            f"it: pip install 'evenflow[train]'{instead}"
        ) from error


_NO_MEMORY = (
    "bad allocation",
    "bad_alloc",
    "cannot allocate memory",
    "can't allocate memory",
    "failed to allocate memory",
    "failed to map segment",
    "out of memory",
    "can't start new thread",
    "can't spawn worker thread",
    "could not spawn threads",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out, in whatever library."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(word in text for word in _NO_MEMORY)
