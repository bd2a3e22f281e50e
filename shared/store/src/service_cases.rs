use aws::dynamodb::{Client, Request, UpdateItem, WriteOutput};
use aws::dynamodb::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use domain::service_case::CaseState;
use domain::{AccountName, CaseCode, ServiceCase, TaskReference};
use jiff::{SignedDuration, Timestamp};

use crate::Error;
use crate::item::{Item, Reader, json, number, text, time};

/// How long a case stays after its end: as long as somebody may ask which task it belonged to.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How long one stays of which nobody knows the end.
const KEPT_WITHOUT_END: SignedDuration = SignedDuration::from_hours(400 * 24);

const CASE: &str = "case";
const POLL: &str = "poll";
/// What open cases have in their index; closed ones have nothing, nor those whose time has been over for long.
const OPEN: &str = "open";
/// The same of those whose time is over.
const EXPIRED: &str = "expired";

/// The table's rows of service cases, and of who looks for them when.
#[derive(Debug, Clone)]
pub struct ServiceCases {
    client: Client,
    table: String,
}

/// A service case with what is known about our looking at it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredCase {
    /// The case as it was seen last.
    pub case: ServiceCase,
    /// How often its customer has come online.
    pub online_count: u32,
    /// When it was last asked for by itself because no list had it.
    pub asked_at: Option<Timestamp>,
    /// When somebody last had its connections fetched.
    pub refreshed_at: Option<Timestamp>,
    /// Which writing of the row this is; 0 for a case that is not stored yet.
    pub version: u64,
}

/// When an account's open cases were listed, and will be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PollState {
    /// When the list was last had wholly.
    pub polled_at: Option<Timestamp>,
    /// Why it was not, since.
    pub problem: Option<String>,
    /// How often in a row.
    pub failures: u32,
    /// Not before.
    pub next_poll_at: Option<Timestamp>,
    /// Until when somebody is at it.
    pub lease_until: Option<Timestamp>,
    /// How many cases were open when the list was last had wholly, without those whose time was over.
    pub open: usize,
    /// How many of those there were.
    pub expired: usize,
}

/// What came of wanting to list an account's open cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PollClaim {
    /// The caller does it.
    Claimed(PollState),
    /// It is not due, or somebody else is at it.
    NotDue(PollState),
}

impl StoredCase {
    /// A case that is not stored yet.
    pub fn new(case: ServiceCase) -> Self {
        Self {
            case,
            online_count: 0,
            asked_at: None,
            refreshed_at: None,
            version: 0,
        }
    }
}

impl ServiceCases {
    /// The table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// One case, as it is now (a consistent read).
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn get(&self, code: &CaseCode) -> Result<Option<StoredCase>, Error> {
        const OPERATION: &str = "reading a service case";
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", text(case_key(code)))
            .key("sk", text(CASE))
            .consistent_read(true)
            .send()
            .await
            .map_err(Error::unavailable(OPERATION))?;
        let item = answer.item;
        item.map(|item| read(OPERATION, &item)).transpose()
    }

