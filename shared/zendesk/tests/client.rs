//! The client against a scripted account on this machine.
#![cfg(test)]

use std::time::Duration;

use retry::Disposition;
use serde_json::{Value, json};
use vendor_http::test_support::{Server, Step};
use zendesk::{
    Auth, BaseUrl, Client, Comment, CommentBody, CreateTicket, Error, ErrorKind, IdempotencyKey,
    InvalidInput, ObjectKey, Profile, ProfileContent, ProfileIdentifier, ProfileKey, Properties,
    Record, RecordContent, RecordId, TicketChange, TicketId,
};

/// Long enough for a busy machine, short enough to wait for in a test.
const TIMEOUT: Duration = Duration::from_secs(1);
const STAMP: &str = "2026-03-02T10:15:30Z";

fn client_with(url: &str, auth: Auth) -> Client {
    let template = format!("{url}/zendesk/{{subdomain}}");
    let base = BaseUrl::parse(&template, "subdomain", "acme").unwrap();
    let http = vendor_http::Client::new().unwrap().with_timeout(TIMEOUT);
    Client::new(http, base, auth)
}

async fn scripted(steps: impl IntoIterator<Item = Step>) -> (Client, Server) {
    let server = Server::start(steps).await.unwrap();
    let client = client_with(&server.url(), Auth::Bearer("t0ken".into()));
    (client, server)
}

fn id() -> TicketId {
    TicketId::parse("35436").unwrap()
}

fn key() -> IdempotencyKey {
    IdempotencyKey::parse("task-1").unwrap()
}

fn comment() -> Comment {
    Comment {
        body: CommentBody::Plain("Low score".to_owned()),
        public: false,
        author_id: None,
    }
}

fn new_ticket() -> CreateTicket {
    CreateTicket {
        comment: comment(),
        requester: None,
        properties: Properties {
            external_id: Some("task-1".to_owned()),
            ..Properties::default()
        },
    }
}

fn change() -> TicketChange {
    TicketChange {
        comment: Some(comment()),
        ..TicketChange::default()
    }
}

fn stored() -> Value {
    json!({
        "ticket": {"id": 35436, "external_id": "task-1", "updated_at": STAMP, "encoded_id": "new key"},
        "audit": {"id": 1},
    })
}

async fn create(step: Step) -> (Error, Server) {
    let (client, server) = scripted([step]).await;
    let error = client.create_ticket(&new_ticket(), &key()).await;
    (error.unwrap_err(), server)
}

async fn update(step: Step) -> Error {
    let (client, _server) = scripted([step]).await;
    let error = client.update_ticket(id(), &change(), Some(STAMP)).await;
    error.unwrap_err()
}

async fn get(step: Step) -> Error {
    let (client, _server) = scripted([step]).await;
    client.get_ticket(id()).await.unwrap_err()
}

#[tokio::test]
async fn create_posts_the_ticket_with_its_key() {
    let first = Step::json(201, stored())
        .with("x-request-id", "r-1")
        .with("x-idempotency-lookup", "miss")
        .with(
            "x-zendesk-api-warn",
            r#"{:unpermitted_keys=>["ticket.foo"], :invalid_values=>[]}"#,
        );
    let second = Step::json(201, stored()).with("x-idempotency-lookup", "hit");
    let (client, server) = scripted([first, second]).await;

    let answer = client.create_ticket(&new_ticket(), &key()).await.unwrap();
    assert_eq!(answer.value.ticket.id, id());
    assert_eq!(answer.value.ticket.updated_at.as_deref(), Some(STAMP));
    assert!(!answer.value.repeated);
    assert_eq!(
        answer.value.warnings,
        ["Zendesk ignored the key ticket.foo"]
    );
    assert_eq!(
        answer.call.to_string(),
        "POST /zendesk/acme/api/v2/tickets answered 201, request id r-1"
    );
    let again = client.create_ticket(&new_ticket(), &key()).await.unwrap();
    assert!(again.value.repeated);

    let received = server.received();
    assert_eq!(received[0].method, "POST");
    assert_eq!(received[0].target, "/zendesk/acme/api/v2/tickets");
    assert_eq!(received[0].header("idempotency-key"), "task-1");
    assert_eq!(received[0].header("content-type"), "application/json");
    assert_eq!(received[0].header("authorization"), "Bearer t0ken");
    assert_eq!(
        received[0].json(),
        json!({"ticket": {
            "comment": {"body": "Low score", "public": false},
            "external_id": "task-1",
        }})
    );
    assert_eq!(received[0].body, received[1].body);
}

