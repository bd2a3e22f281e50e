//! A route is one value: where it is, who may take it, what it takes and what it answers.
//!
//! **Invariant**: the router, the check of roles and the OpenAPI document are made of the same list, and the types
//! of a handler say what is read and written. So no route can be without a rule, and what the document says is what
//! happens; a test holds the committed one to it.
//!
//! A [`Route`] has two sides: its [`Handler`], which the function takes, and its [`Description`], of which the
//! document is made.

use std::collections::BTreeSet;
use std::future::{Future, ready};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use access::{Caller, RANDOM_BYTES, Role};
use http::{HeaderMap, Method};
use jiff::Timestamp;
use management::Person;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::de::value::MapDeserializer;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Deps;
use crate::problem::Problem;
use crate::request::Request;

/// Who may take a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Everybody, without a token.
    Everybody,
    /// Whoever shows a token that is taken.
    EveryCaller,
    /// Callers with one of these roles. Admins are among them always.
    Roles(&'static [Role]),
}

/// Admins only.
pub const ADMIN: Rule = Rule::Roles(&[Role::Admin]);

/// Those who keep things going.
pub const OPERATOR: Rule = Rule::Roles(&[Role::Admin, Role::Operator]);

/// Those who work on service tasks.
pub const ITIL: Rule = Rule::Roles(&[Role::Admin, Role::Itil]);

/// Those who see the history of all remote sessions.
pub const SESSION_HISTORY_USER: Rule = Rule::Roles(&[Role::Admin, Role::SessionHistoryUser]);

/// Those who see the history of a task's remote sessions.
pub const TASK_HISTORY: Rule = Rule::Roles(&[Role::Admin, Role::Itil, Role::SessionHistoryUser]);

/// Those who see how the history of remote sessions is kept, though not always what is in it.
pub const HISTORY_STATE: Rule =
    Rule::Roles(&[Role::Admin, Role::Operator, Role::SessionHistoryUser]);

/// What a handler gets.
#[derive(Debug)]
pub struct Call<P, Q, B> {
    /// From the path.
    pub path: P,
    /// From the query.
    pub query: Q,
    /// From the body.
    pub body: B,
    /// The headers.
    pub headers: HeaderMap,
    /// Who asks.
    pub caller: Option<Caller>,
    /// What the function itself does not know.
    pub moment: Moment,
}

impl<P, Q, B> Call<P, Q, B> {
    /// What people call whoever asks.
    pub fn caller_name(&self) -> String {
        let name = self.caller.as_ref().map(|caller| caller.name.clone());
        name.unwrap_or_default()
    }

    /// Whoever asks, as far as their own account at a vendor goes.
    ///
    /// # Errors
    /// When the route needs no token, which is a mistake in the list of routes.
    pub fn person(&self) -> Result<Person, Problem> {
        let caller = self.caller.as_ref();
        let caller = caller.ok_or_else(|| Problem::internal("a caller is missing".to_owned()))?;
        Ok(Person {
            key: caller.via.key().to_owned(),
            name: caller.name.clone(),
        })
    }

    /// Whether whoever asks may see what events say of remote sessions, and with it their codes, whoever else may read
    /// events.
    pub fn sees_sessions(&self) -> bool {
        let caller = self.caller.as_ref();
        caller.is_some_and(|caller| caller.roles.contains(&Role::Admin))
    }

    /// A header's value, `None` when it is absent or not text.
    pub fn header(&self, name: &http::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The time and the randomness of one request.
#[derive(Clone, Copy)]
pub struct Moment {
    /// The time.
    pub now: Timestamp,
    /// Random bytes from the operating system.
    pub random: [u8; RANDOM_BYTES],
}

impl std::fmt::Debug for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Moment")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// Parameters of a path or a query.
pub trait Parameters: DeserializeOwned + JsonSchema + Send + 'static {}

impl<T: DeserializeOwned + JsonSchema + Send + 'static> Parameters for T {}

/// No parameters: others are refused.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// A body.
pub trait Body: Sized + Send + 'static {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it.
    fn read(request: &Request) -> Result<Self, Problem>;

    /// Its schema; `None` when there is no body.
    fn schema(generator: &mut SchemaGenerator) -> Option<Schema>;
}

impl Body for () {
    fn read(_: &Request) -> Result<Self, Problem> {
        Ok(())
    }

    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }
}

