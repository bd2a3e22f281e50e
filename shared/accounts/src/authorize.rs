//! Connecting an account at the vendor, in three steps: an invitation for its owner, the way to the vendor, the way back.

use std::fmt;
use std::time::Duration;

use domain::{Account, AccountKind, AccountName, AccountState};
use jiff::{SignedDuration, Timestamp};
use oauth::{Client, State, Verifier};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::{Authorization, Invitation, Taken};
use vendor_http::Url;

use crate::credential::{Credential, Grant, Issued, OauthCredential};
use crate::vendors::check_kind;
use crate::{Accounts, Connected, Error, Moment, NewAccount, Verification};

/// How long the address that `accounts connect` prints is good.
const INVITATION: SignedDuration = SignedDuration::from_mins(30);
/// How long somebody may take at the vendor's.
const AUTHORIZATION: SignedDuration = SignedDuration::from_mins(10);
/// How long a freshly connected account may take to be tried out: somebody looks at an empty page meanwhile.
const VERIFICATION: Duration = Duration::from_secs(12);
/// How long it may take to find out whether the account belongs to the right company.
const COMPANY: Duration = Duration::from_secs(8);
/// Where the vendor sends the browser back to, below the stack's address.
const CALLBACK: &str = "/connect/callback";

/// How to get another address. Of one that is no good nobody knows which of them it was.
const ASK_AGAIN: &str = "for your own sign-in where you asked for this one or with `closedloop teamviewer sign-in`, for an \
                         account that others use, too, with `closedloop accounts connect`";

/// How an account's owner goes on.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Connect {
    /// To open in a browser. Whoever has it can connect the account, so it is for its owner alone.
    pub url: String,
    /// The redirect URL to register with the vendor's OAuth client.
    pub redirect_uri: String,
    /// The address is good until then.
    pub expires_at: Timestamp,
}

impl fmt::Debug for Connect {
    /// Without the address, which is as good as the account.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("redirect_uri", &self.redirect_uri)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Where a browser is sent, and what it keeps until it comes back.
pub struct Authorize {
    /// At the vendor's.
    pub location: Url,
    /// What comes back with the vendor's answer.
    pub state: State,
    /// For a cookie; proves that the same browser comes back.
    pub browser: SecretString,
    /// How long the browser is expected back.
    pub lifetime: SignedDuration,
}

impl fmt::Debug for Authorize {
    /// Without the address, which carries the state.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorize")
            .field("host", &self.location.host_str())
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

/// What the vendor sent the browser back with.
#[derive(Debug)]
pub enum Answer {
    /// Somebody agreed.
    Code(SecretString),
    /// Somebody did not, or could not.
    Denied {
        /// The vendor's word for it, such as `access_denied`.
        error: String,
    },
}

/// A connected account.
#[derive(Debug)]
pub struct Completed {
    /// The account as it is now.
    pub account: Account,
    /// What came of trying it out; `None` when that was not possible.
    pub verification: Option<Verification>,
}

/// What the vendor gave when somebody agreed, and what proves that it was given to this browser.
struct Agreed<'a> {
    code: &'a SecretString,
    verifier: &'a Verifier,
}

/// Why somebody who came was sent away. The text is for them.
#[derive(Debug, thiserror::Error)]
pub enum NotCompleted {
    /// The address was never given out, was used, or is too old.
    #[error("This address is not, or no longer, good. Ask for another one: {ASK_AGAIN}.")]
    NoInvitation,
    /// The vendor's answer belongs to no question that was asked, or was given before.
    #[error(
        "Nobody waits for this answer: it was given before, or never asked for. Begin again with the address that you were given."
    )]
    UnknownState,
    /// Too slow.
    #[error("This took longer than ten minutes. Begin again with the address that you were given.")]
    Expired,
    /// Begun elsewhere: somebody may try to make this browser's owner connect a foreign account.
    #[error(
        "This was begun in another browser. Begin again in this one, with the address that you were given."
    )]
    OtherBrowser,
    /// Somebody said no at the vendor's.
    #[error("The vendor answered `{0}`: nothing was connected.")]
    Denied(String),
    /// The account has another OAuth client since, or is gone.
    #[error("The account was changed in between. Ask for another address: {ASK_AGAIN}.")]
    Changed,
    /// The vendor did not give tokens for the code.
    #[error("The vendor gave no tokens: {0}. Begin again with the address that you were given.")]
    NoTokens(#[source] oauth::Error),
    /// Who agreed has an account of another company than the one that the account is to belong to.
    #[error(
        "You are signed in at the vendor with an account of another company: nothing was connected. Sign out there, begin \
         again with the address that you were given, and agree with the account of your company."
    )]
    OtherCompany,
    /// Something on our side, after the invitation was used up.
    #[error(
        "The account could not be stored at this moment. Ask for another address: {ASK_AGAIN}."
    )]
    NotStored(#[source] Error),
    /// Something on our side.
    #[error(
        "The account could not be connected at this moment. Begin again in a minute, with the address that you were given."
    )]
    Trouble(#[from] Error),
}

