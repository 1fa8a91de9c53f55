"""A Python that loads the shim into every process of the product: an environment of its own, and a root for hooks.

Sidecars, commands and supervisors are started by this interpreter, whatever starts them: its ``site`` loads the shim.
The hooks' lane starts without ``site``; its package root holds a ``peermesh`` that loads the shim and then is the
real one.
"""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import peermesh

ROOT = Path(peermesh.__file__).parent.parent
SHIM = Path(__file__).parent / "shim"

_PACKAGE = """\
import sys
sys.path.insert(0, {shim!r})
import chaos_inside
sys.path.pop(0)
__path__ = [{real!r}]
__version__ = {version!r}
"""


def make(folder: Path) -> tuple[Path, Path]:
    """An interpreter and a package root for hooks under *folder*, which is made; their paths."""
    python = folder / "python" / "bin" / Path(sys.executable).name
    python.parent.mkdir(parents=True)
    base = Path(getattr(sys, "_base_executable", sys.executable))
    python.symlink_to(base)
    (folder / "python" / "pyvenv.cfg").write_text(
        f"home = {base.parent}\ninclude-system-site-packages = false\n"
    )
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    site = folder / "python" / "lib" / version / "site-packages"
    site.mkdir(parents=True)
    (site / "chaos.pth").write_text(f"{SHIM}\n{sysconfig.get_path('purelib')}\nimport chaos_inside\n")
    root = folder / "root"
    (root / "peermesh" / "hooks").mkdir(parents=True)
    (root / "peermesh" / "hooks" / "lane.py").touch()  # the hooks' first step looks whether it is there
    package = _PACKAGE.format(
        shim=str(SHIM), real=str(ROOT / "peermesh"), version=getattr(peermesh, "__version__", "")
    )
    (root / "peermesh" / "__init__.py").write_text(package)
    return python, root
