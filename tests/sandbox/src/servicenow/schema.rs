//! Tables and columns that every instance has, with labels and choices as they come out of the box.

use std::collections::BTreeMap;

use super::config::{ColumnType, Config};

pub(crate) struct Table {
    pub(crate) columns: BTreeMap<String, ColumnType>,
    pub(crate) extends_task: bool,
    pub(crate) number: Option<NumberSeries>,
}

pub(crate) struct NumberSeries {
    prefix: String,
    last: u64,
}

impl NumberSeries {
    pub(crate) fn next(&mut self) -> String {
        self.last += 1;
        format!("{}{:07}", self.prefix, self.last)
    }
}

/// The table that those of tasks extend.
pub(crate) const ANY_TASK: &str = "task";

const SYSTEM: &[(&str, Spec)] = &[
    ("sys_id", Spec::String(32)),
    ("sys_created_on", Spec::DateTime),
    ("sys_created_by", Spec::String(40)),
    ("sys_updated_on", Spec::DateTime),
    ("sys_updated_by", Spec::String(40)),
    ("sys_mod_count", Spec::Integer),
    ("sys_tags", Spec::String(255)),
];

const TASK: &[(&str, Spec)] = &[
    ("sys_class_name", Spec::String(80)),
    ("sys_domain", Spec::Reference("sys_user_group")),
    ("sys_domain_path", Spec::String(255)),
    ("number", Spec::String(40)),
    ("short_description", Spec::String(160)),
    ("description", Spec::String(4000)),
    ("state", Spec::Choice(GENERIC_STATES)),
    ("urgency", Spec::Choice(LEVELS)),
    ("impact", Spec::Choice(LEVELS)),
    ("priority", Spec::Choice(PRIORITIES)),
    ("active", Spec::Boolean),
    ("assignment_group", Spec::Reference("sys_user_group")),
    ("assigned_to", Spec::Reference("sys_user")),
    ("comments", Spec::Journal),
    ("work_notes", Spec::Journal),
    ("close_notes", Spec::String(4000)),
    ("correlation_id", Spec::String(100)),
    ("correlation_display", Spec::String(100)),
    ("opened_at", Spec::DateTime),
    ("opened_by", Spec::Reference("sys_user")),
    ("closed_at", Spec::DateTime),
    ("closed_by", Spec::Reference("sys_user")),
    ("due_date", Spec::DateTime),
    ("sla_due", Spec::DateTime),
    ("expected_start", Spec::DateTime),
    ("work_start", Spec::DateTime),
    ("work_end", Spec::DateTime),
    ("follow_up", Spec::DateTime),
    ("activity_due", Spec::DateTime),
    ("parent", Spec::Reference("task")),
    ("company", Spec::Reference("core_company")),
    ("location", Spec::Reference("cmn_location")),
    ("cmdb_ci", Spec::Reference("cmdb_ci")),
    ("business_service", Spec::Reference("cmdb_ci_service")),
    ("contact_type", Spec::String(40)),
    ("escalation", Spec::Integer),
    ("reassignment_count", Spec::Integer),
    ("made_sla", Spec::Boolean),
    ("knowledge", Spec::Boolean),
    ("upon_approval", Spec::String(40)),
    ("upon_reject", Spec::String(40)),
    ("approval", Spec::String(40)),
    ("watch_list", Spec::String(4000)),
    ("work_notes_list", Spec::String(4000)),
    ("additional_assignee_list", Spec::String(4000)),
    ("time_worked", Spec::String(40)),
    ("order", Spec::Integer),
];