    /// The cases that are open as far as we know, newest first; a moment after they were stored. Some of them may have
    /// expired since.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn open(&self, most: usize) -> Result<Vec<StoredCase>, Error> {
        self.newest("listing open service cases", OPEN, most).await
    }

    /// Those whose time is over, which leaves them open at the vendor, newest first; a moment after they were stored.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn expired(&self, most: usize) -> Result<Vec<StoredCase>, Error> {
        self.newest("listing expired service cases", EXPIRED, most)
            .await
    }

    /// Reads no more rows than are wanted.
    async fn newest(
        &self,
        operation: &'static str,
        which: &'static str,
        most: usize,
    ) -> Result<Vec<StoredCase>, Error> {
        let mut cases = Vec::new();
        let mut from = None;
        loop {
            let left = i32::try_from(most.saturating_sub(cases.len())).unwrap_or(i32::MAX);
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .index_name("open_cases")
                .key_condition_expression("#open = :which")
                .expression_attribute_names("#open", "open")
                .expression_attribute_values(":which", text(which))
                .scan_index_forward(false)
                .limit(left.max(1))
                .set_exclusive_start_key(from)
                .send()
                .await
                .map_err(Error::unavailable(operation))?;
            for item in page.items.unwrap_or_default() {
                cases.push(read(operation, &item)?);
            }
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() || cases.len() >= most {
                return Ok(cases);
            }
        }
    }

    /// The cases of a ServiceNow task, newest first, closed ones too; a moment after they were stored.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn of_task(&self, task: &TaskReference) -> Result<Vec<StoredCase>, Error> {
        const OPERATION: &str = "listing the service cases of a task";
        let mut found: Vec<StoredCase> = Vec::new();
        let keys = [
            ("by_task_sys_id", "task_sys_id", sys_id(task)),
            ("by_task_number", "task_number", task_number(task)),
        ];
        for (index, attribute, value) in keys {
            let Some(value) = value else { continue };
            for stored in self.by_index(OPERATION, index, attribute, &value).await? {
                // One number may be that of two instances' records.
                let fits = stored.case.task.as_ref().is_some_and(|of| fits(of, task));
                if fits
                    && !found
                        .iter()
                        .any(|known| known.case.code == stored.case.code)
                {
                    found.push(stored);
                }
            }
        }
        found.sort_by_key(|stored| std::cmp::Reverse(stored.case.created_at));
        Ok(found)
    }

    async fn by_index(
        &self,
        operation: &'static str,
        index: &str,
        attribute: &str,
        value: &str,
    ) -> Result<Vec<StoredCase>, Error> {
        let items = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(index)
            .key_condition_expression("#attribute = :value")
            // Connections of the task lie in the same index.
            .filter_expression("sk = :case")
            .expression_attribute_names("#attribute", attribute)
            .expression_attribute_values(":value", text(value))
            .expression_attribute_values(":case", text(CASE))
            .scan_index_forward(false)
            .all_items()
            .await
            .map_err(Error::unavailable(operation))?;
        items.iter().map(|item| read(operation, item)).collect()
    }

    /// Stores a case in place of the version that `stored` came from; tells whether it still was that.
    ///
    /// # Errors
    /// Retry: read it again first.
    pub async fn put(&self, stored: &StoredCase, now: Timestamp) -> Result<bool, Error> {
        const OPERATION: &str = "storing a service case";
        let case = &stored.case;
        let version = i64::try_from(stored.version).unwrap_or(i64::MAX);
        let mut put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", text(case_key(&case.code)))
            .item("sk", text(CASE))
            .item("document", json(OPERATION, "document", case)?)
            .item("version", number(version.saturating_add(1)))
            .item("online_count", number(i64::from(stored.online_count)))
            .item("created_at", time(case.created_at.unwrap_or(now)))
            .item("expires_at", number(expires_at(case, now)));
        if let Some(which) = standing(case, now) {
            put = put.item("open", text(which));
        }
        if let Some(asked_at) = stored.asked_at {
            put = put.item("asked_at", time(asked_at));
        }
        if let Some(refreshed_at) = stored.refreshed_at {
            put = put.item("refreshed_at", time(refreshed_at));
        }
        let task = case.task.as_ref();
        if let Some(number) = task.and_then(task_number) {
            put = put.item("task_number", text(number));
        }
        if let Some(id) = task.and_then(sys_id) {
            put = put.item("task_sys_id", text(id));
        }
        put = if stored.version == 0 {
            put.condition_expression("attribute_not_exists(pk)")
        } else {
            put.condition_expression("#version = :version")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":version", number(version))
        };
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.is_condition_failed() => Ok(false),
            Err(error) => Err(Error::unavailable(OPERATION)(error)),
        }
    }

    /// Notes that a case was asked for by itself, unless somebody has stored another version of it since.
    ///
    /// # Errors
    /// Retry, or leave it: it is asked for again then.
    pub async fn asked(&self, stored: &StoredCase, now: Timestamp) -> Result<(), Error> {
        const OPERATION: &str = "noting that a service case was asked for";
        let noted = self
            .update(stored)
            .update_expression("SET asked_at = :now")
            .expression_attribute_values(":now", time(now))
            .send()
            .await;
        unless_changed(noted, OPERATION)
    }

    /// Notes that somebody has had the connections of a case fetched. A version that is stored at the same moment may lose
    /// that, and they are fetched once more than needed.
    ///
    /// # Errors
    /// Retry, or leave it.
    pub async fn refreshed(&self, code: &CaseCode, now: Timestamp) -> Result<(), Error> {
        const OPERATION: &str = "noting that connections are fetched";
        let noted = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(case_key(code)))
            .key("sk", text(CASE))
            .update_expression("SET refreshed_at = :now")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":now", time(now))
            .send()
            .await;
        unless_changed(noted, OPERATION)
    }

    /// Moves a case whose time is over among those, and out of all lists when it has been over for long; unless somebody has
    /// stored another version of it since.
    ///
    /// # Errors
    /// Retry: doing it twice changes nothing.
    pub async fn file(&self, stored: &StoredCase, now: Timestamp) -> Result<(), Error> {
        const OPERATION: &str = "moving an expired service case";
        let update = self.update(stored);
        let update = update.expression_attribute_names("#open", "open");
        let update = match standing(&stored.case, now) {
            Some(which) => update
                .update_expression("SET #open = :which")
                .expression_attribute_values(":which", text(which)),
            None => update.update_expression("REMOVE #open"),
        };
        unless_changed(update.send().await, OPERATION)
    }

    /// A change of the row that no other one waits for: it is of no new version.
    fn update(&self, stored: &StoredCase) -> Request<UpdateItem> {
        let version = i64::try_from(stored.version).unwrap_or(i64::MAX);
        self.client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(case_key(&stored.case.code)))
            .key("sk", text(CASE))
            .condition_expression("#version = :version")
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":version", number(version))
    }

    /// How things stand with listing an account's open cases.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn poll_state(&self, account: &AccountName) -> Result<Option<PollState>, Error> {
        const OPERATION: &str = "reading when service cases were listed";
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", text(POLL))
            .key("sk", text(account.as_str()))
            .consistent_read(true)
            .send()
            .await
            .map_err(Error::unavailable(OPERATION))?;
        let item = answer.item;
        item.map(|item| read_poll(OPERATION, &item)).transpose()
    }

    /// Takes the right to list an account's open cases until `lease_until`, if that is due and nobody has it. It is due, too,
    /// when a list without a failure has put it off beyond `latest`: what is set was changed since. `owner` must be unique
    /// to this listing.
    ///
    /// # Errors
    /// Retry, but for a corrupt row.
    pub async fn begin_poll(
        &self,
        account: &AccountName,
        owner: &str,
        now: Timestamp,
        latest: Timestamp,
        lease_until: Timestamp,
    ) -> Result<PollClaim, Error> {
        const OPERATION: &str = "taking the right to list service cases";
        let taken = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(POLL))
            .key("sk", text(account.as_str()))
            .update_expression("SET lease_owner = :owner, lease_until = :until")
            .condition_expression(
                "(attribute_not_exists(next_poll_at) OR next_poll_at <= :now \
                 OR (failures = :none AND next_poll_at > :latest)) \
                 AND (attribute_not_exists(lease_until) OR lease_until <= :now)",
            )
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":latest", time(latest))
            .expression_attribute_values(":owner", text(owner))
            .expression_attribute_values(":until", time(lease_until))
            .expression_attribute_values(":now", time(now))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match taken {
            Ok(answer) => {
                let before = answer.attributes.unwrap_or_default();
                Ok(PollClaim::Claimed(read_poll(OPERATION, &before)?))
            }
            Err(error) => match error.condition_failed() {
                Some(refused) => {
                    let item = refused.item.unwrap_or_default();
                    Ok(PollClaim::NotDue(read_poll(OPERATION, &item)?))
                }
                None => Err(Error::unavailable(OPERATION)(error)),
            },
        }
    }

    /// Stores how a listing stands, and gives the right back unless it is kept (`lease_until`); tells whether the caller
    /// still had it.
    ///
    /// # Errors
    /// Retry, or leave it: the right ends by itself.
    pub async fn note_poll(
        &self,
        account: &AccountName,
        owner: &str,
        state: &PollState,
    ) -> Result<bool, Error> {
        const OPERATION: &str = "storing how listing service cases stands";
        let mut sets = vec![
            "failures = :failures",
            "open_count = :open_count",
            "expired_count = :expired_count",
        ];
        let mut removes = Vec::new();
        let count = |count: usize| number(i64::try_from(count).unwrap_or(i64::MAX));
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(POLL))
            .key("sk", text(account.as_str()))
            .condition_expression("lease_owner = :owner")
            .expression_attribute_values(":owner", text(owner))
            .expression_attribute_values(":failures", number(i64::from(state.failures)))
            .expression_attribute_values(":open_count", count(state.open))
            .expression_attribute_values(":expired_count", count(state.expired));
        match state.lease_until {
            Some(at) => {
                sets.push("lease_until = :lease_until");
                update = update.expression_attribute_values(":lease_until", time(at));
            }
            None => removes.extend(["lease_owner", "lease_until"]),
        }
        match state.polled_at {
            Some(at) => {
                sets.push("polled_at = :polled_at");
                update = update.expression_attribute_values(":polled_at", time(at));
            }
            None => removes.push("polled_at"),
        }
        match state.next_poll_at {
            Some(at) => {
                sets.push("next_poll_at = :next_poll_at");
                update = update.expression_attribute_values(":next_poll_at", time(at));
            }
            None => removes.push("next_poll_at"),
        }
        match &state.problem {
            Some(problem) => {
                sets.push("problem = :problem");
                update = update.expression_attribute_values(":problem", text(problem));
            }
            None => removes.push("problem"),
        }
        let mut expression = format!("SET {}", sets.join(", "));
        if !removes.is_empty() {
            expression = format!("{expression} REMOVE {}", removes.join(", "));
        }
        match update.update_expression(expression).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.is_condition_failed() => Ok(false),
            Err(error) => Err(Error::unavailable(OPERATION)(error)),
        }
    }
}

