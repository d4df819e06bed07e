"""The lab in the browser: its server."""

from pellucid.server.app import make_app

__all__ = ["make_app"]
