"""How fast the CNN trains, against a plain PyTorch loop and the machine's peak.

    python benchmarks/speed/training.py --json figures.json

Ours and the peer (the same layers as ``Conv1d``, ``TensorDataset`` and
``DataLoader``, float32) take turns in one process, so that a busy machine slows both.
"""

from __future__ import annotations

import statistics
import time

import _measure
import numpy as np
import torch
from _plain import PlainCNN, forward_flops
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from evenflow.learn import devices
from evenflow.learn.fitting import of_arrays
from evenflow.learn.models.cnn import CNN, MODEL, Config
from evenflow.stages import Training

N_CLASSES, BATCH = 5, 1024


def ours(X: np.ndarray, y: np.ndarray, epochs: int) -> float:
    """Return rows/s of evenflow's training, the slowest thing it does included."""
    training = Training(epochs=epochs, batch_size=BATCH)
    task = of_arrays(X, y, n_classes=N_CLASSES, training=training, device="cpu")
    fitted = MODEL.fit(Config(), task)
    return max(epoch.rows_per_s for epoch in fitted.history)


def plain(X: np.ndarray, y: np.ndarray, epochs: int) -> float:
    """Return rows/s of the loop that a tutorial would show."""
    model = PlainCNN(CNN(X.shape[1], N_CLASSES, Config()))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    loss_of = nn.CrossEntropyLoss()
    rows = TensorDataset(torch.from_numpy(X), torch.from_numpy(y))
    batches = DataLoader(rows, batch_size=BATCH, shuffle=True)
    found = []
    model.train()
    for _ in range(epochs):
        start = time.perf_counter()
        for a, b in batches:
            optimizer.zero_grad()
            loss = loss_of(model(a), b)
            loss.backward()
            optimizer.step()
        found.append(len(X) / (time.perf_counter() - start))
    return max(found)


def peak_gflops(dtype: torch.dtype, size: int = 2048) -> float:
    """Return the best rate of a square matrix product."""
    a, b = (torch.randn(size, size).to(dtype) for _ in range(2))
    return 2 * size**3 / _measure.best_s(lambda: a @ b, repeats=8) / 1e9


def main() -> None:
    """Measure and report."""
    parser = _measure.parser(__doc__)
    parser.add_argument("--rows", type=int, default=20_480)
    parser.add_argument("--features", type=int, default=119)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument(
        "--epochs", type=int, default=2, help="a round; the best counts"
    )
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    X = rng.normal(size=(given.rows, given.features)).astype(np.float32)
    y = X[:, :N_CLASSES].argmax(axis=1).astype(np.int64)

    dtype = devices.precision("auto", torch.device("cpu"))
    rates: dict[str, list[float]] = {"ours": [], "plain": []}
    peaks: dict[str, list[float]] = {"float32": [], "bfloat16": []}
    for _ in range(given.rounds):
        rates["plain"].append(plain(X, y, given.epochs))
        peaks["float32"].append(peak_gflops(torch.float32))
        rates["ours"].append(ours(X, y, given.epochs))
        peaks["bfloat16"].append(peak_gflops(torch.bfloat16))

    model = CNN(given.features, N_CLASSES, Config())
    # backward: the gradient of the inputs and that of the weights, each as dear
    flops = 3 * forward_flops(model, torch.from_numpy(X))
    best = {name: max(found) for name, found in rates.items()}
    peak = {name: max(found) for name, found in peaks.items()}
    pairs = [a / b for a, b in zip(rates["ours"], rates["plain"], strict=True)]
    used = str(dtype).removeprefix("torch.")
    achieved = best["ours"] * flops / 1e9
    _measure.report(
        {
            "benchmark": "training",
            "rows": given.rows,
            "features": given.features,
            "batch_size": BATCH,
            "precision": used,
            "ours_rows_per_s": round(best["ours"]),
            "plain_conv1d_rows_per_s": round(best["plain"]),
            "ratio": round(best["ours"] / best["plain"], 2),
            "ratio_median_of_rounds": round(statistics.median(pairs), 2),
            "flops_per_row": flops,
            "achieved_gflops": round(achieved, 1),
            "matmul_gflops": {name: round(value, 1) for name, value in peak.items()},
            "share_of_peak": round(achieved / peak[used], 3),
            "share_of_float32_peak": round(achieved / peak["float32"], 3),
            "machine": _measure.machine(),
        },
        given.json,
    )


if __name__ == "__main__":
    main()
