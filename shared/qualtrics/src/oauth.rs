//! Where a data centre gives OAuth tokens.

use oauth::{ClientAuthentication, Encoding, Provider};
use vendor_http::BaseUrl;

/// The OAuth endpoints of a data centre. Client credentials bring an access token alone, without a refresh token: the
/// next one is asked for in the same way.
///
/// Everything is asked for that the client was registered for; an account may ask for less. See "OAuth Authentication (Client
/// Credentials)" at <https://api.qualtrics.com/>.
pub fn oauth(base: &BaseUrl) -> Provider {
    Provider {
        authorization: base.join(["oauth2", "auth"], []),
        token: base.join(["oauth2", "token"], []),
        encoding: Encoding::Form,
        client_authentication: ClientAuthentication::Basic,
        scope: Some("manage:all".into()),
        refreshable: &[],
        pkce: true,
        client_refusals: &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_the_data_centres_own() {
        let base =
            BaseUrl::parse("https://{datacenter}.qualtrics.com", "datacenter", "fra1").unwrap();
        let provider = oauth(&base);
        assert_eq!(
            provider.token.as_str(),
            "https://fra1.qualtrics.com/oauth2/token"
        );
        assert_eq!(provider.scope.as_deref(), Some("manage:all"));
    }
}
