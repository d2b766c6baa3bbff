"""The bill of a run: rates and amounts, the order of the jobs, and what lies on disk meanwhile."""

import math
import random
import re
from pathlib import Path

import pytest

from chrom2expr.config import folds, overlays, schema
from chrom2expr.errors import InputError
from chrom2expr.planning import amounts, bill, rates, schedule
from chrom2expr.planning.jobs import Job, planned

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "config/rates.tsv"


def job(rule="evaluate_run", needs=(), threads=1, gpus=0, priority=0, temporary=False, to_do=True, **more):
    more = {"wildcards": {}, "input": (), "output": ("results/made",), "benchmark": ""} | more
    kept = {"threads": threads, "gpus": gpus, "mem_mb": 1000, "runtime": 60, "priority": priority}
    return Job(rule=rule, needs=tuple(needs), temporary=temporary, to_do=to_do, **kept, **more)


def simulate(jobs, seconds, sizes=None, cores=2, gpus=None):
    wall, peaks = schedule.simulate(jobs, seconds, sizes or [0.0] * len(jobs), [0] * len(jobs), cores, gpus)
    return wall, peaks.get(0, 0.0)


@pytest.fixture(scope="module")
def demo():
    return folds.spread(schema.checked(overlays.read([ROOT / "config/config.yaml", ROOT / "config/demo.yaml"])))


@pytest.fixture(scope="module")
def thesis():
    return folds.spread(schema.checked(overlays.read([ROOT / "config/config.yaml"])))


# --- the order of the jobs ---------------------------------------------------------------------------------------


def test_the_wall_time_of_jobs_by_hand():
    assert simulate([], [])[0] == 0
    assert simulate([job()] * 5, [10] * 5)[0] == 30
    assert simulate([job(), job(needs=[0]), job(needs=[1])], [1, 2, 3])[0] == 6
    assert simulate([job(threads=2), job(), job()], [10, 10, 10])[0] == 20
    assert simulate([job(threads=8)], [10])[0] == 10
    assert simulate([job(gpus=1)] * 2, [10, 10], gpus=1)[0] == 20
    assert simulate([job(gpus=1)] * 2, [10, 10])[0] == 10
    # Two short ones keep a core busy while the long one runs, if it goes first.
    assert simulate([job(), job(), job(priority=1)], [5, 5, 10])[0] == 10


def test_what_is_done_takes_nothing_and_is_not_waited_for():
    assert simulate([job(to_do=False), job(needs=[0])], [100, 7], [9.0, 3.0]) == (7, 3)


def test_what_is_temporary_goes_when_it_was_read():
    group = [job(temporary=True), job(needs=[0], priority=1)]
    second = [job(temporary=True), job(needs=[2], priority=1)]
    assert simulate([*group, *second], [1] * 4, [100, 1, 100, 1], cores=1)[1] == 102
    assert simulate([*group, *second], [1] * 4, [100, 1, 100, 1], cores=2)[1] == 202
    kept = [one._replace(temporary=False) for one in (*group, *second)]
    assert simulate(kept, [1] * 4, [100, 1, 100, 1], cores=1)[1] == 202
    # It stays for the slower of two that read it.
    two = [job(temporary=True), job(needs=[0]), job(needs=[0]), job(needs=[1])]
    assert simulate(two, [1, 1, 9, 1], [100, 1, 1, 10], cores=2)[1] == 112


def test_no_schedule_beats_its_bounds():
    """Neither the longest chain nor all work shared out evenly; nor is it longer than one job after another."""
    dice = random.Random(0)
    for _ in range(50):
        count, cores = dice.randint(1, 30), dice.randint(1, 5)
        jobs = [
            job(needs=dice.sample(range(number), dice.randint(0, min(3, number))), threads=dice.randint(1, 3))
            for number in range(count)
        ]
        seconds = [dice.uniform(0, 9) for _ in jobs]
        ends = []
        for one, length in zip(jobs, seconds, strict=True):
            ends.append(length + max((ends[needed] for needed in one.needs), default=0))
        busy = sum(length * min(one.threads, cores) for one, length in zip(jobs, seconds, strict=True))
        wall, peak = simulate(jobs, seconds, [1.0] * count, cores)
        assert max(max(ends), busy / cores) <= wall + 1e-9 and wall <= sum(seconds) + 1e-9
        assert peak == count


