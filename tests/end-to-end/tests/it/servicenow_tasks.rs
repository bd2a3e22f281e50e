//! Every ServiceNow task with every field, and what an instance does to them.

use std::collections::BTreeMap;

use domain::TaskKind;
use domain::TaskKind::{ServiceNowCreateRecord as Create, ServiceNowUpdateRecord as Update};
use sandbox::{Action, Fault, Match, RecordedRequest};
use serde_json::{Value, json};

use crate::one_task::{
    Colleague, Field, assert_clean, assert_every_field_of, assert_failed, assert_kept,
    assert_output, assert_warnings, field, perform, perform_all, perform_piped, rows, task,
};
use crate::scene::{LONG, SERVICENOW_PASSWORD, Scene, eventually};

const JANE: &str = "6816f79cc0a8016401c5a33be04be441";
const CALLER: &str = "5137153cc611227c000bbd1bd8cd2005";
const DESK: &str = "d625dccec0a8016700a222a0f7900d06";
const ADMIN: &str = "admin";

/// A scene with an instance of this configuration. An administrator can sign in besides the account's user.
async fn scene(test: &str, mut config: Value) -> Scene {
    let scene = Scene::new(test).await;
    config["users"] = json!([
        {"username": "api", "password": SERVICENOW_PASSWORD}, {"username": ADMIN, "password": ADMIN}
    ]);
    scene.servicenow.create(&config).await.unwrap();
    scene
}

/// Jane and the service desk each have a namesake who is no longer active.
fn people() -> Value {
    json!({
        "people": [
            {"name": "Jane Doe", "email": "jane@example.com", "user_name": "jane", "sys_id": JANE},
            {"name": "Jane Doe", "email": "jane@example.com", "user_name": "jane.old", "active": false},
            {"name": "Carl Caller", "email": "carl@example.com", "sys_id": CALLER},
            {"name": "Gone Girl", "email": "gone@example.com", "active": false},
            {"name": "Hidden Harry", "email": "harry@example.com", "user_name": "hidden"},
            {"name": "First Twin", "email": "twin@example.com"},
            {"name": "Second Twin", "email": "twin@example.com"},
        ],
        "groups": [{"name": "Service Desk", "sys_id": DESK}, {"name": "Service Desk", "active": false}],
        "hidden_rows": {"sys_user": "user_name=hidden", "incident": "short_description=Secret"},
        "tables": {
            "incident": {"columns": {"u_nps": "integer", "u_again": "boolean", "u_shop": {"string": 8}}},
            "u_visit": {"columns": {"u_text": "text"}},
        },
    })
}

/// What an administrator does.
async fn by_hand(scene: &Scene, method: &str, path: &str, fields: &Value) -> Value {
    let admin = Colleague {
        vendor: &scene.servicenow,
        user: ADMIN,
        password: ADMIN,
    };
    let path = format!("/api/now/table/{path}");
    admin.call(method, &path, fields).await
}

/// A record; its journals as lists of their texts.
async fn record(scene: &Scene, table: &str, sys_id: &Value) -> Value {
    let records = scene.servicenow.records(table).await.unwrap();
    let found = records
        .into_iter()
        .find(|record| record["sys_id"] == *sys_id);
    let mut record = found.unwrap();
    for journal in ["comments", "work_notes"] {
        let entries = record["journal"].as_array().unwrap();
        let entries = entries.iter().filter(|entry| entry["column"] == journal);
        record[journal] = entries.map(|entry| entry["text"].clone()).collect();
    }
    record
}

/// The requests of the account's own user.
async fn ours(scene: &Scene) -> Vec<RecordedRequest> {
    let requests = scene.servicenow.requests().await.unwrap();
    requests
        .into_iter()
        .filter(|request| request.user.as_deref() != Some(ADMIN))
        .collect()
}

