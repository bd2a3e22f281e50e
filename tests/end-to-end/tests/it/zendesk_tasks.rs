//! Every Zendesk task with every field, and what an account does to them.

use std::collections::BTreeMap;

use domain::TaskKind::{
    self, ZendeskCreateProfile as CreateProfile, ZendeskCreateRecord as CreateRecord,
    ZendeskCreateTicket as CreateTicket, ZendeskUpdateProfile as UpdateProfile,
    ZendeskUpdateRecord as UpdateRecord, ZendeskUpdateTicket as UpdateTicket,
};
use sandbox::{Action, Fault, Match};
use serde_json::{Map, Value, json};

use crate::one_task::{
    Colleague, assert_clean, assert_every_field_of, assert_failed, assert_kept, assert_output,
    assert_warnings, field, perform, perform_all, perform_piped, rows, task,
};
use crate::scene::{LONG, Scene, ZENDESK_TOKEN, eventually};

const AGENT: &str = "agent@example.com";
const ADMIN: &str = "admin@example.com";
const ANN: u64 = 5000;
const EVE: u64 = 5001;

/// A scene with an account of this configuration. An administrator can sign in besides the account's user.
async fn scene(test: &str, mut config: Value) -> Scene {
    let scene = Scene::new(test).await;
    config["api_tokens"] = json!([{"email": AGENT, "token": ZENDESK_TOKEN}]);
    config["users"] = json!([{"username": ADMIN, "password": ADMIN}]);
    scene.zendesk.create(&config).await.unwrap();
    scene
}

/// An account with people, a ticket field of every type, and custom objects.
fn account() -> Value {
    json!({
        "agents": [{"email": "ann@example.com", "name": "Ann", "id": ANN}],
        "end_users": [{"email": "eve@example.com", "name": "Eve", "id": EVE}],
        "ticket_fields": [
            {"id": 100, "title": "Words", "type": "text"},
            {"id": 101, "title": "Again", "type": "checkbox"},
            {"id": 102, "title": "Visited", "type": "date"},
            {"id": 103, "title": "NPS", "type": "integer"},
            {"id": 104, "title": "Spent", "type": "decimal"},
            {"id": 105, "title": "Colour", "type": "tagger", "options": [{"name": "Red", "value": "red"}]},
            {"id": 106, "title": "Missing", "type": "multiselect",
             "options": [{"name": "Heating", "value": "heating"}, {"name": "Light", "value": "light"}]},
            {"id": 107, "title": "Order", "type": "regexp", "pattern": "[0-9]{4}"},
        ],
        "custom_objects": [
            {"key": "shop"},
            {"key": "visit", "fields": [
                {"key": "words", "type": "text"}, {"key": "again", "type": "checkbox"}, {"key": "day", "type": "date"},
                {"key": "nps", "type": "integer"}, {"key": "spent", "type": "decimal"},
                {"key": "order", "type": "regexp", "pattern": "[0-9]{4}"},
                {"key": "mood", "type": "dropdown", "options": [{"name": "Bad", "value": "bad"}]},
                {"key": "missing", "type": "multiselect",
                 "options": [{"name": "Heating", "value": "heating"}, {"name": "Light", "value": "light"}]},
                {"key": "shop", "type": "lookup", "target": "shop"},
            ]},
        ],
    })
}

/// What an administrator does.
async fn by_hand(scene: &Scene, method: &str, path: &str, body: &Value) -> Value {
    let admin = Colleague {
        vendor: &scene.zendesk,
        user: ADMIN,
        password: ADMIN,
    };
    admin.call(method, &format!("/api/v2/{path}"), body).await
}

/// A ticket of somebody else's, with a first comment that everybody may read.
async fn ticket_of_others(scene: &Scene, fields: Value) -> Value {
    let mut ticket = fields;
    ticket["comment"] = json!({"body": "Hello", "public": true});
    by_hand(scene, "POST", "tickets", &json!({ "ticket": ticket })).await
}

/// A ticket, with its custom fields by id, its people as users, and what we last sent for it.
async fn ticket(scene: &Scene, id: &Value) -> Value {
    let mut tickets = scene.tickets().await.into_iter();
    let mut ticket = tickets.find(|ticket| ticket["id"] == *id).unwrap();
    let fields = ticket["custom_fields"].as_array().unwrap().iter();
    let fields = fields.map(|field| (field["id"].to_string(), field["value"].clone()));
    let fields: Map<String, Value> = fields.collect();
    ticket["custom_fields"] = Value::Object(fields);
    let users = scene.zendesk.records("users").await.unwrap();
    for person in ["requester", "assignee"] {
        let id = &ticket[format!("{person}_id")];
        let user = users.iter().find(|user| user["id"] == *id);
        ticket[person] = user.cloned().unwrap_or_default();
    }
    let requests = scene.zendesk.requests().await.unwrap();
    let ours = requests
        .iter()
        .filter(|request| request.user.as_deref() == Some(AGENT));
    let sent = ours
        .filter_map(|request| request.body.get("ticket"))
        .next_back();
    ticket["sent"] = sent.cloned().unwrap_or_default();
    ticket
}

