//! ServiceNow's Table API, with what it ignores, alters and refuses.
//!
//! Sources: the product documentation's pages "Table API", "REST API" and "REST API HTTP response codes", knowledge
//! article KB0534905, and traffic recorded from developer instances.

pub(crate) mod config;
mod display;
mod oauth;
mod query;
mod rules;
mod schema;

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

pub use self::config::{ColumnType, Config, Named, RefreshAnswer, Table};
use self::display::{View, shift, timestamp};
use self::query::{Query, compare};
use self::rules::{Draft, Refusal, Values};
use crate::Secret;
use crate::credentials::{BearerToken, Presented, Rotation};
use crate::exchange::{Answer, VendorRequest};
use crate::instance::VendorState;
use crate::oauth::OAuth;

/// Pages are this long when nothing else was asked for.
const DEFAULT_LIMIT: usize = 10_000;
/// Recorded: display values ran 7 hours behind UTC.
const DEFAULT_UTC_OFFSET: i8 = -7;

/// A host that is no instance shows a page for people.
pub(crate) fn unknown_host() -> Answer {
    Answer::html(
        404,
        "<html><head><title>Page not found</title></head><body>The page you are looking for could not be \
         found.</body></html>",
    )
}

pub(crate) struct ServiceNow {
    name: String,
    config: Config,
    utc_offset: i8,
    logins: Vec<User>,
    oauth: OAuth,
    tables: BTreeMap<String, schema::Table>,
    rows: BTreeMap<String, BTreeMap<String, Row>>,
    made: u64,
}

struct User {
    username: String,
    password: Secret,
    name: String,
    sys_id: String,
}

#[derive(Default)]
struct Row {
    values: Values,
    journal: Vec<Entry>,
    serial: u64,
}

struct Entry {
    column: String,
    text: String,
    by: String,
    at: Timestamp,
}

impl Row {
    fn get(&self, column: &str) -> &str {
        self.values.get(column).map_or("", String::as_str)
    }
}

/// Sets up an instance, or says what contradicts itself in its configuration.
pub(crate) fn open(name: &str, config: Config) -> Result<ServiceNow, String> {
    let tables = schema::tables(&config)?;
    let oauth = OAuth::open(config.oauth_clients.clone(), config.deny, |username| {
        config.users.iter().any(|user| user.username == username)
    })?;
    let mut state = ServiceNow {
        name: name.to_owned(),
        utc_offset: config.utc_offset_hours.unwrap_or(DEFAULT_UTC_OFFSET),
        logins: Vec::new(),
        oauth,
        tables,
        rows: BTreeMap::new(),
        made: 0,
        config,
    };
    state.fill()?;
    Ok(state)
}

impl ServiceNow {
    fn fill(&mut self) -> Result<(), String> {
        let now = Timestamp::now();
        for (table, query) in &self.config.hidden_rows {
            if query.is_empty() || self.query(table, query).incomplete {
                return Err(format!("no query that hides rows of {table}: {query}"));
            }
        }
        for login in self.config.users.clone() {
            let name = login.name.unwrap_or_else(|| login.username.clone());
            let person = Named {
                name: name.clone(),
                user_name: Some(login.username.clone()),
                ..Named::default()
            };
            let sys_id = self.seed_person(person, now)?;
            self.logins.push(User {
                username: login.username,
                password: login.password,
                name,
                sys_id,
            });
        }
        for person in self.config.people.clone() {
            self.seed_person(person, now)?;
        }
        for group in self.config.groups.clone() {
            self.seed_group(group, now)?;
        }
        for token in self.config.bearer_tokens.clone() {
            self.add_token(token, now)?;
        }
        self.fill_choices(now)
    }

