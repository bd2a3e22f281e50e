//! The pages on which somebody connects an account: the way to the vendor, and the way back.
//!
//! Anybody can open them, so nothing here is believed: the address carries a random ticket that was given to the
//! account's owner, the vendor's answer carries a `state` that is good once, and a cookie proves that the browser which
//! comes back is the one that was sent. The browser is sent to the account's own vendor only.

mod answer;
mod request;

use accounts::Accounts;
use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use jiff::Timestamp;

use crate::answer::Page;
use crate::request::{Problem, Request};

/// Answers one request. `random` must be new for each.
pub async fn handle(
    accounts: &Accounts,
    request: ApiGatewayV2httpRequest,
    random: [u8; 64],
    now: Timestamp,
) -> ApiGatewayV2httpResponse {
    let wants_html = request::wants_html(&request.headers);
    let result = match Request::read(&request) {
        Ok(Request::Start { ticket, has_agreed }) => {
            start(accounts, &ticket, has_agreed, random, now).await
        }
        Ok(Request::Callback {
            state,
            browser,
            answer,
        }) => callback(accounts, &state, browser.as_ref(), answer, now).await,
        Err(problem) => Err(problem),
    };
    match result {
        Ok(page) => page.response(wants_html),
        Err(problem) => {
            tracing::warn!(
                connect.problem = problem.kind(),
                http.status = problem.status(),
                error = startup::chain(&problem),
                "account not connected"
            );
            Page::refusal(&problem).response(wants_html)
        }
    }
}

async fn start(
    accounts: &Accounts,
    ticket: &secrecy::SecretString,
    has_agreed: bool,
    random: [u8; 64],
    now: Timestamp,
) -> Result<Page, Problem> {
    if !has_agreed && let Some(owner) = accounts.invited_person(ticket, now).await? {
        return Ok(Page::question(&owner, ticket));
    }
    let authorize = accounts.authorize(ticket, random, now).await?;
    Ok(Page::redirect(&authorize))
}

async fn callback(
    accounts: &Accounts,
    state: &secrecy::SecretString,
    browser: Option<&secrecy::SecretString>,
    answer: accounts::Answer,
    now: Timestamp,
) -> Result<Page, Problem> {
    let completed = accounts.complete(state, browser, answer, now).await?;
    tracing::info!(
        account = %completed.account.name,
        account.works = completed.verification.as_ref().map(|found| found.works),
        "account connected"
    );
    Ok(Page::connected(&completed))
}
