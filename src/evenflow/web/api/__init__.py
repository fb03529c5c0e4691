"""The REST API under ``/api/v1``, described by its OpenAPI document."""

from __future__ import annotations

from flask import Flask


def register(app: Flask) -> None:
    """Add the API to an application."""
