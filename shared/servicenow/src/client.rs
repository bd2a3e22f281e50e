//! The calls.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};
use vendor_http::{Answer, BaseUrl, Call, Method, Request, Response};

use crate::{
    Auth, Column, CorrelationId, Error, ErrorKind, FieldPath, InvalidInput, Journal, Matches,
    Operation, QueryText, Record, RecordKey, RecordNumber, ReferenceKey, Shown, SysId, Table,
    journal, reference::Found,
};

/// ServiceNow's id of a call; it is in the instance's transaction log.
const TRANSACTION_ID: &str = "x-transaction-id";
const NOT_JSON: ErrorKind = ErrorKind::Unexpected {
    what: "the answer is not JSON",
};
/// Enough to tell one from several.
const TWO: usize = 2;
/// Enough to see an active user among those who had the same address before.
const NAMESAKES: usize = 20;
/// References come as plain ids.
const PLAIN_REFERENCES: (&str, &str) = ("sysparm_exclude_reference_link", "true");

/// One account on one instance.
#[derive(Debug, Clone)]
pub struct Client {
    http: vendor_http::Client,
    base: BaseUrl,
    auth: Auth,
}

impl Client {
    /// Makes no call; `base` comes from a template such as `https://{instance}.service-now.com`.
    pub fn new(http: vendor_http::Client, base: BaseUrl, auth: Auth) -> Self {
        Self { http, base, auth }
    }

    /// Creates a record.
    ///
    /// # Errors
    ///
    /// An answer that may be lost after the work was done is `Reconcile`: the instance has no
    /// idempotency key, so look for the record by its `correlation_id` before creating it again.
    pub async fn create(
        &self,
        table: &Table,
        fields: &BTreeMap<Column, String>,
    ) -> Result<Answer<Record>, Error> {
        let attempt = self.attempt(Operation::Create, table);
        let body = attempt.body(fields)?;
        let url = self
            .base
            .join(["api", "now", "table", table.as_str()], [PLAIN_REFERENCES]);
        let answer = attempt
            .send(Request::new(Method::POST, url).json(body), 201)
            .await?;
        attempt.one_record(answer, None)
    }

    /// Changes the given columns of a record and no others.
    ///
    /// # Errors
    ///
    /// An answer that may be lost after the work was done is `Reconcile`. Plain columns can be written
    /// again; `comments` and `work_notes` would be appended twice, so look into the journal first.
    pub async fn update(
        &self,
        table: &Table,
        sys_id: &SysId,
        fields: &BTreeMap<Column, String>,
    ) -> Result<Answer<Record>, Error> {
        let attempt = self.attempt(Operation::Update, table);
        let body = attempt.body(fields)?;
        let url = self.base.join(
            ["api", "now", "table", table.as_str(), sys_id.as_str()],
            [PLAIN_REFERENCES],
        );
        let answer = attempt
            .send(Request::new(Method::PATCH, url).json(body), 200)
            .await
            .map_err(|error| error.about(sys_id))?;
        attempt.one_record(answer, Some(sys_id))
    }

    /// Looks for records by the key they were created with. Only rows that really carry the key count,
    /// because the instance drops conditions that it does not understand.
    ///
    /// # Errors
    ///
    /// Finding nothing is no error. Outages are `Retry`.
    pub async fn find_by_correlation_id(
        &self,
        table: &Table,
        key: &CorrelationId,
    ) -> Result<Answer<Matches>, Error> {
        let attempt = self.attempt(Operation::FindByCorrelationId, table);
        let answer = attempt
            .list(
                &format!("correlation_id={key}^ORDERBYsys_created_on"),
                "sys_id,number,sys_class_name,correlation_id,sys_created_on",
                TWO,
            )
            .await?;
        Ok(answer.map(|rows| {
            let (mut records, others): (Vec<_>, Vec<_>) = rows
                .into_iter()
                .partition(|row| row.field("correlation_id") == Some(key.as_str()));
            records.sort_by(|a, b| {
                let age = |row: &Record| row.field("sys_created_on").map(str::to_owned);
                age(a).cmp(&age(b))
            });
            Matches {
                records,
                condition_ignored: !others.is_empty(),
            }
        }))
    }

