//! Accounts that people connect themselves: the way to the vendor and back, tokens that are renewed, and what happens when
//! the vendor no longer renews them. Functions that race are played by several `Accounts` on the real tables.

use std::time::Duration;

use accounts::{Accounts, Connect, Connected, Credential, Error, Moment, NewAccount, OauthClient};
use domain::{Account, AccountKind, AccountName, AccountState, RunState, TaskState, Vendor};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use sandbox::{Action, Fault, InstanceControl, Match};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use store::{Lease, Renamed};
use vendor_http::Url;

use crate::scene::{LONG, Scene, assert_state, eventually};

const CLIENT: &str = "closedloop";
const CLIENT_SECRET: &str = "client-secret";
const USER: &str = "person@example.com";

fn client() -> OauthClient {
    OauthClient {
        id: CLIENT.to_owned(),
        secret: Some(CLIENT_SECRET.into()),
    }
}

fn moment(now: Timestamp) -> Moment {
    Moment::new(now, Duration::from_secs(30))
}

/// A vendor with an OAuth client of ours.
async fn oauth_vendor(scene: &Scene, vendor: Vendor) -> &InstanceControl {
    let redirect = scene.stack.output("RedirectUrl");
    let grants = ["authorization_code", "refresh_token", "client_credentials"];
    let client = json!({
        "client_id": CLIENT, "client_secret": CLIENT_SECRET, "redirect_uris": [redirect], "username": USER, "grants": grants,
    });
    let user = json!({"username": USER, "password": "unused"});
    match vendor {
        Vendor::ServiceNow => {
            let config =
                json!({"users": [user], "oauth_clients": [client], "client_credentials": true});
            scene.servicenow.create(&config).await.unwrap();
            &scene.servicenow
        }
        Vendor::Zendesk => {
            let config = json!({"users": [user], "oauth_clients": [client]});
            scene.zendesk.create(&config).await.unwrap();
            &scene.zendesk
        }
        Vendor::Qualtrics | Vendor::TeamViewer => panic!("its accounts have tests of their own"),
    }
}

/// A browser: keeps cookies, and does not follow by itself.
pub(crate) struct Browser {
    http: reqwest::Client,
    cookies: Vec<String>,
}

pub(crate) struct Shown {
    pub(crate) status: u16,
    location: Option<String>,
    pub(crate) text: String,
}

impl Browser {
    pub(crate) fn new() -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        Self {
            http: http.build().unwrap(),
            cookies: Vec::new(),
        }
    }

    /// Opens an address of the stack, or of a vendor.
    pub(crate) async fn open(&mut self, address: &str) -> Shown {
        let request = self
            .http
            .get(address)
            .header("accept", "text/html")
            .header("cookie", self.cookies.join("; "));
        let response = request.send().await.unwrap();
        for cookie in response.headers().get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            if cookie.starts_with("__Host-asked-") {
                self.cookies
                    .push(cookie.split(';').next().unwrap().to_owned());
            }
            if !cookie.starts_with("__Host-connect-") {
                continue;
            }
            for rule in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
                assert!(cookie.contains(rule), "{cookie}");
            }
            self.cookies
                .push(cookie.split(';').next().unwrap().to_owned());
        }
        Shown {
            status: response.status().as_u16(),
            location: response
                .headers()
                .get("location")
                .map(|value| value.to_str().unwrap().to_owned()),
            text: response.text().await.unwrap(),
        }
    }

    /// From the invitation to the vendor, who sends the browser back to the address that this gives.
    async fn agree(&mut self, connect: &Connect) -> String {
        let mut start = self.open(&connect.url).await;
        // Somebody's own sign-in: the page says whose.
        if start.text.contains("agreed=yes") {
            start = self.open(&format!("{}&agreed=yes", connect.url)).await;
        }
        assert_eq!(start.status, 302, "{}", start.text);
        let vendor = start.location.unwrap();
        let back = self.open(&vendor).await;
        assert_eq!(back.status, 302, "{}", back.text);
        back.location.unwrap()
    }

    pub(crate) async fn connect(&mut self, connect: &Connect) -> Shown {
        let back = self.agree(connect).await;
        self.open(&back).await
    }
}

