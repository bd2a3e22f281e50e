//! What can go wrong, in words for whoever typed the command.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use aws_sdk_cloudformation::error::ProvideErrorMetadata;
use domain::definition;
use domain::{AccountName, EndpointName, EventKey, RunId, TaskName, Vendor, WorkflowId};

/// A command that did not do what it was told to. Nothing here holds a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "no AWS region is set: set AWS_REGION, or AWS_PROFILE to the name of a profile that has one"
    )]
    NoRegion,
    #[error(
        "there is no stack `{stack}` in {region}: deploy it, or name another one with --stack or CLOSEDLOOP_STACK, or another region with AWS_REGION"
    )]
    NoStack { stack: String, region: String },
    #[error(
        "the stack `{stack}` has no output `{output}`: it is not a closedloop stack, or an older one that must be deployed again"
    )]
    NoOutput { stack: String, output: &'static str },
    #[error("{attempted} failed{}", code.as_deref().map(|code| format!(" with {code}")).unwrap_or_default())]
    Aws {
        attempted: &'static str,
        code: Option<String>,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the bus refused a message: {code}; run the same command again")]
    BusRefused { code: String },
    #[error(transparent)]
    Table(#[from] store::Error),
    #[error(transparent)]
    Account(#[from] accounts::Error),
    #[error("{}", ProblemList(.0))]
    Definitions(Vec<Problem>),
    #[error("{} cannot be read", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the secret cannot be read from standard input")]
    SecretInput(#[source] io::Error),
    #[error("standard input holds no secret: pipe it in, as in `closedloop ... < secret.txt`")]
    NoSecretGiven,
    #[error("standard output cannot be written")]
    Output(#[source] io::Error),
    #[error("the definition cannot be written as YAML: {0}")]
    Yaml(String),
    #[error("there is no workflow `{0}`")]
    UnknownWorkflow(WorkflowId),
    #[error("there is no endpoint `{0}`: apply it with `endpoints apply`")]
    UnknownEndpoint(EndpointName),
    #[error("there is no account `{0}`")]
    UnknownAccount(AccountName),
    #[error("there is no run `{0}`: it has expired, or belongs to another stack")]
    UnknownRun(RunId),
    #[error(
        "there is no event `{0}`: it has not been evaluated yet, has expired, or belongs to another stack"
    )]
    UnknownEvent(EventKey),
    #[error(
        "the account `{account}` is used by {}: delete or change them first, or use --force",
        Listed("workflow", .workflows)
    )]
    AccountInUse {
        account: AccountName,
        workflows: Vec<WorkflowId>,
    },
    #[error(
        "the account `{account}` is a {found} account: delete it first, or choose another name"
    )]
    OtherVendor { account: AccountName, found: Vendor },
    #[error("the instance cannot be used")]
    Instance(#[source] vendor_http::BaseUrlError),
    #[error("a {vendor} account has no API token: use --basic or --bearer")]
    NoApiToken { vendor: Vendor },
    #[error("the endpoint `{0}` verifies nothing, so it has no secret")]
    NoSecretNeeded(EndpointName),
    #[error("the secret `{id}` is missing: put it with `endpoints put-secret`")]
    NoSecret { id: String },
    #[error(
        "the secret `{id}` cannot be read: expected a JSON object with the texts `current` and, while it is being replaced, `previous`"
    )]
    UnreadableSecret { id: String },
    #[error("the secret does not fit the endpoint's verification")]
    UnfitSecret(#[source] webhook_signature::SigningError),
    #[error("no random bytes could be had: {0}")]
    NoRandomness(getrandom::Error),
    #[error(transparent)]
    Body(#[from] crate::signing::BodyError),
    #[error("`{url}` cannot be used: {problem}")]
    Url { url: String, problem: String },
    #[error(transparent)]
    HttpClient(#[from] vendor_http::SetupError),
    #[error(transparent)]
    Http(#[from] vendor_http::Failure),
    #[error("the endpoint refused the event with status {status}: {detail}")]
    Refused { status: u16, detail: String },
    #[error("the endpoint accepted the event with an answer that cannot be read: {detail}")]
    UnreadableAnswer { detail: String },
    #[error(
        "the event {event} was accepted, but not evaluated within {} s: look again with `closedloop events show {event}`",
        after.as_secs()
    )]
    NotEvaluated { event: EventKey, after: Duration },
    #[error(
        "the run {run} has not ended within {} s: go on with `closedloop runs follow {run}`",
        after.as_secs()
    )]
    NotEnded { run: RunId, after: Duration },
    #[error("the run {0} succeeded: there is nothing to try again")]
    NothingFailed(RunId),
    #[error("the run {run} would fail again at once, so nothing was changed: {}", reasons.join("; "))]
    WouldFailAgain { run: RunId, reasons: Vec<String> },
    #[error(
        "the run {run} cannot be tried again, so nothing was changed: its event has expired, and without it the input of {} cannot be filled in",
        Listed("task", .waiting)
    )]
    EventExpired { run: RunId, waiting: Vec<TaskName> },
}

impl Error {
    /// An AWS call that was not answered as hoped.
    pub(crate) fn aws<E>(attempted: &'static str) -> impl FnOnce(E) -> Self
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        move |error| Self::Aws {
            attempted,
            code: error.code().map(str::to_owned),
            source: Box::new(error),
        }
    }
}

/// What is wrong in one place of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The file, and which document of it when there are several.
    pub(crate) place: String,
    pub(crate) problem: definition::Problem,
}

struct ProblemList<'a>(&'a [Problem]);

impl fmt::Display for ProblemList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [_] => f.write_str("there is a problem")?,
            problems => write!(f, "there are {} problems", problems.len())?,
        }
        for Problem { place, problem } in self.0 {
            write!(f, "\n  {place}: {problem}")?;
        }
        Ok(())
    }
}

/// What they are, and their names.
struct Listed<'a, T>(&'static str, &'a [T]);

impl<T: fmt::Display> fmt::Display for Listed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(what, names) = self;
        let plural = if names.len() == 1 { "" } else { "s" };
        write!(f, "the {what}{plural} ")?;
        for (index, name) in names.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}`{name}`")?;
        }
        Ok(())
    }
}
