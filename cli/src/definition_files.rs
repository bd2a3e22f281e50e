//! Definitions in files: YAML or JSON, one or more in a file, files one by one or by the folder.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use domain::definition;
use management::FieldProblem;
use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, Problem};

/// A checked definition and where it was found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Located<T> {
    /// The file, and which document of it when there are several.
    pub(crate) place: String,
    pub(crate) definition: T,
}

/// Reads every definition in these files and folders, or tells everything that is wrong with them.
pub(crate) fn load<T>(
    paths: &[PathBuf],
    read: impl Fn(&Value) -> Result<T, Vec<definition::Problem>>,
    id: impl Fn(&T) -> String,
) -> Result<Vec<Located<T>>, Error> {
    let mut problems = Vec::new();
    let mut found = Vec::new();
    for file in files(paths)? {
        let text = fs::read_to_string(&file).map_err(|source| Error::File {
            path: file.clone(),
            source,
        })?;
        let name = file.display().to_string();
        let documents = match parse(&file, &text) {
            Ok(documents) if documents.is_empty() => {
                problems.push(whole(name, "the file holds no definition".to_owned()));
                continue;
            }
            Ok(documents) => documents,
            Err(problem) => {
                problems.push(whole(name, problem));
                continue;
            }
        };
        let several = documents.len() > 1;
        for (number, document) in (1..).zip(&documents) {
            let place = if several {
                format!("{name} (document {number})")
            } else {
                name.clone()
            };
            match read(document) {
                Ok(definition) => found.push(Located { place, definition }),
                Err(list) => problems.extend(list.into_iter().map(|problem| Problem {
                    place: place.clone(),
                    problem: problem.into(),
                })),
            }
        }
    }
    let mut seen: HashMap<String, &str> = HashMap::new();
    for Located { place, definition } in &found {
        let id = id(definition);
        if let Some(earlier) = seen.get(&id) {
            let problem = format!("`{id}` is defined in {earlier}, too");
            problems.push(whole(place.clone(), problem));
        } else {
            seen.insert(id, place);
        }
    }
    if problems.is_empty() {
        Ok(found)
    } else {
        Err(Error::Definitions(problems))
    }
}

fn whole(place: String, problem: String) -> Problem {
    Problem {
        place,
        problem: FieldProblem {
            path: String::new(),
            problem,
        },
    }
}

/// The files themselves; of a folder those whose names say that they may hold definitions, by name.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let fault = |source| Error::File {
            path: path.clone(),
            source,
        };
        let mut inside = Vec::new();
        for entry in fs::read_dir(path).map_err(fault)? {
            let file = entry.map_err(fault)?.path();
            let extension = file.extension().and_then(|extension| extension.to_str());
            if matches!(extension, Some("yaml" | "yml" | "json")) && file.is_file() {
                inside.push(file);
            }
        }
        if inside.is_empty() {
            return Err(Error::Definitions(vec![whole(
                path.display().to_string(),
                "the folder holds no .yaml, .yml or .json file".to_owned(),
            )]));
        }
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

fn parse(file: &Path, text: &str) -> Result<Vec<Value>, String> {
    if file
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        return serde_json::from_str(text)
            .map(|document| vec![document])
            .map_err(|error| format!("it is not JSON: {error}"));
    }
    // The words and numbers of YAML 1.2 alone: `no` is a text, and so is `0049`, which would lose its
    // zeros as a number.
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|error| format!("it is not YAML: {error}"))
}

/// A definition as YAML that is read as the same definition again. Pure text: nothing in it moves a cursor.
pub(crate) fn to_yaml(definition: &impl Serialize) -> Result<String, Error> {
    let fault = |error: String| Error::Yaml(error);
    let document = serde_json::to_value(definition).map_err(|error| fault(error.to_string()))?;
    let yaml = serde_saphyr::to_string(definition).map_err(|error| fault(error.to_string()))?;
    if is_read_as(&yaml, &document) {
        return Ok(yaml);
    }
    // Some texts the writer does not write as they are to be read. JSON is YAML, too, and escapes them all.
    let json =
        serde_json::to_string_pretty(definition).map_err(|error| fault(error.to_string()))?;
    let json = json.chars().fold(String::new(), |mut text, c| {
        if c == '\n' || !(c.is_control() || is_separator(c)) {
            text.push(c);
        } else {
            let escaped = format!("\\u{:04x}", u32::from(c));
            text.push_str(&escaped);
        }
        text
    });
    if is_read_as(&json, &document) {
        Ok(json + "\n")
    } else {
        Err(fault("it would not be read as it is".to_owned()))
    }
}

fn is_read_as(text: &str, document: &Value) -> bool {
    text.chars().all(|c| c == '\n' || !c.is_control())
        && parse(Path::new("definition.yaml"), text)
            .is_ok_and(|documents| documents == [document.clone()])
}

