//! Addresses to which secrets are sent.

use vendor_http::Url;

use crate::error::Error;

/// Secrets travel in the request, so it is not sent in the clear over a network.
pub(crate) fn checked(url: &str) -> Result<Url, Error> {
    let fault = |problem: &str| Error::Url {
        url: url.to_owned(),
        problem: problem.to_owned(),
    };
    let parsed = Url::parse(url).map_err(|error| fault(&error.to_string()))?;
    let host = parsed.host_str().unwrap_or_default();
    let is_local = host == "localhost"
        || host.ends_with(".localhost")
        || host == "[::1]"
        || host
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback());
    match parsed.scheme() {
        "https" => Ok(parsed),
        "http" if is_local => Ok(parsed),
        _ => Err(fault("expected https; http only for this machine")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_travel_encrypted_or_not_at_all() {
        for (url, good) in [
            ("https://api.example.com/events/a", true),
            ("http://127.0.0.1:4566/events/a", true),
            ("http://localhost:4566/events/a", true),
            ("http://abc.execute-api.localhost:4566/events/a", true),
            ("http://[::1]/events/a", true),
            ("http://api.example.com/events/a", false),
            ("http://localhost.example.com/events/a", false),
            ("ftp://localhost/events/a", false),
            ("events/a", false),
        ] {
            assert_eq!(checked(url).is_ok(), good, "{url}");
        }
    }
}
