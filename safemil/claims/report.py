"""All claims together, as Markdown for readers and JSON for programs."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from safemil.claims.ablation import alike_in_weighting, falls_with_bag_size, level_in_length
from safemil.claims.comparison import (
    below_unlabelled,
    best_or_competitive,
    improvement,
    near_reference,
)
from safemil.claims.diagnostics import recovers_costs, theory_by_simulation
from safemil.claims.inputs import ClaimInputs, check_same_run
from safemil.claims.parts import (
    DOES_NOT_HOLD,
    HOLDS,
    NOT_MEASURED,
    Claim,
    Judge,
    Part,
    Rows,
)
from safemil.files import write_text
from safemil.plan.claim_settings import ClaimsSettings
from safemil.records.completeness import check_same_budget
from safemil.statistics.over_tasks import cells_of
from safemil.tables import markdown
from safemil.tables.captions import budget_sentence, sources_of
from safemil.tables.markdown import escape

# In the order of the protocol, section 5.
CLAIMS = (
    below_unlabelled,
    near_reference,
    best_or_competitive,
    falls_with_bag_size,
    level_in_length,
    alike_in_weighting,
    improvement,
    recovers_costs,
    theory_by_simulation,
)


def decide_claims(inputs: ClaimInputs, judge: Judge) -> list[Claim]:
    """Return every claim with its verdict.

    Raises:
        UserError: methods of different budgets would be compared, or the inputs are of different runs.
    """
    check_same_budget(inputs.main.frame)
    check_same_run(inputs.main, inputs.learned_cost)
    return [decide(inputs, judge) for decide in CLAIMS]


def _interval(part: Part) -> list[float] | None:
    return None if part.interval is None else list(part.interval)


def _evidence(part: Part) -> dict[str, Any]:
    return {
        "statement": part.statement,
        "rule": part.rule,
        "decides": part.decides,
        "verdict": part.verdict,
        "value": part.value,
        "interval": _interval(part),
        "n": part.n,
        "unit": part.unit,
        "reason": part.reason,
        "rows": [{"file": rows.file, "where": dict(rows.where), "count": rows.count} for rows in part.rows],
    }


def claims_json(claims: Sequence[Claim]) -> str:
    """Return a list of objects: claim, verdict, value, interval, n, evidence, and what these stand on.

    value, interval (low and high) and n are those of the part that decides; null where nothing was measured.
    evidence lists all parts with their rules and rows.
    """
    records = []
    for claim in claims:
        part = claim.deciding_part
        records.append(
            {
                "claim": claim.statement,
                "number": claim.number,
                "verdict": claim.verdict,
                "value": part.value,
                "interval": _interval(part),
                "n": part.n,
                "unit": part.unit,
                "decided_by": part.statement,
                "rule": part.rule,
                "reason": part.reason,
                "evidence": [_evidence(each) for each in claim.parts],
            }
        )
    return json.dumps(_rounded(records), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _rounded(value: Any) -> Any:
    """Return JSON's values with ten significant digits, as a CSV has: processors differ in the last bits."""
    if isinstance(value, float):
        return float(f"{value:.10g}")
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list | tuple) else value


def _number(value: float) -> str:
    if value != 0 and abs(value) < 0.01:
        return f"{value:.2g}"
    return f"{value:z.2f}"


def _figure(part: Part) -> tuple[str, str, str]:
    value = "–" if part.value is None else _number(part.value)
    interval = "–" if part.interval is None else "[{}, {}]".format(*map(_number, part.interval))
    unit = part.unit.removesuffix("s") if part.n == 1 else part.unit
    return value, interval, f"{part.n:,} {unit}" if part.n else "–"


def _summary(claims: Sequence[Claim]) -> str:
    rows = []
    for claim in claims:
        part = claim.deciding_part
        decided_by = f"{part.statement}: {part.reason}" if part.reason else part.statement
        rows.append([f"{claim.number}. {claim.statement}", claim.verdict, *_figure(part), decided_by])
    return markdown.table(["claim", "verdict", "figure", "95 % interval", "n", "decided by"], rows)


def _section(claim: Claim) -> Iterator[str]:
    yield from [f"## {claim.number}. {escape(claim.statement)}", f"**{claim.verdict}**"]
    rows = []
    for part in claim.parts:
        verdict = f"{part.verdict}: {part.reason}" if part.reason else part.verdict
        name = part.statement if part.decides else f"(beside) {part.statement}"
        rows.append([name, part.rule, *_figure(part), verdict])
    yield markdown.table(["part", "rule", "figure", "95 % interval", "n", "verdict"], rows)
    evidence = dict.fromkeys(_rows_text(rows) for part in claim.parts for rows in part.rows)
    yield from ["Rows:", "\n".join(f"- {text}" for text in evidence)] if evidence else []


def _rows_text(rows: Rows) -> str:
    where = ", ".join(
        f"{name} {' '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in rows.where.items()
    )
    return f"`{rows.file}`: {escape(where)}; {rows.count:,} row{'s' if rows.count != 1 else ''}"


def _how_to_read(judge: Judge) -> Iterator[str]:
    yield (
        "A claim holds if every part of it does; does not hold if one part does not, be it that the opposite "
        "was seen or that the interval is too wide to show it; and is not measured otherwise. The figure is "
        "that of the part that decides: the one that breaks its rule most, or keeps it least. Parts `beside` "
        "are reported and decide nothing."
    )
    yield (
        "Intervals: 95 % percentile bootstrap over seeds, of paired differences where two things are "
        "compared seed by seed; for claim 7 stratified over tasks; for claim 9 Clopper and Pearson's, all "
        "rows of a statement together. With 5 seeds a bootstrap interval covers the true mean in about 83 % "
        "of cases, not in 95 % (docs/statistics.md)."
    )
    for name, field in ClaimsSettings.model_fields.items():
        yield f"`claims.{name}` = {getattr(judge.claims, name)}: {escape(str(field.description))}."


def claims_markdown(claims: Sequence[Claim], inputs: ClaimInputs, judge: Judge, run_name: str) -> str:
    """Return the claims as Markdown: a summary, then each with its parts and rows, then the rules."""
    verdicts = [claim.verdict for claim in claims]
    counts = ", ".join(f"{verdicts.count(each)} {each}" for each in (HOLDS, DOES_NOT_HOLD, NOT_MEASURED))
    return markdown.page(
        f"# The paper's claims: run `{run_name}`, source `{sources_of(inputs.main.frame)}`",
        f"{budget_sentence(cells_of(inputs.main.frame))}.",
        f"Of {len(claims)} claims: {counts}.",
        "## Verdicts",
        _summary(claims),
        *(block for claim in claims for block in _section(claim)),
        "## How to read it",
        "\n".join(f"- {line}" for line in _how_to_read(judge)),
    )


def write_claims(inputs: ClaimInputs, judge: Judge, directory: Path, run_name: str) -> list[Path]:
    """Decide the claims and write claims.md and claims.json into `directory`, atomically; return their paths.

    Raises:
        UserError: as `decide_claims`.
    """
    claims = decide_claims(inputs, judge)
    texts = {
        "claims.md": claims_markdown(claims, inputs, judge, run_name),
        "claims.json": claims_json(claims),
    }
    return [write_text(directory / name, text) for name, text in texts.items()]
