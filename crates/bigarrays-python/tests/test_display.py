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
