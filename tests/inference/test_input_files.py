"""A folder of images for a prediction is walked as the folder of a data set is."""

from lbt.inference.input_files import find_images


def test_hidden_folders_are_left_out_and_folders_behind_links_are_read_once(tmp_path):
    for name in ("set/b/2.jpg", "set/a.JPG", "set/.thumbs/a.jpg", "far/3.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "set/link").symlink_to(tmp_path / "far")
    (tmp_path / "set/b/loop").symlink_to(tmp_path / "set")
    found = find_images([tmp_path / "set"], tmp_path / "out")
    assert found == [tmp_path / "set" / name for name in ("a.JPG", "b/2.jpg", "link/3.png")]
    assert find_images([tmp_path / "set"], tmp_path / "far") == found[:2]  # results of an earlier run
