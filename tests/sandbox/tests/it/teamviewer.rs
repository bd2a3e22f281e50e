//! TeamViewer's one way of paging, its late records, its single-use refresh tokens and its service cases.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use sandbox::{Action, Fault, Match};
use serde_json::{Value, json};

use crate::harness::{Account, Answer};

const CONNECTIONS: &str = "/api/v1/reports/connections";
const SESSIONS: &str = "/api/v1/sessions";
const CALLBACK: &str = "https://app.example.com/back";
const FORM: &str = "application/x-www-form-urlencoded";

async fn with(changes: Value) -> Account {
    let mut config = json!({
        "users": [{ "id": "u1", "name": "Ann" }, { "id": "u2", "name": "Bob" }],
        "groups": [{ "id": "g1", "name": "Help" }, { "id": "g2", "name": "Sales" }],
        "script_tokens": [
            { "token": "c0mpany" },
            { "token": "user", "level": "user", "userid": "u2" },
            { "token": "reader", "permissions": ["Connections.Read", "Sessions.ReadOwn"] }
        ],
        "oauth_clients": [{
            "client_id": "loop", "client_secret": "s3cret", "redirect_uris": [CALLBACK], "username": "u2"
        }]
    });
    for (name, value) in changes.as_object().unwrap() {
        config[name] = value.clone();
    }
    Account::teamviewer(config).await
}

/// Ends in `0`, so that a record's number can be told from its id.
fn id(number: u32) -> String {
    format!("abcdef00-0000-4000-8000-{number:011}0")
}

/// From the hour to half past of the second of January.
fn connection(number: u32, hour: u32) -> Value {
    json!({
        "id": id(number), "userid": "u1", "deviceid": "123456789012",
        "start_date": format!("2026-01-02T{hour:02}:00:00Z"), "end_date": format!("2026-01-02T{hour:02}:30:00Z")
    })
}

async fn hours(hours: &[u32], changes: Value) -> Account {
    let connections: Vec<Value> = hours.iter().map(|hour| connection(*hour, *hour)).collect();
    let mut all = json!({ "connections": connections });
    for (name, value) in changes.as_object().unwrap() {
        all[name] = value.clone();
    }
    with(all).await
}

/// The numbers of the records.
fn numbers(answer: &Answer) -> Vec<u32> {
    let records = answer.body["records"].as_array().unwrap();
    records
        .iter()
        .map(|record| {
            let id = record["id"].as_str().unwrap();
            id[24..35].parse().unwrap()
        })
        .collect()
}

fn refusal(answer: &Answer) -> (u16, &str) {
    (
        answer.status,
        answer.body["error"].as_str().unwrap_or_default(),
    )
}

