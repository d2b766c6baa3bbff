"""A CNN head as a table of its layers, traced through the network itself."""

import copy
import operator
from typing import Any

import torch
from torch import fx, nn

from chrom2expr.figures.diagrams import Layer
from chrom2expr.heads.cnn import Dropout, ExpressionCNN, ResidualConvBlock, Stem

_NAMES = {
    "Stem": "Conv",
    "Conv2d": "Conv",
    "ResidualConvBlock": "ResidualConvBlock",
    "Dropout": "Dropout",
    "Linear": "Linear",
    "BatchNorm2d": "BatchNorm",
    "gelu": "GELU",
    "max_pool2d": "MaxPool",
    "flatten": "Flatten",
}


def layers(figure: str, network: ExpressionCNN, tracks: int, bins: int) -> list[Layer]:
    """The input of a network and every layer of its `forward`, in order, with output sizes for one gene.

    Whatever `forward` does is in the table: a step without a name of ours keeps its own, and a residual block, one
    layer here, has what it does to its input x as its formula.
    """
    network = copy.deepcopy(network)  # the caller's own stays where it is
    graph = fx.GraphModule(network, _Layers().trace(network))
    sizes = _Sizes(graph)
    features = torch.empty(1, bins, tracks, device="meta")
    with torch.no_grad():
        sizes.run(network.prepare(features))
    return [Layer(figure, name, *size, formula) for name, size, formula in sizes.found]


def formula(block: nn.Module) -> str:
    """What a module's `forward` does to its input x, traced: x + Conv(GELU(BatchNorm(x)))."""
    graph = fx.symbolic_trace(block)
    said: dict[fx.Node, str] = {}
    for node in graph.graph.nodes:
        arguments = [said[argument] for argument in node.all_input_nodes]
        if node.op == "placeholder":
            said[node] = "x"
        elif node.op == "output":
            return arguments[0]
        elif node.target is operator.add and len(arguments) == 2:
            said[node] = " + ".join(arguments)
        else:
            said[node] = f"{_name(graph, node)}({', '.join(arguments)})"
    raise ValueError(f"{type(block).__name__} returns nothing")


def _name(graph: fx.GraphModule, node: fx.Node) -> str:
    """What a step is called: by us, or else by PyTorch."""
    own = type(graph.get_submodule(node.target)) if node.op == "call_module" else node.target
    own = str(getattr(own, "__name__", own))
    return _NAMES.get(own, own)


class _Layers(fx.Tracer):
    """Takes the stem, residual blocks and dropouts as one layer each."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return isinstance(module, Stem | ResidualConvBlock | Dropout) or super().is_leaf_module(module, name)


class _Sizes(fx.Interpreter):
    """Runs a traced network without numbers and notes (layer, (channels, bins), formula of a block) as it goes."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph.to("meta").eval())
        self.found: list[tuple[str, tuple[int, int], str]] = []

    def run_node(self, node: fx.Node) -> Any:
        result = super().run_node(node)
        if node.op != "output":
            channels, bins = result.shape[1], result.shape[-1] if result.ndim > 2 else 1
            name = "Input" if node.op == "placeholder" else _name(self.module, node)
            block = self.fetch_attr(node.target) if node.op == "call_module" else None
            inside = formula(block) if isinstance(block, ResidualConvBlock) else ""
            self.found.append((name, (channels, bins), inside))
        return result
