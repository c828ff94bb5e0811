"""A key of 2049 bits, which OpenSSL does not generate: it makes both primes of equal length."""

import subprocess

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def prime(bits):
    found = subprocess.run(["openssl", "prime", "-generate", "-bits", str(bits)], capture_output=True, check=True)
    return int(found.stdout)


e = 65537
while True:
    p, q = prime(1025), prime(1024)
    if (p * q).bit_length() == 2049 and (p - 1) % e and (q - 1) % e:
        break
d = pow(e, -1, (p - 1) * (q - 1))
numbers = rsa.RSAPrivateNumbers(
    p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), rsa.RSAPublicNumbers(e, p * q)
)
pem = numbers.private_key().private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
print(pem.decode(), end="")
