//! How a row reads in an answer: raw, as labels, or both.

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::config::ColumnType;
use super::schema::label;
use super::{Row, ServiceNow};
use crate::exchange::VendorRequest;

const FORMAT: &str = "%Y-%m-%d %H:%M:%S";

/// `sysparm_display_value` and what goes with it.
pub(crate) struct View<'a> {
    values: Values,
    links: bool,
    fields: Option<Vec<&'a str>>,
    host: &'a str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Values {
    Raw,
    Labels,
    Both,
}

impl<'a> View<'a> {
    pub(crate) fn of(request: &'a VendorRequest) -> Self {
        Self {
            values: match request.parameter("sysparm_display_value") {
                Some("true") => Values::Labels,
                Some("all") => Values::Both,
                Some(_) | None => Values::Raw,
            },
            links: !request.flag("sysparm_exclude_reference_link"),
            fields: request
                .parameter("sysparm_fields")
                .filter(|list| !list.trim().is_empty())
                .map(|list| list.split(',').map(str::trim).collect()),
            host: &request.instance_url,
        }
    }

    pub(crate) fn render(&self, state: &ServiceNow, table: &str, row: &Row) -> Value {
        let mut rendered = Map::new();
        match &self.fields {
            Some(fields) => {
                for path in fields {
                    // Names that lead nowhere are left out without a word.
                    if let Some((table, row, column)) = state.walk(table, row, path) {
                        let value = row.map_or_else(
                            || self.wrap("", ""),
                            |row| self.field(state, table, row, column),
                        );
                        rendered.insert((*path).to_owned(), value);
                    }
                }
            }
            None => {
                for column in state.columns(table).keys() {
                    rendered.insert(column.clone(), self.field(state, table, row, column));
                }
            }
        }
        Value::Object(rendered)
    }

    fn field(&self, state: &ServiceNow, table: &str, row: &Row, column: &str) -> Value {
        let raw = row.get(column);
        match state.columns(table).get(column) {
            Some(ColumnType::Reference(target)) => self.reference(state, target, raw),
            Some(ColumnType::Journal) => self.wrap("", &history(row, column, state.utc_offset)),
            Some(ColumnType::DateTime) if raw.is_empty() && column == "sla_due" => {
                self.wrap("", "UNKNOWN")
            }
            Some(ColumnType::DateTime) => {
                self.wrap(raw, &shift(raw, state.utc_offset).unwrap_or(raw.to_owned()))
            }
            Some(ColumnType::Integer) => self.wrap(raw, &grouped(raw)),
            Some(ColumnType::Choice(choices)) => {
                self.wrap(raw, choices.get(raw).map_or(raw, String::as_str))
            }
            Some(ColumnType::Text | ColumnType::String(_) | ColumnType::Boolean) | None => {
                self.wrap(raw, raw)
            }
        }
    }

    fn wrap(&self, raw: &str, display: &str) -> Value {
        match self.values {
            Values::Raw => json!(raw),
            Values::Labels => json!(display),
            Values::Both => json!({ "display_value": display, "value": raw }),
        }
    }

    fn reference(&self, state: &ServiceNow, target: &str, raw: &str) -> Value {
        let display = state.display_name(target, raw);
        if raw.is_empty() || !self.links {
            return self.wrap(raw, &display);
        }
        let link = format!("{}/api/now/table/{target}/{raw}", self.host);
        match self.values {
            Values::Raw => json!({ "link": link, "value": raw }),
            Values::Labels => json!({ "display_value": display, "link": link }),
            Values::Both => json!({ "display_value": display, "value": raw, "link": link }),
        }
    }
}

/// Every entry of a journal column, newest first.
fn history(row: &Row, column: &str, utc_offset: i8) -> String {
    let entries = row.journal.iter().rev();
    let mut history = String::new();
    for entry in entries.filter(|entry| entry.column == column) {
        let raw = timestamp(entry.at);
        let at = shift(&raw, utc_offset).unwrap_or(raw);
        let header = [&at, " - ", &entry.by, " (", &label(column), ")\n"].concat();
        history.push_str(&header);
        history.push_str(&entry.text);
        history.push_str("\n\n");
    }
    history
}

/// A moment as the tables keep it.
pub(crate) fn timestamp(at: Timestamp) -> String {
    at.strftime(FORMAT).to_string()
}

/// A stored date-time moved by whole hours; `None` when it is none.
pub(crate) fn shift(raw: &str, hours: i8) -> Option<String> {
    let moment = DateTime::strptime(FORMAT, raw).ok()?;
    let moved = moment
        .checked_add(SignedDuration::from_hours(i64::from(hours)))
        .ok()?;
    Some(moved.strftime(FORMAT).to_string())
}

fn grouped(raw: &str) -> String {
    let (sign, digits) = raw
        .strip_prefix('-')
        .map_or(("", raw), |digits| ("-", digits));
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return raw.to_owned();
    }
    let mut out = sign.to_owned();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_display_with_thousands_grouped() {
        for (raw, expected) in [
            ("102197", "102,197"),
            ("7", "7"),
            ("-1234", "-1,234"),
            ("", ""),
            ("x1", "x1"),
        ] {
            assert_eq!(grouped(raw), expected);
        }
    }

    #[test]
    fn moments_shift_across_midnight() {
        assert_eq!(
            shift("2026-07-14 00:28:27", -7).as_deref(),
            Some("2026-07-13 17:28:27")
        );
        assert_eq!(shift("tomorrow", -7), None);
    }
}
