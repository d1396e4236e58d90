"""A TCP proxy on loopback whose line a test cuts or slows down."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK = 64 * 1024


class Line:
    """One way to a server. `port`: where to connect instead of the server's own."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.target: tuple[str, int] | None = None
        self._delay = 0.0
        self._cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._up.wait(10)

    def to(self, host: str, port: int) -> "Line":
        """Lead the line to a server."""
        self.target = (host, port)
        return self

    def cut(self) -> None:
        """Break every connection and refuse new ones until `mend`."""
        self._cut = True
        self._loop.call_soon_threadsafe(self._break)

    def slow(self, seconds: float) -> None:
        """Hold everything back for so long, each way, until `mend`."""
        self._delay = seconds

    def mend(self) -> None:
        self._cut, self._delay = False, 0.0

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)

    def _break(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=CHUNK)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._up.set()
        self._loop.run_forever()
        server.close()
        self._break()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        with suppress(RuntimeError):
            self._loop.run_until_complete(asyncio.sleep(0))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut or self.target is None:
            writer.transport.abort()
            return
        try:
            there, onward = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, onward}
        self._writers |= pair
        try:
            await asyncio.gather(self._pass(reader, onward), self._pass(there, writer))
        finally:
            self._writers -= pair
            for each in pair:
                each.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(CHUNK):
                if self._delay:
                    await asyncio.sleep(self._delay)
                writer.write(chunk)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        except OSError:  # a reset on one side is a reset on the other, which may be waiting for an answer
            writer.transport.abort()


@contextmanager
def line(host: str, port: int, *, listen: int = 0) -> Iterator[Line]:
    """A line to a server, until the block ends."""
    made = Line(listen).to(host, port)
    made.start()
    try:
        yield made
    finally:
        made.stop()
