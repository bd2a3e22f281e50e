//! The part of JSONPath with which survey workflows point into outputs.

use serde_json::Value;

/// A path such as `$.list[0]["a key"].x`: names and positions only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JsonPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Name(String),
    Position(usize),
}

impl JsonPath {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut rest = text.strip_prefix('$')?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let step;
            (step, rest) = if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let name = &after[..end];
                if name.is_empty() || name.contains(['*', '?', '@', ']', '"', '\'', '(']) {
                    return None;
                }
                (Step::Name(name.to_owned()), &after[end..])
            } else {
                let inside = rest.strip_prefix('[')?;
                if let Some(quote) = inside
                    .chars()
                    .next()
                    .filter(|first| matches!(first, '"' | '\''))
                {
                    let (name, after) = quoted(&inside[1..], quote)?;
                    (Step::Name(name), after.strip_prefix(']')?)
                } else {
                    let (position, after) = inside.split_once(']')?;
                    (Step::Position(position.trim().parse().ok()?), after)
                }
            };
            steps.push(step);
        }
        Some(Self(steps))
    }

    /// The name that it begins with.
    pub(super) fn first_name(&self) -> Option<&str> {
        match self.0.first() {
            Some(Step::Name(name)) => Some(name),
            Some(Step::Position(_)) | None => None,
        }
    }

    pub(super) fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(value, |value, step| match step {
            Step::Name(name) => value.get(name),
            Step::Position(position) => value.get(position),
        })
    }
}

/// The text up to the quote, without its escapes, and what follows the quote.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => name.push(characters.next()?.1),
            other if other == quote => return Some((name, &text[at + 1..])),
            other => name.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_to_values() {
        let value =
            json!({"a": {"b": 1}, "a b": 2, "list": [{"x": 3}], "q\"]": 4, "a-b": 5, "0": 6});
        for (path, expected) in [
            ("$", Some(value.clone())),
            ("$.a.b", Some(json!(1))),
            ("$[\"a b\"]", Some(json!(2))),
            ("$['a b']", Some(json!(2))),
            ("$.a b", Some(json!(2))),
            ("$.list[0].x", Some(json!(3))),
            ("$.list[0]['x']", Some(json!(3))),
            ("$[\"q\\\"]\"]", Some(json!(4))),
            ("$.a-b", Some(json!(5))),
            ("$.0", Some(json!(6))),
            ("$.list[1].x", None),
            ("$.list.x", None),
            ("$.a.b.c", None),
        ] {
            let found = JsonPath::parse(path).unwrap();
            assert_eq!(found.find(&value), expected.as_ref(), "{path}");
        }
    }

    #[test]
    fn other_paths_are_refused() {
        for path in [
            "",
            "a.b",
            "$a",
            "$.",
            "$..a",
            "$.*",
            "$[*]",
            "$[-1]",
            "$[0",
            "$[\"a]",
            "$[a]",
            "$[?(@.x)]",
        ] {
            assert_eq!(JsonPath::parse(path), None, "{path}");
        }
    }
}
