//! Templates of mail about a service case: text with variables such as `${caller_id.name}`.
//!
//! Filling in is one pass: a value that looks like a variable stays text. What is filled into HTML is escaped, and a
//! subject stays one line. The links of supporters are no variables, and a template that names them is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::TemplateName;

/// How templates for session codes are named, so that people find them among others.
pub const NAME_PREFIX: &str = "TV_";

/// The most characters of a template's subject.
const LONGEST_SUBJECT: usize = 250;
/// The most characters of a subject that is filled in; what is longer is cut.
const LONGEST_FILLED_SUBJECT: usize = 500;
/// The most bytes of a template's body.
const LONGEST_BODY: usize = 100_000;
/// The most characters of a description.
const LONGEST_DESCRIPTION: usize = 500;
/// The most characters of a value; what is longer is cut.
const LONGEST_VALUE: usize = 10_000;
/// The most bytes of a variable's name.
const LONGEST_NAME: usize = 160;
/// The most fields of the task that a template may need.
const MOST_FIELDS: usize = 50;
/// The most steps from the task to a field: `caller_id.manager.email` has three.
const MOST_STEPS: usize = 4;

/// A mail about a service case, with variables where the case and its ServiceNow task differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MailTemplate {
    /// What it is called, such as `TV_ShareSessionSimple`.
    pub name: TemplateName,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The subject.
    pub subject: String,
    /// The body as HTML; at least one of `html` and `text` is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// The body as plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What stands between `${` and `}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Variable {
    /// `teamviewer.code`: the session code.
    Code,
    /// `teamviewer.link`: the address that the customer opens.
    Link,
    /// `teamviewer.valid_until`: until when the code can be used.
    ValidUntil,
    /// `current_user`: who sends the mail.
    CurrentUser,
    /// A field of the ServiceNow task, such as `number` or `caller_id.email`.
    Field(String),
}

/// What a template is filled in with. What is absent is empty.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct MailValues {
    /// The session code.
    pub code: Option<String>,
    /// The address that the customer opens.
    pub link: Option<String>,
    /// Until when the code can be used.
    pub valid_until: Option<String>,
    /// Who sends the mail.
    pub current_user: Option<String>,
    /// The task's fields as ServiceNow shows them, by their names.
    pub fields: BTreeMap<String, String>,
}

/// A mail, filled in. Its `Debug` shows no text.
#[derive(Clone, PartialEq, Eq)]
pub struct RenderedMail {
    /// The subject, in one line.
    pub subject: String,
    /// The body as HTML.
    pub html: Option<String>,
    /// The body as plain text.
    pub text: Option<String>,
    /// What the reader will miss.
    pub warnings: Vec<String>,
}

impl fmt::Debug for MailValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailValues").finish_non_exhaustive()
    }
}

impl fmt::Debug for RenderedMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenderedMail")
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Code => "teamviewer.code",
            Self::Link => "teamviewer.link",
            Self::ValidUntil => "teamviewer.valid_until",
            Self::CurrentUser => "current_user",
            Self::Field(path) => path,
        })
    }
}

