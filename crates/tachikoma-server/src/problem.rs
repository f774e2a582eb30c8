//! Errors as the API shows them: RFC 9457 `application/problem+json`.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// What handlers return.
pub type ApiResult<T> = Result<T, Problem>;

/// An error on its way to the client.
///
/// The detail is for the client. What went wrong inside is kept apart and only logged.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    detail: Cow<'static, str>,
    cause: Option<InternalCause>,
}

/// The body of every error.
#[derive(Serialize)]
struct Document<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
}

/// Rides in the extensions of a failed response, so that the log line has the request's id.
#[derive(Debug, Clone)]
pub struct InternalCause(pub String);

impl Problem {
    /// An error with a status and a sentence for the client.
    pub fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            detail: detail.into(),
            cause: None,
        }
    }

    /// 400.
    pub fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 404.
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 503, with `Retry-After`.
    pub fn unavailable(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// 503: the queue to the database is full.
    pub fn busy() -> Self {
        Self::unavailable("the database's queue is full; try again later")
    }

    /// 503: the database's threads are ending.
    pub fn stopping() -> Self {
        Self::unavailable("the server is shutting down")
    }

    /// 503: the cause may name a path, which is the log's business.
    pub fn unwritable() -> Self {
        Self::unavailable(
            "the database cannot be written: nothing was stored; the server's log says why",
        )
    }

    /// 503: the database's files went away during the commit.
    pub fn uncertain(cause: impl std::fmt::Display) -> Self {
        let detail = "the database's files went away while this was written: it may or may not be \
                      stored; the server's log says why, under this answer's x-request-id";
        Self::unavailable(detail).because(cause)
    }

    /// 409: the idempotency key belongs to another mission.
    pub fn key_reused() -> Self {
        let detail = "this Idempotency-Key was used for a mission with other fields";
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// 401, with the challenge that RFC 6750 asks for.
    pub fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "the API key is missing or wrong; send it as 'Authorization: Bearer <key>'",
        )
    }

    /// 500, which tells the client nothing and the log everything.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        let detail = "the server failed to answer; its log says why, under this answer's \
                      x-request-id";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail).because(cause)
    }

    fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(InternalCause(cause.to_string()));
        self
    }
}

impl From<rusqlite::Error> for Problem {
    /// Of a read.
    fn from(error: rusqlite::Error) -> Self {
        Self::internal(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = serde_json::to_vec(&Document {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
        });
        // Texts and a number always serialize.
        let mut response = Response::new(Body::from(document.unwrap_or_default()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
        set(header::CONTENT_TYPE, "application/problem+json");
        match self.status {
            StatusCode::UNAUTHORIZED => drop(set(header::WWW_AUTHENTICATE, "Bearer")),
            // Seconds after which an overloaded server may be asked again.
            StatusCode::SERVICE_UNAVAILABLE => drop(set(header::RETRY_AFTER, "1")),
            _ => {}
        }
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(cause);
        }
        response
    }
}
