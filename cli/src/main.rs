//! `closedloop`, the command line of a deployed stack: it applies definitions, connects accounts, sends
//! events, and shows what ran and why.

mod address;
mod api;
mod commands;
mod credentials;
mod definition_files;
mod deployed;
mod error;
mod follow;
mod moment;
mod output;
mod report;
mod secret_input;
mod signing;
mod stack;

use std::io::{self, ErrorKind};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use crate::commands::{Command, Ending};
use crate::output::Output;
use crate::stack::Target;

/// Works with a deployed closedloop stack.
///
/// Region and credentials come from where the AWS command line takes them: the environment, a profile
/// (`AWS_PROFILE`), single sign-on. `AWS_ENDPOINT_URL` is honoured.
///
/// Without AWS credentials: --api (or `CLOSEDLOOP_API_URL`) is the address of the stack's API, and
/// `CLOSEDLOOP_TOKEN` a token for it. When both are there, everything goes that way.
#[derive(Debug, Parser)]
#[command(name = "closedloop", version)]
struct Cli {
    /// The stack to work with, with AWS credentials [env: `CLOSEDLOOP_STACK`] [default: closedloop]
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "api")]
    stack: Option<String>,
    /// The address of the stack's API, to be called with the token in `CLOSEDLOOP_TOKEN` instead of AWS credentials
    #[arg(long, global = true, value_name = "URL")]
    api: Option<String>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(Ending::Good) => ExitCode::SUCCESS,
        Ok(Ending::Bad) => ExitCode::FAILURE,
        // Whoever reads our output has read enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<Ending> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the asynchronous runtime could not be started")?;
    let target = Target::choose(
        cli.stack.clone(),
        startup::variable("CLOSEDLOOP_STACK"),
        cli.api.clone(),
        startup::variable("CLOSEDLOOP_API_URL"),
        startup::variable("CLOSEDLOOP_TOKEN"),
    )?;
    let mut stdout = io::stdout().lock();
    let mut output = Output::new(&mut stdout, cli.json);
    Ok(runtime.block_on(cli.command.run(&target, &mut output))?)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn arguments_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        for arguments in [
            ["closedloop", "--json", "--stack", "demo", "runs", "list"],
            ["closedloop", "runs", "list", "--stack", "demo", "--json"],
        ] {
            let cli = Cli::try_parse_from(arguments).unwrap();
            assert!(cli.json);
            assert_eq!(cli.stack.as_deref(), Some("demo"));
        }
    }

    #[test]
    fn contradicting_or_missing_arguments_are_refused() {
        for arguments in [
            // The vendor needs exactly one kind of credential.
            "accounts put zd --vendor zendesk --instance acme",
            "accounts put zd --vendor zendesk --instance acme --bearer --basic a",
            "accounts put zd --vendor salesforce --instance acme --bearer",
            "endpoints put-secret survey --generate --drop-previous",
            "events send body.json",
            "events show ev_1",
            "runs list --state waiting",
            "runs list --day yesterday",
            "runs list --all --limit 5",
            "runs retry",
            "runs retry --failed",
            "runs retry --since 2h",
            "runs retry run_00000000000000000000000000000000 --failed --since 2h",
            "runs retry --failed --since 2h --task a",
            "events list --since soon",
            "events replay --workflow w",
            "events replay ev_00000000000000000000000000000000",
            "events replay ev_00000000000000000000000000000000 --workflow w --since 2h",
            "events replay ev_00000000000000000000000000000000 --workflow w --missing",
            "workflows apply",
            "workflows show No_Slug",
            "workflows list --label team",
            "workflows list --enabled --disabled",
            "workflows rollback w",
            "workflows export",
            "workflows export w --all folder",
            "workflows export --all folder --revision 2",
            "workflows diff w one",
            "accounts connect",
            "accounts connect zd --vendor zendesk --instance acme --public",
            "accounts rename zd",
            "connections list --since soon",
            "connections list --csv --json --all --limit 5",
            "connections list --task a/b",
            "connections totals --limit 5",
            "connections refresh --since 2h --task INC0010001",
            "cases create",
            "cases create INC0010001 --to eve@example.com",
            "cases show -",
            "cases share s119-457-589",
            "cases share s119-457-589 --template 1",
            "cases assign s119-457-589",
            "mail-templates apply",
            "mail-templates delete 1",
            "teamviewer settings",
            "teamviewer settings apply",
            "tokens create ci",
            "tokens create ci --role king",
            "tokens create ci --role admin --days 0",
            "tokens revoke clt_1",
        ] {
            let words = std::iter::once("closedloop").chain(arguments.split(' '));
            assert!(Cli::try_parse_from(words).is_err(), "{arguments}");
        }
    }
}
