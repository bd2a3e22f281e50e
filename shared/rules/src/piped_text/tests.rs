use proptest::prelude::*;
use serde_json::json;

use super::*;

fn plain(_: &str) -> Destination {
    Destination::Plain
}

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
    let rendered = render_value(&json!(template), &sample_context(), &plain);
    assert_eq!(rendered, Ok(expected), "{template}");
}

#[track_caller]
fn fails(template: &str, expected: &str) {
    let error = render_value(&json!({"field": template}), &sample_context(), &plain).unwrap_err();
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
    assert_eq!(
        render_value(&input, &sample_context(), &plain),
        Ok(expected)
    );
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
            Template::parse(template, Destination::Plain)
                .unwrap_err()
                .to_string(),
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
        let error =
            Template::parse(&format!("{{% {statement} {rest}"), Destination::Plain).unwrap_err();
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
        let error = render_value(&input, &sample_context(), &plain).unwrap_err();
        assert_eq!(error.path, path);
        assert!(matches!(
            error.problem,
            RenderProblem::Template(Error::Syntax { .. })
        ));
        assert_eq!(references_in_value(&input, &plain).unwrap_err(), error);
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
    let context = |bytes: usize| json!({"event": "x".repeat(bytes)});
    let render = |template: &str, bytes: usize| {
        render_value(&json!(template), &context(bytes), &plain).map_err(|error| error.problem)
    };
    let largest = MAX_OUTPUT_BYTES;
    assert_eq!(
        render("{{ event }}", largest - 1),
        Err(RenderProblem::OutputTooLarge)
    );
    assert!(render("{{ event }}", largest - 2).is_ok());
    assert_eq!(
        render(".{{ event }}", largest),
        Err(RenderProblem::OutputTooLarge)
    );
    assert_eq!(
        render(".{{ event }}", largest - 1),
        Ok(json!(format!(".{}", "x".repeat(largest - 1))))
    );
    let shared = json!(["{{ event }}", "{{ event }}"]);
    let error = render_value(&shared, &context(200_000), &plain).unwrap_err();
    assert_eq!(
        (error.path.as_str(), error.problem),
        ("[1]", RenderProblem::OutputTooLarge)
    );
}

/// Texts that grow by themselves: each is refused, and none takes noticeable time or memory.
#[test]
fn bombs_are_refused() {
    let large = "the template makes values of more than 16777216 bytes together";
    let value = "a value has more than 524288 bytes";
    let multiply = "only numbers can be multiplied";
    let context =
        json!({"event": {"data": {"text": "x".repeat(100_000), "n": 100_000_000, "list": [1, 2]}}});
    let times = |count: usize, what: &str| what.repeat(count);
    for (template, expected) in [
        ("{{ event.data.text * event.data.n }}".to_owned(), multiply),
        ("{{ event.data.n * event.data.text }}".to_owned(), multiply),
        ("{{ 2 * event.data.n * event.data.list|first * event.data.text }}".to_owned(), multiply),
        ("{{ (2 * event.data.n) * (event.data.text|upper)|lower }}".to_owned(), multiply),
        ("{{ 2 * -1.5e+3 * [1][0] * event.data['text'] }}".to_owned(), multiply),
        ("{{ event.data.list * 1000000 }}".to_owned(), multiply),
        ("{{ [event.data.text] * 1000 }}".to_owned(), multiply),
        ("{{ 'x' ~ 'y' * event.data.n }}".to_owned(), multiply),
        ("{% set x = event.data.text %}".to_owned() + &times(40, "{% set x = x ~ x %}"), value),
        ("{% set x = event.data.text %}".to_owned() + &times(40, "{% set x = x + x %}"), value),
        ("{% set x = event.data.text %}".to_owned() + &times(40, "{% set x = [x, x] %}"), value),
        ("{% set x = 1 %}".to_owned() + &times(400, "{% set x = [x, x] %}"), value),
        ("{% set x = 1 %}".to_owned() + &times(400, "{% set x = {'a': x, 'b': x} %}"), value),
        ("{% set x = 1 %}".to_owned() + &times(400, "{% set x = [[[[[[[[x]]]]]]]] %}"), value),
        ("{% set x = [1] %}".to_owned() + &times(400, "{% set x = x + x %}"), value),
        (times(90, "{% with x = [x, x] %}") + &times(90, "{% endwith %}"), value),
        (
            "{% set x = event.data.text %}".to_owned()
                + &times(40, "{% for x in [x ~ x] %}")
                + &times(40, "{% endfor %}"),
            value,
        ),
        (
            "{% set x = event.data.text %}".to_owned()
                + &times(20, "{% set x = x | replace('x', 'xx') %}"),
            value,
        ),
        ("{{ event.data.text | replace('', 'xxxxxxxxxx') }}".to_owned(), value),
        ("{{ event.data.text | replace('x', event.data.text) }}".to_owned(), value),
        ("{{ range(90000) | join('xxxxxxxxxx') }}".to_owned(), value),
        ("{{ event.data.text | list | join('xxxxxxxxxx') }}".to_owned(), value),
        ("{% set x = [event.data.text, event.data.text, event.data.text, event.data.text, event.data.text, event.data.text] %}".to_owned(), value),
        (
            "{% set x = event.data.text %}".to_owned() + &times(300, "{% set y = x ~ '.' %}"),
            large,
        ),
        (
            "{% for a in range(5000) %}{% set y = event.data.text ~ a %}{% endfor %}".to_owned(),
            large,
        ),
        (
            "{% for a in range(5000) %}{% if event.data.text|upper == 'x' %}{% endif %}{% endfor %}".to_owned(),
            large,
        ),
        (
            "{% set x %}".to_owned() + &times(300, "{{ event.data.text }}") + "{% endset %}",
            large,
        ),
        ("{{ {'a': 1} | tojson(indent=100000000) }}".to_owned(), "indents by at most 8 spaces"),
        (
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}".to_owned(),
            "more than 50000 steps",
        ),
        (
            "{% set x %}{% for a in range(9999) %}long{% endfor %}{% endset %}".to_owned(),
            "a template may not have a loop inside `{% set name %}`",
        ),
        (
            "{% filter upper %}{% if 1 %}{% for a in [1] %}{% endfor %}{% endif %}{% endfilter %}".to_owned(),
            "a template may not have a loop inside `{% set name %}`",
        ),
        (
            "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}".to_owned(),
            "a template may not have `recursive`",
        ),
        (
            format!("{{{{ a{} }}}}", times(31, " ~ a")),
            "a tag has 31 of the signs `~` and `+`; at most 30 are allowed",
        ),
        (
            times(501, "${q://QID1}"),
            "the template has 501 tags; at most 500 are allowed",
        ),
        (
            times(20, "${e://Field/text}"),
            "the templates give more than 262144 bytes of text",
        ),
    ] {
        let begun = std::time::Instant::now();
        let error = render_value(&json!(template), &context, &plain).unwrap_err().to_string();
        let shown: String = template.chars().take(100).collect();
        assert!(error.contains(expected), "{shown}: {error}");
        assert!(begun.elapsed().as_secs() < 10, "{shown}");
    }
}