/// Whether YAML may take the character for the end of a line, or for the beginning of a file.
fn is_separator(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn endpoints(folder: &tempfile::TempDir) -> Result<Vec<String>, String> {
        load(
            &[folder.path().to_owned()],
            definition::endpoint,
            |endpoint| endpoint.name.to_string(),
        )
        .map(|found| {
            found
                .iter()
                .map(|located| located.definition.name.to_string())
                .collect()
        })
        .map_err(|error| {
            error
                .to_string()
                .replace(&folder.path().display().to_string(), "DIR")
        })
    }

    const ONE: &str = "name: a\nkind: zendesk\nverification: { scheme: zendesk }\n";

    #[test]
    fn folder_gives_the_definitions_of_all_its_files_in_order() {
        let two = format!("---\n{ONE}---\n{}---\n", ONE.replace("name: a", "name: b"));
        let json = r#"{"name": "c", "kind": "json", "verification": {"scheme": "bearer"}}"#;
        let folder = folder(&[
            ("2.json", json),
            ("1.yml", &two),
            ("README.md", "no"),
            ("3.yaml", &json.replace("\"c\"", "\"d\"")),
        ]);
        let found = endpoints(&folder);
        assert_eq!(found.unwrap(), ["a", "b", "c", "d"]);
    }

    #[test]
    fn every_problem_names_file_document_and_field() {
        let two =
            format!("{ONE}---\nname: B\nkind: zendesk\nverification: {{ scheme: zendesk }}\n");
        for (files, expected) in [
            (
                vec![("a.yaml", two.as_str())],
                vec!["DIR/a.yaml (document 2): name: `B` is not an endpoint name"],
            ),
            (
                vec![("a.yaml", ONE), ("b.yaml", ONE)],
                vec!["DIR/b.yaml: `a` is defined in DIR/a.yaml, too"],
            ),
            (
                vec![("a.yaml", "# nothing\n"), ("b.json", "{")],
                vec![
                    "2 problems",
                    "DIR/a.yaml: the file holds no definition",
                    "DIR/b.json: it is not JSON",
                ],
            ),
            (
                vec![("a.yaml", "name: a\nname: b\n")],
                vec!["DIR/a.yaml: it is not YAML", "line 2"],
            ),
            (vec![("a.txt", ONE)], vec!["DIR: the folder holds no"]),
            (
                vec![(
                    "a.yaml",
                    "name: a\nkind: fax\nverification: { scheme: bearer }\n",
                )],
                vec!["DIR/a.yaml: kind: ", "`fax`", "qualtrics"],
            ),
        ] {
            let error = endpoints(&folder(&files)).unwrap_err();
            for words in expected {
                assert!(error.contains(words), "{words} is not in:\n{error}");
            }
        }
    }

    #[test]
    fn missing_file_is_named() {
        let error = load(
            &[PathBuf::from("no/such.yaml")],
            definition::endpoint,
            |endpoint| endpoint.name.to_string(),
        )
        .unwrap_err();
        assert_eq!(error.to_string(), "no/such.yaml cannot be read");
    }

    #[test]
    fn words_and_numbers_of_yaml_keep_their_kind() {
        let text = "a: no\nb: 0049\nc: true\nd: 6\ne: 1_000\nf: '5'\ng: 2026-03-01\nh: ~\n";
        assert_eq!(
            parse(Path::new("a.yaml"), text).unwrap(),
            [json!({
                "a": "no", "b": "0049", "c": true, "d": 6, "e": "1_000", "f": "5", "g": "2026-03-01", "h": null
            })]
        );
    }

    fn read_again(document: &Value) -> Vec<Value> {
        let yaml = to_yaml(document).unwrap();
        parse(Path::new("a.yaml"), &yaml).unwrap_or_else(|error| panic!("{error}:\n{yaml}"))
    }

    #[test]
    fn odd_texts_are_written_as_they_are_read() {
        for text in [
            "",
            " ",
            "yes",
            "no",
            "on",
            "off",
            "true",
            "null",
            "~",
            "Null",
            "6",
            "0049",
            "1_000",
            "1e3",
            "0x1f",
            ".inf",
            "2026-03-01",
            "12:30",
            "-",
            "- a",
            "a: b",
            "a #b",
            "#",
            "'",
            "\"",
            "\\",
            "{{ event.data.x }}",
            "[a]",
            "{a: 1}",
            "&a",
            "*a",
            "!a",
            "|",
            ">",
            "%a",
            "@a",
            "`a`",
            "=",
            "<<",
            "a\nb",
            "a\n\nb\n",
            "\n",
            "\n\n",
            " a\n b",
            "a \nb",
            "\ta",
            "a\tb\n\tc",
            "a\r\nb",
            "a\rb",
            "\u{7}",
            "\u{7f}",
            "\u{85}",
            "\u{a0}",
            "\u{2028}a",
            "\u{feff}a",
            "é",
            "日本語",
            "🙂",
            "---",
            "...",
            "--- a\nb",
            "a\n---\nb",
            "line\n  indented\nback",
            "trailing \n",
            "? a",
            ": a",
            ", a",
        ] {
            for document in [
                json!({ "comment": text }),
                json!({ "list": [text, {"of": text}] }),
                json!({ "fields": { text: text } }),
            ] {
                assert_eq!(read_again(&document), [document]);
            }
        }
    }

    #[test]
    fn numbers_keep_their_kind_when_they_are_written() {
        let document = json!({
            "a": 0, "b": -1, "c": 1.5, "d": 1.0, "e": u64::MAX, "f": i64::MIN, "g": 1e300, "h": 1e-7, "i": true,
            "j": null, "k": [], "l": {}, "m": [[1], [{}]],
        });
        assert_eq!(read_again(&document), [document]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_written_as_it_is_read(text in proptest::prelude::any::<String>(), lines in "[ -#a-c:\n\t'\"]{0,24}") {
            let document = json!({"text": text, "lines": [lines.clone()], "input": {"comment": lines}});
            proptest::prop_assert_eq!(read_again(&document), [document]);
        }
    }
}
