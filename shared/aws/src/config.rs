use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use transport::Limits;

use crate::call::Service;
use crate::signature::Signer;

/// Keys that sign requests. They are read once: Lambda ends an environment before its keys expire.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Names the key; not secret.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: SecretString,
    /// Goes with keys that are valid for a time, as Lambda's are.
    pub session_token: Option<SecretString>,
}

/// How long is waited for an answer, and how often a call is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long one attempt may take, its connection included.
    pub attempt: Duration,
    /// How long all attempts and the pauses between them may take.
    pub call: Duration,
    /// How often a call is tried when AWS is busy or does not answer.
    pub attempts: u32,
}

impl Patience {
    /// Three times within 8 s, also against silence: enough to ride out dropped connections, short enough that a function
    /// answers before its own time is over.
    pub const DEFAULT: Self = Self {
        attempt: Duration::from_millis(2_600),
        call: Duration::from_secs(8),
        attempts: 3,
    };
}

/// Connections are kept for less time than AWS keeps them.
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(2),
    idle: Duration::from_secs(15),
};

/// Why there can be no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A variable that Lambda sets is not there.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// A variable that Lambda sets holds what cannot be sent.
    #[error("the environment variable {0} cannot be a header of a request")]
    Unusable(&'static str),
    /// Connections cannot be secured.
    #[error(transparent)]
    Transport(#[from] transport::Error),
}

/// Region, credentials and connections, which all clients of a process share. Clones are cheap.
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) shared: Arc<Shared>,
    pub(crate) patience: Patience,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) signer: Arc<Signer>,
    endpoints: Vec<(Option<Service>, String)>,
    pub(crate) http: transport::Client,
}

impl Config {
    /// A region, its keys, and the system's own certificates where a variable names them.
    ///
    /// # Errors
    /// When the session token cannot be sent, or connections cannot be secured.
    pub fn new(region: &str, credentials: &Credentials) -> Result<Self, ConfigError> {
        let signer = Signer::new(region, credentials)
            .map_err(|_| ConfigError::Unusable("AWS_SESSION_TOKEN"))?;
        Ok(Self {
            shared: Arc::new(Shared {
                signer: Arc::new(signer),
                endpoints: Vec::new(),
                http: transport::client(LIMITS)?,
            }),
            patience: Patience::DEFAULT,
        })
    }

    /// Reads what Lambda sets: `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`; beside
    /// them `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_DYNAMODB` and the like, which point to an emulator.
    ///
    /// Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html> and
    /// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>
    ///
    /// # Errors
    /// The variable that is missing or cannot be sent; when connections cannot be secured.
    pub fn from_vars(variables: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let required = |name| variables(name).ok_or(ConfigError::Missing(name));
        let region = variables("AWS_REGION")
            .or_else(|| variables("AWS_DEFAULT_REGION"))
            .ok_or(ConfigError::Missing("AWS_REGION"))?;
        let credentials = Credentials {
            access_key_id: required("AWS_ACCESS_KEY_ID")?,
            secret_access_key: required("AWS_SECRET_ACCESS_KEY")?.into(),
            session_token: variables("AWS_SESSION_TOKEN").map(SecretString::from),
        };
        Ok(Self::new(&region, &credentials)?.with_endpoints_of(variables))
    }

    /// Takes the addresses that `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_DYNAMODB` and the like name.
    #[must_use]
    pub fn with_endpoints_of(self, variables: impl Fn(&str) -> Option<String>) -> Self {
        let mut endpoints = Vec::new();
        for service in Service::ALL {
            if let Some(url) = variables(service.endpoint_variable()) {
                endpoints.push((Some(service), url));
            }
        }
        if let Some(url) = variables("AWS_ENDPOINT_URL") {
            endpoints.push((None, url));
        }
        self.with_endpoints(endpoints)
    }

    /// Everything at one address, such as an emulator's, with keys that mean nothing, and without a second attempt.
    ///
    /// # Errors
    /// When connections cannot be secured.
    pub fn at(endpoint: &str) -> Result<Self, ConfigError> {
        let credentials = Credentials {
            access_key_id: "local".to_owned(),
            secret_access_key: "local".to_owned().into(),
            session_token: None,
        };
        let config = Self::new("eu-central-1", &credentials)?
            .with_endpoints(vec![(None, endpoint.to_owned())]);
        Ok(config.with_patience(Patience {
            attempts: 1,
            ..Patience::DEFAULT
        }))
    }

    /// The same with another patience.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// Where requests go.
    pub fn region(&self) -> &str {
        self.shared.signer.region()
    }

    fn with_endpoints(self, endpoints: Vec<(Option<Service>, String)>) -> Self {
        Self {
            shared: Arc::new(Shared {
                signer: Arc::clone(&self.shared.signer),
                endpoints,
                http: self.shared.http.clone(),
            }),
            patience: self.patience,
        }
    }

    /// The address of a service, without a slash at its end.
    pub(crate) fn endpoint(&self, service: Service) -> String {
        let mut known = self.shared.endpoints.iter();
        match known.find(|(one, _)| one.is_none_or(|one| one == service)) {
            Some((_, url)) => url.trim_end_matches('/').to_owned(),
            None => service.public_endpoint(self.region()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables<'a>(set: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| {
            let found = set.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        }
    }

    const LAMBDA: [(&str, &str); 4] = [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("AWS_SESSION_TOKEN", "hunter3"),
    ];

    #[test]
    fn missing_variable_is_named() {
        for missing in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            let set: Vec<_> = LAMBDA
                .into_iter()
                .filter(|(name, _)| *name != missing)
                .collect();
            let error = Config::from_vars(variables(&set)).unwrap_err();
            assert!(error.to_string().contains(missing), "{error}");
        }
    }

    #[test]
    fn token_that_cannot_be_sent_is_named_and_not_shown() {
        let mut set = LAMBDA;
        set[3].1 = "hunter3\n";
        let error = Config::from_vars(variables(&set)).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("AWS_SESSION_TOKEN"), "{shown}");
        assert!(!shown.contains("hunter"), "{shown}");
    }

    #[test]
    fn keys_are_never_shown() {
        let shown = format!("{:?}", Config::from_vars(variables(&LAMBDA)).unwrap());
        assert!(!shown.contains("hunter"), "{shown}");
    }

    #[test]
    fn services_have_their_own_addresses_unless_told_otherwise() {
        let config = Config::from_vars(variables(&LAMBDA)).unwrap();
        assert_eq!(
            config.endpoint(Service::DynamoDb),
            "https://dynamodb.eu-west-1.amazonaws.com"
        );
        assert_eq!(
            config.endpoint(Service::Ses),
            "https://email.eu-west-1.amazonaws.com"
        );
        let mut set = LAMBDA.to_vec();
        set.push(("AWS_ENDPOINT_URL", "http://localhost:4566/"));
        set.push(("AWS_ENDPOINT_URL_SQS", "http://localhost:9324"));
        let config = Config::from_vars(variables(&set)).unwrap();
        assert_eq!(config.endpoint(Service::DynamoDb), "http://localhost:4566");
        assert_eq!(config.endpoint(Service::Sqs), "http://localhost:9324");
        set[0] = ("AWS_REGION", "cn-north-1");
        let config = Config::from_vars(variables(&set[..4])).unwrap();
        assert_eq!(
            config.endpoint(Service::EventBridge),
            "https://events.cn-north-1.amazonaws.com.cn"
        );
    }
}
