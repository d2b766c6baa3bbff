"""ExPecto's published models: linear models, each a text dump of its booster, named by a list.

The list is a table with the columns ModelName, a path, and Tissue. What is called X.save there is read from X.dump
beside it: `booster[0]:`, `bias:`, a number, `weight:`, then the weights, one a line, in ten blocks: those of the five
basis functions upstream, then of the five downstream (see tracks.reductions). The first weight of a block belongs to no
track and is 0; then come the tracks, in the order of Beluga's list. The base score is in the name of the file alone.

Source: Zhou et al. 2018 (ExPecto), and the files that its authors publish, models/*.dump and resources/modellist.
"""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from chrom2expr.errors import InputError, reading
from chrom2expr.files.csv_rows import is_number
from chrom2expr.files.tables import read_table
from chrom2expr.tracks.reductions import SpatialBasis

BLOCKS = SpatialBasis.features_per_track
# What a dump begins with; the bias stands between the last two.
_HEAD = ("booster[0]:", "bias:", "weight:")
_COLUMNS = ("ModelName", "Tissue")
_PSEUDOCOUNT = re.compile(r"pseudocount(\d+(?:\.\d+)?)")


class Listed(NamedTuple):
    """A row of a list of models: the tissue, as the list calls it, and its dump."""

    tissue: str
    dump: Path


class Models(NamedTuple):
    """Models in the order of their list: the score of a gene is base score + bias + the sum of weights x features.

    weights: (tissue, 10, track) float64, upstream first, as spatial_basis has its features; bias: (tissue,) float64;
    listed: the rows of the list.
    """

    weights: np.ndarray
    bias: np.ndarray
    listed: list[Listed]

    @property
    def tissue(self) -> list[str]:
        """The tissues as the list calls them."""
        return [row.tissue for row in self.listed]

    def of(self, tissues: Sequence[str], path: str | Path) -> "Models":
        """The models of some tissues, in their order; `path` is that of the list.

        A tissue is called as its model's file name ends, which is how ExPecto's own matrix calls it, or else as the
        list does: all of them in the same way, since older copies of the list give some the names of others. Raises
        InputError naming the tissues that have no model, or several.
        """
        called = [_stems(row) for row in self.listed], [[tissue] for tissue in self.tissue]
        found = min((_rows(tissues, names) for names in called), key=lambda rows: sum(len(own) != 1 for own in rows))
        if wrong := [tissue for tissue, own in zip(tissues, found, strict=True) if len(own) != 1]:
            raise InputError(
                f"{path}: {len(wrong)} of the matrix's {len(tissues)} tissues have no model of their own: "
                f"{', '.join(wrong[:5])}{', ...' if len(wrong) > 5 else ''}. A tissue must be called as its model's "
                "file name ends, or all of them as the list's column Tissue says: write the matrix's names into that "
                "column of a copy of the list, or leave these tissues out of the matrix"
            )
        rows = [row for (row,) in found]
        return Models(self.weights[rows], self.bias[rows], [self.listed[row] for row in rows])

    def pseudocounts(self) -> np.ndarray:
        """What was added to RPKM where each was fitted, (tissue,), by its file's name; NaN where that says nothing."""
        found = (_PSEUDOCOUNT.search(row.dump.name) for row in self.listed)
        return np.array([float(match[1]) if match else np.nan for match in found])


def read_list(path: str | Path) -> list[Listed]:
    """The rows of a list of models; whether their dumps are there is not asked.

    A path in it starts from the list's folder, from the one above, as in ExPecto's own, or from the working directory:
    the first of them where the dump is. Raises InputError, naming file and row, for what is no such list.
    """
    rows: list[Listed] = []
    lines: dict[str, int] = {}
    for line, cells in read_table(path, _COLUMNS, ours=False):
        name, tissue = (cells[column].strip() for column in _COLUMNS)
        if not name.endswith((".save", ".dump")):
            raise InputError(f"{path}, row {line}: ModelName is {name!r}, which ends neither in .save nor in .dump")
        if not tissue or (first := lines.setdefault(tissue, line)) != line:
            said = f"{tissue} is already in row {first}" if tissue else "no name"
            raise InputError(f"{path}, row {line}: Tissue: {said}; give every model a name of its own")
        rows.append(Listed(tissue, _found(Path(path).parent, f"{name[: -len('.save')]}.dump")))
    if not rows:
        raise InputError(f"{path}: no models below the header")
    return rows


