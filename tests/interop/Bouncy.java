// Key stores of BouncyCastle. `Bouncy DIR STORE.p12 PASSWORD UMLAUTS` writes those that keys.sh expects into DIR;
// `Bouncy --open STORE.p12 PASSWORD` prints the aliases of the keys that it can open.

import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Key;
import java.security.KeyStore;
import java.security.Security;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.bouncycastle.asn1.ASN1Encoding;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cms.CMSAbsentContent;
import org.bouncycastle.cms.CMSSignedDataGenerator;
import org.bouncycastle.jce.provider.BouncyCastleProvider;

public class Bouncy {
    public static void main(String[] args) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        if (args[0].equals("--open")) {
            open(args[1], args[2].toCharArray());
        } else {
            write(args[0], args[1], args[2], args[3]);
        }
    }

    static void open(String file, char[] password) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12", "BC");
        store.load(new FileInputStream(file), password);
        for (String alias : Collections.list(store.aliases())) {
            if (store.isKeyEntry(alias) && store.getKey(alias, password) != null) {
                System.out.println(alias);
            }
        }
    }

    static void write(String folder, String file, String secret, String umlauts) throws Exception {
        KeyStore source = KeyStore.getInstance("PKCS12");
        source.load(new FileInputStream(file), secret.toCharArray());
        Key key = source.getKey("as2", secret.toCharArray());
        Certificate[] chain = source.getCertificateChain("as2");
        store("PKCS12", folder + "/bouncy.p12", secret, key, chain);
        store("PKCS12-3DES-3DES", folder + "/bouncy-3des.p12", secret, key, chain);
        store("PKCS12", folder + "/bouncy-umlauts.p12", umlauts, key, chain);
        store("PKCS12", folder + "/bouncy-empty.p12", "", key, chain);
        store("BKS", folder + "/store.bks", secret, key, chain);
        store("BCFKS", folder + "/store.bcfks", secret, key, chain);
        CMSSignedDataGenerator generator = new CMSSignedDataGenerator();
        List<X509Certificate> all = Arrays.asList((X509Certificate) chain[0], (X509Certificate) chain[1]);
        generator.addCertificates(new JcaCertStore(all));
        byte[] ber = generator.generate(new CMSAbsentContent()).toASN1Structure().getEncoded(ASN1Encoding.BER);
        Files.write(Path.of(folder, "bouncy-ber.p7b"), ber);
    }

    static void store(String type, String file, String password, Key key, Certificate[] chain) throws Exception {
        KeyStore store = KeyStore.getInstance(type, "BC");
        store.load(null, null);
        store.setKeyEntry("as2", key, password.toCharArray(), chain);
        try (FileOutputStream out = new FileOutputStream(file)) {
            store.store(out, password.toCharArray());
        }
    }
}
