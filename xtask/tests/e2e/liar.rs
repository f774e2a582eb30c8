//! A proxy before a server that lies in one way: the right status, the wrong content.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read as _, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// How it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Not at all.
    None,
    /// Every answer is 200 with nothing in it, after the first two for health: those who ask before a test.
    Empty,
    /// Every sixth list of missions is a page for people.
    SixthListIsHtml,
    /// What is created is not there afterwards.
    NotStored,
    /// The list has others' missions only.
    OthersMissions,
    /// The list has each mission twice.
    ListedTwice,
    /// The list has nothing beside the missions.
    ListedNothing,
    /// Each mission gets the id of the first.
    OneId,
    /// What is created has no id.
    NullId,
    /// What is created bears another name.
    OtherName,
    /// Every key is good enough.
    AnyKey,
    /// A search never finds anything.
    SearchEmpty,
    /// A spec has no content.
    SpecEmpty,
    /// Everything is found elsewhere.
    Redirected,
    /// A WebSocket is opened and nothing is ever sent.
    SocketSilent,
    /// A WebSocket gets what is no JSON.
    SocketGarbage,
    /// A WebSocket gets an error for an answer.
    SocketError,
    /// A WebSocket gets binary data.
    SocketBinary,
    /// A WebSocket is closed in good order after a second.
    SocketShort,
}

/// A proxy on a free port; dropping it closes it.
pub struct Liar {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    lie: Lie,
    server: String,
    key: String,
    stop: AtomicBool,
    asked: AtomicUsize,
    counted: Mutex<BTreeMap<&'static str, usize>>,
    first_id: Mutex<Option<Value>>,
}

