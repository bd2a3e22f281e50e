use domain::endpoint::{EndpointKind, Verification};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use serde_json::json;
use webhook_signature::{
    Secret, sign_basic, sign_bearer, sign_header, sign_qualtrics, sign_standard_webhooks,
    sign_zendesk,
};

use super::*;

const NOW: &str = "2026-11-21T12:00:00Z";
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const CE: &str = "application/cloudevents+json";
const CE_BATCH: &str = "application/cloudevents-batch+json";
const WHSEC: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn post(headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Request {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| {
            (
                name.parse::<HeaderName>().unwrap(),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            )
        })
        .collect();
    Request {
        method: Method::POST,
        headers,
        body: body.as_ref().to_vec(),
    }
}

fn typed(content_type: &str, body: impl AsRef<[u8]>) -> Request {
    post(&[("content-type", content_type)], body)
}

fn endpoint(kind: &str, verification: Value, mapping: Value) -> Endpoint {
    serde_json::from_value(
        json!({"name": "survey", "kind": kind, "verification": verification, "mapping": mapping}),
    )
    .unwrap()
}

fn open(kind: &str) -> Endpoint {
    endpoint(
        kind,
        json!({"scheme": "none", "accept_unverified_requests": true}),
        Value::Null,
    )
}

fn mapped(mapping: Value) -> Endpoint {
    endpoint(
        "json",
        json!({"scheme": "none", "accept_unverified_requests": true}),
        mapping,
    )
}

fn hmac() -> Endpoint {
    endpoint(
        "qualtrics",
        json!({"scheme": "qualtrics_hmac"}),
        Value::Null,
    )
}

fn one_secret(text: &str) -> Secrets {
    Secrets::new(Secret::new(text), None)
}

fn one(request: &Request, endpoint: &Endpoint) -> CloudEvent {
    let mut accepted = decide(request, endpoint, None, now()).unwrap();
    assert_eq!(accepted.ignored_topic, None);
    assert_eq!(accepted.events.len(), 1);
    accepted.events.remove(0)
}

fn refused(request: &Request, endpoint: &Endpoint) -> Problem {
    decide(request, endpoint, None, now()).unwrap_err()
}

// ---- before the body is read ----

#[test]
fn method_and_switch_and_content_type_are_checked_in_this_order() {
    let mut request = typed("text/plain", "");
    request.method = Method::PUT;
    let mut switched_off = open("json");
    switched_off.enabled = false;
    assert_eq!(
        refused(&request, &switched_off).kind,
        ProblemKind::MethodNotAllowed("POST")
    );
    assert_eq!(
        refused(&request, &open("qualtrics")).kind,
        ProblemKind::MethodNotAllowed("GET, POST")
    );
    request.method = Method::POST;
    assert_eq!(
        refused(&request, &switched_off).kind,
        ProblemKind::EndpointDisabled
    );
    assert_eq!(
        refused(&request, &open("json")).kind,
        ProblemKind::UnsupportedContentType("application/json")
    );
}

#[test]
fn each_kind_reads_its_own_content_types() {
    for (kind, scheme, content_type, accepted) in [
        ("json", "bearer", JSON, true),
        (
            "json",
            "bearer",
            "Application/Problem+JSON; charset=utf-8",
            true,
        ),
        ("json", "bearer", FORM, false),
        ("json", "bearer", "", false),
        ("zendesk", "bearer", "application/json; charset=utf-8", true),
        ("zendesk", "bearer", "application/xml", false),
        ("dataset_record", "bearer", JSON, true),
        ("dataset_record", "basic", "text/csv", false),
        ("servicenow", "basic", JSON, true),
        ("servicenow", "standard_webhooks", FORM, false),
        (
            "qualtrics",
            "bearer",
            "application/x-www-form-urlencoded;charset=UTF-8",
            true,
        ),
        ("qualtrics", "bearer", JSON, true),
        ("qualtrics", "bearer", "text/html", false),
        ("qualtrics", "qualtrics_hmac", FORM, true),
        ("qualtrics", "qualtrics_hmac", JSON, false),
        ("cloudevents", "standard_webhooks", CE, true),
        ("cloudevents", "standard_webhooks", CE_BATCH, true),
        ("cloudevents", "bearer", JSON, false),
    ] {
        let endpoint = endpoint(kind, json!({ "scheme": scheme }), Value::Null);
        let status =
            admit(&typed(content_type, ""), &endpoint).map_err(|problem| problem.kind.status());
        let expected = if accepted { Ok(()) } else { Err(415) };
        assert_eq!(status, expected, "{kind} {scheme} {content_type}");
    }
    assert!(admit(&post(&[], ""), &open("json")).is_err());
}

#[test]
fn binary_events_are_read_where_their_headers_are_verified_with_the_body() {
    for (scheme, headers, accepted) in [
        ("bearer", vec![], true),
        ("basic", vec![("content-type", "image/png")], true),
        (
            "bearer",
            vec![("content-type", "application/cloudevents+xml")],
            false,
        ),
        ("standard_webhooks", vec![("content-type", JSON)], false),
        ("zendesk", vec![], false),
    ] {
        let headers = [&headers[..], &[("ce-specversion", "1.0")]].concat();
        let endpoint = endpoint("cloudevents", json!({ "scheme": scheme }), Value::Null);
        assert_eq!(
            admit(&post(&headers, ""), &endpoint).is_ok(),
            accepted,
            "{scheme} {headers:?}"
        );
    }
}

// ---- verification ----

#[test]
fn every_scheme_accepts_what_is_signed_for_it_and_refuses_the_rest() {
    let body = br#"{"a":1}"#;
    for (scheme, secret) in [
        (json!({"scheme": "standard_webhooks"}), WHSEC),
        (json!({"scheme": "zendesk"}), "zendesk-secret"),
        (json!({"scheme": "bearer"}), "token"),
        (json!({"scheme": "header", "header": "X-Api-Key"}), "key"),
        (json!({"scheme": "basic"}), "user:password"),
    ] {
        let endpoint = endpoint("json", scheme.clone(), Value::Null);
        let secrets = one_secret(secret);
        let secret = Secret::new(secret);
        let headers = match &endpoint.verification {
            Verification::StandardWebhooks { .. } => {
                sign_standard_webhooks("msg_1", body, &secrets, now())
                    .unwrap()
                    .to_vec()
            }
            Verification::Zendesk { .. } => sign_zendesk(body, &secret, now()).unwrap().to_vec(),
            Verification::Bearer { .. } => vec![sign_bearer(&secret).unwrap()],
            Verification::Header { header, .. } => vec![sign_header(header, &secret).unwrap()],
            Verification::Basic { .. } => vec![sign_basic(&secret).unwrap()],
            Verification::QualtricsHmac { .. } | Verification::None { .. } => unreachable!(),
        };
        let mut request = typed(JSON, body);
        for header in &headers {
            request.headers.insert(
                header.name.parse::<HeaderName>().unwrap(),
                header.value.expose().parse().unwrap(),
            );
        }
        assert!(
            decide(&request, &endpoint, Some(&secrets), now()).is_ok(),
            "{scheme}"
        );

        let wrong = one_secret(if scheme["scheme"] == "standard_webhooks" {
            "whsec_yMnKy8zNzs/Q0dLT1NXW19jZ2tvc3d7f4OHi4+Tl5uc="
        } else {
            "an:other"
        });
        let problem = decide(&request, &endpoint, Some(&wrong), now()).unwrap_err();
        assert_eq!(problem.kind, ProblemKind::Unverified, "{scheme}");
        assert!(problem.may_be_a_changed_secret());
        assert!(
            !format!("{problem:?}").contains(secret.expose()),
            "{scheme}"
        );

        let bare = decide(&typed(JSON, body), &endpoint, Some(&secrets), now()).unwrap_err();
        assert_eq!(bare.kind, ProblemKind::Unverified, "{scheme}");
        // One answer for every reason.
        assert_eq!(bare.body("survey"), problem.body("survey"), "{scheme}");
        assert_eq!(
            decide(&request, &endpoint, None, now()).unwrap_err().kind,
            ProblemKind::Misconfigured,
            "{scheme}"
        );
    }
}

