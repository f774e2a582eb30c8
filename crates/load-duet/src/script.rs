//! From a recording to a script that can be asked of any server, again and again: values that an answer gave are taken
//! from the asked server's own answers, and values that a test made up are made up anew on each pass.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use crate::message::{Answer, Request, header};
use crate::recorder::{Exchange, Recording};

/// The shortest value that is taken for one that an answer gave, unless it stands for a whole segment of a path.
const SHORTEST: usize = 6;
/// The shortest run of letters, digits and `-` that is taken for one that a test made up.
const SHORTEST_FRESH: usize = 10;
/// How many digits of it change from pass to pass.
const CHANGING: usize = 4;

/// What is asked, in order.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// What prepares a server, once.
    pub setup: Vec<Step>,
    /// The load, which is gone through again and again.
    pub load: Vec<Step>,
    /// The names of the routes.
    pub routes: Vec<String>,
    /// The values that answers give.
    pub(crate) given: Vec<Given>,
}

/// A request of a script.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its place in [`Script::routes`].
    pub route: usize,
    /// The status of the recorded answer.
    pub status: u16,
    pub(crate) request: Request,
    /// Values that it holds, as places in [`Script::given`].
    pub(crate) takes: Vec<usize>,
    /// Values that its answer gives.
    pub(crate) gives: Vec<usize>,
    /// Values that the test made up.
    fresh: Vec<String>,
}

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

impl Script {
    /// Makes a script of `recording`; `name` may name the route of a method and target, which else gets the name
    /// `METHOD /path/{id}`.
    pub fn of(recording: &Recording, name: impl Fn(&str, &str) -> Option<String>) -> Self {
        let all: Vec<&Exchange> = recording.setup.iter().chain(&recording.load).collect();
        let mut script = Self::default();
        let mut steps: Vec<Step> = all
            .iter()
            .map(|exchange| {
                let request = exchange.request.clone();
                let route = name(&request.method, &request.target)
                    .unwrap_or_else(|| route(&request.method, &request.target));
                Step {
                    route: script.place_of(route),
                    status: exchange.answer.status,
                    request,
                    takes: Vec::new(),
                    gives: Vec::new(),
                    fresh: Vec::new(),
                }
            })
            .collect();
        for (from, text, place) in bindings(&all, recording.setup.len()) {
            let slot = script.given.len();
            for step in &mut steps[from + 1..] {
                if holds(&step.request, &text) {
                    step.takes.push(slot);
                }
            }
            steps[from].gives.push(slot);
            script.given.push(Given { text, place });
        }
        for (step, fresh) in steps.iter_mut().zip(made_up(&all)) {
            let is_given = |text: &String| script.given.iter().any(|given| given.text == *text);
            step.fresh = fresh.into_iter().filter(|text| !is_given(text)).collect();
        }
        script.load = steps.split_off(recording.setup.len());
        script.setup = steps;
        script
    }

    fn place_of(&mut self, route: String) -> usize {
        let known = self.routes.iter().position(|known| *known == route);
        known.unwrap_or_else(|| {
            self.routes.push(route);
            self.routes.len() - 1
        })
    }
}

impl Step {
    /// The request of pass `pass`, with the values that a server gave in the place of the recorded ones.
    pub(crate) fn filled(
        &self,
        given: &[Given],
        values: &[String],
        pass: usize,
    ) -> Cow<'_, Request> {
        let anew = if pass == 0 { &[][..] } else { &self.fresh };
        if anew.is_empty() && self.takes.is_empty() {
            return Cow::Borrowed(&self.request);
        }
        let given = self
            .takes
            .iter()
            .map(|&slot| (given[slot].text.as_str(), values[slot].clone()));
        let made_up = anew.iter().map(|text| (text.as_str(), renewed(text, pass)));
        let changes: Vec<(&str, String)> = given.chain(made_up).collect();
        let change = |text: &str| {
            changes
                .iter()
                .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
        };
        Cow::Owned(Request {
            method: self.request.method.clone(),
            target: change(&self.request.target),
            headers: self
                .request
                .headers
                .iter()
                .map(|(name, value)| (name.clone(), change(value)))
                .collect(),
            body: match std::str::from_utf8(&self.request.body) {
                Ok(text) => change(text).into_bytes(),
                Err(_) => self.request.body.clone(),
            },
        })
    }
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

