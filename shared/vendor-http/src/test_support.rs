//! A local HTTP server that answers from a script and keeps what it was asked, for tests of clients. It
//! can do what a well-behaved server cannot: lose an answer, stay silent, break off.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with one request, after reading all of it.
#[derive(Debug, Clone)]
pub enum Step {
    /// Answers.
    Answer {
        /// The status code.
        status: u16,
        /// Headers beside `content-length` and `connection`.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: String,
    },
    /// Writes these bytes instead of a well-formed answer, and closes.
    Raw(String),
    /// Closes without an answer: the client cannot know whether the request was carried out.
    Lose,
    /// Stays silent for a minute.
    Stall,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "text, numbers and JSON are all written in place"
)]
impl Step {
    /// Answers with JSON.
    pub fn json(status: u16, body: impl ToString) -> Self {
        Self::answer(status, "application/json", body)
    }

    /// Answers with a body of that media type.
    pub fn answer(status: u16, media_type: &str, body: impl ToString) -> Self {
        Self::Answer {
            status,
            headers: vec![("content-type", media_type.to_owned())],
            body: body.to_string(),
        }
    }

    /// Adds a header to an answer; other steps stay as they are.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name, value.to_string()));
        }
        self
    }
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// The method.
    pub method: String,
    /// Path and query, still encoded.
    pub target: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Received {
    /// A header's value, empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The decoded parameters of the query.
    pub fn query(&self) -> Vec<(String, String)> {
        let query = self.target.split_once('?').map(|(_, query)| query);
        url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
            .into_owned()
            .collect()
    }
}

/// A running server on a free loopback port. It ends with the test's runtime.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Server {
    /// Starts a server that takes one step per request; when the script is over, it answers 599.
    ///
    /// # Errors
    ///
    /// When no port can be bound.
    pub async fn start(script: impl IntoIterator<Item = Step>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&received);
        let mut script = script.into_iter().collect::<Vec<_>>().into_iter();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                // Connections come one after another, so the script needs no lock. What a client does
                // wrong with the stream shows on the client's side.
                if let Ok(Some(request)) = read(&mut stream).await {
                    log.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(request);
                    let step = script.next().unwrap_or_else(|| Step::json(599, "{}"));
                    tokio::spawn(perform(step, stream));
                }
            }
        });
        Ok(Self { address, received })
    }

    /// `http://127.0.0.1:<port>`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn perform(step: Step, mut stream: TcpStream) -> io::Result<()> {
    let bytes = match step {
        Step::Answer {
            status,
            headers,
            body,
        } => {
            let mut lines = vec![format!("HTTP/1.1 {status} Scripted")];
            lines.extend(
                headers
                    .iter()
                    .map(|(name, value)| format!("{name}: {value}")),
            );
            lines.push(format!("content-length: {}", body.len()));
            lines.push("connection: close\r\n\r\n".to_owned());
            lines.join("\r\n") + &body
        }
        Step::Raw(bytes) => bytes,
        Step::Lose => return Ok(()),
        Step::Stall => {
            tokio::time::sleep(Duration::from_mins(1)).await;
            return Ok(());
        }
    };
    stream.write_all(bytes.as_bytes()).await?;
    stream.shutdown().await
}

/// The next request, or `None` when the client says nothing.
async fn read(stream: &mut TcpStream) -> io::Result<Option<Received>> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
        // A TLS client says hello here; it gets no answer.
        if !bytes.first().is_some_and(u8::is_ascii_alphabetic) {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(bytes.get(..head_end).unwrap_or_default()).into_owned();
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default().to_owned();
    let headers: HeaderMap = lines
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(value.trim()).ok()?))
        })
        .collect();
    let length = headers
        .get(http::header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or(0);
    let mut body = bytes.split_off((head_end + 4).min(bytes.len()));
    while body.len() < length && stream.read_buf(&mut body).await? > 0 {}
    Ok(Some(Received {
        method,
        target,
        headers,
        body: body.into(),
    }))
}
