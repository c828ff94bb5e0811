import java.io.FileInputStream;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.security.spec.*;
import java.util.*;
import javax.crypto.spec.*;
import org.bouncycastle.asn1.*;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.cms.*;
import org.bouncycastle.cms.jcajce.*;
import org.bouncycastle.jcajce.spec.*;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.OutputAEADEncryptor;
import org.bouncycastle.operator.jcajce.JcaAlgorithmParametersConverter;

/** Objects by Bouncy Castle: Encrypt KEYS CONTENT OUT. */
public class Encrypt {
    static Path keys, out;
    static CMSTypedData content;

    static X509Certificate certificate(String name) throws Exception {
        try (FileInputStream in = new FileInputStream(keys.resolve(name + ".crt").toFile())) {
            return (X509Certificate) CertificateFactory.getInstance("X.509", "BC").generateCertificate(in);
        }
    }

    static RecipientInfoGenerator oaep(String hash, String mask, byte[] label) throws Exception {
        OAEPParameterSpec spec = new OAEPParameterSpec(hash, "MGF1", new MGF1ParameterSpec(mask), new PSource.PSpecified(label));
        AlgorithmIdentifier id = new JcaAlgorithmParametersConverter()
            .getAlgorithmIdentifier(PKCSObjectIdentifiers.id_RSAES_OAEP, spec);
        return new JceKeyTransRecipientInfoGenerator(certificate("rsa"), id).setProvider("BC");
    }

    static RecipientInfoGenerator agreed(ASN1ObjectIdentifier scheme, String name, ASN1ObjectIdentifier wrap, byte[] ukm) throws Exception {
        X509Certificate to = certificate(name);
        KeyPairGenerator generator;
        generator = KeyPairGenerator.getInstance("EC", "BC");
        generator.initialize(((java.security.interfaces.ECPublicKey) to.getPublicKey()).getParams());
        KeyPair pair = generator.generateKeyPair();
        JceKeyAgreeRecipientInfoGenerator info =
            new JceKeyAgreeRecipientInfoGenerator(scheme, pair.getPrivate(), pair.getPublic(), wrap);
        if (ukm != null) {
            info.setUserKeyingMaterial(ukm);
        }
        info.addRecipient(to);
        // A second recipient who shares the agreement, named by key identifier.
        info.addRecipient(new byte[] {1, 2, 3}, to.getPublicKey());
        return info.setProvider("BC");
    }

    static void enveloped(String name, ASN1ObjectIdentifier cipher, RecipientInfoGenerator... to) throws Exception {
        CMSEnvelopedDataGenerator generator = new CMSEnvelopedDataGenerator();
        for (RecipientInfoGenerator one : to) generator.addRecipientInfoGenerator(one);
        write(name, generator.generate(content, new JceCMSContentEncryptorBuilder(cipher).setProvider("BC").build()).getEncoded());
    }

    static void authenticated(String name, ASN1ObjectIdentifier cipher, RecipientInfoGenerator to) throws Exception {
        CMSAuthEnvelopedDataGenerator generator = new CMSAuthEnvelopedDataGenerator();
        generator.addRecipientInfoGenerator(to);
        OutputAEADEncryptor encryptor =
            (OutputAEADEncryptor) new JceCMSContentEncryptorBuilder(cipher).setProvider("BC").build();
        write(name, generator.generate(content, encryptor).getEncoded());
    }

    static void write(String name, byte[] octets) throws Exception {
        Files.write(out.resolve("bc-" + name + ".der"), octets);
    }

    public static void main(String[] args) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        keys = Paths.get(args[0]);
        content = new CMSProcessableByteArray(Files.readAllBytes(Paths.get(args[1])));
        out = Paths.get(args[2]);
        enveloped("oaep-sha256-mask-sha1-label", CMSAlgorithm.AES256_CBC, oaep("SHA-256", "SHA-1", "label".getBytes()));
        enveloped("oaep-sha512", CMSAlgorithm.AES128_CBC, oaep("SHA-512", "SHA-512", new byte[0]));
        enveloped("oaep-sha224-mask-sha384", CMSAlgorithm.AES128_CBC, oaep("SHA-224", "SHA-384", new byte[0]));
        enveloped("gcm-in-enveloped", CMSAlgorithm.AES256_GCM, oaep("SHA-256", "SHA-256", new byte[0]));
        for (ASN1ObjectIdentifier cipher : new ASN1ObjectIdentifier[] {CMSAlgorithm.AES128_CCM, CMSAlgorithm.AES192_CCM, CMSAlgorithm.AES256_CCM}) {
            String bits = cipher.equals(CMSAlgorithm.AES128_CCM) ? "128" : cipher.equals(CMSAlgorithm.AES192_CCM) ? "192" : "256";
            authenticated("aes" + bits + "-ccm", cipher, oaep("SHA-256", "SHA-256", new byte[0]));
        }
        enveloped("p256-sha256", CMSAlgorithm.AES128_CBC, agreed(CMSAlgorithm.ECDH_SHA256KDF, "ec", CMSAlgorithm.AES128_WRAP, null));
        enveloped("p384-sha384-ukm", CMSAlgorithm.AES192_CBC, agreed(CMSAlgorithm.ECDH_SHA384KDF, "p384", CMSAlgorithm.AES192_WRAP, "material".getBytes()));
        enveloped("p521-cofactor-sha512", CMSAlgorithm.AES256_CBC, agreed(CMSAlgorithm.ECCDH_SHA512KDF, "p521", CMSAlgorithm.AES256_WRAP, null));
        enveloped("p256-sha1", CMSAlgorithm.AES256_CBC, agreed(CMSAlgorithm.ECDH_SHA1KDF, "ec", CMSAlgorithm.AES256_WRAP, null));
        enveloped("p256-sha224", CMSAlgorithm.AES256_CBC, agreed(CMSAlgorithm.ECDH_SHA224KDF, "ec", CMSAlgorithm.AES256_WRAP, null));
    }
}
