//! OAuth at both vendors, from the page on which people click to the token that has ended.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use sandbox::{Action, ControlError, Fault, Match, TokenRequests};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::{Account, Answer};

const INCIDENTS: &str = "/api/now/table/incident";
const BACK: &str = "https://app.example.com/back";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

fn encode(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// `pairs` with one of them changed; an empty value leaves it out.
fn with<'a>(
    pairs: &[(&'a str, &'a str)],
    name: &'a str,
    value: &'a str,
) -> Vec<(&'a str, &'a str)> {
    let mut changed: Vec<_> = pairs
        .iter()
        .copied()
        .filter(|(other, _)| *other != name)
        .collect();
    if !value.is_empty() {
        changed.push((name, value));
    }
    changed
}

/// Where the answer sends the browser, and the parameters that it takes along.
fn redirected(answer: &Answer) -> (String, BTreeMap<String, String>) {
    assert_eq!(answer.status, 302, "{}", answer.body);
    let location = answer.header("location").unwrap();
    let (address, query) = location.split_once('?').unwrap();
    let parameters = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    (address.to_owned(), parameters)
}

fn text<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.body[name].as_str().unwrap()
}

async fn advance(account: &Account, seconds: u64) {
    account
        .control
        .advance_clock(Duration::from_secs(seconds))
        .await
        .unwrap();
}

async fn status_with(account: &mut Account, token: &str, path: &str) -> u16 {
    account.authorize(Some(format!("Bearer {token}")));
    let status = account.get(path).await.status;
    account.authorize(None);
    status
}

mod servicenow {
    use super::*;

    const PAGE: [(&str, &str); 4] = [
        ("response_type", "code"),
        ("client_id", "c1"),
        ("redirect_uri", BACK),
        ("state", "abc123"),
    ];
    const CLIENT: [(&str, &str); 2] = [("client_id", "c1"), ("client_secret", "s1")];

    async fn instance(extra: Value) -> Account {
        let mut config = json!({
            "users": [{ "username": "api", "password": "secret" }],
            "oauth_clients": [
                { "client_id": "c1", "client_secret": "s1", "redirect_uris": [BACK, "https://b.example.com/"],
                  "grants": ["authorization_code", "refresh_token", "password", "client_credentials"] },
                { "client_id": "plain", "client_secret": "s2" },
                { "client_id": "public", "redirect_uris": [BACK] },
            ],
        });
        config
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        let mut account = Account::servicenow(config).await;
        account.authorize(None);
        account
    }

    async fn page(account: &Account, parameters: &[(&str, &str)]) -> Answer {
        account
            .get(&format!("/oauth_auth.do?{}", encode(parameters)))
            .await
    }

    async fn code(account: &Account) -> String {
        redirected(&page(account, &PAGE).await).1["code"].clone()
    }

    async fn token(account: &Account, form: &[(&str, &str)]) -> Answer {
        let request = account
            .request(&Method::POST, "/oauth_token.do")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(encode(form));
        account.send(request).await
    }

    async fn redeem(account: &Account, code: &str) -> Answer {
        let form = [
            &CLIENT[..],
            &[
                ("grant_type", "authorization_code"),
                ("code", code),
                ("redirect_uri", BACK),
            ],
        ]
        .concat();
        token(account, &form).await
    }

    async fn refresh(account: &Account, refresh_token: &str) -> Answer {
        let form = [
            &CLIENT[..],
            &[
                ("grant_type", "refresh_token"),
                ("refresh_token", refresh_token),
            ],
        ]
        .concat();
        token(account, &form).await
    }

    fn assert_refused(answer: &Answer) {
        assert_eq!(answer.status, 401, "{}", answer.body);
        assert_eq!(
            answer.body,
            json!({ "error_description": "access_denied", "error": "server_error" })
        );
    }