# --- rates -------------------------------------------------------------------------------------------------------


def test_every_rule_of_the_workflow_has_a_rate():
    text = "".join(file.read_text() for file in (ROOT / "workflow/rules").glob("*.smk"))
    named = set(re.findall(r"^ *rule (\w+):", text, re.MULTILINE)) | set(re.findall(r"use rule \w+ as (\w+)", text))
    known = {rule for rule, _ in rates.read_rates(TABLE)} | {"fit_tissues"}
    assert named - {"plan_run"} <= known and known - named == {"train_simulated_enformer", "train_simulated_beluga"}


def test_nobody_has_measured_a_gpu_yet():
    for key, rate in rates.read_rates(TABLE).items():
        assert (rate.device == "gpu") <= math.isnan(rate.seconds), key
        assert math.isnan(rate.seconds) or rate.source, key


HEADER = "rule\tof\tdevice\tper\tseconds\tstart_seconds\ttflop\tbytes_per\tbytes\tstart_bytes\tmachine\tdate\n"
ROW = "fit_head\tridge\tcpu\tgenes tracks\t0.5\t3\t\tgenes\t8\t100\tthis\t2026-11-26\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER.replace("seconds\t", "s\t", 1) + ROW, "row 1: no column seconds"),
        (HEADER + ROW + ROW, "row 3: fit_head ridge is there twice"),
        (HEADER + ROW.replace("\tcpu\t", "\ttpu\t"), "row 2: device is 'tpu'; write cpu or gpu"),
        (HEADER + ROW.replace("genes tracks", "genes weeks"), "row 2: nothing is counted in weeks; known are genes"),
        (HEADER + ROW.replace("\t0.5\t", "\thalf\t"), "row 2: 'half' is not a number"),
    ],
)
def test_a_bad_table_of_rates_is_named(tmp_path, text, message):
    (tmp_path / "rates.tsv").write_text(text)
    with pytest.raises(InputError, match=f"rates.tsv, {message}"):
        rates.read_rates(tmp_path / "rates.tsv")


def test_a_rate_is_a_start_and_so_much_a_unit(tmp_path):
    (tmp_path / "rates.tsv").write_text(HEADER + ROW + ROW.replace("ridge", "cnn").replace("0.5", "unknown"))
    found = rates.read_rates(tmp_path / "rates.tsv")
    rate = found["fit_head", "ridge"]
    assert rates.seconds(rate, {"genes": 10, "tracks": 4}) == 23 and rates.written(rate, {"genes": 10}) == 180
    assert math.isnan(rates.seconds(rate, {"genes": 10}))
    assert math.isnan(rates.seconds(found["fit_head", "cnn"], {"genes": 10, "tracks": 4}))


# --- amounts -----------------------------------------------------------------------------------------------------


def of_source(config, rule, source, **wildcards):
    counts = amounts.count(config, [])
    return amounts.amounts(job(rule, wildcards={"source": source, **wildcards}), config, counts)


