//! Where an instance gives OAuth tokens.

use oauth::{ClientAuthentication, Encoding, Provider};
use vendor_http::BaseUrl;

/// The OAuth endpoints of an instance. Its application registry says what a client may do, so no scope is asked for;
/// the token endpoint takes forms only.
/// See [OAuth API request parameters](https://www.servicenow.com/docs/r/platform-security/authentication/r_OAuthAPIRequestParameters.html).
pub fn oauth(base: &BaseUrl) -> Provider {
    Provider {
        authorization: base.join(["oauth_auth.do"], []),
        token: base.join(["oauth_token.do"], []),
        encoding: Encoding::Form,
        client_authentication: ClientAuthentication::Parameters,
        scope: None,
        refreshable: &[],
        pkce: true,
        client_refusals: &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_the_instances_own() {
        let base =
            BaseUrl::parse("https://{instance}.service-now.com", "instance", "dev1").unwrap();
        let provider = oauth(&base);
        assert_eq!(
            provider.authorization.as_str(),
            "https://dev1.service-now.com/oauth_auth.do"
        );
        assert_eq!(
            provider.token.as_str(),
            "https://dev1.service-now.com/oauth_token.do"
        );
    }
}
