#!/usr/bin/env bash
# Live exchange, both ways, with pyas2lib over HTTP on loopback. See README.md.
#   pyas2.sh               our interop_peer against pyas2lib
#   pyas2.sh --self-test   pyas2lib against itself: proves the station and the driver
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need openssl python3 timeout cmp mktemp
install_pyas2lib
theirs="$venv/bin/python $here/pyas2_peer.py"
extra=()
if [[ "${1:-}" == --self-test ]]; then
    ours="${AS2_INTEROP_PEER:-$theirs}"
    extra=(--self-test)
else
    [[ -n "${AS2_INTEROP_PEER:-}" ]] || need cargo
    ours="$(our_peer)"
fi

scratch
make_identity left
make_identity right
timeout 900 python3 "$here/drive.py" --script pyas2.sh --left "$ours" --right "$theirs" --keys "$work/keys" --work "$work" \
    "${extra[@]}"
