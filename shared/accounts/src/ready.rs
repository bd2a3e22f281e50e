use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::{Account, AccountName, AccountState, Vendor};
use jiff::{SignedDuration, Timestamp};
use retry::Disposition;
use store::Lease;
use tokio::sync::Mutex;

use crate::credential::{Credential, Grant, Issued, OauthCredential};
use crate::{Accounts, Error, Inner};

/// How long a row read from the table counts. Changing an account takes so long to be seen, unless the vendor
/// refuses what is in hand.
const ROW: SignedDuration = SignedDuration::from_secs(60);
/// How long one function may take to renew tokens. Longer than its calls last: the vendor's 10 s, and AWS's 8 s twice.
const LEASE: SignedDuration = SignedDuration::from_secs(45);
/// An access token that is good for less is not used any more while it is being renewed.
const LEAST_REMAINING: Duration = Duration::from_secs(20);
/// How exact `used_at` is.
const USED: SignedDuration = SignedDuration::from_hours(1);

/// An account ready for use.
#[derive(Debug, Clone)]
pub struct Connected {
    /// Everything but the secret.
    pub account: Account,
    /// The secret.
    pub credential: Credential,
}

impl Connected {
    /// Whether both are the same account of the same instance, with the same secret.
    fn is_same_as(&self, other: &Self) -> bool {
        is_same_put(&self.account, &other.account) && self.credential.is_same_as(&other.credential)
    }
}

/// Whether the account was not put in between. Renewing tokens and being used change nothing of that.
fn is_same_put(one: &Account, other: &Account) -> bool {
    let put = |account: &Account| {
        (
            account.vendor,
            account.instance.clone(),
            account.secret.clone(),
            account.updated_at,
        )
    };
    put(one) == put(other)
}

#[derive(Debug, Clone)]
pub(crate) struct Cached {
    connected: Arc<Connected>,
    row_read_at: Timestamp,
    /// Tokens that the vendor has given and that could not be stored: the only copy.
    unsaved: bool,
}

/// What this process has in memory of one account.
pub(crate) type Slot = Option<Cached>;

/// Why there are no other tokens.
enum NotIssued {
    /// The vendor says no, for good, with these words.
    Refused(String),
    /// Not now.
    Trouble(Error),
}

impl Accounts {
    /// An account of this vendor, ready for use: its access token is good for as long as an attempt lasts.
    ///
    /// # Errors
    /// See [`Error`]; each says what to do.
    pub async fn connect(
        &self,
        name: &AccountName,
        vendor: Vendor,
        now: Timestamp,
    ) -> Result<Arc<Connected>, Error> {
        // Held while reading and renewing, so that a batch of ten does either once.
        let slot = self.inner.slot(name).await;
        let mut slot = slot.lock().await;
        let connected = self.inner.current(&mut slot, name, now).await?;
        check_vendor(&connected.account, vendor)?;
        let ready = self.ready(&mut slot, name, connected, now).await?;
        self.inner.note_use(&mut slot, name, &ready, now).await;
        Ok(ready)
    }

    /// What to try once more with, after the vendor has refused what is in hand: another secret if one was put
    /// meanwhile, or another access token. `None` when there is none, so that trying again is of no use.
    ///
    /// # Errors
    /// See [`Error`]; each says what to do.
    pub async fn reconnect(
        &self,
        name: &AccountName,
        refused: &Connected,
        now: Timestamp,
    ) -> Result<Option<Arc<Connected>>, Error> {
        let slot = self.inner.slot(name).await;
        let mut slot = slot.lock().await;
        // Another attempt of the same batch may have got something else already.
        if let Some(cached) = &*slot
            && !cached.connected.is_same_as(refused)
        {
            check_vendor(&cached.connected.account, refused.account.vendor)?;
            return Ok(Some(Arc::clone(&cached.connected)));
        }
        // The row first, as in `connect`: a secret that was put in between is then at worst newer than the
        // row, and the row differs when it is read the next time.
        let account = self.inner.row(name).await?;
        check_vendor(&account, refused.account.vendor)?;
        let credential = self.inner.secrets.read(&account).await?;
        let stored = Connected {
            account,
            credential,
        };
        if !stored.is_same_as(refused) {
            let stored = keep(&mut slot, stored, now);
            return self.ready(&mut slot, name, stored, now).await.map(Some);
        }
        check_state(&stored.account)?;
        let Credential::Oauth(oauth) = &stored.credential else {
            return Ok(None);
        };
        if !can_renew(oauth) {
            return Ok(None);
        }
        let stored = Arc::new(stored);
        let renewed = self.renew(&mut slot, name, &stored, true, now).await?;
        Ok((!renewed.is_same_as(refused)).then_some(renewed))
    }

