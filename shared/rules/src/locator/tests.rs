use proptest::prelude::*;
use serde_json::json;

use super::*;

fn fetched() -> Value {
    json!({
        "type": "qualtrics.response.completed",
        "subject": "SV_1",
        "data": {
            "surveyId": "SV_1",
            "responseId": "R_1",
            "values": {
                "QID1": 9, "QID1_NPS_GROUP": 3,
                "QID2": ["2", "6"], "QID2_6_TEXT": "my <other>",
                "QID3_TEXT": "Too slow", "QID4_1": 5, "QID4_2": ["1", "3"],
                "QID6": 2, "QID7_1": "12", "QID8_1_TEXT": "only",
                "startDate": "2024-05-02T09:00:11Z", "_recordId": "R_1", "userLanguage": "FR",
                "recipientEmail": "a@example.com", "recipientFirstName": "Ada",
                "externalDataReference": "C-77", "ipAddress": "203.0.113.9",
                "plan": "gold", "Account tier": "A", "Twin": 1, "twin": 2, "void": null,
                "SC_1": 7.5, "SC_1_WeightedMean": 3, "locationLatitude": "48.85"
            },
            "labels": {
                "QID1_NPS_GROUP": "Promoter", "QID2": ["<b>Price</b> &amp; fees", "Other"],
                "QID4_1": "Very good", "QID4_2": ["Yes", "No"]
            },
            "displayedValues": {"QID2": ["1", "2", "6", "10"]},
            "questions": {
                "QID2": {
                    "text": "<p>What matters?</p>", "name": "Q2",
                    "choices": {"10": "Ten", "1": "Speed", "2": "Price", "6": "Other", "7": "Hidden"}
                },
                "QID6": {"text": "Which?", "choices": {"1": "Shop", "2": "<i>Web</i>"}}
            },
            "contact": {
                "firstName": "Grace", "email": "g@example.com", "embeddedData": {"region": "north"}
            }
        }
    })
}

fn posted() -> Value {
    json!({"data": {
        "SurveyID": "SV_2", "ResponseID": "R_2", "plan": "free", "RecipientEmail": "b@example.com",
        "FirstName": "Bob", "order": {"lines": [{"sku": "x-1"}]}, "a.b": "dotted",
        "embeddedData": {"tier": 3}, "QID1": 4
    }})
}

#[track_caller]
fn gives(event: &Value, locator: &str, expected: Value) {
    let parsed = Locator::parse(locator).unwrap().unwrap();
    assert_eq!(
        parsed.resolve(event).unwrap_or(Value::Null),
        expected,
        "{locator}"
    );
}

