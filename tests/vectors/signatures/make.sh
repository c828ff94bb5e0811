#!/bin/sh
# Makes everything in this folder with OpenSSL 3: keys, certificates and detached signatures over content.txt.
set -eu
cd "$(dirname "$0")"
rm -f ./*.key ./*.crt ./*.der ./*.sec1

work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
touch "$work/index.txt"
cat > "$work/ca.cnf" <<CONFIG
[ca]
default_ca = self
[self]
database = $work/index.txt
new_certs_dir = $work
rand_serial = yes
unique_subject = no
default_md = default
policy = names
x509_extensions = extensions
[names]
organizationName = supplied
commonName = supplied
[extensions]
keyUsage = digitalSignature
subjectKeyIdentifier = hash
CONFIG

certificate() { # name, further arguments of ca
    name=$1; shift
    openssl req -new -key "$name.key" -out "$work/request.pem" -subj "/O=Signers/CN=$name"
    openssl ca -config "$work/ca.cnf" -batch -selfsign -notext -in "$work/request.pem" -keyfile "$name.key" \
        -out "$name.crt" -startdate 20260101000000Z -enddate 21251231000000Z "$@" 2>/dev/null
}
key() { # name, arguments of genpkey
    name=$1; shift
    openssl genpkey -out "$name.key" "$@" 2>/dev/null
}
signed() { # file, signer, arguments of cms
    file=$1; name=$2; shift 2
    openssl cms -sign -binary -in content.txt -outform DER -out "$file.der" -signer "$name.crt" -inkey "$name.key" "$@"
}

printf 'Content-Type: text/plain\r\n\r\nPurchase order 4711\r\n' > content.txt

key rsa -algorithm RSA -pkeyopt rsa_keygen_bits:2048
key rsa1030 -algorithm RSA -pkeyopt rsa_keygen_bits:1030
python3 rsa2049.py > rsa2049.key
key pss -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048
key pss-bound -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_pss_keygen_md:sha256 \
    -pkeyopt rsa_pss_keygen_mgf1_md:sha256 -pkeyopt rsa_pss_keygen_saltlen:32
key p256 -algorithm EC -pkeyopt ec_paramgen_curve:P-256
key p384 -algorithm EC -pkeyopt ec_paramgen_curve:P-384
key p521 -algorithm EC -pkeyopt ec_paramgen_curve:P-521
key ed25519 -algorithm ED25519
key k256 -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1
openssl dsaparam -genkey -out dsa.key 2048 2>/dev/null
for name in rsa rsa1030 rsa2049 p256 p384 p521 ed25519 k256 dsa pss; do certificate "$name"; done
certificate pss-bound -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32
# The same keys in the form of SEC 1: with parameters before them, as `openssl ecparam -genkey` writes it.
for name in p256 p384 p521; do
    openssl ecparam -name "$(openssl pkey -in $name.key -noout -text | sed -n 's/^ASN1 OID: //p')" -out $name.sec1
    openssl ec -in $name.key 2>/dev/null >> $name.sec1
done

for md in sha1 sha256 sha384 sha512 sha224 md5; do
    signed rsa-$md rsa -md $md
    for name in p256 p384 p521; do
        [ $md = md5 ] || signed $name-$md $name -md $md
    done
done
pss="-keyopt rsa_padding_mode:pss"
for md in sha1 sha256 sha384 sha512; do
    signed pss-$md rsa -md $md $pss -keyopt rsa_pss_saltlen:-1
done
signed pss-salt-max rsa -md sha256 $pss
signed pss-salt-0 rsa -md sha256 $pss -keyopt rsa_pss_saltlen:0
signed pss-salt-20 rsa -md sha256 $pss -keyopt rsa_pss_saltlen:20
signed pss-mgf1-sha1 rsa -md sha256 $pss -keyopt rsa_mgf1_md:sha1 -keyopt rsa_pss_saltlen:20
signed pss-1030 rsa1030 -md sha256 $pss -keyopt rsa_pss_saltlen:-1
signed pss-2049 rsa2049 -md sha256 $pss -keyopt rsa_pss_saltlen:-1
signed pss-key pss -md sha384 $pss -keyopt rsa_pss_saltlen:-1
signed pss-bound pss-bound -md sha256 $pss -keyopt rsa_pss_saltlen:32
signed bound-salt-max pss-bound -md sha256 $pss -keyopt rsa_pss_saltlen:222
# The numbers of the restricted keys without their restriction, for signatures that must not verify under it.
for name in pss pss-bound; do
    openssl asn1parse -in $name.key -strparse "$(openssl asn1parse -in $name.key | sed -n 's/^ *\([0-9]*\):d=1 .*OCTET STRING.*/\1/p')" \
        -noout -out "$work/free.der"
    openssl rsa -inform DER -in "$work/free.der" -out $name-free.key 2>/dev/null
    certificate $name-free
done
signed pss-forged-v15 pss-free -md sha256 -nocerts
signed bound-forged-sha384 pss-bound-free -md sha384 $pss -keyopt rsa_pss_saltlen:48 -nocerts
signed bound-forged-salt-20 pss-bound-free -md sha256 $pss -keyopt rsa_pss_saltlen:20 -nocerts
rm pss-free.* pss-bound-free.*
signed p256-noattr p256 -md sha256 -noattr
signed pss-noattr rsa -md sha256 -noattr $pss -keyopt rsa_pss_saltlen:-1
signed p256-keyid p256 -md sha256 -keyid
signed p256-opaque p256 -md sha256 -nodetach
signed p256-opaque-noattr p256 -md sha256 -nodetach -noattr
signed p256-none p256 -md sha256 -nocerts
signed k256 k256 -md sha256
signed dsa dsa -md sha256
openssl cms -sign -binary -in content.txt -outform DER -out multi.der -md sha256 \
    -signer dsa.crt -inkey dsa.key -signer rsa.crt -inkey rsa.key -signer p384.crt -inkey p384.key

# OpenSSL 3.0 makes no CMS signatures with Ed25519; Bouncy Castle 1.72 does.
classpath=/usr/share/java/bcprov.jar:/usr/share/java/bcpkix.jar:/usr/share/java/bcutil.jar
bc() { # file, signer, algorithm, perhaps noattr
    file=$1; shift
    java -cp $classpath Sign.java "$file.der" "$@"
}
bc bc-ed25519 ed25519 Ed25519
bc bc-ed25519-noattr ed25519 Ed25519 noattr
bc bc-rsa rsa SHA256withRSA
bc bc-pss rsa SHA256withRSAandMGF1
bc bc-p384 p384 SHA384withECDSA
bc bc-p521 p521 SHA512withECDSA
