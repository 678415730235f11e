"""The cache of decoded images: written once, never half, found again."""

import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trainers.data import cache, decode
from trainers.data.splits import Splits
from trainers.errors import MissingDataError

MakeFolder = Callable[..., Path]
Load = Callable[..., Splits]

CHILD = """
    import sys
    from pathlib import Path

    from trainers.data import cache
    from trainers.data.image_folder import load_image_folder

    usual = cache.decode

    def decode(listing, form, target):
        Path(sys.argv[2]).open("a").write(f"{listing.folder.name}\\n")
        checksum = usual(listing, form, target)
        target.flush()
        import time
        time.sleep(float(sys.argv[3]))
        return checksum

    cache.decode = decode
    splits = load_image_folder(
        Path(sys.argv[1]), folder="tiny", size=6, classes=3, train_images=24, validation=4
    )
    print(splits.checksum())
    """


def _child(data_dir: Path, log: Path, *, sleep_s: float) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", textwrap.dedent(CHILD), str(data_dir), str(log), str(sleep_s)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


@pytest.fixture
def count_decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the folders that were decoded, in order."""
    decoded: list[str] = []

    def counting(listing: decode.Listing, form: decode.Form, target: object) -> decode.Decoded:
        decoded.append(listing.folder.name)
        return decode.decode(listing, form, target)  # type: ignore[arg-type]

    monkeypatch.setattr(cache, "decode", counting)
    return decoded


def test_a_later_start_decodes_nothing_and_finds_the_same(
    make_folder: MakeFolder, load: Load, count_decoded: list[str]
) -> None:
    data_dir = make_folder()
    first, second = load(data_dir), load(data_dir)
    assert count_decoded == ["train", "test"]
    assert first.checksum() == second.checksum()


def test_a_changed_file_is_seen(
    make_folder: MakeFolder, load: Load, count_decoded: list[str]
) -> None:
    data_dir = make_folder()
    before = load(data_dir)
    one, other = (data_dir / "tiny" / "train" / "ant" / f"{number}.png" for number in (0, 1))
    times = one.stat()
    one.write_bytes(other.read_bytes())
    # As a tool would that hides what it did.
    os.utime(one, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert load(data_dir).checksum() != before.checksum()
    assert count_decoded == ["train", "test", "train"]


def test_equal_images_are_kept_once_wherever_they_lie(
    make_folder: MakeFolder, load: Load, tmp_path: Path
) -> None:
    data_dir = make_folder()
    make_folder("other")
    load(data_dir)
    kept = _entries(data_dir / ".bnn-cache")
    load(data_dir, folder=str(tmp_path / "other" / "tiny"))
    assert _entries(data_dir / ".bnn-cache") == kept
    assert len(kept) == 2


def test_another_form_is_another_entry(make_folder: MakeFolder, load: Load) -> None:
    data_dir = make_folder()
    load(data_dir)
    small = load(data_dir, size=4, resize=True)
    assert small.train.images.shape == (24, 3, 4, 4)
    assert len(_entries(data_dir / ".bnn-cache")) == 4


@pytest.mark.parametrize("damage", ["cut", "header", "no header", "other format", "index", "gone"])
def test_a_damaged_entry_is_never_used(
    damage: str,
    make_folder: MakeFolder,
    load: Load,
    count_decoded: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    data_dir = make_folder()
    before = load(data_dir).checksum()
    for entry in _entries(data_dir / ".bnn-cache"):
        images, header = entry / "images.bin", entry / "header.json"
        if damage == "cut":
            # Replaced, not shortened: the splits above may still have it mapped.
            content = images.read_bytes()
            images.unlink()
            images.write_bytes(content[:-1])
        elif damage == "header":
            header.write_text(header.read_text().replace("[", "[1, ", 1))
        elif damage == "no header":
            header.unlink()
        elif damage == "other format":
            content = json.loads(header.read_text()) | {"format": 0}
            header.write_text(json.dumps(content))
        elif damage == "gone":
            images.unlink()
    if damage == "index":
        for index in (data_dir / ".bnn-cache").glob("*.json"):
            index.write_text('{"check')
    with caplog.at_level(logging.WARNING):
        assert load(data_dir).checksum() == before
    assert count_decoded == ["train", "test"] * 2
    assert "decoded again" in caplog.text
    assert load(data_dir).checksum() == before
    assert len(count_decoded) == 4
    assert not list((data_dir / ".bnn-cache").glob(".*"))


@pytest.mark.slow
def test_processes_that_start_at_once_decode_once(
    make_folder: MakeFolder, load: Load, tmp_path: Path
) -> None:
    data_dir, log = make_folder(), tmp_path / "log"
    children = [_child(data_dir, log, sleep_s=1) for _ in range(2)]
    printed = [child.communicate(timeout=120)[0].strip() for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert sorted(log.read_text().split()) == ["test", "train"]
    assert printed == [load(data_dir).checksum()] * 2


@pytest.mark.slow
def test_what_a_killed_process_left_is_neither_used_nor_kept(
    make_folder: MakeFolder, load: Load, tmp_path: Path
) -> None:
    data_dir, log = make_folder(), tmp_path / "log"
    child = _child(data_dir, log, sleep_s=60)
    folder = data_dir / ".bnn-cache"
    until = time.monotonic() + 60
    while not list(folder.glob(".*/images.bin")) and time.monotonic() < until:
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=60)
    assert len(list(folder.glob(".*/images.bin"))) == 1
    assert not list(folder.glob("*.json"))
    assert load(data_dir).checksum() == load(make_folder("other")).checksum()
    assert not list(folder.glob(".*"))


def test_a_folder_that_cannot_be_written_to_has_its_cache_elsewhere(
    make_folder: MakeFolder,
    load: Load,
    count_decoded: list[str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    data_dir = make_folder()
    # A file in the place of the folder: whoever runs the tests may be allowed to write anywhere.
    (data_dir / ".bnn-cache").write_text("")
    first, second = load(data_dir), load(data_dir)
    assert first.checksum() == second.checksum()
    assert count_decoded == ["train", "test"]
    assert len(_entries(tmp_path / "elsewhere")) == 2
    assert f"cannot be written to {data_dir / '.bnn-cache'}" in caplog.text


def test_without_bnn_cache_dir_the_home_has_it(
    make_folder: MakeFolder, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_dir = make_folder()
    (data_dir / ".bnn-cache").write_text("")
    monkeypatch.delenv("BNN_CACHE_DIR")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    load(data_dir)
    assert len(_entries(tmp_path / "home" / ".cache" / "bnn-orchestrate")) == 2


@pytest.fixture
def no_usual_folder(
    make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A data folder that holds no cache, and no other folder for one but the temporary one."""
    data_dir = make_folder()
    (data_dir / ".bnn-cache").write_text("")
    monkeypatch.delenv("BNN_CACHE_DIR")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return data_dir