#[test]
fn answers_of_a_fetched_response_are_found() {
    for (locator, expected) in [
        ("q://QID1", json!(9)),
        ("${q://QID1}", json!(9)),
        ("q://QID1/ChoiceGroup/SelectedChoices", json!("9")),
        ("q://QID1/SelectedChoicesRecode", json!(9)),
        ("q://QID1/NPSGroup", json!("Promoter")),
        (
            "q://QID1_NPS_GROUP/ChoiceGroup/SelectedChoices",
            json!("Promoter"),
        ),
        ("q://QID2/QuestionText", json!("What matters?")),
        ("q://QID2/QuestionName", json!("Q2")),
        (
            "q://QID2/ChoiceGroup/SelectedChoices",
            json!("Price & fees, Other"),
        ),
        ("q://QID2/SelectedChoices", json!("Price & fees, Other")),
        (
            "q://QID2/ChoiceGroup/SelectedChoicesTextEntry",
            json!("Price & fees, my <other>"),
        ),
        (
            "q://QID2/ChoiceGroup/UnselectedChoices",
            json!("Speed, Ten"),
        ),
        (
            "q://QID2/ChoiceGroup/DisplayedChoices",
            json!("Speed, Price & fees, Other, Ten"),
        ),
        (
            "q://QID2/ChoiceGroup/AllChoices",
            json!("Speed, Price & fees, Other, Hidden, Ten"),
        ),
        ("q://QID2/SelectedChoicesRecode", json!(["2", "6"])),
        ("q://QID2/SelectedChoicesCount", json!(2)),
        ("q://QID2/ChoiceTextEntryValue/6", json!("my <other>")),
        ("q://QID2/ChoiceTextEntryValue", json!("my <other>")),
        ("q://QID2/SelectableChoice/2", json!(true)),
        ("q://QID2/SelectableChoice/1", json!(false)),
        ("q://QID2/ChoiceDescription/7", json!("Hidden")),
        ("q://QID3/ChoiceTextEntryValue", json!("Too slow")),
        ("q://QID4/SelectedAnswerRecode/1", json!(5)),
        ("q://QID4/ChoiceGroup/SelectedAnswers/1", json!("Very good")),
        ("q://QID4/ChoiceGroup/SelectedAnswers/2", json!("Yes, No")),
        ("q://QID6/ChoiceGroup/SelectedChoices", json!("Web")),
        ("q://QID6/ChoiceGroup/UnselectedChoices", json!("Shop")),
        ("q://QID6/SelectedChoicesCount", json!(1)),
        ("q://QID7/ChoiceNumericEntryValue/1", json!("12")),
        ("q://QID7/ChoiceTextEntryValue/1", json!("12")),
        ("q://QID8/ChoiceTextEntryValue", json!("only")),
    ] {
        gives(&fetched(), locator, expected);
    }
}

#[test]
fn fields_of_a_fetched_response_are_found() {
    for (locator, expected) in [
        ("e://Field/plan", json!("gold")),
        ("e://Field/PLAN", json!("gold")),
        ("e://Field/Account tier", json!("A")),
        ("e://Field/Account%20tier", json!("A")),
        ("e://Field/Twin", json!(1)),
        ("e://Field/TWIN", json!(null)),
        ("e://Field/ResponseID", json!("R_1")),
        ("e://Field/SurveyID", json!("SV_1")),
        ("e://Field/RecipientEmail", json!("a@example.com")),
        ("e://Field/ExternalReference", json!("C-77")),
        ("e://Field/Q_Language", json!("FR")),
        ("rm://Field/ResponseID", json!("R_1")),
        ("rm://Field/StartDate", json!("2024-05-02T09:00:11Z")),
        ("rd://Field/IPAddress", json!("203.0.113.9")),
        ("m://FirstName", json!("Grace")),
        ("m://Email", json!("g@example.com")),
        ("m://ContactPoint", json!("g@example.com")),
        ("m://region", json!("north")),
        ("m://Language", json!("FR")),
        ("m://ExternalDataReference", json!("C-77")),
        ("gr://SC_1/Score", json!(7.5)),
        ("gr://SC_1/WeightedMean", json!(3)),
        ("loc://Latitude", json!("48.85")),
    ] {
        gives(&fetched(), locator, expected);
    }
}

#[test]
fn flat_events_of_other_senders_are_read_too() {
    for (locator, expected) in [
        ("e://Field/plan", json!("free")),
        ("e://Field/ResponseID", json!("R_2")),
        ("rm://Field/SurveyID", json!("SV_2")),
        ("e://Field/tier", json!(3)),
        ("m://Email", json!("b@example.com")),
        ("m://FirstName", json!("Bob")),
        ("aedj://plan", json!("free")),
        ("aedj://order.lines.0.sku", json!("x-1")),
        ("aedj://a.b", json!("dotted")),
        ("q://QID1", json!(4)),
    ] {
        gives(&posted(), locator, expected);
    }
}

