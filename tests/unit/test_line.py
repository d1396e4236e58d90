"""The proxy that faults are made with: what happens on one side happens on the other."""

import socket
from contextlib import suppress

from tests.proxy import line


def test_a_reset_of_the_server_reaches_a_client_that_waits() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        line(*server.getsockname()) as through,
        socket.create_connection(("127.0.0.1", through.port), timeout=5) as client,
    ):
        client.sendall(b"a question that is never read")
        there, _ = server.accept()
        there.recv(1, socket.MSG_PEEK)
        there.close()  # unread data: a reset, as when a process is killed
        with suppress(ConnectionError):
            assert client.recv(1) == b""
