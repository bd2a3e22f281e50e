//! Conditions on the members of a list.

use super::*;

fn topics() -> Value {
    json!({"data": {"topics": [
        {"name": "Speed", "sentiment": 1},
        {"name": "Price", "sentiment": -2},
        {"name": "Staff"}
    ]}})
}

#[test]
fn members_are_compared_together() {
    let about = |name: &str, quantifier: &str, sentiment: i64| {
        truth(
            &json!({"field": "data.topics", quantifier: {"all": [
                {"field": "name", "equals": name},
                {"field": "sentiment", "less_than": sentiment}
            ]}}),
            &topics(),
        )
    };
    for (name, quantifier, sentiment, expected) in [
        ("price", "any_member", 0, Truth::True),
        ("speed", "any_member", 0, Truth::False),
        ("staff", "any_member", 0, Truth::Unknown),
        ("price", "no_member", 0, Truth::False),
        ("speed", "no_member", 0, Truth::True),
        ("staff", "no_member", 0, Truth::Unknown),
        ("price", "all_members", 0, Truth::False),
    ] {
        assert_eq!(
            about(name, quantifier, sentiment),
            expected,
            "{name} {quantifier}"
        );
    }
}

#[test]
fn lists_that_are_none_have_results() {
    let late = json!({"field": "@", "equals": "late"});
    for (list, any, all) in [
        (json!({}), Truth::Unknown, Truth::Unknown),
        (json!({"x": null}), Truth::Unknown, Truth::Unknown),
        (json!({"x": []}), Truth::False, Truth::True),
        (json!({"x": "Late"}), Truth::True, Truth::True),
        (json!({"x": "early"}), Truth::False, Truth::False),
        (json!({"x": ["late", "early"]}), Truth::True, Truth::False),
        (
            json!({"x": ["late", ["late"]]}),
            Truth::True,
            Truth::Unknown,
        ),
        (json!({"x": [null]}), Truth::False, Truth::False),
        (json!({"x": {"a": 1}}), Truth::Unknown, Truth::Unknown),
    ] {
        for (quantifier, expected) in [
            ("any_member", any),
            ("all_members", all),
            ("no_member", !any),
        ] {
            assert_eq!(
                truth(&json!({"field": "x", quantifier: late}), &list),
                expected,
                "{quantifier} {list}"
            );
        }
    }
}

#[test]
fn trace_shows_the_members_that_explain() {
    let condition = |quantifier: &str, name: &str| {
        json!({"field": "data.topics", quantifier: {"all": [
            {"field": "name", "equals": name},
            {"field": "sentiment", "less_than": 0}
        ]}})
    };
    let shown = |condition: Value, event: Value| {
        let trace = Condition::parse(&condition)
            .unwrap()
            .evaluate(&event, now())
            .trace;
        let json = serde_json::to_value(&trace).unwrap();
        assert_eq!(serde_json::from_value::<Trace>(json).unwrap(), trace);
        trace.to_string()
    };
    assert_eq!(
        shown(condition("any_member", "Price"), topics()),
        "✓ data.topics any_member (1 of 3 shown)\n\
         \x20 ✓ [1] all\n\
         \x20   ✓ name equals \"Price\" (seen \"Price\")\n\
         \x20   ✓ sentiment less_than 0 (seen -2)"
    );
    assert_eq!(
        shown(condition("no_member", "Staff"), topics()),
        "? data.topics no_member (1 of 3 shown)\n\
         \x20 ? [2] all\n\
         \x20   ✓ name equals \"Staff\" (seen \"Staff\")\n\
         \x20   ? sentiment less_than 0 (no value)"
    );
    assert_eq!(
        shown(json!({"field": "x", "any_member": {"all": []}}), json!({})),
        "? x any_member (no value)"
    );
    let many = json!({"field": "x", "any_member": {"field": "@", "equals": 1}});
    let trace = shown(many, json!({"x": vec![0; 40]}));
    assert_eq!(trace.lines().count(), 6);
    assert!(
        trace.starts_with("✗ x any_member (5 of 40 shown)\n"),
        "{trace}"
    );
}

#[test]
fn long_lists_are_looked_at_in_part() {
    let mut list = vec![json!(0); 2_000];
    list[1_500] = json!(1);
    let condition = |quantifier: &str, operand: i64| {
        let source = json!({"field": "x", quantifier: {"field": "@", "equals": operand}});
        Condition::parse(&source).unwrap()
    };
    let note_of = |trace: &Trace| {
        let Trace::ListMembers { note, count, .. } = trace else {
            panic!("{trace}");
        };
        (*note, *count)
    };
    let event = json!({"x": list});
    let beyond = condition("any_member", 1).evaluate(&event, now()).trace;
    assert_eq!(beyond.truth(), Truth::Unknown);
    assert_eq!(note_of(&beyond), (Some(Note::OnlyFirstMembers), 2_000));
    let none = condition("no_member", 1).evaluate(&event, now()).trace;
    assert_eq!(none.truth(), Truth::Unknown);
    // What the first members decide is decided.
    let found = condition("any_member", 0).evaluate(&event, now()).trace;
    assert_eq!((found.truth(), note_of(&found).0), (Truth::True, None));
    let all = condition("all_members", 1).evaluate(&event, now()).trace;
    assert_eq!(all.truth(), Truth::False);
    let exactly = json!({"x": vec![0; MAX_LOOKED_AT_MEMBERS]});
    assert_eq!(
        condition("any_member", 1)
            .evaluate(&exactly, now())
            .trace
            .truth(),
        Truth::False
    );
}

