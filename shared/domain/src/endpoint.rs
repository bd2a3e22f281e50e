//! Named ways in: `/events/{endpoint}`, each with its sender, its verification and its mapping.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{AccountName, EndpointName};

/// A way in, as it is written in a definition and kept in the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// The last part of the URL.
    pub name: EndpointName,
    /// What sends, and so how a request becomes an event.
    pub kind: EndpointKind,
    /// How a request proves where it comes from.
    pub verification: Verification,
    /// For `json` endpoints: where id, type, subject and time are found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<Mapping>,
    /// For `qualtrics` endpoints: the Qualtrics account with which the answers are fetched when an event subscription
    /// tells of a response. Without it such an event has no answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// Whether requests are accepted. A switched-off endpoint answers 410.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// What sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndpointKind {
    /// A Qualtrics event subscription (form-encoded), or the web-service task of a Qualtrics workflow (JSON).
    Qualtrics,
    /// Anything that posts a JSON body.
    Json,
    /// A sender of CloudEvents 1.0: structured, binary or batched.
    Cloudevents,
    /// A Zendesk webhook, event-subscribed or fired by a trigger.
    Zendesk,
    /// Online reviews and social posts, from whatever collects them.
    DatasetRecord,
    /// A business rule of ServiceNow that tells of records.
    Servicenow,
}

/// How a request proves where it comes from. Where a scheme has a secret, up to two are valid at a time,
/// so that it can be changed without losing a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "scheme", rename_all = "snake_case", deny_unknown_fields)]
pub enum Verification {
    /// Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`.
    StandardWebhooks {
        /// The secret's name, when it is not the endpoint's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<EndpointName>,
    },
    /// `X-Zendesk-Webhook-Signature` over timestamp and body.
    Zendesk {
        /// The secret's name, when it is not the endpoint's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<EndpointName>,
    },
    /// The HMAC field of a Qualtrics event subscription with a shared key.
    QualtricsHmac {
        /// The secret's name, when it is not the endpoint's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<EndpointName>,
    },
    /// `Authorization: Bearer <secret>`.
    Bearer {
        /// The secret's name, when it is not the endpoint's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<EndpointName>,
    },
    /// A header of the sender's choice holds the secret.
    Header {
        /// The header's name.
        header: String,
        /// The secret's name, when it is not the endpoint's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<EndpointName>,
    },
    /// `Authorization: Basic`; the secret is `username:password`.
    Basic {
        /// The secret's name, when it is not the endpoint's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secret: Option<EndpointName>,
    },
    /// Anybody who knows the URL may send.
    None {
        /// Must be `true`: says in as many words that nothing is verified.
        accept_unverified_requests: Accepted,
    },
}

/// The word `true` and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "bool", into = "bool")]
#[schemars(extend("const" = true))]
pub struct Accepted(bool);

impl TryFrom<bool> for Accepted {
    type Error = &'static str;

    fn try_from(accepted: bool) -> Result<Self, &'static str> {
        if accepted {
            Ok(Self(true))
        } else {
            Err(
                "found false, expected true: without a verification scheme anybody who knows the URL may send",
            )
        }
    }
}

impl From<Accepted> for bool {
    fn from(accepted: Accepted) -> Self {
        accepted.0
    }
}

/// Where the parts of an event are found in a JSON body. A place is a JSON Pointer (`/review/id`) or a
/// JSONPath (`$.review.id`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The sender's own id of the thing. When absent: the `webhook-id` header, else a hash of the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Place>,
    /// The event's type: a place, or a fixed text such as `review.created`. When absent:
    /// `{endpoint}.received`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<PlaceOrText>,
    /// What the event is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<PlaceOrText>,
    /// When it happened: RFC 3339, or Unix seconds or milliseconds. When absent: the time of receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Place>,
}

/// A place in a JSON body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^[/$]"))]
pub struct Place(String);

