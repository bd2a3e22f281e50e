//! Labels as plain text: surveys keep them as HTML.

/// Names of the characters U+00A0 to U+00FF, in order.
///
/// Source: <https://html.spec.whatwg.org/multipage/named-characters.html>
const LATIN_NAMES: &str = "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr \
    deg plusmn sup2 sup3 acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest \
    Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml \
    ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig \
    agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml \
    eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml";

/// Names of other characters that editors of surveys write.
const OTHER_NAMES: [(&str, char); 22] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("hellip", '…'),
    ("ndash", '–'),
    ("mdash", '—'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("sbquo", '‚'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("bdquo", '„'),
    ("lsaquo", '‹'),
    ("rsaquo", '›'),
    ("bull", '•'),
    ("euro", '€'),
    ("trade", '™'),
    ("OElig", 'Œ'),
    ("oelig", 'œ'),
    ("thinsp", '\u{2009}'),
];

/// The longest `&name;` that is looked at, without its signs.
const MAX_NAME_BYTES: usize = 10;

/// HTML as one line of text: without tags and what they hide, entities decoded, spaces made single.
///
/// Text that is no HTML stays as it is, but for its spaces. It is meant for reading: whatever shows it as
/// HTML must escape it again.
pub(super) fn plain_text(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        let (before, special) = rest.split_at(at);
        text.push_str(before);
        rest = if let Some((tag, after)) = tag(special) {
            // Tags within a word, such as <b>, separate nothing; the others do.
            if !matches!(
                tag.as_str(),
                "a" | "b" | "em" | "font" | "i" | "span" | "strong" | "u"
            ) {
                text.push(' ');
            }
            after
        } else if let Some((character, after)) = entity(special) {
            text.push(character);
            after
        } else {
            let length = special.chars().next().map_or(0, char::len_utf8);
            text.push_str(&special[..length]);
            &special[length..]
        };
    }
    text.push_str(rest);
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

/// The name of the tag that begins here, and what follows it.
fn tag(text: &str) -> Option<(String, &str)> {
    let inside = text.strip_prefix('<')?;
    if let Some(comment) = inside.strip_prefix("!--") {
        let end = comment.find("-->").map_or(comment.len(), |end| end + 3);
        return Some(("!".to_owned(), &comment[end..]));
    }
    let name = inside.strip_prefix('/').unwrap_or(inside);
    if !name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '!') {
        return None;
    }
    let end = end_of_tag(inside)?;
    let name: String = name
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase();
    let mut after = &inside[end..];
    // What these hold is not for people.
    if matches!(name.as_str(), "script" | "style") && !inside.starts_with('/') {
        let closes = |at: usize| {
            let end = after.get(at + 2..at + 2 + name.len());
            end.is_some_and(|end| end.eq_ignore_ascii_case(&name))
        };
        let mut closings = after.match_indices("</").map(|(at, _)| at);
        let hidden = closings.find(|at| closes(*at)).unwrap_or(after.len());
        after = &after[hidden..];
    }
    Some((name, after))
}

/// Behind the `>` that ends the tag, which may stand inside an attribute's quotes as well.
fn end_of_tag(inside: &str) -> Option<usize> {
    let mut quote = None;
    for (at, character) in inside.char_indices() {
        match (quote, character) {
            (None, '>') => return Some(at + 1),
            // A second tag begins: this one was none.
            (None, '<') => return None,
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            _ => {}
        }
    }
    // A quote that is never closed is no quote.
    inside.find('>').map(|at| at + 1)
}

fn entity(text: &str) -> Option<(char, &str)> {
    let inside = text.strip_prefix('&')?;
    let end = inside
        .bytes()
        .take(MAX_NAME_BYTES + 1)
        .position(|byte| byte == b';')?;
    let (name, after) = (&inside[..end], &inside[end + 1..]);
    let character = if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => number.parse(),
        };
        char::from_u32(code.ok()?).filter(|character| *character != '\0')?
    } else if let Some((_, character)) = OTHER_NAMES.iter().find(|(known, _)| *known == name) {
        *character
    } else {
        let position = LATIN_NAMES
            .split_whitespace()
            .position(|known| known == name)?;
        char::from_u32(0xA0 + u32::try_from(position).ok()?)?
    };
    Some((character, after))
}

#[cfg(test)]
mod tests {
    use super::plain_text;

    #[test]
    fn html_becomes_text() {
        for (html, expected) in [
            ("Price", "Price"),
            ("  Too \n slow ", "Too slow"),
            ("<b>Very</b> good", "Very good"),
            ("<p>One</p><p>Two</p>", "One Two"),
            ("a<br/>b<BR>c", "a b c"),
            ("un<b>believ</b>able", "unbelievable"),
            ("<a href=\"x>y\" title='<'>link</a>", "link"),
            ("Tom &amp; Jerry &lt;3", "Tom & Jerry <3"),
            ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
            ("caf&eacute; &Uuml;&yuml;&nbsp;x", "café Üÿ x"),
            ("&#233;&#xE9;&#x1F600;", "éé😀"),
            ("&#0;&#xD800;&nosuch;&;&", "&#0;&#xD800;&nosuch;&;&"),
            ("5 < 6 & 7 > 6", "5 < 6 & 7 > 6"),
            ("a <3 b", "a <3 b"),
            ("a <b", "a <b"),
            ("<style>p{}</style>x<script>alert('<b>')</script>y", "x y"),
            ("<!-- no --><video src=x></video>yes", "yes"),
            ("<!-- never closed", ""),
            ("<b title=\"open>x", "x"),
            ("", ""),
        ] {
            assert_eq!(plain_text(html), expected, "{html}");
        }
    }

    #[test]
    fn hostile_html_takes_no_time() {
        for unit in [
            "<",
            "<a",
            "<a \"",
            "&",
            "&#",
            "<!--",
            "<script>",
            "'<b",
            "<script></SCRIPT>",
        ] {
            let text = unit.repeat(20_000);
            assert!(plain_text(&text).len() <= text.len(), "{unit}");
        }
    }
}
