import java.io.FileReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.PrivateKey;
import java.security.Security;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.Callable;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cms.CMSAlgorithm;
import org.bouncycastle.cms.CMSEnvelopedData;
import org.bouncycastle.cms.CMSEnvelopedDataGenerator;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.CMSSignedDataGenerator;
import org.bouncycastle.cms.RecipientInformation;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoGeneratorBuilder;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.cms.jcajce.JceCMSContentEncryptorBuilder;
import org.bouncycastle.cms.jcajce.JceKeyTransEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyTransRecipientInfoGenerator;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;

/**
 * Times BouncyCastle's CMS on the work of one AS2 message, in one warm process; the multipart is put together here.
 *
 * <p>Bouncy FOLDER FILE SECONDS PROVIDER, where PROVIDER is BC (all in Java) or JDK (the JDK's ciphers, which have
 * intrinsics); prints lines `WHO OPERATION OCTETS SECONDS`, as the others do.
 */
public class Bouncy {
    private static final byte[] HEAD = ascii("Content-Type: application/edi-x12\r\nContent-Transfer-Encoding: binary\r\n\r\n");
    private static final byte[] OPENING = ascii("Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";"
            + " micalg=sha-256; boundary=\"=-peer-boundary\"\r\n\r\n--=-peer-boundary\r\n");
    private static final byte[] BETWEEN = ascii("\r\n--=-peer-boundary\r\nContent-Type: application/pkcs7-signature\r\n"
            + "Content-Transfer-Encoding: base64\r\n\r\n");
    private static final byte[] CLOSE = ascii("\r\n--=-peer-boundary--\r\n");

    private static Path folder;
    private static boolean jdk;

    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        folder = Path.of(arguments[0]);
        jdk = arguments[3].equals("JDK");
        byte[] payload = Files.readAllBytes(Path.of(arguments[1]));
        double seconds = Double.parseDouble(arguments[2]);
        PrivateKey alice = privateKey("alice");
        PrivateKey bob = privateKey("bob");
        X509CertificateHolder signer = certificate("alice");
        X509CertificateHolder recipient = certificate("bob");
        String who = jdk ? "bouncycastle-jdk" : "bouncycastle";
        time(who, "make", payload.length, seconds, () -> make(payload, alice, signer, recipient));
        byte[] wire = make(payload, alice, signer, recipient);
        time(who, "open", payload.length, seconds, () -> open(wire, bob, signer, payload.length));
    }

    private static byte[] make(byte[] payload, PrivateKey key, X509CertificateHolder signer, X509CertificateHolder to)
            throws Exception {
        byte[] entity = concat(HEAD, payload);
        CMSSignedDataGenerator signing = new CMSSignedDataGenerator();
        JcaSimpleSignerInfoGeneratorBuilder builder = new JcaSimpleSignerInfoGeneratorBuilder();
        signing.addSignerInfoGenerator((jdk ? builder : builder.setProvider("BC")).build("SHA256withRSA", key, signer));
        signing.addCertificates(new JcaCertStore(List.of(signer)));
        byte[] signature = signing.generate(new CMSProcessableByteArray(entity), false).getEncoded();
        byte[] whole = concat(OPENING, entity, BETWEEN, Base64.getMimeEncoder().encode(signature), CLOSE);
        CMSEnvelopedDataGenerator generator = new CMSEnvelopedDataGenerator();
        JceKeyTransRecipientInfoGenerator recipient =
                new JceKeyTransRecipientInfoGenerator(new JcaX509CertificateConverter().getCertificate(to));
        generator.addRecipientInfoGenerator(jdk ? recipient : recipient.setProvider("BC"));
        JceCMSContentEncryptorBuilder cipher = new JceCMSContentEncryptorBuilder(CMSAlgorithm.AES256_CBC);
        return generator
                .generate(new CMSProcessableByteArray(whole), (jdk ? cipher : cipher.setProvider("BC")).build())
                .getEncoded();
    }

    private static byte[] open(byte[] wire, PrivateKey key, X509CertificateHolder signer, int length) throws Exception {
        RecipientInformation recipient = new CMSEnvelopedData(wire).getRecipientInfos().iterator().next();
        JceKeyTransEnvelopedRecipient own = new JceKeyTransEnvelopedRecipient(key);
        byte[] whole = recipient.getContent(jdk ? own : own.setProvider("BC"));
        int end = find(whole, BETWEEN, whole.length - 16384);
        byte[] entity = Arrays.copyOfRange(whole, OPENING.length, end);
        byte[] base64 = Arrays.copyOfRange(whole, end + BETWEEN.length, whole.length - CLOSE.length);
        CMSSignedData signed =
                new CMSSignedData(new CMSProcessableByteArray(entity), Base64.getMimeDecoder().decode(base64));
        SignerInformation information = signed.getSignerInfos().getSigners().iterator().next();
        JcaSimpleSignerInfoVerifierBuilder verifier = new JcaSimpleSignerInfoVerifierBuilder();
        if (!information.verify((jdk ? verifier : verifier.setProvider("BC")).build(signer))
                || entity.length != HEAD.length + length) {
            throw new IllegalStateException("the message is not what was made");
        }
        return entity;
    }

    /** The median of as many runs as fit, after as many again that warm the compiler up. */
    private static void time(String who, String operation, int octets, double seconds, Callable<byte[]> work)
            throws Exception {
        double[] times = new double[100_000];
        for (boolean warm : new boolean[] {false, true}) {
            long began = System.nanoTime();
            int count = 0;
            while (count < times.length && (count < 3 || System.nanoTime() - began < seconds * 1e9)) {
                long start = System.nanoTime();
                work.call();
                times[count] = (System.nanoTime() - start) / 1e9;
                count++;
            }
            if (warm) {
                Arrays.sort(times, 0, count);
                System.out.println(who + " " + operation + " " + octets + " " + times[count / 2]);
            }
        }
    }

    private static int find(byte[] octets, byte[] what, int from) {
        for (int at = Math.max(0, from); at <= octets.length - what.length; at++) {
            if (Arrays.equals(octets, at, at + what.length, what, 0, what.length)) {
                return at;
            }
        }
        throw new IllegalStateException("no signature");
    }

    private static byte[] concat(byte[]... pieces) {
        int length = 0;
        for (byte[] piece : pieces) {
            length += piece.length;
        }
        byte[] whole = new byte[length];
        int at = 0;
        for (byte[] piece : pieces) {
            System.arraycopy(piece, 0, whole, at, piece.length);
            at += piece.length;
        }
        return whole;
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    private static X509CertificateHolder certificate(String name) throws Exception {
        return (X509CertificateHolder) pem(name + ".crt.pem");
    }

    private static PrivateKey privateKey(String name) throws Exception {
        JcaPEMKeyConverter converter = new JcaPEMKeyConverter();
        return (jdk ? converter : converter.setProvider("BC")).getPrivateKey((PrivateKeyInfo) pem(name + ".key.pem"));
    }

    private static Object pem(String file) throws Exception {
        try (PEMParser parser = new PEMParser(new FileReader(folder.resolve(file).toFile()))) {
            return parser.readObject();
        }
    }
}
