#!/usr/bin/env bash
# Every algorithm in both directions against `openssl cms`: keys of each kind, one message each. See README.md.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need openssl python3 timeout cmp mktemp
[[ -n "${AS2_INTEROP_PEER:-}" ]] || need cargo
read -r -a peer <<<"$(our_peer)"

scratch
mkdir -p "$work/keys"
keys="$work/keys"
passed=0

tool() { timeout 60 python3 -I -S "$here/mime_tool.py" "$@"; }
cms() { timeout 60 openssl cms "$@" 2>>"$work/openssl.log"; }
ours() { timeout 120 "${peer[@]}" "$@" 2>>"$work/peer.log"; }
field() { sed -n "s/.*\"$2\": *\"\([^\"]*\)\".*/\1/p" "$1"; }

fail() {
    echo "FAILED $current: $*"
    exit 1
}

pass() {
    passed=$((passed + 1))
    echo "ok     $current"
}

# make_key NAME [options of genpkey]: $keys/NAME.{key,crt}.pem
make_key() {
    local name="$1"
    shift
    openssl genpkey -out "$keys/$name.key.pem" "$@" 2>>"$work/openssl.log"
    openssl req -x509 -new -key "$keys/$name.key.pem" -days 30 -subj "/O=AS2 interop/CN=$name" \
        -out "$keys/$name.crt.pem" -addext "basicConstraints=critical,CA:FALSE" 2>>"$work/openssl.log"
}

# Signatures

sign_keys() {
    make_key rsa -algorithm RSA -pkeyopt rsa_keygen_bits:2048
    make_key rsa-pss -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048
    make_key p256 -algorithm EC -pkeyopt ec_paramgen_curve:P-256
    make_key p384 -algorithm EC -pkeyopt ec_paramgen_curve:P-384
    make_key p521 -algorithm EC -pkeyopt ec_paramgen_curve:P-521
    make_key ed25519 -algorithm ED25519
}

# sign_ours KEY DIGEST [options of build]: our message, its signature verified by openssl.
sign_ours() {
    local key="$1" digest="$2"
    shift 2
    current="ours -> openssl: signed, $key, $digest${*:+, $*}"
    ours build --us LEFT --them RIGHT --key "$keys/$key.key.pem" --cert "$keys/$key.crt.pem" \
        --partner-cert "$keys/rsa.crt.pem" --sign "$digest" "$@" --in "$work/text" --out "$work/ours.http" \
        >"$work/ours.json" || fail "build: $(tail -n 1 "$work/peer.log")"
    tool layer "$work/ours.http" "$work/apart" >/dev/null || fail "the message cannot be read"
    cms -verify -binary -noverify -nointern -certfile "$keys/$key.crt.pem" -inform DER -in "$work/apart.sig" \
        -content "$work/apart.part" -out "$work/apart.inner" || fail "openssl cannot verify"
    cmp "$work/apart.part" "$work/apart.inner" || fail "signed content differs"
    pass
}

# sign_theirs KEY DIGEST [options of cms]: a message that openssl signed, opened by us.
sign_theirs() {
    local key="$1" digest="$2"
    shift 2
    current="openssl -> ours: signed, $key, $digest${*:+, $*}"
    tool entity "$work/text" "$work/made.part"
    cms -sign -binary -outform DER -md "${digest/-/}" -signer "$keys/$key.crt.pem" -inkey "$keys/$key.key.pem" \
        -in "$work/made.part" -out "$work/made.sig" "$@" || fail "openssl cannot sign"
    tool wrap-signed "$work/made.part" "$work/made" --signature "$work/made.sig" --micalg "$digest" --encoding base64
    tool request "$work/made" "$work/made.http" --from RIGHT --to LEFT --id "$passed"
    ours open --us LEFT --them RIGHT --key "$keys/rsa.key.pem" --cert "$keys/rsa.crt.pem" \
        --partner-cert "$keys/$key.crt.pem" --in "$work/made.http" --out "$work/opened" >"$work/opened.json" ||
        fail "open: $(tail -n 1 "$work/peer.log")"
    [[ "$(field "$work/opened.json" verdict)" == accepted ]] || fail "refused: $(cat "$work/opened.json")"
    cmp "$work/text" "$work/opened" || fail "payload differs"
    pass
}

# OpenSSL 3.0 makes and reads no CMS signatures by Ed25519; later ones do.
sign_ed25519() {
    local key=ed25519
    current="openssl signs with Ed25519"
    if cms -sign -binary -outform DER -md sha512 -signer "$keys/$key.crt.pem" -inkey "$keys/$key.key.pem" \
        -in "$work/text" -out "$work/ed25519.sig"; then
        sign_ours $key sha-512
        sign_theirs $key sha-512
    else
        echo "left out: $current"
    fi
}

sign_all() {
    local digest key pss="--rsa-signature pss"
    sign_keys
    for digest in sha-256 sha-384 sha-512; do
        sign_ours rsa $digest
        # shellcheck disable=SC2086 # option and value
        sign_ours rsa $digest $pss
        sign_ours rsa-pss $digest
        sign_theirs rsa $digest
        sign_theirs rsa $digest -keyopt rsa_padding_mode:pss
        sign_theirs rsa $digest -keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:-1
        # Without the option openssl 3.0 names PKCS #1 v1.5, which it then does not verify itself.
        sign_theirs rsa-pss $digest -keyopt rsa_padding_mode:pss
        for key in p256 p384 p521; do
            sign_ours $key $digest
            sign_theirs $key $digest
        done
    done
    sign_ours p256 sha-256 --signer-id key-id
    sign_theirs p256 sha-256 -keyid
    sign_theirs p384 sha-384 -noattr
    sign_theirs p521 sha-512 -stream
    sign_ed25519
}

current="start"
openssl version
for line in $(seq 300); do printf "LIN+%s++4000862141404:EN'\r\n" "$line"; done >"$work/text"
sign_all
echo "$passed messages agree"
