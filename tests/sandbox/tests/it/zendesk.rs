use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Account, Answer, basic};

const TICKETS: &str = "/api/v2/tickets";

async fn account() -> Account {
    account_with(json!({})).await
}

async fn account_with(extra: Value) -> Account {
    let mut config = json!({ "users": [{ "username": "api@example.com", "password": "secret" }] });
    config
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    Account::zendesk(config).await
}

async fn create(account: &Account, ticket: Value) -> Value {
    let created = account.post(TICKETS, &json!({ "ticket": ticket })).await;
    assert_eq!(created.status, 201, "{}", created.body);
    created.body["ticket"].clone()
}

async fn update(account: &Account, id: &Value, ticket: Value) -> Answer {
    account
        .put(&format!("{TICKETS}/{id}"), &json!({ "ticket": ticket }))
        .await
}

async fn comments(account: &Account, id: &Value) -> Vec<Value> {
    let answer = account.get(&format!("{TICKETS}/{id}/comments")).await;
    answer.body["comments"].as_array().unwrap().clone()
}

fn assert_invalid(answer: &Answer, field: &str, description: &str) {
    assert_eq!(answer.status, 422, "{}", answer.body);
    assert_eq!(answer.body["error"], "RecordInvalid");
    let problems = answer.body["details"][field].as_array().unwrap();
    assert!(
        problems
            .iter()
            .any(|problem| problem["description"] == description),
        "{problems:?}"
    );
}