async fn listed(account: &Account, query: &str) -> Vec<u32> {
    let answer = account.get(&format!("{CONNECTIONS}?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
    numbers(&answer)
}

fn keys(value: &Value) -> Vec<&str> {
    let fields = value.as_object().unwrap();
    fields.keys().map(String::as_str).collect()
}

#[tokio::test]
async fn only_offset_id_leads_to_the_next_page() {
    let account = hours(&[3, 1, 5, 2, 4], json!({ "page_size": 2 })).await;
    let first = account.get(CONNECTIONS).await;
    assert_eq!(numbers(&first), [5, 4]);
    assert_eq!(first.body["records_remaining"], 3);
    assert_eq!(first.body["next_offset"], id(4).as_str());
    for wrong in [
        "limit=1",
        "page=2",
        "sort=start_date",
        "offset",
        "next_offset",
    ] {
        let query = match wrong {
            "offset" | "next_offset" => format!("{wrong}={}", id(4)),
            query => query.to_owned(),
        };
        assert_eq!(listed(&account, &query).await, [5, 4], "{wrong}");
    }
    // It may well be strict about a place's letters.
    let upper = id(4).to_uppercase();
    let other = account
        .get(&format!("{CONNECTIONS}?offset_id={upper}"))
        .await;
    assert_eq!(refusal(&other), (400, "invalid_request"));
    let second = account
        .get(&format!("{CONNECTIONS}?offset_id={}", id(4)))
        .await;
    assert_eq!(numbers(&second), [3, 2]);
    assert_eq!(second.body["records_remaining"], 1);
    let last = account
        .get(&format!("{CONNECTIONS}?offset_id={}", id(2)))
        .await;
    assert_eq!(numbers(&last), [1]);
    assert_eq!(keys(&last.body), ["records"]);
    let unknown = account
        .get(&format!("{CONNECTIONS}?offset_id={}", id(9)))
        .await;
    assert_eq!(refusal(&unknown), (400, "invalid_request"));
    let calls = account.control.calls().await.unwrap();
    assert_eq!(calls[&format!("GET {CONNECTIONS}")], 10);
}

#[tokio::test]
async fn full_page_without_more_has_no_offset() {
    let account = hours(&[1, 2], json!({ "page_size": 2 })).await;
    let answer = account.get(CONNECTIONS).await;
    assert_eq!(keys(&answer.body), ["records"]);
    assert_eq!(numbers(&answer), [2, 1]);
}

#[tokio::test]
async fn newest_end_comes_first_and_no_end_before_it() {
    let account = hours(&[1, 2, 3], json!({})).await;
    // Began first, ended last.
    let changes = json!({ "end_date": "2026-01-02T20:00:00Z" });
    account
        .control
        .change_connection(&id(1), &changes)
        .await
        .unwrap();
    let changes = json!({ "end_date": null });
    account
        .control
        .change_connection(&id(2), &changes)
        .await
        .unwrap();
    assert_eq!(listed(&account, "").await, [2, 1, 3]);
}

#[tokio::test]
async fn windows_differ_in_what_to_date_bounds() {
    let straddling = json!([
        connection(1, 1),
        { "id": id(2), "start_date": "2026-01-02T23:50:00Z", "end_date": "2026-01-03T00:10:00Z" },
        { "id": id(3), "start_date": "2026-01-02T23:55:00Z" },
        { "id": id(4), "start_date": "2026-01-03T00:00:00Z", "end_date": "2026-01-03T00:05:00Z" },
    ]);
    for (window, expected) in [("start", vec![3, 2, 1]), ("end", vec![1])] {
        let account = with(json!({ "connections": straddling, "window": window })).await;
        let query = "from_date=2026-01-02&to_date=2026-01-03";
        assert_eq!(listed(&account, query).await, expected, "{window}");
        assert_eq!(
            listed(&account, "to_date=2026-01-02T01:00:00Z").await,
            [0; 0]
        );
        assert_eq!(listed(&account, "from_date=2026-01-03").await, [4]);
    }
}

#[tokio::test]
async fn each_filter_narrows_the_list() {
    let connections = json!([
        { "id": id(1), "userid": "u1", "groupid": "g1", "devicename": "laptop", "deviceid": "9123456789",
          "support_session_type": 1, "session_code": "s119-457-589", "start_date": "2026-01-02T01:00:00Z" },
        { "id": id(2), "userid": "u2", "groupid": "", "start_date": "2026-01-02T00:00:00Z" },
    ]);
    let mut account = with(json!({ "connections": connections })).await;
    for (query, expected) in [
        ("username=Ann", vec![1]),
        ("userid=u2", vec![2]),
        ("groupid=g1", vec![1]),
        ("groupid=0", vec![2]),
        ("devicename=laptop", vec![1]),
        ("devicename=unnamed_device", vec![]),
        ("deviceid=9123456789", vec![1]),
        ("has_code=true", vec![1]),
        ("has_code=false", vec![2]),
        ("session_code=s119-457-589", vec![1]),
        ("session_code=S119457589", vec![1]),
        ("session_code=s119-457-588", vec![]),
        ("support_session_type=1", vec![1]),
        ("userid=u1&has_code=false", vec![]),
        ("from_date=", vec![1, 2]),
    ] {
        assert_eq!(listed(&account, query).await, expected, "{query}");
    }
    for query in [
        "from_date=02.01.2026",
        "from_date=2026-01-02T00:00:00%2B01:00",
        "to_date=2026-02-30",
        "from_date=2026-01-02&to_date=2026-01-02",
        "from_date=2026-01-03&to_date=2026-01-02",
        "has_code=yes",
        "support_session_type=4",
        "userid=1",
    ] {
        let answer = account.get(&format!("{CONNECTIONS}?{query}")).await;
        assert_eq!(refusal(&answer), (400, "invalid_request"), "{query}");
    }
    account.authorize(Some("Bearer user".to_owned()));
    assert_eq!(listed(&account, "").await, [2]);
    assert_eq!(listed(&account, "devicename=unnamed_device").await, [2]);
    let other = account.get(&format!("{CONNECTIONS}/{}", id(1))).await;
    assert_eq!(refusal(&other), (404, "not_found"));
}

#[tokio::test]
async fn filters_in_a_body_are_passed_over() {
    let account = hours(&[1, 2], json!({})).await;
    let answer = account
        .write(
            Method::GET,
            CONNECTIONS,
            &json!({ "from_date": "2026-01-02T02:00:00Z" }),
        )
        .await;
    assert_eq!(numbers(&answer), [2, 1]);
}

#[tokio::test]
async fn late_record_and_late_end_come_by_the_clock() {
    let now = Timestamp::now();
    let at = |minutes| (now + SignedDuration::from_mins(minutes)).to_string();
    let account = with(json!({ "connections": [{
        "id": id(1), "start_date": at(-20), "end_date": at(-10), "visible_at": at(10), "end_visible_at": at(30)
    }] }))
    .await;
    let one = format!("{CONNECTIONS}/{}", id(1));
    assert_eq!(listed(&account, "").await, [0; 0]);
    assert_eq!(refusal(&account.get(&one).await), (404, "not_found"));
    let hidden = account.control.records("connections").await.unwrap();
    assert_eq!(hidden.len(), 1);
    let quarter = Duration::from_mins(15);
    account.control.advance_clock(quarter).await.unwrap();
    assert_eq!(listed(&account, "").await, [1]);
    assert!(account.get(&one).await.body.get("end_date").is_none());
    account.control.advance_clock(2 * quarter).await.unwrap();
    assert!(account.get(&one).await.body["end_date"].is_string());
}

#[tokio::test]
async fn added_record_takes_from_its_service_case() {
    let account = with(json!({ "sessions": [{
        "code": "s119-457-589", "groupid": "g1", "description": "No sound", "custom_api": "INC1",
        "end_customer": { "name": "Eve" }, "assigned_userid": "u2"
    }] }))
    .await;
    let mut first = connection(1, 1);
    first["session_code"] = json!("s119-457-589");
    let mut second = connection(2, 2);
    second["session_code"] = json!("s119-457-589");
    second["custom_api"] = json!("");
    second["id"] = Value::Null;
    let ids = account
        .control
        .put_connections(&json!([first, second]))
        .await
        .unwrap();
    assert_eq!(ids[0], id(1));
    let found = account
        .get(&format!("{CONNECTIONS}?session_code=s119457589"))
        .await;
    let records = found.body["records"].as_array().unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!(records[0]["id"], ids[1].as_str());
    assert!(records[0].get("custom_api").is_none());
    let record = &records[1];
    assert_eq!(record["custom_api"], "INC1");
    assert_eq!(record["session_note"], "No sound");
    assert_eq!(record["end_customer"], json!({ "name": "Eve" }));
    assert_eq!(record["username"], "Ann");
    assert_eq!(record["assigned_userid"], "u2");
    account
        .control
        .put_connections(&json!([connection(1, 5)]))
        .await
        .unwrap();
    assert_eq!(
        account.control.records("connections").await.unwrap().len(),
        2
    );
    for wrong in [
        json!([{ "id": "1", "start_date": "2026-01-02T00:00:00Z" }]),
        json!([{ "id": id(1) }]),
        json!([{ "start_date": "2026-01-02T00:00:00Z", "colour": "red" }]),
    ] {
        account.control.put_connections(&wrong).await.unwrap_err();
    }
    let unknown = account.control.change_connection(&id(7), &json!({})).await;
    unknown.unwrap_err();
}

#[tokio::test]
async fn odd_style_writes_absent_things_in_every_other_way() {
    let mut bare = connection(1, 1);
    bare["fee"] = json!(2.5);
    bare["end_date"] = Value::Null;
    for (style, expected) in [
        (
            "plain",
            json!({
                "id": id(1), "userid": "u1", "username": "Ann", "deviceid": "123456789012",
                "start_date": "2026-01-02T01:00:00Z", "fee": 2.5
            }),
        ),
        (
            "odd",
            json!({
                "id": id(1).to_uppercase(), "userid": "u1", "username": "Ann", "deviceid": "123456789012",
                "devicename": "", "groupid": "", "groupname": "", "support_session_type": null,
                "start_date": "20260102T010000Z", "end_date": null, "fee": "2.50", "currency": "None",
                "billing_state": null, "notes": "", "contact_id": null, "session_code": "",
                "session_created_at": null, "valid_until": null, "assigned_userid": "", "assigned_at": null,
                "session_note": "", "custom_api": "", "end_customer": null, "feedback": null
            }),
        ),
    ] {
        let account = with(json!({ "connections": [bare.clone()], "style": style })).await;
        let found = account.get(CONNECTIONS).await;
        assert_eq!(found.body, json!({ "records": [expected] }), "{style}");
    }
}

#[tokio::test]
async fn record_is_edited_and_deleted() {
    let account = hours(&[1], json!({})).await;
    let one = format!("{CONNECTIONS}/{}", id(1));
    let edit = json!({ "notes": "done", "billing_state": "DoNotBill" });
    assert_eq!(account.put(&one, &edit).await.status, 204);
    assert_eq!(account.get(&one).await.body["notes"], "done");
    let misspelt = json!({ "billing_state": "Billied" });
    let answer = account.put(&one, &misspelt).await;
    assert_eq!(refusal(&answer), (400, "invalid_request"));
    assert_eq!(
        account
            .write(Method::DELETE, &one, &Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(listed(&account, "").await, [0; 0]);
}

#[tokio::test]
async fn calls_are_limited_by_token_and_function() {
    let limit = json!({ "calls": 2, "per_seconds": 60 });
    let mut account = hours(&[1], json!({ "rate_limit": limit })).await;
    for expected in [200, 200, 403] {
        assert_eq!(account.get(CONNECTIONS).await.status, expected);
    }
    let refused = account.get(CONNECTIONS).await;
    assert_eq!(refusal(&refused), (403, "rate_limit_reached"));
    assert_eq!(refused.header("retry-after"), None);
    assert_eq!(account.get(SESSIONS).await.status, 200);
    account.authorize(Some("Bearer reader".to_owned()));
    assert_eq!(account.get(CONNECTIONS).await.status, 200);
    account.authorize(Some("Bearer c0mpany".to_owned()));
    account
        .control
        .advance_clock(Duration::from_mins(1))
        .await
        .unwrap();
    assert_eq!(account.get(CONNECTIONS).await.status, 200);
}

#[tokio::test]
async fn tokens_are_refused_as_documented() {
    let now = json!([{ "token": "old", "username": "u2", "expires_in": 60 }]);
    for (expired_status, expected) in [(401, (401, "invalid_token")), (400, (400, "token_expired"))]
    {
        let config = json!({ "bearer_tokens": now, "expired_status": expired_status });
        let mut account = with(config).await;
        account
            .control
            .advance_clock(Duration::from_mins(1))
            .await
            .unwrap();
        for (header, expected, valid) in [
            (Some("Bearer c0mpany"), (200, ""), true),
            (Some("Bearer old"), expected, false),
            (Some("Bearer wrong"), (401, "invalid_token"), false),
            (Some("Basic YTpi"), (401, "invalid_token"), false),
            (None, (401, "invalid_token"), false),
        ] {
            account.authorize(header.map(str::to_owned));
            assert_eq!(
                refusal(&account.get(CONNECTIONS).await),
                expected,
                "{header:?}"
            );
            let ping = account.get("/api/v1/ping").await;
            assert_eq!(
                (ping.status, ping.body),
                (200, json!({ "token_valid": valid }))
            );
        }
        account.authorize(Some("Bearer reader".to_owned()));
        assert_eq!(account.get(CONNECTIONS).await.status, 200);
        for (method, path) in [
            (Method::POST, SESSIONS.to_owned()),
            (Method::DELETE, format!("{CONNECTIONS}/{}", id(1))),
            (Method::GET, "/api/v1/users".to_owned()),
        ] {
            let answer = account.write(method, &path, &json!({})).await;
            assert_eq!(refusal(&answer), (403, "invalid_permission"), "{path}");
        }
        let answer = account.get("/api/v1/reports/devices").await;
        assert_eq!(refusal(&answer), (404, "not_found"));
    }
}

async fn authorized(account: &Account) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("response_type", "code")
        .append_pair("client_id", "loop")
        .append_pair("redirect_uri", CALLBACK)
        .append_pair("state", "x")
        .append_pair("display", "popup")
        .append_pair("code_challenge", "passed over")
        .append_pair("code_challenge_method", "plain")
        .finish();
    let answer = account.get(&format!("/oauth2/authorize?{query}")).await;
    assert_eq!(answer.status, 302);
    let location = answer.header("location").unwrap();
    let (address, query) = location.split_once('?').unwrap();
    assert_eq!(address, CALLBACK);
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    assert_eq!(pairs[1], ("state".to_owned(), "x".to_owned()));
    pairs[0].1.clone()
}

async fn token(account: &Account, pairs: &[(&str, &str)]) -> Answer {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("client_id", "loop"), ("client_secret", "s3cret")])
        .extend_pairs(pairs)
        .finish();
    let request = account.request(&Method::POST, "/api/v1/oauth2/token");
    account
        .send(request.header("content-type", FORM).body(body))
        .await
}

async fn exchanged(account: &Account, code: &str) -> Answer {
    let grant = ("grant_type", "authorization_code");
    token(
        account,
        &[grant, ("code", code), ("redirect_uri", CALLBACK)],
    )
    .await
}

async fn refreshed(account: &Account, refresh_token: &str) -> Answer {
    let grant = ("grant_type", "refresh_token");
    token(account, &[grant, ("refresh_token", refresh_token)]).await
}

fn text<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.body[name].as_str().unwrap()
}

