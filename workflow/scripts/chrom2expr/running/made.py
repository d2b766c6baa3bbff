"""Where a run's figures and tables are."""

from collections.abc import Iterable
from pathlib import Path


def said(results: str | Path, figures: Iterable[str]) -> str:
    """What to say of a run that ended well: the `figures` of the config that are there, and the tables.

    >>> print(said("results", ["one", "other"]))
    Done. None of the config's 2 figures is in results/figures yet.
    """
    names, results = list(figures), Path(results)
    drawn = [name for name in names if (results / "figures" / f"{name}.pdf").exists()]
    if not drawn:
        return f"Done. None of the config's {len(names)} figures is in {results}/figures yet."
    lines = [
        f"Done. {len(drawn)} of the config's {len(names)} figures {'is' if len(drawn) == 1 else 'are'} in "
        f"{results}/figures, each as .pdf, .png and the table .tsv: {', '.join(drawn)}"
    ]
    pages = sorted({*results.glob("tables/*.html"), *results.glob("*.html")})
    if pages:
        lines.append(f"Pages for a browser: {', '.join(map(str, pages))}")
    lines.append("docs/report.md tells how to have all of it as one report, docs/files.md what each file holds.")
    return "\n".join(lines)
