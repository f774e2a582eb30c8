//! From a recording to a script that can be asked of any server, again and again: values that an answer gave are taken
//! from the asked server's own answers, and values that a test made up are made up anew on each pass.

mod fresh;
mod given;

use std::borrow::Cow;

use crate::message::Request;
use crate::recorder::{Exchange, Recording};
use fresh::{made_up, renewed};
pub(crate) use given::Given;
use given::{bindings, holds};

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
        for (from, given) in bindings(&all, recording.setup.len()) {
            let slot = script.given.len();
            for step in &mut steps[from + 1..] {
                if holds(&step.request, &given.text) {
                    step.takes.push(slot);
                }
            }
            steps[from].gives.push(slot);
            script.given.push(given);
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
    use crate::message::Answer;

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
        let gives: Vec<&[usize]> = script
            .load
            .iter()
            .map(|step| step.gives.as_slice())
            .collect();
        assert_eq!(gives, [&[0][..], &[], &[], &[]], "the list only repeats it");
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
