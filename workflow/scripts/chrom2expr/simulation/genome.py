"""A small genome with planted regulatory grammar, in the real formats, for the demo and the tests.

What is planted, and nothing else, links sequence, tracks and expression:

- Core motifs are in promoters. Their counts set a gene's baseline, the same in every tissue; the last of them is a
  silencer. Regulator motifs are in promoters and in distal enhancers; each regulator is active in some lineages, and
  raises expression in the tissues of those lineages, less so with distance from the TSS.
- A site is drawn from its motif with mutations, and is weaker the more it is mutated.
- ln RPKM (gene, tissue) = baseline + tissue part + noise of the gene + noise, each scaled to a standard deviation of
  the config. The baseline's is the larger by far, as in real data (thesis 3.1).
- A track is the sum of its peaks at the sites that its assay sees in its lineage, with noise. Tracks never look at
  expression, except CAGE, which measures it.

GRCh37 is made first; GRCh38 follows from it by insertions and deletions, which are the chain. Coordinates are 0-based
half-open throughout and 1-based only in the gene table, as in ExPecto's file.
"""

import csv
import gzip
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyBigWig
from scipy.ndimage import gaussian_filter1d

from chrom2expr.files.tables import read_lines, write_lines
from chrom2expr.files.whole import whole_file
from chrom2expr.genome import windows

# Sites lie in slots of this many bp, so that they never overlap.
_SLOT = 16
# Promoter and enhancer in bp from the TSS and from the enhancer's middle, in gene orientation.
_PROMOTER = (-400, 96)
_ENHANCER = (-96, 96)
# The lowest RPKM that is told from zero.
_DETECTION = 0.01


@dataclass(frozen=True)
class Settings:
    """The config's section `simulation: genome`; lengths and distances in bp, standard deviations of ln RPKM."""

    genes: Mapping[str, int]  # genes of each chromosome
    gene_spacing: int
    edit_spacing: int  # between the differences of the two assemblies
    longest_edit: int
    unliftable: int  # genes whose TSS GRCh38 lacks
    rrna: int  # genes of type rRNA
    tissues: int
    lineages: int  # groups of tissues; each is one cell type of the tracks
    beluga_lineages: int  # the lineages that Beluga's tracks describe
    core_motifs: int
    regulators: int
    motif_length: int
    mutation: float  # probability that a base of a site differs from its motif
    enhancers: int  # of a gene, at most
    enhancer_distance: tuple[int, int]
    enhancer_decay: int  # distance at which an enhancer's weight has fallen to 1/e
    baseline_sd: float
    tissue_sd: float
    gene_noise_sd: float
    noise_sd: float
    missing: float  # fraction of expression values
    track_noise: float
    resolution: int  # of the bigWigs

    @property
    def tissue_names(self) -> list[str]:
        """The tissues' names, each with the lineage that it is mostly of."""
        return [f"lineage{tissue % self.lineages}_tissue{tissue}" for tissue in range(self.tissues)]


@dataclass
class Simulation:
    """A simulated genome in memory. `genes` and `sites` are ordered alike and refer to each other by row number."""

    settings: Settings
    seed: int
    grch37: dict[str, np.ndarray]  # encoded of each contig, uint8
    grch38: dict[str, np.ndarray]
    edits: dict[str, pd.DataFrame]  # start, deleted (bp of GRCh37), inserted (bp of GRCh38), ascending
    genes: pd.DataFrame  # id, symbol, chrom, strand, tss (GRCh37, 0-based), annotated_tss, type; in the file's order
    motifs: pd.DataFrame  # motif, role (core | regulator), consensus, baseline (weight of a core motif)
    # gene, motif (row numbers), chrom, start (GRCh37), reverse (its strand), distance (from the TSS), strength (0 to 1)
    sites: pd.DataFrame
    activity: np.ndarray  # (regulator, lineage), 0 to 1
    lineage: np.ndarray  # (tissue, lineage), rows sum to 1
    log_expression: np.ndarray  # (gene, tissue), ln RPKM before detection and missing values

    def lift(self, chrom: str, positions: np.ndarray) -> np.ndarray:
        """GRCh38 positions of GRCh37 `positions` on `chrom`; -1 where GRCh38 has deleted the base."""
        edits = self.edits[chrom]
        shift = np.concatenate([[0], np.cumsum(edits.inserted - edits.deleted)])
        passed = np.searchsorted(edits.start, positions, side="right")
        lifted = positions + shift[passed]
        ends = np.concatenate([[0], (edits.start + edits.deleted).to_numpy()])
        return np.where(positions < ends[passed], -1, lifted)

    def expected(self, sites: pd.DataFrame) -> np.ndarray:
        """ln RPKM (gene, tissue) without noise, were these the genome's sites; on the scale that its own sites set."""
        return _expected(self.settings, len(self.genes), self.motifs, self.activity, self.lineage, self.sites, sites)


