"""What differs between installations: `LINLI_…` variables, or files of those names in a folder of secrets.

docs/operations.md has the list. Everything is checked before anything starts, and every fault is named at once.
"""

import json
import os
import re
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.clock import Clock, system_clock

PREFIX = "LINLI_"
SECRETS = "LINLI_SECRETS"
OTHERS = {SECRETS, "LINLI_SAMPLE_PASSWORD", "LINLI_JAVA"}  # read elsewhere
POSTGRES = "postgresql://user:password@host:port/database is expected"
EXPECTED = {
    "database_url": POSTGRES,
    "owner_url": POSTGRES,
    "server_url": POSTGRES,
    "bus_url": POSTGRES,
    "installation_key": "64 hex digits are expected",
    "kafka": "host:port,host:port,… is expected",
    "listen": "host:port is expected",
    "services": '"http://{name}:8000" or {"identity": "http://…", …} is expected',
    "traces": "an http:// or https:// address is expected",
    "kafka_ca": "there is no such file",
    "s3": "https://host/bucket or https://host/bucket/prefix is expected",
    "s3_ca": "there is no such file",
    "proxies": "addresses or networks are expected: 10.0.0.5,10.1.0.0/16",
}
NO_BUS = "LINLI_KAFKA: say host:port of the brokers (or LINLI_BUS_URL)"
_POSTGRES = ("postgresql", "postgresql+psycopg")


