"""Which bigWig measures each track: by templates, by a table of the user's, or none and why."""

import csv
import json
import runpy
from types import SimpleNamespace

import pytest
import yaml

import scripts
from chrom2expr.errors import InputError
from chrom2expr.tracks import catalogue
from chrom2expr.tracks.bigwig_places import NO_TEMPLATE, Override, Place, located, read_overrides
from chrom2expr.tracks.track_tables import plain_tracks, read_tracks
from test_track_tables import BASENJI, BELUGA, table
from test_workflow import ROOT

ENCODE = "https://www.encodeproject.org/files/{identifier}/@@download/{identifier}.bigWig"
ENFORMER_ROWS = [
    "0\t0\tENCFF833POA\tf\t32\t2\tmean\tDNASE:cerebellum male adult\n",
    "1\t0\tENCFF931FJL\tf\t32\t2\tmean\tCHIP:ZNF217:MCF-7\n",
    "2\t0\tENCFF121ELJ\tf\t32\t2\tmean\tCHIP:H3K4me1:gastrocnemius\n",
    "3\t0\tGSM1208649\tf\t32\t2\tmean\tCHIP:.:batch1 / LoVo\n",
    "4\t0\tGSM2\tf\t32\t2\tmean\tATAC:a:b\n",
    "5\t0\tCNhs11966\tf\t384\t1\tsum\tCAGE:Ciliary Epithelial Cells,\n",
]
BELUGA_ROWS = [
    "1\t8988T\tDNase\t\tDNase\tENCODE\t./a/wgEncodeAwgDnaseDuke8988tUniPk.narrowPeak.gz\r\n",
    "2\tA549\tGR\tDEX_1nM\tTF\tENCODE\t./a/wgEncodeAwgTfbsHaibA549GrPcr1xDexaUniPk.narrowPeak.gz\r\n",
    "3\tES-I3_Cell_Line\tH3K27me3\t\tHistone\tRoadmap Epigenomics\tE001-H3K27me3.narrowPeak.gz\r\n",
    "4\tH1-hESC\tDNase.hot\t\tDNase\tRoadmap Epigenomics\tE003-DNase.hot.bed.gz\r\n",
    "5\tH1-hESC\tH2A.Z\t\tHistone\tRoadmap Epigenomics\tE003-H2A.Z.narrowPeak.gz\r\n",
]


