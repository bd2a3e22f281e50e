//! Creating a case once.

use std::time::Duration;

use domain::connection::Customer;
use domain::teamviewer::Settings;
use domain::{AccountName, TaskReference};
use sandbox::{Action, Fault, Match};
use serde_json::{Value, json};
use service_cases::{CreateCase, CreatedCase, Error, ErrorKind};

use crate::stack::{SECRET, Stack, account, after, case, now, settings};

const POST: &str = "POST /api/v1/sessions";

fn request(task: &str) -> CreateCase {
    CreateCase {
        task: TaskReference::of_key(task).unwrap(),
        user: "tok_ann".to_owned(),
        account: account(),
        description: None,
        customer: Customer::default(),
        waiting_message: None,
    }
}

async fn create(stack: &Stack, request: &CreateCase, seconds: i64) -> Result<CreatedCase, Error> {
    stack
        .cases
        .create(&settings(), request, after(seconds))
        .await
}

async fn sessions(stack: &Stack) -> Vec<Value> {
    stack.teamviewer.records("sessions").await.unwrap()
}

fn of_posts(action: Action) -> Fault {
    Fault::new(action).on(Match::method("POST"))
}

#[tokio::test]
async fn case_says_what_the_task_says_and_asking_again_gives_the_same() {
    let stack = Stack::new().await;
    let (number, sys_id) = stack.incident("Printer on fire").await;
    let created = create(&stack, &request(&number), 0).await.unwrap();
    assert!(created.created);
    assert_eq!(created.warnings, Vec::<String>::new());
    let task = created.case.task.clone().unwrap();
    assert_eq!(task.sys_id.as_deref(), Some(sys_id.as_str()));
    assert_eq!(task.instance.as_deref(), Some("dev1"));
    let [session] = sessions(&stack).await.try_into().unwrap();
    assert_eq!(session["description"], format!("{number}: Printer on fire"));
    assert_eq!(
        session["end_customer"],
        json!({"name": "Bea Lee", "email": "bea@example.com"})
    );
    assert_eq!(session["groupid"], "g1");
    let carried = session["custom_api"].as_str().unwrap();
    assert!(TaskReference::is_own_note(carried), "{carried}");

    // By its id it is the same task.
    let again = create(&stack, &request(&sys_id), 60).await.unwrap();
    assert_eq!(
        (again.created, again.case.code.clone()),
        (false, created.case.code)
    );
    assert_eq!(stack.asked(POST).await, 1);
    let mut of_bob = request(&number);
    of_bob.user = "tok_bob".to_owned();
    assert!(create(&stack, &of_bob, 60).await.unwrap().created);
    let rows = stack.rows().await;
    assert!(
        !rows.contains("supporter_link") && !rows.contains(SECRET),
        "{rows}"
    );
}

#[tokio::test]
async fn customer_is_whom_each_kind_of_task_is_for() {
    let stack = Stack::new().await;
    let bea = stack.bea().await;
    let (_, request_id) = stack
        .task("sc_request", &[("requested_for", bea.as_str())])
        .await;
    let known = json!({"name": "Bea Lee", "email": "bea@example.com"});
    for (table, column, value, customer) in [
        ("change_request", "requested_by", &bea, &known),
        ("sc_request", "requested_for", &bea, &known),
        ("sc_req_item", "request", &request_id, &known),
        // Who opened a problem is no customer.
        ("problem", "opened_by", &bea, &Value::Null),
    ] {
        let fields = [("short_description", table), (column, value.as_str())];
        let (number, sys_id) = stack.task(table, &fields).await;
        // A panel beside the task knows its id, a person the number.
        for key in [&number, &sys_id] {
            let created = create(&stack, &request(key), 0).await.unwrap();
            assert_eq!(created.created, key == &number, "{table}");
            let task = created.case.task.unwrap();
            assert_eq!(task.table.as_deref(), Some(table));
            assert_eq!(task.number.as_deref(), Some(number.as_str()));
            let warned = created.warnings.len();
            assert_eq!(warned, usize::from(customer.is_null()), "{table}");
        }
        let all = sessions(&stack).await;
        let description = format!("{number}: {table}");
        let session = all
            .iter()
            .find(|session| session["description"] == description);
        let found = session.unwrap().get("end_customer").unwrap_or(&Value::Null);
        assert_eq!(found, customer, "{table}");
    }
}

