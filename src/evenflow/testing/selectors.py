"""Check selectors of columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evenflow.testing.promises import Checked, made_up

if TYPE_CHECKING:
    from evenflow.prepare.select import Selector


def check_selector(plug_in: Selector, config: Any = None) -> None:
    """Check a selector of columns.

    Parameters
    ----------
    plug_in : Selector
        The ``SELECTOR`` to be checked.
    config : optional
        Parameters to be checked; those of ``Config()`` without.

    Raises
    ------
    AssertionError
        The message says what was promised, what was found and what to do.
    """
    who = Checked(f"selector {plug_in.choose.__module__}")
    config = who.config(plug_in, config)
    X, y, layout = made_up()
    own_X, own_y = X.copy(), y.copy()
    one = plug_in.columns(config, own_X, own_y, layout, seed=7)
    who.leaves(own_X, own_y)
    who.promises(
        "the same rows and the same seed give the same columns",
        plug_in.columns(config, X, y, layout, seed=7) == one,
        found="other columns",
        do="Draw from the generator that choose is given, and from nothing else",
    )