async fn invite(scene: &Scene, vendor: Vendor) -> Connect {
    let accounts = scene.stack.accounts();
    let random = startup::random().unwrap();
    accounts
        .begin_connect(
            scene.new_account(vendor),
            Some(client()),
            false,
            random,
            Timestamp::now(),
        )
        .await
        .unwrap()
}

/// An OAuth account of the scene, connected as a person does it.
async fn connected(test: &str, vendor: Vendor) -> Scene {
    let scene = Scene::new(test).await;
    oauth_vendor(&scene, vendor).await;
    let connect = invite(&scene, vendor).await;
    let shown = Browser::new().connect(&connect).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    scene
}

async fn account(scene: &Scene, vendor: Vendor) -> Account {
    let accounts = scene.stack.accounts();
    accounts.get(&scene.account(vendor)).await.unwrap()
}

fn access(connected: &Connected) -> String {
    let Credential::Oauth(oauth) = &connected.credential else {
        panic!("{connected:?}")
    };
    oauth
        .issued
        .as_ref()
        .unwrap()
        .access
        .expose_secret()
        .to_owned()
}

/// The next request for tokens meets this.
async fn strike_token_endpoint(scene: &Scene, action: Action) {
    let requests = Match {
        path_contains: Some("/oauth/tokens".to_owned()),
        ..Match::method("POST")
    };
    let fault = Fault::new(action).on(requests);
    scene.zendesk.add_faults(&[fault]).await.unwrap();
}

async fn refreshes(vendor: &InstanceControl) -> (u64, u64) {
    let counts = vendor.token_requests().await.unwrap();
    let count = counts.get("refresh_token").copied().unwrap_or_default();
    (count.succeeded, count.refused)
}

#[tokio::test]
async fn account_is_connected_in_the_browser_and_then_used() {
    for vendor in [Vendor::Zendesk, Vendor::ServiceNow] {
        let scene = Scene::new("browser").await;
        let control = oauth_vendor(&scene, vendor).await;
        let connect = invite(&scene, vendor).await;
        assert_eq!(connect.redirect_uri, scene.stack.output("RedirectUrl"));
        let waiting = account(&scene, vendor).await;
        assert_eq!(waiting.state, AccountState::Connecting);
        let mut browser = Browser::new();
        let start = browser.open(&connect.url).await;
        let location = Url::parse(&start.location.unwrap()).unwrap();
        // To the account's own vendor, with everything that protects the way back.
        assert!(location.as_str().starts_with(control.url()), "{location}");
        let query: Vec<String> = location
            .query_pairs()
            .map(|(name, _)| name.into_owned())
            .collect();
        for name in ["state", "code_challenge", "code_challenge_method"] {
            assert!(query.contains(&name.to_owned()), "{query:?}");
        }
        let back = browser.open(location.as_str()).await;
        let shown = browser.open(&back.location.unwrap()).await;
        assert_eq!(shown.status, 200, "{}", shown.text);
        assert!(shown.text.contains("is connected"), "{}", shown.text);
        let account = account(&scene, vendor).await;
        assert_eq!(account.state, AccountState::Connected);
        assert_eq!(account.kind, AccountKind::OauthAuthorizationCode);
        assert!(account.verified_at.is_some(), "{account:?}");
        // No word of a token where it does not belong.
        let tokens = access(
            &scene
                .stack
                .accounts()
                .connect(&account.name, vendor, &moment(Timestamp::now()))
                .await
                .unwrap(),
        );
        assert!(!shown.text.contains(&tokens));
        let tasks = match vendor {
            Vendor::Zendesk => Scene::ticket_only(),
            Vendor::ServiceNow => Scene::incident_only(),
            Vendor::Qualtrics | Vendor::TeamViewer => panic!("tasks work in the other two"),
        };
        let workflow = scene.apply("w", None, tasks).await;
        let (run, tasks) = scene
            .send_and_end(&json!({"id": "1", "text": "hello"}), &workflow)
            .await;
        assert_eq!(run.state, RunState::Succeeded, "{tasks:#?}");
        let account = self::account(&scene, vendor).await;
        assert!(account.used_at.is_some(), "{account:?}");
        // The invitation is used up.
        let again = Browser::new().open(&connect.url).await;
        assert_eq!(again.status, 404, "{}", again.text);
    }
}

