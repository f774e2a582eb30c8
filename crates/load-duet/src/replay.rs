//! Asks two servers the same requests, back to back in drawn order, and times the answers.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use crate::message::{Answer, Connection};
use crate::script::{Script, Step};

/// Two servers that are asked in turn.
#[derive(Debug)]
pub struct Duet<'a> {
    script: &'a Script,
    sides: [Side; 2],
    random: fastrand::Rng,
    /// The place in the load.
    next: usize,
    pass: usize,
}

#[derive(Debug)]
struct Side {
    host: String,
    connection: Connection,
    /// The values that this server's answers gave, as the recorded ones until they do.
    values: Vec<String>,
}

/// What was measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// The durations by route, as (first server, second server) of each request that both answered well, in seconds.
    pub durations: BTreeMap<usize, Vec<[f64; 2]>>,
    /// How many requests each of the servers was asked.
    pub requests: u64,
    /// How many each did not answer well.
    pub failed: [u64; 2],
    /// How long the answers were together, in bytes.
    pub bytes: [u64; 2],
}

/// An answer with its duration in seconds.
type Timed = io::Result<(Answer, f64)>;

impl<'a> Duet<'a> {
    /// Prepares both servers as the script does; `seed` draws the order within each pair of requests.
    pub fn prepare(script: &'a Script, servers: [SocketAddr; 2], seed: u64) -> Self {
        let side = |address: SocketAddr| Side {
            host: address.to_string(),
            connection: Connection::to(address),
            values: script
                .given
                .iter()
                .map(|given| given.text.clone())
                .collect(),
        };
        let mut duet = Self {
            script,
            sides: servers.map(side),
            random: fastrand::Rng::with_seed(seed),
            next: 0,
            pass: 0,
        };
        for step in &script.setup {
            let _not_measured = duet.ask_both(step, false);
        }
        duet
    }

    /// Goes through the load until `enough` says so, which is asked after each request with what was measured so far.
    pub fn play(&mut self, mut enough: impl FnMut(&Tally) -> bool) -> Tally {
        let mut tally = Tally::default();
        while let Some(step) = self.script.load.get(self.next) {
            tally.add(step, &self.ask_both(step, false));
            self.next += 1;
            if self.next == self.script.load.len() {
                self.next = 0;
                self.pass += 1;
            }
            if enough(&tally) {
                break;
            }
        }
        tally
    }

    /// Goes once through the first `requests` of the load, both sides at once, with the requests of each route together in
    /// the order in which the routes begin: what an answer gives is there before it is taken. Calls `after` with each
    /// route and what was measured of it, and ends once `is_over`.
    ///
    /// # Errors
    /// The first that `after` returns.
    pub fn play_by_route<E>(
        &mut self,
        requests: usize,
        is_over: impl Fn() -> bool,
        mut after: impl FnMut(usize, &Tally) -> Result<(), E>,
    ) -> Result<(), E> {
        self.pass += 1;
        let steps = &self.script.load[..requests.min(self.script.load.len())];
        let mut routes = Vec::new();
        for step in steps {
            if !routes.contains(&step.route) {
                routes.push(step.route);
            }
        }
        for route in routes {
            let mut tally = Tally::default();
            for step in steps.iter().filter(|step| step.route == route) {
                if is_over() {
                    return Ok(());
                }
                tally.add(step, &self.ask_both(step, true));
            }
            after(route, &tally)?;
        }
        Ok(())
    }

    /// Asks both, one after the other or `at_once`.
    fn ask_both(&mut self, step: &Step, at_once: bool) -> [Timed; 2] {
        let [first, second] = &mut self.sides;
        let (script, pass) = (self.script, self.pass);
        let mut requests = [first, second].map(|side| {
            let request = step
                .filled(&script.given, &side.values, pass)
                .to_bytes(&side.host);
            (side, request)
        });
        let ask =
            |(side, request): &mut (&mut Side, Vec<u8>)| side.ask(&step.request.method, request);
        let [first, second] = &mut requests;
        let answers = match self.random.bool() {
            _ if at_once => std::thread::scope(|scope| {
                let other = scope.spawn(|| ask(second));
                let answer = ask(first);
                let lost = |_| Err(io::Error::other("the thread that asked it ended"));
                [answer, other.join().unwrap_or_else(lost)]
            }),
            true => {
                let answer = ask(first);
                [answer, ask(second)]
            }
            false => {
                let answer = ask(second);
                [ask(first), answer]
            }
        };
        for ((side, _), answer) in requests.iter_mut().zip(&answers) {
            let Ok((answer, _)) = answer else {
                continue;
            };
            for &slot in &step.gives {
                if let Some(value) = script.given[slot].read(answer) {
                    side.values[slot] = value;
                }
            }
        }
        answers
    }
}

impl Tally {
    fn add(&mut self, step: &Step, answers: &[Timed; 2]) {
        self.requests += 1;
        let mut durations = [0.0; 2];
        let mut are_well = true;
        for (side, answer) in answers.iter().enumerate() {
            let seconds = answer.as_ref().ok().and_then(|(answer, seconds)| {
                self.bytes[side] += answer.raw.len() as u64;
                is_well(answer.status, step.status).then_some(*seconds)
            });
            match seconds {
                Some(seconds) => durations[side] = seconds,
                None => {
                    self.failed[side] += 1;
                    are_well = false;
                }
            }
        }
        // An error is answered in another time than the thing itself.
        if are_well {
            self.durations
                .entry(step.route)
                .or_default()
                .push(durations);
        }
    }
}

