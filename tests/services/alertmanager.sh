#!/bin/sh
# Prometheus Alertmanager for the tests: one instance on 127.0.0.1 and a free port, data in a temporary folder.
#
#   eval "$(tests/services/alertmanager.sh start)"   starts it unless it runs, and exports CLAVIGER_TEST_ALERTMANAGER
#   tests/services/alertmanager.sh env               prints the export of a running one
#   tests/services/alertmanager.sh stop              stops it and deletes its data; fine when none runs
#
# Needs the Debian package prometheus-alertmanager (its daemon need not run) and curl.
set -eu

state=${TMPDIR:-/tmp}/claviger-test-alertmanager-$(id -u)
ready_within_s=30
. "$(dirname "$0")/background.sh"

print_env() {
    echo "export CLAVIGER_TEST_ALERTMANAGER=http://127.0.0.1:$(cat "$state/port")"
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' 2>/dev/null ||
        fail "no free port"
}

start() {
    running && { print_env; return; }
    stop
    binary=$(command -v prometheus-alertmanager || command -v alertmanager) || fail "prometheus-alertmanager is not installed"
    mkdir -p "$state"
    port=$(free_port)
    cat >"$state/config.yml" <<'CONFIG'
route:
  receiver: nobody
receivers:
  - name: nobody
CONFIG
    # It outlives this script, and must not hold the caller's output open. No cluster: nothing listens beyond loopback.
    "$binary" --config.file="$state/config.yml" --storage.path="$state/data" --web.listen-address="127.0.0.1:$port" \
        --cluster.listen-address= >"$state/log" 2>&1 </dev/null &
    echo $! >"$state/pid"
    echo "$port" >"$state/port"

    await_ready curl -fs "http://127.0.0.1:$port/-/ready"
    print_env
}

main "$@"
