//! Values that an answer gives to later requests: an id, a token, a cookie.

use std::collections::HashSet;

use serde_json::Value;

use crate::message::{Answer, Request, header};
use crate::recorder::Exchange;

/// The shortest value that is taken for one that an answer gave, unless it stands for a whole segment of a path.
const SHORTEST: usize = 6;

/// A value that an answer gives to later requests.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    /// As it was recorded.
    pub text: String,
    place: Place,
}

/// Where in an answer a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// In a JSON body, by its pointer (RFC 6901).
    Json(String),
    /// The last segment of the path in `Location`.
    Location,
    /// The cookie of this name.
    Cookie(String),
}

impl Given {
    /// The value in `answer`, if it is there.
    pub(crate) fn read(&self, answer: &Answer) -> Option<String> {
        match &self.place {
            Place::Json(pointer) => {
                let body: Value = serde_json::from_slice(&answer.body).ok()?;
                scalar(body.pointer(pointer)?)
            }
            place => texts(answer)
                .into_iter()
                .find(|(its, _)| its == place)
                .map(|(_, text)| text),
        }
    }
}

/// The values that later requests take from answers, with the places of the exchanges that give them.
///
/// Such a value appears for the first time in an answer, and only requests of the same connection hold it: what several
/// users ask for is known to all of them beforehand. What the setup learns is for all.
pub(super) fn bindings(all: &[&Exchange], setup: usize) -> Vec<(usize, Given)> {
    let mut found = Vec::new();
    // Of which no later answer can say anything new.
    let mut settled: HashSet<String> = HashSet::new();
    for (at, exchange) in all.iter().enumerate() {
        let (earlier, later) = all.split_at(at + 1);
        for (place, text) in texts(&exchange.answer) {
            if settled.contains(&text) {
                continue;
            }
            let holds = |one: &&&Exchange| holds(&one.request, &text);
            let mut takers = later.iter().filter(holds).peekable();
            if earlier.iter().any(|one| holds(&one)) || takers.peek().is_none() {
                settled.insert(text);
                continue;
            }
            if at < setup || takers.all(|taker| taker.connection == exchange.connection) {
                settled.insert(text.clone());
                found.push((at, Given { text, place }));
            }
        }
    }
    found
}

/// The single values of an answer, with their places.
fn texts(answer: &Answer) -> Vec<(Place, String)> {
    let mut texts = Vec::new();
    if let Ok(body) = serde_json::from_slice::<Value>(&answer.body) {
        leaves(&body, &mut String::new(), &mut texts);
    }
    if let Some(location) = header(&answer.headers, "location") {
        let path = location.split(['?', '#']).next().unwrap_or_default();
        let last = path.rsplit('/').next().unwrap_or_default();
        texts.push((Place::Location, last.to_owned()));
    }
    for (name, value) in &answer.headers {
        if name.eq_ignore_ascii_case("set-cookie")
            && let Some((cookie, value)) =
                value.split(';').next().unwrap_or_default().split_once('=')
        {
            texts.push((
                Place::Cookie(cookie.trim().to_owned()),
                value.trim().to_owned(),
            ));
        }
    }
    texts.retain(|(_, text)| {
        text.len() >= SHORTEST || text.bytes().any(|byte| byte.is_ascii_digit())
    });
    texts
}

fn leaves(value: &Value, pointer: &mut String, texts: &mut Vec<(Place, String)>) {
    let length = pointer.len();
    let mut visit = |name: &str, value: &Value| {
        pointer.push('/');
        pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        leaves(value, pointer, texts);
        pointer.truncate(length);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| visit(name, value)),
        Value::Array(items) => {
            // What a list holds besides was there before.
            items.iter().take(1).for_each(|value| visit("0", value));
        }
        other => texts.extend(scalar(other).map(|text| (Place::Json(pointer.clone()), text))),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Whether a request holds `text` as a whole: a short one as a segment of its path, a longer one anywhere.
pub(super) fn holds(request: &Request, text: &str) -> bool {
    let path = request.target.split('?').next().unwrap_or_default();
    if path.split('/').any(|segment| segment == text) {
        return true;
    }
    text.len() >= SHORTEST
        && (has_whole(&request.target, text)
            || request
                .headers
                .iter()
                .any(|(_, value)| has_whole(value, text))
            || std::str::from_utf8(&request.body).is_ok_and(|body| has_whole(body, text)))
}

fn has_whole(text: &str, part: &str) -> bool {
    let is_edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    text.match_indices(part).any(|(at, _)| {
        is_edge(text[..at].chars().next_back()) && is_edge(text[at + part.len()..].chars().next())
    })
}
