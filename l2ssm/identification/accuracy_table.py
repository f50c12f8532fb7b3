"""The results of `bench accuracy` as a table: median and best over the seeds, beside what others have published."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from l2ssm.certificates.statement import rounded_down, rounded_up
from l2ssm.data.published import PUBLISHED
from l2ssm.identification.accuracy import FAMILIES, Result
from l2ssm.identification.columns import aligned

HEAD = (
    "test set",
    "model",
    "median",
    "best",
    "seeds",
    "minutes a fit",
    "parameters",
    "prescribed gain",
    "proved gain",
    "worst input found",
)


def accuracy_table(results: Iterable[Result], markdown: bool = False) -> str:
    """One block a benchmark: our rows, the published ones, and why a model or a proof is missing.

    Args:
        results: of any benchmarks, families and seeds.
        markdown: as it stands in the documentation; otherwise aligned text.
    """
    by_benchmark: dict[str, list[Result]] = {}
    for result in results:
        by_benchmark.setdefault(result.benchmark, []).append(result)
    return "\n\n".join(_block(name, found, markdown) for name, found in by_benchmark.items())


def _block(benchmark: str, results: Sequence[Result], markdown: bool) -> str:
    title = f"{benchmark}: {results[0].measure}"
    tests = list(dict.fromkeys(test for result in results for test in result.errors))
    lines: list[tuple[str, ...]] = [HEAD]
    for test in tests:
        for family in FAMILIES:
            lines += _own(test, [result for result in results if result.family == family])
        lines += _published(benchmark, test)
    notes = sorted({f"{r.family}, seed {r.seed}: {r.note}" for r in results if r.note and not _fine(r)})
    return "\n".join([f"### {title}\n" if markdown else title, _laid_out(lines, markdown), *_listed(notes, markdown)])


def _fine(result: Result) -> bool:
    """Whether there is nothing to explain: errors on all tests, and a proof where the model can have one."""
    return bool(result.errors) and (result.proved is not None or result.family in ("gru", "lstm"))


def _own(test: str, results: Sequence[Result]) -> list[tuple[str, ...]]:
    """The row of a family on a test set; gains and sizes are the medians over the seeds that have one."""
    errors = [result.errors[test] for result in results if test in result.errors]
    if not errors:
        return []
    done = [result for result in results if result.errors]
    gains = {
        name: [value for result in done if (value := getattr(result, name)) is not None]
        for name in ("prescribed", "proved", "found")
    }
    counted = f"{len(errors)}" if len(errors) == len(results) else f"{len(errors)} of {len(results)}"
    return [
        (
            test,
            results[0].family,
            f"{statistics.median(errors):.4g}",
            f"{min(errors):.4g}",
            counted,
            f"{statistics.median(r.seconds for r in done) / 60:.1f}",
            f"{statistics.median(r.n_parameters or 0 for r in done):.0f}",
            f"{statistics.median(gains['prescribed']):.4g}" if gains["prescribed"] else "-",
            rounded_up(statistics.median(gains["proved"]), 4) if gains["proved"] else "-",
            rounded_down(statistics.median(gains["found"]), 4) if gains["found"] else "-",
        )
    ]


def _published(benchmark: str, test: str) -> list[tuple[str, ...]]:
    """One row a method with a number on this test set."""
    key, empty = f"{benchmark}/{test}", [""] * (len(HEAD) - 3)
    return [(test, f"published: {row.method}", row.errors[key], *empty) for row in PUBLISHED if key in row.errors]


def _laid_out(lines: Sequence[tuple[str, ...]], markdown: bool) -> str:
    if markdown:
        rule = "|" + "|".join(["---", "---", *["--:"] * (len(HEAD) - 2)]) + "|"
        rows = ["| " + " | ".join(line) + " |" for line in lines]
        return "\n".join([rows[0], rule, *rows[1:]])
    return aligned(lines)


def _listed(notes: Sequence[str], markdown: bool) -> list[str]:
    return ([""] if markdown and notes else []) + [f"- {note}" for note in notes]