impl NotCompleted {
    fn table(name: &AccountName) -> impl FnOnce(store::Error) -> Self {
        let wrap = Error::table(name);
        move |source| Self::Trouble(wrap(source))
    }
}

impl Accounts {
    /// Where the vendor is to send browsers back to: the redirect URL to register with its OAuth client.
    ///
    /// # Errors
    /// [`Error::NoPublicUrl`].
    pub fn redirect_uri(&self) -> Result<String, Error> {
        let url = &self.inner.public_url;
        if url.is_empty() {
            return Err(Error::NoPublicUrl);
        }
        Ok(format!("{url}{CALLBACK}"))
    }

    /// Prepares an account for its owner to connect. With the `client` that it has already, or with none named, it goes on
    /// working meanwhile; with another one its tasks wait. A client without a secret is the one that the account has, if the
    /// ids are the same, or `public`.
    ///
    /// # Errors
    /// As [`Accounts::put`]; [`Error::NoClient`].
    pub async fn begin_connect(
        &self,
        new: NewAccount,
        client: Option<Client>,
        public: bool,
        random: [u8; 32],
        now: Timestamp,
    ) -> Result<Connect, Error> {
        self.begin(new, client, public, None, random, now).await
    }

    async fn begin(
        &self,
        new: NewAccount,
        client: Option<Client>,
        public: bool,
        like: Option<AccountName>,
        random: [u8; 32],
        now: Timestamp,
    ) -> Result<Connect, Error> {
        check_kind(new.vendor, AccountKind::OauthAuthorizationCode)?;
        let redirect_uri = self.redirect_uri()?;
        let (before, account) = self.prepare(new, now).await?;
        let name = account.name.clone();
        let known = match &before {
            Some(before) => match self.inner.secrets.read(before).await {
                Ok(Credential::Oauth(oauth)) if oauth.grant == Grant::AuthorizationCode => {
                    Some(oauth)
                }
                Ok(_) | Err(Error::NoSecret(_) | Error::UnusableSecret { .. }) => None,
                Err(error) => return Err(error),
            },
            None => None,
        };
        let client = match client {
            Some(client) if client.secret.is_none() && !public => match &known {
                Some(known) if known.client.id == client.id => None,
                Some(_) | None => return Err(Error::NoClientSecret(name)),
            },
            other => other,
        };
        let public = client
            .as_ref()
            .or(known.as_ref().map(|known| &known.client))
            .is_some_and(|client| client.secret.is_none());
        // Without PKCE it is the secret alone that keeps others from using a code.
        if public && !self.inner.vendors.oauth(&account, None)?.pkce {
            return Err(Error::NoClientSecret(name));
        }
        let same_instance = before
            .as_ref()
            .is_some_and(|before| before.instance == account.instance);
        let keeps = match (&known, &client) {
            (Some(_), None) => same_instance,
            (Some(known), Some(client)) => same_instance && is_same_client(&known.client, client),
            (None, Some(_)) => false,
            (None, None) => return Err(Error::NoClient(name)),
        };
        if !keeps {
            // The secret that is stored goes to the instance that it was given for, and to no other.
            let credential = Credential::Oauth(OauthCredential {
                grant: Grant::AuthorizationCode,
                client: client.ok_or_else(|| Error::NoClientSecret(name.clone()))?,
                scope: None,
                issued: None,
            });
            let account = Account {
                kind: credential.kind(),
                state: AccountState::Connecting,
                problem: None,
                ..account
            };
            self.store(before.as_ref(), &account, &credential, now)
                .await?;
        }
        let ticket = hex::encode(random);
        let expires_at = now.checked_add(INVITATION).unwrap_or(Timestamp::MAX);
        let invitation = Invitation {
            id: hash("invitation", &ticket),
            account: name.clone(),
            like,
            expires_at,
        };
        self.inner
            .connects
            .invite(&invitation)
            .await
            .map_err(Error::table(&name))?;
        Ok(Connect {
            url: format!("{}/connect/start?ticket={ticket}", self.inner.public_url),
            redirect_uri,
            expires_at,
        })
    }

