//! Looking at single cases, assigning and closing them.

use std::collections::BTreeMap;

use domain::TaskReference;
use domain::message::{CASE_CLOSED, CASE_ONLINE};
use domain::service_case::CaseState;
use sandbox::{Action, Fault, Match};
use serde_json::json;
use service_cases::{Error, ErrorKind};

use crate::stack::{CODE, SECRET, Stack, account, after, case, code, now, settings};

#[tokio::test]
async fn case_is_closed_once_and_its_connections_are_fetched() {
    let stack = Stack::with_case().await;
    // Nobody has listed it before.
    let closed = stack.cases.close(&code(), &account(), now()).await.unwrap();
    assert_eq!(closed.state, CaseState::Closed);
    assert!(closed.closed_at.is_some());
    assert_eq!(stack.events(CASE_CLOSED).len(), 1);
    assert_eq!(stack.aws().messages.len(), 1);
    let again = stack
        .cases
        .close(&code(), &account(), after(5))
        .await
        .unwrap();
    assert_eq!(again.state, CaseState::Closed);
    assert_eq!(stack.events(CASE_CLOSED).len(), 1);
}

#[tokio::test]
async fn close_that_was_not_told_is_told_by_the_next_one() {
    let stack = Stack::with_case().await;
    stack.cases.case(&code(), &account(), now()).await.unwrap();
    stack.aws().down.push("PutEvents");
    stack
        .cases
        .close(&code(), &account(), now())
        .await
        .unwrap_err();
    stack.aws().down.clear();
    let seen = stack
        .cases
        .case(&code(), &account(), after(9))
        .await
        .unwrap();
    assert_eq!(seen.state, CaseState::Closed);
    assert_eq!(stack.events(CASE_CLOSED).len(), 1);
    assert_eq!(stack.aws().messages.len(), 1);
}

#[tokio::test]
async fn case_that_teamviewer_refuses_to_close_again_counts_as_closed() {
    for status in [400, 409] {
        for is_known in [true, false] {
            let stack = Stack::with_case().await;
            let refused = Fault::new(Action::Status {
                status,
                headers: BTreeMap::new(),
                body: json!({"error": "invalid_request", "error_description": "no", "error_code": 1}),
                after_write: false,
            });
            let faults = [refused.on(Match::method("PUT")).times(2)];
            stack.teamviewer.add_faults(&faults).await.unwrap();
            if is_known {
                stack.cases.case(&code(), &account(), now()).await.unwrap();
            }
            // One that is open was not closed.
            let error = stack.cases.close(&code(), &account(), now()).await;
            assert_eq!(error.unwrap_err().kind(), ErrorKind::Conflict);
            assert_eq!(stack.events(CASE_CLOSED).len(), 0);

            let closed = json!({"state": "closed"});
            let changed = stack.teamviewer.change_session(CODE, &closed);
            changed.await.unwrap();
            let closed = stack.cases.close(&code(), &account(), after(5)).await;
            assert_eq!(closed.unwrap().state, CaseState::Closed);
            assert_eq!(stack.events(CASE_CLOSED).len(), 1);
            assert_eq!(stack.aws().messages.len(), 1);
        }
    }
}

#[tokio::test]
async fn case_is_assigned_and_read_again() {
    let stack = Stack::with_case().await;
    let assigned = stack
        .cases
        .assign(&code(), "u1001", &account(), now())
        .await
        .unwrap();
    assert_eq!(assigned.assigned_to.as_deref(), Some("u1001"));
    let free = stack
        .cases
        .assign(&code(), "u0", &account(), now())
        .await
        .unwrap();
    assert_eq!(free.assigned_to, None);
    let error = stack
        .cases
        .assign(&code(), "ann", &account(), now())
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.field()),
        (ErrorKind::Invalid, Some("assigned_userid"))
    );
}