    fn seed_person(&mut self, person: Named, now: Timestamp) -> Result<String, String> {
        let (first, last) = person.name.split_once(' ').unwrap_or(("", &person.name));
        let user_name = person
            .user_name
            .unwrap_or_else(|| person.name.to_lowercase().replace(' ', "."));
        let values = [
            ("sys_class_name", "sys_user"),
            ("sys_domain", "global"),
            ("sys_domain_path", "/"),
            ("user_name", user_name.as_str()),
            ("name", person.name.as_str()),
            ("first_name", first),
            ("last_name", last),
            ("email", person.email.as_deref().unwrap_or_default()),
            ("active", truth(person.active.unwrap_or(true))),
            ("locked_out", "false"),
            ("vip", "false"),
            ("web_service_access_only", "false"),
        ];
        self.seed("sys_user", person.sys_id, &values, now)
    }

    fn seed_group(&mut self, group: Named, now: Timestamp) -> Result<String, String> {
        if group.user_name.is_some() {
            return Err(format!("the group {} cannot have a user_name", group.name));
        }
        let values = [
            ("name", group.name.as_str()),
            ("email", group.email.as_deref().unwrap_or_default()),
            ("active", truth(group.active.unwrap_or(true))),
            ("exclude_manager", "false"),
            ("include_members", "false"),
        ];
        self.seed("sys_user_group", group.sys_id, &values, now)
    }

    fn fill_choices(&mut self, now: Timestamp) -> Result<(), String> {
        let mut choices = Vec::new();
        for (table, definition) in &self.tables {
            for (column, column_type) in &definition.columns {
                if let ColumnType::Choice(values) = column_type {
                    for (sequence, (value, label)) in values.iter().enumerate() {
                        choices.push([
                            ("name", table.clone()),
                            ("element", column.clone()),
                            ("value", value.clone()),
                            ("label", label.clone()),
                            ("language", "en".to_owned()),
                            ("sequence", sequence.to_string()),
                            ("inactive", "false".to_owned()),
                        ]);
                    }
                }
            }
        }
        for choice in choices {
            let values = choice
                .each_ref()
                .map(|(name, value)| (*name, value.as_str()));
            self.seed("sys_choice", None, &values, now)?;
        }
        Ok(())
    }

    fn seed(
        &mut self,
        table: &str,
        sys_id: Option<String>,
        values: &[(&str, &str)],
        now: Timestamp,
    ) -> Result<String, String> {
        let sys_id = match sys_id {
            Some(given) if is_sys_id(&given) => given,
            Some(given) => return Err(format!("{given} is no sys_id of 32 hexadecimal digits")),
            None => self.make_sys_id(),
        };
        let mut row = Row {
            serial: self.made,
            ..Row::default()
        };
        let stamp = timestamp(now);
        let system = [
            ("sys_id", sys_id.as_str()),
            ("sys_created_by", "system"),
            ("sys_updated_by", "system"),
            ("sys_created_on", &stamp),
            ("sys_updated_on", &stamp),
            ("sys_mod_count", "0"),
        ];
        for (column, value) in values.iter().chain(&system) {
            row.values.insert((*column).to_owned(), (*value).to_owned());
        }
        self.rows
            .entry(table.to_owned())
            .or_default()
            .insert(sys_id.clone(), row);
        Ok(sys_id)
    }

    /// As scattered as real ones, so that the order by `sys_id` isn't that of creation, yet the same in every run.
    fn make_sys_id(&mut self) -> String {
        self.made += 1;
        let half = |which: u8| {
            let mut hasher = DefaultHasher::new();
            (&self.name, self.made, which).hash(&mut hasher);
            hasher.finish()
        };
        format!("{:016x}{:016x}", half(0), half(1))
    }

    fn columns(&self, table: &str) -> &BTreeMap<String, ColumnType> {
        const NONE: &BTreeMap<String, ColumnType> = &BTreeMap::new();
        self.tables.get(table).map_or(NONE, |table| &table.columns)
    }

    fn find(&self, table: &str, sys_id: &str) -> Option<&Row> {
        self.rows_of(table).find_map(|rows| rows.get(sys_id))
    }

