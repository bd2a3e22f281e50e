//! What an expression may call.

use std::sync::{Arc, LazyLock};

use cel::common::types::{CelInt, CelString, STRING_TYPE};
use cel::common::value::CowVal;
use cel::{Env, ExecutionError};

use crate::condition::instant::parse_instant;

/// The seconds since 1970 of a text that is a date.
pub(super) const DATE: &str = "date";
/// A text in lower case.
pub(super) const LOWER: &str = "lower";

/// The functions that are called with arguments alone; each takes one.
pub(super) const GLOBAL: [&str; 7] = ["size", "int", "double", "string", "bool", DATE, LOWER];
/// The functions that are called on a value, and how many arguments they take.
pub(super) const ON_VALUE: [(&str, usize); 4] = [
    ("size", 0),
    ("contains", 1),
    ("startsWith", 1),
    ("endsWith", 1),
];

/// The standard library and our functions, made once.
pub(super) fn environment() -> Arc<Env> {
    static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
        let mut environment = Env::default().with_optional_support(false).with_stdlib();
        // Neither name is taken; were one, expressions that use it would be unknown.
        let added = environment
            .add_overload(DATE, "date_string", vec![STRING_TYPE], date)
            .and_then(|()| {
                environment.add_overload(LOWER, "lower_string", vec![STRING_TYPE], lower)
            });
        debug_assert!(added.is_ok(), "a function's name is taken");
        Arc::new(environment)
    });
    Arc::clone(&ENVIRONMENT)
}

fn text<'t>(function: &str, arguments: &'t [CowVal<'_, '_>]) -> Result<&'t str, ExecutionError> {
    arguments
        .first()
        .and_then(|argument| argument.downcast_ref::<CelString>())
        .map(CelString::inner)
        .ok_or_else(|| ExecutionError::no_such_overload(function, Vec::new()))
}

fn date<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let instant = parse_instant(text(DATE, &arguments)?)
        .ok_or_else(|| ExecutionError::function_error(DATE, "not a date"))?;
    Ok(CowVal::owned(CelInt::from(instant.as_second())))
}

fn lower<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let lower = text(LOWER, &arguments)?.to_lowercase();
    Ok(CowVal::owned(CelString::from(lower)))
}
