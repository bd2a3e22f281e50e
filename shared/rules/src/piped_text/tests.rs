use proptest::prelude::*;
use serde_json::json;

use super::*;

fn sample_context() -> Value {
    json!({
        "event": {
            "id": "evt-1",
            "type": "survey.response",
            "data": {
                "score": 3,
                "half": 0.5,
                "precise": -2.152_811_772_293_612_6e-74,
                "vip": true,
                "comment": "  Too slow  ",
                "hostile": "{{ 7*7 }} <b>\"",
                "tags": ["late", "Rude"],
                "contact": {"name": "Ada", "phone": null},
                "nothing": null,
                "Key with space": "spaced",
            }
        },
        "tasks": {
            "incident": {"output": {"number": "INC001", "sys_id": "abc"}},
            "create-ticket": {"output": {"id": 42}}
        },
        "run": {"id": "run-9"}
    })
}

#[track_caller]
fn gives(template: &str, expected: Value) {
    let rendered = render_value(&json!(template), &sample_context());
    assert_eq!(rendered, Ok(expected), "{template}");
}

#[track_caller]
fn fails(template: &str, expected: &str) {
    let error = render_value(&json!({"field": template}), &sample_context()).unwrap_err();
    assert_eq!(error.to_string(), expected, "{template}");
}

#[test]
fn expression_alone_keeps_its_type() {
    gives("{{ event.data.score }}", json!(3));
    gives("{{event.data.score}}", json!(3));
    gives("{{- event.data.score -}}", json!(3));
    gives("{{ event.data.half }}", json!(0.5));
    gives(
        "{{ event.data.precise }}",
        json!(-2.152_811_772_293_612_6e-74),
    );
    gives("{{ event.data.vip }}", json!(true));
    gives("{{ event.data.score <= 6 }}", json!(true));
    gives("{{ event.data.tags }}", json!(["late", "Rude"]));
    gives(
        "{{ event.data.contact }}",
        json!({"name": "Ada", "phone": null}),
    );
    gives("{{ event.data.comment }}", json!("  Too slow  "));
    gives("{{ event.data.nothing }}", json!(""));
    gives(
        "{{ {'a': {'b': event.data.score}} }}",
        json!({"a": {"b": 3}}),
    );
    gives("{{ '}}' }}", json!("}}"));
}

#[test]
fn other_templates_give_text() {
    gives("Score {{ event.data.score }}", json!("Score 3"));
    gives(" {{ event.data.score }}", json!(" 3"));
    gives("{{ event.data.score }}\n", json!("3\n"));
    gives("{{ event.data.score }}{{ event.data.half }}", json!("30.5"));
    gives("{# why #}{{ event.data.score }}", json!("3"));
    gives("{% raw %}{{ x }}{% endraw %}", json!("{{ x }}"));
    gives("vip: {{ event.data.vip }}", json!("vip: true"));
    gives("{{ event.data.tags }}!", json!("[\"late\",\"Rude\"]!"));
    gives(
        "{{ event.data.contact }}!",
        json!("{\"name\":\"Ada\",\"phone\":null}!"),
    );
    gives(
        "{% for tag in event.data.tags %}{{ loop.index }}{{ tag|upper }} {% endfor %}",
        json!("1LATE 2RUDE "),
    );
    gives(
        "{% if event.data.score <= 6 %}low{% else %}high{% endif %}",
        json!("low"),
    );
    gives("{{ event.data[\"Key with space\"] }}.", json!("spaced."));
    gives(
        "{{ tasks.incident.output.number }}/{{ tasks[\"create-ticket\"].output.id }}/{{ run.id }}",
        json!("INC001/42/run-9"),
    );
}

