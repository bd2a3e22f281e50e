use std::time::Duration;

use domain::{Account, AccountKind, AccountName, AccountState, Vendor};
use jiff::Timestamp;
use store::Lease;

use crate::ready::check_vendor;
use crate::vendors::{can_revoke, check_credential};
use crate::{Accounts, Connected, Credential, Error, Inner, Moment, Presence};

/// How long an account that is deleted waits for the vendor to end what it had given.
const REVOCATION: Duration = Duration::from_secs(10);

/// An account that is to be, beside what it proves itself with.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// The name that workflows use.
    pub name: AccountName,
    /// Whose account it is.
    pub vendor: Vendor,
    /// ServiceNow's instance, Zendesk's subdomain, Qualtrics' data centre; a whole pasted address will do.
    pub instance: String,
    /// Who connects it.
    pub owner: Option<String>,
}

/// What came of putting an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// The account as it is now.
    pub account: Account,
    /// Whether it is new.
    pub created: bool,
}

/// An account with a new name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// The account as it is now.
    pub account: Account,
    /// All names that it had; each goes on leading to it.
    pub old_names: Vec<AccountName>,
}

impl Accounts {
    /// Connects an account, or replaces its instance and its secret. The secret is stored first, so that a row is never
    /// without one.
    ///
    /// # Errors
    /// Give up for another vendor's account of that name, a kind that the vendor has not, an instance that is none;
    /// else retry: doing it twice changes nothing more.
    pub async fn put(
        &self,
        new: NewAccount,
        credential: &Credential,
        now: Timestamp,
    ) -> Result<Put, Error> {
        check_credential(new.vendor, credential)?;
        let (before, account) = self.prepare(new, now).await?;
        let account = Account {
            kind: credential.kind(),
            state: AccountState::Connected,
            problem: None,
            ..account
        };
        let was_lost = before
            .as_ref()
            .is_some_and(|before| before.state != AccountState::Connected);
        if was_lost {
            // Before it is stored: whoever has to repeat this would not find it lost any more.
            self.inner.bus.tell(&account, now, now).await?;
        }
        self.store(before.as_ref(), &account, credential, now)
            .await?;
        Ok(Put {
            account,
            created: before.is_none(),
        })
    }

    /// Gives an account a new name. The old one leads to it from then on, so that workflows and tasks that use it go on.
    ///
    /// # Errors
    /// [`Error::Taken`], [`Error::Busy`]; else retry.
    pub async fn rename(
        &self,
        from: &AccountName,
        to: &AccountName,
        now: Timestamp,
    ) -> Result<Renamed, Error> {
        let account = self.get(from).await?;
        if account.name != *to {
            let renamed = self.inner.rows.rename(&account, to, now).await;
            match renamed.map_err(Error::table(from))? {
                store::Renamed::Done => {}
                store::Renamed::Taken => return Err(Error::Taken(to.clone())),
                store::Renamed::Busy => return Err(Error::Busy(from.clone())),
            }
        }
        self.inner.forget(from).await;
        let account = self.get(to).await?;
        let old_names = self
            .inner
            .rows
            .old_names(&account.name)
            .await
            .map_err(Error::table(to))?;
        Ok(Renamed { account, old_names })
    }

    /// The names that an account had; each goes on leading to it.
    ///
    /// # Errors
    /// Retry.
    pub async fn old_names(&self, name: &AccountName) -> Result<Vec<AccountName>, Error> {
        let names = self.inner.rows.old_names(name).await;
        names.map_err(Error::table(name))
    }

    /// Removes an account with its secret and its old names; the vendor is asked to end what a person had agreed to, where it
    /// knows how, and the account goes whatever it says. What uses it fails from then on. For a week the secret can be
    /// brought back by hand.
    ///
    /// # Errors
    /// [`Error::Unknown`]; else retry: doing it twice changes nothing more.
    pub async fn delete(&self, name: &AccountName, now: Timestamp) -> Result<(), Error> {
        self.end(name, now).await?;
        let deleted = self.inner.rows.delete(name).await;
        deleted.map_err(Error::table(name))?;
        self.inner.forget(name).await;
        Ok(())
    }

    /// Removes somebody's own account, as [`Accounts::delete`] does; it has no old names.
    ///
    /// # Errors
    /// As [`Accounts::delete`].
    pub async fn sign_out(&self, name: &AccountName, now: Timestamp) -> Result<(), Error> {
        self.end(name, now).await?;
        let deleted = self.inner.rows.delete_row(name).await;
        deleted.map_err(Error::table(name))?;
        self.inner.forget(name).await;
        Ok(())
    }

    /// Ends an account's tokens and deletes its secret. The row goes after it: without it nobody would know of a secret that
    /// is left.
    async fn end(&self, name: &AccountName, now: Timestamp) -> Result<(), Error> {
        let account = self.get(name).await?;
        check_present_name(&account, name)?;
        self.revoke(&account, now).await;
        self.inner.secrets.delete(&account).await
    }

