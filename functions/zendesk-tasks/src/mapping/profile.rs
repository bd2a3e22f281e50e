//! Profiles.

use std::collections::BTreeMap;

use domain::task::Rendered;
use domain::task::value::{FieldValue, Text};
use domain::task::zendesk::Profile as Input;
use serde_json::{Map, Value, json};
use zendesk::{Profile, ProfileContent, ProfileIdentifier, ProfileKey};

use super::{OnNull, Problem, named, read, text};

/// A profile to write.
#[derive(Debug)]
pub(crate) struct ToWrite {
    /// Which one.
    pub(crate) key: ProfileKey,
    /// What it is to hold.
    pub(crate) content: ProfileContent,
}

/// Reads the input of `zendesk.create_profile`. Blank values are left out.
pub(crate) fn new_profile(input: &Value) -> Result<ToWrite, Problem> {
    profile(input, OnNull::Skip)
}

/// Reads the input of `zendesk.update_profile`. Blank values leave a property as it is; only null in `attributes`
/// takes one away.
pub(crate) fn change(input: &Value) -> Result<ToWrite, Problem> {
    let change = profile(input, OnNull::Clear)?;
    // A change of nothing is refused before any call.
    change.content.patch()?;
    Ok(change)
}

/// What the task leaves for later ones.
pub(crate) fn output(profile: &Profile, link: Option<&str>) -> Map<String, Value> {
    named([
        ("id", json!(profile.id)),
        ("user_id", json!(profile.user_id)),
        ("name", json!(profile.text("name"))),
        ("link", json!(link)),
    ])
}

/// What becomes of it, where it is not what was sent.
pub(crate) fn warnings(sent: &ProfileContent, stored: &Profile) -> Vec<String> {
    let mut warnings = super::warnings(&sent.differences(stored));
    for kind in sent.kept_beside(stored) {
        warnings.push(format!(
            "`identifiers.{kind}`: the profile has another one beside the one sent; Zendesk adds identifiers and replaces none"
        ));
    }
    warnings
}

fn profile(input: &Value, on_null: OnNull) -> Result<ToWrite, Problem> {
    let input: Input<Rendered> = read(input, &["source", "type", "email"])?;
    input.check()?;
    let email = ProfileIdentifier::Email(input.email.as_str().to_owned());
    let key = ProfileKey::parse(input.source.as_str(), input.kind.as_str(), &email)?;
    let others = [
        given(input.phone).map(ProfileIdentifier::Phone),
        given(input.facebook).map(ProfileIdentifier::Facebook),
        given(input.twitter).map(ProfileIdentifier::Twitter),
    ];
    Ok(ToWrite {
        key,
        content: ProfileContent {
            name: given(input.name),
            identifiers: [email]
                .into_iter()
                .chain(others.into_iter().flatten())
                .collect(),
            attributes: attributes(&input.attributes, on_null),
        },
    })
}

fn given(text: Option<Text>) -> Option<String> {
    text.map(|text| text.as_str().trim().to_owned())
        .filter(|text| !text.is_empty())
}

/// Zendesk keeps texts only.
fn attributes(
    attributes: &BTreeMap<String, FieldValue>,
    on_null: OnNull,
) -> BTreeMap<String, Option<String>> {
    let attributes = attributes.iter();
    attributes
        .filter_map(|(name, value)| {
            let value = if value.as_json().is_null() {
                (on_null == OnNull::Clear).then_some(None)
            } else {
                text(value.as_json()).map(Some)
            };
            Some((name.clone(), value?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use domain::TaskKind;

    use super::*;

    fn input() -> Value {
        json!({
            "source": " shop ", "type": "customer", "email": " Jane@Example.com ", "name": "Jane", "phone": 612_345,
            "facebook": "jane.fb", "twitter": "JaneT",
            "attributes": {"plan": "gold", "visits": 3, "vip": true, "old": null, "blank": " "},
        })
    }

    #[test]
    fn every_field_reaches_its_property_as_text() {
        let identifiers = json!([
            {"type": "email", "value": "jane@example.com"}, {"type": "phone_number", "value": "612345"},
            {"type": "facebook", "value": "jane.fb"}, {"type": "twitter", "value": "janet"},
        ]);
        let new = new_profile(&input()).unwrap();
        assert_eq!(
            new.content.body(),
            json!({"profile": {
                "name": "Jane", "identifiers": identifiers,
                "attributes": {"plan": "gold", "visits": "3", "vip": "true"},
            }})
        );
        let change = change(&input()).unwrap();
        assert_eq!(
            change.content.patch(),
            Ok(json!({"profile": {
                "name": "Jane", "identifiers": identifiers,
                "attributes": {"plan": "gold", "visits": "3", "vip": "true", "old": null},
            }}))
        );
        assert_eq!(change.key, new.key);
    }

    #[test]
    fn input_that_cannot_be_used_tells_why() {
        for (field, value, expected) in [
            ("source", json!("a:b"), "source: found `a:b`"),
            ("source", json!("zendesk"), "source: found `zendesk`"),
            ("type", json!(""), "type: found ``"),
            ("email", json!(""), "email: found ``"),
            ("email", json!("jane"), "email: found `jane`"),
            (
                "attributes",
                json!({"a": [1]}),
                "attributes.a: found a list",
            ),
            ("user_id", json!(1), "unknown field `user_id`"),
        ] {
            let mut input = input();
            input[field] = value;
            let problem = new_profile(&input).unwrap_err().to_string();
            assert!(problem.contains(expected), "{problem}");
        }
        let nothing = json!({"source": "shop", "type": "customer", "email": "a@b.c", "name": " "});
        assert!(new_profile(&nothing).is_ok());
        let problem = change(&nothing).unwrap_err().to_string();
        assert!(problem.contains("nothing to change"), "{problem}");
    }

    #[test]
    fn outputs_are_those_that_are_promised() {
        let profile = Profile {
            id: "01AR".to_owned(),
            user_id: Some("7".to_owned()),
            fields: named([("name", json!("Jane"))]),
        };
        let output = output(&profile, Some("https://x"));
        for kind in [
            TaskKind::ZendeskCreateProfile,
            TaskKind::ZendeskUpdateProfile,
        ] {
            assert_eq!(output.len(), kind.outputs().len());
            assert!(kind.outputs().iter().all(|name| output.contains_key(*name)));
        }
        assert_eq!(output["user_id"], "7");
    }
}
