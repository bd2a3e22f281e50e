use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Account, Answer, basic};

const INCIDENTS: &str = "/api/now/table/incident";

async fn account() -> Account {
    Account::servicenow(
        json!({ "users": [{ "username": "api", "password": "secret", "name": "Api User" }] }),
    )
    .await
}

async fn account_with(extra: Value) -> Account {
    let mut config = json!({ "users": [{ "username": "api", "password": "secret" }] });
    config
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    Account::servicenow(config).await
}

/// Creates a record and returns it with the path of its own.
async fn create(account: &Account, table: &str, fields: Value) -> (Value, String) {
    let created = account
        .post(&format!("/api/now/table/{table}"), &fields)
        .await;
    assert_eq!(created.status, 201, "{}", created.body);
    let record = created.body["result"].clone();
    let path = format!(
        "/api/now/table/{table}/{}",
        record["sys_id"].as_str().unwrap()
    );
    (record, path)
}

fn assert_refused(answer: &Answer, status: u16, message: &str, detail: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.body["status"], "failure");
    assert_eq!(answer.body["error"]["message"], message);
    let actual = answer.body["error"]["detail"].as_str().unwrap_or_default();
    assert!(actual.contains(detail), "{actual}");
}

#[tokio::test]
async fn create_answers_with_the_record_and_its_location() {
    let account = account().await;
    let created = account
        .post(
            INCIDENTS,
            &json!({ "short_description": "Broken", "impact": "3", "urgency": "3" }),
        )
        .await;
    assert_eq!(created.status, 201);
    let record = &created.body["result"];
    let sys_id = record["sys_id"].as_str().unwrap();
    assert_eq!(sys_id.len(), 32);
    let location = format!("{}{INCIDENTS}/{sys_id}", account.control.url());
    assert_eq!(created.header("location"), Some(location.as_str()));
    for (column, expected) in [
        ("number", "INC0010001"),
        ("state", "1"),
        ("incident_state", "1"),
        ("priority", "5"),
        ("active", "true"),
        ("caller_id", ""),
        ("comments", ""),
        ("correlation_id", ""),
        ("sys_mod_count", "0"),
        ("sys_class_name", "incident"),
        ("sys_created_by", "api"),
    ] {
        assert_eq!(record[column], expected, "{column}");
    }
    assert_eq!(record["sys_domain"]["value"], "global");
    assert!(created.header("x-transaction-id").is_some());
    assert!(created.header("set-cookie").is_some());
    assert_eq!(
        account.get(&format!("{INCIDENTS}/{sys_id}")).await.body["result"],
        *record
    );
}

#[tokio::test]
async fn every_table_counts_its_own_numbers() {
    let account = account().await;
    for (table, first, state, priority) in [
        ("incident", "INC0010001", "1", "5"),
        ("problem", "PRB0040001", "101", "5"),
        ("change_request", "CHG0030001", "-5", "4"),
        ("change_task", "CTASK0010001", "1", "4"),
        ("release_task", "RTSK0010001", "1", "4"),
        ("ticket", "TKT0010001", "1", "4"),
    ] {
        let (record, _) = create(&account, table, json!({})).await;
        assert_eq!(
            (&record["number"], &record["state"], &record["priority"]),
            (&json!(first), &json!(state), &json!(priority)),
            "{table}"
        );
    }
}

#[tokio::test]
async fn every_value_comes_back_as_a_string() {
    let account =
        account_with(json!({ "tables": { "incident": { "columns": { "u_nps": "integer" } } } }))
            .await;
    let (record, _) = create(
        &account,
        "incident",
        json!({ "u_nps": 3, "knowledge": true, "description": null, "category": "x" }),
    )
    .await;
    assert_eq!(record["u_nps"], "3");
    assert_eq!(record["knowledge"], "true");
    assert_eq!(record["description"], "");
}

#[tokio::test]
async fn unknown_protected_and_system_columns_are_ignored_without_a_word() {
    let account = account_with(json!({ "read_only_columns": { "incident": ["category"] } })).await;
    let (record, path) = create(
        &account,
        "incident",
        json!({ "u_nowhere": "x", "sys_created_by": "mallory", "category": "mine" }),
    )
    .await;
    assert_eq!(record.get("u_nowhere"), None);
    assert_eq!(record["sys_created_by"], "api");
    assert_eq!(record["category"], "inquiry");
    let patched = account.patch(&path, &json!({ "category": "mine" })).await;
    assert_eq!(
        (patched.status, &patched.body["result"]["category"]),
        (200, &json!("inquiry"))
    );
}

