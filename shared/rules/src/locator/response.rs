//! A response inside an event: as it was fetched, with `values` and `labels`, or as somebody posted it.

use serde_json::{Map, Value};

use super::percent_decoded;

/// The data of an event, seen as a survey's response.
pub(super) struct Response<'a> {
    data: Option<&'a Map<String, Value>>,
}

/// Members of a fetched response that are no fields of it.
const PARTS: [&str; 7] = [
    "values",
    "labels",
    "displayedFields",
    "displayedValues",
    "questions",
    "contact",
    "embeddedData",
];

/// Other names of what is recorded with each response, in the order in which they are tried.
const OTHER_NAMES: [(&str, &[&str]); 12] = [
    ("ResponseID", &["responseId", "_recordId"]),
    ("SurveyID", &["surveyId"]),
    ("RecipientEmail", &["recipientEmail", "email"]),
    ("RecipientFirstName", &["recipientFirstName", "firstName"]),
    ("RecipientLastName", &["recipientLastName", "lastName"]),
    (
        "ExternalReference",
        &["externalDataReference", "externalReference"],
    ),
    ("RecipientID", &["recipientId", "contactId"]),
    ("Q_Language", &["userLanguage"]),
    ("Q_TotalDuration", &["duration"]),
    ("Q_DL", &["distributionId"]),
    ("Q_CHL", &["distributionChannel"]),
    ("Q_R", &["responseId", "_recordId"]),
];

impl<'a> Response<'a> {
    pub(super) fn of(event: &'a Value) -> Self {
        Self {
            data: event.get("data").and_then(Value::as_object),
        }
    }

