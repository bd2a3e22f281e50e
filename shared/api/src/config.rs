//! What the function is told by its environment.

use access::OidcConfig;
use startup::{ConfigError, required};

/// What every part uses.
#[derive(Debug, Clone)]
pub struct Config {
    /// `TOKENS_TABLE`: the table of tokens.
    pub tokens_table: String,
    /// `OIDC_ISSUER`, `OIDC_AUDIENCE`, `OIDC_ROLES_CLAIM` (default `roles`): the identity provider, if any.
    pub oidc: Option<OidcConfig>,
}

impl Config {
    /// Reads the variables, in production through [`startup::variable`].
    ///
    /// # Errors
    /// When one is missing or cannot be used. Give up: the deployment is wrong.
    pub fn from_vars(variables: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Ok(Self {
            tokens_table: required(&variables, "TOKENS_TABLE")?,
            oidc: oidc(&variables)?,
        })
    }
}

fn oidc(variables: &impl Fn(&str) -> Option<String>) -> Result<Option<OidcConfig>, ConfigError> {
    let roles = variables("OIDC_ROLES_CLAIM").unwrap_or_else(|| "roles".to_owned());
    match (variables("OIDC_ISSUER"), variables("OIDC_AUDIENCE")) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(without("OIDC_AUDIENCE", "OIDC_ISSUER")),
        (None, Some(_)) => Err(without("OIDC_ISSUER", "OIDC_AUDIENCE")),
        (Some(issuer), Some(audience)) => {
            let config = OidcConfig::new(issuer, audience, roles);
            config.map(Some).map_err(|error| ConfigError {
                name: "OIDC_ISSUER",
                problem: error.to_string(),
            })
        }
    }
}

fn without(name: &'static str, other: &str) -> ConfigError {
    ConfigError {
        name,
        problem: format!("is not set, but {other} is: set both or neither"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)], missing: &str) -> Result<Config, ConfigError> {
        Config::from_vars(|name| {
            let found = set.iter().find(|(of, _)| *of == name);
            match found {
                Some((_, value)) => Some((*value).to_owned()),
                None if name == missing || name.starts_with("OIDC") => None,
                None => Some("https://example.com".to_owned()),
            }
        })
    }

    #[test]
    fn missing_table_is_named() {
        assert_eq!(read(&[], "TOKENS_TABLE").unwrap_err().name, "TOKENS_TABLE");
        assert!(read(&[], "").unwrap().oidc.is_none());
    }

    #[test]
    fn identity_provider_is_whole_or_absent() {
        let issuer = ("OIDC_ISSUER", "https://id.example.com");
        let audience = ("OIDC_AUDIENCE", "api");
        assert!(read(&[issuer, audience], "").unwrap().oidc.is_some());
        for (set, at_fault) in [
            (&[issuer][..], "OIDC_AUDIENCE"),
            (&[audience], "OIDC_ISSUER"),
            (
                &[("OIDC_ISSUER", "http://id.example.com"), audience],
                "OIDC_ISSUER",
            ),
        ] {
            assert_eq!(read(set, "").unwrap_err().name, at_fault, "{set:?}");
        }
    }
}
