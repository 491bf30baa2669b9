"""The services as JSON under ``/api/v1``, described at ``/api/v1/openapi.json``."""
