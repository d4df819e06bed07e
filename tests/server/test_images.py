"""The catalog, pictures that come in and go out, and what a finished job lets one take away."""

import base64
import csv
import io
import json
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

import pellucid as pl
from pellucid.render.figures import png_bytes
from pellucid.server import sources as kept
from tests.server.conftest import finished, jpeg, opened, question, small


def test_the_catalog_says_what_there_is_without_loading_it(client):
    said = client.get("/api/catalog").json()
    models = {one["name"]: one for one in said["models"]}
    assert set(models) == {"imagenet", "food11", "minilm", "minilm-mlm", "minilm-qa", "small", "tiny bert", "reader", "guesser"}
    assert (models["imagenet"]["size"], models["imagenet"]["classes"]) == ([224, 224], 1000)
    assert (models["minilm"]["layers"], models["minilm"]["heads"], models["minilm"]["heads_for"]) == (6, 12, [])
    assert models["minilm-qa"]["heads_for"] == models["reader"]["heads_for"] == ["question_answering"]
    assert models["guesser"]["heads_for"] == ["masked_words"]
    assert "Egg" in models["food11"]["unanswered"]
    assert all(one["ready"] for one in models.values())
    methods = {one["name"]: one for one in said["methods"]}
    assert set(methods) == set(pl.methods)
    assert methods["lime"]["options"] == pl.methods["lime"].options.model_json_schema()
    assert methods["lime"]["presets"]["course"]["options"] == dict(pl.methods["lime"].presets["course"].options)
    assert said["filters"]["options"] == pl.filters.options.model_json_schema()
    assert {one["name"] for one in said["metrics"]} == set(pl.metrics)
    assert [one["source"] for one in said["observations"]] == [f"observation:{n}" for n in range(10)]
    assert said["observations"][0]["title"] == "cup of coffee on a wooden table"
    assert said["limits"]["jobs"] == 32


def test_a_model_without_its_weights_is_listed_with_what_lacks(client, monkeypatch):
    from pellucid.models.load import catalog

    entry = {"architecture": "efficientnet-lite0", "weights": "no_such_package:x.pth", "description": "gone"}
    monkeypatch.setitem(catalog()["models"], "gone", entry)
    gone = next(one for one in client.get("/api/catalog").json()["models"] if one["name"] == "gone")
    assert not gone["ready"]
    assert "pip install no-such-package" in gone["why_not"]


def test_labels_and_layers_are_the_models(client):
    assert client.get("/api/models/small/labels").json() == {"labels": list("abcde")}
    layers = client.get("/api/models/small/layers").json()["layers"]
    assert [(one["name"], tuple(one["shape"])) for one in layers] == [(x.name, x.shape) for x in small().layers]


@pytest.mark.parametrize("name", ["none", "%2Fetc%2Fpasswd", "hf:org", "food11-cnn:x"])
def test_no_other_model_can_be_named(client, name):
    answer = client.get(f"/api/models/{name}/labels")
    assert answer.status_code == 404
    assert "no model named" in answer.json()["detail"] or "has no /api" in answer.json()["detail"]


def test_an_encoder_has_no_labels(client):
    answer = client.get("/api/models/reader/labels")
    assert answer.status_code == 422
    assert "reads text" in answer.json()["detail"]


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "RGB"), ("PNG", "RGB"), ("WEBP", "RGB"), ("BMP", "L"), ("GIF", "L")])
def test_an_upload_is_named_by_its_bytes_and_found_again(tmp_path, kind, mode):
    data = jpeg(50, 40, kind, mode)
    with opened(tmp_path) as client:
        said = client.post("/api/uploads?name=..%2F..%2Fcat%0A.png", content=data)
        assert said.status_code == 201
        one = said.json()
        assert (one["name"], one["width"], one["height"], one["notes"]) == ("cat.png", 50, 40, [])
        assert one["source"].startswith("sha256:")
        assert client.post("/api/uploads", content=data).json() == one
    with opened(tmp_path) as client:
        assert client.get(f"/api/pictures/{one['source']}/about").json() == one
        assert client.get(f"/api/pictures/{one['source']}").status_code == 200


