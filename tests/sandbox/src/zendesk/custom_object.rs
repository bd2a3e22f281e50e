//! Custom objects and their records, as in the API reference's pages "Custom Objects", "Custom Object Fields" and "Custom
//! Object Records".

use std::collections::BTreeMap;

use jiff::Timestamp;
use regex::Regex;
use serde_json::{Map, Value, json};

use super::config::{CustomObject, ObjectField, ObjectFieldType, UnknownFields};
use super::field::whole;
use super::write::{Problems, json_body, seconds};
use super::{LARGEST_PAGE, Zendesk, cursor_page, invalid_endpoint, not_found, ulid};
use crate::exchange::{Answer, VendorRequest};

const MOST_FIELDS: usize = 100;
const LARGEST_RECORD: usize = 32 * 1024;
const NUMBER_DIGITS: usize = 5;

type Fields = Map<String, Value>;

pub(super) struct Object {
    id: u64,
    /// The ids of the standard fields and of its own, which follow.
    fields_from: u64,
    config: CustomObject,
    patterns: BTreeMap<String, Regex>,
    created_at: Timestamp,
    records: Vec<Record>,
    numbered: u64,
}

#[derive(Clone)]
struct Record {
    id: String,
    name: String,
    external_id: Option<String>,
    values: Fields,
    created_at: Timestamp,
    updated_at: Timestamp,
    created_by: u64,
    updated_by: u64,
}

/// How an upsert names its record.
enum Key<'a> {
    ExternalId(&'a str),
    Name(&'a str),
}

impl Key<'_> {
    fn finds(&self, record: &Record) -> bool {
        match self {
            Self::ExternalId(wanted) => record.external_id.as_deref() == Some(wanted),
            Self::Name(wanted) => record.name == *wanted,
        }
    }
}

impl Object {
    /// Says what contradicts itself in the configuration.
    pub(super) fn open(config: CustomObject, id: u64, fields_from: u64) -> Result<Self, String> {
        let key = &config.key;
        if config.fields.len() > MOST_FIELDS {
            return Err(format!("the custom object {key} has more than 100 fields"));
        }
        if config.unique_names && config.autonumber_prefix.is_some() {
            return Err(format!(
                "names of the custom object {key} can be unique or numbered, not both"
            ));
        }
        let mut patterns = BTreeMap::new();
        for (position, field) in config.fields.iter().enumerate() {
            let name = &field.key;
            if config.fields[..position]
                .iter()
                .any(|other| other.key == *name)
            {
                return Err(format!("two fields of {key} have the key {name}"));
            }
            if let Some(pattern) = &field.pattern {
                patterns.insert(name.clone(), whole(pattern)?);
            }
        }
        Ok(Self {
            id,
            fields_from,
            config,
            patterns,
            created_at: seconds(Timestamp::now()),
            records: Vec::new(),
            numbered: 0,
        })
    }

    pub(super) fn has_key(&self, key: &str) -> bool {
        self.config.key == key
    }

    pub(super) fn records(&self, host: &str) -> Vec<Value> {
        self.records
            .iter()
            .map(|record| self.record_json(record, host))
            .collect()
    }

    fn title(&self) -> &str {
        self.config.title.as_deref().unwrap_or(&self.config.key)
    }

    fn url(&self, host: &str) -> String {
        format!("{host}/api/v2/custom_objects/{}", self.config.key)
    }

    fn to_json(&self, host: &str) -> Value {
        let (title, plural) = (self.title(), format!("{}s", self.title()));
        json!({ "key": self.config.key, "title": title, "raw_title": title, "title_pluralized": plural,
            "raw_title_pluralized": plural, "description": "", "raw_description": "", "include_in_list_view": true,
            "allows_photos": false, "created_by_user_id": self.id.to_string(),
            "updated_by_user_id": self.id.to_string(), "created_at": self.created_at, "updated_at": self.created_at,
            "url": format!("{}.json", self.url(host)) })
    }