/// Which of the open cases it is among, if it is.
fn standing(case: &ServiceCase, now: Timestamp) -> Option<&'static str> {
    match case.state {
        CaseState::Closed => None,
        CaseState::Open if case.is_long_over(now) => None,
        CaseState::Open if case.is_expired(now) => Some(EXPIRED),
        CaseState::Open => Some(OPEN),
    }
}

fn unless_changed(
    written: Result<WriteOutput, aws::Error>,
    operation: &'static str,
) -> Result<(), Error> {
    match written {
        Ok(_) => Ok(()),
        Err(error) if error.is_condition_failed() => Ok(()),
        Err(error) => Err(Error::unavailable(operation)(error)),
    }
}

fn case_key(code: &CaseCode) -> String {
    format!("case#{}", code.key())
}

fn task_number(task: &TaskReference) -> Option<String> {
    task.number
        .as_ref()
        .map(|number| number.to_ascii_uppercase())
}

fn sys_id(task: &TaskReference) -> Option<String> {
    task.sys_id.as_ref().map(|id| id.to_ascii_lowercase())
}

/// Whether both may be the same record: what either does not know is no difference.
fn fits(one: &TaskReference, other: &TaskReference) -> bool {
    let same = |one: &Option<String>, other: &Option<String>| match (one, other) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        (None, _) | (_, None) => true,
    };
    same(&one.instance, &other.instance)
        && same(&one.sys_id, &other.sys_id)
        && same(&one.number, &other.number)
}

