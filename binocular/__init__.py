"""Binocular's shared library: settings, errors, the object store and the processes of one machine.

    from binocular import Client
    Client().predict("photo.jpg").label

Every other folder (`components`, `pipeline`, `serving`, `gateway`) may import it; it imports none of them,
and never tensorflow.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from binocular.client import Client

__all__ = ["Client"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever is asked for
    """Import the client when it is asked for: a step or a server that never does shall not pay for it."""
    if name != "Client":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from binocular.client import Client  # noqa: PLC0415

    return Client
