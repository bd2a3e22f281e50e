//! Fetching the connections of one service case, soon after it was closed.

use accounts::Moment;
use aws_lambda_events::sqs::SqsMessage;
use connection_history::{Found, after_failed_look, look_again};
use domain::CaseCode;
use domain::teamviewer::Settings;
use jiff::Timestamp;
use queue::Verdict;
use retry::Disposition;
use teamviewer::ConnectionQuery;

use crate::ask::{Asker, Failure, FailureKind};
use crate::handler::{Retrieval, Time};
use crate::mapping::session_code;

/// Pages of one case, of 1000 connections each. More are left to the windows.
const MOST_PAGES: usize = 5;

impl Retrieval {
    /// Fetches what there is, and looks again while something may be late. Windows find what this does not.
    pub(crate) async fn fetch_case(
        &self,
        code: &CaseCode,
        since: Timestamp,
        message: &SqsMessage,
        time: Time,
    ) -> Verdict {
        let settings = match self.settings.get().await {
            Ok(Some(stored)) => stored.settings,
            Ok(None) => return Verdict::Finished,
            Err(error) => return trouble(&error.into()),
        };
        let look = tokio::time::timeout_at(time.ends, self.look(&settings, code, time));
        let look = look.await.unwrap_or_else(|_| {
            let reason = "it took longer than the function has";
            Err(Failure::own(reason.to_owned()))
        });
        let elapsed = self.now().duration_since(since);
        let elapsed = elapsed.try_into().unwrap_or_default();
        let looks = receipts(message);
        let delay = match look {
            Ok(None) => return Verdict::Finished,
            Ok(Some(found)) => {
                tracing::info!(
                    looks,
                    found = found.any,
                    unfinished = found.unfinished,
                    news = found.news,
                    "connections of a case"
                );
                look_again(looks, elapsed, found)
            }
            Err(failure) if failure.kind == FailureKind::Own => return trouble(&failure),
            Err(failure) => {
                if failure.disposition == Disposition::GiveUp {
                    tracing::error!(looks, reason = failure.reason, "case not looked at");
                } else {
                    tracing::warn!(looks, reason = failure.reason, "case not looked at");
                }
                let limited = failure.is_limited();
                after_failed_look(looks, elapsed, failure.disposition, limited)
            }
        };
        delay.map_or(Verdict::Finished, Verdict::After)
    }

    /// `None` when no history is kept.
    async fn look(
        &self,
        settings: &Settings,
        code: &CaseCode,
        time: Time,
    ) -> Result<Option<Found>, Failure> {
        let (Some(history), Some(code)) = (&settings.history, session_code(code)) else {
            return Ok(None);
        };
        let moment = Moment::new(self.now(), time.left());
        let asker = Asker::new(&self.recorder.accounts, &history.account, moment);
        let mut found = Found {
            any: false,
            unfinished: false,
            news: false,
        };
        let mut query = ConnectionQuery::of_session(code);
        for _ in 0..MOST_PAGES {
            let page = asker
                .ask(|client| {
                    let query = query.clone();
                    async move { client.connections(&query).await }
                })
                .await?;
            let next = page.next_offset.clone();
            let kept = self.keep(settings, &asker, page).await?;
            found.any |= kept.read > 0;
            found.unfinished |= kept.unfinished > 0;
            found.news |= kept.written > 0;
            // The vendor's ids vary in case.
            let before = query.offset_id.as_deref().unwrap_or_default();
            let Some(next) = next.filter(|next| !next.eq_ignore_ascii_case(before)) else {
                break;
            };
            query.offset_id = Some(next);
        }
        Ok(Some(found))
    }
}

/// What to do when our own side does not do what it should. What is wrong with it for good somebody has to mend; windows
/// find the connections then.
fn trouble(failure: &Failure) -> Verdict {
    if failure.disposition == Disposition::GiveUp {
        tracing::error!(reason = failure.reason, "case left to the windows");
        return Verdict::Finished;
    }
    tracing::warn!(reason = failure.reason, "case put off");
    Verdict::OwnTrouble
}

/// How often the message was received: 1 the first time.
fn receipts(message: &SqsMessage) -> u32 {
    let count = message.attributes.get("ApproximateReceiveCount");
    count.and_then(|count| count.parse().ok()).unwrap_or(1)
}
