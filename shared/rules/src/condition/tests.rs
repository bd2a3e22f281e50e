use proptest::prelude::*;
use serde_json::json;

use super::*;

mod kinds;
mod list_members;
mod reference;

fn now() -> Timestamp {
    "2026-03-10T12:00:00Z".parse().unwrap()
}

/// Evaluates one comparison on `x`; the value is what `x` holds, none when it is absent.
#[track_caller]
fn compare(value: Option<Value>, operator: &str, operand: &Value) -> (Truth, Option<Note>) {
    let condition = Condition::parse(&json!({"field": "x", operator: operand}))
        .unwrap_or_else(|error| panic!("{operator} {operand}: {error}"));
    let root = value.map_or_else(|| json!({}), |value| json!({"x": value}));
    let evaluation = condition.evaluate(&root, now());
    let Trace::Comparison { holds, note, .. } = evaluation.trace else {
        panic!("not a comparison");
    };
    assert_eq!(holds.holds(), evaluation.holds);
    (holds, note)
}

/// Each line: a value, an operator, its operand and what comes out, with the note if there is one.
#[track_caller]
fn check_rows(table: &str) {
    for row in table.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let columns: Vec<&str> = row.split(" | ").collect();
        let [value, operator, operand, holds, note @ ..] = columns.as_slice() else {
            panic!("too few columns: {row}");
        };
        let value = serde_json::from_str(value).expect(row);
        let operand = serde_json::from_str(operand).expect(row);
        let (result, seen_note) = compare(Some(value), operator, &operand);
        let seen_note = seen_note.map(|note| note.to_string());
        let result = serde_json::to_value(result).unwrap();
        let result = result
            .as_str()
            .map_or_else(|| result.to_string(), str::to_owned);
        assert_eq!(result, *holds, "{row}");
        assert_eq!(seen_note.as_deref(), note.first().copied(), "{row}");
    }
}

#[test]
fn missing_and_null_have_no_value() {
    use Truth::{False, True, Unknown};
    let rows = [
        ("is_empty", json!(true), True),
        ("is_empty", json!(false), False),
        ("is_not_empty", json!(true), False),
        ("is_not_empty", json!(false), True),
        ("equals", json!("a"), False),
        ("equals", json!(0), False),
        ("not_equals", json!("a"), True),
        ("not_equals", json!(1), True),
        ("in", json!(["a"]), False),
        ("not_in", json!(["a"]), True),
        ("contains", json!("a"), False),
        ("does_not_contain", json!("a"), True),
        ("starts_with", json!("a"), Unknown),
        ("ends_with", json!("a"), Unknown),
        ("matches", json!(".*"), Unknown),
        ("greater_than", json!(-1), Unknown),
        ("greater_than_or_equal", json!(0), Unknown),
        ("less_than", json!(1), Unknown),
        ("less_than_or_equal", json!(6), Unknown),
        ("between", json!([-1, 1]), Unknown),
        ("is_true", json!(true), Unknown),
        ("is_false", json!(true), Unknown),
        ("before", json!("2026-01-01"), Unknown),
        ("after", json!("2026-01-01"), Unknown),
        ("on_day", json!("today"), Unknown),
        ("within_last", json!("7 days"), Unknown),
        ("within_next", json!("7 days"), Unknown),
        ("more_than_ago", json!("7 days"), Unknown),
        ("selected", json!(1), False),
        ("not_selected", json!(1), True),
        ("count_equals", json!(0), Unknown),
        ("count_not_equals", json!(0), Unknown),
        ("count_greater_than", json!(0), Unknown),
        ("count_greater_than_or_equal", json!(0), Unknown),
        ("count_less_than", json!(1), Unknown),
        ("count_less_than_or_equal", json!(1), Unknown),
        ("any_of", json!(["a"]), False),
        ("all_of", json!(["a"]), False),
        ("none_of", json!(["a"]), True),
    ];
    for operator in Operator::EVERY {
        let displayed = matches!(operator, Operator::Displayed | Operator::NotDisplayed);
        assert!(
            displayed || rows.iter().any(|row| row.0 == operator.name()),
            "{operator}"
        );
    }
    for (operator, operand, holds) in rows {
        let expected = (holds, Some(Note::NoValue));
        assert_eq!(
            compare(None, operator, &operand),
            expected,
            "missing {operator}"
        );
        let null = Some(Value::Null);
        assert_eq!(
            compare(null, operator, &operand),
            expected,
            "null {operator}"
        );
    }
}

