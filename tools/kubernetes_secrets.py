"""The Secrets that k8s/ refers to, with fresh passwords: `kubernetes_secrets.py | kubectl create -n linli -f -`, once.

`create` refuses to replace what is there. Keep a copy elsewhere: without the installation key nobody's data can be read.
Where a vault is the source instead, these names and keys are what it has to bring (docs/operations.md, "Kubernetes").
Standard library only.
"""

import json
import secrets
import sys
from typing import Any

SERVICES = ("identity", "community", "volunteers", "daycare", "projects", "matcher", "portal")
HOST = "postgres-rw:5432"  # in both overlays


def secret(name: str, content: dict[str, str], kind: str = "Opaque") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": kind,
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "linli"}},
        "stringData": content,
    }


def role(name: str, role_name: str, password: str) -> dict[str, Any]:
    """A role's name and password, as PostgreSQL's side of both overlays reads it."""
    content = {"username": role_name, "password": password}
    made = secret(name, content, "kubernetes.io/basic-auth")
    made["metadata"]["labels"]["cnpg.io/reload"] = "true"
    return made


def everything() -> list[dict[str, Any]]:
    """Every Secret, consistent with the others. The superuser's is the single node's only."""
    key = secrets.token_hex(32)
    made = [role("postgres-superuser", "postgres", secrets.token_hex(24))]
    for name in SERVICES:
        password, owners = secrets.token_hex(24), secrets.token_hex(24)
        database = f"linli_{name}"
        made += [
            role(f"postgres-{name}", database, password),
            role(f"postgres-{name}-owner", f"{database}_owner", owners),
            secret(
                f"linli-{name}",
                {
                    "linli_database_url": f"postgresql://{database}:{password}@{HOST}/{database}",
                    "linli_installation_key": key,
                },
            ),
            secret(
                f"linli-{name}-owner",
                {"linli_owner_url": f"postgresql://{database}_owner:{owners}@{HOST}/{database}"},
            ),
        ]
    return made


if __name__ == "__main__":
    json.dump({"apiVersion": "v1", "kind": "List", "items": everything()}, sys.stdout, indent=1)
    sys.stdout.write("\n")
