//! Encoded queries: `<field><operator><value>` joined by `^`, `^OR` and `^NQ`.
//!
//! A clause that cannot be understood, above all one on a field that the table doesn't have, is dropped and the rest of
//! the query runs; so a query may return rows that nobody asked for.
//! See "Operators available for filters and queries" and "Table API" in the product documentation.

use std::cmp::Ordering;

/// Groups of which one must hold; in a group every chain; in a chain one clause.
pub(crate) struct Query {
    groups: Vec<Vec<Vec<Clause>>>,
    pub(crate) order: Vec<Order>,
    /// Whether there was anything that could not be understood.
    pub(crate) incomplete: bool,
}

pub(crate) struct Order {
    pub(crate) field: String,
    pub(crate) descending: bool,
}

struct Clause {
    field: String,
    operator: Operator,
    value: String,
}

#[derive(Clone, Copy)]
enum Operator {
    Is,
    IsNot,
    In,
    NotIn,
    Contains,
    ContainsNot,
    StartsWith,
    EndsWith,
    IsEmpty,
    IsNotEmpty,
    Anything,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Between,
    SameAs,
    NotSameAs,
}

/// Longer spellings first, as one may begin with another.
const OPERATORS: [(&str, Operator); 20] = [
    ("ISNOTEMPTY", Operator::IsNotEmpty),
    ("EMPTYSTRING", Operator::IsEmpty),
    ("STARTSWITH", Operator::StartsWith),
    ("NOT LIKE", Operator::ContainsNot),
    ("NOTLIKE", Operator::ContainsNot),
    ("ENDSWITH", Operator::EndsWith),
    ("ANYTHING", Operator::Anything),
    ("NSAMEAS", Operator::NotSameAs),
    ("BETWEEN", Operator::Between),
    ("ISEMPTY", Operator::IsEmpty),
    ("NOT IN", Operator::NotIn),
    ("SAMEAS", Operator::SameAs),
    ("LIKE", Operator::Contains),
    ("IN", Operator::In),
    ("!=", Operator::IsNot),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("=", Operator::Is),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

impl Query {
    /// Drops what `known` doesn't know.
    pub(crate) fn parse(text: &str, known: impl Fn(&str) -> bool) -> Self {
        let mut order = Vec::new();
        let mut groups = Vec::new();
        let mut incomplete = false;
        for group in text.split("^NQ") {
            let mut chains: Vec<Vec<Clause>> = Vec::new();
            for part in group.split('^') {
                let ordering = part
                    .strip_prefix("ORDERBYDESC")
                    .map(|field| (field, true))
                    .or_else(|| part.strip_prefix("ORDERBY").map(|field| (field, false)));
                if let Some((field, descending)) = ordering {
                    if known(field) {
                        order.push(Order {
                            field: field.to_owned(),
                            descending,
                        });
                    }
                } else if let Some(alternative) = part.strip_prefix("OR") {
                    let clause = Clause::parse(alternative, &known);
                    incomplete |= clause.is_none();
                    match chains.last_mut() {
                        Some(chain) => chain.extend(clause),
                        None => chains.push(clause.into_iter().collect()),
                    }
                } else {
                    let clause = Clause::parse(part, &known);
                    incomplete |= clause.is_none();
                    chains.push(clause.into_iter().collect());
                }
            }
            chains.retain(|chain| !chain.is_empty());
            groups.push(chains);
        }
        Self {
            groups,
            order,
            incomplete,
        }
    }

    /// Whether a row belongs to the answer; `value` reads one of its fields.
    pub(crate) fn holds(&self, value: impl Fn(&str) -> String) -> bool {
        self.groups.iter().any(|group| {
            group
                .iter()
                .all(|chain| chain.iter().any(|clause| clause.holds(&value)))
        })
    }
}

impl Clause {
    fn parse(text: &str, known: impl Fn(&str) -> bool) -> Option<Self> {
        let end = text.find(|letter: char| {
            !(letter.is_ascii_lowercase() || letter.is_ascii_digit() || "._".contains(letter))
        })?;
        let (field, rest) = text.split_at(end);
        if !known(field) {
            return None;
        }
        OPERATORS.iter().find_map(|(spelling, operator)| {
            Some(Self {
                field: field.to_owned(),
                operator: *operator,
                value: rest.strip_prefix(spelling)?.to_owned(),
            })
        })
    }

    fn holds(&self, value_of: &impl Fn(&str) -> String) -> bool {
        let actual = value_of(&self.field);
        let wanted = self.value.as_str();
        let listed = || wanted.split(',').any(|one| one.trim() == actual);
        match self.operator {
            Operator::Is => actual == wanted,
            Operator::IsNot => actual != wanted,
            Operator::In => listed(),
            Operator::NotIn => !listed(),
            Operator::Contains => actual.contains(wanted),
            Operator::ContainsNot => !actual.contains(wanted),
            Operator::StartsWith => actual.starts_with(wanted),
            Operator::EndsWith => actual.ends_with(wanted),
            Operator::IsEmpty => actual.is_empty(),
            Operator::IsNotEmpty => !actual.is_empty(),
            Operator::Anything => true,
            Operator::Less => compare(&actual, wanted).is_lt(),
            Operator::LessOrEqual => compare(&actual, wanted).is_le(),
            Operator::Greater => compare(&actual, wanted).is_gt(),
            Operator::GreaterOrEqual => compare(&actual, wanted).is_ge(),
            Operator::Between => wanted.split_once('@').is_some_and(|(from, to)| {
                compare(&actual, from).is_ge() && compare(&actual, to).is_le()
            }),
            Operator::SameAs => actual == value_of(wanted),
            Operator::NotSameAs => actual != value_of(wanted),
        }
    }
}

/// By number where both are numbers, else by text; a `sys_id` of digits alone is text.
pub(crate) fn compare(left: &str, right: &str) -> Ordering {
    let number = |text: &str| {
        (text.len() < 32)
            .then(|| text.parse::<i64>().ok())
            .flatten()
    };
    match (number(left), number(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        (Some(_) | None, _) => left.cmp(right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, expected: bool) {
        let known = |field: &str| ["a", "b", "n", "empty"].contains(&field);
        let query_result = Query::parse(query, known).holds(|field| {
            match field {
                "a" => "apple",
                "b" => "pear",
                "n" => "12",
                _ => "",
            }
            .to_owned()
        });
        assert_eq!(query_result, expected, "{query}");
    }

    #[test]
    fn operators_read_as_documented() {
        for (query, expected) in [
            ("", true),
            ("a=apple", true),
            ("a=Apple", false),
            ("a!=apple", false),
            ("aINpear,apple", true),
            ("aNOT INpear,apple", false),
            ("aLIKEppl", true),
            ("aNOT LIKEppl", false),
            ("aSTARTSWITHap", true),
            ("aENDSWITHap", false),
            ("emptyISEMPTY", true),
            ("aISEMPTY", false),
            ("aISNOTEMPTY", true),
            ("n>9", true),
            ("n<=12", true),
            ("n<9", false),
            ("nBETWEEN10@13", true),
            ("aSAMEASb", false),
            ("aNSAMEASb", true),
            ("aANYTHING", true),
        ] {
            check(query, expected);
        }
    }

    #[test]
    fn or_binds_closer_than_and_and_new_query_looser() {
        check("a=x^ORa=apple^b=pear", true);
        check("a=apple^ORa=x^b=x", false);
        check("a=x^NQb=pear", true);
    }

    #[test]
    fn clause_on_an_unknown_field_is_dropped() {
        check("nowhere=1", true);
        check("nowhere=1^a=apple", true);
        check("nowhere=1^a=x", false);
        check("a=x^ORnowhere=1", false);
        check("a~~x", true);
    }
}