@pytest.fixture
def templates():
    """The templates of the thesis config, by source."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    return {name: source.get("bigwigs") for name, source in config["sources"].items()}


def rows_of(tracks, templates, overrides=None, assembly="grch38"):
    return {
        entry.identifier: entry
        for entry in catalogue.catalogued("s", "b", assembly, tracks, templates, overrides or {})
    }


def test_basenjis_tracks(tmp_path, templates):
    found = rows_of(read_tracks(table(tmp_path, BASENJI, *ENFORMER_ROWS)), templates["enformer_experimental"])
    assert [(row.kind, row.cell_type, row.assay, row.publisher) for row in found.values()] == [
        ("dnase", "cerebellum male adult", "DNase", "ENCODE"),
        ("tf", "MCF-7", "ZNF217", "ENCODE"),
        ("histone", "gastrocnemius", "H3K4me1", "ENCODE"),
        ("chip", "batch1 / LoVo", "", "GEO"),
        ("atac", "a:b", "ATAC", "GEO"),
        ("cage", "Ciliary Epithelial Cells,", "CAGE", "FANTOM5"),
    ]
    first = found["ENCFF833POA"]
    assert first[:3] == ("s", "b", "ENCFF833POA")
    assert (first.rule, first.bigwig) == ("bigwigs.ENCFF", ENCODE.replace("{identifier}", "ENCFF833POA"))
    assert first.assembly == "grch38" and "which assembly" in first.remark and not first.reason
    for name, why in (("GSM1208649", "GEO keeps files"), ("CNhs11966", "FANTOM5 publishes counts of single bases")):
        row = found[name]
        assert (row.rule, row.bigwig, row.assembly, row.remark) == ("", "none", "", "")
        assert row.reason.startswith(NO_TEMPLATE) and why in row.reason


def test_belugas_tracks(tmp_path, templates):
    tracks = read_tracks(table(tmp_path, BELUGA, *BELUGA_ROWS))
    found = rows_of(tracks, templates["beluga_experimental"], assembly="grch37")
    assert [(row.kind, row.cell_type, row.assay, row.publisher) for row in found.values()] == [
        ("dnase", "8988T", "DNase", "ENCODE"),
        ("tf", "A549 DEX_1nM", "GR", "ENCODE"),
        ("histone", "ES-I3_Cell_Line", "H3K27me3", "Roadmap"),
        ("dnase", "H1-hESC", "DNase.hot", "Roadmap"),
        ("histone", "H1-hESC", "H2A.Z", "Roadmap"),
    ]
    histone, hot = found["E001-H3K27me3"], found["E003-DNase.hot"]
    assert histone.bigwig == (
        "https://egg2.wustl.edu/roadmap/data/byFileType/signal/consolidated/macs2signal/pval/"
        "E001-H3K27me3.pval.signal.bigwig"
    )
    assert (histone.rule, histone.assembly, histone.remark) == ("bigwigs.E", "grch37", "Roadmap publishes on GRCh37")
    # Peaks were called from one signal in several ways, and only that has a bigWig.
    assert "E003-DNase.pval.signal.bigwig" in hot.remark and hot.bigwig.endswith("E003-DNase.hot.pval.signal.bigwig")
    assert "number of replicates" in found["wgEncodeAwgDnaseDuke8988tUniPk"].reason


def test_what_follows_no_naming_is_described_as_it_is_and_files_on_this_machine_have_no_remark():
    tracks = plain_tracks(["mine", "ENCFF1", "E003-DNase.hot"], ["some: text", "CHIP:x", "DNase"])
    found = rows_of(tracks, {"": "/data/{identifier}.bw", "ENCFF": "<resources>/{identifier}.bw"})
    assert [(row.kind, row.cell_type, row.assay, row.rule, row.bigwig, row.remark) for row in found.values()] == [
        ("", "some: text", "", "bigwigs.''", "/data/mine.bw", ""),
        ("", "CHIP:x", "", "bigwigs.ENCFF", "<resources>/ENCFF1.bw", ""),
        ("", "DNase", "", "bigwigs.''", "/data/E003-DNase.hot.bw", ""),
    ]
    assert rows_of(tracks, {"E": "/{identifier}"})["mine"].reason == NO_TEMPLATE


def test_overrides_win_over_templates_and_fill_what_no_rule_names(tmp_path, templates):
    tracks = read_tracks(table(tmp_path, BASENJI, *ENFORMER_ROWS))
    own = {"CNhs11966": Override("/data/cage.bw", "both strands"), "ENCFF833POA": Override("https://x.org/a.bw", "")}
    found = rows_of(tracks, templates["enformer_experimental"], own)
    assert found["CNhs11966"][7:] == ("overrides", "/data/cage.bw", "grch38", "", "both strands")
    assert found["ENCFF833POA"][7:] == ("overrides", "https://x.org/a.bw", "grch38", "", "")
    assert catalogue.counted(list(found.values()), None) == (
        "s: 2 of 6 tracks have a bigWig by a rule, 2 by overrides; ENCODE 3 of 3, FANTOM5 1 of 1, GEO 0 of 2"
    )


def test_the_longest_prefix_wins():
    places = located(["ENCFF1", "EN1"], {"EN": "a/{identifier}", "ENCFF": "b/{identifier}/{identifier}"}, {})
    assert places == [Place("ENCFF", "b/ENCFF1/ENCFF1"), Place("EN", "a/EN1")]


def test_overrides_are_read_by_tabs_or_commas(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB", "/lab")
    path = tmp_path / "own.csv"
    path.write_text(
        "remark,bigwig,identifier,more\nmade by us,a.bw,E1,x\n,$LAB/b.bw,E2,\n,https://x.org/c.bw,E3,\n"
        ",<resources>/d.bw,E4,\n"
    )
    assert read_overrides(path, ["E4", "E3", "E2", "E1", "E0"]) == {
        "E1": Override(f"{tmp_path}/a.bw", "made by us"),
        "E2": Override("/lab/b.bw", ""),
        "E3": Override("https://x.org/c.bw", ""),
        "E4": Override("<resources>/d.bw", ""),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("identifier\tpath\nE1\ta\n", "line 1: no column bigwig; found: identifier, path"),
        ("identifier\tbigwig\tbigwig\nE1\ta\tb\n", "line 1: column 'bigwig' is there 2 times"),
        ("identifier\tbigwig\n", "no tracks below the header"),
        ("", "is empty"),
        ("identifier\tbigwig\nE1\ta\nE9\tb\n", "line 3: there is no track E9"),
        ("identifier\tbigwig\nE1\ta\n\nE1\tb\n", "line 4: E1 is already on line 2"),
        ("identifier\tbigwig\nE1\t\n", "line 2: no bigwig"),
        ("identifier\tbigwig\n\ta\n", "line 2: no identifier"),
        ("identifier\tbigwig\nE1\n", "line 2: 1 fields, but the header has 2"),
        ("identifier\tbigwig\nE1\ts3://bucket/a.bw\n", "line 2: s3://bucket/a.bw is no http or https address"),
    ],
)
def test_bad_overrides_are_refused_with_file_and_line(tmp_path, text, message):
    path = tmp_path / "own.tsv"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"own\.tsv.*{message}"):
        read_overrides(path, ["E1", "E2"])


def source(name, backbone, templates, assembly, overridden=False):
    return {"name": name, "backbone": backbone, "assembly": assembly, "templates": templates} | {
        "overridden": overridden
    }


def run(tmp_path, sources, tracks, overrides=(), compare=1):
    given = scripts.snakemake(
        input=SimpleNamespace(tracks=tracks, overrides=list(overrides)),
        output=SimpleNamespace(table=tmp_path / "catalogue.tsv", page=tmp_path / "catalogue.html"),
        params=scripts.params(sources=sources),
        resources=SimpleNamespace(thesis=json.dumps({"beluga_experimental": 1158} if compare else {})),
        log=[tmp_path / "log"],
    )
    runpy.run_path(scripts.path("tabulate_catalogue.py"), {"snakemake": given})
    with open(tmp_path / "catalogue.tsv", newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


@pytest.mark.parametrize("compare", [1, 0])
def test_the_real_tables(tmp_path, shared_data, templates, compare, capfd):
    names = {"enformer": "targets_human.txt", "beluga": "deepsea_beluga_2002_features.tsv"}
    sources = [
        source(f"{name}_experimental", name, templates[f"{name}_experimental"], assembly)
        for name, assembly in (("enformer", "grch38"), ("beluga", "grch37"))
    ]
    rows = run(tmp_path, sources, [shared_data / file for file in names.values()], compare=compare)
    assert list(rows[0]) == list(catalogue.Entry._fields)
    counts = {}
    for row in rows:
        key = row["backbone"], row["publisher"], row["kind"], row["bigwig"] != "none"
        counts[key] = counts.get(key, 0) + 1
    assert counts == {
        ("enformer", "ENCODE", "dnase", True): 674,
        ("enformer", "ENCODE", "histone", True): 1993,
        ("enformer", "ENCODE", "tf", True): 1839,
        ("enformer", "GEO", "atac", False): 10,
        ("enformer", "GEO", "chip", False): 120,
        ("enformer", "GEO", "histone", False): 5,
        ("enformer", "GEO", "tf", False): 34,
        ("enformer", "FANTOM5", "cage", False): 638,
        ("beluga", "ENCODE", "dnase", False): 125,
        ("beluga", "ENCODE", "tf", False): 690,
        ("beluga", "Roadmap", "dnase", True): 209,
        ("beluga", "Roadmap", "histone", True): 978,
    }
    for row in rows:
        assert all(row[name] for name in ("identifier", "cell_type", "publisher"))
        # Each has either a bigWig, with the rule and the assembly, or a reason beyond the missing template.
        has = row["bigwig"] != "none"
        assert bool(row["rule"]) == bool(row["assembly"]) == has == (not row["reason"])
        assert has or len(row["reason"]) > len(NO_TEMPLATE) + 20
    thesis = " (the thesis found 1,158)" if compare else ""
    said = capfd.readouterr().err
    assert "enformer_experimental: 4,506 of 5,313 tracks have a bigWig by a rule; ENCODE 4,506 of 4,506," in said
    assert (
        f"beluga_experimental: 1,187 of 2,002 tracks have a bigWig by a rule{thesis}; ENCODE 0 of 815, Roadmap 1,187 "
        "of 1,187; 156 addresses are doubtful (see their remark)"
    ) in said
    page = (tmp_path / "catalogue.html").read_text()
    assert page.count("<tr>") == 3 + 2 + 5 + 5313 + 2002  # a head, and a row for each source, reason and track
    for number in (5313, 4506, 807, 638, 169, 2002, 1187, 156, 815):
        assert f'<td class="number" data-value="{number}.0">{number:,}</td>' in page
    assert page.count('<td class="bad">none</td>') == 807 + 815


def test_a_table_of_overrides_goes_to_the_source_that_names_it(tmp_path, templates):
    enformer = table(tmp_path, BASENJI, *ENFORMER_ROWS)
    beluga = tmp_path / "beluga.tsv"
    beluga.write_bytes("".join([BELUGA, *BELUGA_ROWS]).encode())
    own = tmp_path / "own.tsv"
    own.write_text("identifier\tbigwig\tremark\nE003-DNase.hot\tE003-DNase.bw\tours\n")
    sources = [source("one", "", {"EN": "/x/{identifier}"}, "hg38"), source("two", "beluga", {}, "hg19", True)]
    rows = run(tmp_path, sources, [enformer, beluga], [own])
    assert [row["identifier"] for row in rows if row["source"] == "two" and row["bigwig"] != "none"] == [
        "E003-DNase.hot"
    ]
    [hot] = [row for row in rows if row["rule"] == "overrides"]
    assert (hot["bigwig"], hot["assembly"], hot["remark"]) == (f"{tmp_path}/E003-DNase.bw", "hg19", "ours")


def test_without_a_table_of_tracks_there_is_nothing_to_list(tmp_path):
    with pytest.raises(SystemExit):
        run(tmp_path, [], [])
    assert "no measured source of the config has bigwigs and a table of tracks" in (tmp_path / "log").read_text()
