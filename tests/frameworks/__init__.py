"""The middlewares in real frameworks under real servers, each a process on loopback."""
