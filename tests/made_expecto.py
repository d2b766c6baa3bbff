"""Files in ExPecto's formats, made up: a list of models with their dumps, and what its two programs leave between them."""

from pathlib import Path

import h5py
import numpy as np


def write_dump(path, weights, bias):
    """A dump of weights (10, track): each block has a weight of 0 before those of its tracks."""
    blocks = np.concatenate([np.zeros((10, 1)), weights], axis=1)
    lines = ["booster[0]:", "bias:", f"{bias:.6g}", "weight:", *(f"{value:.6g}" for value in blocks.ravel())]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text("\n".join(lines) + "\n")


def write_models(folder, tissues, tracks, seed=0, listed=None, pseudocount="0.0001"):
    """A folder as ExPecto's, resources/modellist and models/: the list's path, weights (tissue, 10, track), bias."""
    random = np.random.default_rng(seed)
    weights = random.normal(0, 0.1, (len(tissues), 10, tracks)).round(6)
    bias = random.normal(0, 0.1, len(tissues)).round(6)
    names = [f"models/all.pseudocount{pseudocount}.lambda100.round100.basescore2.{tissue}" for tissue in tissues]
    for name, *model in zip(names, weights, bias, strict=True):
        write_dump(folder / f"{name}.dump", *model)
    rows = [f"./{name}.save\t{tissue}" for name, tissue in zip(names, listed or tissues, strict=True)]
    path = folder / "resources" / "modellist"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["ModelName\tTissue", *rows]) + "\n")
    return path, weights, bias


def write_intermediate(folder, variants, genes, effects):
    """The VCF and the gene table of rows of cells, and effects {shift: (2 variant, track)}; the files' pattern too."""
    vcf, table = folder / "my.vcf", folder / "my.vcf.closestgene"
    for path, rows in ((vcf, variants), (table, genes)):
        path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    for shift, values in effects.items():
        with h5py.File(folder / f"my.vcf.shift_{shift}.diff.h5", "w") as file:
            file["pred"] = values
    return vcf, table, f"{folder}/my.vcf.shift_{{shift}}.diff.h5"
