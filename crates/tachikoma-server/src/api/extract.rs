//! What handlers take: queries and JSON bodies that are valid already.

use std::marker::PhantomData;

use axum::Json;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
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

    async fn from_request(mut request: Request, app: &AppState) -> ApiResult<Self> {
        let limits = &app.args.limits;
        DefaultBodyLimit::max(limits.max_body_bytes).apply(&mut request);
        let read = Box::pin(Json::<Object<T>>::from_request(request, app));
        let Json(Object(value)) = tokio::time::timeout(limits.read_timeout, read)
            .await
            .map_err(|_| {
                let detail = "the body did not arrive in time";
                Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
            })?
            .map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
        let checked = value.validate();
        checked.map_err(|detail| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail))?;
        Ok(Self(value))
    }
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