#[test]
fn missing_values_are_nothing() {
    gives("a{{ event.data.absent }}b", json!("ab"));
    gives("a{{ event.data.absent.deeper[3].x }}b", json!("ab"));
    gives("a{{ event.data.nothing }}b", json!("ab"));
    gives("a{{ nonsense.x }}b", json!("ab"));
    gives("{{ event.data.absent }}", json!(""));
    gives("{{ event.data.nothing.x }}", json!(""));
    gives("{{ tasks.later.output.id }}", json!(""));
    gives("{{ event.data.absent | default('none') }}", json!("none"));
    gives("{{ event.data.nothing | default('none') }}", json!("none"));
    gives("{% for x in event.data.absent %}x{% endfor %}.", json!("."));
    gives(
        "{% if event.data.nothing is defined %}x{% endif %}.",
        json!("."),
    );
}

#[test]
fn filters_pass_missing_values_on() {
    for filter in [
        "abs",
        "attr('x')",
        "bool",
        "capitalize",
        "dictsort",
        "e",
        "escape",
        "first",
        "float",
        "int",
        "items",
        "join(', ')",
        "last",
        "lines",
        "lower",
        "replace('a', 'b')",
        "round(1)",
        "split(',')",
        "string",
        "sum",
        "title",
        "trim",
        "upper",
        "urlencode",
        "truncate(3)",
        "min",
        "max",
        "reverse",
        "upper | trim | first",
    ] {
        gives(
            &format!("{{{{ event.data.absent | {filter} }}}}"),
            json!(""),
        );
        gives(
            &format!("a{{{{ event.data.nothing | {filter} }}}}"),
            json!("a"),
        );
    }
    for filter in ["length", "count"] {
        gives(&format!("{{{{ event.data.absent | {filter} }}}}"), json!(0));
    }
    for filter in [
        "sort",
        "list",
        "unique",
        "map('upper')",
        "select",
        "reject",
        "selectattr('x')",
    ] {
        gives(
            &format!("{{{{ event.data.absent | {filter} }}}}"),
            json!([]),
        );
    }
    gives("{{ event.data.absent | tojson }}", json!("null"));
}

#[test]
fn filters_work() {
    gives("{{ event.data.tags | join(', ') }}", json!("late, Rude"));
    gives("{{ event.data.comment | trim | upper }}", json!("TOO SLOW"));
    gives(
        "{{ event.data.comment | trim | replace('Too', 'Very') }}",
        json!("Very slow"),
    );
    gives("{{ event.data.tags | length }}", json!(2));
    gives("{{ event.data.tags | first }}", json!("late"));
    gives("{{ event.data.tags | last }}", json!("Rude"));
    gives("{{ 2.567 | round(1) }}", json!(2.6));
    gives("{{ '12' | int + 1 }}", json!(13));
    gives("{{ '1.5' | float }}", json!(1.5));
    gives(
        "{{ event.data.tags | tojson }}",
        json!("[\"late\", \"Rude\"]"),
    );
    gives("{{ 'Straße und Weg' | truncate(7) }}", json!("Straße…"));
    gives("{{ 'Straße' | truncate(6) }}", json!("Straße"));
    gives("{{ 'Straße' | truncate(0) }}", json!(""));
    gives(
        "{{ event.data.hostile | escape }}",
        json!("{{ 7*7 }} &lt;b&gt;&quot;"),
    );
    gives("{{ 'a b&c' | urlencode }}", json!("a%20b%26c"));
    gives(
        "{{ event.data.tags | map('upper') | list }}",
        json!(["LATE", "RUDE"]),
    );
    gives("{{ event.data.vip | string }}", json!("True"));
}

#[test]
fn what_is_filled_in_is_neither_expanded_nor_escaped() {
    gives("{{ event.data.hostile }}", json!("{{ 7*7 }} <b>\""));
    gives("> {{ event.data.hostile }}", json!("> {{ 7*7 }} <b>\""));
    gives(
        "{% set again = event.data.hostile %}> {{ again }}",
        json!("> {{ 7*7 }} <b>\""),
    );
}

