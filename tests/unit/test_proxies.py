"""Behind a proxy: who called, and whether over TLS, is believed of the proxies in the settings only."""

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from services.serving import listening
from shared.settings import Settings


def seen(peer: str, proxies: str) -> tuple[str, str]:
    """Scheme and caller as the app sees them when a peer claims both."""
    app = FastAPI()

    @app.get("/")
    def who(request: Request) -> tuple[str, str]:
        assert request.client is not None
        return request.url.scheme, request.client.host

    config = listening(app, Settings(proxies=proxies))
    config.load()

    claimed = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
    with TestClient(config.loaded_app, base_url="http://portal", client=(peer, 40000)) as client:
        scheme, caller = client.get("/", headers=claimed).json()
    return scheme, caller


@pytest.mark.parametrize("proxies", ["172.31.253.2", "10.0.0.5, 172.31.253.0/29"])
def test_a_proxy_of_the_settings_is_believed(proxies: str) -> None:
    assert seen("172.31.253.2", proxies) == ("https", "203.0.113.9")


@pytest.mark.parametrize("proxies", ["", "172.31.253.0/29"])
@pytest.mark.parametrize("peer", ["10.0.0.7", "127.0.0.1"])
def test_nobody_else_is(peer: str, proxies: str) -> None:
    assert seen(peer, proxies) == ("http", peer)
