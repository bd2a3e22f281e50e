//! Zendesk's custom objects and their records.

use std::collections::BTreeMap;

use reqwest::Method;
use sandbox::{Action, Fault};
use serde_json::{Value, json};

use crate::harness::{Account, Answer};

const CARS: &str = "/api/v2/custom_objects/car/records";

async fn account_with(extra: Value) -> Account {
    let mut config = json!({
        "users": [{ "username": "api@example.com", "password": "secret" }],
        "custom_objects": [
            { "key": "car", "title": "Car", "fields": [
                { "key": "make", "type": "text" }, { "key": "seats", "type": "integer" },
                { "key": "price", "type": "decimal" }, { "key": "sold", "type": "checkbox" },
                { "key": "built", "type": "date" }, { "key": "notes", "type": "textarea" },
                { "key": "plate", "type": "regexp", "pattern": "[A-Z]{2}-[0-9]+" },
                { "key": "colour", "type": "dropdown", "options": [{ "name": "Red", "value": "red" }] },
                { "key": "extras", "type": "multiselect",
                  "options": [{ "name": "Roof", "value": "roof" }, { "name": "Radio", "value": "radio" }] },
                { "key": "owner", "type": "lookup", "target": "person" }, { "key": "user", "type": "lookup" } ] },
            { "key": "person", "unique_names": true },
            { "key": "order", "autonumber_prefix": "Order # " },
        ],
    });
    config
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    Account::zendesk(config).await
}

async fn account() -> Account {
    account_with(json!({})).await
}

fn body(record: Value) -> Value {
    json!({ "custom_object_record": record })
}

async fn create(account: &Account, key: &str, record: Value) -> Value {
    let path = format!("/api/v2/custom_objects/{key}/records");
    let created = account.post(&path, &body(record)).await;
    assert_eq!(created.status, 201, "{}", created.body);
    created.body["custom_object_record"].clone()
}

fn assert_invalid(answer: &Answer, field: &str) {
    assert_eq!(answer.status, 422, "{}", answer.body);
    assert_eq!(answer.body["error"], "RecordInvalid");
    assert!(
        answer.body["details"][field].is_array(),
        "{field}: {}",
        answer.body
    );
}

