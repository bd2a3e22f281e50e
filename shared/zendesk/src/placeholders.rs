//! Text from strangers, made safe for Zendesk's placeholders.

/// Takes up no room and joins what stands around it, so the text looks as it did.
const WORD_JOINER: char = '\u{2060}';

/// Keeps `{{...}}` and `{%...%}` in a text from being taken for placeholders. Zendesk fills in the ones that
/// it knows and deletes the others, so a respondent could read ticket data or lose words.
///
/// An invisible word joiner parts the opening signs, and a brace from a tag behind it: Zendesk strips HTML, and what stood
/// around it would become neighbours. The documented escape, backslashes, was not found
/// described well enough to say how many are to be sent; without two neighbouring signs there is nothing to
/// escape. Doing it twice changes nothing more.
///
/// Source: <https://developer.zendesk.com/api-reference/ticketing/tickets/ticket_comments/>
pub fn neutralise_placeholders(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        safe.push(character);
        if character == '{'
            && rest
                .peek()
                .is_some_and(|next| matches!(next, '{' | '%' | '<'))
        {
            safe.push(WORD_JOINER);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_signs_are_parted_and_everything_else_is_left() {
        for (text, expected) in [
            ("", ""),
            ("a {b} c %}", "a {b} c %}"),
            ("{<b></b>{x}}", "{\u{2060}<b></b>{x}}"),
            ("see {{ticket.id}}.", "see {\u{2060}{ticket.id}}."),
            ("{{{y}}}", "{\u{2060}{\u{2060}{y}}}"),
            ("{% if x %}", "{\u{2060}% if x %}"),
            ("é {", "é {"),
        ] {
            let safe = neutralise_placeholders(text);
            assert_eq!(safe, expected, "{text}");
            assert_eq!(neutralise_placeholders(&safe), safe);
            assert!(!safe.contains("{{") && !safe.contains("{%"));
        }
    }
}
