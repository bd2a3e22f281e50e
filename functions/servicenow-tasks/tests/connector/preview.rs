//! What a task would send is what it sends: every first attempt of these tests is compared with its preview.

use super::*;
use vendor_http::test_support::Step;

fn foretold(attempt: &Attempt) -> Preview {
    connector(None).preview(&PreviewRequest {
        kind: attempt.kind,
        key: key(),
        account: PreviewAccount {
            name: AccountName::parse("service-desk").unwrap(),
            vendor: Vendor::ServiceNow,
            instance: Some(attempt.instance.to_owned()),
        },
        input: attempt.input.clone(),
    })
}

#[test]
fn look_ups_come_first_and_what_they_find_is_named() {
    let list = |table: &str, query: &str, columns: &str| {
        json!({
            "method": "GET", "path": format!("/api/now/table/{table}"), "body": null,
            "query": {
                "sysparm_query": query, "sysparm_fields": columns, "sysparm_limit": "20",
                "sysparm_exclude_reference_link": "true",
            },
        })
    };
    let note = |mut request: Value, note: &str| {
        request["note"] = json!(note);
        request
    };
    let sent = json!({
        "urgency": "1", "correlation_id": key().as_str(), "correlation_display": "closedloop",
        "assigned_to": "‹sys_id of the user whose email is David.Loo@example.com›",
        "assignment_group": "‹sys_id of the group whose name is Service Desk›",
    });
    assert_eq!(
        json!(foretold(&Attempt::create(for_somebody()))),
        json!({
            "address": "https://dev12345.service-now.com",
            "requests": [
                note(
                    list("sys_user_group", "name=Service Desk", "sys_id,active,name"),
                    "`assignment_group` is the one active group that is found; none or several fail the task",
                ),
                note(
                    list("sys_user", "email=David.Loo@example.com", "sys_id,active,email"),
                    "`assigned_to` is the one active user that is found; none or several fail the task",
                ),
                {
                    "method": "POST", "path": "/api/now/table/incident",
                    "query": {"sysparm_exclude_reference_link": "true"}, "body": sent,
                },
            ],
            "problem": null,
            "notes": [format!("an attempt after a lost answer looks for a record with `correlation_id` {} first", key())],
        })
    );
}

#[test]
fn number_that_an_earlier_task_would_leave_is_good_enough() {
    let input = json!({"table": "incident", "number": "‹incident.number›", "comment": "x"});
    let preview = foretold(&Attempt::update(input));
    let [find, write] = preview.requests.as_slice() else {
        panic!("{preview:?}")
    };
    assert_eq!(find.query["sysparm_query"], "number=‹incident.number›");
    assert_eq!(
        write.path,
        "/api/now/table/incident/‹sys_id of incident.number›"
    );
}

/// Every kind with every way that its requests may take. `against` compares.
#[tokio::test]
async fn every_kind_sends_what_was_foretold() {
    let update = |extra: Value| {
        let mut input = json!({"table": "incident", "comment": "Still open", "fields": {"category": null, "u_stars": 2}});
        input
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        Attempt::update(input)
    };
    let found = || rows(&[row(ID, "INC0010009")]);
    let person = || users(&[(PERSON, EMAIL, "true")]);
    let wrote = |status| Step::json(status, stored(&json!({})));
    let own = json!({"table": "incident", "fields": {"correlation_id": "crm-7"}});
    let resolved = json!({
        "table": "incident", "state": "resolved", "impact": "low", "work_note": "n", "description": "d",
        "fields": {"close_code": "Solved", "close_notes": "x", "watch_list": ["a", "b"]}
    });
    for (attempt, script, calls) in [
        (Attempt::create(new_incident()), vec![wrote(201)], 1),
        (Attempt::create(own), vec![wrote(201)], 1),
        (Attempt::create(resolved), vec![wrote(201)], 1),
        (
            update(json!({"number": "INC0010009"})),
            vec![found(), wrote(200)],
            2,
        ),
        (update(json!({"sys_id": ID})), vec![wrote(200)], 1),
        (
            update(json!({"sys_id": ID, "assigned_to": {"email": EMAIL}})),
            vec![person(), wrote(200)],
            2,
        ),
        (
            update(json!({"number": "INC0010009", "assigned_to": {"email": EMAIL}})),
            vec![found(), person(), wrote(200)],
            3,
        ),
        (
            update(json!({"sys_id": ID, "assigned_to": PERSON, "assignment_group": GROUP})),
            vec![wrote(200)],
            1,
        ),
    ] {
        let shown = format!("{} {}", attempt.kind, attempt.input);
        let (result, received) = attempt.against(script).await;
        assert!(result.is_ok(), "{shown}: {result:?}");
        assert_eq!(received.len(), calls, "{shown}");
    }
}

#[test]
fn input_that_cannot_be_used_tells_where_and_why() {
    let ticket = Attempt {
        kind: TaskKind::ZendeskCreateTicket,
        ..Attempt::create(json!({}))
    };
    for (attempt, path, problem) in [
        (
            Attempt::create(json!({"table": "incident", "urgency": "hgh"})),
            "urgency",
            "hgh",
        ),
        (
            Attempt::create(json!({"table": "incident", "urgency": 1, "fields": {"urgency": "2"}})),
            "urgency",
            "both set the column",
        ),
        (
            Attempt::update(
                json!({"table": "incident", "sys_id": "‹incident.sys_id›", "comment": "x"}),
            ),
            "",
            "‹incident.sys_id›",
        ),
        (
            Attempt::update(json!({"table": "incident", "number": "INC1"})),
            "",
            "nothing to change",
        ),
        (ticket, "", "is no ServiceNow task"),
    ] {
        let preview = foretold(&attempt);
        let found = preview.problem.unwrap();
        assert!(found.problem.contains(problem), "{found:?}");
        assert_eq!(found.path, path);
        assert!(preview.requests.is_empty());
    }
}
