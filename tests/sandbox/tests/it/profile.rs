//! Zendesk's profiles.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Account, Answer};

const PROFILES: &str = "/api/v2/user_profiles";

async fn account() -> Account {
    Account::zendesk(json!({
        "users": [{ "username": "api@example.com", "password": "secret" }],
        "end_users": [{ "email": "eve@example.com", "id": 9 }, { "email": "joe@example.com", "id": 10 }],
    }))
    .await
}

fn query(identifier: &str) -> String {
    let query: String = form_urlencoded::Serializer::new(String::new())
        .append_pair("identifier", identifier)
        .finish();
    format!("{PROFILES}?{query}")
}

async fn put(account: &Account, identifier: &str, profile: Value) -> Answer {
    account
        .put(&query(identifier), &json!({ "profile": profile }))
        .await
}

async fn patch(account: &Account, path: &str, profile: Value) -> Answer {
    account.patch(path, &json!({ "profile": profile })).await
}

fn jane() -> Value {
    json!({ "name": "Jane", "identifiers": [{ "type": "email", "value": "Jane@Example.com" },
        { "type": "phone_number", "value": "+612345678" }], "attributes": { "tier": "gold" } })
}

const JANE: &str = "shop:customer:email:jane@example.com";

fn assert_refused(answer: &Answer, status: u16, part: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    let error = &answer.body["errors"][0];
    assert_eq!(error["code"], "ClientError");
    let title = error["title"].as_str().unwrap();
    assert!(title.contains(part), "{title}");
}

#[tokio::test]
async fn put_creates_then_replaces_and_loses_what_is_left_out() {
    let account = account().await;
    let created = put(&account, JANE, jane()).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let profile = &created.body["profile"];
    assert_eq!(profile["id"].as_str().unwrap().len(), 26);
    for (name, expected) in [
        ("name", json!("Jane")),
        ("source", json!("shop")),
        ("type", json!("customer")),
        ("attributes", json!({ "tier": "gold" })),
        (
            "identifiers",
            json!([{ "type": "email", "value": "jane@example.com" },
                { "type": "phone_number", "value": "+612345678" }]),
        ),
    ] {
        assert_eq!(profile[name], expected, "{name}");
    }
    assert!(profile["user_id"].is_string());
    let replaced = put(
        &account,
        "shop:customer:email:JANE@example.com",
        json!({ "identifiers": [{ "type": "email", "value": "jane@example.com" }], "attributes": {} }),
    )
    .await;
    assert_eq!(replaced.status, 200);
    assert_eq!(replaced.body["profile"]["id"], profile["id"]);
    assert_eq!(replaced.body["profile"]["attributes"], json!({}));
    assert_eq!(replaced.body["profile"]["name"], "jane@example.com");
    assert_eq!(
        account.control.records("profiles").await.unwrap(),
        [replaced.body["profile"].clone()]
    );
    // Somebody came to be for it.
    let users = account.control.records("users").await.unwrap();
    assert!(users.iter().any(|user| user["email"] == "jane@example.com"));
}

#[tokio::test]
async fn patch_merges_and_only_ever_adds_identifiers() {
    let account = account().await;
    let created = put(&account, JANE, jane()).await.body["profile"].clone();
    let patched = patch(
        &account,
        &query(JANE),
        json!({ "source": "other", "type": "other", "user_id": "9",
            "identifiers": [{ "type": "email", "value": "new@example.com" }],
            "attributes": { "city": "Perth", "tier": null } }),
    )
    .await;
    assert_eq!(patched.status, 200, "{}", patched.body);
    let profile = &patched.body["profile"];
    assert_eq!(profile["attributes"], json!({ "city": "Perth" }));
    assert_eq!(profile["identifiers"].as_array().unwrap().len(), 3);
    for name in ["id", "name", "source", "type", "user_id"] {
        assert_eq!(profile[name], created[name], "{name}");
    }
    for identifier in [JANE, "shop:customer:email:new@example.com"] {
        let found = account.get(&query(identifier)).await;
        assert_eq!((found.status, &found.body["profile"]), (200, profile));
    }
    let nobody = patch(&account, &query("shop:lead:email:a@b.c"), jane()).await;
    assert_refused(&nobody, 404, "not found");
}

