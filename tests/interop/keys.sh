#!/usr/bin/env bash
# Files of keys and certificates: those of openssl, keytool and BouncyCastle read by us, ours read by openssl and keytool.
#   keys.sh                 fresh files into a scratch directory, and all checks
#   keys.sh --files DIR     the files alone, with their table files.tsv: how tests/vectors/keys is made
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
export LC_ALL=C.UTF-8

need openssl keytool java python3 timeout mktemp
install_bouncy_castle

files_only=""
if [[ "${1:-}" == --files ]]; then
    files_only="$(mkdir -p "$2" && cd "$2" && pwd)"
fi
scratch
out="${files_only:-$work/files}"
mkdir -p "$out"
table="$out/files.tsv"
: >"$table"
umlauts="Grüße€"

ssl() { timeout 120 openssl "$@" 2>>"$work/openssl.log"; }
ktool() { timeout 120 keytool "$@" >>"$work/keytool.log" 2>&1; }
bouncy() { timeout 120 java -cp "$bc_jars" "$here/Bouncy.java" "$@" 2>>"$work/java.log"; }

# expect FILE PASSWORD CONTENT: one row of the table. CONTENT lists keys as alias=algorithm(chain) and certificates as
# alias+(subject), `-` for no alias, names by their CN; PASSWORD `-` for none.
expect() { printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"$table"; }

# What all files hold: an RSA key with a certificate by an authority, a P-256 and an Ed25519 key with their own.
make_material() {
    cd "$work"
    ssl req -x509 -newkey rsa:2048 -nodes -days 9000 -subj "/O=Files/CN=authority" -keyout ca.key -out ca.crt
    ssl req -newkey rsa:2048 -nodes -subj "/O=Files/CN=leaf" -keyout rsa.key -out rsa.csr
    printf 'keyUsage=critical,digitalSignature,keyEncipherment\n' >leaf.ext
    ssl x509 -req -in rsa.csr -CA ca.crt -CAkey ca.key -days 9000 -set_serial 4711 -extfile leaf.ext -out rsa.crt
    ssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9000 -subj "/O=Files/CN=curve" \
        -keyout ec.key -out ec.crt
    ssl genpkey -algorithm ed25519 -out ed.key
    ssl req -x509 -key ed.key -days 9000 -subj "/O=Files/CN=edwards" -out ed.crt
    cat rsa.crt ca.crt >chain.crt
}

# p12 FILE PASSWORD OPTION...: the RSA key with its chain.
p12() {
    local file="$1" password="$2"
    shift 2
    ssl pkcs12 -export -inkey rsa.key -in rsa.crt -certfile ca.crt -name as2 -passout "pass:$password" \
        -out "$out/$file" "$@"
}

all_openssl_stores() {
    local whole="as2=RSA 2048(leaf,authority)"
    p12 openssl3.p12 secret && expect openssl3.p12 secret "$whole"
    p12 openssl-legacy.p12 secret -legacy && expect openssl-legacy.p12 secret "$whole"
    p12 openssl-descert.p12 secret -legacy -descert && expect openssl-descert.p12 secret "$whole"
    p12 openssl-2des.p12 secret -legacy -keypbe PBE-SHA1-2DES -certpbe PBE-SHA1-RC2-128 &&
        expect openssl-2des.p12 secret "$whole"
    p12 openssl-nomac.p12 secret -nomac && expect openssl-nomac.p12 secret "$whole"
    p12 openssl-empty.p12 "" && expect openssl-empty.p12 - "$whole"
    p12 openssl-open.p12 "" -keypbe NONE -certpbe NONE -nomac && expect openssl-open.p12 - "$whole"
    p12 openssl-umlauts.p12 "$umlauts" && expect openssl-umlauts.p12 "$umlauts" "$whole"
    p12 openssl-umlauts-legacy.p12 "$umlauts" -legacy && expect openssl-umlauts-legacy.p12 "$umlauts" "$whole"
    # OpenSSL before 1.1 made two characters of every umlaut.
    p12 openssl10-umlauts.p12 "$(python3 -c 'print("Grüße€".encode().decode("latin-1"))')" -legacy &&
        expect openssl10-umlauts.p12 "$umlauts" "$whole"
    p12 openssl-sha512.p12 secret -macalg sha512 -iter 3000 && expect openssl-sha512.p12 secret "$whole"
    ssl pkcs12 -export -inkey ec.key -in ec.crt -name curve -passout pass:secret -out "$out/openssl-ec.p12"
    expect openssl-ec.p12 secret "curve=EC P-256(curve)"
    ssl pkcs12 -export -inkey ed.key -in ed.crt -passout pass:secret -out "$out/openssl-ed25519.p12"
    expect openssl-ed25519.p12 secret "-=Ed25519(edwards)"
    ssl base64 -in "$out/openssl3.p12" -out "$out/openssl3.p12.base64" && expect openssl3.p12.base64 secret "$whole"
    python3 "$here/pbmac1.py" "$out/openssl-nomac.p12" secret "$out/pbmac1.p12" && expect pbmac1.p12 secret "$whole"
}

