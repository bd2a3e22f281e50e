use aws::dynamodb::Client;
use aws::dynamodb::{AttributeValue, ReturnValue};
use connection_history::{Asked, History};
use domain::AccountName;
use domain::teamviewer::Settings;
use jiff::Timestamp;

use crate::Error;
use crate::item::{Item, Reader, json, text, time};

/// The key of the rows of histories.
const HISTORY: &str = "history";
/// The key of the row of settings.
const SETTINGS: (&str, &str) = ("settings", "teamviewer");

/// How far a history has come, and who is at it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredHistory {
    /// How far it has come.
    pub history: History,
    /// That somebody asked for a walk; it stays until a walk has brought what was asked for.
    pub asked: Option<Asked>,
    /// Until when a function has the right to go on with it. It is at work unless that is over.
    pub busy_until: Option<Timestamp>,
}

impl StoredHistory {
    /// Whether a function is at work on it.
    pub fn is_busy(&self, now: Timestamp) -> bool {
        self.busy_until.is_some_and(|until| until > now)
    }
}

/// The rows that say how far the histories of connections have come, one an account.
#[derive(Debug, Clone)]
pub struct Histories {
    client: Client,
    table: String,
}

impl Histories {
    /// The table of this name, which other things lie in, too.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// How far an account's history has come, as it is now (a consistent read); `None` before its first walk.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn get(&self, account: &AccountName) -> Result<Option<StoredHistory>, Error> {
        const OPERATION: &str = "reading how far a history has come";
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", text(HISTORY))
            .key("sk", text(account.as_str()))
            .consistent_read(true)
            .send()
            .await
            .map_err(Error::unavailable(OPERATION))?;
        answer.item.map(|item| read(OPERATION, &item)).transpose()
    }

    /// All of them, by the accounts' names.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn all(&self) -> Result<Vec<(AccountName, StoredHistory)>, Error> {
        const OPERATION: &str = "reading how far histories have come";
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(HISTORY))
            .consistent_read(true);
        let items = query.all_items().await;
        let mut histories = Vec::new();
        for item in items.map_err(Error::unavailable(OPERATION))? {
            let reader = Reader {
                operation: OPERATION,
                item: &item,
            };
            let account = reader.word("sk")?.ok_or_else(|| Error::Corrupt {
                operation: OPERATION,
                what: "sk",
                problem: "it is missing".to_owned(),
            })?;
            histories.push((account, read(OPERATION, &item)?));
        }
        Ok(histories)
    }

    /// Notes that somebody asked for a walk. Several who ask are served by one.
    ///
    /// # Errors
    /// Retry: doing it twice changes nothing.
    pub async fn ask(&self, account: &AccountName, asked: &Asked) -> Result<(), Error> {
        const OPERATION: &str = "storing that a walk was asked for";
        // How far back first: it counts by itself, should this break off.
        if let Some(since) = asked.since {
            let update = self
                .update(account)
                .update_expression("SET asked_since = :since")
                .condition_expression("attribute_not_exists(asked_since) OR asked_since > :since")
                .expression_attribute_values(":since", time(since));
            holds(OPERATION, update.send().await)?;
        }
        let update = self
            .update(account)
            .update_expression("SET asked_at = :at")
            .condition_expression("attribute_not_exists(asked_at) OR asked_at < :at")
            .expression_attribute_values(":at", time(asked.at));
        holds(OPERATION, update.send().await).map(drop)
    }

    /// Forgets what was asked for before `began` and no further back than `from`: a walk has brought it.
    ///
    /// # Errors
    /// Retry, or leave it: one more walk does no harm.
    pub async fn answered(
        &self,
        account: &AccountName,
        began: Timestamp,
        from: Timestamp,
    ) -> Result<(), Error> {
        const OPERATION: &str = "storing that what was asked for is there";
        let update = self
            .update(account)
            .update_expression("REMOVE asked_at, asked_since")
            .condition_expression(
                // Whoever asked may have died before saying when.
                "(attribute_not_exists(asked_at) OR asked_at <= :began) \
                 AND (attribute_not_exists(asked_since) OR asked_since >= :from)",
            )
            .expression_attribute_values(":began", time(began))
            .expression_attribute_values(":from", time(from));
        holds(OPERATION, update.send().await).map(drop)
    }

    /// Takes the right to go on with a history until `until`, unless another function has it. `owner` must be unique to
    /// this occasion. What is stored, or `None` when somebody else is at it.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn start(
        &self,
        account: &AccountName,
        owner: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<StoredHistory>, Error> {
        const OPERATION: &str = "taking the right to go on with a history";
        let sent = self
            .update(account)
            .update_expression("SET lease_owner = :owner, lease_until = :until")
            .condition_expression(
                "attribute_not_exists(lease_until) OR lease_until <= :now OR lease_owner = :owner",
            )
            .expression_attribute_values(":owner", text(owner))
            .expression_attribute_values(":until", time(until))
            .expression_attribute_values(":now", time(now))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match sent {
            Ok(answer) => {
                let item = answer.attributes.unwrap_or_default();
                read(OPERATION, &item).map(Some)
            }
            Err(error) if error.is_condition_failed() => Ok(None),
            Err(error) => Err(Error::unavailable(OPERATION)(error)),
        }
    }

    /// Stores how far a history has come, on behalf of whoever has the right to go on with it. Tells whether they still
    /// have it; if not, nothing was stored.
    ///
    /// # Errors
    /// Retry: doing it twice changes nothing.
    pub async fn save(
        &self,
        account: &AccountName,
        owner: &str,
        history: &History,
    ) -> Result<bool, Error> {
        const OPERATION: &str = "storing how far a history has come";
        let update = self
            .update(account)
            .update_expression("SET #history = :history")
            .condition_expression("lease_owner = :owner")
            .expression_attribute_names("#history", "history")
            .expression_attribute_values(":history", json(OPERATION, "history", history)?)
            .expression_attribute_values(":owner", text(owner));
        holds(OPERATION, update.send().await)
    }

    /// Gives the right back. Whoever lost it meanwhile changes nothing.
    ///
    /// # Errors
    /// Retry, or leave it: the right ends by itself.
    pub async fn release(&self, account: &AccountName, owner: &str) -> Result<(), Error> {
        const OPERATION: &str = "giving back the right to go on with a history";
        let update = self
            .update(account)
            .update_expression("REMOVE lease_owner, lease_until")
            .condition_expression("lease_owner = :owner")
            .expression_attribute_values(":owner", text(owner));
        holds(OPERATION, update.send().await).map(drop)
    }

    fn update(&self, account: &AccountName) -> aws::dynamodb::Request<aws::dynamodb::UpdateItem> {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(HISTORY))
            .key("sk", text(account.as_str()))
    }
}

