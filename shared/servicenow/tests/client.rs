//! The client against a scripted instance on this machine.
#![cfg(test)]

use std::collections::BTreeMap;
use std::time::Duration;

use retry::Disposition;
use serde_json::{Value, json};
use servicenow::{
    Auth, BaseUrl, Client, Column, CorrelationId, Error, ErrorKind, FieldPath, InvalidInput,
    Operation, QueryText, RecordKey, RecordNumber, ReferenceKey, SysId, Table,
};
use vendor_http::test_support::{Server, Step};

/// What is done about a write without a clear answer.
const SETTLED: Disposition = Disposition::Reconcile {
    after: Some(Duration::from_secs(30)),
};

const ID: &str = "54b947b1c30e0310c5a8fc0d05013158";
const OTHER_ID: &str = "6816f79cc0a8016401c5a33be04be441";
/// Long enough for a busy machine, short enough to wait for in a test.
const TIMEOUT: Duration = Duration::from_secs(1);

fn client_at(url: &str) -> Client {
    let template = format!("{url}/servicenow/{{instance}}");
    let base = BaseUrl::parse(&template, "instance", "dev12345").unwrap();
    let http = vendor_http::Client::new().unwrap().with_timeout(TIMEOUT);
    let auth = Auth::Basic {
        username: "api".to_owned(),
        password: "s3cret".into(),
    };
    Client::new(http, base, auth)
}

async fn scripted(steps: impl IntoIterator<Item = Step>) -> (Client, Server) {
    let server = Server::start(steps).await.unwrap();
    (client_at(&server.url()), server)
}

fn incident() -> Table {
    Table::parse("incident").unwrap()
}

fn id() -> SysId {
    SysId::parse(ID).unwrap()
}

fn number() -> RecordNumber {
    RecordNumber::parse("INC0010009").unwrap()
}

fn fields() -> BTreeMap<Column, String> {
    [("short_description", "Low score"), ("urgency", "2")]
        .into_iter()
        .map(|(column, value)| (Column::parse(column).unwrap(), value.to_owned()))
        .collect()
}

fn record() -> Value {
    json!({"result": {
        "sys_id": ID,
        "number": "INC0010009",
        "short_description": "Low score",
        "urgency": "2",
        "opened_by": {"link": "https://x/api/now/table/sys_user/1", "value": OTHER_ID},
        "comments": "",
    }})
}

fn error_body(message: &str, detail: Option<&str>) -> Value {
    json!({"error": {"message": message, "detail": detail}, "status": "failure"})
}

async fn create(step: Step) -> (Error, Server) {
    let (client, server) = scripted([step]).await;
    let error = client.create(&incident(), &fields()).await.unwrap_err();
    (error, server)
}

async fn update(step: Step) -> Error {
    let (client, _server) = scripted([step]).await;
    let update = client.update(&incident(), &id(), &fields()).await;
    update.unwrap_err()
}

async fn find(step: Step) -> Error {
    let (client, _server) = scripted([step]).await;
    let found = client.find_by_number(&incident(), &number()).await;
    found.unwrap_err()
}

#[tokio::test]
async fn create_posts_the_fields_and_returns_the_record() {
    let (client, server) =
        scripted([Step::json(201, record()).with("x-transaction-id", "e1f2")]).await;
    let answer = client.create(&incident(), &fields()).await.unwrap();
    assert_eq!(answer.value.sys_id, id());
    assert_eq!(answer.value.number.as_deref(), Some("INC0010009"));
    assert_eq!(answer.value.field("opened_by"), Some(OTHER_ID));
    assert_eq!(servicenow::differences(&fields(), &answer.value), []);
    assert_eq!(
        answer.call.to_string(),
        "POST /servicenow/dev12345/api/now/table/incident answered 201, request id e1f2"
    );

    let received = &server.received()[0];
    assert_eq!(received.method, "POST");
    assert_eq!(
        received.target,
        "/servicenow/dev12345/api/now/table/incident?sysparm_exclude_reference_link=true"
    );
    assert_eq!(received.header("authorization"), "Basic YXBpOnMzY3JldA==");
    assert_eq!(received.header("accept"), "application/json");
    assert_eq!(received.header("content-type"), "application/json");
    assert_eq!(
        received.json(),
        json!({"short_description": "Low score", "urgency": "2"})
    );
}

#[tokio::test]
async fn update_patches_the_one_record() {
    let (client, server) = scripted([Step::json(200, record())]).await;
    let answer = client.update(&incident(), &id(), &fields()).await.unwrap();
    assert_eq!(answer.value.sys_id, id());
    let received = &server.received()[0];
    assert_eq!(received.method, "PATCH");
    assert_eq!(
        received.target,
        format!(
            "/servicenow/dev12345/api/now/table/incident/{ID}?sysparm_exclude_reference_link=true"
        )
    );
    assert_eq!(received.json()["urgency"], "2");
}

