"""Tests in a real browser: Chromium, nginx, ``kmproxy serve`` and the vendor's own SDK.

A package, so that its fixtures end with it: while playwright's sync API is open, its thread
counts as one with a running event loop, in which no asynchronous test of another folder can run.
"""
