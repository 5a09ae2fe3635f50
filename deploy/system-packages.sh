#!/bin/sh
# The few system libraries that wheels cannot carry: OpenCV and MediaPipe load libGL and GLib, Triton's Python backend
# loads the interpreter's shared library. Chromium is for the browser tests.
set -eu

missing=""
has_library() { ldconfig -p | grep -q "$1"; }
has_library libGL.so.1 || missing="$missing libgl1"
has_library libglib-2.0.so.0 || missing="$missing libglib2.0-0"
has_library libEGL.so.1 || missing="$missing libegl1"
[ -d /usr/share/doc/python3.11-venv ] || [ "$(command -v python3.11 || true)" != /usr/bin/python3.11 ] || missing="$missing python3.11-venv"
[ "$(command -v python3.11 || true)" != /usr/bin/python3.11 ] || has_library libpython3.11.so.1.0 || missing="$missing libpython3.11"

[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
    echo "Missing system libraries. Install them with: sudo apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
echo "Installing system libraries:$missing"
apt-get update -qq
# shellcheck disable=SC2086 # a list of package names
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
