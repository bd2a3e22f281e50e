//! A deployed stack: the names of what it consists of, and clients for them.

use std::collections::BTreeMap;

use startup::AwsConfig;

use crate::error::Error;
use crate::secrets::Secrets;

/// A stack and the configuration with which its parts are called.
pub(crate) struct Deployed {
    aws: AwsConfig,
    stack: Stack,
}

/// What the stack says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stack {
    name: String,
    outputs: BTreeMap<String, String>,
}

impl Stack {
    fn required(&self, output: &'static str) -> Result<&str, Error> {
        self.optional(output).ok_or_else(|| Error::NoOutput {
            stack: self.name.clone(),
            output,
        })
    }

    fn optional(&self, output: &str) -> Option<&str> {
        self.outputs
            .get(output)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

impl Deployed {
    /// Looks the stack up: the one call that every command begins with.
    pub(crate) async fn find(name: &str) -> Result<Self, Error> {
        const ATTEMPTED: &str = "looking the stack up";
        let aws = startup::aws_config().await;
        let region = aws
            .region()
            .map(ToString::to_string)
            .filter(|region| !region.is_empty())
            .ok_or(Error::NoRegion)?;
        let no_stack = || Error::NoStack {
            stack: name.to_owned(),
            region: region.clone(),
        };
        let answer = aws_sdk_cloudformation::Client::new(&aws)
            .describe_stacks()
            .stack_name(name)
            .send()
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if says_no_such_stack(&error) => return Err(no_stack()),
            Err(error) => return Err(Error::aws(ATTEMPTED)(error)),
        };
        let stack = answer.stacks().first().ok_or_else(no_stack)?;
        let outputs = stack
            .outputs()
            .iter()
            .filter_map(|output| {
                Some((
                    output.output_key()?.to_owned(),
                    output.output_value()?.to_owned(),
                ))
            })
            .collect();
        Ok(Self {
            stack: Stack {
                name: name.to_owned(),
                outputs,
            },
            aws,
        })
    }

    pub(crate) fn workflows(&self) -> Result<store::Workflows, Error> {
        let table = self.stack.required("WorkflowsTable")?.to_owned();
        Ok(store::Workflows::new(self.dynamodb(), table))
    }

    pub(crate) fn endpoints(&self) -> Result<store::Endpoints, Error> {
        let table = self.stack.required("EndpointsTable")?.to_owned();
        Ok(store::Endpoints::new(self.dynamodb(), table))
    }

    pub(crate) fn account_rows(&self) -> Result<store::Accounts, Error> {
        let table = self.stack.required("AccountsTable")?.to_owned();
        Ok(store::Accounts::new(self.dynamodb(), table))
    }

    /// The accounts with their secrets.
    pub(crate) fn accounts(&self) -> Result<accounts::Accounts, Error> {
        Ok(accounts::Accounts::new(
            self.account_rows()?,
            accounts::Client::new(&self.aws),
            self.stack.required("SecretPrefix")?.to_owned(),
        ))
    }

    pub(crate) fn runs(&self) -> Result<store::Runs, Error> {
        let table = self.stack.required("RunsTable")?.to_owned();
        Ok(store::Runs::new(self.dynamodb(), table))
    }

    pub(crate) fn events(&self) -> Result<store::Events, Error> {
        let table = self.stack.required("EventsTable")?.to_owned();
        Ok(store::Events::new(self.dynamodb(), table))
    }

    pub(crate) fn secrets(&self) -> Result<Secrets, Error> {
        Ok(Secrets::new(
            aws_sdk_secretsmanager::Client::new(&self.aws),
            self.stack.required("SecretPrefix")?.to_owned(),
            self.secrets_kms_key().map(str::to_owned),
        ))
    }

    /// The key that secrets are encrypted with; `None` means the account's own.
    pub(crate) fn secrets_kms_key(&self) -> Option<&str> {
        self.stack.optional("SecretsKmsKey")
    }

    pub(crate) fn eventbridge(&self) -> aws_sdk_eventbridge::Client {
        aws_sdk_eventbridge::Client::new(&self.aws)
    }

    pub(crate) fn event_bus(&self) -> Result<&str, Error> {
        self.stack.required("EventBusName")
    }

    /// The address of the HTTP API.
    pub(crate) fn api_url(&self) -> Result<&str, Error> {
        self.stack.required("ApiUrl")
    }

    fn dynamodb(&self) -> store::Client {
        store::Client::new(&self.aws)
    }
}

/// CloudFormation has no error of its own for a stack that is not there.
fn says_no_such_stack(error: &impl aws_sdk_cloudformation::error::ProvideErrorMetadata) -> bool {
    error.code() == Some("ValidationError")
        && error
            .message()
            .is_some_and(|message| message.contains("does not exist"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_and_empty_outputs_are_named() {
        let stack = Stack {
            name: "demo".to_owned(),
            outputs: BTreeMap::from([
                ("ApiUrl".to_owned(), "https://api.example.com".to_owned()),
                ("SecretsKmsKey".to_owned(), String::new()),
            ]),
        };
        assert_eq!(stack.required("ApiUrl").unwrap(), "https://api.example.com");
        assert_eq!(stack.optional("SecretsKmsKey"), None);
        let error = stack.required("RunsTable").unwrap_err().to_string();
        assert!(
            error.contains("`demo`")
                && error.contains("`RunsTable`")
                && error.contains("deployed again"),
            "{error}"
        );
    }
}