/// A body of JSON.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + JsonSchema + Send + 'static> Body for Json<T> {
    fn read(request: &Request) -> Result<Self, Problem> {
        let value: Value = read_json(request)?;
        // From a value, since a field's place is known then even where its JSON text has it twice.
        serde_path_to_error::deserialize(value)
            .map(Json)
            .map_err(|error| {
                let path = match error.path().to_string() {
                    path if path == "." => String::new(),
                    path => path,
                };
                Problem::body(path, error.into_inner().to_string())
            })
    }

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(generator.subschema_for::<T>())
    }
}

/// A body that describes a `T`, to be checked by whoever knows all of its rules.
#[derive(Debug)]
pub struct Document<T> {
    /// The document.
    pub value: Value,
    of: PhantomData<fn() -> T>,
}

impl<T: JsonSchema + 'static> Body for Document<T> {
    fn read(request: &Request) -> Result<Self, Problem> {
        Ok(Self {
            value: read_json(request)?,
            of: PhantomData,
        })
    }

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(generator.subschema_for::<T>())
    }
}

fn read_json(request: &Request) -> Result<Value, Problem> {
    // The size comes first: it is also wrong where the type is.
    let body = request.body()?;
    if !request.is_json() {
        return Err(Problem::not_json());
    }
    let value: Value = serde_json::from_slice(&body).map_err(|error| {
        Problem::unreadable(format!(
            "the body is not JSON: see line {}, column {}",
            error.line(),
            error.column()
        ))
    })?;
    // A list would do, too, for what is to be read: its items would be taken for the fields.
    if value.is_object() {
        Ok(value)
    } else {
        Err(Problem::value("", "expected an object".to_owned()))
    }
}

/// What is answered when all went well.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Option<Content>,
    /// The headers that belong to it, each with its value.
    pub headers: Vec<(&'static ResponseHeader, String)>,
}

/// What is in a body, and what it calls itself.
#[derive(Debug)]
pub enum Content {
    /// `application/json`.
    Json(Value),
    /// `application/json`, as text that is part of the function.
    Ready(&'static str),
    /// `text/csv`.
    Csv(String),
}

impl Content {
    /// The header `Content-Type`.
    pub fn media_type(&self) -> &'static str {
        match self {
            Self::Json(_) | Self::Ready(_) => "application/json",
            // Source: RFC 4180, 3
            Self::Csv(_) => "text/csv; charset=utf-8; header=present",
        }
    }

    /// The bytes.
    pub fn into_text(self) -> String {
        match self {
            Self::Json(value) => value.to_string(),
            Self::Ready(text) => text.to_owned(),
            Self::Csv(text) => text,
        }
    }
}

/// A header that an answer may have beside those of every answer.
#[derive(Debug, PartialEq, Eq)]
pub struct ResponseHeader {
    /// Its name, as people write it.
    pub name: &'static str,
    /// Its name, as HTTP libraries want it: in lower case.
    pub key: &'static str,
    /// What it says.
    pub description: &'static str,
    /// What it looks like.
    pub pattern: &'static str,
}

/// The revision that an answer is about.
pub static ETAG: ResponseHeader = ResponseHeader {
    name: "ETag",
    key: "etag",
    description: "The revision, for `If-Match`",
    pattern: "^\"[0-9]+\"$",
};

/// Where a listing goes on, for forms that have no place for it in their body.
pub static NEXT_CURSOR: ResponseHeader = ResponseHeader {
    name: "X-Next-Cursor",
    key: "x-next-cursor",
    description: "With CSV only: ask again with this `cursor` for what follows; absent when nothing does",
    pattern: "^[0-9]{1,14}\\.[a-z0-9_-]{0,64}$",
};

/// What a handler answers. The type says which statuses there are.
pub trait Answer: Sized {
    /// The statuses.
    const STATUSES: &'static [u16];
    /// The headers that it may have.
    const HEADERS: &'static [&'static ResponseHeader] = &[];
    /// Whether it may be CSV instead of JSON.
    const HAS_CSV: bool = false;

    /// Its schema; `None` when there is no body.
    fn schema(generator: &mut SchemaGenerator) -> Option<Schema>;

    /// Writes it.
    ///
    /// # Errors
    /// When it has no form in JSON.
    fn reply(self) -> Result<Reply, Problem>;
}

