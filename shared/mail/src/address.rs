//! Addresses, strictly: what is parsed here can stand in a header.

use std::fmt;

/// The most characters of an address.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1> (64 before the `@`; 254 follows from the path's 256)
const LONGEST: usize = 254;
const LONGEST_LOCAL_PART: usize = 64;
/// The most characters of a sender's name.
const LONGEST_NAME: usize = 100;
/// The most bytes of one encoded word, with its frame.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc2047#section-2>
const ENCODED_WORD: usize = 75;

/// A mail address: `local-part@domain`, in ASCII, without quotes, comments or a name. Two are the same whatever their case.
#[derive(Clone)]
pub struct Address {
    written: String,
    key: String,
}

/// What is no address. The text does not repeat it: it is somebody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected one plain address such as ann@example.com: {0}")]
pub struct InvalidAddress(&'static str);

impl Address {
    /// The only door. Surrounding blanks are removed.
    ///
    /// # Errors
    /// When the text is no plain address; line breaks and control characters never are part of one.
    pub fn parse(text: &str) -> Result<Self, InvalidAddress> {
        // Line breaks at the ends are refused as well: nobody types them.
        let text = text.trim_matches(' ');
        if text.chars().any(char::is_control) {
            return Err(InvalidAddress("it has a line break or a control character"));
        }
        if !text.is_ascii() {
            return Err(InvalidAddress(
                "it has letters beyond ASCII; write an international domain in its `xn--` form",
            ));
        }
        if text.len() > LONGEST {
            return Err(InvalidAddress("it is too long"));
        }
        let (local, domain) = text
            .rsplit_once('@')
            .ok_or(InvalidAddress("it has no `@`"))?;
        if !is_local_part(local) {
            return Err(InvalidAddress("what is before the `@` cannot be used"));
        }
        if !is_domain(domain) {
            return Err(InvalidAddress("what is behind the `@` is no domain"));
        }
        Ok(Self {
            written: text.to_owned(),
            key: text.to_ascii_lowercase(),
        })
    }

    /// The address as it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// What addresses are compared by: lower case.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Address {}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(..)")
    }
}

/// Whom mail comes from: an address that SES has verified, with a name or without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    address: Address,
    name: Option<String>,
}

impl Sender {
    /// Reads `care@acme.com` or `Acme Care <care@acme.com>`.
    ///
    /// # Errors
    /// When the address is none, or the name cannot stand in a header.
    pub fn parse(text: &str) -> Result<Self, InvalidAddress> {
        let text = text.trim_matches(' ');
        let Some((name, address)) = text
            .strip_suffix('>')
            .and_then(|text| text.rsplit_once('<'))
        else {
            let address = Address::parse(text)?;
            return Ok(Self {
                address,
                name: None,
            });
        };
        let name = name.trim_matches(' ').trim_matches('"');
        if name.chars().any(char::is_control) || name.chars().count() > LONGEST_NAME {
            return Err(InvalidAddress("the name is too long or has a line break"));
        }
        Ok(Self {
            address: Address::parse(address)?,
            name: (!name.is_empty()).then(|| name.to_owned()),
        })
    }

    /// The address alone.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The value of a `From` header: the name in quotes, or encoded when it is not ASCII.
    pub(crate) fn header(&self) -> String {
        let address = self.address.as_str();
        match &self.name {
            None => address.to_owned(),
            Some(name) if name.is_ascii() => {
                let name = name.replace('\\', "\\\\").replace('"', "\\\"");
                format!("\"{name}\" <{address}>")
            }
            Some(name) => format!("{} <{address}>", encoded(name)),
        }
    }
}

/// The text as encoded words: the only way for a header to hold more than ASCII.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc2047>
fn encoded(text: &str) -> String {
    const FRAME: usize = "=?UTF-8?Q??=".len();
    let mut words = Vec::new();
    let mut word = String::new();
    for character in text.chars() {
        let mut bytes = [0; 4];
        let bytes = character.encode_utf8(&mut bytes).bytes();
        let piece: String = bytes
            .map(|byte| match char::from(byte) {
                plain if plain.is_ascii_alphanumeric() => plain.to_string(),
                _ => format!("={byte:02X}"),
            })
            .collect();
        // A character stays in one word.
        if word.len() + piece.len() + FRAME > ENCODED_WORD {
            words.push(std::mem::take(&mut word));
        }
        word.push_str(&piece);
    }
    words.push(word);
    let words: Vec<String> = words
        .into_iter()
        .map(|word| format!("=?UTF-8?Q?{word}?="))
        .collect();
    words.join(" ")
}

/// A dot-atom. Quoted local parts exist, and nobody has one.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc5322#section-3.2.3>
fn is_local_part(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    text.len() <= LONGEST_LOCAL_PART
        && text
            .split('.')
            .all(|atom| !atom.is_empty() && atom.bytes().all(fits))
}

/// Labels of a host name, two at least.
fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.contains('.')
        && text.split('.').all(label)
        && !text
            .rsplit('.')
            .next()
            .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_are_taken() {
        for text in [
            "ann@example.com",
            " ann.lee+x@mail.example.co ",
            "o'neil@xn--bcher-kva.example",
            "A@EXAMPLE.COM",
        ] {
            assert!(Address::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "ann",
            "@example.com",
            "ann@",
            "ann@example",
            "ann@@example.com",
            "ann@example.com\r\nBcc: eve@example.com",
            "ann@example.com\n",
            "\tann@example.com",
            "ann@example.com, eve@example.com",
            "ann@example.com;eve@example.com",
            "Ann <ann@example.com>",
            "\"a b\"@example.com",
            "ann lee@example.com",
            ".ann@example.com",
            "ann..lee@example.com",
            "ann@-example.com",
            "ann@exam_ple.com",
            "ann@example..com",
            "ann@10.0.0.1",
            "ann@[10.0.0.1]",
            "änn@example.com",
            "ann@bücher.example",
            &format!("{}@example.com", "a".repeat(65)),
            &format!("ann@{}.com", "a.".repeat(130)),
        ] {
            assert!(Address::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn case_does_not_tell_addresses_apart_and_none_is_shown() {
        let [one, two] =
            ["Ann@Example.com", "ann@example.COM"].map(|text| Address::parse(text).unwrap());
        assert_eq!(one, two);
        assert_eq!(one.as_str(), "Ann@Example.com");
        assert!(!format!("{one:?}").contains("Ann"));
        let error = Address::parse("ann@secret").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn name_of_the_sender_cannot_leave_its_place() {
        for (text, header) in [
            ("care@acme.com", "care@acme.com"),
            ("Acme Care <care@acme.com>", "\"Acme Care\" <care@acme.com>"),
            (
                "\"Acme, Care\" <care@acme.com>",
                "\"Acme, Care\" <care@acme.com>",
            ),
            ("A\"b <care@acme.com>", "\"A\\\"b\" <care@acme.com>"),
            ("<care@acme.com>", "care@acme.com"),
            (
                "Büro <care@acme.com>",
                "=?UTF-8?Q?B=C3=BCro?= <care@acme.com>",
            ),
        ] {
            assert_eq!(Sender::parse(text).unwrap().header(), header);
        }
        for text in [
            "",
            "Acme",
            "A\r\nBcc: x@y.zz <care@acme.com>",
            "Acme <care>",
        ] {
            assert!(Sender::parse(text).is_err(), "{text:?}");
        }
        let long = encoded(&"ü".repeat(40));
        assert!(
            long.split(' ').all(|word| word.len() <= ENCODED_WORD),
            "{long}"
        );
        assert_eq!(long.matches("=C3=BC").count(), 40);
    }
}
