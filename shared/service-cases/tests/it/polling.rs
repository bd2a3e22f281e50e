//! One looks, all see.

use domain::message::{CASE_CLOSED, CASE_ONLINE};
use domain::teamviewer::CaseSettings;
use sandbox::{Action, Fault, Match};
use serde_json::json;
use service_cases::{PollOutcome, Polled};

use crate::stack::{AWS_WORDS, CODE, SECRET, Stack, account, after, case, now, settings};

const SECOND: &str = "s222-222-222";

fn cases() -> CaseSettings {
    settings().cases.unwrap()
}

/// Polls at that second, which must be due.
async fn poll(stack: &Stack, seconds: i64) -> Polled {
    let outcome = stack.cases.poll(&cases(), after(seconds)).await.unwrap();
    let PollOutcome::Polled(polled) = outcome else {
        panic!("{outcome:?}");
    };
    polled
}

#[tokio::test]
async fn first_list_is_no_news_and_later_ones_are() {
    let stack = Stack::new().await;
    let mut online = case(CODE);
    online["online"] = json!(true);
    stack
        .teamviewer
        .put_sessions(&json!([online, case(SECOND)]))
        .await
        .unwrap();
    let first = poll(&stack, 0).await;
    assert_eq!((first.open, first.changed, first.complete), (2, 2, true));
    assert_eq!(stack.aws().events, Vec::<serde_json::Value>::new());

    let online = json!({"online": true});
    stack
        .teamviewer
        .change_session(SECOND, &online)
        .await
        .unwrap();
    let mut third = case("s333-333-333");
    third["online"] = json!(true);
    stack
        .teamviewer
        .put_sessions(&json!([third]))
        .await
        .unwrap();
    assert_eq!(poll(&stack, 30).await.came_online, 2);
    let told = stack.events(CASE_ONLINE);
    let mut subjects: Vec<&str> = told
        .iter()
        .map(|event| event["subject"].as_str().unwrap())
        .collect();
    subjects.sort_unstable();
    assert_eq!(subjects, [SECOND, "s333-333-333"]);
    assert!(!json!(told).to_string().contains(SECRET), "{told:?}");
    assert!(
        !stack.rows().await.contains(SECRET),
        "a supporter's link was stored"
    );

    assert_eq!(
        poll(&stack, 60).await.changed,
        0,
        "nothing is written twice"
    );
    for (second, online) in [(90, false), (120, true)] {
        let change = json!({"online": online});
        stack
            .teamviewer
            .change_session(SECOND, &change)
            .await
            .unwrap();
        assert_eq!(poll(&stack, second).await.changed, 1);
    }
    let told = stack.events(CASE_ONLINE);
    let ids: std::collections::BTreeSet<_> =
        told.iter().map(|event| event["id"].to_string()).collect();
    assert_eq!(
        ids.len(),
        3,
        "coming online again is another event: {ids:?}"
    );
}

#[tokio::test]
async fn two_viewers_ask_once() {
    let stack = Stack::with_case().await;
    let settings = cases();
    let (one, two) = tokio::join!(
        stack.cases.poll(&settings, now()),
        stack.other.poll(&settings, now())
    );
    let outcomes = [one.unwrap(), two.unwrap()];
    let polled = outcomes
        .iter()
        .filter(|one| matches!(one, PollOutcome::Polled(_)));
    assert_eq!(polled.count(), 1, "{outcomes:?}");
    assert_eq!(stack.asked("GET /api/v1/sessions").await, 1);
    let early = stack.other.poll(&settings, after(27)).await.unwrap();
    let PollOutcome::NotDue { as_of, next_at, .. } = early else {
        panic!("{early:?}");
    };
    assert_eq!((as_of, next_at), (Some(now()), Some(after(28))));
    poll(&stack, 30).await;
}

#[tokio::test]
async fn fifty_viewers_cost_what_the_interval_allows() {
    let stack = Stack::with_case().await;
    let settings = cases();
    // For a quarter of an hour, each every half minute, one after the other.
    for second in 0..900 {
        let viewers = (0..50).filter(|viewer| second % 30 == viewer * 30 / 50);
        for _ in viewers {
            stack.cases.poll(&settings, after(second)).await.unwrap();
        }
    }
    let asked = stack.asked("GET /api/v1/sessions").await;
    // Every 28 s at most: 3,086 a day, where 50 viewers by themselves would ask 144,000 times.
    assert!((28..=33).contains(&asked), "{asked}");
}