const INCIDENT: &[(&str, Spec)] = &[
    ("state", Spec::Choice(INCIDENT_STATES)),
    ("incident_state", Spec::Choice(INCIDENT_STATES)),
    ("hold_reason", Spec::Choice(HOLD_REASONS)),
    ("close_code", Spec::Choice(CLOSE_CODES)),
    ("caller_id", Spec::Reference("sys_user")),
    ("category", Spec::String(40)),
    ("subcategory", Spec::String(40)),
    ("severity", Spec::Choice(LEVELS)),
    ("resolved_at", Spec::DateTime),
    ("resolved_by", Spec::Reference("sys_user")),
    ("reopen_count", Spec::Integer),
    ("problem_id", Spec::Reference("problem")),
    ("rfc", Spec::Reference("change_request")),
    ("cause", Spec::String(4000)),
    ("notify", Spec::Integer),
];

const PROBLEM: &[(&str, Spec)] = &[
    ("state", Spec::Choice(PROBLEM_STATES)),
    ("problem_state", Spec::Choice(PROBLEM_STATES)),
    ("resolution_code", Spec::String(40)),
    ("cause_notes", Spec::String(4000)),
    ("fix_notes", Spec::String(4000)),
    ("workaround", Spec::String(4000)),
    ("duplicate_of", Spec::Reference("problem")),
    ("category", Spec::String(40)),
    ("subcategory", Spec::String(40)),
    ("known_error", Spec::Boolean),
    ("first_reported_by_task", Spec::Reference("task")),
];

const CHANGE_REQUEST: &[(&str, Spec)] = &[
    ("state", Spec::Choice(CHANGE_STATES)),
    ("type", Spec::Choice(CHANGE_TYPES)),
    ("on_hold", Spec::Boolean),
    ("on_hold_reason", Spec::String(4000)),
    ("close_code", Spec::Choice(CHANGE_CLOSE_CODES)),
    ("risk", Spec::Integer),
    ("category", Spec::String(40)),
    ("requested_by", Spec::Reference("sys_user")),
    ("start_date", Spec::DateTime),
    ("end_date", Spec::DateTime),
    ("justification", Spec::String(4000)),
    ("implementation_plan", Spec::String(4000)),
    ("backout_plan", Spec::String(4000)),
    ("test_plan", Spec::String(4000)),
    ("cab_required", Spec::Boolean),
    ("phase", Spec::String(40)),
];

const CHANGE_TASK: &[(&str, Spec)] = &[
    ("state", Spec::Choice(CHANGE_TASK_STATES)),
    ("change_request", Spec::Reference("change_request")),
    ("on_hold", Spec::Boolean),
    ("on_hold_reason", Spec::String(4000)),
    ("close_code", Spec::Choice(CHANGE_CLOSE_CODES)),
    ("change_task_type", Spec::String(40)),
    ("planned_start_date", Spec::DateTime),
    ("planned_end_date", Spec::DateTime),
];

const SYS_USER: &[(&str, Spec)] = &[
    ("sys_class_name", Spec::String(80)),
    ("sys_domain", Spec::Reference("sys_user_group")),
    ("sys_domain_path", Spec::String(255)),
    ("user_name", Spec::String(40)),
    ("name", Spec::String(151)),
    ("first_name", Spec::String(50)),
    ("last_name", Spec::String(50)),
    ("email", Spec::String(100)),
    ("title", Spec::String(60)),
    ("phone", Spec::String(40)),
    ("mobile_phone", Spec::String(40)),
    ("department", Spec::Reference("cmn_department")),
    ("manager", Spec::Reference("sys_user")),
    ("company", Spec::Reference("core_company")),
    ("location", Spec::Reference("cmn_location")),
    ("time_zone", Spec::String(40)),
    ("preferred_language", Spec::String(3)),
    ("active", Spec::Boolean),
    ("locked_out", Spec::Boolean),
    ("vip", Spec::Boolean),
    ("web_service_access_only", Spec::Boolean),
    ("last_login_time", Spec::DateTime),
];

const SYS_USER_GROUP: &[(&str, Spec)] = &[
    ("name", Spec::String(80)),
    ("description", Spec::String(1000)),
    ("email", Spec::String(100)),
    ("active", Spec::Boolean),
    ("manager", Spec::Reference("sys_user")),
    ("parent", Spec::Reference("sys_user_group")),
    ("type", Spec::String(1024)),
    ("exclude_manager", Spec::Boolean),
    ("include_members", Spec::Boolean),
];

