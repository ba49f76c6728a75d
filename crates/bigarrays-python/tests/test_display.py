import json
from pathlib import Path

import bigarrays


def test_arrays_show_themselves() -> None:
    array = bigarrays.create(
        "memory://display<b>", domain="-10:90,0:80,0:60", dtype="uint16", resolution=(8, 8.5, 40)
    )
    assert repr(array) == (
        '<bigarrays.Array [x -10:90, y 0:80, z 0:60] of uint16, precomputed raw, mode "r+", "memory://display<b>">'
    )
    html = array._repr_html_()
    for part in ("memory://display&lt;b&gt;", "x -10:90", "8 × 8.5 × 40 nm", "937.5 KiB", "64 × 64 × 64"):
        assert part in html
    assert "<b>" not in html and repr(array.scales[0]).startswith('<bigarrays.Scale "8_8.5_40"')
    assert "view" in repr(array.view)


def test_names_of_files_change_no_terminal(tmp_path: Path) -> None:
    bigarrays.create(tmp_path / "a", shape=(4, 4, 4), dtype="uint8", format="zarr3")
    document = tmp_path / "a/zarr.json"
    metadata = json.loads(document.read_text())
    metadata["dimension_names"] = ["\x1b[2J\nx", "\x9b\u202e", "z"]
    document.write_text(json.dumps(metadata))
    array = bigarrays.open(tmp_path / "a")
    assert array.dimension_names[0] == "\x1b[2J\nx"
    for shown in (repr(array), array._repr_html_(), repr(array.view)):
        assert "\\u{1b}[2J\\nx" in shown and not set("\x1b\n\x9b\u202e") & set(shown)
