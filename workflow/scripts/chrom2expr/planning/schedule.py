"""The order in which a run's jobs would be run: how long all of it takes, and the most that lies on disk meanwhile."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Sequence

from chrom2expr.planning.jobs import Job


def simulate(
    jobs: Sequence[Job],
    seconds: Sequence[float],
    written: Sequence[float],
    disks: Sequence[int],
    cores: int,
    gpus: int | None = None,
) -> tuple[float, dict[int, float]]:
    """Seconds that these jobs take with so many cores and GPUs (None: no limit), and the peak of bytes on each disk.

    A job starts as soon as all that it needs are done and there is room for it: by priority, then in the order of the
    list, as Snakemake does, roughly. `seconds`, `written` and `disks` are of the jobs in their order; a job whose
    `needs` lie outside of those to do waits for none of these. What is temporary goes when nothing needs it any more.
    """
    to_do = {number for number, job in enumerate(jobs) if job.to_do}
    waits = {number: {*jobs[number].needs} & to_do for number in to_do}
    users: dict[int, set[int]] = defaultdict(set)
    for number in to_do:
        for needed in waits[number]:
            users[needed].add(number)
    unused = {number: len(users[number]) for number in to_do}
    ready = [(-jobs[number].priority, number) for number in sorted(to_do) if not waits[number]]
    running: list[tuple[float, int]] = []
    now, free, free_gpus = 0.0, cores, gpus
    lying: Counter[int] = Counter()
    peak: Counter[int] = Counter()
    heapq.heapify(ready)
    while ready or running:
        waiting = []
        while ready and free:
            rank, number = heapq.heappop(ready)
            threads, wanted = _asked(jobs[number], cores, gpus)
            if threads > free or (free_gpus is not None and wanted > free_gpus):
                waiting.append((rank, number))
                continue
            free -= threads
            free_gpus = None if free_gpus is None else free_gpus - wanted
            lying[disks[number]] += written[number]
            peak[disks[number]] = max(peak[disks[number]], lying[disks[number]])
            heapq.heappush(running, (now + seconds[number], number))
        for entry in waiting:
            heapq.heappush(ready, entry)
        now, number = heapq.heappop(running)
        threads, wanted = _asked(jobs[number], cores, gpus)
        free += threads
        free_gpus = None if free_gpus is None else free_gpus + wanted
        for needed in jobs[number].needs:
            if needed in unused:
                unused[needed] -= 1
                if not unused[needed] and jobs[needed].temporary:
                    lying[disks[needed]] -= written[needed]
        for user in users[number]:
            waits[user].discard(number)
            if not waits[user]:
                heapq.heappush(ready, (-jobs[user].priority, user))
    return now, dict(peak)


def _asked(job: Job, cores: int, gpus: int | None) -> tuple[int, int]:
    """What a job asks for, at most what there is."""
    return min(job.threads, cores), job.gpus if gpus is None else min(job.gpus, gpus)