    /// Finds the one record with that number.
    ///
    /// # Errors
    ///
    /// No record, several records, or rows with another number (the table has no `number`) are
    /// `GiveUp`; outages are `Retry`.
    pub async fn find_by_number(
        &self,
        table: &Table,
        number: &RecordNumber,
    ) -> Result<Answer<Record>, Error> {
        let attempt = self.attempt(Operation::FindByNumber, table);
        let Answer { value, call } = attempt
            .list(
                &format!("number={number}"),
                "sys_id,number,sys_class_name",
                TWO,
            )
            .await?;
        let mut rows = value.into_iter();
        let kind = match (rows.next(), rows.next()) {
            (None, _) => ErrorKind::NotFound(number.clone()),
            (Some(row), None) if row.number.as_deref() == Some(number.as_str()) => {
                return Ok(Answer { value: row, call });
            }
            (Some(first), Some(second))
                if [&first, &second]
                    .iter()
                    .all(|row| row.number.as_deref() == Some(number.as_str())) =>
            {
                ErrorKind::Ambiguous(number.clone())
            }
            (Some(_), _) => ErrorKind::ConditionIgnored { column: "number" },
        };
        Err(attempt.failed(kind, Some(call)))
    }

    /// Reads a record's id and number.
    ///
    /// # Errors
    ///
    /// Outages are `Retry`; a record that is gone or hidden is `GiveUp`.
    pub async fn read(&self, table: &Table, sys_id: &SysId) -> Result<Answer<Record>, Error> {
        let attempt = self.attempt(Operation::Read, table);
        let url = self.base.join(
            ["api", "now", "table", table.as_str(), sys_id.as_str()],
            [("sysparm_fields", "sys_id,number"), PLAIN_REFERENCES],
        );
        let answer = attempt
            .send(Request::new(Method::GET, url), 200)
            .await
            .map_err(|error| error.about(sys_id))?;
        attempt.one_record(answer, Some(sys_id))
    }

    /// Finds the one active person or group that has the value. What comes back is compared, because the
    /// instance drops conditions that it does not understand.
    ///
    /// # Errors
    ///
    /// Nothing, nothing active, or several are `GiveUp`, and so is a dropped condition; outages are `Retry`.
    pub async fn resolve(
        &self,
        key: ReferenceKey,
        value: &QueryText,
    ) -> Result<Answer<SysId>, Error> {
        let table = Table::known(key.table());
        let attempt = self.attempt(Operation::Resolve, &table);
        let column = key.column();
        let Answer { value: rows, call } = attempt
            .list(
                &format!("{column}={value}"),
                &format!("sys_id,active,{column}"),
                NAMESAKES,
            )
            .await?;
        let value = value.clone();
        let kind = match key.found(&value, &rows, NAMESAKES) {
            Found::One(value) => return Ok(Answer { value, call }),
            Found::Nothing => ErrorKind::NoMatch {
                key,
                value,
                inactive: false,
            },
            Found::Inactive => ErrorKind::NoMatch {
                key,
                value,
                inactive: true,
            },
            Found::PerhapsInactive => ErrorKind::PerhapsInactive { key, value },
            Found::Several => ErrorKind::SeveralMatch { key, value },
            Found::ConditionIgnored => ErrorKind::ConditionIgnored { column },
        };
        Err(attempt.failed(kind, Some(call)))
    }

    /// Reads what was appended to a record's comments and work notes.
    ///
    /// # Errors
    ///
    /// Outages are `Retry`; a record that is gone or hidden is `GiveUp`.
    pub async fn journal(&self, table: &Table, sys_id: &SysId) -> Result<Answer<Journal>, Error> {
        let attempt = self.attempt(Operation::Journal, table);
        let fields = format!("sys_id,sys_updated_on,{}", journal::COLUMNS.join(","));
        let url = self.base.join(
            ["api", "now", "table", table.as_str(), sys_id.as_str()],
            [
                // Both forms of the same moment tell the zone of the dates inside the histories.
                ("sysparm_display_value", "all"),
                ("sysparm_fields", &fields),
            ],
        );
        let Answer { value, call } = attempt
            .send(Request::new(Method::GET, url), 200)
            .await
            .map_err(|error| error.about(sys_id))?;
        match value.as_object() {
            Some(row) if Record::read(table, row).is_some_and(|row| row.sys_id == *sys_id) => {
                Ok(Answer {
                    value: Journal::read(row),
                    call,
                })
            }
            Some(_) | None => Err(attempt.failed(
                ErrorKind::Unexpected {
                    what: "the answer is not the record that was asked for",
                },
                Some(call),
            )),
        }
    }

