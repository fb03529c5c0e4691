"""One file a model: its ``Config`` and the network, or the estimator's builder."""
