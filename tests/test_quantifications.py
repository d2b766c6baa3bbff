"""RSEM, Salmon and kallisto by a sample sheet, and lengths of genes: what comes out, and what is refused."""

import gzip
import os

import numpy as np
import pandas as pd
import pyranges
import pytest

from chrom2expr.errors import InputError
from chrom2expr.genome import annotation, exons, expression, quantifications, sample_sheets
from planned_jobs import copied, planned_jobs

GENES, PER_GENE = 30, 4
GENE_IDS = [f"ENSG{gene:011}.3" for gene in range(GENES)]
TRANSCRIPT_IDS = [f"ENST{number:011}.7" for number in range(GENES * PER_GENE)]


def gene_of(transcript):
    return GENE_IDS[TRANSCRIPT_IDS.index(transcript) // PER_GENE]


def exon_table():
    """Exons (transcript, start, end), 1-based and inclusive, those of one gene often overlapping."""
    rng = np.random.default_rng(5)
    rows = []
    for number, transcript in enumerate(TRANSCRIPT_IDS):
        base = 1000 + 5000 * (number // PER_GENE)
        for start in rng.integers(base, base + 600, rng.integers(1, 5)):
            rows.append((transcript, int(start), int(start + rng.integers(1, 300))))
    return rows


EXONS = exon_table()
LENGTHS = {
    gene: len({at for name, start, end in EXONS if gene_of(name) == gene for at in range(start, end + 1)})
    for gene in GENE_IDS
}


def gtf(path, version=True, genes=GENE_IDS):
    """A GTF of the genes, and one whose ids have no versions."""

    def line(feature, transcript, start, end):
        gene = gene_of(transcript)
        names = (gene, transcript) if version else (gene.partition(".")[0], transcript.partition(".")[0])
        text = f'gene_id "{names[0]}"; transcript_id "{names[1]}"; gene_name "S{GENE_IDS.index(gene)}";'
        return "\t".join(["chr1", "lab", feature, str(start), str(end), ".", "+", ".", text]) + "\n"

    wanted = [name for name in TRANSCRIPT_IDS if gene_of(name) in genes]
    lines = []
    for name in wanted:
        own = [(start, end) for other, start, end in EXONS if other == name]
        lines.append(line("transcript", name, min(start for start, _ in own), max(end for _, end in own)))
        lines += [line("exon", name, *place) for place in own]
    path.write_text("#!genome-build GRCh38\n" + "".join(lines))
    return path


def gff3(path):
    """The same genes as GFF3, exons before what they are of, one shared by two transcripts."""
    lines = []
    for name, start, end in EXONS:
        lines.append(("exon", start, end, f"Parent=transcript:{name}"))
    for name in TRANSCRIPT_IDS:
        lines.append(("mRNA", 1, 2, f"ID=transcript:{name};Parent=gene:{gene_of(name)};transcript_id={name}"))
    for gene in GENE_IDS:
        lines.append(("gene", 1, 2, f"ID=gene:{gene};gene_id={gene};Name=x%3By"))
    rows = ["\t".join(["chr1", "lab", kind, str(a), str(b), ".", "+", ".", text]) for kind, a, b, text in lines]
    path.write_text("##gff-version 3\n" + "\n".join(rows) + "\n")
    return path


def sample(seed):
    """Counts and TPM of transcripts, as a frame by their ids."""
    rng = np.random.default_rng(seed)
    counts = np.round(rng.gamma(0.5, 200, len(TRANSCRIPT_IDS)), 2)
    tpm = counts / rng.integers(200, 3000, len(counts))
    return pd.DataFrame({"counts": counts, "tpm": tpm * 1e6 / tpm.sum()}, index=TRANSCRIPT_IDS)


def by_gene(frame):
    return frame.groupby([gene_of(name) for name in frame.index]).sum()


def table(frame, form):
    """The file that a program leaves."""
    counts, tpm, names = frame["counts"], frame["tpm"], frame.index
    one = np.ones(len(frame))
    columns = {
        "salmon": {"Name": names, "Length": one, "EffectiveLength": one, "TPM": tpm, "NumReads": counts},
        "kallisto": {"target_id": names, "length": one, "eff_length": one, "est_counts": counts, "tpm": tpm},
        "rsem": {"length": one, "effective_length": one, "expected_count": counts, "TPM": tpm, "FPKM": tpm / 2},
    }[form.partition(" ")[0]]
    if form == "rsem genes":
        columns = {"gene_id": names, "transcript_id(s)": "x,y"} | columns
    elif form == "rsem":
        columns = {"transcript_id": names, "gene_id": "whatever"} | columns
    elif form == "kallisto long":
        columns["target_id"] = [f"{name}|{gene_of(name)}|-|{name}|" for name in names]
    return pd.DataFrame(columns).to_csv(sep="\t", index=False)


NAMES = {
    "rsem genes": "x.genes.results",
    "rsem": "x.isoforms.results",
    "salmon genes": "quant.genes.sf",
    "salmon": "quant.sf",
    "kallisto": "abundance.tsv",
    "kallisto long": "abundance.tsv",
}
TISSUES = {"a": "Lung", "b": "Liver", "c": "Lung", "d": "Skin", "e": "Lung"}


def write(folder, form, packed=False, samples=TISSUES, order=None):
    """The samples' folders and their sheet; the frames by transcript."""
    frames = {name: sample(seed) for seed, name in enumerate(samples)}
    for name, frame in frames.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        text = table(by_gene(frame) if "genes" in form else frame, form)
        path = folder / name / (NAMES[form] + (".gz" if packed else ""))
        path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    rows = [f"{name}\t{samples[name]}" for name in order or samples]
    (folder / "sheet.tsv").write_text("\n".join(["file\ttissue", *rows]) + "\n")
    return frames


def read(folder, unit="tpm", reference=None, **settings):
    reference = reference or gtf(folder / "x.gtf")
    return expression.read_matrix(folder / "sheet.tsv", annotation.read(reference), reference, unit=unit, **settings)


def expected(frames, value, samples=TISSUES):
    """The mean of each tissue, tissues sorted, of what `value` makes of each sample, a series by gene."""
    made = pd.DataFrame({name: value(frame) for name, frame in frames.items()})
    return made.T.groupby(samples).mean().T.loc[GENE_IDS].sort_index(axis=1)


def per_million(values):
    return values * 1e6 / values.sum()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("form", NAMES)
def test_every_program_gives_the_same_by_gene(tmp_path, form, packed):
    frames = write(tmp_path, form, packed)
    found = read(tmp_path)
    assert found.tissue == ["Liver", "Lung", "Skin"] and found.unit == "tpm"
    np.testing.assert_allclose(found.values, expected(frames, lambda frame: by_gene(frame)["tpm"]))
    found = read(tmp_path, "counts")
    assert found.unit == "counts"
    np.testing.assert_allclose(found.values, expected(frames, lambda frame: per_million(by_gene(frame)["counts"])))
    found = read(tmp_path, "counts", counts_to="tpm")
    rates = expected(frames, lambda frame: per_million(by_gene(frame)["counts"] / pd.Series(LENGTHS)))
    assert found.unit == "tpm"
    np.testing.assert_allclose(found.values, rates)
    if form.startswith("rsem"):
        found = read(tmp_path, "rpkm")
        np.testing.assert_allclose(found.values, expected(frames, lambda frame: by_gene(frame)["tpm"] / 2))
    else:
        with pytest.raises(InputError, match="gives no rpkm, .*: unit: tpm or counts"):
            read(tmp_path, "rpkm")


def test_ids_may_lack_versions_on_either_side(tmp_path):
    frames = write(tmp_path, "salmon")
    wanted = expected(frames, lambda frame: by_gene(frame)["tpm"])
    np.testing.assert_allclose(read(tmp_path, reference=gtf(tmp_path / "y.gtf", version=False)).values, wanted)
    for name in TISSUES:
        file = tmp_path / name / "quant.sf"
        file.write_text(file.read_text().replace(".7\t", "\t"))
    np.testing.assert_allclose(read(tmp_path).values, wanted)


def test_the_order_of_samples_and_rows_does_not_matter(tmp_path):
    write(tmp_path, "salmon genes")
    first = read(tmp_path)
    for name in "bd":
        file = tmp_path / name / "quant.genes.sf"
        header, *rows = file.read_text().splitlines()
        file.write_text("\n".join([header, *rows[::-1]]) + "\n")
    rows = (tmp_path / "sheet.tsv").read_text().splitlines()
    (tmp_path / "sheet.tsv").write_text("\n".join([rows[0], *rows[:0:-1]]))
    second = read(tmp_path)
    assert first.tissue == second.tissue
    np.testing.assert_allclose(first.values, second.values, rtol=1e-12)


def test_programs_may_be_mixed_and_columns_named(tmp_path):
    frames = write(tmp_path, "salmon")
    (tmp_path / "b/quant.sf").write_text(table(by_gene(frames["b"]), "rsem genes"))
    (tmp_path / "sheet.csv").write_text(
        "sample,path,cells\n" + "".join(f"{name},{name}/quant.sf,{tissue}\n" for name, tissue in TISSUES.items())
    )
    reference = gtf(tmp_path / "x.gtf")
    found = expression.read_matrix(
        tmp_path / "sheet.csv",
        annotation.read(reference),
        reference,
        unit="tpm",
        samples={"file": "path", "tissue": "cells"},
    )
    np.testing.assert_allclose(found.values, expected(frames, lambda frame: by_gene(frame)["tpm"]))


def test_transcripts_of_no_gene_are_counted_with_their_share(tmp_path, capsys):
    frames = write(tmp_path, "salmon", samples={"a": "Lung"})
    reference = gtf(tmp_path / "y.gtf", genes=GENE_IDS[2:])
    found = read(tmp_path, "counts", reference)
    values = by_gene(frames["a"])["counts"]
    # Counts per million are of all that the file has.
    np.testing.assert_allclose(found.values[:, 0], per_million(values).loc[GENE_IDS[2:]])
    share = values.loc[GENE_IDS[:2]].sum() / values.sum()
    said = capsys.readouterr().out
    assert f"8 of 120 transcripts, with {share:.2%} of its expression, are not in" in said
    assert f"{TRANSCRIPT_IDS[0]}, {TRANSCRIPT_IDS[1]}, {TRANSCRIPT_IDS[2]}, …" in said
    found = read(tmp_path, "counts", reference, counts_to="tpm")
    rates = (values / pd.Series(LENGTHS)).loc[GENE_IDS[2:]]
    np.testing.assert_allclose(found.values[:, 0], per_million(rates))


def test_genes_that_differ_between_samples_are_named(tmp_path):
    write(tmp_path, "rsem genes")
    file = tmp_path / "c/x.genes.results"
    whole = file.read_text().splitlines()
    for lines, where in ((whole[:-1], "a/x.genes.results"), ([*whole, whole[-1].replace("ENSG", "X")], "c/x.genes")):
        file.write_text("\n".join(lines))
        with pytest.raises(InputError, match=rf"c/x.genes.results and .*a/x.genes.* other genes: .* is in .*{where}"):
            read(tmp_path, unmatched="skip")


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("a\tLung", "z\tLung", r"line 2: there is no file or folder .*z; a path starts from the folder of the sheet"),
        ("b\tLiver", "a\tLung", r"line 3: file .*a/quant.sf is already on line 2"),
        ("b\tLiver", "a/quant.sf\tLiver", r"line 3: file .*a/quant.sf is already on line 2"),
        ("b\tLiver", "b\t", "line 3: no tissue"),
        ("b\tLiver", "\tLiver", "line 3: no file"),
        ("b\tLiver", "b", "line 3: 1 fields, but the header has 2"),
        ("file\ttissue", "file\torgan", "line 1: a sample sheet, but it has no column tissue; found: file, organ"),
        ("file\ttissue", "path\ttissue", "line 1: a sample sheet, but it has no column file"),
        ("b\tLiver", "empty\tLiver", r"line 3: .*empty holds no \*.genes.results"),
        ("b\tLiver", "two\tLiver", "line 3: .*two holds several quantifications: quant.sf, abundance.tsv"),
        ("b\tLiver", "h5\tLiver", "line 3: .*h5/abundance.h5 is not read; kallisto h5dump"),
        ("b\tLiver", "h5/abundance.h5\tLiver", "line 3: .*abundance.h5 is not read; .*abundance.tsv"),
    ],
)
def test_what_is_wrong_with_a_sheet_is_named_by_line(tmp_path, old, new, message):
    write(tmp_path, "salmon")
    for folder, names in (("empty", []), ("two", ["quant.sf", "abundance.tsv"]), ("h5", ["abundance.h5"])):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).touch()
    sheet = tmp_path / "sheet.tsv"
    text = sheet.read_text()
    assert old in text
    sheet.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=f"sheet.tsv, {message}"):
        read(tmp_path)
    assert sample_sheets.files_of(sheet) == []