#[tokio::test]
async fn answer_that_comes_twice_or_from_elsewhere_connects_nothing() {
    let scene = Scene::new("callback").await;
    let control = oauth_vendor(&scene, Vendor::Zendesk).await;
    let connect = invite(&scene, Vendor::Zendesk).await;
    let mut owner = Browser::new();
    let back = owner.agree(&connect).await;
    let mut late = Browser::new();
    let late_back = late.agree(&connect).await;
    // Somebody else is made to open the owner's answer, with and without having begun something of their own.
    let mut other = Browser::new();
    assert_eq!(other.open(&back).await.status, 403);
    other.open(&connect.url).await;
    // Not even with a cookie of the right name.
    let cookie = owner.cookies[0].split_once('=').unwrap().0.to_owned();
    other.cookies.push(format!("{cookie}={}", "0".repeat(64)));
    let stolen = other.open(&back).await;
    assert_eq!(stolen.status, 403, "{}", stolen.text);
    // An answer that nobody waits for.
    let made_up = back.replace("state=", "state=0");
    assert!([400, 403].contains(&owner.open(&made_up).await.status));
    assert_eq!(
        account(&scene, Vendor::Zendesk).await.state,
        AccountState::Connecting
    );
    // The owner is not disturbed by all that; the second time there is nothing left to take.
    let shown = owner.open(&back).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    // Another one who began with the same invitation comes too late.
    let late = late.open(&late_back).await;
    assert_eq!(late.status, 404, "{}", late.text);
    let replayed = owner.open(&back).await;
    assert_eq!(replayed.status, 400, "{}", replayed.text);
    let counts = control.token_requests().await.unwrap();
    // The code of the one who was late is left to itself.
    assert_eq!(counts["authorization_code"].succeeded, 1);
    assert_eq!(counts["authorization_code"].refused, 0);
    // Saying no at the vendor's leaves what works alone.
    control.deny(true).await.unwrap();
    let connect = invite(&scene, Vendor::Zendesk).await;
    let denied = Browser::new().connect(&connect).await;
    assert_eq!(denied.status, 400, "{}", denied.text);
    assert!(denied.text.contains("access_denied"), "{}", denied.text);
    assert_eq!(
        account(&scene, Vendor::Zendesk).await.state,
        AccountState::Connected
    );
    for incomplete in ["/connect/start", "/connect/callback?state=x"] {
        let address = format!("{}{incomplete}", scene.stack.output("PublicUrl"));
        assert_eq!(owner.open(&address).await.status, 400, "{incomplete}");
    }
}