#[tokio::test]
async fn update_puts_the_change_and_the_stamp() {
    let (client, server) = scripted([Step::json(200, stored())]).await;
    let answer = client.update_ticket(id(), &change(), Some(STAMP)).await;
    assert_eq!(answer.unwrap().value.ticket.id, id());
    let received = &server.received()[0];
    assert_eq!(received.method, "PUT");
    assert_eq!(received.target, "/zendesk/acme/api/v2/tickets/35436");
    assert_eq!(
        received.json(),
        json!({"ticket": {
            "comment": {"body": "Low score", "public": false},
            "safe_update": true,
            "updated_stamp": STAMP,
        }})
    );
}

#[tokio::test]
async fn credentials_take_the_form_of_their_kind() {
    let token = |email: &str| Auth::ApiToken {
        email: email.to_owned(),
        token: "t0ken".into(),
    };
    let password = Auth::Basic {
        email: "a@example.com".to_owned(),
        password: "t0ken".into(),
    };
    for (auth, expected) in [
        (
            token("a@example.com"),
            "Basic YUBleGFtcGxlLmNvbS90b2tlbjp0MGtlbg==",
        ),
        (
            token("a@example.com/token"),
            "Basic YUBleGFtcGxlLmNvbS90b2tlbjp0MGtlbg==",
        ),
        (password, "Basic YUBleGFtcGxlLmNvbTp0MGtlbg=="),
        (Auth::Bearer("t0ken".into()), "Bearer t0ken"),
    ] {
        let server = Server::start([Step::json(200, stored())]).await.unwrap();
        let client = client_with(&server.url(), auth);
        client.get_ticket(id()).await.unwrap();
        assert_eq!(server.received()[0].header("authorization"), expected);
        assert!(!format!("{client:?}").contains("t0ken"));
    }
}

#[tokio::test]
async fn refused_input_makes_no_call() {
    let (client, server) = scripted([]).await;
    let error = client
        .update_ticket(id(), &TicketChange::default(), None)
        .await
        .unwrap_err();
    assert!(matches!(
        error.kind,
        ErrorKind::Input(InvalidInput::NothingToChange)
    ));
    assert_eq!(error.disposition(), Disposition::GiveUp);
    assert!(error.call.is_none());
    let client = client_with(&server.url(), Auth::Bearer("t0\nken".into()));
    let error = client.get_ticket(id()).await.unwrap_err();
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
    let code = |status, code: &str| Step::json(status, json!({"error": code, "description": "x"}));
    let html = |status| Step::answer(status, "text/html", "<title>Bad gateway</title>");
    let give_up = Disposition::GiveUp;
    let look = Disposition::RECONCILE;
    // Step, for a write, for a read.
    for (step, write, read) in [
        (code(400, "TooManyValues"), give_up, give_up),
        (
            code(400, "IdempotentRequestError"),
            look,
            Disposition::RETRY,
        ),
        (
            Step::json(401, json!({"error": "Couldn't authenticate you"})),
            give_up,
            give_up,
        ),
        (
            Step::json(
                403,
                json!({"error": {"title": "Forbidden", "message": "no"}}),
            ),
            give_up,
            give_up,
        ),
        (code(404, "RecordNotFound"), give_up, give_up),
        (code(404, "InvalidEndpoint"), give_up, give_up),
        (code(409, "UpdateConflict"), look, Disposition::RETRY),
        (code(409, "DatabaseConflict"), look, Disposition::RETRY),
        (code(409, "Unknown"), look, Disposition::RETRY),
        (code(413, "TooLarge"), give_up, give_up),
        (code(422, "RecordInvalid"), give_up, give_up),
        (
            Step::json(302, "").with("location", "/login"),
            give_up,
            give_up,
        ),
        (Step::json(408, ""), look, Disposition::RETRY),
        (
            code(429, "APIRateLimitExceeded").with("retry-after", 93),
            retry(93),
            retry(93),
        ),
        (
            Step::answer(429, "text/plain", "slow down").with("retry-after", 0),
            retry(10),
            retry(10),
        ),
        (Step::json(429, ""), retry(10), retry(10)),
        (code(500, "x"), look, Disposition::RETRY),
        (html(502), look, Disposition::RETRY),
        (html(504), look, Disposition::RETRY),
        (html(503).with("retry-after", 30), retry(30), retry(30)),
        (html(503).with("retry-after", 0), retry(10), retry(10)),
        (html(503), reconcile(10), retry(10)),
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
        assert_eq!(get(step.clone()).await.disposition(), read, "get: {step:?}");
    }
}

