use std::time::Duration;

use accounts::{Accounts, Connected, Moment};
use domain::preview::{Preview, PreviewRequest};
use domain::run::{Attempt, AttemptOutcome, VendorCall};
use domain::{TaskKey, TaskKind, TaskRun, Vendor, json_bytes};
use jiff::Timestamp;
use retry::{Disposition, RetryPolicy};
use serde_json::{Map, Value};
use store::AttemptEnd;

/// The bodies that a task's row keeps, in bytes of JSON. Below the 400 kB of a row the input needs room too.
const ROOM_FOR_BODIES: usize = 64 * 1024;

/// A vendor, as the runner sees it: one attempt at one task.
pub trait Connector {
    /// Whose accounts the connector uses.
    const VENDOR: Vendor;

    /// Makes one attempt. It looks before it writes when the assignment says so, and never retries.
    fn perform(
        &self,
        assignment: &Assignment<'_>,
        connected: &Connected,
    ) -> impl Future<Output = Result<Done, Failed>> + Send;

    /// What [`Connector::perform`] would send in a first attempt. Nobody is called.
    fn preview(&self, request: &PreviewRequest) -> Preview;
}

/// One attempt at one task.
#[derive(Debug)]
pub struct Assignment<'a> {
    /// The task's name towards the vendor, the same in every attempt.
    pub key: &'a TaskKey,
    /// What to do.
    pub kind: TaskKind,
    /// With what; every piped text is filled in.
    pub input: &'a Value,
    /// Whether an earlier attempt may have had its effect: look for it before writing.
    pub look_first: bool,
    /// When the first attempt at this task began.
    pub first_attempt_at: Timestamp,
    /// Now.
    pub now: Timestamp,
}

/// A task that is done.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// For later tasks; see `TaskKind::outputs`.
    pub output: Map<String, Value>,
    /// The record at the vendor, for people.
    pub link: Option<String>,
    /// What the vendor did not take as it was sent.
    pub warnings: Vec<String>,
    /// The calls that were made, in order.
    pub calls: Vec<VendorCall>,
}

/// An attempt that did not do the task.
#[derive(Debug, Clone, PartialEq)]
pub struct Failed {
    /// What to do next.
    pub disposition: Disposition,
    /// What happened, in the vendor's words where there are any; for people, without secrets.
    pub reason: String,
    /// Whether the vendor refused the credentials. The secret may have changed: it is read again and
    /// the attempt repeated, once.
    pub unauthorized: bool,
    /// The calls that were made, in order.
    pub calls: Vec<VendorCall>,
}

impl Failed {
    /// A failure before any call was made, which no retry can mend.
    pub fn before_any_call(reason: impl Into<String>) -> Self {
        Self {
            disposition: Disposition::GiveUp,
            reason: reason.into(),
            unauthorized: false,
            calls: Vec::new(),
        }
    }
}

/// One attempt at a claimed task, within `time`.
pub(crate) async fn make<C: Connector>(
    connector: &C,
    accounts: &Accounts,
    task: &TaskRun,
    now: Timestamp,
    time: Duration,
) -> Result<Done, Failed> {
    let work = connect_and_perform(connector, accounts, task, now, time);
    tokio::time::timeout(time, work).await.unwrap_or_else(|_| {
        Err(Failed {
            disposition: Disposition::Reconcile {
                after: Some(SETTLING),
            },
            reason: format!(
                "no end after {} s; the attempt was broken off",
                time.as_secs()
            ),
            unauthorized: false,
            calls: Vec::new(),
        })
    })
}

/// How long a vendor may still be at work on a call that nobody listens to any more. A look that comes
/// earlier could find nothing, and make a second record.
pub(crate) const SETTLING: Duration = Duration::from_secs(30);

