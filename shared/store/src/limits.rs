use aws::dynamodb::Client;
use aws::dynamodb::ReturnValue;
use domain::AccountName;
use jiff::Timestamp;

use crate::Error;
use crate::item::{Reader, number, text};

/// How long the row of a minute stays; nobody reads it after that minute.
const MINUTE_KEPT_SECONDS: i64 = 3_600;
/// How long a message's count of attempts stays: longer than any message is tried.
const ATTEMPTS_KEPT_SECONDS: i64 = 3 * 86_400;

/// The table of limits: how many calls were made with an account in a minute, and how often a message was tried. Rows
/// expire by themselves; losing all of them costs some calls too many.
#[derive(Debug, Clone)]
pub struct Limits {
    client: Client,
    table: String,
}

/// What came of asking for a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// One call may be made.
    Granted,
    /// The minute's permits are given out.
    Refused {
        /// How many were refused in this minute before.
        before: u32,
    },
}

impl Limits {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Takes one of the account's permits for the minute of `now`, of which there are `most`.
    ///
    /// # Errors
    /// Retry. A permit that was taken all the same is lost.
    pub async fn take(
        &self,
        account: &AccountName,
        most: u32,
        now: Timestamp,
    ) -> Result<Permit, Error> {
        const OPERATION: &str = "taking a permit for a call";
        let id = format!("permits/{account}/{}", now.as_second().div_euclid(60));
        let expires_at = now.as_second().saturating_add(MINUTE_KEPT_SECONDS);
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(&id))
            .update_expression("SET expires_at = :expiry ADD taken :one")
            .condition_expression("attribute_not_exists(taken) OR taken < :most")
            .expression_attribute_values(":expiry", number(expires_at))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":most", number(i64::from(most)))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Permit::Granted),
            Err(error) if error.is_condition_failed() => {
                let refused = self.count(OPERATION, &id, "refused", expires_at).await?;
                Ok(Permit::Refused {
                    before: refused.saturating_sub(1),
                })
            }
            Err(error) => Err(Error::unavailable(OPERATION)(error)),
        }
    }

    /// Counts a message's attempts: 1 after the first.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn count_attempt(&self, message: &str, now: Timestamp) -> Result<u32, Error> {
        let expires_at = now.as_second().saturating_add(ATTEMPTS_KEPT_SECONDS);
        let id = format!("attempts/{message}");
        self.count("counting an attempt", &id, "attempts", expires_at)
            .await
    }

    async fn count(
        &self,
        operation: &'static str,
        id: &str,
        counter: &'static str,
        expires_at: i64,
    ) -> Result<u32, Error> {
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(id))
            .update_expression("SET expires_at = :expiry ADD #counter :one")
            .expression_attribute_names("#counter", counter)
            .expression_attribute_values(":expiry", number(expires_at))
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllNew)
            .send()
            .await
            .map_err(Error::unavailable(operation))?;
        let item = answer.attributes.unwrap_or_default();
        let reader = Reader {
            operation,
            item: &item,
        };
        Ok(reader.number(counter)?.unwrap_or(1))
    }
}