#[test]
fn emptiness() {
    check_rows(
        r#"
        "" | is_empty | true | true
        " \n" | is_empty | true | true
        [] | is_empty | true | true
        {} | is_empty | true | true
        0 | is_empty | true | false
        false | is_empty | true | false
        "a" | is_empty | false | true
        [null] | is_not_empty | true | true
        "" | is_not_empty | true | false
        "" | is_not_empty | false | true
        "#,
    );
}

#[test]
fn texts() {
    check_rows(
        r#"
        " Gold " | equals | "gold" | true
        "STRASSE" | equals | "Straße" | true
        "ΟΔΟΣ" | equals | "οδος" | true
        "golden" | equals | "gold" | false
        "" | equals | "" | true
        true | equals | true | true
        "TRUE" | equals | true | true
        true | equals | "true" | true
        1 | equals | true | false
        "gold" | not_equals | "silver" | true
        "Gold" | not_equals | "gold" | false
        ["gold"] | equals | "gold" | unknown | not a text
        ["gold"] | not_equals | "gold" | unknown | not a text
        {"a": 1} | not_equals | "gold" | unknown | not a text
        "GOLD" | in | ["silver", "gold"] | true
        "lead" | in | ["silver", "gold"] | false
        "lead" | not_in | ["silver", "gold"] | true
        "gold" | not_in | ["silver", "gold"] | false
        {} | not_in | ["gold"] | unknown | not a text
        "Very SLOW service" | contains | " slow " | true
        "fast" | contains | "slow" | false
        1234 | contains | 23 | true
        ["Late", "rude"] | contains | "late" | true
        ["later"] | contains | "late" | false
        {"slow": 1} | contains | "slow" | unknown | not a text
        "fast" | does_not_contain | "slow" | true
        "too Slow" | does_not_contain | "slow" | false
        ["fast"] | does_not_contain | "slow" | true
        ["slow"] | does_not_contain | "slow" | false
        {} | does_not_contain | "slow" | unknown | not a text
        " INC0012" | starts_with | "inc" | true
        "0INC" | starts_with | "inc" | false
        "a@Example.com " | ends_with | "@example.COM" | true
        "a@example.com.evil" | ends_with | "example.com" | false
        ["a"] | starts_with | "a" | unknown | not a text
        "#,
    );
}

#[test]
fn regular_expressions() {
    let long = format!("{}needle", "x".repeat(40_000));
    check_rows(
        r#"
        "order AB-12 late" | matches | "[A-Z]{2}-\\d+" | true
        "order ab-12 late" | matches | "[A-Z]{2}-\\d+" | false
        "order ab-12 late" | matches | "(?i)[A-Z]{2}-\\d+" | true
        " a" | matches | "^a" | false
        " a" | matches | "^\\s" | true
        42 | matches | "^42$" | true
        "größe" | matches | "^\\w+$" | true
        ["a"] | matches | "a" | unknown | not a text
        "#,
    );
    for (value, pattern, expected) in [
        (
            &long,
            "needle",
            (Truth::Unknown, Some(Note::OnlyBeginningSearched)),
        ),
        (&long, "^x", (Truth::True, None)),
        (&long, "x+", (Truth::True, None)),
        // The text only ends here because it was cut.
        (
            &long,
            "^x+$",
            (Truth::Unknown, Some(Note::OnlyBeginningSearched)),
        ),
        (&"é".repeat(8_192), "^é+$", (Truth::True, None)),
        // Back-tracking would never come to an end.
        (
            &long,
            "^(x+x+)+y",
            (Truth::Unknown, Some(Note::OnlyBeginningSearched)),
        ),
    ] {
        assert_eq!(
            compare(Some(json!(value)), "matches", &json!(pattern)),
            expected,
            "{pattern}"
        );
    }
}

#[test]
fn numbers() {
    check_rows(
        r#"
        9 | equals | 9 | true
        "9" | equals | 9 | true
        " 9.0 " | equals | 9 | true
        9 | equals | "9" | true
        9.0 | equals | "9" | true
        "9.0" | equals | "9" | false
        0.1 | equals | "0.10" | true
        "0.1" | equals | 0.1 | true
        "nine" | equals | 9 | unknown | not a number
        "nine" | not_equals | 9 | unknown | not a number
        "" | not_equals | 9 | unknown | not a number
        true | not_equals | 1 | unknown | not a number
        [9] | equals | 9 | unknown | not a number
        8 | not_equals | 9 | true
        "9" | not_equals | 9 | false
        4 | not_equals | "closed" | true
        "2" | in | [1, 2] | true
        "gold" | in | [1, "gold"] | true
        "lead" | not_in | [1, 2] | unknown | not a number
        "lead" | not_in | [1, "gold"] | true
        6 | less_than_or_equal | 6 | true
        "6" | less_than_or_equal | 6 | true
        7 | less_than_or_equal | 6 | false
        5 | less_than | 6 | true
        6 | less_than | 6 | false
        10 | greater_than | "9" | true
        "10" | greater_than | 9 | true
        9 | greater_than | 9 | false
        9 | greater_than_or_equal | 9 | true
        8.999 | greater_than_or_equal | 9 | false
        9007199254740993 | greater_than | 9007199254740992 | true
        1e300 | greater_than | 18446744073709551615 | true
        -3 | less_than | -2.5 | true
        "N/A" | less_than | 6 | unknown | not a number
        "1,5" | less_than | 6 | unknown | not a number
        [5] | less_than | 6 | unknown | not a number
        6 | between | [1, 6] | true
        "1" | between | [1, "6"] | true
        6.01 | between | [1, 6] | false
        "x" | between | [1, 6] | unknown | not a number
        "#,
    );
}

