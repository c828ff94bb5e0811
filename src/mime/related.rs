//! Several documents in one entity: multipart/related (RFC 2387, RFC 6362), and multipart/mixed, which is met too.

use bytes::Bytes;

use crate::limits::Limits;
use crate::mime::entity::Entity;
use crate::mime::multipart::Multipart;
use crate::mime::param::ContentType;
use crate::mime::transfer::decode;
use crate::mime::{Error, ErrorKind, filename};

/// One document of several, without its transfer encoding.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) content_type: Option<ContentType>,
    pub(crate) filename: Option<String>,
    /// Content-ID without its angle brackets.
    pub(crate) content_id: Option<String>,
    pub(crate) body: Bytes,
    pub(crate) is_root: bool,
}

/// The documents of an entity, in the order of their parts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Documents {
    pub(crate) all: Vec<Document>,
    /// What was odd.
    pub(crate) notes: Vec<String>,
}

/// Whether an entity holds several documents rather than one.
pub(crate) fn is_collection(content_type: Option<&ContentType>) -> bool {
    content_type.is_some_and(|known| matches!(known.essence(), "multipart/related" | "multipart/mixed"))
}

/// Takes a collection apart; collections inside it too, as long as they are not nested deeper than `nesting`.
pub(crate) fn read(
    content_type: &ContentType,
    body: &Bytes,
    limits: &Limits,
    nesting: usize,
) -> Result<Documents, Error> {
    let mut documents = Documents::default();
    documents.collect(content_type, body, limits, nesting)?;
    documents.find_root(content_type);
    Ok(documents)
}

impl Documents {
    /// Marks the root of the collection.
    pub(crate) fn find_root(&mut self, content_type: &ContentType) {
        // RFC 2387 section 3.2: the root is the part that `start` names, else the first.
        let start = content_type.param("start").map(bare_id).filter(|_| content_type.essence() == "multipart/related");
        let named = start.and_then(|start| self.all.iter().position(|d| d.content_id.as_deref() == Some(start)));
        if start.is_some() && named.is_none() {
            self.notes.push("`start` of multipart/related names none of the parts; the first is taken".to_owned());
        }
        if let Some(root) = self.all.get_mut(named.unwrap_or(0)) {
            root.is_root = true;
        }
    }

    /// A boundary that is given twice.
    pub(crate) fn check_boundary(&mut self, kind: &ContentType) {
        if kind.repeats("boundary") {
            self.notes.push(format!("the boundary of {} is given more than once", kind.essence()));
        }
    }

    fn collect(&mut self, kind: &ContentType, body: &Bytes, limits: &Limits, nesting: usize) -> Result<(), Error> {
        if nesting == 0 {
            return Err(Error::new(ErrorKind::Nesting, 0));
        }
        let split = Multipart::split(body, kind.param("boundary").unwrap_or_default(), limits)?;
        self.check_boundary(kind);
        for part in split.parts {
            if self.all.len() >= limits.parts {
                return Err(Error::new(ErrorKind::TooManyParts { limit: limits.parts }, 0));
            }
            let entity = Entity::parse(part, limits)?;
            let content_type = entity.content_type().and_then(Result::ok);
            let decoded = decode(entity.transfer_encoding()?, entity.body())?;
            match content_type {
                Some(inner) if is_collection(Some(&inner)) => self.collect(&inner, &decoded, limits, nesting - 1)?,
                content_type => self.all.push(document(&entity, content_type, decoded)),
            }
        }
        Ok(())
    }
}

/// A document by its header.
pub(crate) fn document(entity: &Entity, content_type: Option<ContentType>, body: Bytes) -> Document {
    let field = |name: &str| entity.fields().get(name);
    let id = field("content-id").map(|value| bare_id(String::from_utf8_lossy(&value).trim()).to_owned());
    let filename = filename::received(field("content-disposition").as_deref(), content_type.as_ref());
    Document { content_type, filename, content_id: id.filter(|id| !id.is_empty()), body, is_root: false }
}

/// A Content-ID or a reference to one, without angle brackets and `cid:`.
pub(crate) fn bare_id(id: &str) -> &str {
    let id = id.trim();
    let id = id.strip_prefix("cid:").unwrap_or(id);
    let id = id.strip_prefix('<').unwrap_or(id);
    id.strip_suffix('>').unwrap_or(id)
}

/// One multipart/related body, as what stands before and after the body of its first part, the root, whose header block
/// is `root`. The other parts are whole, each in pieces that are shared and not copied.
pub(crate) fn around(boundary: &str, root: Bytes, others: Vec<Vec<Bytes>>) -> (Vec<Bytes>, Vec<Bytes>) {
    let before = vec![Bytes::from(format!("--{boundary}\r\n")), root];
    let mut after = Vec::new();
    for pieces in others {
        after.push(Bytes::from(format!("\r\n--{boundary}\r\n")));
        after.extend(pieces);
    }
    after.push(Bytes::from(format!("\r\n--{boundary}--\r\n")));
    (before, after)
}