/// 200 with a body.
#[derive(Debug)]
pub struct Found<T>(pub T);

/// 201 with a body.
#[derive(Debug)]
pub struct Made<T>(pub T);

/// 201 when it was not there before, else 200; with a body.
#[derive(Debug)]
pub struct Put<T> {
    /// Whether it was not there before.
    pub created: bool,
    /// The body.
    pub value: T,
}

/// 202 with a body: what was asked for is going to be done.
#[derive(Debug)]
pub struct Accepted<T>(pub T);

/// 200 with a body of JSON or, for whoever prefers it, of CSV.
#[derive(Debug)]
pub enum JsonOrCsv<T> {
    /// JSON.
    Json(T),
    /// CSV, and where the listing goes on.
    Csv {
        /// The rows, with a row of names above them.
        text: String,
        /// The cursor of what follows.
        next: Option<String>,
    },
}

/// 200 with a body that describes a `T` and is JSON already.
#[derive(Debug)]
pub struct Ready<T> {
    text: &'static str,
    of: PhantomData<fn() -> T>,
}

impl<T> Ready<T> {
    /// With this text.
    pub const fn of_json(text: &'static str) -> Self {
        let of = PhantomData;
        Self { text, of }
    }
}

/// 204.
#[derive(Debug)]
pub struct Gone;

/// An answer about a certain revision, which is told as `ETag`.
#[derive(Debug)]
pub struct Revised<A> {
    /// The revision.
    pub revision: u32,
    /// The answer.
    pub answer: A,
}

// Not inlined, since several routes answer the same.
#[inline(never)]
fn reply<T: Serialize>(status: u16, value: &T) -> Result<Reply, Problem> {
    let body = serde_json::to_value(value)
        .map_err(|error| Problem::internal(format!("an answer could not be written: {error}")))?;
    Ok(Reply {
        status,
        body: Some(Content::Json(body)),
        headers: Vec::new(),
    })
}

impl<T: Serialize + JsonSchema> Answer for Found<T> {
    const STATUSES: &'static [u16] = &[200];

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(generator.subschema_for::<T>())
    }

    fn reply(self) -> Result<Reply, Problem> {
        reply(200, &self.0)
    }
}

impl<T: Serialize + JsonSchema> Answer for Made<T> {
    const STATUSES: &'static [u16] = &[201];

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(generator.subschema_for::<T>())
    }

    fn reply(self) -> Result<Reply, Problem> {
        reply(201, &self.0)
    }
}

impl<T: Serialize + JsonSchema> Answer for Put<T> {
    const STATUSES: &'static [u16] = &[200, 201];

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(generator.subschema_for::<T>())
    }

    fn reply(self) -> Result<Reply, Problem> {
        reply(if self.created { 201 } else { 200 }, &self.value)
    }
}

impl<T: Serialize + JsonSchema> Answer for Accepted<T> {
    const STATUSES: &'static [u16] = &[202];

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(generator.subschema_for::<T>())
    }

    fn reply(self) -> Result<Reply, Problem> {
        reply(202, &self.0)
    }
}

impl<T: Serialize + JsonSchema> Answer for JsonOrCsv<T> {
    const STATUSES: &'static [u16] = &[200];
    const HEADERS: &'static [&'static ResponseHeader] = &[&NEXT_CURSOR];
    const HAS_CSV: bool = true;

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(generator.subschema_for::<T>())
    }

    fn reply(self) -> Result<Reply, Problem> {
        match self {
            Self::Json(value) => reply(200, &value),
            Self::Csv { text, next } => Ok(Reply {
                status: 200,
                body: Some(Content::Csv(text)),
                headers: next.map(|next| (&NEXT_CURSOR, next)).into_iter().collect(),
            }),
        }
    }
}

impl<T: JsonSchema> Answer for Ready<T> {
    const STATUSES: &'static [u16] = &[200];

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(generator.subschema_for::<T>())
    }

    fn reply(self) -> Result<Reply, Problem> {
        Ok(Reply {
            status: 200,
            body: Some(Content::Ready(self.text)),
            headers: Vec::new(),
        })
    }
}