#[tokio::test]
async fn every_field_of_a_new_record_is_kept() {
    let scene = scene("sn-create", people()).await;
    let fields = rows! {
        field("table", "incident", "/sys_class_name", "incident");
        field("assignment_group.name", "Service Desk", "/assignment_group", DESK);
        field("assigned_to.email", "jane@example.com", "/assigned_to", JANE);
        field("urgency", "High", "/urgency", "1");
        field("impact", 2, "/impact", "2");
        field("state", "On hold", "/state", "3");
        field("comment", "Which shop was it?", "/comments", json!(["Which shop was it?"]));
        field("work_note", "Asked.", "/work_notes", json!(["Asked."]));
        field("description", "Cold.\nAnd slow.", "/description", "Cold.\nAnd slow.");
        field("short_description", "Größe & <Preis>", "/short_description", "Größe & <Preis>");
        field("fields.hold_reason", 1, "/hold_reason", "1");
        field("fields.caller_id", CALLER, "/caller_id", CALLER);
        field("fields.u_nps", 3, "/u_nps", "3");
        field("fields.u_again", false, "/u_again", "false");
        field("fields.watch_list", json!([JANE, "a@b.c"]), "/watch_list", format!("{JANE},a@b.c"));
    };
    let made = by_hand(&scene, "POST", "incident", &json!({})).await;
    let task = perform_piped(&scene, Create, &fields).await;
    let link = task.link.clone().unwrap();
    let sys_id = task.output.as_ref().unwrap()["sys_id"].clone();
    let record = record(&scene, "incident", &sys_id).await;
    assert_kept(&record, &fields);
    assert_eq!(record["correlation_id"], task.key.as_str());
    let number = &record["number"];
    assert_ne!(*number, made["number"]);
    assert!(
        link.starts_with(scene.servicenow.url()) && link.ends_with(sys_id.as_str().unwrap()),
        "{link}"
    );
    let output = json!({"table": "incident", "sys_id": sys_id, "number": number, "link": link});
    assert_output(&task, output);
    assert_every_field_of(Create, &[&fields]);
}

#[tokio::test]
async fn every_field_of_an_update_is_kept_in_the_one_record_that_it_names() {
    let scene = scene("sn-update", people()).await;
    let old =
        json!({"short_description": "Before", "description": "Before", "category": "hardware"});
    let [by_number, by_sys_id, other] = [
        by_hand(&scene, "POST", "incident", &old).await,
        by_hand(&scene, "POST", "incident", &old).await,
        by_hand(&scene, "POST", "incident", &old).await,
    ];
    let common = |assigned_to, person: &str, group_by, group: &str| {
        rows! {
            field("table", "incident", "/sys_class_name", "incident");
            field(assigned_to, person, "/assigned_to", JANE);
            field(group_by, group, "/assignment_group", DESK);
            field("urgency", 1, "/urgency", "1");
            field("impact", "medium", "/impact", "2");
            field("state", "resolved", "/state", "6");
            field("comment", "Sorted out.", "/comments", json!(["Sorted out."]));
            field("work_note", "By phone.", "/work_notes", json!(["By phone."]));
            field("description", "After", "/description", "After");
            field("short_description", "After", "/short_description", "After");
            field("fields.close_code", "Solution provided", "/close_code", "Solution provided");
            field("fields.close_notes", "Heated.", "/close_notes", "Heated.");
            field("fields.u_nps", 10, "/u_nps", "10");
        }
    };
    let named = |key, record: &Value, common: [Field; 13]| -> Vec<Field> {
        let value = record[key].as_str().unwrap();
        let pointer = if key == "number" {
            "/number"
        } else {
            "/sys_id"
        };
        common
            .into_iter()
            .chain([field(key, value, pointer, value)])
            .collect()
    };
    let people = common(
        "assigned_to.user_name",
        "jane",
        "assignment_group.name",
        "Service Desk",
    );
    let ids = common("assigned_to", JANE, "assignment_group", DESK);
    let tables = [
        named("number", &by_number, people),
        named("sys_id", &by_sys_id, ids),
    ];
    for (fields, target) in tables.iter().zip([&by_number, &by_sys_id]) {
        let task = perform_piped(&scene, Update, fields).await;
        let sys_id = &target["sys_id"];
        let record = record(&scene, "incident", sys_id).await;
        assert_kept(&record, fields);
        assert_eq!(record["category"], "hardware", "nobody named it");
        let link = task.link.clone();
        let output = json!({"table": "incident", "sys_id": sys_id, "number": target["number"], "link": link});
        assert_output(&task, output);
    }
    let untouched = record(&scene, "incident", &other["sys_id"]).await;
    assert_eq!(untouched["sys_mod_count"], "0");
    assert_every_field_of(Update, &[&tables[0], &tables[1]]);
}

