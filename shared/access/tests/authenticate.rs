//! Who calls, against stand-ins for the table of tokens and for an identity provider.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise, in its helpers too"
)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use access::{
    Authenticator, Caller, NewToken, Oidc, OidcConfig, RANDOM_BYTES, Refusal, Role, Tokens, Via,
};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::AUTHORIZATION;
use jiff::{SignedDuration, Timestamp};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

const AUDIENCE: &str = "closedloop";

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn after(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

/// What the two services hold, and what they were asked.
#[derive(Default)]
struct World {
    url: String,
    rows: HashMap<String, Value>,
    keys: Vec<Value>,
    /// What the discovery document says, where it is not the truth.
    issuer: Option<String>,
    down: bool,
    asked: Vec<String>,
}

impl World {
    fn table(&mut self, operation: &str, body: &Value) -> (StatusCode, Value) {
        let id = |key: &Value| key["id"]["S"].as_str().unwrap().to_owned();
        let failed = json!({"__type": "ConditionalCheckFailedException", "message": "no"});
        match operation {
            "GetItem" => {
                assert_eq!(body["ConsistentRead"], true);
                let row = self.rows.get(&id(&body["Key"]));
                let answer = row.map_or(json!({}), |row| json!({"Item": row}));
                (StatusCode::OK, answer)
            }
            "PutItem" => {
                let row = body["Item"].clone();
                if self.rows.contains_key(&id(&row)) {
                    return (StatusCode::BAD_REQUEST, failed);
                }
                self.rows.insert(id(&row), row);
                (StatusCode::OK, json!({}))
            }
            "Scan" => {
                let rows: Vec<&Value> = self.rows.values().collect();
                (StatusCode::OK, json!({"Items": rows}))
            }
            "UpdateItem" => {
                let Some(row) = self.rows.get_mut(&id(&body["Key"])) else {
                    return (StatusCode::BAD_REQUEST, failed);
                };
                let value = body["ExpressionAttributeValues"][":now"].clone();
                match body["UpdateExpression"].as_str().unwrap() {
                    "SET used_at = :now" => row["used_at"] = value,
                    "SET revoked_at = if_not_exists(revoked_at, :now)" => {
                        if row.get("revoked_at").is_none() {
                            row["revoked_at"] = value;
                        }
                    }
                    other => panic!("{other} is not expected"),
                }
                (StatusCode::OK, json!({"Attributes": row}))
            }
            other => panic!("{other} is not expected"),
        }
    }
}

async fn serve(
    State(world): State<Arc<Mutex<World>>>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    let mut world = world.lock().unwrap();
    let target = headers.get("x-amz-target");
    let operation = target.map(|target| target.to_str().unwrap().rsplit('.').next().unwrap());
    world.asked.push(operation.unwrap_or(uri.path()).to_owned());
    if world.down {
        return (StatusCode::INTERNAL_SERVER_ERROR, "{}".to_owned());
    }
    let (status, answer) = match operation {
        Some(operation) => {
            let body = serde_json::from_str(&body).unwrap();
            world.table(operation, &body)
        }
        None => match uri.path() {
            "/.well-known/openid-configuration" => {
                let issuer = world.issuer.clone().unwrap_or(world.url.clone());
                let keys = format!("{}/keys", world.url);
                (StatusCode::OK, json!({"issuer": issuer, "jwks_uri": keys}))
            }
            "/keys" => (StatusCode::OK, json!({"keys": world.keys})),
            other => panic!("{other} is not expected"),
        },
    };
    (status, answer.to_string())
}

struct Scene {
    world: Arc<Mutex<World>>,
    authenticator: Authenticator,
}

impl Scene {
    async fn new() -> Self {
        let world = Arc::new(Mutex::new(World::default()));
        let app = Router::new().fallback(serve).with_state(Arc::clone(&world));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        world.lock().unwrap().url.clone_from(&url);
        tokio::spawn(async move { axum::serve(listener, app).await });
        let client = store::Client::new(&aws::Config::at(&url).unwrap());
        let tokens = Tokens::new(store::Tokens::new(client, "tokens".to_owned()));
        let oidc = OidcConfig::new(url, AUDIENCE.to_owned(), "roles".to_owned()).unwrap();
        let oidc = Oidc::new(oidc, vendor_http::Client::new().unwrap());
        Self {
            world,
            authenticator: Authenticator::new(tokens, Some(oidc)),
        }
    }

    fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    fn asked(&self, what: &str) -> usize {
        let world = self.world();
        world.asked.iter().filter(|asked| *asked == what).count()
    }

    async fn at(&self, token: &str, now: Timestamp) -> Result<Caller, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        self.authenticator.authenticate(&headers, now).await
    }

    async fn created(&self, seed: u8, roles: &[Role]) -> access::CreatedToken {
        let new = NewToken {
            name: "deployments".to_owned(),
            roles: roles.iter().copied().collect(),
            expires_at: after(3600),
        };
        let tokens = self.authenticator.tokens();
        tokens
            .create(new, "ada", &[seed; RANDOM_BYTES], now())
            .await
            .unwrap()
    }
}

