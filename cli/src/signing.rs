//! A request as an endpoint's sender would make it.

use domain::Endpoint;
use domain::endpoint::{EndpointKind, Verification};
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest, Sha256};
use webhook_signature::{
    Secret, Secrets, SignedHeader, sign_basic, sign_bearer, sign_header, sign_qualtrics,
    sign_standard_webhooks, sign_zendesk,
};

use crate::error::Error;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// What is to be posted.
#[derive(Debug, Clone)]
pub(crate) struct SignedRequest {
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<SignedHeader>,
    pub(crate) body: Vec<u8>,
}

/// A body that cannot be sent as this endpoint's sender would.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is neither a CloudEvent (a JSON object) nor a batch of them (a JSON array)")]
    NotCloudEvents,
    #[error(
        "the body names no {0}, so the topic of a signed Qualtrics event subscription is not known"
    )]
    NoTopic(&'static str),
}

/// Signs the body by the endpoint's own verification scheme, with all secrets that are valid where the
/// scheme allows more than one, else with the newest.
///
/// `webhook_id` is used where the scheme has an id; without it, it is derived from the body, so that the
/// same file sent twice is recognised as the same delivery.
pub(crate) fn sign(
    endpoint: &Endpoint,
    body: Vec<u8>,
    secrets: Option<&Secrets>,
    webhook_id: Option<&str>,
    now: Timestamp,
) -> Result<SignedRequest, Error> {
    let unfit = |error: webhook_signature::UnusableSecret| Error::UnfitSecret(error.into());
    let current = secrets.and_then(|secrets| secrets.iter().next());
    let content_type = content_type(endpoint, &body)?;
    let plain = |headers: Vec<SignedHeader>, body: Vec<u8>| SignedRequest {
        content_type,
        headers,
        body,
    };
    let (Some(secrets), Some(current)) = (secrets, current) else {
        return Ok(plain(Vec::new(), body));
    };
    Ok(match &endpoint.verification {
        Verification::StandardWebhooks { .. } => {
            let id = webhook_id.map_or_else(|| derived_id(&body), str::to_owned);
            let headers =
                sign_standard_webhooks(&id, &body, secrets, now).map_err(Error::UnfitSecret)?;
            plain(headers.into(), body)
        }
        Verification::Zendesk { .. } => plain(
            sign_zendesk(&body, current, now).map_err(unfit)?.into(),
            body,
        ),
        Verification::QualtricsHmac { .. } => match qualtrics_form(&body, current)? {
            Some(form) => plain(Vec::new(), form),
            None => plain(Vec::new(), body),
        },
        Verification::Bearer { .. } => plain(vec![sign_bearer(current).map_err(unfit)?], body),
        Verification::Header { header, .. } => {
            plain(vec![sign_header(header, current).map_err(unfit)?], body)
        }
        Verification::Basic { .. } => plain(vec![sign_basic(current).map_err(unfit)?], body),
        Verification::None { .. } => plain(Vec::new(), body),
    })
}

fn content_type(endpoint: &Endpoint, body: &[u8]) -> Result<&'static str, BodyError> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    match endpoint.kind {
        EndpointKind::Qualtrics => {
            let is_form = first != Some(&b'{')
                || matches!(endpoint.verification, Verification::QualtricsHmac { .. });
            Ok(if is_form { FORM } else { JSON })
        }
        EndpointKind::Json
        | EndpointKind::Zendesk
        | EndpointKind::DatasetRecord
        | EndpointKind::Servicenow => Ok(JSON),
        EndpointKind::Cloudevents => match first {
            Some(b'{') => Ok("application/cloudevents+json"),
            Some(b'[') => Ok("application/cloudevents-batch+json"),
            Some(_) | None => Err(BodyError::NotCloudEvents),
        },
    }
}

/// The signed form of a message that a file holds as JSON; `None` for a form, which is sent as it is.
fn qualtrics_form(body: &[u8], secret: &Secret) -> Result<Option<Vec<u8>>, Error> {
    let Ok(message) = std::str::from_utf8(body) else {
        return Ok(None);
    };
    let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(message) else {
        return Ok(None);
    };
    let text = |name: &'static str| {
        fields
            .get(name)
            .and_then(Value::as_str)
            .ok_or(BodyError::NoTopic(name))
    };
    let event = match fields.get("Status").and_then(Value::as_str) {
        Some("Partial") => "surveyengine.partialResponse",
        Some("Started") => "surveyengine.startedRecipientSession",
        Some("Active") => "controlpanel.activateSurvey",
        Some("Inactive") => "controlpanel.deactivateSurvey",
        Some(_) | None => "surveyengine.completedResponse",
    };
    let mut topic = format!("{}.{event}", text("BrandID")?);
    if event.starts_with("surveyengine") {
        topic = format!("{topic}.{}", text("SurveyID")?);
    }
    let fields = sign_qualtrics(&topic, message.trim(), secret)
        .map_err(|error| Error::UnfitSecret(error.into()))?;
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    Ok(Some(form.into_bytes()))
}

