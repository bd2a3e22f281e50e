//! Profiles: what other systems know about a person.
//! See [Profiles](https://developer.zendesk.com/api-reference/ticketing/users/profiles_api/profiles_api/).

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};
use vendor_http::{Answer, Method, Request};

use crate::{Client, Error, InvalidInput, Operation};

/// Which profile: its source and type, and an identifier that it holds. Its `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ProfileKey(String);

impl ProfileKey {
    /// Joins the four parts.
    ///
    /// # Errors
    ///
    /// [`InvalidInput::ProfileKey`] when a part is empty, when source or type holds the sign that parts them, and for
    /// the source that Zendesk keeps for itself.
    pub fn parse(
        source: &str,
        kind: &str,
        identifier: &ProfileIdentifier,
    ) -> Result<Self, InvalidInput> {
        let (source, kind) = (source.trim(), kind.trim());
        let value = identifier.value();
        let parts = [source, kind, value.as_str()];
        if parts.contains(&"")
            || [source, kind].iter().any(|part| part.contains(':'))
            || source.eq_ignore_ascii_case("zendesk")
        {
            return Err(InvalidInput::ProfileKey);
        }
        let identifier_kind = identifier.kind();
        Ok(Self(format!("{source}:{kind}:{identifier_kind}:{value}")))
    }

    /// The text form, which names a person.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What tells a person apart.
#[derive(Clone, PartialEq, Eq)]
pub enum ProfileIdentifier {
    /// An e-mail address.
    Email(String),
    /// A phone number.
    Phone(String),
    /// A Facebook id.
    Facebook(String),
    /// A Twitter name.
    Twitter(String),
}

impl ProfileIdentifier {
    /// The type's name in the API.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Email(_) => "email",
            Self::Phone(_) => "phone_number",
            Self::Facebook(_) => "facebook",
            Self::Twitter(_) => "twitter",
        }
    }

    /// The value in the form in which Zendesk keeps it: addresses and Twitter names in lower case.
    pub fn value(&self) -> String {
        match self {
            Self::Email(value) | Self::Twitter(value) => value.trim().to_lowercase(),
            Self::Phone(value) | Self::Facebook(value) => value.trim().to_owned(),
        }
    }
}

/// What a profile is to hold.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ProfileContent {
    /// The person's name. Zendesk makes one from the identifiers when there is none.
    pub name: Option<String>,
    /// All identifiers, that of the key among them.
    pub identifiers: Vec<ProfileIdentifier>,
    /// What else is known. `None` takes an attribute away from a profile that has it.
    pub attributes: BTreeMap<String, Option<String>>,
}

/// A profile as the account returns it. Its `Debug` shows no values, which are personal data.
#[derive(Clone, PartialEq)]
pub struct Profile {
    /// The id.
    pub id: String,
    /// The user that the profile belongs to.
    pub user_id: Option<String>,
    /// All properties, as received.
    pub fields: Map<String, Value>,
}

impl ProfileContent {
    /// The body for a whole profile.
    pub fn body(&self) -> Value {
        let mut profile = Map::new();
        if let Some(name) = &self.name {
            profile.insert("name".to_owned(), json!(name));
        }
        profile.insert("identifiers".to_owned(), self.identifiers());
        let attributes: BTreeMap<&String, &String> = self
            .attributes
            .iter()
            .filter_map(|(name, value)| Some((name, value.as_ref()?)))
            .collect();
        // One page calls them mandatory, another one optional: empty is right either way.
        profile.insert("attributes".to_owned(), json!(attributes));
        json!({ "profile": profile })
    }

    /// The body for a change of a profile, as a merge patch.
    ///
    /// # Errors
    ///
    /// [`InvalidInput::NothingToChange`]. The identifier by which the profile was found changes nothing.
    pub fn patch(&self) -> Result<Value, InvalidInput> {
        let mut profile = Map::new();
        if let Some(name) = &self.name {
            profile.insert("name".to_owned(), json!(name));
        }
        if self.identifiers.len() > 1 {
            profile.insert("identifiers".to_owned(), self.identifiers());
        }
        if !self.attributes.is_empty() {
            profile.insert("attributes".to_owned(), json!(self.attributes));
        }
        if profile.is_empty() {
            return Err(InvalidInput::NothingToChange);
        }
        Ok(json!({ "profile": profile }))
    }

    fn identifiers(&self) -> Value {
        let identifiers = self.identifiers.iter();
        identifiers
            .map(|it| json!({"type": it.kind(), "value": it.value()}))
            .collect()
    }
}

impl Profile {
    pub(crate) fn read(value: Value) -> Option<Self> {
        let Value::Object(fields) = value else {
            return None;
        };
        let id = fields.get("id").and_then(id_text)?;
        Some(Self {
            id,
            user_id: fields.get("user_id").and_then(id_text),
            fields,
        })
    }

    /// A property that is text; `None` when it is missing, null or something else.
    pub fn text(&self, property: &str) -> Option<&str> {
        self.fields.get(property)?.as_str()
    }

    /// The values of the identifiers of this type.
    pub fn identifiers<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        let identifiers = self.fields.get("identifiers").and_then(Value::as_array);
        identifiers
            .into_iter()
            .flatten()
            .filter(move |it| it.get("type").and_then(Value::as_str) == Some(kind))
            .filter_map(|it| it.get("value").and_then(Value::as_str))
    }
}

