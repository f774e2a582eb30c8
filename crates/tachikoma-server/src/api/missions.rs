//! `/api/missions` and `/api/missions/{id}`.

use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use uuid::Uuid;

use super::answer::json;
use super::extract::{ValidJson, ValidQuery, count};
use crate::app::AppState;
use crate::mission::{MissionPatch, NAME_MAX, NewMission, PROMPT_MAX, parse_id};
use crate::problem::{ApiResult, Problem};
use crate::store::writer::Write;
use crate::store::{ReadConnections, missions};

/// Missions of a page, if the client asks for no other number.
pub const PAGE_DEFAULT: usize = 50;
/// Most missions of a page.
pub const PAGE_MAX: usize = 200;

/// Bytes that the JSON of a mission needs at most, if its name and prompt have so many: six for
/// each (`\u0000`), and some for the rest.
fn bytes_max(of_texts: usize) -> usize {
    6 * of_texts + 512
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Longest idempotency key, in bytes.
pub const IDEMPOTENCY_KEY_MAX: usize = 255;

/// The query of [`list`].
#[derive(Debug, Deserialize)]
pub struct Page {
    limit: Option<usize>,
    before: Option<String>,
}

/// Creates a mission. It is on disk before the answer is sent.
pub async fn create(
    State(app): State<AppState>,
    IdempotencyKey(key): IdempotencyKey,
    ValidJson(new): ValidJson<NewMission>,
) -> ApiResult<Response> {
    let room = app
        .answers
        .take(bytes_max(new.name.len() + new.prompt.len()))?;
    let created = app.store.write(Write::Create(new, key)).await?;
    let mission = created.ok_or_else(no_such_mission)?;
    let mut response = json(StatusCode::CREATED, room.render(&mission)?);
    let mut id = Uuid::encode_buffer();
    let id = mission.id.hyphenated().encode_lower(&mut id);
    let location = HeaderValue::try_from(["/api/missions/", id].concat());
    let location = location.map_err(Problem::internal)?;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// Lists missions, newest first. A `Link` header names the next page, if there is one.
pub async fn list(
    State(app): State<AppState>,
    ValidQuery(page): ValidQuery<Page>,
) -> ApiResult<Response> {
    let limit = count("limit", page.limit, PAGE_DEFAULT, PAGE_MAX)?;
    let before = page.before.map(|text| {
        parse_id(&text).ok_or_else(|| {
            Problem::bad_request("the query parameter before must be a mission's id")
        })
    });
    let before = before.transpose()?;
    let room = app.answers.clone();
    let list = move |connections: &ReadConnections| {
        // One more than asked for tells whether there is a next page.
        let mut missions = missions::list(&connections.missions, before, limit + 1)?;
        let more = missions.len() > limit;
        missions.truncate(limit);
        let last = missions.last().filter(|_| more).map(|last| last.id);
        Ok(room.render(&missions).map(|body| (body, last)))
    };
    let (body, last) = app.store.read(list).await??;
    let link = last.map(|last| {
        let next = format!("</api/missions?limit={limit}&before={last}>; rel=\"next\"");
        [(header::LINK, next)]
    });
    let page = json(StatusCode::OK, body);
    Ok(match link {
        Some(link) => (link, page).into_response(),
        None => page,
    })
}

/// One mission.
pub async fn get(State(app): State<AppState>, MissionId(id): MissionId) -> ApiResult<Response> {
    let room = app.answers.clone();
    let get = move |connections: &ReadConnections| {
        let mission = missions::get(&connections.missions, id)?;
        Ok(mission.map(|mission| room.render(&mission)))
    };
    let body = app.store.read(get).await?;
    Ok(json(StatusCode::OK, body.ok_or_else(no_such_mission)??))
}

/// Changes some fields of a mission.
pub async fn update(
    State(app): State<AppState>,
    MissionId(id): MissionId,
    ValidJson(patch): ValidJson<MissionPatch>,
) -> ApiResult<Response> {
    // Before anything is stored: what is stored is also answered.
    let room = app.answers.take(bytes_max(NAME_MAX + PROMPT_MAX))?;
    let updated = app.store.write(Write::Update(id, patch)).await?;
    let mission = updated.ok_or_else(no_such_mission)?;
    Ok(json(StatusCode::OK, room.render(&mission)?))
}

/// Deletes a mission.
pub async fn delete(
    State(app): State<AppState>,
    MissionId(id): MissionId,
) -> ApiResult<StatusCode> {
    let deleted = app.store.write(Write::Delete(id)).await?;
    deleted.ok_or_else(no_such_mission)?;
    Ok(StatusCode::NO_CONTENT)
}

/// The client's idempotency key, if it has sent one: a create with it is safe to repeat.
#[derive(Debug)]
pub struct IdempotencyKey(Option<String>);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> ApiResult<Self> {
        let Some(key) = parts.headers.get(IDEMPOTENCY_KEY) else {
            return Ok(Self(None));
        };
        let sound = key.to_str().ok().filter(|key| {
            (1..=IDEMPOTENCY_KEY_MAX).contains(&key.len())
                && key.bytes().all(|b| b.is_ascii_graphic())
        });
        match sound {
            Some(key) => Ok(Self(Some(key.to_owned()))),
            None => Err(Problem::bad_request(format!(
                "the header Idempotency-Key must have 1 to {IDEMPOTENCY_KEY_MAX} visible ASCII \
                 characters"
            ))),
        }
    }
}

/// The id in a mission's path. Text there is data: what cannot be an id is simply not there.
#[derive(Debug)]
pub struct MissionId(Uuid);

impl<S: Send + Sync> FromRequestParts<S> for MissionId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        let text = Path::<String>::from_request_parts(parts, state).await.ok();
        let id = text.and_then(|Path(text)| parse_id(&text));
        id.map(Self).ok_or_else(no_such_mission)
    }
}

fn no_such_mission() -> Problem {
    Problem::not_found("there is no mission with this id")
}