    /// Prepares an account of somebody's own, with the OAuth client and the instance of the account `like`, whose client many
    /// people sign in with. Asking again gives another address for the same account. Whoever agrees with an account of another
    /// company is refused.
    ///
    /// # Errors
    /// As [`Accounts::begin_connect`]; [`Error::NoClient`] when `like` has no client for people.
    pub async fn begin_sign_in(
        &self,
        name: AccountName,
        like: &AccountName,
        owner: String,
        random: [u8; 32],
        now: Timestamp,
    ) -> Result<Connect, Error> {
        let like = self.get(like).await?;
        let Credential::Oauth(OauthCredential {
            grant: Grant::AuthorizationCode,
            client,
            ..
        }) = self.inner.secrets.read(&like).await?
        else {
            return Err(Error::NoClient(like.name));
        };
        let new = NewAccount {
            name,
            vendor: like.vendor,
            instance: like.instance,
            owner: Some(owner),
        };
        let public = client.secret.is_none();
        self.begin(new, Some(client), public, Some(like.name), random, now)
            .await
    }

    /// Whose own account an invitation is for, by the name that people have for them: whoever goes on signs in for that person,
    /// so they are asked first. `None`: the account is one that many use.
    ///
    /// # Errors
    /// [`NotCompleted`].
    pub async fn invited_person(
        &self,
        ticket: &SecretString,
        now: Timestamp,
    ) -> Result<Option<String>, NotCompleted> {
        let invitation = self.invitation(ticket, now).await?;
        let account = self.invited(&invitation.account).await?;
        let is_own = invitation.account.is_of_person(account.vendor);
        let owner = account.owner.unwrap_or_else(|| account.name.to_string());
        Ok(is_own.then_some(owner))
    }

    /// Sends whoever has an invitation to the vendor.
    ///
    /// # Errors
    /// [`NotCompleted`].
    pub async fn authorize(
        &self,
        ticket: &SecretString,
        random: [u8; 64],
        now: Timestamp,
    ) -> Result<Authorize, NotCompleted> {
        let invitation = self.invitation(ticket, now).await?;
        let account = self.invited(&invitation.account).await?;
        let oauth = self.client_of(&account).await?;
        let provider = self.inner.vendors.oauth(&account, None)?;
        let (state, browser) = random.split_at(32);
        let state = State::new(state.try_into().unwrap_or_default());
        let browser: SecretString = hex::encode(browser).into();
        let verifier = Verifier::derive(&browser);
        let expires_at = now.checked_add(AUTHORIZATION).unwrap_or(Timestamp::MAX);
        let authorization = Authorization {
            id: hash("state", state.expose()),
            account: account.name.clone(),
            browser: hash("browser", browser.expose_secret()),
            client_id: oauth.client.id.clone(),
            instance: account.instance.clone(),
            invitation: invitation.id,
            expires_at,
        };
        self.inner
            .connects
            .begin(&authorization)
            .await
            .map_err(NotCompleted::table(&account.name))?;
        let redirect_uri = self.redirect_uri()?;
        let location = provider.authorization_url(&oauth.client, &redirect_uri, &state, &verifier);
        Ok(Authorize {
            location,
            state,
            browser,
            lifetime: AUTHORIZATION,
        })
    }