def test_one_name_is_one_sample(tmp_path):
    write(tmp_path, "salmon")
    (tmp_path / "sheet.tsv").write_text("sample,file,tissue\ns,a,Lung\ns,b,Liver\n")
    with pytest.raises(InputError, match="line 3: sample s is already on line 2"):
        read(tmp_path)
    (tmp_path / "sheet.tsv").write_text("sample,file,tissue\n")
    with pytest.raises(InputError, match="no samples below the header"):
        read(tmp_path)


def edited(line, at, value):
    """A table in which a field of a line (1-based) is another."""

    def edit(text):
        rows = [row.split("\t") for row in text.splitlines()]
        rows[line - 1][at] = value
        return "\n".join(map("\t".join, rows)) + "\n"

    return edit


@pytest.mark.parametrize(
    "edit, unit, message",
    [
        (edited(4, 3, "many"), "tpm", "line 4, column 'TPM': 'many' is no number"),
        (edited(4, 3, "nan"), "tpm", "line 4, column 'TPM': 'nan' is no number"),
        (edited(4, 3, ""), "tpm", "line 4, column 'TPM': '' is no number"),
        (edited(4, 4, "-2"), "counts", "line 4, column 'NumReads': '-2' is not of counts"),
        (edited(4, 4, "inf"), "counts", "line 4, column 'NumReads': 'inf' is not of counts"),
        (edited(4, 3, "3e6"), "tpm", "column 'TPM': sums to .* but TPM of all genes sum to a million"),
        (edited(4, 0, TRANSCRIPT_IDS[0]), "tpm", f"line 4: {TRANSCRIPT_IDS[0]} is already on line 2"),
        (edited(1, 0, "id"), "tpm", "line 1: neither RSEM's nor Salmon's nor kallisto's columns; found: id, Length"),
        (edited(1, 3, "x"), "tpm", "line 1: no column TPM"),
        (edited(1, 3, "NumReads"), "counts", "line 1: column 'NumReads' is there 2 times"),
        (lambda text: text.splitlines()[0], "tpm", "no rows below the header"),
        (lambda text: text[:-9], "tpm", r"line 121: [34] fields, but the header has 5"),
        (lambda text: text, "cpm", "Salmon gives no cpm, which the config asks for: set expression: unit: tpm or cou"),
        (lambda text: text, "log", "Salmon gives no log"),
        (lambda text: text.replace("ENST", "ENSMUST"), "tpm", "not one transcript is in .*ENSMUST0.*ENST0.*species"),
    ],
)
def test_what_is_wrong_with_a_quantification_is_named(tmp_path, edit, unit, message):
    write(tmp_path, "salmon", samples={"a": "Lung"})
    file = tmp_path / "a/quant.sf"
    file.write_text(edit(file.read_text()))
    with pytest.raises(InputError, match=rf"a/quant\.sf(, |: ){message}"):
        read(tmp_path, unit)


