"""Convolutions, and an LSTM that reads their maps from both ends."""

from __future__ import annotations

from evenflow.learn.models.cnn_lstm import CNNLSTM, Config
from evenflow.learn.network import Network


class CNNBiLSTM(CNNLSTM):
    """Convolve along the feature axis, read the maps both ways, classify.

    The hierarchy of [1]_: convolutions extract features that lie beside each other, a
    bidirectional LSTM what follows from one place to another. Deviations: the sizes of
    the layers are those of our ``cnn_lstm``, and the head reads the state after every
    step.

    References
    ----------
    .. [1] K. Jiang, W. Wang, A. Wang, H. Wu, "Network intrusion detection combined
       hybrid sampling with deep hierarchical network", IEEE Access 8, 2020.
       doi:10.1109/ACCESS.2020.2973730
    .. [2] M. Schuster, K. K. Paliwal, "Bidirectional recurrent neural networks", IEEE
       Trans. Signal Processing 45(11), 1997. doi:10.1109/78.650093
    """

    def __init__(self, n_features: int, n_classes: int, config: Config) -> None:
        super().__init__(n_features, n_classes, config, bidirectional=True)


MODEL = Network(CNNBiLSTM, Config)
