import numpy as np
import pytest

from chrom2expr.errors import InputError
from chrom2expr.tracks.track_tables import read_tracks

BASENJI = "index\tgenome\tidentifier\tfile\tclip\tscale\tsum_stat\tdescription\n"
ROWS = ["0\t0\tENCFF1\tf\t32\t2\tmean\tDNASE:liver\n", "1\t0\tCNhs1\tf\t384\t1\tsum\tCAGE:liver, adult\n"]
BELUGA = "\tCell type\tAssay\tTreatment\tAssay type\tSource\t\r\n"


def table(tmp_path, *lines):
    path = tmp_path / "tracks.tsv"
    path.write_bytes("".join(lines).encode())
    return path


def test_basenji(tmp_path):
    tracks = read_tracks(table(tmp_path, BASENJI, *ROWS))
    assert tracks.to_dict("list") == {
        "track_id": ["ENCFF1", "CNhs1"],
        "track_type": ["chromatin", "cage"],
        "description": ["DNASE:liver", "CAGE:liver, adult"],
        "clip": [32.0, 384.0],
        "scale": [2.0, 1.0],
        "sum_stat": ["mean", "sum"],
    }


def test_beluga(tmp_path):
    rows = [
        "1\tA549\tDNase\t\tDNase\tENCODE\t./folder/wgA549UniPk.narrowPeak.gz\r\n",
        "2\tA549\tGR\tDEX_1nM\tTF\tENCODE\t./folder/wgGr.narrowPeak.gz\r\n",
        "3\tH1\tDNase.hot\t\tDNase\tRoadmap Epigenomics\tE003-DNase.hot.bed.gz",
    ]
    tracks = read_tracks(table(tmp_path, BELUGA, *rows))
    assert tracks["track_id"].tolist() == ["wgA549UniPk", "wgGr", "E003-DNase.hot"]
    assert tracks["description"].tolist() == ["A549 DNase", "A549 GR DEX_1nM", "H1 DNase.hot"]
    assert set(tracks["track_type"]) == {"chromatin"} and set(tracks["sum_stat"]) == {"mean"}
    assert np.isinf(tracks["clip"]).all() and (tracks["scale"] == 1).all()


@pytest.mark.parametrize(
    "lines, message",
    [
        ([BASENJI], "no tracks below the header"),
        ([], "is empty"),
        (["a\tb\n", "1\t2\n"], "line 1: neither Basenji's"),
        ([BASENJI, *ROWS, ROWS[0]], "line 4: .*ENCFF1"),
        ([BASENJI, ROWS[0], ROWS[1].replace("CNhs1", " ")], "line 3: the track has no identifier"),
        ([BASENJI, ROWS[0].replace("32", "much")], "line 2: clip .*'much'"),
        ([BASENJI, ROWS[0], ROWS[1].replace("384\t1", "384\t0")], "line 3: scale .*'0'"),
        ([BASENJI, ROWS[0].replace("32", "nan")], "line 2: clip"),
        ([BASENJI, ROWS[0], ROWS[1].replace("sum", "median")], "line 3: sum_stat .*'median'"),
        ([BASENJI, ROWS[0], "1\t0\n"], "line 3: 2 fields, but the header has 8"),
        ([BELUGA, *["1\ta\tb\t\tc\td\tx/same.narrowPeak.gz\r\n"] * 2], "line 3: .*'same'"),
    ],
)
def test_bad_tables_are_refused_with_file_and_line(tmp_path, lines, message):
    with pytest.raises(InputError, match=rf"tracks\.tsv.*{message}"):
        read_tracks(table(tmp_path, *lines))


def test_a_binary_file_is_refused(tmp_path):
    (tmp_path / "tracks.tsv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match=r"tracks\.tsv"):
        read_tracks(tmp_path / "tracks.tsv")


def test_the_real_tables(shared_data):
    enformer = read_tracks(shared_data / "targets_human.txt")
    assert enformer["track_id"].nunique() == len(enformer) == 5313
    # Chromatin first, so that it is read as one slice.
    assert (enformer["track_type"] == np.repeat(["chromatin", "cage"], [4675, 638])).all()
    assert set(zip(enformer["clip"], enformer["scale"], enformer["sum_stat"])) == {
        (32, 2, "mean"),
        (64, 1, "sum"),
        (384, 1, "sum"),
    }
    beluga = read_tracks(shared_data / "deepsea_beluga_2002_features.tsv")
    assert beluga["track_id"].nunique() == len(beluga) == 2002
    assert beluga["track_id"].str.startswith("E0").sum() + beluga["track_id"].str.startswith("E1").sum() == 1187
    assert not beluga["track_id"].str.contains(r"\.gz|/|\s").any()


def test_a_list_of_ones_own_needs_identifiers_alone(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("identifier\na\nb\n")
    table = read_tracks(path)
    assert table["track_id"].tolist() == table["description"].tolist() == ["a", "b"]
    assert np.isinf(table["clip"]).all() and (table["scale"] == 1).all() and (table["sum_stat"] == "mean").all()
    path.write_text("lab\tidentifier\tdescription\nx\ta\tCAGE:liver\ny\tb\tATAC\n")
    assert read_tracks(path)["track_type"].tolist() == ["cage", "chromatin"]
    path.write_text("identifier\tclip\na\t3\n")
    with pytest.raises(InputError, match="neither Basenji's targets table .* nor a list with a column identifier"):
        read_tracks(path)
    path.write_text("identifier\na\na\n")
    with pytest.raises(InputError, match="line 3: the identifier is not the first of its name"):
        read_tracks(path)
