# One-shot job: PyTorch weights -> ONNX -> the model repository on a volume.
# Build from the repository's root: docker build -f deploy/docker/export.Dockerfile .
# An index that carries CPU builds of torch, given as TORCH_INDEX_URL, saves several GB.
FROM python:3.11-slim-bookworm

ARG TORCH_INDEX_URL=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_EXTRA_INDEX_URL=${TORCH_INDEX_URL}
# What OpenCV's wheel links to.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home facestats
WORKDIR /source
COPY pyproject.toml setup.py constraints.txt README.md LICENSE THIRD_PARTY_NOTICES.md ./
COPY core core
COPY cli cli
COPY export export
COPY local_triton local_triton
COPY model_repository model_repository
COPY examples examples
# The wheel carries the model repository. The volumes' mount points must exist with the job's owner, because a new named
# volume takes both from them.
RUN pip install -c constraints.txt '.[export]' \
    && mkdir -p /models /weights \
    && chown 10001:10001 /models /weights

ENV HF_HOME=/weights/huggingface
USER 10001
ENTRYPOINT ["facestats"]
# Another command on the same volume: rollback --repository /models.
CMD ["export", "--output", "/models"]
