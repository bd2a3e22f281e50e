//! The tables' write conditions, on a real DynamoDB API.

use std::time::Duration;

use domain::run::{self, Attempt, AttemptOutcome};
use domain::{CloudEvent, Run, RunState, TaskName, TaskRun, TaskState, Workflow, definition};
use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::{Value, json};
use store::{
    Applied, AttemptEnd, Begun, Claim, Decision, Ended, Error, EventRecord, Intake, Order, Outcome,
    Period, Replayed, Reruns, StoredEvent, ToClaim,
};

use crate::scene::Stack;

fn unique(prefix: &str) -> String {
    format!(
        "{prefix}-{}",
        Timestamp::now().as_nanosecond() % 1_000_000_000_000
    )
}

fn workflow(id: &str, event_type: &str, subject: Option<&str>) -> Workflow {
    let mut document = json!({
        "id": id, "name": "W", "trigger": {"event": {"type": event_type}},
        "tasks": [
            {"id": "first", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "x"}},
            {"id": "second", "kind": "zendesk.create_ticket", "account": "zd", "needs": ["first"], "input": {"comment": "y"}}
        ]
    });
    if let Some(subject) = subject {
        document["trigger"]["event"]["subject"] = json!(subject);
    }
    definition::workflow(&document).unwrap()
}

fn event(id: &str) -> CloudEvent {
    serde_json::from_value(json!({"specversion": "1.0", "id": id, "source": "/test", "type": "t"}))
        .unwrap()
}

struct Begin {
    stack: Stack,
    intake: Intake,
    record: EventRecord,
    run: Run,
    tasks: Vec<TaskRun>,
}

async fn begin(prefix: &str) -> Begin {
    let stack = Stack::find().await;
    let intake = Intake::new(
        stack.dynamodb(),
        stack.output("RunsTable"),
        stack.output("EventsTable"),
        7,
        7,
    );
    let event = event(&unique(prefix));
    let now = Timestamp::now();
    let (run, tasks) = run::begin(
        &workflow(&unique(prefix), "t", None),
        1,
        &event,
        Value::Null,
        now,
    );
    let outcome = Outcome::Started {
        run: run.id.clone(),
    };
    let decisions = vec![Decision {
        workflow: run.workflow.clone(),
        revision: 1,
        outcome,
        trace: None,
    }];
    let record = EventRecord {
        event,
        evaluated_at: now,
        decisions,
    };
    assert_eq!(
        intake
            .begin(&record, &[(run.clone(), tasks.clone())])
            .await
            .unwrap(),
        Begun::Created
    );
    Begin {
        stack,
        intake,
        record,
        run,
        tasks,
    }
}

fn attempt(number: u32) -> Attempt {
    let now = Timestamp::now();
    Attempt {
        number,
        started_at: now,
        ended_at: now,
        outcome: AttemptOutcome::Retry,
        message: None,
        calls: Vec::new(),
    }
}

fn name(text: &str) -> TaskName {
    TaskName::parse(text).unwrap()
}

fn after(seconds: i64) -> Timestamp {
    Timestamp::now() + jiff::SignedDuration::from_secs(seconds)
}

#[tokio::test]
async fn event_and_its_runs_are_stored_once_and_read_back_as_they_were() {
    let begun = begin("intake").await;
    let again = begun
        .intake
        .begin(&begun.record, &[(begun.run.clone(), begun.tasks.clone())])
        .await
        .unwrap();
    assert_eq!(again, Begun::Repeated);
    let (run, tasks) = begun
        .stack
        .runs()
        .get(&begun.run.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((run, tasks), (begun.run.clone(), begun.tasks));
    let stored = begun
        .stack
        .events()
        .get(&begun.run.event)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (stored.event, stored.decisions),
        (begun.record.event, begun.record.decisions)
    );
    let listed = begun.stack.runs_of(&begun.run.workflow).await;
    assert_eq!(listed, [begun.run]);
}

#[tokio::test]
async fn event_with_more_runs_than_one_transaction_holds_is_stored_whole() {
    let stack = Stack::find().await;
    let intake = Intake::new(
        stack.dynamodb(),
        stack.output("RunsTable"),
        stack.output("EventsTable"),
        7,
        7,
    );
    let event = event(&unique("large"));
    let runs: Vec<(Run, Vec<TaskRun>)> = (0..60)
        .map(|n| {
            run::begin(
                &workflow(&format!("{}-{n}", unique("w")), "t", None),
                1,
                &event,
                Value::Null,
                Timestamp::now(),
            )
        })
        .collect();
    let record = EventRecord {
        event,
        evaluated_at: Timestamp::now(),
        decisions: Vec::new(),
    };
    assert_eq!(intake.begin(&record, &runs).await.unwrap(), Begun::Created);
    for (run, tasks) in &runs {
        assert_eq!(
            stack.runs().get(&run.id).await.unwrap().unwrap(),
            (run.clone(), tasks.clone())
        );
    }
    assert_eq!(intake.begin(&record, &runs).await.unwrap(), Begun::Repeated);
}

