"""What a request must be before anything looks at it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient

from pellucid.server import guard, make_app
from pellucid.server.guard import Guard
from tests.server.conftest import LOCAL, jpeg, opened, question


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1:8765", "[::1]:80", "LOCALHOST:9"])
def test_local_names_are_answered(client, host):
    assert client.get("/api/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8765",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
        "localhost:x",
        "[::2]",
        "localhost:8765@evil.example",
    ],
)
def test_any_other_name_is_refused(client, host):
    answer = client.get("/api/health", headers={"host": host})
    assert answer.status_code == 421
    assert "localhost" in answer.json()["detail"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost:1234", "http://localhost", "https://localhost:8765"]
)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_page_elsewhere_can_change_nothing(client, method, origin):
    address = "/api/jobs" if method == "POST" else "/api/jobs/" + "0" * 24
    answer = client.request(method, address, headers={"origin": origin, "content-type": "application/json"})
    assert answer.status_code == 403
    assert "own page" in answer.json()["detail"]


def test_our_own_page_can(client):
    headers = {"origin": LOCAL, "sec-fetch-site": "same-origin"}
    assert client.post("/api/jobs", json=question(), headers=headers).status_code == 201


def test_a_page_of_another_site_cannot_even_read_the_interface(client):
    assert client.get("/api/catalog", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert client.get("/", headers={"sec-fetch-site": "cross-site"}).status_code == 200  # a link to the lab


@pytest.mark.parametrize("address", ["/", "/api/health", "/api/nothing", "/assets/none.js"])
def test_every_answer_has_the_policy(client, address):
    headers = client.get(address).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "script" not in policy.replace("default-src 'self'", "")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


def test_refusals_have_it_too(client):
    assert "frame-ancestors 'none'" in client.get("/", headers={"host": "evil"}).headers["content-security-policy"]


def test_a_body_that_is_too_large_is_refused_by_its_length_and_by_what_comes(client):
    big = b" " * (guard.JSON_BYTES + 1)
    for content in (big, iter([big[:600_000], big[:600_000]])):  # the second says no length
        answer = client.post("/api/predict", content=content, headers={"content-type": "application/json"})
        assert answer.status_code == 413
        assert "1 MB" in answer.json()["detail"]


def test_an_upload_may_be_larger_but_not_too_large(client, monkeypatch):
    assert client.post("/api/uploads", content=b"x" * 2_000_000).status_code == 422  # read, and no picture
    monkeypatch.setattr(guard, "UPLOAD_BYTES", 1000)
    assert client.post("/api/uploads", content=b"x" * 1001).status_code == 413


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_a_form_could_send_is_refused(client, kind):
    answer = client.post("/api/predict", content=b'{"model": "small"}', headers={"content-type": kind})
    assert answer.status_code == 415


def test_a_body_that_does_not_come_is_not_waited_for():
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("never reached")

    async def never() -> Any:
        await asyncio.sleep(60)

    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    scope = {"type": "http", "method": "POST", "path": "/api/jobs", "headers": [(b"host", b"localhost")], "query_string": b""}
    with ThreadPoolExecutor() as thread:  # a browser test may have left a loop running in this one
        thread.submit(asyncio.run, Guard(app, patience=0.05)(scope, never, send)).result()
    assert said[0]["status"] == 408


def test_with_a_token_nothing_goes_without_it(tmp_path):
    with opened(tmp_path, token="secret", models=[]) as client:
        for address in ("/", "/api/health", "/?token=wrong", "/api/health?token=secret"):
            assert client.get(address, headers={"host": "lab.example"}).status_code == 401
        assert client.get("/api/health", headers={"authorization": "Bearer secret"}).status_code == 200
        assert client.get("/api/health", headers=[(b"authorization", b"Bearer secre\xf6")]).status_code == 401
        first = client.get("/?view=images&token=secret", headers={"host": "lab.example"})
        assert first.status_code == 200
        assert 'url=/?view=images"' in first.text
        cookie = first.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        client.cookies.clear()
        known = {"host": "lab.example", "cookie": "a=b; pellucid=secret"}
        assert client.get("/api/health", headers=known).status_code == 200
        assert client.get("/api/health", headers={"cookie": "pellucid=wrong"}).status_code == 401


def test_the_first_visit_goes_nowhere_else(tmp_path):
    with opened(tmp_path, token="secret", models=[]) as client:
        for path in ("//evil.example/", "/%5Cevil.example", "/\\evil.example", '/"><script>'):
            text = client.get(f"{LOCAL}{path}?token=secret").text
            assert "url=//" not in text
            assert "\\" not in text
            assert "<script" not in text


def test_without_the_page_a_plain_message_says_so(tmp_path):
    with opened(tmp_path / "s", models=[], static=tmp_path / "none") as client:
        answer = client.get("/images/observation:0")
        assert answer.status_code == 200
        assert "make run" in answer.text


def test_the_built_page_and_nothing_beside_it(tmp_path):
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text("<title>built</title>")
    (static / "assets" / "app-1.js").write_text("1")
    (static / "icon.svg").write_text("<svg/>")
    (tmp_path / "secret.txt").write_text("no")
    with opened(tmp_path / "s", models=[], static=static) as client:
        assert "built" in client.get("/any/view?x=1").text
        script = client.get("/assets/app-1.js")
        assert script.headers["content-type"].startswith("text/javascript")
        assert "immutable" in script.headers["cache-control"]
        assert client.get("/icon.svg").headers["content-type"] == "image/svg+xml"
        assert client.get("/assets/other.js").status_code == 404
        for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt", "/%00", "/..%5csecret.txt"):
            assert client.get(path).text != "no"


def test_there_is_no_page_of_documentation_that_loads_from_elsewhere(client):
    for address in ("/docs", "/redoc", "/api/docs"):
        assert "cdn" not in client.get(address).text
    assert client.get("/api/openapi.json").json()["info"]["title"] == "Pellucid lab"


def test_a_failure_of_ours_is_said_and_has_the_policy_too(tmp_path, monkeypatch):
    app = make_app(store=tmp_path)
    monkeypatch.setattr("pellucid.server.app.observations", lambda: 1 / 0)
    answer = TestClient(app, base_url=LOCAL, raise_server_exceptions=False).get("/api/catalog")
    assert answer.status_code == 500
    assert "ZeroDivisionError" in answer.json()["detail"]
    assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_the_app_needs_no_lifespan(tmp_path):
    app = make_app(store=tmp_path)
    try:
        assert TestClient(app, base_url=LOCAL).get("/api/health").json()["ready"] is True
    finally:
        assert app.state.lab.close(5)


def test_an_upload_is_kept_under_its_own_bytes(client):
    assert client.post("/api/uploads?name=a.jpg", content=jpeg()).status_code == 201
