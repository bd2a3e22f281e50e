//! One vendor account: its state, its faults and what was asked of it. Nothing is shared between instances.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use tokio::sync::oneshot;

use crate::credentials::{BearerToken, Rotation};
use crate::exchange::{Answer, Body, VendorRequest};
use crate::fault::{self, Action, Fault, Faults};
use crate::oauth::{OAuth, TokenRequests};
use crate::record::{HeldRequest, RecordedRequest};
use crate::wire::Peer;

/// A vendor's behaviour together with one account's state.
pub(crate) trait VendorState: Send {
    /// Who is recognised by the credentials.
    fn identify(&self, request: &VendorRequest) -> Option<String>;
    /// Handles the request in full.
    fn answer(&mut self, request: &VendorRequest) -> Answer;
    /// The part of a write's body that holds the record's fields.
    fn written_fields<'a>(&self, body: &'a mut Value) -> Option<&'a mut Map<String, Value>>;
    /// The state of a table for tests, or why there is none.
    fn records(&self, table: &str) -> Result<Vec<Value>, String>;
    fn oauth(&mut self) -> &mut OAuth;
    fn add_token(&mut self, token: BearerToken, now: Timestamp) -> Result<(), String>;
    fn rotate(&mut self, username: &str, rotation: Rotation) -> Result<(), String>;
    /// A call of the control API that only this vendor has; `None` when there is none such.
    fn control(
        &mut self,
        _method: &str,
        _path: &[&str],
        _text: &str,
        _now: Timestamp,
    ) -> Option<Result<Answer, String>> {
        None
    }
}

pub(crate) struct Instance {
    url: String,
    inner: Mutex<Inner>,
}

struct Inner {
    vendor: Box<dyn VendorState>,
    faults: Faults,
    requests: Vec<RecordedRequest>,
    held: Vec<Held>,
    clock_offset: SignedDuration,
}

struct Held {
    request: HeldRequest,
    let_go: oneshot::Sender<()>,
}

/// A request as it came off the wire, before the instance gives it a number and a time.
pub(crate) struct Incoming {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) raw_query: String,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) text: String,
}

pub(crate) enum Outcome {
    Answer(Answer),
    /// The connection ends without an answer.
    Cut,
}

