# The gateway: FastAPI and MediaPipe, without torch and without a server of models.
# Build from the repository's root: docker build -f deploy/docker/gateway.Dockerfile .
FROM python:3.11-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
RUN python -m venv /opt/facestats
ENV PATH=/opt/facestats/bin:$PATH
COPY pyproject.toml setup.py constraints.txt README.md LICENSE THIRD_PARTY_NOTICES.md ./
COPY core core
COPY gateway gateway
COPY cli cli
# The wheel that is built here holds these parts: neither the export nor the container-free Triton.
# MediaPipe declares jax, which Face Mesh never imports: 350 MB of an image that is pulled often.
RUN pip install -c constraints.txt . && pip uninstall --yes jax jaxlib

FROM python:3.11-slim-bookworm

# What OpenCV's wheel links to.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home facestats
COPY --from=build /opt/facestats /opt/facestats
ENV PATH=/opt/facestats/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLCONFIGDIR=/tmp \
    FACESTATS_HOST=0.0.0.0 \
    FACESTATS_PORT=8080

USER 10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=3)"]
CMD ["facestats", "gateway"]
