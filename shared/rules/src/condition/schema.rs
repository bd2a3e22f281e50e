//! The JSON Schema of a condition, for editors and for the API's description.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::operator::Operator;
use super::{
    Condition, EXPRESSION, Group, MAX_COMPARISONS, MAX_LIST_MEMBERS, MAX_OPERAND_CHARACTERS,
    Quantifier, expression,
};

impl JsonSchema for Condition {
    fn schema_name() -> Cow<'static, str> {
        "Condition".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::Condition").into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let condition = generator.subschema_for::<Self>();
        let groups = Group::EVERY.map(|group| {
            let key = group.key();
            json!({
                "type": "object",
                "properties": {key: {"type": "array", "items": condition, "maxItems": MAX_COMPARISONS}},
                "required": [key],
                "additionalProperties": false,
            })
        });
        let mut properties: Map<String, Value> = Operator::EVERY
            .into_iter()
            .map(|operator| (operator.name().to_owned(), operand_schema(operator)))
            .collect();
        let field = json!({
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_OPERAND_CHARACTERS,
            "description": "Path into the event, such as data.values.QID1, a JSON Pointer, or a locator \
                            such as q://QID1; on members also @, the member itself.",
        });
        properties.insert("field".to_owned(), field.clone());
        let comparison = json!({
            "type": "object",
            "properties": properties,
            "required": ["field"],
            "minProperties": 2,
            "maxProperties": 2,
            "additionalProperties": false,
        });
        let mut properties: Map<String, Value> = Quantifier::EVERY
            .into_iter()
            .map(|quantifier| (quantifier.name().to_owned(), json!(condition)))
            .collect();
        properties.insert("field".to_owned(), field);
        let list_members = json!({
            "type": "object",
            "properties": properties,
            "required": ["field"],
            "minProperties": 2,
            "maxProperties": 2,
            "additionalProperties": false,
        });
        let expression = json!({
            "type": "object",
            "properties": {EXPRESSION: {
                "type": "string",
                "minLength": 1,
                "maxLength": expression::MAX_CHARACTERS,
                "description": "Common Expression Language, with the variables event and now.",
                "examples": ["event.data.nps < 7 && 'vip' in event.data.tags"],
            }},
            "required": [EXPRESSION],
            "additionalProperties": false,
        });
        let forms: Vec<Value> = groups
            .into_iter()
            .chain([comparison, list_members, expression])
            .collect();
        json_schema!({
            "description": "A group (all, any, none) of conditions, a field compared by one operator, \
                            a condition on the members of a list, or an expression.",
            "oneOf": forms,
        })
    }
}

fn operand_schema(operator: Operator) -> Value {
    let text = json!({"type": "string", "maxLength": MAX_OPERAND_CHARACTERS});
    let scalar =
        json!({"type": ["string", "number", "boolean"], "maxLength": MAX_OPERAND_CHARACTERS});
    match operator {
        Operator::IsEmpty | Operator::IsNotEmpty => json!({"type": "boolean"}),
        Operator::IsTrue | Operator::IsFalse => json!({"const": true}),
        Operator::Equals | Operator::NotEquals => scalar,
        Operator::In | Operator::NotIn | Operator::AnyOf | Operator::AllOf | Operator::NoneOf => {
            json!({"type": "array", "items": scalar, "minItems": 1, "maxItems": MAX_LIST_MEMBERS})
        }
        Operator::Contains
        | Operator::DoesNotContain
        | Operator::StartsWith
        | Operator::EndsWith => {
            json!({"type": ["string", "number"], "minLength": 1, "maxLength": MAX_OPERAND_CHARACTERS})
        }
        Operator::Matches => {
            json!({"type": "string", "format": "regex", "maxLength": MAX_OPERAND_CHARACTERS})
        }
        Operator::GreaterThan
        | Operator::GreaterThanOrEqual
        | Operator::LessThan
        | Operator::LessThanOrEqual => json!({"type": ["number", "string"]}),
        Operator::Between => {
            json!({"type": "array", "items": {"type": ["number", "string"]}, "minItems": 2, "maxItems": 2})
        }
        Operator::Before | Operator::After => {
            json!({"type": "string", "examples": ["2026-03-01", "2026-03-01T09:30:00+01:00"]})
        }
        Operator::OnDay => {
            json!({"type": "string", "examples": ["today", "yesterday Europe/Paris", "2026-03-01"]})
        }
        Operator::WithinLast | Operator::WithinNext | Operator::MoreThanAgo => {
            json!({"type": "string", "examples": ["7 days", "2h 30m", "1 month"]})
        }
        Operator::Selected
        | Operator::NotSelected
        | Operator::Displayed
        | Operator::NotDisplayed => {
            json!({"type": ["string", "integer"], "maxLength": text["maxLength"]})
        }
        Operator::CountEquals
        | Operator::CountNotEquals
        | Operator::CountGreaterThan
        | Operator::CountGreaterThanOrEqual
        | Operator::CountLessThan
        | Operator::CountLessThanOrEqual => json!({"type": "integer", "minimum": 0}),
    }
}
