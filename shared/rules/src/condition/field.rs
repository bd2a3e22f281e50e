//! What a comparison looks at: paths into an event, Qualtrics' locators, and a list's member itself.

use std::borrow::Cow;

use serde_json::Value;

use super::MAX_OPERAND_CHARACTERS;
use crate::locator::Locator;

/// A path such as `data.values["How likely"][0]`, a JSON Pointer, a locator such as `q://QID1`, or `@`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    source: String,
    target: Target,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Path(Vec<Segment>),
    Locator(Locator),
    /// The member that a condition on members is about.
    Member,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// A key of an object; of a list, the member whose index it spells.
    Key(String),
    /// A member of a list, counted from 0.
    Index(usize),
}

/// What the fields of a condition are relative to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    Event,
    Member,
}

/// The field for the member itself.
const MEMBER: &str = "@";

impl Field {
    pub(super) fn parse(source: &str, root: Root) -> Result<Self, String> {
        if source.chars().count() > MAX_OPERAND_CHARACTERS {
            return Err("it is longer than 1000 characters".to_owned());
        }
        let target = match Locator::parse(source) {
            Some(locator) => Target::Locator(locator.map_err(|error| error.to_string())?),
            None if source == MEMBER => Target::Member,
            None => Target::Path(match source.strip_prefix('/') {
                Some(pointer) => parse_pointer(pointer)?,
                None => parse_path(source)?,
            }),
        };
        match (&target, root) {
            (Target::Locator(_), Root::Member) => {
                return Err("a locator is of the event, and fields here are of a member".to_owned());
            }
            (Target::Locator(locator), Root::Event) if !locator.is_of_event() => {
                return Err("an event has no value for this locator".to_owned());
            }
            (Target::Member, Root::Event) => {
                return Err("`@` is the member in any_member, all_members and no_member".to_owned());
            }
            (Target::Path(_) | Target::Locator(_) | Target::Member, _) => {}
        }
        Ok(Self {
            source: source.to_owned(),
            target,
        })
    }

    /// The same field's list of displayed choices: `displayedValues` stands beside `values`.
    pub(super) fn displayed(&self) -> Result<Self, String> {
        let of_question = "displayed choices are those of a question, such as \
                           data.values.QID1 or q://QID1";
        let path = match &self.target {
            Target::Path(segments) => {
                let mut segments = segments.clone();
                let [.., Segment::Key(values), Segment::Key(_)] = segments.as_mut_slice() else {
                    return Err(of_question.to_owned());
                };
                match values.as_str() {
                    "values" => DISPLAYED.clone_into(values),
                    DISPLAYED => {}
                    _ => return Err(of_question.to_owned()),
                }
                segments
            }
            Target::Locator(locator) => {
                let question = locator
                    .as_str()
                    .strip_prefix("q://")
                    .filter(|rest| !rest.contains('/'))
                    .ok_or(of_question)?;
                ["data", DISPLAYED, question]
                    .map(|key| Segment::Key(key.to_owned()))
                    .into()
            }
            Target::Member => return Err(of_question.to_owned()),
        };
        Ok(Self {
            source: self.source.clone(),
            target: Target::Path(path),
        })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.source
    }

    /// The task of `tasks.<id>…`, and which of its outputs, where one is named.
    pub(super) fn task_output(&self) -> Option<(String, Option<String>)> {
        let Target::Path(segments) = &self.target else {
            return None;
        };
        match segments.as_slice() {
            [Segment::Key(tasks), Segment::Key(id), rest @ ..] if tasks == "tasks" => {
                let output = match rest {
                    [Segment::Key(output), Segment::Key(name), ..] if output == "output" => {
                        Some(name.clone())
                    }
                    _ => None,
                };
                Some((id.clone(), output))
            }
            _ => None,
        }
    }

    /// The value there; none when it is missing or null.
    pub(super) fn find<'a>(&self, root: &'a Value) -> Option<Cow<'a, Value>> {
        let found = match &self.target {
            Target::Path(segments) => Cow::Borrowed(find(segments, root)?),
            Target::Locator(locator) => Cow::Owned(locator.resolve(root)?),
            Target::Member => Cow::Borrowed(root),
        };
        (!found.is_null()).then_some(found)
    }
}

/// The key under which a response keeps the choices that were shown.
const DISPLAYED: &str = "displayedValues";

fn find<'a>(segments: &[Segment], root: &'a Value) -> Option<&'a Value> {
    segments
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
        })
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
            let field = Field::parse(path, Root::Event).unwrap();
            assert_eq!(field.find(&root).map(Cow::into_owned), expected, "{path}");
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
            assert!(Field::parse(path, Root::Event).is_err(), "{path}");
        }
        assert!(Field::parse(&"a".repeat(1_000), Root::Event).is_ok());
        assert!(Field::parse(&"a".repeat(1_001), Root::Event).is_err());
    }

    #[test]
    fn member_and_locators_stand_where_they_mean_something() {
        let member = json!(["late", "rude"]);
        let field = Field::parse("@", Root::Member).unwrap();
        assert_eq!(field.find(&member).map(Cow::into_owned), Some(member));
        assert_eq!(field.find(&Value::Null), None);
        let key = Field::parse("[\"@\"]", Root::Event).unwrap();
        assert_eq!(
            key.find(&json!({"@": 1})).map(Cow::into_owned),
            Some(json!(1))
        );
        for (source, root, reason) in [
            ("@", Root::Event, "is the member in"),
            ("q://QID1", Root::Member, "a locator is of the event"),
            (
                "date://CurrentDate/c",
                Root::Event,
                "has no value for this locator",
            ),
            ("q://", Root::Event, "is not complete"),
            ("x://y", Root::Member, ""),
        ] {
            match Field::parse(source, root) {
                Err(error) => assert!(error.contains(reason), "{source}: {error}"),
                Ok(_) => assert_eq!(source, "x://y"),
            }
        }
    }

    #[test]
    fn displayed_choices_are_beside_the_answers() {
        let event = json!({"data": {
            "values": {"QID2": ["2"]},
            "displayedValues": {"QID2": ["1", "2"]}
        }});
        for source in [
            "data.values.QID2",
            "data.displayedValues.QID2",
            "/data/values/QID2",
            "q://QID2",
        ] {
            let displayed = Field::parse(source, Root::Event)
                .unwrap()
                .displayed()
                .unwrap();
            assert_eq!(displayed.as_str(), source);
            assert_eq!(
                displayed.find(&event).map(Cow::into_owned),
                Some(json!(["1", "2"])),
                "{source}"
            );
        }
        for source in [
            "data.QID2",
            "e://Field/plan",
            "q://QID2/SelectedChoicesCount",
            "values",
        ] {
            assert!(
                Field::parse(source, Root::Event)
                    .unwrap()
                    .displayed()
                    .is_err(),
                "{source}"
            );
        }
    }
}