def _nobody(*_: object) -> None:
    raise KeyError("no such user")


@pytest.mark.parametrize("home", [None, "relative", "/dev/null"])
def test_without_a_home_the_temporary_folder_has_it(
    home: str | None,
    no_usual_folder: Path,
    load: Load,
    count_decoded: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("pwd.getpwuid", _nobody)
    if home is None:
        monkeypatch.delenv("HOME")
    else:
        monkeypatch.setenv("HOME", home)
    first, second = load(no_usual_folder), load(no_usual_folder)
    assert first.checksum() == second.checksum()
    assert count_decoded == ["train", "test"]
    folder = tmp_path / "temporary" / f"bnn-orchestrate-{os.getuid()}"
    assert len(_entries(folder)) == 2
    assert folder.stat().st_mode & 0o777 == 0o700
    assert f"decoded images lie in {folder}" in caplog.text
    assert "BNN_CACHE_DIR" in caplog.text


@pytest.mark.parametrize("kind", ["open to all", "a link", "a file"])
def test_a_temporary_folder_that_others_may_have_made_is_not_used(
    kind: str,
    no_usual_folder: Path,
    load: Load,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/dev/null")
    folder = tmp_path / "temporary" / f"bnn-orchestrate-{os.getuid()}"
    if kind == "open to all":
        folder.mkdir()
        folder.chmod(0o777)
    elif kind == "a link":
        (tmp_path / "theirs").mkdir()
        folder.symlink_to(tmp_path / "theirs")
    else:
        folder.write_text("")
    with pytest.raises(MissingDataError, match=r"the temporary folder: .*BNN_CACHE_DIR"):
        load(no_usual_folder)


def test_what_was_decided_about_odd_pictures_is_told_at_every_start(
    make_folder: MakeFolder, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    data_dir = make_folder()
    deep = np.full((6, 6), 257 * 3, dtype=np.uint16)
    Image.fromarray(deep).save(data_dir / "tiny" / "train" / "bee" / "2.png")
    for _ in range(2):
        caplog.clear()
        load(data_dir)
        assert "1 of 24 pictures with 16 bits for each value" in caplog.text
        assert "such as bee/2.png" in caplog.text


def test_pictures_read_by_an_earlier_version_are_decoded_again(
    make_folder: MakeFolder,
    load: Load,
    count_decoded: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data_dir = make_folder()
    with monkeypatch.context() as earlier:
        for module in ("decode", "listing"):
            earlier.setattr(f"trainers.data.{module}.READING", 1)
        before = load(data_dir).checksum()
    assert load(data_dir).checksum() == before
    assert count_decoded == ["train", "test"] * 2


def test_where_no_folder_can_be_written_to_the_message_names_both(
    make_folder: MakeFolder, load: Load, tmp_path: Path
) -> None:
    data_dir = make_folder()
    (data_dir / ".bnn-cache").write_text("")
    (tmp_path / "elsewhere").write_text("")
    with pytest.raises(MissingDataError, match=r"bnn-cache: .*elsewhere: .*BNN_CACHE_DIR"):
        load(data_dir)


def test_a_file_system_without_locks_will_do(
    make_folder: MakeFolder, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainers.data.cache.lock", lambda descriptor: None)
    assert len(load(make_folder()).train) == 20


def test_writing_to_the_images_leaves_the_file_alone(make_folder: MakeFolder, load: Load) -> None:
    data_dir = make_folder()
    before = load(data_dir)
    checksum = before.checksum()
    before.train.images.zero_()
    after = load(data_dir)
    assert after.checksum() == checksum
    assert not torch.equal(after.train.images, before.train.images)


def test_a_cache_may_be_larger_than_memory_and_a_read_touches_its_own_pages(
    tmp_path: Path,
) -> None:
    path = tmp_path / "images.bin"
    with path.open("wb") as file:
        file.truncate(2**40)
        file.seek(2**39)
        file.write(b"\x07\x09")
    before = _resident()
    images = cache._mapped(path, 2**40)
    assert images[2**39 : 2**39 + 3].tolist() == [7, 9, 0]
    assert _resident() - before < 64 * 2**20


def _resident() -> int:
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