#[tokio::test]
async fn lost_and_late_answers_are_looked_up_before_a_write_is_repeated() {
    for step in [Step::Lose, Step::Stall] {
        let (error, server) = create(step.clone()).await;
        assert_eq!(error.disposition(), Disposition::RECONCILE, "{step:?}");
        assert!(std::error::Error::source(&error).is_some());
        assert_eq!(server.received().len(), 1, "{step:?}");
        assert_eq!(
            update(step.clone()).await.disposition(),
            Disposition::RECONCILE
        );
        assert_eq!(get(step).await.disposition(), Disposition::RETRY);
    }
}

#[tokio::test]
async fn unreachable_account_can_simply_be_tried_again() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let client = client_with(&format!("http://{silent}"), Auth::Bearer("t".into()));
    let error = client.create_ticket(&new_ticket(), &key()).await;
    let error = error.unwrap_err();
    assert_eq!(error.disposition(), Disposition::RETRY);
    assert_eq!(
        error.to_string(),
        "Zendesk: could not create a ticket: no connection to 127.0.0.1; nothing was sent"
    );
}

#[tokio::test]
async fn success_that_is_none_is_an_error() {
    let oversize = "x".repeat(vendor_http::BODY_LIMIT + 1);
    let mut both = stored();
    both["error"] = json!("broken");
    let give_up = Disposition::GiveUp;
    let look = Disposition::RECONCILE;
    for (step, write, read) in [
        (
            Step::answer(200, "text/html", "<title>Sign in</title>"),
            look,
            give_up,
        ),
        (
            Step::json(200, json!({"error": "broken"})),
            look,
            Disposition::RETRY,
        ),
        (Step::json(201, both), look, Disposition::RETRY),
        (
            Step::json(200, json!({"errors": [{"code": "x"}]})),
            look,
            Disposition::RETRY,
        ),
        (Step::json(200, json!({"job_status": {}})), look, give_up),
        (
            Step::json(200, json!({"ticket": {"id": null}})),
            look,
            give_up,
        ),
        (Step::json(200, json!({"ticket": {"id": 0}})), look, give_up),
        (Step::json(200, "[]"), look, give_up),
        (Step::json(204, ""), look, give_up),
        (Step::json(201, &oversize), look, give_up),
    ] {
        let shown: String = format!("{step:?}").chars().take(200).collect();
        assert_eq!(
            create(step.clone()).await.0.disposition(),
            write,
            "create: {shown}"
        );
        assert_eq!(
            update(step.clone()).await.disposition(),
            write,
            "update: {shown}"
        );
        assert_eq!(get(step).await.disposition(), read, "get: {shown}");
    }
    // Another ticket than the one that was changed.
    let other = Step::json(200, json!({"ticket": {"id": 1}}));
    assert_eq!(update(other).await.disposition(), look);
}

#[tokio::test]
async fn success_may_call_itself_text() {
    let (client, _server) = scripted([Step::answer(200, "text/plain", stored())]).await;
    assert_eq!(client.get_ticket(id()).await.unwrap().value.id, id());
}

