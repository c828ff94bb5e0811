#!/usr/bin/env bash
# Makes everything here anew: certificates, and one content in CMS objects of other implementations.
# Needs OpenSSL 3.0 with its legacy provider, Java 17 with Bouncy Castle 1.72, Python with `cryptography`.
set -euo pipefail
cd "$(dirname "$0")"
jars="${BC_JARS:-/usr/share/java/bcprov-1.72.jar:/usr/share/java/bcpkix-1.72.jar:/usr/share/java/bcutil-1.72.jar}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

if [[ "${1:-}" == keys ]]; then
    for curve in 384 521; do
        openssl genpkey -algorithm EC -pkeyopt "ec_paramgen_curve:P-$curve" -out "keys/p$curve.key"
    done
    openssl genpkey -algorithm X25519 -out keys/x25519.key
    python3 make.py certificates
fi
cp keys/*.crt "$work"
cp ../ber/rsa.crt ../ber/ec.crt "$work"

# seal NAME CERTIFICATE OPTIONS...: OpenSSL's options, those of the recipient behind `--`.
seal() {
    local name="$1" to="$2" before=()
    shift 2
    while [[ $# -gt 0 && "$1" != -- ]]; do
        before+=("$1")
        shift
    done
    shift || true
    openssl cms -encrypt -provider legacy -provider default -binary -outform DER -in content.txt \
        -out "ossl-$name.der" "${before[@]}" -recip "$work/$to.crt" "$@"
}
for bits in 128 192 256; do
    seal "aes$bits-cbc" rsa "-aes$bits"
    seal "aes$bits-gcm" rsa "-aes-$bits-gcm"
done
seal 3des rsa -des3
seal rc2-128 rsa -rc2-cbc
seal rc2-64 rsa -rc2-64-cbc
seal rc2-40 rsa -rc2-40-cbc
seal keyid rsa -aes256 -keyid
seal oaep-sha1 rsa -aes256 -- -keyopt rsa_padding_mode:oaep
for hash in sha224 sha256 sha384 sha512; do
    seal "oaep-$hash" rsa -aes256 -- -keyopt rsa_padding_mode:oaep -keyopt "rsa_oaep_md:$hash" -keyopt "rsa_mgf1_md:$hash"
done
seal oaep-sha256-mask-sha1 rsa -aes256 -- \
    -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256 -keyopt rsa_mgf1_md:sha1
seal oaep-sha1-mask-sha512-label rsa -aes256 -- \
    -keyopt rsa_padding_mode:oaep -keyopt rsa_mgf1_md:sha512 -keyopt rsa_oaep_label:6c6162656c
for hash in sha1 sha224 sha256 sha384 sha512; do
    seal "p256-$hash" ec -aes128 -- -keyopt "ecdh_kdf_md:$hash"
done
seal p256-cofactor ec -aes256 -- -keyopt ecdh_kdf_md:sha256 -keyopt ecdh_cofactor_mode:1
seal p256-keyid ec -aes256 -keyid
seal p384 p384 -aes192 -- -keyopt ecdh_kdf_md:sha384
seal p521 p521 -aes256 -- -keyopt ecdh_kdf_md:sha512
seal p384-gcm p384 -aes-256-gcm -- -keyopt ecdh_kdf_md:sha384
# Several recipients of all kinds, ours last; a password besides.
openssl cms -encrypt -binary -outform DER -in content.txt -out ossl-several.der -aes256 -pwri_password secret \
    -recip ../worked/keys/alice-enc.crt -recip "$work/p384.crt" -recip "$work/p521.crt" -recip "$work/ec.crt"
javac -d "$work" -cp "$jars" Encrypt.java
java -cp "$work:$jars" Encrypt "$work" content.txt .
python3 make.py objects
