//! The client against a real server on this machine.
#![cfg(test)]

use std::error::Error;
use std::time::Duration;

use vendor_http::test_support::{Server, Step};
use vendor_http::{BODY_LIMIT, Call, Client, Failure, Method, Request, Response, Url};

/// Long enough for a busy machine, short enough to wait for in a test.
const SHORT: Duration = Duration::from_secs(1);

async fn send(step: Step) -> (Result<Response, Failure>, Server) {
    let server = Server::start([step]).await.unwrap();
    let request = get(&format!("{}/path?secret=1", server.url())).timeout(SHORT);
    (Client::new().unwrap().send(request).await, server)
}

fn get(url: &str) -> Request {
    Request::new(Method::GET, Url::parse(url).unwrap())
}

fn texts(failure: &Failure) -> String {
    let mut text = format!("{failure} {failure:?}");
    let mut cause = failure.source();
    while let Some(error) = cause {
        text = format!("{text} {error}");
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn request_arrives_as_it_was_given() {
    let server = Server::start([Step::json(200, r#"{"a":1}"#)])
        .await
        .unwrap();
    let request = Request::new(Method::POST, Url::parse(&server.url()).unwrap())
        .json(r#"{ "b" : 2 }"#)
        .authorization(vendor_http::bearer(&"t0ken".into()).unwrap());
    let response = Client::new().unwrap().send(request).await.unwrap();
    assert_eq!(response.status, 200);
    assert!(response.is_json());
    assert_eq!(response.json().unwrap()["a"], 1);

    let received = server.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].method, "POST");
    assert_eq!(received[0].body, r#"{ "b" : 2 }"#);
    for (name, value) in [
        ("content-type", "application/json"),
        ("accept", "application/json"),
        ("authorization", "Bearer t0ken"),
        (
            "user-agent",
            concat!("closedloop/", env!("CARGO_PKG_VERSION")),
        ),
        ("accept-encoding", ""),
    ] {
        assert_eq!(received[0].header(name), value, "{name}");
    }
}

#[tokio::test]
async fn redirects_are_answers_and_cookies_are_forgotten() {
    let server = Server::start([
        Step::json(302, "")
            .with("location", "/elsewhere")
            .with("set-cookie", "session=1"),
        Step::json(200, "{}"),
    ])
    .await
    .unwrap();
    let client = Client::new().unwrap();
    let response = client.send(get(&server.url())).await.unwrap();
    assert_eq!(response.status, 302);
    assert_eq!(response.header("location"), Some("/elsewhere"));
    client.send(get(&server.url())).await.unwrap();
    let received = server.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[1].target, "/");
    assert_eq!(received[1].header("cookie"), "");
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let server = Server::start([]).await.unwrap();
    // Bound and dropped, so that nobody listens there.
    let silent = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for (url, host) in [
        (format!("http://{silent}/?secret=1"), "127.0.0.1"),
        (
            "http://nobody.invalid/?secret=1".to_owned(),
            "nobody.invalid",
        ),
        (
            format!("https://{}/?secret=1", server.address()),
            "127.0.0.1",
        ),
    ] {
        let failure = Client::new().unwrap().send(get(&url)).await.unwrap_err();
        assert!(
            matches!(&failure, Failure::NotSent { host: h, .. } if h == host),
            "{url}: {failure:?}"
        );
        assert_eq!(failure.status(), None);
        assert!(failure.source().is_some());
        assert!(!texts(&failure).contains("secret"), "{}", texts(&failure));
    }
    assert_eq!(server.received().len(), 0);
}

#[tokio::test]
async fn lost_answer_is_interrupted_and_not_tried_again() {
    let cut = "HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{\"result\"";
    for (step, status) in [
        (Step::Lose, None),
        (Step::Stall, None),
        (Step::Raw("nonsense\r\n\r\n".to_owned()), None),
        (Step::Raw(cut.to_owned()), Some(201)),
    ] {
        let (result, server) = send(step.clone()).await;
        let failure = result.unwrap_err();
        assert!(
            matches!(failure, Failure::Interrupted { .. }),
            "{step:?}: {failure:?}"
        );
        assert_eq!(failure.status(), status, "{step:?}");
        assert_eq!(server.received().len(), 1, "{step:?}");
        assert!(!texts(&failure).contains("secret"), "{}", texts(&failure));
    }
}

#[tokio::test]
async fn own_timeout_ends_a_silent_call() {
    let server = Server::start([Step::Stall]).await.unwrap();
    let client = Client::new().unwrap().with_timeout(SHORT);
    let failure = client.send(get(&server.url())).await.unwrap_err();
    let Failure::Interrupted { after, .. } = failure else {
        panic!("{failure:?}");
    };
    assert!(
        after >= SHORT && after < Duration::from_secs(5),
        "{after:?}"
    );
}

#[tokio::test]
async fn long_bodies_are_refused_and_the_longest_allowed_is_read() {
    let (result, _server) = send(Step::answer(200, "text/plain", "x".repeat(BODY_LIMIT))).await;
    assert_eq!(result.unwrap().body.len(), BODY_LIMIT);

    let long = "x".repeat(BODY_LIMIT + 1);
    let unannounced = format!("HTTP/1.1 201 Created\r\nconnection: close\r\n\r\n{long}");
    for step in [Step::json(201, &long), Step::Raw(unannounced)] {
        let (result, _server) = send(step).await;
        let failure = result.unwrap_err();
        assert!(
            matches!(failure, Failure::TooLarge { status: 201, .. }),
            "{failure}"
        );
        assert_eq!(failure.status(), Some(201));
    }
}

#[tokio::test]
async fn request_may_allow_another_length() {
    const LIMIT: usize = 3 * BODY_LIMIT;
    for (length, allowed) in [(LIMIT, true), (LIMIT + 1, false)] {
        let server = Server::start([Step::answer(200, "text/plain", "x".repeat(length))])
            .await
            .unwrap();
        let request = get(&server.url()).body_limit(LIMIT);
        match Client::new().unwrap().send(request).await {
            Ok(response) => assert!(allowed && response.body.len() == length, "{length}"),
            Err(failure) => {
                assert!(!allowed, "{failure}");
                assert!(
                    failure.to_string().ends_with("more than 3072 KiB"),
                    "{failure}"
                );
            }
        }
    }
    // It is that request's alone, and may also be less.
    let server = Server::start([Step::json(200, "{}"), Step::json(200, "{}")])
        .await
        .unwrap();
    let client = Client::new().unwrap();
    let less = client.send(get(&server.url()).body_limit(1)).await;
    assert!(matches!(less, Err(Failure::TooLarge { limit: 1, .. })));
    assert!(client.send(get(&server.url())).await.is_ok());
}

#[tokio::test]
async fn call_tells_what_happened_without_the_query() {
    let server = Server::start([Step::json(200, "{}").with("x-request-id", "abc")])
        .await
        .unwrap();
    let request = get(&format!("{}/a/b?secret=1", server.url()));
    let call = Call::new(&request);
    assert_eq!(call.to_string(), "GET /a/b");
    let response = Client::new().unwrap().send(request).await.unwrap();
    assert_eq!(
        call.answered(&response, "x-request-id").to_string(),
        "GET /a/b answered 200, request id abc"
    );
}

#[test]
fn debug_of_a_request_shows_no_values() {
    let request = get("https://example.com/a?secret=1")
        .json("secret")
        .authorization(vendor_http::bearer(&"secret".into()).unwrap());
    let debug = format!("{request:?}");
    assert!(!debug.contains("secret"), "{debug}");
}
