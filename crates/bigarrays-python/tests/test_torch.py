"""Datasets of PyTorch, in real DataLoaders: scripts/test-torch installs it."""

import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bigarrays
from bigarrays import FlatArray, SliceArray

torch = pytest.importorskip("torch")

from torch.utils.data import BatchSampler, DataLoader, DistributedSampler, RandomSampler  # type: ignore[import-not-found] # noqa: E402

from bigarrays.torch import Dataset, IterableDataset, pad, tensors  # noqa: E402

COUNT = 100
METHODS = ["fork", "spawn", "forkserver"]
# Else each worker takes seconds to import PyTorch.
multiprocessing.set_forkserver_preload(["bigarrays.torch"])

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture
def rows(tmp_path: Path) -> FlatArray:
    a = FlatArray(tmp_path / "rows.npy", "x", shape=(None, 2), dtype="int32")
    a.append(np.repeat(np.arange(COUNT), 2).reshape(-1, 2))
    return FlatArray(a.path)


@pytest.fixture
def slices(tmp_path: Path) -> SliceArray:
    with SliceArray(tmp_path / "slices.npy", "x", shape=(None,), dtype="int32") as w:
        w.write({f"n{k}": [k] * (k % 3 + 1) for k in range(COUNT)})
    return SliceArray(tmp_path / "slices.npy")


def values(loader: Any) -> list[int]:
    """The samples that a loader of batches of rows or slices gives."""
    return [int(sample.reshape(-1)[0]) for batch in loader for sample in batch]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("persistent", [False, True])
def test_every_sample_once_in_workers(rows: FlatArray, slices: SliceArray, method: str, persistent: bool) -> None:
    samples = slices if persistent else rows
    dataset = IterableDataset(samples, 7, shuffle=True, run_length=30)
    here = []
    for epoch in range(3):
        dataset.set_epoch(epoch)
        here.append(values(DataLoader(dataset, batch_size=None)))
    assert here[0] != here[1] != here[2] and all(sorted(order) == list(range(COUNT)) for order in here)
    loader = DataLoader(
        dataset, batch_size=None, num_workers=2, multiprocessing_context=method, persistent_workers=persistent
    )
    assert len(loader) == 15
    for epoch in [0, 2]:
        dataset.set_epoch(epoch)
        assert values(loader) == here[epoch]
    plain = DataLoader(
        Dataset(samples),
        batch_size=7,
        shuffle=True,
        collate_fn=list,
        num_workers=2,
        multiprocessing_context=method,
        persistent_workers=persistent,
    )
    for _ in range(1 + persistent):
        assert sorted(values(plain)) == list(range(COUNT))


@pytest.mark.parametrize("method", METHODS)
def test_a_set_that_grows_is_trained_on_as_it_was(slices: SliceArray, method: str) -> None:
    writer = SliceArray(slices.path, "r+")
    options: dict[str, Any] = {"num_workers": 2, "multiprocessing_context": method}
    dataset = Dataset(slices)
    loaders = [
        DataLoader(dataset, 10, sampler=DistributedSampler(dataset, num_replicas=1, rank=0), collate_fn=list, **options),
        DataLoader(IterableDataset(slices, 10, shuffle=True), batch_size=None, **options),
    ]
    for number, loader in enumerate(loaders):
        found = []
        for batch in loader:
            found += [int(sample[0]) for sample in batch]
            writer.write({f"more{number}/{len(found)}": [1000]})
        assert sorted(found) == list(range(COUNT))
    assert len(Dataset(SliceArray(slices.path))) == COUNT + 20


@pytest.mark.parametrize("method", METHODS)
def test_a_set_that_shrinks_is_trained_on_as_it_was(slices: SliceArray, method: str) -> None:
    writer = SliceArray(slices.path, "r+")
    options: dict[str, Any] = {"num_workers": 2, "multiprocessing_context": method}
    loaders = [
        DataLoader(Dataset(slices), 10, shuffle=True, collate_fn=list, **options),
        DataLoader(IterableDataset(slices, 10, shuffle=True), batch_size=None, **options),
    ]
    for number, loader in enumerate(loaders):
        found = []
        for batch in loader:
            found += [int(sample[0]) for sample in batch]
            writer.delete(f"n{len(found) - 1 - number}")
        assert sorted(found) == list(range(COUNT))