/// What is written into a template to hold its values changes none that is small.
#[test]
fn guards_change_no_result() {
    for (template, expected) in [
        ("{{ 2 * 3 + 4 * -5 }}", json!(-14)),
        ("{{ 2*3**2 }}", json!(18)),
        ("{{ 1.5e+2 * 2 }}", json!(300.0)),
        ("{{ 2 * event.data.score|float * 2 }}", json!(12.0)),
        ("{{ 2 * 'abc'|length }}", json!(6)),
        ("{{ 'x' ~ 2 * 3 ~ 'y' }}", json!("x6y")),
        ("{{ 7 * (1, 2)[1] // 2 % 4 }}", json!(3)),
        ("{{ [1, 2][1] }}", json!(2)),
        ("{{ {'a': [1, {'b': 2}]}.a[1]['b'] }}", json!(2)),
        ("{{ 1 in [1, 2] and not 3 in [1, 2] }}", json!(true)),
        ("{{ 1 is in [1, 2] }}", json!(true)),
        ("{{ (1 if 0 else [2])[0] }}", json!(2)),
        ("{{ 'abc'[0:2] }}", json!("ab")),
        ("{{ [1, 2, 3][1:] }}", json!([2, 3])),
        ("{{ ['b', 'a']|sort|join('*') }}", json!("a*b")),
        ("{{ dict(a=[1])['a'] }}", json!([1])),
        ("{{ 'a' + 'b' }}", json!("ab")),
        ("{{ [1] + [2] }}", json!([1, 2])),
        ("{%set x=[1,2]%}{{x[1]}}", json!("2")),
        ("{% set x, y = 1, [2] %}{{ y[0] }}{{ x }}", json!("21")),
        ("{% set x = (1, 2) -%}  {{ x[1] }}", json!("2")),
        (
            "{% set x = 3 if event.data.score == 3 else 4 %}{{ x }}",
            json!("3"),
        ),
        ("{%with a=1,b=[2,3]%}{{a}}{{b[1]}}{%endwith%}", json!("13")),
        ("{% for x in[1,2]if x > 1 %}{{ x }}{% endfor %}", json!("2")),
        (
            "{% for (a, b) in [(1, 2)] %}{{ b }}{% endfor %}",
            json!("2"),
        ),
        (
            "{% for k, v in {'a': 1}|items %}{{ k }}{{ v }}{% endfor %}",
            json!("a1"),
        ),
        (
            "{% for x in range(3) if x * 2 > 1 %}{{ loop.index * 2 }}{% else %}-{% endfor %}",
            json!("24"),
        ),
        ("{% set x %}a{{ 1 }}{% endset %}{{ x|upper }}", json!("A1")),
        ("{% filter upper %}a{{ 'b' }}{% endfilter %}", json!("AB")),
        ("{{ event.data.if }}{{ {'in': 1}.in }}.", json!("1.")),
    ] {
        gives(template, expected);
    }
}