    #[tokio::test]
    async fn code_becomes_a_token_once_and_the_token_works() {
        let mut account = instance(json!({})).await;
        let (address, parameters) = redirected(&page(&account, &PAGE).await);
        assert_eq!((address.as_str(), &*parameters["state"]), (BACK, "abc123"));
        let granted = redeem(&account, &parameters["code"]).await;
        assert_eq!(granted.status, 200, "{}", granted.body);
        assert_eq!(granted.body["scope"], "useraccount");
        assert_eq!(granted.body["token_type"], "Bearer");
        assert!((1799..=1800).contains(&granted.body["expires_in"].as_u64().unwrap()));
        assert!(granted.body["refresh_token"].is_string());
        let access = text(&granted, "access_token");
        assert_eq!(status_with(&mut account, access, INCIDENTS).await, 200);
        assert_refused(&redeem(&account, &parameters["code"]).await);
        let late = code(&account).await;
        advance(&account, 60).await;
        assert_refused(&redeem(&account, &late).await);
        let requests = account.control.token_requests().await.unwrap();
        let expected = TokenRequests {
            succeeded: 1,
            refused: 2,
        };
        assert_eq!(
            requests,
            BTreeMap::from([("authorization_code".to_owned(), expected)])
        );
    }

    #[tokio::test]
    async fn page_asks_for_a_state_and_sends_only_to_registered_addresses() {
        let account = instance(json!({})).await;
        let no_state = "Missing State parameter in request.";
        for (name, value, message) in [
            ("state", "", no_state),
            ("state", "a-b", no_state),
            (
                "response_type",
                "token",
                "Invalid response_type in request.",
            ),
            ("client_id", "nobody", "Invalid client_id in request."),
            ("client_id", "plain", "The client has no redirect URL."),
            (
                "redirect_uri",
                "",
                "Missing redirect_uri parameter in request.",
            ),
        ] {
            let refused = page(&account, &with(&PAGE, name, value)).await;
            assert_eq!(
                (refused.status, refused.body.as_str()),
                (400, Some(message)),
                "{name}={value}"
            );
        }
        for (wanted, sent_to) in [
            ("https://b.example.com/", "https://b.example.com/"),
            ("https://evil.example.com/", BACK),
        ] {
            let answer = page(&account, &with(&PAGE, "redirect_uri", wanted)).await;
            assert_eq!(redirected(&answer).0, sent_to);
        }
    }

    #[tokio::test]
    async fn whatever_is_wrong_with_a_token_request_reads_the_same() {
        let account = instance(json!({})).await;
        let form = [
            &CLIENT[..],
            &[
                ("grant_type", "password"),
                ("username", "api"),
                ("password", "secret"),
            ],
        ]
        .concat();
        for (name, value) in [
            ("client_secret", "wrong"),
            ("client_secret", ""),
            ("client_id", "plain"),
            ("password", "wrong"),
            ("grant_type", "client_credentials"),
            ("grant_type", "magic"),
            ("grant_type", ""),
        ] {
            assert_refused(&token(&account, &with(&form, name, value)).await);
        }
        let body: BTreeMap<&str, &str> = form.iter().copied().collect();
        assert_refused(&account.post("/oauth_token.do", &json!(body)).await);
        let in_url = account
            .request(
                &Method::POST,
                &format!("/oauth_token.do?{}", encode(&CLIENT)),
            )
            .header("content-type", "application/x-www-form-urlencoded")
            .body(encode(&form));
        assert_refused(&account.send(in_url).await);
        assert_eq!(account.get("/oauth_token.do").await.status, 405);
        assert_eq!(token(&account, &form).await.status, 200);
        let requests = account.control.token_requests().await.unwrap();
        assert_eq!(requests["password"].succeeded, 1);
        // The body in JSON, and two forms that name no grant.
        assert_eq!(requests["other"].refused, 3);
        let wrong_address = code(&account).await;
        let form = [
            &CLIENT[..],
            &[
                ("grant_type", "authorization_code"),
                ("code", &wrong_address),
                ("redirect_uri", "https://b.example.com/"),
            ],
        ]
        .concat();
        assert_refused(&token(&account, &form).await);
    }