#[test]
fn only_strings_that_are_templates_change() {
    let input = json!({
        "{{ event.id }}": "{{ event.id }}",
        "plain": "a { b } {# c",
        "number": 1,
        "nothing": null,
        "list": [true, "{{ event.data.score }}", {"deep": "x{{ run.id }}"}]
    });
    let expected = json!({
        "{{ event.id }}": "evt-1",
        "plain": "a { b } {# c",
        "number": 1,
        "nothing": null,
        "list": [true, 3, {"deep": "xrun-9"}]
    });
    assert_eq!(render_value(&input, &sample_context()), Ok(expected));
    assert!(is_template("a {{ b }}"));
    assert!(is_template("{% if a %}"));
    assert!(!is_template("a } { %} b"));
}

#[test]
fn malformed_templates_are_refused() {
    for (template, expected) in [
        (
            "{{ a",
            "line 1: unexpected end of input, expected end of variable block, in \"{{ a\"",
        ),
        (
            "fine\n then {{ a b }}",
            "line 2: unexpected identifier, expected end of variable block, in \"then {{ a b }}\"",
        ),
        (
            "{{ }}",
            "line 1: unexpected end of variable block, in \"{{ }}\"",
        ),
        (
            "{% raw %}",
            "line 1: unexpected end of raw block, in \"{% raw %}\"",
        ),
        ("a\n{{ a | nosuch }}", "line 2: there is no filter `nosuch`"),
        (
            "{% filter nosuch %}{% endfilter %}",
            "line 1: there is no filter `nosuch`",
        ),
        (
            "{{ '%10d' | format(1) }}",
            "line 1: there is no filter `format`",
        ),
        (
            "{% if 0 %}{{ a is not nosuch }}{% endif %}",
            "line 1: there is no test `nosuch`",
        ),
    ] {
        assert_eq!(
            Template::parse(template).unwrap_err().to_string(),
            expected,
            "{template}"
        );
    }
}