#[tokio::test]
async fn bearer_token_is_sent_and_never_shown() {
    let server = Server::start([Step::json(201, record())]).await.unwrap();
    let base = BaseUrl::parse(
        &format!("{}/{{instance}}", server.url()),
        "instance",
        "dev1",
    );
    let http = vendor_http::Client::new().unwrap();
    let client = Client::new(http, base.unwrap(), Auth::Bearer("t0ken".into()));
    client.create(&incident(), &fields()).await.unwrap();
    assert_eq!(server.received()[0].header("authorization"), "Bearer t0ken");
    assert!(!format!("{client:?}").contains("t0ken"));
}

#[tokio::test]
async fn refused_input_makes_no_call() {
    let (client, server) = scripted([]).await;
    let nothing = BTreeMap::new();
    for error in [
        client.create(&incident(), &nothing).await.unwrap_err(),
        client
            .update(&incident(), &id(), &nothing)
            .await
            .unwrap_err(),
    ] {
        assert!(matches!(
            error.kind,
            ErrorKind::Input(InvalidInput::NoFields)
        ));
        assert_eq!(error.disposition(), Disposition::GiveUp);
        assert!(error.call.is_none());
    }
    let base = BaseUrl::parse(
        &format!("{}/{{instance}}", server.url()),
        "instance",
        "dev1",
    );
    let http = vendor_http::Client::new().unwrap();
    let client = Client::new(http, base.unwrap(), Auth::Bearer("t0\nken".into()));
    let error = client.create(&incident(), &fields()).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::GiveUp);
    assert!(!format!("{error} {error:?}").contains("t0"));
    assert_eq!(server.received().len(), 0);
}

#[tokio::test]
async fn every_refusal_has_its_disposition() {
    let retry = |seconds| Disposition::Retry {
        after: Some(Duration::from_secs(seconds)),
    };
    let reconcile = |seconds| Disposition::Reconcile {
        after: Some(Duration::from_secs(seconds)),
    };
    let html = |status| {
        Step::answer(
            status,
            "text/html; charset=utf-8",
            "<html><head><title>Bad gateway</title></head></html>",
        )
    };
    let give_up = Disposition::GiveUp;
    let refused = |status, message, detail| Step::json(status, error_body(message, detail));
    let security = Some("ACL Exception Insert Failed due to security constraints");
    let no_credentials = Some("Required to provide Auth information");
    let no_resource = "Requested URI does not represent any resource";
    // Step, for a write, for a read.
    for (step, write, read) in [
        (
            refused(400, "Invalid table incident", None),
            give_up,
            give_up,
        ),
        (refused(400, no_resource, None), give_up, give_up),
        (
            refused(401, "User Not Authenticated", no_credentials),
            give_up,
            give_up,
        ),
        (refused(403, "Operation Failed", security), give_up, give_up),
        (
            refused(403, "Insufficient rights to query records", None),
            give_up,
            give_up,
        ),
        (refused(404, "No Record found", None), give_up, give_up),
        (Step::json(405, "{}"), give_up, give_up),
        (Step::json(406, "{}"), give_up, give_up),
        (Step::json(413, "{}"), give_up, give_up),
        (Step::json(414, ""), give_up, give_up),
        (Step::json(415, "{}"), give_up, give_up),
        (
            Step::json(302, "").with("location", "/login.do"),
            give_up,
            give_up,
        ),
        (Step::json(408, ""), SETTLED, Disposition::RETRY),
        (
            Step::json(429, error_body("Rate limit exceeded", None)).with("retry-after", 1800),
            retry(1800),
            retry(1800),
        ),
        (Step::json(429, ""), Disposition::RETRY, Disposition::RETRY),
        (
            Step::json(500, error_body("Transaction cancelled", None)),
            SETTLED,
            Disposition::RETRY,
        ),
        (html(502), SETTLED, Disposition::RETRY),
        (html(503), SETTLED, Disposition::RETRY),
        (
            Step::json(503, "{}").with("retry-after", 60),
            reconcile(60),
            retry(60),
        ),
        (html(504), SETTLED, Disposition::RETRY),
    ] {
        let (error, server) = create(step.clone()).await;
        assert_eq!(error.disposition(), write, "create: {step:?}");
        assert_eq!(server.received().len(), 1, "{step:?}");
        assert_eq!(error.status(), error.call.as_ref().unwrap().status);
        assert_eq!(error.is_unauthorized(), error.status() == Some(401));
        assert_eq!(
            update(step.clone()).await.disposition(),
            write,
            "update: {step:?}"
        );
        assert_eq!(
            find(step.clone()).await.disposition(),
            read,
            "find: {step:?}"
        );
    }
}

