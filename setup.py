"""What ``pyproject.toml`` cannot say: folders are the roots of parts, and two folders of data ship under other names.

A wheel must put nothing but ``facestats...`` names into everybody's site-packages, and ``model_repository/`` and
``examples/`` keep the names that Triton's users and readers expect.
"""

from pathlib import Path

from setuptools import find_packages, setup

PARTS = ("core", "gateway", "export", "local_triton", "cli", "evaluation", "bulk", "training")
DATA = {"facestats_model_repository": "model_repository", "facestats_examples": "examples"}

# An image builds its wheel of the folders that it copies.
data = {name: folder for name, folder in DATA.items() if Path(folder).is_dir()}
packages = {
    name: f"{part}/{name.replace('.', '/')}" for part in PARTS for name in find_packages(part, include=["facestats*"])
}
setup(packages=[*packages, *data], package_dir=packages | data)