    /// Has the vendor end an account's tokens, if it is one that a person has agreed to.
    async fn revoke(&self, account: &Account, now: Timestamp) {
        if (account.kind, account.state)
            != (AccountKind::OauthAuthorizationCode, AccountState::Connected)
            || !can_revoke(account.vendor)
        {
            return;
        }
        let name = &account.name;
        let moment = Moment::new(now, REVOCATION);
        // An access token that has ended revokes nothing.
        match tokio::time::timeout(REVOCATION, self.connect(name, account.vendor, &moment)).await {
            Ok(Ok(connected)) => self.revoke_in_time(&connected).await,
            Ok(Err(error)) => {
                tracing::warn!(account = %name, error = startup::chain(&error), "tokens not revoked");
            }
            Err(_) => tracing::warn!(account = %name, "tokens not revoked in time"),
        }
    }

    /// Has the vendor end tokens. What it does not end, somebody must end there by hand.
    pub(crate) async fn revoke_in_time(&self, connected: &Connected) {
        let name = &connected.account.name;
        let revoked = self.inner.vendors.revoke(connected);
        match tokio::time::timeout(REVOCATION, revoked).await {
            Ok(Ok(())) => tracing::info!(account = %name, "tokens revoked"),
            Ok(Err(error)) => {
                tracing::warn!(account = %name, error = startup::chain(&error), "tokens not revoked");
            }
            Err(_) => tracing::warn!(account = %name, "tokens not revoked in time"),
        }
    }

    /// Whether an account has its secret.
    ///
    /// # Errors
    /// Retry.
    pub async fn secret_presence(&self, account: &Account) -> Result<Presence, Error> {
        self.inner.secrets.presence(account).await
    }

    /// What is known of the account before, and the account as it is to be but for kind and state.
    pub(crate) async fn prepare(
        &self,
        new: NewAccount,
        now: Timestamp,
    ) -> Result<(Option<Account>, Account), Error> {
        let base = self
            .inner
            .vendors
            .base(new.vendor, &new.instance)
            .map_err(Error::Instance)?;
        let before = match self.get(&new.name).await {
            Ok(before) => Some(before),
            Err(Error::Unknown(_)) => None,
            Err(error) => return Err(error),
        };
        let instance = base.label().to_owned();
        if let Some(before) = &before {
            check_present_name(before, &new.name)?;
        }
        let account = match &before {
            Some(before) => {
                check_vendor(before, new.vendor)?;
                Account {
                    instance,
                    owner: new.owner.or_else(|| before.owner.clone()),
                    updated_at: now,
                    verified_at: None,
                    ..before.clone()
                }
            }
            None => Account {
                secret: self.inner.secrets.new_id(new.vendor, &new.name, now),
                name: new.name,
                vendor: new.vendor,
                instance,
                kind: domain::AccountKind::Basic,
                state: AccountState::Connecting,
                problem: None,
                owner: new.owner,
                updated_at: now,
                verified_at: None,
                used_at: None,
            },
        };
        Ok((before, account))
    }

    /// Stores secret, then row. For an account that is there it takes the right to, as renewing its tokens does: neither
    /// overwrites the other.
    pub(crate) async fn store(
        &self,
        before: Option<&Account>,
        account: &Account,
        credential: &Credential,
        now: Timestamp,
    ) -> Result<(), Error> {
        let inner = &self.inner;
        let name = &account.name;
        let stored = match before {
            None => {
                inner.secrets.put(account, credential).await?;
                let created = inner.rows.create(account).await;
                if let Err(store::Error::Conflict { .. }) = &created {
                    // Nobody else knows of it.
                    inner.secrets.delete(account).await?;
                }
                created
            }
            Some(before) => {
                let owner = inner.hold(before, now).await?;
                let replaced = self.replace(account, credential, &owner).await;
                if replaced.is_err() {
                    inner.give_back(account, &owner).await;
                }
                return replaced;
            }
        };
        inner.stored(name, stored).await
    }

    /// With the right to change the account in hand: stores secret, then row, which ends that right.
    pub(crate) async fn replace(
        &self,
        account: &Account,
        credential: &Credential,
        owner: &str,
    ) -> Result<(), Error> {
        let inner = &self.inner;
        inner.secrets.put(account, credential).await?;
        let stored = inner.rows.replace(account, owner).await;
        inner.stored(&account.name, stored).await
    }
}

impl Inner {
    /// Takes the right to change an account; tells in whose name.
    pub(crate) async fn hold(&self, account: &Account, now: Timestamp) -> Result<String, Error> {
        let owner = self.owner();
        match self.lease(account, &owner, now).await? {
            Lease::Granted => Ok(owner),
            Lease::Held { .. } | Lease::Changed => Err(Error::Busy(account.name.clone())),
        }
    }

    async fn stored(
        &self,
        name: &AccountName,
        stored: Result<(), store::Error>,
    ) -> Result<(), Error> {
        if let Err(store::Error::Conflict { .. }) = &stored {
            return Err(Error::Busy(name.clone()));
        }
        stored.map_err(Error::table(name))?;
        self.forget(name).await;
        Ok(())
    }
}

/// Old names lead to an account for those who use it, not for those who change it: they may mean another one.
fn check_present_name(account: &Account, name: &AccountName) -> Result<(), Error> {
    if account.name == *name {
        return Ok(());
    }
    Err(Error::OldName {
        name: name.clone(),
        now: account.name.clone(),
    })
}
