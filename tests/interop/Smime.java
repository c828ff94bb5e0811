import jakarta.activation.CommandMap;
import jakarta.activation.MailcapCommandMap;
import jakarta.mail.Session;
import jakarta.mail.internet.InternetHeaders;
import jakarta.mail.internet.MimeBodyPart;
import jakarta.mail.internet.MimeMessage;
import jakarta.mail.internet.MimeMultipart;
import jakarta.mail.internet.MimeUtility;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileReader;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.PrivateKey;
import java.security.Security;
import java.security.spec.MGF1ParameterSpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import java.util.Properties;
import javax.crypto.spec.OAEPParameterSpec;
import javax.crypto.spec.PSource;
import org.bouncycastle.asn1.ASN1Primitive;
import org.bouncycastle.asn1.cms.ContentInfo;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cms.CMSAlgorithm;
import org.bouncycastle.cms.RecipientInformation;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoGeneratorBuilder;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.cms.jcajce.JceCMSContentEncryptorBuilder;
import org.bouncycastle.cms.jcajce.JceKeyTransEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyTransAuthEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyTransRecipientInfoGenerator;
import org.bouncycastle.cms.jcajce.ZlibCompressor;
import org.bouncycastle.cms.jcajce.ZlibExpanderProvider;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.mail.smime.SMIMEAuthEnveloped;
import org.bouncycastle.mail.smime.SMIMEAuthEnvelopedGenerator;
import org.bouncycastle.mail.smime.SMIMECompressed;
import org.bouncycastle.mail.smime.SMIMECompressedGenerator;
import org.bouncycastle.mail.smime.SMIMEEnveloped;
import org.bouncycastle.mail.smime.SMIMEEnvelopedGenerator;
import org.bouncycastle.mail.smime.SMIMESigned;
import org.bouncycastle.mail.smime.SMIMESignedGenerator;
import org.bouncycastle.mail.smime.SMIMEUtil;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.bouncycastle.operator.OutputEncryptor;
import org.bouncycastle.operator.jcajce.JcaAlgorithmParametersConverter;

/**
 * Bouncy Castle's S/MIME (bcjmail) for bcjmail.py.
 *
 * <p>Smime FOLDER: orders come in as lines of words between tabs, each is answered by one line, `ok` or `failed` in front.
 * make NAME PAYLOAD TYPE ENCODING STEP...   writes FOLDER/NAME.mime; answers the digest of what was signed, or -
 * read NAME SIGNER ENCODING                 takes FOLDER/NAME.mime apart, writes FOLDER/NAME.out; answers layers, digest
 * STEP: sign:KEY:ALGORITHM:ENCODING, wrap:KEY:ALGORITHM, encrypt:CIPHER:TRANSPORT:ENCODING, compress:ENCODING, der
 * `sign` makes multipart/signed and takes ENCODING for a part without one, `wrap` puts the content into the signature.
 */
