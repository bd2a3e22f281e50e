//! Accounts against a local stand-in for the table and for Secrets Manager.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise, in its helpers too"
)]

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use accounts::{Accounts, Config, Connected, Credential, Error, Moment, Vendors};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use domain::{AccountName, Vendor};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use vendor_http::test_support::{Server, Step};

/// What the services hold, and what they were asked.
#[derive(Debug, Default)]
struct Aws {
    row: Option<Value>,
    secret: Option<String>,
    calls: Vec<String>,
}

impl Aws {
    /// What `accounts put` leaves.
    fn put(&mut self, vendor: Vendor, instance: &str, token: &str, at: Timestamp) {
        let at = at.as_millisecond().to_string();
        self.row = Some(json!({
            "name": {"S": name()}, "vendor": {"S": vendor.as_str()}, "instance": {"S": instance},
            "kind": {"S": "bearer"}, "state": {"S": "connected"}, "secret": {"S": "closedloop/accounts/x"},
            "updated_at": {"N": at}, "used_at": {"N": at},
        }));
        self.secret = Some(json!({"kind": "bearer", "token": token}).to_string());
    }

    fn answer(&mut self, operation: &str) -> (StatusCode, Value) {
        self.calls.push(operation.to_owned());
        let answer = match operation {
            "GetItem" => self
                .row
                .as_ref()
                .map_or(json!({}), |row| json!({"Item": row})),
            "GetSecretValue" => json!({"Name": "x", "SecretString": self.secret}),
            "UpdateItem" => json!({}),
            other => panic!("{other} is not expected"),
        };
        (StatusCode::OK, answer)
    }
}

async fn serve(State(aws): State<Arc<Mutex<Aws>>>, headers: HeaderMap) -> (StatusCode, String) {
    let target = headers["x-amz-target"].to_str().unwrap();
    let operation = target.rsplit('.').next().unwrap();
    let (status, answer) = aws.lock().unwrap().answer(operation);
    (status, answer.to_string())
}

struct Fixture {
    aws: Arc<Mutex<Aws>>,
    accounts: Accounts,
    now: Timestamp,
}

impl Fixture {
    /// With the account at `first`, proven by the token `one`.
    async fn new() -> Self {
        Self::with(|_| None).await
    }

    /// With vendors where these variables say.
    async fn with(variables: impl Fn(&str) -> Option<String>) -> Self {
        let aws = Arc::new(Mutex::new(Aws::default()));
        let app = Router::new().fallback(serve).with_state(Arc::clone(&aws));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let config = aws::Config::at(&url).unwrap();
        let http = vendor_http::Client::new().unwrap();
        let vendors = Vendors::from_vars(http, variables).unwrap();
        let names = Config::from_vars(|name| Some(name.to_lowercase())).unwrap();
        let fixture = Self {
            aws,
            accounts: Accounts::new(&config, names, vendors, "test".to_owned()),
            now: "2026-11-21T12:00:00Z".parse().unwrap(),
        };
        fixture.put("first", "one");
        fixture
    }

    fn aws(&self) -> MutexGuard<'_, Aws> {
        self.aws.lock().unwrap()
    }

    fn put(&self, instance: &str, token: &str) {
        self.aws().put(Vendor::Zendesk, instance, token, self.now);
    }

    fn wait(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
        self.aws().calls.clear();
    }

    fn moment(&self) -> Moment {
        Moment::new(self.now, Duration::from_secs(30))
    }

    async fn connect(&self) -> Result<Arc<Connected>, Error> {
        self.accounts
            .connect(&name(), Vendor::Zendesk, &self.moment())
            .await
    }

    async fn reconnect(&self, refused: &Connected) -> Result<Option<Arc<Connected>>, Error> {
        self.accounts
            .reconnect(&name(), refused, &self.moment())
            .await
    }
}

fn name() -> AccountName {
    AccountName::parse("support").unwrap()
}

/// Instance and token.
fn seen(connected: &Connected) -> (&str, &str) {
    match &connected.credential {
        Credential::Bearer { token } => (&connected.account.instance, token.expose_secret()),
        other @ (Credential::Basic { .. } | Credential::ApiToken { .. } | Credential::Oauth(_)) => {
            panic!("{other:?}")
        }
    }
}

#[tokio::test]
async fn account_that_stays_the_same_costs_one_look_at_its_row_a_minute() {
    let mut fixture = Fixture::new().await;
    for (wait, asked) in [
        (0, vec!["GetItem", "GetSecretValue"]),
        (58, vec![]),
        (3, vec!["GetItem"]),
        (58, vec![]),
    ] {
        fixture.wait(wait);
        assert_eq!(seen(&fixture.connect().await.unwrap()), ("first", "one"));
        assert_eq!(fixture.aws().calls, asked, "after {wait} s more");
    }
}

#[tokio::test]
async fn changed_account_is_used_with_its_own_secret() {
    let mut fixture = Fixture::new().await;
    fixture.connect().await.unwrap();
    fixture.wait(61);
    fixture.put("second", "two");
    assert_eq!(seen(&fixture.connect().await.unwrap()), ("second", "two"));
    assert_eq!(fixture.aws().calls, ["GetItem", "GetSecretValue"]);
}