    fn fields_json(&self, host: &str, standard: bool) -> Vec<Value> {
        let field = |position: usize, key: &str, title: &str, kind: &str| {
            let id = self.fields_from + position as u64;
            json!({ "id": id, "key": key, "type": kind, "title": title, "raw_title": title, "description": "",
                "raw_description": "", "position": position, "active": true, "system": false,
                "regexp_for_validation": null, "created_at": self.created_at, "updated_at": self.created_at,
                "url": format!("{}/fields/{id}.json", self.url(host)) })
        };
        let mut fields = Vec::new();
        if standard {
            let mut name = field(0, "standard::name", "Name", "text");
            name["properties"] = json!({ "is_unique": self.config.unique_names,
                "autoincrement_enabled": self.config.autonumber_prefix.is_some(),
                "autoincrement_prefix": self.config.autonumber_prefix,
                "autoincrement_padding": NUMBER_DIGITS, "autoincrement_next_sequence": self.numbered + 1 });
            fields.push(name);
            fields.push(field(1, "standard::external_id", "External ID", "text"));
        }
        for (own, position) in self.config.fields.iter().zip(2..) {
            let title = own.title.as_deref().unwrap_or(&own.key);
            let mut json = field(position, &own.key, title, own.field_type.name());
            json["regexp_for_validation"] = json!(own.pattern);
            if !own.options.is_empty() {
                json["custom_field_options"] = own
                    .options
                    .iter()
                    .zip(self.fields_from * 100..)
                    .map(|(option, id)| {
                        json!({ "id": id, "name": option.name, "raw_name": option.name, "value": option.value })
                    })
                    .collect();
            }
            if let Some(target) = &own.target {
                json["relationship_target_type"] = json!(format!("zen:custom_object:{target}"));
            }
            fields.push(json);
        }
        fields
    }

    fn record_json(&self, record: &Record, host: &str) -> Value {
        let values: Fields = self
            .config
            .fields
            .iter()
            .map(|field| {
                let value = record.values.get(&field.key).unwrap_or(&Value::Null);
                (field.key.clone(), value.clone())
            })
            .collect();
        json!({ "id": record.id, "url": format!("{}/records/{}.json", self.url(host), record.id),
            "custom_object_key": self.config.key, "name": record.name, "external_id": record.external_id,
            "custom_object_fields": values, "photo": null, "created_at": record.created_at,
            "updated_at": record.updated_at, "created_by_user_id": record.created_by.to_string(),
            "updated_by_user_id": record.updated_by.to_string() })
    }
}

impl Zendesk {
    /// `/api/v2/custom_objects` and what is below it.
    pub(super) fn custom_objects(
        &mut self,
        request: &VendorRequest,
        agent: u64,
        path: &[&str],
    ) -> Result<Answer, Answer> {
        let host = request.instance_url.as_str();
        let [key, rest @ ..] = path else {
            let objects: Vec<Value> = self.objects.iter().map(|one| one.to_json(host)).collect();
            return match request.method.as_str() {
                "GET" => Ok(Answer::json(200, json!({ "custom_objects": objects }))),
                _ => Err(invalid_endpoint()),
            };
        };
        let at = self
            .objects
            .iter()
            .position(|object| object.config.key == *key)
            .ok_or_else(not_found)?;
        let object = &self.objects[at];
        let find = |id: &str| {
            object
                .records
                .iter()
                .position(|record| record.id == id)
                .ok_or_else(not_found)
        };
        match (request.method.as_str(), rest) {
            ("GET", []) => Ok(Answer::json(
                200,
                json!({ "custom_object": object.to_json(host) }),
            )),
            ("GET", ["fields"]) => {
                let fields = object.fields_json(host, request.flag("include_standard_fields"));
                Ok(Answer::json(200, json!({ "custom_object_fields": fields })))
            }
            ("GET", ["records"]) => object.list(request),
            ("POST", ["records"]) => {
                let (record, answer) = self.draft(request, agent, at, None, None)?;
                self.store(at, None, record);
                Ok(answer(201))
            }
            ("PATCH", ["records"]) => self.upsert(request, agent, at),
            ("GET", ["records", id]) => {
                let record = object.record_json(&object.records[find(id)?], host);
                Ok(Answer::json(200, json!({ "custom_object_record": record })))
            }
            ("PATCH", ["records", id]) => {
                let position = find(id)?;
                let (record, answer) = self.draft(request, agent, at, Some(position), None)?;
                self.store(at, Some(position), record);
                Ok(answer(200))
            }
            ("DELETE", ["records", id]) => {
                let position = find(id)?;
                self.objects[at].records.remove(position);
                Ok(Answer::empty(204))
            }
            (_, _) => Err(invalid_endpoint()),
        }
    }