    /// Takes what the vendor sent the browser back with: stores the tokens, then tries them out.
    ///
    /// # Errors
    /// [`NotCompleted`].
    pub async fn complete(
        &self,
        state: &SecretString,
        browser: Option<&SecretString>,
        answer: Answer,
        now: Timestamp,
    ) -> Result<Completed, NotCompleted> {
        let connects = &self.inner.connects;
        let id = hash("state", state.expose_secret());
        let browser = browser.ok_or(NotCompleted::OtherBrowser)?;
        let held = hash("browser", browser.expose_secret());
        let taken = connects.take(&id, &held, now).await;
        let authorization = match taken.map_err(Error::Listing)? {
            Taken::Taken(authorization) => *authorization,
            Taken::Unknown => return Err(NotCompleted::UnknownState),
            Taken::Expired => return Err(NotCompleted::Expired),
            Taken::OtherBrowser => return Err(NotCompleted::OtherBrowser),
        };
        let code = match answer {
            Answer::Code(code) => code,
            Answer::Denied { error } => return Err(NotCompleted::Denied(plain_word(&error))),
        };
        let before = self.invited(&authorization.account).await?;
        let oauth = self.client_of(&before).await?;
        // The code and the client's secret go to the instance that gave the code, and to no other.
        if oauth.client.id != authorization.client_id || before.instance != authorization.instance {
            return Err(NotCompleted::Changed);
        }
        let invitation = connects.invitation(&authorization.invitation).await;
        let invitation = invitation.map_err(NotCompleted::table(&before.name))?;
        let invitation = invitation.ok_or(NotCompleted::NoInvitation)?;
        // Before anything is used up: when somebody else has the right to change the account, the address is still good.
        let owner = self.inner.hold(&before, now).await?;
        let agreed = Agreed {
            code: &code,
            verifier: &Verifier::derive(browser),
        };
        let taken = self
            .take_tokens(&before, oauth, agreed, &invitation, &owner, now)
            .await;
        if taken.is_err() {
            self.inner.give_back(&before, &owner).await;
        }
        let account = taken?;
        let name = &account.name;
        if let Err(error) = self.inner.bus.tell(&account, now, now).await {
            tracing::warn!(account = %name, error = startup::chain(&error), "connected account not told of");
        }
        let verified = tokio::time::timeout(VERIFICATION, self.verify(name, now)).await;
        let verification = match verified {
            Ok(Ok(verification)) => Some(verification),
            Ok(Err(error)) => {
                tracing::warn!(account = %name, error = startup::chain(&error), "connected account not verified");
                None
            }
            Err(_) => {
                tracing::warn!(account = %name, "connected account not verified in time");
                None
            }
        };
        let account = self.get(name).await.unwrap_or(account);
        Ok(Completed {
            account,
            verification,
        })
    }

