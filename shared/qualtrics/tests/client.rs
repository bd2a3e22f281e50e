//! The calls, against a server that answers from a script.
#![cfg(test)]

use std::time::Duration;

use qualtrics::{Auth, BaseUrl, Check, Client, Error, ErrorKind, ResponseId, SurveyId, oauth};
use retry::Disposition;
use serde_json::{Value, json};
use vendor_http::test_support::{Server, Step};

const TOKEN: &str = "t0kent0kent0kent0kent0kent0kent0kent0ken";

async fn scripted(auth: Auth, steps: impl IntoIterator<Item = Step>) -> (Client, Server) {
    let server = Server::start(steps).await.unwrap();
    let template = format!("{}/qualtrics/{{datacenter}}", server.url());
    let base = BaseUrl::parse(&template, "datacenter", "FRA1").unwrap();
    let http = vendor_http::Client::new()
        .unwrap()
        .with_timeout(Duration::from_secs(1));
    (Client::new(http, base, auth), server)
}

fn token() -> Auth {
    Auth::ApiToken(TOKEN.into())
}

fn survey() -> SurveyId {
    SurveyId::parse("SV_1AmkKSDmoZ4XlQx").unwrap()
}

fn response() -> ResponseId {
    ResponseId::parse("R_0B7IcnXszjEUHLP").unwrap()
}

fn ok(result: Value) -> Step {
    Step::json(
        200,
        json!({"result": result, "meta": {"httpStatus": "200 - OK", "requestId": "8b3f-1"}}),
    )
}

fn refusal(status: u16, code: &str, message: &str) -> Step {
    let error = json!({"errorMessage": message, "errorCode": code});
    Step::json(
        status,
        json!({"meta": {"httpStatus": status.to_string(), "error": error, "requestId": null}}),
    )
}

fn answers() -> Value {
    json!({
        "responseId": "R_0B7IcnXszjEUHLP",
        "values": {"status": 0, "finished": 1, "QID1": 2, "QID2": ["2", "4"], "QID3_TEXT": "Too slow", "plan": "gold"},
        "labels": {"status": "IP Address", "QID2": ["Price", "Speed"]},
        "displayedFields": ["QID1", "QID2", "QID3_TEXT", "QID4_1"],
        "displayedValues": {"QID2": ["1", "2", "3", "4"]}
    })
}

async fn read(steps: impl IntoIterator<Item = Step>) -> Error {
    let (client, _server) = scripted(token(), steps).await;
    client.response(&survey(), &response()).await.unwrap_err()
}

#[tokio::test]
async fn response_is_read_with_the_accounts_credentials() {
    for (auth, header, value) in [
        (token(), "x-api-token", TOKEN.to_owned()),
        (
            Auth::Bearer(TOKEN.into()),
            "authorization",
            format!("Bearer {TOKEN}"),
        ),
    ] {
        assert!(!format!("{auth:?}").contains(TOKEN));
        let (client, server) = scripted(auth, [ok(answers())]).await;
        let read = client.response(&survey(), &response()).await.unwrap();
        assert_eq!(read.value.values["QID3_TEXT"], "Too slow");
        assert_eq!(read.value.labels["QID2"], json!(["Price", "Speed"]));
        assert_eq!(read.value.displayed_fields.len(), 4);
        assert_eq!(
            read.value.displayed_values["QID2"],
            json!(["1", "2", "3", "4"])
        );
        let questions: Vec<String> = read.value.questions().into_iter().collect();
        assert_eq!(questions, ["QID1", "QID2", "QID3", "QID4"]);
        assert!(!format!("{:?}", read.value).contains("slow"));
        assert_eq!(read.call.request_id.as_deref(), Some("8b3f-1"));
        let received = server.received();
        assert_eq!(
            received[0].target,
            "/qualtrics/fra1/API/v3/surveys/SV_1AmkKSDmoZ4XlQx/responses/R_0B7IcnXszjEUHLP"
        );
        assert_eq!(received[0].header(header), value);
    }
}

