//! Where an account gives OAuth tokens.

use oauth::{ClientAuthentication, Encoding, Provider};
use vendor_http::BaseUrl;

/// The OAuth endpoints of an account. Reading and writing is asked for: profiles and custom objects have no finer scope.
///
/// Access tokens of an hour, and refresh tokens of 90 days, the longest there is: an account that rests for a quarter of a
/// year must be connected again.
/// See [Grant-type tokens](https://developer.zendesk.com/api-reference/ticketing/oauth/grant_type_tokens/) and
/// [token lifetimes](https://support.zendesk.com/hc/en-us/articles/9182123625370).
pub fn oauth(base: &BaseUrl) -> Provider {
    Provider {
        authorization: base.join(["oauth", "authorizations", "new"], []),
        token: base.join(["oauth", "tokens"], []),
        encoding: Encoding::Json,
        client_authentication: ClientAuthentication::Parameters,
        scope: Some("read write".into()),
        refreshable: &[
            ("expires_in", 3_600),
            ("refresh_token_expires_in", 7_776_000),
        ],
        pkce: true,
        client_refusals: &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_the_accounts_own() {
        let base = BaseUrl::parse("https://{subdomain}.zendesk.com", "subdomain", "acme").unwrap();
        let provider = oauth(&base);
        assert_eq!(
            provider.authorization.as_str(),
            "https://acme.zendesk.com/oauth/authorizations/new"
        );
        assert_eq!(
            provider.token.as_str(),
            "https://acme.zendesk.com/oauth/tokens"
        );
    }
}