#[tokio::test]
async fn what_the_user_says_counts_more_than_the_task() {
    let stack = Stack::new().await;
    let (number, _) = stack.incident("Printer on fire").await;
    let mut request = request(&number);
    request.description = Some("Call me".to_owned());
    request.customer.name = Some("Carl".to_owned());
    request.waiting_message = Some("Soon".to_owned());
    create(&stack, &request, 0).await.unwrap();
    let [session] = sessions(&stack).await.try_into().unwrap();
    assert_eq!(session["description"], "Call me");
    assert_eq!(session["waiting_message"], "Soon");
    assert_eq!(
        session["end_customer"],
        json!({"name": "Carl", "email": "bea@example.com"})
    );
}

#[tokio::test]
async fn two_at_once_create_one() {
    let stack = Stack::new().await;
    let (number, _) = stack.incident("x").await;
    let (settings, request) = (settings(), request(&number));
    let (one, two) = tokio::join!(
        stack.cases.create(&settings, &request, now()),
        stack.other.create(&settings, &request, now())
    );
    let outcomes = [one, two];
    assert_eq!(sessions(&stack).await.len(), 1);
    let created = outcomes.iter().flatten().filter(|outcome| outcome.created);
    assert_eq!(created.count(), 1, "{outcomes:?}");
    for outcome in &outcomes {
        if let Err(error) = outcome {
            assert!(matches!(error, Error::BeingCreated { .. }), "{error}");
        }
    }
    let later = stack
        .other
        .create(&settings, &request, after(1))
        .await
        .unwrap();
    assert!(!later.created);
}

#[tokio::test]
async fn case_whose_creation_was_not_confirmed_is_found() {
    let stack = Stack::with(json!({"sessions_page_size": 1})).await;
    let (number, _) = stack.incident("x").await;
    // Others are in the list before it.
    stack
        .teamviewer
        .put_sessions(&json!([case("s222-222-222"), case("s333-333-333")]))
        .await
        .unwrap();
    stack
        .teamviewer
        .add_faults(&[of_posts(Action::LoseAnswer)])
        .await
        .unwrap();
    let error = create(&stack, &request(&number), 0).await.unwrap_err();
    assert!(matches!(error, Error::CreationUnclear { .. }), "{error}");
    for seconds in [5, 29] {
        let early = create(&stack, &request(&number), seconds).await;
        assert!(
            matches!(early, Err(Error::BeingCreated { .. })),
            "{early:?}"
        );
    }
    let found = create(&stack, &request(&number), 35).await.unwrap();
    assert!(found.created);
    assert_eq!(stack.asked(POST).await, 1);
    assert_eq!(sessions(&stack).await.len(), 3);
}

#[tokio::test]
async fn creation_is_left_alone_from_the_moment_on_when_it_failed() {
    let stack = Stack::new().await;
    let (number, _) = stack.incident("x").await;
    let groups = Match {
        path_contains: Some("/groups".to_owned()),
        ..Match::default()
    };
    let slow = Fault::new(Action::Delay { ms: 2_500 }).on(groups);
    let faults = [slow, of_posts(Action::LoseAnswer)];
    stack.teamviewer.add_faults(&faults).await.unwrap();
    create(&stack, &request(&number), 0).await.unwrap_err();
    let early = create(&stack, &request(&number), 32).await.unwrap_err();
    assert!(matches!(early, Error::BeingCreated { .. }), "{early}");
    assert!(create(&stack, &request(&number), 40).await.unwrap().created);
    assert_eq!(sessions(&stack).await.len(), 1);
}

#[tokio::test]
async fn case_that_has_expired_unconfirmed_is_replaced_by_a_new_one() {
    let stack = Stack::new().await;
    let (number, _) = stack.incident("x").await;
    let lost = || async {
        let faults = [of_posts(Action::LoseAnswer)];
        stack.teamviewer.add_faults(&faults).await.unwrap();
    };
    lost().await;
    create(&stack, &request(&number), 0).await.unwrap_err();
    // The new one has the same key. Of the two the look must find the one that can be used.
    let day = 25 * 3_600;
    lost().await;
    let unclear = create(&stack, &request(&number), day).await.unwrap_err();
    assert!(
        matches!(unclear, Error::CreationUnclear { .. }),
        "{unclear}"
    );
    let found = create(&stack, &request(&number), day + 40).await.unwrap();
    assert!(found.case.valid_until.unwrap() > after(day + 40));
    assert_eq!(sessions(&stack).await.len(), 2);
}

