# One small host: gateway and container-free Triton (CPU) in one image with the exported models inside, no volume needed.
# Build from the repository's root: docker build -f deploy/docker/all-in-one.Dockerfile .
FROM python:3.11-slim-bookworm AS export

ARG TORCH_INDEX_URL=""
ARG WEIGHTS=auto
ARG REGRESSOR=auto
ARG PRECISION=fp32
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_EXTRA_INDEX_URL=${TORCH_INDEX_URL}
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY pyproject.toml setup.py constraints.txt README.md LICENSE THIRD_PARTY_NOTICES.md ./
COPY core core
COPY cli cli
COPY export export
COPY local_triton local_triton
COPY model_repository model_repository
COPY examples examples
RUN pip install -c constraints.txt '.[export]' \
    && facestats export --weights "${WEIGHTS}" --regressor "${REGRESSOR}" --precision "${PRECISION}" --output /opt/facestats/model_repository

FROM python:3.11-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY pyproject.toml setup.py constraints.txt README.md LICENSE THIRD_PARTY_NOTICES.md ./
COPY core core
COPY gateway gateway
COPY cli cli
COPY export export
COPY local_triton local_triton
COPY model_repository model_repository
COPY examples examples
# hadolint ignore=DL3013
RUN pip install -c constraints.txt '.[triton]' && pip uninstall --yes jax jaxlib

FROM python:3.11-slim-bookworm

# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home facestats
COPY --from=build /opt/venv /opt/venv
COPY --from=export --chown=10001:10001 /opt/facestats/model_repository /opt/facestats/model_repository
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 MPLCONFIGDIR=/tmp
WORKDIR /opt/facestats

USER 10001
EXPOSE 10000
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ.get(\"PORT\", 10000)}/readyz', timeout=3)"]
# The host says in PORT where it wants to be answered; the shell is replaced, so signals reach the stack.
CMD ["sh", "-c", "exec facestats up --host 0.0.0.0 --port \"${PORT:-10000}\" --repository model_repository"]