#[tokio::test]
async fn task_is_claimed_by_one_of_many() {
    let begun = begin("claim").await;
    let runs = begun.stack.runs();
    let claims = join_all((0..20).map(|n| {
        let (runs, run) = (runs.clone(), begun.run.id.clone());
        async move {
            runs.claim(
                &run,
                &name("first"),
                &format!("owner-{n}"),
                Timestamp::now(),
                after(60),
            )
            .await
            .unwrap()
        }
    }))
    .await;
    let claimed = claims
        .iter()
        .filter(|claim| matches!(claim, Claim::Claimed(_)))
        .count();
    let refused = claims
        .iter()
        .filter(|claim| matches!(claim, Claim::NotBefore(_)))
        .count();
    assert_eq!((claimed, refused), (1, 19));
    let waiting = runs
        .claim(
            &begun.run.id,
            &name("second"),
            "x",
            Timestamp::now(),
            after(60),
        )
        .await
        .unwrap();
    assert_eq!(waiting, Claim::NotRequested);
}

#[tokio::test]
async fn claim_that_ran_out_is_taken_over_with_a_look_and_the_first_owner_has_no_say() {
    let begun = begin("lease").await;
    let runs = begun.stack.runs();
    let Claim::Claimed(first) = runs
        .claim(
            &begun.run.id,
            &name("first"),
            "one",
            Timestamp::now(),
            after(1),
        )
        .await
        .unwrap()
    else {
        panic!("not claimed")
    };
    assert!(!first.look_first);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let Claim::Claimed(second) = runs
        .claim(
            &begun.run.id,
            &name("first"),
            "two",
            Timestamp::now(),
            after(60),
        )
        .await
        .unwrap()
    else {
        panic!("not claimed")
    };
    assert!(second.look_first, "the first owner may have written");
    assert_eq!(second.attempts_begun, 2);
    let milliseconds = |task: &TaskRun| task.first_attempt_at.unwrap().as_millisecond();
    assert_eq!(milliseconds(&second), milliseconds(&first));
    let failed = AttemptEnd::Failed {
        look_first: false,
        reason: "too late".to_owned(),
    };
    let late = runs.end_attempt(&first, "one", attempt(1), &failed).await;
    assert!(matches!(late, Err(Error::Conflict { .. })), "{late:?}");
    let done = AttemptEnd::Succeeded {
        output: json!({"id": 7}).as_object().unwrap().clone(),
        link: Some("l".to_owned()),
        warnings: vec!["w".to_owned()],
    };
    runs.end_attempt(&second, "two", attempt(2), &done)
        .await
        .unwrap();
    let Claim::Ended(task) = runs
        .claim(
            &begun.run.id,
            &name("first"),
            "three",
            Timestamp::now(),
            after(60),
        )
        .await
        .unwrap()
    else {
        panic!("not ended")
    };
    assert_eq!(
        (
            task.state,
            task.output.unwrap()["id"].clone(),
            task.warnings.len()
        ),
        (TaskState::Succeeded, json!(7), 1)
    );
}

#[tokio::test]
async fn retry_is_not_claimed_before_its_time_and_remembers_that_it_must_look() {
    let begun = begin("retry").await;
    let runs = begun.stack.runs();
    let claim = async |owner: &'static str| {
        runs.claim(
            &begun.run.id,
            &name("first"),
            owner,
            Timestamp::now(),
            after(60),
        )
        .await
        .unwrap()
    };
    let Claim::Claimed(task) = claim("one").await else {
        panic!("not claimed")
    };
    let at = after(4);
    let retry = AttemptEnd::Retry {
        at,
        look_first: true,
        reason: "lost".to_owned(),
    };
    runs.end_attempt(&task, "one", attempt(1), &retry)
        .await
        .unwrap();
    let Claim::NotBefore(until) = claim("two").await else {
        panic!("claimed too early")
    };
    assert_eq!(until.as_millisecond(), at.as_millisecond());
    tokio::time::sleep(Duration::from_millis(4100)).await;
    let Claim::Claimed(task) = claim("three").await else {
        panic!("not claimed")
    };
    assert!(task.look_first);
    let retry = AttemptEnd::Retry {
        at: Timestamp::now(),
        look_first: false,
        reason: "throttled".to_owned(),
    };
    runs.end_attempt(&task, "three", attempt(2), &retry)
        .await
        .unwrap();
    let Claim::Claimed(task) = claim("four").await else {
        panic!("not claimed")
    };
    assert!(task.look_first, "the first attempt's doubt is still there");
    assert_eq!(task.attempts.len(), 2);
}

