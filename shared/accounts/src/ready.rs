use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

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
/// How long one function may take to renew tokens. Far longer than its calls last.
const LEASE: SignedDuration = SignedDuration::from_secs(60);
/// What renewing may take of a function's time: the vendor's 5 s, and storing. Without it none is begun.
const RENEWAL: Duration = Duration::from_secs(7);
/// An access token that is good for less is not used any more while it is being renewed.
const LEAST_REMAINING: Duration = Duration::from_secs(20);
/// After a renewal that did not succeed this process asks no sooner, whatever the number of tasks.
const PAUSE: SignedDuration = SignedDuration::from_secs(5);
/// A vendor that refuses a token which it has just given in place of another would refuse the next one, too: this process asks
/// for one no sooner.
const FORCED: SignedDuration = SignedDuration::from_secs(60);
/// How exact `used_at` is.
const USED: SignedDuration = SignedDuration::from_hours(1);

/// The present, and how long the caller has.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    began_at: Timestamp,
    time: Duration,
    began: Instant,
}

impl Moment {
    /// It is `now`, and the caller's time is over after `time`.
    pub fn new(now: Timestamp, time: Duration) -> Self {
        Self {
            began_at: now,
            time,
            began: Instant::now(),
        }
    }

    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.began.elapsed()).unwrap_or(SignedDuration::MAX);
        self.began_at
            .saturating_add(elapsed)
            .unwrap_or(Timestamp::MAX)
    }

    fn left(&self) -> Duration {
        self.time.saturating_sub(self.began.elapsed())
    }
}

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
    unsaved: Option<Unsaved>,
    /// Until when the vendor is not asked for tokens again, and what it said last.
    pause: Option<(Timestamp, String)>,
    /// When another token was last asked for because the vendor refused one that should have been good.
    forced_at: Option<Timestamp>,
}

