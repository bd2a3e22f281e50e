//! A second evaluator, as simple as can be, to compare with.

use super::*;

/// 0 is false, 1 unknown, 2 true: `all` is the minimum, `any` the maximum, a negation 2 minus it.
fn level(condition: &Value, root: &Value) -> u8 {
    let members = |key: &str| {
        condition[key].as_array().map(|members| {
            members
                .iter()
                .map(|member| level(member, root))
                .collect::<Vec<u8>>()
        })
    };
    if let Some(levels) = members("all") {
        return levels.into_iter().min().unwrap_or(2);
    }
    if let Some(levels) = members("any") {
        return levels.into_iter().max().unwrap_or(0);
    }
    if let Some(levels) = members("none") {
        return 2 - levels.into_iter().max().unwrap_or(0);
    }
    let mut value = root.clone();
    let field = condition["field"].as_str().unwrap();
    if field != "@" {
        for key in field.split('.') {
            value = value.get(key).cloned().unwrap_or(Value::Null);
        }
    }
    let (name, operand) = condition
        .as_object()
        .unwrap()
        .iter()
        .find(|(key, _)| *key != "field")
        .unwrap();
    leaf(name, operand, &value)
}

fn leaf(name: &str, operand: &Value, value: &Value) -> u8 {
    let opposite = match name {
        "not_equals" => "equals",
        "does_not_contain" => "contains",
        "not_selected" => "selected",
        "none_of" => "any_of",
        "is_not_empty" => "is_empty",
        "no_member" => "any_member",
        "count_not_equals" => "count_equals",
        _ => "",
    };
    if !opposite.is_empty() {
        return 2 - leaf(opposite, operand, value);
    }
    let definite = |holds: bool| if holds { 2 } else { 0 };
    let list_of_one = || {
        value
            .as_array()
            .cloned()
            .unwrap_or_else(|| vec![value.clone()])
    };
    let spelled = |value: &Value| match value {
        Value::String(text) => text.trim().to_lowercase(),
        Value::Null | Value::Array(_) | Value::Object(_) => "<no text>".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    };
    let same = |value: &Value, operand: &Value| {
        spelled(value) == spelled(operand) && spelled(value) != "<no text>"
    };
    // Choices are ids: case counts.
    let same_id = |value: &Value| match value {
        Value::String(text) => text.trim() == operand.as_str().unwrap(),
        Value::Number(number) => number.to_string() == operand.as_str().unwrap(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    };
    let empty = value.is_null()
        || value == &json!([])
        || value == &json!({})
        || value.as_str().is_some_and(|text| text.trim() == "");
    let number = spelled(value).parse::<i64>().ok();
    let unusable = [
        value.is_null()
            && !["is_empty", "equals", "contains", "selected", "any_of"].contains(&name),
        value.is_object() && !["is_empty", "any_member", "all_members"].contains(&name),
        value.is_array() && ["equals", "less_than", "starts_with", "is_true"].contains(&name),
        name == "selected" && (value.is_boolean() || value.is_string() && empty),
        name == "is_true" && (value.is_number() || !["true", "false"].contains(&&*spelled(value))),
        ["equals", "less_than"].contains(&name)
            && operand.is_number()
            && !value.is_null()
            && number.is_none(),
    ];
    if unusable.contains(&true) {
        return 1;
    }
    let holds = match name {
        "is_empty" => empty == operand.as_bool().unwrap(),
        _ if value.is_null() => false,
        "any_member" | "all_members" => {
            let list = list_of_one();
            let levels = list.iter().map(|member| level(operand, member));
            return if name == "any_member" {
                levels.max().unwrap_or(0)
            } else {
                levels.min().unwrap_or(2)
            };
        }
        "count_equals" => {
            let count = value.as_array().map_or(usize::from(!empty), Vec::len);
            operand == &json!(count)
        }
        "any_of" => operand
            .as_array()
            .unwrap()
            .iter()
            .any(|one| list_of_one().iter().any(|member| same(member, one))),
        "selected" => list_of_one().iter().any(same_id),
        "equals" if operand.is_number() => number == operand.as_i64(),
        "equals" => same(value, operand),
        "less_than" => number < operand.as_i64(),
        "contains" if value.is_array() => list_of_one().iter().any(|member| same(member, operand)),
        "contains" => spelled(value).contains(&spelled(operand)),
        "starts_with" => spelled(value).starts_with(&spelled(operand)),
        "is_true" => spelled(value) == "true",
        other => panic!("{other}"),
    };
    definite(holds)
}

fn single() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2..4_i64).prop_map(Value::from),
        "[123]".prop_map(Value::from),
        prop::sample::select(vec!["", " ", "Late", "late", "rude", "true", "False"])
            .prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    single().prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            2 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            1 => prop::collection::btree_map("[abc]", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn event() -> impl Strategy<Value = Value> {
    (value(), value(), value()).prop_map(|(a, b, c)| json!({"a": a, "b": b, "c": c}))
}

/// A comparison whose field is relative to an event or to a member.
fn comparison(of_member: bool) -> impl Strategy<Value = Value> {
    let fields = if of_member {
        vec!["@", "a", "b", "a.b"]
    } else {
        vec!["a", "b", "c", "a.b", "c.a", "d"]
    };
    let number = (-2..4_i64).prop_map(Value::from);
    let text = prop::sample::select(vec!["late", "RUDE", "1", "2", "tru"]).prop_map(Value::from);
    let whole = (0..4_u8).prop_map(Value::from);
    let operators = prop_oneof![
        (
            prop::sample::select(vec!["equals", "not_equals"]),
            prop_oneof![number.clone(), text.clone()]
        ),
        (Just("less_than"), number),
        (
            prop::sample::select(vec!["contains", "does_not_contain", "starts_with"]),
            text.clone()
        ),
        (
            prop::sample::select(vec!["selected", "not_selected"]),
            text.clone()
        ),
        (
            prop::sample::select(vec!["count_equals", "count_not_equals"]),
            whole
        ),
        (
            prop::sample::select(vec!["any_of", "none_of"]),
            prop::collection::vec(text, 1..3).prop_map(Value::from)
        ),
        (
            prop::sample::select(vec!["is_empty", "is_not_empty"]),
            any::<bool>().prop_map(Value::from)
        ),
        (Just("is_true"), Just(Value::Bool(true))),
    ];
    (prop::sample::select(fields), operators)
        .prop_map(|(field, (operator, operand))| json!({"field": field, operator: operand}))
}

fn groups(leaf: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    leaf.prop_recursive(3, 12, 4, |inner| {
        (
            prop::sample::select(vec!["all", "any", "none"]),
            prop::collection::vec(inner, 0..4),
        )
            .prop_map(|(group, members)| json!({group: members}))
    })
    .boxed()
}

fn members(condition: BoxedStrategy<Value>, fields: Vec<&'static str>) -> BoxedStrategy<Value> {
    (
        prop::sample::select(fields),
        prop::sample::select(vec!["any_member", "all_members", "no_member"]),
        condition,
    )
        .prop_map(|(field, quantifier, condition)| json!({"field": field, quantifier: condition}))
        .boxed()
}

pub(super) fn tree() -> impl Strategy<Value = Value> {
    let of_member = groups(comparison(true));
    let within = members(of_member.clone(), vec!["@", "a", "b"]);
    let of_member = groups(prop_oneof![comparison(true), within]);
    let lists = members(of_member, vec!["a", "b", "c", "c.a", "d"]);
    groups(prop_oneof![2 => comparison(false), 1 => lists])
}

fn turned(condition: &Value) -> Value {
    let Some(map) = condition.as_object() else {
        return condition.clone();
    };
    map.iter()
        .map(|(key, value)| match value.as_array() {
            Some(list) if ["all", "any", "none"].contains(&key.as_str()) => {
                (key.clone(), list.iter().rev().map(turned).collect())
            }
            _ => (key.clone(), turned(value)),
        })
        .collect::<Map<String, Value>>()
        .into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn results_are_those_of_the_reference(condition in tree(), event in event()) {
        let expected = [Truth::False, Truth::Unknown, Truth::True]
            [usize::from(level(&condition, &event))];
        prop_assert_eq!(truth(&condition, &event), expected);
        prop_assert_eq!(truth(&json!({"none": [condition]}), &event), !expected);
        prop_assert_eq!(truth(&turned(&condition), &event), expected);
    }

    #[test]
    fn trees_survive_their_json(condition in tree(), event in event()) {
        let parsed = Condition::parse(&condition).unwrap();
        prop_assert_eq!(serde_json::to_value(&parsed).unwrap(), condition);
        let trace = parsed.evaluate(&event, now()).trace;
        check_trace(&trace);
        let text = serde_json::to_string(&trace).unwrap();
        prop_assert_eq!(serde_json::from_str::<Trace>(&text).unwrap(), trace);
    }
}
