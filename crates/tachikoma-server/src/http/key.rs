//! The layer that turns away whoever does not have the key.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::problem::Problem;
use crate::state::AppState;

/// Wraps a route in [`Keyed`].
#[derive(Debug, Clone)]
pub struct RequireKey {
    state: AppState,
}

impl RequireKey {
    /// The layer for this server's key.
    pub fn new(state: AppState) -> Self {
        Self { state }
    }
}

impl<S> Layer<S> for RequireKey {
    type Service = Keyed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Keyed {
            inner,
            state: self.state.clone(),
        }
    }
}

/// A service that answers 401 to requests without the key.
#[derive(Debug, Clone)]
pub struct Keyed<S> {
    inner: S,
    state: AppState,
}

impl<S> Service<Request> for Keyed<S>
where
    S: Service<Request, Error = Infallible>,
    S::Response: IntoResponse,
{
    type Response = Response;
    type Error = Infallible;
    type Future = KeyedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let authorized = self.state.key.authorizes(request.headers());
        KeyedFuture {
            inner: authorized.then(|| self.inner.call(request)),
        }
    }
}

pin_project! {
    /// The answer to come, or none if the key was missing.
    pub struct KeyedFuture<F> {
        #[pin]
        inner: Option<F>,
    }
}

impl<F, R> Future for KeyedFuture<F>
where
    F: Future<Output = Result<R, Infallible>>,
    R: IntoResponse,
{
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().inner.as_pin_mut() {
            Some(inner) => inner.poll(cx).map_ok(IntoResponse::into_response),
            None => Poll::Ready(Ok(Problem::unauthorized().into_response())),
        }
    }
}
