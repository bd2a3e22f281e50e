use std::fmt;

use domain::{Workflow, WorkflowId, definition};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Applied, StoredWorkflow};

use crate::error::Error;
use crate::problem::{FieldProblem, FieldWarning};
use crate::workflow_filter::WorkflowFilter;
use crate::{Done, Listing, WorkflowManagement};

/// A workflow with its revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowRevision {
    /// The definition.
    pub workflow: Workflow,
    /// Counts the changes, from 1.
    pub revision: u32,
    /// When this revision was applied.
    pub applied_at: Timestamp,
}

impl From<StoredWorkflow> for WorkflowRevision {
    fn from(stored: StoredWorkflow) -> Self {
        Self {
            workflow: stored.workflow,
            revision: stored.revision,
            applied_at: stored.applied_at,
        }
    }
}

/// A revision of a workflow, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RevisionEntry {
    /// The revision.
    pub revision: u32,
    /// When it was applied.
    pub applied_at: Timestamp,
    /// What the workflow was called.
    pub name: String,
    /// Whether it was on.
    pub enabled: bool,
}

/// What applying a workflow did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AppliedWorkflow {
    /// What was done.
    pub done: Done,
    /// The workflow as it is now.
    pub stored: WorkflowRevision,
    /// What is worth a second look; empty when it was only switched on or off.
    #[serde(default)]
    pub warnings: Vec<FieldWarning>,
}

/// Switches a workflow on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchWorkflow {
    /// Whether it starts.
    pub enabled: bool,
}

/// Goes back to an earlier revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RollBackWorkflow {
    /// The revision whose definition is applied once more.
    pub revision: u32,
}

/// Which workflow the caller means to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there, or nothing.
    Any,
    /// Nothing: it is to be a new one.
    Absent,
    /// This revision.
    Revision(u32),
}

impl Expected {
    /// Reads the headers `If-Match` (a revision as in [`etag`]) and `If-None-Match` (`*`).
    ///
    /// Source: [RFC 9110, 13.1](https://www.rfc-editor.org/rfc/rfc9110#section-13.1)
    ///
    /// # Errors
    /// `Invalid` when a header says anything else, or both are there.
    pub fn from_headers(
        if_match: Option<&str>,
        if_none_match: Option<&str>,
    ) -> Result<Self, Error> {
        match (if_match.map(str::trim), if_none_match.map(str::trim)) {
            (None, None) => Ok(Self::Any),
            (None, Some("*")) => Ok(Self::Absent),
            (Some(tag), None) => tag
                .strip_prefix('"')
                .and_then(|tag| tag.strip_suffix('"'))
                .and_then(|revision| revision.parse().ok())
                .map(Self::Revision)
                .ok_or_else(|| Error::field("If-Match", "expected a revision such as \"3\"")),
            (None, Some(_)) => Err(Error::field("If-None-Match", "expected *")),
            (Some(_), Some(_)) => Err(Error::field(
                "If-None-Match",
                "expected If-Match or If-None-Match, not both",
            )),
        }
    }

    fn is_met_by(self, found: Option<u32>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => found.is_none(),
            Self::Revision(revision) => found == Some(revision),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("as it was"),
            Self::Absent => f.write_str("absent"),
            Self::Revision(revision) => write!(f, "at revision {revision}"),
        }
    }
}

/// A revision as the headers `ETag` and `If-Match` have it.
pub fn etag(revision: u32) -> String {
    format!("\"{revision}\"")
}

/// Reads the definition of the workflow of this id.
///
/// # Errors
/// `Invalid` with every problem, also when the document has another id.
pub fn read_workflow(id: &WorkflowId, document: &Value) -> Result<Workflow, Error> {
    let workflow = definition::workflow(document)
        .map_err(|problems| Error::Invalid(problems.into_iter().map(Into::into).collect()))?;
    if workflow.id == *id {
        Ok(workflow)
    } else {
        let found = &workflow.id;
        Err(Error::field(
            "id",
            format!("found `{found}`, expected `{id}`"),
        ))
    }
}