/// That each comment that we sent said whether the requester may see it: Zendesk would decide otherwise.
async fn assert_comments_say_who_may_see_them(scene: &Scene) {
    let mut comments = 0;
    for request in scene.zendesk.requests().await.unwrap() {
        let comment = request.body.pointer("/ticket/comment");
        if let Some(comment) = comment.filter(|_| request.user.as_deref() == Some(AGENT)) {
            assert!(comment["public"].is_boolean(), "{comment}");
            comments += 1;
        }
    }
    assert!(comments > 0, "no comment was sent");
}

fn shown_as_html(html: &str) -> String {
    format!("<div class=\"zd-comment\" dir=\"auto\">{html}</div>")
}

#[tokio::test]
async fn every_field_of_a_new_ticket_is_kept() {
    let scene = scene("zd-create", account()).await;
    let as_text = rows! {
        field("comment", "The shop was cold.", "/comments/0/body", "Survey 42\n \nThe shop was cold.");
        field("description", "Survey 42", "/description", "Survey 42\n \nThe shop was cold.");
        field("public", true, "/comments/0/public", true);
        field("subject", "Größe & <Preis>", "/subject", "Größe & <Preis>");
        field("requester.email", "new@example.com", "/requester/email", "new@example.com");
        field("requester.name", "Nora New", "/requester/name", "Nora New");
        field("organization_id", 7001, "/organization_id", 7001);
        field("group_id", "7002", "/group_id", 7002);
        field("brand_id", 7003, "/brand_id", 7003);
        field("ticket_form_id", 7004, "/ticket_form_id", 7004);
        field("assignee_email", "ann@example.com", "/assignee/email", "ann@example.com");
        field("priority", "Urgent", "/priority", "urgent");
        field("status", "On-hold", "/status", "hold");
        field("type", "Task", "/type", "task");
        field("due_at", "2026-12-01", "/due_at", "2026-12-01T12:00:00Z");
        // Fields with choices add theirs.
        field("tags", "\"Salesforce\", \"360 degrees\"", "/tags", json!(["Salesforce", "360_degrees", "red", "heating", "light"]));
        field("custom_fields.100", "Too cold", "/custom_fields/100", "Too cold");
        field("custom_fields.101", true, "/custom_fields/101", true);
        field("custom_fields.102", "2026-11-20", "/custom_fields/102", "2026-11-20");
        field("custom_fields.103", 2, "/custom_fields/103", "2");
        field("custom_fields.104", 19.5, "/custom_fields/104", "19.5");
        field("custom_fields.105", "red", "/custom_fields/105", "red");
        field("custom_fields.106", json!(["heating", "light"]), "/custom_fields/106", json!(["heating", "light"]));
        field("custom_fields.107", "0042", "/custom_fields/107", "0042");
    };
    // What is filled into HTML is text, whatever it holds.
    let html = "Cold <b>shop</b>";
    let escaped = "Cold &lt;b&gt;shop&lt;&#x2f;b&gt;";
    let as_html = rows! {
        field("html_comment", html, "/comments/0/html_body", shown_as_html(escaped));
        field("requester_id", EVE, "/requester/id", EVE);
        field("assignee_id", ANN.to_string(), "/assignee/id", ANN);
        field("status", "pending", "/status", "pending");
        field("public", "false", "/comments/0/public", false);
    };
    for fields in [&as_text[..], &as_html] {
        let task = perform_piped(&scene, CreateTicket, fields).await;
        let id = &task.output.as_ref().unwrap()["id"];
        let ticket = ticket(&scene, id).await;
        assert_kept(&ticket, fields);
        assert_eq!(ticket["external_id"], task.key.as_str());
        assert_eq!(ticket["comments"].as_array().unwrap().len(), 1);
        let link = format!("{}/agent/tickets/{id}", scene.zendesk.url());
        assert_eq!(task.link.as_ref(), Some(&link));
        let (status, updated_at) = (&ticket["status"], &ticket["updated_at"]);
        let output = json!({"id": id, "status": status, "updated_at": updated_at, "link": link});
        assert_output(&task, output);
    }
    assert_comments_say_who_may_see_them(&scene).await;
    assert_every_field_of(CreateTicket, &[&as_text, &as_html]);
}

