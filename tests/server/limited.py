"""A server with small limits: python -m tests.server.limited LIBRARY --port 0 upload=1000,k=5"""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path

from bowerbird.server.app import create_app
from bowerbird.server.limits import Limits
from bowerbird.server.run import serve

TYPES = {field.name: float if field.type == "float" else int for field in fields(Limits)}

if __name__ == "__main__":
    library, _, port, settings = sys.argv[1:]
    given = dict(entry.split("=") for entry in settings.split(","))
    limits = Limits(**{name: TYPES[name](value) for name, value in given.items()})  # type: ignore[arg-type]
    serve(create_app(Path(library), limits=limits), "127.0.0.1", int(port), limits)