async fn connect_and_perform<C: Connector>(
    connector: &C,
    accounts: &Accounts,
    task: &TaskRun,
    now: Timestamp,
    time: Duration,
) -> Result<Done, Failed> {
    let Some(input) = &task.input else {
        return Err(Failed::before_any_call(
            "the task has no input, although it was requested",
        ));
    };
    let moment = Moment::new(now, time);
    let connected = accounts
        .connect(&task.account, C::VENDOR, &moment)
        .await
        .map_err(account_failed)?;
    let mut assignment = Assignment {
        key: &task.key,
        kind: task.kind,
        input,
        look_first: task.look_first,
        first_attempt_at: first_attempt_at(task, now),
        now,
    };
    let refused = match connector.perform(&assignment, &connected).await {
        Err(failed) if failed.unauthorized => failed,
        other => return other,
    };
    match accounts.reconnect(&task.account, &connected, &moment).await {
        Ok(None) => Err(Failed {
            reason: format!(
                "{} (account `{}`: see what `accounts verify` says, put the right secret or connect it again, then retry the run)",
                refused.reason, task.account
            ),
            ..refused
        }),
        Ok(Some(connected)) => {
            assignment.look_first |= may_have_written(&refused.calls);
            let calls = refused.calls;
            let prepend = |later: Vec<VendorCall>| calls.into_iter().chain(later).collect();
            match connector.perform(&assignment, &connected).await {
                Ok(done) => Ok(Done {
                    calls: prepend(done.calls),
                    ..done
                }),
                Err(failed) => Err(after_calls(Failed {
                    calls: prepend(failed.calls),
                    ..failed
                })),
            }
        }
        Err(error) => Err(after_calls(Failed {
            calls: refused.calls,
            ..account_failed(error)
        })),
    }
}

/// Whether one of the calls sent something that the vendor did not refuse for its credentials.
fn may_have_written(calls: &[VendorCall]) -> bool {
    calls
        .iter()
        .any(|call| call.sent.is_some() && call.status != Some(401))
}

/// What follows when something was written before credentials were refused: the next attempt looks first, whatever the
/// last failure says of itself.
fn after_calls(failed: Failed) -> Failed {
    let disposition = match failed.disposition {
        Disposition::Retry { after } if may_have_written(&failed.calls) => {
            Disposition::Reconcile { after }
        }
        other @ (Disposition::Retry { .. }
        | Disposition::Reconcile { .. }
        | Disposition::Wait { .. }
        | Disposition::GiveUp) => other,
    };
    Failed {
        disposition,
        ..failed
    }
}

/// Attempts before a retry by hand, and those that died without a word, count as well: an effect of one of
/// them is looked for, too.
fn first_attempt_at(task: &TaskRun, now: Timestamp) -> Timestamp {
    task.first_ever_at.unwrap_or(now)
}

/// The end of an attempt whose account cannot be used now.
pub fn account_failed(error: accounts::Error) -> Failed {
    let disposition = error.disposition();
    Failed {
        disposition,
        reason: startup::chain(&error),
        unauthorized: false,
        calls: Vec::new(),
    }
}

/// Drops bodies that were sent, the oldest first, until the attempts fit into the task's row. An end that
/// does not fit could never be stored. Every attempt sends the same, so that the last body tells of all.
pub(crate) fn make_room(earlier: &mut [Attempt], newest: &mut Attempt) {
    let mut size: usize = earlier.iter().chain([&*newest]).map(bodies).sum();
    for attempt in earlier.iter_mut().chain([newest]) {
        if size <= ROOM_FOR_BODIES {
            break;
        }
        size -= bodies(attempt);
        for call in &mut attempt.calls {
            call.sent = None;
        }
    }
}

/// Bytes of JSON.
fn bodies(attempt: &Attempt) -> usize {
    let sent = attempt.calls.iter().filter_map(|call| call.sent.as_ref());
    sent.map(json_bytes).sum()
}

