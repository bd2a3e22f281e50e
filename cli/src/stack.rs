//! The stack to work with, by either of two ways: AWS credentials, or a token for its management API. The
//! commands do not know which; both ways have the same requests and answers.

mod teamviewer;

use access::{CreatedToken, NewToken, Token, TokenId};
use domain::{
    Account, AccountName, Endpoint, EndpointName, EventKey, Run, RunId, TaskName, Workflow,
    WorkflowId,
};
use management::{
    AccountDetail, Answers, AppliedAccount, AppliedEndpoint, AppliedWorkflow, Connect,
    ConnectAccount, DeletedEndpoint, DryRun, DryRunRequest, EndpointDetail, EndpointEntry,
    EventDetail, EventEntry, EventFilter, EventQuery, Expected, Listing, Management, Page,
    PutAccount, RenameAccount, RenamedAccount, ReplayEvent, ReplayEvents, ReplayedEvent,
    ReplayedPage, Retried, RetriedPage, RetryFailed, RetryQuery, RevisionEntry, RollBackWorkflow,
    RunDetail, RunFilter, SecretChange, SecretChanged, SwitchWorkflow, TicketField,
    ValidationReport, Verification, WorkflowDiff, WorkflowFilter, WorkflowRevision,
};
use secrecy::SecretString;
use serde_json::json;
use startup::now;
use vendor_http::Method;
use webhook_signature::Secrets;

use crate::api::Api;
use crate::deployed::Deployed;
use crate::error::Error;

/// Which stack, and how it is reached. Nothing is asked of anybody before [`Target::open`].
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// This stack, with AWS credentials.
    Aws { stack: String },
    /// The stack whose API is here, with a token.
    Api { url: String, token: SecretString },
}

impl Target {
    /// Chooses the way: over the API when its address and a token are known, else with AWS credentials.
    /// `stack` and `api` are what was asked for, `known_stack` and `known` what merely happens to be known: whoever names a
    /// stack gets that one.
    pub(crate) fn choose(
        stack: Option<String>,
        known_stack: Option<String>,
        api: Option<String>,
        known: Option<String>,
        token: Option<String>,
    ) -> Result<Self, Error> {
        if let Some(stack) = &stack {
            return Ok(Self::aws(stack));
        }
        let stack = known_stack.as_deref().unwrap_or("closedloop");
        match (api, token) {
            (Some(url), None) => Err(Error::NoToken(url)),
            (None, None) => Ok(Self::aws(stack)),
            (api, Some(token)) => Ok(match api.or(known) {
                Some(url) => Self::Api {
                    url,
                    token: token.into(),
                },
                None => Self::aws(stack),
            }),
        }
    }

    fn aws(stack: &str) -> Self {
        let stack = stack.to_owned();
        Self::Aws { stack }
    }

    pub(crate) async fn open(&self) -> Result<Stack, Error> {
        Ok(match self {
            Self::Aws { stack } => {
                let deployed = Deployed::find(stack).await?;
                Stack::Aws {
                    management: Box::new(deployed.management()?),
                    deployed: Box::new(deployed),
                }
            }
            Self::Api { url, token } => Stack::Api(Box::new(Api::new(url, token.clone())?)),
        })
    }
}

/// A stack that can be worked with.
pub(crate) enum Stack {
    /// With AWS credentials.
    Aws {
        deployed: Box<Deployed>,
        management: Box<Management>,
    },
    /// With a token.
    Api(Box<Api>),
}