#[tokio::test]
async fn lost_and_late_answers_are_looked_up_before_a_write_is_repeated() {
    let cut = "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{\"result\":";
    for step in [Step::Lose, Step::Stall, Step::Raw(cut.to_owned())] {
        let (error, server) = create(step.clone()).await;
        assert_eq!(error.disposition(), SETTLED, "{step:?}");
        assert!(matches!(error.kind, ErrorKind::NoAnswer(_)));
        assert!(std::error::Error::source(&error).is_some());
        assert_eq!(server.received().len(), 1, "{step:?}");
        assert_eq!(update(step.clone()).await.disposition(), SETTLED);
        assert_eq!(find(step).await.disposition(), Disposition::RETRY);
    }
}

#[tokio::test]
async fn unreachable_instance_can_simply_be_tried_again() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let client = client_at(&format!("http://{silent}"));
    let error = client.create(&incident(), &fields()).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::RETRY);
    assert_eq!(error.status(), None);
    assert_eq!(
        error.to_string(),
        "ServiceNow: could not create a record in table incident: no connection to 127.0.0.1; nothing was sent"
    );
}

#[tokio::test]
async fn success_that_is_none_is_an_error() {
    let page = "<html><head><title>Instance Hibernating page</title></head></html>";
    let mut appended = record();
    appended["error"] =
        json!({"message": "Transaction cancelled: maximum execution time exceeded"});
    let other = json!({"result": {"sys_id": OTHER_ID}});
    let oversize =
        json!({"result": {"sys_id": ID, "description": "x".repeat(vendor_http::BODY_LIMIT)}});
    let give_up = Disposition::GiveUp;
    let reconcile = SETTLED;
    // Step, for create, for update, for a look-up.
    for (step, created, updated, found) in [
        (
            Step::answer(200, "text/html", page),
            give_up,
            give_up,
            give_up,
        ),
        (
            Step::answer(201, "text/html", page),
            reconcile,
            reconcile,
            give_up,
        ),
        (
            Step::json(200, &appended),
            reconcile,
            reconcile,
            Disposition::RETRY,
        ),
        (
            Step::json(201, &appended),
            reconcile,
            reconcile,
            Disposition::RETRY,
        ),
        (
            Step::json(201, json!({"result": {"number": "INC1"}})),
            reconcile,
            reconcile,
            give_up,
        ),
        (
            Step::json(200, json!({"result": {"sys_id": "short"}})),
            reconcile,
            reconcile,
            give_up,
        ),
        (Step::json(200, "{}"), reconcile, reconcile, give_up),
        (Step::json(204, ""), reconcile, reconcile, give_up),
        (Step::json(202, record()), reconcile, reconcile, give_up),
        (
            Step::json(200, "{\"result\":"),
            reconcile,
            reconcile,
            give_up,
        ),
        (
            Step::answer(200, "text/plain", record()),
            reconcile,
            reconcile,
            give_up,
        ),
        (Step::json(200, &other), reconcile, reconcile, give_up),
        (Step::json(201, &oversize), reconcile, reconcile, give_up),
    ] {
        let shown = format!("{step:?}").chars().take(200).collect::<String>();
        let (error, _server) = create(step.clone()).await;
        assert_eq!(error.disposition(), created, "create: {shown}");
        assert_eq!(
            update(step.clone()).await.disposition(),
            updated,
            "update: {shown}"
        );
        assert_eq!(find(step).await.disposition(), found, "find: {shown}");
    }
}

#[tokio::test]
async fn oversize_refusal_is_judged_by_its_status() {
    let long = "x".repeat(vendor_http::BODY_LIMIT + 1);
    for (status, expected) in [
        (401, Disposition::GiveUp),
        (429, Disposition::RETRY),
        (502, SETTLED),
    ] {
        let (error, _server) = create(Step::answer(status, "text/html", &long)).await;
        assert_eq!(error.disposition(), expected, "{status}");
        assert_eq!(error.is_unauthorized(), status == 401);
    }
}

