"""The distribution, its lock and its import names."""

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from pipelines.packages import PACKAGES, assert_own_packages

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = ("base", "dev")
PLATFORMS = [(machine, python) for machine in ("x86_64", "aarch64") for python in ("3.11.7", "3.12.4")]


def read_lock(name):
    """Returns the lock as (requirement, hashes) pairs, one per pin."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.lstrip().startswith("#")]
    pins = []
    for line in lines:
        requirement, *hashes = re.split(r"\s+--hash=", line.split(" #")[0].strip())
        pins.append((Requirement(requirement), hashes))
    return pins


def pinned_versions(name, machine="x86_64", python="3.11.7"):
    """Returns distribution → exact version of a lock on one Linux machine."""
    where = default_environment() | {
        "platform_machine": machine,
        "python_full_version": python,
        "python_version": python.rsplit(".", 1)[0],
        "sys_platform": "linux",
        "platform_system": "Linux",
    }
    chosen = [pin for pin, _ in read_lock(name) if pin.marker is None or pin.marker.evaluate(where)]
    versions = {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in chosen}
    assert len(versions) == len(chosen), f"{name}.txt pins something twice"
    return versions


def direct_requirements(lock):
    texts = list(PROJECT["project"]["dependencies"]) + PROJECT["build-system"]["requires"] * (lock == "dev")
    return [Requirement(text) for text in texts + PROJECT["project"]["optional-dependencies"]["dev"] * (lock == "dev")]


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize(("machine", "python"), PLATFORMS)
def test_lock_pins_every_direct_requirement_within_its_bounds(lock, machine, python):
    versions = pinned_versions(lock, machine, python)
    stale = [
        str(requirement)
        for requirement in direct_requirements(lock)
        if not requirement.specifier.contains(versions.get(canonicalize_name(requirement.name), "0"), prereleases=True)
    ]
    assert not stale, f"requirements/{lock}.txt is out of step with pyproject.toml (make lock): {stale}"


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_pins_exactly_with_hashes_and_names_no_address(lock):
    for pin, hashes in read_lock(lock):
        assert re.fullmatch(r"==[^*,]+", str(pin.specifier)), f"{pin} is not pinned"
        assert pin.url is None and hashes, f"{pin} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes), f"{pin} has a malformed hash"
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    assert "://" not in text
    assert not re.search(r"^\s*--(?!hash=)|^-", text, re.MULTILINE), "an option that depends on the machine"


def test_base_lock_is_part_of_dev_lock():
    assert pinned_versions("base").items() <= pinned_versions("dev").items()


def test_models_are_pinned_exactly_as_in_dev_and_bring_no_torchvision():
    models, dev = pinned_versions("models"), pinned_versions("dev")
    assert all(re.fullmatch(r"==[^*,]+", str(pin.specifier)) for pin, _ in read_lock("models"))
    assert {name: dev[name] for name in models.keys() & dev.keys()} == {
        name: models[name] for name in models.keys() & dev.keys()
    }
    assert "torch" in models and "torchvision" not in models
    assert "://" not in (ROOT / "requirements" / "models.txt").read_text()


def test_base_needs_no_deep_learning():
    assert not {"torch", "transformers", "label-studio-sdk"} & pinned_versions("base").keys()


def test_running_python_is_supported():
    assert SpecifierSet(PROJECT["project"]["requires-python"]).contains(".".join(map(str, sys.version_info[:3])))


def test_nothing_installed_claims_the_name_tests():
    assert "tests" not in packages_distributions(), "`from tests.makers import ...` would find a stranger"


def test_own_packages_pass_the_guard():
    assert_own_packages()


def test_guard_names_another_distribution_that_installs_our_package(tmp_path, monkeypatch):
    info = tmp_path / "intruder-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: intruder\nVersion: 1.0\n")
    (info / "top_level.txt").write_text("schemas\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeError, match="intruder also installs schemas"):
        assert_own_packages()


@pytest.mark.parametrize("package", PACKAGES)
def test_guard_names_a_package_that_comes_from_elsewhere(package, tmp_path, monkeypatch):
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, package, raising=False)
    with pytest.raises(RuntimeError, match=f"{package} is imported from {re.escape(str(tmp_path))}"):
        assert_own_packages()


def test_guard_names_a_folder_without_init_as_no_package(tmp_path, monkeypatch):
    (tmp_path / "stages").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "stages", raising=False)
    with pytest.raises(RuntimeError, match="stages is not a package below"):
        assert_own_packages()


def lint_imports(folder):
    """Returns import-linter's outcome on the four packages in `folder`."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("stages/offender.py", "import prefect", "Stages and records know neither"),
        ("schemas/offender.py", "import label_studio_sdk", "Stages and records know neither"),
        ("stages/offender.py", "import annotation", "Layers"),
        ("schemas/offender.py", "import stages", "Layers"),
        ("pipelines/offender.py", "import torch", "Models are loaded by back-ends only"),
        ("annotation/offender.py", "from tests.makers import make_scene", "Nothing imports tests"),
    ],
)
def test_import_contract_breaks(module, line, contract, tmp_path):
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    assert lint_imports(tmp_path).returncode == 0
    (tmp_path / module).write_text(line + "\n")
    outcome = lint_imports(tmp_path)
    assert outcome.returncode == 1
    assert re.search(rf"{contract}.*BROKEN", outcome.stdout), outcome.stdout
