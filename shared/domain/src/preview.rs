//! What a task would send, without sending it: the question to a task function, and its answer.
//!
//! Only a task function knows what its vendor is sent. So it is asked, directly and not over its queue, and
//! answers from the input alone: nobody is called, nothing is read or stored.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::account::Vendor;
use crate::id::{AccountName, TaskKey};
use crate::task::{InputError, TaskKind};

/// What a task function is invoked with when it is to tell, and not to do. The envelope tells it from a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreviewEnvelope {
    /// The question.
    pub preview: PreviewRequest,
}

/// What would a first attempt at this task send?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreviewRequest {
    /// What the task does.
    pub kind: TaskKind,
    /// Its name towards the vendor.
    pub key: TaskKey,
    /// Whom it would be sent to.
    pub account: PreviewAccount,
    /// What it takes; every piped text is filled in.
    pub input: Value,
}

/// An account, as far as it shows in requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewAccount {
    /// Its name.
    pub name: AccountName,
    /// Whose account it is.
    pub vendor: Vendor,
    /// The vendor's name for it; absent when there is no such account yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

/// What a first attempt at a task would send. What only an answer of the vendor can tell stands between `‹` and
/// `›`, as in `‹sys_id of INC0010009›`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Preview {
    /// Where the paths begin; absent when there is no account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The requests, in order.
    pub requests: Vec<PlannedRequest>,
    /// Why there are none: the task would be given up before any call.
    pub problem: Option<InputProblem>,
    /// What is to be known beside.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// A request that nobody has sent. Its credentials are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedRequest {
    /// The HTTP method.
    pub method: String,
    /// The path below the account's address.
    pub path: String,
    /// The parameters of the query, decoded.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query: BTreeMap<String, String>,
    /// Headers that matter to what becomes of the request.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body; null when there is none.
    #[serde(default)]
    pub body: Option<Value>,
    /// What it is for, or what it depends on. A request that is not sent in any case has a note that begins with
    /// [`ONLY_IF`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// How the note of a request begins that depends on an earlier answer.
pub const ONLY_IF: &str = "only if ";

/// Why an input cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InputProblem {
    /// The field's path below the input; empty for the input itself.
    pub path: String,
    /// What was found and what was expected.
    pub problem: String,
}

impl Preview {
    /// Of a task that would be given up before any call.
    pub fn refused(path: impl Into<String>, problem: impl ToString) -> Self {
        Self {
            problem: Some(InputProblem {
                path: path.into(),
                problem: problem.to_string(),
            }),
            ..Self::default()
        }
    }
}

impl PlannedRequest {
    /// A request with nothing but its place.
    pub fn new(method: &str, path: impl Into<String>) -> Self {
        Self {
            method: method.to_owned(),
            path: path.into(),
            query: BTreeMap::new(),
            headers: BTreeMap::new(),
            body: None,
            note: None,
        }
    }

    /// With these parameters beside those that it has.
    #[must_use]
    pub fn query<'a>(mut self, parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let parameters = parameters.into_iter();
        self.query
            .extend(parameters.map(|(name, value)| (name.to_owned(), value.to_owned())));
        self
    }

    /// With this header beside those that it has.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(self, body: Value) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }

    /// With this note.
    #[must_use]
    pub fn note(self, note: impl Into<String>) -> Self {
        Self {
            note: Some(note.into()),
            ..self
        }
    }
}

impl From<InputError> for InputProblem {
    fn from(InputError { path, problem }: InputError) -> Self {
        Self { path, problem }
    }
}

/// Stands for what only an answer can tell. It may be told in the words of something that is not known either.
pub fn unknown(what: impl std::fmt::Display) -> String {
    format!("‹{}›", what.to_string().replace(['‹', '›'], ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn question_and_answer_survive_the_wire() {
        let question = json!({"preview": {
            "kind": "zendesk.create_ticket", "key": format!("tk_{}", "0".repeat(32)),
            "account": {"name": "support", "vendor": "zendesk", "instance": "acme"}, "input": {"comment": "x"}
        }});
        let read: PreviewEnvelope = serde_json::from_value(question.clone()).unwrap();
        assert_eq!(json!(read), question);

        let answer = Preview {
            requests: vec![
                PlannedRequest::new("PUT", "/a")
                    .query([("b", "c")])
                    .header("idempotency-key", "tk_1")
                    .body(json!({"id": unknown("the user's id")}))
                    .note("why"),
            ],
            ..Preview::default()
        };
        assert_eq!(
            json!(answer),
            json!({
                "requests": [{
                    "method": "PUT", "path": "/a", "query": {"b": "c"}, "headers": {"idempotency-key": "tk_1"},
                    "body": {"id": "‹the user's id›"}, "note": "why"
                }],
                "problem": null, "notes": []
            })
        );
        assert_eq!(unknown(unknown("a") + " of b"), "‹a of b›");
        let read: Preview = serde_json::from_value(json!(answer)).unwrap();
        assert_eq!(read, answer);
        assert_eq!(
            json!(Preview::refused("urgency", "no").problem),
            json!({"path": "urgency", "problem": "no"})
        );
    }
}
