"""A plain recurrent network that reads a record a few features at a time."""

from __future__ import annotations

from torch import nn

from evenflow.learn.models.lstm import Config, Recurrent
from evenflow.learn.network import Network


def build(n_features: int, n_classes: int, config: Config) -> nn.Module:
    """Return a recurrent network with tanh over the features of a record.

    It is the RNN of the BoT-IoT baselines [2]_. Deviation: the sizes of its layers are
    not known to us, ours stand in.

    References
    ----------
    .. [1] J. L. Elman, "Finding structure in time", Cognitive Science 14(2), 1990.
       doi:10.1207/s15516709cog1402_1
    .. [2] N. Koroniotis, N. Moustafa, E. Sitnikova, B. Turnbull, "Towards the
       development of realistic botnet dataset in the Internet of Things for network
       forensic analytics: Bot-IoT dataset", Future Generation Computer Systems 100,
       2019. doi:10.1016/j.future.2019.05.041
    """
    return Recurrent(nn.RNN, n_features, n_classes, config)


MODEL = Network(build, Config)
