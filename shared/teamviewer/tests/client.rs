//! The calls, against a server that answers from a script.
#![cfg(test)]

use std::error::Error as _;
use std::time::Duration;

use jiff::Timestamp;
use retry::Disposition;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use teamviewer::{
    BaseUrl, Client, ConnectionQuery, EndCustomer, Error, ErrorKind, InvalidInput, NewSession,
    SessionChange, SessionCode, SessionQuery, SessionState, Unreadable,
};
use vendor_http::test_support::{Server, Step};

const TOKEN: &str = "1234567-t0kent0kent0kent0ken";
const LINK: &str = "https://get.teamviewer.com/v15/s119457589-s3cr3tl1nk";
const CUSTOMER_LINK: &str = "https://get.teamviewer.com/v15/s119457589";
const WAIT: Disposition = Disposition::Wait {
    every: Duration::from_mins(20),
};

fn client_of(url: &str) -> Client {
    let template = format!("{url}/teamviewer/{{company}}");
    let base = BaseUrl::parse_optional(&template, "company", "Acme").unwrap();
    let http = vendor_http::Client::new()
        .unwrap()
        .with_timeout(Duration::from_secs(1));
    Client::new(http, base, TOKEN.into())
}

async fn scripted(steps: impl IntoIterator<Item = Step>) -> (Client, Server) {
    let server = Server::start(steps).await.unwrap();
    (client_of(&server.url()), server)
}

