//! The tables, as `template.yaml` has them.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};

pub(crate) const WORKFLOWS: &str = "workflows";
pub(crate) const EVENTS: &str = "events";
pub(crate) const RUNS: &str = "runs";

/// Creates the tables that an event's evaluation reads and writes.
pub(crate) async fn create(client: &Client) -> anyhow::Result<()> {
    let table = |name: &str, attributes: &[&str], keys: &[&str]| {
        anyhow::Ok(
            client
                .create_table()
                .table_name(name)
                .billing_mode(BillingMode::PayPerRequest)
                .set_attribute_definitions(Some(definitions(attributes)?))
                .set_key_schema(Some(schema(keys)?)),
        )
    };
    table(WORKFLOWS, &["pk", "sk"], &["pk", "sk"])?
        .send()
        .await?;
    table(EVENTS, &["event"], &["event"])?.send().await?;
    table(
        RUNS,
        &["pk", "sk", "workflow", "day", "started_at"],
        &["pk", "sk"],
    )?
    .global_secondary_indexes(index("by_workflow", &["workflow", "started_at"])?)
    .global_secondary_indexes(index("by_day", &["day", "started_at"])?)
    .send()
    .await?;
    Ok(())
}

fn definitions(names: &[&str]) -> anyhow::Result<Vec<AttributeDefinition>> {
    let definition = |name: &&str| {
        Ok(AttributeDefinition::builder()
            .attribute_name(*name)
            .attribute_type(ScalarAttributeType::S)
            .build()?)
    };
    names.iter().map(definition).collect()
}

fn schema(names: &[&str]) -> anyhow::Result<Vec<KeySchemaElement>> {
    let element = |(name, kind): (&&str, KeyType)| {
        Ok(KeySchemaElement::builder()
            .attribute_name(*name)
            .key_type(kind)
            .build()?)
    };
    names
        .iter()
        .zip([KeyType::Hash, KeyType::Range])
        .map(element)
        .collect()
}

fn index(name: &str, keys: &[&str]) -> anyhow::Result<GlobalSecondaryIndex> {
    let everything = Projection::builder()
        .projection_type(ProjectionType::All)
        .build();
    Ok(GlobalSecondaryIndex::builder()
        .index_name(name)
        .set_key_schema(Some(schema(keys)?))
        .projection(everything)
        .build()?)
}