class SettingsFault(Exception):
    """Settings that can't work: `faults` has a line for each."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


class Settings(BaseSettings):
    """The settings of one process."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", hide_input_in_errors=True)

    needed: tuple[str, ...] = ()  # what this process can't do without
    database_url: str | None = None
    owner_url: str | None = None
    server_url: str | None = None
    bus_url: str | None = None
    installation_key: str | None = Field(default=None, pattern="^[0-9a-fA-F]{64}$")
    kafka: str | None = Field(default=None, pattern=r"^[\w.-]+:\d{1,5}(,[\w.-]+:\d{1,5})*$")
    kafka_prefix: str = Field(default="", pattern=r"^[\w.-]{0,100}$")
    kafka_copies: int = Field(default=1, ge=1, le=9)
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_username: str | None = None
    kafka_password: str | None = None
    kafka_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_ca: Path | None = None
    kafka_session_seconds: float = Field(default=10, ge=1, le=300)
    kafka_poll_seconds: float = Field(default=60, ge=3, le=3600)
    kafka_delivery_seconds: float = Field(default=10, ge=1, le=300)
    listen: str = Field(default="127.0.0.1:8000", pattern=r"^[\w.:\[\]-]+:\d{1,5}$")
    services: str = "http://{name}:8000"
    pool: int | None = Field(default=None, ge=2, le=100)
    ready_lag: int = Field(default=1000, ge=0)
    log_file: Path | None = None
    traces: str | None = None
    s3: str | None = None
    s3_access_key: str | None = None
    s3_secret_key: str | None = None
    s3_region: str = Field(default="us-east-1", pattern=r"^[\w-]{1,40}$")
    s3_ca: Path | None = None
    proxies: str = ""
    clock_shift_seconds: float = Field(default=0, ge=-400 * 86_400, le=0)

    @field_validator("database_url", "owner_url", "server_url", "bus_url")
    @classmethod
    def _postgres(cls, value: str | None) -> str | None:
        if value is None:
            return None
        scheme, _, rest = value.partition("://")
        if scheme not in _POSTGRES or not rest:
            raise ValueError
        return f"postgresql+psycopg://{rest}"

    @field_validator("kafka_ca", "s3_ca")
    @classmethod
    def _file(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError
        return value

    @field_validator("traces")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in ("http", "https"):
            raise ValueError
        return value

    @field_validator("s3")
    @classmethod
    def _bucket(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        at_fault = parts.username or parts.query or parts.fragment or parts.port == 0
        bucket = parts.path.strip("/").partition("/")[0]
        if parts.scheme not in ("http", "https") or not parts.hostname or at_fault:
            raise ValueError
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", bucket) or "//" in parts.path:
            raise ValueError
        return value

    @field_validator("proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        for each in value.split(",") if value else ():
            ip_network(each.strip())
        return value

    @field_validator("services")
    @classmethod
    def _addresses(cls, value: str) -> str:
        try:
            _service_address(value, "identity")
        except (KeyError, AttributeError, IndexError, TypeError) as error:
            raise ValueError from error
        return value

    @model_validator(mode="wrap")
    @classmethod
    def _name_every_fault(cls, given: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        needed = given.get("needed", ())
        faults = [f"{PREFIX}{n.upper()}: is needed here" for n in needed if n != "bus" and not given.get(n)]
        if "bus" in needed and not (given.get("kafka") or given.get("bus_url")):
            faults.append(NO_BUS)
        security = str(given.get("kafka_security", ""))
        if security.startswith("SASL") and not (given.get("kafka_username") and given.get("kafka_password")):
            faults.append(f"{PREFIX}KAFKA_USERNAME, {PREFIX}KAFKA_PASSWORD: are needed for {security}")
        if given.get("s3"):
            lacking = [n for n in ("s3_access_key", "s3_secret_key") if not given.get(n)]
            faults += [f"{PREFIX}{n.upper()}: is needed with {PREFIX}S3" for n in lacking]
        try:
            made = validate(given)
        except ValidationError as error:
            faults += [
                f"{PREFIX}{str(each['loc'][0]).upper()}: {EXPECTED.get(str(each['loc'][0]), each['msg'])}"
                for each in error.errors()
            ]
        if faults:
            raise SettingsFault(faults)
        return made

    @classmethod
    def read(cls, *needed: str) -> Self:
        """The settings of this process; `needed` must be there ("bus": brokers or a log). SettingsFault names all faults."""
        folder = Path(os.environ.get(SECRETS) or "/run/secrets")
        faults = _unknown(set(cls.model_fields))
        if SECRETS in os.environ and not folder.is_dir():
            faults.append(f"{SECRETS}: there is no folder {folder}")
        try:
            found = cls(needed=needed, _secrets_dir=folder if folder.is_dir() else None)
        except SettingsFault as error:
            raise SettingsFault(faults + error.faults) from None
        if faults:
            raise SettingsFault(faults)
        return found

    @property
    def key(self) -> bytes:
        """The installation key. Only where `installation_key` was needed."""
        assert self.installation_key is not None
        return bytes.fromhex(self.installation_key)

    @property
    def clock(self) -> Clock | None:
        """None: each database's own. Else the present, shifted back: for suites that need daylight at night."""
        if not self.clock_shift_seconds:
            return None
        shift = timedelta(seconds=self.clock_shift_seconds)
        return lambda: system_clock() + shift

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to listen on."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    def service_address(self, name: str) -> str:
        """Where a service answers, without a slash at the end."""
        return _service_address(self.services, name)

    def kafka_security_settings(self) -> dict[str, Any]:
        """kafka-python's settings for TLS and SASL."""
        found: dict[str, Any] = {"security_protocol": self.kafka_security}
        if self.kafka_security.startswith("SASL"):
            found |= {
                "sasl_mechanism": self.kafka_mechanism,
                "sasl_plain_username": self.kafka_username,
                "sasl_plain_password": self.kafka_password,
            }
        if self.kafka_security.endswith("SSL") and self.kafka_ca is not None:
            found["ssl_cafile"] = str(self.kafka_ca)
        return found

    def kafka_times(self) -> dict[str, timedelta]:
        """How long a consumer may be silent, a batch may take, a send may wait."""
        session = timedelta(seconds=self.kafka_session_seconds)
        return {
            "session": session,
            "heartbeat": min(session / 3, timedelta(seconds=1)),
            "patience": timedelta(seconds=self.kafka_poll_seconds),
            "delivery": timedelta(seconds=self.kafka_delivery_seconds),
        }


def _service_address(said: str, name: str) -> str:
    address = str(json.loads(said)[name]) if said.startswith('{"') else said.format(name=name)
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(address)
    return address.rstrip("/")


def _unknown(fields: set[str]) -> list[str]:
    """Variables that look like settings and are none: mistyped ones would otherwise be silent."""
    known = {f"{PREFIX}{name.upper()}" for name in fields} | OTHERS
    return [
        f"{name}: there is no such setting"
        for name in sorted(os.environ)
        if name.startswith(PREFIX) and not name.startswith(f"{PREFIX}TEST_") and name not in known
    ]
