use aws::dynamodb::Client;
use aws::dynamodb::ReturnValuesOnConditionCheckFailure;
use aws::dynamodb::{Request, UpdateItem};
use jiff::Timestamp;

use crate::Error;
use crate::item::{Item, Reader, expiry, number, text, time};

/// How long it is known that a mail was sent.
const KEPT_DAYS: u32 = 90;
const MAIL: &str = "mail";
const SENDING: &str = "sending";
const SENT: &str = "sent";
const FAILED: &str = "failed";

/// The table's rows of mails: that they were sent, to nobody's address and with nobody's text. A row says `sending` before
/// the call and `sent` after it, so that what is in between is known to be unknown.
#[derive(Debug, Clone)]
pub struct Mails {
    client: Client,
    table: String,
}

/// What came of claiming a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailClaim {
    /// The caller sends it.
    Claimed,
    /// It was sent.
    Sent {
        /// SES's id of it.
        message_id: String,
        /// When.
        at: Timestamp,
    },
    /// Somebody is sending it.
    Sending {
        /// No longer than until then.
        until: Timestamp,
    },
    /// Somebody began to send it and did not say what came of that.
    Unclear {
        /// When.
        since: Timestamp,
    },
    /// Another mail was sent under that name.
    Other,
}

impl Mails {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Takes the right to send the mail of `id`, once. `fingerprint` says what mail it is; `resend` that one of which nobody
    /// knows whether it was sent is sent once more. `owner` must be unique to this call.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn claim(
        &self,
        id: &str,
        fingerprint: &str,
        resend: bool,
        owner: &str,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<MailClaim, Error> {
        const OPERATION: &str = "taking the right to send a mail";
        let update = self
            .row(id)
            .update_expression(
                "SET #state = :sending, lease_owner = :owner, lease_until = :until, began_at = :now, \
                 fingerprint = :fingerprint, expires_at = :expiry, \
                 state_before = if_not_exists(#state, :failed) ADD attempts :one",
            )
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":sending", text(SENDING))
            .expression_attribute_values(":failed", text(FAILED))
            .expression_attribute_values(":owner", text(owner))
            .expression_attribute_values(":until", time(lease_until))
            .expression_attribute_values(":now", time(now))
            .expression_attribute_values(":fingerprint", text(fingerprint))
            .expression_attribute_values(":expiry", expiry(now, KEPT_DAYS))
            .expression_attribute_values(":one", number(1))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let again = if resend {
            " OR (#state = :sending AND (attribute_not_exists(lease_until) OR lease_until <= :now))"
        } else {
            ""
        };
        let sent = update
            .condition_expression(format!(
                "attribute_not_exists(pk) OR (fingerprint = :fingerprint AND (#state = :failed{again}))"
            ))
            .send()
            .await;
        let Err(error) = sent else {
            return Ok(MailClaim::Claimed);
        };
        match error.condition_failed() {
            Some(refused) => {
                let item = refused.item.unwrap_or_default();
                not_claimed(OPERATION, &item, fingerprint, now)
            }
            None => Err(Error::unavailable(OPERATION)(error)),
        }
    }

    /// Notes that SES has taken the mail; tells whether the caller still had the right to send it.
    ///
    /// # Errors
    /// Retry, or leave it: the mail then counts as one of which nobody knows.
    pub async fn sent(
        &self,
        id: &str,
        owner: &str,
        message_id: &str,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let update = self
            .row(id)
            .update_expression(
                "SET #state = :state, message_id = :message, sent_at = :now \
                 REMOVE lease_owner, lease_until, state_before",
            )
            .expression_attribute_values(":message", text(message_id))
            .expression_attribute_values(":now", time(now));
        end("noting that a mail was sent", update, SENT, owner).await
    }

    /// Notes that the mail was surely not sent this time, so that anybody may send it, unless it perhaps was before: then
    /// it counts as that again. Tells whether the caller still had the right to.
    ///
    /// # Errors
    /// Retry, or leave it: the mail then counts as one of which nobody knows.
    pub async fn failed(&self, id: &str, owner: &str) -> Result<bool, Error> {
        // `sending` without a lease is what nobody knows of.
        let update = self.row(id).update_expression(
            "SET #state = if_not_exists(state_before, :state) \
             REMOVE lease_owner, lease_until, state_before",
        );
        end("noting that a mail was not sent", update, FAILED, owner).await
    }

    fn row(&self, id: &str) -> Request<UpdateItem> {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(format!("mail#{id}")))
            .key("sk", text(MAIL))
    }
}

async fn end(
    operation: &'static str,
    update: Request<UpdateItem>,
    state: &str,
    owner: &str,
) -> Result<bool, Error> {
    let ended = update
        .condition_expression("lease_owner = :owner")
        .expression_attribute_names("#state", "state")
        .expression_attribute_values(":state", text(state))
        .expression_attribute_values(":owner", text(owner))
        .send()
        .await;
    match ended {
        Ok(_) => Ok(true),
        Err(error) if error.is_condition_failed() => Ok(false),
        Err(error) => Err(Error::unavailable(operation)(error)),
    }
}

fn not_claimed(
    operation: &'static str,
    item: &Item,
    fingerprint: &str,
    now: Timestamp,
) -> Result<MailClaim, Error> {
    let reader = Reader { operation, item };
    if reader.text("fingerprint")? != Some(fingerprint) {
        return Ok(MailClaim::Other);
    }
    if reader.text("state")? == Some(SENT) {
        return Ok(MailClaim::Sent {
            message_id: reader.text("message_id")?.unwrap_or_default().to_owned(),
            at: reader.time("sent_at")?.unwrap_or(now),
        });
    }
    match reader.time("lease_until")? {
        Some(until) if until > now => Ok(MailClaim::Sending { until }),
        Some(_) | None => Ok(MailClaim::Unclear {
            since: reader.time("began_at")?.unwrap_or(now),
        }),
    }
}