    #[tokio::test]
    async fn valid_token_is_handed_out_again_with_what_is_left() {
        let mut account = instance(json!({})).await;
        let first = redeem(&account, &code(&account).await).await;
        let refresh_token = text(&first, "refresh_token");
        advance(&account, 1790).await;
        let second = refresh(&account, refresh_token).await;
        assert_eq!(second.body["access_token"], first.body["access_token"]);
        assert!(second.body["expires_in"].as_u64().unwrap() <= 10);
        assert_eq!(second.body["refresh_token"], first.body["refresh_token"]);
        // Another consent makes no other tokens either.
        let again = redeem(&account, &code(&account).await).await;
        assert_eq!(again.body["refresh_token"], first.body["refresh_token"]);
        advance(&account, 10).await;
        let old = text(&first, "access_token");
        assert_eq!(status_with(&mut account, old, INCIDENTS).await, 401);
        let third = refresh(&account, refresh_token).await;
        assert_ne!(third.body["access_token"], first.body["access_token"]);
        let new = text(&third, "access_token");
        assert_eq!(status_with(&mut account, new, INCIDENTS).await, 200);
        advance(&account, 8_640_000).await;
        assert_refused(&refresh(&account, refresh_token).await);
    }

    #[tokio::test]
    async fn refresh_token_is_repeated_left_out_or_replaced() {
        for (mode, present, old_lives) in [
            ("repeat", true, true),
            ("absent", false, true),
            ("rotate", true, false),
        ] {
            let account = instance(json!({ "refresh_answer": mode })).await;
            let first = redeem(&account, &code(&account).await).await;
            let old = text(&first, "refresh_token");
            let second = refresh(&account, old).await;
            assert_eq!(second.status, 200);
            assert_eq!(second.body["refresh_token"].is_string(), present, "{mode}");
            let again = refresh(&account, old).await;
            assert_eq!(again.status == 200, old_lives, "{mode}");
            if mode == "rotate" {
                assert_refused(&again);
                let successor = refresh(&account, text(&second, "refresh_token")).await;
                assert_eq!(successor.status, 200);
            }
        }
    }

