"""Which services there are, and where each declares itself and keeps its migrations."""

import importlib
from pathlib import Path

from shared.web.app import Service

NAMES = ("identity", "community", "volunteers", "daycare", "projects", "matcher", "portal")


def service(name: str) -> Service:
    """A service's declaration. Imported when asked for: nobody loads a solver to serve a sign-in."""
    declared = importlib.import_module(f"services.{name}.app").SERVICE
    assert isinstance(declared, Service)
    return declared


def migrations(name: str) -> Path:
    """The folder of a service's migrations."""
    return Path(__file__).parent / name / "migrations"
