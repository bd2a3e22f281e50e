//! Text of strangers must not be read as a template.

/// Makes Zendesk print `{{...}}` instead of expanding it.
///
/// An agent's comment may hold placeholders: known ones print data of the ticket, unknown ones vanish.
/// Two backslashes before the braces switch that off in a plain `body`
/// ([Ticket comments](https://developer.zendesk.com/api-reference/ticketing/tickets/ticket_comments/)).
/// A brace at either end is treated too, so that two texts side by side cannot form a placeholder.
/// Use it once, on each text that a stranger wrote, not on the text around it.
pub fn neutralise_placeholders(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let (before, braces) = rest.split_at(start);
        let length = braces.bytes().take_while(|byte| *byte == b'{').count();
        let (braces, after) = braces.split_at(length);
        let at_an_end = (before.is_empty() && safe.is_empty()) || after.is_empty();
        safe.push_str(before);
        if length == 1 && !at_an_end {
            safe.push('{');
        } else {
            // Pair by pair: in a longer run the second and third brace would be a placeholder again.
            for pair in braces.as_bytes().chunks(2) {
                safe.push_str(if pair.len() == 2 { r"\\{{" } else { r"\\{" });
            }
        }
        rest = after;
    }
    safe.push_str(rest);
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn double_braces_are_escaped_and_single_ones_left() {
        for (text, expected) in [
            ("", ""),
            ("a {b} c", "a {b} c"),
            ("see {{ticket.id}}.", r"see \\{{ticket.id}}."),
            ("x{{{y}}}", r"x\\{{\\{y}}}"),
            ("x{{{{y", r"x\\{{\\{{y"),
            ("{{a}}{{b}}", r"\\{{a}}\\{{b}}"),
            ("{ticket.id}}", r"\\{ticket.id}}"),
            ("é {", r"é \\{"),
            ("😀{{é}}", r"😀\\{{é}}"),
        ] {
            assert_eq!(neutralise_placeholders(text), expected, "{text}");
        }
    }

    #[test]
    fn two_texts_side_by_side_form_no_placeholder() {
        let joined = ["a {", "{ticket.id}}"]
            .map(neutralise_placeholders)
            .concat();
        assert!(!joined.contains("{{"), "{joined}");
    }
}
