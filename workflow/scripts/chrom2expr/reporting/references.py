"""The papers that a methods text cites, and their numbers in it."""

import re
from collections.abc import Sequence

# What stands for a citation before the text is whole.
_MARK = re.compile(r"\[@(\w+)\]")

PAPERS = {
    "thesis": "Mittal K. Methods to improve prediction of gene expression from noncoding regulatory DNA sequence. "
    "Thesis, University of California, Berkeley (2025).",
    "enformer": "Avsec Ž, Agarwal V, Visentin D, et al. Effective gene expression prediction from sequence by "
    "integrating long-range interactions. Nature Methods 18, 1196-1203 (2021). doi:10.1038/s41592-021-01252-x",
    "expecto": "Zhou J, Theesfeld CL, Yao K, et al. Deep learning sequence-based ab initio prediction of variant "
    "effects on expression and disease risk. Nature Genetics 50, 1171-1179 (2018). doi:10.1038/s41588-018-0160-6",
    "basenji2": "Kelley DR. Cross-species regulatory sequence activity prediction. PLOS Computational Biology 16, "
    "e1008050 (2020). doi:10.1371/journal.pcbi.1008050",
    "liftover": "Hinrichs AS, Karolchik D, Baertsch R, et al. The UCSC Genome Browser Database: update 2006. Nucleic "
    "Acids Research 34, D590-D598 (2006). doi:10.1093/nar/gkj144",
    "ridge": "Hoerl AE, Kennard RW. Ridge regression: biased estimation for nonorthogonal problems. Technometrics "
    "12, 55-67 (1970). doi:10.1080/00401706.1970.10488634",
    "adamw": "Loshchilov I, Hutter F. Decoupled weight decay regularization. International Conference on Learning "
    "Representations (2019).",
    "bootstrap": "Efron B. Bootstrap methods: another look at the jackknife. The Annals of Statistics 7, 1-26 (1979). "
    "doi:10.1214/aos/1176344552",
    "wilcoxon": "Wilcoxon F. Individual comparisons by ranking methods. Biometrics Bulletin 1, 80-83 (1945). "
    "doi:10.2307/3001968",
    "snakemake": "Mölder F, Jablonski KP, Letcher B, et al. Sustainable data analysis with Snakemake. F1000Research "
    "10, 33 (2021). doi:10.12688/f1000research.29032.2",
    "pytorch": "Paszke A, Gross S, Massa F, et al. PyTorch: an imperative style, high-performance deep learning "
    "library. Advances in Neural Information Processing Systems 32, 8024-8035 (2019).",
}


def cite(*papers: str) -> str:
    """What stands in a text where these papers, keys of PAPERS, are cited, until `numbered` gives them numbers."""
    return "".join(f"[@{paper}]" for paper in papers)


def numbered(paragraphs: Sequence[str]) -> tuple[list[str], list[str]]:
    """The paragraphs with numbers for citations, in the order in which papers are first cited, and the list of these.

    >>> text, papers = numbered([f"Trained {cite('adamw')}, {cite('adamw')}."])
    >>> text, papers[0][:15]
    (['Trained [1], [1].'], '[1] Loshchilov ')
    """
    order = list(dict.fromkeys(_MARK.findall("".join(paragraphs))))
    found = {paper: f"[{number}]" for number, paper in enumerate(order, start=1)}
    return [_MARK.sub(lambda mark: found[mark[1]], text) for text in paragraphs], [
        f"{found[paper]} {PAPERS[paper]}" for paper in order
    ]
