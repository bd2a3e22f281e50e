//! Signing in at TeamViewer once: what that gave is renewed by itself.

use std::time::Duration;

use domain::AccountName;
use futures_util::future::join_all;
use serde_json::{Value, json};
use service_cases::{Error, ServiceCases};

use crate::stack::{CODE, Stack, after, case, code};

const BACK: &str = "https://closedloop.example.com/connect/callback";
const DAY: i64 = 86_400;

/// Ann, who has signed in with an app; her tokens are good for a day.
async fn signed_in(stack: &Stack) -> AccountName {
    let url = stack.teamviewer.url();
    let redirects = reqwest::redirect::Policy::none();
    let browser = reqwest::Client::builder().no_proxy().redirect(redirects);
    let browser = browser.build().unwrap();
    let page =
        format!("{url}/oauth2/authorize?response_type=code&client_id=loop&redirect_uri={BACK}");
    let answer = browser.get(page).send().await.unwrap();
    let back = answer.headers()["location"].to_str().unwrap();
    let (_, code) = back.split_once("code=").unwrap();
    let form = format!(
        "grant_type=authorization_code&code={code}&redirect_uri={BACK}&client_id=loop&client_secret=s3cret"
    );
    let exchange = browser.post(format!("{url}/api/v1/oauth2/token"));
    let exchange = exchange.header("content-type", "application/x-www-form-urlencoded");
    let answer = exchange.body(form).send().await.unwrap();
    let issued: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    let credential = json!({
        "kind": "oauth_authorization_code", "client_id": "loop", "client_secret": "s3cret",
        "issued": {
            "access_token": issued["access_token"], "refresh_token": issued["refresh_token"],
            "at": after(0), "expires_at": after(DAY),
        },
    });
    let ann = "tv-ann";
    stack.connect(ann, "teamviewer", "acme", credential).await;
    AccountName::parse(ann).unwrap()
}

/// Looks at the case, as one invocation.
async fn look(process: &ServiceCases, ann: &AccountName, seconds: i64) -> Result<(), Error> {
    let now = after(seconds);
    let invocation = process.within(now, Duration::from_mins(1));
    invocation.case(&code(), ann, now).await.map(|_| ())
}

/// How often TeamViewer has renewed tokens, and refused to.
async fn renewals(stack: &Stack) -> (u64, u64) {
    let requests = stack.teamviewer.token_requests().await.unwrap();
    requests
        .get("refresh_token")
        .map_or((0, 0), |counted| (counted.succeeded, counted.refused))
}

#[tokio::test]
async fn tokens_are_renewed_once_each_time_and_the_next_ones_with_what_that_gave() {
    let app = json!({
        "client_id": "loop", "client_secret": "s3cret", "redirect_uris": [BACK],
        "username": "u1001"
    });
    let stack = Stack::with(json!({"oauth_clients": [app], "sessions": [case(CODE)]})).await;
    let ann = signed_in(&stack).await;
    look(&stack.cases, &ann, 0).await.unwrap();
    assert_eq!(renewals(&stack).await, (0, 0));
    for days in 1..=3 {
        // TeamViewer refuses the refresh token before the last one.
        let seconds = days * (DAY + 60);
        let named = |number: u32| stack.process(&format!("{days}-{number}"));
        let processes: Vec<ServiceCases> = (0..5).map(named).collect();
        let looks = processes.iter().flat_map(|process| [process, process]);
        let seen = join_all(looks.map(|process| look(process, &ann, seconds))).await;
        for error in seen.iter().filter_map(|seen| seen.as_ref().err()) {
            // They come again.
            let is_renewing = matches!(error, Error::Account(accounts::Error::Refreshing { .. }));
            assert!(is_renewing, "{error}");
        }
        assert!(seen.iter().any(Result::is_ok), "{seen:?}");
        for process in processes.iter().chain([&stack.cases]) {
            look(process, &ann, seconds + 1).await.unwrap();
        }
        assert_eq!(renewals(&stack).await, (days.unsigned_abs(), 0));
    }
}
