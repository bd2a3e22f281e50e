//! A deployed stack: the names of what it consists of, and clients for them.

use std::collections::BTreeMap;
use std::str::FromStr;

use accounts::{Accounts, Vendors};
use management::{
    AccountNames, Management, Names, ScheduleNames, TaskFunctionNames, TeamViewerNames,
    WorkflowNames,
};
use startup::AwsConfig;

use crate::credentials;
use crate::error::Error;

/// A stack and the configuration with which its parts are called.
pub(crate) struct Deployed {
    aws: AwsConfig,
    outputs: Outputs,
}

/// What the stack says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outputs {
    stack: String,
    values: BTreeMap<String, String>,
}

impl Outputs {
    fn required(&self, output: &'static str) -> Result<&str, Error> {
        self.optional(output).ok_or_else(|| Error::NoOutput {
            stack: self.stack.clone(),
            output,
        })
    }

    fn names(&self) -> Result<Names, Error> {
        let text = |output| self.required(output).map(str::to_owned);
        let event_bus = text("EventBusName")?;
        let teamviewer_table = text("TeamViewerTable")?;
        Ok(Names {
            workflows: WorkflowNames {
                endpoints_table: text("EndpointsTable")?,
                accounts_table: text("AccountsTable")?,
                workflows_table: text("WorkflowsTable")?,
                runs_table: text("RunsTable")?,
                events_table: text("EventsTable")?,
                run_retention_days: self.number("RunRetentionDays")?,
                event_bus: event_bus.clone(),
                schedules: ScheduleNames {
                    group: text("ScheduleGroup")?,
                    function: text("SchedulesFunctionArn")?,
                    role: text("SchedulerRoleArn")?,
                    dead_letters: text("ScheduleDeadLettersArn")?,
                },
                task_functions: TaskFunctionNames {
                    servicenow: text("ServiceNowTasksFunction")?,
                    zendesk: text("ZendeskTasksFunction")?,
                    teamviewer: text("TeamViewerTasksFunction")?,
                },
            },
            accounts: AccountNames {
                endpoints_table: text("EndpointsTable")?,
                secret_prefix: text("SecretPrefix")?,
                kms_key: self.optional("SecretsKmsKey").map(str::to_owned),
                public_url: match self.optional("PublicUrl") {
                    Some(url) => url.to_owned(),
                    None => text("ApiUrl")?,
                },
                workflows_table: text("WorkflowsTable")?,
                teamviewer_table: teamviewer_table.clone(),
            },
            teamviewer: TeamViewerNames {
                connections_table: text("ConnectionsTable")?,
                teamviewer_table,
                queue_url: text("TeamViewerQueueUrl")?,
                event_bus,
                mail: mail::Config::from_vars(|name| {
                    let output = match name {
                        "MAIL_FROM" => "MailFrom",
                        "MAIL_CONFIGURATION_SET" => "MailConfigurationSet",
                        _ => return None,
                    };
                    self.optional(output).map(str::to_owned)
                })?,
                every_hours: self.number("ConnectionsEveryHours")?,
            },
        })
    }

    fn number<T: FromStr>(&self, output: &'static str) -> Result<T, Error> {
        let number = self.required(output)?.parse();
        number.map_err(|_| Error::NoOutput {
            stack: self.stack.clone(),
            output,
        })
    }

    fn optional(&self, output: &str) -> Option<&str> {
        self.values
            .get(output)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

impl Deployed {
    /// Looks the stack up: the one call that every command begins with.
    pub(crate) async fn find(name: &str) -> Result<Self, Error> {
        const ATTEMPTED: &str = "looking the stack up";
        let sdk = credentials::sdk_config().await;
        let aws = credentials::aws_config(&sdk).await?;
        let region = aws.region().to_owned();
        let no_stack = || Error::NoStack {
            stack: name.to_owned(),
            region: region.clone(),
        };
        let answer = aws_sdk_cloudformation::Client::new(&sdk)
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
        let values = stack
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
            outputs: Outputs {
                stack: name.to_owned(),
                values,
            },
            aws,
        })
    }