#[tokio::test]
async fn each_refusal_says_what_to_do() {
    let give_up = Disposition::GiveUp;
    let wait = Disposition::Wait {
        every: Duration::from_mins(20),
    };
    for (step, disposition, told) in [
        (
            refusal(400, "ATP_2", "No authorization header"),
            wait,
            "put the account's token or client secret again",
        ),
        (
            refusal(401, "DCD_7", "Unrecognized X-API-TOKEN."),
            wait,
            "not known in this data centre",
        ),
        (
            refusal(
                403,
                "AuthZ_2.0",
                "This user does not have access to this API endpoint.",
            ),
            wait,
            "a brand administrator can allow it",
        ),
        (
            refusal(403, "QMST_2.1", "The operation is forbidden."),
            wait,
            "share the survey",
        ),
        (
            refusal(404, "GSI_2", "Survey not found."),
            Disposition::RETRY,
            "GSI_2: Survey not found.",
        ),
        (
            refusal(400, "QVAL_1", "no"),
            give_up,
            "HTTP 400: QVAL_1: no",
        ),
        (refusal(413, "", ""), give_up, "HTTP 413"),
        // The shape of 2015.
        (
            Step::json(
                404,
                json!({"meta": {"status": "Error", "errorMessage": "Permission denied.", "internalErrorCode": "GS_5"}, "result": null}),
            ),
            Disposition::RETRY,
            "GS_5: Permission denied.",
        ),
        // An unknown route has no code.
        (
            Step::json(
                404,
                json!({"meta": {"error": {"errorMessage": "The requested resource does not exist."}}}),
            ),
            Disposition::RETRY,
            "HTTP 404: The requested resource does not exist.",
        ),
        (
            refusal(429, "", "Too many").with("retry-after", 37),
            Disposition::Retry {
                after: Some(Duration::from_secs(37)),
            },
            "HTTP 429: Too many",
        ),
        (
            refusal(429, "", "Too many"),
            Disposition::Retry {
                after: Some(Duration::from_secs(10)),
            },
            "HTTP 429",
        ),
        (refusal(500, "QS_1", "oops"), Disposition::RETRY, "HTTP 500"),
        (
            Step::answer(503, "text/html", "<title>Maintenance</title>").with("retry-after", 60),
            Disposition::Retry {
                after: Some(Duration::from_mins(1)),
            },
            "HTTP 503: Maintenance",
        ),
        (
            Step::answer(502, "text/plain", "bad gateway"),
            Disposition::RETRY,
            "HTTP 502",
        ),
        (
            Step::json(302, "").with("location", "https://evil.example.com"),
            wait,
            "is the data centre right?",
        ),
    ] {
        let error = read([step]).await;
        let text = error.to_string();
        assert_eq!(error.disposition(), disposition, "{text}");
        assert!(text.contains(told), "{text}");
        assert!(!format!("{text} {error:?}").contains("evil"), "{text}");
    }
}

#[tokio::test]
async fn success_without_the_response_is_tried_again() {
    let mut other = answers();
    other["responseId"] = json!("R_other");
    for (step, told) in [
        (ok(other), "about another response"),
        (
            ok(json!({"responseId": "R_0B7IcnXszjEUHLP"})),
            "no response",
        ),
        (ok(json!({"values": {}})), "no response"),
        (Step::json(200, json!({"meta": {}})), "no response"),
        (
            Step::answer(200, "text/html", "<title>Sign in</title>"),
            "no JSON object: Sign in",
        ),
    ] {
        let error = read([step]).await;
        assert!(matches!(error.kind, ErrorKind::Unexpected { .. }));
        assert_eq!(error.disposition(), Disposition::RETRY);
        assert!(error.to_string().contains(told), "{error}");
    }
}

#[tokio::test]
async fn missing_answer_is_tried_again_and_a_boundless_one_is_not() {
    for step in [Step::Lose, Step::Stall] {
        let error = read([step]).await;
        assert!(matches!(error.kind, ErrorKind::NoAnswer(_)));
        assert_eq!(error.disposition(), Disposition::RETRY, "{error}");
    }
    let large = "x".repeat(vendor_http::BODY_LIMIT + 1);
    for (status, disposition) in [(200, Disposition::GiveUp), (502, Disposition::RETRY)] {
        let error = read([Step::answer(status, "application/json", &large)]).await;
        assert_eq!(error.disposition(), disposition, "{error}");
    }
}

