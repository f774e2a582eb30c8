//! Live events over real sockets.

use std::net::TcpStream;
use std::time::Duration;

use crate::common::{
    KEY, MISSION, Server, ServerBuilder, eventually, exchange, metric, request, status, tempdir,
};
use rustix::process::Signal;
use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, Message, WebSocket};

struct Client(WebSocket<TcpStream>);

impl Client {
    /// Connects with the key in the query, as a browser must.
    fn connect(server: &Server) -> Self {
        Self::connect_with(server, &format!("/ws?token={KEY}"), None).expect("accepted")
    }

    fn connect_with(server: &Server, path: &str, key: Option<&str>) -> Result<Self, u16> {
        let mut request = format!("ws://{}{path}", server.addr)
            .into_client_request()
            .expect("a request");
        if let Some(key) = key {
            let value = format!("Bearer {key}").parse().expect("a header value");
            request.headers_mut().insert("authorization", value);
        }
        let stream = TcpStream::connect(server.addr).expect("connects");
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("set");
        match tungstenite::client(request, stream) {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(tungstenite::HandshakeError::Failure(Error::Http(response))) => {
                Err(response.status().as_u16())
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn subscribed(server: &Server) -> Self {
        let mut client = Self::connect(server);
        client.send(r#"{"type":"subscribe","channel":"missions"}"#);
        assert_eq!(
            client.next(),
            json!({"type": "subscribed", "channel": "missions"})
        );
        client
    }

    fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).expect("sent");
    }

    /// The next text frame.
    fn next(&mut self) -> Value {
        loop {
            match self.0.read().expect("a frame") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("unexpected {other:?}"),
            }
        }
    }
}

fn server() -> (tempfile::TempDir, Server) {
    server_with([])
}

fn server_with<const N: usize>(args: [&str; N]) -> (tempfile::TempDir, Server) {
    let data = tempdir();
    let server = ServerBuilder::new(data.path()).args(args).start();
    (data, server)
}

fn create(server: &Server) -> Value {
    let answer = request(server.addr, "POST", "/api/missions", Some(MISSION)).expect("answered");
    assert_eq!(answer.status, 201);
    answer.json()
}

#[test]
fn only_clients_with_the_key_get_in() {
    let (_data, server) = server();
    let status = |path: &str, key| Client::connect_with(&server, path, key).err();
    assert_eq!(status("/ws", None), Some(401));
    assert_eq!(status("/ws?token=wrong-key-1", None), Some(401));
    assert_eq!(status("/ws?token=", None), Some(401));
    assert_eq!(status("/ws", Some("wrong-key-1")), Some(401));
    assert_eq!(status("/ws", Some(KEY)), None);
    assert_eq!(
        status(&format!("/ws?token={}", KEY.replace('t', "%74")), None),
        None
    );
}

#[test]
fn a_session_is_an_open_connection() {
    let (_data, server) = server();
    let client = Client::subscribed(&server);
    let mut own = TcpStream::connect(server.addr).expect("connects");
    let mut open = || {
        let ask = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n";
        let metrics = exchange(&mut own, ask).expect("answered").body;
        let metrics = String::from_utf8(metrics).expect("text");
        let mut lines = metrics.lines();
        let count = lines.find_map(|line| line.strip_prefix("tachikoma_connections "));
        count.map(str::to_owned).expect("a count")
    };
    for _ in 0..20 {
        assert_eq!(open(), "2");
    }
    drop(client);
    eventually("the session's end", || (open() == "1").then_some(()));
}

#[test]
fn every_change_of_a_mission_is_an_event() {
    let (_data, server) = server();
    let mut client = Client::subscribed(&server);
    let mission = create(&server);
    assert_eq!(
        client.next(),
        json!({"type": "mission.created", "mission": mission})
    );
    let path = format!("/api/missions/{}", mission["id"].as_str().expect("an id"));
    let changed = request(server.addr, "PATCH", &path, Some(r#"{"status":"running"}"#));
    let changed = changed.expect("answered").json();
    assert_eq!(
        client.next(),
        json!({"type": "mission.updated", "mission": changed})
    );
    assert_eq!(status(server.addr, "DELETE", &path, None), 204);
    assert_eq!(
        client.next(),
        json!({"type": "mission.deleted", "mission": changed})
    );
}

#[test]
fn events_come_only_while_subscribed() {
    let (_data, server) = server();
    let mut client = Client::connect(&server);
    create(&server);
    client.send(r#"{"type":"subscribe","channel":"missions"}"#);
    client.send(r#"{"type":"subscribe","channel":"missions"}"#);
    assert_eq!(client.next()["type"], "subscribed");
    assert_eq!(client.next()["type"], "subscribed");
    let mission = create(&server);
    assert_eq!(
        client.next()["mission"],
        mission,
        "once, although subscribed twice"
    );
    client.send(r#"{"type":"unsubscribe","channel":"missions"}"#);
    assert_eq!(
        client.next(),
        json!({"type": "unsubscribed", "channel": "missions"})
    );
    create(&server);
    client.send("end");
    assert_eq!(
        client.next()["type"],
        "error",
        "no event before this answer"
    );
}

#[test]
fn bad_frames_are_answered_and_the_session_goes_on() {
    let (_data, server) = server();
    let mut client = Client::connect(&server);
    for frame in [
        "",
        "no json",
        "[]",
        "{}",
        r#"{"type":"subscribe","channel":"other"}"#,
    ] {
        client.send(frame);
        let answer = client.next();
        assert_eq!(answer["type"], "error", "{frame}");
        assert!(answer["message"].is_string());
    }
    client
        .0
        .send(Message::binary(vec![0, 159, 146, 150]))
        .expect("sent");
    assert_eq!(client.next()["type"], "error");
    client
        .0
        .send(Message::Ping(bytes::Bytes::from_static(b"x")))
        .expect("sent");
    match client.0.read().expect("a frame") {
        Message::Pong(payload) => assert_eq!(payload.as_ref(), b"x"),
        other => panic!("unexpected {other:?}"),
    }
    client.send(r#"{"type":"subscribe","channel":"missions"}"#);
    assert_eq!(client.next()["type"], "subscribed");
}

#[test]
fn a_frame_that_is_too_long_ends_the_session_only() {
    let (_data, server) = server();
    let mut client = Client::connect(&server);
    // The server may close before the whole frame is written.
    let _ = client.0.send(Message::text("x".repeat(64 * 1024)));
    assert!(client.0.read().is_err() || matches!(client.0.read(), Ok(Message::Close(_)) | Err(_)));
    create(&server);
    Client::subscribed(&server);
}

#[test]
fn the_limit_of_sessions_holds_and_places_are_given_back() {
    let (_data, server) = server_with(["--max-websockets", "2"]);
    let path = format!("/ws?token={KEY}");
    let first = Client::subscribed(&server);
    let _second = Client::subscribed(&server);
    assert_eq!(Client::connect_with(&server, &path, None).err(), Some(503));
    drop(first);
    eventually("a free place", || {
        Client::connect_with(&server, &path, None).ok()
    });
}

#[test]
fn a_close_is_answered_with_a_close() {
    let (_data, server) = server();
    let mut client = Client::subscribed(&server);
    client.0.close(None).expect("sent");
    assert!(matches!(client.0.read(), Ok(Message::Close(_))));
    assert!(matches!(client.0.read(), Err(Error::ConnectionClosed)));
}

/// Events and pings that are due at the same moment must not keep the answer back.
#[test]
fn a_close_among_events_is_answered_with_a_close() {
    let (_data, server) = server_with(["--ping-interval", "20ms"]);
    let addr = server.addr;
    for _ in 0..4 {
        // They end with the server.
        std::thread::spawn(
            move || while request(addr, "POST", "/api/missions", Some(MISSION)).is_ok() {},
        );
    }
    for round in 0..50 {
        let mut client = Client::subscribed(&server);
        client.next();
        client.0.close(None).expect("sent");
        loop {
            match client.0.read() {
                Ok(Message::Close(_)) => break,
                Ok(_) => {}
                Err(error) => panic!("round {round}: {error}"),
            }
        }
        assert!(
            matches!(client.0.read(), Err(Error::ConnectionClosed)),
            "round {round}"
        );
    }
}

#[test]
fn a_stopping_server_says_goodbye() {
    let (_data, mut server) = server();
    let mut client = Client::subscribed(&server);
    server.signal(Signal::TERM);
    match client.0.read().expect("a frame") {
        Message::Close(Some(frame)) => assert_eq!(frame.code, CloseCode::Away),
        other => panic!("unexpected {other:?}"),
    }
    // Reading on sends the answer to the close.
    assert!(client.0.read().is_err());
    assert_eq!(server.wait().0.code(), Some(0));
}

#[test]
fn a_silent_client_is_closed() {
    let (_data, server) = server_with(["--ping-interval", "50ms"]);
    // Never reading, it never answers a ping.
    let _client = Client::connect(&server);
    eventually("the session's end", || {
        let gone = metric(server.addr, "tachikoma_websocket_sessions 0");
        (gone && metric(server.addr, "tachikoma_websocket_dropped_total 1")).then_some(())
    });
}

/// A client that does not read is told how many events it missed, loses nothing else, and never
/// slows down one that does.
#[test]
fn a_slow_reader_learns_what_it_missed_and_slows_nobody() {
    const EVENTS: usize = 3_000;
    let (_data, server) = server_with(["--write-timeout", "1m"]);
    let mut slow = Client::subscribed(&server);
    let mut quick = Client::subscribed(&server);
    let long = "x".repeat(7_900);
    let body = format!(r#"{{"name":"n","prompt":"{long}","backend":"mock"}}"#);
    let addr = server.addr;
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let body = body.clone();
            std::thread::spawn(move || {
                for _ in 0..EVENTS / 8 {
                    let answer = request(addr, "POST", "/api/missions", Some(&body));
                    assert_eq!(answer.expect("answered").status, 201);
                }
            })
        })
        .collect();
    let mut last = String::new();
    for _ in 0..EVENTS {
        let event = quick.next();
        assert_eq!(
            event["type"], "mission.created",
            "the quick client missed events"
        );
        let id = event["mission"]["id"].as_str().expect("an id").to_owned();
        assert!(id > last, "out of order");
        last = id;
    }
    for writer in writers {
        writer.join().expect("no panic");
    }
    let (mut seen, mut missed) = (0, 0);
    while seen + missed < EVENTS {
        let frame = slow.next();
        match frame["type"].as_str() {
            Some("mission.created") => seen += 1,
            Some("lagged") => {
                missed +=
                    usize::try_from(frame["missed"].as_u64().expect("a number")).expect("few");
            }
            _ => panic!("unexpected {frame}"),
        }
    }
    assert_eq!(seen + missed, EVENTS);
    assert!(
        missed > 0,
        "the slow client was never behind: the test proves nothing"
    );
}

#[test]
fn a_reader_that_never_reads_is_dropped() {
    let (_data, server) = server_with(["--write-timeout", "100ms"]);
    let _never = Client::subscribed(&server);
    let long = "x".repeat(7_900);
    let body = format!(r#"{{"name":"n","prompt":"{long}","backend":"mock"}}"#);
    eventually("the reader to be dropped", || {
        for _ in 0..50 {
            request(server.addr, "POST", "/api/missions", Some(&body)).expect("answered");
        }
        metric(server.addr, "tachikoma_websocket_dropped_total 1").then_some(())
    });
}
