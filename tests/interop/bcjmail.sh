#!/usr/bin/env bash
# Our messages taken apart by Bouncy Castle's S/MIME (bcjmail), and its messages opened by us. See README.md.
#   bcjmail.sh                 our interop_peer against bcjmail
#   bcjmail.sh --record DIR    also keeps what bcjmail writes: how tests/vectors/recorded/bcjmail is made
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need openssl python3 java javac mvn timeout cmp mktemp
install_bcjmail
[[ -n "${AS2_INTEROP_PEER:-}" ]] || need cargo
ours="$(our_peer)"

scratch
[[ "${1:-}" != --record ]] || days=3650  # fixtures shall stay readable
make_identity us
make_identity them
make_ec_identity p256 P-256
make_ec_identity p384 P-384
javac -d "$work/classes" -cp "$bcjmail_jars" "$here/Smime.java"
timeout 300 python3 "$here/bcjmail.py" --smime "java -cp $work/classes:$bcjmail_jars Smime" --peer "$ours" \
    --work "$work" "$@"
