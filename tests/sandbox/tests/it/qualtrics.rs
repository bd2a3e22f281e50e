//! Qualtrics' ways of refusing, and of being late.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Account, Answer, basic};

const RESPONSE: &str = "/API/v3/surveys/SV_1/responses/R_1";

fn config() -> Value {
    json!({
        "brand": "acme",
        "api_tokens": [{ "username": "ann", "token": "t0ken" }],
        "oauth_clients": [{
            "client_id": "loop", "client_secret": "s3cret", "grants": ["client_credentials"], "username": "ann",
            "scope": "read:surveys manage:all", "access_seconds": 100
        }],
        "surveys": [{ "id": "SV_1", "questions": { "QID1": { "questionText": "Why?" } } }],
        "responses": [{
            "id": "R_1", "survey": "SV_1", "values": { "QID1": 2 }, "labels": { "QID1": "Good" },
            "displayed_fields": ["QID1"], "displayed_values": { "QID1": ["1", "2"] }
        }]
    })
}

async fn with(changes: Value) -> Account {
    let mut config = config();
    for (name, value) in changes.as_object().unwrap() {
        config[name] = value.clone();
    }
    Account::qualtrics(config).await
}

async fn get(account: &Account, path: &str, token: &str) -> Answer {
    let request = account.request(&Method::GET, path);
    account.send(request.header("X-API-TOKEN", token)).await
}

fn code(answer: &Answer) -> (u16, &str) {
    let code = answer.body["meta"]["error"]["errorCode"].as_str();
    (answer.status, code.unwrap_or_default())
}

#[tokio::test]
async fn response_has_what_was_answered_and_nothing_else() {
    let account = with(json!({})).await;
    let answer = get(&account, RESPONSE, "t0ken").await;
    assert_eq!(answer.status, 200);
    let result = &answer.body["result"];
    assert_eq!(result["responseId"], "R_1");
    assert_eq!(result["values"]["QID1"], 2);
    assert_eq!(result["labels"]["status"], "IP Address");
    assert_eq!(result["displayedValues"], json!({ "QID1": ["1", "2"] }));
    assert!(answer.body["meta"].get("notice").is_none());
    let survey = get(&account, "/API/v3/surveys/SV_1/", "t0ken").await;
    assert_eq!(
        survey.body["result"]["questions"]["QID1"]["questionText"],
        "Why?"
    );
    let surveys = get(&account, "/API/v3/surveys", "t0ken").await;
    assert_eq!(surveys.body["result"]["elements"][0]["id"], "SV_1");
    let who = get(&account, "/API/v3/whoami", "t0ken").await;
    assert_eq!(who.body["result"]["brandId"], "acme");
    let requests = account.control.requests().await.unwrap();
    assert_eq!(requests[0].user.as_deref(), Some("ann"));
    assert!(!serde_json::to_string(&requests).unwrap().contains("t0ken"));
}

#[tokio::test]
async fn each_refusal_has_its_status_and_code() {
    let account = with(json!({})).await;
    let anonymous = account.get(RESPONSE).await;
    assert_eq!(code(&anonymous), (400, "ATP_2"));
    for (path, token, expected) in [
        (RESPONSE, "wrong", (401, "DCD_7")),
        (
            "/API/v3/surveys/SV_2/responses/R_1",
            "t0ken",
            (404, "GSI_2"),
        ),
        ("/API/v3/surveys/SV_1/responses/R_2", "t0ken", (404, "")),
        ("/API/v3/surveys/SV_1/responses", "t0ken", (404, "")),
        ("/api/v3/whoami", "t0ken", (404, "")),
    ] {
        assert_eq!(code(&get(&account, path, token).await), expected, "{path}");
    }
    let closed = with(json!({ "without_api": true })).await;
    for path in [RESPONSE, "/API/v3/whoami"] {
        assert_eq!(code(&get(&closed, path, "t0ken").await), (403, "AuthZ_2.0"));
    }
}

