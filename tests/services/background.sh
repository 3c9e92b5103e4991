# What the services of the tests share: a process in the background, known by the folder $state that the script has set.
# To be sourced.

fail() {
    echo "$(basename "$0"): $1" >&2
    exit 3
}

running() {
    [ -s "$state/pid" ] && kill -0 "$(cat "$state/pid")" 2>/dev/null
}

# Waits until the command succeeds. Ends the script when the process has ended before, or after $ready_within_s.
await_ready() {
    waited=0
    until "$@" >/dev/null 2>&1; do
        running || fail "it ended: $(tail -n 3 "$state/log")"
        [ "$waited" -lt $((ready_within_s * 5)) ] || fail "it is not ready after $ready_within_s s; see $state/log"
        sleep 0.2
        waited=$((waited + 1))
    done
}

stop() {
    if running; then
        pid=$(cat "$state/pid")
        kill "$pid"
        waited=0
        while kill -0 "$pid" 2>/dev/null; do
            [ "$waited" -lt 50 ] || kill -9 "$pid" 2>/dev/null || true
            sleep 0.2
            waited=$((waited + 1))
        done
    fi
    rm -rf "$state"
}

# start, env or stop.
main() {
    case ${1:-} in
    start) start ;;
    env) running || fail "none runs"; print_env ;;
    stop) stop ;;
    *) echo "usage: $0 start|env|stop" >&2; exit 2 ;;
    esac
}
