"""`lbt crate`: the package's own reader takes the file, and what it says of the files is true."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from rocrate.rocrate import ROCrate

from lbt import __version__
from lbt.__main__ import main
from lbt.config import Settings
from lbt.config.unread import select_read
from lbt.files import sha256
from lbt.views import crate, settings

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = {"device": "A <fast> one", "git commit": "abc-dirty", "python": "3.11.7", "torch": "2.14.1"}
FILES = {
    "tables/summary.csv": "method\nlbt\n",
    "tables/summary.md": "not part of the crate",
    "figures/losses.svg": "<svg/>",
    "networks/lbt-seed-0/network.pt": "weights",
    "networks/lbt-seed-0/README.md": "its card",
    "derive/lbt/seed-0/genotype.json": "{}",
    "search/lbt/seed-0/round-1/checkpoint.pt": "not part of the crate",
}
NETWORK = {"networks/lbt-seed-0/network.pt", "networks/lbt-seed-0/README.md"}


@pytest.fixture
def run(tmp_path):
    run = tmp_path / "results/my run"
    for name, text in FILES.items():
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(text)
    text = yaml.safe_dump(select_read(Settings()))
    (run / "settings.yaml").write_text(text)
    (run / "settings.html").write_text(settings.make_page("my run", text, VERSIONS))
    return run


def write(run, *words):
    assert main(["crate", str(run), *words]) == 0
    return json.loads((run / crate.METADATA).read_text())


def test_the_package_reads_it_back(run):
    graph = {entity["@id"]: entity for entity in write(run, "--author", "Ada Löve", "--license", "CC-BY-4.0")["@graph"]}
    read = ROCrate(run)
    assert read.name == "my run, a run of lbt" and read.license["name"] == "CC-BY-4.0"
    assert [author["name"] for author in read.root_dataset["author"]] == ["Ada Löve"]
    assert {entity.id for entity in read.get_entities()} == graph.keys()
    assert {entity.id for entity in read.data_entities} == {part["@id"] for part in graph["./"]["hasPart"]}


def test_it_has_what_the_format_requires(run):
    content = write(run)
    graph = {entity["@id"]: entity for entity in content["@graph"]}
    assert content["@context"] == "https://w3id.org/ro/crate/1.2/context" and len(graph) == len(content["@graph"])
    about = graph["ro-crate-metadata.json"]
    assert about["@type"] == "CreativeWork" and about["about"] == {"@id": "./"}
    assert about["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.2"}
    root = graph["./"]
    assert root["@type"] == "Dataset" and root.keys() >= {"name", "description", "datePublished", "license", "hasPart"}
    assert all(isinstance(entity["@type"], str) for entity in graph.values())
    named = {reference for entity in graph.values() for reference in references(entity)}
    assert named - {about["conformsTo"]["@id"]} <= graph.keys()
    assert graph.keys() - {"./", "ro-crate-metadata.json"} <= named  # nothing hangs in the air


def references(entity):
    for value in entity.values():
        yield from (one["@id"] for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict))


def test_files_are_described_as_they_are(run):
    graph = write(run)["@graph"]
    files = {entity["@id"]: entity for entity in graph if entity["@type"] == "File"}
    left_out = {"tables/summary.md", "search/lbt/seed-0/round-1/checkpoint.pt"}
    assert files.keys() == FILES.keys() - left_out | {"settings.yaml", "settings.html"}
    for name, entity in files.items():
        path = run / name
        assert entity["sha256"] == sha256(path) and entity["contentSize"] == str(path.stat().st_size)
        assert entity["name"] and "/" in entity["encodingFormat"]
    assert files["derive/lbt/seed-0/genotype.json"]["name"] == "Genotype of lbt, seed-0"


def test_the_software_is_named_with_version_commit_and_papers(run):
    write(run)
    read = ROCrate(run)
    (action,) = read.root_dataset["mentions"]
    software, cited = action["instrument"], yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert action["object"].id == "settings.yaml" and "A <fast> one" in action["description"]
    assert {entity.id for entity in action["result"]} == {"tables/summary.csv", *NETWORK}
    assert software["version"] == __version__ and software["identifier"] == "commit abc-dirty"
    needed = {package["name"]: package["version"] for package in software["softwareRequirements"]}
    assert needed == {"python": "3.11.7", "torch": "2.14.1"}
    assert [paper["name"] for paper in software["citation"]] == [paper["title"] for paper in cited["references"]]
    assert software["citation"][0]["author"][0]["name"] == "Parth Sheth"
    assert software["license"].id == "https://spdx.org/licenses/MIT"
    assert "lbt crate --license" in read.license["description"]
    assert [author["name"] for author in read.root_dataset["author"]] == [cited["authors"][0]["name"]]


def test_a_second_time_gives_the_same_file(run):
    assert write(run) == write(run)


def test_a_run_that_is_not_finished_is_refused(run, capsys):
    (run / "tables/summary.csv").unlink()
    assert main(["crate", str(run)]) == 1
    assert "summary.csv: is missing. Finish the run first" in capsys.readouterr().err
    assert not (run / crate.METADATA).exists()


def test_a_link_that_leads_out_of_the_run_is_left_out(run, tmp_path):
    shutil.copy(run / "networks/lbt-seed-0/network.pt", tmp_path / "secret.pt")
    (run / "networks/lbt-seed-0/secret.onnx").symlink_to(tmp_path / "secret.pt")
    assert "networks/lbt-seed-0/secret.onnx" not in {entity["@id"] for entity in write(run)["@graph"]}