#[tokio::test]
async fn error_text_repeats_every_shape_of_the_vendors_words() {
    let long = "word ".repeat(1000);
    for (step, expected) in [
        (
            Step::json(
                404,
                json!({"error": "RecordNotFound", "description": "Not found"}),
            )
            .with("x-request-id", "r-1"),
            "HTTP 404: RecordNotFound: Not found [request r-1]",
        ),
        (
            Step::json(
                422,
                json!({
                    "error": "RecordInvalid",
                    "description": "Record validation errors",
                    "details": {
                        "base": [{
                            "description": "Assignee: is required when solving a ticket",
                            "error": null,
                            "ticket_field_id": 42,
                            "ticket_field_type": "FieldAssignee",
                        }],
                        "status": [
                            {"description": "Status: closed prevents ticket update"},
                            {"error": "ValueTooShort"},
                            "plain words",
                        ],
                        "subject": "too long",
                    },
                }),
            ),
            "HTTP 422: RecordInvalid: Record validation errors; base: Assignee: is required when solving a ticket (ticket field 42); status: Status: closed prevents ticket update; status: ValueTooShort; status: plain words; subject: too long",
        ),
        (
            Step::json(
                403,
                json!({"error": {"title": "Forbidden", "message": "You do not have access"}}),
            ),
            "HTTP 403: Forbidden: You do not have access",
        ),
        (
            Step::json(
                429,
                json!({"errors": [{"code": "TooManyRequests", "title": "Too many", "detail": "Wait"}]}),
            ),
            "HTTP 429: TooManyRequests; Too many: Wait",
        ),
        (
            Step::json(401, json!({"error": "Couldn't authenticate you"})),
            "HTTP 401, the account's credentials were not accepted: Couldn't authenticate you",
        ),
        (
            Step::json(
                400,
                json!({"error": "TooManyValues", "description": "At most 100", "max_count": 100}),
            ),
            "HTTP 400: TooManyValues: At most 100",
        ),
        (
            Step::json(
                400,
                json!({"error": "invalid_grant", "error_description": "Expired"}),
            ),
            "HTTP 400: invalid_grant: Expired",
        ),
        (
            Step::answer(
                429,
                "text/plain",
                "Number of allowed API requests exceeded\n",
            ),
            "HTTP 429: Number of allowed API requests exceeded",
        ),
        (
            Step::answer(502, "text/html", "<title>Bad gateway</title><p>x"),
            "HTTP 502: Bad gateway",
        ),
        (Step::answer(500, "text/html", ""), "HTTP 500"),
        (
            Step::json(301, ""),
            "HTTP 301, redirected; is the subdomain right?",
        ),
        (
            Step::answer(200, "text/html", "<title>Sign in</title>"),
            "the answer is no JSON object: Sign in",
        ),
    ] {
        assert_eq!(
            get(step).await.to_string(),
            format!("Zendesk: could not read ticket 35436: {expected}")
        );
    }
    let text = get(Step::answer(500, "text/plain", long)).await.to_string();
    assert!(text.len() < 700, "{}", text.len());
}

#[tokio::test]
async fn tickets_are_found_by_exactly_their_external_id() {
    let list = json!({"tickets": [
        {"id": 3, "external_id": "a b&c"},
        {"id": 2, "external_id": "other"},
        {"id": 1, "external_id": "a b&c"},
    ]});
    let (client, server) = scripted([Step::json(200, list)]).await;
    let found = client.find_tickets_by_external_id("a b&c").await.unwrap();
    let ids: Vec<u64> = found.value.iter().map(|ticket| ticket.id.get()).collect();
    assert_eq!(ids, [1, 3]);
    let received = &server.received()[0];
    assert!(
        received
            .target
            .starts_with("/zendesk/acme/api/v2/tickets?external_id=")
    );
    assert_eq!(
        received.query(),
        [("external_id".to_owned(), "a b&c".to_owned())]
    );

    let (client, _server) = scripted([Step::json(200, json!({"tickets": []}))]).await;
    let found = client.find_tickets_by_external_id("x").await.unwrap();
    assert_eq!(found.value, []);

    let (client, _server) = scripted([Step::json(200, "{}")]).await;
    let error = client.find_tickets_by_external_id("x").await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::GiveUp);
}

fn audits(first: u32, last: u32, mark: Option<(u32, &str)>, next: bool) -> Step {
    let audit = |second: u32| {
        let custom = match mark {
            Some((marked, value)) if marked == second => json!({"closedloop_task": value}),
            Some(_) | None => json!({}),
        };
        json!({
            "created_at": format!("2026-03-02T10:15:{second:02}Z"),
            "metadata": {"system": {}, "custom": custom},
        })
    };
    let next = next.then_some("https://acme.zendesk.com/api/v2/x?page=2");
    Step::json(
        200,
        json!({"audits": [audit(first), audit(last)], "next_page": next}),
    )
}