#[tokio::test]
async fn profile_is_found_changed_and_deleted_by_id() {
    let account = account().await;
    let created = put(&account, JANE, jane()).await.body["profile"].clone();
    let path = format!("{PROFILES}/{}", created["id"].as_str().unwrap());
    assert_eq!(account.get(&path).await.body["profile"], created);
    let patched = patch(&account, &path, json!({ "name": "Jane Smith" })).await;
    assert_eq!(patched.body["profile"]["name"], "Jane Smith");
    assert_eq!(patched.body["profile"]["attributes"], created["attributes"]);
    let replaced = account.put(&path, &json!({ "profile": jane() })).await;
    assert_eq!(
        (replaced.status, &replaced.body["profile"]["name"]),
        (200, &json!("Jane"))
    );
    let deleted = account.write(Method::DELETE, &path, &Value::Null).await;
    assert_eq!(deleted.status, 204);
    assert_refused(&account.get(&path).await, 404, "not found");
    assert_refused(&patch(&account, &path, jane()).await, 404, "not found");
    assert_eq!(
        account
            .put(&path, &json!({ "profile": jane() }))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn profile_joins_the_user_to_whom_its_identifiers_belong() {
    let account = account().await;
    let identifiers = |values: &[(&str, &str)]| {
        let list: Vec<Value> = values
            .iter()
            .map(|(kind, value)| json!({ "type": kind, "value": value }))
            .collect();
        json!({ "identifiers": list, "attributes": {} })
    };
    let eve = put(
        &account,
        "shop:customer:email:eve@example.com",
        identifiers(&[("email", "eve@example.com"), ("phone_number", "+1")]),
    )
    .await;
    assert_eq!(eve.body["profile"]["user_id"], "9");
    let other_type = put(
        &account,
        "shop:lead:phone_number:+1",
        identifiers(&[("phone_number", "+1")]),
    )
    .await;
    assert_eq!(other_type.body["profile"]["user_id"], "9");
    let listed = account.get("/api/v2/users/9/profiles").await;
    assert_eq!(listed.body["profiles"].as_array().unwrap().len(), 2);
    for (identifier, values, part) in [
        (
            "shop:customer:email:joe@example.com",
            vec![("email", "joe@example.com"), ("phone_number", "+1")],
            "more than one",
        ),
        (
            "web:customer:email:joe@example.com",
            vec![("email", "joe@example.com"), ("email", "eve@example.com")],
            "more than one user",
        ),
    ] {
        assert_refused(
            &put(&account, identifier, identifiers(&values)).await,
            400,
            part,
        );
    }
    let path = query("web:customer:own:7").replace(PROFILES, "/api/v2/users/10/profiles");
    let own = account
        .put(&path, &json!({ "profile": identifiers(&[("own", "7")]) }))
        .await;
    assert_eq!(
        (own.status, &own.body["profile"]["user_id"]),
        (201, &json!("10"))
    );
}

#[tokio::test]
async fn bad_queries_and_bodies_are_refused() {
    let account = account().await;
    for identifier in [
        "",
        "shop:customer",
        "shop:customer:email:",
        "zendesk:customer:email:a@b.c",
        // Encoded twice.
        "shop%3Acustomer%3Aemail%3Aa@b.c",
    ] {
        assert_refused(&put(&account, identifier, jane()).await, 400, "");
    }
    assert_refused(&account.get(PROFILES).await, 400, "required");
    for (name, value, part) in [
        ("identifiers", json!([]), "identifiers"),
        (
            "identifiers",
            json!([{ "type": "email", "value": 5 }]),
            "identifiers",
        ),
        (
            "identifiers",
            json!([{ "type": "email", "value": "jane" }]),
            "email",
        ),
        (
            "attributes",
            json!({ "age": 5 }),
            "attributes.age must be a string",
        ),
        ("attributes", json!([]), "attributes"),
        ("name", json!(5), "name"),
        ("source", json!("web"), "source differs"),
    ] {
        let mut profile = jane();
        profile[name] = value;
        assert_refused(&put(&account, JANE, profile).await, 400, part);
    }
    for missing in ["identifiers", "attributes"] {
        let mut profile = jane();
        profile.as_object_mut().unwrap().remove(missing);
        assert_refused(&put(&account, JANE, profile).await, 400, "is required");
    }
    assert_refused(
        &account.put(&query(JANE), &jane()).await,
        400,
        "profile must be",
    );
    assert!(
        account
            .control
            .records("profiles")
            .await
            .unwrap()
            .is_empty()
    );
}