#[tokio::test]
async fn error_text_says_what_where_and_why() {
    let policy =
        "Data Policy Exception: The following fields are mandatory: Close notes, Resolution code";
    for (step, expected) in [
        (
            Step::json(403, error_body("Operation Failed", Some(policy)))
                .with("x-transaction-id", "e1f2"),
            format!(
                "ServiceNow: could not update a record in table incident: HTTP 403: Operation Failed: {policy} [transaction e1f2]"
            ),
        ),
        (
            Step::json(401, error_body("User Not Authenticated", None)),
            "ServiceNow: could not update a record in table incident: HTTP 401, the account's credentials were not accepted: User Not Authenticated".to_owned(),
        ),
        (
            Step::json(401, error_body("User Not Authenticated", None))
                .with("x-mfa_token", "invalid"),
            "ServiceNow: could not update a record in table incident: HTTP 401, the account's credentials were not accepted: User Not Authenticated: the user has multi-factor authentication, which the API cannot use".to_owned(),
        ),
        (
            Step::answer(502, "text/html", "<title>502 Bad Gateway</title>"),
            "ServiceNow: could not update a record in table incident: HTTP 502: 502 Bad Gateway".to_owned(),
        ),
        (
            Step::answer(200, "text/html", "<title>Instance Hibernating page</title>"),
            "ServiceNow: could not update a record in table incident: a web page came instead of data; the instance may be hibernating or behind single sign-on: Instance Hibernating page".to_owned(),
        ),
        (
            Step::json(302, ""),
            "ServiceNow: could not update a record in table incident: HTTP 302, redirected, probably to a login page; is the instance name right?".to_owned(),
        ),
        (
            Step::json(200, json!({"error": "broken"})),
            "ServiceNow: could not update a record in table incident: the answer reports a failure although its status is success: broken".to_owned(),
        ),
    ] {
        assert_eq!(update(step).await.to_string(), expected);
    }
}

#[tokio::test]
async fn mandatory_fields_are_named() {
    let detail =
        "Data Policy Exception: The following fields are mandatory: Close notes, Resolution code.";
    let error = update(Step::json(
        403,
        error_body("Operation Failed", Some(detail)),
    ))
    .await;
    assert_eq!(error.mandatory_fields(), ["Close notes", "Resolution code"]);
    assert!(error.is_data_policy());
    let error = update(Step::json(403, error_body("Operation Failed", None))).await;
    assert!(error.mandatory_fields().is_empty() && !error.is_data_policy());
}

#[tokio::test]
async fn record_that_is_gone_is_named() {
    let words = "Record doesn't exist or ACL restricts the record retrieval";
    let gone = || Step::json(404, error_body("No Record found", Some(words)));
    let error = update(gone()).await;
    assert_eq!(
        error.to_string(),
        format!(
            "ServiceNow: could not update a record in table incident: no record has the sys_id {ID}, or the account may not see it: No Record found: {words}"
        )
    );
    assert_eq!(
        (error.disposition(), error.status()),
        (Disposition::GiveUp, Some(404))
    );
    let (client, _server) = scripted([gone(), gone(), Step::answer(404, "text/html", "")]).await;
    let (incident, id) = (incident(), id());
    for (error, expected) in [
        (client.journal(&incident, &id).await.unwrap_err(), true),
        (client.read(&incident, &id).await.unwrap_err(), true),
        // A gateway's page says nothing about records.
        (client.read(&incident, &id).await.unwrap_err(), false),
    ] {
        let named = matches!(error.kind, ErrorKind::NoSuchRecord { .. });
        assert_eq!(named, expected, "{error}");
    }
}

#[tokio::test]
async fn record_is_read_by_its_id() {
    let row = json!({"result": {"sys_id": ID, "number": "INC0010009"}});
    let other = json!({"result": {"sys_id": OTHER_ID, "number": "INC0010010"}});
    let (client, server) = scripted([Step::json(200, row), Step::json(200, other)]).await;
    let record = client.read(&incident(), &id()).await.unwrap().value;
    assert_eq!(record.number.as_deref(), Some("INC0010009"));
    let received = &server.received()[0];
    assert_eq!(received.method, "GET");
    assert!(received.target.contains(&format!("/incident/{ID}?")));
    let error = client.read(&incident(), &id()).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::GiveUp);
}

fn person(id: &str, email: &str, active: &str) -> Value {
    json!({"sys_id": id, "email": email, "active": active})
}

