//! Good requests and frames, made bad at random.

use std::net::SocketAddr;

use crate::common::KEY;
use crate::websocket::{TEXT, frame, handshake};

/// Pieces that parsers have stumbled over.
const POISON: &[&[u8]] = &[
    b"\0",
    b"\r\n",
    b"\n",
    b"\r\n\r\n",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"%00",
    b"%ff",
    b"%",
    b"/../../../../etc/passwd",
    b"//",
    b"?token=&token=",
    b"?limit=-1&limit=99999999999999999999&before=%00",
    b"?q=%22%20OR%20NEAR(*%20AND%20%27;--&q=%ff",
    b"content-length: 18446744073709551616\r\n",
    b"content-length: -1\r\ncontent-length: 7\r\n",
    b"transfer-encoding: chunked\r\n",
    b"transfer-encoding: chunked, gzip\r\ncontent-length: 3\r\n",
    b"expect: 100-continue\r\n",
    b"connection: upgrade\r\nupgrade: h2c\r\n",
    b"host: \xc3\x28\r\n",
    b" : \r\n",
    b"HTTP/2.0",
    b"ffffffffffffffff\r\n",
    b"[[[[[[[[[[[[[[[[",
    b"{\"name\":{\"name\":",
    b"1e999999",
    b"\\ud800",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

/// A request to some route, with one to four mutations.
pub fn request(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = good_request(random);
    for _ in 0..random.usize(1..=4) {
        mutate(&mut bytes, random);
    }
    bytes
}

/// A handshake as it should be, followed by frames with mutations.
pub fn frames(addr: SocketAddr, random: &mut fastrand::Rng) -> Vec<u8> {
    let mut frames = Vec::new();
    for _ in 0..random.usize(1..=4) {
        frames.extend(some_frame(random));
    }
    for _ in 0..random.usize(0..=4) {
        mutate(&mut frames, random);
    }
    let mut bytes = handshake(addr, KEY).into_bytes();
    bytes.append(&mut frames);
    bytes
}

fn good_request(random: &mut fastrand::Rng) -> Vec<u8> {
    let id = "018f3a3e-5b7c-7def-8a01-0123456789ab";
    let targets = [
        ("GET", "/api/health".to_owned()),
        ("GET", "/api/missions?limit=10".to_owned()),
        ("POST", "/api/missions".to_owned()),
        ("GET", format!("/api/missions/{id}")),
        ("PATCH", format!("/api/missions/{id}")),
        ("DELETE", format!("/api/missions/{id}")),
        ("GET", "/api/specs/010".to_owned()),
        ("GET", "/api/specs/search?q=two%20words&limit=5".to_owned()),
        ("GET", format!("/ws?token={KEY}")),
        ("GET", "/metrics".to_owned()),
        ("OPTIONS", "*".to_owned()),
    ];
    let (method, target) = &targets[random.usize(..targets.len())];
    let body = r#"{"name":"a name","prompt":"a prompt","backend":"mock"}"#;
    let head = format!(
        "{method} {target} HTTP/1.1\r\nhost: proof\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\n"
    );
    let request = if random.bool() {
        format!("{head}content-length: {}\r\n\r\n{body}", body.len())
    } else {
        let length = body.len();
        format!("{head}transfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n")
    };
    request.into_bytes()
}

fn some_frame(random: &mut fastrand::Rng) -> Vec<u8> {
    match random.u8(..9) {
        0 => frame(TEXT, br#"{"type":"subscribe","channel":"missions"}"#),
        1 => frame(
            TEXT,
            format!("{{\"more\":{}", "[".repeat(10_000)).as_bytes(),
        ),
        2 => frame(TEXT, b"\xff\xfe not UTF-8"),
        // Longer than any message may be, said and sent.
        3 => frame(TEXT, &vec![b' '; 70_000]),
        // Said to have 2^63 bytes.
        4 => [&[0x81, 0xff, 0x80][..], &[0; 7], &[0; 4]].concat(),
        // A ping in parts, a reserved opcode, reserved bits, no mask, a close with half a code.
        5 => vec![0x09, 0x80, 0, 0, 0, 0],
        6 => vec![0xf0 | random.u8(3..8), 0x80, 0, 0, 0, 0],
        7 => vec![0x81, 0x02, b'{', b'}'],
        _ => frame(random.u8(..16), &[random.u8(..)]),
    }
}

fn mutate(bytes: &mut Vec<u8>, random: &mut fastrand::Rng) {
    if bytes.is_empty() {
        return;
    }
    let at = random.usize(..bytes.len());
    let end = (at + random.usize(1..40)).min(bytes.len());
    match random.u8(..7) {
        0 => bytes[at] = random.u8(..),
        1 => bytes[at] ^= 1 << random.u8(..8),
        2 => drop(bytes.drain(at..end)),
        3 => {
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
        }
        4 => bytes.truncate(at),
        5 => bytes.swap(at, end - 1),
        _ => {
            let poison = POISON[random.usize(..POISON.len())];
            bytes.splice(at..at, poison.iter().copied());
        }
    }
}