impl Answer for Gone {
    const STATUSES: &'static [u16] = &[204];

    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }

    fn reply(self) -> Result<Reply, Problem> {
        Ok(Reply {
            status: 204,
            body: None,
            headers: Vec::new(),
        })
    }
}

impl<A: Answer> Answer for Revised<A> {
    const STATUSES: &'static [u16] = A::STATUSES;
    const HEADERS: &'static [&'static ResponseHeader] = &[&ETAG];

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        A::schema(generator)
    }

    fn reply(self) -> Result<Reply, Problem> {
        Ok(Reply {
            headers: vec![(&ETAG, management::etag(self.revision))],
            ..self.answer.reply()?
        })
    }
}

/// What a request brings along to its route.
#[derive(Debug)]
pub struct Input {
    /// The request.
    pub request: Request,
    /// The decoded parts of the path that have names.
    pub path: Vec<(String, String)>,
    /// Who asks.
    pub caller: Option<Caller>,
    /// When.
    pub moment: Moment,
}

type Replying = Pin<Box<dyn Future<Output = Result<Reply, Problem>> + Send>>;
type Handle<M> = Box<dyn Fn(Arc<Deps<M>>, Input) -> Replying + Send + Sync>;

/// What is kept of a route.
///
/// Whoever lists the routes chooses one side, so that the function is built without the other: the code that writes
/// schemas is as much as that of all handlers.
pub trait Side: Sized {
    /// The part of the API that the handlers belong to.
    type Part;

    /// Keeps what it needs of the handler.
    fn of<P, Q, B, A, F, Fut>(handler: F) -> Self
    where
        P: Parameters,
        Q: Parameters,
        B: Body,
        A: Answer,
        F: Fn(Arc<Deps<Self::Part>>, Call<P, Q, B>) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = Result<A, Problem>> + Send + 'static;

    /// Has the description filled in, where there is one.
    fn describe(&mut self, tell: impl FnOnce(&mut Description));
}

/// The side that the function takes.
pub struct Handler<M>(Handle<M>);

impl<M: 'static> Side for Handler<M> {
    type Part = M;

    fn of<P, Q, B, A, F, Fut>(handler: F) -> Self
    where
        P: Parameters,
        Q: Parameters,
        B: Body,
        A: Answer,
        F: Fn(Arc<Deps<M>>, Call<P, Q, B>) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = Result<A, Problem>> + Send + 'static,
    {
        Self(Box::new(move |deps, input| match call(input) {
            Ok(call) => {
                let handling = handler(deps, call);
                Box::pin(async move { handling.await?.reply() })
            }
            Err(problem) => Box::pin(ready(Err(problem))),
        }))
    }

    fn describe(&mut self, _: impl FnOnce(&mut Description)) {}
}

/// The side of which the OpenAPI document is made.
pub struct Description {
    /// What it does, in a few words.
    pub summary: &'static str,
    /// What else is to be known of it, in Markdown.
    pub description: &'static str,
    /// A body that is taken as it is.
    pub example: Option<Value>,
    /// What can stand in the path where a part is given.
    pub at: Option<&'static str>,
    /// Answers other than those that follow from the types.
    pub also: &'static [u16],
    pub(crate) shape: Shape,
}

/// The same, of a route of this part.
pub struct Described<M> {
    description: Description,
    of: PhantomData<fn() -> M>,
}

impl<M> Route<Described<M>> {
    /// What the document is made of, whatever the part.
    pub fn description(self) -> Route<Description> {
        Route {
            method: self.method,
            path: self.path,
            rule: self.rule,
            operation: self.operation,
            preconditions: self.preconditions,
            side: self.side.description,
        }
    }
}

impl<M> Side for Described<M> {
    type Part = M;

    fn of<P, Q, B, A, F, Fut>(_: F) -> Self
    where
        P: Parameters,
        Q: Parameters,
        B: Body,
        A: Answer,
        F: Fn(Arc<Deps<M>>, Call<P, Q, B>) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = Result<A, Problem>> + Send + 'static,
    {
        let description = Description {
            summary: "",
            description: "",
            example: None,
            at: None,
            also: &[],
            shape: Shape {
                path: P::json_schema,
                query: Q::json_schema,
                body: B::schema,
                answer: A::schema,
                statuses: A::STATUSES,
                headers: A::HEADERS,
                has_csv: A::HAS_CSV,
            },
        };
        let of = PhantomData;
        Self { description, of }
    }

