use aws::dynamodb::Client;
use aws::dynamodb::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use domain::AccountName;
use jiff::Timestamp;

use crate::Error;
use crate::item::{Item, Reader, number, text, time};

/// How long an expired row stays, so that somebody who comes late is told so.
const REMEMBERED_SECONDS: i64 = 86_400;

/// The table of connections that are being made. It holds hashes of what proves something, never that itself.
#[derive(Debug, Clone)]
pub struct Connects {
    client: Client,
    table: String,
}

/// An account's owner was given an address under which to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Hash of what the address carries.
    pub id: String,
    /// The account.
    pub account: AccountName,
    /// The account whose company it must belong to; `None` where any will do.
    pub like: Option<AccountName>,
    /// Good until then.
    pub expires_at: Timestamp,
}

/// Somebody was sent to the vendor and is expected back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// Hash of the `state` that went to the vendor.
    pub id: String,
    /// The account.
    pub account: AccountName,
    /// Hash of what the browser keeps.
    pub browser: String,
    /// The client that asked.
    pub client_id: String,
    /// The vendor's instance that was asked.
    pub instance: String,
    /// The invitation that it began with.
    pub invitation: String,
    /// Good until then.
    pub expires_at: Timestamp,
}

/// What came of taking an authorization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is the caller's; nobody else gets it any more.
    Taken(Box<Authorization>),
    /// There is none, or no longer.
    Unknown,
    /// Its time is over.
    Expired,
    /// Another browser began it.
    OtherBrowser,
}

impl Connects {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Stores an invitation.
    ///
    /// # Errors
    /// Retry.
    pub async fn invite(&self, invitation: &Invitation) -> Result<(), Error> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("id", text(&invitation.id))
            .item("account", text(invitation.account.as_str()))
            .item("ends_at", time(invitation.expires_at))
            .item("expires_at", expiry(invitation.expires_at));
        let put = match &invitation.like {
            Some(like) => put.item("like", text(like.as_str())),
            None => put,
        };
        put.send()
            .await
            .map_err(Error::unavailable("storing an invitation to connect"))?;
        Ok(())
    }

    /// An invitation, also one whose time is over.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn invitation(&self, id: &str) -> Result<Option<Invitation>, Error> {
        const OPERATION: &str = "reading an invitation to connect";
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", text(id))
            .consistent_read(true)
            .send()
            .await
            .map_err(Error::unavailable(OPERATION))?;
        let Some(item) = answer.item else {
            return Ok(None);
        };
        let row = Row(OPERATION, &item);
        Ok(Some(Invitation {
            id: id.to_owned(),
            account: row.account()?,
            like: row.reader().word("like")?,
            expires_at: row.expires_at()?,
        }))
    }

    /// Uses an invitation up; tells whether it was still there.
    ///
    /// # Errors
    /// Retry.
    pub async fn use_up(&self, id: &str) -> Result<bool, Error> {
        let answer = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("id", text(id))
            .return_values(ReturnValue::AllOld)
            .send()
            .await
            .map_err(Error::unavailable("using up an invitation to connect"))?;
        Ok(answer.attributes.is_some_and(|item| !item.is_empty()))
    }

    /// Stores an authorization that somebody was sent to the vendor for.
    ///
    /// # Errors
    /// Retry.
    pub async fn begin(&self, authorization: &Authorization) -> Result<(), Error> {
        self.client
            .put_item()
            .table_name(&self.table)
            .item("id", text(&authorization.id))
            .item("account", text(authorization.account.as_str()))
            .item("browser", text(&authorization.browser))
            .item("client_id", text(&authorization.client_id))
            .item("instance", text(&authorization.instance))
            .item("invitation", text(&authorization.invitation))
            .item("ends_at", time(authorization.expires_at))
            .item("expires_at", expiry(authorization.expires_at))
            .send()
            .await
            .map_err(Error::unavailable("storing an authorization"))?;
        Ok(())
    }

    /// Takes an authorization away, for the browser that began it: whoever comes second finds none.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn take(&self, id: &str, browser: &str, now: Timestamp) -> Result<Taken, Error> {
        const OPERATION: &str = "taking an authorization";
        let taken = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("id", text(id))
            .condition_expression("browser = :browser AND ends_at > :now")
            .expression_attribute_values(":browser", text(browser))
            .expression_attribute_values(":now", time(now))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let item = match taken {
            Ok(answer) => answer.attributes.unwrap_or_default(),
            Err(error) => {
                let Some(refused) = error.condition_failed() else {
                    return Err(Error::unavailable(OPERATION)(error));
                };
                let Some(item) = refused.item else {
                    return Ok(Taken::Unknown);
                };
                return Ok(if Row(OPERATION, &item).expires_at()? <= now {
                    Taken::Expired
                } else {
                    Taken::OtherBrowser
                });
            }
        };
        let row = Row(OPERATION, &item);
        Ok(Taken::Taken(Box::new(Authorization {
            id: id.to_owned(),
            account: row.account()?,
            browser: row.text("browser")?,
            client_id: row.text("client_id")?,
            instance: row.text("instance")?,
            invitation: row.text("invitation")?,
            expires_at: row.expires_at()?,
        })))
    }
}

fn expiry(expires_at: Timestamp) -> aws::dynamodb::AttributeValue {
    number(expires_at.as_second().saturating_add(REMEMBERED_SECONDS))
}

struct Row<'a>(&'static str, &'a Item);

impl Row<'_> {
    fn reader(&self) -> Reader<'_> {
        Reader {
            operation: self.0,
            item: self.1,
        }
    }

    fn missing(&self, what: &'static str) -> Error {
        Error::Corrupt {
            operation: self.0,
            what,
            problem: "it is missing".to_owned(),
        }
    }

    fn text(&self, what: &'static str) -> Result<String, Error> {
        let found = self.reader().text(what)?.map(str::to_owned);
        found.ok_or_else(|| self.missing(what))
    }

    fn account(&self) -> Result<AccountName, Error> {
        let found = self.reader().word("account")?;
        found.ok_or_else(|| self.missing("account"))
    }

    fn expires_at(&self) -> Result<Timestamp, Error> {
        let found = self.reader().time("ends_at")?;
        found.ok_or_else(|| self.missing("ends_at"))
    }
}