impl WorkflowManagement {
    /// The workflows that are asked for, by id.
    ///
    /// # Errors
    /// `Unavailable`; `Internal` when a row cannot be read.
    pub async fn workflows(
        &self,
        filter: &WorkflowFilter,
    ) -> Result<Listing<WorkflowRevision>, Error> {
        let stored = self.workflow_rows.list().await?;
        let items = stored
            .into_iter()
            .filter(|stored| filter.takes(&stored.workflow))
            .map(Into::into)
            .collect();
        Ok(Listing { items })
    }

    /// One workflow: as it is now, or this revision of it, also after it was deleted.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`; `Internal` when its row cannot be read.
    pub async fn workflow(
        &self,
        id: &WorkflowId,
        revision: Option<u32>,
    ) -> Result<WorkflowRevision, Error> {
        let Some(revision) = revision else {
            return Ok(self.find_workflow(id).await?.into());
        };
        match self.workflow_rows.revision(id, revision).await? {
            Some(stored) => Ok(stored.into()),
            None => Err(Error::UnknownRevision {
                workflow: id.clone(),
                revision,
                newest: self.newest_revision(id).await?,
            }),
        }
    }

    /// The number of a workflow's newest revision, also after it was deleted.
    pub(crate) async fn newest_revision(&self, id: &WorkflowId) -> Result<u32, Error> {
        match self.workflow_rows.last_revision(id).await? {
            0 => Err(Error::UnknownWorkflow(id.clone())),
            newest => Ok(newest),
        }
    }

    /// Every revision of a workflow, newest first, also after it was deleted.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`; `Internal` when a row cannot be read.
    pub async fn workflow_revisions(
        &self,
        id: &WorkflowId,
    ) -> Result<Listing<RevisionEntry>, Error> {
        let stored = self.workflow_rows.revisions(id).await?;
        if stored.is_empty() {
            return Err(Error::UnknownWorkflow(id.clone()));
        }
        let items = stored
            .into_iter()
            .map(|stored| RevisionEntry {
                revision: stored.revision,
                applied_at: stored.applied_at,
                name: stored.workflow.name,
                enabled: stored.workflow.enabled,
            })
            .collect();
        Ok(Listing { items })
    }

    /// Makes this definition the one that counts. Applying the same one twice changes nothing.
    ///
    /// # Errors
    /// `Invalid` when a task names an account that it cannot use; `Stale` when the workflow is not the
    /// expected one; `Conflict` when somebody else was faster; `Unavailable`.
    pub async fn apply_workflow(
        &self,
        workflow: &Workflow,
        expected: Expected,
        now: Timestamp,
    ) -> Result<AppliedWorkflow, Error> {
        let report = self.validate_workflow(workflow).await?;
        if !report.problems.is_empty() {
            return Err(Error::Invalid(report.problems));
        }
        let before = self.workflow_rows.get(&workflow.id).await?;
        let applied = self
            .replace_workflow(before, workflow.clone(), expected, now)
            .await?;
        Ok(AppliedWorkflow {
            warnings: report.warnings,
            ..applied
        })
    }

    /// Applies an earlier revision's definition once more, as a new revision. It is checked like any other, and
    /// brings back a workflow that was deleted. Whether the workflow is on is part of the definition.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` when the definition cannot be applied any more; `Stale` when the workflow is not the
    /// expected one; `Conflict` when somebody else was faster; `Unavailable`.
    pub async fn roll_back_workflow(
        &self,
        id: &WorkflowId,
        revision: u32,
        expected: Expected,
        now: Timestamp,
    ) -> Result<AppliedWorkflow, Error> {
        let workflow = self.workflow(id, Some(revision)).await?.workflow;
        // The rules may have become stricter since.
        let problems: Vec<FieldProblem> = workflow
            .problems()
            .into_iter()
            .map(|(path, problem)| FieldProblem { path, problem })
            .collect();
        if !problems.is_empty() {
            return Err(Error::Invalid(problems));
        }
        self.apply_workflow(&workflow, expected, now).await
    }

