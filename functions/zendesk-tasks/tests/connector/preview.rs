//! What a task would send is what it sends: every first attempt of these tests is compared with its preview.

use accounts::Vendors;
use domain::preview::{PlannedRequest, Preview, PreviewAccount, PreviewRequest};
use domain::{AccountName, TaskKind, Vendor};
use serde_json::{Value, json};
use task_runner::Connector as _;
use task_runner::test_support::assert_foretold;
use vendor_http::test_support::Step;
use zendesk_tasks::Zendesk;

use crate::harness::{Attempt, STAMP, key};

fn preview(kind: TaskKind, input: Value) -> Preview {
    let vendors = Vendors::from_vars(vendor_http::Client::new().unwrap(), |_| None).unwrap();
    Zendesk::new(vendors).preview(&PreviewRequest {
        kind,
        key: key(),
        account: PreviewAccount {
            name: AccountName::parse("support").unwrap(),
            vendor: Vendor::Zendesk,
            instance: Some("acme".to_owned()),
        },
        input,
    })
}

#[test]
fn ticket_is_shown_as_it_would_be_sent() {
    let input = json!({"comment": "Why {{ so }}?", "subject": "Low score", "priority": "high"});
    assert_eq!(
        json!(preview(TaskKind::ZendeskCreateTicket, input)),
        json!({
            "address": "https://acme.zendesk.com",
            "requests": [{
                "method": "POST", "path": "/api/v2/tickets", "headers": {"idempotency-key": key().as_str()},
                "body": {"ticket": {
                    "comment": {"body": "Why {\u{2060}{ so }}?", "public": false}, "subject": "Low score",
                    "priority": "high", "external_id": key().as_str(),
                    "metadata": {"closedloop_task": key().as_str()},
                }},
                "note": "an attempt after a lost answer looks for a ticket with this `external_id` first",
            }],
            "problem": null, "notes": [],
        })
    );
}

/// Every kind with every way that its requests may take. The harness compares.
#[expect(clippy::too_many_lines, reason = "a table")]
#[tokio::test]
async fn every_kind_sends_what_was_foretold() {
    const ID: &str = "01GDXYEY1FQYN066VHF49YHJ21";
    let ticket = || {
        let ticket =
            json!({"id": 7, "updated_at": STAMP, "external_id": key().as_str(), "tags": ["a"]});
        Step::json(200, json!({ "ticket": ticket }))
    };
    let tags = || Step::json(200, json!({"tags": ["a"]}));
    let profile = || Step::json(200, json!({"profile": {"id": "01AR", "user_id": "7"}}));
    let absent = || {
        Step::json(
            404,
            json!({"errors": [{"code": "ProfileNotFound", "title": "None"}]}),
        )
    };
    let record = || {
        Step::json(
            200,
            json!({"custom_object_record": {"id": ID, "custom_object_key": "car"}}),
        )
    };
    let ticket_change = |extra: Value| {
        let mut input = json!({"ticket_id": 7, "comment": "More", "public": true, "custom_fields": {"36": null}});
        input
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        input
    };
    let safe = json!({"safe_update": true, "add_tags": ["a"], "remove_tags": ["b", "c"]});
    let person = json!({
        "source": "shop", "type": "customer", "email": "Jane+x@Example.com", "phone": "+31 6", "name": "Jane Ü",
        "attributes": {"plan": "gold", "old": null}
    });
    let alone = json!({"source": "shop", "type": "customer", "email": "jane@example.com"});
    for (kind, input, script, calls) in [
        (
            TaskKind::ZendeskCreateTicket,
            json!({"comment": "x", "tags": ["a"], "requester": {"email": "a@b.c"}}),
            vec![ticket()],
            1,
        ),
        (
            TaskKind::ZendeskUpdateTicket,
            ticket_change(json!({})),
            vec![ticket()],
            1,
        ),
        (
            TaskKind::ZendeskUpdateTicket,
            ticket_change(json!({"updated_stamp": STAMP})),
            vec![ticket()],
            1,
        ),
        (
            TaskKind::ZendeskUpdateTicket,
            ticket_change(json!({"safe_update": true})),
            vec![ticket(), ticket()],
            2,
        ),
        (
            TaskKind::ZendeskUpdateTicket,
            ticket_change(json!({"add_tags": ["a"]})),
            vec![ticket(), tags(), ticket()],
            3,
        ),
        (
            TaskKind::ZendeskUpdateTicket,
            ticket_change(safe.clone()),
            vec![
                ticket(),
                ticket(),
                tags(),
                ticket(),
                Step::json(204, ""),
                ticket(),
            ],
            6,
        ),
        (
            TaskKind::ZendeskUpdateTicket,
            json!({"ticket_id": "7", "remove_tags": "b"}),
            vec![Step::json(204, ""), ticket()],
            2,
        ),
        (
            TaskKind::ZendeskUpdateTicket,
            json!({"ticket_id": 7, "safe_update": true, "add_tags": ["a"], "remove_tags": ["b"]}),
            vec![ticket(), tags(), ticket(), Step::json(204, ""), ticket()],
            5,
        ),
        (
            TaskKind::ZendeskCreateProfile,
            person.clone(),
            vec![absent(), profile()],
            2,
        ),
        (
            TaskKind::ZendeskCreateProfile,
            person.clone(),
            vec![profile(), profile()],
            2,
        ),
        (TaskKind::ZendeskCreateProfile, alone, vec![profile()], 1),
        (TaskKind::ZendeskUpdateProfile, person, vec![profile()], 1),
        (
            TaskKind::ZendeskCreateRecord,
            json!({"object_type": "car", "attributes": {"name": "A", "seats": 5}}),
            vec![record()],
            1,
        ),
        (
            TaskKind::ZendeskUpdateRecord,
            json!({"object_type": "car", "record_id": ID, "attributes": {"seats": null}}),
            vec![record()],
            1,
        ),
    ] {
        let shown = format!("{kind} {input}");
        let (result, received) = Attempt::at(kind, input).against(script).await;
        assert!(result.is_ok(), "{shown}: {result:?}");
        assert_eq!(received.len(), calls, "{shown}");
    }
}

