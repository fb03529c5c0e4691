"""The loop that sets a generator against a critic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

Draw = Callable[[int], tuple[Tensor, Tensor]]
"""Batch size -> real rows ``(B, n_features)`` and their classes ``(B, n_classes)``."""


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
class Adversary:
    """How a Wasserstein GAN with gradient penalty learns.

    References
    ----------
    .. [1] I. Gulrajani et al., "Improved training of Wasserstein GANs", NeurIPS
       2017. arXiv:1704.00028
    """

    steps: int
    """Steps of the generator."""
    batch_size: int
    n_critic: int = 5
    """Steps of the critic for each of the generator."""
    penalty: float = 10.0
    """Weight of the squared distance of the critic's gradient norm from 1."""
    learning_rate: float = 5e-4

    def train(
        self,
        generate: Callable[[Tensor], Tensor],
        critic: nn.Module,
        parameters: list[nn.Parameter],
        draw: Draw,
        noise: torch.Generator,
        on_step: Callable[[int], None],
    ) -> None:
        """Train both in place.

        Parameters
        ----------
        generate : callable
            Classes ``(B, n_classes)`` -> made rows ``(B, n_features)``.
        critic : Module
            Rows and classes, side by side, -> scores ``(B, 1)``.
        parameters : list of Parameter
            The generator's.
        """
        betas = (0.5, 0.9)
        lift = torch.optim.Adam(parameters, self.learning_rate, betas, fused=True)
        judge = torch.optim.Adam(
            critic.parameters(), self.learning_rate, betas, fused=True
        )
        for step in range(1, self.steps + 1):
            # the last half of the steps settles
            rate = self.learning_rate * min(1.0, 2 * (1 - (step - 1) / self.steps))
            for group in (*lift.param_groups, *judge.param_groups):
                group["lr"] = rate
            for _ in range(self.n_critic):
                real, classes = draw(self.batch_size)
                with torch.no_grad():
                    made = generate(classes)
                loss = self._critic_loss(critic, real, made, classes, noise)
                judge.zero_grad(set_to_none=True)
                loss.backward()
                judge.step()
            _, classes = draw(self.batch_size)
            score = critic(torch.cat([generate(classes), classes], dim=1))
            lift.zero_grad(set_to_none=True)
            (-score.mean()).backward()
            lift.step()
            on_step(step)

    def _critic_loss(
        self,
        critic: nn.Module,
        real: Tensor,
        made: Tensor,
        classes: Tensor,
        noise: torch.Generator,
    ) -> Tensor:
        part = torch.rand((len(real), 1), generator=noise)
        between = (real + part * (made - real)).requires_grad_(True)
        on_between = critic(torch.cat([between, classes], dim=1))
        (slope,) = torch.autograd.grad(on_between.sum(), between, create_graph=True)
        penalty = (slope.norm(dim=1) - 1).square().mean()
        both = torch.cat([torch.cat([real, made]), classes.repeat(2, 1)], dim=1)
        on_real, on_made = critic(both).chunk(2)
        loss: Tensor = on_made.mean() - on_real.mean() + self.penalty * penalty
        return loss