impl MailTemplate {
    /// The rules that hold for a document that can be read: each problem with the path of its field.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let mut problem = |path: &str, problem: String| problems.push((path.to_owned(), problem));
        if self.subject.trim().is_empty() {
            problem("subject", "is empty".to_owned());
        }
        if self.subject.chars().any(char::is_control) {
            let text = "has a line break or a control character";
            problem("subject", text.to_owned());
        }
        if self.subject.chars().count() > LONGEST_SUBJECT {
            let text = format!("is longer than {LONGEST_SUBJECT} characters");
            problem("subject", text);
        }
        let description = self.description.as_deref().unwrap_or_default();
        if description.chars().count() > LONGEST_DESCRIPTION {
            let text = format!("is longer than {LONGEST_DESCRIPTION} characters");
            problem("description", text);
        }
        let bodies = [("html", &self.html), ("text", &self.text)];
        for (path, body) in bodies {
            let Some(body) = body else { continue };
            if body.trim().is_empty() {
                problem(path, "is empty: leave it out instead".to_owned());
            }
            if body.len() > LONGEST_BODY {
                problem(path, format!("is longer than {LONGEST_BODY} bytes"));
            }
        }
        if self.html.is_none() && self.text.is_none() {
            let text = "there is neither `html` nor `text`: a mail needs a body";
            problem("", text.to_owned());
        }
        for (path, text) in self.parts() {
            for fault in faults(text) {
                problem(path, fault);
            }
        }
        let fields = self.fields().len();
        if fields > MOST_FIELDS {
            let text = format!("{fields} fields of the task are used, more than {MOST_FIELDS}");
            problem("", text);
        }
        problems
    }

    /// What is allowed and unusual.
    pub fn warnings(&self) -> Vec<String> {
        let name = self.name.as_str();
        let unusual = !name.starts_with(NAME_PREFIX);
        let warning = || {
            format!(
                "`{name}` does not begin with `{NAME_PREFIX}`, by which people find templates for session codes"
            )
        };
        unusual.then(warning).into_iter().collect()
    }

    /// What the template is to be filled in with.
    pub fn variables(&self) -> BTreeSet<Variable> {
        let parts = self.parts().into_iter();
        let pieces = parts.flat_map(|(_, text)| Pieces(text));
        pieces
            .filter_map(|piece| match piece {
                Piece::Variable(Ok(variable)) => Some(variable),
                Piece::Text(_) | Piece::Variable(Err(_)) => None,
            })
            .collect()
    }

    /// The fields of the ServiceNow task that it needs, such as `caller_id.email`.
    pub fn fields(&self) -> BTreeSet<String> {
        let variables = self.variables().into_iter();
        variables
            .filter_map(|variable| match variable {
                Variable::Field(path) => Some(path),
                Variable::Code | Variable::Link | Variable::ValidUntil | Variable::CurrentUser => {
                    None
                }
            })
            .collect()
    }

    /// The mail, with the values filled in. A variable without a value leaves nothing and a warning.
    pub fn render(&self, values: &MailValues) -> RenderedMail {
        let mut filler = Filler {
            values,
            warnings: BTreeSet::new(),
        };
        let subject = filler.fill(&self.subject, one_line);
        let html = self.html.as_deref();
        let html = html.map(|html| filler.fill(html, escaped));
        let text = self.text.as_deref();
        let text = text.map(|text| filler.fill(text, plain));
        let mut warnings: Vec<String> = filler.warnings.into_iter().collect();
        let (subject, is_cut) = cut(one_line(&subject), LONGEST_FILLED_SUBJECT);
        if is_cut {
            let cut = format!("the subject was cut after {LONGEST_FILLED_SUBJECT} characters");
            warnings.push(cut);
        }
        RenderedMail {
            subject,
            html,
            text,
            warnings,
        }
    }

    fn parts(&self) -> Vec<(&'static str, &str)> {
        let parts = [
            ("subject", Some(self.subject.as_str())),
            ("html", self.html.as_deref()),
            ("text", self.text.as_deref()),
        ];
        let parts = parts.into_iter();
        parts
            .filter_map(|(path, text)| Some((path, text?)))
            .collect()
    }
}

struct Filler<'a> {
    values: &'a MailValues,
    warnings: BTreeSet<String>,
}

impl Filler<'_> {
    fn fill(&mut self, template: &str, prepared: fn(&str) -> String) -> String {
        let mut filled = String::with_capacity(template.len());
        for piece in Pieces(template) {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Variable(Ok(variable)) => filled.push_str(&prepared(&self.value(&variable))),
                Piece::Variable(Err(fault)) => {
                    self.warnings.insert(fault);
                }
            }
        }
        filled
    }

    fn value(&mut self, variable: &Variable) -> String {
        let values = self.values;
        let value = match variable {
            Variable::Code => values.code.as_deref(),
            Variable::Link => values.link.as_deref(),
            Variable::ValidUntil => values.valid_until.as_deref(),
            Variable::CurrentUser => values.current_user.as_deref(),
            Variable::Field(path) => values.fields.get(path).map(String::as_str),
        };
        let value = value.map(str::trim).unwrap_or_default();
        if value.is_empty() {
            let warning = format!("`${{{variable}}}` has no value, so nothing stands in its place");
            self.warnings.insert(warning);
        }
        let (value, is_cut) = cut(value.to_owned(), LONGEST_VALUE);
        if is_cut {
            let warning =
                format!("the value of `${{{variable}}}` was cut after {LONGEST_VALUE} characters");
            self.warnings.insert(warning);
        }
        value
    }
}