impl Place {
    /// The pointer (begins with `/`) or path (begins with `$`).
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.starts_with('/') || text.starts_with('$') {
            Ok(Self(text))
        } else {
            Err(format!(
                "found `{}`, expected a JSON Pointer such as /review/id or a JSONPath such as $.review.id",
                text.chars().take(80).collect::<String>()
            ))
        }
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.0
    }
}

/// A place, or a fixed text: whatever begins with neither `/` nor `$`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String")]
pub enum PlaceOrText {
    /// Looked up in the body.
    Place(Place),
    /// Taken as it is.
    Text(String),
}

impl From<String> for PlaceOrText {
    fn from(text: String) -> Self {
        match Place::try_from(text.clone()) {
            Ok(place) => Self::Place(place),
            Err(_) => Self::Text(text),
        }
    }
}

impl From<PlaceOrText> for String {
    fn from(value: PlaceOrText) -> Self {
        match value {
            PlaceOrText::Place(place) => place.into(),
            PlaceOrText::Text(text) => text,
        }
    }
}

impl Endpoint {
    /// The name of the secret that the verification needs, `None` when it needs none.
    pub fn secret_name(&self) -> Option<&EndpointName> {
        match &self.verification {
            Verification::StandardWebhooks { secret }
            | Verification::Zendesk { secret }
            | Verification::QualtricsHmac { secret }
            | Verification::Bearer { secret }
            | Verification::Header { secret, .. }
            | Verification::Basic { secret } => Some(secret.as_ref().unwrap_or(&self.name)),
            Verification::None { .. } => None,
        }
    }

    /// Rules that hold between fields: each problem with the path of the field.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        if self.mapping.is_some() && self.kind != EndpointKind::Json {
            problems.push((
                "mapping".to_owned(),
                "only a json endpoint has a mapping; the others know where to look".to_owned(),
            ));
        }
        if self.account.is_some() {
            if self.kind != EndpointKind::Qualtrics {
                problems.push((
                    "account".to_owned(),
                    "only a qualtrics endpoint has an account, to fetch responses with".to_owned(),
                ));
            }
            if matches!(self.verification, Verification::None { .. }) {
                problems.push((
                    "account".to_owned(),
                    "expected a verification scheme: anybody who knows the URL could have responses fetched with the account"
                        .to_owned(),
                ));
            }
        }
        if matches!(self.verification, Verification::QualtricsHmac { .. })
            && self.kind != EndpointKind::Qualtrics
        {
            problems.push((
                "verification.scheme".to_owned(),
                "qualtrics_hmac verifies a Qualtrics event subscription: expected kind qualtrics, or another scheme".to_owned(),
            ));
        }
        if let Verification::Header { header, .. } = &self.verification {
            let is_token = !header.is_empty()
                && header
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            if !is_token {
                problems.push((
                    "verification.header".to_owned(),
                    "expected a header's name such as x-api-key".to_owned(),
                ));
            }
        }
        problems
    }
}

impl fmt::Display for EndpointKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Qualtrics => "qualtrics",
            Self::Json => "json",
            Self::Cloudevents => "cloudevents",
            Self::Zendesk => "zendesk",
            Self::DatasetRecord => "dataset_record",
            Self::Servicenow => "servicenow",
        })
    }
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn account_belongs_to_a_qualtrics_endpoint_that_verifies() {
        let problems = |kind: &str, verification: Value| {
            let endpoint: Endpoint = serde_json::from_value(json!({
                "name": "survey", "kind": kind, "verification": verification, "account": "feedback"
            }))
            .unwrap();
            endpoint.problems().len()
        };
        let open = json!({"scheme": "none", "accept_unverified_requests": true});
        let bearer = json!({"scheme": "bearer"});
        assert_eq!(
            problems("qualtrics", json!({"scheme": "qualtrics_hmac"})),
            0
        );
        assert_eq!(problems("qualtrics", bearer.clone()), 0);
        assert_eq!(problems("qualtrics", open.clone()), 1);
        assert_eq!(problems("json", bearer), 1);
        assert_eq!(problems("cloudevents", open), 2);
    }
}
