"""The gateway knows nothing of Ray."""

from __future__ import annotations

import subprocess
import sys


def test_gateway_and_command_line_do_not_load_ray() -> None:
    code = (
        "import sys, facestats_gateway.app, facestats_cli.main; "
        "print([name for name in ('ray', 'pyarrow', 'fsspec') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"