    /// Renews what is due.
    async fn ready(
        &self,
        slot: &mut Slot,
        name: &AccountName,
        connected: Arc<Connected>,
        now: Timestamp,
    ) -> Result<Arc<Connected>, Error> {
        if let Err(error) = check_state(&connected.account) {
            // Not remembered: once somebody has connected it, the next task sees so.
            *slot = None;
            return Err(error);
        }
        let Credential::Oauth(oauth) = &connected.credential else {
            return Ok(connected);
        };
        let due = match (&oauth.issued, oauth.grant) {
            (Some(issued), _) => issued.is_due(now),
            (None, Grant::ClientCredentials) => true,
            (None, Grant::AuthorizationCode) => return Err(Error::NotConnected(name.clone())),
        };
        if due {
            return self.renew(slot, name, &connected, false, now).await;
        }
        Ok(connected)
    }

    /// Gets other tokens than those of `stale`, from the vendor or from a function that was quicker. `refused` says
    /// that the vendor no longer takes the access token, however long it should be good.
    async fn renew(
        &self,
        slot: &mut Slot,
        name: &AccountName,
        stale: &Arc<Connected>,
        refused: bool,
        now: Timestamp,
    ) -> Result<Arc<Connected>, Error> {
        let inner = &self.inner;
        let still_good = || {
            let Credential::Oauth(oauth) = &stale.credential else {
                return false;
            };
            let remaining = oauth
                .issued
                .as_ref()
                .and_then(|issued| issued.remaining(now));
            !refused && remaining.is_some_and(|remaining| remaining >= LEAST_REMAINING)
        };
        let number = inner.renewals.fetch_add(1, Ordering::Relaxed);
        let owner = format!("{}/{number}", inner.process);
        let until = now.checked_add(LEASE).unwrap_or(Timestamp::MAX);
        let lease = inner
            .rows
            .begin_refresh(&stale.account, &owner, now, until)
            .await
            .map_err(Error::table(name))?;
        let held_until = match lease {
            Lease::Granted => None,
            Lease::Held { until } => Some(until),
            Lease::Changed => {
                *slot = None;
                check_state(&inner.row(name).await?)?;
                return Err(Error::Busy(name.clone()));
            }
        };
        // Whoever was quicker may have stored other tokens since ours were read.
        let stored = Connected {
            credential: inner.secrets.read(&stale.account).await?,
            account: stale.account.clone(),
        };
        if !stored.is_same_as(stale) && !is_due(&stored.credential, now) {
            if held_until.is_none() {
                inner.give_back(name, &stored.account, &owner).await;
            }
            return Ok(keep(slot, stored, now));
        }
        if let Some(until) = held_until {
            if still_good() {
                return Ok(Arc::clone(stale));
            }
            return Err(Error::Refreshing {
                name: name.clone(),
                until,
            });
        }
        // Detached: the attempt that waits for it may be broken off, and new tokens must be stored all the same.
        let work = tokio::spawn(Arc::clone(inner).renew_and_store(stored, owner, now));
        let renewed = work
            .await
            .unwrap_or_else(|_| Err(Error::Interrupted(name.clone())));
        match renewed {
            Ok((connected, unsaved)) => {
                let connected = keep(slot, connected, now);
                if let Some(cached) = slot {
                    cached.unsaved = unsaved;
                }
                Ok(connected)
            }
            Err(error @ Error::Reconnect { .. }) => {
                *slot = None;
                Err(error)
            }
            Err(error) if still_good() => {
                tracing::warn!(account = %name, error = startup::chain(&error), "tokens not renewed yet");
                Ok(Arc::clone(stale))
            }
            Err(error) => Err(error),
        }
    }
}

impl Inner {
    /// The account's row, under whichever of its names.
    pub(crate) async fn row(&self, name: &AccountName) -> Result<Account, Error> {
        let row = self.rows.get(name).await.map_err(Error::table(name))?;
        row.ok_or_else(|| Error::Unknown(name.clone()))
    }

