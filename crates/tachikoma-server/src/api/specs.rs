//! `/api/specs/{id}` and `/api/specs/search`.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::answer::json;
use super::extract::{ValidQuery, count};
use crate::app::AppState;
use crate::problem::{ApiResult, Problem};
use crate::specs::search;
use crate::store::ReadConnections;

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
pub async fn get(
    State(app): State<AppState>,
    id: Result<Path<String>, PathRejection>,
) -> ApiResult<Response> {
    let missing = || Problem::not_found("there is no spec with this id");
    let Path(id) = id.map_err(|_| missing())?;
    let room = app.answers.clone();
    let get = move |connections: &ReadConnections| {
        let spec = search::get(&connections.specs, &id)?;
        Ok(spec.map(|spec| room.render(&spec)))
    };
    let spec = app.store.read(get).await?;
    Ok(json(StatusCode::OK, spec.ok_or_else(missing)??))
}

/// Searches the specs: all words must occur, the last may be the beginning of one. The most
/// relevant come first.
pub async fn search(
    State(app): State<AppState>,
    ValidQuery(Search { q, limit }): ValidQuery<Search>,
) -> ApiResult<Response> {
    if q.chars().count() > SEARCH_MAX {
        return Err(Problem::bad_request(format!(
            "the query parameter q may have at most {SEARCH_MAX} characters"
        )));
    }
    let limit = count("limit", limit, HITS_DEFAULT, HITS_MAX)?;
    let room = app.answers.clone();
    let search = move |connections: &ReadConnections| {
        let hits = search::find(&connections.specs, &q, limit)?;
        Ok(room.render(&hits))
    };
    Ok(json(StatusCode::OK, app.store.read(search).await??))
}
