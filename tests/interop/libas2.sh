#!/usr/bin/env bash
# Live exchange, both ways, with libas2 (Node) over HTTP on loopback. See README.md.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need openssl python3 node npm timeout cmp mktemp
install_libas2
[[ -n "${AS2_INTEROP_PEER:-}" ]] || need cargo
ours="$(our_peer)"
export AS2_LIBAS2_MODULES="$libas2_modules"

scratch
make_identity left
make_identity right
timeout 900 python3 "$here/drive.py" --script libas2.sh --left "$ours" --right "node $here/libas2_peer.mjs" \
    --keys "$work/keys" --work "$work" "$@"
