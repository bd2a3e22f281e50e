use serde_json::json;

use super::*;
use crate::condition::{Condition, Evaluation, MAX_EXPRESSIONS, Problem};

fn now() -> Timestamp {
    "2026-03-10T12:00:00Z".parse().unwrap()
}

fn event() -> Value {
    json!({
        "time": "2026-03-01T00:00:00Z",
        "data": {
            "nps": 3,
            "score": 6.5,
            "large": 18_446_744_073_709_551_615_u64,
            "text": "Too Slow",
            "nothing": null,
            "yes": true,
            "tags": ["vip", "eu"],
            "Account tier": "gold",
            "topics": [{"name": "Price", "sentiment": -1}, {"name": "Staff", "sentiment": 2}],
            "many": vec![1; 1_000],
            "long": "x".repeat(10_000)
        }
    })
}

#[track_caller]
fn evaluate(source: &str) -> Evaluation {
    let condition = Condition::parse(&json!({"expression": source}))
        .unwrap_or_else(|error| panic!("{source}: {error}"));
    condition.evaluate(&event(), now())
}

#[track_caller]
fn note(source: &str) -> Option<Note> {
    let trace = evaluate(source).trace;
    let Trace::Expression { note, holds, .. } = trace else {
        panic!("{trace}");
    };
    assert_eq!(note.is_some(), holds == Truth::Unknown, "{source}");
    note
}

#[track_caller]
fn refusal(source: &str) -> String {
    let error = Condition::parse(&json!({"expression": source}))
        .map(|_| panic!("accepted: {source}"))
        .unwrap_err();
    let Problem::Expression { reason } = error.problem else {
        panic!("{error}");
    };
    reason
}

#[test]
fn expressions_hold_or_not() {
    for (source, expected) in [
        ("event.data.nps < 7 && 'vip' in event.data.tags", true),
        ("event.data.nps >= 7", false),
        ("event.data.nps + 1 == 4", true),
        ("event.data.nps < 3.5 && event.data.score > 6", true),
        ("event.data.large > 1", true),
        ("event.data['Account tier'] == 'gold'", true),
        ("event['data'].tags[1] == 'eu'", true),
        (
            "event.data.topics.exists(t, t.sentiment < 0 && lower(t.name) == 'price')",
            true,
        ),
        ("event.data.topics.all(t, t.sentiment < 0)", false),
        ("event.data.topics.exists_one(t, t.sentiment > 0)", true),
        (
            "event.data.topics.filter(t, t.sentiment > 0).map(t, t.name) == ['Staff']",
            true,
        ),
        (
            "event.data.topics[0].name.startsWith('Pr') && event.data.text.endsWith('Slow')",
            true,
        ),
        (
            "size(event.data.tags) == 2 && event.data.text.size() == 8",
            true,
        ),
        ("has(event.data.missing)", false),
        ("has(event.data.nps) && event.data.nps == 3", true),
        ("event.data.nothing == null", true),
        ("event.data.yes", true),
        ("!event.data.yes", false),
        ("now - date(event.time) > 7 * 86400", true),
        ("now == date('2026-03-10 12:00:00')", true),
        (
            "string(event.data.nps) == '3' && int('4') == 4 && double('0.5') < 1.0",
            true,
        ),
        (
            "event.data.nps > 5 ? event.data.missing : event.data.yes",
            true,
        ),
        ("false && event.data.missing", false),
        ("event.data.missing || true", true),
        ("event.data.exists(key, key == 'nps')", true),
        ("[1, 2].exists(event, event == 2)", true),
        ("-event.data.nps == -3 && 7 % 4 == 3 && 7 / 2 == 3", true),
        ("{'a': [1, 2]}['a'][1] == 2", true),
    ] {
        let evaluation = evaluate(source);
        assert_eq!(
            evaluation.trace.truth(),
            Truth::from(expected),
            "{source}: {}",
            evaluation.trace
        );
    }
}

