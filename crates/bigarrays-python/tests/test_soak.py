"""A few steps of the soak, which runs for as long as asked by itself: scripts/soak."""

import subprocess
import sys
from pathlib import Path

SOAK = Path(__file__).parents[3] / "scripts/soak.py"


def test_a_short_soak_finds_nothing(tmp_path: Path) -> None:
    command = [sys.executable, str(SOAK), "1", "1", "--operations", "10", "--processes", "2", "--kills", "1"]
    ended = subprocess.run(
        [*command, "--local", "--without", "scale", "--directory", str(tmp_path)], capture_output=True, text=True
    )
    assert ended.returncode == 0 and "nothing found" in ended.stdout, ended.stdout + ended.stderr


def test_a_few_opens_beside_two_writers_are_no_error(tmp_path: Path) -> None:
    """It counts opens, not seconds: scripts/soak_opens.py makes a million."""
    command = [sys.executable, str(SOAK.with_name("soak_opens.py")), "600", "--directory", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0 and " 0 errors" in ended.stdout, ended.stdout + ended.stderr