const SYS_CHOICE: &[(&str, Spec)] = &[
    ("name", Spec::String(80)),
    ("element", Spec::String(80)),
    ("value", Spec::String(255)),
    ("label", Spec::String(255)),
    ("language", Spec::String(40)),
    ("sequence", Spec::Integer),
    ("inactive", Spec::Boolean),
];

type Choices = &'static [(&'static str, &'static str)];

const LEVELS: Choices = &[("1", "1 - High"), ("2", "2 - Medium"), ("3", "3 - Low")];
const PRIORITIES: Choices = &[
    ("1", "1 - Critical"),
    ("2", "2 - High"),
    ("3", "3 - Moderate"),
    ("4", "4 - Low"),
    ("5", "5 - Planning"),
];
const GENERIC_STATES: Choices = &[
    ("-5", "Pending"),
    ("1", "Open"),
    ("2", "Work in Progress"),
    ("3", "Closed Complete"),
    ("4", "Closed Incomplete"),
    ("7", "Closed Skipped"),
];
const INCIDENT_STATES: Choices = &[
    ("1", "New"),
    ("2", "In Progress"),
    ("3", "On Hold"),
    ("6", "Resolved"),
    ("7", "Closed"),
    ("8", "Canceled"),
];
const HOLD_REASONS: Choices = &[
    ("1", "Awaiting Caller"),
    ("3", "Awaiting Problem"),
    ("4", "Awaiting Vendor"),
    ("5", "Awaiting Change"),
];
const CLOSE_CODES: Choices = &[
    ("Duplicate", "Duplicate"),
    ("Known error", "Known error"),
    ("No resolution provided", "No resolution provided"),
    ("Resolved by caller", "Resolved by caller"),
    ("Resolved by change", "Resolved by change"),
    ("Resolved by problem", "Resolved by problem"),
    ("Resolved by request", "Resolved by request"),
    ("Solution provided", "Solution provided"),
    ("User error", "User error"),
    ("Workaround provided", "Workaround provided"),
];
const PROBLEM_STATES: Choices = &[
    ("101", "New"),
    ("102", "Assess"),
    ("103", "Root Cause Analysis"),
    ("104", "Fix in Progress"),
    ("106", "Resolved"),
    ("107", "Closed"),
];
const CHANGE_STATES: Choices = &[
    ("-5", "New"),
    ("-4", "Assess"),
    ("-3", "Authorize"),
    ("-2", "Scheduled"),
    ("-1", "Implement"),
    ("0", "Review"),
    ("3", "Closed"),
    ("4", "Canceled"),
];
const CHANGE_TASK_STATES: Choices = &[
    ("-5", "Pending"),
    ("1", "Open"),
    ("2", "In Progress"),
    ("3", "Closed"),
    ("4", "Canceled"),
];
const CHANGE_TYPES: Choices = &[
    ("normal", "Normal"),
    ("standard", "Standard"),
    ("emergency", "Emergency"),
];
const CHANGE_CLOSE_CODES: Choices = &[
    ("successful", "Successful"),
    ("successful_issues", "Successful with issues"),
    ("unsuccessful", "Unsuccessful"),
];

