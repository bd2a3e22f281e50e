//! The calls of one attempt, as the run keeps them.

use domain::run::VendorCall;
use retry::Disposition;
use serde_json::Value;
use servicenow::{Answer, Error};
use task_runner::Failed;
use vendor_http::Call;

/// Longer texts of a body are kept in part only: a run's row has limited room.
const LONGEST_TEXT: usize = 2_000;

/// The calls made so far, in order.
#[derive(Debug, Default)]
pub(crate) struct Calls(Vec<VendorCall>);

impl Calls {
    /// Takes in how a call that reads went.
    pub(crate) fn read<T>(&mut self, result: Result<Answer<T>, Error>) -> Result<T, Failed> {
        self.take(result, None)
    }

    /// Takes in how a call that writes went, and the body that it sent.
    pub(crate) fn wrote<T>(
        &mut self,
        result: Result<Answer<T>, Error>,
        sent: Value,
    ) -> Result<T, Failed> {
        self.take(result, Some(shortened(sent)))
    }

    /// All of them.
    pub(crate) fn into_vec(self) -> Vec<VendorCall> {
        self.0
    }

    /// Ends the attempt for good, although no call failed.
    pub(crate) fn give_up(self, reason: impl ToString) -> Failed {
        Failed {
            disposition: Disposition::GiveUp,
            reason: reason.to_string(),
            unauthorized: false,
            calls: self.0,
        }
    }

    fn take<T>(
        &mut self,
        result: Result<Answer<T>, Error>,
        sent: Option<Value>,
    ) -> Result<T, Failed> {
        match result {
            Ok(Answer { value, call }) => {
                self.0.push(kept(call, sent));
                Ok(value)
            }
            Err(error) => {
                let (disposition, unauthorized) = (error.disposition(), error.is_unauthorized());
                let reason = startup::chain(&error);
                self.0.extend(error.call.map(|call| kept(*call, sent)));
                Err(Failed {
                    disposition,
                    reason,
                    unauthorized,
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

    use super::*;

    #[test]
    fn only_long_texts_are_shortened() {
        let fits = "é".repeat(LONGEST_TEXT);
        let body = json!({"a": [fits.clone(), 1, null], "b": {"c": format!("{fits}x")}});
        assert_eq!(
            shortened(body),
            json!({"a": [fits.clone(), 1, null], "b": {"c": format!("{fits}… (2001 characters)")}})
        );
    }
}