#[test]
fn lists_of_people_and_topics_are_written() {
    let context = json!({"event": {"data": {"topics": [
        {"name": "Price", "sentiment": -1}, {"name": "Staff", "sentiment": 2}, {"name": "Wait", "sentiment": -2}, {"name": null, "sentiment": 0}
    ]}}});
    for (template, expected) in [
        (
            "{{ event.data.topics | map(attribute='name') | join(', ') }}",
            json!("Price, Staff, Wait, "),
        ),
        (
            "{{ event.data.topics | selectattr('name') | map(attribute='name') | join(', ') }}",
            json!("Price, Staff, Wait"),
        ),
        (
            "{{ event.data.topics | selectattr('sentiment', 'lt', 0) | map(attribute='name') | join(' and ') }}",
            json!("Price and Wait"),
        ),
        (
            "{{ event.data.topics | map(attribute='name', default='?') | list }}",
            json!(["Price", "Staff", "Wait", "?"]),
        ),
        (
            "{{ event.data.topics | map(attribute='name') | map('upper') | first }}",
            json!("PRICE"),
        ),
        (
            "{{ event.data.topics | sum(attribute='sentiment') }}",
            json!(-1),
        ),
        (
            "{{ (event.data.topics | sort(attribute='sentiment', reverse=true) | first).name }}",
            json!("Staff"),
        ),
        (
            "{% for t in event.data.topics if t.name %}{{ t.name }}{{ ', ' if not loop.last }}{% endfor %}",
            json!("Price, Staff, Wait"),
        ),
        (
            "{{ event.data.topics | map(attribute='none') | join }}",
            json!(""),
        ),
    ] {
        let rendered = render_value(&json!(template), &context, &plain);
        assert_eq!(rendered, Ok(expected), "{template}");
    }
}

fn piped_context() -> Value {
    json!({
        "event": {"data": {
            "responseId": "R_1",
            "values": {
                "QID1": 9, "QID2": ["2", "4"], "QID3_TEXT": "Too slow", "plan": "gold", "vip": true,
                "hostile": "${q://QID1} {{ 7*7 }} {% raw %} ~{ch://a/$.n} $%7Bq://QID1%7D <b>\"",
                "When": "2026-03-29T00:30:00Z"
            },
            "labels": {"QID2": ["<b>Price</b>", "Speed & care"]},
            "order": {"id": 7}
        }},
        "tasks": {"a": {"output": {"n": 5, "list": [{"x": "deep"}], "a b": "spaced",
            "hostile": "${e://Field/plan}{{ 1 }}"}}},
        "run": {"id": "run-1"}, "now": "2026-03-01T23:05:09Z", "timezone": "Europe/Paris"
    })
}

#[track_caller]
fn pipes_give(template: &str, expected: Value) {
    let rendered = render_value(&json!(template), &piped_context(), &plain);
    assert_eq!(rendered, Ok(expected), "{template}");
}

#[test]
fn pipes_are_filled_in() {
    for (template, expected) in [
        ("Plan: ${e://Field/plan}!", json!("Plan: gold!")),
        (
            "${q://QID2/ChoiceGroup/SelectedChoices}.",
            json!("Price, Speed & care."),
        ),
        ("${q://QID2/SelectedChoicesRecode}.", json!("2, 4.")),
        ("~{aedj://order}.", json!("{\"id\":7}.")),
        ("~{aedj://order.id}.", json!("7.")),
        ("a~{ch://a/$.n}b", json!("a5b")),
        ("~{ch://a/$[\"a b\"]}.", json!("spaced.")),
        ("~{ch://a/$.list[0].x}.", json!("deep.")),
        ("~{ch://a/$.list}.", json!("[{\"x\":\"deep\"}].")),
        (
            "https://x/?p=$%7Be%3A%2F%2FField%2Fplan%7D&q=$%7be://Field/plan%7d",
            json!("https://x/?p=gold&q=gold"),
        ),
        ("${date://CurrentDate/Y-m-d}.", json!("2026-03-02.")),
        ("$%7Bdate://CurrentDate/m%2Fd%2FY%7D.", json!("03/02/2026.")),
        ("${date://OtherDate/Y-m-d/-7 day}.", json!("2026-02-23.")),
        // Empty where nothing is known.
        (
            "a${e://Field/none}b~{ch://a/$.none}c~{ch://later/$.x}d~{aedj://none}e",
            json!("abcde"),
        ),
        ("${e://Field/none}", json!("")),
        // Alone: the type stays.
        ("${q://QID1}", json!(9)),
        ("${q://QID2/SelectedChoicesRecode}", json!(["2", "4"])),
        ("~{ch://a/$.n}", json!(5)),
        ("~{ch://a/$.list}", json!([{"x": "deep"}])),
        ("${e://Field/vip}", json!(true)),
        (" ${q://QID1}", json!(" 9")),
        // Beside tags, in blocks, behind braces.
        ("${e://Field/plan}{{ run.id }}", json!("goldrun-1")),
        ("{% if run.id %}${e://Field/plan}{% endif %}", json!("gold")),
        (
            "{% for i in [1, 2] %}${q://QID1}{{ i }} {% endfor %}",
            json!("91 92 "),
        ),
        (
            "{\"a\":{${e://Field/plan}}}{{ '' }}",
            json!("{\"a\":{gold}}"),
        ),
        ("{ ${e://Field/plan} }", json!("{ gold }")),
        // Not within tags, comments and raw text.
        ("{{ '${e://Field/plan}' }}", json!("${e://Field/plan}")),
        (
            "{# ${foo://x} #}{% raw %}${foo://x}~{ch://a/$.n}{% endraw %}",
            json!("${foo://x}~{ch://a/$.n}"),
        ),
        // What is none stays.
        (
            "${number} ${VAR:-http://x} $x $ ~ ~{x} ${} %7B ${url}/a://b ${s3://x}",
            json!("${number} ${VAR:-http://x} $x $ ~ ~{x} ${} %7B ${url}/a://b ${s3://x}"),
        ),
        (
            "${l://SurveyLink?d=Take it} ${e://Field/plan}",
            json!("${l://SurveyLink?d=Take it} gold"),
        ),
        ("${l://SurveyURL}", json!("${l://SurveyURL}")),
        ("${{ run.id }}", json!("$run-1")),
    ] {
        pipes_give(template, expected);
    }
}