#[tokio::test]
async fn ten_functions_renew_rotating_tokens_with_one_call() {
    let scene = connected("ten", Vendor::Zendesk).await;
    let name = scene.account(Vendor::Zendesk);
    let later = SignedDuration::from_hours(2);
    scene
        .zendesk
        .advance_clock(Duration::from_hours(2))
        .await
        .unwrap();
    let functions: Vec<Accounts> = (0..10).map(|_| scene.stack.accounts()).collect();
    let ready = functions.iter().map(async |accounts| {
        let mut put_off = 0;
        loop {
            match accounts
                .connect(&name, Vendor::Zendesk, &moment(Timestamp::now() + later))
                .await
            {
                Ok(connected) => return (access(&connected), put_off),
                // The queue brings such a task again in some seconds.
                Err(Error::Refreshing { .. }) => put_off += 1,
                Err(other) => panic!("{other}"),
            }
            assert!(put_off < 200, "nobody renews");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let ready = join_all(ready).await;
    assert_eq!(refreshes(&scene.zendesk).await, (1, 0), "{ready:?}");
    assert!(
        ready.iter().all(|(token, _)| *token == ready[0].0),
        "{ready:?}"
    );
    // A warm function asks nobody.
    let connected = functions[3]
        .connect(&name, Vendor::Zendesk, &moment(Timestamp::now() + later))
        .await;
    assert_eq!(access(&connected.unwrap()), ready[0].0);
    assert_eq!(refreshes(&scene.zendesk).await, (1, 0));
    // The new refresh token was stored: the next renewal works, from a function that has seen none of this.
    let later = SignedDuration::from_hours(4);
    scene
        .zendesk
        .advance_clock(Duration::from_hours(2))
        .await
        .unwrap();
    let next = scene.stack.accounts();
    next.connect(&name, Vendor::Zendesk, &moment(Timestamp::now() + later))
        .await
        .unwrap();
    assert_eq!(refreshes(&scene.zendesk).await, (2, 0));
}

#[tokio::test]
async fn token_that_ends_in_mid_run_is_renewed_and_the_task_done() {
    for vendor in [Vendor::Zendesk, Vendor::ServiceNow] {
        let scene = connected("expiry", vendor).await;
        let (control, tasks) = match vendor {
            Vendor::Zendesk => (&scene.zendesk, Scene::ticket_only()),
            Vendor::ServiceNow => (&scene.servicenow, Scene::incident_only()),
            Vendor::Qualtrics | Vendor::TeamViewer => panic!("tasks work in the other two"),
        };
        let workflow = scene.apply("w", None, tasks).await;
        let (run, _) = scene
            .send_and_end(&json!({"id": "1", "text": "a"}), &workflow)
            .await;
        assert_eq!(run.state, RunState::Succeeded);
        control.expire_tokens().await.unwrap();
        let (run, tasks) = scene
            .send_and_end(&json!({"id": "2", "text": "b"}), &workflow)
            .await;
        assert_eq!(run.state, RunState::Succeeded, "{tasks:#?}");
        let task = tasks.values().next().unwrap();
        assert_eq!(task.attempts.len(), 1, "{task:#?}");
        assert_eq!(task.attempts[0].calls[0].status, Some(401));
        assert_eq!(refreshes(control).await, (1, 0));
    }
}

#[tokio::test]
async fn lost_grant_is_told_and_tasks_go_on_after_reconnecting() {
    let scene = connected("revoked", Vendor::Zendesk).await;
    let name = scene.account(Vendor::Zendesk);
    let workflow = scene.apply("w", None, Scene::ticket_only()).await;
    // Telling somebody is a workflow like any other.
    let tell = scene
        .apply_on(
            "tell",
            json!({"event": {"type": "account.reconnect", "subject": name}}),
            None,
            json!([{"id": "incident", "kind": "servicenow.create_record", "account": "$servicenow", "input": {
                "table": "incident", "short_description": "{{ event.data.account }} is lost: {{ event.data.problem }}"}}]),
        )
        .await;
    scene.zendesk.revoke_grants().await.unwrap();
    scene.zendesk.expire_tokens().await.unwrap();
    let key = scene.send(&json!({"id": "1", "text": "waits"})).await;
    let run = scene.run(&key, &workflow).await;
    let (_, tasks) = scene
        .when(&run, "the task waits", |_, tasks| {
            tasks["ticket"].state == TaskState::Retrying
        })
        .await;
    let reason = tasks["ticket"].reason.clone().unwrap();
    assert!(
        reason.contains("reconnect") && reason.contains(name.as_str()),
        "{reason}"
    );
    let lost = account(&scene, Vendor::Zendesk).await;
    assert_eq!(lost.state, AccountState::Reconnect);
    assert!(lost.problem.unwrap().contains("invalid_grant"));
    let told = eventually("somebody is told", LONG, async || {
        let incidents = scene.incidents().await;
        incidents.first().cloned()
    })
    .await;
    let words = told["short_description"].as_str().unwrap();
    assert!(
        words.contains(name.as_str()) && words.contains("is lost"),
        "{words}"
    );
    // Nobody goes on asking the vendor meanwhile.
    let asked = refreshes(&scene.zendesk).await;
    let other = scene.stack.accounts();
    let error = other
        .connect(&name, Vendor::Zendesk, &moment(Timestamp::now()))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Reconnect { .. }), "{error}");
    let found = other.verify(&name, Timestamp::now()).await.unwrap();
    assert!(!found.works && found.problem.unwrap().contains("reconnect"));
    assert_eq!(refreshes(&scene.zendesk).await, asked);
    // Without the client's secret: the account knows it.
    let connect = scene
        .stack
        .accounts()
        .begin_connect(
            scene.new_account(Vendor::Zendesk),
            None,
            false,
            startup::random().unwrap(),
            Timestamp::now(),
        )
        .await
        .unwrap();
    let shown = Browser::new().connect(&connect).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    let (run, tasks) = scene.ended(&run).await;
    assert_eq!(run.state, RunState::Succeeded, "{tasks:#?}");
    assert_eq!(scene.tickets().await.len(), 1);
    assert_eq!(scene.incidents().await.len(), 1, "told once: {tell}");
}

#[tokio::test]
async fn renewal_whose_answer_is_lost_ends_in_reconnect_and_not_in_a_loop() {
    let scene = connected("lost-answer", Vendor::Zendesk).await;
    let name = scene.account(Vendor::Zendesk);
    let now = Timestamp::now() + SignedDuration::from_hours(2);
    scene
        .zendesk
        .advance_clock(Duration::from_hours(2))
        .await
        .unwrap();
    strike_token_endpoint(&scene, Action::LoseAnswer).await;
    let first = scene.stack.accounts();
    let error = first
        .connect(&name, Vendor::Zendesk, &moment(now))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Renewal { .. }), "{error}");
    assert_eq!(
        account(&scene, Vendor::Zendesk).await.state,
        AccountState::Connected
    );
    let second = scene.stack.accounts();
    let error = second
        .connect(&name, Vendor::Zendesk, &moment(now))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Reconnect { .. }), "{error}");
    let asked = refreshes(&scene.zendesk).await;
    first
        .connect(&name, Vendor::Zendesk, &moment(now))
        .await
        .unwrap_err();
    assert_eq!(refreshes(&scene.zendesk).await, asked);
}