#[test]
fn booleans() {
    check_rows(
        r#"
        true | is_true | true | true
        false | is_true | true | false
        "True" | is_true | true | true
        "yes" | is_true | true | unknown | not true or false
        1 | is_true | true | unknown | not true or false
        false | is_false | true | true
        "false " | is_false | true | true
        true | is_false | true | false
        0 | is_false | true | unknown | not true or false
        "#,
    );
}

#[test]
fn dates() {
    check_rows(
        r#"
        "2026-03-01T00:00:00+01:00" | before | "2026-03-01" | true
        "2026-03-01 00:00:00" | before | "2026-03-01" | false
        "2026-03-01" | before | "2026-03-01T00:00:01Z" | true
        "2026-03-01T10:00:00Z" | after | "2026-03-01" | true
        "2026-03-01" | after | "2026-03-01" | false
        "soon" | after | "2026-03-01" | unknown | not a date
        1772000000 | after | "2026-03-01" | unknown | not a date
        "2026-03-05" | between | ["2026-03-01", "2026-03-05"] | true
        "2026-03-05T00:00:01" | between | ["2026-03-01", "2026-03-05"] | false
        5 | between | ["2026-03-01", "2026-03-05"] | unknown | not a date
        "2026-03-03T12:00:00Z" | within_last | "7 days" | true
        "2026-03-03T11:59:59Z" | within_last | "7 days" | false
        "2026-03-10T12:00:00Z" | within_last | "7 days" | true
        "2026-03-10T12:00:01Z" | within_last | "7 days" | false
        "2026-02-10 12:00:00" | within_last | "1 month" | true
        "2026-03-10T14:30:00Z" | within_next | "2h 30m" | true
        "2026-03-10T14:30:01Z" | within_next | "2h 30m" | false
        "2026-03-10T11:00:00Z" | within_next | "1 day" | false
        "0001-01-01" | within_last | "15000 years" | true
        [] | within_next | "1 day" | unknown | not a date
        "2026-03-03T11:59:59Z" | more_than_ago | "7 days" | true
        "2026-03-03T12:00:00Z" | more_than_ago | "7 days" | false
        "2026-03-11" | more_than_ago | "1 hour" | false
        7 | more_than_ago | "1 hour" | unknown | not a date
        "2026-03-10T23:59:59Z" | on_day | "today" | true
        "2026-03-09T23:59:59Z" | on_day | "today" | false
        "2026-03-09T23:59:59Z" | on_day | "today Europe/Paris" | true
        "2026-03-09" | on_day | "yesterday" | true
        "soon" | on_day | "today" | unknown | not a date
        20260310 | on_day | "today" | unknown | not a date
        "#,
    );
}

#[test]
fn choices() {
    check_rows(
        r#"
        4 | selected | 4 | true
        4 | selected | "4" | true
        "4" | selected | 4 | true
        4.0 | selected | "4" | true
        ["1", "4"] | selected | 4 | true
        [1, 4] | selected | "4" | true
        ["1", "14"] | selected | 4 | false
        [] | selected | 4 | false
        "x1" | selected | "x1" | true
        {"4": true} | selected | 4 | unknown | not a choice
        true | selected | 4 | unknown | not a choice
        4 | not_selected | "4" | false
        ["1"] | not_selected | 4 | true
        [] | not_selected | 4 | true
        {} | not_selected | 4 | unknown | not a choice
        "#,
    );
}