#[test]
fn pipes_that_cannot_be_read_are_refused() {
    for (template, expected) in [
        (
            "a\n${foo://x}",
            "line 2: ${foo://x}: there is no such scheme; known are q:// e:// m:// rm:// rd:// gr:// loc:// lm:// l:// date:// rand:// aedj:// ch://. To write it literally, put it between {% raw %} and {% endraw %}",
        ),
        ("${https://example.com}", "there is no such scheme"),
        ("~{foo://x}", "there is no such scheme"),
        ("$%7Bfoo%3A%2F%2Fx%7D", "there is no such scheme"),
        (
            "${q://QID1",
            "line 1: a pipe ends with `}` in the line in which it begins: ${q://QID1",
        ),
        ("${q://QID1\n}", "a pipe ends with `}`"),
        ("$%7Bq://QID1}", "a pipe ends with `}`"),
        (
            "${e://Field/${e://Field/plan}}",
            "a pipe may not contain another: ${e://Field/${e://Field/plan}",
        ),
        ("${e://Field/{{ x }}}", "a pipe may not contain another"),
        (
            "${q://QID1/Nonsense}",
            "line 1: `q://QID1/Nonsense` asks for `Nonsense` of an answer",
        ),
        ("${date://CurrentDate/DS}", "PHP's codes"),
        (
            "~{ch://a}",
            "the output of a task is written ~{ch://TASK/$.name}",
        ),
        ("~{ch://a/$..x}", "the output of a task is written"),
        ("~{ch:///$.x}", "the output of a task is written"),
    ] {
        let error = references(template, Destination::Plain)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{template}: {error}");
    }
}

#[test]
fn only_what_is_piped_is_a_template() {
    let pattern = regex::Regex::new(PATTERN).unwrap();
    for (text, expected) in [
        ("${q://QID1}", true),
        ("a ~{ch://a/$.b}", true),
        ("$%7Bq%3A%2F%2FQID1%7D", true),
        ("$%7bq:%2F/QID1%7D", true),
        ("${foo://x}", true),
        ("${q://QID1", true),
        ("{{ a }}", true),
        ("{% a %}", true),
        ("${number}", false),
        ("${VAR:-http://x}", false),
        ("$5 ~ {x} https://a", false),
        ("$%7Bnumber%7D", false),
    ] {
        assert_eq!(is_template(text), expected, "{text}");
        assert_eq!(pattern.is_match(text), expected, "{text}");
    }
    assert!(!is_template("${l://SurveyURL} only"));
    assert!(!is_template("ß$%7ß%7"));
}

#[test]
fn what_pipes_fill_in_is_never_expanded() {
    let hostile = piped_context()["event"]["data"]["values"]["hostile"].clone();
    let text = hostile.as_str().unwrap().to_owned();
    pipes_give("${e://Field/hostile}", hostile.clone());
    pipes_give("~{aedj://hostile}", hostile.clone());
    pipes_give("{{ event.data.values.hostile }}", hostile);
    for pipe in [
        "${e://Field/hostile}",
        "$%7Be://Field/hostile%7D",
        "{{ event['data']['values'].hostile }}",
    ] {
        pipes_give(&format!("> {pipe}"), json!(format!("> {text}")));
        // What is beside it makes no pipe of it either.
        pipes_give(&format!("${{e://Field/{{}}{pipe}"), json!(text));
        pipes_give(&format!("{{ {pipe} }}"), json!(format!("{{ {text} }}")));
    }
    pipes_give("~{ch://a/$.hostile}", json!("${e://Field/plan}{{ 1 }}"));
    pipes_give(".~{ch://a/$.hostile}", json!(".${e://Field/plan}{{ 1 }}"));
    pipes_give(
        "{{ tasks.a.output.hostile }}",
        json!("${e://Field/plan}{{ 1 }}"),
    );
}

#[test]
fn random_numbers_belong_to_run_and_place() {
    let input = json!({"a": ["${rand://int/1:1000000}", "${rand://int/1:1000000}"], "b": "${rand://int/1:1000000} ${rand://int/1:1000000}"});
    let context = piped_context();
    let first = render_value(&input, &context, &plain).unwrap();
    assert_eq!(render_value(&input, &context, &plain).unwrap(), first);
    assert!(first["a"][0].is_i64());
    assert_ne!(first["a"][0], first["a"][1]);
    let (one, other) = first["b"].as_str().unwrap().split_once(' ').unwrap();
    assert_ne!(one, other);
    let mut other_run = context;
    other_run["run"]["id"] = json!("run-2");
    assert_ne!(render_value(&input, &other_run, &plain).unwrap(), first);
}

