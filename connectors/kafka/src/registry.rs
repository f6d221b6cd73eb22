//! A client of schema registries that speak Confluent's HTTP: schemas by number, and numbers of schemas. What was looked up is kept: a number never changes its
//! schema.

use crate::{client, error, secret};
use reqwest::{
    StatusCode,
    blocking::{Client, RequestBuilder},
};
use runink_connector_api::{ConnectorError, Options};
use runink_formats::{WriterSchema, WriterSchemas};
use serde::Deserialize;
use std::{
    collections::HashMap,
    panic::catch_unwind,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a registry that does not answer is asked.
const MAX_TRIES: u32 = 3;
/// How long before it is asked again; each time twice as long.
const TRY_AGAIN: Duration = Duration::from_millis(200);
/// How many schemas are kept.
const MAX_KEPT: usize = 10_000;

/// How many files a schema may import, also by way of others.
const MAX_IMPORTS: usize = 200;

/// What schemas are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SchemaKind {
    Avro,
    Protobuf,
}

impl SchemaKind {
    /// As registries call it.
    fn name(self) -> &'static str {
        match self {
            SchemaKind::Avro => "AVRO",
            SchemaKind::Protobuf => "PROTOBUF",
        }
    }
}

/// See the module. Clones share what they know.
#[derive(Clone)]
pub(crate) struct Registry {
    kind: SchemaKind,
    url: String,
    user: Option<(String, Option<String>)>,
    client: Client,
    schemas: Arc<Mutex<HashMap<u32, Option<WriterSchema>>>>,
}

#[derive(Deserialize)]
struct SchemaAnswer {
    schema: String,
    #[serde(rename = "schemaType")]
    schema_type: Option<String>,
    #[serde(default)]
    references: Vec<Reference>,
}

/// A file that a schema imports, and where the registry has it.
#[derive(Deserialize)]
struct Reference {
    name: String,
    subject: String,
    version: u32,
}

#[derive(Deserialize)]
struct IdAnswer {
    id: u32,
}

/// A client of HTTP that waits that long for an answer; or why there is none.
pub(crate) fn http_client(patience: Duration) -> Result<Client, String> {
    // Without a provider of cryptography the client does not come to be; it says so by a panic.
    match catch_unwind(|| Client::builder().timeout(patience).build()) {
        Ok(built) => built.map_err(|cause| cause.to_string()),
        Err(_) => Err("the HTTP client has no cryptography".into()),
    }
}

