"""Paths of the user in the shell: they are words, whatever characters they hold."""

from clone import HERE, QuickClone

STRANGE = 'it\'s a "$(touch ran)" `touch ran`; touch ran'


def test_the_shell_runs_no_part_of_a_path(tmp_path):
    """Both the folder of the clone and `data.root` reach the shell."""
    folder = tmp_path / STRANGE
    folder.mkdir()
    clone = QuickClone(folder, HERE / "tiny.yaml")
    clone.settings["data"]["root"] = STRANGE
    result = clone.snakemake("--no-hooks", "--until", "split")
    assert result.returncode == 0, result.stderr
    assert (folder / STRANGE / "scenes.json").is_file() and (folder / STRANGE / "manifest.json").is_file()
    assert not list(tmp_path.rglob("ran"))