/// A request or an answer: its first line, its headers with small names, its body.
struct Message {
    first: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Liar {
    /// A proxy before the server at `url` whose key is `key`.
    pub fn new(lie: Lie, url: &str, key: &str) -> Self {
        Self::with_tls(lie, url, key, None)
    }

    /// One that speaks TLS, with a certificate of a private authority, and tells the truth.
    pub fn with_private_certificate(url: &str, key: &str) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/");
        let cert = CertificateDer::from_pem_file(format!("{folder}signed.pem")).unwrap();
        let own = PrivateKeyDer::from_pem_file(format!("{folder}signed.key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert], own)
            .unwrap();
        Self::with_tls(Lie::None, url, key, Some(Arc::new(config)))
    }

    fn with_tls(lie: Lie, url: &str, key: &str, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            lie,
            server: url.strip_prefix("http://").unwrap().to_owned(),
            key: key.to_owned(),
            stop: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            counted: Mutex::default(),
            first_id: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if accepting.stop.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                let tls = tls.clone();
                // A client that goes away in the middle is none of the test's business.
                std::thread::spawn(move || match tls {
                    Some(tls) => shared.serve_tls(tls, stream),
                    None => shared.serve(stream),
                });
            }
        });
        Self { address, shared }
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it takes WebSockets.
    pub fn ws_url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    /// How many requests it has had, opened WebSockets among them.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the accepting thread, so that it sees the flag.
        let _closed = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        loop {
            let mut request = Message::read(&mut reader, false)?;
            self.asked.fetch_add(1, Ordering::Relaxed);
            if self.lie == Lie::AnyKey {
                request.set_key(&self.key);
            }
            if request.header("upgrade").is_some() {
                return self.socket(&request, stream, reader);
            }
            self.answer(&request)?.write(&mut &stream)?;
        }
    }

    fn serve_tls(&self, config: Arc<ServerConfig>, stream: TcpStream) -> Option<()> {
        let connection = ServerConnection::new(config).ok()?;
        let mut reader = BufReader::new(StreamOwned::new(connection, stream));
        loop {
            let request = Message::read(&mut reader, false)?;
            self.asked.fetch_add(1, Ordering::Relaxed);
            self.answer(&request)?.write(reader.get_mut())?;
        }
    }

    /// How often this has been asked for, this time included.
    fn nth(&self, what: &'static str) -> usize {
        let mut counted = self.counted.lock().unwrap();
        let count = counted.entry(what).or_default();
        *count += 1;
        *count
    }

    fn answer(&self, request: &Message) -> Option<Message> {
        let (method, path) = request.asked();
        let health = path == "/api/health";
        let list =
            method == "GET" && path.starts_with("/api/missions") && path.matches('/').count() == 2;
        let created = (method, path) == ("POST", "/api/missions");
        let others = json!([{"id": "0", "name": "another's", "prompt": "p", "backend": "mock", "status": "pending"}]);
        match self.lie {
            Lie::Empty if !health || self.nth("health") > 2 => {
                return Some(Message::answer(200, ""));
            }
            Lie::SixthListIsHtml if list && self.nth("list").is_multiple_of(6) => {
                return Some(Message::answer(200, "<html>We will be right back</html>"));
            }
            Lie::Redirected if !health => {
                let mut answer = Message::answer(307, "");
                answer
                    .headers
                    .push(("location".into(), format!("http://{}{path}", self.server)));
                return Some(answer);
            }
            _ => {}
        }
        let mut answer = self.pass_on(request)?;
        if created && answer.first.contains(" 201 ") {
            let id = answer.json()["id"].clone();
            match self.lie {
                Lie::NotStored => {
                    let path = format!("/api/missions/{}", id.as_str().unwrap());
                    let mut gone = Message::request("DELETE", &path);
                    gone.set_key(&self.key);
                    self.pass_on(&gone)?;
                }
                Lie::OneId => {
                    let first = self.first_id.lock().unwrap().get_or_insert(id).clone();
                    answer.set_json("id", first);
                }
                Lie::NullId => answer.set_json("id", Value::Null),
                Lie::OtherName => answer.set_json("name", json!("another's")),
                _ => {}
            }
        }
        if answer.first.contains(" 200 ") {
            match self.lie {
                Lie::OthersMissions if list => answer.body = others.to_string().into(),
                Lie::ListedTwice | Lie::ListedNothing if list => {
                    let mut listed = answer.json();
                    let more = match self.lie {
                        Lie::ListedTwice => listed.as_array().unwrap().clone(),
                        _ => vec![Value::Null],
                    };
                    listed.as_array_mut().unwrap().extend(more);
                    answer.body = listed.to_string().into();
                }
                Lie::SearchEmpty if path.starts_with("/api/specs/search") => {
                    answer.body = "[]".into();
                }
                Lie::SpecEmpty if path.starts_with("/api/specs/0") => {
                    answer.set_json("content", json!(""));
                }
                _ => {}
            }
        }
        Some(answer)
    }

    /// Asks the server.
    fn pass_on(&self, request: &Message) -> Option<Message> {
        let server = TcpStream::connect(&self.server).ok()?;
        let headers = request
            .headers
            .iter()
            .filter(|(name, _)| name != "connection");
        let close = ("connection".to_owned(), "close".to_owned());
        Message {
            first: request.first.clone(),
            headers: headers.cloned().chain([close]).collect(),
            body: request.body.clone(),
        }
        .write(&mut &server)?;
        let mut answer = Message::read(&mut BufReader::new(server), true)?;
        answer
            .headers
            .retain(|(name, _)| name != "connection" && name != "transfer-encoding");
        Some(answer)
    }

    /// Has the server open a WebSocket, and speaks in its place if that is the lie.
    fn socket(
        &self,
        request: &Message,
        client: TcpStream,
        from_client: BufReader<TcpStream>,
    ) -> Option<()> {
        let server = TcpStream::connect(&self.server).ok()?;
        request.write(&mut &server)?;
        let frame = |kind: u8, data: &[u8]| {
            [&[0x80 | kind, u8::try_from(data.len()).unwrap()], data].concat()
        };
        let said = match self.lie {
            Lie::SocketSilent => Vec::new(),
            Lie::SocketGarbage => frame(1, b"not json"),
            Lie::SocketError => frame(1, br#"{"type":"error","message":"no such channel"}"#),
            Lie::SocketBinary => frame(2, &[0, 1]),
            Lie::SocketShort => frame(1, br#"{"type":"subscribed","channel":"missions"}"#),
            _ => return tunnel(client, from_client, server),
        };
        let mut from_server = BufReader::new(server);
        let mut opened = Message::read(&mut from_server, false)?;
        opened.headers.retain(|(name, _)| name != "content-length");
        opened.write(&mut &client)?;
        (&client).write_all(&said).ok()?;
        if self.lie == Lie::SocketShort {
            std::thread::sleep(Duration::from_secs(1));
            (&client)
                .write_all(&frame(8, &1000_u16.to_be_bytes()))
                .ok()?;
        }
        // Until the client has had enough.
        std::io::copy(&mut { from_client }, &mut std::io::sink())
            .ok()
            .map(|_| ())
    }
}

/// Carries bytes both ways until either side ends.
fn tunnel(
    client: TcpStream,
    mut from_client: BufReader<TcpStream>,
    server: TcpStream,
) -> Option<()> {
    let (mut to_server, mut from_server) = (server.try_clone().ok()?, server);
    let back = std::thread::spawn(move || {
        let _ended = std::io::copy(&mut from_server, &mut { &client });
        let _ended = client.shutdown(std::net::Shutdown::Both);
    });
    let _ended = std::io::copy(&mut from_client, &mut to_server);
    let _ended = to_server.shutdown(std::net::Shutdown::Both);
    back.join().ok()
}

impl Message {
    fn request(method: &str, path: &str) -> Self {
        Self {
            first: format!("{method} {path} HTTP/1.1"),
            headers: vec![("host".into(), "localhost".into())],
            body: Vec::new(),
        }
    }

    fn answer(status: u16, body: &str) -> Self {
        Self {
            first: format!("HTTP/1.1 {status} Lie"),
            headers: vec![("content-type".into(), "application/json".into())],
            body: body.into(),
        }
    }

    /// Reads a message; without a length its body goes on to the end, if it may.
    fn read(reader: &mut impl BufRead, to_the_end: bool) -> Option<Self> {
        let mut line = || {
            let mut line = String::new();
            (reader.read_line(&mut line).ok()? > 0).then(|| line.trim_end().to_owned())
        };
        let first = line()?;
        let mut headers = Vec::new();
        loop {
            let line = line()?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut message = Self {
            first,
            headers,
            body: Vec::new(),
        };
        let length = message
            .header("content-length")
            .map(|length| length.parse().unwrap());
        match length {
            Some(length) => reader.take(length).read_to_end(&mut message.body).ok()?,
            None if to_the_end => reader.read_to_end(&mut message.body).ok()?,
            None => 0,
        };
        Some(message)
    }

    fn write(&self, stream: &mut impl Write) -> Option<()> {
        let mut text = format!("{}\r\n", self.first);
        for (name, value) in self
            .headers
            .iter()
            .filter(|(name, _)| name != "content-length")
        {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.header("upgrade").is_none() {
            text.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        let bytes = [text.as_bytes(), b"\r\n", &self.body].concat();
        stream.write_all(&bytes).ok()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    /// Method and path of a request.
    fn asked(&self) -> (&str, &str) {
        let mut words = self.first.split(' ');
        (words.next().unwrap(), words.next().unwrap())
    }

    /// Gives a request the right key.
    fn set_key(&mut self, key: &str) {
        self.headers.retain(|(name, _)| name != "authorization");
        self.headers
            .push(("authorization".into(), format!("Bearer {key}")));
        if let Some((path, rest)) = self.first.clone().split_once("?token=") {
            let version = rest.split_once(' ').map_or("", |(_, version)| version);
            self.first = format!("{path}?token={key} {version}");
        }
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn set_json(&mut self, field: &str, value: Value) {
        let mut json = self.json();
        if json.get(field).is_some() {
            json[field] = value;
            self.body = json.to_string().into();
        }
    }
}
