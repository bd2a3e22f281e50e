//! Where a vendor's account lives. The host is built from a checked label only, so that credentials
//! never go to a host that somebody typed.

use std::fmt;

use url::{Host, Url};

/// Base address of one vendor account: a trusted template filled with a checked label.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BaseUrl {
    url: Url,
    label: String,
}

/// Why a [`BaseUrl`] could not be made. A human must correct the account or the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// The value is not one DNS label.
    #[error(
        "the {variable} name must be one label of letters, digits and hyphens, such as the first part of the account's address"
    )]
    Label {
        /// The template's variable that the value was meant for.
        variable: String,
    },
    /// The template has no `{variable}`, or is no web address with it filled in.
    #[error("`{template}` is no web address with one {{{variable}}} in it")]
    Template {
        /// The template as configured.
        template: String,
        /// The variable that it must contain.
        variable: String,
    },
    /// Plain http would show the credentials to everybody on the way.
    #[error("`{template}` must begin with https: only loopback addresses may use http")]
    Insecure {
        /// The template as configured.
        template: String,
    },
}

impl BaseUrl {
    /// Fills `{variable}` in `template`, as in `https://{instance}.service-now.com`.
    ///
    /// People paste whole addresses, so a scheme, a path and the template's own domain are stripped
    /// from `value`; the rest must be one DNS label. A path prefix in the template is kept.
    ///
    /// # Errors
    ///
    /// [`BaseUrlError`] says whether the value or the template is at fault.
    pub fn parse(template: &str, variable: &str, value: &str) -> Result<Self, BaseUrlError> {
        let placeholder = format!("{{{variable}}}");
        match template.split_once(&placeholder) {
            Some((before, after)) if !after.contains(&placeholder) => {
                Self::build(template, variable, value, before, after)
            }
            Some(_) | None => Err(malformed(template, variable)),
        }
    }

    /// As [`BaseUrl::parse`], for vendors that have one address for all: a template without `{variable}` is the address
    /// itself. The value only tells accounts apart then, but is checked all the same.
    ///
    /// # Errors
    ///
    /// [`BaseUrlError`] says whether the value or the template is at fault.
    pub fn parse_optional(
        template: &str,
        variable: &str,
        value: &str,
    ) -> Result<Self, BaseUrlError> {
        if template.contains(['{', '}']) {
            return Self::parse(template, variable, value);
        }
        let label = checked(value, "", variable)?;
        Self::of(template, variable, template, label)
    }

    fn build(
        template: &str,
        variable: &str,
        value: &str,
        before: &str,
        after: &str,
    ) -> Result<Self, BaseUrlError> {
        let in_host = !before
            .split_once("://")
            .is_some_and(|(_, rest)| rest.contains('/'));
        let domain = if in_host {
            after.split(['/', ':']).next().unwrap_or_default()
        } else {
            ""
        };
        let label = checked(value, domain, variable)?;
        let address = format!("{before}{label}{after}");
        Self::of(template, variable, &address, label)
    }

    fn of(
        template: &str,
        variable: &str,
        address: &str,
        label: String,
    ) -> Result<Self, BaseUrlError> {
        let malformed = || malformed(template, variable);
        let url = Url::parse(address).map_err(|_| malformed())?;
        if !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(malformed());
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => {
                return Err(BaseUrlError::Insecure {
                    template: template.to_owned(),
                });
            }
            _ => return Err(malformed()),
        }
        Ok(Self { url, label })
    }

    /// The address of something below the base: each segment and each query part is encoded.
    pub fn join<'a>(
        &self,
        segments: impl IntoIterator<Item = &'a str>,
        query: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        let mut query = query.into_iter().peekable();
        if query.peek().is_some() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// The checked label: the account's own name at the vendor.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Host name without port.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseUrl({self})")
    }
}

fn malformed(template: &str, variable: &str) -> BaseUrlError {
    BaseUrlError::Template {
        template: template.to_owned(),
        variable: variable.to_owned(),
    }
}

fn checked(value: &str, domain: &str, variable: &str) -> Result<String, BaseUrlError> {
    label(value, domain).ok_or_else(|| BaseUrlError::Label {
        variable: variable.to_owned(),
    })
}