#[tokio::test]
async fn refresh_token_works_once() {
    let mut account = with(json!({})).await;
    account.authorize(None);
    let code = authorized(&account).await;
    let first = exchanged(&account, &code).await;
    assert_eq!(first.status, 200, "{}", first.body);
    assert_eq!(first.body["expires_in"], 86400);
    assert_eq!(first.body["token_type"], "bearer");
    assert_eq!(first.header("cache-control"), Some("no-store"));
    assert_eq!(
        refusal(&exchanged(&account, &code).await),
        (400, "invalid_grant")
    );
    let second = refreshed(&account, text(&first, "refresh_token")).await;
    assert_eq!(second.status, 200);
    let again = refreshed(&account, text(&first, "refresh_token")).await;
    assert_eq!(refusal(&again), (400, "invalid_grant"));
    for (answer, status) in [(&first, 401), (&second, 200)] {
        let bearer = format!("Bearer {}", text(answer, "access_token"));
        account.authorize(Some(bearer));
        assert_eq!(account.get("/api/v1/account").await.status, status);
    }
    let account_page = account.get("/api/v1/account").await;
    assert_eq!(account_page.body["userid"], "u2");
    let revoked = account.post("/api/v1/oauth2/revoke", &json!({})).await;
    assert_eq!(revoked.status, 204);
    assert_eq!(account.get("/api/v1/account").await.status, 401);
    let dead = refreshed(&account, text(&second, "refresh_token")).await;
    assert_eq!(refusal(&dead), (400, "invalid_grant"));
    let counted = account.control.token_requests().await.unwrap();
    assert_eq!(counted["refresh_token"].succeeded, 1);
    assert_eq!(counted["refresh_token"].refused, 2);
    let requests = serde_json::to_string(&account.control.requests().await.unwrap()).unwrap();
    for secret in [
        text(&first, "refresh_token"),
        text(&second, "access_token"),
        &code,
        "s3cret",
    ] {
        assert!(!requests.contains(secret));
    }
}