#[tokio::test]
async fn renewal_is_stored_although_its_attempt_is_broken_off() {
    let scene = connected("broken-off", Vendor::Zendesk).await;
    let name = scene.account(Vendor::Zendesk);
    let now = Timestamp::now() + SignedDuration::from_hours(2);
    scene
        .zendesk
        .advance_clock(Duration::from_hours(2))
        .await
        .unwrap();
    strike_token_endpoint(&scene, Action::Delay { ms: 1_500 }).await;
    let accounts = scene.stack.accounts();
    let at = moment(now);
    let attempt = accounts.connect(&name, Vendor::Zendesk, &at);
    assert!(
        tokio::time::timeout(Duration::from_millis(700), attempt)
            .await
            .is_err()
    );
    let token = eventually("the renewal is stored", LONG, async || {
        let other = scene.stack.accounts();
        other
            .connect(&name, Vendor::Zendesk, &moment(now))
            .await
            .ok()
    })
    .await;
    assert_eq!(refreshes(&scene.zendesk).await, (1, 0));
    let again = accounts
        .connect(&name, Vendor::Zendesk, &moment(now))
        .await
        .unwrap();
    assert_eq!(access(&again), access(&token));
}

#[tokio::test]
async fn what_is_put_while_tokens_are_renewed_is_not_overwritten() {
    let scene = connected("put-renew", Vendor::Zendesk).await;
    let name = scene.account(Vendor::Zendesk);
    let now = Timestamp::now() + SignedDuration::from_hours(2);
    scene
        .zendesk
        .advance_clock(Duration::from_hours(2))
        .await
        .unwrap();
    strike_token_endpoint(&scene, Action::Delay { ms: 1_500 }).await;
    let renewing = scene.stack.accounts();
    let at = moment(now);
    let renewal = renewing.connect(&name, Vendor::Zendesk, &at);
    let put = async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        let credential = Credential::Bearer {
            token: "put meanwhile".into(),
        };
        let accounts = scene.stack.accounts();
        let mut tries = 0;
        loop {
            match accounts
                .put(scene.new_account(Vendor::Zendesk), &credential, now)
                .await
            {
                Ok(_) => return tries,
                Err(Error::Busy(_)) => tries += 1,
                Err(other) => panic!("{other}"),
            }
            assert!(tries < 100, "the right to put never comes");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let (renewed, tries) = futures_util::future::join(renewal, put).await;
    renewed.unwrap();
    assert!(tries > 0, "the two did not meet");
    let stored = scene.stack.accounts();
    let stored = stored
        .connect(&name, Vendor::Zendesk, &moment(now))
        .await
        .unwrap();
    assert!(
        matches!(&stored.credential, Credential::Bearer { token } if token.expose_secret() == "put meanwhile"),
        "{stored:?}"
    );
}

#[tokio::test]
async fn client_credentials_need_no_person() {
    for vendor in [Vendor::Zendesk, Vendor::ServiceNow] {
        let scene = Scene::new("client").await;
        let control = oauth_vendor(&scene, vendor).await;
        let accounts = scene.stack.accounts();
        let credential = Credential::client_credentials(client(), None);
        accounts
            .put(scene.new_account(vendor), &credential, Timestamp::now())
            .await
            .unwrap();
        let found = accounts
            .verify(&scene.account(vendor), Timestamp::now())
            .await
            .unwrap();
        assert!(found.works, "{found:?}");
        control.expire_tokens().await.unwrap();
        let tasks = match vendor {
            Vendor::Zendesk => Scene::ticket_only(),
            Vendor::ServiceNow => Scene::incident_only(),
            Vendor::Qualtrics | Vendor::TeamViewer => panic!("tasks work in the other two"),
        };
        let workflow = scene.apply("w", None, tasks).await;
        let (run, tasks) = scene
            .send_and_end(&json!({"id": "1", "text": "x"}), &workflow)
            .await;
        assert_eq!(run.state, RunState::Succeeded, "{tasks:#?}");
        let counts = control.token_requests().await.unwrap();
        assert_eq!(counts["client_credentials"].succeeded, 2, "{counts:?}");
    }
}

#[tokio::test]
async fn verifying_tells_what_is_wrong() {
    let scene = Scene::new("verify").await;
    let accounts = scene.stack.accounts();
    let now = Timestamp::now();
    for vendor in [Vendor::Zendesk, Vendor::ServiceNow] {
        let found = accounts.verify(&scene.account(vendor), now).await.unwrap();
        assert!(found.works && !found.checks.is_empty(), "{found:?}");
        assert!(account(&scene, vendor).await.verified_at.is_some());
    }
    let basic = |password: &str| Credential::Basic {
        username: "api".to_owned(),
        password: password.to_owned().into(),
    };
    // Zendesk answers 200 "Anonymous user" to a wrong password.
    for (vendor, words) in [(Vendor::Zendesk, "nonymous"), (Vendor::ServiceNow, "401")] {
        accounts
            .put(scene.new_account(vendor), &basic("wrong"), now)
            .await
            .unwrap();
        let found = accounts.verify(&scene.account(vendor), now).await.unwrap();
        assert!(!found.works && found.checks.is_empty(), "{found:?}");
        let problem = found.problem.unwrap();
        assert!(problem.contains(words), "{problem}");
        assert!(!problem.contains("wrong"), "{problem}");
        assert!(account(&scene, vendor).await.verified_at.is_none());
    }
    for vendor in [Vendor::Zendesk, Vendor::ServiceNow] {
        let elsewhere = NewAccount {
            instance: format!("nobody-{}", scene.id),
            ..scene.new_account(vendor)
        };
        accounts.put(elsewhere, &basic("wrong"), now).await.unwrap();
        let found = accounts.verify(&scene.account(vendor), now).await.unwrap();
        assert!(!found.works, "{found:?}");
        let problem = found.problem.unwrap();
        assert!(
            problem.contains("no Zendesk account") || vendor == Vendor::ServiceNow,
            "{problem}"
        );
    }
    let error = accounts
        .put(
            NewAccount {
                instance: "a.b".to_owned(),
                ..scene.new_account(Vendor::Zendesk)
            },
            &basic("x"),
            now,
        )
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Instance(_)), "{error}");
}

