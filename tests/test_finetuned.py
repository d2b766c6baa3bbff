"""Fine-tuning against a plain loop written out here; killed at any moment, it ends in the same bytes."""

import csv
import math
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import get_cosine_schedule_with_warmup

from checked_files import leftover
from chrom2expr.backbones.backbone import as_one_hot
from chrom2expr.backbones.device import PRECISIONS
from chrom2expr.backbones.enformer import Enformer, KeptPositions
from chrom2expr.errors import InputError
from chrom2expr.files.tensors import read_tensors, write_tensors
from chrom2expr.genome.windows import Geometry
from chrom2expr.heads import finetuned, frozen_trunk, resumable_training, run_files, tasks
from chrom2expr.heads.adaptations import AllParameters, Frozen
from chrom2expr.heads.attention_pool import AttentionPool
from chrom2expr.losses import hybrid
from chrom2expr.losses.hybrid import hybrid_loss
from small_enformer import BINS, DROPOUT, GEOMETRY, TISSUES, Files, fit, load, loss, network, run

OUTPUTS = ("model.pt", "grid.tsv", "predictions.h5", "summary.json")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def with_dropout(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("with_dropout"), **DROPOUT)


def small(adaptation=AllParameters(), **options):
    pool = AttentionPool(48, TISSUES, seed=1)
    return finetuned.FineTuned(Enformer(network(), GEOMETRY), pool, BINS, adaptation, **options)


def hot(batch=3, seed=0):
    encoded = np.random.default_rng(seed).integers(0, 5, (batch, GEOMETRY.sequence_length), dtype=np.uint8)
    return as_one_hot(torch.from_numpy(encoded))


def statistics(model):
    return {name: value.clone() for name, value in model.named_buffers() if name.endswith(("_mean", "_var"))}


