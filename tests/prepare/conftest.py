"""Rows as samplers and selectors are given them."""

import pytest

from evenflow.prepare.features import Preprocessor


@pytest.fixture(scope="session")
def prepared(small_table):
    """The small table as features, its labels, and the layout of the features."""
    preprocessor = Preprocessor.fit(small_table)
    return preprocessor.transform(small_table), small_table.labels, preprocessor.layout