#[tokio::test]
async fn supporters_link_is_told_once_and_kept_nowhere() {
    use secrecy::ExposeSecret as _;
    let stack = Stack::with_case().await;
    let link = stack
        .cases
        .supporter_link(&code(), &account(), now())
        .await
        .unwrap();
    let link = link.expose_secret();
    assert!(link.contains("s119457589"), "{link}");
    stack.cases.case(&code(), &account(), now()).await.unwrap();
    assert!(!stack.rows().await.contains(link));
    assert!(!stack.rows().await.contains(SECRET));
    let late = stack
        .cases
        .supporter_link(&code(), &account(), after(86_400))
        .await;
    assert!(matches!(
        late.unwrap_err(),
        Error::CaseOver {
            is_expired: true,
            ..
        }
    ));
}

#[tokio::test]
async fn customer_seen_between_polls_is_told_of() {
    let stack = Stack::with_case().await;
    stack.cases.case(&code(), &account(), now()).await.unwrap();
    let online = json!({"online": true});
    stack
        .teamviewer
        .change_session(CODE, &online)
        .await
        .unwrap();
    assert!(
        stack
            .cases
            .case(&code(), &account(), after(1))
            .await
            .unwrap()
            .online
    );
    assert_eq!(stack.events(CASE_ONLINE).len(), 1);
}

#[tokio::test]
async fn case_that_is_nowhere_is_unknown() {
    let stack = Stack::new().await;
    let error = stack
        .cases
        .case(&code(), &account(), now())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = stack
        .cases
        .close(&code(), &account(), now())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::UnknownCase(_)), "{error}");
}

