import java.io.FileInputStream;
import java.io.FileReader;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import java.util.*;
import org.bouncycastle.asn1.cms.ContentInfo;
import org.bouncycastle.asn1.cms.CMSObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.cert.jcajce.JcaX509CertificateHolder;
import org.bouncycastle.cms.*;
import org.bouncycastle.cms.jcajce.*;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;

/** Decrypt CMS CERTIFICATE KEY OUT: with Bouncy Castle. */
public class Decrypt {
    public static void main(String[] args) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        byte[] cms = Files.readAllBytes(Paths.get(args[0]));
        X509Certificate certificate;
        try (FileInputStream in = new FileInputStream(args[1])) {
            certificate = (X509Certificate) CertificateFactory.getInstance("X.509", "BC").generateCertificate(in);
        }
        PrivateKey key;
        try (PEMParser parser = new PEMParser(new FileReader(args[2]))) {
            key = new JcaPEMKeyConverter().setProvider("BC").getPrivateKey((PrivateKeyInfo) parser.readObject());
        }
        boolean authenticated = ContentInfo.getInstance(cms).getContentType().equals(CMSObjectIdentifiers.authEnvelopedData);
        RecipientInformationStore all = authenticated
            ? new CMSAuthEnvelopedData(cms).getRecipientInfos() : new CMSEnvelopedData(cms).getRecipientInfos();
        Recipient recipient = key.getAlgorithm().equals("RSA")
            ? new JceKeyTransEnvelopedRecipient(key).setProvider("BC")
            : new JceKeyAgreeEnvelopedRecipient(key).setProvider("BC");
        for (RecipientInformation one : all) {
            if (one.getRID().match(new JcaX509CertificateHolder(certificate))) {
                Files.write(Paths.get(args[3]), one.getContent(recipient));
                return;
            }
        }
        throw new IllegalStateException("not a recipient");
    }
}
