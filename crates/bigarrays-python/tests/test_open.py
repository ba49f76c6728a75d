import copy
import gzip
import multiprocessing
import os
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bigarrays


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    path = tmp_path / "layer"
    array = bigarrays.create(
        path, domain="-4:16,0:12,0:8", dtype="uint32", chunk_shape=(8, 8, 8), resolution=(4, 4, 40), labels=True
    )
    array[...] = np.arange(20 * 12 * 8, dtype=np.uint32).reshape(array.shape)
    bigarrays.add_scale(path, domain="-2:8,0:6,0:8", dtype="uint32", resolution=(8, 8, 40), key="half")
    return path


def test_scales_by_position_key_and_resolution(layer: Path) -> None:
    array = bigarrays.open(layer)
    assert [scale.key for scale in array.scales] == ["4_4_40", "half"]
    assert (array.scale, array.shape, array.origin) == (0, (20, 12, 8), (-4, 0, 0))
    for selector in (1, "half", (8, 8, 40)):
        half = bigarrays.open(layer, scale=selector)
        assert (half.scale, half.shape, half.resolution) == (1, (10, 6, 8), (8.0, 8.0, 40.0))
    with pytest.raises(bigarrays.NotFoundError, match="half"):
        bigarrays.open(layer, scale="quarter")
    with pytest.raises(bigarrays.InvalidArgumentError):
        bigarrays.open(layer, scale=-1)


def test_removing_a_scale_and_the_layer(layer: Path) -> None:
    bigarrays.remove(layer, "half")
    assert len(bigarrays.open(layer).scales) == 1
    bigarrays.remove(layer)
    with pytest.raises(bigarrays.NotFoundError):
        bigarrays.open(layer)
    assert not list(layer.glob("*/*-*"))


def test_paths_modes_and_options(layer: Path) -> None:
    assert bigarrays.open(str(layer)).mode == bigarrays.open(f"file://{layer}").mode == "r"
    with pytest.raises(bigarrays.InvalidArgumentError, match="r\\+"):
        bigarrays.open(layer, mode="w")  # type: ignore[arg-type]
    with pytest.raises(bigarrays.InvalidArgumentError, match="crop"):
        bigarrays.open(layer, outside="wrap")  # type: ignore[arg-type]
    with pytest.raises(bigarrays.InvalidArgumentError, match="precomputed"):
        bigarrays.open(layer, format="tiff9")
    with pytest.raises(TypeError, match="unexpected keyword argument 'scales'"):
        bigarrays.open(layer, scales=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="strict"):
        bigarrays.open(layer, strict="yes")  # type: ignore[arg-type]


def test_strict_and_missing(tmp_path: Path) -> None:
    bigarrays.create(tmp_path / "a", shape=(20, 8, 8), dtype="uint8", chunk_shape=(8, 8, 8))[:8] = 1
    strict = bigarrays.open(tmp_path / "a", strict=True)
    assert strict[:8].all()
    with pytest.raises(bigarrays.NotFoundError, match="missing"):
        strict[:9]
    with pytest.raises(bigarrays.OutOfBoundsError):
        strict[-1:8]
    assert [str(part) for part in strict.missing()] == ["8:16,0:8,0:8", "16:20,0:8,0:8"]
    assert list(strict.missing("0:8,0:8,0:8")) == []


def test_zeros_are_dropped_when_asked(tmp_path: Path) -> None:
    array = bigarrays.create(tmp_path / "a", shape=(20, 8, 8), dtype="uint8", chunk_shape=(8, 8, 8), drop_fill=True)
    array[...] = 0
    assert len(array.missing()) == 3


@pytest.mark.parametrize(("around", "suffix"), [("gzip", ".gz"), ("br", ".br"), ("zstd", ".zstd")])
def test_content_encodings(tmp_path: Path, around: Any, suffix: str) -> None:
    array = bigarrays.create(tmp_path / "a", shape=(8, 8, 8), dtype="uint32", content_encoding=around)
    array[...] = 70000
    assert [path.suffix for path in (tmp_path / "a" / "1_1_1").glob("0-8*")] == [suffix]
    assert (bigarrays.open(tmp_path / "a")[...] == 70000).all()
    pickle.loads(pickle.dumps(array))[...] = 5
    assert len(list((tmp_path / "a" / "1_1_1").glob("0-8*"))) == 1 and array[1, 2, 3] == 5
    unlike: list[tuple[str, Any, str]] = [
        ("b", {}, suffix),
        ("c", {"content_encoding": "none"}, ""),
        ("d", {"encoding": "compressed_segmentation"}, ""),
    ]
    for name, options, expected in unlike:
        other = bigarrays.create(tmp_path / name, like=array, **options)
        pickle.loads(pickle.dumps(other))[...] = 8
        assert [path.suffix for path in (tmp_path / name / "1_1_1").glob("0-8*")] == [expected]


@pytest.mark.parametrize("encoding", ["raw", "compressed_segmentation", "gzip", "zstd", "blosclz"])
def test_lossless_encodings(tmp_path: Path, encoding: str) -> None:
    array = bigarrays.create(
        tmp_path / "a", domain="-9:11,0:20,3:20", dtype="uint32", chunk_shape=(8, 8, 8), encoding=encoding
    )
    data = np.random.default_rng(0).integers(0, 9, array.shape, np.uint32)
    array[...] = data
    assert array.encoding == encoding and (array[...] == data).all()
    assert (array[-3:5:2, ::-1, 7] == data[6:14:2, ::-1, 4]).all()


def test_npy_files_open_in_their_own_order(tmp_path: Path) -> None:
    data = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    np.save(tmp_path / "a.npy", data)
    array = bigarrays.open(tmp_path / "a.npy")
    assert array.format == "npy" and array.scales == [] and array[...].flags.c_contiguous
    assert (array[:, 1, ::-2] == data[:, 1, ::-2]).all()
    assert pickle.loads(pickle.dumps(array.view[1]))[2, 3] == data[1, 2, 3]