#[tokio::test]
async fn poll_whose_function_died_is_made_up_for() {
    let stack = Stack::with_case().await;
    // It begins, and never says how it ends.
    stack.aws().down.push("UpdateItem poll");
    stack.cases.poll(&cases(), now()).await.unwrap_err();
    stack.aws().down.clear();
    poll(&stack, 331).await;
}

#[tokio::test]
async fn nobody_lists_while_a_long_function_does() {
    let stack = Stack::new().await;
    let time = std::time::Duration::from_mins(5);
    let invocation = stack.cases.within(now(), time);
    stack
        .teamviewer
        .put_sessions(&json!([case(CODE)]))
        .await
        .unwrap();
    let silence = Fault::new(Action::Hold {
        after_write: true,
        ms: 20_000,
    });
    stack.teamviewer.add_faults(&[silence]).await.unwrap();
    let settings = cases();
    let polling = invocation.poll(&settings, now());
    let killed = tokio::time::timeout(std::time::Duration::from_secs(2), polling).await;
    assert!(killed.is_err());
    let early = stack.other.poll(&settings, after(301)).await.unwrap();
    assert!(matches!(early, PollOutcome::NotDue { .. }), "{early:?}");
    poll(&stack, 330).await;
}

#[tokio::test]
async fn list_from_before_a_close_opens_no_case_again() {
    let stack = Stack::new().await;
    let mut online = case(CODE);
    online["online"] = json!(true);
    stack
        .teamviewer
        .put_sessions(&json!([online.clone()]))
        .await
        .unwrap();
    poll(&stack, 0).await;
    let closed = json!({"state": "closed", "closed_at": after(10)});
    stack
        .teamviewer
        .change_session(CODE, &closed)
        .await
        .unwrap();
    let code = crate::stack::code();
    stack
        .cases
        .close(&code, &account(), after(10))
        .await
        .unwrap();
    let told = stack.aws().events.len();
    answer_lists(&stack, &[json!({"sessions": [{
        "code": CODE, "state": "open", "online": true, "groupid": "g1", "valid_until": "2026-11-23T09:00:00Z",
    }]})])
    .await;
    let polled = poll(&stack, 30).await;
    assert_eq!((polled.open, polled.changed, polled.came_online), (1, 0, 0));
    assert_eq!(stack.aws().events.len(), told);
    let open = stack.cases.open_cases(&account(), after(30)).await.unwrap();
    assert_eq!(open.cases, []);
}

#[tokio::test]
async fn list_with_gaps_does_not_count_as_the_first_one() {
    let stack = Stack::new().await;
    answer_lists(&stack, &[json!({"sessions": [{"state": "open"}]})]).await;
    assert!(!poll(&stack, 0).await.complete);
    let open = stack.cases.open_cases(&account(), now()).await.unwrap();
    assert_eq!(open.as_of, None);
    let mut online = case(CODE);
    online["online"] = json!(true);
    stack
        .teamviewer
        .put_sessions(&json!([online]))
        .await
        .unwrap();
    assert_eq!(poll(&stack, 30).await.came_online, 0);
    assert_eq!(stack.events(CASE_ONLINE).len(), 0);
    let open = stack.cases.open_cases(&account(), after(30)).await.unwrap();
    assert_eq!(open.as_of, Some(after(30)));
}

#[tokio::test]
async fn what_aws_says_of_the_stack_is_for_logs_alone() {
    let stack = Stack::with_case().await;
    poll(&stack, 0).await;
    let online = json!({"online": true});
    stack
        .teamviewer
        .change_session(CODE, &online)
        .await
        .unwrap();
    stack.aws().down.push("PutEvents");
    let error = stack.cases.poll(&cases(), after(30)).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("AccessDeniedException"), "{text}");
    assert!(!text.contains("arn:"), "{text}");
    assert!(startup::chain(&error).contains(AWS_WORDS), "logs say why");
    let open = stack.cases.open_cases(&account(), after(31)).await.unwrap();
    let problem = open.problem.unwrap();
    assert!(
        !problem.contains("AccessDenied") && !problem.contains("arn:"),
        "{problem}"
    );
}

