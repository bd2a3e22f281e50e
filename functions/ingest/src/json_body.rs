//! Reading JSON that a stranger sent.

use serde_json::Value;

use crate::problem::{Problem, ProblemKind};

/// Deepest nesting of arrays and objects. What follows works on the value recursively.
pub(crate) const MAX_DEPTH: usize = 64;

/// Reads JSON. The problem says where it breaks, without quoting it.
pub(crate) fn parse(body: &[u8]) -> Result<Value, Problem> {
    if depth(body) > MAX_DEPTH {
        return Err(Problem::new(
            ProblemKind::TooDeep,
            format!("the JSON is nested deeper than {MAX_DEPTH} levels: send it flatter"),
        ));
    }
    serde_json::from_slice(body).map_err(|error| {
        Problem::new(
            ProblemKind::Unreadable,
            format!(
                "expected JSON; it breaks in line {}, column {}",
                error.line(),
                error.column()
            ),
        )
    })
}

/// Brackets open at a time outside of strings. Exact for JSON; for anything else the parser decides.
fn depth(body: &[u8]) -> usize {
    let (mut open, mut deepest) = (0_usize, 0_usize);
    let (mut in_string, mut escaped) = (false, false);
    for byte in body {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{') => {
                open += 1;
                deepest = deepest.max(open);
            }
            (false, b']' | b'}') => open = open.saturating_sub(1),
            (true | false, _) => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Vec<u8> {
        format!("{}{}", "[".repeat(levels), "]".repeat(levels)).into_bytes()
    }

    #[test]
    fn nesting_is_limited_before_parsing() {
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        for levels in [MAX_DEPTH + 1, 100_000] {
            assert_eq!(
                parse(&nested(levels)).unwrap_err().kind,
                ProblemKind::TooDeep
            );
        }
    }

    #[test]
    fn brackets_in_strings_do_not_count() {
        let text = format!(r#"{{"a":"\"{}","b":"\\"}}"#, "[".repeat(100));
        assert_eq!(depth(text.as_bytes()), 1);
        assert!(parse(text.as_bytes()).is_ok());
        assert_eq!(depth(br"[[],[{}]]"), 3);
    }

    #[test]
    fn broken_json_is_located_and_not_quoted() {
        let problem = parse(b"{\"name\": \"Zoe\",\n oops}").unwrap_err();
        assert_eq!(problem.kind, ProblemKind::Unreadable);
        assert_eq!(
            problem.detail,
            "expected JSON; it breaks in line 2, column 2"
        );
        for body in [&b""[..], b"\xff", b"{} {}"] {
            assert_eq!(parse(body).unwrap_err().kind, ProblemKind::Unreadable);
        }
    }
}
