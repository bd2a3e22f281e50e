//! The token endpoint, against a scripted server.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::time::Duration;

use oauth::{Client, ClientAuthentication, Encoding, Error, Provider, Tokens, Verifier};
use retry::Disposition;
use secrecy::ExposeSecret;
use serde_json::json;
use vendor_http::Url;
use vendor_http::test_support::{Server, Step};

fn provider(server: &Server, encoding: Encoding) -> Provider {
    let url = |path: &str| Url::parse(&format!("{}{path}", server.url())).unwrap();
    Provider {
        authorization: url("/authorize"),
        token: url("/token"),
        encoding,
        client_authentication: ClientAuthentication::Parameters,
        scope: Some("read write".into()),
        refreshable: &[("refresh_token_expires_in", 7_776_000)],
        pkce: true,
        client_refusals: &["invalid_client", "blocked"],
    }
}

fn client() -> Client {
    Client {
        id: "closedloop".to_owned(),
        secret: Some("s&cret".into()),
    }
}

async fn refresh(step: Step) -> Result<Tokens, Error> {
    let server = Server::start([step]).await.unwrap();
    let http = vendor_http::Client::new().unwrap();
    provider(&server, Encoding::Form)
        .refresh(&http, &client(), &"old".into())
        .await
}

#[tokio::test]
async fn each_grant_sends_what_the_vendor_needs() {
    let ok = || Step::json(200, json!({"access_token": "a", "token_type": "Bearer"}));
    let server = Server::start([ok(), ok(), ok()]).await.unwrap();
    let http = vendor_http::Client::new().unwrap();
    let verifier = Verifier::derive(&"binding".into());
    let json = provider(&server, Encoding::Json);
    json.exchange_code(
        &http,
        &client(),
        &"c0de".into(),
        "https://us/callback",
        &verifier,
    )
    .await
    .unwrap();
    json.client_credentials(&http, &client()).await.unwrap();
    let public = Client {
        secret: None,
        ..client()
    };
    provider(&server, Encoding::Form)
        .refresh(&http, &public, &"old+token".into())
        .await
        .unwrap();
    let received = server.received();
    assert_eq!(
        received[0].json(),
        json!({
            "grant_type": "authorization_code", "client_id": "closedloop", "client_secret": "s&cret",
            "code": "c0de", "redirect_uri": "https://us/callback", "code_verifier": verifier.expose(),
            "scope": "read write", "refresh_token_expires_in": 7_776_000,
        })
    );
    assert_eq!(
        received[1].json(),
        json!({
            "grant_type": "client_credentials", "client_id": "closedloop", "client_secret": "s&cret",
            "scope": "read write",
        })
    );
    assert_eq!(
        received[2].header("content-type"),
        "application/x-www-form-urlencoded"
    );
    assert_eq!(
        received[2].body,
        "grant_type=refresh_token&client_id=closedloop&refresh_token=old%2Btoken&refresh_token_expires_in=7776000"
    );
}

#[tokio::test]
async fn vendor_without_pkce_hears_nothing_of_it() {
    let server = Server::start([Step::json(200, json!({"access_token": "a"}))])
        .await
        .unwrap();
    let http = vendor_http::Client::new().unwrap();
    let plain = Provider {
        pkce: false,
        scope: None,
        refreshable: &[],
        ..provider(&server, Encoding::Form)
    };
    let verifier = Verifier::derive(&"binding".into());
    plain
        .exchange_code(&http, &client(), &"c0de".into(), "https://us/", &verifier)
        .await
        .unwrap();
    assert_eq!(
        server.received()[0].body,
        "grant_type=authorization_code&client_id=closedloop&client_secret=s%26cret&code=c0de&redirect_uri=https%3A%2F%2Fus%2F"
    );
}

#[tokio::test]
async fn tokens_are_read_whatever_is_missing() {
    let full = json!({
        "access_token": "new", "refresh_token": "next", "scope": "read write", "expires_in": 1799,
        "token_type": "bearer",
    });
    let tokens = refresh(Step::json(201, full)).await.unwrap();
    assert_eq!(tokens.access.expose_secret(), "new");
    assert_eq!(tokens.refresh.unwrap().expose_secret(), "next");
    assert_eq!(tokens.expires_in, Some(Duration::from_secs(1799)));
    assert_eq!(tokens.scope.as_deref(), Some("read write"));
    let least = json!({"access_token": "new", "refresh_token": null, "expires_in": null});
    let tokens = refresh(Step::json(200, least)).await.unwrap();
    assert!(tokens.refresh.is_none() && tokens.expires_in.is_none() && tokens.scope.is_none());
}