    /// What was answered or is recorded under exactly this key.
    pub(super) fn value(&self, key: &str) -> Option<&'a Value> {
        let value = self.part("values").and_then(|values| values.get(key));
        value
            .or_else(|| self.data?.get(key).filter(|_| !PARTS.contains(&key)))
            .filter(|value| !value.is_null())
    }

    /// The texts that people saw for the value under this key.
    pub(super) fn label(&self, key: &str) -> Option<&'a Value> {
        self.part("labels")?.get(key)
    }

    /// The codes of the choices that were shown.
    pub(super) fn displayed(&self, key: &str) -> Option<&'a Vec<Value>> {
        self.part("displayedValues")?.get(key)?.as_array()
    }

    /// What the survey says of a question.
    pub(super) fn question(&self, id: &str) -> Option<&'a Map<String, Value>> {
        self.part("questions")?.get(id)?.as_object()
    }

    /// The keys of all answers.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'a String> {
        let values = self.part("values").or(self.data);
        values.into_iter().flat_map(Map::keys)
    }

    /// Embedded data, or what is recorded with a response.
    pub(super) fn field(&self, name: &str) -> Option<Value> {
        let decoded = percent_decoded(name);
        self.exactly(name)
            .or_else(|| self.exactly(&decoded))
            .or_else(|| self.ignoring_case(&decoded))
            .or_else(|| {
                let (_, others) = OTHER_NAMES
                    .iter()
                    .find(|(known, _)| known.eq_ignore_ascii_case(&decoded))?;
                others.iter().find_map(|other| self.exactly(other))
            })
            .cloned()
    }

    /// A field of the event itself, by its name or by its path.
    pub(super) fn event_field(&self, name: &str) -> Option<Value> {
        let inside = || {
            let mut steps = name.split('.');
            let first = self.data?.get(steps.next()?)?;
            steps
                .try_fold(first, |value, step| match value {
                    Value::Array(members) => members.get(step.parse::<usize>().ok()?),
                    Value::Null
                    | Value::Bool(_)
                    | Value::Number(_)
                    | Value::String(_)
                    | Value::Object(_) => value.get(step),
                })
                .cloned()
        };
        let field = self.data.and_then(|data| data.get(name)).cloned();
        field.or_else(inside).or_else(|| self.field(name))
    }

    /// A field of whoever was asked.
    pub(super) fn contact(&self, name: &str) -> Option<Value> {
        let decoded = percent_decoded(name);
        let contact = self.part("contact");
        let of_contact = |wanted: &str| only_match(contact.into_iter(), wanted);
        let names: &[&str] = match decoded.to_ascii_lowercase().as_str() {
            "email" | "contactpoint" => &["email", "emailAddress", "recipientEmail"],
            "language" => &["language", "userLanguage"],
            "externaldatareference" | "externalreference" => {
                &["externalDataReference", "extRef", "externalReference"]
            }
            "contactid" => &["contactId", "id"],
            _ => &[],
        };
        let own_data = || {
            let data = contact?.get("embeddedData")?.as_object();
            only_match(data.into_iter(), &decoded)
        };
        of_contact(&decoded)
            .or_else(|| names.iter().find_map(|name| of_contact(name)))
            .or_else(own_data)
            .or_else(|| self.ignoring_case(&format!("recipient{decoded}")))
            .or_else(|| names.iter().find_map(|name| self.ignoring_case(name)))
            .or_else(|| self.ignoring_case(&decoded))
            .cloned()
    }

    /// A figure of a scoring category. Responses name it in more than one way.
    pub(super) fn score(&self, category: &str, figure: &str) -> Option<Value> {
        let alone = figure.eq_ignore_ascii_case("Score").then_some(category);
        let names = [
            format!("{category}_{figure}"),
            format!("{category}-{figure}"),
        ];
        let mut names = names.iter().map(String::as_str).chain(alone);
        let found = names.find_map(|name| self.ignoring_case(name))?;
        match found {
            Value::Object(figures) => figures.get(figure).cloned(),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Some(found.clone()),
        }
    }

    /// Where the answer came from, by its IP address.
    pub(super) fn location(&self, name: &str) -> Option<Value> {
        let place = self.data.and_then(|data| data.get("location")?.as_object());
        only_match(place.into_iter(), name)
            .or_else(|| self.ignoring_case(&format!("location{name}")))
            .cloned()
    }

    fn part(&self, name: &str) -> Option<&'a Map<String, Value>> {
        self.data?.get(name)?.as_object()
    }

    fn exactly(&self, name: &str) -> Option<&'a Value> {
        self.fields()
            .find_map(|fields| fields.get(name))
            .filter(|value| !value.is_null() && !self.is_part(name, value))
    }

    fn ignoring_case(&self, name: &str) -> Option<&'a Value> {
        only_match(self.fields(), name).filter(|value| !self.is_part(name, value))
    }

    fn fields(&self) -> impl Iterator<Item = &'a Map<String, Value>> {
        let parts = [self.part("values"), self.part("embeddedData"), self.data];
        parts.into_iter().flatten()
    }

    /// Whether a value found by name is one of the response's parts and no field.
    fn is_part(&self, name: &str, value: &Value) -> bool {
        PARTS.iter().any(|part| {
            part.eq_ignore_ascii_case(name)
                && self
                    .data
                    .and_then(|data| data.get(*part))
                    .is_some_and(|found| std::ptr::eq(found, value))
        })
    }
}

/// The value of that name: exactly, else ignoring case when only one name of the first map that has any
/// fits.
fn only_match<'a>(
    maps: impl Iterator<Item = &'a Map<String, Value>>,
    name: &str,
) -> Option<&'a Value> {
    for map in maps {
        if let Some(value) = map.get(name).filter(|value| !value.is_null()) {
            return Some(value);
        }
        let lower = name.to_lowercase();
        let mut fitting = map
            .iter()
            .filter(|(key, value)| !value.is_null() && key.to_lowercase() == lower);
        match (fitting.next(), fitting.next()) {
            (Some((_, value)), None) => return Some(value),
            (Some(_), Some(_)) => return None,
            (None, _) => {}
        }
    }
    None
}
