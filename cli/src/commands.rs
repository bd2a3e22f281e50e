//! The commands, one module for each group.

mod accounts;
mod cases;
mod connections;
mod dry_run;
mod endpoints;
mod events;
mod mail_templates;
mod runs;
mod schema;
mod teamviewer;
mod tokens;
mod workflows;

use clap::Subcommand;

use crate::error::Error;
use crate::output::Output;
use crate::stack::Target;

/// How a command ended that did what it was told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With good news.
    Good,
    /// With bad news: a run has failed.
    Bad,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check, apply and show workflow definitions
    #[command(subcommand)]
    Workflows(workflows::Command),
    /// Check, apply and show the ways in for events, and set their secrets
    #[command(subcommand)]
    Endpoints(endpoints::Command),
    /// Connect vendor accounts
    #[command(subcommand)]
    Accounts(accounts::Command),
    /// See what ran, and try it again
    #[command(subcommand)]
    Runs(runs::Command),
    /// Send events, and see what was decided about them
    #[command(subcommand)]
    Events(events::Command),
    /// See the history of remote-support connections
    #[command(subcommand)]
    Connections(connections::Command),
    /// Work with service cases: codes by which customers let supporters in
    #[command(subcommand)]
    Cases(cases::Command),
    /// Apply and show the texts with which session codes are shared
    #[command(subcommand)]
    MailTemplates(mail_templates::Command),
    /// See and set what counts for TeamViewer, and sign in there
    #[command(subcommand)]
    Teamviewer(teamviewer::Command),
    /// Give and take the tokens with which the management API is called
    #[command(subcommand)]
    Tokens(tokens::Command),
    /// Print the JSON Schema of definitions
    Schema {
        /// Of what
        #[arg(value_enum)]
        kind: schema::Kind,
    },
}

impl Command {
    pub(crate) async fn run(
        &self,
        target: &Target,
        output: &mut Output<'_>,
    ) -> Result<Ending, Error> {
        match self {
            Self::Workflows(command) => command.run(target, output).await,
            Self::Endpoints(command) => command.run(target, output).await,
            Self::Accounts(command) => command.run(target, output).await,
            Self::Runs(command) => command.run(target, output).await,
            Self::Events(command) => command.run(target, output).await,
            Self::Connections(command) => command.run(target, output).await,
            Self::Cases(command) => Box::pin(command.run(target, output)).await,
            Self::MailTemplates(command) => command.run(target, output).await,
            Self::Teamviewer(command) => command.run(target, output).await,
            Self::Tokens(command) => command.run(target, output).await,
            Self::Schema { kind } => schema::print(*kind, output),
        }
    }
}

/// What applying a definition did, in a word.
fn applied_line(done: &str, id: &str, note: &str) -> String {
    format!("{done:<10}{id}{note}")
}
