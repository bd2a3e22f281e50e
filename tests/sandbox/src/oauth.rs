//! OAuth as far as both vendors agree: registered clients, codes, what was granted, and how often tokens were asked for.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Secret;
use crate::credentials::{BearerToken, IssuedToken};
use crate::exchange::Answer;

/// An OAuth client that is registered at the instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OAuthClient {
    /// Zendesk calls it the client's identifier.
    pub client_id: String,
    /// `None` for a public client that has none.
    pub client_secret: Option<Secret>,
    /// Where people may be sent back to, as exact strings.
    pub redirect_uris: Vec<String>,
    /// Follows from the secret when absent.
    pub kind: Option<ClientKind>,
    /// What it may ask for; a code and its refresh when absent.
    pub grants: Vec<GrantType>,
    /// Who clicks "Allow", and for whom client credentials stand; the instance's first user when absent.
    pub username: Option<String>,
    /// Not for ServiceNow: the most that may be asked for, parted by spaces; anything when absent, at Qualtrics
    /// `manage:all`. At TeamViewer what its tokens may do.
    pub scope: Option<String>,
    /// Life of an access token that asks for none of its own; 1800 when absent, at Qualtrics 3600, at TeamViewer 86400.
    pub access_seconds: Option<u32>,
    /// Life of a refresh token that asks for none of its own; when absent 100 days at ServiceNow, 30 at Zendesk,
    /// 365 at TeamViewer.
    pub refresh_seconds: Option<u32>,
}

impl Default for OAuthClient {
    fn default() -> Self {
        Self {
            client_id: String::new(),
            client_secret: None,
            redirect_uris: Vec::new(),
            kind: None,
            grants: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            username: None,
            scope: None,
            access_seconds: None,
            refresh_seconds: None,
        }
    }
}

/// Whether a client can keep a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientKind {
    /// It proves itself with its secret.
    Confidential,
    /// It proves with PKCE that it began what it ends.
    Public,
}

/// How a token is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// With the code that came back from the page on which somebody clicked "Allow".
    AuthorizationCode,
    /// With a refresh token.
    RefreshToken,
    /// With somebody's password; ServiceNow only.
    Password,
    /// With the client's own secret alone.
    ClientCredentials,
}

impl GrantType {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "authorization_code" => Some(Self::AuthorizationCode),
            "refresh_token" => Some(Self::RefreshToken),
            "password" => Some(Self::Password),
            "client_credentials" => Some(Self::ClientCredentials),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::Password => "password",
            Self::ClientCredentials => "client_credentials",
        }
    }
}

/// How many requests for tokens reached the vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TokenRequests {
    /// Answered with a token, even if the answer was lost on its way.
    pub succeeded: u64,
    /// Refused.
    pub refused: u64,
}

impl OAuthClient {
    pub(crate) fn is_public(&self) -> bool {
        match self.kind {
            Some(ClientKind::Public) => true,
            Some(ClientKind::Confidential) => false,
            None => self.client_secret.is_none(),
        }
    }

    pub(crate) fn may(&self, grant: GrantType) -> bool {
        self.grants.contains(&grant)
    }

    /// A secret that is sent has to be right; `optional` says whether none will do.
    pub(crate) fn accepts(&self, given: Option<&str>, optional: bool) -> bool {
        match (given, &self.client_secret) {
            (Some(given), Some(secret)) => secret.matches(given),
            (Some(_), None) => false,
            (None, _) => optional || self.is_public(),
        }
    }

    fn check(&self) -> Result<(), String> {
        let id = &self.client_id;
        if id.is_empty() {
            return Err("an OAuth client needs a client_id".to_owned());
        }
        if !self.is_public() && self.client_secret.is_none() {
            return Err(format!("the confidential OAuth client {id} has no secret"));
        }
        Ok(())
    }
}

/// A code on its way through somebody's browser.
pub(crate) struct Code {
    pub(crate) client_id: String,
    /// Where it was sent.
    pub(crate) redirect_uri: String,
    pub(crate) username: String,
    pub(crate) scope: String,
    /// Of the method S256.
    pub(crate) challenge: Option<String>,
    pub(crate) ends: Timestamp,
}

#[derive(Clone)]
pub(crate) struct RefreshToken {
    pub(crate) token: String,
    /// The access token that came with it.
    pub(crate) access: u64,
    pub(crate) client_id: String,
    pub(crate) username: String,
    pub(crate) scope: String,
    pub(crate) ends: Timestamp,
}

