# NVIDIA's Triton 2.71.0 with its native ONNX Runtime backend, plus what the Python models import. The release below is
# the only place that says it; tests hold every other mention against it, and SECURITY.md says why it is not an older one.
# Build from the repository's root: docker build -f deploy/docker/triton.Dockerfile .
FROM nvcr.io/nvidia/tritonserver:26.07-py3

# What OpenCV's wheel links to.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0t64 \
    && rm -rf /var/lib/apt/lists/*

# Beside the packages of the system's Python 3.12, whose NumPy is not MediaPipe's. Nobody imports the jax it declares.
COPY constraints.txt deploy/docker/triton-requirements.txt /opt/facestats/
RUN pip install --no-cache-dir --target /opt/facestats/packages \
        --constraint /opt/facestats/constraints.txt --requirement /opt/facestats/triton-requirements.txt \
    && rm -rf /opt/facestats/packages/jax /opt/facestats/packages/jaxlib

# Pixels, measurements and documents are the core's own, so Triton's are the gateway's.
COPY core/facestats /opt/facestats/facestats
COPY deploy/docker/triton-entrypoint.sh /opt/facestats/entrypoint.sh
ENV PYTHONPATH=/opt/facestats/packages:/opt/facestats PYTHONDONTWRITEBYTECODE=1 MPLCONFIGDIR=/tmp
# What is taken out of this list is open to whoever reaches the ports.
ENV TRITON_CLOSED_APIS=shared-memory,model-repository,trace,logging

# TensorRT's engines are built at the first start (minutes) and kept on a volume, which takes its owner from here.
RUN mkdir /engines && chown 1000:1000 /engines
# The base image's own unprivileged user, triton-server.
USER 1000
EXPOSE 8000 8001 8002
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s --retries=3 \
    CMD ["curl", "--fail", "--silent", "--output", "/dev/null", "http://127.0.0.1:8000/v2/health/ready"]

ENTRYPOINT ["sh", "/opt/facestats/entrypoint.sh"]
# Polling picks up a new export; nobody can load or unload a model over the network in this mode. Strict readiness would
# call the server unready for good once a new version failed to load, though the one before serves on. Connections end
# after ten seconds, so that gateways look the name up again: they find replicas that were added, and leave one that was
# taken out of the name before it stops (preStop in deploy/kubernetes/base/triton.yaml).
CMD ["tritonserver", \
     "--model-repository=/models", \
     "--model-config-name=exported", \
     "--model-control-mode=poll", \
     "--repository-poll-secs=15", \
     "--strict-readiness=false", \
     "--exit-timeout-secs=30", \
     "--grpc-max-connection-age=10000", \
     "--grpc-max-connection-age-grace=60000", \
     "--allow-vertex-ai=false", \
     "--allow-sagemaker=false", \
     "--log-verbose=0"]
