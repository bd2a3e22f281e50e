//! Stands in for ServiceNow and Zendesk on loopback: with what the real ones ignore, alter and refuse, with state in
//! memory, with every request recorded, and with faults on demand.
//!
//! A vendor's own paths live below what stands for its host:
//!
//! | instead of | use |
//! |---|---|
//! | `https://dev12345.service-now.com` | `{base}/servicenow/dev12345` |
//! | `https://acme.zendesk.com` | `{base}/zendesk/acme` |
//!
//! Nothing is there until it is created; the address of an instance that doesn't exist answers as the vendor does for
//! a wrong host. Instances share neither state nor faults nor records, so that many tests can use one server.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), sandbox::ControlError> {
//! use sandbox::{Action, Fault, Match, Sandbox};
//! use serde_json::json;
//!
//! let sandbox = Sandbox::start().await;
//! let acme = sandbox.control().zendesk("acme");
//! acme.create(&json!({ "users": [{ "username": "bot@example.com", "password": "p" }] })).await?;
//! // The next create lands, but its answer never arrives.
//! acme.add_faults(&[Fault::new(Action::LoseAnswer).on(Match::method("POST"))]).await?;
//! // ... let a client work against acme.url(), then look at what came of it:
//! let tickets = acme.records("tickets").await?;
//! let requests = acme.requests().await?;
//! # assert!(tickets.is_empty() && requests.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! The program `sandbox --port N` serves the same on loopback, prints its base URL when it is ready, and ends on SIGTERM
//! or SIGINT.
//!
//! # The control API
//!
//! [`Control`] speaks it; it is plain JSON over HTTP below `{base}/_sandbox/{servicenow|zendesk}/{name}`. Unknown fields
//! are refused, and a refusal is `{"error": "<reason>"}` with status 400 or 404. `GET {base}/_sandbox` lists the
//! instances.
//!
//! ## `PUT /` creates or empties an instance
//!
//! The body is a [`servicenow::Config`] or a [`zendesk::Config`]; everything in it may be left out.
//!
//! ```json
//! {
//!   "users": [{ "username": "api", "password": "secret", "name": "Api User" }],
//!   "bearer_tokens": [{ "token": "t0ken", "username": "api", "expires_in": 1800 }],
//!   "people": [{ "name": "David Loo", "email": "david@example.com" }],
//!   "groups": [{ "name": "Service Desk", "sys_id": "d625dccec0a8016700a222a0f7900d06" }],
//!   "read_only_columns": { "incident": ["category"] },
//!   "read_only_tables": ["problem"],
//!   "unreadable_tables": ["sys_user"],
//!   "mandatory_fields": { "incident": ["caller_id"] },
//!   "tables": {
//!     "incident": { "columns": { "u_nps": "integer" } },
//!     "u_feedback": {
//!       "extends_task": true, "number_prefix": "FB",
//!       "columns": { "u_text": "text", "u_code": { "string": 8 }, "u_by": { "reference": "sys_user" },
//!                    "u_mood": { "choice": { "1": "Bad", "2": "Good" } } }
//!     }
//!   },
//!   "utc_offset_hours": -7,
//!   "hibernating": false
//! }
//! ```
//!
//! ```json
//! {
//!   "users": [{ "username": "admin@example.com", "password": "secret" }],
//!   "api_tokens": [{ "email": "admin@example.com", "token": "abc" }],
//!   "bearer_tokens": [{ "token": "t0ken", "expires_in": 1800, "scope": "read write" }],
//!   "agents": [{ "email": "ann@example.com", "name": "Ann", "id": 5 }],
//!   "end_users": [{ "email": "eve@example.com" }],
//!   "ticket_fields": [
//!     { "id": 100, "title": "Colour", "type": "tagger", "required": true,
//!       "options": [{ "name": "Red", "value": "red" }] }
//!   ],
//!   "without_hold": false
//! }
//! ```
//!
//! ## Everything else
//!
//! | Call | Body | Answer |
//! |---|---|---|
//! | `DELETE /` | | 204; held requests are let go |
//! | `GET /requests` | | `{"requests": [...]}`, each a [`RecordedRequest`] |
//! | `GET /records?table=incident` | | `{"records": [...]}`; ServiceNow records carry `journal`, Zendesk's `tickets` carry `comments` and `audits`; Zendesk has `users` besides |
//! | `POST /faults` | a list of [`Fault`]s | 204 |
//! | `GET /faults` | | `{"faults": [...]}`: those that still have to strike |
//! | `DELETE /faults` | | 204 |
//! | `GET /held` | | `{"held": [...]}`, each a [`HeldRequest`] with the client's TCP port |
//! | `POST /release` | nothing for all, or `{"id": 7}` | `{"released": 1}` |
//! | `POST /expire-tokens` | | 204; every bearer token expires now |
//! | `POST /bearer-tokens` | a [`BearerToken`] | 204; one more is accepted |
//! | `PUT /users/{name}` | `{"password": "new"}`, for Zendesk also `{"api_token": "new"}` | 204; the old secret stops working |
//! | `POST /advance-clock` | `{"seconds": 7200}` | 204; tokens and idempotency keys age |
//!
//! Each of these is a fault:
//!
//! ```json
//! [
//!   { "match": { "method": "POST", "path_contains": "/incident", "body_contains": "k1" }, "times": 2, "skip": 1,
//!     "action": { "status": { "status": 429, "headers": { "Retry-After": "30" }, "body": { "error": "slow down" } } } },
//!   { "action": { "status": { "status": 502, "body": "Bad gateway", "after_write": true } } },
//!   { "action": { "delay": { "ms": 500 } } },
//!   { "action": "lose_answer" },
//!   { "action": "refuse_before" },
//!   { "action": { "hold": { "after_write": true, "ms": 30000 } } },
//!   { "action": { "keep": { "set": { "urgency": "1" }, "drop": ["short_description"] } } }
//! ]
//! ```
//!
//! # What isn't there
//!
//! OAuth's own endpoints (bearer tokens are given), ServiceNow's roles, domains, scripts (`javascript:` in a query is
//! compared as text) and daylight saving, Zendesk's triggers, forms, attachments, copies, search and bulk jobs. No limit
//! on rates is enforced: make one with a fault.

mod client;
mod control;
mod credentials;
mod exchange;
mod fault;
mod instance;
mod record;
mod secret;
mod server;
pub mod servicenow;
mod wire;
pub mod zendesk;

pub use client::{Control, ControlError, InstanceControl};
pub use credentials::{BearerToken, Login, Rotation};
pub use fault::{Action, Fault, Match};
pub use record::{HeldRequest, RecordedRequest};
pub use secret::Secret;
pub use server::Sandbox;
