//! What lies in the queue. Pure.

use domain::message::{ACCOUNT_CONNECTED, BusMessage, UnreadableMessage};
use domain::teamviewer::{TeamViewerMessage, TeamViewerWork};
use domain::{AccountName, CloudEvent, Vendor};
use serde_json::Value;

/// A message that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the queue message is no work of this version: {0}")]
    Work(String),
    #[error(transparent)]
    Bus(#[from] UnreadableMessage),
}

/// The work that a message brings; `None` for an event that is nothing to us.
pub(crate) fn work(body: &str) -> Result<Option<TeamViewerWork>, Unreadable> {
    // Without the values, which an error of `serde_json` quotes.
    let fault = |error: serde_json::Error| {
        Unreadable::Work(format!(
            "{:?} error in column {}",
            error.classify(),
            error.column()
        ))
    };
    let document: Value = serde_json::from_str(body).map_err(fault)?;
    // A call of the scheduler that failed, which somebody has moved here from the dead-letter queue: the next minute's has
    // done its work.
    if document.get("tick").is_some() {
        return Ok(None);
    }
    if document.get("detail-type").is_none() {
        let TeamViewerMessage::V1 { work } = serde_json::from_value(document).map_err(fault)?;
        return Ok(Some(work));
    }
    match BusMessage::parse(body)? {
        BusMessage::Event(event) => Ok(connected(&event)),
        BusMessage::TaskRequested(_) | BusMessage::TaskEnded(_) => {
            let problem = "it is a task's".to_owned();
            Err(Unreadable::Work(problem))
        }
    }
}

/// An account of TeamViewer that somebody has connected.
fn connected(event: &CloudEvent) -> Option<TeamViewerWork> {
    if event.kind != ACCOUNT_CONNECTED {
        return None;
    }
    let data = event.data.as_ref()?;
    if data.get("vendor")?.as_str()? != Vendor::TeamViewer.as_str() {
        return None;
    }
    let account = AccountName::parse(data.get("account")?.as_str()?).ok()?;
    Some(TeamViewerWork::CreateWaitingCases { account })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn work_and_accounts_that_were_connected_are_told_apart() {
        let envelope = |kind: &str, vendor: &str| {
            json!({
                "source": "closedloop.accounts", "detail-type": kind,
                "detail": {"specversion": "1.0", "id": "1", "source": "/accounts", "type": kind,
                    "data": {"account": "tv", "vendor": vendor}}
            })
            .to_string()
        };
        let poll = r#"{"version":"1","work":{"poll":{}}}"#.to_owned();
        let account = AccountName::parse("tv").unwrap();
        for (body, expected) in [
            (poll, Some(TeamViewerWork::Poll {})),
            (
                envelope("account.connected", "teamviewer"),
                Some(TeamViewerWork::CreateWaitingCases { account }),
            ),
            (r#"{"tick":{}}"#.to_owned(), None),
            (envelope("account.connected", "zendesk"), None),
            (envelope("account.reconnect", "teamviewer"), None),
        ] {
            assert_eq!(work(&body).unwrap(), expected, "{body}");
        }
    }

    #[test]
    fn message_of_nobody_is_unreadable_and_not_quoted() {
        for body in [
            "{",
            "{}",
            r#"{"version":"1","work":{"secret":{}}}"#,
            r#"{"source":"x","detail-type":"task.requested","detail":{}}"#,
        ] {
            let error = work(body).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
