use super::*;

fn rule(path: &str, values: &[&str]) -> FailRule {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    FailRule { path: Some(path.to_owned()), values, ..FailRule::default() }
}

fn hits(path: &str, values: &[&str], body: &str) -> bool {
    finding(&rule(path, values), StatusCode::OK, body.as_bytes()).is_some()
}

#[test]
fn without_values_anything_but_null_false_and_the_empty_string_counts() {
    for body in [r#"{"error":"x"}"#, r#"{"error":0}"#, r#"{"error":true}"#, r#"{"error":{}}"#, r#"{"error":[0]}"#] {
        assert!(hits("error", &[], body), "{body}");
    }
    for body in [r#"{"error":null}"#, r#"{"error":false}"#, r#"{"error":""}"#, r#"{"other":1}"#, "[]", "null", ""] {
        assert!(!hits("error", &[], body), "{body}");
    }
    for body in [r#"{"errors":[]}"#, r#"{"errors":[null,false,"",[]]}"#] {
        assert!(!hits("errors", &[], body), "an array counts by its elements: {body}");
    }
}

#[test]
fn strings_numbers_and_bools_are_compared_as_text() {
    for (value, body) in [
        ("RATE", r#"{"code":"RATE"}"#),
        ("429", r#"{"code":429}"#),
        ("429", r#"{"code":"429"}"#),
        ("-7", r#"{"code":-7}"#),
        ("1.50", r#"{"code":1.5}"#),
        ("true", r#"{"code":true}"#),
        ("false", r#"{"code":false}"#),
        ("", r#"{"code":""}"#),
        ("b", r#"{"code":["a",["b"]]}"#),
        ("2", r#"{"code":[1,2]}"#),
    ] {
        assert!(hits("code", &["other", value], body), "{value} {body}");
    }
    for (value, body) in [
        ("rate", r#"{"code":"RATE"}"#),
        ("RATE", r#"{"code":"RATED"}"#),
        ("null", r#"{"code":null}"#),
        ("42", r#"{"code":429}"#),
        ("{}", r#"{"code":{}}"#),
        ("1", r#"{"code":{"1":1}}"#),
        ("a", r#"{"code":[]}"#),
    ] {
        assert!(!hits("code", &[value], body), "{value} {body}");
    }
}

#[test]
fn places_are_pointers_steps_and_indexes() {
    let body = r#"{"error":{"code":"X","a/b":{"~":1},"a.b":2},"errors":[{"code":"Y"},{"code":"Z"}],"0":"key"}"#;
    for (path, value) in [
        ("error.code", "X"),
        ("/error/code", "X"),
        ("/error/a~1b/~0", "1"),
        ("/error/a.b", "2"),
        ("errors.1.code", "Z"),
        ("errors[1].code", "Z"),
        ("/errors/1/code", "Z"),
        ("errors.code", "Z"),
        ("0", "key"),
    ] {
        assert!(hits(path, &[value], body), "{path}");
    }
    for path in ["error.Code", "error", "errors.2.code", "errors[-1].code", "/errors/code", "/errors/01/code", "code"] {
        assert!(!hits(path, &["X", "Y", "Z"], body), "{path}");
    }
    assert!(hits("1.code", &["Y"], r#"[{"code":"X"},{"code":"Y"}]"#));
    assert!(hits("code", &["X"], "\u{feff} {\"code\":\"X\"} "), "a byte order mark is skipped");
}

#[test]
fn elements_of_xml_are_found_by_their_names() {
    let body = "\u{feff}<?xml version=\"1.0\"?>\n<e:Error xmlns:e=\"urn:e\" Code=\"x\"> <Code> Slow&amp;Down </Code>\
                <Code>Other</Code><Empty/><No>false</No><Sub><Code><![CDATA[Deep]]></Code></Sub></e:Error>";
    for (path, value) in [
        ("Error.Code", "Slow&Down"),
        ("Error.Code", "Other"),
        ("Error.Code[1]", "Other"),
        ("Error.Code.0", "Slow&Down"),
        ("Error.Sub.Code", "Deep"),
    ] {
        assert!(hits(path, &["x", value], body), "{path} {value}");
    }
    for (path, value) in [
        ("Error.Code[2]", "Other"),
        ("Code", "Other"),
        ("Error.code", "Other"),
        ("/Error/Code", "Other"),
        ("Error.Sub", "Deep"),
    ] {
        assert!(!hits(path, &[value], body), "{path}");
    }
    assert!(hits("Error", &[], body) && hits("Error.Sub", &[], body) && hits("Error.Code", &[], body));
    assert!(!hits("Error.Empty", &[], body) && !hits("Error.No", &[], body) && !hits("Error.None", &[], body));
}

#[test]
fn xml_that_expands_or_explodes_has_no_places() {
    let bomb = "<!DOCTYPE a [<!ENTITY x \"xxxxxxxxxx\"><!ENTITY y \"&x;&x;&x;\">]><a>&y;</a>";
    let deep = format!("{}x{}", "<a>".repeat(30_000), "</a>".repeat(30_000));
    let wide = format!("<a>{}</a>", "<b/>".repeat(60_000));
    let plain_doctype = "<!DOCTYPE html><a>x</a>";
    for body in [bomb, &deep, &wide, plain_doctype, "<a>x", "<a>x</b>", "<a>&none;</a>", "<", "<a b=c>x</a>"] {
        assert!(!hits("a", &[], body), "{}", &body[..body.len().min(60)]);
    }
}

#[test]
fn text_is_searched_for_its_parts() {
    assert!(hits("$text", &["Rate Limit", "quota"], "<h1>quota used up</h1>"));
    assert!(!hits("$text", &["Rate Limit"], "rate limit"));
    assert!(hits("$text", &[], "anything") && !hits("$text", &[], " \r\n"));
    assert!(hits("$text", &["{\"a\":1}"], "{\"a\":1}"), "JSON is text, too");
    let latin1 = finding(&rule("$text", &["Fehler"]), StatusCode::OK, b"Gr\xf6\xdfe: Fehler");
    assert_eq!(latin1.as_deref(), Some("the body contains Fehler"));
}

#[test]
fn what_is_no_document_has_no_places() {
    for body in ["", "text", "<code>X", "{\"code\":\"X\"", "{'code':'X'}", "{\"code\":\"X\"} trailing", "\u{0}"] {
        assert!(!hits("code", &[], body), "{body}");
    }
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(!hits("0.0.0", &[], &nested), "too deep for any reader");
    assert!(!hits("code", &[], &format!("{{\"code\":{}1", "[".repeat(200_000))));
}

#[test]
fn a_body_is_looked_at_up_to_a_bound() {
    let json = |size: usize| format!("{{\"code\":\"X\",\"fill\":\"{}\"}}", "x".repeat(size - 22));
    assert_eq!(json(SCANNED).len(), SCANNED);
    assert!(hits("code", &["X"], &json(SCANNED)));
    assert!(!hits("code", &["X"], &json(SCANNED + 1)), "a document that is cut off is none");
    let text = |before: usize| format!("{}limit", " ".repeat(before));
    assert!(hits("$text", &["limit"], &text(SCANNED - 5)) && !hits("$text", &["limit"], &text(SCANNED - 4)));
}

#[test]
fn conditions_are_alternatives_unless_all_must_hold() {
    let (hit, miss) = (br#"{"code":"X"}"#.as_slice(), br#"{"code":"Y"}"#.as_slice());
    let mut both = rule("code", &["X"]);
    both.status = vec![500, 503];
    let found = |rule: &FailRule, status: u16, body: &[u8]| finding(rule, StatusCode::from_u16(status).unwrap(), body);
    let rows = [(503, hit, true, true), (503, miss, true, false), (200, hit, true, false), (200, miss, false, false)];
    for (status, body, any, all) in rows {
        both.r#match = Match::Any;
        assert_eq!(found(&both, status, body).is_some(), any, "{status}");
        both.r#match = Match::All;
        assert_eq!(found(&both, status, body).is_some(), all, "{status}");
    }
    assert_eq!(found(&both, 503, hit).as_deref(), Some("status 503 Service Unavailable, and `code` in the body is X"));
    let mut one = FailRule { r#match: Match::All, status: vec![503], ..FailRule::default() };
    assert!(found(&one, 503, miss).is_some() && found(&one, 200, hit).is_none(), "what is not set is not asked");
    one = FailRule { r#match: Match::All, ..rule("code", &["X"]) };
    assert!(found(&one, 200, hit).is_some() && found(&one, 503, miss).is_none());
    one = FailRule { r#match: Match::All, ..FailRule::default() };
    assert!(found(&one, 503, hit).is_none(), "a rule without conditions means nothing");
}

#[test]
fn only_what_the_profile_says_is_repeated() {
    let said = finding(&rule("token", &[]), StatusCode::OK, br#"{"token":"s3cret"}"#).unwrap();
    assert_eq!(said, "`token` in the body is set");
}