    fn upsert(&mut self, request: &VendorRequest, agent: u64, at: usize) -> Result<Answer, Answer> {
        let object = &self.objects[at];
        let key = match (request.parameter("external_id"), request.parameter("name")) {
            (Some(id), None) if !id.is_empty() => Key::ExternalId(id),
            (None, Some(name)) if !name.is_empty() => Key::Name(name),
            _ => {
                return Err(bad_request(
                    "Give either an external_id or a name, not both",
                ));
            }
        };
        match key {
            Key::Name(_) if !object.config.unique_names => {
                return Err(bad_request(
                    "A record can be named by its name only where names are unique",
                ));
            }
            Key::Name(_) | Key::ExternalId(_) => {}
        }
        let position = object.records.iter().position(|record| key.finds(record));
        let (record, answer) = self.draft(request, agent, at, position, Some(&key))?;
        self.store(at, position, record);
        // Documented so whether or not the record is new.
        Ok(answer(200))
    }

    fn store(&mut self, at: usize, position: Option<usize>, record: Record) {
        self.serial += 1;
        let object = &mut self.objects[at];
        if let Some(position) = position {
            object.records[position] = record;
        } else {
            object.numbered += 1;
            object.records.push(record);
        }
    }

    /// The record as it would be after the write, and the answer to it by status.
    fn draft(
        &self,
        request: &VendorRequest,
        agent: u64,
        at: usize,
        position: Option<usize>,
        key: Option<&Key<'_>>,
    ) -> Result<(Record, impl FnOnce(u16) -> Answer + use<>), Answer> {
        let object = &self.objects[at];
        let fields = json_body(request)
            .and_then(|body| body.get("custom_object_record"))
            .and_then(Value::as_object)
            .ok_or_else(|| bad_request("custom_object_record must be an object"))?;
        let now = seconds(request.now);
        let mut problems = Problems::default();
        let mut record = match position {
            Some(position) => object.records[position].clone(),
            None => Record {
                id: ulid(now, self.serial + 1),
                name: String::new(),
                external_id: None,
                values: Fields::new(),
                created_at: now,
                updated_at: now,
                created_by: agent,
                updated_by: agent,
            },
        };
        record.updated_at = now;
        record.updated_by = agent;
        match key {
            Some(Key::ExternalId(id)) => record.external_id = Some((*id).to_owned()),
            Some(Key::Name(name)) => (*name).clone_into(&mut record.name),
            None => {}
        }
        object.set_name(fields, position.is_none(), &mut record, &mut problems);
        match fields.get("external_id") {
            None => {}
            Some(Value::Null) => record.external_id = None,
            Some(Value::String(id)) => record.external_id = Some(id.clone()),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                problems.add("external_id", "External id: is invalid", "InvalidValue");
            }
        }
        let others = || {
            object
                .records
                .iter()
                .enumerate()
                .filter(|(other, _)| Some(*other) != position)
                .map(|(_, other)| other)
        };
        if record.external_id.is_some()
            && others().any(|other| other.external_id == record.external_id)
        {
            problems.add(
                "external_id",
                "External id: has already been taken",
                "DuplicateValue",
            );
        }
        if object.config.unique_names && others().any(|other| other.name == record.name) {
            problems.add("name", "Name: has already been taken", "DuplicateValue");
        }
        match fields.get("custom_object_fields") {
            None => {}
            Some(Value::Object(sent)) => self.set_values(object, sent, &mut record, &mut problems),
            Some(_) => problems.add(
                "custom_object_fields",
                "Custom object fields: is invalid",
                "InvalidValue",
            ),
        }
        if json!(record.values).to_string().len() > LARGEST_RECORD {
            problems.add("base", "Record: is larger than 32 KB", "ValueTooLong");
        }
        problems.refuse()?;
        let json = object.record_json(&record, &request.instance_url);
        let answer =
            move |status: u16| Answer::json(status, json!({ "custom_object_record": json }));
        Ok((record, answer))
    }

    fn set_values(
        &self,
        object: &Object,
        sent: &Fields,
        record: &mut Record,
        problems: &mut Problems,
    ) {
        for (key, value) in sent {
            let field = object.config.fields.iter().find(|field| field.key == *key);
            match (field, self.unknown_fields) {
                (Some(field), _) => match self.judge(object, field, value) {
                    Some(stored) => {
                        record.values.insert(key.clone(), stored);
                    }
                    None => problems.add(key, &format!("{key}: is invalid"), "InvalidValue"),
                },
                (None, UnknownFields::Drop) => {}
                (None, UnknownFields::Refuse) => {
                    problems.add(key, &format!("{key}: is no field"), "InvalidValue");
                }
            }
        }
    }

    /// The value as it is stored, unless its type is wrong.
    fn judge(&self, object: &Object, field: &ObjectField, value: &Value) -> Option<Value> {
        if value.is_null() {
            return Some(Value::Null);
        }
        let offered = |value: &Value| {
            field
                .options
                .iter()
                .any(|option| Some(option.value.as_str()) == value.as_str())
        };
        let fits = match field.field_type {
            ObjectFieldType::Text | ObjectFieldType::Textarea => value.is_string(),
            ObjectFieldType::Checkbox => value.is_boolean(),
            ObjectFieldType::Date => value
                .as_str()
                .is_some_and(|text| text.parse::<jiff::civil::Date>().is_ok()),
            ObjectFieldType::Integer => value.is_i64() || value.is_u64(),
            ObjectFieldType::Decimal => value.is_number(),
            ObjectFieldType::Regexp => value.as_str().is_some_and(|text| {
                object
                    .patterns
                    .get(&field.key)
                    .is_none_or(|pattern| pattern.is_match(text))
            }),
            ObjectFieldType::Dropdown => offered(value),
            ObjectFieldType::Multiselect => value
                .as_array()
                .is_some_and(|values| values.iter().all(offered)),
            ObjectFieldType::Lookup => return self.looked_up(field, value),
        };
        fits.then(|| value.clone())
    }

    /// The id of the record that an id, `external_id:V` or `name:V` means; users and the like go unchecked.
    fn looked_up(&self, field: &ObjectField, value: &Value) -> Option<Value> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
        };
        let Some(target) = &field.target else {
            return Some(json!(text));
        };
        let key = match text.split_once(':') {
            Some(("external_id", id)) => Some(Key::ExternalId(id)),
            Some(("name", name)) => Some(Key::Name(name)),
            Some(_) | None => None,
        };
        self.objects
            .iter()
            .find(|object| object.config.key == *target)?
            .records
            .iter()
            .find(|record| match &key {
                Some(key) => key.finds(record),
                None => record.id == text,
            })
            .map(|record| json!(record.id))
    }
}

