//! A survey response is notified, and its answers are fetched.

use accounts::{Credential, OauthClient};
use aws::dynamodb::AttributeValue;
use domain::{EventKey, Vendor};
use jiff::Timestamp;
use sandbox::{Action, Fault, InstanceControl, Match, RecordedRequest};
use serde_json::{Value, json};

use crate::command_line::{closedloop, closedloop_with};
use crate::scene::{LONG, SECRET, Scene, eventually};

const TOKEN: &str = "qualtrics-token";
const USER: &str = "ann@example.com#acme";

/// A survey with one response, an endpoint for its subscription, and an account to fetch with.
struct Survey {
    scene: Scene,
    qualtrics: InstanceControl,
    endpoint: String,
    id: String,
}

fn token(token: &str) -> Credential {
    Credential::ApiToken {
        email: None,
        token: token.to_owned().into(),
    }
}

impl Survey {
    async fn new(test: &str, credential: Credential, late: u32) -> Self {
        let scene = Scene::new(test).await;
        let qualtrics = scene.stack.vendors.qualtrics(&scene.id);
        let survey = Self {
            endpoint: format!("{}-survey", scene.id),
            id: format!("SV_{}", scene.id.replace('-', "")),
            qualtrics,
            scene,
        };
        let config = json!({
            "brand": "acme",
            "api_tokens": [{"username": USER, "token": TOKEN}],
            "oauth_clients": [{
                "client_id": "loop", "client_secret": "loop-secret", "grants": ["client_credentials"], "username": USER
            }],
            "surveys": [{"id": survey.id, "name": "Trial", "questions": {
                "QID3": {"questionText": "<b>Why</b> so &amp; so?", "questionName": "Q3"}
            }}],
            "responses": [{
                "id": "R_1", "survey": survey.id, "values": {"QID3_TEXT": "Too slow"}, "displayed_fields": ["QID3_TEXT"],
                "late": late
            }]
        });
        survey.qualtrics.create(&config).await.unwrap();
        survey.put(credential).await;
        let scene = &survey.scene;
        scene
            .put_endpoint(json!({
                "name": survey.endpoint, "kind": "qualtrics", "verification": {"scheme": "bearer"},
                "account": scene.account(Vendor::Qualtrics)
            }))
            .await;
        scene.put_endpoint_secret(&survey.endpoint, SECRET).await;
        survey
            .ticket_on(
                "qualtrics.response.completed",
                "{{ event.data.questions.QID3.text }} {{ event.data.values.QID3_TEXT }}",
            )
            .await;
        survey
    }

    async fn put(&self, credential: Credential) {
        let accounts = self.scene.stack.accounts();
        let new = self.scene.new_account(Vendor::Qualtrics);
        accounts
            .put(new, &credential, Timestamp::now())
            .await
            .unwrap();
    }

    /// A workflow that makes a ticket of the survey's events of a type.
    async fn ticket_on(&self, kind: &str, comment: &str) {
        let trigger = json!({"event": {"type": kind, "subject": self.id}});
        let name = kind.rsplit('.').next().unwrap();
        let tasks = json!([{"id": "ticket", "kind": "zendesk.create_ticket", "account": "$zendesk",
            "input": {"comment": comment}}]);
        self.scene.apply_on(name, trigger, None, tasks).await;
    }

    /// What a subscription sends; gives the key of the notification.
    async fn notify(&self) -> EventKey {
        let bearer = format!("Bearer {SECRET}");
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("authorization", bearer.as_str()),
        ];
        let id = &self.id;
        let body = format!(
            "Topic=acme.surveyengine.completedResponse.{id}&Status=Complete&SurveyID={id}&ResponseID=R_1\
             &CompletedDate=2026-11-21+07%3A58%3A25&BrandID=acme"
        );
        let answer = self.scene.post(&self.endpoint, &headers, body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        EventKey::parse(answer.body["events"][0]["key"].as_str().unwrap()).unwrap()
    }

