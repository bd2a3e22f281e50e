//! Custom ticket fields: which values they take and which tags they add.

use regex::Regex;
use serde_json::{Value, json};

use super::config::{FieldType, TicketField};

pub(crate) struct Field {
    pub(crate) id: u64,
    pub(crate) config: TicketField,
    pattern: Option<Regex>,
}

/// What becomes of a value sent for a field.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    Stored(Value),
    /// Dropped without a word.
    Ignored,
    Refused,
}

impl Field {
    pub(crate) fn open(id: u64, config: TicketField) -> Result<Self, String> {
        let pattern = config.pattern.as_deref().map(whole).transpose()?;
        Ok(Self {
            id,
            config,
            pattern,
        })
    }

    pub(crate) fn judge(&self, value: &Value) -> Verdict {
        if value.is_null() || *value == json!("") {
            return Verdict::Stored(match self.config.field_type {
                FieldType::Checkbox => json!(false),
                FieldType::Text
                | FieldType::Textarea
                | FieldType::Date
                | FieldType::Integer
                | FieldType::Decimal
                | FieldType::Tagger
                | FieldType::Multiselect
                | FieldType::Regexp
                | FieldType::Lookup
                | FieldType::Partialcreditcard => Value::Null,
            });
        }
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        let stored_if = |holds: bool| {
            if holds {
                Verdict::Stored(value.clone())
            } else {
                Verdict::Refused
            }
        };
        match self.config.field_type {
            FieldType::Text | FieldType::Textarea | FieldType::Lookup => {
                Verdict::Stored(json!(text))
            }
            FieldType::Regexp => stored_if(
                self.pattern
                    .as_ref()
                    .is_none_or(|pattern| pattern.is_match(&text)),
            ),
            FieldType::Partialcreditcard => Verdict::Stored(json!(last_four(&text))),
            FieldType::Checkbox => Verdict::Stored(json!(text == "true" || text == "1")),
            FieldType::Date => stored_if(text.parse::<jiff::civil::Date>().is_ok()),
            FieldType::Integer => stored_if(text.parse::<i64>().is_ok()),
            FieldType::Decimal => stored_if(text.parse::<f64>().is_ok()),
            FieldType::Tagger => {
                if self.offers(&text) {
                    Verdict::Stored(json!(text))
                } else {
                    Verdict::Ignored
                }
            }
            FieldType::Multiselect => {
                let chosen: Vec<&str> = match value {
                    Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
                    Value::Null
                    | Value::Bool(_)
                    | Value::Number(_)
                    | Value::String(_)
                    | Value::Object(_) => vec![&text],
                };
                let offered: Vec<&str> = chosen
                    .iter()
                    .copied()
                    .filter(|one| self.offers(one))
                    .collect();
                if offered.is_empty() && !chosen.is_empty() {
                    Verdict::Ignored
                } else {
                    Verdict::Stored(json!(offered))
                }
            }
        }
    }

    fn offers(&self, value: &str) -> bool {
        self.config
            .options
            .iter()
            .any(|option| option.value == value)
    }

    /// The tags that this value stands for.
    pub(crate) fn tags(&self, value: &Value) -> Vec<String> {
        match self.config.field_type {
            FieldType::Tagger => value.as_str().map(str::to_owned).into_iter().collect(),
            FieldType::Multiselect => value
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|one| one.as_str().map(str::to_owned))
                .collect(),
            FieldType::Checkbox if *value == json!(true) => {
                self.config.tag.clone().into_iter().collect()
            }
            FieldType::Checkbox
            | FieldType::Text
            | FieldType::Textarea
            | FieldType::Date
            | FieldType::Integer
            | FieldType::Decimal
            | FieldType::Regexp
            | FieldType::Lookup
            | FieldType::Partialcreditcard => Vec::new(),
        }
    }

    pub(crate) fn to_json(&self, position: usize, host: &str) -> Value {
        let options: Vec<Value> = self
            .config
            .options
            .iter()
            .enumerate()
            .map(|(index, option)| {
                json!({ "id": self.id * 100 + index as u64, "name": option.name, "raw_name": option.name,
                    "value": option.value, "default": false })
            })
            .collect();
        let mut json = field_json(
            self.id,
            self.config.field_type.name(),
            &self.config.title,
            position,
            host,
        );
        json["required"] = json!(self.config.required);
        json["removable"] = json!(true);
        json["tag"] = json!(self.config.tag);
        json["regexp_for_validation"] = json!(self.config.pattern);
        if !options.is_empty() {
            json["custom_field_options"] = json!(options);
        }
        json
    }
}

