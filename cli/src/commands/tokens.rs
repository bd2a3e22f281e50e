use std::collections::BTreeSet;

use access::{NewToken, Role, Token, TokenId};
use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;

use super::{Ending, applied_line};
use crate::error::Error;
use crate::output::Output;
use crate::report::time;
use crate::stack::Target;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a token for the management API, and print it: this once only
    Create {
        /// What or who it is for
        name: String,
        /// What its bearer may do; repeat it for more
        #[arg(long = "role", required = true, value_name = "ROLE")]
        roles: Vec<Role>,
        /// It ends after so many days
        #[arg(long, default_value_t = 90, value_name = "NUMBER",
              value_parser = clap::value_parser!(i64).range(1..=access::LONGEST_DAYS))]
        days: i64,
    },
    /// List the tokens, newest first
    List,
    /// End a token at once
    Revoke {
        /// The token's id, as it is listed
        id: TokenId,
    },
}

impl Command {
    pub(crate) async fn run(
        &self,
        target: &Target,
        output: &mut Output<'_>,
    ) -> Result<Ending, Error> {
        match self {
            Self::Create { name, roles, days } => {
                let token = new_token(name, roles, *days, startup::now());
                let created_by = creator(startup::variable("USER"));
                let stack = target.open().await?;
                let created = stack.create_token(token, &created_by).await?;
                if output.wants_json() {
                    output.json(&created)?;
                } else {
                    // The token is alone on standard output, so that it can be piped on.
                    output.text(created.secret.expose_secret())?;
                    eprintln!(
                        "This is the token {}, until {}. It cannot be shown again.",
                        created.token.id,
                        time(created.token.expires_at)
                    );
                }
            }
            Self::List => {
                let tokens = target.open().await?.tokens().await?.items;
                list(&tokens, startup::now(), output)?;
            }
            Self::Revoke { id } => {
                target.open().await?.revoke_token(id).await?;
                output.text(applied_line("revoked", id.as_str(), ""))?;
            }
        }
        Ok(Ending::Good)
    }
}

fn new_token(name: &str, roles: &[Role], days: i64, now: Timestamp) -> NewToken {
    let hours = SignedDuration::from_hours(days.saturating_mul(24));
    NewToken {
        name: name.to_owned(),
        roles: roles.iter().copied().collect::<BTreeSet<Role>>(),
        expires_at: now.checked_add(hours).unwrap_or(Timestamp::MAX),
    }
}

/// Who makes a token with AWS credentials, as far as this machine knows.
fn creator(user: Option<String>) -> String {
    match user {
        Some(user) => format!("{user}, on the command line"),
        None => "the command line".to_owned(),
    }
}

fn list(tokens: &[Token], now: Timestamp, output: &mut Output<'_>) -> Result<(), Error> {
    if output.wants_json() {
        return output.json(&tokens);
    }
    if tokens.is_empty() {
        return output.text("There is no token yet: make one with `tokens create`.");
    }
    let rows: Vec<Vec<String>> = tokens.iter().map(|token| row(token, now)).collect();
    output.table(&rows)
}

fn row(token: &Token, now: Timestamp) -> Vec<String> {
    let state = match token.revoked_at {
        Some(at) => format!("revoked {}", time(at)),
        None if token.expires_at <= now => format!("ended {}", time(token.expires_at)),
        None => format!("until {}", time(token.expires_at)),
    };
    let used = token.used_at.map_or_else(
        || "never used".to_owned(),
        |at| format!("used {}", time(at)),
    );
    let roles: Vec<&str> = token.roles.iter().map(|role| role.as_str()).collect();
    vec![
        token.id.to_string(),
        token.name.clone(),
        roles.join(","),
        state,
        used,
        format!("by {}", token.created_by),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::constant(1_795_264_200, 0);

    #[test]
    fn list_tells_which_tokens_can_be_used() {
        let token = |extra: serde_json::Value| -> Token {
            let mut fields = json!({
                "id": "0123456789abcdef", "name": "ci", "roles": ["admin", "itil"], "created_by": "ops",
                "created_at": "2026-11-01T00:00:00Z", "expires_at": "2026-12-01T00:00:00Z"
            });
            let own = fields.as_object_mut().unwrap();
            own.extend(extra.as_object().unwrap().clone());
            serde_json::from_value(fields).unwrap()
        };
        let told = |extra| row(&token(extra), NOW)[3..5].join(", ");
        assert_eq!(told(json!({})), "until 2026-12-01T00:00:00Z, never used");
        assert_eq!(
            told(json!({"expires_at": "2026-11-02T00:00:00Z"})),
            "ended 2026-11-02T00:00:00Z, never used"
        );
        assert_eq!(
            told(json!({"revoked_at": "2026-11-03T00:00:00Z", "used_at": "2026-11-02T00:00:00Z"})),
            "revoked 2026-11-03T00:00:00Z, used 2026-11-02T00:00:00Z"
        );
        let row = row(&token(json!({})), NOW);
        assert_eq!(row[..3], ["0123456789abcdef", "ci", "admin,itil"]);
        assert_eq!(row[5], "by ops");
    }

    #[test]
    fn token_ends_after_the_days_that_were_asked_for() {
        let token = new_token("ci", &[Role::Admin, Role::Admin], 90, NOW);
        assert_eq!(token.expires_at.duration_since(NOW).as_hours(), 90 * 24);
        assert_eq!(token.roles.len(), 1);
    }
}
