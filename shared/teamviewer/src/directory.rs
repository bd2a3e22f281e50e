//! Groups and users, for finding their ids.

use std::fmt;

use serde_json::{Map, Value};

use crate::reading::{Fields, items};

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its id, such as `g1234`.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
}

/// A user. Its `Debug` shows the id alone.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The id, such as `u1234`.
    pub id: String,
    /// The name.
    pub name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
}

impl Group {
    /// The groups of a list; `None` when it is none. Entries without an id are of no use here.
    pub(crate) fn read_list(body: &Map<String, Value>) -> Option<Vec<Self>> {
        let read = |body| {
            let mut fields = Fields::of(body);
            Some(Self {
                id: fields.text("id")?,
                name: fields.text("name"),
            })
        };
        Some(
            items(body, "groups")?
                .iter()
                .filter_map(|item| read(item.as_object()?))
                .collect(),
        )
    }
}

impl User {
    /// The users of a list; `None` when it is none. Entries without an id are of no use here.
    pub(crate) fn read_list(body: &Map<String, Value>) -> Option<Vec<Self>> {
        let read = |body| {
            let mut fields = Fields::of(body);
            Some(Self {
                id: fields.text("id")?,
                name: fields.text("name"),
                email: fields.text("email"),
            })
        };
        Some(
            items(body, "users")?
                .iter()
                .filter_map(|item| read(item.as_object()?))
                .collect(),
        )
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
