//! `/api/missions` and `/api/missions/{id}`.

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use uuid::Uuid;

use super::answer::json;
use crate::http::extract::{ValidJson, ValidQuery, count};
use crate::mission::{Mission, MissionPatch, NAME_MAX, NewMission, PROMPT_MAX, parse_id};
use crate::problem::{ApiResult, Problem, ProblemBody};
use crate::state::AppState;
use crate::store::missions;
use crate::store::reader::ReadConnections;
use crate::store::ticket::Ticket;

/// Missions of a page, if the client asks for no other number.
pub const PAGE_DEFAULT: usize = 50;
/// Most missions of a page.
pub const PAGE_MAX: usize = 200;

/// Bytes that the JSON of any mission needs at most: six for each character (`\u0000`).
const MISSION_BYTES_MAX: usize = 6 * (NAME_MAX + PROMPT_MAX) + 1024;

/// The header that makes a create safe to repeat.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Longest idempotency key, in bytes.
const IDEMPOTENCY_KEY_MAX: usize = 255;

/// The query of [`list`].
#[derive(Debug, Deserialize)]
pub struct Page {
    limit: Option<usize>,
    before: Option<String>,
}

/// Creates a mission. It is on disk before the answer is sent.
#[utoipa::path(
    post, path = "/api/missions", tag = "missions", operation_id = "createMission",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Any text of the client's: repeated within a day with the same mission, it gives the mission that was created the first time", min_length = 1, max_length = 255, pattern = "^[!-~]+$"),
    ),
    request_body = NewMission,
    responses(
        (status = 201, description = "The new mission", body = Mission,
         headers(("Location" = String, description = "The mission's path"))),
        (status = 400, description = "Not JSON, or a header is not valid", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "Key missing or wrong", body = ProblemBody, content_type = "application/problem+json"),
        (status = 408, description = "The body did not arrive in time", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "The Idempotency-Key belongs to another mission", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "Body too large", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "Not announced as JSON", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Not a mission", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Overloaded; see Retry-After", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn create(
    State(state): State<AppState>,
    Extension(ticket): Extension<Ticket>,
    IdempotencyKey(key): IdempotencyKey,
    ValidJson(new): ValidJson<NewMission>,
) -> ApiResult<Response> {
    // Taken before anything is stored: a mission that is stored is also answered.
    let room = state.answers.take(MISSION_BYTES_MAX)?;
    let mission = state.store.create(new, key, ticket).await?;
    let location = HeaderValue::try_from(format!("/api/missions/{}", mission.id))
        .map_err(Problem::internal)?;
    let mut response = json(StatusCode::CREATED, room.render(&mission)?);
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// Lists missions, newest first. A `Link` header names the next page, if there is one.
#[utoipa::path(
    get, path = "/api/missions", tag = "missions", operation_id = "listMissions",
    params(
        ("limit" = Option<u32>, Query, description = "Missions of the page, 50 by default", minimum = 1, maximum = 200),
        ("before" = Option<String>, Query, format = Uuid, description = "Only missions older than this id"),
    ),
    responses(
        (status = 200, description = "A page of missions", body = [Mission],
         headers(("Link" = String, description = "The next page, as rel=\"next\""))),
        (status = 400, description = "A parameter is not valid", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "Key missing or wrong", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Overloaded; see Retry-After", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn list(
    State(state): State<AppState>,
    ValidQuery(page): ValidQuery<Page>,
) -> ApiResult<Response> {
    let limit = count("limit", page.limit, PAGE_DEFAULT, PAGE_MAX)?;
    let before = page.before.map(|text| {
        parse_id(&text).ok_or_else(|| {
            Problem::bad_request("the query parameter before must be a mission's id")
        })
    });
    let before = before.transpose()?;
    let room = state.answers.clone();
    let list = move |connections: &ReadConnections| {
        // One more than asked for tells whether there is a next page.
        let mut missions = missions::list(&connections.missions, before, limit + 1)?;
        let more = missions.len() > limit;
        missions.truncate(limit);
        let last = missions.last().filter(|_| more).map(|last| last.id);
        Ok(room.render(&missions).map(|body| (body, last)))
    };
    let (body, last) = state.store.read(list).await??;
    let mut response = json(StatusCode::OK, body);
    if let Some(last) = last {
        let link = format!("</api/missions?limit={limit}&before={last}>; rel=\"next\"");
        let link = HeaderValue::try_from(link).map_err(Problem::internal)?;
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// One mission.
#[utoipa::path(
    get, path = "/api/missions/{id}", tag = "missions", operation_id = "getMission",
    params(("id" = String, Path, format = Uuid, description = "The mission's id")),
    responses(
        (status = 200, description = "The mission", body = Mission),
        (status = 401, description = "Key missing or wrong", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such mission", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Overloaded; see Retry-After", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn get(
    State(state): State<AppState>,
    id: Result<Path<String>, PathRejection>,
) -> ApiResult<Response> {
    let (id, room) = (mission_id(id)?, state.answers.clone());
    let get = move |connections: &ReadConnections| {
        let mission = missions::get(&connections.missions, id)?;
        Ok(mission.map(|mission| room.render(&mission)))
    };
    let body = state.store.read(get).await?;
    Ok(json(StatusCode::OK, body.ok_or_else(no_such_mission)??))
}

/// Changes some fields of a mission.
#[utoipa::path(
    patch, path = "/api/missions/{id}", tag = "missions", operation_id = "updateMission",
    params(("id" = String, Path, format = Uuid, description = "The mission's id")),
    request_body = MissionPatch,
    responses(
        (status = 200, description = "The mission as it is now", body = Mission),
        (status = 400, description = "Not JSON, or a header is not valid", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "Key missing or wrong", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such mission", body = ProblemBody, content_type = "application/problem+json"),
        (status = 408, description = "The body did not arrive in time", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "Body too large", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "Not announced as JSON", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Not a change of a mission", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Overloaded; see Retry-After", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn update(
    State(state): State<AppState>,
    Extension(ticket): Extension<Ticket>,
    id: Result<Path<String>, PathRejection>,
    ValidJson(patch): ValidJson<MissionPatch>,
) -> ApiResult<Response> {
    let id = mission_id(id)?;
    let room = state.answers.take(MISSION_BYTES_MAX)?;
    let mission = state.store.update(id, patch, ticket).await?;
    let body = room.render(&mission.ok_or_else(no_such_mission)?)?;
    Ok(json(StatusCode::OK, body))
}

/// Deletes a mission.
#[utoipa::path(
    delete, path = "/api/missions/{id}", tag = "missions", operation_id = "deleteMission",
    params(("id" = String, Path, format = Uuid, description = "The mission's id")),
    responses(
        (status = 204, description = "The mission is gone"),
        (status = 401, description = "Key missing or wrong", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such mission", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Overloaded; see Retry-After", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = []))
)]
pub async fn delete(
    State(state): State<AppState>,
    Extension(ticket): Extension<Ticket>,
    id: Result<Path<String>, PathRejection>,
) -> ApiResult<Response> {
    state
        .store
        .delete(mission_id(id)?, ticket)
        .await?
        .ok_or_else(no_such_mission)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The client's idempotency key, if it has sent one.
#[derive(Debug)]
pub struct IdempotencyKey(Option<String>);

impl FromRequestParts<AppState> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> ApiResult<Self> {
        let Some(key) = parts.headers.get(IDEMPOTENCY_KEY) else {
            return Ok(Self(None));
        };
        let bytes = key.as_bytes();
        let length = 1..=IDEMPOTENCY_KEY_MAX;
        if length.contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic) {
            return Ok(Self(Some(String::from_utf8_lossy(bytes).into_owned())));
        }
        Err(Problem::bad_request(format!(
            "the header Idempotency-Key must have 1 to {IDEMPOTENCY_KEY_MAX} visible ASCII \
             characters"
        )))
    }
}

/// Text in the place of an id is data: what cannot be an id is simply not there.
fn mission_id(id: Result<Path<String>, PathRejection>) -> ApiResult<Uuid> {
    id.ok()
        .and_then(|Path(text)| parse_id(&text))
        .ok_or_else(no_such_mission)
}

fn no_such_mission() -> Problem {
    Problem::not_found("there is no mission with this id")
}