/// What is wrong with the variables of a text, each once.
fn faults(text: &str) -> BTreeSet<String> {
    Pieces(text)
        .filter_map(|piece| match piece {
            Piece::Variable(Err(fault)) => Some(fault),
            Piece::Variable(Ok(_)) | Piece::Text(_) => None,
        })
        .collect()
}

#[derive(Debug, PartialEq)]
enum Piece<'a> {
    Text(&'a str),
    /// A variable, or what is wrong with it.
    Variable(Result<Variable, String>),
}

/// A template from left to right.
struct Pieces<'a>(&'a str);

/// A place where a variable may begin.
struct Opening {
    /// Of the `$`.
    start: usize,
    /// Behind the `{`.
    end: usize,
    /// Whether nothing stands between both, so that nothing but a variable can be meant.
    is_tight: bool,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let text = self.0;
        if text.is_empty() {
            return None;
        }
        let mut from = 0;
        while let Some(opening) = opening(text, from) {
            let (name, end) = closing(text, &opening);
            let variable = match name.map(variable) {
                Some(Ok(variable)) => Ok(variable),
                // `5 $ {a b}` is a text like any other.
                None | Some(Err(Fault::NoName(_))) if !opening.is_tight => {
                    from = opening.end;
                    continue;
                }
                None => Err("a `${` is not closed with `}`".to_owned()),
                Some(Err(Fault::NoName(fault) | Fault::Refused(fault))) => Err(fault),
            };
            if opening.start > 0 {
                let (before, rest) = text.split_at(opening.start);
                self.0 = rest;
                return Some(Piece::Text(before));
            }
            self.0 = text.get(end..).unwrap_or_default();
            return Some(Piece::Variable(variable));
        }
        self.0 = "";
        Some(Piece::Text(text))
    }
}

/// The next `${` from there on, also with blanks in between.
fn opening(text: &str, from: usize) -> Option<Opening> {
    let rest = text.get(from..)?;
    rest.match_indices('$').find_map(|(at, _)| {
        let behind = rest.get(at + 1..)?;
        let brace = behind.trim_start_matches(is_blank).strip_prefix('{')?;
        Some(Opening {
            start: from + at,
            end: text.len() - brace.len(),
            is_tight: behind.starts_with('{'),
        })
    })
}

/// The name of an opening, and where it ends. What is not closed ends with its opening.
fn closing<'a>(text: &'a str, opening: &Opening) -> (Option<&'a str>, usize) {
    let inside = text.get(opening.end..).unwrap_or_default();
    let length = inside.find(['}', '{', '$', '\n', '<', '>']);
    match length.map(|length| inside.split_at(length)) {
        Some((name, rest)) if rest.starts_with('}') => (Some(name), opening.end + name.len() + 1),
        Some(_) | None => (None, opening.end),
    }
}

/// What is no variable, in words.
enum Fault {
    /// It cannot be the name of one.
    NoName(String),
    /// It can, and there is none, or none that may be mailed.
    Refused(String),
}

fn variable(written: &str) -> Result<Variable, Fault> {
    let name = written.trim_matches(is_blank);
    let shown: String = name.chars().take(LONGEST_NAME).collect();
    let is_step = |step: &str| {
        step.starts_with(|first: char| first.is_ascii_lowercase())
            && step
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let steps: Vec<&str> = name.split('.').collect();
    if name.len() > LONGEST_NAME
        || steps.len() > MOST_STEPS
        || !steps.iter().all(|step| is_step(step))
    {
        return Err(Fault::NoName(format!(
            "`${{{shown}}}` is no variable: expected lower-case names such as `${{number}}` or `${{caller_id.email}}`"
        )));
    }
    let of_supporter = |step: &&str| step.contains("supporter") && step.contains("link");
    if steps.iter().any(of_supporter) {
        return Err(Fault::Refused(format!(
            "`${{{shown}}}`: whoever holds a supporter's link is the supporter, so it is never mailed; use `${{teamviewer.link}}`"
        )));
    }
    match name {
        "teamviewer.code" => Ok(Variable::Code),
        "teamviewer.link" => Ok(Variable::Link),
        "teamviewer.valid_until" => Ok(Variable::ValidUntil),
        "current_user" => Ok(Variable::CurrentUser),
        other if steps.first() == Some(&"teamviewer") => Err(Fault::Refused(format!(
            "`${{{other}}}` is no variable: of the service case there are `${{teamviewer.code}}`, `${{teamviewer.link}}` and `${{teamviewer.valid_until}}`"
        ))),
        field => Ok(Variable::Field(field.to_owned())),
    }
}

/// Also the blank that does not break, which word processors put there.
fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\u{a0}')
}