fn after(minutes: u64) -> Disposition {
    Disposition::Retry {
        after: Some(Duration::from_mins(minutes)),
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn window() -> ConnectionQuery {
    ConnectionQuery::window(time("2026-03-02T04:00:00Z"), time("2026-03-02T10:00:00Z"))
}

fn code() -> SessionCode {
    SessionCode::parse("s119-457-589").unwrap()
}

fn refusal(status: u16, code: &str, description: &str) -> Step {
    Step::json(
        status,
        json!({"error": code, "error_description": description, "error_code": 2, "error_signature": "ab-12"}),
    )
}

fn new_session() -> NewSession {
    NewSession {
        groupid: Some("g42".to_owned()),
        description: Some("INC0010001: no sound".to_owned()),
        end_customer: Some(EndCustomer {
            name: Some("Ann Example".to_owned()),
            email: Some("ann@example.com".to_owned()),
        }),
        custom_api: Some("reference".to_owned()),
        ..NewSession::default()
    }
}

fn stored_session() -> Value {
    json!({
        "code": "s119-457-589", "state": "Open", "groupid": "g42", "description": "no sound", "waiting_message": "",
        "end_customer": {"name": "Ann Example", "email": null}, "assigned_userid": "u0", "assigned_at": "2026-03-02T10:00:00Z",
        "end_customer_link": CUSTOMER_LINK, "supporter_link": LINK, "webclient_supporter_link": LINK,
        "custom_api": "reference", "created_at": "2026-03-02T10:00:00Z", "valid_until": "2026-03-03T10:00:00Z",
        "online": true, "support_session_type": "Default", "tv_version": 15,
    })
}

/// Everything that an error can tell.
fn told(error: &Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(one) = cause {
        text = format!("{text} {one} {one:?}");
        cause = one.source();
    }
    text
}

#[tokio::test]
async fn report_is_asked_for_in_whole_seconds_and_with_its_own_paging() {
    let first = json!({"records": [], "records_remaining": 1500, "next_offset": "0755A8DD-df19"});
    let last = json!({"records": [], "next_offset": ""});
    let steps = [first, last, json!({"records": null}), json!({})];
    let (client, server) = scripted(steps.map(|body| Step::json(200, body))).await;
    let mut query = ConnectionQuery {
        from: Some(time("2026-03-02T04:00:00.9Z")),
        to: Some(time("2026-03-02T10:00:00.1Z")),
        ..ConnectionQuery::default()
    };
    let page = client.connections(&query).await.unwrap();
    assert_eq!(
        page.call.to_string(),
        "GET /teamviewer/acme/api/v1/reports/connections answered 200"
    );
    assert_eq!(page.value.next_offset.as_deref(), Some("0755A8DD-df19"));
    assert_eq!(page.value.records_remaining, Some(1500));
    query.offset_id = page.value.next_offset;
    let page = client.connections(&query).await.unwrap().value;
    assert_eq!((page.next_offset, page.records_remaining), (None, None));
    for _ in 0..2 {
        let query = ConnectionQuery::of_session(code());
        let page = client.connections(&query).await.unwrap().value;
        assert!(page.records.is_empty() && page.unreadable.is_empty());
    }

    let received = server.received();
    assert_eq!(
        received[0].header("authorization"),
        format!("Bearer {TOKEN}")
    );
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let window = [
        pair("from_date", "2026-03-02T04:00:00Z"),
        pair("to_date", "2026-03-02T10:00:01Z"),
    ];
    assert_eq!(received[0].query(), window);
    let [from, to] = window;
    let next = [from, to, pair("offset_id", "0755A8DD-df19")];
    assert_eq!(received[1].query(), next);
    assert_eq!(received[2].query(), [pair("session_code", "s119-457-589")]);
    assert!(received.iter().all(|request| request.body.is_empty()));
}

#[tokio::test]
async fn report_has_longer_than_other_calls() {
    let (client, _server) = scripted([Step::Stall, Step::Stall]).await;
    assert!(client.ping().await.is_err());
    let query = ConnectionQuery::window(time("2026-03-02T04:00:00Z"), time("2026-03-02T10:00:00Z"));
    let twice_as_long = Duration::from_secs(2);
    let answer = tokio::time::timeout(twice_as_long, client.connections(&query)).await;
    assert!(answer.is_err(), "{answer:?}");
}

#[tokio::test]
async fn query_that_would_read_everything_is_not_asked() {
    let (client, server) = scripted([]).await;
    let start = time("2026-03-02T10:00:00Z");
    for (query, expected) in [
        (ConnectionQuery::window(start, start), InvalidInput::Window),
        (
            ConnectionQuery::window(start, time("2026-03-02T09:59:59Z")),
            InvalidInput::Window,
        ),
        (ConnectionQuery::default(), InvalidInput::WholeReport),
        (
            ConnectionQuery {
                offset_id: Some("0755a8dd".to_owned()),
                ..ConnectionQuery::default()
            },
            InvalidInput::WholeReport,
        ),
    ] {
        let error = client.connections(&query).await.unwrap_err();
        assert!(
            matches!(error.kind, ErrorKind::Input(input) if input == expected),
            "{error}"
        );
        assert_eq!(error.disposition(), Disposition::GiveUp);
    }
    for id in ["", "../sessions", "a/b", "a b"] {
        let error = client.connection(id).await.unwrap_err();
        assert!(matches!(
            error.kind,
            ErrorKind::Input(InvalidInput::ConnectionId)
        ));
    }
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn record_is_read_whatever_form_its_values_have() {
    let full = json!({
        "id": "0755A8DD-DF19-4EA7-AF47-CABB6B2A97E4", "userid": "u1234", "username": "Bob Example",
        "deviceid": 5_123_456_789_u64, "devicename": "", "groupid": null, "support_session_type": 1,
        "start_date": "2017-02-03T14:10:50Z", "end_date": "20170203T141101Z", "fee": "0.50", "currency": "None",
        "billing_state": "Bill", "notes": "done", "session_code": "S119457589", "session_created_at": "2017-02-03T14:00:00Z",
        "valid_until": "2017-02-04T14:00:00Z", "assigned_userid": "u1234", "assigned_at": "2017-02-03T14:00:00Z",
        "session_note": "no sound", "custom_api": "reference", "contact_id": "c7",
        "end_customer": {"name": "Ann Example", "email": "ann@example.com"},
        "feedback": {"session_rating": "5", "user_comment": "Thanks"}, "something_new": [1],
    });
    let running = json!({"id": "a", "start_date": "2017-02-03T14:10:50Z", "end_date": "", "deviceid": "d111", "fee": 1.5});
    let odd = json!({
        "id": "b", "start_date": "2017-02-03T14:10:50Z", "session_code": "?", "fee": "much", "valid_until": "later",
        "end_customer": "Ann Example",
    });
    let body = json!({"records": [full, running, odd]});
    let (client, _server) = scripted([Step::json(200, body)]).await;
    let page = client.connections(&window()).await.unwrap().value;
    assert!(page.unreadable.is_empty());
    let [full, running, odd] = page.records.as_slice() else {
        panic!("{page:?}");
    };
    assert_eq!(full.id, "0755a8dd-df19-4ea7-af47-cabb6b2a97e4");
    assert_eq!(full.deviceid.as_deref(), Some("5123456789"));
    assert_eq!(
        (&full.devicename, &full.groupid, &full.groupname),
        (&None, &None, &None)
    );
    assert_eq!(full.support_session_type, Some(1));
    assert_eq!(full.start_date, time("2017-02-03T14:10:50Z"));
    assert_eq!(full.end_date, Some(time("2017-02-03T14:11:01Z")));
    assert_eq!((full.fee, &full.currency), (Some(0.5), &None));
    assert_eq!(full.session_code.as_ref(), Some(&code()));
    assert_eq!(full.custom_api.as_deref(), Some("reference"));
    let customer = full.end_customer.as_ref().unwrap();
    assert_eq!(customer.email.as_deref(), Some("ann@example.com"));
    assert_eq!(full.feedback.as_ref().unwrap().session_rating, Some(5));
    assert!(full.unread.is_empty());
    assert_eq!((running.end_date, running.fee), (None, Some(1.5)));
    assert_eq!(running.deviceid.as_deref(), Some("d111"));
    // What is there and cannot be read is told, and costs nothing else.
    assert_eq!(odd.unread, ["fee", "session_code", "valid_until"]);
    assert_eq!(odd.session_code, None);
    assert_eq!(
        odd.end_customer.as_ref().unwrap().name.as_deref(),
        Some("Ann Example")
    );
    let debug = format!("{page:?}");
    for personal in ["Ann", "Bob", "sound", "reference", "Thanks", "done"] {
        assert!(!debug.contains(personal), "{debug}");
    }
}

#[tokio::test]
async fn records_without_id_or_dates_are_told_and_do_not_spoil_the_page() {
    let start = "2017-02-03T14:10:50Z";
    let body = json!({"records": [
        {"start_date": start},
        {"id": "AB-1", "start_date": "03/02/2017"},
        {"id": "AB-2"},
        {"id": "AB-3", "start_date": start, "end_date": "soon"},
        {"id": "../x", "start_date": start},
        {"id": 7, "start_date": start},
        "text",
        null,
    ]});
    let (client, _server) = scripted([Step::json(200, body)]).await;
    let page = client.connections(&window()).await.unwrap().value;
    let ids: Vec<&str> = page
        .records
        .iter()
        .map(|record| record.id.as_str())
        .collect();
    assert_eq!(ids, ["7"]);
    let expected = [
        (None, "id"),
        (Some("AB-1"), "start_date"),
        (Some("AB-2"), "start_date"),
        (Some("AB-3"), "end_date"),
        (Some("../x"), "id"),
        (None, "id"),
        (None, "id"),
    ];
    let expected = expected.map(|(id, field)| Unreadable {
        id: id.map(str::to_owned),
        field,
    });
    assert_eq!(page.unreadable, expected);
}

#[tokio::test]
async fn page_longer_than_usual_answers_is_read() {
    let record = |number: usize| json!({"id": format!("c-{number}"), "start_date": "2017-02-03T14:10:50Z", "session_note": "x".repeat(4000)});
    let body = json!({"records": (0..1000).map(record).collect::<Vec<_>>()}).to_string();
    assert!(body.len() > 3 * vendor_http::BODY_LIMIT);
    let (client, _server) = scripted([Step::json(200, body)]).await;
    let page = client.connections(&window()).await.unwrap().value;
    assert_eq!(page.records.len(), 1000);
}

#[tokio::test]
async fn page_of_sessions_with_long_texts_is_read() {
    let session = |number: usize| json!({"code": format!("s{number:09}"), "description": "ü".repeat(4000), "custom_api": "x".repeat(4000)});
    let body = json!({"sessions": (0..1000).map(session).collect::<Vec<_>>()}).to_string();
    assert!(body.len() > 12_000_000);
    let (client, _server) = scripted([Step::json(200, body)]).await;
    let page = client.sessions(&SessionQuery::default()).await.unwrap();
    assert_eq!(page.value.sessions.len(), 1000);
}

#[tokio::test]
async fn one_connection_is_read_by_its_id() {
    let record = json!({"id": "AB-1", "start_date": "2017-02-03T14:10:50Z"});
    let steps = [
        Step::json(200, &record),
        Step::json(200, &record),
        Step::json(200, json!({"id": "ab-1"})),
        refusal(404, "not_found", "no such connection"),
    ];
    let (client, server) = scripted(steps).await;
    assert_eq!(client.connection("ab-1").await.unwrap().value.id, "ab-1");
    assert!(
        server.received()[0]
            .target
            .ends_with("/api/v1/reports/connections/ab-1")
    );
    for (id, expected) in [
        ("ab-2", "about another connection"),
        ("ab-1", "no connection"),
    ] {
        let error = client.connection(id).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.disposition(), Disposition::RETRY);
    }
    let error = client.connection("ab-1").await.unwrap_err();
    assert!(error.is_absent());
    assert_eq!(error.disposition(), Disposition::GiveUp);
    // An address that cannot be written stays as long as it is.
    let error = client.connection(&"a".repeat(65_536)).await.unwrap_err();
    assert!(!error.is_absent());
    assert_eq!(error.disposition(), Disposition::GiveUp);
}

#[tokio::test]
async fn open_sessions_are_listed_with_their_details() {
    let least =
        json!({"code": "s100-000-001", "state": "CLOSED", "valid_until": "2026-03-02T10:00:00Z"});
    let body = json!({"sessions": [stored_session(), least, {"state": "open"}, {"code": "?"}],
        "sessions_remaining": 3, "next_offset": "s100-000-001"});
    let (client, server) = scripted([
        Step::json(200, body),
        Step::json(200, json!({"sessions": []})),
    ])
    .await;
    let page = client
        .sessions(&SessionQuery::default())
        .await
        .unwrap()
        .value;
    let [session, least] = page.sessions.as_slice() else {
        panic!("{page:?}");
    };
    assert_eq!(
        (&session.code, &session.state),
        (&code(), &SessionState::Open)
    );
    assert!(session.online && !least.online);
    assert_eq!(least.state, SessionState::Closed);
    assert_eq!(session.waiting_message, None);
    assert_eq!(session.end_customer_link.as_deref(), Some(CUSTOMER_LINK));
    assert_eq!(
        session.supporter_link.as_ref().unwrap().expose_secret(),
        LINK
    );
    assert!(least.supporter_link.is_none() && least.end_customer.is_none());
    // Open all the same.
    assert!(!session.is_expired(time("2026-03-03T09:59:59Z")));
    assert!(session.is_expired(time("2026-03-03T10:00:00Z")));
    let without_end = teamviewer::Session {
        valid_until: None,
        ..session.clone()
    };
    assert!(!without_end.is_expired(time("2030-01-01T00:00:00Z")));
    let lost: Vec<Option<&str>> = page
        .unreadable
        .iter()
        .map(|one| one.id.as_deref())
        .collect();
    assert_eq!(lost, [None, Some("?")]);
    assert_eq!(page.sessions_remaining, Some(3));
    let debug = format!("{page:?}");
    assert!(
        !debug.contains("s3cr3t") && !debug.contains("Ann"),
        "{debug}"
    );

    let query = SessionQuery {
        groupid: Some("g42".to_owned()),
        offset: page.next_offset,
        ..SessionQuery::default()
    };
    let page = client.sessions(&query).await.unwrap().value;
    assert!(page.sessions.is_empty() && page.next_offset.is_none());
    let received = server.received();
    assert_eq!(
        received[0].target,
        "/teamviewer/acme/api/v1/sessions?full_list=true&state=open"
    );
    assert_eq!(
        received[1].target,
        "/teamviewer/acme/api/v1/sessions?full_list=true&state=open&groupid=g42&offset=s100-000-001"
    );
}

#[tokio::test]
async fn session_is_read_by_its_code() {
    let other = json!({"code": "s100-000-001", "state": "on hold"});
    let steps = [
        Step::json(200, stored_session()),
        Step::json(200, &other),
        Step::json(200, json!({"state": "open"})),
        Step::json(200, &other),
        refusal(404, "not_found", "no such session"),
        Step::answer(404, "text/html", "<title>Nothing here</title>"),
    ];
    let (client, server) = scripted(steps).await;
    let written = SessionCode::parse("S119457589").unwrap();
    assert!(client.session(&written).await.unwrap().value.online);
    assert!(
        server.received()[0]
            .target
            .ends_with("/api/v1/sessions/s119-457-589")
    );
    for expected in ["about another session", "no session"] {
        let error = client.session(&code()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let other = SessionCode::parse("s100-000-001").unwrap();
    let state = client.session(&other).await.unwrap().value.state;
    assert_eq!(state, SessionState::Other("on hold".to_owned()));
    let error = client.session(&code()).await.unwrap_err();
    assert!(error.is_absent());
    // A gateway's page says nothing about the session.
    let error = client.session(&code()).await.unwrap_err();
    assert!(
        !error.is_absent() && error.to_string().contains("Nothing here"),
        "{error}"
    );
}

#[tokio::test]
async fn created_session_is_found_in_whatever_answers() {
    let api = "/api/v1/sessions/s119-457-589";
    for (step, whole) in [
        (Step::json(200, stored_session()), true),
        (
            Step::json(201, stored_session()).with("location", api),
            true,
        ),
        (Step::json(303, stored_session()), true),
        (
            Step::answer(201, "text/plain", "").with("location", api),
            false,
        ),
        (
            Step::answer(302, "text/html", "<p>moved").with("location", LINK),
            false,
        ),
        (Step::json(302, "{}").with("location", CUSTOMER_LINK), false),
    ] {
        let (client, server) = scripted([step.clone()]).await;
        let created = client.create_session(&new_session()).await.unwrap();
        assert_eq!(created.value.code.as_str(), "s119-457-589", "{step:?}");
        assert_eq!(created.value.session.is_some(), whole, "{step:?}");
        assert!(!format!("{created:?}").contains("s3cr3t"));
        let received = server.received();
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].method, "POST");
        assert_eq!(received[0].target, "/teamviewer/acme/api/v1/sessions");
        assert_eq!(received[0].json(), new_session().body().unwrap());
    }
}

#[tokio::test]
async fn session_that_may_have_been_created_is_looked_for() {
    for step in [
        Step::Lose,
        Step::Stall,
        Step::Raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"code\"".to_owned()),
        Step::json(200, "{}"),
        Step::json(200, "[]"),
        Step::json(200, json!({"code": "?"})),
        Step::answer(200, "text/html", "<title>Sign in</title>"),
        Step::json(302, "").with("location", "https://login.teamviewer.com/sign-in"),
        Step::answer(200, "text/plain", "x".repeat(vendor_http::BODY_LIMIT + 1)),
        refusal(500, "internal_error", "oops"),
        refusal(400, "internal_error", "oops"),
        Step::answer(502, "text/html", "<title>Bad gateway</title>"),
        Step::answer(504, "text/plain", "x".repeat(vendor_http::BODY_LIMIT + 1)),
        Step::json(408, ""),
    ] {
        let (client, _server) = scripted([step.clone()]).await;
        let error = client.create_session(&new_session()).await.unwrap_err();
        // TeamViewer may be at work on it for as long.
        let after = Some(Duration::from_secs(30));
        assert_eq!(
            error.disposition(),
            Disposition::Reconcile { after },
            "{error}"
        );
        assert!(!told(&error).contains("sign-in"), "{}", told(&error));
    }
    let (client, _server) = scripted([Step::json(503, "").with("retry-after", 60)]).await;
    let error = client.create_session(&new_session()).await.unwrap_err();
    let after = Some(Duration::from_mins(1));
    assert_eq!(error.disposition(), Disposition::Reconcile { after });
}

#[tokio::test]
async fn session_that_was_surely_not_created_is_not_looked_for() {
    for (step, expected) in [
        (
            refusal(400, "invalid_request", "groupid"),
            Disposition::GiveUp,
        ),
        (refusal(403, "rate_limit_reached", ""), after(5)),
        (refusal(403, "invalid_permission", ""), WAIT),
        (refusal(401, "invalid_token", ""), WAIT),
    ] {
        let (client, _server) = scripted([step]).await;
        let error = client.create_session(&new_session()).await.unwrap_err();
        assert_eq!(error.disposition(), expected, "{error}");
    }
    // Bound and dropped, so that nobody listens there.
    let silent = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let client = client_of(&format!("http://{silent}"));
    let error = client.create_session(&new_session()).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::RETRY, "{error}");
    let (client, server) = scripted([]).await;
    let error = client
        .create_session(&NewSession::default())
        .await
        .unwrap_err();
    assert!(matches!(
        error.kind,
        ErrorKind::Input(InvalidInput::NoGroup)
    ));
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn licence_limit_is_told_and_waited_out() {
    let limit = "The request could not be fulfilled due to License Limitations.";
    let (client, _server) = scripted([
        refusal(400, "invalid_request", limit),
        refusal(400, "invalid_request", "description is too long"),
    ])
    .await;
    let error = client.create_session(&new_session()).await.unwrap_err();
    assert!(error.is_license_limit());
    assert_eq!(error.disposition(), after(5));
    assert!(error.to_string().contains("close some"), "{error}");
    let error = client.create_session(&new_session()).await.unwrap_err();
    assert!(!error.is_license_limit());
    assert_eq!(error.disposition(), Disposition::GiveUp);
}

#[tokio::test]
async fn change_sends_what_changes_and_may_be_repeated() {
    let steps = [
        Step::answer(204, "text/plain", ""),
        Step::answer(204, "text/plain", ""),
        Step::Lose,
        refusal(500, "internal_error", ""),
        refusal(404, "not_found", ""),
    ];
    let (client, server) = scripted(steps).await;
    let change = SessionChange {
        assigned_userid: Some("u7".to_owned()),
        ..SessionChange::default()
    };
    let changed = client.change_session(&code(), &change).await.unwrap();
    assert_eq!(changed.call.status, Some(204));
    client.close_session(&code()).await.unwrap();
    for expected in [Disposition::RETRY, Disposition::RETRY, Disposition::GiveUp] {
        let error = client.close_session(&code()).await.unwrap_err();
        assert_eq!(error.disposition(), expected, "{error}");
        assert_eq!(error.is_absent(), expected == Disposition::GiveUp);
    }
    let nothing = SessionChange::default();
    let error = client.change_session(&code(), &nothing).await.unwrap_err();
    assert!(matches!(
        error.kind,
        ErrorKind::Input(InvalidInput::NothingToChange)
    ));
    let received = server.received();
    assert_eq!(received.len(), 5);
    assert_eq!(received[0].method, "PUT");
    assert_eq!(
        received[0].target,
        "/teamviewer/acme/api/v1/sessions/s119-457-589"
    );
    assert_eq!(received[0].json(), json!({"assigned_userid": "u7"}));
    assert_eq!(received[1].json(), json!({"state": "closed"}));
}

#[tokio::test]
async fn each_refusal_says_what_to_do() {
    let give_up = Disposition::GiveUp;
    for (step, disposition, words) in [
        (
            refusal(400, "invalid_request", "from_date"),
            give_up,
            "HTTP 400: invalid_request: from_date",
        ),
        (
            refusal(404, "not_found", "no"),
            give_up,
            "HTTP 404: not_found: no",
        ),
        (refusal(400, "invalid_token", "no"), WAIT, "sign in again"),
        (refusal(401, "token_expired", "no"), WAIT, "sign in again"),
        (
            refusal(401, "wrong_credentials", "no"),
            WAIT,
            "sign in again",
        ),
        (
            Step::answer(401, "text/html", "<title>No</title>"),
            WAIT,
            "HTTP 401: No",
        ),
        (
            refusal(403, "blocked", "your address"),
            WAIT,
            "blocked: your address",
        ),
        (
            refusal(403, "invalid_permission", "no"),
            WAIT,
            "may not view connection reports",
        ),
        (
            refusal(500, "internal_error", "no"),
            Disposition::RETRY,
            "internal_error",
        ),
        (
            Step::answer(503, "text/html", "<title>Maintenance</title>").with("retry-after", 60),
            after(1),
            "HTTP 503: Maintenance",
        ),
        (
            Step::answer(502, "text/plain", "bad\n gateway"),
            Disposition::RETRY,
            "HTTP 502: bad gateway",
        ),
        (
            Step::answer(400, "application/json", "\"no\""),
            give_up,
            "HTTP 400: no",
        ),
        (
            Step::answer(400, "application/json", "{"),
            give_up,
            "HTTP 400",
        ),
        (
            Step::json(400, json!({"error": {"a": 1}})),
            give_up,
            "HTTP 400",
        ),
        (
            Step::json(302, "").with("location", "https://evil.example.com"),
            WAIT,
            "is the address right?",
        ),
        (Step::Lose, Disposition::RETRY, "no complete answer"),
    ] {
        let (client, _server) = scripted([step]).await;
        let error = client.connections(&window()).await.unwrap_err();
        let text = error.to_string();
        assert_eq!(error.disposition(), disposition, "{text}");
        assert!(text.contains(words), "{text}");
        assert!(!told(&error).contains("evil"), "{}", told(&error));
        assert_eq!(error.is_forbidden(), text.contains("403"), "{text}");
        assert!(!error.is_rate_limited(), "{text}");
        assert_eq!(error.is_unauthorized(), text.contains("sign in"), "{text}");
    }
}

#[tokio::test]
async fn rate_limit_is_waited_out_whatever_its_status() {
    let limit = || refusal(403, "rate_limit_reached", "no");
    for (step, minutes) in [
        (limit(), 5),
        (limit().with("retry-after", 60), 5),
        (limit().with("retry-after", 3600), 60),
        (refusal(429, "", ""), 5),
        (
            Step::answer(429, "text/html", "").with("retry-after", 600),
            10,
        ),
        (refusal(400, "too_many_retries", ""), 5),
    ] {
        let (client, _server) = scripted([step]).await;
        let error = client.connections(&window()).await.unwrap_err();
        assert_eq!(error.disposition(), after(minutes), "{error}");
        assert!(error.is_rate_limited() && !error.is_forbidden(), "{error}");
        assert!(
            error.to_string().contains("than the licence has"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn support_gets_the_signature_of_an_error() {
    let (client, _server) = scripted([refusal(500, "internal_error", "oops")]).await;
    let error = client.ping().await.unwrap_err();
    assert!(
        error.to_string().ends_with("error signature ab-12"),
        "{error}"
    );
}

#[tokio::test]
async fn success_without_data_is_tried_again() {
    for (body, expected) in [
        ("[]", "no JSON object"),
        ("{\"error\": \"x\"}", "no page of the report"),
        ("{\"records\": \"none\"}", "no page of the report"),
        (
            "{\"records\": [], \"next_offset\": {}}",
            "no page of the report",
        ),
        ("<title>Sign in</title>", "no JSON object: Sign in"),
    ] {
        let (client, _server) = scripted([Step::json(200, body)]).await;
        let error = client.connections(&window()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.disposition(), Disposition::RETRY);
    }
}

#[tokio::test]
async fn ping_is_not_content_with_the_status() {
    let (client, server) = scripted([
        Step::json(200, json!({"token_valid": true})),
        Step::json(200, json!({"token_valid": false})),
        Step::json(200, json!({"pong": true})),
    ])
    .await;
    client.ping().await.unwrap();
    let error = client.ping().await.unwrap_err();
    assert!(error.is_unauthorized());
    assert_eq!(error.disposition(), WAIT);
    let error = client.ping().await.unwrap_err();
    assert!(!error.is_unauthorized());
    assert_eq!(error.disposition(), Disposition::RETRY);
    assert!(server.received()[0].target.ends_with("/api/v1/ping"));
}

#[tokio::test]
async fn verification_tells_whose_the_token_is_and_what_it_allows() {
    let ping = || Step::json(200, json!({"token_valid": true}));
    let account = json!({"userid": "u1", "name": "Bob Example", "email": "bob@example.com", "company_name": "Acme",
        "custom_field_has_paid_license": "True"});
    let (client, server) = scripted([
        ping(),
        Step::json(200, account),
        Step::json(200, json!({"records": []})),
        refusal(403, "invalid_permission", ""),
        ping(),
        refusal(403, "invalid_permission", ""),
        refusal(403, "rate_limit_reached", ""),
        Step::Lose,
        Step::json(200, json!({"token_valid": false})),
    ])
    .await;
    let now = time("2026-03-02T10:00:00Z");
    let verified = client.verify(now).await.unwrap();
    assert_eq!(
        verified.user.as_deref(),
        Some("Bob Example (bob@example.com), Acme")
    );
    let allowed = |verified: &teamviewer::Verified| -> Vec<(&str, Option<bool>)> {
        let checks = verified.checks.iter();
        checks.map(|check| (check.what, check.allowed)).collect()
    };
    assert_eq!(
        allowed(&verified),
        [
            ("read the account", Some(true)),
            ("read connection reports", Some(true)),
            ("read sessions", Some(false)),
        ]
    );
    assert!(verified.checks[2].answer.contains("session management"));
    let query = server.received()[2].query();
    assert_eq!(query[0].1, "2026-03-02T09:59:00Z");
    let verified = client.verify(now).await.unwrap();
    assert_eq!(verified.user, None);
    assert_eq!(
        allowed(&verified),
        [
            ("read the account", Some(false)),
            ("read connection reports", None),
            ("read sessions", None),
        ]
    );
    let error = client.verify(now).await.unwrap_err();
    assert!(error.is_unauthorized());
    assert_eq!(server.received().len(), 9);
}

#[tokio::test]
async fn group_is_found_by_its_exact_name_and_users_by_their_address() {
    let group = |id: &str, name: &str| json!({"id": id, "name": name, "permissions": "owned"});
    let one = json!({"groups": [group("g1", "Support Europe"), group("g2", "Support")]});
    let twice = json!({"groups": [group("g1", "Support"), group("g2", "Support")]});
    let (client, server) = scripted([
        Step::json(200, one),
        Step::json(200, twice),
        Step::json(200, json!({"groups": []})),
        Step::json(
            200,
            json!({"users": [{"id": "u1", "name": "Bob", "email": "bob@example.com"}, {}]}),
        ),
    ])
    .await;
    let found = client.group_named("Support").await.unwrap().value.unwrap();
    assert_eq!(found.id, "g2");
    let error = client.group_named("Support").await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::GiveUp);
    assert!(error.to_string().contains("several groups"), "{error}");
    assert_eq!(client.group_named("Support").await.unwrap().value, None);
    let users = client.users(Some("bob@example.com")).await.unwrap().value;
    assert_eq!(users.len(), 1);
    assert_eq!(users[0].id, "u1");
    let received = server.received();
    assert!(received[0].target.ends_with("/api/v1/groups?name=Support"));
    assert!(
        received[3]
            .target
            .ends_with("/api/v1/users?email=bob%40example.com")
    );
}

#[tokio::test]
async fn nothing_secret_is_told() {
    let quoting = refusal(
        401,
        "invalid_token",
        &format!("the token {TOKEN} is not valid"),
    );
    let text = Step::answer(400, "text/plain", format!("bad {TOKEN}"));
    let (client, _server) = scripted([quoting, text]).await;
    assert!(!format!("{client:?}").contains("t0ken"));
    for _ in 0..2 {
        let error = client.ping().await.unwrap_err();
        assert!(!told(&error).contains("t0ken"), "{}", told(&error));
    }
    // A success that cannot be used is not repeated, whatever it holds.
    let holding = json!({"records": LINK, "supporter_link": LINK});
    let (client, _server) = scripted([Step::json(200, holding)]).await;
    let error = client.connections(&window()).await.unwrap_err();
    assert!(!told(&error).contains("s3cr3t"), "{}", told(&error));

    let (_, server) = scripted([]).await;
    let base = BaseUrl::parse_optional(&server.url(), "company", "acme").unwrap();
    let http = vendor_http::Client::new().unwrap();
    let client = Client::new(http, base, "a\nb".into());
    let error = client.ping().await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Token(_)));
    assert_eq!(error.disposition(), WAIT);
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn address_that_is_quoted_is_not_told() {
    let words = "the e-mail <ann@example.com> of ann is too long";
    let (client, _server) = scripted([refusal(400, "invalid_request", words)]).await;
    let error = client.create_session(&new_session()).await.unwrap_err();
    let told = told(&error);
    assert!(told.contains("(an address) of ann is too long"), "{told}");
    assert!(!told.contains("ann@"), "{told}");
}