#[tokio::test]
async fn marker_is_searched_page_by_page() {
    for (steps, expected, calls) in [
        (vec![audits(9, 8, Some((8, "task-1")), true)], true, 1),
        (
            vec![
                audits(9, 8, None, true),
                audits(7, 6, Some((7, "task-1")), true),
            ],
            true,
            2,
        ),
        (vec![audits(9, 8, Some((9, "task-2")), false)], false, 1),
        (vec![Step::json(200, json!({"audits": []}))], false, 1),
        // Newest first: what comes after a thousand audits is too old to matter.
        (vec![audits(9, 8, None, true); 12], false, 10),
    ] {
        let (client, server) = scripted(steps).await;
        let mut earlier = Vec::new();
        let marked = client
            .was_marked(id(), "closedloop_task", "task-1", &mut earlier)
            .await;
        assert_eq!(marked.unwrap().value, expected);
        assert_eq!(earlier.len() + 1, calls);
        assert!(earlier.iter().all(|call| call.status == Some(200)));
        let received = server.received();
        assert_eq!(received.len(), calls);
        for (index, request) in received.iter().enumerate() {
            assert!(
                request
                    .target
                    .starts_with("/zendesk/acme/api/v2/tickets/35436/audits?")
            );
            let page = ("page".to_owned(), (index + 1).to_string());
            assert!(request.query().contains(&page), "{}", request.target);
        }
    }
}

#[tokio::test]
async fn missing_marker_among_too_many_audits_is_not_taken_for_absent() {
    let (client, _server) = scripted(vec![audits(1, 2, None, true); 12]).await;
    let mut earlier = Vec::new();
    let error = client
        .was_marked(id(), "closedloop_task", "task-1", &mut earlier)
        .await;
    let error = error.unwrap_err();
    assert_eq!((earlier.len(), error.call.is_some()), (9, true));
    assert!(matches!(error.kind, ErrorKind::TooManyAudits));
    assert_eq!(error.disposition(), Disposition::GiveUp);
}

#[tokio::test]
async fn only_agents_are_accepted_and_the_status_alone_is_not() {
    let user = |id: Value, role: &str| Step::json(200, json!({"user": {"id": id, "role": role}}));
    let (client, server) = scripted([user(json!(7), "admin")]).await;
    let me = client.me().await.unwrap();
    assert_eq!((me.value.id, me.value.role.as_str()), (7, "admin"));
    assert_eq!(
        server.received()[0].target,
        "/zendesk/acme/api/v2/users/me.json"
    );

    let nobody = json!({"error": {
        "title": "No help desk at acme.zendesk.com",
        "message": "There is no help desk configured at this address.",
    }});
    for (step, unauthorized, expected) in [
        (
            user(json!(null), "end-user"),
            true,
            "Zendesk: could not verify the account: the account's credentials were not accepted (anonymous user)",
        ),
        (
            Step::json(401, json!({"error": "Couldn't authenticate you"})),
            true,
            "Zendesk: could not verify the account: HTTP 401, the account's credentials were not accepted: Couldn't authenticate you",
        ),
        (
            user(json!(7), "end-user"),
            false,
            "Zendesk: could not verify the account: the credentials belong to a user with the role \"end-user\"; an agent or administrator is needed",
        ),
        (
            Step::json(404, nobody),
            false,
            "Zendesk: could not verify the account: HTTP 404: No help desk at acme.zendesk.com: There is no help desk configured at this address.",
        ),
    ] {
        let (client, _server) = scripted([step]).await;
        let error = client.me().await.unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.is_unauthorized(), unauthorized, "{error}");
        assert_eq!(error.disposition(), Disposition::GiveUp);
    }
}

#[test]
fn link_leads_agents_to_the_ticket() {
    let base = BaseUrl::parse("https://{subdomain}.zendesk.com", "subdomain", "acme").unwrap();
    let http = vendor_http::Client::new().unwrap();
    let client = Client::new(http, base, Auth::Bearer("t".into()));
    assert_eq!(
        client.link(id()),
        "https://acme.zendesk.com/agent/tickets/35436"
    );
}