#[tokio::test]
async fn person_is_asked_for_by_one_condition() {
    let found = json!({"result": [person(ID, "Jane@Example.com", "true")]});
    let (client, server) = scripted([Step::json(200, found)]).await;
    let email = QueryText::parse(" jane@example.com ").unwrap();
    let answer = client.resolve(ReferenceKey::UserEmail, &email).await;
    assert_eq!(answer.unwrap().value, id());
    let received = &server.received()[0];
    let path = "/servicenow/dev12345/api/now/table/sys_user?";
    assert!(received.target.starts_with(path), "{}", received.target);
    let pairs = [
        ("sysparm_query", "email=jane@example.com"),
        ("sysparm_fields", "sys_id,active,email"),
        ("sysparm_limit", "20"),
        ("sysparm_exclude_reference_link", "true"),
    ];
    assert_eq!(
        received.query(),
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}

#[tokio::test]
async fn only_the_one_active_person_is_taken() {
    let email = "jane@example.com";
    let many = vec![person(OTHER_ID, email, "false"); 19];
    let with = |row: Value| [many.clone(), vec![row]].concat();
    for (rows, expected) in [
        (vec![person(ID, email, "true")], None),
        (
            vec![person(OTHER_ID, email, "false"), person(ID, email, "true")],
            None,
        ),
        (vec![], Some("no row has the `email` `jane@example.com`")),
        (
            vec![person(ID, email, "false")],
            Some("only what is inactive has the `email`"),
        ),
        (
            vec![person(ID, email, "true"), person(OTHER_ID, email, "true")],
            Some("several active rows have the `email`"),
        ),
        // There may be another one behind the last row that was asked for.
        (with(person(ID, email, "true")), Some("several active rows")),
        // The condition was dropped: strangers come, with or without the one.
        (
            vec![person(ID, "somebody@example.com", "true")],
            Some("the condition on `email` was ignored"),
        ),
        (
            vec![
                person(ID, email, "true"),
                person(OTHER_ID, "somebody@example.com", "true"),
            ],
            Some("the condition on `email` was ignored"),
        ),
        (
            vec![json!({"sys_id": ID, "active": "true"})],
            Some("the condition on `email` was ignored"),
        ),
        (
            vec![json!({"sys_id": ID, "email": email})],
            Some("may not read whether"),
        ),
        (vec![person(ID, email, "")], Some("may not read whether")),
    ] {
        let (client, _server) = scripted([Step::json(200, json!({ "result": rows }))]).await;
        let value = QueryText::parse(email).unwrap();
        let result = client.resolve(ReferenceKey::UserEmail, &value).await;
        match (result, expected) {
            (Ok(answer), None) => assert_eq!(answer.value, id()),
            (Err(error), Some(expected)) => {
                let text = error.to_string();
                assert!(text.contains(expected), "{rows:?}: {text}");
                assert!(text.contains("sys_user"), "{text}");
                assert_eq!(error.disposition(), Disposition::GiveUp);
            }
            (result, _) => panic!("{rows:?}: {result:?}"),
        }
    }
}

#[tokio::test]
async fn names_are_compared_letter_for_letter() {
    for (key, table, found, expected) in [
        (
            ReferenceKey::GroupName,
            "sys_user_group",
            "Service Desk",
            true,
        ),
        (ReferenceKey::UserFullName, "sys_user", "Service Desk", true),
        (
            ReferenceKey::UserFullName,
            "sys_user",
            "service desk",
            false,
        ),
    ] {
        let row = json!({"sys_id": ID, "name": found, "active": "true"});
        let (client, server) = scripted([Step::json(200, json!({"result": [row]}))]).await;
        let value = QueryText::parse("Service Desk").unwrap();
        let result = client.resolve(key, &value).await;
        match result {
            Ok(answer) => assert_eq!((answer.value, expected), (id(), true)),
            Err(error) => {
                assert!(!expected, "{error}");
                assert!(error.to_string().contains("letter for letter"), "{error}");
            }
        }
        let target = &server.received()[0].target;
        assert!(target.contains(&format!("/{table}?")), "{target}");
        assert!(
            server.received()[0]
                .query()
                .contains(&("sysparm_query".to_owned(), "name=Service Desk".to_owned()))
        );
    }
}

#[tokio::test]
async fn look_up_that_fails_has_its_disposition() {
    for (step, expected) in [
        (Step::json(503, "{}"), Disposition::RETRY),
        (Step::Lose, Disposition::RETRY),
        (
            Step::json(
                403,
                error_body("Insufficient rights to query records", None),
            ),
            Disposition::GiveUp,
        ),
    ] {
        let (client, _server) = scripted([step]).await;
        let value = QueryText::parse("x").unwrap();
        let error = client.resolve(ReferenceKey::UserName, &value).await;
        assert_eq!(error.unwrap_err().disposition(), expected);
    }
}

#[tokio::test]
async fn number_leads_to_the_one_record() {
    let row = json!({"sys_id": ID, "number": "INC0010009", "sys_class_name": "incident"});
    let (client, server) = scripted([Step::json(200, json!({"result": [row]}))]).await;
    let found = client.find_by_number(&incident(), &number()).await;
    assert_eq!(found.unwrap().value.sys_id, id());
    let received = &server.received()[0];
    assert_eq!(received.method, "GET");
    assert!(
        received
            .target
            .starts_with("/servicenow/dev12345/api/now/table/incident?")
    );
    for (name, value) in [
        ("sysparm_query", "number=INC0010009"),
        ("sysparm_fields", "sys_id,number,sys_class_name"),
        ("sysparm_limit", "2"),
        ("sysparm_exclude_reference_link", "true"),
    ] {
        assert!(
            received
                .query()
                .contains(&(name.to_owned(), value.to_owned())),
            "{name}: {}",
            received.target
        );
    }
}

#[tokio::test]
async fn any_other_count_of_records_is_an_error() {
    let row = |id: &str, number: &str| json!({"sys_id": id, "number": number});
    let ours = row(ID, "INC0010009");
    for (rows, expected) in [
        (json!([]), "no record has the number INC0010009"),
        (
            json!([ours, row(OTHER_ID, "INC0010009")]),
            "several records have the number INC0010009",
        ),
        // Dropped conditions bring other people's records.
        (
            json!([row(ID, "INC0000001")]),
            "the condition on `number` was ignored",
        ),
        (
            json!([ours, row(OTHER_ID, "INC0000001")]),
            "the condition on `number` was ignored",
        ),
        (
            json!([{"sys_id": ID}]),
            "the condition on `number` was ignored",
        ),
        (
            json!([{"number": "INC0010009"}]),
            "the answer is not a list of records",
        ),
    ] {
        let error = find(Step::json(200, json!({ "result": rows }))).await;
        assert!(error.to_string().contains(expected), "{rows}: {error}");
        assert_eq!(error.disposition(), Disposition::GiveUp);
        assert_eq!(error.operation, Operation::FindByNumber);
        assert_eq!(error.status(), Some(200));
    }
}

#[tokio::test]
async fn correlation_id_counts_only_where_it_is_returned() {
    let key = CorrelationId::parse("0a1b2c").unwrap();
    let row = |id: &str, key: &str, created: &str| json!({"sys_id": id, "number": "INC1", "correlation_id": key, "sys_created_on": created});
    let old = "2026-07-13 00:00:00";
    let new = "2026-07-14 00:00:00";
    for (rows, expected, ignored) in [
        (json!([]), vec![], false),
        (json!([row(ID, "0a1b2c", new)]), vec![ID], false),
        (
            json!([row(ID, "0a1b2c", new), row(OTHER_ID, "0a1b2c", old)]),
            vec![OTHER_ID, ID],
            false,
        ),
        (
            json!([row(ID, "", new), row(OTHER_ID, "0A1B2C", old)]),
            vec![],
            true,
        ),
        (json!([{"sys_id": ID, "number": "U1"}]), vec![], true),
    ] {
        let (client, server) = scripted([Step::json(200, json!({ "result": rows }))]).await;
        let answer = client
            .find_by_correlation_id(&incident(), &key)
            .await
            .unwrap();
        let found: Vec<&str> = answer
            .value
            .records
            .iter()
            .map(|record| record.sys_id.as_str())
            .collect();
        assert_eq!(found, expected, "{rows}");
        assert_eq!(answer.value.condition_ignored, ignored, "{rows}");
        assert!(server.received()[0].query().contains(&(
            "sysparm_query".to_owned(),
            "correlation_id=0a1b2c^ORDERBYsys_created_on".to_owned()
        )));
    }
}

#[tokio::test]
async fn journal_is_read_with_both_forms_of_the_date() {
    let row = json!({"result": {
        "sys_id": {"display_value": ID, "value": ID},
        "sys_updated_on": {"display_value": "2026-07-13 17:28:27", "value": "2026-07-14 00:28:27"},
        "comments": {"display_value": "2026-07-13 17:28:27 - Bot (Additional comments)\nThank you\n\n", "value": ""},
        "work_notes": {"display_value": "", "value": ""},
    }});
    let (client, server) = scripted([Step::json(200, &row)]).await;
    let journal = client.journal(&incident(), &id()).await.unwrap().value;
    let since = "2026-07-14T00:28:00Z".parse().unwrap();
    assert!(journal.contains("comments", "Thank you", since));
    assert!(!journal.contains("work_notes", "Thank you", since));
    let received = &server.received()[0];
    assert!(received.target.starts_with(&format!(
        "/servicenow/dev12345/api/now/table/incident/{ID}?"
    )));
    assert_eq!(
        received.query(),
        [
            ("sysparm_display_value".to_owned(), "all".to_owned()),
            (
                "sysparm_fields".to_owned(),
                "sys_id,sys_updated_on,comments,work_notes".to_owned()
            ),
        ]
    );

    let (client, _server) =
        scripted([Step::json(200, json!({"result": {"sys_id": OTHER_ID}}))]).await;
    let error = client.journal(&incident(), &id()).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::GiveUp);
}