/// The fields of a multipart/related entity. `binary`, since its parts are (RFC 2045 section 6.4).
pub(crate) fn fields(boundary: &str, root_type: &str, root_id: &str) -> Vec<(&'static str, String)> {
    let content_type =
        format!("multipart/related; boundary=\"{boundary}\"; type=\"{root_type}\"; start=\"<{root_id}>\"");
    vec![("Content-Type", content_type), ("Content-Transfer-Encoding", "binary".to_owned())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_with(head: &str, body: &[u8], limits: &Limits, nesting: usize) -> Result<Documents, Error> {
        read(&head.parse().unwrap(), &Bytes::copy_from_slice(body), limits, nesting)
    }

    fn documents(head: &str, body: &[u8]) -> Documents {
        read_with(head, body, &Limits::default(), 8).unwrap()
    }

    fn part(fields: &str, body: &str) -> Vec<u8> {
        format!("{fields}\r\n\r\n{body}").into_bytes()
    }

    fn collection(boundary: &str, parts: &[Vec<u8>]) -> Vec<u8> {
        let mut parts = parts.iter().map(|part| Bytes::copy_from_slice(part));
        let root = parts.next().unwrap();
        let (before, after) = around(boundary, root, parts.map(|part| vec![part]).collect());
        [before, after].concat().concat()
    }

    #[test]
    fn f04_every_part_is_a_document_with_type_name_and_identifier() {
        let body = collection(
            "b",
            &[
                part("Content-Type: application/xml\r\nContent-ID: <1@a>", "<a/>"),
                part(
                    "Content-Type: application/pdf\r\nContent-ID:<2@a>\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=a.pdf",
                    "JVBERg==\r\n",
                ),
                part("Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable", "a=3Db=\r\nc"),
                b"\r\nno field".to_vec(),
            ],
        );
        let read = documents("multipart/related; boundary=b; type=\"application/xml\"", &body);
        let essence = |d: &Document| d.content_type.as_ref().map(|known| known.essence().to_owned());
        let all: Vec<_> =
            read.all.iter().map(|d| (essence(d), d.content_id.as_deref(), &d.body[..], d.is_root)).collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            all,
            [
                (some("application/xml"), Some("1@a"), &b"<a/>"[..], true),
                (some("application/pdf"), Some("2@a"), b"%PDF", false),
                (some("text/plain"), None, b"a=bc", false),
                (None, None, b"no field", false),
            ]
        );
        assert_eq!(read.all[1].filename.as_deref(), Some("a.pdf"));
        assert!(read.notes.is_empty());
    }

    #[test]
    fn f01_start_names_the_root() {
        let parts = ["1@a", "2@a"].map(|id| part(&format!("Content-ID: <{id}>"), id));
        let body = collection("b", &parts);
        for (start, root) in [("<2@a>", 1), ("2@a", 1), ("cid:2@a", 1), ("<1@a>", 0), ("<3@a>", 0), ("", 0)] {
            let read = documents(&format!("multipart/related; boundary=b; start=\"{start}\""), &body);
            assert_eq!(read.all.iter().position(|d| d.is_root), Some(root), "{start}");
            assert_eq!(read.notes.is_empty(), start != "<3@a>" && !start.is_empty(), "{start}: {:?}", read.notes);
        }
        let mixed = documents("multipart/mixed; boundary=b; start=\"<2@a>\"", &body);
        assert!(mixed.all[0].is_root, "F-06: mixed has no root but the first");
    }

    #[test]
    fn f04_collections_in_collections_are_flattened_and_bounded() {
        let mut body = part("Content-Type: text/plain", "deep");
        for level in 0..4 {
            let inner = collection(&format!("b{level}"), &[body, part("Content-Type: a/b", "beside")]);
            let head = format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n");
            body = [head.into_bytes(), inner].concat();
        }
        let outer = collection("o", &[body]);
        let read = documents("multipart/related; boundary=o", &outer);
        assert_eq!(read.all.len(), 5);
        assert_eq!((&read.all[0].body[..], read.all[0].is_root), (&b"deep"[..], true));
        let error = read_with("multipart/related; boundary=o", &outer, &Limits::default(), 4).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Nesting);
        let limits = Limits { parts: 4, ..Limits::default() };
        let error = read_with("multipart/related; boundary=o", &outer, &limits, 8).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::TooManyParts { limit: 4 }, "parts are counted over all levels");
    }

    #[test]
    fn what_cannot_be_taken_apart_is_told() {
        let cases: [(&str, &[u8], ErrorKind); 5] = [
            ("multipart/related", b"--b\r\n\r\nx\r\n--b--", ErrorKind::Boundary),
            ("multipart/related; boundary=b", b"nothing", ErrorKind::NoDelimiter),
            ("multipart/related; boundary=b", b"", ErrorKind::NoDelimiter),
            ("multipart/related; boundary=b", b"--b\r\nUNB+UNOA:1\r\n--b--", ErrorKind::NoBlankLine),
            (
                "multipart/related; boundary=b",
                b"--b\r\nContent-Transfer-Encoding: x-foo\r\n\r\nx\r\n--b--",
                ErrorKind::UnknownEncoding("x-foo".to_owned()),
            ),
        ];
        for (head, body, kind) in cases {
            let found = read_with(head, body, &Limits::default(), 8).map(drop).unwrap_err();
            assert_eq!(found.kind(), &kind, "{head} {}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn other_multiparts_are_documents_of_their_own() {
        let body =
            collection("b", &[part("Content-Type: multipart/alternative; boundary=c", "--c\r\n\r\nx\r\n--c--\r\n")]);
        let read = documents("multipart/mixed; boundary=b", &body);
        assert_eq!(read.all[0].body.as_ref(), b"--c\r\n\r\nx\r\n--c--\r\n");
        assert!(!is_collection(Some(&"multipart/form-data; boundary=x".parse().unwrap())) && !is_collection(None));
    }
}
