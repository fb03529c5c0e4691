"""A decision tree that is pruned where other rows say that a question does not help."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


class PrunedTree:
    """A tree grown by information gain and pruned by its errors on other rows.

    Reduced-error pruning [1]_: from the leaves up, a question becomes a leaf where that
    makes no more errors on the rows to prune by.

    Parameters
    ----------
    seed : int
        Order in which equal questions are tried.

    References
    ----------
    .. [1] J. R. Quinlan, "Simplifying decision trees", Int. J. Man-Machine Studies
       27(3), 1987. doi:10.1016/S0020-7373(87)80053-6
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def fit(
        self,
        X: NDArray[np.float32],
        y: NDArray[np.int64],
        X_prune: NDArray[np.float32],
        y_prune: NDArray[np.int64],
    ) -> Self:
        """Grow the tree on some rows and prune it by others."""
        from sklearn.tree import DecisionTreeClassifier

        self.tree = DecisionTreeClassifier(
            criterion="entropy", min_samples_leaf=2, random_state=self.seed
        ).fit(X, y)
        inner = self.tree.tree_
        self.label = self.tree.classes_[inner.value[:, 0].argmax(axis=1)]
        path: Any = self.tree.decision_path(X_prune)
        row, node = path.nonzero()
        wrong = np.bincount(
            node, self.label[node] != y_prune[row], minlength=inner.node_count
        )
        self.is_leaf = inner.children_left < 0
        least = wrong.copy()
        for node in range(inner.node_count - 1, -1, -1):  # children come after it
            if not self.is_leaf[node]:
                below = least[inner.children_left[node]]
                below += least[inner.children_right[node]]
                self.is_leaf[node] = wrong[node] <= below
                least[node] = min(wrong[node], below)
        return self

    def predict(self, X: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the class of each row."""
        path: Any = self.tree.decision_path(X).tocsr()
        row, node = path.nonzero()
        stops = self.is_leaf[node]
        # from the root down: the first leaf on the path of each row
        _, first = np.unique(row[stops], return_index=True)
        found: NDArray[np.int64] = self.label[node[stops][first]]
        return found