#[tokio::test]
async fn what_was_closed_elsewhere_is_told_and_its_connections_are_fetched() {
    let stack = Stack::new().await;
    stack
        .teamviewer
        .put_sessions(&json!([case(CODE), case(SECOND)]))
        .await
        .unwrap();
    poll(&stack, 0).await;
    let closed = json!({"state": "closed"});
    stack
        .teamviewer
        .change_session(CODE, &closed)
        .await
        .unwrap();
    assert_eq!(poll(&stack, 30).await.closed, 1);
    let [event] = stack.events(CASE_CLOSED).try_into().unwrap();
    assert_eq!(event["subject"], CODE);
    assert_eq!(event["data"]["task"]["number"], "INC0010001");
    let [message] = stack.aws().messages.clone().try_into().unwrap();
    assert_eq!(message["work"]["fetch_case"]["code"], CODE);
    let open = stack.cases.open_cases(&account(), after(30)).await.unwrap();
    let codes: Vec<String> = open
        .cases
        .iter()
        .map(|case| case.code.to_string())
        .collect();
    assert_eq!(codes, [SECOND]);
    poll(&stack, 60).await;
    assert_eq!(stack.events(CASE_CLOSED).len(), 1);
}

#[tokio::test]
async fn crash_between_telling_and_storing_tells_the_same_again() {
    let stack = Stack::with_case().await;
    poll(&stack, 0).await;
    let closed = json!({"state": "closed"});
    stack
        .teamviewer
        .change_session(CODE, &closed)
        .await
        .unwrap();
    stack.aws().down.push("SendMessage");
    stack.cases.poll(&cases(), after(30)).await.unwrap_err();
    stack.aws().down = vec!["PutItem"];
    stack.cases.poll(&cases(), after(200)).await.unwrap_err();
    stack.aws().down.clear();
    assert_eq!(poll(&stack, 400).await.closed, 1);
    let told = stack.events(CASE_CLOSED);
    assert_eq!(told.len(), 3);
    assert!(
        told.iter().all(|event| event["id"] == told[0]["id"]),
        "{told:?}"
    );
    assert_eq!(stack.aws().messages.len(), 2);
}

#[tokio::test]
async fn customer_is_told_of_again_when_the_bus_was_down() {
    let stack = Stack::with_case().await;
    poll(&stack, 0).await;
    let online = json!({"online": true});
    stack
        .teamviewer
        .change_session(CODE, &online)
        .await
        .unwrap();
    stack.aws().down.push("PutEvents");
    let error = stack.cases.poll(&cases(), after(30)).await.unwrap_err();
    assert!(matches!(error, service_cases::Error::Bus { .. }), "{error}");
    stack.aws().down.clear();
    assert_eq!(poll(&stack, 200).await.came_online, 1);
    assert_eq!(stack.events(CASE_ONLINE).len(), 1);
}

#[tokio::test]
async fn list_that_breaks_off_closes_nobody() {
    let stack = Stack::with(json!({"sessions_page_size": 1})).await;
    stack
        .teamviewer
        .put_sessions(&json!([case(CODE), case(SECOND)]))
        .await
        .unwrap();
    poll(&stack, 0).await;
    let fault = Fault::new(Action::Status {
        status: 500,
        headers: std::collections::BTreeMap::new(),
        body: json!({"error": "internal_error"}),
        after_write: false,
    });
    let second_page = Match {
        path_contains: Some("offset=".to_owned()),
        ..Match::default()
    };
    stack
        .teamviewer
        .add_faults(&[fault.on(second_page)])
        .await
        .unwrap();
    let outcome = stack.cases.poll(&cases(), after(30)).await.unwrap();
    let PollOutcome::Failed { problem, next_at } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(next_at >= after(45), "{next_at}");
    assert_eq!(stack.events(CASE_CLOSED).len(), 0);
    let open = stack.cases.open_cases(&account(), after(31)).await.unwrap();
    assert_eq!(
        (open.cases.len(), open.as_of, open.problem),
        (2, Some(now()), Some(problem))
    );
    assert!(poll(&stack, 90).await.complete);
    let open = stack.cases.open_cases(&account(), after(90)).await.unwrap();
    assert_eq!((open.as_of, open.problem), (Some(after(90)), None));
}