#[tokio::test]
async fn creation_that_never_reached_the_vendor_is_made_after_a_look() {
    let stack = Stack::new().await;
    let (number, _) = stack.incident("x").await;
    stack
        .teamviewer
        .add_faults(&[of_posts(Action::RefuseBefore)])
        .await
        .unwrap();
    create(&stack, &request(&number), 0).await.unwrap_err();
    assert!(create(&stack, &request(&number), 35).await.unwrap().created);
    assert_eq!(sessions(&stack).await.len(), 1);
    assert_eq!(
        stack.asked("GET /api/v1/sessions").await,
        1,
        "it looked first"
    );
}

#[tokio::test]
async fn function_that_died_after_creating_leaves_a_case_that_is_found() {
    let stack = Stack::new().await;
    let (number, _) = stack.incident("x").await;
    // What came of the call is never noted: neither at once nor by giving the right back.
    let (settings, request) = (settings(), request(&number));
    let invocation = stack.cases.within(now(), Duration::from_mins(1));
    let creating = invocation.create(&settings, &request, now());
    let silence = Action::Hold {
        after_write: true,
        ms: 20_000,
    };
    stack
        .teamviewer
        .add_faults(&[of_posts(silence)])
        .await
        .unwrap();
    let killed = tokio::time::timeout(Duration::from_secs(3), creating).await;
    assert!(killed.is_err());
    let held = stack.other.create(&settings, &request, after(89)).await;
    assert!(matches!(held, Err(Error::BeingCreated { .. })), "{held:?}");
    let found = stack
        .other
        .create(&settings, &request, after(91))
        .await
        .unwrap();
    assert!(found.created);
    assert_eq!(sessions(&stack).await.len(), 1);
}

#[tokio::test]
async fn case_that_is_over_is_replaced_by_a_new_one() {
    let stack = Stack::new().await;
    let (number, _) = stack.incident("x").await;
    let first = create(&stack, &request(&number), 0)
        .await
        .unwrap()
        .case
        .code;
    stack
        .teamviewer
        .change_session(&first.to_string(), &json!({"state": "closed"}))
        .await
        .unwrap();
    let second = create(&stack, &request(&number), 60).await.unwrap();
    assert!(second.created && second.case.code != first);
    // One that has expired is still open at TeamViewer.
    let day = 25 * 3_600;
    let third = create(&stack, &request(&number), day).await.unwrap();
    assert!(third.created && third.case.code != second.case.code);
    assert_eq!(sessions(&stack).await.len(), 3);
}

#[tokio::test]
async fn case_waits_until_its_user_has_signed_in() {
    let stack = Stack::new().await;
    let (number, _) = stack.incident("x").await;
    let mut request = request(&number);
    request.account = AccountName::parse("tv-ann").unwrap();
    let error = create(&stack, &request, 0).await.unwrap_err();
    assert_eq!(error.sign_in(), Some(&request.account), "{error}");
    assert_eq!(error.kind(), ErrorKind::NotSetUp);
    let nobody = stack
        .cases
        .create_waiting(&settings(), &account(), after(5))
        .await
        .unwrap();
    assert_eq!(nobody, 0);

    let token = json!({"kind": "bearer", "token": "anns-token"});
    stack.connect("tv-ann", "teamviewer", "acme", token).await;
    for (seconds, created) in [(60, 1), (61, 0)] {
        let now = after(seconds);
        let waiting = stack
            .cases
            .create_waiting(&settings(), &request.account, now)
            .await;
        assert_eq!(waiting.unwrap(), created);
    }
    let there = create(&stack, &request, 62).await.unwrap();
    assert!(!there.created);
    assert_eq!(there.case.account, request.account);
    let [session] = sessions(&stack).await.try_into().unwrap();
    assert_eq!(session["description"], format!("{number}: x"));
}