impl Instance {
    pub(crate) fn new(url: String, vendor: Box<dyn VendorState>) -> Self {
        Self {
            url,
            inner: Mutex::new(Inner {
                vendor,
                faults: Faults::default(),
                requests: Vec::new(),
                held: Vec::new(),
                clock_offset: SignedDuration::ZERO,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Handles one request, whatever becomes of its client meanwhile.
    pub(crate) async fn handle(&self, incoming: Incoming, peer: &Peer) -> Outcome {
        let (mut request, action) = self.arrive(incoming, peer);
        let answer = match action {
            None => self.apply(&request),
            Some(Action::Status {
                status,
                headers,
                body,
                after_write,
            }) => {
                if after_write {
                    self.apply(&request);
                }
                Answer {
                    status,
                    headers: headers.into_iter().collect(),
                    body: match body {
                        Value::Null => Body::Empty,
                        Value::String(text) => Body::Text {
                            content_type: "text/plain; charset=utf-8",
                            text,
                        },
                        json @ (Value::Bool(_)
                        | Value::Number(_)
                        | Value::Array(_)
                        | Value::Object(_)) => Body::Json(json),
                    },
                }
            }
            Some(Action::Delay { ms }) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                self.apply(&request)
            }
            Some(Action::LoseAnswer) => {
                self.apply(&request);
                return Outcome::Cut;
            }
            Some(Action::RefuseBefore) => return Outcome::Cut,
            Some(Action::Hold { after_write, ms }) => {
                if after_write {
                    let answer = self.apply(&request);
                    self.hold(&request, peer, true, ms).await;
                    answer
                } else {
                    self.hold(&request, peer, false, ms).await;
                    self.apply(&request)
                }
            }
            Some(Action::Keep { set, drop }) => {
                let inner = self.lock();
                if let Some(body) = &mut request.body
                    && let Some(fields) = inner.vendor.written_fields(body)
                {
                    fault::keep(fields, set, &drop);
                }
                std::mem::drop(inner);
                self.apply(&request)
            }
        };
        self.note_status(request.serial, answer.status);
        Outcome::Answer(answer)
    }

    fn arrive(&self, incoming: Incoming, peer: &Peer) -> (VendorRequest, Option<Action>) {
        let mut inner = self.lock();
        let query = form_urlencoded::parse(incoming.raw_query.as_bytes())
            .into_owned()
            .collect();
        let request = VendorRequest {
            method: incoming.method,
            path: incoming.path,
            raw_query: incoming.raw_query,
            query,
            headers: incoming.headers,
            body: serde_json::from_str(&incoming.text).ok(),
            text: incoming.text,
            now: Timestamp::now() + inner.clock_offset,
            instance_url: self.url.clone(),
            serial: inner.requests.len() as u64 + 1,
        };
        let user = inner.vendor.identify(&request);
        let record = RecordedRequest::new(&request, user, peer.port());
        inner.requests.push(record);
        let action = inner.faults.strike(&request);
        (request, action)
    }

    fn apply(&self, request: &VendorRequest) -> Answer {
        self.lock().vendor.answer(request)
    }

    async fn hold(&self, request: &VendorRequest, peer: &Peer, applied: bool, ms: u64) {
        let (let_go, gone) = oneshot::channel();
        let held = HeldRequest {
            id: request.serial,
            method: request.method.clone(),
            path: request.path.clone(),
            peer_port: peer.port(),
            applied,
        };
        self.lock().held.push(Held {
            request: held,
            let_go,
        });
        // Released, or the instance was deleted, or the time is over: all three let the request go.
        tokio::time::timeout(Duration::from_millis(ms), gone)
            .await
            .ok();
        self.lock()
            .held
            .retain(|held| held.request.id != request.serial);
    }

    fn note_status(&self, serial: u64, status: u16) {
        let mut inner = self.lock();
        if let Some(record) = inner.requests.iter_mut().find(|record| record.id == serial) {
            record.status = Some(status);
        }
    }

    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        self.lock().requests.clone()
    }

    /// How often each path was called, by method and path without the query.
    pub(crate) fn calls(&self) -> BTreeMap<String, u64> {
        let mut calls = BTreeMap::new();
        for request in &self.lock().requests {
            *calls
                .entry(format!("{} {}", request.method, request.path))
                .or_default() += 1;
        }
        calls
    }

    pub(crate) fn records(&self, table: &str) -> Result<Vec<Value>, String> {
        self.lock().vendor.records(table)
    }

    pub(crate) fn add_faults(&self, faults: Vec<Fault>) {
        self.lock().faults.add(faults);
    }

    pub(crate) fn faults(&self) -> Vec<Fault> {
        self.lock().faults.remaining().to_vec()
    }

    pub(crate) fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    pub(crate) fn held(&self) -> Vec<HeldRequest> {
        let inner = self.lock();
        inner.held.iter().map(|held| held.request.clone()).collect()
    }

    /// Lets one held request go, or all of them, and says how many there were.
    pub(crate) fn release(&self, id: Option<u64>) -> usize {
        let mut inner = self.lock();
        let (released, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut inner.held)
            .into_iter()
            .partition(|held| id.is_none_or(|id| held.request.id == id));
        inner.held = kept;
        let count = released.len();
        for held in released {
            // The time may have run out this instant.
            held.let_go.send(()).ok();
        }
        count
    }

    pub(crate) fn expire_tokens(&self) {
        let mut inner = self.lock();
        let now = Timestamp::now() + inner.clock_offset;
        inner.vendor.oauth().expire_tokens(now);
    }

    pub(crate) fn revoke_grants(&self) {
        self.lock().vendor.oauth().revoke_grants();
    }

    pub(crate) fn deny(&self, deny: bool) {
        self.lock().vendor.oauth().deny = deny;
    }

    pub(crate) fn token_requests(&self) -> BTreeMap<String, TokenRequests> {
        self.lock().vendor.oauth().requests()
    }

    pub(crate) fn add_token(&self, token: BearerToken) -> Result<(), String> {
        let mut inner = self.lock();
        let now = Timestamp::now() + inner.clock_offset;
        inner.vendor.add_token(token, now)
    }

    pub(crate) fn rotate(&self, username: &str, rotation: Rotation) -> Result<(), String> {
        self.lock().vendor.rotate(username, rotation)
    }

    /// A call of the control API that only the vendor knows.
    pub(crate) fn control(
        &self,
        method: &str,
        path: &[&str],
        text: &str,
    ) -> Option<Result<Answer, String>> {
        let mut inner = self.lock();
        let now = Timestamp::now() + inner.clock_offset;
        inner.vendor.control(method, path, text, now)
    }

    pub(crate) fn advance_clock(&self, seconds: u32) {
        self.lock().clock_offset += SignedDuration::from_secs(i64::from(seconds));
    }
}