#[tokio::test]
async fn nothing_secret_is_told() {
    let quoting = refusal(401, "DCD_7", &format!("Unrecognized token {TOKEN}"));
    let error = read([quoting]).await;
    assert!(error.is_unauthorized());
    assert!(!format!("{error} {error:?}").contains(TOKEN), "{error}");
    let (client, server) = scripted(Auth::ApiToken("a\nb".into()), []).await;
    let error = client.whoami().await.unwrap_err();
    assert!(matches!(error.disposition(), Disposition::Wait { .. }));
    assert!(matches!(error.kind, ErrorKind::Token(_)));
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn survey_explains_its_questions() {
    let survey_body = json!({"id": "SV_1AmkKSDmoZ4XlQx", "name": "Trial <b>2</b>", "questions": {
        "QID1": {"questionText": "<p>How &amp; why?</p>", "questionName": "Q1",
            "choices": {"1": {"recode": "1", "choiceText": "Bad"}, "2": {"recode": "2", "choiceText": "Good"}}}
    }});
    let (client, server) = scripted(token(), [ok(survey_body), refusal(404, "GSI_2", "no")]).await;
    let read = client.survey(&survey()).await.unwrap().value;
    assert_eq!(read.name.as_deref(), Some("Trial 2"));
    assert_eq!(read.questions["QID1"].text, "How & why?");
    assert_eq!(read.questions["QID1"].choices["2"], "Good");
    assert!(
        server.received()[0]
            .target
            .ends_with("/API/v3/surveys/SV_1AmkKSDmoZ4XlQx")
    );
    let error = client.survey(&survey()).await.unwrap_err();
    assert_eq!(error.disposition(), Disposition::GiveUp);
    assert!(error.is_absent());
}

fn whoami(notice: Option<&str>) -> Step {
    let mut meta = json!({"httpStatus": "200 - OK", "requestId": ""});
    if let Some(notice) = notice {
        meta["notice"] = json!(notice);
    }
    let result = json!({"brandId": "acme", "userId": "UR_1", "userName": "ann@example.com#acme"});
    Step::json(200, json!({"result": result, "meta": meta}))
}

#[tokio::test]
async fn verification_tells_whose_credentials_these_are_and_what_they_allow() {
    let notice =
        "Request proxied. For faster response times, use this host instead: syd1.qualtrics.com";
    let (client, server) = scripted(
        token(),
        [
            whoami(Some(notice)),
            ok(json!({"elements": [], "nextPage": null})),
        ],
    )
    .await;
    let verified = client.verify().await.unwrap();
    assert_eq!(
        verified.user.as_deref(),
        Some("ann@example.com#acme (brand acme)")
    );
    let [centre, surveys] = verified.checks.as_slice() else {
        panic!("{:?}", verified.checks);
    };
    assert_eq!(centre.allowed, Some(false));
    assert!(
        centre.answer.contains("syd1.qualtrics.com"),
        "{}",
        centre.answer
    );
    assert_eq!(surveys.allowed, Some(true));
    let targets: Vec<String> = server
        .received()
        .into_iter()
        .map(|one| one.target)
        .collect();
    assert_eq!(
        targets,
        [
            "/qualtrics/fra1/API/v3/whoami",
            "/qualtrics/fra1/API/v3/surveys"
        ]
    );
    let closed = refusal(
        403,
        "AuthZ_2.0",
        "This user does not have access to this API endpoint.",
    );
    for (step, allowed) in [(closed, Some(false)), (Step::json(503, "{}"), None)] {
        let (client, _server) = scripted(token(), [whoami(None), step]).await;
        let checks: Vec<Check> = client.verify().await.unwrap().checks;
        assert_eq!(checks.len(), 1);
        assert_eq!(checks[0].allowed, allowed, "{}", checks[0].answer);
    }
}

#[tokio::test]
async fn refused_credentials_are_not_asked_about_any_further() {
    let (client, server) = scripted(token(), [refusal(403, "AuthZ_2.0", "no access")]).await;
    let error = client.verify().await.unwrap_err();
    assert!(error.is_forbidden());
    assert_eq!(server.received().len(), 1);
}

#[test]
fn data_centre_is_found_in_whatever_people_paste() {
    for (value, host) in [
        ("IAD1", "iad1"),
        ("fra1", "fra1"),
        ("syd1.qualtrics.com", "syd1"),
        ("https://fra1.qualtrics.com/API/v3/", "fra1"),
        (" gov1 ", "gov1"),
    ] {
        let base = BaseUrl::parse("https://{datacenter}.qualtrics.com", "datacenter", value);
        let base = base.unwrap();
        assert_eq!(base.label(), host);
        assert_eq!(
            oauth(&base).token.as_str(),
            format!("https://{host}.qualtrics.com/oauth2/token")
        );
    }
    for value in ["", "brand.fra1.qualtrics.com", "evil.com", "fra1.evil.com"] {
        assert!(
            BaseUrl::parse("https://{datacenter}.qualtrics.com", "datacenter", value).is_err(),
            "{value}"
        );
    }
}