#[tokio::test]
async fn account_that_is_connected_before_its_case_waits_is_not_missed() {
    let stack = Stack::new().await;
    let (number, _) = stack.incident("x").await;
    let mut request = request(&number);
    request.account = AccountName::parse("tv-ann").unwrap();
    stack.aws().held = Some(("PutItem waiting#", false));
    let creating = create(&stack, &request, 0);
    // That it is connected is told at once, while nothing waits yet.
    let connecting = async {
        while !stack.aws().held.is_some_and(|(_, is_held)| is_held) {
            tokio::task::yield_now().await;
        }
        stack.sign_in("ann").await;
        assert_eq!(create_waiting(&stack, 1).await.unwrap(), 0);
        stack.aws().held = None;
    };
    let (refused, ()) = tokio::join!(creating, connecting);
    assert_eq!(refused.unwrap_err().sign_in(), Some(&request.account));
    let [work] = stack.aws().messages.clone().try_into().unwrap();
    let asked = json!({"create_waiting_cases": {"account": "tv-ann"}});
    assert_eq!(work["work"], asked, "{work}");
    assert_eq!(create_waiting(&stack, 2).await.unwrap(), 1);
}

/// A case that waits for Ann, who has signed in by now.
async fn waiting(stack: &Stack) -> CreateCase {
    let (number, _) = stack.incident("x").await;
    let mut request = request(&number);
    request.account = AccountName::parse("tv-ann").unwrap();
    create(stack, &request, 0).await.unwrap_err();
    stack.sign_in("ann").await;
    request
}

async fn create_waiting(stack: &Stack, seconds: i64) -> Result<usize, Error> {
    let ann = AccountName::parse("tv-ann").unwrap();
    stack
        .other
        .create_waiting(&settings(), &ann, after(seconds))
        .await
}

#[tokio::test]
async fn waiting_case_that_was_not_confirmed_is_left_alone_before_it_is_looked_for() {
    let stack = Stack::new().await;
    let request = waiting(&stack).await;
    stack
        .teamviewer
        .add_faults(&[of_posts(Action::LoseAnswer)])
        .await
        .unwrap();
    let unclear = create_waiting(&stack, 60).await.unwrap_err();
    assert!(
        matches!(unclear, Error::CreationUnclear { .. }),
        "{unclear}"
    );
    // Neither the message that comes again nor the user who asks again.
    for early in [
        create_waiting(&stack, 65).await.unwrap_err(),
        create(&stack, &request, 89).await.unwrap_err(),
    ] {
        assert!(matches!(early, Error::BeingCreated { .. }), "{early}");
    }
    assert_eq!(stack.asked("GET /api/v1/sessions").await, 0);
    assert_eq!(create_waiting(&stack, 95).await.unwrap(), 1);
    assert_eq!(stack.asked(POST).await, 1);
    assert_eq!(sessions(&stack).await.len(), 1);
}

#[tokio::test]
async fn waiting_case_outlives_the_function_that_created_it() {
    let stack = Stack::new().await;
    let request = waiting(&stack).await;
    let silence = Action::Hold {
        after_write: true,
        ms: 20_000,
    };
    stack
        .teamviewer
        .add_faults(&[of_posts(silence)])
        .await
        .unwrap();
    let invocation = stack.cases.within(after(60), Duration::from_secs(30));
    let settings = settings();
    let creating = invocation.create_waiting(&settings, &request.account, after(60));
    let killed = tokio::time::timeout(Duration::from_secs(3), creating).await;
    assert!(killed.is_err());
    let held = create_waiting(&stack, 65).await.unwrap_err();
    assert!(matches!(held, Error::BeingCreated { .. }), "{held}");
    assert_eq!(create_waiting(&stack, 121).await.unwrap(), 1);
    assert_eq!(sessions(&stack).await.len(), 1);
    assert_eq!(create_waiting(&stack, 122).await.unwrap(), 0);
}

#[tokio::test]
async fn case_that_was_made_for_the_user_meanwhile_waits_no_longer() {
    let stack = Stack::new().await;
    let request = waiting(&stack).await;
    assert!(create(&stack, &request, 30).await.unwrap().created);
    assert_eq!(create_waiting(&stack, 60).await.unwrap(), 0);
    assert!(!stack.rows().await.contains("waiting#"));
    assert_eq!(sessions(&stack).await.len(), 1);
}

#[tokio::test]
async fn customer_who_is_too_long_is_refused_or_shortened() {
    let stack = Stack::new().await;
    let (number, _) = stack.incident("x").await;
    for (name, email, field) in [
        (Some("n".repeat(101)), None, "customer_name"),
        (
            None,
            Some(format!("{}@example.com", "e".repeat(243))),
            "customer_email",
        ),
    ] {
        let mut request = request(&number);
        request.customer = Customer { name, email };
        let error = create(&stack, &request, 0).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.field()),
            (ErrorKind::Invalid, Some(field))
        );
    }
    assert_eq!(stack.asked(POST).await, 0);
}

