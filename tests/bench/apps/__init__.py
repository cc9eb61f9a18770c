"""Apps that serve the upstream's pages, with and without kmproxy's middleware."""
