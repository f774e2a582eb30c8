//! What handlers take: queries and JSON bodies that are valid already.

use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::mission::Validate;
use crate::problem::Problem;
use crate::state::AppState;

/// The parameters of a query. What is given twice or is not UTF-8 is refused, not guessed.
#[derive(Debug)]
pub struct ValidQuery<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for ValidQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // axum would put a replacement character where a byte makes no sense.
        let raw = parts.uri.query().unwrap_or_default();
        if percent_decode_str(raw).decode_utf8().is_err() {
            return Err(Problem::bad_request("the query is not valid UTF-8"));
        }
        let Query(parameters) = Query::try_from_uri(&parts.uri)
            .map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
        Ok(Self(parameters))
    }
}

/// A whole number from 1 to `max`, or `default` if none is given.
///
/// # Errors
/// A 400 for any other number.
pub fn count(
    name: &str,
    given: Option<usize>,
    default: usize,
    max: usize,
) -> Result<usize, Problem> {
    let count = given.unwrap_or(default);
    if (1..=max).contains(&count) {
        return Ok(count);
    }
    Err(Problem::bad_request(format!(
        "the query parameter {name} must be a whole number from 1 to {max}"
    )))
}

/// A JSON body of bounded size that came in bounded time and has passed its own checks.
#[derive(Debug)]
pub struct ValidJson<T>(pub T);

impl<T: DeserializeOwned + Validate> FromRequest<AppState> for ValidJson<T> {
    type Rejection = Problem;

    async fn from_request(mut request: Request, state: &AppState) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body must be JSON, with the header 'Content-Type: application/json'",
            ));
        }
        DefaultBodyLimit::max(state.limits.max_body_bytes).apply(&mut request);
        let read = Bytes::from_request(request, state);
        let bytes = tokio::time::timeout(state.limits.read_timeout, read)
            .await
            .map_err(|_| {
                Problem::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "the body did not arrive in time",
                )
            })?
            .map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
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

/// `application/json` or `application/<any>+json`, with any parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok());
    let essence = text.and_then(|text| text.split(';').next()).unwrap_or("");
    match essence
        .trim()
        .to_ascii_lowercase()
        .strip_prefix("application/")
    {
        Some("json") => true,
        Some(subtype) => subtype.len() > 5 && subtype.ends_with("+json"),
        None => false,
    }
}
