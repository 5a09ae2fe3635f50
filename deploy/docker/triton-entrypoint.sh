#!/bin/sh
# NVIDIA's entry point, with the calls closed that nobody needs to be served (SECURITY.md). Triton closes calls to whoever
# does not know the value of a header: here one that nobody is told, new at every start.
set -eu

if [ "${1:-}" = tritonserver ] && [ -n "${TRITON_CLOSED_APIS:-}" ]; then
    closed="$TRITON_CLOSED_APIS:closed=$(cat /proc/sys/kernel/random/uuid)"
    set -- "$@" "--http-restricted-api=$closed" "--grpc-restricted-protocol=$closed"
fi
exec /opt/nvidia/nvidia_entrypoint.sh "$@"
