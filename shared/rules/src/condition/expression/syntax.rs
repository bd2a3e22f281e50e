//! What an expression may be made of.

use cel::common::ast::{EntryExpr, Expr, LiteralValue, SourceInfo, operators};
use cel::parser::Parser;
use cel::{IdedExpr, ParseErrors};

use super::functions::{GLOBAL, ON_VALUE};
use super::{EVENT, NOW};
use crate::condition::field::{Field, Root};
use crate::condition::shorten;

/// How many nodes the tree may have, and how deep it may be, with its macros written out.
const MAX_NODES: usize = 400;
const MAX_DEPTH: usize = 24;
/// How many parts of the event a trace shows.
const MAX_FIELDS: usize = 20;
/// How much of the parser's message, which can repeat the expression, an error quotes.
const MAX_MESSAGE_CHARACTERS: usize = 200;

/// The parser takes far more stack for a bracket than its caller may have left, so it gets its own, which
/// also keeps a panic of its from going further.
const PARSER_STACK_BYTES: usize = 16 * 1024 * 1024;

pub(super) fn parse(source: &str) -> Result<(IdedExpr, SourceInfo), String> {
    let parser = || {
        Parser::new()
            .max_recursion_depth(64)
            .error_recovery_limit(3)
            .parse_with_source_info(source)
            .map_err(|errors| first_of(&errors))
    };
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(PARSER_STACK_BYTES)
            .spawn_scoped(scope, parser)
            .ok()
            .and_then(|thread| thread.join().ok())
            .unwrap_or_else(|| Err("it cannot be read".to_owned()))
    })
}

fn first_of(errors: &ParseErrors) -> String {
    let Some(first) = errors.errors.first() else {
        return "it cannot be read".to_owned();
    };
    let message = shorten(&first.msg, MAX_MESSAGE_CHARACTERS);
    match first.pos {
        (line, column) if line > 0 => format!("line {line}, column {}: {message}", column.max(1)),
        _ => message,
    }
}

/// Refuses what is not known or too much; otherwise gives the parts of the event that are named.
pub(super) fn check(tree: &IdedExpr, places: &SourceInfo) -> Result<Vec<Field>, String> {
    let mut checker = Checker {
        places,
        nodes: 0,
        variables: vec![EVENT, NOW],
        fields: Vec::new(),
    };
    checker.node(tree, 1)?;
    Ok(checker.fields)
}

struct Checker<'t> {
    places: &'t SourceInfo,
    nodes: usize,
    /// The variables that are known at this place.
    variables: Vec<&'t str>,
    fields: Vec<Field>,
}