#[test]
fn lists() {
    check_rows(
        r#"
        [1, 2] | count_equals | 2 | true
        [] | count_equals | 0 | true
        [1, 2] | count_greater_than | 1 | true
        [1, 2] | count_greater_than | 2 | false
        [1] | count_less_than | 2 | true
        [1, 2] | count_less_than | 2 | false
        [1, 2] | count_not_equals | 2 | false
        [1] | count_not_equals | 2 | true
        [1, 2] | count_greater_than_or_equal | 2 | true
        [1] | count_greater_than_or_equal | 2 | false
        [1, 2] | count_less_than_or_equal | 2 | true
        [1, 2, 3] | count_less_than_or_equal | 2 | false
        "ab" | count_equals | 1 | true
        4 | count_equals | 1 | true
        true | count_greater_than | 0 | true
        " " | count_equals | 0 | true
        {"a": 1} | count_equals | 1 | unknown | not a list
        ["Late", "rude"] | any_of | ["late", "slow"] | true
        ["fast"] | any_of | ["late", "slow"] | false
        ["2"] | any_of | [1, 2] | true
        [2] | any_of | ["2"] | true
        2 | any_of | [1, 2] | true
        ["late", "SLOW", "x"] | all_of | ["late", "slow"] | true
        ["late"] | all_of | ["late", "slow"] | false
        [] | all_of | ["late"] | false
        ["fast"] | none_of | ["late", "slow"] | true
        [] | none_of | ["late"] | true
        ["Late"] | none_of | ["late", "slow"] | false
        [{"a": 1}, null, ["late"]] | none_of | ["late"] | true
        {"late": 1} | none_of | ["late"] | unknown | not a list
        "#,
    );
}

#[test]
fn groups() {
    let yes = json!({"field": "x", "equals": 1});
    let no = json!({"field": "x", "equals": 2});
    for (condition, expected) in [
        (json!({"all": []}), true),
        (json!({"any": []}), false),
        (json!({"none": []}), true),
        (json!({"all": [yes, yes]}), true),
        (json!({"all": [yes, no]}), false),
        (json!({"any": [no, yes]}), true),
        (json!({"any": [no, no]}), false),
        (json!({"none": [no, no]}), true),
        (json!({"none": [no, yes]}), false),
        (json!({"all": [yes, {"any": [no, {"none": [no]}]}]}), true),
    ] {
        let parsed = Condition::parse(&condition).unwrap();
        assert_eq!(
            parsed.evaluate(&json!({"x": 1}), now()).holds,
            expected,
            "{condition}"
        );
    }
    assert!(Condition::default().evaluate(&Value::Null, now()).holds);
    assert_eq!(
        serde_json::to_value(Condition::always()).unwrap(),
        json!({"all": []})
    );
}

#[test]
fn trace_explains_every_comparison() {
    let condition: Condition = serde_json::from_value(json!({"all": [
        {"field": "data.score", "less_than_or_equal": 6},
        {"any": [
            {"field": "data.tier", "equals": "gold"},
            {"field": "data.comment", "matches": "^refund"},
            {"field": "data.region", "in": ["EU", 4]},
            {"none": []}
        ]}
    ]}))
    .unwrap();
    let root = json!({"data": {"score": 9, "tier": "Gold", "region": {"a": 1}}});
    let evaluation = condition.evaluate(&root, now());
    assert_eq!(
        evaluation.trace.to_string(),
        "✗ all\n\
         \x20 ✗ data.score less_than_or_equal 6 (seen 9)\n\
         \x20 ✓ any\n\
         \x20   ✓ data.tier equals \"gold\" (seen \"Gold\")\n\
         \x20   ? data.comment matches \"^refund\" (no value)\n\
         \x20   ? data.region in [\"EU\",4] (seen {\"a\":1}: not a number)\n\
         \x20   ✓ none of nothing"
    );
    let json = serde_json::to_value(&evaluation.trace).unwrap();
    assert_eq!(
        json["members"][1]["members"][1],
        json!({
            "kind": "comparison", "field": "data.comment", "operator": "matches",
            "expected": "^refund", "holds": "unknown", "note": "no value"
        })
    );
    assert_eq!(json["kind"], "all");
    assert_eq!(
        serde_json::from_value::<Trace>(json).unwrap(),
        evaluation.trace
    );
}

#[test]
fn trace_shortens_what_was_seen() {
    let seen = |value: Value| {
        let condition = Condition::parse(&json!({"field": "x", "is_empty": true})).unwrap();
        let Trace::Comparison { seen, .. } = condition.evaluate(&json!({"x": value}), now()).trace
        else {
            panic!("not a comparison");
        };
        seen.unwrap()
    };
    assert_eq!(seen(json!("é".repeat(200))), json!("é".repeat(200)));
    assert_eq!(
        seen(json!("é".repeat(201))),
        json!(format!("{}…", "é".repeat(200)))
    );
    assert_eq!(seen(json!([1, "a"])), json!([1, "a"]));
    assert_eq!(
        seen(json!({"é": "é".repeat(192)})),
        json!({"é": "é".repeat(192)})
    );
    let long = seen(json!(vec!["é"; 60_000]));
    let text = long.as_str().unwrap();
    assert!(
        text.starts_with("[\"é\",\"é\"") && text.ends_with('…'),
        "{text}"
    );
    assert_eq!(text.chars().count(), 201);
}