#[tokio::test]
async fn every_field_of_a_ticket_update_is_kept() {
    let scene = scene("zd-update", account()).await;
    let tags = json!({"tags": ["old", "stays"]});
    let first = ticket_of_others(&scene, tags.clone()).await;
    let second = ticket_of_others(&scene, tags).await;
    let stamp = &first["updated_at"];
    let replacing = rows! {
        field("ticket_id", first["id"].clone(), "/id", first["id"].clone());
        field("comment", "Cold again.", "/comments/1/body", "Survey 43\n \nCold again.");
        field("description", "Survey 43", "/comments/1/body", "Survey 43\n \nCold again.");
        field("public", true, "/comments/1/public", true);
        field("subject", "After", "/subject", "After");
        field("requester_id", EVE, "/requester/id", EVE);
        field("organization_id", 7001, "/organization_id", 7001);
        field("group_id", 7002, "/group_id", 7002);
        field("brand_id", 7003, "/brand_id", 7003);
        field("ticket_form_id", 7004, "/ticket_form_id", 7004);
        field("assignee_id", ANN, "/assignee/id", ANN);
        field("priority", "low", "/priority", "low");
        field("status", "Pending", "/status", "pending");
        field("type", "task", "/type", "task");
        field("due_at", "2026-12-01T15:30:00+01:00", "/due_at", "2026-12-01T14:30:00Z");
        field("custom_fields.100", "After", "/custom_fields/100", "After");
        field("custom_fields.105", "red", "/custom_fields/105", "red");
        field("tags", json!(["vip"]), "/tags", json!(["vip", "red"]));
        field("safe_update", true, "/sent/safe_update", true);
        field("updated_stamp", stamp.clone(), "/sent/updated_stamp", stamp.clone());
    };
    let html = "Cold <b>again</b>";
    let escaped = "Cold &lt;b&gt;again&lt;&#x2f;b&gt;";
    let adding = rows! {
        field("ticket_id", second["id"].to_string(), "/id", second["id"].clone());
        field("html_comment", html, "/comments/1/html_body", shown_as_html(escaped));
        field("assignee_email", "ann@example.com", "/assignee/email", "ann@example.com");
        field("add_tags", "\"vip\", \"a b\"", "/tags", json!(["stays", "vip", "a_b"]));
        field("remove_tags", json!(["old"]), "/tags", json!(["stays", "vip", "a_b"]));
    };
    for fields in [&replacing[..], &adding] {
        let task = perform_piped(&scene, UpdateTicket, fields).await;
        let id = &task.output.as_ref().unwrap()["id"];
        let ticket = ticket(&scene, id).await;
        assert_kept(&ticket, fields);
        assert_eq!(ticket["description"], "Hello", "the first comment stays");
        assert_eq!(ticket["comments"].as_array().unwrap().len(), 2);
        let (status, updated_at) = (&ticket["status"], &ticket["updated_at"]);
        let output =
            json!({"id": id, "status": status, "updated_at": updated_at, "link": task.link});
        assert_output(&task, output);
    }
    // Not said, and the ticket's comments so far are public.
    let ticket = ticket(&scene, &second["id"]).await;
    assert_eq!(ticket["comments"][1]["public"], false);
    assert_comments_say_who_may_see_them(&scene).await;
    assert_every_field_of(UpdateTicket, &[&replacing, &adding]);
}

#[tokio::test]
async fn every_field_of_a_new_profile_is_kept() {
    let scene = scene("zd-profile", account()).await;
    let fields = profile_fields();
    let task = perform_piped(&scene, CreateProfile, &fields).await;
    let profile = only_profile(&scene).await;
    assert_kept(&profile, &fields);
    assert_profile_output(&scene, &task, &profile);
    assert_every_field_of(CreateProfile, &[&fields]);
}

#[tokio::test]
async fn every_field_of_a_profile_update_is_kept() {
    let scene = scene("zd-profile-up", account()).await;
    let old = json!({"profile": {
        "name": "Before", "identifiers": [{"type": "email", "value": "jane@example.com"}],
        "attributes": {"plan": "silver", "since": "2019"},
    }});
    let path = "user_profiles?identifier=shop:customer:email:jane@example.com";
    by_hand(&scene, "PUT", path, &old).await;
    let fields = profile_fields();
    let task = perform_piped(&scene, UpdateProfile, &fields).await;
    let profile = only_profile(&scene).await;
    assert_kept(&profile, &fields);
    assert_eq!(profile["attributes"]["since"], "2019", "nobody named it");
    assert_profile_output(&scene, &task, &profile);
    assert_every_field_of(UpdateProfile, &[&fields]);
}