#[tokio::test]
async fn company_that_was_asked_too_often_is_left_alone_for_minutes() {
    let stack = Stack::with(json!({"rate_limit": {"calls": 1, "per_seconds": 3600}})).await;
    stack
        .teamviewer
        .put_sessions(&json!([case(CODE)]))
        .await
        .unwrap();
    poll(&stack, 0).await;
    let outcome = stack.cases.poll(&cases(), after(30)).await.unwrap();
    let PollOutcome::Failed { problem, next_at } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(next_at >= after(330), "{next_at}: {problem}");
    let open = stack.cases.open_cases(&account(), after(31)).await.unwrap();
    assert_eq!(open.cases.len(), 1, "viewers see what is stored");
}

#[tokio::test]
async fn expired_case_is_shown_apart_and_stays_open() {
    let stack = Stack::with_case().await;
    poll(&stack, 0).await;
    let day = 24 * 3_600;
    poll(&stack, day).await;
    let open = stack
        .cases
        .open_cases(&account(), after(day))
        .await
        .unwrap();
    assert_eq!((open.cases.len(), open.expired.len()), (0, 1));
    assert_eq!(stack.events(CASE_CLOSED).len(), 0);
}

/// The next lists are these, whatever there is.
async fn answer_lists(stack: &Stack, pages: &[serde_json::Value]) {
    let faults: Vec<Fault> = pages
        .iter()
        .map(|page| {
            let answer = Action::Status {
                status: 200,
                headers: std::collections::BTreeMap::new(),
                body: page.clone(),
                after_write: false,
            };
            Fault::new(answer).on(Match {
                path_contains: Some("full_list".to_owned()),
                ..Match::default()
            })
        })
        .collect();
    stack.teamviewer.add_faults(&faults).await.unwrap();
}

#[tokio::test]
async fn case_that_is_in_no_list_and_open_is_asked_for_now_and_then() {
    let stack = Stack::with_case().await;
    poll(&stack, 0).await;
    for (seconds, closed) in [(30, 0), (60, 0), (640, 0)] {
        answer_lists(&stack, &[json!({"sessions": []})]).await;
        assert_eq!(poll(&stack, seconds).await.closed, closed);
    }
    let requests = stack.teamviewer.requests().await.unwrap();
    let alone = requests
        .iter()
        .filter(|request| request.path.contains(CODE));
    assert_eq!(alone.count(), 2);
    assert_eq!(stack.events(CASE_CLOSED).len(), 0);
}

/// The next answers about the case itself are this, after `skip` others.
async fn answer_alone(stack: &Stack, status: u16, body: serde_json::Value, skip: u32) {
    let answer = Action::Status {
        status,
        headers: std::collections::BTreeMap::new(),
        body,
        after_write: false,
    };
    let alone = Match {
        path_contains: Some(CODE.to_owned()),
        ..Match::method("GET")
    };
    let fault = Fault::new(answer).on(alone).skip(skip);
    stack.teamviewer.add_faults(&[fault]).await.unwrap();
}

/// How often the case was asked for by itself.
async fn asked_alone(stack: &Stack) -> u64 {
    stack.asked(&format!("GET /api/v1/sessions/{CODE}")).await
}

/// The row of the case.
async fn row(stack: &Stack) -> aws::dynamodb::Item {
    let rows = stack.tables.scan().table_name("teamviewer_table");
    let rows = rows.all_items().await.unwrap();
    let is_case = |row: &&aws::dynamodb::Item| row["sk"].as_s().unwrap() == "case";
    rows.iter().find(is_case).unwrap().clone()
}