#[tokio::test]
async fn tokens_are_not_renewed_when_the_function_is_nearly_over() {
    let stack = Stack::new().await;
    let (number, _) = stack.incident("x").await;
    let expired = json!({
        "kind": "oauth_authorization_code", "client_id": "app", "client_secret": "hunter2",
        "issued": {
            "access_token": "old", "refresh_token": "older", "at": "2026-11-22T08:00:00Z",
            "expires_at": "2026-11-22T09:00:00Z",
        },
    });
    stack.connect("tv-ann", "teamviewer", "acme", expired).await;
    let mut request = request(&number);
    request.account = AccountName::parse("tv-ann").unwrap();
    let late = stack.cases.within(now(), Duration::from_secs(5));
    let error = late.create(&settings(), &request, now()).await.unwrap_err();
    assert!(
        matches!(error, Error::Account(accounts::Error::NoTime(_))),
        "{error}"
    );
}

#[tokio::test]
async fn nobody_gets_a_case_that_was_wanted_long_ago() {
    let stack = Stack::new().await;
    let (number, _) = stack.incident("x").await;
    let mut request = request(&number);
    request.account = AccountName::parse("tv-ann").unwrap();
    create(&stack, &request, 0).await.unwrap_err();
    let token = json!({"kind": "bearer", "token": "anns-token"});
    stack.connect("tv-ann", "teamviewer", "acme", token).await;
    let late = after(9 * 3_600);
    let waiting = stack
        .cases
        .create_waiting(&settings(), &request.account, late)
        .await;
    assert_eq!(waiting.unwrap(), 0);
    assert_eq!(sessions(&stack).await.len(), 0);
}

#[tokio::test]
async fn typo_in_the_group_makes_no_group() {
    let stack = Stack::new().await;
    let (number, _) = stack.incident("x").await;
    let wrong: Settings = serde_json::from_value(json!({
        "cases": {"account": "tv", "group": "Helpdisk"}, "servicenow_account": "sn"
    }))
    .unwrap();
    let error = stack
        .cases
        .create(&wrong, &request(&number), now())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::UnknownGroup { .. }), "{error}");
    assert_eq!(stack.teamviewer.records("groups").await.unwrap().len(), 1);
    // The right was given back.
    assert!(create(&stack, &request(&number), 1).await.unwrap().created);
}

#[tokio::test]
async fn as_many_cases_as_the_licence_allows_are_told_so() {
    let stack = Stack::with(json!({"max_open_cases": 1})).await;
    let (number, _) = stack.incident("x").await;
    let first = create(&stack, &request(&number), 0).await.unwrap();
    let mut of_bob = request(&number);
    of_bob.user = "tok_bob".to_owned();
    let error = create(&stack, &of_bob, 1).await.unwrap_err();
    assert!(matches!(error, Error::LicenseLimit { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    stack
        .cases
        .close(&first.case.code, &account(), after(2))
        .await
        .unwrap();
    assert!(create(&stack, &of_bob, 3).await.unwrap().created);
}

#[tokio::test]
async fn task_that_is_not_there_makes_no_case() {
    let stack = Stack::new().await;
    let error = create(&stack, &request("INC0099999"), 0).await.unwrap_err();
    assert!(matches!(error, Error::ServiceNow { .. }), "{error}");
    assert_eq!(stack.asked(POST).await, 0);
    let mut elsewhere = request("INC0099999");
    elsewhere.task.instance = Some("dev2".to_owned());
    let error = create(&stack, &elsewhere, 0).await.unwrap_err();
    assert_eq!(error.field(), Some("task"));
}

#[tokio::test]
async fn without_servicenow_the_number_is_what_the_case_says() {
    let stack = Stack::new().await;
    let alone: Settings =
        serde_json::from_value(json!({"cases": {"account": "tv", "group": "g1"}})).unwrap();
    let created = stack
        .cases
        .create(&alone, &request("INC0010001"), now())
        .await
        .unwrap();
    assert_eq!(created.case.description.as_deref(), Some("INC0010001"));
    assert_eq!(created.warnings.len(), 2, "{:?}", created.warnings);
    let error = stack
        .cases
        .create(&Settings::default(), &request("INC0010001"), now())
        .await;
    assert!(matches!(error, Err(Error::NotSetUp)));
}