#[test]
fn errors_are_unknown_and_say_their_kind() {
    for (source, expected) in [
        ("event.data.missing < 7", Note::KeyMissing),
        ("!event.data.missing", Note::KeyMissing),
        ("event.data.missing || false", Note::KeyMissing),
        ("event.data.tags[2] == 'x'", Note::IndexOutOfRange),
        ("event.data.tags[-1] == 'x'", Note::IndexOutOfRange),
        ("event.data.nps / 0 == 1", Note::DivisionByZero),
        ("event.data.nps % 0 == 1", Note::DivisionByZero),
        (
            "9223372036854775807 + event.data.nps > 0",
            Note::NumberOutOfRange,
        ),
        ("-9223372036854775808 / -1 > 0", Note::NumberOutOfRange),
        ("9223372036854775807 * 2 > 0", Note::NumberOutOfRange),
        ("event.data.text < 7", Note::DoesNotFit),
        ("event.data.nothing < 7", Note::DoesNotFit),
        ("event.data.nps.exists(x, x)", Note::DoesNotFit),
        ("lower(event.data.nps) == 'x'", Note::DoesNotFit),
        ("date(event.data.text) > 0", Note::NotADate),
        ("int(event.data.text) > 0", Note::NotConvertible),
        ("double(event.data.text) > 0.0", Note::NotConvertible),
        ("int(1e300) > 0", Note::NotConvertible),
        ("{'a': 1, 'a': 2}.size() == 1", Note::DoesNotFit),
        ("event.data.nps", Note::ResultNotABoolean),
        ("event.data.tags", Note::ResultNotABoolean),
        (
            "event.data.map(key, key)[0] == 'nps'",
            Note::KeysWithoutOrder,
        ),
        (
            "[event.data].map(d, d.filter(key, true)).size() == 1",
            Note::KeysWithoutOrder,
        ),
    ] {
        assert_eq!(note(source), Some(expected), "{source}");
    }
}