/// What it takes to store tokens later.
#[derive(Debug, Clone)]
struct Unsaved {
    /// Whose lease it was.
    owner: String,
    /// What they came from. Should something else be stored by then, they are of no use.
    from: Credential,
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
        moment: &Moment,
    ) -> Result<Arc<Connected>, Error> {
        // Held while reading and renewing, so that a batch of ten does either once.
        let slot = self.inner.slot(name).await;
        let mut slot = slot.lock().await;
        let connected = self.inner.current(&mut slot, name, moment).await?;
        check_vendor(&connected.account, vendor)?;
        let ready = self.ready(&mut slot, name, connected, moment).await?;
        self.inner.note_use(&mut slot, name, &ready, moment).await;
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
        moment: &Moment,
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
        self.inner
            .save_what_is_unsaved(&mut slot, name, moment)
            .await?;
        let stored = self.inner.read(name).await?;
        check_vendor(&stored.account, refused.account.vendor)?;
        if !stored.is_same_as(refused) {
            let stored = keep(&mut slot, stored, moment);
            return self.ready(&mut slot, name, stored, moment).await.map(Some);
        }
        check_state(&stored.account)?;
        if !matches!(stored.credential, Credential::Oauth(_)) {
            return Ok(None);
        }
        let just_forced = slot.as_ref().and_then(|cached| cached.forced_at);
        if just_forced.is_some_and(|at| moment.now().duration_since(at) < FORCED) {
            return Ok(None);
        }
        let stored = Arc::new(stored);
        let renewed = self.renew(&mut slot, name, &stored, true, moment).await?;
        if let Some(cached) = &mut *slot {
            cached.forced_at = Some(moment.now());
        }
        Ok((!renewed.is_same_as(refused)).then_some(renewed))
    }

    /// Waits for renewals that nobody waits for any more. A function must do so before it returns: what is still under way
    /// stands still afterwards, perhaps for ever, with tokens that the vendor has given and nobody has stored.
    pub async fn finish_renewals(&self) {
        drop(self.inner.renewing.write().await);
    }

    /// Renews what is due.
    async fn ready(
        &self,
        slot: &mut Slot,
        name: &AccountName,
        connected: Arc<Connected>,
        moment: &Moment,
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
            (Some(issued), _) => issued.is_due(moment.now()),
            (None, Grant::ClientCredentials) => true,
            (None, Grant::AuthorizationCode) => {
                *slot = None;
                return Err(Error::NotConnected(name.clone()));
            }
        };
        if due {
            return self.renew(slot, name, &connected, false, moment).await;
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
        moment: &Moment,
    ) -> Result<Arc<Connected>, Error> {
        let inner = &self.inner;
        let now = moment.now();
        let or_stale = |error: Error| {
            let Credential::Oauth(oauth) = &stale.credential else {
                return Err(error);
            };
            let remaining = oauth
                .issued
                .as_ref()
                .and_then(|issued| issued.remaining(now));
            if !refused && remaining.is_some_and(|remaining| remaining >= LEAST_REMAINING) {
                return Ok(Arc::clone(stale));
            }
            Err(error)
        };
        if let Some(Cached {
            pause: Some((until, problem)),
            ..
        }) = slot
            && *until > now
        {
            let after = Duration::try_from(until.duration_since(now)).ok();
            return or_stale(Error::Renewal {
                name: name.clone(),
                problem: problem.clone(),
                disposition: Disposition::Retry { after },
            });
        }
        if moment.left() < RENEWAL {
            return or_stale(Error::NoTime(name.clone()));
        }
        let owner = inner.owner();
        let lease = inner.lease(&stale.account, &owner, now).await?;
        // Whoever was quicker may have stored other tokens since ours were read.
        let stored = match &lease {
            Lease::Granted | Lease::Held { .. } => inner.read(name).await,
            Lease::Changed => {
                *slot = None;
                check_state(&inner.row(name).await?)?;
                return Err(Error::Busy(name.clone()));
            }
        };
        let stored = match (stored, &lease) {
            (Ok(stored), _) => stored,
            (Err(error), Lease::Granted) => {
                inner.give_back(&stale.account, &owner).await;
                return Err(error);
            }
            (Err(error), Lease::Held { .. } | Lease::Changed) => return Err(error),
        };
        if !is_same_put(&stored.account, &stale.account) {
            *slot = None;
            return Err(Error::Busy(name.clone()));
        }
        if !stored.is_same_as(stale) && !is_due(&stored.credential, now) {
            if lease == Lease::Granted {
                inner.give_back(&stored.account, &owner).await;
            }
            return Ok(keep(slot, stored, moment));
        }
        if let Lease::Held { until } = lease {
            return or_stale(Error::Refreshing {
                name: name.clone(),
                until,
            });
        }
        match self.renew_under_lease(slot, stored, owner, moment).await {
            Err(error @ Error::Reconnect { .. }) => Err(error),
            Err(error) => or_stale(error),
            renewed @ Ok(_) => renewed,
        }
    }

    /// Asks the vendor, and remembers what came of it.
    async fn renew_under_lease(
        &self,
        slot: &mut Slot,
        stored: Connected,
        owner: String,
        moment: &Moment,
    ) -> Result<Arc<Connected>, Error> {
        let inner = &self.inner;
        let name = &stored.account.name.clone();
        // Detached: the attempt that waits for it may be broken off, and new tokens must be stored all the same.
        let under_way = Arc::clone(&inner.renewing).read_owned().await;
        let work = Arc::clone(inner).renew_and_store(stored, owner, *moment);
        let work = tokio::spawn(async move {
            let renewed = work.await;
            drop(under_way);
            renewed
        });
        let renewed = work
            .await
            .unwrap_or_else(|_| Err(Error::Interrupted(name.clone())));
        match renewed {
            Ok((connected, unsaved)) => {
                let connected = keep(slot, connected, moment);
                if let Some(cached) = slot {
                    cached.unsaved = unsaved;
                }
                Ok(connected)
            }
            Err(error @ Error::Reconnect { .. }) => {
                *slot = None;
                Err(error)
            }
            Err(error) => {
                if let Error::Renewal {
                    problem,
                    disposition,
                    ..
                } = &error
                {
                    let asked = match disposition {
                        Disposition::Retry { after: Some(after) } => {
                            SignedDuration::try_from(*after).unwrap_or(PAUSE)
                        }
                        // A refused client is mended by hand.
                        Disposition::Wait { .. } => FORCED,
                        Disposition::Retry { after: None }
                        | Disposition::Reconcile { .. }
                        | Disposition::GiveUp => PAUSE,
                    };
                    if let Some(cached) = slot {
                        let until = moment.now().saturating_add(asked.max(PAUSE));
                        cached.pause = Some((until.unwrap_or(Timestamp::MAX), problem.clone()));
                    }
                }
                tracing::warn!(account = %name, error = startup::chain(&error), "tokens not renewed");
                Err(error)
            }
        }
    }
}

