//! How much work an expression can take with an event, at most.
//!
//! Each macro goes through a list, and macros nest, so work and memory multiply; texts and lists add up. The
//! tree is walked once, without evaluating, and every node is charged as often as it can be evaluated, with
//! the largest values that it can be given. What names a part of the event is followed to the actual
//! members, so that the bound is close for the expressions that people write.

use std::collections::HashMap;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, operators};
use serde_json::Value;

use super::functions::LOWER;
use super::{EVENT, NOW};
use crate::condition::trace::Note;

/// How many steps one expression may take; evaluating a node is one or a few, 16 bytes of text are one.
pub(super) const MAX_STEPS: u64 = 200_000;

/// The weight of each part of an event: one for itself and each part within it, and one for 16 bytes of
/// text.
pub(super) struct Weights(HashMap<*const Value, u64>);

impl Weights {
    pub(super) fn of(event: &Value) -> Self {
        let mut weights = Self(HashMap::new());
        weights.weigh(event);
        weights
    }

    fn weigh(&mut self, value: &Value) -> u64 {
        let weight = match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 1,
            Value::String(text) => text_weight(text),
            Value::Array(members) => {
                1 + members.iter().map(|member| self.weigh(member)).sum::<u64>()
            }
            Value::Object(map) => {
                1 + map
                    .iter()
                    .map(|(key, value)| text_weight(key) + self.weigh(value))
                    .sum::<u64>()
            }
        };
        self.0.insert(std::ptr::from_ref(value), weight);
        weight
    }

    fn get(&self, value: &Value) -> u64 {
        self.0
            .get(&std::ptr::from_ref(value))
            .copied()
            .unwrap_or(u64::MAX)
    }
}

fn text_weight(text: &str) -> u64 {
    1 + length(text.len()) / 16
}

fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Refuses an expression that could be too much work with this event.
pub(super) fn check(tree: &IdedExpr, event: &Value, weights: &Weights) -> Result<(), Note> {
    steps(tree, event, weights).map(|_| ())
}

/// How many steps it can take at most, as long as that is within the limit.
pub(super) fn steps(tree: &IdedExpr, event: &Value, weights: &Weights) -> Result<u64, Note> {
    let mut bound = Bound {
        weights,
        steps: 0,
        looked_at: 0,
        variables: vec![(EVENT, Shape::Parts(vec![event])), (NOW, Shape::SINGLE)],
    };
    bound.node(tree, 1)?;
    Ok(bound.steps)
}

/// What a value can be, at most.
#[derive(Clone)]
enum Shape<'e> {
    /// One of these parts of the event.
    Parts(Vec<&'e Value>),
    /// Something that was computed.
    Computed {
        weight: u64,
        members: u64,
        kind: Kind,
        /// Whether it, or something within it, may be an object.
        objects: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Single,
    List,
    Object,
    Any,
}

impl Shape<'_> {
    /// A boolean, a number or a short text.
    const SINGLE: Self = Self::single(2);

    const fn single(weight: u64) -> Self {
        Self::Computed {
            weight,
            members: 0,
            kind: Kind::Single,
            objects: false,
        }
    }

    fn may_be_object(&self) -> bool {
        match self {
            Self::Parts(parts) => parts.iter().any(|part| part.is_object()),
            Self::Computed { kind, objects, .. } => match kind {
                Kind::Object => true,
                Kind::Any => *objects,
                Kind::Single | Kind::List => false,
            },
        }
    }

    /// How many members it has as a list, or keys as an object.
    fn members(&self) -> u64 {
        match self {
            Self::Parts(parts) => parts
                .iter()
                .map(|part| match part {
                    Value::Array(members) => length(members.len()),
                    Value::Object(map) => length(map.len()),
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
                })
                .max()
                .unwrap_or(0),
            Self::Computed { members, .. } => *members,
        }
    }

    fn holds_objects(&self) -> bool {
        match self {
            Self::Parts(_) => true,
            Self::Computed { objects, .. } => *objects,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Parts(_) => Kind::Any,
            Self::Computed { kind, .. } => *kind,
        }
    }
}

struct Bound<'t, 'e> {
    weights: &'t Weights,
    steps: u64,
    /// How many parts of the event this walk itself has looked at.
    looked_at: u64,
    variables: Vec<(&'t str, Shape<'e>)>,
}