    /// Reads what people see of a record: these fields, its number and the table that it belongs to. Fields that the table
    /// does not have are left out.
    ///
    /// # Errors
    ///
    /// Outages are `Retry`; a record that is not there, is hidden, or is not the only one of its number is `GiveUp`.
    pub async fn shown(
        &self,
        table: &Table,
        key: &RecordKey,
        fields: &[FieldPath],
    ) -> Result<Answer<Shown>, Error> {
        let mut names = vec!["sys_id", "number", "sys_class_name"];
        names.extend(fields.iter().map(FieldPath::as_str));
        names.sort_unstable();
        names.dedup();
        let names = names.join(",");
        let view = [
            ("sysparm_display_value", "all"),
            ("sysparm_fields", names.as_str()),
            PLAIN_REFERENCES,
        ];
        match key {
            RecordKey::SysId(sys_id) => {
                let attempt = self.attempt(Operation::Read, table);
                let path = ["api", "now", "table", table.as_str(), sys_id.as_str()];
                let request = Request::new(Method::GET, self.base.join(path, view));
                let Answer { value, call } = attempt
                    .send(request, 200)
                    .await
                    .map_err(|error| error.about(sys_id))?;
                match value.as_object().and_then(Shown::read) {
                    Some(value) if value.is(key) => Ok(Answer { value, call }),
                    Some(_) | None => {
                        let what = "the answer is not the record that was asked for";
                        Err(attempt.failed(ErrorKind::Unexpected { what }, Some(call)))
                    }
                }
            }
            RecordKey::Number(number) => {
                let attempt = self.attempt(Operation::FindByNumber, table);
                let query = format!("number={number}");
                let limit = TWO.to_string();
                let parameters = [("sysparm_query", &*query), ("sysparm_limit", &*limit)];
                let url = self.base.join(
                    ["api", "now", "table", table.as_str()],
                    parameters.into_iter().chain(view),
                );
                let Answer { value, call } =
                    attempt.send(Request::new(Method::GET, url), 200).await?;
                let rows: Option<Vec<Shown>> = value.as_array().and_then(|rows| {
                    rows.iter()
                        .map(|row| Shown::read(row.as_object()?))
                        .collect()
                });
                let kind = match rows.map(|rows| (rows.len(), rows)) {
                    None => ErrorKind::Unexpected {
                        what: "the answer is not a list of records",
                    },
                    Some((0, _)) => ErrorKind::NotFound(number.clone()),
                    Some((_, rows)) if !rows.iter().all(|row| row.is(key)) => {
                        ErrorKind::ConditionIgnored { column: "number" }
                    }
                    Some((1, rows)) => match rows.into_iter().next() {
                        Some(value) => return Ok(Answer { value, call }),
                        None => ErrorKind::NotFound(number.clone()),
                    },
                    Some(_) => ErrorKind::Ambiguous(number.clone()),
                };
                Err(attempt.failed(kind, Some(call)))
            }
        }
    }

    /// The page of a record, for people.
    pub fn record_link(&self, table: &Table, sys_id: &SysId) -> String {
        let page = format!("/{table}.do?sys_id={sys_id}");
        self.base
            .join(["nav_to.do"], [("uri", page.as_str())])
            .into()
    }

    pub(crate) fn address(&self) -> String {
        self.base.to_string()
    }

    pub(crate) fn attempt<'a>(&'a self, operation: Operation, table: &'a Table) -> Attempt<'a> {
        Attempt {
            client: self,
            operation,
            table,
            timeout: None,
        }
    }
}

/// One call in the making: what all its errors have in common.
pub(crate) struct Attempt<'a> {
    client: &'a Client,
    operation: Operation,
    table: &'a Table,
    /// Of its own, where the client's is too long.
    timeout: Option<Duration>,
}

