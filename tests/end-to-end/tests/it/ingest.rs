//! The way in, through the API: what is refused, and how.

use serde_json::json;

use crate::scene::{SECRET, Scene};

/// Endpoint, headers and body of a request; the status and the problem that it gets.
type Refusal<'a> = (&'a str, Vec<(&'a str, &'a str)>, String, u16, &'a str);

#[tokio::test]
async fn refusals_say_what_to_do_and_nothing_about_the_secret() {
    let scene = Scene::new("refusals").await;
    let bearer = format!("Bearer {SECRET}");
    let json_type = ("content-type", "application/json");
    let signed = ("authorization", bearer.as_str());
    let too_large = format!("{{\"id\":\"{}\"}}", "x".repeat(210_000));
    let too_deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let cases: Vec<Refusal> = vec![
        (
            "no-such-endpoint",
            vec![json_type, signed],
            "{}".to_owned(),
            404,
            "endpoint-unknown",
        ),
        (
            &scene.endpoint,
            vec![json_type],
            "{}".to_owned(),
            401,
            "signature-invalid",
        ),
        (
            &scene.endpoint,
            vec![json_type, ("authorization", "Bearer wrong")],
            "{}".to_owned(),
            401,
            "signature-invalid",
        ),
        (
            &scene.endpoint,
            vec![("content-type", "text/plain"), signed],
            "{}".to_owned(),
            415,
            "content-type-unsupported",
        ),
        (
            &scene.endpoint,
            vec![json_type, signed],
            "{not json".to_owned(),
            400,
            "body-unreadable",
        ),
        (
            &scene.endpoint,
            vec![json_type, signed],
            too_deep,
            400,
            "body-too-deep",
        ),
        (
            &scene.endpoint,
            vec![json_type, signed],
            too_large,
            413,
            "too-large",
        ),
        (
            &scene.endpoint,
            vec![json_type, signed],
            json!({"id": {"a": 1}}).to_string(),
            400,
            "field-invalid",
        ),
    ];
    for (endpoint, headers, body, status, slug) in cases {
        let answer = scene.post(endpoint, &headers, body).await;
        assert_eq!(answer.status, status, "{slug}: {:?}", answer.body);
        assert!(
            answer.headers["content-type"].starts_with("application/problem+json"),
            "{:?}",
            answer.headers
        );
        assert!(
            answer.body["type"].as_str().unwrap().ends_with(slug),
            "{}",
            answer.body
        );
        assert_eq!(answer.body["status"], status);
        assert!(
            answer.body["detail"]
                .as_str()
                .is_some_and(|detail| detail.len() > 20),
            "{}",
            answer.body
        );
        assert!(!answer.body.to_string().contains(SECRET), "{}", answer.body);
    }
}

