use domain::run::VendorCall;
use retry::Disposition;
use serde_json::Value;
use vendor_http::{Answer, Call};

use crate::attempt::Failed;

/// Longer texts of a body are kept in part only: a run's row has limited room.
const LONGEST_TEXT: usize = 2_000;

/// The calls of one attempt, in order, as the run keeps them.
#[derive(Debug, Default)]
pub struct Calls(Vec<VendorCall>);

/// A call that failed: what a vendor's own error says about it.
#[derive(Debug)]
pub struct CallFailed {
    /// What to do next.
    pub disposition: Disposition,
    /// What happened; see [`Failed::reason`].
    pub reason: String,
    /// Whether the vendor refused the credentials.
    pub unauthorized: bool,
    /// The call; `None` when none was made.
    pub call: Option<Call>,
}

impl Calls {
    /// Takes in how a call that reads went.
    ///
    /// # Errors
    /// The end of the attempt, as the failed call has it.
    pub fn read<T>(&mut self, result: Result<Answer<T>, CallFailed>) -> Result<T, Failed> {
        self.take(result, None)
    }

    /// Takes in how a call that writes went, and the body that it sent.
    ///
    /// # Errors
    /// The end of the attempt, as the failed call has it.
    pub fn wrote<T>(
        &mut self,
        result: Result<Answer<T>, CallFailed>,
        sent: Value,
    ) -> Result<T, Failed> {
        self.take(result, Some(shortened(sent)))
    }

    /// Takes in calls that read, and whose answers are used up.
    pub fn extend(&mut self, calls: impl IntoIterator<Item = Call>) {
        self.0
            .extend(calls.into_iter().map(|call| kept(call, None)));
    }

    /// Ends the attempt for good, although no call failed.
    #[must_use]
    pub fn give_up(&mut self, reason: impl ToString) -> Failed {
        Failed {
            disposition: Disposition::GiveUp,
            reason: reason.to_string(),
            unauthorized: false,
            calls: std::mem::take(&mut self.0),
        }
    }

    /// All of them.
    pub fn into_vec(self) -> Vec<VendorCall> {
        self.0
    }

    fn take<T>(
        &mut self,
        result: Result<Answer<T>, CallFailed>,
        sent: Option<Value>,
    ) -> Result<T, Failed> {
        match result {
            Ok(Answer { value, call }) => {
                self.0.push(kept(call, sent));
                Ok(value)
            }
            Err(failed) => {
                self.0.extend(failed.call.map(|call| kept(call, sent)));
                Err(Failed {
                    disposition: failed.disposition,
                    reason: failed.reason,
                    unauthorized: failed.unauthorized,
                    calls: std::mem::take(&mut self.0),
                })
            }
        }
    }
}

fn kept(call: Call, sent: Option<Value>) -> VendorCall {
    VendorCall {
        method: call.method.to_string(),
        path: call.path,
        status: call.status,
        request_id: call.request_id,
        sent,
    }
}

fn shortened(value: Value) -> Value {
    match value {
        Value::String(text) => match text.char_indices().nth(LONGEST_TEXT) {
            None => Value::String(text),
            Some((end, _)) => {
                let start = text.get(..end).unwrap_or_default();
                let length = text.chars().count();
                Value::String(format!("{start}… ({length} characters)"))
            }
        },
        Value::Array(items) => items.into_iter().map(shortened).collect(),
        Value::Object(parts) => parts
            .into_iter()
            .map(|(name, part)| (name, shortened(part)))
            .collect(),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vendor_http::Method;

    use super::*;

    fn call(path: &str, status: u16) -> Call {
        Call {
            method: Method::POST,
            path: path.to_owned(),
            status: Some(status),
            request_id: Some("r1".to_owned()),
        }
    }

    fn answer(path: &str) -> Answer<()> {
        Answer {
            value: (),
            call: call(path, 200),
        }
    }

    fn failed(call: Option<Call>) -> CallFailed {
        CallFailed {
            disposition: Disposition::RECONCILE,
            reason: "no answer".to_owned(),
            unauthorized: true,
            call,
        }
    }

    #[test]
    fn only_long_texts_are_shortened() {
        let fits = "é".repeat(LONGEST_TEXT);
        let body = json!({"a": [fits.clone(), 1, null], "b": {"c": format!("{fits}x")}});
        assert_eq!(
            shortened(body),
            json!({"a": [fits.clone(), 1, null], "b": {"c": format!("{fits}… (2001 characters)")}})
        );
    }

    #[test]
    fn failed_call_ends_the_attempt_with_all_calls_in_order() {
        for (last, expected) in [
            (Some(call("/c", 401)), vec!["/a", "/b", "/c"]),
            (None, vec!["/a", "/b"]),
        ] {
            let mut calls = Calls::default();
            calls.extend([call("/a", 200)]);
            calls.read(Ok(answer("/b"))).unwrap();
            let sent = json!({"text": "x"});
            let ended = calls
                .wrote(Err::<Answer<()>, _>(failed(last)), sent.clone())
                .unwrap_err();
            let paths: Vec<_> = ended.calls.iter().map(|call| call.path.as_str()).collect();
            assert_eq!(paths, expected);
            let bodies: Vec<_> = ended.calls.iter().map(|call| call.sent.as_ref()).collect();
            assert_eq!(bodies.get(2), expected.get(2).map(|_| Some(&sent)).as_ref());
            assert_eq!(bodies[..2], [None, None]);
            assert_eq!(
                (ended.disposition, ended.reason.as_str(), ended.unauthorized),
                (Disposition::RECONCILE, "no answer", true)
            );
        }
    }

    #[test]
    fn attempt_that_is_given_up_keeps_its_calls() {
        let mut calls = Calls::default();
        calls.wrote(Ok(answer("/a")), json!(1)).unwrap();
        let ended = calls.give_up("not ours");
        assert_eq!(ended.disposition, Disposition::GiveUp);
        assert_eq!(
            (ended.reason.as_str(), ended.unauthorized),
            ("not ours", false)
        );
        assert_eq!(
            ended.calls,
            [VendorCall {
                method: "POST".to_owned(),
                path: "/a".to_owned(),
                status: Some(200),
                request_id: Some("r1".to_owned()),
                sent: Some(json!(1)),
            }]
        );
    }
}