#[tokio::test]
async fn long_short_description_is_cut() {
    let account = account().await;
    let (record, _) = create(
        &account,
        "incident",
        json!({ "short_description": "é".repeat(200) }),
    )
    .await;
    assert_eq!(record["short_description"], "é".repeat(160));
}

#[tokio::test]
async fn patch_and_put_change_only_what_they_name() {
    let account = account().await;
    let (_, path) = create(
        &account,
        "incident",
        json!({ "short_description": "a", "description": "b" }),
    )
    .await;
    for (method, text) in [(Method::PATCH, "c"), (Method::PUT, "d")] {
        let answer = account
            .write(method, &path, &json!({ "short_description": text }))
            .await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("location"), None);
        assert_eq!(answer.body["result"]["short_description"], text);
        assert_eq!(answer.body["result"]["description"], "b");
    }
    let last = account.get(&path).await;
    assert_eq!(last.body["result"]["sys_mod_count"], "2");
}

#[tokio::test]
async fn write_that_changes_nothing_leaves_no_trace() {
    let account = account().await;
    let (_, path) = create(&account, "incident", json!({ "description": "b" })).await;
    for body in [json!({}), json!({ "description": "b" })] {
        let answer = account.patch(&path, &body).await;
        assert_eq!(
            (answer.status, &answer.body["result"]["sys_mod_count"]),
            (200, &json!("0"))
        );
    }
}

#[tokio::test]
async fn priority_is_computed_whatever_was_sent() {
    let account = account().await;
    let (record, path) = create(
        &account,
        "incident",
        json!({ "impact": 1, "urgency": 2, "priority": 5 }),
    )
    .await;
    assert_eq!(record["priority"], "2");
    let patched = account.patch(&path, &json!({ "urgency": "3" })).await;
    assert_eq!(patched.body["result"]["priority"], "3");
}

#[tokio::test]
async fn number_in_the_path_is_not_found() {
    let account = account().await;
    let (record, _) = create(&account, "incident", json!({})).await;
    let path = format!("{INCIDENTS}/{}", record["number"].as_str().unwrap());
    for answer in [
        account.get(&path).await,
        account.patch(&path, &json!({ "description": "x" })).await,
    ] {
        assert_refused(
            &answer,
            404,
            "No Record found",
            "Record doesn't exist or ACL restricts the record retrieval",
        );
    }
}

#[tokio::test]
async fn delete_takes_the_record_away() {
    let account = account().await;
    let (_, path) = create(&account, "incident", json!({})).await;
    let deleted = account.send(account.request(&Method::DELETE, &path)).await;
    assert_eq!((deleted.status, deleted.body), (204, json!("")));
    assert_eq!(account.get(&path).await.status, 404);
}

#[tokio::test]
async fn wrong_credentials_get_the_envelope_and_a_closed_connection() {
    let mut account = account().await;
    for header in [
        None,
        Some(basic("api", "wrong")),
        Some("Bearer nobody's".to_owned()),
    ] {
        account.authorize(header);
        let answer = account.get(INCIDENTS).await;
        assert_refused(
            &answer,
            401,
            "User Not Authenticated",
            "Required to provide Auth information",
        );
        assert_eq!(answer.header("connection"), Some("close"));
    }
    assert!(
        account
            .control
            .requests()
            .await
            .unwrap()
            .iter()
            .all(|request| request.user.is_none())
    );
}

#[tokio::test]
async fn bearer_token_works_until_it_expires() {
    let mut account =
        account_with(json!({ "bearer_tokens": [{ "token": "t0ken", "expires_in": 1800 }] })).await;
    account.authorize(Some("Bearer t0ken".to_owned()));
    assert_eq!(account.get(INCIDENTS).await.status, 200);
    account
        .control
        .advance_clock(std::time::Duration::from_secs(1799))
        .await
        .unwrap();
    assert_eq!(account.get(INCIDENTS).await.status, 200);
    account
        .control
        .advance_clock(std::time::Duration::from_secs(1))
        .await
        .unwrap();
    assert_eq!(account.get(INCIDENTS).await.status, 401);
}

