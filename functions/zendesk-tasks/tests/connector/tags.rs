//! Tags that are added and taken away, and changes that depend on the ticket's state.

use std::time::Duration;

use retry::Disposition;
use serde_json::{Value, json};
use vendor_http::test_support::Step;

use crate::harness::{Attempt, STAMP, key, lines, statuses};
use crate::ticket::{audits, change, sent_change, ticket, written};

const LATER: &str = "2026-03-02T10:20:00Z";

/// The ticket with these tags, as a read or a write returns it.
fn tagged(tags: &[&str], updated_at: &str) -> Step {
    let mut ticket = ticket();
    ticket["tags"] = json!(tags);
    ticket["updated_at"] = json!(updated_at);
    Step::json(200, json!({ "ticket": ticket }))
}

fn tags(tags: &[&str]) -> Step {
    Step::json(200, json!({ "tags": tags }))
}

fn with(fields: Value) -> Value {
    let mut input = change();
    let object = input.as_object_mut().unwrap();
    object.extend(fields.as_object().unwrap().clone());
    input
}

fn conflict() -> Step {
    let body = json!({"error": "UpdateConflict", "description": "Outdated"});
    Step::json(409, body)
}

#[tokio::test]
async fn tags_change_after_the_ticket_and_the_others_stay() {
    let input = with(json!({"add_tags": "\"vip\", \"a b\"", "remove_tags": ["new"]}));
    let script = [
        written(200),
        tags(&["vip", "a_b", "new", "x"]),
        Step::json(204, ""),
        tagged(&["vip", "a_b", "x"], LATER),
    ];
    let (result, received) = Attempt::update(input).against(script).await;
    let done = result.unwrap();
    assert_eq!(
        lines(&received),
        [
            "PUT tickets/35436",
            "PUT tickets/35436/tags",
            "DELETE tickets/35436/tags",
            "GET tickets/35436",
        ]
    );
    assert_eq!(received[0].json(), sent_change());
    assert_eq!(received[1].json(), json!({"tags": ["vip", "a_b"]}));
    assert_eq!(received[2].json(), json!({"tags": ["new"]}));
    assert_eq!(done.warnings, [""; 0]);
    assert_eq!(done.output["updated_at"], LATER);
    assert_eq!(done.calls[1].sent, Some(json!({"tags": ["vip", "a_b"]})));
    assert_eq!(done.calls.len(), 4);
}

#[tokio::test]
async fn tags_alone_leave_the_ticket_unwritten() {
    let input = json!({"ticket_id": 35436, "add_tags": ["vip"], "remove_tags": ["new"]});
    for look_first in [false, true] {
        let script = [tags(&["vip"]), Step::json(204, ""), tagged(&["new"], LATER)];
        let attempt = Attempt {
            look_first,
            ..Attempt::update(input.clone())
        };
        let (result, received) = attempt.against(script).await;
        assert_eq!(
            lines(&received),
            [
                "PUT tickets/35436/tags",
                "DELETE tickets/35436/tags",
                "GET tickets/35436",
            ]
        );
        assert_eq!(
            result.unwrap().warnings,
            [
                "`add_tags`: the ticket does not have `vip`",
                "`remove_tags`: the ticket still has `new`",
            ]
        );
    }
}

#[tokio::test]
async fn nothing_after_the_comment_is_simply_tried_again() {
    let input = || with(json!({"add_tags": ["vip"]}));
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    for (step, after) in [
        (Step::Lose, None),
        (Step::json(500, "{}"), None),
        (Step::json(429, "{}").with("retry-after", 37), seconds(37)),
        (Step::json(503, "{}").with("retry-after", 40), seconds(40)),
        (conflict(), None),
    ] {
        let shown = format!("{step:?}");
        let script = [written(200), step.clone()];
        let (result, _) = Attempt::update(input()).against(script).await;
        let failed = result.unwrap_err();
        assert_eq!(
            failed.disposition,
            Disposition::Reconcile { after },
            "{shown}"
        );
        assert_eq!(failed.calls.len(), 2, "{shown}");
        // The read at the end is no exception.
        let script = [written(200), tags(&["vip"]), step];
        let (result, _) = Attempt::update(input()).against(script).await;
        let failed = result.unwrap_err();
        assert_eq!(
            failed.disposition,
            Disposition::Reconcile { after },
            "{shown}"
        );
    }
    let closed = Step::json(422, json!({"error": "RecordInvalid"}));
    let (result, _) = Attempt::update(input())
        .against([written(200), closed])
        .await;
    assert_eq!(result.unwrap_err().disposition, Disposition::GiveUp);
}