fn expires_at(case: &ServiceCase, now: Timestamp) -> i64 {
    let kept = match case.state {
        CaseState::Open => case.valid_until.map(|end| (end.max(now), KEPT)),
        CaseState::Closed => Some((now, KEPT)),
    };
    let (from, kept) = kept.unwrap_or((now, KEPT_WITHOUT_END));
    from.as_second().saturating_add(kept.as_secs())
}

fn read(operation: &'static str, item: &Item) -> Result<StoredCase, Error> {
    let reader = Reader { operation, item };
    Ok(StoredCase {
        case: reader.required_json("document")?,
        online_count: reader.number("online_count")?.unwrap_or_default(),
        asked_at: reader.time("asked_at")?,
        refreshed_at: reader.time("refreshed_at")?,
        version: reader.number("version")?.unwrap_or_default(),
    })
}

fn read_poll(operation: &'static str, item: &Item) -> Result<PollState, Error> {
    let reader = Reader { operation, item };
    Ok(PollState {
        polled_at: reader.time("polled_at")?,
        problem: reader.text("problem")?.map(str::to_owned),
        failures: reader.number("failures")?.unwrap_or_default(),
        next_poll_at: reader.time("next_poll_at")?,
        lease_until: reader.time("lease_until")?,
        open: reader.number("open_count")?.unwrap_or_default(),
        expired: reader.number("expired_count")?.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_stays_as_long_as_somebody_may_ask_for_it() {
        let now = Timestamp::from_second(1_795_262_400).unwrap();
        let code = CaseCode::parse("s119-457-589").unwrap();
        let mut case: ServiceCase = serde_json::from_value(serde_json::json!({
            "code": code, "account": "tv", "state": "open"
        }))
        .unwrap();
        let days = |case: &ServiceCase| (expires_at(case, now) - now.as_second()) / 86_400;
        assert_eq!(days(&case), 400);
        case.valid_until = Some(now + SignedDuration::from_hours(48));
        assert_eq!(days(&case), 92);
        case.valid_until = Some(now - SignedDuration::from_hours(480));
        assert_eq!(days(&case), 90, "one that is listed stays");
        case.state = CaseState::Closed;
        assert_eq!(days(&case), 90);
    }
}
