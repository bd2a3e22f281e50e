use aws::dynamodb::Client;
use aws::dynamodb::{AttributeValue, ReturnValue};
use jiff::Timestamp;

use crate::Error;
use crate::item::{Item, Reader, expiry, text, time};

/// For how many days a row is kept after its token's end.
const DAYS_KEPT: u32 = 90;

/// A bearer token of the management API: everything about it but the token itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// The part of the token that names it.
    pub id: String,
    /// The SHA-256 hash of the whole token, in hexadecimal digits.
    pub hash: String,
    /// What people call it.
    pub name: String,
    /// The roles that it gives, as texts: a role that this version does not know gives nothing.
    pub roles: Vec<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Who created it.
    pub created_by: String,
    /// When it ends by itself.
    pub ends_at: Timestamp,
    /// When somebody ended it.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used, give or take an hour.
    pub used_at: Option<Timestamp>,
}

/// The table of tokens: one row a token, keyed by its id, until some time after its end.
#[derive(Debug, Clone)]
pub struct Tokens {
    client: Client,
    table: String,
}

impl Tokens {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// One token, as it is now (a consistent read: a revoked one must not be taken for long).
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn get(&self, id: &str) -> Result<Option<TokenRow>, Error> {
        const OPERATION: &str = "reading a token";
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("id", text(id))
            .consistent_read(true)
            .send()
            .await
            .map_err(Error::unavailable(OPERATION))?;
        answer.item.map(|item| read(OPERATION, &item)).transpose()
    }

    /// Stores a new token.
    ///
    /// # Errors
    /// `Conflict` when there is one of this id; else retry.
    pub async fn create(&self, row: &TokenRow) -> Result<(), Error> {
        const OPERATION: &str = "storing a token";
        let sent = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(write(row)))
            .condition_expression("attribute_not_exists(id)")
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            Err(error) if error.is_condition_failed() => Err(Error::Conflict {
                operation: OPERATION,
            }),
            Err(error) => Err(Error::unavailable(OPERATION)(error)),
        }
    }

    /// Every token, newest first. Reads the whole table: for people.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn list(&self) -> Result<Vec<TokenRow>, Error> {
        const OPERATION: &str = "listing tokens";
        let scan = self.client.scan().table_name(&self.table);
        let items = scan.all_items().await;
        let mut rows = Vec::new();
        for item in items.map_err(Error::unavailable(OPERATION))? {
            rows.push(read(OPERATION, &item)?);
        }
        rows.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        Ok(rows)
    }

    /// Ends a token, and gives it as it is then; `None` when there is no such token. Doing it again changes
    /// nothing.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn revoke(&self, id: &str, now: Timestamp) -> Result<Option<TokenRow>, Error> {
        const OPERATION: &str = "revoking a token";
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(id))
            .update_expression("SET revoked_at = if_not_exists(revoked_at, :now)")
            .condition_expression("attribute_exists(id)")
            .expression_attribute_values(":now", time(now))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match sent {
            Ok(answer) => answer
                .attributes
                .map(|item| read(OPERATION, &item))
                .transpose(),
            Err(error) if error.is_condition_failed() => Ok(None),
            Err(error) => Err(Error::unavailable(OPERATION)(error)),
        }
    }

    /// Notes that a token was used. One that is gone meanwhile stays gone.
    ///
    /// # Errors
    /// Retry; nothing depends on it.
    pub async fn note_use(&self, id: &str, now: Timestamp) -> Result<(), Error> {
        const OPERATION: &str = "noting the use of a token";
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(id))
            .update_expression("SET used_at = :now")
            .condition_expression("attribute_exists(id)")
            .expression_attribute_values(":now", time(now))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            Err(error) if error.is_condition_failed() => Ok(()),
            Err(error) => Err(Error::unavailable(OPERATION)(error)),
        }
    }
}

fn write(row: &TokenRow) -> Item {
    let roles = row.roles.iter().map(text).collect();
    let mut item = Item::from([
        ("id".to_owned(), text(&row.id)),
        ("hash".to_owned(), text(&row.hash)),
        ("name".to_owned(), text(&row.name)),
        ("roles".to_owned(), AttributeValue::L(roles)),
        ("created_at".to_owned(), time(row.created_at)),
        ("created_by".to_owned(), text(&row.created_by)),
        ("ends_at".to_owned(), time(row.ends_at)),
        ("expires_at".to_owned(), expiry(row.ends_at, DAYS_KEPT)),
    ]);
    for (name, value) in [("revoked_at", row.revoked_at), ("used_at", row.used_at)] {
        if let Some(value) = value {
            item.insert(name.to_owned(), time(value));
        }
    }
    item
}

fn read(operation: &'static str, item: &Item) -> Result<TokenRow, Error> {
    let reader = Reader { operation, item };
    let missing = |what| Error::Corrupt {
        operation,
        what,
        problem: "it is missing".to_owned(),
    };
    let required = |name| {
        reader
            .text(name)?
            .map(str::to_owned)
            .ok_or_else(|| missing(name))
    };
    let roles = match item.get("roles") {
        Some(AttributeValue::L(roles)) => roles
            .iter()
            .filter_map(|role| role.as_s().ok().cloned())
            .collect(),
        Some(_) | None => return Err(missing("roles")),
    };
    Ok(TokenRow {
        id: required("id")?,
        hash: required("hash")?,
        name: required("name")?,
        roles,
        created_at: reader
            .time("created_at")?
            .ok_or_else(|| missing("created_at"))?,
        created_by: required("created_by")?,
        ends_at: reader.time("ends_at")?.ok_or_else(|| missing("ends_at"))?,
        revoked_at: reader.time("revoked_at")?,
        used_at: reader.time("used_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> TokenRow {
        let at = |second| Timestamp::from_second(second).unwrap();
        TokenRow {
            id: "0011223344556677".to_owned(),
            hash: "00".repeat(32),
            name: "deploys".to_owned(),
            roles: vec!["admin".to_owned(), "gardener".to_owned()],
            created_at: at(1_795_262_400),
            created_by: "ada".to_owned(),
            ends_at: at(1_795_348_800),
            revoked_at: None,
            used_at: Some(at(1_795_262_401)),
        }
    }

    #[test]
    fn row_is_read_as_it_was_written() {
        for revoked_at in [None, Some(Timestamp::UNIX_EPOCH)] {
            let row = TokenRow {
                revoked_at,
                ..row()
            };
            assert_eq!(read("reading a token", &write(&row)).unwrap(), row);
        }
    }

    #[test]
    fn row_stays_for_a_while_after_its_end() {
        assert_eq!(
            write(&row()).get("expires_at"),
            Some(&AttributeValue::N(
                (1_795_348_800 + 90 * 86_400).to_string()
            ))
        );
    }

    #[test]
    fn row_that_lost_its_end_is_no_token() {
        for lost in ["id", "hash", "roles", "created_at", "ends_at"] {
            let mut item = write(&row());
            item.remove(lost);
            let error = read("reading a token", &item).unwrap_err();
            assert!(
                error.is_corrupt() && error.to_string().contains(lost),
                "{error}"
            );
        }
    }
}
