#!/usr/bin/env bash
# The dashboard's tests in a real Chromium: against made-up answers for states that cannot be brought about at will, and,
# with a built binary (CLAVIGER_TEST_BINARY), against a running demo. Installs what is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

as_root() {
    if (($(id -u) == 0)); then "$@"; else sudo -n "$@"; fi
}

missing=()
command -v node >/dev/null || missing+=(nodejs npm)
command -v "${CHROMIUM:-chromium}" >/dev/null || missing+=(chromium)
command -v promtool >/dev/null || missing+=(prometheus)
fc-list 2>/dev/null | grep -q . || missing+=(fonts-liberation fontconfig)
if ((${#missing[@]} > 0)); then
    as_root apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
fi

npm ci --ignore-scripts --silent
promtool check rules ../../dashboards/prometheus/claviger.rules.yml
(cd ../../dashboards/prometheus && promtool test rules claviger.rules_test.yml)
# The whole matrix takes ten minutes: files may be named.
exec node --test --test-concurrency=2 "$@"
