"""One small app a framework, all alike: ``/``, ``/who``, ``/login``, ``/join``, ``/slow``, ``/static/``."""