#[test]
fn dates_are_written_in_their_zone() {
    let context = json!({
        "event": {"time": "2026-03-29T00:30:00Z", "day": "2026-03-01", "seconds": 1_774_744_200, "half": 1.5, "text": "soon"},
        "now": "2026-10-25T00:30:00Z", "timezone": "Europe/Paris"
    });
    for (template, expected) in [
        (
            "{{ event.time | date('%Y-%m-%d %H:%M') }}",
            "2026-03-29 01:30",
        ),
        (
            "{{ event.time | date('%Y-%m-%d %H:%M %Z', 'UTC') }}",
            "2026-03-29 00:30 UTC",
        ),
        (
            "{{ event.time | date('%d/%m/%Y %H:%M', timezone='America/New_York') }}",
            "28/03/2026 20:30",
        ),
        ("{{ event.seconds | date('%H:%M', 'UTC') }}", "00:30"),
        (
            "{{ event.half | date('%Y-%m-%dT%H:%M:%S%.f', 'UTC') }}",
            "1970-01-01T00:00:01.5",
        ),
        ("{{ event.day | date('%H:%M %:z') }}", "01:00 +01:00"),
        ("{{ event.none | date('%Y') }}", ""),
        ("{{ now | date('%H:%M %:z') }}", "02:30 +02:00"),
        // An hour later it is half past two again.
        (
            "{{ now | date_add('1 hour') | date('%H:%M %:z') }}",
            "02:30 +01:00",
        ),
        // The same time of the next day is 23 hours away.
        (
            "{{ '2026-03-28T02:30:00+01:00' | date_add('1 day') }}",
            "2026-03-29T01:30:00Z",
        ),
        (
            "{{ '2026-03-28T12:00:00+01:00' | date_add('1 day') | date('%H:%M') }}",
            "12:00",
        ),
        (
            "{{ '2026-03-28T12:00:00+01:00' | date_add('24 hours') | date('%H:%M') }}",
            "13:00",
        ),
        (
            "{{ '2026-03-28T12:00:00Z' | date_add('1 day', 'UTC') }}",
            "2026-03-29T12:00:00Z",
        ),
        (
            "{{ '2026-03-31T12:00:00Z' | date_add('-1 month') }}",
            "2026-02-28T13:00:00Z",
        ),
        (
            "{{ '2026-03-31T12:00:00Z' | date_add('P1DT2H') }}",
            "2026-04-01T14:00:00Z",
        ),
        ("{{ event.none | date_add('7 days') }}", ""),
        (
            "{% set timezone = 'Asia/Tokyo' %}{{ event.time | date('%H:%M') }}",
            "09:30",
        ),
    ] {
        let rendered = render_value(&json!(template), &context, &plain);
        assert_eq!(rendered, Ok(json!(expected)), "{template}");
    }
    for (template, expected) in [
        (
            "{{ event.text | date('%Y') }}",
            "line 1: an expression failed with the values that were given: the value is no date: neither RFC 3339 nor seconds since 1970",
        ),
        (
            "{{ event.time | date(event.day, event.text) }}",
            "there is no time zone of that name",
        ),
        (
            "{{ event.time | date_add(event.text) }}",
            "`date_add` takes a duration such as",
        ),
        (
            "{{ event.time | date_add('19000 years') }}",
            "beyond the calendar",
        ),
    ] {
        let error = render_value(&json!(template), &context, &plain)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{template}: {error}");
    }
    let error =
        render_value(&json!("{{ 1 }}"), &json!({"timezone": "Mars/Base"}), &plain).unwrap_err();
    assert_eq!(
        error.problem,
        RenderProblem::UnknownTimeZone("Mars/Base".to_owned())
    );
    assert!(
        is_time_zone("Europe/Paris")
            && is_time_zone("UTC")
            && !is_time_zone("Mars/Base")
            && !is_time_zone("")
    );
}

#[test]
fn arguments_of_dates_are_checked_where_they_are_written() {
    for (template, expected) in [
        (
            "{{ now | date('%Y-%E') }}",
            "line 1: \"%Y-%E\" is no format of a date",
        ),
        (
            "\n{{ x | date('%Y', 'Mars/Base') }}",
            "line 2: there is no time zone \"Mars/Base\"",
        ),
        (
            "{{ x | date('%Y', timezone='Mars/Base') | upper }}",
            "there is no time zone \"Mars/Base\"",
        ),
        ("{{ now | date_add('soon') }}", "\"soon\" is no duration"),
        (
            "{{ now | date_add('1 day', \"Mars\") }}",
            "there is no time zone \"Mars\"",
        ),
    ] {
        let error = references(template, Destination::Plain)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{template}: {error}");
    }
    for template in [
        "{{ x | date('%Y' ~ y) }}",
        "{{ x | date(y, 'UTC') }}",
        "{{ x | date_add(y) }}",
    ] {
        assert!(
            references(template, Destination::Plain).is_ok(),
            "{template}"
        );
    }
}

fn hostile_context() -> Value {
    json!({"event": {"data": {
        "x": "\"},<b>&'/{{ 1 }}\\\u{1}\u{2} é", "n": 1.5, "t": true, "list": ["<a>", 1], "o": {"k": "<v>"}, "values": {"QID1": "<i>\""}
    }}})
}

#[track_caller]
fn gives_for(destination: Destination, template: &str, expected: &str) {
    let rendered = render_value(&json!({"field": template}), &hostile_context(), &|path| {
        assert_eq!(path, "field");
        destination
    });
    assert_eq!(rendered, Ok(json!({"field": expected})), "{template}");
}