#[tokio::test]
async fn no_is_told_from_not_now() {
    let denied = json!({"error_description": "access_denied", "error": "server_error"});
    let invalid =
        json!({"error": "invalid_grant", "error_description": "The refresh token is used up."});
    let page = "<html><head><title>Log in</title></head></html>";
    let give_up = Disposition::GiveUp;
    let wait = Disposition::Wait {
        every: Duration::from_mins(20),
    };
    for (step, disposition, words) in [
        (
            Step::json(401, &denied),
            give_up,
            "server_error: access_denied (HTTP 401)",
        ),
        (
            Step::json(400, &invalid),
            give_up,
            "invalid_grant: The refresh token is used up. (HTTP 400)",
        ),
        (
            Step::json(403, json!({})),
            give_up,
            "no reason given (HTTP 403)",
        ),
        (
            Step::json(403, json!({"error": "rate_limit_reached"})),
            Disposition::RETRY,
            "answered 403",
        ),
        (
            Step::json(400, json!({"error": "too_many_retries"})),
            Disposition::RETRY,
            "answered 400",
        ),
        (
            Step::json(400, json!({"error": "internal_error"})),
            Disposition::RETRY,
            "answered 400",
        ),
        (
            Step::json(401, json!({"error": "invalid_client"})),
            wait,
            "An administrator must mend",
        ),
        (
            Step::json(403, json!({"error": "blocked"})),
            wait,
            "blocked",
        ),
        (
            Step::json(401, json!({"error": "unauthorized_client"})),
            give_up,
            "unauthorized_client (HTTP 401)",
        ),
        (Step::json(200, &invalid), give_up, "invalid_grant"),
        (
            Step::json(200, json!({"result": []})),
            Disposition::RETRY,
            "answered 200 without a token",
        ),
        (
            Step::answer(200, "text/html", page),
            Disposition::RETRY,
            "Log in",
        ),
        (
            Step::answer(401, "text/html", page),
            Disposition::RETRY,
            "Log in",
        ),
        (
            Step::answer(404, "text/html", page),
            Disposition::RETRY,
            "answered 404",
        ),
        (Step::json(500, &denied), Disposition::RETRY, "answered 500"),
        (
            Step::json(429, json!({})).with("retry-after", 7),
            Disposition::Retry {
                after: Some(Duration::from_secs(7)),
            },
            "answered 429",
        ),
        (Step::Lose, Disposition::RETRY, "could not be reached"),
    ] {
        let error = refresh(step).await.unwrap_err();
        assert_eq!(error.disposition(), disposition, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn no_error_shows_a_secret() {
    // A vendor that repeats what it was sent, where it should say why.
    let echo = json!({
        "error": "invalid_request", "access_token": "leaked",
        "error_description": "no client has the secret s&cret for the token old",
    });
    let error = refresh(Step::json(400, echo)).await.unwrap_err();
    assert!(error.to_string().contains("no client has"), "{error}");
    let text = format!("{error} {error:?}");
    for secret in ["s&cret", "old", "leaked"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn client_proves_itself_by_basic_where_the_vendor_wants_it() {
    let steps = [
        Step::json(200, json!({"access_token": "a", "expires_in": 86_400})),
        Step::json(
            401,
            json!({"error": "invalid_client", "error_description": "no s&cret here"}),
        ),
        Step::json(200, json!({"access_token": "a"})),
    ];
    let server = Server::start(steps).await.unwrap();
    let http = vendor_http::Client::new().unwrap();
    let provider = Provider {
        client_authentication: ClientAuthentication::Basic,
        scope: Some("read:users manage:all".into()),
        client_refusals: &[],
        ..provider(&server, Encoding::Form)
    };
    let tokens = provider.client_credentials(&http, &client()).await.unwrap();
    assert_eq!(tokens.expires_in, Some(Duration::from_hours(24)));
    let error = provider
        .client_credentials(&http, &client())
        .await
        .unwrap_err();
    assert_eq!(error.disposition(), Disposition::GiveUp);
    assert!(!error.to_string().contains("s&cret"), "{error}");
    let public = Client {
        secret: None,
        ..client()
    };
    provider.client_credentials(&http, &public).await.unwrap();
    let received = server.received();
    for request in received.iter().take(2) {
        assert_eq!(
            request.header("authorization"),
            "Basic Y2xvc2VkbG9vcDpzJmNyZXQ="
        );
        assert_eq!(
            request.body,
            "grant_type=client_credentials&scope=read%3Ausers+manage%3Aall"
        );
    }
    // Without a secret there is nothing to prove, only an id to name.
    assert_eq!(received[2].header("authorization"), "");
    assert_eq!(
        received[2].body,
        "grant_type=client_credentials&client_id=closedloop&scope=read%3Ausers+manage%3Aall"
    );
}
