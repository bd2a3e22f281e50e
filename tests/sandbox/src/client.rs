use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::control::{ClockJump, Deny, Release};
use crate::credentials::{BearerToken, Rotation};
use crate::fault::Fault;
use crate::oauth::TokenRequests;
use crate::record::{HeldRequest, RecordedRequest};

/// The control API, called over HTTP, so that the sandbox may run in another process.
#[derive(Debug, Clone)]
pub struct Control {
    base_url: String,
    http: reqwest::Client,
}

/// Why a call of the control API failed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The sandbox could not be reached.
    #[error("cannot reach the sandbox")]
    Unreachable(#[source] reqwest::Error),
    /// The sandbox refused the call.
    #[error("the sandbox refused with {status}: {reason}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The sandbox's own words.
        reason: String,
    },
    /// What was to be sent cannot be written as JSON, or the answer is not the expected one.
    #[error("unexpected JSON")]
    Json(#[source] serde_json::Error),
}

impl Control {
    /// Talks to the sandbox at this base URL.
    pub fn new(base_url: &str) -> Self {
        // The workspace builds reqwest without a default provider of cryptography, and making a client asks for one
        // even where only plain HTTP is spoken. An error means that one is installed already.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            http: reqwest::Client::new(),
        }
    }

    /// The ServiceNow instance of this name, whether it exists or not.
    pub fn servicenow(&self, instance: &str) -> InstanceControl {
        self.instance("servicenow", instance)
    }

    /// The Zendesk account with this subdomain, whether it exists or not.
    pub fn zendesk(&self, subdomain: &str) -> InstanceControl {
        self.instance("zendesk", subdomain)
    }

    /// The Qualtrics data centre of this name, whether it exists or not.
    pub fn qualtrics(&self, datacenter: &str) -> InstanceControl {
        self.instance("qualtrics", datacenter)
    }

    /// The company of this name at TeamViewer, whether it exists or not.
    pub fn teamviewer(&self, company: &str) -> InstanceControl {
        self.instance("teamviewer", company)
    }

    fn instance(&self, vendor: &str, name: &str) -> InstanceControl {
        InstanceControl {
            vendor_url: format!("{}/{vendor}/{name}", self.base_url),
            control_url: format!("{}/_sandbox/{vendor}/{name}", self.base_url),
            http: self.http.clone(),
        }
    }
}

