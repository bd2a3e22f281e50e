//! Conditions on an event, and text filled from an event.
//!
//! Everything here is pure: the same input gives the same result, the current time is an argument,
//! and nothing is read or written.
//!
//! # Conditions
//!
//! A [`Condition`] is a tree of `all`, `any` and `none` over comparisons:
//!
//! ```yaml
//! all:
//!   - field: data.values.QID1
//!     less_than_or_equal: 6
//!   - any:
//!       - { field: data.values.QID2, selected: 4 }
//!       - { field: 'data["Account tier"]', in: [gold, platinum] }
//! ```
//!
//! `field` is a path into the event, which is a CloudEvents object (`type`, `subject`,
//! `data.values.QID1`). Its segments are joined by dots; `[2]` takes a member of a list and
//! `["a key"]` a key that holds dots, spaces or brackets. A field beginning with `/` is a JSON
//! Pointer (RFC 6901).
//!
//! Exactly one operator stands beside the field:
//!
//! | operator | operand | holds when the value |
//! |---|---|---|
//! | `is_empty`, `is_not_empty` | true or false | is missing, null, blank text, `[]` or `{}` |
//! | `equals`, `not_equals` | text, number, true or false | is the operand |
//! | `in`, `not_in` | list of those | is one of the operands |
//! | `contains`, `does_not_contain` | text or number | has the operand inside its text; of a list: as a member |
//! | `starts_with`, `ends_with` | text or number | begins or ends with it |
//! | `matches` | regular expression | has a match somewhere; case and spaces count |
//! | `greater_than`, `greater_than_or_equal`, `less_than`, `less_than_or_equal` | number | compares so |
//! | `between` | `[low, high]`, two numbers or two dates | is at least low and at most high |
//! | `is_true`, `is_false` | `true` | is that boolean, or its name as text |
//! | `before`, `after` | date | is an instant before or after it |
//! | `within_last`, `within_next` | duration such as `7 days`, `1 month`, `2h 30m` | lies between now and then |
//! | `selected`, `not_selected` | choice id | is that choice, or a list of choices holding it |
//! | `count_equals`, `count_greater_than`, `count_less_than` | whole number | is a list of so many members |
//! | `any_of`, `all_of`, `none_of` | list of texts, numbers, booleans | is a list holding any, all, none of them |
//!
//! - **No value** (missing or null): `is_empty` and the negative operators (`not_equals`, `not_in`,
//!   `does_not_contain`, `not_selected`, `none_of`) hold, all others do not; the trace says "no value".
//! - **Text** is trimmed and compared ignoring case. Numbers and booleans have their usual text.
//! - **Numbers** are compared as decimals, exactly; text such as `"9"` counts as a number. Where the
//!   operand is a number and the value is not, the comparison is false, `not_equals` too.
//! - **Choices** are compared by id, as text, since a single answer arrives as a number.
//! - **Dates** are instants: RFC 3339, `2026-03-01 09:30:00` or `2026-03-01`; without a zone it is UTC.
//!   Days and longer units are those of the UTC calendar.
//! - A value of a kind that the operator cannot use is false, with a note that says so; for the negative
//!   operators too.
//! - All of nothing is true, any of nothing false, none of nothing true.
//!
//! - `matches` searches the first 16 KiB of a text, in time linear in its length, without look-around
//!   and back-references.
//!
//! [`Condition::evaluate`] is total: every comparison is evaluated and appears in the [`Trace`].
//!
//! # Piped text
//!
//! [`piped_text`] fills the strings of a JSON value from the event and from earlier tasks' outputs.

mod condition;
pub mod piped_text;

pub use condition::{
    Condition, ConditionError, Evaluation, MAX_COMPARISONS, MAX_DEPTH, MAX_LIST_MEMBERS,
    MAX_OPERAND_CHARACTERS, MAX_PATTERNS, Note, Operator, Problem, Trace,
};
