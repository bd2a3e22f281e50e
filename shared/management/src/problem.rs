use std::fmt;

use domain::{definition, loops};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is wrong in one place of what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldProblem {
    /// The place, such as `tasks[1].input.urgency`; empty for the document itself.
    pub path: String,
    /// What was found and what was expected.
    pub problem: String,
}

impl From<definition::Problem> for FieldProblem {
    fn from(problem: definition::Problem) -> Self {
        Self {
            path: problem.path,
            problem: problem.problem,
        }
    }
}

impl fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.problem)
        } else {
            write!(f, "{}: {}", self.path, self.problem)
        }
    }
}

/// What is worth a second look in one place of what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldWarning {
    /// The place, such as `tasks[1]`; empty for the document itself.
    pub path: String,
    /// What may happen, and what to do about it.
    pub warning: String,
}

impl From<loops::Warning> for FieldWarning {
    fn from(warning: loops::Warning) -> Self {
        Self {
            path: warning.path,
            warning: warning.warning,
        }
    }
}

impl fmt::Display for FieldWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.warning)
        } else {
            write!(f, "{}: {}", self.path, self.warning)
        }
    }
}

/// A refusal as the API tells it: `application/problem+json`.
///
/// Source: [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProblemDetails {
    /// Which problem, for programs: `/problems/not-found`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Which problem, for people.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong, why, and what to do about it.
    pub detail: String,
    /// What is wrong with each field of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
}

impl ProblemDetails {
    /// A problem without fields. `slug` is the last part of its type.
    pub fn new(slug: &str, title: &str, status: u16, detail: String) -> Self {
        Self {
            kind: format!("/problems/{slug}"),
            title: title.to_owned(),
            status,
            detail,
            errors: Vec::new(),
        }
    }
}
