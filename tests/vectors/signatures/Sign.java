import java.io.*;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.security.spec.*;
import java.util.*;
import org.bouncycastle.asn1.x509.*;
import org.bouncycastle.asn1.pkcs.*;
import org.bouncycastle.cert.jcajce.*;
import org.bouncycastle.cms.*;
import org.bouncycastle.cms.jcajce.*;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.*;
import org.bouncycastle.openssl.jcajce.*;
import org.bouncycastle.operator.*;
import org.bouncycastle.operator.jcajce.*;

/** Detached signatures over content.txt by Bouncy Castle. Arguments: output, signer, algorithm, then perhaps "noattr". */
public class Sign {
    public static void main(String[] args) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        X509Certificate certificate;
        try (InputStream in = new FileInputStream(args[1] + ".crt")) {
            certificate = (X509Certificate) CertificateFactory.getInstance("X.509", "BC").generateCertificate(in);
        }
        PrivateKey key;
        try (PEMParser parser = new PEMParser(new FileReader(args[1] + ".key"))) {
            key = new JcaPEMKeyConverter().setProvider("BC").getPrivateKey((PrivateKeyInfo) parser.readObject());
        }
        ContentSigner signer = new JcaContentSignerBuilder(args[2]).setProvider("BC").build(key);
        JcaSignerInfoGeneratorBuilder builder =
            new JcaSignerInfoGeneratorBuilder(new JcaDigestCalculatorProviderBuilder().setProvider("BC").build());
        builder.setDirectSignature(args.length > 3 && args[3].equals("noattr"));
        CMSSignedDataGenerator generator = new CMSSignedDataGenerator();
        generator.addSignerInfoGenerator(builder.build(signer, certificate));
        generator.addCertificates(new JcaCertStore(List.of(certificate)));
        byte[] content = Files.readAllBytes(Path.of("content.txt"));
        Files.write(Path.of(args[0]), generator.generate(new CMSProcessableByteArray(content), false).getEncoded());
    }
}