#[tokio::test]
async fn run_moves_on_once() {
    let begun = begin("settle").await;
    let runs = begun.stack.runs();
    let (mut run, mut tasks) = runs.get(&begun.run.id).await.unwrap().unwrap();
    tasks[0].state = TaskState::Failed;
    let settled = run::settle(&run, &mut tasks, Some(&begun.record.event));
    run.state = settled.finished.unwrap();
    run.finished_at = Some(Timestamp::now());
    runs.settle(&run, &[&tasks[1]]).await.unwrap();
    assert!(matches!(
        runs.settle(&run, &[&tasks[1]]).await,
        Err(Error::Conflict { .. })
    ));
    let (stored, stored_tasks) = runs.get(&run.id).await.unwrap().unwrap();
    assert_eq!(
        (stored.state, stored_tasks[1].state),
        (RunState::Failed, TaskState::Skipped)
    );
    assert!(stored.finished_at.is_some() && stored_tasks[1].reason.is_some());
}

fn reruns(stack: &Stack) -> Reruns {
    let (runs, events) = (stack.output("RunsTable"), stack.output("EventsTable"));
    Reruns::new(stack.dynamodb(), runs, events, 7)
}

/// A replay of the test's event under this name, with the keys of the first run.
fn replay_of(begun: &Begin, seen: &StoredEvent, name: &str) -> (Replayed, Run, Vec<TaskRun>) {
    let replay = domain::run::Replay {
        id: domain::ReplayId::parse(name).unwrap(),
        new_keys: false,
    };
    let workflow = workflow(begun.run.workflow.as_str(), "t", None);
    let now = Timestamp::now();
    let record = &seen.record;
    let (run, tasks) = run::begin_replay(&workflow, 2, record, Value::Null, replay.clone(), now);
    let replayed = Replayed {
        workflow: run.workflow.clone(),
        revision: 2,
        run: run.id.clone(),
        replay: replay.id,
        new_keys: false,
        at: now,
    };
    (replayed, run, tasks)
}

#[tokio::test]
async fn replay_is_begun_by_one_of_many_and_its_tasks_know_of_earlier_attempts() {
    let begun = begin("replay").await;
    let seen = begun
        .stack
        .events()
        .read(&begun.run.event)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((seen.replays.len(), seen.opened), (0, 0));
    let reruns = reruns(&begun.stack);
    let tries = join_all((0..8).map(|n| {
        let (reruns, seen) = (reruns.clone(), seen.clone());
        let (replayed, run, tasks) = replay_of(&begun, &seen, &format!("r{n}"));
        async move { reruns.begin(&seen, replayed, &run, &tasks).await }
    }))
    .await;
    let begun_by = tries.iter().filter(|tried| tried.is_ok()).count();
    let refused = |tried: &&Result<(), Error>| matches!(tried, Err(Error::Conflict { .. }));
    // DynamoDB may refuse transactions that meet each other in other words, too; never are two written.
    assert_eq!(begun_by, 1, "{tries:?}");
    assert!(tries.iter().filter(refused).count() > 0, "{tries:?}");

    let seen = begun
        .stack
        .events()
        .read(&begun.run.event)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((seen.replays.len(), seen.opened), (1, 1));
    assert_eq!(
        seen.record.decisions, begun.record.decisions,
        "the first time stays as it was"
    );
    let runs = begun.stack.runs();
    let id = &seen.replays[0].run;
    let (run, tasks) = runs.get(id).await.unwrap().unwrap();
    assert_eq!(
        run.replay.as_ref().map(|replay| &replay.id),
        Some(&seen.replays[0].replay)
    );
    assert_eq!(runs.head(id).await.unwrap(), Some(run));
    assert_eq!(tasks[0].key, begun.tasks[0].key);
    let claim = runs
        .claim(id, &name("first"), "one", Timestamp::now(), after(60))
        .await;
    let Claim::Claimed(task) = claim.unwrap() else {
        panic!("not claimed")
    };
    assert!(task.look_first);
    let looked_for_from = task.first_ever_at.unwrap().as_millisecond();
    assert_eq!(looked_for_from, begun.record.evaluated_at.as_millisecond());
}

