import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import org.bouncycastle.cms.CMSCompressedDataParser;
import org.bouncycastle.cms.jcajce.ZlibExpanderProvider;

/** Inflates a CompressedData with Bouncy Castle: INPUT OUTPUT. */
public final class Inflate {
    public static void main(String[] arguments) throws Exception {
        try (InputStream input = new FileInputStream(arguments[0]);
                OutputStream output = new FileOutputStream(arguments[1])) {
            CMSCompressedDataParser parser = new CMSCompressedDataParser(input);
            parser.getContent(new ZlibExpanderProvider()).getContentStream().transferTo(output);
        }
    }
}
