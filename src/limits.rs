//! Bounds on everything that a peer can make large, with the reason of each number.

/// What one inbound message may cost. Every reader of the crate spends from this one struct.
///
/// ```
/// let mut limits = as2_protocol::Limits::default();
/// limits.body = 64 << 20; // this service takes 64 MiB at most
/// # assert_eq!(limits.nesting, 8);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Octets of the HTTP body; 1 GiB. AWS Transfer Family takes 1 GB, the largest figure that a hosted AS2 service names.
    pub body: u64,
    /// Octets of one header block, HTTP or MIME; 64 KiB. Apache and nginx refuse more than 32 KiB in all.
    pub header_bytes: u64,
    /// Fields of one header block; 256. Real AS2 requests carry fewer than 40.
    pub header_fields: usize,
    /// Parts of one multipart body; 1000. Test suites for RFC 6362 send fewer than 20.
    pub parts: usize,
    /// Security layers and nested multiparts together; 8. The deepest legal AS2 message has three layers and a multipart.
    pub nesting: usize,
    /// Octets that inflating may yield, over all layers of a message; 1 GiB, as for [`Limits::body`].
    pub inflated: u64,
    /// Inflated octets per compressed octet, once [`Limits::inflate_allowance`] is used up; 250.
    /// EDI text reaches about 50, a file of one repeated line about 200; zlib itself can reach 1032.
    pub inflate_ratio: u64,
    /// Inflated octets that are free of the ratio rule; 16 MiB, so that small repetitive files pass.
    pub inflate_allowance: u64,
    /// Nested BER elements; 24. The deepest CMS structure of the test corpus has 13.
    pub ber_depth: usize,
    /// Octets of a CMS structure outside its content (recipients, certificates, signers, attributes); 1 MiB.
    /// A chain of ten 4096-bit certificates with revocation lists stays under 64 KiB.
    pub cms_overhead: u64,
    /// RecipientInfos or SignerInfos that are read, and certificates that are kept of those that come along; 64.
    /// VANs address a handful of recipients, and chains have a handful of certificates.
    pub cms_infos: usize,
    /// Octets of content in a cipher of the past (3DES, RC2); 64 MiB. With blocks of 64 bits, equal blocks begin to tell
    /// about each other after gigabytes (Sweet32); at this size the odds are below one in half a million. They are
    /// slow too: this much takes seconds.
    pub legacy_cipher: u64,
    /// Octets of content that are kept in memory although the message passes by: CCM, whose tag cannot be computed before
    /// the length is known (RFC 3610 section 2.2); 64 MiB.
    pub kept_whole: u64,
    /// Octets of the multipart/report of an MDN; 4 MiB. Some peers return the original headers or message in a third part.
    pub report: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1 << 30,
            header_bytes: 64 << 10,
            header_fields: 256,
            parts: 1000,
            nesting: 8,
            inflated: 1 << 30,
            inflate_ratio: 250,
            inflate_allowance: 16 << 20,
            ber_depth: 24,
            cms_overhead: 1 << 20,
            cms_infos: 64,
            legacy_cipher: 64 << 20,
            kept_whole: 64 << 20,
            report: 4 << 20,
        }
    }
}