#[tokio::test]
async fn late_response_is_found_after_a_while() {
    let mut late = config()["responses"].clone();
    late[0]["late"] = json!(2);
    let account = with(json!({ "responses": late })).await;
    for status in [404, 404, 200, 200] {
        assert_eq!(get(&account, RESPONSE, "t0ken").await.status, status);
    }
}

#[tokio::test]
async fn responses_are_limited_by_the_minute_and_nothing_else_is() {
    let account = with(json!({ "responses_per_minute": 2 })).await;
    for _ in 0..5 {
        assert_eq!(get(&account, "/API/v3/whoami", "t0ken").await.status, 200);
    }
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(get(&account, RESPONSE, "t0ken").await.status);
    }
    // The minute may end in between.
    let passed = statuses.iter().filter(|status| **status == 200).count();
    assert!((2..=4).contains(&passed), "{statuses:?}");
    assert!(statuses.contains(&429));
    account
        .control
        .advance_clock(std::time::Duration::from_mins(1))
        .await
        .unwrap();
    assert_eq!(get(&account, RESPONSE, "t0ken").await.status, 200);
}

#[tokio::test]
async fn wrong_data_centre_passes_tokens_on_and_refuses_oauth() {
    let account = with(json!({ "home": "syd1.qualtrics.com" })).await;
    let answer = get(&account, "/API/v3/whoami", "t0ken").await;
    assert_eq!(answer.status, 200);
    let notice = answer.body["meta"]["notice"].as_str().unwrap();
    assert!(notice.contains("syd1.qualtrics.com"));
    let token = token(&account, &basic("loop", "s3cret"), FORM).await;
    let bearer = format!("Bearer {}", token.body["access_token"].as_str().unwrap());
    let request = account.request(&Method::GET, "/API/v3/whoami");
    let answer = account.send(request.header("authorization", bearer)).await;
    assert_eq!(code(&answer), (401, "DCD_7"));
}

const FORM: &str = "grant_type=client_credentials&scope=manage%3Aall";

async fn token(account: &Account, authorization: &str, form: &'static str) -> Answer {
    let request = account
        .request(&Method::POST, "/oauth2/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    let request = match authorization {
        "" => request,
        value => request.header("authorization", value),
    };
    account.send(request).await
}

#[tokio::test]
async fn client_gets_a_token_by_basic_and_a_form() {
    let account = with(json!({})).await;
    let basic = basic("loop", "s3cret");
    let answer = token(&account, &basic, FORM).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["expires_in"], 100);
    assert!(answer.body.get("refresh_token").is_none());
    let bearer = format!("Bearer {}", answer.body["access_token"].as_str().unwrap());
    let call = |bearer: String| {
        let request = account.request(&Method::GET, RESPONSE);
        account.send(request.header("authorization", bearer))
    };
    assert_eq!(call(bearer.clone()).await.status, 200);
    account.control.expire_tokens().await.unwrap();
    assert_eq!(code(&call(bearer).await), (401, "DCD_7"));
    let wrong = crate::harness::basic("loop", "wrong");
    for (authorization, form, status, error) in [
        (wrong.as_str(), FORM, 401, "invalid_client"),
        ("", FORM, 401, "invalid_client"),
        (
            "",
            "grant_type=client_credentials&scope=manage%3Aall&client_id=loop&client_secret=s3cret",
            400,
            "invalid_request",
        ),
        (
            &basic,
            "grant_type=client_credentials",
            400,
            "invalid_scope",
        ),
        (
            &basic,
            "grant_type=client_credentials&scope=manage%3Aall+other",
            400,
            "invalid_scope",
        ),
        (
            &basic,
            "grant_type=refresh_token&scope=manage%3Aall",
            400,
            "unsupported_grant_type",
        ),
    ] {
        let answer = token(&account, authorization, form).await;
        assert_eq!(
            (answer.status, answer.body["error"].as_str()),
            (status, Some(error)),
            "{form}"
        );
    }
    let requests = account.control.token_requests().await.unwrap();
    assert_eq!(requests["client_credentials"].succeeded, 1);
    assert_eq!(requests["client_credentials"].refused, 5);
}
