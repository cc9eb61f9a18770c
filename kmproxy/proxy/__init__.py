"""The reverse proxy: aiohttp serves, our own connection asks the upstream, the engine decides."""