#[test]
fn unusable_secret_is_ours_to_mend_and_the_senders_to_repeat() {
    let endpoint = endpoint("json", json!({"scheme": "basic"}), Value::Null);
    let request = post(
        &[("content-type", JSON), ("authorization", "Basic YTpi")],
        "{}",
    );
    let problem = decide(&request, &endpoint, Some(&one_secret("no colon")), now()).unwrap_err();
    assert_eq!(
        (problem.kind, problem.kind.status()),
        (ProblemKind::Misconfigured, 503)
    );
    assert!(problem.may_be_a_changed_secret());
    assert!(!problem.detail.contains("secret"));
}

#[test]
fn body_is_not_read_before_it_is_verified() {
    let endpoint = endpoint("json", json!({"scheme": "bearer"}), Value::Null);
    let problem = decide(
        &typed(JSON, "not json"),
        &endpoint,
        Some(&one_secret("token")),
        now(),
    )
    .unwrap_err();
    assert_eq!(problem.kind, ProblemKind::Unverified);
}

// ---- json ----

#[test]
fn json_without_mapping_has_defaults() {
    let event = one(&typed(JSON, "{}"), &open("json"));
    assert_eq!(event.source, "/endpoints/survey");
    assert_eq!(event.kind, "survey.received");
    assert_eq!(
        event.id,
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    );
    assert_eq!((event.subject, event.time), (None, Some(now())));
    assert_eq!(event.data, Some(json!({})));
    assert_eq!(event.datacontenttype.as_deref(), Some("application/json"));
}

