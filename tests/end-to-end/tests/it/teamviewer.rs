//! TeamViewer: the history of connections and service cases, as supporters and their programs use them.
//!
//! A stack has one set of settings for TeamViewer, so these tests take turns.

use std::collections::{BTreeMap, BTreeSet};

use access::Role;
use accounts::{Connect, NewAccount, OauthClient};
use connection_history::History;
use domain::{AccountName, RunState, Vendor};
use futures_util::future::join;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use sandbox::{Action, Fault, InstanceControl, Match};
use serde_json::{Value, json};
use store::Histories;
use tokio::sync::{Mutex, MutexGuard};

use crate::accounts::Browser;
use crate::command_line::closedloop;
use crate::management_api::{ask, token};
use crate::scene::{LONG, Scene, eventually, log};

/// Whoever sets something for TeamViewer, or acts on what is set, holds this: a stack has one such setting.
pub(crate) static TURN: Mutex<()> = Mutex::const_new(());

const SCRIPT_TOKEN: &str = "1234567-ScriptToken";
const SYS_ID: &str = "sys_id";

/// A company at TeamViewer whose history is kept, with supporters at the service desk.
struct Desk {
    scene: Scene,
    company: InstanceControl,
    admin: String,
    itil: String,
    history_user: String,
    _turn: MutexGuard<'static, ()>,
}

fn hours_ago(hours: i64) -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second((now - SignedDuration::from_hours(hours)).as_second()).unwrap()
}

/// The id of a connection: all companies of the stack have one history.
fn id(desk: &Desk, number: u32) -> String {
    let test = desk
        .scene
        .id
        .bytes()
        .fold(7_u32, |hash, byte| hash.wrapping_mul(31) ^ u32::from(byte));
    format!("{test:08x}-0000-4000-8000-{number:012}")
}

fn connection(desk: &Desk, number: u32, hours: i64) -> Value {
    let start = hours_ago(hours);
    json!({
        "id": id(desk, number), "userid": "u1001", "deviceid": "123456789", "devicename": "PC-7",
        "start_date": start, "end_date": start + SignedDuration::from_secs(90),
        "support_session_type": 1,
    })
}

fn with(mut record: Value, fields: Value) -> Value {
    let (Value::Object(record_fields), Value::Object(fields)) = (&mut record, fields) else {
        panic!("objects are expected");
    };
    record_fields.extend(fields);
    record
}

impl Desk {
    /// `company` is added to how the company is set up, `settings` to TeamViewer's settings.
    async fn new(test: &str, company: Value, history: Value, cases: Value) -> Self {
        let turn = TURN.lock().await;
        let scene = Scene::new(test).await;
        let control = scene.stack.vendors.teamviewer(&scene.id);
        let config = json!({
            "users": [{"id": "u1001", "name": "Sam Supporter", "email": "sam@example.com"}],
            "groups": [{"id": "g7", "name": "Service Desk"}],
            "script_tokens": [{"token": SCRIPT_TOKEN, "level": "company", "userid": "u1001"}],
        });
        control.create(&with(config, company)).await.unwrap();
        scene.put_account(Vendor::TeamViewer, SCRIPT_TOKEN).await;
        let (_, admin) = token(&scene.stack, &[Role::Admin]).await;
        let (_, itil) = token(&scene.stack, &[Role::Itil]).await;
        let (_, history_user) = token(&scene.stack, &[Role::SessionHistoryUser]).await;
        let desk = Self {
            scene,
            company: control,
            admin,
            itil,
            history_user,
            _turn: turn,
        };
        desk.apply_settings(history, cases).await;
        desk
    }

    async fn apply_settings(&self, history: Value, cases: Value) -> Value {
        let account = self.scene.account(Vendor::TeamViewer);
        let settings = json!({
            "servicenow_account": self.scene.account(Vendor::ServiceNow),
            "history": with(json!({"account": account}), history),
            // Nobody but the test looks, so that calls can be counted.
            "cases": with(json!({"account": account, "group": "Service Desk", "watch": false, "refresh_seconds": 10}), cases),
        });
        self.put(&self.admin, "/v1/teamviewer/settings", settings)
            .await
    }