    /// With the right to change the account in hand: turns the code into tokens, uses the invitation up, and stores them.
    async fn take_tokens(
        &self,
        before: &Account,
        oauth: OauthCredential,
        agreed: Agreed<'_>,
        invitation: &Invitation,
        owner: &str,
        now: Timestamp,
    ) -> Result<Account, NotCompleted> {
        let provider = self.inner.vendors.oauth(before, oauth.scope.as_deref())?;
        let tokens = provider
            .exchange_code(
                &self.inner.vendors.http,
                &oauth.client,
                agreed.code,
                &self.redirect_uri()?,
                agreed.verifier,
            )
            .await
            .map_err(NotCompleted::NoTokens)?;
        let credential = Credential::Oauth(OauthCredential {
            issued: Some(Issued::new(tokens, None, now)),
            ..oauth
        });
        let account = Account {
            kind: credential.kind(),
            state: AccountState::Connected,
            problem: None,
            updated_at: now,
            ..before.clone()
        };
        let connected = Connected {
            account,
            credential,
        };
        if let Some(like) = &invitation.like
            && self.is_of_another_company(&connected, like, now).await
        {
            self.revoke_in_time(&connected).await;
            return Err(NotCompleted::OtherCompany);
        }
        // Two may have begun with one invitation: the first who comes back has used it up.
        let used_up = self.inner.connects.use_up(&invitation.id).await;
        let account = connected.account;
        if !used_up.map_err(|error| NotCompleted::NotStored(Error::table(&account.name)(error)))? {
            return Err(NotCompleted::NoInvitation);
        }
        let stored = self.replace(&account, &connected.credential, owner).await;
        stored.map_err(NotCompleted::NotStored)?;
        Ok(account)
    }

    /// Whether an account that somebody has just agreed with belongs to another company than `like`. Where the vendor does not
    /// say it of both, nobody is turned away.
    async fn is_of_another_company(
        &self,
        connected: &Connected,
        like: &AccountName,
        now: Timestamp,
    ) -> bool {
        let vendors = &self.inner.vendors;
        let expected = async {
            let moment = Moment::new(now, COMPANY);
            let like = self.connect(like, connected.account.vendor, &moment).await;
            vendors.company(&*like.ok()?).await
        };
        let companies = async { tokio::join!(expected, vendors.company(connected)) };
        let companies = tokio::time::timeout(COMPANY, companies).await;
        if let Ok((Some(expected), Some(found))) = companies {
            return expected != found;
        }
        tracing::warn!(account = %connected.account.name, "company of an account not known");
        false
    }

    async fn invitation(
        &self,
        ticket: &SecretString,
        now: Timestamp,
    ) -> Result<Invitation, NotCompleted> {
        let id = hash("invitation", ticket.expose_secret());
        let found = self.inner.connects.invitation(&id).await;
        found
            .map_err(Error::Listing)?
            .filter(|invitation| invitation.expires_at > now)
            .ok_or(NotCompleted::NoInvitation)
    }

    async fn invited(&self, name: &AccountName) -> Result<Account, NotCompleted> {
        match self.get(name).await {
            Ok(account) => Ok(account),
            Err(Error::Unknown(_)) => Err(NotCompleted::Changed),
            Err(error) => Err(error.into()),
        }
    }

    async fn client_of(&self, account: &Account) -> Result<OauthCredential, NotCompleted> {
        match self.inner.secrets.read(account).await? {
            Credential::Oauth(oauth) if oauth.grant == Grant::AuthorizationCode => Ok(oauth),
            Credential::Oauth(_)
            | Credential::Basic { .. }
            | Credential::ApiToken { .. }
            | Credential::Bearer { .. } => Err(NotCompleted::Changed),
        }
    }
}

fn is_same_client(one: &Client, other: &Client) -> bool {
    let secret = |client: &Client| {
        let secret = client.secret.as_ref();
        secret.map(|secret| secret.expose_secret().to_owned())
    };
    one.id == other.id && secret(one) == secret(other)
}

/// What the table holds in place of something that proves something. Each kind has hashes of its own.
fn hash(kind: &str, secret: &str) -> String {
    let hash = Sha256::new()
        .chain_update(kind)
        .chain_update(b"\0")
        .chain_update(secret)
        .finalize();
    hex::encode(hash)
}

/// The vendor's word without anything that the sender of a made-up answer could smuggle into a page.
fn plain_word(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
        .take(60)
        .collect()
}
