"""What a graph is made of, before it runs."""

from __future__ import annotations

from typing import Any


def deployments_of(app: Any) -> set[str]:
    """The names of all deployments that an application has, however deep."""
    deployment = app._bound_deployment
    found = {deployment.name}
    for value in (*deployment.init_args, *deployment.init_kwargs.values()):
        if hasattr(value, "_bound_deployment"):
            found |= deployments_of(value)
    return found
