//! Every operator with a value of every kind.

use super::*;

/// The values of the columns; the first is missing.
fn values() -> Vec<Option<Value>> {
    let present = [
        json!(null),
        json!(true),
        json!(6),
        json!(6.5),
        json!("6"),
        json!("Gold "),
        json!(" "),
        json!("2026-03-10"),
        json!([]),
        json!(["gold", 6]),
        json!({}),
        json!({"a": 1}),
    ];
    std::iter::once(None)
        .chain(present.into_iter().map(Some))
        .collect()
}

/// Operator, operand, and a result for each value: T, F or ?.
const TABLE: &str = r#"
    is_empty                    | true                         | TTFFFFFTFTFTF
    is_empty                    | false                        | FFTTTTTFTFTFT
    is_not_empty                | true                         | FFTTTTTFTFTFT
    equals                      | "gold"                       | FFFFFFTFF????
    not_equals                  | "gold"                       | TTTTTTFTT????
    equals                      | 6                            | FF?TFT???????
    not_equals                  | 6                            | TT?FTF???????
    in                          | ["gold", 6]                  | FFFTFTTFF????
    not_in                      | ["gold", 6]                  | TTTFTFFTT????
    contains                    | "6"                          | FFFTTTFFTFT??
    does_not_contain            | "6"                          | TTTFFFTTFTF??
    starts_with                 | "g"                          | ??FFFFTFF????
    ends_with                   | "0"                          | ??FFFFFFT????
    matches                     | "^[0-9]"                     | ??FTTTFFT????
    greater_than                | 6                            | ???FTF???????
    greater_than_or_equal       | 6                            | ???TTT???????
    less_than                   | 6.5                          | ???TFT???????
    less_than_or_equal          | 6                            | ???TFT???????
    between                     | [6, 6.2]                     | ???TFT???????
    between                     | ["2026-03-01", "2026-03-10"] | ????????T????
    is_true                     | true                         | ??T??????????
    is_false                    | true                         | ??F??????????
    before                      | "2026-03-10"                 | ????????F????
    after                       | "2026-03-09"                 | ????????T????
    on_day                      | "today"                      | ????????T????
    within_last                 | "1 day"                      | ????????T????
    within_next                 | "1 day"                      | ????????F????
    more_than_ago               | "1 hour"                     | ????????T????
    selected                    | 6                            | FF?T?TF?FFT??
    not_selected                | 6                            | TT?F?FT?TTF??
    displayed                   | 6                            | FF?T?TF?FFT??
    not_displayed               | 6                            | TT?F?FT?TTF??
    count_equals                | 1                            | ??TTTTTFTFF??
    count_not_equals            | 1                            | ??FFFFFTFTT??
    count_greater_than          | 0                            | ??TTTTTFTFT??
    count_greater_than_or_equal | 1                            | ??TTTTTFTFT??
    count_less_than             | 1                            | ??FFFFFTFTF??
    count_less_than_or_equal    | 0                            | ??FFFFFTFTF??
    any_of                      | ["gold", 6]                  | FFFTFTTFFFT??
    all_of                      | ["gold", 6]                  | FFFFFFFFFFT??
    none_of                     | ["gold", 6]                  | TTTFTFFTTTF??
"#;

fn rows() -> impl Iterator<Item = (&'static str, Value, &'static str)> {
    TABLE
        .lines()
        .map(str::trim)
        .filter(|row| !row.is_empty())
        .map(|row| {
            let columns: Vec<&str> = row.split(" | ").map(str::trim).collect();
            let [operator, operand, results] = columns.as_slice() else {
                panic!("not three columns: {row}");
            };
            (
                *operator,
                serde_json::from_str(operand).expect(row),
                *results,
            )
        })
}

fn result_of(operator: &str, operand: &Value, value: Option<Value>) -> Truth {
    let condition = json!({"field": "values.x", operator: operand});
    // Displayed choices are beside the values.
    let place = if operator.contains("displayed") {
        "displayedValues"
    } else {
        "values"
    };
    let event = value.map_or_else(|| json!({place: {}}), |value| json!({place: {"x": value}}));
    truth(&condition, &event)
}

#[test]
fn every_operator_has_a_result_for_every_kind() {
    for operator in Operator::EVERY {
        assert!(
            rows().any(|(name, ..)| name == operator.name()),
            "{operator}"
        );
    }
    for (operator, operand, results) in rows() {
        let actual: String = values()
            .into_iter()
            .map(|value| match result_of(operator, &operand, value) {
                Truth::True => 'T',
                Truth::False => 'F',
                Truth::Unknown => '?',
            })
            .collect();
        assert_eq!(actual, results, "{operator} {operand}");
    }
}

const NEGATIVES: [(&str, &str); 9] = [
    ("is_empty", "is_not_empty"),
    ("equals", "not_equals"),
    ("in", "not_in"),
    ("contains", "does_not_contain"),
    ("is_true", "is_false"),
    ("selected", "not_selected"),
    ("displayed", "not_displayed"),
    ("count_equals", "count_not_equals"),
    ("any_of", "none_of"),
];

proptest! {
    #[test]
    fn negatives_are_the_negation(
        value in prop::option::of(any_json()),
        operand in any_json(),
        fitting in 0..4_usize,
    ) {
        let fitting = [json!(true), json!("gold"), json!(6), json!(["gold", 6])][fitting].clone();
        for (positive, negative) in NEGATIVES {
            for operand in [&operand, &fitting] {
                let source = json!({"field": "values.x", positive: operand});
                let negated = json!({"field": "values.x", negative: operand});
                prop_assert_eq!(
                    Condition::parse(&source).is_ok(),
                    Condition::parse(&negated).is_ok()
                );
                if Condition::parse(&source).is_ok() {
                    let result = result_of(positive, operand, value.clone());
                    prop_assert_eq!(!result, result_of(negative, operand, value.clone()));
                }
            }
        }
    }
}