def files_of(path: str | Path) -> list[str]:
    """A list of models and the dumps that it names; of what is no such list, itself: the job that reads it says why."""
    try:
        return [str(path), *(str(row.dump) for row in read_list(path))]
    except InputError:
        return [str(path)]


def read_models(path: str | Path) -> Models:
    """Read a list of models and the dump of each.

    Raises InputError, naming file and line, where a dump is missing, cut short, or not one of ExPecto's published
    models, and where dumps have different numbers of tracks.
    """
    listed = read_list(path)
    parts = [_read_dump(row.dump) for row in listed]
    tracks = parts[0][0].shape[1]
    for row, (weights, _) in zip(listed, parts, strict=True):
        if weights.shape[1] != tracks:
            raise InputError(f"{row.dump}: weights of {weights.shape[1]} tracks, but {listed[0].dump} has {tracks}")
    return Models(np.stack([weights for weights, _ in parts]), np.array([bias for _, bias in parts]), listed)


def _read_dump(path: Path) -> tuple[np.ndarray, float]:
    """Weights (10, track) and bias of a dump."""
    with reading(path, "dump of a model", "get ExPecto's models again"):
        lines = path.read_text(encoding="utf-8").rstrip().split("\n")
    for index, wanted in zip((0, 1, 3), _HEAD, strict=True):
        if len(lines) <= index or lines[index].strip() != wanted:
            found = lines[index][:40] if len(lines) > index else "the end of the file"
            raise InputError(f"{path}, line {index + 1}: {wanted} was expected, not {found}: no dump of a linear model")
    numbers = _numbers(path, [lines[2], *lines[4:]])
    bias, weights = numbers[0], numbers[1:]
    if len(weights) % BLOCKS or len(weights) < 2 * BLOCKS:
        raise InputError(
            f"{path}: {len(weights)} weights are not {BLOCKS} blocks of equal length (the published models have 20,030 "
            "weights): cut short, or not one of ExPecto's published models"
        )
    blocks = weights.reshape(BLOCKS, -1)
    if len(used := np.flatnonzero(blocks[:, 0])):
        line = 5 + used[0] * blocks.shape[1]
        raise InputError(
            f"{path}, line {line}: the first of a block's {blocks.shape[1]} weights is {blocks[used[0], 0]:g}, but "
            "belongs to no track and must be 0: cut short, or not one of ExPecto's published models"
        )
    return blocks[:, 1:], float(bias)


def _numbers(path: Path, lines: Sequence[str]) -> np.ndarray:
    """The bias, of line 3, and the weights, from line 5 on. Raises InputError naming the line of no finite number."""
    for index, line in enumerate(lines):
        if not is_number(line) or not math.isfinite(float(line)):
            where = 3 if index == 0 else index + 4
            raise InputError(f"{path}, line {where}: {line.strip()[:40]!r} is not a finite number")
    return np.array(lines, dtype=np.float64)


def _found(folder: Path, name: str) -> Path:
    """Where a file of the list in `folder` lies; if nowhere, where others of its folder do."""
    places = [folder / name, folder.parent / name, Path(name)]
    of_others = (place for place in places if place.parent.is_dir())
    return next((place for place in places if place.is_file()), next(of_others, places[0]))


def _stems(row: Listed) -> list[str]:
    """What the file name of a model may end in, without its ending: after each of its dots, and the whole of it."""
    parts = row.dump.name.removesuffix(".dump").split(".")
    return [".".join(parts[start:]) for start in range(len(parts))]


def _rows(tissues: Sequence[str], names: Sequence[Sequence[str]]) -> list[list[int]]:
    """For each tissue, the rows of a list that have it among their names."""
    rows: dict[str, list[int]] = {}
    for row, called in enumerate(names):
        for name in called:
            rows.setdefault(name, []).append(row)
    return [rows.get(str(tissue), []) for tissue in tissues]