impl Registry {
    /// The registry that options name.
    pub(crate) fn of(options: &Options, kind: SchemaKind) -> Result<Option<Self>, ConnectorError> {
        let Some(url) = options.text("schema_registry") else { return Ok(None) };
        let url = secret::resolve("schema_registry", url, secret::of_process)?;
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            return Err(error::options(format!("`schema_registry` is `{url}`, which is no URL"), "write `http://host:8081`"));
        }
        let password = match options.text("schema_registry_password") {
            Some(text) => {
                secret::by_name_only("schema_registry_password", text)?;
                Some(secret::resolve("schema_registry_password", text, secret::of_process)?)
            }
            None => None,
        };
        let user = match options.text("schema_registry_user") {
            Some(user) => Some((secret::resolve("schema_registry_user", user, secret::of_process)?, password)),
            None if password.is_some() => {
                return Err(error::options("`schema_registry_password` is without a user", "add `schema_registry_user=`"));
            }
            None => None,
        };
        let http = http_client(PATIENCE).map_err(|why| error::registry(&url, &why))?;
        Ok(Some(Registry { kind, url: url.trim_end_matches('/').to_owned(), user, client: http, schemas: Arc::default() }))
    }

    /// Asks with bounded patience; gives the status and the text of the answer.
    fn ask(&self, request: impl Fn(&Client) -> RequestBuilder) -> Result<(StatusCode, String), ConnectorError> {
        let (mut tries, mut wait) = (0, TRY_AGAIN);
        loop {
            let request = request(&self.client);
            let request = match &self.user {
                Some((user, password)) => request.basic_auth(user, password.as_ref()),
                None => request,
            };
            let answer = request.send().and_then(|answer| Ok((answer.status(), answer.text()?)));
            tries += 1;
            let why = match answer {
                Ok((status, _)) if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN => {
                    return Err(error::registry_refuses(&self.url, status.as_u16()));
                }
                Ok((status, _)) if status.is_server_error() => format!("it answers with {status}"),
                Ok(answer) => return Ok(answer),
                Err(cause) => cause.without_url().to_string(),
            };
            if tries >= MAX_TRIES {
                return Err(error::registry(&self.url, &why));
            }
            client::pause(wait);
            wait *= 2;
        }
    }

    /// The schema of that number; `None` where there is none, or where it is of another kind.
    pub(crate) fn schema(&self, id: u32) -> Result<Option<WriterSchema>, ConnectorError> {
        let kept = || self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(schema) = kept().get(&id) {
            return Ok(schema.clone());
        }
        let schema = self.whole(&format!("schemas/ids/{id}"))?;
        let mut kept = kept();
        // What is not there may come; it is asked for again when the source is opened anew.
        if kept.len() < MAX_KEPT {
            kept.insert(id, schema.clone());
        }
        Ok(schema)
    }

    /// The newest schema of a subject; `None` where it has none, or one of another kind.
    pub(crate) fn latest(&self, subject: &str) -> Result<Option<WriterSchema>, ConnectorError> {
        self.whole(&format!("subjects/{subject}/versions/latest"))
    }

    /// What stands at a place; `None` where nothing does.
    fn get(&self, path: &str) -> Result<Option<SchemaAnswer>, ConnectorError> {
        let (status, text) = self.ask(|client| client.get(format!("{}/{path}", self.url)))?;
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => {
                serde_json::from_str(&text).map(Some).map_err(|e| error::registry(&self.url, &format!("its answer is no schema: {e}")))
            }
            status => Err(error::registry(&self.url, &format!("it answers with {status}"))),
        }
    }

    /// A schema with all that it imports.
    fn whole(&self, path: &str) -> Result<Option<WriterSchema>, ConnectorError> {
        let Some(answer) = self.get(path)?.filter(|a| a.schema_type.as_deref().unwrap_or("AVRO") == self.kind.name()) else {
            return Ok(None);
        };
        let mut imports: Vec<(String, String)> = Vec::new();
        let mut open = answer.references;
        while let Some(reference) = open.pop() {
            if imports.iter().any(|(name, _)| *name == reference.name) {
                continue;
            }
            if imports.len() >= MAX_IMPORTS {
                return Err(error::registry(&self.url, &format!("a schema imports more than {MAX_IMPORTS} files")));
            }
            let Some(imported) = self.get(&format!("subjects/{}/versions/{}", reference.subject, reference.version))? else {
                let message = format!("it lacks version {} of `{}`, which a schema imports", reference.version, reference.subject);
                return Err(error::registry(&self.url, &message));
            };
            imports.push((reference.name, imported.schema));
            open.extend(imported.references);
        }
        Ok(Some(WriterSchema { text: answer.schema, imports }))
    }

    /// The number of a schema under a subject, which has it from now on.
    pub(crate) fn register(&self, subject: &str, schema: &str) -> Result<u32, ConnectorError> {
        let body = match self.kind {
            // What is not said is Avro, also to registries that know nothing else.
            SchemaKind::Avro => serde_json::json!({ "schema": schema }),
            kind => serde_json::json!({ "schema": schema, "schemaType": kind.name() }),
        };
        let url = format!("{}/subjects/{subject}/versions", self.url);
        let request = |client: &Client| client.post(&url).json(&body).header("content-type", "application/vnd.schemaregistry.v1+json");
        let (status, text) = self.ask(request)?;
        if status == StatusCode::CONFLICT || status == StatusCode::UNPROCESSABLE_ENTITY {
            return Err(error::incompatible(subject, &text));
        }
        if !status.is_success() {
            return Err(error::registry(&self.url, &format!("it answers with {status}")));
        }
        let answer: IdAnswer =
            serde_json::from_str(&text).map_err(|e| error::registry(&self.url, &format!("its answer is no number: {e}")))?;
        Ok(answer.id)
    }
}

impl WriterSchemas for Registry {
    fn schema(&mut self, id: u32) -> Result<Option<WriterSchema>, ConnectorError> {
        Registry::schema(self, id)
    }
}