    fn describe(&mut self, tell: impl FnOnce(&mut Description)) {
        tell(&mut self.description);
    }
}

/// One method of one path, from one side.
pub struct Route<T> {
    /// The method.
    pub method: Method,
    /// The path; `{name}` stands for a part that is given.
    pub path: &'static str,
    /// Who may take it.
    pub rule: Rule,
    /// What it is called in the OpenAPI document.
    pub operation: &'static str,
    /// Whether `If-Match` and `If-None-Match` are heeded.
    pub preconditions: Preconditions,
    /// What is kept of it.
    pub side: T,
}

/// The headers that make a change depend on what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preconditions {
    /// None.
    None,
    /// `If-Match` with a revision.
    Revision,
    /// `If-Match` with a revision, or `If-None-Match: *`.
    RevisionOrAbsence,
}

/// The types of a route, as functions that write their schemas.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) path: fn(&mut SchemaGenerator) -> Schema,
    pub(crate) query: fn(&mut SchemaGenerator) -> Schema,
    pub(crate) body: fn(&mut SchemaGenerator) -> Option<Schema>,
    pub(crate) answer: fn(&mut SchemaGenerator) -> Option<Schema>,
    pub(crate) statuses: &'static [u16],
    pub(crate) headers: &'static [&'static ResponseHeader],
    pub(crate) has_csv: bool,
}

impl<T> std::fmt::Debug for Route<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ({:?})", self.method, self.path, self.rule)
    }
}

impl<T: Side> Route<T> {
    /// A route. What it reads and answers are its handler's types.
    pub fn new<P, Q, B, A, F, Fut>(
        method: Method,
        path: &'static str,
        rule: Rule,
        operation: &'static str,
        handler: F,
    ) -> Self
    where
        P: Parameters,
        Q: Parameters,
        B: Body,
        A: Answer,
        F: Fn(Arc<Deps<T::Part>>, Call<P, Q, B>) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = Result<A, Problem>> + Send + 'static,
    {
        Self {
            method,
            path,
            rule,
            operation,
            preconditions: Preconditions::None,
            side: T::of(handler),
        }
    }

    /// Says what it does.
    #[must_use]
    pub fn says(mut self, summary: &'static str, description: &'static str) -> Self {
        self.side.describe(|side| {
            side.summary = summary;
            side.description = description;
        });
        self
    }

    /// Gives an example of a body.
    #[must_use]
    pub fn example(mut self, body: impl FnOnce() -> Value) -> Self {
        self.side.describe(|side| side.example = Some(body()));
        self
    }

    /// Gives an example of the part of the path that is given.
    #[must_use]
    pub fn at(mut self, part: &'static str) -> Self {
        self.side.describe(|side| side.at = Some(part));
        self
    }

    /// Heeds these headers.
    #[must_use]
    pub fn heeds(mut self, preconditions: Preconditions) -> Self {
        self.preconditions = preconditions;
        self
    }

    /// May answer these statuses, too.
    #[must_use]
    pub fn also_answers(mut self, statuses: &'static [u16]) -> Self {
        self.side.describe(|side| side.also = statuses);
        self
    }
}

impl<M> Route<Handler<M>> {
    /// Checks that the request states no precondition that would not be heeded: whoever states one relies on it.
    ///
    /// # Errors
    /// The header at fault.
    pub fn check_preconditions(&self, headers: &HeaderMap) -> Result<(), Problem> {
        for name in [http::header::IF_MATCH, http::header::IF_NONE_MATCH] {
            let Some(value) = headers.get(&name) else {
                continue;
            };
            let heeded = match self.preconditions {
                Preconditions::None => false,
                Preconditions::Revision => name == http::header::IF_MATCH,
                Preconditions::RevisionOrAbsence => true,
            };
            if !heeded || value.to_str().is_err() {
                return Err(Problem::precondition(format!(
                    "the header {name} cannot be heeded here: leave it out"
                )));
            }
        }
        Ok(())
    }

