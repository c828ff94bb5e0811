//! The XML of certificate exchange. Read by a parser that knows no document types, so that nothing can expand.

use std::time::SystemTime;

use roxmltree::{Document, Node, ParsingOptions};

use crate::cem::CemError;
use crate::name::printable;
use crate::stored::Instant;

pub(super) const NAMESPACE: &str = "urn:ietf:params:xml:ns:ediintcertificateexchange";
pub(super) const SIGNATURE_NAMESPACE: &str = "http://www.w3.org/2000/09/xmldsig#";

/// Octets of the largest document; a request with 64 certificates has 40 KiB.
const MAX_OCTETS: usize = 256 << 10;
/// Elements, texts and comments of a document; 64 certificates need 2000.
const MAX_NODES: u32 = 8192;
/// Quotation marks of a document, two for each attribute and more in texts, which is harmless: the parser compares
/// attributes and namespaces of an element with each other. 64 certificates need 200.
const MAX_QUOTES: usize = 2048;
/// Nested elements; certificate exchange has five.
const MAX_DEPTH: usize = 16;
/// Characters of one value; names of issuers stay far below.
const MAX_TEXT: usize = 4096;

/// Parses a document within the limits.
pub(super) fn parse(octets: &[u8]) -> Result<Document<'_>, CemError> {
    if octets.len() > MAX_OCTETS {
        return Err(CemError::TooLarge { what: "octets of the XML document", limit: MAX_OCTETS });
    }
    let text = std::str::from_utf8(octets).map_err(|error| CemError::Xml(format!("not UTF-8: {error}")))?;
    if octets.iter().filter(|octet| matches!(octet, b'"' | b'\'')).count() > MAX_QUOTES {
        return Err(CemError::TooLarge { what: "quotation marks of the XML document", limit: MAX_QUOTES });
    }
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| match error {
        roxmltree::Error::DtdDetected => CemError::DocumentType,
        roxmltree::Error::NodesLimitReached => {
            CemError::TooLarge { what: "nodes of the XML document", limit: usize::try_from(MAX_NODES).unwrap_or(0) }
        }
        other => CemError::Xml(printable(&other.to_string())),
    })?;
    if document.descendants().any(|node| node.ancestors().nth(MAX_DEPTH).is_some()) {
        return Err(CemError::TooLarge { what: "nested elements of the XML document", limit: MAX_DEPTH });
    }
    Ok(document)
}

/// Children of this name, in the namespace of certificate exchange or of XML signatures.
pub(super) fn children<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| {
        let known = matches!(child.tag_name().namespace(), Some(NAMESPACE | SIGNATURE_NAMESPACE));
        known && child.tag_name().name() == name
    })
}

/// The child of this name.
pub(super) fn child<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> Result<Node<'a, 'i>, CemError> {
    optional(node, name)?.ok_or(CemError::Missing(name))
}

/// The child of this name, if there is one; of two nobody knows which is meant.
pub(super) fn optional<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> Result<Option<Node<'a, 'i>>, CemError> {
    let mut found = children(node, name);
    match (found.next(), found.next()) {
        (first, None) => Ok(first),
        _ => Err(CemError::Repeated(name)),
    }
}

/// The text of an element, without white space around it.
pub(super) fn text(node: Node<'_, '_>) -> Result<String, CemError> {
    let mut text = String::new();
    // Comments and references split a text into several nodes.
    for piece in node.children().filter(Node::is_text).filter_map(|piece| piece.text()) {
        if text.len() + piece.len() > MAX_TEXT {
            return Err(CemError::TooLarge { what: "octets of a value in the XML document", limit: MAX_TEXT });
        }
        text.push_str(piece);
    }
    Ok(text.trim().to_owned())
}

/// The text of the child of this name, which must not be empty.
pub(super) fn child_text(node: Node<'_, '_>, name: &'static str) -> Result<String, CemError> {
    Some(text(child(node, name)?)?).filter(|text| !text.is_empty()).ok_or(CemError::Missing(name))
}

/// A date and time as XML schema writes it. Without a time zone it is read as UTC.
pub(super) fn instant(element: &'static str, text: &str) -> Result<SystemTime, CemError> {
    let zoned = [text.to_owned(), format!("{text}Z")].into_iter().find_map(|text| Instant::try_from(text).ok());
    let value = || CemError::Value { element, value: printable(text) };
    zoned.map(|instant| instant.0).ok_or_else(value)
}

/// Writes elements, indented by two spaces for each level.
pub(super) struct Writer {
    out: String,
    open: Vec<&'static str>,
}