impl Stack {
    pub(crate) async fn endpoints(&self) -> Result<Listing<EndpointEntry>, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management.accounts.endpoints().await?),
            Self::Api(api) => api.get(&["endpoints"]).await,
        }
    }

    pub(crate) async fn endpoint(&self, name: &EndpointName) -> Result<EndpointDetail, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management.accounts.endpoint(name).await?),
            Self::Api(api) => api.get(&["endpoints", name.as_str()]).await,
        }
    }

    pub(crate) async fn put_endpoint(&self, endpoint: &Endpoint) -> Result<AppliedEndpoint, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management.accounts.put_endpoint(endpoint).await?),
            Self::Api(api) => {
                let path = ["endpoints", endpoint.name.as_str()];
                api.send_json(Method::PUT, &path, endpoint).await
            }
        }
    }

    pub(crate) async fn delete_endpoint(
        &self,
        name: &EndpointName,
    ) -> Result<DeletedEndpoint, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management.accounts.delete_endpoint(name).await?),
            Self::Api(api) => api.delete_and_read(&["endpoints", name.as_str()]).await,
        }
    }

    pub(crate) async fn change_endpoint_secret(
        &self,
        name: &EndpointName,
        change: &SecretChange,
    ) -> Result<SecretChanged, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management
                .accounts
                .change_endpoint_secret(name, change)
                .await?),
            Self::Api(api) => {
                let path = ["endpoints", name.as_str(), "secret"];
                api.send_secret(Method::POST, &path, change.expose_json())
                    .await
            }
        }
    }

    /// What the endpoint's sender signs with; `None` when it needs nothing.
    pub(crate) async fn endpoint_secrets(
        &self,
        endpoint: &Endpoint,
    ) -> Result<Option<Secrets>, Error> {
        match self {
            Self::Aws { management, .. } => {
                Ok(management.accounts.endpoint_secrets(endpoint).await?)
            }
            Self::Api(_) if endpoint.secret_name().is_none() => Ok(None),
            Self::Api(_) => Err(Error::NeedsAws("reading the secret of an endpoint")),
        }
    }

    pub(crate) async fn accounts(&self) -> Result<Listing<Account>, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management.accounts.accounts().await?),
            Self::Api(api) => api.get(&["accounts"]).await,
        }
    }

    pub(crate) async fn account(&self, name: &AccountName) -> Result<AccountDetail, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management.accounts.account(name).await?),
            Self::Api(api) => api.get(&["accounts", name.as_str()]).await,
        }
    }

    pub(crate) async fn put_account(
        &self,
        name: &AccountName,
        request: PutAccount,
    ) -> Result<AppliedAccount, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management
                .accounts
                .put_account(name, request, now())
                .await?),
            Self::Api(api) => {
                let path = ["accounts", name.as_str()];
                api.send_secret(Method::PUT, &path, request.expose_json())
                    .await
            }
        }
    }

    pub(crate) async fn connect_account(
        &self,
        name: &AccountName,
        request: ConnectAccount,
    ) -> Result<Connect, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management
                .accounts
                .connect_account(name, request, now())
                .await?),
            Self::Api(api) => {
                let path = ["accounts", name.as_str(), "connect"];
                api.send_secret(Method::POST, &path, request.expose_json())
                    .await
            }
        }
    }

    pub(crate) async fn verify_account(&self, name: &AccountName) -> Result<Verification, Error> {
        match self {
            Self::Aws { management, .. } => {
                Ok(management.accounts.verify_account(name, now()).await?)
            }
            Self::Api(api) => api.post(&["accounts", name.as_str(), "verify"]).await,
        }
    }

    pub(crate) async fn rename_account(
        &self,
        name: &AccountName,
        to: &AccountName,
    ) -> Result<RenamedAccount, Error> {
        match self {
            Self::Aws { management, .. } => {
                Ok(management.accounts.rename_account(name, to, now()).await?)
            }
            Self::Api(api) => {
                let path = ["accounts", name.as_str(), "rename"];
                let request = RenameAccount { to: to.clone() };
                api.send_json(Method::POST, &path, &request).await
            }
        }
    }

    pub(crate) async fn delete_account(
        &self,
        name: &AccountName,
        force: bool,
    ) -> Result<(), Error> {
        match self {
            Self::Aws { management, .. } => Ok(management
                .accounts
                .delete_account(name, force, now())
                .await?),
            Self::Api(api) => {
                let path = ["accounts", name.as_str()];
                api.delete(&path, &json!({ "force": force })).await
            }
        }
    }

    pub(crate) async fn ticket_fields(
        &self,
        name: &AccountName,
    ) -> Result<Listing<TicketField>, Error> {
        match self {
            Self::Aws { management, .. } => {
                Ok(management.accounts.ticket_fields(name, now()).await?)
            }
            Self::Api(api) => api.get(&["accounts", name.as_str(), "ticket-fields"]).await,
        }
    }

    pub(crate) async fn workflows(
        &self,
        filter: &WorkflowFilter,
    ) -> Result<Listing<WorkflowRevision>, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management.workflows.workflows(filter).await?),
            Self::Api(api) => api.get_with(&["workflows"], filter).await,
        }
    }

    /// As it is now, or as it was.
    pub(crate) async fn workflow(
        &self,
        id: &WorkflowId,
        revision: Option<u32>,
    ) -> Result<WorkflowRevision, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management.workflows.workflow(id, revision).await?),
            Self::Api(api) => {
                let query = match revision {
                    Some(revision) => json!({ "revision": revision }),
                    None => json!({}),
                };
                api.get_with(&["workflows", id.as_str()], &query).await
            }
        }
    }

    /// Newest first.
    pub(crate) async fn workflow_revisions(
        &self,
        id: &WorkflowId,
    ) -> Result<Listing<RevisionEntry>, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management.workflows.workflow_revisions(id).await?),
            Self::Api(api) => api.get(&["workflows", id.as_str(), "revisions"]).await,
        }
    }

    pub(crate) async fn diff_workflow(
        &self,
        id: &WorkflowId,
        from: u32,
        to: u32,
    ) -> Result<WorkflowDiff, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management
                .workflows
                .diff_workflow(id, from, Some(to))
                .await?),
            Self::Api(api) => {
                let from = from.to_string();
                let path = ["workflows", id.as_str(), "revisions", &from, "diff"];
                api.get_with(&path, &json!({ "to": to })).await
            }
        }
    }

    pub(crate) async fn roll_back_workflow(
        &self,
        id: &WorkflowId,
        revision: u32,
    ) -> Result<AppliedWorkflow, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management
                .workflows
                .roll_back_workflow(id, revision, Expected::Any, now())
                .await?),
            Self::Api(api) => {
                let path = ["workflows", id.as_str(), "rollback"];
                api.send_json(Method::POST, &path, &RollBackWorkflow { revision })
                    .await
            }
        }
    }

    pub(crate) async fn switch_workflow(
        &self,
        id: &WorkflowId,
        enabled: bool,
    ) -> Result<AppliedWorkflow, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management
                .workflows
                .switch_workflow(id, enabled, Expected::Any, now())
                .await?),
            Self::Api(api) => {
                let path = ["workflows", id.as_str()];
                api.send_json(Method::PATCH, &path, &SwitchWorkflow { enabled })
                    .await
            }
        }
    }

    pub(crate) async fn validate_workflow(
        &self,
        workflow: &Workflow,
    ) -> Result<ValidationReport, Error> {
        match self {
            Self::Aws { management, .. } => {
                Ok(management.workflows.validate_workflow(workflow).await?)
            }
            Self::Api(api) => {
                let path = ["workflows", workflow.id.as_str(), "validate"];
                api.send_json(Method::POST, &path, workflow).await
            }
        }
    }

    pub(crate) async fn dry_run(&self, request: &DryRunRequest) -> Result<DryRun, Error> {
        match self {
            Self::Aws { management, .. } => {
                Ok(management.workflows.dry_run(request, now()).await?)
            }
            Self::Api(api) => api.send_json(Method::POST, &["dry-run"], request).await,
        }
    }

    pub(crate) async fn apply_workflow(
        &self,
        workflow: &Workflow,
    ) -> Result<AppliedWorkflow, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management
                .workflows
                .apply_workflow(workflow, Expected::Any, now())
                .await?),
            Self::Api(api) => {
                let path = ["workflows", workflow.id.as_str()];
                api.send_json(Method::PUT, &path, workflow).await
            }
        }
    }

    pub(crate) async fn delete_workflow(&self, id: &WorkflowId) -> Result<(), Error> {
        match self {
            Self::Aws { management, .. } => Ok(management.workflows.delete_workflow(id).await?),
            Self::Api(api) => api.delete(&["workflows", id.as_str()], &()).await,
        }
    }

    /// Newest first, some at a time.
    pub(crate) async fn runs(&self, filter: &RunFilter) -> Result<Page<Run>, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management.workflows.runs(filter, now()).await?),
            Self::Api(api) => api.get_with(&["runs"], filter).await,
        }
    }

    pub(crate) async fn run(&self, id: &RunId) -> Result<RunDetail, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management.workflows.run(id).await?),
            Self::Api(api) => api.get(&["runs", id.as_str()]).await,
        }
    }

    pub(crate) async fn retry_run(
        &self,
        id: &RunId,
        task: Option<&TaskName>,
    ) -> Result<Retried, Error> {
        match self {
            Self::Aws { management, .. } => {
                Ok(management.workflows.retry_run(id, task, now()).await?)
            }
            Self::Api(api) => {
                let query = RetryQuery {
                    task: task.cloned(),
                };
                api.post_with(&["runs", id.as_str(), "retry"], &query).await
            }
        }
    }

    pub(crate) async fn retry_failed(&self, request: &RetryFailed) -> Result<RetriedPage, Error> {
        match self {
            Self::Aws { management, .. } => {
                Ok(management.workflows.retry_failed(request, now()).await?)
            }
            Self::Api(api) => {
                let path = ["runs", "retry"];
                api.send_json(Method::POST, &path, request).await
            }
        }
    }

    /// Newest first, some at a time.
    pub(crate) async fn events(&self, filter: &EventFilter) -> Result<Page<EventEntry>, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management.workflows.events(filter, now()).await?),
            Self::Api(api) => api.get_with(&["events"], filter).await,
        }
    }

    pub(crate) async fn replay_event(
        &self,
        event: &EventKey,
        request: &ReplayEvent,
    ) -> Result<ReplayedEvent, Error> {
        match self {
            Self::Aws { management, .. } => Ok(management
                .workflows
                .replay_event(event, request, now())
                .await?),
            Self::Api(api) => {
                let path = ["events", event.as_str(), "replay"];
                api.send_json(Method::POST, &path, request).await
            }
        }
    }

    pub(crate) async fn replay_events(
        &self,
        request: &ReplayEvents,
    ) -> Result<ReplayedPage, Error> {
        match self {
            Self::Aws { management, .. } => {
                Ok(management.workflows.replay_events(request, now()).await?)
            }
            Self::Api(api) => {
                let path = ["events", "replay"];
                api.send_json(Method::POST, &path, request).await
            }
        }
    }

    pub(crate) async fn fetch_answers(&self, key: &EventKey) -> Result<Answers, Error> {
        match self {
            Self::Aws { management, .. } => {
                Ok(management.workflows.fetch_answers(key, now()).await?)
            }
            Self::Api(api) => api.post(&["events", key.as_str(), "fetch"]).await,
        }
    }

    pub(crate) async fn event(
        &self,
        key: &EventKey,
        workflow: Option<&WorkflowId>,
    ) -> Result<EventDetail, Error> {
        match self {
            Self::Aws { management, .. } => {
                Ok(management.workflows.event(key, workflow, now()).await?)
            }
            Self::Api(api) => {
                let query = EventQuery {
                    workflow: workflow.cloned(),
                };
                api.get_with(&["events", key.as_str()], &query).await
            }
        }
    }

    /// Newest first.
    pub(crate) async fn tokens(&self) -> Result<Listing<Token>, Error> {
        match self {
            Self::Aws { deployed, .. } => {
                let items = deployed.tokens()?.list().await?;
                Ok(Listing { items })
            }
            Self::Api(api) => api.get(&["tokens"]).await,
        }
    }

    /// `created_by` counts where nobody else knows who it is.
    pub(crate) async fn create_token(
        &self,
        token: NewToken,
        created_by: &str,
    ) -> Result<CreatedToken, Error> {
        match self {
            Self::Aws { deployed, .. } => {
                let mut random = [0; access::RANDOM_BYTES];
                getrandom::fill(&mut random).map_err(Error::NoRandomness)?;
                let created = deployed
                    .tokens()?
                    .create(token, created_by, &random, now())
                    .await;
                created.map_err(Error::Token)
            }
            Self::Api(api) => {
                let body = json!({
                    "name": token.name, "roles": token.roles, "expires_at": token.expires_at
                });
                api.send_json(Method::POST, &["tokens"], &body).await
            }
        }
    }

    pub(crate) async fn revoke_token(&self, id: &TokenId) -> Result<(), Error> {
        match self {
            Self::Aws { deployed, .. } => match deployed.tokens()?.revoke(id, now()).await? {
                Some(_) => Ok(()),
                None => Err(Error::UnknownToken(id.to_string())),
            },
            Self::Api(api) => api.delete(&["tokens", id.as_str()], &()).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use management::NewCredential;
    use serde_json::Value;
    use vendor_http::test_support::{Server, Step};

    async fn api(steps: impl IntoIterator<Item = Step>) -> (Stack, Server) {
        let server = Server::start(steps).await.unwrap();
        let target = Target::Api {
            url: server.url(),
            token: "clt_hunter2".into(),
        };
        (target.open().await.unwrap(), server)
    }

    fn account() -> Value {
        json!({
            "name": "support", "vendor": "zendesk", "instance": "acme", "kind": "bearer",
            "state": "connected", "secret": "s", "updated_at": "2026-11-21T12:00:00Z"
        })
    }

    #[tokio::test]
    async fn api_is_asked_with_the_token_and_the_same_requests() {
        let (stack, server) = api([
            Step::json(200, json!({"done": "created", "account": account()})),
            Step::json(200, json!({"items": []})),
            Step::json(204, ""),
        ])
        .await;
        let name = AccountName::parse("support").unwrap();
        let request = PutAccount {
            vendor: domain::Vendor::Zendesk,
            instance: "acme".to_owned(),
            owner: None,
            credential: NewCredential::Bearer { token: "t".into() },
        };
        let applied = stack.put_account(&name, request).await.unwrap();
        assert_eq!(applied.account.name, name);
        let filter = RunFilter {
            limit: Some(5),
            ..RunFilter::default()
        };
        assert!(stack.runs(&filter).await.unwrap().items.is_empty());
        stack.delete_account(&name, true).await.unwrap();

        let received = server.received();
        let asked: Vec<String> = received
            .iter()
            .map(|request| format!("{} {}", request.method, request.target))
            .collect();
        assert_eq!(
            asked,
            [
                "PUT /v1/accounts/support",
                "GET /v1/runs?limit=5",
                "DELETE /v1/accounts/support?force=true"
            ]
        );
        let sent = received[0].json();
        assert_eq!(sent["credential"], json!({"kind": "bearer", "token": "t"}));
        for request in received {
            assert_eq!(request.header("authorization"), "Bearer clt_hunter2");
        }
    }

    #[tokio::test]
    async fn refusals_of_the_api_read_like_those_of_the_tables() {
        let unknown = RunId::parse(&format!("run_{}", "0".repeat(32))).unwrap();
        let refused = management::Error::UnknownRun(unknown.clone());
        let (stack, _server) = api([Step::json(404, json!(refused.problem()))]).await;
        let error = stack.run(&unknown).await.unwrap_err();
        assert!(error.is_not_found());
        assert_eq!(error.to_string(), Error::from(refused).to_string());
    }

    #[tokio::test]
    async fn secret_of_an_endpoint_is_not_to_be_had_over_the_api() {
        let (stack, server) = api([]).await;
        for (scheme, expected) in [
            (
                json!({"scheme": "none", "accept_unverified_requests": true}),
                true,
            ),
            (json!({"scheme": "bearer"}), false),
        ] {
            let endpoint = domain::definition::endpoint(
                &json!({"name": "survey", "kind": "json", "verification": scheme}),
            )
            .unwrap();
            let secrets = stack.endpoint_secrets(&endpoint).await;
            assert_eq!(secrets.is_ok(), expected);
            if let Err(error) = secrets {
                assert!(error.to_string().contains("AWS credentials"), "{error}");
            }
        }
        assert!(server.received().is_empty());
    }

    #[test]
    fn token_and_address_together_lead_over_the_api() {
        let text = |text: &str| Some(text.to_owned());
        for (api, known, token, expected) in [
            (None, None, None, Some("aws")),
            (None, text("known"), None, Some("aws")),
            (None, None, text("t"), Some("aws")),
            (None, text("known"), text("t"), Some("known")),
            (text("named"), text("known"), text("t"), Some("named")),
            (text("named"), None, text("t"), Some("named")),
            (text("named"), text("known"), None, None),
        ] {
            // Whoever names a stack gets that one, whatever else is known.
            let named = Target::choose(
                text("demo"),
                text("other"),
                None,
                known.clone(),
                token.clone(),
            );
            assert!(matches!(named, Ok(Target::Aws { stack }) if stack == "demo"));
            let chosen = Target::choose(None, text("demo"), api, known, token);
            let way = match &chosen {
                Ok(Target::Aws { .. }) => Some("aws"),
                Ok(Target::Api { url, .. }) => Some(url.as_str()),
                Err(_) => None,
            };
            assert_eq!(way, expected);
        }
    }
}