/// The pattern, made to match values as a whole.
pub(crate) fn whole(pattern: &str) -> Result<Regex, String> {
    Regex::new(&format!("^(?:{pattern})$")).map_err(|error| error.to_string())
}

/// A card's number as it is kept.
fn last_four(number: &str) -> String {
    let digits: Vec<char> = number.chars().filter(char::is_ascii_digit).collect();
    let (hidden, shown) = digits.split_at(digits.len().saturating_sub(4));
    let shown: String = shown.iter().collect();
    format!("{}{shown}", "X".repeat(hidden.len()))
}

fn field_json(id: u64, kind: &str, title: &str, position: usize, host: &str) -> Value {
    json!({
        "id": id, "type": kind, "title": title, "raw_title": title, "active": true, "required": false,
        "key": null, "removable": false, "regexp_for_validation": null, "tag": null, "position": position,
        "visible_in_portal": false, "editable_in_portal": false, "required_in_portal": false,
        "url": format!("{host}/api/v2/ticket_fields/{id}.json"),
    })
}

/// The fields that every account has. Type and priority can be removed, so `removable` doesn't mean custom.
pub(crate) fn system_fields(first_id: u64, with_hold: bool, host: &str) -> Vec<Value> {
    const FIELDS: [(&str, &str, bool, bool); 8] = [
        ("subject", "Subject", false, false),
        ("description", "Description", false, false),
        ("status", "Status", false, false),
        ("tickettype", "Type", true, false),
        ("priority", "Priority", true, false),
        ("group", "Group", false, false),
        ("assignee", "Assignee", false, true),
        ("custom_status", "Ticket status", false, false),
    ];
    FIELDS
        .iter()
        .zip(first_id..)
        .enumerate()
        .map(|(position, ((kind, title, removable, required), id))| {
            let mut json = field_json(id, kind, title, position, host);
            json["removable"] = json!(removable);
            json["required"] = json!(required);
            let options = system_options(kind, with_hold);
            if !options.is_empty() {
                json["system_field_options"] = json!(options);
            }
            if *kind == "status" {
                json["sub_type_id"] = json!(u8::from(with_hold));
            }
            json
        })
        .collect()
}

fn system_options(kind: &str, with_hold: bool) -> Vec<Value> {
    let names: &[&str] = match kind {
        "status" => &["Open", "Pending", "Hold", "Solved", "Closed", "New"],
        "tickettype" => &["Question", "Incident", "Problem", "Task"],
        "priority" => &["Low", "Normal", "High", "Urgent"],
        _ => &[],
    };
    names
        .iter()
        .filter(|name| with_hold || **name != "Hold")
        .map(|name| json!({ "name": name, "value": name.to_lowercase() }))
        .collect()
}

/// Where [`system_fields`] puts the assignee.
pub(crate) const ASSIGNEE_POSITION: u64 = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zendesk::config::FieldOption;

    fn check(field_type: FieldType, sent: &Value, expected: &Verdict) {
        let field = Field::open(
            1,
            TicketField {
                id: None,
                title: "Field".to_owned(),
                field_type,
                options: ["red", "blue"]
                    .map(|value| FieldOption {
                        name: value.to_uppercase(),
                        value: value.to_owned(),
                    })
                    .into(),
                required: false,
                tag: None,
                pattern: None,
            },
        )
        .unwrap();
        assert_eq!(field.judge(sent), *expected, "{field_type:?} {sent}");
    }

    #[test]
    fn values_are_stored_ignored_or_refused_by_type() {
        let stored = |value| Verdict::Stored(value);
        check(FieldType::Text, &json!(5), &stored(json!("5")));
        check(FieldType::Checkbox, &json!("true"), &stored(json!(true)));
        check(FieldType::Checkbox, &json!(null), &stored(json!(false)));
        check(
            FieldType::Date,
            &json!("2021-04-16"),
            &stored(json!("2021-04-16")),
        );
        check(FieldType::Date, &json!("16.4.21"), &Verdict::Refused);
        check(FieldType::Integer, &json!("12"), &stored(json!("12")));
        check(FieldType::Integer, &json!("twelve"), &Verdict::Refused);
        check(FieldType::Decimal, &json!(1.5), &stored(json!(1.5)));
        check(FieldType::Tagger, &json!("red"), &stored(json!("red")));
        check(FieldType::Tagger, &json!("RED"), &Verdict::Ignored);
        check(FieldType::Tagger, &json!(null), &stored(Value::Null));
        check(
            FieldType::Multiselect,
            &json!(["red", "no"]),
            &stored(json!(["red"])),
        );
        check(FieldType::Multiselect, &json!(["no"]), &Verdict::Ignored);
    }
}