#[tokio::test]
async fn failed_run_is_not_reopened_by_whoever_has_not_seen_the_last_replay() {
    let begun = begin("reopen").await;
    let (runs, reruns) = (begun.stack.runs(), reruns(&begun.stack));
    let (mut run, mut tasks) = runs.get(&begun.run.id).await.unwrap().unwrap();
    tasks[0].state = TaskState::Failed;
    let settled = run::settle(&run, &mut tasks, Some(&begun.record.event));
    run.state = settled.finished.unwrap();
    run.finished_at = Some(Timestamp::now());
    runs.settle(&run, &[&tasks[1]]).await.unwrap();
    let before = begun
        .stack
        .events()
        .read(&run.event)
        .await
        .unwrap()
        .unwrap();
    let (replayed, other, its_tasks) = replay_of(&begun, &before, "r1");
    reruns
        .begin(&before, replayed, &other, &its_tasks)
        .await
        .unwrap();
    run.state = RunState::Running;
    let changed = [(&tasks[1], TaskState::Skipped)];
    let late = reruns.reopen(Some(&before), &run, &changed).await;
    assert!(matches!(late, Err(Error::Conflict { .. })), "{late:?}");
    let seen = begun
        .stack
        .events()
        .read(&run.event)
        .await
        .unwrap()
        .unwrap();
    reruns.reopen(Some(&seen), &run, &changed).await.unwrap();
    let (stored, _) = runs.get(&run.id).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.reopened), (RunState::Running, 1));
}