#[tokio::test]
async fn create_answers_with_ticket_audit_and_location() {
    let account = account().await;
    let created = account
        .post(
            TICKETS,
            &json!({ "ticket": { "subject": "test", "comment": { "body": "hello", "public": false },
                "external_id": "task-1", "metadata": { "task": "task-1" } } }),
        )
        .await;
    assert_eq!(created.status, 201);
    let url = format!("{}/api/v2/tickets/1.json", account.control.url());
    assert_eq!(created.header("location"), Some(url.as_str()));
    let ticket = &created.body["ticket"];
    for (property, expected) in [
        ("id", json!(1)),
        ("url", json!(url)),
        ("subject", json!("test")),
        ("description", json!("hello")),
        ("status", json!("new")),
        ("priority", Value::Null),
        ("external_id", json!("task-1")),
        ("is_public", json!(false)),
        ("tags", json!([])),
    ] {
        assert_eq!(ticket[property], expected, "{property}");
    }
    assert!(ticket["requester_id"].as_u64().unwrap() > u64::from(u32::MAX));
    let audit = &created.body["audit"];
    assert_eq!(audit["metadata"]["custom"], json!({ "task": "task-1" }));
    let events: Vec<&Value> = audit["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["type"])
        .collect();
    assert_eq!(events[0], "Comment");
    assert!(events[1..].iter().all(|kind| *kind == "Create"));
    assert!(created.header("x-request-id").is_some());
    assert!(created.header("x-rate-limit-remaining").is_some());
    assert_eq!(created.header("x-zendesk-api-warn"), None);
    for path in ["/api/v2/tickets/1", "/api/v2/tickets/1.json"] {
        assert_eq!(account.get(path).await.body["ticket"], *ticket);
    }
}

#[tokio::test]
async fn wrong_password_is_an_anonymous_user_yet_wrong_tokens_are_refused() {
    let mut account = account_with(json!({
        "api_tokens": [{ "email": "bot@example.com", "token": "tok" }],
        "bearer_tokens": [{ "token": "bearer" }],
        "agents": [{ "email": "ann@example.com" }],
    }))
    .await;
    let anonymous = Some("Anonymous user");
    for (header, status, name) in [
        (None, 200, anonymous),
        (Some(basic("api@example.com", "wrong")), 200, anonymous),
        (Some(basic("api@example.com", "secret")), 200, Some("api")),
        (
            Some(basic("bot@example.com/token", "tok")),
            200,
            Some("bot"),
        ),
        // The token isn't tied to its user.
        (
            Some(basic("ann@example.com/token", "tok")),
            200,
            Some("ann"),
        ),
        (Some(basic("bot@example.com/token", "other")), 401, None),
        (Some(basic("bot@example.com/token/token", "tok")), 401, None),
        (Some("Bearer bearer".to_owned()), 200, Some("api")),
        (Some("Bearer other".to_owned()), 401, None),
    ] {
        account.authorize(header.clone());
        let me = account.get("/api/v2/users/me.json").await;
        assert_eq!(me.status, status, "{header:?}");
        assert_eq!(me.body["user"]["name"].as_str(), name, "{header:?}");
        assert_eq!(
            me.body["user"]["id"].is_u64(),
            name.is_some() && name != anonymous
        );
        let tickets = account.get(TICKETS).await;
        let known = status == 200 && name != anonymous;
        assert_eq!(tickets.status, if known { 200 } else { 401 }, "{header:?}");
    }
    account.authorize(None);
    assert_eq!(
        account.get(TICKETS).await.body,
        json!({ "error": "Couldn't authenticate you" })
    );
}

#[tokio::test]
async fn expired_bearer_token_says_so() {
    let mut account = account_with(json!({ "bearer_tokens": [{ "token": "bearer" }] })).await;
    account.authorize(Some("Bearer bearer".to_owned()));
    assert_eq!(
        account.get("/api/v2/tickets/count").await.body["count"]["value"],
        0
    );
    account.control.expire_tokens().await.unwrap();
    let expired = account.get("/api/v2/tickets/count").await;
    assert_eq!(expired.status, 401);
    assert_eq!(
        expired.body["error_description"],
        "The access token provided is expired, revoked, malformed or invalid for other reasons."
    );
}

#[tokio::test]
async fn scope_and_role_are_asked_for() {
    let mut account = account_with(json!({
        "bearer_tokens": [{ "token": "reader", "scope": "read" }, { "token": "typo", "scope": "raed" },
            { "token": "customer", "username": "eve@example.com" }],
        "end_users": [{ "email": "eve@example.com" }],
    }))
    .await;
    for (token, read, write) in [
        ("reader", 200, 403),
        ("typo", 403, 403),
        ("customer", 403, 403),
    ] {
        account.authorize(Some(format!("Bearer {token}")));
        let answers = (
            account.get(TICKETS).await.status,
            account.post(TICKETS, &json!({})).await.status,
        );
        assert_eq!(answers, (read, write), "{token}");
    }
}

#[tokio::test]
async fn unknown_subdomain_and_paths_are_told_apart() {
    let account = account().await;
    create(&account, json!({ "comment": { "body": "c" } })).await;
    for (path, error) in [
        ("/api/v2/tickets/99", "RecordNotFound"),
        ("/api/v2/tickets/INC1", "InvalidEndpoint"),
        ("/api/v2/nothing", "InvalidEndpoint"),
    ] {
        let answer = account.get(path).await;
        assert_eq!(
            (answer.status, &answer.body["error"]),
            (404, &json!(error)),
            "{path}"
        );
    }
    account.control.delete().await.unwrap();
    let nobody = account.get(TICKETS).await;
    assert_eq!(nobody.status, 404);
    assert_eq!(
        nobody.body["error"]["title"],
        "No help desk at acme.zendesk.com"
    );
}

#[tokio::test]
async fn same_key_makes_one_ticket_for_two_hours() {
    let account = account().await;
    let post = async |body: &str| {
        let request = account
            .request(&Method::POST, TICKETS)
            .header("content-type", "application/json")
            .header("idempotency-key", "task-1")
            .body(body.to_owned());
        account.send(request).await
    };
    let body = r#"{"ticket":{"comment":{"body":"c"}}}"#;
    let first = post(body).await;
    assert_eq!(
        (first.status, first.header("x-idempotency-lookup")),
        (201, Some("miss"))
    );
    let second = post(body).await;
    assert_eq!(
        (second.status, second.header("x-idempotency-lookup")),
        (201, Some("hit"))
    );
    assert_eq!(first.body, second.body);
    let other = post(r#"{"ticket":{"comment":{"body":"d"}}}"#).await;
    assert_eq!(
        (other.status, &other.body["error"]),
        (400, &json!("IdempotentRequestError"))
    );
    let age = async |by| account.control.advance_clock(by).await.unwrap();
    age(Duration::from_mins(119)).await;
    assert_eq!(post(body).await.header("x-idempotency-lookup"), Some("hit"));
    age(Duration::from_mins(1)).await;
    let late = post(body).await;
    assert_eq!(
        (late.status, late.header("x-idempotency-lookup")),
        (201, Some("miss"))
    );
    assert_eq!(late.body["ticket"]["id"], 2);
}

#[tokio::test]
async fn external_id_is_found_and_not_unique() {
    let account = account().await;
    for external_id in ["a", "b", "a"] {
        create(
            &account,
            json!({ "external_id": external_id, "comment": { "body": "c" } }),
        )
        .await;
    }
    let found = account.get(&format!("{TICKETS}?external_id=a")).await;
    let ids: Vec<&Value> = found.body["tickets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|ticket| &ticket["id"])
        .collect();
    assert_eq!(ids, [1, 3]);
    assert_eq!(
        account.get(&format!("{TICKETS}?external_id=c")).await.body["tickets"],
        json!([])
    );
    assert_eq!(
        account.get("/api/v2/tickets/count.json").await.body["count"]["value"],
        3
    );
}

#[tokio::test]
async fn cursor_list_ends_by_has_more_alone() {
    let account = account().await;
    for _ in 0..3 {
        create(&account, json!({ "comment": { "body": "c" } })).await;
    }
    let first = account.get(&format!("{TICKETS}?page%5Bsize%5D=2")).await;
    assert_eq!(first.body["meta"]["has_more"], true);
    let next = first.body["links"]["next"].as_str().unwrap();
    let path = next.strip_prefix(account.control.url()).unwrap();
    let second = account.get(path).await;
    assert_eq!(second.body["tickets"][0]["id"], 3);
    assert_eq!(second.body["meta"]["has_more"], false);
    assert!(second.body["links"]["next"].is_string());
    let offset = account.get(&format!("{TICKETS}?per_page=2&page=2")).await;
    assert_eq!(offset.body["tickets"][0]["id"], 3);
    assert_eq!(
        (&offset.body["next_page"], &offset.body["count"]),
        (&Value::Null, &json!(3))
    );
}

#[tokio::test]
async fn missing_comment_and_missing_ticket_are_refused() {
    let account = account().await;
    let no_comment = account
        .post(TICKETS, &json!({ "ticket": { "subject": "s" } }))
        .await;
    assert_invalid(&no_comment, "base", "Description: cannot be blank");
    let from_description = create(&account, json!({ "description": "d" })).await;
    assert_eq!(from_description["description"], "d");
    assert_eq!(
        account
            .post(TICKETS, &json!({ "comment": {} }))
            .await
            .status,
        400
    );
    let untyped = account
        .request(&Method::POST, TICKETS)
        .body(r#"{"ticket":{"comment":{"body":"c"}}}"#);
    assert_eq!(account.send(untyped).await.status, 400);
}

#[tokio::test]
async fn unknown_and_read_only_keys_are_dropped_with_a_warning() {
    let account = account().await;
    let created = account
        .post(
            TICKETS,
            &json!({ "ticket": { "id": 77, "subjekt": "s", "comment": { "body": "c" } } }),
        )
        .await;
    assert_eq!(
        (created.status, &created.body["ticket"]["id"]),
        (201, &json!(1))
    );
    let warning = created.header("x-zendesk-api-warn").unwrap();
    assert!(
        warning.contains(r#":unpermitted_keys=>["ticket.id", "ticket.subjekt"]"#),
        "{warning}"
    );
}

#[tokio::test]
async fn description_of_an_update_is_ignored_without_a_warning() {
    let account = account().await;
    let ticket = create(
        &account,
        json!({ "subject": "s", "comment": { "body": "first" } }),
    )
    .await;
    let answer = update(
        &account,
        &ticket["id"],
        json!({ "subject": "t", "description": "second" }),
    )
    .await;
    assert_eq!((answer.status, answer.header("location")), (200, None));
    assert_eq!(answer.header("x-zendesk-api-warn"), None);
    assert_eq!(answer.body["ticket"]["subject"], "t");
    assert_eq!(answer.body["ticket"]["description"], "first");
    let event = &answer.body["audit"]["events"][0];
    assert_eq!(
        (
            &event["type"],
            &event["field_name"],
            &event["value"],
            &event["previous_value"]
        ),
        (
            &json!("Change"),
            &json!("subject"),
            &json!("t"),
            &json!("s")
        )
    );
}

#[tokio::test]
async fn update_that_changes_nothing_repeats_the_last_audit() {
    let account = account().await;
    let ticket = create(
        &account,
        json!({ "subject": "s", "comment": { "body": "c" } }),
    )
    .await;
    let answer = update(&account, &ticket["id"], json!({ "subject": "s" })).await;
    let audits = account.get(&format!("{TICKETS}/1/audits")).await;
    assert_eq!(audits.body["audits"], json!([answer.body["audit"]]));
    assert_eq!(answer.body["ticket"]["updated_at"], ticket["updated_at"]);
}

#[tokio::test]
async fn tags_of_an_update_replace_and_the_tags_endpoint_adds_sets_removes() {
    let account = account().await;
    let ticket = create(
        &account,
        json!({ "tags": ["a", "b"], "comment": { "body": "c" } }),
    )
    .await;
    let replaced = update(&account, &ticket["id"], json!({ "tags": ["c"] })).await;
    assert_eq!(replaced.body["ticket"]["tags"], json!(["c"]));
    let path = format!("{TICKETS}/1/tags");
    for (method, sent, status, tags) in [
        (Method::PUT, "d", 200, json!(["c", "d"])),
        (Method::PUT, "d", 200, json!(["c", "d"])),
        (Method::DELETE, "c", 204, json!(["d"])),
        (Method::POST, "e", 201, json!(["e"])),
    ] {
        let answer = account
            .write(method, &path, &json!({ "tags": [sent] }))
            .await;
        assert_eq!(answer.status, status);
        assert_eq!(account.get(&path).await.body["tags"], tags);
    }
}

#[tokio::test]
async fn closed_is_final() {
    let account = account().await;
    let ticket = create(
        &account,
        json!({ "tags": ["vip"], "comment": { "body": "c" } }),
    )
    .await;
    let id = &ticket["id"];
    let closing = update(&account, id, json!({ "status": "closed" })).await;
    assert_eq!(
        (closing.status, &closing.body["ticket"]["status"]),
        (200, &json!("closed"))
    );
    let reopened = update(&account, id, json!({ "status": "open" })).await;
    assert_invalid(&reopened, "status", "Status: closed prevents ticket update");
    let tagged = account
        .put(&format!("{TICKETS}/{id}/tags"), &json!({ "tags": ["x"] }))
        .await;
    assert_invalid(&tagged, "status", "Status: closed prevents ticket update");
    let followup = create(
        &account,
        json!({ "via_followup_source_id": id, "comment": { "body": "again" } }),
    )
    .await;
    assert_eq!(followup["tags"], json!(["vip"]));
    assert_eq!(followup["via"]["source"]["from"]["ticket_id"], *id);
    let of_open = account
        .post(TICKETS, &json!({ "ticket": { "via_followup_source_id": followup["id"], "comment": { "body": "c" } } }))
        .await;
    assert_eq!(of_open.status, 422);
    account
        .send(account.request(&Method::DELETE, &format!("{TICKETS}/{id}")))
        .await;
    assert_eq!(
        update(&account, id, json!({})).await.body["error"],
        "RecordNotFound"
    );
}

#[tokio::test]
async fn solving_needs_an_assignee_and_the_required_fields() {
    let account = account_with(json!({
        "agents": [{ "email": "ann@example.com", "id": 5 }],
        "ticket_fields": [{ "id": 100, "title": "Cause", "type": "text", "required": true }],
    }))
    .await;
    let ticket = create(&account, json!({ "comment": { "body": "c" } })).await;
    let id = &ticket["id"];
    let refused = update(
        &account,
        id,
        json!({ "status": "solved", "comment": { "body": "done" } }),
    )
    .await;
    assert_invalid(
        &refused,
        "base",
        "Assignee: is required when solving a ticket",
    );
    assert_invalid(&refused, "base", "Cause: is required when solving a ticket");
    let problem = &refused.body["details"]["base"][1];
    assert_eq!(
        (
            &problem["error"],
            &problem["ticket_field_id"],
            &problem["ticket_field_type"]
        ),
        (&Value::Null, &json!(100), &json!("FieldText"))
    );
    let assignee = account.get("/api/v2/ticket_fields").await.body["ticket_fields"]
        .as_array()
        .unwrap()
        .iter()
        .find(|field| field["type"] == "assignee")
        .unwrap()["id"]
        .clone();
    assert_eq!(
        refused.body["details"]["base"][0]["ticket_field_id"],
        assignee
    );
    assert_eq!(comments(&account, id).await.len(), 1, "nothing is written");
    let solved = update(
        &account,
        id,
        json!({ "status": "solved", "assignee_email": "ann@example.com", "custom_fields": [{ "id": 100, "value": "x" }] }),
    )
    .await;
    assert_eq!(
        (solved.status, &solved.body["ticket"]["assignee_id"]),
        (200, &json!(5))
    );
}

#[tokio::test]
async fn safe_update_refuses_what_is_outdated_whatever_its_value() {
    let account = account().await;
    let ticket = create(&account, json!({ "comment": { "body": "c" } })).await;
    let id = &ticket["id"];
    let safely = |value: bool, stamp: &Value| json!({ "safe_update": value, "updated_stamp": stamp, "comment": { "body": "d", "public": false } });
    let first = update(&account, id, safely(true, &ticket["updated_at"])).await;
    assert_eq!(first.status, 200);
    for value in [true, false] {
        let repeated = update(&account, id, safely(value, &ticket["updated_at"])).await;
        assert_eq!(
            (repeated.status, &repeated.body["error"]),
            (409, &json!("UpdateConflict"))
        );
    }
    assert_eq!(comments(&account, id).await.len(), 2);
    let fresh = update(
        &account,
        id,
        safely(true, &first.body["ticket"]["updated_at"]),
    )
    .await;
    assert_eq!(fresh.status, 200);
}

#[tokio::test]
async fn omitted_public_flag_follows_the_first_comment() {
    let account = account().await;
    for public in [true, false] {
        let ticket = create(
            &account,
            json!({ "comment": { "body": "c", "public": public } }),
        )
        .await;
        update(
            &account,
            &ticket["id"],
            json!({ "comment": { "body": "d" } }),
        )
        .await;
        update(
            &account,
            &ticket["id"],
            json!({ "comment": { "body": "e", "public": !public } }),
        )
        .await;
        update(
            &account,
            &ticket["id"],
            json!({ "comment": { "body": "f" } }),
        )
        .await;
        let flags: Vec<bool> = comments(&account, &ticket["id"])
            .await
            .iter()
            .map(|comment| comment["public"].as_bool().unwrap())
            .collect();
        assert_eq!(flags, [public, public, !public, public]);
    }
}

#[tokio::test]
async fn placeholders_of_agents_expand_or_vanish() {
    let account =
        account_with(json!({ "end_users": [{ "email": "eve@example.com", "id": 9 }] })).await;
    let check = async |comment: Value, expected: &str| {
        let ticket = create(&account, json!({ "subject": "Title", "comment": comment })).await;
        let expected = expected.replace("<id>", &ticket["id"].to_string());
        assert_eq!(ticket["description"], expected);
    };
    check(
        json!({ "body": "{{ticket.id}} {{ticket.title}} [{{x.y}}]" }),
        "<id> Title []",
    )
    .await;
    check(json!({ "body": r"\{{ticket.id}}" }), "{{ticket.id}}").await;
    check(
        json!({ "html_body": "<p>{{ticket.title}} <code>{{ticket.id}}</code></p>" }),
        "Title {{ticket.id}}",
    )
    .await;
    check(
        json!({ "body": "{{ticket.id}}", "author_id": 9 }),
        "{{ticket.id}}",
    )
    .await;
}

#[tokio::test]
async fn comment_text_is_stripped_collapsed_and_cut() {
    let account = account().await;
    let ticket = create(
        &account,
        json!({ "comment": { "body": "<b>a</b>  b\n\n\nc" } }),
    )
    .await;
    assert_eq!(ticket["description"], "a b\nc");
    let long = create(
        &account,
        json!({ "comment": { "body": "x".repeat(70_000) } }),
    )
    .await;
    assert_eq!(long["description"].as_str().unwrap().len(), 65_536);
}

#[tokio::test]
async fn bad_values_are_refused_by_name() {
    let account = account_with(json!({
        "without_hold": true,
        "end_users": [{ "email": "eve@example.com", "id": 9 }],
        "ticket_fields": [{ "id": 100, "title": "Visit", "type": "date" }],
    }))
    .await;
    for (ticket, field, description) in [
        (
            json!({ "priority": "High" }),
            "priority",
            "Priority: is invalid",
        ),
        (json!({ "type": "bug" }), "type", "Type: is invalid"),
        (json!({ "status": "hold" }), "status", "Status: is invalid"),
        (
            json!({ "requester_id": 1 }),
            "requester",
            "Requester: is invalid",
        ),
        (
            json!({ "assignee_id": 9 }),
            "assignee",
            "Assignee: is invalid",
        ),
        (
            json!({ "assignee_email": "no@example.com" }),
            "assignee",
            "Assignee: is invalid",
        ),
        (
            json!({ "requester": { "email": "new@example.com" } }),
            "requester",
            "Requester: Name: is too short (minimum one character)",
        ),
        (
            json!({ "custom_fields": [{ "id": 100, "value": "tomorrow" }] }),
            "base",
            "Visit: is not properly formatted",
        ),
    ] {
        let mut ticket = ticket;
        ticket["comment"] = json!({ "body": "c" });
        let answer = account.post(TICKETS, &json!({ "ticket": ticket })).await;
        assert_invalid(&answer, field, description);
    }
    assert!(account.control.records("tickets").await.unwrap().is_empty());
    let by_default = self::account().await;
    assert_eq!(
        create(
            &by_default,
            json!({ "status": "hold", "comment": { "body": "c" } })
        )
        .await["status"],
        "hold"
    );
}

#[tokio::test]
async fn requester_is_found_by_address_or_created() {
    let account =
        account_with(json!({ "end_users": [{ "email": "eve@example.com", "id": 9 }] })).await;
    let known = json!({ "requester": { "name": "E", "email": "EVE@example.com" }, "comment": { "body": "c" } });
    assert_eq!(create(&account, known).await["requester_id"], 9);
    let new = json!({ "requester": { "name": "Bob", "email": "bob@example.com" }, "comment": { "body": "c" } });
    let id = create(&account, new.clone()).await["requester_id"].clone();
    assert_eq!(create(&account, new).await["requester_id"], id);
    let users = account.control.records("users").await.unwrap();
    assert!(
        users
            .iter()
            .any(|user| user["id"] == id && user["role"] == "end-user")
    );
}

#[tokio::test]
async fn assigned_ticket_is_no_longer_new() {
    let account =
        account_with(json!({ "agents": [{ "email": "ann@example.com", "id": 5 }] })).await;
    let ticket = create(
        &account,
        json!({ "assignee_id": 5, "comment": { "body": "c" } }),
    )
    .await;
    assert_eq!(
        (&ticket["status"], &ticket["assignee_id"]),
        (&json!("open"), &json!(5))
    );
}

#[tokio::test]
async fn invalid_choice_is_dropped_without_a_word_and_valid_ones_tag() {
    let account = account_with(
        json!({ "ticket_fields": [{ "id": 100, "title": "Colour", "type": "tagger",
        "options": [{ "name": "Red", "value": "red" }, { "name": "Blue", "value": "blue" }] }] }),
    )
    .await;
    let ticket = create(
        &account,
        json!({ "comment": { "body": "c" }, "custom_fields": [{ "id": 100, "value": "Red" }, { "id": 7, "value": 1 }] }),
    )
    .await;
    assert_eq!(
        ticket["custom_fields"],
        json!([{ "id": 100, "value": null }])
    );
    assert_eq!(ticket["fields"], ticket["custom_fields"]);
    let id = &ticket["id"];
    let chosen = update(
        &account,
        id,
        json!({ "custom_fields": [{ "id": 100, "value": "red" }] }),
    )
    .await;
    assert_eq!(chosen.body["ticket"]["custom_fields"][0]["value"], "red");
    assert_eq!(chosen.body["ticket"]["tags"], json!(["red"]));
    let changed = update(
        &account,
        id,
        json!({ "custom_fields": [{ "id": 100, "value": "blue" }] }),
    )
    .await;
    assert_eq!(changed.body["ticket"]["tags"], json!(["blue"]));
    let wiped = update(&account, id, json!({ "tags": ["other"] })).await;
    assert_eq!(
        wiped.body["ticket"]["custom_fields"][0]["value"],
        Value::Null
    );
}

#[tokio::test]
async fn ticket_fields_list_system_and_custom_ones() {
    let account = account_with(
        json!({ "ticket_fields": [{ "id": 100, "title": "Colour", "type": "tagger",
        "required": true, "options": [{ "name": "Red", "value": "red" }] }] }),
    )
    .await;
    let answer = account.get("/api/v2/ticket_fields.json").await;
    let fields = answer.body["ticket_fields"].as_array().unwrap();
    let custom = fields.iter().find(|field| field["id"] == 100).unwrap();
    assert_eq!(custom["custom_field_options"][0]["value"], "red");
    assert_eq!(custom["required"], true);
    let priority = fields
        .iter()
        .find(|field| field["type"] == "priority")
        .unwrap();
    assert_eq!(priority["removable"], true, "removable doesn't mean custom");
    let paged = account.get("/api/v2/ticket_fields?page%5Bsize%5D=1").await;
    assert_eq!(paged.body["ticket_fields"][0]["id"], 100, "by id");
}

#[tokio::test]
async fn system_fields_name_their_choices() {
    for (without_hold, statuses) in [(false, 6), (true, 5)] {
        let account = account_with(json!({ "without_hold": without_hold })).await;
        let answer = account.get("/api/v2/ticket_fields").await;
        let fields = answer.body["ticket_fields"].as_array().unwrap();
        let options = |kind: &str| {
            let field = fields.iter().find(|field| field["type"] == kind).unwrap();
            assert!(field.get("custom_field_options").is_none());
            field["system_field_options"].as_array().map_or(0, Vec::len)
        };
        for (kind, count) in [
            ("subject", 0),
            ("description", 0),
            ("status", statuses),
            ("tickettype", 4),
            ("priority", 4),
            ("group", 0),
            ("assignee", 0),
            ("custom_status", 0),
        ] {
            assert_eq!(options(kind), count, "{kind}");
        }
    }
}

#[tokio::test]
async fn pattern_lookup_and_card_fields_have_their_own_rules() {
    let account = account_with(json!({ "ticket_fields": [
        { "id": 1, "title": "Order", "type": "regexp", "pattern": "[0-9]{4}" },
        { "id": 2, "title": "Owner", "type": "lookup" },
        { "id": 3, "title": "Card", "type": "partialcreditcard" },
    ] }))
    .await;
    let send = |id: u64, value: &str| json!({ "custom_fields": [{ "id": id, "value": value }], "comment": { "body": "c" } });
    for (id, sent, stored) in [
        (1, "1234", "1234"),
        (2, "77", "77"),
        (3, "4111 1111 1111 1111", "XXXXXXXXXXXX1111"),
    ] {
        let ticket = create(&account, send(id, sent)).await;
        let fields = ticket["custom_fields"].as_array().unwrap();
        let field = fields.iter().find(|field| field["id"] == id).unwrap();
        assert_eq!(field["value"], stored);
    }
    let wrong = account
        .post(TICKETS, &json!({ "ticket": send(1, "12345") }))
        .await;
    assert_invalid(&wrong, "base", "Order: is not properly formatted");
}

#[tokio::test]
async fn wrong_api_token_may_be_somebody_anonymous() {
    let mut account = account_with(json!({ "wrong_token_is_anonymous": true,
        "api_tokens": [{ "email": "bot@example.com", "token": "tok" }] }))
    .await;
    account.authorize(Some(basic("bot@example.com/token", "wrong")));
    let me = account.get("/api/v2/users/me.json").await;
    assert_eq!(me.status, 200);
    assert_eq!(me.body["user"]["name"], "Anonymous user");
    assert!(me.body["user"]["id"].is_null());
    assert_eq!(me.body["user"]["role"], "end-user");
    assert_eq!(account.get(TICKETS).await.status, 401);
}

#[tokio::test]
async fn search_finds_parts_and_lags_behind() {
    let account = account_with(json!({
        "agents": [{ "email": "ann@example.com", "name": "Ann Lee", "id": 5 }],
        "end_users": [{ "email": "joann@example.com", "name": "Jo", "id": 6 }],
    }))
    .await;
    let search = async |query: &str| {
        let answer = account
            .get(&format!("/api/v2/users/search.json?{query}"))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let users = answer.body["users"].as_array().unwrap();
        assert_eq!(answer.body["count"], users.len());
        users
            .iter()
            .map(|user| user["id"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(search("query=email%3AANN%40example.com").await, [5, 6]);
    assert_eq!(search("query=lee").await, [5]);
    assert_eq!(search("query=ann+role%3Aend-user").await, [6]);
    assert!(search("external_id=1").await.is_empty());
    create(
        &account,
        json!({ "requester": { "name": "New", "email": "new@example.com" }, "comment": { "body": "c" } }),
    )
    .await;
    assert!(search("query=email%3Anew%40example.com").await.is_empty());
    account
        .control
        .advance_clock(Duration::from_mins(1))
        .await
        .unwrap();
    assert_eq!(search("query=email%3Anew%40example.com").await.len(), 1);
    assert_eq!(account.get("/api/v2/users/search").await.status, 400);
    assert_eq!(
        account.get("/api/v2/users/5.json").await.body["user"]["email"],
        "ann@example.com"
    );
}

#[tokio::test]
async fn tags_can_be_changed_safely() {
    let account = account().await;
    let ticket = create(&account, json!({ "comment": { "body": "c" } })).await;
    let body =
        json!({ "tags": ["a"], "updated_stamp": ticket["updated_at"], "safe_update": "true" });
    let path = format!("{TICKETS}/1/tags");
    assert_eq!(account.put(&path, &body).await.status, 200);
    let outdated =
        json!({ "tags": ["b"], "updated_stamp": ticket["updated_at"], "safe_update": "true" });
    assert_eq!(account.put(&path, &outdated).await.status, 409);
    assert_eq!(account.get(&path).await.body["tags"], json!(["a"]));
    let bare = account.put(&path, &json!({ "tag": "b" })).await;
    assert_eq!(bare.status, 400);
}

#[tokio::test]
async fn only_tasks_are_due() {
    let account = account().await;
    let due = "2026-12-01T10:00:00Z";
    for (kind, stored) in [
        (json!("task"), json!(due)),
        (json!("question"), Value::Null),
    ] {
        let ticket = create(
            &account,
            json!({ "type": kind, "due_at": due, "group_id": 7, "comment": { "html_body": "<b>c</b>" } }),
        )
        .await;
        assert_eq!(ticket["due_at"], stored, "{kind}");
        assert_eq!(ticket["type"], kind);
        assert_eq!(ticket["group_id"], 7);
        assert_eq!(ticket["description"], "c");
    }
    let wrong = account
        .post(
            TICKETS,
            &json!({ "ticket": { "type": "task", "due_at": "tomorrow", "comment": { "body": "c" } } }),
        )
        .await;
    assert_invalid(&wrong, "due_at", "Due at: is invalid");
}