#[test]
fn wrong_conditions_are_refused() {
    let field = |operator: &str, operand: Value| json!({"field": "x", operator: operand});
    let expected_object = "expected an object with `all`, `any` or `none`, with `field` and an operator, or with `expression`; found ";
    let rows = [
        (json!([]), format!("{expected_object}a list of 0")),
        (json!({}), format!("{expected_object}an empty object")),
        (json!({"all": [], "any": []}), "`all` must be the only key of its object; found also `any`".into()),
        (json!({"all": {}}), "`all`: expected a list of conditions, found an object".into()),
        (json!({"all": [{"any": [true]}]}), format!("all[0].any[0]: {expected_object}true")),
        (json!({"equals": 1}), "`field` is missing beside `equals`".into()),
        (json!({"field": "x"}), "field `x`: expected an operator such as `equals` beside it, found none".into()),
        (json!({"field": "x", "equals": 1, "contains": "a"}), "field `x`: expected one operator, found `contains` and `equals`; use `all` or `any` for several".into()),
        (json!({"field": "x", "less_then": 1}), "unknown key `less_then`; did you mean `less_than`?".into()),
        (json!({"filed": "x", "equals": 1}), "unknown key `filed`; did you mean `field`?".into()),
        (json!({"field": "x", "wobbles": 1}), "unknown key `wobbles`; expected `field` and one operator such as `equals`, or `all`, `any`, `none`".into()),
        (json!({"field": 1, "equals": 1}), "`field`: expected a path such as `data.values.QID1`, found the number 1: it is not a text".into()),
        (json!({"field": "a..b", "equals": 1}), "`field`: expected a path such as `data.values.QID1`, found \"a..b\": a segment is empty".into()),
        (field("between", json!([1])), "field `x`, operator `between`: expected a list of two numbers or two dates, the lower first, found a list of 1".into()),
        (field("between", json!([2, 1])), "field `x`, operator `between`: expected a list of two numbers or two dates, the lower first, found the number 2 and the number 1".into()),
        (field("between", json!([1, "2026-03-01"])), "field `x`, operator `between`: expected a list of two numbers or two dates, the lower first, found the number 1 and the text \"2026-03-01\"".into()),
        (field("matches", json!("a(b")), "field `x`, operator `matches`: expected a regular expression without look-around or back-references, found the text \"a(b\" (unclosed group)".into()),
        (field("matches", json!("(?=a)")), "field `x`, operator `matches`: expected a regular expression without look-around or back-references, found the text \"(?=a)\" (look-around, including look-ahead and look-behind, is not supported)".into()),
        (field("matches", json!(r"\w{900}")), "field `x`, operator `matches`: expected a regular expression without look-around or back-references, found the text \"\\\\w{900}\" (too large when compiled)".into()),
        (field("within_last", json!("7 fortnights")), "field `x`, operator `within_last`: expected a duration such as \"7 days\" or \"2h 30m\", found the text \"7 fortnights\"".into()),
        (field("within_next", json!(7)), "field `x`, operator `within_next`: expected a duration such as \"7 days\" or \"2h 30m\", found the number 7".into()),
        (field("before", json!("01/03/2026")), "field `x`, operator `before`: expected a date such as 2026-03-01 or 2026-03-01T09:30:00+01:00, found the text \"01/03/2026\"".into()),
        (field("less_than", json!("six")), "field `x`, operator `less_than`: expected a number, found the text \"six\"".into()),
        (field("less_than", json!("2026-03-01")), "field `x`, operator `less_than`: expected a number (for dates there are before, after and between), found the text \"2026-03-01\"".into()),
        (field("equals", json!(null)), "field `x`, operator `equals`: expected a text, a number, true or false (for a missing value there is is_empty), found null".into()),
        (field("equals", json!([1])), "field `x`, operator `equals`: expected a text, a number, true or false, found a list of 1".into()),
        (field("in", json!("a")), "field `x`, operator `in`: expected a list of at least one text, number or boolean, found the text \"a\"".into()),
        (field("any_of", json!([])), "field `x`, operator `any_of`: expected a list of at least one text, number or boolean, found a list of 0".into()),
        (field("all_of", json!([{}])), "field `x`, operator `all_of`: expected a list of at least one text, number or boolean, found an object in it".into()),
        (field("contains", json!(" ")), "field `x`, operator `contains`: expected a text that is not blank, found the text \" \"".into()),
        (field("is_empty", json!("yes")), "field `x`, operator `is_empty`: expected true or false, found the text \"yes\"".into()),
        (field("is_true", json!(false)), "field `x`, operator `is_true`: expected `true` (there are is_true and is_false, and `none` to negate), found false".into()),
        (field("selected", json!(1.5)), "field `x`, operator `selected`: expected a choice id, a text or a whole number, found the number 1.5".into()),
        (field("count_equals", json!(-1)), "field `x`, operator `count_equals`: expected a whole number, 0 or more, found the number -1".into()),
    ];
    for (condition, expected) in rows {
        let error = Condition::parse(&condition).unwrap_err();
        assert_eq!(error.to_string(), expected, "{condition}");
        let serde_error = serde_json::from_value::<Condition>(condition).unwrap_err();
        assert_eq!(serde_error.to_string(), expected);
    }
}

