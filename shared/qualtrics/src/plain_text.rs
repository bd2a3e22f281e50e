//! Texts of surveys are HTML; whoever gets them here reads plain text.

/// Elements whose content nobody sees.
const HIDDEN: [&str; 3] = ["script", "style", "video"];
/// Elements that run on within a line: taking them out must not part a word.
const INLINE: [&str; 11] = [
    "a", "b", "em", "font", "i", "s", "span", "strong", "sub", "sup", "u",
];
const ENTITIES: [(&str, &str); 12] = [
    ("amp", "&"),
    ("apos", "'"),
    ("gt", ">"),
    ("hellip", "…"),
    ("ldquo", "“"),
    ("lsquo", "‘"),
    ("lt", "<"),
    ("mdash", "—"),
    ("nbsp", " "),
    ("ndash", "–"),
    ("quot", "\""),
    ("rsquo", "’"),
];

/// HTML without tags, comments and entities, with single spaces. `${...}` of piped text stays.
pub fn plain_text(html: &str) -> String {
    read(html).0
}

/// The plain text, and how many bytes were looked at for it: at most a fixed multiple of them all, whatever they say.
fn read(html: &str) -> (String, usize) {
    let mut text = String::with_capacity(html.len());
    let mut looked_at = html.len();
    let mut rest = html;
    while let Some(position) = rest.find(['<', '&']) {
        let (before, marked) = rest.split_at(position);
        text.push_str(before);
        rest = match marked.strip_prefix('&') {
            Some(after) => entity(after, &mut text, &mut looked_at),
            None => tag(marked, &mut text, &mut looked_at),
        };
    }
    text.push_str(rest);
    let words: Vec<&str> = text.split_whitespace().collect();
    (words.join(" "), looked_at)
}

/// Passes over what begins with `<`, and gives what follows. What is no tag stays as it is.
fn tag<'a>(marked: &'a str, text: &mut String, looked_at: &mut usize) -> &'a str {
    let inner = marked.get(1..).unwrap_or_default();
    if let Some(comment) = inner.strip_prefix("!--") {
        return comment.split_once("-->").map_or("", |(_, after)| after);
    }
    let may_be_tag = inner.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!'));
    let Some((content, after)) = end_of_tag(inner, looked_at).filter(|_| may_be_tag) else {
        text.push('<');
        return inner;
    };
    let closes = content.starts_with('/');
    let name: String = content
        .trim_start_matches('/')
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    let is = |known: &&str| name.eq_ignore_ascii_case(known);
    if !INLINE.iter().any(is) {
        text.push(' ');
    }
    if closes || !HIDDEN.iter().any(is) || content.ends_with('/') {
        return after;
    }
    let Some(end) = after_closing(after, &name, looked_at) else {
        return "";
    };
    end_of_tag(end, looked_at).map_or(end, |(_, after)| after)
}

/// What follows the next `</name`, in whichever case.
fn after_closing<'a>(html: &'a str, name: &str, looked_at: &mut usize) -> Option<&'a str> {
    let mut rest = html;
    while let Some((before, after)) = rest.split_once("</") {
        *looked_at += before.len() + name.len();
        let found = after.split_at_checked(name.len());
        if let Some((_, end)) = found.filter(|(found, _)| found.eq_ignore_ascii_case(name)) {
            return Some(end);
        }
        rest = after;
    }
    *looked_at += rest.len();
    None
}

/// What is inside the tag, and what follows its `>`. A `>` in quotes does not end it. `None` when it is never closed, or
/// another one begins before: without that, a text of nothing but openings would be searched to its end for each of them.
fn end_of_tag<'a>(inner: &'a str, looked_at: &mut usize) -> Option<(&'a str, &'a str)> {
    let mut quote = None;
    for (position, c) in inner.char_indices() {
        *looked_at += c.len_utf8();
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None, '>') => {
                let (content, after) = inner.split_at(position);
                return Some((content, after.get(1..).unwrap_or_default()));
            }
            (None, '<') => return None,
            (_, _) => {}
        }
    }
    None
}

/// Writes what an entity stands for, and gives what follows. What is none stays as it is.
fn entity<'a>(after: &'a str, text: &mut String, looked_at: &mut usize) -> &'a str {
    const LONGEST: usize = 10;
    let end = after
        .bytes()
        .take(LONGEST + 1)
        .position(|byte| byte == b';');
    *looked_at += end.unwrap_or(LONGEST + 1);
    let known = end
        .and_then(|end| after.split_at_checked(end))
        .and_then(|(name, rest)| Some((name, rest.get(1..)?)));
    let meaning = known.and_then(|(name, _)| match name.strip_prefix('#') {
        Some(number) => {
            let number = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            number.ok().and_then(char::from_u32).map(String::from)
        }
        None => ENTITIES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, meaning)| (*meaning).to_owned()),
    });
    if let (Some(meaning), Some((_, rest))) = (meaning, known) {
        text.push_str(&meaning);
        return rest;
    }
    text.push('&');
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_what_people_read() {
        for (html, expected) in [
            ("How was it?", "How was it?"),
            ("<b>Very</b> good", "Very good"),
            ("un<strong>believ</strong>able", "unbelievable"),
            ("one<br>two<br/>three", "one two three"),
            ("<div>a</div><p class=\"x>y\">b</p>", "a b"),
            ("<style>p { color: red }</style>Why?", "Why?"),
            ("<SCRIPT>if (a < b) {}</SCRIPT>Why?", "Why?"),
            (
                "<video controls><source src='x'>no video</video>Why?",
                "Why?",
            ),
            ("<video src='x'/>Why?", "Why?"),
            ("<!-- hidden > -->Why?", "Why?"),
            (
                "fish &amp; chips&nbsp;&#233; &#x1F600; &quot;",
                "fish & chips é 😀 \"",
            ),
            ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
            ("a &unknown; b & c &#xZZ;", "a &unknown; b & c &#xZZ;"),
            ("1 < 2 > 0 <3", "1 < 2 > 0 <3"),
            ("  two \n\t spaces ", "two spaces"),
            ("Hello ${m://FirstName}!", "Hello ${m://FirstName}!"),
            ("cut <a href=\"off", "cut <a href=\"off"),
            ("5 <x and <i>more</i>", "5 <x and more"),
            ("<style>a</b></STYLE >Why?", "Why?"),
            ("<style>a</style", ""),
            ("cut <script>off", "cut"),
            ("<b>İstanbul</b> <style>é</style>ß", "İstanbul ß"),
            ("", ""),
        ] {
            assert_eq!(plain_text(html), expected, "{html}");
        }
    }

    #[test]
    fn hostile_text_is_not_searched_again_and_again() {
        const LONG: usize = 300_000;
        for unit in [
            "<style></style>",
            "<STYLE></style",
            "<style>",
            "</style",
            "<video></",
            "<a",
            "<a \"",
            "<a '\"",
            "<a \">\" ",
            "<a \"<a '",
            "<",
            "<!--",
            "<!--><",
            "&",
            "&amp",
            "&#x;",
        ] {
            let html = unit.repeat(LONG / unit.len());
            let (text, looked_at) = read(&html);
            assert!(looked_at <= 16 * html.len(), "{unit}: {looked_at}");
            assert!(text.len() <= html.len(), "{unit}: {}", text.len());
        }
    }
}
