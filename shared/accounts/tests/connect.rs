//! Accounts against a local stand-in for the table and for Secrets Manager.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise, in its helpers too"
)]

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use accounts::{
    Accounts, Answer, Completed, Config, Connected, Credential, Error, Moment, NotCompleted,
    Vendors,
};
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
    /// What is refused.
    refused: Vec<&'static str>,
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
        if self.refused.contains(&operation) {
            let refusal = json!({"__type": "ConditionalCheckFailedException"});
            return (StatusCode::BAD_REQUEST, refusal);
        }
        let answer = match operation {
            "GetItem" => self
                .row
                .as_ref()
                .map_or(json!({}), |row| json!({"Item": row})),
            "GetSecretValue" => json!({"Name": "x", "SecretString": self.secret}),
            "UpdateItem" | "DeleteSecret" => json!({}),
            "PutEvents" => json!({"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}),
            "PutSecretValue" => json!({"ARN": "x", "Name": "x", "VersionId": "1"}),
            "DeleteItem" => json!({ "Attributes": self.row }),
            "Scan" => json!({"Items": []}),
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

/// An account of TeamViewer that a person agreed to; its token ends at `end`. Its row is also the row of an invitation like it and of
/// the way to the vendor.
async fn agreed(end: &str, like: bool, steps: Vec<Step>) -> (Fixture, Server) {
    let server = Server::start(steps).await.unwrap();
    let url = server.url();
    let fixture = Fixture::with(|name| match name {
        "TEAMVIEWER_URL" => Some(url.clone()),
        _ => None,
    })
    .await;
    {
        let mut aws = fixture.aws();
        aws.put(Vendor::TeamViewer, "acme", "", fixture.now);
        let ends = (fixture.now + SignedDuration::from_mins(1)).as_millisecond();
        let row = aws.row.as_mut().unwrap();
        row["kind"] = json!({"S": "oauth_authorization_code"});
        row["account"] = json!({"S": name()});
        row["browser"] = json!({"S": "hash"});
        row["client_id"] = json!({"S": "desk"});
        row["invitation"] = json!({"S": "hash"});
        row["ends_at"] = json!({"N": ends.to_string()});
        if like {
            row["like"] = json!({"S": name()});
        }
        let secret = json!({
            "kind": "oauth_authorization_code", "client_id": "desk", "client_secret": "hush",
            "issued": {"access_token": "old", "refresh_token": "older", "at": "2026-11-20T12:00:00Z", "expires_at": end},
        });
        aws.secret = Some(secret.to_string());
    }
    (fixture, server)
}

const TOMORROW: &str = "2026-11-22T12:00:00Z";

fn tokens() -> Step {
    Step::json(
        200,
        json!({"access_token": "new", "refresh_token": "newer", "expires_in": 86_400}),
    )
}

fn member_of(company: &str) -> Step {
    Step::json(
        200,
        json!({"userid": "u1", "name": "Ann", "company_name": company}),
    )
}

async fn complete(fixture: &Fixture) -> Result<Completed, NotCompleted> {
    let code = Answer::Code("c0de".into());
    let accounts = &fixture.accounts;
    accounts
        .complete(&"state".into(), Some(&"browser".into()), code, fixture.now)
        .await
}

fn count(fixture: &Fixture, operation: &str) -> usize {
    fixture
        .aws()
        .calls
        .iter()
        .filter(|call| *call == operation)
        .count()
}

#[tokio::test]
async fn sign_in_with_an_account_of_another_company_is_refused_and_ended() {
    let steps = vec![
        tokens(),
        member_of("Acme"),
        member_of("Home"),
        Step::json(204, ""),
    ];
    let (fixture, server) = agreed(TOMORROW, true, steps).await;
    let error = complete(&fixture).await.unwrap_err();
    assert!(matches!(error, NotCompleted::OtherCompany), "{error}");
    assert_eq!(count(&fixture, "PutSecretValue"), 0);
    // The way to the vendor is used up, and not the invitation.
    assert_eq!(count(&fixture, "DeleteItem"), 1);
    let received = server.received();
    assert_eq!(received[3].target, "/api/v1/oauth2/revoke");
    assert_eq!(received[3].header("authorization"), "Bearer new");
}

#[tokio::test]
async fn sign_in_is_taken_when_the_company_is_the_same_or_not_known() {
    let unknown = || Step::json(403, json!({"error": "invalid_permission"}));
    for (like, answers) in [
        (true, vec![member_of("Acme"), member_of("Acme")]),
        (true, vec![unknown(), unknown()]),
        (false, vec![]),
    ] {
        let steps = std::iter::once(tokens()).chain(answers).collect();
        let (fixture, _server) = agreed(TOMORROW, like, steps).await;
        complete(&fixture).await.unwrap();
        assert_eq!(count(&fixture, "PutSecretValue"), 1);
        assert_eq!(count(&fixture, "DeleteItem"), 2);
    }
}

#[tokio::test]
async fn address_is_used_up_only_once_the_account_can_be_changed() {
    // Its tokens are being renewed: nothing is asked of the vendor.
    let (fixture, server) = agreed(TOMORROW, false, vec![tokens()]).await;
    fixture.aws().refused = vec!["UpdateItem"];
    let error = complete(&fixture).await.unwrap_err();
    assert!(matches!(error, NotCompleted::Trouble(_)), "{error}");
    assert!(server.received().is_empty());
    assert_eq!(count(&fixture, "DeleteItem"), 1);
    // Secrets Manager refuses, after the code was used.
    let (fixture, _server) = agreed(TOMORROW, false, vec![tokens()]).await;
    fixture.aws().refused = vec!["PutSecretValue"];
    let error = complete(&fixture).await.unwrap_err();
    assert!(error.to_string().contains("another address"), "{error}");
}

#[tokio::test]
async fn deleted_account_is_ended_at_the_vendor_and_goes_whatever_that_says() {
    for answer in [Step::json(204, ""), Step::json(500, "{}"), Step::Lose] {
        let (fixture, server) = agreed(TOMORROW, false, vec![answer]).await;
        fixture.accounts.delete(&name(), fixture.now).await.unwrap();
        let received = server.received();
        assert_eq!(received[0].target, "/api/v1/oauth2/revoke");
        assert_eq!(received[0].header("authorization"), "Bearer old");
        for gone in ["DeleteSecret", "DeleteItem"] {
            assert_eq!(count(&fixture, gone), 1, "{gone}");
        }
    }
}

#[tokio::test]
async fn who_signs_out_needs_no_list_of_accounts() {
    let (fixture, server) = agreed(TOMORROW, false, vec![Step::json(204, "")]).await;
    fixture
        .accounts
        .sign_out(&name(), fixture.now)
        .await
        .unwrap();
    assert_eq!(server.received()[0].target, "/api/v1/oauth2/revoke");
    assert_eq!(
        (count(&fixture, "Scan"), count(&fixture, "DeleteItem")),
        (0, 1)
    );
}

#[tokio::test]
async fn account_whose_client_is_refused_waits_and_is_not_lost() {
    let refused = Step::json(401, json!({"error": "invalid_client"}));
    let (fixture, _server) = agreed("2026-11-21T11:00:00Z", false, vec![refused]).await;
    let moment = fixture.moment();
    let accounts = &fixture.accounts;
    let connected = accounts.connect(&name(), Vendor::TeamViewer, &moment).await;
    let error = connected.unwrap_err();
    assert!(matches!(error, Error::Renewal { .. }), "{error}");
    let waits = matches!(error.disposition(), retry::Disposition::Wait { .. });
    assert!(
        waits && error.to_string().contains("administrator"),
        "{error}"
    );
    // Nobody is told that it is lost.
    assert_eq!(count(&fixture, "PutEvents"), 0);
}
