"""A CNN head as a table of its layers, traced through the network itself."""

import copy
from typing import Any

import torch
from torch import fx, nn

from chrom2expr.cnn import Dropout, ExpressionCNN, ResidualConvBlock
from chrom2expr.diagrams import Layer

_NAMES = {
    "Conv2d": "Conv",
    "ResidualConvBlock": "ResidualConvBlock",
    "Dropout": "Dropout",
    "Linear": "Linear",
    "max_pool2d": "MaxPool",
    "flatten": "Flatten",
}


def layers(figure: str, network: ExpressionCNN, tracks: int, bins: int) -> list[Layer]:
    """The input of a network and every layer of its `forward`, in order, with output sizes for one gene.

    Whatever `forward` does stands in the table: a step without a name of ours keeps its own.
    """
    network = copy.deepcopy(network)  # the caller's own stays where it is
    graph = fx.GraphModule(network, _Layers().trace(network))
    sizes = _Sizes(graph)
    features = torch.empty(1, bins, tracks, device="meta")
    with torch.no_grad():
        sizes.run(network.prepare(features))
    return [Layer(figure, _NAMES.get(name, name), *size) for name, size in sizes.found]


class _Layers(fx.Tracer):
    """Takes residual blocks and dropouts as one layer each."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return isinstance(module, ResidualConvBlock | Dropout) or super().is_leaf_module(module, name)


class _Sizes(fx.Interpreter):
    """Runs a traced network without numbers and notes (layer, (channels, bins)) as it goes."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph.to("meta").eval())
        self.found: list[tuple[str, tuple[int, int]]] = []

    def run_node(self, node: fx.Node) -> Any:
        result = super().run_node(node)
        if node.op != "output":
            channels, bins = result.shape[1], result.shape[-1] if result.ndim > 2 else 1
            self.found.append((self._name(node), (channels, bins)))
        return result

    def _name(self, node: fx.Node) -> str:
        if node.op == "placeholder":
            return "Input"
        if node.op == "call_module":
            return type(self.fetch_attr(node.target)).__name__
        return str(getattr(node.target, "__name__", node.target))