async fn tags(step: Step) -> Result<Option<Vec<String>>, Error> {
    let (client, _server) = scripted([step]).await;
    let tags = ["a".to_owned()];
    let answer = client.remove_tags(id(), &tags, None).await;
    answer.map(|answer| answer.value)
}

async fn profile(step: Step) -> Result<Profile, Error> {
    let (client, _server) = scripted([step]).await;
    let email = ProfileIdentifier::Email("a@example.com".to_owned());
    let key = ProfileKey::parse("shop", "customer", &email).unwrap();
    let content = ProfileContent {
        identifiers: vec![email],
        ..ProfileContent::default()
    };
    let answer = client.put_profile(&key, &content).await;
    answer.map(|answer| answer.value)
}

async fn record(step: Step) -> Result<Record, Error> {
    let (client, _server) = scripted([step]).await;
    let content = RecordContent {
        name: Some("a".to_owned()),
        ..RecordContent::default()
    };
    let (object, id) = (ObjectKey::parse("car"), RecordId::parse("01AR"));
    let answer = client
        .update_record(&object.unwrap(), &id.unwrap(), &content)
        .await;
    answer.map(|answer| answer.value)
}

#[tokio::test]
async fn other_writes_end_like_those_of_tickets() {
    let look = Disposition::RECONCILE;
    for (step, expected) in [
        (Step::Lose, look),
        (Step::json(500, "{}"), look),
        (Step::json(409, "{}"), look),
        (Step::json(200, "{}"), look),
        (
            Step::answer(200, "text/html", "<title>Sign in</title>"),
            look,
        ),
        (
            Step::json(429, "{}").with("retry-after", 37),
            Disposition::Retry {
                after: Some(Duration::from_secs(37)),
            },
        ),
        (Step::json(404, "{}"), Disposition::GiveUp),
        (Step::json(422, "{}"), Disposition::GiveUp),
        (Step::json(403, "{}"), Disposition::GiveUp),
    ] {
        let ends = [
            tags(step.clone()).await.unwrap_err(),
            profile(step.clone()).await.unwrap_err(),
            record(step.clone()).await.unwrap_err(),
        ];
        assert!(
            ends.iter().all(|error| error.disposition() == expected),
            "{step:?}: {ends:?}"
        );
    }
}

#[tokio::test]
async fn success_of_other_writes_has_more_than_one_form() {
    assert_eq!(tags(Step::json(204, "")).await.unwrap(), None);
    let list = Step::json(200, json!({"tags": ["b"]}));
    assert_eq!(tags(list).await.unwrap(), Some(vec!["b".to_owned()]));
    for status in [200, 201] {
        let body = json!({"profile": {"id": "01AR", "user_id": 7}});
        let kept = profile(Step::json(status, body)).await.unwrap();
        assert_eq!(
            (kept.id.as_str(), kept.user_id.as_deref()),
            ("01AR", Some("7"))
        );
        let body = json!({"custom_object_record": {"id": "01ar", "name": "a"}});
        let kept = record(Step::json(status, body)).await.unwrap();
        assert_eq!(kept.text("name"), Some("a"));
    }
    let other = json!({"custom_object_record": {"id": "01XX"}});
    let error = record(Step::json(200, other)).await.unwrap_err();
    assert!(error.to_string().contains("another record"), "{error}");
}

#[tokio::test]
async fn tags_are_never_changed_to_nothing() {
    let (client, server) = scripted([]).await;
    for error in [
        client.add_tags(id(), &[], None).await.unwrap_err(),
        client
            .remove_tags(id(), &[], Some(STAMP))
            .await
            .unwrap_err(),
    ] {
        assert!(matches!(
            error.kind,
            ErrorKind::Input(InvalidInput::NothingToChange)
        ));
    }
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn address_that_cannot_be_written_is_given_up() {
    let (client, server) = scripted([]).await;
    let long = "a".repeat(65_536);
    let error = client.find_tickets_by_external_id(&long).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::GiveUp);
    assert!(error.to_string().contains("cannot be sent"), "{error}");
    assert!(server.received().is_empty());
}
