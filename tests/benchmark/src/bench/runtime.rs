//! The Lambda Runtime API for one function.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// What the function may take for an event, as it is told.
const TIME: Duration = Duration::from_secs(30);
/// How long a function may keep silent before the run is given up.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the function has done.
#[derive(Debug)]
pub(crate) enum Sign {
    /// It asks for an event.
    Waiting,
    /// It has answered.
    Answered(Bytes),
    /// It has failed, or could not start.
    Failed(String),
}

/// The API's side of a function.
#[derive(Debug)]
pub(crate) struct Runtime {
    address: SocketAddr,
    events: UnboundedSender<Bytes>,
    signs: UnboundedReceiver<(Instant, Sign)>,
}

struct Shared {
    function: String,
    events: Mutex<UnboundedReceiver<Bytes>>,
    signs: UnboundedSender<(Instant, Sign)>,
}

impl Shared {
    fn tell(&self, sign: Sign) {
        // Nobody listens any more when the function is being ended.
        self.signs.send((Instant::now(), sign)).ok();
    }
}

impl Runtime {
    /// Serves on a free port of the loopback.
    pub(crate) async fn start(function: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (events, received) = mpsc::unbounded_channel();
        let (told, signs) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            function: function.to_owned(),
            events: Mutex::new(received),
            signs: told,
        });
        let base = "/2018-06-01/runtime";
        let router = Router::new()
            .route(&format!("{base}/invocation/next"), get(next))
            .route(
                &format!("{base}/invocation/{{id}}/response"),
                post(answered),
            )
            .route(&format!("{base}/invocation/{{id}}/error"), post(failed))
            .route(&format!("{base}/init/error"), post(failed))
            .layer(DefaultBodyLimit::disable())
            .with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self {
            address,
            events,
            signs,
        })
    }

    /// What `AWS_LAMBDA_RUNTIME_API` is.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// Gives the function an event.
    pub(crate) fn give(&self, event: Bytes) -> anyhow::Result<()> {
        self.events.send(event).context("the API has ended")
    }

    /// What the function does next, and when it did.
    pub(crate) async fn sign(&mut self) -> anyhow::Result<(Instant, Sign)> {
        let sign = tokio::time::timeout(PATIENCE, self.signs.recv()).await;
        sign.context("the function keeps silent")?
            .context("the API has ended")
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    shared.tell(Sign::Waiting);
    let Some(event) = shared.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let deadline = since.unwrap_or_default() + TIME;
    let function = &shared.function;
    let headers = [
        ("content-type", "application/json".to_owned()),
        (
            "lambda-runtime-aws-request-id",
            format!(
                "00000000-0000-4000-8000-{:012x}",
                deadline.as_micros() & 0xffff_ffff_ffff
            ),
        ),
        (
            "lambda-runtime-deadline-ms",
            deadline.as_millis().to_string(),
        ),
        (
            "lambda-runtime-invoked-function-arn",
            format!("arn:aws:lambda:us-east-1:000000000000:function:{function}"),
        ),
        (
            "lambda-runtime-trace-id",
            "Root=1-00000000-000000000000000000000000;Sampled=0".to_owned(),
        ),
    ];
    (axum::response::AppendHeaders(headers), event).into_response()
}

async fn answered(
    State(shared): State<Arc<Shared>>,
    Path(_id): Path<String>,
    body: Bytes,
) -> StatusCode {
    shared.tell(Sign::Answered(body));
    StatusCode::ACCEPTED
}

async fn failed(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    let text = String::from_utf8_lossy(&body).into_owned();
    shared.tell(Sign::Failed(text));
    StatusCode::ACCEPTED
}
