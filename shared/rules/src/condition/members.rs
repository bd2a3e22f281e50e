//! Conditions on the members of a list.

use std::cell::Cell;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::field::Field;
use super::trace::{MemberTrace, Note, Trace};
use super::truth::Truth;
use super::{MAX_LOOKED_AT_MEMBERS, MAX_MEMBER_STEPS, Node, Scene};

/// How many members a trace shows of a list, and how many of a list within a list.
const SHOWN: usize = 5;
const SHOWN_WITHIN: usize = 1;

/// How many members of a list must meet a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quantifier {
    /// At least one.
    AnyMember,
    /// Every one.
    AllMembers,
    /// None.
    NoMember,
}

impl Quantifier {
    /// Every quantifier.
    pub const EVERY: [Self; 3] = [Self::AnyMember, Self::AllMembers, Self::NoMember];

    /// The quantifier's key in a condition.
    pub fn name(self) -> &'static str {
        match self {
            Self::AnyMember => "any_member",
            Self::AllMembers => "all_members",
            Self::NoMember => "no_member",
        }
    }

    /// The quantifier of that key.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::EVERY
            .into_iter()
            .find(|quantifier| quantifier.name() == name)
    }

    /// A member with this result settles the list's result, whatever the others are.
    fn decisive(self) -> Truth {
        match self {
            Self::AnyMember | Self::NoMember => Truth::True,
            Self::AllMembers => Truth::False,
        }
    }

    /// The list's result when a member has decided, and when none has.
    fn result(self, decided: bool) -> Truth {
        match self {
            Self::AnyMember => decided.into(),
            Self::AllMembers | Self::NoMember => (!decided).into(),
        }
    }
}

impl fmt::Display for Quantifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct ListMembers {
    pub(super) field: Field,
    pub(super) quantifier: Quantifier,
    pub(super) condition: Box<Node>,
}

/// The steps that a list's members may still take, those of lists within it included.
///
/// A list whose members would take more is unknown from the first member on that did not get through.
/// What a member takes does not depend on the order of its conditions, so neither does the result.
#[derive(Debug)]
pub(super) struct Allowance {
    left: Cell<u64>,
    exhausted: Cell<bool>,
}

impl Allowance {
    /// An equal part for each of a condition's outermost lists.
    pub(super) fn share(lists: usize) -> Self {
        let lists = u64::try_from(lists).unwrap_or(u64::MAX).max(1);
        Self {
            left: Cell::new(MAX_MEMBER_STEPS / lists),
            exhausted: Cell::new(false),
        }
    }

    /// Whether there was enough left.
    pub(super) fn spend(&self, steps: u64) -> bool {
        match self.left.get().checked_sub(steps) {
            Some(left) if !self.exhausted.get() => {
                self.left.set(left);
                true
            }
            _ => {
                self.exhausted.set(true);
                false
            }
        }
    }
}

impl ListMembers {
    pub(super) fn evaluate(&self, scene: &Scene<'_, '_>) -> Trace {
        let Some(value) = self.field.find(scene.root) else {
            return self.trace(0, Vec::new(), Truth::Unknown, Some(Note::NoValue));
        };
        let single = std::slice::from_ref(value.as_ref());
        let list = value.as_array().map_or(single, Vec::as_slice);
        if let Some(allowance) = scene.allowance {
            self.look_at(list, scene, allowance, SHOWN_WITHIN)
        } else {
            let allowance = Allowance::share(scene.lists);
            self.look_at(list, scene, &allowance, SHOWN)
        }
    }

    fn look_at(
        &self,
        list: &[Value],
        scene: &Scene<'_, '_>,
        allowance: &Allowance,
        shown: usize,
    ) -> Trace {
        let mut unknown = Vec::new();
        let mut neutral = Vec::new();
        let mut note = None;
        for (index, member) in list.iter().enumerate() {
            if index == MAX_LOOKED_AT_MEMBERS {
                note = Some(Note::OnlyFirstMembers);
                break;
            }
            let trace = self.condition.evaluate(&Scene {
                root: member,
                allowance: Some(allowance),
                ..*scene
            });
            if !allowance.spend(1) {
                note = Some(Note::TooMuchWork);
                break;
            }
            let truth = trace.truth();
            let member = MemberTrace { index, trace };
            if truth == self.quantifier.decisive() {
                return self.trace(list.len(), vec![member], self.quantifier.result(true), None);
            }
            let kept = if truth == Truth::Unknown {
                &mut unknown
            } else {
                &mut neutral
            };
            if kept.len() < shown {
                kept.push(member);
            }
        }
        if note.is_some() || !unknown.is_empty() {
            return self.trace(list.len(), unknown, Truth::Unknown, note);
        }
        self.trace(list.len(), neutral, self.quantifier.result(false), None)
    }

    fn trace(
        &self,
        count: usize,
        members: Vec<MemberTrace>,
        holds: Truth,
        note: Option<Note>,
    ) -> Trace {
        Trace::ListMembers {
            field: self.field.as_str().to_owned(),
            quantifier: self.quantifier,
            count,
            members,
            holds,
            note,
        }
    }
}