#[test]
fn unknown_and_unanswered_is_nothing() {
    for locator in [
        "q://QID99",
        "q://QID99/QuestionText",
        "q://QID99/ChoiceGroup/SelectedChoices",
        "q://QID99/ChoiceGroup/UnselectedChoices",
        "q://QID99/SelectedChoicesCount",
        "q://QID99/SelectableChoice/1",
        "q://QID1/ChoiceGroup/DisplayedChoices",
        "q://QID1/ChoiceGroup/AllChoices",
        "q://QID1/QuestionText",
        "q://QID1/ChoiceTextEntryValue",
        "e://Field/void",
        "e://Field/none",
        "e://Field/values",
        "e://Field/Labels",
        "m://LastName",
        "gr://SC_9/Score",
        "gr://SC_1/WeightedStdDev",
        "loc://City",
        "lm://Field/1",
        "lm://CurrentLoopNumber",
        "l://SurveyURL",
        "date://CurrentDate/Y",
    ] {
        gives(&fetched(), locator, Value::Null);
        for event in [
            json!({}),
            json!(null),
            json!({"data": 3}),
            json!({"data": {"values": []}}),
        ] {
            gives(&event, locator, Value::Null);
        }
    }
    let contact = json!({"data": {"values": {"recipientLastName": "Lovelace"}}});
    gives(&contact, "m://LastName", json!("Lovelace"));
}

#[test]
fn what_is_no_locator_is_told_apart() {
    for text in [
        "",
        "data.plan",
        "https://example.com",
        "Q://QID1",
        "x://y",
        "tasks.a",
    ] {
        assert_eq!(Locator::parse(text), None, "{text}");
    }
    for (text, expected) in [
        (
            "q://",
            "`q://` is not complete: it is written q://QID1/ChoiceGroup/SelectedChoices",
        ),
        ("q://Q 1", "is not complete"),
        (
            "q://QID1/Nonsense",
            "asks for `Nonsense` of an answer; known are QuestionText,",
        ),
        ("q://QID1/ChoiceTextEntryValue/1/2", "asks for"),
        ("e://plan", "it is written e://Field/NAME"),
        ("e://Field/", "it is written e://Field/NAME"),
        ("m://", "it is written m://FirstName"),
        ("gr://SC_1", "it is written gr://SC_1/Score"),
        ("rand://int/9:1", "it is written rand://int/1:100"),
        ("date://CurrentDate/DS", "PHP's codes"),
        ("e://Field/a\nb", "one line"),
    ] {
        let error = Locator::parse(text).unwrap().unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let long = format!("e://Field/{}", "x".repeat(MAX_LOCATOR_BYTES));
    assert_eq!(Locator::parse(&long), Some(Err(LocatorError::TooLong)));
}

#[test]
fn random_numbers_depend_on_the_seed_alone() {
    let locator = Locator::parse("rand://int/1:6").unwrap().unwrap();
    let roll = |seed: &str| {
        let moment = Moment {
            now: None,
            zone: &TimeZone::UTC,
            seed,
        };
        locator
            .resolve_at(&json!({}), &moment)
            .and_then(|value| value.as_i64())
            .unwrap()
    };
    let mut times = [0_u32; 7];
    for run in 0..6000 {
        let seed = format!("run-{run}:comment:0");
        assert_eq!(roll(&seed), roll(&seed));
        times[usize::try_from(roll(&seed)).unwrap()] += 1;
    }
    assert_eq!(times[0], 0);
    assert!(
        times[1..].iter().all(|count| (850..1150).contains(count)),
        "{times:?}"
    );
    assert_eq!(
        random("x", i64::MIN, i64::MAX),
        random("x", i64::MIN, i64::MAX)
    );
    assert_eq!(random("x", 5, 5), 5);
}

proptest! {
    #[test]
    fn any_locator_is_read_or_refused(text in r"(q|e|m|gr|date|rand|aedj|loc)://(QID1|Field|ChoiceGroup|SelectedChoices|int|[0-9:]|/|%2F|%|\\|ß|\.|CurrentDate|OtherDate|[A-Za-z]| ){0,8}") {
        if let Some(Ok(locator)) = Locator::parse(&text) {
            locator.resolve(&fetched());
        }
    }
}