#[tokio::test]
async fn case_that_is_closed_while_a_poll_fails_to_ask_for_it_stays_closed() {
    let mut online = case(CODE);
    online["online"] = json!(true);
    let stack = Stack::with(json!({"sessions": [online]})).await;
    poll(&stack, 0).await;
    let slowly = Fault::new(Action::Delay { ms: 1_000 }).on(Match {
        path_contains: Some("full_list".to_owned()),
        ..Match::default()
    });
    stack.teamviewer.add_faults(&[slowly]).await.unwrap();
    // Closing reads the case once, the poll after that.
    answer_alone(&stack, 500, json!({"error": "internal_error"}), 1).await;
    let code = crate::stack::code();
    let account = account();
    let (polled, ()) = tokio::join!(poll(&stack, 30), async {
        while stack.asked("GET /api/v1/sessions").await < 2 {
            tokio::task::yield_now().await;
        }
        let closed = stack.other.close(&code, &account, after(30));
        closed.await.unwrap();
    });
    assert!(polled.complete);
    assert_eq!(asked_alone(&stack).await, 2);
    let open = stack.cases.open_cases(&account, after(31)).await.unwrap();
    assert_eq!(open.cases, []);
    poll(&stack, 60).await;
    assert_eq!(stack.events(CASE_ONLINE), Vec::<serde_json::Value>::new());
    assert_eq!(stack.events(CASE_CLOSED).len(), 1);
}

/// A stack that knows an open case by somebody's account, which they have signed out of.
async fn seen_by_somebody_who_is_gone() -> Stack {
    let mut anns = case(CODE);
    anns["assigned_userid"] = json!("u1001");
    let stack = Stack::with(json!({"sessions": [anns]})).await;
    let ann = stack.sign_in("ann").await;
    let code = crate::stack::code();
    stack.cases.case(&code, &ann, now()).await.unwrap();
    poll(&stack, 0).await;
    let accounts = stack.tables.delete_item().table_name("accounts_table");
    let name = aws::dynamodb::AttributeValue::S(ann.to_string());
    accounts.key("name", name).send().await.unwrap();
    stack
}

#[tokio::test]
async fn case_of_somebody_who_signed_out_is_noticed_as_closed() {
    let stack = Box::pin(seen_by_somebody_who_is_gone()).await;
    let closed = json!({"state": "closed"});
    stack
        .teamviewer
        .change_session(CODE, &closed)
        .await
        .unwrap();
    let outcome = stack.other.poll(&cases(), after(30)).await.unwrap();
    assert!(
        matches!(&outcome, PollOutcome::Polled(polled) if polled.closed == 1),
        "{outcome:?}"
    );
    let [event] = stack.events(CASE_CLOSED).try_into().unwrap();
    assert_eq!(event["source"], "/teamviewer/tv-ann");
}

#[tokio::test]
async fn case_that_the_companys_account_cannot_see_is_not_taken_for_closed() {
    let stack = Box::pin(seen_by_somebody_who_is_gone()).await;
    answer_lists(&stack, &[json!({"sessions": []})]).await;
    answer_alone(&stack, 404, json!({"error": "not_found"}), 0).await;
    let outcome = stack.other.poll(&cases(), after(30)).await.unwrap();
    let PollOutcome::Polled(polled) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!((polled.complete, polled.closed), (true, 0));
    let asked = asked_alone(&stack).await;
    answer_lists(&stack, &[json!({"sessions": []})]).await;
    stack.other.poll(&cases(), after(60)).await.unwrap();
    assert_eq!(
        asked_alone(&stack).await,
        asked,
        "it is left alone for a while"
    );
    let open = stack.other.open_cases(&account(), after(60)).await.unwrap();
    assert_eq!(open.cases.len(), 1);
}

