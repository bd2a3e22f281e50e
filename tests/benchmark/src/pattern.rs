//! Event patterns, as far as `template.yaml` uses them.
//!
//! Source: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>

use anyhow::bail;
use serde_json::Value;

/// Whether the event has everything that the pattern asks for.
///
/// # Errors
/// When the pattern says something that is not known here: better than to route wrongly.
pub fn matches(pattern: &Value, event: &Value) -> anyhow::Result<bool> {
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
    let mut operators = operators.iter();
    let (Some((name, said)), None) = (operators.next(), operators.next()) else {
        bail!("a pattern says {choice}");
    };
    match (name.as_str(), said) {
        ("prefix", Value::String(prefix)) => Ok(begins(value, prefix)),
        ("exists", Value::Bool(exists)) => Ok(value.is_null() != *exists),
        // What is not there matches nothing but `exists`.
        ("anything-but", _) if value.is_null() => Ok(false),
        ("anything-but", Value::String(_) | Value::Number(_)) => Ok(said != value),
        ("anything-but", Value::Array(all)) => Ok(!all.contains(value)),
        ("anything-but", Value::Object(but)) if but.len() == 1 => {
            let prefixes = match but.get("prefix") {
                Some(Value::Array(several)) => several.as_slice(),
                Some(one) => std::slice::from_ref(one),
                None => &[],
            };
            if prefixes.is_empty() || !prefixes.iter().all(Value::is_string) {
                bail!("a pattern says {choice}");
            }
            let mut prefixes = prefixes.iter().filter_map(Value::as_str);
            Ok(!prefixes.any(|prefix| begins(value, prefix)))
        }
        _ => bail!("a pattern says {choice}"),
    }
}

fn begins(value: &Value, prefix: &str) -> bool {
    value.as_str().is_some_and(|text| text.starts_with(prefix))
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
            (json!({"source": [{"anything-but": "a.b"}]}), false),
            (json!({"source": [{"anything-but": ["x", "y"]}]}), true),
            (
                json!({"detail-type": [{"anything-but": {"prefix": ["run.", "task."]}}]}),
                false,
            ),
            (json!({"detail": {"kind": [{"exists": true}]}}), true),
            (json!({"detail": {"kind": [{"exists": false}]}}), false),
            (json!({"detail": {"other": [{"exists": false}]}}), true),
        ] {
            assert_eq!(matches(&pattern, &event).unwrap(), expected, "{pattern}");
        }
        for unknown in [
            json!({"source": [{"suffix": "b"}]}),
            json!({"source": [{"anything-but": {"suffix": "b"}}]}),
            json!({"source": [{"prefix": "a", "exists": true}]}),
            json!({"source": "a.b"}),
        ] {
            assert!(matches(&unknown, &event).is_err(), "{unknown}");
        }
    }
}
