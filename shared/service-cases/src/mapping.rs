//! TeamViewer's sessions as service cases, and back. Pure.

use domain::connection::{Customer, Party};
use domain::service_case::CaseState;
use domain::{AccountName, CaseCode, ServiceCase, TaskReference};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use teamviewer::{EndCustomer, Session, SessionCode, SessionState};

/// TeamViewer's word for nobody.
const NOBODY: &str = "u0";
/// The most characters of a description, of a customer's name and of an address.
///
/// Source: <https://webapi.teamviewer.com/api/v1/docs/index>, `POST /sessions`
pub(crate) const LONGEST_TEXT: usize = 4_000;
pub(crate) const LONGEST_NAME: usize = 100;
pub(crate) const LONGEST_EMAIL: usize = 254;
/// Hexadecimal digits of a key: 128 bits.
const KEY_HEX: usize = 32;

/// A session as a case, without the links of supporters. `None` when its code is none of ours.
pub(crate) fn case(session: Session, account: &AccountName) -> Option<ServiceCase> {
    let code = CaseCode::parse(session.code.as_str()).ok()?;
    let note = session.custom_api.as_deref();
    let of_note = note.and_then(TaskReference::from_note);
    let of_description = || {
        let description = session.description.as_deref()?;
        let is_ours = note.is_some_and(TaskReference::is_own_note);
        (!is_ours).then(|| TaskReference::in_text(description))?
    };
    let state = match session.state {
        SessionState::Closed => CaseState::Closed,
        // A word that nobody knows is not taken for an end.
        SessionState::Open | SessionState::Other(_) => CaseState::Open,
    };
    Some(ServiceCase {
        code,
        account: account.clone(),
        state,
        online: session.online && state == CaseState::Open,
        task: of_note.or_else(of_description),
        description: session.description,
        customer: customer(session.end_customer),
        assigned_to: session.assigned_userid.filter(|user| user != NOBODY),
        group: Party {
            id: session.groupid,
            name: None,
        },
        customer_link: session.end_customer_link,
        created_at: session.created_at,
        valid_until: session.valid_until,
        closed_at: session.closed_at,
    })
}

fn customer(of: Option<EndCustomer>) -> Customer {
    let of = of.unwrap_or_default();
    Customer {
        name: of.name,
        email: of.email,
    }
}

/// The customer as TeamViewer takes it; nothing where nothing is known.
pub(crate) fn end_customer(customer: &Customer) -> Option<EndCustomer> {
    let part = |text: &Option<String>| {
        let text = text.as_deref().map(str::trim).unwrap_or_default();
        (!text.is_empty()).then(|| text.to_owned())
    };
    let (name, email) = (part(&customer.name), part(&customer.email));
    (name.is_some() || email.is_some()).then_some(EndCustomer { name, email })
}

/// The caller's name as a customer's; with whether it was cut.
pub(crate) fn name_of_caller(name: &str) -> (String, bool) {
    let name = name.trim();
    let fits = shortened(name, LONGEST_NAME);
    let is_cut = fits != name;
    (fits, is_cut)
}

/// The code as TeamViewer takes it.
pub(crate) fn session_code(code: &CaseCode) -> Result<SessionCode, teamviewer::InvalidInput> {
    SessionCode::parse(&code.to_string())
}

/// What a case is about: `INC0010001: Printer on fire`.
pub(crate) fn description(number: Option<&str>, short: Option<&str>) -> Option<String> {
    let text = match (number, short) {
        (Some(number), Some(short)) => format!("{number}: {short}"),
        (Some(text), None) | (None, Some(text)) => text.to_owned(),
        (None, None) => return None,
    };
    Some(shortened(&text, LONGEST_TEXT))
}

fn shortened(text: &str, longest: usize) -> String {
    text.chars().take(longest).collect()
}

/// A key that the same parts give again: 128 bits of SHA-256 over the parts, each preceded by its length.
pub(crate) fn key(prefix: &str, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hex::encode(hash.finalize());
    format!("{prefix}{}", digest.get(..KEY_HEX).unwrap_or(&digest))
}

/// A moment for people: `2026-11-22 10:00 UTC`.
pub(crate) fn time_text(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn description_is_made_of_what_there_is() {
        for (number, short, expected) in [
            (Some("INC1"), Some("x"), Some("INC1: x")),
            (Some("INC1"), None, Some("INC1")),
            (None, Some("x"), Some("x")),
            (None, None, None),
        ] {
            assert_eq!(description(number, short).as_deref(), expected);
        }
        let long = description(Some("INC1"), Some(&"ü".repeat(5_000))).unwrap();
        assert_eq!(long.chars().count(), LONGEST_TEXT);
    }

    #[test]
    fn customer_without_name_and_address_is_nobody() {
        let customer = |name: &str, email: &str| Customer {
            name: Some(name.to_owned()),
            email: Some(email.to_owned()),
        };
        let sent = end_customer(&customer("", " a@example.com ")).unwrap();
        assert_eq!(
            (sent.name, sent.email.as_deref()),
            (None, Some("a@example.com"))
        );
        assert_eq!(end_customer(&customer(" ", "")), None);
    }

    #[test]
    fn callers_name_fits() {
        assert_eq!(name_of_caller(" Bea "), ("Bea".to_owned(), false));
        let long = "ü".repeat(LONGEST_NAME + 1);
        assert_eq!(name_of_caller(&long), ("ü".repeat(LONGEST_NAME), true));
    }

    #[test]
    fn keys_differ_where_parts_do() {
        assert_eq!(key("x_", &["ab", "c"]), key("x_", &["ab", "c"]));
        assert_ne!(key("x_", &["ab", "c"]), key("x_", &["a", "bc"]));
        assert_eq!(key("x_", &["a"]).len(), 34);
    }
}
