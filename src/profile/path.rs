//! Where in the body of an answer a [`FailRule`](crate::FailRule) looks.

/// A `path` as written in a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BodyPath<'a> {
    /// `$text`: the body as text.
    Text,
    /// A JSON pointer (RFC 6901), which starts with a slash.
    Pointer(&'a str),
    /// Names and array indexes, outermost first: `errors.0.code`, `errors[0].code`.
    Steps(Vec<&'a str>),
}

impl<'a> BodyPath<'a> {
    /// Reads a path; the error tells what is wrong with it.
    pub(crate) fn read(path: &'a str) -> Result<Self, &'static str> {
        match path {
            "" => return Err("it is empty"),
            "$text" => return Ok(Self::Text),
            _ => {}
        }
        if path.starts_with('$') {
            return Err("it starts with `$`, and is not `$text`");
        }
        if path.starts_with('/') {
            let escaped = path.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
            return if escaped { Ok(Self::Pointer(path)) } else { Err("`~` in a JSON pointer is written `~0`") };
        }
        let mut steps = Vec::new();
        for segment in path.split('.') {
            let (name, indexes) = segment.split_at(segment.find('[').unwrap_or(segment.len()));
            steps.extend((!name.is_empty() || indexes.is_empty()).then_some(name));
            if !indexes.is_empty() {
                let inner = indexes.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
                steps.extend(inner.ok_or("its brackets do not pair")?.split("]["));
            }
        }
        if steps.iter().any(|step| step.is_empty() || step.contains(['[', ']'])) {
            return Err("a name or index in it is missing");
        }
        Ok(Self::Steps(steps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_pointers_or_steps_or_text() {
        let steps = |path: &str| match BodyPath::read(path) {
            Ok(BodyPath::Steps(steps)) => steps.join("|"),
            other => panic!("{path}: {other:?}"),
        };
        assert_eq!(steps("error.code"), "error|code");
        assert_eq!(steps("errors.0.code"), "errors|0|code");
        assert_eq!(steps("errors[0][12].code"), "errors|0|12|code");
        assert_eq!(steps("[3].code"), "3|code");
        assert_eq!(BodyPath::read("/error/a~1b~0"), Ok(BodyPath::Pointer("/error/a~1b~0")));
        assert_eq!(BodyPath::read("/"), Ok(BodyPath::Pointer("/")));
        assert_eq!(BodyPath::read("$text"), Ok(BodyPath::Text));
        for bad in
            ["", "$", "$.error", "$Text", ".", "a.", ".a", "a..b", "a[", "a]", "a[]", "a[0", "a[0]b", "/a~2", "/~"]
        {
            assert!(BodyPath::read(bad).is_err(), "{bad}");
        }
    }
}