#[tokio::test]
async fn refused_account_is_read_again_as_a_whole() {
    for (instance, token) in [("second", "two"), ("second", "one"), ("first", "two")] {
        let mut fixture = Fixture::new().await;
        let refused = fixture.connect().await.unwrap();
        fixture.wait(1);
        fixture.put(instance, token);
        let changed = fixture.reconnect(&refused).await.unwrap().unwrap();
        assert_eq!(seen(&changed), (instance, token));
        assert_eq!(fixture.aws().calls, ["GetItem", "GetSecretValue"]);
        // The others of the batch, refused as well, and those that come later find it read.
        fixture.wait(1);
        let changed = fixture.reconnect(&refused).await.unwrap().unwrap();
        assert_eq!(seen(&changed), (instance, token));
        assert_eq!(seen(&fixture.connect().await.unwrap()), (instance, token));
        assert!(fixture.aws().calls.is_empty(), "{instance} {token}");
    }
}

#[tokio::test]
async fn secret_that_was_changed_without_the_row_is_found_after_a_refusal() {
    let fixture = Fixture::new().await;
    let refused = fixture.connect().await.unwrap();
    fixture.aws().secret = Some(r#"{"kind":"bearer","token":"two"}"#.to_owned());
    let changed = fixture.reconnect(&refused).await.unwrap().unwrap();
    assert_eq!(seen(&changed), ("first", "two"));
}

#[tokio::test]
async fn refused_account_that_is_unchanged_is_not_worth_another_try() {
    let fixture = Fixture::new().await;
    let refused = fixture.connect().await.unwrap();
    assert!(fixture.reconnect(&refused).await.unwrap().is_none());
}

#[tokio::test]
async fn refused_account_that_is_gone_or_of_another_vendor_is_not_used() {
    let fixture = Fixture::new().await;
    let refused = fixture.connect().await.unwrap();
    fixture
        .aws()
        .put(Vendor::ServiceNow, "second", "two", fixture.now);
    let error = fixture.reconnect(&refused).await.unwrap_err();
    assert!(matches!(error, Error::WrongVendor { .. }), "{error}");
    fixture.aws().row = None;
    let error = fixture.reconnect(&refused).await.unwrap_err();
    assert!(matches!(error, Error::Unknown(_)), "{error}");
}

#[tokio::test]
async fn teamviewers_word_on_a_token_is_believed_and_not_its_status() {
    for works in [true, false] {
        let ping = Step::json(200, json!({"token_valid": works}));
        let answers = [
            ping,
            Step::json(200, json!({"userid": "u1", "name": "Ann"})),
            Step::json(200, json!({"records": []})),
            Step::json(200, json!({"sessions": []})),
        ];
        let server = Server::start(answers).await.unwrap();
        let url = server.url();
        let fixture = Fixture::with(|name| (name == "TEAMVIEWER_URL").then(|| url.clone())).await;
        fixture
            .aws()
            .put(Vendor::TeamViewer, "acme", "one", fixture.now);
        let verified = fixture.accounts.verify(&name(), fixture.now).await.unwrap();
        assert_eq!(verified.works, works, "{verified:?}");
        assert_eq!(verified.problem.is_none(), works, "{verified:?}");
        assert_eq!(server.received().len(), if works { 4 } else { 1 });
        // Only an account that works is noted as verified.
        let calls = fixture.aws().calls.clone();
        assert_eq!(calls.iter().any(|call| call == "UpdateItem"), works);
    }
}

#[tokio::test]
async fn invitation_to_an_own_account_tells_whose_it_is() {
    let fixture = Fixture::new().await;
    let person = AccountName::of_person(Vendor::TeamViewer, "ann");
    let company = AccountName::parse("teamviewer-company").unwrap();
    let ends = (fixture.now + SignedDuration::from_mins(1)).as_millisecond();
    for (account, owner) in [(&person, Some("Ann")), (&company, None)] {
        {
            let mut aws = fixture.aws();
            aws.put(Vendor::TeamViewer, "acme", "one", fixture.now);
            // One row is the invitation and the account.
            let row = aws.row.as_mut().unwrap();
            row["name"] = json!({"S": account});
            row["account"] = json!({"S": account});
            row["owner"] = json!({"S": "Ann"});
            row["ends_at"] = json!({"N": ends.to_string()});
        }
        let ticket = "0123".into();
        let found = fixture.accounts.invited_person(&ticket, fixture.now).await;
        assert_eq!(found.unwrap().as_deref(), owner);
        let late = fixture.now + SignedDuration::from_mins(2);
        let late = fixture.accounts.invited_person(&ticket, late).await;
        let problem = late.unwrap_err().to_string();
        for way in [
            "closedloop teamviewer sign-in",
            "closedloop accounts connect",
        ] {
            assert!(problem.contains(way), "{problem}");
        }
    }
}
