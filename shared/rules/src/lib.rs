//! Conditions on an event, and text filled from an event.
//!
//! Everything here is pure: the same input gives the same result, the current time is an argument,
//! and nothing is read or written.
//!
//! [`Condition`] is a condition on an event; what it may say is written below.
//! [`Condition::evaluate`] is total: every comparison is evaluated and appears in the [`Trace`].
//!
//! [`piped_text`] fills the strings of a JSON value from the event and from earlier tasks' outputs.
#![doc = ""]
#![doc = include_str!("../../../docs/conditions.md")]

mod condition;
mod locator;
pub mod piped_text;

pub use condition::{
    Condition, ConditionError, Evaluation, MAX_COMPARISONS, MAX_DEPTH, MAX_EXPRESSIONS,
    MAX_LIST_MEMBERS, MAX_LOOKED_AT_MEMBERS, MAX_MEMBER_NESTING, MAX_MEMBER_STEPS,
    MAX_OPERAND_CHARACTERS, MAX_PATTERNS, MemberTrace, Note, Operator, Problem, Quantifier, Seen,
    Trace, Truth,
};