#[tokio::test]
async fn people_and_groups_are_found_by_what_is_known_of_them() {
    let scene = scene("sn-people", people()).await;
    let rows = [
        ("id", json!({"assigned_to": "{{ event.data.form.id }}"})),
        (
            "email",
            json!({"assigned_to": {"email": "{{ event.data.form.email }}"}}),
        ),
        (
            "name",
            json!({"assigned_to": {"name": "{{ event.data.form.name }}"}}),
        ),
        (
            "user_name",
            json!({"assigned_to": {"user_name": "{{ event.data.form.user_name }}"}}),
        ),
        (
            "group",
            json!({"assignment_group": {"name": "{{ event.data.form.group }}"}}),
        ),
        (
            "group_id",
            json!({"assignment_group": "{{ event.data.form.group_id }}"}),
        ),
        (
            "nobody_given",
            json!({"assigned_to": {"email": "{{ event.data.form.nothing }}"}}),
        ),
    ];
    let tasks = rows.iter().map(|(id, input)| {
        let mut input = input.clone();
        input["table"] = json!("incident");
        task(id, Create, input)
    });
    let form = json!({
        // Left by hand in a form: in the wrong case, with space around it.
        "id": format!(" {} ", JANE.to_uppercase()), "email": " jane@example.com", "name": "Jane Doe", "user_name": "jane",
        "group": "Service Desk", "group_id": DESK,
    });
    let ended = perform_all(&scene, tasks.collect(), form).await;
    for (id, input) in rows {
        let task = &ended[id];
        assert_clean(task);
        let record = record(&scene, "incident", &task.output.as_ref().unwrap()["sys_id"]).await;
        let (person, group) = match (id, input.get("assigned_to")) {
            ("nobody_given", _) => ("", ""),
            (_, Some(_)) => (JANE, ""),
            (_, None) => ("", DESK),
        };
        assert_eq!(record["assigned_to"], person, "{id}");
        assert_eq!(record["assignment_group"], group, "{id}");
    }
}

/// Performs each of these and checks that it fails in these words.
async fn assert_all_fail(scene: &Scene, rows: &[(&str, TaskKind, Value, &[&str])]) {
    let tasks = rows.iter();
    let tasks = tasks.map(|(id, kind, input, _)| task(id, *kind, input.clone()));
    let ended = perform_all(scene, tasks.collect(), json!({})).await;
    for (id, _, _, words) in rows {
        assert_failed(&ended[*id], words);
    }
}

/// An incident for whoever is looked up so.
fn incident(field: &str, key: &str, value: &str) -> Value {
    // A text of a template, so that it is not checked before the task runs.
    json!({"table": "incident", field: {key: format!("{{{{ '{value}' }}}}")}})
}

#[tokio::test]
async fn who_cannot_be_told_for_sure_gets_nothing() {
    let scene = scene("sn-nobody", people()).await;
    assert_all_fail(
        &scene,
        &[
            (
                "twins",
                Create,
                incident("assigned_to", "email", "twin@example.com"),
                &[
                    "`assigned_to`",
                    "`email` `twin@example.com`",
                    "several",
                    "`sys_id`",
                ],
            ),
            (
                "stranger",
                Create,
                incident("assigned_to", "user_name", "nobody"),
                &["`assigned_to`", "`user_name` `nobody`", "no row"],
            ),
            (
                "hidden",
                Create,
                incident("assigned_to", "email", "harry@example.com"),
                &["`assigned_to`", "`harry@example.com`", "may not read"],
            ),
            (
                "inactive",
                Create,
                incident("assigned_to", "name", "Gone Girl"),
                &["`assigned_to`", "`name` `Gone Girl`", "inactive"],
            ),
            (
                "group",
                Create,
                incident("assignment_group", "name", "service desk"),
                &[
                    "`assignment_group`",
                    "`name` `service desk`",
                    "letter for letter",
                ],
            ),
        ],
    )
    .await;
    assert_eq!(scene.incidents().await, [json!(null); 0]);
    let written = ours(&scene).await.into_iter();
    assert_eq!(written.filter(|request| request.method != "GET").count(), 0);
}