#[tokio::test]
async fn missed_case_is_asked_for_once_a_day_when_its_time_is_over_and_not_after_a_month() {
    let stack = Stack::with_case().await;
    poll(&stack, 0).await;
    let kept = row(&stack).await["expires_at"].clone();
    let hour = 3_600;
    let day = 24 * hour;
    // Its time is over half an hour before the first day is.
    for (seconds, asked) in [
        (day, 1),
        (day + hour, 1),
        (2 * day - hour, 1),
        (2 * day, 2),
        (29 * day, 3),
        (31 * day, 3),
        (40 * day, 3),
    ] {
        answer_lists(&stack, &[json!({"sessions": []})]).await;
        let polled = poll(&stack, seconds).await;
        assert_eq!((polled.complete, polled.closed), (true, 0));
        assert_eq!(asked_alone(&stack).await, asked, "{}", seconds / hour);
        assert_eq!(row(&stack).await["expires_at"], kept, "{}", seconds / hour);
        let account = account();
        let open = stack.cases.open_cases(&account, after(seconds));
        let shown = usize::from(seconds < 30 * day);
        assert_eq!(open.await.unwrap().expired.len(), shown);
    }
    assert!(!row(&stack).await.contains_key("open"));
    // TeamViewer lists it for ever; that is nothing new.
    let polled = poll(&stack, 41 * day).await;
    assert_eq!((polled.open, polled.changed), (0, 0));
    assert!(!row(&stack).await.contains_key("open"));
}

