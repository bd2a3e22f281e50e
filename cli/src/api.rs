//! The management API of a stack, called with a token.

use management::ProblemDetails;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use vendor_http::{Client, Method, Request, Response, Url};

use crate::address;
use crate::error::Error;

/// The API, and the token with which it is called.
pub(crate) struct Api {
    client: Client,
    base: Url,
    token: SecretString,
}

impl Api {
    /// The API below this address.
    pub(crate) fn new(base: &str, token: SecretString) -> Result<Self, Error> {
        Ok(Self {
            client: Client::new()?,
            base: address::checked(base)?,
            token,
        })
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, Error> {
        self.get_with(path, &()).await
    }

    /// Reads what a query asks for.
    pub(crate) async fn get_with<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &impl Serialize,
    ) -> Result<T, Error> {
        let mut url = self.url(path);
        add_query(&mut url, query);
        read(&self.send(Request::new(Method::GET, url)).await?)
    }

    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, Error> {
        self.post_with(path, &()).await
    }

    /// Does what a query says more about.
    pub(crate) async fn post_with<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &impl Serialize,
    ) -> Result<T, Error> {
        let mut url = self.url(path);
        add_query(&mut url, query);
        read(&self.send(Request::new(Method::POST, url)).await?)
    }

    /// Sends a document.
    pub(crate) async fn send_json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        document: &impl Serialize,
    ) -> Result<T, Error> {
        let body =
            serde_json::to_vec(document).map_err(|error| Error::NotTheApi(error.to_string()))?;
        let request = Request::new(method, self.url(path)).json(body);
        read(&self.send(request).await?)
    }

    /// Sends a document that holds a secret.
    pub(crate) async fn send_secret<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        document: SecretString,
    ) -> Result<T, Error> {
        let body = document.expose_secret().as_bytes().to_vec();
        let request = Request::new(method, self.url(path)).json(body);
        read(&self.send(request).await?)
    }

    /// Deletes something of which nothing is told.
    pub(crate) async fn delete(&self, path: &[&str], query: &impl Serialize) -> Result<(), Error> {
        let mut url = self.url(path);
        add_query(&mut url, query);
        self.send(Request::new(Method::DELETE, url)).await?;
        Ok(())
    }

    /// Deletes something of which something is told.
    pub(crate) async fn delete_and_read<T: DeserializeOwned>(
        &self,
        path: &[&str],
    ) -> Result<T, Error> {
        let request = Request::new(Method::DELETE, self.url(path));
        read(&self.send(request).await?)
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        // Only an address that cannot hold a path has no segments, and such a one is not taken.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        url
    }

    async fn send(&self, request: Request) -> Result<Response, Error> {
        let bearer = vendor_http::bearer(&self.token).map_err(Error::UnusableToken)?;
        let response = self.client.send(request.authorization(bearer)).await?;
        if response.is_success() {
            Ok(response)
        } else {
            Err(Error::Api(problem(&response)))
        }
    }
}

/// Adds the fields of a flat document that are there; a list's members one by one.
fn add_query(url: &mut Url, query: &impl Serialize) {
    let Ok(Value::Object(fields)) = serde_json::to_value(query) else {
        return;
    };
    for (name, value) in fields {
        let values = if let Value::Array(values) = value {
            values
        } else {
            vec![value]
        };
        for value in values {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            url.query_pairs_mut().append_pair(&name, &text);
        }
    }
}

fn read<T: DeserializeOwned>(response: &Response) -> Result<T, Error> {
    serde_json::from_slice(&response.body).map_err(|error| Error::NotTheApi(error.to_string()))
}

/// What the API says, or what stands before it: API Gateway's own refusals are `{"message": ...}`.
fn problem(response: &Response) -> ProblemDetails {
    let status = response.status;
    if let Ok(problem) = serde_json::from_slice::<ProblemDetails>(&response.body) {
        return problem;
    }
    let message = response.json().ok().and_then(|body| {
        let message = body.get("message").or_else(|| body.get("detail"))?;
        message.as_str().map(str::to_owned)
    });
    let detail = message
        .or_else(|| response.page_title())
        .map(|text| format!("the API answered with status {status}: {text}"))
        .unwrap_or_default();
    ProblemDetails::new("unknown", "The API refused the request", status, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use management::RunFilter;
    use serde_json::json;
    use vendor_http::HeaderMap;

    fn url(base: &str, path: &[&str], query: &impl Serialize) -> String {
        let api = Api::new(base, "t".into()).unwrap();
        let mut url = api.url(path);
        add_query(&mut url, query);
        url.into()
    }

    #[test]
    fn addresses_are_built_below_the_api() {
        for base in ["https://api.example.com", "https://api.example.com/"] {
            assert_eq!(
                url(base, &["runs", "run_1", "retry"], &()),
                "https://api.example.com/v1/runs/run_1/retry"
            );
        }
        let filter: RunFilter = serde_json::from_value(
            json!({"workflow": "a", "state": "failed", "day": "2026-11-21", "limit": 5}),
        )
        .unwrap();
        assert_eq!(
            url(
                "http://localhost:4566/_aws/execute-api/a1/$default",
                &["runs"],
                &filter
            ),
            "http://localhost:4566/_aws/execute-api/a1/$default/v1/runs?day=2026-11-21&limit=5&state=failed&workflow=a"
        );
        assert_eq!(
            url("https://a.example.com", &["runs"], &RunFilter::default()),
            "https://a.example.com/v1/runs"
        );
        let labels = json!({"label": ["team=support", "tier=a b"], "enabled": true});
        assert_eq!(
            url("https://a.example.com", &["workflows"], &labels),
            "https://a.example.com/v1/workflows?enabled=true&label=team%3Dsupport&label=tier%3Da+b"
        );
    }

    #[test]
    fn whatever_refuses_is_told_in_words() {
        let refused = |status, body: &str| {
            let response = Response {
                status,
                headers: HeaderMap::new(),
                body: body.to_owned().into(),
            };
            Error::Api(problem(&response)).to_string()
        };
        for (status, body, expected) in [
            (
                409,
                r#"{"type": "/problems/conflict", "title": "In conflict", "status": 409, "detail": "the account `a` is used"}"#,
                "the account `a` is used",
            ),
            (
                422,
                r#"{"type": "/problems/invalid", "title": "Invalid", "status": 422, "detail": "x", "errors": [{"path": "a", "problem": "b"}]}"#,
                "x\n  a: b",
            ),
            (
                429,
                r#"{"message": "Too Many Requests"}"#,
                "the API answered with status 429: Too Many Requests",
            ),
            (
                502,
                "<title>Bad gateway</title>",
                "the API answered with status 502: Bad gateway",
            ),
            (500, "", "The API refused the request (status 500)"),
        ] {
            assert_eq!(refused(status, body), expected);
        }
    }
}