#[test]
fn json_id_is_the_signed_one_unless_it_is_mapped() {
    let signed = |mapping: Value| {
        let endpoint = endpoint("json", json!({"scheme": "standard_webhooks"}), mapping);
        let secrets = one_secret(WHSEC);
        let mut request = typed(JSON, r#"{"id":"own"}"#);
        // Not what was signed: the family of the signature is another.
        request
            .headers
            .insert("webhook-id", HeaderValue::from_static("forged"));
        for header in sign_standard_webhooks("msg_1", &request.body, &secrets, now()).unwrap() {
            let name: HeaderName = header.name.replace("webhook-", "svix-").parse().unwrap();
            request
                .headers
                .insert(name, header.value.expose().parse().unwrap());
        }
        decide(&request, &endpoint, Some(&secrets), now())
            .unwrap()
            .events
            .remove(0)
            .id
    };
    assert_eq!(signed(Value::Null), "msg_1");
    assert_eq!(signed(json!({"id": "/id"})), "own");
    assert_eq!(signed(json!({"id": "/missing"})), hash(br#"{"id":"own"}"#));
}

#[test]
fn json_mapping_finds_places_by_pointer_and_path() {
    let body = json!({
        "review": {"id": 7, "kind": "review.created", "shop": "S1", "at": "2026-11-20T08:00:00+01:00", "s": 1_795_262_400,
            "ms": 1_795_262_400_000_i64, "tags": ["a"], "none": null, "empty": ""}
    });
    let request = typed(JSON, body.to_string());
    for (mapping, id, kind, subject, time) in [
        (
            json!({"id": "/review/id", "type": "/review/kind", "subject": "/review/shop", "time": "/review/at"}),
            Some("7"),
            "review.created",
            Some("S1"),
            "2026-11-20T07:00:00Z",
        ),
        (
            json!({"id": "$.review.id", "type": "review.fixed", "subject": "$.review.shop", "time": "$.review.s"}),
            Some("7"),
            "review.fixed",
            Some("S1"),
            NOW,
        ),
        (
            json!({"time": "/review/ms", "subject": "a fixed text"}),
            None,
            "survey.received",
            Some("a fixed text"),
            NOW,
        ),
        (
            json!({"id": "/no", "type": "$.no", "subject": "/review/none", "time": "/review/none"}),
            None,
            "survey.received",
            None,
            NOW,
        ),
        (
            json!({"id": "/review/empty", "type": "/review/empty", "time": "/review/empty"}),
            None,
            "survey.received",
            None,
            NOW,
        ),
        (
            json!({"subject": "/review/tags/0"}),
            None,
            "survey.received",
            Some("a"),
            NOW,
        ),
    ] {
        let event = one(&request, &mapped(mapping.clone()));
        assert_eq!(
            event.id,
            id.map_or_else(|| hash(&request.body), str::to_owned),
            "{mapping}"
        );
        assert_eq!(
            (event.kind.as_str(), event.subject.as_deref()),
            (kind, subject),
            "{mapping}"
        );
        assert_eq!(event.time, Some(time.parse().unwrap()), "{mapping}");
        assert_eq!(event.data.as_ref(), Some(&body));
    }
}

#[test]
fn json_mapped_value_that_is_no_text_is_refused_and_named() {
    let request = typed(JSON, r#"{"a":[1,2],"o":{},"bad":"yesterday","b":true}"#);
    for (mapping, beginning) in [
        (json!({"id": "/a"}), "id: "),
        (json!({"type": "$.o"}), "type: "),
        (json!({"subject": "/o"}), "subject: "),
        (json!({"subject": "$.a[*]"}), "subject: expected one value"),
        (json!({"time": "/bad"}), "time: "),
        (json!({"time": "/b"}), "time: "),
        (json!({"time": "/a"}), "time: "),
    ] {
        let problem = refused(&request, &mapped(mapping.clone()));
        assert_eq!(problem.kind, ProblemKind::InvalidField, "{mapping}");
        assert!(
            problem.detail.starts_with(beginning),
            "{mapping}: {}",
            problem.detail
        );
    }
    assert_eq!(
        refused(&request, &mapped(json!({"id": "$..["}))).kind,
        ProblemKind::Misconfigured
    );
}

#[test]
fn json_that_is_none_or_too_deep_is_refused() {
    for (body, kind) in [
        ("", ProblemKind::Unreadable),
        ("{", ProblemKind::Unreadable),
        ("\u{feff}{}", ProblemKind::Unreadable),
        (&"[".repeat(65), ProblemKind::TooDeep),
    ] {
        for sender in [
            "json",
            "zendesk",
            "qualtrics",
            "dataset_record",
            "servicenow",
        ] {
            let problem = refused(&typed(JSON, body), &open(sender));
            assert_eq!((problem.kind, problem.kind.status()), (kind, 400));
        }
        assert_eq!(refused(&typed(CE, body), &open("cloudevents")).kind, kind);
        assert_eq!(
            refused(&typed(CE_BATCH, body), &open("cloudevents")).kind,
            kind
        );
    }
}

#[test]
fn limits_of_an_event_are_checked_and_named() {
    for (field, length, fits) in [
        ("id", 256, true),
        ("id", 257, false),
        ("type", 128, true),
        ("type", 129, false),
        ("subject", 256, true),
        ("subject", 257, false),
    ] {
        let request = typed(JSON, json!({"v": "x".repeat(length)}).to_string());
        let result = decide(&request, &mapped(json!({field: "/v"})), None, now());
        match result {
            Ok(_) => assert!(fits, "{field} {length}"),
            Err(problem) => {
                assert!(
                    !fits && problem.detail.starts_with(&format!("{field}: ")),
                    "{field} {length}: {}",
                    problem.detail
                );
            }
        }
    }
    // 129 bytes but 43 characters.
    let request = typed(JSON, json!({"v": "€".repeat(43)}).to_string());
    assert!(decide(&request, &mapped(json!({"type": "/v"})), None, now()).is_ok());
}

#[test]
fn reserved_types_are_refused() {
    for (kind, reserved) in [
        ("task.requested", true),
        ("run.failed", true),
        ("qualtrics.response.notified", true),
        ("qualtrics.response.failed", true),
        ("qualtrics.response.completed", false),
        ("task", false),
        ("runner.x", false),
    ] {
        let request = typed(JSON, json!({"t": kind}).to_string());
        let result = decide(&request, &mapped(json!({"type": "/t"})), None, now());
        assert_eq!(result.is_err(), reserved, "{kind}");
        if let Err(problem) = result {
            assert_eq!(problem.kind, ProblemKind::Reserved);
            assert!(problem.detail.contains("reserved type"));
        }
    }
}

// ---- qualtrics ----

const FLAT: &str = "Topic=my-brand.surveyengine.completedResponse.SV_1&Status=Complete&SurveyID=SV_1&ResponseID=R_2\
    &CompletedDate=2019-06-25%2007%3A58%3A25&BrandID=my-brand&undefined=";

fn message(fields: &Value) -> String {
    fields.to_string()
}

fn signed_form(topic: &str, message: &str, secret: &str) -> Request {
    let fields = sign_qualtrics(topic, message, &Secret::new(secret)).unwrap();
    typed(
        FORM,
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish(),
    )
}

#[test]
fn qualtrics_flat_form_becomes_an_event() {
    for body in [FLAT.to_owned(), FLAT.replace("%20", "+")] {
        let event = one(&typed(FORM, body), &open("qualtrics"));
        assert_eq!(event.kind, "qualtrics.response.completed");
        assert_eq!(event.id, "completedResponse.SV_1.R_2.2019-06-25T07:58:25Z");
        assert_eq!(event.subject.as_deref(), Some("SV_1"));
        assert_eq!(event.time, Some("2019-06-25T07:58:25Z".parse().unwrap()));
        assert_eq!(
            event.data,
            Some(
                json!({"Status": "Complete", "SurveyID": "SV_1", "ResponseID": "R_2", "CompletedDate": "2019-06-25 07:58:25", "BrandID": "my-brand"})
            )
        );
    }
}

#[test]
fn qualtrics_signed_form_becomes_the_same_event_as_the_flat_one() {
    let message = message(
        &json!({"Status": "Complete", "SurveyID": "SV_1", "ResponseID": "R_2", "CompletedDate": "2019-06-25 07:58:25", "BrandID": "my-brand"}),
    );
    let request = signed_form(
        "my-brand.surveyengine.completedResponse.SV_1",
        &message,
        "key",
    );
    let accepted = decide(&request, &hmac(), Some(&one_secret("key")), now()).unwrap();
    assert_eq!(
        accepted.events,
        [one(&typed(FORM, FLAT), &open("qualtrics"))]
    );
    for (request, secret) in [
        (&request, "other"),
        (&typed(FORM, FLAT), "key"),
        (&typed(FORM, ""), "key"),
    ] {
        let problem = decide(request, &hmac(), Some(&one_secret(secret)), now()).unwrap_err();
        assert_eq!(problem.kind, ProblemKind::Unverified);
    }
}

#[test]
fn qualtrics_topic_is_believed_only_as_far_as_the_signed_message_goes() {
    let complete =
        json!({"Status": "Completed", "SurveyID": "SV_1", "ResponseID": "R_2", "BrandID": "b.c"});
    for (topic, fields, expected) in [
        (
            "b.c.surveyengine.completedResponse.SV_1",
            complete.clone(),
            Ok(Some("qualtrics.response.completed")),
        ),
        // Another brand, another survey, another occasion, no survey, no brand in the message.
        (
            "b.surveyengine.completedResponse.SV_1",
            complete.clone(),
            Err("Topic: "),
        ),
        (
            "surveyengine.completedResponse.SV_1",
            complete.clone(),
            Err("Topic: "),
        ),
        (
            "b.c.surveyengine.completedResponse.SV_2",
            complete.clone(),
            Err("Topic: "),
        ),
        (
            "b.c.surveyengine.partialResponse.SV_1",
            complete.clone(),
            Err("Topic: "),
        ),
        (
            "b.c.surveyengine.completedResponse",
            complete.clone(),
            Err("Topic: "),
        ),
        (
            "b.c.surveyengine.completedResponse.SV_1",
            json!({"SurveyID": "SV_1", "ResponseID": "R_2"}),
            Err("MSG.BrandID: "),
        ),
        // A status never seen says nothing against the topic.
        (
            "b.c.surveyengine.completedResponse.SV_1",
            json!({"Status": "X", "SurveyID": "SV_1", "ResponseID": "R_2", "BrandID": "b.c"}),
            Ok(Some("qualtrics.response.completed")),
        ),
        // Not known here.
        (
            "b.c.threesixty.person.statusChanged",
            complete.clone(),
            Ok(None),
        ),
        ("b.c.surveyengine.renamed.SV_1", complete, Ok(None)),
        // Ids.
        (
            "b.surveyengine.completedResponse.SV_1",
            json!({"SurveyID": "SV_1", "BrandID": "b"}),
            Err("ResponseID: "),
        ),
        (
            "b.surveyengine.completedResponse.SV_1",
            json!({"ResponseID": "R_1", "BrandID": "b"}),
            Err("SurveyID: "),
        ),
        (
            "b.surveyengine.completedResponse.a/b",
            json!({"SurveyID": "a/b", "ResponseID": "R_1", "BrandID": "b"}),
            Err("SurveyID: "),
        ),
    ] {
        let request = signed_form(topic, &message(&fields), "key");
        let result = decide(&request, &hmac(), Some(&one_secret("key")), now());
        match (result, expected) {
            (Ok(accepted), Ok(kind)) => {
                assert_eq!(
                    accepted.events.first().map(|event| event.kind.as_str()),
                    kind,
                    "{topic} {fields}"
                );
                assert_eq!(accepted.ignored_topic.is_some(), kind.is_none());
            }
            (Err(problem), Err(beginning)) => {
                assert!(
                    problem.detail.starts_with(beginning),
                    "{topic} {fields}: {}",
                    problem.detail
                );
                assert_eq!(problem.kind, ProblemKind::InvalidField);
            }
            (result, expected) => panic!("{topic} {fields}: {result:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn qualtrics_topics_have_their_types_and_tell_repetitions_from_news() {
    let at = |topic: &str, rest: &str, time: &str| {
        let body = format!("Topic=b.{topic}&BrandID=b&SurveyID=SV_1{rest}");
        decide(
            &typed(FORM, body),
            &open("qualtrics"),
            None,
            time.parse().unwrap(),
        )
        .unwrap()
        .events
        .remove(0)
    };
    for (topic, rest, kind, prefix) in [
        (
            "surveyengine.partialResponse.SV_1",
            "&ResponseID=R_1&Status=Partial",
            "qualtrics.response.partial",
            "partialResponse.SV_1.R_1.",
        ),
        (
            "surveyengine.startedRecipientSession.SV_1",
            "&Status=Started",
            "qualtrics.session.started",
            "startedRecipientSession.SV_1.",
        ),
        (
            "controlpanel.activateSurvey",
            "&Status=Active",
            "qualtrics.survey.activated",
            "activateSurvey.SV_1.",
        ),
        (
            "controlpanel.activateSurvey.SV_1",
            "",
            "qualtrics.survey.activated",
            "activateSurvey.SV_1.",
        ),
        (
            "controlpanel.deactivateSurvey",
            "&Status=Inactive",
            "qualtrics.survey.deactivated",
            "deactivateSurvey.SV_1.",
        ),
    ] {
        let event = at(topic, rest, NOW);
        assert_eq!(event.kind, kind);
        assert!(event.id.starts_with(prefix), "{}", event.id);
        assert_eq!(at(topic, rest, "2026-11-21T12:05:00Z").id, event.id);
        assert_ne!(
            at(topic, &format!("{rest}&RecipientID=x"), NOW).id,
            event.id
        );
    }
    let activated = |time| at("controlpanel.activateSurvey", "", time).id;
    assert_ne!(activated(NOW), activated("2026-11-22T12:00:00Z"));
    let started = at(
        "surveyengine.startedRecipientSession.SV_1",
        "&StartedDate=2026-11-21+11:00:00",
        NOW,
    );
    assert_eq!(started.time, Some("2026-11-21T11:00:00Z".parse().unwrap()));
    // A date that cannot be read still tells responses apart.
    let odd = at(
        "surveyengine.completedResponse.SV_1",
        "&ResponseID=R_1&CompletedDate=soon",
        NOW,
    );
    assert_eq!(
        (odd.time, odd.id.starts_with("completedResponse.SV_1.R_1.")),
        (Some(now()), true)
    );
}

#[test]
fn qualtrics_response_that_an_account_can_fetch_is_notified_first() {
    let with_account = Endpoint {
        account: Some("feedback".parse().unwrap()),
        ..open("qualtrics")
    };
    for (topic, kind) in [
        ("completedResponse", "qualtrics.response.completed"),
        ("partialResponse", "qualtrics.response.partial"),
    ] {
        let body = format!(
            "Topic=b.surveyengine.{topic}.SV_1&BrandID=b&SurveyID=SV_1&ResponseID=R_2&CompletedDate=2019-06-25+07%3A58%3A25"
        );
        let request = typed(FORM, body);
        let plain = one(&request, &open("qualtrics"));
        assert_eq!(plain.kind, kind);
        let notified = one(&request, &with_account);
        assert_eq!(notified.kind, "qualtrics.response.notified");
        assert_eq!(notified.id, format!("notified.{}", plain.id));
        assert_ne!(notified.key(), plain.key());
        assert_eq!(notified.extensions["account"], "feedback");
        assert_eq!(notified.extensions["notifiedtype"], kind);
        let back = CloudEvent {
            id: plain.id.clone(),
            kind: plain.kind.clone(),
            extensions: plain.extensions.clone(),
            ..notified
        };
        assert_eq!(back, plain);
    }
    // Nothing can be fetched about a survey that was opened or switched on, and a workflow's task brings the answers.
    let started =
        "Topic=b.surveyengine.startedRecipientSession.SV_1&BrandID=b&SurveyID=SV_1&Status=Started";
    for request in [
        typed(FORM, started),
        typed(
            FORM,
            "Topic=b.controlpanel.activateSurvey&BrandID=b&SurveyID=SV_1",
        ),
        typed(
            JSON,
            r#"{"SurveyID": "SV_1", "ResponseID": "R_2", "values": {"QID1": 2}}"#,
        ),
    ] {
        let event = one(&request, &with_account);
        assert_eq!(event, one(&request, &open("qualtrics")));
    }
}

#[test]
fn qualtrics_json_without_answers_is_notified_where_an_account_can_fetch_them() {
    let with_account = Endpoint {
        account: Some("feedback".parse().unwrap()),
        ..open("qualtrics")
    };
    for body in [
        json!({"SurveyID": "SV_1", "ResponseID": "R_2"}),
        json!({"surveyId": "SV_1", "responseId": "R_2", "values": null, "plan": "gold"}),
    ] {
        let notified = one(&typed(JSON, body.to_string()), &with_account);
        assert_eq!(notified.kind, "qualtrics.response.notified");
        assert_eq!(notified.id, "notified.completedResponse.SV_1.R_2");
        assert_eq!(notified.extensions["account"], "feedback");
        assert_eq!(
            notified.extensions["notifiedtype"],
            "qualtrics.response.completed"
        );
        let data = notified.data.unwrap();
        assert_eq!(
            (&data["SurveyID"], &data["ResponseID"], &data["plan"]),
            (&json!("SV_1"), &json!("R_2"), &body["plan"])
        );
    }
}

#[test]
fn qualtrics_form_that_cannot_be_believed_is_refused() {
    for (body, beginning) in [
        (FLAT.replace("Topic=", "topic="), "Topic: "),
        (
            format!("{FLAT}&SurveyID=SV_9"),
            "expected every form field once",
        ),
        (FLAT.replace("&SurveyID=SV_1", "&SurveyID=SV_9"), "Topic: "),
        (FLAT.replace("BrandID=my-brand", "BrandID=other"), "Topic: "),
        (
            "HMAC=ab&MSG=%7B%7D&Topic=b.x.y".to_owned(),
            "MSG: expected flat fields",
        ),
        (String::new(), "Topic: "),
    ] {
        let problem = refused(&typed(FORM, &body), &open("qualtrics"));
        assert!(
            problem.detail.starts_with(beginning),
            "{body}: {}",
            problem.detail
        );
        assert_eq!(problem.kind, ProblemKind::InvalidField);
    }
}

#[test]
fn qualtrics_encrypted_message_is_refused_with_advice() {
    let request = signed_form(
        "b.surveyengine.completedResponse.SV_1",
        "q83vASNFZ4mrze8BI0VniQ==",
        "key",
    );
    let problem = decide(&request, &hmac(), Some(&one_secret("key")), now()).unwrap_err();
    assert_eq!(
        (problem.kind, problem.kind.status()),
        (ProblemKind::Encrypted, 400)
    );
    assert!(problem.detail.contains("\"encrypt\": false"));
    let broken = signed_form("b.surveyengine.completedResponse.SV_1", "{", "key");
    assert_eq!(
        decide(&broken, &hmac(), Some(&one_secret("key")), now())
            .unwrap_err()
            .kind,
        ProblemKind::Unreadable
    );
}

#[test]
fn qualtrics_json_is_our_own_form() {
    for (body, id, time) in [
        (
            json!({"SurveyID": "SV_1", "ResponseID": "R_2", "values": {"QID1": 2}}),
            "completedResponse.SV_1.R_2",
            NOW,
        ),
        (
            json!({"surveyId": "SV_1", "responseId": "R_2"}),
            "completedResponse.SV_1.R_2",
            NOW,
        ),
        (
            json!({"SurveyID": "SV_1", "ResponseID": "R_2", "CompletedDate": "2019-06-25 07:58:25"}),
            "completedResponse.SV_1.R_2.2019-06-25T07:58:25Z",
            "2019-06-25T07:58:25Z",
        ),
        (
            json!({"surveyId": "SV_1", "responseId": "R_2", "completedDate": "2019-06-25T09:58:25+02:00"}),
            "completedResponse.SV_1.R_2.2019-06-25T07:58:25Z",
            "2019-06-25T07:58:25Z",
        ),
    ] {
        let event = one(&typed(JSON, body.to_string()), &open("qualtrics"));
        assert_eq!(
            (event.kind.as_str(), event.subject.as_deref()),
            ("qualtrics.response.completed", Some("SV_1"))
        );
        assert_eq!(
            (event.id.as_str(), event.time),
            (id, Some(time.parse().unwrap()))
        );
        assert_eq!(event.data, Some(body));
    }
    for body in [
        json!([]),
        json!({"SurveyID": "SV_1"}),
        json!({"ResponseID": "R_1"}),
        json!({"SurveyID": "", "ResponseID": "R_1"}),
        json!({"SurveyID": {}, "ResponseID": "R_1"}),
    ] {
        assert_eq!(
            refused(&typed(JSON, body.to_string()), &open("qualtrics")).kind,
            ProblemKind::InvalidField,
            "{body}"
        );
    }
}

// ---- zendesk ----

#[test]
fn zendesk_event_keeps_its_own_id() {
    let body = json!({
        "account_id": 1, "detail": {"id": "5158", "status": "OPEN"}, "event": {}, "id": "cbe4028c-7239-495d-b020-f22348516046",
        "subject": "zen:ticket:5159", "time": "2025-01-08T10:12:07.672717030Z", "type": "zen:event-type:ticket.created"
    });
    let event = one(&typed(JSON, body.to_string()), &open("zendesk"));
    assert_eq!(event.kind, "zendesk.ticket.created");
    assert_eq!(event.id, "cbe4028c-7239-495d-b020-f22348516046");
    assert_eq!(event.subject.as_deref(), Some("5158"));
    assert_eq!(
        event.time,
        Some("2025-01-08T10:12:07.67271703Z".parse().unwrap())
    );
    assert_eq!(event.data, Some(body.clone()));

    let mut without_detail = body;
    without_detail["detail"] = Value::Null;
    without_detail["time"] = json!("soon");
    let event = one(&typed(JSON, without_detail.to_string()), &open("zendesk"));
    assert_eq!(
        (event.subject.as_deref(), event.time),
        (Some("5159"), Some(now()))
    );
}

#[test]
fn zendesk_trigger_is_anything_else() {
    let ids = [
        ("x-zendesk-webhook-id", "01HAN"),
        ("x-zendesk-webhook-invocation-id", "8350205582"),
    ];
    for (body, headers, id, subject) in [
        (
            json!({"ticket_id": "35436"}),
            &ids[..],
            Some("01HAN:8350205582"),
            Some("35436"),
        ),
        (json!({"ticket_id": 35436}), &ids[..1], None, Some("35436")),
        (json!({"type": "incident", "id": 5}), &[], None, None),
        (
            json!({"type": "zen:event-type:ticket.created"}),
            &[],
            None,
            None,
        ),
        (
            json!({"type": "zen:event-type:", "id": "x"}),
            &[],
            None,
            None,
        ),
        (json!(["a"]), &[], None, None),
    ] {
        let mut request = typed(JSON, body.to_string());
        for (name, value) in headers {
            request
                .headers
                .insert(*name, HeaderValue::from_static(value));
        }
        let event = one(&request, &open("zendesk"));
        assert_eq!(
            (event.kind.as_str(), event.subject.as_deref()),
            ("zendesk.trigger", subject),
            "{body}"
        );
        assert_eq!(
            event.id,
            id.map_or_else(|| hash(&request.body), str::to_owned),
            "{body}"
        );
        assert_eq!((event.data, event.time), (Some(body), Some(now())));
    }
}

// ---- dataset records ----

fn records(body: Value) -> Vec<CloudEvent> {
    let request = typed(JSON, body.to_string());
    decide(&request, &open("dataset_record"), None, now())
        .unwrap()
        .events
}

fn record(body: Value) -> CloudEvent {
    let mut events = records(body);
    assert_eq!(events.len(), 1);
    events.remove(0)
}

fn record_data(body: Value) -> Value {
    record(body).data.unwrap()
}

fn record_refused(body: Value) -> String {
    let problem = refused(&typed(JSON, body.to_string()), &open("dataset_record"));
    assert_eq!(problem.kind, ProblemKind::InvalidField, "{body}");
    problem.detail
}

#[test]
fn dataset_record_in_its_envelope_becomes_an_event_for_conditions() {
    let event = record(json!({
        "recordId": "r1", "dataset": "shops", "source": "google", "kind": "updated", "receivedAt": "2026-11-21T11:00:00Z",
        "actionability": "Response needed", "tenant": "x",
        "record": {
            "id": 17, "rating": "2", "content": "Slow", "reviewProfileSource": "Google", "createdDate": "2026-11-20",
            "updatedDate": "2026-11-20T10:00:00+01:00", "verified": true
        },
        "topics": [{"name": "Waiting", "sentiment": "very negative", "path": "Service"}, "Staff", {"name": "Waiting", "score": 0.5}],
        "sentiment": {"label": "NEGATIVE"}
    }));
    assert_eq!(event.kind, "dataset.record.updated");
    assert_eq!(event.subject.as_deref(), Some("shops"));
    let (version, fingerprint) = event.id.rsplit_once('/').unwrap();
    assert_eq!(version, "shops/r1/updated/2026-11-20T09:00:00Z");
    assert_eq!(fingerprint.len(), 64, "{fingerprint}");
    assert_eq!(event.time, Some("2026-11-20T09:00:00Z".parse().unwrap()));
    assert_eq!(
        event.data.unwrap(),
        json!({
            "recordId": "r1", "dataset": "shops", "source": "google", "kind": "updated", "receivedAt": "2026-11-21T11:00:00Z",
            "actionability": "Response needed", "tenant": "x",
            "record": {
                "id": "17", "rating": 2, "content": "Slow", "reviewProfileSource": "Google", "verified": true,
                "createdDate": "2026-11-20T00:00:00Z", "updatedDate": "2026-11-20T09:00:00Z"
            },
            "topics": [
                {"name": "Waiting", "label": "Very Negative", "score": -2, "path": "Service"},
                {"name": "Staff"},
                {"name": "Waiting", "score": 0.5}
            ],
            "topicNames": ["Waiting", "Staff"],
            "sentiment": {"label": "Negative", "score": -1}
        })
    );
}

#[test]
fn dataset_record_in_other_words_has_the_same_fields() {
    for (body, expected) in [
        (
            json!({"Id": 9, "Rating": "4.5", "Location Name": "Lyon", "Location Region": "ARA", "location_city": "Lyon",
                "Content": "", "Source Name": "TripAdvisor", "Reply Status": "none", "Published At": "2026-11-20 18:05:00"}),
            json!({"recordId": "9", "kind": "created", "record": {
                "id": "9", "rating": 4.5, "subjectName": "Lyon", "subjectRegion": "ARA", "subjectCity": "Lyon", "content": "",
                "reviewProfileSource": "TripAdvisor", "replyState": "none", "createdDate": "2026-11-20T18:05:00Z"
            }}),
        ),
        (
            json!({"source": "brandwatch", "Resource Id": "b", "Title": "T", "Snippet": "S", "Sentiment": "negative", "Impact": "41.5",
                "Monthly Visitors": 120_000, "Domain": "forum.example.org", "Thread Author": "kept"}),
            json!({"recordId": "b", "source": "brandwatch", "kind": "created", "sentiment": {"label": "Negative", "score": -1},
                "record": {"id": "b", "title": "T", "content": "S", "impact": 41.5, "monthlyVisitors": 120_000,
                    "domain": "forum.example.org", "Thread Author": "kept"}}),
        ),
        // Google spells ratings out and calls the text a comment.
        (
            json!({"reviewId": "g", "starRating": "FIVE", "comment": "Good", "createTime": "2026-11-01T00:00:00Z",
                "updateTime": "2026-11-02T00:00:00Z", "kind": "review"}),
            json!({"recordId": "g", "kind": "updated", "record": {"id": "g", "rating": 5, "content": "Good", "kind": "review",
                "createdDate": "2026-11-01T00:00:00Z", "updatedDate": "2026-11-02T00:00:00Z"}}),
        ),
        // A name that is exactly right goes before others, and one that says something before one that does not.
        (
            json!({"id": "x", "content": "right", "Content": "other", "url": "", "Review URL": "https://a.example/1"}),
            json!({"recordId": "x", "kind": "created",
                "record": {"id": "x", "content": "right", "Content": "other", "url": "https://a.example/1"}}),
        ),
        // What cannot be a number stays what it is; what is not there stays so.
        (
            json!({"record": {"id": "x", "impact": "high", "rating": "", "updatedDate": null, "sentiment": "Frustrated", "topics": []}}),
            json!({"recordId": "x", "kind": "created", "record": {"id": "x", "impact": "high"},
                "sentiment": {"label": "Frustrated"}, "topics": [], "topicNames": []}),
        ),
    ] {
        assert_eq!(record_data(body.clone()), expected, "{body}");
    }
}

#[test]
fn dataset_record_sentiments_are_words_and_scores() {
    for (sentiment, expected) in [
        (
            json!("Very Negative"),
            json!({"label": "Very Negative", "score": -2}),
        ),
        (json!("negative"), json!({"label": "Negative", "score": -1})),
        (json!(" NEUTRAL"), json!({"label": "Neutral", "score": 0})),
        (json!("positive"), json!({"label": "Positive", "score": 1})),
        (
            json!("very_positive"),
            json!({"label": "Very Positive", "score": 2}),
        ),
        (json!("mixed"), json!({"label": "Mixed", "score": 0})),
        (json!("delighted"), json!({"label": "delighted"})),
        (json!(-2), json!({"label": "Very Negative", "score": -2})),
        (json!(0), json!({"label": "Neutral", "score": 0})),
        (json!(1.0), json!({"label": "Positive", "score": 1.0})),
        (json!(0.75), json!({"score": 0.75})),
        (
            json!("\u{2212}1"),
            json!({"label": "Negative", "score": -1}),
        ),
        (
            json!({"label": "negative", "score": "-1.7", "model": "m"}),
            json!({"label": "Negative", "score": -1.7, "model": "m"}),
        ),
        (json!({"label": null, "score": ""}), Value::Null),
        (json!({}), Value::Null),
        (json!(null), Value::Null),
        (json!(""), Value::Null),
    ] {
        let data = record_data(json!({"record": {"id": "x"}, "sentiment": sentiment.clone()}));
        let found = data.get("sentiment").cloned().unwrap_or_default();
        assert_eq!(found, expected, "{sentiment}");
    }
}

#[test]
fn dataset_record_ratings_become_numbers() {
    for (rating, expected) in [
        (json!(4), json!(4)),
        (json!(4.5), json!(4.5)),
        (json!(" 4.5 "), json!(4.5)),
        (json!("4,5"), json!(4.5)),
        (json!("0"), json!(0)),
        (json!("Three"), json!(3)),
    ] {
        let data = record_data(json!({"rating": rating.clone()}));
        assert_eq!(data["record"], json!({"rating": expected}), "{rating}");
    }
}

#[test]
fn dataset_record_that_cannot_be_read_is_refused_with_the_field_named() {
    for (body, beginning) in [
        (json!(7), "record: expected a JSON object"),
        (json!({"record": "x"}), "record: "),
        (json!({}), "id: expected the record's id, or "),
        (json!({"record": {"foo": 1}}), "record.id: "),
        (json!({"record": {"content": " "}}), "record.id: "),
        (
            json!({"record": {"id": "x"}, "kind": "deleted"}),
            "kind: expected created or updated",
        ),
        (json!({"record": {"id": "x"}, "kind": 1}), "kind: "),
        (json!({"recordId": {}, "record": {}}), "recordId: "),
        (json!({"id": ["x"]}), "id: "),
        (
            json!({"id": "x", "rating": "4/5"}),
            "rating: expected a number",
        ),
        (
            json!({"record": {"id": "x", "Rating": true}}),
            "record.rating: ",
        ),
        (json!({"record": {"rating": "inf"}}), "record.rating: "),
        (
            json!({"id": "x", "createdDate": "21/11/2026"}),
            "createdDate: expected a date",
        ),
        (
            json!({"record": {"id": "x", "updated_at": {}}}),
            "record.updatedDate: ",
        ),
        (
            json!({"record": {"id": "x"}, "receivedAt": "now"}),
            "receivedAt: ",
        ),
        (json!({"id": "x", "dataset": []}), "dataset: "),
        (
            json!({"id": "x", "dataset": "d".repeat(257)}),
            "dataset: expected at most 256 bytes",
        ),
        (json!({"id": "x", "source": "d".repeat(257)}), "source: "),
        (
            json!({"id": "x", "topics": "a, b"}),
            "topics: expected a list",
        ),
        (
            json!({"id": "x", "topics": ["a", {"sentiment": 1}]}),
            "topics[1].name: ",
        ),
        (json!({"id": "x", "topics": [""]}), "topics[0].name: "),
        (
            json!({"id": "x", "topics": [{"name": "a", "sentiment": true}]}),
            "topics[0].sentiment: ",
        ),
        (json!({"id": "x", "sentiment": []}), "sentiment: "),
        (
            json!({"id": "x", "sentiment": {"score": "high"}}),
            "sentiment.score: ",
        ),
        (
            json!([{"id": "x"}, {"id": "y", "rating": "?"}]),
            "[1]: rating: ",
        ),
        (json!([[{"id": "x"}]]), "[0]: record: "),
        (
            json!(vec![json!({"id": "x"}); 101]),
            "expected at most 100 records",
        ),
    ] {
        let detail = record_refused(body.clone());
        assert!(detail.starts_with(beginning), "{body}: {detail}");
    }
}

#[test]
fn dataset_records_in_a_list_are_events_each() {
    let events = records(json!([
        {"dataset": "shops", "record": {"id": "1"}},
        {"id": "2", "source": "import", "updatedDate": "2019-01-01"},
        {"content": "anonymous"}
    ]));
    let subjects: Vec<_> = events
        .iter()
        .map(|event| event.subject.as_deref().unwrap())
        .collect();
    // However old a record is, the triggers decide.
    assert_eq!(subjects, ["shops", "import", "survey"]);
    assert!(
        events[1]
            .id
            .starts_with("import/2/created/2019-01-01T00:00:00Z/"),
        "{}",
        events[1].id
    );
    assert_eq!(events[2].time, Some(now()));
    assert_eq!(records(json!([])), []);
    assert_eq!(records(json!(vec![json!({"id": "x"}); 100])).len(), 100);
}

#[test]
fn dataset_record_that_comes_again_is_the_same_event_and_an_update_is_another() {
    let base =
        json!({"dataset": "d", "receivedAt": 1_795_262_400, "record": {"id": "1", "rating": 3}});
    let changed = |path: &str, value: Value| {
        let mut body = base.clone();
        let (parent, name) = path.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[name] = value;
        body
    };
    let key = |body: Value| record(body).key();
    for (path, value, is_same) in [
        ("/receivedAt", json!(1_795_262_500), true),
        ("/record/rating", json!("3"), true),
        ("/record/rating", json!(4), false),
        ("/record/id", json!("2"), false),
        ("/dataset", json!("e"), false),
        ("/kind", json!("updated"), false),
        ("/record/updatedDate", json!("2026-11-20"), false),
    ] {
        let is_as_before = key(changed(path, value.clone())) == key(base.clone());
        assert_eq!(is_as_before, is_same, "{path} {value}");
    }
    // What was found out about a version later makes it another event.
    let dated = |topics: Value| json!({"id": "1", "updatedDate": "2026-11-20", "topics": topics});
    assert_ne!(key(dated(json!([]))), key(dated(json!(["Waiting"]))));
    assert_eq!(key(dated(json!([]))), key(dated(json!([]))));
    // No id runs into the next one, and none is too long.
    let named = |dataset: &str, id: &str| json!({"id": id, "dataset": dataset, "updatedDate": "2026-11-20"});
    assert_ne!(key(named("a/b", "c")), key(named("a", "b/c")));
    assert_eq!(record(named("a", &"x".repeat(300))).id.len(), 64);
}

#[test]
fn dataset_record_without_id_has_the_signed_one() {
    let endpoint = endpoint(
        "dataset_record",
        json!({"scheme": "standard_webhooks"}),
        Value::Null,
    );
    let secrets = one_secret(WHSEC);
    let ids = |signed: &str| -> Vec<String> {
        let mut request = typed(
            JSON,
            r#"[{"rating":5},{"rating":5},{"id":"1","updatedDate":"2026-11-20"}]"#,
        );
        for header in sign_standard_webhooks(signed, &request.body, &secrets, now()).unwrap() {
            request.headers.insert(
                header.name.parse::<HeaderName>().unwrap(),
                header.value.expose().parse().unwrap(),
            );
        }
        let accepted = decide(&request, &endpoint, Some(&secrets), now()).unwrap();
        accepted.events.into_iter().map(|event| event.id).collect()
    };
    let (first, again, other) = (ids("msg_1"), ids("msg_1"), ids("msg_2"));
    assert_eq!(first, again);
    assert_ne!(first[0], first[1]);
    assert_ne!(first[0], other[0]);
    assert_eq!(first[2], other[2]);
}

// ---- servicenow ----

const SYS_ID: &str = "9d385017c611228701d22104cc95c371";

fn business_rule(changes: &Value) -> Value {
    let mut body = json!({"event": "record.updated", "table": "incident", "sys_id": SYS_ID, "updated_on": "2026-11-21 11:58:30"});
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[test]
fn servicenow_record_is_known_by_its_version() {
    let hashed = "a hash";
    for (changes, kind, id, time) in [
        (
            json!({}),
            "updated",
            format!("incident/{SYS_ID}/updated/2026-11-21T11:58:30Z/"),
            "2026-11-21T11:58:30Z",
        ),
        (
            json!({"sys_mod_count": "4"}),
            "updated",
            format!("incident/{SYS_ID}/updated/4"),
            "2026-11-21T11:58:30Z",
        ),
        (
            json!({"sys_mod_count": 0, "event": "record.created", "table": "x_app_case"}),
            "created",
            format!("x_app_case/{SYS_ID}/created/0"),
            "2026-11-21T11:58:30Z",
        ),
        (
            json!({"event": null, "sys_mod_count": "0"}),
            "created",
            format!("incident/{SYS_ID}/created/0"),
            "2026-11-21T11:58:30Z",
        ),
        (
            json!({"event": null, "sys_mod_count": "1"}),
            "updated",
            format!("incident/{SYS_ID}/updated/1"),
            "2026-11-21T11:58:30Z",
        ),
        (
            json!({"event": "insert", "updated_on": "2026-11-21T12:58:30+01:00"}),
            "created",
            format!("incident/{SYS_ID}/created/2026-11-21T11:58:30Z/"),
            "2026-11-21T11:58:30Z",
        ),
        (
            json!({"updated_on": null}),
            "updated",
            hashed.to_owned(),
            NOW,
        ),
        (json!({"updated_on": ""}), "updated", hashed.to_owned(), NOW),
    ] {
        let body = business_rule(&changes);
        let request = typed(JSON, body.to_string());
        let event = one(&request, &open("servicenow"));
        assert_eq!(event.kind, format!("servicenow.record.{kind}"), "{changes}");
        assert_eq!(
            event.subject.as_deref(),
            body["table"].as_str(),
            "{changes}"
        );
        let id = if id == hashed {
            hash(&request.body)
        } else if id.ends_with('/') {
            // Two updates in a second have the same date.
            id + &hash(&request.body)
        } else {
            id
        };
        assert_eq!(
            (event.id, event.time),
            (id, Some(time.parse().unwrap())),
            "{changes}"
        );
        assert_eq!(event.data, Some(body));
    }
}

#[test]
fn servicenow_body_that_cannot_be_read_is_refused_with_the_field_named() {
    for (changes, beginning) in [
        (json!({"table": null}), "table: "),
        (json!({"table": ""}), "table: "),
        (
            json!({"table": "incident/1"}),
            "table: expected a table's name",
        ),
        (json!({"sys_id": null}), "sys_id: "),
        (json!({"sys_id": {"value": SYS_ID}}), "sys_id: "),
        (json!({"sys_id": "x".repeat(81)}), "sys_id: "),
        (
            json!({"event": "record.deleted"}),
            "event: expected record.created or record.updated",
        ),
        (json!({"event": 1}), "event: "),
        (
            json!({"updated_on": "21/11/2026 11:58:30"}),
            "updated_on: expected UTC",
        ),
        (json!({"changes": ["state"]}), "changes: "),
    ] {
        let problem = refused(
            &typed(JSON, business_rule(&changes).to_string()),
            &open("servicenow"),
        );
        assert_eq!(problem.kind, ProblemKind::InvalidField, "{changes}");
        assert!(
            problem.detail.starts_with(beginning),
            "{changes}: {}",
            problem.detail
        );
    }
    let list = refused(&typed(JSON, "[]"), &open("servicenow"));
    assert!(list.detail.contains("table and sys_id"), "{}", list.detail);
}

// ---- cloudevents ----

fn structured(changes: &Value) -> Value {
    let mut event = json!({"specversion": "1.0", "id": "7", "source": "https://partner.example/a", "type": "order.created"});
    for (name, value) in changes.as_object().unwrap() {
        event[name] = value.clone();
    }
    event
}

#[test]
fn structured_event_keeps_what_the_sender_says() {
    let sent = structured(&json!({
        "subject": "o1", "time": "2026-11-20T08:00:00+01:00", "datacontenttype": "application/json", "dataschema": "https://partner.example/s",
        "tenant": "x", "count": 3, "flag": true, "workflowchain": "a,b", "endpoint": "forged", "traceparent": null, "data": {"n": 1}
    }));
    let event = one(&typed(CE, sent.to_string()), &open("cloudevents"));
    assert_eq!(
        serde_json::to_value(&event).unwrap(),
        structured(&json!({
            "subject": "o1", "time": "2026-11-20T07:00:00Z", "datacontenttype": "application/json", "dataschema": "https://partner.example/s",
            "tenant": "x", "count": 3, "flag": true, "endpoint": "survey", "data": {"n": 1}
        }))
    );
    let key = event.key();
    let elsewhere: Endpoint = serde_json::from_value(json!({
        "name": "other", "kind": "cloudevents", "verification": {"scheme": "none", "accept_unverified_requests": true}
    }))
    .unwrap();
    // A sender cannot take the place of an event that comes by another endpoint.
    assert_ne!(one(&typed(CE, sent.to_string()), &elsewhere).key(), key);
}

#[test]
fn structured_data_takes_both_forms() {
    let text = one(
        &typed(
            CE,
            structured(&json!({"data": "plain", "datacontenttype": "text/plain"})).to_string(),
        ),
        &open("cloudevents"),
    );
    assert_eq!(
        (text.data, text.datacontenttype.as_deref()),
        (Some(json!("plain")), Some("text/plain"))
    );
    let bytes = one(
        &typed(CE, structured(&json!({"data_base64": "/wA="})).to_string()),
        &open("cloudevents"),
    );
    assert_eq!(serde_json::to_value(&bytes).unwrap()["data_base64"], "/wA=");
    let nothing = one(
        &typed(CE, structured(&json!({"data": null})).to_string()),
        &open("cloudevents"),
    );
    assert_eq!((nothing.data, nothing.datacontenttype), (None, None));
    let json = one(
        &typed(CE, structured(&json!({"data": [1]})).to_string()),
        &open("cloudevents"),
    );
    assert_eq!(json.datacontenttype.as_deref(), Some("application/json"));
}

#[test]
fn attributes_that_break_their_rules_are_named() {
    for (changes, beginning) in [
        (json!({"specversion": "0.3"}), "specversion: "),
        (json!({"specversion": null}), "specversion: "),
        (json!({"id": ""}), "id: "),
        (json!({"id": 7}), "id: "),
        (json!({"id": null}), "id: "),
        (json!({"id": "a\nb"}), "id: "),
        (json!({"id": "x".repeat(257)}), "id: "),
        (json!({"source": ""}), "source: "),
        (json!({"source": null}), "source: "),
        (json!({"source": "/endpoints/reviews"}), "source: "),
        (json!({"source": "/runs"}), "source: "),
        (json!({"type": ""}), "type: "),
        (json!({"type": "x".repeat(129)}), "type: "),
        (json!({"type": "task.succeeded"}), "type: "),
        (json!({"subject": ""}), "subject: "),
        (json!({"time": "2026-11-21 12:00:00Z"}), "time: "),
        (json!({"time": "2026-11-21T12:00:00"}), "time: "),
        (json!({"time": "2026-11-21T12:00:00Z[UTC]"}), "time: "),
        (json!({"time": 5}), "time: "),
        (json!({"datacontenttype": ""}), "datacontenttype: "),
        (json!({"Tenant": "x"}), "Tenant: "),
        (json!({"a_b": "x"}), "a_b: "),
        (json!({"tenant": {}}), "tenant: "),
        (json!({"tenant": 1.5}), "tenant: "),
        (json!({"tenant": 3_000_000_000_u32}), "tenant: "),
        (json!({"data": 1, "data_base64": "AA=="}), "data_base64: "),
        (json!({"data_base64": "?"}), "data_base64: "),
    ] {
        let problem = refused(
            &typed(CE, structured(&changes).to_string()),
            &open("cloudevents"),
        );
        assert!(
            problem.detail.starts_with(beginning),
            "{changes}: {}",
            problem.detail
        );
        assert_eq!(problem.kind.status(), 400);
    }
    assert_eq!(
        refused(&typed(CE, "[]"), &open("cloudevents")).kind,
        ProblemKind::InvalidField
    );
    // Its own endpoint's source takes nothing away from anybody.
    assert!(
        decide(
            &typed(
                CE,
                structured(&json!({"source": "/endpoints/survey"})).to_string()
            ),
            &open("cloudevents"),
            None,
            now()
        )
        .is_ok()
    );
}

const CE_HEADERS: [(&str, &str); 4] = [
    ("ce-specversion", "1.0"),
    ("ce-id", "7"),
    ("ce-source", "https://partner.example/a"),
    ("ce-type", "order.created"),
];

fn binary(more: &[(&'static str, &'static str)], body: impl AsRef<[u8]>) -> Request {
    let mut headers = CE_HEADERS.to_vec();
    headers.extend_from_slice(more);
    post(&headers, body)
}

#[test]
fn binary_event_is_read_from_headers_and_body() {
    let headers = [
        ("content-type", "application/json; charset=utf-8"),
        ("ce-subject", "Euro%20%E2%82%AC%20%F0%9F%98%80"),
        ("ce-time", NOW),
        ("ce-tenant", "\"a \\\"b\\\"\""),
        ("ce-workflowchain", "a"),
        ("x-other", "y"),
    ];
    let event = one(&binary(&headers, r#"{"n":1}"#), &open("cloudevents"));
    assert_eq!(
        serde_json::to_value(&event).unwrap(),
        structured(&json!({
            "subject": "Euro € 😀", "time": NOW, "tenant": "a \"b\"", "endpoint": "survey",
            "datacontenttype": "application/json; charset=utf-8", "data": {"n": 1}
        }))
    );
}

#[test]
fn binary_data_follows_the_content_type() {
    for (content_type, body, expected) in [
        (
            Some("application/vnd.x+json"),
            &b"[1]"[..],
            json!({"datacontenttype": "application/vnd.x+json", "data": [1]}),
        ),
        (
            Some("text/xml"),
            b"<a/>",
            json!({"datacontenttype": "text/xml", "data": "<a/>"}),
        ),
        (
            Some("image/png"),
            b"\xff\x00",
            json!({"datacontenttype": "image/png", "data_base64": "/wA="}),
        ),
        (
            None,
            b"hello",
            json!({"datacontenttype": "text/plain", "data": "hello"}),
        ),
        (
            None,
            b"\xff",
            json!({"datacontenttype": "application/octet-stream", "data_base64": "/w=="}),
        ),
        (
            Some("application/json"),
            b"",
            json!({"datacontenttype": "application/json"}),
        ),
        (None, b"", json!({})),
    ] {
        let more: Vec<_> = content_type
            .map(|value| ("content-type", value))
            .into_iter()
            .collect();
        let event = one(&binary(&more, body), &open("cloudevents"));
        let mut expected = structured(&expected);
        expected["endpoint"] = json!("survey");
        assert_eq!(serde_json::to_value(&event).unwrap(), expected);
    }
    assert_eq!(
        refused(
            &binary(&[("content-type", "application/json")], "{"),
            &open("cloudevents")
        )
        .kind,
        ProblemKind::Unreadable
    );
}

#[test]
fn binary_headers_that_break_their_rules_are_named() {
    for (headers, part) in [
        (vec![("ce-specversion", "1.0")], "id: "),
        (vec![("ce-specversion", "2.0")], "specversion: "),
        (
            [&CE_HEADERS[..], &[("ce-subject", "%FF")]].concat(),
            "ce-subject: ",
        ),
        (
            [&CE_HEADERS[..], &[("ce-subject", "")]].concat(),
            "subject: ",
        ),
        (
            [&CE_HEADERS[..], &[("ce-subject", "%0A")]].concat(),
            "subject: ",
        ),
        ([&CE_HEADERS[..], &[("ce-data", "x")]].concat(), "ce-data: "),
        (
            [&CE_HEADERS[..], &[("ce-datacontenttype", "x")]].concat(),
            "ce-datacontenttype: ",
        ),
        ([&CE_HEADERS[..], &[("ce-a-b", "x")]].concat(), "a-b: "),
        (
            [&CE_HEADERS[..], &[("ce-", "x")]].concat(),
            ": expected lower-case",
        ),
    ] {
        let problem = refused(&post(&headers, ""), &open("cloudevents"));
        assert!(
            problem.detail.contains(part),
            "{headers:?}: {}",
            problem.detail
        );
        assert_eq!(problem.kind, ProblemKind::InvalidField);
    }
}

#[test]
fn batch_is_taken_as_a_whole_or_not_at_all() {
    let good = |id: usize| structured(&json!({"id": id.to_string()}));
    let batch = |items: Vec<Value>| {
        decide(
            &typed(CE_BATCH, Value::Array(items).to_string()),
            &open("cloudevents"),
            None,
            now(),
        )
    };
    let ids: Vec<String> = batch((0..3).map(good).collect())
        .unwrap()
        .events
        .into_iter()
        .map(|event| event.id)
        .collect();
    assert_eq!(ids, ["0", "1", "2"]);
    assert_eq!(batch(Vec::new()).unwrap().events, []);
    assert_eq!(
        batch((0..100).map(good).collect()).unwrap().events.len(),
        100
    );
    assert_eq!(
        batch((0..101).map(good).collect()).unwrap_err().kind,
        ProblemKind::InvalidField
    );
    for (bad, beginning) in [
        (structured(&json!({"id": ""})), "[1]: id: "),
        (structured(&json!({"type": "run.failed"})), "[1]: type: "),
        (json!(7), "[1]: event: "),
    ] {
        let problem = batch(vec![good(0), bad]).unwrap_err();
        assert!(problem.detail.starts_with(beginning), "{}", problem.detail);
    }
    assert_eq!(
        refused(&typed(CE_BATCH, "{}"), &open("cloudevents")).kind,
        ProblemKind::InvalidField
    );
}

// ---- all kinds ----

#[test]
fn refusals_quote_nothing_of_the_body() {
    let secret = "hunter2";
    for (request, endpoint) in [
        (
            typed(JSON, format!("{{\"a\": \"{secret}\" oops")),
            open("json"),
        ),
        (
            typed(JSON, json!({"t": secret}).to_string()),
            mapped(json!({"time": "/t"})),
        ),
        (
            typed(CE, structured(&json!({"time": secret})).to_string()),
            open("cloudevents"),
        ),
        (
            typed(FORM, format!("Topic={secret}&BrandID=b")),
            open("qualtrics"),
        ),
        (
            typed(JSON, json!({"id": "x", "rating": secret}).to_string()),
            open("dataset_record"),
        ),
        (
            typed(JSON, business_rule(&json!({"event": secret})).to_string()),
            open("servicenow"),
        ),
        (
            typed(
                JSON,
                json!({"SurveyID": format!("{secret}!"), "ResponseID": "R"}).to_string(),
            ),
            open("qualtrics"),
        ),
    ] {
        let problem = refused(&request, &endpoint);
        assert!(!format!("{problem:?}").contains(secret), "{problem:?}");
    }
}

fn any_endpoint() -> impl Strategy<Value = Endpoint> {
    let mapping = json!({"id": "$..id", "type": "/type", "subject": "$.a[0]", "time": "/time"});
    prop_oneof![
        Just(open("qualtrics")),
        Just(open("json")),
        Just(open("cloudevents")),
        Just(open("zendesk")),
        Just(open("dataset_record")),
        Just(open("servicenow")),
        Just(mapped(mapping)),
        Just(hmac()),
        Just(endpoint(
            "json",
            json!({"scheme": "standard_webhooks"}),
            Value::Null
        )),
        Just(endpoint(
            "zendesk",
            json!({"scheme": "zendesk"}),
            Value::Null
        )),
        Just(endpoint(
            "cloudevents",
            json!({"scheme": "basic"}),
            Value::Null
        )),
    ]
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        // Closer to what is read: letters of JSON and of forms, and known words.
        proptest::collection::vec(
            prop_oneof![
                Just("{"),
                Just("}"),
                Just("["),
                Just("]"),
                Just(":"),
                Just(","),
                Just("\""),
                Just("\"id\":"),
                Just("\"type\":\"zen:event-type:x\""),
                Just("null"),
                Just("1e99"),
                Just("Topic=b."),
                Just("surveyengine.completedResponse"),
                Just("."),
                Just("&"),
                Just("BrandID=b"),
                Just("MSG=%7B"),
                Just("HMAC=00"),
                Just("%"),
                Just("é"),
                Just("SurveyID=SV_1"),
                Just("\"time\":"),
                Just("\"rating\":"),
                Just("\"sentiment\":"),
                Just("\"topics\":"),
                Just("\"table\":\"t\",\"sys_id\":\"s\","),
                Just("\\u00"),
            ],
            0..40
        )
        .prop_map(|parts| parts.concat().into_bytes()),
    ]
}

proptest! {
    #[test]
    fn no_request_makes_it_panic_and_every_event_keeps_the_rules(
        endpoint in any_endpoint(),
        body in any_body(),
        content_type in prop_oneof![Just(FORM), Just(JSON), Just(CE), Just(CE_BATCH), Just("text/plain")],
        headers in proptest::collection::vec(
            (
                prop_oneof![
                    Just("ce-id"), Just("ce-source"), Just("ce-type"), Just("ce-time"), Just("ce-specversion"), Just("authorization"),
                    Just("webhook-id"), Just("webhook-timestamp"), Just("webhook-signature"), Just("x-zendesk-webhook-signature"),
                    Just("x-zendesk-webhook-signature-timestamp"),
                ],
                proptest::collection::vec(any::<u8>().prop_filter("a header's", |byte| *byte >= 32 && *byte != 127), 0..40),
            ),
            0..8
        ),
        second in -377_705_023_201_i64..253_402_207_200,
    ) {
        let mut request = typed(content_type, body);
        for (name, value) in headers {
            request.headers.insert(name, HeaderValue::from_bytes(&value).unwrap());
        }
        let now = Timestamp::from_second(second).unwrap();
        if let Ok(accepted) = decide(&request, &endpoint, Some(&one_secret("user:password")), now) {
            for event in accepted.events {
                prop_assert!(check(&event, &endpoint).is_ok());
                let json = serde_json::to_string(&event).unwrap();
                prop_assert_eq!(serde_json::from_str::<CloudEvent>(&json).unwrap().key(), event.key());
            }
        }
    }

    #[test]
    fn same_body_is_the_same_event(number in any::<u32>()) {
        let body = json!({ "a": number }).to_string();
        for kind in [EndpointKind::Json, EndpointKind::Zendesk] {
            let later = "2026-11-24T12:00:00Z".parse().unwrap();
            let first = one(&typed(JSON, &body), &open(&kind.to_string()));
            let again = decide(&typed(JSON, &body), &open(&kind.to_string()), None, later).unwrap().events.remove(0);
            prop_assert_eq!(first.key(), again.key());
        }
    }
}