fn profile_fields() -> [crate::one_task::Field; 10] {
    rows! {
        field("source", "shop", "/source", "shop");
        field("type", "customer", "/type", "customer");
        field("email", "Jane@Example.com", "/identifiers/email", "jane@example.com");
        field("name", "Jane Doe", "/name", "Jane Doe");
        field("phone", "+49 30 1234", "/identifiers/phone_number", "+49 30 1234");
        field("facebook", "jane.fb", "/identifiers/facebook", "jane.fb");
        field("twitter", "JaneD", "/identifiers/twitter", "janed");
        field("attributes.plan", "gold", "/attributes/plan", "gold");
        field("attributes.visits", 3, "/attributes/visits", "3");
        field("attributes.vip", true, "/attributes/vip", "true");
    }
}

/// The only profile, with its identifiers by type.
async fn only_profile(scene: &Scene) -> Value {
    let profiles = scene.zendesk.records("profiles").await.unwrap();
    let [profile] = profiles.as_slice() else {
        panic!("{profiles:#?}")
    };
    let mut profile = profile.clone();
    let identifiers = profile["identifiers"].as_array().unwrap().iter();
    let identifiers = identifiers.map(|one| {
        let kind = one["type"].as_str().unwrap().to_owned();
        (kind, one["value"].clone())
    });
    let identifiers: Map<String, Value> = identifiers.collect();
    profile["identifiers"] = Value::Object(identifiers);
    profile
}

fn assert_profile_output(scene: &Scene, task: &domain::TaskRun, profile: &Value) {
    let user = profile["user_id"].as_str().unwrap();
    let link = format!("{}/agent/users/{user}", scene.zendesk.url());
    assert_eq!(task.link.as_ref(), Some(&link));
    let (id, name) = (&profile["id"], &profile["name"]);
    assert_output(
        task,
        json!({"id": id, "user_id": user, "name": name, "link": link}),
    );
}

#[tokio::test]
async fn every_field_of_a_record_is_kept_when_it_is_new_and_when_it_is_updated() {
    let scene = scene("zd-record", account()).await;
    let mut shops = Vec::new();
    for shop in ["paris", "rome"] {
        let record = json!({"custom_object_record": {"name": shop, "external_id": shop}});
        let made = by_hand(&scene, "POST", "custom_objects/shop/records", &record).await;
        shops.push(made["id"].clone());
    }
    let new = rows! {
        field("object_type", "visit", "/custom_object_key", "visit");
        field("attributes.name", "Visit 42", "/name", "Visit 42");
        field("attributes.words", "Größe & <Preis>", "/custom_object_fields/words", "Größe & <Preis>");
        field("attributes.again", false, "/custom_object_fields/again", false);
        field("attributes.day", "2026-11-20", "/custom_object_fields/day", "2026-11-20");
        field("attributes.nps", 2, "/custom_object_fields/nps", 2);
        field("attributes.spent", 19.5, "/custom_object_fields/spent", 19.5);
        field("attributes.order", "0042", "/custom_object_fields/order", "0042");
        field("attributes.mood", "bad", "/custom_object_fields/mood", "bad");
        field("attributes.missing", json!(["light"]), "/custom_object_fields/missing", json!(["light"]));
        field("attributes.shop", "external_id:paris", "/custom_object_fields/shop", shops[0].clone());
    };
    let task = perform_piped(&scene, CreateRecord, &new).await;
    let record = only_visit(&scene).await;
    assert_kept(&record, &new);
    assert_eq!(record["external_id"], task.key.as_str());
    let id = record["id"].clone();
    assert_output(
        &task,
        json!({"id": id, "object_type": "visit", "name": "Visit 42"}),
    );

    let update = rows! {
        field("record_id", id.clone(), "/id", id.clone());
        field("object_type", "visit", "/custom_object_key", "visit");
        field("attributes.name", "Visit 43", "/name", "Visit 43");
        field("attributes.again", true, "/custom_object_fields/again", true);
        field("attributes.nps", 9, "/custom_object_fields/nps", 9);
        field("attributes.missing", json!(["heating", "light"]), "/custom_object_fields/missing", json!(["heating", "light"]));
        field("attributes.shop", shops[1].clone(), "/custom_object_fields/shop", shops[1].clone());
        // Left as they are: not named, and named without a value.
        field("attributes.words", " ", "/custom_object_fields/words", "Größe & <Preis>");
    };
    let updating = perform_piped(&scene, UpdateRecord, &update).await;
    let record = only_visit(&scene).await;
    assert_kept(&record, &update);
    assert_eq!(record["custom_object_fields"]["mood"], "bad");
    assert_eq!(record["external_id"], task.key.as_str());
    assert_output(
        &updating,
        json!({"id": id, "object_type": "visit", "name": "Visit 43"}),
    );
    assert_every_field_of(CreateRecord, &[&new]);
    assert_every_field_of(UpdateRecord, &[&update]);
}

