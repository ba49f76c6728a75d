"""Arrays in a bucket of a real server on loopback; see crates/testbed."""

import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import bigarrays

from conftest import Served

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def testbed() -> Path:
    program = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / "debug/testbed"
    if not program.exists():  # the Rust tests have built it
        subprocess.run(["cargo", "build", "--quiet", "--locked", "-p", "testbed"], cwd=REPOSITORY, check=True)
    return program


@contextmanager
def started(*command: str | Path) -> Iterator[dict[str, Any]]:
    """What the program prints when it is ready; it ends when its input does."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield json.loads(process.stdout.readline())


@pytest.fixture(scope="module")
def server(testbed: Path) -> Iterator[dict[str, Any]]:
    with started(testbed, "serve", "moto") as server, pytest.MonkeyPatch.context() as patch:
        for key, value in server["env"].items():
            if "SECRET" in key:
                patch.setenv(key, value)  # as for everybody who unpickles
        yield server


def options(server: dict[str, Any]) -> dict[str, str]:
    """Without the secret, which the environment has."""
    return {key.lower(): value for key, value in server["env"].items() if "SECRET" not in key}


def total(array: bigarrays.Array) -> int:
    return int(array[...].sum())


def test_a_bucket_is_a_place_like_any_other(server: dict[str, Any]) -> None:
    url, given = server["url"] + "/place", options(server)
    array = bigarrays.create(url, shape=(9, 9, 9), dtype="uint16", chunk_shape=(4, 4, 4), storage_options=given)
    array[2:8, 1:7, 3] = 5
    coarse = bigarrays.add_scale(
        url, shape=(5, 5, 9), dtype="uint16", resolution=(2, 2, 1), storage_options=given
    )
    assert coarse.scale == 1
    opened = bigarrays.open(url, storage_options=given)
    assert total(opened) == 5 * 36
    with pytest.raises(bigarrays.NotFoundError):
        bigarrays.open(url + "/nothing", storage_options=given)
    bigarrays.remove(url, storage_options=given)
    with pytest.raises(bigarrays.NotFoundError):
        bigarrays.open(url, storage_options=given)


def test_secrets_are_neither_shown_nor_pickled(server: dict[str, Any]) -> None:
    given = options(server) | {"aws_secret_access_key": "hush", "token": "hush", "retries": 3}
    given |= {"anonymous": False, "cache_control": None}
    array = bigarrays.create(server["url"] + "/secret", shape=(9, 9, 9), dtype="uint8", storage_options=given)
    assert "hush" not in repr(array) + str(array) + array._repr_html_()
    pickled = pickle.dumps(array.view[2:])
    assert b"hush" not in pickled and b"retries" in pickled
    with pytest.raises(TypeError) as raised:
        bigarrays.open("x", storage_options=["hush"])  # type: ignore[arg-type]
    assert "hush" not in str(raised.value)


def test_another_process_takes_secrets_from_its_environment(server: dict[str, Any], tmp_path: Path) -> None:
    cache = bigarrays.Cache(tmp_path / "kept", memory_bytes=1 << 20, disk_bytes=1 << 24)
    url, given = server["url"] + "/shared", options(server)
    array = bigarrays.create(
        url, shape=(16, 16, 16), dtype="uint8", chunk_shape=(4, 4, 4), storage_options=given, cache=cache
    )
    array[...] = 1
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        assert list(pool.map(total, [array.view[k:] for k in range(4)])) == [256 * (16 - k) for k in range(4)]
    # What one process cannot keep at once, as another is keeping something, it does not keep.
    assert 0 < cache.info()["values"] <= 64
    assert total(array) == 4096
    assert cache.info()["values"] == 64
    array[0, 0, 0] = 7
    assert total(array) == 4096 + 6
    again = bigarrays.open(url, storage_options=given, cache=cache, validate="never")
    assert total(again) == 4096 + 6
    assert cache.clear()["values"] == 64
    assert cache.info() == {"values": 0, "bytes": 0}


def test_what_a_cache_may_be(tmp_path: Path) -> None:
    for number, cache in enumerate([True, False, None, tmp_path, str(tmp_path), {"memory_bytes": 9}, bigarrays.Cache()]):
        url = f"memory://cached/{number}"
        array = bigarrays.create(url, shape=(9, 9, 9), dtype="uint8", cache=cache)
        assert pickle.loads(pickle.dumps(array)).shape == (9, 9, 9)
    for wrong in (3.5, {"size": 3}):
        with pytest.raises(TypeError):
            bigarrays.open(url, cache=wrong)  # type: ignore[arg-type]
    with pytest.raises(bigarrays.InvalidArgumentError, match="always"):
        bigarrays.open(url, cache=True, validate="sometimes")  # type: ignore[arg-type]
    with pytest.raises(bigarrays.InvalidArgumentError, match="cache"):
        bigarrays.open(url, validate="open")
    assert pickle.loads(pickle.dumps(bigarrays.Cache(tmp_path, disk_bytes=1 << 20))) == bigarrays.Cache(
        tmp_path, disk_bytes=1 << 20
    )


@pytest.mark.parametrize("shard_shape", [None, (16, 16, 16)])
def test_copies_into_buckets_go_on_and_are_verified(
    server: dict[str, Any], served: Served, tmp_path: Path, shard_shape: tuple[int, ...] | None
) -> None:
    given = options(server)
    array = bigarrays.create(tmp_path / "source", shape=(64, 64, 32), dtype="uint16", chunk_shape=(16, 16, 16))
    array[...] = np.arange(64 * 64 * 32).reshape(64, 64, 32) % 60000
    served.held = "/48-64_48-64_16-32"  # without which no copy comes to its end
    source = bigarrays.open(f"{served.url}/source")
    url = f"{server['url']}/copied-{shard_shape}"
    target = bigarrays.create(
        url, like=array, format="zarr3", chunk_shape=(8, 8, 8), encoding="zstd", shard_shape=shard_shape, storage_options=given
    )

    class Enough(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done > total // 4:
            raise Enough

    journal = tmp_path / "journal"
    with pytest.raises(Enough):
        bigarrays.copy(source, target, memory=1 << 16, resume=journal, progress=stop)
    assert journal.exists()
    served.released.set()
    bigarrays.copy(source, target, memory=1 << 16, resume=journal)
    assert not journal.exists()
    np.testing.assert_array_equal(target[...], source[...])
    report = bigarrays.verify(url, against=tmp_path / "source", storage_options=given)
    assert report.whole, str(report)
    bucket, key = f"{url}/c/0/0/0".removeprefix("s3://").split("/", 1)
    client = pytest.importorskip("boto3").client(
        "s3",
        endpoint_url=server["endpoint"],
        region_name="us-east-1",
        aws_access_key_id=server["env"]["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=server["env"]["AWS_SECRET_ACCESS_KEY"],
    )
    client.put_object(Bucket=bucket, Key=key, Body=b"torn")
    report = bigarrays.verify(url, storage_options=given)
    assert not report.whole and "c/0/0/0" in str(report)


def test_what_is_made_in_a_bucket_is_known_again(server: dict[str, Any], tmp_path: Path) -> None:
    given: dict[str, Any] = {"storage_options": options(server)}
    values = np.arange(1024, dtype="uint32").reshape(32, 32) % 251
    for name, place in (("far", f"{server['url']}/source-of-made"), ("near", tmp_path / "source")):
        own = given if name == "far" else {}
        source = bigarrays.create(place, shape=(32, 32), dtype="uint32", format="zarr3", **own)
        source[...] = values
        for target, options_of_target in ((f"{server['url']}/made-of-{name}", given), (f"{tmp_path}/made-of-{name}", {})):
            resumed: dict[str, Any] = {"resume": tmp_path / f"journal-{name}"} | options_of_target
            for _ in range(2):
                found = bigarrays.components(source, f"{target}-components", **resumed)
                assert found.array[...].max() == found.count > 0
            for number in range(2):
                try:
                    saved = (source.lazy + 1).save(target, format="zarr3", **resumed)
                    np.testing.assert_array_equal(saved[...], values + 1)
                except bigarrays.AlreadyExistsError:
                    # Whether elements behind a network have changed since is not looked up.
                    assert (name, number) == ("far", 1)


@pytest.mark.parametrize("action", ["read", "write"])
def test_ctrl_c_ends_what_waits_for_the_network(server: dict[str, Any], testbed: Path, action: str) -> None:
    upstream = server["endpoint"].removeprefix("http://")
    url, given = f"{server['url']}/stalled-{action}", options(server)
    bigarrays.create(url, shape=(64, 64, 64), dtype="uint8", chunk_shape=(16, 16, 16), storage_options=given)[...] = 1
    # Server and client are silent, or patient, for ten times as long as anybody here.
    with started(testbed, "proxy", "--upstream", upstream, "--stall", "600s") as proxy:
        through = {key: value.replace(server["endpoint"], proxy["endpoint"]) for key, value in given.items()}
        array = bigarrays.open(url, mode="r+", storage_options=through | {"timeout": "600"})
        assert array[0, 0, 0] == 1

        def own(method: str, page: str, body: str | None = None) -> Any:
            with closing(HTTPConnection(proxy["endpoint"].removeprefix("http://"))) as connection:
                connection.request(method, f"/.testbed/{page}", body)
                return json.loads(connection.getresponse().read())

        own("POST", "faults", "stall=1")
        began = time.monotonic()

        def interrupt() -> None:
            while "stall" not in own("GET", "counts")["faults"] and time.monotonic() < began + 60:
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            if action == "read":
                array[...]
            else:
                array[...] = 2
        assert time.monotonic() < began + 60
        thread.join()


def test_xarray_opens_groups_and_volumes(server: dict[str, Any]) -> None:
    root, given = server["url"] + "/weather.zarr", options(server)
    bigarrays.create_group(root, storage_options=given, attributes={"title": "weather"})
    create: dict[str, Any] = {"format": "zarr3", "dtype": "int16", "storage_options": given}
    bigarrays.create(f"{root}/x", shape=(40,), dimension_names=["x"], **create)[...] = np.arange(40) * 5
    bigarrays.create(f"{root}/t", shape=(40, 30), chunk_shape=(10, 10), dimension_names=["x", "y"], **create)[...] = 7
    bigarrays.update_attributes(f"{root}/t", {"units": "K", "scale_factor": 0.5}, storage_options=given)
    assert bigarrays.ls(root, storage_options=given) == {"t": "array", "x": "array"}
    opened: dict[str, Any] = {"engine": "bigarrays", "storage_options": given, "chunk_cache": True, "validate": "open"}
    ds = xr.open_dataset(root, chunks={}, **opened)
    assert ds["t"].attrs == {"units": "K"} and ds.attrs == {"title": "weather"} and set(ds.coords) == {"x"}
    assert ds["t"].chunks == ((10,) * 4, (10,) * 3)
    assert float(pickle.loads(pickle.dumps(ds))["t"].sel(x=slice(50, 99)).sum()) == 10 * 30 * 3.5
    assert xr.open_dataset(f"{root}/t", **opened)["data"].shape == (40, 30)
