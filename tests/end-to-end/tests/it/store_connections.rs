//! The write conditions of connections and their histories, on a real DynamoDB API.

use std::collections::BTreeSet;

use domain::{AccountName, Connection, ConnectionId, TaskReference};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use store::{Asked, Connections, Histories, Order, Page, Period, Place, StoredHistory};

use crate::scene::Stack;

/// A number that no other test has.
fn unique() -> i64 {
    let nanoseconds = Timestamp::now().as_nanosecond() % 1_000_000_000_000;
    i64::try_from(nanoseconds).unwrap()
}

/// The beginning of a day long ago that no other test has, in all likelihood.
fn long_ago() -> Timestamp {
    let day = unique() / 1_000 % 18_000;
    Timestamp::from_second(day * 86_400).unwrap()
}

fn connections(stack: &Stack) -> Connections {
    Connections::new(stack.dynamodb(), stack.output("ConnectionsTable"))
}

fn histories(stack: &Stack) -> Histories {
    Histories::new(stack.dynamodb(), stack.output("TeamViewerTable"))
}

fn connection(id: &str, started_at: Timestamp) -> Connection {
    serde_json::from_value(json!({"id": id, "account": "tv", "started_at": started_at})).unwrap()
}

fn after(start: Timestamp, seconds: i64) -> Timestamp {
    start + SignedDuration::from_secs(seconds)
}

fn ids(page: &Page<Connection>) -> Vec<String> {
    page.items.iter().map(|one| one.id.to_string()).collect()
}

#[tokio::test]
async fn connection_is_written_by_whoever_has_seen_its_last_version() {
    let stack = Stack::find().await;
    let table = connections(&stack);
    let mut one = connection(&format!("v-{}", unique()), long_ago());
    assert_eq!(table.get(&one.id).await.unwrap(), None);
    assert_eq!(table.put(&one, None, false).await.unwrap(), Some(1));
    assert_eq!(table.put(&one, None, false).await.unwrap(), None);
    one.ended_at = Some(one.started_at);
    let puts = (0..10).map(|_| table.put(&one, Some(1), false));
    let written: Vec<u64> = join_all(puts)
        .await
        .into_iter()
        .filter_map(Result::unwrap)
        .collect();
    assert_eq!(written, [2]);
    // Of another version nothing is noted.
    assert!(!table.told(&one.id, 1).await.unwrap());
    assert!(table.told(&one.id, 2).await.unwrap());
    let stored = table.get(&one.id).await.unwrap().unwrap();
    assert_eq!((stored.version, stored.told), (3, true));
    assert_eq!(stored.connection, one);
}

#[tokio::test]
async fn connections_are_known_by_the_hundreds() {
    let stack = Stack::find().await;
    let table = connections(&stack);
    let (run, start) = (unique(), long_ago());
    let all: Vec<Connection> = (0..250)
        .map(|number| connection(&format!("k-{run}-{number}"), after(start, number)))
        .collect();
    for some in all.chunks(25) {
        let puts = some.iter().map(|one| table.put(one, None, false));
        for put in join_all(puts).await {
            assert_eq!(put.unwrap(), Some(1));
        }
    }
    let mut wanted: Vec<ConnectionId> = all.iter().map(|one| one.id.clone()).collect();
    wanted.push(ConnectionId::parse(&format!("k-{run}-none")).unwrap());
    // Twice the same is no fault.
    wanted.push(all[0].id.clone());
    let known = table.known(&wanted).await.unwrap();
    let found: BTreeSet<&ConnectionId> = known.rows.keys().collect();
    assert_eq!(found, all.iter().map(|one| &one.id).collect());
    assert_eq!(table.known(&[]).await.unwrap().rows.len(), 0);
}