impl Inner {
    /// The account's row, under whichever of its names.
    pub(crate) async fn row(&self, name: &AccountName) -> Result<Account, Error> {
        let row = self.rows.get(name).await.map_err(Error::table(name))?;
        row.ok_or_else(|| Error::Unknown(name.clone()))
    }

    /// Row and secret as they are stored. The row first: a secret that was put in between is then at worst newer than
    /// the row, and the row differs when it is read the next time.
    async fn read(&self, name: &AccountName) -> Result<Connected, Error> {
        let account = self.row(name).await?;
        let credential = self.secrets.read(&account).await?;
        Ok(Connected {
            account,
            credential,
        })
    }

    /// What is in memory, or in the table and Secrets Manager.
    async fn current(
        &self,
        slot: &mut Slot,
        name: &AccountName,
        moment: &Moment,
    ) -> Result<Arc<Connected>, Error> {
        if let Err(error) = self.save_what_is_unsaved(slot, name, moment).await {
            // They are good, and only here: what is in memory is used for as long as that lasts.
            tracing::error!(account = %name, error = startup::chain(&error), "renewed tokens still not stored");
            if let Some(cached) = slot
                && !is_due(&cached.connected.credential, moment.now())
            {
                return Ok(Arc::clone(&cached.connected));
            }
            return Err(error);
        }
        let cached = slot.as_ref();
        if let Some(cached) = cached
            && moment.now().duration_since(cached.row_read_at) < ROW
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
        let pause = cached.and_then(|cached| cached.pause.clone());
        let forced_at = cached.and_then(|cached| cached.forced_at);
        let connected = Connected {
            account,
            credential,
        };
        let connected = keep(slot, connected, moment);
        if let Some(cached) = slot {
            cached.pause = pause;
            cached.forced_at = forced_at;
        }
        Ok(connected)
    }

    /// Tries again to store tokens of which this process has the only copy, unless something else was stored meanwhile.
    async fn save_what_is_unsaved(
        &self,
        slot: &mut Slot,
        name: &AccountName,
        moment: &Moment,
    ) -> Result<(), Error> {
        let Some(cached) = slot else {
            return Ok(());
        };
        let Some(Unsaved { owner, from }) = &cached.unsaved else {
            return Ok(());
        };
        let connected = Arc::clone(&cached.connected);
        let Connected {
            account,
            credential,
        } = &*connected;
        match self.lease(account, owner, moment.now()).await? {
            Lease::Granted => {}
            Lease::Held { until } => {
                return Err(Error::Refreshing {
                    name: name.clone(),
                    until,
                });
            }
            Lease::Changed => {
                *slot = None;
                return Ok(());
            }
        }
        if self.secrets.read(account).await?.is_same_as(from) {
            self.secrets.replace(account, credential).await?;
            self.give_back(account, owner).await;
            cached.unsaved = None;
        } else {
            self.give_back(account, owner).await;
            *slot = None;
        }
        Ok(())
    }

    /// A name for whoever takes the right to change a secret.
    pub(crate) fn owner(&self) -> String {
        let number = self.renewals.fetch_add(1, Ordering::Relaxed);
        format!("{}/{number}", self.process)
    }

    /// Takes the right to change the account's secret. It ends by itself.
    pub(crate) async fn lease(
        &self,
        account: &Account,
        owner: &str,
        now: Timestamp,
    ) -> Result<Lease, Error> {
        let until = now.saturating_add(LEASE).unwrap_or(Timestamp::MAX);
        self.rows
            .begin_refresh(account, owner, now, until)
            .await
            .map_err(Error::table(&account.name))
    }

