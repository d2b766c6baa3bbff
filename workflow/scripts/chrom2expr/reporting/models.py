"""What a methods text says of each type of head, with the settings that decide its results."""

from collections.abc import Callable, Mapping
from typing import Any

from chrom2expr.reporting.references import cite
from chrom2expr.reporting.wording import listed, settings

Head = Mapping[str, Any]

_CHOSEN_BY = {
    "validation_loss": "the loss on the validation genes",
    "validation_cross_gene": "the mean cross-gene Spearman correlation on the validation genes",
}
_POOL = (
    "the weighted mean of the central bins of the embedding (a softmax of a learned linear score) and a linear layer"
)


def described(head: Head) -> str:
    """The sentences on a head of the config, by its type; of types that are not our own, all their settings."""
    return _TYPES.get(head["type"], _other)(head)


def _ridge(head: Head) -> str:
    scaled = " on features of mean 0 and variance 1" if head["settings"]["standardise"] else ""
    return (
        f"ridge regression {cite('ridge')} of each tissue{scaled}, with the penalty that gives the highest cross-gene "
        f"Spearman correlation on the validation genes (of {listed(head['grid']['penalty'])})."
    )


def _probe(head: Head) -> str:
    return "ordinary least squares of each tissue."


def _expecto(head: Head) -> str:
    base = f"{head['settings']['base_score']:g}"
    return f"the published models of ExPecto {cite('expecto')}, which are not trained (base score {base})."


def _cnn(head: Head) -> str:
    own = head["settings"]
    return f"{_convolutions(own)}, with an output for each tissue. {_trained(head, own['weight_decay'])}"


def _single_cnn(head: Head) -> str:
    own = head["settings"]
    return f"{_convolutions(own)}, one for each tissue. {_trained(head, own['weight_decay'])}"


def _convolutions(own: Head) -> str:
    given = "ln(1 + |x|) of the tracks, with their signs" if own["transform"] == "log1p" else "the tracks"
    return (
        f"a convolutional network on {given}: a convolution and {own['blocks']} residual blocks (batch "
        f"normalisation, GELU, convolution), each followed by max pooling of 2, then dropout and a linear layer; "
        f"{own['width']} channels, "
        f"kernels of {own['kernel_size']} bins"
    )


def _finetuned(head: Head) -> str:
    own, adaptation = head["settings"], dict(head["adaptation"])
    kinds = {"all": "all parameters of the sequence model trained", "frozen": "the sequence model held fixed"}
    trunk = kinds.get(adaptation["type"], f"the adaptation {adaptation['type']}")
    rest = {key: value for key, value in adaptation.items() if key != "type"}
    said = f"{trunk}{f' ({settings(rest)})' if rest else ''}"
    precision = {"auto": ", in bfloat16 where on a GPU", "bf16": ", in bfloat16"}.get(own["precision"], "")
    return f"fine-tuning, with {said}, {_POOL} on top{precision}. {_tuned(head)}"


def _frozen(head: Head) -> str:
    return f"{_POOL}, on an embedding that is held fixed. {_tuned(head)}"


def _tuned(head: Head) -> str:
    own = head["settings"]
    clip = f", gradients clipped to a norm of {own['gradient_clip']:g}" if own["gradient_clip"] else ""
    steps = f", {own['accumulation']} batches to a step" if own["accumulation"] > 1 else ""
    return (
        f"{_trained(head, own['weight_decay'])} The learning rate rose linearly over {own['warmup_steps']:,} steps "
        f"and then fell along a cosine{clip}{steps}."
    )


def _trained(head: Head, weight_decay: float) -> str:
    """How a network was trained, and which point and epoch were kept."""
    points = "; ".join(f"{name.replace('_', ' ')} {listed(values)}" for name, values in head["grid"].items())
    return (
        f"It was trained by AdamW {cite('adamw')} (weight decay {weight_decay:g}, {head['batch_size']} genes a "
        f"batch) for at most {head['max_epochs']} epochs, and stopped after {head['patience']} without improvement; "
        f"grid: "
        f"{points}. The point and epoch were chosen by {_CHOSEN_BY[head['select_by']]}."
    )


def _other(head: Head) -> str:
    grid = f"; grid: {settings(head['grid'])}" if head["grid"] else ""
    own = f" with {settings(head['settings'])}" if head["settings"] else ""
    return (
        f"a model of type {head['type']}{own}, in batches of {head['batch_size']} genes, at most "
        f"{head['max_epochs']} epochs "
        f"and {head['patience']} without improvement{grid}, chosen by {_CHOSEN_BY[head['select_by']]}."
    )


_TYPES: Mapping[str, Callable[[Head], str]] = {
    "ridge": _ridge,
    "probe": _probe,
    "expecto": _expecto,
    "cnn": _cnn,
    "single_cnn": _single_cnn,
    "finetuned": _finetuned,
    "frozen": _frozen,
}