impl Side {
    fn ask(&mut self, method: &str, request: &[u8]) -> Timed {
        self.connection.open()?;
        let begin = Instant::now();
        let answer = self.connection.exchange(method, request)?;
        Ok((answer, begin.elapsed().as_secs_f64()))
    }
}

/// Whether `status` is as good as the recorded one: nothing that the server blames itself for, and no refusal of what
/// was not refused before.
fn is_well(status: u16, recorded: u16) -> bool {
    status < 400 || (status == recorded && status < 500)
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write as _};
    use std::net::{Ipv4Addr, TcpListener};
    use std::time::Duration;

    use super::*;
    use crate::message::{Request, read_request};
    use crate::recorder::{Exchange, Recording};

    /// A server that gives ids from `first` on for each POST and knows those that it gave; `pause` before each answer.
    fn server(first: u64, pause: Duration, status: u16) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut next = first;
            for client in listener.incoming().flatten() {
                let mut client = BufReader::new(client);
                while let Ok(Some(request)) = read_request(&mut client) {
                    std::thread::sleep(pause);
                    let id = request
                        .target
                        .rsplit('/')
                        .next()
                        .and_then(|id| id.parse().ok());
                    let (status, body) = match id {
                        Some(id) if (first..next).contains(&id) => (200, String::new()),
                        Some(_) => (404, String::new()),
                        None => {
                            next += 1;
                            (status, format!("{{\"id\":{}}}", next - 1))
                        }
                    };
                    let answer = format!(
                        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    client.get_mut().write_all(answer.as_bytes()).unwrap();
                }
            }
        });
        address
    }

    fn script() -> Script {
        let exchange = |method: &str, target: &str, status, answer: &str| Exchange {
            connection: 0,
            request: Request {
                method: method.into(),
                target: target.into(),
                headers: Vec::new(),
                body: Vec::new(),
            },
            answer: Answer {
                status,
                headers: Vec::new(),
                body: answer.into(),
                raw: Vec::new(),
            },
        };
        let recording = Recording {
            load: vec![
                exchange("POST", "/items", 201, "{\"id\":5}"),
                exchange("GET", "/items/5", 200, ""),
            ],
            ..Recording::default()
        };
        Script::of(&recording, |_, _| None)
    }

    #[test]
    fn both_are_asked_the_same_with_their_own_ids_and_the_slower_one_is_seen() {
        let script = script();
        let servers = [
            server(100, Duration::ZERO, 201),
            server(900, Duration::from_millis(3), 201),
        ];
        let mut duet = Duet::prepare(&script, servers, 1);
        duet.play(|tally| tally.requests >= 4);
        let tally = duet.play(|tally| tally.requests >= 40);
        assert_eq!((tally.requests, tally.failed), (40, [0, 0]));
        assert_eq!(tally.bytes[0], tally.bytes[1]);
        for durations in tally.durations.values() {
            assert_eq!(durations.len(), 20);
            let slower = durations
                .iter()
                .filter(|[first, second]| *second > first + 0.001);
            assert!(slower.count() > 15, "{durations:?}");
        }
        assert_eq!(tally.durations.len(), 2);
    }

    #[test]
    fn the_requests_of_a_route_stand_together_and_still_have_their_ids() {
        let script = script();
        let servers = [100, 900].map(|first| server(first, Duration::ZERO, 201));
        let mut duet = Duet::prepare(&script, servers, 1);
        let mut seen = Vec::new();
        let mut play = |requests| {
            duet.play_by_route(
                requests,
                || false,
                |route, tally| {
                    seen.push((route, tally.requests, tally.failed));
                    Ok::<(), ()>(())
                },
            )
        };
        play(9).unwrap();
        play(1).unwrap();
        assert_eq!(seen, [(0, 1, [0, 0]), (1, 1, [0, 0]), (0, 1, [0, 0])]);
        assert_eq!(duet.play_by_route(9, || false, |_, _| Err("no")), Err("no"));
    }

    #[test]
    fn what_fails_on_either_side_is_counted_and_not_timed() {
        let script = script();
        let servers = [
            server(100, Duration::ZERO, 500),
            server(900, Duration::ZERO, 201),
        ];
        let mut duet = Duet::prepare(&script, servers, 1);
        let tally = duet.play(|tally| tally.requests >= 10);
        assert_eq!((tally.requests, tally.failed), (10, [5, 0]));
        assert_eq!(tally.durations.keys().copied().collect::<Vec<_>>(), [1]);
        drop(duet);
        // Nobody listens there any more.
        let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap()
            .local_addr()
            .unwrap();
        let mut duet = Duet::prepare(&script, [gone, servers[1]], 1);
        let tally = duet.play(|tally| tally.requests >= 4);
        assert_eq!((tally.failed, tally.durations.len()), ([4, 0], 0));
    }

    #[test]
    fn an_answer_is_as_good_as_the_recorded_one() {
        for (status, recorded, well) in [
            (201, 201, true),
            (404, 404, true),
            (200, 404, true),
            (404, 200, false),
            (500, 500, false),
            (201, 500, true),
        ] {
            assert_eq!(is_well(status, recorded), well, "{status} for {recorded}");
        }
    }
}
