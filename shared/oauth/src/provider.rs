use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use secrecy::SecretString;
use vendor_http::Url;

use crate::{State, Verifier};

/// A vendor's two endpoints and its habits.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Where a person agrees.
    pub authorization: Url,
    /// Where tokens are given.
    pub token: Url,
    /// How the token endpoint is written to.
    pub encoding: Encoding,
    /// How the client proves itself at the token endpoint.
    pub client_authentication: ClientAuthentication,
    /// What is asked for; `None` where the client's registration says it.
    pub scope: Option<Cow<'static, str>>,
    /// What goes to the token endpoint besides, for every grant that issues a refresh token.
    pub refreshable: &'static [(&'static str, u32)],
    /// Whether codes are bound to whoever asked for them (PKCE). False where the vendor does not document it: then neither
    /// endpoint hears of it, and the state and the client's secret alone protect the code.
    pub pkce: bool,
    /// Words by which the vendor refuses the client, or the address that it asks from, and says nothing of the grant: that is
    /// still good once somebody has mended the other. Empty where the vendor's words do not tell the two apart.
    pub client_refusals: &'static [&'static str],
}

/// How parameters are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As an HTML form, which is the standard.
    Form,
    /// As a JSON object.
    Json,
}

/// How a client proves itself ([RFC 6749, 2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// Its id and secret are among the parameters.
    Parameters,
    /// Its id and secret are HTTP Basic credentials, and nowhere else.
    Basic,
}

/// Who asks: a client as it is registered with the vendor.
#[derive(Clone)]
pub struct Client {
    /// The client's identifier.
    pub id: String,
    /// The client's secret; `None` for a public client, which PKCE alone protects.
    pub secret: Option<SecretString>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What the token endpoint gave.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// Proves the account in calls.
    pub access: SecretString,
    /// Gets the next access token. `None`: the one in hand goes on being good, or there is none.
    pub refresh: Option<SecretString>,
    /// How long the access token is good from now on; `None` when the vendor does not say.
    pub expires_in: Option<Duration>,
    /// What the token may do, with spaces between.
    pub scope: Option<String>,
}

impl Provider {
    /// The address at the vendor's where a person agrees, and from where the browser comes back to `redirect_uri`.
    pub fn authorization_url(
        &self,
        client: &Client,
        redirect_uri: &str,
        state: &State,
        verifier: &Verifier,
    ) -> Url {
        let mut url = self.authorization.clone();
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &client.id)
            .append_pair("redirect_uri", redirect_uri);
        if let Some(scope) = &self.scope {
            query.append_pair("scope", scope);
        }
        query.append_pair("state", state.expose());
        if self.pkce {
            query
                .append_pair("code_challenge", &verifier.challenge())
                .append_pair("code_challenge_method", "S256");
        }
        drop(query);
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn person_is_sent_to_the_vendor_with_everything_that_it_needs() {
        let provider = Provider {
            authorization: Url::parse("https://acme.example.com/oauth/new").unwrap(),
            token: Url::parse("https://acme.example.com/oauth/tokens").unwrap(),
            encoding: Encoding::Json,
            client_authentication: ClientAuthentication::Parameters,
            scope: Some("read write".into()),
            refreshable: &[],
            pkce: true,
            client_refusals: &[],
        };
        let client = Client {
            id: "closed loop".to_owned(),
            secret: Some("hush".into()),
        };
        let verifier = Verifier::derive(&"binding".into());
        let url = provider.authorization_url(
            &client,
            "https://api.example.com/connect/callback",
            &State::new([1; 32]),
            &verifier,
        );
        let query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let value = |name: &str| {
            let mut found = query.iter().filter(|(key, _)| key == name);
            let value = found.next().map(|(_, value)| value.clone());
            assert!(found.next().is_none(), "{name} twice");
            value.unwrap_or_default()
        };
        assert_eq!(value("response_type"), "code");
        assert_eq!(value("client_id"), "closed loop");
        assert_eq!(
            value("redirect_uri"),
            "https://api.example.com/connect/callback"
        );
        assert_eq!(value("scope"), "read write");
        assert_eq!(value("state"), "01".repeat(32));
        assert_eq!(value("code_challenge"), verifier.challenge());
        assert_eq!(value("code_challenge_method"), "S256");
        assert!(!url.as_str().contains("hush"));
        assert!(!format!("{client:?}").contains("hush"));

        let plain = Provider {
            authorization: Url::parse("https://acme.example.com/oauth/new?display=popup").unwrap(),
            pkce: false,
            ..provider
        };
        let url = plain.authorization_url(&client, "", &State::new([1; 32]), &verifier);
        let names: Vec<String> = url
            .query_pairs()
            .map(|(name, _)| name.into_owned())
            .collect();
        let expected = [
            "display",
            "response_type",
            "client_id",
            "redirect_uri",
            "scope",
            "state",
        ];
        assert_eq!(names, expected);
    }
}