#[test]
fn limits() {
    let leaf = json!({"field": "x", "equals": 1});
    let nested = |depth: usize| (1..depth).fold(leaf.clone(), |inner, _| json!({"all": [inner]}));
    assert!(Condition::parse(&nested(MAX_DEPTH)).is_ok());
    let error = Condition::parse(&nested(MAX_DEPTH + 1)).unwrap_err();
    assert_eq!(error.problem, Problem::TooDeep);

    let many = |member: &Value, count: usize| json!({"any": vec![member; count]});
    assert!(Condition::parse(&many(&leaf, MAX_COMPARISONS)).is_ok());
    let error = Condition::parse(&many(&leaf, MAX_COMPARISONS + 1)).unwrap_err();
    assert_eq!(
        (error.at.as_str(), error.problem),
        ("any[200]", Problem::TooMany)
    );
    let error = Condition::parse(&many(&json!({"all": []}), MAX_COMPARISONS)).unwrap_err();
    assert_eq!(error.problem, Problem::TooMany);

    let pattern = json!({"field": "x", "matches": "a"});
    assert!(Condition::parse(&many(&pattern, MAX_PATTERNS)).is_ok());
    let error = Condition::parse(&many(&pattern, MAX_PATTERNS + 1)).unwrap_err();
    assert_eq!(error.problem, Problem::TooManyPatterns);

    let equals = |length: usize| json!({"field": "x", "equals": "é".repeat(length)});
    assert!(Condition::parse(&equals(MAX_OPERAND_CHARACTERS)).is_ok());
    let error = Condition::parse(&equals(MAX_OPERAND_CHARACTERS + 1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "field `x`, operator `equals`: expected text of at most 1000 characters, found a longer one"
    );
    let one_of = |count: usize| json!({"field": "x", "in": vec![1; count]});
    assert!(Condition::parse(&one_of(MAX_LIST_MEMBERS)).is_ok());
    let error = Condition::parse(&one_of(MAX_LIST_MEMBERS + 1)).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("a list of at most 200, found a list of 201")
    );
}

#[test]
fn operators_are_named_alike_everywhere() {
    for operator in Operator::EVERY {
        assert_eq!(
            serde_json::to_value(operator).unwrap(),
            json!(operator.name())
        );
        assert_eq!(Operator::from_name(operator.name()), Some(operator));
    }
}

#[test]
fn schema_knows_every_operator() {
    let schema = schemars::schema_for!(Condition).to_value();
    let comparison = &schema["oneOf"][3];
    for operator in Operator::EVERY {
        assert!(
            comparison["properties"][operator.name()].is_object(),
            "{operator}"
        );
    }
    assert_eq!(comparison["additionalProperties"], json!(false));
    assert_eq!(
        schema["oneOf"][0]["properties"]["all"]["items"],
        json!({"$ref": "#"})
    );
}

#[test]
fn schema_has_a_form_for_every_condition() {
    let schema = schemars::schema_for!(Condition).to_value();
    let forms = schema["oneOf"].as_array().unwrap();
    assert_eq!(forms.len(), 6);
    for form in forms {
        assert_eq!(form["additionalProperties"], json!(false));
    }
    for quantifier in Quantifier::EVERY {
        let nested = &forms[4]["properties"][quantifier.name()];
        assert_eq!(nested, &json!({"$ref": "#"}), "{quantifier}");
        assert_eq!(
            serde_json::to_value(quantifier).unwrap(),
            json!(quantifier.name())
        );
        assert_eq!(Quantifier::from_name(quantifier.name()), Some(quantifier));
    }
    assert_eq!(forms[5]["required"], json!(["expression"]));
    assert_eq!(
        forms[5]["properties"]["expression"]["maxLength"],
        json!(1_000)
    );
}

