"""Settings: read from variables and from files, all faults named at once."""

import os
from pathlib import Path

import pytest

from shared.settings import Settings, SettingsFault


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:

    for name in list(os.environ):
        if name.startswith("LINLI_"):
            monkeypatch.delenv(name)


def test_every_fault_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "LINLI_KAFKA": "no port",
        "LINLI_KAFKA_SECURITY": "SASL_SSL",
        "LINLI_KAFKA_CA": "/nowhere/ca.pem",
        "LINLI_OWNER_URL": "mysql://somebody@somewhere/else",
        "LINLI_POOL": "many",
        "LINLI_LISTEN": "8000",
        "LINLI_SERVICES": "{nonsense}",
        "LINLI_TRACES": "collector:4318",
        "LINLI_PROXIES": "10.0.0.5,proxy",
        "LINLI_S3": "https://user@storage/files",
        "LINLI_S3_CA": "/nowhere/s3.pem",
        "LINLI_S3_SECRET_KEY": "",
        "LINLI_KAKFA": "typing error",
        "LINLI_SECRETS": "/nowhere",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsFault) as caught:
        Settings.read("database_url", "installation_key", "bus")
    named = {fault.split(":")[0] for fault in caught.value.faults}
    assert named == {
        "LINLI_KAFKA",
        "LINLI_KAFKA_USERNAME, LINLI_KAFKA_PASSWORD",
        "LINLI_KAFKA_CA",
        "LINLI_OWNER_URL",
        "LINLI_POOL",
        "LINLI_LISTEN",
        "LINLI_SERVICES",
        "LINLI_TRACES",
        "LINLI_PROXIES",
        "LINLI_S3",
        "LINLI_S3_CA",
        "LINLI_S3_ACCESS_KEY",
        "LINLI_S3_SECRET_KEY",
        "LINLI_KAKFA",
        "LINLI_SECRETS",
        "LINLI_DATABASE_URL",
        "LINLI_INSTALLATION_KEY",
    }


def test_no_fault_shows_what_a_secret_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINLI_DATABASE_URL", "mysql://u:topsecret@h/db")
    monkeypatch.setenv("LINLI_INSTALLATION_KEY", "topsecret")
    with pytest.raises(SettingsFault) as caught:
        Settings.read("bus")
    assert len(caught.value.faults) == 3
    assert "topsecret" not in str(caught.value)


def test_secrets_come_from_files_and_variables_win(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "linli_database_url").write_text("postgresql://a:b@c:5432/d\n")
    (tmp_path / "linli_installation_key").write_text("ab" * 32)
    (tmp_path / "linli_kafka").write_text("from-a-file:9092")
    monkeypatch.setenv("LINLI_SECRETS", str(tmp_path))
    monkeypatch.setenv("LINLI_KAFKA", "one:9092,two:9092")
    found = Settings.read("database_url", "installation_key", "bus")
    assert found.database_url == "postgresql+psycopg://a:b@c:5432/d"
    assert found.key == bytes.fromhex("ab" * 32)
    assert found.kafka == "one:9092,two:9092"


def test_services_are_found_by_a_pattern_or_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.read().service_address("daycare") == "http://daycare:8000"
    monkeypatch.setenv("LINLI_SERVICES", '{"identity": "http://127.0.0.1:1/", "daycare": "https://care:2"}')
    found = Settings.read()
    assert found.service_address("identity") == "http://127.0.0.1:1"
    assert found.service_address("daycare") == "https://care:2"


def test_kafka_by_password_over_tls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("")
    for name, value in {
        "LINLI_KAFKA": "broker:9093",
        "LINLI_KAFKA_SECURITY": "SASL_SSL",
        "LINLI_KAFKA_USERNAME": "daycare",
        "LINLI_KAFKA_PASSWORD": "secret",
        "LINLI_KAFKA_CA": str(authority),
        "LINLI_KAFKA_SESSION_SECONDS": "3",
    }.items():
        monkeypatch.setenv(name, value)
    found = Settings.read("bus")
    assert found.kafka_security_settings() == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "daycare",
        "sasl_plain_password": "secret",
        "ssl_cafile": str(authority),
    }
    assert found.kafka_times()["heartbeat"].total_seconds() == 1
