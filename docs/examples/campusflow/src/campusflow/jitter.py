"""A sampler: copies of rare rows, each moved a little."""

import numpy as np


class Jitter:
    """Grow each class to ``n_rows``; any class with ``fit_resample`` is a sampler."""

    def __init__(self, n_rows: int = 200, scale: float = 0.05, random_state=None):
        self.n_rows = n_rows
        self.scale = scale
        self.random_state = random_state

    def fit_resample(self, X, y, *, layout):
        """Return the rows and the new ones, which ``layout`` makes possible rows."""
        rng = np.random.default_rng(self.random_state)
        made = [np.arange(0)]
        for code, n in enumerate(np.bincount(y)):
            if 0 < n < self.n_rows:
                made.append(rng.choice(np.flatnonzero(y == code), self.n_rows - n))
        rows = np.concatenate(made)
        new = X[rows] + rng.normal(0, self.scale, (len(rows), X.shape[1]))
        new = layout.snap(new.astype(np.float32))
        return np.concatenate([X, new]), np.concatenate([y, y[rows]])


SAMPLER = Jitter
