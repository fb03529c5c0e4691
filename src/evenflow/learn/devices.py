"""Where a network is trained, and in what precision."""

from __future__ import annotations

from typing import Literal

import torch

from evenflow.errors import RecipeError


def resolve(name: str) -> torch.device:
    """Return the device of that name.

    Parameters
    ----------
    name : {'auto', 'cpu', 'cuda'}
        ``auto`` takes the first CUDA device where there is one. ``cuda:1`` and so
        on name a further one.

    Raises
    ------
    RecipeError
        There is no such device.
    """
    has_cuda = torch.cuda.is_available()
    if name == "auto":
        name = "cuda" if has_cuda else "cpu"
    if name == "cpu":
        return torch.device("cpu")
    kind, _, index = name.partition(":")
    if kind != "cuda" or (index and not index.isdecimal()):
        raise RecipeError(
            f"no device {name!r}; expected auto, cpu or cuda. Change --device"
        )
    n = torch.cuda.device_count() if has_cuda else 0
    if int(index or 0) >= n:
        raise RecipeError(
            f"device {name!r}: {n} CUDA devices found by this build of PyTorch "
            f"({torch.__version__}). Use --device auto or cpu, or install a CUDA "
            "build and its driver"
        )
    return torch.device("cuda", int(index or 0))


def precision(
    name: Literal["auto", "float32", "bfloat16"], device: torch.device
) -> torch.dtype:
    """Return the number format of the forward pass's matrix products.

    ``auto`` takes bfloat16 where the device multiplies it in hardware; weights,
    optimiser and loss stay float32 either way.
    """
    if name == "auto":
        name = "bfloat16" if multiplies_bfloat16(device) else "float32"
    return torch.bfloat16 if name == "bfloat16" else torch.float32


def multiplies_bfloat16(device: torch.device) -> bool:
    """Return whether the device has instructions that multiply bfloat16."""
    if device.type == "cuda":
        return bool(torch.cuda.get_device_capability(device) >= (8, 0))
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))
