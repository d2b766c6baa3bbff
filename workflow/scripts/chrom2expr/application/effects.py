"""Effects of variants by a trained run: f(alternative) - f(reference), each from DNA to expression in one go.

Both alleles go through one fixed chunk shape, filled up where there are too few, so that one sequence gives one number:
equal windows have exactly no effect, and swapping two changes the sign. In chunks of several sequences the last digit
may hang on a sequence's place there. Nothing passes through a float16 store.

A backbone that decides each bin by its own bases (Backbone.reach: Beluga's 200 windows) reads only the bins that a
variant touches, for both alleles: ten of 200 for a single base, all on its far side for an indel.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from chrom2expr.application import allele_windows
from chrom2expr.application.allele_windows import Allele, Gene
from chrom2expr.application.trained_run import TrainedRun
from chrom2expr.application.variant_genes import Pairs
from chrom2expr.application.variants import Variant
from chrom2expr.backbones.device import to_device
from chrom2expr.genome.sequences import Genome

# Pairs whose windows, and what the backbone says of them, are in memory at a time.
_AT_ONCE = 128


class Expression(NamedTuple):
    """Expression of pairs of a variant and a gene with either allele, (pair, tissue) each, as TrainedRun gives it.

    `same` (pair,): both alleles give one window, where the genome has N, or an indel repeats what lies beyond it.
    """

    reference: np.ndarray
    alternative: np.ndarray
    same: np.ndarray


class _Pair(NamedTuple):
    gene: int
    allele: Allele
    same: bool


class Predictor:
    """Predicts expression with either allele of variants; a gene's reference is computed once for all of its variants.

    `genes` is a table (chrom, tss 0-based, strand; see genes.locate) in the assembly of `genome`. `size` is how many
    sequences are computed at a time: it changes no more than rounding. `bases_read`: by the backbone so far.
    """

    def __init__(
        self,
        run: TrainedRun,
        genome: Genome,
        genes: pd.DataFrame,
        size: int = 1,
        device: str | torch.device = "cpu",
    ) -> None:
        self.run, self.genome, self.size, self.device = run.to(device), genome, size, torch.device(device)
        self.genes = [Gene(*place) for place in genes[["chrom", "tss", "strand"]].itertuples(index=False)]
        self.bases_read = 0
        self._references: dict[int, np.ndarray] = {}
        self._chunks: dict[int, dict[int, Tensor]] = {}
        # Every pair of a gene is held against it.
        self._window = lru_cache(maxsize=_AT_ONCE)(self._read_window)

    @torch.inference_mode()
    def predict(self, variants: Sequence[Variant], pairs: Pairs) -> Expression:
        """Expression with either allele of each pair, in their order, which is by gene."""
        compute = self._by_bins if self.run.backbone and self.run.backbone.reach else self._by_windows
        work = list(zip(pairs.gene.tolist(), pairs.variant.tolist(), strict=True))
        parts = [
            compute([self._pair(gene, variants[variant]) for gene, variant in part]) for part in _parts(work, _AT_ONCE)
        ]
        if not parts:
            nothing = np.empty((0, len(self.run.tissues)), np.float32)
            return Expression(nothing, nothing, np.empty(0, bool))
        return Expression(*map(np.concatenate, zip(*parts, strict=True)))

    def _pair(self, gene: int, variant: Variant) -> _Pair:
        allele = allele_windows.alternative(self.genome, self.genes[gene], self.run.geometry, variant)
        return _Pair(gene, allele, np.array_equal(allele.encoded, self._window(gene)))

    def _read_window(self, gene: int) -> np.ndarray:
        return allele_windows.reference(self.genome, self.genes[gene], self.run.geometry)

    def _by_windows(self, pairs: Sequence[_Pair]) -> Expression:
        """Of windows that are read as a whole."""
        new = list(dict.fromkeys(pair.gene for pair in pairs if pair.gene not in self._references))
        changed = [pair for pair in pairs if not pair.same]
        windows = [(self._window(gene), gene) for gene in new] + [(pair.allele.encoded, pair.gene) for pair in changed]

        def expression(chunk: Sequence[tuple[np.ndarray, int]]) -> Tensor:
            encoded, genes = zip(*chunk, strict=True)
            return self.run(self._dna(encoded), self._strands(genes))

        rows = self._rows(windows, expression)
        self._references |= zip(new, rows[: len(new)].copy(), strict=True)
        return _expression(pairs, [self._references[pair.gene] for pair in pairs], rows[len(new) :])

    def _by_bins(self, pairs: Sequence[_Pair]) -> Expression:
        """Of bins that are each read by themselves: chunks of a fixed number of bins, for both alleles."""
        chunks = _Chunks(self.run)
        touched = [() if pair.same else chunks.holding(pair.allele.changed) for pair in pairs]
        wanted: dict[int, set[int]] = {pair.gene: {*chunks.cover} for pair in pairs}
        for pair, starts in zip(pairs, touched, strict=True):
            wanted[pair.gene].update(starts)
        new = [(gene, start) for gene in wanted for start in sorted(wanted[gene] - self._chunks.get(gene, {}).keys())]
        crops = [chunks.crop(self._window(gene), start) for gene, start in new]
        crops += [
            chunks.crop(pair.allele.encoded, start)
            for pair, starts in zip(pairs, touched, strict=True)
            for start in starts
        ]
        found = self._in_chunks(crops, lambda chunk: self.run.features(self._dna(chunk)))
        for gene, start in new:
            self._chunks.setdefault(gene, {})[start] = next(found)
        # The reference with the chunks that a variant touches is predicted once for all that touch the same.
        references = dict.fromkeys((pair.gene, starts) for pair, starts in zip(pairs, touched, strict=True))
        items = [(*reference, None) for reference in references]
        items += [
            (pair.gene, starts, [next(found) for _ in starts])
            for pair, starts in zip(pairs, touched, strict=True)
            if not pair.same
        ]

        def expression(chunk: Sequence[tuple[int, tuple[int, ...], list[Tensor] | None]]) -> Tensor:
            features = [chunks.joined(self._chunks[gene], starts, alternative) for gene, starts, alternative in chunk]
            return self.run.expression(torch.stack(features), self._strands([gene for gene, *_ in chunk]))

        rows = self._rows(items, expression)
        by_reference = dict(zip(references, rows, strict=False))
        # The next pairs may be of these genes too; of those before, none is.
        self._chunks = {gene: self._chunks[gene] for gene in wanted}
        before = [by_reference[pair.gene, starts] for pair, starts in zip(pairs, touched, strict=True)]
        return _expression(pairs, before, rows[len(references) :])

    def _rows(self, items: Sequence[Any], compute: Callable[[Sequence[Any]], Tensor]) -> np.ndarray:
        """The same in one array (item, tissue): rows of their own would lie between large tensors, and pin the heap."""
        rows: np.ndarray | None = None
        for number, row in enumerate(self._in_chunks(items, compute)):
            found = row.cpu().numpy()
            if rows is None:
                rows = np.empty((len(items), *found.shape), found.dtype)
            rows[number] = found
        return np.empty((0, len(self.run.tissues))) if rows is None else rows

    def _in_chunks(self, items: Sequence[Any], compute: Callable[[Sequence[Any]], Tensor]) -> Iterator[Tensor]:
        """What is computed of each item, `size` at a time: the last chunk is filled up with its last item."""
        for chunk in _parts(items, self.size):
            yield from compute([*chunk, *chunk[-1:] * (self.size - len(chunk))])[: len(chunk)]

    def _dna(self, encoded: Sequence[np.ndarray]) -> Tensor:
        self.bases_read += sum(map(len, encoded))
        return to_device(np.stack(encoded), self.device)

    def _strands(self, genes: Sequence[int]) -> list[str]:
        return [self.genes[gene].strand for gene in genes]


class _Chunks:
    """Runs of equally many bins of a run's window, as many as one base can be in; `cover` are those that hold all."""

    def __init__(self, run: TrainedRun) -> None:
        self.bins, self.bin_size, self.reach = run.geometry.bins, run.geometry.bin_size, run.backbone.reach
        self.size = min(-(-self.reach // self.bin_size), self.bins)
        self.last = self.bins - self.size
        self.cover = (*range(0, self.last, self.size), self.last)

    def holding(self, changed: slice) -> tuple[int, ...]:
        """First bins of chunks that hold every bin with a base in `changed`, of the window."""
        first = max(-(-(changed.start - self.reach + 1) // self.bin_size), 0)
        end = min(-(-changed.stop // self.bin_size), self.bins)
        return tuple(sorted({min(start, self.last) for start in range(first, end, self.size)}))

    def crop(self, window: np.ndarray, start: int) -> np.ndarray:
        """The bases that decide the bins of a chunk."""
        base = start * self.bin_size
        return window[base : base + (self.size - 1) * self.bin_size + self.reach]

    def joined(
        self, reference: dict[int, Tensor], starts: Sequence[int], alternative: Sequence[Tensor] | None
    ) -> Tensor:
        """Features (bin, track) of a window: the chunks of the cover, then those at `starts` of the one allele."""
        whole = torch.empty((self.bins, *next(iter(reference.values())).shape[1:]), device=reference[0].device)
        for start in self.cover:
            whole[start : start + self.size] = reference[start]
        for start, chunk in zip(starts, alternative or [reference[start] for start in starts], strict=True):
            whole[start : start + self.size] = chunk
        return whole


def _parts(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _expression(pairs: Sequence[_Pair], reference: list[np.ndarray], changed: np.ndarray) -> Expression:
    """`changed` are the alternatives of the pairs whose alleles differ."""
    following = iter(changed)
    alternative = [before if pair.same else next(following) for pair, before in zip(pairs, reference, strict=True)]
    return Expression(np.stack(reference), np.stack(alternative), np.array([pair.same for pair in pairs]))