fn derived_id(body: &[u8]) -> String {
    let digest = hex::encode(Sha256::digest(body));
    format!("msg_{}", digest.get(..32).unwrap_or(&digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use webhook_signature::{
        verify_basic, verify_bearer, verify_header, verify_qualtrics, verify_standard_webhooks,
        verify_zendesk,
    };

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn endpoint(kind: &str, verification: Value) -> Endpoint {
        domain::definition::endpoint(
            &json!({"name": "way-in", "kind": kind, "verification": verification}),
        )
        .unwrap()
    }

    fn signed(kind: &str, verification: Value, secret: &str, body: &str) -> SignedRequest {
        let secrets = Secrets::new(Secret::new(secret), None);
        sign(
            &endpoint(kind, verification),
            body.as_bytes().to_vec(),
            Some(&secrets),
            None,
            NOW,
        )
        .unwrap()
    }

    fn header<'a>(request: &'a SignedRequest) -> impl Fn(&str) -> Option<&'a str> {
        |name| {
            let found = request.headers.iter().find(|header| header.name == name)?;
            Some(found.value.expose())
        }
    }

    #[test]
    fn each_scheme_is_signed_so_that_its_endpoint_verifies_it() {
        let key = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
        let secrets = |text: &str| Secrets::new(Secret::new(text), None);
        let body = r#"{"a":1}"#;

        let request = signed("json", json!({"scheme": "standard_webhooks"}), key, body);
        let id = verify_standard_webhooks(header(&request), &request.body, &secrets(key), NOW);
        assert!(id.unwrap().starts_with("msg_"));

        let request = signed("zendesk", json!({"scheme": "zendesk"}), "k", body);
        verify_zendesk(header(&request), &request.body, &secrets("k"), NOW).unwrap();

        let request = signed("json", json!({"scheme": "bearer"}), "k", body);
        verify_bearer(header(&request), &secrets("k")).unwrap();

        let request = signed(
            "json",
            json!({"scheme": "header", "header": "X-Key"}),
            "k",
            body,
        );
        verify_header("X-Key", header(&request), &secrets("k")).unwrap();

        let request = signed("json", json!({"scheme": "basic"}), "u:p", body);
        verify_basic(header(&request), &secrets("u:p")).unwrap();

        let message = r#"{"Status":"Complete","SurveyID":"SV_1","ResponseID":"R_1","BrandID":"b"}"#;
        let request = signed(
            "qualtrics",
            json!({"scheme": "qualtrics_hmac"}),
            "k",
            message,
        );
        assert_eq!(request.content_type, FORM);
        let verified = verify_qualtrics(&request.body, &secrets("k")).unwrap();
        assert_eq!(verified.message, message);
        assert_eq!(
            verified.topic.as_deref(),
            Some("b.surveyengine.completedResponse.SV_1")
        );
    }

    #[test]
    fn same_body_has_the_same_webhook_id_unless_another_is_given() {
        let verification = json!({"scheme": "standard_webhooks"});
        let key = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
        let id = |body: &str, given: Option<&str>| {
            let request = sign(
                &endpoint("json", verification.clone()),
                body.into(),
                Some(&Secrets::new(Secret::new(key), None)),
                given,
                NOW,
            )
            .unwrap();
            request.headers[0].value.expose().to_owned()
        };
        assert_eq!(id("{}", None), id("{}", None));
        assert_ne!(id("{}", None), id("[]", None));
        assert_eq!(id("{}", Some("own-id")), "own-id");
    }

    #[test]
    fn content_type_follows_kind_and_body() {
        let none = json!({"scheme": "none", "accept_unverified_requests": true});
        for (kind, body, expected) in [
            ("json", "[1]", Ok(JSON)),
            ("zendesk", "{}", Ok(JSON)),
            ("qualtrics", " {}", Ok(JSON)),
            ("qualtrics", "Topic=a&SurveyID=b", Ok(FORM)),
            ("cloudevents", "\n{}", Ok("application/cloudevents+json")),
            (
                "cloudevents",
                "[]",
                Ok("application/cloudevents-batch+json"),
            ),
            ("cloudevents", "x=1", Err(BodyError::NotCloudEvents)),
        ] {
            assert_eq!(
                content_type(&endpoint(kind, none.clone()), body.as_bytes()),
                expected,
                "{kind} {body}"
            );
        }
    }

    #[test]
    fn signed_subscription_needs_brand_and_survey() {
        for (body, missing) in [
            (r#"{"SurveyID":"SV_1"}"#, "BrandID"),
            (r#"{"BrandID":"b"}"#, "SurveyID"),
        ] {
            let error = qualtrics_form(body.as_bytes(), &Secret::new("k")).unwrap_err();
            assert!(error.to_string().contains(missing), "{error}");
        }
        let form = b"HMAC=00&MSG=%7B%7D&Topic=x";
        assert!(qualtrics_form(form, &Secret::new("k")).unwrap().is_none());
    }
}
