"""Versions in the model repository: whole or not at all, and back again."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tritonclient.grpc import model_config_pb2

from facestats.models.configuration import read_config
from facestats.models.repository import (
    ENCODER,
    ENSEMBLES,
    REGRESSOR,
    config_path,
    live_version,
    tracked_models,
    versions,
)
from facestats_export.configs import model_configs
from facestats_export.errors import ExportError
from facestats_export.preparation import prepare_repository
from facestats_export.publish import exclusive, publish, rollback

REPORTS = {"parity.json": "{}", "parity.md": "# Report"}


@pytest.fixture
def repository(root: Path, tmp_path: Path) -> Path:
    prepare_repository(tmp_path / "repository", root / "model_repository")
    return tmp_path / "repository"


def graph(name: str, content: int) -> bytes:
    return f"{name} of export {content}".encode()


def export(repository: Path, content: int, extra: tuple[str, ...] = ()) -> int:
    graphs = {name: graph(name, content) for name in (ENCODER, REGRESSOR, *extra)}
    configs = model_configs(repository, "cpu", "fp32", {"content": str(content)}, ())
    for name in extra:
        configs[name] = model_config_pb2.ModelConfig(name=name, backend="onnxruntime")
    return publish(repository, graphs, configs, REPORTS)


def served(repository: Path) -> dict[str, tuple[str, set[int]]]:
    """Of each ensemble: which export's configuration it has, and the versions its steps run."""
    found = {}
    for name in ENSEMBLES:
        config = read_config(config_path(repository / name))
        pinned = {
            step.model_version for step in config.ensemble_scheduling.step if step.model_name in (ENCODER, REGRESSOR)
        }
        found[name] = (config.parameters["content"].string_value, pinned)
    return found


def assert_whole(repository: Path) -> int:
    """What Triton would serve is one export's; returns which."""
    contents = []
    for content, pinned in served(repository).values():
        (version,) = pinned
        for name in (ENCODER, REGRESSOR):
            assert (repository / name / str(version) / "model.onnx").read_bytes() == graph(name, int(content))
            assert version in read_config(config_path(repository / name)).version_policy.specific.versions
        contents.append(int(content))
    live = live_version(repository)
    assert live is not None
    assert served(repository)[ENSEMBLES[0]][1] == {live}
    return contents[0]


def test_versions_follow_each_other_and_two_are_kept(repository: Path) -> None:
    assert live_version(repository) is None
    assert [export(repository, content) for content in (7, 8, 9)] == [1, 2, 3]
    assert assert_whole(repository) == 9
    assert versions(repository / ENCODER) == versions(repository / REGRESSOR) == [2, 3]
    assert (repository / ENCODER / "3" / "parity.md").read_text() == "# Report"
    assert not config_path(repository / ENCODER, 1).exists()


def test_every_model_gets_its_exported_configuration(repository: Path) -> None:
    export(repository, 7)
    for name in tracked_models(repository):
        assert read_config(config_path(repository / name)).name == name


def test_rollback_returns_to_the_version_before_once(repository: Path) -> None:
    export(repository, 7)
    with pytest.raises(ExportError, match="no version before 1"):
        rollback(repository)
    export(repository, 8)
    assert rollback(repository) == 1
    assert assert_whole(repository) == 7
    with pytest.raises(ExportError, match="no version before 1"):
        rollback(repository)
    assert assert_whole(repository) == 7


def test_an_export_after_a_rollback_is_a_new_version(repository: Path) -> None:
    export(repository, 7)
    export(repository, 8)
    rollback(repository)
    assert export(repository, 9) == 3
    assert assert_whole(repository) == 9
    assert rollback(repository) == 1
    assert assert_whole(repository) == 7


def test_nothing_exported_cannot_be_rolled_back(repository: Path) -> None:
    with pytest.raises(ExportError, match="no version before the first export"):
        rollback(repository)


def test_attribute_heads_go_with_their_versions(repository: Path) -> None:
    export(repository, 7, ("attribute_smile",))
    export(repository, 8)
    assert (repository / "attribute_smile" / "1" / "model.onnx").is_file()
    export(repository, 9)
    assert not (repository / "attribute_smile").exists()


def test_unchanged_configurations_are_not_touched(repository: Path) -> None:
    export(repository, 7)
    path = config_path(repository / "image_decoder")
    before = path.stat().st_mtime_ns
    export(repository, 8)
    assert path.stat().st_mtime_ns == before, "a polling Triton would load the decoder anew"


def test_one_export_at_a_time(repository: Path) -> None:
    with (repository / ".export.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ExportError, match="another export"):
            export(repository, 7)
    with exclusive(repository):
        pass


FILE_OPERATIONS = ("fsync", "rename", "replace", "unlink", "rmdir")


def killed_at(operation: int, action: Callable[[], object]) -> bool:
    """Does ``action`` in a process that dies, like one that is killed, before its n-th change on disk.

    Returns:
        Whether it died; ``False`` when it came to its end.
    """
    child = os.fork()
    if child == 0:
        done = 0

        def dying(original: Callable[..., object]) -> Callable[..., object]:
            def operate(*arguments: object, **options: object) -> object:
                nonlocal done
                done += 1
                if done == operation:
                    os._exit(9)
                return original(*arguments, **options)

            return operate

        for name in FILE_OPERATIONS:
            setattr(os, name, dying(getattr(os, name)))
        try:
            action()
        except BaseException:
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9), "the action itself failed"
    return code == 9


@pytest.mark.parametrize("change", ["export", "rollback"])
def test_killed_anywhere_it_serves_one_whole_export_and_the_next_works(
    change: str, repository: Path, tmp_path: Path
) -> None:
    export(repository, 6)
    export(repository, 7)
    outcomes = []
    for operation in range(1, 200, 3 if change == "export" else 1):
        copy = tmp_path / "copy"
        shutil.copytree(repository, copy)
        died = killed_at(operation, lambda copy=copy: export(copy, 8) if change == "export" else rollback(copy))  # type: ignore[misc]
        outcomes.append(assert_whole(copy))
        export(copy, 9)
        assert assert_whole(copy) == 9
        assert {content for content, _ in served(copy).values()} == {"9"}
        assert not list(copy.glob("*/.staged-*"))
        shutil.rmtree(copy)
        if not died:
            break
    else:
        pytest.fail("it never came to its end")
    assert len(outcomes) > (10 if change == "export" else 4)
    assert outcomes == sorted(outcomes, reverse=change == "rollback"), "once live it stays live"
    assert {outcomes[0], outcomes[-1]} == ({7, 8} if change == "export" else {6, 7})


def test_killed_in_the_first_export_it_counts_as_none(repository: Path, tmp_path: Path) -> None:
    for operation in range(1, 200, 3):
        copy = tmp_path / "copy"
        shutil.copytree(repository, copy)
        died = killed_at(operation, lambda copy=copy: export(copy, 7))  # type: ignore[misc]
        if live_version(copy) is not None:
            assert assert_whole(copy) == 7
        export(copy, 8)
        assert assert_whole(copy) == 8
        shutil.rmtree(copy)
        if not died:
            break


def test_an_error_while_writing_leaves_everything_as_it_was(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export(repository, 7)
    before = {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()}

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        export(repository, 8)
    assert {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()} == before
