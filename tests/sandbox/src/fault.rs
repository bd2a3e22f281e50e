//! Misbehaviour on demand.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::exchange::VendorRequest;

/// Misbehaviour for the next requests that match. One request meets one fault at most: the first that is due.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which requests; all of them when absent.
    #[serde(default, rename = "match")]
    pub matching: Match,
    /// How many requests it strikes.
    #[serde(default = "one")]
    pub times: u32,
    /// How many matching requests go by unharmed before.
    #[serde(default)]
    pub skip: u32,
    /// What happens.
    pub action: Action,
}

impl Fault {
    /// Strikes the next request, whichever it is.
    pub fn new(action: Action) -> Self {
        Self {
            matching: Match::default(),
            times: 1,
            skip: 0,
            action,
        }
    }

    /// Strikes only requests that match.
    #[must_use]
    pub fn on(mut self, matching: Match) -> Self {
        self.matching = matching;
        self
    }

    /// Strikes `times` requests.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Lets `skip` matching requests go by first.
    #[must_use]
    pub fn skip(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }
}

fn one() -> u32 {
    1
}

/// Conditions on a request; those given must all hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// HTTP method, in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Part of path and query, as sent, after the instance's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_contains: Option<String>,
    /// Part of the body's text, as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_contains: Option<String>,
}

impl Match {
    /// Every request with this method.
    pub fn method(method: &str) -> Self {
        Self {
            method: Some(method.to_owned()),
            ..Self::default()
        }
    }

    fn holds(&self, request: &VendorRequest) -> bool {
        let target = format!("{}?{}", request.path, request.raw_query);
        self.method
            .as_ref()
            .is_none_or(|method| method.eq_ignore_ascii_case(&request.method))
            && self
                .path_contains
                .as_ref()
                .is_none_or(|part| target.contains(part.as_str()))
            && self
                .body_contains
                .as_ref()
                .is_none_or(|part| request.text.contains(part.as_str()))
    }
}

/// What a fault does to the request that it strikes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Answers so.
    Status {
        /// HTTP status.
        status: u16,
        /// Header fields of the answer.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// A string goes out as text, `null` as nothing, all else as JSON.
        #[serde(default)]
        body: Value,
        /// Whether the vendor applies the request although it answers so.
        #[serde(default)]
        after_write: bool,
    },
    /// Waits, then handles the request as usual.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// Applies the request in full, then closes the connection without a byte of answer.
    LoseAnswer,
    /// Closes the connection without a byte of answer; nothing is applied.
    RefuseBefore,
    /// Keeps the answer back until it is released or the time has passed.
    Hold {
        /// `true`: the request is applied at once; `false`: when it is let go. It is applied even if the client dies meanwhile.
        after_write: bool,
        /// Milliseconds at most.
        ms: u64,
    },
    /// Stores something else than was sent, and answers with what it stored, as business rules at the vendor do.
    Keep {
        /// Fields written with these values, whatever was sent. A dot leads into a field: `attributes.tier`.
        #[serde(default)]
        set: BTreeMap<String, Value>,
        /// Fields ignored although they were sent.
        #[serde(default)]
        drop: Vec<String>,
    },
}

/// The faults of one instance that still have to strike.
#[derive(Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, faults: Vec<Fault>) {
        self.0
            .extend(faults.into_iter().filter(|fault| fault.times > 0));
    }

    pub(crate) fn remaining(&self) -> &[Fault] {
        &self.0
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn strike(&mut self, request: &VendorRequest) -> Option<Action> {
        for index in 0..self.0.len() {
            let fault = &mut self.0[index];
            if !fault.matching.holds(request) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            fault.times -= 1;
            let action = fault.action.clone();
            if fault.times == 0 {
                self.0.remove(index);
            }
            return Some(action);
        }
        None
    }
}

/// Alters the fields of a write before the vendor sees them. A dot in a name leads into a field: `attributes.tier`.
pub(crate) fn keep(fields: &mut Map<String, Value>, set: BTreeMap<String, Value>, drop: &[String]) {
    for name in drop {
        if let Some((fields, name)) = within(fields, name) {
            fields.remove(name);
        }
    }
    for (name, value) in set {
        if let Some((fields, name)) = within(fields, &name) {
            fields.insert(name.to_owned(), value);
        }
    }
}

fn within<'a, 'b>(
    fields: &'a mut Map<String, Value>,
    name: &'b str,
) -> Option<(&'a mut Map<String, Value>, &'b str)> {
    match name.split_once('.') {
        None => Some((fields, name)),
        Some((outer, inner)) => within(fields.get_mut(outer)?.as_object_mut()?, inner),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dot_leads_into_a_field() {
        let mut fields = json!({ "a": { "b": 1, "c": 2 }, "d": 3 });
        let set = BTreeMap::from([
            ("a.e".to_owned(), json!(4)),
            ("nowhere.f".to_owned(), json!(5)),
        ]);
        let drop = ["a.b".to_owned(), "d".to_owned()];
        keep(fields.as_object_mut().unwrap(), set, &drop);
        assert_eq!(fields, json!({ "a": { "c": 2, "e": 4 } }));
    }
}