#[tokio::test]
async fn poll_that_asks_for_too_many_missed_cases_is_put_off() {
    let stack = Stack::with_case().await;
    poll(&stack, 0).await;
    answer_lists(&stack, &[json!({"sessions": []})]).await;
    answer_alone(&stack, 403, json!({"error": "rate_limit_reached"}), 0).await;
    let outcome = stack.cases.poll(&cases(), after(30)).await.unwrap();
    let PollOutcome::Failed { next_at, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(next_at >= after(330), "{next_at}");
    let open = stack.cases.open_cases(&account(), after(31)).await.unwrap();
    assert_eq!(
        (open.cases.len(), open.as_of),
        (1, Some(after(30))),
        "the list was had"
    );
    assert!(open.problem.is_some());
    let early = stack.cases.poll(&cases(), after(329)).await.unwrap();
    assert!(matches!(early, PollOutcome::NotDue { .. }), "{early:?}");
}

#[tokio::test]
async fn poll_without_an_answer_ends_in_time_and_says_so() {
    let stack = Stack::with_case().await;
    poll(&stack, 0).await;
    let silence = || {
        Fault::new(Action::Hold {
            after_write: true,
            ms: 20_000,
        })
    };
    stack.teamviewer.add_faults(&[silence()]).await.unwrap();
    let time = std::time::Duration::from_secs(3);
    let caller = |seconds| stack.cases.within(after(seconds), time);
    let settings = cases();
    let polled = tokio::time::timeout(time, caller(30).poll(&settings, after(30))).await;
    let outcome = polled.expect("it ends in time").unwrap();
    let PollOutcome::Failed { problem, next_at } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(problem.contains("no time"), "{problem}");
    let open = stack.cases.open_cases(&account(), after(31)).await.unwrap();
    assert_eq!(
        (open.cases.len(), open.as_of, open.problem),
        (1, Some(now()), Some(problem))
    );
    assert!(next_at <= after(60), "{next_at}");

    // A list that was had counts, though there is no time for a case that it lacks.
    answer_lists(&stack, &[json!({"sessions": []})]).await;
    let alone = Match {
        path_contains: Some(CODE.to_owned()),
        ..Match::default()
    };
    let faults = [silence().on(alone)];
    stack.teamviewer.add_faults(&faults).await.unwrap();
    let polled = tokio::time::timeout(time, caller(60).poll(&settings, after(60))).await;
    let outcome = polled.expect("it ends in time").unwrap();
    assert!(matches!(outcome, PollOutcome::Polled(_)), "{outcome:?}");
    let open = stack.cases.open_cases(&account(), after(61)).await.unwrap();
    assert_eq!((open.as_of, open.problem), (Some(after(60)), None));
    poll(&stack, 90).await;
}

#[tokio::test]
async fn list_counts_though_the_function_dies_after_it() {
    let stack = Stack::with_case().await;
    poll(&stack, 0).await;
    answer_lists(&stack, &[json!({"sessions": []})]).await;
    let silence = Fault::new(Action::Hold {
        after_write: true,
        ms: 20_000,
    });
    let alone = Match {
        path_contains: Some(CODE.to_owned()),
        ..Match::default()
    };
    let faults = [silence.on(alone)];
    stack.teamviewer.add_faults(&faults).await.unwrap();
    let settings = cases();
    let polling = stack.cases.poll(&settings, after(30));
    let killed = tokio::time::timeout(std::time::Duration::from_secs(2), polling).await;
    assert!(killed.is_err());
    let open = stack.other.open_cases(&account(), after(31)).await.unwrap();
    assert_eq!(open.as_of, Some(after(30)));
    let early = stack.other.poll(&settings, after(90)).await.unwrap();
    assert!(matches!(early, PollOutcome::NotDue { .. }), "{early:?}");
}

#[tokio::test]
async fn shorter_time_between_lists_counts_at_once() {
    let stack = Stack::with_case().await;
    let hourly = CaseSettings {
        refresh_seconds: 3_600,
        ..cases()
    };
    stack.cases.poll(&hourly, now()).await.unwrap();
    let early = stack.cases.poll(&hourly, after(60)).await.unwrap();
    assert!(matches!(early, PollOutcome::NotDue { .. }), "{early:?}");
    poll(&stack, 60).await;
}

#[tokio::test]
async fn mended_account_is_noticed_within_minutes() {
    let stack = Stack::new().await;
    let company = json!({"users": [{"id": "u1001", "name": "Ann"}]});
    stack.teamviewer.create(&company).await.unwrap();
    let mut due = now();
    for _ in 0..8 {
        let outcome = stack.cases.poll(&cases(), due).await.unwrap();
        let PollOutcome::Failed { next_at, .. } = outcome else {
            panic!("{outcome:?}");
        };
        let pause = next_at.duration_since(due);
        assert!(pause <= jiff::SignedDuration::from_mins(2), "{pause}");
        due = next_at;
    }
}

#[tokio::test]
async fn customer_who_comes_again_after_a_crash_is_told_of() {
    let stack = Stack::with_case().await;
    stack.share_company(true).await;
    poll(&stack, 0).await;
    let online = async |online: bool| {
        let change = json!({"online": online});
        stack.teamviewer.change_session(CODE, &change).await
    };
    online(true).await.unwrap();
    // Told, and not stored: by polls, and by somebody who looks at the case.
    stack.aws().down.push("PutItem");
    stack.cases.poll(&cases(), after(30)).await.unwrap_err();
    let code = crate::stack::code();
    let seen = stack.other.case(&code, &account(), after(31)).await;
    seen.unwrap_err();
    stack.cases.poll(&cases(), after(90)).await.unwrap_err();
    stack.aws().down.clear();
    let told = |stack: &Stack| -> Vec<String> {
        let told = stack.events(CASE_ONLINE);
        told.iter().map(|event| event["id"].to_string()).collect()
    };
    let first = told(&stack);
    assert_eq!(first.len(), 3);
    assert!(first.iter().all(|id| *id == first[0]), "{first:?}");
    online(false).await.unwrap();
    assert_eq!(poll(&stack, 300).await.changed, 0);
    online(true).await.unwrap();
    poll(&stack, 330).await;
    let all = told(&stack);
    assert_eq!(all.len(), 4);
    assert_ne!(all[3], first[0], "it is no repetition");
}

#[tokio::test]
async fn thousands_of_cases_are_followed_over_pages_and_the_newest_are_shown() {
    let stack = Stack::new().await;
    let many: Vec<_> = (0..2_050)
        .map(|number| {
            let mut one = case(&format!("s{number:09}"));
            one["created_at"] = json!(after(number - 10_000));
            if number == 1 {
                one["valid_until"] = json!("2026-11-29T09:00:00Z");
            }
            one
        })
        .collect();
    stack.teamviewer.put_sessions(&json!(many)).await.unwrap();
    let polled = poll(&stack, 0).await;
    assert_eq!((polled.open, polled.complete), (2_050, true));
    assert_eq!(stack.asked("GET /api/v1/sessions").await, 3);
    let open = stack.cases.open_cases(&account(), now()).await.unwrap();
    assert_eq!((open.cases.len(), open.more_cases), (500, 1_550));
    assert_eq!(open.cases[0].code.to_string(), "s000-002-049");
    assert_eq!((open.expired.len(), open.more_expired), (0, 0));

    let closed = json!({"state": "closed"});
    let oldest = "s000000000";
    stack
        .teamviewer
        .change_session(oldest, &closed)
        .await
        .unwrap();
    let polled = poll(&stack, 30).await;
    assert_eq!((polled.open, polled.changed, polled.closed), (2_049, 1, 1));

    // All expire at once but one, which the others do not hide.
    let day = 24 * 3_600;
    for minute in 0..4 {
        poll(&stack, day + 60 * minute).await;
    }
    let account = account();
    let open = stack.cases.open_cases(&account, after(day + 300));
    let open = open.await.unwrap();
    assert_eq!((open.cases.len(), open.more_cases), (1, 0));
    assert_eq!((open.expired.len(), open.more_expired), (100, 1_948));
}

#[tokio::test]
async fn empty_page_is_not_the_end_of_a_list() {
    let stack = Stack::with_case().await;
    poll(&stack, 0).await;
    let empty = json!({"sessions": [], "next_offset": SECOND});
    let rest = json!({"sessions": [case(CODE)]});
    answer_lists(&stack, &[empty, rest]).await;
    let polled = poll(&stack, 30).await;
    assert_eq!((polled.open, polled.complete, polled.closed), (1, true, 0));
    assert_eq!(asked_alone(&stack).await, 0);
}

#[tokio::test]
async fn list_that_leads_in_a_circle_or_cannot_be_read_closes_nobody() {
    let stack = Stack::with_case().await;
    poll(&stack, 0).await;
    stack
        .teamviewer
        .change_session(CODE, &json!({"state": "closed"}))
        .await
        .unwrap();
    let circle = json!({"sessions": [], "next_offset": SECOND});
    answer_lists(&stack, &[circle.clone(), circle]).await;
    let polled = poll(&stack, 30).await;
    assert_eq!((polled.complete, polled.closed), (false, 0));
    answer_lists(&stack, &[json!({"sessions": [{"state": "open"}]})]).await;
    let polled = poll(&stack, 60).await;
    assert_eq!((polled.complete, polled.closed), (false, 0));
    let open = stack.cases.open_cases(&account(), after(60)).await.unwrap();
    assert!(open.problem.unwrap().contains("cannot be read"));
    assert_eq!(poll(&stack, 90).await.closed, 1);
}

#[tokio::test]
async fn another_token_that_was_put_meanwhile_is_used() {
    let stack = Stack::new().await;
    poll(&stack, 0).await;
    let rotated = json!({
        "users": [{"id": "u1001", "name": "Ann"}], "groups": [{"id": "g1", "name": "Helpdesk"}],
        "script_tokens": [{"token": "new-token"}]
    });
    stack.teamviewer.create(&rotated).await.unwrap();
    let token = json!({"kind": "bearer", "token": "new-token"});
    stack.connect("tv", "teamviewer", "acme", token).await;
    stack
        .teamviewer
        .put_sessions(&json!([case(CODE)]))
        .await
        .unwrap();
    assert_eq!(poll(&stack, 30).await.open, 1);
}

#[tokio::test]
async fn revoked_token_is_told_to_viewers() {
    let stack = Stack::new().await;
    stack
        .teamviewer
        .create(&json!({"users": [{"id": "u1001", "name": "Ann"}]}))
        .await
        .unwrap();
    let outcome = stack.cases.poll(&cases(), now()).await.unwrap();
    let PollOutcome::Failed { problem, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(
        problem.contains("token") && !problem.contains("company-token"),
        "{problem}"
    );
}

#[tokio::test]
async fn work_can_be_handed_to_another_thread() {
    fn check<T: Send>(_: &T) {}
    let stack = Stack::new().await;
    let (settings, code) = (crate::stack::settings(), crate::stack::code());
    let poll = cases();
    check(&stack.cases.poll(&poll, now()));
    check(&stack.cases.case(&code, &account(), now()));
    check(&stack.cases.close(&code, &account(), now()));
    check(&stack.cases.create_waiting(&settings, &account(), now()));
}