#[test]
fn work_on_members_is_bounded() {
    // 1,000 × 1,000 × 1,000 comparisons, were they all made.
    let inner = json!({"field": "@", "equals": 1});
    let cube = json!({"field": "x", "any_member":
        {"field": "@", "any_member": {"field": "@", "any_member": inner}}});
    let row = vec![json!(0); 1_000];
    let square = vec![json!(row); 20];
    let event = json!({"x": vec![json!(square); 20]});
    let steps = |condition: &Value| {
        let parsed = Condition::parse(condition).unwrap();
        let allowance = Allowance::share(parsed.lists);
        let prepared = PreparedEvent::of(&event, now());
        let trace = parsed.node.evaluate(&Scene {
            root: &event,
            now: now(),
            lists: parsed.lists,
            allowance: Some(&allowance),
            event: &prepared,
        });
        (trace.truth(), allowance)
    };
    let (truth_of_cube, allowance) = steps(&cube);
    assert_eq!(truth_of_cube, Truth::Unknown);
    // It stops at the first comparison beyond, so that no more were made than it allows.
    assert!(!allowance.spend(1));
    assert_eq!(truth(&cube, &event), Truth::Unknown);
    let trace = Condition::parse(&cube)
        .unwrap()
        .evaluate(&event, now())
        .trace;
    assert!(trace.to_string().contains("too much work"), "{trace}");

    // Two lists have half of it each: the result of one does not depend on the other, nor on the order.
    let small = json!({"field": "x", "all_members": {"field": "@", "is_not_empty": true}});
    for (group, expected) in [("any", Truth::True), ("all", Truth::Unknown)] {
        for members in [[&cube, &small], [&small, &cube]] {
            assert_eq!(truth(&json!({group: members}), &event), expected);
        }
    }
}

#[test]
fn long_texts_take_more_steps() {
    let text = "x".repeat(20_000);
    let event = json!({"x": vec![json!(text); 600]});
    let matching = json!({"field": "x", "any_member": {"field": "@", "matches": "^y"}});
    assert_eq!(truth(&matching, &event), Truth::Unknown);
    let trace = Condition::parse(&matching)
        .unwrap()
        .evaluate(&event, now())
        .trace;
    assert!(
        trace.to_string().contains(&Note::TooMuchWork.to_string()),
        "{trace}"
    );
    let counting = json!({"field": "x", "any_member": {"field": "@", "is_empty": true}});
    assert_eq!(truth(&counting, &event), Truth::False);
}

#[test]
fn wrong_conditions_on_members_are_refused() {
    let any = |condition: Value| json!({"field": "x", "any_member": condition});
    let leaf = json!({"field": "@", "equals": 1});
    for (condition, expected) in [
        (
            json!({"any_member": leaf}),
            "`field` is missing beside `any_member`",
        ),
        (
            json!({"field": "x", "any_member": leaf, "equals": 1}),
            "field `x`: expected one operator, found `any_member` and `equals`; use `all` or `any` for several",
        ),
        (
            any(json!({"all": [{"field": "a", "smaller": 1}]})),
            "any_member.all[0]: unknown key `smaller`; expected `field` and one operator such as `equals`, or `all`, `any`, `none`",
        ),
        (
            any(json!([])),
            "any_member: expected an object with `all`, `any` or `none`, with `field` and an operator, or with `expression`; found a list of 0",
        ),
        (
            leaf.clone(),
            "`field`: expected a path such as `data.values.QID1`, found \"@\": `@` is the member in any_member, all_members and no_member",
        ),
        (
            any(json!({"field": "q://QID1", "equals": 1})),
            "any_member: `field`: expected a path such as `data.values.QID1`, found \"q://QID1\": a locator is of the event, and fields here are of a member",
        ),
        (
            any(any(any(any(leaf.clone())))),
            "any_member.any_member.any_member: conditions on members nest deeper than 3 levels",
        ),
        (
            any(json!({"expression": "true"})),
            "any_member: an expression is about the event and cannot stand in a condition on members; it has `exists` and `all` of its own",
        ),
        (
            json!({"field": "x", "any_members": leaf}),
            "unknown key `any_members`; did you mean `any_member`?",
        ),
    ] {
        let error = Condition::parse(&condition).unwrap_err();
        assert_eq!(error.to_string(), expected, "{condition}");
    }
    assert!(Condition::parse(&any(any(any(leaf)))).is_ok());
}
