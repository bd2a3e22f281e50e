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
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(position) = rest.find(['<', '&']) {
        let (before, marked) = rest.split_at(position);
        text.push_str(before);
        rest = match marked.strip_prefix('&') {
            Some(after) => entity(after, &mut text),
            None => tag(marked, &mut text),
        };
    }
    text.push_str(rest);
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

/// Passes over what begins with `<`, and gives what follows.
fn tag<'a>(marked: &'a str, text: &mut String) -> &'a str {
    let inner = marked.get(1..).unwrap_or_default();
    if let Some(comment) = inner.strip_prefix("!--") {
        return comment.split_once("-->").map_or("", |(_, after)| after);
    }
    let is_tag = inner.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!'));
    if !is_tag {
        text.push('<');
        return inner;
    }
    let (content, after) = end_of_tag(inner);
    let closes = content.starts_with('/');
    let name: String = content
        .trim_start_matches('/')
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase();
    if !INLINE.contains(&name.as_str()) {
        text.push(' ');
    }
    if closes || !HIDDEN.contains(&name.as_str()) || content.ends_with('/') {
        return after;
    }
    let lower = after.to_ascii_lowercase();
    let Some(end) = lower.find(&format!("</{name}")) else {
        return "";
    };
    end_of_tag(after.get(end..).unwrap_or_default()).1
}

/// What is inside the tag, and what follows its `>`. A `>` in quotes does not end it.
fn end_of_tag(inner: &str) -> (&str, &str) {
    let mut quote = None;
    for (position, c) in inner.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None, '>') => {
                let (content, after) = inner.split_at(position);
                return (content, after.get(1..).unwrap_or_default());
            }
            (_, _) => {}
        }
    }
    // Never closed: nothing of it is text.
    (inner, "")
}

/// Writes what an entity stands for, and gives what follows. What is none stays as it is.
fn entity<'a>(after: &'a str, text: &mut String) -> &'a str {
    const LONGEST: usize = 10;
    let known = after
        .split_once(';')
        .filter(|(name, _)| name.len() <= LONGEST);
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
            ("cut <a href=\"off", "cut"),
            ("cut <script>off", "cut"),
            ("<b>İstanbul</b> <style>é</style>ß", "İstanbul ß"),
            ("", ""),
        ] {
            assert_eq!(plain_text(html), expected, "{html}");
        }
    }
}
