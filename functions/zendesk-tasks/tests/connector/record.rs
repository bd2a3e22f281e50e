//! Records of custom objects.

use domain::TaskKind;
use retry::Disposition;
use serde_json::{Value, json};
use vendor_http::test_support::Step;

use crate::harness::{Attempt, key, lines};

const ID: &str = "01GDXYEY1FQYN066VHF49YHJ21";

fn attributes() -> Value {
    json!({"name": "Visit", "stars": 2, "answered": false, "reason": "slow"})
}

fn create() -> Attempt {
    let input = json!({"object_type": "store_visit", "attributes": attributes()});
    Attempt::at(TaskKind::ZendeskCreateRecord, input)
}

fn update() -> Attempt {
    let input = json!({"record_id": ID, "object_type": "store_visit", "attributes": {"reason": "slow", "stars": null}});
    Attempt::at(TaskKind::ZendeskUpdateRecord, input)
}

fn stored(status: u16, fields: &Value) -> Step {
    Step::json(
        status,
        json!({"custom_object_record": {
            "id": ID, "name": "Visit", "external_id": key().as_str(), "custom_object_key": "store_visit",
            "custom_object_fields": fields,
        }}),
    )
}

#[tokio::test]
async fn record_is_created_under_the_tasks_key_however_often() {
    let fields = json!({"stars": "2", "answered": false, "reason": "slow", "owner": null});
    let mut bodies = Vec::new();
    for (attempt, status) in [(create(), 201), (create().again(), 200)] {
        let (result, received) = attempt.against([stored(status, &fields)]).await;
        let done = result.unwrap();
        assert_eq!(
            lines(&received),
            ["PATCH custom_objects/store_visit/records"]
        );
        assert_eq!(
            received[0].query(),
            [("external_id".to_owned(), key().to_string())]
        );
        assert_eq!((&done.link, done.warnings.len()), (&None, 0));
        assert_eq!(
            Value::Object(done.output),
            json!({"id": ID, "object_type": "store_visit", "name": "Visit"})
        );
        assert_eq!(done.calls[0].sent, Some(received[0].json()));
        bodies.push(received[0].json());
    }
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(
        bodies[0],
        json!({"custom_object_record": {
            "name": "Visit", "external_id": key().as_str(),
            "custom_object_fields": {"stars": 2, "answered": false, "reason": "slow"},
        }})
    );
}

#[tokio::test]
async fn attribute_that_the_object_does_not_have_is_a_warning() {
    let (result, _) = create()
        .against([stored(200, &json!({"stars": 3, "reason": "slow"}))])
        .await;
    assert_eq!(
        result.unwrap().warnings,
        [
            "`custom_object_fields.answered`: the answer does not have it; the account may not have that field",
            "`custom_object_fields.stars`: sent `2`, kept `3`",
        ]
    );
}

#[tokio::test]
async fn update_changes_the_record_with_that_id() {
    for attempt in [update(), update().again()] {
        let fields = json!({"reason": "slow", "stars": null, "answered": true});
        let (result, received) = attempt.against([stored(200, &fields)]).await;
        assert_eq!(
            lines(&received),
            [format!("PATCH custom_objects/store_visit/records/{ID}")]
        );
        assert_eq!(received[0].query(), []);
        assert_eq!(
            received[0].json(),
            json!({"custom_object_record": {"custom_object_fields": {"reason": "slow", "stars": null}}})
        );
        assert_eq!(result.unwrap().warnings, [""; 0]);
    }
}

#[tokio::test]
async fn refusals_of_any_shape_are_told() {
    let no_object = "there is no such custom object";
    let no_record = "there is no such record";
    for (attempt, status, body, expected) in [
        (
            create(),
            404,
            json!({"error": "RecordNotFound", "description": "Not found"}),
            [no_object, "RecordNotFound"],
        ),
        (
            update(),
            404,
            json!({"errors": [{"code": "NotFound", "title": "Gone", "detail": "No record"}]}),
            [no_record, "No record"],
        ),
        (
            create(),
            422,
            json!({"error": "RecordInvalid", "description": "Record validation errors",
                "details": {"custom_object_fields": [{"description": "stars: is not a number"}]}}),
            ["Record validation errors", "stars: is not a number"],
        ),
        (
            create(),
            400,
            json!({"error": {"title": "Invalid attribute", "message": "You passed an invalid value"}}),
            ["Invalid attribute", "You passed an invalid value"],
        ),
        (
            create(),
            422,
            json!({"errors": {"name": ["is taken"], "base": [{"message": "no room"}]}}),
            ["name: is taken", "base: no room"],
        ),
        (
            update(),
            403,
            json!({"title": "Forbidden", "details": ["not allowed"]}),
            ["Forbidden", "not allowed"],
        ),
    ] {
        let (result, _) = attempt.against([Step::json(status, body)]).await;
        let failed = result.unwrap_err();
        assert_eq!(failed.disposition, Disposition::GiveUp);
        for part in expected {
            assert!(failed.reason.contains(part), "{}", failed.reason);
        }
    }
}

#[tokio::test]
async fn lost_answer_may_simply_be_followed_by_the_same_write() {
    for attempt in [create(), update()] {
        let (result, _) = attempt.against([Step::Lose]).await;
        assert_eq!(result.unwrap_err().disposition, Disposition::RECONCILE);
    }
}

#[tokio::test]
async fn nothing_is_called_for_an_address_that_leads_elsewhere() {
    for (field, value) in [
        ("object_type", "a/../b"),
        ("record_id", ".."),
        ("record_id", "1?x=y"),
        ("record_id", ""),
    ] {
        let mut attempt = update();
        attempt.input[field] = json!(value);
        let (result, received) = attempt.against([]).await;
        let failed = result.unwrap_err();
        assert!(
            failed.reason.contains(&format!("{field}: found `{value}`")),
            "{}",
            failed.reason
        );
        assert!(received.is_empty());
    }
}