#[test]
fn html_is_escaped_once() {
    let escaped = "&quot;},&lt;b&gt;&amp;&#x27;&#x2f;{{ 1 }}\\\u{1}\u{2} é";
    for (template, expected) in [
        ("{{ event.data.x }}", escaped),
        ("<p>{{ event.data.x }}</p>", &format!("<p>{escaped}</p>")),
        (
            "<p>{{ event.data.x | escape }}</p>",
            &format!("<p>{escaped}</p>"),
        ),
        (
            "<p>{{ event.data.x | e | upper | escape | lower }}</p>",
            &format!("<p>{escaped}</p>"),
        ),
        (
            "{% set s %}<p>{{ event.data.x }}</p>{% endset %}{{ s }}",
            &format!("<p>{escaped}</p>"),
        ),
        ("{{ '<b>' ~ event.data.list[0] }}", "&lt;b&gt;&lt;a&gt;"),
        (
            "{{ event.data.list | join('<br>') }}",
            "&lt;a&gt;&lt;br&gt;1",
        ),
        (
            "{{ event.data.list }}{{ event.data.o }}",
            "[&quot;&lt;a&gt;&quot;,1]{&quot;k&quot;:&quot;&lt;v&gt;&quot;}",
        ),
        (
            "{{ event.data.n }} {{ event.data.t }}{{ event.data.none }}",
            "1.5 true",
        ),
        ("{{ event.data.n }}", "1.5"),
        ("{{ event.data.none }}", ""),
        ("${q://QID1}", "&lt;i&gt;&quot;"),
        (
            "<b>${q://QID1}~{aedj://o}</b>",
            "<b>&lt;i&gt;&quot;{&quot;k&quot;:&quot;&lt;v&gt;&quot;}</b>",
        ),
        (
            "{{ event.data.list[0] | tojson }}",
            "&quot;\\u003ca\\u003e&quot;",
        ),
    ] {
        gives_for(Destination::Html, template, expected);
    }
    for (template, expected) in [
        ("{{ event.data.x | safe }}", "there is no filter `safe`"),
        ("{{ event.data.x | __held }}", "there is no filter `__held`"),
        (
            "{% autoescape false %}{{ event.data.x }}{% endautoescape %}",
            "a template may not have `autoescape`",
        ),
    ] {
        let error = references(template, Destination::Html)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{template}: {error}");
    }
}

#[test]
fn json_stays_json() {
    let text = "\\\"},<b>&'/{{ 1 }}\\\\\\u0001\\u0002 é";
    for (template, expected) in [
        (
            "{\"a\": \"{{ event.data.x }}\"}",
            format!("{{\"a\": \"{text}\"}}"),
        ),
        (
            "{\"a\": {{ event.data.x }}}",
            format!("{{\"a\": \"{text}\"}}"),
        ),
        (
            "{\"a\": {{ event.data.x | tojson }}}",
            format!("{{\"a\": \"{text}\"}}"),
        ),
        (
            "{\"a\": ${q://QID1}, \"b\": \"is ${q://QID1}\"}",
            "{\"a\": \"<i>\\\"\", \"b\": \"is <i>\\\"\"}".to_owned(),
        ),
        (
            "{\"a\": {{ event.data.n }}, \"b\": \"{{ event.data.n }}\"}",
            "{\"a\": 1.5, \"b\": \"1.5\"}".to_owned(),
        ),
        (
            "[{{ event.data.list }}, \"{{ event.data.list }}\"]",
            "[[\"<a>\",1], \"[\\\"<a>\\\",1]\"]".to_owned(),
        ),
        (
            "[{{ event.data.none }}, \"{{ event.data.none }}\"]",
            "[null, \"\"]".to_owned(),
        ),
        ("{{ event.data.o }}", "{\"k\":\"<v>\"}".to_owned()),
        ("{{ event.data.x }}", format!("\"{text}\"")),
        (
            "[{% for m in event.data.list %}{{ m }}{{ x if loop.last else '' }}{% endfor %}]",
            String::new(),
        ),
        (
            "[{% for m in event.data.list %}{{ m }}{% if not loop.last %}, {% endif %}{% endfor %}]",
            "[\"<a>\", 1]".to_owned(),
        ),
        ("{\"{{ event.data.x }}\": 1}", format!("{{\"{text}\": 1}}")),
        (
            "{\"a\": {${q://QID1}: 1}}",
            "{\"a\": {\"<i>\\\"\": 1}}".to_owned(),
        ),
        ("{% set v = event.data.n %}[{{ v }}]", "[1.5]".to_owned()),
        ("{% if event.data.none %}{}{% endif %}", String::new()),
    ] {
        if expected.is_empty() && template.starts_with('[') {
            let error = render_value(&json!(template), &hostile_context(), &|_| Destination::Json)
                .unwrap_err();
            assert!(
                error
                    .to_string()
                    .contains("is not JSON once its values are filled in"),
                "{error}"
            );
            continue;
        }
        gives_for(Destination::Json, template, &expected);
    }
    for (template, expected) in [
        (
            "{\"a\": \"\\{{ event.data.x }}\"}",
            "a value follows a `\\`",
        ),
        ("{\"a\": {{ event.data.n }}{{ event.data.n }}}", "not JSON"),
        ("{\"a\": x{{ event.data.n }}}", "not JSON"),
        (
            "{% set s %}{{ event.data.x }}{% endset %}{{ s }}",
            "around text that is JSON or a URL",
        ),
        (
            "{% filter upper %}{{ event.data.x }}{% endfilter %}",
            "around text that is JSON or a URL",
        ),
        ("\u{1}{{ event.data.x }}", "control characters"),
    ] {
        let error =
            render_value(&json!(template), &hostile_context(), &|_| Destination::Json).unwrap_err();
        assert!(error.to_string().contains(expected), "{template}: {error}");
    }
}

