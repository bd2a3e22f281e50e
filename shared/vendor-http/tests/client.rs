//! The client against a real server on this machine.
#![cfg(test)]

use std::error::Error;
use std::process::Command;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use vendor_http::test_support::{Server, Step};
use vendor_http::{
    BODY_LIMIT, CONNECT_TIMEOUT, Call, Client, Failure, HeaderValue, Method, Request, Response,
    Url, header,
};

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

fn post(url: &str, body: &'static str) -> Request {
    Request::new(Method::POST, Url::parse(url).unwrap()).json(body)
}

/// A port of this machine and its address, for tests that lead the server's side of the talk themselves.
async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/path?secret=1", listener.local_addr().unwrap());
    (listener, url)
}

/// The next request on a connection that ends with `end`.
async fn hear(stream: &mut TcpStream, end: &str) -> String {
    let mut heard = Vec::new();
    while !heard.ends_with(end.as_bytes()) {
        assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0, "closed");
    }
    String::from_utf8(heard).unwrap()
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

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

#[tokio::test]
async fn bodies_have_a_length_and_headers_stay_as_given() {
    for method in [
        Method::GET,
        Method::DELETE,
        Method::POST,
        Method::PUT,
        Method::PATCH,
    ] {
        let server = Server::start([Step::json(200, "{}")]).await.unwrap();
        let request = Request::new(method.clone(), Url::parse(&server.url()).unwrap())
            .header(header::USER_AGENT, HeaderValue::from_static("own/1"));
        Client::new().unwrap().send(request).await.unwrap();
        let received = &server.received()[0];
        assert_eq!(received.header("content-length"), "", "{method}");
        assert_eq!(received.header("transfer-encoding"), "", "{method}");
        assert_eq!(received.header("user-agent"), "own/1");
        assert_eq!(received.header("host"), server.address().to_string());
    }
    let server = Server::start([Step::json(200, "{}")]).await.unwrap();
    let request = post(&server.url(), "{}");
    Client::new().unwrap().send(request).await.unwrap();
    assert_eq!(server.received()[0].header("content-length"), "2");
}

#[tokio::test]
async fn user_and_password_of_an_address_are_not_sent() {
    let server = Server::start([Step::json(200, "{}")]).await.unwrap();
    let url = format!("http://user:secret@{}/path#secret", server.address());
    Client::new().unwrap().send(get(&url)).await.unwrap();
    let received = format!("{:?}", server.received());
    assert!(received.contains("/path"), "{received}");
    assert!(!received.contains("secret"), "{received}");
    assert!(!received.contains("authorization"), "{received}");
}

#[tokio::test]
async fn every_character_of_an_address_arrives() {
    let server = Server::start([]).await.unwrap();
    let client = Client::new().unwrap();
    let ascii = (' '..='~').collect::<Vec<_>>();
    for (index, character) in ascii.into_iter().chain(['\u{7f}', 'é', '日']).enumerate() {
        let mut url = Url::parse(&server.url()).unwrap();
        url.set_path(&format!("/a{character}b"));
        url.set_query(Some(&format!("q=a{character}b")));
        let expected = format!("{}?{}", url.path(), url.query().unwrap());
        let sent = client
            .send(Request::new(Method::GET, url))
            .await
            .unwrap_or_else(|failure| panic!("{character:?}: {}", texts(&failure)));
        assert_eq!(sent.status, 599);
        assert_eq!(server.received()[index].target, expected);
    }
    let targets: Vec<String> = server
        .received()
        .into_iter()
        .map(|request| request.target)
        .collect();
    // Not all of them need be encoded in a query.
    for target in ["/a^b?q=a^b", "/a|b?q=a|b", "/a%7Bb?q=a{b", "/a%22b?q=a%22b"] {
        assert!(targets.iter().any(|one| one == target), "{target}");
    }
}

#[tokio::test]
async fn other_schemes_are_not_sent() {
    for (url, has_host) in [
        ("ftp://127.0.0.1/?secret=1", true),
        ("mailto:secret@example.com", false),
    ] {
        let failure = Client::new().unwrap().send(get(url)).await.unwrap_err();
        let is_told = match failure {
            Failure::NotSent { .. } => has_host,
            Failure::Unsendable { .. } => !has_host,
            Failure::Interrupted { .. } | Failure::TooLarge { .. } => false,
        };
        assert!(is_told, "{failure:?}");
        assert!(!texts(&failure).contains("secret"), "{}", texts(&failure));
    }
}

#[tokio::test]
async fn address_that_cannot_be_written_is_told_without_its_query() {
    let server = Server::start([]).await.unwrap();
    let url = format!("{}/?secret={}", server.url(), "a".repeat(65_536));
    let failure = Client::new().unwrap().send(get(&url)).await.unwrap_err();
    let Failure::Unsendable { bytes, .. } = &failure else {
        panic!("{failure:?}");
    };
    assert_eq!(*bytes, url.len());
    assert!(!texts(&failure).contains("secret"), "{}", texts(&failure));
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn environment_names_no_proxy() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "request_arrives_as_it_was_given"])
        // Nobody listens there.
        .env("http_proxy", "http://127.0.0.1:1")
        .env("HTTP_PROXY", "http://127.0.0.1:1")
        .env("ALL_PROXY", "http://127.0.0.1:1")
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1 passed"), "{text}");
}

