# Build: docker build -t kmproxy .
# Run:   docker run -p 8080:8080 -v ./kmproxy.toml:/etc/kmproxy/kmproxy.toml:ro -v kmproxy:/var/lib/kmproxy kmproxy

FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY kmproxy kmproxy
RUN python -m venv /opt/kmproxy && /opt/kmproxy/bin/pip install --no-cache-dir ".[redis]"

FROM python:3.11-slim
COPY --from=build /opt/kmproxy /opt/kmproxy
RUN useradd --system --uid 10001 --home-dir /var/lib/kmproxy --create-home kmproxy
USER kmproxy
# The outbox's default path is relative: on a volume, it outlives the container.
WORKDIR /var/lib/kmproxy
VOLUME /var/lib/kmproxy
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
    CMD ["/opt/kmproxy/bin/python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8081/healthz', timeout=2)"]
ENTRYPOINT ["/opt/kmproxy/bin/kmproxy"]
CMD ["serve"]