#[tokio::test]
async fn record_is_created_read_and_changed_in_part() {
    let account = account().await;
    let created = create(
        &account,
        "car",
        json!({ "name": "My car", "custom_object_fields": { "make": "Tesla", "seats": 5, "nothing": 1 } }),
    )
    .await;
    let id = created["id"].as_str().unwrap();
    assert_eq!(id.len(), 26);
    assert_eq!(created["custom_object_key"], "car");
    assert!(created["external_id"].is_null());
    assert!(created["created_by_user_id"].is_string());
    let fields = &created["custom_object_fields"];
    assert_eq!(
        (&fields["make"], &fields["seats"]),
        (&json!("Tesla"), &json!(5))
    );
    assert!(fields["colour"].is_null() && fields.get("nothing").is_none());
    let path = format!("{CARS}/{id}");
    assert_eq!(
        account.get(&path).await.body["custom_object_record"],
        created
    );
    let changed = account
        .patch(
            &path,
            &body(json!({ "custom_object_fields": { "make": null, "colour": "red" } })),
        )
        .await;
    assert_eq!(changed.status, 200);
    let changed = &changed.body["custom_object_record"];
    assert_eq!(changed["name"], "My car");
    let fields = &changed["custom_object_fields"];
    assert_eq!(
        (&fields["make"], &fields["seats"], &fields["colour"]),
        (&Value::Null, &json!(5), &json!("red"))
    );
    let records = account.control.records("custom_objects/car").await.unwrap();
    assert_eq!(records[0]["custom_object_fields"], *fields);
    assert!(account.control.records("custom_objects/cat").await.is_err());
    assert_eq!(
        account.put(&path, &body(json!({}))).await.body["error"],
        "InvalidEndpoint"
    );
    for path in [format!("{CARS}/01"), CARS.replace("car", "cat")] {
        let missing = account.get(&path).await;
        assert_eq!(
            (missing.status, &missing.body["error"]),
            (404, &json!("RecordNotFound"))
        );
    }
    assert_eq!(
        account
            .write(Method::DELETE, &path, &Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(account.get(&path).await.status, 404);
}

#[tokio::test]
async fn values_have_to_be_of_their_type() {
    let account = account().await;
    let ann = create(
        &account,
        "person",
        json!({ "name": "Ann", "external_id": "p:1" }),
    )
    .await;
    for (field, good, bad) in [
        ("make", json!("Tesla"), json!(5)),
        ("notes", json!("a\nb"), json!({ "a": 1 })),
        ("seats", json!(5), json!("5")),
        ("price", json!(1.5), json!("1.5")),
        ("sold", json!(true), json!("true")),
        ("built", json!("2021-04-16"), json!("16.4.2021")),
        ("plate", json!("AB-12"), json!("xAB-12")),
        ("colour", json!("red"), json!("Red")),
        ("extras", json!(["roof", "radio"]), json!(["roof", "no"])),
        ("owner", ann["id"].clone(), json!("01")),
        ("user", json!("12"), json!(true)),
    ] {
        let record =
            |value: &Value| body(json!({ "name": "c", "custom_object_fields": { field: value } }));
        let taken = account.post(CARS, &record(&good)).await;
        assert_eq!(taken.status, 201, "{}", taken.body);
        let stored = &taken.body["custom_object_record"]["custom_object_fields"][field];
        assert_eq!(*stored, good, "{field}");
        assert_invalid(&account.post(CARS, &record(&bad)).await, field);
    }
    for link in ["external_id:p:1", "name:Ann"] {
        let car = create(
            &account,
            "car",
            json!({ "name": "c", "custom_object_fields": { "owner": link } }),
        )
        .await;
        assert_eq!(car["custom_object_fields"]["owner"], ann["id"], "{link}");
    }
    let long = "x".repeat(32 * 1024);
    let large = account
        .post(
            CARS,
            &body(json!({ "name": "c", "custom_object_fields": { "notes": long } })),
        )
        .await;
    assert_invalid(&large, "base");
}

#[tokio::test]
async fn name_is_required_unique_or_numbered() {
    let account = account().await;
    for record in [
        json!({}),
        json!({ "name": "" }),
        json!({ "name": null }),
        json!({ "name": 5 }),
    ] {
        assert_invalid(&account.post(CARS, &body(record)).await, "name");
    }
    let people = "/api/v2/custom_objects/person/records";
    create(&account, "person", json!({ "name": "Ann" })).await;
    let twice = account.post(people, &body(json!({ "name": "Ann" }))).await;
    assert_invalid(&twice, "name");
    let orders = "/api/v2/custom_objects/order/records";
    for name in ["Order # 00001", "Order # 00002"] {
        assert_eq!(create(&account, "order", json!({})).await["name"], name);
    }
    let named = account.post(orders, &body(json!({ "name": "x" }))).await;
    assert_invalid(&named, "name");
    assert_eq!(
        account.post(CARS, &json!({ "name": "x" })).await.status,
        400
    );
}

#[tokio::test]
async fn upsert_finds_by_external_id_or_by_a_unique_name() {
    let account = account().await;
    let path = format!("{CARS}?external_id=task-1");
    let record = body(json!({ "name": "c", "custom_object_fields": { "make": "Tesla" } }));
    let created = account.patch(&path, &record).await;
    assert_eq!(created.status, 200, "{}", created.body);
    assert_eq!(
        created.body["custom_object_record"]["external_id"],
        "task-1"
    );
    let again = account
        .patch(
            &path,
            &body(json!({ "custom_object_fields": { "seats": 4 } })),
        )
        .await;
    let fields = &again.body["custom_object_record"]["custom_object_fields"];
    assert_eq!(
        (&fields["make"], &fields["seats"]),
        (&json!("Tesla"), &json!(4))
    );
    assert_eq!(
        account
            .control
            .records("custom_objects/car")
            .await
            .unwrap()
            .len(),
        1
    );
    let nameless = account
        .patch(&format!("{CARS}?external_id=task-2"), &body(json!({})))
        .await;
    assert_invalid(&nameless, "name");
    let taken = account
        .post(CARS, &body(json!({ "name": "d", "external_id": "task-1" })))
        .await;
    assert_invalid(&taken, "external_id");
    for query in ["", "?external_id=a&name=b", "?name=c"] {
        let refused = account.patch(&format!("{CARS}{query}"), &record).await;
        assert_eq!(refused.status, 400, "{query}");
    }
    let people = "/api/v2/custom_objects/person/records?name=Ann";
    for _ in 0..2 {
        let ann = account.patch(people, &body(json!({}))).await;
        assert_eq!(
            (ann.status, &ann.body["custom_object_record"]["name"]),
            (200, &json!("Ann"))
        );
    }
    assert_eq!(
        account
            .control
            .records("custom_objects/person")
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn unknown_fields_are_refused_on_request() {
    let account = account_with(json!({ "unknown_fields": "refuse" })).await;
    let refused = account
        .post(
            CARS,
            &body(json!({ "name": "c", "custom_object_fields": { "nothing": "x" } })),
        )
        .await;
    assert_invalid(&refused, "nothing");
    assert!(
        account
            .control
            .records("custom_objects/car")
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn records_are_filtered_and_come_by_cursor() {
    let account = account().await;
    for (name, external_id) in [("a", "1"), ("b", "2"), ("c", "3")] {
        create(
            &account,
            "car",
            json!({ "name": name, "external_id": external_id }),
        )
        .await;
    }
    let names = |answer: &Answer| -> Vec<String> {
        let records = answer.body["custom_object_records"].as_array().unwrap();
        records
            .iter()
            .map(|record| record["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let some = account
        .get(&format!("{CARS}?filter%5Bexternal_ids%5D=1,3,9"))
        .await;
    assert_eq!(names(&some), ["a", "c"]);
    assert_eq!(some.body["meta"]["has_more"], false, "cursors alone");
    let id = some.body["custom_object_records"][1]["id"]
        .as_str()
        .unwrap();
    let one = account.get(&format!("{CARS}?filter%5Bids%5D={id}")).await;
    assert_eq!(names(&one), ["c"]);
    let first = account
        .get(&format!("{CARS}?page%5Bsize%5D=2&sort=-id"))
        .await;
    assert_eq!(
        (names(&first), &first.body["meta"]["has_more"]),
        (vec!["c".to_owned(), "b".to_owned()], &json!(true))
    );
    let cursor = first.body["meta"]["after_cursor"].as_str().unwrap();
    let rest = account
        .get(&format!(
            "{CARS}?page%5Bsize%5D=2&sort=-id&page%5Bafter%5D={cursor}"
        ))
        .await;
    assert_eq!(
        (names(&rest), &rest.body["meta"]["has_more"]),
        (vec!["a".to_owned()], &json!(false))
    );
    let many = vec!["x"; 101].join(",");
    let refused = account.get(&format!("{CARS}?filter%5Bids%5D={many}")).await;
    assert_eq!(
        (refused.status, &refused.body["max_count"]),
        (400, &json!(100))
    );
}

#[tokio::test]
async fn objects_and_their_fields_can_be_asked_for() {
    let account = account().await;
    let objects = account.get("/api/v2/custom_objects").await;
    let keys: Vec<&Value> = objects.body["custom_objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| &object["key"])
        .collect();
    assert_eq!(keys, ["car", "person", "order"]);
    let car = account.get("/api/v2/custom_objects/car").await;
    assert_eq!(car.body["custom_object"]["title"], "Car");
    let fields = account.get("/api/v2/custom_objects/car/fields").await;
    let fields = fields.body["custom_object_fields"].as_array().unwrap();
    assert_eq!(fields.len(), 11);
    let colour = fields
        .iter()
        .find(|field| field["key"] == "colour")
        .unwrap();
    assert_eq!(colour["type"], "dropdown");
    assert_eq!(colour["custom_field_options"][0]["value"], "red");
    let all = account
        .get("/api/v2/custom_objects/order/fields?include_standard_fields=true")
        .await;
    let name = &all.body["custom_object_fields"][0];
    assert_eq!(name["key"], "standard::name");
    assert_eq!(name["properties"]["autoincrement_enabled"], true);
    assert_eq!(
        account
            .get("/api/v2/custom_objects/cat/fields")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn keep_reaches_into_a_records_fields() {
    let account = account().await;
    let keep = Fault::new(Action::Keep {
        set: BTreeMap::from([("custom_object_fields.make".to_owned(), json!("Other"))]),
        drop: vec!["custom_object_fields.seats".to_owned()],
    });
    account.control.add_faults(&[keep]).await.unwrap();
    let created = create(
        &account,
        "car",
        json!({ "name": "c", "custom_object_fields": { "make": "Tesla", "seats": 5 } }),
    )
    .await;
    let fields = &created["custom_object_fields"];
    assert_eq!(
        (&fields["make"], &fields["seats"]),
        (&json!("Other"), &Value::Null)
    );
}