/// The values that later requests take from answers, as (exchange, text, place).
///
/// Such a value appears for the first time in an answer, and only requests of the same connection hold it: what several
/// users ask for is known to all of them beforehand. What the setup learns is for all.
fn bindings(all: &[&Exchange], setup: usize) -> Vec<(usize, String, Place)> {
    let mut found: Vec<(usize, String, Place)> = Vec::new();
    for (at, exchange) in all.iter().enumerate() {
        let later = &all[at + 1..];
        for (place, text) in texts(&exchange.answer) {
            let is_known = found.iter().any(|(_, known, _)| *known == text)
                || all[..=at]
                    .iter()
                    .any(|earlier| holds(&earlier.request, &text));
            if is_known {
                continue;
            }
            let mut takers = later
                .iter()
                .filter(|taker| holds(&taker.request, &text))
                .peekable();
            let is_taken = takers.peek().is_some();
            if is_taken
                && (at < setup || takers.all(|taker| taker.connection == exchange.connection))
            {
                found.push((at, text, place));
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
fn holds(request: &Request, text: &str) -> bool {
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

/// For each exchange the values that the test made up for it alone: times, counters and random ids, which a server may
/// refuse the second time.
fn made_up(all: &[&Exchange]) -> Vec<Vec<String>> {
    let each: Vec<Vec<String>> = all
        .iter()
        .map(|exchange| long_words(&exchange.request))
        .collect();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for word in each.iter().flatten() {
        *count.entry(word).or_default() += 1;
    }
    let once = |words: &Vec<String>| {
        words
            .iter()
            .filter(|word| count[word.as_str()] == 1)
            .cloned()
            .collect()
    };
    each.iter().map(once).collect()
}

fn long_words(request: &Request) -> Vec<String> {
    let body = std::str::from_utf8(&request.body).unwrap_or_default();
    let parts = [request.target.as_str(), body]
        .into_iter()
        .chain(request.headers.iter().map(|(_, value)| value.as_str()));
    let mut words: Vec<String> = parts
        .flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-'))
        .filter(|word| word.len() >= SHORTEST_FRESH && digits(word).count() >= CHANGING)
        .map(str::to_owned)
        .collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// The places of the digits that may change: not the first, and not those that say which kind of UUID it is (RFC 9562).
fn digits(word: &str) -> impl Iterator<Item = usize> {
    let is_uuid = word.len() == 36;
    word.bytes()
        .enumerate()
        .skip(1)
        .filter_map(move |(at, byte)| {
            (byte.is_ascii_digit() && !(is_uuid && matches!(at, 14 | 19))).then_some(at)
        })
}

/// `word` as it is on pass `pass`: of the same length, and unlike itself on any other of 10,000 passes.
fn renewed(word: &str, pass: usize) -> String {
    let mut bytes = word.as_bytes().to_vec();
    let mut rest = pass;
    for at in digits(word).take(CHANGING) {
        let digit = usize::from(bytes[at] - b'0');
        // At most 9.
        bytes[at] = b'0' + u8::try_from((digit + rest) % 10).unwrap_or_default();
        rest /= 10;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `METHOD /path` with `{id}` for each segment that looks like one, and without the query.
pub fn route(method: &str, target: &str) -> String {
    let path = target.split('?').next().unwrap_or_default();
    let fold = |segment: &str| {
        let digits = segment.bytes().filter(u8::is_ascii_digit).count();
        match digits == segment.len() || (segment.len() >= 8 && digits > 0) {
            true if !segment.is_empty() => "{id}".to_owned(),
            _ => segment.to_owned(),
        }
    };
    let folded: Vec<String> = path.split('/').map(fold).collect();
    format!("{method} {}", folded.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(connection: usize, asked: &str, body: &str, status: u16, answer: &str) -> Exchange {
        let (method, target) = asked.split_once(' ').unwrap();
        Exchange {
            connection,
            request: Request {
                method: method.into(),
                target: target.into(),
                headers: vec![("Authorization".into(), "Bearer test-api-key".into())],
                body: body.into(),
            },
            answer: Answer {
                status,
                headers: Vec::new(),
                body: answer.into(),
                raw: Vec::new(),
            },
        }
    }

    fn script(setup: Vec<Exchange>, load: Vec<Exchange>) -> Script {
        let recording = Recording {
            setup,
            load,
            has_upgrade: false,
        };
        Script::of(&recording, |_, _| None)
    }

    #[test]
    fn an_id_that_an_answer_gave_is_that_of_the_asked_server() {
        let script = script(
            Vec::new(),
            vec![
                exchange(
                    0,
                    "POST /items",
                    "{\"name\":\"a 1764160000123\"}",
                    201,
                    "{\"id\":17,\"name\":\"a 1764160000123\"}",
                ),
                exchange(0, "GET /items", "", 200, "[{\"id\":17}]"),
                exchange(0, "DELETE /items/17", "", 204, ""),
                exchange(
                    1,
                    "POST /items",
                    "{\"name\":\"a 1764160000456\"}",
                    201,
                    "{\"id\":18,\"name\":\"a 1764160000456\"}",
                ),
            ],
        );
        assert_eq!(
            script.routes,
            ["POST /items", "GET /items", "DELETE /items/{id}"]
        );
        let takes: Vec<&[usize]> = script
            .load
            .iter()
            .map(|step| step.takes.as_slice())
            .collect();
        assert_eq!(takes, [&[][..], &[], &[0], &[]]);
        assert_eq!(script.load[0].gives, [0]);
        let answer = exchange(0, "GET /", "", 200, "{\"id\":4711}").answer;
        let value = script.given[0].read(&answer).unwrap();
        let filled = script.load[2].filled(&script.given, &[value], 0);
        assert_eq!(filled.target, "/items/4711");
    }

    #[test]
    fn what_many_ask_for_is_no_answers_gift_unless_the_setup_learnt_it() {
        let search =
            |connection| exchange(connection, "GET /search?q=x", "", 200, "[{\"id\":\"002\"}]");
        let get = |connection| exchange(connection, "GET /specs/002", "", 200, "{}");
        let found = script(Vec::new(), vec![search(0), get(0), get(1)]);
        assert!(found.given.is_empty(), "{:?}", found.given);

        let login = exchange(0, "POST /login", "", 200, "{\"token\":\"s3cret-t0ken\"}");
        let mut with_token = get(7);
        with_token.request.headers = vec![("Authorization".into(), "Bearer s3cret-t0ken".into())];
        let found = script(vec![login], vec![with_token.clone(), with_token]);
        assert_eq!(found.given.len(), 1);
        let filled = found.load[1].filled(&found.given, &["other".into()], 3);
        assert_eq!(filled.headers[0].1, "Bearer other");
    }

    #[test]
    fn cookies_and_locations_are_given_too() {
        let mut login = exchange(0, "POST /login", "", 303, "");
        login.answer.headers = vec![
            ("Set-Cookie".into(), "session=abc123def; Path=/".into()),
            ("Location".into(), "/users/u42?x".into()),
        ];
        let mut page = exchange(0, "GET /users/u42", "", 200, "");
        page.request.headers = vec![("Cookie".into(), "session=abc123def".into())];
        let script = script(Vec::new(), vec![login, page]);
        let filled = script.load[1].filled(&script.given, &["u1".into(), "zzz".into()], 0);
        assert_eq!(
            (filled.target.as_str(), filled.headers[0].1.as_str()),
            ("/users/u1", "session=zzz")
        );
    }

    #[test]
    fn what_the_test_made_up_is_made_up_anew_on_each_pass() {
        let id = "0198c5d2-1f2a-7b3c-9d4e-5f6a7b8c9d0e";
        let body = |time: &str| {
            format!("{{\"name\":\"Mission {time}\",\"id\":\"{id}\",\"kind\":\"constant-0000000\"}}")
        };
        let mut first = exchange(0, "POST /items", &body("1764160000123"), 201, "");
        first.request.body.push(b'\n');
        let second = exchange(
            1,
            "POST /items",
            &body("1764160000456").replace(id, "x"),
            201,
            "",
        );
        let script = script(Vec::new(), vec![first, second]);
        let text = |pass| {
            let filled = script.load[0].filled(&[], &[], pass);
            String::from_utf8(filled.body.clone()).unwrap()
        };
        assert!(text(0).contains("1764160000123") && text(0).contains(id));
        let passes: Vec<String> = (0..10_000).map(text).collect();
        let different: std::collections::BTreeSet<&String> = passes.iter().collect();
        assert_eq!(different.len(), passes.len());
        for text in &passes {
            assert!(
                text.len() == passes[0].len() && text.contains("constant-0000000"),
                "{text}"
            );
            let (_, rest) = text.split_once("\"id\":\"").unwrap();
            assert_eq!((&rest[14..15], &rest[19..20]), ("7", "9"), "{text}");
        }
    }

    #[test]
    fn routes_are_folded() {
        for (target, folded) in [
            ("/", "GET /"),
            ("/api/specs/002", "GET /api/specs/{id}"),
            ("/api/specs/search?q=17", "GET /api/specs/search"),
            (
                "/api/v1/items/0198c5d2-1f2a-7b3c-9d4e-5f6a7b8c9d0e/",
                "GET /api/v1/items/{id}/",
            ),
        ] {
            assert_eq!(route("GET", target), folded);
        }
    }
}
