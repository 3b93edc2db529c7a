"""What a person is told to type where something is missing or damaged, by how the program was installed."""

import json
import sys
from pathlib import Path

import pytest

from call import doctor
from call.ends import load_format
from call.errors import CallError
from runtime import installed
from runtime.profile import load_profile


def test_in_a_clone_make_adds_an_extra_and_git_brings_back_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr(installed, "HOME", tmp_path)
    assert installed.how_to_add("cuda") == "make install EXTRAS=cuda"
    assert installed.how_to_add("dev") == "make install-dev"
    assert installed.how_to_mend(tmp_path / "tables.npz").endswith(
        f"git checkout -- {tmp_path / 'tables.npz'}"
    )


@pytest.mark.parametrize(
    ("origin", "named"),
    [
        ({"url": "file:///home/ada/my%20visavis", "dir_info": {}}, "'/home/ada/my visavis'"),
        ({"url": "https://x.org/v.whl", "archive_info": {}}, " https://x.org/v.whl"),
        (
            {"url": "https://x.org/v.git", "vcs_info": {"vcs": "git", "commit_id": "53f5513"}},
            " git+https://x.org/v.git@53f5513",
        ),
    ],
)
def test_without_a_clone_it_is_pip_and_from_where_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: dict[str, object], named: str
) -> None:
    class Installed:
        def read_text(self, name: str) -> str:
            return json.dumps(origin) if name == "direct_url.json" else ""

    monkeypatch.setattr(installed, "HOME", tmp_path)
    monkeypatch.setattr(installed, "distribution", lambda name: Installed())
    assert installed.how_to_add("cuda") == "pip install 'visavis[cuda]'"
    assert installed.how_to_mend(tmp_path / "tables.npz").endswith(named)


def test_an_application_of_pipx_is_mended_by_pipx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "HOME", tmp_path)
    monkeypatch.setattr(sys, "prefix", "/home/ada/.local/share/pipx/venvs/visavis")
    assert installed.how_to_add("train") == "pipx runpip visavis install 'visavis[train]'"
    assert installed.how_to_mend(tmp_path / "tables.npz").endswith("pipx reinstall visavis")


def test_a_tool_of_uv_is_mended_by_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "uv-receipt.toml").touch()
    monkeypatch.setattr(installed, "HOME", tmp_path)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert installed.how_to_add("train") == f"uv pip install --python {tmp_path} 'visavis[train]'"
    assert installed.how_to_mend(tmp_path / "tables.npz").endswith("uv tool upgrade --reinstall visavis")


def test_damaged_tables_are_named_with_what_brings_them_back(profile_folder: Path, tmp_path: Path) -> None:
    own = tmp_path / profile_folder.name
    own.mkdir()
    for file in profile_folder.iterdir():
        (own / file.name).write_bytes(file.read_bytes())
    (own / "tables.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(CallError, match=r"tables\.npz is damaged: .*\. Take tables\.npz again from where"):
        load_format(load_profile(str(own)))
    (finding,) = doctor.engines(str(own))
    assert finding.state == "damaged"
    assert "tables.npz is damaged" in finding.found