    /// Whether this caller may take it.
    ///
    /// # Errors
    /// 403, which says what role is needed.
    pub fn admit(&self, caller: &Caller) -> Result<(), Problem> {
        match self.rule {
            Rule::Everybody | Rule::EveryCaller => Ok(()),
            Rule::Roles(roles) if caller.has_any(roles) => Ok(()),
            Rule::Roles(roles) => Err(Problem::forbidden(roles, caller)),
        }
    }

    /// Takes it.
    ///
    /// # Errors
    /// Whatever is wrong with the request, or goes wrong.
    pub async fn take(&self, deps: Arc<Deps<M>>, input: Input) -> Result<Reply, Problem> {
        (self.side.0)(deps, input).await
    }
}

impl Route<Description> {
    /// The statuses of problems that it may answer.
    pub fn problems(&self) -> BTreeSet<u16> {
        let has_parameters = |schema: fn(&mut SchemaGenerator) -> Schema| {
            let schema = schema(&mut SchemaGenerator::default());
            let properties = schema.get("properties").and_then(Value::as_object);
            properties.is_some_and(|properties| !properties.is_empty())
        };
        let has_body = (self.side.shape.body)(&mut SchemaGenerator::default()).is_some();
        let changes = self.method != Method::GET;
        // Every route refuses parameters of the query that it does not know.
        let mut statuses = BTreeSet::from([400, 405]);
        let mut add = |when: bool, more: &[u16]| {
            if when {
                statuses.extend(more);
            }
        };
        // 422 also tells of an answer that is too large.
        add(self.rule != Rule::Everybody, &[401, 403, 422, 500, 503]);
        add(has_parameters(self.side.shape.path), &[404]);
        add(changes, &[409]);
        add(has_body, &[413, 415]);
        add(self.preconditions != Preconditions::None, &[412]);
        add(true, self.side.also);
        statuses
    }
}

// These readers are not inlined: many routes have the same parameters, and it is enough to have their code once.

#[inline(never)]
fn call<P: Parameters, Q: Parameters, B: Body>(input: Input) -> Result<Call<P, Q, B>, Problem> {
    let Input {
        request,
        path,
        caller,
        moment,
    } = input;
    Ok(Call {
        path: read_path(path)?,
        query: read_query(&request.query)?,
        body: B::read(&request)?,
        headers: request.headers,
        caller,
        moment,
    })
}

#[inline(never)]
fn read_path<P: Parameters>(parts: Vec<(String, String)>) -> Result<P, Problem> {
    type Error = serde::de::value::Error;
    let name = parts.first().map(|(name, _)| name.clone());
    P::deserialize(MapDeserializer::<_, Error>::new(parts.into_iter()))
        .map_err(|error| Problem::path(&name.unwrap_or_default(), error.to_string()))
}

#[inline(never)]
fn read_query<Q: Parameters>(query: &str) -> Result<Q, Problem> {
    let pairs = form_urlencoded::parse(query.as_bytes());
    // A parameter that is a list is given once for each of its members.
    serde_path_to_error::deserialize(serde_html_form::Deserializer::new(pairs)).map_err(|error| {
        let name = match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        };
        Problem::query(&name, error.into_inner().to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::WorkflowId;
    use management::RunFilter;

    #[test]
    fn query_is_read_whole_or_its_parameter_is_named() {
        let filter: RunFilter = read_query("workflow=a-b&limit=5&state=failed").unwrap();
        assert_eq!(filter.workflow, Some(WorkflowId::parse("a-b").unwrap()));
        assert_eq!(filter.limit, Some(5));
        assert!(read_query::<RunFilter>("").is_ok());
        for (query, name) in [
            ("limit=many", "limit"),
            ("limit=-1", "limit"),
            ("workflow=A", "workflow"),
            ("wrkflow=a", "wrkflow"),
            ("limit=1&limit=2", "limit"),
        ] {
            let problem = read_query::<RunFilter>(query).unwrap_err();
            let errors = format!("{:?}", problem.details.errors);
            assert!(errors.contains(name), "{query}: {errors}");
            assert_eq!(problem.status(), 400);
        }
        let problem = read_query::<Nothing>("x=1").unwrap_err();
        assert!(problem.details.errors[0].problem.contains("`x`"));
    }
}
