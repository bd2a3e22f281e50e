use clap::{Args, Subcommand};
use domain::service_case::CaseColumn;
use domain::{CaseCode, ServiceCase, TemplateName};
use management::{
    AssignCase, CaseRow, CaseTask, MadeCase, MailPreview, NewCase, OpenCases, ServiceNowInstance,
    ServiceNowTask, ShareCase, SharedCase, TaskFilter,
};
use secrecy::ExposeSecret;
use serde_json::json;

use super::{Ending, applied_line};
use crate::error::Error;
use crate::output::Output;
use crate::report::time;
use crate::stack::Target;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the open service cases, or all of a ServiceNow task
    List {
        /// Those of the ServiceNow task with this number or `sys_id`, closed ones too
        #[arg(long, value_name = "NUMBER")]
        task: Option<ServiceNowTask>,
        /// The task is that of this ServiceNow instance; needed where several have the number
        #[arg(long, value_name = "NAME", requires = "task")]
        instance: Option<ServiceNowInstance>,
    },
    /// Make a service case for a ServiceNow task; who asks again gets the same one
    Create(Create),
    /// Show a service case as TeamViewer has it
    Show {
        /// The session code
        code: CaseCode,
    },
    /// Close a service case, and have its connections fetched
    Close {
        /// The session code
        code: CaseCode,
    },
    /// Assign a service case to a supporter
    Assign {
        /// The session code
        code: CaseCode,
        /// The supporter: their e-mail address, or TeamViewer's id of them, u and digits; u0 for nobody
        user: String,
    },
    /// Share the session code by mail, with the case's customer unless others are named
    Share(Share),
    /// Print the address by which a supporter enters the session; whoever opens it is the supporter
    Link {
        /// The session code
        code: CaseCode,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The number or the `sys_id` of the task
    task: ServiceNowTask,
    /// The task's table; needed unless its number begins as those of a usual table do, as with INC
    #[arg(long)]
    table: Option<String>,
    /// What it is about; taken from the task when not given
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The customer's name; taken from the task when not given
    #[arg(long, value_name = "NAME")]
    customer_name: Option<String>,
    /// The customer's e-mail address; taken from the task when not given
    #[arg(long, value_name = "ADDRESS")]
    customer_email: Option<String>,
    /// What the customer reads while they wait
    #[arg(long, value_name = "TEXT")]
    waiting_message: Option<String>,
    /// The supporter whom it is assigned to: their e-mail address, or TeamViewer's id of them, u and digits
    #[arg(long, value_name = "USER")]
    assign_to: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Share {
    /// The session code
    code: CaseCode,
    /// What the mail says
    #[arg(long, value_name = "NAME")]
    template: TemplateName,
    /// To whom; repeat it for more
    #[arg(long, value_name = "ADDRESS")]
    to: Vec<String>,
    /// And to whom else; repeat it for more
    #[arg(long, value_name = "ADDRESS")]
    cc: Vec<String>,
    /// Names the occasion; repeating the command under one name sends one mail
    #[arg(long = "share-id", value_name = "NAME")]
    occasion: Option<String>,
    /// Send it although nobody knows whether it was sent; one that was sent takes another --share-id
    #[arg(long)]
    resend: bool,
    /// Only print the mail
    #[arg(long, conflicts_with_all = ["occasion", "resend"])]
    preview: bool,
}

impl Create {
    fn request(&self) -> NewCase {
        let task = self.task.reference();
        NewCase {
            task: CaseTask {
                table: self.table.clone(),
                number: task.number.clone(),
                sys_id: task.sys_id.clone(),
            },
            description: self.description.clone(),
            customer_name: self.customer_name.clone(),
            customer_email: self.customer_email.clone(),
            waiting_message: self.waiting_message.clone(),
            assigned_to: self.assign_to.clone(),
        }
    }
}

impl Share {
    fn request(&self) -> ShareCase {
        ShareCase {
            template: self.template.clone(),
            to: self.to.clone(),
            cc: self.cc.clone(),
            share_id: self.occasion.clone(),
            resend: self.resend,
        }
    }
}

impl Command {
    pub(crate) async fn run(
        &self,
        target: &Target,
        output: &mut Output<'_>,
    ) -> Result<Ending, Error> {
        match self {
            Self::List { task: None, .. } => {
                let cases = target.open().await?.open_cases().await?;
                tell_open(&cases, output)?;
            }
            Self::List {
                task: Some(task),
                instance,
            } => {
                let instance = instance.clone();
                let filter = TaskFilter { instance };
                let cases = target.open().await?.task_cases(task, &filter).await?.items;
                tell_all(&cases, output)?;
            }
            Self::Create(create) => {
                let made = target.open().await?.create_case(&create.request()).await?;
                tell_made(&made, output)?;
            }
            Self::Show { code } => {
                let case = target.open().await?.case(code).await?;
                tell_one(&case, output)?;
            }
            Self::Close { code } => {
                let case = target.open().await?.close_case(code).await?;
                tell_changed("closed", &case, output)?;
            }
            Self::Assign { code, user } => {
                let request = AssignCase { user: user.clone() };
                let case = target.open().await?.assign_case(code, &request).await?;
                tell_changed("assigned", &case, output)?;
            }
            Self::Share(share) => {
                let stack = target.open().await?;
                let request = share.request();
                if share.preview {
                    let preview = stack.preview_share(&share.code, &request).await?;
                    tell_preview(&preview, output)?;
                } else {
                    let shared = stack.share_case(&share.code, &request).await?;
                    tell_shared(&shared, output)?;
                }
            }
            Self::Link { code } => {
                let link = target.open().await?.supporter_link(code).await?;
                if output.wants_json() {
                    output.json(&link)?;
                } else {
                    // Alone on standard output, so that it can be piped on.
                    output.text(link.supporter_link.expose_secret())?;
                    eprintln!("Whoever opens it is the supporter: do not pass it on.");
                }
            }
        }
        Ok(Ending::Good)
    }
}

fn tell_open(cases: &OpenCases, output: &mut Output<'_>) -> Result<(), Error> {
    if output.wants_json() {
        return output.json(cases);
    }
    if let Some(problem) = &cases.problem {
        output.text(format_args!("There is nothing newer: {problem}"))?;
    }
    if let Some(as_of) = cases.as_of {
        output.text(format_args!("As of {}:", time(as_of)))?;
    }
    if cases.cases.is_empty() {
        output.text("No service case is open.")?;
    } else {
        output.table(&table(&cases.columns, &cases.cases))?;
    }
    tell_left_out(cases.cases_left_out, output)?;
    if cases.expired.is_empty() {
        return Ok(());
    }
    output.text("\nTheir time is over, but they are not closed:")?;
    output.table(&table(&cases.columns, &cases.expired))?;
    tell_left_out(cases.expired_left_out, output)
}

fn tell_left_out(count: usize, output: &mut Output<'_>) -> Result<(), Error> {
    if count == 0 {
        return Ok(());
    }
    output.text(format_args!("About {count} older ones are left out."))
}

fn table(columns: &[CaseColumn], cases: &[CaseRow]) -> Vec<Vec<String>> {
    let name = |column: &CaseColumn| {
        let name = json!(column);
        name.as_str().unwrap_or_default().replace('_', " ")
    };
    let mut rows = vec![columns.iter().map(name).collect::<Vec<_>>()];
    rows.extend(cases.iter().map(|case| {
        columns
            .iter()
            .map(|column| cell(case, *column))
            .collect::<Vec<_>>()
    }));
    rows
}

fn cell(case: &CaseRow, column: CaseColumn) -> String {
    let text = |text: &Option<String>| text.as_ref().map(|text| text.replace('\n', " "));
    let found = match column {
        CaseColumn::Code => Some(case.code.to_string()),
        CaseColumn::State => case.state.map(|state| state.as_str().to_owned()),
        CaseColumn::Online => case
            .online
            .map(|online| if online { "waits" } else { "-" }.to_owned()),
        CaseColumn::Description => text(&case.description),
        CaseColumn::CustomerName => text(&case.customer_name),
        CaseColumn::CustomerEmail => text(&case.customer_email),
        CaseColumn::TaskNumber => text(&case.task_number),
        CaseColumn::TaskTable => text(&case.task_table),
        CaseColumn::TaskSysId => text(&case.task_sys_id),
        CaseColumn::AssignedTo => text(&case.assigned_to),
        CaseColumn::Group => text(&case.group),
        CaseColumn::CustomerLink => text(&case.customer_link),
        CaseColumn::CreatedAt => case.created_at.map(time),
        CaseColumn::ValidUntil => case.valid_until.map(time),
    };
    found.unwrap_or_else(|| "-".to_owned())
}

fn tell_all(cases: &[ServiceCase], output: &mut Output<'_>) -> Result<(), Error> {
    if output.wants_json() {
        return output.json(&cases);
    }
    if cases.is_empty() {
        return output.text("No service case is known for this task.");
    }
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let rows: Vec<Vec<String>> = cases
        .iter()
        .map(|case| {
            vec![
                case.code.to_string(),
                case.state.as_str().to_owned(),
                or_dash(case.created_at.map(time)),
                or_dash(case.closed_at.map(time)),
                or_dash(case.customer.name.clone()),
            ]
        })
        .collect();
    output.table(&rows)
}

fn tell_one(case: &ServiceCase, output: &mut Output<'_>) -> Result<(), Error> {
    if output.wants_json() {
        return output.json(case);
    }
    let task = case.task.clone().unwrap_or_default();
    let waits = case.online.then(|| "the customer waits".to_owned());
    let fields = [
        ("state", Some(case.state.as_str().to_owned())),
        ("online", waits),
        ("task", task.number.or(task.sys_id)),
        ("about", case.description.clone()),
        ("customer", case.customer.name.clone()),
        ("address", case.customer.email.clone()),
        ("assigned to", case.assigned_to.clone()),
        ("link", case.customer_link.clone()),
        ("created", case.created_at.map(time)),
        ("valid until", case.valid_until.map(time)),
        ("closed", case.closed_at.map(time)),
    ];
    output.text(format_args!("Service case {}", case.code))?;
    for (name, value) in fields {
        if let Some(value) = value {
            output.text(format_args!("  {name:<13}{}", value.replace('\n', " ")))?;
        }
    }
    Ok(())
}

fn tell_changed(done: &str, case: &ServiceCase, output: &mut Output<'_>) -> Result<(), Error> {
    if output.wants_json() {
        return output.json(case);
    }
    output.text(applied_line(done, &case.code.to_string(), ""))
}

fn tell_made(made: &MadeCase, output: &mut Output<'_>) -> Result<(), Error> {
    if output.wants_json() {
        return output.json(made);
    }
    let done = if made.created { "created" } else { "was there" };
    let link = made.case.customer_link.as_ref();
    let note = link.map(|link| format!(" {link}")).unwrap_or_default();
    output.text(applied_line(done, &made.case.code.to_string(), &note))?;
    tell_warnings(&made.warnings, output)
}

fn tell_preview(preview: &MailPreview, output: &mut Output<'_>) -> Result<(), Error> {
    if output.wants_json() {
        return output.json(preview);
    }
    output.text(format_args!("To: {}", preview.to.join(", ")))?;
    if !preview.cc.is_empty() {
        output.text(format_args!("Cc: {}", preview.cc.join(", ")))?;
    }
    output.text(format_args!("Subject: {}\n", preview.subject))?;
    let body = preview.text.as_ref().or(preview.html.as_ref());
    output.text(body.map(String::as_str).unwrap_or_default())?;
    tell_warnings(&preview.warnings, output)
}

fn tell_shared(shared: &SharedCase, output: &mut Output<'_>) -> Result<(), Error> {
    if output.wants_json() {
        return output.json(shared);
    }
    let (at, people) = (time(shared.sent_at), shared.recipients);
    if shared.repeated {
        output.text(format_args!(
            "The mail was sent before, at {at}, and not once more (another --share-id does that)."
        ))?;
    } else {
        let noun = if people == 1 { "person" } else { "people" };
        output.text(format_args!("The mail was sent to {people} {noun}."))?;
    }
    tell_warnings(&shared.warnings, output)
}

fn tell_warnings(warnings: &[String], output: &mut Output<'_>) -> Result<(), Error> {
    warnings
        .iter()
        .try_for_each(|warning| output.text(format_args!("warning: {warning}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_has_the_columns_that_are_set() {
        let cases: OpenCases = serde_json::from_value(json!({
            "columns": ["code", "online", "task_number", "valid_until"], "as_of": "2026-11-21T12:00:00Z",
            "refresh_seconds": 30, "problem": "busy",
            "cases": [{"code": "s119-457-589", "online": true, "task_number": "INC0010001"}],
            "expired": [{"code": "s119-457-580", "online": false, "valid_until": "2026-11-20T12:00:00Z"}],
            "cases_left_out": 7
        }))
        .unwrap();
        let mut bytes = Vec::new();
        tell_open(&cases, &mut Output::new(&mut bytes, false)).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "There is nothing newer: busy");
        assert_eq!(lines[2], "code          online  task number  valid until");
        assert_eq!(lines[3], "s119-457-589  waits   INC0010001   -");
        assert_eq!(lines[4], "About 7 older ones are left out.");
        assert_eq!(
            lines.last(),
            Some(&"s119-457-580  -       -            2026-11-20T12:00:00Z")
        );
    }
}
