#!/usr/bin/env bash
# Instructions that messages cost as they grow, counted by callgrind: four times the length may cost four times as much.
#   growth.sh [NAME...]     all messages of tests/growth/inputs.rs, or those named
# Prints instructions per octet and the ratio of both growths for each message and way of reading it.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

if [[ "${CI:-}" == true ]] && ! command -v valgrind >/dev/null 2>&1; then
    sudo apt-get update -q && sudo apt-get install -qy valgrind
fi
need cargo valgrind python3 awk

# A stream keeps the first 64 KiB to tell a message from a receipt, so growth is counted from a length beyond that:
# from there, four times as much more may cost 4.4 times as much more. The slack is what RSA blinding makes of chance.
base=73728
least="${AS2_GROWTH_LENGTH:-49152}"
slack=5000000
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
        none="$(instructions "$name" "$way" "$base")"
        few="$(instructions "$name" "$way" $((base + least)))"
        many="$(instructions "$name" "$way" $((base + 4 * least)))"
        awk -v name="$name" -v way="$way" -v few=$((few - none)) -v many=$((many - none)) -v least="$least" \
            -v limit="$limit" -v slack="$slack" 'BEGIN {
                bad = (many > limit * few + slack)
                printf "%-28s %-8s %14.0f %8.2f%s\n", name, way, many / (4 * least), many / (few > 0 ? few : 1), (bad ? "  TOO MUCH" : "")
                exit bad
            }' || failed=$((failed + 1))
    done
done
[[ $failed -eq 0 ]] || { echo "$failed grow faster than their length" >&2; exit 1; }
echo "all grow with their length"