impl Writer {
    pub(super) fn new(root: &'static str, request_id: &str) -> Self {
        let out = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} xmlns=\"{NAMESPACE}\" \
             xmlns:ds=\"{SIGNATURE_NAMESPACE}\" requestId=\"{}\">\n",
            escape(request_id)
        );
        Self { out, open: vec![root] }
    }

    pub(super) fn begin(&mut self, name: &'static str) {
        self.indent();
        self.out.push_str(&format!("<{name}>\n"));
        self.open.push(name);
    }

    pub(super) fn end(&mut self) {
        if let Some(name) = self.open.pop() {
            self.indent();
            self.out.push_str(&format!("</{name}>\n"));
        }
    }

    pub(super) fn leaf(&mut self, name: &str, text: &str) {
        self.leaf_with(name, "", text);
    }

    pub(super) fn leaf_with(&mut self, name: &str, attribute: &str, text: &str) {
        self.indent();
        self.out.push_str(&format!("<{name}{attribute}>{}</{name}>\n", escape(text)));
    }

    pub(super) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.end();
        }
        self.out
    }

    fn indent(&mut self) {
        for _ in &self.open {
            self.out.push_str("  ");
        }
    }
}

/// Text and attribute values; characters that XML 1.0 cannot carry become a question mark.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            character if character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}') => out.push('?'),
            character => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> CemError {
        parse(text.as_bytes()).map(drop).unwrap_err()
    }

    #[test]
    fn ec7_u19_document_types_are_refused_whatever_they_hold() {
        let laughs = "<!DOCTYPE a [<!ENTITY b \"&c;&c;\"><!ENTITY c \"ha\">]><a>&b;</a>";
        let outside = "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>";
        for text in [laughs, outside, "<!DOCTYPE a><a/>", "<?xml version=\"1.0\"?>\n<!DOCTYPE a [ ]><a/>"] {
            assert_eq!(refused(text), CemError::DocumentType, "{text}");
        }
        assert!(matches!(refused("<a>&b;</a>"), CemError::Xml(_)), "an entity that nothing declares");
    }

    #[test]
    fn ec7_attributes_and_namespaces_are_limited() {
        // Each child of an element copies its namespaces, and each attribute is compared with those before it.
        let named = |count: usize| {
            let names = (0..count).map(|number| format!(" xmlns:a{number}='u'")).collect::<String>();
            format!("<a{names}/>")
        };
        assert!(parse(named(1000).as_bytes()).is_ok());
        let limit = CemError::TooLarge { what: "quotation marks of the XML document", limit: MAX_QUOTES };
        assert_eq!(refused(&named(1025)), limit);
        assert_eq!(refused(&named(9000).replace('\'', "\"")), limit);
    }

    #[test]
    fn ec7_size_depth_and_number_are_limited() {
        let deep = |levels: usize| format!("{}{}", "<a>".repeat(levels), "</a>".repeat(levels));
        assert!(parse(deep(15).as_bytes()).is_ok());
        for levels in [17, 4000, 80_000] {
            assert!(matches!(refused(&deep(levels)), CemError::TooLarge { .. }), "{levels}");
        }
        let many = format!("<a>{}</a>", "<b/>".repeat(9000));
        assert!(matches!(refused(&many), CemError::TooLarge { limit: 8192, .. }));
        let long = format!("<a>{}</a>", "x".repeat(MAX_OCTETS));
        assert!(matches!(refused(&long), CemError::TooLarge { limit: MAX_OCTETS, .. }));
        let text = format!("<a>{}</a>", "x".repeat(MAX_TEXT + 1));
        assert!(matches!(super::text(parse(text.as_bytes()).unwrap().root_element()), Err(CemError::TooLarge { .. })));
    }

    #[test]
    fn what_is_no_xml_is_told() {
        for text in ["", "no XML", "<a>", "<a></b>", "<a b=c/>", "<x:a/>", "<a/><a/>"] {
            assert!(matches!(refused(text), CemError::Xml(_)), "{text}");
        }
        assert!(matches!(parse(b"<a>\xff</a>").map(drop), Err(CemError::Xml(_))));
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut writer = Writer::new("Root", "1\"<@a>");
        writer.begin("Part");
        writer.leaf("ds:Leaf", "a & b < c > \"d\" \u{7}\n");
        let text = writer.finish();
        let document = parse(text.as_bytes()).unwrap();
        assert_eq!(document.root_element().attribute("requestId"), Some("1\"<@a>"));
        let part = child(document.root_element(), "Part").unwrap();
        assert_eq!(child_text(part, "Leaf").unwrap(), "a & b < c > \"d\" ??");
    }

    #[test]
    fn dates_have_a_zone_or_are_utc() {
        let at = |text| instant("RespondByDate", text).map(|at| String::from(Instant(at)));
        assert_eq!(at("2005-08-30T00:30:00-05:00").unwrap(), "2005-08-30T05:30:00Z");
        assert_eq!(at("2005-08-30T00:30:00Z").unwrap(), at("2005-08-30T00:30:00").unwrap());
        for bad in ["", "2005-08-30", "yesterday", "2005-13-30T00:30:00Z"] {
            assert!(matches!(at(bad), Err(CemError::Value { element: "RespondByDate", .. })), "{bad}");
        }
    }
}