public class Smime {
    private static final Session SESSION = Session.getInstance(new Properties());
    private static Path folder;
    private static SMIMESignedGenerator signing;

    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        MailcapCommandMap map = (MailcapCommandMap) CommandMap.getDefaultCommandMap();
        String handlers = "org.bouncycastle.mail.smime.handlers.";
        map.addMailcap("application/pkcs7-signature;; x-java-content-handler=" + handlers + "pkcs7_signature");
        map.addMailcap("application/pkcs7-mime;; x-java-content-handler=" + handlers + "pkcs7_mime");
        map.addMailcap("multipart/signed;; x-java-content-handler=" + handlers + "multipart_signed");
        CommandMap.setDefaultCommandMap(map);
        folder = Path.of(arguments[0]);
        for (String line : new String(System.in.readAllBytes(), StandardCharsets.UTF_8).split("\n")) {
            String[] words = line.split("\t");
            signing = null;
            try {
                System.out.println("ok\t" + (words[0].equals("make") ? make(words) : read(words)));
            } catch (Exception | Error error) {
                error.printStackTrace();
                System.out.println("failed\t" + error.toString().replaceAll("\\s+", " "));
            }
        }
    }

    // Making

    private static String make(String[] words) throws Exception {
        MimeBodyPart part = document(Files.readAllBytes(folder.resolve(words[2])), words[3], words[4]);
        for (int i = 5; i < words.length; i++) {
            String[] step = words[i].split(":");
            switch (step[0]) {
                case "sign" -> part = around(signing(step[1], step[2], step[3]).generate(part));
                case "wrap" -> part = signing(step[1], step[2], "binary").generateEncapsulated(part);
                case "encrypt" -> part = encrypted(part, step[1], step[2], step[3]);
                case "compress" -> part = compressed(part, step[1]);
                case "der" -> part = inDer(part);
                default -> throw new IllegalArgumentException(words[i]);
            }
        }
        try (OutputStream out = Files.newOutputStream(folder.resolve(words[1] + ".mime"))) {
            part.writeTo(out);
        }
        // Bouncy Castle signs while it writes.
        return signing == null ? "-" : base64((byte[]) signing.getGeneratedDigests().values().iterator().next());
    }

    /** A part with the octets as they are, but for the encoding. */
    private static MimeBodyPart document(byte[] octets, String type, String encoding) throws Exception {
        InternetHeaders headers = new InternetHeaders();
        headers.setHeader("Content-Type", type);
        if (!encoding.equals("none")) {
            headers.setHeader("Content-Transfer-Encoding", encoding);
        }
        ByteArrayOutputStream encoded = new ByteArrayOutputStream();
        if (encoding.equals("base64") || encoding.equals("quoted-printable")) {
            try (OutputStream out = MimeUtility.encode(encoded, encoding)) {
                out.write(octets);
            }
        } else {
            encoded.write(octets);
        }
        return new MimeBodyPart(headers, encoded.toByteArray());
    }

    private static SMIMESignedGenerator signing(String key, String algorithm, String encoding) throws Exception {
        X509CertificateHolder certificate = certificate(key);
        signing = new SMIMESignedGenerator(encoding);
        JcaSimpleSignerInfoGeneratorBuilder signer = new JcaSimpleSignerInfoGeneratorBuilder().setProvider("BC");
        signing.addSignerInfoGenerator(signer.build(algorithm, privateKey(key), certificate));
        signing.addCertificates(new JcaCertStore(Collections.singletonList(certificate)));
        return signing;
    }

    private static MimeBodyPart around(MimeMultipart multipart) throws Exception {
        // A message writes the header of its content; a part alone does not.
        MimeMessage message = new MimeMessage(SESSION);
        message.setContent(multipart);
        message.saveChanges();
        MimeBodyPart part = new MimeBodyPart();
        part.setContent(multipart);
        part.setHeader("Content-Type", message.getContentType());
        return part;
    }

    private static MimeBodyPart encrypted(MimeBodyPart part, String cipher, String transport, String encoding)
            throws Exception {
        // Jakarta products write GCM into EnvelopedData as well, against RFC 5084.
        boolean authenticated = cipher.endsWith("GCM") && !encoding.startsWith("enveloped-");
        SMIMEEnvelopedGenerator generator =
                authenticated ? new SMIMEAuthEnvelopedGenerator() : new SMIMEEnvelopedGenerator();
        generator.addRecipientInfoGenerator(recipient(transport));
        generator.setContentTransferEncoding(encoding.replace("enveloped-", ""));
        ASN1ObjectIdentifier oid = (ASN1ObjectIdentifier) CMSAlgorithm.class.getField(cipher).get(null);
        JceCMSContentEncryptorBuilder builder = new JceCMSContentEncryptorBuilder(oid).setProvider("BC");
        OutputEncryptor encryptor = builder.build();
        return authenticated
                ? ((SMIMEAuthEnvelopedGenerator) generator)
                        .generate(part, (org.bouncycastle.operator.OutputAEADEncryptor) encryptor)
                : generator.generate(part, encryptor);
    }

    private static JceKeyTransRecipientInfoGenerator recipient(String transport) throws Exception {
        java.security.cert.X509Certificate certificate = new JcaX509CertificateConverter().getCertificate(certificate("us"));
        if (transport.equals("pkcs1")) {
            return new JceKeyTransRecipientInfoGenerator(certificate).setProvider("BC");
        }
        MGF1ParameterSpec mask = new MGF1ParameterSpec(transport.equals("oaep512") ? "SHA-512" : "SHA-256");
        OAEPParameterSpec oaep =
                new OAEPParameterSpec(mask.getDigestAlgorithm(), "MGF1", mask, PSource.PSpecified.DEFAULT);
        var identifier = new JcaAlgorithmParametersConverter()
                .getAlgorithmIdentifier(new ASN1ObjectIdentifier("1.2.840.113549.1.1.7"), oaep);
        return new JceKeyTransRecipientInfoGenerator(certificate, identifier).setProvider("BC");
    }

    private static MimeBodyPart compressed(MimeBodyPart part, String encoding) throws Exception {
        SMIMECompressedGenerator generator = new SMIMECompressedGenerator();
        generator.setContentTransferEncoding(encoding);
        return generator.generate(part, new ZlibCompressor());
    }

    /** The CMS object of the outermost layer in DER instead of BER. */
    private static MimeBodyPart inDer(MimeBodyPart part) throws Exception {
        if (part.getContentType().startsWith("multipart/")) {
            MimeMultipart multipart = (MimeMultipart) part.getContent();
            MimeBodyPart signature = inDer((MimeBodyPart) multipart.getBodyPart(1));
            multipart.removeBodyPart(1);
            multipart.addBodyPart(signature);
            return part;
        }
        ByteArrayOutputStream octets = new ByteArrayOutputStream();
        part.writeTo(octets);
        MimeBodyPart written = new MimeBodyPart(new ByteArrayInputStream(octets.toByteArray()));
        byte[] der = ASN1Primitive.fromByteArray(written.getInputStream().readAllBytes()).getEncoded("DER");
        return document(der, written.getContentType(), written.getEncoding());
    }

    // Reading

    private static String read(String[] words) throws Exception {
        MimeBodyPart part = new MimeBodyPart(Files.newInputStream(folder.resolve(words[1] + ".mime")));
        List<String> layers = new ArrayList<>();
        String check = "-";
        while (true) {
            String type = part.getContentType().toLowerCase();
            if (type.startsWith("multipart/signed")) {
                layers.add("signed");
                SMIMESigned signed = new SMIMESigned((MimeMultipart) part.getContent(), words[3]);
                check = verified(signed, certificate(words[2]));
                part = signed.getContent();
            } else if (type.startsWith("application/pkcs7-mime")) {
                part = opened(part, layers);
            } else {
                break;
            }
        }
        Files.write(folder.resolve(words[1] + ".out"), part.getInputStream().readAllBytes());
        return String.join(",", layers) + "\t" + check;
    }

    private static String verified(SMIMESigned signed, X509CertificateHolder certificate) throws Exception {
        List<SignerInformation> signers = new ArrayList<>(signed.getSignerInfos().getSigners());
        if (signers.size() != 1) {
            throw new IllegalStateException(signers.size() + " signers");
        }
        JcaSimpleSignerInfoVerifierBuilder verifier = new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC");
        if (!signers.get(0).verify(verifier.build(certificate))) {
            throw new IllegalStateException("the signature does not verify");
        }
        return base64(signers.get(0).getContentDigest());
    }

    private static MimeBodyPart opened(MimeBodyPart part, List<String> layers) throws Exception {
        byte[] octets = part.getInputStream().readAllBytes();
        String oid = ContentInfo.getInstance(ASN1Primitive.fromByteArray(octets)).getContentType().getId();
        switch (oid) {
            case "1.2.840.113549.1.7.3": {
                layers.add("encrypted");
                RecipientInformation recipient = new SMIMEEnveloped(part).getRecipientInfos().iterator().next();
                JceKeyTransEnvelopedRecipient key = new JceKeyTransEnvelopedRecipient(privateKey("them"));
                return SMIMEUtil.toMimeBodyPart(recipient.getContent(key.setProvider("BC")));
            }
            case "1.2.840.113549.1.9.16.1.23": {
                layers.add("encrypted");
                RecipientInformation recipient = new SMIMEAuthEnveloped(part).getRecipientInfos().iterator().next();
                JceKeyTransAuthEnvelopedRecipient key = new JceKeyTransAuthEnvelopedRecipient(privateKey("them"));
                return SMIMEUtil.toMimeBodyPart(recipient.getContent(key.setProvider("BC")));
            }
            case "1.2.840.113549.1.9.16.1.9": {
                layers.add("compressed");
                return SMIMEUtil.toMimeBodyPart(new SMIMECompressed(part).getContent(new ZlibExpanderProvider()));
            }
            default:
                throw new IllegalStateException("a CMS object of type " + oid);
        }
    }

    // Keys

    private static X509CertificateHolder certificate(String name) throws Exception {
        return (X509CertificateHolder) pem(name + ".crt.pem");
    }

    private static PrivateKey privateKey(String name) throws Exception {
        return new JcaPEMKeyConverter().setProvider("BC").getPrivateKey((PrivateKeyInfo) pem(name + ".key.pem"));
    }

    private static Object pem(String file) throws Exception {
        try (PEMParser parser = new PEMParser(new FileReader(folder.resolve("keys").resolve(file).toFile()))) {
            return parser.readObject();
        }
    }

    private static String base64(byte[] octets) {
        return Base64.getEncoder().encodeToString(octets);
    }
}
