"""Only the viewer's own page, at its own address, gets an answer; and a browser may do little with it."""

import pytest

from chexpert.serve.security import HEADERS, is_same


@pytest.mark.parametrize("token", ["", "a-toke", "a-token2", "A-TOKEN", "..", "a-tokén", "%00"])
def test_wrong_token_is_refused_without_detail(client, token):
    for path in ("/", "/viewer.js", "/api/run", "/nothing"):
        found = client.ask(path, token=token)
        assert (found.status_code, found.text) == (403, "forbidden")


def test_token_comparison_takes_any_text():
    assert is_same("a-token", "a-token")
    assert not is_same("\udcff", "a-token")
    assert not is_same("", "a-token")


@pytest.mark.parametrize(
    "host", ["evil.invalid:8765", "127.0.0.1", "127.0.0.1:8766", "127.0.0.1.evil.invalid:8765", ""]
)
def test_other_host_is_refused(client, host):
    """A name that leads to 127.0.0.1 as well: DNS rebinding."""
    assert client.ask("/", headers={"host": host}).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:8765", "LOCALHOST:8765"])
def test_own_host_is_answered(client, host):
    assert client.ask("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.invalid"}, {"origin": "null"}, {"origin": "http://127.0.0.1:80"},
     {"origin": "https://127.0.0.1:8765"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}],
)  # fmt: skip
def test_post_of_another_page_is_refused(client, images, headers):
    content = images[0].read_bytes()
    assert client.ask("/api/predictions", content, headers=headers).status_code == 403


@pytest.mark.parametrize("headers", [{}, {"origin": "http://127.0.0.1:8765", "sec-fetch-site": "same-origin"}])
def test_post_of_the_own_page_and_of_a_program_is_answered(client, images, headers):
    assert client.ask("/api/predictions", images[0].read_bytes(), headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [("/", "a-token", 200), ("/api/run", "a-token", 200), ("/x", "a-token", 404), ("/", "b", 403)],
)
def test_every_answer_is_protected(client, path, token, status):
    found = client.ask(path, token=token)
    assert found.status_code == status
    assert {name: found.headers[name] for name in HEADERS} == HEADERS
    assert "set-cookie" not in found.headers
    policy = found.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_address_without_its_last_slash_leads_to_the_page(client):
    found = client.ask("")
    assert (found.status_code, found.headers["location"]) == (307, "/a-token/")


@pytest.mark.parametrize("path", ["/api/predictions", "/api/explanations", "/api/neighbors"])
def test_images_are_sent_by_post(client, path):
    assert client.ask(path).status_code == 405


def test_page_has_no_script_or_style_of_its_own_and_no_outside_address(client):
    page = client.ask("/").text
    assert "<style" not in page
    assert page.count("<script") == 1
    assert '<script src="viewer.js" defer></script>' in page
    for path in ("/", "/viewer.js", "/viewer.css"):
        text = client.ask(path).text
        assert "http:" not in text
        assert "https:" not in text
        assert "innerHTML" not in text
