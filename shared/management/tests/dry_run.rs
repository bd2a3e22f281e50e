//! Dry runs against a local stand-in for the tables and the task functions.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first surprise, in its helpers too"
)]

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use management::{DryRun, DryRunRequest, WorkflowManagement, WorkflowNames, samples};
use serde_json::{Value, json};

/// How the task functions answer, and what they were asked. Everything else of AWS only reads.
#[derive(Debug, Default)]
struct Aws {
    asked: Vec<(String, Value)>,
    is_old: bool,
    refuses: bool,
}

type Answer = (StatusCode, HeaderMap, String);

fn answer(status: StatusCode, body: &Value) -> Answer {
    (status, HeaderMap::new(), body.to_string())
}

async fn serve(
    State(aws): State<Arc<Mutex<Aws>>>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Answer {
    let body: Value = serde_json::from_str(&body).unwrap();
    let mut aws = aws.lock().unwrap();
    let Some(target) = headers.get("x-amz-target") else {
        let name = uri.path().split('/').nth(3).unwrap().to_owned();
        aws.asked.push((name, body.clone()));
        return invoked(&aws, &body);
    };
    let operation = target.to_str().unwrap().rsplit('.').next().unwrap();
    assert_eq!(operation, "GetItem", "a dry run reads only: {body}");
    let name = body["Key"]["name"]["S"].as_str().unwrap_or_default();
    let (vendor, state) = match name {
        "support" => ("zendesk", "connected"),
        "service-desk" => ("servicenow", "reconnect"),
        _ => return answer(StatusCode::OK, &json!({})),
    };
    let row = json!({
        "name": {"S": name}, "vendor": {"S": vendor}, "instance": {"S": "acme"}, "kind": {"S": "bearer"},
        "state": {"S": state}, "secret": {"S": "secret-of-it"}, "updated_at": {"N": "0"},
    });
    answer(StatusCode::OK, &json!({ "Item": row }))
}

/// A task function, which shows what it was asked in the place of a body.
fn invoked(aws: &Aws, asked: &Value) -> Answer {
    if aws.refuses {
        let mut headers = HeaderMap::new();
        let code = HeaderValue::from_static("AccessDeniedException");
        headers.insert("x-amzn-errortype", code);
        let body = json!({"Message": "not authorized"}).to_string();
        return (StatusCode::FORBIDDEN, headers, body);
    }
    if aws.is_old {
        let mut headers = HeaderMap::new();
        let unhandled = HeaderValue::from_static("Unhandled");
        headers.insert("x-amz-function-error", unhandled);
        let body = json!({"errorType": "Error", "errorMessage": "missing field `Records`"});
        return (StatusCode::OK, headers, body.to_string());
    }
    let input = &asked["preview"]["input"];
    if input["ticket_id"].is_string() {
        let problem =
            json!({"path": "ticket_id", "problem": "found `‹ticket.id›`, expected a number"});
        return answer(
            StatusCode::OK,
            &json!({"requests": [], "problem": problem, "notes": []}),
        );
    }
    let request = json!({"method": "POST", "path": "/x", "body": input});
    answer(
        StatusCode::OK,
        &json!({"address": "https://acme.example.com", "requests": [request], "problem": null, "notes": ["note"]}),
    )
}

async fn dry_run(aws: Aws, tasks: Value) -> (DryRun, Vec<(String, Value)>) {
    let aws = Arc::new(Mutex::new(aws));
    let app = Router::new().fallback(serve).with_state(Arc::clone(&aws));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let config = aws::Config::at(&url).unwrap();
    let variables = |name: &str| {
        Some(match name {
            "RUN_RETENTION_DAYS" => "90".to_owned(),
            name => name.to_lowercase(),
        })
    };
    let management = WorkflowManagement::new(&config, WorkflowNames::from_vars(variables).unwrap());
    let request = DryRunRequest {
        workflow: Some(json!({
            "id": "w", "name": "W", "trigger": {"event": {"type": "review.created"}}, "tasks": tasks
        })),
        event: Some(json!({"type": "review.created", "data": {"text": "slow"}})),
        ..DryRunRequest::default()
    };
    let plan = management.dry_run(&request, samples::NOW).await.unwrap();
    let asked = aws.lock().unwrap().asked.clone();
    (plan, asked)
}

fn ticket(account: &str) -> Value {
    json!({"id": "ticket", "kind": "zendesk.create_ticket", "account": account,
           "input": {"comment": "{{ event.data.text }}"}})
}

#[tokio::test]
async fn each_task_function_is_asked_what_its_tasks_would_send() {
    let tasks = json!([
        ticket("support"),
        {"id": "incident", "kind": "servicenow.create_record", "account": "service-desk", "needs": ["ticket"],
         "input": {"table": "incident", "description": "{{ tasks.ticket.output.id }}"}},
        {"id": "close", "kind": "zendesk.update_ticket", "account": "support", "needs": ["ticket"],
         "input": {"ticket_id": "{{ tasks.ticket.output.id }}", "status": "solved"}}
    ]);
    let (plan, asked) = dry_run(Aws::default(), tasks).await;
    assert!(plan.starts, "{plan:?}");
    let functions: Vec<&str> = asked.iter().map(|(name, _)| name.as_str()).collect();
    let (servicenow, zendesk) = ("servicenow_tasks_function", "zendesk_tasks_function");
    assert_eq!(functions, [zendesk, servicenow, zendesk]);
    assert_eq!(
        asked[0].1,
        json!({"preview": {
            "kind": "zendesk.create_ticket", "key": plan.tasks[0].key,
            "account": {"name": "support", "vendor": "zendesk", "instance": "acme"}, "input": {"comment": "slow"}
        }})
    );
    let [first, second, third] = plan.tasks.as_slice() else {
        panic!("{plan:?}")
    };
    assert_eq!(first.address.as_deref(), Some("https://acme.example.com"));
    assert_eq!(first.requests[0].body, Some(json!({"comment": "slow"})));
    assert_eq!((&first.problem, &first.account.problem), (&None, &None));
    assert_eq!(first.notes, ["note"]);
    assert_eq!(second.depends_on, ["ticket.id"]);
    let body = second.requests[0].body.as_ref().unwrap();
    assert_eq!(body["description"], "‹ticket.id›");
    let waits = second.account.problem.as_deref().unwrap();
    assert!(waits.contains("connected again"), "{waits}");
    let problem = third.problem.as_ref().unwrap();
    assert_eq!(problem.path, "ticket_id");
    assert!(
        problem.problem.contains("the request depends on ticket.id"),
        "{problem}"
    );
    assert_eq!(third.input.as_ref().unwrap()["status"], "solved");
    assert!(!json!(plan).to_string().contains("secret"));
}

#[tokio::test]
async fn account_that_does_not_fit_is_told_and_the_requests_are_shown_all_the_same() {
    for (account, expected) in [
        ("nobody", "no such account"),
        ("service-desk", "it is a servicenow account"),
    ] {
        let (plan, asked) = dry_run(Aws::default(), json!([ticket(account)])).await;
        let problem = plan.tasks[0].account.problem.as_deref().unwrap();
        assert!(problem.contains(expected), "{problem}");
        assert_eq!(asked[0].1["preview"]["account"]["instance"], json!(null));
        assert_eq!(plan.tasks[0].requests.len(), 1);
    }
}

#[tokio::test]
async fn function_that_does_not_tell_is_named_with_its_tasks() {
    let old = Aws {
        is_old: true,
        ..Aws::default()
    };
    let refuses = Aws {
        refuses: true,
        ..Aws::default()
    };
    for (aws, expected) in [
        (old, "must be deployed again"),
        (refuses, "AccessDeniedException"),
    ] {
        let (plan, _) = dry_run(aws, json!([ticket("support")])).await;
        let problem = plan.tasks[0].problem.as_ref().unwrap().to_string();
        assert!(
            problem.contains("zendesk_tasks_function") && problem.contains(expected),
            "{problem}"
        );
        assert!(plan.tasks[0].input.is_some() && plan.tasks[0].requests.is_empty());
    }
}