async fn only_visit(scene: &Scene) -> Value {
    let records = scene.zendesk.records("custom_objects/visit").await.unwrap();
    let [record] = records.as_slice() else {
        panic!("{records:#?}")
    };
    record.clone()
}

#[tokio::test]
async fn refusal_is_told_with_all_of_its_causes() {
    let mut config = account();
    for field in config["ticket_fields"].as_array_mut().unwrap() {
        field["required"] = json!(field["title"] == "Colour");
    }
    let scene = scene("zd-422", config).await;
    let closed = ticket_of_others(&scene, json!({"status": "closed"})).await;
    let [open, stranger] = [
        ticket_of_others(&scene, json!({})).await,
        ticket_of_others(&scene, json!({})).await,
    ];
    let unsolvable = json!({"status": "solved", "custom_fields": {"107": "42"}});
    let update = |ticket: &Value, fields: &Value| {
        let mut input = fields.clone();
        input["ticket_id"] = ticket["id"].clone();
        input["comment"] = json!("x");
        input
    };
    let mut new = unsolvable.clone();
    new["comment"] = json!("x");
    let unsolved = [
        "HTTP 422",
        "RecordInvalid",
        "Order: is not properly formatted",
        "Assignee: is required when solving a ticket",
        "Colour: is required when solving a ticket",
    ];
    let assignee = json!({"assignee_email": "eve@example.com", "requester_id": 1});
    let rows: [(&str, TaskKind, Value, &[&str]); 5] = [
        ("new", CreateTicket, new, &unsolved),
        ("open", UpdateTicket, update(&open, &unsolvable), &unsolved),
        (
            "closed",
            UpdateTicket,
            update(&closed, &json!({})),
            &[
                "HTTP 422",
                "status",
                "Status: closed prevents ticket update",
            ],
        ),
        (
            "stranger",
            UpdateTicket,
            update(&stranger, &assignee),
            &["Assignee: is invalid", "Requester: is invalid"],
        ),
        (
            "nothing",
            UpdateTicket,
            json!({"ticket_id": 999, "comment": "x"}),
            &["update ticket 999", "HTTP 404", "RecordNotFound"],
        ),
    ];
    let tasks = rows.iter();
    let tasks = tasks.map(|(id, kind, input, _)| task(id, *kind, input.clone()));
    let ended = perform_all(&scene, tasks.collect(), json!({})).await;
    for (id, _, _, words) in rows {
        assert_failed(&ended[id], words);
    }
    let tickets = scene.tickets().await;
    assert_eq!(tickets.len(), 3);
    for ticket in tickets {
        assert_eq!(ticket["comments"].as_array().unwrap().len(), 1, "{ticket}");
    }
}