#[tokio::test]
async fn renamed_account_goes_on_under_both_names() {
    let scene = Scene::new("rename").await;
    let accounts = scene.stack.accounts();
    let old = scene.account(Vendor::Zendesk);
    let new = AccountName::parse(&format!("{}-new", scene.id)).unwrap();
    let workflow = scene.apply("w", None, Scene::ticket_only()).await;
    let renamed = accounts.rename(&old, &new, Timestamp::now()).await.unwrap();
    assert_eq!(
        (renamed.account.name, renamed.old_names),
        (new.clone(), vec![old.clone()])
    );
    let (run, tasks) = scene
        .send_and_end(&json!({"id": "1", "text": "x"}), &workflow)
        .await;
    assert_eq!(run.state, RunState::Succeeded, "{tasks:#?}");
    assert_state(&tasks["ticket"], TaskState::Succeeded);
    // The old name is taken: another account may not slip in under it.
    let other = scene.account(Vendor::ServiceNow);
    let error = accounts
        .rename(&other, &old, Timestamp::now())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Taken(_)), "{error}");
    accounts.delete(&new, Timestamp::now()).await.unwrap();
    for name in [&old, &new] {
        let error = accounts.get(name).await.unwrap_err();
        assert!(matches!(error, Error::Unknown(_)), "{error}");
    }
    // A deleted account's name is free again, at once.
    scene
        .put_account(Vendor::Zendesk, crate::scene::ZENDESK_TOKEN)
        .await;
    assert_eq!(accounts.get(&old).await.unwrap().name, old);
}