class TestLoop:
    def test_same_as_a_plain_loop(self, files, tmp_path, capsys):
        """enformer-pytorch's forward, transformers' schedule and torch's AdamW, in the order that the fit used."""
        task, epochs = files.task(gradient_clip=0.5), 3
        train, batches = task.data.splits["train"], []
        read = train.features.read
        fitted, checkpoints = fit(task, files.trunk(), tmp_path / "first")
        course = read_tensors(checkpoints.folder / "last.pt", resumable_training.CHECKPOINT)["trials"][0]
        last = read_tensors(checkpoints.folder / "last.pt", resumable_training.CHECKPOINT)["network"]
        train.features.read = lambda rows, out: batches.append(rows) or read(rows, out)
        fit(task, files.trunk(), tmp_path / "second")
        # The first pass is the one that checks the data.
        assert [len(rows) for rows in batches[1:]] == [2] * 5 * epochs
        assert all(
            sorted(np.concatenate(batches[1 + 5 * e : 6 + 5 * e])) == [*range(5), *range(6, 11)] for e in range(3)
        )
        assert not np.array_equal(batches[1:6], batches[6:11])

        start = np.nanmean(np.delete(files.observed[:11], 5, axis=0), axis=0)
        net, pool = network(), AttentionPool(48, TISSUES, task.seed, start)
        parameters = [*net.stem.parameters(), *net.conv_tower.parameters(), *net.transformer.parameters()]
        parameters += [*net.final_pointwise.parameters(), *pool.parameters()]
        optimiser = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=1e-3)
        share = get_cosine_schedule_with_warmup(optimiser, 3, 5 * epochs).lr_lambdas[0]
        # transformers counts steps from 0, at which the rate would be 0.
        rates = (1e-3 * share(step) for step in range(1, 5 * epochs + 1))
        net.eval()
        for rows in batches[1:]:
            optimiser.param_groups[0]["lr"] = next(rates)
            window = torch.from_numpy(files.encoded[rows][:, 12:-12])
            sequences = torch.stack([(window == code).float() for code in range(4)], dim=-1)
            embedding = net(sequences, return_only_embeddings=True)[:, 2:6]
            weights = (embedding @ pool.score.weight[0]).softmax(dim=1)
            predicted = torch.einsum("gb,gbw->gw", weights, embedding) @ pool.output.weight.T + pool.output.bias
            optimiser.zero_grad()
            hybrid_loss(predicted, torch.from_numpy(files.observed[rows]), 1, 1).backward()
            torch.nn.utils.clip_grad_norm_(parameters, 0.5)
            optimiser.step()
        for name, value in net.stem.state_dict().items():
            torch.testing.assert_close(last[f"trunk.network.stem.{name}"], value, atol=2e-5, rtol=1e-4)
        torch.testing.assert_close(last["pool.output.weight"], pool.output.weight.data, atol=2e-5, rtol=1e-4)
        torch.testing.assert_close(last["pool.score.weight"], pool.score.weight.data, atol=2e-5, rtol=1e-4)
        assert course["epochs"] == epochs and (last["pool.score.weight"] != 0).any()

    def test_accumulated_batches_make_the_step_of_one_large_batch(self, files, tmp_path):
        # Ten genes: the last step has batches of three and of one. Clipping would hide a gradient of another length.
        few = {"max_epochs": 2, "loss": loss(0, 1), "gradient_clip": 0}
        together = fit(files.task(batch_size=6, **few), files.trunk(), tmp_path / "a")[0].network
        piecewise = fit(files.task(batch_size=3, accumulation=2, **few), files.trunk(), tmp_path / "b")[0]
        other = fit(files.task(batch_size=3, **few), files.trunk(), tmp_path / "c")[0].network
        # The pool's: AdamW makes steps of rounding where a gradient is almost zero, as deep in the trunk.
        one, two = together.pool.output, piecewise.network.pool.output
        torch.testing.assert_close(one.weight, two.weight, atol=2e-5, rtol=0)
        torch.testing.assert_close(one.bias, two.bias, atol=2e-5, rtol=0)
        assert (one.weight - other.pool.output.weight).abs().max() > 5e-4

    @pytest.mark.parametrize(("warmup", "total"), [(3, 20), (0, 7), (1000, 550_000), (5, 5), (30, 20)])
    def test_schedule(self, warmup, total):
        optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        schedule = get_cosine_schedule_with_warmup(optimiser, warmup, total).lr_lambdas[0]
        for step in {1, 2, warmup or 1, total // 2, total - 1, total}:
            assert resumable_training.rate(step, warmup, total) == pytest.approx(schedule(step), abs=1e-12), step

    def test_early_stop_returns_the_best_epoch(self, files, tmp_path, monkeypatch):
        losses = iter([3.0, 1.0, 2.0, 2.0, 0.5])
        states = []

        def validate(network, *_):
            states.append({name: value.clone() for name, value in network.state_dict().items()})
            return {"validation_loss": next(losses), "validation_cross_gene": 0.0}

        monkeypatch.setattr(resumable_training, "_validate", validate)
        fitted, _ = fit(files.task(max_epochs=9, patience=2), files.trunk(), tmp_path)
        [row] = fitted.table
        assert (row["epochs"], row["epoch"], row["validation_loss"], row["chosen"]) == (4, 2, 1.0, "yes")
        found = fitted.network.state_dict()
        assert all(torch.equal(found[name], value) for name, value in states[1].items())
        assert not torch.equal(found["pool.output.weight"], states[3]["pool.output.weight"])

    def test_the_better_point_of_the_grid_is_chosen(self, files, tmp_path):
        grid = {"learning_rate": [1e-9, 3e-3, 1e-8]}
        fitted, _ = fit(files.task(grid=grid, warmup_steps=1), files.trunk(), tmp_path / "grid")
        assert [row["chosen"] for row in fitted.table] == ["no", "yes", "no"]
        alone, _ = fit(files.task(grid={"learning_rate": [3e-3]}, warmup_steps=1), files.trunk(), tmp_path / "alone")
        assert fitted.table[1] == alone.table[0]
        for one, two in zip(fitted.network.parameters(), alone.network.parameters(), strict=True):
            assert torch.equal(one, two)

    def test_a_loss_that_is_not_a_number_names_the_genes_and_keeps_the_last_good_checkpoint(
        self, files, tmp_path, monkeypatch
    ):
        task, calls, seen = files.task(max_epochs=4), [], []
        read = task.data.splits["train"].features.read
        task.data.splits["train"].features.read = lambda rows, out: seen.append(rows) or read(rows, out)

        def loss(predicted, observed, *weights):
            calls.append(len(predicted))
            value = hybrid_loss(predicted, observed, *weights)
            # Six losses an epoch, the last one of validation: the third batch of the third epoch.
            return value * math.nan if len(calls) == 15 else value

        monkeypatch.setattr(hybrid, "hybrid_loss", loss)
        with pytest.raises(InputError, match="training loss is not a finite number, at genes gene") as caught:
            fit(task, files.trunk(), tmp_path)
        genes = str(caught.value).split("genes ")[1].split(".")[0].split(", ")
        assert genes == [f"gene{row}" for row in seen[1 + 12]]
        last = read_tensors(tmp_path / "last.pt", resumable_training.CHECKPOINT)
        assert last["trials"][0]["epochs"] == 2 and all(v.isfinite().all() for v in last["network"].values())
        assert sorted(path.name for path in tmp_path.iterdir()) == ["best.pt", "last.pt"]

    def test_no_step_makes_a_gpu_wait(self, files, tmp_path):
        """What asks a tensor on a GPU for its value waits for all that was begun before."""
        seen = []

        class Asked(TorchDispatchMode):
            def __torch_dispatch__(self, func, types, args=(), kwargs=None):
                asks = func.name() in ("aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero")
                if asks and sys._getframe(1).f_code.co_name != "predict":
                    seen.append(func.name())
                return func(*args, **kwargs or {})

        for genes in (4, 9):
            data = files.data()
            train = data.splits["train"]
            split = tasks.Split(train.features, train.observed, train.usable[:genes])
            task = files.task(replace(data, splits={**data.splits, "train": split}), max_epochs=1)
            with Asked():
                fit(task, files.trunk(), tmp_path / str(genes))
            seen.append("end")
        few, more = " ".join(seen).split("end")[:2]
        assert few.split() and few.split() == more.split()

    def test_infinite_gradients_and_validation_losses_stop_too(self, files, tmp_path, monkeypatch):
        task = files.task(accumulation=2)
        with monkeypatch.context() as patched:
            patched.setattr(resumable_training.nn.utils, "clip_grad_norm_", lambda *_: torch.tensor(math.inf))
            with pytest.raises(InputError, match="gradient of the training loss .* genes (gene\\d+, ){3}gene\\d+\\. "):
                fit(task, files.trunk(), tmp_path)
        wrong = np.zeros((4, TISSUES), np.float32)
        wrong[2, 1] = math.inf
        monkeypatch.setattr(resumable_training.training, "predict", lambda *_: [wrong])
        with pytest.raises(InputError, match="validation loss is not a finite number, at genes gene13\\. "):
            fit(task, files.trunk(), tmp_path)
        assert not list(tmp_path.iterdir())

    def test_a_validation_loss_beyond_float32_names_its_genes(self, files, tmp_path, monkeypatch):
        large = np.zeros((4, TISSUES), np.float32)
        large[[0, 3], 1] = 1e25
        monkeypatch.setattr(resumable_training.training, "predict", lambda *_: [large])
        with pytest.raises(InputError, match="at genes gene11, gene14\\. .* kept in .*, once that folder is deleted"):
            fit(files.task(), files.trunk(), tmp_path)

    def test_a_tissue_without_training_values_is_named_before_any_work(self, files, tmp_path):
        task = files.task()
        task.data.splits["train"].observed[:, 3] = np.nan
        with pytest.raises(InputError, match="tissue3 has 0 training genes with a value"):
            fit(task, files.trunk(), tmp_path)
        with pytest.raises(InputError, match="tissue3 has 0 training genes with a value"):
            frozen_trunk.FrozenTrunk.fit(task)

    def test_fewer_gpus_than_asked_for_are_said(self, files, tmp_path, capsys):
        fit(files.task(max_epochs=1, devices=2), files.trunk(), tmp_path)
        assert "devices: 2, but this job was given 1" in capsys.readouterr().out
        fit(files.task(max_epochs=1), files.trunk(), tmp_path / "cpu", gpus=0)
        assert "devices" not in capsys.readouterr().out


class TestNetwork:
    def test_forward(self):
        model = small().eval()
        embedding = network().eval()(hot().transpose(1, 2), return_only_embeddings=True)
        torch.testing.assert_close(model(hot()), model.pool(embedding[:, 2:6]))
        assert embedding.shape == (3, 9, 48)

    def test_every_parameter_learns_and_checkpointing_changes_no_gradient(self):
        gradients = []
        for checkpointing in (False, True):
            model = small(activation_checkpointing=checkpointing).train()
            model.trunk.network.heads.clear()
            with torch.no_grad():
                model.pool.score.weight += 0.1
            model(hot()).square().sum().backward()
            gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
        assert all(gradient is not None and gradient.abs().max() > 0 for gradient in gradients[0].values())
        for name, gradient in gradients[0].items():
            torch.testing.assert_close(gradients[1][name], gradient, atol=1e-5, rtol=1e-4, msg=name)

    def test_checkpointing_keeps_less_for_the_gradients(self):
        kept = []
        for checkpointing in (False, True):
            sizes = []
            model = small(activation_checkpointing=checkpointing).train()
            with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.numel()) or x, lambda x: x):
                model(hot())
            kept.append(sum(sizes))
        assert kept[1] < kept[0] / 3

    def test_bfloat16_is_near_and_auto_is_float32_on_a_cpu(self):
        found = {}
        for precision in PRECISIONS:
            model = small(precision=precision).train()
            predicted = model(hot())
            predicted.square().sum().backward()
            found[precision] = predicted.detach(), model.trunk.network.stem[0].weight.grad
        for exact, rounded, auto in zip(*(found[name] for name in ("fp32", "bf16", "auto")), strict=True):
            assert torch.equal(auto, exact) and not torch.equal(rounded, exact)
            assert rounded.dtype == torch.float32 and (rounded - exact).norm() < 0.1 * exact.norm()

    def test_batch_norm(self):
        frozen, live = small().train(), small(AllParameters(batch_norm="train")).train()
        before = statistics(frozen)
        alone = frozen(hot()[:1])
        torch.testing.assert_close(frozen(hot())[:1], alone, atol=1e-5, rtol=1e-5)
        assert all(torch.equal(value, before[name]) for name, value in statistics(frozen).items())
        live(hot())
        assert all(not torch.equal(value, before[name]) for name, value in statistics(live).items())
        assert any(isinstance(m, torch.nn.BatchNorm1d) for m in frozen.trunk.modules()) and before

    def test_a_frozen_trunk_learns_nothing_and_drops_nothing_out(self):
        model = small(Frozen()).train()
        before = statistics(model)
        assert model.pool.training and not any(module.training for module in model.trunk.modules())
        model(hot()).sum().backward()
        assert all(parameter.grad is None for parameter in model.trunk.parameters())
        assert all(parameter.grad is not None for parameter in model.pool.parameters())
        assert all(torch.equal(value, before[name]) for name, value in statistics(model).items())

    def test_pool(self):
        pool = AttentionPool(6, 3, seed=4, start=np.array([1.0, 2.0, 3.0]))
        embedding = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 5, 6))).float()
        mean = embedding.mean(dim=1) @ pool.output.weight.T + torch.tensor([1.0, 2.0, 3.0])
        torch.testing.assert_close(pool(embedding), mean)
        with torch.no_grad():
            pool.score.weight.copy_(torch.arange(6.0))
        expected = []
        for gene in embedding:
            scores = [math.exp(sum(w * x for w, x in zip(range(6), bin_.tolist(), strict=True))) for bin_ in gene]
            pooled = sum(score / sum(scores) * bin_ for score, bin_ in zip(scores, gene, strict=True))
            expected.append(pool.output.weight @ pooled + pool.output.bias)
        torch.testing.assert_close(pool(embedding), torch.stack(expected))
        torch.testing.assert_close(pool(embedding.flip(1)), pool(embedding))
        assert not torch.equal(AttentionPool(6, 3, seed=5).output.weight, pool.output.weight)
        with pytest.raises(InputError, match="embedding is 7 wide, but the head was made for 6"):
            pool(torch.zeros(1, 5, 7))

    def test_a_saved_network_predicts_the_same_and_is_a_plain_enformer(self, files, tmp_path):
        fitted, _ = fit(files.task(max_epochs=1), files.trunk(), tmp_path / "checkpoints")
        fitted.save(tmp_path / "model.pt")
        model, metadata = load(tmp_path / "model.pt")
        assert not model.training and type(model.trunk.network.transformer[0][0].fn[1]) is KeptPositions
        assert torch.equal(model(hot()), fitted.network(hot()))
        assert metadata["tissue"] == [f"tissue{index}" for index in range(TISSUES)]
        trunk = metadata["trunk"]
        assert trunk["geometry"] == {"sequence_length": 72, "bins": 9, "bin_size": 8}
        assert (trunk["type"], trunk["bins"], trunk["settings"]) == ("enformer", BINS, {})
        assert trunk["adaptation"] == {"type": "all"} and metadata["inputs"]["source"] == "window"
        state = read_tensors(tmp_path / "model.pt", finetuned.FORMAT)["state"]
        assert not list(model.trunk.network.heads) and not any("_trunk" in name for name in state)

    def test_a_model_whose_parts_do_not_fit(self, files, tmp_path):
        fitted, _ = fit(files.task(max_epochs=1), files.trunk(), tmp_path / "checkpoints")
        fitted.save(tmp_path / "model.pt")
        saved = read_tensors(tmp_path / "model.pt", finetuned.FORMAT)
        saved["state"]["pool.output.weight"] = torch.zeros(TISSUES, 12)
        write_tensors(tmp_path / "narrow.pt", finetuned.FORMAT, saved)
        with pytest.raises(InputError, match=r"narrow.pt: .* pool.output.weight \(5, 12\), expected \(5, 48\)"):
            load(tmp_path / "narrow.pt")
        (tmp_path / "cut.pt").write_bytes((tmp_path / "model.pt").read_bytes()[:5000])
        with pytest.raises(InputError, match="cut.pt: damaged"):
            load(tmp_path / "cut.pt")
        with pytest.raises(InputError, match="embedding is 48 wide, but the head was made for 12"):
            finetuned.FineTuned(Enformer(network(), GEOMETRY), AttentionPool(12, TISSUES), BINS, AllParameters())