    async fn call(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (u16, Value) {
        let (status, _, body) = ask(&self.scene, Some(token), method, path, body).await;
        assert!(
            !body.to_string().contains("supporter_link"),
            "{path}: {body}"
        );
        (status, body)
    }

    async fn get(&self, token: &str, path: &str) -> Value {
        let (status, body) = self.call(token, Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn put(&self, token: &str, path: &str, body: Value) -> Value {
        let (status, body) = self.call(token, Method::PUT, path, Some(body)).await;
        assert!((200..300).contains(&status), "{path}: {status} {body}");
        body
    }

    async fn post(&self, token: &str, path: &str, body: Value) -> Value {
        let (status, body) = self.call(token, Method::POST, path, Some(body)).await;
        assert!((200..300).contains(&status), "{path}: {status} {body}");
        body
    }

    /// Asks for the history to be fetched, and waits until all of it is.
    async fn refresh(&self) -> Value {
        let before = self.status().await["history"]["last_success"].clone();
        self.post(&self.history_user, "/v1/connections/refresh", json!({}))
            .await;
        self.fetched_after(&before).await
    }

    async fn status(&self) -> Value {
        self.get(&self.history_user, "/v1/connections/status").await
    }

    async fn fetched_after(&self, before: &Value) -> Value {
        eventually("the history is fetched", LONG, async || {
            let status = self.status().await;
            let success = &status["history"]["last_success"];
            let idle = status["history"]["walk"].is_null();
            (idle && success.is_string() && success != before).then_some(status)
        })
        .await
    }

    /// Changes how far the history has come, as time would have done.
    async fn age(&self, change: impl FnOnce(&mut History)) {
        let table = self.scene.stack.output("TeamViewerTable");
        let histories = Histories::new(self.scene.stack.dynamodb(), table);
        let account = self.scene.account(Vendor::TeamViewer);
        let owner = "test";
        let stored = eventually("nobody is at it", LONG, async || {
            let now = Timestamp::now();
            let until = now + SignedDuration::from_secs(30);
            histories.start(&account, owner, now, until).await.unwrap()
        })
        .await;
        let mut history = stored.history;
        change(&mut history);
        assert!(histories.save(&account, owner, &history).await.unwrap());
        histories.release(&account, owner).await.unwrap();
    }

    /// What a minute's schedule does.
    async fn tick(&self) {
        let function = self.scene.stack.output("TeamViewerConnectionsFunction");
        let answer = aws::lambda::Client::new(&self.scene.stack.aws)
            .invoke(&function, json!({"tick": {}}).to_string().into())
            .await
            .unwrap();
        assert_eq!(answer.function_error, None, "{answer:?}");
    }

    /// The ids of all connections in the history, page by page, of the account under test.
    async fn history(&self) -> Vec<Value> {
        let account = self.scene.account(Vendor::TeamViewer);
        let since = hours_ago(24 * 400);
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/connections?since={since}&limit=200{cursor}");
            let page = self.get(&self.history_user, &path).await;
            let own = page["connections"].as_array().unwrap().iter();
            found.extend(
                own.filter(|one| one["account"] == account.as_str())
                    .cloned(),
            );
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return found,
            }
        }
    }

    /// An incident at ServiceNow whose caller has a name and an address.
    async fn incident(&self) -> Value {
        let config = json!({
            "users": [{"username": "api", "password": crate::scene::SERVICENOW_PASSWORD}],
            "people": [{"name": "Dot Caller", "email": "dot@example.com", "user_name": "dot.caller", "active": true}],
            "tables": {"u_remote_session": {"columns": {
                "correlation_id": {"string": 100}, "u_connection": {"string": 40}, "u_minutes": "integer",
                "u_task": {"reference": "incident"},
            }}},
        });
        self.scene.servicenow.create(&config).await.unwrap();
        let people = self.scene.servicenow.records("sys_user").await.unwrap();
        let caller = people
            .iter()
            .find(|person| person["email"] == "dot@example.com")
            .unwrap()[SYS_ID]
            .clone();
        self.at_servicenow(json!({
            "short_description": "Screen ${caller_id} stays\r\nblack", "caller_id": caller
        }))
        .await
    }

    async fn at_servicenow(&self, body: Value) -> Value {
        let url = format!(
            "{}/api/now/table/incident",
            self.scene
                .stack
                .output("ServiceNowUrl")
                .replace("{instance}", &self.scene.id)
        );
        let response = reqwest::Client::new()
            .post(url)
            .basic_auth("api", Some(crate::scene::SERVICENOW_PASSWORD))
            .header("content-type", "application/json")
            .header("accept", "application/json")
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        let text = response.text().await.unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["result"].clone()
    }

    /// What is asked about a task of this test: its number is another task's in another test's instance.
    fn of_task(&self, task: &str, what: &str) -> String {
        let instance = &self.scene.id;
        format!("/v1/tasks/{task}/{what}?instance={instance}")
    }

    async fn create_case(&self, incident: &Value) -> (u16, Value) {
        let body = json!({"task": {"table": "incident", "sys_id": incident[SYS_ID]}});
        self.call(&self.itil, Method::POST, "/v1/cases", Some(body))
            .await
    }

    /// How often TeamViewer was asked for something.
    async fn calls(&self, method: &str, path: &str) -> usize {
        let requests = self.company.requests().await.unwrap();
        let ours = requests
            .iter()
            .filter(|request| request.method == method && request.path.ends_with(path));
        ours.count()
    }

    /// How often TeamViewer was asked for a window of the history: who closed a case in another test, and looks for its
    /// connections for a while yet, asks this company for them.
    async fn windows(&self) -> usize {
        let requests = self.company.requests().await.unwrap();
        let windows = requests.iter().filter(|request| {
            let of_case = request.query.iter().any(|(name, _)| name == "session_code");
            request.path.ends_with("/reports/connections") && !of_case
        });
        windows.count()
    }
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story from its beginning to its end"
)]
async fn connections_are_kept_beside_their_tasks_and_noted_once() {
    let desk = Desk::new("tv-history", json!({}), json!({}), json!({})).await;
    let incident = desk.incident().await;
    let number = incident["number"].as_str().unwrap();
    let reference =
        json!({"inst": desk.scene.id, "table": "incident", "sys_id": incident[SYS_ID]}).to_string();
    let records = json!([
        with(
            connection(&desk, 1, 1),
            json!({"custom_api": reference, "session_code": "s111-222-333"})
        ),
        with(
            connection(&desk, 2, 2),
            json!({"notes": format!("see {}", number.to_lowercase())})
        ),
        with(
            connection(&desk, 3, 3),
            json!({"notes": "=HYPERLINK(\"http://x\")"})
        ),
        // Goes on.
        with(
            connection(&desk, 4, 4),
            json!({"end_date": null, "notes": number})
        ),
    ]);
    desk.company.put_connections(&records).await.unwrap();
    let trigger = json!({"teamviewer_event": {"on": ["connection_recorded"]}});
    let when = json!({"all": [
        {"field": "data.task.number", "is_not_empty": true}, {"field": "data.account", "equals": desk.scene.account(Vendor::TeamViewer)}
    ]});
    let tasks = json!([
        {"id": "note", "kind": "servicenow.update_record", "account": "$servicenow", "input": {
            "table": "{{ event.data.task.table }}", "number": "{{ event.data.task.number }}",
            "fields": {"work_notes": "{{ event.data.supporter.name }}, {{ event.data.duration_minutes }} min, {{ event.data.id }}"}}},
        // A table of the customer's own. One of the answers is lost.
        {"id": "row", "kind": "servicenow.create_record", "account": "$servicenow", "input": {
            "table": "u_remote_session",
            "fields": {"u_connection": "{{ event.data.id }}", "u_minutes": "{{ event.data.duration_minutes }}",
                "u_task": "{{ event.data.task.sys_id }}"}}},
    ]);
    let lost = Fault::new(Action::LoseAnswer).on(Match {
        method: Some("POST".to_owned()),
        path_contains: Some("/u_remote_session".to_owned()),
        ..Match::default()
    });
    desk.scene.servicenow.add_faults(&[lost]).await.unwrap();
    let workflow = desk
        .scene
        .apply_on("note", trigger, Some(when), tasks)
        .await;

    desk.refresh().await;
    let found = desk.history().await;
    let ids: Vec<&str> = found
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 4, "{ids:?}");
    assert_eq!(found[0]["task"]["number"], number, "{:#}", found[0]);
    assert_eq!(found[1]["task"][SYS_ID], incident[SYS_ID], "{:#}", found[1]);
    assert_eq!(found[0]["duration_seconds"], 90);
    let runs = eventually("two connections are noted", LONG, async || {
        let runs = desk.scene.stack.runs_of(&workflow).await;
        let done = runs.iter().filter(|run| run.state == RunState::Succeeded);
        (done.count() == 2).then_some(runs)
    })
    .await;
    assert_eq!(runs.len(), 2);
    // The one that goes on ends, and what was read before is read again.
    let ended = json!({"end_date": hours_ago(3)});
    desk.company
        .change_connection(&id(&desk, 4), &ended)
        .await
        .unwrap();
    desk.refresh().await;
    eventually("the third is noted, too", LONG, async || {
        let runs = desk.scene.stack.runs_of(&workflow).await;
        let done = runs.iter().filter(|run| run.state == RunState::Succeeded);
        (done.count() == 3).then_some(())
    })
    .await;
    desk.refresh().await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(desk.scene.stack.runs_of(&workflow).await.len(), 3);
    let journal = desk.scene.incidents().await;
    let notes = journal[0]["journal"].to_string();
    for id in ["000000000001", "000000000002", "000000000004"] {
        assert_eq!(notes.matches(id).count(), 1, "{id}: {notes}");
    }
    let rows = desk.scene.servicenow.records("u_remote_session");
    let rows = rows.await.unwrap();
    let connections: BTreeSet<&str> = rows
        .iter()
        .map(|row| row["u_connection"].as_str().unwrap())
        .collect();
    assert_eq!((rows.len(), connections.len()), (3, 3), "{rows:#?}");
    assert!(rows.iter().all(|row| row["u_task"] == incident[SYS_ID]));

    // The report of the task, and that of the company.
    let of_task = desk.of_task(number, "connections");
    let page = desk.get(&desk.itil, &of_task).await;
    assert_eq!(page["connections"].as_array().unwrap().len(), 3, "{page:#}");
    let by_id = desk.of_task(incident[SYS_ID].as_str().unwrap(), "connections");
    assert_eq!(
        desk.get(&desk.itil, &by_id).await["connections"],
        page["connections"]
    );
    let other = desk.of_task("INC0099999", "connections");
    let other = desk.get(&desk.itil, &other).await;
    assert_eq!(other["connections"], json!([]));
    let totals = desk
        .get(
            &desk.history_user,
            &format!(
                "/v1/connections/totals?task={number}&instance={}",
                desk.scene.id
            ),
        )
        .await;
    assert_eq!(
        (&totals["connections"], &totals["complete"]),
        (&json!(3), &json!(true))
    );
    // Other companies' supporters have the same name, and many connections.
    let began: Timestamp = found[2]["started_at"].as_str().unwrap().parse().unwrap();
    let until = began + SignedDuration::from_secs(1);
    let path = format!(
        "/v1/connections?format=csv&supporter=sam%20supporter&limit=200&since={began}&until={until}"
    );
    let (status, media_type, csv) = ask(
        &desk.scene,
        Some(&desk.history_user),
        Method::GET,
        &path,
        None,
    )
    .await;
    let csv = csv.as_str().unwrap();
    assert_eq!(status, 200);
    assert!(media_type.starts_with("text/csv"), "{media_type}");
    assert!(csv.contains("'=HYPERLINK"), "{csv}");

    // Without the role: refused, and nothing leaks.
    let (_, operator) = token(&desk.scene.stack, &[Role::Operator]).await;
    for (token, method, path) in [
        (&desk.itil, Method::GET, "/v1/connections"),
        (&desk.itil, Method::GET, "/v1/connections/totals"),
        (&desk.itil, Method::POST, "/v1/connections/refresh"),
        (&operator, Method::GET, "/v1/connections"),
        (&operator, Method::GET, of_task.as_str()),
        (&operator, Method::GET, "/v1/cases"),
        (&desk.history_user, Method::GET, "/v1/cases"),
        (&desk.history_user, Method::PUT, "/v1/teamviewer/settings"),
    ] {
        let body = (method != Method::GET).then(|| json!({}));
        let (status, body) = desk.call(token, method, path, body).await;
        assert_eq!(status, 403, "{path}: {body}");
        assert!(!body.to_string().contains("Sam"), "{path}: {body}");
    }
}

