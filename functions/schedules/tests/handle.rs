//! The whole function against a local stand-in for the tables and the bus.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise, in its helpers too"
)]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use domain::{CloudEvent, EventKey};
use jiff::Timestamp;
use lambda_runtime::Diagnostic;
use schedules::config::Config;
use schedules::request::{Answer, Request};
use schedules::{Deps, Error, handle};
use serde_json::{Value, json};

/// What the services hold, how they answer, and what they were asked.
#[derive(Debug, Default)]
struct Aws {
    workflows: Vec<Value>,
    /// The keys of the events that there are.
    events: BTreeSet<String>,
    /// Names of operations that fail.
    down: Vec<&'static str>,
    /// DynamoDB looks for none of the events.
    is_busy: bool,
    refuses_entries: bool,
    calls: Vec<String>,
    entries: Vec<Value>,
}

impl Aws {
    fn answer(&mut self, operation: &str, body: &Value) -> (StatusCode, Value) {
        self.calls.push(operation.to_owned());
        if self.down.contains(&operation) {
            let fault = json!({"__type": "InternalServerError", "message": "no"});
            return (StatusCode::BAD_REQUEST, fault);
        }
        let answer = match operation {
            "GetItem" => {
                assert_eq!(body["Key"]["pk"]["S"], "workflow");
                let id = &body["Key"]["sk"]["S"];
                let found = self.workflows.iter().find(|document| document["id"] == *id);
                found.map_or(json!({}), |document| json!({"Item": row(document)}))
            }
            "Query" => {
                assert_eq!(
                    body["ExpressionAttributeValues"],
                    json!({":pk": {"S": "listener#schedule.fired"}})
                );
                json!({"Items": self.workflows.iter().map(row).collect::<Vec<_>>()})
            }
            "BatchGetItem" => {
                let asked = &body["RequestItems"]["events"];
                let keys = asked["Keys"].as_array().unwrap();
                assert!((1..=100).contains(&keys.len()), "{}", keys.len());
                assert_eq!(asked["ConsistentRead"], true);
                if self.is_busy {
                    json!({"Responses": {}, "UnprocessedKeys": {"events": asked}})
                } else {
                    let is_there = |key: &&Value| {
                        let key = key["event"]["S"].as_str().unwrap();
                        self.events.contains(key)
                    };
                    let found: Vec<&Value> = keys.iter().filter(is_there).collect();
                    json!({"Responses": {"events": found}, "UnprocessedKeys": {}})
                }
            }
            "PutEvents" if self.refuses_entries => {
                json!({"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]})
            }
            "PutEvents" => {
                let entries = body["Entries"].as_array().unwrap();
                self.entries.extend(entries.iter().cloned());
                let taken = vec![json!({"EventId": "1"}); entries.len()];
                json!({"FailedEntryCount": 0, "Entries": taken})
            }
            other => panic!("{other} is not expected"),
        };
        (StatusCode::OK, answer)
    }
}

fn row(document: &Value) -> Value {
    json!({
        "pk": {"S": "listener#schedule.fired"},
        "sk": {"S": format!("={0}#{0}", document["id"].as_str().unwrap())},
        "revision": {"N": "1"},
        // 2026-11-01T00:00:00Z
        "applied_at": {"N": "1793491200000"},
        "document": {"S": document.to_string()}
    })
}

async fn serve(
    State(aws): State<Arc<Mutex<Aws>>>,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    let target = headers["x-amz-target"].to_str().unwrap();
    let operation = target.rsplit('.').next().unwrap();
    let body = serde_json::from_str(&body).unwrap();
    let (status, answer) = aws.lock().unwrap().answer(operation, &body);
    (status, answer.to_string())
}

struct Fixture {
    aws: Arc<Mutex<Aws>>,
    deps: Deps,
}

impl Fixture {
    async fn with(workflows: Vec<Value>) -> Self {
        let aws = Arc::new(Mutex::new(Aws {
            workflows,
            ..Aws::default()
        }));
        let app = Router::new().fallback(serve).with_state(Arc::clone(&aws));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let config = aws::Config::at(&url).unwrap();
        let names = Config {
            workflows_table: "workflows".to_owned(),
            events_table: "events".to_owned(),
            event_bus: "bus".to_owned(),
        };
        Self {
            aws,
            deps: Deps::new(&config, names),
        }
    }

    async fn handle(&self, request: Value, now: &str) -> Result<Answer, Error> {
        let request: Request = serde_json::from_value(request).unwrap();
        handle(&self.deps, request, time(now)).await
    }

    async fn ring(&self, workflow: &str, at: &str) -> Result<Answer, Error> {
        let ring = json!({"schedule": {"workflow": workflow, "scheduled_time": at}});
        self.handle(ring, "2026-11-23T08:05:00Z").await
    }

    async fn catch_up(&self) -> Result<Answer, Error> {
        self.handle(json!({"catch_up": {}}), "2026-11-23T08:05:00Z")
            .await
    }

    fn set(&self, change: impl FnOnce(&mut Aws)) {
        change(&mut self.aws.lock().unwrap());
    }

    /// The events that the bus has got, and forgets.
    fn events(&self) -> Vec<CloudEvent> {
        let entries = std::mem::take(&mut self.aws.lock().unwrap().entries);
        let events = entries.iter().map(|entry| {
            assert_eq!(entry["Source"], "closedloop.schedules");
            assert_eq!(entry["DetailType"], "schedule.fired");
            assert_eq!(entry["EventBusName"], "bus");
            serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap()
        });
        events.collect()
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn workflow(id: &str, schedule: &Value) -> Value {
    json!({
        "id": id, "name": "W", "trigger": {"schedule": schedule},
        "tasks": [{"id": "ticket", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "x"}}]
    })
}

fn ids(events: &[CloudEvent]) -> Vec<&str> {
    events.iter().map(|event| event.id.as_str()).collect()
}

#[tokio::test]
async fn firing_becomes_an_event_and_again_the_same_one() {
    let paris = json!({"cron": "0 9 ? * MON *", "timezone": "Europe/Paris"});
    let fixture = Fixture::with(vec![workflow("weekly", &paris)]).await;
    let first = fixture
        .ring("weekly", "2026-11-23T08:00:00Z")
        .await
        .unwrap();
    let again = fixture
        .ring("weekly", "2026-11-23T08:00:41Z")
        .await
        .unwrap();
    assert_eq!(first, again);
    let events = fixture.events();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0], events[1]);
    assert_eq!(events[0].key(), first.fired[0].event);
    assert_eq!(events[0].id, "2026-11-23T08:00:00Z");
    assert_eq!(events[0].source, "/schedules/weekly");
    assert_eq!(events[0].subject.as_deref(), Some("weekly"));
    let data = events[0].data.as_ref().unwrap();
    assert_eq!(data["local_time"], "2026-11-23T09:00:00");
    // What an emulator leaves as it is, at 08:05:00.
    let unfilled = "<aws.scheduler.scheduled-time>";
    assert_eq!(
        fixture.ring("weekly", unfilled).await.unwrap(),
        Answer::default()
    );
    fixture.set(|aws| aws.workflows = vec![workflow("weekly", &json!({"rate": "15 minutes"}))]);
    let fired = fixture.ring("weekly", unfilled).await.unwrap().fired;
    assert_eq!(fired[0].scheduled_time, time("2026-11-23T08:00:00Z"));
}

#[tokio::test]
async fn clock_of_what_has_no_such_schedule_is_ignored() {
    let mut off = workflow("off", &json!({"rate": "1 minute"}));
    off["enabled"] = json!(false);
    let mut other = workflow("other", &json!({}));
    other["trigger"] = json!({"event": {"type": "a"}});
    let once = workflow("once", &json!({"at": "2026-11-23T09:00:00"}));
    let fixture = Fixture::with(vec![off, other, once]).await;
    for id in ["off", "other", "once", "gone"] {
        let answer = fixture.ring(id, "2026-11-23T08:00:00Z").await.unwrap();
        assert_eq!(answer, Answer::default(), "{id}");
    }
    assert_eq!(fixture.events(), []);
}

#[tokio::test]
async fn whatever_goes_wrong_is_tried_again() {
    let fixture = Fixture::with(vec![workflow("daily", &json!({"cron": "0 * * * ? *"}))]).await;
    let at = "2026-11-23T08:00:00Z";
    for down in ["GetItem", "PutEvents"] {
        fixture.set(|aws| aws.down = vec![down]);
        assert!(fixture.ring("daily", at).await.is_err(), "{down}");
    }
    for down in ["Query", "BatchGetItem", "PutEvents"] {
        fixture.set(|aws| aws.down = vec![down]);
        assert!(fixture.catch_up().await.is_err(), "{down}");
    }
    fixture.set(|aws| {
        aws.down.clear();
        aws.is_busy = true;
    });
    assert!(fixture.catch_up().await.is_err());
    fixture.set(|aws| aws.refuses_entries = true);
    let refused = fixture.ring("daily", at).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the bus did not take an event: ThrottlingException"
    );
    assert_eq!(Diagnostic::from(refused).error_type, "Bus");
    // A definition of a newer version.
    fixture.set(|aws| aws.workflows[0]["trigger"] = json!({"tide": {}}));
    let unreadable = fixture.ring("daily", at).await.unwrap_err();
    assert_eq!(Diagnostic::from(unreadable).error_type, "Table");
    assert_eq!(fixture.events(), []);
}