#[test]
fn input_that_cannot_be_used_tells_where_and_why() {
    for (kind, input, path, problem) in [
        (
            TaskKind::ZendeskUpdateTicket,
            json!({"ticket_id": "‹ticket.id›", "comment": "x"}),
            "ticket_id",
            "found `‹ticket.id›`",
        ),
        (
            TaskKind::ZendeskCreateTicket,
            json!({"comment": " "}),
            "comment",
            "comment is empty",
        ),
        (
            TaskKind::ZendeskUpdateRecord,
            json!({"object_type": "car", "record_id": "1"}),
            "",
            "nothing to change",
        ),
        (
            TaskKind::ServiceNowCreateRecord,
            json!({}),
            "",
            "is no Zendesk task",
        ),
    ] {
        let preview = preview(kind, input);
        let found = preview.problem.unwrap();
        assert_eq!(found.path, path);
        assert!(found.problem.contains(problem), "{found:?}");
        assert!(preview.requests.is_empty());
    }
}

#[tokio::test]
async fn difference_would_be_noticed() {
    let input = json!({"comment": "x"});
    let ticket = json!({"id": 7, "updated_at": STAMP});
    let script = [Step::json(201, json!({ "ticket": ticket }))];
    let (_, received) = Attempt::create(input.clone()).against(script).await;
    let right = preview(TaskKind::ZendeskCreateTicket, input);
    let address = Some("http://127.0.0.1:1/zendesk/acme".to_owned());
    let right = Preview { address, ..right };
    assert_foretold(&right, &received, true);
    let change: [fn(&mut PlannedRequest); 5] = [
        |plan| plan.method = "PUT".to_owned(),
        |plan| plan.path.push('s'),
        |plan| plan.body = Some(json!({"ticket": {}})),
        |plan| plan.headers.values_mut().for_each(String::clear),
        |plan| plan.query.extend([("a".to_owned(), "b".to_owned())]),
    ];
    for change in change {
        let mut wrong = right.clone();
        change(&mut wrong.requests[0]);
        let noticed = std::panic::catch_unwind(|| assert_foretold(&wrong, &received, true));
        assert!(noticed.is_err(), "{wrong:?}");
    }
}
