//! What can go wrong, in words for whoever typed the command.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use aws_sdk_cloudformation::error::ProvideErrorMetadata;
use domain::{EventKey, RunId, Vendor, WorkflowId};
use management::{ErrorKind, FieldProblem, ProblemDetails};

/// A command that did not do what it was told to. Nothing here holds a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "no AWS region is set: set AWS_REGION, or AWS_PROFILE to the name of a profile that has one"
    )]
    NoRegion,
    #[error(
        "no AWS credentials were found: set AWS_PROFILE, sign in with `aws sso login`, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )]
    NoCredentials(#[source] Option<aws_credential_types::provider::error::CredentialsError>),
    #[error(transparent)]
    AwsConfig(#[from] aws::ConfigError),
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
    #[error(transparent)]
    Management(#[from] management::Error),
    #[error("{}", Refusal(.0))]
    Api(ProblemDetails),
    #[error("the API answered with something else than closedloop's management API would: {0}")]
    NotTheApi(String),
    #[error("CLOSEDLOOP_TOKEN is not set: over the API at {0} a token is needed")]
    NoToken(String),
    #[error("CLOSEDLOOP_TOKEN cannot be sent in a header")]
    UnusableToken(#[source] vendor_http::UnusableToken),
    #[error("{0} needs AWS credentials: without --api, or without CLOSEDLOOP_TOKEN, they are used")]
    NeedsAws(&'static str),
    #[error("the stack's own settings cannot be used")]
    Settings(#[from] startup::ConfigError),
    #[error(transparent)]
    Table(#[from] store::Error),
    #[error("the token cannot be made: {0}")]
    Token(#[source] access::CreateError),
    #[error("there is no token `{0}`")]
    UnknownToken(String),
    #[error("{}", ProblemList(.0))]
    Definitions(Vec<Problem>),
    #[error("{} cannot be read", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} cannot be written", path.display())]
    WriteFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "the workflow `{workflow}` has one revision only, {revision}: there is none to compare it with"
    )]
    OneRevision { workflow: WorkflowId, revision: u32 },
    #[error("the secret cannot be read from standard input")]
    SecretInput(#[source] io::Error),
    #[error("standard input holds no secret: pipe it in, as in `closedloop ... < secret.txt`")]
    NoSecretGiven,
    #[error("standard output cannot be written")]
    Output(#[source] io::Error),
    #[error("the definition cannot be written as YAML: {0}")]
    Yaml(String),
    #[error("a {vendor} account has no API token: use --basic, --bearer or --client-credentials")]
    NoApiToken { vendor: Vendor },
    #[error("a Zendesk API token goes with the e-mail address of an agent: use --api-token EMAIL")]
    NoAgent,
    #[error("--scope goes with --client-credentials only")]
    NoScope,
    #[error(
        "with AWS credentials nobody is anybody in particular: sign in with a token of your own, by --api and CLOSEDLOOP_TOKEN"
    )]
    NobodyToSignIn,
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

    /// Whether what was asked for is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        let is_missing = |problem: &ProblemDetails| problem.status == ErrorKind::NotFound.status();
        matches!(self, Self::Management(error) if error.kind() == ErrorKind::NotFound)
            || matches!(self, Self::Api(problem) if is_missing(problem))
    }
}

/// A refusal with every field that it names, each once.
struct Refusal<'a>(&'a ProblemDetails);

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(problem) = self;
        if problem.detail.is_empty() {
            write!(f, "{} (status {})", problem.title, problem.status)?;
        } else {
            f.write_str(&problem.detail)?;
        }
        problem
            .errors
            .iter()
            .filter(|field| !problem.detail.contains(&field.to_string()))
            .try_for_each(|field| write!(f, "\n  {field}"))
    }
}

/// What is wrong in one place of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The file, and which document of it when there are several.
    pub(crate) place: String,
    pub(crate) problem: FieldProblem,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_of_the_api_names_every_field_once() {
        let field = |path: &str| FieldProblem {
            path: path.to_owned(),
            problem: "no".to_owned(),
        };
        let problem = |detail: &str| {
            let detail = detail.to_owned();
            ProblemDetails {
                errors: vec![field("a"), field("b")],
                ..ProblemDetails::new("invalid", "Invalid", 422, detail)
            }
        };
        for (detail, expected) in [
            (
                "there are 2 problems\n  a: no\n  b: no",
                "there are 2 problems\n  a: no\n  b: no",
            ),
            ("it cannot be used", "it cannot be used\n  a: no\n  b: no"),
            ("", "Invalid (status 422)\n  a: no\n  b: no"),
        ] {
            assert_eq!(Error::Api(problem(detail)).to_string(), expected);
        }
    }
}
