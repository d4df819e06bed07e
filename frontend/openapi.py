"""Writes what the lab's server says about itself, a course on it, from which `npm run types` makes the front end's types."""

import json
import sys
import tempfile
from pathlib import Path

from pellucid.course.storage import Course, Database
from pellucid.server import make_app

with tempfile.TemporaryDirectory() as folder:
    course = Course(Database(f"sqlite:///{Path(folder) / 'course.db'}"))  # opens nothing, since nothing is asked of it
    json.dump(make_app(store=folder, course=course).openapi(), sys.stdout, indent=1)