@pytest.mark.parametrize("unmatched", ["error", "skip"])
@pytest.mark.parametrize("ids", ["auto", "gene_id", "symbol"])
def test_genes_of_another_species_are_named_by_examples(tmp_path, ids, unmatched):
    write(tmp_path, "rsem genes", samples={"a": "Lung"})
    file = tmp_path / "a/x.genes.results"
    file.write_text(file.read_text().replace("ENSG", "ENSMUSG"))
    mouse, own = "ENSMUSG00000000000", "S0, S1, S2" if ids == "symbol" else "ENSG00000000000"
    with pytest.raises(InputError, match=f"not one row is a gene of .* called {mouse}.*, …, the genes {own}.*species"):
        read(tmp_path, ids=ids, unmatched=unmatched)


def test_transcripts_need_a_gtf(tmp_path):
    write(tmp_path, "salmon", samples={"a": "Lung"})
    genes = tmp_path / "genes.csv"
    genes.write_text("id,symbol,seqnames,strand,TSS,CAGE_representative_TSS,type\nG,S,chr1,+,5,5,x\n")
    with pytest.raises(InputError, match=r"genes\.csv: a table of genes.*give a GTF or GFF3"):
        read(tmp_path, reference=genes)


def test_a_shallow_sample_may_count_a_million(tmp_path):
    write(tmp_path, "salmon", samples={"a": "Lung"})
    rng = np.random.default_rng(1)
    names = [f"T{number}" for number in range(2000)]
    frame = pd.DataFrame({"counts": per_million(rng.random(2000)), "tpm": 1.0}, index=names)
    (tmp_path / "q.sf").write_text(table(frame, "salmon"))
    assert quantifications._read(tmp_path / "q.sf", "counts").values.sum() == pytest.approx(1e6)