#[tokio::test]
async fn comment_that_is_in_is_not_added_again_but_its_tags_are() {
    let input = with(json!({"add_tags": ["vip"]}));
    let script = [
        written(200),
        audits(key().as_str()),
        tags(&["vip"]),
        tagged(&["vip"], LATER),
    ];
    let (result, received) = Attempt::update(input).again().against(script).await;
    assert_eq!(
        lines(&received),
        [
            "GET tickets/35436",
            "GET tickets/35436/audits",
            "PUT tickets/35436/tags",
            "GET tickets/35436",
        ]
    );
    assert_eq!(result.unwrap().warnings, [""; 0]);
}

#[tokio::test]
async fn safe_update_reads_before_every_write() {
    let input = with(json!({"safe_update": true, "add_tags": ["a"], "remove_tags": ["b"]}));
    let script = [
        tagged(&["b"], STAMP),
        tagged(&["b"], "2026-03-02T10:16:00Z"),
        tags(&["a", "b"]),
        tagged(&["a", "b"], "2026-03-02T10:17:00Z"),
        tags(&["a"]),
        tagged(&["a"], LATER),
    ];
    let (result, received) = Attempt::update(input).against(script).await;
    assert_eq!(result.unwrap().warnings, [""; 0]);
    assert_eq!(
        lines(&received),
        [
            "GET tickets/35436",
            "PUT tickets/35436",
            "PUT tickets/35436/tags",
            "GET tickets/35436",
            "DELETE tickets/35436/tags",
            "GET tickets/35436",
        ]
    );
    let ticket = &received[1].json()["ticket"];
    assert_eq!(ticket["safe_update"], json!(true));
    assert_eq!(ticket["updated_stamp"], json!(STAMP));
    let guarded = |tag: &str, stamp: &str| json!({"tags": [tag], "safe_update": "true", "updated_stamp": stamp});
    assert_eq!(received[2].json(), guarded("a", "2026-03-02T10:16:00Z"));
    assert_eq!(received[4].json(), guarded("b", "2026-03-02T10:17:00Z"));
}

#[tokio::test]
async fn safe_update_that_lost_is_looked_at_again() {
    let input = with(json!({"safe_update": true}));
    let script = [written(200), conflict()];
    let (result, _) = Attempt::update(input.clone()).against(script).await;
    let failed = result.unwrap_err();
    assert_eq!(failed.disposition, Disposition::RECONCILE);
    assert_eq!(statuses(&failed), [Some(200), Some(409)]);

    let script = [tagged(&[], LATER), audits("tk_other"), written(200)];
    let (result, received) = Attempt::update(input).again().against(script).await;
    result.unwrap();
    assert_eq!(received[2].json()["ticket"]["updated_stamp"], json!(LATER));
}

#[tokio::test]
async fn change_for_an_older_ticket_is_given_up_unless_it_is_in() {
    let input = with(json!({"updated_stamp": STAMP}));
    let (result, received) = Attempt::update(input.clone()).against([conflict()]).await;
    assert_eq!(lines(&received), ["PUT tickets/35436"]);
    assert_eq!(received[0].json()["ticket"]["updated_stamp"], json!(STAMP));
    assert_eq!(result.unwrap_err().disposition, Disposition::RECONCILE);

    for (updated_at, marker, expected) in [
        (LATER, key().to_string(), Ok(2)),
        (STAMP, "tk_other".to_owned(), Ok(3)),
        (LATER, "tk_other".to_owned(), Err("after `updated_stamp`")),
    ] {
        let script = [tagged(&[], updated_at), audits(&marker), written(200)];
        let attempt = Attempt::update(input.clone()).again();
        let (result, received) = attempt.against(script).await;
        match (result, expected) {
            (Ok(_), Ok(calls)) => assert_eq!(received.len(), calls),
            (Err(failed), Err(reason)) => {
                assert_eq!(failed.disposition, Disposition::GiveUp);
                assert!(failed.reason.contains(reason), "{}", failed.reason);
                assert_eq!(received.len(), 2);
            }
            (result, _) => panic!("{updated_at} {marker}: {result:?}"),
        }
    }
}

#[tokio::test]
async fn every_message_of_a_refusal_is_told() {
    let answer = json!({
        "error": "RecordInvalid", "description": "Record validation errors",
        "details": {
            "base": [
                {"description": "Assignee: is required when solving a ticket", "error": null, "ticket_field_id": 42},
                {"description": "Plan: is required when solving a ticket", "ticket_field_id": 43},
            ],
            "priority": [{"description": "Priority: is invalid", "error": "InvalidValue"}],
        },
    });
    let input = with(json!({"status": "solved", "add_tags": ["a"]}));
    let (result, received) = Attempt::update(input)
        .against([Step::json(422, answer)])
        .await;
    let failed = result.unwrap_err();
    // The tags are left alone when the ticket is refused.
    assert_eq!(lines(&received), ["PUT tickets/35436"]);
    for expected in [
        "Assignee: is required when solving a ticket (ticket field 42)",
        "Plan: is required when solving a ticket (ticket field 43)",
        "Priority: is invalid",
    ] {
        assert!(failed.reason.contains(expected), "{}", failed.reason);
    }
}