    /// The rows of a table; of the one that tasks extend, those of all their tables.
    fn rows_of(&self, table: &str) -> impl Iterator<Item = &BTreeMap<String, Row>> {
        self.rows.iter().filter_map(move |(name, rows)| {
            let extends_task = self
                .tables
                .get(name)
                .is_some_and(|table| table.extends_task);
            (name == table || (table == schema::ANY_TASK && extends_task)).then_some(rows)
        })
    }

    /// Follows `caller_id.email` and the like: the table and row where the path ends, without a row when a reference on
    /// the way is empty, and the column there. `None` when the path leads nowhere.
    fn walk<'a>(
        &'a self,
        table: &'a str,
        row: &'a Row,
        path: &'a str,
    ) -> Option<(&'a str, Option<&'a Row>, &'a str)> {
        let (mut table, mut row, mut path) = (table, Some(row), path);
        while let Some((first, rest)) = path.split_once('.') {
            let ColumnType::Reference(target) = self.columns(table).get(first)? else {
                return None;
            };
            row = row.and_then(|row| self.find(target, row.get(first)));
            (table, path) = (target, rest);
        }
        self.columns(table)
            .contains_key(path)
            .then_some((table, row, path))
    }

    fn query(&self, table: &str, text: &str) -> Query {
        let probe = Row::default();
        Query::parse(text, |path| self.walk(table, &probe, path).is_some())
    }

    /// What the path leads to, as text.
    fn value(&self, table: &str, row: &Row, path: &str) -> String {
        self.walk(table, row, path)
            .and_then(|(_, row, column)| row.map(|row| row.get(column).to_owned()))
            .unwrap_or_default()
    }

    /// Whether no access rule hides the row.
    fn is_visible(&self, table: &str, row: &Row) -> bool {
        self.config.hidden_rows.get(table).is_none_or(|hidden| {
            !self
                .query(table, hidden)
                .holds(|path| self.value(table, row, path))
        })
    }

    fn find_visible(&self, table: &str, sys_id: &str) -> Result<&Row, Answer> {
        self.find(table, sys_id)
            .filter(|row| self.is_visible(table, row))
            .ok_or_else(no_record)
    }

    fn display_name(&self, table: &str, sys_id: &str) -> String {
        if sys_id == "global" {
            return sys_id.to_owned();
        }
        self.find(table, sys_id)
            .map(|row| {
                ["name", "number", "u_name"]
                    .into_iter()
                    .map(|column| row.get(column))
                    .find(|value| !value.is_empty())
                    .unwrap_or_default()
                    .to_owned()
            })
            .unwrap_or_default()
    }

    fn user(&self, request: &VendorRequest) -> Option<&User> {
        let username = match Presented::read(request.header("authorization")) {
            Presented::Nothing => return None,
            Presented::Basic { username, password } => self
                .logins
                .iter()
                .find(|user| user.username == username && user.password.matches(&password))
                .map(|user| user.username.as_str())?
                .to_owned(),
            Presented::Bearer(token) => self.oauth.valid(&token, request.now)?.username.clone(),
        };
        self.logins.iter().find(|user| user.username == username)
    }

    fn respond(&mut self, request: &VendorRequest) -> Result<Answer, Answer> {
        if let Some(answer) = self.oauth_endpoint(request) {
            return Ok(answer);
        }
        let segments = request.segments();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let ["api", "now", path @ ..] = segments.as_slice() else {
            return Err(unknown_host());
        };
        let user = self.user(request).ok_or_else(not_authenticated)?;
        let caller = Caller {
            sys_id: user.sys_id.clone(),
            name: user.name.clone(),
            username: user.username.clone(),
        };
        let (version, path) = match path {
            [version @ ("v1" | "v2"), rest @ ..] => (*version, rest),
            _ => ("", path),
        };
        let (table, sys_id) = match path {
            ["table", table] => (*table, None),
            ["table", table, sys_id] => (*table, Some(*sys_id)),
            _ => {
                return Err(failure(
                    400,
                    "Requested URI does not represent any resource",
                    None,
                ));
            }
        };
        let method = request
            .header("x-http-method-override")
            .unwrap_or(&request.method)
            .to_ascii_uppercase();
        let known_method = match sys_id {
            None => ["GET", "POST"].contains(&method.as_str()),
            Some(_) => ["GET", "PUT", "PATCH", "DELETE"].contains(&method.as_str()),
        };
        if !known_method {
            return Err(failure(405, "Method not supported", None));
        }
        check_headers(request, &method)?;
        if !self.tables.contains_key(table) {
            return Err(failure(400, &format!("Invalid table {table}"), None));
        }
        match (method.as_str(), sys_id) {
            ("GET", None) => self.list(request, table, version),
            ("GET", Some(sys_id)) => {
                self.check_readable(table)?;
                let row = self.find_visible(table, sys_id)?;
                Ok(self.result(request, 200, table, row))
            }
            ("DELETE", Some(sys_id)) => {
                self.find_visible(table, sys_id)?;
                self.check_writable(table, "Delete")?;
                if let Some(rows) = self.rows.get_mut(table) {
                    rows.remove(sys_id);
                }
                Ok(Answer::empty(204))
            }
            ("POST", _) => {
                self.check_writable(table, "Insert")?;
                let sys_id = self.write(request, table, None, &caller)?;
                let row = self.find(table, &sys_id).ok_or_else(no_record)?;
                let location = format!("{}/api/now/table/{table}/{sys_id}", request.instance_url);
                Ok(self
                    .result(request, 201, table, row)
                    .with_header("Location", location))
            }
            (_, sys_id) => {
                let sys_id = sys_id.unwrap_or_default();
                self.find_visible(table, sys_id)?;
                self.check_writable(table, "Update")?;
                self.write(request, table, Some(sys_id), &caller)?;
                let row = self.find(table, sys_id).ok_or_else(no_record)?;
                Ok(self.result(request, 200, table, row))
            }
        }
    }

    fn result(&self, request: &VendorRequest, status: u16, table: &str, row: &Row) -> Answer {
        if request.method != "GET" && request.header("x-no-response-body") == Some("true") {
            return Answer::empty(status);
        }
        let rendered = View::of(request).render(self, table, row);
        Answer::json(status, json!({ "result": rendered }))
    }

    fn check_readable(&self, table: &str) -> Result<(), Answer> {
        if self
            .config
            .unreadable_tables
            .iter()
            .any(|name| name == table)
        {
            return Err(failure(403, "Insufficient rights to query records", None));
        }
        Ok(())
    }

    fn check_writable(&self, table: &str, operation: &str) -> Result<(), Answer> {
        let read_only = &self.config.read_only_tables;
        if table == schema::ANY_TASK || read_only.iter().any(|name| name == table) {
            let detail = format!("ACL Exception {operation} Failed due to security constraints");
            return Err(failure(403, "Operation Failed", Some(&detail)));
        }
        Ok(())
    }

    fn list(&self, request: &VendorRequest, table: &str, version: &str) -> Result<Answer, Answer> {
        self.check_readable(table)?;
        let probe = Row::default();
        let known = |path: &str| self.walk(table, &probe, path).is_some();
        let query = self.query(
            table,
            request.parameter("sysparm_query").unwrap_or_default(),
        );
        // Plain parameters count only where there is no encoded query.
        let plain: Vec<(&str, &str)> = if request.parameter("sysparm_query").is_some() {
            Vec::new()
        } else {
            request
                .query
                .iter()
                .filter(|(name, _)| !name.starts_with("sysparm_") && known(name))
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect()
        };
        let value = |row: &Row, path: &str| self.value(table, row, path);
        let mut rows: Vec<&Row> = self
            .rows_of(table)
            .flat_map(BTreeMap::values)
            .filter(|row| query.holds(|path| value(row, path)))
            .filter(|row| {
                plain.iter().all(|(path, wanted)| {
                    value(row, path) == *wanted || self.displays_as(table, row, path, wanted)
                })
            })
            .collect();
        // One table's rows lie in this order; those of several do not.
        rows.sort_by(|left, right| left.get("sys_id").cmp(right.get("sys_id")));
        for order in query.order.iter().rev() {
            rows.sort_by(|left, right| {
                let ordering = compare(&value(left, &order.field), &value(right, &order.field));
                if order.descending {
                    ordering.reverse()
                } else {
                    ordering
                }
            });
        }
        let total = rows.len();
        if total == 0 && version == "v1" {
            return Err(no_record());
        }
        let limit = request
            .parameter("sysparm_limit")
            .and_then(|limit| limit.parse().ok())
            .unwrap_or(DEFAULT_LIMIT);
        let offset = match request.parameter("sysparm_offset") {
            None => 0,
            Some(offset) => offset
                .parse::<usize>()
                .map_err(|_| failure(400, "Invalid sysparm_offset", None))?,
        };
        let view = View::of(request);
        let result: Vec<Value> = rows
            .into_iter()
            .skip(offset)
            .take(limit)
            // Only now do access rules count: a page can be short, or empty, although more rows follow.
            .filter(|row| self.is_visible(table, row))
            .map(|row| view.render(self, table, row))
            .collect();
        let mut answer = Answer::json(200, json!({ "result": result }));
        if !request.flag("sysparm_no_count") {
            answer = answer.with_header("X-Total-Count", total.to_string());
            // Recorded: no Link header when everything fits on one page.
            if !request.flag("sysparm_suppress_pagination_header") && total > limit && limit > 0 {
                answer = answer.with_header("Link", page_links(request, total, limit, offset));
            }
        }
        Ok(answer)
    }

    fn displays_as(&self, table: &str, row: &Row, path: &str, wanted: &str) -> bool {
        let Some((table, Some(row), column)) = self.walk(table, row, path) else {
            return false;
        };
        let raw = row.get(column);
        match self.columns(table).get(column) {
            Some(ColumnType::Reference(target)) => {
                !raw.is_empty() && self.display_name(target, raw) == wanted
            }
            Some(ColumnType::Choice(choices)) => {
                choices.get(raw).is_some_and(|label| label == wanted)
            }
            Some(
                ColumnType::Text
                | ColumnType::String(_)
                | ColumnType::Integer
                | ColumnType::Boolean
                | ColumnType::DateTime
                | ColumnType::Journal,
            )
            | None => false,
        }
    }

    /// Inserts or updates one row and returns its `sys_id`.
    fn write(
        &mut self,
        request: &VendorRequest,
        table: &str,
        existing: Option<&str>,
        caller: &Caller,
    ) -> Result<String, Answer> {
        let fields = body_fields(request)?;
        let now = timestamp(request.now);
        let before = existing
            .and_then(|sys_id| self.find(table, sys_id))
            .map(|row| row.values.clone());
        let mut after = match &before {
            Some(before) => before.clone(),
            None => self.defaults(table, &now, caller),
        };
        let accepted = self.accept(table, fields, request.flag("sysparm_input_display_value"));
        after.extend(accepted.values);
        let journals: Vec<&str> = accepted
            .journal
            .iter()
            .map(|(column, _)| column.as_str())
            .collect();
        let sent: Vec<&str> = fields.keys().map(String::as_str).collect();
        let none = Vec::new();
        let mut draft = Draft {
            table,
            before: before.as_ref(),
            after: &mut after,
            journals: &journals,
            sent: &sent,
            now: &now,
            user: &caller.sys_id,
        };
        let mandatory = self.config.mandatory_fields.get(table).unwrap_or(&none);
        rules::run(&mut draft, mandatory).map_err(|refusal| refused(table, &refusal))?;

        let sys_id = match existing {
            Some(sys_id) => sys_id.to_owned(),
            None => self.make_sys_id(),
        };
        match &before {
            // A write that changes nothing leaves no trace at all.
            Some(before) if *before == after && accepted.journal.is_empty() => return Ok(sys_id),
            Some(before) => {
                let count: u64 = before
                    .get("sys_mod_count")
                    .and_then(|count| count.parse().ok())
                    .unwrap_or_default();
                after.insert("sys_mod_count".to_owned(), (count + 1).to_string());
            }
            None => {
                after.insert("sys_id".to_owned(), sys_id.clone());
                if let Some(series) = self
                    .tables
                    .get_mut(table)
                    .and_then(|table| table.number.as_mut())
                {
                    let number = after.entry("number".to_owned()).or_default();
                    if number.is_empty() {
                        *number = series.next();
                    }
                }
            }
        }
        after.insert("sys_updated_on".to_owned(), now);
        after.insert("sys_updated_by".to_owned(), caller.username.clone());
        let serial = self.made;
        let row = self
            .rows
            .entry(table.to_owned())
            .or_default()
            .entry(sys_id.clone())
            .or_insert_with(|| Row {
                serial,
                ..Row::default()
            });
        row.values = after;
        row.journal
            .extend(accepted.journal.into_iter().map(|(column, text)| Entry {
                column,
                text,
                by: caller.name.clone(),
                at: request.now,
            }));
        Ok(sys_id)
    }

    fn defaults(&self, table: &str, now: &str, caller: &Caller) -> Values {
        let mut values: Vec<(&str, &str)> = vec![
            ("sys_created_on", now),
            ("sys_created_by", &caller.username),
            ("sys_mod_count", "0"),
        ];
        if self
            .tables
            .get(table)
            .is_some_and(|table| table.extends_task)
        {
            values.extend([
                ("sys_class_name", table),
                ("sys_domain", "global"),
                ("sys_domain_path", "/"),
                ("active", "true"),
                ("state", "1"),
                ("urgency", "3"),
                ("impact", "3"),
                ("priority", "4"),
                ("opened_at", now),
                ("opened_by", &caller.sys_id),
                ("escalation", "0"),
                ("reassignment_count", "0"),
                ("made_sla", "true"),
                ("knowledge", "false"),
                ("upon_approval", "proceed"),
                ("upon_reject", "cancel"),
                ("approval", "not requested"),
            ]);
        }
        match table {
            "incident" => values.extend([
                ("incident_state", "1"),
                ("severity", "3"),
                ("category", "inquiry"),
                ("reopen_count", "0"),
                ("notify", "1"),
            ]),
            "problem" => values.push(("known_error", "false")),
            "change_request" => values.extend([
                ("state", "-5"),
                ("on_hold", "false"),
                ("risk", "3"),
                ("category", "Other"),
                ("phase", "requested"),
                ("cab_required", "false"),
            ]),
            "change_task" => {
                values.extend([("on_hold", "false"), ("change_task_type", "planning")]);
            }
            _ => {}
        }
        values
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// What of the sent fields gets through, in the form in which it is stored.
    fn accept(&self, table: &str, fields: &Map<String, Value>, display_input: bool) -> Accepted {
        let mut accepted = Accepted::default();
        let read_only = self.config.read_only_columns.get(table);
        for (name, value) in fields {
            // Unknown, system and protected columns are passed over without a word.
            let Some(column_type) = self.columns(table).get(name) else {
                continue;
            };
            let protected = read_only.is_some_and(|columns| columns.contains(name));
            if name.starts_with("sys_") || protected {
                continue;
            }
            let text = as_text(value);
            let stored = match column_type {
                ColumnType::Journal => {
                    if !text.trim().is_empty() {
                        accepted.journal.push((name.clone(), text));
                    }
                    continue;
                }
                ColumnType::String(length) => text.chars().take(*length).collect(),
                ColumnType::Text => text.chars().take(4000).collect(),
                ColumnType::Boolean => truth(["true", "1"].contains(&text.as_str())).to_owned(),
                ColumnType::DateTime if display_input => {
                    shift(&text, -self.utc_offset).unwrap_or_default()
                }
                ColumnType::Reference(target) if display_input => {
                    self.reference_named(target, &text)
                }
                ColumnType::Choice(choices) if display_input => choices
                    .iter()
                    .find(|(_, label)| **label == text)
                    .map_or(text, |(value, _)| value.clone()),
                // Stored as sent: a sys_id of nobody, a value outside the list.
                ColumnType::Integer
                | ColumnType::DateTime
                | ColumnType::Reference(_)
                | ColumnType::Choice(_) => text,
            };
            accepted.values.push((name.clone(), stored));
        }
        accepted
    }

    /// The `sys_id` behind a display value or a `sys_id`, else nothing.
    fn reference_named(&self, table: &str, text: &str) -> String {
        if self.find(table, text).is_some() {
            return text.to_owned();
        }
        self.rows
            .get(table)
            .into_iter()
            .flatten()
            .find(|(sys_id, _)| !text.is_empty() && self.display_name(table, sys_id) == text)
            .map(|(sys_id, _)| sys_id.clone())
            .unwrap_or_default()
    }
}