def test_the_work_of_the_thesis(thesis):
    found = of_source(thesis, "predict_tracks", "enformer_predicted", shard="000")
    assert found["genes"] * 16 == 22_828 and (found["bins"], found["tracks"], found["bp"]) == (896, 5_313, 196_608)
    # 217 GB, as the store of 22,828 x 896 x 5,313 float16 has.
    rate = rates.read_rates(TABLE)["predict_tracks", "enformer"]
    assert 16 * rates.written(rate, found) == pytest.approx(217e9, rel=0.02)
    found = of_source(thesis, "predict_tracks", "beluga_predicted", shard="000")
    assert (found["strands"], found["bp"]) == (2, 41_800)
    found = of_source(thesis, "bin_bigwigs", "beluga_experimental", shard="000")
    assert found["genes"] == 22_828 and found["tracks"] * 10 == 1_187
    # The 180 GB that docs/inputs.md expects of Basenji's records, in 40 files.
    records = {"enformer_experimental": thesis["sources"]["enformer_experimental"] | {"from": "tfrecords"}}
    records["enformer_experimental"].pop("bigwigs")
    found = of_source({**thesis, "sources": records}, "unpack_records", "enformer_experimental", shard="000")
    kept = 40 * rates.written(rates.read_rates(TABLE)["unpack_records", ""], found)
    assert found["tracks"] == 5_313 and kept == pytest.approx(180e9, rel=0.02)
    run = {"inputs": "chromatin_40kb", "head": "multi_cnn", "loss": "mse"}
    found = of_source(thesis, "fit_head", "enformer_predicted", **run)
    wanted = {"bins": 314, "tracks": 4_675, "points": 9, "epochs": 5, "width": 128}
    assert {name: found[name] for name in wanted} == wanted
    found = of_source(thesis, "finetune_backbone", "enformer_50kb", inputs="embedding", head="finetuned", loss="mse")
    assert (found["bp"], found["epochs"], found["bins"], found["tracks"]) == (50_048, 50, 10, 3_072)


def test_the_work_of_the_demo_is_that_of_its_files(demo):
    """890 genes, 139 of them held out, 40 tracks, an embedding 96 wide: as a finished demo has them."""
    counts = amounts.count(demo, [])
    assert (counts.genes, counts.tissues, counts.assumed) == (890, 24, []) and abs(counts.held_out - 139) < 2
    assert counts.tracks["enformer_experimental"]["all"] == 40 and counts.tracks["beluga_predicted"]["all"] == 30
    assert counts.tracks["enformer_predicted"]["chromatin"] == 32 and counts.tracks["enformer_50kb"]["all"] == 96


def test_genes_and_tracks_are_counted_where_there_are_files(thesis, tmp_path):
    (tmp_path / "genes.gtf").write_text("#!x\nchr1\t.\tgene\t1\t2\nchr1\t.\texon\t1\t2\nchr1\t.\tgene\t1\t2\n")
    (tmp_path / "tracks.txt").write_text("identifier\tdescription\nENCFF1\tDNASE:a\nENCFF2\tCHIP:b\nCNhs1\tCAGE:c\n")
    resources = thesis["resources"] | {"gene_annotation": {"path": str(tmp_path / "genes.gtf")}}
    resources |= {"enformer_tracks": {"path": str(tmp_path / "tracks.txt")}}
    counts = amounts.count({**thesis, "resources": resources}, [])
    assert counts.genes == 2
    assert counts.tracks["enformer_predicted"] == {"all": 3, "cage": 1, "chromatin": 2, "embedding": 3_072}
    assert counts.tracks["enformer_experimental"]["all"] == 2
    (tmp_path / "tss.tsv").write_text("gene_id\na\nb\nc\n\n")
    lifted = job("lift_genes", output=(str(tmp_path / "tss.tsv"),))
    assert amounts.count({**thesis, "resources": resources}, [lifted]).genes == 3


def test_the_rate_of_a_small_network_is_not_that_of_a_large_one(demo, thesis):
    run = job("fit_head", wildcards={"source": "enformer_predicted", "head": "multi_cnn"})
    assert amounts.types(run, demo)[0] == "simulated cnn" and amounts.types(run, thesis)[0] == "cnn"


# --- the bill ----------------------------------------------------------------------------------------------------


def finished(folder, number, seconds, rule="evaluate_run"):
    benchmark = folder / f"{number}.tsv"
    benchmark.write_text(f"s\th:m:s\tmax_rss\tcpu_time\n{seconds}\t0:00:01\t{100 + number}\t1\n")
    made = folder / f"{number}.made"
    made.write_bytes(b"x" * 1000)
    return job(rule, output=(str(made),), benchmark=str(benchmark), to_do=False)


