//! Signature Version 4 of this crate's requests: JSON in the body, names encoded by [`segment`](crate::call::segment), the
//! signature in the headers.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
//!
//! Keys and signatures are made by `aws-sigv4`. What is signed is put together here: that library takes any request
//! there may be, which was an eighth of the instructions of `evaluate`, hashes aside. A property test holds the two together. It also makes
//! paths shorter that have `//`, `.` or `..` in them; ours have none.

use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, InvalidHeaderValue};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::{Digest, Sha256};

use crate::call::{RESERVED, Service};
use crate::config::Credentials;

type Error = Box<dyn std::error::Error + Send + Sync>;

const X_AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
const X_AMZ_SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const X_AMZ_TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// What the path that is signed may not hold as it is. The path that is sent is encoded already; it is encoded twice.
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// `YYYYMMDD`, by which a key is made.
const DAY_LENGTH: usize = 8;

/// A request to be signed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unsigned<'a> {
    pub(crate) service: Service,
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    /// The value of `X-Amz-Target`, where the service takes the operation's name there.
    pub(crate) target: Option<&'a HeaderValue>,
    pub(crate) body: &'a [u8],
}

/// Signs with the credentials of the process.
#[derive(Debug)]
pub(crate) struct Signer {
    region: String,
    access_key_id: String,
    secret_access_key: SecretString,
    session_token: Option<HeaderValue>,
    keys: Mutex<Vec<SigningKey>>,
}

/// A key is good for a service and a day. Making one takes longer than everything else that is done to sign.
#[derive(Debug)]
struct SigningKey {
    service: Service,
    day: String,
    key: SecretSlice<u8>,
}

impl Signer {
    /// # Errors
    /// When the session token cannot be a header.
    pub(crate) fn new(region: &str, credentials: &Credentials) -> Result<Self, InvalidHeaderValue> {
        let token = credentials.session_token.as_ref();
        let token = token.map(|token| HeaderValue::from_str(token.expose_secret()));
        let mut token = token.transpose()?;
        if let Some(token) = &mut token {
            token.set_sensitive(true);
        }
        Ok(Self {
            region: region.to_owned(),
            access_key_id: credentials.access_key_id.clone(),
            secret_access_key: credentials.secret_access_key.clone(),
            session_token: token,
            keys: Mutex::new(Vec::new()),
        })
    }

    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// The headers of the request: those that are signed, but for `Host`, and the one that signs.
    ///
    /// # Errors
    /// When the address has no host, or the name of the key cannot be in a header.
    pub(crate) fn headers(
        &self,
        request: &Unsigned<'_>,
        now: Timestamp,
    ) -> Result<HeaderMap, Error> {
        let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let day = time.get(..DAY_LENGTH).unwrap_or_default();
        let host = host(request.uri)?;
        // In the order of their names, as they are signed.
        let signed = [
            (CONTENT_TYPE, Some(request.service.content_type())),
            (HOST, Some(HeaderValue::try_from(host)?)),
            (X_AMZ_DATE, Some(HeaderValue::from_str(&time)?)),
            (X_AMZ_SECURITY_TOKEN, self.session_token.clone()),
            (X_AMZ_TARGET, request.target.cloned()),
        ];
        let signed = signed
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));

        let mut canonical = Vec::with_capacity(2_048);
        let Unsigned { method, uri, .. } = request;
        let path = utf8_percent_encode(uri.path(), RESERVED_IN_PATH);
        write!(canonical, "{method}\n{path}\n{}\n", sorted_query(uri))?;
        let mut names = String::with_capacity(64);
        let mut headers = HeaderMap::with_capacity(8);
        for (name, value) in signed {
            for part in [name.as_str().as_bytes(), b":", value.as_bytes(), b"\n"] {
                canonical.extend_from_slice(part);
            }
            if !names.is_empty() {
                names.push(';');
            }
            names.push_str(name.as_str());
            // The client sends the host by itself.
            if name != HOST {
                headers.insert(name, value);
            }
        }
        write!(canonical, "\n{names}\n")?;
        canonical.extend_from_slice(&sha256_hex(request.body)?);

        let service = request.service.signing_name();
        let scope = format!("{day}/{}/{service}/aws4_request", self.region);
        let mut to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n").into_bytes();
        to_sign.extend_from_slice(&sha256_hex(&canonical)?);
        let signature = self.signature(request.service, day, now, &to_sign);
        let key = &self.access_key_id;
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
        );
        headers.insert(AUTHORIZATION, HeaderValue::try_from(authorization)?);
        Ok(headers)
    }

    fn signature(&self, service: Service, day: &str, now: Timestamp, to_sign: &[u8]) -> String {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let known = keys
            .iter()
            .find(|key| key.service == service && key.day == day);
        if let Some(known) = known {
            return calculate_signature(known.key.expose_secret(), to_sign);
        }
        let key = generate_signing_key(
            self.secret_access_key.expose_secret(),
            now.into(),
            &self.region,
            service.signing_name(),
        );
        let signature = calculate_signature(&key, to_sign);
        keys.retain(|key| key.service != service);
        keys.push(SigningKey {
            service,
            day: day.to_owned(),
            key: SecretSlice::from(key.as_ref().to_vec()),
        });
        signature
    }
}

