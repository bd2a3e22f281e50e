//! Profiles.

use domain::TaskKind;
use retry::Disposition;
use serde_json::{Value, json};
use vendor_http::test_support::{Received, Step};

use crate::harness::{Attempt, lines, statuses};

fn input() -> Value {
    json!({
        "source": "shop", "type": "vip customer", "email": "Jane+x@Example.com", "phone": "+612345",
        "attributes": {"plan": "gold", "score": 2},
    })
}

fn identifiers() -> Value {
    json!([
        {"type": "email", "value": "jane+x@example.com"},
        {"type": "phone_number", "value": "+612345"},
    ])
}

fn create() -> Attempt {
    Attempt::at(TaskKind::ZendeskCreateProfile, input())
}

fn update() -> Attempt {
    Attempt::at(TaskKind::ZendeskUpdateProfile, input())
}

fn stored(status: u16) -> Step {
    Step::json(
        status,
        json!({"profile": {
            "id": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "user_id": "123", "name": "Jane", "source": "shop",
            "type": "vip customer", "identifiers": identifiers(),
            "attributes": {"plan": "gold", "score": "2", "since": "2019"},
        }}),
    )
}

fn absent() -> Step {
    let error = json!({"code": "ClientError", "id": "10001", "title": "Profile not found"});
    Step::json(404, json!({ "errors": [error] }))
}

fn check_identifier(request: &Received) {
    assert!(
        request.target.ends_with(
            "user_profiles?identifier=shop%3Avip+customer%3Aemail%3Ajane%2Bx%40example.com"
        ),
        "{}",
        request.target
    );
}

#[tokio::test]
async fn profile_that_is_not_there_is_created_whole() {
    let (result, received) = create().against([absent(), stored(201)]).await;
    let done = result.unwrap();
    assert_eq!(lines(&received), ["GET user_profiles", "PUT user_profiles"]);
    received.iter().for_each(check_identifier);
    assert_eq!(
        received[1].json(),
        json!({"profile": {"identifiers": identifiers(), "attributes": {"plan": "gold", "score": "2"}}})
    );
    assert_eq!(done.calls[1].sent, Some(received[1].json()));
    assert_eq!(done.warnings, [""; 0]);
    let link = done.link.unwrap();
    assert!(link.ends_with("/zendesk/acme/agent/users/123"), "{link}");
    assert_eq!(
        Value::Object(done.output),
        json!({"id": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "user_id": "123", "name": "Jane", "link": link})
    );
}

#[tokio::test]
async fn profile_that_is_there_is_added_to_and_loses_nothing() {
    for attempt in [create(), create().again()] {
        let (result, received) = attempt.against([stored(200), stored(200)]).await;
        assert_eq!(
            lines(&received),
            ["GET user_profiles", "PATCH user_profiles"]
        );
        let warnings = result.unwrap().warnings;
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("was there already"), "{warnings:?}");
    }
    let mut nothing_new = create();
    nothing_new.input =
        json!({"source": "shop", "type": "vip customer", "email": "jane+x@example.com"});
    let (result, received) = nothing_new.against([stored(200)]).await;
    assert_eq!(lines(&received), ["GET user_profiles"]);
    assert_eq!(result.unwrap().warnings.len(), 1);
}

#[tokio::test]
async fn lost_answer_to_a_create_is_mended_by_the_next_attempt() {
    let (result, _) = create().against([absent(), Step::Lose]).await;
    let failed = result.unwrap_err();
    assert_eq!(failed.disposition, Disposition::RECONCILE);
    assert_eq!(statuses(&failed), [Some(404), None]);
    let (result, received) = create().again().against([absent(), stored(200)]).await;
    result.unwrap();
    assert_eq!(lines(&received), ["GET user_profiles", "PUT user_profiles"]);
    let (result, _) = create().against([Step::json(503, "{}")]).await;
    assert!(matches!(
        result.unwrap_err().disposition,
        Disposition::Retry { .. }
    ));
}

#[tokio::test]
async fn account_without_profiles_is_not_taken_for_one_without_this_profile() {
    let missing = Step::json(
        404,
        json!({"error": "InvalidEndpoint", "description": "Not found"}),
    );
    let (result, received) = create().against([missing]).await;
    let failed = result.unwrap_err();
    assert_eq!(received.len(), 1);
    assert_eq!(failed.disposition, Disposition::GiveUp);
    assert!(
        failed.reason.contains("plan may not have"),
        "{}",
        failed.reason
    );
}

#[tokio::test]
async fn update_changes_what_it_names() {
    for attempt in [update(), update().again()] {
        let (result, received) = attempt.against([stored(200)]).await;
        assert_eq!(lines(&received), ["PATCH user_profiles"]);
        check_identifier(&received[0]);
        assert_eq!(
            received[0].json(),
            json!({"profile": {"identifiers": identifiers(), "attributes": {"plan": "gold", "score": "2"}}})
        );
        assert_eq!(result.unwrap().warnings, [""; 0]);
    }
}

#[tokio::test]
async fn update_without_its_profile_has_failed() {
    let (result, _) = update().against([absent()]).await;
    let failed = result.unwrap_err();
    assert_eq!(failed.disposition, Disposition::GiveUp);
    assert!(
        failed.reason.contains("there is no such profile")
            && failed.reason.contains("Profile not found"),
        "{}",
        failed.reason
    );
    let (result, _) = update().against([Step::Lose]).await;
    assert_eq!(result.unwrap_err().disposition, Disposition::RECONCILE);
}

#[tokio::test]
async fn what_was_not_kept_is_a_warning() {
    let answer = json!({"profile": {
        "id": "01AR", "user_id": null,
        "identifiers": [
            {"type": "email", "value": "jane+x@example.com"},
            {"type": "phone_number", "value": "+1"}, {"type": "phone_number", "value": "+612345"},
        ],
        "attributes": {"plan": "silver"},
    }});
    let (result, _) = update().against([Step::json(200, answer)]).await;
    let done = result.unwrap();
    assert_eq!((&done.link, &done.output["link"]), (&None, &json!(null)));
    assert_eq!(done.warnings.len(), 3);
    assert_eq!(
        done.warnings[0],
        "`attributes.plan`: sent `gold`, kept `silver`"
    );
    assert!(done.warnings[1].contains("`attributes.score`"));
    assert!(
        done.warnings[2].contains("another one beside"),
        "{:?}",
        done.warnings
    );
}

#[tokio::test]
async fn nothing_is_called_for_a_profile_that_cannot_be_named() {
    for (field, value, expected) in [
        ("source", json!("a:b"), "source: found `a:b`"),
        ("source", json!("zendesk"), "source: found `zendesk`"),
        ("email", json!("jane"), "email: found `jane`"),
    ] {
        for mut attempt in [create(), update()] {
            attempt.input[field] = value.clone();
            let (result, received) = attempt.against([]).await;
            let failed = result.unwrap_err();
            assert_eq!(failed.disposition, Disposition::GiveUp);
            assert!(failed.reason.contains(expected), "{}", failed.reason);
            assert!(received.is_empty());
        }
    }
}