class Killing:
    """A transform that kills its worker at one sample."""

    def __call__(self, sample: Any) -> Any:
        if int(sample[0]) == 40:
            os.kill(os.getpid(), signal.SIGKILL)
        return sample


def train_until_killed(path: Path, method: str) -> None:
    dataset = Dataset(SliceArray(path), transform=Killing())
    values(DataLoader(dataset, 10, num_workers=2, multiprocessing_context=method, collate_fn=list))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_killed_worker_leaves_the_set_as_it_was(slices: SliceArray, method: str) -> None:
    training = multiprocessing.get_context("spawn").Process(target=train_until_killed, args=(slices.path, method))
    training.start()
    training.join()
    assert training.exitcode == 1  # an error, which PyTorch's handler of signals may raise anywhere
    SliceArray(slices.path, "r+")["after"] = [COUNT]
    again = Dataset(SliceArray(slices.path))
    assert values(DataLoader(again, 10, num_workers=2, collate_fn=list)) == list(range(COUNT + 1))


def test_ranks_of_pytorchs_sampler(rows: FlatArray) -> None:
    dataset = Dataset(rows)
    found = []
    for rank in range(2):
        sampler = DistributedSampler(dataset, num_replicas=2, rank=rank, seed=3)
        found += values(DataLoader(dataset, 10, sampler=sampler, num_workers=2))
    assert sorted(found) == list(range(COUNT))


def train(rank: int, path: Path, rendezvous: Path, method: str, found: Any) -> None:
    torch.distributed.init_process_group("gloo", f"file://{rendezvous}", rank=rank, world_size=2)
    dataset = IterableDataset(SliceArray(path), 7, shuffle=True, drop_last=False)
    options: dict[str, Any] = {"num_workers": 2, "multiprocessing_context": method, "persistent_workers": True}
    loader = DataLoader(dataset, batch_size=None, **options)
    for epoch in range(2):
        dataset.set_epoch(epoch)
        found.put((epoch, len(loader), values(loader)))
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_two_real_ranks(slices: SliceArray, tmp_path: Path, method: str) -> None:
    context = multiprocessing.get_context("spawn")
    found = context.Queue()
    arguments = (slices.path, tmp_path / "rendezvous", method, found)
    ranks = [context.Process(target=train, args=(rank, *arguments)) for rank in range(2)]
    for rank in ranks:
        rank.start()
    taken = [found.get(timeout=300) for _ in range(4)]
    for rank in ranks:
        rank.join()
    for epoch in range(2):
        shares = [share for number, _, share in taken if number == epoch]
        assert sorted(x for share in shares for x in share) == list(range(COUNT)) and len(shares) == 2
    assert {length for _, length, _ in taken} == {8}


def test_ranks_of_torchrun(rows: FlatArray, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "3")
        found += values(IterableDataset(rows, 7, shuffle=True))
    assert sorted(found) == list(range(COUNT))


@pytest.mark.parametrize("workers", [0, 2])
def test_training_goes_on_where_it_stopped(slices: SliceArray, workers: int) -> None:
    options: dict[str, Any] = {"shuffle": True, "bucket_by_length": 4, "pad": 0, "seed": 9}

    def batches(**where: Any) -> list[list[int]]:
        dataset = IterableDataset(slices, 7, **where, **options)
        loader = DataLoader(dataset, batch_size=None, num_workers=workers)
        taken = [batch.rows[:, 0].tolist() for batch in loader]
        assert len(dataset) == len(taken)
        dataset.set_epoch(where.get("epoch", 0) + 1)
        assert len(dataset) == 15  # what was skipped is skipped in that epoch alone
        return taken

    everything = batches(epoch=4)
    for start in [0, 1, 2, 5, 15, 16]:
        assert batches(epoch=4, start=start) == everything[start:]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_stateful_loaders_go_on(slices: SliceArray, workers: int) -> None:
    loaders = pytest.importorskip("torchdata.stateful_dataloader")

    def loader() -> Any:
        dataset = IterableDataset(slices, 7, shuffle=True, pad=0)
        dataset.set_epoch(3)
        return loaders.StatefulDataLoader(dataset, batch_size=None, num_workers=workers)

    everything = [batch.rows[:, 0].tolist() for batch in loader()]
    for stop in [1, 2, 7]:
        first, taken = loader(), []
        for batch in first:
            taken.append(batch.rows[:, 0].tolist())
            if len(taken) == stop:
                state = first.state_dict()
                break
        again = loader()
        again.load_state_dict(state)
        assert taken + [batch.rows[:, 0].tolist() for batch in again] == everything


