"""The demo: two sites, the vendors' stand-in and a proxy on ``*.localhost``; nothing of it stays."""
