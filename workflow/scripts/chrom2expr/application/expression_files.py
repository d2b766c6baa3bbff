"""Predicted expression as a file: a table of text, Parquet, or h5ad, by the ending of its name."""

import gzip
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import polars

from chrom2expr.application.prediction import Prediction
from chrom2expr.errors import InputError, system_errors_named
from chrom2expr.files.hdf5 import create_others
from chrom2expr.files.whole import whole_file

ENDINGS = (".tsv", ".tsv.gz", ".parquet", ".h5ad")


def check_name(path: str | Path) -> None:
    """Raise InputError unless a file's name ends in one of ENDINGS."""
    if not str(path).endswith(ENDINGS):
        raise InputError(f"{path}: name a file that ends in one of {', '.join(ENDINGS)}, by which its format is told")


def write(path: str | Path, prediction: Prediction) -> None:
    """Write a prediction, whole or not at all.

    .tsv, .tsv.gz: a row a gene, the columns of `genes`, then a column a tissue; `about` is in PATH.json. .parquet: the
    same columns, and `about` as the file's key-value metadata. .h5ad: genes are obs, tissues var, and `about` is uns.

    Raises InputError for another ending, or a tissue that is called like a column of `genes`.
    """
    check_name(path)
    if clash := [name for name in prediction.tissue if name in prediction.genes]:
        raise InputError(f"{path}: a tissue is called {clash[0]}, as is a column of the genes")
    text = str(path).endswith((".tsv", ".tsv.gz"))
    with system_errors_named(path), ExitStack() as files:
        beside = files.enter_context(whole_file(f"{path}.json")) if text else None
        partial = files.enter_context(whole_file(path))
        if beside:
            beside.write_text(json.dumps(prediction.about, indent=1) + "\n", encoding="utf-8")
            lines = _frame(prediction).write_csv(separator="\t").encode()
            partial.write_bytes(gzip.compress(lines, mtime=0) if str(path).endswith(".gz") else lines)
        elif str(path).endswith(".parquet"):
            _frame(prediction).write_parquet(partial, metadata=dict(prediction.about))
        else:
            _write_h5ad(partial, prediction)


def _frame(prediction: Prediction) -> polars.DataFrame:
    genes = {name: prediction.genes[name].tolist() for name in prediction.genes}
    return polars.DataFrame({**genes, **dict(zip(prediction.tissue, prediction.values.T))})


def _write_h5ad(path: Path, prediction: Prediction) -> None:
    """AnnData's format (anndata's documentation, "On-disk format"), as its version 0.8 and later read it."""
    with create_others(path) as file:
        _encode(file, "anndata", "0.1.0")
        _array(file, "X", prediction.values)
        _table(file, "obs", prediction.genes, "gene_id")
        _table(file, "var", pd.DataFrame({"tissue": prediction.tissue}), "tissue")
        for name in ("layers", "obsm", "obsp", "varm", "varp", "uns"):
            _encode(file.create_group(name), "dict", "0.1.0")
        for name, text in prediction.about.items():
            file["uns"][name] = text
            _encode(file["uns"][name], "string", "0.2.0")


def _table(file: h5py.Group, name: str, table: pd.DataFrame, index: str) -> None:
    group = file.create_group(name)
    _encode(group, "dataframe", "0.2.0")
    group.attrs["_index"] = index
    group.attrs["column-order"] = np.array([column for column in table if column != index], dtype=h5py.string_dtype())
    for column in table:
        _array(group, column, table[column].to_numpy())


def _array(group: h5py.Group, name: str, values: np.ndarray) -> None:
    texts = values.dtype.kind in "OU"
    group[name] = values.astype(h5py.string_dtype()) if texts else values
    _encode(group[name], "string-array" if texts else "array", "0.2.0")


def _encode(place: Any, kind: str, version: str) -> None:
    place.attrs["encoding-type"], place.attrs["encoding-version"] = kind, version