#[tokio::test]
async fn lost_answer_of_a_refresh_has_used_the_token_up() {
    let account = with(json!({})).await;
    let first = exchanged(&account, &authorized(&account).await).await;
    let fault = Fault::new(Action::LoseAnswer).on(Match {
        body_contains: Some("grant_type=refresh_token".to_owned()),
        ..Match::default()
    });
    account.control.add_faults(&[fault]).await.unwrap();
    let body = format!(
        "client_id=loop&client_secret=s3cret&grant_type=refresh_token&refresh_token={}",
        text(&first, "refresh_token")
    );
    let request = account
        .request(&Method::POST, "/api/v1/oauth2/token")
        .header("content-type", FORM)
        .body(body);
    request.send().await.unwrap_err();
    let again = refreshed(&account, text(&first, "refresh_token")).await;
    assert_eq!(refusal(&again), (400, "invalid_grant"));
}

#[tokio::test]
async fn code_and_app_have_to_fit() {
    let account = with(json!({})).await;
    let code = authorized(&account).await;
    let grant = ("grant_type", "authorization_code");
    let elsewhere = [
        grant,
        ("code", &code),
        ("redirect_uri", "https://app.example.com/"),
    ];
    let answer = token(&account, &elsewhere).await;
    assert_eq!(refusal(&answer), (400, "invalid_grant"));
    let code = authorized(&account).await;
    account
        .control
        .advance_clock(Duration::from_mins(10))
        .await
        .unwrap();
    let late = exchanged(&account, &code).await;
    assert_eq!(refusal(&late), (400, "invalid_grant"));
    let answer = token(&account, &[("grant_type", "client_credentials")]).await;
    assert_eq!(refusal(&answer), (400, "invalid_request"));
    let json =
        json!({ "grant_type": "refresh_token", "client_id": "loop", "client_secret": "s3cret" });
    let answer = account.post("/api/v1/oauth2/token", &json).await;
    assert_eq!(refusal(&answer), (400, "invalid_request"));
    let request = account
        .request(&Method::POST, "/api/v1/oauth2/token")
        .header("content-type", FORM)
        .body("grant_type=refresh_token&client_id=loop&client_secret=wrong");
    let answer = account.send(request).await;
    assert_eq!(refusal(&answer), (401, "invalid_client"));
    for query in [
        "response_type=code&client_id=other&redirect_uri=https%3A%2F%2Fapp.example.com%2Fback",
        "response_type=code&client_id=loop&redirect_uri=https%3A%2F%2Fapp.example.com%2F",
    ] {
        let answer = account.get(&format!("/oauth2/authorize?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
    }
    account.control.deny(true).await.unwrap();
    let query = "response_type=code&client_id=loop&redirect_uri=https%3A%2F%2Fapp.example.com%2Fback&state=x";
    let denied = account.get(&format!("/oauth2/authorize?{query}")).await;
    let expected = format!("{CALLBACK}?error=access_denied&state=x");
    assert_eq!(denied.header("location"), Some(expected.as_str()));
}

async fn created(account: &Account, body: Value) -> Answer {
    let answer = account.post(SESSIONS, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer
}

#[tokio::test]
async fn service_case_has_links_and_leaves_out_what_is_unset() {
    let account = with(json!({})).await;
    let answer = created(
        &account,
        json!({ "groupid": "g1", "sms_invite_number": "1" }),
    )
    .await;
    let code = text(&answer, "code");
    let location = answer.header("location").unwrap();
    assert!(
        location.ends_with(&format!("{SESSIONS}/{code}")),
        "{location}"
    );
    assert_eq!(code.len(), "s119-457-589".len());
    let plain = code.replace('-', "");
    let customer = text(&answer, "end_customer_link");
    assert_eq!(customer, format!("https://get.teamviewer.com/v15/{plain}"));
    let supporter = text(&answer, "supporter_link");
    let token = supporter.strip_prefix(&format!("{customer}-")).unwrap();
    let webclient = text(&answer, "webclient_supporter_link");
    assert!(webclient.contains(&format!("sessioncode={plain}&servicequeuetoken={token}&")));
    assert_eq!(
        keys(&answer.body),
        [
            "assigned_at",
            "assigned_userid",
            "code",
            "created_at",
            "end_customer_link",
            "groupid",
            "online",
            "state",
            "support_session_type",
            "supporter_link",
            "valid_until",
            "webclient_supporter_link"
        ]
    );
    assert_eq!(answer.body["state"], "Open");
    assert_eq!(answer.body["assigned_userid"], "u1");
    let time = |name| text(&answer, name).parse::<Timestamp>().unwrap();
    let created_at = time("created_at");
    assert_eq!(
        time("valid_until"),
        created_at + SignedDuration::from_hours(24)
    );
    let read = account.get(&format!("{SESSIONS}/{plain}")).await;
    assert_eq!(read.body, answer.body);
    let none = account.get(&format!("{SESSIONS}/s100-000-000")).await;
    assert_eq!(refusal(&none), (404, "not_found"));
}

#[tokio::test]
async fn service_case_is_refused_with_what_it_may_not_have() {
    let account = with(json!({})).await;
    for body in [
        json!({}),
        json!({ "groupname": "Help" }),
        json!({ "groupname": "Help", "groupid": "g1" }),
        json!({ "groupid": "1" }),
        json!({ "groupid": 1 }),
        json!({ "groupid": "g9" }),
        json!({ "groupid": "g1", "description": "x".repeat(4001) }),
        json!({ "groupid": "g1", "custom_api": "x".repeat(4001) }),
        json!({ "groupid": "g1", "custom_api": { "task": 1 } }),
        json!({ "groupid": "g1", "end_customer": "Eve" }),
        json!({ "groupid": "g1", "end_customer": { "name": "x".repeat(101) } }),
        json!({ "groupid": "g1", "end_customer": { "email": "x".repeat(255) } }),
        json!({ "groupid": "g1", "assigned_userid": "ann" }),
        json!({ "groupid": "g1", "assigned_userid": "u9" }),
        json!({ "groupid": "g1", "valid_until": "tomorrow" }),
        json!({ "groupid": "g1", "support_session_type": "AR" }),
        json!([]),
    ] {
        let answer = account.post(SESSIONS, &body).await;
        assert_eq!(refusal(&answer), (400, "invalid_request"), "{body}");
    }
    let form = account
        .request(&Method::POST, SESSIONS)
        .header("content-type", FORM)
        .body("groupid=g1");
    assert_eq!(refusal(&account.send(form).await), (400, "invalid_request"));
    assert!(
        account
            .control
            .records("sessions")
            .await
            .unwrap()
            .is_empty()
    );
    let longest = json!({
        "groupid": "g1", "description": "é".repeat(4000), "custom_api": "x".repeat(4000), "assigned_userid": "u0",
        "end_customer": { "name": "é".repeat(100), "email": "x".repeat(254) }, "support_session_type": "Pilot",
        "valid_until": "2030-01-01T00:00:00Z", "waiting_message": "Soon."
    });
    let answer = created(&account, longest).await;
    assert_eq!(answer.body["assigned_userid"], "u0");
    assert_eq!(answer.body["valid_until"], "2030-01-01T00:00:00Z");
}

#[tokio::test]
async fn unknown_group_name_makes_a_group() {
    let mut account = with(json!({})).await;
    account.authorize(Some("Bearer user".to_owned()));
    let known = created(&account, json!({ "groupname": "Sales" })).await;
    assert_eq!(known.body["groupid"], "g2");
    let both = created(&account, json!({ "groupname": "Sales", "groupid": "g2" })).await;
    assert_eq!(both.body["groupid"], "g2");
    let differing = json!({ "groupname": "Sales", "groupid": "g1" });
    let answer = account.post(SESSIONS, &differing).await;
    assert_eq!(refusal(&answer), (400, "invalid_request"));
    assert_eq!(account.control.records("groups").await.unwrap().len(), 2);
    let made = created(&account, json!({ "groupname": "Sale" })).await;
    let groups = account.get("/api/v1/groups?name=sale").await;
    let groups = groups.body["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 2);
    assert_eq!(groups[1]["id"], made.body["groupid"]);
    let answer = account
        .post("/api/v1/groups", &json!({ "name": "New" }))
        .await;
    assert_eq!((answer.status, text(&answer, "name")), (200, "New"));
    let users = account.get("/api/v1/users?name=bo").await;
    assert_eq!(users.body["users"][0]["id"], "u2");
}

#[tokio::test]
async fn creation_can_be_answered_otherwise() {
    let account = with(json!({ "create_answer": "redirect" })).await;
    let answer = account.post(SESSIONS, &json!({ "groupid": "g1" })).await;
    assert_eq!((answer.status, answer.body.as_str()), (302, Some("")));
    let location = answer.header("location").unwrap();
    let stored = account.control.records("sessions").await.unwrap();
    assert_eq!(stored[0]["end_customer_link"], location);
    let account = with(json!({ "create_answer": "created", "max_open_cases": 1 })).await;
    let body = json!({ "groupid": "g1" });
    assert_eq!(account.post(SESSIONS, &body).await.status, 201);
    let answer = account.post(SESSIONS, &body).await;
    assert_eq!(refusal(&answer), (400, "invalid_request"));
    assert!(text(&answer, "error_description").contains("license limitations"));
    // An expired one is open, but doesn't count.
    account
        .control
        .advance_clock(Duration::from_hours(24))
        .await
        .unwrap();
    assert_eq!(account.post(SESSIONS, &body).await.status, 201);
}

#[tokio::test]
async fn creation_whose_answer_is_replaced_has_happened() {
    let account = with(json!({})).await;
    let fault = Fault::new(Action::Status {
        status: 500,
        headers: std::collections::BTreeMap::new(),
        body: json!({ "error": "internal_error" }),
        after_write: true,
    });
    let fault = fault.on(Match::method("POST"));
    account.control.add_faults(&[fault]).await.unwrap();
    let answer = account
        .post(SESSIONS, &json!({ "groupid": "g1", "custom_api": "k1" }))
        .await;
    assert_eq!(refusal(&answer), (500, "internal_error"));
    let open = account.get(&format!("{SESSIONS}?full_list=true")).await;
    assert_eq!(open.body["sessions"][0]["custom_api"], "k1");
}

#[tokio::test]
async fn expired_service_case_stays_open() {
    let account = with(json!({})).await;
    let answer = created(&account, json!({ "groupid": "g1" })).await;
    let code = text(&answer, "code");
    account
        .control
        .advance_clock(Duration::from_hours(48))
        .await
        .unwrap();
    let read = account.get(&format!("{SESSIONS}/{code}")).await;
    assert_eq!(read.body, answer.body);
    let open = account.get(SESSIONS).await;
    assert_eq!(open.body["sessions"][0]["code"], code);
    let lower = with(json!({ "state_style": "open", "sessions": [{ "groupid": "g1" }] })).await;
    assert_eq!(
        lower.get(SESSIONS).await.body["sessions"][0]["state"],
        "open"
    );
}

#[tokio::test]
async fn list_is_short_and_of_open_ones_unless_asked() {
    let case = |number: u32, state: &str| {
        json!({
            "code": format!("s100-000-00{number}"), "groupid": format!("g{}", 1 + number % 2), "state": state,
            "assigned_userid": if number == 3 { Value::Null } else { json!("u1") }, "description": "x",
            "created_at": format!("2026-01-0{number}T00:00:00Z")
        })
    };
    let sessions = json!([
        case(1, "open"),
        case(2, "closed"),
        case(3, "open"),
        case(4, "open")
    ]);
    let mut account = with(json!({ "sessions": sessions, "sessions_page_size": 2 })).await;
    let short = account.get(SESSIONS).await;
    assert_eq!(
        short.body,
        json!({
            "sessions": [
                { "code": "s100-000-004", "state": "Open", "groupid": "g1" },
                { "code": "s100-000-003", "state": "Open", "groupid": "g2" }
            ],
            "sessions_remaining": 1, "next_offset": "s100-000-003"
        })
    );
    let codes = |answer: &Answer| -> Vec<u32> {
        let sessions = answer.body["sessions"].as_array().unwrap();
        let last = |session: &Value| session["code"].as_str().unwrap()[11..].parse().unwrap();
        sessions.iter().map(last).collect()
    };
    for (query, expected) in [
        ("offset=s100-000-003", vec![1]),
        ("offset=s100000003", vec![1]),
        // The report's name for it, and nobody's.
        ("offset_id=s100-000-003", vec![4, 3]),
        ("page=2", vec![4, 3]),
        ("state=closed", vec![2]),
        ("state=open,closed", vec![4, 3]),
        ("state=open,closed&offset=s100-000-003", vec![2, 1]),
        ("groupid=g1", vec![4]),
        ("assigned_userid=u0", vec![3]),
        ("assigned_userid=u1", vec![4, 1]),
        ("full_list=true", vec![4, 3]),
    ] {
        let answer = account.get(&format!("{SESSIONS}?{query}")).await;
        assert_eq!(codes(&answer), expected, "{query}");
        let full = answer.body["sessions"][0].get("description").is_some();
        assert_eq!(full, query == "full_list=true");
    }
    for query in ["state=Open", "state=all", "offset=s1", "full_list=yes"] {
        let answer = account.get(&format!("{SESSIONS}?{query}")).await;
        assert_eq!(refusal(&answer), (400, "invalid_request"), "{query}");
    }
    account.authorize(Some("Bearer user".to_owned()));
    assert_eq!(codes(&account.get(SESSIONS).await), [0; 0]);
    let foreign = account.get(&format!("{SESSIONS}/s100-000-001")).await;
    assert_eq!(refusal(&foreign), (404, "not_found"));
    let body = json!({ "state": "closed" });
    let foreign = account
        .put(&format!("{SESSIONS}/s100-000-001"), &body)
        .await;
    assert_eq!(refusal(&foreign), (404, "not_found"));
}

#[tokio::test]
async fn change_is_partial_and_closing_is_one() {
    let account = with(json!({})).await;
    let body =
        json!({ "groupid": "g1", "description": "No sound", "end_customer": { "name": "Eve" } });
    let answer = created(&account, body).await;
    let path = format!("{SESSIONS}/{}", text(&answer, "code"));
    let body = json!({ "end_customer": { "email": "eve@example.com" }, "assigned_userid": "u0", "valid_until": "x" });
    let changed = account.put(&path, &body).await;
    assert_eq!((changed.status, changed.body.as_str()), (204, Some("")));
    let read = account.get(&path).await;
    assert_eq!(read.body["description"], "No sound");
    assert_eq!(
        read.body["end_customer"],
        json!({ "name": "Eve", "email": "eve@example.com" })
    );
    assert_eq!(read.body["assigned_userid"], "u0");
    for body in [
        json!({ "state": "done" }),
        json!({ "groupname": "Help" }),
        json!({ "assigned_userid": "u9" }),
    ] {
        let answer = account.put(&path, &body).await;
        assert_eq!(refusal(&answer), (400, "invalid_request"), "{body}");
    }
    assert_eq!(
        account
            .put(&path, &json!({ "state": "closed" }))
            .await
            .status,
        204
    );
    let closed = account.get(&path).await;
    assert_eq!(closed.body["state"], "Closed");
    let closed_at = text(&closed, "closed_at");
    account
        .control
        .advance_clock(Duration::from_mins(1))
        .await
        .unwrap();
    account.put(&path, &json!({ "state": "closed" })).await;
    assert_eq!(text(&account.get(&path).await, "closed_at"), closed_at);
    account.put(&path, &json!({ "state": "open" })).await;
    assert!(account.get(&path).await.body.get("closed_at").is_none());
    assert_eq!(
        account
            .write(Method::DELETE, &path, &Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(account.get(&path).await.status, 404);
}

#[tokio::test]
async fn service_case_is_changed_behind_the_api() {
    let account = with(json!({})).await;
    let codes = account
        .control
        .put_sessions(&json!([{ "groupid": "g1" }, { "groupid": "g1" }]))
        .await
        .unwrap();
    assert_ne!(codes[0], codes[1]);
    let path = format!("{SESSIONS}/{}", codes[0]);
    let before = account.get(&path).await;
    assert_eq!(before.body["online"], false);
    let changes =
        json!({ "online": true, "valid_until": "2026-01-01T00:00:00Z", "state": "closed" });
    account
        .control
        .change_session(&codes[0], &changes)
        .await
        .unwrap();
    let after = account.get(&path).await;
    assert_eq!(after.body["online"], true);
    assert_eq!(after.body["valid_until"], "2026-01-01T00:00:00Z");
    assert_eq!(after.body["state"], "Closed");
    assert!(after.body["closed_at"].is_string());
    assert_eq!(after.body["supporter_link"], before.body["supporter_link"]);
    account
        .control
        .change_session("s1", &changes)
        .await
        .unwrap_err();
    let unknown = json!({ "colour": "red" });
    account
        .control
        .change_session(&codes[0], &unknown)
        .await
        .unwrap_err();
}

#[tokio::test]
async fn rotated_script_token_stops_working() {
    let mut account = with(json!({})).await;
    let rotation = sandbox::Rotation {
        api_token: Some("new".into()),
        ..sandbox::Rotation::default()
    };
    account.control.rotate("u1", &rotation).await.unwrap();
    assert_eq!(
        refusal(&account.get(SESSIONS).await),
        (401, "invalid_token")
    );
    account.authorize(Some("Bearer new".to_owned()));
    assert_eq!(account.get(SESSIONS).await.status, 200);
    account.control.rotate("u9", &rotation).await.unwrap_err();
}

#[tokio::test]
async fn contradictions_are_refused() {
    let account = with(json!({})).await;
    for config in [
        json!({ "colour": "red" }),
        json!({ "page_size": 0 }),
        json!({ "page_size": 1001 }),
        json!({ "expired_status": 403 }),
        json!({ "users": [{ "id": "1", "name": "Ann" }] }),
        json!({ "groups": [{ "id": "1", "name": "Help" }] }),
        json!({ "script_tokens": [{ "token": "t", "userid": "u9" }] }),
        json!({ "script_tokens": [{ "token": "t", "permissions": ["Sessions.Read"] }] }),
        json!({ "oauth_clients": [{ "client_id": "a" }] }),
        json!({ "oauth_clients": [{ "client_id": "a", "client_secret": "s", "scope": "read" }] }),
        json!({ "oauth_clients": [{ "client_id": "a", "client_secret": "s", "grants": ["password"] }] }),
        json!({ "bearer_tokens": [{ "token": "t", "username": "u9" }] }),
        json!({ "sessions": [{ "groupid": "g9" }] }),
        json!({ "groups": [{ "id": "g1", "name": "Help" }], "sessions": [{ "groupid": "g1", "code": "119" }] }),
        json!({ "connections": [{ "start_date": "2026-01-02T01:00:00Z", "end_date": "2026-01-02T00:00:00Z" }] }),
    ] {
        assert!(account.control.create(&config).await.is_err(), "{config}");
    }
    account.control.create(&json!({})).await.unwrap();
    assert_eq!(
        account.get("/api/v1/ping").await.body,
        json!({ "token_valid": false })
    );
    assert!(
        account
            .sandbox
            .teamviewer_url("acme")
            .ends_with("/teamviewer/acme")
    );
    let elsewhere = account.sandbox.control().teamviewer("other");
    assert!(elsewhere.requests().await.is_err());
}