#[tokio::test]
async fn senders_of_every_kind_are_understood() {
    let scene = Scene::new("kinds").await;
    let name = |kind: &str| format!("{}-{kind}", scene.id);
    for (kind, verification) in [
        (
            "qualtrics",
            json!({"scheme": "none", "accept_unverified_requests": true}),
        ),
        (
            "cloudevents",
            json!({"scheme": "header", "header": "x-api-key"}),
        ),
        ("zendesk", json!({"scheme": "basic"})),
    ] {
        scene
            .put_endpoint(json!({"name": name(kind), "kind": kind, "verification": verification}))
            .await;
        scene
            .put_endpoint_secret(
                &name(kind),
                if kind == "zendesk" {
                    "zendesk:pa:ss"
                } else {
                    SECRET
                },
            )
            .await;
    }
    let form = "Topic=mybrand.surveyengine.completedResponse.SV_1AmkKSDmoZ4XlQx&Status=Complete\
                &SurveyID=SV_1AmkKSDmoZ4XlQx&ResponseID=R_0B7IcnXszjEUHLP&CompletedDate=2019-06-25+07%3A58%3A25&BrandID=mybrand";
    let answer = scene
        .post(
            &name("qualtrics"),
            &[("content-type", "application/x-www-form-urlencoded")],
            form,
        )
        .await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let key = domain::EventKey::parse(answer.body["events"][0]["key"].as_str().unwrap()).unwrap();
    let event = scene.evaluated(&key).await.event;
    assert_eq!(
        (event.kind.as_str(), event.subject.as_deref()),
        ("qualtrics.response.completed", Some("SV_1AmkKSDmoZ4XlQx"))
    );
    assert_eq!(event.time.unwrap().to_string(), "2019-06-25T07:58:25Z");

    let headers = [
        ("content-type", "application/json"),
        ("x-api-key", SECRET),
        ("ce-specversion", "1.0"),
        ("ce-id", "7"),
        ("ce-source", "/shop"),
        ("ce-type", "order.delayed"),
        ("ce-subject", "Z%C3%BCrich"),
    ];
    let answer = scene
        .post(&name("cloudevents"), &headers, r#"{"days":3}"#)
        .await;
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    let key = domain::EventKey::parse(answer.body["events"][0]["key"].as_str().unwrap()).unwrap();
    let event = scene.evaluated(&key).await.event;
    assert_eq!(
        (event.subject.as_deref(), event.data),
        (Some("Zürich"), Some(json!({"days": 3})))
    );

    // zendesk:pa:ss
    let headers = [
        ("content-type", "application/json"),
        ("authorization", "Basic emVuZGVzazpwYTpzcw=="),
    ];
    let body = json!({
        "type": "zen:event-type:ticket.created", "id": scene.id, "subject": "zen:ticket:5158",
        "time": "2026-01-08T10:12:07.672717030Z", "detail": {"id": "5158"}, "event": {}, "account_id": 1,
        "zendesk_event_version": "2022-11-06"
    });
    let answer = scene
        .post(&name("zendesk"), &headers, body.to_string())
        .await;
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    let key = domain::EventKey::parse(answer.body["events"][0]["key"].as_str().unwrap()).unwrap();
    let event = scene.evaluated(&key).await.event;
    assert_eq!(
        (event.kind.as_str(), event.subject.as_deref()),
        ("zendesk.ticket.created", Some("5158"))
    );
}

#[tokio::test]
async fn review_and_record_are_evaluated_as_they_were_normalised() {
    let scene = Scene::new("records").await;
    let name = |kind: &str| format!("{}-{kind}", scene.id).replace('_', "-");
    for (kind, verification, secret) in [
        ("dataset_record", json!({"scheme": "basic"}), "reviews:pass"),
        (
            "servicenow",
            json!({"scheme": "header", "header": "x-closedloop-secret"}),
            SECRET,
        ),
    ] {
        scene
            .put_endpoint(json!({"name": name(kind), "kind": kind, "verification": verification}))
            .await;
        scene.put_endpoint_secret(&name(kind), secret).await;
    }

    // reviews:pass
    let headers = [
        ("content-type", "application/json"),
        ("authorization", "Basic cmV2aWV3czpwYXNz"),
    ];
    let body = json!([
        {"dataset": "shops", "recordId": "r1", "kind": "updated", "record": {"rating": "1,5", "updatedDate": "2019-06-25 07:58:25"},
            "topics": [{"name": "Waiting", "sentiment": "Very Negative"}], "sentiment": {"score": -2}},
        {"Rating": "5", "Content": "", "Source Name": "Google", "Resource Id": "r2"}
    ]);
    let endpoint = name("dataset_record");
    let answer = scene.post(&endpoint, &headers, body.to_string()).await;
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    let key = |body: &serde_json::Value, index: usize| {
        domain::EventKey::parse(body["events"][index]["key"].as_str().unwrap()).unwrap()
    };
    let event = scene.evaluated(&key(&answer.body, 0)).await.event;
    assert_eq!(
        (event.kind.as_str(), event.subject.as_deref()),
        ("dataset.record.updated", Some("shops"))
    );
    assert_eq!(event.time.unwrap().to_string(), "2019-06-25T07:58:25Z");
    let data = event.data.unwrap();
    assert_eq!(data["record"]["rating"], 1.5);
    assert_eq!(data["topicNames"], json!(["Waiting"]));
    assert_eq!(
        data["sentiment"],
        json!({"label": "Very Negative", "score": -2})
    );
    let event = scene.evaluated(&key(&answer.body, 1)).await.event;
    assert_eq!(
        (event.kind.as_str(), event.subject.as_deref()),
        ("dataset.record.created", Some(endpoint.as_str()))
    );
    assert_eq!(
        event.data.unwrap()["record"],
        json!({"id": "r2", "rating": 5, "content": "", "reviewProfileSource": "Google"})
    );
    let again = scene.post(&endpoint, &headers, body.to_string()).await;
    assert_eq!(again.body, answer.body);
    let bad = json!([{"id": "r3"}, {"id": "r4", "rating": "good"}]);
    let refused = scene.post(&endpoint, &headers, bad.to_string()).await;
    assert_eq!(refused.status, 400, "{:?}", refused.body);
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.starts_with("[1]: rating: expected "), "{detail}");

    let headers = [
        ("content-type", "application/json"),
        ("x-closedloop-secret", SECRET),
    ];
    let body = json!({
        "event": "record.updated", "table": "incident", "sys_id": "9d385017c611228701d22104cc95c371", "sys_mod_count": "4",
        "updated_on": "2026-11-21 11:58:30", "changes": {"state": "6"}
    });
    let answer = scene
        .post(&name("servicenow"), &headers, body.to_string())
        .await;
    assert_eq!(answer.status, 202, "{:?}", answer.body);
    let event = scene.evaluated(&key(&answer.body, 0)).await.event;
    assert_eq!(
        (event.kind.as_str(), event.subject.as_deref()),
        ("servicenow.record.updated", Some("incident"))
    );
    assert_eq!(event.time.unwrap().to_string(), "2026-11-21T11:58:30Z");
    assert_eq!(event.data, Some(body));
}

#[tokio::test]
async fn subscription_url_answers_get_and_other_endpoints_do_not() {
    let scene = Scene::new("get").await;
    let name = format!("{}-qualtrics", scene.id);
    let none = json!({"scheme": "none", "accept_unverified_requests": true});
    scene
        .put_endpoint(json!({"name": name, "kind": "qualtrics", "verification": none}))
        .await;
    let get = async |endpoint: &str| {
        reqwest::get(format!("{}/events/{endpoint}?x=1", scene.stack.api))
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(get(&name).await, 200);
    assert_eq!(get(&scene.endpoint).await, 405);
}