#[test]
fn locators_name_fields() {
    let event = json!({"data": {
        "values": {"QID1": 9, "QID2": ["2", "4"], "plan": "gold", "userLanguage": "FR"},
        "displayedValues": {"QID2": ["1", "2", "3", "4"]}
    }});
    for (condition, expected) in [
        (json!({"field": "q://QID1", "greater_than": 8}), Truth::True),
        (json!({"field": "q://QID2", "selected": 4}), Truth::True),
        (json!({"field": "q://QID2", "selected": 3}), Truth::False),
        (json!({"field": "q://QID2", "displayed": 3}), Truth::True),
        (
            json!({"field": "q://QID2", "not_displayed": 5}),
            Truth::True,
        ),
        (
            json!({"field": "q://QID2/SelectedChoicesCount", "equals": 2}),
            Truth::True,
        ),
        (json!({"field": "q://QID2", "count_equals": 2}), Truth::True),
        (json!({"field": "q://QID1", "count_equals": 1}), Truth::True),
        (
            json!({"field": "q://QID2/SelectableChoice/2", "is_true": true}),
            Truth::True,
        ),
        (
            json!({"field": "e://Field/plan", "in": ["gold", "platinum"]}),
            Truth::True,
        ),
        (
            json!({"field": "${e://Field/plan}", "equals": "gold"}),
            Truth::True,
        ),
        (
            json!({"field": "m://Language", "equals": "fr"}),
            Truth::True,
        ),
        (
            json!({"field": "q://QID9", "greater_than": 8}),
            Truth::Unknown,
        ),
        (json!({"field": "q://QID9", "not_selected": 8}), Truth::True),
        (
            json!({"field": "q://QID2", "any_member": {"field": "@", "equals": "2"}}),
            Truth::True,
        ),
    ] {
        assert_eq!(truth(&condition, &event), expected, "{condition}");
        let parsed = Condition::parse(&condition).unwrap();
        assert_eq!(serde_json::to_value(parsed).unwrap(), condition);
    }
    for (field, reason) in [
        ("q://", "is not complete"),
        ("q://QID1/Everything", "asks for `Everything` of an answer"),
        (
            "date://CurrentDate/c",
            "an event has no value for this locator",
        ),
    ] {
        let error = Condition::parse(&json!({"field": field, "equals": 1})).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
    let error = Condition::parse(&json!({"field": "data.plan", "displayed": 1})).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("displayed choices are those of a question"),
        "{error}"
    );
}

#[test]
fn stored_traces_are_still_read() {
    let stored = json!({"kind": "all", "holds": false, "members": [
        {"kind": "comparison", "field": "a", "operator": "equals", "expected": 1, "seen": 1, "holds": true},
        {"kind": "comparison", "field": "b", "operator": "less_than", "expected": 1, "holds": false,
         "note": "no value"}
    ]});
    let trace: Trace = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(serde_json::to_value(&trace).unwrap(), stored);
    assert_eq!(
        trace.to_string(),
        "✗ all\n  ✓ a equals 1 (seen 1)\n  ✗ b less_than 1 (no value)"
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0..9_i64).prop_map(Value::from),
        // Quarters, which every way of reading JSON reads exactly.
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 4.0)),
        "[ -~ßé…]{0,12}".prop_map(Value::from),
        "[0-9]{1,3}".prop_map(Value::from),
        "202[0-9]-0[0-9]-0[0-9](T0[0-9]:00:00Z)?".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[ab]", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_comparison() -> impl Strategy<Value = Value> {
    let field = prop_oneof![
        Just("a".to_owned()),
        Just("b".to_owned()),
        Just("a.b".to_owned()),
        Just("a[0]".to_owned()),
        Just("/b/0/a".to_owned()),
    ];
    (field, 0..Operator::EVERY.len(), any_json(), 0..5_i64).prop_map(
        |(field, operator, operand, number)| {
            let operator = Operator::EVERY[operator];
            let name = operator.name();
            let displayed = matches!(operator, Operator::Displayed | Operator::NotDisplayed);
            let field = if displayed {
                format!(
                    "a.values.{}",
                    field.trim_start_matches('/').chars().next().unwrap_or('a')
                )
            } else {
                field
            };
            let drawn = json!({"field": field, name: operand});
            if Condition::parse(&drawn).is_ok() {
                return drawn;
            }
            let fitting = [
                json!(true),
                json!(number),
                json!([number, number + 3]),
                json!("2026-03-01"),
                json!("3 days"),
                json!("a"),
            ]
            .into_iter()
            .map(|operand| json!({"field": field, name: operand}))
            .find(|comparison| Condition::parse(comparison).is_ok());
            fitting.unwrap()
        },
    )
}