all_java_stores() {
    local from=(-importkeystore -noprompt -srckeystore "$out/openssl3.p12" -srcstorepass secret -srcalias as2)
    local legacy=-J-Dkeystore.pkcs12.legacy
    ktool "${from[@]}" -destkeystore "$out/keytool.p12" -deststorepass secret -destalias As2-Sign
    ktool -genkeypair -keystore "$out/keytool.p12" -storepass secret -alias as2-curve -keyalg EC -groupname secp256r1 \
        -dname "CN=made by keytool" -validity 9000
    ktool -importcert -noprompt -keystore "$out/keytool.p12" -storepass secret -alias Partner -file ec.crt
    expect keytool.p12 secret \
        "as2-sign=RSA 2048(leaf,authority);as2-curve=EC P-256(made by keytool);Partner+(curve)"
    ktool $legacy "${from[@]}" -destkeystore "$out/keytool-legacy.p12" -deststorepass secret -destalias as2
    expect keytool-legacy.p12 secret "as2=RSA 2048(leaf,authority)"
    # Java takes no password for PKCS #12 but ASCII.
    ktool "${from[@]}" -destkeystore "$out/store.jks" -deststoretype JKS -deststorepass secret -destkeypass secret
    ktool "${from[@]}" -destkeystore "$out/store.jceks" -deststoretype JCEKS -deststorepass secret -destkeypass secret
    bouncy "$out" "$out/openssl3.p12" secret "$umlauts"
    expect bouncy.p12 secret "as2=RSA 2048(leaf,authority)"
    expect bouncy-3des.p12 secret "as2=RSA 2048(leaf,authority)"
    expect bouncy-umlauts.p12 "$umlauts" "as2=RSA 2048(leaf,authority)"
    expect bouncy-empty.p12 - "as2=RSA 2048(leaf,authority)"
    expect bouncy-ber.p7b - "-+(leaf);-+(authority)"
    local name
    for name in store.jks store.jceks store.bks store.bcfks; do expect $name secret foreign; done
}