def test_a_state_of_other_batches_is_refused(slices: SliceArray) -> None:
    state = IterableDataset(slices, 7).state_dict()
    others: list[dict[str, Any]] = [{"size": 8}, {"shuffle": True}, {"rank": 1, "world": 2}]
    for other, word in zip(others, ["size", "shuffle", "rank 0 of 1"], strict=True):
        with pytest.raises(bigarrays.InvalidArgumentError, match=word):
            IterableDataset(slices, **({"size": 7} | other)).load_state_dict(state)
    with pytest.raises(bigarrays.InvalidArgumentError, match="of a worker"):
        bigarrays.batches(slices, 7).load_state_dict(state)
    taken = bigarrays.batches(slices, 7, shuffle=True, start=3, epoch=2)
    dataset = IterableDataset(slices, 7, shuffle=True)
    dataset.load_state_dict(taken.state_dict())
    assert values(DataLoader(dataset, batch_size=None, num_workers=2)) == values(taken)


def test_single_samples_and_batches(rows: FlatArray, slices: SliceArray) -> None:
    dataset = Dataset(rows)
    assert dataset[-1].tolist() == [99, 99] == dataset[torch.tensor(99)].tolist() and len(list(dataset)) == COUNT
    assert dataset[[3, 5]].tolist() == [[3, 3], [5, 5]] and dataset[3].dtype == torch.int32
    for position in [COUNT, -COUNT - 1]:
        with pytest.raises(IndexError, match="no sample"):
            dataset[position]
    with pytest.raises(TypeError):
        dataset[1.5]
    doubled = Dataset(slices, transform=lambda sample: sample * 2)
    assert doubled[4].tolist() == [8, 8] and [len(x) for x in doubled[[0, 1, 2]]] == [1, 2, 3]
    assert Dataset(slices)["n5"].tolist() == [5, 5, 5]
    sampler = BatchSampler(RandomSampler(dataset), 8, drop_last=False)
    found = list(DataLoader(dataset, batch_size=None, sampler=sampler, num_workers=2))
    assert found[0].shape == (8, 2) and sorted(torch.cat(found)[:, 0].tolist()) == list(range(COUNT))
    padded, lengths = next(iter(DataLoader(Dataset(slices), 3, collate_fn=pad)))
    assert padded.tolist() == [[0, 0, 0], [1, 1, 0], [2, 2, 2]] and lengths.tolist() == [1, 2, 3]


def test_pickles_of_datasets_say_where_the_samples_are(rows: FlatArray, slices: SliceArray) -> None:
    dataset = IterableDataset(slices, 7, shuffle=True, weights=np.ones(COUNT))
    assert values(pickle.loads(pickle.dumps(dataset))) == values(dataset) and len(values(dataset)) == COUNT
    pickled = [pickle.dumps(Dataset(samples)) for samples in (rows, slices)]
    assert all(len(one) < 1000 for one in pickled) and len(pickle.loads(pickled[0])) == COUNT
    # Slices are kept as they were for as long as somebody has them.
    gc.collect()
    with pytest.raises(bigarrays.NotFoundError, match="keep it alive"):
        pickle.loads(pickled[1])