#[tokio::test]
async fn bad_requests_are_told_apart() {
    let account = account().await;
    let unknown_table = account.post("/api/now/table/incidents", &json!({})).await;
    assert_refused(&unknown_table, 400, "Invalid table incidents", "");
    let no_resource = account.get("/api/now/nothing").await;
    assert_refused(
        &no_resource,
        400,
        "Requested URI does not represent any resource",
        "",
    );
    let post = |path: &str| account.request(&Method::POST, path).body("{}");
    assert_eq!(
        account.send(post(INCIDENTS)).await.status,
        400,
        "no Content-Type"
    );
    let form = post(INCIDENTS).header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(account.send(form).await.status, 415);
    let csv = post(INCIDENTS)
        .header("content-type", "application/json")
        .header("accept", "text/csv");
    assert_eq!(account.send(csv).await.status, 406);
    let broken = account
        .request(&Method::POST, INCIDENTS)
        .header("content-type", "application/json")
        .body("{");
    assert_eq!(account.send(broken).await.status, 400);
    assert_eq!(account.patch(INCIDENTS, &json!({})).await.status, 405);
    assert!(
        account
            .control
            .records("incident")
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn access_rules_refuse_tables() {
    let account =
        account_with(json!({ "read_only_tables": ["problem"], "unreadable_tables": ["sys_user"] }))
            .await;
    let insert = account.post("/api/now/table/problem", &json!({})).await;
    assert_refused(
        &insert,
        403,
        "Operation Failed",
        "ACL Exception Insert Failed due to security constraints",
    );
    let query = account.get("/api/now/table/sys_user").await;
    assert_refused(&query, 403, "Insufficient rights to query records", "");
    assert!(query.body["error"]["detail"].is_null());
}

#[tokio::test]
async fn data_policy_names_the_missing_fields() {
    let account =
        account_with(json!({ "mandatory_fields": { "incident": ["caller_id", "comments"] } }))
            .await;
    let refused = account.post(INCIDENTS, &json!({})).await;
    assert_refused(
        &refused,
        403,
        "Operation Failed",
        "Data Policy Exception: The following fields are mandatory: Caller, Additional comments",
    );
    create(
        &account,
        "incident",
        json!({ "caller_id": "6816f79cc0a8016401c5a33be04be441", "comments": "c" }),
    )
    .await;
}

#[tokio::test]
async fn incident_is_resolved_only_with_close_fields() {
    let account = account().await;
    let (_, path) = create(&account, "incident", json!({})).await;
    for state in ["6", "7"] {
        let refused = account
            .patch(
                &path,
                &json!({ "state": state, "close_code": "User error" }),
            )
            .await;
        assert_refused(
            &refused,
            403,
            "Operation Failed",
            "mandatory: Resolution notes",
        );
    }
    let closed = account
        .patch(
            &path,
            &json!({ "state": "7", "close_code": "User error", "close_notes": "n" }),
        )
        .await;
    assert_eq!(closed.status, 200);
    let record = &closed.body["result"];
    assert_eq!(
        (
            &record["state"],
            &record["incident_state"],
            &record["active"]
        ),
        (&json!("7"), &json!("7"), &json!("false"))
    );
}

#[tokio::test]
async fn incident_on_hold_needs_a_reason_and_for_the_caller_a_comment() {
    let account = account().await;
    let (_, path) = create(&account, "incident", json!({})).await;
    let no_reason = account.patch(&path, &json!({ "state": "3" })).await;
    assert_refused(
        &no_reason,
        403,
        "Operation Failed",
        "mandatory: Hold reason",
    );
    let no_comment = account
        .patch(&path, &json!({ "state": "3", "hold_reason": "1" }))
        .await;
    assert_refused(
        &no_comment,
        403,
        "Operation Failed",
        "mandatory: Additional comments",
    );
    let held = account
        .patch(
            &path,
            &json!({ "state": "3", "hold_reason": "1", "comments": "Please call" }),
        )
        .await;
    assert_eq!(
        (held.status, &held.body["result"]["hold_reason"]),
        (200, &json!("1"))
    );
    let resumed = account.patch(&path, &json!({ "state": "2" })).await;
    assert_eq!(resumed.body["result"]["hold_reason"], "");
}

#[tokio::test]
async fn problem_state_does_not_move() {
    let account = account().await;
    let (record, path) = create(&account, "problem", json!({ "state": "104" })).await;
    assert_eq!(
        (&record["state"], &record["problem_state"]),
        (&json!("101"), &json!("101"))
    );
    let patched = account
        .patch(&path, &json!({ "state": "106", "problem_state": "106" }))
        .await;
    assert_eq!(
        (patched.status, &patched.body["result"]["state"]),
        (200, &json!("101"))
    );
}

#[tokio::test]
async fn change_is_always_normal_and_moves_step_by_step() {
    let account = account().await;
    let (record, path) = create(&account, "change_request", json!({ "type": "standard" })).await;
    assert_eq!(
        (&record["type"], &record["on_hold"]),
        (&json!("normal"), &json!("false"))
    );
    let leap = account
        .patch(&path, &json!({ "state": "-1", "assignment_group": "g" }))
        .await;
    assert_refused(&leap, 403, "Operation Failed", "aborted by Business Rule");
    let no_group = account.patch(&path, &json!({ "state": "-4" })).await;
    assert_refused(
        &no_group,
        403,
        "Operation Failed",
        "mandatory: Assignment group",
    );
    let held_while_new = account
        .patch(&path, &json!({ "on_hold": true, "on_hold_reason": "r" }))
        .await;
    assert_eq!(held_while_new.status, 403);
    for state in ["-4", "-3", "-2", "-1", "0"] {
        let step = account
            .patch(&path, &json!({ "state": state, "assignment_group": "g" }))
            .await;
        assert_eq!(step.body["result"]["state"], state);
    }
    let held_without_reason = account.patch(&path, &json!({ "on_hold": "true" })).await;
    assert_refused(
        &held_without_reason,
        403,
        "Operation Failed",
        "mandatory: On hold reason",
    );
    let no_close_fields = account.patch(&path, &json!({ "state": "3" })).await;
    assert_refused(
        &no_close_fields,
        403,
        "Operation Failed",
        "mandatory: Resolution code, Resolution notes",
    );
    let canceled_in_review = account.patch(&path, &json!({ "state": "4" })).await;
    assert_eq!(canceled_in_review.status, 403);
    let closed = account
        .patch(
            &path,
            &json!({ "state": "3", "close_code": "successful", "close_notes": "n" }),
        )
        .await;
    assert_eq!(closed.body["result"]["active"], "false");
}

#[tokio::test]
async fn change_task_gets_its_parent_from_the_change() {
    let account = account().await;
    let (change, _) = create(&account, "change_request", json!({})).await;
    let (task, path) = create(
        &account,
        "change_task",
        json!({ "change_request": change["sys_id"] }),
    )
    .await;
    assert_eq!(task["parent"]["value"], change["sys_id"]);
    let labels = account
        .get(&format!(
            "{path}?sysparm_display_value=true&sysparm_fields=parent"
        ))
        .await;
    assert_eq!(
        labels.body["result"]["parent"]["display_value"],
        change["number"]
    );
}

#[tokio::test]
async fn clause_on_an_unknown_column_is_dropped_and_strangers_come_back() {
    let account = account_with(
        json!({ "tables": { "u_visits": { "columns": { "u_name": { "string": 40 } } } } }),
    )
    .await;
    let (stranger, _) = create(
        &account,
        "u_visits",
        json!({ "u_name": "Anna", "correlation_id": "k" }),
    )
    .await;
    for absent in ["number", "state", "correlation_id"] {
        assert_eq!(stranger.get(absent), None);
    }
    let found = account
        .get("/api/now/table/u_visits?sysparm_query=correlation_id=other&sysparm_fields=sys_id,correlation_id")
        .await;
    assert_eq!(
        found.body["result"],
        json!([{ "sys_id": stranger["sys_id"] }])
    );
    let narrowed = account
        .get("/api/now/table/u_visits?sysparm_query=correlation_id=other%5Eu_name=Berta")
        .await;
    assert_eq!(narrowed.body["result"], json!([]));
}

#[tokio::test]
async fn key_is_found_again_but_not_kept_unique() {
    let account = account().await;
    create(&account, "incident", json!({ "correlation_id": "k1" })).await;
    let path =
        format!("{INCIDENTS}?sysparm_query=correlation_id=k1&sysparm_fields=number,correlation_id");
    let once = account.get(&path).await;
    assert_eq!(
        once.body["result"],
        json!([{ "number": "INC0010001", "correlation_id": "k1" }])
    );
    create(&account, "incident", json!({ "correlation_id": "k1" })).await;
    assert_eq!(
        account.get(&path).await.body["result"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn injected_or_widens_a_query() {
    let account = account().await;
    create(&account, "incident", json!({})).await;
    let path = format!("{INCIDENTS}?sysparm_query=number=x%5EORactive=true");
    assert_eq!(
        account.get(&path).await.body["result"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn rows_come_by_sys_id_and_page_with_links() {
    let account = account().await;
    for _ in 0..5 {
        create(&account, "incident", json!({})).await;
    }
    let whole = account
        .get(&format!("{INCIDENTS}?sysparm_fields=sys_id,number"))
        .await;
    assert_eq!(whole.header("link"), None);
    assert_eq!(whole.header("x-total-count"), Some("5"));
    let rows = whole.body["result"].as_array().unwrap();
    let ids: Vec<&str> = rows
        .iter()
        .map(|row| row["sys_id"].as_str().unwrap())
        .collect();
    assert!(ids.is_sorted());
    let numbers: Vec<&str> = rows
        .iter()
        .map(|row| row["number"].as_str().unwrap())
        .collect();
    assert!(
        !numbers.is_sorted(),
        "sys_ids must not follow creation: {numbers:?}"
    );

    let page = account
        .get(&format!("{INCIDENTS}?sysparm_query=ORDERBYDESCnumber&sysparm_fields=number&sysparm_limit=2&sysparm_offset=2"))
        .await;
    assert_eq!(
        page.body["result"],
        json!([{ "number": "INC0010003" }, { "number": "INC0010002" }])
    );
    let link = page.header("link").unwrap();
    for (relation, offset) in [("first", 0), ("prev", 0), ("next", 4), ("last", 4)] {
        assert!(
            link.contains(&format!("sysparm_offset={offset}>;rel=\"{relation}\"")),
            "{link}"
        );
    }
    let last = account
        .get(&format!("{INCIDENTS}?sysparm_limit=2&sysparm_offset=4"))
        .await;
    assert!(!last.header("link").unwrap().contains("rel=\"next\""));
    let after = format!(
        "{INCIDENTS}?sysparm_query=sys_id%3E{}%5EORDERBYsys_id&sysparm_fields=sys_id",
        ids[3]
    );
    assert_eq!(
        account.get(&after).await.body["result"],
        json!([{ "sys_id": ids[4] }])
    );
    assert_eq!(
        account
            .get(&format!("{INCIDENTS}?sysparm_offset=-1"))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn empty_list_is_not_found_in_version_1_alone() {
    let account = account().await;
    assert_eq!(account.get("/api/now/v1/table/incident").await.status, 404);
    let v2 = account.get("/api/now/v2/table/incident").await;
    assert_eq!((v2.status, v2.body), (200, json!({ "result": [] })));
}

#[tokio::test]
async fn references_read_raw_as_labels_and_both() {
    let account = account_with(json!({
        "groups": [{ "name": "Service Desk", "sys_id": "d625dccec0a8016700a222a0f7900d06" }],
        "people": [{ "name": "David Loo", "email": "david@example.com" }],
    }))
    .await;
    let group = "d625dccec0a8016700a222a0f7900d06";
    let (record, path) = create(
        &account,
        "incident",
        json!({ "assignment_group": group, "urgency": "2" }),
    )
    .await;
    let link = format!(
        "{}/api/now/table/sys_user_group/{group}",
        account.control.url()
    );
    assert_eq!(
        record["assignment_group"],
        json!({ "link": link, "value": group })
    );
    let fields =
        "&sysparm_fields=assignment_group,caller_id,urgency,sla_due,assignment_group.name,nowhere";
    for (parameters, expected) in [
        (
            "sysparm_display_value=true",
            json!({ "assignment_group": { "display_value": "Service Desk", "link": link }, "caller_id": "",
                "urgency": "2 - Medium", "sla_due": "UNKNOWN", "assignment_group.name": "Service Desk" }),
        ),
        (
            "sysparm_display_value=all&sysparm_exclude_reference_link=true",
            json!({ "assignment_group": { "display_value": "Service Desk", "value": group },
                "caller_id": { "display_value": "", "value": "" },
                "urgency": { "display_value": "2 - Medium", "value": "2" },
                "sla_due": { "display_value": "UNKNOWN", "value": "" },
                "assignment_group.name": { "display_value": "Service Desk", "value": "Service Desk" } }),
        ),
        (
            "sysparm_exclude_reference_link=true",
            json!({ "assignment_group": group, "caller_id": "", "urgency": "2", "sla_due": "",
                "assignment_group.name": "Service Desk" }),
        ),
    ] {
        let answer = account.get(&format!("{path}?{parameters}{fields}")).await;
        assert_eq!(answer.body["result"], expected, "{parameters}");
    }
    let simple = account
        .get(&format!(
            "{INCIDENTS}?assignment_group=Service%20Desk&urgency=2"
        ))
        .await;
    assert_eq!(simple.body["result"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn display_names_are_resolved_only_on_request() {
    let account = account_with(json!({ "groups": [{ "name": "Service Desk" }] })).await;
    let fields = json!({ "assignment_group": "Service Desk", "assigned_to": "Nobody", "urgency": "1 - High" });
    let (raw, _) = create(&account, "incident", fields.clone()).await;
    assert_eq!(raw["assignment_group"]["value"], "Service Desk");
    let path = format!("{INCIDENTS}?sysparm_input_display_value=true");
    let resolved = account.post(&path, &fields).await;
    let record = &resolved.body["result"];
    assert_eq!(
        record["assignment_group"]["value"].as_str().unwrap().len(),
        32
    );
    assert_eq!(
        (&record["assigned_to"], &record["urgency"]),
        (&json!(""), &json!("1"))
    );
}

#[tokio::test]
async fn journal_is_written_blind_and_read_as_one_history() {
    let account = account().await;
    let (record, path) = create(
        &account,
        "incident",
        json!({ "comments": "first", "work_notes": "inside" }),
    )
    .await;
    assert_eq!(
        (&record["comments"], &record["work_notes"]),
        (&json!(""), &json!(""))
    );
    let again = account.patch(&path, &json!({ "comments": "second" })).await;
    assert_eq!(again.body["result"]["comments"], "");
    assert_eq!(again.body["result"]["sys_mod_count"], "1");
    let shown = account
        .get(&format!("{path}?sysparm_display_value=true"))
        .await;
    let history = shown.body["result"]["comments"].as_str().unwrap();
    let entries: Vec<&str> = history
        .split("\n\n")
        .filter(|entry| !entry.is_empty())
        .collect();
    assert_eq!(entries.len(), 2);
    assert!(
        entries[0].ends_with(" - Api User (Additional comments)\nsecond"),
        "{history}"
    );
    assert!(
        entries[1].ends_with(" - Api User (Additional comments)\nfirst"),
        "{history}"
    );
    // Seven hours behind the raw time.
    let opened = |value: &Value| {
        value["opened_at"]
            .as_str()
            .unwrap()
            .replace(' ', "T")
            .parse::<jiff::civil::DateTime>()
    };
    let gap = opened(&record).unwrap() - opened(&shown.body["result"]).unwrap();
    assert_eq!(gap.get_hours(), 7);
    assert_eq!(
        account.control.records("incident").await.unwrap()[0]["journal"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}

#[tokio::test]
async fn method_override_and_empty_answers_are_honoured() {
    let account = account().await;
    let (_, path) = create(&account, "incident", json!({})).await;
    let request = account
        .request(&Method::POST, &path)
        .header("content-type", "application/json")
        .header("x-http-method-override", "PATCH")
        .header("x-no-response-body", "true")
        .body(r#"{"description":"new"}"#);
    let answer = account.send(request).await;
    assert_eq!((answer.status, answer.body), (200, json!("")));
    assert_eq!(
        account.get(&path).await.body["result"]["description"],
        "new"
    );
}

#[tokio::test]
async fn choices_of_a_table_can_be_asked_for() {
    let account = account().await;
    let answer = account
        .get("/api/now/table/sys_choice?sysparm_query=name=incident%5Eelement=hold_reason%5Einactive=false%5EORDERBYsequence&sysparm_fields=value,label")
        .await;
    assert_eq!(
        answer.body["result"][0],
        json!({ "value": "1", "label": "Awaiting Caller" })
    );
    assert_eq!(answer.body["result"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn sleeping_and_unknown_instances_show_pages() {
    let account = account_with(json!({ "hibernating": true })).await;
    let asleep = account.get(INCIDENTS).await;
    assert_eq!(asleep.status, 200);
    assert!(
        asleep
            .header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    assert!(asleep.body.as_str().unwrap().contains("Hibernating"));
    account.control.delete().await.unwrap();
    let unknown = account.get(INCIDENTS).await;
    assert_eq!(unknown.status, 404);
    assert!(
        unknown
            .header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
}

#[tokio::test]
async fn people_and_groups_are_rows_to_ask_for() {
    let account = account_with(json!({
        "people": [{ "name": "David Loo", "email": "david@example.com" },
            { "name": "Beth Anglin", "user_name": "beth", "active": false, "email": "beth@example.com" }],
        "groups": [{ "name": "Service Desk" }, { "name": "Old Desk", "active": false }],
    }))
    .await;
    let names = async |query: &str| {
        let answer = account.get(&format!("/api/now/table/{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let mut names: Vec<String> = answer.body["result"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["name"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    for (query, expected) in [
        (
            "sys_user?sysparm_query=user_name=david.loo",
            vec!["David Loo"],
        ),
        ("sys_user?sysparm_query=user_name=beth", vec!["Beth Anglin"]),
        (
            "sys_user?sysparm_query=active=true",
            vec!["David Loo", "api"],
        ),
        (
            "sys_user?sysparm_query=last_nameSTARTSWITHAng",
            vec!["Beth Anglin"],
        ),
        (
            "sys_user?sysparm_query=emailLIKE@example.com%5Eactive=true",
            vec!["David Loo"],
        ),
        (
            "sys_user?sysparm_query=nameINDavid%20Loo,api",
            vec!["David Loo", "api"],
        ),
        (
            "sys_user?sysparm_query=nickname=x%5Eactive=false",
            vec!["Beth Anglin"],
        ),
        (
            "sys_user_group?sysparm_query=active=true",
            vec!["Service Desk"],
        ),
        (
            "sys_user_group?sysparm_query=user_name=x",
            vec!["Old Desk", "Service Desk"],
        ),
    ] {
        assert_eq!(names(query).await, expected, "{query}");
    }
    let david = account
        .get("/api/now/table/sys_user?sysparm_query=user_name=david.loo")
        .await;
    let row = &david.body["result"][0];
    for (column, expected) in [
        ("first_name", "David"),
        ("active", "true"),
        ("sys_class_name", "sys_user"),
    ] {
        assert_eq!(row[column], expected);
    }
    let refused = account
        .control
        .create(&json!({ "groups": [{ "name": "g", "user_name": "g" }] }))
        .await;
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("cannot have a user_name")
    );
}

#[tokio::test]
async fn hidden_rows_shorten_pages_and_are_not_found() {
    let account =
        account_with(json!({ "hidden_rows": { "incident": "short_descriptionSTARTSWITHsecret" } }))
            .await;
    for text in ["secret 1", "a", "secret 2", "b"] {
        account
            .post(INCIDENTS, &json!({ "short_description": text }))
            .await;
    }
    let list = |query: &str| format!("{INCIDENTS}?sysparm_fields=short_description&{query}");
    let all = account.get(&list("sysparm_query=ORDERBYnumber")).await;
    assert_eq!(
        all.body["result"],
        json!([{ "short_description": "a" }, { "short_description": "b" }])
    );
    assert_eq!(all.header("x-total-count"), Some("4"));
    let page = account
        .get(&list("sysparm_query=ORDERBYnumber&sysparm_limit=1"))
        .await;
    assert_eq!(
        page.body["result"],
        json!([]),
        "the limit comes before the rule"
    );
    assert!(page.header("link").unwrap().contains("rel=\"next\""));
    let records = account.control.records("incident").await.unwrap();
    let path = format!("{INCIDENTS}/{}", records[0]["sys_id"].as_str().unwrap());
    for answer in [
        account.get(&path).await,
        account.patch(&path, &json!({ "urgency": "1" })).await,
    ] {
        assert_refused(
            &answer,
            404,
            "No Record found",
            "ACL restricts the record retrieval",
        );
    }
    assert_eq!(records, account.control.records("incident").await.unwrap());
    let mistake = account
        .control
        .create(&json!({ "hidden_rows": { "incident": "nothing=1" } }))
        .await;
    assert!(
        mistake
            .unwrap_err()
            .to_string()
            .contains("no query that hides")
    );
}
