"""Networks and estimators: one file each, with its ``Config`` and its builder."""