#[test]
fn urls_keep_their_parts() {
    let encoded = "%22%7D%2C%3Cb%3E%26%27%2F%7B%7B%201%20%7D%7D%5C%01%02%20%C3%A9";
    for (template, expected) in [
        (
            "https://x/{{ event.data.x }}?a=1",
            format!("https://x/{encoded}?a=1"),
        ),
        (
            "https://x/{{ event.data.x | urlencode }}",
            format!("https://x/{encoded}"),
        ),
        ("{{ event.data.x }}", encoded.to_owned()),
        (
            "https://x/?q=${q://QID1}&r=$%7Bq://QID1%7D",
            "https://x/?q=%3Ci%3E%22&r=%3Ci%3E%22".to_owned(),
        ),
        (
            "https://x/?{{ event.data.o | urlencode }}",
            "https://x/?k=%3Cv%3E".to_owned(),
        ),
        (
            "https://x/{{ event.data.n }}/{{ event.data.none }}",
            "https://x/1.5/".to_owned(),
        ),
    ] {
        gives_for(Destination::Url, template, &expected);
    }
}

/// Each row of the tables in the guide is what it says.
#[test]
fn guide_tells_the_truth() {
    let guide = include_str!("../../../../docs/piped-text.md");
    let (_, rest) = guide.split_once("```json\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let context: Value = serde_json::from_str(example).unwrap();
    let code = |cell: &str| {
        let inside = cell.trim().strip_prefix('`')?.strip_suffix('`')?;
        Some(inside.replace("\\|", "|"))
    };
    let mut rows = 0;
    for line in guide.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
        let [written, .., result] = cells[..] else {
            unreachable!("{line}");
        };
        let template = code(written).unwrap_or_else(|| unreachable!("{line}"));
        let destination = match cells.get(1).map(|cell| cell.trim()) {
            Some("HTML") => Destination::Html,
            Some("JSON") => Destination::Json,
            Some("URL") => Destination::Url,
            _ => Destination::Plain,
        };
        let result = code(result).unwrap_or_else(|| unreachable!("{line}"));
        let rendered = render_value(&json!(template), &context, &|_| destination);
        if let Ok(expected) = serde_json::from_str::<Value>(&result) {
            assert_eq!(rendered, Ok(expected), "{line}");
        } else {
            let error = rendered.unwrap_err().to_string();
            assert!(error.contains(&result), "{line}\n{error}");
        }
        rows += 1;
    }
    assert!(rows > 60, "{rows}");
    for limit in [
        format!("{} KiB", MAX_TEMPLATE_BYTES / 1024),
        format!("{MAX_TAGS} tags and pipes"),
        format!("{MAX_JOINS} signs"),
        format!("{} KiB of text", MAX_OUTPUT_BYTES / 1024),
        format!("{} KiB a value", MAX_VALUE_BYTES / 1024),
        format!("{} MiB", MAX_KEPT_BYTES / 1024 / 1024),
        format!("{MAX_STEPS} steps"),
        format!("{MAX_VALUE_DEPTH} levels"),
    ] {
        assert!(guide.contains(&limit), "{limit}");
    }
}

#[test]
fn template_size_is_bounded() {
    let bytes = MAX_TEMPLATE_BYTES + 1;
    assert_eq!(
        Template::parse(&"x".repeat(bytes), Destination::Plain),
        Err(Error::TooLong { bytes })
    );
    assert!(Template::parse(&"x".repeat(MAX_TEMPLATE_BYTES), Destination::Plain).is_ok());
    let tags = MAX_TAGS + 1;
    assert_eq!(
        Template::parse(&"{{a}}".repeat(tags), Destination::Plain),
        Err(Error::TooManyTags { tags })
    );
    assert!(Template::parse(&"{{a}}".repeat(MAX_TAGS), Destination::Plain).is_ok());
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
        let error = Template::parse(&endless, Destination::Plain).unwrap_err();
        assert!(
            matches!(error, Error::TagTooLong { line: 2, .. }),
            "{unit}: {error}"
        );
        let times = if unit.starts_with(['~', '+']) {
            MAX_JOINS
        } else {
            MAX_TAG_TOKENS / 5
        };
        let allowed = format!("{{{{ a{} }}}}", unit.repeat(times));
        assert!(
            Template::parse(&allowed, Destination::Plain).is_ok(),
            "{unit}"
        );
    }
    for (open, close) in [
        ("{{ (", "a) }}"),
        ("{% if 1 %}", "{% endif %}"),
        ("{% for x in [1] %}", "{% endfor %}"),
        ("{% set x %}", "{% endset %}"),
        ("{% filter upper %}", "{% endfilter %}"),
    ] {
        let nested = |times: usize| format!("{}{}", open.repeat(times), close.repeat(times));
        assert!(
            Template::parse(&nested(249), Destination::Plain).is_err(),
            "{open}"
        );
    }
    let deep = format!("{}a{}", "{% if 1 %}".repeat(140), "{% endif %}".repeat(140));
    gives(&deep, json!("a"));
    let chain = format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(498));
    gives(&chain, json!(""));
}