#[tokio::test]
async fn connections_are_listed_by_day_by_task_and_while_they_have_no_end() {
    let stack = Stack::find().await;
    let table = connections(&stack);
    let (run, start) = (unique(), long_ago());
    let number = format!("INC{run}");
    let sys_id = format!("{run:032x}");
    let reference = |number: Option<&String>, sys_id: Option<&String>| TaskReference {
        number: number.cloned(),
        sys_id: sys_id.cloned(),
        ..TaskReference::default()
    };
    // The second day begins after the third of them.
    let all: Vec<Connection> = (0..6)
        .map(|index| {
            let mut one = connection(&format!("l-{run}-{index}"), after(start, index * 30_000));
            one.ended_at = (index != 4).then_some(one.started_at);
            one.task = match index {
                0 => Some(reference(Some(&number), None)),
                1 => Some(reference(None, Some(&sys_id))),
                2 => Some(reference(Some(&number), Some(&sys_id))),
                // The same number in another instance.
                3 => Some(reference(Some(&number), Some(&"f".repeat(32)))),
                _ => None,
            };
            one
        })
        .collect();
    for one in &all {
        let told = one.ended_at.is_some();
        table.put(one, None, told).await.unwrap().unwrap();
    }
    let names = |indexes: &[i64]| -> Vec<String> {
        let names = indexes.iter().map(|index| format!("l-{run}-{index}"));
        names.collect()
    };
    let period = Period {
        since: start,
        until: after(start, 2 * 86_400),
    };
    for (order, expected) in [
        (Order::OldestFirst, [0, 1, 2, 3, 4, 5]),
        (Order::NewestFirst, [5, 4, 3, 2, 1, 0]),
    ] {
        let (mut seen, mut place): (Vec<String>, Option<Place>) = (Vec::new(), None);
        loop {
            let page = table.in_period(period, order, place.as_ref(), 4).await;
            let page = page.unwrap();
            // Another test may have chosen the same day.
            seen.extend(
                ids(&page)
                    .into_iter()
                    .filter(|id| id.contains(&format!("l-{run}"))),
            );
            place = page.next;
            if place.is_none() {
                break;
            }
        }
        assert_eq!(seen, names(&expected));
    }
    let task = reference(Some(&number), Some(&sys_id));
    for (task, expected) in [
        (&task, vec![2, 1, 0]),
        (&reference(Some(&number), None), vec![3, 2, 0]),
        (&reference(None, Some(&sys_id)), vec![2, 1]),
        (&TaskReference::default(), vec![]),
    ] {
        let (mut seen, mut place): (Vec<String>, Option<Place>) = (Vec::new(), None);
        loop {
            let page = table.of_task(task, period, Order::NewestFirst, place.as_ref(), 1);
            let page = page.await.unwrap();
            seen.extend(ids(&page));
            place = page.next;
            if place.is_none() {
                break;
            }
        }
        assert_eq!(seen, names(&expected), "{task:?}");
    }
    let page = table.unfinished(period, None, 100).await.unwrap();
    let open = page.items.iter().map(|row| row.connection.id.to_string());
    let open: Vec<String> = open.filter(|id| id.contains(&format!("l-{run}"))).collect();
    assert_eq!(open, names(&[4]));
}

#[tokio::test]
async fn history_is_gone_on_with_by_one_of_many() {
    let stack = Stack::find().await;
    let table = histories(&stack);
    let account = AccountName::parse(&format!("history-{}", unique())).unwrap();
    assert_eq!(table.get(&account).await.unwrap(), None);
    let now = Timestamp::now();
    let owners: Vec<String> = (0..10).map(|number| format!("owner-{number}")).collect();
    let until = after(now, 60);
    let starts = owners
        .iter()
        .map(|owner| table.start(&account, owner, now, until));
    let starts: Vec<Option<StoredHistory>> = join_all(starts)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(starts.iter().flatten().count(), 1);
    let winner = starts.iter().position(Option::is_some).unwrap();
    let loser = &owners[(winner + 1) % 10];
    let mut history = starts.into_iter().flatten().next().unwrap().history;
    history.failures = 3;
    assert!(!table.save(&account, loser, &history).await.unwrap());
    assert!(
        table
            .save(&account, &owners[winner], &history)
            .await
            .unwrap()
    );
    // Whoever does not have it cannot give it back.
    table.release(&account, loser).await.unwrap();
    assert!(
        table
            .start(&account, loser, now, until)
            .await
            .unwrap()
            .is_none()
    );
    // When its time is over, somebody else takes it, and the first one stores nothing more.
    let late = after(now, 60);
    let taken = table.start(&account, loser, late, after(late, 60)).await;
    assert_eq!(taken.unwrap().unwrap().history.failures, 3);
    assert!(
        !table
            .save(&account, &owners[winner], &history)
            .await
            .unwrap()
    );
    table.release(&account, loser).await.unwrap();
    let stored = table.get(&account).await.unwrap().unwrap();
    assert_eq!((stored.busy_until, stored.history.failures), (None, 3));
    let all = table.all().await.unwrap();
    assert!(
        all.iter()
            .any(|(name, one)| *name == account && *one == stored)
    );
}

#[tokio::test]
async fn request_stays_until_a_walk_has_brought_what_was_asked_for() {
    let stack = Stack::find().await;
    let table = histories(&stack);
    let account = AccountName::parse(&format!("asked-{}", unique())).unwrap();
    let start = Timestamp::from_second(1_795_262_400).unwrap();
    let asked = |at: i64, since: Option<i64>| Asked {
        at: after(start, at),
        since: since.map(|since| after(start, since)),
    };
    let stored = async || table.get(&account).await.unwrap().unwrap().asked;
    table.ask(&account, &asked(10, None)).await.unwrap();
    assert_eq!(stored().await, Some(asked(10, None)));
    table.ask(&account, &asked(20, Some(-500))).await.unwrap();
    // Neither an older request nor one that reaches less far takes anything back.
    table.ask(&account, &asked(15, Some(-100))).await.unwrap();
    assert_eq!(stored().await, Some(asked(20, Some(-500))));
    for (began, from, answered) in [(19, -500, false), (20, -499, false), (20, -500, true)] {
        let brought = table.answered(&account, after(start, began), after(start, from));
        brought.await.unwrap();
        assert_eq!(stored().await.is_none(), answered, "{began} {from}");
    }
}
