//! Stands in for ServiceNow, Zendesk, Qualtrics and TeamViewer on loopback: with what the real ones ignore, alter and
//! refuse, with state in memory, with every request recorded, and with faults on demand.
//!
//! A vendor's own paths live below what stands for its host:
//!
//! | instead of | use |
//! |---|---|
//! | `https://dev12345.service-now.com` | `{base}/servicenow/dev12345` |
//! | `https://acme.zendesk.com` | `{base}/zendesk/acme` |
//! | `https://fra1.qualtrics.com` | `{base}/qualtrics/fra1` |
//! | `https://webapi.teamviewer.com`, `https://login.teamviewer.com` | `{base}/teamviewer/acme`: a company |
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
//! [`Control`] speaks it; it is plain JSON over HTTP below
//! `{base}/_sandbox/{servicenow|zendesk|qualtrics|teamviewer}/{name}`. Unknown fields are refused, and a refusal is
//! `{"error": "<reason>"}` with status 400 or 404. `GET {base}/_sandbox` lists the instances.
//!
//! ## `PUT /` creates or empties an instance
//!
//! The body is a [`servicenow::Config`], a [`zendesk::Config`], a [`qualtrics::Config`] or a [`teamviewer::Config`];
//! everything in it may be left out.
//!
//! ```json
//! {
//!   "users": [{ "username": "api", "password": "secret", "name": "Api User" }],
//!   "bearer_tokens": [{ "token": "t0ken", "username": "api", "expires_in": 1800 }],
//!   "oauth_clients": [
//!     { "client_id": "0ab1", "client_secret": "s3cret", "redirect_uris": ["https://app.example.com/back"],
//!       "kind": "confidential", "grants": ["authorization_code", "refresh_token", "password", "client_credentials"],
//!       "username": "api", "access_seconds": 1800, "refresh_seconds": 8640000 }
//!   ],
//!   "refresh_answer": "repeat",
//!   "client_credentials": false,
//!   "deny": false,
//!   "people": [{ "name": "David Loo", "email": "david@example.com", "user_name": "david.loo", "active": true }],
//!   "groups": [{ "name": "Service Desk", "sys_id": "d625dccec0a8016700a222a0f7900d06", "active": true }],
//!   "read_only_columns": { "incident": ["category"] },
//!   "read_only_tables": ["problem"],
//!   "unreadable_tables": ["sys_choice"],
//!   "hidden_rows": { "sys_user": "active=false" },
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
//!   "oauth_clients": [
//!     { "client_id": "closedloop", "client_secret": "s3cret", "redirect_uris": ["https://app.example.com/back"],
//!       "scope": "read write", "username": "admin@example.com" },
//!     { "client_id": "public", "client_secret": null, "redirect_uris": ["http://localhost:8080/back"] }
//!   ],
//!   "deny": false,
//!   "token_status": 201,
//!   "wrong_token_is_anonymous": false,
//!   "agents": [{ "email": "ann@example.com", "name": "Ann", "id": 5 }],
//!   "end_users": [{ "email": "eve@example.com" }],
//!   "ticket_fields": [
//!     { "id": 100, "title": "Colour", "type": "tagger", "required": true,
//!       "options": [{ "name": "Red", "value": "red" }] },
//!     { "title": "Order", "type": "regexp", "pattern": "[0-9]{4}" }
//!   ],
//!   "custom_objects": [
//!     { "key": "car", "title": "Car", "unique_names": true,
//!       "fields": [
//!         { "key": "make", "title": "Make", "type": "text" },
//!         { "key": "colour", "type": "dropdown", "options": [{ "name": "Red", "value": "red" }] },
//!         { "key": "plate", "type": "regexp", "pattern": "[A-Z]{2}-[0-9]+" },
//!         { "key": "trailer", "type": "lookup", "target": "car" }
//!       ] },
//!     { "key": "order", "autonumber_prefix": "Order # " }
//!   ],
//!   "unknown_fields": "drop",
//!   "without_hold": false
//! }
//! ```
//!
//! ```json
//! {
//!   "brand": "acme",
//!   "api_tokens": [{ "username": "ann@example.com#acme", "token": "abc" }],
//!   "oauth_clients": [
//!     { "client_id": "closedloop", "client_secret": "s3cret", "grants": ["client_credentials"],
//!       "username": "ann@example.com#acme", "scope": "manage:all", "access_seconds": 3600 }
//!   ],
//!   "surveys": [
//!     { "id": "SV_1", "name": "Trial", "questions": { "QID1": {
//!       "questionText": "How <b>was</b> it?", "questionName": "Q1",
//!       "choices": { "1": { "recode": "1", "choiceText": "Bad" } } } } }
//!   ],
//!   "responses": [
//!     { "id": "R_1", "survey": "SV_1", "values": { "QID1": 1 }, "labels": { "QID1": "Bad" },
//!       "displayed_fields": ["QID1"], "displayed_values": {}, "late": 1 }
//!   ],
//!   "without_api": false,
//!   "home": "syd1.qualtrics.com",
//!   "responses_per_minute": 240
//! }
//! ```
//!
//! ```json
//! {
//!   "company_name": "Acme",
//!   "users": [{ "id": "u1001", "name": "Ann", "email": "ann@example.com" }],
//!   "groups": [{ "id": "g1", "name": "Helpdesk" }],
//!   "script_tokens": [
//!     { "token": "1234567-abc", "level": "company", "userid": "u1001",
//!       "permissions": ["Connections.Read", "Sessions.ReadAll"] }
//!   ],
//!   "oauth_clients": [
//!     { "client_id": "closedloop", "client_secret": "s3cret", "redirect_uris": ["https://app.example.com/back"],
//!       "username": "u1001", "access_seconds": 86400, "scope": "Sessions.Create Sessions.ReadOwn Sessions.ModifyOwn" }
//!   ],
//!   "bearer_tokens": [{ "token": "t0ken", "username": "u1001", "expires_in": 1800 }],
//!   "deny": false,
//!   "expired_status": 401,
//!   "sessions": [
//!     { "code": "s119-457-589", "groupid": "g1", "description": "No sound", "assigned_userid": "u1001",
//!       "end_customer": { "name": "Eve", "email": "eve@example.com" }, "custom_api": "INC1", "online": false }
//!   ],
//!   "connections": [
//!     { "id": "0755a8dd-df19-4ea7-af47-cabb6b2a97e4", "userid": "u1001", "deviceid": "123456789012",
//!       "support_session_type": 1, "start_date": "2026-01-02T14:10:50Z", "end_date": "2026-01-02T14:11:01Z",
//!       "session_code": "s119-457-589", "visible_at": "2026-01-02T14:20:00Z" }
//!   ],
//!   "page_size": 1000,
//!   "sessions_page_size": 1000,
//!   "window": "start",
//!   "style": "plain",
//!   "state_style": "Open",
//!   "create_answer": "ok",
//!   "max_open_cases": 100,
//!   "rate_limit": { "calls": 300, "per_seconds": 3600 }
//! }
//! ```
//!
//! ## Everything else
//!
//! | Call | Body | Answer |
//! |---|---|---|
//! | `DELETE /` | | 204; held requests are let go |
//! | `GET /requests` | | `{"requests": [...]}`, each a [`RecordedRequest`] |
//! | `GET /records?table=incident` | | `{"records": [...]}`; ServiceNow records carry `journal`, Zendesk's `tickets` carry `comments` and `audits`; Zendesk has `users`, `profiles` and `custom_objects/KEY` besides; TeamViewer `connections`, `sessions` and `groups` |
//! | `GET /calls` | | `{"calls": {"GET /api/v1/ping": 2}}`: requests by method and path |
//! | `POST /faults` | a list of [`Fault`]s | 204 |
//! | `GET /faults` | | `{"faults": [...]}`: those that still have to strike |
//! | `DELETE /faults` | | 204 |
//! | `GET /held` | | `{"held": [...]}`, each a [`HeldRequest`] with the client's TCP port |
//! | `POST /release` | nothing for all, or `{"id": 7}` | `{"released": 1}` |
//! | `POST /expire-tokens` | | 204; every access token expires now, given or issued |
//! | `POST /revoke-grants` | | 204; every refresh token is dead: the next refresh is refused |
//! | `POST /deny` | `{"deny": true}` | 204; from now on people click "Deny" |
//! | `GET /oauth` | | `{"token_requests": {"refresh_token": {"succeeded": 1, "refused": 0}}}`: [`TokenRequests`] by grant |
//! | `POST /bearer-tokens` | a [`BearerToken`] | 204; one more is accepted |
//! | `PUT /users/{name}` | `{"password": "new"}`, elsewhere also `{"api_token": "new"}` | 204; the old secret stops working |
//! | `POST /advance-clock` | `{"seconds": 7200}` | 204; tokens and idempotency keys age |
//!
//! Only TeamViewer has these:
//!
//! | Call | Body | Answer |
//! |---|---|---|
//! | `POST /connections` | a list of [`teamviewer::Connection`]s | `{"ids": [...]}`; those of the same id are replaced |
//! | `PATCH /connections/{id}` | some of their fields; `null` takes one away | 204 |
//! | `POST /sessions` | a list of [`teamviewer::Case`]s | `{"codes": [...]}`; those of the same code are replaced |
//! | `PATCH /sessions/{code}` | some of their fields, as `{"online": true}` or `{"state": "closed"}` | 204 |
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
//!   { "action": { "keep": { "set": { "urgency": "1" }, "drop": ["short_description"] } } },
//!   { "match": { "path_contains": "/oauth/tokens", "body_contains": "refresh_token" }, "action": "lose_answer" }
//! ]
//! ```
//!
//! # OAuth
//!
//! | | ServiceNow | Zendesk | TeamViewer |
//! |---|---|---|---|
//! | the page | `GET /oauth_auth.do` | `GET /oauth/authorizations/new` | `GET /oauth2/authorize` |
//! | tokens | `POST /oauth_token.do`, a form | `POST /oauth/tokens`, JSON | `POST /api/v1/oauth2/token`, a form |
//! | taking back | `/oauth_revoke_token.do?token=` | `DELETE /api/v2/oauth/tokens/current.json` | `POST /api/v1/oauth2/revoke` with the token as `Bearer` |
//! | a refresh | the valid access token again, with what is left of its life | a new pair; both old tokens die | the same |
//!
//! There is no browser: the page answers a valid request at once with the redirect, as if the client's user had signed
//! in and clicked "Allow". Where it cannot know whom to send back to, it shows a page with status 400. PKCE is checked
//! where a challenge was sent, by S256 alone, and public clients have to use it; TeamViewer knows neither, and passes
//! it over. Records of requests show that a secret was sent, never which.
//!
//! # What isn't there
//!
//! In OAuth: sign-in pages, assertions (JWT), the implicit grant, Zendesk's password grant and its tokens without an end,
//! limits of scopes to single ServiceNow APIs. At ServiceNow: roles, domains, scripts (`javascript:` in a query is
//! compared as text) and daylight saving. At Zendesk: triggers, forms, groups (`group_id` is kept as sent), attachments,
//! copies, the search for anything but users, bulk jobs, the question whether a subdomain is free, identities of users
//! besides the address, limits on kinds of profiles, permissions and photos of custom objects, legacy objects. At
//! Qualtrics: everything but whoami, surveys, single responses and client credentials. At TeamViewer: whatever is about
//! neither connections nor service cases, XML, the sharing of groups, texts to mobile phones. No limit on rates is
//! enforced but that of single responses at Qualtrics and TeamViewer's `rate_limit`: make one with a fault.
//!
//! # What TeamViewer does
//!
//! Parameters that it doesn't know are passed over, `limit`, `page`, `offset` and `sort` of the connection report among
//! them: only `offset_id` leads to the next page. `records_remaining` and `next_offset` are there only if there is one.
//! The newest end comes first, and before it what has no end. An expired service case stays open. `state` of a list is
//! `open` unless it is given, and a list without `full_list=true` has code, state and group alone. A group's name that
//! nobody has makes a group; a token of company level may not name one. Tokens of user level see what is the user's
//! own.

mod client;
mod control;
mod credentials;
mod exchange;
mod fault;
mod instance;
mod oauth;
pub mod qualtrics;
mod record;
mod secret;
mod server;
pub mod servicenow;
pub mod teamviewer;
mod wire;
pub mod zendesk;

pub use client::{Control, ControlError, InstanceControl};
pub use credentials::{BearerToken, Login, Rotation};
pub use fault::{Action, Fault, Match};
pub use oauth::{ClientKind, GrantType, OAuthClient, TokenRequests};
pub use record::{HeldRequest, RecordedRequest};
pub use secret::Secret;
pub use server::Sandbox;
