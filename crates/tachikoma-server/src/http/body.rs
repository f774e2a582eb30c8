//! Request bodies: JSON, of bounded size, sent in bounded time.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::mission::{MissionPatch, NewMission};
use crate::problem::Problem;
use crate::state::AppState;

/// A body that checks its own fields once it has been read.
pub trait Validate {
    /// Checks every field.
    ///
    /// # Errors
    /// What is wrong, in words for the client.
    fn validate(&self) -> Result<(), String>;
}

impl Validate for NewMission {
    fn validate(&self) -> Result<(), String> {
        Self::validate(self)
    }
}

impl Validate for MissionPatch {
    fn validate(&self) -> Result<(), String> {
        Self::validate(self)
    }
}

/// A valid JSON body. Handlers that take it begin with good data.
#[derive(Debug)]
pub struct ValidJson<T>(pub T);

impl<T: DeserializeOwned + Validate> FromRequest<AppState> for ValidJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body must be JSON, with the header 'Content-Type: application/json'",
            ));
        }
        let max = state.limits.max_body_bytes;
        let read = read_body(request.into_body(), max);
        let bytes = tokio::time::timeout(state.limits.read_timeout, read)
            .await
            .map_err(|_| {
                Problem::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "the body did not arrive in time",
                )
            })??;
        parse(&bytes).map(Self)
    }
}

/// Parses and checks a body.
///
/// # Errors
/// A 400 for what is not JSON, a 422 for JSON that is not what the route takes.
pub fn parse<T: DeserializeOwned + Validate>(bytes: &[u8]) -> Result<T, Problem> {
    let explain = |error: serde_json::Error| {
        if error.is_data() {
            Problem::unprocessable(error.to_string())
        } else {
            Problem::bad_request(format!("the body is not valid JSON: {error}"))
        }
    };
    // A derived `Deserialize` would also take an array with the fields' values in order.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        serde_json::from_slice::<IgnoredAny>(bytes).map_err(explain)?;
        return Err(Problem::unprocessable("the body must be a JSON object"));
    }
    let value: T = serde_json::from_slice(bytes).map_err(explain)?;
    value.validate().map_err(Problem::unprocessable)?;
    Ok(value)
}

async fn read_body(body: Body, max: usize) -> Result<Bytes, Problem> {
    let collected = Limited::new(body, max).collect().await.map_err(|error| {
        if error.downcast_ref::<LengthLimitError>().is_some() {
            Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body may have at most {max} bytes"),
            )
        } else {
            Problem::bad_request("the body could not be read to its end")
        }
    })?;
    Ok(collected.to_bytes())
}

/// `application/json` or `application/<any>+json`, with any parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let essence = value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match essence.strip_prefix("application/") {
        Some("json") => true,
        Some(subtype) => subtype.len() > 5 && subtype.ends_with("+json"),
        None => false,
    }
}