#[test]
fn link_leads_people_to_the_record() {
    let base = BaseUrl::parse("https://{instance}.service-now.com", "instance", "dev1").unwrap();
    let http = vendor_http::Client::new().unwrap();
    let client = Client::new(http, base, Auth::Bearer("t".into()));
    assert_eq!(
        client.record_link(&incident(), &id()),
        format!("https://dev1.service-now.com/nav_to.do?uri=%2Fincident.do%3Fsys_id%3D{ID}")
    );
}

fn a_row() -> Step {
    Step::json(200, json!({"result": [{"sys_id": ID}]}))
}

fn no_rights() -> Step {
    Step::json(
        403,
        error_body("Insufficient rights to query records", None),
    )
}

#[tokio::test]
async fn verification_tells_what_may_be_read_and_who_it_is() {
    let user = json!({"result": [{"sys_id": ID, "user_name": "api", "name": "Integration Bot"}]});
    let script = [
        a_row(),
        no_rights(),
        Step::json(200, json!({"result": []})),
        Step::json(400, error_body("Invalid table problem", None)),
        a_row(),
        Step::json(200, user),
    ];
    let (client, server) = scripted(script).await;
    let verified = client.verify(Some("api")).await.unwrap();
    assert_eq!(verified.user.as_deref(), Some("Integration Bot"));
    let checks: Vec<_> = verified
        .checks
        .iter()
        .map(|check| (check.what, check.allowed))
        .collect();
    assert_eq!(
        checks,
        [
            ("read sys_user", Some(true)),
            ("read sys_user_group", Some(false)),
            ("read incident", None),
            ("read problem", None),
            ("read change_request", Some(true)),
        ]
    );
    assert!(verified.checks[1].answer.contains("Insufficient rights"));
    assert!(verified.checks[2].answer.contains("no row"));
    assert!(verified.checks[3].answer.contains("Invalid table problem"));
    let received = server.received();
    assert!(received.iter().all(|request| request.method == "GET"));
    let first: Vec<_> = received[0].query();
    assert_eq!(
        first[..2],
        [
            ("sysparm_fields".to_owned(), "sys_id".to_owned()),
            ("sysparm_limit".to_owned(), "1".to_owned())
        ]
    );
    assert_eq!(
        received[5].query()[0],
        ("sysparm_query".to_owned(), "user_name=api".to_owned())
    );
}