#[tokio::test]
async fn cases_of_a_task_are_found_by_number_and_by_id() {
    let stack = Stack::new().await;
    let mut with_id = case("s222-222-222");
    let id = "00112233445566778899aabbccddeeff";
    with_id["custom_api"] = json!(json!({"sys_id": id, "number": "INC0010001"}).to_string());
    with_id["created_at"] = json!("2026-11-22T09:20:00Z");
    let mut other = case("s333-333-333");
    other["description"] = json!("INC0010002: Screen");
    stack
        .teamviewer
        .put_sessions(&json!([case(CODE), with_id, other]))
        .await
        .unwrap();
    stack
        .cases
        .poll(&crate::stack::settings().cases.unwrap(), now())
        .await
        .unwrap();
    let find = async |key: &str| {
        let task = TaskReference::of_key(key).unwrap();
        let found = stack.cases.of_task(&task).await.unwrap();
        found
            .into_iter()
            .map(|stored| stored.case.code.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(find("inc0010001").await, ["s222-222-222", CODE]);
    assert_eq!(find(id).await, ["s222-222-222"]);
    assert_eq!(find("INC0010003").await, Vec::<String>::new());
}

#[tokio::test]
async fn connections_are_fetched_once_in_five_minutes() {
    let stack = Stack::with_case().await;
    stack.cases.case(&code(), &account(), now()).await.unwrap();
    let refresh = async |seconds: i64| {
        let task = TaskReference::of_key("INC0010001").unwrap();
        let found = stack.cases.of_task(&task).await.unwrap();
        let refreshed = stack.cases.refresh_connections(&found[0], after(seconds));
        refreshed.await.map(|()| stack.aws().messages.len())
    };
    stack.aws().down.push("SendMessage");
    refresh(0).await.unwrap_err();
    stack.aws().down.clear();
    // Nothing was asked for, and nothing is noted.
    for (seconds, asked) in [(1, 1), (2, 1), (300, 1), (301, 2), (302, 2)] {
        assert_eq!(refresh(seconds).await.unwrap(), asked, "{seconds}");
    }
    stack
        .cases
        .close(&code(), &account(), after(700))
        .await
        .unwrap();
    assert_eq!(stack.aws().messages.len(), 3);
    for (seconds, asked) in [(701, 3), (1000, 4)] {
        assert_eq!(refresh(seconds).await.unwrap(), asked, "{seconds}");
    }
}

/// A case of Ann's that we do not know.
async fn of_ann_unseen(stack: &Stack) -> domain::AccountName {
    stack
        .teamviewer
        .put_sessions(&json!([case(CODE)]))
        .await
        .unwrap();
    stack.sign_in("ann").await
}

/// A case that Ann has created with her own account, as the table knows it.
async fn of_ann(stack: &Stack) -> domain::AccountName {
    let ann = of_ann_unseen(stack).await;
    let seen = stack.cases.case(&code(), &ann, now()).await.unwrap();
    assert_eq!(seen.account, ann);
    ann
}

#[tokio::test]
async fn nobody_acts_with_the_account_of_somebody_else() {
    let stack = Stack::new().await;
    of_ann(&stack).await;
    stack.share_company(false).await;
    let bob = stack.sign_in("bob").await;
    for refused in [
        stack.cases.case(&code(), &bob, after(1)).await.err(),
        stack.cases.close(&code(), &bob, after(1)).await.err(),
        stack
            .cases
            .assign(&code(), "u1002", &bob, after(1))
            .await
            .err(),
        stack
            .cases
            .supporter_link(&code(), &bob, after(1))
            .await
            .err(),
    ] {
        let error = refused.unwrap();
        assert!(
            matches!(error, Error::UnknownCase(_) | Error::TeamViewer { .. }),
            "{error}"
        );
    }
    // What Bob may not see is not closed.
    assert_eq!(stack.events(CASE_CLOSED).len(), 0);
    let [session] = stack
        .teamviewer
        .records("sessions")
        .await
        .unwrap()
        .try_into()
        .unwrap();
    assert_eq!(session["state"], "Open", "{session}");
    let closed = stack.cases.close(&code(), &account(), after(2)).await;
    assert_eq!(closed.unwrap().state, CaseState::Closed);
}

#[tokio::test]
async fn companys_account_is_asked_for_everybody_where_it_is_shared() {
    // Ann's case, the company's, and one that nobody has looked at.
    for seen_by in [Some("ann"), Some("company"), None] {
        let stack = Stack::new().await;
        let ann = of_ann_unseen(&stack).await;
        let seen_with = match seen_by {
            Some("ann") => Some(ann),
            Some(_) => Some(account()),
            None => None,
        };
        if let Some(seen_with) = seen_with {
            stack.cases.case(&code(), &seen_with, now()).await.unwrap();
        }
        let bob = stack.sign_in("bob").await;
        for shared in [false, true] {
            stack.share_company(shared).await;
            let seen = stack.cases.case(&code(), &bob, after(1)).await;
            let link = stack.cases.supporter_link(&code(), &bob, after(1)).await;
            assert_eq!(seen.is_ok(), shared, "{seen_by:?}: {seen:?}");
            assert_eq!(link.is_ok(), shared, "{seen_by:?}");
            assert_eq!(stack.events(CASE_CLOSED).len(), 0);
        }
        let closed = stack.cases.close(&code(), &bob, after(2)).await;
        assert_eq!(closed.unwrap().state, CaseState::Closed);
    }
}

#[tokio::test]
async fn case_that_nobody_knew_is_no_news_until_a_list_has_it() {
    let stack = Stack::new().await;
    let cases = settings().cases.unwrap();
    stack.cases.poll(&cases, now()).await.unwrap();
    let mut online = case(CODE);
    online["online"] = json!(true);
    stack
        .teamviewer
        .put_sessions(&json!([online]))
        .await
        .unwrap();
    let seen = stack
        .cases
        .case(&code(), &account(), after(5))
        .await
        .unwrap();
    assert!(seen.online);
    assert_eq!(stack.events(CASE_ONLINE).len(), 0);
    stack.cases.poll(&cases, after(30)).await.unwrap();
    assert_eq!(stack.events(CASE_ONLINE).len(), 1);
}