# --- sheet or matrix, and what the rule reads ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, sheet",
    [
        ("file,tissue\na,b\n", True),
        ("tissue\tsample\tfile\n", True),
        ("file,organ\na,b\n", True),
        ("sample,tissue\na,b\n", True),
        ("file,Lung,Liver\nG1,1,2\n", False),
        ("gene,tissue,Liver\nG1,NA,2\n", False),
        ("gene,Lung\nG1,x\n", False),
        ("#1.2\n4\t2\nName\tDescription\tfile\n", False),
        ("file;tissue\n", False),
    ],
)
def test_a_sheet_is_told_from_a_matrix(tmp_path, text, sheet):
    (tmp_path / "x").write_text(text)
    assert sample_sheets.is_sheet(tmp_path / "x") is sheet


def test_files_are_those_that_are_read(tmp_path):
    write(tmp_path, "kallisto", packed=True)
    found = sample_sheets.files_of(tmp_path / "sheet.tsv")
    assert found == [str(tmp_path / name / "abundance.tsv.gz") for name in TISSUES]
    assert sample_sheets.files_of(tmp_path / "none.tsv") == []
    (tmp_path / "m.csv").write_text("gene,Lung\nG,1\n")
    assert sample_sheets.files_of(tmp_path / "m.csv") == []