def strength(mismatches: int) -> float:
    """How strong a site is that differs from its motif in so many bases."""
    return max(0.0, 1 - 0.3 * mismatches)


def simulate(settings: Settings, seed: int) -> Simulation:
    """Draw a genome. The same settings and seed give the same simulation."""
    streams = iter(np.random.default_rng(seed).spawn(6))
    motifs, activity, lineage = _draw_grammar(settings, next(streams))
    genes = _draw_genes(settings, next(streams))
    sites, grch37 = _plant(settings, genes, motifs, next(streams))
    edits = {
        name: _draw_edits(settings, genes, sites, name, len(grch37[name]), rng)
        for (name, rng) in zip(grch37, next(streams).spawn(len(grch37)))
    }
    inserts = next(streams)
    grch38 = {name: _apply(edits[name], encoded, inserts) for name, encoded in grch37.items()}
    noise = next(streams)
    log_expression = (
        _expected(settings, len(genes), motifs, activity, lineage, sites, sites)
        + noise.normal(0, settings.gene_noise_sd, (len(genes), 1))
        + noise.normal(0, settings.noise_sd, (len(genes), settings.tissues))
    )
    return Simulation(
        settings,
        seed,
        grch37,
        grch38,
        edits,
        genes.drop(columns="lost"),
        motifs,
        sites,
        activity,
        lineage,
        log_expression,
    )


