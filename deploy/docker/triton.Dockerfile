# NVIDIA's Triton 2.51.0 with its native ONNX Runtime backend, plus what the Python model image_decoder imports.
# Build from the repository's root: docker build -f deploy/docker/triton.Dockerfile .
FROM nvcr.io/nvidia/tritonserver:24.10-py3

COPY deploy/docker/triton-requirements.txt /opt/facestats/requirements.txt
RUN pip install --no-cache-dir --requirement /opt/facestats/requirements.txt

# The decoder is the core's own, so gateway and Triton turn a file into the same pixels.
COPY core/facestats /opt/facestats/facestats
ENV PYTHONPATH=/opt/facestats PYTHONDONTWRITEBYTECODE=1

# TensorRT's engines are built at the first start (minutes) and kept on a volume, which takes its owner from here.
RUN mkdir /engines && chown 1000:1000 /engines
# The base image's own unprivileged user, triton-server.
USER 1000
EXPOSE 8000 8001 8002
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s --retries=3 \
    CMD ["curl", "--fail", "--silent", "--output", "/dev/null", "http://127.0.0.1:8000/v2/health/ready"]

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
     "--log-verbose=0"]