    /// What is in memory, or in the table and Secrets Manager.
    async fn current(
        &self,
        slot: &mut Slot,
        name: &AccountName,
        now: Timestamp,
    ) -> Result<Arc<Connected>, Error> {
        self.save_what_is_unsaved(slot, name).await;
        let cached = slot.as_ref();
        if let Some(cached) = cached
            && now.duration_since(cached.row_read_at) < ROW
        {
            return Ok(Arc::clone(&cached.connected));
        }
        let account = self.row(name).await?;
        let credential = match cached {
            // Every put changes the row, so that the secret still belongs to a row that is the same.
            Some(cached) if is_same_put(&cached.connected.account, &account) => {
                cached.connected.credential.clone()
            }
            Some(_) | None => self.secrets.read(&account).await?,
        };
        let unsaved = cached.is_some_and(|cached| cached.unsaved);
        let connected = Connected {
            account,
            credential,
        };
        let connected = keep(slot, connected, now);
        if let Some(cached) = slot {
            cached.unsaved = unsaved;
        }
        Ok(connected)
    }

    /// Tries again to store tokens of which this process has the only copy.
    async fn save_what_is_unsaved(&self, slot: &mut Slot, name: &AccountName) {
        let Some(cached) = slot.as_mut().filter(|cached| cached.unsaved) else {
            return;
        };
        let Connected {
            account,
            credential,
        } = &*cached.connected;
        match self.secrets.replace(account, credential).await {
            Ok(()) => cached.unsaved = false,
            Err(error) => {
                tracing::error!(account = %name, error = startup::chain(&error), "renewed tokens still not stored");
            }
        }
    }

    /// With the lease in hand: asks the vendor, stores what it gives, gives the lease back. The flag says that the
    /// tokens could not be stored: they are good, but only here.
    async fn renew_and_store(
        self: Arc<Self>,
        stale: Connected,
        owner: String,
        now: Timestamp,
    ) -> Result<(Connected, bool), Error> {
        let name = stale.account.name.clone();
        let issued = match self.ask_vendor(&stale, now).await {
            Ok(issued) => issued,
            Err(error) => {
                // Stored before the lease is given back: whoever comes next must not ask the vendor again.
                let error = match error {
                    NotIssued::Refused(problem) => self.refused(&stale, &problem, now).await?,
                    NotIssued::Trouble(error) => error,
                };
                self.give_back(&name, &stale.account, &owner).await;
                return Err(error);
            }
        };
        let Connected {
            account,
            credential,
        } = stale;
        let credential = match credential {
            Credential::Oauth(oauth) => Credential::Oauth(OauthCredential {
                issued: Some(issued),
                ..oauth
            }),
            other @ (Credential::Basic { .. }
            | Credential::ApiToken { .. }
            | Credential::Bearer { .. }) => other,
        };
        if let Err(error) = self.secrets.replace(&account, &credential).await {
            // The lease stays until its end: nobody should use the old refresh token meanwhile.
            tracing::error!(account = %name, error = startup::chain(&error), "renewed tokens not stored");
            let connected = Connected {
                account,
                credential,
            };
            return Ok((connected, true));
        }
        self.give_back(&name, &account, &owner).await;
        tracing::info!(account = %name, "tokens renewed");
        let connected = Connected {
            account,
            credential,
        };
        Ok((connected, false))
    }

    async fn ask_vendor(&self, stale: &Connected, now: Timestamp) -> Result<Issued, NotIssued> {
        let name = &stale.account.name;
        let Credential::Oauth(oauth) = &stale.credential else {
            return Err(NotIssued::Trouble(Error::Interrupted(name.clone())));
        };
        let provider = self
            .vendors
            .oauth(&stale.account)
            .map_err(NotIssued::Trouble)?;
        let http = &self.vendors.http;
        let refresh = oauth
            .issued
            .as_ref()
            .and_then(|issued| issued.refresh.as_ref());
        let tokens = match (oauth.grant, refresh) {
            (Grant::ClientCredentials, _) => provider.client_credentials(http, &oauth.client).await,
            (Grant::AuthorizationCode, Some(refresh)) => {
                provider.refresh(http, &oauth.client, refresh).await
            }
            (Grant::AuthorizationCode, None) => {
                return Err(NotIssued::Refused(
                    "the access token is over, and the vendor gave no refresh token".to_owned(),
                ));
            }
        };
        match tokens {
            Ok(tokens) => Ok(Issued::new(tokens, oauth.issued.as_ref(), now)),
            Err(source) if source.disposition() == Disposition::GiveUp => {
                Err(NotIssued::Refused(source.to_string()))
            }
            Err(source) => Err(NotIssued::Trouble(Error::Renewal {
                name: name.clone(),
                source,
            })),
        }
    }

