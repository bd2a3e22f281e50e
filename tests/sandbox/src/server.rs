//! The HTTP server: finds the instance, hands the request over, puts the answer on the wire.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body as HttpBody, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::Control;
use crate::exchange::{Answer, Body};
use crate::instance::{Incoming, Instance, Outcome};
use crate::wire::{Peer, Wire};
use crate::{control, qualtrics, servicenow, teamviewer, zendesk};

const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// A running sandbox. It stops when dropped.
#[derive(Debug)]
pub struct Sandbox {
    base_url: String,
    stop: Option<oneshot::Sender<()>>,
    served: tokio::task::JoinHandle<()>,
}

impl Sandbox {
    /// Starts on a free loopback port.
    ///
    /// # Panics
    ///
    /// When loopback cannot be bound: a test has nothing to go on with then.
    #[expect(
        clippy::expect_used,
        reason = "spares every test an unwrap of what cannot be handled"
    )]
    pub async fn start() -> Self {
        Self::start_on(0).await.expect("bind a loopback port")
    }

    /// Starts on a loopback port; 0 means a free one.
    ///
    /// # Errors
    ///
    /// When the port is taken.
    pub async fn start_on(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Server {
            base_url: base_url.clone(),
            instances: Mutex::new(BTreeMap::new()),
        });
        let service = Router::new()
            .fallback(serve)
            .with_state(shared)
            .into_make_service_with_connect_info::<Peer>();
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(async move {
            let shutdown = async {
                // A dropped sender means the same as a sent word.
                stopped.await.ok();
            };
            // Accepting never fails for good: `Wire` waits and tries again.
            axum::serve(Wire(listener), service)
                .with_graceful_shutdown(shutdown)
                .await
                .ok();
        });
        Ok(Self {
            base_url,
            stop: Some(stop),
            served,
        })
    }

    /// `http://127.0.0.1:<port>`, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The host of a ServiceNow instance: what stands for `https://<instance>.service-now.com`.
    pub fn servicenow_url(&self, instance: &str) -> String {
        format!("{}/servicenow/{instance}", self.base_url)
    }

    /// The host of a Zendesk account: what stands for `https://<subdomain>.zendesk.com`.
    pub fn zendesk_url(&self, subdomain: &str) -> String {
        format!("{}/zendesk/{subdomain}", self.base_url)
    }

    /// The host of a Qualtrics data centre: what stands for `https://<datacenter>.qualtrics.com`.
    pub fn qualtrics_url(&self, datacenter: &str) -> String {
        format!("{}/qualtrics/{datacenter}", self.base_url)
    }

    /// A company at TeamViewer: what stands for both `https://webapi.teamviewer.com` and `https://login.teamviewer.com`.
    pub fn teamviewer_url(&self, company: &str) -> String {
        format!("{}/teamviewer/{company}", self.base_url)
    }

    /// The control API of this sandbox.
    pub fn control(&self) -> Control {
        Control::new(&self.base_url)
    }

    /// Stops accepting and waits until open requests have been answered.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).ok();
        }
        (&mut self.served).await.ok();
    }
}

/// The vendors that the sandbox stands in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Vendor {
    ServiceNow,
    Zendesk,
    Qualtrics,
    TeamViewer,
}

impl Vendor {
    pub(crate) fn parse(segment: &str) -> Option<Self> {
        match segment {
            "servicenow" => Some(Self::ServiceNow),
            "zendesk" => Some(Self::Zendesk),
            "qualtrics" => Some(Self::Qualtrics),
            "teamviewer" => Some(Self::TeamViewer),
            _ => None,
        }
    }

    pub(crate) fn segment(self) -> &'static str {
        match self {
            Self::ServiceNow => "servicenow",
            Self::Zendesk => "zendesk",
            Self::Qualtrics => "qualtrics",
            Self::TeamViewer => "teamviewer",
        }
    }

    fn unknown_host(self, name: &str) -> Answer {
        match self {
            Self::ServiceNow => servicenow::unknown_host(),
            Self::Zendesk => zendesk::unknown_host(name),
            Self::Qualtrics => qualtrics::unknown_host(),
            Self::TeamViewer => teamviewer::unknown_host(),
        }
    }
}

pub(crate) struct Server {
    pub(crate) base_url: String,
    instances: Mutex<BTreeMap<(Vendor, String), Arc<Instance>>>,
}

impl Server {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Vendor, String), Arc<Instance>>> {
        self.instances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn instance(&self, vendor: Vendor, name: &str) -> Option<Arc<Instance>> {
        self.lock().get(&(vendor, name.to_owned())).map(Arc::clone)
    }

    pub(crate) fn put(&self, vendor: Vendor, name: &str, instance: Instance) {
        let replaced = self
            .lock()
            .insert((vendor, name.to_owned()), Arc::new(instance));
        if let Some(replaced) = replaced {
            replaced.release(None);
        }
    }

    pub(crate) fn remove(&self, vendor: Vendor, name: &str) {
        let removed = self.lock().remove(&(vendor, name.to_owned()));
        if let Some(removed) = removed {
            removed.release(None);
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.lock()
            .keys()
            .map(|(vendor, name)| format!("{}/{name}", vendor.segment()))
            .collect()
    }
}

async fn serve(
    State(server): State<Arc<Server>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let text = match to_bytes(body, LARGEST_BODY).await {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => return on_the_wire(Answer::empty(413)),
    };
    let path = head.uri.path();
    let mut parts = path.splitn(4, '/').skip(1);
    let (first, name) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    if first == "_sandbox" {
        let path = path.to_owned();
        let query = head.uri.query().unwrap_or_default();
        return on_the_wire(control::answer(
            &server,
            head.method.as_str(),
            &path,
            query,
            &text,
        ));
    }
    let Some(vendor) = Vendor::parse(first) else {
        return on_the_wire(control::no_such_path(path));
    };
    let Some(instance) = server.instance(vendor, name) else {
        return on_the_wire(vendor.unknown_host(name));
    };
    let incoming = Incoming {
        method: head.method.as_str().to_owned(),
        path: format!("/{}", parts.next().unwrap_or_default()),
        raw_query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        text,
    };
    // In a task of its own: a client that hangs up doesn't undo what a vendor has begun.
    let wire_end = peer.clone();
    let handled = tokio::spawn(async move { instance.handle(incoming, &wire_end).await });
    match handled.await {
        Ok(Outcome::Answer(answer)) => on_the_wire(answer),
        Ok(Outcome::Cut) => {
            peer.cut();
            on_the_wire(Answer::empty(500))
        }
        Err(_) => on_the_wire(control::refuse(500, "the sandbox failed on this request")),
    }
}

fn on_the_wire(answer: Answer) -> Response {
    let (content_type, body) = match answer.body {
        Body::Empty => (None, HttpBody::empty()),
        Body::Json(json) => (
            Some("application/json;charset=UTF-8"),
            HttpBody::from(json.to_string()),
        ),
        Body::Text { content_type, text } => (Some(content_type), HttpBody::from(text)),
    };
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(&value),
        ) {
            if name == CONTENT_TYPE {
                headers.insert(name, value);
            } else {
                headers.append(name, value);
            }
        }
    }
    response
}