fn reason(result: Result<Caller, Refusal>) -> String {
    match result {
        Err(Refusal::Invalid { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn token_is_taken_until_its_end_and_only_its_hash_is_stored() {
    let scene = Scene::new().await;
    let created = scene.created(7, &[Role::Operator]).await;
    let secret = created.secret.expose_secret();
    assert_eq!(secret.len(), 85);
    let stored = json!(scene.world().rows).to_string();
    assert!(!stored.contains(&secret[21..]), "{stored}");

    let caller = scene.at(secret, now()).await.unwrap();
    assert_eq!(caller.name, "deployments");
    assert!(caller.has_any(&[Role::Operator]) && !caller.has_any(&[Role::Admin]));
    assert_eq!(
        caller.via,
        Via::Token {
            id: created.token.id.clone()
        }
    );
    assert!(scene.at(secret, after(3599)).await.is_ok());
    assert!(reason(scene.at(secret, after(3600)).await).contains("expired"));

    let mut wrong = secret.to_owned();
    wrong.replace_range(84.., if wrong.ends_with('0') { "1" } else { "0" });
    assert!(reason(scene.at(&wrong, now()).await).contains("wrong"));
    let unknown = format!("clt_{}_{}", "0".repeat(16), "0".repeat(64));
    assert!(reason(scene.at(&unknown, now()).await).contains("unknown"));
    assert!(reason(scene.at("clt_x", now()).await).contains("form"));
}

#[tokio::test]
async fn use_is_noted_once_an_hour() {
    let scene = Scene::new().await;
    let created = scene.created(7, &[Role::Admin]).await;
    for (seconds, noted) in [(0, 1), (60, 1), (3599, 1)] {
        let secret = created.secret.expose_secret();
        scene.at(secret, after(seconds)).await.unwrap();
        assert_eq!(scene.asked("UpdateItem"), noted, "{seconds}");
    }
    let listed = scene.authenticator.tokens().list().await.unwrap();
    assert_eq!(listed[0].used_at, Some(now()));
}

#[tokio::test]
async fn revoked_token_is_refused_and_stays_revoked_since_then() {
    let scene = Scene::new().await;
    let created = scene.created(7, &[Role::Admin]).await;
    let (tokens, id) = (scene.authenticator.tokens(), &created.token.id);
    let revoked = tokens.revoke(id, after(1)).await.unwrap().unwrap();
    assert_eq!(revoked.revoked_at, Some(after(1)));
    let again = tokens.revoke(id, after(2)).await.unwrap().unwrap();
    assert_eq!(again, revoked);
    let refused = scene.at(created.secret.expose_secret(), after(2)).await;
    assert!(reason(refused).contains("revoked"));
    let unknown = access::TokenId::parse(&"0".repeat(16)).unwrap();
    assert_eq!(tokens.revoke(&unknown, now()).await.unwrap(), None);
}

#[tokio::test]
async fn token_table_that_is_down_is_no_refusal() {
    let scene = Scene::new().await;
    let created = scene.created(7, &[Role::Admin]).await;
    scene.world().down = true;
    let refused = scene.at(created.secret.expose_secret(), now()).await;
    assert!(matches!(refused, Err(Refusal::Store(_))), "{refused:?}");
}

/// A key of the identity provider.
struct Signer {
    id: &'static str,
    pair: EcdsaKeyPair,
}

impl Signer {
    fn new(id: &'static str) -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let bytes = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, bytes.as_ref(), &random).unwrap();
        Self { id, pair }
    }

    fn public(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.id,
            "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..]),
        })
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self
            .pair
            .sign(&SystemRandom::new(), signed.as_bytes())
            .unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A good token with some claims changed.
    fn token(&self, scene: &Scene, changes: &Value) -> String {
        let mut claims = json!({
            "iss": scene.world().url, "aud": AUDIENCE, "sub": "7", "preferred_username": "ada",
            "exp": after(600).as_second(), "roles": ["operator", "gardener"],
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        self.sign(&json!({"alg": "ES256", "kid": self.id}), &claims)
    }
}

const KEYS: &str = "/keys";

#[tokio::test]
async fn signed_token_is_taken_and_the_keys_are_asked_for_once() {
    let scene = Scene::new().await;
    let signer = Signer::new("1");
    scene.world().keys = vec![signer.public()];
    for _ in 0..2 {
        let token = signer.token(&scene, &json!({}));
        let caller = scene.at(&token, now()).await.unwrap();
        assert_eq!(caller.name, "ada");
        assert_eq!(caller.roles, [Role::Operator].into());
        assert!(caller.via.key().starts_with("oidc_"));
    }
    assert_eq!((scene.asked(KEYS), scene.asked("GetItem")), (1, 0));
}

#[tokio::test]
async fn token_that_says_something_wrong_is_refused_without_asking_for_keys() {
    let scene = Scene::new().await;
    let signer = Signer::new("1");
    for (changes, expected) in [
        (json!({"aud": "another"}), "audience"),
        (json!({"iss": "https://id.example.com"}), "issuer"),
        (json!({"exp": after(-61).as_second()}), "expired"),
        (json!({"nbf": after(61).as_second()}), "not valid yet"),
    ] {
        let token = signer.token(&scene, &changes);
        let refused = reason(scene.at(&token, now()).await);
        assert!(refused.contains(expected), "{changes}: {refused}");
    }
    for algorithm in ["none", "HS256", "ES384"] {
        let token = signer.sign(&json!({"alg": algorithm}), &json!({}));
        assert!(reason(scene.at(&token, now()).await).contains("algorithm"));
    }
    assert_eq!(scene.asked(KEYS), 0);
}

#[tokio::test]
async fn token_without_a_known_role_is_known_but_refused() {
    let scene = Scene::new().await;
    let signer = Signer::new("1");
    scene.world().keys = vec![signer.public()];
    for roles in [json!(["gardener"]), json!([]), json!(null)] {
        let token = signer.token(&scene, &json!({"roles": roles}));
        let refused = scene.at(&token, now()).await;
        assert!(matches!(refused, Err(Refusal::NoRole)), "{refused:?}");
    }
}

#[tokio::test]
async fn unknown_key_makes_the_keys_read_again_but_once_a_minute() {
    let scene = Scene::new().await;
    let (old, new, foreign) = (Signer::new("1"), Signer::new("2"), Signer::new("3"));
    scene.world().keys = vec![old.public()];
    let (old_token, new_token, foreign_token) = (
        old.token(&scene, &json!({})),
        new.token(&scene, &json!({})),
        foreign.token(&scene, &json!({})),
    );
    assert!(scene.at(&old_token, now()).await.is_ok());
    // The issuer turns to a new key; within the minute nobody asks.
    scene.world().keys = vec![new.public()];
    assert!(reason(scene.at(&new_token, after(59)).await).contains("no such key"));
    assert_eq!(scene.asked(KEYS), 1);
    assert!(scene.at(&new_token, after(60)).await.is_ok());
    assert_eq!(scene.asked(KEYS), 2);
    // The old key has gone with the old set.
    assert!(reason(scene.at(&old_token, after(61)).await).contains("no such key"));
    for second in 62..100 {
        assert!(scene.at(&foreign_token, after(second)).await.is_err());
    }
    assert_eq!(scene.asked(KEYS), 2);
}

#[tokio::test]
async fn signature_of_another_key_under_a_known_name_is_refused() {
    let scene = Scene::new().await;
    let (own, other) = (Signer::new("1"), Signer::new("1"));
    scene.world().keys = vec![own.public()];
    let token = other.token(&scene, &json!({}));
    assert!(reason(scene.at(&token, now()).await).contains("signature"));
}

#[tokio::test]
async fn known_keys_outlive_an_issuer_that_is_down_for_a_while() {
    let scene = Scene::new().await;
    let signer = Signer::new("1");
    scene.world().keys = vec![signer.public()];
    let token = signer.token(&scene, &json!({"exp": after(200_000).as_second()}));
    assert!(scene.at(&token, now()).await.is_ok());
    scene.world().down = true;
    assert!(scene.at(&token, after(3601)).await.is_ok());
    let refused = scene.at(&token, after(24 * 3600 + 1)).await;
    assert!(matches!(refused, Err(Refusal::Issuer(_))), "{refused:?}");
}

#[tokio::test]
async fn issuer_that_cannot_be_asked_or_calls_itself_otherwise_is_no_refusal() {
    for lies in [true, false] {
        let scene = Scene::new().await;
        let signer = Signer::new("1");
        let token = signer.token(&scene, &json!({}));
        scene.world().keys = vec![signer.public()];
        if lies {
            scene.world().issuer = Some("https://id.example.com".to_owned());
        } else {
            scene.world().down = true;
        }
        for second in [0, 1] {
            let refused = scene.at(&token, after(second)).await;
            assert!(matches!(refused, Err(Refusal::Issuer(_))), "{refused:?}");
        }
        assert_eq!(scene.world().asked.len(), 1);
    }
}
