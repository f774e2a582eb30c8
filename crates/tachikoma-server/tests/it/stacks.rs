//! A server that samples its own stacks when it is asked to.

use crate::common::{Server, request, status, tempdir};

const PATH: &str = "/debug/stacks";

/// So many requests that the kernel's tick comes some times while they are answered.
fn keep_busy(server: &Server) {
    for _ in 0..2_000 {
        status(server.addr, "GET", "/api/specs/search?q=load", None);
    }
}

#[test]
fn what_it_did_between_a_post_and_a_get_is_answered_as_folded_stacks() {
    let data = tempdir();
    let server = Server::start(data.path());
    let ask = |method: &str| request(server.addr, method, PATH, None).expect("answered");
    assert_eq!(ask("GET").status, 409, "nothing is sampled");
    assert_eq!(ask("PUT").status, 405);
    assert_eq!(ask("POST").status, 204);
    let again = ask("POST");
    assert_eq!(again.status, 409);
    let said = String::from_utf8_lossy(&again.body).into_owned();
    assert!(said.contains("a GET of this ends it"), "{said}");
    keep_busy(&server);
    let answer = ask("GET");
    assert_eq!(answer.status, 200);
    let folded = String::from_utf8_lossy(&answer.body).into_owned();
    for line in folded.lines() {
        let count = line.rsplit_once(' ').map(|(_, count)| count.parse::<u64>());
        assert!(matches!(count, Some(Ok(1..))), "{line}");
    }
    let of_ours = folded
        .lines()
        .filter(|line| line.contains("tachikoma_server::"));
    assert!(of_ours.count() > 0, "{folded}");
    assert_eq!(ask("GET").status, 409, "it has ended");
    // It is none of the routes that are counted.
    let metrics = request(server.addr, "GET", "/metrics", None).expect("answered");
    assert!(!String::from_utf8_lossy(&metrics.body).contains("stacks"));
}

#[test]
fn it_takes_the_key() {
    let data = tempdir();
    let server = Server::start(data.path());
    let mut stream = std::net::TcpStream::connect(server.addr).expect("it listens");
    let asked = format!("POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n");
    let answer = crate::common::exchange(&mut stream, asked.as_bytes()).expect("answered");
    assert_eq!(answer.status, 401);
    assert_eq!(
        status(server.addr, "GET", PATH, None),
        409,
        "it has not begun"
    );
}