#[test]
fn trace_shows_what_was_read() {
    let trace = evaluate(
        "event.data.nps < 7 && event.data.topics[1].name == 'Price' && \
         (event.data['Account tier'] == event.data.missing || event.data.nps > 1)",
    )
    .trace;
    let json = serde_json::to_value(&trace).unwrap();
    assert_eq!(
        json["seen"],
        json!([
            {"field": "data.nps", "value": 3},
            {"field": "data.topics[1].name", "value": "Staff"},
            {"field": "data[\"Account tier\"]", "value": "gold"},
            {"field": "data.missing"}
        ])
    );
    assert_eq!(
        (&json["holds"], &json["result"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(serde_json::from_value::<Trace>(json).unwrap(), trace);
    assert_eq!(
        evaluate("event.data.nps + 1").trace.to_string(),
        "? event.data.nps + 1 (data.nps is 3, result 4, the result is not true or false)"
    );
    assert_eq!(
        evaluate("event.data.missing == 1").trace.to_string(),
        "? event.data.missing == 1 (data.missing has no value, a key is missing)"
    );
    let long = evaluate("event.data.long == 'x'").trace.to_string();
    assert!(long.chars().count() < 300 && long.contains('…'), "{long}");
    // An error's text quotes values; only its kind is told.
    let failed =
        serde_json::to_string(&evaluate("{event.data.long: 1}[event.data.text] == 1").trace);
    assert!(failed.unwrap().len() < 500);
}

#[test]
fn wrong_expressions_are_refused() {
    for (source, expected) in [
        ("", "it is empty"),
        ("event.data.nps <", "line 1, column 17: "),
        ("event.data.nps\n  && && true", "line 2, column 6: "),
        (
            "data.nps < 7",
            "character 1: unknown variable `data`; known are `event` and `now`",
        ),
        (
            "event.data.nps < limit",
            "character 18: unknown variable `limit`",
        ),
        (".event.data == 1", "unknown variable `.event`"),
        (
            "[1].exists(x, x == 1) && x == 1",
            "character 26: unknown variable `x`",
        ),
        (
            "event.type.matches('a')",
            "unknown function `matches` of 1 arguments",
        ),
        (
            "timestamp('2026-03-01') < 1",
            "unknown function `timestamp`",
        ),
        ("size(1, 2) == 1", "unknown function `size` of 2 arguments"),
        ("type(event) == map", "unknown function `type`"),
        ("int == int", "unknown variable `int`"),
        (
            "event.data.nps == b'x'",
            "raw texts and bytes are not supported",
        ),
        ("Event{a: 1} == 1", "messages are not supported"),
        ("event.?data == 1", "unsupported syntax"),
        (
            "event.type == 'unclosed",
            "character 15: a text is not closed",
        ),
        ("event.data.exists(1, true)", "line 1, column"),
        ("has(event)", "invalid argument to has() macro"),
        ("999999999999999999999 == 1", "line 1, column"),
    ] {
        let reason = refusal(source);
        assert!(reason.contains(expected), "{source}: {reason}");
        assert!(reason.chars().count() < 500, "{reason}");
    }
    let many = vec![json!({"expression": "true"}); MAX_EXPRESSIONS + 1];
    let error = Condition::parse(&json!({"all": many})).unwrap_err();
    assert_eq!(error.problem, Problem::TooManyExpressions);
    for (source, expected) in [
        (
            json!({"expression": 1}),
            "`expression`: expected text, found the number 1",
        ),
        (
            json!({"expression": "true", "field": "x"}),
            "`expression` must be the only key of its object; found also `field`",
        ),
    ] {
        assert_eq!(Condition::parse(&source).unwrap_err().to_string(), expected);
    }
}

/// Each would nest deeply in the parser, in the tree, or in what is evaluated.
#[test]
fn bombs_are_refused_before_they_are_parsed_or_evaluated() {
    let repeated = |one: &str, count: usize| one.repeat(count);
    for (source, expected) in [
        (
            repeated("(", 17) + "1" + &repeated(")", 17),
            "deeper than 16 levels",
        ),
        (repeated("[", 400), "deeper than 16 levels"),
        (repeated("{1:", 300), "deeper than 16 levels"),
        (repeated("(1)+", 61) + "1 > 0", "more than 60 brackets"),
        (repeated("(](", 20), "closes nothing"),
        (repeated("'\n(", 40), "a text is not closed"),
        (repeated("r'\\'(", 40), "raw texts"),
        (repeated("'\\q(", 40), "after `\\`"),
        (repeated("\"\"\"(", 40), "three quotes"),
        (repeated("//'\n(", 40), "comments"),
        (repeated("(", 16) + "true", "is not closed"),
        (repeated("#'('", 100), ""),
        (
            repeated("true?", 16) + "true" + &repeated(":true", 16),
            "more than 15 conditionals",
        ),
        (repeated("1+", 501), "longer than 1000 characters"),
        (repeated("x", 1_001), "longer than 1000 characters"),
        (repeated("1+", 100) + "1 > 0", "deeper than 24 levels"),
        (repeated("1+", 480) + "1 > 0", "deeper than 24 levels"),
        (
            format!("event{}", repeated(".a", 400)),
            "deeper than 24 levels",
        ),
        (
            format!("[{}1].size() > 0", repeated("1,", 440)),
            "more than 400 parts",
        ),
        (repeated("true&&", 160) + "true", ""),
        (repeated("(", 16) + "true" + &repeated(")", 16), ""),
        (repeated("[1].all(x,", 16) + "true" + &repeated(")", 16), ""),
        (repeated("1?(", 15) + &repeated("):1", 15), ""),
        (repeated("!", 900) + "true", ""),
        (repeated("-", 900) + "1 > 0", ""),
        (repeated("[", 16) + &repeated("]", 16), ""),
        (repeated("true?true:", 15) + "true", ""),
        (repeated("'", 999), ""),
        (repeated("\\", 999), ""),
        (repeated("&|", 499), ""),
        (repeated("((((((((((a.", 5) + &repeated("1 ", 400), ""),
        (repeated("`", 999), ""),
    ] {
        let parsed = Condition::parse(&json!({"expression": source}));
        match parsed {
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains(expected), "{text}");
                assert!(text.chars().count() < 600, "{text}");
            }
            Ok(condition) => {
                assert_eq!(expected, "", "accepted: {source}");
                condition.evaluate(&event(), now());
            }
        }
    }
}

#[test]
fn work_and_memory_are_bounded_before_evaluation() {
    let loops = |depth: usize| {
        (0..depth).fold("true".to_owned(), |inner, level| {
            format!("event.data.many.all(v{level}, {inner})")
        })
    };
    let doubled = (0..8).fold("[event.data.long]".to_owned(), |inner, _| {
        format!("{inner}.map(x, x + x)")
    });
    let nested = (0..8).fold("[event.data.many]".to_owned(), |inner, _| {
        format!("{inner}.map(x, [x, x])")
    });
    let appended = (0..3).fold("['a']".to_owned(), |inner, _| {
        format!("{inner}.map(x, string(x) + event.data.long)")
    });
    for source in [
        loops(2),
        loops(4),
        format!("{doubled}[0].size() > 0"),
        format!("{nested}.size() > 0"),
        "event.data.many.map(a, event.data.long + event.data.long).size() > 0".to_owned(),
        "event.data.many.map(a, event.data.many).size() > 0".to_owned(),
        "event.data.many.map(a, {'a': event.data.many}).size() > 0".to_owned(),
        "event.data.many.exists(a, event.data.long.contains('y'))".to_owned(),
        "event.data.many.exists(a, event == event.data)".to_owned(),
        "event.data.many.filter(a, a in event.data.many).size() > 0".to_owned(),
    ] {
        assert_eq!(note(&source), Some(Note::TooCostly), "{source}");
    }
    // What stays small is evaluated.
    assert_eq!(note(&format!("{appended}.size() > 0")), None);
    assert_eq!(note(&loops(1)), None);
    assert_eq!(
        note("event.data.many.filter(a, a == 1).size() == 1000"),
        None
    );
    assert_eq!(
        note("event.data.topics.exists(t, event.data.topics.exists(u, u.name == t.name))"),
        None
    );
}

/// In half of what a thread is usually given.
#[test]
fn deepest_expressions_fit_the_stack() {
    let sum = "1+".repeat(22) + "1 > 0";
    let loops = (0..5).fold("true".to_owned(), |inner, level| {
        format!("[1].all(v{level}, {inner})")
    });
    let deepest = [sum, loops].map(|source| Expression::parse(&source).unwrap());
    assert!(Expression::parse(&("1+".repeat(23) + "1 > 0")).is_err());
    let evaluated = std::thread::Builder::new()
        .stack_size(1024 * 1024)
        .spawn(move || {
            deepest.map(|expression| {
                let event = json!({});
                expression
                    .evaluate(&PreparedEvent::of(&event, now()))
                    .truth()
            })
        })
        .unwrap()
        .join()
        .unwrap();
    assert_eq!(evaluated, [Truth::True, Truth::True]);
}

#[test]
fn cost_grows_with_the_event() {
    let condition = json!({"expression": "event.x.all(a, event.x.all(b, a == b))"});
    let condition = Condition::parse(&condition).unwrap();
    for (members, expected) in [(20, Truth::True), (1_000, Truth::Unknown)] {
        let event = json!({"x": vec![1; members]});
        assert_eq!(condition.evaluate(&event, now()).trace.truth(), expected);
    }
}

/// The bound is above what the library really does: each evaluation of a macro's condition counts one.
#[test]
fn bound_covers_every_round() {
    let tree = |source: &str| syntax::parse(source).unwrap().0;
    let event = json!({"x": [[1, 2, 3], [4], []], "y": {"a": [1, 2]}});
    let weights = Weights::of(&event);
    for (source, rounds) in [
        ("event.x.all(a, true)", 3),
        ("event.x.all(a, a.all(b, true))", 3 * 3),
        ("event.y.all(k, true)", 1),
        ("event.x.map(a, a.size()).all(n, n < 4)", 3 + 3),
        ("[event.x, event.x].all(l, l.all(a, true))", 2 + 2 * 3),
    ] {
        let steps = cost::steps(&tree(source), &event, &weights).unwrap();
        assert!(steps > 4 * rounds, "{source}: {steps}");
    }
}

#[test]
fn result_is_the_same_each_time() {
    let source = "event.data.topics.map(t, t.name + string(t.sentiment))[0] == 'Price-1'";
    for _ in 0..20 {
        assert!(evaluate(source).holds);
    }
    let json = json!({"expression": source});
    let condition = Condition::parse(&json).unwrap();
    assert_eq!(serde_json::to_value(&condition).unwrap(), json);
    assert_eq!(condition.clone(), condition);
}

mod random {
    use proptest::prelude::*;

    use super::*;

    fn expression() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec![
            "event",
            "event.a",
            "event.b",
            "event.a.b",
            "event.a[0]",
            "now",
            "1",
            "-2",
            "0",
            "1.5",
            "'a'",
            "''",
            "true",
            "null",
            "x",
            "[]",
            "{}",
            "9223372036854775807",
        ])
        .prop_map(str::to_owned);
        leaf.prop_recursive(4, 24, 3, |inner| {
            let pair = (inner.clone(), inner.clone());
            prop_oneof![
                (
                    pair.clone(),
                    prop::sample::select(vec![
                        "+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||", "in"
                    ])
                )
                    .prop_map(|((left, right), operator)| format!("({left} {operator} {right})")),
                (
                    pair.clone(),
                    prop::sample::select(vec!["all", "exists", "exists_one", "map", "filter"])
                )
                    .prop_map(|((list, body), name)| format!("({list}).{name}(x, {body})")),
                (
                    inner.clone(),
                    prop::sample::select(vec![
                        "size", "int", "double", "string", "bool", "date", "lower", "!", "-"
                    ])
                )
                    .prop_map(|(inner, name)| format!("{name}({inner})")),
                pair.clone()
                    .prop_map(|(list, index)| format!("({list})[{index}]")),
                pair.clone()
                    .prop_map(|(text, part)| format!("({text}).contains({part})")),
                pair.clone()
                    .prop_map(|(left, right)| format!("[{left}, {right}]")),
                pair.clone()
                    .prop_map(|(left, right)| format!("{{'k': {left}, 1: {right}}}")),
                (pair, inner)
                    .prop_map(|((one, other), test)| format!("({test} ? {one} : {other})")),
            ]
        })
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ab]", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// `x` is unknown outside of macros, so that some are refused.
        #[test]
        fn any_expression_is_refused_or_has_a_result(
            source in expression(),
            a in any_json(),
            b in any_json(),
        ) {
            let event = json!({"a": a, "b": b});
            if let Ok(expression) = Expression::parse(&source) {
                let prepared = PreparedEvent::of(&event, now());
                // Whatever is evaluated ends without a panic, which would be this note.
                if let Trace::Expression { note, holds, .. } = expression.evaluate(&prepared) {
                    prop_assert_ne!(note, Some(Note::ExpressionFailed), "{}", source);
                    prop_assert_eq!(note.is_some(), holds == Truth::Unknown);
                }
            }
        }

        #[test]
        fn any_text_is_refused_or_has_a_result(source in "[ -~\\n]{0,60}|[a-z.()\\[\\]{}!?:&|'\"+0-9 ]{0,80}") {
            if let Ok(expression) = Expression::parse(&source) {
                expression.evaluate(&PreparedEvent::of(&json!({}), now()));
            }
        }
    }
}