#[tokio::test]
async fn three_thousand_connections_arrive_although_the_function_dies_on_page_two() {
    let desk = Desk::new("tv-pages", json!({}), json!({}), json!({})).await;
    let records: Vec<Value> = (0..3_000)
        .map(|number| connection(&desk, number, 1 + i64::from(number) / 200))
        .collect();
    desk.company.put_connections(&json!(records)).await.unwrap();
    // The second page takes longer than the function lives.
    let page_two = Match {
        path_contains: Some("offset_id".to_owned()),
        ..Match::default()
    };
    let silence = Action::Hold {
        after_write: true,
        ms: 20_000,
    };
    desk.company
        .add_faults(&[Fault::new(silence).on(page_two)])
        .await
        .unwrap();
    desk.post(&desk.history_user, "/v1/connections/refresh", json!({}))
        .await;
    let held = eventually("page two is asked for", LONG, async || {
        desk.company.held().await.unwrap().pop()
    })
    .await;
    crate::process::kill_owner_of_port(held.peer_port).await;
    desk.company.release(None).await.unwrap();
    // Two more ask at once: they join.
    let refresh = || desk.post(&desk.history_user, "/v1/connections/refresh", json!({}));
    join(refresh(), refresh()).await;
    // The dead function's right to go on ends by itself; the schedule finds that out.
    eventually("all of it is fetched", LONG * 4, async || {
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        let status = desk.status().await;
        let success = status["history"]["last_success"].is_string();
        success.then_some(())
    })
    .await;
    let found = desk.history().await;
    let ids: BTreeSet<&str> = found
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    assert_eq!((found.len(), ids.len()), (3_000, 3_000));
}

