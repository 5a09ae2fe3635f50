#!/bin/sh
# The client generators and linters that the tests hold our OpenAPI document against, in .venv-generators: OpenAPI
# Generator and openapi-python-client (whose requirements contradict ours), redocly, spectral and TypeScript.
# What cannot be installed is named, and its tests skip.
set -u

python=${PYTHON:-python3.11}
home=.venv-generators
[ -e "$home/.ready" ] && exit 0

if ! { "$python" -m venv "$home" && "$home/bin/python" -m pip install --quiet \
    "openapi-python-client==0.29.1" "openapi-generator-cli==7.26.0" ruff urllib3 python-dateutil pydantic; }; then
    echo "Some tests will be skipped: the client generators could not be installed." >&2
    exit 0
fi
if ! command -v npm >/dev/null; then
    echo "Some tests will be skipped for want of npm (Debian: apt-get install npm)." >&2
    exit 0
fi
if ! npm install --silent --no-fund --no-audit --prefix "$home" "@redocly/cli@2" "@stoplight/spectral-cli@6" "typescript@6" >/dev/null; then
    echo "Some tests will be skipped: the OpenAPI linters could not be installed." >&2
    exit 0
fi
touch "$home/.ready"
