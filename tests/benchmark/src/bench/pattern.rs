//! Event patterns, as far as `template.yaml` uses them.
//!
//! Source: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>

use anyhow::bail;
use serde_json::Value;

/// Whether the event has everything that the pattern asks for.
///
/// # Errors
/// When the pattern says something that is not known here: better than to route wrongly.
pub(crate) fn matches(pattern: &Value, event: &Value) -> anyhow::Result<bool> {
    if let Some(fields) = pattern.as_object() {
        for (name, pattern) in fields {
            if !matches(pattern, &event[name])? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    let Some(choices) = pattern.as_array() else {
        bail!("a pattern is {pattern}");
    };
    for choice in choices {
        if one(choice, event)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn one(choice: &Value, value: &Value) -> anyhow::Result<bool> {
    let Value::Object(operators) = choice else {
        return Ok(choice == value);
    };
    let begins = |prefix: &Value| match (prefix.as_str(), value.as_str()) {
        (Some(prefix), Some(value)) => value.starts_with(prefix),
        _ => false,
    };
    let mut operators = operators.iter();
    match (operators.next(), operators.next()) {
        (Some((name, prefix)), None) if name == "prefix" => Ok(begins(prefix)),
        (Some((name, but)), None) if name == "anything-but" => match but.get("prefix") {
            Some(prefix) => Ok(!value.is_null() && !begins(prefix)),
            None => bail!("a pattern says anything-but {but}"),
        },
        _ => bail!("a pattern says {choice}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn patterns_match_as_the_bus_does() {
        let event = json!({"source": "a.b", "detail-type": "task.requested", "detail": {"kind": "zendesk.x"}});
        for (pattern, expected) in [
            (json!({"source": ["a.b"]}), true),
            (json!({"source": ["x", "a.b"]}), true),
            (json!({"source": ["x"]}), false),
            (
                json!({"detail-type": [{"anything-but": {"prefix": "task."}}]}),
                false,
            ),
            (
                json!({"detail-type": [{"anything-but": {"prefix": "run."}}]}),
                true,
            ),
            (
                json!({"missing": [{"anything-but": {"prefix": "run."}}]}),
                false,
            ),
            (
                json!({"source": ["a.b"], "detail": {"kind": [{"prefix": "zendesk."}]}}),
                true,
            ),
            (
                json!({"source": ["a.b"], "detail": {"kind": [{"prefix": "servicenow."}]}}),
                false,
            ),
            (json!({"detail": {"other": {"kind": ["x"]}}}), false),
        ] {
            assert_eq!(matches(&pattern, &event).unwrap(), expected, "{pattern}");
        }
        assert!(matches(&json!({"source": [{"suffix": "b"}]}), &event).is_err());
    }
}