    /// The first comment of the first ticket, once there is one.
    async fn ticket(&self) -> String {
        // A limited call waits for the next minute, and up to half of that.
        let ticket = eventually("there is a ticket", LONG * 2, async || {
            self.scene.tickets().await.pop()
        });
        let ticket: Value = ticket.await;
        ticket["comments"][0]["body"].as_str().unwrap().to_owned()
    }

    /// The calls that asked for the response.
    async fn fetches(&self) -> Vec<RecordedRequest> {
        let requests = self.qualtrics.requests().await.unwrap();
        let fetches = requests
            .into_iter()
            .filter(|request| request.path.contains("/responses/"));
        fetches.collect()
    }
}

const ANSWERED: &str = "Why so & so? Too slow";

#[tokio::test]
async fn notified_response_is_fetched_and_its_answers_make_a_ticket() {
    let survey = Survey::new("fetched", token(TOKEN), 0).await;
    let notified = survey.notify().await;
    assert_eq!(survey.ticket().await, ANSWERED);
    // The notification is kept as evidence, and starts nothing.
    let record = survey.scene.evaluated(&notified).await;
    assert_eq!(record.event.kind, "qualtrics.response.notified");
    assert!(record.decisions.is_empty(), "{:?}", record.decisions);
    let id = record.event.id.strip_prefix("notified.").unwrap();
    let key = EventKey::derive(&record.event.source, id, None);
    let record = survey.scene.evaluated(&key).await;
    assert_eq!(record.event.kind, "qualtrics.response.completed");
    let data = record.event.data.unwrap();
    assert_eq!(data["responseId"], "R_1");
    assert_eq!(data["labels"]["status"], "IP Address");
    assert_eq!(data["notification"]["BrandID"], "acme");
    // Told twice, it is one event: whatever is fetched the second time is recognised.
    survey.notify().await;
    eventually("it is fetched again", LONG, async || {
        (survey.fetches().await.len() == 2).then_some(())
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(survey.scene.tickets().await.len(), 1);
}

#[tokio::test]
async fn late_response_and_a_limited_call_come_again() {
    let survey = Survey::new("late", token(TOKEN), 1).await;
    let limited = Action::Status {
        status: 429,
        headers: std::collections::BTreeMap::default(),
        body: json!({"meta": {"error": {"errorMessage": "Too many"}}}),
        after_write: false,
    };
    let fault = Fault::new(limited).on(Match {
        path_contains: Some("/responses/".to_owned()),
        ..Match::default()
    });
    survey.qualtrics.add_faults(&[fault]).await.unwrap();
    survey.notify().await;
    assert_eq!(survey.ticket().await, ANSWERED);
    let fetches = survey.fetches().await;
    let statuses: Vec<Option<u16>> = fetches.iter().map(|one| one.status).collect();
    assert_eq!(statuses, [Some(429), Some(404), Some(200)]);
    let wait = fetches[1].at.duration_since(fetches[0].at);
    assert!(wait.as_secs() >= 9, "{wait:?}");
}

#[tokio::test]
async fn refused_token_is_waited_out_until_it_is_put_right() {
    let survey = Survey::new("wrong", token("wrong-token"), 0).await;
    survey
        .ticket_on("qualtrics.response.failed", "{{ event.data.reason }}")
        .await;
    let notified = survey.notify().await;
    eventually("the token is refused", LONG, async || {
        survey.fetches().await.pop()
    })
    .await;
    survey.put(token(TOKEN)).await;
    // Nobody tells of the response once more.
    assert_eq!(survey.ticket().await, ANSWERED);
    // By hand it can be fetched again, which starts nothing again.
    let before = survey.fetches().await.len();
    closedloop(&["events", "fetch", notified.as_str()]).await;
    eventually("it is fetched again", LONG, async || {
        (survey.fetches().await.len() > before).then_some(())
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(survey.scene.tickets().await.len(), 1);
}

#[tokio::test]
async fn calls_of_a_minute_are_not_exceeded() {
    let survey = Survey::new("limit", token(TOKEN), 0).await;
    let now = Timestamp::now();
    // What 200 others have left of this minute, and, should it end just now, of the next.
    let minutes = [now.as_second() / 60, now.as_second() / 60 + 1];
    let near_the_end = now.as_second() % 60 > 50;
    let name = survey.scene.account(Vendor::Qualtrics);
    for minute in minutes.into_iter().take(if near_the_end { 2 } else { 1 }) {
        survey
            .scene
            .stack
            .dynamodb()
            .put_item()
            .table_name(survey.scene.stack.output("LimitsTable"))
            .item("id", AttributeValue::S(format!("permits/{name}/{minute}")))
            .item("taken", AttributeValue::N("200".to_owned()))
            .send()
            .await
            .unwrap();
    }
    let first_free = (minutes[usize::from(near_the_end)] + 1) * 60;
    survey.notify().await;
    let fetched = eventually("the response is fetched", LONG * 2, async || {
        survey.fetches().await.pop()
    })
    .await;
    assert!(fetched.at.as_second() >= first_free, "{fetched:?}");
    assert_eq!(survey.ticket().await, ANSWERED);
}

#[tokio::test]
async fn client_credentials_fetch_as_well() {
    let client = OauthClient {
        id: "loop".to_owned(),
        secret: Some("loop-secret".into()),
    };
    let credential = Credential::client_credentials(client, None);
    let survey = Survey::new("client", credential, 0).await;
    survey.notify().await;
    assert_eq!(survey.ticket().await, ANSWERED);
    let counts = survey.qualtrics.token_requests().await.unwrap();
    assert_eq!(counts["client_credentials"].succeeded, 1, "{counts:?}");
    // A token that is refused before its time is replaced.
    survey.qualtrics.expire_tokens().await.unwrap();
    survey.notify().await;
    eventually("it is fetched again", LONG, async || {
        let fetches = survey.fetches().await;
        (fetches.last()?.status == Some(200) && fetches.len() == 3).then_some(())
    })
    .await;
}

#[tokio::test]
async fn account_is_put_and_verified_from_the_command_line() {
    let survey = Survey::new("cli-qualtrics", token(TOKEN), 0).await;
    let name = format!("{}-put", survey.scene.id);
    let instance = survey.scene.id.to_uppercase();
    let put = |proof: &'static [&'static str], secret: &'static str| {
        let mut arguments = vec!["accounts", "put", &name, "--vendor", "qualtrics"];
        arguments.extend(["--instance", &instance]);
        arguments.extend(proof);
        async move { closedloop_with(&arguments, secret).await }
    };
    let (done, output) = put(&["--api-token"], TOKEN).await;
    assert!(done && output.contains(&survey.scene.id), "{output}");
    let told = closedloop(&["accounts", "verify", &name]).await;
    assert!(
        told.contains(&format!("works, as {USER} (brand acme)")) && told.contains("✓ read surveys"),
        "{told}"
    );
    let client = &["--client-credentials", "loop", "--scope", "manage:all"];
    let (done, output) = put(client, "loop-secret").await;
    assert!(done, "{output}");
    closedloop(&["accounts", "verify", &name]).await;
    for (proof, told) in [
        (&["--bearer"][..], "use a user's API token"),
        (&["--api-token", "a@example.com"], "leave it out"),
    ] {
        let (done, output) = put(proof, TOKEN).await;
        assert!(!done && output.contains(told), "{output}");
    }
    let (done, output) = put(&["--api-token"], "wrong-token").await;
    assert!(done, "{output}");
    let (works, told) = closedloop_with(&["accounts", "verify", &name], "").await;
    assert!(!works && told.contains("DCD_7"), "{told}");
}