    /// Switches a workflow on or off; the rest of its definition stays. Runs that have begun go on.
    ///
    /// # Errors
    /// `NotFound`; `Stale` when the workflow is not the expected one; `Conflict` when somebody else was
    /// faster; `Unavailable`.
    pub async fn switch_workflow(
        &self,
        id: &WorkflowId,
        enabled: bool,
        expected: Expected,
        now: Timestamp,
    ) -> Result<AppliedWorkflow, Error> {
        let before = self.find_workflow(id).await?;
        let workflow = Workflow {
            enabled,
            ..before.workflow.clone()
        };
        self.replace_workflow(Some(before), workflow, expected, now)
            .await
    }

    /// Removes a workflow; its revisions are kept. Runs that have begun go on.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when somebody else applied a definition in between; `Unavailable`.
    pub async fn delete_workflow(&self, id: &WorkflowId) -> Result<(), Error> {
        let before = self.workflow_rows.get(id).await?;
        let deleted = match self.workflow_rows.delete(id).await {
            Ok(deleted) => deleted,
            Err(store::Error::Conflict { .. }) => return Err(changed_in_between(id)),
            Err(error) => return Err(error.into()),
        };
        // A schedule without its workflow does nothing. Whoever was interrupted here deletes once more.
        let last = if before.is_some() {
            before
        } else {
            let last = self.workflow_rows.last_revision(id).await?;
            self.workflow_rows.revision(id, last).await?
        };
        if last.is_some_and(|last| last.workflow.trigger.schedule().is_some()) {
            self.schedules.remove(id).await?;
            // Somebody may have applied it again meanwhile.
            if let Some(row) = self.workflow_rows.get(id).await?
                && let Some(schedule) = row.workflow.trigger.schedule()
            {
                self.schedules
                    .keep(&row.workflow, schedule, row.applied_at)
                    .await?;
            }
        }
        if deleted {
            Ok(())
        } else {
            Err(Error::UnknownWorkflow(id.clone()))
        }
    }

    async fn find_workflow(&self, id: &WorkflowId) -> Result<StoredWorkflow, Error> {
        self.workflow_rows
            .get(id)
            .await?
            .ok_or_else(|| Error::UnknownWorkflow(id.clone()))
    }

    async fn replace_workflow(
        &self,
        before: Option<StoredWorkflow>,
        workflow: Workflow,
        expected: Expected,
        now: Timestamp,
    ) -> Result<AppliedWorkflow, Error> {
        let found = before.as_ref().map(|before| before.revision);
        if !expected.is_met_by(found) {
            return Err(Error::Stale {
                workflow: workflow.id,
                expected,
                found,
            });
        }
        // The clock runs before the workflow listens, and stops after it has stopped listening: in between it only
        // rings in vain.
        let schedule = workflow.trigger.schedule();
        if let Some(schedule) = schedule.filter(|_| workflow.enabled) {
            self.schedules.keep(&workflow, schedule, now).await?;
        }
        let applied = self
            .workflow_rows
            .replace(before.as_ref(), &workflow, now)
            .await;
        let (done, revision, applied_at) = match applied {
            Ok(Applied::Created { revision }) => (Done::Created, revision, now),
            Ok(Applied::Updated { revision }) => (Done::Updated, revision, now),
            Ok(Applied::Unchanged { revision }) => {
                let since = before.as_ref().map_or(now, |before| before.applied_at);
                (Done::Unchanged, revision, since)
            }
            Err(store::Error::Conflict { .. }) => {
                // The clock may be this change's by now, and the row is the other one's.
                if schedule.is_some() {
                    self.follow_row(&workflow.id, None, now).await?;
                }
                return Err(changed_in_between(&workflow.id));
            }
            Err(error) => return Err(error.into()),
        };
        let has_clock = schedule.is_some() || self.had_schedule(done, before).await?;
        if let Some(schedule) = schedule {
            if !workflow.enabled {
                self.schedules.keep(&workflow, schedule, now).await?;
            }
        } else if has_clock {
            self.schedules.remove(&workflow.id).await?;
        }
        if has_clock {
            self.follow_row(&workflow.id, Some(revision), now).await?;
        }
        Ok(AppliedWorkflow {
            done,
            stored: WorkflowRevision {
                workflow,
                revision,
                applied_at,
            },
            warnings: Vec::new(),
        })
    }