/// Everything about tokens at one instance.
pub(crate) struct OAuth {
    /// Whether the people in front of the page click "Deny".
    pub(crate) deny: bool,
    clients: Vec<OAuthClient>,
    codes: BTreeMap<String, Code>,
    tokens: Vec<IssuedToken>,
    refresh_tokens: Vec<RefreshToken>,
    requests: BTreeMap<String, TokenRequests>,
    made: u64,
}

impl OAuth {
    /// Says what contradicts itself in the configuration; `is_user` knows who there is.
    pub(crate) fn open(
        clients: Vec<OAuthClient>,
        deny: bool,
        is_user: impl Fn(&str) -> bool,
    ) -> Result<Self, String> {
        for (position, client) in clients.iter().enumerate() {
            client.check()?;
            let id = &client.client_id;
            if clients[..position]
                .iter()
                .any(|other| other.client_id == *id)
            {
                return Err(format!("two OAuth clients have the client_id {id}"));
            }
            if let Some(username) = &client.username
                && !is_user(username)
            {
                return Err(format!("there is no user {username}"));
            }
        }
        Ok(Self {
            deny,
            clients,
            codes: BTreeMap::new(),
            tokens: Vec::new(),
            refresh_tokens: Vec::new(),
            requests: BTreeMap::new(),
            made: 0,
        })
    }

    pub(crate) fn client(&self, client_id: &str) -> Option<&OAuthClient> {
        self.clients
            .iter()
            .find(|client| client.client_id == client_id)
    }

    /// Where the client stands among the registered ones.
    pub(crate) fn position(&self, client_id: &str) -> Option<usize> {
        self.clients
            .iter()
            .position(|client| client.client_id == client_id)
    }

    pub(crate) fn make_code(&mut self, code: Code) -> String {
        let text = random_text();
        self.codes.insert(text.clone(), code);
        text
    }

    /// Codes work once: whoever asks takes it out.
    pub(crate) fn take_code(&mut self, code: &str, now: Timestamp) -> Option<Code> {
        self.codes.remove(code).filter(|code| now < code.ends)
    }

    pub(crate) fn add_token(
        &mut self,
        token: BearerToken,
        first_user: &str,
        is_user: impl Fn(&str) -> bool,
        now: Timestamp,
    ) -> Result<(), String> {
        self.made += 1;
        let issued = IssuedToken::given(self.made, token, first_user, now);
        if !is_user(&issued.username) {
            return Err(format!("there is no user {}", issued.username));
        }
        self.tokens.push(issued);
        Ok(())
    }

    /// Issues an access token.
    pub(crate) fn issue(
        &mut self,
        client_id: &str,
        username: &str,
        scope: &str,
        seconds: u32,
        now: Timestamp,
    ) -> IssuedToken {
        self.made += 1;
        let issued = IssuedToken {
            id: self.made,
            token: random_text().as_str().into(),
            client_id: Some(client_id.to_owned()),
            username: username.to_owned(),
            scope: scope.to_owned(),
            created_at: now,
            ends: Some(now + life(seconds)),
        };
        self.tokens.push(issued.clone());
        issued
    }

    pub(crate) fn issue_refresh(
        &mut self,
        access: &IssuedToken,
        seconds: u32,
        now: Timestamp,
    ) -> RefreshToken {
        let issued = RefreshToken {
            token: random_text(),
            access: access.id,
            client_id: access.client_id.clone().unwrap_or_default(),
            username: access.username.clone(),
            scope: access.scope.clone(),
            ends: now + life(seconds),
        };
        self.refresh_tokens.push(issued.clone());
        issued
    }

    /// The access token's record, as long as it hasn't ended.
    pub(crate) fn valid(&self, given: &str, now: Timestamp) -> Option<&IssuedToken> {
        // The newest record decides when a token was given twice.
        self.tokens
            .iter()
            .rev()
            .find(|issued| issued.token.matches(given))
            .filter(|issued| issued.is_valid(now))
    }

    /// A live access token that this client has for this user.
    pub(crate) fn valid_for(
        &self,
        client_id: &str,
        username: &str,
        now: Timestamp,
    ) -> Option<&IssuedToken> {
        self.tokens
            .iter()
            .rev()
            .filter(|issued| {
                issued.client_id.as_deref() == Some(client_id) && issued.username == username
            })
            .find(|issued| issued.is_valid(now))
    }