    /// What can be done with the stack.
    pub(crate) fn management(&self) -> Result<Management, Error> {
        let names = self.outputs.names()?;
        let (of_workflows, of_accounts) = (names.workflows.clone(), names.accounts.clone());
        let config = accounts::Config {
            accounts_table: of_workflows.accounts_table,
            connects_table: self
                .outputs
                .optional("ConnectsTable")
                .unwrap_or_default()
                .to_owned(),
            event_bus: of_workflows.event_bus,
            secret_prefix: of_accounts.secret_prefix,
            secrets_kms_key: of_accounts.kms_key,
            public_url: of_accounts.public_url,
        };
        let vendors = Vendors::from_vars(vendor_http::Client::new()?, |name| {
            let output = match name {
                "SERVICENOW_URL" => "ServiceNowUrl",
                "ZENDESK_URL" => "ZendeskUrl",
                "QUALTRICS_URL" => "QualtricsUrl",
                "TEAMVIEWER_URL" => "TeamViewerUrl",
                "TEAMVIEWER_LOGIN_URL" => "TeamViewerLoginUrl",
                _ => return None,
            };
            self.outputs.optional(output).map(str::to_owned)
        })?;
        let process = process()?;
        let accounts = Accounts::new(&self.aws, config, vendors, process.clone());
        Ok(Management::new(&self.aws, names, accounts, process))
    }

    /// The tokens of the management API.
    pub(crate) fn tokens(&self) -> Result<access::Tokens, Error> {
        let table = self.outputs.required("TokensTable")?.to_owned();
        let rows = store::Tokens::new(store::Client::new(&self.aws), table);
        Ok(access::Tokens::new(rows))
    }
}

/// A name that no other process has: renewals of tokens are claimed under it.
fn process() -> Result<String, Error> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(Error::NoRandomness)?;
    Ok(format!("cli-{}", hex::encode(random)))
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
        let outputs = Outputs {
            stack: "demo".to_owned(),
            values: BTreeMap::from([
                ("ApiUrl".to_owned(), "https://api.example.com".to_owned()),
                ("SecretsKmsKey".to_owned(), String::new()),
            ]),
        };
        assert_eq!(
            outputs.required("ApiUrl").unwrap(),
            "https://api.example.com"
        );
        assert_eq!(outputs.optional("SecretsKmsKey"), None);
        assert!(outputs.names().is_err());
        let error = outputs.required("RunsTable").unwrap_err().to_string();
        assert!(
            error.contains("`demo`")
                && error.contains("`RunsTable`")
                && error.contains("deployed again"),
            "{error}"
        );
    }

    #[test]
    fn people_are_sent_to_the_public_address_where_there_is_one() {
        let names = |public_url: Option<&str>| {
            let mut values: BTreeMap<String, String> = [
                "EndpointsTable",
                "AccountsTable",
                "WorkflowsTable",
                "RunsTable",
                "EventsTable",
                "EventBusName",
                "SecretPrefix",
                "ApiUrl",
                "ScheduleGroup",
                "SchedulesFunctionArn",
                "SchedulerRoleArn",
                "ScheduleDeadLettersArn",
                "ServiceNowTasksFunction",
                "ZendeskTasksFunction",
                "TeamViewerTasksFunction",
                "ConnectionsTable",
                "TeamViewerTable",
                "TeamViewerQueueUrl",
            ]
            .map(|output| (output.to_owned(), output.to_lowercase()))
            .into();
            values.insert("RunRetentionDays".to_owned(), "90".to_owned());
            values.insert("ConnectionsEveryHours".to_owned(), "6".to_owned());
            values.insert("MailFrom".to_owned(), String::new());
            values.extend(public_url.map(|url| ("PublicUrl".to_owned(), url.to_owned())));
            let stack = "demo".to_owned();
            Outputs { stack, values }.names().unwrap()
        };
        assert_eq!(names(None).accounts.public_url, "apiurl");
        assert_eq!(names(None).teamviewer.event_bus, "eventbusname");
        assert_eq!(names(None).teamviewer.mail, mail::Config::default());
        let public = names(Some("https://loop.example.com"));
        assert_eq!(public.accounts.public_url, "https://loop.example.com");
    }
}