/// A [`ColumnType`] that fits into a constant.
enum Spec {
    String(usize),
    Integer,
    Boolean,
    DateTime,
    Journal,
    Reference(&'static str),
    Choice(Choices),
}

impl Spec {
    fn column_type(&self) -> ColumnType {
        match self {
            Self::String(length) => ColumnType::String(*length),
            Self::Integer => ColumnType::Integer,
            Self::Boolean => ColumnType::Boolean,
            Self::DateTime => ColumnType::DateTime,
            Self::Journal => ColumnType::Journal,
            Self::Reference(table) => ColumnType::Reference((*table).to_owned()),
            Self::Choice(choices) => ColumnType::Choice(
                choices
                    .iter()
                    .map(|(value, label)| ((*value).to_owned(), (*label).to_owned()))
                    .collect(),
            ),
        }
    }
}

fn table(groups: &[&[(&str, Spec)]], number: Option<(&str, u64)>) -> Table {
    // Later groups win: a table's own states replace those of task.
    let columns = groups
        .iter()
        .flat_map(|group| group.iter())
        .map(|(name, spec)| ((*name).to_owned(), spec.column_type()))
        .collect();
    Table {
        columns,
        extends_task: number.is_some(),
        number: number.map(|(prefix, last)| NumberSeries {
            prefix: prefix.to_owned(),
            last,
        }),
    }
}

/// The tables of an instance: the built-in ones and those of its configuration.
pub(crate) fn tables(config: &Config) -> Result<BTreeMap<String, Table>, String> {
    let mut tables: BTreeMap<String, Table> = [
        (
            "incident",
            table(&[SYSTEM, TASK, INCIDENT], Some(("INC", 10_000))),
        ),
        (
            "problem",
            table(&[SYSTEM, TASK, PROBLEM], Some(("PRB", 40_000))),
        ),
        (
            "change_request",
            table(&[SYSTEM, TASK, CHANGE_REQUEST], Some(("CHG", 30_000))),
        ),
        (
            "change_task",
            table(&[SYSTEM, TASK, CHANGE_TASK], Some(("CTASK", 10_000))),
        ),
        (
            "release_task",
            table(&[SYSTEM, TASK], Some(("RTSK", 10_000))),
        ),
        ("ticket", table(&[SYSTEM, TASK], Some(("TKT", 10_000)))),
        // All of these at once, to be read.
        (ANY_TASK, table(&[SYSTEM, TASK], None)),
        ("sys_user", table(&[SYSTEM, SYS_USER], None)),
        ("sys_user_group", table(&[SYSTEM, SYS_USER_GROUP], None)),
        ("sys_choice", table(&[SYSTEM, SYS_CHOICE], None)),
    ]
    .map(|(name, table)| (name.to_owned(), table))
    .into();
    for (name, custom) in &config.tables {
        let own = tables.entry(name.clone()).or_insert_with(|| {
            if custom.extends_task {
                let prefix = custom.number_prefix.as_deref().unwrap_or("TASK");
                table(&[SYSTEM, TASK], Some((prefix, 1000)))
            } else {
                table(&[SYSTEM], None)
            }
        });
        own.columns.extend(custom.columns.clone());
    }
    let named = config
        .read_only_columns
        .iter()
        .chain(&config.mandatory_fields)
        .flat_map(|(table, columns)| columns.iter().map(move |column| (table, column)));
    for (table, column) in named {
        let known = tables
            .get(table)
            .is_some_and(|table| table.columns.contains_key(column));
        if !known {
            return Err(format!("there is no column {column} in a table {table}"));
        }
    }
    for table in config
        .read_only_tables
        .iter()
        .chain(&config.unreadable_tables)
    {
        if !tables.contains_key(table) {
            return Err(format!("there is no table {table}"));
        }
    }
    Ok(tables)
}

/// What people see instead of a column's name.
pub(crate) fn label(column: &str) -> String {
    match column {
        "comments" => "Additional comments".to_owned(),
        "close_code" => "Resolution code".to_owned(),
        "close_notes" => "Resolution notes".to_owned(),
        "caller_id" => "Caller".to_owned(),
        "cmdb_ci" => "Configuration item".to_owned(),
        _ => {
            let words = column
                .strip_prefix("u_")
                .unwrap_or(column)
                .replace('_', " ");
            let mut letters = words.chars();
            letters.next().map_or_else(String::new, |first| {
                first.to_uppercase().chain(letters).collect()
            })
        }
    }
}