def test_the_files_of_a_sheet_are_inputs_of_the_rule(tmp_path):
    folder = copied(tmp_path / "copy")
    write(folder / "lab", "salmon")
    (folder / "mine.yaml").write_text("resources: {gene_expression: {path: lab/sheet.tsv}}\nexpression: {unit: tpm}\n")
    target = "results/genes/expression.h5"
    jobs = planned_jobs([target], ["config/config.yaml", "mine.yaml"], folder)
    inputs = jobs["compute_targets", target].inputs
    assert {"lab/sheet.tsv", *(f"lab/{name}/quant.sf" for name in TISSUES)} <= {os.path.normpath(one) for one in inputs}


# --- lengths -------------------------------------------------------------------------------------------------------


def test_lengths_are_the_bases_that_exons_cover(tmp_path):
    assert exons.gene_lengths(gtf(tmp_path / "x.gtf")) == LENGTHS
    assert exons.gene_lengths(gff3(tmp_path / "x.gff3")) == LENGTHS


def test_lengths_are_those_of_pyranges(tmp_path):
    merged = pyranges.read_gtf(str(gtf(tmp_path / "x.gtf")))
    merged = merged[merged.Feature == "exon"].merge(by="gene_id", strand=False).df
    by_gene = (merged["End"] - merged["Start"]).groupby(merged["gene_id"]).sum()
    assert exons.gene_lengths(tmp_path / "x.gtf") == by_gene.to_dict()


