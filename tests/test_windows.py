"""Windows and bins against direct definitions, in 1-based positions where their sources count so."""

import numpy as np
import pytest

from chrom2expr.errors import InputError
from chrom2expr.genome import windows
from chrom2expr.genome.windows import Geometry

STRANDS = ["+", "-"]


@pytest.mark.parametrize("length, bins, bin_size", [(196_608, 896, 128), (50_048, 391, 128)])
@pytest.mark.parametrize("strand", STRANDS)
def test_centred_is_a_window_whose_middle_base_is_the_tss(length, bins, bin_size, strand):
    tss = 1_000_000
    geometry = Geometry.centred(length, bins, bin_size)
    start = geometry.sequence_start(tss, strand)
    assert start == tss - length // 2
    # As many bases are left over before the first bin as after the last.
    before = geometry.bins_start(tss, strand) - start
    after = start + length - (geometry.bins_start(tss, strand) + bins * bin_size)
    assert before == after == (length - bins * bin_size) // 2


def test_the_tss_lies_in_the_bin_that_the_design_names():
    for (length, bins), expected in {(196_608, 896): 448, (50_048, 391): 195}.items():
        geometry = Geometry.centred(length, bins, 128)
        assert (10**6 - geometry.bins_start(10**6, "+")) // 128 == expected


def expecto_windows(tss: int, strand: str, window: int, bins: int, bin_size: int) -> list[tuple[int, int]]:
    """ExPecto's windows of a gene, first and last position, 1-based, in the order of its shifts."""
    spans = []
    for shift in range(-(bins // 2) * bin_size, (bins - bins // 2) * bin_size, bin_size):
        centre = tss + shift * (1 if strand == "+" else -1)
        spans.append((centre - (window // 2 - 1), centre + window // 2))
    return spans


@pytest.mark.parametrize("strand", STRANDS)
@pytest.mark.parametrize("window, bins, bin_size", [(2000, 200, 200), (400, 20, 40), (200, 7, 100)])
def test_sliding_gives_expectos_windows(strand, window, bins, bin_size):
    tss = 3_000_001  # 1-based
    geometry = Geometry.sliding(window, bins, bin_size)
    expected = expecto_windows(tss, strand, window, bins, bin_size)
    genomic = expected if strand == "+" else expected[::-1]
    start = geometry.sequence_start(tss - 1, strand)
    assert start + 1 == genomic[0][0]
    assert start + geometry.sequence_length == genomic[-1][1]
    for index, (first, last) in enumerate(genomic):
        # Window `index` of the sequence, in 1-based positions.
        assert (start + index * bin_size + 1, start + index * bin_size + window) == (first, last)
        bin_start = geometry.bins_start(tss - 1, strand) + index * bin_size
        # The bin lies in the window's middle.
        assert bin_start + 1 - first == last - (bin_start + bin_size) == (window - bin_size) // 2


def test_sliding_shifts_are_expectos():
    plus = expecto_windows(100_000, "+", 2000, 200, 200)
    assert plus[0] == (100_000 - 20_000 - 999, 100_000 - 20_000 + 1000)
    assert plus[-1] == (100_000 + 19_800 - 999, 100_000 + 19_800 + 1000)
    assert Geometry.sliding(2000, 200, 200).sequence_length == 41_800


def test_from_config_tells_the_two_kinds_apart():
    assert Geometry.from_config({"sequence_length": 512, "bins": 2, "bin_size": 128}) == Geometry.centred(512, 2, 128)
    assert Geometry.from_config({"window": 2000, "bins": 200, "bin_size": 200}) == Geometry.sliding(2000, 200, 200)


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"sequence_length": 1000, "bins": 8, "bin_size": 128}, ["sequence_length", "do not fit"]),
        ({"sequence_length": 1025, "bins": 8, "bin_size": 128}, ["sequence_length", "odd"]),
        ({"sequence_length": 1024, "bins": 0, "bin_size": 128}, ["bins", "above 0"]),
        ({"window": 100, "bins": 10, "bin_size": 200}, ["window", "bin_size", "do not fit"]),
        ({"window": 2001, "bins": 10, "bin_size": 201}, ["window", "even"]),
        ({"window": 200, "bins": 10, "bin_size": 33}, ["window", "bin_size", "odd"]),
    ],
)
def test_impossible_geometry_is_refused_by_key(settings, words):
    with pytest.raises(InputError) as error:
        Geometry.from_config(settings)
    for word in ["geometry", *words]:
        assert word in str(error.value)


def test_encode_and_decode():
    assert windows.encode("ACGTNacgtnRY-").tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 4, 4, 4]
    assert windows.decode(windows.encode("ACGTNacgtnRY")) == "ACGTNACGTNNN"
    encoded = np.random.default_rng(0).integers(0, 5, 1000).astype(np.uint8)
    assert np.array_equal(windows.encode(windows.decode(encoded)), encoded)


def test_reverse_complement():
    assert windows.decode(windows.reverse_complement(windows.encode("AACGTN"))) == "NACGTT"
    encoded = np.random.default_rng(1).integers(0, 5, (3, 100)).astype(np.uint8)
    pairs = str.maketrans("ACGT", "TGCA")
    for row, turned in zip(encoded, windows.reverse_complement(encoded)):
        assert windows.decode(turned) == windows.decode(row).translate(pairs)[::-1]
    assert np.array_equal(windows.reverse_complement(windows.reverse_complement(encoded)), encoded)
