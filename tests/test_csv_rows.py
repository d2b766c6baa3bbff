"""Tables as people give them: packed, with tabs or semicolons, from Windows, with a column twice."""

import bz2
import gzip
import io
import lzma
import zipfile

import numpy as np
import pytest

from chrom2expr.errors import InputError
from chrom2expr.files import tables
from chrom2expr.files.csv_rows import numbered_rows, open_text
from chrom2expr.genome import expression, genes
from chrom2expr.tracks.track_tables import read_tracks

GENES = """id,symbol,seqnames,strand,TSS,CAGE_representative_TSS,type
ENSG1,S1,chr1,+,101,102,coding
ENSG2,S2,chr1,-,102,103,coding
"""
MATRIX = "gene,Liver,Lung\nENSG2,3,4\nENSG1,1.5,2.25\n"
TRACKS = (
    "identifier\tclip\tscale\tsum_stat\tdescription\nENCFF1\t32\t2\tmean\tDNASE:liver\nCNhs1\t384\t1\tsum\tCAGE:lung\n"
)
BELUGA = (
    "\tCell type\tAssay\tTreatment\tAssay type\tSource\t\n0\tK562\tDNase\tNone\tDNase\tENCODE\ta/E1.narrowPeak.gz\n"
)
PACKED = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "plain": bytes}


def as_read(folder, packed=bytes, change=lambda text: text):
    """What the readers make of the tables, each written the same way."""
    files = {}
    for name, text in {"genes": GENES, "matrix": MATRIX, "tracks": TRACKS, "beluga": BELUGA}.items():
        files[name] = folder / name
        files[name].write_bytes(packed(change(text).encode()))
    annotation = genes.read_annotation(files["genes"])
    matrix = expression.read_matrix(files["matrix"], annotation, files["genes"])
    return [annotation.to_csv(), matrix.values.tolist(), matrix.tissue] + [
        read_tracks(files[name]).to_csv() for name in ("tracks", "beluga")
    ]


@pytest.mark.parametrize("packed", PACKED)
def test_packed_tables_are_read_whatever_their_names(tmp_path, packed):
    assert as_read(tmp_path, PACKED[packed]) == as_read(tmp_path)
    assert as_read(tmp_path)[1] == [[1.5, 2.25], [3, 4]]


@pytest.mark.parametrize("change", [lambda text: text.replace("\n", "\r\n"), lambda text: "\ufeff" + text])
def test_tables_from_windows_are_read(tmp_path, change):
    assert as_read(tmp_path, change=change) == as_read(tmp_path)
    assert as_read(tmp_path, gzip.compress, change) == as_read(tmp_path)


def test_tabs_may_stand_for_commas(tmp_path):
    assert as_read(tmp_path, change=lambda text: text.replace(",", "\t")) == as_read(tmp_path)
    (tmp_path / "t").write_text("gene\tLiver, left\tLung\nG\t1\t2\n")
    assert list(numbered_rows(tmp_path / "t")) == [(1, ["gene", "Liver, left", "Lung"]), (2, ["G", "1", "2"])]


def test_semicolons_are_named(tmp_path):
    (tmp_path / "m.csv").write_text("gene;Liver;Lung\nENSG1;1,5;2,25\n")
    with pytest.raises(InputError, match=r"m\.csv, line 1: the columns are separated by semicolons; .* with a point"):
        list(numbered_rows(tmp_path / "m.csv"))
    (tmp_path / "m.csv").write_text('gene,"Liver; left"\nENSG1,1\n')
    assert list(numbered_rows(tmp_path / "m.csv"))[1] == (2, ["ENSG1", "1"])