    pub(crate) fn valid_refresh(
        &self,
        given: &str,
        client_id: &str,
        now: Timestamp,
    ) -> Option<RefreshToken> {
        self.live_refresh_tokens(client_id, now)
            .find(|issued| issued.token == given)
            .cloned()
    }

    /// A live refresh token that this client has for this user.
    pub(crate) fn valid_refresh_for(
        &self,
        client_id: &str,
        username: &str,
        now: Timestamp,
    ) -> Option<RefreshToken> {
        self.live_refresh_tokens(client_id, now)
            .find(|issued| issued.username == username)
            .cloned()
    }

    fn live_refresh_tokens(
        &self,
        client_id: &str,
        now: Timestamp,
    ) -> impl Iterator<Item = &RefreshToken> {
        self.refresh_tokens
            .iter()
            .filter(move |issued| issued.client_id == client_id && now < issued.ends)
    }

    /// The refresh token that came with an access token.
    pub(crate) fn refresh_of(&self, access: u64) -> Option<&RefreshToken> {
        self.refresh_tokens
            .iter()
            .find(|issued| issued.access == access)
    }

    pub(crate) fn drop_refresh(&mut self, token: &str) {
        self.refresh_tokens.retain(|issued| issued.token != token);
    }

    /// Ends an access token together with the refresh token that came with it.
    pub(crate) fn drop_pair(&mut self, access: u64) {
        self.tokens.retain(|issued| issued.id != access);
        self.refresh_tokens.retain(|issued| issued.access != access);
    }

    /// Ends the token of this text, whichever kind it is.
    pub(crate) fn drop_any(&mut self, token: &str) {
        self.tokens.retain(|issued| !issued.token.matches(token));
        self.drop_refresh(token);
    }

    pub(crate) fn expire_tokens(&mut self, now: Timestamp) {
        for token in &mut self.tokens {
            token.ends = Some(now);
        }
    }

    pub(crate) fn revoke_grants(&mut self) {
        self.refresh_tokens.clear();
    }

    /// Notes how a request for a token ended; what names no grant that exists counts as `other`.
    pub(crate) fn count(&mut self, grant: Option<GrantType>, succeeded: bool) {
        let name = grant.map_or("other", GrantType::name);
        let requests = self.requests.entry(name.to_owned()).or_default();
        if succeeded {
            requests.succeeded += 1;
        } else {
            requests.refused += 1;
        }
    }

    pub(crate) fn requests(&self) -> BTreeMap<String, TokenRequests> {
        self.requests.clone()
    }
}

fn life(seconds: u32) -> SignedDuration {
    SignedDuration::from_secs(i64::from(seconds))
}

/// Unlike anything handed out before, also by an earlier instance of the same name.
pub(crate) fn random_text() -> String {
    let part = || RandomState::new().hash_one(());
    format!(
        "{:016x}{:016x}{:016x}{:016x}",
        part(),
        part(),
        part(),
        part()
    )
}

/// Whether the verifier belongs to the challenge; without a challenge nothing is asked.
pub(crate) fn verifies(challenge: Option<&str>, verifier: Option<&str>) -> bool {
    challenge.is_none_or(|challenge| {
        verifier.is_some_and(|verifier| {
            URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())) == challenge
        })
    })
}

/// Sends the browser back with these parameters.
pub(crate) fn redirect(uri: &str, parameters: &[(&str, &str)]) -> Answer {
    let query: String = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish();
    let joint = if uri.contains('?') { '&' } else { '?' };
    Answer::empty(302).with_header("Location", format!("{uri}{joint}{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifier_has_to_hash_to_the_challenge() {
        // The example of RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(verifies(Some(challenge), Some(verifier)));
        assert!(!verifies(Some(challenge), Some("other")));
        assert!(!verifies(Some(challenge), None));
        assert!(verifies(None, None));
    }

    #[test]
    fn texts_differ() {
        assert_ne!(random_text(), random_text());
        assert_eq!(random_text().len(), 64);
    }

    #[test]
    fn address_keeps_its_own_query() {
        for (uri, expected) in [
            ("https://a.example/cb", "https://a.example/cb?code=a%26b"),
            (
                "https://a.example/cb?x=1",
                "https://a.example/cb?x=1&code=a%26b",
            ),
        ] {
            let answer = redirect(uri, &[("code", "a&b")]);
            assert_eq!(
                answer.headers,
                [("Location".to_owned(), expected.to_owned())]
            );
        }
    }
}
