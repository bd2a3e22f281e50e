//! What happens to a comment's text between request and ticket ("Ticket Comments" in the API reference).

/// A body is cut here without a word.
const LONGEST_BODY: usize = 64 * 1024;

/// Plain text as it is stored: HTML stripped, runs of spaces and of newlines collapsed.
pub(crate) fn plain(text: &str) -> String {
    collapse(&strip_tags(text))
}

/// Cuts to the longest body, between characters.
pub(crate) fn cut(mut text: String) -> String {
    let end = text.floor_char_boundary(LONGEST_BODY);
    text.truncate(end);
    text
}

fn collapse(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut last = None;
    for letter in text.trim().chars().filter(|letter| *letter != '\r') {
        let repeats = [' ', '\n'].contains(&letter) && last == Some(letter);
        if !repeats {
            out.push(letter);
        }
        last = Some(letter);
    }
    out
}

/// Takes out what looks like a tag; a lone `<` stays.
fn strip_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let (before, tag) = rest.split_at(start);
        out.push_str(before);
        let begins = tag[1..]
            .chars()
            .next()
            .is_some_and(|letter| letter.is_ascii_alphabetic() || letter == '/' || letter == '!');
        match tag.find('>') {
            Some(end) if begins => rest = &tag[end + 1..],
            Some(_) | None => {
                out.push('<');
                rest = &tag[1..];
            }
        }
    }
    out + rest
}

/// Expands `{{name}}`; names that `lookup` doesn't know vanish. `\{{name}}` stays as `{{name}}`.
pub(crate) fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else {
            break;
        };
        if let Some(unescaped) = before.strip_suffix('\\') {
            out.push_str(unescaped);
            out.push_str("{{");
            out.push_str(name);
            out.push_str("}}");
        } else {
            out.push_str(before);
            out.push_str(&lookup(name.trim()).unwrap_or_default());
        }
        rest = behind;
    }
    out + rest
}

/// Like [`expand`], but code in HTML stays as it is.
pub(crate) fn expand_html(html: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    let next_code = |text: &str| {
        ["code", "pre"]
            .into_iter()
            .filter_map(|tag| {
                let start = text.find(&format!("<{tag}"))?;
                let closing = format!("</{tag}>");
                let end = text[start..].find(&closing)? + start + closing.len();
                Some((start, end))
            })
            .min()
    };
    while let Some((start, end)) = next_code(rest) {
        out.push_str(&expand(&rest[..start], &lookup));
        out.push_str(&rest[start..end]);
        rest = &rest[end..];
    }
    out + &expand(rest, lookup)
}

/// Text inside HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\n', "<br>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        (name == "ticket.id").then(|| "7".to_owned())
    }

    #[test]
    fn placeholders_expand_vanish_or_stay_escaped() {
        for (text, expected) in [
            ("no. {{ticket.id}}", "no. 7"),
            ("{{ ticket.id }}!", "7!"),
            ("a{{nothing.here}}b", "ab"),
            (r"\{{ticket.id}}", "{{ticket.id}}"),
            ("{{open", "{{open"),
            ("}} {{", "}} {{"),
        ] {
            assert_eq!(expand(text, lookup), expected);
        }
    }

    #[test]
    fn code_in_html_is_not_expanded() {
        assert_eq!(
            expand_html("{{ticket.id}} <code>{{ticket.id}}</code> {{x}}", lookup),
            "7 <code>{{ticket.id}}</code> "
        );
    }

    #[test]
    fn plain_text_loses_tags_and_runs() {
        for (text, expected) in [
            ("a  b\n\n\nc", "a b\nc"),
            ("a\n \nb", "a\n \nb"),
            ("<b>bold</b> 1 < 2", "bold 1 < 2"),
            (" x ", "x"),
        ] {
            assert_eq!(plain(text), expected);
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let long = format!("a{}", "é".repeat(LONGEST_BODY / 2));
        assert_eq!(cut(long).len(), LONGEST_BODY - 1);
    }
}