    /// The vendor no longer renews: tells so, and stores it.
    async fn refused(
        &self,
        stale: &Connected,
        problem: &str,
        now: Timestamp,
    ) -> Result<Error, Error> {
        let Connected {
            account,
            credential,
        } = stale;
        let name = &account.name;
        // Somebody may have connected it while the vendor was asked.
        let stored = self.row(name).await?;
        if !is_same_put(&stored, account)
            || !self.secrets.read(&stored).await?.is_same_as(credential)
        {
            return Err(Error::Busy(name.clone()));
        }
        let lost = AccountState::Reconnect;
        let told = Account {
            state: lost,
            problem: Some(problem.to_owned()),
            ..account.clone()
        };
        let since = match credential {
            Credential::Oauth(oauth) => oauth.issued.as_ref().map(|issued| issued.at),
            Credential::Basic { .. } | Credential::ApiToken { .. } | Credential::Bearer { .. } => {
                None
            }
        };
        // Told before it is stored: should this function end in between, the next one tells it again, as the same event.
        self.bus
            .tell(&told, since.unwrap_or(account.updated_at), now)
            .await?;
        self.rows
            .set_state(account, lost, Some(problem))
            .await
            .map_err(Error::table(name))?;
        tracing::error!(account = %name, "account must be connected again");
        Ok(Error::Reconnect {
            name: name.clone(),
            problem: problem.to_owned(),
        })
    }

    async fn give_back(&self, name: &AccountName, account: &Account, owner: &str) {
        if let Err(error) = self.rows.end_refresh(&account.name, owner).await {
            // It ends by itself.
            tracing::warn!(account = %name, error = startup::chain(&error), "lease on an account not given back");
        }
    }

    /// Keeps when the account was last used, to the hour.
    async fn note_use(
        &self,
        slot: &mut Slot,
        name: &AccountName,
        connected: &Arc<Connected>,
        now: Timestamp,
    ) {
        let used = connected.account.used_at;
        if used.is_some_and(|used| now.duration_since(used) < USED) {
            return;
        }
        if let Err(error) = self.rows.used(&connected.account.name, now).await {
            tracing::warn!(account = %name, error = startup::chain(&error), "use of an account not noted");
        }
        if let Some(cached) = slot {
            let mut noted = Connected::clone(&cached.connected);
            noted.account.used_at = Some(now);
            cached.connected = Arc::new(noted);
        }
    }

    /// Forgets what is in memory of an account that has changed.
    pub(crate) async fn forget(&self, name: &AccountName) {
        *self.slot(name).await.lock().await = None;
    }

    /// An account's place in memory. Each has a lock of its own: a slow vendor holds up its own tasks only.
    async fn slot(&self, name: &AccountName) -> Arc<Mutex<Slot>> {
        let mut cache = self.cache.lock().await;
        Arc::clone(cache.entry(name.clone()).or_default())
    }
}

fn keep(slot: &mut Slot, connected: Connected, now: Timestamp) -> Arc<Connected> {
    let connected = Arc::new(connected);
    *slot = Some(Cached {
        connected: Arc::clone(&connected),
        row_read_at: now,
        unsaved: false,
    });
    connected
}

fn is_due(credential: &Credential, now: Timestamp) -> bool {
    let Credential::Oauth(oauth) = credential else {
        return false;
    };
    oauth
        .issued
        .as_ref()
        .is_none_or(|issued| issued.is_due(now))
}

/// Whether there is something to get another access token with.
fn can_renew(oauth: &OauthCredential) -> bool {
    match oauth.grant {
        Grant::ClientCredentials => true,
        Grant::AuthorizationCode => oauth
            .issued
            .as_ref()
            .is_some_and(|issued| issued.refresh.is_some()),
    }
}

fn check_state(account: &Account) -> Result<(), Error> {
    let name = account.name.clone();
    match account.state {
        AccountState::Connected => Ok(()),
        AccountState::Connecting => Err(Error::NotConnected(name)),
        AccountState::Reconnect => Err(Error::Reconnect {
            name,
            problem: account
                .problem
                .clone()
                .unwrap_or_else(|| "the vendor refused to renew its tokens".to_owned()),
        }),
    }
}

pub(crate) fn check_vendor(account: &Account, vendor: Vendor) -> Result<(), Error> {
    if account.vendor == vendor {
        return Ok(());
    }
    Err(Error::WrongVendor {
        name: account.name.clone(),
        found: account.vendor,
        expected: vendor,
    })
}