def zipped():
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("genes.csv", GENES)
    return made.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped(), "is a zip archive or an Excel workbook: unpack it"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an Excel workbook: save the sheet as CSV"),
        (GENES.encode("utf-16"), "is text in UTF-16: save it in UTF-8"),
        (GENES.replace("S2", "Sé").encode("latin1"), "not .* in UTF-8 "),
        (gzip.compress(GENES.encode() * 99)[:-40], "a damaged or truncated packed file"),
        (gzip.compress(GENES.encode())[:-8] + b"12345678", "a damaged or truncated packed file"),
        (bz2.compress(GENES.encode())[:-9], "a damaged or truncated packed file"),
        (lzma.compress(GENES.encode())[:-9], "a damaged or truncated packed file"),
        (bz2.compress(GENES.encode())[:9] + b"xxxxxxxxxxxxxxxxxxxxxxxx", "a damaged or truncated packed file"),
    ],
)
@pytest.mark.parametrize("read", [lambda path: list(numbered_rows(path)), read_tracks])
def test_what_is_no_table_of_text_is_named(tmp_path, read, content, message):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=rf"t\.csv: {message}"):
        read(tmp_path / "t.csv")


@pytest.mark.parametrize("column", GENES.splitlines()[0].split(","))
def test_a_needed_column_of_the_gene_table_that_is_there_twice_is_named(tmp_path, column):
    path = tmp_path / "genes.csv"
    path.write_text("".join(f"{line},{'x' if row else column}\n" for row, line in enumerate(GENES.splitlines())))
    if column in genes.ANNOTATION_COLUMNS:
        with pytest.raises(
            InputError, match=rf"genes\.csv, line 1: column '{column}' is there 2 times, as columns \d, 8"
        ):
            genes.read_annotation(path)
    else:
        assert len(genes.read_annotation(path)) == 2


@pytest.mark.parametrize("column", TRACKS.splitlines()[0].split("\t"))
def test_a_column_of_the_track_table_that_is_there_twice_is_named(tmp_path, column):
    path = tmp_path / "targets.txt"
    path.write_text("".join(f"{line}\t{'x' if row else column}\n" for row, line in enumerate(TRACKS.splitlines())))
    with pytest.raises(
        InputError, match=rf"targets\.txt, line 1: column '{column}' is there 2 times, as columns \d, 6"
    ):
        read_tracks(path)


def test_a_table_of_ones_own_with_a_column_twice_is_named_and_may_be_packed(tmp_path):
    path = tmp_path / "split.tsv"
    path.write_bytes(gzip.compress(b"gene_id\tsplit\nG1\ttrain\n"))
    assert list(tables.read_table(path, ("gene_id", "split"), ours=False)) == [(2, {"gene_id": "G1", "split": "train"})]
    path.write_text("gene_id\tsplit\tsplit\nG1\ttrain\ttest\n")
    with pytest.raises(InputError, match=r"split\.tsv, line 1: column 'split' is there 2 times, as columns 2, 3"):
        list(tables.read_table(path, ("gene_id", "split"), ours=False))


def test_a_table_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError), open_text(tmp_path / "none"):
        pass


def test_the_cases_from_public_reports(shared_data):
    cases = shared_data.parent / "cases"
    annotation = genes.read_annotation(cases / "gz_matrix/genes.csv.gz")
    assert annotation.equals(genes.read_annotation(cases / "gz_matrix/genes.csv"))
    matrix = expression.read_matrix(cases / "gz_matrix/exp.csv.gz", annotation, "genes.csv.gz")
    assert matrix.values.shape[0] == len(annotation) and np.isfinite(matrix.values).all()
    folder = cases / "semicolon_matrix"
    annotation = genes.read_annotation(folder / "genes.csv")
    assert expression.read_matrix(folder / "tabs.tsv", annotation, "genes.csv").tissue == ["Liver", "Lung"]
    with pytest.raises(InputError, match="separated by semicolons"):
        expression.read_matrix(folder / "semicolon.csv", annotation, "genes.csv")
    with pytest.raises(InputError, match="line 1: column 'strand' is there 2 times"):
        genes.read_annotation(cases / "duplicate_column/genes.csv")
    for name, column in (("clip", "clip"), ("desc", "description"), ("id", "identifier")):
        with pytest.raises(InputError, match=f"line 1: column '{column}' is there 2 times"):
            read_tracks(cases / f"duplicate_column/targets_{name}.txt")