/// The control API of one instance. Every method fails with [`ControlError::Refused`] when there is no such instance.
#[derive(Debug, Clone)]
pub struct InstanceControl {
    vendor_url: String,
    control_url: String,
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl InstanceControl {
    /// What stands for the vendor's host, e.g. `http://127.0.0.1:4000/zendesk/acme`.
    pub fn url(&self) -> &str {
        &self.vendor_url
    }

    /// Creates the instance, or replaces it with an empty one: a [`crate::servicenow::Config`],
    /// a [`crate::zendesk::Config`], a [`crate::qualtrics::Config`], a [`crate::teamviewer::Config`] or the same as JSON.
    ///
    /// # Errors
    ///
    /// Unknown fields and contradictions in the configuration are refused.
    pub async fn create(&self, config: &impl Serialize) -> Result<(), ControlError> {
        self.send(reqwest::Method::PUT, "", Some(config)).await?;
        Ok(())
    }

    /// Deletes the instance: from now on its host is unknown.
    ///
    /// # Errors
    ///
    /// See [`ControlError`].
    pub async fn delete(&self) -> Result<(), ControlError> {
        self.call(reqwest::Method::DELETE, "").await?;
        Ok(())
    }

    /// Every request so far, oldest first.
    ///
    /// # Errors
    ///
    /// See [`ControlError`].
    pub async fn requests(&self) -> Result<Vec<RecordedRequest>, ControlError> {
        self.list("/requests", "requests").await
    }

    /// How often each path was called, as in `GET /api/v1/reports/connections`, queries left out.
    ///
    /// # Errors
    ///
    /// See [`ControlError`].
    pub async fn calls(&self) -> Result<BTreeMap<String, u64>, ControlError> {
        let mut answer = self.call(reqwest::Method::GET, "/calls").await?;
        serde_json::from_value(answer["calls"].take()).map_err(ControlError::Json)
    }

    /// TeamViewer only: adds records to the connection report, or replaces those of the same id; a list of
    /// [`crate::teamviewer::Connection`]s or the same as JSON. Answers with their ids in the order given.
    ///
    /// # Errors
    ///
    /// What contradicts itself is refused, and then nothing is added.
    pub async fn put_connections(
        &self,
        records: &impl Serialize,
    ) -> Result<Vec<String>, ControlError> {
        let mut answer = self
            .send(reqwest::Method::POST, "/connections", Some(records))
            .await?;
        serde_json::from_value(answer["ids"].take()).map_err(ControlError::Json)
    }

    /// TeamViewer only: changes some fields of a record of the connection report; `null` takes one away.
    ///
    /// # Errors
    ///
    /// An unknown id is refused.
    pub async fn change_connection(&self, id: &str, changes: &Value) -> Result<(), ControlError> {
        self.send(
            reqwest::Method::PATCH,
            &format!("/connections/{id}"),
            Some(changes),
        )
        .await?;
        Ok(())
    }

    /// TeamViewer only: adds service cases, or replaces those of the same code; a list of [`crate::teamviewer::Case`]s
    /// or the same as JSON. Answers with their codes in the order given.
    ///
    /// # Errors
    ///
    /// What contradicts itself is refused.
    pub async fn put_sessions(&self, cases: &impl Serialize) -> Result<Vec<String>, ControlError> {
        let mut answer = self
            .send(reqwest::Method::POST, "/sessions", Some(cases))
            .await?;
        serde_json::from_value(answer["codes"].take()).map_err(ControlError::Json)
    }

    /// TeamViewer only: changes some fields of a service case, as people do in the vendor's own pages:
    /// `{"online": true}`, `{"state": "closed"}`, `{"valid_until": "..."}`. `null` takes one away.
    ///
    /// # Errors
    ///
    /// An unknown code is refused.
    pub async fn change_session(&self, code: &str, changes: &Value) -> Result<(), ControlError> {
        self.send(
            reqwest::Method::PATCH,
            &format!("/sessions/{code}"),
            Some(changes),
        )
        .await?;
        Ok(())
    }

    /// The state of a table (`incident`, ...; Zendesk: `tickets`, `users`, `profiles` or `custom_objects/KEY`;
    /// TeamViewer: `connections`, hidden ones too, `sessions` or `groups`), oldest first. ServiceNow records carry a
    /// list `journal`, Zendesk tickets `comments` and `audits`.
    ///
    /// # Errors
    ///
    /// A table that the instance doesn't have is refused.
    pub async fn records(&self, table: &str) -> Result<Vec<Value>, ControlError> {
        self.list(&format!("/records?table={table}"), "records")
            .await
    }

    /// Adds faults behind those that still wait.
    ///
    /// # Errors
    ///
    /// See [`ControlError`].
    pub async fn add_faults(&self, faults: &[Fault]) -> Result<(), ControlError> {
        self.send(reqwest::Method::POST, "/faults", Some(faults))
            .await?;
        Ok(())
    }

    /// Faults that still have to strike.
    ///
    /// # Errors
    ///
    /// See [`ControlError`].
    pub async fn faults(&self) -> Result<Vec<Fault>, ControlError> {
        self.list("/faults", "faults").await
    }

    /// Forgets all faults; requests held already stay held.
    ///
    /// # Errors
    ///
    /// See [`ControlError`].
    pub async fn clear_faults(&self) -> Result<(), ControlError> {
        self.call(reqwest::Method::DELETE, "/faults").await?;
        Ok(())
    }

    /// Requests whose answers are being kept back.
    ///
    /// # Errors
    ///
    /// See [`ControlError`].
    pub async fn held(&self) -> Result<Vec<HeldRequest>, ControlError> {
        self.list("/held", "held").await
    }

    /// Lets one held request go, or all of them.
    ///
    /// # Errors
    ///
    /// See [`ControlError`].
    pub async fn release(&self, id: Option<u64>) -> Result<(), ControlError> {
        self.send(reqwest::Method::POST, "/release", Some(&Release { id }))
            .await?;
        Ok(())
    }

    /// Makes every access token expire now, those given and those issued; refresh tokens live on.
    ///
    /// # Errors
    ///
    /// See [`ControlError`].
    pub async fn expire_tokens(&self) -> Result<(), ControlError> {
        self.call(reqwest::Method::POST, "/expire-tokens").await?;
        Ok(())
    }

    /// Ends every refresh token, as happens when somebody takes the permission back; access tokens live on.
    ///
    /// # Errors
    ///
    /// See [`ControlError`].
    pub async fn revoke_grants(&self) -> Result<(), ControlError> {
        self.call(reqwest::Method::POST, "/revoke-grants").await?;
        Ok(())
    }

    /// Whether people who are asked for permission click "Deny" from now on.
    ///
    /// # Errors
    ///
    /// See [`ControlError`].
    pub async fn deny(&self, deny: bool) -> Result<(), ControlError> {
        self.send(reqwest::Method::POST, "/deny", Some(&Deny { deny }))
            .await?;
        Ok(())
    }

    /// How many requests for tokens reached the vendor, by `grant_type`; `other` stands for grants that don't exist.
    ///
    /// # Errors
    ///
    /// See [`ControlError`].
    pub async fn token_requests(&self) -> Result<BTreeMap<String, TokenRequests>, ControlError> {
        let mut answer = self.call(reqwest::Method::GET, "/oauth").await?;
        serde_json::from_value(answer["token_requests"].take()).map_err(ControlError::Json)
    }

    /// Makes the instance accept one more bearer token.
    ///
    /// # Errors
    ///
    /// A token of an unknown user is refused.
    pub async fn add_bearer_token(&self, token: &BearerToken) -> Result<(), ControlError> {
        self.send(reqwest::Method::POST, "/bearer-tokens", Some(token))
            .await?;
        Ok(())
    }

    /// Changes a user's password or API token; the old one stops working.
    ///
    /// # Errors
    ///
    /// An unknown user is refused.
    pub async fn rotate(&self, username: &str, rotation: &Rotation) -> Result<(), ControlError> {
        let username =
            percent_encoding::utf8_percent_encode(username, percent_encoding::NON_ALPHANUMERIC);
        self.send(
            reqwest::Method::PUT,
            &format!("/users/{username}"),
            Some(rotation),
        )
        .await?;
        Ok(())
    }

    /// Sets the instance's clock forward, in whole seconds, at most 136 years: tokens and idempotency keys age by it.
    ///
    /// # Errors
    ///
    /// See [`ControlError`].
    pub async fn advance_clock(&self, by: Duration) -> Result<(), ControlError> {
        let seconds = u32::try_from(by.as_secs()).unwrap_or(u32::MAX);
        self.send(
            reqwest::Method::POST,
            "/advance-clock",
            Some(&ClockJump { seconds }),
        )
        .await?;
        Ok(())
    }

    async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        key: &str,
    ) -> Result<Vec<T>, ControlError> {
        let mut answer = self.call(reqwest::Method::GET, path).await?;
        serde_json::from_value(answer[key].take()).map_err(ControlError::Json)
    }

    async fn call(&self, method: reqwest::Method, path: &str) -> Result<Value, ControlError> {
        self.send(method, path, None::<&()>).await
    }

    async fn send<T: Serialize + ?Sized>(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&T>,
    ) -> Result<Value, ControlError> {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.control_url));
        if let Some(body) = body {
            request = request.body(serde_json::to_vec(body).map_err(ControlError::Json)?);
        }
        let response = request.send().await.map_err(ControlError::Unreachable)?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(ControlError::Unreachable)?;
        if !status.is_success() {
            let reason = serde_json::from_slice::<Refusal>(&bytes)
                .map_or_else(|_| "no reason given".to_owned(), |refusal| refusal.error);
            return Err(ControlError::Refused {
                status: status.as_u16(),
                reason,
            });
        }
        if bytes.is_empty() {
            return Ok(json!({}));
        }
        serde_json::from_slice(&bytes).map_err(ControlError::Json)
    }
}