/// Ids are texts here. A number, which they are elsewhere, would serve as well.
pub(crate) fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => (!text.is_empty()).then(|| text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

impl Client {
    /// Looks for a profile. `None` when there is none.
    ///
    /// # Errors
    ///
    /// Finding nothing is no error. Outages are `Retry`; accounts without profiles are `GiveUp`.
    pub async fn get_profile(&self, key: &ProfileKey) -> Result<Answer<Option<Profile>>, Error> {
        match self
            .profile(Operation::GetProfile, Method::GET, key, None)
            .await
        {
            Ok(answer) => Ok(answer.map(Some)),
            Err(mut error) if error.is_absent() => match error.call.take() {
                Some(call) => Ok(Answer {
                    value: None,
                    call: *call,
                }),
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// Creates a profile. One that the key finds is replaced: what it held and the content does not is lost, so
    /// look first.
    ///
    /// # Errors
    ///
    /// An answer that may be lost after the work was done is `Reconcile`. Doing it again gives the same profile.
    pub async fn put_profile(
        &self,
        key: &ProfileKey,
        content: &ProfileContent,
    ) -> Result<Answer<Profile>, Error> {
        let body = content.body().to_string();
        self.profile(Operation::PutProfile, Method::PUT, key, Some(body))
            .await
    }

    /// Changes a profile: attributes that are not named stay. Identifiers are added, never replaced.
    ///
    /// # Errors
    ///
    /// A profile that is not there is `GiveUp`. An answer that may be lost after the work was done is
    /// `Reconcile`; doing it again does no harm.
    pub async fn patch_profile(
        &self,
        key: &ProfileKey,
        content: &ProfileContent,
    ) -> Result<Answer<Profile>, Error> {
        let body = content.patch();
        let body = body.map_err(|error| self.attempt(Operation::PatchProfile).refused(error))?;
        let body = Some(body.to_string());
        self.profile(Operation::PatchProfile, Method::PATCH, key, body)
            .await
    }

    async fn profile(
        &self,
        operation: Operation,
        method: Method,
        key: &ProfileKey,
        body: Option<String>,
    ) -> Result<Answer<Profile>, Error> {
        let attempt = self.attempt(operation);
        let url = self
            .base
            .join(["api", "v2", "user_profiles"], [("identifier", &*key.0)]);
        let request = Request::new(method, url);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let (mut body, call) = attempt.data(request).await?;
        match body.remove("profile").and_then(Profile::read) {
            Some(value) => Ok(Answer { value, call }),
            None => Err(attempt.unexpected("the answer is not a profile", call)),
        }
    }
}

impl fmt::Debug for ProfileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProfileKey")
    }
}

impl fmt::Debug for ProfileIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProfileIdentifier({})", self.kind())
    }
}

impl fmt::Debug for ProfileContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProfileContent").finish_non_exhaustive()
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(value: &str) -> ProfileIdentifier {
        ProfileIdentifier::Email(value.to_owned())
    }

    #[test]
    fn key_has_four_parts_that_cannot_be_mistaken() {
        let key = ProfileKey::parse(" shop ", "vip customer", &email(" Jane+x@Example.com "));
        assert_eq!(key.unwrap().0, "shop:vip customer:email:jane+x@example.com");
        for (source, kind, value) in [
            ("", "customer", "a@b.c"),
            ("shop", " ", "a@b.c"),
            ("shop", "customer", ""),
            ("sh:op", "customer", "a@b.c"),
            ("shop", "cust:omer", "a@b.c"),
            ("Zendesk", "customer", "a@b.c"),
        ] {
            let key = ProfileKey::parse(source, kind, &email(value));
            assert_eq!(key, Err(InvalidInput::ProfileKey), "{source} {kind}");
        }
    }

    #[test]
    fn whole_profile_always_has_attributes_and_a_change_only_what_changes() {
        let mut content = ProfileContent {
            identifiers: vec![email("A@b.c")],
            ..ProfileContent::default()
        };
        let identifiers = json!([{"type": "email", "value": "a@b.c"}]);
        assert_eq!(
            content.body(),
            json!({"profile": {"identifiers": identifiers, "attributes": {}}})
        );
        assert_eq!(content.patch(), Err(InvalidInput::NothingToChange));

        content.attributes = BTreeMap::from([
            ("plan".to_owned(), Some("gold".to_owned())),
            ("old".to_owned(), None),
        ]);
        assert_eq!(
            content.body(),
            json!({"profile": {"identifiers": identifiers, "attributes": {"plan": "gold"}}})
        );
        assert_eq!(
            content.patch(),
            Ok(json!({"profile": {"attributes": {"plan": "gold", "old": null}}}))
        );

        let twitter = ProfileIdentifier::Twitter("Jane".to_owned());
        content.identifiers.push(twitter);
        let patch = content.patch().unwrap();
        assert_eq!(
            patch["profile"]["identifiers"],
            json!([{"type": "email", "value": "a@b.c"}, {"type": "twitter", "value": "jane"}])
        );
    }

    #[test]
    fn debug_shows_no_values() {
        let content = ProfileContent {
            name: Some("Jane".to_owned()),
            identifiers: vec![email("jane@example.com")],
            ..ProfileContent::default()
        };
        let key = ProfileKey::parse("shop", "customer", &email("jane@example.com"));
        let stored = Profile::read(json!({"id": 1, "name": "Jane"})).unwrap();
        let text = format!("{content:?} {key:?} {stored:?} {:?}", content.identifiers);
        assert!(!text.to_lowercase().contains("jane"), "{text}");
    }
}
