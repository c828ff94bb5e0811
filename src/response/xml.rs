//! Values in XML answers, by the names of elements.

use roxmltree::{Document, Node, ParsingOptions};

/// Whether an element at this place means it. Names are compared without their namespaces, the outermost one being
/// the root's; an index chooses among the elements found so far.
pub(super) fn finding<'a>(text: &str, steps: &[&str], values: &'a [String]) -> Option<Option<&'a str>> {
    // Entities of documents are never expanded: a DTD makes the document unreadable.
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).ok()?;
    let mut found = vec![document.root()];
    for step in steps {
        found = match step.parse::<usize>() {
            Ok(index) => found.into_iter().nth(index).into_iter().collect(),
            Err(_) => found.into_iter().flat_map(|node| named(node, step)).collect(),
        };
    }
    found.into_iter().find_map(|element| means(element, values))
}

fn named<'d>(node: Node<'d, 'd>, name: &str) -> Vec<Node<'d, 'd>> {
    node.children().filter(|child| child.is_element() && child.tag_name().name() == name).collect()
}

/// As for JSON; elements inside are something, and no text.
fn means<'a>(element: Node<'_, '_>, values: &'a [String]) -> Option<Option<&'a str>> {
    let text: String = element.children().filter(Node::is_text).filter_map(|child| child.text()).collect();
    let text = text.trim();
    if values.is_empty() {
        let filled = !matches!(text, "" | "false") || element.children().any(|child| child.is_element());
        return filled.then_some(None);
    }
    values.iter().find(|wanted| *wanted == text).map(|wanted| Some(wanted.as_str()))
}

/// Elements, attributes and texts of a document; an error document has some dozens.
const NODES: u32 = 10_000;
