"""``--help`` of every script: quick, since no large library is imported."""

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
SCRIPTS = sorted(
    str(path.relative_to(PROJECT))
    for path in [PROJECT / "train.py", *PROJECT.glob("scripts/**/*.py")]
    if '__name__ == "__main__"' in path.read_text()
)
SLOW = ("torch", "pandas", "scipy", "matplotlib", "skimage", "sklearn", "cv2", "timm", "pytorch_lightning")

ASK = """
import runpy, sys
sys.argv = [sys.argv[1], "--help"]
sys.path[:0] = ["scripts", "scripts/benchmarks"]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    code = end.code or 0
print("code", code, "loaded", *(name for name in {slow} if name in sys.modules))
"""


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_imports_no_large_library(script):
    ask = [sys.executable, "-c", ASK.format(slow=SLOW), script]
    done = subprocess.run(ask, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1].strip() == "code 0 loaded", done.stdout[-500:] + done.stderr[-500:]
