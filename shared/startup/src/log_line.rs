//! How a line of the log is written: one JSON object with what the event says, and the span that it happened in.
//!
//! tracing-subscriber's own JSON reads the fields of a span back from their text for every line, which was a part of
//! twenty of all that `evaluate` did. Here they are text that is copied.

use std::fmt;

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes `{"level":...,"message":...,...,"target":...,"span":{...,"name":...}}`, the fields in the order in which they are
/// given. One that is recorded twice is there twice: nothing here does so.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogLine;

/// Fields as members of an object. Each has a comma after it: something always follows.
#[derive(Debug)]
struct Members<'a> {
    writer: Writer<'a>,
    result: fmt::Result,
}

impl<'a> Members<'a> {
    fn write(writer: Writer<'a>, fields: impl RecordFields) -> fmt::Result {
        let mut members = Self {
            writer,
            result: Ok(()),
        };
        fields.record(&mut members);
        members.result
    }

    fn add(&mut self, field: &Field, write: impl FnOnce(&mut Writer<'a>) -> fmt::Result) {
        let writer = &mut self.writer;
        self.result = self.result.and_then(|()| {
            text(writer, field.name())?;
            writer.write_char(':')?;
            write(writer)?;
            writer.write_char(',')
        });
    }
}

impl Visit for Members<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, |writer| text(writer, value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, |writer| json(writer, &value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, |writer| json(writer, &value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, |writer| json(writer, &value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, |writer| json(writer, &value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, |writer| json(writer, &format_args!("{value:?}")));
    }
}

impl<'a> FormatFields<'a> for LogLine {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'a>, fields: R) -> fmt::Result {
        Members::write(writer, fields)
    }
}

impl<S> FormatEvent<S, Self> for LogLine
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, Self>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let about = event.metadata();
        write!(writer, r#"{{"level":"{}","#, about.level())?;
        Members::write(writer.by_ref(), event)?;
        writer.write_str(r#""target":"#)?;
        text(&mut writer, about.target())?;
        let span = event.parent().and_then(|id| context.span(id));
        if let Some(span) = span.or_else(|| context.lookup_current()) {
            writer.write_str(r#","span":{"#)?;
            if let Some(members) = span.extensions().get::<FormattedFields<Self>>() {
                writer.write_str(members)?;
            }
            writer.write_str(r#""name":"#)?;
            text(&mut writer, span.name())?;
            writer.write_char('}')?;
        }
        writer.write_str("}\n")
    }
}

/// Most texts are in JSON as they are.
fn text(writer: &mut Writer<'_>, text: &str) -> fmt::Result {
    if text
        .bytes()
        .any(|byte| byte < b' ' || byte == b'"' || byte == b'\\')
    {
        return json(writer, text);
    }
    writer.write_char('"')?;
    writer.write_str(text)?;
    writer.write_char('"')
}

fn json(writer: &mut Writer<'_>, value: &(impl Serialize + ?Sized)) -> fmt::Result {
    let value = serde_json::to_string(value).map_err(|_| fmt::Error)?;
    writer.write_str(&value)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written while `log` runs.
    fn lines(log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = crate::log_to(move || writer.clone());
        tracing::subscriber::with_default(subscriber, log);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn line_has_the_event_beside_its_innermost_span() {
        let found = lines(|| {
            tracing::warn!(target: "a::b", "nowhere");
            let outer = tracing::info_span!("Lambda runtime invoke", requestId = "r");
            let _outer = outer.enter();
            let inner = tracing::info_span!("task", run.id = %"1-2", r#type = "x", attempt = 3_u32);
            let _inner = inner.enter();
            tracing::info!(target: "c", duration_ms = 5, late = false, share = 0.5, below = -1, "done");
            tracing::error!(target: "c", parent: &outer, code = ?Some("404"), "of the outer one");
        });
        let expected = [
            r#"{"level":"WARN","message":"nowhere","target":"a::b"}"#,
            r#"{"level":"INFO","message":"done","duration_ms":5,"late":false,"share":0.5,"below":-1,"target":"c","span":{"run.id":"1-2","type":"x","attempt":3,"name":"task"}}"#,
            r#"{"level":"ERROR","message":"of the outer one","code":"Some(\"404\")","target":"c","span":{"requestId":"r","name":"Lambda runtime invoke"}}"#,
        ];
        assert_eq!(found, expected.map(|line| format!("{line}\n")).concat());
    }

    #[test]
    fn whatever_is_said_is_one_line_of_json() {
        let said = "\"\\ \n\r\t\u{0}\u{1f}\u{7f} ä€😀";
        let found = lines(|| {
            let span =
                tracing::info_span!("s", "odd \" name" = said, empty = tracing::field::Empty);
            let _entered = span.enter();
            span.record("empty", 1);
            tracing::info!(said, shown = %said, number = f64::NAN, "{said}");
        });
        let line = found.strip_suffix('\n').unwrap();
        assert!(!line.contains('\n'), "{line}");
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            line,
            serde_json::json!({
                "level": "INFO", "message": said, "said": said, "shown": said, "number": null,
                "target": "startup::log_line::tests", "span": { "odd \" name": said, "empty": 1, "name": "s" },
            })
        );
    }
}