class TestBadInput:
    def test_a_window_that_leaves_too_few_bins(self, files, tmp_path):
        with pytest.raises(InputError, match="10 central bins are asked for, but the window has 9"):
            fit(files.task(), files.trunk(bins=10), tmp_path)

    def test_a_weights_folder_without_config(self, files, tmp_path):
        with pytest.raises(InputError, match="config.json: missing"):
            fit(files.task(), files.trunk(weights=tmp_path), tmp_path / "checkpoints")

    def test_statistics_of_batches_that_are_computed_twice(self, files, tmp_path):
        with pytest.raises(InputError, match="activation_checkpointing .* batch_norm: train"):
            live = files.trunk(adaptation={"type": "all", "batch_norm": "train"})
            fit(files.task(activation_checkpointing=True), live, tmp_path)

    def test_damaged_sequences_show_before_work(self, tmp_path):
        files = Files(tmp_path)
        with h5py.File(files.shards[1]) as file:
            place = file["encoded"].id.get_offset() + 3 * 96
        with open(files.shards[1], "r+b") as handle:
            handle.seek(place + 40)
            handle.write(b"\x09\x09")
        with pytest.raises(InputError, match="001.h5: damaged at gene gene12"):
            fit(files.task(), files.trunk(), tmp_path / "checkpoints")
        assert not (tmp_path / "checkpoints").exists()