    /// With the lease in hand: asks the vendor, stores what it gives, gives the lease back.
    async fn renew_and_store(
        self: Arc<Self>,
        stale: Connected,
        owner: String,
        moment: Moment,
    ) -> Result<(Connected, Option<Unsaved>), Error> {
        let now = moment.now();
        let name = &stale.account.name;
        let issued = match self.ask_vendor(&stale, now).await {
            Ok(issued) => issued,
            Err(NotIssued::Refused(problem)) => {
                // Stored before the lease is given back: whoever comes next must not ask the vendor again.
                let error = self.refused(&stale, &owner, &problem, now).await?;
                self.give_back(&stale.account, &owner).await;
                return Err(error);
            }
            Err(NotIssued::Trouble(error)) => {
                let named = matches!(error.disposition(), Disposition::Retry { after: Some(_) });
                // A vendor that asks for a pause gets it from the others, too: the lease ends by itself.
                if !named {
                    self.give_back(&stale.account, &owner).await;
                }
                return Err(error);
            }
        };
        let Credential::Oauth(oauth) = &stale.credential else {
            return Err(Error::Interrupted(name.clone()));
        };
        // ServiceNow hands the same tokens out again while they are good. Each store would be a version of the secret.
        let repeated = oauth
            .issued
            .as_ref()
            .is_some_and(|before| before.is_same_as(&issued));
        let credential = Credential::Oauth(OauthCredential {
            issued: Some(issued),
            ..oauth.clone()
        });
        let connected = Connected {
            account: stale.account.clone(),
            credential,
        };
        if repeated {
            self.give_back(&stale.account, &owner).await;
            return Ok((connected, None));
        }
        if let Err(error) = self
            .secrets
            .replace(&connected.account, &connected.credential)
            .await
        {
            // The lease stays: nobody should use the old refresh token meanwhile.
            tracing::error!(account = %name, error = startup::chain(&error), "renewed tokens not stored");
            let from = stale.credential;
            return Ok((connected, Some(Unsaved { owner, from })));
        }
        self.give_back(&connected.account, &owner).await;
        tracing::info!(account = %name, "tokens renewed");
        Ok((connected, None))
    }

    async fn ask_vendor(&self, stale: &Connected, now: Timestamp) -> Result<Issued, NotIssued> {
        let name = &stale.account.name;
        let Credential::Oauth(oauth) = &stale.credential else {
            return Err(NotIssued::Trouble(Error::Interrupted(name.clone())));
        };
        let provider = self
            .vendors
            .oauth(&stale.account, oauth.scope.as_deref())
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
                    "the access token is no longer good, and the vendor gave no refresh token"
                        .to_owned(),
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
                problem: startup::chain(&source),
                disposition: source.disposition(),
            })),
        }
    }

    /// The vendor no longer renews: tells so, and stores it.
    async fn refused(
        &self,
        stale: &Connected,
        owner: &str,
        problem: &str,
        now: Timestamp,
    ) -> Result<Error, Error> {
        let Connected {
            account,
            credential,
        } = stale;
        let name = &account.name;
        // Somebody may have connected it while the vendor was asked.
        let stored = self.read(name).await?;
        if !stored.is_same_as(stale) {
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
        let still_ours = self
            .rows
            .lose(account, owner, problem)
            .await
            .map_err(Error::table(name))?;
        if !still_ours {
            return Err(Error::Busy(name.clone()));
        }
        tracing::error!(account = %name, "account must be connected again");
        Ok(Error::Reconnect {
            name: name.clone(),
            problem: problem.to_owned(),
        })
    }

    pub(crate) async fn give_back(&self, account: &Account, owner: &str) {
        let name = &account.name;
        if let Err(error) = self.rows.end_refresh(name, owner).await {
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
        moment: &Moment,
    ) {
        let now = moment.now();
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

fn keep(slot: &mut Slot, connected: Connected, moment: &Moment) -> Arc<Connected> {
    let connected = Arc::new(connected);
    *slot = Some(Cached {
        connected: Arc::clone(&connected),
        row_read_at: moment.now(),
        unsaved: None,
        pause: None,
        forced_at: None,
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