#[test]
fn templates_stand_for_themselves() {
    for (statement, rest) in [
        ("include", "'x' %}"),
        ("extends", "'x' %}"),
        ("import", "'x' as y %}"),
        ("from", "'x' import y %}"),
        ("block", "x %}{% endblock %}"),
        ("macro", "x() %}{% endmacro %}"),
        ("call", "x() %}{% endcall %}"),
    ] {
        let error = Template::parse(&format!("{{% {statement} {rest}")).unwrap_err();
        let expected = format!("line 1: unknown statement {statement}, in ");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}

#[test]
fn failures_name_the_leaf_and_quote_no_value() {
    fails(
        "{{ event.data.comment + 1 }}",
        "field: line 1: an expression failed with the values that were given: invalid operation",
    );
    fails(
        "\n{{ event.data.tags | map(event.data.comment) | list }}",
        "field: line 2: an expression failed with the values that were given: unknown filter",
    );
    fails(
        "{{ debug() }}",
        "field: line 1: an expression failed with the values that were given: unknown function",
    );
    fails(
        "{{ event.data.absent + 1 }}",
        "field: line 1: an expression failed with the values that were given: invalid operation",
    );
    for (input, path) in [
        (json!("{{"), ""),
        (json!({"fields": {"u_score": "{{"}}), "fields.u_score"),
        (
            json!({"comments": [{"body": "fine"}, {"body": "{{"}]}),
            "comments[1].body",
        ),
        (json!([[1, "{{"]]), "[0][1]"),
        (json!({"a.b": {"c": "{{"}}), "[\"a.b\"].c"),
    ] {
        let error = render_value(&input, &sample_context()).unwrap_err();
        assert_eq!(error.path, path);
        assert!(matches!(
            error.problem,
            RenderProblem::Template(Error::Syntax { .. })
        ));
        assert_eq!(references_in_value(&input).unwrap_err(), error);
    }
}

#[test]
fn time_and_output_are_bounded() {
    let many_steps =
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    fails(
        many_steps,
        "field: the template takes more than 50000 steps; loop over less",
    );
    fails(
        "{{ range(100000000) | list }}",
        "field: line 1: an expression failed with the values that were given: invalid operation",
    );
    let too_large = "field: the templates give more than 262144 bytes of text";
    fails("{{ 'x' * 262143 }}", too_large);
    fails(".{{ 'x' * 262144 }}", too_large);
    gives(
        ".{{ 'x' * 262143 }}",
        json!(format!(".{}", "x".repeat(262_143))),
    );
    let shared = json!(["{{ 'x' * 200000 }}", "{{ 'x' * 200000 }}"]);
    let error = render_value(&shared, &sample_context()).unwrap_err();
    assert_eq!(
        (error.path.as_str(), error.problem),
        ("[1]", RenderProblem::OutputTooLarge)
    );
}

#[test]
fn template_size_is_bounded() {
    let bytes = MAX_TEMPLATE_BYTES + 1;
    assert_eq!(
        Template::parse(&"x".repeat(bytes)),
        Err(Error::TooLong { bytes })
    );
    assert!(Template::parse(&"x".repeat(MAX_TEMPLATE_BYTES)).is_ok());
    let tags = MAX_TAGS + 1;
    assert_eq!(
        Template::parse(&"{{a}}".repeat(tags)),
        Err(Error::TooManyTags { tags })
    );
    assert!(Template::parse(&"{{a}}".repeat(MAX_TAGS)).is_ok());
}

/// The engine parses, compiles and drops such chains recursively.
#[test]
fn long_chains_do_not_overflow_the_stack() {
    for unit in [
        ".a",
        "|upper",
        "~a",
        "+a",
        "[0]",
        "(0)",
        " is defined",
        " if a else a",
        " and a",
        "<a",
    ] {
        let endless = format!(
            "\n{{{{ a{} }}}}",
            unit.repeat(MAX_TEMPLATE_BYTES / unit.len() - 4)
        );
        let error = Template::parse(&endless).unwrap_err();
        assert!(
            matches!(error, Error::TagTooLong { line: 2, .. }),
            "{unit}: {error}"
        );
        let allowed = format!("{{{{ a{} }}}}", unit.repeat(MAX_TAG_TOKENS / 5));
        assert!(Template::parse(&allowed).is_ok(), "{unit}");
    }
    for (open, close) in [
        ("{{ (", "a) }}"),
        ("{% if 1 %}", "{% endif %}"),
        ("{% for x in [1] %}", "{% endfor %}"),
        ("{% set x %}", "{% endset %}"),
        ("{% filter upper %}", "{% endfilter %}"),
    ] {
        let nested = |times: usize| format!("{}{}", open.repeat(times), close.repeat(times));
        assert!(Template::parse(&nested(249)).is_err(), "{open}");
    }
    let deep = format!("{}a{}", "{% if 1 %}".repeat(140), "{% endif %}".repeat(140));
    gives(&deep, json!("a"));
    let chain = format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(498));
    gives(&chain, json!(""));
}

#[test]
fn deep_values_are_refused() {
    let deep = |depth: usize| (0..depth).fold(json!("{{ event.id }}"), |inner, _| json!([inner]));
    assert!(render_value(&deep(MAX_VALUE_DEPTH), &sample_context()).is_ok());
    let error = render_value(&deep(MAX_VALUE_DEPTH + 1), &sample_context()).unwrap_err();
    assert_eq!(error.problem, RenderProblem::TooDeep);
    let error = render_value(&json!("{{ a }}"), &deep(MAX_VALUE_DEPTH + 1)).unwrap_err();
    assert_eq!(error.problem, RenderProblem::TooDeep);
}

