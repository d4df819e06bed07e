"""The pictures of a course's folder."""

from pathlib import Path

from pellucid.course.binding import images_of


def test_hidden_files_and_folders_named_like_pictures_are_no_pictures(tmp_path: Path) -> None:
    inside = tmp_path / "pictures"
    (inside / "album.jpg").mkdir(parents=True)
    for name in ("b.png", "a.JPG", "._a.jpg", "notes.txt"):
        (inside / name).write_bytes(b"")
    assert images_of("pictures", tmp_path) == {"0": str(inside / "a.JPG"), "1": str(inside / "b.png")}