def test_what_jobs_took_here_goes_before_the_table(demo, tmp_path):
    jobs = [finished(tmp_path, 0, 5), finished(tmp_path, 1, 7), job(output=(str(tmp_path / "later"),))]
    costs = bill.draw_up(demo, jobs, TABLE, 2).costs
    assert [cost.seconds for cost in costs] == pytest.approx([5, 7, 6]) and costs[2].basis == "measured here, 2 jobs"
    assert [cost.max_rss for cost in costs[:2]] == pytest.approx([104.9, 105.9], abs=0.05) and math.isnan(
        costs[2].max_rss
    )
    assert costs[0].written == 1000


def test_a_job_without_a_rate_takes_what_others_took(thesis, tmp_path):
    run = {"source": "enformer_predicted", "inputs": "chromatin", "head": "multi_cnn", "loss": "mse"}
    to_do = job("fit_head", wildcards=run, output=(str(tmp_path / "later"),), gpus=1)
    alone = bill.draw_up(thesis, [to_do], TABLE, 2, 1)
    assert math.isnan(alone.costs[0].seconds) and alone.costs[0].tflop > 1000
    said = "\n".join(bill.summary(alone))
    assert "GPU: unknown hours (1 jobs)" in said and "TFLOP" in said and "1.0 hours" not in said
    done = finished(tmp_path, 0, 7200, "fit_head")._replace(wildcards=run, gpus=1)
    both = bill.draw_up(thesis, [done, to_do], TABLE, 2, 1)
    assert both.costs[1].seconds == 7200 and "GPU: 4 hours in all, 2 hours still to do" in bill.summary(both)


def test_a_rule_below_a_modules_prefix_has_its_rate(demo, tmp_path):
    costs = bill.draw_up(demo, [job("lab_evaluate_run", output=(str(tmp_path / "a"),))], TABLE, 2).costs
    assert costs[0].seconds > 0


def test_what_lies_there_already_counts_at_the_peak_and_is_not_to_be_written(demo, tmp_path):
    done = [finished(tmp_path, 0, 5), finished(tmp_path, 1, 7)]
    later = job("draw_figure", output=(str(tmp_path / "later"),))
    found, alone = (bill.draw_up(demo, jobs, TABLE, 2) for jobs in ([*done, later], [later]))
    assert (found.on_disk, found.left) == (2000, alone.peak) and found.peak == found.on_disk + found.left


def test_a_disk_that_is_too_small_is_warned_of(demo, tmp_path, monkeypatch):
    folder = str(tmp_path / "not/there/yet/made")
    jobs = [job("download", wildcards={"resource": "genome_grch38"}, output=(folder,))]
    monkeypatch.setattr(bill.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10**9})())
    found = bill.draw_up(demo, jobs, TABLE, 2)
    assert f"WARNING: the disk of {tmp_path} is too small: 1 GB are free, 3.3 GB are needed" in bill.summary(found)
    monkeypatch.setattr(bill.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10**10})())
    assert not bill.draw_up(demo, jobs, TABLE, 2).short


def test_the_page_needs_no_other_file_and_says_what_is_unknown(thesis, tmp_path):
    run = {"source": "enformer_predicted", "shard": "000"}
    jobs = [job("predict_tracks", wildcards=run, output=(str(tmp_path / "a"),), gpus=1)]
    bill.write(tmp_path / "plan.html", bill.draw_up(thesis, jobs, TABLE, 8, 1))
    text = (tmp_path / "plan.html").read_text()
    assert "http" not in text and "unknown" in text and "Assumed: 22,828 genes" in text and "TFLOP" in text


def test_jobs_come_in_one_order_whatever_the_hashes(tmp_path):
    names = [f"{number:02}" for number in range(20)]
    rule = f"rule all:\n    input: {names}\nrule part:\n    output: '{{name}}'\n    shell: 'touch {{output}}'\n"
    (tmp_path / "Snakefile").write_text(rule)
    assert [job.output[0] for job in planned(tmp_path / "Snakefile", [], {}, [], 1)] == names


def test_a_workflow_that_cannot_be_planned_is_named(tmp_path):
    (tmp_path / "Snakefile").write_text("rule all:\n    input: 'nowhere.txt'\n")
    with pytest.raises(InputError, match="(?s)no run can be planned: .*nowhere.txt"):
        planned(tmp_path / "Snakefile", [], {}, [], 1)
