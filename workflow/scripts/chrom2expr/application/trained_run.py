"""A trained run as one PyTorch module, from DNA to expression: backbone, reduction and head together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from chrom2expr import registry
from chrom2expr.backbones.backbone import Backbone
from chrom2expr.errors import InputError
from chrom2expr.files.whole import read_json, sha256
from chrom2expr.genome.windows import Geometry, central, turned
from chrom2expr.heads.head import Head
from chrom2expr.tracks.reduction import Reduction

# The largest float16: the feature store clips there.
_LARGEST = torch.finfo(torch.float16).max


class TrainedRun(nn.Module):
    """From DNA and the strands of genes to expression, with gradients to one-hot DNA; always in eval mode.

    DNA is the genomic forward strand of the window around each gene's TSS, one-hot (gene, 4, base) float32 in the order
    A, C, G, T with N all zeros, or encoded (gene, base) uint8 (see windows.encode). It comes back as (gene, tissue): ln
    of the expression in `unit` plus the tissue's `pseudocount`, float64 of linear heads, else float32.

    geometry: where the window and its bins lie; window: its length in bp; tissues: their names, in order; tracks: of
    what the backbone predicts, those that the head reads; unit, pseudocount: of the expression it was trained on;
    assembly, genome_sha256: of the genome it was trained on; provenance: what else is known of the run.

    precision: what the backbone computes in (see Backbone.precision), as it did in the workflow. Move it with `to`.
    """

    def __init__(
        self,
        head: Head,
        summary: Mapping[str, Any],
        backbone: Backbone | None = None,
        reduction: Reduction | None = None,
    ) -> None:
        super().__init__()
        self.head, self.backbone, self.reduction = head, backbone, reduction
        if isinstance(network := getattr(head, "network", None), nn.Module):
            self.network = network
        inputs, model = summary["inputs"], summary["sequence_model"]
        self.geometry = _geometry(head, model)
        self.window = self.geometry.sequence_length
        self.tissues = [str(name) for name in head.metadata["tissue"]]
        self.tracks = [str(name) for name in head.metadata["track_id"]]
        self.unit, self.pseudocount = str(summary["unit"]), summary["pseudocount"]
        # A fine-tuned trunk was given sequences, whose genome its inputs name.
        known = model or inputs
        self.assembly, self.genome_sha256 = str(known["assembly"]), str(known["genome_sha256"])
        self.provenance = {"head": summary["head"], "loss": summary["loss"], "inputs": inputs, "sequence_model": model}
        if backbone:
            self._read = model["backbone"]
            self._columns = [slice(*pair) for pair in model["columns"]]
            self._means = model["reduced_from"]
            stored = self._read.get("bins", self.geometry.bins)
            self._bins = central(stored, int(inputs["bins"]))
            wanted = reduction.declares.get("orientation", "genomic") if reduction else inputs["orientation"]
            self._orientation = str(wanted)
        # A fine-tuned trunk is loaded to compute in float32.
        self.precision = backbone.precision if backbone else "fp32"
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """Stays in eval mode: a run is used, not trained."""
        return super().train(False)

    def tss_index(self, strand: str) -> int:
        """Where the TSS's base lies in the window of a gene on this strand, + or -, counted from its first base."""
        return self.geometry.tss_index_plus if strand == "+" else self.geometry.tss_index_minus

    def forward(self, dna: Tensor, strand: Sequence[str], through_float16: bool = False) -> Tensor:
        """Expression (gene, tissue) of genes by the DNA of their windows and their strands, "+" or "-".

        `through_float16` rounds what the head reads as the feature store does, so that a gene's window gives what is in
        predictions.h5. Raises InputError for DNA of another length, and unless each gene has a strand.
        """
        if dna.shape[-1] != self.window:
            raise InputError(f"this run reads windows of {self.window:,} bp, but was given {dna.shape[-1]:,} bp")
        _check_strands(strand, len(dna))
        if self.backbone is None:
            return self.head(dna)
        return self.expression(self.features(dna), strand, through_float16)

    def features(self, dna: Tensor) -> Tensor:
        """What the backbone says of the DNA that the head reads: (gene, bin, track) float32, bins in genomic order.

        All bins of the store, of the tracks or of the embedding. A backbone with a `reach` takes shorter DNA too, and
        gives the bins that lie in it.
        """
        if self.backbone is None:
            raise InputError("the head of this run reads DNA itself: there is nothing between")
        strands = self._read["reverse_complement"]
        if "bins" in self._read:
            found = self.backbone.read_embedding(dna, self._read["bins"], strands)
        else:
            prediction = self.backbone.read(dna, strands)
            found = prediction.embedding if self._means == "central_embedding" else prediction.tracks
        if len(self._columns) == 1:
            return found[..., self._columns[0]]
        return torch.cat([found[..., columns] for columns in self._columns], dim=-1)

    def expression(self, features: Tensor, strand: Sequence[str], through_float16: bool = False) -> Tensor:
        """Expression (gene, tissue) by what `features` gives for whole windows, and the genes' strands."""
        # Means over central bins were kept as they were computed.
        if through_float16 and self._means == "tracks":
            features = features.clamp(-_LARGEST, _LARGEST).half().float()
        found = features[:, self._bins]
        minus = turned(np.asarray(strand), self._orientation)
        if minus.any():
            found = torch.where(torch.from_numpy(minus).to(found.device)[:, None, None], found.flip(1), found)
        return self.head(self.reduction.of_tensor(found) if self.reduction else found)