    /// Makes the clock what the row says, unless that is of the revision that has just been followed: somebody else
    /// may have changed both in between, in another order.
    async fn follow_row(
        &self,
        id: &WorkflowId,
        followed: Option<u32>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let row = self.workflow_rows.get(id).await?;
        if followed.is_some() && row.as_ref().map(|row| row.revision) == followed {
            return Ok(());
        }
        let workflow = row.as_ref().map(|row| &row.workflow);
        match workflow.and_then(|workflow| Some((workflow, workflow.trigger.schedule()?))) {
            Some((workflow, schedule)) => self.schedules.keep(workflow, schedule, now).await,
            None => self.schedules.remove(id).await,
        }
    }

    /// Whether the workflow, which has no schedule, had one until now: before this change, or before the last one if
    /// this changed nothing, as whoever was interrupted repeats it.
    async fn had_schedule(
        &self,
        done: Done,
        before: Option<StoredWorkflow>,
    ) -> Result<bool, Error> {
        let before = match (done, before) {
            (Done::Unchanged, Some(now)) => {
                let last = now.revision.saturating_sub(1);
                self.workflow_rows.revision(&now.workflow.id, last).await?
            }
            (Done::Created | Done::Updated | Done::Unchanged, before) => before,
        };
        Ok(before.is_some_and(|before| before.workflow.trigger.schedule().is_some()))
    }
}

fn changed_in_between(id: &WorkflowId) -> Error {
    Error::ChangedInBetween {
        what: format!("the workflow `{id}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample(task: &str, account: &str) -> Workflow {
        definition::workflow(&json!({
            "id": "w", "name": "W", "trigger": {"event": {"type": "a"}},
            "tasks": [
                {"id": "first", "kind": "zendesk.create_ticket", "account": "zd", "input": {"comment": "x"}},
                {"id": "second", "kind": task, "account": account, "input": {"table": "incident", "comment": "x"}},
            ]
        }))
        .unwrap()
    }

    #[test]
    fn headers_say_which_revision_is_expected() {
        for (if_match, if_none_match, expected) in [
            (None, None, Some(Expected::Any)),
            (Some("*"), None, None),
            (Some(" \"3\" "), None, Some(Expected::Revision(3))),
            (None, Some("*"), Some(Expected::Absent)),
            (Some("3"), None, None),
            (Some("\"x\""), None, None),
            (None, Some("\"3\""), None),
            (Some("*"), Some("*"), None),
        ] {
            let read = Expected::from_headers(if_match, if_none_match).ok();
            assert_eq!(read, expected, "{if_match:?} {if_none_match:?}");
        }
        let tag = etag(7);
        let read = Expected::from_headers(Some(&tag), None).unwrap();
        assert_eq!(read, Expected::Revision(7));
    }

    #[test]
    fn only_the_expected_revision_is_replaced() {
        for (expected, found, met) in [
            (Expected::Any, None, true),
            (Expected::Any, Some(3), true),
            (Expected::Absent, None, true),
            (Expected::Absent, Some(1), false),
            (Expected::Revision(3), Some(3), true),
            (Expected::Revision(3), Some(4), false),
            (Expected::Revision(3), None, false),
        ] {
            assert_eq!(expected.is_met_by(found), met, "{expected:?} {found:?}");
        }
    }

    #[test]
    fn definition_belongs_to_the_id_that_it_is_put_under() {
        let id = WorkflowId::parse("w").unwrap();
        let document = json!(sample("servicenow.create_record", "sn"));
        assert_eq!(read_workflow(&id, &document).unwrap().id, id);
        let other = WorkflowId::parse("other").unwrap();
        let error = read_workflow(&other, &document).unwrap_err();
        assert_eq!(error.to_string(), "id: found `w`, expected `other`");
        let error = read_workflow(&id, &json!({"id": "w"})).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Invalid);
    }
}