impl Attempt<'_> {
    pub(crate) fn within(self, timeout: Duration) -> Self {
        Self {
            timeout: Some(timeout),
            ..self
        }
    }

    pub(crate) fn failed(&self, kind: ErrorKind, call: Option<Call>) -> Error {
        Error {
            operation: self.operation,
            table: self.table.clone(),
            kind,
            call: call.map(Box::new),
        }
    }

    fn body(&self, fields: &BTreeMap<Column, String>) -> Result<String, Error> {
        if fields.is_empty() {
            return Err(self.failed(ErrorKind::Input(InvalidInput::NoFields), None));
        }
        let body: Map<String, Value> = fields
            .iter()
            .map(|(column, value)| (column.to_string(), Value::from(value.as_str())))
            .collect();
        Ok(Value::Object(body).to_string())
    }

    /// Makes the one attempt and returns `result` of a success.
    async fn send(&self, request: Request, expected: u16) -> Result<Answer<Value>, Error> {
        let auth = self.client.auth.header();
        let auth = auth.map_err(|error| self.failed(ErrorKind::Token(error), None))?;
        let request = match self.timeout {
            Some(timeout) => request.timeout(timeout),
            None => request,
        };
        let call = Call::new(&request);
        let response = match self.client.http.send(request.authorization(auth)).await {
            Ok(response) => response,
            Err(failure) => {
                let call = call.failed(&failure);
                return Err(self.failed(ErrorKind::NoAnswer(failure), Some(call)));
            }
        };
        let call = call.answered(&response, TRANSACTION_ID);
        match result(&response, expected) {
            Ok(value) => Ok(Answer { value, call }),
            Err(kind) => Err(self.failed(kind, Some(call))),
        }
    }

    /// The first rows that fulfil the query; any rows when it is empty.
    pub(crate) async fn list(
        &self,
        query: &str,
        fields: &str,
        limit: usize,
    ) -> Result<Answer<Vec<Record>>, Error> {
        let limit = limit.to_string();
        let parameters = [
            ("sysparm_query", query),
            ("sysparm_fields", fields),
            ("sysparm_limit", &limit),
            PLAIN_REFERENCES,
        ];
        let url = self.client.base.join(
            ["api", "now", "table", self.table.as_str()],
            parameters
                .into_iter()
                .filter(|(_, value)| !value.is_empty()),
        );
        let Answer { value, call } = self.send(Request::new(Method::GET, url), 200).await?;
        let rows = value.as_array().and_then(|rows| {
            rows.iter()
                .map(|row| Record::read(self.table, row.as_object()?))
                .collect()
        });
        match rows {
            Some(value) => Ok(Answer { value, call }),
            None => Err(self.failed(
                ErrorKind::Unexpected {
                    what: "the answer is not a list of records",
                },
                Some(call),
            )),
        }
    }

    fn one_record(
        &self,
        Answer { value, call }: Answer<Value>,
        expected: Option<&SysId>,
    ) -> Result<Answer<Record>, Error> {
        let record = value
            .as_object()
            .and_then(|row| Record::read(self.table, row));
        let what = match record {
            Some(record) if expected.is_none_or(|expected| record.sys_id == *expected) => {
                return Ok(Answer {
                    value: record,
                    call,
                });
            }
            Some(_) => "the answer is about another record",
            None => "the answer is not a record with a sys_id",
        };
        Err(self.failed(ErrorKind::Unexpected { what }, Some(call)))
    }
}

/// `result` of an answer. A success has the expected status, JSON, and no error beside its result: a
/// transaction that ran too long may append an error to a partial result.
fn result(response: &Response, expected: u16) -> Result<Value, ErrorKind> {
    if !response.is_success() {
        return Err(ErrorKind::refused(response));
    }
    if response.is_html() {
        return Err(ErrorKind::Page {
            title: response.page_title(),
        });
    }
    if !response.is_json() {
        return Err(NOT_JSON);
    }
    let mut body = response.json().map_err(|_| NOT_JSON)?;
    if let Some(error) = body.get("error").filter(|error| !error.is_null()) {
        return Err(ErrorKind::failed_inside(error));
    }
    if response.status != expected {
        return Err(ErrorKind::Unexpected {
            what: "the answer's status is a success, but not the one documented for this call",
        });
    }
    match body.get_mut("result") {
        Some(result) => Ok(result.take()),
        None => Err(ErrorKind::Unexpected {
            what: "the answer has no result",
        }),
    }
}
