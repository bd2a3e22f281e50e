//! What the platform's own business rules and data policies do to a write.

use std::collections::BTreeMap;

use super::schema::label;

/// Why a write was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Labels of the fields that are missing.
    DataPolicy(Vec<String>),
    /// Name of the rule that aborted it.
    BusinessRule(&'static str),
}

pub(crate) type Values = BTreeMap<String, String>;

/// A write on its way into the table.
pub(crate) struct Draft<'a> {
    pub(crate) table: &'a str,
    /// `None` for an insert.
    pub(crate) before: Option<&'a Values>,
    pub(crate) after: &'a mut Values,
    /// Journal columns that get an entry.
    pub(crate) journals: &'a [&'a str],
    /// Columns named in the request.
    pub(crate) sent: &'a [&'a str],
    pub(crate) now: &'a str,
    pub(crate) user: &'a str,
}

impl Draft<'_> {
    fn get(&self, column: &str) -> &str {
        self.after.get(column).map_or("", String::as_str)
    }

    fn was(&self, column: &str) -> &str {
        self.before
            .and_then(|before| before.get(column))
            .map_or("", String::as_str)
    }

    fn set(&mut self, column: &str, value: &str) {
        self.after.insert(column.to_owned(), value.to_owned());
    }

    fn set_once(&mut self, column: &str, value: &str) {
        if self.get(column).is_empty() {
            self.set(column, value);
        }
    }

    fn require(&self, columns: &[&str]) -> Result<(), Refusal> {
        let missing: Vec<String> = columns
            .iter()
            .filter(|column| self.get(column).is_empty() && !self.journals.contains(column))
            .map(|column| label(column))
            .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Refusal::DataPolicy(missing))
        }
    }
}

/// Runs the rules of the draft's table, then the instance's own data policy.
pub(crate) fn run(draft: &mut Draft<'_>, mandatory: &[String]) -> Result<(), Refusal> {
    match draft.table {
        "incident" => incident(draft)?,
        "problem" => problem(draft),
        "change_request" => change_request(draft)?,
        "change_task" => change_task(draft),
        _ => {}
    }
    let mandatory: Vec<&str> = mandatory.iter().map(String::as_str).collect();
    draft.require(&mandatory)
}

fn incident(draft: &mut Draft<'_>) -> Result<(), Refusal> {
    // The older column leads where both were sent: it drives state and active by the default rules.
    let leading = if draft.sent.contains(&"incident_state") {
        "incident_state"
    } else {
        "state"
    };
    let state = draft.get(leading).to_owned();
    draft.set("state", &state);
    draft.set("incident_state", &state);
    priority(draft);
    let (now, user) = (draft.now, draft.user);
    match state.as_str() {
        "3" => {
            draft.require(&["hold_reason"])?;
            let newly = draft.was("state") != "3" || draft.was("hold_reason") != "1";
            if draft.get("hold_reason") == "1" && newly {
                draft.require(&["comments"])?;
            }
        }
        "6" => {
            draft.require(&["close_code", "close_notes"])?;
            draft.set_once("resolved_at", now);
            draft.set_once("resolved_by", user);
        }
        "7" => {
            draft.require(&["close_code", "close_notes"])?;
            draft.set_once("closed_at", now);
            draft.set_once("closed_by", user);
        }
        _ => {}
    }
    if state != "3" {
        draft.set("hold_reason", "");
    }
    let active = if ["7", "8"].contains(&state.as_str()) {
        "false"
    } else {
        "true"
    };
    draft.set("active", active);
    Ok(())
}

fn problem(draft: &mut Draft<'_>) {
    // Since Rome the record moves through its own scripted API only; a state written through the Table API is lost.
    let state = match draft.before {
        None => "101",
        Some(_) => draft.was("state"),
    }
    .to_owned();
    draft.set("state", &state);
    draft.set("problem_state", &state);
    priority(draft);
}

fn change_request(draft: &mut Draft<'_>) -> Result<(), Refusal> {
    // Recorded: a create with type "standard" came back as "normal".
    draft.set("type", "normal");
    let state = draft.get("state").to_owned();
    let before = draft
        .before
        .map_or_else(|| "-5".to_owned(), |_| draft.was("state").to_owned());
    if state != before {
        const STEPS: [&str; 7] = ["-5", "-4", "-3", "-2", "-1", "0", "3"];
        let step_of = |state: &str| STEPS.iter().position(|step| *step == state);
        let cancels = state == "4" && !["0", "3"].contains(&before.as_str());
        let steps = match (step_of(&before), step_of(&state)) {
            (Some(from), Some(to)) => to == from + 1,
            (Some(_) | None, _) => false,
        };
        if !(cancels || steps) {
            return Err(Refusal::BusinessRule(
                "Change Model: Check State Transition",
            ));
        }
        if !cancels {
            draft.require(&["assignment_group"])?;
        }
        if state == "3" {
            draft.require(&["close_code", "close_notes"])?;
        }
    }
    if draft.get("on_hold") == "true" {
        if ["-5", "3", "4"].contains(&state.as_str()) {
            return Err(Refusal::BusinessRule("Change: Prevent on hold"));
        }
        draft.require(&["on_hold_reason"])?;
    } else {
        draft.set("on_hold_reason", "");
    }
    close_when(draft, &["3", "4"]);
    Ok(())
}

fn change_task(draft: &mut Draft<'_>) {
    if draft.get("parent").is_empty() {
        let parent = draft.get("change_request").to_owned();
        draft.set("parent", &parent);
    }
    close_when(draft, &["3", "4"]);
}

fn close_when(draft: &mut Draft<'_>, states: &[&str]) {
    let closed = states.contains(&draft.get("state"));
    draft.set("active", if closed { "false" } else { "true" });
    if closed {
        let (now, user) = (draft.now, draft.user);
        draft.set_once("closed_at", now);
        draft.set_once("closed_by", user);
    }
}

/// Looked up from impact and urgency, whatever was sent. Odd values leave it as it was.
fn priority(draft: &mut Draft<'_>) {
    let level = |text: &str| {
        text.parse::<u8>()
            .ok()
            .filter(|level| (1..=3).contains(level))
    };
    let computed = match (level(draft.get("impact")), level(draft.get("urgency"))) {
        (Some(impact), Some(urgency)) => (impact + urgency - 1).to_string(),
        (Some(_) | None, _) => draft.was("priority").to_owned(),
    };
    draft.set("priority", &computed);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_priority(impact: &str, urgency: &str, expected: &str) {
        let mut after: Values = [("impact", impact), ("urgency", urgency), ("state", "1")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let mut draft = Draft {
            table: "incident",
            before: None,
            after: &mut after,
            journals: &[],
            sent: &[],
            now: "2026-07-14 00:28:27",
            user: "u",
        };
        assert_eq!(run(&mut draft, &[]), Ok(()));
        assert_eq!(
            after["priority"], expected,
            "impact {impact}, urgency {urgency}"
        );
    }

    #[test]
    fn priority_follows_the_default_matrix() {
        for (impact, urgency, expected) in [
            ("1", "1", "1"),
            ("1", "2", "2"),
            ("2", "1", "2"),
            ("1", "3", "3"),
            ("2", "2", "3"),
            ("3", "1", "3"),
            ("2", "3", "4"),
            ("3", "2", "4"),
            ("3", "3", "5"),
        ] {
            check_priority(impact, urgency, expected);
        }
    }
}
