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
    qualtrics: UrlTemplate,
    teamviewer: UrlTemplate,
    /// Where people sign in at TeamViewer, which is another host.
    teamviewer_login: UrlTemplate,
}

impl Vendors {
    /// Reads `SERVICENOW_URL`, the address of an instance with `{instance}` in place of its name
    /// (`https://{instance}.service-now.com` when not set), `ZENDESK_URL`, that of an account with `{subdomain}`
    /// (`https://{subdomain}.zendesk.com`), `QUALTRICS_URL`, that of a data centre with `{datacenter}`
    /// (`https://{datacenter}.qualtrics.com`), and `TEAMVIEWER_URL` and `TEAMVIEWER_LOGIN_URL`, those of TeamViewer
    /// (`https://webapi.teamviewer.com` and `https://login.teamviewer.com`), which may hold `{company}`.
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
            qualtrics: UrlTemplate::from_vars(
                &variables,
                "QUALTRICS_URL",
                "https://{datacenter}.qualtrics.com",
                "datacenter",
            )?,
            teamviewer: UrlTemplate::shared_from_vars(
                &variables,
                "TEAMVIEWER_URL",
                "https://webapi.teamviewer.com",
                "company",
            )?,
            teamviewer_login: UrlTemplate::shared_from_vars(
                &variables,
                "TEAMVIEWER_LOGIN_URL",
                "https://login.teamviewer.com",
                "company",
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
            Vendor::Qualtrics => self.qualtrics.base(instance),
            Vendor::TeamViewer => self.teamviewer.base(instance),
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
    /// Give up: its subdomain is none, or its token has no e-mail address.
    pub fn zendesk(&self, connected: &Connected) -> Result<zendesk::Client, Error> {
        let auth = match &connected.credential {
            Credential::Basic { username, password } => zendesk::Auth::Basic {
                email: username.clone(),
                password: password.clone(),
            },
            Credential::ApiToken { email, token } => zendesk::Auth::ApiToken {
                email: email.clone().ok_or(NO_EMAIL)?,
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

    /// A client for a Qualtrics account.
    ///
    /// # Errors
    /// Give up: the account is of the wrong kind, or its data centre is none.
    pub fn qualtrics(&self, connected: &Connected) -> Result<qualtrics::Client, Error> {
        let auth = match &connected.credential {
            Credential::ApiToken { token, .. } => qualtrics::Auth::ApiToken(token.clone()),
            Credential::Oauth(oauth) => {
                let issued = oauth.issued.as_ref();
                let issued =
                    issued.ok_or_else(|| Error::NotConnected(connected.account.name.clone()))?;
                qualtrics::Auth::Bearer(issued.access.clone())
            }
            Credential::Basic { .. } => {
                return Err(wrong_kind(Vendor::Qualtrics, AccountKind::Basic));
            }
            Credential::Bearer { .. } => {
                return Err(wrong_kind(Vendor::Qualtrics, AccountKind::Bearer));
            }
        };
        let base = self
            .base(Vendor::Qualtrics, &connected.account.instance)
            .map_err(Error::Instance)?;
        Ok(qualtrics::Client::new(self.http.clone(), base, auth))
    }

    /// A client for a TeamViewer account.
    ///
    /// # Errors
    /// Give up: the account is of the wrong kind, or its company's name is none.
    pub fn teamviewer(&self, connected: &Connected) -> Result<teamviewer::Client, Error> {
        let token = match &connected.credential {
            Credential::Bearer { token } => token.clone(),
            Credential::Oauth(oauth) => {
                let issued = oauth.issued.as_ref();
                let issued =
                    issued.ok_or_else(|| Error::NotConnected(connected.account.name.clone()))?;
                issued.access.clone()
            }
            Credential::Basic { .. } => {
                return Err(wrong_kind(Vendor::TeamViewer, AccountKind::Basic));
            }
            Credential::ApiToken { .. } => {
                return Err(wrong_kind(Vendor::TeamViewer, AccountKind::ApiToken));
            }
        };
        let base = self
            .base(Vendor::TeamViewer, &connected.account.instance)
            .map_err(Error::Instance)?;
        Ok(teamviewer::Client::new(self.http.clone(), base, token))
    }

    /// The company that an account belongs to, where the vendor's instance is more than one company's and the vendor says so.
    pub(crate) async fn company(&self, connected: &Connected) -> Option<String> {
        match connected.account.vendor {
            Vendor::ServiceNow | Vendor::Zendesk | Vendor::Qualtrics => None,
            Vendor::TeamViewer => {
                let account = self.teamviewer(connected).ok()?.account().await;
                account.ok()?.value.company_name
            }
        }
    }

    /// Ends the tokens that a person had agreed to, at a vendor that [`can_revoke`].
    pub(crate) async fn revoke(&self, connected: &Connected) -> Result<(), Error> {
        match connected.account.vendor {
            Vendor::ServiceNow | Vendor::Zendesk | Vendor::Qualtrics => Ok(()),
            Vendor::TeamViewer => {
                let revoked = self.teamviewer(connected)?.revoke().await;
                revoked.map(|_| ()).map_err(|error| {
                    Error::vendor(&connected.account.name, &error, error.disposition())
                })
            }
        }
    }

    /// The account's OAuth endpoints: those of its own instance, and no others. `scope` is what the account asks for
    /// in place of the vendor's usual.
    pub(crate) fn oauth(&self, account: &Account, scope: Option<&str>) -> Result<Provider, Error> {
        let base = self
            .base(account.vendor, &account.instance)
            .map_err(Error::Instance)?;
        let usual = match account.vendor {
            Vendor::ServiceNow => servicenow::oauth(&base),
            Vendor::Zendesk => zendesk::oauth(&base),
            Vendor::Qualtrics => qualtrics::oauth(&base),
            Vendor::TeamViewer => {
                let login = self.teamviewer_login.base(&account.instance);
                teamviewer::oauth(&base, &login.map_err(Error::Instance)?)
            }
        };
        Ok(Provider {
            scope: scope.map(|scope| scope.to_owned().into()).or(usual.scope),
            ..usual
        })
    }
}

const NO_EMAIL: Error = Error::Email {
    vendor: Vendor::Zendesk,
    problem: "an API token goes with the e-mail address of the agent whom it stands for",
};

/// Whether tokens are ended at the vendor's when an account is deleted.
pub(crate) fn can_revoke(vendor: Vendor) -> bool {
    match vendor {
        Vendor::TeamViewer => true,
        Vendor::ServiceNow | Vendor::Zendesk | Vendor::Qualtrics => false,
    }
}

/// Whether the vendor has accounts that prove themselves so.
pub(crate) fn check_credential(vendor: Vendor, credential: &Credential) -> Result<(), Error> {
    check_kind(vendor, credential.kind())?;
    match (vendor, credential) {
        (Vendor::Zendesk, Credential::ApiToken { email: None, .. }) => Err(NO_EMAIL),
        (Vendor::Qualtrics, Credential::ApiToken { email: Some(_), .. }) => Err(Error::Email {
            vendor,
            problem: "an API token stands for its user by itself, so leave it out",
        }),
        (
            _,
            Credential::ApiToken { .. }
            | Credential::Basic { .. }
            | Credential::Bearer { .. }
            | Credential::Oauth(_),
        ) => Ok(()),
    }
}

/// Whether the vendor has accounts of this kind.
pub(crate) fn check_kind(vendor: Vendor, kind: AccountKind) -> Result<(), Error> {
    match (vendor, kind) {
        (Vendor::ServiceNow, AccountKind::ApiToken)
        | (
            Vendor::Qualtrics,
            AccountKind::Basic | AccountKind::Bearer | AccountKind::OauthAuthorizationCode,
        )
        | (
            Vendor::TeamViewer,
            AccountKind::Basic | AccountKind::ApiToken | AccountKind::OauthClientCredentials,
        ) => Err(wrong_kind(vendor, kind)),
        (
            Vendor::ServiceNow | Vendor::Zendesk,
            AccountKind::Basic
            | AccountKind::Bearer
            | AccountKind::OauthAuthorizationCode
            | AccountKind::OauthClientCredentials,
        )
        | (Vendor::Zendesk, AccountKind::ApiToken)
        | (Vendor::Qualtrics, AccountKind::ApiToken | AccountKind::OauthClientCredentials)
        | (Vendor::TeamViewer, AccountKind::Bearer | AccountKind::OauthAuthorizationCode) => Ok(()),
    }
}

fn wrong_kind(vendor: Vendor, kind: AccountKind) -> Error {
    Error::WrongKind {
        vendor,
        kind,
        hint: match vendor {
            Vendor::ServiceNow | Vendor::Zendesk => {
                "use a user's name and password, a bearer token or an OAuth client"
            }
            Vendor::Qualtrics => "use a user's API token, or an OAuth client with its secret",
            Vendor::TeamViewer => {
                "use a script token as a bearer token, or sign in with an OAuth client"
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(vendor: Vendor, credential: &str) -> Result<(), String> {
        let credential = Credential::parse(&credential.to_owned().into()).unwrap();
        check_credential(vendor, &credential).map_err(|error| error.to_string())
    }

    #[test]
    fn each_vendor_has_its_kinds_of_accounts() {
        let basic = r#"{"kind":"basic","username":"u","password":"p"}"#;
        let bearer = r#"{"kind":"bearer","token":"t"}"#;
        let token = r#"{"kind":"api_token","token":"t"}"#;
        let agent = r#"{"kind":"api_token","email":"a@example.com","token":"t"}"#;
        let client = r#"{"kind":"oauth_client_credentials","client_id":"c","client_secret":"s"}"#;
        let person = r#"{"kind":"oauth_authorization_code","client_id":"c","client_secret":"s"}"#;
        for (vendor, credential, problem) in [
            (Vendor::ServiceNow, basic, None),
            (
                Vendor::ServiceNow,
                agent,
                Some("use a user's name and password"),
            ),
            (Vendor::ServiceNow, person, None),
            (Vendor::Zendesk, agent, None),
            (
                Vendor::Zendesk,
                token,
                Some("`email` does not fit a zendesk account"),
            ),
            (Vendor::Zendesk, bearer, None),
            (Vendor::Qualtrics, token, None),
            (Vendor::Qualtrics, client, None),
            (Vendor::Qualtrics, agent, Some("leave it out")),
            (Vendor::Qualtrics, basic, Some("use a user's API token")),
            (Vendor::Qualtrics, bearer, Some("use a user's API token")),
            (Vendor::Qualtrics, person, Some("use a user's API token")),
            (Vendor::TeamViewer, bearer, None),
            (Vendor::TeamViewer, person, None),
            (Vendor::TeamViewer, basic, Some("use a script token")),
            (Vendor::TeamViewer, token, Some("use a script token")),
            (Vendor::TeamViewer, client, Some("use a script token")),
        ] {
            match (check(vendor, credential), problem) {
                (Ok(()), None) => {}
                (Err(error), Some(problem)) => assert!(error.contains(problem), "{error}"),
                (found, expected) => panic!("{vendor} {credential}: {found:?}, not {expected:?}"),
            }
        }
    }
}
