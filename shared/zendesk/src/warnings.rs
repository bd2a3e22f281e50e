//! Zendesk drops keys and values that it does not know, answers success and says so in a header only.

use vendor_http::Response;

/// Where the dropped parts are told.
const HEADER: &str = "x-zendesk-api-warn";
const LONGEST: usize = 300;

/// The keys and values that the account dropped from the request, one sentence each. The header holds a
/// Ruby hash; its text is repeated when it does not look as expected.
pub fn warnings(response: &Response) -> Vec<String> {
    let headers = response.headers.get_all(HEADER);
    headers
        .iter()
        .flat_map(|value| sentences(&String::from_utf8_lossy(value.as_bytes())))
        .collect()
}

fn sentences(header: &str) -> Vec<String> {
    let lists = [
        (":unpermitted_keys=>[", "Zendesk ignored the key"),
        (":invalid_values=>[", "Zendesk ignored the value"),
    ];
    let mut sentences = Vec::new();
    let mut understood = false;
    for (opening, what) in lists {
        for list in header.split(opening).skip(1) {
            understood = true;
            let list = list.split(']').next().unwrap_or_default();
            let quoted = list.split('"').skip(1).step_by(2);
            sentences.extend(quoted.map(|name| format!("{what} {name}")));
        }
    }
    if !understood {
        let text: String = header.chars().take(LONGEST).collect();
        sentences.push(format!("Zendesk warned: {text}"));
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_keys_and_values_are_named() {
        for (header, expected) in [
            (
                r#"{:allowed_parameters=>{:controller=>"tickets", :unpermitted_keys=>["ticket.id", "ticket.foo"], :invalid_values=>[]}}"#,
                vec![
                    "Zendesk ignored the key ticket.id",
                    "Zendesk ignored the key ticket.foo",
                ],
            ),
            (
                r#"{:unpermitted_keys=>[], :invalid_values=>["ticket.priority"]}"#,
                vec!["Zendesk ignored the value ticket.priority"],
            ),
            ("{:unpermitted_keys=>[], :invalid_values=>[]}", vec![]),
            ("deprecated", vec!["Zendesk warned: deprecated"]),
        ] {
            assert_eq!(sentences(header), expected, "{header}");
        }
    }
}