/// The signed-in user, copied so that the state can change meanwhile.
struct Caller {
    sys_id: String,
    name: String,
    username: String,
}

#[derive(Default)]
struct Accepted {
    values: Vec<(String, String)>,
    journal: Vec<(String, String)>,
}

impl VendorState for ServiceNow {
    fn identify(&self, request: &VendorRequest) -> Option<String> {
        self.user(request).map(|user| user.username.clone())
    }

    fn answer(&mut self, request: &VendorRequest) -> Answer {
        if self.config.hibernating {
            return Answer::html(
                200,
                "<html><head><title>Instance Hibernating page</title></head><body>Your instance is hibernating. \
                 Sign in to the developer site to wake it.</body></html>",
            );
        }
        let answer = self.respond(request).unwrap_or_else(|refusal| refusal);
        let session = format!("{:032X}", request.serial);
        let answer = answer
            .with_header("X-Transaction-ID", format!("{:012x}", request.serial))
            .with_header("Server", "snow_adc")
            .with_header(
                "Set-Cookie",
                format!("JSESSIONID={session}; Path=/; HttpOnly; SameSite=None; Secure"),
            )
            .with_header("Set-Cookie", "BIGipServerpool_sandbox=1; Path=/; HttpOnly");
        if answer.status == 401 {
            answer.with_header("Connection", "close")
        } else {
            answer.with_header("X-Is-Logged-In", "true")
        }
    }