def load_run(folder: str | Path, weights: str | Path | None = None) -> TrainedRun:
    """The module of a run's folder, results/models/SOURCE/INPUTS/HEAD/LOSS, on the CPU.

    It takes of the folder `summary.json` and `model.pt`, and the weights of the backbone that the run's source was
    predicted by: those that the workflow used, by the path that it used, or `weights`, a file or folder of the same
    content. A fine-tuned backbone has its own in model.pt.

    Example (docs/predict.md has more, which a test runs)::

        run = load_run("results/models/enformer_predicted/chromatin/multi_cnn/mse")
        expression = run(dna, ["+"])

    Raises InputError where a file is missing or damaged, for weights of another checksum, and for a run on measured
    tracks, or of folds, which has no one model.
    """
    folder = Path(folder)
    summary = _summary(folder)
    entry = registry.find("heads", summary["head"])
    head = entry.load().load(folder / "model.pt")
    if entry.declares["takes"] == "sequences":
        return TrainedRun(head, summary)
    model = summary["sequence_model"]
    if not model:
        raise InputError(
            f"{folder}: fitted to measured tracks, which a new sequence has none of; take a run whose source is "
            "predicted or embedded"
        )
    described = model["backbone"]
    geometry = Geometry(**described["geometry"])
    found = _weights(model, weights)
    kind = registry.find("backbones", described["type"]).load()
    backbone = kind.load(found, geometry, described["settings"], described.get("tracks"))
    backbone.precision = described.get("precision", "auto")
    reduction = None
    if model["features"] != "store":
        reduction = registry.find("reductions", model["features"]).load()(geometry, int(summary["inputs"]["bins"]))
    return TrainedRun(head, summary, backbone.for_inference(), reduction)


def _summary(folder: Path) -> dict[str, Any]:
    """summary.json of a run that has one model. Raises InputError for any other folder."""
    path = folder / "summary.json"
    if not path.is_file():
        raise InputError(
            f"{folder}: holds no summary.json; name the folder of a finished run, "
            "results/models/SOURCE/INPUTS/HEAD/LOSS (chrom2expr check lists them)"
        )
    summary = read_json(path)
    if "folds" in summary:
        raise InputError(f"{folder}: has a model for each fold; name one of {', '.join(summary['folds'])}")
    if "sequence_model" not in summary:
        raise InputError(f"{path}: written by an older chrom2expr, and does not say what it read; fit the run again")
    return summary


def _weights(model: Mapping[str, Any], given: str | Path | None) -> Path:
    """A backbone's weights, a file or a folder. Raises InputError unless they are those that the run was made with."""
    used = [model["weights"]] if isinstance(model["weights"], str) else model["weights"]
    if given is None:
        files, place = [Path(file) for file in used], Path(used[0])
    else:
        place = Path(given)
        files = [place / Path(file).name for file in used] if place.is_dir() else [place]
    if missing := [str(file) for file in files if not file.is_file()]:
        raise InputError(
            f"{missing[0]}: no such file of the backbone's weights, which this run needs; say where they lie (weights)"
        )
    checksum = ", ".join(sha256(file) for file in files)
    if checksum != model["weights_sha256"]:
        raise InputError(
            f"{place}: not the weights that this run was made with: their SHA-256 is {checksum}, but must be "
            f"{model['weights_sha256']}"
        )
    return files[0].parent if isinstance(model["weights"], list) else files[0]


def _geometry(head: Head, model: Mapping[str, Any]) -> Geometry:
    """That of the backbone, or of the trunk in a fine-tuned head."""
    if model:
        return Geometry(**model["backbone"]["geometry"])
    return Geometry.centred(**head.metadata["trunk"]["geometry"])


def _check_strands(strand: Sequence[str], genes: int) -> None:
    if isinstance(strand, str) or len(strand) != genes or not {*strand} <= {"+", "-"}:
        raise InputError(f"each of the {genes} windows needs the strand of its gene, + or -, in a list")
