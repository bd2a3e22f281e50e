//! A client that behaves as plainly as one can: no cookies, no redirects, no second tries.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use sandbox::{Control, InstanceControl, Sandbox};
use serde_json::Value;

pub(crate) struct Account {
    pub(crate) control: InstanceControl,
    pub(crate) sandbox: Sandbox,
    authorization: Option<String>,
    http: reqwest::Client,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub(crate) fn basic(username: &str, password: &str) -> String {
    format!(
        "Basic {}",
        STANDARD.encode(format!("{username}:{password}"))
    )
}

impl Account {
    pub(crate) async fn servicenow(config: Value) -> Self {
        let sandbox = Sandbox::start().await;
        let control = Control::new(sandbox.base_url()).servicenow("dev1");
        Self::open(sandbox, control, config, basic("api", "secret")).await
    }

    pub(crate) async fn zendesk(config: Value) -> Self {
        let sandbox = Sandbox::start().await;
        let control = Control::new(sandbox.base_url()).zendesk("acme");
        Self::open(sandbox, control, config, basic("api@example.com", "secret")).await
    }

    /// Calls carry no credentials until they are given some.
    pub(crate) async fn qualtrics(config: Value) -> Self {
        let sandbox = Sandbox::start().await;
        let control = Control::new(sandbox.base_url()).qualtrics("fra1");
        let mut account = Self::open(sandbox, control, config, String::new()).await;
        account.authorize(None);
        account
    }

    pub(crate) async fn teamviewer(config: Value) -> Self {
        let sandbox = Sandbox::start().await;
        let control = Control::new(sandbox.base_url()).teamviewer("acme");
        Self::open(sandbox, control, config, "Bearer c0mpany".to_owned()).await
    }

    async fn open(
        sandbox: Sandbox,
        control: InstanceControl,
        config: Value,
        authorization: String,
    ) -> Self {
        control.create(&config).await.unwrap();
        Self {
            control,
            sandbox,
            authorization: Some(authorization),
            http: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
        }
    }

    /// From now on calls carry this header, or none.
    pub(crate) fn authorize(&mut self, header: Option<String>) {
        self.authorization = header;
    }

    pub(crate) fn request(&self, method: &Method, path: &str) -> reqwest::RequestBuilder {
        let request = self
            .http
            .request(method.clone(), format!("{}{path}", self.control.url()));
        match &self.authorization {
            Some(header) => request.header("authorization", header),
            None => request,
        }
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer {
            status,
            headers,
            body,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(&Method::GET, path)).await
    }

    pub(crate) async fn write(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = self
            .request(&method, path)
            .header("content-type", "application/json")
            .body(body.to_string());
        self.send(request).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.write(Method::POST, path, body).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.write(Method::PUT, path, body).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.write(Method::PATCH, path, body).await
    }
}