#[tokio::test]
async fn changed_interval_leaves_no_hole_and_two_who_ask_at_once_double_nothing() {
    let hours = |every: u16| json!({"every_hours": every, "overlap_hours": 1});
    let desk = Desk::new("tv-interval", json!({}), hours(6), json!({})).await;
    let trigger = json!({"teamviewer_event": {"on": ["connection_recorded"]}});
    let account = desk.scene.account(Vendor::TeamViewer);
    let when = json!({"all": [{"field": "data.account", "equals": account}]});
    let tasks = Scene::ticket_only();
    let workflow = desk
        .scene
        .apply_on("told", trigger, Some(when), tasks)
        .await;
    desk.refresh().await;
    // The last whole fetch was so many hours ago when the interval changes: what began an hour after it is beyond a window
    // of the new interval, but for the last, and nobody asks for it.
    let mut records = Vec::new();
    for (number, (last, every, began)) in [(6, 3, 5), (9, 1, 8), (3, 12, 2)].into_iter().enumerate()
    {
        let number = u32::try_from(number).unwrap();
        records.push(connection(&desk, number, began));
        let reported = json!(records);
        desk.company.put_connections(&reported).await.unwrap();
        let mark = hours_ago(last);
        desk.age(|history| {
            history.watermark = Some(mark);
            history.last_success = Some(mark);
        })
        .await;
        let before = desk.status().await["history"]["last_success"].clone();
        let answer = desk.apply_settings(hours(every), json!({})).await;
        assert!(answer.to_string().contains("warning"), "{answer:#}");
        let status = desk.fetched_after(&before).await;
        assert_eq!(status["every_hours"], every, "{status:#}");
        let found = desk.history().await;
        assert_eq!(found.len(), records.len(), "{last} h, then {every} h");
    }

    // Two ask at once, and what two functions read is told once.
    records.extend((10..13).map(|number| connection(&desk, number, 1)));
    let reported = json!(records);
    desk.company.put_connections(&reported).await.unwrap();
    let before = desk.windows().await;
    join(desk.refresh(), desk.refresh()).await;
    let asked = desk.windows().await - before;
    assert!((1..=2).contains(&asked), "{asked}");
    assert_eq!(desk.history().await.len(), records.len());
    let told = async || desk.scene.stack.runs_of(&workflow).await.len();
    eventually("each is told", LONG, async || {
        (told().await >= records.len()).then_some(())
    })
    .await;
    desk.refresh().await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(told().await, records.len());
}

