#!/bin/sh
# The programs that only tests use: Chromium (the page), Prometheus with promtool (alerts, dashboard), docker-compose
# (docker-compose.yml), curl (the documentation's calls) and a JDK (Java's own client, OpenAPI
# Generator). What cannot be installed is named, and its tests skip.
set -eu

missing=""
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing="$missing chromium"
{ command -v prometheus && command -v promtool; } >/dev/null || missing="$missing prometheus"
command -v docker-compose >/dev/null || missing="$missing docker-compose"
command -v curl >/dev/null || missing="$missing curl"
command -v java >/dev/null || missing="$missing default-jdk-headless"

[ -n "$missing" ] || exit 0
by_hand="sudo apt-get install --no-install-recommends$missing"
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "Some tests will be skipped for want of:$missing. On Debian: $by_hand" >&2
    exit 0
fi
echo "Installing what tests use:$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of package names
if ! { apt-get update -qq && apt-get install -y -qq -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 --no-install-recommends $missing >/dev/null; }; then
    echo "Some tests will be skipped: installing$missing failed." >&2
    exit 0
fi
# The tests start a Prometheus of their own; the package's service would run on for nobody.
case "$missing" in
*prometheus*) if [ -d /run/systemd/system ]; then systemctl disable --quiet --now prometheus; fi ;;
esac
