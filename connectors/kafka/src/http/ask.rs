//! One question to an HTTP service, with bounded patience.

use crate::{client, error};
use reqwest::{
    StatusCode,
    blocking::{Client, Response},
};
use runink_connector_api::ConnectorError;
use std::{
    io::Read,
    time::{Duration, Instant},
};

/// How long before a service that does not answer is asked again; each time twice as long.
const TRY_AGAIN: Duration = Duration::from_millis(50);
/// How long an answer may be, in bytes.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// Whom to ask.
pub(super) struct Service {
    /// The source's name.
    pub(super) name: String,
    pub(super) client: Client,
    pub(super) authorization: Option<String>,
    /// How often.
    pub(super) tries: u64,
}

/// What comes of it.
pub(super) enum Asked {
    /// The answer.
    Found(Vec<u8>),
    /// There is no such row.
    Missing,
    /// No answer, or none that can be used; why.
    Failed(String),
    /// The service refuses who asks: it would refuse every key.
    Refused(ConnectorError),
}

impl Service {
    /// Asks until there is an answer, as often as it may, until then at the latest.
    pub(super) fn ask(&self, url: &str, deadline: Instant) -> Asked {
        let (mut tries, mut wait, mut why) = (0, TRY_AGAIN, String::from("the time for its epoch was over before it was asked"));
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || tries >= self.tries {
                return Asked::Failed(why);
            }
            let request = self.client.get(url).timeout(left).header("accept", "application/json");
            let request = match &self.authorization {
                Some(authorization) => request.header("authorization", authorization),
                None => request,
            };
            tries += 1;
            why = match request.send() {
                Err(cause) if cause.is_builder() => return Asked::Failed(format!("it cannot be asked so: {}", cause.without_url())),
                Err(cause) if cause.is_timeout() => "no answer in time".into(),
                Err(cause) => cause.without_url().to_string(),
                Ok(answer) => match answer.status() {
                    StatusCode::NOT_FOUND | StatusCode::NO_CONTENT | StatusCode::GONE => return Asked::Missing,
                    status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                        return Asked::Refused(error::http_refuses(&self.name, status.as_u16()));
                    }
                    status if status.is_success() => match body(answer) {
                        Ok(body) if body.len() as u64 > MAX_ANSWER_BYTES => {
                            return Asked::Failed(format!("its answer is longer than {MAX_ANSWER_BYTES} bytes"));
                        }
                        Ok(body) => return Asked::Found(body),
                        Err(cause) => cause.to_string(),
                    },
                    status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => format!("it answers with {status}"),
                    status => return Asked::Failed(format!("it answers with {status}")),
                },
            };
            client::pause(wait.min(deadline.saturating_duration_since(Instant::now())));
            wait *= 2;
        }
    }
}

/// The answer, and one byte more where it is too long.
fn body(answer: Response) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    answer.take(MAX_ANSWER_BYTES + 1).read_to_end(&mut body)?;
    Ok(body)
}
