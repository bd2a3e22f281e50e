use std::io::{self, Write};

use serde::Serialize;

/// How many bytes a value takes as JSON.
pub fn json_bytes(value: &impl Serialize) -> usize {
    let mut count = Count(0);
    // Neither the count nor a value refuses to be written.
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        Err(_) => usize::MAX,
    }
}

struct Count(usize);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0 += bytes.len();
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_byte_is_counted() {
        for value in [
            json!(null),
            json!(""),
            json!({"a \"quoted\" name": ["ä\n\u{1}", 1.5, -3, true, null, {}, []]}),
        ] {
            assert_eq!(json_bytes(&value), value.to_string().len(), "{value}");
        }
    }
}