/// Values for a subject: no line break, no control character.
fn one_line(value: &str) -> String {
    let words = value.split(|character: char| character.is_control() || character == ' ');
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// Values for HTML: nothing in them is a tag, an attribute's end or an entity.
fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in plain(value).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' => escaped.push_str("<br>"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Values for plain text: one kind of line break, tabs, and no other control character.
fn plain(value: &str) -> String {
    let value = value.replace("\r\n", "\n").replace('\r', "\n");
    let fits = |character: &char| !character.is_control() || matches!(character, '\n' | '\t');
    value.chars().filter(fits).collect()
}

/// The text, and whether it had to be cut.
fn cut(text: String, longest: usize) -> (String, bool) {
    match text.char_indices().nth(longest) {
        Some((end, _)) => (text.get(..end).unwrap_or_default().to_owned(), true),
        None => (text, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn template(subject: &str, html: Option<&str>, text: Option<&str>) -> MailTemplate {
        MailTemplate {
            name: TemplateName::parse("TV_Share").unwrap(),
            description: None,
            subject: subject.to_owned(),
            html: html.map(str::to_owned),
            text: text.map(str::to_owned),
        }
    }

    fn values(fields: &[(&str, &str)]) -> MailValues {
        let fields = fields.iter();
        MailValues {
            code: Some("s119-457-589".to_owned()),
            link: Some("https://get.teamviewer.com/v15/s119457589".to_owned()),
            valid_until: None,
            current_user: Some("Ann".to_owned()),
            fields: fields
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    /// What becomes of a text, and the warnings.
    fn filled(text: &str, fields: &[(&str, &str)]) -> (String, Vec<String>) {
        let mail = template("s", None, Some(text)).render(&values(fields));
        (mail.text.unwrap(), mail.warnings)
    }

    #[test]
    fn variables_are_filled_in_however_they_are_spaced() {
        for text in [
            "Hi ${caller_id}!",
            "Hi ${ caller_id }!",
            "Hi $ {caller_id}!",
            "Hi $\u{a0}{ caller_id\u{a0}}!",
        ] {
            let (found, warnings) = filled(text, &[("caller_id", "Bea Lee")]);
            assert_eq!(
                (found.as_str(), warnings.len()),
                ("Hi Bea Lee!", 0),
                "{text}"
            );
        }
        let (text, _) = filled(
            "${current_user}: ${teamviewer.code} ${teamviewer.link} ${a}${b.c_1}",
            &[("a", "1"), ("b.c_1", "2")],
        );
        assert_eq!(
            text,
            "Ann: s119-457-589 https://get.teamviewer.com/v15/s119457589 12"
        );
    }

    #[test]
    fn what_has_no_value_leaves_nothing_and_one_warning() {
        let (text, warnings) = filled(
            "[${nobody}][${nobody}][${blank}][${teamviewer.valid_until}]",
            &[("blank", " \n")],
        );
        assert_eq!(text, "[][][][]");
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        assert!(warnings.iter().any(|text| text.contains("${nobody}")));
    }

    #[test]
    fn value_that_looks_like_a_variable_stays_text() {
        let (text, warnings) = filled(
            "${a} ${b}{number}",
            &[
                ("a", "${number} $ {number}"),
                ("b", "$"),
                ("number", "INC1"),
            ],
        );
        assert_eq!(text, "${number} $ {number} ${number}");
        assert_eq!(warnings, Vec::<String>::new());
    }

    #[test]
    fn text_that_is_no_variable_stays() {
        for text in [
            "5 $ and {more}",
            "$",
            "$ {a b} 5",
            "a { b: $c }",
            "$ { A }",
            "${",
            "x$",
        ] {
            let (found, _) = filled(text, &[]);
            let expected = if text == "${" { "" } else { text };
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn html_of_a_value_is_shown_and_not_obeyed() {
        let template = template(
            "s",
            Some("<a href=\"${u_link}\">${description}</a>"),
            Some("${description}"),
        );
        let mail = template.render(&values(&[
            ("u_link", "x\" onclick='y'"),
            ("description", "1 < 2 & <b>\r\nnext\rlast\u{7}\ttab"),
        ]));
        assert_eq!(
            mail.html.unwrap(),
            "<a href=\"x&quot; onclick=&#39;y&#39;\">1 &lt; 2 &amp; &lt;b&gt;<br>next<br>last\ttab</a>"
        );
        assert_eq!(mail.text.unwrap(), "1 < 2 & <b>\nnext\nlast\ttab");
    }

    #[test]
    fn subject_is_one_line_of_limited_length() {
        let template = template("Case ${short_description}", None, Some("x"));
        let mail = template.render(&values(&[(
            "short_description",
            "a\r\nBcc: eve@example.com\u{0}\tb",
        )]));
        assert_eq!(mail.subject, "Case a Bcc: eve@example.com b");
        let long = "ü".repeat(600);
        let mail = template.render(&values(&[("short_description", &long)]));
        assert_eq!(mail.subject.chars().count(), 500);
        assert_eq!(mail.warnings.len(), 1, "{:?}", mail.warnings);
    }

    #[test]
    fn template_says_what_it_needs() {
        let template = template(
            "${number} ${teamviewer.code}",
            Some("${caller_id.email} ${current_user}"),
            Some("$ {number} ${u_x}"),
        );
        let fields: Vec<String> = template.fields().into_iter().collect();
        assert_eq!(fields, ["caller_id.email", "number", "u_x"]);
        assert!(template.variables().contains(&Variable::Code));
        assert!(template.variables().contains(&Variable::CurrentUser));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let long = "x".repeat(100_001);
        for (found, path, problem) in [
            (template(" ", None, Some("x")), "subject", "empty"),
            (template("a\nb", None, Some("x")), "subject", "line break"),
            (template("x", None, None), "", "neither"),
            (template("x", Some(""), None), "html", "leave it out"),
            (template("x", None, Some(&long)), "text", "longer"),
            (
                template("x", None, Some("${a b}")),
                "text",
                "`${a b}` is no variable",
            ),
            (template("x", None, Some("${}")), "text", "no variable"),
            (
                template("x", None, Some("${a.b.c.d.e}")),
                "text",
                "no variable",
            ),
            (template("x", None, Some("${Number}")), "text", "lower-case"),
            (template("x", None, Some("${number")), "text", "not closed"),
            (
                template("x ${a\u{0}}", None, Some("x")),
                "subject",
                "no variable",
            ),
            (
                template("x", Some("<a href=\"${teamviewer.supporter_link}\">"), None),
                "html",
                "never mailed",
            ),
            (
                template("x", None, Some("$ {teamviewer.webclient_supporter_link}")),
                "text",
                "never mailed",
            ),
            (
                template("x", None, Some("${teamviewer.state}")),
                "text",
                "teamviewer.code",
            ),
        ] {
            let problems = found.problems();
            let hit = problems
                .iter()
                .any(|(at, text)| at == path && text.contains(problem));
            assert!(hit, "{path} {problem}: {problems:?}");
        }
        let good = template(
            "Code ${teamviewer.code}",
            Some("<p>x</p>"),
            Some("5 $ {a b}"),
        );
        assert_eq!(good.problems(), []);
    }

    #[test]
    fn unusual_name_and_unknown_field_are_told() {
        let read = |json| serde_json::from_value::<MailTemplate>(json);
        let other = read(json!({"name": "Welcome", "subject": "x", "text": "x"})).unwrap();
        assert_eq!(other.warnings().len(), 1);
        assert_eq!(
            template("x", None, Some("x")).warnings(),
            Vec::<String>::new()
        );
        let error = read(json!({"name": "TV_x", "subject": "x", "body": "x"})).unwrap_err();
        assert!(
            error.to_string().contains("unknown field `body`"),
            "{error}"
        );
        for wrong in ["", "TV Share", "TV/Share", "_x", "1x"] {
            assert!(
                read(json!({"name": wrong, "subject": "x", "text": "x"})).is_err(),
                "{wrong}"
            );
        }
    }
}