/// The label inside what a person typed or pasted, or `None` when it is not one DNS label.
fn label(value: &str, domain: &str) -> Option<String> {
    let value = value.trim().to_lowercase();
    let value = value
        .strip_prefix("https://")
        .or_else(|| value.strip_prefix("http://"))
        .unwrap_or(&value);
    let host = value.split(['/', '?', '#']).next()?;
    let label = match host.strip_suffix(domain) {
        Some(label) if !domain.is_empty() => label,
        Some(_) | None => host,
    };
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = (1..=63).contains(&label.len())
        && label.bytes().all(allowed)
        && !label.starts_with('-')
        && !label.ends_with('-');
    fits.then(|| label.to_owned())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOUD: &str = "https://{instance}.service-now.com";

    fn parse(template: &str, value: &str) -> Result<String, BaseUrlError> {
        BaseUrl::parse(template, "instance", value).map(|base| base.to_string())
    }

    #[test]
    fn pasted_addresses_give_the_label() {
        for value in [
            "dev12345",
            " DEV12345 ",
            "dev12345.service-now.com",
            "https://dev12345.service-now.com/",
            "HTTPS://Dev12345.Service-Now.com/nav_to.do?uri=x#y",
            "http://dev12345.service-now.com",
        ] {
            assert_eq!(
                parse(CLOUD, value).as_deref(),
                Ok("https://dev12345.service-now.com"),
                "{value}"
            );
        }
    }

    #[test]
    fn anything_but_one_label_is_refused() {
        let long = "a".repeat(64);
        for value in [
            "",
            " ",
            "-a",
            "a-",
            "a_b",
            "a b",
            "a.b",
            "evil.com",
            "evil.com/.service-now.com",
            "user@evil.com",
            "a:443",
            "a\\b",
            "a%2eb",
            "é",
            "a\nb",
            "ftp://a.service-now.com",
            ".service-now.com",
            &long,
        ] {
            assert_eq!(
                parse(CLOUD, value),
                Err(BaseUrlError::Label {
                    variable: "instance".to_owned()
                }),
                "{value:?}"
            );
        }
    }

    #[test]
    fn path_prefix_is_kept() {
        let base = BaseUrl::parse(
            "http://127.0.0.1:9000/servicenow/{instance}",
            "instance",
            "dev1",
        )
        .unwrap();
        assert_eq!(base.label(), "dev1");
        assert_eq!(
            base.join(["api", "a b/c"], [("q", "x=1^y&z")]).as_str(),
            "http://127.0.0.1:9000/servicenow/dev1/api/a%20b%2Fc?q=x%3D1%5Ey%26z"
        );
        assert_eq!(
            base.join(["api"], []).as_str(),
            "http://127.0.0.1:9000/servicenow/dev1/api"
        );
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        for template in [
            "http://127.0.0.1:9000/{instance}",
            "http://localhost/{instance}",
            "http://[::1]:80/{instance}",
        ] {
            assert!(parse(template, "dev1").is_ok(), "{template}");
        }
        for template in [
            "http://{instance}.service-now.com",
            "http://localhost.evil.com/{instance}",
            "http://10.0.0.1/{instance}",
        ] {
            assert!(
                matches!(parse(template, "dev1"), Err(BaseUrlError::Insecure { .. })),
                "{template}"
            );
        }
    }

    #[test]
    fn one_address_for_all_needs_no_variable() {
        let parse = |template: &str, value: &str| {
            BaseUrl::parse_optional(template, "company", value)
                .map(|base| (base.to_string(), base.label().to_owned()))
        };
        for (template, expected) in [
            ("https://api.example.com", "https://api.example.com"),
            (
                "http://127.0.0.1:9000/{company}",
                "http://127.0.0.1:9000/acme",
            ),
            ("https://{company}.example.com", "https://acme.example.com"),
        ] {
            assert_eq!(
                parse(template, " Acme "),
                Ok((expected.to_owned(), "acme".to_owned()))
            );
        }
        let value = parse("https://api.example.com", "a.b");
        assert!(matches!(value, Err(BaseUrlError::Label { .. })));
        for template in [
            "https://{other}.example.com",
            "https://api.example.com/?x=y",
            "api",
        ] {
            let result = parse(template, "acme");
            assert!(
                matches!(result, Err(BaseUrlError::Template { .. })),
                "{template}"
            );
        }
        let plain = parse("http://api.example.com", "acme");
        assert!(matches!(plain, Err(BaseUrlError::Insecure { .. })));
    }

    #[test]
    fn template_must_be_an_address_with_one_variable() {
        for template in [
            "https://service-now.com",
            "https://{instnace}.service-now.com",
            "https://{instance}.{instance}.com",
            "{instance}",
            "ftp://{instance}",
            "https://user:pw@{instance}.com",
            "https://a.com/{instance}?x=y",
        ] {
            assert!(
                matches!(parse(template, "dev1"), Err(BaseUrlError::Template { .. })),
                "{template}"
            );
        }
    }
}