#[tokio::test]
async fn limit_in_the_middle_is_waited_out_and_nothing_is_missed() {
    let company = json!({"page_size": 2});
    let desk = Desk::new("tv-limit", company, json!({}), json!({})).await;
    let first = desk.refresh().await;
    let mark = |status: &Value| -> Timestamp {
        let mark = status["history"]["watermark"].as_str().unwrap();
        mark.parse().unwrap()
    };
    let records: Vec<Value> = (0..5).map(|number| connection(&desk, number, 2)).collect();
    desk.company.put_connections(&json!(records)).await.unwrap();
    // The contract's answer to too many calls, and the one that others have seen.
    for (status, body) in [
        (
            403,
            json!({"error": "rate_limit_reached", "error_description": "Slow down", "error_code": 1}),
        ),
        (429, json!({"error": "too_many_requests"})),
    ] {
        let limited = Action::Status {
            status,
            headers: BTreeMap::default(),
            body,
            after_write: false,
        };
        let fault = Fault::new(limited).on(Match {
            path_contains: Some("offset_id".to_owned()),
            ..Match::default()
        });
        desk.company.add_faults(&[fault]).await.unwrap();
        // The time of the one before is over. The walk goes on where it was.
        desk.age(|history| {
            history.next_attempt_at = None;
            history.problem = None;
        })
        .await;
        let refresh = || desk.post(&desk.history_user, "/v1/connections/refresh", json!({}));
        refresh().await;
        let told = eventually("the limit is told", LONG, async || {
            let status = desk.status().await;
            status["history"]["problem"].is_string().then_some(status)
        })
        .await;
        assert_eq!(mark(&told), mark(&first), "{told:#}");
        let next: Timestamp = told["history"]["next_attempt_at"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        let wait = next.duration_since(Timestamp::now());
        assert!(wait > SignedDuration::from_mins(4), "{told:#}");
        // Whoever asks meanwhile does not make it worse.
        let asked = desk.windows().await;
        refresh().await;
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        assert_eq!(desk.windows().await, asked);
    }
    desk.age(|history| history.next_attempt_at = None).await;
    desk.tick().await;
    let before = first["history"]["last_success"].clone();
    let status = desk.fetched_after(&before).await;
    assert!(mark(&status) > mark(&first), "{status:#}");
    assert_eq!(desk.history().await.len(), records.len());
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story from its beginning to its end"
)]
async fn case_is_created_once_shared_once_and_its_connections_are_fetched() {
    let desk = Desk::new("tv-case", json!({}), json!({}), json!({})).await;
    let incident = desk.incident().await;
    let number = incident["number"].as_str().unwrap();
    // Two supporters' clicks at once, the answer lost once, and again later.
    let lost = Fault::new(Action::LoseAnswer).on(Match {
        method: Some("POST".to_owned()),
        path_contains: Some("/sessions".to_owned()),
        ..Match::default()
    });
    desk.company.add_faults(&[lost]).await.unwrap();
    join(desk.create_case(&incident), desk.create_case(&incident)).await;
    let case = eventually("the case is there", LONG, async || {
        let (status, body) = desk.create_case(&incident).await;
        (status == 200 || status == 201).then_some(body)
    })
    .await;
    let sessions = desk.company.records("sessions").await.unwrap();
    assert_eq!(sessions.len(), 1, "{sessions:#?}");
    let code = sessions[0]["code"].as_str().unwrap().to_owned();
    assert!(case.to_string().contains(&code), "{case:#}");
    assert!(
        sessions[0]["description"]
            .as_str()
            .unwrap()
            .contains(number)
    );
    assert_eq!(sessions[0]["end_customer"]["email"], "dot@example.com");
    assert_eq!(sessions[0]["groupid"], "g7");

    // Shared by mail: a value that looks like a variable stays a value, line breaks cannot add a header.
    let template = json!({
        "name": "TV_ShareSession", "subject": "${number}: ${short_description}",
        "html": "<p>Dear $ {caller_id}, ${short_description}: <a href=\"${teamviewer.link}\">${teamviewer.code}</a> ${no_such_field}</p>"
    });
    desk.put(&desk.admin, "/v1/mail-templates/TV_ShareSession", template)
        .await;
    let share = format!("/v1/cases/{code}/share");
    let request = json!({"template": "TV_ShareSession"});
    let sent = desk.post(&desk.itil, &share, request.clone()).await;
    let again = desk.post(&desk.itil, &share, request).await;
    assert_eq!(sent["message_id"], again["message_id"]);
    let bad = json!({"template": "TV_ShareSession", "to": ["a@example.com\r\nBcc: b@example.com"]});
    let (status, problem) = desk.call(&desk.itil, Method::POST, &share, Some(bad)).await;
    assert!((400..500).contains(&status), "{status} {problem}");
    let mails = reqwest::get(format!(
        "{}/_ministack/ses/messages",
        crate::scene::variable("AWS_ENDPOINT_URL")
    ))
    .await
    .unwrap()
    .text()
    .await
    .unwrap();
    let mails: Value = serde_json::from_str(&mails).unwrap();
    // By account.
    let accounts = mails["messages"].as_object().unwrap().values();
    let ours: Vec<&Value> = accounts
        .filter_map(Value::as_array)
        .flatten()
        .filter(|mail| mail.to_string().contains(&code))
        .collect();
    assert_eq!(ours.len(), 1, "{ours:#?}");
    assert_eq!(ours[0]["To"], json!(["dot@example.com"]));
    let subject = ours[0]["Subject"].as_str().unwrap();
    assert!(
        subject.starts_with(&format!("{number}: Screen ${{caller_id}} stays"))
            && !subject.contains(['\r', '\n']),
        "{subject}"
    );
    let html = ours[0]["BodyHtml"].as_str().unwrap();
    assert!(
        html.contains("Dear Dot Caller") && html.contains("https://get.teamviewer.com/"),
        "{html}"
    );

    // The customer comes online, which starts a workflow once. The first look was the baseline.
    let trigger = json!({"teamviewer_event": {"on": ["customer_online", "case_closed"]}});
    let when = json!({"all": [{"field": "subject", "equals": code}]});
    let workflow = desk
        .scene
        .apply_on("moments", trigger, Some(when), Scene::ticket_only())
        .await;
    desk.get(&desk.itil, "/v1/cases").await;
    desk.company
        .change_session(&code, &json!({"online": true}))
        .await
        .unwrap();
    eventually("somebody looks again", LONG, async || {
        let page = desk.get(&desk.itil, "/v1/cases").await;
        let cases = page["cases"].as_array().unwrap().clone();
        cases
            .iter()
            .any(|case| case["code"] == code.as_str() && case["online"] == true)
            .then_some(())
    })
    .await;
    eventually("a workflow has heard of it", LONG, async || {
        (desk.scene.stack.runs_of(&workflow).await.len() == 1).then_some(())
    })
    .await;

    // The supporter's link is given on request while the case is open.
    let secret = sessions[0]["supporter_link"].as_str().unwrap();
    let supporter_link = format!("/v1/cases/{code}/supporter-link");
    let (status, _, body) = ask(
        &desk.scene,
        Some(&desk.itil),
        Method::GET,
        &supporter_link,
        None,
    )
    .await;
    assert!(
        status == 200 && body.to_string().contains(secret),
        "{status} {body}"
    );
    let (status, _) = desk
        .call(&desk.history_user, Method::GET, &supporter_link, None)
        .await;
    assert_eq!(status, 403);

    // Closed: three connections, of which one is told late and one ends late.
    let start = hours_ago(1);
    let soon = Timestamp::now() + SignedDuration::from_secs(25);
    let record = |number, fields: Value| {
        with(
            with(connection(&desk, number, 1), json!({"session_code": code})),
            fields,
        )
    };
    let end = start + SignedDuration::from_mins(10);
    desk.company
        .put_connections(&json!([
            record(11, json!({})),
            record(12, json!({"visible_at": soon})),
            record(13, json!({"end_date": end, "end_visible_at": soon})),
        ]))
        .await
        .unwrap();
    desk.post(&desk.itil, &format!("/v1/cases/{code}/close"), json!({}))
        .await;
    let of_task = desk.of_task(number, "connections");
    eventually(
        "all three are there, and have ended",
        LONG * 3,
        async || {
            let page = desk.get(&desk.itil, &of_task).await;
            let found = page["connections"].as_array().unwrap().clone();
            let ended = found.iter().filter(|one| one["ended_at"].is_string());
            (ended.count() == 3).then_some(())
        },
    )
    .await;
    eventually("a workflow has heard of the end", LONG, async || {
        (desk.scene.stack.runs_of(&workflow).await.len() == 2).then_some(())
    })
    .await;

    // It is nowhere else.
    for table in [
        "TeamViewerTable",
        "ConnectionsTable",
        "EventsTable",
        "RunsTable",
    ] {
        let rows = desk
            .scene
            .stack
            .dynamodb()
            .scan()
            .table_name(desk.scene.stack.output(table))
            .all_items()
            .await
            .unwrap();
        assert!(!json!(rows).to_string().contains(secret), "{table}");
    }
    assert!(!mails.to_string().contains(secret));
    let log = log();
    assert!(log.contains("connections of a case"), "nobody logs");
    for private in [secret, "dot@example.com", "Dot Caller", "Screen $"] {
        let line = log.lines().find(|line| line.contains(private));
        assert_eq!(line, None, "{private}");
    }
}