def test_what_becomes_a_tensor() -> None:
    array = np.arange(6).reshape(2, 3)
    assert torch.equal(tensors(array), torch.tensor([[0, 1, 2], [3, 4, 5]]))
    assert tensors(array).data_ptr() == array.ctypes.data
    array.flags.writeable = False
    assert tensors(array).data_ptr() != array.ctypes.data and tensors(array[::-1])[0].tolist() == [3, 4, 5]
    assert tensors(np.ones(2, ">f8")).dtype == torch.float64 and tensors(np.float32(2)).item() == 2
    assert tensors(np.array(["a"])).dtype == "U1"
    for name in ["bfloat16", "float8_e4m3fn", "float8_e5m2"]:
        own = getattr(pytest.importorskip("ml_dtypes"), name)
        found = tensors(np.array([1.5, -2.0], own))
        assert found.dtype == getattr(torch, name) and found.float().tolist() == [1.5, -2]
    nested = tensors([{"a": np.ones(1)}, bigarrays.Padded(np.ones((1, 1)), np.ones(1, int))])
    assert isinstance(nested[0]["a"], torch.Tensor) and isinstance(nested[1].lengths, torch.Tensor)


def test_mistakes(rows: FlatArray, slices: SliceArray) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"rank": 1}, "together"),
        ({"rank": 2, "world": 2}, "rank=2"),
        ({"start": -1}, "start"),
        ({"size": 0}, "size"),
        ({"weights": [1.0]}, "weights"),
        ({"pad": 0}, "for slices"),
        ({"bucket_by_length": 2}, "for slices"),
    ]
    for options, word in cases:
        with pytest.raises(bigarrays.InvalidArgumentError, match=word):
            IterableDataset(rows, **({"size": 7} | options))
    with pytest.raises(bigarrays.InvalidArgumentError, match="epoch"):
        IterableDataset(slices, 7).set_epoch(-1)


def test_nothing_else_imports_pytorch() -> None:
    script = "import bigarrays, bigarrays.bigarray, sys; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.fixture
def several(tmp_path: Path) -> SliceArray:
    with SliceArray.create(tmp_path / "set", arrays={"x": (None, 2, "f4"), "y": (None, "i8")}) as w:
        w.write({f"n{k}": {"x": np.full((k % 5 + 1, 2), k), "y": [k]} for k in range(COUNT)}, meta=lambda name: {"name": name})
    return SliceArray(tmp_path / "set")


@pytest.mark.parametrize("method", METHODS)
def test_several_arrays_in_workers(several: SliceArray, method: str) -> None:
    part = several.select(meta=lambda name, meta: meta["name"] != "n0")
    options = {"num_workers": 2, "multiprocessing_context": method}
    batches = IterableDataset(part, 7, shuffle=True, bucket_by_length=2, pad={"x": 0.0, "y": -1})
    found = []
    for batch in DataLoader(batches, batch_size=None, **options):
        assert batch.x.rows.dtype == torch.float32 and batch["y"].rows.shape == (len(batch.y.lengths), 1)
        assert torch.equal(batch.x.rows[:, 0, 0].long(), batch.y.rows[:, 0])
        found += batch.y.rows[:, 0].tolist()
    assert sorted(found) == list(range(1, COUNT))

    dataset = Dataset(part)
    sample = dataset["n7"]
    assert sample.x.shape == (3, 2) and sample.y.tolist() == [7] and len(dataset) == COUNT - 1
    found = []
    for batch in DataLoader(dataset, batch_size=8, shuffle=True, collate_fn=pad, **options):
        assert batch.x.lengths.max() == batch.x.rows.shape[1]
        found += batch.y.rows[:, 0].tolist()
    assert sorted(found) == list(range(1, COUNT))
    # PyTorch collates what is of one length by itself.
    ones = Dataset(part.select(glob="n?[05]"))
    assert next(iter(DataLoader(ones, batch_size=4, **options))).x.shape == (4, 1, 2)