def _draw_grammar(settings: Settings, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Motifs that differ in over half of their bases on both strands, the regulators' lineages, the tissues' mix."""
    consensus: list[np.ndarray] = []
    while len(consensus) < settings.core_motifs + settings.regulators:
        candidate = rng.integers(4, size=settings.motif_length, dtype=np.uint8)
        known = consensus + [windows.reverse_complement(motif) for motif in consensus]
        known.append(windows.reverse_complement(candidate))
        if all(np.sum(candidate != other) > settings.motif_length / 2 for other in known):
            consensus.append(candidate)
    core = settings.core_motifs
    baseline = np.zeros(len(consensus))
    baseline[: core - 1] = np.linspace(1, 0.5, core - 1)
    baseline[core - 1] = -1
    motifs = pd.DataFrame(
        {
            "motif": [f"core{m}" for m in range(core)] + [f"regulator{m}" for m in range(settings.regulators)],
            "role": ["core"] * core + ["regulator"] * settings.regulators,
            "consensus": [windows.decode(motif) for motif in consensus],
            "baseline": baseline,
        }
    )
    active = rng.random((settings.regulators, settings.lineages)) < 0.2
    active[np.arange(settings.regulators), np.arange(settings.regulators) % settings.lineages] = True
    activity = active * rng.uniform(0.6, 1.0, active.shape)
    # A tissue is mostly one lineage, and partly another.
    lineage = np.zeros((settings.tissues, settings.lineages))
    tissues = np.arange(settings.tissues)
    lineage[tissues, tissues % settings.lineages] = 0.8
    lineage[tissues, (tissues + rng.integers(1, settings.lineages, settings.tissues)) % settings.lineages] = 0.2
    return motifs, activity, lineage


def _draw_genes(settings: Settings, rng: np.random.Generator) -> pd.DataFrame:
    """Genes about `gene_spacing` apart, in the shuffled order of their ids; the first of a contig is near its end."""
    tables = []
    for chrom, count in settings.genes.items():
        jitter = rng.uniform(-0.3, 0.3, count)
        tss = ((np.arange(count) + 0.5 + jitter) * settings.gene_spacing).astype(int)
        tss[0] = settings.gene_spacing // 6
        tables.append(pd.DataFrame({"chrom": chrom, "tss": tss}))
    genes = pd.concat(tables).sample(frac=1, random_state=rng).reset_index(drop=True)
    count = len(genes)
    genes.insert(0, "id", [f"ENSG{90_000_000_000 + 7 * gene:011d}" for gene in range(count)])
    genes.insert(1, "symbol", [f"SIM{gene + 1}" for gene in range(count)])
    genes["strand"] = rng.choice(["+", "-"], count)
    genes["annotated_tss"] = genes.tss + rng.integers(-150, 151, count)
    genes["type"] = rng.choice(["protein_coding", "lincRNA"], count, p=[0.8, 0.2])
    special = rng.permutation(count)[: settings.rrna + settings.unliftable]
    genes.loc[special[: settings.rrna], "type"] = "rRNA"
    genes["lost"] = genes.index.isin(special[settings.rrna :])
    return genes


def _plant(settings: Settings, genes: pd.DataFrame, motifs: pd.DataFrame, rng: np.random.Generator):
    """GRCh37, random but for the sites planted in it, and the table of the sites."""
    grch37 = {
        name: rng.choice(4, count * settings.gene_spacing, p=[0.29, 0.21, 0.21, 0.29]).astype(np.uint8)
        for name, count in settings.genes.items()
    }
    taken = {name: np.zeros(len(encoded), dtype=bool) for name, encoded in grch37.items()}
    consensus = np.array([windows.encode(motif) for motif in motifs.consensus])
    core = np.flatnonzero(motifs.role == "core")
    regulators = np.flatnonzero(motifs.role == "regulator")
    rows = []
    for gene, (chrom, tss, strand) in enumerate(zip(genes.chrom, genes.tss, genes.strand)):
        # A strong promoter has more of every activating core motif, an enhancer has copies of one regulator's motif.
        planned = []  # (motif, distance from the TSS of the slot's start, in gene orientation)
        promoter = rng.permutation(np.arange(*_PROMOTER, _SLOT))
        counts = rng.binomial(5, np.where(motifs.baseline[core] > 0, *[rng.random(), rng.random() / 2]))
        chosen = np.concatenate([np.repeat(core, counts), rng.choice(regulators, rng.integers(0, 3))])
        planned += zip(chosen, promoter)
        for _ in range(rng.integers(0, settings.enhancers + 1)):
            distance = np.exp(rng.uniform(*np.log(settings.enhancer_distance))) * rng.choice([-1, 1])
            slots = int(distance) + rng.permutation(np.arange(*_ENHANCER, _SLOT))
            planned += zip(np.repeat(rng.choice(regulators), rng.integers(2, 5)), slots)
        for motif, distance in planned:
            start = tss + distance if strand == "+" else tss - distance - settings.motif_length + 1
            place = slice(start, start + settings.motif_length)
            if start < 0 or place.stop > len(grch37[chrom]) or taken[chrom][place].any():
                continue
            mutated = rng.random(settings.motif_length) < settings.mutation
            site = (consensus[motif] + mutated * rng.integers(1, 4, settings.motif_length)) % 4
            reverse = rng.random() < 0.5
            grch37[chrom][place] = windows.reverse_complement(site.astype(np.uint8)) if reverse else site
            taken[chrom][place] = True
            rows.append((gene, motif, chrom, start, reverse, distance, strength(mutated.sum())))
    sites = pd.DataFrame(rows, columns=["gene", "motif", "chrom", "start", "reverse", "distance", "strength"])
    return sites, grch37


def _draw_edits(
    settings: Settings, genes: pd.DataFrame, sites: pd.DataFrame, chrom: str, length: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Where GRCh38 differs from GRCh37: deletions, insertions or both, away from sites and TSSs, and the lost TSSs."""
    margin = settings.longest_edit + 64
    spots = np.arange(settings.edit_spacing, length - settings.edit_spacing, settings.edit_spacing)
    starts = spots + rng.integers(-settings.edit_spacing // 3, settings.edit_spacing // 3, len(spots))
    here = genes[genes.chrom == chrom]
    fixed = np.sort(np.concatenate([sites.start[sites.chrom == chrom], here.tss]))
    near = np.searchsorted(fixed, starts + margin) > np.searchsorted(fixed, starts - margin)
    starts = starts[~near]
    kind = rng.integers(3, size=len(starts))
    deleted = np.where(kind != 0, rng.integers(1, settings.longest_edit, len(starts)), 0)
    inserted = np.where(kind != 1, rng.integers(1, settings.longest_edit, len(starts)), 0)
    edits = pd.DataFrame({"start": starts, "deleted": deleted, "inserted": inserted})
    lost = pd.DataFrame({"start": here.tss[here.lost] - 50, "deleted": 100, "inserted": 0})
    return pd.concat([edits, lost]).sort_values("start", ignore_index=True)


def _apply(edits: pd.DataFrame, encoded: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """GRCh38's contig, encoded."""
    pieces, done = [], 0
    for start, deleted, inserted in edits.itertuples(index=False):
        pieces += [encoded[done:start], rng.integers(4, size=inserted, dtype=np.uint8)]
        done = start + deleted
    return np.concatenate([*pieces, encoded[done:]])


def _expected(
    settings: Settings,
    genes: int,
    motifs: pd.DataFrame,
    activity: np.ndarray,
    lineage: np.ndarray,
    own: pd.DataFrame,
    sites: pd.DataFrame,
) -> np.ndarray:
    """ln RPKM (gene, tissue) by `sites`, as the module's docstring says, without noise; `own` sites set the scale."""
    by_motif = np.zeros((len(motifs), settings.tissues))
    by_motif[motifs.role == "regulator"] = activity @ lineage.T
    by_motif -= by_motif.mean(axis=1, keepdims=True)

    def parts(sites: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """The baseline (gene,) and the tissue part (gene, tissue), before they are scaled."""
        weight = sites.strength * np.exp(-np.maximum(0, sites.distance.abs() - 400) / settings.enhancer_decay)
        counts = np.zeros((genes, len(motifs)))
        np.add.at(counts, (sites.gene, sites.motif), weight)
        return np.bincount(
            sites.gene, sites.strength * motifs.baseline.to_numpy()[sites.motif], genes
        ), counts @ by_motif

    (own_baseline, own_tissue), (baseline, tissue) = parts(own), parts(sites)
    mean = own_tissue.mean(axis=0)  # as after normalisation between samples, no tissue is higher overall
    return (
        1.0
        + settings.baseline_sd * ((baseline - own_baseline.mean()) / own_baseline.std())[:, None]
        + settings.tissue_sd * (tissue - mean) / (own_tissue - mean).std()
    )


# --- the tracks --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Track:
    """One bigWig: its identifier, what the table says of it, and the height of its peaks."""

    identifier: str
    assay: str
    lineage: int
    motif_height: np.ndarray  # (motif,) height of a peak at an intact site
    tss_height: np.ndarray | None  # (gene,) height of a peak at the TSS: CAGE only
    peak_sd: int  # bp


def chromatin_heights(simulation: Simulation, assay: str, lineage: int) -> tuple[np.ndarray, int]:
    """Peak heights (motif,) of an assay in a lineage, and the peaks' standard deviation in bp.

    `assay` is DNase, H3K4me1, H3K4me3, H3K27ac, H3K27me3, or the name of a motif: the ChIP of what binds it.
    """
    motifs, active = simulation.motifs, simulation.activity[:, lineage]
    core, silencer = (motifs.role == "core").to_numpy(), (motifs.baseline < 0).to_numpy()
    heights = np.zeros(len(motifs))
    if assay == "DNase":
        heights[core & ~silencer], heights[~core], width = 1.5, 0.2 + 3 * active, 80
    elif assay == "H3K4me1":
        heights[~core], width = 0.5 + 1.5 * active, 250
    elif assay == "H3K4me3":
        heights[core & ~silencer], width = 3 * motifs.baseline[core & ~silencer], 200
    elif assay == "H3K27ac":
        heights[core & ~silencer], heights[~core], width = 0.7, 3 * active, 200
    elif assay == "H3K27me3":
        heights[silencer], width = 2, 300
    else:
        bound = (motifs.motif == assay).to_numpy()
        heights[bound] = 4 if core[bound].all() else 4 * active[bound[~core]] + 0.5
        width = 60
    return heights, width


def enformer_tracks(simulation: Simulation) -> list[Track]:
    """Four chromatin assays and CAGE of every lineage, chromatin first, as in Basenji's table."""
    settings, motifs = simulation.settings, simulation.motifs.motif
    tracks = []
    for assay in ["DNase", "H3K27ac", "H3K4me3", None]:
        for lineage in range(settings.lineages):
            seen = assay or (motifs[lineage // 2 % len(motifs)] if lineage % 2 else "H3K27me3")
            identifier = f"ENCFF{len(tracks):03d}SIM"
            tracks.append(Track(identifier, seen, lineage, *_chromatin(simulation, seen, lineage)))
    for lineage in range(settings.lineages):
        mean = simulation.log_expression @ simulation.lineage[:, lineage] / simulation.lineage[:, lineage].sum()
        height = 0.2 * np.log1p(np.exp(mean))
        nothing = np.zeros(len(motifs))
        tracks.append(Track(f"CNhs{10_000 + lineage}", "CAGE", lineage, nothing, height, 60))
    return tracks


def beluga_tracks(simulation: Simulation) -> list[Track]:
    """Five chromatin assays of some lineages, a cell type's together, as in ExPecto's table."""
    assays = ["DNase", "H3K27ac", "H3K27me3", "H3K4me1", "H3K4me3"]
    return [
        Track(f"E{lineage + 1:03d}-{assay}", assay, lineage, *_chromatin(simulation, assay, lineage))
        for lineage in range(simulation.settings.beluga_lineages)
        for assay in assays
    ]


def _chromatin(simulation: Simulation, assay: str, lineage: int) -> tuple[np.ndarray, None, int]:
    heights, width = chromatin_heights(simulation, assay, lineage)
    return heights, None, width


def _signal(
    simulation: Simulation,
    track: Track,
    chrom: str,
    lengths: Mapping[str, int],
    lift: Callable[[str, np.ndarray], np.ndarray],
    rng: np.random.Generator,
) -> np.ndarray:
    """Signal (grid point,) of a track along a contig, one value every `resolution` bp."""
    settings = simulation.settings
    step = settings.resolution
    points = -(-lengths[chrom] // step)
    sites = simulation.sites[simulation.sites.chrom == chrom]
    centres = sites.start.to_numpy() + settings.motif_length // 2
    heights = track.motif_height[sites.motif] * sites.strength.to_numpy()
    if track.tss_height is not None:
        genes = simulation.genes[simulation.genes.chrom == chrom]
        centres, heights = genes.tss.to_numpy(), track.tss_height[genes.index]
    heights = heights * rng.lognormal(0, settings.track_noise, len(heights))
    centres = lift(chrom, centres)
    kept = (centres >= 0) & (heights > 0)
    peaks = np.bincount(centres[kept] // step, heights[kept], points)
    # Peaks that no motif explains, about one for every two genes.
    stray = rng.integers(points, size=max(1, lengths[chrom] // settings.gene_spacing // 2))
    np.add.at(peaks, stray, rng.exponential(settings.track_noise, len(stray)))
    spread = track.peak_sd / step
    signal = gaussian_filter1d(peaks, spread) * max(1.0, spread * np.sqrt(2 * np.pi))
    return signal + rng.gamma(0.3, 0.2 * settings.track_noise, points)


# --- the files ---------------------------------------------------------------------------------------------------


def write_fasta(path: str | Path, contigs: Mapping[str, np.ndarray]) -> None:
    """Contigs, encoded (length,), as FASTA, 60 bases a line."""
    with whole_file(path) as partial, open(partial, "wb") as handle:
        for name, encoded in contigs.items():
            letters = np.frombuffer(b"ACGTN", dtype=np.uint8)[encoded]
            whole = len(letters) // 60 * 60
            lines = np.full((whole // 60, 61), ord("\n"), dtype=np.uint8)
            lines[:, :60] = letters[:whole].reshape(-1, 60)
            rest = letters[whole:].tobytes()
            handle.write(f">{name}\n".encode() + lines.tobytes() + (rest + b"\n" if rest else b""))


def write_chain(path: str | Path, simulation: Simulation) -> None:
    """The edits as a UCSC chain from GRCh37 to GRCh38, gzipped without a time stamp."""
    lines = []
    for number, (chrom, edits) in enumerate(simulation.edits.items(), start=1):
        before, after = len(simulation.grch37[chrom]), len(simulation.grch38[chrom])
        starts = edits.start.to_numpy()
        ends = starts + edits.deleted.to_numpy()
        sizes = np.append(starts, before) - np.insert(ends, 0, 0)
        lines.append(f"chain {sizes.sum() * 100} {chrom} {before} + 0 {before} {chrom} {after} + 0 {after} {number}")
        lines += [
            f"{size}\t{deleted}\t{inserted}" for size, deleted, inserted in zip(sizes, edits.deleted, edits.inserted)
        ]
        lines += [str(sizes[-1]), ""]
    with whole_file(path) as partial:
        partial.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0))


def write_annotation(path: str | Path, genes: pd.DataFrame) -> None:
    """ExPecto's geneanno.csv: 1-based TSSs on GRCh37, lines that end in CR LF."""
    table = pd.DataFrame(
        {
            "id": genes.id,
            "symbol": genes.symbol,
            "seqnames": genes.chrom,
            "strand": genes.strand,
            "TSS": genes.annotated_tss + 1,
            "CAGE_representative_TSS": genes.tss + 1,
            "type": genes.type,
        }
    )
    with whole_file(path) as partial:
        table.to_csv(partial, index=False, lineterminator="\r\n")


def write_expression(path: str | Path, simulation: Simulation) -> None:
    """ExPecto's geneanno.exp.csv: rows in the gene table's order, a running index, RPKM, missing values empty."""
    settings = simulation.settings
    rpkm = np.exp(simulation.log_expression)
    rpkm[rpkm < _DETECTION] = 0
    rpkm[np.random.default_rng([simulation.seed, 2]).random(rpkm.shape) < settings.missing] = np.nan
    table = pd.DataFrame(rpkm, index=np.arange(1, len(rpkm) + 1), columns=settings.tissue_names)
    with whole_file(path) as partial:
        table.to_csv(partial, float_format="%.6g", quoting=csv.QUOTE_MINIMAL)


def write_enformer_table(path: str | Path, tracks: list[Track]) -> None:
    """Basenji's targets table: tab-separated, scale 2 and mean for chromatin, scale 1 and sum for CAGE."""
    names = {"DNase": "DNASE", "CAGE": "CAGE"}
    rows = []
    for index, track in enumerate(tracks):
        cage = track.assay == "CAGE"
        kind = names.get(track.assay, f"CHIP:{track.assay}")
        rows.append(
            {
                "index": index,
                "genome": 0,
                "identifier": track.identifier,
                "file": f"simulated/{track.identifier}/coverage.w5",
                "clip": 384 if cage else 32,
                "scale": 1 if cage else 2,
                "sum_stat": "sum" if cage else "mean",
                "description": f"{kind}:lineage {track.lineage}",
            }
        )
    with whole_file(path) as partial:
        pd.DataFrame(rows).to_csv(partial, sep="\t", index=False, lineterminator="\n")


def write_beluga_table(path: str | Path, tracks: list[Track]) -> None:
    """ExPecto's table of Beluga's features: an unnamed column on either side, lines that end in CR LF."""
    lines = ["\tCell type\tAssay\tTreatment\tAssay type\tSource\t"]
    for index, track in enumerate(tracks, start=1):
        kind = "DNase" if track.assay == "DNase" else "Histone"
        lines.append(
            f"{index}\tLineage_{track.lineage}\t{track.assay}\t\t{kind}\tRoadmap Epigenomics\t"
            f"{track.identifier}.narrowPeak.gz"
        )
    with whole_file(path) as partial:
        partial.write_bytes("\r\n".join(lines).encode())


def write_bigwigs(folder: str | Path, simulation: Simulation, tracks: list[Track], assembly: str) -> None:
    """`{identifier}.bw` for every track on `assembly` (grch37 | grch38); where the signal is near 0, nothing covers."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    contigs = simulation.grch38 if assembly == "grch38" else simulation.grch37
    lengths = {name: len(encoded) for name, encoded in contigs.items()}
    lift = simulation.lift if assembly == "grch38" else (lambda chrom, positions: positions)
    step = simulation.settings.resolution
    for number, track in enumerate(tracks):
        rng = np.random.default_rng([simulation.seed, 3, int(assembly[-2:]), number])
        with whole_file(folder / f"{track.identifier}.bw") as partial:
            bigwig = pyBigWig.open(str(partial), "w")
            bigwig.addHeader(list(lengths.items()), maxZooms=0)
            for chrom, length in lengths.items():
                signal = np.round(_signal(simulation, track, chrom, lengths, lift, rng), 3)
                signal = signal[: length // step]  # whole steps only: an interval must not pass the contig's end
                points = np.flatnonzero(signal >= 0.05)
                bigwig.addEntries(chrom, points * step, values=signal[points], span=step)
            bigwig.close()


def write_motifs(path: str | Path, motifs: pd.DataFrame) -> None:
    """motifs.tsv: motif, role, consensus, baseline. The truth about the grammar, which small backbones start from."""
    write_lines(path, motifs.to_csv(sep="\t", index=False, lineterminator="\n"))


def read_motifs(path: str | Path) -> list[np.ndarray]:
    """The motifs, encoded (length,), in a motifs.tsv."""
    return [windows.encode(consensus) for consensus in pd.read_csv(io.StringIO(read_lines(path)), sep="\t").consensus]
