"""One small app a framework, all alike: ``/``, ``/who``, ``/login``, ``/slow`` and ``/static/``."""
