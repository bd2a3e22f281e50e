//! Paths into an event.

use serde_json::Value;

use super::MAX_OPERAND_CHARACTERS;

/// A path such as `data.values["How likely"][0]`, or a JSON Pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    source: String,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// A key of an object; of a list, the member whose index it spells.
    Key(String),
    /// A member of a list, counted from 0.
    Index(usize),
}

impl Field {
    pub(super) fn parse(source: &str) -> Result<Self, &'static str> {
        if source.chars().count() > MAX_OPERAND_CHARACTERS {
            return Err("it is longer than 1000 characters");
        }
        let segments = match source.strip_prefix('/') {
            Some(pointer) => parse_pointer(pointer)?,
            None => parse_path(source)?,
        };
        Ok(Self {
            source: source.to_owned(),
            segments,
        })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.source
    }

    /// The value there; none when it is missing or null.
    pub(super) fn find<'a>(&self, root: &'a Value) -> Option<&'a Value> {
        let found =
            self.segments
                .iter()
                .try_fold(root, |value, segment| match (value, segment) {
                    (Value::Object(map), Segment::Key(key)) => map.get(key),
                    (Value::Array(members), Segment::Index(index)) => members.get(*index),
                    (Value::Array(members), Segment::Key(key)) => {
                        parse_index(key).and_then(|index| members.get(index))
                    }
                    (
                        Value::Object(_)
                        | Value::Null
                        | Value::Bool(_)
                        | Value::Number(_)
                        | Value::String(_),
                        _,
                    ) => None,
                })?;
        (!found.is_null()).then_some(found)
    }
}

/// Digits without a leading zero, as in a JSON Pointer.
fn parse_index(text: &str) -> Option<usize> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    (canonical && digits).then(|| text.parse().ok()).flatten()
}

/// RFC 6901 without its first slash.
fn parse_pointer(pointer: &str) -> Result<Vec<Segment>, &'static str> {
    pointer
        .split('/')
        .map(|token| {
            let mut rest = token;
            while let Some(tilde) = rest.find('~') {
                rest = &rest[tilde + 1..];
                if !rest.starts_with(['0', '1']) {
                    return Err("in a JSON Pointer `~` is followed by 0 or 1");
                }
            }
            Ok(Segment::Key(token.replace("~1", "/").replace("~0", "~")))
        })
        .collect()
}

fn parse_path(source: &str) -> Result<Vec<Segment>, &'static str> {
    let mut segments = Vec::new();
    let mut rest = source;
    let mut key_expected = true;
    loop {
        if let Some(bracketed) = rest.strip_prefix('[') {
            let (segment, after) = parse_bracket(bracketed)?;
            segments.push(segment);
            rest = after;
        } else if key_expected {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            if key.is_empty() {
                return Err("a segment is empty");
            }
            if key.contains(['"', '\'', ']']) {
                return Err("quotes and `]` stand only within brackets, as in data[\"a key\"]");
            }
            segments.push(Segment::Key(key.to_owned()));
            rest = after;
        } else {
            return Err("a `]` is followed by a dot, a bracket or the end");
        }
        if rest.is_empty() {
            return Ok(segments);
        }
        key_expected = false;
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            key_expected = true;
            if rest.starts_with('[') {
                return Err("a dot is not followed by a bracket");
            }
        }
    }
}

/// `2]…` or `"a key"]…`; a backslash within quotes takes the next character as it is.
fn parse_bracket(bracketed: &str) -> Result<(Segment, &str), &'static str> {
    const UNCLOSED: &str = "a bracket is not closed";
    let mut characters = bracketed.char_indices();
    let Some((_, quote @ ('"' | '\''))) = characters.next() else {
        let (index, after) = bracketed.split_once(']').ok_or(UNCLOSED)?;
        let index = parse_index(index)
            .ok_or("brackets hold an index or a quoted key, as in [0] or [\"a key\"]")?;
        return Ok((Segment::Index(index), after));
    };
    let mut key = String::new();
    while let Some((at, character)) = characters.next() {
        if character == quote {
            let after = bracketed[at + 1..].strip_prefix(']').ok_or(UNCLOSED)?;
            return Ok((Segment::Key(key), after));
        }
        if character == '\\' {
            key.push(characters.next().ok_or(UNCLOSED)?.1);
        } else {
            key.push(character);
        }
    }
    Err(UNCLOSED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_find_values() {
        let root = json!({
            "type": "response",
            "data": {
                "values": {"QID1": 6, "Key with space": "a", "dotted.key": "b", "qu\"ote": "c", "": "d"},
                "list": [[1, 2], {"x": 3}],
                "nothing": null,
                "a/b": {"m~n": "e"},
                "0": "zero"
            }
        });
        let rows = [
            ("type", Some(json!("response"))),
            ("data.values.QID1", Some(json!(6))),
            ("data.values[\"Key with space\"]", Some(json!("a"))),
            ("data.values['dotted.key']", Some(json!("b"))),
            ("data.values.Key with space", Some(json!("a"))),
            (r#"data["values"]["qu\"ote"]"#, Some(json!("c"))),
            ("data.values[\"\"]", Some(json!("d"))),
            ("data.list[0][1]", Some(json!(2))),
            ("data.list[1].x", Some(json!(3))),
            ("data.list.1.x", Some(json!(3))),
            ("[\"type\"]", Some(json!("response"))),
            ("data.0", Some(json!("zero"))),
            ("data[0]", None),
            ("data.list[2]", None),
            ("data.list.01", None),
            ("data.nothing", None),
            ("data.nothing.x", None),
            ("type.x", None),
            ("/data/values/QID1", Some(json!(6))),
            ("/data/list/1/x", Some(json!(3))),
            ("/data/a~1b/m~0n", Some(json!("e"))),
            ("/data/values/", Some(json!("d"))),
        ];
        for (path, expected) in rows {
            let field = Field::parse(path).unwrap();
            assert_eq!(field.find(&root).cloned(), expected, "{path}");
        }
    }

    #[test]
    fn paths_that_are_none_are_refused() {
        for path in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "a[",
            "a[]",
            "a[-1]",
            "a[01]",
            "a[x]",
            "a[\"x]",
            "a[\"x\"",
            "a[0]b",
            "a.[0]",
            "a]b",
            "a\"b",
            "a[\"x\\",
            "/a~",
            "/a~2",
            "a[99999999999999999999999]",
        ] {
            assert!(Field::parse(path).is_err(), "{path}");
        }
        assert!(Field::parse(&"a".repeat(1_000)).is_ok());
        assert!(Field::parse(&"a".repeat(1_001)).is_err());
    }
}
