"""``kmproxy serve`` as a service: its processes, signals, reloads, and what systemd is told."""
