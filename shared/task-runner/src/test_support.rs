//! What the tests of connectors share.

use domain::preview::{ONLY_IF, PlannedRequest, Preview};
use serde_json::{Value, json};
use vendor_http::test_support::Received;

/// Compares a preview with what a first attempt has really sent: method, path, query, body and the headers that it
/// names. What the preview cannot know matches anything but nothing.
///
/// # Panics
/// When something else was sent, or when an attempt that is done has left out what was foretold.
pub fn assert_foretold(preview: &Preview, received: &[Received], is_done: bool) {
    let mut planned = preview.requests.iter();
    for request in received {
        let fits = |plan: &PlannedRequest| {
            let path = format!("{}{}", below_the_server(preview), plan.path);
            let target = request.target.split('?').next().unwrap_or_default();
            plan.method == request.method
                && matches(&json!(path), &json!(target))
                && plan.query == request.query().into_iter().collect()
                && matches(&plan.body.clone().unwrap_or_default(), &request.json())
                && plan
                    .headers
                    .iter()
                    .all(|(name, value)| request.header(name) == value)
        };
        let found = planned.find(|plan| fits(plan) || !is_optional(plan));
        let shown = format!("{request:?} {} in {preview:#?}", request.json());
        assert!(found.is_some_and(fits), "not foretold: {shown}");
    }
    // An attempt that failed may have broken off.
    assert!(
        !is_done || planned.all(is_optional),
        "not sent: {preview:#?}, but only {received:#?}"
    );
    assert!(received.is_empty() || preview.problem.is_none());
}

fn is_optional(plan: &PlannedRequest) -> bool {
    let note = plan.note.as_deref().unwrap_or_default();
    note.starts_with(ONLY_IF)
}

/// The address without scheme, host and port.
fn below_the_server(preview: &Preview) -> String {
    let address = preview.address.as_deref().unwrap_or_default();
    let path = address.splitn(4, '/').nth(3);
    path.map(|path| format!("/{path}")).unwrap_or_default()
}

/// Whether a value is the one that was foretold, in which texts may hold what is not known.
fn matches(foretold: &Value, sent: &Value) -> bool {
    match (foretold, sent) {
        (Value::String(foretold), Value::String(sent)) => match foretold.split_once('‹') {
            None => foretold == sent,
            Some((before, rest)) => {
                let (_, after) = rest.split_once('›').unwrap_or_default();
                sent.strip_prefix(before)
                    .and_then(|sent| sent.strip_suffix(after))
                    .is_some_and(|unknown| !unknown.is_empty())
            }
        },
        (Value::Object(foretold), Value::Object(sent)) => {
            foretold.len() == sent.len()
                && foretold
                    .iter()
                    .all(|(name, value)| sent.get(name).is_some_and(|sent| matches(value, sent)))
        }
        (foretold, sent) => foretold == sent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_matches_anything_but_nothing() {
        let foretold = json!({"a": "‹id of x›", "b": "/‹id›/c", "d": [1]});
        for (sent, expected) in [
            (json!({"a": "7", "b": "/7/c", "d": [1]}), true),
            (json!({"a": "", "b": "/7/c", "d": [1]}), false),
            (json!({"a": "7", "b": "/7/d", "d": [1]}), false),
            (json!({"a": "7", "b": "//c", "d": [1]}), false),
            (json!({"a": "7", "b": "/7/c", "d": [2]}), false),
            (json!({"a": "7", "b": "/7/c"}), false),
            (json!({"a": "7", "b": "/7/c", "d": [1], "e": 1}), false),
            (json!({"a": 7, "b": "/7/c", "d": [1]}), false),
        ] {
            assert_eq!(matches(&foretold, &sent), expected, "{sent}");
        }
    }
}