#[tokio::test]
async fn open_cases_are_listed_by_columns_with_one_poll_for_all_viewers() {
    let cases = json!({"columns": ["code", "online", "customer_name"], "refresh_seconds": 3600});
    let days_ago = |days: i64| Timestamp::now() - SignedDuration::from_hours(24 * days);
    let company = json!({"sessions": [
        {"code": "s100-000-001", "groupid": "g7", "end_customer": {"name": "Ann"}},
        {"code": "s100-000-002", "groupid": "g7", "valid_until": days_ago(29), "created_at": days_ago(30)},
        {"code": "s100-000-004", "groupid": "g7", "valid_until": days_ago(31), "created_at": days_ago(32)},
        {"code": "s100-000-003", "groupid": "g7", "state": "closed"},
    ]});
    let desk = Desk::new("tv-list", company, json!({}), cases).await;
    let pages =
        futures_util::future::join_all((0..10).map(|_| desk.get(&desk.itil, "/v1/cases"))).await;
    assert_eq!(desk.calls("GET", "/sessions").await, 1);
    // Whoever came while the first one asked was shown what there was.
    let named = |list: &Value, code: &str| {
        let cases = list.as_array().unwrap().iter();
        cases.clone().find(|case| case["code"] == code).cloned()
    };
    let shown = |page: &&Value| named(&page["cases"], "s100-000-001").is_some();
    assert!(pages.iter().any(|page| shown(&page)), "{pages:#?}");
    let page = desk.get(&desk.itil, "/v1/cases").await;
    assert_eq!(
        named(&page["cases"], "s100-000-001").unwrap(),
        json!({"code": "s100-000-001", "online": false, "customer_name": "Ann"})
    );
    assert!(named(&page["cases"], "s100-000-002").is_none(), "{page:#}");
    assert!(
        named(&page["expired"], "s100-000-002").is_some(),
        "{page:#}"
    );
    assert!(named(&page["cases"], "s100-000-003").is_none(), "{page:#}");
    assert!(!page.to_string().contains("s100-000-004"), "{page:#}");
    assert_eq!(page["columns"], json!(["code", "online", "customer_name"]));
    let listed = closedloop(&["cases", "list"]).await;
    assert!(
        listed.contains("s100-000-001") && listed.contains("Ann"),
        "{listed}"
    );
    assert_eq!(desk.calls("GET", "/sessions").await, 1);
}