all_keys() {
    local prf cipher scheme rsa="-=RSA 2048()"
    ssl pkcs8 -topk8 -nocrypt -in rsa.key -out "$out/rsa-pkcs8.pem" && expect rsa-pkcs8.pem - "$rsa"
    ssl pkcs8 -topk8 -nocrypt -in rsa.key -outform DER -out "$out/rsa-pkcs8.der" && expect rsa-pkcs8.der - "$rsa"
    ssl rsa -traditional -in rsa.key -out "$out/rsa-pkcs1.pem" && expect rsa-pkcs1.pem - "$rsa"
    ssl rsa -traditional -in rsa.key -outform DER -out "$out/rsa-pkcs1.der" && expect rsa-pkcs1.der - "$rsa"
    for cipher in aes128 aes192 aes256 des des3; do
        ssl rsa -provider default -provider legacy -traditional -in rsa.key -$cipher -passout pass:secret \
            -out "$out/rsa-dek-$cipher.pem"
        expect rsa-dek-$cipher.pem secret "$rsa"
    done
    for prf in hmacWithSHA1 hmacWithSHA224 hmacWithSHA256 hmacWithSHA384 hmacWithSHA512 hmacWithSHA512-256; do
        ssl pkcs8 -topk8 -in ec.key -v2 aes-128-cbc -v2prf $prf -passout pass:secret -out "$out/pbes2-$prf.pem"
        expect pbes2-$prf.pem secret "-=EC P-256()"
    done
    for cipher in aes-192-cbc aes-256-cbc des-ede3-cbc des-cbc rc2-cbc rc2-40-cbc; do
        ssl pkcs8 -provider default -provider legacy -topk8 -in ec.key -v2 $cipher -passout pass:secret \
            -outform DER -out "$out/pbes2-$cipher.der"
        expect pbes2-$cipher.der secret "-=EC P-256()"
    done
    ssl pkcs8 -topk8 -in ec.key -scrypt -passout "pass:$umlauts" -out "$out/scrypt.pem"
    expect scrypt.pem "$umlauts" "-=EC P-256()"
    for scheme in PBE-MD5-DES PBE-SHA1-DES PBE-MD5-RC2-64 PBE-SHA1-RC2-64 PBE-SHA1-3DES PBE-SHA1-2DES \
        PBE-SHA1-RC2-128 PBE-SHA1-RC2-40; do
        ssl pkcs8 -provider default -provider legacy -topk8 -in ec.key -v1 $scheme -passout pass:secret \
            -out "$out/$scheme.pem"
        expect $scheme.pem secret "-=EC P-256()"
    done
    {
        ssl ecparam -name prime256v1
        ssl ec -in ec.key
    } >"$out/ec-sec1.pem"
    expect ec-sec1.pem - "-=EC P-256()"
    ssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 | ssl ec -outform DER -out "$out/ec384-sec1.der"
    expect ec384-sec1.der - "-=EC P-384()"
    ssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 | ssl ec -no_public -out "$out/ec521-nopublic.pem"
    expect ec521-nopublic.pem - "-=EC P-521()"
    ssl genpkey -algorithm X25519 -out "$out/x25519.pem" && expect x25519.pem - "-=X25519()"
    cp ed.key "$out/ed25519.pem" && expect ed25519.pem - "-=Ed25519()"
    ssl pkcs12 -in "$out/openssl3.p12" -passin pass:secret -nodes -out "$out/bag.pem"
    expect bag.pem - "as2=RSA 2048(leaf,authority)"
    [[ -n "$(command -v ssh-keygen)" ]] || return 0
    ssh-keygen -q -t rsa -b 2048 -N "" -f "$out/openssh.key" && rm "$out/openssh.key.pub"
    expect openssh.key - foreign
}

all_certificates() {
    local chain="-+(leaf);-+(authority)"
    {
        printf '\xef\xbb\xbfThe certificates, with best regards\r\n\r\n'
        ssl x509 -in rsa.crt -text | sed 's/$/\r/'
        printf 'and that of the authority:\r\n'
        sed 's/$/\r/' ca.crt | head -c -2
    } >"$out/chain-windows.pem"
    expect chain-windows.pem - "$chain"
    iconv -f UTF-8 -t UTF-16 chain.crt >"$out/chain-utf16.pem" && expect chain-utf16.pem - "$chain"
    ssl x509 -in rsa.crt -outform DER -out "$out/leaf.der" && expect leaf.der - "-+(leaf)"
    ssl base64 -in "$out/leaf.der" -out "$out/leaf.base64" && expect leaf.base64 - "-+(leaf)"
    ssl x509 -in rsa.crt -trustout -addtrust emailProtection -out "$out/leaf-trusted.pem"
    expect leaf-trusted.pem - "-+(leaf)"
    ssl crl2pkcs7 -nocrl -certfile chain.crt -out "$out/chain.p7b.pem" && expect chain.p7b.pem - "$chain"
    ssl crl2pkcs7 -nocrl -certfile chain.crt -outform DER -out "$out/chain.p7b" && expect chain.p7b - "$chain"
    odd_certificates
    ssl req -x509 -key rsa.key -days 9000 -subj "/DC=example/DC=files/OU=one/OU=two/CN=repeated" \
        -out "$out/repeated-names.pem"
    expect repeated-names.pem - "-+(repeated)"
    {
        ssl req -x509 -newkey rsa:1024 -nodes -days 9000 -subj /CN=weak -keyout weak.key
        cat weak.key
    } >"$out/weak.pem"
    expect weak.pem - "-=RSA 1024(weak)"
    ssl req -new -key rsa.key -subj /CN=request -out "$out/request.pem" && expect request.pem - nothing
}