@pytest.mark.parametrize(
    "arguments",
    [
        {"shape": (8, 8, 8), "domain": "0:8,0:8,0:8"},
        {},
        {"shape": (8, 8)},
        {"shape": (8, 8, 8), "dtype": "complex64"},
        {"domain": "0:8,0:8,0:8", "origin": (0, 0, 0)},
    ],
)
def test_descriptions_that_make_no_sense(tmp_path: Path, arguments: dict[str, object]) -> None:
    with pytest.raises(bigarrays.InvalidArgumentError):
        bigarrays.create(tmp_path / "a", **{"dtype": "uint8", **arguments})  # type: ignore[arg-type]
    assert not (tmp_path / "a" / "info").exists()


def test_pickles_reopen_with_their_options_and_view(layer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(layer.parent)
    array = bigarrays.open("layer", mode="r+", scale=0, outside="crop")
    view = array.view[-3:12:2, 5].transpose("z", "x").translate((100, 0))
    pickled = pickle.dumps(view)
    monkeypatch.chdir("/")
    again = pickle.loads(pickled)
    assert (again.domain, again.dimension_names, again.mode, again.resolution) == (view.domain, ("z", "x"), "r+", (40.0, 8.0))
    np.testing.assert_array_equal(again[...], bigarrays.open(layer)[-3:12:2, 5].T)
    whole = pickle.loads(pickle.dumps(bigarrays.open(layer, mode="r+", outside="crop")))
    whole[-9:-3] = 0
    assert not whole[-4].any()


def test_copies_of_the_object_are_the_same_view(layer: Path) -> None:
    view = bigarrays.open(layer).view[3]
    for again in (copy.copy(view), copy.deepcopy(view)):
        assert again.domain == view.domain and again is not view and again != view


def total(view: bigarrays.Array) -> int:
    return int(view[...].sum(dtype=np.uint64))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_views_go_to_other_processes(layer: Path, method: str) -> None:
    array = bigarrays.open(layer)
    expected = total(array)  # the threads of this process are running now
    planes = [array.view[..., z] for z in range(8)]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as processes:
        assert sum(processes.map(total, planes)) == expected


def write_column(arguments: tuple[bigarrays.Array, int]) -> None:
    array, x = arguments
    array[x] = x


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_processes_write_to_the_same_chunks(tmp_path: Path) -> None:
    array = bigarrays.create(tmp_path / "a", shape=(30, 8, 8), dtype="uint8", chunk_shape=(16, 8, 8))
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("fork")) as processes:
        list(processes.map(write_column, [(array, x) for x in range(30)]))
    assert (array[:, 3, 3] == np.arange(30)).all()


def test_memory_is_shared_within_the_process() -> None:
    bigarrays.create("memory://test_open", shape=(8, 8, 8), dtype="uint8")[...] = 3
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(int(bigarrays.open("memory://test_open")[1, 2, 3])))
    thread.start()
    thread.join()
    assert seen == [3]


def test_supported() -> None:
    tables = bigarrays.supported()
    assert "precomputed" in tables["formats"] and "file://" in tables["stores"]


def test_a_scale_like_another_array_is_as_its_layer_can_hold_it(tmp_path: Path) -> None:
    options: dict[str, Any] = {"shape": (4, 4, 4), "dtype": "uint8"}
    bigarrays.create(tmp_path / "em", content_encoding="gzip", **options)[...] = np.uint8(1)
    bigarrays.create(tmp_path / "z", format="zarr3", attributes={"bigarrays": {"origin": [5, 5, 5]}}, **options)
    for name in ("em", "z"):
        image = tmp_path / f"image-{name}"
        bigarrays.create(image, format="ome-zarr", shape=(8, 8, 8), dtype="uint8")
        scale = bigarrays.add_scale(image, like=bigarrays.open(tmp_path / name), resolution=(2, 2, 2))
        assert scale.shape == (4, 4, 4) and len(scale.scales) == 2


def test_which_of_two_files_of_a_chunk_counts(layer: Path) -> None:
    array = bigarrays.open(layer)
    expected = array[...]
    chunk = layer / "4_4_40/-4-4_0-8_0-8"
    other = gzip.compress(np.zeros(8 * 8 * 8, np.uint32).tobytes())
    (layer / "4_4_40/-4-4_0-8_0-8.gz").write_bytes(other)
    os.utime(chunk, (1, 1))
    with pytest.raises(bigarrays.CorruptDataError, match=r"-4-4_0-8_0-8.*and|-4-4_0-8_0-8.*\.gz"):
        array[-4:0]
    assert (bigarrays.open(layer, prefer="none")[...] == expected).all()
    newest = pickle.loads(pickle.dumps(bigarrays.open(layer, prefer="newest")))
    assert not newest[-4:4, 0:8].any() and (newest[4:] == expected[8:]).all()
    with pytest.raises(bigarrays.InvalidArgumentError, match="newest"):
        bigarrays.open(layer, prefer="oldest")  # type: ignore[arg-type]
    report = bigarrays.verify(layer)
    assert report.problem_count == 1 and report.arrays[0]["notes"]["count"] == 1


def test_an_encoding_of_whole_chunks_stands_alone(tmp_path: Path) -> None:
    data = np.arange(400, dtype="uint32").reshape(20, 20)
    array = bigarrays.create(tmp_path / "a", shape=data.shape, dtype=data.dtype, format="zarr3", encoding="pcodec")
    array[...] = data
    np.testing.assert_array_equal(bigarrays.open(tmp_path / "a")[...], data)