#[tokio::test]
async fn value_that_would_change_a_query_never_leaves() {
    let scene = scene("sn-query", people()).await;
    let number = json!({"table": "incident", "short_description": "x",
        "number": "{{ 'INC0010001^ORnumberISNOTEMPTY' }}"});
    assert_all_fail(
        &scene,
        &[
            (
                "email",
                Create,
                incident("assigned_to", "email", "a@b.c^ORactive=true"),
                &[
                    "assigned_to",
                    "email",
                    "`a@b.c^ORactive=true`",
                    "without `^`",
                ],
            ),
            (
                "name",
                Create,
                incident("assigned_to", "name", "x^NQactive=true"),
                &["assigned_to", "name", "`x^NQactive=true`", "without `^`"],
            ),
            (
                "script",
                Create,
                incident("assigned_to", "user_name", "JavaScript:gs.getUserID()"),
                &[
                    "assigned_to",
                    "user_name",
                    "`JavaScript:gs.getUserID()`",
                    "`javascript:`",
                ],
            ),
            (
                "group",
                Create,
                incident("assignment_group", "name", "x^ORname!=x"),
                &["assignment_group", "name", "`x^ORname!=x`", "without `^`"],
            ),
            (
                "number",
                Update,
                number,
                &["number", "`INC0010001^ORnumberISNOTEMPTY`", "without `^`"],
            ),
        ],
    )
    .await;
    assert_eq!(scene.servicenow.requests().await.unwrap(), []);
}

#[tokio::test]
async fn other_record_than_the_one_named_is_never_updated() {
    let scene = scene("sn-wrong", people()).await;
    // The only row, and the instance drops a condition on a column that the table does not have.
    by_hand(&scene, "POST", "u_visit", &json!({"u_text": "Before"})).await;
    let secret = by_hand(
        &scene,
        "POST",
        "incident",
        &json!({"short_description": "Secret"}),
    )
    .await;
    by_hand(
        &scene,
        "POST",
        "incident",
        &json!({"short_description": "Before"}),
    )
    .await;
    let (number, sys_id) = (secret["number"].as_str(), secret["sys_id"].as_str());
    let (number, sys_id) = (number.unwrap(), sys_id.unwrap());
    let update = |table: &str, key: &str, value: &str| json!({"table": table, key: value, "fields": {"u_text": "After"}, "description": "After"});
    assert_all_fail(
        &scene,
        &[
            (
                "no_column",
                Update,
                update("u_visit", "number", "V1"),
                &["u_visit", "number"],
            ),
            (
                "no_record",
                Update,
                update("incident", "number", "INC7654321"),
                &["no record", "INC7654321", "may not read"],
            ),
            (
                "hidden",
                Update,
                update("incident", "number", number),
                &["no record", number],
            ),
            (
                "hidden_id",
                Update,
                update("incident", "sys_id", sys_id),
                &["no record", sys_id, "No Record found"],
            ),
            (
                "no_table",
                Update,
                update("u_nowhere", "number", "V1"),
                &["Invalid table u_nowhere"],
            ),
        ],
    )
    .await;
    for table in ["u_visit", "incident"] {
        for record in scene.servicenow.records(table).await.unwrap() {
            assert_eq!(record["sys_mod_count"], "0", "{record}");
        }
    }
}

#[tokio::test]
async fn data_policy_tells_what_to_add() {
    let mut config = people();
    config["mandatory_fields"] =
        json!({"incident": ["caller_id", "assignment_group", "comments", "u_shop"]});
    let scene = scene("sn-policy", config).await;
    let mut input = json!({"table": "incident", "short_description": "x"});
    let task = perform(&scene, Create, input.clone(), json!({})).await;
    assert_failed(
        &task,
        &[
            "HTTP 403",
            "Data Policy Exception: The following fields are mandatory: Caller, Assignment group, Additional comments, Shop",
            "`fields.caller_id` (Caller)",
            "`assignment_group` (Assignment group)",
            "`comment` (Additional comments)",
            "the column labelled Shop under `fields`",
        ],
    );
    assert_eq!(scene.incidents().await.len(), 0);
    // Whoever does as it says gets through.
    input["fields"] = json!({"caller_id": CALLER, "u_shop": "Paris"});
    input["assignment_group"] = json!(DESK);
    input["comment"] = json!("Hello");
    assert_clean(&perform(&scene, Create, input, json!({})).await);
}

