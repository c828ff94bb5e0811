#!/usr/bin/env bash
# Live exchange, both ways, with libas2 (Node) over HTTP on loopback. See README.md.
#   libas2.sh                 our interop_peer against libas2
#   libas2.sh --record DIR    also keeps what libas2 writes: how tests/vectors/recorded/libas2 is made
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need openssl python3 node npm timeout cmp mktemp
install_libas2
[[ -n "${AS2_INTEROP_PEER:-}" ]] || need cargo
ours="$(our_peer)"
export AS2_LIBAS2_MODULES="$libas2_modules"

# libas2 unwraps PKCS #1 v1.5 with a call that Node has taken away (20.11.1 and later); the question here is libas2.
node=(node)
node --security-revert=CVE-2023-46809 -e 0 >/dev/null 2>&1 && node+=(--security-revert=CVE-2023-46809)

scratch
[[ "${1:-}" != --record ]] || days=3650  # fixtures shall stay readable
make_identity left
make_identity right
timeout 900 python3 "$here/drive.py" --script libas2.sh --left "$ours" --right "${node[*]} $here/libas2_peer.mjs" \
    --keys "$work/keys" --work "$work" "$@"