impl<'t, 'e> Bound<'t, 'e> {
    /// The most that a node can be, when it is evaluated that many times.
    fn node(&mut self, node: &'t IdedExpr, times: u64) -> Result<Shape<'e>, Note> {
        self.charge(times, 1)?;
        match &node.expr {
            Expr::Literal(literal) => Ok(match literal {
                LiteralValue::String(text) => Shape::single(text_weight(text.inner())),
                LiteralValue::Boolean(_)
                | LiteralValue::Bytes(_)
                | LiteralValue::Double(_)
                | LiteralValue::Int(_)
                | LiteralValue::Null
                | LiteralValue::UInt(_) => Shape::SINGLE,
            }),
            Expr::Ident(name) => {
                self.charge(times, length(self.variables.len()))?;
                let found = self.variables.iter().rev().find(|(known, _)| known == name);
                let shape = found.map_or(Shape::SINGLE, |(_, shape)| shape.clone());
                self.look_at(&shape)?;
                Ok(shape)
            }
            Expr::Select(select) => {
                // The library looks a dotted name up in every scope, at each of its dots.
                let dots = names_in(node);
                self.charge(times, dots.saturating_mul(length(self.variables.len())))?;
                let operand = self.node(&select.operand, times)?;
                if select.test {
                    return Ok(Shape::SINGLE);
                }
                self.within(&operand, |part| {
                    part.get(&select.field).into_iter().collect()
                })
            }
            Expr::Call(call) => self.call(call, times),
            Expr::List(list) => {
                let mut all = Shape::Computed {
                    weight: 1,
                    members: 0,
                    kind: Kind::List,
                    objects: false,
                };
                for element in &list.elements {
                    let element = self.node(element, times)?;
                    all = self.with_member(&all, &element)?;
                }
                self.charge(times, self.weight(&all))?;
                Ok(all)
            }
            Expr::Map(map) => {
                let mut weight = 1_u64;
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else {
                        return Err(Note::ExpressionFailed);
                    };
                    for part in [&entry.key, &entry.value] {
                        let part = self.node(part, times)?;
                        weight = weight.saturating_add(self.weight(&part));
                    }
                }
                self.charge(times, weight)?;
                Ok(Shape::Computed {
                    weight,
                    members: length(map.entries.len()),
                    kind: Kind::Object,
                    objects: true,
                })
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, times),
            Expr::Struct(_) | Expr::Unspecified => Err(Note::ExpressionFailed),
        }
    }

    fn call(&mut self, call: &'t CallExpr, times: u64) -> Result<Shape<'e>, Note> {
        let mut arguments = Vec::new();
        for argument in call.target.iter().map(AsRef::as_ref).chain(&call.args) {
            arguments.push(self.node(argument, times)?);
        }
        match (call.func_name.as_str(), arguments.as_slice()) {
            (operators::CONDITIONAL, [_, one, other]) => self.either(one, other),
            (
                operators::LOGICAL_AND
                | operators::LOGICAL_OR
                | operators::LOGICAL_NOT
                | operators::NOT_STRICTLY_FALSE,
                _,
            ) => Ok(Shape::SINGLE),
            (operators::INDEX, [operand, _]) => {
                let index = call.args.get(1).map(|index| &index.expr);
                self.within(operand, |part| match (index, part) {
                    (Some(Expr::Literal(LiteralValue::String(key))), Value::Object(map)) => {
                        map.get(key.inner()).into_iter().collect()
                    }
                    (Some(Expr::Literal(LiteralValue::Int(index))), Value::Array(members)) => {
                        usize::try_from(*index.inner())
                            .ok()
                            .and_then(|index| members.get(index))
                            .into_iter()
                            .collect()
                    }
                    (_, part) => parts_of(part),
                })
            }
            (operators::ADD, [one, other]) => {
                let weight = self.weight(one).saturating_add(self.weight(other));
                self.charge(times, weight)?;
                Ok(Shape::Computed {
                    weight,
                    members: one.members().saturating_add(other.members()),
                    kind: if one.kind() == other.kind() {
                        one.kind()
                    } else {
                        Kind::Any
                    },
                    objects: one.holds_objects() || other.holds_objects(),
                })
            }
            (name, arguments) => {
                let weight = arguments.iter().fold(0_u64, |sum, argument| {
                    sum.saturating_add(self.weight(argument))
                });
                self.charge(times, weight)?;
                Ok(match name {
                    // A number written out is at most 330 characters.
                    "string" => Shape::single(weight.saturating_add(21)),
                    // Lower case takes up to three times the bytes.
                    LOWER => Shape::single(weight.saturating_mul(3)),
                    _ => Shape::SINGLE,
                })
            }
        }
    }

    /// The accumulator is a boolean or a count, which stay small, or a list that each step may add to. No
    /// other step can be written.
    fn comprehension(
        &mut self,
        comprehension: &'t ComprehensionExpr,
        times: u64,
    ) -> Result<Shape<'e>, Note> {
        let list = self.node(&comprehension.iter_range, times)?;
        let empty = self.node(&comprehension.accu_init, times)?;
        let makes_list = matches!(comprehension.accu_init.expr, Expr::List(_));
        if makes_list && list.may_be_object() {
            return Err(Note::KeysWithoutOrder);
        }
        let members = list.members();
        // Each member is copied once.
        self.charge(times, self.weight(&list).saturating_add(members))?;
        let rounds = times.saturating_mul(members);
        let member = self.member(&list)?;

        let outer = self.variables.len();
        self.variables
            .push((&comprehension.accu_var, empty.clone()));
        self.variables.push((&comprehension.iter_var, member));
        self.node(&comprehension.loop_cond, rounds)?;
        let step = self.node(&comprehension.loop_step, rounds)?;
        let end = if makes_list {
            let added = self.weight(&step).saturating_sub(self.weight(&empty));
            Shape::Computed {
                weight: added.saturating_mul(members).saturating_add(1),
                members,
                kind: Kind::List,
                objects: step.holds_objects(),
            }
        } else {
            Shape::SINGLE
        };
        if let Some((_, accumulator)) = self.variables.get_mut(outer) {
            *accumulator = end;
        }
        let result = self.node(&comprehension.result, times)?;
        self.variables.truncate(outer);
        self.charge(times, self.weight(&result))?;
        Ok(result)
    }

