//! `/api/specs/{id}` and `/api/specs/search`.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::answer::json;
use crate::http::extract::{ValidQuery, count};
use crate::problem::{ApiResult, Problem, ProblemBody};
use crate::specs::search::{self, Spec, SpecHit};
use crate::state::AppState;

/// Specs of a search, if the client asks for no other number.
pub const HITS_DEFAULT: usize = 20;
/// Most specs of a search.
pub const HITS_MAX: usize = 100;
/// Longest search, in Unicode characters.
pub const SEARCH_MAX: usize = 256;

/// The query of [`search()`].
#[derive(Debug, Deserialize)]
pub struct Search {
    q: String,
    limit: Option<usize>,
}

/// One spec.
#[utoipa::path(
    get, path = "/api/specs/{id}", tag = "specs", operation_id = "getSpec",
    params(("id" = String, Path, description = "The number in the file's name, such as 010")),
    responses(
        (status = 200, description = "The spec", body = Spec),
        (status = 401, description = "Key missing or wrong", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such spec", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Overloaded; see Retry-After", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn get(
    State(state): State<AppState>,
    id: Result<Path<String>, PathRejection>,
) -> ApiResult<Response> {
    let missing = || Problem::not_found("there is no spec with this id");
    let Path(id) = id.map_err(|_| missing())?;
    let room = state.answers.clone();
    let spec = state
        .store
        .read(move |connections| {
            let spec = search::get(&connections.specs, &id)?;
            Ok(spec.map(|spec| room.render(&spec)))
        })
        .await?;
    Ok(json(StatusCode::OK, spec.ok_or_else(missing)??))
}

/// Searches the specs: all words must occur, the last may be the beginning of one. The most
/// relevant come first.
#[utoipa::path(
    get, path = "/api/specs/search", tag = "specs", operation_id = "searchSpecs",
    params(
        ("q" = String, Query, description = "Any text; it has no syntax", max_length = 256),
        ("limit" = Option<u32>, Query, description = "Most specs to answer, 20 by default", minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, description = "The specs found", body = [SpecHit]),
        (status = 400, description = "A parameter is missing or not valid", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "Key missing or wrong", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Overloaded; see Retry-After", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn search(
    State(state): State<AppState>,
    ValidQuery(Search { q, limit }): ValidQuery<Search>,
) -> ApiResult<Response> {
    if q.chars().count() > SEARCH_MAX {
        return Err(Problem::bad_request(format!(
            "the query parameter q may have at most {SEARCH_MAX} characters"
        )));
    }
    let limit = count("limit", limit, HITS_DEFAULT, HITS_MAX)?;
    let room = state.answers.clone();
    let hits = state
        .store
        .read(move |connections| {
            let hits = search::find(&connections.specs, &q, limit)?;
            Ok(room.render(&hits))
        })
        .await?;
    Ok(json(StatusCode::OK, hits?))
}