#[tokio::test]
async fn case_without_a_connection_ends_quietly_and_sessions_of_workflows_are_made_once() {
    let desk = Desk::new("tv-task", json!({}), json!({}), json!({})).await;
    let tasks = json!([{"id": "case", "kind": "teamviewer.create_session", "account": "$teamviewer", "input": {
        "group": "Service Desk", "description": "{{ event.data.text }}", "customer_email": "eve@example.com",
        "task": {"instance": desk.scene.id, "table": "incident", "number": "INC0012345"}}}]);
    let workflow = desk.scene.apply("case", None, tasks).await;
    let lost = Fault::new(Action::LoseAnswer).on(Match {
        method: Some("POST".to_owned()),
        path_contains: Some("/sessions".to_owned()),
        ..Match::default()
    });
    desk.company.add_faults(&[lost]).await.unwrap();
    let event = json!({"id": "1", "text": "Please help"});
    let (run, tasks) = desk.scene.send_and_end(&event, &workflow).await;
    assert_eq!(run.state, RunState::Succeeded, "{tasks:#?}");
    let sessions = desk.company.records("sessions").await.unwrap();
    assert_eq!(sessions.len(), 1, "{sessions:#?}");
    let output = tasks["case"].output.clone().unwrap();
    assert_eq!(output["code"], sessions[0]["code"]);
    assert!(!format!("{tasks:?}").contains(sessions[0]["supporter_link"].as_str().unwrap()));
    // Closed in TeamViewer itself: the next look finds out, and asks for its connections.
    let code = output["code"].as_str().unwrap();
    desk.get(&desk.itil, "/v1/cases").await;
    desk.company
        .change_session(code, &json!({"state": "closed"}))
        .await
        .unwrap();
    eventually("its connections are asked for", LONG, async || {
        desk.get(&desk.itil, "/v1/cases").await;
        let requests = desk.company.requests().await.unwrap();
        let asked = requests.iter().any(|request| {
            request.path.ends_with("/reports/connections")
                && request
                    .query
                    .iter()
                    .any(|(name, value)| name == "session_code" && value == code)
        });
        asked.then_some(())
    })
    .await;
    let cases = desk.of_task("INC0012345", "cases");
    let shown = desk.get(&desk.itil, &cases).await;
    assert!(shown.to_string().contains(code), "{shown:#}");
    let connections = desk.of_task("INC0012345", "connections");
    assert_eq!(
        desk.get(&desk.itil, &connections).await["connections"],
        json!([])
    );
}

