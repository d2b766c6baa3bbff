"""Shared 31-mers of windows: against sets of texts, on either strand, with N, in any order, in a sample."""

import numpy as np
import pytest

from chrom2expr.genome import similarity, windows

COMPLEMENT = str.maketrans("ACGT", "TGCA")


def made(seed=0, length=400):
    """Windows as texts: random ones, a mutated copy, a part of one turned round, one in another, N, short ones."""
    rng = np.random.default_rng(seed)
    texts = ["".join(rng.choice(list("ACGT"), length)) for _ in range(6)]
    changed = list(texts[0])
    for place in rng.choice(length, 4, replace=False):
        changed[place] = "ACGT"[("ACGT".index(changed[place]) + 1) % 4]
    texts.append("".join(changed))
    texts.append(texts[1][:200][::-1].translate(COMPLEMENT) + "".join(rng.choice(list("ACGT"), 200)))
    texts.append(texts[2][50:250])
    texts.append(texts[3][:100] + "N" + texts[3][101:300] + "NN" + texts[3][302:])
    texts += [texts[4][:120], "ACGTTGCAT", "", "N" * 50, "A" * 500, texts[5]]
    return texts


def sets(text):
    """The distinct canonical 31-mers of a text, the slow way."""
    words = (text[start : start + 31] for start in range(len(text) - 30))
    return {min(word, word[::-1].translate(COMPLEMENT)) for word in words if "N" not in word}


def code(word):
    value = 0
    for base in word:
        value = value * 4 + "ACGT".index(base)
    return value


def containment(one, other):
    return len(one & other) / len(one)


def read(texts, sampled=1):
    return similarity.read_kmers(map(windows.encode, texts), sampled)


def pairs(kmers, share):
    return {tuple(pair) for block in similarity.similar(kmers, share) for pair in block.tolist()}


def test_kmers_are_those_of_a_set_of_texts():
    for text in made():
        found = similarity.kmers_of(windows.encode(text))
        assert found.dtype == np.uint64 and found.tolist() == sorted(map(code, sets(text)))


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("block", [2, 256])
def test_similar_windows_are_those_of_a_slow_loop(monkeypatch, share, block):
    monkeypatch.setattr(similarity, "_BLOCK", block)
    kmers, known = read(made()), [(row, sets(text)) for row, text in enumerate(made()) if len(sets(text)) >= 100]
    wanted = {
        (row, other)
        for row, one in known
        for other, two in known
        if row < other and max(containment(one, two), containment(two, one)) > share
    }
    assert pairs(kmers, share) == wanted and (2, 8) in wanted
    assert kmers.known.tolist() == [len(sets(text)) >= 100 for text in made()]


@pytest.mark.parametrize("block", [2, 256])
def test_the_nearest_window_is_that_of_a_slow_loop(monkeypatch, block):
    monkeypatch.setattr(similarity, "_BLOCK", block)
    texts = made()
    among = [0, 1, 2, 3, 5, 10, 11, 12]
    of = [6, 7, 8, 9, 4, 11, 13, 15]
    shares, where = similarity.nearest(read(texts), of, among)
    for row, share, found in zip(of, shares, where):
        if len(sets(texts[row])) < 100:
            assert np.isnan(share) and found == -1
            continue
        others = {
            other: containment(sets(texts[row]), sets(texts[other])) for other in among if other not in (10, 11, 12)
        }
        assert share == pytest.approx(max(others.values())) and others[found] == max(others.values())
    assert shares[2] == 1, "a part of a window lies in it"
    assert similarity.nearest(read(texts), [2], [8])[0] < 0.5, "which is not in its part"


def test_windows_without_others_to_compare_with_are_unknown():
    shares, where = similarity.nearest(read(made()), [0, 1], [11, 12])
    assert np.isnan(shares).all() and where.tolist() == [-1, -1]
    assert similarity.nearest(read(made()), [], [1])[0].shape == (0,)
    assert not pairs(read([]), 0.2) and not pairs(read(["ACGT"]), 0.2)


def test_the_other_strand_gives_the_same():
    texts, rng = made(), np.random.default_rng(1)
    turned = [windows.encode(text) for text in texts]
    turned = [windows.reverse_complement(one) if rng.random() < 0.5 else one for one in turned]
    ours, theirs = read(texts), similarity.read_kmers(turned)
    assert ours.codes.tolist() == theirs.codes.tolist() and ours.sizes.tolist() == theirs.sizes.tolist()


def test_the_order_of_windows_makes_no_difference():
    texts = made()
    order = np.random.default_rng(2).permutation(len(texts))
    back = {
        (min(pair), max(pair))
        for pair in (order[list(pair)].tolist() for pair in pairs(read([texts[i] for i in order]), 0.2))
    }
    assert back == pairs(read(texts), 0.2)


def test_fewer_than_100_kmers_are_unknown_and_100_are_known():
    text = made()[0]
    assert pairs(read([text[:130], text]), 0.2) == {(0, 1)}
    assert pairs(read([text[:129], text]), 0.2) == set()


def test_a_sample_estimates_the_share_of_long_windows():
    rng = np.random.default_rng(3)
    one = rng.integers(0, 4, 200_000).astype(np.uint8)
    other = np.concatenate([one[:60_000], rng.integers(0, 4, 140_000).astype(np.uint8)])
    whole, sampled = (similarity.read_kmers([one, other], every) for every in (1, 100))
    exact, estimate = (similarity.nearest(kmers, [0], [1])[0][0] for kmers in (whole, sampled))
    assert exact == pytest.approx(0.3, abs=0.001)
    assert sampled.sizes == pytest.approx(whole.sizes / 100, rel=0.1)
    assert set(sampled.codes) <= set(whole.codes)
    assert estimate == pytest.approx(exact, abs=4 * np.sqrt(0.3 * 0.7 / 2000))


def test_samples_are_without_bias():
    rng = np.random.default_rng(4)
    estimates = []
    for _ in range(200):
        one = rng.integers(0, 4, 6_000).astype(np.uint8)
        other = np.concatenate([one[:2_000], rng.integers(0, 4, 4_000).astype(np.uint8)])
        estimates.append(similarity.nearest(similarity.read_kmers([one, other], 30), [0], [1])[0][0])
    spread = np.nanstd(estimates) / np.sqrt(np.isfinite(estimates).sum())
    assert np.nanmean(estimates) == pytest.approx(1_970 / 5_970, abs=4 * spread)
