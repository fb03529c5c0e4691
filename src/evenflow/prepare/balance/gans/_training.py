"""The loops that train: two networks against each other, or one that descends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Draw = Callable[[int], tuple[Tensor, Tensor]]
"""Batch size -> real rows ``(B, n_features)`` and their classes ``(B, n_classes)``."""
Make = Callable[[Tensor, Tensor], Tensor]
"""Real rows and their classes -> what is made in their place, ``(B, n_made)``."""
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Real rows, what was made, classes -> the loss, a scalar."""
OnStep = Callable[[], None]


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread until the block ends.

    Sums then come out alike on any number of cores; and on a busy machine, threads
    that wait for each other make matrices this small ten times as slow.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True, kw_only=True, slots=True)
class Contest:
    """Two networks that learn against each other, by Adam.

    References
    ----------
    .. [1] I. Goodfellow et al., "Generative adversarial nets", NeurIPS 2014.
       arXiv:1406.2661
    """

    steps: int
    """Steps of the maker."""
    batch_size: int
    n_judge: int = 1
    """Steps of the judge for each of the maker."""
    learning_rate: float = 2e-4
    """At the start; from half of the steps on it falls to zero."""
    betas: tuple[float, float] = (0.5, 0.999)

    def train(
        self,
        make: Make,
        draw: Draw,
        *,
        maker: list[nn.Parameter],
        judge: list[nn.Parameter],
        maker_loss: Loss,
        judge_loss: Loss,
        on_step: OnStep,
    ) -> None:
        """Train both in place.

        Parameters
        ----------
        make : callable
            Gradients of the maker pass through it.
        draw : callable
        maker, judge : list of Parameter
            What each side may change.
        maker_loss, judge_loss : callable
            What each side lowers; the judge is given rows without a gradient.
        on_step : callable
            Called after each step of the maker.
        """
        rise = torch.optim.Adam(maker, self.learning_rate, self.betas, fused=True)
        weigh = torch.optim.Adam(judge, self.learning_rate, self.betas, fused=True)
        for step in range(1, self.steps + 1):
            # the last half of the steps settles
            rate = self.learning_rate * min(1.0, 2 * (1 - (step - 1) / self.steps))
            for group in (*rise.param_groups, *weigh.param_groups):
                group["lr"] = rate
            for _ in range(self.n_judge):
                real, classes = draw(self.batch_size)
                with torch.no_grad():
                    made = make(real, classes)
                _descend(weigh, judge_loss(real, made, classes))
            real, classes = draw(self.batch_size)
            _descend(rise, maker_loss(real, make(real, classes), classes))
            on_step()


def descend(
    loss: Callable[[Tensor, Tensor], Tensor],
    draw: Draw,
    parameters: list[nn.Parameter],
    *,
    steps: int,
    batch_size: int,
    learning_rate: float = 1e-3,
    on_step: OnStep,
) -> None:
    """Lower a loss of real rows and their classes by Adam, in place.

    The learning rate falls to zero from half of the steps on.
    """
    optimizer = torch.optim.Adam(parameters, learning_rate, fused=True)
    for step in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * min(1.0, 2 * (1 - (step - 1) / steps))
        _descend(optimizer, loss(*draw(batch_size)))
        on_step()


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def slope_penalty(
    critic: Callable[[Tensor], Tensor], points: Tensor, rest: Tensor
) -> Tensor:
    """Return the mean squared distance of a critic's gradient norm from 1.

    Parameters
    ----------
    critic : callable
        Maps ``(B, n)`` to scores ``(B, 1)``, each of its own row alone.
    points : Tensor
        Shape ``(B, n_features)``: where the gradient is computed, and by what.
    rest : Tensor
        More inputs of the critic, ``(B, n_rest)``, by which no gradient is computed.

    References
    ----------
    .. [1] I. Gulrajani et al., "Improved training of Wasserstein GANs", NeurIPS
       2017. arXiv:1704.00028
    """
    points = points.detach().requires_grad_(True)
    inputs = torch.cat([points, rest], dim=1)
    (slope,) = torch.autograd.grad(critic(inputs).sum(), points, create_graph=True)
    penalty: Tensor = (slope.norm(dim=1) - 1).square().mean()
    return penalty
