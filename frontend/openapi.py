"""Writes what the lab's server says about itself, from which `npm run types` makes the front end's types."""

import json
import sys
import tempfile

from pellucid.server import make_app

with tempfile.TemporaryDirectory() as folder:
    json.dump(make_app(store=folder).openapi(), sys.stdout, indent=1)
