//! The JSON of the crate's documentation is what the control API takes.

use sandbox::{Control, Fault, Sandbox};
use serde_json::Value;

#[tokio::test]
async fn documented_json_is_accepted() {
    let documentation: String = include_str!("../../src/lib.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .collect::<Vec<_>>()
        .join("\n");
    let examples: Vec<Value> = documentation
        .split("```json")
        .skip(1)
        .map(|rest| serde_json::from_str(rest.split("```").next().unwrap()).unwrap())
        .collect();
    let [servicenow, zendesk, qualtrics, teamviewer, faults] = examples.as_slice() else {
        panic!("{} examples", examples.len());
    };
    let sandbox = Sandbox::start().await;
    let control = Control::new(sandbox.base_url());
    control.servicenow("dev1").create(servicenow).await.unwrap();
    control.qualtrics("fra1").create(qualtrics).await.unwrap();
    control.teamviewer("acme").create(teamviewer).await.unwrap();
    let acme = control.zendesk("acme");
    acme.create(zendesk).await.unwrap();
    let faults: Vec<Fault> = serde_json::from_value(faults.clone()).unwrap();
    acme.add_faults(&faults).await.unwrap();
    assert_eq!(acme.faults().await.unwrap(), faults);
}
