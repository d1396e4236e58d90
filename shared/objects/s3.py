"""An S3-compatible object store. A call takes some seconds at most; after one that failed for want of an answer the next ones
are refused at once for a while, so that a store that hangs does not hold the connections of those who need none of it."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import structlog
import urllib3
from minio import Minio
from minio.error import InvalidResponseError, MinioException, S3Error

from shared.objects.port import ObjectMissing, ObjectsAway

CONNECT_SECONDS = 2.0
READ_SECONDS = 8.0
REST_SECONDS = 5.0  # after a failure to answer
WHOLE = 32 * 1024 * 1024  # below this an object is written by one request
T = TypeVar("T")
log = structlog.get_logger()


class S3Objects:
    """A bucket's objects below a prefix that is this installation's alone."""

    def __init__(
        self, address: str, access_key: str, secret_key: str, *, region: str, ca: Path | None = None
    ) -> None:
        """`address`: https://host:port/bucket or …/bucket/prefix."""
        parts = urlsplit(address)
        self._bucket, _, prefix = parts.path.strip("/").partition("/")
        self._prefix = f"{prefix}/" if prefix else ""
        pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            retries=False,
            maxsize=16,
            cert_reqs="CERT_REQUIRED",
            ca_certs=str(ca) if ca else None,
        )
        self._client = Minio(
            parts.netloc,
            access_key,
            secret_key,
            secure=parts.scheme == "https",
            region=region,
            http_client=pool,
        )
        self._away_until = 0.0
        self._lock = threading.Lock()

    def put(self, name: str, content: bytes) -> None:
        self._asked(
            lambda: self._client.put_object(
                self._bucket, self._prefix + name, BytesIO(content), len(content), part_size=WHOLE
            )
        )

    def get(self, name: str, most: int) -> bytes:
        def read() -> bytes:
            at = self._prefix + name
            try:
                answer = self._client.get_object(self._bucket, at)
            except InvalidResponseError:
                self._client.stat_object(self._bucket, at)  # NoSuchKey, where a 404 came without its reason
                raise
            try:
                return answer.read(most + 1)[:most]
            finally:
                answer.close()
                answer.release_conn()

        return self._asked(read)

    def names(self) -> Iterator[tuple[str, datetime]]:
        found = self._client.list_objects(self._bucket, self._prefix, recursive=True)
        while (each := self._asked(lambda: next(found, None))) is not None:
            if each.object_name and each.last_modified:
                yield each.object_name.removeprefix(self._prefix), each.last_modified

    def remove(self, name: str) -> None:
        self._asked(lambda: self._client.remove_object(self._bucket, self._prefix + name))

    def _asked(self, ask: Callable[[], T]) -> T:
        if time.monotonic() < self._away_until:
            raise ObjectsAway("the object store did not answer a moment ago")
        try:
            return ask()
        except S3Error as error:
            if error.code == "NoSuchKey":
                raise ObjectMissing from error
            log.warning("object store refuses", code=error.code)
            raise ObjectsAway(error.code or "refused") from error
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            with self._lock:
                self._away_until = time.monotonic() + REST_SECONDS
            log.warning("object store away", reason=type(error).__name__)
            raise ObjectsAway(type(error).__name__) from error
