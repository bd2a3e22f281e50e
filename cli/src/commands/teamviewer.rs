use std::path::PathBuf;

use clap::Subcommand;
use domain::definition;
use management::{AppliedTeamViewerSettings, FieldProblem, SignInState};

use super::{Ending, applied_line};
use crate::definition_files::{load, to_yaml};
use crate::error::{Error, Problem};
use crate::output::Output;
use crate::report::time;
use crate::stack::{Stack, Target};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// See or change what is set
    #[command(subcommand)]
    Settings(Settings),
    /// Sign in at TeamViewer with an account of your own, or see whether you are
    SignIn {
        /// Only tell whether you are
        #[arg(long)]
        status: bool,
    },
    /// Sign out at TeamViewer
    SignOut,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Settings {
    /// Print what is set, as it can be applied
    Show,
    /// Replace what is set by a file's content; it counts within a minute
    Apply {
        /// A file in YAML or JSON
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

impl Command {
    pub(crate) async fn run(
        &self,
        target: &Target,
        output: &mut Output<'_>,
    ) -> Result<Ending, Error> {
        match self {
            Self::Settings(Settings::Show) => {
                let detail = target.open().await?.teamviewer_settings().await?;
                if output.wants_json() {
                    output.json(&detail)?;
                } else {
                    if let (Some(at), Some(by)) = (detail.updated_at, &detail.updated_by) {
                        output.text(format_args!("# set {} by {by}", time(at)))?;
                    }
                    output.text(to_yaml(&detail.settings)?.trim_end())?;
                }
            }
            Self::Settings(Settings::Apply { file }) => {
                let settings = read(file)?;
                let stack = target.open().await?;
                let applied = stack.put_teamviewer_settings(&settings).await?;
                tell_applied(&applied, output)?;
            }
            Self::SignIn { status } => sign_in(&target.open().await?, *status, output).await?,
            Self::SignOut => {
                target.open().await?.sign_out().await?;
                output.text(format_args!("You are signed out at TeamViewer."))?;
            }
        }
        Ok(Ending::Good)
    }
}

/// The one document of a file.
fn read(file: &PathBuf) -> Result<domain::teamviewer::Settings, Error> {
    // All are called the same, so that a second one is a problem.
    let found = load(
        std::slice::from_ref(file),
        definition::teamviewer_settings,
        |_| "teamviewer settings".to_owned(),
    )?;
    let settings = found.into_iter().map(|located| located.definition).next();
    settings.ok_or_else(|| {
        Error::Definitions(vec![Problem {
            place: file.display().to_string(),
            problem: FieldProblem {
                path: String::new(),
                problem: "the file holds nothing".to_owned(),
            },
        }])
    })
}

fn tell_applied(applied: &AppliedTeamViewerSettings, output: &mut Output<'_>) -> Result<(), Error> {
    if output.wants_json() {
        return output.json(applied);
    }
    output.text(applied_line(
        applied.done.as_str(),
        "teamviewer settings",
        "",
    ))?;
    applied
        .warnings
        .iter()
        .try_for_each(|warning| output.text(format_args!("warning: {warning}")))
}

async fn sign_in(stack: &Stack, status: bool, output: &mut Output<'_>) -> Result<(), Error> {
    if !status {
        let begun = stack.sign_in().await?;
        if output.wants_json() {
            return output.json(&begun);
        }
        return output.text(format_args!(
            "Open this address in a browser and agree at TeamViewer (until {}):\n  {}",
            time(begun.expires_at),
            begun.url
        ));
    }
    let found = stack.signed_in().await?;
    if output.wants_json() {
        return output.json(&found);
    }
    let how = if found.shared {
        " Service cases are made with the company's account until then."
    } else {
        ""
    };
    match found.state {
        SignInState::SignedIn => output.text("You are signed in at TeamViewer."),
        SignInState::SignIn => output.text(format_args!(
            "You are not signed in at TeamViewer: `closedloop teamviewer sign-in` gives the address.{how}"
        )),
        SignInState::SignInAgain => {
            let problem = found.problem.map(|problem| format!(": {problem}"));
            output.text(format_args!(
                "You must sign in at TeamViewer again, with `closedloop teamviewer sign-in`{}.{how}",
                problem.unwrap_or_default()
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, text: &str) -> Result<domain::teamviewer::Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        read(&file).map_err(|error| error.to_string())
    }

    #[test]
    fn file_is_one_document_and_its_problems_are_named() {
        let good = "history:\n  account: tv\n  every_hours: 3\ncases: {account: tv, group: g12}\n";
        let settings = told("a.yaml", good).unwrap();
        assert_eq!(settings.history.unwrap().every_hours, Some(3));
        for (name, text, words) in [
            (
                "a.yaml",
                "history: {account: tv, every: 3}\n",
                "history.every",
            ),
            (
                "a.yaml",
                "history: {account: tv, every_hours: 0}\n",
                "history.every_hours: found 0",
            ),
            ("a.json", "{", "not JSON"),
            ("a.yaml", "{}\n---\n{}\n", "is defined in"),
            ("a.yaml", "# nothing\n", "holds no definition"),
        ] {
            let error = told(name, text).unwrap_err();
            assert!(error.contains(words), "{words}: {error}");
        }
    }
}
