//! The workflows, and the events that three of them listen to.

use anyhow::{Context, anyhow};
use domain::{CloudEvent, Workflow, definition};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde_json::{Value, json};
use store::Workflows;

/// How many of the workflows listen to [`event`]s, whatever the number of all.
pub(crate) const LISTENING: usize = 3;
/// The same moment for everything, so that what is stored is equally large each time.
pub(crate) const NOW: Timestamp = Timestamp::constant(1_795_262_400, 0);

const TYPE: &str = "qualtrics.response.completed";
const SUBJECT: &str = "SV_demoDelivery1";
/// Every so many of those that do not listen have the type in common with those that do.
const SAME_TYPE_EVERY: usize = 10;
/// Calls at a time while workflows are stored.
const AT_A_TIME: usize = 16;

/// Stores so many workflows, the way that `closedloop workflows apply` does.
pub(crate) async fn store(table: &Workflows, count: usize) -> anyhow::Result<()> {
    let sample: Value =
        serde_saphyr::from_str(include_str!("../../../../workflows/survey-follow-up.yaml"))
            .context("the sample workflow is no YAML")?;
    stream::iter(0..count)
        .map(|number| {
            let workflow = workflow(&sample, number);
            async move {
                table.replace(None, &workflow?, NOW).await?;
                anyhow::Ok(())
            }
        })
        .buffer_unordered(AT_A_TIME)
        .try_collect::<()>()
        .await
}

/// The sample with another trigger. The first starts a run on every event; the next two listen in vain.
fn workflow(sample: &Value, number: usize) -> anyhow::Result<Workflow> {
    let mut document = sample.clone();
    document["id"] = json!(format!("workflow-{number:05}"));
    let (kind, subject) = if number < LISTENING {
        (TYPE.to_owned(), SUBJECT.to_owned())
    } else if number % SAME_TYPE_EVERY == LISTENING {
        (TYPE.to_owned(), format!("SV_other{number}"))
    } else {
        (
            format!("partner.event-{}", number % 100),
            format!("subject-{number}"),
        )
    };
    document["trigger"] = json!({"event": {"type": kind, "subject": subject}});
    if number > 0 {
        document["when"] = json!({"all": [{"field": "data.values.plan", "equals": "silver"}]});
    }
    definition::workflow(&document).map_err(|problems| anyhow!("{problems:?}"))
}

/// A survey response that has its own id.
pub(crate) fn event(id: &str) -> anyhow::Result<CloudEvent> {
    let data: Value =
        serde_json::from_str(include_str!("../../../../events/survey-response.json"))?;
    Ok(serde_json::from_value(json!({
        "specversion": "1.0", "id": id, "source": "/endpoints/survey", "type": TYPE, "subject": SUBJECT,
        "time": NOW, "datacontenttype": "application/json", "data": data
    }))?)
}