/// As the header says it: without the port that the scheme means.
fn host(uri: &Uri) -> Result<String, Error> {
    let host = uri.host().ok_or("the address has no host")?;
    let usual = match uri.scheme_str() {
        Some("https") => Some(443),
        Some("http") => Some(80),
        _ => None,
    };
    Ok(match uri.port_u16() {
        Some(port) if Some(port) != usual => format!("{host}:{port}"),
        _ => host.to_owned(),
    })
}

fn sha256_hex(bytes: &[u8]) -> Result<[u8; 64], Error> {
    let mut text = [0; 64];
    hex::encode_to_slice(Sha256::digest(bytes), &mut text)?;
    Ok(text)
}

fn sorted_query(uri: &Uri) -> String {
    let mut parts: Vec<&str> = uri
        .query()
        .into_iter()
        .flat_map(|query| query.split('&'))
        .collect();
    // By their names: as whole texts, `a1=` would come before `a=`.
    parts.sort_unstable_by_key(|part| part.split_once('='));
    parts.join("&")
}

#[cfg(test)]
mod tests {
    use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
    use aws_sigv4::sign::v4;
    use proptest::prelude::*;

    use super::*;
    use crate::call::segment;

    /// The headers that the library would make.
    fn of_the_library(
        credentials: &Credentials,
        unsigned: &Unsigned<'_>,
        now: Timestamp,
    ) -> HeaderMap {
        let token = credentials.session_token.as_ref();
        let identity = aws_credential_types::Credentials::new(
            credentials.access_key_id.clone(),
            credentials.secret_access_key.expose_secret(),
            token.map(|token| token.expose_secret().to_owned()),
            None,
            "test",
        )
        .into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("eu-west-1")
            .name(unsigned.service.signing_name())
            .time(now.into())
            .settings(SigningSettings::default())
            .build()
            .unwrap();
        let mut request = http::Request::new(());
        *request.uri_mut() = unsigned.uri.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, unsigned.service.content_type());
        if let Some(target) = unsigned.target {
            headers.insert(X_AMZ_TARGET, target.clone());
        }
        let given = headers.clone();
        let named = given.iter();
        let named = named.map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let (method, uri) = (unsigned.method.as_str(), unsigned.uri.to_string());
        let body = SignableBody::Bytes(unsigned.body);
        let signable = SignableRequest::new(method, uri, named, body).unwrap();
        let (instructions, _) = sign(signable, &params.into()).unwrap().into_parts();
        instructions.apply_to_request_http1x(&mut request);
        request.headers().clone()
    }

    fn credentials() -> impl Strategy<Value = Credentials> {
        let token = proptest::option::of("[A-Za-z0-9/+=]{1,400}");
        ("[A-Z0-9]{16,20}", "[A-Za-z0-9/+]{40}", token).prop_map(|(id, secret, token)| {
            Credentials {
                access_key_id: id,
                secret_access_key: secret.into(),
                session_token: token.map(SecretString::from),
            }
        })
    }

    fn uri() -> impl Strategy<Value = Uri> {
        let endpoint = prop_oneof![
            Just("https://dynamodb.eu-west-1.amazonaws.com".to_owned()),
            (1..=u16::MAX).prop_map(|port| format!("http://127.0.0.1:{port}")),
            Just("https://localhost:443".to_owned()),
            Just("http://localhost:443".to_owned()),
            Just("http://[::1]:80".to_owned()),
        ];
        // A function may be named by its ARN; a schedule has letters, digits and "-_." only.
        let path = prop_oneof![
            Just("/".to_owned()),
            Just("/v2/email/outbound-emails".to_owned()),
            "[ -~ä€]{1,64}"
                .prop_map(|name| format!("/2015-03-31/functions/{}/invocations", segment(&name))),
        ];
        let query = proptest::collection::vec(("[a-z][A-Za-z0-9.-]{0,3}", "[ -~ä€]{0,20}"), 0..4);
        (endpoint, path, query).prop_filter_map("no path", |(endpoint, path, query)| {
            // The library reads "." and ".." as folders; nothing of ours is named so.
            let folder = path.split('/').any(|part| part == "." || part == "..");
            let query: Vec<String> = query
                .iter()
                .map(|(name, value)| format!("{name}={}", segment(value)))
                .collect();
            let mark = if query.is_empty() { "" } else { "?" };
            (!folder).then(|| {
                format!("{endpoint}{path}{mark}{}", query.join("&"))
                    .parse()
                    .unwrap()
            })
        })
    }

    proptest! {
        #[test]
        fn library_signs_the_same(
            credentials in credentials(),
            uri in uri(),
            method in proptest::sample::select(&[Method::GET, Method::POST, Method::PUT, Method::DELETE][..]),
            service in proptest::sample::select(&Service::ALL[..]),
            target in proptest::option::of("[A-Za-z_0-9]{1,20}\\.[A-Za-z]{1,20}"),
            body in proptest::collection::vec(any::<u8>(), 0..300),
            seconds in 0..4_102_444_800_i64,
        ) {
            let now = Timestamp::from_second(seconds).unwrap();
            let target = target.map(|target| HeaderValue::try_from(target).unwrap());
            let target = target.as_ref();
            let request = Unsigned { service, method: &method, uri: &uri, target, body: &body };
            let expected = of_the_library(&credentials, &request, now);
            let signer = Signer::new("eu-west-1", &credentials).unwrap();
            // The second time with the key that is there.
            for _ in 0..2 {
                prop_assert_eq!(&signer.headers(&request, now).unwrap(), &expected);
            }
        }
    }

    #[test]
    fn key_is_of_its_service_and_day() {
        let credentials = Credentials {
            access_key_id: "AKID".to_owned(),
            secret_access_key: "hunter2".into(),
            session_token: None,
        };
        let signer = Signer::new("eu-west-1", &credentials).unwrap();
        let uri: Uri = "https://example.com/".parse().unwrap();
        let evening: Timestamp = "2026-11-22T23:59:59Z".parse().unwrap();
        let morning: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
        for (service, now) in [
            (Service::DynamoDb, evening),
            (Service::Sqs, evening),
            (Service::DynamoDb, morning),
            // Messages of yesterday's last second may still be signed when today has begun.
            (Service::DynamoDb, evening),
            (Service::Sqs, morning),
        ] {
            let request = Unsigned {
                service,
                method: &Method::POST,
                uri: &uri,
                target: None,
                body: b"{}",
            };
            let expected = of_the_library(&credentials, &request, now);
            let headers = signer.headers(&request, now).unwrap();
            assert_eq!(headers, expected, "{service:?} {now}");
        }
        let shown = format!("{signer:?}");
        assert!(!shown.contains("hunter"), "{shown}");
        assert_eq!(signer.keys.lock().unwrap().len(), 2);
    }
}