def test_a_gene_may_lie_on_two_contigs_and_an_exon_in_two_transcripts(tmp_path):
    def row(chrom, kind, start, end, text):
        return "\t".join([chrom, "x", kind, str(start), str(end), ".", "+", ".", text]) + "\n"

    exon = 'gene_id "G"; transcript_id "T";'
    (tmp_path / "x.gtf").write_text("".join(row(chrom, "exon", 11, 30, exon) for chrom in ("chrX", "chrY", "chrX")))
    assert exons.gene_lengths(tmp_path / "x.gtf") == {"G": 40}
    (tmp_path / "x.gff").write_text(
        row("1", "gene", 1, 90, "ID=gene-A")
        + row("1", "mRNA", 1, 90, "ID=rna-N1;Parent=gene-A")
        + row("1", "primary_transcript", 1, 90, "ID=rna-N2;Parent=gene-A")
        + row("1", "miRNA", 1, 90, "ID=rna-N3;Parent=rna-N2")
        + row("1", "exon", 1, 10, "ID=e;Parent=rna-N1,rna-N3")
        + row("1", "exon", 6, 15, "Parent=rna-N1")
    )
    assert exons.gene_lengths(tmp_path / "x.gff") == {"A": 15}
    found = exons.TranscriptGenes(tmp_path / "x.gff")
    assert found.gene_id == ["A"] and found.find(["N1", "N3", "N4"]).tolist() == [0, 0, -1]


def test_the_transcripts_of_both_formats_are_the_same(tmp_path):
    for reference in (gtf(tmp_path / "x.gtf"), gff3(tmp_path / "x.gff3")):
        found = exons.TranscriptGenes(reference)
        names = [TRANSCRIPT_IDS[9], "ENST00000000004", "ENST00000000008.1", "other"]
        assert [found.gene_id[code] for code in found.find(names[:3])] == [GENE_IDS[2], GENE_IDS[1], GENE_IDS[2]]
        assert found.find(names)[3] == -1


def test_a_version_that_tells_genes_apart_counts(tmp_path):
    rows = [f'gene_id "{gene}"; transcript_id "ENST1.{version}";' for version, gene in enumerate("AB")]
    text = "".join(f"chr1\tx\ttranscript\t1\t9\t.\t+\t.\t{row}\n" for row in rows)
    (tmp_path / "x.gtf").write_text(text)
    found = exons.TranscriptGenes(tmp_path / "x.gtf")
    assert found.find(["ENST1.1", "ENST1.0", "ENST1", "ENST1.2"]).tolist() == [1, 0, -1, -1]


@pytest.mark.parametrize(
    "rows, message",
    [
        ([("transcript", 1, 9, 'gene_id "G"; transcript_id "T";')], "holds no exons"),
        ([("exon", 9, 1, 'gene_id "G";')], "line 1: the exon stops before its start"),
        ([("exon", 1, 9, 'transcript_id "T";')], "line 1: the exon has no gene_id"),
        ([("gene", 1, 9, "ID=G"), ("exon", 1, 9, "Parent=T")], "line 2: the exon is of no gene: its Parent T is not"),
        ([("gene", 1, 9, "ID=G"), ("exon", 1, 9, "ID=e")], "line 2: the exon is of no gene: it has no Parent"),
    ],
)
def test_exons_that_give_no_length_are_named(tmp_path, rows, message):
    lines = ["\t".join(["c", "x", kind, str(a), str(b), ".", "+", ".", text]) for kind, a, b, text in rows]
    (tmp_path / "x.gtf").write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=f"x.gtf(, |: ){message}"):
        exons.gene_lengths(tmp_path / "x.gtf")


