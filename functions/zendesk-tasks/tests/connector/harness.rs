//! One attempt at a task, against an account that answers from a script.

use std::time::Duration;

use accounts::{Connected, Credential, Vendors};
use domain::preview::{PreviewAccount, PreviewRequest};
use domain::{
    Account, AccountKind, AccountName, AccountState, RunId, TaskKey, TaskKind, TaskName, Vendor,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use task_runner::test_support::assert_foretold;
use task_runner::{Assignment, Connector as _, Done, Failed};
use vendor_http::test_support::{Received, Server, Step};
use zendesk_tasks::Zendesk;

/// What comes before the part of a path that tests look at.
const API: &str = "/zendesk/acme/api/v2/";
pub(crate) const STAMP: &str = "2026-03-02T10:15:30Z";

pub(crate) fn key() -> TaskKey {
    let run = RunId::parse(&format!("run_{}", "0".repeat(32))).unwrap();
    TaskKey::derive(&run, &TaskName::parse("ticket").unwrap())
}

pub(crate) struct Attempt {
    pub(crate) kind: TaskKind,
    pub(crate) input: Value,
    pub(crate) look_first: bool,
    pub(crate) age: SignedDuration,
    pub(crate) subdomain: &'static str,
    pub(crate) credential: Credential,
}

impl Attempt {
    pub(crate) fn at(kind: TaskKind, input: Value) -> Self {
        Self {
            kind,
            input,
            look_first: false,
            age: SignedDuration::ZERO,
            subdomain: "acme",
            credential: Credential::Bearer {
                token: "t0ken".into(),
            },
        }
    }

    pub(crate) fn create(input: Value) -> Self {
        Self::at(TaskKind::ZendeskCreateTicket, input)
    }

    pub(crate) fn update(input: Value) -> Self {
        Self::at(TaskKind::ZendeskUpdateTicket, input)
    }

    pub(crate) fn again(self) -> Self {
        Self {
            look_first: true,
            ..self
        }
    }

    pub(crate) async fn against(
        self,
        script: impl IntoIterator<Item = Step>,
    ) -> (Result<Done, Failed>, Vec<Received>) {
        let server = Server::start(script).await.unwrap();
        // Long enough for a busy machine, short enough to wait for in a test.
        let http = vendor_http::Client::new()
            .unwrap()
            .with_timeout(Duration::from_secs(2));
        let url = format!("{}/zendesk/{{subdomain}}", server.url());
        let vendors =
            Vendors::from_vars(http, |name| (name == "ZENDESK_URL").then(|| url.clone())).unwrap();
        let first: Timestamp = STAMP.parse().unwrap();
        let connected = Connected {
            account: Account {
                name: AccountName::parse("support").unwrap(),
                vendor: Vendor::Zendesk,
                instance: self.subdomain.to_owned(),
                kind: AccountKind::Bearer,
                state: AccountState::Connected,
                problem: None,
                owner: None,
                secret: "closedloop/accounts/zendesk/support".to_owned(),
                updated_at: first,
                verified_at: None,
                used_at: None,
            },
            credential: self.credential,
        };
        let assignment = Assignment {
            key: &key(),
            kind: self.kind,
            input: &self.input,
            look_first: self.look_first,
            first_attempt_at: first,
            now: first + self.age,
        };
        let connector = Zendesk::new(vendors);
        let result = connector.perform(&assignment, &connected).await;
        let received = server.received();
        if !self.look_first && self.age.is_zero() {
            let preview = connector.preview(&PreviewRequest {
                kind: self.kind,
                key: key(),
                account: PreviewAccount {
                    name: connected.account.name,
                    vendor: Vendor::Zendesk,
                    instance: Some(self.subdomain.to_owned()),
                },
                input: self.input.clone(),
            });
            assert_foretold(&preview, &received, result.is_ok());
        }
        (result, received)
    }
}

/// Method and path of each request, below the API's root and without the query.
pub(crate) fn lines(received: &[Received]) -> Vec<String> {
    received
        .iter()
        .map(|request| {
            let path = request.target.split('?').next().unwrap_or_default();
            format!("{} {}", request.method, path.replace(API, ""))
        })
        .collect()
}

pub(crate) fn statuses(failed: &Failed) -> Vec<Option<u16>> {
    failed.calls.iter().map(|call| call.status).collect()
}