#[tokio::test]
async fn schedule_fetches_what_is_due_and_nothing_else() {
    let desk = Desk::new(
        "tv-tick",
        json!({}),
        json!({"backfill_from": "2026-01-01"}),
        json!({"watch": true}),
    )
    .await;
    let old = with(
        connection(&desk, 1, 0),
        json!({"start_date": "2026-01-02T10:00:00Z", "end_date": "2026-01-02T11:00:00Z"}),
    );
    desk.company.put_connections(&json!([old])).await.unwrap();
    // Nobody asks for it but the stack's own schedule.
    desk.fetched_after(&Value::Null).await;
    let found = desk.history().await;
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0]["started_at"], "2026-01-02T10:00:00Z");
    let fetched = desk.windows().await;
    eventually("service cases are looked at", LONG, async || {
        (desk.calls("GET", "/sessions").await > 0).then_some(())
    })
    .await;
    desk.tick().await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(desk.windows().await, fetched);
}

#[tokio::test]
async fn supporter_signs_in_once_and_the_case_that_waited_is_created() {
    let desk = Desk::new("tv-sign-in", json!({}), json!({}), json!({})).await;
    let redirect = desk.scene.stack.output("RedirectUrl");
    let company = json!({
        "users": [{"id": "u1001", "name": "Sam Supporter", "email": "sam@example.com"}],
        "groups": [{"id": "g7", "name": "Service Desk"}],
        "script_tokens": [{"token": SCRIPT_TOKEN, "level": "company", "userid": "u1001"}],
        "oauth_clients": [{"client_id": "desk", "client_secret": "desk-secret", "redirect_uris": [redirect], "username": "u1001"}],
    });
    desk.company.create(&company).await.unwrap();
    let pattern = NewAccount {
        name: AccountName::parse(&format!("{}-sign-in", desk.scene.id)).unwrap(),
        ..desk.scene.new_account(Vendor::TeamViewer)
    };
    let client = OauthClient {
        id: "desk".to_owned(),
        secret: Some("desk-secret".into()),
    };
    let accounts = desk.scene.stack.accounts();
    let (random, now) = (startup::random().unwrap(), Timestamp::now());
    accounts
        .begin_connect(pattern.clone(), Some(client), false, random, now)
        .await
        .unwrap();
    let cases = json!({"shared": false, "sign_in_account": pattern.name});
    desk.apply_settings(json!({}), cases).await;

    let incident = desk.incident().await;
    let (status, problem) = desk.create_case(&incident).await;
    assert_eq!(status, 409, "{problem:#}");
    assert!(problem.to_string().contains("sign-in"), "{problem:#}");
    let state = desk.get(&desk.itil, "/v1/teamviewer/sign-in").await;
    assert_eq!(state["state"], "sign_in", "{state:#}");
    let connect = desk
        .post(&desk.itil, "/v1/teamviewer/sign-in", json!({}))
        .await;
    let connect = Connect {
        url: connect["url"].as_str().unwrap().to_owned(),
        redirect_uri: redirect,
        expires_at: connect["expires_at"].as_str().unwrap().parse().unwrap(),
    };
    // An address that was made to pass the question by is asked about all the same.
    let handed_on = format!("{}&agreed=yes", connect.url);
    let question = Browser::new().open(&handed_on).await;
    assert_eq!(question.status, 200, "{}", question.text);
    assert!(
        question.text.contains("as the TeamViewer user of"),
        "{}",
        question.text
    );
    let shown = Browser::new().connect(&connect).await;
    assert_eq!(shown.status, 200, "{}", shown.text);
    // Nobody asks again.
    let session = eventually("the case is created", LONG, async || {
        desk.company.records("sessions").await.unwrap().pop()
    })
    .await;
    assert!(
        session["description"]
            .as_str()
            .unwrap()
            .contains(incident["number"].as_str().unwrap())
    );
    let state = desk.get(&desk.itil, "/v1/teamviewer/sign-in").await;
    assert_eq!(state["state"], "signed_in", "{state:#}");
    // A token that is refused before its time is renewed.
    desk.company.expire_tokens().await.unwrap();
    let (status, case) = desk.create_case(&incident).await;
    assert_eq!(status, 200, "{case:#}");
    let code = session["code"].as_str().unwrap();
    let case = desk.get(&desk.itil, &format!("/v1/cases/{code}")).await;
    assert_eq!(case["code"], code);
    let tokens = desk.company.token_requests().await.unwrap();
    assert!(
        tokens["refresh_token"].succeeded >= 1 && tokens["refresh_token"].refused == 0,
        "{tokens:?}"
    );
    // Signed out at TeamViewer: somebody is asked to sign in again.
    desk.company.expire_tokens().await.unwrap();
    desk.company.revoke_grants().await.unwrap();
    let second = desk
        .at_servicenow(json!({"short_description": "Another one"}))
        .await;
    // A refused token is renewed once in a while only, so it may take a minute to find out.
    eventually("somebody must sign in again", LONG * 2, async || {
        let (status, problem) = desk.create_case(&second).await;
        assert!(status == 409 || status == 503, "{status} {problem:#}");
        let state = desk.get(&desk.itil, "/v1/teamviewer/sign-in").await;
        (state["state"] == "sign_in_again").then_some(())
    })
    .await;
}
