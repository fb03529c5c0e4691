"""Systems: models made of models; one file each.

A file holds ``MODEL = System(fit, Config)``; its name is what a recipe writes under
``[model]``. The parameters of a ``Config`` that are parts name the models within.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from evenflow.learn.fitted import Fitted
from evenflow.learn.fitting import Fitting
from evenflow.plugins import Part, PlugIn

Model = Annotated[Part, PlugIn("models")]
"""A part that is any model."""
Classifier = Annotated[Part, PlugIn("models", names_classes=True)]
"""A part that tells classes of attacks apart."""
Sampler = Annotated[Part, PlugIn("balance")]
"""A sampler of the system's own, for ``task.part(..., sampler=config.<name>)``."""


@dataclass(frozen=True)
class System:
    """A plug-in of ``models``: how to fit models that work together.

    Parameters
    ----------
    fit : callable
        ``fit(config, task)`` returns a ``Fitted``. ``task.part(name, fit, valid)`` fits
        the model that ``config.<name>`` describes, on rows of the system's choice.
    Config : dataclass
        The hyper-parameters and the parts that a recipe may set.
    balances : {'rows', 'itself', 'no'}
        Who balances training rows: the recipe's sampler, within the parts or by
        ``task.balance``; the system in a way of its own; nobody.
    names_classes : bool
        Whether the model names classes of attacks, not only attack and benign.
    takes_loss : bool
        Whether a recipe may choose the loss, which its networks then minimise.
    """

    fit: Callable[[Any, Fitting], Fitted]
    Config: type
    balances: Literal["rows", "itself", "no"] = "rows"
    names_classes: bool = True
    takes_loss: bool = True

    compared_with_trees: ClassVar[bool] = True