/// The steps that a change must have gone before it can go to the next.
const CHANGE_STEPS: [&str; 5] = ["-4", "-3", "-2", "-1", "0"];

#[tokio::test]
async fn word_for_a_state_becomes_the_tables_own_number() {
    let scene = scene("sn-states", people()).await;
    let closed = json!({"close_code": "Solution provided", "close_notes": "Heated."});
    let successful = json!({"close_code": "successful", "close_notes": "Heated."});
    let waits = json!({"on_hold_reason": "Waits for parts"});
    let held = json!({"on_hold": "true", "on_hold_reason": "Waits for parts"});
    let state = |number: &str| json!({"state": number});
    // Table, how many steps a change has gone before, word, what else it needs, and what the record then holds.
    let rows = [
        ("incident", 0, "in_progress", json!({}), state("2")),
        (
            "incident",
            0,
            "on_hold",
            json!({"hold_reason": 4}),
            state("3"),
        ),
        ("incident", 0, "resolved", closed.clone(), state("6")),
        ("incident", 0, "closed", closed, state("7")),
        ("incident", 0, "canceled", json!({}), state("8")),
        ("change_request", 3, "in_progress", json!({}), state("-1")),
        ("change_request", 4, "on_hold", waits.clone(), held.clone()),
        ("change_request", 5, "closed", successful, state("3")),
        ("change_request", 2, "canceled", json!({}), state("4")),
        ("change_task", 0, "in_progress", json!({}), state("2")),
        ("change_task", 0, "on_hold", waits, held),
        ("change_task", 0, "closed", json!({}), state("3")),
        ("change_task", 0, "canceled", json!({}), state("4")),
        ("ticket", 0, "in_progress", json!({}), state("2")),
        ("ticket", 0, "closed", json!({}), state("3")),
        ("ticket", 0, "canceled", json!({}), state("4")),
    ];
    let mut tasks = Vec::new();
    let mut sys_ids = Vec::new();
    for (row, (table, steps, word, needs, _)) in rows.iter().enumerate() {
        let new = json!({"assignment_group": DESK});
        let sys_id = by_hand(&scene, "POST", table, &new).await["sys_id"].clone();
        let path = format!("{table}/{}", sys_id.as_str().unwrap());
        for state in CHANGE_STEPS.iter().take(*steps) {
            by_hand(&scene, "PATCH", &path, &json!({"state": state})).await;
        }
        let input = json!({"table": table, "sys_id": sys_id, "fields": needs,
            "state": format!("{{{{ event.data.form.s{row} }}}}")});
        tasks.push((format!("t{row}"), input, *word));
        sys_ids.push(sys_id);
    }
    let words = tasks.iter().enumerate();
    let form = words.map(|(row, (_, _, word))| (format!("s{row}"), json!(word)));
    let form = Value::Object(form.collect());
    let tasks = tasks.iter();
    let tasks = tasks.map(|(id, input, _)| task(id, Update, input.clone()));
    let ended = perform_all(&scene, tasks.collect(), form).await;
    for (row, (table, _, word, _, expected)) in rows.iter().enumerate() {
        assert_clean(&ended[&format!("t{row}")]);
        let record = record(&scene, table, &sys_ids[row]).await;
        for (column, value) in expected.as_object().unwrap() {
            assert_eq!(record[column], *value, "{table} {word}");
        }
    }
}

/// Recent instances let nobody write a problem's state, so what can be seen is what is sent, and that it is told.
#[tokio::test]
async fn state_of_a_problem_is_sent_as_its_number_and_its_loss_is_told() {
    let scene = scene("sn-problem", people()).await;
    let fixed = json!({"resolution_code": "fix_applied", "cause_notes": "Old.", "fix_notes": "New.", "close_notes": "New."});
    let rows = [
        ("in_progress", "In progress", json!({}), "104", None),
        (
            "resolved",
            "resolved",
            fixed.clone(),
            "106",
            Some("fix_applied"),
        ),
        ("closed", "closed", fixed, "107", Some("fix_applied")),
        (
            "canceled",
            "cancelled",
            json!({"close_notes": "No."}),
            "107",
            Some("canceled"),
        ),
    ];
    let tasks = rows.iter().map(|(id, word, needs, _, _)| {
        task(
            id,
            Create,
            json!({"table": "problem", "state": word, "fields": needs}),
        )
    });
    let ended = perform_all(&scene, tasks.collect(), json!({})).await;
    let requests = ours(&scene).await;
    for (id, _, _, number, resolution) in rows {
        let task = &ended[id];
        let kept = format!("sent `{number}`, kept `101`");
        assert_warnings(
            task,
            &[&["`state`", &kept, "move a problem by its own actions"]],
        );
        let bodies = requests.iter().map(|request| &request.body);
        let mut bodies = bodies.filter(|body| body["correlation_id"] == task.key.as_str());
        let body = bodies.next().unwrap();
        assert_eq!(body["state"], number);
        assert_eq!(
            body.get("resolution_code").and_then(Value::as_str),
            resolution
        );
    }
}