def test_an_upload_that_had_to_be_changed_says_how_and_is_kept_as_it_was_read(client):
    out = io.BytesIO()
    Image.new("RGBA", (20, 20), (255, 0, 0, 128)).save(out, "PNG")
    said = client.post("/api/uploads", content=out.getvalue()).json()
    assert any("white" in note for note in said["notes"])
    shown = client.get(f"/api/pictures/{said['source']}")
    assert Image.open(io.BytesIO(shown.content)).getpixel((3, 3)) == (255, 127, 127)
    assert finished(client, client.post("/api/jobs", json=question(sources=(said["source"],))).json()["id"])["notes"] == []


def bomb(width, height):
    """A PNG of a few hundred bytes that says it is that large."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"not a picture", "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (jpeg()[:300], "truncated"),
        (jpeg(4, 4, "PNG"), "4 x 4"),
        (bomb(10_000, 10_000), "100 megapixels"),
        (bomb(60_000, 60_000), "too large to decode safely"),
        (bomb(2**31 - 1, 2**31 - 1), "too large to decode safely"),
    ],
)
def test_what_is_no_picture_or_too_much_of_one_is_refused_before_it_is_decoded(client, tmp_path, data, words):
    answer = client.post("/api/uploads", content=data)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]
    assert str(tmp_path) not in answer.json()["detail"]
    assert not list((tmp_path / "uploads").glob("*"))


def test_an_animation_is_refused(client):
    out = io.BytesIO()
    frames = [Image.effect_noise((20, 20), n) for n in (50, 90)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    assert "2 frames" in client.post("/api/uploads", content=out.getvalue()).json()["detail"]


def test_uploads_are_listed_as_they_came_and_can_be_removed(tmp_path):
    with opened(tmp_path) as client:
        made = [client.post(f"/api/uploads?name={n}.jpg", content=jpeg(30 + n, 30)).json() for n in range(3)]
    with opened(tmp_path) as client:
        assert client.get(f"/api/pictures/{made[0]['source']}").status_code == 200  # being used changes no order
        assert client.get("/api/uploads").json() == {"uploads": made}
        assert client.delete(f"/api/pictures/{made[1]['source']}").status_code == 204
        assert client.get("/api/uploads").json() == {"uploads": [made[0], made[2]]}
        assert client.get(f"/api/pictures/{made[1]['source']}").status_code == 404
        assert client.delete(f"/api/pictures/{made[1]['source']}").status_code == 404
        assert not list((tmp_path / "uploads").glob(f"*{made[1]['source'].removeprefix('sha256:')}*"))
        refused = client.delete("/api/pictures/observation:1")
        assert refused.status_code == 422
        assert "comes with the lab" in refused.json()["detail"]


def test_old_uploads_make_room(client, monkeypatch):
    monkeypatch.setattr(kept, "KEEP", 2)
    made = [client.post("/api/uploads", content=jpeg(30 + n, 30)).json()["source"] for n in range(4)]
    found = [client.get(f"/api/pictures/{source}/about").status_code for source in made]
    assert found.count(200) == 2
    assert found[-1] == 200
    assert "upload the picture again" in client.get(f"/api/pictures/{made[0]}").json()["detail"]


def test_a_picture_is_shown_small_or_as_a_model_reads_it(client):
    answer = client.get("/api/pictures/observation:3")
    assert "immutable" in answer.headers["cache-control"]
    assert max(Image.open(io.BytesIO(answer.content)).size) == 256
    assert max(Image.open(io.BytesIO(client.get("/api/pictures/observation:3?side=64").content)).size) == 64
    seen = Image.open(io.BytesIO(client.get("/api/pictures/observation:3?model=small").content))
    np.testing.assert_array_equal(np.asarray(seen), small().read("observation:3").pixels[0])
    assert client.get("/api/pictures/observation:3?model=none").status_code == 404


@pytest.mark.parametrize(
    "source", ["observation:10", "observation:-1", "cat.jpg", "%2Fetc%2Fpasswd", "sha256:" + "0" * 64, "sha256:..%2F"]
)
def test_no_other_picture_can_be_named(client, source):
    assert client.get(f"/api/pictures/{source}").status_code == 404
    answer = client.post("/api/predict", json={"model": "small", "source": source.replace("%2F", "/")})
    assert answer.status_code == 422


def test_predictions_are_the_models(client):
    said = client.post("/api/predict", json={"model": "small", "source": "observation:4", "top": 3}).json()["predictions"]
    assert said == [vars(one) for one in small().predict(small().read("observation:4"), 3)[0]]


QUARTERS = np.repeat(np.repeat(np.arange(4, dtype="<i4").reshape(2, 2), 8, 0), 8, 1)


def hidden(**changed):
    body = {"model": "small", "source": "observation:4", "top": 5, "segments": base64.b64encode(QUARTERS.tobytes()).decode()}
    return {**body, "shown": [0, 3], "hide": "black", **changed}


def picture(said):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(said["picture"].removeprefix("data:image/png;base64,")))))


def test_superpixels_are_hidden_as_the_words_say(client):
    model = small()
    images = model.read("observation:4")
    features = images.features.clone()
    for rows, columns in ((slice(0, 8), slice(8, 16)), (slice(8, 16), slice(0, 8))):  # quarters 1 and 2
        features[0, :, rows, columns] = images.normalise(torch.zeros_like(features))[0, :, rows, columns]
    said = client.post("/api/predict", json=hidden()).json()
    expected = model.predict(model.from_features(features), 5)[0]
    assert [one["index"] for one in said["predictions"]] == [one.index for one in expected]
    assert [one["logit"] for one in said["predictions"]] == pytest.approx([one.logit for one in expected], abs=1e-5)
    pixels = picture(said)
    assert (pixels[:8, 8:] == 0).all()
    assert (pixels[8:, :8] == 0).all()
    np.testing.assert_array_equal(pixels[:8, :8], images.pixels[0, :8, :8])
    everything = client.post("/api/predict", json=hidden(shown=[0, 1, 2, 3])).json()
    assert everything["predictions"] == client.post("/api/predict", json=hidden(segments=None)).json()["predictions"]
    mean = picture(client.post("/api/predict", json=hidden(hide="mean")).json())
    np.testing.assert_allclose(mean[0, 15], images.pixels[0, :8, 8:].double().mean((0, 1)), atol=1)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"shown": [4]}, "no superpixel 4; segments numbers them from 0 to 3"),
        (
            {"segments": base64.b64encode(QUARTERS[:4].tobytes()).decode()},
            "segments hold 64 numbers; the network reads 16 x 16",
        ),
        ({"segments": base64.b64encode((QUARTERS - 1).tobytes()).decode()}, "from 0 to at most 255"),
        ({"segments": base64.b64encode((QUARTERS + 10**9).tobytes()).decode()}, "from 0 to at most 255"),
        ({"segments": "no base64!"}, "16 x 16 little-endian int32 in base64"),
        ({"segments": "AAAA"}, "16 x 16 little-endian int32 in base64"),
        ({"shown": [-1]}, "greater than or equal to 0"),
        ({"hide": "noise"}, "'mean', 'black' or 'blur'"),
    ],
)
def test_superpixels_that_do_not_fit_are_refused(client, changed, message):
    answer = client.post("/api/predict", json=hidden(**changed))
    assert answer.status_code == 422
    assert message in answer.json()["detail"]


# ----------------------------------------------------------------------------------------------------------------- exports


@pytest.fixture
def done(client):
    body = question("smoothgrad", ("observation:0", "observation:1"), options={"samples": 20})
    return finished(client, client.post("/api/jobs", json={**body, "trust": True}).json()["id"])


def test_the_csv_has_every_pixel_with_all_its_digits(client, done):
    answer = client.get(f"/api/jobs/{done['id']}/maps.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="other_coffee_cup-and-1-more.smoothgrad.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    a = pl.explain(small(), ["observation:0", "observation:1"], method="smoothgrad", samples=20)
    assert len(rows) == 2 * 16 * 16
    found = np.array([row["value"] for row in rows], dtype=np.float32).reshape(2, 16, 16)
    np.testing.assert_array_equal(found, a.map())
    assert (rows[17]["source"], rows[17]["row"], rows[17]["column"]) == ("observation:0", "1", "1")


def test_the_scores_are_there_channel_by_channel(client, done):
    said = client.get(f"/api/jobs/{done['id']}/scores?image=1").json()
    a = pl.explain(small(), ["observation:0", "observation:1"], method="smoothgrad", samples=20)
    found = np.frombuffer(base64.b64decode(said["data"]), "<f4").reshape(said["channels"], said["height"], said["width"])
    np.testing.assert_array_equal(found, a.scores[1])
    answer = client.get(f"/api/jobs/{done['id']}/scores?image=2")
    assert (answer.status_code, answer.json()["detail"]) == (404, "no picture 2 in this job; it has 2, from 0")


def test_a_name_cannot_be_a_formula_in_a_spreadsheet(client):
    source = client.post("/api/uploads?name=%3DHYPERLINK(1),%22x", content=jpeg()).json()["source"]
    said = finished(client, client.post("/api/jobs", json=question(sources=(source,))).json()["id"])
    text = client.get(f"/api/jobs/{said['id']}/maps.csv").text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[0]["name"] == "'=HYPERLINK(1),\"x"
    assert "\r" not in client.get(f"/api/jobs/{said['id']}/record").headers["content-disposition"]


def test_the_picture_is_the_librarys_own(client, done):
    model = small()
    images = model.read(["observation:0", "observation:1"])
    a = pl.explain(model, images, method="smoothgrad", samples=20)
    expected = png_bytes(pl.draw(model, images, a, evidence=pl.trust(model, images, a)))
    answer = client.get(f"/api/jobs/{done['id']}/picture.png")
    assert answer.content == expected
    assert client.get(f"/api/jobs/{done['id']}/picture.png").content == expected
    half = client.get(f"/api/jobs/{done['id']}/picture.png?dpi=72").content
    whole, small_one = (Image.open(io.BytesIO(data)).size for data in (expected, half))
    assert abs(small_one[0] - whole[0] / 2) <= 1
    svg = client.get(f"/api/jobs/{done['id']}/picture.svg")
    assert svg.headers["content-type"] == "image/svg+xml"
    assert "smoothgrad" in svg.text
    assert client.get(f"/api/jobs/{done['id']}/picture.png?dpi=9000").status_code == 422


def test_the_interface_describes_itself_wholly(client):
    schema = client.get("/api/openapi.json").json()
    text = json.dumps(schema)
    assert "HTTPValidationError" not in text
    for path, item in schema["paths"].items():
        for verb, operation in item.items():
            assert operation.get("description"), (verb, path)
            fine = [code for code in operation["responses"] if code.startswith("2")]
            for code in fine:
                content = operation["responses"][code].get("content", {})
                empty = any(one.get("schema") == {} for one in content.values())
                assert (content and not empty) or code == "204" or "picture" in path or "record" in path, (verb, path, code)
    events = schema["paths"]["/api/jobs/{id}/events"]["get"]["responses"]["200"]["content"]
    assert list(events) == ["text/event-stream"]
    assert {"ExplainStep", "TrustEvent", "Firing", "EvidenceEntry", "Problem"} <= set(schema["components"]["schemas"])


def test_every_layer_that_gives_maps_has_a_thumbnail(client):
    from pellucid.models.layer_maps import responses

    said = client.get("/api/models/small/thumbnails", params={"source": "observation:3"})
    assert said.status_code == 200, said.text
    model = small()
    expected = responses(model, model.read("observation:3").features)
    assert [one["layer"] for one in said.json()["thumbnails"]] == list(expected)
    for one in said.json()["thumbnails"]:
        grey = np.frombuffer(base64.b64decode(one["data"]), "u1").reshape(one["height"], one["width"])
        response = expected[one["layer"]].numpy()
        assert grey.shape == response.shape, "16 x 16 pixels are small enough as they are"
        assert grey.argmax() == response.argmax()
        assert (int(grey.min()), int(grey.max())) == (0, 255) if response.max() > response.min() else grey.max() == 0
    assert client.get("/api/models/small/thumbnails", params={"source": "/etc/passwd"}).status_code == 404
    assert client.get("/api/models/none/thumbnails", params={"source": "observation:3"}).status_code == 404