#[tokio::test]
async fn time_to_connect_covers_tls() {
    let (listener, url) = listen().await;
    let request = get(&url.replace("http:", "https:"));
    let call = tokio::spawn(async move { Client::new().unwrap().send(request).await });
    let (mut stream, _) = listener.accept().await.unwrap();
    // The greeting, which is never answered.
    let mut hello = vec![0; 5];
    stream.read_exact(&mut hello).await.unwrap();
    let length = usize::from(hello[3]) * 256 + usize::from(hello[4]);
    hello = vec![0; length];
    stream.read_exact(&mut hello).await.unwrap();
    // Without a word of h2.
    assert!(!hello.windows(3).any(|part| part == b"\x02h2"));

    tokio::time::pause();
    tokio::time::advance(CONNECT_TIMEOUT / 2).await;
    tokio::task::yield_now().await;
    assert!(!call.is_finished());
    tokio::time::advance(CONNECT_TIMEOUT / 2).await;
    tokio::time::resume();
    let ended = tokio::time::timeout(SHORT, call)
        .await
        .expect("still waits");
    let failure = ended.unwrap().unwrap_err();
    assert!(matches!(failure, Failure::NotSent { .. }), "{failure:?}");
    assert!(texts(&failure).contains("within 5 s"), "{failure:?}");
}

#[tokio::test]
async fn call_whose_time_ends_while_it_connects_was_not_sent() {
    // TLS is never answered.
    let (listener, url) = listen().await;
    let request = get(&url.replace("http:", "https:")).timeout(SHORT);
    let call = Client::new().unwrap().send(request).await;
    let failure = call.unwrap_err();
    assert!(matches!(failure, Failure::NotSent { .. }), "{failure:?}");
    drop(listener);
}

#[tokio::test]
async fn body_that_trickles_ends_with_the_call() {
    for pauses in [3, usize::MAX] {
        let (listener, url) = listen().await;
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            hear(&mut stream, "\r\n\r\n").await;
            let head = "HTTP/1.1 201 Created\r\nconnection: close\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            for _ in 0..pauses {
                tokio::time::sleep(Duration::from_millis(50)).await;
                if stream.write_all(b"x").await.is_err() {
                    break;
                }
            }
        });
        match Client::new().unwrap().send(get(&url).timeout(SHORT)).await {
            Ok(response) => assert_eq!((response.body.len(), pauses), (3, 3)),
            Err(failure) => {
                assert_eq!(pauses, usize::MAX, "{failure}");
                assert_eq!(failure.status(), Some(201), "{failure}");
                let Failure::Interrupted { after, .. } = failure else {
                    panic!("{failure:?}");
                };
                assert!(
                    after >= SHORT && after < Duration::from_secs(5),
                    "{after:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn idle_connection_is_used_again_but_not_for_long() {
    let (listener, url) = listen().await;
    let client = Client::new().unwrap();
    let calls = tokio::spawn(async move {
        for pause in [0, 49, 51] {
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(pause)).await;
            tokio::time::resume();
            client.send(get(&url)).await.unwrap();
        }
    });
    let (mut first, _) = listener.accept().await.unwrap();
    for _ in 0..2 {
        hear(&mut first, "\r\n\r\n").await;
        first.write_all(OK).await.unwrap();
    }
    assert_eq!(first.read(&mut [0; 9]).await.unwrap(), 0, "used again");
    let (mut second, _) = listener.accept().await.unwrap();
    hear(&mut second, "\r\n\r\n").await;
    second.write_all(OK).await.unwrap();
    calls.await.unwrap();
}

/// The first of two calls has left an idle connection behind; the server hears the second on it and goes away.
#[tokio::test]
async fn request_that_was_written_is_never_sent_again() {
    for method in [Method::POST, Method::GET] {
        let (listener, url) = listen().await;
        let client = Client::new().unwrap();
        let request = Request::new(method.clone(), Url::parse(&url).unwrap());
        let second = request.clone();
        let calls = tokio::spawn(async move {
            client.send(request).await.unwrap();
            client.send(second).await
        });
        let (mut stream, _) = listener.accept().await.unwrap();
        hear(&mut stream, "\r\n\r\n").await;
        stream.write_all(OK).await.unwrap();
        hear(&mut stream, "\r\n\r\n").await;
        drop(stream);
        let failure = calls.await.unwrap().unwrap_err();
        assert!(
            matches!(failure, Failure::Interrupted { status: None, .. }),
            "{method}: {failure:?}"
        );
        // Another connection would already be waiting here.
        let other = tokio::time::timeout(SHORT / 4, listener.accept()).await;
        assert!(other.is_err(), "{method}");
    }
}

/// The other side closes an idle connection in the moment in which it is taken for the next request: nothing of that was
/// written, so it goes to a new connection, once.
#[tokio::test]
async fn request_that_was_not_begun_goes_to_another_connection() {
    let (listener, url) = listen().await;
    let client = Client::new().unwrap();
    let answer = async |body| {
        let (mut stream, _) = listener.accept().await.unwrap();
        let heard = hear(&mut stream, body).await;
        stream.write_all(OK).await.unwrap();
        (heard, stream)
    };
    let (first, (_, stream)) = tokio::join!(client.send(post(&url, "[1]")), answer("[1]"));
    first.unwrap();
    // Until the connection is idle.
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(stream);
    // The runtime learns of the close here, and goes on with this test before the client looks at it.
    tokio::task::yield_now().await;
    let (second, answered) = tokio::join!(
        client.send(post(&url, "[2]")),
        tokio::time::timeout(SHORT, answer("[2]")),
    );
    second.unwrap();
    let (heard, _stream) = answered.unwrap();
    assert!(heard.starts_with("POST /path"), "{heard}");
    let other = tokio::time::timeout(SHORT / 4, listener.accept()).await;
    assert!(other.is_err());
}
