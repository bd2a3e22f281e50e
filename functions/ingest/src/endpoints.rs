//! The table of endpoints, remembered for a short while: a warm function asks once for many requests.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use domain::{Endpoint, EndpointName};
use jiff::{SignedDuration, Timestamp};

/// How long a change of an endpoint may take to be noticed.
const REMEMBERED: SignedDuration = SignedDuration::from_secs(30);

/// The endpoints.
#[derive(Debug)]
pub struct Endpoints {
    table: store::Endpoints,
    remembered: Mutex<HashMap<EndpointName, (Endpoint, Timestamp)>>,
}

impl Endpoints {
    /// Asks this table.
    pub fn new(table: store::Endpoints) -> Self {
        Self {
            table,
            remembered: Mutex::default(),
        }
    }

    /// One endpoint, at most 30 s old. That there is none is not remembered, so that strangers who guess
    /// names fill no memory.
    ///
    /// # Errors
    /// Those of the table.
    pub async fn get(
        &self,
        name: &EndpointName,
        now: Timestamp,
    ) -> Result<Option<Endpoint>, store::Error> {
        if let Some(endpoint) = self.recall(name, now) {
            return Ok(Some(endpoint));
        }
        let endpoint = self.table.get(name).await?;
        let mut remembered = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match &endpoint {
            Some(endpoint) => remembered.insert(name.clone(), (endpoint.clone(), now)),
            None => remembered.remove(name),
        };
        Ok(endpoint)
    }

    fn recall(&self, name: &EndpointName, now: Timestamp) -> Option<Endpoint> {
        let remembered = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (endpoint, since) = remembered.get(name)?;
        (now.duration_since(*since) < REMEMBERED).then(|| endpoint.clone())
    }
}