#[test]
fn references_name_every_task() {
    for (text, expected) in [
        ("no template, tasks.x", &[][..]),
        ("tasks.x {{ event.id }} {# {{ tasks.y }} #}", &[]),
        ("{{ tasks.incident.output.number }}", &["incident"]),
        ("{{ tasks . incident }}", &["incident"]),
        (
            "{{ tasks[\"create-ticket\"].output.id }}",
            &["create-ticket"],
        ),
        ("{{ tasks['b'] }} {{ tasks.a ~ tasks.b.x }}", &["a", "b"]),
        ("{% if 0 %}{{ tasks.hidden }}{% endif %}", &["hidden"]),
        (
            "{% if tasks.a %}{% for x in tasks.b %}{% set y = tasks.c %}{% endfor %}{% endif %}",
            &["a", "b", "c"],
        ),
        ("{{ event.data | default(tasks.a.output) }}", &["a"]),
        ("{{ event[tasks.a] }}", &["a"]),
        ("{{ [1,tasks.a][1] }}{{ {'x':tasks.b} }}", &["a", "b"]),
        (
            "{{ event.tasks.x }} {{ 'tasks.y' }} {{ event['tasks'] }} {{ \"\\\"tasks.z\" }}",
            &[],
        ),
        ("{% raw %}{{ tasks.x }}{% endraw %}{{ tasks.y }}", &["y"]),
        (
            "{%- raw -%}{{ tasks.x }}{%- endraw -%}{{ tasks.y }}",
            &["y"],
        ),
        (
            "{# {{ #}{{ tasks.x }}{{ '}} {#' }}{{ tasks.y }}",
            &["x", "y"],
        ),
        ("{{ {'a': {'b': 1}} }}{{ tasks.x }}", &["x"]),
        ("{{{'a': 1}}}{{ tasks.x }}", &["x"]),
        ("{{- tasks.x -}}", &["x"]),
    ] {
        assert_eq!(references(text).unwrap(), expected, "{text}");
    }
    let value = json!({"a": "{{ tasks.b.x }}", "c": ["{{ tasks.a }}", 1, "{{ tasks.b }}"]});
    assert_eq!(references_in_value(&value).unwrap(), ["a", "b"]);
    assert_eq!(
        Template::parse("{{ tasks.a }}").unwrap().references(),
        ["a"]
    );
}

#[test]
fn tasks_without_an_id_are_refused() {
    for template in [
        "{{ tasks }}",
        "{{ tasks | length }}",
        "{{ tasks[event.id] }}",
        "{{ tasks['a' ~ 'b'] }}",
        "{{ tasks['a\\x62'] }}",
        "{{ (tasks).a }}",
        "{% for task in tasks %}{% endfor %}",
        "{% set tasks = 1 %}",
        "{% with t = tasks %}{{ t.a }}{% endwith %}",
    ] {
        assert_eq!(
            Template::parse(template),
            Err(Error::TaskNotNamed { line: 1 }),
            "{template}"
        );
    }
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in r#"(\{\{|\}\}|\{%|%\}|\{#|#\}|raw|endraw|if|endif|tasks|\.|a|\||is|'|"|\\|\[|\]|\{|\}|-| |\n|ß){0,40}"#) {
        if let Ok(template) = Template::parse(&text) {
            // Whatever it does, it ends.
            let _: Result<Value, RenderProblem> = template.render(&sample_context());
        }
    }

    /// The engine's own reading of the template agrees with ours, where it can tell.
    #[test]
    fn no_reference_is_overlooked(text in r#"(\{\{ |\}\}| \}\}|\{% if |\{% endif %\}|\{% raw %\}|\{% endraw %\}|%\}|\{#|#\}|tasks\.a|tasks\.b|tasks\['c'\]|1|\.x| ~ |'|"|\{|\}|-){0,16}"#) {
        if let Ok(template) = Template::parse(&text) {
            let environment = minijinja::Environment::new();
            let seen = environment.template_from_str(&text).unwrap().undeclared_variables(true);
            for id in ["a", "b"] {
                let named = seen.iter().any(|name| {
                    name.strip_prefix("tasks.").and_then(|rest| rest.split('.').next()) == Some(id)
                });
                let listed = template.references().iter().any(|reference| reference == id);
                prop_assert!(!named || listed, "{}", id);
            }
            prop_assert!(!seen.contains("tasks") || !template.references().is_empty());
        }
    }

    #[test]
    fn values_stay_as_they_are(hostile in r#"(\{\{|\}\}|\{%|%\}|\{#|7\*7|a| |<|")*"#) {
        let context = json!({"event": {"data": hostile}});
        let alone = render_value(&json!("{{ event.data }}"), &context).unwrap();
        prop_assert_eq!(alone, json!(hostile));
        let within = render_value(&json!("> {{ event.data }}"), &context).unwrap();
        prop_assert_eq!(within, json!(format!("> {hostile}")));
    }
}
