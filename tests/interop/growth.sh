#!/usr/bin/env bash
# Instructions that messages cost at two lengths, counted by callgrind: four times the length may cost four times as much.
#   growth.sh [NAME...]     all messages of tests/growth/inputs.rs, or those named
# Prints instructions per octet and the ratio of both lengths for each message and way of reading it.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [[ "${CI:-}" == true ]] && ! command -v valgrind >/dev/null 2>&1; then
    sudo apt-get update -q && sudo apt-get install -qy valgrind
fi
need cargo valgrind python3 awk

# Long enough that a stream does not keep the whole message to tell it from a receipt (64 KiB).
least="${AS2_GROWTH_LENGTH:-73728}"
limit=4.4
failed=0

program="$(cd "$root" && cargo test --features full --test growth --no-run --message-format=json 2>/dev/null |
    python3 -c 'import json, sys
for line in sys.stdin:
    built = json.loads(line)
    if built.get("target", {}).get("name") == "growth" and built.get("executable"):
        print(built["executable"])')"
[[ -x "$program" ]] || { echo "tests/growth was not built" >&2; exit 1; }

# instructions NAME WAY LENGTH
instructions() {
    AS2_GROWTH="$1 $2 $3" timeout 600 valgrind --tool=callgrind --callgrind-out-file=/dev/null \
        "$program" --exact one_message 2>&1 | tee "$work/log" | awk '/Collected/ { print $4; found = 1 } END { exit !found }'
    grep -q "1 passed" "$work/log" || { cat "$work/log" >&2; return 1; }
}

scratch
names=("$@")
if [[ ${#names[@]} -eq 0 ]]; then
    mapfile -t names < <(AS2_GROWTH="list memory 0" "$program" --exact one_message --nocapture | awk '$1 == "case" { print $2 }')
fi
[[ ${#names[@]} -gt 0 ]] || { echo "no messages" >&2; exit 1; }

printf '%-28s %-8s %14s %8s\n' message way "instr/octet" ratio
for name in "${names[@]}"; do
    for way in memory 1 1000; do
        few="$(instructions "$name" "$way" "$least")"
        many="$(instructions "$name" "$way" $((4 * least)))"
        awk -v name="$name" -v way="$way" -v few="$few" -v many="$many" -v least="$least" -v limit="$limit" 'BEGIN {
            ratio = many / few
            printf "%-28s %-8s %14.0f %8.2f%s\n", name, way, (many - few) / (3 * least), ratio, ratio > limit ? "  TOO MUCH" : ""
            exit ratio > limit
        }' || failed=$((failed + 1))
    done
done
[[ $failed -eq 0 ]] || { echo "$failed grow faster than their length" >&2; exit 1; }
echo "all grow with their length"