impl Object {
    fn set_name(&self, fields: &Fields, new: bool, record: &mut Record, problems: &mut Problems) {
        let sent = fields.get("name").filter(|name| !name.is_null());
        if let Some(prefix) = &self.config.autonumber_prefix {
            if sent.is_some() {
                problems.add("name", "Name: is numbered automatically", "InvalidValue");
            } else if new {
                let number = self.numbered + 1;
                record.name = format!("{prefix}{number:0NUMBER_DIGITS$}");
            }
            return;
        }
        match sent {
            Some(Value::String(name)) => name.clone_into(&mut record.name),
            Some(_) => problems.add("name", "Name: is invalid", "InvalidValue"),
            None if fields.contains_key("name") => record.name.clear(),
            None => {}
        }
        if record.name.trim().is_empty() {
            problems.add("name", "Name: cannot be blank", "BlankValue");
        }
    }

    fn list(&self, request: &VendorRequest) -> Result<Answer, Answer> {
        let filter = |name: &str| -> Result<Option<Vec<String>>, Answer> {
            let Some(text) = request.parameter(name) else {
                return Ok(None);
            };
            let wanted: Vec<String> = text.split(',').map(str::to_owned).collect();
            if wanted.len() > LARGEST_PAGE {
                return Err(Answer::json(
                    400,
                    json!({ "error": "TooManyValues", "description": "Too many values", "max_count": LARGEST_PAGE }),
                ));
            }
            Ok(Some(wanted))
        };
        let (ids, external_ids) = (filter("filter[ids]")?, filter("filter[external_ids]")?);
        let mut records: Vec<&Record> = self
            .records
            .iter()
            .filter(|record| ids.as_ref().is_none_or(|ids| ids.contains(&record.id)))
            .filter(|record| {
                external_ids.as_ref().is_none_or(|wanted| {
                    record
                        .external_id
                        .as_ref()
                        .is_some_and(|id| wanted.contains(id))
                })
            })
            .collect();
        match request.parameter("sort") {
            None | Some("id") => records.sort_by(|one, other| one.id.cmp(&other.id)),
            Some("-id") => records.sort_by(|one, other| other.id.cmp(&one.id)),
            Some("updated_at") => records.sort_by_key(|record| record.updated_at),
            Some("-updated_at") => {
                records.sort_by_key(|record| std::cmp::Reverse(record.updated_at));
            }
            Some(_) => return Err(bad_request("Unknown sort")),
        }
        let records = records
            .into_iter()
            .map(|record| self.record_json(record, &request.instance_url))
            .collect();
        Ok(cursor_page(
            request,
            "custom_object_records",
            records,
            LARGEST_PAGE,
        ))
    }
}

fn bad_request(message: &str) -> Answer {
    Answer::json(
        400,
        json!({ "error": { "title": "Invalid attribute", "message": message } }),
    )
}
