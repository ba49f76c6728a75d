#!/bin/sh
# fuzz/run.sh SECONDS [TARGET…]: builds and runs each target, or all, for SECONDS from their corpora.
# Works on a stable toolchain. Fails if a target does; what made it fail is in fuzz/artifacts.
set -eu
cd "$(dirname "$0")/.."
seconds=$1
shift
[ $# -gt 0 ] || set -- $(cargo fuzz list)
export RUSTC_BOOTSTRAP=1
# libdeflate includes one template several times, which AddressSanitizer takes for a clash of names.
export ASAN_OPTIONS="detect_odr_violation=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
fuzz/seed.sh
cargo fuzz build
failed=
for target; do
    echo "== $target"
    cargo fuzz run "$target" -- -max_total_time="$seconds" -rss_limit_mb=2048 -malloc_limit_mb=1024 \
        -timeout=25 -max_len=65536 -print_final_stats=1 || failed="$failed $target"
done
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