    /// A member of a list, or a key of an object, which are what a macro goes through.
    fn member(&mut self, list: &Shape<'e>) -> Result<Shape<'e>, Note> {
        if let Shape::Parts(parts) = list
            && !parts.iter().any(|part| part.is_object())
        {
            return self.within(list, parts_of);
        }
        Ok(Shape::Computed {
            weight: self.weight(list),
            members: self.weight(list),
            kind: Kind::Any,
            objects: list.holds_objects(),
        })
    }

    /// What is found within a value.
    fn within(
        &mut self,
        value: &Shape<'e>,
        find: impl Fn(&'e Value) -> Vec<&'e Value>,
    ) -> Result<Shape<'e>, Note> {
        let shape = match value {
            Shape::Parts(parts) => Shape::Parts(parts.iter().flat_map(|part| find(part)).collect()),
            Shape::Computed {
                weight, objects, ..
            } => Shape::Computed {
                weight: *weight,
                members: *weight,
                kind: Kind::Any,
                objects: *objects,
            },
        };
        self.look_at(&shape)?;
        Ok(shape)
    }

    fn either(&mut self, one: &Shape<'e>, other: &Shape<'e>) -> Result<Shape<'e>, Note> {
        let shape = match (one, other) {
            (Shape::Parts(one), Shape::Parts(other)) => {
                Shape::Parts(one.iter().chain(other).copied().collect())
            }
            _ => Shape::Computed {
                weight: self.weight(one).max(self.weight(other)),
                members: one.members().max(other.members()),
                kind: if one.kind() == other.kind() {
                    one.kind()
                } else {
                    Kind::Any
                },
                objects: one.holds_objects() || other.holds_objects(),
            },
        };
        self.look_at(&shape)?;
        Ok(shape)
    }

    fn with_member(&mut self, list: &Shape<'e>, member: &Shape<'e>) -> Result<Shape<'e>, Note> {
        self.look_at(member)?;
        Ok(Shape::Computed {
            weight: self.weight(list).saturating_add(self.weight(member)),
            members: list.members().saturating_add(1),
            kind: Kind::List,
            objects: list.holds_objects() || member.holds_objects(),
        })
    }

    fn weight(&self, shape: &Shape<'e>) -> u64 {
        match shape {
            Shape::Parts(parts) => parts
                .iter()
                .map(|part| self.weights.get(part))
                .max()
                .unwrap_or(1),
            Shape::Computed { weight, .. } => *weight,
        }
    }

    fn charge(&mut self, times: u64, steps: u64) -> Result<(), Note> {
        self.steps = self.steps.saturating_add(times.saturating_mul(steps));
        if self.steps > MAX_STEPS {
            return Err(Note::TooCostly);
        }
        Ok(())
    }

    fn look_at(&mut self, shape: &Shape<'e>) -> Result<(), Note> {
        if let Shape::Parts(parts) = shape {
            self.looked_at = self.looked_at.saturating_add(length(parts.len()));
        }
        if self.looked_at > MAX_STEPS {
            return Err(Note::TooCostly);
        }
        Ok(())
    }
}

fn parts_of(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(members) => members.iter().collect(),
        Value::Object(map) => map.values().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// How many names a dotted name has.
fn names_in(node: &IdedExpr) -> u64 {
    let mut names = 1;
    let mut node = node;
    while let Expr::Select(select) = &node.expr {
        names += 1;
        node = &select.operand;
    }
    names
}