impl<'t> Checker<'t> {
    fn node(&mut self, node: &'t IdedExpr, depth: usize) -> Result<(), String> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(format!("it has more than {MAX_NODES} parts"));
        }
        if depth > MAX_DEPTH {
            return Err(self.at(node, format!("it is deeper than {MAX_DEPTH} levels")));
        }
        self.note_field(node);
        let inner = depth + 1;
        match &node.expr {
            Expr::Ident(name) => {
                if self.variables.contains(&name.as_str()) {
                    return Ok(());
                }
                Err(self.at(
                    node,
                    format!("unknown variable `{name}`; known are `{EVENT}` and `{NOW}`"),
                ))
            }
            Expr::Literal(LiteralValue::Bytes(_)) => {
                Err(self.at(node, "bytes are not supported".to_owned()))
            }
            Expr::Literal(_) => Ok(()),
            Expr::Select(select) => self.node(&select.operand, inner),
            Expr::List(list) => list
                .elements
                .iter()
                .try_for_each(|element| self.node(element, inner)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.node(&entry.key, inner)?;
                    self.node(&entry.value, inner)
                }
                EntryExpr::StructField(_) => {
                    Err(self.at(node, "messages are not supported".to_owned()))
                }
            }),
            Expr::Call(call) => {
                self.function(
                    node,
                    &call.func_name,
                    call.target.is_some(),
                    call.args.len(),
                )?;
                call.target
                    .iter()
                    .map(AsRef::as_ref)
                    .chain(&call.args)
                    .try_for_each(|part| self.node(part, inner))
            }
            Expr::Comprehension(comprehension) => {
                self.node(&comprehension.iter_range, inner)?;
                self.node(&comprehension.accu_init, inner)?;
                let outer = self.variables.len();
                self.variables.push(&comprehension.accu_var);
                self.variables.push(&comprehension.iter_var);
                self.variables.extend(comprehension.iter_var2.as_deref());
                self.node(&comprehension.loop_cond, inner)?;
                self.node(&comprehension.loop_step, inner)?;
                self.node(&comprehension.result, inner)?;
                self.variables.truncate(outer);
                Ok(())
            }
            Expr::Struct(_) => Err(self.at(node, "messages are not supported".to_owned())),
            Expr::Unspecified => Err(self.at(node, "it is not complete".to_owned())),
        }
    }

    fn function(
        &self,
        node: &IdedExpr,
        name: &str,
        on_value: bool,
        arguments: usize,
    ) -> Result<(), String> {
        const OPERATORS: [(&str, usize); 18] = [
            (operators::CONDITIONAL, 3),
            (operators::LOGICAL_AND, 2),
            (operators::LOGICAL_OR, 2),
            (operators::LOGICAL_NOT, 1),
            (operators::ADD, 2),
            (operators::SUBSTRACT, 2),
            (operators::MULTIPLY, 2),
            (operators::DIVIDE, 2),
            (operators::MODULO, 2),
            (operators::EQUALS, 2),
            (operators::NOT_EQUALS, 2),
            (operators::GREATER_EQUALS, 2),
            (operators::LESS_EQUALS, 2),
            (operators::GREATER, 2),
            (operators::LESS, 2),
            (operators::IN, 2),
            (operators::INDEX, 2),
            (operators::NOT_STRICTLY_FALSE, 1),
        ];
        let known = if on_value {
            ON_VALUE.contains(&(name, arguments))
        } else {
            GLOBAL.contains(&name) && arguments == 1
                || OPERATORS.contains(&(name, arguments))
                || (name, arguments) == (operators::NEGATE, 1)
        };
        if known {
            return Ok(());
        }
        let on_value_names: Vec<String> = ON_VALUE
            .iter()
            .map(|(name, _)| format!(".{name}"))
            .collect();
        Err(self.at(
            node,
            format!(
                "unknown function `{}` of {arguments} arguments; known are {}, {} and the macros has, \
                 .all, .exists, .exists_one, .map, .filter",
                shorten(name, 60),
                GLOBAL.join(", "),
                on_value_names.join(", "),
            ),
        ))
    }

    /// Keeps a part of the event that is named in full, such as `event.data.tags[0]`.
    fn note_field(&mut self, node: &IdedExpr) {
        // A longer name came first, and holds this one.
        let Some(path) = path_of(node).filter(|path| !path.is_empty()) else {
            return;
        };
        let shadowed = self.variables.iter().filter(|name| **name == EVENT).count() > 1;
        if shadowed || self.fields.len() == MAX_FIELDS {
            return;
        }
        let begins = |field: &Field| {
            field
                .as_str()
                .strip_prefix(&path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        if self.fields.iter().any(begins) {
            return;
        }
        self.fields.extend(Field::parse(&path, Root::Event));
    }

    fn at(&self, node: &IdedExpr, problem: String) -> String {
        match self.places.offset_for(node.id) {
            Some((start, _)) => format!("character {}: {problem}", u64::from(start) + 1),
            None => problem,
        }
    }
}

/// The path of a node that names a part of the event, as a `field` has it; empty for the event itself.
fn path_of(node: &IdedExpr) -> Option<String> {
    if let Expr::Ident(name) = &node.expr {
        return (name == EVENT).then(String::new);
    }
    if let Expr::Select(select) = &node.expr {
        return Some(with_key(path_of(&select.operand)?, &select.field));
    }
    let Expr::Call(call) = &node.expr else {
        return None;
    };
    let (operators::INDEX, [operand, index]) = (call.func_name.as_str(), call.args.as_slice())
    else {
        return None;
    };
    let path = path_of(operand)?;
    if let Expr::Literal(LiteralValue::String(key)) = &index.expr {
        return Some(with_key(path, key.inner()));
    }
    let Expr::Literal(LiteralValue::Int(index)) = &index.expr else {
        return None;
    };
    Some(format!("{path}[{}]", index.inner()))
}

fn with_key(mut path: String, key: &str) -> String {
    if key.is_empty() || key.contains(['.', '[', ']', '"', '\'', '\\', '/', '@', ' ', ':', '$']) {
        let escaped = key.replace('\\', "\\\\").replace('"', "\\\"");
        return format!("{path}[\"{escaped}\"]");
    }
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
    path
}