def test_transcripts_without_ids_are_named(tmp_path):
    for text, message in (('gene_id "G";', "no transcript_id"), ('transcript_id "T";', "no gene_id")):
        (tmp_path / "x.gtf").write_text(f"c\tx\ttranscript\t1\t9\t.\t+\t.\t{text}\n")
        with pytest.raises(InputError, match=f"x.gtf, line 1: the transcript has {message}"):
            exons.TranscriptGenes(tmp_path / "x.gtf")


# --- counts of a matrix to TPM -------------------------------------------------------------------------------------


def matrix(path, names, frame):
    pd.DataFrame(frame.to_numpy(), index=names, columns=frame.columns).to_csv(path)
    return path


COUNTS = pd.DataFrame(np.random.default_rng(2).poisson(50, (GENES, 3)), index=GENE_IDS, columns=["A", "B", "C"])


@pytest.mark.parametrize("ids", ["auto", "gene_id", "index", "symbol"])
def test_counts_become_tpm_by_length(tmp_path, ids):
    names = {"index": range(1, GENES + 1), "symbol": [f"S{gene}" for gene in range(GENES)]}.get(ids, GENE_IDS)
    reference = gtf(tmp_path / "x.gtf")
    path = matrix(tmp_path / "m.csv", names, COUNTS)
    known = annotation.read(reference)
    found = expression.read_matrix(path, known, reference, ids, "counts", counts_to="tpm")
    assert found.unit == "tpm"
    rates = COUNTS.div(pd.Series(LENGTHS), axis=0)
    np.testing.assert_allclose(found.values, rates * 1e6 / rates.sum())
    # What is no count stays as it is.
    rows = expression.read_matrix(path, known, reference, ids, "rpkm", counts_to="tpm")
    assert rows.unit == "rpkm" and np.array_equal(rows.values, COUNTS)


def test_genes_without_a_length_are_refused_or_left_out(tmp_path, capsys):
    reference = gtf(tmp_path / "x.gtf")
    text = [row for row in reference.read_text().splitlines() if not ("\texon\t" in row and GENE_IDS[4] in row)]
    reference.write_text("\n".join(text) + "\n")
    path, known = matrix(tmp_path / "m.csv", GENE_IDS, COUNTS), annotation.read(reference)
    with pytest.raises(InputError, match=f"m.csv, line 6: gene {GENE_IDS[4]} has no exons in .*1 such genes"):
        expression.read_matrix(path, known, reference, unit="counts", counts_to="tpm")
    found = expression.read_matrix(path, known, reference, unit="counts", counts_to="tpm", unmatched="skip")
    rates = COUNTS.div(pd.Series(LENGTHS), axis=0)
    rates.loc[GENE_IDS[4]] = np.nan
    np.testing.assert_allclose(found.values, rates * 1e6 / rates.sum())
    assert (
        f"1 genes have no exons in {reference}, so no length ({GENE_IDS[4]}), and are left out"
        in capsys.readouterr().out
    )


def test_tpm_of_counts_need_a_gtf(tmp_path):
    genes = tmp_path / "genes.csv"
    genes.write_text("id,symbol,seqnames,strand,TSS,CAGE_representative_TSS,type\nG,S,chr1,+,5,5,x\n")
    (tmp_path / "m.csv").write_text("gene,Lung\nG,5\n")
    with pytest.raises(InputError, match=r"genes\.csv: a table of genes.*counts_to: tpm.*give a GTF or GFF3"):
        expression.read_matrix(tmp_path / "m.csv", annotation.read(genes), genes, unit="counts", counts_to="tpm")