    #[tokio::test]
    async fn client_credentials_have_to_be_enabled_and_bring_no_refresh_token() {
        let form = with(&CLIENT, "grant_type", "client_credentials");
        let account = instance(json!({})).await;
        assert_refused(&token(&account, &form).await);
        let mut account = instance(json!({ "client_credentials": true })).await;
        let granted = token(&account, &form).await;
        assert_eq!(granted.status, 200);
        assert!(granted.body.get("refresh_token").is_none());
        let access = text(&granted, "access_token");
        assert_eq!(status_with(&mut account, access, INCIDENTS).await, 200);
        let by_header = account
            .request(&Method::POST, "/oauth_token.do")
            .header("authorization", crate::harness::basic("c1", "s1"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials");
        assert_eq!(account.send(by_header).await.status, 200);
    }

    #[tokio::test]
    async fn public_client_proves_itself_with_its_verifier() {
        let account = instance(json!({})).await;
        let public = with(&PAGE, "client_id", "public");
        let (_, parameters) = redirected(&page(&account, &public).await);
        assert_eq!(parameters["error"], "invalid_request");
        let challenge = challenge();
        let proving = [
            &public[..],
            &[
                ("code_challenge", challenge.as_str()),
                ("code_challenge_method", "S256"),
            ],
        ]
        .concat();
        for (verifier, status) in [("", 401), ("wrong", 401), (VERIFIER, 200)] {
            let (_, parameters) = redirected(&page(&account, &proving).await);
            let form = [
                ("client_id", "public"),
                ("grant_type", "authorization_code"),
                ("code", &*parameters["code"]),
                ("redirect_uri", BACK),
            ];
            let answer = token(&account, &with(&form, "code_verifier", verifier)).await;
            assert_eq!(answer.status, status, "{verifier}");
        }
    }

    #[tokio::test]
    async fn token_can_be_taken_back_without_signing_in() {
        let mut account = instance(json!({})).await;
        let granted = redeem(&account, &code(&account).await).await;
        let access = text(&granted, "access_token");
        let path = format!("/oauth_revoke_token.do?token={access}");
        assert_eq!(account.get(&path).await.status, 200);
        assert_eq!(status_with(&mut account, access, INCIDENTS).await, 401);
        let refresh_token = text(&granted, "refresh_token");
        assert_eq!(refresh(&account, refresh_token).await.status, 200);
        let path = format!("/oauth_revoke_token.do?token={refresh_token}");
        assert_eq!(account.get(&path).await.status, 200);
        assert_refused(&refresh(&account, refresh_token).await);
    }

    #[tokio::test]
    async fn denial_expiry_and_revocation_are_made_on_demand() {
        let mut account = instance(json!({ "deny": true })).await;
        let (address, parameters) = redirected(&page(&account, &PAGE).await);
        let denied = BTreeMap::from(
            [("error", "access_denied"), ("state", "abc123")]
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        assert_eq!((address.as_str(), parameters), (BACK, denied));
        account.control.deny(false).await.unwrap();
        let granted = redeem(&account, &code(&account).await).await;
        account.control.expire_tokens().await.unwrap();
        let access = text(&granted, "access_token");
        assert_eq!(status_with(&mut account, access, INCIDENTS).await, 401);
        let refresh_token = text(&granted, "refresh_token");
        let refreshed = refresh(&account, refresh_token).await;
        assert_eq!(refreshed.status, 200);
        account.control.revoke_grants().await.unwrap();
        assert_refused(&refresh(&account, refresh_token).await);
        let access = text(&refreshed, "access_token");
        assert_eq!(status_with(&mut account, access, INCIDENTS).await, 200);
    }

    #[tokio::test]
    async fn records_show_that_secrets_were_sent_and_not_which() {
        let account = instance(json!({})).await;
        let granted = redeem(&account, &code(&account).await).await;
        let refresh_token = text(&granted, "refresh_token");
        refresh(&account, refresh_token).await;
        account
            .get(&format!("/oauth_revoke_token.do?token={refresh_token}"))
            .await;
        let requests = account.control.requests().await.unwrap();
        assert_eq!(
            requests[2].text,
            "client_id=c1&client_secret=hidden&grant_type=refresh_token&refresh_token=hidden"
        );
        assert_eq!(
            requests[3].query,
            [("token".to_owned(), "hidden".to_owned())]
        );
        let everything = serde_json::to_string(&requests).unwrap();
        assert!(!everything.contains(refresh_token) && !everything.contains("s1"));
    }
}

mod zendesk {
    use super::*;

    const ME: &str = "/api/v2/users/me.json";
    const CURRENT: &str = "/api/v2/oauth/tokens/current.json";
    const PAGE: [(&str, &str); 5] = [
        ("response_type", "code"),
        ("client_id", "loop"),
        ("redirect_uri", BACK),
        ("scope", "read write"),
        ("state", "a-b_c"),
    ];

    async fn account(extra: Value) -> Account {
        let mut config = json!({
            "users": [{ "username": "admin@example.com", "password": "secret" }],
            "agents": [{ "email": "ann@example.com" }],
            "oauth_clients": [
                { "client_id": "loop", "client_secret": "s1", "redirect_uris": [BACK],
                  "grants": ["authorization_code", "refresh_token", "client_credentials"] },
                { "client_id": "ceiling", "client_secret": "s1", "scope": "read", "grants": ["client_credentials"],
                  "username": "ann@example.com" },
                { "client_id": "public", "redirect_uris": ["http://localhost/back"] },
            ],
        });
        config
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        let mut account = Account::zendesk(config).await;
        account.authorize(None);
        account
    }

    async fn page(account: &Account, parameters: &[(&str, &str)]) -> Answer {
        account
            .get(&format!("/oauth/authorizations/new?{}", encode(parameters)))
            .await
    }

    async fn code(account: &Account) -> String {
        redirected(&page(account, &PAGE).await).1["code"].clone()
    }

    async fn token(account: &Account, body: &Value) -> Answer {
        account.post("/oauth/tokens", body).await
    }

    fn redemption(code: &str) -> Value {
        json!({ "grant_type": "authorization_code", "client_id": "loop", "client_secret": "s1", "code": code,
            "redirect_uri": BACK, "scope": "read write" })
    }

    fn refreshment(refresh_token: &str) -> Value {
        json!({ "grant_type": "refresh_token", "client_id": "loop", "client_secret": "s1",
            "refresh_token": refresh_token })
    }

    fn credentials() -> Value {
        json!({ "grant_type": "client_credentials", "client_id": "loop", "client_secret": "s1", "scope": "read" })
    }

    async fn connect(account: &Account) -> Answer {
        let granted = token(account, &redemption(&code(account).await)).await;
        assert_eq!(granted.status, 201, "{}", granted.body);
        granted
    }

    fn assert_refused(answer: &Answer, status: u16, error: &str) {
        assert_eq!(
            (answer.status, &answer.body["error"]),
            (status, &json!(error)),
            "{}",
            answer.body
        );
        assert!(answer.body["error_description"].is_string());
    }

    #[tokio::test]
    async fn code_becomes_a_pair_once_within_two_minutes() {
        let mut account = account(json!({})).await;
        let (address, parameters) = redirected(&page(&account, &PAGE).await);
        assert_eq!((address.as_str(), &*parameters["state"]), (BACK, "a-b_c"));
        let granted = token(&account, &redemption(&parameters["code"])).await;
        assert_eq!(granted.status, 201);
        for (name, expected) in [
            ("token_type", json!("bearer")),
            ("scope", json!("read write")),
            ("expires_in", json!(1800)),
            ("refresh_token_expires_in", json!(2_592_000)),
        ] {
            assert_eq!(granted.body[name], expected, "{name}");
        }
        let access = text(&granted, "access_token");
        assert_eq!(status_with(&mut account, access, ME).await, 200);
        let again = token(&account, &redemption(&parameters["code"])).await;
        assert_refused(&again, 400, "invalid_grant");
        for (seconds, status) in [(119, 201), (120, 400)] {
            let code = code(&account).await;
            advance(&account, seconds).await;
            assert_eq!(token(&account, &redemption(&code)).await.status, status);
        }
    }

    #[tokio::test]
    async fn page_sends_back_only_to_the_exact_address() {
        let account = account(json!({})).await;
        for (name, value) in [
            ("client_id", "223443"),
            ("client_id", "ceiling"),
            ("redirect_uri", "https://app.example.com/back/"),
            ("redirect_uri", ""),
            ("state", ""),
        ] {
            let refused = page(&account, &with(&PAGE, name, value)).await;
            assert_eq!(refused.status, 400, "{name}={value}");
            assert!(refused.body.as_str().unwrap().starts_with("<html>"));
        }
        for (name, value, error) in [
            ("response_type", "token", "unsupported_response_type"),
            ("scope", "", "invalid_scope"),
            ("code_challenge", "x", "invalid_request"),
        ] {
            let (address, parameters) =
                redirected(&page(&account, &with(&PAGE, name, value)).await);
            assert_eq!((address.as_str(), &*parameters["error"]), (BACK, error));
            assert_eq!(parameters["state"], "a-b_c");
        }
        account.control.deny(true).await.unwrap();
        let (_, parameters) = redirected(&page(&account, &PAGE).await);
        assert_eq!(parameters["error"], "access_denied");
        assert!(!parameters.contains_key("code"));
    }

    #[tokio::test]
    async fn token_request_is_json_with_the_identifier_and_lives_within_bounds() {
        let account = account(json!({})).await;
        let form = account
            .request(&Method::POST, "/oauth/tokens")
            .header("content-type", "application/x-www-form-urlencoded")
            .body("grant_type=client_credentials&client_id=loop&client_secret=s1&scope=read");
        assert_refused(&account.send(form).await, 415, "invalid_request");
        assert_refused(&token(&account, &json!([])).await, 400, "invalid_request");
        for (name, value, status, error) in [
            ("client_id", json!(223_443), 401, "invalid_client"),
            ("client_id", json!("223443"), 401, "invalid_client"),
            ("client_secret", json!("wrong"), 401, "invalid_client"),
            ("client_secret", Value::Null, 401, "invalid_client"),
            (
                "grant_type",
                json!("password"),
                400,
                "unsupported_grant_type",
            ),
            ("client_id", json!("public"), 401, "invalid_client"),
            ("scope", Value::Null, 400, "invalid_request"),
            ("expires_in", json!(299), 400, "invalid_request"),
            ("expires_in", json!(172_801), 400, "invalid_request"),
            ("expires_in", json!("1800"), 400, "invalid_request"),
            (
                "refresh_token_expires_in",
                json!(604_799),
                400,
                "invalid_request",
            ),
            (
                "refresh_token_expires_in",
                json!(7_776_001),
                400,
                "invalid_request",
            ),
        ] {
            let mut body = credentials();
            body[name] = value.clone();
            let refused = token(&account, &body).await;
            assert_eq!(refused.body["error"], error, "{name}={value}");
            assert_refused(&refused, status, error);
        }
        let mut body = refreshment("x");
        body["client_id"] = json!("ceiling");
        assert_refused(&token(&account, &body).await, 400, "unauthorized_client");
        for (name, value) in [
            ("redirect_uri", "https://other.example.com/"),
            ("code", "x"),
        ] {
            let mut body = redemption(&code(&account).await);
            body[name] = json!(value);
            assert_refused(&token(&account, &body).await, 400, "invalid_grant");
        }
    }

    #[tokio::test]
    async fn refresh_kills_both_old_tokens_and_spares_the_successor() {
        let mut account = account(json!({})).await;
        let first = connect(&account).await;
        let second = token(&account, &refreshment(text(&first, "refresh_token"))).await;
        assert_eq!(second.status, 201);
        let (old, new) = (text(&first, "access_token"), text(&second, "access_token"));
        assert_eq!(status_with(&mut account, old, ME).await, 401);
        assert_eq!(status_with(&mut account, new, ME).await, 200);
        let consumed = token(&account, &refreshment(text(&first, "refresh_token"))).await;
        assert_refused(&consumed, 400, "invalid_grant");
        assert_eq!(status_with(&mut account, new, ME).await, 200);
        let third = token(&account, &refreshment(text(&second, "refresh_token"))).await;
        assert_eq!(third.status, 201);
        let requests = account.control.token_requests().await.unwrap();
        let expected = TokenRequests {
            succeeded: 2,
            refused: 1,
        };
        assert_eq!(requests["refresh_token"], expected);
    }

    #[tokio::test]
    async fn rotation_has_happened_although_its_answer_is_lost() {
        let mut account = account(json!({})).await;
        let first = connect(&account).await;
        let lost = Fault::new(Action::LoseAnswer).on(Match {
            body_contains: Some("\"refresh_token\"".to_owned()),
            ..Match::default()
        });
        account.control.add_faults(&[lost]).await.unwrap();
        let request = account
            .request(&Method::POST, "/oauth/tokens")
            .header("content-type", "application/json")
            .body(refreshment(text(&first, "refresh_token")).to_string());
        assert!(request.send().await.is_err());
        let old = text(&first, "access_token");
        assert_eq!(status_with(&mut account, old, ME).await, 401);
        let again = token(&account, &refreshment(text(&first, "refresh_token"))).await;
        assert_refused(&again, 400, "invalid_grant");
        let requests = account.control.token_requests().await.unwrap();
        assert_eq!(requests["refresh_token"].succeeded, 1);
    }

    #[tokio::test]
    async fn held_refresh_lets_a_second_one_lose() {
        let mut account = account(json!({})).await;
        let first = connect(&account).await;
        let held = Fault::new(Action::Hold {
            after_write: true,
            ms: 200,
        })
        .on(Match::method("POST"));
        account.control.add_faults(&[held]).await.unwrap();
        let body = refreshment(text(&first, "refresh_token"));
        let (winner, loser) = tokio::join!(token(&account, &body), async {
            while account.control.held().await.unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            token(&account, &body).await
        });
        assert_refused(&loser, 400, "invalid_grant");
        let access = text(&winner, "access_token");
        assert_eq!(status_with(&mut account, access, ME).await, 200);
    }

    #[tokio::test]
    async fn tokens_end_when_they_were_asked_to() {
        let mut account = account(json!({})).await;
        let mut body = redemption(&code(&account).await);
        body["expires_in"] = json!(300);
        body["refresh_token_expires_in"] = json!(604_800);
        let granted = token(&account, &body).await;
        assert_eq!(granted.body["expires_in"], 300);
        assert_eq!(granted.body["refresh_token_expires_in"], 604_800);
        let access = text(&granted, "access_token");
        advance(&account, 299).await;
        assert_eq!(status_with(&mut account, access, ME).await, 200);
        advance(&account, 1).await;
        assert_eq!(status_with(&mut account, access, ME).await, 401);
        advance(&account, 604_500).await;
        let late = token(&account, &refreshment(text(&granted, "refresh_token"))).await;
        assert_refused(&late, 400, "invalid_grant");
        let again = connect(&account).await;
        account.control.expire_tokens().await.unwrap();
        let access = text(&again, "access_token");
        assert_eq!(status_with(&mut account, access, ME).await, 401);
        account.control.revoke_grants().await.unwrap();
        let revoked = token(&account, &refreshment(text(&again, "refresh_token"))).await;
        assert_refused(&revoked, 400, "invalid_grant");
    }

    #[tokio::test]
    async fn mistyped_scope_gets_a_token_that_is_good_for_nothing() {
        let mut account = account(json!({})).await;
        for scope in [json!("raed"), json!(["read", "write"])] {
            let mut body = credentials();
            body["scope"] = scope.clone();
            let granted = token(&account, &body).await;
            assert_eq!(granted.status, 201, "{scope}");
            assert_ne!(granted.body["scope"], "read write");
            let access = text(&granted, "access_token");
            for path in [
                ME,
                "/api/v2/tickets",
                "/api/v2/custom_objects",
                "/api/v2/user_profiles?identifier=a:b:email:c@example.com",
                CURRENT,
            ] {
                assert_eq!(status_with(&mut account, access, path).await, 403, "{path}");
            }
        }
        let mut body = credentials();
        body["client_id"] = json!("ceiling");
        body["scope"] = json!("read write");
        assert_refused(&token(&account, &body).await, 400, "invalid_scope");
        body["scope"] = json!("read");
        let granted = token(&account, &body).await;
        account.authorize(Some(format!("Bearer {}", text(&granted, "access_token"))));
        let me = account.get(ME).await;
        assert_eq!(me.body["user"]["email"], "ann@example.com");
        let mut narrow = redemption(&{
            account.authorize(None);
            let page = page(&account, &with(&PAGE, "scope", "read")).await;
            redirected(&page).1["code"].clone()
        });
        narrow["scope"] = json!("read write");
        assert_refused(&token(&account, &narrow).await, 400, "invalid_scope");
    }

    #[tokio::test]
    async fn finer_scopes_reach_their_resource_alone() {
        let mut account = account(json!({})).await;
        let mut body = credentials();
        body["scope"] = json!("tickets:read");
        let granted = token(&account, &body).await;
        let access = text(&granted, "access_token");
        for (path, status) in [
            ("/api/v2/tickets", 200),
            ("/api/v2/ticket_fields", 200),
            (ME, 403),
            ("/api/v2/custom_objects", 403),
        ] {
            assert_eq!(
                status_with(&mut account, access, path).await,
                status,
                "{path}"
            );
        }
    }

    #[tokio::test]
    async fn client_credentials_bring_no_refresh_token() {
        let account = account(json!({ "token_status": 200 })).await;
        let granted = token(&account, &credentials()).await;
        assert_eq!(granted.status, 200);
        assert!(granted.body["access_token"].is_string());
        assert!(granted.body["refresh_token"].is_null());
        assert!(granted.body["refresh_token_expires_in"].is_null());
    }

    #[tokio::test]
    async fn current_token_can_be_read_and_taken_back() {
        let mut account = account(json!({})).await;
        let granted = connect(&account).await;
        account.authorize(Some(format!("Bearer {}", text(&granted, "access_token"))));
        let current = account.get(CURRENT).await;
        assert_eq!(current.status, 200);
        let record = &current.body["token"];
        assert_eq!(record["scopes"], json!(["read", "write"]));
        assert!(record["client_id"].is_u64() && record["user_id"].is_u64());
        for name in ["expires_at", "refresh_token_expires_at"] {
            let end: jiff::Timestamp = record[name].as_str().unwrap().parse().unwrap();
            assert!(end > jiff::Timestamp::now(), "{name}");
        }
        assert!(
            !current
                .body
                .to_string()
                .contains(text(&granted, "access_token"))
        );
        let gone = account.write(Method::DELETE, CURRENT, &Value::Null).await;
        assert_eq!(gone.status, 204);
        assert_eq!(account.get(CURRENT).await.status, 401);
        let refreshed = token(&account, &refreshment(text(&granted, "refresh_token"))).await;
        assert_refused(&refreshed, 400, "invalid_grant");
        account.authorize(Some(crate::harness::basic("admin@example.com", "secret")));
        assert_eq!(account.get(CURRENT).await.status, 404);
    }

    #[tokio::test]
    async fn verifier_stands_for_the_secret() {
        let mut account = account(json!({})).await;
        let challenge = challenge();
        for (client, address) in [("loop", BACK), ("public", "http://localhost/back")] {
            let parameters = [
                &with(&with(&PAGE, "client_id", client), "redirect_uri", address)[..],
                &[
                    ("code_challenge", challenge.as_str()),
                    ("code_challenge_method", "S256"),
                ],
            ]
            .concat();
            for (verifier, status) in [("wrong", 400), (VERIFIER, 201)] {
                let (_, sent) = redirected(&page(&account, &parameters).await);
                let granted = token(
                    &account,
                    &json!({ "grant_type": "authorization_code", "client_id": client, "code": sent["code"],
                        "redirect_uri": address, "scope": "read write", "code_verifier": verifier }),
                )
                .await;
                assert_eq!(granted.status, status, "{client} {verifier}");
                if status == 201 {
                    let refreshed = token(
                        &account,
                        &json!({ "grant_type": "refresh_token", "client_id": client,
                            "refresh_token": granted.body["refresh_token"] }),
                    )
                    .await;
                    // Only a public client has nothing else to show.
                    let expected = if client == "public" { 201 } else { 401 };
                    assert_eq!(refreshed.status, expected, "{client}");
                }
            }
        }
        // Without a challenge there is nothing to verify.
        let mut body = redemption(&code(&account).await);
        body["client_secret"] = Value::Null;
        body["code_verifier"] = json!(VERIFIER);
        assert_refused(&token(&account, &body).await, 400, "invalid_grant");
        let public = page(
            &account,
            &with(
                &with(&PAGE, "client_id", "public"),
                "redirect_uri",
                "http://localhost/back",
            ),
        )
        .await;
        assert_eq!(redirected(&public).1["error"], "invalid_request");
        account.authorize(None);
    }
}

#[tokio::test]
async fn contradictory_clients_are_refused() {
    let account = Account::zendesk(json!({})).await;
    for (client, part) in [
        (json!({ "client_secret": "s" }), "needs a client_id"),
        (json!({ "client_id": "a", "secret": "s" }), "unknown field"),
        (
            json!({ "client_id": "a", "kind": "confidential" }),
            "has no secret",
        ),
        (json!({ "client_id": "a", "username": "x" }), "no user x"),
        (
            json!({ "client_id": "a", "redirect_uris": ["http://a.example.com"] }),
            "isn't HTTPS",
        ),
        (
            json!({ "client_id": "a", "grants": ["password"] }),
            "no grant for passwords",
        ),
    ] {
        let refused = account
            .control
            .create(&json!({ "oauth_clients": [client] }))
            .await;
        let Err(ControlError::Refused { status, reason }) = refused else {
            panic!("{client} is taken");
        };
        assert_eq!(status, 400);
        assert!(reason.contains(part), "{reason}");
    }
}