HALF = leftover("last.pt")


class Killed(BaseException):
    """What a test throws where a kill would strike."""


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in OUTPUTS}


class TestResume:
    """A small grid with dropout, patience that runs out, and both choices of the best epoch."""

    KEYS = {"grid": {"learning_rate": [3e-3, 1e-3]}, "max_epochs": 4, "patience": 2, "batch_size": 3}

    @pytest.fixture(scope="class")
    def undisturbed(self, with_dropout, tmp_path_factory):
        folder = tmp_path_factory.mktemp("undisturbed")
        run("finetune_backbone.py", with_dropout.job(folder, **self.KEYS))
        assert sorted(path.name for path in folder.iterdir()) == sorted([*OUTPUTS, "log.txt"])
        return bytes_of(folder)

    def test_again_gives_the_same_bytes_and_another_seed_does_not(self, with_dropout, undisturbed, tmp_path):
        torch.rand(7)
        run("finetune_backbone.py", with_dropout.job(tmp_path, **self.KEYS))
        assert bytes_of(tmp_path) == undisturbed
        run("finetune_backbone.py", with_dropout.job(tmp_path, **self.KEYS, seed=2))
        assert bytes_of(tmp_path)["predictions.h5"] != undisturbed["predictions.h5"]

    @pytest.mark.parametrize(
        "moment",
        [
            ("batch", 2),
            ("batch", 21),
            ("write", 1),
            ("write", 6),
            ("half", 4),
            ("outputs", 1),
            ("remove", 1),
        ],
    )
    def test_killed_at_any_moment(self, with_dropout, undisturbed, tmp_path, monkeypatch, moment):
        """In a batch; before or within the writing of a checkpoint; while the outputs are written; while cleaning up."""
        job, (where, number), count = with_dropout.job(tmp_path, **self.KEYS), moment, iter(range(1, 1000))

        def strike(original):
            def struck(*args, **kwargs):
                if next(count) == number:
                    if where == "half":
                        (tmp_path / "checkpoints" / HALF).write_bytes(b"half")
                    raise Killed
                return original(*args, **kwargs)

            return struck

        place = {
            "batch": (hybrid, "hybrid_loss"),
            "write": (resumable_training, "write_tensors"),
            "half": (resumable_training, "write_tensors"),
            "outputs": (run_files, "write_table"),
            "remove": (resumable_training, "rmtree"),
        }[where]
        with monkeypatch.context() as patched:
            patched.setattr(*place, strike(getattr(*place)))
            with pytest.raises(Killed):
                run("finetune_backbone.py", job)
        left = {path.name for path in (tmp_path / "checkpoints").glob("*")}
        assert left <= {"last.pt", "best.pt", HALF}
        # One rename took it away; a job that did not end brings it back.
        assert where != "remove" or not left
        run("finetune_backbone.py", with_dropout.job(tmp_path, **self.KEYS))
        assert bytes_of(tmp_path) == undisturbed
        assert not (tmp_path / "checkpoints").exists()
        log = (tmp_path / "log.txt").read_text()
        assert ("going on after epoch" in log) == ("last.pt" in left or where == "remove")

    def test_no_epoch_is_run_twice(self, with_dropout, tmp_path, monkeypatch):
        for epochs in (2, 4):
            trained = []
            original = resumable_training._train
            with monkeypatch.context() as patched:

                def count(network, optimiser, course, *rest):
                    if len(trained) == epochs:
                        raise Killed
                    trained.append(course.epochs + 1)
                    original(network, optimiser, course, *rest)

                patched.setattr(resumable_training, "_train", count)
                task = with_dropout.task(**{**self.KEYS, "patience": 9, "grid": {"learning_rate": [1e-3]}})
                if epochs == 2:
                    with pytest.raises(Killed):
                        fit(task, with_dropout.trunk(), tmp_path)
                else:
                    fit(task, with_dropout.trunk(), tmp_path)
            assert trained == ([1, 2] if epochs == 2 else [3, 4])

    @pytest.mark.parametrize(
        ("changes", "trunk", "message"),
        [
            ({"loss": loss(10, 1)}, {}, r"differs in loss\.alpha \(1 there, 10 here\)\. To go on"),
            (
                {"seed": 2, "weight_decay": 0.5},
                {},
                r"seed \(1 there, 2 here\), settings\.weight_decay \(0\.001 there, 0\.5",
            ),
            ({"grid": {"learning_rate": [1e-4]}}, {}, r"grid\.learning_rate \(\[0\.001\] there, \[0\.0001\] here\)"),
            ({}, {"weights_sha256": "others"}, r"weights \(weights there, others here\)"),
            (
                {},
                {"settings": {"positional_basis": "library"}},
                r"trunk\.positional_basis \(none there, library here\)",
            ),
            ({}, {"bins": 2}, r"bins \(4 there, 2 here\)"),
        ],
    )
    def test_another_run_is_refused(self, files, tmp_path, changes, trunk, message):
        fit(files.task(max_epochs=1), files.trunk(), tmp_path)
        kept = (tmp_path / "last.pt").read_bytes()
        with pytest.raises(InputError, match=f"last.pt: left by a run that .*{message}"):
            fit(files.task(max_epochs=1, **changes), files.trunk(**trunk), tmp_path)
        assert (tmp_path / "last.pt").read_bytes() == kept

    @pytest.mark.parametrize("change", ["observed", "encoded", "split"])
    def test_other_data_is_refused(self, tmp_path, change):
        files = Files(tmp_path)
        fit(files.task(max_epochs=1), files.trunk(), tmp_path / "checkpoints")
        if change == "observed":
            files.observed[12, 3] += 1e-3
            files.write_expression()
        elif change == "encoded":
            files.encoded[1, 50] = (files.encoded[1, 50] + 1) % 5
            files.write_sequences()
        else:
            table = (tmp_path / "split.tsv").read_text()
            (tmp_path / "split.tsv").write_text(table.replace("gene12\tval", "gene12\ttrain"))
        with pytest.raises(InputError, match=r"differs in data \([0-9a-f]{64} there"):
            fit(files.task(max_epochs=1), files.trunk(), tmp_path / "checkpoints")

    def test_half_a_file_is_cleared_away(self, tmp_path):
        for name in (HALF, leftover("best.pt"), "best.pt"):
            (tmp_path / name).write_bytes(b"half")
        resumable_training.Checkpoints(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["best.pt"]

    def test_a_damaged_checkpoint(self, files, tmp_path):
        fit(files.task(max_epochs=1), files.trunk(), tmp_path)
        (tmp_path / "last.pt").write_bytes((tmp_path / "last.pt").read_bytes()[:3000])
        message = (
            f"last.pt: damaged, or no chrom2expr checkpoint file; to begin this run anew, delete the folder {tmp_path}"
        )
        with pytest.raises(InputError, match=message):
            fit(files.task(max_epochs=1), files.trunk(), tmp_path)

    def test_a_damaged_best_network_is_said_before_any_epoch_is_run(self, files, tmp_path, monkeypatch):
        scores = iter([1.0, 2.0])
        with monkeypatch.context() as patched:
            validate = resumable_training._validate
            patched.setattr(
                resumable_training, "_validate", lambda *rest: {**validate(*rest), "validation_loss": next(scores)}
            )
            fit(files.task(max_epochs=2), files.trunk(), tmp_path)
        monkeypatch.setattr(resumable_training, "_train", lambda *_: pytest.fail("an epoch was run"))
        for spoil in (lambda path: path.write_bytes(path.read_bytes()[:3000]), lambda path: path.unlink()):
            spoil(tmp_path / "best.pt")
            with pytest.raises(InputError, match="best.pt: .*; to begin this run anew, delete the folder"):
                fit(files.task(max_epochs=2), files.trunk(), tmp_path)

    @pytest.mark.parametrize("content", [[1, 2], {"state": 3}])
    def test_a_file_of_something_else(self, files, tmp_path, content):
        torch.save(content, tmp_path / "last.pt")
        with pytest.raises(InputError, match="last.pt: no chrom2expr checkpoint file"):
            fit(files.task(max_epochs=1), files.trunk(), tmp_path)
        with pytest.raises(InputError, match="last.pt: no chrom2expr fine-tuned model file"):
            load(tmp_path / "last.pt")

    def test_what_a_kill_left_of_the_outputs_is_cleared_away(self, files, tmp_path):
        job = files.job(tmp_path, max_epochs=1)
        (tmp_path / leftover("model.pt")).write_bytes(b"half")
        run("finetune_backbone.py", job)
        assert not list(tmp_path.glob("*.partial")) and not list(tmp_path.glob(".*.partial"))

    @pytest.mark.slow
    def test_a_process_that_is_killed(self, with_dropout, undisturbed, tmp_path):
        """SIGKILL, as a scheduler or the kernel sends it, at moments spread over the run."""
        source = (
            "import sys; from pathlib import Path; from small_enformer import *; from test_finetuned import TestResume\n"
            "Files.__init__ = lambda self, folder: setattr(self, 'folder', folder)\n"
            "files = Files(Path(sys.argv[1])); files.shards = [files.folder / '000.h5', files.folder / '001.h5']\n"
            "torch.set_num_threads(1); run('finetune_backbone.py', files.job(Path(sys.argv[2]), **TestResume.KEYS))\n"
        )
        here = Path(__file__).resolve().parent
        environment = {"PYTHONPATH": f"{here}:{here.parent / 'workflow/scripts'}", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", source, str(with_dropout.folder), str(tmp_path / "run")]
        delays, kills = iter([0.0, 0.3]), 0
        while True:
            process = subprocess.Popen(command, env=environment)
            last = tmp_path / "run" / "checkpoints" / "last.pt"
            stamp = last.stat().st_mtime_ns if last.exists() else None
            while process.poll() is None and (not last.exists() or last.stat().st_mtime_ns == stamp):
                time.sleep(0.001)
            delay = next(delays, None)
            if delay is not None and process.poll() is None:
                time.sleep(delay)
                process.kill()
                kills += process.wait() != 0
                continue
            assert process.wait() == 0
            break
        assert kills
        assert bytes_of(tmp_path / "run") == undisturbed


def test_files_of_a_run(files, tmp_path):
    run("finetune_backbone.py", files.job(tmp_path, max_epochs=1))
    with open(tmp_path / "grid.tsv") as handle:
        [row] = csv.DictReader(handle, delimiter="\t")
    assert (row["learning_rate"], row["status"], row["epoch"], row["chosen"]) == ("0.001", "ok", "1", "yes")
    model, _ = load(tmp_path / "model.pt")
    with h5py.File(tmp_path / "predictions.h5") as file:
        assert list(file["gene_id"].asstr()) == files.gene_id[11:]
        expected = model(model.prepare(torch.from_numpy(files.encoded[11:, 12:-12])))
        np.testing.assert_allclose(file["predicted"][:], expected.detach(), atol=1e-5)


def test_settings_of_the_positional_features_are_kept(tmp_path):
    """The published width, so that the slice of the pretrained table exists, in a network that is small otherwise."""
    wide = {"dim": 192, "heads": 1, "depth": 1, "dim_divisible_by": 96, "attn_dim_key": 4}
    files = Files(tmp_path, **wide)
    trunk = files.trunk(settings={"positional_basis": "pretrained_slice"})
    fitted, _ = fit(files.task(max_epochs=1), trunk, tmp_path / "checkpoints")
    fitted.save(tmp_path / "model.pt")
    model, metadata = load(tmp_path / "model.pt")
    assert torch.equal(model(hot()), fitted.network(hot()))
    metadata["trunk"]["settings"] = {"positional_basis": "library"}
    saved = {"state": fitted.network.state_dict(), "metadata": metadata}
    write_tensors(tmp_path / "library.pt", finetuned.FORMAT, saved)
    assert (load(tmp_path / "library.pt")[0](hot()) - model(hot())).abs().max() > 1e-4


def test_identity_covers_the_task_and_the_trunk(files):
    """A key added to either must be told apart on resume, or be left out knowingly."""
    known = {"data", "loss", "settings", "grid", "batch_size", "max_epochs", "patience", "select_by", "seed"}
    # What the head is called tells nothing apart, and it is given no models.
    assert set(vars(files.task())) - {"device", "devices", "type", "models"} == known
    identity = finetuned._identity(files.task(), files.trunk())
    assert set(identity) == known | {"backbone", "geometry", "bins", "trunk", "adaptation", "weights"}
    assert set(asdict(files.trunk())) == {
        "type", "weights", "geometry", "bins", "settings", "adaptation", "weights_sha256"
    }  # fmt: skip
    assert isinstance(GEOMETRY, Geometry)
