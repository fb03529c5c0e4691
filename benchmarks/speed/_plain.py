"""The peer: the same network as a plain one-dimensional convolution."""

from __future__ import annotations

from torch import Tensor, nn


class PlainCNN(nn.Module):
    """The architecture of evenflow's CNN, written with ``Conv1d`` as is usual."""

    def __init__(self, ours: nn.Module) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for layer in ours.front:
            if isinstance(layer, nn.Conv2d):
                layers.append(
                    nn.Conv1d(
                        layer.in_channels,
                        layer.out_channels,
                        layer.kernel_size[1],
                        stride=layer.stride[1],
                        padding=layer.padding[1],
                        bias=layer.bias is not None,
                    )
                )
            elif isinstance(layer, nn.BatchNorm2d):
                layers.append(nn.BatchNorm1d(layer.num_features))
            elif isinstance(layer, nn.MaxPool2d):
                layers.append(nn.MaxPool1d(2, ceil_mode=True))
            else:
                layers.append(nn.ReLU())
        self.front = nn.Sequential(*layers)
        linear = ours.head[-1]
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(ours.head[1].p),
            nn.Linear(linear.in_features, linear.out_features),
        )
        state = {
            key: value.squeeze(2) if value.ndim == 4 else value
            for key, value in ours.state_dict().items()
        }
        self.load_state_dict(state)

    def forward(self, x: Tensor) -> Tensor:
        """Map rows ``(B, n_features)`` to logits ``(B, n_classes)``."""
        return self.head(self.front(x[:, None, :]))


def forward_flops(model: nn.Module, x: Tensor) -> int:
    """Return the additions and multiplications of one row's products."""
    total = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        del inputs
        if isinstance(layer, nn.Linear):
            total += 2 * layer.in_features * layer.out_features
        else:
            per_output = layer.weight[0].numel()
            total += 2 * per_output * output[0].numel()

    hooks = [
        layer.register_forward_hook(count)
        for layer in model.modules()
        if isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d))
    ]
    model.eval()(x[:1])
    for hook in hooks:
        hook.remove()
    return total
