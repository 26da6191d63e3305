# One image for gateway, worker, hydrator and topics; the command chooses. No shell wraps the process, so it gets
# its signals itself and needs no init. Runs with a read-only root file system and any user id.
FROM python:3.13.9-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH

WORKDIR /src
# The packages first, with those of archives: they change less often than the connector.
COPY requirements/archive.lock requirements/archive.lock
RUN pip install --require-hashes --requirement requirements/archive.lock
COPY pyproject.toml README.md ./
COPY config config
COPY connector connector
RUN pip install --no-deps --no-build-isolation .


FROM python:3.13.9-slim-bookworm

RUN groupadd --gid 10001 connector \
    && useradd --uid 10001 --gid connector --no-create-home --shell /usr/sbin/nologin connector \
    && install -d -o connector -g connector /data /archive
COPY --from=build /opt/venv /opt/venv
# The configuration is mounted here; the image has none, so that a change of it needs no build.
RUN install -d /etc/xtnd-connector

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    XTND_CONFIG_DIR=/etc/xtnd-connector \
    XTND_DATA_DIR=/data \
    XTND_ARCHIVE=/archive \
    XTND_HEALTH_URL=http://127.0.0.1:8081/healthz

# The gateway's spool; a worker keeps nothing here. Archives go to /archive, where a volume is to be mounted.
VOLUME /data
WORKDIR /tmp
USER 10001:10001
EXPOSE 8080

# The worker's admin port is 8082, the hydrator's 8083: set XTND_HEALTH_URL there, as docker-compose.yml does.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(os.environ['XTND_HEALTH_URL'], timeout=4)"]

ENTRYPOINT ["connector"]
CMD ["gateway", "--config", "/etc/xtnd-connector"]
