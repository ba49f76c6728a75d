"""Installs the Python package into the environment that runs this, as an editable one: the extension is the one that
cargo has built in target/PROFILE, so that nothing is compiled a second time. `maturin build` makes wheels.

    .venv/bin/python scripts/install_package.py release
"""

import os
import shutil
import sys
import sysconfig
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "crates/bigarrays-python"


def main(profile: str) -> None:
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = target / profile / "lib_bigarrays.so"
    extension = PACKAGE / "python/bigarrays/_bigarrays.abi3.so"
    # A process that has the old one mapped keeps it.
    shutil.copyfile(built, extension.with_suffix(".new"))
    extension.with_suffix(".new").replace(extension)

    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    site = Path(sysconfig.get_path("purelib"))
    for old in site.glob("bigarrays-*.dist-info"):
        shutil.rmtree(old)
    info = site / f"bigarrays-{version}.dist-info"
    info.mkdir()
    requires = "".join(f"Requires-Dist: {requirement}\n" for requirement in project["dependencies"])
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: bigarrays\nVersion: {version}\n{requires}")
    (info / "INSTALLER").write_text("scripts/install_package.py\n")
    groups = project["entry-points"].items()
    sections = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in names.items()) for group, names in groups]
    (info / "entry_points.txt").write_text("\n".join(sections))
    (site / "bigarrays.pth").write_text(f"{PACKAGE / 'python'}\n")
    files = [*sorted(info.iterdir()), site / "bigarrays.pth"]
    record = "".join(f"{file.relative_to(site)},,\n" for file in files)
    (info / "RECORD").write_text(f"{record}{info.name}/RECORD,,\n")


if __name__ == "__main__":
    main(sys.argv[1])