odd_certificates() {
    local self=(req -x509 -key rsa.key -days 9000)
    {
        ssl "${self[@]}" -subj "/CN=serial negative" -set_serial -5
        ssl "${self[@]}" -subj "/CN=serial zero" -set_serial 0
        ssl "${self[@]}" -subj "/CN=serial long" -set_serial 0x00ffeeddccbbaa99887766554433221100ffeeddccbbaa9988
        ssl "${self[@]}" -subj "/CN=authority for itself" -addext "basicConstraints=critical,CA:TRUE"
        ssl req -new -key rsa.key -subj "/CN=version one" | ssl x509 -req -signkey rsa.key -days 9000
        ssl "${self[@]}" -subj "/CN=modulus negative" -outform DER | python3 "$here/unsigned_modulus.py"
    } >"$out/odd.pem"
    expect odd.pem - "-+(serial negative);-+(serial zero);-+(serial long);-+(authority for itself);-+(version one);-+(modulus negative)"
}

# What we write, read by others.
check_exports() {
    cd "$work"
    local kind password
    for kind in rsa p256 same; do
        mkdir "ours-$kind"
        ours renew "$kind" "$out/openssl3.p12" secret "$umlauts" "ours-$kind"
        cd "ours-$kind"
        ssl x509 -in cert.pem -noout -subject | grep -q "CN = leaf" || fail "$kind: subject"
        [[ "$(ssl x509 -in cert.pem -noout -subject)" == "$(ssl x509 -in ../rsa.crt -noout -subject)" ]] ||
            fail "$kind: another subject"
        ssl verify -check_ss_sig -CAfile cert.pem -partial_chain cert.pem >/dev/null || fail "$kind: signature"
        ssl x509 -in cert.der -inform DER -noout -ext keyUsage,subjectKeyIdentifier,basicConstraints >extensions.txt
        grep -q "Digital Signature" extensions.txt || fail "$kind: key usage"
        ssl pkcs7 -inform DER -in cert.p7c -print_certs | grep -q "CN = leaf" || fail "$kind: p7c"
        ssl pkey -in key.pem -noout -check >/dev/null || fail "$kind: key"
        ssl pkcs8 -in key-encrypted.pem -passin "pass:$umlauts" | cmp - key.pem || fail "$kind: encrypted key"
        for password in secret "$umlauts"; do
            ssl pkcs12 -in "store-$password.p12" -passin "pass:$password" -nodes -out opened.pem ||
                fail "$kind: openssl pkcs12"
            [[ "$(ssl pkey -in opened.pem)" == "$(cat key.pem)" ]] || fail "$kind: another key in the store"
            bouncy --open "store-$password.p12" "$password" | grep -qx "renewed" || fail "$kind: BouncyCastle"
        done
        timeout 60 keytool -list -v -keystore store-secret.p12 -storetype pkcs12 -storepass secret >keytool.txt 2>&1 ||
            fail "$kind: keytool"
        grep -q "PrivateKeyEntry" keytool.txt || fail "$kind: no key for keytool"
        grep -qi "alias name: renewed" keytool.txt || fail "$kind: alias"
        # keytool only lists; what it copies it has decrypted.
        ktool -importkeystore -noprompt -srckeystore store-secret.p12 -srcstorepass secret -destkeystore copy.p12 \
            -deststorepass secret || fail "$kind: keytool cannot open the key"
        cd ..
        echo "ok     ours, $kind: openssl, keytool and BouncyCastle read it"
    done
}

fail() {
    echo "FAILED $*"
    exit 1
}

ours() { timeout 300 "$driver" "$@"; }

openssl version
make_material
all_openssl_stores
all_java_stores
all_keys
all_certificates
echo "$(wc -l <"$table") files made"
[[ -z "$files_only" ]] || exit 0

driver="${AS2_INTEROP_KEY_FILES:-}"
if [[ -z "$driver" ]]; then
    need cargo
    (cd "$root" && timeout 1800 cargo build --quiet --example key_files --features full)
    driver="$root/target/debug/examples/key_files"
fi
ours check "$out" || fail "files are not read as they should be"
check_exports
