"""kmproxy beside its peers: ``python -m tests.bench`` from the project's root."""