/// Whether the condition of a write held.
fn holds<T>(operation: &'static str, sent: Result<T, aws::Error>) -> Result<bool, Error> {
    match sent {
        Ok(_) => Ok(true),
        Err(error) if error.is_condition_failed() => Ok(false),
        Err(error) => Err(Error::unavailable(operation)(error)),
    }
}

fn read(operation: &'static str, item: &Item) -> Result<StoredHistory, Error> {
    let reader = Reader { operation, item };
    let (at, since) = (reader.time("asked_at")?, reader.time("asked_since")?);
    let asked = (at.is_some() || since.is_some()).then(|| Asked {
        // Somebody is still about to say when.
        at: at.unwrap_or(Timestamp::UNIX_EPOCH),
        since,
    });
    Ok(StoredHistory {
        history: reader.json("history")?.unwrap_or_default(),
        asked,
        busy_until: reader.time("lease_until")?,
    })
}

/// What a stack's people have set for TeamViewer, as its row has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSettings {
    /// What is set.
    pub settings: Settings,
    /// Counts the changes, from 1.
    pub version: u64,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// By whom.
    pub updated_by: String,
}

/// The row of what is set for TeamViewer.
#[derive(Debug, Clone)]
pub struct TeamViewerSettings {
    client: Client,
    table: String,
}

impl TeamViewerSettings {
    /// The table of this name, which other things lie in, too.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// What is set, as it is now (a consistent read); `None` when nothing ever was.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn get(&self) -> Result<Option<StoredSettings>, Error> {
        const OPERATION: &str = "reading the TeamViewer settings";
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", text(SETTINGS.0))
            .key("sk", text(SETTINGS.1))
            .consistent_read(true)
            .send()
            .await
            .map_err(Error::unavailable(OPERATION))?;
        let Some(item) = answer.item else {
            return Ok(None);
        };
        let reader = Reader {
            operation: OPERATION,
            item: &item,
        };
        Ok(Some(StoredSettings {
            settings: reader.required_json("document")?,
            version: reader.number("version")?.unwrap_or(0),
            updated_at: reader.time("updated_at")?.unwrap_or(Timestamp::UNIX_EPOCH),
            updated_by: reader.text("updated_by")?.unwrap_or_default().to_owned(),
        }))
    }

    /// Stores what is set, if that is still of the `expected` version, or not there at all. The new version, or `None` when
    /// somebody else was quicker.
    ///
    /// # Errors
    /// Retry: read it again first.
    pub async fn put(
        &self,
        settings: &Settings,
        expected: Option<u64>,
        by: &str,
        now: Timestamp,
    ) -> Result<Option<u64>, Error> {
        const OPERATION: &str = "storing the TeamViewer settings";
        let version = expected.unwrap_or_default().saturating_add(1);
        let count = |value: u64| AttributeValue::N(value.to_string());
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", text(SETTINGS.0))
            .item("sk", text(SETTINGS.1))
            .item("document", json(OPERATION, "settings", settings)?)
            .item("version", count(version))
            .item("updated_at", time(now))
            .item("updated_by", text(by));
        let put = match expected {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(expected) => put
                .condition_expression("version = :expected")
                .expression_attribute_values(":expected", count(expected)),
        };
        match put.send().await {
            Ok(_) => Ok(Some(version)),
            Err(error) if error.is_condition_failed() => Ok(None),
            Err(error) => Err(Error::unavailable(OPERATION)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::number;

    #[test]
    fn row_that_only_says_that_somebody_asked_is_a_history_without_a_walk() {
        let row = |attributes: &[(&str, i64)]| {
            let attributes = attributes.iter();
            let item: Item = attributes
                .map(|(name, value)| ((*name).to_owned(), number(*value)))
                .collect();
            read("x", &item).unwrap()
        };
        let at = |millisecond| Timestamp::from_millisecond(millisecond).unwrap();
        assert_eq!(row(&[]), StoredHistory::default());
        let asked = row(&[
            ("asked_at", 5_000),
            ("asked_since", 1_000),
            ("lease_until", 9_000),
        ]);
        assert_eq!(
            asked.asked,
            Some(Asked {
                at: at(5_000),
                since: Some(at(1_000))
            })
        );
        assert!(asked.is_busy(at(8_999)) && !asked.is_busy(at(9_000)));
        assert_eq!(asked.history, History::default());
        // How far back is written first.
        let half = row(&[("asked_since", 1_000)]).asked.unwrap();
        assert_eq!((half.at, half.since), (at(0), Some(at(1_000))));
    }
}
