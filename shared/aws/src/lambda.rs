//! Lambda: asking a function.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>

use crate::call::{Caller, segment};
use crate::{Config, Error, Service};
use bytes::Bytes;
use http::Method;

/// Calls Lambda. Clones share the connections.
#[derive(Debug, Clone)]
pub struct Client {
    caller: Caller,
}

/// What a function answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvokeOutput {
    /// Set when the function failed; the payload then describes the error.
    pub function_error: Option<String>,
    /// Its answer.
    pub payload: Bytes,
}

impl Client {
    /// The functions of this configuration.
    pub fn new(config: &Config) -> Self {
        Self {
            caller: Caller::new(config, Service::Lambda),
        }
    }

    /// Invokes a function, by its name or ARN, and waits for its answer.
    ///
    /// # Errors
    /// See [`Error`]. That the function failed is no error here.
    pub async fn invoke(&self, function: &str, payload: Bytes) -> Result<InvokeOutput, Error> {
        let path = format!("/2015-03-31/functions/{}/invocations", segment(function));
        let answer = self
            .caller
            .send("Invoke", Method::POST, &path, payload)
            .await?;
        let function_error = answer.headers.get("x-amz-function-error");
        let function_error = function_error.and_then(|value| value.to_str().ok());
        Ok(InvokeOutput {
            function_error: function_error.map(str::to_owned),
            payload: answer.body,
        })
    }
}
