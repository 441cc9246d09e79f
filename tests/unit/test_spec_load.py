"""Files that hold a configuration, and files that do not."""

import os
from pathlib import Path

import pytest

from pyrunc.errors import ConfigError, PyruncError
from pyrunc.spec.load import MAX_SIZE, load_config, load_file


def test_load_config(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"ociVersion": "1.0.0", "process": null, "hostname": "é"}')
    assert load_config(str(tmp_path)) == {"ociVersion": "1.0.0", "hostname": "é"}


def test_no_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^JSON specification file config\.json not found$"):
        load_config(str(tmp_path))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(PyruncError) as caught:
        load_file(str(tmp_path / "process.json"))
    assert str(caught.value) == f"read {tmp_path}/process.json: no such file or directory"


BAD = {
    b"": "line 1, column 1: a value is missing",
    b"[]": "must hold a JSON object",
    b"null": "must hold a JSON object",
    b'{"a": "\xff"}': "not UTF-8 at byte 7",
    b'{"a": 1, "a": 1}': 'line 1, column 10: duplicate key "a"',
    b'\xef\xbb\xbf{"a": 1}': "line 1, column 1: byte order mark before the value",
    b'{\n  "a": 1,\n  b}': "line 3, column 3: expecting property name enclosed in double quotes",
}


@pytest.mark.parametrize("octets", BAD, ids=ascii)
def test_bad_content(tmp_path: Path, octets: bytes) -> None:
    file = tmp_path / "config.json"
    file.write_bytes(octets)
    with pytest.raises(ConfigError) as caught:
        load_config(str(tmp_path))
    assert str(caught.value) == f"{file}: {BAD[octets]}"


def test_size(tmp_path: Path) -> None:
    file = tmp_path / "big.json"
    file.write_bytes(b'{"a": 1}' + b" " * (MAX_SIZE - 8))
    assert load_file(str(file)) == {"a": 1}
    file.write_bytes(b'{"a": 1}' + b" " * (MAX_SIZE - 7))
    with pytest.raises(ConfigError, match="larger than 8 MiB"):
        load_file(str(file))


def test_not_a_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(ConfigError, match="not a regular file"):
        load_config(str(tmp_path))
    (tmp_path / "directory").mkdir()
    with pytest.raises(ConfigError, match="not a regular file"):
        load_file(str(tmp_path / "directory"))
    with pytest.raises(ConfigError, match="not a regular file"):
        load_file("/dev/zero")


def test_unreadable(tmp_path: Path) -> None:
    (tmp_path / "config.json").symlink_to("config.json")
    with pytest.raises(PyruncError, match=r"config\.json: too many levels of symbolic links"):
        load_config(str(tmp_path))


def test_no_descriptor_is_left(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[")
    before = set(os.listdir("/proc/self/fd"))
    for path in (str(tmp_path), "/nonexistent"):
        with pytest.raises(ConfigError):
            load_config(path)
    assert set(os.listdir("/proc/self/fd")) == before
