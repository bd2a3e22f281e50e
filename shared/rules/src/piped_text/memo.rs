//! Templates that were read before: a function fills those of the same few workflows over and over, and to read one takes
//! several times as long as to fill it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::{Destination, Error, Template};

/// How many templates are kept. All are forgotten when there would be more: usually there are far fewer.
const MOST: usize = 256;
/// Longer ones are read each time. With what the engine makes of them, those that are kept take some ten megabytes were all of
/// them as long as this and nothing but tags; usually they take some hundred kilobytes.
const LONGEST: usize = 2 * 1024;

static MEMO: LazyLock<Mutex<Memo>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Memo {
    templates: HashMap<Destination, HashMap<String, Arc<Template>>>,
    kept: usize,
}

impl Memo {
    fn get(&self, source: &str, destination: Destination) -> Option<Arc<Template>> {
        self.templates
            .get(&destination)?
            .get(source)
            .map(Arc::clone)
    }

    fn keep(&mut self, template: &Arc<Template>) {
        if self.kept >= MOST {
            *self = Self::default();
        }
        let templates = self.templates.entry(template.destination).or_default();
        let source = template.source.clone();
        if templates.insert(source, Arc::clone(template)).is_none() {
            self.kept += 1;
        }
    }
}

/// As [`Template::parse`], which depends on nothing but its arguments.
///
/// # Errors
/// As [`Template::parse`]: what is not well-formed is not kept.
pub(super) fn parsed(source: &str, destination: Destination) -> Result<Arc<Template>, Error> {
    if source.len() > LONGEST {
        return Template::parse(source, destination).map(Arc::new);
    }
    let memo = || MEMO.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(template) = memo().get(source, destination) {
        return Ok(template);
    }
    let template = Arc::new(Template::parse(source, destination)?);
    memo().keep(&template);
    Ok(template)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_known_by_what_it_is_for_and_all_are_forgotten_before_there_are_too_many() {
        let mut memo = Memo::default();
        let template =
            |text: &str, destination| Arc::new(Template::parse(text, destination).unwrap());
        let plain = template("{{ event.id }}", Destination::Plain);
        let html = template("{{ event.id }}", Destination::Html);
        memo.keep(&plain);
        assert_eq!(memo.get(&plain.source, Destination::Html), None);
        memo.keep(&html);
        memo.keep(&html);
        assert_eq!(memo.get(&plain.source, Destination::Html), Some(html));
        assert_eq!(
            memo.get(&plain.source, Destination::Plain),
            Some(Arc::clone(&plain))
        );
        assert_eq!(memo.kept, 2);
        for number in 2..MOST {
            memo.keep(&template(
                &format!("{{{{ {number} }}}}"),
                Destination::Plain,
            ));
        }
        assert_eq!(memo.kept, MOST);
        assert!(memo.get(&plain.source, Destination::Plain).is_some());
        memo.keep(&template("{{ 0 }}", Destination::Plain));
        assert_eq!(memo.kept, 1);
        assert_eq!(memo.get(&plain.source, Destination::Plain), None);
    }

    #[test]
    fn what_is_not_well_formed_is_refused_each_time() {
        for _ in 0..2 {
            assert!(parsed("{{ event.", Destination::Plain).is_err());
        }
    }
}