#[tokio::test]
async fn period_is_listed_page_by_page_in_either_order_with_every_row_once() {
    let stack = Stack::find().await;
    let intake = Intake::new(
        stack.dynamodb(),
        stack.output("RunsTable"),
        stack.output("EventsTable"),
        20_000,
        20_000,
    );
    // Long ago, where no other test is: two days, with an empty one between them.
    let shift = Timestamp::now().as_millisecond() % 80_000_000;
    let first = "2001-03-01T00:00:00Z".parse::<Timestamp>().unwrap();
    let first = first + jiff::SignedDuration::from_millis(shift);
    let workflow = workflow(&unique("period"), "t", None);
    let mut expected = Vec::new();
    for n in 0..9 {
        let event = event(&unique(&format!("period-{n}")));
        let day = jiff::SignedDuration::from_hours(if n < 5 { 0 } else { 48 });
        let at = first + day + jiff::SignedDuration::from_millis(n / 2);
        let (run, tasks) = run::begin(&workflow, 1, &event, Value::Null, at);
        expected.push((event.key().to_string(), run.id.to_string()));
        let record = EventRecord {
            event,
            evaluated_at: at,
            decisions: Vec::new(),
        };
        intake.begin(&record, &[(run, tasks)]).await.unwrap();
    }
    expected.sort();
    let period = Period {
        since: first,
        until: first + jiff::SignedDuration::from_hours(49),
    };
    for order in [Order::OldestFirst, Order::NewestFirst] {
        for of in [None, Some(&workflow.id)] {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let runs = stack.runs();
                let page = runs
                    .of_period(of, period, order, after.as_ref(), 2)
                    .await
                    .unwrap();
                assert!(page.items.len() <= 2);
                found.extend(page.items);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            let times: Vec<Timestamp> = found.iter().map(|run| run.started_at).collect();
            let ascending = order == Order::OldestFirst;
            assert!(times.is_sorted_by(|a, b| if ascending { a <= b } else { a >= b }));
            let mut ids: Vec<String> = found.iter().map(|run| run.id.to_string()).collect();
            ids.sort();
            let mut all: Vec<String> = expected.iter().map(|(_, run)| run.clone()).collect();
            all.sort();
            assert_eq!(ids, all, "{order:?} {of:?}");
        }
        let (mut keys, mut after) = (Vec::new(), None);
        loop {
            let events = stack.events();
            let page = events
                .of_period(period, order, after.as_ref(), 2)
                .await
                .unwrap();
            keys.extend(page.items.iter().map(|entry| entry.key.to_string()));
            assert!(
                page.items
                    .iter()
                    .all(|entry| entry.kind == "t" && entry.source == "/test")
            );
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        keys.sort();
        let all: Vec<String> = expected.iter().map(|(event, _)| event.clone()).collect();
        assert_eq!(keys, all, "{order:?}");
    }
}

#[tokio::test]
async fn workflow_is_found_by_what_it_listens_to_and_by_nothing_else() {
    let stack = Stack::find().await;
    let workflows = stack.workflows();
    let (kind, other) = (unique("type"), unique("other"));
    let (a, b) = (unique("a"), unique("b"));
    let now = Timestamp::now();
    let found = async |kind: &str, subject: Option<&str>| -> Vec<String> {
        let found = workflows.listening(kind, subject).await.unwrap();
        found
            .workflows
            .iter()
            .map(|stored| stored.workflow.id.to_string())
            .collect()
    };
    assert_eq!(
        workflows
            .apply(&workflow(&a, &kind, None), now)
            .await
            .unwrap(),
        Applied::Created { revision: 1 }
    );
    assert_eq!(
        workflows
            .apply(&workflow(&a, &kind, None), now)
            .await
            .unwrap(),
        Applied::Unchanged { revision: 1 }
    );
    workflows
        .apply(&workflow(&b, &kind, Some("shop#1")), now)
        .await
        .unwrap();
    assert_eq!(found(&kind, None).await, [a.clone()]);
    assert_eq!(
        found(&kind, Some("shop")).await,
        [a.clone()],
        "a subject is not a prefix"
    );
    assert_eq!(found(&kind, Some("shop#1")).await, [a.clone(), b.clone()]);
    assert_eq!(found(&other, None).await, Vec::<String>::new());

    assert_eq!(
        workflows
            .apply(&workflow(&a, &other, None), now)
            .await
            .unwrap(),
        Applied::Updated { revision: 2 }
    );
    assert_eq!(
        (found(&kind, None).await, found(&other, None).await),
        (vec![], vec![a.clone()])
    );
    let mut off = workflow(&a, &other, None);
    off.enabled = false;
    workflows.apply(&off, now).await.unwrap();
    assert_eq!(found(&other, None).await, Vec::<String>::new());
    assert!(workflows.delete(&off.id).await.unwrap());
    assert!(!workflows.delete(&off.id).await.unwrap());
    let again = workflows
        .apply(&workflow(&a, &kind, None), now)
        .await
        .unwrap();
    assert_eq!(
        again,
        Applied::Created { revision: 4 },
        "a revision's number is used once"
    );
}

#[tokio::test]
async fn tasks_of_a_batch_are_claimed_and_ended_together_but_each_on_its_own_conditions() {
    let some = [
        begin("batch-a").await,
        begin("batch-b").await,
        begin("batch-c").await,
    ];
    let runs = some[0].stack.runs();
    let (first, second) = (name("first"), name("second"));
    let taken = runs
        .claim(
            &some[1].run.id,
            &first,
            "other",
            Timestamp::now(),
            after(60),
        )
        .await
        .unwrap();
    assert!(matches!(taken, Claim::Claimed(_)));
    let to_claim = |begun: usize, task| ToClaim {
        run: &some[begun].run.id,
        task,
        owner: "me",
    };
    let wanted = [
        to_claim(0, &first),
        to_claim(1, &first),
        to_claim(2, &first),
        to_claim(0, &second),
        to_claim(2, &first),
    ];
    let claims = runs.claim_each(&wanted, Timestamp::now(), after(60)).await;
    let [
        Some(Ok(Claim::Claimed(one))),
        Some(Ok(Claim::NotBefore(_))),
        Some(Ok(Claim::Claimed(other))),
        Some(Ok(Claim::NotRequested)),
        None,
    ] = claims.as_slice()
    else {
        panic!("{claims:#?}")
    };
    let done = AttemptEnd::Succeeded {
        output: json!({"id": 7}).as_object().unwrap().clone(),
        link: None,
        warnings: Vec::new(),
    };
    let attempt = attempt(1);
    let ended = |task, owner| Ended {
        task,
        owner,
        attempt: &attempt,
        end: &done,
    };
    let results = runs
        .end_each(&[ended(one, "me"), ended(other, "somebody else")])
        .await;
    assert!(
        matches!(results.as_slice(), [Ok(()), Err(Error::Conflict { .. })]),
        "{results:?}"
    );
    let wanted: Vec<_> = some
        .iter()
        .map(|begun| (begun.run.id.clone(), vec![first.clone()]))
        .collect();
    let read = runs.get_each(&wanted).await;
    for (read, begun) in read.into_iter().zip(&some) {
        let alone = runs.get(&begun.run.id).await.unwrap();
        assert_eq!(read.unwrap(), alone);
    }
    let (_, tasks) = runs.get(&some[0].run.id).await.unwrap().unwrap();
    assert_eq!(tasks[0].state, TaskState::Succeeded);
    let (_, tasks) = runs.get(&some[2].run.id).await.unwrap().unwrap();
    assert_eq!(tasks[0].state, TaskState::Running);
}
