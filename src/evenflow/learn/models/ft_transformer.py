"""FT-Transformer: each column of a record is a token, and tokens attend to each other.

All is written in the operators that a bundle may hold: the tokens of one-hot blocks are
a product with a masked matrix, and the class token is read by a masked sum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from evenflow.errors import RecipeError
from evenflow.learn.network import Network
from evenflow.prepare.layout import Layout


@dataclass(frozen=True, kw_only=True)
class Config:
    """Hyper-parameters, as written under ``[model]`` in a recipe."""

    n_blocks: int = 2
    """Transformer blocks."""
    width: int = 64
    """Numbers of a token; a multiple of ``n_heads``."""
    n_heads: int = 4
    """Heads of each attention."""
    attention_dropout: float = 0.2
    """Dropout rate of attention weights, [0, 1)."""
    dropout: float = 0.1
    """Dropout rate of the feed-forward layers, [0, 1)."""

    def __post_init__(self) -> None:
        for name in ("n_blocks", "width", "n_heads"):
            if getattr(self, name) < 1:
                raise RecipeError(
                    f"{name} is {getattr(self, name)}; expected 1 or more. "
                    "Change it in [model]"
                )
        if self.width % self.n_heads:
            raise RecipeError(
                f"width is {self.width} and n_heads {self.n_heads}; expected a width "
                "that the heads divide. Change one in [model]"
            )
        for name in ("attention_dropout", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise RecipeError(
                    f"{name} is {getattr(self, name)}; expected a share in [0, 1). "
                    "Change it in [model]"
                )


class FTTransformer(nn.Module):  # type: ignore[misc]
    """Turn columns into tokens, let them attend to each other, read the class token.

    A number is its value times a vector, a category is the vector of its one-hot
    column, each with a bias of the column; without a layout every feature is a column.
    Blocks normalise first (but for the first attention) and have ReGLU, as in [1]_.
    Deviations: tokens of 64 numbers in 2 blocks by default, where the paper has 192 in
    3; an indicator of a missing value is a token, too.

    Parameters
    ----------
    n_features, n_classes : int
    config : Config
    layout : Layout, optional
        Which features are one-hot blocks.

    References
    ----------
    .. [1] Y. Gorishniy, I. Rubachev, V. Khrulkov, A. Babenko, "Revisiting deep learning
       models for tabular data", NeurIPS 2021. doi:10.48550/arXiv.2106.11959
    """

    def __init__(
        self,
        n_features: int,
        n_classes: int,
        config: Config,
        layout: Layout | None = None,
    ) -> None:
        super().__init__()
        mask = token_mask(n_features, () if layout is None else layout.blocks)
        n_tokens, width = mask.shape[1], config.width
        self.register_buffer("mask", mask[:, :, None], persistent=False)
        bound = width**-0.5  # as a linear layer of one input of this width
        self.weight = nn.Parameter(torch.empty(n_features, 1, width))
        self.bias = nn.Parameter(torch.empty(n_tokens, width))
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)
        self.blocks = nn.Sequential(
            *(
                Block(n_tokens, config, is_first=number == 0)
                for number in range(config.n_blocks)
            )
        )
        first = torch.zeros(n_tokens, 1)
        first[0] = 1.0
        self.register_buffer("first", first, persistent=False)
        self.head = nn.Sequential(
            nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, n_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map rows ``(B, n_features)`` to logits ``(B, n_classes)``."""
        n_tokens, width = self.bias.shape
        spread = (self.mask * self.weight).reshape(-1, n_tokens * width)
        tokens = (x @ spread).reshape(-1, n_tokens, width) + self.bias
        tokens = self.blocks(tokens)  # (B, n_tokens, width)
        logits: Tensor = self.head((tokens * self.first).sum(dim=1))
        return logits


def token_mask(n_features: int, blocks: tuple[tuple[int, int], ...]) -> Tensor:
    """Return which features make each token, ``(n_features, n_tokens)``.

    The first token is the class token, which none makes; those of the features outside
    one-hot blocks follow, then one for each block.

    Examples
    --------
    >>> token_mask(4, ((2, 4),)).int().tolist()
    [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1]]
    """
    inside = {j for start, stop in blocks for j in range(start, stop)}
    groups = [[j] for j in range(n_features) if j not in inside]
    groups += [list(range(start, stop)) for start, stop in blocks]
    mask = torch.zeros(n_features, 1 + len(groups))
    for token, features in enumerate(groups, start=1):
        mask[features, token] = 1.0
    return mask


class Block(nn.Module):  # type: ignore[misc]
    """Attention between the tokens of a record, then a feed-forward layer for each."""

    def __init__(self, n_tokens: int, config: Config, *, is_first: bool) -> None:
        super().__init__()
        width, hidden = config.width, math.ceil(config.width * 4 / 3)
        self.shape = (-1, n_tokens, config.n_heads, width // config.n_heads)
        self.before = nn.Identity() if is_first else nn.LayerNorm(width)
        self.query, self.key, self.value, self.join = (
            nn.Linear(width, width) for _ in range(4)
        )
        self.drop = nn.Dropout(config.attention_dropout)
        self.between = nn.LayerNorm(width)
        self.gate, self.up = nn.Linear(width, hidden), nn.Linear(width, hidden)
        self.down = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(hidden, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens ``(B, n_tokens, width)`` to as many."""
        x = self.before(tokens)
        _, n_tokens, n_heads, size = self.shape
        query = self.query(x).reshape(self.shape).permute(0, 2, 1, 3)
        key = self.key(x).reshape(self.shape).permute(0, 2, 3, 1)
        value = self.value(x).reshape(self.shape).permute(0, 2, 1, 3)
        part = torch.softmax(query @ key / math.sqrt(size), dim=-1)  # (B, heads, T, T)
        seen = (self.drop(part) @ value).permute(0, 2, 1, 3)
        tokens = tokens + self.join(seen.reshape(-1, n_tokens, n_heads * size))
        x = self.between(tokens)
        out: Tensor = tokens + self.down(self.up(x) * torch.relu(self.gate(x)))
        return out


MODEL = Network(FTTransformer, Config)