#[test]
fn deep_values_are_refused() {
    let deep = |depth: usize| (0..depth).fold(json!("{{ event.id }}"), |inner, _| json!([inner]));
    assert!(render_value(&deep(MAX_VALUE_DEPTH), &sample_context(), &plain).is_ok());
    let error = render_value(&deep(MAX_VALUE_DEPTH + 1), &sample_context(), &plain).unwrap_err();
    assert_eq!(error.problem, RenderProblem::TooDeep);
    let error = render_value(&json!("{{ a }}"), &deep(MAX_VALUE_DEPTH + 1), &plain).unwrap_err();
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
        let found = references(text, Destination::Plain).unwrap();
        let tasks: Vec<&str> = found.iter().map(|found| found.task.as_str()).collect();
        assert_eq!(tasks, expected, "{text}");
    }
    let value = json!({"a": "{{ tasks.b.x }}", "c": ["{{ tasks.a }}", 1, "{{ tasks.b }}"]});
    let named = |task: &str| Reference {
        task: task.to_owned(),
        output: None,
    };
    assert_eq!(
        references_in_value(&value, &plain).unwrap(),
        [named("a"), named("b")]
    );
    assert_eq!(
        Template::parse("{{ tasks.a }}", Destination::Plain)
            .unwrap()
            .references(),
        [named("a")]
    );
}

#[test]
fn references_name_the_output() {
    for (text, expected) in [
        ("{{ tasks.a.output.number }}", Some("number")),
        ("{{ tasks[\"a\"][\"output\"][\"a b\"].x }}", Some("a b")),
        ("{{ tasks.a.output['id'] | upper }}", Some("id")),
        ("{{ tasks.a.output }}", None),
        ("{{ tasks.a.output[event.id] }}", None),
        ("{{ tasks.a.output[0] }}", None),
        ("{{ tasks.a.other.number }}", None),
        ("x ~{ch://a/$.number.deep} y", Some("number")),
        ("~{ch://a/$[\"a b\"]}", Some("a b")),
        ("~{ch://a/$}", None),
        ("~%7Bch%3A%2F%2Fa%2F%24.number%7D", Some("number")),
    ] {
        let expected = Reference {
            task: "a".to_owned(),
            output: expected.map(str::to_owned),
        };
        assert_eq!(
            references(text, Destination::Plain).unwrap(),
            [expected],
            "{text}"
        );
    }
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
            Template::parse(template, Destination::Plain),
            Err(Error::TaskNotNamed { line: 1 }),
            "{template}"
        );
    }
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in r#"(\{\{|\}\}|\{%|%\}|\{#|#\}|raw|endraw|if|endif|tasks|\.|a|\||is|'|"|\\|\[|\]|\{|\}|-| |\n|ß){0,40}"#) {
        if let Ok(template) = Template::parse(&text, Destination::Plain) {
            // Whatever it does, it ends.
            let _: Result<Value, RenderProblem> = template.render(&sample_context());
        }
    }

    /// The engine's own reading of the template agrees with ours, where it can tell.
    #[test]
    fn no_reference_is_overlooked(text in r#"(\{\{ |\}\}| \}\}|\{% if |\{% endif %\}|\{% raw %\}|\{% endraw %\}|%\}|\{#|#\}|tasks\.a|tasks\.b|tasks\['c'\]|1|\.x| ~ |'|"|\{|\}|-){0,16}"#) {
        if let Ok(template) = Template::parse(&text, Destination::Plain) {
            let environment = minijinja::Environment::new();
            let seen = environment.template_from_str(&text).unwrap().undeclared_variables(true);
            for id in ["a", "b"] {
                let named = seen.iter().any(|name| {
                    name.strip_prefix("tasks.").and_then(|rest| rest.split('.').next()) == Some(id)
                });
                let listed = template.references().iter().any(|reference| reference.task == id);
                prop_assert!(!named || listed, "{}", id);
            }
            prop_assert!(!seen.contains("tasks") || !template.references().is_empty());
        }
    }

    #[test]
    fn json_is_json_whatever_is_filled_in(value in ".*", template in r#"[{}\[\]",:a\\]{0,3}"#) {
        let context = json!({"event": value});
        let text = format!("{template}{{\"a\": \"x{{{{ event }}}}\", \"b\": {{{{ event }}}}}}");
        match render_value(&json!(text), &context, &|_| Destination::Json) {
            Ok(rendered) => {
                let read: Value = serde_json::from_str(rendered.as_str().unwrap()).unwrap();
                prop_assert_eq!(&read["b"], &json!(value));
                prop_assert_eq!(&read["a"], &json!(format!("x{value}")));
            }
            Err(error) => prop_assert!(!template.is_empty(), "{}", error),
        }
    }

    #[test]
    fn values_stay_as_they_are(hostile in r#"(\{\{|\}\}|\{%|%\}|\{#|7\*7|a| |<|")*"#) {
        let context = json!({"event": {"data": hostile}});
        let alone = render_value(&json!("{{ event.data }}"), &context, &plain).unwrap();
        prop_assert_eq!(alone, json!(hostile));
        let within = render_value(&json!("> {{ event.data }}"), &context, &plain).unwrap();
        prop_assert_eq!(within, json!(format!("> {hostile}")));
    }
}
