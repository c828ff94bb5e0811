#!/usr/bin/env bash
# What we encrypt, decrypted by others: every cipher, every key transport, keys of every kind. See README.md.
# OpenSSL reads what it knows, Bouncy Castle the NIST curves, OAEP and CCM, Python's `cryptography` X25519 and ChaCha20.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need openssl python3 timeout cmp mktemp java javac
install_pyas2lib
install_bouncy_castle
[[ -n "${AS2_INTEROP_PEER:-}" ]] || need cargo
read -r -a peer <<<"$(our_peer)"

scratch
make_identity us
make_identity rsa
keys="$work/keys"
passed=0
javac -d "$work" -cp "$bc_jars" "$here/Decrypt.java"

fail() {
    echo "FAILED $current: $*"
    exit 1
}

# make_agreeing NAME [genpkey options]: a certificate for key agreement, issued by a key that can sign.
make_agreeing() {
    local name="$1"
    shift
    openssl genpkey "$@" -out "$keys/$name.key.pem"
    openssl pkey -in "$keys/$name.key.pem" -pubout -out "$work/public.pem"
    printf 'keyUsage=critical,keyAgreement\nsubjectKeyIdentifier=hash\n' >"$work/extensions"
    openssl x509 -new -force_pubkey "$work/public.pem" -subj "/O=AS2 interop/CN=$name" -days 30 \
        -CA "$keys/us.crt.pem" -CAkey "$keys/us.key.pem" -extfile "$work/extensions" -out "$keys/$name.crt.pem" \
        2>>"$work/openssl.log"
}

by_openssl() {
    timeout 60 openssl cms -decrypt -debug_decrypt -binary -inform DER -in "$1" -recip "$keys/$2.crt.pem" \
        -inkey "$keys/$2.key.pem" -out "$3" 2>>"$work/openssl.log" || fail "openssl cannot decrypt"
}

by_bc() {
    timeout 60 java -cp "$work:$bc_jars" Decrypt "$1" "$keys/$2.crt.pem" "$keys/$2.key.pem" "$3" \
        2>>"$work/java.log" || fail "Bouncy Castle cannot decrypt: $(tail -n 3 "$work/java.log")"
}

by_python() {
    timeout 60 "$venv/bin/python" "$here/decrypt.py" "$1" "$keys/$2.key.pem" "$3" 2>>"$work/python.log" ||
        fail "Python cannot decrypt: $(tail -n 1 "$work/python.log")"
}

# sealed READER KEY CIPHER TRANSPORT
sealed() {
    local reader="$1" key="$2" cipher="$3" transport="$4"
    current="ours -> $reader: $cipher, $transport, to $key"
    timeout 120 "${peer[@]}" build --us LEFT --them RIGHT --key "$keys/us.key.pem" --cert "$keys/us.crt.pem" \
        --partner-cert "$keys/$key.crt.pem" --encrypt "$cipher" --key-transport "$transport" --in "$work/payload" \
        --out "$work/ours.http" >"$work/ours.json" 2>>"$work/peer.log" || fail "not built: $(tail -n 1 "$work/peer.log")"
    python3 -I -S "$here/mime_tool.py" layer "$work/ours.http" "$work/layer" >/dev/null
    "by_$reader" "$work/layer.der" "$key" "$work/plain"
    # The entity has a header; the payload is what follows it.
    tail -c "$(stat -c %s "$work/payload")" "$work/plain" | cmp - "$work/payload" || fail "the payload differs"
    head -c 13 "$work/plain" | cmp -s - <(printf 'Content-Type:') || fail "no MIME header"
    passed=$((passed + 1))
    echo "ok     $current"
}

make_agreeing p256 -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:named_curve
make_agreeing p384 -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -pkeyopt ec_param_enc:named_curve
make_agreeing p521 -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -pkeyopt ec_param_enc:named_curve
make_agreeing x25519 -algorithm X25519
head -c 5000 /dev/urandom >"$work/payload"

blocks=(aes128-cbc aes192-cbc aes256-cbc 3des-cbc)
gcm=(aes128-gcm aes192-gcm aes256-gcm)
ccm=(aes128-ccm aes192-ccm aes256-ccm)
for cipher in "${blocks[@]}" "${gcm[@]}"; do
    for transport in auto rsa-oaep-sha256 rsa-oaep-sha512; do
        sealed openssl rsa "$cipher" "$transport"
    done
    for key in p256 p384 p521; do
        sealed openssl "$key" "$cipher" auto
    done
    sealed python x25519 "$cipher" auto
done
for transport in ecdh-sha256 ecdh-sha384 ecdh-sha512; do
    sealed openssl p256 aes256-cbc "$transport"
    sealed bc p521 aes256-cbc "$transport"
done
for cipher in "${ccm[@]}" aes256-gcm; do
    sealed bc rsa "$cipher" rsa-oaep-sha256
    sealed bc p384 "$cipher" auto
done
for transport in ecdh-hkdf-sha256 ecdh-hkdf-sha384 ecdh-hkdf-sha512; do
    for cipher in chacha20-poly1305 "${ccm[@]}"; do
        sealed python x25519 "$cipher" "$transport"
    done
done
echo "$passed cases agree"
