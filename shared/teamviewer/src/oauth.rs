//! Where TeamViewer gives OAuth tokens.

use oauth::{ClientAuthentication, Encoding, Provider};
use vendor_http::BaseUrl;

/// The OAuth endpoints: people agree on a page of `login` (`https://login.teamviewer.com`), tokens come from `api`
/// (`https://webapi.teamviewer.com`). What is asked for is set where the client is registered.
///
/// A code is good for ten minutes and an access token for a day. A refresh token is good once: each refresh brings the next
/// one, and the old one dies at once. The manual knows no PKCE. See "Authentication" in the manual.
pub fn oauth(api: &BaseUrl, login: &BaseUrl) -> Provider {
    Provider {
        authorization: login.join(["oauth2", "authorize"], [("display", "popup")]),
        token: api.join(["api", "v1", "oauth2", "token"], []),
        encoding: Encoding::Form,
        client_authentication: ClientAuthentication::Parameters,
        scope: None,
        refreshable: &[],
        pkce: false,
        client_refusals: &["invalid_client", "unauthorized_client", "blocked"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_tokens_have_different_hosts() {
        let base = |template| BaseUrl::parse_optional(template, "company", "acme").unwrap();
        let provider = oauth(
            &base("https://webapi.teamviewer.com"),
            &base("https://login.teamviewer.com"),
        );
        assert_eq!(
            provider.authorization.as_str(),
            "https://login.teamviewer.com/oauth2/authorize?display=popup"
        );
        assert_eq!(
            provider.token.as_str(),
            "https://webapi.teamviewer.com/api/v1/oauth2/token"
        );
        assert!(!provider.pkce);
    }
}