/// What is stored of an attempt.
pub(crate) fn conclude(
    policy: &RetryPolicy,
    task: &TaskRun,
    started_at: Timestamp,
    ended_at: Timestamp,
    result: Result<Done, Failed>,
) -> (Attempt, AttemptEnd) {
    let attempt = |outcome, message, calls| Attempt {
        number: task.attempts_begun,
        started_at,
        ended_at,
        outcome,
        message,
        calls,
    };
    let failed = match result {
        Ok(Done {
            output,
            link,
            warnings,
            calls,
        }) => {
            return (
                attempt(AttemptOutcome::Succeeded, None, calls),
                AttemptEnd::Succeeded {
                    output,
                    link,
                    warnings,
                },
            );
        }
        Err(failed) => failed,
    };
    let first = task.first_attempt_at.unwrap_or(started_at);
    let elapsed = Duration::try_from(ended_at.duration_since(first)).unwrap_or_default();
    // After a retry by hand the pace begins anew.
    let attempts = task.attempts_begun.saturating_sub(task.attempts_before);
    let seed = task.key.seed();
    let paced = |asked| policy.delay(attempts, elapsed, asked, seed);
    let (outcome, look_first, delay) = match failed.disposition {
        Disposition::Retry { after } => (AttemptOutcome::Retry, false, paced(after)),
        Disposition::Reconcile { after } => (AttemptOutcome::Reconcile, true, paced(after)),
        Disposition::Wait { every } => (
            AttemptOutcome::Waiting,
            may_have_written(&failed.calls),
            policy.delay_while_waiting(attempts, elapsed, every, seed),
        ),
        Disposition::GiveUp => {
            let end = AttemptEnd::Failed {
                look_first: false,
                reason: failed.reason.clone(),
            };
            return (
                attempt(AttemptOutcome::GaveUp, Some(failed.reason), failed.calls),
                end,
            );
        }
    };
    if let Some(at) = delay.and_then(|delay| ended_at.checked_add(delay).ok()) {
        let end = AttemptEnd::Retry {
            at,
            look_first,
            reason: failed.reason.clone(),
        };
        return (attempt(outcome, Some(failed.reason), failed.calls), end);
    }
    let reason = format!(
        "{}; given up after {} attempts over {} h",
        failed.reason,
        task.attempts_begun,
        elapsed.as_secs() / 3600
    );
    let end = AttemptEnd::Failed {
        look_first,
        reason: reason.clone(),
    };
    (
        attempt(AttemptOutcome::RanOutOfTime, Some(reason), failed.calls),
        end,
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use accounts::Vendors;
    use domain::{AccountName, RunId, TaskName, TaskState};
    use serde_json::json;
    use vendor_http::test_support::{Server, Step};

    use super::*;

    const STARTED: &str = "2026-07-14T01:00:00Z";
    const POLICY: RetryPolicy = RetryPolicy::TASK;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn secs(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// A claimed task whose third attempt began at `STARTED`, the first one a minute before.
    fn task() -> TaskRun {
        let run = RunId::parse(&format!("run_{}", "0".repeat(32))).unwrap();
        let name = TaskName::parse("ticket").unwrap();
        TaskRun {
            key: TaskKey::derive(&run, &name),
            run,
            name,
            position: 0,
            kind: TaskKind::ZendeskCreateTicket,
            account: AccountName::parse("support").unwrap(),
            needs: Vec::new(),
            when: None,
            trace: None,
            unwanted: false,
            draft: json!({}),
            input: Some(json!({"comment": "x"})),
            state: TaskState::Running,
            attempts_begun: 3,
            attempts_before: 0,
            first_ever_at: Some(at("2026-07-14T00:59:00Z")),
            first_attempt_at: Some(at("2026-07-14T00:59:00Z")),
            next_attempt_at: None,
            lease_until: None,
            look_first: false,
            output: None,
            link: None,
            warnings: Vec::new(),
            reason: None,
            attempts: Vec::new(),
        }
    }

    fn call(path: &str, sent: Option<Value>) -> VendorCall {
        VendorCall {
            method: "POST".to_owned(),
            path: path.to_owned(),
            status: Some(503),
            request_id: None,
            sent,
        }
    }

    fn failed(disposition: Disposition) -> Failed {
        Failed {
            disposition,
            reason: "HTTP 503".to_owned(),
            unauthorized: false,
            calls: vec![call("/x", None)],
        }
    }

    fn done() -> Done {
        Done {
            output: json!({"id": 7}).as_object().unwrap().clone(),
            link: Some("https://example.com/7".to_owned()),
            warnings: vec!["kept something else".to_owned()],
            calls: vec![call("/x", None)],
        }
    }

    #[test]
    fn success_is_stored_with_what_it_left() {
        let (started, ended) = (at(STARTED), at("2026-07-14T01:00:02Z"));
        let (attempt, end) = conclude(&POLICY, &task(), started, ended, Ok(done()));
        assert_eq!(
            attempt,
            Attempt {
                number: 3,
                started_at: started,
                ended_at: ended,
                outcome: AttemptOutcome::Succeeded,
                message: None,
                calls: done().calls,
            }
        );
        let Done {
            output,
            link,
            warnings,
            ..
        } = done();
        assert_eq!(
            end,
            AttemptEnd::Succeeded {
                output,
                link,
                warnings
            }
        );
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn failure_is_tried_again_when_its_disposition_and_the_time_allow() {
        let spent = "2026-07-15T02:59:30Z";
        let named = Some(secs(600));
        let (retry, reconcile) = (AttemptOutcome::Retry, AttemptOutcome::Reconcile);
        let over = AttemptOutcome::RanOutOfTime;
        // Disposition and end of the attempt; outcome, whether to look first, and the least and longest delay.
        for (disposition, ended, outcome, look, delay) in [
            (Disposition::RETRY, STARTED, retry, false, Some((15, 20))),
            (
                Disposition::Retry { after: named },
                STARTED,
                retry,
                false,
                Some((600, 605)),
            ),
            (
                Disposition::Retry {
                    after: Some(secs(1)),
                },
                STARTED,
                retry,
                false,
                Some((15, 20)),
            ),
            (
                Disposition::RECONCILE,
                STARTED,
                reconcile,
                true,
                Some((15, 20)),
            ),
            (
                Disposition::Reconcile { after: named },
                STARTED,
                reconcile,
                true,
                Some((600, 605)),
            ),
            (
                Disposition::GiveUp,
                STARTED,
                AttemptOutcome::GaveUp,
                false,
                None,
            ),
            (
                Disposition::Wait { every: secs(12) },
                STARTED,
                AttemptOutcome::Waiting,
                false,
                Some((9, 12)),
            ),
            (
                Disposition::Wait { every: secs(12) },
                spent,
                over,
                false,
                None,
            ),
            (Disposition::RETRY, spent, over, false, None),
            (Disposition::RECONCILE, spent, over, true, None),
            (
                Disposition::Retry {
                    after: Some(POLICY.budget),
                },
                STARTED,
                over,
                false,
                None,
            ),
        ] {
            let (started, ended) = (at(STARTED), at(ended));
            let (attempt, end) =
                conclude(&POLICY, &task(), started, ended, Err(failed(disposition)));
            assert_eq!(
                (attempt.number, attempt.started_at, attempt.ended_at),
                (3, started, ended)
            );
            assert_eq!(attempt.outcome, outcome, "{disposition:?}");
            assert_eq!(attempt.calls, failed(disposition).calls);
            let message = attempt.message.unwrap();
            assert_eq!(
                message.contains("given up after 3 attempts over"),
                outcome == over,
                "{message}"
            );
            assert!(message.starts_with("HTTP 503"), "{message}");
            match (end, delay) {
                (
                    AttemptEnd::Retry {
                        at,
                        look_first,
                        reason,
                    },
                    Some((least, longest)),
                ) => {
                    let waits = Duration::try_from(at.duration_since(ended)).unwrap();
                    assert!(waits >= secs(least) && waits <= secs(longest), "{waits:?}");
                    assert_eq!((look_first, reason), (look, message));
                }
                (AttemptEnd::Failed { look_first, reason }, None) => {
                    assert_eq!((look_first, reason), (look, message));
                }
                (end, _) => panic!("{disposition:?} ended as {end:?}"),
            }
        }
    }

    #[test]
    fn oldest_bodies_make_room_for_the_newest() {
        let half = json!("x".repeat(ROOM_FOR_BODIES / 2 - 2));
        let whole = json!("x".repeat(ROOM_FOR_BODIES));
        let attempt = |body: &Value| {
            let result = Err(Failed {
                calls: vec![call("/looked", None), call("/wrote", Some(body.clone()))],
                ..failed(Disposition::RETRY)
            });
            conclude(&POLICY, &task(), at(STARTED), at(STARTED), result).0
        };
        for (earlier, newest, expected) in [
            (vec![], &half, vec![true]),
            (vec![&half], &half, vec![true, true]),
            (vec![&half, &half], &half, vec![false, true, true]),
            (vec![&whole, &half], &half, vec![false, true, true]),
            (vec![&half], &whole, vec![false, false]),
        ] {
            let mut earlier: Vec<_> = earlier.into_iter().map(attempt).collect();
            let mut newest = attempt(newest);
            make_room(&mut earlier, &mut newest);
            earlier.push(newest);
            let kept: Vec<_> = earlier
                .iter()
                .map(|attempt| attempt.calls[1].sent.is_some())
                .collect();
            assert_eq!(kept, expected);
            assert!(earlier.iter().all(|attempt| attempt.calls.len() == 2));
        }
    }

    /// Gives one answer per attempt, in order, and then none; keeps which attempts were to look first.
    #[derive(Default)]
    struct Scripted {
        answers: Mutex<Vec<Result<Done, Failed>>>,
        looked_first: Mutex<Vec<bool>>,
    }

    impl Connector for Scripted {
        const VENDOR: Vendor = Vendor::Zendesk;

        async fn perform(
            &self,
            assignment: &Assignment<'_>,
            _: &Connected,
        ) -> Result<Done, Failed> {
            let look_first = assignment.look_first;
            self.looked_first.lock().unwrap().push(look_first);
            let answer = self.answers.lock().unwrap().pop();
            match answer {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        }

        fn preview(&self, _: &PreviewRequest) -> Preview {
            Preview::default()
        }
    }

    impl Scripted {
        fn answering(answers: impl IntoIterator<Item = Result<Done, Failed>>) -> Self {
            let mut answers: Vec<_> = answers.into_iter().collect();
            answers.reverse();
            Self {
                answers: Mutex::new(answers),
                ..Self::default()
            }
        }

        async fn make(&self, task: &TaskRun, secrets: &[&str]) -> Result<Done, Failed> {
            let ms = at(STARTED).as_millisecond().to_string();
            let row = json!({
                "name": {"S": task.account}, "vendor": {"S": "zendesk"}, "instance": {"S": "acme"},
                "kind": {"S": "bearer"}, "state": {"S": "connected"}, "secret": {"S": "test/secret"},
                "updated_at": {"N": ms}, "used_at": {"N": ms},
            });
            // Each time both are read: the row, then the secret.
            let answers = secrets.iter().flat_map(|token| {
                let secret = json!({"kind": "bearer", "token": token}).to_string();
                [
                    Step::json(200, json!({"Item": row})),
                    Step::json(200, json!({"SecretString": secret})),
                ]
            });
            let server = Server::start(answers).await.unwrap();
            let aws = aws::Config::at(&server.url()).unwrap();
            let http = vendor_http::Client::new().unwrap();
            let vendors = Vendors::from_vars(http, |_| None).unwrap();
            let config = accounts::Config::from_vars(|name| Some(name.to_lowercase())).unwrap();
            let accounts = Accounts::new(&aws, config, vendors, "test".to_owned());
            make(self, &accounts, task, at(STARTED), secs(2)).await
        }

        fn looked_first(&self) -> Vec<bool> {
            self.looked_first.lock().unwrap().clone()
        }
    }

    fn unauthorized() -> Failed {
        Failed {
            unauthorized: true,
            calls: vec![call("/refused", None)],
            ..failed(Disposition::GiveUp)
        }
    }

    fn paths(calls: &[VendorCall]) -> Vec<&str> {
        calls.iter().map(|call| call.path.as_str()).collect()
    }

    #[tokio::test]
    async fn attempt_that_does_not_end_is_broken_off_and_to_be_reconciled() {
        let connector = Scripted::default();
        let failed = connector.make(&task(), &["old"]).await.unwrap_err();
        assert_eq!(connector.looked_first(), [false]);
        assert_eq!(
            failed.disposition,
            Disposition::Reconcile {
                after: Some(SETTLING)
            }
        );
        assert!(failed.reason.contains("no end after 2 s"));
        assert!(!failed.unauthorized);
    }

    #[tokio::test]
    async fn task_without_input_is_given_up_before_any_call() {
        let task = TaskRun {
            input: None,
            ..task()
        };
        let connector = Scripted::default();
        let failed = connector.make(&task, &[]).await.unwrap_err();
        assert_eq!(connector.looked_first(), [false; 0]);
        assert_eq!(failed.disposition, Disposition::GiveUp);
        assert!(failed.reason.contains("no input"), "{}", failed.reason);
    }

    #[tokio::test]
    async fn refused_secret_is_read_again_and_the_attempt_repeated_once() {
        let connector = Scripted::answering([Err(unauthorized()), Ok(done())]);
        let done = connector.make(&task(), &["old", "new"]).await.unwrap();
        assert_eq!(paths(&done.calls), ["/refused", "/x"]);
        // A call that was refused has written nothing.
        assert_eq!(connector.looked_first(), [false, false]);

        let connector = Scripted::answering([Err(unauthorized()), Err(unauthorized())]);
        let failed = connector.make(&task(), &["old", "new"]).await.unwrap_err();
        assert_eq!(paths(&failed.calls), ["/refused", "/refused"]);
        assert_eq!(failed.disposition, Disposition::GiveUp);
    }

    #[tokio::test]
    async fn writes_before_a_refusal_are_looked_for_whatever_comes_after() {
        let unauthorized = || Failed {
            calls: vec![
                call("/wrote", Some(json!({}))),
                VendorCall {
                    status: Some(401),
                    ..call("/refused", Some(json!({})))
                },
            ],
            ..unauthorized()
        };
        let connector = Scripted::answering([Err(unauthorized()), Ok(done())]);
        connector.make(&task(), &["old", "new"]).await.unwrap();
        assert_eq!(connector.looked_first(), [false, true]);
        // The account cannot be read again, so that nothing of the second look is a call.
        let connector = Scripted::answering([Err(unauthorized())]);
        let unread = connector.make(&task(), &["old"]).await.unwrap_err();
        // The second try is refused before it has done anything.
        let connector = Scripted::answering([Err(unauthorized()), Err(failed(Disposition::RETRY))]);
        let again = connector.make(&task(), &["old", "new"]).await.unwrap_err();
        for failed in [unread, again] {
            assert_eq!(failed.calls[0].path, "/wrote");
            assert_eq!(failed.disposition, Disposition::RECONCILE);
        }
    }

    #[tokio::test]
    async fn refused_secret_that_has_not_changed_is_told_to_a_human() {
        let connector = Scripted::answering([Err(unauthorized()), Ok(done())]);
        let failed = connector.make(&task(), &["old", "old"]).await.unwrap_err();
        assert_eq!(connector.looked_first(), [false]);
        assert_eq!(failed.disposition, Disposition::GiveUp);
        assert_eq!(paths(&failed.calls), ["/refused"]);
        assert!(
            failed.reason.contains("account `support`"),
            "{}",
            failed.reason
        );
    }

    #[test]
    fn attempts_before_a_retry_by_hand_count_for_the_look_and_not_for_the_pace() {
        let task = TaskRun {
            first_ever_at: Some(at("2026-07-12T08:00:00Z")),
            first_attempt_at: Some(at(STARTED)),
            attempts_before: 2,
            ..task()
        };
        assert_eq!(
            first_attempt_at(&task, at(STARTED)),
            at("2026-07-12T08:00:00Z")
        );
        let ended = at(STARTED);
        let result = Err(failed(Disposition::RETRY));
        let (_, end) = conclude(&RetryPolicy::TASK, &task, ended, ended, result);
        let AttemptEnd::Retry { at: next, .. } = end else {
            panic!("{end:?}")
        };
        assert!(next.duration_since(ended).as_secs() <= 5, "{next}");
    }
}
