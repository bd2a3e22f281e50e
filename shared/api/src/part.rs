//! The parts of the API, each of which is a function.

use std::sync::Arc;

use accounts::{Accounts, Vendors};
use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use management::{
    AccountManagement, AccountNames, TeamViewerManagement, TeamViewerNames, WorkflowManagement,
    WorkflowNames,
};
use startup::{AwsConfig, ConfigError};

use crate::config::Config;
use crate::route::{Handler, Moment, Route};
use crate::{Deps, handle, routes, time_for_request};

/// What every part is made with.
#[derive(Debug)]
pub struct Setup<'a> {
    /// How AWS is called.
    pub aws: &'a AwsConfig,
    /// How vendors are called.
    pub http: &'a vendor_http::Client,
    /// Unique to this process.
    pub process: String,
}

/// A part of the API: operations that need the same rights.
pub trait Part: Sized + Send + Sync + 'static {
    /// Clients for what the environment names. Nothing is called yet.
    ///
    /// # Errors
    /// When a variable is missing or cannot be used. Give up: the deployment is wrong.
    fn from_vars(
        setup: Setup<'_>,
        variables: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError>;

    /// The routes that it takes.
    fn routes() -> Vec<Route<Handler<Self>>>;

    /// Ends when nothing is under way any more that a request has begun.
    fn finish(&self) -> impl Future<Output = ()>;
}

impl Part for WorkflowManagement {
    fn from_vars(
        setup: Setup<'_>,
        variables: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        Ok(Self::new(setup.aws, WorkflowNames::from_vars(variables)?))
    }

    fn routes() -> Vec<Route<Handler<Self>>> {
        routes::of_workflows()
    }

    async fn finish(&self) {}
}

impl Part for AccountManagement {
    fn from_vars(
        setup: Setup<'_>,
        variables: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let names = AccountNames::from_vars(&variables)?;
        Ok(Self::new(setup.aws, names, accounts(setup, variables)?))
    }

    fn routes() -> Vec<Route<Handler<Self>>> {
        routes::of_accounts()
    }

    async fn finish(&self) {
        self.finish_renewals().await;
    }
}

impl Part for TeamViewerManagement {
    fn from_vars(
        setup: Setup<'_>,
        variables: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let (aws, process) = (setup.aws, setup.process.clone());
        let names = TeamViewerNames::from_vars(&variables)?;
        let accounts = accounts(setup, variables)?;
        Ok(Self::new(aws, names, accounts, process))
    }

    fn routes() -> Vec<Route<Handler<Self>>> {
        routes::of_teamviewer()
    }

    async fn finish(&self) {
        self.finish_renewals().await;
    }
}

fn accounts(
    setup: Setup<'_>,
    variables: impl Fn(&str) -> Option<String>,
) -> Result<Accounts, ConfigError> {
    let vendors = Vendors::from_vars(setup.http.clone(), &variables)?;
    let names = accounts::Config::from_vars(variables)?;
    Ok(Accounts::new(setup.aws, names, vendors, setup.process))
}

/// The function of a part, for as long as the platform lets it live.
///
/// # Errors
/// When the environment is not as the template makes it.
pub async fn run<M: Part>() -> Result<(), Error> {
    startup::tracing();
    let config = Config::from_vars(startup::variable)?;
    let http = vendor_http::Client::new()?;
    let aws = startup::aws_config()?;
    let setup = Setup {
        aws: &aws,
        http: &http,
        process: startup::process_name()?,
    };
    let management = M::from_vars(setup, startup::variable)?;
    let deps = Arc::new(Deps::new(&aws, config, management, http)?);
    let deps = &deps;
    lambda_runtime::run(service_fn(
        async |event: LambdaEvent<ApiGatewayV2httpRequest>| {
            let now = startup::now();
            let time = time_for_request(event.context.deadline, now);
            let random = startup::random()?;
            let moment = Moment { now, random };
            let answer = handle(deps, event.payload, moment, time).await;
            deps.management.finish().await;
            Ok::<_, Error>(answer)
        },
    ))
    .await
}