fn any_condition() -> impl Strategy<Value = Value> {
    any_comparison().prop_recursive(4, 30, 5, |inner| {
        (
            prop::sample::select(vec!["all", "any", "none"]),
            prop::collection::vec(inner, 0..5),
        )
            .prop_map(|(group, members)| json!({group: members}))
    })
}

fn any_event() -> impl Strategy<Value = Value> {
    (any_json(), any_json()).prop_map(|(a, b)| json!({"a": a, "b": b}))
}

fn truth(condition: &Value, event: &Value) -> Truth {
    let evaluation = Condition::parse(condition)
        .unwrap_or_else(|error| panic!("{condition}: {error}"))
        .evaluate(event, now());
    assert_eq!(evaluation.holds, evaluation.trace.truth() == Truth::True);
    evaluation.trace.truth()
}

fn reversed(condition: &Value) -> Value {
    let Some(map) = condition.as_object() else {
        return condition.clone();
    };
    let turned = map.iter().map(|(key, value)| match value {
        Value::Array(members) if matches!(key.as_str(), "all" | "any" | "none") => {
            (key.clone(), members.iter().rev().map(reversed).collect())
        }
        Value::Array(_)
        | Value::Object(_)
        | Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_) => (key.clone(), value.clone()),
    });
    Value::Object(turned.collect())
}

fn check_trace(trace: &Trace) -> Truth {
    let least = |members: &[Trace]| {
        let results: Vec<Truth> = members.iter().map(check_trace).collect();
        [Truth::False, Truth::Unknown, Truth::True]
            .into_iter()
            .find(|truth| results.contains(truth))
            .unwrap_or(Truth::True)
    };
    let greatest = |members: &[Trace]| {
        let results: Vec<Truth> = members.iter().map(check_trace).collect();
        [Truth::True, Truth::Unknown, Truth::False]
            .into_iter()
            .find(|truth| results.contains(truth))
            .unwrap_or(Truth::False)
    };
    let holds = match trace {
        Trace::All { members, .. } => least(members),
        Trace::Any { members, .. } => greatest(members),
        Trace::None { members, .. } => !greatest(members),
        Trace::ListMembers { members, .. } => {
            for member in members {
                check_trace(&member.trace);
            }
            trace.truth()
        }
        Trace::Comparison { holds, .. } | Trace::Expression { holds, .. } => *holds,
    };
    assert_eq!(trace.truth(), holds);
    holds
}

proptest! {
    #[test]
    fn anything_is_parsed_or_refused(source in any_json()) {
        if let Ok(condition) = Condition::parse(&source) {
            condition.evaluate(&source, now());
        }
    }

    #[test]
    fn every_event_has_a_result(condition in any_condition(), event in any_json()) {
        let evaluation = Condition::parse(&condition).unwrap().evaluate(&event, now());
        prop_assert!(!evaluation.trace.to_string().is_empty());
    }

    #[test]
    fn trace_agrees_with_result(condition in any_condition(), event in any_event()) {
        let evaluation = Condition::parse(&condition).unwrap().evaluate(&event, now());
        prop_assert_eq!(check_trace(&evaluation.trace).holds(), evaluation.holds);
    }

    #[test]
    fn order_does_not_matter(condition in any_condition(), event in any_event()) {
        prop_assert_eq!(truth(&condition, &event), truth(&reversed(&condition), &event));
    }

    #[test]
    fn none_is_not_any(members in prop::collection::vec(any_condition(), 0..4), event in any_event()) {
        prop_assert_eq!(
            truth(&json!({"none": members}), &event),
            !truth(&json!({"any": members}), &event)
        );
    }

    #[test]
    fn serialised_condition_is_the_same(source in any_condition()) {
        let condition = Condition::parse(&source).unwrap();
        let serialised = serde_json::to_value(&condition).unwrap();
        prop_assert_eq!(&serialised, &source);
        let again: Condition = serde_json::from_value(serialised).unwrap();
        prop_assert_eq!(again, condition);
    }

    #[test]
    fn trace_survives_its_json(condition in any_condition(), event in any_event()) {
        let trace = Condition::parse(&condition).unwrap().evaluate(&event, now()).trace;
        let text = serde_json::to_string(&trace).unwrap();
        let again: Trace = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(again.to_string(), trace.to_string());
    }
}
