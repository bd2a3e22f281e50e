use std::time::Duration;

use retry::Disposition;

/// The daily quota is counted over the last 24 hours, so asking again soon is of no use.
///
/// Source: <https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html>
const QUOTA_DELAY: Duration = Duration::from_mins(10);
/// Somebody has paused sending, and must allow it again.
const PAUSED_DELAY: Duration = Duration::from_hours(1);
/// The codes whose words are about the mail and its sender. Others tell of the stack: its roles, its AWS account.
///
/// Source: <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html>
const ABOUT_THE_MAIL: [&str; 3] = [
    "MessageRejected",
    "MailFromDomainNotVerifiedException",
    "BadRequestException",
];
/// The longest passage of SES's own words that is repeated, in characters.
const LONGEST_WORDS: usize = 300;

/// Mail that was not sent, or perhaps was. The text holds no address and nothing of the mail.
#[derive(Debug, thiserror::Error)]
#[error("the mail {}", .kind)]
pub struct Error {
    /// What happened.
    pub kind: ErrorKind,
}

/// What happened to the mail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// No sender is set. Nothing was sent.
    #[error("cannot be sent: this stack has no sender, set its parameter MailFrom")]
    NotSetUp,
    /// SES answered that it does not take the mail. Nothing was sent.
    #[error("was not taken by SES: {code}{}", words(.message.as_deref()))]
    Refused {
        /// SES's error code.
        code: String,
        /// SES's words, with addresses and names of resources left out; only where they are about the mail.
        message: Option<String>,
        /// What to do next.
        disposition: Disposition,
    },
    /// The request could not be made or signed. Nothing was sent.
    #[error("was not sent: the request could not be made")]
    NotSent,
    /// No answer, or one that says nothing. It may have been sent.
    #[error("may have been sent: {what}")]
    Unclear {
        /// What happened.
        what: &'static str,
    },
}

fn words(message: Option<&str>) -> String {
    message
        .map(|message| format!(", {message}"))
        .unwrap_or_default()
}

impl Error {
    /// What to do. `Reconcile`: the mail may have been sent.
    pub fn disposition(&self) -> Disposition {
        match &self.kind {
            ErrorKind::NotSetUp => Disposition::GiveUp,
            ErrorKind::Refused { disposition, .. } => *disposition,
            ErrorKind::NotSent => Disposition::RETRY,
            ErrorKind::Unclear { .. } => Disposition::RECONCILE,
        }
    }
}

impl ErrorKind {
    /// What a status from 400 to 499 means: SES has not taken the mail.
    pub(crate) fn refused(code: &str, message: Option<&str>) -> Self {
        let after = |after| Disposition::Retry { after: Some(after) };
        let disposition = match code {
            "TooManyRequestsException" | "ThrottlingException" | "Throttling"
                if message.is_some_and(|words| words.contains("Daily")) =>
            {
                after(QUOTA_DELAY)
            }
            "TooManyRequestsException" | "ThrottlingException" | "Throttling" => Disposition::RETRY,
            "LimitExceededException" => after(QUOTA_DELAY),
            "SendingPausedException" => after(PAUSED_DELAY),
            _ => Disposition::GiveUp,
        };
        Self::Refused {
            code: code.to_owned(),
            message: message
                .filter(|_| ABOUT_THE_MAIL.contains(&code))
                .map(without_addresses),
            disposition,
        }
    }
}

/// SES quotes the addresses that it refuses, and may name resources.
fn without_addresses(words: &str) -> String {
    let words: Vec<&str> = words
        .split_whitespace()
        .map(|word| {
            if word.contains('@') {
                "(an address)"
            } else if word.contains("arn:") {
                "(a resource)"
            } else {
                word
            }
        })
        .collect();
    words.join(" ").chars().take(LONGEST_WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_says_when_to_come_again_and_hides_addresses() {
        let message = "Email address is not verified. The following identities failed the check in region \
                       EU-WEST-1: ann@example.com";
        let kind = ErrorKind::refused("MessageRejected", Some(message));
        assert!(!kind.to_string().contains("ann@"), "{kind}");
        assert!(kind.to_string().contains("not verified"), "{kind}");
        let words = "User: arn:aws:sts::111122223333:assumed-role/Api is not authorized";
        for code in ["AccessDeniedException", "MessageRejected"] {
            let kind = ErrorKind::refused(code, Some(words)).to_string();
            assert!(!kind.contains("111122223333"), "{kind}");
        }
        for (code, message, expected) in [
            ("MessageRejected", None, Disposition::GiveUp),
            ("TooManyRequestsException", None, Disposition::RETRY),
            (
                "ThrottlingException",
                Some("Daily message quota exceeded"),
                Disposition::Retry {
                    after: Some(QUOTA_DELAY),
                },
            ),
            (
                "SendingPausedException",
                None,
                Disposition::Retry {
                    after: Some(PAUSED_DELAY),
                },
            ),
            ("AccessDeniedException", None, Disposition::GiveUp),
        ] {
            let error = Error {
                kind: ErrorKind::refused(code, message),
            };
            assert_eq!(error.disposition(), expected, "{code}");
        }
    }
}