#[tokio::test]
async fn stranger_is_not_taken_for_the_user() {
    let stranger =
        json!({"result": [{"sys_id": ID, "user_name": "admin", "name": "Administrator"}]});
    let all = || std::iter::repeat_with(a_row).take(5);
    for (username, last) in [
        (Some("api"), vec![Step::json(200, &stranger)]),
        (Some("api"), vec![no_rights()]),
        (Some("api^ORactive=true"), vec![]),
        (None, vec![]),
    ] {
        let calls = 5 + last.len();
        let (client, server) = scripted(all().chain(last)).await;
        let verified = client.verify(username).await.unwrap();
        assert_eq!(verified.user, None);
        assert_eq!(server.received().len(), calls);
    }
}

#[tokio::test]
async fn refused_credentials_end_the_verification() {
    for step in [
        Step::json(401, error_body("User Not Authenticated", None)),
        Step::answer(401, "text/html", "<title>Login</title>"),
    ] {
        let (client, server) = scripted([step]).await;
        let error = client.verify(Some("api")).await.unwrap_err();
        assert!(error.is_unauthorized(), "{error}");
        assert_eq!(server.received().len(), 1);
    }
}

#[tokio::test]
async fn account_without_any_right_is_verified_all_the_same() {
    let (client, _server) = scripted(std::iter::repeat_with(no_rights).take(5)).await;
    let verified = client.verify(None).await.unwrap();
    assert!(
        verified
            .checks
            .iter()
            .all(|check| check.allowed == Some(false))
    );
}

