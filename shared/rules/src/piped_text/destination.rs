//! What a text is for decides how values are written into it.

use serde_json::Value;

/// What a text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Destination {
    /// A text or a value of its own: nothing is escaped, and a value alone keeps its type.
    #[default]
    Plain,
    /// HTML: what is filled in is text in it, `<` becomes `&lt;`. The result is a text.
    Html,
    /// A text that holds JSON. Inside quotes a value becomes text of the JSON string, elsewhere a JSON value:
    /// texts get quotes, a missing one becomes `null`. The result is JSON whatever is filled in, or an error.
    Json,
    /// A URL: what is filled in is percent-encoded, `/` too, so that it stays one part of it.
    Url,
}

/// Stand around values while a JSON text is filled. JSON itself never holds them.
pub(super) const VALUE_START: char = '\u{1}';
pub(super) const VALUE_END: char = '\u{2}';

/// Puts the values, marked by their signs, into the JSON text around them.
///
/// # Errors
/// Why the result is not JSON; it quotes no value.
pub(super) fn join_json(marked: &str) -> Result<String, String> {
    let mut json = String::with_capacity(marked.len());
    let mut in_text = false;
    let mut escaped = false;
    let mut rest = marked;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        if character == VALUE_START {
            let (value, after) = rest.split_once(VALUE_END).unwrap_or((rest, ""));
            rest = after;
            if escaped {
                return Err("a value follows a `\\`, which would change its meaning".to_owned());
            }
            if in_text {
                json.push_str(&inside_text(value));
            } else {
                json.push_str(value);
            }
            continue;
        }
        json.push(character);
        if escaped {
            escaped = false;
        } else if in_text && character == '\\' {
            escaped = true;
        } else if character == '"' {
            in_text = !in_text;
        }
    }
    match serde_json::from_str::<serde::de::IgnoredAny>(&json) {
        Ok(_) => Ok(json),
        Err(_) if json.trim().is_empty() => Ok(json),
        Err(error) => Err(format!(
            "the text is not JSON once its values are filled in: line {}, column {}",
            error.line(),
            error.column()
        )),
    }
}

/// A JSON value as the inside of a JSON string.
fn inside_text(json: &str) -> String {
    let text = match serde_json::from_str(json) {
        Ok(Value::Null) | Err(_) => return String::new(),
        Ok(Value::String(text)) => text,
        Ok(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            json.to_owned()
        }
    };
    let quoted = Value::String(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Percent-encodes all but the unreserved characters.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc3986#section-2.3>
pub(super) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            for digit in [byte >> 4, byte & 0xF] {
                encoded.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
    }
    encoded
}