#[tokio::test]
async fn field_that_the_instance_dropped_or_changed_is_a_warning() {
    let mut config = people();
    config["read_only_columns"] = json!({"incident": ["category"]});
    let scene = scene("sn-kept", config).await;
    let rules = Action::Keep {
        set: BTreeMap::from([("urgency".to_owned(), json!("3"))]),
        drop: vec!["impact".to_owned(), "u_nps".to_owned()],
    };
    let writes =
        ["POST", "PATCH"].map(|method| Fault::new(rules.clone()).on(Match::method(method)));
    let found = by_hand(&scene, "POST", "incident", &json!({})).await;
    scene.servicenow.add_faults(&writes).await.unwrap();
    let fields = json!({"category": "network", "u_nps": 3, "u_shop": "Paris, rue de Rivoli", "u_nowhere": "x"});
    let mut input = json!({
        "table": "incident", "short_description": "x".repeat(200), "urgency": "high", "impact": "high", "fields": fields,
    });
    for kind in [Create, Update] {
        let task = perform(&scene, kind, input.clone(), json!({})).await;
        assert_warnings(
            &task,
            &[
                &["`urgency`", "sent `1`, kept `3`"],
                &["`impact`", "sent `1`, kept `3`"],
                &["`category`", "sent `network`, kept `inquiry`"],
                &["`u_nps`", "sent `3`, kept nothing"],
                &["`u_shop`", "sent `Paris, rue de Rivoli`, kept `Paris, r`"],
                &["`u_nowhere`", "no such column"],
                &["`short_description`", "sent 200 characters, kept 160"],
            ],
        );
        input["sys_id"] = found["sys_id"].clone();
    }
    assert_eq!(scene.servicenow.faults().await.unwrap(), []);
}

/// The longest wait here: an instance is given half a minute to finish what it did not answer.
#[tokio::test]
async fn lost_answer_to_an_update_leaves_one_comment_and_what_others_did_meanwhile() {
    let scene = scene("sn-lost", people()).await;
    let found = by_hand(&scene, "POST", "incident", &json!({})).await;
    let sys_id = &found["sys_id"];
    let fault = Fault::new(Action::LoseAnswer).on(Match::method("PATCH"));
    scene.servicenow.add_faults(&[fault]).await.unwrap();
    let input = json!({"table": "incident", "number": found["number"], "urgency": "high", "impact": "high",
        "comment": "{{ event.data.form.text }}", "work_note": "{{ event.data.form.text }}"});
    let text = "Cold.\nAnd slow.";
    let somebody = async {
        let written =
            async || (record(&scene, "incident", sys_id).await["urgency"] == "1").then_some(());
        eventually("the update has arrived", LONG, written).await;
        let path = format!("incident/{}", sys_id.as_str().unwrap());
        by_hand(&scene, "PATCH", &path, &json!({"urgency": "2"})).await;
    };
    let ours = perform(&scene, Update, input, json!({ "text": text }));
    let (task, ()) = tokio::join!(ours, somebody);
    assert_warnings(
        &task,
        &[&[
            "found in the journal from an earlier attempt",
            "not compared",
        ]],
    );
    assert_eq!(task.attempts_begun, 2, "{:#?}", task.attempts);
    let record = record(&scene, "incident", sys_id).await;
    for journal in ["comments", "work_notes"] {
        assert_eq!(record[journal], json!([text]), "{journal}");
    }
    assert_eq!(
        (&record["urgency"], &record["impact"]),
        (&json!("2"), &json!("1"))
    );
}