#[tokio::test]
async fn what_does_not_answer_like_an_instance_is_none() {
    for (step, expected) in [
        (
            Step::answer(200, "text/html", "<title>Instance Hibernating page</title>"),
            "Instance Hibernating page",
        ),
        (
            Step::json(302, "").with("location", "/login.do"),
            "redirected",
        ),
        (
            Step::answer(404, "text/html", "<title>Not found</title>"),
            "Not found",
        ),
        (Step::answer(200, "text/plain", "ok"), "not JSON"),
    ] {
        let (client, server) = scripted([step]).await;
        let text = client.verify(None).await.unwrap_err().to_string();
        let address = format!("{}/servicenow/dev12345", server.url());
        assert!(
            text.contains(&format!("there is no instance at {address}, or it sleeps")),
            "{text}"
        );
        assert!(text.contains(expected), "{text}");
    }
    let silent = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = client_at(&format!("http://{silent}"))
        .verify(None)
        .await
        .unwrap_err();
    assert!(matches!(error.kind, ErrorKind::NoInstance { .. }));
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn outage_is_neither_refusal_nor_absence() {
    for step in [
        Step::json(503, "{}"),
        Step::json(429, error_body("Rate limit exceeded", None)),
        Step::Lose,
    ] {
        let (client, _server) = scripted([step.clone()]).await;
        let error = client.verify(None).await.unwrap_err();
        assert!(!matches!(error.kind, ErrorKind::NoInstance { .. }));
        assert!(!error.is_unauthorized());
        assert_eq!(error.disposition(), Disposition::RETRY, "{step:?}");
        // Once the credentials have worked, what fails afterwards is a check without a result.
        let (client, server) = scripted([a_row(), step]).await;
        let verified = client.verify(Some("api")).await.unwrap();
        let allowed: Vec<_> = verified.checks.iter().map(|check| check.allowed).collect();
        assert_eq!(allowed, [Some(true), None, None, None, None]);
        assert_eq!(server.received().len(), 2);
    }
}

fn both(shown: &str, value: &str) -> Value {
    json!({"display_value": shown, "value": value})
}

fn shown_row(number: &str) -> Value {
    json!({
        "sys_id": both(ID, ID), "number": both(number, number), "sys_class_name": both("Incident", "incident"),
        "caller_id": both("Bea Lee", OTHER_ID), "caller_id.email": both("bea@example.com", "bea@example.com"),
    })
}

#[tokio::test]
async fn record_is_shown_as_people_see_it() {
    let fields = ["caller_id", "caller_id.email"].map(|path| FieldPath::parse(path).unwrap());
    for (key, result, target) in [
        (
            RecordKey::SysId(id()),
            shown_row("INC0010009"),
            "/api/now/table/incident/54b947b1c30e0310c5a8fc0d05013158",
        ),
        (
            RecordKey::Number(number()),
            json!([shown_row("INC0010009")]),
            "/api/now/table/incident",
        ),
    ] {
        let (client, server) = scripted([Step::json(200, json!({"result": result}))]).await;
        let shown = client
            .shown(&incident(), &key, &fields)
            .await
            .unwrap()
            .value;
        assert_eq!(shown.field("caller_id"), Some("Bea Lee"));
        assert_eq!(shown.field("caller_id.email"), Some("bea@example.com"));
        assert_eq!(shown.class.as_deref(), Some("incident"));
        let [asked] = server.received().try_into().unwrap();
        assert!(asked.target.contains(target), "{}", asked.target);
        let query: BTreeMap<String, String> = asked.query().into_iter().collect();
        assert_eq!(query["sysparm_display_value"], "all");
        assert_eq!(
            query["sysparm_fields"],
            "caller_id,caller_id.email,number,sys_class_name,sys_id"
        );
        let condition = query.get("sysparm_query").map(String::as_str);
        let by_number = matches!(key, RecordKey::Number(_)).then_some("number=INC0010009");
        assert_eq!(condition, by_number);
    }
}

#[tokio::test]
async fn record_of_another_number_is_never_shown() {
    for (rows, expected) in [
        (json!([]), "no record"),
        (json!([shown_row("INC0010008")]), "number"),
        (
            json!([shown_row("INC0010009"), shown_row("INC0010009")]),
            "several",
        ),
    ] {
        let (client, _server) = scripted([Step::json(200, json!({"result": rows}))]).await;
        let key = RecordKey::Number(number());
        let error = client.shown(&incident(), &key, &[]).await.unwrap_err();
        assert_eq!(error.disposition(), Disposition::GiveUp);
        assert!(
            error.to_string().to_lowercase().contains(expected),
            "{error}"
        );
    }
    let (client, _server) = scripted([Step::json(200, json!({"result": shown_row("INC1")}))]).await;
    let key = RecordKey::SysId(SysId::parse(OTHER_ID).unwrap());
    let error = client.shown(&incident(), &key, &[]).await.unwrap_err();
    assert!(
        matches!(error.kind, ErrorKind::Unexpected { .. }),
        "{error}"
    );
}