#[tokio::test]
async fn one_function_at_a_time_may_renew() {
    let scene = Scene::new("lease").await;
    let rows = store::Accounts::new(scene.stack.dynamodb(), scene.stack.output("AccountsTable"));
    let account = account(&scene, Vendor::Zendesk).await;
    let now = Timestamp::now();
    let until = now + SignedDuration::from_secs(45);
    let begin = async |owner: &str, now| {
        rows.begin_refresh(&account, owner, now, until)
            .await
            .unwrap()
    };
    assert_eq!(begin("one", now).await, Lease::Granted);
    let held = Timestamp::from_millisecond(until.as_millisecond()).unwrap();
    assert_eq!(begin("two", now).await, Lease::Held { until: held });
    let name = AccountName::parse(&format!("{}-other", scene.id)).unwrap();
    assert_eq!(
        rows.rename(&account, &name, now).await.unwrap(),
        Renamed::Busy
    );
    rows.end_refresh(&account.name, "two").await.unwrap();
    assert_eq!(begin("two", now).await, Lease::Held { until: held });
    // Whoever died with it holds nobody up for long.
    let after = until + SignedDuration::from_secs(1);
    let again = after + SignedDuration::from_secs(45);
    assert_eq!(
        rows.begin_refresh(&account, "two", after, again)
            .await
            .unwrap(),
        Lease::Granted
    );
    rows.end_refresh(&account.name, "two").await.unwrap();
    assert_eq!(
        rows.rename(&account, &name, now).await.unwrap(),
        Renamed::Done
    );
    assert_eq!(begin("three", now).await, Lease::Changed);
    let state: Value = json!(rows.get(&account.name).await.unwrap().unwrap().state);
    assert_eq!(state, "connected");
}
