//! What handlers take: queries and JSON bodies that are valid already.

use std::error::Error;
use std::marker::PhantomData;

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use http_body_util::LengthLimitError;
use percent_encoding::percent_decode_str;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::app::AppState;
use crate::mission::Validate;
use crate::problem::{ApiResult, Problem};

/// The parameters of a query. What is given twice or is not UTF-8 is refused, not guessed.
#[derive(Debug)]
pub struct ValidQuery<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for ValidQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
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
pub fn count(name: &str, given: Option<usize>, default: usize, max: usize) -> ApiResult<usize> {
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

    async fn from_request(request: Request, app: &AppState) -> ApiResult<Self> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        // Parameters, such as a charset, mean nothing (RFC 8259, 11).
        let kind = kind.and_then(|kind| kind.as_bytes().split(|b| *b == b';').next());
        if !kind.is_some_and(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"application/json")) {
            let detail = "the body must be JSON; send it as 'Content-Type: application/json'";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let limits = &app.args.limits;
        let read = to_bytes(request.into_body(), limits.max_body_bytes);
        let Ok(read) = tokio::time::timeout(limits.read_timeout, read).await else {
            let detail = "the body did not arrive in time";
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail));
        };
        let bytes = read.map_err(|error| match error.source() {
            Some(cause) if cause.is::<LengthLimitError>() => {
                let detail = format!("the body has more than {} bytes", limits.max_body_bytes);
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
            }
            _ => Problem::bad_request(format!("the body cannot be read: {error}")),
        })?;
        parse(&bytes).map(Self)
    }
}

/// Reads a body that is a JSON object, and lets it check itself.
///
/// # Errors
/// 400 if it is no JSON, 422 if it is not the right one.
pub fn parse<T: DeserializeOwned + Validate>(body: &[u8]) -> ApiResult<T> {
    let unprocessable = |detail| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
    let Object(value) = serde_json::from_slice::<Object<T>>(body).map_err(|error| {
        let detail = format!("the body is not what is expected here: {error}");
        match error.is_data() {
            true => unprocessable(detail),
            false => Problem::bad_request(detail),
        }
    })?;
    value.validate().map_err(unprocessable)?;
    Ok(value)
}

/// A JSON object. A derived `Deserialize` would also take an array with the fields' values in
/// order.
#[derive(Debug)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(Fields(PhantomData))
    }
}
