"""Runs the command line: `fingerpost` and `python -m fingerpost`."""

import os
import sys

_NEEDED = {
    "typer",
    "rich",
    "pydantic",
    "pydantic_settings",
    "numpy",
    "faiss",
    "onnxruntime",
    "tokenizers",
    "structlog",
    "yaml",
    "grpc_health",
    "grpc_reflection",
    "grpc_status",
}


def main() -> None:
    """Run the command line, or say which extra it needs: the base install holds the client alone."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # the library's own lines beside ours help nobody
    try:
        from fingerpost.cli import run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _NEEDED:
            raise
        sys.exit("fingerpost: the command needs the server extra: pip install 'fingerpost[server]'")
    run()


if __name__ == "__main__":
    main()
