//! A client of schema registries that speak Confluent's HTTP: schemas by number, and numbers of schemas. What was looked up is kept: a number never changes its
//! schema.

use crate::{client, error, secret};
use reqwest::{
    StatusCode,
    blocking::{Client, RequestBuilder},
};
use runink_connector_api::{ConnectorError, Options};
use runink_formats::WriterSchemas;
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

/// See the module. Clones share what they know.
#[derive(Clone)]
pub(crate) struct Registry {
    url: String,
    user: Option<(String, Option<String>)>,
    client: Client,
    schemas: Arc<Mutex<HashMap<u32, Option<String>>>>,
}

#[derive(Deserialize)]
struct SchemaAnswer {
    schema: String,
    #[serde(rename = "schemaType")]
    schema_type: Option<String>,
}

#[derive(Deserialize)]
struct IdAnswer {
    id: u32,
}

impl Registry {
    /// The registry that options name.
    pub(crate) fn of(options: &Options) -> Result<Option<Self>, ConnectorError> {
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
        // Without a provider of cryptography the client does not come to be; it says so by a panic.
        let built = catch_unwind(|| Client::builder().timeout(PATIENCE).build());
        let http = match built {
            Ok(Ok(client)) => client,
            Ok(Err(cause)) => return Err(error::registry(&url, &cause.to_string())),
            Err(_) => return Err(error::bug("the HTTP client has no cryptography")),
        };
        Ok(Some(Registry { url: url.trim_end_matches('/').to_owned(), user, client: http, schemas: Arc::default() }))
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

    /// The schema of that number; `None` where there is none, or where it is no Avro.
    pub(crate) fn schema(&self, id: u32) -> Result<Option<String>, ConnectorError> {
        let kept = || self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(schema) = kept().get(&id) {
            return Ok(schema.clone());
        }
        let (status, text) = self.ask(|client| client.get(format!("{}/schemas/ids/{id}", self.url)))?;
        let schema = match status {
            StatusCode::NOT_FOUND => None,
            status if status.is_success() => {
                let answer: SchemaAnswer =
                    serde_json::from_str(&text).map_err(|e| error::registry(&self.url, &format!("its answer is no schema: {e}")))?;
                (answer.schema_type.as_deref().unwrap_or("AVRO") == "AVRO").then_some(answer.schema)
            }
            status => return Err(error::registry(&self.url, &format!("it answers with {status}"))),
        };
        let mut kept = kept();
        // What is not there may come; it is asked for again when the source is opened anew.
        if kept.len() < MAX_KEPT {
            kept.insert(id, schema.clone());
        }
        Ok(schema)
    }

    /// The newest schema of a subject; `None` where it has none.
    pub(crate) fn latest(&self, subject: &str) -> Result<Option<String>, ConnectorError> {
        let (status, text) = self.ask(|client| client.get(format!("{}/subjects/{subject}/versions/latest", self.url)))?;
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => {
                let answer: SchemaAnswer =
                    serde_json::from_str(&text).map_err(|e| error::registry(&self.url, &format!("its answer is no schema: {e}")))?;
                Ok(Some(answer.schema))
            }
            status => Err(error::registry(&self.url, &format!("it answers with {status}"))),
        }
    }

    /// The number of a schema under a subject, which has it from now on.
    pub(crate) fn register(&self, subject: &str, schema: &str) -> Result<u32, ConnectorError> {
        let body = serde_json::json!({ "schema": schema });
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
    fn schema(&mut self, id: u32) -> Result<Option<String>, ConnectorError> {
        Registry::schema(self, id)
    }
}