    fn written_fields<'a>(&self, body: &'a mut Value) -> Option<&'a mut Map<String, Value>> {
        body.as_object_mut()
    }

    fn records(&self, table: &str) -> Result<Vec<Value>, String> {
        if !self.tables.contains_key(table) {
            return Err(format!("there is no table {table}"));
        }
        let mut rows: Vec<&Row> = self.rows_of(table).flat_map(BTreeMap::values).collect();
        rows.sort_by_key(|row| row.serial);
        let records = rows.into_iter().map(|row| {
            let mut record: Map<String, Value> = self
                .columns(table)
                .keys()
                .map(|column| (column.clone(), json!(row.get(column))))
                .collect();
            let journal: Vec<Value> = row
                .journal
                .iter()
                .map(|entry| {
                    json!({ "column": entry.column, "text": entry.text, "by": entry.by, "at": entry.at })
                })
                .collect();
            record.insert("journal".to_owned(), json!(journal));
            Value::Object(record)
        });
        Ok(records.collect())
    }

    fn oauth(&mut self) -> &mut OAuth {
        &mut self.oauth
    }

    fn add_token(&mut self, token: BearerToken, now: Timestamp) -> Result<(), String> {
        let first = self
            .logins
            .first()
            .ok_or("a bearer token needs a user to stand for")?;
        let is_user = |username: &str| self.logins.iter().any(|user| user.username == username);
        self.oauth.add_token(token, &first.username, is_user, now)
    }

    fn rotate(&mut self, username: &str, rotation: Rotation) -> Result<(), String> {
        if rotation.api_token.is_some() {
            return Err("ServiceNow has no API tokens".to_owned());
        }
        let user = self
            .logins
            .iter_mut()
            .find(|user| user.username == username)
            .ok_or_else(|| format!("there is no user {username}"))?;
        if let Some(password) = rotation.password {
            user.password = password;
        }
        Ok(())
    }
}

