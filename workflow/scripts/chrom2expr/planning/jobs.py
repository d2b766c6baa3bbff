"""The jobs of a run, as Snakemake plans them: those that are done, and those that are still to do."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from snakemake.api import SnakemakeApi
from snakemake.exceptions import RuleException, WorkflowError
from snakemake.settings.enums import Quietness, RerunTrigger
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings

from chrom2expr.errors import InputError

# As in profiles/default: a comment in a script makes no job anew.
_TRIGGERS = frozenset({RerunTrigger.MTIME, RerunTrigger.PARAMS, RerunTrigger.INPUT, RerunTrigger.SOFTWARE_ENV})


class Job(NamedTuple):
    """One job: what it is, what it asks for, and which jobs it `needs`, by their places in the list of all."""

    rule: str
    wildcards: Mapping[str, str]
    input: tuple[str, ...]
    output: tuple[str, ...]
    temporary: bool  # its main output is dropped once the jobs that need it are done
    benchmark: str  # empty if it has none
    threads: int
    gpus: int
    mem_mb: int
    runtime: int  # minutes that it asks of a cluster
    priority: int
    needs: tuple[int, ...]
    to_do: bool


def planned(
    snakefile: str | Path,
    configs: Sequence[str | Path],
    overlaid: Mapping[str, Any],
    targets: Sequence[str],
    cores: int,
) -> list[Job]:
    """The jobs that these targets take, none for the workflow's own; each after those that it needs.

    `overlaid` is what --config adds to the config files. Nothing is run, locked or logged, and a run may be under way.
    Raises InputError, with what Snakemake says, where no such run can be planned.
    """
    try:
        # A mere dry run would tell what to run, and neither what is done nor what needs what.
        with SnakemakeApi(OutputSettings(quiet={Quietness.ALL}, enable_file_logging=False)) as api:
            asked = api.workflow(
                resource_settings=ResourceSettings(cores=cores),
                config_settings=ConfigSettings(configfiles=[Path(file) for file in configs], config=overlaid),
                snakefile=Path(snakefile),
            )
            asked.dag(DAGSettings(targets=frozenset(targets), rerun_triggers=_TRIGGERS))
            workflow = asked._workflow
            workflow._prepare_dag(forceall=False, ignore_incomplete=True, lock_warn_only=True)
            workflow._build_dag()
            return _read(workflow.dag)
    except (WorkflowError, RuleException) as error:
        raise InputError(f"no run can be planned: {error}") from None


def _read(dag: Any) -> list[Job]:
    # By their outputs: jobs have no order of their own, and the disk at the peak depends on which come first.
    levels = ([job for job in level if job.output] for level in dag.toposorted())
    ordered = [job for level in levels for job in sorted(level, key=lambda job: list(map(str, job.output)))]
    place = {job: number for number, job in enumerate(ordered)}
    return [
        Job(
            rule=job.rule.name,
            wildcards=dict(job.wildcards_dict),
            input=tuple(map(str, job.input)),
            output=tuple(map(str, job.output)),
            temporary=bool(job.temp_output),
            benchmark=str(job.benchmark or ""),
            threads=int(job.threads),
            gpus=_whole(job.resources.get("gpu")),
            mem_mb=_whole(job.resources.get("mem_mb")),
            runtime=_whole(job.resources.get("runtime")),
            priority=_whole(job.rule.priority),
            needs=tuple(sorted(place[needed] for needed in dag.dependencies[job] if needed in place)),
            to_do=bool(dag.needrun(job)),
        )
        for job in ordered
    ]


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else 0
