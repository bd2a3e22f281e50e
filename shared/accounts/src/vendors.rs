use domain::{Account, AccountKind, Vendor};
use oauth::Provider;
use startup::ConfigError;
use vendor_http::{BaseUrl, BaseUrlError};

pub use crate::url_template::UrlTemplate;
use crate::{Credential, Error, ready::Connected};

/// Where the vendors are, and the connections to them.
#[derive(Debug, Clone)]
pub struct Vendors {
    /// All accounts share its connections.
    pub(crate) http: vendor_http::Client,
    servicenow: UrlTemplate,
    zendesk: UrlTemplate,
}

impl Vendors {
    /// Reads `SERVICENOW_URL`, the address of an instance with `{instance}` in place of its name
    /// (`https://{instance}.service-now.com` when not set), and `ZENDESK_URL`, that of an account with `{subdomain}`
    /// (`https://{subdomain}.zendesk.com`).
    ///
    /// # Errors
    /// The first variable that cannot be used.
    pub fn from_vars(
        http: vendor_http::Client,
        variables: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            http,
            servicenow: UrlTemplate::from_vars(
                &variables,
                "SERVICENOW_URL",
                "https://{instance}.service-now.com",
                "instance",
            )?,
            zendesk: UrlTemplate::from_vars(
                &variables,
                "ZENDESK_URL",
                "https://{subdomain}.zendesk.com",
                "subdomain",
            )?,
        })
    }

    /// The address of a vendor's instance. People paste whole addresses; the base's `label` is the name alone.
    ///
    /// # Errors
    /// When the value is not one DNS label.
    pub fn base(&self, vendor: Vendor, instance: &str) -> Result<BaseUrl, BaseUrlError> {
        match vendor {
            Vendor::ServiceNow => self.servicenow.base(instance),
            Vendor::Zendesk => self.zendesk.base(instance),
        }
    }

    /// A client for a ServiceNow account.
    ///
    /// # Errors
    /// Give up: the account is of the wrong kind, or its instance is none.
    pub fn servicenow(&self, connected: &Connected) -> Result<servicenow::Client, Error> {
        let auth = match &connected.credential {
            Credential::Basic { username, password } => servicenow::Auth::Basic {
                username: username.clone(),
                password: password.clone(),
            },
            Credential::ApiToken { .. } => {
                return Err(wrong_kind(Vendor::ServiceNow, AccountKind::ApiToken));
            }
            Credential::Bearer { token } => servicenow::Auth::Bearer(token.clone()),
            Credential::Oauth(oauth) => {
                let issued = oauth.issued.as_ref();
                let issued =
                    issued.ok_or_else(|| Error::NotConnected(connected.account.name.clone()))?;
                servicenow::Auth::Bearer(issued.access.clone())
            }
        };
        let base = self
            .base(Vendor::ServiceNow, &connected.account.instance)
            .map_err(Error::Instance)?;
        Ok(servicenow::Client::new(self.http.clone(), base, auth))
    }

    /// A client for a Zendesk account.
    ///
    /// # Errors
    /// Give up: its subdomain is none.
    pub fn zendesk(&self, connected: &Connected) -> Result<zendesk::Client, Error> {
        let auth = match &connected.credential {
            Credential::Basic { username, password } => zendesk::Auth::Basic {
                email: username.clone(),
                password: password.clone(),
            },
            Credential::ApiToken { email, token } => zendesk::Auth::ApiToken {
                email: email.clone(),
                token: token.clone(),
            },
            Credential::Bearer { token } => zendesk::Auth::Bearer(token.clone()),
            Credential::Oauth(oauth) => {
                let issued = oauth.issued.as_ref();
                let issued =
                    issued.ok_or_else(|| Error::NotConnected(connected.account.name.clone()))?;
                zendesk::Auth::Bearer(issued.access.clone())
            }
        };
        let base = self
            .base(Vendor::Zendesk, &connected.account.instance)
            .map_err(Error::Instance)?;
        Ok(zendesk::Client::new(self.http.clone(), base, auth))
    }

    /// The account's OAuth endpoints: those of its own instance, and no others.
    pub(crate) fn oauth(&self, account: &Account) -> Result<Provider, Error> {
        let base = self
            .base(account.vendor, &account.instance)
            .map_err(Error::Instance)?;
        Ok(match account.vendor {
            Vendor::ServiceNow => servicenow::oauth(&base),
            Vendor::Zendesk => zendesk::oauth(&base),
        })
    }
}

/// Whether the vendor has accounts of this kind.
pub(crate) fn check_kind(vendor: Vendor, kind: AccountKind) -> Result<(), Error> {
    match (vendor, kind) {
        (Vendor::ServiceNow, AccountKind::ApiToken) => Err(wrong_kind(vendor, kind)),
        (
            Vendor::ServiceNow | Vendor::Zendesk,
            AccountKind::Basic
            | AccountKind::Bearer
            | AccountKind::OauthAuthorizationCode
            | AccountKind::OauthClientCredentials,
        )
        | (Vendor::Zendesk, AccountKind::ApiToken) => Ok(()),
    }
}

fn wrong_kind(vendor: Vendor, kind: AccountKind) -> Error {
    Error::WrongKind {
        vendor,
        kind,
        hint: "use a user's name and password, a bearer token or an OAuth client",
    }
}