fn truth(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

fn is_sys_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Numbers and booleans are accepted and become text; `null` is the empty value.
fn as_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn check_headers(request: &VendorRequest, method: &str) -> Result<(), Answer> {
    let writes = ["POST", "PUT", "PATCH"].contains(&method);
    let missing = |name: &str| failure(400, &format!("Missing header {name}"), None);
    match request.header("accept") {
        Some(accept) => {
            let served = ["application/json", "application/*", "*/*"]
                .iter()
                .any(|media_type| accept.contains(media_type));
            if !served {
                return Err(failure(406, "Requested media type is not supported", None));
            }
        }
        None if writes => return Err(missing("Accept")),
        None => {}
    }
    match request.header("content-type") {
        Some(content_type) if writes && !content_type.starts_with("application/json") => {
            Err(failure(415, "Unsupported media type", None))
        }
        None if writes => Err(missing("Content-Type")),
        Some(_) | None => Ok(()),
    }
}

/// Only one record per write: the first of an array.
fn body_fields(request: &VendorRequest) -> Result<&Map<String, Value>, Answer> {
    static NOTHING: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    let body = match &request.body {
        None if request.text.is_empty() => return Ok(&NOTHING),
        Some(Value::Array(records)) => records.first(),
        other => other.as_ref(),
    };
    body.and_then(Value::as_object).ok_or_else(|| {
        failure(
            400,
            "Exception while reading request",
            Some("The payload is not valid JSON."),
        )
    })
}

fn page_links(request: &VendorRequest, total: usize, limit: usize, offset: usize) -> String {
    let link = |offset: usize, relation: &str| {
        let query: String = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(
                request
                    .query
                    .iter()
                    .filter(|(name, _)| name != "sysparm_offset"),
            )
            .append_pair("sysparm_offset", &offset.to_string())
            .finish();
        format!(
            "<{}{}?{query}>;rel=\"{relation}\"",
            request.instance_url, request.path
        )
    };
    let mut links = vec![link(0, "first")];
    if offset > 0 {
        links.push(link(offset.saturating_sub(limit), "prev"));
    }
    if offset + limit < total {
        links.push(link(offset + limit, "next"));
    }
    links.push(link((total - 1) / limit * limit, "last"));
    links.join(",")
}

fn failure(status: u16, message: &str, detail: Option<&str>) -> Answer {
    Answer::json(
        status,
        json!({ "error": { "message": message, "detail": detail }, "status": "failure" }),
    )
}

fn no_record() -> Answer {
    failure(
        404,
        "No Record found",
        Some("Record doesn't exist or ACL restricts the record retrieval"),
    )
}

fn not_authenticated() -> Answer {
    failure(
        401,
        "User Not Authenticated",
        Some("Required to provide Auth information"),
    )
    .with_header("WWW-Authenticate", "BASIC realm=\"Service-now\"")
}

fn refused(table: &str, refusal: &Refusal) -> Answer {
    let detail = match refusal {
        Refusal::DataPolicy(missing) => format!(
            "Data Policy Exception: The following fields are mandatory: {}",
            missing.join(", ")
        ),
        Refusal::BusinessRule(rule) => {
            format!("Operation against file '{table}' was aborted by Business Rule '{rule}'")
        }
    };
    failure(403, "Operation Failed", Some(&detail))
}