fn texts(ticket: &Value) -> Vec<&str> {
    let comments = ticket["comments"].as_array().unwrap().iter();
    comments
        .map(|comment| comment["body"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn safe_update_that_somebody_forestalled_is_done_once_for_the_ticket_as_it_is_then() {
    let scene = scene("zd-safe", account()).await;
    let found = ticket_of_others(&scene, json!({"tags": ["old"]})).await;
    let path = format!("tickets/{}", found["id"]);
    let hold = Action::Hold {
        after_write: false,
        ms: 10_000,
    };
    let write = Match {
        method: Some("PUT".to_owned()),
        path_contains: Some(path.clone()),
        ..Match::default()
    };
    let fault = Fault::new(hold).on(write);
    scene.zendesk.add_faults(&[fault]).await.unwrap();
    let input = json!({"ticket_id": found["id"], "safe_update": true, "comment": "Ours", "add_tags": ["vip"]});
    let somebody = async {
        let waiting = async || scene.zendesk.held().await.unwrap().pop();
        eventually("we have read the ticket and write", LONG, waiting).await;
        let change =
            json!({"ticket": {"priority": "high", "comment": {"body": "Theirs", "public": false}}});
        by_hand(&scene, "PUT", &path, &change).await;
        scene.zendesk.release(None).await.unwrap();
    };
    let ours = perform(&scene, UpdateTicket, input, json!({}));
    let (task, ()) = tokio::join!(ours, somebody);
    assert_clean(&task);
    assert_eq!(task.attempts_begun, 2, "{:#?}", task.attempts);
    assert_eq!(task.attempts[0].calls.last().unwrap().status, Some(409));
    let ticket = ticket(&scene, &found["id"]).await;
    assert_eq!(texts(&ticket), ["Hello", "Theirs", "Ours"]);
    assert_eq!(
        (&ticket["priority"], &ticket["tags"]),
        (&json!("high"), &json!(["old", "vip"]))
    );
    assert_comments_say_who_may_see_them(&scene).await;
}

#[tokio::test]
async fn ticket_that_changed_since_the_given_moment_is_left_alone() {
    let scene = scene("zd-stamp", account()).await;
    let found = ticket_of_others(&scene, json!({})).await;
    let path = format!("tickets/{}", found["id"]);
    by_hand(
        &scene,
        "PUT",
        &path,
        &json!({"ticket": {"priority": "high"}}),
    )
    .await;
    let input = json!({"ticket_id": found["id"], "comment": "Ours", "priority": "low",
        "updated_stamp": "{{ event.data.form.seen }}"});
    let task = perform(
        &scene,
        UpdateTicket,
        input,
        json!({"seen": found["updated_at"]}),
    )
    .await;
    assert_eq!(task.state, domain::TaskState::Failed, "{:?}", task.reason);
    let reason = task.reason.unwrap();
    assert!(
        reason.contains("has changed at") && reason.contains("`updated_stamp`"),
        "{reason}"
    );
    let ticket = ticket(&scene, &found["id"]).await;
    assert_eq!(
        (texts(&ticket).len(), &ticket["priority"]),
        (1, &json!("high"))
    );
}

#[tokio::test]
async fn tags_are_set_added_and_taken_away() {
    let scene = scene("zd-tags", account()).await;
    let rows = [
        (
            "set",
            json!({"tags": ["vip", "a b"]}),
            json!(["vip", "a_b"]),
        ),
        (
            "set_none",
            json!({"tags": "", "priority": "low"}),
            json!(["old", "stays"]),
        ),
        (
            "add",
            json!({"add_tags": "vip, old"}),
            json!(["old", "stays", "vip"]),
        ),
        (
            "remove",
            json!({"remove_tags": ["old", "nowhere"]}),
            json!(["stays"]),
        ),
        (
            "both",
            json!({"add_tags": ["vip"], "remove_tags": ["stays"], "safe_update": true}),
            json!(["old", "vip"]),
        ),
        (
            "comment",
            json!({"add_tags": ["vip"], "comment": "x"}),
            json!(["old", "stays", "vip"]),
        ),
    ];
    let mut tasks = Vec::new();
    for (id, fields, _) in &rows {
        let ticket = ticket_of_others(&scene, json!({"tags": ["old", "stays"]})).await;
        let mut input = fields.clone();
        input["ticket_id"] = ticket["id"].clone();
        tasks.push(task(id, UpdateTicket, input));
    }
    let ended = perform_all(&scene, tasks, json!({})).await;
    for (id, _, expected) in rows {
        let task = &ended[id];
        assert_clean(task);
        let ticket = ticket(&scene, &task.output.as_ref().unwrap()["id"]).await;
        assert_eq!(ticket["tags"], expected, "{id}");
    }
}

#[tokio::test]
async fn failure_once_the_comment_is_written_leaves_one_comment_and_the_right_tags() {
    let scene = scene("zd-between", account()).await;
    let unavailable = Action::Status {
        status: 503,
        headers: BTreeMap::new(),
        body: json!("Service unavailable"),
        after_write: false,
    };
    let mut tasks = Vec::new();
    // The call, by its method and the end of its path, and what becomes of it.
    for (id, method, end, action) in [
        ("ticket", "PUT", "?", Action::LoseAnswer),
        ("added", "PUT", "/tags?", Action::LoseAnswer),
        ("refused", "PUT", "/tags?", unavailable),
        ("removed", "DELETE", "/tags?", Action::LoseAnswer),
    ] {
        let ticket = ticket_of_others(&scene, json!({"tags": ["old", "stays"]})).await;
        let call = Match {
            method: Some(method.to_owned()),
            path_contains: Some(format!("tickets/{}{end}", ticket["id"])),
            ..Match::default()
        };
        let fault = Fault::new(action).on(call);
        scene.zendesk.add_faults(&[fault]).await.unwrap();
        let input = json!({"ticket_id": ticket["id"], "comment": "Ours", "add_tags": ["vip"], "remove_tags": ["old"]});
        tasks.push(task(id, UpdateTicket, input));
    }
    let ended = perform_all(&scene, tasks, json!({})).await;
    assert_eq!(ended.len(), 4);
    for task in ended.values() {
        assert_clean(task);
        assert_eq!(
            task.attempts_begun, 2,
            "{}: {:#?}",
            task.name, task.attempts
        );
        let ticket = ticket(&scene, &task.output.as_ref().unwrap()["id"]).await;
        assert_eq!(texts(&ticket), ["Hello", "Ours"], "{}", task.name);
        assert_eq!(ticket["tags"], json!(["stays", "vip"]), "{}", task.name);
    }
    assert_comments_say_who_may_see_them(&scene).await;
}

#[tokio::test]
async fn customers_text_is_never_filled_in_by_zendesk() {
    let scene = scene("zd-strangers", account()).await;
    let found = ticket_of_others(&scene, json!({})).await;
    let text = "{{ticket.id}} {% if x %} {{ 7 * 7 }}";
    let piped = "{{ event.data.form.text }}";
    let tasks = vec![
        task(
            "new",
            CreateTicket,
            json!({"comment": piped, "description": piped, "subject": piped}),
        ),
        task(
            "html",
            CreateTicket,
            json!({"html_comment": "<p>{{ event.data.form.text | escape }}</p>"}),
        ),
        task(
            "update",
            UpdateTicket,
            json!({"ticket_id": found["id"], "comment": piped, "subject": piped}),
        ),
        // Zendesk strips HTML, and what it parted then stands side by side.
        task(
            "stripped",
            CreateTicket,
            json!({"comment": "{<b></b>{ticket.id}}"}),
        ),
    ];
    let ended = perform_all(&scene, tasks, json!({ "text": text })).await;
    let visible = |text: &Value| text.as_str().unwrap().replace('\u{2060}', "");
    for (id, expected) in [
        ("new", format!("{text}\n \n{text}")),
        ("html", text.to_owned()),
        ("stripped", "{{ticket.id}}".to_owned()),
        ("update", text.to_owned()),
    ] {
        assert_clean(&ended[id]);
        let ticket = ticket(&scene, &ended[id].output.as_ref().unwrap()["id"]).await;
        let comment = ticket["comments"].as_array().unwrap().last().unwrap();
        assert_eq!(visible(&comment["body"]), expected, "{id}");
        if ["new", "update"].contains(&id) {
            assert_eq!(visible(&ticket["subject"]), text, "{id}");
        }
    }
}

#[tokio::test]
async fn profile_that_is_created_again_is_added_to() {
    let scene = scene("zd-merge", account()).await;
    let input = json!({
        "source": "shop", "type": "customer", "email": "{{ event.data.form.email }}", "name": "{{ event.data.form.name }}",
        "attributes": {"plan": "{{ event.data.form.plan }}", "nps": "{{ event.data.form.nps }}"},
    });
    let first = json!({"email": "jane@example.com", "name": "Jane Doe", "plan": "gold"});
    let made = perform(&scene, CreateProfile, input.clone(), first).await;
    assert_clean(&made);
    let again = json!({"email": "JANE@example.com", "nps": 3});
    let merged = perform(&scene, CreateProfile, input, again).await;
    assert_warnings(
        &merged,
        &[&["the profile was there already", "nothing of it was lost"]],
    );
    let profile = only_profile(&scene).await;
    assert_eq!(
        (&profile["name"], &profile["attributes"]),
        (&json!("Jane Doe"), &json!({"plan": "gold", "nps": "3"}))
    );
    assert_eq!(merged.output, made.output);
    let writes = scene.zendesk.requests().await.unwrap().into_iter();
    assert_eq!(writes.filter(|request| request.method == "PUT").count(), 1);
}

#[tokio::test]
async fn profile_of_nobody_is_not_updated() {
    let scene = scene("zd-nobody", account()).await;
    let known = json!({"source": "shop", "type": "customer", "email": "jane@example.com"});
    assert_clean(&perform(&scene, CreateProfile, known.clone(), json!({})).await);
    let other = |field: &str, value: &str| {
        let mut input = known.clone();
        input[field] = json!(value);
        input["name"] = json!("Mallory");
        input
    };
    let tasks = vec![
        task(
            "email",
            UpdateProfile,
            other("email", "mallory@example.com"),
        ),
        task("source", UpdateProfile, other("source", "web")),
        task("type", UpdateProfile, other("type", "lead")),
    ];
    let ended = perform_all(&scene, tasks, json!({})).await;
    assert_eq!(ended.len(), 3);
    for task in ended.values() {
        let words = [
            "HTTP 404",
            "Profile not found",
            "no such profile: source, type and e-mail address must all match",
        ];
        assert_failed(task, &words);
    }
    assert_eq!(only_profile(&scene).await["name"], "jane@example.com");
}

#[tokio::test]
async fn lost_answer_about_a_record_or_profile_leaves_one() {
    let scene = scene("zd-lost", account()).await;
    let faults =
        [("PATCH", "custom_objects/visit"), ("PUT", "user_profiles")].map(|(method, path)| {
            let write = Match {
                method: Some(method.to_owned()),
                path_contains: Some(path.to_owned()),
                ..Match::default()
            };
            Fault::new(Action::LoseAnswer).on(write)
        });
    scene.zendesk.add_faults(&faults).await.unwrap();
    let record = json!({"object_type": "visit", "attributes": {"name": "Visit 42", "nps": 2}});
    let profile = json!({"source": "shop", "type": "customer", "email": "jane@example.com", "attributes": {"plan": "gold"}});
    let tasks = vec![
        task("record", CreateRecord, record),
        task("profile", CreateProfile, profile),
    ];
    let ended = perform_all(&scene, tasks, json!({})).await;
    for (id, task) in &ended {
        assert_eq!(task.attempts_begun, 2, "{id}: {:#?}", task.attempts);
    }
    assert_clean(&ended["record"]);
    assert_warnings(&ended["profile"], &[&["perhaps from an earlier attempt"]]);
    let visit = only_visit(&scene).await;
    assert_eq!(ended["record"].output.as_ref().unwrap()["id"], visit["id"]);
    assert_eq!(visit["custom_object_fields"]["nps"], 2);
    assert_eq!(only_profile(&scene).await["attributes"]["plan"], "gold");
}

#[tokio::test]
async fn what_the_account_dropped_or_changed_is_a_warning() {
    let scene = scene("zd-kept", account()).await;
    let trigger = |property: &str, value: &str, drop: &[&str]| Action::Keep {
        set: BTreeMap::from([(property.to_owned(), json!(value))]),
        drop: drop.iter().map(|property| (*property).to_owned()).collect(),
    };
    let on = |path: &str| Match {
        path_contains: Some(path.to_owned()),
        ..Match::default()
    };
    let faults = [
        Fault::new(trigger("priority", "low", &["group_id"])).on(on("/tickets")),
        Fault::new(trigger("attributes.plan", "silver", &["attributes.nps"])).on(Match {
            method: Some("PUT".to_owned()),
            ..on("user_profiles")
        }),
    ];
    scene.zendesk.add_faults(&faults).await.unwrap();
    let tasks = vec![
        task(
            "ticket",
            CreateTicket,
            json!({
                "comment": "x", "priority": "high", "group_id": 7002, "custom_fields": {"105": "blue", "999": "x"},
            }),
        ),
        task(
            "profile",
            CreateProfile,
            json!({
                "source": "shop", "type": "customer", "email": "jane@example.com", "attributes": {"plan": "gold", "nps": 3},
            }),
        ),
        task(
            "record",
            CreateRecord,
            json!({
                "object_type": "visit", "attributes": {"name": "Visit 42", "words": "x", "weather": "rain"},
            }),
        ),
    ];
    let ended = perform_all(&scene, tasks, json!({})).await;
    assert_warnings(
        &ended["ticket"],
        &[
            &["`priority`", "sent `high`, kept `low`"],
            &["`group_id`", "sent `7002`, kept nothing"],
            &[
                "`custom_fields.105`",
                "sent `blue`, kept nothing",
                "options",
            ],
            &["`custom_fields.999`", "may not have that field"],
        ],
    );
    assert_warnings(
        &ended["profile"],
        &[
            &["`attributes.plan`", "sent `gold`, kept `silver`"],
            &["`attributes.nps`", "does not have it"],
        ],
    );
    assert_warnings(
        &ended["record"],
        &[&["`custom_object_fields.weather`", "does not have it"]],
    );
    assert_eq!(scene.zendesk.faults().await.unwrap(), []);
}

#[tokio::test]
async fn record_that_the_account_refuses_tells_which_attribute() {
    let mut config = account();
    config["unknown_fields"] = json!("refuse");
    let scene = scene("zd-refused", config).await;
    let record = |attributes: Value| json!({"object_type": "visit", "attributes": attributes});
    let rows: [(&str, TaskKind, Value, &[&str]); 4] = [
        (
            "unknown",
            CreateRecord,
            record(json!({"name": "x", "weather": "rain"})),
            &["HTTP 422", "weather: is no field"],
        ),
        (
            "wrong",
            CreateRecord,
            record(json!({"name": "x", "nps": "two", "mood": "odd"})),
            &["nps: is invalid", "mood: is invalid"],
        ),
        (
            "no_object",
            CreateRecord,
            json!({"object_type": "nothing"}),
            &["HTTP 404", "no such custom object"],
        ),
        (
            "no_record",
            UpdateRecord,
            json!({"object_type": "visit", "record_id": "01GDXYEY1FQYN066VHF49YHJ21", "attributes": {"nps": 1}}),
            &["HTTP 404", "no such record of this custom object"],
        ),
    ];
    let tasks = rows.iter();
    let tasks = tasks.map(|(id, kind, input, _)| task(id, *kind, input.clone()));
    let ended = perform_all(&scene, tasks.collect(), json!({})).await;
    for (id, _, _, words) in rows {
        assert_failed(&ended[id], words);
    }
    assert_eq!(
        scene.zendesk.records("custom_objects/visit").await.unwrap(),
        [json!(null); 0]
    );
}