TYPES = ["bool", "uint8", "int64", "float16", ">i2", "float64", "complex64", "bfloat16"]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("row", [(), (3,), (2, 0)])
def test_batches_of_slices_are_their_samples(tmp_path: Path, dtype: str, row: tuple[int, ...]) -> None:
    kind = np.dtype(getattr(pytest.importorskip("ml_dtypes"), dtype) if dtype == "bfloat16" else dtype)
    with SliceArray(tmp_path / "x.npy", "x", shape=(None, *row), dtype=kind) as w:
        w.write({f"n{k}": (np.arange(k * int(np.prod(row))).reshape(k, *row) % 2).astype(kind) for k in range(6)})
    slices = SliceArray(tmp_path / "x.npy")
    dataset = Dataset(slices)
    order = [3, 0, 5, -3, 3]
    batch = dataset.__getitems__(order)
    assert isinstance(batch, list) and len(batch) == 5
    for position, sample in zip(order, batch, strict=True):
        expected = tensors(np.array(slices[position]))
        assert sample.dtype == expected.dtype and torch.equal(sample, expected)
        assert torch.equal(dataset[position], expected)
    rows, lengths = pad(batch, 1)
    expected_rows, expected_lengths = pad(list(batch), 1)
    assert rows.dtype == expected_rows.dtype and torch.equal(rows, expected_rows)
    assert torch.equal(lengths, expected_lengths) and lengths.dtype == expected_lengths.dtype
    assert torch.equal(pad(dataset.__getitems__([0, 0]))[0], pad([tensors(np.array(slices[0]))] * 2)[0])
    assert dataset.__getitems__([]) == []


def test_what_is_done_to_a_batch_is_padded(tmp_path: Path) -> None:
    with SliceArray(tmp_path / "x.npy", "x", shape=(None, 2), dtype="float32") as w:
        w.write({f"n{k}": np.full((k + 1, 2), k) for k in range(4)})
    dataset = Dataset(SliceArray(tmp_path / "x.npy"))

    def changed(change: Any) -> None:
        batch = dataset.__getitems__([1, 0, 3])
        change(batch)
        for one, other in zip(pad(batch), pad(list(batch)), strict=True):
            assert torch.equal(one, other)

    changed(lambda batch: batch.reverse())
    changed(lambda batch: batch.pop())
    changed(lambda batch: batch.append(torch.ones(2, 2)))
    changed(lambda batch: batch.__setitem__(0, torch.ones(5, 2)))
    changed(lambda batch: [sample.mul_(3) for sample in batch])
    changed(lambda batch: batch[2].numpy().fill(7))
    changed(lambda batch: [sample.resize_(1, 2) for sample in batch])
    # Each sample is its own to autograd, and to those whom it is sent to.
    batch = dataset.__getitems__([1, 0, 3])
    weight = torch.ones(1, requires_grad=True)
    batch[0].mul_(weight)
    batch[1].requires_grad_()
    pad(batch).rows.sum().backward()
    assert batch[1].grad.tolist() == [[1, 1]] and weight.grad.tolist() == [4]
    plain = dataset.__getitems__([1, 0])
    again = pickle.loads(pickle.dumps(plain))
    assert type(again) is list and all(map(torch.equal, again, plain))
    assert torch.utils.data.default_collate(dataset.__getitems__([2, 2])).shape == (2, 3, 2)


def test_rows_are_spread_where_there_is_room() -> None:
    from bigarrays._bigarrays import _spread

    out, rows = np.zeros((2, 2, 3), "i4"), np.arange(9, dtype="i4").reshape(3, 3)
    _spread(out, rows, [1, 2])
    assert out.tolist() == [[[0, 1, 2], [0, 0, 0]], [[3, 4, 5], [6, 7, 8]]]
    read_only = out.copy()
    read_only.flags.writeable = False
    refused: list[tuple[Any, Any, list[int]]] = [
        (out, rows, [3, 0]),
        (out, rows, [2, 2]),
        (out, rows, [1]),
        (out, rows[:, :2], [1, 2]),
        (out, rows.astype("i8"), [1, 2]),
        (out[:, :, ::2], rows[:, ::2], [1, 2]),
        (read_only, rows, [1, 2]),
        (out.astype(object), rows.astype(object), [1, 2]),
        (out, rows, [2**63, 2]),
        (np.zeros(2), np.zeros(()), [1, 1]),
    ]
    for arguments in refused:
        with pytest.raises(bigarrays.InvalidArgumentError, match="do not fit"):
            _spread(*arguments)