#[tokio::test]
async fn catch_up_fires_what_was_lost_and_nothing_else() {
    let hourly = json!({"cron": "0 0/6 * * ? *"});
    let daily = json!({"cron": "30 7 * * ? *", "timezone": "UTC"});
    let mut unreadable = workflow("newer", &daily);
    unreadable["trigger"] = json!({"tide": {}});
    let fixture = Fixture::with(vec![
        workflow("daily", &daily),
        workflow("hourly", &hourly),
        unreadable,
        workflow(
            "soon",
            &json!({"cron": "0 8 * * ? *", "start": "2026-11-23T00:00"}),
        ),
    ])
    .await;
    let known = EventKey::derive("/schedules/hourly", "2026-11-22T18:00:00Z", None);
    fixture.set(|aws| aws.events = BTreeSet::from([known.to_string()]));
    let answer = fixture.catch_up().await.unwrap();
    let events = fixture.events();
    assert_eq!(
        ids(&events),
        [
            "2026-11-23T07:30:00Z",
            "2026-11-22T12:00:00Z",
            "2026-11-23T00:00:00Z",
            "2026-11-23T06:00:00Z"
        ]
    );
    let keys: Vec<EventKey> = answer.fired.into_iter().map(|fired| fired.event).collect();
    let expected: Vec<EventKey> = events.iter().map(CloudEvent::key).collect();
    assert_eq!(keys, expected);
    // The next time they are all there.
    fixture.set(|aws| aws.events.extend(keys.iter().map(ToString::to_string)));
    assert_eq!(fixture.catch_up().await.unwrap(), Answer::default());
    assert_eq!(fixture.events(), []);
}

#[tokio::test]
async fn catch_up_makes_up_for_a_day_of_minutes() {
    let fixture = Fixture::with(vec![workflow("often", &json!({"rate": "1 minute"}))]).await;
    assert_eq!(fixture.catch_up().await.unwrap().fired.len(), 1430);
    let events = fixture.events();
    assert_eq!(events[0].id, "2026-11-22T08:06:00Z");
    assert_eq!(events[1429].id, "2026-11-23T07:55:00Z");
    let calls = fixture.aws.lock().unwrap().calls.clone();
    assert_eq!(
        calls.iter().filter(|call| *call == "PutEvents").count(),
        143
    );
    assert_eq!(
        calls.iter().filter(|call| *call == "BatchGetItem").count(),
        15
    );
}
